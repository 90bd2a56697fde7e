//! For hosts with AVX-512 and its byte permutations (VBMI): one pass over registers. A block of guest bytes is loaded, hashed and converted before the
//! next one is touched.

use super::digest::{BLOCK, KEYS, LANES, PRODUCT_WEIGHTS, STRIPE, SUM_WEIGHTS};
use super::{Canvas, Converter, Guest, Kernel, OPAQUE, Planes, RGBA, Store};
use std::arch::asm;
use std::arch::x86_64::*;

/// Bytes of a vector: a stripe of the digest.
const VECTOR: usize = STRIPE;
/// Pixels that a vector holds when they are finished.
const PIXELS: usize = VECTOR / RGBA;

pub(super) fn usable() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vbmi")
}

/// The digest of a line in the making: see [`super::digest`].
struct Digest {
    sums: __m512i,
    products: __m512i,
    /// Stripes since the sums were stirred.
    at: usize,
}

impl Digest {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new() -> Self {
        Self { sums: _mm512_setzero_si512(), products: _mm512_setzero_si512(), at: 0 }
    }

    /// # Safety
    /// There is room for it: see [`Digest::room`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    unsafe fn stripe(&mut self, stripe: __m512i) {
        debug_assert!(self.at < BLOCK);
        // SAFETY: where there is room there are keys.
        let keys = unsafe { KEYS.get_unchecked(self.at) };
        let mixed = _mm512_xor_si512(stripe, words(&keys.0));
        let product = _mm512_mul_epu32(mixed, _mm512_srli_epi64::<32>(mixed));
        self.products = _mm512_add_epi64(self.products, product);
        self.sums = _mm512_add_epi64(self.sums, stripe);
        self.at += 1;
    }

    /// Stripes that may follow until this is asked again.
    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn room(&mut self) -> usize {
        if self.at == BLOCK {
            self.stir();
            self.at = 0;
        }
        BLOCK - self.at
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn stir(&mut self) {
        let fold = |value| _mm512_xor_si512(value, _mm512_srli_epi64::<32>(value));
        self.sums = _mm512_mullo_epi64(fold(self.sums), words(&SUM_WEIGHTS));
        self.products = _mm512_mullo_epi64(fold(self.products), words(&PRODUCT_WEIGHTS));
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn finish(mut self) -> u64 {
        self.stir();
        _mm512_reduce_add_epi64(_mm512_add_epi64(self.sums, self.products)).cast_unsigned()
    }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn words(words: &[u64; LANES]) -> __m512i {
    // SAFETY: 64 bytes are read of 64.
    unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
}

#[inline]
#[target_feature(enable = "avx512f")]
fn bytes(bytes: &[u8; VECTOR]) -> __m512i {
    // SAFETY: 64 bytes are read of 64.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Vector `index` of a line, counted from byte `from` on.
///
/// # Safety
/// It lies in the line.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load(line: *const u8, at: usize) -> __m512i {
    let vector: __m512i;
    // SAFETY: the caller says that it is in the line, which is in RAM. See `source` for why the load is not Rust's.
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

/// The last bytes of a line, from `at` on, fewer than `3 * VECTOR`; filled up with zeros.
fn rest(line: Guest<'_>, at: usize) -> [[u8; VECTOR]; 3] {
    let mut vectors = [[0; VECTOR]; 3];
    line.copy_rest(at, vectors.as_flattened_mut());
    vectors
}

/// Hashes a line.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
pub(super) fn digest(line: Guest<'_>) -> u64 {
    let mut digest = Digest::new();
    let (from, whole) = (line.as_ptr(), line.len() / VECTOR * VECTOR);
    let mut at = 0;
    while at < whole {
        let end = whole.min(at + digest.room() * VECTOR);
        while at < end {
            // SAFETY: whole vectors of the line, as many as there is room for.
            unsafe { digest.stripe(load(from, at)) };
            at += VECTOR;
        }
    }
    if whole < line.len() {
        digest.room();
        // SAFETY: there is room for one, having asked.
        unsafe { digest.stripe(bytes(&rest(line, whole)[0])) };
    }
    digest.finish()
}

/// Converts lines and hashes them.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
pub(super) fn paint(converter: &Converter, lines: Guest<'_>, out: Canvas<'_>, digests: &mut [u64]) {
    let opaque = _mm512_set1_epi32(OPAQUE.cast_signed());
    let job = Job { lines, painted: lines.len() / converter.source_pixel * RGBA, out, digests };
    match converter.kernel {
        Kernel::Indexed8 => {
            // A palette there is.
            let Some(palette) = &converter.palette else { return };
            let lookup = Lookup::new(&palette.planes);
            job.run(|[indices]| lookup.colours(indices));
        }
        Kernel::Rgb15 => fields(job, const { &FieldTable::new([14, 9, 4], 5) }),
        Kernel::Bgr15 => fields(job, const { &FieldTable::new([4, 9, 14], 5) }),
        Kernel::Rgb16 => fields(job, const { &FieldTable::new([15, 10, 4], 6) }),
        Kernel::Bgr16 => fields(job, const { &FieldTable::new([4, 10, 15], 6) }),
        Kernel::Rgb24 => triples(job, const { &TripleTable::new([0, 1, 2]) }),
        Kernel::Bgr24 => triples(job, const { &TripleTable::new([2, 1, 0]) }),
        Kernel::Rgb32 => job.run(|[v]| [_mm512_or_si512(v, opaque)]),
        Kernel::Bgr32 => {
            let order = bytes(&SWAPPED);
            job.run(|[v]| [_mm512_or_si512(_mm512_shuffle_epi8(v, order), opaque)]);
        }
        Kernel::Rgb32Alpha { invert } => blended(job, const { &BlendTable::new([0, 1, 2]) }, invert),
        Kernel::Bgr32Alpha { invert } => blended(job, const { &BlendTable::new([2, 1, 0]) }, invert),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn fields(job: Job<'_>, table: &FieldTable) {
    let fields = Fields::new(table);
    job.run(|[v]| fields.colours(v));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn triples(job: Job<'_>, table: &TripleTable) {
    let triples = Triples { places: table.places.each_ref().map(|place| bytes(place)) };
    job.run(|vectors| triples.colours(vectors));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn blended(job: Job<'_>, table: &BlendTable, invert: bool) {
    let blend = Blend::new(table, invert);
    job.run(|[v]| [blend.over_black(v)]);
}

/// Lines to be converted.
struct Job<'a> {
    lines: Guest<'a>,
    /// Bytes of a line that are painted.
    painted: usize,
    out: Canvas<'a>,
    digests: &'a mut [u64],
}

impl Job<'_> {
    /// Takes lines through `pixels`, which makes `OUT` vectors of pixels of `IN` vectors of guest bytes.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
    fn run<const IN: usize, const OUT: usize>(self, pixels: impl Fn([__m512i; IN]) -> [__m512i; OUT]) {
        let phases = self.out.pixels.as_ptr().addr() | self.out.pitch;
        match (phases.is_multiple_of(VECTOR), phases.is_multiple_of(RGBA), self.out.store) {
            (true, _, Store::Streaming) => self.run_by::<IN, OUT, false, true>(pixels),
            (false, true, Store::Streaming) => self.run_by::<IN, OUT, true, true>(pixels),
            (false, true, Store::Cached) => self.run_by::<IN, OUT, true, false>(pixels),
            (true, ..) | (_, false, _) => self.run_by::<IN, OUT, false, false>(pixels),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
    fn run_by<const IN: usize, const OUT: usize, const SHIFT: bool, const STREAM: bool>(
        self,
        pixels: impl Fn([__m512i; IN]) -> [__m512i; OUT],
    ) {
        const { assert!(BLOCK.is_multiple_of(IN)) };
        let Self { lines, painted, out: Canvas { pixels: out, pitch, .. }, digests } = self;
        let blocks = (lines.len() / (IN * VECTOR)).min(painted / (OUT * VECTOR));
        let (whole, done) = (blocks * IN * VECTOR, blocks * OUT * VECTOR);
        // Without gaps the lines are one to the writer.
        let gapless = done == pitch;
        assert!(painted <= pitch && lines.count() <= digests.len() && lines.count() * pitch <= out.len(), "the canvas is too small");
        let start = out.as_mut_ptr();
        let mut writer = Writer::<SHIFT, STREAM>::new(start);
        for (index, place) in digests.iter_mut().take(lines.count()).enumerate() {
            let line = lines.line(index);
            if !gapless {
                writer = Writer::new(start.wrapping_add(index * pitch));
            }
            let mut digest = Digest::new();
            let from = line.as_ptr();
            let mut at = 0;
            while at < whole {
                let end = whole.min(at + digest.room() * VECTOR);
                while at < end {
                    // SAFETY: whole vectors of the line.
                    let vectors = std::array::from_fn(|index| unsafe { load(from, at + index * VECTOR) });
                    // SAFETY: a block has room for a multiple of `IN`, which is 1 or 3.
                    vectors.iter().for_each(|&vector| unsafe { digest.stripe(vector) });
                    // SAFETY: `blocks` times `OUT` vectors are in the line of the canvas, and that is in `out`.
                    pixels(vectors).into_iter().for_each(|vector| unsafe { writer.put(vector) });
                    at += IN * VECTOR;
                }
            }
            if !gapless {
                // SAFETY: as above.
                unsafe { writer.finish() };
            }
            if whole < line.len() {
                let rest = rest(line, whole);
                let vectors = std::array::from_fn(|index| bytes(&rest[index]));
                digest.room();
                let stripes = &vectors[..(line.len() - whole).div_ceil(VECTOR)];
                // SAFETY: of a block there are multiples of `IN` stripes, so there is room for up to `IN`.
                stripes.iter().for_each(|&vector| unsafe { digest.stripe(vector) });
                // SAFETY: both are vectors of bytes of which any value is valid.
                let pixels = pixels(vectors).map(|vector| unsafe { std::mem::transmute::<__m512i, [u8; VECTOR]>(vector) });
                for (pixel, &value) in out[index * pitch..][done..painted].iter_mut().zip(pixels.as_flattened()) {
                    *pixel = value;
                }
            }
            *place = digest.finish();
        }
        if gapless {
            // SAFETY: as above.
            unsafe { writer.finish() };
        }
    }
}

/// Writes vectors one after another: with `SHIFT` to an address that is aligned to pixels only, by aligned stores of what two neighbours have of
/// them, as stores across cache lines cost twice; with `STREAM` around the caches.
struct Writer<const SHIFT: bool, const STREAM: bool> {
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

impl<const SHIFT: bool, const STREAM: bool> Writer<SHIFT, STREAM> {
    /// `out` is aligned to vectors, or with `SHIFT` to pixels, or with neither as it likes.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(out: *mut u8) -> Self {
        let phase = if SHIFT { out.addr() % VECTOR / RGBA } else { 0 };
        // Pixels 0 to 15 are those of the vector before, 16 to 31 those of the next.
        let join: [u32; PIXELS] = std::array::from_fn(|at| (PIXELS - phase + at) as u32);
        // SAFETY: 64 bytes are read of 64.
        let join = unsafe { _mm512_loadu_si512(join.as_ptr().cast()) };
        Self { at: out.wrapping_sub(phase * RGBA), phase: phase as u32, before: _mm512_setzero_si512(), join, first: true }
    }

    /// # Safety
    /// All that is put fits where it goes, and nobody else has it.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn put(&mut self, vector: __m512i) {
        let mut joined = vector;
        if SHIFT {
            joined = _mm512_permutex2var_epi32(self.before, self.join, vector);
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

    /// Stores what is left over.
    ///
    /// # Safety
    /// As for `put`.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn finish(&self) {
        if SHIFT && !self.first {
            let left = _mm512_permutex2var_epi32(self.before, self.join, self.before);
            // SAFETY: these pixels were put.
            unsafe { _mm512_mask_store_epi32(self.at.cast(), !(u16::MAX << self.phase), left) };
        }
    }
}

/// The control of a byte shuffle that exchanges red and blue.
const SWAPPED: [u8; VECTOR] = {
    let mut control = [0; VECTOR];
    let mut at = 0;
    while at < VECTOR {
        control[at] = (at % 16 / 4 * 4) as u8 + [2, 1, 0, 3][at % 4];
        at += 1;
    }
    control
};

/// The control of a permutation of words that transposes the four by four of a vector: interleaving works within quarters of a vector, and so what
/// it gives ends up in order.
const TRANSPOSED: [u8; VECTOR] = {
    let mut control = [0; VECTOR];
    let mut at = 0;
    while at < PIXELS {
        control[at * 4] = (at % 4 * 4 + at / 4) as u8;
        at += 1;
    }
    control
};

/// Palette lookups: per component a table of four vectors.
struct Lookup {
    tables: [[__m512i; 4]; 3],
    order: __m512i,
}

impl Lookup {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(Planes(planes): &Planes) -> Self {
        Self {
            tables: std::array::from_fn(|plane| std::array::from_fn(|part| bytes(&planes[plane].as_chunks().0[part]))),
            order: bytes(&TRANSPOSED),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn colours(&self, indices: __m512i) -> [__m512i; 4] {
        let indices = _mm512_permutexvar_epi32(self.order, indices);
        let upper = _mm512_movepi8_mask(indices);
        let [red, green, blue] = std::array::from_fn(|plane| {
            let [a, b, c, d] = self.tables[plane];
            let low = _mm512_permutex2var_epi8(a, indices, b);
            let high = _mm512_permutex2var_epi8(c, indices, d);
            _mm512_mask_blend_epi8(upper, low, high)
        });
        let full = _mm512_set1_epi8(-1);
        let (rg_low, rg_high) = (_mm512_unpacklo_epi8(red, green), _mm512_unpackhi_epi8(red, green));
        let (ba_low, ba_high) = (_mm512_unpacklo_epi8(blue, full), _mm512_unpackhi_epi8(blue, full));
        [
            _mm512_unpacklo_epi16(rg_low, ba_low),
            _mm512_unpackhi_epi16(rg_low, ba_low),
            _mm512_unpacklo_epi16(rg_high, ba_high),
            _mm512_unpackhi_epi16(rg_high, ba_high),
        ]
    }
}

/// Controls of [`Fields`], for each byte of a vector.
struct FieldTable {
    to_top: [u8; VECTOR],
    to_bottom: [u8; VECTOR],
    top: [u8; VECTOR],
}

impl FieldTable {
    /// Where the uppermost bits of red, green and blue are, and how many bits green has; the others have five.
    const fn new(uppermost: [u8; 3], green: u8) -> Self {
        let mut table = Self { to_top: [0; VECTOR], to_bottom: [0; VECTOR], top: [0; VECTOR] };
        let mut at = 0;
        while at < VECTOR {
            let component = at % 4;
            // Of alpha any bits will do.
            if component < 3 {
                let width = if component == 1 { green } else { 5 };
                let pixel = (at % 8 / 4 * 32) as u8;
                // From the upper copy, as a field at the very bottom needs bits below it.
                table.to_top[at] = pixel + 16 + uppermost[component] - 7;
                table.to_bottom[at] = pixel + uppermost[component] + width - 7;
                table.top[at] = u8::MAX << (8 - width);
            }
            at += 1;
        }
        table
    }
}

/// For each half of a vector of half-words the control of a permutation that doubles each to a word.
const DOUBLES: [[u8; VECTOR]; 2] = {
    let mut controls = [[0; VECTOR]; 2];
    let mut at = 0;
    while at < VECTOR {
        controls[0][at] = (at / 4) as u8;
        controls[1][at] = (PIXELS + at / 4) as u8;
        at += 2;
    }
    controls
};

/// 15 and 16 bits. Each pixel's half-word is doubled to a word; one shift per byte brings a field to the byte's top, a second one the field's top to
/// the byte's bottom.
struct Fields {
    doubles: [__m512i; 2],
    to_top: __m512i,
    to_bottom: __m512i,
    top: __m512i,
}

impl Fields {
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(table: &FieldTable) -> Self {
        Self {
            doubles: DOUBLES.each_ref().map(|control| bytes(control)),
            to_top: bytes(&table.to_top),
            to_bottom: bytes(&table.to_bottom),
            top: bytes(&table.top),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vbmi")]
    fn colours(&self, source: __m512i) -> [__m512i; 2] {
        /// The third operand chooses between the first two, bit by bit.
        const CHOOSE: i32 = 0xE4;
        let opaque = _mm512_set1_epi32(OPAQUE.cast_signed());
        self.doubles.map(|double| {
            let doubled = _mm512_permutexvar_epi16(double, source);
            let tops = _mm512_multishift_epi64_epi8(self.to_top, doubled);
            let bottoms = _mm512_multishift_epi64_epi8(self.to_bottom, doubled);
            _mm512_or_si512(_mm512_ternarylogic_epi64::<CHOOSE>(tops, bottoms, self.top), opaque)
        })
    }
}

/// Controls of [`Triples`].
struct TripleTable {
    places: [[u8; VECTOR]; 4],
}

impl TripleTable {
    /// Which byte of a pixel is red, green, blue.
    const fn new(order: [u8; 3]) -> Self {
        // Counted from the first of the one or two vectors that hold the pixels.
        let starts = [0, 48, 96 - VECTOR, 144 - 2 * VECTOR];
        let mut places = [[0; VECTOR]; 4];
        let mut at = 0;
        while at < 4 * VECTOR {
            let (vector, byte) = (at / VECTOR, at % VECTOR);
            if byte % 4 < 3 {
                places[vector][byte] = (starts[vector] + byte / 4 * 3) as u8 + order[byte % 4];
            }
            at += 1;
        }
        Self { places }
    }
}

/// 24 bits: three vectors of guest bytes are four of pixels.
struct Triples {
    places: [__m512i; 4],
}

impl Triples {
    #[inline]
    #[target_feature(enable = "avx512f,avx512vbmi")]
    fn colours(&self, [a, b, c]: [__m512i; 3]) -> [__m512i; 4] {
        let opaque = _mm512_set1_epi32(OPAQUE.cast_signed());
        let [first, second, third, fourth] = self.places;
        [
            _mm512_permutexvar_epi8(first, a),
            _mm512_permutex2var_epi8(a, second, b),
            _mm512_permutex2var_epi8(b, third, c),
            _mm512_permutexvar_epi8(fourth, c),
        ]
        .map(|colours| _mm512_or_si512(colours, opaque))
    }
}

/// Controls of [`Blend`].
struct BlendTable {
    components: [[u8; VECTOR]; 2],
    alphas: [[u8; VECTOR]; 2],
}

impl BlendTable {
    /// Which byte of a pixel is red, green, blue.
    const fn new(order: [u8; 3]) -> Self {
        /// Makes a byte of zeros.
        const ZERO: u8 = 0x80;
        let mut table = Self { components: [[ZERO; VECTOR]; 2], alphas: [[ZERO; VECTOR]; 2] };
        let mut at = 0;
        while at < VECTOR {
            let component = at % 8 / 2;
            let mut half = 0;
            while half < 2 {
                let pixel = (half * 8 + at % 16 / 8 * 4) as u8;
                table.components[half][at] = pixel + if component < 3 { order[component] } else { 3 };
                table.alphas[half][at] = pixel + 3;
                half += 1;
            }
            at += 2;
        }
        table
    }
}

/// 32 bits over black.
struct Blend {
    /// Components and alphas of the two lower and the two upper pixels of each quarter, as half-words.
    components: [__m512i; 2],
    alphas: [__m512i; 2],
    invert: __m512i,
}

impl Blend {
    /// `invert` where an alpha of 0 is opaque.
    #[inline]
    #[target_feature(enable = "avx512f")]
    fn new(table: &BlendTable, invert: bool) -> Self {
        Self {
            components: table.components.each_ref().map(|control| bytes(control)),
            alphas: table.alphas.each_ref().map(|control| bytes(control)),
            invert: _mm512_set1_epi32(if invert { OPAQUE.cast_signed() } else { 0 }),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw")]
    fn over_black(&self, source: __m512i) -> __m512i {
        let source = _mm512_xor_si512(source, self.invert);
        // (p + (p >> 8)) >> 8 of p = component * alpha + 128, which is p * 257 >> 16.
        let [low, high] = std::array::from_fn(|half| {
            let components = _mm512_shuffle_epi8(source, self.components[half]);
            let product = _mm512_mullo_epi16(components, _mm512_shuffle_epi8(source, self.alphas[half]));
            _mm512_mulhi_epu16(_mm512_add_epi16(product, _mm512_set1_epi16(128)), _mm512_set1_epi16(257))
        });
        _mm512_or_si512(_mm512_packus_epi16(low, high), _mm512_set1_epi32(OPAQUE.cast_signed()))
    }
}
