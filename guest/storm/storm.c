/*
 * storm: changes the framebuffer's mode as fast as it can, one property message a change, paints each one's
 * whole buffer in a colour of its own and checks every value of every reply.
 *
 * No other message of this program touches the framebuffer, so change n is the display's generation n.
 *
 * storm.count=N    changes (1000)             storm.core=C     the core that does it (0)
 * storm.seed=S     another storm (1)          storm.paint=0    paint nothing
 * storm.hold_us=U  rest after each (0)        storm.kinds=mixed  a quarter change only offset, order or palette
 * storm.cores=4    all cores: whoever gets the turn changes the mode, the others ask the VideoCore other things meanwhile
 * storm.lock=0     with several cores: no lock around the mailbox (1)
 * storm.print=1    print the first 200 modes and a digest of `count` of them, and change nothing
 */
#include "mail.h"
#include "modes.h"

#define PRINTED_MODES 200u
#define REPORTED_REPLIES 10u
#define BUFFER_ALIGNMENT 4096u
#define MAX_SIZE (16u << 20)

static struct {
    u64 count, seed, hold_us;
    bool paint, mixed, lock;
    u32 cores;
} options;

static u64 wrong;       /* mode changes with a wrong reply */
static u64 buffer;      /* the framebuffer, as the cores see it */
static u32 pitch;
static u32 finished;   /* cores that have done their part */

/* The values of one message's tags; NULL where the message has no such tag. */
struct message {
    u32 *physical, *virtual, *offset, *depth, *order, *alpha, *palette, *allocate, *pitch;
};

static struct message compose(const struct mode *mode)
{
    struct message m = {0};
    bool all = mode->change == CHANGE_ALL;

    mail_begin();
    if (all) {
        m.physical = mail_tag(TAG_SET_PHYSICAL_SIZE, 8, mode->width, mode->height);
        m.virtual = mail_tag(TAG_SET_VIRTUAL_SIZE, 8, mode->virtual_width, mode->virtual_height);
    }
    if (all || mode->change == CHANGE_OFFSET)
        m.offset = mail_tag(TAG_SET_VIRTUAL_OFFSET, 8, mode->offset_x, mode->offset_y);
    if (all)
        m.depth = mail_tag(TAG_SET_DEPTH, 4, mode->depth, 0);
    if (all || mode->change == CHANGE_ORDER)
        m.order = mail_tag(TAG_SET_PIXEL_ORDER, 4, mode->order, 0);
    if (all)
        m.alpha = mail_tag(TAG_SET_ALPHA_MODE, 4, ALPHA_IGNORED, 0);
    if (mode->depth == 8 && (all || mode->change == CHANGE_PALETTE)) {
        u32 c = mode->colour;
        m.palette = mail_tag(TAG_SET_PALETTE, 12, mode->palette_index, 1);
        m.palette[2] = 0xFF000000 | (c & 0xFF) << 16 | (c & 0xFF00) | c >> 16; /* red in the low byte */
    }
    if (all) {
        m.allocate = mail_tag(TAG_ALLOCATE, 8, BUFFER_ALIGNMENT, 0);
        m.pitch = mail_tag(TAG_GET_PITCH, 4, 0, 0);
    }
    return m;
}

/* ---- the reply ---- */

static u64 message_number; /* of the last mode change */
static bool message_is_wrong;

static void complain(const char *what, u32 got, u32 other, u32 asked, u32 asked_other)
{
    message_is_wrong = true;
    if (wrong < REPORTED_REPLIES)
        print("storm: change %lu: wrong %s: got 0x%x 0x%x, asked 0x%x 0x%x\n", message_number, what, got,
              other, asked, asked_other);
}

static void expect_answered(const char *what, const u32 *value, u32 bytes)
{
    if (property_response(value) != (PROPERTY_DONE | bytes))
        complain(what, property_response(value), 0, PROPERTY_DONE | bytes, 0);
}

static void expect_one(const char *what, const u32 *value, u32 asked)
{
    if (!value)
        return;
    expect_answered(what, value, 4);
    if (value[0] != asked)
        complain(what, value[0], 0, asked, 0);
}

