//! Arithmetic against IEEE 754 and the architecture's rules, and the host's against the integers'.

use super::arith::{add, div, mul, mul_add, mulx, recip_step, rsqrt_step, sqrt, sub};
use super::compare::{compare, max, max_num, min, min_num};
use super::convert::{Integer, convert, from_fixed, round_int, to_fixed};
use super::estimate::{recip_estimate, rsqrt_estimate, unsigned_recip_estimate, unsigned_rsqrt_estimate};
use super::format::{AHP, DN, DZC, Env, FZ, Format, IDC, IOC, IXC, OFC, Rounding, UFC};
use crate::testing::{Guest, START};
use proptest::prelude::*;

const QNAN: u32 = 0x7fc1_2345;
const SNAN: u32 = 0xff81_2345;
const INF: u32 = 0x7f80_0000;

/// Result and flags of `f` under FPCR.
fn under<R>(fpcr: u32, f: impl FnOnce(&mut Env) -> R) -> (R, u32) {
    let mut env = Env { fpcr, fpsr: 0 };
    let result = f(&mut env);
    (result, env.fpsr)
}

fn single(x: f32) -> u32 {
    x.to_bits()
}

const MODES: [u32; 4] = [0, 1 << 22, 2 << 22, 3 << 22];

#[test]
fn nans_propagate_in_the_order_of_the_operands_signalling_first() {
    let one = single(1.0);
    assert_eq!(under(0, |e| add(e, QNAN, one)), (QNAN, 0));
    assert_eq!(under(0, |e| add(e, one, SNAN)), (SNAN | 0x40_0000, IOC));
    assert_eq!(under(0, |e| mul(e, QNAN, SNAN)), (SNAN | 0x40_0000, IOC));
    assert_eq!(under(0, |e| sub(e, QNAN, QNAN + 1)), (QNAN, 0));
    assert_eq!(under(DN, |e| add(e, QNAN, one)), (0x7fc0_0000, 0));
    assert_eq!(under(DN, |e| sqrt(e, SNAN)), (0x7fc0_0000, IOC));
    // The addend comes first.
    assert_eq!(under(0, |e| mul_add(e, QNAN + 2, QNAN, QNAN + 1)), (QNAN + 2, 0));
    assert_eq!(under(0, |e| mul_add(e, QNAN, one, SNAN)), (SNAN | 0x40_0000, IOC));
    // Infinity times zero counts even beside a quiet NaN, but a signalling one goes before.
    assert_eq!(under(0, |e| mul_add(e, QNAN, INF, 0)), (0x7fc0_0000, IOC));
    assert_eq!(under(0, |e| mul_add(e, SNAN, INF, 0)), (SNAN | 0x40_0000, IOC));
}

#[test]
fn invalid_operations_and_divisions_by_zero() {
    let one = single(1.0);
    assert_eq!(under(0, |e| sub(e, INF, INF)), (0x7fc0_0000, IOC));
    assert_eq!(under(0, |e| mul(e, INF, 0)), (0x7fc0_0000, IOC));
    assert_eq!(under(0, |e| mulx(e, INF, 0x8000_0000)), (single(-2.0), 0));
    assert_eq!(under(0, |e| div(e, 0u32, 0x8000_0000)), (0x7fc0_0000, IOC));
    assert_eq!(under(0, |e| div(e, one, 0x8000_0000)), (INF | 0x8000_0000, DZC));
    assert_eq!(under(0, |e| div(e, INF, 0)), (INF, 0));
    assert_eq!(under(0, |e| sqrt(e, single(-1.0))), (0x7fc0_0000, IOC));
    assert_eq!(under(0, |e| sqrt(e, 0x8000_0000u32)), (0x8000_0000, 0));
    assert_eq!(under(0, |e| recip_step(e, INF, 0)), (single(2.0), 0));
    assert_eq!(under(0, |e| rsqrt_step(e, 0, INF)), (single(1.5), 0));
}

