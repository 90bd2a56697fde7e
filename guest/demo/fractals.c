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

/* ---- Julia sets: c walks around the origin ---- */

#define JULIA_STEPS 31

static double julia_x, julia_y;

static void julia_prepare(u32 ms)
{
    /* Between two of the table's sines, for a smooth walk. */
    u32 turn = ms * 2, i = turn >> 8, part = turn & 255;
    double y = sine[i & 255] * (256 - (double)part) + sine[(i + 1) & 255] * (double)part;
    double x = sine[(i + 64) & 255] * (256 - (double)part) + sine[(i + 65) & 255] * (double)part;

    julia_x = x * (0.7885 / (127 * 256));
    julia_y = y * (0.7885 / (127 * 256));
}

static void julia_line(u32 core, u32 y, u8 *out, u32 width)
{
    double step = 3.2 / width, x = -1.6;
    double at = ((double)y - page_height() / 2) * step;

    (void)core;
    for (u32 i = 0; i < width; i++, x += step)
        out[i] = (u8)(escape(x, at, julia_x, julia_y, JULIA_STEPS) * 8);
}

static void julia_colours(colour_map map, u32 ms)
{
    static const struct waves waves = {1, 170, 1, 200, 2, 20};

    (void)ms;
    map_waves(map, &waves, 0);
    for (u32 i = JULIA_STEPS * 8; i < 256; i++)
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
