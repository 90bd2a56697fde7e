//! Vector kernels of x86-64 hosts.

mod avx2;
mod avx512;
mod pass;
mod tables;

use super::{Canvas, Converter, Kernel, OPAQUE, RGBA, Store};
use crate::display::digest;
use crate::display::source::Guest;

/// The first, second and third byte of every colour of a palette.
#[derive(Clone, Debug)]
pub(super) struct Planes([[u8; 256]; 3]);

impl Planes {
    pub(super) fn new(entries: &[u32; 256]) -> Self {
        Self([0, 8, 16].map(|shift| entries.map(|entry| (entry >> shift) as u8)))
    }
}

/// A set of vector kernels. That a value exists means that the host can run them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::display) enum Level {
    Avx512,
    Avx2,
}

impl Level {
    /// Those that this host can run, the best first.
    pub(super) fn usable() -> impl Iterator<Item = Self> {
        let levels = [(avx512::usable(), Self::Avx512), (avx2::usable(), Self::Avx2)];
        levels.into_iter().filter_map(|(usable, level)| usable.then_some(level))
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
        }
    }

    #[inline]
    pub(super) fn digest(self, line: Guest<'_>) -> u64 {
        match self {
            // SAFETY: the host has what the function is compiled for.
            Self::Avx512 => unsafe { avx512::digest(line) },
            // SAFETY: as above.
            Self::Avx2 => unsafe { avx2::digest(line) },
        }
    }

    #[inline]
    pub(super) fn paint(self, converter: &Converter, lines: Guest<'_>, out: Canvas<'_>, digests: &mut [u64]) {
        match self {
            // SAFETY: the host has what the function is compiled for.
            Self::Avx512 => unsafe { avx512::paint(converter, lines, out, digests) },
            // SAFETY: as above.
            Self::Avx2 => unsafe { avx2::paint(converter, lines, out, digests) },
        }
    }
}

/// Bytes of the largest cache that the processor tells of, in the same way on AMD's and Intel's ("Deterministic Cache Parameters").
pub(super) fn cache_bytes() -> Option<usize> {
    use std::arch::x86_64::{__cpuid, __cpuid_count};
    const INTEL: u32 = 4;
    const AMD: u32 = 0x8000_001D;
    let caches = |leaf: u32| {
        let leaves = if __cpuid(leaf & 0x8000_0000).eax >= leaf { 0..16 } else { 0..0 };
        let found = leaves.map(move |index| __cpuid_count(leaf, index)).take_while(|found| found.eax & 0x1F != 0);
        found.map(|found| {
            let field = |shift: u32, bits: u32| (found.ebx >> shift & ((1 << bits) - 1)) as usize + 1;
            // Line size, partitions, ways, sets.
            field(0, 12) * field(12, 10) * field(22, 10) * (found.ecx as usize + 1)
        })
    };
    caches(INTEL).chain(caches(AMD)).max()
}

/// Ends streaming stores.
#[inline]
pub(super) fn settle() {
    // SAFETY: every x86-64 host has it.
    unsafe { std::arch::x86_64::_mm_sfence() };
}
