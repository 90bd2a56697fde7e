//! Advanced SIMD: permutations and tables.

use super::asm;
use super::emit::Emitter;
use super::vector::{half, lanes, size, splat, v, vi};
use super::xmm::{X13, X14, X15};
use crate::decode::{Op, field};
use crate::jit::uses_vector::Vector;
use dynasmrt::{DynasmApi, DynasmLabelApi};

impl Emitter<'_> {
    pub(super) fn vector_permute(&mut self, op: &Op, vector: Vector) -> bool {
        match vector {
            Vector::Extract => self.three(op, |e, to, n, m| {
                let bytes = op.aux[0] / 8;
                if half(op) {
                    v!(e, vpunpcklqdq X13, n, m);
                    vi!(e, vpsrldq to, X13, bytes);
                } else {
                    vi!(e, vpalignr to, m, n, bytes);
                }
            }),
            Vector::Zip(second) => self.three(op, |e, to, n, m| {
                let size = size(op);
                if !second || half(op) {
                    lanes!(e, size, [vpunpcklbw vpunpcklwd vpunpckldq vpunpcklqdq] to, n, m);
                    if second {
                        vi!(e, vpsrldq to, to, 8);
                    }
                } else {
                    lanes!(e, size, [vpunpckhbw vpunpckhwd vpunpckhdq vpunpckhqdq] to, n, m);
                }
            }),
            Vector::Unzip(second) => {
                let (n, m) = self.concatenated(op);
                let to = self.vtarget(op.rd, X13);
                self.unzip(size(op), second, to, n, m);
                self.finish_lanes(op, to)
            }
            Vector::Transpose(second) => self.three(op, |e, to, n, m| e.transpose(size(op), second, to, n, m)),
            Vector::Table | Vector::TableKeep => self.table(op, vector == Vector::TableKeep),
            _ => false,
        }
    }

    /// Two host registers with the lanes of both sources one after the other: XMM14 twice where half a register counts.
    fn concatenated(&mut self, op: &Op) -> (u8, u8) {
        let (n, m) = (self.vget(op.rn, X14), self.vget(op.rm, X15));
        if half(op) {
            v!(self, vpunpcklqdq X14, n, m);
            return (X14, X14);
        }
        (n, m)
    }

    /// XMM13 = even lanes of both sources one after the other, XMM14 = odd ones.
    pub(super) fn even_and_odd(&mut self, op: &Op, size: u32) {
        let (n, m) = self.concatenated(op);
        self.unzip(size, false, X13, n, m);
        let (n, m) = self.concatenated(op);
        self.unzip(size, true, X14, n, m);
    }

    /// `to` = even or odd lanes of `n` and `m`. Where it needs scratch, that is `to` if it is none of the sources and XMM15, after `m` was read.
    pub(super) fn unzip(&mut self, size: u32, odd: bool, to: u8, n: u8, m: u8) {
        let scratch = if n == m { X15 } else { X14 };
        match (size, odd) {
            (0, false) => {
                let mask = self.pool(splat(1, 0xff));
                asm!(self.asm ; vpand Rx(X15), Rx(m), [=>mask] ; vpand Rx(scratch), Rx(n), [=>mask]);
                v!(self, vpackuswb to, scratch, X15);
            }
            (0, true) => {
                asm!(self.asm ; vpsrlw Rx(X15), Rx(m), 8 ; vpsrlw Rx(scratch), Rx(n), 8);
                v!(self, vpackuswb to, scratch, X15);
            }
            (1, false) => {
                let mask = self.pool(splat(2, 0xffff));
                asm!(self.asm ; vpand Rx(X15), Rx(m), [=>mask] ; vpand Rx(scratch), Rx(n), [=>mask]);
                v!(self, vpackusdw to, scratch, X15);
            }
            (1, true) => {
                asm!(self.asm ; vpsrld Rx(X15), Rx(m), 16 ; vpsrld Rx(scratch), Rx(n), 16);
                v!(self, vpackusdw to, scratch, X15);
            }
            (2, false) => vi!(self, vshufps to, n, m, 0x88),
            (2, true) => vi!(self, vshufps to, n, m, 0xdd),
            (_, false) => v!(self, vpunpcklqdq to, n, m),
            (_, true) => v!(self, vpunpckhqdq to, n, m),
        }
    }

    fn transpose(&mut self, size: u32, second: bool, to: u8, n: u8, m: u8) {
        match (size, second) {
            (0, false) => {
                let mask = self.pool(splat(1, 0xff));
                asm!(self.asm ; vpsllw Rx(X15), Rx(m), 8 ; vpand Rx(X14), Rx(n), [=>mask]);
                v!(self, vpor to, X14, X15);
            }
            (0, true) => {
                let mask = self.pool(splat(1, 0xff00));
                asm!(self.asm ; vpsrlw Rx(X14), Rx(n), 8 ; vpand Rx(X15), Rx(m), [=>mask]);
                v!(self, vpor to, X14, X15);
            }
            (1, false) => {
                asm!(self.asm ; vpslld Rx(X15), Rx(m), 16);
                vi!(self, vpblendw to, n, X15, 0xaa);
            }
            (1, true) => {
                asm!(self.asm ; vpsrld Rx(X14), Rx(n), 16);
                vi!(self, vpblendw to, X14, m, 0xaa);
            }
            (2, false) => {
                asm!(self.asm ; vpsllq Rx(X15), Rx(m), 32);
                vi!(self, vpblendd to, n, X15, 0b1010);
            }
            (2, true) => {
                asm!(self.asm ; vpsrlq Rx(X14), Rx(n), 32);
                vi!(self, vpblendd to, X14, m, 0b1010);
            }
            (_, false) => v!(self, vpunpcklqdq to, n, m),
            (_, true) => v!(self, vpunpckhqdq to, n, m),
        }
    }

    /// The host takes an index modulo 16, or gives zero where its top bit is set: indices beyond are raised to there, with saturation.
    fn table(&mut self, op: &Op, keep: bool) -> bool {
        let registers = field(op.insn, 14, 13) as u8 + 1;
        let beyond = self.pool(splat(0, 0x70));
        let last = self.pool(splat(0, u64::from(16 * registers - 1)));
        for register in 0..registers {
            let m = self.vget(op.rm, X15);
            if register == 0 {
                asm!(self.asm ; vpaddusb Rx(X14), Rx(m), [=>beyond]);
            } else {
                let before = self.pool(splat(0, u64::from(16 * register)));
                asm!(self.asm ; vpsubb Rx(X14), Rx(m), [=>before] ; vpaddusb Rx(X14), Rx(X14), [=>beyond]);
            }
            let table = self.vget(op.rn.wrapping_add(register), X15);
            if register == 0 {
                v!(self, vpshufb X13, table, X14);
            } else {
                v!(self, vpshufb X14, table, X14);
                v!(self, vpor X13, X13, X14);
            }
        }
        if keep {
            // The destination's bytes where the index is beyond the table.
            let m = self.vget(op.rm, X15);
            asm!(self.asm ; vpminub Rx(X14), Rx(m), [=>last]);
            v!(self, vpcmpeqb X14, X14, m);
            let d = self.vget(op.rd, X15);
            v!(self, vpandn X14, X14, d);
            v!(self, vpor X13, X13, X14);
        }
        let to = self.vtarget(op.rd, X13);
        if to != X13 {
            v!(self, vmovaps to, X13);
        }
        self.finish_lanes(op, to)
    }
}
