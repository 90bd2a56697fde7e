//! Loads and stores.
//!
//! The address is looked up in the software TLB in line. Whatever the table does not answer at once is done by the interpreter's handler, which
//! fills it; before that, accesses that are not aligned are tried once more against the page's loose tag.

use super::emit::Emitter;
use super::stubs::frame;
use super::{RAX, RCX, RDX, asm, at};
use crate::core::{SLOT_SINK, SLOT_SP};
use crate::decode::{Op, field};
use crate::jit::translator::Frame;
use crate::jit::uses::{Mode, mode, pair_mode};
use crate::tlb::{ENTRIES, Entry, Table, Tlb};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use std::mem::offset_of;

pub(super) const READ: i32 = at!(tlb) + (offset_of!(Tlb, read) + offset_of!(Table, entries)) as i32;
const READ_COMMON: i32 = at!(tlb) + (offset_of!(Tlb, read) + offset_of!(Table, common)) as i32;
const WRITE_COMMON: i32 = at!(tlb) + (offset_of!(Tlb, write) + offset_of!(Table, common)) as i32;
pub(super) const WRITE: i32 = at!(tlb) + (offset_of!(Tlb, write) + offset_of!(Table, entries)) as i32;

/// One access, as far as the TLB is concerned.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// Bytes that are accessed at once: a power of two.
    pub(super) size: i32,
    /// Accesses one after another: 1 or 2.
    pub(super) count: i32,
    pub(super) store: bool,
}

/// Where the bytes are: the host's address is the sum of both registers.
#[derive(Clone, Copy)]
pub(super) struct Place {
    pub(super) address: u8,
    pub(super) addend: u8,
}

