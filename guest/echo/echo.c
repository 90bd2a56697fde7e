/*
 * echo: sends back every byte it receives, CR as CR LF. Ctrl-D switches the board off.
 *
 * echo.uart=1 uses the mini UART instead of the PL011.
 * echo.stamp=1 prints the time in microseconds in front of each byte. echo.wait=N sleeps N microseconds in WFI where
 * there is none, or with echo.irq=1 until the PL011 has received something.
 */
#include "guest.h"

#define CTRL_D 4

#define UART_IRQ 57
#define RECEIVED (1u << 4 | 1u << 6)

/* Sleeps in WFI until the PL011 has received something, at most so long. Interrupts stay masked in PSTATE. */
static void sleep_until_typed(u32 microseconds)
{
    irq_disable();
    write32(UART0_IMSC, RECEIVED);
    write32(ARMCTRL_ENABLE_2, 1u << (UART_IRQ - 32));
    write32(LOCAL_CORE_TIMERS(0), 1u << 1);
    write_sysreg(cntp_tval_el0, read_sysreg(cntfrq_el0) / 1000 * microseconds / 1000);
    write_sysreg(cntp_ctl_el0, 1);
    isb();
    wfi();
    write_sysreg(cntp_ctl_el0, 0);
    write32(LOCAL_CORE_TIMERS(0), 0);
}

void guest_main(void)
{
    if (option_number("echo.uart", 0) == 1) {
        console = &mini_uart;
        console->init();
    }
    u32 stamp = (u32)option_number("echo.stamp", 0), wait = (u32)option_number("echo.wait", 0);
    bool irq = option_number("echo.irq", 0) && console == &pl011;
    print("echo: %s ready, Ctrl-D powers off\n", console == &pl011 ? "UART0 (PL011)" : "UART1 (mini UART)");

    for (;;) {
        int byte = console->get();
        if (byte < 0) {
            if (wait && irq)
                sleep_until_typed(wait);
            else if (wait)
                sleep_until_us(time_us() + wait);
            continue;
        }
        if (byte == CTRL_D)
            break;
        if (stamp)
            print(" %u:", (u32)time_us());
        console->put((u8)byte);
        if (byte == '\r')
            console->put('\n');
    }
    print("\necho: done\n");
}
