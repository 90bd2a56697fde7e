/* The generic timers, the system timer and the local timer. */
#include "irqtimer.h"

#define CTL_ENABLE 1ul
#define CTL_IMASK 2ul
#define CTL_ISTATUS 4ul

#define SOURCE_GPU (1u << 8)
#define SOURCE_LOCAL_TIMER (1u << 11)
#define BASIC_MORE_IN_1 (1u << 8)

const struct core_timer physical_timer = {"physical", 1}, virtual_timer = {"virtual", 3};

void timer_arm(const struct core_timer *timer, u64 us, u64 control)
{
    u64 ticks = us * read_sysreg(cntfrq_el0) / 1000000;

    if (timer->line == 1) {
        write_sysreg(cntp_cval_el0, read_sysreg(cntpct_el0) + ticks);
        write_sysreg(cntp_ctl_el0, control);
    } else {
        write_sysreg(cntv_cval_el0, read_sysreg(cntvct_el0) + ticks);
        write_sysreg(cntv_ctl_el0, control);
    }
    isb();
}

void timer_stop(const struct core_timer *timer)
{
    if (timer->line == 1)
        write_sysreg(cntp_ctl_el0, 0);
    else
        write_sysreg(cntv_ctl_el0, 0);
    isb();
}

u64 timer_control(const struct core_timer *timer)
{
    return timer->line == 1 ? read_sysreg(cntp_ctl_el0) : read_sysreg(cntv_ctl_el0);
}

void silence_physical(void) { timer_stop(&physical_timer); }
static void silence_virtual(void) { timer_stop(&virtual_timer); }

static void check_named(const struct core_timer *timer, const char *what, bool good, u64 value, u64 other)
{
    char name[40];

    format_text(name, sizeof name, "%s-timer-%s", timer->name, what);
    check(name, good, value, other);
}

static void check_core_timer(const struct core_timer *timer, void (*how_to_silence)(void))
{
    const struct seen *s = &seen[0];
    u64 start, took, control;
    bool pending, none;

    write32(LOCAL_CORE_TIMERS(0), 1u << timer->line);

    /* Taken once, in time, from its own line. */
    expect(how_to_silence);
    irq_enable();
    start = time_us();
    timer_arm(timer, 3000, CTL_ENABLE);
    wait_for(&s->irqs, 1, 1000000);
    took = time_us() - start;
    check_named(timer, "irq", s->irqs == 1 && s->local_source == 1u << timer->line, s->irqs, s->local_source);
    check_named(timer, "in-time", took >= 2990 && took < 400000, took, 3000);
    check_named(timer, "silenced", stays_silent(&s->irqs), s->irqs, s->local_source);

    /* Masked in the core: pending, seen in ISR_EL1, taken at the unmask. */
    expect(how_to_silence);
    irq_disable();
    timer_arm(timer, 100, CTL_ENABLE);
    pending = becomes(read_sysreg(isr_el1) & 1 << 7);
    none = s->irqs == 0;
    control = timer_control(timer);
    irq_enable();
    wait_for(&s->irqs, 1, 1000000);
    check_named(timer, "masked", none && pending && control == (CTL_ENABLE | CTL_ISTATUS), pending, control);
    check_named(timer, "unmasked", s->irqs == 1, s->irqs, 1);

    /* Masked in the timer: the condition shows, no interrupt comes. */
    expect(how_to_silence);
    timer_arm(timer, 0, CTL_ENABLE | CTL_IMASK);
    becomes(timer_control(timer) & CTL_ISTATUS);
    delay_us(500);
    control = timer_control(timer);
    check_named(timer, "imask", s->irqs == 0 && control == (CTL_ENABLE | CTL_IMASK | CTL_ISTATUS), s->irqs, control);
    timer_stop(timer);

    /* Not enabled in the local controller: none either. */
    expect(how_to_silence);
    write32(LOCAL_CORE_TIMERS(0), 0);
    timer_arm(timer, 0, CTL_ENABLE);
    becomes(timer_control(timer) & CTL_ISTATUS);
    delay_us(500);
    check_named(timer, "not-routed", s->irqs == 0, s->irqs, s->local_source);
    timer_stop(timer);
    irq_disable();
}

/* TVAL is the compare value seen from now, 32 bits, signed. */
static void check_tval(void)
{
    u64 frequency = read_sysreg(cntfrq_el0);
    u64 now = read_sysreg(cntpct_el0);
    u64 cval;
    int left, gone;

    write_sysreg(cntp_tval_el0, frequency);
    isb();
    cval = read_sysreg(cntp_cval_el0);
    left = (int)read_sysreg(cntp_tval_el0);
    check("tval-ahead", cval - now >= frequency && cval - now < 2 * frequency && left > 0 && (u64)left <= frequency,
          cval - now, (u64)left);

    write_sysreg(cntp_tval_el0, (u64)(u32)-1000);
    write_sysreg(cntp_ctl_el0, CTL_ENABLE | CTL_IMASK);
    isb();
    gone = (int)read_sysreg(cntp_tval_el0);
    check("tval-past", gone <= -1000 && read_sysreg(cntp_ctl_el0) & CTL_ISTATUS, (u64)gone,
          read_sysreg(cntp_ctl_el0));
    write_sysreg(cntp_ctl_el0, 0);
}

