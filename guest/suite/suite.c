/*
 * suite: the kinds of work that an emulator's speed is judged by. Prints `suite KIND: checksum X, T us`; the checksum
 * depends on kind and amount alone, so that it tells whether two machines did the same.
 *
 * suite.kind=NAME   one of the table below (mix)
 * suite.n=N         how much of it; the default takes about a second on QEMU on a common machine
 * suite.mmu=0       with MMU and caches off, for kinds that can
 * suite.cores=4     how many cores share the work, for `cores` and `locks`
 */
#include "suite.h"

static const struct kind {
    const char *name;
    u64 (*run)(u64 n);
    u64 n;
    bool needs_mmu;
} kinds[] = {
    {"mix", run_mix, 5000, false},
    {"chase", run_chase, 250000000, false},
    {"far", run_far, 2000000, false},
    {"sort", run_sort, 80, false},
    {"hash", run_hash, 6000000, false},
    {"sha256", run_sha256, 1000, false},
    {"bytecode", run_bytecode, 100000, false},
    {"recursion", run_recursion, 38, false},
    {"virtual", run_virtual, 40000000, false},
    {"fill", run_fill, 600, false},
    {"pixels", run_pixels, 150, false},
    {"copy", run_copy, 500, false},
    {"mandelbrot", run_mandelbrot, 700, false},
    {"bodies", run_bodies, 500000, false},
    {"matrix", run_matrix, 80, false},
    {"filter", run_filter, 700, true},
    {"qcopy", run_qcopy, 2500, false},
    {"svc", run_svc, 1000000, true},
    {"fault", run_fault, 300000, true},
    {"tlb", run_tlb, 4000000, true},
    {"tlbi", run_tlbi, 130000, true},
    {"spaces", run_spaces, 250000, true},
    {"cores", run_cores, 5000, true},
    {"locks", run_locks, 4000000, true},
};

void guest_main(void)
{
    const struct kind *kind = &kinds[0];

    for (u32 i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (option_is("suite.kind", kinds[i].name))
            kind = &kinds[i];
    if (!option_number("suite.mmu", 1)) {
        if (kind->needs_mmu) {
            print("suite %s: needs the MMU\n", kind->name);
            return;
        }
        mmu_off();
    }

    u64 n = option_number("suite.n", kind->n);
    u64 start = time_us();
    u64 checksum = kind->run(n);
    print("suite %s: checksum %016lx, %lu us\n", kind->name, checksum, time_us() - start);
}
