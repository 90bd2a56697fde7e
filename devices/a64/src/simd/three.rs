//! Three registers of the same arrangement, on integers (ARM ARM C4.1.5, "Advanced SIMD three same" and its scalar form).

use super::int::{Int, S, Sign, U};
use super::sizes::{B, BHS, BHSD, D, HS};
use super::{by_arrangement, by_scalar, operands, q, read, saturated, size, write};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, next, row};
use std::array::from_fn;

/// A lane of the destination from the lanes of destination and sources. `qc` is set on saturation.
pub(super) trait Three: 'static {
    fn lane<T: Int>(d: T, n: T, m: T, qc: &mut bool) -> T;
}

macro_rules! three {
    ($($name:ident = |$d:pat_param, $n:ident, $m:ident, $qc:pat_param| $result:expr;)*) => {$(
        pub(super) struct $name;
        impl Three for $name {
            #[inline(always)]
            fn lane<T: Int>($d: T, $n: T, $m: T, $qc: &mut bool) -> T {
                $result
            }
        }
    )*};
}

three! {
    And = |_, n, m, _| n & m;
    Bic = |_, n, m, _| n & !m;
    Orr = |_, n, m, _| n | m;
    Orn = |_, n, m, _| n | !m;
    Eor = |_, n, m, _| n ^ m;
    Bsl = |d, n, m, _| m ^ ((m ^ n) & d);
    Bit = |d, n, m, _| d ^ ((d ^ n) & m);
    Bif = |d, n, m, _| d ^ ((d ^ n) & !m);
    Add = |_, n, m, _| n.plus(m);
    Sub = |_, n, m, _| n.minus(m);
    Mul = |_, n, m, _| n.times(m);
    Mla = |d, n, m, _| d.plus(n.times(m));
    Mls = |d, n, m, _| d.minus(n.times(m));
    Max = |_, n, m, _| n.max(m);
    Min = |_, n, m, _| n.min(m);
    AbsDiff = |_, n, m, _| n.max(m).minus(n.min(m));
    AbsDiffAcc = |d, n, m, _| d.plus(n.max(m).minus(n.min(m)));
    // Halving without the bit that a sum needs on top.
    HalfAdd = |_, n, m, _| (n & m).plus((n ^ m).shr(1));
    HalfAddRound = |_, n, m, _| (n | m).minus((n ^ m).shr(1));
    HalfSub = |_, n, m, _| (n ^ m).shr(1).minus(!n & m);
    Equal = |_, n, m, _| T::mask(n == m);
    Greater = |_, n, m, _| T::mask(n > m);
    GreaterEqual = |_, n, m, _| T::mask(n >= m);
    Test = |_, n, m, _| T::mask(n & m != T::default());
    SatAdd = |_, n, m, qc| { let r = n.plus_clamped(m); *qc |= r != n.plus(m); r };
    SatSub = |_, n, m, qc| { let r = n.minus_clamped(m); *qc |= r != n.minus(m); r };
    Shift = |_, n, m, _| shift::<T, false>(n, m);
    ShiftRound = |_, n, m, _| shift::<T, true>(n, m);
    SatShift = |_, n, m, qc| saturating_shift::<T, false>(n, m, qc);
    SatShiftRound = |_, n, m, qc| saturating_shift::<T, true>(n, m, qc);
    MulHigh = |_, n, m, qc| doubling_high::<T, false>(n, m, qc);
    MulHighRound = |_, n, m, qc| doubling_high::<T, true>(n, m, qc);
    PolyMul = |_, n, m, _| T::wrap(i128::from(carryless(n.value() as u8, m.value() as u8)));
}

/// The shift distance: the low byte, signed; negative is right.
#[inline(always)]
fn distance<T: Int>(m: T) -> i32 {
    i32::from(m.value() as i8)
}

#[inline(always)]
fn right<T: Int, const ROUND: bool>(n: T, by: u32) -> T {
    if ROUND { n.shr_rounded(by) } else { n.shr_any(by) }
}

#[inline(always)]
fn shift<T: Int, const ROUND: bool>(n: T, m: T) -> T {
    let by = distance(m);
    if by < 0 {
        right::<T, ROUND>(n, by.unsigned_abs())
    } else if by.unsigned_abs() < T::BITS {
        n.shl(by.unsigned_abs())
    } else {
        T::default()
    }
}

#[inline(always)]
fn saturating_shift<T: Int, const ROUND: bool>(n: T, m: T, qc: &mut bool) -> T {
    let by = distance(m);
    if by < 0 { right::<T, ROUND>(n, by.unsigned_abs()) } else { n.shl_clamped(by.unsigned_abs(), qc) }
}

