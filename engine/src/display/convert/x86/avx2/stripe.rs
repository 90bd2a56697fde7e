//! A stripe as two registers of AVX2.

use super::super::digest::{LANES, STRIPE};
use super::super::pass::{Stripe, Write};
use std::arch::asm;
use std::arch::x86_64::*;

/// Bytes of a vector.
pub(super) const VECTOR: usize = 32;

/// The lower and the upper half.
#[derive(Clone, Copy)]
pub(super) struct Pair(pub(super) __m256i, pub(super) __m256i);

impl Stripe for Pair {
    type Writer<const SHIFT: bool, const STREAM: bool> = Writer<STREAM>;
    const ALIGNMENT: usize = VECTOR;
    const JOINS: bool = false;

    #[inline(always)]
    unsafe fn load(line: *const u8, at: usize) -> Self {
        // SAFETY: as the caller says.
        unsafe { load(line, at) }
    }

    #[inline(always)]
    unsafe fn read(from: *const u8) -> Self {
        // SAFETY: as the caller says.
        unsafe { Self(_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.wrapping_add(VECTOR).cast())) }
    }

    #[inline(always)]
    unsafe fn to_bytes(self) -> [u8; STRIPE] {
        // SAFETY: both are 64 bytes of which any value is valid.
        unsafe { std::mem::transmute([self.0, self.1]) }
    }

    #[inline(always)]
    unsafe fn xor(self, other: Self) -> Self {
        // SAFETY: the features are there, as the caller says.
        unsafe { Self(_mm256_xor_si256(self.0, other.0), _mm256_xor_si256(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn add(self, other: Self) -> Self {
        // SAFETY: as above.
        unsafe { Self(_mm256_add_epi64(self.0, other.0), _mm256_add_epi64(self.1, other.1)) }
    }

    #[inline(always)]
    unsafe fn product_of_halves(self) -> Self {
        // SAFETY: as above.
        unsafe {
            Self(_mm256_mul_epu32(self.0, _mm256_srli_epi64::<32>(self.0)), _mm256_mul_epu32(self.1, _mm256_srli_epi64::<32>(self.1)))
        }
    }

    #[inline(always)]
    unsafe fn stir(self, weights: &[u64; LANES]) -> Self {
        // SAFETY: as above.
        unsafe {
            let Self(low, high) = Self::of_words(weights);
            Self(stir(self.0, low), stir(self.1, high))
        }
    }

    #[inline(always)]
    unsafe fn total(self) -> u64 {
        // SAFETY: as above.
        unsafe {
            let four = _mm256_add_epi64(self.0, self.1);
            let two = _mm_add_epi64(_mm256_castsi256_si128(four), _mm256_extracti128_si256::<1>(four));
            _mm_extract_epi64::<0>(two).wrapping_add(_mm_extract_epi64::<1>(two)).cast_unsigned()
        }
    }
}

/// As [`Stripe::load`].
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(line: *const u8, at: usize) -> Pair {
    let (low, high): (__m256i, __m256i);
    // SAFETY: the caller says that it is in the line.
    unsafe {
        asm!(
            "vmovdqu {low}, ymmword ptr [{line} + {at}]",
            "vmovdqu {high}, ymmword ptr [{line} + {at} + 32]",
            low = out(ymm_reg) low,
            high = out(ymm_reg) high,
            line = in(reg) line,
            at = in(reg) at,
            options(nostack, preserves_flags, readonly),
        );
    }
    Pair(low, high)
}

/// As [`Stripe::stir`]. There is no product of whole words: it is put together of those of halves.
///
/// # Safety
/// As for [`Stripe`].
#[inline(always)]
unsafe fn stir(words: __m256i, weights: __m256i) -> __m256i {
    // SAFETY: as the caller says.
    unsafe {
        let upper = |value| _mm256_srli_epi64::<32>(value);
        let words = _mm256_xor_si256(words, upper(words));
        let crossed = _mm256_add_epi64(_mm256_mul_epu32(words, upper(weights)), _mm256_mul_epu32(upper(words), weights));
        _mm256_add_epi64(_mm256_mul_epu32(words, weights), _mm256_slli_epi64::<32>(crossed))
    }
}

/// Writes stripes one after another; with `STREAM` around the caches.
pub(in super::super) struct Writer<const STREAM: bool> {
    at: *mut u8,
}

impl<const STREAM: bool> Write<Pair> for Writer<STREAM> {
    #[inline(always)]
    unsafe fn new(out: *mut u8) -> Self {
        Self { at: out }
    }

    #[inline(always)]
    unsafe fn put(&mut self, Pair(low, high): Pair) {
        let (at, behind) = (self.at.cast(), self.at.wrapping_add(VECTOR).cast());
        // SAFETY: in bounds, as the caller says; aligned where it streams, as the constructor's caller says.
        unsafe {
            if STREAM {
                _mm256_stream_si256(at, low);
                _mm256_stream_si256(behind, high);
            } else {
                _mm256_storeu_si256(at, low);
                _mm256_storeu_si256(behind, high);
            }
        }
        self.at = self.at.wrapping_add(STRIPE);
    }

    #[inline(always)]
    unsafe fn finish(&self) {}
}
