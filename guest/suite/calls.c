/* Jumps and calls whose target is found at run time. */
#include "suite.h"

/* ---- bytecode: an interpreter with threaded dispatch ---------------------------------------- */

enum { OP_HALT, OP_SET, OP_MOVE, OP_ADD, OP_ADD_SMALL, OP_MULTIPLY, OP_AND, OP_SHIFT, OP_XOR, OP_LESS, OP_JUMP, OP_JUMP_IF, OP_JUMP_UNLESS,
       OP_LOAD, OP_STORE, OPS };

/* An instruction: operation, register written, register read, register or number. */
#define I(op, a, b, c) ((u32)(op) | (u32)(a) << 8 | (u32)(b) << 16 | (u32)(u8)(c) << 24)

/*
 * Steps of the Collatz sequence from every number below r0, remembered in 256 places; r1 is the sum.
 * r2: the number, r3: where the sequence is, r4: its length, r5, r6: temporary, r7: 1, r8: 3.
 */
static const u32 collatz[] = {
    I(OP_SET, 1, 0, 0), I(OP_SET, 2, 0, 1), I(OP_SET, 7, 0, 1), I(OP_SET, 8, 0, 3),
    /* 4: next number */
    I(OP_LESS, 5, 2, 0), I(OP_JUMP_UNLESS, 0, 5, 18), I(OP_MOVE, 3, 2, 0), I(OP_SET, 4, 0, 0),
    /* 8: next step */
    I(OP_LESS, 5, 7, 3), I(OP_JUMP_UNLESS, 0, 5, 8), I(OP_ADD_SMALL, 4, 4, 1), I(OP_AND, 5, 3, 7), I(OP_JUMP_IF, 0, 5, 2),
    I(OP_SHIFT, 3, 3, 1), I(OP_JUMP, 0, 0, -7),
    /* 15: odd */
    I(OP_MULTIPLY, 3, 3, 8), I(OP_ADD_SMALL, 3, 3, 1), I(OP_JUMP, 0, 0, -10),
    /* 18: at 1 */
    I(OP_LOAD, 5, 2, 0), I(OP_XOR, 6, 5, 4), I(OP_STORE, 6, 2, 0), I(OP_ADD, 1, 1, 6), I(OP_ADD_SMALL, 2, 2, 1), I(OP_JUMP, 0, 0, -20),
};

static u64 interpret(const u32 *pc, u64 first, u64 *memory)
{
    static const void *const operations[OPS] = {
        [OP_HALT] = &&halt,     [OP_SET] = &&set,   [OP_MOVE] = &&move, [OP_ADD] = &&add,   [OP_ADD_SMALL] = &&add_small,
        [OP_MULTIPLY] = &&multiply, [OP_AND] = &&and, [OP_SHIFT] = &&shift, [OP_XOR] = &&xor, [OP_LESS] = &&less,
        [OP_JUMP] = &&jump, [OP_JUMP_IF] = &&jump_if, [OP_JUMP_UNLESS] = &&jump_unless, [OP_LOAD] = &&load, [OP_STORE] = &&store,
    };
    u64 r[16] = {first};
    u32 word;

#define A r[word >> 8 & 15]
#define B r[word >> 16 & 15]
#define C r[word >> 24 & 15]
#define SMALL ((u64)(long)((int)word >> 24))
#define NEXT                                                                                                    \
    do {                                                                                                        \
        word = *pc++;                                                                                           \
        goto *operations[word & 0xFF];                                                                          \
    } while (0)

    NEXT;
set:
    A = SMALL;
    NEXT;
move:
    A = B;
    NEXT;
add:
    A = B + C;
    NEXT;
add_small:
    A = B + SMALL;
    NEXT;
multiply:
    A = B * C;
    NEXT;
and:
    A = B & C;
    NEXT;
shift:
    A = B >> (SMALL & 63);
    NEXT;
xor:
    A = B ^ C;
    NEXT;
less:
    A = B < C;
    NEXT;
jump:
    pc += SMALL;
    NEXT;
jump_if:
    if (B)
        pc += SMALL;
    NEXT;
jump_unless:
    if (!B)
        pc += SMALL;
    NEXT;
load:
    A = memory[B & 255];
    NEXT;
store:
    memory[B & 255] = A;
    NEXT;
halt:
    return fold(r[1], r[2]);
#undef A
#undef B
#undef C
}

u64 run_bytecode(u64 n)
{
    static u64 memory[256];
    static u32 program[32];

    /* In memory that the compiler cannot know; what is behind the last instruction halts. */
    for (u32 i = 0; i < sizeof collatz / sizeof *collatz; i++)
        ((volatile u32 *)program)[i] = collatz[i];
    return interpret(program, n, memory);
}

/* ---- recursion: the n-th Fibonacci number, the long way ------------------------------------- */

static __attribute__((noinline)) u64 fibonacci(u64 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

u64 run_recursion(u64 n) { return fold(n, fibonacci(n)); }

/* ---- virtual: n calls through objects' tables ----------------------------------------------- */

struct shape;

struct methods {
    u64 (*area)(const struct shape *shape);
    void (*grow)(struct shape *shape, u64 by);
};

struct shape {
    const struct methods *methods;
    u64 a, b;
};

static u64 square_area(const struct shape *s) { return s->a * s->a; }
static u64 rectangle_area(const struct shape *s) { return s->a * s->b; }
static u64 triangle_area(const struct shape *s) { return s->a * s->b >> 1; }
static u64 ring_area(const struct shape *s) { return 355 * (s->a * s->a - s->b * s->b) / 113; }
static void grow_one(struct shape *s, u64 by) { s->a = (s->a + by) & 0xFFFF; }
static void grow_both(struct shape *s, u64 by)
{
    s->a = (s->a + by) & 0xFFFF;
    s->b = (s->b ^ by) & 0xFFFF;
}

u64 run_virtual(u64 n)
{
    static const struct methods methods[4] = {
        {square_area, grow_one}, {rectangle_area, grow_both}, {triangle_area, grow_both}, {ring_area, grow_one},
    };
    static struct shape shapes[64];
    u64 state = 1442695040888963407, sum = 0;

    for (u32 i = 0; i < 64; i++) {
        u64 random = next_random(&state);
        shapes[i] = (struct shape){&methods[random >> 40 & 3], random & 0xFFFF, random >> 16 & 0xFFFF};
    }
    for (u64 i = 0; i < n; i += 2) {
        struct shape *shape = &shapes[(i * 7 ^ i >> 6) & 63];
        shape->methods->grow(shape, i);
        sum += shape->methods->area(shape);
    }
    return fold(sum, n);
}
