//! System registers and PSTATE, where the level and a bit or two decide that nothing is trapped. All else is done by the handlers.

use super::emit::Emitter;
use super::{RAX, asm, at};
use crate::decode::Op;
use crate::sysreg::{Inline, Reg, SysRegs, inline};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

/// Offset of a register's storage from RBP.
fn stored(index: usize) -> i32 {
    at!(sys) + (SysRegs::VALUES + 8 * index) as i32
}

/// Offset of what SP_EL0 is while another stack pointer is the current one.
const SP_EL0: i32 = at!(sys.sp);

impl Emitter<'_> {
    /// Below an exception level on to `slow`.
    fn needs_level(&mut self, el: u8, slow: DynamicLabel) {
        if el > 0 {
            asm!(self.asm ; cmp BYTE [rbp + at!(el)], el as i8 ; jb =>slow);
        }
    }

    pub(super) fn read_system(&mut self, op: &Op) -> bool {
        let Some(what) = inline(op.insn) else { return false };
        let back = self.label();
        let slow = self.slowly(back);
        let to = self.target(op.rd, RAX);
        match what {
            Inline::Read { index, el, hcr } => {
                self.needs_level(el, slow);
                if hcr != 0 {
                    asm!(self.asm ; bt DWORD [rbp + stored(Reg::HCR_EL2 as usize)], hcr.trailing_zeros() as i8 ; jc =>slow);
                }
                asm!(self.asm ; mov Rq(to), [rbp + stored(index)]);
            }
            Inline::Daif => {
                self.needs_level(1, slow);
                asm!(self.asm ; movzx Rd(to), BYTE [rbp + at!(daif)] ; shl Rd(to), 6);
            }
            Inline::CurrentEl => {
                self.needs_level(1, slow);
                asm!(self.asm ; movzx Rd(to), BYTE [rbp + at!(el)] ; shl Rd(to), 2);
            }
            Inline::SpEl0 => {
                self.needs_level(1, slow);
                asm!(self.asm ; cmp BYTE [rbp + at!(spsel)], 0 ; je =>slow ; mov Rq(to), [rbp + SP_EL0]);
            }
            Inline::Write { .. } | Inline::WriteSpEl0 => return false,
        }
        self.put(op.rd, to);
        asm!(self.asm ; =>back);
        true
    }

    pub(super) fn write_system(&mut self, op: &Op) -> bool {
        let Some(what) = inline(op.insn) else { return false };
        let back = self.label();
        let slow = self.slowly(back);
        match what {
            Inline::Write { index, el, mask, ones } => {
                self.needs_level(el, slow);
                if mask == u64::MAX && ones == 0 {
                    let value = self.get(op.rn, RAX);
                    asm!(self.asm ; mov [rbp + stored(index)], Rq(value));
                } else {
                    asm!(self.asm ; mov rax, QWORD mask as i64);
                    let value = self.get(op.rn, super::RCX);
                    asm!(self.asm ; and rax, Rq(value));
                    if ones != 0 {
                        asm!(self.asm ; mov rcx, QWORD ones as i64 ; or rax, rcx);
                    }
                    asm!(self.asm ; mov [rbp + stored(index)], rax);
                }
            }
            Inline::WriteSpEl0 => {
                self.needs_level(1, slow);
                asm!(self.asm ; cmp BYTE [rbp + at!(spsel)], 0 ; je =>slow);
                let value = self.get(op.rn, RAX);
                asm!(self.asm ; mov [rbp + SP_EL0], Rq(value));
            }
            _ => return false,
        }
        asm!(self.asm ; =>back);
        true
    }

    /// MSR DAIFSet: masking needs no look at the interrupts.
    pub(super) fn mask_interrupts(&mut self, op: &Op) -> bool {
        let back = self.label();
        let slow = self.slowly(back);
        self.needs_level(1, slow);
        asm!(self.asm ; or BYTE [rbp + at!(daif)], op.imm as i8 & 0xf ; =>back);
        true
    }
}
