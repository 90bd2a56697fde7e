//! Advanced SIMD (ARM ARM C4.1.5, C7): vector and scalar forms, and the loads and stores of structures.
//!
//! An instruction is a lane operation (a type that implements one of the operation traits) times an arrangement: handlers are generic over both and
//! over the number of lanes, and picked when the instruction is decoded. Scalar forms are vectors of one lane.
//!
//! ARMv8.0; the Cryptographic Extension, which the BCM2837 lacks, is a table of its own.

mod across;
mod copy;
pub(crate) mod crypto;
mod element;
mod float;
mod immediate;
pub mod int;
pub mod lanes;
mod long;
mod permute;
mod shift;
mod structure;
mod three;
mod two;

#[cfg(test)]
mod tests;

use crate::core::Core;
use crate::decode::{Handler, Op, Row, field};
use crate::fp::format::QC;
use lanes::Pod;

pub(crate) use crate::fp::vector::{read, write};

/// The tables of the Advanced SIMD instructions.
pub static TABLES: &[&[Row]] = &[
    structure::ROWS,
    three::ROWS,
    float::THREE,
    float::TWO,
    float::ELEMENT,
    float::SHIFT,
    two::ROWS,
    two::NARROW,
    long::ROWS,
    element::ROWS,
    shift::ROWS,
    across::ROWS,
    copy::ROWS,
    permute::ROWS,
    immediate::ROWS,
];

/// An operation with the register fields where this part of the instruction set has them.
pub(crate) fn operands(insn: u32, exec: Handler) -> Op {
    Op {
        rd: field(insn, 4, 0) as u8,
        rn: field(insn, 9, 5) as u8,
        rm: field(insn, 20, 16) as u8,
        ra: field(insn, 14, 10) as u8,
        ..Op::new(exec, insn)
    }
}

/// Bit 30: the whole register, or the upper half of narrow lanes.
const fn q(insn: u32) -> u32 {
    field(insn, 30, 30)
}

/// The size field of most encodings: log2 of the lane's bytes.
const fn size(insn: u32) -> u32 {
    field(insn, 23, 22)
}

/// Notes saturation.
#[inline(always)]
fn saturated(core: &mut Core, qc: bool) {
    if qc {
        core.fp.fpsr |= QC;
    }
}

/// The lanes of one half of a register.
#[inline(always)]
fn read_half<T: Pod, const N: usize>(core: &Core, register: u8, upper: bool) -> [T; N] {
    *lanes::view_half(&core.fp.v[usize::from(register & 31)], upper)
}

/// Writes lanes of up to half a register: to the lower half, clearing the rest, or to the upper half, keeping the lower.
#[inline(always)]
fn write_half<T: Pod, const N: usize>(core: &mut Core, register: u8, upper: bool, value: [T; N]) {
    let v = &mut core.fp.v[usize::from(register & 31)];
    if !upper {
        *v = 0;
    }
    *lanes::view_half_mut(v, upper) = value;
}

/// The handler `$f::<T, .., N>` for size and Q, with lanes of the types of `$g`, where the mask of sizes has it.
macro_rules! by_arrangement {
    ($sizes:expr, $size:expr, $q:expr, $g:ty, $f:ident $(, $arg:ty)*) => {{
        use crate::simd::int::Sign;
        let handler: crate::decode::Handler = match ($size, $q) {
            (0, 0) => $f::<<$g as Sign>::B $(, $arg)*, 8>,
            (0, _) => $f::<<$g as Sign>::B $(, $arg)*, 16>,
            (1, 0) => $f::<<$g as Sign>::H $(, $arg)*, 4>,
            (1, _) => $f::<<$g as Sign>::H $(, $arg)*, 8>,
            (2, 0) => $f::<<$g as Sign>::S $(, $arg)*, 2>,
            (2, _) => $f::<<$g as Sign>::S $(, $arg)*, 4>,
            (3, 1) => $f::<<$g as Sign>::D $(, $arg)*, 2>,
            _ => return None,
        };
        if $sizes >> $size & 1 == 0 {
            return None;
        }
        handler
    }};
}

/// The handler `$f::<T, .., 1>` for size.
macro_rules! by_scalar {
    ($sizes:expr, $size:expr, $g:ty, $f:ident $(, $arg:ty)*) => {{
        use crate::simd::int::Sign;
        let handler: crate::decode::Handler = match $size {
            0 => $f::<<$g as Sign>::B $(, $arg)*, 1>,
            1 => $f::<<$g as Sign>::H $(, $arg)*, 1>,
            2 => $f::<<$g as Sign>::S $(, $arg)*, 1>,
            _ => $f::<<$g as Sign>::D $(, $arg)*, 1>,
        };
        if $sizes >> $size & 1 == 0 {
            return None;
        }
        handler
    }};
}

/// The handler `$f::<T, .., N>` for narrow lanes that fill half a register (or `$n` of them).
macro_rules! by_half {
    ($size:expr, $g:ty, $f:ident $(, $arg:ty)*) => {{
        use crate::simd::int::Sign;
        let handler: crate::decode::Handler = match $size {
            0 => $f::<<$g as Sign>::B $(, $arg)*, 8>,
            1 => $f::<<$g as Sign>::H $(, $arg)*, 4>,
            2 => $f::<<$g as Sign>::S $(, $arg)*, 2>,
            _ => return None,
        };
        handler
    }};
    ($size:expr, $g:ty, $f:ident $(, $arg:ty)*; 1) => {{
        use crate::simd::int::Sign;
        let handler: crate::decode::Handler = match $size {
            0 => $f::<<$g as Sign>::B $(, $arg)*, 1>,
            1 => $f::<<$g as Sign>::H $(, $arg)*, 1>,
            2 => $f::<<$g as Sign>::S $(, $arg)*, 1>,
            _ => return None,
        };
        handler
    }};
}

use {by_arrangement, by_half, by_scalar};

/// Masks of size fields, for the `SIZES` of builders.
mod sizes {
    /// B, H, S.
    pub const BHS: u32 = 0b0111;
    /// B, H, S, D.
    pub const BHSD: u32 = 0b1111;
    /// B.
    pub const B: u32 = 0b0001;
    /// H, S.
    pub const HS: u32 = 0b0110;
    /// S.
    pub const S: u32 = 0b0100;
    /// D.
    pub const D: u32 = 0b1000;
}
