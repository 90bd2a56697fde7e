//! Modified immediates: MOVI, MVNI, ORR, BIC, FMOV (ARM ARM C4.1.5, "Advanced SIMD modified immediate").

use super::{operands, q};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, field, next, row};
use crate::fp::expand_imm;

/// `AdvSIMDExpandImm`, before the inversion of MVNI and BIC: a pattern of 64 bits from cmode, op and the eight bits abcdefgh.
fn expand(insn: u32) -> Option<u64> {
    let (cmode, inverted) = (field(insn, 15, 12), field(insn, 29, 29) != 0);
    let imm8 = field(insn, 18, 16) << 5 | field(insn, 9, 5);
    let (byte, words, halves) = (u64::from(imm8), 0x1_0000_0001u64, 0x1_0001_0001_0001u64);
    Some(match cmode {
        0b0000..=0b0111 => (byte << (8 * (cmode >> 1))) * words,
        0b1000..=0b1011 => (byte << (8 * (cmode >> 1 & 1))) * halves,
        0b1100 => (byte << 8 | 0xff) * words,
        0b1101 => (byte << 16 | 0xffff) * words,
        0b1110 if inverted => (0..8).filter(|i| imm8 >> i & 1 != 0).fold(0, |v, i| v | 0xff << (8 * i)),
        0b1110 => byte * 0x0101_0101_0101_0101,
        _ if !inverted => u64::from(expand_imm::<u32>(imm8)) * words,
        // Two doublewords only.
        _ if q(insn) == 1 => expand_imm::<u64>(imm8),
        _ => return None,
    })
}

/// `aux[0]`: all of the register.
fn both(op: &Op) -> u128 {
    if op.aux[0] != 0 { u128::from(op.imm) << 64 | u128::from(op.imm) } else { op.imm.into() }
}

fn exec_move(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.fp.v[usize::from(op.rd & 31)] = both(op);
    next(core, bus, op)
}

fn exec_or(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let v = &mut core.fp.v[usize::from(op.rd & 31)];
    *v = (*v | both(op)) & if op.aux[0] != 0 { u128::MAX } else { u64::MAX.into() };
    next(core, bus, op)
}

/// The immediate is inverted already: with a clear upper half for the half register.
fn exec_and(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.fp.v[usize::from(op.rd & 31)] &= both(op);
    next(core, bus, op)
}

fn immediate<const INVERT: bool>(insn: u32, exec: Handler) -> Option<Op> {
    let imm = expand(insn)?;
    Some(Op { imm: if INVERT { !imm } else { imm }, aux: [q(insn) as u8, 0, 0, 0], ..operands(insn, exec) })
}

fn movi(insn: u32) -> Option<Op> {
    immediate::<false>(insn, exec_move)
}

fn mvni(insn: u32) -> Option<Op> {
    immediate::<true>(insn, exec_move)
}

fn orr(insn: u32) -> Option<Op> {
    immediate::<false>(insn, exec_or)
}

fn bic(insn: u32) -> Option<Op> {
    immediate::<true>(insn, exec_and)
}

/// The instructions. The shifts by immediate share their space: each row here is a special case of one there.
pub(crate) static ROWS: &[Row] = &[
    row("MOVI", "0q0 0111100000 abc 0000 01 defgh ddddd", movi),
    row("MOVI", "0q0 0111100000 abc 0010 01 defgh ddddd", movi),
    row("MOVI", "0q0 0111100000 abc 0100 01 defgh ddddd", movi),
    row("MOVI", "0q0 0111100000 abc 0110 01 defgh ddddd", movi),
    row("MOVI", "0q0 0111100000 abc 1000 01 defgh ddddd", movi),
    row("MOVI", "0q0 0111100000 abc 1010 01 defgh ddddd", movi),
    row("MOVI", "0q0 0111100000 abc 1100 01 defgh ddddd", movi),
    row("MOVI", "0q0 0111100000 abc 1101 01 defgh ddddd", movi),
    row("MOVI", "0q0 0111100000 abc 1110 01 defgh ddddd", movi),
    row("MOVI", "0q1 0111100000 abc 1110 01 defgh ddddd", movi),
    row("FMOV (vector, immediate)", "0q0 0111100000 abc 1111 01 defgh ddddd", movi),
    row("FMOV (vector, immediate)", "0q1 0111100000 abc 1111 01 defgh ddddd", movi),
    row("MVNI", "0q1 0111100000 abc 0000 01 defgh ddddd", mvni),
    row("MVNI", "0q1 0111100000 abc 0010 01 defgh ddddd", mvni),
    row("MVNI", "0q1 0111100000 abc 0100 01 defgh ddddd", mvni),
    row("MVNI", "0q1 0111100000 abc 0110 01 defgh ddddd", mvni),
    row("MVNI", "0q1 0111100000 abc 1000 01 defgh ddddd", mvni),
    row("MVNI", "0q1 0111100000 abc 1010 01 defgh ddddd", mvni),
    row("MVNI", "0q1 0111100000 abc 1100 01 defgh ddddd", mvni),
    row("MVNI", "0q1 0111100000 abc 1101 01 defgh ddddd", mvni),
    row("ORR (vector, immediate)", "0q0 0111100000 abc 0001 01 defgh ddddd", orr),
    row("ORR (vector, immediate)", "0q0 0111100000 abc 0011 01 defgh ddddd", orr),
    row("ORR (vector, immediate)", "0q0 0111100000 abc 0101 01 defgh ddddd", orr),
    row("ORR (vector, immediate)", "0q0 0111100000 abc 0111 01 defgh ddddd", orr),
    row("ORR (vector, immediate)", "0q0 0111100000 abc 1001 01 defgh ddddd", orr),
    row("ORR (vector, immediate)", "0q0 0111100000 abc 1011 01 defgh ddddd", orr),
    row("BIC (vector, immediate)", "0q1 0111100000 abc 0001 01 defgh ddddd", bic),
    row("BIC (vector, immediate)", "0q1 0111100000 abc 0011 01 defgh ddddd", bic),
    row("BIC (vector, immediate)", "0q1 0111100000 abc 0101 01 defgh ddddd", bic),
    row("BIC (vector, immediate)", "0q1 0111100000 abc 0111 01 defgh ddddd", bic),
    row("BIC (vector, immediate)", "0q1 0111100000 abc 1001 01 defgh ddddd", bic),
    row("BIC (vector, immediate)", "0q1 0111100000 abc 1011 01 defgh ddddd", bic),
];
