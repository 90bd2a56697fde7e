//! Traps of floating point, and software step: exceptions that the state of the core decides before an instruction executes.

use super::{CONDITION_ALWAYS, CPTR_TFP, Class, Exception};
use crate::core::Core;
use crate::decode::Flow;
use crate::sysreg::{MDSCR_SS, Reg};

impl Core {
    fn fp_trapped_by_el1(&self) -> bool {
        let enable = self.sys[Reg::CPACR_EL1] >> 20 & 3;
        match self.el {
            0 => enable != 3,
            1 => enable & 1 == 0,
            _ => false,
        }
    }

    pub(super) fn fp_trapped_by_el2(&self) -> bool {
        self.el < 3 && !self.secure_below_el3() && self.sys[Reg::CPTR_EL2] & CPTR_TFP != 0
    }

    /// The level to which FP and SIMD instructions are trapped, if they are.
    pub(super) fn fp_trap_target(&self) -> Option<u8> {
        if self.fp_trapped_by_el1() {
            Some(self.el1_or_tge())
        } else if self.fp_trapped_by_el2() {
            Some(2)
        } else if self.sys[Reg::CPTR_EL3] & CPTR_TFP != 0 {
            Some(3)
        } else {
            None
        }
    }

    /// The exception that an FP or SIMD instruction raises at this level, if it is not allowed (CPACR_EL1, CPTR_EL2, CPTR_EL3). It changes only
    /// where [`Core::context_changed`] is called.
    pub fn fp_trap(&self) -> Option<Exception> {
        let trapped = self.fp_trap_target().is_some();
        trapped.then_some(Exception { class: Class::FpTrap, iss: CONDITION_ALWAYS, far: None })
    }

    /// True if software step is on for the current level (ARM ARM D2.12, D2.4.1).
    pub fn step_enabled(&self) -> bool {
        self.sys[Reg::MDSCR_EL1] & MDSCR_SS != 0 && self.debug_enabled()
    }

    /// To be called before an instruction while [`Core::step_enabled`]: raises the software step exception if its turn has come, and else lets one
    /// instruction through.
    pub fn step(&mut self) -> Option<Flow> {
        if std::mem::take(&mut self.sys.single_step) {
            return None;
        }
        // ISV is clear: whether the stepped instruction was a load-exclusive is not told.
        let exception = Exception { class: Class::SoftwareStep, iss: 0x22, far: None };
        Some(self.raise(exception, self.pc))
    }
}
