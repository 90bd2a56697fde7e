/* The mailbox, shared by four cores. */
#include "mail.h"

#define MBOX_READ (PERIPHERALS + 0xB880)
#define MBOX_STATUS (PERIPHERALS + 0xB898)
#define MBOX_WRITE (PERIPHERALS + 0xB8A0)
#define MBOX_WRITE_STATUS (PERIPHERALS + 0xB8B8)
#define MBOX_WRITE_CONFIG (PERIPHERALS + 0xB8BC)
#define STATUS_FULL 0x80000000u
#define STATUS_EMPTY 0x40000000u
#define ERROR_OVERFLOW 0x200u
#define CHANNEL_PROPERTY 8u
#define CHANNEL_MASK 15u

/* The VideoCore's view of RAM past its L2 cache. */
#define BUS_UNCACHED 0xC0000000u

#define TAG_GET_CLOCK_RATE 0x00030002u
/* There is no such clock: the answer repeats its number and has a rate of zero. */
#define NO_CLOCK 0x01000000u

#define PATIENCE_US 60000000u

struct mail {
    u32 words[64];
};

static struct mail mails[CORES] SHARED_WITH_GPU;
static u32 used[CORES];
static struct lock mailbox;
static bool use_lock;
static u32 lost;
struct mail_counts mail_counts[CORES];

void mail_init(bool lock) { use_lock = lock; }

void mail_begin(void)
{
    u32 core = core_id();

    mails[core].words[1] = 0;
    used[core] = 2;
}

u32 *mail_tag(u32 tag, u32 bytes, u32 first, u32 second)
{
    u32 core = core_id(), words = (bytes + 3) / 4;
    u32 *at = &mails[core].words[used[core]];

    at[0] = tag;
    at[1] = bytes;
    at[2] = 0;
    for (u32 i = 0; i < words; i++)
        at[3 + i] = i == 0 ? first : i == 1 ? second : 0;
    used[core] += 3 + words;
    return at + 3;
}

static u32 mail_word(u32 core) { return BUS_UNCACHED | (u32)(u64)&mails[core] | CHANNEL_PROPERTY; }

/* Takes a word out of the mailbox, if there is one, and counts it for the core whose message it names. */
static void take_reply(u32 reader)
{
    struct mail_counts *mine = &mail_counts[reader];

    if (read32(MBOX_STATUS) & STATUS_EMPTY)
        return;
    u32 word = read32(MBOX_READ);
    if ((word & CHANNEL_MASK) != CHANNEL_PROPERTY) {
        mine->empty++;
        return;
    }
    for (u32 core = 0; core < CORES; core++)
        if (word == mail_word(core)) {
            mine->others += core != reader;
            atomic_add(&mail_counts[core].answered, 1);
            return;
        }
    mine->stray++;
}

static void wait_for_reply(u32 core)
{
    struct mail_counts *mine = &mail_counts[core];
    u64 start = time_us();

    for (u32 turns = 1; load_acquire(&mine->answered) < mine->posted; turns++) {
        take_reply(core);
        if (turns % 4096 == 0 && time_us() - start > PATIENCE_US) {
            mine->lost++;
            store_release(&lost, 1);
            return;
        }
    }
}

u32 mail_post(void)
{
    u32 core = core_id();
    u32 *words = mails[core].words;

    words[used[core]] = 0;
    words[0] = (used[core] + 1) * 4;
    dsb();
    if (use_lock)
        lock_acquire(&mailbox);
    while (read32(MBOX_WRITE_STATUS) & STATUS_FULL)
        ;
    mail_counts[core].posted++;
    write32(MBOX_WRITE, mail_word(core));
    wait_for_reply(core);
    if (use_lock)
        lock_release(&mailbox);
    dsb();
    return *(volatile u32 *)&words[1];
}

void mail_ask(void)
{
    u32 core = core_id();
    u32 number = NO_CLOCK + mail_counts[core].posted;

    mail_begin();
    volatile u32 *value = mail_tag(TAG_GET_CLOCK_RATE, 8, number, number);
    u32 code = mail_post();
    if (code != PROPERTY_DONE || value[-1] != (PROPERTY_DONE | 8) || value[0] != number || value[1] != 0)
        mail_counts[core].wrong++;
}

bool mail_is_lost(void) { return load_acquire(&lost); }

bool mail_is_quiet(void)
{
    return (read32(MBOX_STATUS) & STATUS_EMPTY) && (read32(MBOX_WRITE_STATUS) & STATUS_EMPTY) &&
           !(read32(MBOX_WRITE_CONFIG) & ERROR_OVERFLOW);
}
