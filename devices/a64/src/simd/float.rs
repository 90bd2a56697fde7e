//! Floating point on vectors, with the scalar forms that belong to Advanced SIMD (ARM ARM C4.1.5).

use super::element::indexed;
use super::{operands, q, read, read_half, write, write_half};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, field, next, row};
use crate::fp::convert::{Integer, convert, round_int, to_fixed};
use crate::fp::estimate::{recip_estimate, recip_exponent, rsqrt_estimate};
use crate::fp::exec::{ELEMENT as BY_ELEMENT, WHOLE, binary, mul_add, pairwise, unary, unary_soft};
use crate::fp::format::{Env, Format, Rounding};
use crate::fp::vector::{
    Binary, FAbd, FAcGe, FAcGt, FAdd, FCmEq, FCmGe, FCmGt, FDiv, FMax, FMaxNm, FMin, FMinNm, FMul, FMulX, FRecpS, FRsqrtS, FSqrt, FSub,
    HostFormat, Unary, with_env,
};
use crate::fp::{CURRENT, from_integer, mode_of, narrow, truncate, widen};
use std::array::from_fn;

/// The handler `$f::<F, .., N>` for sz (bit 22 as a rule) and Q.
macro_rules! by_lanes {
    ($sz:expr, $q:expr, $f:ident [$($arg:tt)*]) => {{
        let handler: Handler = match ($sz, $q) {
            (0, 0) => $f::<u32, $($arg)*, 2>,
            (0, _) => $f::<u32, $($arg)*, 4>,
            (1, 1) => $f::<u64, $($arg)*, 2>,
            _ => return None,
        };
        handler
    }};
}

/// The handler `$f::<F, .., 1>` for sz.
macro_rules! by_scalar {
    ($sz:expr, $f:ident [$($arg:tt)*]) => {{
        let handler: Handler = match $sz {
            0 => $f::<u32, $($arg)*, 1>,
            _ => $f::<u64, $($arg)*, 1>,
        };
        handler
    }};
}

/// Bit 22: double precision.
const fn sz(insn: u32) -> u32 {
    field(insn, 22, 22)
}

fn vector2<O: Binary>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_lanes!(sz(insn), q(insn), binary [O, WHOLE])))
}

fn scalar2<O: Binary>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_scalar!(sz(insn), binary [O, WHOLE])))
}

fn pairwise2<O: Binary>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_lanes!(sz(insn), q(insn), pairwise[O])))
}

fn fused_lanes<const NEG: bool, const BY: bool>(insn: u32) -> Option<Handler> {
    match (sz(insn), q(insn)) {
        (0, 0) => Some(mul_add::<u32, false, NEG, BY, 2>()),
        (0, _) => Some(mul_add::<u32, false, NEG, BY, 4>()),
        (1, 1) => Some(mul_add::<u64, false, NEG, BY, 2>()),
        _ => None,
    }
}

/// The destination is the addend.
fn accumulating(op: Op) -> Op {
    Op { ra: op.rd, ..op }
}

fn multiply_add<const NEG: bool>(insn: u32) -> Option<Op> {
    Some(accumulating(operands(insn, fused_lanes::<NEG, WHOLE>(insn)?)))
}

