/* Synchronous exceptions in EL1, and EL0 and the ways back from it. */
#include "irqtimer.h"

/* Exception classes (ESR_ELx.EC) and data fault codes. */
enum {
    EC_UNKNOWN = 0x00,
    EC_FP = 0x07,
    EC_SVC = 0x15,
    EC_SYSREG = 0x18,
    EC_FETCH = 0x21,
    EC_PC_ALIGNMENT = 0x22,
    EC_DATA_LOWER = 0x24,
    EC_DATA = 0x25,
    EC_SP_ALIGNMENT = 0x26,
    EC_BRK = 0x3C,
};
#define FAULT_TRANSLATION_1 0x05u
#define FAULT_PERMISSION_2 0x0Eu
#define FAULT_ALIGNMENT 0x21u
#define WRITE (1u << 6)

#define UNMAPPED 0xC0000000ul
#define IL (1ul << 25)
#define SCTLR_A 2ul
#define SCTLR_SA0 0x10ul

/* Aliases: 0 the program for EL0, 1 a stack for EL0, 2 the same memory as Device. */
#define SCRATCH 0x00C00000ul
#define USER_STACK_TOP (ALIAS(1) + 0x1000)
#define SPSR_MODE 0xFul

#define VECTOR_SAME_SP_SYNC 4u
#define VECTOR_LOWER_SYNC 8u
#define VECTOR_LOWER_IRQ 9u

static const struct frame *const f = &seen[0].frame;

static u32 class(void) { return f->esr >> 26; }
static u32 iss(void) { return f->esr & 0x1FFFFFF; }

/* Runs one instruction, at the label `at`, that is to fault. */
#define FAULTING(at, instruction, ...)                                                            \
    do {                                                                                          \
        expect(NULL);                                                                             \
        asm volatile(".globl " #at "\n" #at ":\n\t" instruction "\n\t" ::__VA_ARGS__              \
                     : "x0", "x1", "memory");                                                     \
    } while (0)

static bool taken_at(const char *instruction, u32 ec)
{
    return seen[0].syncs == 1 && f->vector == VECTOR_SAME_SP_SYNC && f->elr == (u64)instruction && class() == ec &&
           f->esr & IL && (f->spsr & SPSR_MODE) == 5;
}

static void check_at(const char *name, const char *instruction, u32 ec, u32 wanted_iss)
{
    check(name, taken_at(instruction, ec) && iss() == wanted_iss, f->esr, f->elr - (u64)instruction);
}

/* A data abort: fault code (and WnR), and the address. */
static void check_abort(const char *name, const char *instruction, u32 fault, u64 address)
{
    check(name, taken_at(instruction, EC_DATA) && (iss() & 0x7F) == fault && f->far == address, f->esr, f->far);
}

extern const char at_svc[], at_brk[], at_udf[], at_load[], at_store[], at_device[], at_strict[], at_exclusive[],
    at_read_only[], at_fp[];

static void check_aborts(void)
{
    u64 unaligned = SCRATCH + 1;

    FAULTING(at_load, "ldr x0, [%0]", "r"(UNMAPPED + 8));
    check_abort("abort-load", at_load, FAULT_TRANSLATION_1, UNMAPPED + 8);
    FAULTING(at_store, "strb wzr, [%0]", "r"(UNMAPPED + 3));
    check_abort("abort-store", at_store, FAULT_TRANSLATION_1 | WRITE, UNMAPPED + 3);
    FAULTING(at_read_only, "str xzr, [%0]", "r"(ALIAS(0)));
    check_abort("abort-read-only", at_read_only, FAULT_PERMISSION_2 | WRITE, ALIAS(0));

    FAULTING(at_device, "ldr x0, [%0]", "r"(ALIAS(2) + 1));
    if (!seen[0].syncs && on_qemu())
        skip("device-unaligned", "QEMU before 9 lets unaligned accesses to Device memory pass");
    else
        check_abort("device-unaligned", at_device, FAULT_ALIGNMENT, ALIAS(2) + 1);

    /* Normal memory takes unaligned accesses, but for exclusives, and but for SCTLR_EL1.A. */
    u64 value;
    write32(SCRATCH, 0x44332211);
    write32(SCRATCH + 4, 0x88776655);
    write32(SCRATCH + 8, 0x99);
    expect(NULL);
    asm volatile("ldr %0, [%1]" : "=r"(value) : "r"(unaligned) : "memory");
    check("normal-unaligned", seen[0].syncs == 0 && value == 0x9988776655443322, seen[0].syncs, value);
    FAULTING(at_exclusive, "ldxr x0, [%0]", "r"(unaligned));
    check_abort("exclusive-unaligned", at_exclusive, FAULT_ALIGNMENT, unaligned);
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) | SCTLR_A);
    isb();
    FAULTING(at_strict, "str x0, [%0]", "r"(unaligned));
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) & ~SCTLR_A);
    isb();
    check_abort("strict-unaligned", at_strict, FAULT_ALIGNMENT | WRITE, unaligned);
}

