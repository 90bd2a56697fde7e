/*
 * Time from the system timer (BCM2835 ARM Peripherals, section 12), sleep by the generic timer, and the
 * power manager's watchdog, which also switches off.
 */
#include "guest.h"

#define PM_RSTC (PERIPHERALS + 0x10001C)
#define PM_RSTS (PERIPHERALS + 0x100020)
#define PM_WDOG (PERIPHERALS + 0x100024)
#define PM_PASSWORD 0x5A000000u
#define RSTC_FULL_RESET 0x20u
#define RSTC_CONFIG_MASK 0x30u
#define RSTS_PARTITION_63 0x555u

u64 time_us(void)
{
    for (;;) {
        u32 high = read32(SYSTIMER_CHI);
        u32 low = read32(SYSTIMER_CLO);
        if (read32(SYSTIMER_CHI) == high)
            return (u64)high << 32 | low;
    }
}

void delay_us(u64 us)
{
    u64 end = time_us() + us;

    while (time_us() < end)
        ;
}

void sleep_until_us(u64 deadline)
{
    u64 frequency = read_sysreg(cntfrq_el0);
    u32 core = core_id();
    u64 now;

    /* The interrupt stays masked in PSTATE: it ends the WFI and is never taken. */
    irq_disable();
    write32(LOCAL_CORE_TIMERS(core), 1u << 1);
    while ((now = time_us()) < deadline) {
        u64 ticks = (deadline - now) * frequency / 1000000 + 1;
        write_sysreg(cntp_cval_el0, read_sysreg(cntpct_el0) + ticks);
        write_sysreg(cntp_ctl_el0, 1);
        isb();
        wfi();
        write_sysreg(cntp_ctl_el0, 0);
        isb();
    }
    write32(LOCAL_CORE_TIMERS(core), 0);
}

void power_off(void)
{
    console->drain();
    write32(PM_RSTS, PM_PASSWORD | read32(PM_RSTS) | RSTS_PARTITION_63);
    write32(PM_WDOG, PM_PASSWORD | 10);
    write32(PM_RSTC, PM_PASSWORD | (read32(PM_RSTC) & ~RSTC_CONFIG_MASK) | RSTC_FULL_RESET);
    for (;;)
        wfi();
}
