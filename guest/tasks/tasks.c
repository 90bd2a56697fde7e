/*
 * tasks: a kernel with preempted tasks in EL0, each in an address space of its own.
 *
 * One task forks into four. The system timer takes the processor away from them every 200 us. Pages come when they are
 * touched, and a fork copies none before it must (pages.c). Floating point registers change hands lazily: a
 * task's first use of them after a switch is trapped. What the tasks computed shows whether all that was theirs.
 */
#include "tasks.h"

#define SLICE_US 200
#define IRQ_SYSTIMER_1 (1u << 1)

#define EC_FP 0x07
#define EC_SVC 0x15
#define EC_DATA_ABORT_EL0 0x24
#define CPACR_TRAP 0ul
#define CPACR_OPEN (3ul << 20)

static struct task tasks[TASKS];
static u32 current;
static u64 results[TASKS]; /* by the number that a task gave itself: which fork is first is a matter of chance */
static struct task *fp_owner; /* whose floating point registers are in the processor */
static u32 preemptions, fp_switches;

static void next_slice(void) { write32(SYSTIMER_C(1), read32(SYSTIMER_CLO) + SLICE_US); }

static void finish(void)
{
    write32(ARMCTRL_DISABLE_1, IRQ_SYSTIMER_1);
    for (u32 i = 0; i < TASKS; i++)
        if (results[i])
            print("task %u: %lu\n", i, results[i]);
    print("pages: %u on demand, %u copied after a fork\n", counts.demanded, counts.copied);
    print("preempted %s, floating point moved %s\n", preemptions > 8 ? "often" : "rarely",
          fp_switches > 4 ? "often" : "rarely");
    print("tasks: done\n");
    power_off();
}

/* Leaves the current task for the next in turn: `frame` is what the exception returns to. */
static void schedule(struct frame *frame)
{
    struct task *from = &tasks[current];

    from->frame = *frame;
    from->sp = read_sysreg(sp_el0);
    for (u32 i = 1; i <= TASKS; i++) {
        u32 number = (current + i) % TASKS;
        struct task *to = &tasks[number];
        if (!to->used || to->ended)
            continue;
        current = number;
        *frame = to->frame;
        write_sysreg(sp_el0, to->sp);
        write_sysreg(cpacr_el1, fp_owner == to ? CPACR_OPEN : CPACR_TRAP);
        space_switch(to, number + 1);
        return;
    }
    finish();
}

static u64 fork(const struct frame *frame)
{
    struct task *parent = &tasks[current];

    for (u32 i = 0; i < TASKS; i++) {
        struct task *child = &tasks[i];
        if (child->used)
            continue;
        if (fp_owner == parent)
            fp_save(parent->fp);
        memcpy(child->fp, parent->fp, sizeof child->fp);
        child->frame = *frame;
        child->frame.x[0] = 0;
        child->sp = read_sysreg(sp_el0);
        space_fork(parent, child, current + 1);
        child->used = true;
        return i;
    }
    return ~0ul;
}

static void system_call(struct frame *frame)
{
    switch (frame->x[8]) {
    case CALL_FORK:
        frame->x[0] = fork(frame);
        break;
    case CALL_EXIT:
        results[frame->x[1] % TASKS] = frame->x[0];
        tasks[current].ended = true;
        schedule(frame);
        break;
    default:
        frame->x[0] = ~0ul;
    }
}

static void take_fp(void)
{
    write_sysreg(cpacr_el1, CPACR_OPEN);
    isb();
    if (fp_owner)
        fp_save(fp_owner->fp);
    fp_owner = &tasks[current];
    fp_restore(fp_owner->fp);
    fp_switches++;
}

static void handle(struct frame *frame)
{
    u32 class = frame->esr >> 26;

    if (frame->vector == 9 && read32(ARMCTRL_PENDING_1) & IRQ_SYSTIMER_1) {
        write32(SYSTIMER_CS, 1u << 1);
        next_slice();
        preemptions++;
        schedule(frame);
    } else if (frame->vector == 8 && class == EC_SVC) {
        system_call(frame);
    } else if (frame->vector == 8 && class == EC_FP) {
        take_fp();
    } else if (frame->vector != 8 || class != EC_DATA_ABORT_EL0 ||
               !space_fault(&tasks[current], current + 1, frame->far, frame->esr)) {
        print("task %u: vector %lu ESR %lx ELR %lx FAR %lx\n", current, frame->vector, frame->esr, frame->elr, frame->far);
        power_off();
    }
}

void guest_main(void)
{
    print("tasks: EL%lu\n", read_sysreg(CurrentEL) >> 2);
    exception_handler = handle;
    space_init(&tasks[0]);
    tasks[0].used = true;
    space_switch(&tasks[0], 1);
    write_sysreg(cpacr_el1, CPACR_TRAP);
    next_slice();
    write32(ARMCTRL_ENABLE_1, IRQ_SYSTIMER_1);

    write_sysreg(sp_el0, USER_STACK);
    write_sysreg(spsr_el1, 0); /* EL0, nothing masked */
    write_sysreg(elr_el1, USER_CODE);
    asm volatile("isb\n\teret");
}
