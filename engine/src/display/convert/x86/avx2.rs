//! For hosts with AVX2: a line is copied to the first-level cache by vector loads and hashed there; the conversion is the portable code, compiled for
//! AVX2, which has the byte shuffles that the baseline lacks.

use super::digest::{Digest, KEYS, STRIPE, digest_by};
use super::{Canvas, Converter, Guest, RGBA, portable};
use std::arch::asm;
use std::arch::x86_64::*;

/// Bytes of a vector.
const VECTOR: usize = 32;

pub(super) fn usable() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[target_feature(enable = "avx2")]
pub(super) fn digest(line: Guest<'_>, copy: &mut Vec<u8>) -> u64 {
    hash(fetch(line, copy))
}

#[target_feature(enable = "avx2")]
pub(super) fn paint(converter: &Converter, lines: Guest<'_>, copy: &mut Vec<u8>, out: Canvas<'_>, digests: &mut [u64]) {
    let painted = lines.len() / converter.source_pixel * RGBA;
    for (index, (out, digest)) in out.pixels.chunks_mut(out.pitch.max(1)).zip(digests).take(lines.count()).enumerate() {
        let bytes = fetch(lines.line(index), copy);
        portable::paint(converter, bytes, &mut out[..painted]);
        *digest = hash(bytes);
    }
}

/// Copies a line.
#[target_feature(enable = "avx2")]
fn fetch<'a>(line: Guest<'_>, copy: &'a mut Vec<u8>) -> &'a [u8] {
    copy.resize(line.len(), 0);
    let from = line.as_ptr();
    let vectors = copy.as_chunks_mut::<VECTOR>().0;
    let whole = vectors.len() * VECTOR;
    for (index, out) in vectors.iter_mut().enumerate() {
        let vector: __m256i;
        // SAFETY: the vector lies in the line, and the line in RAM, which lives as long as `line`. See `source` for why the load is not Rust's.
        unsafe {
            asm!(
                "vmovdqu {vector}, ymmword ptr [{at}]",
                vector = out(ymm_reg) vector,
                at = in(reg) from.wrapping_add(index * VECTOR),
                options(nostack, preserves_flags, readonly),
            );
        }
        // SAFETY: both are 32 bytes of which any value is valid.
        *out = unsafe { std::mem::transmute::<__m256i, [u8; VECTOR]>(vector) };
    }
    line.copy_rest(whole, &mut copy[whole..]);
    copy
}

/// The digest of a line.
#[target_feature(enable = "avx2")]
fn hash(bytes: &[u8]) -> u64 {
    digest_by(bytes, |digest, stripes| take(digest, stripes))
}

/// Takes in stripes, a half of the lanes per vector.
#[target_feature(enable = "avx2")]
fn take(digest: &mut Digest, stripes: &[[u8; STRIPE]]) {
    let halves = |lanes: &[u64; 8]| {
        let (low, high) = lanes.split_at(4);
        // SAFETY: 32 bytes are read of 32, twice.
        unsafe { [_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast())] }
    };
    let (mut sums, mut products) = (halves(&digest.sums), halves(&digest.products));
    for (stripe, keys) in stripes.iter().zip(&KEYS) {
        let keys = halves(&keys.0);
        for (half, bytes) in stripe.as_chunks::<VECTOR>().0.iter().enumerate() {
            // SAFETY: 32 bytes are read of 32.
            let words = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
            let mixed = _mm256_xor_si256(words, keys[half]);
            products[half] = _mm256_add_epi64(products[half], _mm256_mul_epu32(mixed, _mm256_srli_epi64::<32>(mixed)));
            sums[half] = _mm256_add_epi64(sums[half], words);
        }
    }
    // SAFETY: both are 64 bytes of which any value is valid.
    unsafe {
        digest.sums = std::mem::transmute::<[__m256i; 2], [u64; 8]>(sums);
        digest.products = std::mem::transmute::<[__m256i; 2], [u64; 8]>(products);
    }
}
