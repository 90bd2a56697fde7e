// What the tests of the debugger run: a little of everything that is looked at.
typedef unsigned long u64;
typedef unsigned int u32;

struct point {
    int x, y;
    const char *name;
};

volatile u64 others[4];
volatile u64 counter;
volatile u32 watched[4];
struct point origin = {3, -4, "origin"};
u64 level1[512] __attribute__((aligned(4096)));
u64 level2[512] __attribute__((aligned(4096)));

/* Gigabyte 0, and 1 again: RAM, and devices from 0x3f000000 on. */
void make_tables(void) {
    for (u64 n = 0; n < 512; n++)
        level2[n] = n << 21 | 0x701 | (n >= 0x1f8 ? 1 << 2 : 0);
    level1[0] = level1[1] = (u64)level2 | 3;
}

static void put(const char *text) {
    while (*text)
        *(volatile u32 *)0x3f201000 = *text++;
}

__attribute__((noinline)) int fib(int n) {
    if (n < 2)
        return n;
    return fib(n - 1) + fib(n - 2);
}

__attribute__((noinline)) void bump(u32 by) {
    watched[1] += by;
}

__attribute__((noinline)) u64 call(void) {
    register u64 x0 asm("x0") = 0;
    asm volatile("svc #21" : "+r"(x0) : : "x9", "memory");
    return x0;
}

/* A loop that is hot, with a function in it that is on another page and never called. */
__attribute__((noinline)) u64 spin(u64 turns) {
    u64 sum = 0;
    for (u64 n = 0; n < turns; n++) {
        sum += n ^ counter;
        counter = n;
    }
    return sum;
}

__attribute__((noinline, aligned(4096))) void never(void) {
    counter = 0;
}

static void power_off(void) {
    *(volatile u32 *)0x3f100020 = 0x5a000555;
    *(volatile u32 *)0x3f100024 = 0x5a00000a;
    *(volatile u32 *)0x3f10001c = 0x5a000020;
    for (;;)
        asm volatile("wfe");
}

int main(void) {
    put("begin\n");
    int result = fib(10);
    for (u32 n = 1; n <= 3; n++)
        bump(n);
    u64 answer = call();
    double half = 0.5;
    asm volatile("fmov d8, %d0" : : "w"(half * answer) : "v8");
    put("spin\n");
    spin(SPIN);
    if (result == 55 && answer == 42 && watched[1] == 6)
        put("done\n");
    power_off();
    if (answer == 7)
        never();
    return 0;
}
