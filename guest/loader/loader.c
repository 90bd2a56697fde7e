/*
 * loader: receives a kernel over UART0 and starts it as the firmware would.
 *
 * It sends three bytes 3; the other end answers with the kernel's length (32 bits, little endian). After "OK" come the
 * kernel's bytes, to 0x80000: where this program was before it moved itself away.
 */
#include "guest.h"

#define KERNEL 0x80000ul
#define LARGEST (16u << 20)

typedef void entry(u64 tree, u64 zero1, u64 zero2, u64 zero3);

static u8 receive(void)
{
    int byte;

    while ((byte = console->get()) < 0)
        ;
    return (u8)byte;
}

void loader_main(u64 tree)
{
    console->init();
    print("loader: at 0x%lx, waiting for a kernel\n", (u64)loader_main & ~0xFFFFul);
    for (u32 i = 0; i < 3; i++)
        console->put(3);

    u32 size = 0;
    for (u32 i = 0; i < 4; i++)
        size |= (u32)receive() << 8 * i;
    if (size == 0 || size > LARGEST) {
        print("SE\nloader: %u bytes is no size for a kernel\n", size);
        power_off();
    }
    console->put('O');
    console->put('K');
    for (u32 i = 0; i < size; i++)
        ((volatile u8 *)KERNEL)[i] = receive();

    print("\nloader: %u bytes, here we go\n", size);
    console->drain();
    asm volatile("dsb sy\n\tic iallu\n\tdsb sy\n\tisb" ::: "memory");
    ((entry *)KERNEL)(tree, 0, 0, 0);
}
