//! For hosts with AVX2: a stripe is two registers.

mod stripe;

use super::pass::{self, Job, Pixels};
use super::tables::{BlendTable, SWAPPED};
use super::{Canvas, Converter, Guest, Kernel, OPAQUE, RGBA};
use std::arch::asm;
use std::arch::x86_64::*;
use stripe::{Pair, VECTOR};

pub(super) fn usable() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[inline]
#[target_feature(enable = "avx2")]
fn bytes(bytes: &[u8; VECTOR]) -> __m256i {
    // SAFETY: 32 bytes are read of 32.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Of a control that is the same in all quarters of a stripe.
#[inline]
#[target_feature(enable = "avx2")]
fn quarters(control: &[u8; 2 * VECTOR]) -> __m256i {
    bytes(&control.as_chunks().0[0])
}

#[inline]
#[target_feature(enable = "avx2")]
fn opaque() -> __m256i {
    _mm256_set1_epi32(OPAQUE.cast_signed())
}

/// Hashes a line.
#[target_feature(enable = "avx2")]
pub(super) fn digest(line: Guest<'_>) -> u64 {
    // SAFETY: the features are there.
    unsafe { pass::digest::<Pair>(line) }
}

/// Converts lines and hashes them.
#[target_feature(enable = "avx2")]
pub(super) fn paint(converter: &Converter, lines: Guest<'_>, out: Canvas<'_>, digests: &mut [u64]) {
    let job = Job { lines, painted: lines.len() / converter.source_pixel * RGBA, out, digests };
    match converter.kernel {
        Kernel::Indexed8 => {
            // A palette there is.
            let Some(palette) = &converter.palette else { return };
            run(job, Lookup(&palette.colours));
        }
        Kernel::Rgb15 => run(job, Fields::<1, 6, 11>::new(5)),
        Kernel::Bgr15 => run(job, Fields::<11, 6, 1>::new(5)),
        Kernel::Rgb16 => run(job, Fields::<0, 5, 11>::new(6)),
        Kernel::Bgr16 => run(job, Fields::<11, 5, 0>::new(6)),
        Kernel::Rgb24 => triples(job, [0, 1, 2]),
        Kernel::Bgr24 => triples(job, [2, 1, 0]),
        Kernel::Rgb32 => words(job, |vector| _mm256_or_si256(vector, opaque())),
        Kernel::Bgr32 => {
            let order = quarters(&SWAPPED);
            words(job, |vector| _mm256_or_si256(_mm256_shuffle_epi8(vector, order), opaque()));
        }
        Kernel::Rgb32Alpha { invert } => run(job, Blend::new(const { &BlendTable::new([0, 1, 2]) }, invert)),
        Kernel::Bgr32Alpha { invert } => run(job, Blend::new(const { &BlendTable::new([2, 1, 0]) }, invert)),
    }
}

/// As [`Job::run`].
#[inline]
#[target_feature(enable = "avx2")]
fn run<const IN: usize, const OUT: usize>(job: Job<'_>, pixels: impl Pixels<Pair, IN, OUT>) {
    // SAFETY: the features are there.
    unsafe { job.run(pixels) }
}

/// 32 bits, each vector by itself.
#[inline]
#[target_feature(enable = "avx2")]
fn words(job: Job<'_>, pixels: impl Fn(__m256i) -> __m256i) {
    run(job, |[Pair(low, high)]: [Pair; 1]| [Pair(pixels(low), pixels(high))]);
}

#[target_feature(enable = "avx2")]
fn triples(job: Job<'_>, order: [u8; 3]) {
    let triples = Triples::new(order);
    run(job, |[Pair(a, b), Pair(c, d), Pair(e, f)]: [Pair; 3]| {
        let ([one, two], [three, four]) = (triples.colours([a, b, c]), triples.colours([d, e, f]));
        [one, two, three, four]
    });
}

/// Palette lookups, two pixels to a word. Gathering loads take an eighth longer on the host where both were measured, and their mitigations make them far slower on others.
struct Lookup<'a>(&'a [u32; 256]);

impl Pixels<Pair, 1, 4> for Lookup<'_> {
    #[inline(always)]
    unsafe fn of(&self, [Pair(low, high)]: [Pair; 1]) -> [Pair; 4] {
        let Self(colours) = self;
        // SAFETY: as the caller says.
        unsafe {
            let (a, b) = (_mm256_castsi256_si128(low), _mm256_extracti128_si256::<1>(low));
            let (c, d) = (_mm256_castsi256_si128(high), _mm256_extracti128_si256::<1>(high));
            [
                Pair(eight(colours, _mm_extract_epi64::<0>(a)), eight(colours, _mm_extract_epi64::<1>(a))),
                Pair(eight(colours, _mm_extract_epi64::<0>(b)), eight(colours, _mm_extract_epi64::<1>(b))),
                Pair(eight(colours, _mm_extract_epi64::<0>(c)), eight(colours, _mm_extract_epi64::<1>(c))),
                Pair(eight(colours, _mm_extract_epi64::<0>(d)), eight(colours, _mm_extract_epi64::<1>(d))),
            ]
        }
    }
}

/// The colours of eight indices.
#[inline]
#[target_feature(enable = "avx2")]
fn eight(colours: &[u32; 256], indices: i64) -> __m256i {
    let indices = indices.to_le_bytes();
    let colour = |at: usize| u64::from(colours[usize::from(indices[at])]);
    let two = |at| _mm_cvtsi64_si128((colour(at) | colour(at + 1) << 32).cast_signed());
    _mm256_set_m128i(_mm_unpacklo_epi64(two(4), two(6)), _mm_unpacklo_epi64(two(0), two(2)))
}

/// Fields of 15 and 16 bits, at the tops of half-words.
struct Field {
    mask: __m256i,
    /// What repeats the bits: the upper half of the product is the field over eight bits.
    factor: __m256i,
}

impl Field {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(width: u8) -> Self {
        Self { mask: _mm256_set1_epi16(i16::MIN >> (width - 1)), factor: _mm256_set1_epi16(0x100 | 0x100 >> width) }
    }

    /// # Safety
    /// The host has AVX2, as for all that is called by [`Pixels::of`].
    #[inline(always)]
    unsafe fn spread(&self, source: __m256i) -> __m256i {
        // SAFETY: as the caller says.
        unsafe { upper_product(_mm256_and_si256(source, self.mask), self.factor) }
    }
}

/// 15 and 16 bits. By how much red, green and blue are to be moved to the top of a half-word.
struct Fields<const RED: i32, const GREEN: i32, const BLUE: i32> {
    five: Field,
    green: Field,
}

impl<const RED: i32, const GREEN: i32, const BLUE: i32> Fields<RED, GREEN, BLUE> {
    /// How many bits green has; the others have five.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(green: u8) -> Self {
        Self { five: Field::new(5), green: Field::new(green) }
    }

    #[inline(always)]
    unsafe fn colours(&self, vector: __m256i) -> Pair {
        // SAFETY: as the caller says.
        unsafe {
            // Interleaving works within halves of a vector, so the middle quarters change places beforehand.
            let source = _mm256_permute4x64_epi64::<0b11_01_10_00>(vector);
            let red = self.five.spread(_mm256_slli_epi16::<RED>(source));
            let green = self.green.spread(_mm256_slli_epi16::<GREEN>(source));
            let blue = self.five.spread(_mm256_slli_epi16::<BLUE>(source));
            let red_green = _mm256_or_si256(red, _mm256_slli_epi16::<8>(green));
            let blue_alpha = _mm256_or_si256(blue, _mm256_set1_epi16(0xFF00_u16.cast_signed()));
            Pair(_mm256_unpacklo_epi16(red_green, blue_alpha), _mm256_unpackhi_epi16(red_green, blue_alpha))
        }
    }
}

impl<const RED: i32, const GREEN: i32, const BLUE: i32> Pixels<Pair, 1, 2> for Fields<RED, GREEN, BLUE> {
    #[inline(always)]
    unsafe fn of(&self, [Pair(low, high)]: [Pair; 1]) -> [Pair; 2] {
        // SAFETY: as the caller says.
        unsafe { [self.colours(low), self.colours(high)] }
    }
}

/// The upper halves of the products of half-words. By hand: the compiler knows the library's by its parts, moves some of these out of loops, and then does not find
/// the instruction again.
#[inline]
#[target_feature(enable = "avx2")]
fn upper_product(a: __m256i, b: __m256i) -> __m256i {
    let product;
    // SAFETY: an operation on registers.
    unsafe {
        asm!(
            "vpmulhuw {product}, {a}, {b}",
            product = lateout(ymm_reg) product,
            a = in(ymm_reg) a,
            b = in(ymm_reg) b,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    product
}

/// 24 bits: three vectors of guest bytes are four of pixels. First words are brought to where their pixels go, four pixels' three to each half, then
/// bytes.
struct Triples {
    words: [__m256i; 4],
    bytes: __m256i,
}

impl Triples {
    /// Which byte of a pixel is red, green, blue.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(order: [u8; 3]) -> Self {
        /// Makes a byte of zeros.
        const ZERO: u8 = 0x80;
        let control = std::array::from_fn(|at| order.get(at % 4).map_or(ZERO, |byte| (at % 16 / 4 * 3) as u8 + byte));
        Self {
            // Of each half the fourth word is not looked at.
            words: [[0, 3], [6, 1], [4, 7], [2, 5]].map(|[low, high]| {
                let [a, b, c, d, e, f] = [low, low + 1, low + 2, high, high + 1, high + 2].map(|word| word % 8);
                _mm256_setr_epi32(a, b, c, 0, d, e, f, 0)
            }),
            bytes: bytes(&control),
        }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn colours(&self, [a, b, c]: [__m256i; 3]) -> [Pair; 2] {
        // The words of the second four pixels of each are in the upper end of one vector and the lower end of the next.
        let sources = [a, _mm256_blend_epi32::<0b0000_1111>(a, b), _mm256_blend_epi32::<0b0000_0011>(b, c), c];
        let [first, second, third, fourth] = std::array::from_fn(|at| {
            let words = _mm256_permutevar8x32_epi32(sources[at], self.words[at]);
            _mm256_or_si256(_mm256_shuffle_epi8(words, self.bytes), opaque())
        });
        [Pair(first, second), Pair(third, fourth)]
    }
}

/// 32 bits over black.
struct Blend {
    /// Components and alphas of the two lower and the two upper pixels of each half, as half-words.
    components: [__m256i; 2],
    alphas: [__m256i; 2],
    invert: __m256i,
    factor: __m256i,
    /// Which byte is red, green, blue and alpha.
    order: __m256i,
}

impl Blend {
    /// `invert` where an alpha of 0 is opaque.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(table: &BlendTable, invert: bool) -> Self {
        Self {
            components: table.components.each_ref().map(|control| quarters(control)),
            alphas: table.alphas.each_ref().map(|control| quarters(control)),
            invert: if invert { opaque() } else { _mm256_setzero_si256() },
            factor: _mm256_set1_epi16(257),
            order: quarters(&table.order),
        }
    }

    #[inline(always)]
    unsafe fn scaled(&self, source: __m256i) -> __m256i {
        // (p + (p >> 8)) >> 8 of p = component * alpha + 128, which is p * 257 >> 16.
        let half = |half: usize| {
            // SAFETY: as the caller says.
            unsafe {
                let components = _mm256_shuffle_epi8(source, self.components[half]);
                let product = _mm256_mullo_epi16(components, _mm256_shuffle_epi8(source, self.alphas[half]));
                upper_product(_mm256_add_epi16(product, _mm256_set1_epi16(128)), self.factor)
            }
        };
        let (low, high) = (half(0), half(1));
        // SAFETY: as above.
        unsafe { _mm256_or_si256(_mm256_packus_epi16(low, high), opaque()) }
    }
}

impl Pixels<Pair, 1, 1> for Blend {
    #[inline(always)]
    unsafe fn of(&self, [Pair(low, high)]: [Pair; 1]) -> [Pair; 1] {
        // SAFETY: as the caller says.
        unsafe {
            let (low, high) = (_mm256_xor_si256(low, self.invert), _mm256_xor_si256(high, self.invert));
            // Most pictures have nothing in them that shines through.
            if _mm256_testc_si256(_mm256_and_si256(low, high), opaque()) != 0 {
                return [Pair(_mm256_shuffle_epi8(low, self.order), _mm256_shuffle_epi8(high, self.order))];
            }
            [Pair(self.scaled(low), self.scaled(high))]
        }
    }
}
