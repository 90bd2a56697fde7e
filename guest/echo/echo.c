/*
 * echo: sends back every byte it receives, CR as CR LF. Ctrl-D switches the board off.
 *
 * echo.uart=1 uses the mini UART instead of the PL011.
 * echo.stamp=1 prints the time in microseconds in front of each byte. echo.wait=N sleeps N microseconds in WFI where
 * there is none.
 */
#include "guest.h"

#define CTRL_D 4

void guest_main(void)
{
    if (option_number("echo.uart", 0) == 1) {
        console = &mini_uart;
        console->init();
    }
    u32 stamp = (u32)option_number("echo.stamp", 0), wait = (u32)option_number("echo.wait", 0);
    print("echo: %s ready, Ctrl-D powers off\n", console == &pl011 ? "UART0 (PL011)" : "UART1 (mini UART)");

    for (;;) {
        int byte = console->get();
        if (byte < 0) {
            if (wait)
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
