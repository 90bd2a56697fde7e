/* Fractals, one pixel at a time, in floating point. */
#include "demo.h"

/* Steps until z = z^2 + c is out of the circle of radius 2, at most `limit`. */
static u32 escape(double x, double y, double cx, double cy, u32 limit)
{
    u32 n = 0;

    for (; n < limit; n++) {
        double xx = x * x, yy = y * y;
        if (xx + yy > 4)
            break;
        y = 2 * x * y + cy;
        x = xx - yy + cx;
    }
    return n;
}

/* ---- Julia sets: c walks along the border of the Mandelbrot set's heart, just outside ---- */

#define JULIA_STEPS 42u
#define JULIA_SHADES 6u

static double julia_x, julia_y;

/* The sine of 1/65536 turns, between the table's neighbours. */
static double sine_of(u32 turn)
{
    double part = (turn & 255) / 256.0;

    return (sine[turn >> 8 & 255] * (1 - part) + sine[((turn >> 8) + 1) & 255] * part) / 127;
}

static void julia_prepare(u32 ms)
{
    u32 turn = ms * 5 + 12000, quarter = 64 << 8;

    julia_x = 1.03 * (sine_of(turn + quarter) / 2 - sine_of(2 * turn + quarter) / 4);
    julia_y = 1.03 * (sine_of(turn) / 2 - sine_of(2 * turn) / 4);
}

static void julia_line(u32 core, u32 y, u8 *out, u32 width)
{
    double step = 3.2 / width, x = -1.6;
    double at = ((double)y - page_height() / 2) * step;

    (void)core;
    for (u32 i = 0; i < width; i++, x += step)
        out[i] = (u8)(escape(x, at, julia_x, julia_y, JULIA_STEPS) * JULIA_SHADES);
}

static void julia_colours(colour_map map, u32 ms)
{
    static const struct waves waves = {1, 185, 1, 195, 2, 210};

    (void)ms;
    map_waves(map, &waves, 0);
    for (u32 i = JULIA_STEPS * JULIA_SHADES; i < 256; i++)
        map[i] = 0x100818; /* inside */
}

const struct scene julia = {"julia", NULL, julia_prepare, julia_line, julia_colours, false, false};

/* ---- the Mandelbrot set, drawn once: the mode pans over it ---- */

#define MANDELBROT_STEPS 127

static void mandelbrot_line(u32 core, u32 y, u8 *out, u32 width)
{
    double step = 2.6 / width, x = -1.95;
    double at = ((double)y - page_height() / 2) * step;

    (void)core;
    for (u32 i = 0; i < width; i++, x += step) {
        /* The two large parts that never escape need no steps. */
        double q = (x - 0.25) * (x - 0.25) + at * at;
        bool inside = q * (q + x - 0.25) <= 0.25 * at * at || (x + 1) * (x + 1) + at * at <= 0.0625;
        out[i] = (u8)(inside ? MANDELBROT_STEPS * 2 : escape(0, 0, x, at, MANDELBROT_STEPS) * 2);
    }
}

static void mandelbrot_colours(colour_map map, u32 ms)
{
    static const struct waves waves = {6, 0, 5, 220, 3, 150};

    (void)ms;
    map_waves(map, &waves, 0);
    for (u32 i = MANDELBROT_STEPS * 2; i < 256; i++)
        map[i] = 0x000010;
}

const struct scene mandelbrot = {"mandelbrot, panned", NULL, NULL, mandelbrot_line, mandelbrot_colours, false, true};
