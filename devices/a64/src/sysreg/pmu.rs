//! The performance monitors (ARM ARM D6, Cortex-A53 TRM chapter 12).
//!
//! An instruction counts as one cycle. Counters are brought up to date when a register of theirs is touched, when the exception level changes and where
//! one is to overflow with its interrupt enabled: so counting costs nothing in between. The events are those in [`EVENTS_COUNTED`], which is what
//! PMCEID0_EL0 shows.

use super::{After, Reg};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Op, field};
use serde::{Deserialize, Serialize};

/// Number of event counters (PMCR_EL0.N).
const EVENTS: usize = 6;
/// Bit of the cycle counter in the enable, interrupt and overflow registers.
const CYCLE_BIT: u64 = 1 << 31;
/// Bits that exist in these registers.
pub(super) const COUNTER_BITS: u64 = CYCLE_BIT | 0x3f;
/// Implementer ARM, ID code 3; the number of counters is added.
const PMCR_ID: u64 = 0x4103_0000;
const PMCR_N: u32 = 11;

const PMCR_E: u64 = 1 << 0;
const PMCR_P: u64 = 1 << 1;
const PMCR_C: u64 = 1 << 2;
const PMCR_D: u64 = 1 << 3;
const PMCR_DP: u64 = 1 << 5;
const PMCR_LC: u64 = 1 << 6;
/// Bits of PMCR_EL0 that keep what is written: LC, DP, X, D, E.
const PMCR_KEPT: u64 = 0x79;
/// MDCR_EL2.HPMN and HPME: the counters from HPMN on belong to EL2, and HPME enables them.
const HPMN: u64 = 0x1f;
const HPME: u64 = 1 << 7;
/// MDCR_EL3.SPME: events count in Secure state.
const SPME: u64 = 1 << 17;

/// Events (ARM ARM D6.10).
const SW_INCR: u64 = 0x00;
const INST_RETIRED: u64 = 0x08;
pub(crate) const EXC_TAKEN: u64 = 0x09;
pub(crate) const EXC_RETURN: u64 = 0x0a;
const CID_WRITE_RETIRED: u64 = 0x0b;
const CPU_CYCLES: u64 = 0x11;
const CHAIN: u64 = 0x1e;
/// PMCEID0_EL0: a bit for each event that is counted.
pub(super) const EVENTS_COUNTED: u64 =
    1 << SW_INCR | 1 << INST_RETIRED | 1 << EXC_TAKEN | 1 << EXC_RETURN | 1 << CID_WRITE_RETIRED | 1 << CPU_CYCLES | 1 << CHAIN;
/// Event number in PMEVTYPERn_EL0.
const EVENT: u64 = 0x3ff;
/// Filter bits in PMEVTYPERn_EL0 and PMCCFILTR_EL0: P, U, NSK, NSU, NSH, M.
const FILTER: u64 = 0xfc00_0000;

/// PMSELR_EL0 value that selects PMCCFILTR_EL0.
const SELECT_CYCLES: u64 = 31;

/// The counters.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Pmu {
    cycles: u64,
    /// Cycles that PMCR_EL0.D has not yet made a count.
    remainder: u64,
    events: [u32; EVENTS],
    types: [u64; EVENTS],
    /// Instructions retired when the counters were last brought up to date.
    at: u64,
    /// Some counter is enabled: changes of the exception level matter.
    live: bool,
    /// Some counter that is enabled interrupts: overflows must be noticed when they happen.
    armed: bool,
    /// Level of the interrupt as the machine knows it.
    level: bool,
}

