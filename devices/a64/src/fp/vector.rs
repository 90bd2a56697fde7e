//! Operations over registers of one to four lanes, with the host's arithmetic where it gives the same bits and flags.
//!
//! The host computes to nearest. That is the guest's result when FPCR asks for nearest, does not flush, and each lane's result is a normal number or
//! a zero known to be exact: no NaN rule, no underflow and no overflow can then be involved. FPSR.IXC is all that remains; it is sticky and soon
//! set, and else found by the residue of the operation. Everything else is done by integers, in the sibling modules.

use super::format::{Env, FZ, Format, IXC, RMODE};
use super::{arith, compare};
use crate::core::Core;
use crate::simd::lanes::{Pod, view, view_mut};
use std::cmp::Ordering;
use std::ops::{Add, Div, Mul, Sub};

/// A format that the host computes in.
pub trait HostFormat: Format + Pod {
    /// The host's type.
    type Host: Host;
    /// The same bits as the host's number.
    fn host(self) -> Self::Host;
    /// The bits of a host's number.
    fn of(host: Self::Host) -> Self;
}

/// A number of the host.
pub trait Host: Copy + PartialOrd + Default + Add<Output = Self> + Sub<Output = Self> + Mul<Output = Self> + Div<Output = Self> {
    /// The nearest number.
    fn of_integer(integer: i64) -> Self;
    /// Truncated, and clamped.
    fn to_integer(self) -> i64;
    /// Square root.
    fn sqrt(self) -> Self;
    /// `self * b + c` rounded once.
    fn fused(self, b: Self, c: Self) -> Self;
    /// The sign flipped.
    fn negated(self) -> Self;
    /// Normal, and not the smallest normal number, which could be the rounded form of an underflow.
    fn is_plain(self) -> bool;
    /// Whether `self * b`, of which `product` is the rounded plain result, is exact.
    fn product_exact(self, b: Self, product: Self) -> bool;
    /// Zero of either sign.
    #[inline(always)]
    fn is_zero(self) -> bool {
        self == Self::default()
    }
    /// Whether `self + b`, of which `sum` is the rounded finite result, is exact (Knuth's two-sum).
    #[inline(always)]
    fn sum_exact(self, b: Self, sum: Self) -> bool {
        let t = sum - self;
        ((self - (sum - t)) + (b - t)).is_zero()
    }
}

macro_rules! hosts {
    ($($bits:ty, $host:ty, |$a:ident, $b:ident, $p:ident| $exact:expr;)*) => {$(
        impl HostFormat for $bits {
            type Host = $host;
            #[inline(always)]
            fn host(self) -> $host {
                <$host>::from_bits(self)
            }
            #[inline(always)]
            fn of(host: $host) -> Self {
                host.to_bits()
            }
        }
        impl Host for $host {
            #[inline(always)]
            fn of_integer(integer: i64) -> Self {
                integer as Self
            }
            #[inline(always)]
            fn to_integer(self) -> i64 {
                self as i64
            }
            #[inline(always)]
            fn sqrt(self) -> Self {
                self.sqrt()
            }
            #[inline(always)]
            fn fused(self, b: Self, c: Self) -> Self {
                self.mul_add(b, c)
            }
            #[inline(always)]
            fn negated(self) -> Self {
                -self
            }
            #[inline(always)]
            fn is_plain(self) -> bool {
                (self.abs() > Self::MIN_POSITIVE) & (self.abs() <= Self::MAX)
            }
            #[inline(always)]
            fn product_exact(self, b: Self, product: Self) -> bool {
                let ($a, $b, $p) = (self, b, product);
                $exact
            }
        }
    )*};
}
hosts! {
    u32, f32, |a, b, p| f64::from(a) * f64::from(b) == f64::from(p);
    u64, f64, |a, b, p| double_product_exact(a, b, p);
}

