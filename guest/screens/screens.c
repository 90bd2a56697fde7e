/*
 * screens: one situation of the frame buffer a run, by name (screens.case=NAME), painted with a pattern that shows
 * what is wrong, with what the tags answered on the serial port. Then it sleeps, and the picture stands.
 *
 * screens.case=NAME  the situation ("rgb32"; without one, or with a name that is not known, all names are listed)
 * screens.turns=N    changes of palette-cycle (64)    screens.off=1  switch the board off at the end
 *
 * The pattern: a white border of one pixel with a marker in each corner (red, green, blue, yellow, clockwise from
 * the top left but for the last two), eight colour bars, ramps of red, green, blue and grey, a checkerboard of single
 * pixels, and a field with red across and green down. screens.py draws the same from its definition.
 *
 * Firmware wiki, "Mailbox property interface" and "Mailbox framebuffer interface".
 */
#include "guest.h"

#define WIDTH 160u
#define HEIGHT 120u

#define TAG_RELEASE 0x00048001u
#define TAG_BLANK 0x00040002u
#define TAG_GET_PALETTE 0x0004000Bu
#define TAG_GET_SETTINGS 0x00040014u
#define TAG_SET_PITCH 0x00048008u
#define TAG_SET_OVERSCAN 0x0004800Au
#define GET(set) ((set) & ~0x8000u)
#define TEST(set) (((set) & ~0x8000u) | 0x4000u)

#define MBOX_READ (PERIPHERALS + 0xB880)
#define MBOX_STATUS (PERIPHERALS + 0xB898)
#define MBOX_WRITE (PERIPHERALS + 0xB8A0)
#define STATUS_FULL 0x80000000u
#define STATUS_EMPTY 0x40000000u
#define CHANNEL_FRAMEBUFFER 1u
#define BUS_UNCACHED 0xC0000000u

/* Leave the setting as it is. */
#define AS_IT_IS 99u

/* The buffer that is painted. */
static struct {
    u8 *base;
    u32 pitch, width, height, depth, order;
} buffer;

/* ---- what the tags answer ---- */

static void say(const char *what, const u32 *value, u32 words)
{
    print("%s:", what);
    if (!(property_response(value) & PROPERTY_DONE)) {
        print(" no answer\n");
        return;
    }
    for (u32 i = 0; i < words; i++)
        print(value[i] < 0x10000 ? " %u" : " 0x%08x", value[i]);
    print("\n");
}

/* A message of one tag with up to four words, and its answer. */
static u32 ask(const char *what, u32 tag, u32 words, u32 a, u32 b, u32 c, u32 d)
{
    property_begin();
    u32 *value = property_tag(tag, 4 * words);
    const u32 given[4] = {a, b, c, d};
    for (u32 i = 0; i < words && i < 4; i++)
        value[i] = given[i];
    property_post();
    say(what, value, words);
    return value[0];
}

static u32 ask_one(const char *what, u32 tag, u32 a) { return ask(what, tag, 1, a, 0, 0, 0); }
static u32 ask_two(const char *what, u32 tag, u32 a, u32 b) { return ask(what, tag, 2, a, b, 0, 0); }

/* Base and size of an allocation: where the buffer lies is the firmware's business. */
static void say_allocation(const u32 *value)
{
    print("allocate: %s, %u bytes\n", value[0] ? "a buffer" : "none", value[1]);
    buffer.base = value[0] ? (u8 *)bus_to_arm(value[0]) : NULL;
}

