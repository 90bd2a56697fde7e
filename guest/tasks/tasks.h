/* tasks: what C and assembly share. */
#ifndef TASKS_H
#define TASKS_H

#include "guest.h"

#define CALL_FORK 1
#define CALL_EXIT 2
#define USER_CODE 0xC0000000
#define USER_STACK 0xC0800000

#ifndef __ASSEMBLER__
#define PAGE 4096ul
#define TASKS 8u
#define USER_PAGES 16u

/* A page of a task: copied by the first of its owners to write, if shared. */
struct page {
    u64 virtual, physical;
};

struct task {
    bool used, ended;
    struct frame frame; /* what returns to EL0 */
    u64 sp;             /* SP_EL0 */
    u8 fp[34 * 16] __attribute__((aligned(16))); /* v0 to v31, FPSR, FPCR */
    u64 level1[4] __attribute__((aligned(64)));
    struct page pages[USER_PAGES];
    u32 page_count;
};

/* The tables of a task: pages.c. */
struct counts {
    u32 demanded, copied;
};
extern struct counts counts;
void space_init(struct task *task);
void space_switch(const struct task *task, u32 number);
void space_fork(struct task *parent, struct task *child, u32 parent_number);
bool space_fault(struct task *task, u32 number, u64 address, u64 esr);

/* user.S */
extern const char user_code[], user_code_end[];
void fp_save(void *to);
void fp_restore(const void *from);
#endif
#endif