/// The product of two 53 bit significands has 105 or 106 bits: it is exact if the bits below the upper 53 are zero.
fn double_product_exact(a: f64, b: f64, product: f64) -> bool {
    let trailing = |x: f64| (x.to_bits() & ((1 << 52) - 1) | 1 << 52).trailing_zeros();
    let exponent = |x: f64| (x.to_bits() >> 52 & 0x7ff) as i64;
    if a.is_zero() || b.is_zero() {
        return true;
    }
    // Denormal operands have less than that, and are rare.
    let longer = exponent(product) - exponent(a) - exponent(b) + 1023 > 0;
    exponent(a) != 0 && exponent(b) != 0 && trailing(a) + trailing(b) >= 52 + u32::from(longer)
}

/// What the host says of a lane.
pub struct Fast<F> {
    /// The result.
    pub value: F,
    /// It has the guest's bits, and no flag but IXC can be due.
    pub trusted: bool,
    /// No rounding took place. May be `false` for want of knowledge: the integer path then decides.
    pub exact: bool,
}

/// An operation on two lanes.
pub trait Binary: 'static {
    /// By integers.
    fn soft<F: Format>(env: &mut Env, a: F, b: F) -> F;
    /// By the host.
    #[inline(always)]
    fn fast<F: HostFormat>(_a: F, _b: F) -> Fast<F> {
        Fast { value: F::default(), trusted: false, exact: false }
    }
}

/// An operation on one lane.
pub trait Unary: 'static {
    /// By integers.
    fn soft<F: Format>(env: &mut Env, a: F) -> F;
    /// By the host.
    #[inline(always)]
    fn fast<F: HostFormat>(_a: F) -> Fast<F> {
        Fast { value: F::default(), trusted: false, exact: false }
    }
}

/// Takes the host's lanes if FPCR allows it and all of them are good, with IXC kept right.
#[inline(always)]
fn by_host<F: HostFormat, const N: usize>(core: &Core, lane: impl Fn(usize) -> Fast<F>) -> Option<[F; N]> {
    if core.fp.fpcr & (RMODE | FZ) != 0 {
        return None;
    }
    let mut trusted = true;
    let result = std::array::from_fn(|i| {
        let fast = lane(i);
        trusted &= fast.trusted;
        fast.value
    });
    (trusted && (core.fp.fpsr & IXC != 0 || (0..N).all(|i| lane(i).exact))).then_some(result)
}

/// `O` on each lane, by the host.
#[inline(always)]
pub(crate) fn fast1<F: HostFormat, O: Unary, const N: usize>(core: &Core, a: [F; N]) -> Option<[F; N]> {
    by_host(core, |i| O::fast(a[i]))
}

/// `O` on each lane, by integers.
pub(crate) fn soft1<F: HostFormat, O: Unary, const N: usize>(core: &mut Core, a: [F; N]) -> [F; N] {
    with_env(core, |env| std::array::from_fn(|i| O::soft(env, a[i])))
}

/// `O` on each pair of lanes, by the host.
#[inline(always)]
pub(crate) fn fast2<F: HostFormat, O: Binary, const N: usize>(core: &Core, a: [F; N], b: [F; N]) -> Option<[F; N]> {
    by_host(core, |i| O::fast(a[i], b[i]))
}

/// `O` on each pair of lanes, by integers.
pub(crate) fn soft2<F: HostFormat, O: Binary, const N: usize>(core: &mut Core, a: [F; N], b: [F; N]) -> [F; N] {
    with_env(core, |env| std::array::from_fn(|i| O::soft(env, a[i], b[i])))
}

/// `±addend + (±n) * m`, rounded once, on each lane, by integers.
pub(crate) fn soft_mul_add<F: HostFormat, const NEG_A: bool, const NEG_N: bool, const N: usize>(
    core: &mut Core,
    addend: [F; N],
    n: [F; N],
    m: [F; N],
) -> [F; N] {
    with_env(core, |env| {
        std::array::from_fn(|i| {
            let a = if NEG_A { addend[i].neg() } else { addend[i] };
            let n = if NEG_N { n[i].neg() } else { n[i] };
            arith::mul_add(env, a, n, m[i])
        })
    })
}

