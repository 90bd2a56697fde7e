/* FIQs, interrupts to other cores, the mailboxes between cores, and waiting: WFI, WFE, SEV. */
#include "irqtimer.h"

#define SOURCE_GPU (1u << 8)
#define SOURCE_MAILBOX(box) (1u << (4 + (box)))
#define FIQ_ENABLE 0x80u

static void silence_c1(void) { write32(SYSTIMER_CS, 1u << 1); }

/* ---- the other cores: asleep in WFI with interrupts on, or waiting in WFE for a word ---- */

static u32 awake;                 /* cores that run follow() */
static u32 wfe_word, wfe_answers; /* wfe_word: what all wait for in WFE when it is their turn */

static void follow(u32 core)
{
    (void)core;
    for (u32 box = 0; box < 4; box++)
        write32(LOCAL_MAILBOX_CLEAR(core, box), 0xFFFFFFFF);
    write32(LOCAL_CORE_MAILBOXES(core), 0xF);
    atomic_add(&awake, 1);
    fiq_enable();
    irq_enable();
    while (load_acquire(&wfe_word) == 0)
        wfi();
    irq_disable();
    while (load_acquire(&wfe_word) != 2)
        wfe();
    atomic_add(&wfe_answers, 1);
    sev();
}

static void start_others(void)
{
    for (u32 core = 1; core < CORES; core++)
        core_start(core, follow);
    check("cores-start", wait_for(&awake, CORES - 1, 1000000), awake, CORES - 1);
}

/* ---- FIQ, and the GPU's interrupts on another core ---- */

static void check_gpu_fiq(void)
{
    const struct seen *s = &seen[0];

    expect(silence_c1);
    write32(SYSTIMER_CS, 1u << 1);
    write32(ARMCTRL_FIQ, FIQ_ENABLE | 1);
    fiq_enable();
    irq_enable();
    write32(SYSTIMER_C(1), read32(SYSTIMER_CLO) + 1000);
    wait_for(&s->fiqs, 1, 1000000);
    check("fiq-gpu", s->fiqs == 1 && s->irqs == 0 && s->local_source == SOURCE_GPU, s->fiqs, s->local_source);
    check("fiq-vector", s->frame.vector == 6, s->frame.vector, s->frame.spsr);
    check("fiq-silenced", stays_silent(&s->fiqs), s->fiqs, s->local_source);

    expect(silence_c1);
    fiq_disable();
    write32(SYSTIMER_C(1), read32(SYSTIMER_CLO) + 100);
    becomes(read_sysreg(isr_el1) & 1 << 6);
    u64 isr = read_sysreg(isr_el1);
    bool none = s->fiqs == 0;
    fiq_enable();
    wait_for(&s->fiqs, 1, 1000000);
    check("fiq-masked", none && isr & 1 << 6, isr, s->fiqs);
    check("fiq-unmasked", s->fiqs == 1, s->fiqs, 1);
    write32(ARMCTRL_FIQ, 0);
    fiq_disable();
    irq_disable();
}

static void check_timer_fiq(void)
{
    const struct seen *s = &seen[0];

    expect(silence_physical);
    write32(LOCAL_CORE_TIMERS(0), 1u << (4 + physical_timer.line));
    fiq_enable();
    irq_enable();
    timer_arm(&physical_timer, 500, 1);
    wait_for(&s->fiqs, 1, 1000000);
    check("fiq-physical-timer", s->fiqs == 1 && s->irqs == 0 && s->local_source == 1u << physical_timer.line,
          s->fiqs, s->local_source);
    write32(LOCAL_CORE_TIMERS(0), 0);
    fiq_disable();
    irq_disable();
}

static void check_gpu_routing(void)
{
    for (u32 core = 1; core < CORES; core++) {
        char name[40];

        expect(silence_c1);
        write32(SYSTIMER_CS, 1u << 1);
        irq_enable();
        write32(LOCAL_GPU_ROUTING, core);
        write32(ARMCTRL_ENABLE_1, 1u << 1);
        write32(SYSTIMER_C(1), read32(SYSTIMER_CLO) + 1000);
        wait_for(&seen[core].irqs, 1, 1000000);
        format_text(name, sizeof name, "gpu-irq-core%u", core);
        check(name, seen[core].irqs == 1 && seen[core].local_source == SOURCE_GPU && seen[0].irqs == 0,
              seen[core].irqs, seen[0].irqs);
        write32(ARMCTRL_DISABLE_1, 1u << 1);
        irq_disable();
    }
    write32(LOCAL_GPU_ROUTING, 0);
}

void check_routing(void)
{
    start_others();
    check_gpu_fiq();
    check_timer_fiq();
    check_gpu_routing();
}

/* ---- mailboxes ---- */

static volatile u32 mail[CORES][4];

