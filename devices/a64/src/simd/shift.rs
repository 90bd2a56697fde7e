//! Shifts by immediate (ARM ARM C4.1.5, "Advanced SIMD shift by immediate" and its scalar form).

use super::int::{Int, S, Sign, U, Widen};
use super::sizes::{BHSD, D};
use super::{by_arrangement, by_half, by_scalar, operands, q, read, read_half, saturated, write, write_half};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Op, Row, field, next, row};
use std::array::from_fn;

/// A lane of the destination from its old value, the source lane and the distance. `qc` is set on saturation.
trait Shift: 'static {
    fn lane<T: Int>(d: T, n: T, by: u32, qc: &mut bool) -> T;
}

macro_rules! shifts {
    ($($name:ident = |$d:pat_param, $n:ident, $by:ident, $qc:pat_param| $result:expr;)*) => {$(
        struct $name;
        impl Shift for $name {
            #[inline(always)]
            fn lane<T: Int>($d: T, $n: T, $by: u32, $qc: &mut bool) -> T {
                $result
            }
        }
    )*};
}

// Distances are 1 to the width to the right, and 0 to less than the width to the left.
shifts! {
    Right = |_, n, by, _| n.shr_any(by);
    RightAcc = |d, n, by, _| d.plus(n.shr_any(by));
    RightRound = |_, n, by, _| n.shr_rounded(by);
    RightRoundAcc = |d, n, by, _| d.plus(n.shr_rounded(by));
    RightInsert = |d, n, by, _| n.shr_any(by) | (d & !(!T::default()).shr_any(by));
    Left = |_, n, by, _| n.shl(by);
    LeftInsert = |d, n, by, _| n.shl(by) | (d & !(!T::default()).shl(by));
    LeftSat = |_, n, by, qc| n.shl_clamped(by, qc);
    // Of a signed number to an unsigned one.
    LeftSatUnsigned = |_, n, by, qc| {
        if n < T::default() {
            *qc = true;
            T::default()
        } else {
            T::wrap(n.unsigned().shl_clamped(by, qc).value())
        }
    };
}

/// log2 of the lane's bytes, from the highest bit of immh; the caller's pattern excludes zero or not, both are fine.
fn lane_size(insn: u32) -> Option<u32> {
    field(insn, 22, 19).checked_ilog2()
}

/// The distance to the right: twice the width less immh:immb.
fn right_distance(insn: u32, size: u32) -> u8 {
    ((16 << size) - field(insn, 22, 16)) as u8
}

/// The distance to the left: immh:immb less the width.
fn left_distance(insn: u32, size: u32) -> u8 {
    (field(insn, 22, 16) - (8 << size)) as u8
}

fn exec<T: Int, O: Shift, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (d, n, by) = (read::<T, N>(core, op.rd), read::<T, N>(core, op.rn), u32::from(op.aux[1]));
    let mut qc = false;
    let result: [T; N] = from_fn(|i| O::lane(d[i], n[i], by, &mut qc));
    write(core, op.rd, result);
    saturated(core, qc);
    next(core, bus, op)
}

fn vector<O: Shift, G: Sign, const LEFT: bool>(insn: u32) -> Option<Op> {
    let size = lane_size(insn)?;
    let op = operands(insn, by_arrangement!(BHSD, size, q(insn), G, exec, O));
    let by = if LEFT { left_distance(insn, size) } else { right_distance(insn, size) };
    Some(Op { aux: [0, by, 0, 0], ..op })
}

fn scalar<O: Shift, G: Sign, const LEFT: bool, const SIZES: u32>(insn: u32) -> Option<Op> {
    let size = lane_size(insn)?;
    let op = operands(insn, by_scalar!(SIZES, size, G, exec, O));
    let by = if LEFT { left_distance(insn, size) } else { right_distance(insn, size) };
    Some(Op { aux: [0, by, 0, 0], ..op })
}

/// A wide lane shifted right, then narrowed.
trait Narrow: 'static {
    const ROUND: bool;
    fn lane<W: Int>(n: W, qc: &mut bool) -> W;
}

macro_rules! narrow {
    ($($name:ident, $round:literal, |$n:ident, $qc:pat_param| $result:expr;)*) => {$(
        struct $name;
        impl Narrow for $name {
            const ROUND: bool = $round;
            #[inline(always)]
            fn lane<W: Int>($n: W, $qc: &mut bool) -> W {
                $result
            }
        }
    )*};
}

