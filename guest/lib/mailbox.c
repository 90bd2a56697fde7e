/*
 * The mailbox to the VideoCore, and messages on its property channel. The message lies in memory that is
 * never cached, so that both sides see the same words.
 */
#include "guest.h"

#define MBOX_READ (PERIPHERALS + 0xB880)
#define MBOX_STATUS (PERIPHERALS + 0xB898)
#define MBOX_WRITE (PERIPHERALS + 0xB8A0)
#define STATUS_FULL 0x80000000u
#define STATUS_EMPTY 0x40000000u
#define CHANNEL_PROPERTY 8u

/* The VideoCore's view of RAM past its L2 cache. */
#define BUS_UNCACHED 0xC0000000u

static u32 message[1024] SHARED_WITH_GPU;
static u32 used;

void property_begin(void)
{
    message[1] = 0;
    used = 2;
}

u32 *property_tag(u32 tag, u32 bytes)
{
    u32 *at = &message[used];
    u32 words = (bytes + 3) / 4;

    at[0] = tag;
    at[1] = bytes;
    at[2] = 0;
    for (u32 i = 0; i < words; i++)
        at[3 + i] = 0;
    used += 3 + words;
    return at + 3;
}

u32 *property_tag_with(u32 tag, u32 bytes, u32 first, u32 second)
{
    u32 *value = property_tag(tag, bytes);

    value[0] = first;
    if (bytes > 4)
        value[1] = second;
    return value;
}

static u32 message_mail(void) { return BUS_UNCACHED | (u32)(u64)message | CHANNEL_PROPERTY; }

void property_send(void)
{
    message[used] = 0;
    message[0] = (used + 1) * 4;
    dsb();
    while (read32(MBOX_STATUS) & STATUS_FULL)
        ;
    write32(MBOX_WRITE, message_mail());
}

u32 property_receive(void)
{
    do {
        while (read32(MBOX_STATUS) & STATUS_EMPTY)
            ;
    } while (read32(MBOX_READ) != message_mail());
    dsb();
    return *(volatile u32 *)&message[1];
}

u32 property_post(void)
{
    property_send();
    return property_receive();
}
