//! Exclusive, acquire and release accesses, and barriers: as in [`crate::int::exclusive`] and [`crate::system`].
//!
//! The host keeps all orders but that of a store before a later load. So a load is an acquire as it is, a store that must come before what follows is an
//! exchange, and barriers that order loads, or stores, among themselves need no code.

use super::emit::Emitter;
use super::memory::{Place, READ, WRITE};
use super::stubs::frame;
use super::{RAX, RCX, RDX, asm, at};
use crate::core::SLOT_SP;
use crate::decode::{Op, field};
use crate::jit::translator::Frame;
use crate::mem::Monitor;
use crate::tlb::{ENTRIES, Entry};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};
use std::mem::offset_of;

const ARMED: i32 = at!(monitor) + offset_of!(Monitor, armed) as i32;
const AT: i32 = at!(monitor) + offset_of!(Monitor, at) as i32;
const VALUE: i32 = at!(monitor) + offset_of!(Monitor, value) as i32;

const _: () = assert!(offset_of!(Monitor, size) == offset_of!(Monitor, armed) + 1, "both are accessed as one");

/// [`Monitor::armed`] and [`Monitor::size`] of an armed monitor.
fn armed(scale: u8) -> i16 {
    1 | 1 << (8 + scale)
}

impl Emitter<'_> {
    /// The host's address in RDX of an access that must be aligned. RAX and RCX are lost. Whatever the TLB does not answer is done
    /// by the handler, and goes on at `back`.
    fn locate(&mut self, op: &Op, scale: u8, table: i32, back: DynamicLabel) -> Place {
        let miss = self.later(move |emitter| {
            asm!(emitter.asm ; inc QWORD [rbp + frame!(misses)]);
            emitter.by_handler(back);
        });
        let address = self.get(op.rn, RDX);
        if op.rn == SLOT_SP {
            asm!(self.asm ; test Rd(address), 15 ; jnz =>miss);
        }
        asm!(self.asm
            ; mov ecx, Rd(address)
            ; shr ecx, (12 - Entry::SHIFT) as i8
            ; and ecx, ((ENTRIES - 1) << Entry::SHIFT) as i32
            ; add rcx, [rbp + table]
            ; mov rax, Rq(address)
            ; and rax, -4096 | ((1 << scale) - 1)
            ; cmp rax, [rcx + Entry::TAG as i32]
            ; jne =>miss
            ; mov rcx, [rcx + Entry::ADDEND as i32]
        );
        self.whole(Place { address, addend: RCX })
    }

    pub(super) fn load_exclusive(&mut self, op: &Op) -> bool {
        let scale = field(op.insn, 31, 30) as u8;
        let back = self.label();
        self.locate(op, scale, READ, back);
        asm!(self.asm
            ; mov [rbp + AT], rdx
            ; mov WORD [rbp + ARMED], armed(scale)
            ; mov QWORD [rbp + VALUE + 8], 0
        );
        // Whatever the size, the value is extended by zeros.
        match scale {
            0 => asm!(self.asm ; movzx eax, BYTE [rdx]),
            1 => asm!(self.asm ; movzx eax, WORD [rdx]),
            2 => asm!(self.asm ; mov eax, [rdx]),
            _ => asm!(self.asm ; mov rax, [rdx]),
        }
        asm!(self.asm ; mov [rbp + VALUE], rax);
        self.put(op.rd, RAX);
        asm!(self.asm ; =>back);
        true
    }

    pub(super) fn store_exclusive(&mut self, op: &Op) -> bool {
        let scale = field(op.insn, 31, 30) as u8;
        let (back, done) = (self.label(), self.label());
        let status = op.rm;
        let failed = self.later(move |emitter| {
            asm!(emitter.asm ; mov ecx, 1 ; jmp =>done);
        });
        self.locate(op, scale, WRITE, back);
        asm!(self.asm
            ; cmp WORD [rbp + ARMED], armed(scale)
            ; mov BYTE [rbp + ARMED], 0
            ; jne =>failed
            ; cmp rdx, [rbp + AT]
            ; jne =>failed
            ; mov rax, [rbp + VALUE]
        );
        let value = self.get(op.rd, RCX);
        match scale {
            0 => asm!(self.asm ; lock cmpxchg [rdx], Rb(value)),
            1 => asm!(self.asm ; lock cmpxchg [rdx], Rw(value)),
            2 => asm!(self.asm ; lock cmpxchg [rdx], Rd(value)),
            _ => asm!(self.asm ; lock cmpxchg [rdx], Rq(value)),
        }
        asm!(self.asm ; setne cl ; movzx ecx, cl ; =>done);
        self.put(status, RCX);
        asm!(self.asm ; =>back);
        true
    }

    pub(super) fn load_acquire(&mut self, op: &Op) -> bool {
        let scale = field(op.insn, 31, 30) as u8;
        let back = self.label();
        let place = self.locate(op, scale, READ, back);
        self.load_general(op.rd, place, 0, scale, 1);
        asm!(self.asm ; =>back);
        true
    }

    pub(super) fn store_release(&mut self, op: &Op) -> bool {
        let scale = field(op.insn, 31, 30) as u8;
        let back = self.label();
        self.locate(op, scale, WRITE, back);
        self.load_slot(op.rd, RAX);
        match scale {
            0 => asm!(self.asm ; xchg [rdx], al),
            1 => asm!(self.asm ; xchg [rdx], ax),
            2 => asm!(self.asm ; xchg [rdx], eax),
            _ => asm!(self.asm ; xchg [rdx], rax),
        }
        asm!(self.asm ; =>back);
        true
    }

    /// CLREX, DSB and DMB.
    pub(super) fn barrier(&mut self, op: &Op) -> bool {
        match (field(op.insn, 7, 5), field(op.insn, 9, 8)) {
            (2, _) => asm!(self.asm ; mov BYTE [rbp + ARMED], 0),
            (4, _) => {
                let back = self.label();
                let pending = self.slowly(back);
                asm!(self.asm
                    ; lock or DWORD [rsp], 0
                    ; cmp BYTE [rbp + at!(sys.sync_pending)], 0
                    ; jne =>pending
                    ; =>back
                );
            }
            (5, 1 | 2) => {}
            (5, _) => asm!(self.asm ; lock or DWORD [rsp], 0),
            _ => return false,
        }
        true
    }
}
