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

/// What vector kernels leave of a line is less than that.
const REST: usize = 192;

/// Lines of guest RAM that were checked to lie in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Guest<'a> {
    ram: &'a GuestRam,
    address: u64,
    pitch: u64,
    len: usize,
    count: usize,
}

impl<'a> Guest<'a> {
    /// `count` lines of `len` bytes, `pitch` from one to the next. `None` if they do not all lie in RAM.
    #[inline]
    pub(super) fn new(ram: &'a GuestRam, address: u64, pitch: u64, len: usize, count: usize) -> Option<Self> {
        let before = pitch.checked_mul((count as u64).checked_sub(1)?)?;
        ram.contains(address, before.checked_add(len as u64)?).then_some(Self { ram, address, pitch, len, count })
    }

    /// Bytes of a line.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many lines.
    #[inline]
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// One of them alone.
    #[inline]
    pub(super) fn line(self, index: usize) -> Self {
        debug_assert!(index < self.count);
        Self { address: self.address + index as u64 * self.pitch, count: 1, ..self }
    }

    /// Host address of the first byte: for loads that are atomic, or foreign to the language.
    #[inline]
    #[cfg_attr(any(not(target_arch = "x86_64"), miri, tayberry_loom, tayberry_portable), expect(dead_code, reason = "for vector kernels"))]
    pub(super) fn as_ptr(&self) -> *const u8 {
        // `wrapping_add`: nothing to prove; the range was checked.
        self.ram.base().cast_const().wrapping_add(self.address as usize)
    }

    /// Copies the end of the first line, from byte `from` on, to the start of `out`: fewer than [`REST`] bytes. By whole aligned words as well.
    #[cfg_attr(any(not(target_arch = "x86_64"), miri, tayberry_loom, tayberry_portable), expect(dead_code, reason = "for vector kernels"))]
    pub(super) fn copy_rest(&self, from: usize, out: &mut [u8]) {
        let (address, len) = (self.address + from as u64, self.len - from);
        let skip = (address % WORD as u64) as usize;
        let mut words = [0; REST + 2 * WORD];
        // It is in RAM, as all lines are, and RAM is a multiple of words.
        let _ = self.ram.copy_out(address - skip as u64, &mut words[..(skip + len).next_multiple_of(WORD)]);
        out[..len].copy_from_slice(&words[skip..skip + len]);
    }

    /// Copies whole aligned words around the first line, so that no pixel is torn that the guest stored at once.
    pub(super) fn copy<'b>(&self, words: &'b mut Vec<u8>) -> &'b [u8] {
        let skip = (self.address % WORD as u64) as usize;
        words.resize((skip + self.len).next_multiple_of(WORD), 0);
        // It is in RAM, as RAM is a multiple of words.
        let _ = self.ram.copy_out(self.address - skip as u64, words);
        &words[skip..skip + self.len]
    }
}
