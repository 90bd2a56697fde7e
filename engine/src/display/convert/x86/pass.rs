//! The pass that all vector kernels make: a stripe of guest bytes is loaded, hashed and converted before the next one is touched.
//!
//! It is generic over the registers that hold a stripe. Everything here is `inline(always)` and enables no features: it becomes a part of
//! functions that do, where alone it may be called.

use super::digest::{BLOCK, KEYS, Keys, LANES, PRODUCT_WEIGHTS, STRIPE, SUM_WEIGHTS};
use super::{Canvas, Guest, RGBA, Store};

/// A stripe of the digest, in registers: eight words, or 64 bytes of guest memory, or 16 pixels.
///
/// # Safety
/// All functions need the host's features that the implementing module looks for, and a caller that is compiled for them.
pub(super) trait Stripe: Copy {
    /// Writes stripes: with `SHIFT`, which is asked for only if [`Stripe::JOINS`], to addresses that are aligned to pixels only; with `STREAM` around the caches.
    type Writer<const SHIFT: bool, const STREAM: bool>: Write<Self>;
    /// Stores of `Writer<false, true>` must be aligned to that.
    const ALIGNMENT: usize;
    /// True if there are writers that shift.
    const JOINS: bool;

    /// Stripe of guest memory at byte `at` of `line`, by loads that are foreign to the language: see [`crate::display::source`].
    ///
    /// # Safety
    /// It lies in the line, which is in RAM.
    unsafe fn load(line: *const u8, at: usize) -> Self;
    /// # Safety
    /// There are as many bytes to be read.
    unsafe fn read(from: *const u8) -> Self;
    #[inline(always)]
    unsafe fn of_bytes(bytes: &[u8; STRIPE]) -> Self {
        // SAFETY: 64 bytes are read of 64.
        unsafe { Self::read(bytes.as_ptr()) }
    }
    #[inline(always)]
    unsafe fn of_words(words: &[u64; LANES]) -> Self {
        // SAFETY: as above.
        unsafe { Self::read(words.as_ptr().cast()) }
    }
    unsafe fn to_bytes(self) -> [u8; STRIPE];
    unsafe fn xor(self, other: Self) -> Self;
    /// Sums of words.
    unsafe fn add(self, other: Self) -> Self;
    /// The product of the two halves of each word.
    unsafe fn product_of_halves(self) -> Self;
    /// Each word XORed with its upper half, times its weight.
    unsafe fn stir(self, weights: &[u64; LANES]) -> Self;
    /// The sum of all words.
    unsafe fn total(self) -> u64;
}

/// Makes `OUT` stripes of pixels of `IN` stripes of guest bytes.
///
/// Closures do, if they are small. There are several calls in a pass, and a closure that the compiler does not inline into all of them takes twice as long; then it is
/// to be a type, with `inline(always)`.
pub(super) trait Pixels<S, const IN: usize, const OUT: usize> {
    /// # Safety
    /// As for [`Stripe`].
    unsafe fn of(&self, stripes: [S; IN]) -> [S; OUT];
}

impl<S, F: Fn([S; IN]) -> [S; OUT], const IN: usize, const OUT: usize> Pixels<S, IN, OUT> for F {
    #[inline(always)]
    unsafe fn of(&self, stripes: [S; IN]) -> [S; OUT] {
        self(stripes)
    }
}

/// Writes stripes one after another.
///
/// # Safety
/// As for [`Stripe`].
pub(super) trait Write<S> {
    /// From `out` on.
    unsafe fn new(out: *mut u8) -> Self;
    /// # Safety
    /// It fits where it goes, and nobody else has that.
    unsafe fn put(&mut self, stripe: S);
    /// Stores what is left over.
    ///
    /// # Safety
    /// As for `put`.
    unsafe fn finish(&self);
}

/// The digest of a line in the making: see [`super::digest`].
struct Digest<S> {
    sums: S,
    products: S,
    /// Stripes since the sums were stirred.
    at: usize,
}

impl<S: Stripe> Digest<S> {
    /// # Safety
    /// As for [`Stripe`], as all of these.
    #[inline(always)]
    unsafe fn new() -> Self {
        // SAFETY: as the caller says.
        let zero = unsafe { S::of_words(&[0; LANES]) };
        Self { sums: zero, products: zero, at: 0 }
    }

    /// # Safety
    /// There is room for it: see [`Digest::room`].
    #[inline(always)]
    unsafe fn stripe(&mut self, stripe: S) {
        debug_assert!(self.at < BLOCK);
        // SAFETY: where there is room there are keys.
        unsafe {
            let Keys(keys) = KEYS.get_unchecked(self.at);
            self.products = self.products.add(stripe.xor(S::of_words(keys)).product_of_halves());
            self.sums = self.sums.add(stripe);
        }
        self.at += 1;
    }

    /// Stripes that may follow until this is asked again.
    #[inline(always)]
    unsafe fn room(&mut self) -> usize {
        if self.at == BLOCK {
            // SAFETY: as the caller says.
            unsafe { self.stir() };
            self.at = 0;
        }
        BLOCK - self.at
    }

    #[inline(always)]
    unsafe fn stir(&mut self) {
        // SAFETY: as the caller says.
        unsafe {
            self.sums = self.sums.stir(&SUM_WEIGHTS);
            self.products = self.products.stir(&PRODUCT_WEIGHTS);
        }
    }

    #[inline(always)]
    unsafe fn finish(mut self) -> u64 {
        // SAFETY: as the caller says.
        unsafe {
            self.stir();
            self.sums.add(self.products).total()
        }
    }
}

