//! Floating-point formats, their unpacked form, and rounding back (ARM ARM, shared pseudocode `FPUnpack` and `FPRound`).

use std::cmp::Ordering;
use std::fmt::Debug;

/// FPCR.AHP: alternative half-precision format.
pub const AHP: u32 = 1 << 26;
/// FPCR.DN: NaN results are the default NaN.
pub const DN: u32 = 1 << 25;
/// FPCR.FZ: denormal single and double operands and results become zero.
pub const FZ: u32 = 1 << 24;
/// FPCR.RMode: nearest, towards plus infinity, towards minus infinity, towards zero.
pub const RMODE: u32 = 3 << 22;

/// FPSR.QC: an integer operation saturated.
pub const QC: u32 = 1 << 27;
/// FPSR.IDC: a denormal operand was flushed to zero.
pub const IDC: u32 = 1 << 7;
/// FPSR.IXC: a result was rounded.
pub const IXC: u32 = 1 << 4;
/// FPSR.UFC: underflow.
pub const UFC: u32 = 1 << 3;
/// FPSR.OFC: overflow.
pub const OFC: u32 = 1 << 2;
/// FPSR.DZC: division by zero.
pub const DZC: u32 = 1 << 1;
/// FPSR.IOC: invalid operation.
pub const IOC: u32 = 1 << 0;

/// Rounding modes: those of FPCR.RMode and the two that only instructions name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// To nearest, ties to even.
    Nearest,
    /// Towards plus infinity.
    Plus,
    /// Towards minus infinity.
    Minus,
    /// Towards zero.
    Zero,
    /// To nearest, ties away from zero.
    Away,
    /// Towards zero, with the last bit set when inexact.
    Odd,
}

impl Rounding {
    /// Whether a magnitude that lies between two representable ones goes to the upper one. `rest` is its place against their middle.
    pub(super) fn up(self, sign: bool, odd: bool, rest: Ordering) -> bool {
        match self {
            Self::Nearest => rest == Ordering::Greater || (rest == Ordering::Equal && odd),
            Self::Away => rest != Ordering::Less,
            Self::Plus => !sign,
            Self::Minus => sign,
            Self::Zero | Self::Odd => false,
        }
    }
}

/// What an operation reads of FPCR, and the FPSR flags it raises.
#[derive(Clone, Copy, Debug)]
pub struct Env {
    /// FPCR.
    pub fpcr: u32,
    /// FPSR; operations only set bits.
    pub fpsr: u32,
}

impl Env {
    /// Sets cumulative flags.
    #[inline]
    pub fn raise(&mut self, flags: u32) {
        self.fpsr |= flags;
    }

    /// FPCR's rounding mode.
    #[inline]
    pub fn rounding(&self) -> Rounding {
        match self.fpcr >> 22 & 3 {
            0 => Rounding::Nearest,
            1 => Rounding::Plus,
            2 => Rounding::Minus,
            _ => Rounding::Zero,
        }
    }

    fn flush<F: Format>(&self) -> bool {
        // ARMv8.0 has no FZ16: half precision never flushes.
        self.fpcr & FZ != 0 && F::BITS != 16
    }

    /// Half precision has neither infinities nor NaNs here.
    pub(super) fn alternative<F: Format>(&self) -> bool {
        F::BITS == 16 && self.fpcr & AHP != 0
    }
}

