/*
 * Options: words `name=value` of the kernel's command line. It comes from the firmware by property tag, or,
 * where that has none, from the ATAGs at 0x100 (a boot loader's list from before device trees).
 */
#include "guest.h"

#define ATAGS 0x100ul
#define ATAGS_END 0x4000ul
#define ATAG_CORE 0x54410001u
#define ATAG_CMDLINE 0x54410009u

static char line[2048];

static void line_from_property(void)
{
    property_begin();
    u32 *value = property_tag(TAG_COMMAND_LINE, sizeof line);
    if (property_post() != PROPERTY_DONE)
        return;
    u32 length = property_response(value) & 0x7FFFFFFF;
    if (length >= sizeof line) /* longer than the buffer: what fits is there */
        length = sizeof line - 1;
    memcpy(line, value, length);
    line[length] = 0;
}

static void line_from_atags(void)
{
    u64 at = ATAGS;

    if (read32(at + 4) != ATAG_CORE)
        return;
    while (at < ATAGS_END) {
        u32 words = read32(at), tag = read32(at + 4);
        if (words < 2)
            return;
        if (tag == ATAG_CMDLINE) {
            u32 bytes = (words - 2) * 4;
            if (bytes >= sizeof line)
                bytes = sizeof line - 1;
            memcpy(line, (const void *)(at + 8), bytes);
            return;
        }
        at += 4ul * words;
    }
}

void options_init(void)
{
    line_from_property();
    if (!line[0])
        line_from_atags();
}

/* The text behind `name=`, or NULL. */
static const char *find(const char *name)
{
    for (const char *word = line; *word;) {
        const char *w = word, *n = name;
        while (*n && *w == *n)
            w++, n++;
        if (!*n && *w == '=')
            return w + 1;
        while (*word && *word != ' ')
            word++;
        while (*word == ' ' || *word == '\n')
            word++;
    }
    return NULL;
}

u64 option_number(const char *name, u64 otherwise)
{
    const char *text = find(name);
    u32 base = 10;
    u64 value = 0;

    if (!text)
        return otherwise;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X')) {
        base = 16;
        text += 2;
    }
    for (;; text++) {
        u32 digit = *text >= '0' && *text <= '9'   ? (u32)(*text - '0')
                    : *text >= 'a' && *text <= 'f' ? (u32)(*text - 'a') + 10
                    : *text >= 'A' && *text <= 'F' ? (u32)(*text - 'A') + 10
                                                   : 16;
        if (digit >= base)
            return value;
        value = value * base + digit;
    }
}

bool option_is(const char *name, const char *value)
{
    const char *text = find(name);

    if (!text)
        return false;
    while (*value && *text == *value)
        text++, value++;
    return !*value && (!*text || *text == ' ' || *text == '\n');
}
