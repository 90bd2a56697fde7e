//! Advanced SIMD on integers: lanes with lanes of the same size.
//!
//! Templates compute all 128 bits; the forms on half a register then clear the upper half. Sources that are not held are loaded to XMM14 and XMM15, so that
//! what needs more scratch loads them again. The destination is written last, as it may be a source.

use super::asm;
use super::emit::Emitter;
use super::stubs::FPSR;
use super::xmm::{X13, X14, X15};
use crate::decode::{Op, field};
use crate::fp::format::QC;
use crate::jit::uses_vector::Sign::{Signed, Unsigned};
use crate::jit::uses_vector::{Reduce, Sign, Vector};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

/// One instruction on vector registers.
macro_rules! v {
    ($e:expr, $name:ident $a:expr, $b:expr) => {
        asm!($e.asm ; $name Rx($a), Rx($b))
    };
    ($e:expr, $name:ident $a:expr, $b:expr, $c:expr) => {
        asm!($e.asm ; $name Rx($a), Rx($b), Rx($c))
    };
}

/// One instruction with an immediate operand. Those with two sources are the ones that dynasm takes for `ENC_MR`, although the second source is what the
/// ModRM byte names: in its register form it has them the wrong way round.
macro_rules! vi {
    ($e:expr, $name:ident $a:expr, $b:expr, $imm:expr) => {
        {
            // The assembler's macro forgets what an expression's parts belong to.
            let imm = $imm as u32 as i8;
            asm!($e.asm ; $name Rx($a), Rx($b), imm)
        }
    };
    ($e:expr, $name:ident $a:expr, $b:expr, $c:expr, $imm:expr) => {
        {
            let imm = $imm as u32 as i8;
            asm!($e.asm ; $name Rx($a), Rx($c), Rx($b), imm)
        }
    };
}

/// One instruction by the lanes' size: log2 of their bytes.
macro_rules! lanes {
    ($e:expr, $size:expr, [$b:ident $h:ident $s:ident] $($arg:expr),+) => {
        match $size {
            0 => v!($e, $b $($arg),+),
            1 => v!($e, $h $($arg),+),
            _ => v!($e, $s $($arg),+),
        }
    };
    ($e:expr, $size:expr, [$b:ident $h:ident $s:ident $d:ident] $($arg:expr),+) => {
        match $size {
            0 => v!($e, $b $($arg),+),
            1 => v!($e, $h $($arg),+),
            2 => v!($e, $s $($arg),+),
            _ => v!($e, $d $($arg),+),
        }
    };
}
pub(super) use {lanes, v, vi};

/// Only the low half counts: the form on half a register, or a scalar one.
pub(super) fn half(op: &Op) -> bool {
    field(op.insn, 30, 30) == 0 || field(op.insn, 28, 28) == 1
}

/// log2 of the lanes' bytes, where the encoding has it in its usual place.
pub(super) fn size(op: &Op) -> u32 {
    field(op.insn, 23, 22)
}

/// A pattern of lanes of `1 << size` bytes, all of them the same.
pub(super) fn splat(size: u32, lane: u64) -> u128 {
    let bits = 8u32 << size;
    let half = (lane & u64::MAX >> (64 - bits)).wrapping_mul(u64::MAX / (u64::MAX >> (64 - bits)));
    u128::from(half) << 64 | u128::from(half)
}