static void expect_two(const char *what, const u32 *value, u32 asked, u32 asked_other)
{
    if (!value)
        return;
    expect_answered(what, value, 8);
    if (value[0] != asked || value[1] != asked_other)
        complain(what, value[0], value[1], asked, asked_other);
}

/* Base, size and pitch are the firmware's choice, within reason. */
static void expect_buffer(const struct message *m, const struct mode *mode)
{
    u32 line = mode->virtual_width * (mode->depth / 8);
    u32 base = m->allocate[0], size = m->allocate[1];

    expect_answered("allocate", m->allocate, 8);
    expect_answered("pitch", m->pitch, 4);
    if (m->pitch[0] < line || m->pitch[0] > line + 4096)
        complain("pitch", m->pitch[0], 0, line, 0);
    if (base == 0 || base % BUFFER_ALIGNMENT || size > MAX_SIZE || bus_to_arm(base) + size > PERIPHERALS ||
        size < m->pitch[0] * mode->virtual_height)
        complain("base and size", base, size, 0, m->pitch[0] * mode->virtual_height);
}

static void check(const struct message *m, const struct mode *mode, u32 code)
{
    message_is_wrong = false;
    if (code != PROPERTY_DONE)
        complain("response code", code, 0, PROPERTY_DONE, 0);
    expect_two("physical size", m->physical, mode->width, mode->height);
    expect_two("virtual size", m->virtual, mode->virtual_width, mode->virtual_height);
    expect_two("offset", m->offset, mode->offset_x, mode->offset_y);
    expect_one("depth", m->depth, mode->depth);
    expect_one("pixel order", m->order, mode->order);
    expect_one("alpha mode", m->alpha, ALPHA_IGNORED);
    expect_one("palette", m->palette, 0);
    if (m->allocate)
        expect_buffer(m, mode);
    wrong += message_is_wrong;
}

/* ---- painting ---- */

/* Repeats the 24 bytes a, b, c; with a == b == c that is any pixel of 1, 2, 4 or 8 bytes. */
static void fill(u64 to, u64 bytes, u64 a, u64 b, u64 c)
{
    const u64 pattern[3] = {a, b, c};
    const u64 *word = pattern;
    const u8 *rest;

    for (; bytes >= 96; bytes -= 96, to += 96)
        asm volatile("stp %1, %2, [%0]\n\tstp %3, %1, [%0, #16]\n\tstp %2, %3, [%0, #32]\n\t"
                     "stp %1, %2, [%0, #48]\n\tstp %3, %1, [%0, #64]\n\tstp %2, %3, [%0, #80]" ::"r"(to),
                     "r"(a), "r"(b), "r"(c)
                     : "memory");
    for (; bytes >= 24; bytes -= 24, to += 24)
        asm volatile("stp %1, %2, [%0]\n\tstr %3, [%0, #16]" ::"r"(to), "r"(a), "r"(b), "r"(c) : "memory");
    /* By words as far as it goes: whoever looks on sees pixels that are painted or not. */
    for (; bytes >= 8; bytes -= 8, to += 8)
        *(volatile u64 *)to = *word++;
    for (rest = (const u8 *)word; bytes; bytes--)
        *(volatile u8 *)to++ = *rest++;
}

static void paint(const struct mode *mode)
{
    u64 p = mode_pixel(mode), a, b, c;

    if (mode->depth == 24) {
        p &= 0xFFFFFF;
        a = p | p << 24 | p << 48;
        b = p >> 16 | p << 8 | p << 32 | p << 56;
        c = p >> 8 | p << 16 | p << 40;
    } else {
        a = mode->depth == 8 ? p * 0x0101010101010101 : mode->depth == 16 ? p * 0x0001000100010001 : p | p << 32;
        b = c = a;
    }
    if (mode->depth != 24 || pitch % 24 == 0) {
        fill(buffer, (u64)pitch * mode->virtual_height, a, b, c);
    } else {
        for (u32 y = 0; y < mode->virtual_height; y++)
            fill(buffer + (u64)y * pitch, pitch, a, b, c);
    }
    dsb();
}

/* ---- the storm ---- */

/* Whoever has the turn changes the mode; everything above belongs to it. */
static u32 turn;
static struct mode mode;

