/*
 * card: brings the SD card up behind each of the two controllers, reads from it, and, if told where, writes to it.
 *
 * card.write=BLOCK writes to that block and the three after it, and puts back what was there; with card.keep=1 it stays.
 */
#include "card.h"

#define GPFSEL4 (PERIPHERALS + 0x200010)
#define GPFSEL5 (PERIPHERALS + 0x200014)

#define MOST_BLOCKS 4u

static u32 failures;
static u32 first[MOST_BLOCKS * BLOCK_WORDS], second[MOST_BLOCKS * BLOCK_WORDS], third[MOST_BLOCKS * BLOCK_WORDS];
static bool high_capacity;
static u32 address;

static void check(const struct host *host, const char *name, bool good)
{
    print("%s %s %s\n", good ? "ok" : "FAIL", host->name, name);
    failures += !good;
}

/* Leads pins 48 to 53 to the controller. */
static void wire(u32 function)
{
    u32 select = read32(GPFSEL4) & ~(077u << 24);
    write32(GPFSEL4, select | function << 24 | function << 27);
    select = read32(GPFSEL5) & ~07777u;
    write32(GPFSEL5, select | function | function << 3 | function << 6 | function << 9);
}

static bool ask(const struct host *host, u32 index, u32 argument, u32 *answer)
{
    u32 response[4] = {0};
    bool came = host->command(index, argument, ANSWER_SHORT, response, NULL);
    *answer = response[0];
    return came;
}

static bool power_up(const struct host *host)
{
    u64 until = time_us() + 2000000;
    u32 answer;
    do {
        if (!ask(host, 55, 0, &answer) || !ask(host, 41, 0x40FF8000, &answer))
            return false;
        if (answer >> 31) {
            high_capacity = answer >> 30 & 1;
            return true;
        }
        delay_us(1000);
    } while (time_us() < until);
    return false;
}

/* `bits` bits of the CSD from bit `at` on. The EMMC controller gives it without its last byte. */
static u32 csd_field(const struct host *host, const u32 *csd, u32 at, u32 bits)
{
    u32 value = 0;
    for (u32 n = 0; n < bits; n++) {
        u32 bit = at + n - (host == &emmc ? 8 : 0);
        value |= (csd[bit / 32] >> (bit % 32) & 1) << n;
    }
    return value;
}

/* The card's size in blocks of 512 bytes. */
static u32 csd_blocks(const struct host *host, const u32 *csd)
{
    if (csd_field(host, csd, 126, 2) == 1)
        return (csd_field(host, csd, 48, 22) + 1) << 10;
    u32 shift = csd_field(host, csd, 47, 3) + 2 + csd_field(host, csd, 80, 4) - 9;
    return (csd_field(host, csd, 62, 12) + 1) << shift;
}

static bool transfer(const struct host *host, u32 index, u32 block, u32 *words, u32 count, bool write)
{
    u32 response[4];
    struct data data = {words, 512, count, write};
    bool good = host->command(index, high_capacity ? block : block * 512, ANSWER_SHORT, response, &data);
    if (count > 1)
        good &= host->command(12, 0, ANSWER_BUSY, response, NULL);
    /* A card may still be writing. */
    for (u32 tries = 0; tries < 1000 && write; tries++) {
        if (host->command(13, address, ANSWER_SHORT, response, NULL) && (response[0] >> 9 & 0xF) == 4)
            return good;
        delay_us(1000);
    }
    return good && !(response[0] & 0xFDF90008);
}

static bool equal(const u32 *a, const u32 *b, u32 words)
{
    for (u32 n = 0; n < words; n++)
        if (a[n] != b[n])
            return false;
    return true;
}

static void describe(const u32 *sector)
{
    const u8 *bytes = (const u8 *)sector;
    if (bytes[510] != 0x55 || bytes[511] != 0xAA) {
        print("card: block 0 has no boot signature\n");
        return;
    }
    for (u32 n = 0; n < 4; n++) {
        const u8 *entry = bytes + 446 + 16 * n;
        u32 start = entry[8] | entry[9] << 8 | entry[10] << 16 | (u32)entry[11] << 24;
        u32 count = entry[12] | entry[13] << 8 | entry[14] << 16 | (u32)entry[15] << 24;
        if (entry[4])
            print("card: partition %u: type 0x%02x, from %u, %u blocks\n", n + 1, entry[4], start, count);
    }
}

static void check_writes(const struct host *host, u32 block)
{
    for (u32 n = 0; n < MOST_BLOCKS * BLOCK_WORDS; n++)
        second[n] = (n + block) * 2654435761u;
    bool good = transfer(host, 18, block, first, MOST_BLOCKS, false);
    good &= transfer(host, 25, block, second, MOST_BLOCKS, true) && transfer(host, 18, block, third, MOST_BLOCKS, false);
    check(host, "writes several blocks", good && equal(second, third, MOST_BLOCKS * BLOCK_WORDS));
    const u32 *last = option_number("card.keep", 0) ? second : first;
    good = true;
    for (u32 n = 0; n < MOST_BLOCKS; n++)
        good &= transfer(host, 24, block + n, (u32 *)last + n * BLOCK_WORDS, 1, true);
    for (u32 n = 0; n < MOST_BLOCKS; n++)
        good &= transfer(host, 17, block + n, third + n * BLOCK_WORDS, 1, false);
    check(host, "writes single blocks", good && equal(last, third, MOST_BLOCKS * BLOCK_WORDS));
}

static void check_host(const struct host *host)
{
    u32 response[4], answer;
    wire(host->pin_function);
    host->init();
    host->command(0, 0, ANSWER_NONE, response, NULL);
    bool version2 = ask(host, 8, 0x1AA, &answer) && answer == 0x1AA;
    if (!power_up(host)) {
        print("card: %s: no card\n", host->name);
        failures++;
        return;
    }
    check(host, "is version 2", version2);
    bool good = host->command(2, 0, ANSWER_LONG, response, NULL) && ask(host, 3, 0, &address);
    address &= 0xFFFF0000;
    check(host, "identifies", good);
    check(host, "describes itself", host->command(9, address, ANSWER_LONG, response, NULL));
    print("card: %s: %u blocks, %s capacity\n", host->name, csd_blocks(host, response), high_capacity ? "high" : "standard");
    check(host, "is selected", host->command(7, address, ANSWER_BUSY, response, NULL));
    check(host, "takes the block length", ask(host, 16, 512, &answer));
    check(host, "reads a block", transfer(host, 17, 0, first, 1, false));
    describe(first);
    good = transfer(host, 18, 0, second, MOST_BLOCKS, false);
    check(host, "reads several blocks", good && equal(first, second, BLOCK_WORDS));
    check(host, "does not know CMD5", !ask(host, 5, 0, &answer));
    u64 block = option_number("card.write", 0);
    if (block)
        check_writes(host, (u32)block);
    host->command(7, 0, ANSWER_NONE, response, NULL);
}

void guest_main(void)
{
    check_host(&emmc);
    /* As the firmware had it. */
    check_host(&sdhost);
    if (failures)
        print("card: %u failed\n", failures);
    else
        print("card: all ok\n");
    power_off();
}
