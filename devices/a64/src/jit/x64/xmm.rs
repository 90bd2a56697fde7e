//! Vector registers, whole and as scalars.
//!
//! # Widths
//! A scalar result clears the rest of its register, which no scalar instruction of the host does by itself. So every vector register has a width for all of a
//! region ([`Width`]): the most that any instruction of the region uses of it. The host's register is right up to the width; what is above is in memory
//! all the time, and is cleared there, once in a block, when a scalar is written.

use super::emit::Emitter;
use super::{asm, vector};
use crate::jit::uses::Width;
use dynasmrt::DynasmApi;

/// Scratch registers.
pub(super) const X13: u8 = 13;
pub(super) const X14: u8 = 14;
pub(super) const X15: u8 = 15;

impl Emitter<'_> {
    /// The host register that holds a vector register, or `scratch` with its value. Only for what [`crate::jit::uses`] says is used whole. The flags stay.
    pub(super) fn vget(&mut self, from: u8, scratch: u8) -> u8 {
        if let Some(host) = self.pins.vector(from) {
            return host;
        }
        self.vload(from, scratch);
        scratch
    }

    /// Copies a vector register to a host register. The flags stay.
    pub(super) fn vload(&mut self, from: u8, to: u8) {
        match self.pins.vector(from) {
            Some(host) if host == to => {}
            Some(host) => asm!(self.asm ; vmovaps Rx(to), Rx(host)),
            None => self.load_vector_register(from, to),
        }
    }

    /// The host register to make a vector register's value in: its own, or `scratch`, which [`Emitter::vput`] then stores.
    pub(super) fn vtarget(&self, to: u8, scratch: u8) -> u8 {
        self.pins.vector(to).unwrap_or(scratch)
    }

    /// Sets a vector register to the value of a host register, all 128 bits of it. Where it is used less than whole, what is above is zero. The flags stay.
    pub(super) fn vput(&mut self, to: u8, value: u8) {
        self.clear_above(to);
        match self.pins.vector(to) {
            Some(host) if host == value => {}
            Some(host) => asm!(self.asm ; vmovaps Rx(host), Rx(value)),
            None => self.store_vector_register(to, value),
        }
    }

    /// The same as [`Emitter::vget`], but only the low bits are meant, up to `width`.
    pub(super) fn sget(&mut self, from: u8, width: Width, scratch: u8) -> u8 {
        if let Some(host) = self.pins.vector(from) {
            return host;
        }
        let at = vector(from);
        match width {
            Width::Single => asm!(self.asm ; vmovss Rx(scratch), DWORD [rbp + at]),
            Width::Double => asm!(self.asm ; vmovsd Rx(scratch), QWORD [rbp + at]),
            Width::Whole => asm!(self.asm ; vmovaps Rx(scratch), [rbp + at]),
        }
        scratch
    }

    /// Sets a vector register to a scalar: the low bits of a host register, up to `width`; with `clean` the bits above are known to be zero there.
    /// The flags stay.
    pub(super) fn sput(&mut self, to: u8, width: Width, value: u8, clean: bool) {
        self.clear_above(to);
        let most = self.pins.width(to);
        let pinned = self.pins.vector(to);
        let host = pinned.unwrap_or(value);
        match (width, most) {
            _ if clean || width >= most => {
                if host != value {
                    asm!(self.asm ; vmovaps Rx(host), Rx(value));
                }
            }
            (Width::Single, _) => asm!(self.asm ; vinsertps Rx(host), Rx(value), Rx(value), 0b1110),
            _ => asm!(self.asm ; vmovq Rx(host), Rx(value)),
        }
        if pinned.is_none() {
            self.store_vector_register(to, host);
        }
    }

    /// Clears what is above a register's width, in memory, where that has not been done in this block.
    fn clear_above(&mut self, to: u8) {
        let (bit, at) = (1 << (to & 31), vector(to));
        if self.cleared & bit != 0 {
            return;
        }
        match self.pins.width(to) {
            Width::Whole => return,
            Width::Double => {}
            Width::Single => asm!(self.asm ; mov DWORD [rbp + at + 4], 0),
        }
        asm!(self.asm ; mov QWORD [rbp + at + 8], 0);
        self.cleared |= bit;
    }

    /// Stores a register's width.
    pub(super) fn store_vector_register(&mut self, to: u8, value: u8) {
        let at = vector(to);
        match self.pins.width(to) {
            Width::Single => asm!(self.asm ; vmovss DWORD [rbp + at], Rx(value)),
            Width::Double => asm!(self.asm ; vmovsd QWORD [rbp + at], Rx(value)),
            Width::Whole => asm!(self.asm ; vmovaps [rbp + at], Rx(value)),
        }
    }

    /// Loads a register's width; what is above is zero in the host's register.
    pub(super) fn load_vector_register(&mut self, from: u8, to: u8) {
        let at = vector(from);
        match self.pins.width(from) {
            Width::Single => asm!(self.asm ; vmovss Rx(to), DWORD [rbp + at]),
            Width::Double => asm!(self.asm ; vmovsd Rx(to), QWORD [rbp + at]),
            Width::Whole => asm!(self.asm ; vmovaps Rx(to), [rbp + at]),
        }
    }
}