/// Three registers.
pub(crate) static THREE: &[Row] = &[
    row("FMAXNM (vector)", "0q0 01110 0z 1 mmmmm 11000 1 nnnnn ddddd", vector2::<FMaxNm>),
    row("FMINNM (vector)", "0q0 01110 1z 1 mmmmm 11000 1 nnnnn ddddd", vector2::<FMinNm>),
    row("FMLA (vector)", "0q0 01110 0z 1 mmmmm 11001 1 nnnnn ddddd", multiply_add::<false>),
    row("FMLS (vector)", "0q0 01110 1z 1 mmmmm 11001 1 nnnnn ddddd", multiply_add::<true>),
    row("FADD (vector)", "0q0 01110 0z 1 mmmmm 11010 1 nnnnn ddddd", vector2::<FAdd>),
    row("FSUB (vector)", "0q0 01110 1z 1 mmmmm 11010 1 nnnnn ddddd", vector2::<FSub>),
    row("FMULX", "0q0 01110 0z 1 mmmmm 11011 1 nnnnn ddddd", vector2::<FMulX>),
    row("FCMEQ (register)", "0q0 01110 0z 1 mmmmm 11100 1 nnnnn ddddd", vector2::<FCmEq>),
    row("FMAX (vector)", "0q0 01110 0z 1 mmmmm 11110 1 nnnnn ddddd", vector2::<FMax>),
    row("FMIN (vector)", "0q0 01110 1z 1 mmmmm 11110 1 nnnnn ddddd", vector2::<FMin>),
    row("FRECPS", "0q0 01110 0z 1 mmmmm 11111 1 nnnnn ddddd", vector2::<FRecpS>),
    row("FRSQRTS", "0q0 01110 1z 1 mmmmm 11111 1 nnnnn ddddd", vector2::<FRsqrtS>),
    row("FMAXNMP (vector)", "0q1 01110 0z 1 mmmmm 11000 1 nnnnn ddddd", pairwise2::<FMaxNm>),
    row("FMINNMP (vector)", "0q1 01110 1z 1 mmmmm 11000 1 nnnnn ddddd", pairwise2::<FMinNm>),
    row("FADDP (vector)", "0q1 01110 0z 1 mmmmm 11010 1 nnnnn ddddd", pairwise2::<FAdd>),
    row("FABD", "0q1 01110 1z 1 mmmmm 11010 1 nnnnn ddddd", vector2::<FAbd>),
    row("FMUL (vector)", "0q1 01110 0z 1 mmmmm 11011 1 nnnnn ddddd", vector2::<FMul>),
    row("FCMGE (register)", "0q1 01110 0z 1 mmmmm 11100 1 nnnnn ddddd", vector2::<FCmGe>),
    row("FCMGT (register)", "0q1 01110 1z 1 mmmmm 11100 1 nnnnn ddddd", vector2::<FCmGt>),
    row("FACGE", "0q1 01110 0z 1 mmmmm 11101 1 nnnnn ddddd", vector2::<FAcGe>),
    row("FACGT", "0q1 01110 1z 1 mmmmm 11101 1 nnnnn ddddd", vector2::<FAcGt>),
    row("FMAXP (vector)", "0q1 01110 0z 1 mmmmm 11110 1 nnnnn ddddd", pairwise2::<FMax>),
    row("FMINP (vector)", "0q1 01110 1z 1 mmmmm 11110 1 nnnnn ddddd", pairwise2::<FMin>),
    row("FDIV (vector)", "0q1 01110 0z 1 mmmmm 11111 1 nnnnn ddddd", vector2::<FDiv>),
    row("FMULX (scalar)", "010 11110 0z 1 mmmmm 11011 1 nnnnn ddddd", scalar2::<FMulX>),
    row("FCMEQ (register, scalar)", "010 11110 0z 1 mmmmm 11100 1 nnnnn ddddd", scalar2::<FCmEq>),
    row("FRECPS (scalar)", "010 11110 0z 1 mmmmm 11111 1 nnnnn ddddd", scalar2::<FRecpS>),
    row("FRSQRTS (scalar)", "010 11110 1z 1 mmmmm 11111 1 nnnnn ddddd", scalar2::<FRsqrtS>),
    row("FABD (scalar)", "011 11110 1z 1 mmmmm 11010 1 nnnnn ddddd", scalar2::<FAbd>),
    row("FCMGE (register, scalar)", "011 11110 0z 1 mmmmm 11100 1 nnnnn ddddd", scalar2::<FCmGe>),
    row("FCMGT (register, scalar)", "011 11110 1z 1 mmmmm 11100 1 nnnnn ddddd", scalar2::<FCmGt>),
    row("FACGE (scalar)", "011 11110 0z 1 mmmmm 11101 1 nnnnn ddddd", scalar2::<FAcGe>),
    row("FACGT (scalar)", "011 11110 1z 1 mmmmm 11101 1 nnnnn ddddd", scalar2::<FAcGt>),
];

