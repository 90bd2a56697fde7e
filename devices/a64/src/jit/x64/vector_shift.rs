//! Advanced SIMD: shifts, and narrowing.

use super::asm;
use super::emit::Emitter;
use super::vector::{half, lanes, size, splat, v, vi};
use super::xmm::{X13, X14, X15};
use crate::decode::{Op, field};
use crate::jit::uses_vector::Sign::{Signed, Unsigned};
use crate::jit::uses_vector::{Sign, Vector};
use dynasmrt::{DynasmApi, DynasmLabelApi};

/// log2 of the lanes' bytes, from immh.
fn shift_size(op: &Op) -> u32 {
    field(op.insn, 22, 19).max(1).ilog2()
}

/// The same of instructions that narrow, with or without a shift.
fn narrow_size(op: &Op) -> u32 {
    if shifts(op) { shift_size(op) } else { size(op) }
}

/// Of instructions that narrow: there is a distance.
fn shifts(op: &Op) -> bool {
    field(op.insn, 24, 24) == 1
}

/// The bytes of one half of each lane of twice `1 << size` bytes, and zeros.
fn halves_of_lanes(size: u32, high: bool) -> u128 {
    let bytes = 1usize << size;
    u128::from_le_bytes(std::array::from_fn(|at| match at {
        0..8 => (at / bytes * 2 * bytes + at % bytes + if high { bytes } else { 0 }) as u8,
        _ => 0x80,
    }))
}

