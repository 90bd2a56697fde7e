//! Scalar data processing: one to three sources, comparison, selection, immediate, rounding, conversion between formats (ARM ARM C4.1.5).

use super::convert::{convert, round_int};
use super::exec::WHOLE;
use super::format::{FZ, Format, Rounding};
use super::vector::{Binary, FAdd, FDiv, FMax, FMaxNm, FMin, FMinNm, FMul, FNMul, FSqrt, FSub, HostFormat, read, with_env, write};
use super::{compare, exec, vector};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, field, next, row};
use crate::simd::operands;

/// `f::<F, ..>` for the format in bits 23 and 22: single or double.
macro_rules! by_format {
    ($insn:expr, $($f:ident)::+ $([$($arg:tt)*])?) => {
        match field($insn, 23, 22) {
            0 => Some($($f)::+::<u32, $($($arg)*)?>),
            1 => Some($($f)::+::<u64, $($($arg)*)?>),
            _ => None,
        }
    };
}

fn with(insn: u32, exec: Option<Handler>) -> Option<Op> {
    exec.map(|exec| operands(insn, exec))
}

fn binary<O: Binary>(insn: u32) -> Option<Op> {
    with(insn, by_format!(insn, exec::binary [O, WHOLE, 1]))
}

fn sqrt(insn: u32) -> Option<Op> {
    with(insn, by_format!(insn, exec::unary [FSqrt, 1]))
}

/// FMOV (register), FABS and FNEG, which neither look at the number nor raise flags.
fn exec_sign<F: HostFormat, const ABS: bool, const NEG: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [a] = read::<F, 1>(core, op.rn);
    let a = if ABS { a.abs() } else { a };
    write(core, op.rd, [if NEG { a.neg() } else { a }]);
    next(core, bus, op)
}

fn sign<const ABS: bool, const NEG: bool>(insn: u32) -> Option<Op> {
    with(insn, by_format!(insn, exec_sign [ABS, NEG]))
}

fn multiply_add<const NEG_A: bool, const NEG_N: bool>(insn: u32) -> Option<Op> {
    let exec = match field(insn, 23, 22) {
        0 => exec::mul_add::<u32, NEG_A, NEG_N, WHOLE, 1>(),
        1 => exec::mul_add::<u64, NEG_A, NEG_N, WHOLE, 1>(),
        _ => return None,
    };
    Some(operands(insn, exec))
}

#[inline(always)]
fn compare_flags<F: HostFormat>(core: &mut Core, a: F, b: F, signal: bool) {
    // Flushing and NaNs need a closer look.
    let order = if core.fp.fpcr & FZ == 0 { a.host().partial_cmp(&b.host()) } else { None };
    core.nzcv = match order {
        None => with_env(core, |env| compare::flags(compare::compare(env, a, b, signal))),
        order => compare::flags(order),
    };
}

fn exec_compare<F: HostFormat, const SIGNAL: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let ([a], [b]) = (read::<F, 1>(core, op.rn), read(core, op.rm));
    compare_flags(core, a, b, SIGNAL);
    next(core, bus, op)
}

fn exec_compare_zero<F: HostFormat, const SIGNAL: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [a] = read::<F, 1>(core, op.rn);
    compare_flags(core, a, F::default(), SIGNAL);
    next(core, bus, op)
}

fn comparison<const SIGNAL: bool>(insn: u32) -> Option<Op> {
    with(insn, by_format!(insn, exec_compare[SIGNAL]))
}

fn comparison_zero<const SIGNAL: bool>(insn: u32) -> Option<Op> {
    with(insn, by_format!(insn, exec_compare_zero[SIGNAL]))
}

/// `ConditionHolds`, for N, Z, C, V in bits 31 to 28.
#[inline(always)]
fn holds(condition: u8, nzcv: u32) -> bool {
    let (n, z, c, v) = (nzcv >> 31 & 1 != 0, nzcv >> 30 & 1 != 0, nzcv >> 29 & 1 != 0, nzcv >> 28 & 1 != 0);
    let base = match condition >> 1 {
        0 => z,
        1 => c,
        2 => n,
        3 => v,
        4 => c && !z,
        5 => n == v,
        6 => n == v && !z,
        _ => return true,
    };
    base != (condition & 1 != 0)
}

fn exec_conditional_compare<F: HostFormat, const SIGNAL: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if holds(op.aux[0], core.nzcv) {
        let ([a], [b]) = (read::<F, 1>(core, op.rn), read(core, op.rm));
        compare_flags(core, a, b, SIGNAL);
    } else {
        core.nzcv = op.imm as u32;
    }
    next(core, bus, op)
}

