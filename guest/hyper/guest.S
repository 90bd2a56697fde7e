/*
 * What runs inside: position independent, at 0x40000000 of an address space of its own, in EL1.
 */
        .section .rodata.guest, "a"
        .balign 4096
        .globl  guest_code
guest_code:
        mov     x0, #0x40000000
        add     x0, x0, #0x100000
        mov     sp, x0
        adr     x0, guest_vectors
        msr     vbar_el1, x0

        adr     x0, hello
        bl      say
        mrs     x0, midr_el1
        mrs     x1, mpidr_el1
        hvc     #1
        wfi
        mov     x0, #0x84000000         /* PSCI_VERSION */
        smc     #0
        mov     x1, #0
        hvc     #1

        /* The virtual timer, some 1,000 counts ahead; its handler sets x20. */
        mov     x20, #0
        mov     x0, #1000
        msr     cntv_tval_el0, x0
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        msr     daifclr, #2
1:      cbz     x20, 1b
        msr     daifset, #2

        /* Stage 1 on top of stage 2: one block of 1 GiB, Normal memory. */
        adr     x0, level1
        mov     x1, #0x40000000
        add     x1, x1, #0x701          /* block, inner shareable, accessed */
        str     x1, [x0, #8]
        msr     ttbr0_el1, x0
        mov     x1, #0x3520             /* 32 bits, cached walks */
        movk    x1, #0x80, lsl #16      /* no TTBR1 */
        msr     tcr_el1, x1
        mov     x1, #0xff
        msr     mair_el1, x1
        dsb     sy
        tlbi    vmalle1
        dsb     sy
        isb
        mrs     x1, sctlr_el1
        orr     x1, x1, #1
        msr     sctlr_el1, x1
        isb
        mov     x2, #0x40000000
        add     x2, x2, #0x200000
        mov     x0, #77
        str     x0, [x2, #16]           /* memory that is not there yet */
        ldr     x0, [x2, #16]
        mrs     x1, sctlr_el1
        and     x1, x1, #1
        hvc     #1
        msr     sctlr_el1, xzr          /* the port is not in the guest's tables */
        isb
        adr     x0, bye
        bl      say
        hvc     #0
        b       .

/* Prints the string at x0, waiting for room. */
say:    mov     x9, #0x50000000
1:      ldrb    w10, [x0], #1
        cbz     w10, 3f
2:      ldr     w11, [x9, #0x18]
        tbnz    w11, #5, 2b
        strb    w10, [x9]
        b       1b
3:      ret

hello:  .asciz  "hello from EL1\n"
bye:    .asciz  "good bye\n"

        .balign 2048
guest_vectors:
        .rept   5
        .balign 128
        b       .
        .endr
        .balign 128
        msr     cntv_ctl_el0, xzr
        mov     x20, #1
        hvc     #2
        eret
        .balign 4096
level1: .space  64
        .globl  guest_code_end
guest_code_end:
