//! Host code for x86-64.
//!
//! # Registers
//! RBP points into the [`Core`] ([`BIAS`] bytes above its start, so that most general registers are a short offset away), R15 holds the instructions that
//! are left of the budget. RAX, RCX, RDX and XMM13 to XMM15 are scratch; all others may hold guest registers for as long as a region runs
//! ([`Pins`]). The guest's other registers are in the `Core`.
//!
//! # Flags
//! While translated code runs, the guest's flags are in [`Frame::flags`] as the host has them after a comparison: LAHF's byte in bits 15 to 8, overflow in bit 0.
//! The host's carry is a borrow, the guest's is not: a guest's carry is a clear one here. Conditions then are the host's one by one.
//!
//! # Time
//! R15 holds what is left of the budget, less [`MARGIN`] and less [`Frame::reserve`]: it is looked at where regions are entered and where loops come back, and as
//! long as it is not negative the longest way through a region is covered. Then some of the reserve is moved to it, and the doorbell looked at.
//!
//! A block takes its instructions off R15 when it is entered. Whatever may leave a region in the middle of a block says how many of them it has not executed.

mod bits;
mod branch;
mod emit;
mod exclusive;
mod float;
mod integer;
mod memory;
mod structure;
mod stubs;
mod system;
mod vector;
mod vector_float;
mod vector_long;
mod vector_memory;
mod vector_move;
mod vector_permute;
mod vector_shift;
mod xmm;

use super::region::{self, Region};
use super::uses::{Template, Width};
use crate::core::{FpState, SLOT_SP, SLOT_ZR};
use crate::decode::Op;
pub(crate) use emit::{Counts, Emitter};
use std::mem::offset_of;
pub(crate) use stubs::Stubs;

/// What R15 holds less than the budget.
pub(super) const MARGIN: i32 = region::MOST as i32;

/// Distance of RBP from the start of the core.
pub(super) const BIAS: i32 = 128;

/// Offset of a field of [`Core`] from RBP.
macro_rules! at {
    ($($field:tt)+) => { ::std::mem::offset_of!($crate::core::Core, $($field)+) as i32 - $crate::jit::x64::BIAS };
}
pub(super) use at;

/// Assembles.
macro_rules! asm {
    ($e:expr $(; $($line:tt)*)?) => { ::dynasmrt::dynasm!($e ; .arch x64 $(; $($line)*)?) };
}
pub(super) use asm;

/// Scratch registers.
pub(super) const RAX: u8 = 0;
pub(super) const RCX: u8 = 1;
pub(super) const RDX: u8 = 2;

/// Host registers that may hold guest registers.
const HOST: [u8; 10] = [3, 6, 7, 8, 9, 10, 11, 12, 13, 14];
/// Host vector registers that may hold guest vector registers.
const HOST_VECTORS: u8 = 13;
/// General register slots that may be held: X0 to X30, and the stack pointer.
const HELD: usize = SLOT_SP as usize + 1;

/// Which guest registers are in host registers.
#[derive(Clone, Debug)]
pub(super) struct Pins {
    general: [Option<u8>; HELD],
    vector: [Option<u8>; 32],
    /// Guest registers that the region writes.
    general_written: [bool; HELD],
    vector_written: [bool; 32],
    /// The most that is used of a vector register.
    widths: [Width; 32],
}

/// Weight of a use at a depth of loops.
fn weight(depth: u32) -> u32 {
    1 << (3 * depth.min(6))
}

/// Of the registers that are worth it, the `most` used ones.
fn most_used<const N: usize>(uses: &[u32; N], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..N).filter(|&at| uses[at] >= 3).collect();
    order.sort_by_key(|&at| std::cmp::Reverse(uses[at]));
    order.truncate(most);
    order
}

impl Pins {
    fn of(region: &Region) -> Self {
        let (mut general, mut vector) = ([0u32; HELD], [0u32; 32]);
        let (mut general_written, mut vector_written) = ([false; HELD], [false; 32]);
        let mut widths = [Width::default(); 32];
        for block in &region.blocks {
            let weight = weight(block.depth);
            for instr in &region.instrs[block.first..block.end] {
                for (slot, written) in instr.uses.slots(&instr.op).filter(|&(slot, _)| usize::from(slot) < HELD && slot != SLOT_ZR) {
                    general[usize::from(slot)] += weight;
                    general_written[usize::from(slot)] |= written;
                }
                for (register, written, width) in instr.uses.vectors(&instr.op) {
                    vector[usize::from(register)] += weight;
                    vector_written[usize::from(register)] |= written;
                    widths[usize::from(register)] = widths[usize::from(register)].max(width);
                }
            }
        }
        // BL and BLR write the link register.
        general_written[30] = true;
        let mut pins = Self { general: [None; HELD], vector: [None; 32], general_written, vector_written, widths };
        for (host, slot) in HOST.into_iter().zip(most_used(&general, HOST.len())) {
            pins.general[slot] = Some(host);
        }
        for (host, register) in (0..HOST_VECTORS).zip(most_used(&vector, HOST_VECTORS.into())) {
            pins.vector[register] = Some(host);
        }
        pins
    }

    /// The host register of a slot.
    pub(super) fn general(&self, slot: u8) -> Option<u8> {
        self.general.get(usize::from(slot)).copied().flatten()
    }

    /// The host register of a vector register.
    pub(super) fn vector(&self, register: u8) -> Option<u8> {
        self.vector[usize::from(register & 31)]
    }

    /// The most that the region uses of a vector register.
    pub(super) fn width(&self, register: u8) -> Width {
        self.widths[usize::from(register & 31)]
    }

    /// (slot, host register, written) of all that is held.
    fn generals(&self) -> impl Iterator<Item = (u8, u8, bool)> {
        (0..HELD).filter_map(|slot| Some((slot as u8, self.general[slot]?, self.general_written[slot])))
    }

    fn vectors(&self) -> impl Iterator<Item = (u8, u8, bool)> {
        (0..32).filter_map(|register| Some((register as u8, self.vector[register]?, self.vector_written[register])))
    }
}

/// Offset of a general register slot from RBP.
pub(super) fn slot(slot: u8) -> i32 {
    at!(x) + 8 * i32::from(slot)
}

/// Offset of a vector register from RBP.
pub(super) fn vector(register: u8) -> i32 {
    at!(fp) + offset_of!(FpState, v) as i32 + 16 * i32::from(register & 31)
}

impl Emitter<'_> {
    /// Emits an instruction that does not end its block. False, and nothing emitted, where there is no code for this form of it.
    fn emit(&mut self, template: Template, op: &Op) -> bool {
        match template {
            Template::Adr | Template::Adrp => self.adr(op, template == Template::Adrp),
            Template::AddImmediate => self.add_immediate(op),
            Template::AddShifted => self.add_shifted(op),
            Template::AddExtended => self.add_extended(op),
            Template::AddCarry => self.add_carry(op),
            Template::LogicalImmediate => self.logical_immediate(op),
            Template::LogicalShifted => self.logical_shifted(op),
            Template::MoveWide => self.move_wide(op),
            Template::MoveKeep => self.move_keep(op),
            Template::Bitfield => self.bitfield(op),
            Template::Extract => self.extract(op),
            Template::ShiftVariable => self.shift_variable(op),
            Template::CountZeros => self.count_zeros(op),
            Template::Reverse => self.reverse(op),
            Template::ReverseHalves => self.reverse_halves(op),
            Template::MultiplyAdd => self.multiply_add(op),
            Template::MultiplyLong => self.multiply_long(op),
            Template::MultiplyHigh => self.multiply_high(op),
            Template::Divide => self.divide(op),
            Template::Select => self.select(op),
            Template::ConditionalCompare => self.conditional_compare(op),
            Template::Load => self.load(op),
            Template::LoadLiteral => self.load_literal(op),
            Template::Store => self.store(op),
            Template::LoadPair => self.load_pair(op),
            Template::StorePair => self.store_pair(op),
            Template::Vector(vector) => self.vector(op, vector),
            Template::LoadVector => self.load_vector(op),
            Template::LoadVectorLiteral => self.load_vector_literal(op),
            Template::StoreVector => self.store_vector(op),
            Template::LoadVectorPair => self.load_vector_pair(op),
            Template::StoreVectorPair => self.store_vector_pair(op),
            Template::FloatArithmetic => self.float_arithmetic(op),
            Template::FloatExtremum => self.float_extremum(op),
            Template::FloatMultiplyAdd => self.float_multiply_add(op),
            Template::FloatRoot => self.float_root(op),
            Template::FloatSign => self.float_sign(op),
            Template::FloatImmediate => self.float_immediate(op),
            Template::FloatMove => self.float_move(op),
            Template::FloatConvert => self.float_convert(op),
            Template::FloatRound => self.float_round(op),
            Template::FloatToInteger => self.float_to_integer(op),
            Template::IntegerToFloat => self.integer_to_float(op),
            Template::FloatSelect => self.float_select(op),
            Template::FloatCompare => self.float_compare(op),
            Template::FloatConditionalCompare => self.float_conditional_compare(op),
            Template::Nothing => true,
            Template::Barrier => self.barrier(op),
            Template::LoadExclusive => self.load_exclusive(op),
            Template::StoreExclusive => self.store_exclusive(op),
            Template::LoadAcquire => self.load_acquire(op),
            Template::StoreRelease => self.store_release(op),
            Template::ReadSystem => self.read_system(op),
            Template::WriteSystem => self.write_system(op),
            Template::MaskInterrupts => self.mask_interrupts(op),
            Template::Jump | Template::Branch | Template::CompareBranch | Template::TestBranch | Template::JumpRegister => false,
        }
    }
}