static void change_mode(void)
{
    u64 n = ++message_number;

    mode_advance(&mode, options.seed, n, options.mixed);
    struct message message = compose(&mode);
    check(&message, &mode, mail_post());
    if (message.allocate) {
        buffer = bus_to_arm(message.allocate[0]);
        pitch = message.pitch[0];
    }
    /* A wrong reply may have no buffer behind it. */
    if (message.allocate && options.paint && !message_is_wrong)
        paint(&mode);
    if (options.hold_us)
        sleep_until_us(time_us() + options.hold_us);
}

static void storm(u32 core)
{
    bool done = false;

    (void)core;
    while (!done && !mail_is_lost()) {
        if (__atomic_exchange_n(&turn, 1, __ATOMIC_ACQUIRE)) {
            mail_ask();
            continue;
        }
        done = message_number == options.count;
        if (!done)
            change_mode();
        store_release(&turn, 0);
    }
    atomic_add(&finished, 1);
    sev();
}

static void report_mail(void)
{
    struct mail_counts all = {0};
    u32 doubled = 0;

    for (u32 core = 0; core < CORES; core++) {
        const struct mail_counts *c = &mail_counts[core];
        if (c->posted && options.cores > 1)
            print("storm: core %u: %u messages, %u answers read for others, %u reads of an empty mailbox\n", core, c->posted,
                  c->others, c->empty);
        all.posted += c->posted;
        all.answered += c->answered;
        if (c->answered > c->posted)
            doubled += c->answered - c->posted;
        all.lost += c->lost;
        all.wrong += c->wrong;
        all.stray += c->stray;
    }
    print("storm: %u messages, %u answers, %u doubled, %u lost, %u stray, %u wrong; the mailbox is %s\n", all.posted, all.answered,
          doubled, all.lost, all.stray, all.wrong, mail_is_quiet() ? "quiet" : "not quiet");
}

/* ---- storm.print ---- */

static u64 digest(u64 sum, u32 value)
{
    for (u32 i = 0; i < 4; i++, value >>= 8)
        sum = (sum ^ (value & 0xFF)) * 0x100000001B3; /* FNV-1a */
    return sum;
}

static void print_modes(void)
{
    struct mode m = {0};
    u64 sum = 0xCBF29CE484222325;

    for (u64 n = 1; n <= options.count; n++) {
        mode_advance(&m, options.seed, n, options.mixed);
        const u32 values[] = {m.width, m.height, m.virtual_width, m.virtual_height, m.offset_x, m.offset_y,
                              m.depth, m.order, m.colour, m.change == CHANGE_ALL, mode_pixel(&m)};
        for (u32 i = 0; i < sizeof values / sizeof *values; i++)
            sum = digest(sum, values[i]);
        if (n <= PRINTED_MODES)
            print("%lu %ux%u virtual %ux%u offset %u,%u depth %u order %u colour %06x allocates %u pixel %08x\n",
                  n, m.width, m.height, m.virtual_width, m.virtual_height, m.offset_x, m.offset_y, m.depth,
                  m.order, m.colour, values[9], values[10]);
    }
    print("digest of %lu modes, seed %lu, %s: %016lx\n", options.count, options.seed,
          options.mixed ? "mixed" : "full", sum);
}

void guest_main(void)
{
    u32 core = option_number("storm.core", 0);

    options.count = option_number("storm.count", 1000);
    options.seed = option_number("storm.seed", 1);
    options.hold_us = option_number("storm.hold_us", 0);
    options.paint = option_number("storm.paint", 1);
    options.mixed = option_is("storm.kinds", "mixed");

    options.cores = option_number("storm.cores", 1) > 1 ? CORES : 1;
    options.lock = option_number("storm.lock", 1);

    if (option_number("storm.print", 0)) {
        print_modes();
        return;
    }
    u64 start = time_us();
    mail_init(options.lock && options.cores > 1);
    for (u32 other = 1; other < CORES; other++)
        if (options.cores > 1 || other == core)
            core_start(other, storm);
    if (options.cores > 1 || core == 0 || core >= CORES)
        storm(0);
    while (load_acquire(&finished) < options.cores)
        wfe();
    report_mail();
    print("storm: %lu changes, %lu wrong replies, %lu us\n", message_number, wrong, time_us() - start);
    print("storm: done\n");
}
