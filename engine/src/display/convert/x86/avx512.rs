//! For hosts with AVX-512 and its byte permutations (VBMI): a stripe is one register.

mod stripe;

use super::pass::{self, Job, Stripe};
use super::tables::{BlendTable, SWAPPED};
use super::{Canvas, Converter, Guest, Kernel, OPAQUE, Planes, RGBA};
use std::arch::x86_64::*;
use stripe::VECTOR;

/// Pixels that a vector holds when they are finished.
const PIXELS: usize = VECTOR / RGBA;

pub(super) fn usable() -> bool {
    std::arch::is_x86_feature_detected!("avx512f")
        && std::arch::is_x86_feature_detected!("avx512bw")
        && std::arch::is_x86_feature_detected!("avx512dq")
        && std::arch::is_x86_feature_detected!("avx512vbmi")
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq")]
fn bytes(bytes: &[u8; VECTOR]) -> __m512i {
    // SAFETY: the features are there.
    unsafe { __m512i::of_bytes(bytes) }
}

/// Hashes a line.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
pub(super) fn digest(line: Guest<'_>) -> u64 {
    // SAFETY: the features are there.
    unsafe { pass::digest::<__m512i>(line) }
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
            run(job, |[indices]| lookup.colours(indices));
        }
        Kernel::Rgb15 => fields(job, const { &FieldTable::new([14, 9, 4], 5) }),
        Kernel::Bgr15 => fields(job, const { &FieldTable::new([4, 9, 14], 5) }),
        Kernel::Rgb16 => fields(job, const { &FieldTable::new([15, 10, 4], 6) }),
        Kernel::Bgr16 => fields(job, const { &FieldTable::new([4, 10, 15], 6) }),
        Kernel::Rgb24 => triples(job, const { &TripleTable::new([0, 1, 2]) }),
        Kernel::Bgr24 => triples(job, const { &TripleTable::new([2, 1, 0]) }),
        Kernel::Rgb32 => run(job, |[v]| [_mm512_or_si512(v, opaque)]),
        Kernel::Bgr32 => {
            let order = bytes(&SWAPPED);
            run(job, |[v]| [_mm512_or_si512(_mm512_shuffle_epi8(v, order), opaque)]);
        }
        Kernel::Rgb32Alpha { invert } => blended(job, const { &BlendTable::new([0, 1, 2]) }, invert),
        Kernel::Bgr32Alpha { invert } => blended(job, const { &BlendTable::new([2, 1, 0]) }, invert),
    }
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn fields(job: Job<'_>, table: &FieldTable) {
    let fields = Fields::new(table);
    run(job, |[v]| fields.colours(v));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn triples(job: Job<'_>, table: &TripleTable) {
    let triples = Triples { places: table.places.each_ref().map(|place| bytes(place)) };
    run(job, |vectors| triples.colours(vectors));
}

#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn blended(job: Job<'_>, table: &BlendTable, invert: bool) {
    let blend = Blend::new(table, invert);
    run(job, |[v]| [blend.over_black(v)]);
}

/// As [`Job::run`].
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vbmi")]
fn run<const IN: usize, const OUT: usize>(job: Job<'_>, pixels: impl Fn([__m512i; IN]) -> [__m512i; OUT]) {
    // SAFETY: the features are there.
    unsafe { job.run(pixels) }
}

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
    #[target_feature(enable = "avx512f,avx512dq")]
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
    #[target_feature(enable = "avx512f,avx512dq")]
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
    #[target_feature(enable = "avx512f,avx512dq")]
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
