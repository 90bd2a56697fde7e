// Core 0: down to EL1, vectors, translation, main. The others count in EL1, without translation.
.section .text.boot, "ax"
.global _start
_start:
    mrs x0, CurrentEL
    cmp x0, #0xc
    b.ne 1f
    adr x1, 1f
    msr elr_el3, x1
    mov x1, #0x3c9
    msr spsr_el3, x1
    mov x1, #0x531
    msr scr_el3, x1
    eret
1:  mrs x0, CurrentEL
    cmp x0, #0x8
    b.ne 2f
    mov x1, #(1 << 31)
    msr hcr_el2, x1
    adr x1, 2f
    msr elr_el2, x1
    mov x1, #0x3c5
    msr spsr_el2, x1
    eret
2:  mrs x0, mpidr_el1
    and x0, x0, #3
    cbnz x0, secondary
    ldr x1, =stack_top
    mov sp, x1
    ldr x1, =vectors
    msr vbar_el1, x1
    mov x1, #(3 << 20)
    msr cpacr_el1, x1
    bl make_tables
    mov x1, #0xff
    msr mair_el1, x1            // attribute 0: Normal, 1: Device
    ldr x1, =(25 | 25 << 16 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 23)
    msr tcr_el1, x1
    ldr x1, =level1
    msr ttbr0_el1, x1
    isb
    mrs x1, sctlr_el1
    orr x1, x1, #1
    msr sctlr_el1, x1
    isb
    bl main
3:  wfe
    b 3b

// Core n adds to others[n] for ever.
.global secondary
secondary:
    ldr x1, =others
    add x1, x1, x0, lsl #3
    mov x2, #0
.global secondary_loop
secondary_loop:
    add x2, x2, #1
    str x2, [x1]
    b secondary_loop

.balign 0x800
.global vectors
vectors:
    .space 0x200
    // Current level with SP_ELx, synchronous: SVC. Returns the number of the call, doubled.
.global on_svc
on_svc:
    mrs x9, esr_el1
    and x9, x9, #0xffff
    add x0, x9, x9
    eret
    .balign 0x80
    b .
    .space 0x500
