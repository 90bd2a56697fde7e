//! Branches.

use super::emit::Emitter;
use super::{RAX, RDX, asm};
use crate::core::SLOT_ZR;
use crate::decode::{Op, field};
use crate::jit::region::End;
use dynasmrt::{DynamicLabel, DynasmApi, DynasmLabelApi};

/// Jumps to `$label` if condition `$cond` (0 to 13) holds of the host's flags.
macro_rules! jump_if {
    ($e:expr, $cond:expr, $label:expr) => {{
        let label = $label;
        match $cond {
            0 => asm!($e.asm ; je =>label),
            1 => asm!($e.asm ; jne =>label),
            2 => asm!($e.asm ; jae =>label),
            3 => asm!($e.asm ; jb =>label),
            4 => asm!($e.asm ; js =>label),
            5 => asm!($e.asm ; jns =>label),
            6 => asm!($e.asm ; jo =>label),
            7 => asm!($e.asm ; jno =>label),
            8 => asm!($e.asm ; ja =>label),
            9 => asm!($e.asm ; jbe =>label),
            10 => asm!($e.asm ; jge =>label),
            11 => asm!($e.asm ; jl =>label),
            12 => asm!($e.asm ; jg =>label),
            _ => asm!($e.asm ; jle =>label),
        }
    }};
}

/// How the host's flags hold the guest's, while they do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FlagsAs {
    /// As the guest has them, but for carry.
    Guest,
    /// As `vucomisd` leaves them: equal is zero, less is carry, unordered is both.
    Plain,
    /// The same of the operands in the other order: so that unordered counts as greater.
    Swapped,
}

impl Emitter<'_> {
    /// The condition of the host's flags for one of the guest's, among those that the flags are held for.
    pub(super) fn host_condition(&self, cond: u8) -> u8 {
        let (below, not_below, above, not_above) = (3, 2, 8, 9);
        match (self.flags_as, cond) {
            (FlagsAs::Plain, 10) => not_below,
            (FlagsAs::Plain, 11) => below,
            (FlagsAs::Plain, 12) => above,
            (FlagsAs::Plain, 13) => not_above,
            // HI, LS; CS, CC; MI, PL.
            (FlagsAs::Swapped, 8) => below,
            (FlagsAs::Swapped, 9) => not_below,
            (FlagsAs::Swapped, 2 | 5) => not_above,
            (FlagsAs::Swapped, 3 | 4) => above,
            _ => cond,
        }
    }

    /// Emits the instruction that ends a block.
    pub(super) fn control(&mut self, block: usize, op: &Op, end: End) {
        match end {
            End::Jump(target) => {
                self.pass_flags(block);
                self.go(block, target);
            }
            End::Call(target) => {
                self.link_register();
                self.leave_to(target);
            }
            End::Branch(target) => self.branch(block, op, target),
            End::Indirect => self.jump_register(op),
            End::Next | End::Leave => {}
        }
    }

    fn branch(&mut self, block: usize, op: &Op, target: i64) {
        let after = self.offset() + 4;
        // Over the taken way if that is not just a jump.
        self.pass_flags(block);
        let inside = self.inside(target);
        let over = self.label();
        let (to, taken) = inside.map_or((over, false), |label| (label, true));
        if op.insn >> 24 == 0x54 {
            self.branch_if(field(op.insn, 3, 0) as u8, taken, to);
        } else if op.insn & 0x7e00_0000 == 0x3400_0000 {
            self.compare_branch(op, taken, to);
        } else {
            self.test_branch(op, taken, to);
        }
        if !taken {
            // What this way does to the flags is not done on the other.
            let held = self.flags_held;
            self.go(block, target);
            self.flags_held = held;
        }
        asm!(self.asm ; =>over);
        self.go(block, after);
    }

    /// Jumps if a condition holds, or if it does not.
    fn branch_if(&mut self, cond: u8, wanted: bool, to: DynamicLabel) {
        if cond >= 14 {
            if wanted {
                asm!(self.asm ; jmp =>to);
            }
            return;
        }
        self.want_flags();
        self.jump_on(if wanted { cond } else { cond ^ 1 }, to);
    }

    /// Jumps if a condition holds of the host's flags, which hold the guest's.
    pub(super) fn jump_on(&mut self, cond: u8, to: DynamicLabel) {
        jump_if!(self, self.host_condition(cond), to);
    }

    fn compare_branch(&mut self, op: &Op, wanted: bool, to: DynamicLabel) {
        let nonzero = field(op.insn, 24, 24) != 0;
        if op.rn == SLOT_ZR {
            if nonzero != wanted {
                asm!(self.asm ; jmp =>to);
            }
            return;
        }
        let value = self.get(op.rn, RAX);
        self.flags_held = false;
        if op.insn >> 31 != 0 {
            asm!(self.asm ; test Rq(value), Rq(value));
        } else {
            asm!(self.asm ; test Rd(value), Rd(value));
        }
        jump_if!(self, u8::from(nonzero == wanted), to);
    }

    fn test_branch(&mut self, op: &Op, wanted: bool, to: DynamicLabel) {
        let nonzero = field(op.insn, 24, 24) != 0;
        let value = self.get(op.rn, RAX);
        let bit = op.rm & 63;
        self.flags_held = false;
        if bit < 31 {
            asm!(self.asm ; test Rd(value), 1 << bit);
            jump_if!(self, u8::from(nonzero == wanted), to);
        } else {
            asm!(self.asm ; bt Rq(value), bit as i8);
            // The bit is in the carry.
            jump_if!(self, if nonzero == wanted { 3 } else { 2 }, to);
        }
    }

    fn jump_register(&mut self, op: &Op) {
        // The target first: BLR X30 jumps to the old one.
        self.load_slot(op.rn, RDX);
        if field(op.insn, 22, 21) == 1 {
            self.link_register();
        }
        self.store_flags();
        self.spill();
        asm!(self.asm ; mov rax, rdx);
        self.look_up();
    }
}
