//! The least that a renderer can do: it loads the guest's bytes and stores as many bytes of pixels, by the widest vectors of the host, and does nothing with
//! them. No lines, no hashes, no colours. What a host's memory makes of that is a bound that no renderer gets below.

use crate::scene::{Contestant, PICTURES, Scene};
use rayon::ThreadPool;
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;
use tayberry_engine::display::Pixels;

/// How it stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stores {
    /// Through the caches.
    Cached,
    /// Around them.
    Streaming,
}

/// Bytes that 64 pixels are.
const UNIT: usize = 256;

/// Loads pictures of `scene` by turns and stores into two buffers of pixels by turns; by two threads if there is a pool. `None` where the host lacks the vectors.
pub fn bare(scene: &Arc<Scene>, pool: Option<Arc<ThreadPool>>, stores: Stores) -> Option<Contestant> {
    let depth = scene.config.depth.bytes() as usize;
    let pass = loops::of(depth, stores)?;
    let (scene, mut picture) = (Arc::clone(scene), 0);
    let (width, height) = scene.config.physical;
    let units = (width * height) as usize / 64;
    let mut out = [(); 2].map(|()| Pixels::from(vec![1; units * UNIT]));
    Some(Box::new(move || {
        picture += 1;
        let from = (picture % PICTURES as usize) * scene.picture_bytes() as usize;
        let source = black_box(scene.ram.base().cast_const().wrapping_add(from) as usize);
        let out = &mut out[picture % 2];
        let start = Instant::now();
        let run = |first: usize, out: &mut [u8]| {
            // SAFETY: a picture has `units` times 64 pixels, and the loop takes as many as there is room for in this part of `out`, which begins where a cache
            // line does. Nobody stores to the picture.
            unsafe { pass((source + first * 64 * depth) as *const u8, out.as_mut_ptr(), out.len() / UNIT) };
        };
        match &pool {
            None => run(0, out),
            Some(pool) => {
                let (ours, theirs) = out.split_at_mut(units / 2 * UNIT);
                pool.in_place_scope(|scope| {
                    scope.spawn(|_| run(units / 2, theirs));
                    run(0, ours);
                });
            }
        }
        let time = start.elapsed();
        black_box(out);
        time
    }))
}

/// Takes so many times 64 pixels from one address to the other.
type Pass = unsafe fn(*const u8, *mut u8, usize);

#[cfg(target_arch = "x86_64")]
mod loops {
    use super::{Pass, Stores};
    use std::arch::x86_64::*;

    pub fn of(depth: usize, stores: Stores) -> Option<Pass> {
        use Stores::{Cached, Streaming};
        let wide = is_x86_feature_detected!("avx512f");
        if !wide && !is_x86_feature_detected!("avx2") {
            return None;
        }
        Some(match (depth, stores, wide) {
            (1, Cached, true) => wide_pass::<1, false>,
            (1, Streaming, true) => wide_pass::<1, true>,
            (2, Cached, true) => wide_pass::<2, false>,
            (2, Streaming, true) => wide_pass::<2, true>,
            (3, Cached, true) => wide_pass::<3, false>,
            (3, Streaming, true) => wide_pass::<3, true>,
            (_, Cached, true) => wide_pass::<4, false>,
            (_, Streaming, true) => wide_pass::<4, true>,
            (1, Cached, false) => pass::<1, false>,
            (1, Streaming, false) => pass::<1, true>,
            (2, Cached, false) => pass::<2, false>,
            (2, Streaming, false) => pass::<2, true>,
            (3, Cached, false) => pass::<3, false>,
            (3, Streaming, false) => pass::<3, true>,
            (_, Cached, false) => pass::<4, false>,
            (_, Streaming, false) => pass::<4, true>,
        })
    }

    /// # Safety
    /// `from` has `units` times 64 times `IN` bytes, `to` 256 times `units`, from a cache line on; the host has AVX-512.
    #[target_feature(enable = "avx512f")]
    unsafe fn wide_pass<const IN: usize, const STREAM: bool>(from: *const u8, to: *mut u8, units: usize) {
        for unit in 0..units {
            let (from, to) = (from.wrapping_add(unit * 64 * IN), to.wrapping_add(unit * 256));
            // SAFETY: as the caller says.
            let vectors: [__m512i; IN] = std::array::from_fn(|at| unsafe { _mm512_loadu_si512(from.wrapping_add(at * 64).cast()) });
            for at in 0..4 {
                let (vector, to) = (vectors[at * IN / 4], to.wrapping_add(at * 64).cast());
                // SAFETY: as the caller says.
                unsafe { if STREAM { _mm512_stream_si512(to, vector) } else { _mm512_store_si512(to, vector) } }
            }
        }
        _mm_sfence();
    }

    /// # Safety
    /// As above; the host has AVX2.
    #[target_feature(enable = "avx2")]
    unsafe fn pass<const IN: usize, const STREAM: bool>(from: *const u8, to: *mut u8, units: usize) {
        for unit in 0..units * 2 {
            let (from, to) = (from.wrapping_add(unit * 32 * IN), to.wrapping_add(unit * 128));
            // SAFETY: as the caller says.
            let vectors: [__m256i; IN] = std::array::from_fn(|at| unsafe { _mm256_loadu_si256(from.wrapping_add(at * 32).cast()) });
            for at in 0..4 {
                let (vector, to) = (vectors[at * IN / 4], to.wrapping_add(at * 32).cast());
                // SAFETY: as the caller says.
                unsafe { if STREAM { _mm256_stream_si256(to, vector) } else { _mm256_store_si256(to, vector) } }
            }
        }
        _mm_sfence();
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod loops {
    use super::{Pass, Stores};

    pub fn of(_: usize, _: Stores) -> Option<Pass> {
        None
    }
}
