//! From reset to the kernel, as the Pi's boot firmware does it.

use super::spsr_of;
use crate::core::Core;
use crate::sysreg::Reg;

/// Frequency of the system counter on a Pi 3.
const COUNTER_HZ: u64 = 19_200_000;
/// SCR_EL3: AArch64 EL2, HVC enabled, SMC undefined, Non-secure.
const SCR: u64 = 0x5b1;
/// SCTLR_EL2: all off.
const SCTLR: u64 = 0x30c5_0830;
/// ACTLR_EL2 and ACTLR_EL3: EL1 may write the implementation defined registers.
const ACTLR: u64 = 0x73;
/// CPUECTLR_EL1.SMPEN.
const SMP_ENABLED: u64 = 1 << 6;
/// L2CTLR_EL1: four cores, slower L2 RAM.
const L2_CONTROL: u64 = 0x0300_0022;
/// SPSR_EL3: EL2 with its own stack pointer, everything masked.
const TO_EL2: u64 = 0x3c9;

impl Core {
    /// Leaves reset as the boot firmware's EL3 stub does on a Pi 3, and enters a kernel at `pc` in EL2: MMU and caches off, interrupts masked, FP not
    /// trapped by EL3, CNTFRQ_EL0 19.2 MHz. General registers are the caller's business.
    ///
    /// Kernels made for `kernel_old=1` replace the stub: they start at EL3 with the core as [`Core::new`] leaves it.
    pub fn enter_kernel(&mut self, pc: u64) {
        for (register, value) in [
            (Reg::L2CTLR_EL1, L2_CONTROL),
            (Reg::CNTFRQ_EL0, COUNTER_HZ),
            (Reg::CNTVOFF_EL2, 0),
            (Reg::CPTR_EL3, 0),
            (Reg::SCR_EL3, SCR),
            (Reg::ACTLR_EL3, ACTLR),
            (Reg::ACTLR_EL2, ACTLR),
            (Reg::CPUECTLR_EL1, SMP_ENABLED),
            (Reg::SCTLR_EL2, SCTLR),
            (Reg::ELR_EL3, pc),
            (spsr_of(3), TO_EL2),
        ] {
            self.sys[register] = value;
        }
        self.switch_sp(3, true);
        self.exception_return();
    }
}
