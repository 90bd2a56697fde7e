/*
 * hyper: a hypervisor in EL2 with one guest in EL1 (guest.S).
 *
 * The guest believes that it has memory at 0x40000000 and a serial port at 0x50000000. Stage 2 translation gives it
 * the memory: 2 MiB from the start, the next 2 MiB when it first touches them. The port is nowhere: each access
 * is a data abort whose syndrome says which register was to be stored or loaded. WFI and SMC are trapped, the virtual
 * counter starts at zero for the guest, and its timer's interrupt comes to EL2, which passes it on as a virtual one.
 */
#include "guest.h"

#define MEGABYTE 0x100000ul
#define GUEST_MEMORY 0x01000000ul /* where it is */
#define GUEST_BASE 0x40000000ul   /* where the guest sees it */
#define GUEST_UART 0x50000000ul
#define GUEST_MIDR 0x410FD999ul /* a processor of our own */
#define GUEST_MPIDR 0x80000007ul

/* HCR_EL2 */
#define HCR_VM (1ul << 0)   /* stage 2 */
#define HCR_FMO (1ul << 3)  /* FIQs and IRQs come to EL2, */
#define HCR_IMO (1ul << 4)
#define HCR_VI (1ul << 7)   /* and this one is the guest's */
#define HCR_TWI (1ul << 13) /* traps: WFI, */
#define HCR_TSC (1ul << 19) /* SMC */
#define HCR_RW (1ul << 31)

/* VTCR_EL2: 32-bit addresses from level 1, 4 KiB granule, cached walks. */
#define VTCR (1ul << 31 | 3ul << 12 | 1ul << 10 | 1ul << 8 | 1ul << 6 | 32)
/* Stage 2 block: Normal write-back, read and write, inner shareable, accessed. */
#define STAGE2_BLOCK (1ul << 10 | 3ul << 8 | 3ul << 6 | 15ul << 2 | 1)
#define TABLE 3ul

#define EC_WFX 0x01
#define EC_HVC 0x16
#define EC_SMC 0x17
#define EC_DATA_ABORT 0x24
#define ISS_VALID (1u << 24)
#define ISS_WRITE (1u << 6)

#define TIMER_VIRTUAL 8u /* line in the local controller's registers */
#define CONTROL_ENABLE 1u
#define CONTROL_MASK 2u

extern const char guest_code[], guest_code_end[];

static u64 level1[512] __attribute__((aligned(4096)));
static u64 level2[512] __attribute__((aligned(4096)));

static char line[80];
static u32 length, loads;

static void uart_write(u8 byte)
{
    if (byte == '\n') {
        line[length] = 0;
        print("guest says: %s\n", line);
        length = 0;
    } else if (length < sizeof line - 1) {
        line[length++] = (char)byte;
    }
}

/* The guest's port: what is stored at 0 is printed; a load of the status at 0x18 says that there is room. */
static bool uart_access(struct frame *frame, u64 address)
{
    u32 number = frame->esr >> 16 & 31;

    if (!(frame->esr & ISS_VALID))
        return false;
    if (frame->esr & ISS_WRITE) {
        if (address == GUEST_UART)
            uart_write(number == 31 ? 0 : (u8)frame->x[number]);
    } else {
        loads++;
        if (number != 31)
            frame->x[number] = 0x90;
    }
    frame->elr += 4;
    return true;
}

/* The second 2 MiB, on demand. */
static bool more_memory(u64 address)
{
    if (address - GUEST_BASE >= 4 * MEGABYTE)
        return false;
    print("hyper: memory at 0x%lx on demand\n", address & ~(2 * MEGABYTE - 1));
    level2[1] = (GUEST_MEMORY + 2 * MEGABYTE) | STAGE2_BLOCK;
    dsb();
    asm volatile("tlbi ipas2e1is, %0\n\tdsb sy\n\ttlbi vmalle1is\n\tdsb sy\n\tisb" ::"r"(address >> 12) : "memory");
    return true;
}

