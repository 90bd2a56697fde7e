/* Core 0 gets a stack and goes to main; the others wait. No vectors: nothing is to survive. */
    .section .text.start, "ax"
    .globl _start
_start:
    mrs     x0, mpidr_el1
    and     x0, x0, #3
    cbnz    x0, park
    adr     x0, _start
    mov     sp, x0
    mov     x29, xzr
    mov     x30, xzr
    bl      main
park:
    wfe
    b       park
