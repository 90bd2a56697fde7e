/*
 * Runs low, where it was loaded, until the tables are made; everything after `high` runs where it is linked.
 * Only PC-relative addresses are right before that.
 */
        .section .text.start, "ax"
        .globl  _start
_start:
        mrs     x19, mpidr_el1
        and     x19, x19, #3
        cbz     x19, 1f
0:      wfe
        b       0b

1:      mrs     x0, CurrentEL
        cmp     x0, #(2 << 2)
        b.ne    2f
        mrs     x0, cnthctl_el2
        orr     x0, x0, #3
        msr     cnthctl_el2, x0
        msr     cntvoff_el2, xzr
        mov     x0, #0x80000000
        msr     hcr_el2, x0
        mov     x0, #0x0800
        movk    x0, #0x30d0, lsl #16
        msr     sctlr_el1, x0
        mov     x0, #0x3c5
        msr     spsr_el2, x0
        adr     x0, 2f
        msr     elr_el2, x0
        eret

2:      adrp    x0, stack_top
        mov     sp, x0
        adrp    x1, bss_start
        add     x1, x1, :lo12:bss_start
        adrp    x2, bss_end
        add     x2, x2, :lo12:bss_end
3:      cmp     x1, x2
        b.hs    4f
        stp     xzr, xzr, [x1], #16
        b       3b
4:      bl      make_tables             /* low */
        ldr     x0, =stack_top
        mov     sp, x0
        ldr     x0, =vectors
        msr     vbar_el1, x0
        ldr     x0, =high
        br      x0
high:   bl      higher_main
        b       .
        .ltorg
