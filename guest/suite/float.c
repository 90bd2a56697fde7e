/* Scalar floating point, double precision. */
#include "suite.h"

/* The Mandelbrot set on a grid of n by n points, up to 256 steps each. */
u64 run_mandelbrot(u64 n)
{
    u64 sum = 0;

    for (u64 row = 0; row < n; row++)
        for (u64 column = 0; column < n; column++) {
            double cx = -2.0 + 2.5 * (double)column / (double)n, cy = -1.25 + 2.5 * (double)row / (double)n;
            double x = 0.0, y = 0.0;
            u32 steps = 0;
            while (steps < 256) {
                double xx = x * x, yy = y * y;
                if (xx + yy > 4.0)
                    break;
                y = 2.0 * x * y + cy;
                x = xx - yy + cx;
                steps++;
            }
            sum = fold(sum, steps);
        }
    return sum;
}

/* ---- bodies: n steps of five masses that attract each other --------------------------------- */

#define BODIES 5

static struct body {
    double x, y, z, vx, vy, vz, mass;
} bodies[BODIES];

static double root(double square)
{
    double value;

    asm("fsqrt %d0, %d1" : "=w"(value) : "w"(square));
    return value;
}

static void step(double dt)
{
    for (u32 i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];
        for (u32 j = i + 1; j < BODIES; j++) {
            struct body *b = &bodies[j];
            double dx = a->x - b->x, dy = a->y - b->y, dz = a->z - b->z;
            double square = dx * dx + dy * dy + dz * dz + 0.01;
            double pull = dt / (square * root(square));
            a->vx -= dx * b->mass * pull;
            a->vy -= dy * b->mass * pull;
            a->vz -= dz * b->mass * pull;
            b->vx += dx * a->mass * pull;
            b->vy += dy * a->mass * pull;
            b->vz += dz * a->mass * pull;
        }
    }
    for (u32 i = 0; i < BODIES; i++) {
        struct body *a = &bodies[i];
        a->x += dt * a->vx;
        a->y += dt * a->vy;
        a->z += dt * a->vz;
    }
}

u64 run_bodies(u64 n)
{
    u64 sum = 0;

    for (u32 i = 0; i < BODIES; i++)
        bodies[i] = (struct body){1.0 + 3.0 * i, 0.5 * i, -0.25 * i, 0.1 * i, 1.0 - 0.2 * i, 0.05 * i, i ? 0.01 * i : 4.0};
    for (u64 i = 0; i < n; i++)
        step(0.001);
    for (u32 i = 0; i < BODIES; i++)
        sum = fold(sum, (u64)(long)(bodies[i].x * 1e9) ^ (u64)(long)(bodies[i].vy * 1e9));
    return sum;
}
