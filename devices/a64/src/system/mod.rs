//! System instructions (ARM ARM C4.1.3 exception generation and system, C5, C6).

mod maintenance;
#[cfg(test)]
mod tests;

use crate::bus::Bus;
use crate::core::{Core, Stop, doorbell};
use crate::decode::{Flow, Handler, Op, Row, field, next, row};
use crate::exception::{CONDITION_ALWAYS, Class, Exception};
use crate::sysreg::{self, After, Denied, Reg, hcr, scr, sctlr};
use std::sync::atomic::{Ordering, fence};

/// The system instructions that may end a block: their handlers return to who called them.
pub const ROWS: &[Row] = &[
    row("SVC", "1101 0100 000i iiii iiii iiii iii0 0001", |insn| immediate16(insn, svc)),
    row("HVC", "1101 0100 000i iiii iiii iiii iii0 0010", |insn| immediate16(insn, hvc)),
    row("SMC", "1101 0100 000i iiii iiii iiii iii0 0011", |insn| immediate16(insn, smc)),
    row("BRK", "1101 0100 001i iiii iiii iiii iii0 0000", |insn| immediate16(insn, brk)),
    row("HLT", "1101 0100 010i iiii iiii iiii iii0 0000", |insn| immediate16(insn, hlt)),
    row("DCPS1", "1101 0100 101i iiii iiii iiii iii0 0001", |insn| immediate16(insn, debug_state)),
    row("DCPS2", "1101 0100 101i iiii iiii iiii iii0 0010", |insn| immediate16(insn, debug_state)),
    row("DCPS3", "1101 0100 101i iiii iiii iiii iii0 0011", |insn| immediate16(insn, debug_state)),
    row("ERET", "1101 0110 1001 1111 0000 0011 1110 0000", |insn| Some(op(insn, eret))),
    row("DRPS", "1101 0110 1011 1111 0000 0011 1110 0000", |insn| Some(op(insn, debug_state))),
    row("MSR (immediate)", "1101 0101 0000 0aaa 0100 mmmm bbb1 1111", build_msr_immediate),
    row("WFE, WFI, SEV, SEVL", "1101 0101 0000 0011 0010 mmmm bbb1 1111", build_hint),
    row("SYS", "1101 0101 0000 1aaa nnnn mmmm bbbt tttt", maintenance::build),
    row("SYSL", "1101 0101 0010 1aaa nnnn mmmm bbbt tttt", maintenance::build),
    row("MSR (register)", "1101 0101 0001 paaa nnnn mmmm bbbt tttt", sysreg::build_msr),
    row("MRS", "1101 0101 0011 paaa nnnn mmmm bbbt tttt", sysreg::build_unallocated_mrs),
];

/// The system instructions whose handlers go on to the next operation themselves.
pub(crate) const THREADED: &[Row] = &[
    row("HINT", "1101 0101 0000 0011 0010 mmmm bbb1 1111", |insn| is_idle_hint(insn).then(|| op(insn, nop))),
    row("barrier", "1101 0101 0000 0011 0011 mmmm bbb1 1111", build_barrier),
    row("MSR DAIFSet", "1101 0101 0000 0011 0100 mmmm 1101 1111", |insn| immediate4(insn, msr_daif_set)),
    row("MSR (register)", "1101 0101 0001 paaa nnnn mmmm bbbt tttt", sysreg::build_threaded_msr),
    row("MRS", "1101 0101 0011 paaa nnnn mmmm bbbt tttt", sysreg::build_mrs),
];

/// An operation with no operands yet.
pub(crate) fn op(insn: u32, exec: Handler) -> Op {
    Op { exec, imm: 0, insn, rd: 0, rn: 0, rm: 0, ra: 0, aux: [0; 4], row: 0, index: 0 }
}

/// op0, op1, CRn, CRm, op2 of a system instruction, for traces.
pub(crate) fn encoding(insn: u32) -> [u32; 5] {
    [field(insn, 20, 19), field(insn, 18, 16), field(insn, 15, 12), field(insn, 11, 8), field(insn, 7, 5)]
}

fn immediate4(insn: u32, exec: Handler) -> Option<Op> {
    Some(Op { imm: field(insn, 11, 8).into(), ..op(insn, exec) })
}

fn immediate16(insn: u32, exec: Handler) -> Option<Op> {
    Some(Op { imm: field(insn, 20, 5).into(), ..op(insn, exec) })
}

/// Goes on as a register write or maintenance operation asks.
pub(crate) fn after(core: &mut Core, op: &Op, after: After) -> Flow {
    match after {
        After::Next => Flow::Next,
        After::Leave => leave(core, op),
        After::Attention => stop(core, op, Stop::Attention),
    }
}

