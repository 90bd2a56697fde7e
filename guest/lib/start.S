/*
 * From the reset vector to C. The firmware enters at EL2 with x0 = the device tree's address; EL3 (no
 * firmware stub) and EL1 do as well. Every core ends in EL1 with its own stack.
 */
#include "guest.h"

#define STACK_SHIFT 14

        .section .text.start, "ax"
        .globl  _start
_start:
        mrs     x19, mpidr_el1
        and     x19, x19, #3
        cbnz    x19, park

        /* Zero .bss; its ends are multiples of 64. */
        adrp    x1, bss_start
        add     x1, x1, :lo12:bss_start
        adrp    x2, bss_end
        add     x2, x2, :lo12:bss_end
1:      cmp     x1, x2
        b.hs    2f
        stp     xzr, xzr, [x1], #16
        b       1b

2:      adr     x20, boot_main
        b       to_el1

/* Entered by the spin table. */
        .globl  secondary_start
secondary_start:
        mrs     x19, mpidr_el1
        and     x19, x19, #3
        adr     x20, boot_secondary
        b       to_el1

/* Cores that arrive together with core 0 (no firmware stub) wait on the same spin table. */
park:
        mov     x1, #0xd8
        add     x1, x1, x19, lsl #3
1:      wfe
        ldr     x2, [x1]
        cbz     x2, 1b
        br      x2

/* x19 = core, x20 = where to go on in EL1, with x0 = core. */
to_el1:
        adrp    x0, stacks_top
        add     x0, x0, :lo12:stacks_top
        sub     x21, x0, x19, lsl #STACK_SHIFT
        adrp    x22, vectors
        add     x22, x22, :lo12:vectors
        mrs     x0, CurrentEL
        lsr     x0, x0, #2
        cmp     x0, #2
        b.lo    in_el1
        b.eq    in_el2

        /*
         * EL3, with no firmware stub before us: join the coherent cores (CPUECTLR_EL1.SMPEN), let the counter
         * run from the crystal and say how fast, and go to a non-secure EL2.
         */
        mrs     x0, S3_1_C15_C2_1
        orr     x0, x0, #0x40
        msr     S3_1_C15_C2_1, x0
        mrs     x0, cntfrq_el0
        cbnz    x0, 1f
        mov     x0, #0x40000000
        str     wzr, [x0]                       /* control: the crystal, in single steps */
        mov     w1, #0x80000000
        str     w1, [x0, #8]                    /* prescaler: 1 */
        mov     x0, #0xf800
        movk    x0, #0x0124, lsl #16            /* 19,200,000 */
        msr     cntfrq_el0, x0
1:
        msr     cptr_el3, xzr
        mov     x0, #0x5b1                      /* RW, HCE, SMD, RES1, NS */
        msr     scr_el3, x0
        mov     x0, #0x3c9                      /* EL2h, all masked */
        msr     spsr_el3, x0
        adr     x0, in_el2
        msr     elr_el3, x0
        isb
        eret

in_el2:
        mov     sp, x21
        msr     vbar_el2, x22
        mov     x0, #0x33ff                     /* trap no FP */
        msr     cptr_el2, x0
        msr     hstr_el2, xzr
        mrs     x0, cnthctl_el2
        orr     x0, x0, #3                      /* EL1 may use the physical counter and timer */
        msr     cnthctl_el2, x0
        msr     cntvoff_el2, xzr
        mrs     x0, midr_el1
        msr     vpidr_el2, x0
        mrs     x0, mpidr_el1
        msr     vmpidr_el2, x0
        isb

        /* A guest with something to do in EL2 defines el2_main. */
        .weak   el2_main
        cbnz    x19, 1f
        ldr     x0, =el2_main
        cbz     x0, 1f
        blr     x0

1:      mov     x0, #0x80000000                 /* EL1 is AArch64 */
        msr     hcr_el2, x0
        mov     x0, #0x0800
        movk    x0, #0x30d0, lsl #16            /* MMU and caches off, little endian */
        msr     sctlr_el1, x0
        mov     x0, #0x3c5                      /* EL1h, all masked */
        msr     spsr_el2, x0
        adr     x0, in_el1
        msr     elr_el2, x0
        isb
        eret

in_el1:
        msr     spsel, #1
        mov     sp, x21
        msr     vbar_el1, x22
        mov     x0, #0x300000                   /* FP and ASIMD for EL1 and EL0 */
        msr     cpacr_el1, x0
        isb
        mov     x0, x19
        mov     x29, xzr
        mov     x30, xzr
        br      x20
        .ltorg
