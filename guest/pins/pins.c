/*
 * pins: blinks the activity LED by way of the mailbox and an LED at pin 16, and is interrupted by a button at pin 17, which pulls it
 * low. Each press switches pin 27. Switches the board off when it has blinked and was pressed often enough.
 *
 * pins.blinks=N and pins.presses=N say how often; 4 and 2.
 */
#include "guest.h"

#define TAG_SET_LED 0x00038041u
#define ACT_LED 130u

#define GPIO (PERIPHERALS + 0x200000)
#define GPFSEL(pin) (GPIO + (pin) / 10 * 4)
#define GPSET0 (GPIO + 0x1C)
#define GPCLR0 (GPIO + 0x28)
#define GPLEV0 (GPIO + 0x34)
#define GPEDS0 (GPIO + 0x40)
#define GPFEN0 (GPIO + 0x58)
#define GPPUD (GPIO + 0x94)
#define GPPUDCLK0 (GPIO + 0x98)
#define GPIO_IRQ 49

#define LED 16u
#define BUTTON 17u
#define LAMP 27u
#define BLINK_US 100000u

static volatile u32 presses, pressed_at;

static void on_interrupt(struct frame *frame)
{
    (void)frame;
    if (!(read32(GPEDS0) & 1u << BUTTON))
        return;
    write32(GPEDS0, 1u << BUTTON);
    pressed_at = (u32)time_us();
    presses++;
    write32(presses & 1 ? GPSET0 : GPCLR0, 1u << LAMP);
}

/* Sleeps in WFI until then, or until the button is pressed. */
static void sleep_until(u64 deadline)
{
    u64 now;
    u32 seen = presses;
    write32(LOCAL_CORE_TIMERS(0), 1u << 1);
    irq_disable();
    while (presses == seen && (now = time_us()) < deadline) {
        write_sysreg(cntp_cval_el0, read_sysreg(cntpct_el0) + (deadline - now) * read_sysreg(cntfrq_el0) / 1000000 + 1);
        write_sysreg(cntp_ctl_el0, 1);
        isb();
        wfi();
        write_sysreg(cntp_ctl_el0, 0);
        isb();
        irq_enable();
        isb();
        irq_disable();
    }
    write32(LOCAL_CORE_TIMERS(0), 0);
    irq_enable();
}

static void select(u32 pin, u32 function)
{
    u32 shift = pin % 10 * 3, others = read32(GPFSEL(pin)) & ~(7u << shift);
    write32(GPFSEL(pin), others | function << shift);
}

static void pull_up(u32 pin)
{
    write32(GPPUD, 2);
    delay_us(10);
    write32(GPPUDCLK0, 1u << pin);
    delay_us(10);
    write32(GPPUDCLK0, 0);
    write32(GPPUD, 0);
}

static void light(u32 on)
{
    write32(on ? GPSET0 : GPCLR0, 1u << LED);
    property_begin();
    property_tag_with(TAG_SET_LED, 8, ACT_LED, on);
    property_post();
}

void guest_main(void)
{
    u32 blinks = (u32)option_number("pins.blinks", 4), wanted = (u32)option_number("pins.presses", 2);
    exception_handler = on_interrupt;
    select(LED, 1);
    select(LAMP, 1);
    select(BUTTON, 0);
    pull_up(BUTTON);
    write32(GPFEN0, 1u << BUTTON);
    write32(ARMCTRL_ENABLE_2, 1u << (GPIO_IRQ - 32));
    irq_enable();
    print("pins: the button is %s\n", read32(GPLEV0) >> BUTTON & 1 ? "up" : "down");

    u32 told = 0;
    u64 next = time_us();
    for (u32 at = 0; at < 2 * blinks || told < wanted; at++) {
        light(!(at & 1));
        next += BLINK_US;
        while (time_us() < next) {
            sleep_until(next);
            if (told != presses) {
                told++;
                print("pins: press %u at %u us\n", told, pressed_at);
            }
        }
    }
    print("pins: done\n");
    power_off();
}
