//! Conversions: between formats, to and from integers and fixed point, to integral values (ARM ARM, shared pseudocode `FPConvert`, `FPToFixed`,
//! `FixedToFP`, `FPRoundInt`).

use super::format::{Class, DN, Env, Format, IOC, IXC, Rounding, process_nan, round, round_shift, unpack};

/// Width and signedness of an integer destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Integer {
    /// Bits: 16 to 64.
    pub bits: u32,
    /// Two's complement.
    pub signed: bool,
}

impl Integer {
    const fn range(self) -> (i128, i128) {
        if self.signed { (-(1 << (self.bits - 1)), (1 << (self.bits - 1)) - 1) } else { (0, (1 << self.bits) - 1) }
    }
}

/// `FPToFixed`: the operand times `2^fbits` as an integer, saturated. The bits above `to.bits` are zero.
#[inline(never)]
pub fn to_fixed<F: Format>(env: &mut Env, a: F, fbits: u32, to: Integer, mode: Rounding) -> u64 {
    let x = unpack(env, a);
    let (min, max) = to.range();
    let mask = u64::MAX >> (64 - to.bits);
    let saturated = if x.sign { min } else { max };
    let value = match x.class {
        Class::Quiet | Class::Signalling => {
            env.raise(IOC);
            return 0;
        }
        Class::Zero => return 0,
        Class::Infinity => None,
        Class::Finite => {
            let exp = x.exp + fbits as i32;
            (exp <= 0).then(|| {
                let (int, inexact) = round_shift(x.sig.into(), exp.unsigned_abs(), x.sign, mode);
                (if x.sign { -(int as i128) } else { int as i128 }, inexact)
            })
        }
    };
    match value {
        Some((int, inexact)) if int >= min && int <= max => {
            if inexact {
                env.raise(IXC);
            }
            int as u64 & mask
        }
        _ => {
            env.raise(IOC);
            saturated as u64 & mask
        }
    }
}

/// `FixedToFP`: `value / 2^fbits`. Values are at most 64 bits wide.
#[inline(never)]
pub fn from_fixed<F: Format>(env: &mut Env, value: i128, fbits: u32, mode: Rounding) -> F {
    if value == 0 {
        return F::zero(false);
    }
    round(env, mode, value < 0, -(fbits as i32), value.unsigned_abs())
}

/// `FPRoundInt`: to an integral value of the same format; with `exact` it raises IXC.
pub fn round_int<F: Format>(env: &mut Env, a: F, mode: Rounding, exact: bool) -> F {
    // From 1.0 up the integer is the same bits without those below the point; a carry counts the exponent up.
    let top = (a.magnitude() >> F::FRAC) as i32 - F::BIAS;
    if top >= 0 && top < F::FRAC as i32 {
        let unit = 1 << (F::FRAC - top as u32);
        let rest = a.bits() & (unit - 1);
        if rest == 0 {
            return a;
        }
        if exact {
            env.raise(IXC);
        }
        let int = a.bits() - rest;
        // Of 1.something the implicit last bit reads as the exponent's, which is odd as well.
        let up = mode.up(a.sign(), int & unit != 0, rest.cmp(&(unit >> 1)));
        return F::from_bits(if up { int + unit } else { int });
    }
    let x = unpack(env, a);
    match x.class {
        Class::Quiet | Class::Signalling => return process_nan(env, a),
        Class::Zero => return F::zero(x.sign),
        Class::Infinity => return a,
        Class::Finite if x.exp >= 0 => return a,
        Class::Finite => {}
    }
    let (int, inexact) = round_shift(x.sig.into(), x.exp.unsigned_abs(), x.sign, mode);
    if inexact && exact {
        env.raise(IXC);
    }
    if int == 0 { F::zero(x.sign) } else { round(env, mode, x.sign, 0, int) }
}

/// `FPConvert`: to another format.
#[inline(never)]
pub fn convert<S: Format, D: Format>(env: &mut Env, a: S, mode: Rounding) -> D {
    let x = unpack(env, a);
    let alternative = env.alternative::<D>();
    match x.class {
        Class::Quiet | Class::Signalling => {
            if x.class == Class::Signalling || alternative {
                env.raise(IOC);
            }
            if alternative {
                D::zero(x.sign)
            } else if env.fpcr & DN != 0 {
                D::default_nan()
            } else {
                // The fraction's high bits go over.
                let frac = a.bits() << (64 - S::FRAC) >> (64 - D::FRAC);
                D::with_sign(x.sign, D::INFINITY | D::QUIET | frac)
            }
        }
        Class::Infinity if alternative => {
            env.raise(IOC);
            D::with_sign(x.sign, D::SIGN - 1)
        }
        Class::Infinity => D::infinity(x.sign),
        Class::Zero => D::zero(x.sign),
        Class::Finite => round(env, mode, x.sign, x.exp, x.sig.into()),
    }
}