/// Retires the instruction and leaves the block: what follows is looked up anew, and interrupts are looked at.
fn leave(core: &mut Core, op: &Op) -> Flow {
    core.pc = core.current_pc(op).wrapping_add(4);
    core.check_interrupts = true;
    Flow::Jump
}

/// Retires the instruction and stops the core.
fn stop(core: &mut Core, op: &Op, why: Stop) -> Flow {
    core.pc = core.current_pc(op).wrapping_add(4);
    core.stop = why;
    Flow::Stop
}

/// Raises what a refused system access gives.
pub(crate) fn refuse(core: &mut Core, op: &Op, why: Denied) -> Flow {
    let pc = core.current_pc(op);
    match why {
        Denied::Undefined => core.raise(Exception::UNDEFINED, pc),
        Denied::To(el) => core.raise_to(Exception::system_trap(op.insn), pc, el),
        Denied::Fp => core.raise(Exception { class: Class::FpTrap, iss: CONDITION_ALWAYS, far: None }, pc),
    }
}

/// As [`refuse`], for handlers that go on themselves.
#[cold]
#[inline(never)]
pub(crate) fn refuse_and_leave(core: &mut Core, op: &Op, why: Denied) -> Flow {
    let flow = refuse(core, op, why);
    core.leave(op, flow)
}

// Exception generation and return.

/// Takes a call: the return address is the next instruction.
fn call(core: &mut Core, op: &Op, class: Class) -> Flow {
    let next = core.current_pc(op).wrapping_add(4);
    // To software step it is complete: SPSR_ELx.SS is clear.
    core.sys.stepped = None;
    core.raise(Exception { class, iss: op.imm as u32, far: None }, next)
}

fn svc(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    call(core, op, Class::Svc)
}

/// HVC needs SCR_EL3.HCE, and is undefined at EL0 and at secure EL1.
fn hvc(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    let allowed = core.el >= 2 || core.el == 1 && !core.secure();
    if !allowed || core.sys[Reg::SCR_EL3] & scr::HCE == 0 {
        return refuse(core, op, Denied::Undefined);
    }
    call(core, op, Class::Hvc)
}

/// SMC is undefined at EL0; EL2 may trap it from EL1, before SCR_EL3.SMD makes it undefined.
fn smc(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    let pc = core.current_pc(op);
    if core.el == 1 && core.hcr() & hcr::TSC != 0 {
        return core.raise_to(Exception { class: Class::Smc, iss: op.imm as u32, far: None }, pc, 2);
    }
    if core.el == 0 || core.sys[Reg::SCR_EL3] & scr::SMD != 0 {
        return refuse(core, op, Denied::Undefined);
    }
    call(core, op, Class::Smc)
}

fn brk(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    let pc = core.current_pc(op);
    core.raise(Exception { class: Class::Brk, iss: op.imm as u32, far: None }, pc)
}

/// The immediate of HLT by which A64 code calls the host (Arm Semihosting 3.0, "The semihosting interface").
const SEMIHOSTING: u64 = 0xf000;

fn hlt(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if op.imm == SEMIHOSTING && bus.is_semihosting() { stop(core, op, Stop::Semihosting) } else { debug_state(core, bus, op) }
}

/// HLT, DCPS and DRPS belong to an external debugger; without one they are undefined.
fn debug_state(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    tracing::debug!(
        target: "unimplemented",
        core = core.config.id,
        "{:#010x} at PC {:#x} (HLT, DCPS or DRPS) is undefined: no external debugger is connected",
        op.insn,
        core.current_pc(op)
    );
    refuse(core, op, Denied::Undefined)
}

fn eret(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    if core.el == 0 {
        return refuse(core, op, Denied::Undefined);
    }
    core.check_interrupts = true;
    // ERET may be come to by a tail call.
    core.op_index = u32::from(op.index);
    core.exception_return()
}

// PSTATE.

/// MSR (immediate) but for DAIFSet: `imm` is CRm.
fn build_msr_immediate(insn: u32) -> Option<Op> {
    let exec: Handler = match (field(insn, 18, 16), field(insn, 7, 5)) {
        (0, 5) => msr_spsel,
        (3, 7) => msr_daif_clear,
        _ => return None,
    };
    immediate4(insn, exec)
}

fn msr_spsel(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    if core.el == 0 {
        return refuse(core, op, Denied::Undefined);
    }
    core.switch_sp(core.el, op.imm & 1 != 0);
    Flow::Next
}

/// Masking needs no look at the interrupts: the block goes on.
fn msr_daif_set(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if let Err(why) = core.el0_needs(core.sys[Reg::SCTLR_EL1] & sctlr::UMA != 0) {
        return refuse_and_leave(core, op, why);
    }
    core.daif |= op.imm as u8 & 0xf;
    next(core, bus, op)
}

