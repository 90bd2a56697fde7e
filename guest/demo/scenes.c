/*
 * Scenes whose pixels cost a few additions and table lookups: a line of colour indices at a time, on
 * whichever core has that line. No divisions in the inner loops.
 */
#include "demo.h"

u32 random_next(u32 *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* ---- plasma: waves over x, over y and over the diagonal ---- */

static u8 over_x[LINE_MAX], over_y[LINE_MAX], over_diagonal[2 * LINE_MAX];

static void plasma_prepare(u32 ms)
{
    u32 t = ms / 8;

    for (u32 x = 0; x < page_width(); x++)
        over_x[x] = (u8)((sine[(x / 2 + t) & 255] + sine[(x * 3 / 4 + 2 * t) & 255]) / 2);
    for (u32 y = 0; y < page_height(); y++)
        over_y[y] = (u8)((sine[(y - t) & 255] + sine[(y / 3 + 3 * t) & 255]) / 2);
    for (u32 d = 0; d < page_width() + page_height(); d++)
        over_diagonal[d] = (u8)(sine[(d * 2 / 5 - 2 * t) & 255] / 2);
}

static void plasma_line(u32 core, u32 y, u8 *out, u32 width)
{
    const u8 *diagonal = over_diagonal + y;
    u8 here = over_y[y];

    (void)core;
    for (u32 x = 0; x < width; x++)
        out[x] = (u8)(over_x[x] + diagonal[x] + here);
}

static void plasma_colours(colour_map map, u32 ms)
{
    static const struct waves waves = {1, 20, 1, 70, 1, 150};

    map_waves(map, &waves, ms / 64);
}

const struct scene plasma = {"plasma", NULL, plasma_prepare, plasma_line, plasma_colours, true, false};

/* ---- zoomer: a texture of 256x256, turned and scaled ---- */

static u32 zoom_u, zoom_v, zoom_du, zoom_dv;

static void zoomer_start(void)
{
    u8 *texture = SCENE_MEMORY;

    for (u32 y = 0; y < 256; y++)
        for (u32 x = 0; x < 256; x++) {
            u32 tile = ((x ^ y) & 128) ? 112 : 0;
            *texture++ = (u8)(tile + (sine[(x * 2) & 255] + sine[(y * 2) & 255] + 256) / 5 + ((x ^ y) & 31));
        }
}

static void zoomer_prepare(u32 ms)
{
    int scale = 200 + sine[ms / 24 & 255], angle = ms / 20 & 255;

    /* 16.16; the middle of the screen stays where it is. */
    zoom_du = (u32)(sine[(angle + 64) & 255] * scale);
    zoom_dv = (u32)(sine[angle] * scale);
    zoom_u = (ms << 12) - zoom_du * (page_width() / 2) + zoom_dv * (page_height() / 2);
    zoom_v = (ms << 11) - zoom_dv * (page_width() / 2) - zoom_du * (page_height() / 2);
}

static void zoomer_line(u32 core, u32 y, u8 *out, u32 width)
{
    const u8 *texture = SCENE_MEMORY;
    u32 u = zoom_u - zoom_dv * y, v = zoom_v + zoom_du * y;

    (void)core;
    for (u32 x = 0; x < width; x++, u += zoom_du, v += zoom_dv)
        out[x] = texture[(v >> 8 & 0xFF00) | (u >> 16 & 0xFF)];
}

static void zoomer_colours(colour_map map, u32 ms)
{
    static const struct waves waves = {1, 200, 1, 150, 1, 90};

    (void)ms;
    map_waves(map, &waves, 0);
}

const struct scene zoomer = {"zoomer", zoomer_start, zoomer_prepare, zoomer_line, zoomer_colours, false, false};

/* ---- rings: the waves of two sources that move ---- */

#define ROOT_SHIFT 5
static u8 ring[256];
static struct {
    int x, y;
} source[2];

/* SCENE_MEMORY[d >> ROOT_SHIFT] is the root of d, mod 256. */
static void roots_start(void)
{
    u32 limit = (page_width() * page_width() + page_height() * page_height()) * 2 >> ROOT_SHIFT, root = 0;

    for (u32 i = 0; i <= limit; i++) {
        while ((root + 1) * (root + 1) <= i << ROOT_SHIFT)
            root++;
        SCENE_MEMORY[i] = (u8)root;
    }
}

static void rings_prepare(u32 ms)
{
    int width = (int)page_width(), height = (int)page_height();

    for (u32 i = 0; i < 256; i++)
        ring[i] = (u8)(sine[(i * 4 - ms / 4) & 255] / 2);
    source[0].x = width / 2 + sine[ms / 40 & 255] * width / 300;
    source[0].y = height / 2 + sine[ms / 29 & 255] * height / 300;
    source[1].x = width / 2 + sine[(ms / 33 + 100) & 255] * width / 300;
    source[1].y = height / 2 + sine[(ms / 47 + 50) & 255] * height / 300;
}

static void rings_line(u32 core, u32 y, u8 *out, u32 width)
{
    const u8 *root = SCENE_MEMORY;
    int ya = (int)y - source[0].y, yb = (int)y - source[1].y;
    /* (x + 1)^2 is x^2 + 2x + 1: squares by addition. */
    u32 a = (u32)(ya * ya + source[0].x * source[0].x), step_a = (u32)(1 - 2 * source[0].x);
    u32 b = (u32)(yb * yb + source[1].x * source[1].x), step_b = (u32)(1 - 2 * source[1].x);

    (void)core;
    for (u32 x = 0; x < width; x++) {
        out[x] = (u8)(ring[root[a >> ROOT_SHIFT]] + ring[root[b >> ROOT_SHIFT]]);
        a += step_a;
        b += step_b;
        step_a += 2;
        step_b += 2;
    }
}

static void rings_colours(colour_map map, u32 ms)
{
    static const struct waves waves = {1, 64, 1, 20, 1, 0};

    (void)ms;
    map_waves(map, &waves, 0);
}

const struct scene rings = {"rings", roots_start, rings_prepare, rings_line, rings_colours, false, false};

/* ---- blobs: four soft balls; heat by the square of the distance ---- */

#define BLOBS 4
#define HEAT_SHIFT 6
static struct {
    int x, y;
} blob[BLOBS];

/* SCENE_MEMORY[d >> HEAT_SHIFT] is a ball's heat at the squared distance d. */
static void blobs_start(void)
{
    u32 limit = (page_width() * page_width() + page_height() * page_height()) * 2 >> HEAT_SHIFT;
    u32 radius = page_height() * page_height() / 75 >> HEAT_SHIFT;

    for (u32 i = 0; i <= limit; i++)
        SCENE_MEMORY[i] = (u8)(120 * radius / (radius + i));
}

static void blobs_prepare(u32 ms)
{
    int width = (int)page_width(), height = (int)page_height();

    for (u32 i = 0; i < BLOBS; i++) {
        blob[i].x = width / 2 + sine[(ms / (13 + 5 * i) + 70 * i) & 255] * width / 320;
        blob[i].y = height / 2 + sine[(ms / (17 + 3 * i) + 40 * i) & 255] * height / 320;
    }
}

static void blobs_line(u32 core, u32 y, u8 *out, u32 width)
{
    const u8 *heat = SCENE_MEMORY;
    u32 d[BLOBS], step[BLOBS];

    (void)core;
    for (u32 i = 0; i < BLOBS; i++) {
        int dy = (int)y - blob[i].y;
        d[i] = (u32)(dy * dy + blob[i].x * blob[i].x);
        step[i] = (u32)(1 - 2 * blob[i].x);
    }
    for (u32 x = 0; x < width; x++) {
        u32 sum = 0;
        for (u32 i = 0; i < BLOBS; i++) {
            sum += heat[d[i] >> HEAT_SHIFT];
            d[i] += step[i];
            step[i] += 2;
        }
        out[x] = (u8)(sum < 255 ? sum : 255);
    }
}

static void blobs_colours(colour_map map, u32 ms)
{
    static const struct waves waves = {2, 190, 2, 150, 1, 200};

    (void)ms;
    map_waves(map, &waves, 0);
}

const struct scene blobs = {"blobs", blobs_start, blobs_prepare, blobs_line, blobs_colours, false, false};
