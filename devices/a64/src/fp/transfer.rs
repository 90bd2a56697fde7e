//! Between floating-point and general registers: moves, conversions to and from integers and fixed point (ARM ARM C4.1.5).

use super::convert::{Integer, from_fixed, to_fixed};
use super::format::{Env, Format, IXC, RMODE, Rounding};
use super::scalar::mode_of;
use super::vector::{Host, HostFormat, read, with_env, write};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, dest, field, next, row};
use crate::simd::operands;

/// `f::<F, WIDE, ..>` for the format in bits 23 and 22 and sf.
macro_rules! by_format_and_width {
    ($insn:expr, $f:ident; $($c:expr),*) => {{
        let handler: Handler = match (field($insn, 23, 22), field($insn, 31, 31)) {
            (0, 0) => $f::<u32, false, $($c),*>,
            (0, 1) => $f::<u32, true, $($c),*>,
            (1, 0) => $f::<u64, false, $($c),*>,
            (1, 1) => $f::<u64, true, $($c),*>,
            _ => return None,
        };
        handler
    }};
}

const fn integer(wide: bool, signed: bool) -> Integer {
    Integer { bits: if wide { 64 } else { 32 }, signed }
}

/// Truncation by the host where the number is well inside the range.
#[inline(always)]
pub(crate) fn truncate<F: Format>(env: &mut Env, a: F, to: Integer) -> u64 {
    let exp = (a.magnitude() >> F::FRAC) as i32 - F::BIAS;
    // Negative numbers to unsigned saturate; a magnitude below 2^(bits-1) fits either way.
    if exp >= 0 && exp < to.bits as i32 - 1 && (to.signed || !a.sign()) {
        let shift = F::FRAC as i32 - exp;
        let sig = a.magnitude() & ((1 << F::FRAC) - 1) | 1 << F::FRAC;
        let int = if shift >= 0 { sig >> shift } else { sig << -shift };
        if shift > 0 && sig & ((1 << shift) - 1) != 0 {
            env.raise(IXC);
        }
        let int = if a.sign() { int.wrapping_neg() } else { int };
        return int & u64::MAX >> (64 - to.bits);
    }
    to_fixed(env, a, 0, to, Rounding::Zero)
}

fn exec_to_integer<F: HostFormat, const WIDE: bool, const SIGNED: bool, const MODE: u8>(
    core: &mut Core,
    bus: &mut dyn Bus,
    op: &Op,
) -> Flow {
    let [a] = read::<F, 1>(core, op.rn);
    let to = integer(WIDE, SIGNED);
    let result = with_env(core, |env| {
        if MODE == 3 {
            truncate(env, a, to)
        } else {
            let mode = mode_of(MODE, env.rounding());
            to_fixed(env, a, 0, to, mode)
        }
    });
    core.x[usize::from(op.rd & 63)] = result;
    next(core, bus, op)
}

fn to_integer<const SIGNED: bool, const MODE: u8>(insn: u32) -> Option<Op> {
    let exec = by_format_and_width!(insn, exec_to_integer; SIGNED, MODE);
    Some(Op { rd: dest(field(insn, 4, 0)), ..operands(insn, exec) })
}

/// `FixedToFP` of a value of at most 64 bits, by the host where it has no point and its rounding is the host's.
#[inline(always)]
pub(crate) fn from_integer<F: HostFormat>(env: &mut Env, value: i128, fbits: u32) -> F {
    // Far from the ends of the range, so that the way back does not clamp.
    if fbits == 0 && env.fpcr & RMODE == 0 && (-(1 << 62)..1 << 62).contains(&value) {
        let result = F::Host::of_integer(value as i64);
        if result.to_integer() != value as i64 {
            env.raise(IXC);
        }
        return F::of(result);
    }
    let mode = env.rounding();
    from_fixed(env, value, fbits, mode)
}

fn integer_value<const WIDE: bool, const SIGNED: bool>(x: u64) -> i128 {
    match (WIDE, SIGNED) {
        (true, true) => i128::from(x as i64),
        (true, false) => i128::from(x),
        (false, true) => i128::from(x as u32 as i32),
        (false, false) => i128::from(x as u32),
    }
}

fn exec_from_integer<F: HostFormat, const WIDE: bool, const SIGNED: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let value = integer_value::<WIDE, SIGNED>(core.x[usize::from(op.rn & 63)]);
    let result: F = with_env(core, |env| from_integer(env, value, 0));
    write(core, op.rd, [result]);
    next(core, bus, op)
}

fn integer_to<const SIGNED: bool>(insn: u32) -> Option<Op> {
    let exec = by_format_and_width!(insn, exec_from_integer; SIGNED);
    Some(operands(insn, exec))
}

fn exec_to_fixed<F: HostFormat, const WIDE: bool, const SIGNED: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [a] = read::<F, 1>(core, op.rn);
    let result = with_env(core, |env| to_fixed(env, a, u32::from(op.aux[0]), integer(WIDE, SIGNED), Rounding::Zero));
    core.x[usize::from(op.rd & 63)] = result;
    next(core, bus, op)
}

fn exec_from_fixed<F: HostFormat, const WIDE: bool, const SIGNED: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let value = integer_value::<WIDE, SIGNED>(core.x[usize::from(op.rn & 63)]);
    let result: F = with_env(core, |env| from_integer(env, value, u32::from(op.aux[0])));
    write(core, op.rd, [result]);
    next(core, bus, op)
}