macro_rules! unary {
    ($($name:ident $(<$(const $c:ident: $ct:ty),*>)? = |$env:ident, $a:ident: $f:ident| $result:expr;)*) => {$(
        struct $name$(<$(const $c: $ct),*>)?;
        impl $(<$(const $c: $ct),*>)? Unary for $name$(<$($c),*>)? {
            #[inline(always)]
            fn soft<$f: Format>($env: &mut Env, $a: $f) -> $f {
                $result
            }
        }
    )*};
}

unary! {
    Abs = |_env, a: F| a.abs();
    Neg = |_env, a: F| a.neg();
    Round<const MODE: u8, const EXACT: bool> = |env, a: F| { let mode = mode_of(MODE, env.rounding()); round_int(env, a, mode, EXACT) };
    ToInteger<const MODE: u8, const SIGNED: bool> = |env, a: F| {
        let to = Integer { bits: F::BITS, signed: SIGNED };
        F::from_bits(if MODE == 3 { truncate(env, a, to) } else { to_fixed(env, a, 0, to, mode_of(MODE, Rounding::Nearest)) })
    };
    RecipEstimate = |env, a: F| recip_estimate(env, a);
    RsqrtEstimate = |env, a: F| rsqrt_estimate(env, a);
    RecipExponent = |env, a: F| recip_exponent(env, a);
    EqualZero = |env, a: F| FCmEq::soft(env, a, F::default());
    GreaterEqualZero = |env, a: F| FCmGe::soft(env, a, F::default());
    GreaterZero = |env, a: F| FCmGt::soft(env, a, F::default());
    LessEqualZero = |env, a: F| FCmGe::soft(env, F::default(), a);
    LessZero = |env, a: F| FCmGt::soft(env, F::default(), a);
}

/// The integer in a lane.
#[inline(always)]
fn lane_value<F: Format, const SIGNED: bool>(a: F) -> i128 {
    let unused = 64 - F::BITS;
    if SIGNED { i128::from((a.bits() << unused) as i64 >> unused) } else { a.bits().into() }
}

fn sqrt(insn: u32) -> Option<Op> {
    Some(operands(insn, by_lanes!(sz(insn), q(insn), unary[FSqrt])))
}

fn vector1<O: Unary>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_lanes!(sz(insn), q(insn), unary_soft[O])))
}

fn scalar1<O: Unary>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_scalar!(sz(insn), unary_soft[O])))
}

fn halves(insn: u32, exec: Handler) -> Option<Op> {
    Some(Op { aux: [q(insn) as u8, 0, 0, 0], ..operands(insn, exec) })
}

fn exec_lengthen_half(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [u16; 4] = read_half(core, op.rn, op.aux[0] != 0);
    let result: [u32; 4] = with_env(core, |env| from_fn(|i| convert(env, n[i], Rounding::Nearest)));
    write(core, op.rd, result);
    next(core, bus, op)
}

fn exec_lengthen_single(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [u32; 2] = read_half(core, op.rn, op.aux[0] != 0);
    let result: [u64; 2] = from_fn(|i| widen(core, n[i]));
    write(core, op.rd, result);
    next(core, bus, op)
}

/// FCVTL: conversions to a wider format are exact.
fn lengthen(insn: u32) -> Option<Op> {
    halves(insn, if sz(insn) == 0 { exec_lengthen_half } else { exec_lengthen_single })
}

fn exec_narrow_single(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [u32; 4] = read(core, op.rn);
    let result: [u16; 4] = with_env(core, |env| {
        let mode = env.rounding();
        from_fn(|i| convert(env, n[i], mode))
    });
    write_half(core, op.rd, op.aux[0] != 0, result);
    next(core, bus, op)
}

