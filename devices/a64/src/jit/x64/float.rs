//! Scalar floating point by the host's arithmetic.
//!
//! # Where the host differs
//! Rounding is to the nearest, and nothing is flushed: with other modes in FPCR none of this is used ([`crate::jit::uses::bit::HOST_MODE`]). Then the results and
//! the exceptions in MXCSR are the guest's, but for these, which are left to the interpreter's handler, with the operands as they were. The exceptions
//! that the host has raised by then are among those that the handler raises.
//! - NaN results: which NaN it is.
//! - Results that are the smallest normal number: the host looks for tiny results after rounding, the guest before.
//! - Integers out of range.

use super::branch::FlagsAs;
use super::emit::Emitter;
use super::integer::from_nzcv;
use super::stubs::frame;
use super::xmm::{X13, X14, X15};
use super::{RAX, RCX, asm};
use crate::core::{SLOT_SINK, SLOT_ZR};
use crate::decode::{Op, field};
use crate::jit::translator::Frame;
use crate::jit::uses::{Template, Width, bit};
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

/// `$single` or `$double` of the same operands.
macro_rules! by_width {
    ($e:expr, $width:expr, $single:ident $double:ident, $($operand:expr),+) => {
        if $width == Width::Single { asm!($e.asm ; $single $(Rx($operand)),+) } else { asm!($e.asm ; $double $(Rx($operand)),+) }
    };
}

/// The format in bits 23 and 22.
fn width(op: &Op) -> Width {
    if field(op.insn, 22, 22) != 0 { Width::Double } else { Width::Single }
}

/// Rounding of `vroundsd` and the like: the mode, and the bit that keeps them from raising inexact.
const NEAREST: i8 = 0;
const DOWN: i8 = 1;
const UP: i8 = 2;
const TRUNCATE: i8 = 3;
const QUIETLY: i8 = 8;

