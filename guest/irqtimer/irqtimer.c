/*
 * irqtimer: timers, interrupts and exceptions, one check after the other. Prints `ok NAME`, `FAIL NAME: values`
 * or `skip NAME: why`, then `irqtimer: all ok` or `irqtimer: N failed`.
 */
#include "irqtimer.h"

struct seen seen[CORES];
void (*silence)(void);
volatile u64 resume_at;

#define SPSR_EL1H_MASKED 0x3C5u

static u32 failures;

bool on_qemu(void) { return read_sysreg(cntfrq_el0) == 62500000; }

bool check(const char *name, bool good, u64 value, u64 other)
{
    if (good) {
        print("ok %s\n", name);
    } else {
        failures++;
        print("FAIL %s: 0x%lx 0x%lx\n", name, value, other);
    }
    return good;
}

void skip(const char *name, const char *why) { print("skip %s: %s\n", name, why); }

void expect(void (*how_to_silence)(void))
{
    memset(seen, 0, sizeof seen);
    silence = how_to_silence;
    resume_at = 0;
    dsb();
}

bool wait_for(const volatile u32 *counter, u32 value, u64 us)
{
    u64 end = time_us() + us;

    while (*counter != value)
        if (time_us() > end)
            return false;
    return true;
}

bool stays_silent(const volatile u32 *counter)
{
    u32 before = *counter;

    delay_us(2000);
    return *counter == before;
}

static void on_exception(struct frame *frame)
{
    u32 core = core_id();
    struct seen *s = &seen[core];
    u32 kind = frame->vector & 3;

    s->frame = *frame;
    if (kind == VECTOR_IRQ || kind == VECTOR_FIQ) {
        s->local_source = read32(kind == VECTOR_IRQ ? LOCAL_IRQ_SOURCE(core) : LOCAL_FIQ_SOURCE(core));
        s->basic = read32(ARMCTRL_BASIC_PENDING);
        s->pending_1 = read32(ARMCTRL_PENDING_1);
        s->pending_2 = read32(ARMCTRL_PENDING_2);
        if (silence)
            silence();
        if (kind == VECTOR_IRQ)
            s->irqs++;
        else
            s->fiqs++;
        if (s->irqs + s->fiqs > 1000) { /* nothing silences it: go on with it masked */
            frame->spsr |= 3u << 6;
        }
        return;
    }
    s->syncs++;
    if (resume_at) {
        frame->elr = resume_at;
        frame->spsr = SPSR_EL1H_MASKED;
        resume_at = 0;
    } else if (frame->esr >> 26 != 0x15) { /* an SVC's ELR is behind it already */
        frame->elr += 4;
    }
}

/* Called by el2.c as well, which runs first. */
void take_exceptions(void) { exception_handler = on_exception; }

void guest_main(void)
{
    take_exceptions();
    check_el2();
    check_core_timers();
    check_system_timer();
    check_local_timer();
    check_routing();
    check_mailboxes();
    check_waiting();
    check_devices();
    check_exceptions();
    check_user_mode();
    if (failures)
        print("irqtimer: %u failed\n", failures);
    else
        print("irqtimer: all ok\n");
}
