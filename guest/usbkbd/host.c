/* The DWC2 host controller by polling: one channel, split transactions by hand. */
#include "usbkbd.h"

#define USB (PERIPHERALS + 0x980000)
#define GAHBCFG (USB + 0x008)
#define GUSBCFG (USB + 0x00C)
#define GRSTCTL (USB + 0x010)
#define GINTSTS (USB + 0x014)
#define GRXSTSP (USB + 0x020)
#define GRXFSIZ (USB + 0x024)
#define GNPTXFSIZ (USB + 0x028)
#define GSNPSID (USB + 0x040)
#define HPTXFSIZ (USB + 0x100)
#define HCFG (USB + 0x400)
#define HFNUM (USB + 0x408)
#define HPRT0 (USB + 0x440)
#define HCCHAR (USB + 0x500)
#define HCSPLT (USB + 0x504)
#define HCINT (USB + 0x508)
#define HCTSIZ (USB + 0x510)
#define HCDMA (USB + 0x514)
#define FIFO (USB + 0x1000)

#define PORT_CONNECTED (1u << 0)
#define PORT_CHANGES (1u << 1 | 1u << 3 | 1u << 5)
#define PORT_ENABLED (1u << 2)
#define PORT_RESET (1u << 8)
#define PORT_POWER (1u << 12)

#define INT_COMPLETE (1u << 0)
#define INT_HALTED (1u << 1)
#define INT_STALL (1u << 3)
#define INT_NAK (1u << 4)
#define INT_ACK (1u << 5)
#define INT_NYET (1u << 6)

#define CHAR_IN (1u << 15)
#define CHAR_ENABLE (1u << 31)
#define CHAR_DISABLE (1u << 30)
#define SPLIT (1u << 31)
#define SPLIT_COMPLETE (1u << 16)

#define DATA0 0u
#define DATA1 2u
#define SETUP 3u

u32 host_last, host_nyets;
static bool by_fifo;
static u8 buffer[1024] SHARED_WITH_GPU;

static bool wait_for(u64 address, u32 mask, u32 value)
{
    u64 end = time_us() + 200000;
    while ((read32(address) & mask) != value)
        if (time_us() > end)
            return false;
    return true;
}

bool host_init(bool slave)
{
    property_begin();
    property_tag_with(0x00028001, 8, 3, 3); /* power on USB, and wait for it */
    if (property_post() != PROPERTY_DONE)
        return false;
    if ((read32(GSNPSID) & 0xFFFFF000) != 0x4F542000)
        return false;
    by_fifo = slave;
    write32(GRSTCTL, 1);
    if (!wait_for(GRSTCTL, 1u << 31 | 1, 1u << 31))
        return false;
    write32(GUSBCFG, read32(GUSBCFG) | 1u << 29);
    write32(GRXFSIZ, 774);
    write32(GNPTXFSIZ, 256u << 16 | 774);
    write32(HPTXFSIZ, 512u << 16 | 1030);
    write32(GRSTCTL, 0x10u << 6 | 1u << 5);
    wait_for(GRSTCTL, 1u << 5, 0);
    write32(GRSTCTL, 1u << 4);
    wait_for(GRSTCTL, 1u << 4, 0);
    write32(HCFG, 1);
    write32(GAHBCFG, slave ? 0 : 1u << 5 | 1u << 4);
    return true;
}

/* The port's register without what writing 1 would clear. */
static u32 port(void) { return read32(HPRT0) & ~(PORT_CHANGES | PORT_ENABLED); }

bool host_reset_port(void)
{
    write32(HPRT0, port() | PORT_POWER);
    if (!wait_for(HPRT0, PORT_CONNECTED, PORT_CONNECTED))
        return false;
    delay_us(20000);
    write32(HPRT0, port() | PORT_RESET);
    delay_us(50000);
    write32(HPRT0, port() & ~PORT_RESET);
    delay_us(20000);
    write32(HPRT0, port() | PORT_CHANGES);
    return read32(HPRT0) & PORT_ENABLED;
}

u32 host_frame(void) { return read32(HFNUM) & 0x3FFF; }

/* Slave mode: data go out by the channel's FIFO. */
static void fill(const u8 *data, u32 length)
{
    for (u32 at = 0; at < length; at += 4) {
        u32 word = 0;
        for (u32 byte = 0; byte < 4 && at + byte < length; byte++)
            word |= (u32)data[at + byte] << 8 * byte;
        write32(FIFO, word);
    }
}

/* Slave mode: takes what has come in. Returns how many bytes. */
static u32 drain(u8 *data, u32 room)
{
    u32 got = 0;
    while (read32(GINTSTS) & 1u << 4) {
        u32 status = read32(GRXSTSP), length = status >> 4 & 0x7FF;
        if ((status >> 17 & 15) != 2)
            continue;
        for (u32 at = 0; at < length; at += 4) {
            u32 word = read32(FIFO);
            for (u32 byte = 0; byte < 4 && at + byte < length; byte++)
                if (got < room)
                    data[got++] = (u8)(word >> 8 * byte);
        }
    }
    return got;
}

