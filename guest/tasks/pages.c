/*
 * Address spaces. The kernel's half (identity, 3 GiB) is the same in all; the fourth gigabyte is the task's own: two
 * levels of tables, pages that come when they are touched, and after a fork are shared until one writes.
 *
 * Each task has an ASID, and its pages are not global: switching tasks needs no TLB maintenance.
 */
#include "tasks.h"

#define POOL 0x02000000ul
#define DESC_TABLE 3ul
#define DESC_PAGE 3ul
#define DESC_NORMAL (1ul << 2)
#define DESC_EL0 (1ul << 6)
#define DESC_READ_ONLY (1ul << 7)
#define DESC_INNER_SHAREABLE (3ul << 8)
#define DESC_ACCESS (1ul << 10)
#define DESC_NOT_GLOBAL (1ul << 11)
#define DESC_PXN (1ul << 53)
#define DESC_UXN (1ul << 54)

#define PAGE_USER                                                                                               \
    (DESC_PAGE | DESC_NORMAL | DESC_EL0 | DESC_INNER_SHAREABLE | DESC_ACCESS | DESC_NOT_GLOBAL | DESC_PXN)
#define PAGE_CODE (PAGE_USER | DESC_READ_ONLY)
#define PAGE_DATA (PAGE_USER | DESC_UXN)
#define PAGE_SHARED (PAGE_DATA | DESC_READ_ONLY)

#define STATUS_TRANSLATION 0x04u
#define STATUS_PERMISSION 0x0Cu

struct counts counts;

static u64 pool = POOL;

static u64 new_page(void)
{
    u64 page = pool;

    pool += PAGE;
    memset((void *)page, 0, PAGE);
    return page;
}

static u64 *entry(struct task *task, u64 address)
{
    u64 *level2 = (u64 *)(task->level1[3] & ~0xFFFul);
    u64 *slot = &level2[address >> 21 & 511];

    if (!*slot)
        *slot = new_page() | DESC_TABLE;
    return &((u64 *)(*slot & ~0xFFFul))[address >> 12 & 511];
}

static void forget(u32 number, u64 address)
{
    dsb();
    asm volatile("tlbi vae1is, %0\n\tdsb sy\n\tisb" ::"r"((u64)number << 48 | address >> 12) : "memory");
}

static void map(struct task *task, u64 address, u64 physical, u64 attributes)
{
    *entry(task, address) = physical | attributes;
    dsb();
}

void space_init(struct task *task)
{
    const u64 *kernel = (const u64 *)(read_sysreg(ttbr0_el1) & 0xFFFFFFFFFFC0ul);

    for (u32 i = 0; i < 3; i++)
        task->level1[i] = kernel[i];
    task->level1[3] = new_page() | DESC_TABLE;
    task->page_count = 0;
    map(task, USER_CODE, (u64)user_code, PAGE_CODE);
}

void space_switch(const struct task *task, u32 number)
{
    write_sysreg(ttbr0_el1, (u64)number << 48 | (u64)task->level1);
    isb();
}

void space_fork(struct task *parent, struct task *child, u32 parent_number)
{
    space_init(child);
    for (u32 i = 0; i < parent->page_count; i++) {
        struct page *page = &parent->pages[i];
        map(parent, page->virtual, page->physical, PAGE_SHARED);
        map(child, page->virtual, page->physical, PAGE_SHARED);
        forget(parent_number, page->virtual);
        child->pages[child->page_count++] = *page;
    }
}

/* Gives the task what it lacks at `address`; false if it has no business there. */
bool space_fault(struct task *task, u32 number, u64 address, u64 esr)
{
    u32 status = (u32)esr & 0x3C;
    u64 at = address & ~(PAGE - 1);

    if (at < USER_CODE || at >= USER_STACK)
        return false;
    if (status == STATUS_TRANSLATION && task->page_count < USER_PAGES) {
        struct page *page = &task->pages[task->page_count++];
        *page = (struct page){at, new_page()};
        map(task, at, page->physical, PAGE_DATA);
        counts.demanded++;
        return true;
    }
    for (u32 i = 0; status == STATUS_PERMISSION && i < task->page_count; i++) {
        struct page *page = &task->pages[i];
        if (page->virtual != at)
            continue;
        u64 copy = new_page();
        memcpy((void *)copy, (const void *)page->physical, PAGE);
        page->physical = copy;
        map(task, at, copy, PAGE_DATA);
        forget(number, at);
        counts.copied++;
        return true;
    }
    return false;
}
