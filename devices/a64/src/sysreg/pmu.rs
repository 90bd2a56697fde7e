//! The performance monitors (ARM ARM D6, Cortex-A53 TRM chapter 12).
//!
//! An instruction counts as one cycle. Counters are brought up to date when a register of theirs is touched, so counting costs nothing.
//! The events counted are SW_INCR, INST_RETIRED and CPU_CYCLES; all others stay at zero. Filters by exception level are kept but not applied,
//! and an overflow sets its flag when it is looked at and raises no interrupt.

use super::{After, Reg};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Op, field};

/// Number of event counters (PMCR_EL0.N).
const EVENTS: usize = 6;
/// Bit of the cycle counter in the enable, interrupt and overflow registers.
const CYCLE_BIT: u64 = 1 << 31;
/// Bits that exist in these registers.
pub(super) const COUNTER_BITS: u64 = CYCLE_BIT | 0x3f;
/// Implementer ARM, ID code 3, six counters.
pub(super) const PMCR_ID: u64 = 0x4103_3000;

const PMCR_E: u64 = 1 << 0;
const PMCR_P: u64 = 1 << 1;
const PMCR_C: u64 = 1 << 2;
const PMCR_D: u64 = 1 << 3;
const PMCR_LC: u64 = 1 << 6;
/// Bits of PMCR_EL0 that keep what is written: LC, DP, X, D, E.
const PMCR_KEPT: u64 = 0x69;

const EVENT_SW_INCR: u64 = 0x00;
const EVENT_INST_RETIRED: u64 = 0x08;
const EVENT_CPU_CYCLES: u64 = 0x11;

/// PMSELR_EL0 value that selects PMCCFILTR_EL0.
const SELECT_CYCLES: u64 = 31;

/// The counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pmu {
    cycles: u64,
    /// Cycles that PMCR_EL0.D has not yet made a count.
    remainder: u64,
    events: [u32; EVENTS],
    types: [u64; EVENTS],
    /// Instructions retired when the counters were last brought up to date.
    at: u64,
}

impl Pmu {
    fn update(&mut self, now: u64, control: u64, enabled: u64) -> u64 {
        let elapsed = now.saturating_sub(self.at);
        self.at = now;
        if control & PMCR_E == 0 {
            return 0;
        }
        let mut overflow = 0;
        if enabled & CYCLE_BIT != 0 {
            overflow |= self.count_cycles(elapsed, control);
        }
        for (n, counter) in self.events.iter_mut().enumerate() {
            let counts = matches!(self.types[n] & 0x3ff, EVENT_INST_RETIRED | EVENT_CPU_CYCLES);
            if counts && enabled & (1 << n) != 0 {
                overflow |= u64::from(u64::from(*counter).saturating_add(elapsed) > u64::from(u32::MAX)) << n;
                *counter = counter.wrapping_add(elapsed as u32);
            }
        }
        overflow
    }

    fn count_cycles(&mut self, elapsed: u64, control: u64) -> u64 {
        let mut ticks = elapsed;
        if control & PMCR_D != 0 {
            self.remainder = self.remainder.wrapping_add(elapsed);
            ticks = self.remainder / 64;
            self.remainder %= 64;
        }
        let before = self.cycles;
        self.cycles = before.wrapping_add(ticks);
        let wrapped = if control & PMCR_LC != 0 { self.cycles < before } else { self.cycles >> 32 != before >> 32 };
        if wrapped { CYCLE_BIT } else { 0 }
    }
}

/// Brings the counters up to date.
fn update(core: &mut Core, op: &Op) {
    let now = core.retired_total(op);
    let (control, enabled) = (core.sys[Reg::PMCR_EL0], core.sys[Reg::PMCNTENSET_EL0]);
    let overflow = core.sys.pmu.update(now, control, enabled);
    core.sys[Reg::PMOVSSET_EL0] |= overflow;
}

