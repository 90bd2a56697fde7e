/* Ways into the kernel and back, through the library's vectors, which save and restore all registers. */
#include "suite.h"

#define EC(esr) ((u32)((esr) >> 26) & 63)
#define EC_SVC 0x15u
#define EC_DATA_ABORT 0x25u
#define EC_BRK 0x3Cu
#define SPSR_EL1H 0x3C5ul

/* Nothing is mapped there. */
#define NOWHERE 0xC0000000ul

/* entry.S */
u64 user_calls(u64 entry, u64 n);
extern char user_loop[], user_return[];

static u64 calls;

static void wrong(const struct frame *frame)
{
    print("suite: unexpected exception: ESR 0x%lx ELR 0x%lx FAR 0x%lx\n", frame->esr, frame->elr, frame->far);
    power_off();
}

/* SVC #0 is a call with one argument and a result, SVC #1 the program's end. */
static void on_call(struct frame *frame)
{
    if (EC(frame->esr) != EC_SVC)
        wrong(frame);
    calls++;
    if (frame->esr & 1) {
        frame->elr = (u64)user_return;
        frame->spsr = SPSR_EL1H;
    } else {
        frame->x[0] = fold(frame->x[0], frame->x[8]);
    }
}

/* n system calls from EL0. */
u64 run_svc(u64 n)
{
    calls = 0;
    exception_handler = on_call;
    mmu_map_alias(0, 0, MEMORY_CACHED, true, true);
    u64 sum = user_calls(ALIAS(0) + (u64)user_loop, n);
    exception_handler = NULL;
    return fold(sum, calls);
}

static u64 faults;

static void on_fault(struct frame *frame)
{
    u32 class = EC(frame->esr);

    if (class == EC_BRK)
        faults = fold(faults, frame->esr & 0xFFFF);
    else if (class == EC_DATA_ABORT)
        faults = fold(faults, frame->far ^ (frame->esr & 0x7F) << 40);
    else
        wrong(frame);
    frame->elr += 4;
}

/* n times a BRK, a load and a store that fault, in EL1. */
u64 run_fault(u64 n)
{
    faults = 0;
    exception_handler = on_fault;
    for (u64 i = 0; i < n; i++) {
        u64 address = NOWHERE + (i << 3 & 0xFFFFF8), value = i;
        asm volatile("brk #0x123\n\tldr %0, [%1]\n\tstr %0, [%1, #4096]" : "+r"(value) : "r"(address) : "memory");
        faults += value;
    }
    exception_handler = NULL;
    return faults;
}
