//! A stripe as one register of AVX-512.

use super::super::digest::{LANES, STRIPE};
use super::super::pass::{Stripe, Write};
use super::{PIXELS, RGBA};
use std::arch::asm;
use std::arch::x86_64::*;

/// Bytes of a vector.
pub(super) const VECTOR: usize = STRIPE;

impl Stripe for __m512i {
    type Writer<const SHIFT: bool, const STREAM: bool> = Writer<SHIFT, STREAM>;
    const ALIGNMENT: usize = VECTOR;
    const JOINS: bool = true;

    #[inline(always)]
    unsafe fn load(line: *const u8, at: usize) -> Self {
        // SAFETY: as the caller says.
        unsafe { load(line, at) }
    }

    #[inline(always)]
    unsafe fn read(from: *const u8) -> Self {
        // SAFETY: as the caller says.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn to_bytes(self) -> [u8; STRIPE] {
        // SAFETY: both are 64 bytes of which any value is valid.
        unsafe { std::mem::transmute(self) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the features are there, as the caller says.
        unsafe { _mm512_xor_si512(self, other) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_add_epi64(self, other) }
    }

    #[inline(always)]
    unsafe fn product_of_halves(self) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_mul_epu32(self, _mm512_srli_epi64::<32>(self)) }
    }

    #[inline(always)]
    unsafe fn stir(self, weights: &[u64; LANES]) -> Self {
        // SAFETY: as above.
        unsafe { _mm512_mullo_epi64(_mm512_xor_si512(self, _mm512_srli_epi64::<32>(self)), Self::of_words(weights)) }
    }

    #[inline(always)]
    unsafe fn total(self) -> u64 {
        // SAFETY: as above.
        unsafe { _mm512_reduce_add_epi64(self).cast_unsigned() }
    }
}

/// As [`Stripe::load`].
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load(line: *const u8, at: usize) -> __m512i {
    let vector: __m512i;
    // SAFETY: the caller says that it is in the line.
    unsafe {
        asm!(
            "vmovdqu64 {vector}, zmmword ptr [{line} + {at}]",
            vector = out(zmm_reg) vector,
            line = in(reg) line,
            at = in(reg) at,
            options(nostack, preserves_flags, readonly),
        );
    }
    vector
}

/// Writes vectors one after another: with `SHIFT` to an address that is aligned to pixels only, by aligned stores of what two neighbours have of
/// them, as stores across cache lines cost twice; with `STREAM` around the caches.
pub(in super::super) struct Writer<const SHIFT: bool, const STREAM: bool> {
    /// Where the next store goes: aligned unless neither `SHIFT` nor `STREAM`.
    at: *mut u8,
    /// Pixels that lie in `at`'s vector but before the line.
    phase: u32,
    /// With `SHIFT`: the vector before, of which the last `phase` pixels are not yet stored.
    before: __m512i,
    /// The permutation that joins them with the next vector.
    join: __m512i,
    first: bool,
}

impl<const SHIFT: bool, const STREAM: bool> Write<__m512i> for Writer<SHIFT, STREAM> {
    #[inline(always)]
    unsafe fn new(out: *mut u8) -> Self {
        let phase = if SHIFT { out.addr() % VECTOR / RGBA } else { 0 };
        // Pixels 0 to 15 are those of the vector before, 16 to 31 those of the next.
        let join: [u32; PIXELS] = std::array::from_fn(|at| (PIXELS - phase + at) as u32);
        // SAFETY: the features are there, as the caller says, and 64 bytes are read of 64.
        let (join, before) = unsafe { (_mm512_loadu_si512(join.as_ptr().cast()), _mm512_setzero_si512()) };
        Self { at: out.wrapping_sub(phase * RGBA), phase: phase as u32, before, join, first: true }
    }

    #[inline(always)]
    unsafe fn put(&mut self, vector: __m512i) {
        let mut joined = vector;
        if SHIFT {
            // SAFETY: the features are there, as the caller says.
            joined = unsafe { _mm512_permutex2var_epi32(self.before, self.join, vector) };
            self.before = vector;
        }
        // SAFETY: in bounds, as the caller says; aligned, as the constructor's caller says.
        unsafe {
            if SHIFT && self.first {
                _mm512_mask_store_epi32(self.at.cast(), u16::MAX << self.phase, joined);
                self.first = false;
            } else if STREAM {
                _mm512_stream_si512(self.at.cast(), joined);
            } else {
                _mm512_storeu_si512(self.at.cast(), joined);
            }
        }
        self.at = self.at.wrapping_add(VECTOR);
    }

    #[inline(always)]
    unsafe fn finish(&self) {
        if SHIFT && !self.first {
            // SAFETY: these pixels were put.
            unsafe {
                let left = _mm512_permutex2var_epi32(self.before, self.join, self.before);
                _mm512_mask_store_epi32(self.at.cast(), !(u16::MAX << self.phase), left);
            }
        }
    }
}
