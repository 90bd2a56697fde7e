//! Three registers of different arrangements: long, wide and narrowing operations (ARM ARM C4.1.5, "Advanced SIMD three different").

use super::int::{Int, S, Sign, U, Widen};
use super::three::carryless;
use super::{by_half, operands, q, read, read_half, saturated, size, write, write_half};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Op, Row, next, row};
use std::array::from_fn;

/// A wide lane from the old one and two narrow ones. `qc` is set on saturation.
pub(super) trait Long: 'static {
    fn lane<T: Widen>(d: T::Wide, n: T, m: T, qc: &mut bool) -> T::Wide;
}

macro_rules! long {
    ($($name:ident = |$d:pat_param, $n:ident, $m:ident, $qc:pat_param| $result:expr;)*) => {$(
        pub(super) struct $name;
        impl Long for $name {
            #[inline(always)]
            fn lane<T: Widen>($d: T::Wide, $n: T, $m: T, $qc: &mut bool) -> T::Wide {
                $result
            }
        }
    )*};
}

long! {
    Add = |_, n, m, _| n.widen().plus(m.widen());
    Sub = |_, n, m, _| n.widen().minus(m.widen());
    AbsDiff = |_, n, m, _| n.max(m).widen().minus(n.min(m).widen());
    AbsDiffAcc = |d, n, m, _| d.plus(n.max(m).widen().minus(n.min(m).widen()));
    Mul = |_, n, m, _| n.widen().times(m.widen());
    Mla = |d, n, m, _| d.plus(n.widen().times(m.widen()));
    Mls = |d, n, m, _| d.minus(n.widen().times(m.widen()));
    Doubling = |_, n, m, qc| doubled::<T>(n, m, qc);
    DoublingMla = |d, n, m, qc| {
        let p = doubled::<T>(n, m, qc);
        let r = d.plus_clamped(p);
        *qc |= r != d.plus(p);
        r
    };
    DoublingMls = |d, n, m, qc| {
        let p = doubled::<T>(n, m, qc);
        let r = d.minus_clamped(p);
        *qc |= r != d.minus(p);
        r
    };
    PolyMul = |_, n, m, _| T::Wide::wrap(carryless(n.value() as u8, m.value() as u8).into());
}

#[inline(always)]
fn doubled<T: Widen>(n: T, m: T, qc: &mut bool) -> T::Wide {
    let product = n.widen().times(m.widen());
    let twice = product.plus_clamped(product);
    *qc |= twice != product.plus(product);
    twice
}

fn exec<T: Widen, O: Long, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let upper = op.aux[0] != 0;
    let (n, m): ([T; N], [T; N]) = (read_half(core, op.rn, upper), read_half(core, op.rm, upper));
    apply::<T, O, N>(core, bus, op, n, m)
}

/// The common end of the vector and by-element forms.
#[inline(always)]
pub(super) fn apply<T: Widen, O: Long, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op, n: [T; N], m: [T; N]) -> Flow {
    let d: [T::Wide; N] = read(core, op.rd);
    let mut qc = false;
    let result: [T::Wide; N] = from_fn(|i| O::lane(d[i], n[i], m[i], &mut qc));
    write(core, op.rd, result);
    saturated(core, qc);
    next(core, bus, op)
}

/// SADDW and SSUBW: the first source is wide already.
fn exec_wide<T: Widen, const SUB: bool, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [T::Wide; N] = read(core, op.rn);
    let m: [T; N] = read_half(core, op.rm, op.aux[0] != 0);
    let result: [T::Wide; N] = from_fn(|i| if SUB { n[i].minus(m[i].widen()) } else { n[i].plus(m[i].widen()) });
    write(core, op.rd, result);
    next(core, bus, op)
}

/// ADDHN and SUBHN: the high halves of wide sums.
fn exec_high<T: Widen, const SUB: bool, const ROUND: bool, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m): ([T::Wide; N], [T::Wide; N]) = (read(core, op.rn), read(core, op.rm));
    let round = if ROUND { T::Wide::wrap(1 << (T::BITS - 1)) } else { T::Wide::default() };
    let result: [T; N] = from_fn(|i| {
        let sum = if SUB { n[i].minus(m[i]) } else { n[i].plus(m[i]) };
        T::low(sum.plus(round).shr(T::BITS))
    });
    write_half(core, op.rd, op.aux[0] != 0, result);
    next(core, bus, op)
}

fn add_wide<T: Widen, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    exec_wide::<T, false, N>(core, bus, op)
}

fn sub_wide<T: Widen, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    exec_wide::<T, true, N>(core, bus, op)
}

fn high<const SUB: bool, const ROUND: bool>(insn: u32) -> Option<Op> {
    let exec: crate::decode::Handler = match size(insn) {
        0 => exec_high::<u8, SUB, ROUND, 8>,
        1 => exec_high::<u16, SUB, ROUND, 4>,
        2 => exec_high::<u32, SUB, ROUND, 2>,
        _ => return None,
    };
    Some(halves(insn, operands(insn, exec)))
}

/// Notes whether the narrow lanes are those of the upper half ("2" in the name).
fn halves(insn: u32, op: Op) -> Op {
    Op { aux: [q(insn) as u8, 0, 0, 0], ..op }
}

