//! MRS and MSR (register).

use super::table::{TABLE, find};
use super::{After, Denied, Reg, Register, Trap};
use crate::bus::Bus;
use crate::core::{Core, SLOT_SINK, SLOT_ZR};
use crate::decode::{Flow, Handler, Op, field, next};
use crate::exception::{Class, Exception};
use crate::fp::format::{FZ, RMODE};
use crate::system;

/// Instruction specific syndrome of a trapped MSR, MRS or system instruction (ARM ARM D13.2.37).
fn syndrome(insn: u32) -> u32 {
    field(insn, 20, 19) << 20
        | field(insn, 7, 5) << 17
        | field(insn, 18, 16) << 14
        | field(insn, 15, 12) << 10
        | field(insn, 4, 0) << 5
        | field(insn, 11, 8) << 1
        | field(insn, 21, 21)
}

/// MRS: `imm` is the register's index in the table, `aux[0]` the lowest level that may.
pub(crate) fn build_mrs(insn: u32) -> Option<Op> {
    let index = find(field(insn, 19, 5) as u16)?;
    let register = &TABLE[index];
    let plain = register.trap == Trap::None && register.read.is_none();
    let exec: Handler = match register.name {
        "NZCV" => mrs_nzcv,
        "DAIF" => mrs_daif,
        "SP_EL0" => mrs_sp_el0,
        "CURRENTEL" => mrs_current_el,
        _ if plain => mrs_plain,
        _ => mrs,
    };
    let rd = field(insn, 4, 0) as u8;
    let rd = if rd == SLOT_ZR { SLOT_SINK } else { rd };
    Some(Op { rd, imm: index as u64, aux: [register.read_el, 0, 0, 0], ..system::op(insn, exec) })
}

/// MRS of what is no register.
pub(crate) fn build_unallocated_mrs(insn: u32) -> Option<Op> {
    find(field(insn, 19, 5) as u16).is_none().then(|| system::op(insn, unallocated))
}

/// Storage with no guard but the level, on which nothing depends at once; NZCV; and SP_EL0.
fn is_plain_write(register: &Register) -> bool {
    register.trap == Trap::None && register.write.is_none() && !register.context || matches!(register.name, "NZCV" | "SP_EL0")
}

/// MSR that does not end its block: `imm` is the register's index in the table, `aux[0]` the lowest level that may.
pub(crate) fn build_threaded_msr(insn: u32) -> Option<Op> {
    let index = find(field(insn, 19, 5) as u16)?;
    let register = &TABLE[index];
    let exec: Handler = match register.name {
        "NZCV" => msr_nzcv,
        "SP_EL0" => msr_sp_el0,
        _ => msr_plain,
    };
    is_plain_write(register).then(|| msr_op(insn, index, exec))
}

/// The other MSR, those of what is no register included.
pub(crate) fn build_msr(insn: u32) -> Option<Op> {
    match find(field(insn, 19, 5) as u16) {
        Some(index) => (!is_plain_write(&TABLE[index])).then(|| msr_op(insn, index, msr)),
        None => Some(system::op(insn, unallocated)),
    }
}

/// What MRS and MSR of some registers come to, for translated code. Everything else is the handlers'.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Inline {
    /// Storage, from a level on, unless bits of HCR_EL2 are set.
    Read {
        /// Index in the table.
        index: usize,
        /// The lowest level that may.
        el: u8,
        /// Bits of HCR_EL2 that may trap it.
        hcr: u64,
    },
    /// PSTATE.DAIF, but at EL0.
    Daif,
    /// CurrentEL, but at EL0.
    CurrentEl,
    /// SP_EL0, but at EL0 and where it is the current stack pointer.
    SpEl0,
    /// Storage, from a level on, of the masked value and some ones.
    Write {
        /// Index in the table.
        index: usize,
        /// The lowest level that may.
        el: u8,
        /// Bits that are kept.
        mask: u64,
        /// Bits that are one.
        ones: u64,
    },
    /// SP_EL0, as in `SpEl0`.
    WriteSpEl0,
}

/// What an allocated MRS or MSR (register) that does not end its block comes to without its handler.
pub(crate) fn inline(insn: u32) -> Option<Inline> {
    let index = find(field(insn, 19, 5) as u16)?;
    let register = &TABLE[index];
    if field(insn, 21, 21) == 0 {
        return match register.name {
            "SP_EL0" => Some(Inline::WriteSpEl0),
            "NZCV" => None,
            _ if !is_plain_write(register) => None,
            _ => Some(Inline::Write { index, el: register.write_el, mask: register.mask, ones: register.ones }),
        };
    }
    let stored = |hcr| Inline::Read { index, el: register.read_el, hcr };
    match (register.name, register.trap) {
        ("NZCV", _) => None,
        ("DAIF", _) => Some(Inline::Daif),
        ("CURRENTEL", _) => Some(Inline::CurrentEl),
        ("SP_EL0", _) => Some(Inline::SpEl0),
        _ if register.read.is_some() => None,
        (_, Trap::None) => Some(stored(0)),
        (_, Trap::VirtualMemory) => Some(stored(super::hcr::TRVM)),
        _ => None,
    }
}

