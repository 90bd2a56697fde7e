/*
 * The two serial ports, polled, 115200 baud, 8 data bits, no parity. Both come out on GPIO 14 and 15.
 * BCM2835 ARM Peripherals, sections 2 (mini UART), 6 (GPIO) and 13 (PL011).
 */
#include "guest.h"

#define GPFSEL1 (PERIPHERALS + 0x200004)
#define GPPUD (PERIPHERALS + 0x200094)
#define GPPUDCLK0 (PERIPHERALS + 0x200098)
#define ALT0 4u
#define ALT5 2u

#define FR_BUSY (1u << 3)
#define FR_RXFE (1u << 4)
#define FR_TXFF (1u << 5)

#define AUX_ENABLES (PERIPHERALS + 0x215004)
#define MU_IO (PERIPHERALS + 0x215040)
#define MU_IER (PERIPHERALS + 0x215044)
#define MU_IIR (PERIPHERALS + 0x215048)
#define MU_LCR (PERIPHERALS + 0x21504C)
#define MU_MCR (PERIPHERALS + 0x215050)
#define MU_LSR (PERIPHERALS + 0x215054)
#define MU_CNTL (PERIPHERALS + 0x215060)
#define MU_BAUD (PERIPHERALS + 0x215068)
#define LSR_DATA_READY (1u << 0)
#define LSR_TX_ROOM (1u << 5)
#define LSR_TX_IDLE (1u << 6)

static void wait_cycles(u32 cycles)
{
    while (cycles--)
        asm volatile("nop");
}

static void pins_to(u32 function)
{
    u32 select = read32(GPFSEL1) & ~((7u << 12) | (7u << 15));

    write32(GPFSEL1, select | function << 12 | function << 15);
    write32(GPPUD, 0);
    wait_cycles(150);
    write32(GPPUDCLK0, 3u << 14);
    wait_cycles(150);
    write32(GPPUDCLK0, 0);
}

static void pl011_init(void)
{
    write32(UART0_CR, 0);

    /* The firmware may run it faster, for Bluetooth: ask for 48 MHz. */
    property_begin();
    u32 *clock = property_tag(TAG_SET_CLOCK_RATE, 12);
    clock[0] = 2;
    clock[1] = 48000000;
    property_post();

    pins_to(ALT0);
    write32(UART0_IMSC, 0);
    write32(UART0_ICR, 0x7FF);
    write32(UART0_IBRD, 26);
    write32(UART0_FBRD, 3);
    write32(UART0_LCRH, 0x70);  /* 8 bits, FIFOs */
    write32(UART0_CR, 0x301);   /* RX, TX, enable */
}

static void pl011_put(u8 byte)
{
    while (read32(UART0_FR) & FR_TXFF)
        ;
    write32(UART0_DR, byte);
}

static int pl011_get(void)
{
    return read32(UART0_FR) & FR_RXFE ? -1 : (int)(read32(UART0_DR) & 0xFF);
}

static void pl011_drain(void)
{
    while (read32(UART0_FR) & FR_BUSY)
        ;
}

static void mini_init(void)
{
    write32(AUX_ENABLES, read32(AUX_ENABLES) | 1);
    write32(MU_CNTL, 0);
    write32(MU_IER, 0);
    write32(MU_IIR, 6);     /* clear both FIFOs */
    write32(MU_LCR, 3);     /* 8 bits */
    write32(MU_MCR, 0);
    write32(MU_BAUD, 270);  /* from a core clock of 250 MHz */
    pins_to(ALT5);
    write32(MU_CNTL, 3);
}

static void mini_put(u8 byte)
{
    while (!(read32(MU_LSR) & LSR_TX_ROOM))
        ;
    write32(MU_IO, byte);
}

static int mini_get(void)
{
    return read32(MU_LSR) & LSR_DATA_READY ? (int)(read32(MU_IO) & 0xFF) : -1;
}

static void mini_drain(void)
{
    while (!(read32(MU_LSR) & LSR_TX_IDLE))
        ;
}

const struct uart pl011 = {pl011_init, pl011_put, pl011_get, pl011_drain};
const struct uart mini_uart = {mini_init, mini_put, mini_get, mini_drain};
const struct uart *console = &pl011;
