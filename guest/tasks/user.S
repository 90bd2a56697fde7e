/* What tasks run in EL0, and (below) what keeps their floating point registers apart. */
#include "tasks.h"

        .section .rodata.user, "a"
        .balign 4096
        .globl  user_code
user_code:
        mov     x0, #7                  /* a page that all will write to */
        str     x0, [sp, #-16]!

        /* Two forks make four of us. x20 becomes 0 to 3. */
        mov     x8, #CALL_FORK
        svc     #0
        cmp     x0, #0
        cset    x20, eq
        mov     x8, #CALL_FORK
        svc     #0
        cmp     x0, #0
        cset    x0, eq
        add     x20, x20, x0, lsl #1

        ldr     x0, [sp]
        add     x0, x0, x20
        str     x0, [sp]

        /* Each fills a page of its own, at the same address as the others'. */
        mov     x21, #USER_CODE
        add     x21, x21, #0x10, lsl #12
        mov     x0, #0
1:      add     x1, x0, x20, lsl #8
        str     x1, [x21, x0, lsl #3]
        add     x0, x0, #1
        cmp     x0, #512
        b.ne    1b

        /* A sum over the page, two thousand times, in integers and in doubles; then the stack. */
        mov     x22, #0
        fmov    d8, xzr
        mov     x23, #2000
2:      mov     x0, #0
3:      ldr     x1, [x21, x0, lsl #3]
        add     x22, x22, x1
        scvtf   d0, x1
        fadd    d8, d8, d0
        add     x0, x0, #1
        cmp     x0, #512
        b.ne    3b
        subs    x23, x23, #1
        b.ne    2b
        stp     x22, x20, [sp, #-16]!
        fcvtzu  x0, d8
        ldp     x22, x20, [sp], #16

        /* Both sums are the same number, or something was lost on the way. */
        cmp     x0, x22
        csel    x0, x22, xzr, eq
        ldr     x1, [sp]                /* 7 and x20 */
        add     x0, x0, x1
        mov     x1, x20
        mov     x8, #CALL_EXIT
        svc     #0
        b       .
        .globl  user_code_end
user_code_end:

        .text
        .globl  fp_save
fp_save:
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        str     q\n, [x0], #16
        .endr
        .irp    n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        str     q\n, [x0], #16
        .endr
        mrs     x1, fpsr
        mrs     x2, fpcr
        stp     x1, x2, [x0]
        ret

        .globl  fp_restore
fp_restore:
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        ldr     q\n, [x0], #16
        .endr
        .irp    n, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        ldr     q\n, [x0], #16
        .endr
        ldp     x1, x2, [x0]
        msr     fpsr, x1
        msr     fpcr, x2
        ret
