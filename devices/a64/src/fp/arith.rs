//! Arithmetic by integers: exact in every rounding mode, with flushing, NaN rules and flags (ARM ARM, shared pseudocode `FPAdd` to `FPSqrt`).

use super::format::{DZC, Env, Format, Rounding, Unpacked, invalid, process_nan, process_nans, round, unpack};

/// A finite or zero magnitude `sig * 2^exp` with sign; a nonzero `sig` has bit 126 as its highest, so that two of them can be added.
#[derive(Clone, Copy)]
struct Term {
    sign: bool,
    exp: i32,
    sig: u128,
}

impl Term {
    fn of(x: Unpacked, negate: bool) -> Self {
        Self { sign: x.sign ^ negate, exp: x.exp - 63, sig: u128::from(x.sig) << 63 }
    }

    fn product(x: Unpacked, y: Unpacked) -> Self {
        let sig = u128::from(x.sig) * u128::from(y.sig);
        let (exp, sign) = (x.exp + y.exp, x.sign ^ y.sign);
        if sig == 0 {
            return Self { sign, exp: 0, sig };
        }
        // 64 by 64 bits with at most 53 in use each: the low bits are zero, nothing is lost.
        if sig >> 127 != 0 { Self { sign, exp: exp + 1, sig: sig >> 1 } } else { Self { sign, exp, sig } }
    }
}

/// The rounded sum of two terms times `2^scale`.
fn sum<F: Format>(env: &mut Env, x: Term, y: Term, scale: i32) -> F {
    let mode = env.rounding();
    let exact_zero = |sign_x: bool, sign_y: bool| F::zero(if sign_x == sign_y { sign_x } else { mode == Rounding::Minus });
    match (x.sig, y.sig) {
        (0, 0) => return exact_zero(x.sign, y.sign),
        (_, 0) => return round(env, mode, x.sign, x.exp + scale, x.sig),
        (0, _) => return round(env, mode, y.sign, y.exp + scale, y.sig),
        _ => {}
    }
    let (big, small) = if (x.exp, x.sig) >= (y.exp, y.sig) { (x, y) } else { (y, x) };
    let distance = (big.exp - small.exp) as u32;
    let aligned = match distance {
        0 => small.sig,
        // A last bit set for all the bits lost keeps the sum strictly between its even neighbours.
        1..=127 => small.sig >> distance | u128::from(small.sig << (128 - distance) != 0),
        _ => 1,
    };
    if big.sign == small.sign {
        round(env, mode, big.sign, big.exp + scale, big.sig + aligned)
    } else if big.sig == aligned {
        exact_zero(big.sign, small.sign)
    } else {
        round(env, mode, big.sign, big.exp + scale, big.sig - aligned)
    }
}

fn add_sub<F: Format>(env: &mut Env, a: F, b: F, subtract: bool) -> F {
    let (x, y) = (unpack(env, a), unpack(env, b));
    if let Some(nan) = process_nans(env, [a, b]) {
        return nan;
    }
    let sign_y = y.sign ^ subtract;
    match (x.is_infinite(), y.is_infinite()) {
        (true, true) if x.sign != sign_y => invalid(env),
        (true, _) => F::infinity(x.sign),
        (_, true) => F::infinity(sign_y),
        _ => sum(env, Term::of(x, false), Term::of(y, subtract), 0),
    }
}

/// `FPAdd`.
pub fn add<F: Format>(env: &mut Env, a: F, b: F) -> F {
    add_sub(env, a, b, false)
}

/// `FPSub`.
pub fn sub<F: Format>(env: &mut Env, a: F, b: F) -> F {
    add_sub(env, a, b, true)
}

fn multiply<F: Format>(env: &mut Env, a: F, b: F, extended: bool) -> F {
    let (x, y) = (unpack(env, a), unpack(env, b));
    if let Some(nan) = process_nans(env, [a, b]) {
        return nan;
    }
    let sign = x.sign ^ y.sign;
    let infinite = x.is_infinite() || y.is_infinite();
    let zero = x.is_zero() || y.is_zero();
    match (infinite, zero) {
        (true, true) if extended => F::small(sign, 2, 0),
        (true, true) => invalid(env),
        (true, false) => F::infinity(sign),
        (false, true) => F::zero(sign),
        (false, false) => {
            let p = Term::product(x, y);
            let mode = env.rounding();
            round(env, mode, sign, p.exp, p.sig)
        }
    }
}

