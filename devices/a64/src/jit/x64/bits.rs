//! Bitfields, extraction, variable shifts, bit counting and reversal.

use super::emit::Emitter;
use super::integer::{immediate, shift, sized, wide};
use super::{RAX, RCX, RDX, asm};
use crate::core::SLOT_SINK;
use crate::decode::{Op, field};
use dynasmrt::DynasmApi;

impl Emitter<'_> {
    pub(super) fn bitfield(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let wide = wide(op);
        let (r, s) = (field(op.insn, 21, 16), field(op.insn, 15, 10));
        let (size, right) = (if wide { 64 } else { 32 }, s >= r);
        match field(op.insn, 30, 29) {
            0 => self.signed_bitfield(op, wide, r, s),
            1 => return self.insert_bitfield(op, wide, right),
            _ => self.unsigned_bitfield(op, wide, size, r, s),
        }
        true
    }

    fn unsigned_bitfield(&mut self, op: &Op, wide: bool, size: u32, r: u32, s: u32) {
        let from = self.get(op.rn, RAX);
        let to = self.target(op.rd, RAX);
        if s >= r {
            match (r, s - r + 1) {
                (0, 8) => asm!(self.asm ; movzx Rd(to), Rb(from)),
                (0, 16) => asm!(self.asm ; movzx Rd(to), Rw(from)),
                (0, 32) => asm!(self.asm ; mov Rd(to), Rd(from)),
                _ if s == size - 1 => {
                    if to != from {
                        sized!(self, wide, mov to, from);
                    }
                    shift!(self, wide, shr to, r as i8);
                }
                (r, bits) => {
                    // The field ends below the top: at most 32 bits fit an immediate mask once they are at the bottom.
                    if to != from {
                        sized!(self, wide, mov to, from);
                    }
                    if bits < 32 {
                        if r != 0 {
                            shift!(self, wide, shr to, r as i8);
                        }
                        asm!(self.asm ; and Rd(to), ((1u64 << bits) - 1) as i32);
                    } else {
                        asm!(self.asm ; shl Rq(to), (63 - s) as i8 ; shr Rq(to), (63 - s + r) as i8);
                    }
                }
            }
        } else {
            let shift = size - r;
            if to != from {
                sized!(self, wide, mov to, from);
            }
            if s + 1 + shift == size {
                shift!(self, wide, shl to, shift as i8);
            } else if s < 31 {
                asm!(self.asm ; and Rd(to), ((1u64 << (s + 1)) - 1) as i32);
                shift!(self, wide, shl to, shift as i8);
            } else {
                // Only at 64 bits: the field is longer than an immediate.
                asm!(self.asm ; shl Rq(to), (63 - s) as i8 ; shr Rq(to), (63 - s - shift) as i8);
            }
        }
        self.put(op.rd, to);
    }

    fn signed_bitfield(&mut self, op: &Op, wide: bool, r: u32, s: u32) {
        let from = self.get(op.rn, RAX);
        let to = self.target(op.rd, RAX);
        let size = if wide { 64 } else { 32 };
        match (r, s, wide) {
            (0, 7, true) => asm!(self.asm ; movsx Rq(to), Rb(from)),
            (0, 15, true) => asm!(self.asm ; movsx Rq(to), Rw(from)),
            (0, 31, true) => asm!(self.asm ; movsxd Rq(to), Rd(from)),
            (0, 7, false) => asm!(self.asm ; movsx Rd(to), Rb(from)),
            (0, 15, false) => asm!(self.asm ; movsx Rd(to), Rw(from)),
            _ => {
                if to != from {
                    sized!(self, wide, mov to, from);
                }
                let up = size - 1 - s;
                // Right: the field goes to the top and back to bit 0. Left: back to bit `size - r`.
                let down = if s >= r { up + r } else { up - (size - r) };
                if up != 0 {
                    shift!(self, wide, shl to, up as i8);
                }
                if down != 0 {
                    shift!(self, wide, sar to, down as i8);
                }
            }
        }
        self.put(op.rd, to);
    }

    fn insert_bitfield(&mut self, op: &Op, wide: bool, right: bool) -> bool {
        let at = u32::from(op.aux[0]) & 63;
        let (mask, place) = if right { (op.imm, op.imm) } else { (op.imm, op.imm << at) };
        self.load_slot(op.rn, RAX);
        if right && at != 0 {
            asm!(self.asm ; shr rax, at as i8);
        }
        self.mask(RAX, mask);
        if !right {
            asm!(self.asm ; shl rax, at as i8);
        }
        let to = self.target(op.rd, RDX);
        self.load_slot(op.rd, to);
        self.mask(to, !place);
        sized!(self, wide, or to, RAX);
        self.put(op.rd, to);
        true
    }

    /// `to &= mask`, by way of RCX where it is long.
    fn mask(&mut self, to: u8, mask: u64) {
        if mask <= 0x7fff_ffff {
            asm!(self.asm ; and Rd(to), mask as i32);
        } else if let Some(mask) = immediate(true, mask) {
            asm!(self.asm ; and Rq(to), mask);
        } else {
            self.constant(RCX, mask);
            asm!(self.asm ; and Rq(to), rcx);
        }
    }

    pub(super) fn extract(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let (wide, lsb) = (wide(op), op.aux[0] as i8);
        if op.rn == op.rm && lsb != 0 {
            // ROR
            let (from, to) = (self.get(op.rm, RAX), self.target(op.rd, RAX));
            if wide {
                asm!(self.asm ; rorx Rq(to), Rq(from), lsb);
            } else {
                asm!(self.asm ; rorx Rd(to), Rd(from), lsb);
            }
            self.put(op.rd, to);
            return true;
        }
        let high = self.get(op.rn, RCX);
        self.load_slot(op.rm, RAX);
        if lsb == 0 {
            sized!(self, wide, mov RAX, RAX);
        } else if wide {
            asm!(self.asm ; shrd rax, Rq(high), lsb);
        } else {
            asm!(self.asm ; shrd eax, Rd(high), lsb);
        }
        self.put(op.rd, RAX);
        true
    }

    pub(super) fn shift_variable(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let wide = wide(op);
        let kind = field(op.insn, 11, 10);
        let from = self.get(op.rn, RAX);
        let by = self.get(op.rm, RCX);
        let to = self.target(op.rd, RAX);
        match (kind, wide) {
            (0, true) => asm!(self.asm ; shlx Rq(to), Rq(from), Rq(by)),
            (0, false) => asm!(self.asm ; shlx Rd(to), Rd(from), Rd(by)),
            (1, true) => asm!(self.asm ; shrx Rq(to), Rq(from), Rq(by)),
            (1, false) => asm!(self.asm ; shrx Rd(to), Rd(from), Rd(by)),
            (2, true) => asm!(self.asm ; sarx Rq(to), Rq(from), Rq(by)),
            (2, false) => asm!(self.asm ; sarx Rd(to), Rd(from), Rd(by)),
            _ => {
                self.load_slot(op.rm, RCX);
                self.load_slot(op.rn, RAX);
                if wide {
                    asm!(self.asm ; ror rax, cl);
                } else {
                    asm!(self.asm ; mov eax, eax ; ror eax, cl);
                }
                self.put(op.rd, RAX);
                return true;
            }
        }
        self.put(op.rd, to);
        true
    }

    pub(super) fn count_zeros(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let from = self.get(op.rn, RAX);
        let to = self.target(op.rd, RAX);
        sized!(self, wide(op), lzcnt to, from);
        self.put(op.rd, to);
        true
    }

    pub(super) fn reverse(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let whole = field(op.insn, 11, 10) == 3;
        self.load_slot(op.rn, RAX);
        if wide(op) {
            asm!(self.asm ; bswap rax);
            if !whole {
                asm!(self.asm ; ror rax, 32);
            }
        } else {
            asm!(self.asm ; bswap eax);
        }
        self.put(op.rd, RAX);
        true
    }

    pub(super) fn reverse_halves(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        self.load_slot(op.rn, RAX);
        asm!(self.asm ; mov rdx, rax ; shr rdx, 8 ; mov rcx, QWORD 0x00ff_00ff_00ff_00ff ; and rdx, rcx ; and rax, rcx ; shl rax, 8);
        if wide(op) {
            asm!(self.asm ; or rax, rdx);
        } else {
            asm!(self.asm ; or eax, edx);
        }
        self.put(op.rd, RAX);
        true
    }
}
