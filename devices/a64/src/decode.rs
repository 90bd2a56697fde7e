//! From instruction words to operations.
//!
//! The instruction set is a table of [`Row`]s: a pattern, a name, and a function that builds the [`Op`]. Each class of instructions has its table
//! beside its handlers; the decoder joins them and looks words up through an index.

use crate::bus::Bus;
use crate::core::Core;

/// What a handler tells the run loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// On to the next operation of the block.
    Next,
    /// `Core::pc` was set (branch taken, exception taken): leave the block. The instruction has retired.
    Jump,
    /// An exception was taken instead of retiring this instruction; `Core::pc` is at the vector.
    Fault,
    /// Retired; `Core::pc` is the next instruction; leave `Core::run` with the stop reason stored in the core.
    Stop,
}

/// The function that executes an operation.
pub type Handler = fn(&mut Core, &mut dyn Bus, &Op) -> Flow;

/// A decoded instruction.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Op {
    /// Executes it.
    pub exec: Handler,
    /// Immediate, meaning by instruction.
    pub imm: u64,
    /// The instruction word.
    pub insn: u32,
    /// Destination slot (or vector register).
    pub rd: u8,
    /// First source.
    pub rn: u8,
    /// Second source.
    pub rm: u8,
    /// Third source, or second transfer register.
    pub ra: u8,
    /// Small operands, meaning by instruction.
    pub aux: [u8; 4],
    /// Which row it came from.
    pub row: u16,
    /// Index within its block.
    pub index: u16,
}

/// One row of an instruction table.
#[derive(Debug)]
pub struct Row {
    /// The instruction's name as in the ARM ARM, such as `ADD (immediate)`.
    pub name: &'static str,
    /// Bits that are fixed.
    pub mask: u32,
    /// Their values.
    pub bits: u32,
    /// Builds the operation; `None` where the remaining bits are unallocated.
    pub build: fn(u32) -> Option<Op>,
}

/// A row from a pattern of 32 characters, most significant bit first: `0` and `1` are fixed, letters are fields, spaces and `_` are ignored.
pub const fn row(name: &'static str, pattern: &str, build: fn(u32) -> Option<Op>) -> Row {
    let text = pattern.as_bytes();
    let (mut mask, mut bits, mut count, mut i) = (0u32, 0u32, 0, 0);
    while i < text.len() {
        let c = text[i];
        i += 1;
        if c == b' ' || c == b'_' {
            continue;
        }
        mask = mask << 1 | (c == b'0' || c == b'1') as u32;
        bits = bits << 1 | (c == b'1') as u32;
        count += 1;
    }
    assert!(count == 32, "a pattern has 32 bits");
    Row { name, mask, bits, build }
}

/// Bits `hi..=lo` of a word.
pub const fn field(insn: u32, hi: u32, lo: u32) -> u32 {
    insn << (31 - hi) >> (31 - hi + lo)
}
