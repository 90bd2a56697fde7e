//! Reductions: across the lanes of a vector, and of a pair to a scalar (ARM ARM C4.1.5, "Advanced SIMD across lanes", "scalar pairwise").

use super::int::{Int, S, Sign, U, Widen};
use super::three::{Add, Max, Min, Three};
use super::{operands, q, read, size, write};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, field, next, row};
use crate::fp::vector::{Binary, FAdd, FMax, FMaxNm, FMin, FMinNm, HostFormat, fast2, soft2};

fn exec<T: Int, O: Three, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [first, rest @ ..] = &read::<T, N>(core, op.rn)[..] else { return next(core, bus, op) };
    let result = rest.iter().fold(*first, |r, n| O::lane(r, r, *n, &mut false));
    write(core, op.rd, [result]);
    next(core, bus, op)
}

fn exec_long<T: Widen, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [T; N] = read(core, op.rn);
    let result = n.iter().fold(T::Wide::default(), |r, n| r.plus(n.widen()));
    write(core, op.rd, [result]);
    next(core, bus, op)
}

fn across<O: Three, G: Sign>(insn: u32) -> Option<Op> {
    let handler: Handler = match (size(insn), q(insn)) {
        (0, 0) => exec::<G::B, O, 8>,
        (0, _) => exec::<G::B, O, 16>,
        (1, 0) => exec::<G::H, O, 4>,
        (1, _) => exec::<G::H, O, 8>,
        (2, 1) => exec::<G::S, O, 4>,
        _ => return None,
    };
    Some(operands(insn, handler))
}

fn across_long<G: Sign>(insn: u32) -> Option<Op> {
    let handler: Handler = match (size(insn), q(insn)) {
        (0, 0) => exec_long::<G::B, 8>,
        (0, _) => exec_long::<G::B, 16>,
        (1, 0) => exec_long::<G::H, 4>,
        (1, _) => exec_long::<G::H, 8>,
        (2, 1) => exec_long::<G::S, 4>,
        _ => return None,
    };
    Some(operands(insn, handler))
}

/// By the host if it can, else by integers.
#[inline(always)]
fn either2<F: HostFormat, O: Binary, const N: usize>(core: &mut Core, a: [F; N], b: [F; N]) -> [F; N] {
    fast2::<F, O, N>(core, a, b).unwrap_or_else(|| soft2::<F, O, N>(core, a, b))
}

/// `Reduce` for floating point: of neighbours, then of the results.
fn exec_float<O: Binary>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [a, b, c, d] = read::<u32, 4>(core, op.rn);
    let [low, high] = either2::<u32, O, 2>(core, [a, c], [b, d]);
    let result = either2::<u32, O, 1>(core, [low], [high]);
    write(core, op.rd, result);
    next(core, bus, op)
}

fn float<O: Binary>(insn: u32) -> Option<Op> {
    (q(insn) == 1 && field(insn, 22, 22) == 0).then(|| operands(insn, exec_float::<O>))
}

fn exec_pair(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [a, b] = read::<u64, 2>(core, op.rn);
    write(core, op.rd, [a.wrapping_add(b)]);
    next(core, bus, op)
}

fn pair(insn: u32) -> Option<Op> {
    (size(insn) == 3).then(|| operands(insn, exec_pair))
}

fn exec_float_pair<F: HostFormat, O: Binary>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let [a, b] = read::<F, 2>(core, op.rn);
    let result = either2::<F, O, 1>(core, [a], [b]);
    write(core, op.rd, result);
    next(core, bus, op)
}

fn float_pair<O: Binary>(insn: u32) -> Option<Op> {
    let exec: Handler = if field(insn, 22, 22) == 0 { exec_float_pair::<u32, O> } else { exec_float_pair::<u64, O> };
    Some(operands(insn, exec))
}

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("SADDLV", "0q0 01110 zz 11000 00011 10 nnnnn ddddd", across_long::<S>),
    row("UADDLV", "0q1 01110 zz 11000 00011 10 nnnnn ddddd", across_long::<U>),
    row("SMAXV", "0q0 01110 zz 11000 01010 10 nnnnn ddddd", across::<Max, S>),
    row("UMAXV", "0q1 01110 zz 11000 01010 10 nnnnn ddddd", across::<Max, U>),
    row("SMINV", "0q0 01110 zz 11000 11010 10 nnnnn ddddd", across::<Min, S>),
    row("UMINV", "0q1 01110 zz 11000 11010 10 nnnnn ddddd", across::<Min, U>),
    row("ADDV", "0q0 01110 zz 11000 11011 10 nnnnn ddddd", across::<Add, U>),
    row("FMAXNMV", "0q1 01110 0z 11000 01100 10 nnnnn ddddd", float::<FMaxNm>),
    row("FMINNMV", "0q1 01110 1z 11000 01100 10 nnnnn ddddd", float::<FMinNm>),
    row("FMAXV", "0q1 01110 0z 11000 01111 10 nnnnn ddddd", float::<FMax>),
    row("FMINV", "0q1 01110 1z 11000 01111 10 nnnnn ddddd", float::<FMin>),
    row("ADDP (scalar)", "010 11110 zz 11000 11011 10 nnnnn ddddd", pair),
    row("FADDP (scalar)", "011 11110 0z 11000 01101 10 nnnnn ddddd", float_pair::<FAdd>),
    row("FMAXNMP (scalar)", "011 11110 0z 11000 01100 10 nnnnn ddddd", float_pair::<FMaxNm>),
    row("FMINNMP (scalar)", "011 11110 1z 11000 01100 10 nnnnn ddddd", float_pair::<FMinNm>),
    row("FMAXP (scalar)", "011 11110 0z 11000 01111 10 nnnnn ddddd", float_pair::<FMax>),
    row("FMINP (scalar)", "011 11110 1z 11000 01111 10 nnnnn ddddd", float_pair::<FMin>),
];