#[test]
fn every_rounding_mode_rounds_its_way() {
    let third = [0x3eaa_aaab, 0x3eaa_aaab, 0x3eaa_aaaa, 0x3eaa_aaaa];
    let minus_third = [0xbeaa_aaab, 0xbeaa_aaaa, 0xbeaa_aaab, 0xbeaa_aaaa];
    let overflow = [INF, INF, INF - 1, INF - 1];
    for (i, mode) in MODES.into_iter().enumerate() {
        assert_eq!(under(mode, |e| div(e, single(1.0), single(3.0))), (third[i], IXC));
        assert_eq!(under(mode, |e| div(e, single(-1.0), single(3.0))), (minus_third[i], IXC));
        assert_eq!(under(mode, |e| add(e, INF - 1, INF - 1)), (overflow[i], OFC | IXC));
        // x - x is minus zero only when rounding down.
        assert_eq!(under(mode, |e| sub(e, single(5.0), single(5.0))).0, if i == 2 { 0x8000_0000 } else { 0 });
    }
}

#[test]
fn tininess_is_detected_before_rounding_and_flushing_raises_its_flags() {
    let (smallest, denormal) = (0x0080_0000u32, 0x0040_0000u32);
    // (1 - 2^-24) of the smallest normal number rounds up to it: still an underflow.
    assert_eq!(under(0, |e| mul(e, smallest, 0x3f7f_ffff)), (smallest, UFC | IXC));
    assert_eq!(under(0, |e| mul(e, smallest, single(0.5))), (denormal, 0));
    assert_eq!(under(FZ, |e| mul(e, smallest, 0x3f7f_ffff)), (0, UFC));
    assert_eq!(under(FZ, |e| add(e, denormal | 0x8000_0000, denormal)), (0, IDC));
    assert_eq!(under(FZ, |e| add(e, denormal, QNAN)), (QNAN, IDC));
    assert_eq!(under(FZ, |e| max(e, 0x8000_0000 | denormal, single(-1.0))), (0x8000_0000, IDC));
    assert_eq!(under(FZ, |e| compare(e, denormal, 0u32, true)), (Some(std::cmp::Ordering::Equal), IDC));
}

#[test]
fn fused_multiplication_rounds_once() {
    // (1 + 2^-12)^2 - (1 + 2^-11) is 2^-24, which two roundings lose.
    let x = single(1.0 + f32::powi(2.0, -12));
    assert_eq!(under(0, |e| mul_add(e, single(-(1.0 + f32::powi(2.0, -11))), x, x)), (single(f32::powi(2.0, -24)), 0));
    // A product far below the addend still decides a directed rounding.
    let tiny = 1u64;
    assert_eq!(under(MODES[1], |e| mul_add(e, 1f64.to_bits(), tiny, tiny)), (1f64.to_bits() + 1, IXC));
    assert_eq!(under(MODES[2], |e| mul_add(e, 1f64.to_bits(), tiny | 1 << 63, tiny)), (1f64.to_bits() - 1, IXC));
}

#[test]
fn maxima_of_zeros_and_nans() {
    let minus_zero = 0x8000_0000u32;
    assert_eq!(under(0, |e| max(e, minus_zero, 0)), (0, 0));
    assert_eq!(under(0, |e| min(e, 0, minus_zero)), (minus_zero, 0));
    assert_eq!(under(0, |e| max_num(e, QNAN, single(-3.0))), (single(-3.0), 0));
    assert_eq!(under(0, |e| min_num(e, single(7.0), QNAN)), (single(7.0), 0));
    assert_eq!(under(0, |e| min_num(e, QNAN, QNAN + 1)), (QNAN, 0));
    assert_eq!(under(0, |e| max_num(e, QNAN, SNAN)), (SNAN | 0x40_0000, IOC));
    assert_eq!(under(0, |e| max(e, QNAN, single(1.0))), (QNAN, 0));
    assert_eq!(under(0, |e| compare(e, QNAN, 0, false)), (None, 0));
    assert_eq!(under(0, |e| compare(e, QNAN, 0, true)), (None, IOC));
    assert_eq!(under(0, |e| compare(e, SNAN, 0, false)), (None, IOC));
}

