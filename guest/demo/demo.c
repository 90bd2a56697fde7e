/*
 * demo: four cores draw together, each a quarter of the lines, in eight modes of every kind: sizes, depths,
 * orders, a palette that moves, double buffering and panning. Keys on UART0 steer it.
 *
 * demo.mode_ms=N  time in each mode (3000)
 * demo.tours=N    after N tours through all modes, print "demo: tour complete" and power off (0: never)
 */
#include "demo.h"

#define FRAME_US 16667u

struct stop {
    struct geometry geometry;
    const struct scene *scene;
};

static const struct stop tour[] = {
    {{640, 480, 640, 960, 32, ORDER_RGB}, &plasma},     {{320, 240, 320, 480, 16, ORDER_RGB}, &julia},
    {{800, 600, 800, 1200, 24, ORDER_RGB}, &zoomer},    {{512, 384, 512, 768, 8, ORDER_RGB}, &fire},
    {{1024, 768, 1024, 1536, 32, ORDER_BGR}, &rings},   {{256, 256, 512, 512, 32, ORDER_RGB}, &mandelbrot},
    {{1280, 720, 1280, 1440, 16, ORDER_RGB}, &starfield}, {{640, 480, 640, 960, 32, ORDER_BGR}, &blobs},
};
#define STOPS (sizeof tour / sizeof *tour)

static u32 current;
static const struct scene *scene;
static struct barrier frame_barrier = {.count = CORES};

/* ---- drawing, on all cores ---- */

static void draw_band(u32 core)
{
    static u8 indices[CORES][LINE_MAX] __attribute__((aligned(64)));
    u32 width = page_width(), height = page_height();
    u32 first = height * core / CORES, end = height * (core + 1) / CORES;
    u32 edge = width / 160 + 2;

    for (u32 y = first; y < end; y++) {
        scene->line(core, y, indices[core], width);
        screen_line(y, indices[core]);
    }
    screen_fill(0, first, edge, end - first, screen.ink[INK_CORE0 + core]);
}

static void draw_page(void)
{
    barrier_wait(&frame_barrier);
    draw_band(0);
    barrier_wait(&frame_barrier);
}

static void draw_forever(u32 core)
{
    for (;;) {
        barrier_wait(&frame_barrier);
        draw_band(core);
        barrier_wait(&frame_barrier);
    }
}

/* ---- what is written on it, by core 0 ---- */

static const char *order_name(void)
{
    return screen.is.depth == 8 ? "palette" : screen.is.order == ORDER_RGB ? "RGB" : "BGR";
}

static void write_title(u32 x, u32 y, u32 scale, u32 ms)
{
    static const char title[] = "TAYBERRY";

    for (u32 i = 0; title[i]; i++) {
        char letter[2] = {title[i], 0};
        int bob = sine[(ms / 6 - 24 * i) & 255] * (int)scale / 64;
        screen_text(x + i * FONT_WIDTH * scale, (u32)((int)y + bob), scale, screen.ink[INK_WHITE], letter);
    }
}

static void write_status(u32 ms, u32 frame, u32 fps)
{
    char text[64];
    u32 scale = screen.is.height >= 600 ? 3 : screen.is.height >= 360 ? 2 : 1;
    u32 line = (FONT_HEIGHT + 2) * scale, x = 8 * scale, y = 8 * scale;

    write_title(x, y, 2 * scale, ms);
    y += 2 * line + 2 * scale;
    format_text(text, sizeof text, "%ux%u %u bits %s", screen.is.width, screen.is.height, screen.is.depth,
                order_name());
    screen_text(x, y, scale, screen.ink[INK_WHITE], text);
    y += line;
    format_text(text, sizeof text, "%u/%u %s", current + 1, (u32)STOPS, scene->name);
    screen_text(x, y, scale, screen.ink[INK_WHITE], text);
    y += line;
    if (!scene->still) {
        format_text(text, sizeof text, "frame %u  %u fps", frame, fps);
        screen_text(x, y, scale, screen.ink[INK_WHITE], text);
        y += line;
    }
    screen_text(x, y, scale, screen.ink[INK_WHITE], "cores");
    for (u32 core = 0; core < CORES; core++) {
        char digit[2] = {(char)('0' + core), 0};
        screen_text(x + (6 + 2 * core) * FONT_WIDTH * scale, y, scale, screen.ink[INK_CORE0 + core], digit);
    }
    screen_text(x, page_height() - line - 2 * scale, scale, screen.ink[INK_GREY], "n next  p previous  h help");
}

/* ---- modes ---- */