fn exec_narrow_double(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [u64; 2] = read(core, op.rn);
    let result: [u32; 2] = from_fn(|i| narrow(core, n[i]));
    write_half(core, op.rd, op.aux[0] != 0, result);
    next(core, bus, op)
}

fn narrowing(insn: u32) -> Option<Op> {
    halves(insn, if sz(insn) == 0 { exec_narrow_single } else { exec_narrow_double })
}

/// FCVTXN: to odd.
fn exec_narrow_odd<const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [u64; N] = read(core, op.rn);
    let result: [u32; N] = with_env(core, |env| from_fn(|i| convert(env, n[i], Rounding::Odd)));
    write_half(core, op.rd, op.aux[0] != 0, result);
    next(core, bus, op)
}

fn narrowing_odd(insn: u32) -> Option<Op> {
    halves(insn, exec_narrow_odd::<2>)
}

fn narrowing_odd_scalar(insn: u32) -> Option<Op> {
    Some(operands(insn, exec_narrow_odd::<1>))
}

/// One register.
pub(crate) static TWO: &[Row] = &[
    row("FABS (vector)", "0q0 01110 1z 10000 01111 10 nnnnn ddddd", vector1::<Abs>),
    row("FNEG (vector)", "0q1 01110 1z 10000 01111 10 nnnnn ddddd", vector1::<Neg>),
    row("FSQRT (vector)", "0q1 01110 1z 10000 11111 10 nnnnn ddddd", sqrt),
    row("FRINTN (vector)", "0q0 01110 0z 10000 11000 10 nnnnn ddddd", vector1::<Round<0, false>>),
    row("FRINTM (vector)", "0q0 01110 0z 10000 11001 10 nnnnn ddddd", vector1::<Round<2, false>>),
    row("FRINTP (vector)", "0q0 01110 1z 10000 11000 10 nnnnn ddddd", vector1::<Round<1, false>>),
    row("FRINTZ (vector)", "0q0 01110 1z 10000 11001 10 nnnnn ddddd", vector1::<Round<3, false>>),
    row("FRINTA (vector)", "0q1 01110 0z 10000 11000 10 nnnnn ddddd", vector1::<Round<4, false>>),
    row("FRINTX (vector)", "0q1 01110 0z 10000 11001 10 nnnnn ddddd", vector1::<Round<CURRENT, true>>),
    row("FRINTI (vector)", "0q1 01110 1z 10000 11001 10 nnnnn ddddd", vector1::<Round<CURRENT, false>>),
    row("FCVTNS (vector)", "0q0 01110 0z 10000 11010 10 nnnnn ddddd", vector1::<ToInteger<0, true>>),
    row("FCVTNU (vector)", "0q1 01110 0z 10000 11010 10 nnnnn ddddd", vector1::<ToInteger<0, false>>),
    row("FCVTPS (vector)", "0q0 01110 1z 10000 11010 10 nnnnn ddddd", vector1::<ToInteger<1, true>>),
    row("FCVTPU (vector)", "0q1 01110 1z 10000 11010 10 nnnnn ddddd", vector1::<ToInteger<1, false>>),
    row("FCVTMS (vector)", "0q0 01110 0z 10000 11011 10 nnnnn ddddd", vector1::<ToInteger<2, true>>),
    row("FCVTMU (vector)", "0q1 01110 0z 10000 11011 10 nnnnn ddddd", vector1::<ToInteger<2, false>>),
    row("FCVTZS (vector, integer)", "0q0 01110 1z 10000 11011 10 nnnnn ddddd", vector1::<ToInteger<3, true>>),
    row("FCVTZU (vector, integer)", "0q1 01110 1z 10000 11011 10 nnnnn ddddd", vector1::<ToInteger<3, false>>),
    row("FCVTAS (vector)", "0q0 01110 0z 10000 11100 10 nnnnn ddddd", vector1::<ToInteger<4, true>>),
    row("FCVTAU (vector)", "0q1 01110 0z 10000 11100 10 nnnnn ddddd", vector1::<ToInteger<4, false>>),
    row("SCVTF (vector, integer)", "0q0 01110 0z 10000 11101 10 nnnnn ddddd", from_integers::<true>),
    row("UCVTF (vector, integer)", "0q1 01110 0z 10000 11101 10 nnnnn ddddd", from_integers::<false>),
    row("FCMGT (zero)", "0q0 01110 1z 10000 01100 10 nnnnn ddddd", vector1::<GreaterZero>),
    row("FCMGE (zero)", "0q1 01110 1z 10000 01100 10 nnnnn ddddd", vector1::<GreaterEqualZero>),
    row("FCMEQ (zero)", "0q0 01110 1z 10000 01101 10 nnnnn ddddd", vector1::<EqualZero>),
    row("FCMLE (zero)", "0q1 01110 1z 10000 01101 10 nnnnn ddddd", vector1::<LessEqualZero>),
    row("FCMLT (zero)", "0q0 01110 1z 10000 01110 10 nnnnn ddddd", vector1::<LessZero>),
    row("FRECPE", "0q0 01110 1z 10000 11101 10 nnnnn ddddd", vector1::<RecipEstimate>),
    row("FRSQRTE", "0q1 01110 1z 10000 11101 10 nnnnn ddddd", vector1::<RsqrtEstimate>),
    row("FCVTN", "0q0 01110 0z 10000 10110 10 nnnnn ddddd", narrowing),
    row("FCVTL", "0q0 01110 0z 10000 10111 10 nnnnn ddddd", lengthen),
    row("FCVTXN", "0q1 01110 01 10000 10110 10 nnnnn ddddd", narrowing_odd),
    row("FCVTXN (scalar)", "011 11110 01 10000 10110 10 nnnnn ddddd", narrowing_odd_scalar),
    row("FCVTNS (vector, scalar)", "010 11110 0z 10000 11010 10 nnnnn ddddd", scalar1::<ToInteger<0, true>>),
    row("FCVTNU (vector, scalar)", "011 11110 0z 10000 11010 10 nnnnn ddddd", scalar1::<ToInteger<0, false>>),
    row("FCVTPS (vector, scalar)", "010 11110 1z 10000 11010 10 nnnnn ddddd", scalar1::<ToInteger<1, true>>),
    row("FCVTPU (vector, scalar)", "011 11110 1z 10000 11010 10 nnnnn ddddd", scalar1::<ToInteger<1, false>>),
    row("FCVTMS (vector, scalar)", "010 11110 0z 10000 11011 10 nnnnn ddddd", scalar1::<ToInteger<2, true>>),
    row("FCVTMU (vector, scalar)", "011 11110 0z 10000 11011 10 nnnnn ddddd", scalar1::<ToInteger<2, false>>),
    row("FCVTZS (vector, integer, scalar)", "010 11110 1z 10000 11011 10 nnnnn ddddd", scalar1::<ToInteger<3, true>>),
    row("FCVTZU (vector, integer, scalar)", "011 11110 1z 10000 11011 10 nnnnn ddddd", scalar1::<ToInteger<3, false>>),
    row("FCVTAS (vector, scalar)", "010 11110 0z 10000 11100 10 nnnnn ddddd", scalar1::<ToInteger<4, true>>),
    row("FCVTAU (vector, scalar)", "011 11110 0z 10000 11100 10 nnnnn ddddd", scalar1::<ToInteger<4, false>>),
    row("SCVTF (vector, integer, scalar)", "010 11110 0z 10000 11101 10 nnnnn ddddd", from_integer_scalar::<true>),
    row("UCVTF (vector, integer, scalar)", "011 11110 0z 10000 11101 10 nnnnn ddddd", from_integer_scalar::<false>),
    row("FCMGT (zero, scalar)", "010 11110 1z 10000 01100 10 nnnnn ddddd", scalar1::<GreaterZero>),
    row("FCMGE (zero, scalar)", "011 11110 1z 10000 01100 10 nnnnn ddddd", scalar1::<GreaterEqualZero>),
    row("FCMEQ (zero, scalar)", "010 11110 1z 10000 01101 10 nnnnn ddddd", scalar1::<EqualZero>),
    row("FCMLE (zero, scalar)", "011 11110 1z 10000 01101 10 nnnnn ddddd", scalar1::<LessEqualZero>),
    row("FCMLT (zero, scalar)", "010 11110 1z 10000 01110 10 nnnnn ddddd", scalar1::<LessZero>),
    row("FRECPE (scalar)", "010 11110 1z 10000 11101 10 nnnnn ddddd", scalar1::<RecipEstimate>),
    row("FRECPX", "010 11110 1z 10000 11111 10 nnnnn ddddd", scalar1::<RecipExponent>),
    row("FRSQRTE (scalar)", "011 11110 1z 10000 11101 10 nnnnn ddddd", scalar1::<RsqrtEstimate>),
];