/* Reads what arrived, clears it, and (not core 0) answers with the complement in core 0's mailbox. */
static void collect_mail(void)
{
    u32 core = core_id();

    for (u32 box = 0; box < 4; box++) {
        u32 value = read32(LOCAL_MAILBOX_CLEAR(core, box));
        if (!value)
            continue;
        mail[core][box] = value;
        write32(LOCAL_MAILBOX_CLEAR(core, box), value);
        if (core != 0)
            write32(LOCAL_MAILBOX_SET(0, box), ~value);
    }
}

static void clear_one_bit(void)
{
    u32 value = read32(LOCAL_MAILBOX_CLEAR(0, 3));

    write32(LOCAL_MAILBOX_CLEAR(0, 3), value & -value);
}

void check_mailboxes(void)
{
    for (u32 box = 0; box < 4; box++)
        write32(LOCAL_MAILBOX_CLEAR(0, box), 0xFFFFFFFF);
    write32(LOCAL_CORE_MAILBOXES(0), 0xF);
    irq_enable();
    for (u32 core = 1; core < CORES; core++) {
        char name[40];
        bool good = true;

        for (u32 box = 0; box < 4 && good; box++) {
            u32 value = 0x12340000 + core * 16 + box;

            expect(collect_mail);
            memset((void *)mail, 0, sizeof mail);
            write32(LOCAL_MAILBOX_SET(core, box), value);
            wait_for(&seen[0].irqs, 1, 1000000);
            wait_for(&seen[core].irqs, 1, 1000000); /* its handler may still be at it */
            good = seen[core].irqs == 1 && mail[core][box] == value && mail[0][box] == ~value &&
                   seen[core].local_source == SOURCE_MAILBOX(box) && seen[0].local_source == SOURCE_MAILBOX(box);
        }
        format_text(name, sizeof name, "ipi-core%u-and-back", core);
        check(name, good && stays_silent(&seen[0].irqs), seen[core].irqs, seen[0].irqs);
    }

    /* Bits gather, and each must be cleared. */
    expect(clear_one_bit);
    irq_disable();
    write32(LOCAL_MAILBOX_SET(0, 3), 0x100);
    write32(LOCAL_MAILBOX_SET(0, 3), 0x003);
    u32 gathered = read32(LOCAL_MAILBOX_CLEAR(0, 3));
    irq_enable();
    wait_for(&seen[0].irqs, 3, 1000000);
    check("mailbox-bits", gathered == 0x103 && stays_silent(&seen[0].irqs) && seen[0].irqs == 3, gathered, seen[0].irqs);

    /* As a FIQ. */
    expect(collect_mail);
    write32(LOCAL_CORE_MAILBOXES(0), 1u << 4);
    fiq_enable();
    write32(LOCAL_MAILBOX_SET(0, 0), 1);
    wait_for(&seen[0].fiqs, 1, 1000000);
    check("mailbox-fiq", seen[0].fiqs == 1 && seen[0].irqs == 0 && seen[0].local_source == SOURCE_MAILBOX(0),
          seen[0].fiqs, seen[0].local_source);
    fiq_disable();
    irq_disable();
    write32(LOCAL_CORE_MAILBOXES(0), 0);
}

/* ---- waiting ---- */

void check_waiting(void)
{
    u64 start, took;

    /* A masked interrupt ends WFI and stays pending. */
    expect(silence_physical);
    write32(LOCAL_CORE_TIMERS(0), 1u << physical_timer.line);
    start = time_us();
    timer_arm(&physical_timer, 5000, 1);
    while (!(timer_control(&physical_timer) & 4))
        wfi();
    took = time_us() - start;
    check("wfi-masked", seen[0].irqs == 0 && took >= 4990 && took < 400000 && read_sysreg(isr_el1) & 1 << 7, took,
          read_sysreg(isr_el1));
    irq_enable();
    wait_for(&seen[0].irqs, 1, 1000000);
    check("wfi-then-taken", seen[0].irqs == 1, seen[0].irqs, 1);
    irq_disable();
    write32(LOCAL_CORE_TIMERS(0), 0);

    /* An event that came before is remembered. */
    asm volatile("sevl\n\twfe" ::: "memory");
    check("wfe-after-sevl", true, 0, 0);

    /* The others leave WFI by a mail, go into WFE, and are woken from there by the word and SEV. */
    expect(collect_mail);
    store_release(&wfe_word, 1);
    for (u32 core = 1; core < CORES; core++)
        write32(LOCAL_MAILBOX_SET(core, 0), 1);
    delay_us(5000);
    bool early = load_acquire(&wfe_answers) != 0;
    store_release(&wfe_word, 2);
    sev();
    while (load_acquire(&wfe_answers) != CORES - 1 && time_us() < start + 2000000)
        ;
    check("wfe-sev", !early && wfe_answers == CORES - 1, early, wfe_answers);
}
