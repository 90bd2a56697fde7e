//! Who may touch a register (ARM ARM D1.11 to D1.13: configurable instruction enables and traps).

use super::{Reg, Register, Trap, hcr, sctlr};
use crate::core::Core;

/// Why an access is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// The instruction is undefined at this level.
    Undefined,
    /// Trapped to an exception level with the class of system instructions.
    To(u8),
    /// Trapped as an FP instruction is.
    Fp,
}

/// Allowed, or not.
type Verdict = Result<(), Denied>;

const MDCR_TPMCR: u64 = 1 << 5;
const MDCR_TPM: u64 = 1 << 6;
const MDCR_TDE: u64 = 1 << 8;
const MDCR_TDA: u64 = 1 << 9;
const MDCR_TDOSA: u64 = 1 << 10;
const MDCR_TDRA: u64 = 1 << 11;
const CPTR_TCPAC: u64 = 1 << 31;
const MDSCR_TDCC: u64 = 1 << 12;

const CNTKCTL_EL0PCTEN: u64 = 1 << 0;
const CNTKCTL_EL0VCTEN: u64 = 1 << 1;
const CNTKCTL_EL0VTEN: u64 = 1 << 8;
const CNTKCTL_EL0PTEN: u64 = 1 << 9;
const CNTHCTL_EL1PCTEN: u64 = 1 << 0;
const CNTHCTL_EL1PCEN: u64 = 1 << 1;

/// Refuses with `denied` if `condition` holds.
fn unless(condition: bool, denied: Denied) -> Verdict {
    if condition { Err(denied) } else { Ok(()) }
}

impl Core {
    /// Checks an access to `register` from the current level: the level itself, then the traps to EL1, EL2 and EL3 in this order.
    pub(super) fn check_access(&self, register: &Register, write: bool) -> Verdict {
        unless(self.el < if write { register.write_el } else { register.read_el }, Denied::Undefined)?;
        match register.trap {
            Trap::None => Ok(()),
            Trap::VirtualMemory => self.hcr_trap(if write { hcr::TVM } else { hcr::TRVM }),
            Trap::Id1 => self.hcr_trap(hcr::TID1),
            Trap::Id2 => self.hcr_trap(hcr::TID2),
            Trap::Id3 => self.hcr_trap(hcr::TID3),
            Trap::CacheType => self.check_cache_type(),
            Trap::Cpacr => self.check_cpacr(),
            Trap::Actlr => self.hcr_trap(hcr::TACR),
            Trap::Implementation(bit) => self.check_implementation(bit, write),
            Trap::Daif => self.el0_needs(self.sys[Reg::SCTLR_EL1] & sctlr::UMA != 0),
            Trap::SpEl0 => unless(!self.spsel, Denied::Undefined),
            Trap::Fp => unless(self.fp_trap().is_some(), Denied::Fp),
            Trap::PhysicalCounter => self.check_physical(CNTKCTL_EL0PCTEN, CNTHCTL_EL1PCTEN),
            Trap::VirtualCounter => self.el0_timer(CNTKCTL_EL0VCTEN),
            Trap::CounterFrequency => self.el0_timer(CNTKCTL_EL0PCTEN | CNTKCTL_EL0VCTEN),
            Trap::PhysicalTimer => self.check_physical(CNTKCTL_EL0PTEN, CNTHCTL_EL1PCEN),
            Trap::VirtualTimer => self.el0_timer(CNTKCTL_EL0VTEN),
            Trap::SecureTimer => self.check_secure_timer(),
            Trap::Pmu(enables) => self.check_pmu(enables, MDCR_TPM),
            Trap::PmuCounter(enables) => self.check_pmu(if write { 1 } else { enables }, MDCR_TPM),
            Trap::PmuUser => self.check_pmu_traps(MDCR_TPM),
            Trap::PmuControl => self.check_pmu(1, MDCR_TPM | MDCR_TPMCR),
            Trap::Debug => self.check_debug(MDCR_TDA),
            Trap::DebugOs => self.check_debug(MDCR_TDOSA),
            Trap::DebugRom => self.check_debug(MDCR_TDRA),
        }
    }

