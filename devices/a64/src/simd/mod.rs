//! Advanced SIMD (ARM ARM C4.1.5, C7): vector and scalar forms, and the loads and stores of structures.

pub mod lanes;

use crate::decode::Row;

/// The tables of the Advanced SIMD instructions.
pub static TABLES: &[&[Row]] = &[];

use crate::decode::{Handler, Op, field};

/// An operation with the register fields where this part of the instruction set has them.
pub(crate) fn operands(insn: u32, exec: Handler) -> Op {
    Op {
        exec,
        imm: 0,
        insn,
        rd: field(insn, 4, 0) as u8,
        rn: field(insn, 9, 5) as u8,
        rm: field(insn, 20, 16) as u8,
        ra: field(insn, 14, 10) as u8,
        aux: [0; 4],
        row: 0,
        index: 0,
    }
}