impl Emitter<'_> {
    pub(super) fn vector(&mut self, op: &Op, vector: Vector) -> bool {
        match vector {
            Vector::And | Vector::Bic | Vector::Orr | Vector::Orn | Vector::Eor => self.logical(op, vector),
            Vector::Bsl | Vector::Bit | Vector::Bif => self.choose(op, vector),
            Vector::Not => self.one(op, |e, to, n| {
                e.ones(X13);
                v!(e, vpxor to, n, X13);
            }),
            Vector::Add => self.three(op, |e, to, n, m| e.add_lanes(size(op), to, n, m)),
            Vector::Sub => self.three(op, |e, to, n, m| e.sub_lanes(size(op), to, n, m)),
            Vector::Mul | Vector::MulElement => self.three_element(op, vector == Vector::MulElement, |e, to, m| {
                e.multiply(op, m);
                v!(e, vmovaps to, X15);
            }),
            Vector::Mla | Vector::MlaElement => self.three_element(op, vector == Vector::MlaElement, |e, to, m| {
                e.multiply(op, m);
                let d = e.vget(op.rd, X13);
                e.add_lanes(size(op), to, d, X15);
            }),
            Vector::Mls | Vector::MlsElement => self.three_element(op, vector == Vector::MlsElement, |e, to, m| {
                e.multiply(op, m);
                let d = e.vget(op.rd, X13);
                e.sub_lanes(size(op), to, d, X15);
            }),
            Vector::Max(sign) => self.three(op, |e, to, n, m| e.max_lanes(size(op), sign, to, n, m)),
            Vector::Min(sign) => self.three(op, |e, to, n, m| e.min_lanes(size(op), sign, to, n, m)),
            Vector::AbsDiff(sign) => self.three(op, |e, to, n, m| {
                e.max_lanes(size(op), sign, X13, n, m);
                e.min_lanes(size(op), sign, X14, n, m);
                e.sub_lanes(size(op), to, X13, X14);
            }),
            Vector::AbsDiffAdd(sign) => self.three(op, |e, to, n, m| {
                e.max_lanes(size(op), sign, X13, n, m);
                e.min_lanes(size(op), sign, X14, n, m);
                e.sub_lanes(size(op), X14, X13, X14);
                let d = e.vget(op.rd, X13);
                e.add_lanes(size(op), to, d, X14);
            }),
            Vector::HalfAdd(sign) | Vector::HalfAddRound(sign) | Vector::HalfSub(sign) => {
                self.three(op, |e, to, n, m| e.halving(size(op), vector, sign, to, n, m))
            }
            Vector::Equal => self.three(op, |e, to, n, m| e.equal_lanes(size(op), to, n, m)),
            Vector::Greater(sign) => self.three(op, |e, to, n, m| e.greater_lanes(size(op), sign, to, n, m)),
            Vector::GreaterEqual(sign) => self.three(op, |e, to, n, m| e.greater_equal_lanes(size(op), sign, to, n, m)),
            Vector::Test => self.three(op, |e, to, n, m| {
                v!(e, vpand X14, n, m);
                v!(e, vpxor X13, X13, X13);
                e.equal_lanes(size(op), X14, X14, X13);
                e.ones(X13);
                v!(e, vpxor to, X14, X13);
            }),
            Vector::EqualZero => self.with_zero(op, |e, to, n, zero| e.equal_lanes(size(op), to, n, zero)),
            Vector::GreaterZero => self.with_zero(op, |e, to, n, zero| e.greater_lanes(size(op), Signed, to, n, zero)),
            Vector::GreaterEqualZero => self.with_zero(op, |e, to, n, zero| e.greater_equal_lanes(size(op), Signed, to, n, zero)),
            Vector::LessZero => self.with_zero(op, |e, to, n, zero| e.greater_lanes(size(op), Signed, to, zero, n)),
            Vector::LessEqualZero => self.with_zero(op, |e, to, n, zero| e.greater_equal_lanes(size(op), Signed, to, zero, n)),
            Vector::SaturatingAdd(sign) | Vector::SaturatingSub(sign) => {
                self.saturating(op, matches!(vector, Vector::SaturatingSub(_)), sign)
            }
            Vector::Abs => self.one(op, |e, to, n| match size(op) {
                3 => {
                    v!(e, vpxor X13, X13, X13);
                    v!(e, vpcmpgtq X13, X13, n);
                    v!(e, vpxor X14, n, X13);
                    v!(e, vpsubq to, X14, X13);
                }
                size => lanes!(e, size, [vpabsb vpabsw vpabsd] to, n),
            }),
            Vector::Neg => self.with_zero(op, |e, to, n, zero| e.sub_lanes(size(op), to, zero, n)),
            Vector::AddPairs | Vector::MaxPairs(_) | Vector::MinPairs(_) => self.pairs(op, vector),
            Vector::LongPairs(sign) => self.one(op, |e, to, n| {
                e.long_pairs(size(op), sign, n);
                v!(e, vmovaps to, X13);
            }),
            Vector::LongPairsAdd(sign) => self.one(op, |e, to, n| {
                e.long_pairs(size(op), sign, n);
                let d = e.vget(op.rd, X14);
                e.add_lanes(size(op) + 1, to, d, X13);
            }),
            Vector::Across(reduce) => self.across(op, reduce),
            Vector::AddHalves => self.one(op, |e, to, n| {
                vi!(e, vpshufd X13, n, 0x4e);
                v!(e, vpaddq to, n, X13);
            }),
            Vector::Float(float) => self.vector_float(op, float),
            Vector::Structure(structure) => self.structure(op, structure),
            _ => {
                self.vector_move(op, vector)
                    || self.vector_permute(op, vector)
                    || self.vector_shift(op, vector)
                    || self.vector_long(op, vector)
            }
        }
    }

    /// One source: `code` is given the destination and the source.
    pub(super) fn one(&mut self, op: &Op, code: impl FnOnce(&mut Self, u8, u8)) -> bool {
        let n = self.vget(op.rn, X14);
        let to = self.vtarget(op.rd, X13);
        code(self, to, n);
        self.finish_lanes(op, to)
    }

    /// Two sources.
    pub(super) fn three(&mut self, op: &Op, code: impl FnOnce(&mut Self, u8, u8, u8)) -> bool {
        let m = self.vget(op.rm, X15);
        self.one(op, |e, to, n| code(e, to, n, m))
    }

    /// A source and zeros.
    fn with_zero(&mut self, op: &Op, code: impl FnOnce(&mut Self, u8, u8, u8)) -> bool {
        self.one(op, |e, to, n| {
            v!(e, vpxor X15, X15, X15);
            code(e, to, n, X15);
        })
    }

    /// A second source that may be one element of its register: then it is in XMM15. `code` is given the destination and that source.
    pub(super) fn three_element(&mut self, op: &Op, element: bool, code: impl FnOnce(&mut Self, u8, u8)) -> bool {
        let m = if element {
            self.broadcast(op.rm, size(op), op.aux[1].into(), X15);
            X15
        } else {
            self.vget(op.rm, X15)
        };
        let to = self.vtarget(op.rd, X13);
        code(self, to, m);
        self.finish_lanes(op, to)
    }

    /// Writes the destination, without its upper half where that does not count.
    pub(super) fn finish_lanes(&mut self, op: &Op, to: u8) -> bool {
        if half(op) {
            v!(self, vmovq to, to);
        }
        self.vput(op.rd, to);
        true
    }

    pub(super) fn ones(&mut self, to: u8) {
        v!(self, vpcmpeqd to, to, to);
    }

    pub(super) fn add_lanes(&mut self, size: u32, to: u8, n: u8, m: u8) {
        lanes!(self, size, [vpaddb vpaddw vpaddd vpaddq] to, n, m);
    }

    pub(super) fn sub_lanes(&mut self, size: u32, to: u8, n: u8, m: u8) {
        lanes!(self, size, [vpsubb vpsubw vpsubd vpsubq] to, n, m);
    }

    pub(super) fn max_lanes(&mut self, size: u32, sign: Sign, to: u8, n: u8, m: u8) {
        match sign {
            Signed => lanes!(self, size, [vpmaxsb vpmaxsw vpmaxsd] to, n, m),
            Unsigned => lanes!(self, size, [vpmaxub vpmaxuw vpmaxud] to, n, m),
        }
    }

    pub(super) fn min_lanes(&mut self, size: u32, sign: Sign, to: u8, n: u8, m: u8) {
        match sign {
            Signed => lanes!(self, size, [vpminsb vpminsw vpminsd] to, n, m),
            Unsigned => lanes!(self, size, [vpminub vpminuw vpminud] to, n, m),
        }
    }

    fn equal_lanes(&mut self, size: u32, to: u8, n: u8, m: u8) {
        lanes!(self, size, [vpcmpeqb vpcmpeqw vpcmpeqd vpcmpeqq] to, n, m);
    }

    /// XMM13 is lost.
    fn greater_lanes(&mut self, size: u32, sign: Sign, to: u8, n: u8, m: u8) {
        if sign == Signed {
            return lanes!(self, size, [vpcmpgtb vpcmpgtw vpcmpgtd vpcmpgtq] to, n, m);
        }
        if size == 3 {
            let bias = self.pool(splat(3, 1 << 63));
            asm!(self.asm ; vpxor Rx(X13), Rx(n), [=>bias] ; vpxor Rx(X15), Rx(m), [=>bias]);
            return v!(self, vpcmpgtq to, X13, X15);
        }
        self.min_lanes(size, Unsigned, X13, n, m);
        self.equal_lanes(size, X13, X13, n);
        self.invert(to, X13, X15);
    }

    /// XMM13 and XMM15 are lost.
    fn greater_equal_lanes(&mut self, size: u32, sign: Sign, to: u8, n: u8, m: u8) {
        if sign == Unsigned && size < 3 {
            self.max_lanes(size, Unsigned, X13, n, m);
            return self.equal_lanes(size, to, X13, n);
        }
        if sign == Unsigned {
            let bias = self.pool(splat(3, 1 << 63));
            asm!(self.asm ; vpxor Rx(X13), Rx(n), [=>bias] ; vpxor Rx(X15), Rx(m), [=>bias]);
            v!(self, vpcmpgtq X13, X15, X13);
        } else {
            lanes!(self, size, [vpcmpgtb vpcmpgtw vpcmpgtd vpcmpgtq] X13, m, n);
        }
        self.invert(to, X13, X15);
    }

    /// `to = !from`; a scratch register is lost.
    fn invert(&mut self, to: u8, from: u8, scratch: u8) {
        self.ones(scratch);
        v!(self, vpxor to, from, scratch);
    }

    fn logical(&mut self, op: &Op, vector: Vector) -> bool {
        self.three(op, |e, to, n, m| match vector {
            Vector::And => v!(e, vpand to, n, m),
            Vector::Bic => v!(e, vpandn to, m, n),
            Vector::Orr if op.rn == op.rm => {
                if to != n {
                    v!(e, vmovaps to, n);
                }
            }
            Vector::Orr => v!(e, vpor to, n, m),
            Vector::Eor => v!(e, vpxor to, n, m),
            _ => {
                e.invert(X15, m, X13);
                v!(e, vpor to, n, X15);
            }
        })
    }

    /// BSL, BIT, BIF: bits of two of the registers as the third says.
    fn choose(&mut self, op: &Op, vector: Vector) -> bool {
        let d = self.vget(op.rd, X13);
        self.three(op, |e, to, n, m| {
            // (mask, where it is set, where it is not)
            let (mask, set, clear) = match vector {
                Vector::Bsl => (d, n, m),
                Vector::Bit => (m, n, d),
                _ => (m, d, n),
            };
            if vector == Vector::Bsl {
                v!(e, vpand X14, mask, set);
                v!(e, vpandn X15, mask, clear);
                v!(e, vpor to, X14, X15);
            } else {
                v!(e, vpand X13, mask, set);
                let clear = if vector == Vector::Bit { e.vget(op.rd, X14) } else { clear };
                v!(e, vpandn X15, mask, clear);
                v!(e, vpor to, X13, X15);
            }
        })
    }

    /// XMM15 = lanes of `rn` times those of `m`, which is XMM15 or a register that is held. XMM13 and XMM14 are lost.
    fn multiply(&mut self, op: &Op, m: u8) {
        let n = self.vget(op.rn, X14);
        match size(op) {
            0 => {
                let (low, high) = (self.pool(splat(1, 0xff)), self.pool(splat(1, 0xff00)));
                // Odd bytes, then even ones.
                asm!(self.asm ; vpsrlw Rx(X13), Rx(n), 8 ; vpand Rx(X15), Rx(m), [=>high]);
                v!(self, vpmullw X13, X13, X15);
                let m = self.vget(op.rm, X15);
                v!(self, vpmullw X15, n, m);
                asm!(self.asm ; vpand Rx(X15), Rx(X15), [=>low]);
                v!(self, vpor X15, X13, X15);
            }
            1 => v!(self, vpmullw X15, n, m),
            _ => v!(self, vpmulld X15, n, m),
        }
    }

    /// Halves of sums and differences, without the bit that those need on top.
    fn halving(&mut self, size: u32, vector: Vector, sign: Sign, to: u8, n: u8, m: u8) {
        if vector == Vector::HalfAddRound(Unsigned) && size < 2 {
            return if size == 0 { v!(self, vpavgb to, n, m) } else { v!(self, vpavgw to, n, m) };
        }
        v!(self, vpxor X13, n, m);
        match vector {
            Vector::HalfAdd(_) => v!(self, vpand X14, n, m),
            Vector::HalfAddRound(_) => v!(self, vpor X14, n, m),
            _ => v!(self, vpandn X14, n, m),
        }
        self.shift_right(size, sign, X13, X13, 1);
        if matches!(vector, Vector::HalfAdd(_)) {
            self.add_lanes(size, to, X13, X14);
        } else if matches!(vector, Vector::HalfAddRound(_)) {
            self.sub_lanes(size, to, X14, X13);
        } else {
            self.sub_lanes(size, to, X13, X14);
        }
    }

    /// Saturation is noted if two registers differ. The second is lost, and so are the flags.
    pub(super) fn saturated_unless_equal(&mut self, a: u8, b: u8) {
        v!(self, vpxor b, b, a);
        v!(self, vptest b, b);
        let back = self.label();
        let note = self.later(move |emitter| {
            asm!(emitter.asm ; or DWORD [rbp + FPSR], QC as i32 ; jmp =>back);
        });
        asm!(self.asm ; jnz =>note ; =>back);
    }

    fn saturating(&mut self, op: &Op, subtract: bool, sign: Sign) -> bool {
        if size(op) > 1 {
            return false;
        }
        self.three(op, |e, to, n, m| {
            let (n, m) = if half(op) {
                v!(e, vmovq X14, n);
                v!(e, vmovq X15, m);
                (X14, X15)
            } else {
                (n, m)
            };
            match (subtract, sign, size(op)) {
                (false, Signed, 0) => v!(e, vpaddsb X13, n, m),
                (false, Signed, _) => v!(e, vpaddsw X13, n, m),
                (false, Unsigned, 0) => v!(e, vpaddusb X13, n, m),
                (false, Unsigned, _) => v!(e, vpaddusw X13, n, m),
                (true, Signed, 0) => v!(e, vpsubsb X13, n, m),
                (true, Signed, _) => v!(e, vpsubsw X13, n, m),
                (true, Unsigned, 0) => v!(e, vpsubusb X13, n, m),
                (true, Unsigned, _) => v!(e, vpsubusw X13, n, m),
            }
            if subtract {
                e.sub_lanes(size(op), X14, n, m);
            } else {
                e.add_lanes(size(op), X14, n, m);
            }
            e.saturated_unless_equal(X13, X14);
            if to != X13 {
                v!(e, vmovaps to, X13);
            }
        })
    }

    /// Neighbours of both sources, one after the other.
    fn pairs(&mut self, op: &Op, vector: Vector) -> bool {
        let size = size(op);
        self.even_and_odd(op, size);
        let to = self.vtarget(op.rd, X13);
        match vector {
            Vector::MaxPairs(sign) => self.max_lanes(size, sign, to, X13, X14),
            Vector::MinPairs(sign) => self.min_lanes(size, sign, to, X13, X14),
            _ => self.add_lanes(size, to, X13, X14),
        }
        self.finish_lanes(op, to)
    }

    /// XMM13 = sums of neighbours of `n`, in lanes of twice the size. XMM14 is lost, after `n` was read.
    fn long_pairs(&mut self, size: u32, sign: Sign, n: u8) {
        match (size, sign) {
            (0, Unsigned) => {
                let ones = self.pool(splat(0, 1));
                asm!(self.asm ; vpmaddubsw Rx(X13), Rx(n), [=>ones]);
            }
            (0, Signed) => {
                let ones = self.pool(splat(0, 1));
                asm!(self.asm ; vmovaps Rx(X13), [=>ones]);
                v!(self, vpmaddubsw X13, X13, n);
            }
            (1, Signed) => {
                let ones = self.pool(splat(1, 1));
                asm!(self.asm ; vpmaddwd Rx(X13), Rx(n), [=>ones]);
            }
            (1, Unsigned) => {
                v!(self, vpxor X13, X13, X13);
                vi!(self, vpblendw X13, n, X13, 0xaa);
                asm!(self.asm ; vpsrld Rx(X14), Rx(n), 16);
                v!(self, vpaddd X13, X13, X14);
            }
            (_, Unsigned) => {
                v!(self, vpxor X13, X13, X13);
                vi!(self, vpblendw X13, n, X13, 0xcc);
                asm!(self.asm ; vpsrlq Rx(X14), Rx(n), 32);
                v!(self, vpaddq X13, X13, X14);
            }
            (_, Signed) => {
                let ones = self.pool(splat(2, 1));
                asm!(self.asm ; vpmuldq Rx(X13), Rx(n), [=>ones]);
                vi!(self, vpshufd X14, n, 0xf5);
                asm!(self.asm ; vpmuldq Rx(X14), Rx(X14), [=>ones]);
                v!(self, vpaddq X13, X13, X14);
            }
        }
    }

    fn across(&mut self, op: &Op, reduce: Reduce) -> bool {
        let size = size(op);
        let (mut lanes, mut wide) = (size, size);
        self.vload(op.rn, X13);
        match reduce {
            // What is added twice or not at all makes no difference.
            Reduce::Max(_) | Reduce::Min(_) if half(op) => v!(self, vpunpcklqdq X13, X13, X13),
            _ if half(op) => v!(self, vmovq X13, X13),
            _ => {}
        }
        if let Reduce::LongAdd(sign) = reduce {
            v!(self, vmovaps X15, X13);
            self.long_pairs(size, sign, X15);
            (lanes, wide) = (size + 1, size + 1);
        }
        let join = |e: &mut Self| match reduce {
            Reduce::Max(sign) => e.max_lanes(lanes, sign, X13, X13, X14),
            Reduce::Min(sign) => e.min_lanes(lanes, sign, X13, X13, X14),
            _ => e.add_lanes(lanes, X13, X13, X14),
        };
        vi!(self, vpshufd X14, X13, 0x4e);
        join(self);
        if lanes < 3 {
            vi!(self, vpshufd X14, X13, 0xb1);
            join(self);
        }
        if lanes < 2 {
            asm!(self.asm ; vpsrld Rx(X14), Rx(X13), 16);
            join(self);
        }
        if lanes < 1 {
            asm!(self.asm ; vpsrlw Rx(X14), Rx(X13), 8);
            join(self);
        }
        let mask: DynamicLabel = self.pool(u128::from(u64::MAX >> (64 - (8 << wide))));
        let to = self.vtarget(op.rd, X13);
        asm!(self.asm ; vpand Rx(to), Rx(X13), [=>mask]);
        self.vput(op.rd, to);
        true
    }
}
