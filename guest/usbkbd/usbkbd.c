/*
 * usbkbd: a driver for the board's USB as bare-metal systems have it. It enumerates the hub and what is behind it, prints what it finds, and echoes
 * what is typed at the keyboard and done with the mouse. Escape powers off.
 *
 * usbkbd.mode=slave moves data through FIFOs instead of DMA.
 */
#include "usbkbd.h"

#define CLASS_HID 3
#define BOOT_KEYBOARD 1
#define BOOT_MOUSE 2
#define KEY_ESCAPE 0x29
#define KEY_CAPS 0x39

static struct pipe hub = {.packet = 64}, keyboard, mouse;
static u32 addresses = 1;

/* A control transfer that has to work. */
static u32 control(struct pipe *pipe, const char *what, u8 kind, u8 request, u16 value, u16 index, u8 *data, u32 length)
{
    u32 got;
    enum outcome outcome = host_control(pipe, kind, request, value, index, data, length, &got);
    if (outcome != DONE) {
        print("usbkbd: %s failed: %u, HCINT %04x\n", what, outcome, host_last);
        power_off();
    }
    return got;
}

/* Gives the device at address 0 an address, and its descriptor. */
static void address(struct pipe *pipe, u8 *descriptor)
{
    pipe->address = 0;
    control(pipe, "device descriptor", 0x80, 6, 0x0100, 0, descriptor, 8);
    pipe->packet = descriptor[7];
    control(pipe, "SET_ADDRESS", 0, 5, (u16)addresses, 0, 0, 0);
    pipe->address = addresses++;
    delay_us(2000);
    control(pipe, "device descriptor", 0x80, 6, 0x0100, 0, descriptor, 18);
    print("usbkbd: address %u: %02x%02x:%02x%02x, packets of %u\n", pipe->address, descriptor[9], descriptor[8], descriptor[11],
          descriptor[10], pipe->packet);
}

/* Configures a keyboard or mouse, by the boot protocol. */
static void configure(struct pipe *pipe)
{
    static u8 bytes[256];
    u32 total = control(pipe, "configuration", 0x80, 6, 0x0200, 0, bytes, 9);
    total = bytes[2] | (u32)bytes[3] << 8;
    if (total > sizeof bytes)
        total = sizeof bytes;
    total = control(pipe, "configuration", 0x80, 6, 0x0200, 0, bytes, total);
    control(pipe, "SET_CONFIGURATION", 0, 9, bytes[5], 0, 0, 0);
    u32 protocol = 0;
    for (u32 at = 0; at + 7 <= total && bytes[at]; at += bytes[at]) {
        if (bytes[at + 1] == 4)
            protocol = bytes[at + 5] == CLASS_HID ? bytes[at + 7] : 0;
        struct pipe *found = protocol == BOOT_KEYBOARD ? &keyboard : protocol == BOOT_MOUSE ? &mouse : 0;
        if (bytes[at + 1] == 5 && found && bytes[at + 2] & 0x80) {
            *found = *pipe;
            found->endpoint = bytes[at + 2] & 15;
            found->packet = bytes[at + 4];
            found->interrupt = true;
            found->toggle = 0;
        }
    }
    if (protocol) {
        control(pipe, "SET_PROTOCOL", 0x21, 11, 0, 0, 0, 0);
        control(pipe, "SET_IDLE", 0x21, 10, 0, 0, 0, 0);
    }
}

static void look_at_port(u16 port)
{
    u8 status[4], descriptor[18];
    control(&hub, "port power", 0x23, 3, 8, port, 0, 0);
    delay_us(20000);
    control(&hub, "port status", 0xA3, 0, 0, port, status, 4);
    if (!(status[0] & 1))
        return;
    control(&hub, "port reset", 0x23, 3, 4, port, 0, 0);
    do {
        delay_us(1000);
        control(&hub, "port status", 0xA3, 0, 0, port, status, 4);
    } while (!(status[2] & 0x10));
    control(&hub, "end of reset", 0x23, 1, 20, port, 0, 0);
    control(&hub, "end of connection", 0x23, 1, 16, port, 0, 0);
    struct pipe device = {.packet = 8, .low = status[1] & 2, .hub = hub.address, .port = port};
    print("usbkbd: port %u: %s speed\n", port, device.low ? "low" : "full");
    address(&device, descriptor);
    configure(&device);
}

/* The letter of a key on a US keyboard, or 0. */
static char letter(u8 key, bool shift)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyz1234567890\n\x1b\b\t -=[]\\#;'`,./";
    static const char shifted[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ!@#$%^&*()\n\x1b\b\t _+{}|~:\"~<>?";
    if (key < 4 || key >= 4 + sizeof plain - 1)
        return 0;
    return (shift ? shifted : plain)[key - 4];
}

/* What is new in a report. False on Escape. */
static bool echo_keys(const u8 *report)
{
    static u8 before[6];
    static u8 lights;
    for (u32 at = 2; at < 8; at++) {
        u8 key = report[at];
        bool is_new = key >= 4;
        for (u32 old = 0; old < 6; old++)
            is_new &= before[old] != key;
        if (!is_new)
            continue;
        if (key == KEY_ESCAPE)
            return false;
        if (key == KEY_CAPS) {
            lights ^= 2;
            struct pipe pipe = keyboard;
            pipe.interrupt = false, pipe.endpoint = 0, pipe.packet = 8;
            control(&pipe, "SET_REPORT", 0x21, 9, 0x0200, 0, &lights, 1);
            continue;
        }
        char is = letter(key, report[0] & 0x22);
        if (is)
            print("%c", is);
    }
    memcpy(before, report + 2, 6);
    return true;
}

void guest_main(void)
{
    bool slave = option_is("usbkbd.mode", "slave");
    u8 bytes[64];
    if (!host_init(slave) || !host_reset_port()) {
        print("usbkbd: no USB, or nothing at its port\n");
        return;
    }
    u32 frame = host_frame();
    delay_us(10000);
    print("usbkbd: %s, %u microframes in 10 ms\n", slave ? "FIFOs" : "DMA", (host_frame() - frame) & 0x3FFF);
    u8 descriptor[18];
    address(&hub, descriptor);
    control(&hub, "SET_CONFIGURATION", 0, 9, 1, 0, 0, 0);
    control(&hub, "hub descriptor", 0xA0, 6, 0x2900, 0, bytes, 9);
    print("usbkbd: a hub with %u ports\n", bytes[2]);
    for (u16 port = 1, ports = bytes[2]; port <= ports; port++)
        look_at_port(port);
    if (!keyboard.address) {
        print("usbkbd: no keyboard\n");
        return;
    }
    print("usbkbd: ready, %u times not yet\n", host_nyets);
    for (;;) {
        u32 got;
        enum outcome outcome = host_poll(&keyboard, bytes, 8, &got);
        if (outcome == DONE && got == 8 && !echo_keys(bytes))
            break;
        if (outcome == STALLED || outcome == FAILED) {
            print("usbkbd: the keyboard fails: HCINT %04x\n", host_last);
            break;
        }
        if (mouse.address && host_poll(&mouse, bytes, 3, &got) == DONE && got >= 3)
            print("[mouse %u %d %d]", bytes[0], (int)(signed char)bytes[1], (int)(signed char)bytes[2]);
        delay_us(8000);
    }
    print("\nusbkbd: done\n");
}