fn element<O: Binary>(insn: u32) -> Option<Op> {
    indexed(insn, 2 + sz(insn), by_lanes!(sz(insn), q(insn), binary [O, BY_ELEMENT]))
}

fn element_scalar<O: Binary>(insn: u32) -> Option<Op> {
    indexed(insn, 2 + sz(insn), by_scalar!(sz(insn), binary [O, BY_ELEMENT]))
}

fn element_mul_add<const NEG: bool>(insn: u32) -> Option<Op> {
    indexed(insn, 2 + sz(insn), fused_lanes::<NEG, BY_ELEMENT>(insn)?).map(accumulating)
}

fn element_mul_add_scalar<const NEG: bool>(insn: u32) -> Option<Op> {
    let exec = if sz(insn) == 0 { mul_add::<u32, false, NEG, BY_ELEMENT, 1>() } else { mul_add::<u64, false, NEG, BY_ELEMENT, 1>() };
    indexed(insn, 2 + sz(insn), exec).map(accumulating)
}

/// A vector and one element.
pub(crate) static ELEMENT: &[Row] = &[
    row("FMLA (by element)", "0q0 01111 1z lmmmmm 0001 h0 nnnnn ddddd", element_mul_add::<false>),
    row("FMLS (by element)", "0q0 01111 1z lmmmmm 0101 h0 nnnnn ddddd", element_mul_add::<true>),
    row("FMUL (by element)", "0q0 01111 1z lmmmmm 1001 h0 nnnnn ddddd", element::<FMul>),
    row("FMULX (by element)", "0q1 01111 1z lmmmmm 1001 h0 nnnnn ddddd", element::<FMulX>),
    row("FMLA (by element, scalar)", "010 11111 1z lmmmmm 0001 h0 nnnnn ddddd", element_mul_add_scalar::<false>),
    row("FMLS (by element, scalar)", "010 11111 1z lmmmmm 0101 h0 nnnnn ddddd", element_mul_add_scalar::<true>),
    row("FMUL (by element, scalar)", "010 11111 1z lmmmmm 1001 h0 nnnnn ddddd", element_scalar::<FMul>),
    row("FMULX (by element, scalar)", "011 11111 1z lmmmmm 1001 h0 nnnnn ddddd", element_scalar::<FMulX>),
];

