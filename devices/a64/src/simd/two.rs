//! One source register, on integers (ARM ARM C4.1.5, "Advanced SIMD two-register miscellaneous" and its scalar form).

use super::int::{Int, S, Sign, U, Widen};
use super::sizes::{B, BHS, BHSD, D, S as ONLY_S};
use super::{by_arrangement, by_half, by_scalar, operands, q, read, read_half, saturated, size, write, write_half};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Op, Row, next, row};
use crate::fp::estimate::{unsigned_recip_estimate, unsigned_rsqrt_estimate};
use std::array::from_fn;

/// A lane of the destination from its old value and the source lane. `qc` is set on saturation.
pub(super) trait Two: 'static {
    fn lane<T: Int>(d: T, n: T, qc: &mut bool) -> T;
}

macro_rules! two {
    ($($name:ident = |$d:pat_param, $n:ident, $qc:pat_param| $result:expr;)*) => {$(
        pub(super) struct $name;
        impl Two for $name {
            #[inline(always)]
            fn lane<T: Int>($d: T, $n: T, $qc: &mut bool) -> T {
                $result
            }
        }
    )*};
}

two! {
    Abs = |_, n, _| if n < T::default() { T::default().minus(n) } else { n };
    Neg = |_, n, _| T::default().minus(n);
    SatAbs = |_, n, qc| if n < T::default() { SatNeg::lane(n, n, qc) } else { n };
    SatNeg = |_, n, qc| { *qc |= n == T::MIN; T::default().minus_clamped(n) };
    Not = |_, n, _| !n;
    ReverseBits = |_, n, _| n.reverse();
    LeadingZeros = |_, n, _| T::wrap(n.lead().into());
    LeadingSigns = |_, n, _| T::wrap(i128::from((n ^ n.shr(T::BITS - 1)).lead()) - 1);
    Ones = |_, n, _| T::wrap(n.ones().into());
    GreaterZero = |_, n, _| T::mask(n > T::default());
    GreaterEqualZero = |_, n, _| T::mask(n >= T::default());
    EqualZero = |_, n, _| T::mask(n == T::default());
    LessEqualZero = |_, n, _| T::mask(n <= T::default());
    LessZero = |_, n, _| T::mask(n < T::default());
    // The destination's sign is the type's, the source's the other.
    SatAccumulate = |d, n, qc| {
        let other = if T::SIGNED { n.unsigned().value() } else { n.signed().value() };
        let sum = d.value() + other;
        let clamped = sum.clamp(T::MIN.value(), T::MAX.value());
        *qc |= clamped != sum;
        T::wrap(clamped)
    };
    // The two halves of a lane are its pair of narrow lanes.
    PairSum = |_, n, _| n.shl(T::BITS / 2).shr(T::BITS / 2).plus(n.shr(T::BITS / 2));
    PairSumAcc = |d, n, qc| d.plus(PairSum::lane(d, n, qc));
    ReverseBytes = |_, n, _| reverse_elements(n, 8);
    ReverseHalfwords = |_, n, _| reverse_elements(n, 16);
    ReverseWords = |_, n, _| reverse_elements(n, 32);
    RecipEstimate = |_, n, _| T::wrap(unsigned_recip_estimate(n.value() as u32).into());
    RsqrtEstimate = |_, n, _| T::wrap(unsigned_rsqrt_estimate(n.value() as u32).into());
}

/// The elements of `bits` bits within a lane in reverse order: those of a doubleword, of which the lane then is the upper end.
#[inline(always)]
fn reverse_elements<T: Int>(n: T, bits: u32) -> T {
    let v = n.value() as u64;
    let reversed = match bits {
        8 => v.swap_bytes(),
        16 => v << 48 | (v & 0xffff_0000) << 16 | v >> 16 & 0xffff_0000 | v >> 48,
        _ => v.rotate_left(32),
    };
    T::wrap((reversed >> (64 - T::BITS)).into())
}

fn exec<T: Int, O: Two, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (d, n) = (read::<T, N>(core, op.rd), read::<T, N>(core, op.rn));
    let mut qc = false;
    let result: [T; N] = from_fn(|i| O::lane(d[i], n[i], &mut qc));
    write(core, op.rd, result);
    saturated(core, qc);
    next(core, bus, op)
}

fn vector<O: Two, G: Sign, const SIZES: u32>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_arrangement!(SIZES, size(insn), q(insn), G, exec, O)))
}

fn scalar<O: Two, G: Sign, const SIZES: u32>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_scalar!(SIZES, size(insn), G, exec, O)))
}

/// Operations on lanes of twice (or more) the size that the size field gives: `BYTES` is log2 of the lane's.
fn container<O: Two, G: Sign, const BYTES: u32>(insn: u32) -> Option<Op> {
    let handler = by_arrangement!(BHSD, BYTES, q(insn) | u32::from(BYTES == 3), G, exec, O);
    // A doubleword alone.
    let handler = if BYTES == 3 && q(insn) == 0 { exec::<G::D, O, 1> } else { handler };
    Some(operands(insn, handler))
}

