//! Traps of floating point, and software step: exceptions that the state of the core decides before an instruction executes.

use super::{CONDITION_ALWAYS, CPTR_TFP, Class, Exception};
use crate::core::Core;
use crate::decode::Flow;
use crate::mmu::Kind;
use crate::sysreg::{MDSCR_SS, Reg};

/// IFSC of a debug exception.
const DEBUG_EXCEPTION: u32 = 0x22;
/// ISS.ISV of a software step: EX is valid.
const STEP_ISV: u32 = 1 << 24;
/// ISS.EX: a load-exclusive was stepped.
const STEP_EX: u32 = 1 << 6;

impl Core {
    pub(super) fn fp_trapped_by_el1(&self) -> bool {
        let enable = self.sys[Reg::CPACR_EL1] >> 20 & 3;
        match self.el {
            0 => enable != 3,
            1 => enable & 1 == 0,
            _ => false,
        }
    }

    fn fp_trapped_by_el2(&self) -> bool {
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
            self.sys.stepped = Some(self.is_at_load_exclusive());
            return None;
        }
        // The syndrome tells of the instruction that was stepped, if one was (ARM ARM D2.12.6, D13.2.37).
        let syndrome = self.sys.stepped.map_or(0, |exclusive| STEP_ISV | if exclusive { STEP_EX } else { 0 });
        let exception = Exception { class: Class::SoftwareStep, iss: DEBUG_EXCEPTION | syndrome, far: None };
        Some(self.raise(exception, self.pc))
    }

    /// True if the next instruction is LDXR, LDAXR, LDXP or LDAXP.
    fn is_at_load_exclusive(&self) -> bool {
        let found = self.translate(self.pc, Kind::Execute, self.el).ok();
        let pair = found.and_then(|found| Some((self.config.ram.read_u64(found.pa & !7)?, found.pa)));
        pair.is_some_and(|(pair, pa)| pair >> (8 * (pa & 4)) & 0x3fc0_0000 == 0x0840_0000)
    }
}