fn msr_op(insn: u32, index: usize, exec: Handler) -> Op {
    Op { rn: field(insn, 4, 0) as u8, imm: index as u64, aux: [TABLE[index].write_el, 0, 0, 0], ..system::op(insn, exec) }
}

fn mrs_nzcv(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.set_reg(op.rd, u64::from(core.nzcv & 0xf000_0000));
    next(core, bus, op)
}

fn msr_nzcv(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.nzcv = core.reg(op.rn) as u32 & 0xf000_0000;
    next(core, bus, op)
}

/// EL0 may be trapped.
fn mrs_daif(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if core.el == 0 {
        return mrs(core, bus, op);
    }
    core.set_reg(op.rd, u64::from(core.daif) << 6);
    next(core, bus, op)
}

/// Where kernels keep a pointer to the current thread. It is another name of the stack pointer without PSTATE.SP.
fn mrs_sp_el0(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if core.el == 0 || !core.spsel {
        return mrs(core, bus, op);
    }
    core.set_reg(op.rd, core.sys.sp[0]);
    next(core, bus, op)
}

fn msr_sp_el0(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if let Err(why) = core.check_access(&TABLE[op.imm as usize], true) {
        return system::refuse_and_leave(core, op, why);
    }
    core.sys.sp[0] = core.reg(op.rn);
    next(core, bus, op)
}

fn mrs_current_el(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if core.el == 0 {
        return system::refuse_and_leave(core, op, Denied::Undefined);
    }
    core.set_reg(op.rd, u64::from(core.el) << 2);
    next(core, bus, op)
}

/// Storage with no guard but the level.
fn mrs_plain(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if core.el < op.aux[0] {
        return system::refuse_and_leave(core, op, Denied::Undefined);
    }
    core.set_reg(op.rd, core.sys.value(op.imm));
    next(core, bus, op)
}

fn msr_plain(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if core.el < op.aux[0] {
        return system::refuse_and_leave(core, op, Denied::Undefined);
    }
    let register = &TABLE[op.imm as usize];
    let value = core.reg(op.rn) & register.mask | register.ones;
    core.sys.set_value(op.imm, value);
    next(core, bus, op)
}

fn mrs(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let register = &TABLE[op.imm as usize];
    if let Err(why) = core.check_access(register, false) {
        return system::refuse_and_leave(core, op, why);
    }
    let value = match register.read {
        Some(read) => read(core, bus, op),
        None => core.sys.value(op.imm),
    };
    core.set_reg(op.rd, value);
    next(core, bus, op)
}

fn msr(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let register = &TABLE[op.imm as usize];
    if let Err(why) = core.check_access(register, true) {
        return denied(core, op, why);
    }
    let value = core.x[usize::from(op.rn)] & register.mask | register.ones;
    trace_control(core, op, register, value);
    let after = match register.write {
        Some(write) => write(core, bus, op, value),
        None => store(core, op.imm, register, value),
    };
    system::after(core, op, after)
}

/// Tells of a register that controls translation, traps or routing.
fn trace_control(core: &Core, op: &Op, register: &Register, value: u64) {
    if !tracing::enabled!(target: "mmu", tracing::Level::DEBUG) {
        return;
    }
    let Some(words) = super::words::words(register.name, value) else { return };
    let (pc, name) = (core.current_pc(op), register.name);
    tracing::debug!(
        target: "mmu",
        core = core.config.id,
        retired = core.retired_before(op),
        register = name,
        value = format_args!("{value:#x}"),
        pc = format_args!("{pc:#x}"),
        "{name} = {value:#x}: {words}, at PC {pc:#x}"
    );
}

fn store(core: &mut Core, index: u64, register: &Register, value: u64) -> After {
    let changed = core.sys.value(index) != value;
    core.sys.set_value(index, value);
    if register.context && changed {
        core.context_changed();
        return After::Leave;
    }
    After::Next
}

/// Raises what a refused access gives.
pub(super) fn denied(core: &mut Core, op: &Op, why: Denied) -> Flow {
    system::refuse(core, op, why)
}

