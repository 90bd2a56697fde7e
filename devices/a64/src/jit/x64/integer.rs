//! Integer data processing.

use super::emit::Emitter;
use super::stubs::frame;
use super::{RAX, RCX, RDX, asm, slot};
use crate::core::{SLOT_SINK, SLOT_ZR};
use crate::decode::{Op, field};
use crate::jit::translator::Frame;
use dynasmrt::{DynasmApi, DynasmLabelApi};

/// `$name rd, rs` at 64 or 32 bits.
macro_rules! sized {
    ($e:expr, $wide:expr, $name:ident $a:expr, $b:expr) => {
        if $wide { asm!($e.asm ; $name Rq($a), Rq($b)) } else { asm!($e.asm ; $name Rd($a), Rd($b)) }
    };
}

pub(super) use sized;

/// `$name rd, imm` at 64 or 32 bits.
macro_rules! sized_imm {
    ($e:expr, $wide:expr, $name:ident $a:expr, $imm:expr) => {
        match (i8::try_from($imm), $wide) {
            (Ok(imm), true) => asm!($e.asm ; $name Rq($a), BYTE imm),
            (Ok(imm), false) => asm!($e.asm ; $name Rd($a), BYTE imm),
            (_, true) => asm!($e.asm ; $name Rq($a), DWORD $imm),
            (_, false) => asm!($e.asm ; $name Rd($a), DWORD $imm),
        }
    };
}

/// A shift of a register by a constant at 64 or 32 bits.
macro_rules! shift {
    ($e:expr, $wide:expr, $name:ident $a:expr, $amount:expr) => {
        if $wide { asm!($e.asm ; $name Rq($a), $amount) } else { asm!($e.asm ; $name Rd($a), $amount) }
    };
}
pub(super) use shift;

/// TEST has no short form.
macro_rules! test_imm {
    ($e:expr, $wide:expr, $a:expr, $imm:expr) => {
        if $wide { asm!($e.asm ; test Rq($a), $imm) } else { asm!($e.asm ; test Rd($a), $imm) }
    };
}

pub(super) fn wide(op: &Op) -> bool {
    op.insn >> 31 != 0
}

fn sets_flags(op: &Op) -> bool {
    field(op.insn, 29, 29) != 0
}

fn subtracts(op: &Op) -> bool {
    field(op.insn, 30, 30) != 0
}

/// A constant as a sign-extended 32-bit immediate of an operation of a size.
pub(super) fn immediate(wide: bool, value: u64) -> Option<i32> {
    if wide { i32::try_from(value as i64).ok() } else { Some(value as i32) }
}

