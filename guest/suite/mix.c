/*
 * mix: what a small processor's program is made of, in turns: a linked list is searched, reversed and sorted; matrices
 * of 16-bit numbers are multiplied; a state machine reads numbers from a text; a CRC goes over the results of each.
 */
#include "suite.h"

static u16 crc16(u16 crc, u32 value)
{
    for (u32 bit = 0; bit < 32; bit++) {
        u16 feedback = (u16)((crc ^ value >> bit) & 1);
        crc >>= 1;
        if (feedback)
            crc ^= 0xA001;
    }
    return crc;
}

/* ---- the list ------------------------------------------------------------------------------- */

#define NODES 256u

struct node {
    struct node *next;
    u16 key, value;
};

static struct node nodes[NODES];

static struct node *find(struct node *at, u16 key)
{
    while (at && at->key != key)
        at = at->next;
    return at;
}

static struct node *reverse(struct node *at)
{
    struct node *done = NULL;

    while (at) {
        struct node *next = at->next;
        at->next = done;
        done = at;
        at = next;
    }
    return done;
}

static bool by_key(const struct node *a, const struct node *b) { return a->key <= b->key; }
static bool by_value(const struct node *a, const struct node *b) { return a->value <= b->value; }

static struct node *merge(struct node *a, struct node *b, bool (*ordered)(const struct node *, const struct node *))
{
    struct node *first = NULL, **end = &first;

    while (a && b) {
        struct node **from = ordered(a, b) ? &a : &b;
        *end = *from;
        end = &(*from)->next;
        *from = *end;
    }
    *end = a ? a : b;
    return first;
}

/* Merge sort from the bottom: run k of `runs` has 2^k nodes or none. */
static struct node *sort(struct node *at, bool (*ordered)(const struct node *, const struct node *))
{
    struct node *runs[12] = {NULL};

    while (at) {
        struct node *run = at;
        u32 k = 0;
        at = at->next;
        run->next = NULL;
        for (; k < 11 && runs[k]; k++) {
            run = merge(runs[k], run, ordered);
            runs[k] = NULL;
        }
        runs[k] = run;
    }
    struct node *all = NULL;
    for (u32 k = 0; k < 12; k++)
        all = merge(runs[k], all, ordered);
    return all;
}

static u16 list_turn(u32 turn, u16 crc)
{
    struct node *list = &nodes[0];

    for (u32 i = 0; i < NODES; i++) {
        nodes[i].key = (u16)(i * 167 & (NODES - 1));
        nodes[i].value = (u16)(i * 40503 ^ turn * 977);
        nodes[i].next = i + 1 < NODES ? &nodes[i + 1] : NULL;
    }
    for (u32 i = 0; i < 32; i++) {
        const struct node *found = find(list, (u16)((turn + i * 29) & (2 * NODES - 1)));
        crc = crc16(crc, found ? found->value : i);
        if ((i & 7) == 7)
            list = reverse(list);
    }
    list = sort(list, by_value);
    crc = crc16(crc, list->key);
    list = sort(list, by_key);
    for (u32 i = 0; list && i < 16; i++, list = list->next)
        crc = crc16(crc, list->value);
    return crc;
}

/* ---- the matrices --------------------------------------------------------------------------- */

#define SIDE 20u

static short left[SIDE][SIDE], right[SIDE][SIDE];
static int product[SIDE][SIDE];

static u16 matrix_turn(u32 turn, u16 crc)
{
    for (u32 i = 0; i < SIDE; i++)
        for (u32 j = 0; j < SIDE; j++) {
            left[i][j] = (short)((i * 31 + j * 17 + turn) & 0xFF) - 128;
            right[i][j] = (short)((i * 13 + j * 7 + turn * 3) & 0xFF) - 128;
        }
    for (u32 i = 0; i < SIDE; i++)
        for (u32 j = 0; j < SIDE; j++) {
            int sum = 0;
            for (u32 k = 0; k < SIDE; k++)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
        }
    int last = 0;
    u32 rises = 0;
    for (u32 i = 0; i < SIDE; i++)
        for (u32 j = 0; j < SIDE; j++) {
            int part = (product[i][j] >> 2 & 15) * (product[i][j] >> 5 & 127);
            rises += part > last;
            last = part;
        }
    crc = crc16(crc, rises);
    return crc16(crc, (u32)product[turn % SIDE][(turn >> 3) % SIDE]);
}

/* ---- the state machine ---------------------------------------------------------------------- */

#define TEXT 512u

enum state { START, SIGN, WHOLE, POINT, FRACTION, EXPONENT_SIGN, EXPONENT, WRONG, STATES };

static u8 text[TEXT];

static bool digit(u8 c) { return c >= '0' && c <= '9'; }

static enum state step(enum state state, u8 c)
{
    switch (state) {
    case START:
        return digit(c) ? WHOLE : c == '+' || c == '-' ? SIGN : c == '.' ? POINT : WRONG;
    case SIGN:
        return digit(c) ? WHOLE : c == '.' ? POINT : WRONG;
    case WHOLE:
        return digit(c) ? WHOLE : c == '.' ? FRACTION : c == 'e' ? EXPONENT_SIGN : WRONG;
    case POINT:
        return digit(c) ? FRACTION : WRONG;
    case FRACTION:
        return digit(c) ? FRACTION : c == 'e' ? EXPONENT_SIGN : WRONG;
    case EXPONENT_SIGN:
        return digit(c) || c == '+' || c == '-' ? EXPONENT : WRONG;
    case EXPONENT:
        return digit(c) ? EXPONENT : WRONG;
    default:
        return WRONG;
    }
}

static u16 text_turn(u32 turn, u16 crc)
{
    static const char words[8][9] = {"5012,", "1.5e+20,", "-874.01,", ".25,", "+0.7e-3,", "T0.3e-1F", "-.9,", "7e12x,"};
    u32 ended[STATES] = {0}, passed = 0, at = 0;
    enum state state = START;

    for (u32 word = turn; at < TEXT; word = word * 5 + 1)
        for (const char *c = words[word >> 2 & 7]; *c && at < TEXT; c++)
            text[at++] = (u8)*c;
    for (u32 i = turn % 11; i < TEXT; i += 37)
        text[i] ^= 1;
    for (u32 i = 0; i < TEXT; i++) {
        if (text[i] == ',') {
            ended[state]++;
            state = START;
            continue;
        }
        enum state now = step(state, text[i]);
        passed += now != state;
        state = now;
    }
    for (u32 i = 0; i < STATES; i++)
        crc = crc16(crc, ended[i] << 16 | passed);
    return crc;
}

u64 run_mix(u64 n)
{
    u16 crc = 0xFFFF;
    u64 sum = 0;

    for (u32 turn = 0; turn < n; turn++) {
        crc = list_turn(turn, crc);
        crc = matrix_turn(turn, crc);
        crc = text_turn(turn, crc);
        sum = fold(sum, crc);
    }
    return sum;
}
