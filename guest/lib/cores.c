/* The other cores, and what cores wait for each other with. */
#include "guest.h"

extern char secondary_start[];

static void (*entries[CORES])(u32 core);

/* start.S comes here on cores 1 to 3. */
void boot_secondary(u32 core)
{
    mmu_enable();
    entries[core](core);
    for (;;)
        wfi();
}

void core_start(u32 core, void (*entry)(u32 core))
{
    volatile u64 *slot = (volatile u64 *)(0xD8ul + 8 * core);

    entries[core] = entry;
    dsb();
    *slot = (u64)secondary_start;
    /* The core that waits reads past the caches. */
    asm volatile("dc civac, %0\n\tdsb sy\n\tsev" ::"r"(slot) : "memory");
}

u32 atomic_add(u32 *value, u32 amount)
{
    u32 now, failed;

    asm volatile("1: ldxr %w0, %2\n\t"
                 "   add  %w0, %w0, %w3\n\t"
                 "   stxr %w1, %w0, %2\n\t"
                 "   cbnz %w1, 1b"
                 : "=&r"(now), "=&r"(failed), "+Q"(*value)
                 : "r"(amount)
                 : "memory");
    return now;
}

void lock_acquire(struct lock *lock)
{
    u32 ticket = atomic_add(&lock->next, 1) - 1;

    while (load_acquire(&lock->serving) != ticket)
        wfe();
}

void lock_release(struct lock *lock)
{
    store_release(&lock->serving, lock->serving + 1);
    sev();
}

void barrier_wait(struct barrier *barrier)
{
    u32 round = load_acquire(&barrier->round);

    dmb();
    if (atomic_add(&barrier->waiting, 1) == barrier->count) {
        barrier->waiting = 0;
        store_release(&barrier->round, round + 1);
        sev();
    } else {
        while (load_acquire(&barrier->round) == round)
            wfe();
    }
    dmb();
}
