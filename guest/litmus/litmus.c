/*
 * litmus: what the memory model allows, and what it forbids (ARM ARM B2.3). Threads of a test run through thousands of slots side by side, each
 * slot with locations of its own; then core 0 looks at what they saw. Prints `ok NAME: N seen` or `FAIL NAME` for each, then
 * `litmus: all ok` or `litmus: N failed`. A test whose name begins with `may-` allows its outcome: it is only counted.
 *
 * litmus.count=N  slots in each test (1000000)
 * litmus.adds=N   increments by each core in each contention test (1000000)
 */
#include "guest.h"

#define WATCHDOG_SECONDS 300
#define SLOTS 2048u /* in a batch */
#define NEAR 16u    /* two threads are never further apart */

/* A slot: its locations lie in cache lines of their own. Behind the program and the messages. */
struct slot {
    u64 x __attribute__((aligned(64)));
    u64 y __attribute__((aligned(64)));
};
#define SLOT ((struct slot *)0x01000000)

static u32 seen[CORES][SLOTS][2];
static volatile u32 progress[CORES] __attribute__((aligned(64)));

struct test {
    const char *name;
    u32 threads;
    void (*run[CORES])(struct slot *slot, u32 *seen);
    bool (*found)(u32 i); /* the outcome in question */
    bool allowed;
};

/* ---- accesses ---- */

static inline void put(u64 *at) { asm volatile("str %1, %0" : "=Q"(*at) : "r"(1ul) : "memory"); }
static inline void put_release(u64 *at) { asm volatile("stlr %1, %0" : "=Q"(*at) : "r"(1ul) : "memory"); }
static inline u64 get(u64 *at)
{
    u64 value;
    asm volatile("ldr %0, %1" : "=r"(value) : "Q"(*at) : "memory");
    return value;
}
static inline u64 get_acquire(u64 *at)
{
    u64 value;
    asm volatile("ldar %0, %1" : "=r"(value) : "Q"(*at) : "memory");
    return value;
}
#define DMB(what) asm volatile("dmb " #what ::: "memory")

/* ---- threads: names say what stands between the two accesses ---- */

#define THREAD(name, first, between, second)                                                      \
    static void name(struct slot *slot, u32 *seen)                                                \
    {                                                                                             \
        (void)seen;                                                                               \
        first;                                                                                    \
        between;                                                                                  \
        second;                                                                                   \
    }

THREAD(write_xy_plain, put(&slot->x), , put(&slot->y))
THREAD(write_xy_dmb, put(&slot->x), DMB(ish), put(&slot->y))
THREAD(write_xy_dmbst, put(&slot->x), DMB(ishst), put(&slot->y))
THREAD(write_xy_release, put(&slot->x), , put_release(&slot->y))
THREAD(read_yx_plain, seen[0] = get(&slot->y), , seen[1] = get(&slot->x))
THREAD(read_yx_dmb, seen[0] = get(&slot->y), DMB(ish), seen[1] = get(&slot->x))
THREAD(read_yx_dmbld, seen[0] = get(&slot->y), DMB(ishld), seen[1] = get(&slot->x))
THREAD(read_yx_acquire, seen[0] = get_acquire(&slot->y), , seen[1] = get(&slot->x))
THREAD(read_yx_sc, seen[0] = get_acquire(&slot->y), , seen[1] = get_acquire(&slot->x))
THREAD(read_xy_plain, seen[0] = get(&slot->x), , seen[1] = get(&slot->y))
THREAD(read_xy_dmb, seen[0] = get(&slot->x), DMB(ish), seen[1] = get(&slot->y))
THREAD(read_xy_sc, seen[0] = get_acquire(&slot->x), , seen[1] = get_acquire(&slot->y))
THREAD(write_x_read_y_plain, put(&slot->x), , seen[0] = get(&slot->y))
THREAD(write_x_read_y_dmb, put(&slot->x), DMB(ish), seen[0] = get(&slot->y))
THREAD(write_x_read_y_sc, put_release(&slot->x), , seen[0] = get_acquire(&slot->y))
THREAD(write_y_read_x_plain, put(&slot->y), , seen[0] = get(&slot->x))
THREAD(write_y_read_x_dmb, put(&slot->y), DMB(ish), seen[0] = get(&slot->x))
THREAD(write_y_read_x_sc, put_release(&slot->y), , seen[0] = get_acquire(&slot->x))
THREAD(read_x_write_y_plain, seen[0] = get(&slot->x), , put(&slot->y))
THREAD(read_x_write_y_dmb, seen[0] = get(&slot->x), DMB(ish), put(&slot->y))
THREAD(read_x_write_y_release, seen[0] = get(&slot->x), , put_release(&slot->y))
THREAD(read_y_write_x_plain, seen[0] = get(&slot->y), , put(&slot->x))
THREAD(read_y_write_x_dmb, seen[0] = get(&slot->y), DMB(ish), put(&slot->x))
THREAD(read_y_write_x_acquire, seen[0] = get_acquire(&slot->y), , put(&slot->x))
THREAD(write_x, put(&slot->x), , )
THREAD(write_y, put(&slot->y), , )
THREAD(write_x_release, put_release(&slot->x), , )
THREAD(write_y_release, put_release(&slot->y), , )
THREAD(read_xx, seen[0] = get(&slot->x), , seen[1] = get(&slot->x))