/* Sets a whole mode in one message. A depth or an order may be AS_IT_IS. */
static void set_mode(u32 width, u32 height, u32 columns, u32 lines, u32 depth, u32 order)
{
    u32 *order_value = NULL;

    property_begin();
    u32 *physical = property_tag_with(TAG_SET_PHYSICAL_SIZE, 8, width, height);
    u32 *virtual = property_tag_with(TAG_SET_VIRTUAL_SIZE, 8, columns, lines);
    u32 *depth_value = property_tag_with(TAG_SET_DEPTH, 4, depth, 0);
    if (order != AS_IT_IS)
        order_value = property_tag_with(TAG_SET_PIXEL_ORDER, 4, order, 0);
    u32 *allocation = property_tag_with(TAG_ALLOCATE, 8, 4096, 0);
    u32 *pitch = property_tag(TAG_GET_PITCH, 4);
    property_post();
    say("physical", physical, 2);
    say("virtual", virtual, 2);
    say("depth", depth_value, 1);
    if (order_value)
        say("order", order_value, 1);
    say_allocation(allocation);
    say("pitch", pitch, 1);
    buffer.pitch = *pitch;
    buffer.width = virtual[0];
    buffer.height = virtual[1];
    buffer.depth = *depth_value;
    buffer.order = order_value ? *order_value : ORDER_RGB;
}

static void set_plain_mode(u32 depth, u32 order) { set_mode(WIDTH, HEIGHT, WIDTH, HEIGHT, depth, order); }

/* ---- palettes ---- */

/* Index 0bRRRGGGBB as a palette entry, 0xAABBGGRR. */
static u32 entry_of(u32 index)
{
    return 0xFF000000 | (index & 3) * 255 / 3 << 16 | (index >> 2 & 7) * 255 / 7 << 8 | (index >> 5 & 7) * 255 / 7;
}

/* The palette that is `turn` entries further. */
static u32 set_palette(u32 turn)
{
    property_begin();
    u32 *value = property_tag_with(TAG_SET_PALETTE, 8 + 256 * 4, 0, 256);
    for (u32 i = 0; i < 256; i++)
        value[2 + i] = entry_of((i + turn) & 255);
    property_post();
    return value[0];
}

/* A part of a palette: `count` entries are given, from white on downwards; `length` is what the tag says. */
static void set_part(u32 offset, u32 length, u32 count)
{
    property_begin();
    u32 *value = property_tag_with(TAG_SET_PALETTE, 8 + count * 4, offset, length);
    for (u32 i = 0; i < count; i++)
        value[2 + i] = 0xFFFFFFFF - i * 0x00080004;
    property_post();
    print("palette: %u entries from %u: %s\n", length, offset, value[0] ? "invalid" : "valid");
}

static void say_palette(void)
{
    property_begin();
    u32 *value = property_tag(TAG_GET_PALETTE, 1024);
    property_post();
    print("palette: 0x%06x 0x%06x .. 0x%06x\n", value[0] & 0xFFFFFF, value[1] & 0xFFFFFF, value[255] & 0xFFFFFF);
}

/* ---- the pattern ---- */

static u32 colour_at(u32 x, u32 y)
{
    static const u32 bars[8] = {0xFFFFFF, 0xFFFF00, 0x00FFFF, 0x00FF00, 0xFF00FF, 0xFF0000, 0x0000FF, 0x000000};
    u32 width = buffer.width, height = buffer.height;
    u32 across = width > 1 ? x * 255 / (width - 1) : 0, down = height > 1 ? y * 255 / (height - 1) : 0;
    u32 row = y * 12 / height;

    if (x == 0 || y == 0 || x == width - 1 || y == height - 1)
        return 0xFFFFFF;
    if ((x < 8 || x >= width - 8) && (y < 8 || y >= height - 8))
        return x < 8 ? (y < 8 ? 0xFF0000 : 0x0000FF) : (y < 8 ? 0x00FF00 : 0xFFFF00);
    if (row < 4)
        return bars[x * 8 / width];
    if (row < 7)
        return across << (16 - 8 * (row - 4));
    if (row < 8)
        return across * 0x010101;
    if (row < 10)
        return (x + y) & 1 ? 0xFFFFFF : 0x000000;
    return across << 16 | down << 8 | 0x80;
}

