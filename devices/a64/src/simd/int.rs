//! Integer lanes: what operations need of them, whatever their width and sign.

use super::lanes::Pod;
use std::ops::{BitAnd, BitOr, BitXor, Not};

/// An integer lane. Arithmetic wraps.
pub trait Int: Pod + Ord + Default + BitAnd<Output = Self> + BitOr<Output = Self> + BitXor<Output = Self> + Not<Output = Self> {
    /// Width.
    const BITS: u32;
    /// Two's complement.
    const SIGNED: bool;
    /// Smallest value.
    const MIN: Self;
    /// Largest value.
    const MAX: Self;
    /// The unsigned type of the same width.
    type Unsigned: Int;
    /// The signed type of the same width.
    type Signed: Int;

    /// Sum.
    fn plus(self, other: Self) -> Self;
    /// Difference.
    fn minus(self, other: Self) -> Self;
    /// Product.
    fn times(self, other: Self) -> Self;
    /// Sum, clamped.
    fn plus_clamped(self, other: Self) -> Self;
    /// Difference, clamped.
    fn minus_clamped(self, other: Self) -> Self;
    /// Left by less than the width (more is taken modulo the width).
    fn shl(self, n: u32) -> Self;
    /// Right by less than the width, arithmetically if signed.
    fn shr(self, n: u32) -> Self;
    /// Leading zero bits.
    fn lead(self) -> u32;
    /// Set bits.
    fn ones(self) -> u32;
    /// Bits in reverse order.
    fn reverse(self) -> Self;
    /// The value.
    fn value(self) -> i128;
    /// The low bits of a value.
    fn wrap(value: i128) -> Self;

    /// All ones or all zeros.
    #[inline(always)]
    fn mask(condition: bool) -> Self {
        if condition { !Self::default() } else { Self::default() }
    }
    /// The same bits unsigned.
    #[inline(always)]
    fn unsigned(self) -> Self::Unsigned {
        Self::Unsigned::wrap(self.value())
    }
    /// The same bits signed.
    #[inline(always)]
    fn signed(self) -> Self::Signed {
        Self::Signed::wrap(self.value())
    }
    /// Right by any distance.
    #[inline(always)]
    fn shr_any(self, n: u32) -> Self {
        if n < Self::BITS {
            self.shr(n)
        } else if Self::SIGNED {
            self.shr(Self::BITS - 1)
        } else {
            Self::default()
        }
    }
    /// Right by any distance but zero, to nearest, halves up.
    #[inline(always)]
    fn shr_rounded(self, n: u32) -> Self {
        self.shr_any(n).plus(self.shr_any(n - 1) & Self::wrap(1))
    }
    /// Left by any distance, clamped.
    #[inline(always)]
    fn shl_clamped(self, n: u32, qc: &mut bool) -> Self {
        if n < Self::BITS {
            let shifted = self.shl(n);
            if shifted.shr(n) == self {
                return shifted;
            }
        } else if self == Self::default() {
            return self;
        }
        *qc = true;
        if self < Self::default() { Self::MIN } else { Self::MAX }
    }
    /// Clamped to the range of a type of `bits` bits, in this type.
    #[inline(always)]
    fn clamped(self, bits: u32, signed: bool, qc: &mut bool) -> Self {
        let (low, high) = if signed { (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1) } else { (0, (1i128 << bits) - 1) };
        let low = Self::wrap(low.max(Self::MIN.value()));
        let high = Self::wrap(high.min(Self::MAX.value()));
        let result = self.clamp(low, high);
        *qc |= result != self;
        result
    }
}

macro_rules! ints {
    ($($t:ident $unsigned:ident $signed:ident;)*) => {$(
        impl Int for $t {
            const BITS: u32 = $t::BITS;
            const SIGNED: bool = $t::MIN != 0;
            const MIN: Self = $t::MIN;
            const MAX: Self = $t::MAX;
            type Unsigned = $unsigned;
            type Signed = $signed;
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn plus_clamped(self, other: Self) -> Self {
                self.saturating_add(other)
            }
            #[inline(always)]
            fn minus_clamped(self, other: Self) -> Self {
                self.saturating_sub(other)
            }
            #[inline(always)]
            fn shl(self, n: u32) -> Self {
                self.wrapping_shl(n)
            }
            #[inline(always)]
            fn shr(self, n: u32) -> Self {
                self.wrapping_shr(n)
            }
            #[inline(always)]
            fn lead(self) -> u32 {
                self.leading_zeros()
            }
            #[inline(always)]
            fn ones(self) -> u32 {
                self.count_ones()
            }
            #[inline(always)]
            fn reverse(self) -> Self {
                self.reverse_bits()
            }
            #[inline(always)]
            fn value(self) -> i128 {
                self as i128
            }
            #[inline(always)]
            fn wrap(value: i128) -> Self {
                value as $t
            }
        }
    )*};
}
ints! {
    u8 u8 i8; u16 u16 i16; u32 u32 i32; u64 u64 i64;
    i8 u8 i8; i16 u16 i16; i32 u32 i32; i64 u64 i64;
}

/// A lane with a type of twice its width.
pub trait Widen: Int {
    /// That type.
    type Wide: Int;
    /// The same value.
    fn widen(self) -> Self::Wide;
    /// The low half of a wide value.
    fn low(wide: Self::Wide) -> Self;
}

macro_rules! widen {
    ($($t:ident $wide:ident;)*) => {$(
        impl Widen for $t {
            type Wide = $wide;
            #[inline(always)]
            fn widen(self) -> $wide {
                $wide::from(self)
            }
            #[inline(always)]
            fn low(wide: $wide) -> Self {
                wide as $t
            }
        }
    )*};
}
widen! { u8 u16; u16 u32; u32 u64; i8 i16; i16 i32; i32 i64; }

/// Which types an instruction takes its lanes for.
pub trait Sign: 'static {
    /// Byte lanes.
    type B: Widen;
    /// Halfword lanes.
    type H: Widen;
    /// Word lanes.
    type S: Widen;
    /// Doubleword lanes.
    type D: Int;
}

/// Unsigned lanes, and operations that do not care.
pub struct U;
impl Sign for U {
    type B = u8;
    type H = u16;
    type S = u32;
    type D = u64;
}

/// Signed lanes.
pub struct S;
impl Sign for S {
    type B = i8;
    type H = i16;
    type S = i32;
    type D = i64;
}
