//! Floating point (ARM ARM A1.5, C7): the arithmetic as a library, and the scalar instructions.
//!
//! - [`format`](mod@format): formats, unpacking, rounding, NaN rules, FPCR and FPSR bits.
//! - [`arith`], [`compare`], [`convert`], [`estimate`]: operations by integers, right in every mode.
//! - [`vector`]: the same over lanes, by the host's arithmetic where that is known to agree.
//! - `scalar`, `transfer`: the instructions.
//!
//! ARMv8.0 as the Cortex-A53 has it: half precision is converted only, and no floating-point exception traps.

pub mod arith;
pub mod compare;
pub mod convert;
pub mod estimate;
pub(crate) mod exec;
pub mod format;
mod scalar;
mod transfer;
pub mod vector;

#[cfg(test)]
mod tests;

use crate::decode::Row;

pub(crate) use scalar::{CURRENT, expand_imm, mode_of, narrow, widen};
pub(crate) use transfer::{from_integer, truncate};

/// The tables of the scalar floating-point instructions.
pub static TABLES: &[&[Row]] = &[scalar::ROWS, transfer::ROWS];
