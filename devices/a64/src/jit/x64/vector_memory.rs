//! Loads and stores of SIMD&FP registers. How addresses are looked up, [`super::memory`] says.

use super::emit::Emitter;
use super::memory::{Place, Span};
use super::xmm::X13;
use super::{RDX, asm};
use crate::decode::{Op, field};
use crate::jit::uses::{Width, mode, pair_mode};
use dynasmrt::{DynasmApi, DynasmLabelApi};

/// Log2 of the bytes that a load or store of one register accesses.
fn scale(op: &Op) -> u8 {
    if field(op.insn, 23, 23) != 0 { 4 } else { field(op.insn, 31, 30) as u8 }
}

impl Emitter<'_> {
    pub(super) fn load_vector(&mut self, op: &Op) -> bool {
        let (mode, scale) = (mode(op.insn), scale(op));
        let back = self.label();
        let address = self.effective(op, mode, scale);
        let span = Span { size: 1 << scale, count: 1, store: false };
        let place = self.translate(op, address, span, Self::above(op, mode), back);
        self.load_xmm(op.rd, place, 0, scale);
        self.write_back(op, mode);
        asm!(self.asm ; =>back);
        true
    }

    /// Loads a vector register, and clears what is above the bytes loaded. RAX is lost.
    fn load_xmm(&mut self, to: u8, place: Place, offset: i32, scale: u8) {
        let (a, b) = (place.address, place.addend);
        let host = self.vtarget(to, X13);
        match scale {
            0 => asm!(self.asm ; movzx eax, BYTE [Rq(a) + Rq(b) + offset] ; vmovd Rx(host), eax),
            1 => asm!(self.asm ; movzx eax, WORD [Rq(a) + Rq(b) + offset] ; vmovd Rx(host), eax),
            2 => asm!(self.asm ; vmovss Rx(host), DWORD [Rq(a) + Rq(b) + offset]),
            3 => asm!(self.asm ; vmovsd Rx(host), QWORD [Rq(a) + Rq(b) + offset]),
            _ => asm!(self.asm ; vmovups Rx(host), [Rq(a) + Rq(b) + offset]),
        }
        self.vput(to, host);
    }

    pub(super) fn load_vector_literal(&mut self, op: &Op) -> bool {
        let scale = 2 + field(op.insn, 31, 30) as u8;
        let back = self.label();
        let offset = self.offset().wrapping_add(op.imm as i64);
        self.address(RDX, offset);
        let place = self.translate(op, RDX, Span { size: 1 << scale, count: 1, store: false }, None, back);
        self.load_xmm(op.rd, place, 0, scale);
        asm!(self.asm ; =>back);
        true
    }

    pub(super) fn store_vector(&mut self, op: &Op) -> bool {
        let (mode, scale) = (mode(op.insn), scale(op));
        let back = self.label();
        let address = self.effective(op, mode, scale);
        let span = Span { size: 1 << scale, count: 1, store: true };
        let place = self.translate(op, address, span, Self::above(op, mode), back);
        self.store_xmm(op.rd, place, 0, scale);
        self.write_back(op, mode);
        asm!(self.asm ; =>back);
        true
    }

    fn store_xmm(&mut self, from: u8, place: Place, offset: i32, scale: u8) {
        let (a, b) = (place.address, place.addend);
        let width = match scale {
            0..=2 => Width::Single,
            3 => Width::Double,
            _ => Width::Whole,
        };
        let host = self.sget(from, width, X13);
        match scale {
            0 => asm!(self.asm ; vpextrb [Rq(a) + Rq(b) + offset], Rx(host), 0),
            1 => asm!(self.asm ; vpextrw [Rq(a) + Rq(b) + offset], Rx(host), 0),
            2 => asm!(self.asm ; vmovss DWORD [Rq(a) + Rq(b) + offset], Rx(host)),
            3 => asm!(self.asm ; vmovsd QWORD [Rq(a) + Rq(b) + offset], Rx(host)),
            _ => asm!(self.asm ; vmovups [Rq(a) + Rq(b) + offset], Rx(host)),
        }
    }

    pub(super) fn load_vector_pair(&mut self, op: &Op) -> bool {
        let (mode, scale) = (pair_mode(op.insn), 2 + field(op.insn, 31, 30) as u8);
        let back = self.label();
        let address = self.effective(op, mode, scale);
        let span = Span { size: 1 << scale, count: 2, store: false };
        let place = self.translate(op, address, span, Self::above(op, mode), back);
        self.load_xmm(op.rd, place, 0, scale);
        self.load_xmm(op.ra, place, 1 << scale, scale);
        self.write_back(op, mode);
        asm!(self.asm ; =>back);
        true
    }

    pub(super) fn store_vector_pair(&mut self, op: &Op) -> bool {
        let (mode, scale) = (pair_mode(op.insn), 2 + field(op.insn, 31, 30) as u8);
        let back = self.label();
        let address = self.effective(op, mode, scale);
        let span = Span { size: 1 << scale, count: 2, store: true };
        let place = self.translate(op, address, span, Self::above(op, mode), back);
        self.store_xmm(op.rd, place, 0, scale);
        self.store_xmm(op.ra, place, 1 << scale, scale);
        self.write_back(op, mode);
        asm!(self.asm ; =>back);
        true
    }
}
