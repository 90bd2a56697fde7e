/* EMMC, the Arasan controller ("BCM2835 ARM Peripherals", chapter 5), by polling. */
#include "card.h"

#define EMMC (PERIPHERALS + 0x300000)
#define BLKSIZECNT (EMMC + 0x04)
#define ARG1 (EMMC + 0x08)
#define CMDTM (EMMC + 0x0C)
#define RESP(n) (EMMC + 0x10 + 4 * (n))
#define DATA (EMMC + 0x20)
#define STATUS (EMMC + 0x24)
#define CONTROL1 (EMMC + 0x2C)
#define INTERRUPT (EMMC + 0x30)
#define IRPT_MASK (EMMC + 0x34)
#define IRPT_EN (EMMC + 0x38)

#define CMD_DONE (1u << 0)
#define DATA_DONE (1u << 1)
#define WRITE_READY (1u << 4)
#define READ_READY (1u << 5)
#define ERRORS 0xFFFF8000u
#define CLOCK_INTERNAL (1u << 0)
#define CLOCK_STABLE (1u << 1)
#define CLOCK_CARD (1u << 2)
#define TIMEOUT_LONGEST (14u << 16)
#define RESET_ALL (1u << 24)

static void init(void)
{
    write32(CONTROL1, RESET_ALL);
    wait_for(CONTROL1, RESET_ALL, 0);
    /* Divider 2 * 0x200: some 250 kHz, slow enough for identification and what comes after. */
    write32(CONTROL1, TIMEOUT_LONGEST | 2u << 6 | CLOCK_INTERNAL);
    wait_for(CONTROL1, CLOCK_STABLE, CLOCK_STABLE);
    write32(CONTROL1, TIMEOUT_LONGEST | 2u << 6 | CLOCK_INTERNAL | CLOCK_CARD);
    delay_us(2000);
    write32(IRPT_EN, 0);
    write32(IRPT_MASK, 0xFFFFFFFF);
}

/* Waits for a flag, and takes it. */
static bool flag(u32 which)
{
    u64 until = time_us() + 1000000;
    u32 flags;
    while (!((flags = read32(INTERRUPT)) & (which | ERRORS)))
        if (time_us() > until)
            return false;
    if (flags & ERRORS)
        return false;
    write32(INTERRUPT, which);
    return true;
}

static bool command(u32 index, u32 argument, enum answer answer, u32 response[4], struct data *data)
{
    u32 mode = index << 24 | (u32)answer << 16;
    wait_for(STATUS, data || answer == ANSWER_BUSY ? 3 : 1, 0);
    write32(INTERRUPT, 0xFFFFFFFF);
    if (data) {
        write32(BLKSIZECNT, data->count << 16 | data->size);
        mode |= 1u << 21 | (data->write ? 0 : 1u << 4) | (data->count > 1 ? 1u << 5 | 1u << 1 : 0);
    }
    write32(ARG1, argument);
    write32(CMDTM, mode);
    if (!flag(CMD_DONE)) {
        /* The command circuit is stuck after an error. */
        write32(CONTROL1, read32(CONTROL1) | 6u << 24);
        wait_for(CONTROL1, 6u << 24, 0);
        return false;
    }
    for (u32 n = 0; n < 4; n++)
        response[n] = read32(RESP(n));
    if (!data)
        return answer != ANSWER_BUSY || flag(DATA_DONE);
    u32 *word = data->words;
    for (u32 block = 0; block < data->count; block++) {
        if (!flag(data->write ? WRITE_READY : READ_READY))
            return false;
        for (u32 n = 0; n < data->size / 4; n++, word++) {
            if (data->write)
                write32(DATA, *word);
            else
                *word = read32(DATA);
        }
    }
    return flag(DATA_DONE);
}

const struct host emmc = {"emmc", 7, init, command};