impl Pmu {
    /// The counters as they were last brought up to date, for [`Core::inspect`].
    pub(crate) fn inspect(&self, visit: &mut dyn FnMut(&'static str, usize, u64)) {
        visit("cycles", 0, self.cycles);
        visit("cycles remainder", 0, self.remainder);
        for (n, (&count, &kind)) in self.events.iter().zip(&self.types).enumerate() {
            visit("event counter", n, count.into());
            visit("event type", n, kind);
        }
        visit("counted up to", 0, self.at);
        visit("PMU interrupt", 0, self.level.into());
    }
}

/// The filter of a counter lets the current state through.
fn passes(core: &Core, filter: u64) -> bool {
    let bit = |n: u32| filter >> n & 1 != 0;
    let (p, u, nsk, nsu, nsh, m) = (bit(31), bit(30), bit(29), bit(28), bit(27), bit(26));
    match (core.el, core.secure()) {
        (0, true) => !u,
        (1, true) => !p,
        (0, false) => u == nsu,
        (1, false) => p == nsk,
        (2, _) => nsh,
        _ => m == p,
    }
}

/// Counters below this one belong to EL1 (MDCR_EL2.HPMN).
fn first_of_el2(core: &Core) -> usize {
    ((core.sys[Reg::MDCR_EL2] & HPMN) as usize).min(EVENTS)
}

/// Number of event counters that the current level sees.
fn visible(core: &Core) -> usize {
    if core.el < 2 && !core.secure() { first_of_el2(core) } else { EVENTS }
}

/// Bits of the counters that the current level sees.
fn visible_bits(core: &Core) -> u64 {
    CYCLE_BIT | ((1 << visible(core)) - 1)
}

/// Bits of the counters whose controlling enable is set: PMCR_EL0.E, and MDCR_EL2.HPME for those of EL2.
fn switched_on(core: &Core) -> u64 {
    let el1 = CYCLE_BIT | ((1 << first_of_el2(core)) - 1);
    let mut on = 0;
    if core.sys[Reg::PMCR_EL0] & PMCR_E != 0 {
        on |= el1;
    }
    if core.sys[Reg::MDCR_EL2] & HPME != 0 {
        on |= COUNTER_BITS & !el1;
    }
    on
}

/// Bits of the counters that count in the current state.
fn counting(core: &Core) -> u64 {
    let mut counting = switched_on(core) & core.sys[Reg::PMCNTENSET_EL0];
    let prohibited = core.secure() && core.sys[Reg::MDCR_EL3] & SPME == 0;
    for n in 0..EVENTS {
        if prohibited || !passes(core, core.sys.pmu.types[n]) {
            counting &= !(1 << n);
        }
    }
    if prohibited && core.sys[Reg::PMCR_EL0] & PMCR_DP != 0 || !passes(core, core.sys[Reg::PMCCFILTR_EL0]) {
        counting &= !CYCLE_BIT;
    }
    counting
}

fn event(core: &Core, n: usize) -> u64 {
    core.sys.pmu.types[n] & EVENT
}

/// Adds to an event counter; an overflow is flagged, and counted by a chained counter.
fn add(core: &mut Core, n: usize, amount: u64, counting: u64) {
    let sum = u64::from(core.sys.pmu.events[n]) + (amount & 0xffff_ffff);
    let overflows = (sum >> 32) + (amount >> 32);
    core.sys.pmu.events[n] = sum as u32;
    if overflows > 0 {
        core.sys[Reg::PMOVSSET_EL0] |= 1 << n;
        let chained = n + 1;
        if n.is_multiple_of(2) && counting >> chained & 1 != 0 && event(core, chained) == CHAIN {
            add(core, chained, overflows, counting);
        }
    }
}

fn add_cycles(core: &mut Core, elapsed: u64) {
    let control = core.sys[Reg::PMCR_EL0];
    let pmu = &mut core.sys.pmu;
    let mut ticks = elapsed;
    if control & PMCR_D != 0 {
        pmu.remainder = pmu.remainder.wrapping_add(elapsed);
        ticks = pmu.remainder / 64;
        pmu.remainder %= 64;
    }
    let before = pmu.cycles;
    pmu.cycles = before.wrapping_add(ticks);
    let wrapped = if control & PMCR_LC != 0 { pmu.cycles < before } else { pmu.cycles >> 32 != before >> 32 };
    if wrapped {
        core.sys[Reg::PMOVSSET_EL0] |= CYCLE_BIT;
    }
}

/// Brings the counters up to date: `now` is instructions retired since reset, all of them in the current state.
fn catch_up(core: &mut Core, now: u64) {
    let elapsed = now.saturating_sub(core.sys.pmu.at);
    // An exception that a return raises knows only where its block began.
    core.sys.pmu.at = core.sys.pmu.at.max(now);
    if !core.sys.pmu.live || elapsed == 0 {
        return;
    }
    let counting = counting(core);
    if counting & CYCLE_BIT != 0 {
        add_cycles(core, elapsed);
    }
    for n in 0..EVENTS {
        if counting >> n & 1 != 0 && matches!(event(core, n), INST_RETIRED | CPU_CYCLES) {
            add(core, n, elapsed, counting);
        }
    }
}

/// Counts one event on the counters in `which`.
fn count(core: &mut Core, what: u64, which: u64) {
    let counting = counting(core);
    for n in 0..EVENTS {
        if which & counting >> n & 1 != 0 && event(core, n) == what {
            add(core, n, 1, counting);
        }
    }
}

/// Instructions from now on to the next overflow that interrupts.
fn distance(core: &Core) -> u64 {
    let counting = counting(core);
    let interrupting = core.sys[Reg::PMINTENSET_EL1];
    let pmu = &core.sys.pmu;
    let mut nearest = u64::MAX;
    if counting & interrupting & CYCLE_BIT != 0 {
        let control = core.sys[Reg::PMCR_EL0];
        let ticks =
            if control & PMCR_LC != 0 { pmu.cycles.wrapping_neg().wrapping_sub(1) } else { 0xffff_ffff - (pmu.cycles & 0xffff_ffff) };
        let ticks = ticks.saturating_add(1);
        nearest = if control & PMCR_D != 0 { ticks.saturating_mul(64).saturating_sub(pmu.remainder) } else { ticks };
    }
    for n in (0..EVENTS).filter(|n| counting >> n & 1 != 0 && matches!(event(core, *n), INST_RETIRED | CPU_CYCLES)) {
        // A chained counter may interrupt where this one overflows.
        if interrupting >> n & 3 != 0 {
            nearest = nearest.min((1 << 32) - u64::from(pmu.events[n]));
        }
    }
    nearest
}

impl Core {
    /// An exception is taken or returned from at `pc`: what retired before it belongs to the level that is left.
    pub(crate) fn pmu_leave(&mut self, what: u64, pc: u64) {
        if !self.sys.pmu.live {
            return;
        }
        // Within a block, `self.pc` is still its start.
        let in_block = pc.wrapping_sub(self.pc) / 4;
        let in_block = if in_block <= crate::block::MAX_OPS { in_block } else { 0 };
        catch_up(self, self.retired.wrapping_add(self.run_retired).wrapping_add(in_block));
        count(self, what, COUNTER_BITS);
        if self.sys.pmu.armed {
            // The distance to the next overflow is another one.
            self.run_limit = 0;
        }
    }

