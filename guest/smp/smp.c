/*
 * smp: four cores against each other: exclusives, locks, message passing, interrupts between cores. Prints
 * `ok NAME` or `FAIL NAME` for each test, then `smp: all ok` or `smp: N failed`.
 *
 * smp.count=N  turns each core takes in each test (100000); a part of it where cores take strict turns, as that
 *              is slow where four cores share fewer
 */
#include "guest.h"

#define WATCHDOG_SECONDS 120

static u32 count;
static u32 turns; /* where each turn waits for another core */
static u32 failures;
static const char *running = "start"; /* the test, for the watchdog */

static struct barrier everyone = {.count = CORES};
static void (*phase)(u32 core);

static void report(const char *name, bool ok, u64 got, u64 wanted)
{
    if (ok) {
        print("ok %s\n", name);
    } else {
        failures++;
        print("FAIL %s: got %lu, not %lu\n", name, got, wanted);
    }
}

/* Runs `what` on all cores at once, and returns when all are through. */
static void on_all_cores(const char *name, void (*what)(u32 core))
{
    running = name;
    phase = what;
    barrier_wait(&everyone);
    what(0);
    barrier_wait(&everyone);
}

/* ---- exclusives ---- */

static u32 word_counter;
static u8 byte_counter;
static u64 pair_counter[2] __attribute__((aligned(16)));

static void count_words(u32 core)
{
    (void)core;
    for (u32 i = 0; i < count; i++)
        atomic_add(&word_counter, 1);
}

static void count_bytes(u32 core)
{
    (void)core;
    for (u32 i = 0; i < count; i++) {
        u32 now, failed;
        asm volatile("1: ldaxrb %w0, %2\n\t"
                     "   add    %w0, %w0, #1\n\t"
                     "   stlxrb %w1, %w0, %2\n\t"
                     "   cbnz   %w1, 1b"
                     : "=&r"(now), "=&r"(failed), "+Q"(byte_counter)::"memory");
    }
}

/* Both halves move together, in opposite directions. */
static void count_pairs(u32 core)
{
    (void)core;
    for (u32 i = 0; i < count; i++) {
        u64 up, down;
        u32 failed;
        asm volatile("1: ldxp %0, %1, %3\n\t"
                     "   add  %0, %0, #1\n\t"
                     "   sub  %1, %1, #1\n\t"
                     "   stxp %w2, %0, %1, %3\n\t"
                     "   cbnz %w2, 1b"
                     : "=&r"(up), "=&r"(down), "=&r"(failed), "+Q"(pair_counter)::"memory");
    }
}

/* ---- locks: plain counters, so that only the lock makes the totals right ---- */

static struct lock ticket_lock;
static u32 spin_lock;
static volatile u32 under_ticket_lock, under_spin_lock;

static void count_under_ticket_lock(u32 core)
{
    (void)core;
    for (u32 i = 0; i < turns; i++) {
        lock_acquire(&ticket_lock);
        under_ticket_lock = under_ticket_lock + 1;
        lock_release(&ticket_lock);
    }
}

/* The textbook's lock: the monitor armed by LDAXR wakes the WFE when the holder's STLR clears it. */
static void count_under_spin_lock(u32 core)
{
    (void)core;
    for (u32 i = 0; i < count; i++) {
        u32 value;
        asm volatile("   sevl\n\t"
                     "1: wfe\n\t"
                     "2: ldaxr %w0, %1\n\t"
                     "   cbnz  %w0, 1b\n\t"
                     "   stxr  %w0, %w2, %1\n\t"
                     "   cbnz  %w0, 2b"
                     : "=&r"(value), "+Q"(spin_lock)
                     : "r"(1)
                     : "memory");
        under_spin_lock = under_spin_lock + 1;
        asm volatile("stlr wzr, %0\n\t" : "=Q"(spin_lock)::"memory");
    }
}

/* ---- memory order: each variable on a cache line of its own ---- */

static struct {
    u32 value __attribute__((aligned(64)));
} data[2], flag[2], seen[2];
static u32 order_violations;

static u32 load(const u32 *p) { return *(const volatile u32 *)p; }
static void store(u32 *p, u32 value) { *(volatile u32 *)p = value; }

/* Cores 0 to 1 and 2 to 3: what was written before the flag is there when the flag is. */
static void pass_messages(u32 core)
{
    u32 pair = core / 2;

    for (u32 i = 1; i <= turns; i++) {
        if (core % 2 == 0) {
            store(&data[pair].value, i);
            dmb();
            store(&flag[pair].value, i);
            while (load(&seen[pair].value) != i)
                ;
            dmb();
        } else {
            while (load(&flag[pair].value) != i)
                ;
            dmb();
            if (load(&data[pair].value) != i)
                atomic_add(&order_violations, 1);
            dmb();
            store(&seen[pair].value, i);
        }
    }
}