static void put(u8 *at, u32 colour, u32 alpha)
{
    bool swap = buffer.order != ORDER_RGB;
    u32 red = colour >> 16, green = colour >> 8 & 255, blue = colour & 255;
    u32 first = swap ? blue : red, last = swap ? red : blue;
    u32 value;

    switch (buffer.depth) {
    case 8:
        *at = (u8)((red & 0xE0) | green >> 5 << 2 | blue >> 6);
        break;
    case 15:
        value = first >> 3 << 10 | green >> 3 << 5 | last >> 3;
        at[0] = (u8)value, at[1] = (u8)(value >> 8);
        break;
    case 16:
        value = first >> 3 << 11 | green >> 2 << 5 | last >> 3;
        at[0] = (u8)value, at[1] = (u8)(value >> 8);
        break;
    case 32:
        at[3] = (u8)alpha;
        /* fall through */
    case 24:
        at[0] = (u8)first, at[1] = (u8)green, at[2] = (u8)last;
        break;
    }
}

static void paint(void)
{
    u32 bytes = (buffer.depth + 7) / 8;

    if (!buffer.base || !buffer.width || !buffer.height || buffer.pitch < buffer.width * bytes) {
        print("nothing to paint\n");
        return;
    }
    for (u32 y = 0; y < buffer.height; y++)
        for (u32 x = 0; x < buffer.width; x++)
            put(buffer.base + y * buffer.pitch + x * bytes, colour_at(x, y),
                buffer.height > 1 ? y * 255 / (buffer.height - 1) : 0);
    dsb();
    print("painted %ux%u\n", buffer.width, buffer.height);
}

/* ---- the situations ---- */

static void plain(u32 depth, u32 order)
{
    set_plain_mode(depth, order);
    if (depth == 8)
        print("palette: %u\n", set_palette(0));
    paint();
}

static void case_index8(void) { plain(8, AS_IT_IS); }
static void case_rgb15(void) { plain(15, ORDER_RGB); }
static void case_bgr15(void) { plain(15, ORDER_BGR); }
static void case_rgb16(void) { plain(16, ORDER_RGB); }
static void case_bgr16(void) { plain(16, ORDER_BGR); }
static void case_rgb24(void) { plain(24, ORDER_RGB); }
static void case_bgr24(void) { plain(24, ORDER_BGR); }
static void case_rgb32(void) { plain(32, ORDER_RGB); }
static void case_bgr32(void) { plain(32, ORDER_BGR); }

/* An odd width and height: what is between the lines depends on the depth. */
static void odd(u32 depth, u32 order)
{
    set_mode(157, 113, 157, 113, depth, order);
    if (depth == 8)
        print("palette: %u\n", set_palette(0));
    paint();
}

static void case_odd8(void) { odd(8, AS_IT_IS); }
static void case_odd16(void) { odd(16, ORDER_RGB); }
static void case_odd24(void) { odd(24, ORDER_RGB); }
static void case_odd32(void) { odd(32, ORDER_RGB); }

static void case_one_pixel(void)
{
    set_mode(1, 1, 1, 1, 24, ORDER_RGB);
    paint();
}

/* 256 colours, and nobody says which. */
static void case_palette_none(void)
{
    set_plain_mode(8, AS_IT_IS);
    say_palette();
    paint();
}

static void case_palette_part(void)
{
    set_plain_mode(8, AS_IT_IS);
    print("palette: %u\n", set_palette(0));
    paint();
    set_part(128, 32, 32);
    set_part(255, 1, 1);
    set_part(256, 1, 1);
    set_part(255, 2, 2);
    set_part(0, 0, 1);
    set_part(0, 257, 257);
    set_part(0, 3, 2);
    say_palette();
}

/* The palette moves while the picture is shown. */
static void case_palette_cycle(void)
{
    u64 turns = option_number("screens.turns", 64);
    u32 wrong = 0;

    set_plain_mode(8, AS_IT_IS);
    paint();
    print("screens: cycling\n");
    for (u64 turn = 0; turn <= turns; turn++)
        wrong += set_palette((u32)turn);
    print("palette: %u refused\n", wrong);
}

/* Palettes do not know the pixel order. */
static void case_palette_order(void)
{
    set_plain_mode(8, ORDER_BGR);
    print("palette: %u\n", set_palette(0));
    paint();
}

static void alpha(u32 mode)
{
    set_plain_mode(32, ORDER_RGB);
    ask_one("alpha", TAG_SET_ALPHA_MODE, mode);
    paint();
}

