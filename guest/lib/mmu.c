/*
 * Stage 1 translation, 4 KiB granule, 32-bit addresses, identity mapped in 2 MiB blocks. A Cortex-A53 needs
 * cached memory for exclusives, and any Normal memory for unaligned accesses.
 */
#include "guest.h"

#define BLOCK_SHIFT 21
#define BLOCK_SIZE (1ul << BLOCK_SHIFT)
#define DESC_BLOCK 1ul
#define DESC_TABLE 3ul
#define DESC_TYPE(type) ((u64)(type) << 2)
#define DESC_EL0 (1ul << 6)
#define DESC_READ_ONLY (1ul << 7)
#define DESC_INNER_SHAREABLE (3ul << 8)
#define DESC_ACCESS (1ul << 10)
#define DESC_PXN (1ul << 53)
#define DESC_UXN (1ul << 54)

/* Device-nGnRnE, Normal write-back, Normal non-cacheable: enum memory_type in this order. */
#define MAIR 0x44FF00ul
/* 32-bit addresses from TTBR0 alone; walks are cached and inner shareable. */
#define TCR (32ul | 1ul << 8 | 1ul << 10 | 3ul << 12 | 1ul << 23)

#define SCTLR_M (1ul << 0)
#define SCTLR_C (1ul << 2)
#define SCTLR_I (1ul << 12)

static u64 level1[512] __attribute__((aligned(4096)));
static u64 identity[512] __attribute__((aligned(4096)));
static u64 aliases[512] __attribute__((aligned(4096)));

static u64 block(u64 physical, enum memory_type type)
{
    u64 never_execute = type == MEMORY_CACHED ? 0 : DESC_PXN;

    return physical | DESC_BLOCK | DESC_TYPE(type) | DESC_INNER_SHAREABLE | DESC_ACCESS | DESC_UXN |
           never_execute;
}

/* Where the cores' memory ends and the VideoCore's begins. */
static u64 arm_memory_end(void)
{
    property_begin();
    u32 *value = property_tag(TAG_ARM_MEMORY, 8);
    if (property_post() == PROPERTY_DONE && value[1] >= 64u << 20)
        return ((u64)value[0] + value[1]) & ~(BLOCK_SIZE - 1);
    return 0x38000000;
}

/* Runs on core 0 with the MMU still off. */
void mmu_init(void)
{
    u64 end = arm_memory_end();

    for (u64 i = 0; i < 512; i++) {
        u64 physical = i << BLOCK_SHIFT;
        bool uncached = physical == BLOCK_SIZE || physical >= end; /* .dma, the VideoCore's memory */
        identity[i] = block(physical, physical >= PERIPHERALS ? MEMORY_DEVICE
                                      : uncached              ? MEMORY_UNCACHED
                                                              : MEMORY_CACHED);
    }
    level1[0] = (u64)identity | DESC_TABLE;
    level1[1] = block(LOCAL, MEMORY_DEVICE);
    level1[2] = (u64)aliases | DESC_TABLE;
}

void mmu_enable(void)
{
    write_sysreg(mair_el1, MAIR);
    write_sysreg(tcr_el1, TCR);
    write_sysreg(ttbr0_el1, level1);
    dsb();
    asm volatile("tlbi vmalle1\n\tdsb sy\n\tisb" ::: "memory");
    write_sysreg(sctlr_el1, read_sysreg(sctlr_el1) | SCTLR_M | SCTLR_C | SCTLR_I);
    isb();
}

void mmu_map_alias(u32 slot, u64 physical, enum memory_type type, bool user, bool code)
{
    u64 descriptor = block(physical, type);

    if (user)
        descriptor |= DESC_EL0;
    if (user && code)
        descriptor = (descriptor | DESC_READ_ONLY | DESC_PXN) & ~DESC_UXN;
    aliases[slot & 511] = descriptor;
    dsb();
    asm volatile("tlbi vmalle1is\n\tdsb sy\n\tisb" ::: "memory");
}
