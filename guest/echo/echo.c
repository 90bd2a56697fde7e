/*
 * echo: sends back every byte it receives, CR as CR LF. Ctrl-D switches the board off.
 *
 * echo.uart=1 uses the mini UART instead of the PL011.
 */
#include "guest.h"

#define CTRL_D 4

void guest_main(void)
{
    if (option_number("echo.uart", 0) == 1) {
        console = &mini_uart;
        console->init();
    }
    print("echo: %s ready, Ctrl-D powers off\n", console == &pl011 ? "UART0 (PL011)" : "UART1 (mini UART)");

    for (;;) {
        int byte = console->get();
        if (byte < 0)
            continue;
        if (byte == CTRL_D)
            break;
        console->put((u8)byte);
        if (byte == '\r')
            console->put('\n');
    }
    print("\necho: done\n");
}
