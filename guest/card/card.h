/* The two SD host controllers by one interface. */
#ifndef CARD_H
#define CARD_H

#include "guest.h"

#define BLOCK_WORDS 128u

/* What answer a command expects. */
enum answer { ANSWER_NONE, ANSWER_LONG, ANSWER_SHORT, ANSWER_BUSY };

/* A data phase: `count` blocks of `size` bytes (a multiple of 4). */
struct data {
    u32 *words;
    u32 size, count;
    bool write;
};

struct host {
    const char *name;
    u32 pin_function; /* of pins 48 to 53 */
    void (*init)(void);
    /* Sends a command and moves its data; false if no answer came, or the data failed. */
    bool (*command)(u32 index, u32 argument, enum answer answer, u32 response[4], struct data *data);
};
extern const struct host emmc, sdhost;

/* Waits up to a second until the bits `mask` of a register are `value`. */
static inline bool wait_for(u64 address, u32 mask, u32 value)
{
    u64 until = time_us() + 1000000;
    while ((read32(address) & mask) != value)
        if (time_us() > until)
            return false;
    return true;
}

#endif