impl Emitter<'_> {
    /// A host register to compute a scalar in while the guest's operands stay: the destination's own if it is none of them.
    fn result(&self, to: u8, operands: &[u8]) -> u8 {
        if operands.iter().any(|&operand| operand & 31 == to & 31) { X13 } else { self.vtarget(to, X13) }
    }

    /// Leaves to the handler what is a NaN. The host's flags are lost.
    fn check_number(&mut self, value: u8, width: Width, back: DynamicLabel) {
        let slow = self.slowly(back);
        by_width!(self, width, vucomiss vucomisd, value, value);
        asm!(self.asm ; jp =>slow);
    }

    /// Leaves to the handler what is a NaN or the smallest normal number. RAX, RCX and the host's flags are lost.
    fn check_product(&mut self, value: u8, width: Width, back: DynamicLabel) {
        let good = self.label();
        let look = self.later(move |emitter| {
            let slow = emitter.label();
            if width == Width::Single {
                asm!(emitter.asm
                    ; vucomiss Rx(value), Rx(value)
                    ; jp =>slow
                    ; vmovd eax, Rx(value)
                    ; add eax, eax
                    ; cmp eax, 1 << 24
                    ; jne =>good
                );
            } else {
                asm!(emitter.asm
                    ; vucomisd Rx(value), Rx(value)
                    ; jp =>slow
                    ; vmovq rax, Rx(value)
                    ; add rax, rax
                    ; mov rcx, QWORD 1 << 53
                    ; cmp rax, rcx
                    ; jne =>good
                );
            }
            asm!(emitter.asm ; =>slow);
            emitter.by_handler(back);
        });
        // The exponents of NaNs, of 0 and of the smallest normal numbers, which is 1.
        if width == Width::Single {
            asm!(self.asm ; vmovd eax, Rx(value) ; shr eax, 23 ; inc eax ; test eax, 0xfc);
        } else {
            asm!(self.asm ; vmovq rax, Rx(value) ; shr rax, 52 ; inc eax ; test eax, 0x7fc);
        }
        asm!(self.asm ; jz =>look ; =>good);
    }

    /// FADD, FSUB, FMUL, FNMUL, FDIV.
    pub(super) fn float_arithmetic(&mut self, op: &Op) -> bool {
        let (width, kind) = (width(op), field(op.insn, 15, 12));
        let back = self.label();
        let (n, m) = (self.sget(op.rn, width, X14), self.sget(op.rm, width, X15));
        let to = self.result(op.rd, &[op.rn, op.rm]);
        match kind {
            0 | 8 => by_width!(self, width, vmulss vmulsd, to, n, m),
            1 => by_width!(self, width, vdivss vdivsd, to, n, m),
            2 => by_width!(self, width, vaddss vaddsd, to, n, m),
            _ => by_width!(self, width, vsubss vsubsd, to, n, m),
        }
        if matches!(kind, 2 | 3) {
            self.check_number(to, width, back);
        } else {
            self.check_product(to, width, back);
        }
        if kind == 8 {
            self.negate(to, to, width);
        }
        self.sput(op.rd, width, to, false);
        asm!(self.asm ; =>back);
        true
    }

    fn negate(&mut self, to: u8, from: u8, width: Width) {
        let at = if width == Width::Single { frame!(sign_single) } else { frame!(sign_double) };
        asm!(self.asm ; vxorps Rx(to), Rx(from), [rbp + at]);
    }

    /// FMAX, FMIN, FMAXNM, FMINNM: the last two differ for NaNs only.
    pub(super) fn float_extremum(&mut self, op: &Op) -> bool {
        let (width, least) = (width(op), field(op.insn, 12, 12) != 0);
        let (back, made) = (self.label(), self.label());
        let (n, m) = (self.sget(op.rn, width, X14), self.sget(op.rm, width, X15));
        let to = self.result(op.rd, &[op.rn, op.rm]);
        let slow = self.slowly(back);
        // Zeros of both signs are equal; other equal numbers have equal bits.
        let equal = self.later(move |emitter| {
            if least {
                asm!(emitter.asm ; vorps Rx(to), Rx(n), Rx(m) ; jmp =>made);
            } else {
                asm!(emitter.asm ; vandps Rx(to), Rx(n), Rx(m) ; jmp =>made);
            }
        });
        by_width!(self, width, vucomiss vucomisd, n, m);
        asm!(self.asm ; jp =>slow ; je =>equal);
        if least {
            by_width!(self, width, vminss vminsd, to, n, m);
        } else {
            by_width!(self, width, vmaxss vmaxsd, to, n, m);
        }
        asm!(self.asm ; =>made);
        self.sput(op.rd, width, to, false);
        asm!(self.asm ; =>back);
        true
    }

    /// FMADD, FMSUB, FNMADD, FNMSUB.
    pub(super) fn float_multiply_add(&mut self, op: &Op) -> bool {
        let width = width(op);
        let back = self.label();
        let to = self.result(op.rd, &[op.rn, op.rm, op.ra]);
        let (n, m) = (self.sget(op.rn, width, X14), self.sget(op.rm, width, X15));
        let a = self.sget(op.ra, width, to);
        if a != to {
            asm!(self.asm ; vmovaps Rx(to), Rx(a));
        }
        match (field(op.insn, 21, 21), field(op.insn, 15, 15)) {
            (0, 0) => by_width!(self, width, vfmadd231ss vfmadd231sd, to, n, m),
            (0, _) => by_width!(self, width, vfnmadd231ss vfnmadd231sd, to, n, m),
            (_, 0) => by_width!(self, width, vfnmsub231ss vfnmsub231sd, to, n, m),
            _ => by_width!(self, width, vfmsub231ss vfmsub231sd, to, n, m),
        }
        self.check_product(to, width, back);
        self.sput(op.rd, width, to, false);
        asm!(self.asm ; =>back);
        true
    }

    pub(super) fn float_root(&mut self, op: &Op) -> bool {
        let width = width(op);
        let back = self.label();
        let n = self.sget(op.rn, width, X14);
        let to = self.result(op.rd, &[op.rn]);
        by_width!(self, width, vsqrtss vsqrtsd, to, n, n);
        self.check_number(to, width, back);
        self.sput(op.rd, width, to, false);
        asm!(self.asm ; =>back);
        true
    }

    /// FMOV (register), FABS, FNEG. The host's flags stay.
    pub(super) fn float_sign(&mut self, op: &Op) -> bool {
        let (width, kind) = (width(op), field(op.insn, 16, 15));
        let n = self.sget(op.rn, width, X14);
        let to = self.vtarget(op.rd, X13);
        match kind {
            0 => self.sput(op.rd, width, n, false),
            1 => {
                let at = if width == Width::Single { frame!(magnitude_single) } else { frame!(magnitude_double) };
                asm!(self.asm ; vandps Rx(to), Rx(n), [rbp + at]);
                self.sput(op.rd, width, to, true);
            }
            _ => {
                self.negate(to, n, width);
                self.sput(op.rd, width, to, false);
            }
        }
        true
    }

    /// FMOV (scalar, immediate). The host's flags stay.
    pub(super) fn float_immediate(&mut self, op: &Op) -> bool {
        let to = self.vtarget(op.rd, X13);
        self.constant(RAX, op.imm);
        asm!(self.asm ; vmovq Rx(to), rax);
        self.sput(op.rd, width(op), to, true);
        true
    }

    /// FMOV (general). The host's flags stay.
    pub(super) fn float_move(&mut self, op: &Op) -> bool {
        let (high, wide, to_vector) = (field(op.insn, 19, 19) != 0, op.insn >> 31 != 0, field(op.insn, 16, 16) != 0);
        let width = if wide { Width::Double } else { Width::Single };
        if to_vector {
            let value = self.get(op.rn, RAX);
            let to = self.vtarget(op.rd, X13);
            if high {
                let old = self.vget(op.rd, X13);
                asm!(self.asm ; vpinsrq Rx(to), Rx(old), Rq(value), 1);
                self.vput(op.rd, to);
                return true;
            }
            if op.rn == SLOT_ZR {
                asm!(self.asm ; vxorps Rx(to), Rx(to), Rx(to));
            } else if wide {
                asm!(self.asm ; vmovq Rx(to), Rq(value));
            } else {
                asm!(self.asm ; vmovd Rx(to), Rd(value));
            }
            self.sput(op.rd, width, to, true);
            return true;
        }
        if op.rd == SLOT_SINK {
            return true;
        }
        let to = self.target(op.rd, RAX);
        if high {
            let from = self.vget(op.rn, X13);
            asm!(self.asm ; vpextrq Rq(to), Rx(from), 1);
        } else {
            let from = self.sget(op.rn, width, X13);
            if wide {
                asm!(self.asm ; vmovq Rq(to), Rx(from));
            } else {
                asm!(self.asm ; vmovd Rd(to), Rx(from));
            }
        }
        self.put(op.rd, to);
        true
    }

    /// FCVT between single and double.
    pub(super) fn float_convert(&mut self, op: &Op) -> bool {
        let back = self.label();
        let to = self.result(op.rd, &[op.rn]);
        if width(op) == Width::Single {
            let n = self.sget(op.rn, Width::Single, X14);
            asm!(self.asm ; vcvtss2sd Rx(to), Rx(n), Rx(n));
            self.check_number(to, Width::Double, back);
            self.sput(op.rd, Width::Double, to, false);
        } else {
            let n = self.sget(op.rn, Width::Double, X14);
            asm!(self.asm ; vcvtsd2ss Rx(to), Rx(n), Rx(n));
            self.check_product(to, Width::Single, back);
            self.sput(op.rd, Width::Single, to, false);
        }
        asm!(self.asm ; =>back);
        true
    }

    /// FRINT of all modes but the one to the nearest with ties away from zero, which the host does not have.
    pub(super) fn float_round(&mut self, op: &Op) -> bool {
        let width = width(op);
        let mode = match field(op.insn, 17, 15) {
            1 => UP | QUIETLY,
            2 => DOWN | QUIETLY,
            3 => TRUNCATE | QUIETLY,
            6 => NEAREST,
            _ => NEAREST | QUIETLY,
        };
        let back = self.label();
        let n = self.sget(op.rn, width, X14);
        let to = self.result(op.rd, &[op.rn]);
        self.round(to, n, width, mode);
        self.check_number(to, width, back);
        self.sput(op.rd, width, to, false);
        asm!(self.asm ; =>back);
        true
    }

    fn round(&mut self, to: u8, from: u8, width: Width, mode: i8) {
        if width == Width::Single {
            asm!(self.asm ; vroundss Rx(to), Rx(from), Rx(from), mode);
        } else {
            asm!(self.asm ; vroundsd Rx(to), Rx(from), Rx(from), mode);
        }
    }

    /// FCVTZS, FCVTZU, FCVTNS, FCVTPS, FCVTMS to an integer.
    pub(super) fn float_to_integer(&mut self, op: &Op) -> bool {
        let (width, wide, unsigned) = (width(op), op.insn >> 31 != 0, field(op.insn, 16, 16) != 0);
        let back = self.label();
        let slow = self.slowly(back);
        let n = self.sget(op.rn, width, X14);
        let to = if op.rd == SLOT_SINK { RAX } else { self.target(op.rd, RAX) };
        // Nearest, up, down, to zero.
        let mode = match field(op.insn, 20, 19) {
            1 => UP,
            2 => DOWN,
            _ => TRUNCATE,
        };
        let nearest = field(op.insn, 20, 19) == 0;
        if unsigned {
            // Positive, and below the end of the range or what the host converts.
            let bits = if wide { 63 } else { 32 };
            if width == Width::Single {
                asm!(self.asm ; vmovd eax, Rx(n) ; shr eax, 23 ; cmp eax, 127 + bits);
            } else {
                asm!(self.asm ; vmovq rax, Rx(n) ; shr rax, 52 ; cmp eax, 1023 + bits);
            }
            asm!(self.asm ; jae =>slow);
            by_integer_width(self, width, true, true, to, n);
        } else {
            let rounded = if nearest || mode == TRUNCATE {
                n
            } else {
                self.round(X13, n, width, mode | QUIETLY);
                X13
            };
            by_integer_width(self, width, wide, !nearest, to, rounded);
            // Only the smallest integer overflows so: that is what the host makes of what is out of range.
            if wide {
                asm!(self.asm ; cmp Rq(to), 1);
            } else {
                asm!(self.asm ; cmp Rd(to), 1);
            }
            asm!(self.asm ; jo =>slow);
            if rounded != n {
                // The same again for the exception.
                self.round(X13, n, width, mode);
            }
        }
        if op.rd != SLOT_SINK {
            self.put(op.rd, to);
        }
        asm!(self.asm ; =>back);
        true
    }

    /// SCVTF and UCVTF of an integer or a fixed-point number.
    pub(super) fn integer_to_float(&mut self, op: &Op) -> bool {
        let (width, wide, unsigned) = (width(op), op.insn >> 31 != 0, field(op.insn, 16, 16) != 0);
        let back = self.label();
        let from = self.get(op.rn, RAX);
        let to = self.vtarget(op.rd, X13);
        if unsigned && wide {
            let slow = self.slowly(back);
            asm!(self.asm ; test Rq(from), Rq(from) ; js =>slow);
        }
        asm!(self.asm ; vxorps Rx(to), Rx(to), Rx(to));
        let long = wide || unsigned;
        let from = if unsigned && !wide {
            asm!(self.asm ; mov eax, Rd(from));
            RAX
        } else {
            from
        };
        match (width, long) {
            (Width::Single, true) => asm!(self.asm ; vcvtsi2ss Rx(to), Rx(to), Rq(from)),
            (Width::Single, false) => asm!(self.asm ; vcvtsi2ss Rx(to), Rx(to), Rd(from)),
            (_, true) => asm!(self.asm ; vcvtsi2sd Rx(to), Rx(to), Rq(from)),
            (_, false) => asm!(self.asm ; vcvtsi2sd Rx(to), Rx(to), Rd(from)),
        }
        if field(op.insn, 21, 21) == 0 {
            // By a power of two, which is exact.
            let down = u64::from(op.aux[0]);
            if width == Width::Single {
                asm!(self.asm ; mov eax, ((127 - down) << 23) as i32 ; vmovd Rx(X14), eax ; vmulss Rx(to), Rx(to), Rx(X14));
            } else {
                asm!(self.asm ; mov rax, QWORD ((1023 - down) << 52) as i64 ; vmovq Rx(X14), rax ; vmulsd Rx(to), Rx(to), Rx(X14));
            }
        }
        self.sput(op.rd, width, to, true);
        asm!(self.asm ; =>back);
        true
    }

    /// FCSEL.
    pub(super) fn float_select(&mut self, op: &Op) -> bool {
        let (width, cond) = (width(op), op.aux[0] & 15);
        if cond >= 14 {
            let n = self.sget(op.rn, width, X14);
            self.sput(op.rd, width, n, false);
            return true;
        }
        self.want_flags();
        let (n, m) = (self.sget(op.rn, width, X14), self.sget(op.rm, width, X15));
        let to = self.vtarget(op.rd, X13);
        if width == Width::Single {
            asm!(self.asm ; vmovd ecx, Rx(n) ; vmovd eax, Rx(m));
        } else {
            asm!(self.asm ; vmovq rcx, Rx(n) ; vmovq rax, Rx(m));
        }
        self.move_if(cond, true, RCX);
        asm!(self.asm ; vmovq Rx(to), rax);
        self.sput(op.rd, width, to, true);
        true
    }

    /// Compares as bits 4 of the instruction word say whether quiet NaNs are an exception, and 3 whether with zero.
    fn compare_numbers(&mut self, op: &Op, signals: bool, zero: bool, swapped: bool) {
        let width = width(op);
        let n = self.sget(op.rn, width, X14);
        let m = if zero {
            asm!(self.asm ; vxorps xmm15, xmm15, xmm15);
            X15
        } else {
            self.sget(op.rm, width, X15)
        };
        let (a, b) = if swapped { (m, n) } else { (n, m) };
        if signals {
            by_width!(self, width, vcomiss vcomisd, a, b);
        } else {
            by_width!(self, width, vucomiss vucomisd, a, b);
        }
    }

    /// The host's flags after a comparison of numbers, as the guest has them.
    fn flags_of_numbers(&mut self) {
        let (back, keep) = (self.label(), self.keeps_flags());
        let unordered = self.later(move |emitter| {
            asm!(emitter.asm ; mov eax, from_nzcv(0b0011) as i32);
            if keep {
                asm!(emitter.asm ; mov [rbp + frame!(flags)], eax);
            }
            asm!(emitter.asm ; add al, 0x7f ; sahf ; jmp =>back);
        });
        // Of 1 for equal, 2 for greater, 0 for less, 1 is taken off.
        asm!(self.asm ; jp =>unordered ; setae al ; seta cl ; add al, cl ; cmp al, 1);
        self.flags_made();
        asm!(self.asm ; =>back);
    }

    /// FCMP, FCMPE.
    pub(super) fn float_compare(&mut self, op: &Op) -> bool {
        let (signals, zero) = (field(op.insn, 4, 4) != 0, field(op.insn, 3, 3) != 0);
        let form = if self.keeps_flags() { FlagsAs::Guest } else { self.form_for_readers() };
        self.compare_numbers(op, signals, zero, form == FlagsAs::Swapped);
        if form == FlagsAs::Guest {
            self.flags_of_numbers();
            return true;
        }
        if self.readers() & 0b11 != 0 {
            // Unordered has all three flags set: it is below, but not equal.
            let back = self.label();
            let unordered = self.later(move |emitter| asm!(emitter.asm ; mov eax, 0x100 ; sahf ; jmp =>back));
            asm!(self.asm ; jp =>unordered ; =>back);
        }
        self.hold_flags(form);
        true
    }

    /// Conditions, one bit each, that are asked for of the flags that the current instruction sets, while they are the host's.
    fn readers(&self) -> u32 {
        let mut conditions = 0;
        for instr in self.following() {
            let (uses, op) = (instr.uses, &instr.op);
            if uses.has(bit::FLAGS_READ) {
                conditions |= match uses.template {
                    Some(Template::Branch) => 1 << field(op.insn, 3, 0),
                    Some(Template::Select | Template::ConditionalCompare | Template::FloatSelect | Template::FloatConditionalCompare) => {
                        1 << (op.aux[0] & 15)
                    }
                    _ => return u32::MAX,
                };
            }
            if uses.template.is_none() || uses.has(bit::FLAGS_WRITE) || !uses.has(bit::FLAGS_READ | bit::KEEPS) {
                break;
            }
        }
        conditions
    }

    /// The cheapest form of flags for their readers.
    fn form_for_readers(&self) -> FlagsAs {
        // Equal and unequal, and always.
        const EITHER: u32 = 0b11 | 0b11 << 14;
        // Unordered is less: GE, LT, GT, LE.
        const PLAIN: u32 = 0b1111 << 10 | EITHER;
        // Unordered is greater: CS, CC, MI, PL, HI, LS.
        const SWAPPED: u32 = 0b1111 << 2 | 0b11 << 8 | EITHER;
        match self.readers() {
            conditions if conditions & !PLAIN == 0 => FlagsAs::Plain,
            conditions if conditions & !SWAPPED == 0 => FlagsAs::Swapped,
            _ => FlagsAs::Guest,
        }
    }

    /// FCCMP, FCCMPE.
    pub(super) fn float_conditional_compare(&mut self, op: &Op) -> bool {
        let (signals, cond, given) = (field(op.insn, 4, 4) != 0, op.aux[0] & 15, (op.imm >> 28) as u32);
        let (otherwise, done) = (self.label(), self.label());
        if cond < 14 {
            self.want_flags();
            self.jump_on(cond ^ 1, otherwise);
        }
        self.compare_numbers(op, signals, false, false);
        self.flags_of_numbers();
        if cond < 14 {
            asm!(self.asm ; jmp =>done ; =>otherwise ; mov eax, from_nzcv(given) as i32);
            if self.keeps_flags() {
                asm!(self.asm ; mov [rbp + frame!(flags)], eax);
            }
            asm!(self.asm ; add al, 0x7f ; sahf ; =>done);
        }
        true
    }
}

/// Converts to an integer of 64 or 32 bits, with truncation or by the rounding that is set.
fn by_integer_width(emitter: &mut Emitter, width: Width, wide: bool, truncate: bool, to: u8, from: u8) {
    match (width, wide, truncate) {
        (Width::Single, true, true) => asm!(emitter.asm ; vcvttss2si Rq(to), Rx(from)),
        (Width::Single, false, true) => asm!(emitter.asm ; vcvttss2si Rd(to), Rx(from)),
        (Width::Single, true, false) => asm!(emitter.asm ; vcvtss2si Rq(to), Rx(from)),
        (Width::Single, false, false) => asm!(emitter.asm ; vcvtss2si Rd(to), Rx(from)),
        (_, true, true) => asm!(emitter.asm ; vcvttsd2si Rq(to), Rx(from)),
        (_, false, true) => asm!(emitter.asm ; vcvttsd2si Rd(to), Rx(from)),
        (_, true, false) => asm!(emitter.asm ; vcvtsd2si Rq(to), Rx(from)),
        (_, false, false) => asm!(emitter.asm ; vcvtsd2si Rd(to), Rx(from)),
    }
}