/* A call to where there is no code comes back by the handler. */
static void check_fetch(const char *name, u64 target, u32 ec, u32 fault)
{
    expect(NULL);
    asm volatile("adr x1, 1f\n\tstr x1, %0\n\tbr %1\n1:" : "=m"(resume_at) : "r"(target) : "x1", "memory");
    check(name, seen[0].syncs == 1 && class() == ec && f->elr == target && f->far == target && (iss() & 0x3F) == fault,
          f->esr, f->elr);
}

void check_exceptions(void)
{
    mmu_map_alias(0, 0, MEMORY_CACHED, true, true);
    mmu_map_alias(1, SCRATCH, MEMORY_CACHED, true, false);
    mmu_map_alias(2, SCRATCH, MEMORY_DEVICE, false, false);

    expect(NULL);
    asm volatile(".globl at_svc\nat_svc:\n\tsvc #0x1234" ::: "memory");
    check("svc", taken_at(at_svc + 4, EC_SVC) && iss() == 0x1234, f->esr, f->elr - (u64)at_svc);
    FAULTING(at_brk, "brk #0x4321", "r"(0));
    check_at("brk", at_brk, EC_BRK, 0x4321);
    FAULTING(at_udf, ".inst 0x00000000", "r"(0));
    check_at("undefined", at_udf, EC_UNKNOWN, 0);

    u64 cpacr = read_sysreg(cpacr_el1);
    write_sysreg(cpacr_el1, 0);
    isb();
    FAULTING(at_fp, "fmov x0, d0", "r"(0));
    write_sysreg(cpacr_el1, cpacr);
    isb();
    check("fp-trap", taken_at(at_fp, EC_FP), f->esr, f->elr - (u64)at_fp);

    check_aborts();
    check_fetch("fetch-unmapped", UNMAPPED + 0x100, EC_FETCH, FAULT_TRANSLATION_1);
    check_fetch("fetch-unaligned", (u64)at_svc + 2, EC_PC_ALIGNMENT, 0);
}

/* ---- EL0 ---- */

extern char user_work[], user_loop[], user_undefined[], user_sysreg[], user_abort[], user_sp[];

/* user.S: runs the code at `entry`'s alias in EL0 until it makes an exception; x0 then is returned. */
u64 user_run(u64 entry, u64 stack, u64 spsr);

static u64 run_in_el0(const char *code, u64 spsr)
{
    expect(NULL);
    return user_run(ALIAS(0) + (u64)code, USER_STACK_TOP, spsr);
}

static bool taken_from_el0(u32 ec)
{
    return seen[0].syncs == 1 && f->vector == VECTOR_LOWER_SYNC && class() == ec && (f->spsr & SPSR_MODE) == 0;
}

static void stop_and_leave(void)
{
    timer_stop(&physical_timer);
    /* user_loop sees it and leaves by its SVC. */
    write32(SCRATCH, 1);
}

void check_user_mode(void)
{
    u64 result = run_in_el0(user_work, 0x3C0);
    check("el0-svc", taken_from_el0(EC_SVC) && iss() == 7, f->esr, f->elr);
    check("el0-result", result == 5050, result, 5050);

    run_in_el0(user_undefined, 0x3C0);
    check("el0-undefined", taken_from_el0(EC_UNKNOWN) && f->elr == ALIAS(0) + (u64)user_undefined, f->esr, f->elr);

    /* CNTPCT_EL0 is closed to EL0: op0 3, op1 3, CRn 14, CRm 0, op2 1, read into x0. */
    write_sysreg(cntkctl_el1, 0);
    isb();
    run_in_el0(user_sysreg, 0x3C0);
    check("el0-counter-trap",
          taken_from_el0(EC_SYSREG) && iss() == (3u << 20 | 1u << 17 | 3u << 14 | 14u << 10 | 0u << 1 | 1u), f->esr,
          f->elr);

    run_in_el0(user_abort, 0x3C0);
    check("el0-kernel-memory", taken_from_el0(EC_DATA_LOWER) && (iss() & 0x7F) == FAULT_PERMISSION_2 && f->far == 0x80000,
          f->esr, f->far);

    /* The start code leaves SCTLR_EL1.SA0 clear: EL0's stack pointer is checked only once it is set. */
    run_in_el0(user_sp, 0x3C0);
    check("el0-sp-unchecked", taken_from_el0(EC_SVC) && iss() == 12, f->esr, f->elr);
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) | SCTLR_SA0);
    isb();
    run_in_el0(user_sp, 0x3C0);
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) & ~SCTLR_SA0);
    isb();
    if (class() == EC_SVC && on_qemu())
        skip("el0-sp-alignment", "QEMU does not check the stack pointer's alignment");
    else
        check("el0-sp-alignment", taken_from_el0(EC_SP_ALIGNMENT), f->esr, f->elr);

    /* An interrupt comes to EL0 and goes back to it. */
    write32(SCRATCH, 0);
    expect(stop_and_leave);
    write32(LOCAL_CORE_TIMERS(0), 1u << physical_timer.line);
    timer_arm(&physical_timer, 1000, 1);
    user_run(ALIAS(0) + (u64)user_loop, USER_STACK_TOP, 0);
    write32(LOCAL_CORE_TIMERS(0), 0);
    check("el0-irq", seen[0].irqs == 1 && seen[0].syncs == 1 && class() == EC_SVC && iss() == 8, seen[0].irqs, f->esr);
}