/// The last bytes of a line, from `at` on, fewer than three stripes; filled up with zeros.
fn rest(line: Guest<'_>, at: usize) -> [[u8; STRIPE]; 3] {
    let mut stripes = [[0; STRIPE]; 3];
    line.copy_rest(at, stripes.as_flattened_mut());
    stripes
}

/// Hashes a line.
///
/// # Safety
/// As for [`Stripe`].
#[inline(always)]
pub(super) unsafe fn digest<S: Stripe>(line: Guest<'_>) -> u64 {
    let (from, whole) = (line.as_ptr(), line.len() / STRIPE * STRIPE);
    let mut at = 0;
    // SAFETY: whole stripes of the line, as many as there is room for.
    unsafe {
        let mut digest = Digest::<S>::new();
        while at < whole {
            let end = whole.min(at + digest.room() * STRIPE);
            while at < end {
                digest.stripe(S::load(from, at));
                at += STRIPE;
            }
        }
        if whole < line.len() {
            digest.room();
            digest.stripe(S::of_bytes(&rest(line, whole)[0]));
        }
        digest.finish()
    }
}

/// Lines to be converted.
pub(super) struct Job<'a> {
    pub(super) lines: Guest<'a>,
    /// Bytes of a line that are painted.
    pub(super) painted: usize,
    pub(super) out: Canvas<'a>,
    pub(super) digests: &'a mut [u64],
}

impl Job<'_> {
    /// Takes lines through `pixels`.
    ///
    /// # Safety
    /// As for [`Stripe`].
    #[inline(always)]
    pub(super) unsafe fn run<S: Stripe, const IN: usize, const OUT: usize>(self, pixels: impl Pixels<S, IN, OUT>) {
        let phases = self.out.pixels.as_ptr().addr() | self.out.pitch;
        let (whole, joins) = (phases.is_multiple_of(S::ALIGNMENT), S::JOINS && phases.is_multiple_of(RGBA));
        // SAFETY: as the caller says.
        unsafe {
            match (whole, joins, self.out.store) {
                (true, _, Store::Streaming) => self.run_by::<S, S::Writer<false, true>, IN, OUT>(pixels),
                (false, true, Store::Streaming) => self.run_by::<S, S::Writer<true, true>, IN, OUT>(pixels),
                (false, true, Store::Cached) => self.run_by::<S, S::Writer<true, false>, IN, OUT>(pixels),
                (true, ..) | (_, false, _) => self.run_by::<S, S::Writer<false, false>, IN, OUT>(pixels),
            }
        }
    }

    #[inline(always)]
    unsafe fn run_by<S: Stripe, W: Write<S>, const IN: usize, const OUT: usize>(self, pixels: impl Pixels<S, IN, OUT>) {
        const { assert!(BLOCK.is_multiple_of(IN)) };
        let Self { lines, painted, out: Canvas { pixels: out, pitch, .. }, digests } = self;
        let blocks = (lines.len() / (IN * STRIPE)).min(painted / (OUT * STRIPE));
        let (whole, done) = (blocks * IN * STRIPE, blocks * OUT * STRIPE);
        // Without gaps the lines are one to the writer.
        let gapless = done == pitch;
        assert!(painted <= pitch && lines.count() <= digests.len() && lines.count() * pitch <= out.len(), "the canvas is too small");
        let start = out.as_mut_ptr();
        // SAFETY: of the host's features, as the caller says.
        let mut writer = unsafe { W::new(start) };
        for (index, place) in digests.iter_mut().take(lines.count()).enumerate() {
            let line = lines.line(index);
            let from = line.as_ptr();
            let mut at = 0;
            // SAFETY: whole stripes of the line, and a block of the digest has room for a multiple of `IN`, which is 1 or 3. `blocks` times `OUT` stripes
            // are in the line of the canvas, and that is in `out`.
            let mut digest = unsafe {
                if !gapless {
                    writer = W::new(start.wrapping_add(index * pitch));
                }
                let mut digest = Digest::<S>::new();
                while at < whole {
                    let end = whole.min(at + digest.room() * STRIPE);
                    while at < end {
                        let stripes: [S; IN] = std::array::from_fn(|index| S::load(from, at + index * STRIPE));
                        stripes.iter().for_each(|&stripe| digest.stripe(stripe));
                        pixels.of(stripes).into_iter().for_each(|stripe| writer.put(stripe));
                        at += IN * STRIPE;
                    }
                }
                if !gapless {
                    writer.finish();
                }
                digest
            };
            if whole < line.len() {
                let rest = rest(line, whole);
                // SAFETY: of a block there are multiples of `IN` stripes, so there is room for up to `IN`.
                let pixels = unsafe {
                    let stripes: [S; IN] = std::array::from_fn(|index| S::of_bytes(&rest[index]));
                    digest.room();
                    stripes[..(line.len() - whole).div_ceil(STRIPE)].iter().for_each(|&stripe| digest.stripe(stripe));
                    pixels.of(stripes).map(|stripe| stripe.to_bytes())
                };
                for (pixel, &value) in out[index * pitch..][done..painted].iter_mut().zip(pixels.as_flattened()) {
                    *pixel = value;
                }
            }
            // SAFETY: of the host's features, as the caller says.
            *place = unsafe { digest.finish() };
        }
        if gapless {
            // SAFETY: as above.
            unsafe { writer.finish() };
        }
    }
}