fn vector<O: Long, G: Sign>(insn: u32) -> Option<Op> {
    Some(halves(insn, operands(insn, by_half!(size(insn), G, exec, O))))
}

fn wide_add<G: Sign>(insn: u32) -> Option<Op> {
    Some(halves(insn, operands(insn, by_half!(size(insn), G, add_wide))))
}

fn wide_sub<G: Sign>(insn: u32) -> Option<Op> {
    Some(halves(insn, operands(insn, by_half!(size(insn), G, sub_wide))))
}

/// Not for bytes.
fn doubling<O: Long>(insn: u32) -> Option<Op> {
    if size(insn) == 0 { None } else { vector::<O, S>(insn) }
}

fn doubling_scalar<O: Long>(insn: u32) -> Option<Op> {
    if size(insn) == 0 { None } else { Some(operands(insn, by_half!(size(insn), S, exec, O; 1))) }
}

/// Bytes only: doublewords belong to the Cryptographic Extension (see `crypto`).
fn polynomial(insn: u32) -> Option<Op> {
    if size(insn) == 0 { vector::<PolyMul, U>(insn) } else { None }
}

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("SADDL", "0q0 01110 zz 1 mmmmm 0000 00 nnnnn ddddd", vector::<Add, S>),
    row("UADDL", "0q1 01110 zz 1 mmmmm 0000 00 nnnnn ddddd", vector::<Add, U>),
    row("SADDW", "0q0 01110 zz 1 mmmmm 0001 00 nnnnn ddddd", wide_add::<S>),
    row("UADDW", "0q1 01110 zz 1 mmmmm 0001 00 nnnnn ddddd", wide_add::<U>),
    row("SSUBL", "0q0 01110 zz 1 mmmmm 0010 00 nnnnn ddddd", vector::<Sub, S>),
    row("USUBL", "0q1 01110 zz 1 mmmmm 0010 00 nnnnn ddddd", vector::<Sub, U>),
    row("SSUBW", "0q0 01110 zz 1 mmmmm 0011 00 nnnnn ddddd", wide_sub::<S>),
    row("USUBW", "0q1 01110 zz 1 mmmmm 0011 00 nnnnn ddddd", wide_sub::<U>),
    row("ADDHN", "0q0 01110 zz 1 mmmmm 0100 00 nnnnn ddddd", high::<false, false>),
    row("RADDHN", "0q1 01110 zz 1 mmmmm 0100 00 nnnnn ddddd", high::<false, true>),
    row("SABAL", "0q0 01110 zz 1 mmmmm 0101 00 nnnnn ddddd", vector::<AbsDiffAcc, S>),
    row("UABAL", "0q1 01110 zz 1 mmmmm 0101 00 nnnnn ddddd", vector::<AbsDiffAcc, U>),
    row("SUBHN", "0q0 01110 zz 1 mmmmm 0110 00 nnnnn ddddd", high::<true, false>),
    row("RSUBHN", "0q1 01110 zz 1 mmmmm 0110 00 nnnnn ddddd", high::<true, true>),
    row("SABDL", "0q0 01110 zz 1 mmmmm 0111 00 nnnnn ddddd", vector::<AbsDiff, S>),
    row("UABDL", "0q1 01110 zz 1 mmmmm 0111 00 nnnnn ddddd", vector::<AbsDiff, U>),
    row("SMLAL (vector)", "0q0 01110 zz 1 mmmmm 1000 00 nnnnn ddddd", vector::<Mla, S>),
    row("UMLAL (vector)", "0q1 01110 zz 1 mmmmm 1000 00 nnnnn ddddd", vector::<Mla, U>),
    row("SQDMLAL (vector)", "0q0 01110 zz 1 mmmmm 1001 00 nnnnn ddddd", doubling::<DoublingMla>),
    row("SMLSL (vector)", "0q0 01110 zz 1 mmmmm 1010 00 nnnnn ddddd", vector::<Mls, S>),
    row("UMLSL (vector)", "0q1 01110 zz 1 mmmmm 1010 00 nnnnn ddddd", vector::<Mls, U>),
    row("SQDMLSL (vector)", "0q0 01110 zz 1 mmmmm 1011 00 nnnnn ddddd", doubling::<DoublingMls>),
    row("SMULL (vector)", "0q0 01110 zz 1 mmmmm 1100 00 nnnnn ddddd", vector::<Mul, S>),
    row("UMULL (vector)", "0q1 01110 zz 1 mmmmm 1100 00 nnnnn ddddd", vector::<Mul, U>),
    row("SQDMULL (vector)", "0q0 01110 zz 1 mmmmm 1101 00 nnnnn ddddd", doubling::<Doubling>),
    row("PMULL", "0q0 01110 zz 1 mmmmm 1110 00 nnnnn ddddd", polynomial),
    row("SQDMLAL (scalar)", "010 11110 zz 1 mmmmm 1001 00 nnnnn ddddd", doubling_scalar::<DoublingMla>),
    row("SQDMLSL (scalar)", "010 11110 zz 1 mmmmm 1011 00 nnnnn ddddd", doubling_scalar::<DoublingMls>),
    row("SQDMULL (scalar)", "010 11110 zz 1 mmmmm 1101 00 nnnnn ddddd", doubling_scalar::<Doubling>),
];