    /// True while overflows must be noticed when they happen.
    pub(crate) fn pmu_armed(&self) -> bool {
        self.sys.pmu.armed
    }

    /// Between blocks: brings counters and interrupt up to date. The instructions that may retire until this is to be called again.
    pub(crate) fn pmu_between_blocks(&mut self, bus: &mut dyn Bus) -> u64 {
        let now = self.retired.wrapping_add(self.run_retired);
        catch_up(self, now);
        signal(self, bus);
        if self.sys.pmu.armed { distance(self).max(1) } else { u64::MAX }
    }
}

/// Tells the machine of the interrupt's level.
fn signal(core: &mut Core, bus: &mut dyn Bus) {
    let level = core.sys[Reg::PMOVSSET_EL0] & core.sys[Reg::PMINTENSET_EL1] & switched_on(core) != 0;
    if level != core.sys.pmu.level {
        core.sys.pmu.level = level;
        core.check_interrupts = true;
        bus.set_pmu_interrupt(level);
    }
}

/// Brings the counters up to date, before `op` reads or changes something.
fn update(core: &mut Core, op: &Op) {
    let now = core.retired_total(op);
    catch_up(core, now);
}

/// After a change: what must be looked after from now on, and the interrupt.
fn changed(core: &mut Core, bus: &mut dyn Bus) -> After {
    let enabled = switched_on(core) & core.sys[Reg::PMCNTENSET_EL0];
    core.sys.pmu.live = enabled != 0;
    core.sys.pmu.armed = enabled & core.sys[Reg::PMINTENSET_EL1] != 0;
    core.run_limit = 0;
    signal(core, bus);
    After::Leave
}

/// Event counter that an instruction names: by CRm and op2, or by PMSELR_EL0. Those that the level does not see are none.
fn event_index(core: &Core, op: &Op) -> usize {
    let index = if field(op.insn, 15, 12) == 14 {
        (field(op.insn, 9, 8) << 3 | field(op.insn, 7, 5)) as usize
    } else {
        core.sys[Reg::PMSELR_EL0] as usize
    };
    if index < visible(core) || index as u64 == SELECT_CYCLES { index } else { EVENTS }
}

pub(super) fn read_control(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    PMCR_ID | (visible(core) as u64) << PMCR_N | core.sys[Reg::PMCR_EL0]
}

pub(super) fn write_control(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    if value & PMCR_P != 0 {
        let reset = visible(core);
        core.sys.pmu.events[..reset].fill(0);
    }
    if value & PMCR_C != 0 {
        (core.sys.pmu.cycles, core.sys.pmu.remainder) = (0, 0);
    }
    core.sys[Reg::PMCR_EL0] = value & PMCR_KEPT;
    changed(core, bus)
}

/// MDCR_EL2 and MDCR_EL3 say who owns counters, and what they count.
pub(super) fn write_debug_control(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys.set_value(op.imm, value);
    core.context_changed();
    changed(core, bus)
}

pub(super) fn read_enable(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    core.sys[Reg::PMCNTENSET_EL0] & visible_bits(core)
}

pub(super) fn set_enable(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMCNTENSET_EL0] |= value & visible_bits(core);
    changed(core, bus)
}