/// One lane of [`fast_mul_add`] by the host, which must have the instruction: without it `mul_add` is a slow library call.
#[inline(always)]
fn fused<F: HostFormat, const NEG_A: bool, const NEG_N: bool>(addend: F, n: F, m: F) -> Fast<F> {
    let a = if NEG_A { addend.host().negated() } else { addend.host() };
    let n = if NEG_N { n.host().negated() } else { n.host() };
    let m = m.host();
    let r = n.fused(m, a);
    let factor_zero = n.is_zero() | m.is_zero();
    let trusted = r.is_plain() | (r.is_zero() & a.is_zero() & factor_zero);
    let product = n * m;
    let product_exact = factor_zero | (product.is_plain() && n.product_exact(m, product));
    Fast { value: F::of(r), trusted, exact: product_exact && product.sum_exact(a, r) }
}

/// `±addend + (±n) * m`, rounded once, on each lane, by the host. To be inlined into code for hosts that [`fuses`].
#[inline(always)]
pub(crate) fn fast_mul_add<F: HostFormat, const NEG_A: bool, const NEG_N: bool, const N: usize>(
    core: &Core,
    addend: [F; N],
    n: [F; N],
    m: [F; N],
) -> Option<[F; N]> {
    by_host(core, |i| fused::<F, NEG_A, NEG_N>(addend[i], n[i], m[i]))
}

/// The host multiplies and adds with one rounding, by an instruction.
pub(crate) fn fuses() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    cfg!(target_arch = "aarch64")
}

/// Runs `f` with the core's FPCR and FPSR.
#[inline(always)]
pub(crate) fn with_env<R>(core: &mut Core, f: impl FnOnce(&mut Env) -> R) -> R {
    let mut env = Env { fpcr: core.fp.fpcr, fpsr: core.fp.fpsr };
    let result = f(&mut env);
    core.fp.fpsr = env.fpsr;
    result
}

/// The low lanes of a vector register.
#[inline(always)]
pub(crate) fn read<F: Pod, const N: usize>(core: &Core, register: u8) -> [F; N] {
    *view(&core.fp.v[usize::from(register & 31)])
}

/// Writes the low lanes of a vector register and clears the others.
#[inline(always)]
pub(crate) fn write<F: Pod, const N: usize>(core: &mut Core, register: u8, lanes: [F; N]) {
    let v = &mut core.fp.v[usize::from(register & 31)];
    if size_of::<[F; N]>() < 16 {
        *v = 0;
    }
    *view_mut(v) = lanes;
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident, $soft:expr, |$a:ident, $b:ident| $r:expr, trusted $trusted:expr, exact $exact:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Binary for $name {
            #[inline(always)]
            fn soft<F: Format>(env: &mut Env, a: F, b: F) -> F {
                $soft(env, a, b)
            }
            #[inline(always)]
            fn fast<F: HostFormat>(a: F, b: F) -> Fast<F> {
                let ($a, $b) = (a.host(), b.host());
                let r = $r;
                Fast { value: F::of(r), trusted: ($trusted)($a, $b, r), exact: ($exact)($a, $b, r) }
            }
        }
    )*};
    ($($(#[$doc:meta])* $name:ident, $soft:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Binary for $name {
            #[inline(always)]
            fn soft<F: Format>(env: &mut Env, a: F, b: F) -> F {
                $soft(env, a, b)
            }
        }
    )*};
}

/// A sum, difference of finite numbers that is zero is exact.
#[inline(always)]
fn sum_trusted<H: Host>(_a: H, _b: H, r: H) -> bool {
    r.is_plain() | r.is_zero()
}

#[inline(always)]
fn product_trusted<H: Host>(a: H, b: H, r: H) -> bool {
    r.is_plain() | (r.is_zero() & (a.is_zero() | b.is_zero()))
}

#[inline(always)]
fn product_exact<H: Host>(a: H, b: H, r: H) -> bool {
    r.is_zero() | a.product_exact(b, r)
}

/// One operand is the result unless they are NaNs or zeros of different signs.
#[inline(always)]
fn ordered<H: Host>(a: H, b: H, _r: H) -> bool {
    (a < b) | (b < a) | ((a == b) & !a.is_zero())
}

