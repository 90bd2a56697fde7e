/*
 * flip: shows pages in turn by the virtual offset, at a steady pace.
 *
 * flip.width=1920 flip.height=1080 flip.depth=32   the mode
 * flip.pages=2      pages in the buffer, 2 or 3
 * flip.fps=60       flips a second, kept by the system timer
 * flip.count=600    flips
 * flip.draw=static  pages painted once, each in colours of its own
 *          =bar     all alike but for a bar that moves down
 *          =full    the whole page painted anew before each flip
 *
 * A flip is late if it is done when the next one is due. Ends with `flip: N flips, M late`.
 */
#include "guest.h"

/* As many bytes as whole pixels of every depth and whole words fill. */
#define UNIT_WORDS 3u
#define BAR_LINES 16u
#define MOST_PAGES 3u

enum draw { DRAW_STATIC, DRAW_BAR, DRAW_FULL };

static u32 width, height, depth, pages, pitch;
static u64 base;
/* Where the bar is on each page. */
static u32 bar[MOST_PAGES];

/* A colour as it lies in memory; with 8 bits an index into the default palette. */
static u32 encode(u32 rgb)
{
    u32 r = rgb >> 16 & 0xFF, g = rgb >> 8 & 0xFF, b = rgb & 0xFF;

    switch (depth) {
    case 8:
        return (r >> 5 << 5 | g >> 5 << 2 | b >> 6) & 0xFF;
    case 16:
        return r >> 3 << 11 | g >> 2 << 5 | b >> 3;
    default:
        return 0xFF000000 | b << 16 | g << 8 | r;
    }
}

static void fill_line(u32 page, u32 y, u32 rgb)
{
    u32 bytes = depth / 8, pixel = encode(rgb);
    u64 unit[UNIT_WORDS] = {0};

    for (u32 at = 0; at < 8 * UNIT_WORDS; at++)
        unit[at / 8] |= (u64)(pixel >> 8 * (at % bytes) & 0xFF) << 8 * (at % 8);

    u64 *line = (u64 *)(base + ((u64)page * height + y) * pitch), *end = line + pitch / 8;
    for (; line + UNIT_WORDS <= end; line += UNIT_WORDS) {
        line[0] = unit[0];
        line[1] = unit[1];
        line[2] = unit[2];
    }
    for (u32 i = 0; line < end; line++, i++)
        *line = unit[i];
}

/* A slope of brightness in a hue; each hue has other lines everywhere. */
static u32 background(u32 hue, u32 y)
{
    static const u32 shifts[MOST_PAGES] = {0, 8, 16};
    u32 slope = y * 160 / height;

    return 0x181818 + (slope << shifts[hue % MOST_PAGES]) + (hue & 0xF);
}

static void fill_page(u32 page, u32 hue)
{
    for (u32 y = 0; y < height; y++)
        fill_line(page, y, background(hue, y));
}

static void move_bar(u32 page, u32 flip)
{
    u32 lines = BAR_LINES < height ? BAR_LINES : height;

    for (u32 y = bar[page]; y < bar[page] + lines; y++)
        fill_line(page, y, background(0, y));
    bar[page] = (u64)flip * 4 % (height - lines + 1);
    for (u32 y = bar[page]; y < bar[page] + lines; y++)
        fill_line(page, y, 0xFFC83D);
}

static bool set_mode(void)
{
    property_begin();
    u32 *physical = property_tag_with(TAG_SET_PHYSICAL_SIZE, 8, width, height);
    u32 *virtual = property_tag_with(TAG_SET_VIRTUAL_SIZE, 8, width, height * pages);
    property_tag_with(TAG_SET_VIRTUAL_OFFSET, 8, 0, 0);
    u32 *is = property_tag_with(TAG_SET_DEPTH, 4, depth, 0);
    property_tag_with(TAG_SET_PIXEL_ORDER, 4, ORDER_RGB, 0);
    property_tag_with(TAG_SET_ALPHA_MODE, 4, ALPHA_IGNORED, 0);
    u32 *allocate = property_tag_with(TAG_ALLOCATE, 8, 4096, 0);
    u32 *of_line = property_tag_with(TAG_GET_PITCH, 4, 0, 0);

    if (property_post() != PROPERTY_DONE || physical[0] != width || physical[1] != height ||
        virtual[1] != height * pages || is[0] != depth || !allocate[0] || of_line[0] < width * (depth / 8) ||
        of_line[0] % 8 || allocate[1] < (u64)of_line[0] * height * pages) {
        print("flip: refused: %ux%u, %u bits, %u pages\n", width, height, depth, pages);
        return false;
    }
    base = bus_to_arm(allocate[0]);
    pitch = of_line[0];
    return true;
}

static void show(u32 page)
{
    dsb();
    property_begin();
    property_tag_with(TAG_SET_VIRTUAL_OFFSET, 8, 0, page * height);
    property_post();
}

void guest_main(void)
{
    enum draw draw = option_is("flip.draw", "bar") ? DRAW_BAR : option_is("flip.draw", "full") ? DRAW_FULL : DRAW_STATIC;
    u64 fps = option_number("flip.fps", 60), count = option_number("flip.count", 600), late = 0;

    width = option_number("flip.width", 1920);
    height = option_number("flip.height", 1080);
    depth = option_number("flip.depth", 32);
    pages = option_number("flip.pages", 2);
    if (pages < 2 || pages > MOST_PAGES)
        pages = 2;
    if (depth != 8 && depth != 16 && depth != 24)
        depth = 32;
    if (!height || !fps || !set_mode())
        return;

    for (u32 page = 0; page < pages; page++)
        fill_page(page, draw == DRAW_BAR ? 0 : page);
    show(0);
    print("flip: %ux%u, %u bits, pitch %u, base 0x%lx, %u pages, %lu fps\n", width, height, depth, pitch, base, pages, fps);

    u64 start = time_us(), since = 0;
    for (u64 flip = 1; flip <= count; flip++) {
        u32 page = flip % pages;
        if (draw == DRAW_BAR)
            move_bar(page, flip);
        else if (draw == DRAW_FULL)
            fill_page(page, flip);
        sleep_until_us(start + (flip - since) * 1000000 / fps);
        show(page);
        if (time_us() >= start + (flip - since + 1) * 1000000 / fps) {
            /* From here on in step again: what was missed is not made up for. */
            late++;
            start = time_us();
            since = flip;
        }
    }
    print("flip: %lu flips, %lu late\n", count, late);
}