impl Emitter<'_> {
    /// Puts the guest's address of an access into a register: the base register's own, or RDX. `None` if there is no code for it.
    pub(super) fn effective(&mut self, op: &Op, mode: Mode, scale: u8) -> u8 {
        let _ = scale;
        match mode {
            Mode::Post => self.get(op.rn, RDX),
            Mode::Offset | Mode::Pre => {
                let base = self.get(op.rn, RDX);
                let offset = op.imm as i32;
                if offset == 0 {
                    return base;
                }
                self.lea(true, RDX, base, offset);
                RDX
            }
            Mode::Indexed => {
                let base = self.get(op.rn, RDX);
                let (shift, option) = (op.aux[0] & 7, op.aux[1] & 7);
                let index = match option {
                    3 | 7 => self.get(op.rm, RCX),
                    option => {
                        let from = self.get(op.rm, RCX);
                        self.extend(RCX, from, option);
                        RCX
                    }
                };
                match shift {
                    0 => asm!(self.asm ; lea rdx, [Rq(base) + Rq(index)]),
                    1 => asm!(self.asm ; lea rdx, [Rq(base) + Rq(index) * 2]),
                    2 => asm!(self.asm ; lea rdx, [Rq(base) + Rq(index) * 4]),
                    3 => asm!(self.asm ; lea rdx, [Rq(base) + Rq(index) * 8]),
                    shift => {
                        asm!(self.asm ; mov rax, Rq(index) ; shl rax, shift as i8 ; lea rdx, [Rq(base) + rax]);
                    }
                }
                RDX
            }
        }
    }

    /// Looks an access at `address` up in the TLB. RAX and RCX are lost. With the stack pointer as base, `above` is the address's distance from it, if that is
    /// known.
    ///
    /// The code that goes on comes after it; `back` is where the handler's way comes back, once it has done all of the instruction.
    pub(super) fn translate(&mut self, op: &Op, address: u8, span: Span, above: Option<i32>, back: DynamicLabel) -> Place {
        let Span { size, count, store } = span;
        let on_stack = op.rn == SLOT_SP;
        let hit = self.label();
        let last = size * (count - 1);
        // With an aligned stack pointer the address is aligned if its distance is.
        let granule = above.filter(|_| on_stack).map(|above| (above + last) & 15);
        let simple = granule.is_none_or(|granule| granule % size == 0);
        let linear = self.linear;
        let miss = self.later(move |emitter| {
            let found = emitter.label();
            if linear {
                asm!(emitter.asm ; cmp rax, [BYTE rcx + Entry::TAG as i8] ; je =>found);
            }
            if !on_stack && size * count > 1 && simple {
                asm!(emitter.asm
                    ; lea rax, [BYTE Rq(address) + (size * count - 1) as i8]
                    ; and rax, -4096
                    ; cmp rax, [BYTE rcx + Entry::LOOSE as i8]
                    ; je =>found
                );
            }
            asm!(emitter.asm ; inc QWORD [rbp + frame!(misses)]);
            emitter.by_handler(back);
            asm!(emitter.asm ; =>found ; mov rcx, [BYTE rcx + Entry::ADDEND as i8] ; jmp =>hit);
        });
        if on_stack && (granule.is_none() || !simple) {
            let slow = self.later(move |emitter| emitter.by_handler(back));
            let sp = self.get(SLOT_SP, RAX);
            asm!(self.asm ; test Rd(sp), 15 ; jnz =>slow);
        }
        let table = if store { WRITE } else { READ };
        asm!(self.asm
            ; mov ecx, Rd(address)
            ; shr ecx, (12 - Entry::SHIFT) as i8
            ; and ecx, ((ENTRIES - 1) << Entry::SHIFT) as i32
            ; add rcx, [rbp + table]
        );
        let (offset, mask) = match granule {
            Some(granule) if simple => (last - granule, -4096 | 15),
            _ => (last, -4096 | (size - 1)),
        };
        if offset == 0 {
            asm!(self.asm ; mov rax, Rq(address));
        } else {
            self.lea(true, RAX, address, offset);
        }
        match i8::try_from(mask) {
            Ok(mask) => asm!(self.asm ; and rax, BYTE mask),
            Err(_) => asm!(self.asm ; and rax, mask),
        }
        if linear {
            // The host's address does not wait for the entry: that the page has the common addend is checked beside it.
            let common = if store { WRITE_COMMON } else { READ_COMMON };
            asm!(self.asm
                ; cmp rax, [BYTE rcx + Entry::COMMON as i8]
                ; jne =>miss
                ; mov rcx, [rbp + common]
                ; =>hit
            );
        } else {
            asm!(self.asm
                ; cmp rax, [BYTE rcx + Entry::TAG as i8]
                ; jne =>miss
                ; mov rcx, [BYTE rcx + Entry::ADDEND as i8]
                ; =>hit
            );
        }
        Place { address, addend: RCX }
    }

    /// Adds the offset of a mode that writes the base back.
    pub(super) fn write_back(&mut self, op: &Op, mode: Mode) {
        if matches!(mode, Mode::Pre | Mode::Post) {
            let to = self.target(op.rn, RDX);
            self.load_slot(op.rn, to);
            self.lea(true, to, to, op.imm as i32);
            self.put(op.rn, to);
        }
    }

    /// Distance of an access from the stack pointer.
    pub(super) fn above(op: &Op, mode: Mode) -> Option<i32> {
        match mode {
            Mode::Offset | Mode::Pre => Some(op.imm as i32),
            Mode::Post => Some(0),
            Mode::Indexed => None,
        }
    }

    pub(super) fn load(&mut self, op: &Op) -> bool {
        let mode = mode(op.insn);
        let (scale, opc) = (field(op.insn, 31, 30) as u8, field(op.insn, 23, 22));
        if matches!(mode, Mode::Pre | Mode::Post) && op.rd == op.rn {
            return false;
        }
        let back = self.label();
        let address = self.effective(op, mode, scale);
        let span = Span { size: 1 << scale, count: 1, store: false };
        let place = self.translate(op, address, span, Self::above(op, mode), back);
        self.load_general(op.rd, place, 0, scale, opc);
        self.write_back(op, mode);
        asm!(self.asm ; =>back);
        true
    }

    /// Loads a general register: `opc` 1 extends by zeros, 2 by the sign to 64 bits, 3 to 32 bits.
    pub(super) fn load_general(&mut self, to: u8, place: Place, offset: i8, scale: u8, opc: u32) {
        let (a, b) = (place.address, place.addend);
        let host = if to == SLOT_SINK { RAX } else { self.target(to, RAX) };
        match (scale, opc) {
            (0, 1) => asm!(self.asm ; movzx Rd(host), BYTE [BYTE Rq(a) + Rq(b) + offset]),
            (1, 1) => asm!(self.asm ; movzx Rd(host), WORD [BYTE Rq(a) + Rq(b) + offset]),
            (2, 1) => asm!(self.asm ; mov Rd(host), [BYTE Rq(a) + Rq(b) + offset]),
            (0, 2) => asm!(self.asm ; movsx Rq(host), BYTE [BYTE Rq(a) + Rq(b) + offset]),
            (1, 2) => asm!(self.asm ; movsx Rq(host), WORD [BYTE Rq(a) + Rq(b) + offset]),
            (2, 2) => asm!(self.asm ; movsxd Rq(host), DWORD [BYTE Rq(a) + Rq(b) + offset]),
            (0, 3) => asm!(self.asm ; movsx Rd(host), BYTE [BYTE Rq(a) + Rq(b) + offset]),
            (1, 3) => asm!(self.asm ; movsx Rd(host), WORD [BYTE Rq(a) + Rq(b) + offset]),
            _ => asm!(self.asm ; mov Rq(host), [BYTE Rq(a) + Rq(b) + offset]),
        }
        self.put(to, host);
    }

    pub(super) fn load_literal(&mut self, op: &Op) -> bool {
        let opc = field(op.insn, 31, 30);
        let scale = if opc == 1 { 3 } else { 2 };
        let back = self.label();
        let offset = self.offset().wrapping_add(op.imm as i64);
        self.address(RDX, offset);
        let place = self.translate(op, RDX, Span { size: 1 << scale, count: 1, store: false }, None, back);
        self.load_general(op.rd, place, 0, scale, if opc == 2 { 2 } else { 1 });
        asm!(self.asm ; =>back);
        true
    }

    pub(super) fn store(&mut self, op: &Op) -> bool {
        let mode = mode(op.insn);
        let scale = field(op.insn, 31, 30) as u8;
        if matches!(mode, Mode::Pre | Mode::Post) && op.rd == op.rn {
            return false;
        }
        let back = self.label();
        let address = self.effective(op, mode, scale);
        let span = Span { size: 1 << scale, count: 1, store: true };
        let place = self.translate(op, address, span, Self::above(op, mode), back);
        self.store_general(op.rd, place, 0, scale);
        self.write_back(op, mode);
        asm!(self.asm ; =>back);
        true
    }

    fn store_general(&mut self, from: u8, place: Place, offset: i8, scale: u8) {
        let (a, b) = (place.address, place.addend);
        let host = self.get(from, RAX);
        match scale {
            0 => asm!(self.asm ; mov [BYTE Rq(a) + Rq(b) + offset], Rb(host)),
            1 => asm!(self.asm ; mov [BYTE Rq(a) + Rq(b) + offset], Rw(host)),
            2 => asm!(self.asm ; mov [BYTE Rq(a) + Rq(b) + offset], Rd(host)),
            _ => asm!(self.asm ; mov [BYTE Rq(a) + Rq(b) + offset], Rq(host)),
        }
    }

    pub(super) fn load_pair(&mut self, op: &Op) -> bool {
        let mode = pair_mode(op.insn);
        if mode != Mode::Offset && (op.rd == op.rn || op.ra == op.rn) {
            return false;
        }
        let opc = field(op.insn, 31, 30);
        let scale: u8 = if opc == 2 { 3 } else { 2 };
        let back = self.label();
        let address = self.effective(op, mode, scale);
        let span = Span { size: 1 << scale, count: 2, store: false };
        let place = self.translate(op, address, span, Self::above(op, mode), back);
        let place = self.whole(place);
        let extend = if opc == 1 { 2 } else { 1 };
        self.load_general(op.rd, place, 0, scale, extend);
        self.load_general(op.ra, place, 1 << scale, scale, extend);
        self.write_back(op, mode);
        asm!(self.asm ; =>back);
        true
    }

    /// The host's address in RDX alone, so that registers that the guest's address came from may change. The other part is a zero in RCX.
    pub(super) fn whole(&mut self, place: Place) -> Place {
        asm!(self.asm ; lea rdx, [Rq(place.address) + Rq(place.addend)] ; xor ecx, ecx);
        Place { address: RDX, addend: RCX }
    }

    pub(super) fn store_pair(&mut self, op: &Op) -> bool {
        let mode = pair_mode(op.insn);
        if mode != Mode::Offset && (op.rd == op.rn || op.ra == op.rn) {
            return false;
        }
        let scale: u8 = if field(op.insn, 31, 30) == 2 { 3 } else { 2 };
        let back = self.label();
        let address = self.effective(op, mode, scale);
        let span = Span { size: 1 << scale, count: 2, store: true };
        let place = self.translate(op, address, span, Self::above(op, mode), back);
        self.store_general(op.rd, place, 0, scale);
        self.store_general(op.ra, place, 1 << scale, scale);
        self.write_back(op, mode);
        asm!(self.asm ; =>back);
        true
    }
}