/* One packet, or its start or complete split. What HCINT said at the end. */
static u32 packet(struct pipe *pipe, u32 toggle, bool in, u8 *data, u32 length, u32 split, u32 *got)
{
    u32 character = pipe->packet | pipe->endpoint << 11 | (pipe->low ? 1u << 17 : 0) | (pipe->interrupt ? 3u << 18 : 0) |
                    pipe->address << 22 | (in ? CHAR_IN : 0);
    u32 size = length;
    if (split & SPLIT_COMPLETE && !in)
        size = 0;
    *got = 0;
    if (!by_fifo) {
        if (!in)
            memcpy(buffer, data, length);
        dsb();
        write32(HCDMA, (u32)(u64)buffer | 0xC0000000);
    }
    write32(HCINT, 0x3FFF);
    write32(HCSPLT, split);
    write32(HCTSIZ, size | 1u << 19 | toggle << 29);
    /* Interrupt endpoints have their turn in the next microframe. */
    if (pipe->interrupt && !(read32(HFNUM) & 1))
        character |= 1u << 29;
    write32(HCCHAR, character | CHAR_ENABLE);
    if (by_fifo && !in && !(split & SPLIT_COMPLETE))
        fill(data, length);

    u32 ends = by_fifo ? ~INT_ACK & 0x3FFF : INT_HALTED;
    if (by_fifo && split && !(split & SPLIT_COMPLETE))
        ends |= INT_ACK;
    u64 limit = time_us() + 100000;
    u32 seen;
    while (!((seen = read32(HCINT)) & ends)) {
        if (by_fifo && in)
            *got += drain(data + *got, length - *got);
        if (time_us() > limit)
            break;
    }
    if (by_fifo) {
        if (read32(HCCHAR) & CHAR_ENABLE) {
            write32(HCCHAR, character | CHAR_ENABLE | CHAR_DISABLE);
            wait_for(HCINT, INT_HALTED, INT_HALTED);
        }
        *got += drain(data + *got, length - *got);
    } else if (in && seen & INT_COMPLETE) {
        u32 left = read32(HCTSIZ) & 0x7FFFF;
        *got = length - (left < length ? left : length);
        memcpy(data, buffer, *got);
    }
    return seen;
}

/* One packet, with start and complete splits where a hub translates. */
static enum outcome transaction(struct pipe *pipe, u32 toggle, bool in, u8 *data, u32 length, u32 *got)
{
    u32 split = pipe->hub ? SPLIT | pipe->hub << 7 | pipe->port : 0;
    for (u32 tries = 0; tries < 100; tries++) {
        u32 seen = packet(pipe, toggle, in, data, length, split, got);
        if (split && seen & INT_ACK) {
            do {
                if (pipe->interrupt)
                    delay_us(250);
                seen = packet(pipe, toggle, in, data, length, split | SPLIT_COMPLETE, got);
                if (seen & INT_NYET)
                    host_nyets++;
            } while (seen & INT_NYET && ++tries < 100);
        }
        host_last = seen;
        if (seen & INT_COMPLETE)
            return DONE;
        if (seen & INT_STALL)
            return STALLED;
        if (!(seen & INT_NAK))
            return FAILED;
        if (pipe->interrupt)
            return NAKED;
    }
    return FAILED;
}

/* A stage of a transfer, packet by packet. */
static enum outcome stage(struct pipe *pipe, u32 *toggle, bool in, u8 *data, u32 length, u32 *got)
{
    *got = 0;
    do {
        u32 now = length - *got < pipe->packet ? length - *got : pipe->packet, came = 0;
        /* A whole packet is asked for: devices may send that much. */
        u8 bytes[64];
        enum outcome outcome = transaction(pipe, *toggle, in, in ? bytes : data + *got, in ? pipe->packet : now, &came);
        if (outcome != DONE)
            return outcome;
        *toggle ^= DATA1;
        if (in) {
            u32 kept = came < now ? came : now;
            memcpy(data + *got, bytes, kept);
            *got += kept;
            if (came < pipe->packet)
                return DONE;
        } else {
            *got += now;
        }
    } while (*got < length);
    return DONE;
}

enum outcome host_poll(struct pipe *pipe, u8 *data, u32 length, u32 *got)
{
    return stage(pipe, &pipe->toggle, true, data, length, got);
}

enum outcome host_control(struct pipe *pipe, u8 kind, u8 request, u16 value, u16 index, u8 *data, u32 length, u32 *got)
{
    u8 setup[8] = {kind, request, (u8)value, (u8)(value >> 8), (u8)index, (u8)(index >> 8), (u8)length, (u8)(length >> 8)};
    bool in = kind & 0x80;
    u32 ignored, toggle = SETUP;
    *got = 0;
    enum outcome outcome = transaction(pipe, toggle, false, setup, 8, &ignored);
    toggle = DATA1;
    if (outcome == DONE && length)
        outcome = stage(pipe, &toggle, in, data, length, got);
    if (outcome != DONE)
        return outcome;
    u8 nothing[64];
    bool status_in = !in || !length;
    return transaction(pipe, DATA1, status_in, nothing, status_in ? pipe->packet : 0, &ignored);
}