static void colour_scene(u32 ms)
{
    colour_map map;

    scene->colours(map, ms);
    screen_colours(map);
}

/* Enters stop `number`; false if the display has no such mode. */
static bool enter(u32 number)
{
    const struct stop *stop = &tour[number];

    current = number;
    if (!screen_set(&stop->geometry)) {
        print("demo: mode %u/%u is not to be had, on to the next\n", number + 1, (u32)STOPS);
        return false;
    }
    scene = stop->scene;
    print("demo: mode %u/%u: %ux%ux%u %s, virtual %ux%u, pitch %u, base 0x%lx, %u bytes, %s\n", number + 1,
          (u32)STOPS, screen.is.width, screen.is.height, screen.is.depth, order_name(), screen.is.virtual_width,
          screen.is.virtual_height, screen.pitch, screen.base, screen.size, scene->name);
    colour_scene(0);
    if (scene->start)
        scene->start();
    if (scene->still) {
        draw_page();
        write_status(0, 0, 0);
    }
    return true;
}

/* Shows the next frame of the current stop. */
static void show_frame(u32 ms, u32 frame, u32 fps)
{
    if (scene->still) {
        u32 room_x = screen.is.virtual_width - screen.is.width, room_y = screen.is.virtual_height - screen.is.height;
        u32 x = room_x * (u32)(127 - sine[(ms / 24 + 64) & 255]) / 254;
        u32 y = room_y * (u32)(127 - sine[(ms / 17 + 64) & 255]) / 254;
        screen_flip(x, y);
        return;
    }
    if (scene->animated_colours)
        colour_scene(ms);
    if (scene->prepare)
        scene->prepare(ms);
    draw_page();
    write_status(ms, frame, fps);
    screen_flip(0, 0);
}

/* ---- keys and the tour ---- */

static struct {
    u32 speed; /* of the animation, in quarters */
    bool held; /* no change of mode by time */
} steering = {4, false};

static void help(void)
{
    print("demo: keys: n or space next mode, p previous, 1-%u mode, + faster, - slower, s stay or go on, "
          "h help, q power off\n",
          (u32)STOPS);
}

/* The stop that a key asks for, or -1. */
static int steer(int key)
{
    switch (key) {
    case 'n':
    case ' ':
        return (int)((current + 1) % STOPS);
    case 'p':
        return (int)((current + STOPS - 1) % STOPS);
    case '+':
        steering.speed += steering.speed < 32;
        break;
    case '-':
        steering.speed -= steering.speed > 0;
        break;
    case 's':
        steering.held = !steering.held;
        print("demo: %s\n", steering.held ? "stays in this mode" : "goes on");
        break;
    case 'h':
    case '?':
        help();
        break;
    case 'q':
        print("demo: bye\n");
        power_off();
    default:
        if (key >= '1' && key < '1' + (int)STOPS)
            return key - '1';
    }
    return -1;
}

/* Runs the current stop until its time is over or a key says so; returns the next one, -1 if it is just the next. */
static int run_stop(u64 stay_us)
{
    u64 start = time_us(), last = start, due = start, counted_since = start, animated = 0;
    u32 frame = 0, counted = 0, fps = 0;

    for (;;) {
        show_frame((u32)(animated / 4000), frame++, fps);
        due += FRAME_US;
        sleep_until_us(due);

        u64 now = time_us();
        if (now > due + FRAME_US) /* too late to catch up */
            due = now;
        animated += (now - last) * steering.speed;
        last = now;
        counted++;
        if (now - counted_since >= 500000) {
            fps = (u32)(counted * 1000000ul / (now - counted_since));
            counted = 0;
            counted_since = now;
        }
        int next = -1;
        for (int key; next < 0 && (key = console->get()) >= 0;)
            next = steer(key);
        if (next >= 0)
            return next;
        if (now - start >= stay_us && !steering.held)
            return -1;
    }
}

void guest_main(void)
{
    u64 stay_us = option_number("demo.mode_ms", 3000) * 1000;
    u64 tours = option_number("demo.tours", 0), done = 0;

    font_init();
    tables_init();
    print("demo: Tayberry on a Raspberry Pi 3, four cores\n");
    help();
    for (u32 core = 1; core < CORES; core++)
        core_start(core, draw_forever);

    for (u32 number = 0;;) {
        int next = -1;

        if (enter(number))
            next = run_stop(stay_us);
        else
            sleep_until_us(time_us() + 100000);
        number = next >= 0 ? (u32)next : (number + 1) % STOPS;
        if (next < 0 && number == 0 && ++done == tours)
            break;
    }
    print("demo: tour complete\n");
}
