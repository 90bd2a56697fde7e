//! Reciprocal and reciprocal square root estimates of 8 bits (ARM ARM, shared pseudocode `FPRecipEstimate`, `FPRSqrtEstimate`).

use super::format::{Class, DZC, Env, FZ, Format, IXC, OFC, UFC, invalid, overflow, process_nan, unpack};

/// `RecipEstimate`: `a` in 256..512 stands for 0.5 to 1.0, the result in 256..512 for 1.0 to 2.0.
fn recip(a: u32) -> u32 {
    ((1 << 19) / (a * 2 + 1)).div_ceil(2)
}

/// `RecipSqrtEstimate` for `a` in 128..512, which stands for 0.25 to 1.0; less 256.
static RSQRT: [u8; 384] = {
    let mut table = [0; 384];
    let mut i = 0;
    // The roots fall as the arguments grow, so that one walk down serves each half.
    while i < 384 {
        let a = i as u32 + 128;
        let a = if a < 256 { a * 2 + 1 } else { ((a >> 1 << 1) + 1) * 2 };
        let mut b = 512;
        while a * (b + 1) * (b + 1) < 1 << 28 {
            b += 1;
        }
        table[i] = (b.div_ceil(2) - 256) as u8;
        i += 1;
    }
    table
};

fn rsqrt(a: u32) -> u32 {
    256 + u32::from(RSQRT[(a as usize).saturating_sub(128).min(383)])
}

/// `FPRecipEstimate`.
pub fn recip_estimate<F: Format>(env: &mut Env, a: F) -> F {
    let x = unpack(env, a);
    match x.class {
        Class::Quiet | Class::Signalling => return process_nan(env, a),
        Class::Infinity => return F::zero(x.sign),
        Class::Zero => {
            env.raise(DZC);
            return F::infinity(x.sign);
        }
        Class::Finite => {}
    }
    // Exponent of the leading bit.
    let top = x.exp + 63;
    if top < -1 - F::BIAS {
        env.raise(OFC | IXC);
        return overflow(env.rounding(), x.sign);
    }
    if env.fpcr & FZ != 0 && top >= F::BIAS - 1 {
        env.raise(UFC);
        return F::zero(x.sign);
    }
    let estimate = u64::from(recip((x.sig >> 55) as u32)) & 0xff;
    // 1 / (s * 2^top) with s in 1..2 is (1/s) * 2^-top, and the estimate stands for 2/s.
    let biased = F::BIAS - 1 - top;
    let frac = estimate << (F::FRAC - 8);
    let (biased, frac) = match biased {
        0 => (0, 1 << (F::FRAC - 1) | frac >> 1),
        -1 => (0, 1 << (F::FRAC - 2) | frac >> 2),
        b => (b as u64, frac),
    };
    F::with_sign(x.sign, biased << F::FRAC | frac)
}

/// `FPRSqrtEstimate`.
pub fn rsqrt_estimate<F: Format>(env: &mut Env, a: F) -> F {
    let x = unpack(env, a);
    match x.class {
        Class::Quiet | Class::Signalling => return process_nan(env, a),
        Class::Zero => {
            env.raise(DZC);
            return F::infinity(x.sign);
        }
        _ if x.sign => return invalid(env),
        Class::Infinity => return F::zero(false),
        Class::Finite => {}
    }
    let top = x.exp + 63;
    // The argument is scaled by an even power of two to 0.25..1.0.
    let (scaled, half) = if top & 1 == 0 { (x.sig >> 56, top / 2) } else { (x.sig >> 55, (top + 1) / 2) };
    let estimate = u64::from(rsqrt(scaled as u32)) & 0xff;
    let exp = if top & 1 == 0 { F::BIAS - 1 - half } else { F::BIAS - half };
    F::from_bits((exp as u64) << F::FRAC | estimate << (F::FRAC - 8))
}

/// `FPRecpX`: the exponent inverted, as a start for scaling.
pub fn recip_exponent<F: Format>(env: &mut Env, a: F) -> F {
    let x = unpack(env, a);
    if x.is_nan() {
        return process_nan(env, a);
    }
    let exp = a.magnitude() >> F::FRAC;
    let exp = if exp == 0 { F::EXP_MAX - 1 } else { F::EXP_MAX ^ exp };
    F::with_sign(x.sign, exp << F::FRAC)
}

/// `UnsignedRecipEstimate`, of a fixed-point number.
pub fn unsigned_recip_estimate(a: u32) -> u32 {
    if a >> 31 == 0 { u32::MAX } else { recip(a >> 23) << 23 }
}

/// `UnsignedRSqrtEstimate`.
pub fn unsigned_rsqrt_estimate(a: u32) -> u32 {
    if a >> 30 == 0 { u32::MAX } else { rsqrt(a >> 23) << 23 }
}