fn conditional_compare<const SIGNAL: bool>(insn: u32) -> Option<Op> {
    let op = with(insn, by_format!(insn, exec_conditional_compare[SIGNAL]))?;
    Some(Op { imm: u64::from(field(insn, 3, 0) << 28), aux: [field(insn, 15, 12) as u8, 0, 0, 0], ..op })
}

fn exec_select<F: HostFormat>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let source = if holds(op.aux[0], core.nzcv) { op.rn } else { op.rm };
    let a = read::<F, 1>(core, source);
    write(core, op.rd, a);
    next(core, bus, op)
}

fn select(insn: u32) -> Option<Op> {
    let op = with(insn, by_format!(insn, exec_select))?;
    Some(Op { aux: [field(insn, 15, 12) as u8, 0, 0, 0], ..op })
}

/// `VFPExpandImm`.
pub(crate) fn expand_imm<F: Format>(imm8: u32) -> F {
    let (sign, low) = (imm8 >> 7 != 0, u64::from(imm8 & 0x3f));
    // The exponent is NOT(b) : b repeated : the two bits below; the fraction's top four bits end the byte.
    let high = if imm8 >> 6 & 1 != 0 { F::EXP_MAX >> 1 & !3 } else { (F::EXP_MAX >> 1) + 1 };
    F::with_sign(sign, high << F::FRAC | low << (F::FRAC - 4))
}

fn exec_immediate(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    write(core, op.rd, [op.imm]);
    next(core, bus, op)
}

fn immediate(insn: u32) -> Option<Op> {
    let imm8 = field(insn, 20, 13);
    let imm = match field(insn, 23, 22) {
        0 => u64::from(expand_imm::<u32>(imm8)),
        1 => expand_imm::<u64>(imm8),
        _ => return None,
    };
    Some(Op { imm, ..operands(insn, exec_immediate) })
}

/// The rounding of an FRINT: as FPCR says, or fixed.
#[inline(always)]
pub(crate) fn mode_of(code: u8, current: Rounding) -> Rounding {
    match code {
        0 => Rounding::Nearest,
        1 => Rounding::Plus,
        2 => Rounding::Minus,
        3 => Rounding::Zero,
        4 => Rounding::Away,
        _ => current,
    }
}

/// Code of [`mode_of`] for FPCR's mode.
pub(crate) const CURRENT: u8 = 7;

fn exec_round<F: HostFormat, const MODE: u8, const EXACT: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [a] = read::<F, 1>(core, op.rn);
    let result = with_env(core, |env| {
        let mode = mode_of(MODE, env.rounding());
        round_int(env, a, mode, EXACT)
    });
    write(core, op.rd, [result]);
    next(core, bus, op)
}

fn round<const MODE: u8, const EXACT: bool>(insn: u32) -> Option<Op> {
    with(insn, by_format!(insn, exec_round [MODE, EXACT]))
}

/// Single to double and back are exact or plainly rounded for most numbers.
fn exec_widen(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [a] = read::<u32, 1>(core, op.rn);
    let result = widen(core, a);
    write(core, op.rd, [result]);
    next(core, bus, op)
}

/// `FPConvert` from single to double.
#[inline(always)]
pub(crate) fn widen(core: &mut Core, a: u32) -> u64 {
    if vector::Host::is_plain(a.host()) || a.magnitude() == 0 {
        return f64::from(a.host()).to_bits();
    }
    with_env(core, |env| {
        let mode = env.rounding();
        convert(env, a, mode)
    })
}

/// `FPConvert` from double to single.
#[inline(always)]
pub(crate) fn narrow(core: &mut Core, a: u64) -> u32 {
    use super::format::{IXC, RMODE};
    let result = a.host() as f32;
    if core.fp.fpcr & RMODE == 0 && vector::Host::is_plain(result) {
        if f64::from(result) != a.host() {
            core.fp.fpsr |= IXC;
        }
        return result.to_bits();
    }
    with_env(core, |env| {
        let mode = env.rounding();
        convert(env, a, mode)
    })
}

fn exec_narrow(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [a] = read::<u64, 1>(core, op.rn);
    let result = narrow(core, a);
    write(core, op.rd, [result]);
    next(core, bus, op)
}

fn exec_convert<S: Format + crate::simd::lanes::Pod, D: Format + crate::simd::lanes::Pod>(
    core: &mut Core,
    bus: &mut dyn Bus,
    op: &Op,
) -> Flow {
    let [a] = read::<S, 1>(core, op.rn);
    let result = with_env(core, |env| {
        let mode = env.rounding();
        convert::<S, D>(env, a, mode)
    });
    write(core, op.rd, [result]);
    next(core, bus, op)
}

