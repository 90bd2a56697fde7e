//! Line converters: guest pixels to RGBA8, one kernel per source format.
//!
//! A kernel reads a line of guest RAM, hashes it and converts it. There are three sets of them, and the host's own features choose:
//! - `vector::avx512` and `vector::avx2`: all in one pass over registers;
//! - `portable`: a copy by relaxed loads, then loops over slices in fixed steps, from which the compiler makes vector code where it can. The only
//!   set under Miri, in the model checker, and where `--cfg tayberry_portable` asks for it.
//!
//! All give the same pixels and the same hashes.

mod portable;
#[cfg(all(test, not(tayberry_loom)))]
mod tests;
#[cfg(not(all(target_arch = "x86_64", not(any(miri, tayberry_loom, tayberry_portable)))))]
#[path = "none.rs"]
mod vector;
#[cfg(all(target_arch = "x86_64", not(any(miri, tayberry_loom, tayberry_portable))))]
#[path = "x86/mod.rs"]
mod vector;

use crate::display::source::Guest;
use crate::display::{Alpha, Depth, PixelOrder, ScanoutConfig};
use std::sync::Arc;

/// Bytes of an RGBA8 pixel.
pub(super) const RGBA: usize = 4;
const OPAQUE: u32 = 0xFF00_0000;

/// Which kernel. Settings that make no difference to a depth are left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kernel {
    Indexed8,
    Rgb15,
    Bgr15,
    Rgb16,
    Bgr16,
    Rgb24,
    Bgr24,
    Rgb32,
    Bgr32,
    /// 32 bits over black; `invert` where an alpha of 0 is opaque.
    Rgb32Alpha {
        invert: bool,
    },
    Bgr32Alpha {
        invert: bool,
    },
}

impl Kernel {
    fn of(config: &ScanoutConfig) -> Self {
        let invert = config.alpha == Alpha::Opaque0;
        let blend = config.alpha != Alpha::Ignored;
        match (config.depth, config.order) {
            (Depth::Indexed8, _) => Self::Indexed8,
            (Depth::Rgb15, PixelOrder::Rgb) => Self::Rgb15,
            (Depth::Rgb15, PixelOrder::Bgr) => Self::Bgr15,
            (Depth::Rgb16, PixelOrder::Rgb) => Self::Rgb16,
            (Depth::Rgb16, PixelOrder::Bgr) => Self::Bgr16,
            (Depth::Rgb24, PixelOrder::Rgb) => Self::Rgb24,
            (Depth::Rgb24, PixelOrder::Bgr) => Self::Bgr24,
            (Depth::Rgb32, PixelOrder::Rgb) if blend => Self::Rgb32Alpha { invert },
            (Depth::Rgb32, PixelOrder::Bgr) if blend => Self::Bgr32Alpha { invert },
            (Depth::Rgb32, PixelOrder::Rgb) => Self::Rgb32,
            (Depth::Rgb32, PixelOrder::Bgr) => Self::Bgr32,
        }
    }
}

/// A palette in the forms that kernels look it up in.
#[derive(Clone, Debug)]
struct Palette {
    entries: Arc<[u32; 256]>,
    /// RGBA8 of every index.
    colours: [u32; 256],
    #[cfg_attr(any(not(target_arch = "x86_64"), miri, tayberry_loom, tayberry_portable), expect(dead_code, reason = "for vector kernels"))]
    planes: vector::Planes,
}

impl Palette {
    fn new(entries: &Arc<[u32; 256]>) -> Self {
        Self { entries: Arc::clone(entries), colours: entries.map(|entry| entry | OPAQUE), planes: vector::Planes::new(entries) }
    }

    fn is_of(&self, entries: &Arc<[u32; 256]>) -> bool {
        Arc::ptr_eq(&self.entries, entries) || self.entries == *entries
    }
}

impl PartialEq for Palette {
    fn eq(&self, other: &Self) -> bool {
        self.is_of(&other.entries)
    }
}

/// Which set of kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Set {
    Portable,
    Vector(vector::Level),
}