/// A binary interchange format, implemented by the unsigned integer that holds its bits.
pub trait Format: Copy + Eq + Default + Debug + Send + Sync + 'static {
    /// Width.
    const BITS: u32;
    /// Width of the stored fraction.
    const FRAC: u32;
    /// The largest biased exponent: infinities and NaNs.
    const EXP_MAX: u64 = (1 << (Self::BITS - 1 - Self::FRAC)) - 1;
    /// Exponent bias.
    const BIAS: i32 = (Self::EXP_MAX >> 1) as i32;
    /// The sign bit.
    const SIGN: u64 = 1 << (Self::BITS - 1);
    /// Infinity without sign.
    const INFINITY: u64 = Self::EXP_MAX << Self::FRAC;
    /// The bit that makes a NaN quiet.
    const QUIET: u64 = 1 << (Self::FRAC - 1);

    /// The bits, zero extended.
    fn bits(self) -> u64;
    /// From the low bits.
    fn from_bits(bits: u64) -> Self;

    /// Whether the sign bit is set.
    #[inline(always)]
    fn sign(self) -> bool {
        self.bits() & Self::SIGN != 0
    }
    /// The bits without sign.
    #[inline(always)]
    fn magnitude(self) -> u64 {
        self.bits() & (Self::SIGN - 1)
    }
    /// `FPNeg`: the sign flipped, of NaNs as well.
    #[inline(always)]
    fn neg(self) -> Self {
        Self::from_bits(self.bits() ^ Self::SIGN)
    }
    /// `FPAbs`: the sign cleared, of NaNs as well.
    #[inline(always)]
    fn abs(self) -> Self {
        Self::from_bits(self.magnitude())
    }
    /// Magnitude `bits` with a sign.
    #[inline(always)]
    fn with_sign(sign: bool, bits: u64) -> Self {
        Self::from_bits(bits | if sign { Self::SIGN } else { 0 })
    }
    /// `FPZero`.
    fn zero(sign: bool) -> Self {
        Self::with_sign(sign, 0)
    }
    /// `FPInfinity`.
    fn infinity(sign: bool) -> Self {
        Self::with_sign(sign, Self::INFINITY)
    }
    /// `FPMaxNormal`.
    fn max_normal(sign: bool) -> Self {
        Self::with_sign(sign, Self::INFINITY - 1)
    }
    /// `FPDefaultNaN`.
    fn default_nan() -> Self {
        Self::from_bits(Self::INFINITY | Self::QUIET)
    }
    /// A power of two times an odd or even small integer: `n * 2^exp`, which must be representable and normal.
    fn small(sign: bool, n: u64, exp: i32) -> Self {
        let top = 63 - n.leading_zeros();
        let frac = n << (Self::FRAC - top) & ((1 << Self::FRAC) - 1);
        Self::with_sign(sign, ((top as i32 + exp + Self::BIAS) as u64) << Self::FRAC | frac)
    }
    /// Whether it is a NaN of either kind.
    #[inline(always)]
    fn is_nan(self) -> bool {
        self.magnitude() > Self::INFINITY
    }
    /// Whether it is a signalling NaN.
    #[inline(always)]
    fn is_signalling(self) -> bool {
        self.is_nan() && self.bits() & Self::QUIET == 0
    }
}

macro_rules! formats {
    ($($bits:ty: $frac:literal;)*) => {$(
        impl Format for $bits {
            const BITS: u32 = <$bits>::BITS;
            const FRAC: u32 = $frac;
            #[inline(always)]
            fn bits(self) -> u64 {
                u64::from(self)
            }
            #[inline(always)]
            fn from_bits(bits: u64) -> Self {
                bits as Self
            }
        }
    )*};
}
formats! { u16: 10; u32: 23; u64: 52; }

/// Classes of operands, after flushing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Zero.
    Zero,
    /// Any other number.
    Finite,
    /// Infinity.
    Infinity,
    /// Quiet NaN.
    Quiet,
    /// Signalling NaN.
    Signalling,
}

/// An operand taken apart. Of a [`Class::Finite`] one the magnitude is `sig * 2^exp`, with bit 63 of `sig` set.
#[derive(Clone, Copy, Debug)]
pub struct Unpacked {
    /// Its class.
    pub class: Class,
    /// Its sign.
    pub sign: bool,
    /// Weight of the significand's last bit.
    pub exp: i32,
    /// Significand.
    pub sig: u64,
}

impl Unpacked {
    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.class == Class::Zero
    }
    /// Whether it is an infinity.
    pub fn is_infinite(&self) -> bool {
        self.class == Class::Infinity
    }
    /// Whether it is a NaN.
    pub fn is_nan(&self) -> bool {
        matches!(self.class, Class::Quiet | Class::Signalling)
    }
}

