/* The framebuffer: modes, page flips, lines and text in every depth and order. */
#include "demo.h"

struct screen screen;

/* With 8 bits the inks have the palette's last places. */
#define FIRST_INK_INDEX (256 - INKS)

static const u32 ink_colours[INKS] = {0x000000, 0xFFFFFF, 0x9098A8, 0xFF5A5F, 0x3DDC84, 0x4D9DFF, 0xFFC83D};
static u32 palette[256];
static bool palette_is_new;

u32 page_width(void) { return screen.is.virtual_width; }
u32 page_height(void) { return screen.double_buffered ? screen.is.height : screen.is.virtual_height; }

/* A colour as it lies in memory, little endian. */
static u32 encode(u32 rgb)
{
    u32 r = rgb >> 16, g = rgb >> 8 & 0xFF, b = rgb & 0xFF;

    if (screen.is.order == ORDER_BGR) {
        u32 swap = r;
        r = b;
        b = swap;
    }
    if (screen.is.depth == 16)
        return r >> 3 << 11 | g >> 2 << 5 | b >> 3;
    return 0xFF000000 | b << 16 | g << 8 | r;
}

static u32 palette_entry(u32 rgb) { return 0xFF000000 | (rgb & 0xFF) << 16 | (rgb & 0xFF00) | rgb >> 16; }

static void set_inks(void)
{
    for (u32 i = 0; i < INKS; i++) {
        screen.ink[i] = screen.is.depth == 8 ? FIRST_INK_INDEX + i : encode(ink_colours[i]);
        palette[FIRST_INK_INDEX + i] = palette_entry(ink_colours[i]);
    }
}

void screen_colours(const colour_map map)
{
    for (u32 i = 0; i < 256; i++) {
        u32 index = i * FIRST_INK_INDEX / 256;
        screen.pixel[i] = screen.is.depth == 8 ? index : encode(map[i]);
        palette[index] = palette_entry(map[i]);
    }
    palette_is_new = screen.is.depth == 8;
}

static void add_palette(void)
{
    u32 *value = property_tag_with(TAG_SET_PALETTE, 8 + sizeof palette, 0, 256);

    memcpy(value + 2, palette, sizeof palette);
    palette_is_new = false;
}

static bool same(const char *what, const u32 *value, u32 words, u32 first, u32 second)
{
    if (property_response(value) & PROPERTY_DONE && value[0] == first && (words == 1 || value[1] == second))
        return true;
    print("demo: refused: %s %u %u, answered 0x%x: %u %u\n", what, first, second, property_response(value),
          value[0], words > 1 ? value[1] : 0);
    return false;
}

bool screen_set(const struct geometry *g)
{
    property_begin();
    u32 *physical = property_tag_with(TAG_SET_PHYSICAL_SIZE, 8, g->width, g->height);
    u32 *virtual = property_tag_with(TAG_SET_VIRTUAL_SIZE, 8, g->virtual_width, g->virtual_height);
    u32 *offset = property_tag_with(TAG_SET_VIRTUAL_OFFSET, 8, 0, 0);
    u32 *depth = property_tag_with(TAG_SET_DEPTH, 4, g->depth, 0);
    u32 *order = property_tag_with(TAG_SET_PIXEL_ORDER, 4, g->order, 0);
    property_tag_with(TAG_SET_ALPHA_MODE, 4, ALPHA_IGNORED, 0);
    u32 *allocate = property_tag_with(TAG_ALLOCATE, 8, 4096, 0);
    u32 *pitch = property_tag_with(TAG_GET_PITCH, 4, 0, 0);

    u32 code = property_post();
    if (code != PROPERTY_DONE) {
        print("demo: refused: response code 0x%x\n", code);
        return false;
    }
    if (!same("physical size", physical, 2, g->width, g->height) ||
        !same("virtual size", virtual, 2, g->virtual_width, g->virtual_height) || !same("offset", offset, 2, 0, 0) ||
        !same("depth", depth, 1, g->depth, 0) || !same("pixel order", order, 1, g->order, 0))
        return false;
    if (!allocate[0] || allocate[1] < pitch[0] * g->virtual_height ||
        pitch[0] < g->virtual_width * (g->depth / 8u)) {
        print("demo: refused: base 0x%x, %u bytes, pitch %u\n", allocate[0], allocate[1], pitch[0]);
        return false;
    }
    screen.is = *g;
    screen.base = bus_to_arm(allocate[0]);
    screen.size = allocate[1];
    screen.pitch = pitch[0];
    screen.double_buffered = g->virtual_width == g->width && g->virtual_height == 2 * g->height;
    screen.shown = 0;
    screen.page = screen.base + (screen.double_buffered ? (u64)g->height * screen.pitch : 0);
    memset((void *)screen.base, 0, (u64)screen.pitch * g->virtual_height);
    set_inks();
    return true;
}

