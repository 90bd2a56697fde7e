/*
 * blit: a picture of 320x200 pixels with a palette of 256 colours, put together by the DMA controller.
 *
 * One chain of control blocks fills the screen, draws a frame of bars and copies a tile over it, in 2D mode (rows
 * with a stride); its end raises an interrupt. Prints a checksum of the pixels and leaves the picture for a moment.
 *
 * BCM2835 ARM Peripherals, section 4.
 */
#include "guest.h"

#define WIDTH 320u
#define HEIGHT 200u
#define CHANNEL 5u

#define DMA (PERIPHERALS + 0x7000 + 0x100 * CHANNEL)
#define DMA_CS (DMA + 0x00)
#define DMA_BLOCK (DMA + 0x04)
#define DMA_ENABLE (PERIPHERALS + 0x7FF0)
#define CS_ACTIVE (1u << 0)
#define CS_END (1u << 1)
#define CS_INT (1u << 2)
#define CS_ERROR (1u << 8)
#define CS_RESET (1u << 31)

#define TI_INTERRUPT (1u << 0)
#define TI_2D (1u << 1)
#define TI_WAIT (1u << 3)
#define TI_TO_INC (1u << 4)
#define TI_FROM_INC (1u << 8)
#define TI_ZEROS (1u << 11) /* read nothing, write zeros */

#define IRQ_DMA(channel) (1u << (16 + (channel)))

#define BUS 0xC0000000u

/* A control block, as the controller reads it. */
struct block {
    u32 info, from, to, length, stride, next, reserved[2];
};
_Static_assert(sizeof(struct block) == 32, "the hardware's layout");

static volatile struct block blocks[16] SHARED_WITH_GPU;
static u8 bars[8][16] SHARED_WITH_GPU;
static u8 tile[32 * 32] SHARED_WITH_GPU;
static u32 used;
static volatile u32 interrupts;

static u32 bus(const volatile void *address) { return (u32)(u64)address | BUS; }

/* Appends a transfer to the chain. `rows` of `bytes`; strides are added after each row. */
static void transfer(u32 info, u32 from, u32 to, u32 bytes, u32 rows, u32 from_stride, u32 to_stride)
{
    volatile struct block *block = &blocks[used];

    block->info = info | TI_2D | TI_WAIT | TI_TO_INC;
    block->from = from;
    block->to = to;
    block->length = (rows - 1) << 16 | bytes;
    block->stride = (to_stride & 0xFFFF) << 16 | (from_stride & 0xFFFF);
    block->next = 0;
    if (used)
        blocks[used - 1].next = bus(block);
    used++;
}

static void on_interrupt(struct frame *frame)
{
    (void)frame;
    if (read32(ARMCTRL_PENDING_1) & IRQ_DMA(CHANNEL)) {
        interrupts++;
        write32(DMA_CS, CS_INT | CS_END);
    }
}

static u8 *open_screen(u32 *pitch)
{
    property_begin();
    property_tag_with(TAG_SET_PHYSICAL_SIZE, 8, WIDTH, HEIGHT);
    property_tag_with(TAG_SET_VIRTUAL_SIZE, 8, WIDTH, HEIGHT);
    property_tag_with(TAG_SET_DEPTH, 4, 8, 0);
    u32 *allocation = property_tag_with(TAG_ALLOCATE, 8, 4096, 0);
    u32 *row = property_tag(TAG_GET_PITCH, 4);
    u32 *palette = property_tag_with(TAG_SET_PALETTE, 8 + 256 * 4, 0, 256);
    for (u32 i = 0; i < 256; i++)
        palette[2 + i] = 0xFF000000u | (255 - i) << 16 | (i * 3 & 0xFF) << 8 | i;
    if (property_post() != PROPERTY_DONE || !allocation[0])
        return NULL;
    *pitch = *row;
    return (u8 *)bus_to_arm(allocation[0]);
}

void guest_main(void)
{
    u32 pitch;
    u8 *screen = open_screen(&pitch);

    if (!screen) {
        print("blit: no screen\n");
        return;
    }
    u32 at = bus(screen);
    for (u32 i = 0; i < sizeof tile; i++)
        tile[i] = (u8)(i / 32 * 8 ^ i);
    for (u32 i = 0; i < 8; i++)
        memset(bars[i], (int)(32 * i + 31), 16);

    transfer(TI_ZEROS, 0, at, WIDTH, HEIGHT, 0, pitch - WIDTH);
    /* One row of 16 bytes over and over: the source's stride takes it back. */
    for (u32 i = 0; i < 8; i++)
        transfer(TI_FROM_INC, bus(bars[i]), at + 20 * pitch + 40 * i, 16, 160, (u32)-16, pitch - 16);
    for (u32 i = 0; i < 4; i++)
        transfer(TI_FROM_INC, bus(tile), at + (30 + 40 * i) * pitch + 8 + 80 * i, 32, 32, 0, pitch - 32);
    blocks[used - 1].info |= TI_INTERRUPT;

    exception_handler = on_interrupt;
    write32(ARMCTRL_ENABLE_1, IRQ_DMA(CHANNEL));
    irq_enable();
    write32(DMA_ENABLE, read32(DMA_ENABLE) | 1u << CHANNEL);
    write32(DMA_CS, CS_RESET);
    dsb();
    write32(DMA_BLOCK, bus(blocks));
    write32(DMA_CS, CS_ACTIVE);
    u64 deadline = time_us() + 1000000;
    while (!interrupts && time_us() < deadline)
        ;
    irq_disable();

    u32 checksum = 0;
    for (u32 y = 0; y < HEIGHT; y++)
        for (u32 x = 0; x < WIDTH; x++)
            checksum = checksum * 31 + screen[y * pitch + x];
    print("blit: %u blocks, %u interrupt, CS active %u error %u, checksum %08x\n", used, interrupts,
          read32(DMA_CS) & CS_ACTIVE, (read32(DMA_CS) & CS_ERROR) != 0, checksum);
    sleep_until_us(time_us() + 50000);
    print("blit: done\n");
}