/// `FPUnpack`: raises IDC when it flushes a denormal.
pub fn unpack<F: Format>(env: &mut Env, x: F) -> Unpacked {
    let (sign, exp, frac) = (x.sign(), x.magnitude() >> F::FRAC, x.bits() & ((1 << F::FRAC) - 1));
    let special = |class| Unpacked { class, sign, exp: 0, sig: 0 };
    if exp == F::EXP_MAX && !env.alternative::<F>() {
        return special(match frac {
            0 => Class::Infinity,
            f if f & F::QUIET != 0 => Class::Quiet,
            _ => Class::Signalling,
        });
    }
    if exp == 0 {
        if frac == 0 {
            return special(Class::Zero);
        }
        if env.flush::<F>() {
            env.raise(IDC);
            return special(Class::Zero);
        }
        let shift = frac.leading_zeros();
        return Unpacked { class: Class::Finite, sign, exp: 1 - F::BIAS - F::FRAC as i32 - shift as i32, sig: frac << shift };
    }
    let shift = 63 - F::FRAC;
    let exp = exp as i32 - F::BIAS - 63;
    Unpacked { class: Class::Finite, sign, exp, sig: (1 << F::FRAC | frac) << shift }
}

/// A magnitude `sig * 2^-drop` rounded to an integer, and whether that was inexact.
pub(super) fn round_shift(sig: u128, drop: u32, sign: bool, mode: Rounding) -> (u128, bool) {
    let (int, rest, middle) = match drop {
        0 => return (sig, false),
        1..=127 => (sig >> drop, sig & ((1 << drop) - 1), 1 << (drop - 1)),
        128 => (0, sig, 1 << 127),
        // Less than half of the last place, whatever it is.
        _ => (0, u128::from(sig != 0), 2),
    };
    let inexact = rest != 0;
    let mut int: u128 = int;
    if inexact {
        int += u128::from(mode.up(sign, int & 1 != 0, rest.cmp(&middle)));
        if mode == Rounding::Odd {
            int |= 1;
        }
    }
    (int, inexact)
}

/// `FPRound`: the nearest representable number to `sig * 2^exp`, with all its flags. `sig` is not zero; its last bit may be a sticky one.
#[inline(never)]
pub fn round<F: Format>(env: &mut Env, mode: Rounding, sign: bool, exp: i32, sig: u128) -> F {
    let shift = sig.leading_zeros().min(127);
    let sig = sig << shift;
    let top = exp - shift as i32 + 127;
    let min = 1 - F::BIAS;
    let tiny = top < min;
    if tiny && env.flush::<F>() {
        env.raise(UFC);
        return F::zero(sign);
    }
    let below = if tiny { (min - top) as u32 } else { 0 };
    let (int, inexact) = round_shift(sig, 127 - F::FRAC + below, sign, mode);
    if tiny && inexact {
        env.raise(UFC);
    }
    // The leading bit of a normal significand, and any carry of the rounding, count the exponent up.
    let base = if tiny { 0 } else { (top - min) as u64 };
    let bits = (base << F::FRAC) + int as u64;
    let biased = bits >> F::FRAC;
    if env.alternative::<F>() {
        if biased > F::EXP_MAX {
            env.raise(IOC);
            return F::with_sign(sign, F::SIGN - 1);
        }
    } else if biased >= F::EXP_MAX {
        env.raise(OFC | IXC);
        return overflow(mode, sign);
    }
    if inexact {
        env.raise(IXC);
    }
    F::with_sign(sign, bits)
}

/// What an overflow gives: infinity or the largest number.
pub(super) fn overflow<F: Format>(mode: Rounding, sign: bool) -> F {
    match mode {
        Rounding::Nearest | Rounding::Away => F::infinity(sign),
        Rounding::Plus if !sign => F::infinity(sign),
        Rounding::Minus if sign => F::infinity(sign),
        _ => F::max_normal(sign),
    }
}

/// `FPProcessNaN`: the NaN result for the NaN operand `x`.
pub fn process_nan<F: Format>(env: &mut Env, x: F) -> F {
    if x.is_signalling() {
        env.raise(IOC);
    }
    if env.fpcr & DN != 0 { F::default_nan() } else { F::from_bits(x.bits() | F::QUIET) }
}

/// `FPProcessNaNs` and `FPProcessNaNs3`: the first signalling operand, else the first quiet one.
pub fn process_nans<F: Format, const N: usize>(env: &mut Env, operands: [F; N]) -> Option<F> {
    let first = operands.iter().find(|x| x.is_signalling()).or_else(|| operands.iter().find(|x| x.is_nan()))?;
    Some(process_nan(env, *first))
}

/// The result of an invalid operation: the default NaN, with IOC.
pub fn invalid<F: Format>(env: &mut Env) -> F {
    env.raise(IOC);
    F::default_nan()
}