narrow! {
    Truncate, false, |n, _| n;
    TruncateRound, true, |n, _| n;
    Saturate, false, |n, qc| n.clamped(W::BITS / 2, W::SIGNED, qc);
    SaturateRound, true, |n, qc| n.clamped(W::BITS / 2, W::SIGNED, qc);
    SaturateUnsigned, false, |n, qc| n.clamped(W::BITS / 2, false, qc);
    SaturateUnsignedRound, true, |n, qc| n.clamped(W::BITS / 2, false, qc);
}

fn exec_narrow<T: Widen, O: Narrow, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, by): ([T::Wide; N], u32) = (read(core, op.rn), u32::from(op.aux[1]));
    let mut qc = false;
    let result: [T; N] = from_fn(|i| {
        let shifted = if O::ROUND { n[i].shr_rounded(by) } else { n[i].shr_any(by) };
        T::low(O::lane(shifted, &mut qc))
    });
    write_half(core, op.rd, op.aux[0] != 0, result);
    saturated(core, qc);
    next(core, bus, op)
}

fn narrow<O: Narrow, G: Sign>(insn: u32) -> Option<Op> {
    let size = lane_size(insn)?;
    let op = operands(insn, by_half!(size, G, exec_narrow, O));
    Some(Op { aux: [q(insn) as u8, right_distance(insn, size), 0, 0], ..op })
}

fn narrow_scalar<O: Narrow, G: Sign>(insn: u32) -> Option<Op> {
    let size = lane_size(insn)?;
    let op = operands(insn, by_half!(size, G, exec_narrow, O; 1));
    Some(Op { aux: [0, right_distance(insn, size), 0, 0], ..op })
}

fn exec_long<T: Widen, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [T; N] = read_half(core, op.rn, op.aux[0] != 0);
    let by = u32::from(op.aux[1]);
    write(core, op.rd, n.map(|n| n.widen().shl(by)));
    next(core, bus, op)
}

fn long<G: Sign>(insn: u32) -> Option<Op> {
    let size = lane_size(insn)?;
    let op = operands(insn, by_half!(size, G, exec_long));
    Some(Op { aux: [q(insn) as u8, left_distance(insn, size), 0, 0], ..op })
}

