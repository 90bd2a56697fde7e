// What the firmware leaves at address 0 to start a kernel: brings every core from its reset (EL3) to EL2, sends core 0 into the kernel and parks the
// others on the spin table.
//
// Layout known to kernels and boot loaders: spin table at 0xd8 (8 bytes a core), address of the device tree or ATAGs at 0xf8, of the kernel at 0xfc.
// Rebuild with build.sh.

        .equ    LOCAL_BASE,     0x40000000      // ARM-local peripherals
        .equ    COUNTER_HZ,     19200000
        // SCR_EL3: RW (EL2 is AArch64), HCE, SMD, RES1 bits 5 and 4, NS
        .equ    SCR,            (1 << 10) | (1 << 8) | (1 << 7) | (3 << 4) | 1
        // SCTLR_EL2: its RES1 bits; MMU and caches off
        .equ    SCTLR_EL2_RES1, 0x30c50830
        // ACTLR_EL3: EL2 may use CPUACTLR, CPUECTLR, L2CTLR, L2ECTLR, L2ACTLR
        .equ    ACTLR,          0x73
        .equ    SMPEN,          1 << 6
        // SPSR_EL3: EL2h, DAIF masked
        .equ    SPSR,           0x3c9

        .section .text
        .global _start
_start:
        mov     x0, #LOCAL_BASE
        str     wzr, [x0]                       // counter from the crystal
        mov     w1, #0x80000000
        str     w1, [x0, #8]                    // prescaler: undivided
        ldr     w0, =COUNTER_HZ
        msr     cntfrq_el0, x0
        msr     cntvoff_el2, xzr
        msr     cptr_el3, xzr                   // FP and SIMD do not trap
        mov     x0, #SCR
        msr     scr_el3, x0
        mov     x0, #ACTLR
        msr     actlr_el3, x0
        mov     x0, #SMPEN
        msr     S3_1_c15_c2_1, x0               // CPUECTLR_EL1
        ldr     w0, =SCTLR_EL2_RES1
        msr     sctlr_el2, x0
        mov     x0, #SPSR
        msr     spsr_el3, x0
        adr     x0, in_el2
        msr     elr_el3, x0
        eret

in_el2:
        mrs     x6, mpidr_el1
        and     x6, x6, #3
        cbz     x6, primary
        adr     x5, spin_table
wait:   wfe
        ldr     x4, [x5, x6, lsl #3]
        cbz     x4, wait
        mov     x0, #0
        b       enter
primary:
        ldr     w4, kernel
        ldr     w0, tree
enter:  mov     x1, #0
        mov     x2, #0
        mov     x3, #0
        br      x4
        .ltorg

        .org    0xd8
spin_table:
        .quad   0, 0, 0, 0
        .org    0xf8
tree:   .word   0
        .org    0xfc
kernel: .word   0
        .org    0x100