/// No such register: those of the implementation defined space may be trapped, the others are undefined.
fn unallocated(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    let [op0, op1, crn, crm, op2] = system::encoding(op.insn);
    let direction = if field(op.insn, 21, 21) == 1 { "MRS" } else { "MSR" };
    let pc = core.current_pc(op);
    if core.is_first_at(pc) {
        tracing::warn!(
            target: "unimplemented",
            core = core.config.id,
            el = core.el,
            "{direction} of an unallocated system register S{op0}_{op1}_C{crn}_C{crm}_{op2} at PC {pc:#x}",
        );
    }
    if op0 == 3 && matches!(crn, 11 | 15) && core.el == 1 && core.hcr_trap(super::hcr::TIDCP).is_err() {
        return denied(core, op, Denied::To(2));
    }
    denied(core, op, Denied::Undefined)
}

// Registers that are part of the core's own state.

pub(super) fn read_nzcv(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    u64::from(core.nzcv & 0xf000_0000)
}

pub(super) fn write_nzcv(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.nzcv = value as u32;
    After::Next
}

pub(super) fn read_daif(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    u64::from(core.daif) << 6
}

pub(super) fn write_daif(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.set_daif((value >> 6) as u8 & 0xf)
}

pub(super) fn read_current_el(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    u64::from(core.el) << 2
}

pub(super) fn read_spsel(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    u64::from(core.spsel)
}

pub(super) fn write_spsel(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.switch_sp(core.el, value & 1 != 0);
    After::Leave
}

/// SP_EL0, SP_EL1 and SP_EL2 name their level in op1; none of them is the live one when the access is allowed.
fn sp_index(op: &Op) -> usize {
    match field(op.insn, 18, 16) {
        0 => 0,
        4 => 1,
        _ => 2,
    }
}

pub(super) fn read_sp(core: &mut Core, _: &mut dyn Bus, op: &Op) -> u64 {
    core.sys.sp[sp_index(op)]
}

pub(super) fn write_sp(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    core.sys.sp[sp_index(op)] = value;
    After::Next
}

pub(super) fn read_fpcr(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    u64::from(core.fp.fpcr)
}

/// Translated code depends on rounding and flushing.
pub(super) fn write_fpcr(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    let changed = (core.fp.fpcr ^ value as u32) & (RMODE | FZ) != 0;
    core.fp.fpcr = value as u32;
    if changed {
        core.context_changed();
        return After::Leave;
    }
    After::Next
}

pub(super) fn read_fpsr(core: &mut Core, _: &mut dyn Bus, _: &Op) -> u64 {
    u64::from(core.fp.fpsr)
}

pub(super) fn write_fpsr(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.fp.fpsr = value as u32;
    After::Next
}

/// ISR_EL1: what is pending at this level, virtual interrupts where EL2 has taken the physical ones.
pub(super) fn read_isr(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> u64 {
    let lines = bus.interrupts(core.retired_before(op));
    let hcr = if core.el < 2 { core.hcr() } else { 0 };
    let pick = |owned: u64, pending: u64, line: bool| if hcr & owned != 0 { hcr & pending != 0 } else { line };
    let irq = pick(super::hcr::IMO, super::hcr::VI, lines.irq);
    let fiq = pick(super::hcr::FMO, super::hcr::VF, lines.fiq);
    let serror = pick(super::hcr::AMO, super::hcr::VSE, false);
    u64::from(serror) << 8 | u64::from(irq) << 7 | u64::from(fiq) << 6
}

/// HCR_EL2 and SCR_EL3 route interrupts as well as translations.
pub(super) fn write_hcr(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.sys[Reg::HCR_EL2] = value;
    core.context_changed();
    After::Leave
}

pub(super) fn write_scr(core: &mut Core, _: &mut dyn Bus, _: &Op, value: u64) -> After {
    core.sys[Reg::SCR_EL3] = value;
    core.context_changed();
    After::Leave
}

/// RMR_EL3: a warm reset is not something that a kernel on this board can do; the request is named and ignored.
pub(super) fn write_rmr(core: &mut Core, _: &mut dyn Bus, op: &Op, value: u64) -> After {
    let pc = core.current_pc(op);
    if value & 2 != 0 && core.is_first_at(pc) {
        tracing::warn!(target: "unimplemented", core = core.config.id, "warm reset request in RMR_EL3 at PC {pc:#x} ignored");
    }
    After::Next
}

impl Exception {
    /// A system access that is trapped.
    pub(crate) fn system_trap(insn: u32) -> Self {
        Self { class: Class::SystemTrap, iss: syndrome(insn), far: None }
    }
}
