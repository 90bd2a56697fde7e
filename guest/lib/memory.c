/* What the compiler takes for granted. */
#include "guest.h"

void *memset(void *to, int byte, size_t bytes)
{
    u8 *p = to;
    u64 pattern = 0x0101010101010101ul * (u8)byte;

    for (; bytes && ((u64)p & 15); bytes--)
        *p++ = (u8)byte;
    for (; bytes >= 32; bytes -= 32, p += 32)
        asm volatile("stp %1, %1, [%0]\n\tstp %1, %1, [%0, #16]" ::"r"(p), "r"(pattern) : "memory");
    for (; bytes; bytes--) {
        asm volatile("" ::: "memory"); /* or the compiler makes this loop a call of memset */
        *p++ = (u8)byte;
    }
    return to;
}

void *memcpy(void *to, const void *from, size_t bytes)
{
    u8 *p = to;
    const u8 *q = from;

    if ((((u64)p | (u64)q) & 7) == 0) {
        for (; bytes >= 8; bytes -= 8, p += 8, q += 8)
            *(volatile u64 *)p = *(const volatile u64 *)q;
    }
    for (; bytes; bytes--) {
        asm volatile("" ::: "memory");
        *p++ = *q++;
    }
    return to;
}

bool text_equal(const char *a, const char *b)
{
    while (*a && *a == *b)
        a++, b++;
    return *a == *b;
}