/// `FPMul`.
pub fn mul<F: Format>(env: &mut Env, a: F, b: F) -> F {
    multiply(env, a, b, false)
}

/// `FPMulX`: infinity times zero is two.
pub fn mulx<F: Format>(env: &mut Env, a: F, b: F) -> F {
    multiply(env, a, b, true)
}

/// `FPDiv`.
pub fn div<F: Format>(env: &mut Env, a: F, b: F) -> F {
    let (x, y) = (unpack(env, a), unpack(env, b));
    if let Some(nan) = process_nans(env, [a, b]) {
        return nan;
    }
    let sign = x.sign ^ y.sign;
    if (x.is_infinite() && y.is_infinite()) || (x.is_zero() && y.is_zero()) {
        return invalid(env);
    }
    if x.is_infinite() || y.is_zero() {
        if !x.is_infinite() {
            env.raise(DZC);
        }
        return F::infinity(sign);
    }
    if x.is_zero() || y.is_infinite() {
        return F::zero(sign);
    }
    let (dividend, divisor) = (u128::from(x.sig) << 64, u128::from(y.sig));
    let (quotient, rest) = (dividend / divisor, dividend % divisor);
    let mode = env.rounding();
    round(env, mode, sign, x.exp - y.exp - 65, quotient << 1 | u128::from(rest != 0))
}

/// `FPSqrt`.
pub fn sqrt<F: Format>(env: &mut Env, a: F) -> F {
    let x = unpack(env, a);
    if x.is_nan() {
        return process_nan(env, a);
    }
    if x.is_zero() {
        return F::zero(x.sign);
    }
    if x.sign {
        return invalid(env);
    }
    if x.is_infinite() {
        return F::infinity(false);
    }
    let shift = 62 + (x.exp & 1);
    let radicand = u128::from(x.sig) << shift;
    let root = radicand.isqrt();
    let mode = env.rounding();
    round(env, mode, false, (x.exp - shift) / 2 - 1, root << 1 | u128::from(root * root != radicand))
}

/// `addend + n * m`, rounded once. The operands are as `FPMulAdd` sees them: already negated where the instruction says so.
fn fused<F: Format>(env: &mut Env, addend: F, n: F, m: F) -> F {
    let (a, x, y) = (unpack(env, addend), unpack(env, n), unpack(env, m));
    let undefined = (x.is_infinite() && y.is_zero()) || (x.is_zero() && y.is_infinite());
    let nan = process_nans(env, [addend, n, m]);
    if undefined && (nan.is_none() || a.class == super::format::Class::Quiet) {
        return invalid(env);
    }
    if let Some(nan) = nan {
        return nan;
    }
    let sign = x.sign ^ y.sign;
    let infinite = x.is_infinite() || y.is_infinite();
    if a.is_infinite() && infinite && a.sign != sign {
        return invalid(env);
    }
    if a.is_infinite() || infinite {
        return F::infinity(if infinite { sign } else { a.sign });
    }
    sum(env, Term::of(a, false), Term::product(x, y), 0)
}

/// `FPMulAdd`: `addend + n * m`, rounded once.
pub fn mul_add<F: Format>(env: &mut Env, addend: F, n: F, m: F) -> F {
    fused(env, addend, n, m)
}

/// Common part of the Newton steps: `(constant - n * m) * 2^scale`, where infinity times zero counts as zero.
fn step<F: Format>(env: &mut Env, n: F, m: F, constant: u64, scale: i32) -> F {
    let n = n.neg();
    let (x, y) = (unpack(env, n), unpack(env, m));
    if let Some(nan) = process_nans(env, [n, m]) {
        return nan;
    }
    let infinite = x.is_infinite() || y.is_infinite();
    if infinite && (x.is_zero() || y.is_zero()) {
        return F::small(false, constant, scale);
    }
    if infinite {
        return F::infinity(x.sign ^ y.sign);
    }
    let c = unpack(env, F::small(false, constant, 0));
    sum(env, Term::of(c, false), Term::product(x, y), scale)
}

/// `FPRecipStepFused`: `2 - n * m`.
pub fn recip_step<F: Format>(env: &mut Env, n: F, m: F) -> F {
    step(env, n, m, 2, 0)
}

/// `FPRSqrtStepFused`: `(3 - n * m) / 2`.
pub fn rsqrt_step<F: Format>(env: &mut Env, n: F, m: F) -> F {
    step(env, n, m, 3, -1)
}
