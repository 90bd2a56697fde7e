/* A framebuffer of 1920x1080 pixels of 32 bits, from the firmware. */
#include "suite.h"

#define WIDTH 1920u
#define HEIGHT 1080u

struct screen {
    u64 base, pitch;
};

static struct screen screen_open(void)
{
    property_begin();
    property_tag_with(TAG_SET_PHYSICAL_SIZE, 8, WIDTH, HEIGHT);
    property_tag_with(TAG_SET_VIRTUAL_SIZE, 8, WIDTH, HEIGHT);
    property_tag_with(TAG_SET_DEPTH, 4, 32, 0);
    property_tag_with(TAG_SET_PIXEL_ORDER, 4, ORDER_RGB, 0);
    const u32 *place = property_tag_with(TAG_ALLOCATE, 8, 4096, 0);
    const u32 *pitch = property_tag(TAG_GET_PITCH, 4);
    if (property_post() != PROPERTY_DONE || !place[0] || pitch[0] < 4 * WIDTH) {
        print("suite: no framebuffer\n");
        power_off();
    }
    return (struct screen){bus_to_arm(place[0]), pitch[0]};
}

static u64 screen_sum(const struct screen *screen)
{
    u64 sum = 0;

    for (u32 y = 0; y < HEIGHT; y += 8)
        for (u32 x = y & 15; x < WIDTH; x += 16)
            sum = fold(sum, read32(screen->base + y * screen->pitch + 4 * x));
    return sum;
}

/* A row in one colour, as memset() of a system's library does it. */
static void row_fill(u64 at, u32 colour)
{
    u64 pair = (u64)colour << 32 | colour;

    for (u64 end = at + 4 * WIDTH; at < end; at += 64)
        asm volatile("stp %1, %1, [%0]\n\tstp %1, %1, [%0, #16]\n\t"
                     "stp %1, %1, [%0, #32]\n\tstp %1, %1, [%0, #48]" ::"r"(at), "r"(pair)
                     : "memory");
}

/* n times the whole screen in one colour. */
u64 run_fill(u64 n)
{
    struct screen screen = screen_open();

    for (u64 turn = 0; turn < n; turn++)
        for (u32 y = 0; y < HEIGHT; y++)
            row_fill(screen.base + y * screen.pitch, (u32)turn * 0x010305 + y);
    return screen_sum(&screen);
}

/* n times a gradient, computed and stored pixel by pixel. */
u64 run_pixels(u64 n)
{
    struct screen screen = screen_open();

    for (u32 turn = 0; turn < n; turn++)
        for (u32 y = 0; y < HEIGHT; y++) {
            volatile u32 *row = (volatile u32 *)(screen.base + y * screen.pitch);
            for (u32 x = 0; x < WIDTH; x++)
                row[x] = ((x + turn) & 0xFF) << 16 | (y & 0xFF) << 8 | ((x ^ y) & 0xFF);
        }
    return screen_sum(&screen);
}

/* n times the screen moves up by eight lines, as a console's does. */
u64 run_copy(u64 n)
{
    struct screen screen = screen_open();

    for (u32 y = 0; y < HEIGHT; y++)
        row_fill(screen.base + y * screen.pitch, y * 0x010203);
    for (u64 turn = 0; turn < n; turn++) {
        u64 to = screen.base, from = to + 8 * screen.pitch, end = to + HEIGHT * screen.pitch;
        u64 a, b, c, d;
        while (from < end)
            asm volatile("ldp %2, %3, [%1]\n\tldp %4, %5, [%1, #16]\n\t"
                         "stp %2, %3, [%0]\n\tstp %4, %5, [%0, #16]\n\t"
                         "add %1, %1, #32\n\tadd %0, %0, #32"
                         : "+r"(to), "+r"(from), "=&r"(a), "=&r"(b), "=&r"(c), "=&r"(d)::"memory");
        for (u32 y = HEIGHT - 8; y < HEIGHT; y++)
            row_fill(screen.base + y * screen.pitch, (u32)turn * 0x070503 + y);
    }
    return screen_sum(&screen);
}
