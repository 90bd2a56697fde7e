//! A vector and one element of another, on integers (ARM ARM C4.1.5, "Advanced SIMD vector x indexed element" and its scalar form).

use super::int::{Int, S, Sign, U, Widen};
use super::long::{self, Doubling, DoublingMla, DoublingMls, Long};
use super::three::{Mla, Mls, Mul, MulHigh, MulHighRound, Three};
use super::{operands, q, read, read_half, saturated, size, write};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, field, next, row};
use std::array::from_fn;

/// Register and index of the element: bits L, M and H make up the index, and M is the register's top bit where the index does not need it.
pub(super) fn element(insn: u32, size: u32) -> Option<(u8, u8)> {
    let (rm, m, l, h) = (field(insn, 19, 16) as u8, field(insn, 20, 20) as u8, field(insn, 21, 21) as u8, field(insn, 11, 11) as u8);
    match size {
        1 => Some((rm, h << 2 | l << 1 | m)),
        2 => Some((m << 4 | rm, h << 1 | l)),
        3 if l == 0 => Some((m << 4 | rm, h)),
        _ => None,
    }
}

/// The operation with the element's place in `rm` and `aux[1]`, and Q in `aux[0]`.
pub(super) fn indexed(insn: u32, size: u32, exec: Handler) -> Option<Op> {
    let (rm, index) = element(insn, size)?;
    Some(Op { rm, aux: [q(insn) as u8, index, 0, 0], ..operands(insn, exec) })
}

#[inline(always)]
fn broadcast<T: Int>(core: &Core, op: &Op) -> T {
    let at = (u32::from(op.aux[1]) * T::BITS) & 127;
    T::wrap((core.fp.v[usize::from(op.rm & 31)] >> at) as i128)
}

fn exec<T: Int, O: Three, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (d, n, m) = (read::<T, N>(core, op.rd), read::<T, N>(core, op.rn), broadcast::<T>(core, op));
    let mut qc = false;
    let result: [T; N] = from_fn(|i| O::lane(d[i], n[i], m, &mut qc));
    write(core, op.rd, result);
    saturated(core, qc);
    next(core, bus, op)
}

fn exec_long<T: Widen, O: Long, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [T; N] = read_half(core, op.rn, op.aux[0] != 0);
    let m = broadcast::<T>(core, op);
    long::apply::<T, O, N>(core, bus, op, n, [m; N])
}

fn exec_long_scalar<T: Widen, O: Long>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let n: [T; 1] = read(core, op.rn);
    let m = broadcast::<T>(core, op);
    long::apply::<T, O, 1>(core, bus, op, n, [m])
}

fn vector<O: Three>(insn: u32) -> Option<Op> {
    let handler: Handler = match (size(insn), q(insn)) {
        (1, 0) => exec::<i16, O, 4>,
        (1, _) => exec::<i16, O, 8>,
        (2, 0) => exec::<i32, O, 2>,
        (2, _) => exec::<i32, O, 4>,
        _ => return None,
    };
    indexed(insn, size(insn), handler)
}

fn scalar<O: Three>(insn: u32) -> Option<Op> {
    let handler: Handler = match size(insn) {
        1 => exec::<i16, O, 1>,
        2 => exec::<i32, O, 1>,
        _ => return None,
    };
    indexed(insn, size(insn), handler)
}

fn long<O: Long, G: Sign>(insn: u32) -> Option<Op> {
    let handler: Handler = match size(insn) {
        1 => exec_long::<G::H, O, 4>,
        2 => exec_long::<G::S, O, 2>,
        _ => return None,
    };
    indexed(insn, size(insn), handler)
}

fn long_scalar<O: Long>(insn: u32) -> Option<Op> {
    let handler: Handler = match size(insn) {
        1 => exec_long_scalar::<i16, O>,
        2 => exec_long_scalar::<i32, O>,
        _ => return None,
    };
    indexed(insn, size(insn), handler)
}

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("MLA (by element)", "0q1 01111 zz lmmmmm 0000 h0 nnnnn ddddd", vector::<Mla>),
    row("MLS (by element)", "0q1 01111 zz lmmmmm 0100 h0 nnnnn ddddd", vector::<Mls>),
    row("MUL (by element)", "0q0 01111 zz lmmmmm 1000 h0 nnnnn ddddd", vector::<Mul>),
    row("SQDMULH (by element)", "0q0 01111 zz lmmmmm 1100 h0 nnnnn ddddd", vector::<MulHigh>),
    row("SQRDMULH (by element)", "0q0 01111 zz lmmmmm 1101 h0 nnnnn ddddd", vector::<MulHighRound>),
    row("SMLAL (by element)", "0q0 01111 zz lmmmmm 0010 h0 nnnnn ddddd", long::<long::Mla, S>),
    row("UMLAL (by element)", "0q1 01111 zz lmmmmm 0010 h0 nnnnn ddddd", long::<long::Mla, U>),
    row("SMLSL (by element)", "0q0 01111 zz lmmmmm 0110 h0 nnnnn ddddd", long::<long::Mls, S>),
    row("UMLSL (by element)", "0q1 01111 zz lmmmmm 0110 h0 nnnnn ddddd", long::<long::Mls, U>),
    row("SMULL (by element)", "0q0 01111 zz lmmmmm 1010 h0 nnnnn ddddd", long::<long::Mul, S>),
    row("UMULL (by element)", "0q1 01111 zz lmmmmm 1010 h0 nnnnn ddddd", long::<long::Mul, U>),
    row("SQDMLAL (by element)", "0q0 01111 zz lmmmmm 0011 h0 nnnnn ddddd", long::<DoublingMla, S>),
    row("SQDMLSL (by element)", "0q0 01111 zz lmmmmm 0111 h0 nnnnn ddddd", long::<DoublingMls, S>),
    row("SQDMULL (by element)", "0q0 01111 zz lmmmmm 1011 h0 nnnnn ddddd", long::<Doubling, S>),
    row("SQDMULH (by element, scalar)", "010 11111 zz lmmmmm 1100 h0 nnnnn ddddd", scalar::<MulHigh>),
    row("SQRDMULH (by element, scalar)", "010 11111 zz lmmmmm 1101 h0 nnnnn ddddd", scalar::<MulHighRound>),
    row("SQDMLAL (by element, scalar)", "010 11111 zz lmmmmm 0011 h0 nnnnn ddddd", long_scalar::<DoublingMla>),
    row("SQDMLSL (by element, scalar)", "010 11111 zz lmmmmm 0111 h0 nnnnn ddddd", long_scalar::<DoublingMls>),
    row("SQDMULL (by element, scalar)", "010 11111 zz lmmmmm 1011 h0 nnnnn ddddd", long_scalar::<Doubling>),
];
