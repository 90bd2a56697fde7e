//! Advanced SIMD: floating point by the host's arithmetic. Where that differs from the guest's, [`super::float`] says: one lane that differs is enough for all of
//! the instruction to be left to the interpreter's handler. Lanes that do not count are zeros, or whatever raises nothing.

use super::emit::Emitter;
use super::vector::{half, splat, v, vi};
use super::xmm::{X13, X14, X15};
use super::{RAX, RCX, asm};
use crate::decode::{Op, field};
use crate::jit::uses_vector::Sign::{Signed, Unsigned};
use crate::jit::uses_vector::{Compare, Float, Sign};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

/// One instruction by the lanes' format.
macro_rules! floats {
    ($e:expr, $double:expr, [$s:ident $d:ident] $($arg:expr),+) => {
        if $double { v!($e, $d $($arg),+) } else { v!($e, $s $($arg),+) }
    };
}

/// The lanes are doubles.
fn double(op: &Op) -> bool {
    field(op.insn, 22, 22) != 0
}

/// log2 of the lanes' bytes.
fn float_size(op: &Op) -> u32 {
    if double(op) { 3 } else { 2 }
}

/// A pattern of lanes: one of single precision, or one of double.
fn pattern(op: &Op, single: u32, of_double: u64) -> u128 {
    if double(op) { splat(3, of_double) } else { splat(2, single.into()) }
}

fn magnitude(op: &Op) -> u128 {
    pattern(op, u32::MAX >> 1, u64::MAX >> 1)
}

