/* What runs in EL0: position independent, entered at an alias that EL0 may read and execute. */
#include "guest.h"

        .section .text.user, "ax"

/*
 * u64 user_run(u64 entry, u64 stack, u64 spsr): goes to EL0. The exception that ends it is sent by the
 * handler to 1f, in EL1, with the registers as EL0 left them; x0 is what is returned.
 */
        .globl  user_run
user_run:
        stp     x19, x20, [sp, #-96]!
        stp     x21, x22, [sp, #16]
        stp     x23, x24, [sp, #32]
        stp     x25, x26, [sp, #48]
        stp     x27, x28, [sp, #64]
        stp     x29, x30, [sp, #80]
        msr     elr_el1, x0
        msr     sp_el0, x1
        msr     spsr_el1, x2
        adr     x3, 1f
        adrp    x4, resume_at
        add     x4, x4, :lo12:resume_at
        str     x3, [x4]
        eret
1:      ldp     x21, x22, [sp, #16]
        ldp     x23, x24, [sp, #32]
        ldp     x25, x26, [sp, #48]
        ldp     x27, x28, [sp, #64]
        ldp     x29, x30, [sp, #80]
        ldp     x19, x20, [sp], #96
        ret

/* 1 + 2 + ... + 100, by way of the stack. */
        .globl  user_work
user_work:
        mov     x0, #0
        mov     x1, #100
1:      str     x1, [sp, #-16]!
        sub     x1, x1, #1
        cbnz    x1, 1b
        mov     x1, #100
2:      ldr     x2, [sp], #16
        add     x0, x0, x2
        subs    x1, x1, #1
        b.ne    2b
        svc     #7

/* Until the first word under the stack's page is not zero. */
        .globl  user_loop
user_loop:
        mov     x1, sp
        sub     x1, x1, #0x1000
1:      ldr     w2, [x1]
        cbz     w2, 1b
        svc     #8

        .globl  user_undefined
user_undefined:
        .inst   0x00000000
        svc     #9

        .globl  user_sysreg
user_sysreg:
        mrs     x0, cntpct_el0
        svc     #10

        .globl  user_abort
user_abort:
        mov     x1, #0x80000
        ldr     x0, [x1]
        svc     #11

        .globl  user_sp
user_sp:
        sub     sp, sp, #8
        ldr     x0, [sp]
        svc     #12