pub(super) fn clear_enable(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMCNTENSET_EL0] &= !(value & visible_bits(core));
    changed(core, bus)
}

pub(super) fn read_overflow(core: &mut Core, _: &mut dyn Bus, op: &Op) -> u64 {
    update(core, op);
    core.sys[Reg::PMOVSSET_EL0] & visible_bits(core)
}

pub(super) fn set_overflow(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMOVSSET_EL0] |= value & visible_bits(core);
    changed(core, bus)
}

pub(super) fn clear_overflow(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMOVSSET_EL0] &= !(value & visible_bits(core));
    changed(core, bus)
}

pub(super) fn read_interrupt_enable(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    core.sys[Reg::PMINTENSET_EL1] & visible_bits(core)
}

pub(super) fn set_interrupt_enable(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMINTENSET_EL1] |= value & visible_bits(core);
    changed(core, bus)
}

pub(super) fn clear_interrupt_enable(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMINTENSET_EL1] &= !(value & visible_bits(core));
    changed(core, bus)
}

/// PMSWINC_EL0 counts on the counters whose event is SW_INCR.
pub(super) fn software_increment(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    let which = value & visible_bits(core);
    count(core, SW_INCR, which);
    changed(core, bus)
}

/// CONTEXTIDR_EL1, whose writes are an event.
pub(super) fn write_context_id(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    core.sys[Reg::CONTEXTIDR_EL1] = value;
    if core.sys.pmu.live {
        update(core, op);
        count(core, CID_WRITE_RETIRED, COUNTER_BITS);
        return changed(core, bus);
    }
    After::Next
}

pub(super) fn read_cycles(core: &mut Core, _: &mut dyn Bus, op: &Op) -> u64 {
    update(core, op);
    core.sys.pmu.cycles
}

pub(super) fn write_cycles(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys.pmu.cycles = value;
    changed(core, bus)
}

pub(super) fn write_cycle_filter(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    core.sys[Reg::PMCCFILTR_EL0] = value & FILTER;
    changed(core, bus)
}

pub(super) fn read_event(core: &mut Core, _: &mut dyn Bus, op: &Op) -> u64 {
    update(core, op);
    core.sys.pmu.events.get(event_index(core, op)).copied().unwrap_or(0).into()
}

pub(super) fn write_event(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    let index = event_index(core, op);
    if let Some(counter) = core.sys.pmu.events.get_mut(index) {
        *counter = value as u32;
    }
    changed(core, bus)
}

pub(super) fn read_event_type(core: &mut Core, _: &mut dyn Bus, op: &Op) -> u64 {
    match event_index(core, op) as u64 {
        SELECT_CYCLES => core.sys[Reg::PMCCFILTR_EL0],
        index => core.sys.pmu.types.get(index as usize).copied().unwrap_or(0),
    }
}

pub(super) fn write_event_type(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    update(core, op);
    match event_index(core, op) as u64 {
        SELECT_CYCLES => core.sys[Reg::PMCCFILTR_EL0] = value & FILTER,
        index => {
            if let Some(kind) = core.sys.pmu.types.get_mut(index as usize) {
                *kind = value & (FILTER | EVENT);
            }
        }
    }
    changed(core, bus)
}