static void case_alpha_enabled(void) { alpha(0); }
static void case_alpha_reversed(void) { alpha(1); }
static void case_alpha_ignored(void) { alpha(2); }

static void case_blank(void)
{
    plain(32, ORDER_RGB);
    ask_one("blank", TAG_BLANK, 1);
}

static void case_unblank(void)
{
    plain(32, ORDER_RGB);
    ask_one("blank", TAG_BLANK, 1);
    ask_one("blank", TAG_BLANK, 0);
}

static void case_overscan(void)
{
    plain(32, ORDER_RGB);
    ask("overscan", TAG_SET_OVERSCAN, 4, 10, 20, 8, 16);
}

/* Borders that leave nothing. */
static void case_overscan_all(void)
{
    plain(32, ORDER_RGB);
    ask("overscan", TAG_SET_OVERSCAN, 4, HEIGHT / 2, HEIGHT / 2, 0, 0);
    ask("overscan", TAG_SET_OVERSCAN, 4, 0, 0, 0xFFFFFFFF, 1);
    ask("overscan", GET(TAG_SET_OVERSCAN), 4, 0, 0, 0, 0);
}

static void case_pan(void)
{
    set_mode(WIDTH, HEIGHT, 320, 240, 32, ORDER_RGB);
    paint();
    ask_two("offset", TAG_SET_VIRTUAL_OFFSET, 37, 53);
}

/* The second of two pages, one below the other. */
static void case_flip(void)
{
    set_mode(WIDTH, HEIGHT, WIDTH, 2 * HEIGHT, 32, ORDER_RGB);
    paint();
    ask_two("offset", TAG_SET_VIRTUAL_OFFSET, 0, HEIGHT);
}

static void case_virtual_small(void)
{
    set_mode(WIDTH, HEIGHT, 100, 80, 32, ORDER_RGB);
    ask_two("virtual", GET(TAG_SET_VIRTUAL_SIZE), 0, 0);
    paint();
}

static void case_offset_out(void)
{
    set_mode(WIDTH, HEIGHT, 200, 150, 32, ORDER_RGB);
    paint();
    ask_two("offset", TAG_SET_VIRTUAL_OFFSET, 7, 9);
    ask_two("offset", TAG_SET_VIRTUAL_OFFSET, 1000, 20);
    ask_two("offset", TAG_SET_VIRTUAL_OFFSET, 0xFFFFFFFF, 0xFFFFFFFF);
    ask_two("offset", GET(TAG_SET_VIRTUAL_OFFSET), 0, 0);
}

/* The depth alone: the buffer stays, its lines become shorter. */
static void case_depth_alone(void)
{
    plain(32, ORDER_RGB);
    buffer.depth = ask_one("depth", TAG_SET_DEPTH, 16);
    buffer.pitch = ask_one("pitch", TAG_GET_PITCH, 0);
    buffer.order = ask_one("order", GET(TAG_SET_PIXEL_ORDER), 0);
    paint();
}

/* The order alone: red and blue change places in the picture that is there. */
static void case_order_alone(void)
{
    plain(32, ORDER_RGB);
    ask_one("order", TAG_SET_PIXEL_ORDER, ORDER_BGR);
}

/* Both sizes without an allocation. */
static void case_size_alone(void)
{
    plain(32, ORDER_RGB);
    ask_two("physical", TAG_SET_PHYSICAL_SIZE, 80, 60);
    ask_two("virtual", TAG_SET_VIRTUAL_SIZE, 80, 60);
    buffer.pitch = ask_one("pitch", TAG_GET_PITCH, 0);
    buffer.width = 80, buffer.height = 60;
    paint();
}

static void release(void)
{
    property_begin();
    u32 *value = property_tag(TAG_RELEASE, 0);
    property_post();
    say("release", value, 0);
}

static void case_release(void)
{
    release();
    plain(32, ORDER_RGB);
    release();
    release();
    ask_two("physical", GET(TAG_SET_PHYSICAL_SIZE), 0, 0);
}

static void case_release_again(void)
{
    plain(32, ORDER_RGB);
    release();
    set_mode(120, 90, 120, 90, 16, ORDER_RGB);
    paint();
}