fn exec_to_fixed<F: HostFormat, const SIGNED: bool, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, fbits) = (read::<F, N>(core, op.rn), u32::from(op.aux[0]));
    let to = Integer { bits: F::BITS, signed: SIGNED };
    let result: [F; N] = with_env(core, |env| from_fn(|i| F::from_bits(to_fixed(env, n[i], fbits, to, Rounding::Zero))));
    write(core, op.rd, result);
    next(core, bus, op)
}

fn exec_from_integer<F: HostFormat, const SIGNED: bool, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n = read::<F, N>(core, op.rn);
    let result: [F; N] = with_env(core, |env| from_fn(|i| from_integer(env, lane_value::<F, SIGNED>(n[i]), 0)));
    write(core, op.rd, result);
    next(core, bus, op)
}

fn from_integers<const SIGNED: bool>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_lanes!(sz(insn), q(insn), exec_from_integer[SIGNED])))
}

fn from_integer_scalar<const SIGNED: bool>(insn: u32) -> Option<Op> {
    Some(operands(insn, by_scalar!(sz(insn), exec_from_integer[SIGNED])))
}

fn exec_from_fixed<F: HostFormat, const SIGNED: bool, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, fbits) = (read::<F, N>(core, op.rn), u32::from(op.aux[0]));
    let result: [F; N] = with_env(core, |env| from_fn(|i| from_integer(env, lane_value::<F, SIGNED>(n[i]), fbits)));
    write(core, op.rd, result);
    next(core, bus, op)
}

