/* Before the drop to EL1: the hypervisor's timer, and an unaligned access with the MMU off. No console yet. */
#include "irqtimer.h"

void take_exceptions(void);

#define HCR_IMO (1ul << 4)
#define HCR_RW (1ul << 31)
#define LINE_HYPERVISOR 2u

static struct seen timer_seen, unaligned_seen;
static bool was_in_el2, timer_silent;

static void stop_timer(void) { write_sysreg(cnthp_ctl_el2, 0); }

/* start.S calls this in EL2. */
void el2_main(void)
{
    static const u64 words[2] = {0x8877665544332211, 0};
    u64 value;

    was_in_el2 = true;
    take_exceptions();

    expect(stop_timer);
    write_sysreg(hcr_el2, HCR_RW | HCR_IMO);
    isb();
    write32(LOCAL_CORE_TIMERS(0), 1u << LINE_HYPERVISOR);
    write_sysreg(cnthp_cval_el2, read_sysreg(cntpct_el0) + read_sysreg(cntfrq_el0) / 1000);
    write_sysreg(cnthp_ctl_el2, 1);
    isb();
    irq_enable();
    wait_for(&seen[0].irqs, 1, 1000000);
    timer_silent = stays_silent(&seen[0].irqs);
    irq_disable();
    stop_timer();
    write32(LOCAL_CORE_TIMERS(0), 0);
    timer_seen = seen[0];

    expect(NULL);
    asm volatile("ldr %0, [%1]" : "=r"(value) : "r"((const char *)words + 1) : "memory");
    unaligned_seen = seen[0];
}

void check_el2(void)
{
    const struct frame *f = &unaligned_seen.frame;

    if (!was_in_el2) {
        skip("el2-timer", "not entered in EL2");
        skip("mmu-off-unaligned", "not entered in EL2");
        return;
    }
    check("el2-timer", timer_seen.irqs == 1 && timer_seen.local_source == 1u << LINE_HYPERVISOR && timer_silent,
          timer_seen.irqs, timer_seen.local_source);
    if (!unaligned_seen.syncs && on_qemu())
        skip("mmu-off-unaligned", "QEMU before 9 lets unaligned accesses to Device memory pass");
    else
        check("mmu-off-unaligned", unaligned_seen.syncs == 1 && f->esr >> 25 == 0x4B && (f->esr & 0x7F) == 0x21,
              f->esr, f->far);
}
