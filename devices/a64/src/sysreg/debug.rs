//! Self-hosted debug registers (ARM ARM D2, D13.3).
//!
//! What they do is in `exception::debug` and `exception::traps`. No external debugger is connected.

use super::{After, Reg};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::Op;

/// OSLSR_EL1: the OS lock is locked.
const OSLK: u64 = 1 << 1;
/// OSLSR_EL1.OSLM: the OS lock exists.
const OSLM: u64 = 1 << 3;
/// Value of OSLSR_EL1 after a cold reset: locked.
pub(super) const OSLSR_RESET: u64 = OSLM | OSLK;
/// Claim tags that exist.
pub(super) const CLAIM_BITS: u64 = 0xff;

/// MDSCR_EL1.SS: software step is on.
pub(crate) const MDSCR_SS: u64 = 1 << 0;
/// MDSCR_EL1.KDE: debug exceptions within the debug target level.
pub(crate) const MDSCR_KDE: u64 = 1 << 13;
/// MDSCR_EL1.MDE: breakpoints and watchpoints are on.
pub(crate) const MDSCR_MDE: u64 = 1 << 15;
/// Bits of MDSCR_EL1 that software changes: MDE, KDE, TDCC, SS.
pub(super) const MDSCR_KEPT: u64 = 0xb001;

/// The step state must be looked at again.
pub(super) fn write_mdscr(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.sys[Reg::MDSCR_EL1] = value;
    core.debug_changed();
    After::Leave
}

pub(super) fn write_os_lock(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.sys[Reg::OSLSR_EL1] = OSLM | if value & 1 != 0 { OSLK } else { 0 };
    core.debug_changed();
    After::Leave
}

/// OSDLR_EL1, and the values and controls of breakpoints and watchpoints.
pub(super) fn write_debug(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    core.sys.set_value(op.imm, value);
    core.debug_changed();
    After::Leave
}

pub(super) fn set_claim(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.sys[Reg::DBGCLAIMCLR_EL1] |= value;
    After::Next
}

pub(super) fn clear_claim(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.sys[Reg::DBGCLAIMCLR_EL1] &= !value;
    After::Next
}

/// DBGCLAIMSET_EL1 reads as the tags that exist.
pub(super) fn read_claim_set(_: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    CLAIM_BITS
}

/// No debugger reads or writes the communications channel.
pub(super) fn read_nothing(_: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    0
}

impl Core {
    /// True while the OS lock or the OS double lock silences debug exceptions.
    pub(crate) fn debug_locked(&self) -> bool {
        self.sys[Reg::OSLSR_EL1] & OSLK != 0 || self.sys[Reg::OSDLR_EL1] & 1 != 0
    }
}
