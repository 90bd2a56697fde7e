/*
 * bench: fixed work for measuring speed. Prints `bench KIND: checksum X, T us`.
 *
 * bench.kind=int|fill|fp|sort|mem (int)
 * bench.n=N   how much of it; the default takes about two seconds on QEMU on a common machine
 */
#include "bench.h"

/* Arithmetic, shifts, and branches that depend on the data. */
static u64 bench_int(u64 n)
{
    u64 x = 0x9E3779B97F4A7C15, sum = 0;

    for (u64 i = 0; i < n; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        if (x & 1)
            sum += x >> 11;
        else
            sum ^= x * 5 + i;
    }
    return sum;
}

/* n times 1 MiB of wide stores, as clearing a screen is. */
static u64 bench_fill(u64 n)
{
    for (u64 i = 0; i < n; i++)
        memset(ARENA, (int)i, 1 << 20);
    return ARENA[0] + ARENA[(1 << 17) - 1];
}

/* n times: 16,384 random numbers into order, by heap sort. */
#define SORTED 16384u

static void sift_down(u64 *heap, u32 at, u32 length)
{
    u64 value = heap[at];

    for (;;) {
        u32 child = 2 * at + 1;
        if (child >= length)
            break;
        if (child + 1 < length && heap[child + 1] > heap[child])
            child++;
        if (heap[child] <= value)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = value;
}

static u64 bench_sort(u64 n)
{
    u64 *numbers = ARENA, x = 88172645463325252, sum = 0;

    for (u64 turn = 0; turn < n; turn++) {
        for (u32 i = 0; i < SORTED; i++) {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            numbers[i] = x;
        }
        for (u32 i = SORTED / 2; i--;)
            sift_down(numbers, i, SORTED);
        for (u32 i = SORTED; --i;) {
            u64 largest = numbers[0];
            numbers[0] = numbers[i];
            numbers[i] = largest;
            sift_down(numbers, 0, i);
        }
        for (u32 i = 1; i < SORTED; i++)
            sum += (numbers[i - 1] <= numbers[i]) * (numbers[i] ^ i);
    }
    return sum;
}

/* n dependent loads in a random cycle over 32 MiB: translation and caches. */
#define CHAIN (1u << 22)

static u64 bench_mem(u64 n)
{
    u64 *next = ARENA, at = 0, sum = 0;

    /* A full-period congruential generator is one cycle through all places. */
    for (u64 i = 0; i < CHAIN; i++)
        next[i] = (i * 1664525 + 1013904223) & (CHAIN - 1);
    for (u64 i = 0; i < n; i++) {
        at = ((volatile u64 *)next)[at];
        sum += at;
    }
    return sum;
}

void guest_main(void)
{
    static const struct {
        const char *name;
        u64 (*run)(u64 n);
        u64 n;
    } kinds[] = {
        {"int", bench_int, 200000000}, {"fill", bench_fill, 5000}, {"fp", bench_fp, 40000000},
        {"sort", bench_sort, 300},     {"mem", bench_mem, 4000000},
    };
    u32 kind = 0;

    for (u32 i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (option_is("bench.kind", kinds[i].name))
            kind = i;

    u64 n = option_number("bench.n", kinds[kind].n);
    u64 start = time_us();
    u64 checksum = kinds[kind].run(n);
    print("bench %s: checksum %016lx, %lu us\n", kinds[kind].name, checksum, time_us() - start);
}
