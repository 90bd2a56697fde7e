/* The checks of irqtimer and what they share. */
#ifndef IRQTIMER_H
#define IRQTIMER_H

#include "guest.h"

/* What the exception handler saw on one core. */
struct seen {
    volatile u32 irqs, fiqs, syncs;
    /* At the last IRQ or FIQ: */
    u32 local_source;             /* the core's IRQ or FIQ source register */
    u32 basic, pending_1, pending_2;
    /* At the last exception of any kind: */
    struct frame frame;
};
extern struct seen seen[CORES];

/* How the handler silences the interrupt under test: called on the core that took it. */
extern void (*silence)(void);
/* Where a synchronous exception returns to, in EL1 and masked; 0: behind the instruction. */
extern volatile u64 resume_at;

/* Forgets what was seen, on all cores, and says how the next interrupts are silenced. */
void expect(void (*how_to_silence)(void));
/* Evaluates an expression until it is true, for at most a second; its last value. */
#define becomes(expression)                                                                       \
    ({                                                                                            \
        u64 end_ = time_us() + 1000000;                                                            \
        bool true_;                                                                               \
        do                                                                                        \
            true_ = (expression);                                                                 \
        while (!true_ && time_us() < end_);                                                       \
        true_;                                                                                    \
    })
/* Waits until *counter is `value`, for at most `us` microseconds. */
bool wait_for(const volatile u32 *counter, u32 value, u64 us);
/* After a first interrupt was silenced: whether no second one comes within 2 ms. */
bool stays_silent(const volatile u32 *counter);

/* Prints "ok NAME", or "FAIL NAME" with the values. Returns `good`. */
bool check(const char *name, bool good, u64 value, u64 other);
void skip(const char *name, const char *why);
/* QEMU's raspi3b, known by its counter frequency: a few things it has not got. */
bool on_qemu(void);

/* A timer of the core: its registers, and its number in the local controller. */
struct core_timer {
    const char *name;
    u32 line; /* 1: non-secure physical, 3: virtual */
};
void timer_arm(const struct core_timer *timer, u64 us, u64 control);
void timer_stop(const struct core_timer *timer);
u64 timer_control(const struct core_timer *timer);
void silence_physical(void);
extern const struct core_timer physical_timer, virtual_timer;

void check_el2(void);        /* el2.c: what ran before the drop to EL1 */
void check_core_timers(void);
void check_system_timer(void);
void check_local_timer(void);
void check_routing(void);
void check_mailboxes(void);
void check_waiting(void);
void check_devices(void);
void check_exceptions(void);
void check_user_mode(void);

#endif