/// sz and the number of fraction bits from immh:immb: lanes of 32 or 64 bits.
fn fixed_point(insn: u32) -> Option<(u32, [u8; 4])> {
    let imm = field(insn, 22, 16);
    match imm {
        64.. => Some((1, [(128 - imm) as u8, 0, 0, 0])),
        32.. => Some((0, [(64 - imm) as u8, 0, 0, 0])),
        _ => None,
    }
}

fn to_fixed_point<const SIGNED: bool>(insn: u32) -> Option<Op> {
    let (sz, aux) = fixed_point(insn)?;
    Some(Op { aux, ..operands(insn, by_lanes!(sz, q(insn), exec_to_fixed[SIGNED])) })
}

fn to_fixed_point_scalar<const SIGNED: bool>(insn: u32) -> Option<Op> {
    let (sz, aux) = fixed_point(insn)?;
    Some(Op { aux, ..operands(insn, by_scalar!(sz, exec_to_fixed[SIGNED])) })
}

fn from_fixed_point<const SIGNED: bool>(insn: u32) -> Option<Op> {
    let (sz, aux) = fixed_point(insn)?;
    Some(Op { aux, ..operands(insn, by_lanes!(sz, q(insn), exec_from_fixed[SIGNED])) })
}

fn from_fixed_point_scalar<const SIGNED: bool>(insn: u32) -> Option<Op> {
    let (sz, aux) = fixed_point(insn)?;
    Some(Op { aux, ..operands(insn, by_scalar!(sz, exec_from_fixed[SIGNED])) })
}

/// Conversions with a binary point, which live among the shifts.
pub(crate) static SHIFT: &[Row] = &[
    row("SCVTF (vector, fixed-point)", "0q0 011110 hhhhbbb 11100 1 nnnnn ddddd", from_fixed_point::<true>),
    row("UCVTF (vector, fixed-point)", "0q1 011110 hhhhbbb 11100 1 nnnnn ddddd", from_fixed_point::<false>),
    row("FCVTZS (vector, fixed-point)", "0q0 011110 hhhhbbb 11111 1 nnnnn ddddd", to_fixed_point::<true>),
    row("FCVTZU (vector, fixed-point)", "0q1 011110 hhhhbbb 11111 1 nnnnn ddddd", to_fixed_point::<false>),
    row("SCVTF (vector, fixed-point, scalar)", "010 111110 hhhhbbb 11100 1 nnnnn ddddd", from_fixed_point_scalar::<true>),
    row("UCVTF (vector, fixed-point, scalar)", "011 111110 hhhhbbb 11100 1 nnnnn ddddd", from_fixed_point_scalar::<false>),
    row("FCVTZS (vector, fixed-point, scalar)", "010 111110 hhhhbbb 11111 1 nnnnn ddddd", to_fixed_point_scalar::<true>),
    row("FCVTZU (vector, fixed-point, scalar)", "011 111110 hhhhbbb 11111 1 nnnnn ddddd", to_fixed_point_scalar::<false>),
];
