/* The kinds of work; each takes how much of it and returns a checksum that depends on all of it. */
#ifndef SUITE_H
#define SUITE_H

#include "guest.h"

/* Cached RAM beyond the program; each kind writes what it reads. */
#define ARENA 0x01000000ul

/* Folds a value into a checksum. */
static inline u64 fold(u64 sum, u64 value)
{
    sum = (sum ^ value) * 0x9E3779B97F4A7C15;
    return sum ^ sum >> 29;
}

/* The next of a row of numbers; the first must not be 0. */
static inline u64 next_random(u64 *state)
{
    u64 x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* mix.c, integer.c */
u64 run_mix(u64 n);
u64 run_chase(u64 n);
u64 run_far(u64 n);
u64 run_sort(u64 n);
u64 run_hash(u64 n);
u64 run_sha256(u64 n);

/* calls.c */
u64 run_bytecode(u64 n);
u64 run_recursion(u64 n);
u64 run_virtual(u64 n);

/* screen.c */
u64 run_fill(u64 n);
u64 run_pixels(u64 n);
u64 run_copy(u64 n);

/* float.c, simd.c */
u64 run_mandelbrot(u64 n);
u64 run_bodies(u64 n);
u64 run_matrix(u64 n);
u64 run_filter(u64 n);
u64 run_qcopy(u64 n);

/* system.c */
u64 run_svc(u64 n);
u64 run_fault(u64 n);

/* pages.c */
u64 run_tlb(u64 n);
u64 run_tlbi(u64 n);
u64 run_spaces(u64 n);

/* parallel.c */
u64 run_cores(u64 n);
u64 run_locks(u64 n);

/* entry.S: caches cleaned to memory, then MMU and caches off. */
void mmu_off(void);

#endif