/// The high half of twice the product, of 16 or 32 bits.
#[inline(always)]
fn doubling_high<T: Int, const ROUND: bool>(n: T, m: T, qc: &mut bool) -> T {
    let product = (n.value() as i64).wrapping_mul(m.value() as i64);
    let round = if ROUND { 1i64 << (T::BITS - 2) } else { 0 };
    let high = product.wrapping_add(round) >> (T::BITS - 1);
    // Only the square of the smallest number overflows.
    let max = T::MAX.value() as i64;
    *qc |= high > max;
    T::wrap(high.min(max).into())
}

/// Polynomial product over {0, 1} of bytes.
#[inline(always)]
pub(super) fn carryless(n: u8, m: u8) -> u16 {
    (0..8).fold(0, |sum, i| sum ^ if m >> i & 1 != 0 { u16::from(n) << i } else { 0 })
}

fn exec<T: Int, O: Three, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (d, n, m) = (read::<T, N>(core, op.rd), read::<T, N>(core, op.rn), read::<T, N>(core, op.rm));
    let mut qc = false;
    let result: [T; N] = from_fn(|i| O::lane(d[i], n[i], m[i], &mut qc));
    write(core, op.rd, result);
    saturated(core, qc);
    next(core, bus, op)
}

/// Neighbouring lanes of the concatenated sources.
fn exec_pairwise<T: Int, O: Three, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m) = (read::<T, N>(core, op.rn), read::<T, N>(core, op.rm));
    let lane = |i: usize| if i < N { n[i] } else { m[i - N] };
    let result: [T; N] = from_fn(|i| O::lane(T::default(), lane(2 * i), lane(2 * i + 1), &mut false));
    write(core, op.rd, result);
    next(core, bus, op)
}

fn vector<O: Three, G: Sign, const SIZES: u32>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_arrangement!(SIZES, size(insn), q(insn), G, exec, O)))
}

fn pairwise<O: Three, G: Sign, const SIZES: u32>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_arrangement!(SIZES, size(insn), q(insn), G, exec_pairwise, O)))
}

fn scalar<O: Three, G: Sign, const SIZES: u32>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_scalar!(SIZES, size(insn), G, exec, O)))
}