    /// Traps EL1 (and what of EL0 came this far) to EL2 where a bit of HCR_EL2 says so.
    pub(crate) fn hcr_trap(&self, bits: u64) -> Verdict {
        unless(self.el < 2 && self.hcr() & bits != 0, Denied::To(2))
    }

    /// Traps EL0 to EL1 (or EL2 under TGE) unless `enabled`.
    pub(crate) fn el0_needs(&self, enabled: bool) -> Verdict {
        unless(self.el == 0 && !enabled, Denied::To(self.el1_or_tge()))
    }

    fn check_cache_type(&self) -> Verdict {
        self.el0_needs(self.sys[Reg::SCTLR_EL1] & sctlr::UCT != 0)?;
        self.hcr_trap(hcr::TID2)
    }

    fn check_cpacr(&self) -> Verdict {
        let el2 = self.el == 1 && !self.secure() && self.sys[Reg::CPTR_EL2] & CPTR_TCPAC != 0;
        unless(el2, Denied::To(2))?;
        unless(self.el < 3 && self.sys[Reg::CPTR_EL3] & CPTR_TCPAC != 0, Denied::To(3))
    }

    /// Cortex-A53 TRM 4.3.32 and 4.3.33: ACTLR_EL2 and ACTLR_EL3 hand write access down.
    fn check_implementation(&self, bit: u8, write: bool) -> Verdict {
        self.hcr_trap(hcr::TIDCP)?;
        if !write || bit == 0 {
            return Ok(());
        }
        let bit = u64::from(bit);
        unless(self.el == 1 && !self.secure() && self.sys[Reg::ACTLR_EL2] & bit == 0, Denied::To(2))?;
        unless(self.el < 3 && self.sys[Reg::ACTLR_EL3] & bit == 0, Denied::To(3))
    }

    fn el0_timer(&self, enables: u64) -> Verdict {
        self.el0_needs(self.sys[Reg::CNTKCTL_EL1] & enables != 0)
    }

    fn check_physical(&self, kernel: u64, hypervisor: u64) -> Verdict {
        self.el0_timer(kernel)?;
        unless(self.el < 2 && !self.secure() && self.sys[Reg::CNTHCTL_EL2] & hypervisor == 0, Denied::To(2))
    }

    fn check_secure_timer(&self) -> Verdict {
        if self.el == 3 {
            return Ok(());
        }
        unless(self.el == 2 || !self.secure(), Denied::Undefined)?;
        unless(self.sys[Reg::SCR_EL3] & super::scr::ST == 0, Denied::To(3))
    }

    fn check_pmu(&self, enables: u8, el2: u64) -> Verdict {
        self.el0_needs(self.sys[Reg::PMUSERENR_EL0] & u64::from(enables) != 0)?;
        self.check_pmu_traps(el2)
    }

    fn check_pmu_traps(&self, el2: u64) -> Verdict {
        self.mdcr_el2_trap(el2)?;
        unless(self.el < 3 && self.sys[Reg::MDCR_EL3] & MDCR_TPM != 0, Denied::To(3))
    }

    fn check_debug(&self, bit: u64) -> Verdict {
        self.el0_needs(self.sys[Reg::MDSCR_EL1] & MDSCR_TDCC == 0)?;
        // TDE and HCR_EL2.TGE imply the debug traps of EL2.
        unless(self.el < 2 && self.hcr() & hcr::TGE != 0, Denied::To(2))?;
        self.mdcr_el2_trap(bit | MDCR_TDE)?;
        // EL3 has no bit of its own for the ROM address: TDA covers all that TDOSA does not.
        let el3 = if bit == MDCR_TDOSA { MDCR_TDOSA } else { MDCR_TDA };
        unless(self.el < 3 && self.sys[Reg::MDCR_EL3] & el3 != 0, Denied::To(3))
    }

    fn mdcr_el2_trap(&self, bits: u64) -> Verdict {
        unless(self.el < 2 && !self.secure() && self.sys[Reg::MDCR_EL2] & bits != 0, Denied::To(2))
    }
}
