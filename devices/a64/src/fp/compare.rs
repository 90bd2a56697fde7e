//! Comparison, maximum and minimum (ARM ARM, shared pseudocode `FPCompare`, `FPMax`, `FPMaxNum`).

use super::format::{Env, FZ, Format, IDC, IOC, process_nans};
use std::cmp::Ordering;

/// The operand as an integer in the order of its value, with flushing.
#[inline(always)]
fn key<F: Format>(env: &mut Env, x: F) -> i64 {
    let mut magnitude = x.magnitude();
    if env.fpcr & FZ != 0 && magnitude != 0 && magnitude >> F::FRAC == 0 {
        env.raise(IDC);
        magnitude = 0;
    }
    if x.sign() { -(magnitude as i64) } else { magnitude as i64 }
}

/// Compares; `None` is unordered. Signalling NaNs raise IOC, and with `signal` quiet ones as well.
#[inline]
pub fn compare<F: Format>(env: &mut Env, a: F, b: F, signal: bool) -> Option<Ordering> {
    let (x, y) = (key(env, a), key(env, b));
    if a.is_nan() || b.is_nan() {
        if signal || a.is_signalling() || b.is_signalling() {
            env.raise(IOC);
        }
        return None;
    }
    Some(x.cmp(&y))
}

/// N, Z, C, V in bits 31 to 28 for the result of a comparison.
#[inline]
pub fn flags(order: Option<Ordering>) -> u32 {
    match order {
        Some(Ordering::Equal) => 0b0110 << 28,
        Some(Ordering::Less) => 0b1000 << 28,
        Some(Ordering::Greater) => 0b0010 << 28,
        None => 0b0011 << 28,
    }
}

fn extremum<F: Format>(env: &mut Env, a: F, b: F, wanted: Ordering) -> F {
    let (x, y) = (key(env, a), key(env, b));
    if let Some(nan) = process_nans(env, [a, b]) {
        return nan;
    }
    let (value, source) = if x.cmp(&y) == wanted { (x, a) } else { (y, b) };
    if value != 0 {
        return source;
    }
    // Of two zeros the maximum is the positive one; a flushed denormal beside a number cannot win and have another's sign.
    if x == 0 && y == 0 {
        return F::zero(if wanted == Ordering::Greater { a.sign() && b.sign() } else { a.sign() || b.sign() });
    }
    F::zero(source.sign())
}

/// `FPMax`.
pub fn max<F: Format>(env: &mut Env, a: F, b: F) -> F {
    extremum(env, a, b, Ordering::Greater)
}

/// `FPMin`.
pub fn min<F: Format>(env: &mut Env, a: F, b: F) -> F {
    extremum(env, a, b, Ordering::Less)
}

/// A quiet NaN beside a number gives way to it: it is replaced by `other`, which loses against every number.
fn without_nan<F: Format>(env: &mut Env, a: F, b: F, other: F) -> (F, F) {
    // The replaced comparison still unpacks both operands: a denormal beside a NaN raises IDC.
    let quiet = |x: F| x.is_nan() && !x.is_signalling();
    match (quiet(a), quiet(b)) {
        (true, false) => {
            key(env, b);
            (other, b)
        }
        (false, true) => {
            key(env, a);
            (a, other)
        }
        _ => (a, b),
    }
}

/// `FPMaxNum`.
pub fn max_num<F: Format>(env: &mut Env, a: F, b: F) -> F {
    let (a, b) = without_nan(env, a, b, F::infinity(true));
    max(env, a, b)
}

/// `FPMinNum`.
pub fn min_num<F: Format>(env: &mut Env, a: F, b: F) -> F {
    let (a, b) = without_nan(env, a, b, F::infinity(false));
    min(env, a, b)
}
