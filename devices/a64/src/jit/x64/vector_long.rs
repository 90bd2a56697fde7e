//! Advanced SIMD: narrow lanes in, wide lanes out.

use super::asm;
use super::emit::Emitter;
use super::vector::{half, size, v, vi};
use super::xmm::{X13, X14, X15};
use crate::decode::Op;
use crate::jit::uses_vector::Sign::{Signed, Unsigned};
use crate::jit::uses_vector::{Long, Sign, Vector};
use dynasmrt::DynasmApi;

impl Emitter<'_> {
    pub(super) fn vector_long(&mut self, op: &Op, vector: Vector) -> bool {
        match vector {
            Vector::Long(sign, long) => {
                let m = self.vget(op.rm, X15);
                self.long(op, sign, long, m)
            }
            Vector::LongElement(sign, long) => {
                self.broadcast(op.rm, size(op), op.aux[1].into(), X15);
                self.long(op, sign, long, X15)
            }
            Vector::Wide(sign, subtract) => {
                let m = self.vget(op.rm, X15);
                self.widen(size(op), sign, !half(op), X15, m);
                let n = self.vget(op.rn, X14);
                let to = self.vtarget(op.rd, X13);
                if subtract {
                    self.sub_lanes(size(op) + 1, to, n, X15);
                } else {
                    self.add_lanes(size(op) + 1, to, n, X15);
                }
                self.vput(op.rd, to);
                true
            }
            _ => false,
        }
    }

    /// The result is in XMM13 and XMM15, or XMM14, before the last step.
    fn long(&mut self, op: &Op, sign: Sign, long: Long, m: u8) -> bool {
        let (n, upper, size) = (self.vget(op.rn, X14), !half(op), size(op));
        let to = self.vtarget(op.rd, X13);
        match long {
            Long::Add | Long::Sub => {
                self.widen(size, sign, upper, X13, n);
                self.widen(size, sign, upper, X15, m);
                if long == Long::Add {
                    self.add_lanes(size + 1, to, X13, X15);
                } else {
                    self.sub_lanes(size + 1, to, X13, X15);
                }
            }
            Long::AbsDiff | Long::AbsDiffAdd => {
                self.max_lanes(size, sign, X13, n, m);
                self.min_lanes(size, sign, X14, n, m);
                self.sub_lanes(size, X13, X13, X14);
                self.widen(size, Unsigned, upper, X15, X13);
                if long == Long::AbsDiff {
                    v!(self, vmovaps to, X15);
                } else {
                    let d = self.vget(op.rd, X13);
                    self.add_lanes(size + 1, to, d, X15);
                }
            }
            Long::Mul | Long::MulAdd | Long::MulSub => {
                self.long_product(size, sign, upper, n, m);
                match long {
                    Long::Mul => v!(self, vmovaps to, X15),
                    Long::MulAdd => {
                        let d = self.vget(op.rd, X13);
                        self.add_lanes(size + 1, to, d, X15);
                    }
                    _ => {
                        let d = self.vget(op.rd, X13);
                        self.sub_lanes(size + 1, to, d, X15);
                    }
                }
            }
        }
        self.vput(op.rd, to);
        true
    }

    /// XMM15 = wide products of the lanes of one half. The other scratch registers are lost.
    fn long_product(&mut self, size: u32, sign: Sign, upper: bool, n: u8, m: u8) {
        match size {
            0 => {
                self.widen(0, sign, upper, X13, n);
                self.widen(0, sign, upper, X15, m);
                v!(self, vpmullw X15, X13, X15);
            }
            1 => {
                v!(self, vpmullw X13, n, m);
                match sign {
                    Signed => v!(self, vpmulhw X15, n, m),
                    Unsigned => v!(self, vpmulhuw X15, n, m),
                }
                if upper {
                    v!(self, vpunpckhwd X15, X13, X15);
                } else {
                    v!(self, vpunpcklwd X15, X13, X15);
                }
            }
            _ => {
                let half = if upper { 0xfa } else { 0x50 };
                vi!(self, vpshufd X13, n, half);
                vi!(self, vpshufd X15, m, half);
                match sign {
                    Signed => v!(self, vpmuldq X15, X13, X15),
                    Unsigned => v!(self, vpmuludq X15, X13, X15),
                }
            }
        }
    }
}