#[test]
fn conversions_to_integers_saturate_and_round() {
    let word = Integer { bits: 32, signed: true };
    let unsigned = Integer { bits: 64, signed: false };
    let to = |x: f64, to, mode| under(0, |e| to_fixed(e, x.to_bits(), 0, to, mode));
    assert_eq!(to(-2_147_483_648.0, word, Rounding::Zero), (0x8000_0000, 0));
    assert_eq!(to(-2_147_483_648.9, word, Rounding::Zero), (0x8000_0000, IXC));
    assert_eq!(to(-2_147_483_649.0, word, Rounding::Zero), (0x8000_0000, IOC));
    assert_eq!(to(2_147_483_647.5, word, Rounding::Nearest), (0x7fff_ffff, IOC));
    assert_eq!(to(-0.9, unsigned, Rounding::Zero), (0, IXC));
    assert_eq!(to(-0.9, unsigned, Rounding::Minus), (0, IOC));
    assert_eq!(to(18_446_744_073_709_549_568.0, unsigned, Rounding::Zero), (0xffff_ffff_ffff_f800, 0));
    assert_eq!(to(f64::INFINITY, unsigned, Rounding::Zero), (u64::MAX, IOC));
    assert_eq!(to(f64::NAN, word, Rounding::Zero), (0, IOC));
    for (mode, integers) in [
        (Rounding::Nearest, [2, 2, -2, 0]),
        (Rounding::Plus, [2, 3, -1, 1]),
        (Rounding::Minus, [1, 2, -2, 0]),
        (Rounding::Zero, [1, 2, -1, 0]),
        (Rounding::Away, [2, 3, -2, 1]),
    ] {
        for (x, integer) in [1.5, 2.5, -1.5, 0.5f64].into_iter().zip(integers) {
            assert_eq!(to(x, word, mode), (integer as u32 as u64, IXC), "{x} {mode:?}");
            let (rounded, flags) = under(0, |e| round_int(e, x.to_bits(), mode, true));
            assert_eq!((f64::from_bits(rounded), flags), (f64::from(integer), IXC), "{x} {mode:?}");
        }
    }
    assert_eq!(under(0, |e| round_int(e, single(-0.25), Rounding::Plus, false)), (0x8000_0000, 0));
    assert_eq!(under(0, |e| from_fixed::<u32>(e, 0x0100_0001, 8, Rounding::Nearest)), (single(65536.0), IXC));
    assert_eq!(under(0, |e| from_fixed::<u64>(e, -3, 1, Rounding::Nearest)), ((-1.5f64).to_bits(), 0));
}

#[test]
fn conversions_between_formats() {
    let half = |fpcr, x: u32| under(fpcr, |e| convert::<u32, u16>(e, x, Rounding::Nearest));
    assert_eq!(half(0, single(65504.0)), (0x7bff, 0));
    assert_eq!(half(0, single(65520.0)), (0x7c00, OFC | IXC));
    assert_eq!(half(0, 0x3300_0000), (0, UFC | IXC), "half of the smallest denormal");
    assert_eq!(half(0, 0x3300_0001), (1, UFC | IXC));
    assert_eq!(half(0, SNAN), (0xfe09, IOC));
    // The alternative format has numbers where others have infinities and NaNs.
    assert_eq!(half(AHP, single(131_008.0)), (0x7fff, 0));
    assert_eq!(half(AHP, single(131_072.0)), (0x7fff, IOC));
    assert_eq!(half(AHP, INF | 0x8000_0000), (0xffff, IOC));
    assert_eq!(half(AHP, QNAN), (0, IOC));
    assert_eq!(under(AHP, |e| convert::<u16, u32>(e, 0x7c00, Rounding::Nearest)), (single(65536.0), 0));
    assert_eq!(under(FZ, |e| convert::<u16, u32>(e, 1, Rounding::Nearest)), (0x3380_0000, 0), "half precision does not flush");
    let odd = |x: f64| under(0, |e| convert::<u64, u32>(e, x.to_bits(), Rounding::Odd));
    assert_eq!(odd(1.0 + f64::powi(2.0, -40)), (0x3f80_0001, IXC));
    assert_eq!(odd(1e300), (INF - 1, OFC | IXC));
    assert_eq!(under(0, |e| convert::<u64, u32>(e, 0x7ff0_0000_2000_0000, Rounding::Nearest)), (0x7fc0_0001, IOC));
}