/* The same mode again: the same buffer. */
static void case_allocate_again(void)
{
    plain(32, ORDER_RGB);
    const u8 *before = buffer.base;
    set_plain_mode(32, ORDER_RGB);
    print("allocate: %s\n", buffer.base == before ? "the same buffer" : "another buffer");
}

static void case_refused(void)
{
    plain(32, ORDER_RGB);
    ask_two("physical", TAG_SET_PHYSICAL_SIZE, 0, 0);
    ask_two("virtual", TAG_SET_VIRTUAL_SIZE, 0, 0);
    ask_one("depth", TAG_SET_DEPTH, 7);
    ask_one("order", TAG_SET_PIXEL_ORDER, 2);
    ask_one("alpha", TAG_SET_ALPHA_MODE, 3);
    ask_one("pitch", TAG_GET_PITCH, 0);
}

/* Tests change nothing. */
static void case_tests(void)
{
    plain(32, ORDER_RGB);
    ask_two("test physical", TEST(TAG_SET_PHYSICAL_SIZE), 320, 200);
    ask_two("test virtual", TEST(TAG_SET_VIRTUAL_SIZE), 640, 400);
    ask_one("test depth", TEST(TAG_SET_DEPTH), 8);
    ask_one("test order", TEST(TAG_SET_PIXEL_ORDER), ORDER_BGR);
    ask_one("test alpha", TEST(TAG_SET_ALPHA_MODE), 0);
    ask_two("test offset", TEST(TAG_SET_VIRTUAL_OFFSET), 5, 5);
    ask("test overscan", TEST(TAG_SET_OVERSCAN), 4, 1, 2, 3, 4);
    ask_two("physical", GET(TAG_SET_PHYSICAL_SIZE), 0, 0);
    ask_two("virtual", GET(TAG_SET_VIRTUAL_SIZE), 0, 0);
    ask_one("depth", GET(TAG_SET_DEPTH), 0);
    ask_one("order", GET(TAG_SET_PIXEL_ORDER), 0);
    ask_two("offset", GET(TAG_SET_VIRTUAL_OFFSET), 0, 0);
    ask("overscan", GET(TAG_SET_OVERSCAN), 4, 0, 0, 0, 0);
}

/* A pitch of the guest's own: room behind every line. */
static void case_pitch(void)
{
    property_begin();
    property_tag_with(TAG_SET_PHYSICAL_SIZE, 8, WIDTH, HEIGHT);
    property_tag_with(TAG_SET_VIRTUAL_SIZE, 8, WIDTH, HEIGHT);
    property_tag_with(TAG_SET_DEPTH, 4, 16, 0);
    property_tag_with(TAG_SET_PIXEL_ORDER, 4, ORDER_RGB, 0);
    u32 *pitch = property_tag_with(TAG_SET_PITCH, 4, 512, 0);
    u32 *allocation = property_tag_with(TAG_ALLOCATE, 8, 4096, 0);
    property_post();
    say("set pitch", pitch, 1);
    say_allocation(allocation);
    buffer.width = WIDTH, buffer.height = HEIGHT, buffer.depth = 16, buffer.order = ORDER_RGB;
    buffer.pitch = ask_one("pitch", TAG_GET_PITCH, 0);
    paint();
}

/* Channel 1, with two pages. */
static void case_legacy(void)
{
    static volatile u32 words[10] SHARED_WITH_GPU;
    const u32 asked[10] = {WIDTH, HEIGHT, WIDTH, 2 * HEIGHT, 0, 16, 0, HEIGHT, 0, 0};
    u32 mail = BUS_UNCACHED | (u32)(u64)words | CHANNEL_FRAMEBUFFER, back;

    for (u32 i = 0; i < 10; i++)
        words[i] = asked[i];
    dsb();
    while (read32(MBOX_STATUS) & STATUS_FULL)
        ;
    write32(MBOX_WRITE, mail);
    do {
        while (read32(MBOX_STATUS) & STATUS_EMPTY)
            ;
        back = read32(MBOX_READ);
    } while ((back & 15) != CHANNEL_FRAMEBUFFER);
    dsb();
    print("channel 1: %s\n", back >> 4 ? "refused" : "done");
    print("channel 1: %ux%u of %ux%u at %u,%u, depth %u, pitch %u, %s, %u bytes\n", words[0], words[1], words[2],
          words[3], words[6], words[7], words[5], words[4], words[8] ? "a buffer" : "none", words[9]);
    buffer.base = words[8] ? (u8 *)bus_to_arm(words[8]) : NULL;
    buffer.pitch = words[4], buffer.width = words[2], buffer.height = words[3];
    buffer.depth = words[5], buffer.order = ORDER_RGB;
    paint();
}

