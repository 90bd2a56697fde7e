/* Scenes with a state: a fire that climbs from frame to frame, and stars over a floor without end. */
#include "demo.h"

/* ---- fire: each point is the mean of those under it, a little cooler ---- */

#define FIRE_SIZE (1u << 20)

static u8 *fire_now, *fire_next; /* the frame before, and the one that is being made */
static u32 fire_frame;

static void fire_start(void)
{
    memset(SCENE_MEMORY, 0, 2 * FIRE_SIZE);
    fire_now = SCENE_MEMORY;
    fire_next = SCENE_MEMORY + FIRE_SIZE;
}

static void fire_prepare(u32 ms)
{
    u8 *swap = fire_now;

    (void)ms;
    fire_now = fire_next;
    fire_next = swap;
    fire_frame++;
}

/* Embers: runs of hot and cold points, other ones each frame. */
static void kindle(u32 y, u8 *out, u32 width)
{
    u32 state = fire_frame * 2654435761u + y * 40503u + 1;

    for (u32 x = 0; x < width; x += 8) {
        u32 r = random_next(&state);
        memset(out + x, (r & 3) ? 255 - (r >> 8 & 31) : (r >> 8 & 63), 8);
    }
}

static void fire_line(u32 core, u32 y, u8 *out, u32 width)
{
    const u32 rise = 3;

    (void)core;
    if (y + rise + 1 >= page_height()) {
        kindle(y, out, width);
    } else {
        const u8 *under = fire_now + (y + rise) * width;
        u32 state = (fire_frame * 97 + y) * 2654435761u | 1;
        u32 cooling = random_next(&state) & 3 ? 2 : 1;

        out[0] = out[width - 1] = 0;
        for (u32 x = 1; x < width - 1; x++) {
            u32 heat = (under[x - 1] + 2u * under[x] + under[x + 1]) >> 2;
            out[x] = (u8)(heat > cooling ? heat - cooling : 0);
        }
    }
    memcpy(fire_next + y * width, out, width);
}

static void fire_colours(colour_map map, u32 ms) { map_fire(map, ms / 4 % 768); }

const struct scene fire = {"fire", fire_start, fire_prepare, fire_line, fire_colours, true, false};

/* ---- starfield over a chequered floor ---- */

#define STARS 400
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
        int x = (int)page_width() / 2 + star[i].x * 256 / (int)z;
        int y = (int)horizon() / 2 + star[i].y * 256 / (int)z;
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
    u32 distance = (page_height() << 11) / depth; /* one division a line */
    u32 step = distance >> 1;
    u32 u = floor_u - step * (width / 2);
    u32 row = (distance * 64 + floor_v) >> 16 & 1;
    u32 light = depth * 4 < HAZE - 1 ? depth * 4 : HAZE - 1;
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
        map[128 + i] = (150 - i) << 16 | (60 + i) << 8 | (150 + i);
        map[192 + i] = (150 - i * 2) << 16 | (60 - i / 2) << 8 | (150 - i);
    }
}

const struct scene starfield = {"starfield", starfield_start, starfield_prepare, starfield_line, starfield_colours,
                                false, false};