impl Emitter<'_> {
    pub(super) fn vector_float(&mut self, op: &Op, float: Float) -> bool {
        let wide = double(op);
        match float {
            Float::Add => self.float_lanes(op, false, |e, n, m| floats!(e, wide, [vaddps vaddpd] X13, n, m)),
            Float::Sub => self.float_lanes(op, false, |e, n, m| floats!(e, wide, [vsubps vsubpd] X13, n, m)),
            Float::AbsDiff => self.float_lanes(op, false, |e, n, m| {
                // A NaN stays one.
                let mask = e.pool(magnitude(op));
                floats!(e, wide, [vsubps vsubpd] X13, n, m);
                asm!(e.asm ; vandps Rx(X13), Rx(X13), [=>mask]);
            }),
            Float::Mul => self.float_lanes(op, true, |e, n, m| floats!(e, wide, [vmulps vmulpd] X13, n, m)),
            Float::Div => self.float_lanes(op, true, |e, n, m| {
                let m = if half(op) {
                    // Zero by one.
                    let ones = e.pool(pattern(op, 1.0f32.to_bits(), 1.0f64.to_bits()));
                    asm!(e.asm ; vpunpcklqdq Rx(X15), Rx(m), [=>ones]);
                    X15
                } else {
                    m
                };
                floats!(e, wide, [vdivps vdivpd] X13, n, m);
            }),
            Float::MulAdd(negate) => self.float_lanes(op, true, |e, n, m| e.fused(op, negate, n, m)),
            Float::MulElement => self.float_element(op, |e, n, m| floats!(e, wide, [vmulps vmulpd] X13, n, m)),
            Float::MulAddElement(negate) => self.float_element(op, |e, n, m| e.fused(op, negate, n, m)),
            Float::Abs => self.one(op, |e, to, n| {
                let mask = e.pool(magnitude(op));
                asm!(e.asm ; vandps Rx(to), Rx(n), [=>mask]);
            }),
            Float::Neg => self.one(op, |e, to, n| {
                let signs = e.pool(pattern(op, 1 << 31, 1 << 63));
                asm!(e.asm ; vxorps Rx(to), Rx(n), [=>signs]);
            }),
            Float::Sqrt => self.float_lane(op, |e, n| floats!(e, wide, [vsqrtps vsqrtpd] X13, n)),
            Float::Round(mode) => self.float_lane(op, |e, n| {
                if wide {
                    vi!(e, vroundpd X13, n, mode);
                } else {
                    vi!(e, vroundps X13, n, mode);
                }
            }),
            Float::AddPairs => {
                let back = self.label();
                // With half a register both halves are the same lanes.
                self.even_and_odd(op, float_size(op));
                floats!(self, wide, [vaddps vaddpd] X13, X13, X14);
                self.check_numbers(wide, back);
                self.float_put(op, back)
            }
            Float::Extremum { least } => self.float_extrema(op, least),
            Float::Compare(compare, magnitudes) => self.float_comparison(op, compare, magnitudes),
            Float::CompareZero(compare, swapped) => self.one(op, |e, to, n| {
                let n = e.counting(op, n, X14);
                v!(e, vxorps X15, X15, X15);
                if swapped {
                    e.float_mask(wide, compare, to, X15, n);
                } else {
                    e.float_mask(wide, compare, to, n, X15);
                }
            }),
            Float::FromInteger(sign) => self.lanes_from_integers(op, sign),
            Float::ToInteger(sign) => self.lanes_to_integers(op, sign),
            Float::Lengthen => self.float_lengthen(op),
            Float::Narrow => self.float_narrow(op),
        }
    }

    /// A source without what does not count of it: itself, or a scratch register.
    fn counting(&mut self, op: &Op, from: u8, scratch: u8) -> u8 {
        if !half(op) {
            return from;
        }
        v!(self, vmovq scratch, from);
        scratch
    }

    /// Leaves to the handler what is a NaN in any lane of XMM13. XMM15 and the flags are lost.
    fn check_numbers(&mut self, double: bool, back: DynamicLabel) {
        floats!(self, double, [vcmpunordps vcmpunordpd] X15, X13, X13);
        self.slowly_if_any(X15, back);
    }

    /// Leaves the instruction to its handler if any sign bit of four lanes is set. The flags are lost.
    fn slowly_if_any(&mut self, signs: u8, back: DynamicLabel) {
        let slow = self.slowly(back);
        asm!(self.asm ; vtestps Rx(signs), Rx(signs) ; jnz =>slow);
    }

    /// The same of NaNs and of the smallest normal number. XMM14 is lost as well.
    fn check_products(&mut self, double: bool, back: DynamicLabel) {
        let (mask, smallest) = if double {
            (self.pool(splat(3, u64::MAX >> 1)), self.pool(splat(3, 1 << 52)))
        } else {
            (self.pool(splat(2, u64::MAX >> 33)), self.pool(splat(2, 1 << 23)))
        };
        asm!(self.asm ; vandps Rx(X14), Rx(X13), [=>mask]);
        floats!(self, double, [vcmpunordps vcmpunordpd] X15, X13, X13);
        if double {
            asm!(self.asm ; vpcmpeqq Rx(X14), Rx(X14), [=>smallest]);
        } else {
            asm!(self.asm ; vpcmpeqd Rx(X14), Rx(X14), [=>smallest]);
        }
        v!(self, vorps X15, X14, X15);
        self.slowly_if_any(X15, back);
    }

    /// Writes XMM13, after which the handler's way comes back.
    fn float_put(&mut self, op: &Op, back: DynamicLabel) -> bool {
        self.finish_from_scratch(op);
        asm!(self.asm ; =>back);
        true
    }

    fn finish_from_scratch(&mut self, op: &Op) {
        if half(op) {
            v!(self, vmovq X13, X13);
        }
        self.vput(op.rd, X13);
    }

    /// One source; `code` makes the result in XMM13.
    fn float_lane(&mut self, op: &Op, code: impl FnOnce(&mut Self, u8)) -> bool {
        let back = self.label();
        let n = self.vget(op.rn, X14);
        let n = self.counting(op, n, X14);
        code(self, n);
        self.check_numbers(double(op), back);
        self.float_put(op, back)
    }

    /// Two sources. `tiny`: the result may be too small for a normal number.
    fn float_lanes(&mut self, op: &Op, tiny: bool, code: impl FnOnce(&mut Self, u8, u8)) -> bool {
        let back = self.label();
        let (n, m) = (self.vget(op.rn, X14), self.vget(op.rm, X15));
        let (n, m) = (self.counting(op, n, X14), self.counting(op, m, X15));
        code(self, n, m);
        if tiny {
            self.check_products(double(op), back);
        } else {
            self.check_numbers(double(op), back);
        }
        self.float_put(op, back)
    }

    /// The second source is one element.
    fn float_element(&mut self, op: &Op, code: impl FnOnce(&mut Self, u8, u8)) -> bool {
        let back = self.label();
        self.broadcast(op.rm, float_size(op), op.aux[1].into(), X15);
        let n = self.vget(op.rn, X14);
        let (n, m) = (self.counting(op, n, X14), self.counting(op, X15, X15));
        code(self, n, m);
        self.check_products(double(op), back);
        self.float_put(op, back)
    }

    /// XMM13 = the destination with the product added or subtracted.
    fn fused(&mut self, op: &Op, negate: bool, n: u8, m: u8) {
        self.vload(op.rd, X13);
        if half(op) {
            v!(self, vmovq X13, X13);
        }
        if negate {
            floats!(self, double(op), [vfnmadd231ps vfnmadd231pd] X13, n, m);
        } else {
            floats!(self, double(op), [vfmadd231ps vfmadd231pd] X13, n, m);
        }
    }

    /// FMAX, FMIN, FMAXNM, FMINNM: the last two differ for NaNs only. Of equal numbers, which can only be zeros of both signs, the host takes the second.
    fn float_extrema(&mut self, op: &Op, least: bool) -> bool {
        let (back, wide) = (self.label(), double(op));
        let (n, m) = (self.vget(op.rn, X14), self.vget(op.rm, X15));
        let (n, m) = (self.counting(op, n, X14), self.counting(op, m, X15));
        floats!(self, wide, [vcmpunordps vcmpunordpd] X13, n, m);
        self.slowly_if_any(X13, back);
        if least {
            floats!(self, wide, [vminps vminpd] X13, n, m);
            floats!(self, wide, [vminps vminpd] X14, m, n);
            v!(self, vorps X13, X13, X14);
        } else {
            floats!(self, wide, [vmaxps vmaxpd] X13, n, m);
            floats!(self, wide, [vmaxps vmaxpd] X14, m, n);
            v!(self, vandps X13, X13, X14);
        }
        self.float_put(op, back)
    }

    /// Comparisons raise what the guest's do, and their results are no numbers.
    fn float_comparison(&mut self, op: &Op, compare: Compare, magnitudes: bool) -> bool {
        self.three(op, |e, to, n, m| {
            let (mut n, mut m) = (e.counting(op, n, X14), e.counting(op, m, X15));
            if magnitudes {
                let mask = e.pool(magnitude(op));
                asm!(e.asm ; vandps Rx(X14), Rx(n), [=>mask] ; vandps Rx(X15), Rx(m), [=>mask]);
                (n, m) = (X14, X15);
            }
            e.float_mask(double(op), compare, to, n, m);
        })
    }

    fn float_mask(&mut self, double: bool, compare: Compare, to: u8, n: u8, m: u8) {
        match compare {
            Compare::Equal => floats!(self, double, [vcmpeqps vcmpeqpd] to, n, m),
            Compare::GreaterEqual => floats!(self, double, [vcmpgeps vcmpgepd] to, n, m),
            Compare::Greater => floats!(self, double, [vcmpgtps vcmpgtpd] to, n, m),
        }
    }

    fn lanes_from_integers(&mut self, op: &Op, sign: Sign) -> bool {
        if double(op) && sign == Unsigned {
            return false;
        }
        self.one(op, |e, to, n| {
            let n = e.counting(op, n, X14);
            match (double(op), sign) {
                (false, Signed) => v!(e, vcvtdq2ps to, n),
                (false, Unsigned) => {
                    // Both halves are exact, their sum is rounded.
                    let (low, unit) = (e.pool(splat(2, 0xffff)), e.pool(splat(2, 65536f32.to_bits().into())));
                    asm!(e.asm ; vpsrld Rx(X13), Rx(n), 16);
                    v!(e, vcvtdq2ps X13, X13);
                    asm!(e.asm ; vmulps Rx(X13), Rx(X13), [=>unit] ; vpand Rx(X14), Rx(n), [=>low]);
                    v!(e, vcvtdq2ps X14, X14);
                    v!(e, vaddps to, X13, X14);
                }
                _ => {
                    e.extract_to(3, 0, n, RAX);
                    e.extract_to(3, 1, n, RCX);
                    asm!(e.asm
                        ; vxorps Rx(X13), Rx(X13), Rx(X13)
                        ; vcvtsi2sd Rx(X14), Rx(X13), rcx
                        ; vcvtsi2sd Rx(X13), Rx(X13), rax
                    );
                    v!(e, vunpcklpd to, X13, X14);
                }
            }
        })
    }

    /// To zero. Out of range the host gives the smallest integer.
    fn lanes_to_integers(&mut self, op: &Op, sign: Sign) -> bool {
        if double(op) && sign == Unsigned {
            return false;
        }
        let back = self.label();
        let n = self.vget(op.rn, X14);
        let n = self.counting(op, n, X14);
        if sign == Unsigned {
            // Negative, or what a signed integer does not hold.
            let below = self.pool(splat(2, (2f32.powi(31).to_bits() - 1).into()));
            asm!(self.asm ; vmovaps Rx(X13), [=>below]);
            v!(self, vpcmpgtd X13, n, X13);
            v!(self, vorps X13, X13, n);
            self.slowly_if_any(X13, back);
        }
        if double(op) {
            vi!(self, vpshufd X15, n, 0xee);
            asm!(self.asm
                ; vcvttsd2si rax, Rx(n)
                ; vcvttsd2si rcx, Rx(X15)
                ; vmovq Rx(X13), rax
                ; vpinsrq Rx(X13), Rx(X13), rcx, 1
            );
        } else {
            v!(self, vcvttps2dq X13, n);
        }
        if sign == Signed {
            if double(op) {
                let smallest = self.pool(splat(3, 1 << 63));
                asm!(self.asm ; vpcmpeqq Rx(X15), Rx(X13), [=>smallest]);
            } else {
                let smallest = self.pool(splat(2, 1 << 31));
                asm!(self.asm ; vpcmpeqd Rx(X15), Rx(X13), [=>smallest]);
            }
            self.slowly_if_any(X15, back);
        }
        self.float_put(op, back)
    }

    /// FCVTL from single precision.
    fn float_lengthen(&mut self, op: &Op) -> bool {
        if !double(op) {
            return false;
        }
        let back = self.label();
        let mut n = self.vget(op.rn, X14);
        if !half(op) {
            vi!(self, vpshufd X14, n, 0xee);
            n = X14;
        }
        v!(self, vcvtps2pd X13, n);
        self.check_numbers(true, back);
        self.vput(op.rd, X13);
        asm!(self.asm ; =>back);
        true
    }

    /// FCVTN to single precision.
    fn float_narrow(&mut self, op: &Op) -> bool {
        if !double(op) {
            return false;
        }
        let back = self.label();
        let n = self.vget(op.rn, X14);
        v!(self, vcvtpd2ps X13, n);
        self.check_products(false, back);
        self.narrow_put(op);
        asm!(self.asm ; =>back);
        true
    }
}
