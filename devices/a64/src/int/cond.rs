//! Conditional compare and select (ARM ARM C4.1.5).

use super::alu::{set_flags, sf};
use super::{holds, pick, sized};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Op, Row, dest, field, next, row, source};

pub(crate) static ROWS: &[Row] = &[
    row("CCMN (register)", "s0111010010 mmmmm cccc 00 nnnnn 0 ffff", build_ccmp),
    row("CCMP (register)", "s1111010010 mmmmm cccc 00 nnnnn 0 ffff", build_ccmp),
    row("CCMN (immediate)", "s0111010010 iiiii cccc 10 nnnnn 0 ffff", build_ccmp),
    row("CCMP (immediate)", "s1111010010 iiiii cccc 10 nnnnn 0 ffff", build_ccmp),
    row("CSEL", "s0011010100 mmmmm cccc 00 nnnnn ddddd", build_csel),
    row("CSINC", "s0011010100 mmmmm cccc 01 nnnnn ddddd", build_csel),
    row("CSINV", "s1011010100 mmmmm cccc 00 nnnnn ddddd", build_csel),
    row("CSNEG", "s1011010100 mmmmm cccc 01 nnnnn ddddd", build_csel),
];

fn build_ccmp(insn: u32) -> Option<Op> {
    let (sf, sub, immediate) = (sf(insn), field(insn, 30, 30) != 0, field(insn, 11, 11) != 0);
    Some(Op {
        rn: source(field(insn, 9, 5)),
        rm: source(field(insn, 20, 16)),
        imm: u64::from(field(insn, 20, 16)),
        aux: [field(insn, 15, 12) as u8, field(insn, 3, 0) as u8, 0, 0],
        ..Op::new(pick!(ccmp [] sf, sub, immediate), insn)
    })
}

fn ccmp<const SF: bool, const SUB: bool, const IMMEDIATE: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if holds(op.aux[0], core.nzcv) {
        let b = if IMMEDIATE { op.imm } else { core.reg(op.rm) };
        set_flags::<SF, SUB>(core, core.reg(op.rn), b);
    } else {
        core.nzcv = u32::from(op.aux[1]) << 28;
    }
    next(core, bus, op)
}

fn build_csel(insn: u32) -> Option<Op> {
    let (sf, invert, increment) = (sf(insn), field(insn, 30, 30) != 0, field(insn, 10, 10) != 0);
    Some(Op {
        rd: dest(insn),
        rn: source(field(insn, 9, 5)),
        rm: source(field(insn, 20, 16)),
        aux: [field(insn, 15, 12) as u8, 0, 0, 0],
        ..Op::new(pick!(csel [] sf, invert, increment), insn)
    })
}

fn csel<const SF: bool, const INVERT: bool, const INCREMENT: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let other = core.reg(op.rm);
    let other = if INVERT { !other } else { other };
    let other = if INCREMENT { other.wrapping_add(1) } else { other };
    core.set_reg(op.rd, sized::<SF>(if holds(op.aux[0], core.nzcv) { core.reg(op.rn) } else { other }));
    next(core, bus, op)
}
