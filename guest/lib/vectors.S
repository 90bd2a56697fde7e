/*
 * The exception vectors, for EL1 and EL2 alike: each entry saves a struct frame on the current stack and
 * calls exception_entry(frame) in C; what C changes in the frame is what the return takes.
 */
#include "guest.h"

        .macro  entry number
        .balign 128
        sub     sp, sp, #FRAME_SIZE
        stp     x0, x1, [sp]
        mov     x0, #\number
        b       save
        .endm

        .section .text.vectors, "ax"
        .balign 2048
        .globl  vectors
vectors:
        .set    number, 0
        .rept   16
        entry   number
        .set    number, number + 1
        .endr

save:
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x19, [sp, #144]
        stp     x20, x21, [sp, #160]
        stp     x22, x23, [sp, #176]
        stp     x24, x25, [sp, #192]
        stp     x26, x27, [sp, #208]
        stp     x28, x29, [sp, #224]
        mrs     x1, CurrentEL
        cmp     x1, #(2 << 2)
        b.eq    1f
        mrs     x2, elr_el1
        mrs     x3, spsr_el1
        mrs     x4, esr_el1
        mrs     x5, far_el1
        b       2f
1:      mrs     x2, elr_el2
        mrs     x3, spsr_el2
        mrs     x4, esr_el2
        mrs     x5, far_el2
2:      stp     x30, x2, [sp, #240]
        stp     x3, x4, [sp, #256]
        stp     x5, x0, [sp, #272]
        mov     x0, sp
        bl      exception_entry

        ldp     x30, x2, [sp, #240]
        ldr     x3, [sp, #256]
        mrs     x1, CurrentEL
        cmp     x1, #(2 << 2)
        b.eq    3f
        msr     elr_el1, x2
        msr     spsr_el1, x3
        b       4f
3:      msr     elr_el2, x2
        msr     spsr_el2, x3
4:      ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldp     x18, x19, [sp, #144]
        ldp     x20, x21, [sp, #160]
        ldp     x22, x23, [sp, #176]
        ldp     x24, x25, [sp, #192]
        ldp     x26, x27, [sp, #208]
        ldp     x28, x29, [sp, #224]
        ldp     x0, x1, [sp]
        add     sp, sp, #FRAME_SIZE
        eret
