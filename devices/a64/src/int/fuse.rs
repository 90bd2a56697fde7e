//! Pairs of instructions that execute as one operation.

use super::{sized, subtract};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, field, next};

/// If `branch` is a B.cond and the operation before it a SUBS or CMP (immediate, or register without a shift), takes that off `ops` and
/// gives both in one. The result has the branch's index; `imm` is the branch's offset above the immediate operand (24 bits at most).
pub(crate) fn compare_and_branch(ops: &mut Vec<Op>, branch: Op) -> Op {
    if branch.insn >> 24 != 0x54 {
        return branch;
    }
    let Some(&compare) = ops.last().filter(|op| op.index + 1 == branch.index) else {
        return branch;
    };
    let sf = compare.insn >> 31 != 0;
    let table = if compare.insn & 0x7f80_0000 == 0x7100_0000 {
        if sf { &IMMEDIATE_64 } else { &IMMEDIATE_32 }
    } else if compare.insn & 0x7fe0_fc00 == 0x6b00_0000 {
        if sf { &REGISTER_64 } else { &REGISTER_32 }
    } else {
        return branch;
    };
    ops.pop();
    Op {
        exec: table[field(branch.insn, 3, 0) as usize & 15],
        imm: branch.imm << 32 | compare.imm & 0xffff_ffff,
        rd: compare.rd,
        rn: compare.rn,
        rm: compare.rm,
        ..branch
    }
}

macro_rules! by_condition {
    ($sf:literal, $register:literal) => {
        [
            fused::<0, $sf, $register>,
            fused::<1, $sf, $register>,
            fused::<2, $sf, $register>,
            fused::<3, $sf, $register>,
            fused::<4, $sf, $register>,
            fused::<5, $sf, $register>,
            fused::<6, $sf, $register>,
            fused::<7, $sf, $register>,
            fused::<8, $sf, $register>,
            fused::<9, $sf, $register>,
            fused::<10, $sf, $register>,
            fused::<11, $sf, $register>,
            fused::<12, $sf, $register>,
            fused::<13, $sf, $register>,
            fused::<14, $sf, $register>,
            fused::<15, $sf, $register>,
        ]
    };
}

static IMMEDIATE_32: [Handler; 16] = by_condition!(false, false);
static IMMEDIATE_64: [Handler; 16] = by_condition!(true, false);
static REGISTER_32: [Handler; 16] = by_condition!(false, true);
static REGISTER_64: [Handler; 16] = by_condition!(true, true);

/// Condition `COND` after comparing `a` with `b`, which host compilers see through where the general way is by table.
#[inline(always)]
fn compares<const COND: u8, const SF: bool>(a: u64, b: u64, nzcv: u32) -> bool {
    let (a, b) = (sized::<SF>(a), sized::<SF>(b));
    let (signed_a, signed_b) = if SF { (a as i64, b as i64) } else { (i64::from(a as i32), i64::from(b as i32)) };
    match COND {
        0 => a == b,
        1 => a != b,
        2 => a >= b,
        3 => a < b,
        8 => a > b,
        9 => a <= b,
        10 => signed_a >= signed_b,
        11 => signed_a < signed_b,
        12 => signed_a > signed_b,
        13 => signed_a <= signed_b,
        _ => super::holds(COND, nzcv),
    }
}

fn fused<const COND: u8, const SF: bool, const REGISTER: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let a = core.reg(op.rn);
    let b = if REGISTER { core.reg(op.rm) } else { op.imm & 0xffff_ffff };
    let (result, nzcv) = subtract::<SF>(a, b);
    core.set_reg(op.rd, result);
    core.nzcv = nzcv;
    if compares::<COND, SF>(a, b, nzcv) {
        core.pc = core.pc.wrapping_add(((op.imm as i64) >> 32) as u64);
        core.run_retired += u64::from(op.index) + 1;
        core.link = op.aux32();
        Flow::Jump
    } else {
        next(core, bus, op)
    }
}
