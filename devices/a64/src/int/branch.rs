//! Branches (ARM ARM C4.1.3).
//!
//! Direct branches carry their link in [`Op::aux`], and their offset is relative to the block (both by the block builder).

use super::{holds, pick, sized};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, field, next, row, sign_extend, source};

pub(crate) static ROWS: &[Row] = &[
    row("B", "000101 iiiiiiiiiiiiiiiiiiiiiiiiii", build_b),
    row("BL", "100101 iiiiiiiiiiiiiiiiiiiiiiiiii", build_b),
    row("B.cond", "01010100 iiiiiiiiiiiiiiiiiii 0 cccc", build_b_cond),
    row("CBZ", "s0110100 iiiiiiiiiiiiiiiiiii ttttt", build_cbz),
    row("CBNZ", "s0110101 iiiiiiiiiiiiiiiiiii ttttt", build_cbz),
    row("TBZ", "b0110110 bbbbb iiiiiiiiiiiiii ttttt", build_tbz),
    row("TBNZ", "b0110111 bbbbb iiiiiiiiiiiiii ttttt", build_tbz),
    row("BR", "1101011 0000 11111 000000 nnnnn 00000", build_register),
    row("BLR", "1101011 0001 11111 000000 nnnnn 00000", build_register),
    row("RET", "1101011 0010 11111 000000 nnnnn 00000", build_register),
];

/// True for a branch to an address relative to its own.
pub(crate) fn is_direct(insn: u32) -> bool {
    is_unconditional(insn) || insn & 0xff00_0010 == 0x5400_0000 || insn & 0x7c00_0000 == 0x3400_0000
}

/// True for B and BL.
pub(crate) fn is_unconditional(insn: u32) -> bool {
    insn & 0x7c00_0000 == 0x1400_0000
}

/// Takes a direct branch.
#[inline(always)]
pub(super) fn take(core: &mut Core, op: &Op) -> Flow {
    core.pc = core.pc.wrapping_add(op.imm);
    core.run_retired += u64::from(op.index) + 1;
    core.link = op.aux32();
    Flow::Jump
}

fn offset(insn: u32, hi: u32, lo: u32) -> u64 {
    sign_extend(u64::from(field(insn, hi, lo)), hi - lo + 1) << 2
}

fn build_b(insn: u32) -> Option<Op> {
    let exec = if insn >> 31 != 0 { bl } else { b };
    Some(Op { imm: offset(insn, 25, 0), ..Op::new(exec, insn) })
}

fn b(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    take(core, op)
}

fn bl(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    core.x[30] = core.current_pc(op).wrapping_add(4);
    take(core, op)
}

fn build_b_cond(insn: u32) -> Option<Op> {
    const EXEC: [Handler; 16] = [
        b_cond::<0>,
        b_cond::<1>,
        b_cond::<2>,
        b_cond::<3>,
        b_cond::<4>,
        b_cond::<5>,
        b_cond::<6>,
        b_cond::<7>,
        b_cond::<8>,
        b_cond::<9>,
        b_cond::<10>,
        b_cond::<11>,
        b_cond::<12>,
        b_cond::<13>,
        b_cond::<14>,
        b_cond::<15>,
    ];
    Some(Op { imm: offset(insn, 23, 5), ..Op::new(EXEC[field(insn, 3, 0) as usize & 15], insn) })
}

fn b_cond<const COND: u8>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if holds(COND, core.nzcv) { take(core, op) } else { next(core, bus, op) }
}

fn build_cbz(insn: u32) -> Option<Op> {
    let (sf, nonzero) = (insn >> 31 != 0, field(insn, 24, 24) != 0);
    Some(Op { imm: offset(insn, 23, 5), rn: source(insn), ..Op::new(pick!(cbz [] sf, nonzero), insn) })
}

fn cbz<const SF: bool, const NONZERO: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if (sized::<SF>(core.reg(op.rn)) != 0) == NONZERO { take(core, op) } else { next(core, bus, op) }
}

fn build_tbz(insn: u32) -> Option<Op> {
    let nonzero = field(insn, 24, 24) != 0;
    let bit = field(insn, 31, 31) << 5 | field(insn, 23, 19);
    Some(Op { imm: offset(insn, 18, 5), rn: source(insn), rm: bit as u8, ..Op::new(pick!(tbz [] nonzero), insn) })
}

fn tbz<const NONZERO: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if (core.reg(op.rn) >> (op.rm & 63) & 1 != 0) == NONZERO { take(core, op) } else { next(core, bus, op) }
}

fn build_register(insn: u32) -> Option<Op> {
    let exec = if field(insn, 22, 21) == 1 { blr } else { br };
    Some(Op { rn: source(field(insn, 9, 5)), ..Op::new(exec, insn) })
}

fn br(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    core.pc = core.reg(op.rn);
    core.leave(op, Flow::Jump)
}

fn blr(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    let target = core.reg(op.rn);
    core.x[30] = core.current_pc(op).wrapping_add(4);
    core.pc = target;
    core.leave(op, Flow::Jump)
}
