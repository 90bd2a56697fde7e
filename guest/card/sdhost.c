/* SDHOST, Broadcom's own controller, by polling. */
#include "card.h"

#define SDHOST (PERIPHERALS + 0x202000)
#define SDCMD (SDHOST + 0x00)
#define SDARG (SDHOST + 0x04)
#define SDTOUT (SDHOST + 0x08)
#define SDCDIV (SDHOST + 0x0C)
#define SDRSP(n) (SDHOST + 0x10 + 4 * (n))
#define SDHSTS (SDHOST + 0x20)
#define SDVDD (SDHOST + 0x30)
#define SDEDM (SDHOST + 0x34)
#define SDHCFG (SDHOST + 0x38)
#define SDHBCT (SDHOST + 0x3C)
#define SDDATA (SDHOST + 0x40)
#define SDHBLC (SDHOST + 0x50)

#define CMD_NEW 0x8000u
#define CMD_FAIL 0x4000u
#define CMD_BUSYWAIT 0x800u
#define CMD_NO_RESPONSE 0x400u
#define CMD_LONG 0x200u
#define CMD_WRITE 0x80u
#define CMD_READ 0x40u
#define STATUS_ALL 0x7F8u
#define STATUS_ERRORS 0xF8u
#define FIFO_WORDS 16u
#define FORCE_DATA_MODE (1u << 19)

static void init(void)
{
    write32(SDVDD, 0);
    write32(SDCMD, 0);
    write32(SDARG, 0);
    write32(SDTOUT, 0xF00000);
    write32(SDCDIV, 0);
    write32(SDHSTS, STATUS_ALL);
    write32(SDHCFG, 0);
    write32(SDHBCT, 0);
    write32(SDHBLC, 0);
    write32(SDEDM, 4u << 14 | 4u << 9);
    delay_us(20000);
    write32(SDVDD, 1);
    delay_us(20000);
    /* The internal bus is wide; the card gets some 250 kHz. */
    write32(SDHCFG, 1u << 3 | 1u << 1);
    write32(SDCDIV, 0x3E0);
}

static u32 fifo_level(void) { return read32(SDEDM) >> 4 & 0x1F; }

static bool move(struct data *data)
{
    u64 until = time_us() + 2000000;
    u32 *word = data->words, *end = word + data->count * data->size / 4;
    while (word < end) {
        u32 level = fifo_level();
        u32 room = data->write ? FIFO_WORDS - level : level;
        for (; room && word < end; room--, word++) {
            if (data->write)
                write32(SDDATA, *word);
            else
                *word = read32(SDDATA);
        }
        if (read32(SDHSTS) & STATUS_ERRORS || time_us() > until)
            return false;
    }
    /* One that goes on until CMD12 waits in a state of its own. */
    for (;;) {
        u32 state = read32(SDEDM) & 0xF;
        if (state <= 1)
            return true;
        if (state == 4 || state == 10 || time_us() > until) {
            write32(SDEDM, read32(SDEDM) | FORCE_DATA_MODE);
            return state == 4 || state == 10;
        }
    }
}

static bool command(u32 index, u32 argument, enum answer answer, u32 response[4], struct data *data)
{
    static const u32 answers[] = {CMD_NO_RESPONSE, CMD_LONG, 0, CMD_BUSYWAIT};
    wait_for(SDCMD, CMD_NEW, 0);
    write32(SDHSTS, STATUS_ALL);
    if (data) {
        write32(SDHBCT, data->size);
        write32(SDHBLC, data->count);
    }
    write32(SDARG, argument);
    write32(SDCMD, CMD_NEW | index | answers[answer] | (!data ? 0 : data->write ? CMD_WRITE : CMD_READ));
    if (!wait_for(SDCMD, CMD_NEW, 0) || read32(SDCMD) & CMD_FAIL) {
        write32(SDHSTS, STATUS_ALL);
        return false;
    }
    for (u32 n = 0; n < 4; n++)
        response[n] = read32(SDRSP(n));
    return !data || move(data);
}

const struct host sdhost = {"sdhost", 4, init, command};
