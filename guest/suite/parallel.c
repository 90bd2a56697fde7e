/* Cores that share work. */
#include "suite.h"

#define STACKED 2048u
#define ROUND 64u

static void (*share)(void);
static struct barrier start_line, finish_line, round_line;

static void worker(u32 core)
{
    (void)core;
    barrier_wait(&start_line);
    share();
    barrier_wait(&finish_line);
}

/* How many cores the options say. */
static u32 cores_sharing(void)
{
    u64 cores = option_number("suite.cores", CORES);

    return cores < 1 || cores > CORES ? CORES : (u32)cores;
}

static void together(void (*work)(void))
{
    u32 sharing = cores_sharing();

    share = work;
    start_line.count = finish_line.count = round_line.count = sharing;
    for (u32 core = 1; core < sharing; core++)
        core_start(core, worker);
    worker(0);
}

/* ---- cores: n pieces of computation --------------------------------------------------------- */

static struct lock sum_lock;
static u64 sum;
static u32 taken, pieces;

/* Numbers made, sorted and summed up in the core's own memory. */
static u64 piece(u32 number)
{
    u32 *numbers = (u32 *)(ARENA + ((u64)core_id() << 20));
    u64 state = number * 0x9E3779B97F4A7C15ul + 1, total = 0;

    for (u32 i = 0; i < STACKED; i++)
        numbers[i] = (u32)next_random(&state);
    for (u32 gap = 701; gap; gap = gap == 1 ? 0 : gap * 4 / 9 | 1)
        for (u32 i = gap; i < STACKED; i++) {
            u32 value = numbers[i], j = i;
            for (; j >= gap && numbers[j - gap] > value; j -= gap)
                numbers[j] = numbers[j - gap];
            numbers[j] = value;
        }
    for (u32 i = 0; i < STACKED; i++)
        total = fold(total, numbers[i]);
    return total;
}

/* Each core takes the next piece; all meet at a barrier after every 64 of them. */
static void pieces_share(void)
{
    for (u32 end = ROUND;; end += ROUND) {
        u64 mine = 0;
        for (;;) {
            u32 number = atomic_add(&taken, 1) - 1;
            if (number >= end || number >= pieces) {
                atomic_add(&taken, (u32)-1);
                break;
            }
            mine += piece(number);
        }
        lock_acquire(&sum_lock);
        sum += mine;
        lock_release(&sum_lock);
        barrier_wait(&round_line);
        if (end >= pieces)
            return;
    }
}

u64 run_cores(u64 n)
{
    sum = 0;
    taken = 0;
    pieces = (u32)n;
    together(pieces_share);
    return fold(sum, n);
}

/* ---- locks: n turns of a few instructions under one of eight locks -------------------------- */

static struct guarded {
    struct lock lock;
    u64 count, history;
} __attribute__((aligned(64))) guarded[8];

static u64 turns;

static void turns_share(void)
{
    u64 state = core_id() + 1;

    for (u64 i = 0; i < turns; i++) {
        struct guarded *one = &guarded[i & 7];
        lock_acquire(&one->lock);
        one->count++;
        one->history += state & 0xFF;
        lock_release(&one->lock);
        for (u32 k = 0; k < 8; k++)
            next_random(&state);
    }
}

/* n turns in all; what they add depends on the core, not on the order. */
u64 run_locks(u64 n)
{
    u64 total = 0;

    turns = n / cores_sharing();
    together(turns_share);
    for (u32 i = 0; i < 8; i++)
        total = fold(total, guarded[i].count << 32 ^ guarded[i].history);
    return total;
}