/// The estimates by their older definition, in real arithmetic.
#[test]
fn estimate_tables() {
    for i in 256..512u32 {
        let scaled = 256.0 / ((f64::from(i) + 0.5) / 512.0);
        let expected = (scaled + 0.5) as u32;
        assert_eq!(unsigned_recip_estimate(i << 23), expected << 23);
        // 1.xxx as a single: the argument times two.
        let (estimate, flags) = under(0, |e| recip_estimate(e, 0x3f80_0000 | (i & 0xff) << 15));
        assert_eq!((estimate, flags), (0x3f00_0000 | (expected & 0xff) << 15, 0));
    }
    for i in 128..512u32 {
        let middle = if i < 256 { (f64::from(i) + 0.5) / 512.0 } else { (f64::from(i >> 1) + 0.5) / 256.0 };
        let expected = (256.0 / middle.sqrt() + 0.5) as u32;
        assert_eq!(unsigned_rsqrt_estimate(i << 23), expected << 23, "{i}");
    }
    assert_eq!(unsigned_recip_estimate(0x7fff_ffff), u32::MAX);
    assert_eq!(unsigned_rsqrt_estimate(0x3fff_ffff), u32::MAX);
    assert_eq!(under(0, |e| rsqrt_estimate(e, single(1.0))), (0x3f7f_8000, 0));
    assert_eq!(under(0, |e| rsqrt_estimate(e, single(-1.0))), (0x7fc0_0000, IOC));
    assert_eq!(under(0, |e| rsqrt_estimate(e, 0x8000_0000u32)), (INF | 0x8000_0000, DZC));
    assert_eq!(under(0, |e| recip_estimate(e, 0u32)), (INF, DZC));
    assert_eq!(under(0, |e| recip_estimate(e, 1u32)), (INF, OFC | IXC));
    assert_eq!(under(MODES[3], |e| recip_estimate(e, 1u32)), (INF - 1, OFC | IXC));
    assert_eq!(under(FZ, |e| recip_estimate(e, 0x7f00_0000u32)), (0, UFC));
    assert_eq!(under(0, |e| recip_estimate(e, 0x7f00_0000u32)), (0x003f_e000, 0));
}

/// Numbers of all kinds, with those near each other and near the limits more often than chance has them.
fn number<F: Format>() -> impl Strategy<Value = u64> {
    let near = (F::BIAS - 30..F::BIAS + 30, any::<u64>(), any::<bool>(), 0..F::FRAC).prop_map(|(exp, frac, sign, zeros)| {
        F::with_sign(sign, (exp as u64) << F::FRAC | frac & ((1 << F::FRAC) - 1) & u64::MAX << zeros).bits()
    });
    let edges = prop_oneof![
        Just(0),
        Just(F::SIGN),
        Just(1),
        Just(F::INFINITY),
        Just(F::INFINITY - 1),
        Just(F::INFINITY | F::QUIET | 5),
        Just(F::INFINITY | 5),
        Just(1 << F::FRAC),
        Just((1 << F::FRAC) - 1),
        Just(F::small(true, 1, 0).bits()),
    ];
    prop_oneof![4 => near, 2 => edges, 1 => any::<u64>().prop_map(|x| F::from_bits(x).bits())]
}

/// The instruction `word` (on D0 or S0 from registers 1, 2, 3) gives what `soft` gives, whatever FPCR and FPSR.
fn agrees<F: Format>(word: u32, fpcr: u32, fpsr: u32, x: [u64; 3], soft: impl Fn(&mut Env, F, F, F) -> F) -> Result<(), TestCaseError> {
    let mut guest = Guest::new(&[word]);
    (guest.core.fp.fpcr, guest.core.fp.fpsr) = (fpcr, fpsr);
    for (v, x) in guest.core.fp.v[1..].iter_mut().zip(x) {
        *v = x.into();
    }
    guest.run(1);
    prop_assert_eq!(guest.core.pc, START + 4);
    let mut env = Env { fpcr, fpsr };
    let expected = soft(&mut env, F::from_bits(x[0]), F::from_bits(x[1]), F::from_bits(x[2]));
    let got = guest.core.fp.v[0];
    prop_assert_eq!((got, guest.core.fp.fpsr), (expected.bits().into(), env.fpsr), "{:#x} {:x?}", word, x);
    Ok(())
}