fn pair_sum<O: Two, G: Sign>(insn: u32) -> Option<Op> {
    match size(insn) {
        0 => container::<O, G, 1>(insn),
        1 => container::<O, G, 2>(insn),
        2 => container::<O, G, 3>(insn),
        _ => None,
    }
}

/// NOT and RBIT, which have bytes as lanes and no size.
fn bytes<O: Two>(insn: u32) -> Option<Op> {
    container::<O, U, 0>(insn)
}

/// A narrow lane from a wide one.
pub(super) trait Narrow: 'static {
    fn lane<W: Int>(n: W, qc: &mut bool) -> W;
}

macro_rules! narrow {
    ($($name:ident = |$n:ident, $qc:pat_param| $result:expr;)*) => {$(
        pub(super) struct $name;
        impl Narrow for $name {
            #[inline(always)]
            fn lane<W: Int>($n: W, $qc: &mut bool) -> W {
                $result
            }
        }
    )*};
}

narrow! {
    Truncate = |n, _| n;
    // To the type's own sign.
    Saturate = |n, qc| n.clamped(W::BITS / 2, W::SIGNED, qc);
    SaturateUnsigned = |n, qc| n.clamped(W::BITS / 2, false, qc);
}

fn exec_narrow<T: Widen, O: Narrow, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    // Eight bytes come from eight halfwords, and so on: the wide lanes fill the register.
    let n: [T::Wide; N] = read(core, op.rn);
    let mut qc = false;
    let result: [T; N] = from_fn(|i| T::low(O::lane(n[i], &mut qc)));
    write_half(core, op.rd, op.aux[0] != 0, result);
    saturated(core, qc);
    next(core, bus, op)
}

fn narrow<O: Narrow, G: Sign>(insn: u32) -> Option<Op> {
    let op = operands(insn, by_half!(size(insn), G, exec_narrow, O));
    Some(Op { aux: [q(insn) as u8, 0, 0, 0], ..op })
}

fn narrow_scalar<O: Narrow, G: Sign>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_half!(size(insn), G, exec_narrow, O; 1)))
}

/// SHLL: widened and shifted by the narrow lane's width.
fn exec_shift_long<T: Widen, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [T; N] = read_half(core, op.rn, op.aux[0] != 0);
    write(core, op.rd, n.map(|n| n.widen().shl(T::BITS)));
    next(core, bus, op)
}

fn shift_long(insn: u32) -> Option<Op> {
    let op = operands(insn, by_half!(size(insn), U, exec_shift_long));
    Some(Op { aux: [q(insn) as u8, 0, 0, 0], ..op })
}

/// REV64, REV32, REV16: the container is larger than the element.
fn reverse<const CONTAINER: u32>(insn: u32) -> Option<Op> {
    match size(insn) {
        s if s >= CONTAINER => None,
        0 => container::<ReverseBytes, U, CONTAINER>(insn),
        1 => container::<ReverseHalfwords, U, CONTAINER>(insn),
        _ => container::<ReverseWords, U, CONTAINER>(insn),
    }
}