/// Fraction bits: 64 less the scale field, at most the register's width.
fn fraction_bits(insn: u32) -> Option<[u8; 4]> {
    let (sf, fbits) = (field(insn, 31, 31), 64 - field(insn, 15, 10));
    (sf == 1 || fbits <= 32).then_some([fbits as u8, 0, 0, 0])
}

fn to_fixed_point<const SIGNED: bool>(insn: u32) -> Option<Op> {
    let exec = by_format_and_width!(insn, exec_to_fixed; SIGNED);
    Some(Op { aux: fraction_bits(insn)?, rd: dest(field(insn, 4, 0)), ..operands(insn, exec) })
}

fn fixed_point_to<const SIGNED: bool>(insn: u32) -> Option<Op> {
    let exec = by_format_and_width!(insn, exec_from_fixed; SIGNED);
    Some(Op { aux: fraction_bits(insn)?, ..operands(insn, exec) })
}

fn exec_move_to_general<const BITS: u32>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let v = core.fp.v[usize::from(op.rn & 31)];
    core.x[usize::from(op.rd & 63)] = match BITS {
        32 => u64::from(v as u32),
        64 => v as u64,
        _ => (v >> 64) as u64,
    };
    next(core, bus, op)
}

fn exec_move_from_general<const BITS: u32>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let x = core.x[usize::from(op.rn & 63)];
    let v = &mut core.fp.v[usize::from(op.rd & 31)];
    *v = match BITS {
        32 => u128::from(x as u32),
        64 => u128::from(x),
        _ => u128::from(*v as u64) | u128::from(x) << 64,
    };
    next(core, bus, op)
}

fn move_to_general<const BITS: u32>(insn: u32) -> Option<Op> {
    Some(Op { rd: dest(field(insn, 4, 0)), ..operands(insn, exec_move_to_general::<BITS>) })
}

fn move_from_general<const BITS: u32>(insn: u32) -> Option<Op> {
    Some(operands(insn, exec_move_from_general::<BITS>))
}

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("FCVTNS (scalar)", "s00 11110 tt 1 00 000 000000 nnnnn ddddd", to_integer::<true, 0>),
    row("FCVTNU (scalar)", "s00 11110 tt 1 00 001 000000 nnnnn ddddd", to_integer::<false, 0>),
    row("FCVTPS (scalar)", "s00 11110 tt 1 01 000 000000 nnnnn ddddd", to_integer::<true, 1>),
    row("FCVTPU (scalar)", "s00 11110 tt 1 01 001 000000 nnnnn ddddd", to_integer::<false, 1>),
    row("FCVTMS (scalar)", "s00 11110 tt 1 10 000 000000 nnnnn ddddd", to_integer::<true, 2>),
    row("FCVTMU (scalar)", "s00 11110 tt 1 10 001 000000 nnnnn ddddd", to_integer::<false, 2>),
    row("FCVTZS (scalar, integer)", "s00 11110 tt 1 11 000 000000 nnnnn ddddd", to_integer::<true, 3>),
    row("FCVTZU (scalar, integer)", "s00 11110 tt 1 11 001 000000 nnnnn ddddd", to_integer::<false, 3>),
    row("FCVTAS (scalar)", "s00 11110 tt 1 00 100 000000 nnnnn ddddd", to_integer::<true, 4>),
    row("FCVTAU (scalar)", "s00 11110 tt 1 00 101 000000 nnnnn ddddd", to_integer::<false, 4>),
    row("SCVTF (scalar, integer)", "s00 11110 tt 1 00 010 000000 nnnnn ddddd", integer_to::<true>),
    row("UCVTF (scalar, integer)", "s00 11110 tt 1 00 011 000000 nnnnn ddddd", integer_to::<false>),
    row("FCVTZS (scalar, fixed-point)", "s00 11110 tt 0 11 000 ffffff nnnnn ddddd", to_fixed_point::<true>),
    row("FCVTZU (scalar, fixed-point)", "s00 11110 tt 0 11 001 ffffff nnnnn ddddd", to_fixed_point::<false>),
    row("SCVTF (scalar, fixed-point)", "s00 11110 tt 0 00 010 ffffff nnnnn ddddd", fixed_point_to::<true>),
    row("UCVTF (scalar, fixed-point)", "s00 11110 tt 0 00 011 ffffff nnnnn ddddd", fixed_point_to::<false>),
    row("FMOV (general)", "000 11110 00 1 00 110 000000 nnnnn ddddd", move_to_general::<32>),
    row("FMOV (general)", "000 11110 00 1 00 111 000000 nnnnn ddddd", move_from_general::<32>),
    row("FMOV (general)", "100 11110 01 1 00 110 000000 nnnnn ddddd", move_to_general::<64>),
    row("FMOV (general)", "100 11110 01 1 00 111 000000 nnnnn ddddd", move_from_general::<64>),
    row("FMOV (general)", "100 11110 10 1 01 110 000000 nnnnn ddddd", move_to_general::<128>),
    row("FMOV (general)", "100 11110 10 1 01 111 000000 nnnnn ddddd", move_from_general::<128>),
];
