//! For hosts with AVX2: a line is copied to the first-level cache by vector loads; from there on it is the portable code, compiled for AVX2,
//! which has the byte shuffles that the baseline lacks.

use super::{Canvas, Converter, Guest, RGBA, portable};
use std::arch::asm;
use std::arch::x86_64::__m256i;

/// Bytes of a vector.
const VECTOR: usize = 32;

pub(super) fn usable() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[target_feature(enable = "avx2")]
pub(super) fn digest(line: Guest<'_>, copy: &mut Vec<u8>) -> u64 {
    portable::digest(fetch(line, copy))
}

#[target_feature(enable = "avx2")]
pub(super) fn paint(converter: &Converter, lines: Guest<'_>, copy: &mut Vec<u8>, out: Canvas<'_>, digests: &mut [u64]) {
    let painted = lines.len() / converter.source_pixel * RGBA;
    for (index, (out, digest)) in out.pixels.chunks_mut(out.pitch.max(1)).zip(digests).take(lines.count()).enumerate() {
        let bytes = fetch(lines.line(index), copy);
        portable::paint(converter, bytes, &mut out[..painted]);
        *digest = portable::digest(bytes);
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