fn all_agree<F: Format>(double: bool, fpcr: u32, fpsr: u32, x: [u64; 3]) -> Result<(), TestCaseError> {
    let ty = u32::from(double) << 22;
    agrees::<F>(0x1e22_2820 | ty, fpcr, fpsr, x, |e, a, b, _| add(e, a, b))?;
    agrees::<F>(0x1e22_3820 | ty, fpcr, fpsr, x, |e, a, b, _| sub(e, a, b))?;
    agrees::<F>(0x1e22_0820 | ty, fpcr, fpsr, x, |e, a, b, _| mul(e, a, b))?;
    agrees::<F>(0x1e22_8820 | ty, fpcr, fpsr, x, |e, a, b, _| mul(e, a, b).neg())?;
    agrees::<F>(0x1e22_1820 | ty, fpcr, fpsr, x, |e, a, b, _| div(e, a, b))?;
    agrees::<F>(0x1e22_4820 | ty, fpcr, fpsr, x, |e, a, b, _| max(e, a, b))?;
    agrees::<F>(0x1e22_5820 | ty, fpcr, fpsr, x, |e, a, b, _| min(e, a, b))?;
    agrees::<F>(0x1e22_6820 | ty, fpcr, fpsr, x, |e, a, b, _| max_num(e, a, b))?;
    agrees::<F>(0x1e22_7820 | ty, fpcr, fpsr, x, |e, a, b, _| min_num(e, a, b))?;
    agrees::<F>(0x1e21_c020 | ty, fpcr, fpsr, x, |e, a, _, _| sqrt(e, a))?;
    agrees::<F>(0x1f02_0c20 | ty, fpcr, fpsr, x, |e, a, b, c| mul_add(e, c, a, b))?;
    agrees::<F>(0x1f02_8c20 | ty, fpcr, fpsr, x, |e, a, b, c| mul_add(e, c, a.neg(), b))?;
    agrees::<F>(0x1f22_0c20 | ty, fpcr, fpsr, x, |e, a, b, c| mul_add(e, c.neg(), a.neg(), b))?;
    agrees::<F>(0x1f22_8c20 | ty, fpcr, fpsr, x, |e, a, b, c| mul_add(e, c.neg(), a, b))
}

fn fpcr() -> impl Strategy<Value = u32> {
    prop_oneof![3 => Just(0), 1 => (0u32..4).prop_map(|m| m << 22), 1 => (0u32..16).prop_map(|m| ((m << 22) & (FZ | 3 << 22)) | ((m & 1) * DN))]
}

proptest! {
    #[test]
    fn singles_by_the_host_are_those_by_integers(
        fpcr in fpcr(), fpsr in prop_oneof![Just(0), Just(IXC)], x in number::<u32>(), y in number::<u32>(), z in number::<u32>()
    ) {
        all_agree::<u32>(false, fpcr, fpsr, [x, y, z])?;
    }

    #[test]
    fn doubles_by_the_host_are_those_by_integers(
        fpcr in fpcr(), fpsr in prop_oneof![Just(0), Just(IXC)], x in number::<u64>(), y in number::<u64>(), z in number::<u64>()
    ) {
        all_agree::<u64>(true, fpcr, fpsr, [x, y, z])?;
    }

    /// The integers' arithmetic against the host's own, where IEEE 754 leaves no choice.
    #[test]
    fn integers_agree_with_ieee_754(x in any::<f64>(), y in any::<f64>(), z in any::<f64>()) {
        let near = |a: u64, b: f64| a == b.to_bits() || b.is_nan() && f64::from_bits(a).is_nan();
        let (a, b, c) = (x.to_bits(), y.to_bits(), z.to_bits());
        prop_assert!(near(under(0, |e| add(e, a, b)).0, x + y));
        prop_assert!(near(under(0, |e| mul(e, a, b)).0, x * y));
        prop_assert!(near(under(0, |e| div(e, a, b)).0, x / y));
        prop_assert!(near(under(0, |e| sqrt(e, a)).0, x.sqrt()));
        prop_assert!(near(under(0, |e| mul_add(e, c, a, b)).0, x.mul_add(y, z)));
        prop_assert_eq!(under(0, |e| convert::<u64, u32>(e, a, Rounding::Nearest)).0, (x as f32).to_bits());
        prop_assert_eq!(under(0, |e| to_fixed(e, a, 0, Integer { bits: 64, signed: true }, Rounding::Zero)).0, x as i64 as u64);
    }
}