void screen_flip(u32 x, u32 y)
{
    dsb();
    if (screen.double_buffered) {
        screen.shown ^= 1;
        x = 0;
        y = screen.shown * screen.is.height;
        screen.page = screen.base + (u64)(screen.shown ^ 1) * screen.is.height * screen.pitch;
    }
    property_begin();
    property_tag_with(TAG_SET_VIRTUAL_OFFSET, 8, x, y);
    if (palette_is_new)
        add_palette();
    property_post();
}

/* ---- drawing ---- */

void screen_line(u32 y, const u8 *in)
{
    u8 *out = (u8 *)(screen.page + (u64)y * screen.pitch);
    const u8 *end = in + page_width();
    const u32 *pixel = screen.pixel;

    switch (screen.is.depth) {
    case 8:
        for (; in < end; in += 8, out += 8) {
            u64 eight = 0;
            for (u32 i = 0; i < 8; i++)
                eight |= (u64)pixel[in[i]] << 8 * i;
            *(u64 *)out = eight;
        }
        break;
    case 16:
        for (; in < end; in += 4, out += 8)
            *(u64 *)out = (u64)pixel[in[0]] | (u64)pixel[in[1]] << 16 | (u64)pixel[in[2]] << 32 |
                          (u64)pixel[in[3]] << 48;
        break;
    case 24:
        for (; in < end; in += 4, out += 12) {
            u32 a = pixel[in[0]] & 0xFFFFFF, b = pixel[in[1]] & 0xFFFFFF, c = pixel[in[2]] & 0xFFFFFF;
            ((u32 *)out)[0] = a | b << 24;
            ((u32 *)out)[1] = b >> 8 | c << 16;
            ((u32 *)out)[2] = c >> 16 | pixel[in[3]] << 8;
        }
        break;
    default:
        for (; in < end; in += 4, out += 16) {
            ((u64 *)out)[0] = pixel[in[0]] | (u64)pixel[in[1]] << 32;
            ((u64 *)out)[1] = pixel[in[2]] | (u64)pixel[in[3]] << 32;
        }
        break;
    }
}

static void put(u8 *at, u32 pixel)
{
    switch (screen.is.depth) {
    case 8:
        *at = (u8)pixel;
        break;
    case 16:
        *(u16 *)at = (u16)pixel;
        break;
    case 24:
        at[0] = (u8)pixel;
        at[1] = (u8)(pixel >> 8);
        at[2] = (u8)(pixel >> 16);
        break;
    default:
        *(u32 *)at = pixel;
        break;
    }
}

void screen_fill(u32 x, u32 y, u32 width, u32 height, u32 pixel)
{
    u32 bytes = screen.is.depth / 8, right = x + width, bottom = y + height;

    if (right > page_width())
        right = page_width();
    if (bottom > page_height())
        bottom = page_height();
    for (; y < bottom; y++) {
        u8 *at = (u8 *)(screen.page + (u64)y * screen.pitch + x * bytes);
        for (u32 i = x; i < right; i++, at += bytes)
            put(at, pixel);
    }
}

static void draw_text(u32 x, u32 y, u32 scale, u32 pixel, const char *text)
{
    for (; *text; text++, x += FONT_WIDTH * scale) {
        const u8 *glyph = font_glyph(*text);
        for (u32 row = 0; row < FONT_HEIGHT; row++)
            for (u32 column = 0; column < FONT_WIDTH; column++)
                if (glyph[row] & 1u << (FONT_WIDTH - 1 - column))
                    screen_fill(x + column * scale, y + row * scale, scale, scale, pixel);
    }
}

void screen_text(u32 x, u32 y, u32 scale, u32 pixel, const char *text)
{
    u32 shadow = (scale + 1) / 2;

    draw_text(x + shadow, y + shadow, scale, screen.ink[INK_BLACK], text);
    draw_text(x, y, scale, pixel, text);
}