static struct barrier two[2] = {{.count = 2}, {.count = 2}};
static u32 saw_nothing[CORES];
static u32 buffering_violations;

/* Store buffering: with a barrier between, not both of a pair can miss the other's store. */
static void buffer_stores(u32 core)
{
    u32 pair = core / 2, odd = core % 2;
    u32 *mine = odd ? &flag[pair].value : &data[pair].value;
    u32 *others = odd ? &data[pair].value : &flag[pair].value;

    for (u32 i = 0; i < turns; i++) {
        store(mine, 0);
        barrier_wait(&two[pair]);
        store(mine, 1);
        asm volatile("dmb sy" ::: "memory");
        saw_nothing[core] = load(others) == 0;
        barrier_wait(&two[pair]);
        if (!odd && saw_nothing[core] && saw_nothing[core + 1])
            atomic_add(&buffering_violations, 1);
    }
}

/* ---- interrupts between cores ---- */

static u32 pings[CORES], pongs;

static void on_interrupt(struct frame *frame)
{
    u32 core = core_id();
    u32 source = read32(LOCAL_IRQ_SOURCE(core));

    if ((frame->vector & 3) != VECTOR_IRQ) {
        print("FAIL %s: exception, ESR 0x%lx ELR 0x%lx\n", running, frame->esr, frame->elr);
        power_off();
    }
    if (source & 1 << 1) { /* core 0's physical timer */
        print("FAIL %s: not through after %u s\nsmp: hangs\n", running, WATCHDOG_SECONDS);
        power_off();
    }
    if (source & 1 << 4) {
        write32(LOCAL_MAILBOX_CLEAR(core, 0), read32(LOCAL_MAILBOX_CLEAR(core, 0)));
        if (core == 0) {
            pongs++;
        } else {
            pings[core]++;
            dsb();
            write32(LOCAL_MAILBOX_SET(0, 0), 1u << core);
        }
    }
}

/* Core 0 sends to one core at a time and sleeps till the answer; the others sleep until they have had all. */
static void ping_pong(u32 core)
{
    u32 answers = 0;

    irq_disable();
    write32(LOCAL_CORE_MAILBOXES(core), 1);
    if (core == 0) {
        for (u32 i = 0; i < turns * (CORES - 1); i++) {
            write32(LOCAL_MAILBOX_SET(1 + i % (CORES - 1), 0), 0x80000000 | i);
            answers++;
            while (*(volatile u32 *)&pongs != answers) {
                wfi();
                irq_enable();
                isb();
                irq_disable();
            }
        }
    } else {
        while (*(volatile u32 *)&pings[core] != turns) {
            wfi();
            irq_enable();
            isb();
            irq_disable();
        }
    }
    write32(LOCAL_CORE_MAILBOXES(core), 0);
    if (core == 0)
        irq_enable();
}

/* ---- all of it ---- */

static void follow(u32 core)
{
    for (;;) {
        barrier_wait(&everyone);
        if (!phase)
            return;
        phase(core);
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

    count = option_number("smp.count", 100000);
    turns = count / 200;
    exception_handler = on_interrupt;
    start_watchdog();
    for (u32 core = 1; core < CORES; core++)
        core_start(core, follow);

    on_all_cores("exclusive-word", count_words);
    report(running, word_counter == CORES * count, word_counter, CORES * count);
    on_all_cores("exclusive-byte", count_bytes);
    report(running, byte_counter == (u8)(CORES * count), byte_counter, (u8)(CORES * count));
    on_all_cores("exclusive-pair", count_pairs);
    report(running, pair_counter[0] == CORES * count && pair_counter[1] == -(u64)(CORES * count), pair_counter[0],
           CORES * count);
    on_all_cores("ticket-lock", count_under_ticket_lock);
    report(running, under_ticket_lock == CORES * turns, under_ticket_lock, CORES * turns);
    on_all_cores("spin-lock", count_under_spin_lock);
    report(running, under_spin_lock == CORES * count, under_spin_lock, CORES * count);
    on_all_cores("message-passing", pass_messages);
    report(running, order_violations == 0, order_violations, 0);
    on_all_cores("store-buffering", buffer_stores);
    report(running, buffering_violations == 0, buffering_violations, 0);
    on_all_cores("ipi", ping_pong);
    report(running, pongs == turns * (CORES - 1), pongs, turns * (CORES - 1));

    phase = NULL;
    barrier_wait(&everyone);
    print("smp: %lu us\n", time_us() - start);
    if (failures)
        print("smp: %u failed\n", failures);
    else
        print("smp: all ok\n");
}
