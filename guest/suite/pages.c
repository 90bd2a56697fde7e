/*
 * Pages of 4 KiB in the fourth gigabyte: 64 MiB of them, in an order that no block descriptor could give.
 */
#include "suite.h"

#define SPACE 0xC0000000ul
#define PAGE 4096ul
#define PAGES 16384u
#define TABLES 0x01000000ul /* level 2, then the level 3 tables; of a second space at +1 MiB, of a third at +2 MiB... */
#define MEMORY 0x02000000ul
#define SPACES 4u

#define DESC_TABLE 3ul
/* A page of Normal memory, for EL1, never executed. */
#define DESC_PAGE (3ul | 1ul << 2 | 3ul << 8 | 1ul << 10 | 1ul << 53 | 1ul << 54)
#define DESC_NOT_GLOBAL (1ul << 11)

static u64 level1s[SPACES][512] __attribute__((aligned(4096)));

static u64 *entry(u32 space, u32 page) { return (u64 *)(TABLES + (space << 20) + PAGE) + page; }

/* Which of the 16,384 physical pages page `page` of a space is. */
static u64 place(u32 space, u32 page) { return MEMORY + ((page * 5381u + space * 4099u + 17) & (PAGES - 1)) * PAGE; }

/* Fills a space's tables; its first level is otherwise the library's. */
static void space_make(u32 space, u64 attributes)
{
    const u64 *kernel = (const u64 *)(read_sysreg(ttbr0_el1) & 0xFFFFFFFFF000ul);
    u64 *level2 = (u64 *)(TABLES + (space << 20));

    for (u32 i = 0; i < 3; i++)
        level1s[space][i] = kernel[i];
    level1s[space][3] = (u64)level2 | DESC_TABLE;
    for (u32 i = 0; i < 512; i++)
        level2[i] = i < PAGES / 512 ? (u64)entry(space, 512 * i) | DESC_TABLE : 0;
    for (u32 i = 0; i < PAGES; i++)
        *entry(space, i) = place(space, i) | attributes;
    dsb();
}

static void space_use(u32 space, u64 asid)
{
    write_sysreg(ttbr0_el1, (u64)level1s[space] | asid << 48);
    isb();
}

static void memory_fill(void)
{
    for (u32 i = 0; i < PAGES; i++)
        *(u64 *)(MEMORY + i * PAGE) = i;
    dsb();
}

/* n words read and written, each in another page. */
u64 run_tlb(u64 n)
{
    u64 sum = 0;
    u32 page = 0;

    memory_fill();
    space_make(0, DESC_PAGE);
    space_use(0, 0);
    for (u64 i = 0; i < n; i++) {
        page = (page * 4093 + 12345) & (PAGES - 1);
        volatile u64 *word = (volatile u64 *)(SPACE + page * PAGE);
        sum += *word;
        *word = sum;
    }
    return fold(sum, page);
}

/*
 * n pages change places, one after the other: break, invalidate, make. In between eight pages are read; every 256th
 * time the whole TLB is invalidated.
 */
u64 run_tlbi(u64 n)
{
    u64 sum = 0;
    u32 page = 0;

    memory_fill();
    space_make(0, DESC_PAGE);
    space_use(0, 0);
    for (u64 i = 0; i < n; i++) {
        u64 *change = entry(0, i * 11 & 255);
        u64 address = SPACE + (i * 11 & 255) * PAGE;
        *(volatile u64 *)change = 0;
        asm volatile("dsb ishst\n\ttlbi vaae1is, %0\n\tdsb ish" ::"r"(address >> 12) : "memory");
        *(volatile u64 *)change = place(0, (i * 131) & (PAGES - 1)) | DESC_PAGE;
        asm volatile("dsb ishst\n\tisb" ::: "memory");
        if ((i & 255) == 255)
            asm volatile("tlbi vmalle1is\n\tdsb ish\n\tisb" ::: "memory");
        sum += *(volatile u64 *)address;
        for (u32 k = 0; k < 7; k++) {
            page = (page * 69 + 53) & 255;
            sum = (sum << 1 | sum >> 63) + *(volatile u64 *)(SPACE + page * PAGE);
        }
    }
    return fold(sum, page);
}

/* n switches between four address spaces with ASIDs of their own; sixteen pages read and written in each. */
u64 run_spaces(u64 n)
{
    u64 sum = 0;

    memory_fill();
    for (u32 i = 0; i < SPACES; i++)
        space_make(i, DESC_PAGE | DESC_NOT_GLOBAL);
    for (u64 i = 0; i < n; i++) {
        u32 space = i & (SPACES - 1);
        space_use(space, space + 1);
        for (u32 k = 0; k < 16; k++) {
            volatile u64 *word = (volatile u64 *)(SPACE + ((i >> 4 & 3) * 16 + k) * PAGE);
            sum += *word;
            *word = sum ^ i;
        }
    }
    return fold(sum, n);
}