impl Set {
    /// Those that this host can run, the best first.
    fn usable() -> impl Iterator<Item = Self> {
        vector::Level::usable().map(Self::Vector).chain([Self::Portable])
    }

    pub(super) fn best() -> Self {
        Self::usable().next().unwrap_or(Self::Portable)
    }
}

/// A set of kernels, for benches and tests: all draw the same, and a renderer takes the best by itself.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernels(pub(super) Set);

impl Kernels {
    /// Those that this host can run, the best first.
    pub fn usable() -> impl Iterator<Item = Self> {
        Set::usable().map(Self)
    }

    /// What hosts call what it needs: `avx512`, `avx2`, or `portable`.
    pub fn name(self) -> &'static str {
        match self.0 {
            Set::Portable => "portable",
            Set::Vector(level) => level.name(),
        }
    }
}

/// How a line is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Store {
    /// Through the caches, where whoever shows the frame finds it.
    Cached,
    /// Around the caches where the kernels can: memory that is written as a whole need not be fetched first. Until [`settle`] other threads
    /// may not see it.
    Streaming,
}

/// Bytes of the host's largest cache, as far as it is known.
pub(super) fn cache_bytes() -> usize {
    /// What a host of this time has that does not tell.
    const USUAL: usize = 16 << 20;
    vector::cache_bytes().unwrap_or(USUAL)
}

/// Ends streaming stores: what the calling thread has written is ordered before what it writes from now on.
pub(super) fn settle() {
    vector::settle();
}

/// Converts lines of one format. Equal converters make equal pixels of equal bytes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Converter {
    set: Set,
    kernel: Kernel,
    /// Bytes of a guest's pixel.
    source_pixel: usize,
    /// Empty for direct colour.
    palette: Option<Box<Palette>>,
}

impl Converter {
    pub(super) fn with(set: Set, config: &ScanoutConfig) -> Self {
        let kernel = Kernel::of(config);
        let palette = (kernel == Kernel::Indexed8).then(|| Box::new(Palette::new(&config.palette)));
        Self { set, kernel, source_pixel: config.depth.bytes() as usize, palette }
    }

    /// True if it is what [`Converter::with`] makes.
    pub(super) fn is_for(&self, set: Set, config: &ScanoutConfig) -> bool {
        self.set == set && self.kernel == Kernel::of(config) && self.palette.as_ref().is_none_or(|palette| palette.is_of(&config.palette))
    }

    /// Hashes a line. `copy` is memory to work in.
    #[inline]
    pub(super) fn digest(&self, line: Guest<'_>, copy: &mut Vec<u8>) -> u64 {
        match self.set {
            Set::Portable => portable::digest(line.copy(copy)),
            Set::Vector(level) => level.digest(line),
        }
    }

    /// Converts lines to the starts of lines of `out`, and hashes what it converted.
    #[inline]
    pub(super) fn paint(&self, lines: Guest<'_>, copy: &mut Vec<u8>, out: Canvas<'_>, digests: &mut [u64]) {
        match self.set {
            Set::Portable => {
                for (index, (out, digest)) in out.pixels.chunks_mut(out.pitch.max(1)).zip(digests).take(lines.count()).enumerate() {
                    let bytes = lines.line(index).copy(copy);
                    portable::paint(self, bytes, &mut out[..lines.len() / self.source_pixel * RGBA]);
                    *digest = portable::digest(bytes);
                }
            }
            Set::Vector(level) => level.paint(self, lines, out, digests),
        }
    }
}

/// Lines that are painted.
#[derive(Debug)]
pub(super) struct Canvas<'a> {
    pub(super) pixels: &'a mut [u8],
    /// Bytes from one line to the next: at least as many as are painted.
    pub(super) pitch: usize,
    pub(super) store: Store,
}

/// Fills with opaque black.
pub(super) fn black(out: &mut [u8]) {
    for pixel in out.chunks_exact_mut(RGBA) {
        pixel.copy_from_slice(&OPAQUE.to_le_bytes());
    }
}