fn logical<O: Three>(insn: u32) -> Option<Op> {
    let exec: Handler = if q(insn) == 0 { exec::<u64, O, 1> } else { exec::<u64, O, 2> };
    Some(operands(insn, exec))
}

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("AND (vector)", "0q0 01110 00 1 mmmmm 00011 1 nnnnn ddddd", logical::<And>),
    row("BIC (vector, register)", "0q0 01110 01 1 mmmmm 00011 1 nnnnn ddddd", logical::<Bic>),
    row("ORR (vector, register)", "0q0 01110 10 1 mmmmm 00011 1 nnnnn ddddd", logical::<Orr>),
    row("ORN (vector)", "0q0 01110 11 1 mmmmm 00011 1 nnnnn ddddd", logical::<Orn>),
    row("EOR (vector)", "0q1 01110 00 1 mmmmm 00011 1 nnnnn ddddd", logical::<Eor>),
    row("BSL", "0q1 01110 01 1 mmmmm 00011 1 nnnnn ddddd", logical::<Bsl>),
    row("BIT", "0q1 01110 10 1 mmmmm 00011 1 nnnnn ddddd", logical::<Bit>),
    row("BIF", "0q1 01110 11 1 mmmmm 00011 1 nnnnn ddddd", logical::<Bif>),
    row("SHADD", "0q0 01110 zz 1 mmmmm 00000 1 nnnnn ddddd", vector::<HalfAdd, S, BHS>),
    row("UHADD", "0q1 01110 zz 1 mmmmm 00000 1 nnnnn ddddd", vector::<HalfAdd, U, BHS>),
    row("SQADD", "0q0 01110 zz 1 mmmmm 00001 1 nnnnn ddddd", vector::<SatAdd, S, BHSD>),
    row("UQADD", "0q1 01110 zz 1 mmmmm 00001 1 nnnnn ddddd", vector::<SatAdd, U, BHSD>),
    row("SRHADD", "0q0 01110 zz 1 mmmmm 00010 1 nnnnn ddddd", vector::<HalfAddRound, S, BHS>),
    row("URHADD", "0q1 01110 zz 1 mmmmm 00010 1 nnnnn ddddd", vector::<HalfAddRound, U, BHS>),
    row("SHSUB", "0q0 01110 zz 1 mmmmm 00100 1 nnnnn ddddd", vector::<HalfSub, S, BHS>),
    row("UHSUB", "0q1 01110 zz 1 mmmmm 00100 1 nnnnn ddddd", vector::<HalfSub, U, BHS>),
    row("SQSUB", "0q0 01110 zz 1 mmmmm 00101 1 nnnnn ddddd", vector::<SatSub, S, BHSD>),
    row("UQSUB", "0q1 01110 zz 1 mmmmm 00101 1 nnnnn ddddd", vector::<SatSub, U, BHSD>),
    row("CMGT (register)", "0q0 01110 zz 1 mmmmm 00110 1 nnnnn ddddd", vector::<Greater, S, BHSD>),
    row("CMHI (register)", "0q1 01110 zz 1 mmmmm 00110 1 nnnnn ddddd", vector::<Greater, U, BHSD>),
    row("CMGE (register)", "0q0 01110 zz 1 mmmmm 00111 1 nnnnn ddddd", vector::<GreaterEqual, S, BHSD>),
    row("CMHS (register)", "0q1 01110 zz 1 mmmmm 00111 1 nnnnn ddddd", vector::<GreaterEqual, U, BHSD>),
    row("SSHL", "0q0 01110 zz 1 mmmmm 01000 1 nnnnn ddddd", vector::<Shift, S, BHSD>),
    row("USHL", "0q1 01110 zz 1 mmmmm 01000 1 nnnnn ddddd", vector::<Shift, U, BHSD>),
    row("SQSHL (register)", "0q0 01110 zz 1 mmmmm 01001 1 nnnnn ddddd", vector::<SatShift, S, BHSD>),
    row("UQSHL (register)", "0q1 01110 zz 1 mmmmm 01001 1 nnnnn ddddd", vector::<SatShift, U, BHSD>),
    row("SRSHL", "0q0 01110 zz 1 mmmmm 01010 1 nnnnn ddddd", vector::<ShiftRound, S, BHSD>),
    row("URSHL", "0q1 01110 zz 1 mmmmm 01010 1 nnnnn ddddd", vector::<ShiftRound, U, BHSD>),
    row("SQRSHL", "0q0 01110 zz 1 mmmmm 01011 1 nnnnn ddddd", vector::<SatShiftRound, S, BHSD>),
    row("UQRSHL", "0q1 01110 zz 1 mmmmm 01011 1 nnnnn ddddd", vector::<SatShiftRound, U, BHSD>),
    row("SMAX", "0q0 01110 zz 1 mmmmm 01100 1 nnnnn ddddd", vector::<Max, S, BHS>),
    row("UMAX", "0q1 01110 zz 1 mmmmm 01100 1 nnnnn ddddd", vector::<Max, U, BHS>),
    row("SMIN", "0q0 01110 zz 1 mmmmm 01101 1 nnnnn ddddd", vector::<Min, S, BHS>),
    row("UMIN", "0q1 01110 zz 1 mmmmm 01101 1 nnnnn ddddd", vector::<Min, U, BHS>),
    row("SABD", "0q0 01110 zz 1 mmmmm 01110 1 nnnnn ddddd", vector::<AbsDiff, S, BHS>),
    row("UABD", "0q1 01110 zz 1 mmmmm 01110 1 nnnnn ddddd", vector::<AbsDiff, U, BHS>),
    row("SABA", "0q0 01110 zz 1 mmmmm 01111 1 nnnnn ddddd", vector::<AbsDiffAcc, S, BHS>),
    row("UABA", "0q1 01110 zz 1 mmmmm 01111 1 nnnnn ddddd", vector::<AbsDiffAcc, U, BHS>),
    row("ADD (vector)", "0q0 01110 zz 1 mmmmm 10000 1 nnnnn ddddd", vector::<Add, U, BHSD>),
    row("SUB (vector)", "0q1 01110 zz 1 mmmmm 10000 1 nnnnn ddddd", vector::<Sub, U, BHSD>),
    row("CMTST", "0q0 01110 zz 1 mmmmm 10001 1 nnnnn ddddd", vector::<Test, U, BHSD>),
    row("CMEQ (register)", "0q1 01110 zz 1 mmmmm 10001 1 nnnnn ddddd", vector::<Equal, U, BHSD>),
    row("MLA (vector)", "0q0 01110 zz 1 mmmmm 10010 1 nnnnn ddddd", vector::<Mla, U, BHS>),
    row("MLS (vector)", "0q1 01110 zz 1 mmmmm 10010 1 nnnnn ddddd", vector::<Mls, U, BHS>),
    row("MUL (vector)", "0q0 01110 zz 1 mmmmm 10011 1 nnnnn ddddd", vector::<Mul, U, BHS>),
    row("PMUL", "0q1 01110 zz 1 mmmmm 10011 1 nnnnn ddddd", vector::<PolyMul, U, B>),
    row("SMAXP", "0q0 01110 zz 1 mmmmm 10100 1 nnnnn ddddd", pairwise::<Max, S, BHS>),
    row("UMAXP", "0q1 01110 zz 1 mmmmm 10100 1 nnnnn ddddd", pairwise::<Max, U, BHS>),
    row("SMINP", "0q0 01110 zz 1 mmmmm 10101 1 nnnnn ddddd", pairwise::<Min, S, BHS>),
    row("UMINP", "0q1 01110 zz 1 mmmmm 10101 1 nnnnn ddddd", pairwise::<Min, U, BHS>),
    row("SQDMULH (vector)", "0q0 01110 zz 1 mmmmm 10110 1 nnnnn ddddd", vector::<MulHigh, S, HS>),
    row("SQRDMULH (vector)", "0q1 01110 zz 1 mmmmm 10110 1 nnnnn ddddd", vector::<MulHighRound, S, HS>),
    row("ADDP (vector)", "0q0 01110 zz 1 mmmmm 10111 1 nnnnn ddddd", pairwise::<Add, U, BHSD>),
    row("SQADD (scalar)", "010 11110 zz 1 mmmmm 00001 1 nnnnn ddddd", scalar::<SatAdd, S, BHSD>),
    row("UQADD (scalar)", "011 11110 zz 1 mmmmm 00001 1 nnnnn ddddd", scalar::<SatAdd, U, BHSD>),
    row("SQSUB (scalar)", "010 11110 zz 1 mmmmm 00101 1 nnnnn ddddd", scalar::<SatSub, S, BHSD>),
    row("UQSUB (scalar)", "011 11110 zz 1 mmmmm 00101 1 nnnnn ddddd", scalar::<SatSub, U, BHSD>),
    row("CMGT (register, scalar)", "010 11110 zz 1 mmmmm 00110 1 nnnnn ddddd", scalar::<Greater, S, D>),
    row("CMHI (register, scalar)", "011 11110 zz 1 mmmmm 00110 1 nnnnn ddddd", scalar::<Greater, U, D>),
    row("CMGE (register, scalar)", "010 11110 zz 1 mmmmm 00111 1 nnnnn ddddd", scalar::<GreaterEqual, S, D>),
    row("CMHS (register, scalar)", "011 11110 zz 1 mmmmm 00111 1 nnnnn ddddd", scalar::<GreaterEqual, U, D>),
    row("SSHL (scalar)", "010 11110 zz 1 mmmmm 01000 1 nnnnn ddddd", scalar::<Shift, S, D>),
    row("USHL (scalar)", "011 11110 zz 1 mmmmm 01000 1 nnnnn ddddd", scalar::<Shift, U, D>),
    row("SQSHL (register, scalar)", "010 11110 zz 1 mmmmm 01001 1 nnnnn ddddd", scalar::<SatShift, S, BHSD>),
    row("UQSHL (register, scalar)", "011 11110 zz 1 mmmmm 01001 1 nnnnn ddddd", scalar::<SatShift, U, BHSD>),
    row("SRSHL (scalar)", "010 11110 zz 1 mmmmm 01010 1 nnnnn ddddd", scalar::<ShiftRound, S, D>),
    row("URSHL (scalar)", "011 11110 zz 1 mmmmm 01010 1 nnnnn ddddd", scalar::<ShiftRound, U, D>),
    row("SQRSHL (scalar)", "010 11110 zz 1 mmmmm 01011 1 nnnnn ddddd", scalar::<SatShiftRound, S, BHSD>),
    row("UQRSHL (scalar)", "011 11110 zz 1 mmmmm 01011 1 nnnnn ddddd", scalar::<SatShiftRound, U, BHSD>),
    row("ADD (scalar)", "010 11110 zz 1 mmmmm 10000 1 nnnnn ddddd", scalar::<Add, U, D>),
    row("SUB (scalar)", "011 11110 zz 1 mmmmm 10000 1 nnnnn ddddd", scalar::<Sub, U, D>),
    row("CMTST (scalar)", "010 11110 zz 1 mmmmm 10001 1 nnnnn ddddd", scalar::<Test, U, D>),
    row("CMEQ (register, scalar)", "011 11110 zz 1 mmmmm 10001 1 nnnnn ddddd", scalar::<Equal, U, D>),
    row("SQDMULH (scalar)", "010 11110 zz 1 mmmmm 10110 1 nnnnn ddddd", scalar::<MulHigh, S, HS>),
    row("SQRDMULH (scalar)", "011 11110 zz 1 mmmmm 10110 1 nnnnn ddddd", scalar::<MulHighRound, S, HS>),
];