/* A kernel that never asks for a buffer, and paints into the firmware's if there is one. */
static void case_boot(void)
{
    ask_two("physical", GET(TAG_SET_PHYSICAL_SIZE), 0, 0);
    ask_two("virtual", GET(TAG_SET_VIRTUAL_SIZE), 0, 0);
    ask_one("depth", GET(TAG_SET_DEPTH), 0);
    ask_one("order", GET(TAG_SET_PIXEL_ORDER), 0);
    ask_one("pitch", TAG_GET_PITCH, 0);
    ask_two("offset", GET(TAG_SET_VIRTUAL_OFFSET), 0, 0);
    property_begin();
    u32 *is = property_tag(TAG_GET_SETTINGS, 40);
    property_post();
    if (!(property_response(is) & PROPERTY_DONE)) {
        print("settings: no answer\n");
        return;
    }
    print("settings: %ux%u, depth %u, pitch %u, %ux%u at %u,%u, %s\n", is[1], is[2], is[3], is[4], is[5], is[6], is[7],
          is[8], is[9] ? "a buffer" : "no buffer");
    if (!is[9])
        return;
    buffer.base = (u8 *)bus_to_arm(is[9]);
    buffer.depth = is[3], buffer.pitch = is[4], buffer.width = is[5], buffer.height = is[6], buffer.order = ORDER_RGB;
    paint();
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"index8", case_index8},
    {"rgb15", case_rgb15},
    {"bgr15", case_bgr15},
    {"rgb16", case_rgb16},
    {"bgr16", case_bgr16},
    {"rgb24", case_rgb24},
    {"bgr24", case_bgr24},
    {"rgb32", case_rgb32},
    {"bgr32", case_bgr32},
    {"odd8", case_odd8},
    {"odd16", case_odd16},
    {"odd24", case_odd24},
    {"odd32", case_odd32},
    {"one-pixel", case_one_pixel},
    {"palette-none", case_palette_none},
    {"palette-part", case_palette_part},
    {"palette-cycle", case_palette_cycle},
    {"palette-order", case_palette_order},
    {"alpha-enabled", case_alpha_enabled},
    {"alpha-reversed", case_alpha_reversed},
    {"alpha-ignored", case_alpha_ignored},
    {"blank", case_blank},
    {"unblank", case_unblank},
    {"overscan", case_overscan},
    {"overscan-all", case_overscan_all},
    {"pan", case_pan},
    {"flip", case_flip},
    {"virtual-small", case_virtual_small},
    {"offset-out", case_offset_out},
    {"depth-alone", case_depth_alone},
    {"order-alone", case_order_alone},
    {"size-alone", case_size_alone},
    {"release", case_release},
    {"release-again", case_release_again},
    {"allocate-again", case_allocate_again},
    {"refused", case_refused},
    {"tests", case_tests},
    {"pitch", case_pitch},
    {"legacy", case_legacy},
    {"boot", case_boot},
};
#define CASES (sizeof cases / sizeof cases[0])

void guest_main(void)
{
    u32 chosen = 0;

    while (chosen < CASES && !option_is("screens.case", cases[chosen].name))
        chosen++;
    if (chosen < CASES) {
        print("screens: %s\n", cases[chosen].name);
        cases[chosen].run();
    } else {
        for (u32 i = 0; i < CASES; i++)
            print("screens: screens.case=%s\n", cases[i].name);
    }
    print("screens: done\n");
    if (option_is("screens.off", "1"))
        power_off();
    for (;;)
        wfi();
}