const LEFT: bool = true;
const RIGHT: bool = false;

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("SSHR", "0q0 011110 hhhhbbb 00000 1 nnnnn ddddd", vector::<Right, S, RIGHT>),
    row("USHR", "0q1 011110 hhhhbbb 00000 1 nnnnn ddddd", vector::<Right, U, RIGHT>),
    row("SSRA", "0q0 011110 hhhhbbb 00010 1 nnnnn ddddd", vector::<RightAcc, S, RIGHT>),
    row("USRA", "0q1 011110 hhhhbbb 00010 1 nnnnn ddddd", vector::<RightAcc, U, RIGHT>),
    row("SRSHR", "0q0 011110 hhhhbbb 00100 1 nnnnn ddddd", vector::<RightRound, S, RIGHT>),
    row("URSHR", "0q1 011110 hhhhbbb 00100 1 nnnnn ddddd", vector::<RightRound, U, RIGHT>),
    row("SRSRA", "0q0 011110 hhhhbbb 00110 1 nnnnn ddddd", vector::<RightRoundAcc, S, RIGHT>),
    row("URSRA", "0q1 011110 hhhhbbb 00110 1 nnnnn ddddd", vector::<RightRoundAcc, U, RIGHT>),
    row("SRI", "0q1 011110 hhhhbbb 01000 1 nnnnn ddddd", vector::<RightInsert, U, RIGHT>),
    row("SHL", "0q0 011110 hhhhbbb 01010 1 nnnnn ddddd", vector::<Left, U, LEFT>),
    row("SLI", "0q1 011110 hhhhbbb 01010 1 nnnnn ddddd", vector::<LeftInsert, U, LEFT>),
    row("SQSHLU", "0q1 011110 hhhhbbb 01100 1 nnnnn ddddd", vector::<LeftSatUnsigned, S, LEFT>),
    row("SQSHL (immediate)", "0q0 011110 hhhhbbb 01110 1 nnnnn ddddd", vector::<LeftSat, S, LEFT>),
    row("UQSHL (immediate)", "0q1 011110 hhhhbbb 01110 1 nnnnn ddddd", vector::<LeftSat, U, LEFT>),
    row("SHRN", "0q0 011110 hhhhbbb 10000 1 nnnnn ddddd", narrow::<Truncate, U>),
    row("RSHRN", "0q0 011110 hhhhbbb 10001 1 nnnnn ddddd", narrow::<TruncateRound, U>),
    row("SQSHRUN", "0q1 011110 hhhhbbb 10000 1 nnnnn ddddd", narrow::<SaturateUnsigned, S>),
    row("SQRSHRUN", "0q1 011110 hhhhbbb 10001 1 nnnnn ddddd", narrow::<SaturateUnsignedRound, S>),
    row("SQSHRN", "0q0 011110 hhhhbbb 10010 1 nnnnn ddddd", narrow::<Saturate, S>),
    row("UQSHRN", "0q1 011110 hhhhbbb 10010 1 nnnnn ddddd", narrow::<Saturate, U>),
    row("SQRSHRN", "0q0 011110 hhhhbbb 10011 1 nnnnn ddddd", narrow::<SaturateRound, S>),
    row("UQRSHRN", "0q1 011110 hhhhbbb 10011 1 nnnnn ddddd", narrow::<SaturateRound, U>),
    row("SSHLL", "0q0 011110 hhhhbbb 10100 1 nnnnn ddddd", long::<S>),
    row("USHLL", "0q1 011110 hhhhbbb 10100 1 nnnnn ddddd", long::<U>),
    row("SSHR (scalar)", "010 111110 hhhhbbb 00000 1 nnnnn ddddd", scalar::<Right, S, RIGHT, D>),
    row("USHR (scalar)", "011 111110 hhhhbbb 00000 1 nnnnn ddddd", scalar::<Right, U, RIGHT, D>),
    row("SSRA (scalar)", "010 111110 hhhhbbb 00010 1 nnnnn ddddd", scalar::<RightAcc, S, RIGHT, D>),
    row("USRA (scalar)", "011 111110 hhhhbbb 00010 1 nnnnn ddddd", scalar::<RightAcc, U, RIGHT, D>),
    row("SRSHR (scalar)", "010 111110 hhhhbbb 00100 1 nnnnn ddddd", scalar::<RightRound, S, RIGHT, D>),
    row("URSHR (scalar)", "011 111110 hhhhbbb 00100 1 nnnnn ddddd", scalar::<RightRound, U, RIGHT, D>),
    row("SRSRA (scalar)", "010 111110 hhhhbbb 00110 1 nnnnn ddddd", scalar::<RightRoundAcc, S, RIGHT, D>),
    row("URSRA (scalar)", "011 111110 hhhhbbb 00110 1 nnnnn ddddd", scalar::<RightRoundAcc, U, RIGHT, D>),
    row("SRI (scalar)", "011 111110 hhhhbbb 01000 1 nnnnn ddddd", scalar::<RightInsert, U, RIGHT, D>),
    row("SHL (scalar)", "010 111110 hhhhbbb 01010 1 nnnnn ddddd", scalar::<Left, U, LEFT, D>),
    row("SLI (scalar)", "011 111110 hhhhbbb 01010 1 nnnnn ddddd", scalar::<LeftInsert, U, LEFT, D>),
    row("SQSHLU (scalar)", "011 111110 hhhhbbb 01100 1 nnnnn ddddd", scalar::<LeftSatUnsigned, S, LEFT, BHSD>),
    row("SQSHL (immediate, scalar)", "010 111110 hhhhbbb 01110 1 nnnnn ddddd", scalar::<LeftSat, S, LEFT, BHSD>),
    row("UQSHL (immediate, scalar)", "011 111110 hhhhbbb 01110 1 nnnnn ddddd", scalar::<LeftSat, U, LEFT, BHSD>),
    row("SQSHRUN (scalar)", "011 111110 hhhhbbb 10000 1 nnnnn ddddd", narrow_scalar::<SaturateUnsigned, S>),
    row("SQRSHRUN (scalar)", "011 111110 hhhhbbb 10001 1 nnnnn ddddd", narrow_scalar::<SaturateUnsignedRound, S>),
    row("SQSHRN (scalar)", "010 111110 hhhhbbb 10010 1 nnnnn ddddd", narrow_scalar::<Saturate, S>),
    row("UQSHRN (scalar)", "011 111110 hhhhbbb 10010 1 nnnnn ddddd", narrow_scalar::<Saturate, U>),
    row("SQRSHRN (scalar)", "010 111110 hhhhbbb 10011 1 nnnnn ddddd", narrow_scalar::<SaturateRound, S>),
    row("UQRSHRN (scalar)", "011 111110 hhhhbbb 10011 1 nnnnn ddddd", narrow_scalar::<SaturateRound, U>),
];
