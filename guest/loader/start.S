/* Entered at 0x80000, linked elsewhere: copies itself there, jumps to the copy and keeps what the firmware passed. */
        .section .text.start, "ax"
        .globl  _start
_start:
        mrs     x19, mpidr_el1
        and     x19, x19, #3
        cbz     x19, 1f
0:      wfe
        b       0b

1:      mov     x20, x0
        adr     x1, _start              /* where we are */
        ldr     x2, =loader_start       /* where we belong */
        ldr     x3, =loader_end
2:      ldp     x4, x5, [x1], #16
        stp     x4, x5, [x2], #16
        cmp     x2, x3
        b.lo    2b
        ldr     x2, =bss_start
        ldr     x3, =bss_end
3:      cmp     x2, x3
        b.hs    4f
        stp     xzr, xzr, [x2], #16
        b       3b
4:      dsb     sy
        ic      iallu
        dsb     sy
        isb
        ldr     x2, =stack_top
        mov     sp, x2
        mov     x0, x20
        ldr     x2, =loader_main
        br      x2
        .ltorg
