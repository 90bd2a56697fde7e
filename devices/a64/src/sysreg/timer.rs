//! The generic timers of a core (ARM ARM D11, D13.8).
//!
//! The counter belongs to the machine ([`Bus::counter`]); the four timers' registers live here, and every change is told to the machine, which
//! computes deadlines and interrupt levels from them.

use super::{After, Reg};
use crate::bus::{Bus, Timer};
use crate::core::Core;
use crate::decode::{Op, field};

const ENABLE: u64 = 1 << 0;
const ISTATUS: u64 = 1 << 2;
const CONTROL_MASK: u64 = 3;
const EVNTEN: u64 = 1 << 2;

/// A timer's registers.
struct Registers {
    timer: Timer,
    control: Reg,
    compare: Reg,
}

/// Which timer an instruction means, by op1 and CRm.
fn registers(op: &Op) -> Registers {
    match (field(op.insn, 18, 16), field(op.insn, 11, 8)) {
        (3, 2) => Registers { timer: Timer::Physical, control: Reg::CNTP_CTL_EL0, compare: Reg::CNTP_CVAL_EL0 },
        (3, _) => VIRTUAL,
        (4, _) => Registers { timer: Timer::Hypervisor, control: Reg::CNTHP_CTL_EL2, compare: Reg::CNTHP_CVAL_EL2 },
        _ => Registers { timer: Timer::SecurePhysical, control: Reg::CNTPS_CTL_EL1, compare: Reg::CNTPS_CVAL_EL1 },
    }
}

const VIRTUAL: Registers = Registers { timer: Timer::Virtual, control: Reg::CNTV_CTL_EL0, compare: Reg::CNTV_CVAL_EL0 };

/// What to take from the system counter for a timer's view of it.
fn offset(core: &Core, timer: Timer) -> u64 {
    if timer == Timer::Virtual { core.sys[Reg::CNTVOFF_EL2] } else { 0 }
}

fn count(core: &Core, bus: &mut dyn Bus, op: &Op, timer: Timer) -> u64 {
    bus.counter(core.retired_before(op)).wrapping_sub(offset(core, timer))
}

/// Tells the machine what a timer holds now. CVAL of the virtual timer becomes a physical count. The sum with the offset may come round (an
/// offset that the counter has not reached makes the virtual count a huge number; so does a negative one make the sum): whether the timer is due
/// is known from the virtual count, and a sum that says otherwise means the beginning or the end of time.
fn program(core: &Core, bus: &mut dyn Bus, op: &Op, registers: &Registers) -> After {
    let compare = core.sys[registers.compare];
    let now = count(core, bus, op, registers.timer);
    let offset = offset(core, registers.timer);
    let (physical_now, physical) = (now.wrapping_add(offset), compare.wrapping_add(offset));
    let physical = match (now >= compare, physical_now >= physical) {
        (true, false) => 0,
        (false, true) => u64::MAX,
        _ => physical,
    };
    bus.set_timer(registers.timer, (core.sys[registers.control] & CONTROL_MASK) as u32, physical);
    After::Attention
}

pub(super) fn read_physical_count(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> u64 {
    count(core, bus, op, Timer::Physical)
}

pub(super) fn read_virtual_count(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> u64 {
    count(core, bus, op, Timer::Virtual)
}

/// ISTATUS is known only while the timer is enabled; a disabled one reads zero.
pub(super) fn read_control(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> u64 {
    let registers = registers(op);
    let control = core.sys[registers.control];
    let due = control & ENABLE != 0 && count(core, bus, op, registers.timer) >= core.sys[registers.compare];
    control | if due { ISTATUS } else { 0 }
}

pub(super) fn write_control(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    let registers = registers(op);
    core.sys[registers.control] = value & CONTROL_MASK;
    program(core, bus, op, &registers)
}

pub(super) fn write_compare(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    let registers = registers(op);
    core.sys[registers.compare] = value;
    program(core, bus, op, &registers)
}

/// TVAL is the signed 32-bit distance to CVAL.
pub(super) fn read_value(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> u64 {
    let registers = registers(op);
    core.sys[registers.compare].wrapping_sub(count(core, bus, op, registers.timer)) & 0xffff_ffff
}

pub(super) fn write_value(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    let registers = registers(op);
    let distance = i64::from(value as u32 as i32) as u64;
    core.sys[registers.compare] = count(core, bus, op, registers.timer).wrapping_add(distance);
    program(core, bus, op, &registers)
}

/// CNTVOFF_EL2 moves the virtual timer's deadline.
pub(super) fn write_offset(core: &mut Core, bus: &mut dyn Bus, op: &Op, value: u64) -> After {
    core.sys[Reg::CNTVOFF_EL2] = value;
    program(core, bus, op, &VIRTUAL)
}

/// True if the event stream may end a WFE at this core (CNTKCTL_EL1.EVNTEN, CNTHCTL_EL2.EVNTEN).
pub(crate) fn event_stream_enabled(core: &Core) -> bool {
    (core.sys[Reg::CNTKCTL_EL1] | core.sys[Reg::CNTHCTL_EL2]) & EVNTEN != 0
}
