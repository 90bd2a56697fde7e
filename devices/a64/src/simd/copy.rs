//! Copies of elements: between vectors, and with general registers (ARM ARM C4.1.5, "Advanced SIMD copy" and its scalar form).

use super::int::Int;
use super::{operands, q, write};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, dest, field, next, row};

/// log2 of the lane's bytes and the index above it: the lowest bit of imm5 marks the size.
fn place(insn: u32) -> Option<(u32, u8)> {
    let imm5 = field(insn, 20, 16);
    let size = imm5.trailing_zeros();
    (size <= 3).then(|| (size, (imm5 >> (size + 1)) as u8))
}

/// The element `index` of a register.
#[inline(always)]
fn get<T: Int>(core: &Core, register: u8, index: u8) -> T {
    let at = (u32::from(index) * T::BITS) & 127;
    T::wrap((core.fp.v[usize::from(register & 31)] >> at) as i128)
}

/// Replaces the element `index` of a register.
#[inline(always)]
fn set<T: Int>(core: &mut Core, register: u8, index: u8, value: T) {
    let at = (u32::from(index) * T::BITS) & 127;
    let mask = u128::MAX >> (128 - T::BITS);
    let v = &mut core.fp.v[usize::from(register & 31)];
    *v = *v & !(mask << at) | (value.value() as u128 & mask) << at;
}

fn exec_dup_element<T: Int, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let value = get::<T>(core, op.rn, op.aux[0]);
    write(core, op.rd, [value; N]);
    next(core, bus, op)
}

fn exec_dup_general<T: Int, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let value = T::wrap(core.x[usize::from(op.rn & 63)].into());
    write(core, op.rd, [value; N]);
    next(core, bus, op)
}

fn exec_insert_element<T: Int>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let value = get::<T>(core, op.rn, op.aux[1]);
    set(core, op.rd, op.aux[0], value);
    next(core, bus, op)
}

fn exec_insert_general<T: Int>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let value = T::wrap(core.x[usize::from(op.rn & 63)].into());
    set(core, op.rd, op.aux[0], value);
    next(core, bus, op)
}

/// UMOV, and SMOV to 32 or 64 bits.
fn exec_move<T: Int, const WIDE: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let value = get::<T>(core, op.rn, op.aux[0]).value();
    core.x[usize::from(op.rd & 63)] = if WIDE { value as u64 } else { value as u32 as u64 };
    next(core, bus, op)
}

fn dup_element(insn: u32) -> Option<Op> {
    let (size, index) = place(insn)?;
    let exec: Handler = match (size, q(insn)) {
        (0, 0) => exec_dup_element::<u8, 8>,
        (0, _) => exec_dup_element::<u8, 16>,
        (1, 0) => exec_dup_element::<u16, 4>,
        (1, _) => exec_dup_element::<u16, 8>,
        (2, 0) => exec_dup_element::<u32, 2>,
        (2, _) => exec_dup_element::<u32, 4>,
        (_, 1) => exec_dup_element::<u64, 2>,
        _ => return None,
    };
    Some(Op { aux: [index, 0, 0, 0], ..operands(insn, exec) })
}

fn dup_element_scalar(insn: u32) -> Option<Op> {
    let (size, index) = place(insn)?;
    let exec: Handler = match size {
        0 => exec_dup_element::<u8, 1>,
        1 => exec_dup_element::<u16, 1>,
        2 => exec_dup_element::<u32, 1>,
        _ => exec_dup_element::<u64, 1>,
    };
    Some(Op { aux: [index, 0, 0, 0], ..operands(insn, exec) })
}

fn dup_general(insn: u32) -> Option<Op> {
    let exec: Handler = match (place(insn)?.0, q(insn)) {
        (0, 0) => exec_dup_general::<u8, 8>,
        (0, _) => exec_dup_general::<u8, 16>,
        (1, 0) => exec_dup_general::<u16, 4>,
        (1, _) => exec_dup_general::<u16, 8>,
        (2, 0) => exec_dup_general::<u32, 2>,
        (2, _) => exec_dup_general::<u32, 4>,
        (_, 1) => exec_dup_general::<u64, 2>,
        _ => return None,
    };
    Some(operands(insn, exec))
}

fn insert_element(insn: u32) -> Option<Op> {
    let (size, index) = place(insn)?;
    let source = (field(insn, 14, 11) >> size) as u8;
    let exec: Handler = match size {
        0 => exec_insert_element::<u8>,
        1 => exec_insert_element::<u16>,
        2 => exec_insert_element::<u32>,
        _ => exec_insert_element::<u64>,
    };
    Some(Op { aux: [index, source, 0, 0], ..operands(insn, exec) })
}

fn insert_general(insn: u32) -> Option<Op> {
    let (size, index) = place(insn)?;
    let exec: Handler = match size {
        0 => exec_insert_general::<u8>,
        1 => exec_insert_general::<u16>,
        2 => exec_insert_general::<u32>,
        _ => exec_insert_general::<u64>,
    };
    Some(Op { aux: [index, 0, 0, 0], ..operands(insn, exec) })
}

fn to_general(insn: u32, exec: Handler, index: u8) -> Op {
    Op { aux: [index, 0, 0, 0], rd: dest(field(insn, 4, 0)), ..operands(insn, exec) }
}

fn move_signed(insn: u32) -> Option<Op> {
    let (size, index) = place(insn)?;
    let exec: Handler = match (size, q(insn)) {
        (0, 0) => exec_move::<i8, false>,
        (0, _) => exec_move::<i8, true>,
        (1, 0) => exec_move::<i16, false>,
        (1, _) => exec_move::<i16, true>,
        (2, 1) => exec_move::<i32, true>,
        _ => return None,
    };
    Some(to_general(insn, exec, index))
}

fn move_unsigned(insn: u32) -> Option<Op> {
    let (size, index) = place(insn)?;
    let exec: Handler = match (size, q(insn)) {
        (0, 0) => exec_move::<u8, false>,
        (1, 0) => exec_move::<u16, false>,
        (2, 0) => exec_move::<u32, false>,
        (3, 1) => exec_move::<u64, true>,
        _ => return None,
    };
    Some(to_general(insn, exec, index))
}

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("DUP (element)", "0q0 01110000 iiiii 0 0000 1 nnnnn ddddd", dup_element),
    row("DUP (general)", "0q0 01110000 iiiii 0 0001 1 nnnnn ddddd", dup_general),
    row("INS (general)", "010 01110000 iiiii 0 0011 1 nnnnn ddddd", insert_general),
    row("SMOV", "0q0 01110000 iiiii 0 0101 1 nnnnn ddddd", move_signed),
    row("UMOV", "0q0 01110000 iiiii 0 0111 1 nnnnn ddddd", move_unsigned),
    row("INS (element)", "011 01110000 iiiii 0 jjjj 1 nnnnn ddddd", insert_element),
    row("DUP (element, scalar)", "010 11110000 iiiii 0 0000 1 nnnnn ddddd", dup_element_scalar),
];
