/* The firmware leaves the device tree's address in x0: carry it past the first steps, stay at the level we came in. */
        .section .text.start, "ax"
        .globl  _start
_start:
        mrs     x19, mpidr_el1
        and     x19, x19, #3
        cbz     x19, 1f
0:      wfe
        b       0b

1:      adrp    x1, stacks_top
        add     x1, x1, :lo12:stacks_top
        mov     sp, x1
        adrp    x2, bss_start
        add     x2, x2, :lo12:bss_start
        adrp    x3, bss_end
        add     x3, x3, :lo12:bss_end
2:      cmp     x2, x3
        b.hs    3f
        stp     xzr, xzr, [x2], #16
        b       2b
3:      bl      tree_main
        b       .
