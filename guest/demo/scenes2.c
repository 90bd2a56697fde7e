/* Scenes with a state: a fire that climbs from frame to frame, and stars over a floor without end. */
#include "demo.h"

/* ---- fire: each point is the mean of those under it, cooled by a draught that rises with it ---- */

#define FIRE_SIZE (1u << 20)
#define RISE 2u /* lines a frame */

static u8 *fire_now, *fire_next; /* the frame before, and the one that is being made */
static u8 *draught;              /* 256x256 of soft noise: how much each point cools */
static u32 fire_frame;

static void fire_start(void)
{
    u32 state = 20130314;
    u8 *noise = SCENE_MEMORY + 3 * FIRE_SIZE;

    /* It has been burning: heat over the lower two thirds. */
    for (u32 y = 0; y < page_height(); y++) {
        u32 heat = 3 * 255 * y / page_height() / 2;
        memset(SCENE_MEMORY + y * page_width(), heat > 128 ? (int)heat - 128 : 0, page_width());
    }
    memcpy(SCENE_MEMORY + FIRE_SIZE, SCENE_MEMORY, FIRE_SIZE);
    fire_now = SCENE_MEMORY;
    fire_next = SCENE_MEMORY + FIRE_SIZE;
    draught = SCENE_MEMORY + 2 * FIRE_SIZE;

    /* Random points 16 apart, straight lines between them. */
    for (u32 i = 0; i < 256; i++)
        noise[i] = (u8)random_next(&state);
    for (u32 y = 0; y < 256; y++)
        for (u32 x = 0; x < 256; x++) {
            u32 row = y / 16 * 16, below = (row + 16) & 255, column = x / 16, right = (column + 1) & 15;
            u32 fx = x % 16, fy = y % 16;
            u32 upper = noise[row + column] * (16 - fx) + noise[row + right] * fx;
            u32 lower = noise[below + column] * (16 - fx) + noise[below + right] * fx;
            u32 value = (upper * (16 - fy) + lower * fy) / 256;
            draught[y * 256 + x] = (u8)(value > 90 ? (value - 90) / 22 : 0);
        }
}

static void fire_prepare(u32 ms)
{
    u8 *swap = fire_now;

    (void)ms;
    fire_now = fire_next;
    fire_next = swap;
    fire_frame++;
}

/* Embers: runs of hot points, with gaps that move about. */
static void kindle(u8 *out, u32 width)
{
    u32 state = (fire_frame / 4) * 2654435761u | 1;

    for (u32 x = 0; x < width; x += 8)
        memset(out + x, random_next(&state) & 7 ? 255 : 120, 8);
}

static void fire_line(u32 core, u32 y, u8 *out, u32 width)
{
    (void)core;
    if (y + RISE >= page_height()) {
        kindle(out, width);
    } else {
        const u8 *under = fire_now + (y + RISE) * width, *nearer = under - width;
        const u8 *cooling = draught + ((y + fire_frame * RISE) & 255) * 256;

        out[0] = out[width - 1] = 0;
        for (u32 x = 1; x < width - 1; x++) {
            u32 mean = (under[x - 1] + under[x] + under[x + 1] + nearer[x]) / 4u;
            int heat = (int)mean - cooling[(x + x / 256 * 97) & 255];
            out[x] = (u8)(heat > 0 ? heat : 0);
        }
    }
    memcpy(fire_next + y * width, out, width);
}

static void fire_colours(colour_map map, u32 ms) { map_fire(map, ms / 12 % 768); }

const struct scene fire = {"fire", fire_start, fire_prepare, fire_line, fire_colours, true, false};

/* ---- starfield over a chequered floor ---- */

#define STARS 700
#define FLOOR_COLOUR 128u
#define HAZE 64

static struct {
    int x, y;
    u32 z;
} star[STARS];
static struct {
    u16 x, y, size;
    u8 light;
} seen_star[STARS];
static u32 sky_now, floor_u, floor_v;

static void starfield_start(void)
{
    u32 state = 20130314;

    for (u32 i = 0; i < STARS; i++) {
        star[i].x = (int)(random_next(&state) % 4096) - 2048;
        star[i].y = (int)(random_next(&state) % 4096) - 2048;
        star[i].z = random_next(&state) % 1024;
    }
}

static u32 horizon(void) { return page_height() * 5 / 8; }

static void starfield_prepare(u32 ms)
{
    sky_now = ms;
    floor_u = (u32)(sine[ms / 50 & 255] * 512);
    floor_v = ms << 7;
    for (u32 i = 0; i < STARS; i++) {
        u32 z = (star[i].z + 1024 - (ms / 4 & 1023)) % 1024 + 16;
        int x = (int)page_width() / 2 + star[i].x * 200 / (int)z;
        int y = (int)horizon() / 2 + star[i].y * 200 / (int)z;
        bool visible = x >= 0 && x + 4 <= (int)page_width() && y >= 0 && y + 4 <= (int)horizon();

        seen_star[i].size = visible ? (u16)(z < 200 ? 4 : z < 500 ? 3 : 2) : 0;
        seen_star[i].x = (u16)x;
        seen_star[i].y = (u16)y;
        seen_star[i].light = (u8)(127 - z / 16);
    }
}

/* The sky's indices go up to 63 for its glow, then to 127 for the stars; the floor's from 128. */
static void sky_line(u32 y, u8 *out, u32 width)
{
    memset(out, (int)(y * 63 / horizon()), width);
    for (u32 i = 0; i < STARS; i++)
        if (y - seen_star[i].y < seen_star[i].size)
            memset(out + seen_star[i].x, seen_star[i].light, seen_star[i].size);
}

static void floor_line(u32 y, u8 *out, u32 width)
{
    u32 depth = y - horizon() + 1;
    u32 distance = (page_height() << 10) / depth; /* one division a line */
    u32 step = distance >> 1;
    u32 u = floor_u - step * (width / 2);
    u32 row = (distance * 64 + floor_v) >> 16 & 1;
    u32 light = depth < 2 * HAZE - 1 ? depth / 2 : HAZE - 1;
    u8 colours[2] = {(u8)(FLOOR_COLOUR + light), (u8)(FLOOR_COLOUR + HAZE + light)};

    for (u32 x = 0; x < width; x++, u += step)
        out[x] = colours[(u >> 16 & 1) ^ row];
}

static void starfield_line(u32 core, u32 y, u8 *out, u32 width)
{
    (void)core;
    if (y < horizon())
        sky_line(y, out, width);
    else
        floor_line(y, out, width);
}

static void starfield_colours(colour_map map, u32 ms)
{
    (void)ms;
    for (u32 i = 0; i < 64; i++) {
        map[i] = (i * i / 24) << 16 | (i * i / 60) << 8 | (24 + i * 2);
        map[64 + i] = (128 + i * 2) * 0x010101;
        /* Both colours of the floor begin in the haze over the horizon. */
        map[128 + i] = (165 - i) << 16 | (66 + 2 * i) << 8 | (150 + i);
        map[192 + i] = (165 - i * 5 / 2) << 16 | (66 - i) << 8 | (150 - i * 3 / 2);
    }
}

const struct scene starfield = {"starfield", starfield_start, starfield_prepare, starfield_line, starfield_colours,
                                false, false};
