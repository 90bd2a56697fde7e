/* Interrupts of devices: the PL011 in loopback, and the mailbox to the VideoCore. */
#include "irqtimer.h"

#define CR_LOOPBACK (1u << 7)
#define INT_RX (1u << 4)
#define INT_TX (1u << 5)
#define FR_RXFE (1u << 4)
#define PENDING_2_UART (1u << (57 - 32))
#define BASIC_UART (1u << 19)

#define MBOX_CONFIG (PERIPHERALS + 0xB89C)
#define BASIC_MAILBOX (1u << 1)

/* Sent in loopback; should it reach the line, it does no harm there. */
#define PROBE '\r'

static u32 uart_mis, uart_byte;

static void silence_uart(void)
{
    uart_mis = read32(UART0_MIS);
    if (uart_mis & INT_RX)
        uart_byte = read32(UART0_DR) & 0xFF;
    write32(UART0_ICR, uart_mis);
}

static void check_uart(void)
{
    const struct seen *s = &seen[0];
    u32 control = read32(UART0_CR), line = read32(UART0_LCRH);

    pl011.drain();
    write32(UART0_CR, 0);
    write32(UART0_LCRH, line & ~0x10u); /* no FIFOs: a byte is enough for an interrupt */
    write32(UART0_CR, control | CR_LOOPBACK);
    while (!(read32(UART0_FR) & FR_RXFE))
        read32(UART0_DR);
    write32(UART0_IMSC, 0);
    write32(UART0_ICR, 0x7FF);

    expect(silence_uart);
    write32(ARMCTRL_ENABLE_2, PENDING_2_UART);
    irq_enable();

    write32(UART0_IMSC, INT_TX);
    write32(UART0_DR, PROBE);
    wait_for(&s->irqs, 1, 1000000);
    bool tx = s->irqs >= 1 && uart_mis & INT_TX && s->pending_2 & PENDING_2_UART && s->basic & BASIC_UART;
    u32 tx_mis = uart_mis, tx_pending = s->pending_2;
    bool tx_silent = stays_silent(&s->irqs);
    write32(UART0_IMSC, 0);

    bool looped = !(read32(UART0_FR) & FR_RXFE);
    while (!(read32(UART0_FR) & FR_RXFE))
        read32(UART0_DR);
    write32(UART0_ICR, 0x7FF);

    expect(silence_uart);
    uart_mis = uart_byte = 0;
    write32(UART0_IMSC, INT_RX);
    if (looped) {
        write32(UART0_DR, PROBE);
        wait_for(&s->irqs, 1, 1000000);
    }
    bool rx = s->irqs == 1 && uart_mis & INT_RX && uart_byte == PROBE;
    bool rx_silent = stays_silent(&s->irqs);
    irq_disable();

    write32(UART0_IMSC, 0);
    write32(ARMCTRL_DISABLE_2, PENDING_2_UART);
    write32(UART0_CR, 0);
    write32(UART0_LCRH, line);
    write32(UART0_CR, control);

    check("uart-tx-irq", tx, tx_mis, tx_pending);
    check("uart-tx-silenced", tx_silent, tx_mis, tx_pending);
    if (!looped && on_qemu()) {
        skip("uart-loopback", "QEMU before 8 has no loopback");
        return;
    }
    check("uart-loopback", looped, looped, 0);
    check("uart-rx-irq", rx, uart_mis, uart_byte);
    check("uart-rx-silenced", rx_silent, s->irqs, uart_mis);
}

static void silence_mailbox(void) { write32(MBOX_CONFIG, 0); }

static void check_videocore_mailbox(void)
{
    const struct seen *s = &seen[0];

    expect(silence_mailbox);
    write32(ARMCTRL_ENABLE_BASIC, BASIC_MAILBOX);
    write32(MBOX_CONFIG, 1); /* interrupt while there is mail */
    irq_enable();
    property_begin();
    u32 *firmware = property_tag(TAG_FIRMWARE, 4);
    property_send();
    wait_for(&s->irqs, 1, 1000000);
    irq_disable();
    check("mailbox-irq", s->irqs == 1 && s->basic & BASIC_MAILBOX, s->irqs, s->basic);
    u32 code = property_receive();
    write32(ARMCTRL_DISABLE_BASIC, BASIC_MAILBOX);
    check("mailbox-reply", code == PROPERTY_DONE && property_response(firmware) == (PROPERTY_DONE | 4), code,
          property_response(firmware));
}

void check_devices(void)
{
    check_uart();
    check_videocore_mailbox();
}