/// The instructions with lanes of one size.
pub(crate) static ROWS: &[Row] = &[
    row("REV64", "0q0 01110 zz 10000 00000 10 nnnnn ddddd", reverse::<3>),
    row("REV16 (vector)", "0q0 01110 zz 10000 00001 10 nnnnn ddddd", reverse::<1>),
    row("REV32 (vector)", "0q1 01110 zz 10000 00000 10 nnnnn ddddd", reverse::<2>),
    row("SADDLP", "0q0 01110 zz 10000 00010 10 nnnnn ddddd", pair_sum::<PairSum, S>),
    row("UADDLP", "0q1 01110 zz 10000 00010 10 nnnnn ddddd", pair_sum::<PairSum, U>),
    row("SUQADD", "0q0 01110 zz 10000 00011 10 nnnnn ddddd", vector::<SatAccumulate, S, BHSD>),
    row("USQADD", "0q1 01110 zz 10000 00011 10 nnnnn ddddd", vector::<SatAccumulate, U, BHSD>),
    row("CLS (vector)", "0q0 01110 zz 10000 00100 10 nnnnn ddddd", vector::<LeadingSigns, S, BHS>),
    row("CLZ (vector)", "0q1 01110 zz 10000 00100 10 nnnnn ddddd", vector::<LeadingZeros, U, BHS>),
    row("CNT", "0q0 01110 zz 10000 00101 10 nnnnn ddddd", vector::<Ones, U, B>),
    row("NOT", "0q1 01110 00 10000 00101 10 nnnnn ddddd", bytes::<Not>),
    row("RBIT (vector)", "0q1 01110 01 10000 00101 10 nnnnn ddddd", bytes::<ReverseBits>),
    row("SADALP", "0q0 01110 zz 10000 00110 10 nnnnn ddddd", pair_sum::<PairSumAcc, S>),
    row("UADALP", "0q1 01110 zz 10000 00110 10 nnnnn ddddd", pair_sum::<PairSumAcc, U>),
    row("SQABS", "0q0 01110 zz 10000 00111 10 nnnnn ddddd", vector::<SatAbs, S, BHSD>),
    row("SQNEG", "0q1 01110 zz 10000 00111 10 nnnnn ddddd", vector::<SatNeg, S, BHSD>),
    row("CMGT (zero)", "0q0 01110 zz 10000 01000 10 nnnnn ddddd", vector::<GreaterZero, S, BHSD>),
    row("CMGE (zero)", "0q1 01110 zz 10000 01000 10 nnnnn ddddd", vector::<GreaterEqualZero, S, BHSD>),
    row("CMEQ (zero)", "0q0 01110 zz 10000 01001 10 nnnnn ddddd", vector::<EqualZero, S, BHSD>),
    row("CMLE (zero)", "0q1 01110 zz 10000 01001 10 nnnnn ddddd", vector::<LessEqualZero, S, BHSD>),
    row("CMLT (zero)", "0q0 01110 zz 10000 01010 10 nnnnn ddddd", vector::<LessZero, S, BHSD>),
    row("ABS", "0q0 01110 zz 10000 01011 10 nnnnn ddddd", vector::<Abs, S, BHSD>),
    row("NEG (vector)", "0q1 01110 zz 10000 01011 10 nnnnn ddddd", vector::<Neg, S, BHSD>),
    row("URECPE", "0q0 01110 zz 10000 11100 10 nnnnn ddddd", vector::<RecipEstimate, U, ONLY_S>),
    row("URSQRTE", "0q1 01110 zz 10000 11100 10 nnnnn ddddd", vector::<RsqrtEstimate, U, ONLY_S>),
    row("SUQADD (scalar)", "010 11110 zz 10000 00011 10 nnnnn ddddd", scalar::<SatAccumulate, S, BHSD>),
    row("USQADD (scalar)", "011 11110 zz 10000 00011 10 nnnnn ddddd", scalar::<SatAccumulate, U, BHSD>),
    row("SQABS (scalar)", "010 11110 zz 10000 00111 10 nnnnn ddddd", scalar::<SatAbs, S, BHSD>),
    row("SQNEG (scalar)", "011 11110 zz 10000 00111 10 nnnnn ddddd", scalar::<SatNeg, S, BHSD>),
    row("CMGT (zero, scalar)", "010 11110 zz 10000 01000 10 nnnnn ddddd", scalar::<GreaterZero, S, D>),
    row("CMGE (zero, scalar)", "011 11110 zz 10000 01000 10 nnnnn ddddd", scalar::<GreaterEqualZero, S, D>),
    row("CMEQ (zero, scalar)", "010 11110 zz 10000 01001 10 nnnnn ddddd", scalar::<EqualZero, S, D>),
    row("CMLE (zero, scalar)", "011 11110 zz 10000 01001 10 nnnnn ddddd", scalar::<LessEqualZero, S, D>),
    row("CMLT (zero, scalar)", "010 11110 zz 10000 01010 10 nnnnn ddddd", scalar::<LessZero, S, D>),
    row("ABS (scalar)", "010 11110 zz 10000 01011 10 nnnnn ddddd", scalar::<Abs, S, D>),
    row("NEG (scalar)", "011 11110 zz 10000 01011 10 nnnnn ddddd", scalar::<Neg, S, D>),
];

/// The instructions that halve or double the lanes' width.
pub(crate) static NARROW: &[Row] = &[
    row("XTN", "0q0 01110 zz 10000 10010 10 nnnnn ddddd", narrow::<Truncate, U>),
    row("SQXTUN", "0q1 01110 zz 10000 10010 10 nnnnn ddddd", narrow::<SaturateUnsigned, S>),
    row("SQXTN", "0q0 01110 zz 10000 10100 10 nnnnn ddddd", narrow::<Saturate, S>),
    row("UQXTN", "0q1 01110 zz 10000 10100 10 nnnnn ddddd", narrow::<Saturate, U>),
    row("SHLL", "0q1 01110 zz 10000 10011 10 nnnnn ddddd", shift_long),
    row("SQXTUN (scalar)", "011 11110 zz 10000 10010 10 nnnnn ddddd", narrow_scalar::<SaturateUnsigned, S>),
    row("SQXTN (scalar)", "010 11110 zz 10000 10100 10 nnnnn ddddd", narrow_scalar::<Saturate, S>),
    row("UQXTN (scalar)", "011 11110 zz 10000 10100 10 nnnnn ddddd", narrow_scalar::<Saturate, U>),
];
