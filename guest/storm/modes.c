/* Which mode comes when. */
#include "modes.h"

/* What a hash is for; each has its own. */
enum salt { SALT_SIZE = 1, SALT_BIG, SALT_EXTRA, SALT_DEPTH, SALT_OFFSET, SALT_COLOUR, SALT_INDEX, SALT_CHANGE };

static u64 splitmix64(u64 x)
{
    x += 0x9E3779B97F4A7C15;
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9;
    x = (x ^ x >> 27) * 0x94D049BB133111EB;
    return x ^ x >> 31;
}

static u64 hash(u64 seed, u64 n, enum salt salt)
{
    return splitmix64(splitmix64(seed) + (n << 8) + salt);
}

/* The i-th 16 bits of a hash. */
static u32 part(u64 hash, u32 i) { return hash >> 16 * i & 0xFFFF; }

static u32 lesser(u32 a, u32 b) { return a < b ? a : b; }

/* What remains of a colour at a depth, back at 8 bits a channel. */
static u32 on_screen(u32 colour, u32 depth)
{
    if (depth != 16)
        return colour;
    u32 r = colour >> 19 & 31, g = colour >> 10 & 63, b = colour >> 3 & 31;
    return (r << 3 | r >> 2) << 16 | (g << 2 | g >> 4) << 8 | (b << 3 | b >> 2);
}

static void set_colour(struct mode *mode, u64 seed, u64 n)
{
    u32 colour = on_screen(hash(seed, n, SALT_COLOUR) & 0xFFFFFF, mode->depth);

    if (colour == 0) /* never black: that is what an unpainted screen looks like */
        colour = on_screen(0x080808, mode->depth);
    mode->colour = colour;
}

static void set_offset(struct mode *mode, u64 seed, u64 n)
{
    u64 h = hash(seed, n, SALT_OFFSET);

    mode->offset_x = part(h, 0) % (mode->virtual_width - mode->width + 1);
    mode->offset_y = part(h, 1) % (mode->virtual_height - mode->height + 1);
}

static void change_all(struct mode *mode, u64 seed, u64 n)
{
    u64 size = hash(seed, n, SALT_SIZE), extra = hash(seed, n, SALT_EXTRA);
    u64 depth = hash(seed, n, SALT_DEPTH);

    if (hash(seed, n, SALT_BIG) % 512 == 0) {
        mode->width = 320 + part(size, 0) % 1601;
        mode->height = 240 + part(size, 2) % 841;
    } else {
        mode->width = 1 + lesser(part(size, 0) % 320, part(size, 1) % 320);
        mode->height = 1 + lesser(part(size, 2) % 320, part(size, 3) % 320);
    }
    mode->virtual_width = mode->width + (part(extra, 0) & 1 ? part(extra, 1) % 40 : 0);
    mode->virtual_height = mode->height + (part(extra, 2) & 1 ? part(extra, 3) % 40 : 0);
    mode->depth = 8 * (1 + (depth & 3));
    mode->order = mode->depth == 8 ? ORDER_RGB : depth >> 2 & 1;
    mode->palette_index = 1 + hash(seed, n, SALT_INDEX) % 255;
    set_offset(mode, seed, n);
    set_colour(mode, seed, n);
}

static void change_offset(struct mode *mode, u64 seed, u64 n)
{
    u32 x = mode->offset_x, y = mode->offset_y;
    u32 room_x = mode->virtual_width - mode->width, room_y = mode->virtual_height - mode->height;

    set_offset(mode, seed, n);
    if (mode->offset_x != x || mode->offset_y != y)
        return;
    if (room_x)
        mode->offset_x = (x + 1) % (room_x + 1);
    else
        mode->offset_y = (y + 1) % (room_y + 1);
}

static void change_order(struct mode *mode)
{
    u32 c = mode->colour;

    mode->order ^= 1;
    mode->colour = (c & 0xFF) << 16 | (c & 0xFF00) | c >> 16;
}

static void change_palette(struct mode *mode, u64 seed, u64 n)
{
    u32 before = mode->colour;

    set_colour(mode, seed, n);
    if (mode->colour == before)
        mode->colour = before % 0xFFFFFF + 1;
}

void mode_advance(struct mode *mode, u64 seed, u64 n, bool mixed)
{
    u64 h = hash(seed, n, SALT_CHANGE);
    bool room = mode->virtual_width > mode->width || mode->virtual_height > mode->height;

    if (!mixed || n == 1 || (h & 3) != 0)
        mode->change = CHANGE_ALL;
    else if (room && (h & 4))
        mode->change = CHANGE_OFFSET;
    else
        mode->change = mode->depth == 8 ? CHANGE_PALETTE : CHANGE_ORDER;

    switch (mode->change) {
    case CHANGE_ALL:
        change_all(mode, seed, n);
        break;
    case CHANGE_OFFSET:
        change_offset(mode, seed, n);
        break;
    case CHANGE_ORDER:
        change_order(mode);
        break;
    case CHANGE_PALETTE:
        change_palette(mode, seed, n);
        break;
    }
}

u32 mode_pixel(const struct mode *mode)
{
    u32 r = mode->colour >> 16, g = mode->colour >> 8 & 0xFF, b = mode->colour & 0xFF;

    if (mode->depth == 8)
        return mode->palette_index;
    if (mode->order == ORDER_BGR) {
        u32 swap = r;
        r = b;
        b = swap;
    }
    if (mode->depth == 16)
        return r >> 3 << 11 | g >> 2 << 5 | b >> 3;
    return 0xFF000000 | b << 16 | g << 8 | r; /* byte 0 is red with RGB */
}