static void data_abort(struct frame *frame)
{
    u64 address = (read_sysreg(hpfar_el2) >> 4 << 12) | (frame->far & 0xFFF);
    bool handled = address >= GUEST_UART && address < GUEST_UART + 0x1000 ? uart_access(frame, address)
                                                                          : more_memory(address);

    if (!handled) {
        print("hyper: the guest has nothing at 0x%lx (ESR 0x%lx)\n", address, frame->esr);
        power_off();
    }
}

static void hypercall(struct frame *frame)
{
    switch (frame->esr & 0xFFFF) {
    case 0:
        print("hyper: the guest is done, %u loads of its port\n", loads);
        power_off();
    case 1:
        print("hyper: guest reports 0x%lx 0x%lx\n", frame->x[0], frame->x[1]);
        break;
    case 2: /* end of interrupt */
        write_sysreg(hcr_el2, read_sysreg(hcr_el2) & ~HCR_VI);
        print("hyper: interrupt taken\n");
        break;
    }
}

/* The only interrupt that is enabled: the guest's timer. It stays high until the guest has dealt with it, so mask it. */
static void guest_timer(void)
{
    print("hyper: timer, source 0x%x\n", read32(LOCAL_IRQ_SOURCE(0)));
    write_sysreg(cntv_ctl_el0, CONTROL_ENABLE | CONTROL_MASK);
    write_sysreg(hcr_el2, read_sysreg(hcr_el2) | HCR_VI);
}

static void trap(struct frame *frame)
{
    u32 class = frame->esr >> 26;

    if (frame->vector == 9) {
        guest_timer();
    } else if (frame->vector == 8 && class == EC_HVC) {
        hypercall(frame);
    } else if (frame->vector == 8 && class == EC_DATA_ABORT) {
        data_abort(frame);
    } else if (frame->vector == 8 && class == EC_WFX) {
        print("hyper: WFI at 0x%lx\n", frame->elr);
        frame->elr += 4;
    } else if (frame->vector == 8 && class == EC_SMC) {
        print("hyper: SMC %u, function 0x%lx\n", (u32)frame->esr & 0xFFFF, frame->x[0]);
        frame->x[0] = 0x10001;
        frame->elr += 4;
    } else {
        print("hyper: vector %lu ESR 0x%lx ELR 0x%lx FAR 0x%lx\n", frame->vector, frame->esr, frame->elr, frame->far);
        power_off();
    }
}

/* start.S calls this in EL2, before there is anything in EL1. */
void el2_main(void)
{
    console->init();
    print("hyper: in EL%lu\n", read_sysreg(CurrentEL) >> 2);
    exception_handler = trap;

    memcpy((void *)GUEST_MEMORY, guest_code, (size_t)(guest_code_end - guest_code));
    level2[0] = GUEST_MEMORY | STAGE2_BLOCK;
    level1[GUEST_BASE >> 30] = (u64)level2 | TABLE;
    write_sysreg(vtcr_el2, VTCR);
    write_sysreg(vttbr_el2, (u64)level1 | 1ul << 48);
    dsb();
    asm volatile("tlbi vmalls12e1is\n\tic iallu\n\tdsb sy\n\tisb" ::: "memory");

    write_sysreg(vpidr_el2, GUEST_MIDR);
    write_sysreg(vmpidr_el2, GUEST_MPIDR);
    write_sysreg(cntvoff_el2, read_sysreg(cntpct_el0));
    write32(LOCAL_CORE_TIMERS(0), TIMER_VIRTUAL);
    write_sysreg(sctlr_el1, 0x30D00800ul);
    write_sysreg(hcr_el2, HCR_RW | HCR_VM | HCR_IMO | HCR_FMO | HCR_TWI | HCR_TSC);
    write_sysreg(spsr_el2, 0x3C5ul); /* EL1h, all masked */
    write_sysreg(elr_el2, GUEST_BASE);
    asm volatile("isb\n\teret");
}

/* Entered in EL1: there is nothing to be a hypervisor with. */
void guest_main(void) { print("hyper: not entered in EL2\n"); }