/// Event counter that an instruction names: by CRm and op2, or by PMSELR_EL0.
fn event_index(core: &Core, op: &Op) -> usize {
    if field(op.insn, 15, 12) == 14 {
        (field(op.insn, 9, 8) << 3 | field(op.insn, 7, 5)) as usize
    } else {
        core.sys[Reg::PMSELR_EL0] as usize
    }
}

pub(super) fn read_control(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    PMCR_ID | core.sys[Reg::PMCR_EL0]
}

pub(super) fn write_control(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    if value & PMCR_P != 0 {
        core.sys.pmu.events = [0; EVENTS];
    }
    if value & PMCR_C != 0 {
        (core.sys.pmu.cycles, core.sys.pmu.remainder) = (0, 0);
    }
    core.sys[Reg::PMCR_EL0] = value & PMCR_KEPT;
    After::Next
}

pub(super) fn read_enable(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    core.sys[Reg::PMCNTENSET_EL0]
}

pub(super) fn set_enable(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMCNTENSET_EL0] |= value;
    After::Next
}

pub(super) fn clear_enable(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMCNTENSET_EL0] &= !value;
    After::Next
}

pub(super) fn read_overflow(core: &mut Core, _: &mut dyn Bus, op: &Op) -> u64 {
    update(core, op);
    core.sys[Reg::PMOVSSET_EL0]
}

pub(super) fn set_overflow(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMOVSSET_EL0] |= value;
    After::Next
}

pub(super) fn clear_overflow(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMOVSSET_EL0] &= !value;
    After::Next
}

pub(super) fn read_interrupt_enable(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    core.sys[Reg::PMINTENSET_EL1]
}

pub(super) fn set_interrupt_enable(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.sys[Reg::PMINTENSET_EL1] |= value;
    After::Next
}

pub(super) fn clear_interrupt_enable(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.sys[Reg::PMINTENSET_EL1] &= !value;
    After::Next
}

/// PMSWINC_EL0 counts on the counters whose event is SW_INCR.
pub(super) fn software_increment(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    let enabled = if core.sys[Reg::PMCR_EL0] & PMCR_E != 0 { core.sys[Reg::PMCNTENSET_EL0] } else { 0 };
    let pmu = &mut core.sys.pmu;
    let mut overflow = 0;
    for (n, counter) in pmu.events.iter_mut().enumerate() {
        if value & enabled & (1 << n) != 0 && pmu.types[n] & 0x3ff == EVENT_SW_INCR {
            overflow |= u64::from(*counter == u32::MAX) << n;
            *counter = counter.wrapping_add(1);
        }
    }
    core.sys[Reg::PMOVSSET_EL0] |= overflow;
    After::Next
}

pub(super) fn read_cycles(core: &mut Core, _: &mut dyn Bus, op: &Op) -> u64 {
    update(core, op);
    core.sys.pmu.cycles
}

pub(super) fn write_cycles(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys.pmu.cycles = value;
    After::Next
}

pub(super) fn read_event(core: &mut Core, _: &mut dyn Bus, op: &Op) -> u64 {
    update(core, op);
    core.sys.pmu.events.get(event_index(core, op)).copied().unwrap_or(0).into()
}

pub(super) fn write_event(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    let index = event_index(core, op);
    if let Some(counter) = core.sys.pmu.events.get_mut(index) {
        *counter = value as u32;
    }
    After::Next
}

pub(super) fn read_event_type(core: &mut Core, _: &mut dyn Bus, op: &Op) -> u64 {
    match event_index(core, op) as u64 {
        SELECT_CYCLES => core.sys[Reg::PMCCFILTR_EL0],
        index => core.sys.pmu.types.get(index as usize).copied().unwrap_or(0),
    }
}

pub(super) fn write_event_type(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    match event_index(core, op) as u64 {
        SELECT_CYCLES => core.sys[Reg::PMCCFILTR_EL0] = value & 0xfc00_0000,
        index => {
            if let Some(kind) = core.sys.pmu.types.get_mut(index as usize) {
                *kind = value & 0xfe00_03ff;
            }
        }
    }
    After::Next
}
