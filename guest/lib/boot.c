/* From start.S to guest_main(): console, MMU, options; and what happens on an unexpected exception. */
#include "guest.h"

void (*exception_handler)(struct frame *frame);

void boot_main(void)
{
    console->init();
    mmu_init();
    mmu_enable();
    options_init();
    guest_main();
    power_off();
}

/* Called by vectors.S. */
void exception_entry(struct frame *frame)
{
    static const char *const kinds[] = {"synchronous exception", "IRQ", "FIQ", "SError"};

    if (exception_handler) {
        exception_handler(frame);
        return;
    }
    print("\nunexpected %s on core %u: ESR 0x%lx ELR 0x%lx FAR 0x%lx SPSR 0x%lx\n",
          kinds[frame->vector & 3], core_id(), frame->esr, frame->elr, frame->far, frame->spsr);
    power_off();
}