impl Emitter<'_> {
    pub(super) fn vector_shift(&mut self, op: &Op, vector: Vector) -> bool {
        let by = u32::from(op.aux[1]);
        match vector {
            Vector::ShiftLeft => self.one(op, |e, to, n| e.shift_left(shift_size(op), to, n, by)),
            Vector::ShiftRight(sign) => self.one(op, |e, to, n| e.shift_right(shift_size(op), sign, to, n, by)),
            Vector::ShiftRightAdd(sign) => self.one(op, |e, to, n| {
                e.shift_right(shift_size(op), sign, X14, n, by);
                let d = e.vget(op.rd, X13);
                e.add_lanes(shift_size(op), to, d, X14);
            }),
            Vector::ShiftRightRound(sign) => self.one(op, |e, to, n| {
                e.shift_right_rounded(shift_size(op), sign, n, by);
                e.add_lanes(shift_size(op), to, X13, X14);
            }),
            Vector::ShiftRightRoundAdd(sign) => self.one(op, |e, to, n| {
                e.shift_right_rounded(shift_size(op), sign, n, by);
                e.add_lanes(shift_size(op), X14, X13, X14);
                let d = e.vget(op.rd, X13);
                e.add_lanes(shift_size(op), to, d, X14);
            }),
            Vector::ShiftLeftInsert => self.one(op, |e, to, n| {
                e.shift_left(shift_size(op), X14, n, by);
                e.keep_bits(op, to, !(u64::MAX << by));
            }),
            Vector::ShiftRightInsert => self.one(op, |e, to, n| {
                let size = shift_size(op);
                e.shift_right(size, Unsigned, X14, n, by);
                let all = u64::MAX >> (64 - (8 << size));
                e.keep_bits(op, to, !all.checked_shr(by).unwrap_or(0));
            }),
            Vector::ShiftLong(sign) => self.lengthen(op, shift_size(op), sign, by),
            Vector::ShiftLongWidth => self.lengthen(op, size(op), Unsigned, 8 << size(op)),
            Vector::ShiftVariable(sign) => self.shift_variable_lanes(op, sign),
            Vector::Narrow => self.narrow(op, |_, n| n),
            Vector::NarrowShift => self.narrow(op, |e, n| {
                e.shift_right(narrow_size(op) + 1, Unsigned, X13, n, by);
                X13
            }),
            Vector::NarrowShiftRound => self.narrow(op, |e, n| {
                let wide = narrow_size(op) + 1;
                // What the sum loses at the top is above what is kept.
                let round = e.pool(splat(wide, 1 << (by - 1)));
                asm!(e.asm ; vmovaps Rx(X13), [=>round]);
                e.add_lanes(wide, X13, X13, n);
                e.shift_right(wide, Unsigned, X13, X13, by);
                X13
            }),
            Vector::NarrowSaturate(to, from) => self.narrow_saturated(op, to, from),
            Vector::NarrowHigh { subtract, round } => {
                let (n, m, wide) = (self.vget(op.rn, X14), self.vget(op.rm, X15), size(op) + 1);
                if subtract {
                    self.sub_lanes(wide, X13, n, m);
                } else {
                    self.add_lanes(wide, X13, n, m);
                }
                if round {
                    let round = self.pool(splat(wide, 1 << ((8 << size(op)) - 1)));
                    asm!(self.asm ; vmovaps Rx(X14), [=>round]);
                    self.add_lanes(wide, X13, X13, X14);
                }
                let order = self.pool(halves_of_lanes(size(op), true));
                asm!(self.asm ; vpshufb Rx(X13), Rx(X13), [=>order]);
                self.narrow_put(op)
            }
            _ => false,
        }
    }

    fn shift_left(&mut self, size: u32, to: u8, n: u8, by: u32) {
        match size {
            0 => {
                let mask = self.pool(splat(0, 0xff << by));
                asm!(self.asm ; vpsllw Rx(to), Rx(n), by as i8 ; vpand Rx(to), Rx(to), [=>mask]);
            }
            1 => vi!(self, vpsllw to, n, by),
            2 => vi!(self, vpslld to, n, by),
            _ => vi!(self, vpsllq to, n, by),
        }
    }

    /// To the right by 0 to the lanes' width. XMM15 is lost for signed doublewords.
    pub(super) fn shift_right(&mut self, size: u32, sign: Sign, to: u8, n: u8, by: u32) {
        match (size, sign) {
            (0, Unsigned) => {
                let mask = self.pool(splat(0, 0xff >> by));
                asm!(self.asm ; vpsrlw Rx(to), Rx(n), by as i8 ; vpand Rx(to), Rx(to), [=>mask]);
            }
            (0, Signed) => {
                let by = by.min(7);
                self.shift_right(0, Unsigned, to, n, by);
                let top = self.pool(splat(0, 0x80 >> by));
                asm!(self.asm ; vpxor Rx(to), Rx(to), [=>top] ; vpsubb Rx(to), Rx(to), [=>top]);
            }
            (1, Unsigned) => vi!(self, vpsrlw to, n, by),
            (1, Signed) => vi!(self, vpsraw to, n, by),
            (2, Unsigned) => vi!(self, vpsrld to, n, by),
            (2, Signed) => vi!(self, vpsrad to, n, by),
            (_, Unsigned) => vi!(self, vpsrlq to, n, by),
            (_, Signed) => {
                vi!(self, vpshufd X15, n, 0xf5);
                vi!(self, vpsrad X15, X15, 31);
                vi!(self, vpsllq X15, X15, 64 - by);
                vi!(self, vpsrlq to, n, by);
                v!(self, vpor to, to, X15);
            }
        }
    }

    /// The shifted lanes in XMM13, and what rounding adds to them in XMM14. XMM15 is lost.
    fn shift_right_rounded(&mut self, size: u32, sign: Sign, n: u8, by: u32) {
        self.shift_right(size, sign, X13, n, by);
        self.shift_right(size, Unsigned, X14, n, by.max(1) - 1);
        let one = self.pool(splat(size, 1));
        asm!(self.asm ; vpand Rx(X14), Rx(X14), [=>one]);
    }

    /// `to` = XMM14, and of the destination the bits of a mask for each lane.
    fn keep_bits(&mut self, op: &Op, to: u8, mask: u64) {
        let d = self.vget(op.rd, X13);
        let mask = self.pool(splat(shift_size(op), mask));
        asm!(self.asm ; vpand Rx(X15), Rx(d), [=>mask]);
        v!(self, vpor to, X14, X15);
    }

    /// `to` = the lanes of the lower or upper half of `n`, twice as wide.
    pub(super) fn widen(&mut self, size: u32, sign: Sign, upper: bool, to: u8, n: u8) {
        let n = if upper {
            vi!(self, vpshufd to, n, 0xee);
            to
        } else {
            n
        };
        match sign {
            Signed => lanes!(self, size, [vpmovsxbw vpmovsxwd vpmovsxdq] to, n),
            Unsigned => lanes!(self, size, [vpmovzxbw vpmovzxwd vpmovzxdq] to, n),
        }
    }

    fn lengthen(&mut self, op: &Op, size: u32, sign: Sign, by: u32) -> bool {
        let n = self.vget(op.rn, X14);
        let to = self.vtarget(op.rd, X13);
        self.widen(size, sign, !half(op), to, n);
        if by != 0 {
            self.shift_left(size + 1, to, to, by);
        }
        self.vput(op.rd, to);
        true
    }

    /// By the lowest byte of each lane of the second source, to the right where it is negative.
    fn shift_variable_lanes(&mut self, op: &Op, sign: Sign) -> bool {
        match (size(op), sign) {
            (2, _) => self.three(op, |e, to, n, m| {
                vi!(e, vpslld X15, m, 24);
                vi!(e, vpsrad X15, X15, 24);
                v!(e, vpabsd X13, X15);
                if sign == Signed {
                    v!(e, vpsravd X13, n, X13);
                } else {
                    v!(e, vpsrlvd X13, n, X13);
                }
                v!(e, vpsllvd X14, n, X15);
                asm!(e.asm ; vblendvps Rx(to), Rx(X14), Rx(X13), Rx(X15));
            }),
            (3, Unsigned) => self.three(op, |e, to, n, m| {
                let low = e.pool(splat(3, 0xff));
                v!(e, vpxor X13, X13, X13);
                v!(e, vpsubq X13, X13, m);
                asm!(e.asm ; vpand Rx(X13), Rx(X13), [=>low] ; vpand Rx(X15), Rx(m), [=>low]);
                v!(e, vpsrlvq X13, n, X13);
                v!(e, vpsllvq X14, n, X15);
                vi!(e, vpsllq X15, X15, 56);
                asm!(e.asm ; vblendvpd Rx(to), Rx(X14), Rx(X13), Rx(X15));
            }),
            _ => false,
        }
    }

    /// The low halves of the lanes that `code` gives.
    fn narrow(&mut self, op: &Op, code: impl FnOnce(&mut Self, u8) -> u8) -> bool {
        let n = self.vget(op.rn, X14);
        let from = code(self, n);
        let order = self.pool(halves_of_lanes(narrow_size(op), false));
        asm!(self.asm ; vpshufb Rx(X13), Rx(from), [=>order]);
        self.narrow_put(op)
    }

    /// Writes XMM13, whose upper half is zero: to the destination's upper half, or to the lower, clearing the rest.
    pub(super) fn narrow_put(&mut self, op: &Op) -> bool {
        let to = self.vtarget(op.rd, X13);
        if !half(op) {
            let d = self.vget(op.rd, X14);
            v!(self, vpunpcklqdq to, d, X13);
        } else if to != X13 {
            v!(self, vmovaps to, X13);
        }
        self.vput(op.rd, to);
        true
    }

    fn narrow_saturated(&mut self, op: &Op, to: Sign, from: Sign) -> bool {
        let size = narrow_size(op);
        if size > 1 {
            return false;
        }
        let (rounds, by) = (shifts(op) && field(op.insn, 11, 11) == 1, u32::from(op.aux[1]));
        let n = self.vget(op.rn, X14);
        if rounds {
            self.shift_right_rounded(size + 1, from, n, by);
            self.add_lanes(size + 1, X13, X13, X14);
        } else if shifts(op) {
            self.shift_right(size + 1, from, X13, n, by);
        } else {
            v!(self, vmovaps X13, n);
        }
        if from == Unsigned {
            let most = self.pool(splat(size + 1, u64::MAX >> (64 - (8 << size))));
            asm!(self.asm ; vmovaps Rx(X14), [=>most]);
            self.min_lanes(size + 1, Unsigned, X14, X14, X13);
        } else {
            v!(self, vmovaps X14, X13);
        }
        match (size, to) {
            (0, Signed) => v!(self, vpacksswb X14, X14, X14),
            (0, Unsigned) => v!(self, vpackuswb X14, X14, X14),
            (_, Signed) => v!(self, vpackssdw X14, X14, X14),
            (_, Unsigned) => v!(self, vpackusdw X14, X14, X14),
        }
        self.widen(size, to, false, X15, X14);
        self.saturated_unless_equal(X13, X15);
        v!(self, vmovq X13, X14);
        self.narrow_put(op)
    }
}
