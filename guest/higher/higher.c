/*
 * higher: a kernel in the upper half of the address space, with pages of 64 KiB.
 *
 * TTBR1 maps the kernel at 0xFFFFFFFFC0000000, code and constants read-only and executable, data writable and never
 * executable, nothing below the stack. TTBR0 maps devices where they are, and nothing else once the kernel is up.
 * Then it does what it must not do, and reports the faults: a read past the tables, a write to code, a call of data, a
 * stack overflow; and counts ten ticks of the core's timer.
 */
#include "guest.h"

#define KERNEL_BASE 0xFFFFFFFFC0000000ul
#define PAGE_SHIFT 16
#define LEVEL2_SHIFT 29
#define ENTRIES 8192ul

#define DESC_BLOCK 1ul
#define DESC_PAGE 3ul
#define DESC_TABLE 3ul
#define DESC_DEVICE (0ul << 2)
#define DESC_NORMAL (1ul << 2)
#define DESC_UNCACHED (2ul << 2)
#define DESC_READ_ONLY (1ul << 7)
#define DESC_INNER_SHAREABLE (3ul << 8)
#define DESC_ACCESS (1ul << 10)
#define DESC_PXN (1ul << 53)
#define DESC_UXN (1ul << 54)

#define MAIR 0x44FF00ul
/* 42 bits on either side (a walk begins at level 2), granules of 64 KiB, cached walks, 36-bit physical addresses. */
#define HALF(granule) (22ul | 1ul << 8 | 1ul << 10 | 3ul << 12 | (u64)(granule) << 14)
#define TCR (HALF(1) | HALF(3) << 16 | 1ul << 32)

#define CORE_TIMER 2u /* the non-secure physical timer, in the local controller's registers */
#define TICKS 10u

extern char writable_start[], stack_bottom[], shared_start[];

static u64 low_level2[ENTRIES] __attribute__((aligned(0x10000)));
static u64 high_level2[ENTRIES] __attribute__((aligned(0x10000)));
static u64 high_level3[ENTRIES] __attribute__((aligned(0x10000)));

static volatile u32 ticks;
static volatile u64 resume;

/* Called at the load address: symbols are there, not where they are linked. */
void make_tables(void)
{
    u64 code_pages = ((u64)writable_start & 0x3FFFFFFF) >> PAGE_SHIFT;
    u64 shared = ((u64)shared_start & 0x3FFFFFFF) >> PAGE_SHIFT;
    u64 guard = ((u64)stack_bottom & 0x3FFFFFFF) >> PAGE_SHIFT;

    for (u64 i = 0; i < 32; i++) {
        u64 type = i == shared ? DESC_UNCACHED : DESC_NORMAL;
        u64 page = i << PAGE_SHIFT | DESC_PAGE | type | DESC_INNER_SHAREABLE | DESC_ACCESS | DESC_UXN;
        high_level3[i] = i < code_pages ? page | DESC_READ_ONLY : page | DESC_PXN;
    }
    high_level3[guard - 1] = 0;
    high_level2[KERNEL_BASE >> LEVEL2_SHIFT & (ENTRIES - 1)] = (u64)high_level3 | DESC_TABLE;

    /* The first gigabyte, and the local peripherals. Low code goes on for some instructions: executable. */
    low_level2[0] = DESC_BLOCK | DESC_UNCACHED | DESC_ACCESS | DESC_UXN;
    low_level2[1] = 1ul << LEVEL2_SHIFT | DESC_BLOCK | DESC_DEVICE | DESC_ACCESS | DESC_UXN | DESC_PXN;
    low_level2[2] = 2ul << LEVEL2_SHIFT | DESC_BLOCK | DESC_DEVICE | DESC_ACCESS | DESC_UXN | DESC_PXN;

    write_sysreg(mair_el1, MAIR);
    write_sysreg(ttbr0_el1, low_level2);
    write_sysreg(ttbr1_el1, high_level2);
    write_sysreg(tcr_el1, TCR);
    dsb();
    asm volatile("isb\n\ttlbi vmalle1\n\tic iallu\n\tdsb sy\n\tisb" ::: "memory");
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) | 1ul << 0 | 1ul << 2 | 1ul << 12);
    isb();
}

static void handle(struct frame *frame)
{
    u32 class = frame->esr >> 26;

    if (frame->vector == 5) {
        if (++ticks == TICKS)
            write_sysreg(cntp_ctl_el0, 0);
        write_sysreg(cntp_cval_el0, read_sysreg(cntp_cval_el0) + read_sysreg(cntfrq_el0) / 1000);
        return;
    }
    print("class %x status %02x at %lx\n", class, (u32)frame->esr & 0x3F, frame->far);
    if ((class != 0x25 && class != 0x21) || !resume)
        power_off();
    frame->elr = resume;
}

/* Runs one instruction that faults; the handler goes on behind it. */
#define ATTEMPT(what, instruction, address)                                                                     \
    do {                                                                                                        \
        u64 scratch_;                                                                                           \
        print(what ": ");                                                                                       \
        asm volatile("adr %0, 1f\n\tstr %0, %1\n\t" instruction "\n1:"                                          \
                     : "=&r"(scratch_), "=m"(resume)                                                            \
                     : "r"((u64)(address))                                                                      \
                     : "x30", "memory");                                                                        \
    } while (0)

void higher_main(void)
{
    static u32 data = 0xD65F03C0; /* RET, if it were code */

    console->init();
    exception_handler = handle;
    print("higher: at %lx, stack in %lx\n", (u64)higher_main & ~0xFFFFul, (u64)__builtin_frame_address(0) >> 32);

    low_level2[0] = 0; /* low memory is gone; devices stay */
    dsb();
    asm volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");

    ATTEMPT("read of low memory", "ldr %0, [%2]", 0x80000);
    ATTEMPT("read past the tables", "ldr %0, [%2]", 8ul << 30);
    ATTEMPT("read beyond 42 bits", "ldr %0, [%2]", 1ul << 50);
    ATTEMPT("write to code", "str xzr, [%2]", KERNEL_BASE + 0x80000);
    ATTEMPT("call of data", "blr %2", &data);
    ATTEMPT("stack overflow", "str xzr, [%2, #-8]", stack_bottom);

    asm volatile("at s1e1w, %0\n\tisb" ::"r"(&data));
    u64 where = (u64)&data - KERNEL_BASE;
    print("data is %s\n", (read_sysreg(par_el1) & 0xFFFFFFFFF000) == (where & ~0xFFFul) ? "where it was loaded" : "elsewhere");

    write32(LOCAL_CORE_TIMERS(0), CORE_TIMER);
    write_sysreg(cntp_cval_el0, read_sysreg(cntpct_el0) + read_sysreg(cntfrq_el0) / 1000);
    write_sysreg(cntp_ctl_el0, 1);
    irq_enable();
    while (ticks < TICKS)
        wfi();
    irq_disable();
    print("higher: %u ticks, done\n", ticks);
    power_off();
}
