//! Multiplication and division (ARM ARM C4.1.5).

use super::alu::sf;
use super::{pick, sized};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Op, Row, dest, field, next, row, source};

pub(crate) static ROWS: &[Row] = &[
    row("MADD", "s0011011000 mmmmm 0 aaaaa nnnnn ddddd", build_madd),
    row("MSUB", "s0011011000 mmmmm 1 aaaaa nnnnn ddddd", build_madd),
    row("SMADDL", "10011011001 mmmmm 0 aaaaa nnnnn ddddd", build_long),
    row("SMSUBL", "10011011001 mmmmm 1 aaaaa nnnnn ddddd", build_long),
    row("UMADDL", "10011011101 mmmmm 0 aaaaa nnnnn ddddd", build_long),
    row("UMSUBL", "10011011101 mmmmm 1 aaaaa nnnnn ddddd", build_long),
    // Bits 14 to 10 are "should be one": ignored.
    row("SMULH", "10011011010 mmmmm 0 xxxxx nnnnn ddddd", build_high),
    row("UMULH", "10011011110 mmmmm 0 xxxxx nnnnn ddddd", build_high),
    row("UDIV", "s0011010110 mmmmm 000010 nnnnn ddddd", build_div),
    row("SDIV", "s0011010110 mmmmm 000011 nnnnn ddddd", build_div),
];

fn operands(insn: u32, exec: crate::decode::Handler) -> Option<Op> {
    Some(Op {
        rd: dest(insn),
        rn: source(field(insn, 9, 5)),
        rm: source(field(insn, 20, 16)),
        ra: source(field(insn, 14, 10)),
        ..Op::new(exec, insn)
    })
}

fn build_madd(insn: u32) -> Option<Op> {
    let (sf, sub) = (sf(insn), field(insn, 15, 15) != 0);
    operands(insn, pick!(madd [] sf, sub))
}

fn madd<const SF: bool, const SUB: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let product = core.reg(op.rn).wrapping_mul(core.reg(op.rm));
    let a = core.reg(op.ra);
    core.set_reg(op.rd, sized::<SF>(if SUB { a.wrapping_sub(product) } else { a.wrapping_add(product) }));
    next(core, bus, op)
}

fn build_long(insn: u32) -> Option<Op> {
    let (unsigned, sub) = (field(insn, 23, 23) != 0, field(insn, 15, 15) != 0);
    operands(insn, pick!(madd_long [] unsigned, sub))
}

fn madd_long<const UNSIGNED: bool, const SUB: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m) = (core.reg(op.rn), core.reg(op.rm));
    let product = if UNSIGNED { u64::from(n as u32) * u64::from(m as u32) } else { (i64::from(n as i32) * i64::from(m as i32)) as u64 };
    let a = core.reg(op.ra);
    core.set_reg(op.rd, if SUB { a.wrapping_sub(product) } else { a.wrapping_add(product) });
    next(core, bus, op)
}

fn build_high(insn: u32) -> Option<Op> {
    let unsigned = field(insn, 23, 23) != 0;
    operands(insn, pick!(mul_high [] unsigned))
}

fn mul_high<const UNSIGNED: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m) = (core.reg(op.rn), core.reg(op.rm));
    let high = if UNSIGNED { (u128::from(n) * u128::from(m)) >> 64 } else { ((i128::from(n as i64) * i128::from(m as i64)) >> 64) as u128 };
    core.set_reg(op.rd, high as u64);
    next(core, bus, op)
}

fn build_div(insn: u32) -> Option<Op> {
    let (sf, signed) = (sf(insn), field(insn, 10, 10) != 0);
    operands(insn, pick!(div [] sf, signed))
}

/// Division by zero gives zero; the one overflow gives the dividend.
fn div<const SF: bool, const SIGNED: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m) = (core.reg(op.rn), core.reg(op.rm));
    let result = match (SF, SIGNED) {
        (_, _) if sized::<SF>(m) == 0 => 0,
        (true, true) => (n as i64).wrapping_div(m as i64) as u64,
        (true, false) => n / m,
        (false, true) => u64::from((n as i32).wrapping_div(m as i32) as u32),
        (false, false) => u64::from(n as u32 / m as u32),
    };
    core.set_reg(op.rd, result);
    next(core, bus, op)
}