fn msr_daif_clear(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    if let Err(why) = core.el0_needs(core.sys[Reg::SCTLR_EL1] & sctlr::UMA != 0) {
        return refuse(core, op, why);
    }
    let asked = core.set_daif(core.daif & !(op.imm as u8));
    after(core, op, asked)
}

// Hints.

/// Unallocated hints do nothing; neither does YIELD.
fn is_idle_hint(insn: u32) -> bool {
    !matches!(field(insn, 11, 5), 2..=5)
}

fn build_hint(insn: u32) -> Option<Op> {
    let exec: Handler = match field(insn, 11, 5) {
        2 => wfe,
        3 => wfi,
        4 => sev,
        5 => sevl,
        _ => return None,
    };
    Some(op(insn, exec))
}

fn nop(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    next(core, bus, op)
}

/// The level to which WFI or WFE is trapped when it would wait.
fn wait_trap(core: &Core, el0: u64, el2: u64, el3: u64) -> Option<u8> {
    if core.el == 0 && core.sys[Reg::SCTLR_EL1] & el0 == 0 {
        Some(core.el1_or_tge())
    } else if core.el < 2 && core.hcr() & el2 != 0 {
        Some(2)
    } else if core.el < 3 && core.sys[Reg::SCR_EL3] & el3 != 0 {
        Some(3)
    } else {
        None
    }
}

fn wait(core: &mut Core, op: &Op, trap: Option<u8>, why: Stop) -> Flow {
    if let Some(el) = trap {
        let is_wfe = u32::from(matches!(why, Stop::Wfe { .. }));
        let exception = Exception { class: Class::WaitTrap, iss: CONDITION_ALWAYS | is_wfe, far: None };
        let pc = core.current_pc(op);
        return core.raise_to(exception, pc, el);
    }
    stop(core, op, why)
}

/// WFI goes on if an interrupt is pending, masked or not.
fn wfi(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let lines = bus.interrupts(core.retired_before(op));
    if core.wakes(lines) {
        return leave(core, op);
    }
    let trap = wait_trap(core, sctlr::NTWI, hcr::TWI, scr::TWI);
    wait(core, op, trap, Stop::Wfi)
}

/// WFE consumes the event register if it is set. Events that others have just sent are still on the doorbell (taken with `Acquire`, which pairs with
/// the sender's `Release`).
fn wfe(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    let doorbell = &core.config.doorbell;
    let sent = doorbell.load(Ordering::Relaxed) & doorbell::EVENT != 0
        && doorbell.fetch_and(!doorbell::EVENT, Ordering::Acquire) & doorbell::EVENT != 0;
    if sent {
        // As where the doorbell is answered: this event may stand for later ones.
        fence(Ordering::SeqCst);
    }
    if std::mem::take(&mut core.event) || sent {
        return Flow::Next;
    }
    let armed = core.monitor_armed() || sysreg::event_stream_enabled(core);
    let trap = wait_trap(core, sctlr::NTWE, hcr::TWE, scr::TWE);
    wait(core, op, trap, Stop::Wfe { armed })
}

fn sev(core: &mut Core, bus: &mut dyn Bus, _: &Op) -> Flow {
    core.event = true;
    bus.send_event();
    core.note_bell();
    Flow::Next
}

fn sevl(core: &mut Core, _: &mut dyn Bus, _: &Op) -> Flow {
    core.event = true;
    Flow::Next
}

// Barriers.

fn build_barrier(insn: u32) -> Option<Op> {
    let exec: Handler = match (field(insn, 7, 5), field(insn, 9, 8)) {
        (2, _) => clrex,
        (4, _) => dsb,
        (5, 1) => dmb_loads,
        (5, 2) => dmb_stores,
        (5, _) => dmb,
        (6, _) => isb,
        _ => return None,
    };
    Some(op(insn, exec))
}

fn clrex(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.clear_monitor();
    next(core, bus, op)
}

/// Maintenance that was broadcast is complete after DSB: the core stops until the others have taken part.
fn dsb(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    fence(Ordering::SeqCst);
    if std::mem::take(&mut core.sys.sync_pending) {
        let flow = stop(core, op, Stop::Sync);
        return core.leave(op, flow);
    }
    next(core, bus, op)
}

/// DMB ...LD: loads before it stay before all that follows.
fn dmb_loads(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    fence(Ordering::Acquire);
    next(core, bus, op)
}

/// DMB ...ST: stores before it stay before stores that follow.
fn dmb_stores(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    fence(Ordering::Release);
    next(core, bus, op)
}

fn dmb(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    fence(Ordering::SeqCst);
    next(core, bus, op)
}

/// What follows is looked up anew: it may be code that was just written.
fn isb(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    core.pc = core.current_pc(op).wrapping_add(4);
    core.leave(op, Flow::Jump)
}