fn conversion(insn: u32) -> Option<Op> {
    // Source format, destination format: single, double, half.
    let exec: Handler = match (field(insn, 23, 22), field(insn, 16, 15)) {
        (0, 1) => exec_widen,
        (0, 3) => exec_convert::<u32, u16>,
        (1, 0) => exec_narrow,
        (1, 3) => exec_convert::<u64, u16>,
        (3, 0) => exec_convert::<u16, u32>,
        (3, 1) => exec_convert::<u16, u64>,
        _ => return None,
    };
    Some(operands(insn, exec))
}

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("FMUL (scalar)", "000 11110 tt 1 mmmmm 0000 10 nnnnn ddddd", binary::<FMul>),
    row("FDIV (scalar)", "000 11110 tt 1 mmmmm 0001 10 nnnnn ddddd", binary::<FDiv>),
    row("FADD (scalar)", "000 11110 tt 1 mmmmm 0010 10 nnnnn ddddd", binary::<FAdd>),
    row("FSUB (scalar)", "000 11110 tt 1 mmmmm 0011 10 nnnnn ddddd", binary::<FSub>),
    row("FMAX (scalar)", "000 11110 tt 1 mmmmm 0100 10 nnnnn ddddd", binary::<FMax>),
    row("FMIN (scalar)", "000 11110 tt 1 mmmmm 0101 10 nnnnn ddddd", binary::<FMin>),
    row("FMAXNM (scalar)", "000 11110 tt 1 mmmmm 0110 10 nnnnn ddddd", binary::<FMaxNm>),
    row("FMINNM (scalar)", "000 11110 tt 1 mmmmm 0111 10 nnnnn ddddd", binary::<FMinNm>),
    row("FNMUL (scalar)", "000 11110 tt 1 mmmmm 1000 10 nnnnn ddddd", binary::<FNMul>),
    row("FMADD", "000 11111 tt 0 mmmmm 0 aaaaa nnnnn ddddd", multiply_add::<false, false>),
    row("FMSUB", "000 11111 tt 0 mmmmm 1 aaaaa nnnnn ddddd", multiply_add::<false, true>),
    row("FNMADD", "000 11111 tt 1 mmmmm 0 aaaaa nnnnn ddddd", multiply_add::<true, true>),
    row("FNMSUB", "000 11111 tt 1 mmmmm 1 aaaaa nnnnn ddddd", multiply_add::<true, false>),
    row("FMOV (register)", "000 11110 tt 1 000000 10000 nnnnn ddddd", sign::<false, false>),
    row("FABS (scalar)", "000 11110 tt 1 000001 10000 nnnnn ddddd", sign::<true, false>),
    row("FNEG (scalar)", "000 11110 tt 1 000010 10000 nnnnn ddddd", sign::<false, true>),
    row("FSQRT (scalar)", "000 11110 tt 1 000011 10000 nnnnn ddddd", sqrt),
    row("FCVT", "000 11110 tt 1 0001oo 10000 nnnnn ddddd", conversion),
    row("FRINTN (scalar)", "000 11110 tt 1 001000 10000 nnnnn ddddd", round::<0, false>),
    row("FRINTP (scalar)", "000 11110 tt 1 001001 10000 nnnnn ddddd", round::<1, false>),
    row("FRINTM (scalar)", "000 11110 tt 1 001010 10000 nnnnn ddddd", round::<2, false>),
    row("FRINTZ (scalar)", "000 11110 tt 1 001011 10000 nnnnn ddddd", round::<3, false>),
    row("FRINTA (scalar)", "000 11110 tt 1 001100 10000 nnnnn ddddd", round::<4, false>),
    row("FRINTX (scalar)", "000 11110 tt 1 001110 10000 nnnnn ddddd", round::<CURRENT, true>),
    row("FRINTI (scalar)", "000 11110 tt 1 001111 10000 nnnnn ddddd", round::<CURRENT, false>),
    row("FCMP", "000 11110 tt 1 mmmmm 00 1000 nnnnn 00000", comparison::<false>),
    row("FCMP (zero)", "000 11110 tt 1 mmmmm 00 1000 nnnnn 01000", comparison_zero::<false>),
    row("FCMPE", "000 11110 tt 1 mmmmm 00 1000 nnnnn 10000", comparison::<true>),
    row("FCMPE (zero)", "000 11110 tt 1 mmmmm 00 1000 nnnnn 11000", comparison_zero::<true>),
    row("FCCMP", "000 11110 tt 1 mmmmm cccc 01 nnnnn 0 ffff", conditional_compare::<false>),
    row("FCCMPE", "000 11110 tt 1 mmmmm cccc 01 nnnnn 1 ffff", conditional_compare::<true>),
    row("FCSEL", "000 11110 tt 1 mmmmm cccc 11 nnnnn ddddd", select),
    row("FMOV (scalar, immediate)", "000 11110 tt 1 iiiiiiii 100 00000 ddddd", immediate),
];