binary! {
    /// `FPAdd`.
    FAdd, arith::add, |a, b| a + b, trusted sum_trusted, exact |a: F::Host, b, r| a.sum_exact(b, r);
    /// `FPSub`.
    FSub, arith::sub, |a, b| a - b, trusted sum_trusted, exact |a: F::Host, b: F::Host, r| a.sum_exact(b.negated(), r);
    /// `FPMul`.
    FMul, arith::mul, |a, b| a * b, trusted product_trusted, exact product_exact;
    /// `FPMul` with the result negated.
    FNMul, |env: &mut Env, a: F, b: F| arith::mul(env, a, b).neg(), |a, b| (a * b).negated(), trusted product_trusted,
        exact |a, b, r: F::Host| product_exact(a, b, r.negated());
    /// `FPMulX`.
    FMulX, arith::mulx, |a, b| a * b, trusted product_trusted, exact product_exact;
    /// `FPDiv`.
    FDiv, arith::div, |a, b| a / b, trusted |a: F::Host, _, r: F::Host| r.is_plain() & a.is_plain(),
        exact |a: F::Host, b: F::Host, r: F::Host| r * b == a && b.product_exact(r, a);
    /// `FPMax`.
    FMax, compare::max, |a, b| if a > b { a } else { b }, trusted ordered, exact |_, _, _| true;
    /// `FPMin`.
    FMin, compare::min, |a, b| if a < b { a } else { b }, trusted ordered, exact |_, _, _| true;
    /// `FPMaxNum`.
    FMaxNm, compare::max_num, |a, b| if a > b { a } else { b }, trusted ordered, exact |_, _, _| true;
    /// `FPMinNum`.
    FMinNm, compare::min_num, |a, b| if a < b { a } else { b }, trusted ordered, exact |_, _, _| true;
}

binary! {
    /// `FPRecipStepFused`.
    FRecpS, arith::recip_step;
    /// `FPRSqrtStepFused`.
    FRsqrtS, arith::rsqrt_step;
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident, $signal:literal, |$x:ident| $operand:expr, $op:tt, $test:expr;)*) => {$(
        $(#[$doc])*
        pub struct $name;
        impl Binary for $name {
            #[inline(always)]
            fn soft<F: Format>(env: &mut Env, a: F, b: F) -> F {
                let operand = |$x: F| $operand;
                mask(compare::compare(env, operand(a), operand(b), $signal).is_some_and($test))
            }
            #[inline(always)]
            fn fast<F: HostFormat>(a: F, b: F) -> Fast<F> {
                let operand = |$x: F| $operand;
                let (a, b) = (operand(a).host(), operand(b).host());
                // Ordered: no NaNs.
                Fast { value: mask(a $op b), trusted: (a <= b) | (a > b), exact: true }
            }
        }
    )*};
}

comparisons! {
    /// `FPCompareEQ` as a mask.
    FCmEq, false, |x| x, ==, Ordering::is_eq;
    /// `FPCompareGE` as a mask.
    FCmGe, true, |x| x, >=, Ordering::is_ge;
    /// `FPCompareGT` as a mask.
    FCmGt, true, |x| x, >, Ordering::is_gt;
    /// `FPCompareGE` of magnitudes.
    FAcGe, true, |x| x.abs(), >=, Ordering::is_ge;
    /// `FPCompareGT` of magnitudes.
    FAcGt, true, |x| x.abs(), >, Ordering::is_gt;
}

/// `FPAbs(FPSub)`.
pub struct FAbd;
impl Binary for FAbd {
    fn soft<F: Format>(env: &mut Env, a: F, b: F) -> F {
        arith::sub(env, a, b).abs()
    }
    #[inline(always)]
    fn fast<F: HostFormat>(a: F, b: F) -> Fast<F> {
        let difference = FSub::fast(a, b);
        Fast { value: difference.value.abs(), ..difference }
    }
}

#[inline(always)]
fn mask<F: Format>(holds: bool) -> F {
    F::from_bits(if holds { u64::MAX } else { 0 })
}

/// `FPSqrt`.
pub struct FSqrt;
impl Unary for FSqrt {
    fn soft<F: Format>(env: &mut Env, a: F) -> F {
        arith::sqrt(env, a)
    }
    #[inline(always)]
    fn fast<F: HostFormat>(a: F) -> Fast<F> {
        let a = a.host();
        let r = a.sqrt();
        Fast { value: F::of(r), trusted: r.is_plain() & a.is_plain(), exact: r * r == a && r.product_exact(r, a) }
    }
}
