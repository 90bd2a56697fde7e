//! Advanced SIMD: immediates, copies of elements, and bits and bytes within lanes.

use super::emit::Emitter;
use super::vector::{half, v, vi};
use super::xmm::{X13, X14, X15};
use super::{RAX, asm, vector};
use crate::core::SLOT_SINK;
use crate::decode::{Op, field};
use crate::jit::uses_vector::Sign::Signed;
use crate::jit::uses_vector::{Sign, Vector};
use dynasmrt::{DynasmApi, DynasmLabelApi};

/// Both halves of a register: the upper one is zero where only the lower one counts.
fn both(op: &Op) -> u128 {
    if op.aux[0] != 0 { u128::from(op.imm) << 64 | u128::from(op.imm) } else { op.imm.into() }
}

/// log2 of the lanes' bytes, from imm5.
fn copy_size(op: &Op) -> u32 {
    field(op.insn, 20, 16).trailing_zeros().min(3)
}

impl Emitter<'_> {
    pub(super) fn vector_move(&mut self, op: &Op, vector: Vector) -> bool {
        match vector {
            Vector::MoveImmediate => self.move_immediate(op),
            Vector::OrImmediate | Vector::AndImmediate => {
                let value = self.pool(both(op));
                let d = self.vget(op.rd, X13);
                let to = self.vtarget(op.rd, X13);
                if vector == Vector::AndImmediate {
                    asm!(self.asm ; vpand Rx(to), Rx(d), [=>value]);
                    self.vput(op.rd, to);
                    return true;
                }
                asm!(self.asm ; vpor Rx(to), Rx(d), [=>value]);
                self.finish_lanes(op, to)
            }
            Vector::DupElement => {
                let to = self.vtarget(op.rd, X13);
                let scalar = field(op.insn, 28, 28) == 1;
                if scalar {
                    self.element(op.rn, copy_size(op), op.aux[0].into(), to);
                    self.vput(op.rd, to);
                    return true;
                }
                self.broadcast(op.rn, copy_size(op), op.aux[0].into(), to);
                self.finish_lanes(op, to)
            }
            Vector::DupGeneral => {
                let n = self.get(op.rn, RAX);
                let to = self.vtarget(op.rd, X13);
                if copy_size(op) == 3 {
                    asm!(self.asm ; vmovq Rx(to), Rq(n) ; vpbroadcastq Rx(to), Rx(to));
                } else {
                    asm!(self.asm ; vmovd Rx(to), Rd(n));
                    match copy_size(op) {
                        0 => v!(self, vpbroadcastb to, to),
                        1 => v!(self, vpbroadcastw to, to),
                        _ => v!(self, vpbroadcastd to, to),
                    }
                }
                self.finish_lanes(op, to)
            }
            Vector::InsertGeneral => {
                let n = self.get(op.rn, RAX);
                let d = self.vget(op.rd, X13);
                let to = self.vtarget(op.rd, X13);
                self.insert(copy_size(op), op.aux[0], to, d, n);
                self.vput(op.rd, to);
                true
            }
            Vector::InsertElement => self.insert_element(op),
            Vector::ToGeneral(sign) => self.lane_to_general(op, sign),
            Vector::CountOnes => self.one(op, |e, to, n| {
                let counts = e.pool(u128::from_le_bytes([0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4]));
                asm!(e.asm ; vmovaps Rx(X15), [=>counts]);
                e.nibbles(n);
                v!(e, vpshufb X14, X15, X14);
                v!(e, vpshufb X13, X15, X13);
                v!(e, vpaddb to, X13, X14);
            }),
            Vector::ReverseBits => self.one(op, |e, to, n| {
                let reversed = [0u8, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15];
                let (low, high) = (e.pool(u128::from_le_bytes(reversed)), e.pool(u128::from_le_bytes(reversed.map(|bits| bits << 4))));
                e.nibbles(n);
                asm!(e.asm ; vmovaps Rx(X15), [=>low]);
                v!(e, vpshufb X14, X15, X14);
                asm!(e.asm ; vmovaps Rx(X15), [=>high]);
                v!(e, vpshufb X13, X15, X13);
                v!(e, vpor to, X13, X14);
            }),
            Vector::Reverse(container) => self.one(op, |e, to, n| {
                let element = 1 << field(op.insn, 23, 22);
                let from = |byte: u8| {
                    (byte & !(container - 1)) + (container - element - (byte & (container - 1) & !(element - 1))) + (byte & (element - 1))
                };
                let order = e.pool(u128::from_le_bytes(std::array::from_fn(|byte| from(byte as u8))));
                asm!(e.asm ; vpshufb Rx(to), Rx(n), [=>order]);
            }),
            _ => false,
        }
    }

    /// XMM13 = low halves of the bytes of `n`, XMM14 = high ones.
    fn nibbles(&mut self, n: u8) {
        let mask = self.pool(u128::from_le_bytes([15; 16]));
        asm!(self.asm
            ; vpand Rx(X13), Rx(n), [=>mask]
            ; vpsrlw Rx(X14), Rx(n), 4
            ; vpand Rx(X14), Rx(X14), [=>mask]
        );
    }

    fn move_immediate(&mut self, op: &Op) -> bool {
        let to = self.vtarget(op.rd, X13);
        match both(op) {
            0 => v!(self, vpxor to, to, to),
            u128::MAX => self.ones(to),
            value => {
                let value = self.pool(value);
                asm!(self.asm ; vmovaps Rx(to), [=>value]);
            }
        }
        self.vput(op.rd, to);
        true
    }

    /// `to` = an element of a register in all lanes.
    pub(super) fn broadcast(&mut self, from: u8, size: u32, index: u32, to: u8) {
        let Some(host) = self.pins.vector(from) else {
            let at = vector(from) + (index << size) as i32;
            return match size {
                0 => asm!(self.asm ; vpbroadcastb Rx(to), BYTE [rbp + at]),
                1 => asm!(self.asm ; vpbroadcastw Rx(to), WORD [rbp + at]),
                2 => asm!(self.asm ; vbroadcastss Rx(to), DWORD [rbp + at]),
                _ => asm!(self.asm ; vmovddup Rx(to), QWORD [rbp + at]),
            };
        };
        match size {
            2 => return vi!(self, vpshufd to, host, (index & 3) * 0x55),
            3 => return vi!(self, vpshufd to, host, if index == 0 { 0x44 } else { 0xee }),
            _ => {}
        }
        let host = if index == 0 {
            host
        } else {
            vi!(self, vpsrldq to, host, index << size);
            to
        };
        if size == 0 { v!(self, vpbroadcastb to, host) } else { v!(self, vpbroadcastw to, host) }
    }

    /// `to` = an element of a register, with zeros above.
    fn element(&mut self, from: u8, size: u32, index: u32, to: u8) {
        let Some(host) = self.pins.vector(from) else {
            let at = vector(from) + (index << size) as i32;
            return match size {
                0 => asm!(self.asm ; movzx eax, BYTE [rbp + at] ; vmovd Rx(to), eax),
                1 => asm!(self.asm ; movzx eax, WORD [rbp + at] ; vmovd Rx(to), eax),
                2 => asm!(self.asm ; vmovss Rx(to), DWORD [rbp + at]),
                _ => asm!(self.asm ; vmovsd Rx(to), QWORD [rbp + at]),
            };
        };
        match (size, index) {
            (3, 0) => v!(self, vmovq to, host),
            (3, _) => vi!(self, vpsrldq to, host, 8),
            (2, index) => {
                let select = (index << 6 | 0b1110) as i8;
                asm!(self.asm ; vinsertps Rx(to), Rx(host), Rx(host), select);
            }
            (size, index) => {
                self.extract_to(size, index as u8, host, RAX);
                asm!(self.asm ; vmovd Rx(to), eax);
            }
        }
    }

    /// `to = d` with a lane from a general register.
    pub(super) fn insert(&mut self, size: u32, index: u8, to: u8, d: u8, from: u8) {
        let index = index as i8;
        match size {
            0 => asm!(self.asm ; vpinsrb Rx(to), Rx(d), Rd(from), index),
            1 => asm!(self.asm ; vpinsrw Rx(to), Rx(d), Rd(from), index),
            2 => asm!(self.asm ; vpinsrd Rx(to), Rx(d), Rd(from), index),
            _ => asm!(self.asm ; vpinsrq Rx(to), Rx(d), Rq(from), index),
        }
    }

    /// A general register = a lane, with zeros above.
    pub(super) fn extract_to(&mut self, size: u32, index: u8, from: u8, to: u8) {
        let index = index as i8;
        match size {
            0 => asm!(self.asm ; vpextrb Rd(to), Rx(from), index),
            1 => asm!(self.asm ; vpextrw Rd(to), Rx(from), index),
            2 if index == 0 => asm!(self.asm ; vmovd Rd(to), Rx(from)),
            2 => asm!(self.asm ; vpextrd Rd(to), Rx(from), index),
            _ if index == 0 => asm!(self.asm ; vmovq Rq(to), Rx(from)),
            _ => asm!(self.asm ; vpextrq Rq(to), Rx(from), index),
        }
    }

    fn insert_element(&mut self, op: &Op) -> bool {
        let (size, index, source) = (copy_size(op), op.aux[0], op.aux[1]);
        let n = self.vget(op.rn, X14);
        let d = self.vget(op.rd, X13);
        let to = self.vtarget(op.rd, X13);
        match (size, index, source) {
            (2, ..) => {
                let select = ((source & 3) << 6 | (index & 3) << 4) as i8;
                asm!(self.asm ; vinsertps Rx(to), Rx(d), Rx(n), select);
            }
            (3, 0, 0) => vi!(self, vpblendd to, d, n, 0b0011),
            (3, 1, 1) => vi!(self, vpblendd to, d, n, 0b1100),
            (3, 1, 0) => v!(self, vpunpcklqdq to, d, n),
            (3, ..) => {
                vi!(self, vpshufd X14, n, 0x4e);
                vi!(self, vpblendd to, d, X14, 0b0011);
            }
            _ => {
                self.extract_to(size, source, n, RAX);
                self.insert(size, index, to, d, RAX);
            }
        }
        self.vput(op.rd, to);
        true
    }

    fn lane_to_general(&mut self, op: &Op, sign: Sign) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let (size, wide) = (copy_size(op), !half(op));
        let to = self.target(op.rd, RAX);
        let n = self.vget(op.rn, X15);
        self.extract_to(size, op.aux[0], n, to);
        if sign == Signed {
            match (size, wide) {
                (0, false) => asm!(self.asm ; movsx Rd(to), Rb(to)),
                (0, true) => asm!(self.asm ; movsx Rq(to), Rb(to)),
                (1, false) => asm!(self.asm ; movsx Rd(to), Rw(to)),
                (1, true) => asm!(self.asm ; movsx Rq(to), Rw(to)),
                _ => asm!(self.asm ; movsxd Rq(to), Rd(to)),
            }
        }
        self.put(op.rd, to);
        true
    }
}