void check_core_timers(void)
{
    u64 frequency = read_sysreg(cntfrq_el0);
    u64 counter, us, difference;

    print("CNTFRQ_EL0 %lu\n", frequency);
    check("cntfrq", frequency == 19200000 || frequency == 62500000, frequency, 19200000);

    counter = read_sysreg(cntpct_el0);
    us = time_us();
    delay_us(20000);
    counter = read_sysreg(cntpct_el0) - counter;
    us = time_us() - us;
    counter = counter * 1000000 / frequency;
    difference = counter > us ? counter - us : us - counter;
    check("counters-agree", difference < us / 20 + 500, counter, us);

    counter = read_sysreg(cntpct_el0);
    isb();
    us = read_sysreg(cntvct_el0);
    isb();
    difference = read_sysreg(cntpct_el0);
    check("virtual-count", counter <= us && us <= difference, counter, us);

    check_tval();
    check_core_timer(&physical_timer, silence_physical);
    check_core_timer(&virtual_timer, silence_virtual);
}

/* ---- the system timer: compares 1 and 3 are the ARM's ---- */

static u32 compare_under_test;

static void silence_compare(void) { write32(SYSTIMER_CS, 1u << compare_under_test); }

static void check_compare(u32 compare)
{
    const struct seen *s = &seen[0];
    char name[40];
    u32 bit = 1u << compare;
    u64 start, took;

    compare_under_test = compare;
    write32(SYSTIMER_CS, bit);
    expect(silence_compare);
    irq_enable();

    /* Not enabled in the controller: it matches, and that is all. */
    write32(ARMCTRL_DISABLE_1, bit);
    write32(SYSTIMER_C(compare), read32(SYSTIMER_CLO) + 300);
    becomes(read32(SYSTIMER_CS) & bit);
    delay_us(500);
    format_text(name, sizeof name, "system-timer-c%u-match", compare);
    check(name, s->irqs == 0 && read32(SYSTIMER_CS) & bit, s->irqs, read32(SYSTIMER_CS));
    write32(SYSTIMER_CS, bit);

    write32(ARMCTRL_ENABLE_1, bit);
    start = time_us();
    write32(SYSTIMER_C(compare), (u32)start + 3000);
    wait_for(&s->irqs, 1, 1000000);
    took = time_us() - start;
    format_text(name, sizeof name, "system-timer-c%u-irq", compare);
    check(name, s->irqs == 1 && s->local_source == SOURCE_GPU, s->irqs, s->local_source);
    format_text(name, sizeof name, "system-timer-c%u-pending", compare);
    check(name, s->pending_1 & bit && s->basic & BASIC_MORE_IN_1, s->pending_1, s->basic);
    format_text(name, sizeof name, "system-timer-c%u-in-time", compare);
    check(name, took >= 2990 && took < 400000, took, 3000);
    format_text(name, sizeof name, "system-timer-c%u-silenced", compare);
    check(name, stays_silent(&s->irqs) && !(read32(SYSTIMER_CS) & bit) && !(read32(ARMCTRL_PENDING_1) & bit),
          s->irqs, read32(SYSTIMER_CS));
    write32(ARMCTRL_DISABLE_1, bit);
    irq_disable();
}

void check_system_timer(void)
{
    check_compare(1);
    check_compare(3);
}

/* ---- the local timer, periodic ---- */

#define CONTROL_TIMER_ENABLE (1u << 28)
#define CONTROL_IRQ_ENABLE (1u << 29)
#define CONTROL_FLAG (1u << 31)
#define CLEAR_FLAG (1u << 31)
#define CLEAR_RELOAD (1u << 30)

static void silence_local_timer(void) { write32(LOCAL_TIMER_CLEAR, CLEAR_FLAG); }

void check_local_timer(void)
{
    const struct seen *s = &seen[0];
    u32 reload = 38400; /* 1 ms at 38.4 MHz */

    expect(silence_local_timer);
    write32(LOCAL_TIMER_ROUTING, 0);
    write32(LOCAL_TIMER_CLEAR, CLEAR_FLAG | CLEAR_RELOAD);
    irq_enable();
    write32(LOCAL_TIMER_CONTROL, reload | CONTROL_TIMER_ENABLE | CONTROL_IRQ_ENABLE);
    wait_for(&s->irqs, 1, 1000000);
    check("local-timer-irq", s->irqs >= 1 && s->local_source == SOURCE_LOCAL_TIMER, s->irqs, s->local_source);
    for (u64 end = time_us() + 3000000; s->irqs < 5 && time_us() < end;)
        ;
    check("local-timer-periodic", s->irqs >= 5, s->irqs, 5);
    write32(LOCAL_TIMER_CONTROL, 0);
    write32(LOCAL_TIMER_CLEAR, CLEAR_FLAG);
    check("local-timer-stopped", stays_silent(&s->irqs) && !(read32(LOCAL_TIMER_CONTROL) & CONTROL_FLAG), s->irqs,
          read32(LOCAL_TIMER_CONTROL));
    irq_disable();
}