impl Emitter<'_> {
    /// CMP with a constant. The assembler has no short form of it.
    pub(super) fn compare_constant(&mut self, wide: bool, a: u8, value: i32) {
        match (i8::try_from(value), wide) {
            (Ok(value), _) => {
                let rex = 0x40 | u8::from(wide) << 3 | a >> 3;
                self.asm.extend([rex, 0x83, 0xf8 | a & 7, value as u8]);
            }
            (_, true) => asm!(self.asm ; cmp Rq(a), DWORD value),
            (_, false) => asm!(self.asm ; cmp Rd(a), DWORD value),
        }
    }

    /// `to = from + offset`. The host's flags stay.
    pub(super) fn lea(&mut self, wide: bool, to: u8, from: u8, offset: i32) {
        match (i8::try_from(offset), wide) {
            (Ok(offset), true) => asm!(self.asm ; lea Rq(to), [BYTE Rq(from) + offset]),
            (Ok(offset), false) => asm!(self.asm ; lea Rd(to), [BYTE Rq(from) + offset]),
            (_, true) => asm!(self.asm ; lea Rq(to), [DWORD Rq(from) + offset]),
            (_, false) => asm!(self.asm ; lea Rd(to), [DWORD Rq(from) + offset]),
        }
    }

    /// Sets a host register to a constant. The host's flags stay.
    pub(super) fn constant(&mut self, to: u8, value: u64) {
        if value <= u64::from(u32::MAX) {
            asm!(self.asm ; mov Rd(to), value as i32);
        } else if i32::try_from(value as i64).is_ok() {
            asm!(self.asm ; mov Rq(to), DWORD value as i32);
        } else {
            asm!(self.asm ; mov Rq(to), QWORD value as i64);
        }
    }

    pub(super) fn adr(&mut self, op: &Op, page: bool) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let to = self.target(op.rd, RAX);
        // The page's address has its low bits clear.
        let offset = if page { op.imm as i64 } else { self.offset().wrapping_add(op.imm as i64) };
        if i32::try_from(offset).is_err() {
            self.constant(RCX, offset as u64);
            asm!(self.asm ; mov Rq(to), [rbp + frame!(page)] ; add Rq(to), rcx);
        } else {
            self.address(to, offset);
        }
        self.put(op.rd, to);
        true
    }

    pub(super) fn add_immediate(&mut self, op: &Op) -> bool {
        let wide = wide(op);
        if !sets_flags(op) {
            // `imm` has the sign of a subtraction.
            let value = op.imm as i64 as i32;
            let to = self.target(op.rd, RAX);
            let from = self.get(op.rn, RAX);
            if value == 0 {
                sized!(self, wide, mov to, from);
            } else {
                self.lea(wide, to, from, value);
            }
            self.put(op.rd, to);
            return true;
        }
        let value = op.imm as i32;
        let from = self.get(op.rn, RAX);
        if op.rd == SLOT_SINK {
            if subtracts(op) {
                self.compare_constant(wide, from, value);
            } else {
                sized!(self, wide, mov RAX, from);
                sized_imm!(self, wide, add RAX, value);
                asm!(self.asm ; cmc);
            }
        } else {
            let to = self.target(op.rd, RAX);
            if to != from {
                sized!(self, wide, mov to, from);
            }
            if subtracts(op) {
                sized_imm!(self, wide, sub to, value);
            } else {
                sized_imm!(self, wide, add to, value);
                asm!(self.asm ; cmc);
            }
            self.put(op.rd, to);
        }
        self.flags_made();
        true
    }

    /// `to = from shifted`, as the shifted register forms say. `to` is none of the guest's registers.
    fn shifted(&mut self, op: &Op, to: u8) {
        let (wide, amount) = (wide(op), op.aux[0] as i8);
        let from = self.get(op.rm, to);
        if amount != 0 && field(op.insn, 23, 22) == 3 {
            if wide {
                asm!(self.asm ; rorx Rq(to), Rq(from), amount);
            } else {
                asm!(self.asm ; rorx Rd(to), Rd(from), amount);
            }
            return;
        }
        sized!(self, wide, mov to, from);
        if amount != 0 {
            match field(op.insn, 23, 22) {
                0 => shift!(self, wide, shl to, amount),
                1 => shift!(self, wide, shr to, amount),
                2 => shift!(self, wide, sar to, amount),
                _ => shift!(self, wide, ror to, amount),
            }
        }
    }

    pub(super) fn add_shifted(&mut self, op: &Op) -> bool {
        let second = if op.aux[0] == 0 {
            self.get(op.rm, RCX)
        } else {
            self.shifted(op, RCX);
            RCX
        };
        self.add(op, second);
        true
    }

    pub(super) fn add_extended(&mut self, op: &Op) -> bool {
        let from = self.get(op.rm, RCX);
        self.extend(RCX, from, op.aux[1]);
        if op.aux[0] != 0 {
            asm!(self.asm ; shl rcx, op.aux[0] as i8);
        }
        self.add(op, RCX);
        true
    }

    /// `to = from extended`, by the options of the extended register forms.
    pub(super) fn extend(&mut self, to: u8, from: u8, option: u8) {
        match option & 7 {
            0 => asm!(self.asm ; movzx Rd(to), Rb(from)),
            1 => asm!(self.asm ; movzx Rd(to), Rw(from)),
            2 => asm!(self.asm ; mov Rd(to), Rd(from)),
            4 => asm!(self.asm ; movsx Rq(to), Rb(from)),
            5 => asm!(self.asm ; movsx Rq(to), Rw(from)),
            6 => asm!(self.asm ; movsxd Rq(to), Rd(from)),
            _ => {
                if to != from {
                    asm!(self.asm ; mov Rq(to), Rq(from));
                }
            }
        }
    }

    /// `rd = rn ± second`, with or without flags. `second` is RCX or holds a guest register.
    fn add(&mut self, op: &Op, second: u8) {
        let (wide, subtract, flags) = (wide(op), subtracts(op), sets_flags(op));
        let first = self.get(op.rn, RAX);
        if !flags {
            if op.rd == SLOT_SINK {
                return;
            }
            let to = self.target(op.rd, RAX);
            if !subtract {
                if wide {
                    asm!(self.asm ; lea Rq(to), [Rq(first) + Rq(second)]);
                } else {
                    asm!(self.asm ; lea Rd(to), [Rq(first) + Rq(second)]);
                }
            } else if to == second && to != first {
                sized!(self, wide, mov RAX, first);
                sized!(self, wide, sub RAX, second);
                asm!(self.asm ; mov Rq(to), rax);
            } else {
                sized!(self, wide, mov to, first);
                sized!(self, wide, sub to, second);
            }
            self.put(op.rd, to);
            return;
        }
        if op.rd == SLOT_SINK && subtract {
            sized!(self, wide, cmp first, second);
        } else {
            sized!(self, wide, mov RAX, first);
            if subtract {
                sized!(self, wide, sub RAX, second);
            } else {
                sized!(self, wide, add RAX, second);
                asm!(self.asm ; cmc);
            }
            self.put(op.rd, RAX);
        }
        self.flags_made();
    }

    pub(super) fn add_carry(&mut self, op: &Op) -> bool {
        let (wide, subtract) = (wide(op), subtracts(op));
        self.want_flags();
        let second = self.get(op.rm, RCX);
        let first = self.get(op.rn, RDX);
        sized!(self, wide, mov RAX, first);
        if subtract {
            sized!(self, wide, sbb RAX, second);
        } else {
            asm!(self.asm ; cmc);
            sized!(self, wide, adc RAX, second);
            asm!(self.asm ; cmc);
        }
        self.put(op.rd, RAX);
        if sets_flags(op) {
            self.flags_made();
        } else {
            self.flags_held = false;
        }
        true
    }

    /// The flags of a logical operation: no carry, which is one here, no overflow.
    fn logical_flags(&mut self) {
        asm!(self.asm ; stc);
        self.flags_made();
    }

    pub(super) fn logical_immediate(&mut self, op: &Op) -> bool {
        let (wide, opc) = (wide(op), field(op.insn, 30, 29));
        if op.rd == SLOT_SINK && opc != 3 {
            return true;
        }
        if opc == 1 && op.rn == SLOT_ZR {
            let to = self.target(op.rd, RAX);
            self.constant(to, op.imm);
            self.put(op.rd, to);
            return true;
        }
        let from = self.get(op.rn, RAX);
        let mut to = if opc == 3 { RAX } else { self.target(op.rd, RAX) };
        if let Some(value) = immediate(wide, op.imm) {
            if opc == 3 && op.rd == SLOT_SINK {
                test_imm!(self, wide, from, value);
                self.logical_flags();
                return true;
            }
            if opc == 3 {
                to = self.target(op.rd, RAX);
            }
            if to != from {
                sized!(self, wide, mov to, from);
            }
            match opc {
                1 => sized_imm!(self, wide, or to, value),
                2 => sized_imm!(self, wide, xor to, value),
                _ => sized_imm!(self, wide, and to, value),
            }
        } else {
            self.constant(RCX, op.imm);
            if to != from {
                asm!(self.asm ; mov Rq(to), Rq(from));
            }
            match opc {
                1 => asm!(self.asm ; or Rq(to), rcx),
                2 => asm!(self.asm ; xor Rq(to), rcx),
                _ => asm!(self.asm ; and Rq(to), rcx),
            }
        }
        self.put(op.rd, to);
        if opc == 3 {
            self.logical_flags();
        }
        true
    }

    pub(super) fn logical_shifted(&mut self, op: &Op) -> bool {
        let (wide, opc, not) = (wide(op), field(op.insn, 30, 29), field(op.insn, 21, 21) != 0);
        if op.rd == SLOT_SINK && opc != 3 {
            return true;
        }
        if opc == 1 && !not && op.aux[0] == 0 && op.rn == SLOT_ZR {
            // MOV; of 32 bits it clears the others, also of its own register.
            let to = self.target(op.rd, RAX);
            let from = self.get(op.rm, RAX);
            if to != from || !wide {
                sized!(self, wide, mov to, from);
            }
            self.put(op.rd, to);
            return true;
        }
        let second = if op.aux[0] == 0 && !not {
            self.get(op.rm, RCX)
        } else {
            self.shifted(op, RCX);
            if not {
                sized_not(self, wide);
            }
            RCX
        };
        if opc == 1 && op.rn == SLOT_ZR {
            self.put(op.rd, second);
            return true;
        }
        let first = self.get(op.rn, RAX);
        if opc == 3 && op.rd == SLOT_SINK {
            sized!(self, wide, test first, second);
            self.logical_flags();
            return true;
        }
        let own = self.target(op.rd, RAX);
        // The result must not be made in the second operand before it is used.
        let to = if own == second && own != first { RAX } else { own };
        if to != first {
            sized!(self, wide, mov to, first);
        }
        match opc {
            1 => sized!(self, wide, or to, second),
            2 => sized!(self, wide, xor to, second),
            _ => sized!(self, wide, and to, second),
        }
        self.put(op.rd, to);
        if opc == 3 {
            self.logical_flags();
        }
        true
    }

    pub(super) fn move_wide(&mut self, op: &Op) -> bool {
        self.move_constant(op.rd, op.imm);
        true
    }

    /// Sets a slot to a constant. The host's flags stay; RAX is lost.
    pub(super) fn move_constant(&mut self, to: u8, value: u64) {
        if let Some(host) = self.pins.general(to) {
            self.constant(host, value);
        } else if to != SLOT_SINK {
            if let Some(value) = immediate(true, value) {
                asm!(self.asm ; mov QWORD [rbp + slot(to)], value);
            } else {
                self.constant(RAX, value);
                self.put(to, RAX);
            }
        }
    }

    pub(super) fn move_keep(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let (wide, shift) = (wide(op), u32::from(op.aux[0]) & 63);
        let to = self.target(op.rd, RAX);
        self.load_slot(op.rd, to);
        let hole = !(0xffffu64 << shift);
        if let Some(hole) = immediate(wide, hole) {
            sized_imm!(self, wide, and to, hole);
        } else {
            self.constant(RCX, hole);
            asm!(self.asm ; and Rq(to), rcx);
        }
        if let Some(value) = immediate(wide, op.imm) {
            sized_imm!(self, wide, or to, value);
        } else {
            self.constant(RCX, op.imm);
            asm!(self.asm ; or Rq(to), rcx);
        }
        self.put(op.rd, to);
        true
    }

    pub(super) fn multiply_add(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let (wide, subtract) = (wide(op), field(op.insn, 15, 15) != 0);
        let first = self.get(op.rn, RCX);
        let second = self.get(op.rm, RAX);
        if op.ra == SLOT_ZR && !subtract {
            let own = self.target(op.rd, RAX);
            if own == second {
                sized!(self, wide, imul own, first);
            } else {
                if own != first {
                    sized!(self, wide, mov own, first);
                }
                sized!(self, wide, imul own, second);
            }
            self.put(op.rd, own);
            return true;
        }
        if second != RAX {
            sized!(self, wide, mov RAX, second);
        }
        sized!(self, wide, imul RAX, first);
        self.accumulate(op, wide, subtract);
        true
    }

    /// `rd = ra ± RAX`.
    fn accumulate(&mut self, op: &Op, wide: bool, subtract: bool) {
        if subtract {
            self.load_slot(op.ra, RDX);
            sized!(self, wide, sub RDX, RAX);
            self.put(op.rd, RDX);
        } else {
            let addend = self.get(op.ra, RDX);
            let to = self.target(op.rd, RAX);
            if wide {
                asm!(self.asm ; lea Rq(to), [Rq(addend) + rax]);
            } else {
                asm!(self.asm ; lea Rd(to), [Rq(addend) + rax]);
            }
            self.put(op.rd, to);
        }
    }

    pub(super) fn multiply_long(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let (unsigned, subtract) = (field(op.insn, 23, 23) != 0, field(op.insn, 15, 15) != 0);
        let (first, second) = (self.get(op.rn, RCX), self.get(op.rm, RAX));
        if unsigned {
            asm!(self.asm ; mov Rd(RCX), Rd(first) ; mov eax, Rd(second));
        } else {
            asm!(self.asm ; movsxd rcx, Rd(first) ; movsxd rax, Rd(second));
        }
        asm!(self.asm ; imul rax, rcx);
        if op.ra == SLOT_ZR && !subtract {
            self.put(op.rd, RAX);
        } else {
            self.accumulate(op, true, subtract);
        }
        true
    }

    pub(super) fn multiply_high(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let second = self.get(op.rm, RCX);
        self.load_slot(op.rn, RAX);
        if field(op.insn, 23, 23) != 0 {
            asm!(self.asm ; mul Rq(second));
        } else {
            asm!(self.asm ; imul Rq(second));
        }
        self.put(op.rd, RDX);
        true
    }

    pub(super) fn divide(&mut self, op: &Op) -> bool {
        if op.rd == SLOT_SINK {
            return true;
        }
        let (wide, signed) = (wide(op), field(op.insn, 10, 10) != 0);
        let divisor = self.get(op.rm, RCX);
        self.load_slot(op.rn, RAX);
        let (done, zero) = (self.label(), self.label());
        // A remainder's place that is zero is the quotient by zero too.
        asm!(self.asm ; xor edx, edx);
        sized!(self, wide, test divisor, divisor);
        asm!(self.asm ; jz =>zero);
        if signed {
            // The one overflow: dividing by -1 is negation.
            let plain = self.label();
            self.compare_constant(wide, divisor, -1);
            asm!(self.asm ; jne =>plain ; mov rdx, rax);
            if wide {
                asm!(self.asm ; neg rdx);
            } else {
                asm!(self.asm ; neg edx);
            }
            asm!(self.asm ; jmp =>zero ; =>plain);
        }
        match (wide, signed) {
            (true, true) => asm!(self.asm ; cqo ; idiv Rq(divisor)),
            (true, false) => asm!(self.asm ; div Rq(divisor)),
            (false, true) => asm!(self.asm ; cdq ; idiv Rd(divisor)),
            (false, false) => asm!(self.asm ; div Rd(divisor)),
        }
        asm!(self.asm ; jmp =>done ; =>zero ; mov rax, rdx ; =>done);
        self.put(op.rd, RAX);
        true
    }

    pub(super) fn select(&mut self, op: &Op) -> bool {
        let (wide, cond) = (wide(op), op.aux[0] & 15);
        let (invert, increment) = (field(op.insn, 30, 30) != 0, field(op.insn, 10, 10) != 0);
        if op.rd == SLOT_SINK {
            return true;
        }
        if cond >= 14 {
            let from = self.get(op.rn, RAX);
            sized!(self, wide, mov RAX, from);
            self.put(op.rd, RAX);
            return true;
        }
        self.want_flags();
        let first = self.get(op.rn, RCX);
        let other = self.get(op.rm, RAX);
        if increment && !invert {
            asm!(self.asm ; lea rax, [Rq(other) + 1]);
        } else if increment {
            // -x is ~x + 1, and neither touches the flags so.
            asm!(self.asm ; mov rax, Rq(other) ; not rax ; lea rax, [rax + 1]);
        } else if invert {
            asm!(self.asm ; mov rax, Rq(other) ; not rax);
        } else if other != RAX {
            asm!(self.asm ; mov rax, Rq(other));
        }
        self.move_if(cond, wide, first);
        self.put(op.rd, RAX);
        true
    }

    /// RAX = `from` if a condition holds of the host's flags; the upper half is cleared at 32 bits either way.
    pub(super) fn move_if(&mut self, cond: u8, wide: bool, from: u8) {
        let cond = self.host_condition(cond);
        macro_rules! cmov {
            ($name:ident) => {
                sized!(self, wide, $name RAX, from)
            };
        }
        match cond {
            0 => cmov!(cmove),
            1 => cmov!(cmovne),
            2 => cmov!(cmovae),
            3 => cmov!(cmovb),
            4 => cmov!(cmovs),
            5 => cmov!(cmovns),
            6 => cmov!(cmovo),
            7 => cmov!(cmovno),
            8 => cmov!(cmova),
            9 => cmov!(cmovbe),
            10 => cmov!(cmovge),
            11 => cmov!(cmovl),
            12 => cmov!(cmovg),
            _ => cmov!(cmovle),
        }
    }

    pub(super) fn conditional_compare(&mut self, op: &Op) -> bool {
        let (wide, subtract, immediate) = (wide(op), subtracts(op), field(op.insn, 11, 11) != 0);
        let (cond, given) = (op.aux[0] & 15, u32::from(op.aux[1]));
        let (otherwise, done) = (self.label(), self.label());
        if cond < 14 {
            self.want_flags();
            self.jump_on(cond ^ 1, otherwise);
        }
        let first = self.get(op.rn, RAX);
        let second = if immediate { RCX } else { self.get(op.rm, RCX) };
        match (immediate, subtract) {
            (true, true) => self.compare_constant(wide, first, op.imm as i32),
            (false, true) => sized!(self, wide, cmp first, second),
            (true, false) => {
                sized!(self, wide, mov RAX, first);
                sized_imm!(self, wide, add RAX, op.imm as i32);
                asm!(self.asm ; cmc);
            }
            (false, false) => {
                sized!(self, wide, mov RAX, first);
                sized!(self, wide, add RAX, second);
                asm!(self.asm ; cmc);
            }
        }
        self.flags_made();
        if cond < 14 {
            let flags = from_nzcv(given);
            asm!(self.asm ; jmp =>done ; =>otherwise ; mov eax, flags as i32);
            if self.keeps_flags() {
                asm!(self.asm ; mov [rbp + frame!(flags)], eax);
            }
            asm!(self.asm ; add al, 0x7f ; sahf ; =>done);
        }
        true
    }
}

/// NZCV in bits 3 to 0, as the frame's flags have them.
pub(super) fn from_nzcv(nzcv: u32) -> u32 {
    let (n, z, c, v) = (nzcv >> 3 & 1, nzcv >> 2 & 1, nzcv >> 1 & 1, nzcv & 1);
    n << 15 | z << 14 | (c ^ 1) << 8 | v
}

fn sized_not(emitter: &mut Emitter, wide: bool) {
    if wide {
        asm!(emitter.asm ; not rcx);
    } else {
        asm!(emitter.asm ; not ecx);
    }
}