/* The address of the second load depends on the first. */
static void read_yx_address(struct slot *slot, u32 *seen)
{
    u64 y, x, zero;

    asm volatile("ldr %0, %3\n\t"
                 "eor %2, %0, %0\n\t"
                 "ldr %1, [%4, %2]"
                 : "=&r"(y), "=&r"(x), "=&r"(zero)
                 : "Q"(slot->y), "r"(&slot->x)
                 : "memory");
    seen[0] = y;
    seen[1] = x;
}

/* ---- outcomes ---- */

static bool flag_without_data(u32 i) { return seen[1][i][0] == 1 && seen[1][i][1] == 0; }
static bool both_missed(u32 i) { return seen[0][i][0] == 0 && seen[1][i][0] == 0; }
static bool both_saw(u32 i) { return seen[0][i][0] == 1 && seen[1][i][0] == 1; }
static bool orders_differ(u32 i)
{
    return seen[2][i][0] == 1 && seen[2][i][1] == 0 && seen[3][i][0] == 1 && seen[3][i][1] == 0;
}
/* Thread 1 saw x and wrote y, thread 2 saw y but not x. */
static bool cause_without_effect(u32 i) { return seen[1][i][0] == 1 && seen[2][i][0] == 1 && seen[2][i][1] == 0; }

static const struct test tests[] = {
    {"may-mp", 2, {write_xy_plain, read_yx_plain}, flag_without_data, true},
    {"mp+dmb+dmb", 2, {write_xy_dmb, read_yx_dmb}, flag_without_data, false},
    {"mp+dmb.st+dmb.ld", 2, {write_xy_dmbst, read_yx_dmbld}, flag_without_data, false},
    {"mp+stlr+ldar", 2, {write_xy_release, read_yx_acquire}, flag_without_data, false},
    {"mp+dmb.st+addr", 2, {write_xy_dmbst, read_yx_address}, flag_without_data, false},
    {"may-sb", 2, {write_x_read_y_plain, write_y_read_x_plain}, both_missed, true},
    {"sb+dmb+dmb", 2, {write_x_read_y_dmb, write_y_read_x_dmb}, both_missed, false},
    {"sb+stlr-ldar", 2, {write_x_read_y_sc, write_y_read_x_sc}, both_missed, false},
    {"may-lb", 2, {read_x_write_y_plain, read_y_write_x_plain}, both_saw, true},
    {"lb+dmb+dmb", 2, {read_x_write_y_dmb, read_y_write_x_dmb}, both_saw, false},
    {"lb+stlr+ldar", 2, {read_x_write_y_release, read_y_write_x_acquire}, both_saw, false},
    {"coherence", 2, {write_x, read_xx}, flag_without_data, false},
    {"wrc+dmb+dmb", 3, {write_x, read_x_write_y_dmb, read_yx_dmb}, cause_without_effect, false},
    {"may-iriw", 4, {write_x, write_y, read_xy_plain, read_yx_plain}, orders_differ, true},
    {"iriw+dmb+dmb", 4, {write_x, write_y, read_xy_dmb, read_yx_dmb}, orders_differ, false},
    {"iriw+stlr+ldar", 4, {write_x_release, write_y_release, read_xy_sc, read_yx_sc}, orders_differ, false},
};

/* ---- running them ---- */

static u32 failures;
static u64 count, adds;
static const char *running = "start";
static struct barrier everyone = {.count = CORES};
static const struct test *current;
static void (*job)(u32 core);

static void on_all_cores(void (*what)(u32 core))
{
    job = what;
    barrier_wait(&everyone);
    what(0);
    barrier_wait(&everyone);
}

/* Two threads stay near each other, so that they meet in the same slots. */
static void batch(u32 core)
{
    const struct test *test = current;

    if (core >= test->threads)
        return;
    for (u32 i = 0; i < SLOTS; i++) {
        if (test->threads == 2 && i % NEAR == 0) {
            progress[core] = i;
            while (progress[1 - core] < i)
                ;
        }
        test->run[core](&SLOT[i], seen[core][i]);
    }
    progress[core] = SLOTS;
}

static void run_test(const struct test *test)
{
    u64 found = 0, done;

    running = test->name;
    current = test;
    for (done = 0; done < count; done += SLOTS) {
        for (u32 i = 0; i < SLOTS; i++)
            SLOT[i].x = SLOT[i].y = 0;
        for (u32 core = 0; core < CORES; core++)
            progress[core] = 0;
        on_all_cores(batch);
        for (u32 i = 0; i < SLOTS; i++)
            found += test->found(i);
    }
    if (found && !test->allowed) {
        failures++;
        print("FAIL %s: %lu of %lu\n", test->name, found, done);
    } else {
        print("ok %s: %lu seen in %lu\n", test->name, found, done);
    }
}

