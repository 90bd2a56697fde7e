/* What C cannot say: a program in EL0, and the MMU's end. */
#include "guest.h"

        .section .text.entry, "ax"

/* u64 user_calls(u64 entry, u64 n): goes to EL0 with x19 = n and x0 = 0; the handler of the last call sends it to user_return. */
        .globl  user_calls
user_calls:
        stp     x19, x20, [sp, #-32]!
        str     x30, [sp, #16]
        mov     x19, x1
        msr     elr_el1, x0
        msr     spsr_el1, xzr
        isb
        mov     x0, #0
        eret
        .globl  user_return
user_return:
        ldr     x30, [sp, #16]
        ldp     x19, x20, [sp], #32
        ret

/* In EL0, at an alias. */
        .globl  user_loop
user_loop:
        cbz     x19, 2f
1:      mov     x8, x19
        svc     #0
        subs    x19, x19, #1
        b.ne    1b
2:      svc     #1
        b       .

/* void mmu_off(void): cleans and invalidates the data caches by set and way, level by level, and switches all off. */
        .globl  mmu_off
mmu_off:
        dsb     sy
        mrs     x0, clidr_el1
        mov     x1, #0                          /* level, as CSSELR_EL1 has it: times 2 */
1:      add     x2, x1, x1, lsr #1
        lsr     x3, x0, x2
        and     x3, x3, #7
        cmp     x3, #2                          /* data or unified */
        b.lo    4f
        msr     csselr_el1, x1
        isb
        mrs     x4, ccsidr_el1
        and     x5, x4, #7
        add     x5, x5, #4                      /* log2 of the line */
        ubfx    x6, x4, #3, #10                 /* ways - 1 */
        ubfx    x7, x4, #13, #15                /* sets - 1 */
        clz     w8, w6
2:      mov     x9, x7
3:      lsl     w10, w6, w8
        lsl     x11, x9, x5
        orr     x10, x10, x11
        orr     x10, x10, x1
        dc      cisw, x10
        subs    x9, x9, #1
        b.hs    3b
        subs    x6, x6, #1
        b.hs    2b
4:      add     x1, x1, #2
        cmp     x1, #14
        b.lo    1b
        dsb     sy
        mrs     x0, sctlr_el1
        mov     x1, #0x1005                     /* I, C, M */
        bic     x0, x0, x1
        msr     sctlr_el1, x0
        isb
        tlbi    vmalle1
        ic      iallu
        dsb     sy
        isb
        ret
