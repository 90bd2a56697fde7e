//! Guest bytes, as the renderer reads them.
//!
//! # Why not by references
//! Cores store while they are read. Rust allows that for atomics only, so the portable path copies a line by relaxed loads of aligned words
//! and works on the copy. The vector kernels read by loads in inline assembly. To the language these are foreign code that reads some memory,
//! for which the rules of the host's processor hold and not those of Rust's memory model: a load gives bytes that some core stored, each aligned word
//! whole (a host splits vector loads at cache lines at most, which no aligned word crosses), and nothing is assumed about a second load.
//! Whatever is hashed is converted from the very same registers, so that a line's hash never speaks of other bytes than its pixels are made of.

use tayberry_ram::GuestRam;

/// What guest RAM is read in; RAM is a multiple of it.
const WORD: usize = 8;

/// A range of guest RAM that was checked to lie in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest<'a> {
    ram: &'a GuestRam,
    address: u64,
    len: usize,
}

impl<'a> Guest<'a> {
    /// `None` if it does not all lie in RAM.
    #[inline]
    pub(super) fn new(ram: &'a GuestRam, address: u64, len: usize) -> Option<Self> {
        ram.contains(address, len as u64).then_some(Self { ram, address, len })
    }

    /// Bytes.
    #[inline]
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "for vector kernels"))]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Host address of the first byte: for loads that are atomic, or foreign to the language.
    #[inline]
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "for vector kernels"))]
    pub(super) fn as_ptr(&self) -> *const u8 {
        // `wrapping_add`: nothing to prove; the range was checked.
        self.ram.base().cast_const().wrapping_add(self.address as usize)
    }

    /// Copies the end of the range, from byte `from` on, to the start of `out`, by atomic loads.
    #[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "for vector kernels"))]
    pub(super) fn copy_rest(&self, from: usize, out: &mut [u8]) {
        // It is in RAM, as the whole range is.
        let _ = self.ram.copy_out(self.address + from as u64, &mut out[..self.len - from]);
    }

    /// Copies whole aligned words around the range, so that no pixel is torn that the guest stored at once.
    pub(super) fn copy<'b>(&self, words: &'b mut Vec<u8>) -> &'b [u8] {
        let skip = (self.address % WORD as u64) as usize;
        words.resize((skip + self.len).next_multiple_of(WORD), 0);
        // It is in RAM, as RAM is a multiple of words.
        let _ = self.ram.copy_out(self.address - skip as u64, words);
        &words[skip..skip + self.len]
    }
}