/* ---- exclusives under contention ---- */

static u64 counter[2] __attribute__((aligned(64)));

#define CONTENTION(name, load, store, width)                                                      \
    static void name(u32 core)                                                                    \
    {                                                                                             \
        (void)core;                                                                               \
        for (u64 i = 0; i < adds; i++) {                                                          \
            u64 now;                                                                              \
            u32 failed;                                                                           \
            asm volatile("1: " load " %" width "0, %2\n\t"                                        \
                         "   add %0, %0, #1\n\t"                                                  \
                         "   " store " %w1, %" width "0, %2\n\t"                                  \
                         "   cbnz %w1, 1b"                                                        \
                         : "=&r"(now), "=&r"(failed), "+Q"(counter[0])::"memory");                \
        }                                                                                         \
    }
#define PAIRS(name, load, store, width)                                                           \
    static void name(u32 core)                                                                    \
    {                                                                                             \
        (void)core;                                                                               \
        for (u64 i = 0; i < adds; i++) {                                                          \
            u64 low, high;                                                                        \
            u32 failed;                                                                           \
            asm volatile("1: " load " %" width "0, %" width "1, %3\n\t"                           \
                         "   add %0, %0, #1\n\t"                                                  \
                         "   add %1, %1, #1\n\t"                                                  \
                         "   " store " %w2, %" width "0, %" width "1, %3\n\t"                     \
                         "   cbnz %w2, 1b"                                                        \
                         : "=&r"(low), "=&r"(high), "=&r"(failed), "+Q"(counter)::"memory");      \
        }                                                                                         \
    }

CONTENTION(add_bytes, "ldxrb", "stxrb", "w")
CONTENTION(add_halves, "ldaxrh", "stlxrh", "w")
CONTENTION(add_words, "ldxr", "stxr", "w")
CONTENTION(add_words_ordered, "ldaxr", "stlxr", "w")
CONTENTION(add_doublewords, "ldxr", "stxr", "x")
CONTENTION(add_doublewords_ordered, "ldaxr", "stlxr", "x")
PAIRS(add_word_pairs, "ldaxp", "stlxp", "w")
PAIRS(add_doubleword_pairs, "ldxp", "stxp", "x")

static void run_contention(const char *name, void (*what)(u32 core), u32 bits, bool pair)
{
    u64 mask = bits == 64 ? ~0ul : (1ul << bits) - 1, low, high, wanted;

    running = name;
    counter[0] = counter[1] = 0;
    on_all_cores(what);
    wanted = CORES * adds & mask;
    low = counter[0] & mask;
    high = !pair ? wanted : bits == 32 ? counter[0] >> 32 : counter[1];
    if (low != wanted || high != wanted) {
        failures++;
        print("FAIL %s: %lu and %lu, not %lu\n", name, low, high, wanted);
    } else {
        print("ok %s\n", name);
    }
}

/* ---- all of it ---- */

static void on_interrupt(struct frame *frame)
{
    if ((frame->vector & 3) != VECTOR_IRQ)
        print("FAIL %s: exception, ESR 0x%lx ELR 0x%lx\n", running, frame->esr, frame->elr);
    else
        print("FAIL %s: not through after %u s\nlitmus: hangs\n", running, WATCHDOG_SECONDS);
    power_off();
}

static void follow(u32 core)
{
    for (;;) {
        barrier_wait(&everyone);
        if (!job)
            return;
        job(core);
        barrier_wait(&everyone);
    }
}

static void start_watchdog(void)
{
    write_sysreg(cntp_cval_el0, read_sysreg(cntpct_el0) + WATCHDOG_SECONDS * read_sysreg(cntfrq_el0));
    write_sysreg(cntp_ctl_el0, 1);
    write32(LOCAL_CORE_TIMERS(0), 1u << 1);
    irq_enable();
}

void guest_main(void)
{
    u64 start = time_us();

    count = option_number("litmus.count", 1000000);
    adds = option_number("litmus.adds", 1000000);
    exception_handler = on_interrupt;
    start_watchdog();
    for (u32 core = 1; core < CORES; core++)
        core_start(core, follow);

    for (u32 i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        run_test(&tests[i]);
    run_contention("bytes", add_bytes, 8, false);
    run_contention("halves", add_halves, 16, false);
    run_contention("words", add_words, 32, false);
    run_contention("words-ordered", add_words_ordered, 32, false);
    run_contention("doublewords", add_doublewords, 64, false);
    run_contention("doublewords-ordered", add_doublewords_ordered, 64, false);
    run_contention("word-pairs", add_word_pairs, 32, true);
    run_contention("doubleword-pairs", add_doubleword_pairs, 64, true);

    job = NULL;
    barrier_wait(&everyone);
    print("litmus: %lu us\n", time_us() - start);
    if (failures)
        print("litmus: %u failed\n", failures);
    else
        print("litmus: all ok\n");
}
