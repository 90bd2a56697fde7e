//! Addition, subtraction and logic (ARM ARM C4.1.2 and C4.1.5).

use super::{add_with_carry, extended, nzcv, pick, shifted, sized, subtract};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, dest, field, next, or_sp, row, sign_extend, source};

pub(crate) static ROWS: &[Row] = &[
    row("ADR", "0ii10000 iiiiiiiiiiiiiiiiiii ddddd", build_adr),
    row("ADRP", "1ii10000 iiiiiiiiiiiiiiiiiii ddddd", build_adr),
    row("ADD (immediate)", "s00100010 hiiiiiiiiiiii nnnnn ddddd", build_add_imm),
    row("ADDS (immediate)", "s01100010 hiiiiiiiiiiii nnnnn ddddd", build_add_imm),
    row("SUB (immediate)", "s10100010 hiiiiiiiiiiii nnnnn ddddd", build_add_imm),
    row("SUBS (immediate)", "s11100010 hiiiiiiiiiiii nnnnn ddddd", build_add_imm),
    row("AND (immediate)", "s00100100 Nrrrrrrssssss nnnnn ddddd", build_logical_imm),
    row("ORR (immediate)", "s01100100 Nrrrrrrssssss nnnnn ddddd", build_logical_imm),
    row("EOR (immediate)", "s10100100 Nrrrrrrssssss nnnnn ddddd", build_logical_imm),
    row("ANDS (immediate)", "s11100100 Nrrrrrrssssss nnnnn ddddd", build_logical_imm),
    row("MOVN", "s00100101 hh iiiiiiiiiiiiiiii ddddd", build_mov_wide),
    row("MOVZ", "s10100101 hh iiiiiiiiiiiiiiii ddddd", build_mov_wide),
    row("MOVK", "s11100101 hh iiiiiiiiiiiiiiii ddddd", build_mov_wide),
    row("AND (shifted register)", "s0001010 hh0 mmmmm aaaaaa nnnnn ddddd", build_logical),
    row("BIC (shifted register)", "s0001010 hh1 mmmmm aaaaaa nnnnn ddddd", build_logical),
    row("ORR (shifted register)", "s0101010 hh0 mmmmm aaaaaa nnnnn ddddd", build_logical),
    row("ORN (shifted register)", "s0101010 hh1 mmmmm aaaaaa nnnnn ddddd", build_logical),
    row("EOR (shifted register)", "s1001010 hh0 mmmmm aaaaaa nnnnn ddddd", build_logical),
    row("EON (shifted register)", "s1001010 hh1 mmmmm aaaaaa nnnnn ddddd", build_logical),
    row("ANDS (shifted register)", "s1101010 hh0 mmmmm aaaaaa nnnnn ddddd", build_logical),
    row("BICS (shifted register)", "s1101010 hh1 mmmmm aaaaaa nnnnn ddddd", build_logical),
    row("ADD (shifted register)", "s0001011 hh0 mmmmm aaaaaa nnnnn ddddd", build_add),
    row("ADDS (shifted register)", "s0101011 hh0 mmmmm aaaaaa nnnnn ddddd", build_add),
    row("SUB (shifted register)", "s1001011 hh0 mmmmm aaaaaa nnnnn ddddd", build_add),
    row("SUBS (shifted register)", "s1101011 hh0 mmmmm aaaaaa nnnnn ddddd", build_add),
    row("ADD (extended register)", "s0001011 001 mmmmm ooo aaa nnnnn ddddd", build_add_ext),
    row("ADDS (extended register)", "s0101011 001 mmmmm ooo aaa nnnnn ddddd", build_add_ext),
    row("SUB (extended register)", "s1001011 001 mmmmm ooo aaa nnnnn ddddd", build_add_ext),
    row("SUBS (extended register)", "s1101011 001 mmmmm ooo aaa nnnnn ddddd", build_add_ext),
    row("ADC", "s0011010000 mmmmm 000000 nnnnn ddddd", build_adc),
    row("ADCS", "s0111010000 mmmmm 000000 nnnnn ddddd", build_adc),
    row("SBC", "s1011010000 mmmmm 000000 nnnnn ddddd", build_adc),
    row("SBCS", "s1111010000 mmmmm 000000 nnnnn ddddd", build_adc),
];

/// sf, the size flag.
pub(super) fn sf(insn: u32) -> bool {
    insn >> 31 != 0
}

fn build_adr(insn: u32) -> Option<Op> {
    let imm = sign_extend(u64::from(field(insn, 23, 5) << 2 | field(insn, 30, 29)), 21);
    let page = insn >> 31 != 0;
    let exec = if page { adrp } else { adr };
    Some(Op { imm: if page { imm << 12 } else { imm }, rd: dest(insn), ..Op::new(exec, insn) })
}

fn adr(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.set_reg(op.rd, core.current_pc(op).wrapping_add(op.imm));
    next(core, bus, op)
}

fn adrp(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.set_reg(op.rd, (core.current_pc(op) & !0xfff).wrapping_add(op.imm));
    next(core, bus, op)
}

fn build_add_imm(insn: u32) -> Option<Op> {
    let imm = u64::from(field(insn, 21, 10)) << (12 * field(insn, 22, 22));
    let (sf, sub, flags) = (sf(insn), field(insn, 30, 30) != 0, field(insn, 29, 29) != 0);
    let rn = or_sp(field(insn, 9, 5));
    Some(if flags {
        Op { imm, rn, rd: dest(insn), ..Op::new(pick!(adds_imm [] sf, sub), insn) }
    } else {
        let imm = if sub { imm.wrapping_neg() } else { imm };
        Op { imm, rn, rd: or_sp(insn), ..Op::new(pick!(add_imm [] sf), insn) }
    })
}

fn add_imm<const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.set_reg(op.rd, sized::<SF>(core.reg(op.rn).wrapping_add(op.imm)));
    next(core, bus, op)
}

/// `a + b` or `a - b`, with the flags set.
#[inline(always)]
pub(super) fn set_flags<const SF: bool, const SUB: bool>(core: &mut Core, a: u64, b: u64) -> u64 {
    let (result, flags) = if SUB { subtract::<SF>(a, b) } else { add_with_carry::<SF>(a, b, false) };
    core.nzcv = flags;
    result
}

fn adds_imm<const SF: bool, const SUB: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let result = set_flags::<SF, SUB>(core, core.reg(op.rn), op.imm);
    core.set_reg(op.rd, result);
    next(core, bus, op)
}

/// The bitmask of N:immr:imms (DecodeBitMasks of the ARM ARM), at 64 bits.
pub(super) fn bitmask(n: u32, immr: u32, imms: u32) -> Option<u64> {
    let len = 31 - (n << 6 | (!imms & 0x3f)).leading_zeros().min(31);
    if len == 0 {
        return None;
    }
    let size = 1 << len;
    let (s, r) = (imms & (size - 1), immr & (size - 1));
    if s == size - 1 {
        return None;
    }
    let ones = u64::MAX >> (63 - s);
    let element = if r == 0 { ones } else { (ones >> r | ones << (size - r)) & (u64::MAX >> (64 - size)) };
    let mut mask = element;
    let mut width = size;
    while width < 64 {
        mask |= mask << width;
        width *= 2;
    }
    Some(mask)
}

fn build_logical_imm(insn: u32) -> Option<Op> {
    let sf = sf(insn);
    let n = field(insn, 22, 22);
    if !sf && n != 0 {
        return None;
    }
    let mask = bitmask(n, field(insn, 21, 16), field(insn, 15, 10))?;
    let imm = if sf { mask } else { u64::from(mask as u32) };
    let opc = field(insn, 30, 29);
    let exec = match opc {
        0 => pick!(logical_imm [0,] sf),
        1 => pick!(logical_imm [1,] sf),
        2 => pick!(logical_imm [2,] sf),
        _ => pick!(logical_imm [3,] sf),
    };
    let rd = if opc == 3 { dest(insn) } else { or_sp(insn) };
    Some(Op { imm, rd, rn: source(field(insn, 9, 5)), ..Op::new(exec, insn) })
}

/// AND, ORR, EOR, ANDS by `OPC`.
#[inline(always)]
fn logic<const OPC: u8, const SF: bool>(core: &mut Core, a: u64, b: u64) -> u64 {
    let result = sized::<SF>(match OPC {
        1 => a | b,
        2 => a ^ b,
        _ => a & b,
    });
    if OPC == 3 {
        let negative = if SF { result >> 63 != 0 } else { result >> 31 != 0 };
        core.nzcv = nzcv(negative, result == 0, false, false);
    }
    result
}

fn logical_imm<const OPC: u8, const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let result = logic::<OPC, SF>(core, core.reg(op.rn), op.imm);
    core.set_reg(op.rd, result);
    next(core, bus, op)
}

fn build_mov_wide(insn: u32) -> Option<Op> {
    let (sf, shift) = (sf(insn), 16 * field(insn, 22, 21));
    if !sf && shift >= 32 {
        return None;
    }
    let imm = u64::from(field(insn, 20, 5)) << shift;
    let (exec, imm): (Handler, u64) = match field(insn, 30, 29) {
        0 => (mov_imm, if sf { !imm } else { u64::from(!imm as u32) }),
        2 => (mov_imm, imm),
        _ => (pick!(movk [] sf), imm),
    };
    Some(Op { imm, rd: dest(insn), aux: [shift as u8, 0, 0, 0], ..Op::new(exec, insn) })
}

fn mov_imm(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.set_reg(op.rd, op.imm);
    next(core, bus, op)
}

fn movk<const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let hole = !(0xffff << (op.aux[0] & 63));
    core.set_reg(op.rd, sized::<SF>(core.reg(op.rd) & hole | op.imm));
    next(core, bus, op)
}

/// Operands of the shifted register forms, and 0 or 1 + the shift type; `None` for a shift of 32 or more at 32 bits.
fn shifted_op(insn: u32) -> Option<(Op, u8)> {
    let amount = field(insn, 15, 10);
    if !sf(insn) && amount >= 32 {
        return None;
    }
    let sh = if amount == 0 { 0 } else { field(insn, 23, 22) as u8 + 1 };
    let op = Op {
        rd: dest(insn),
        rn: source(field(insn, 9, 5)),
        rm: source(field(insn, 20, 16)),
        aux: [amount as u8, 0, 0, 0],
        ..Op::new(mov_imm, insn)
    };
    Some((op, sh))
}

fn build_logical(insn: u32) -> Option<Op> {
    let (op, sh) = shifted_op(insn)?;
    let (sf, opc, not) = (sf(insn), field(insn, 30, 29), field(insn, 21, 21) != 0);
    if opc == 1 && sh == 0 && !not && field(insn, 9, 5) == 31 {
        return Some(Op { exec: pick!(mov_reg [] sf), ..op });
    }
    macro_rules! by_shift {
        ($opc:literal) => {
            match sh {
                0 => pick!(logical [$opc, 0,] sf, not),
                1 => pick!(logical [$opc, 1,] sf, not),
                2 => pick!(logical [$opc, 2,] sf, not),
                3 => pick!(logical [$opc, 3,] sf, not),
                _ => pick!(logical [$opc, 4,] sf, not),
            }
        };
    }
    let exec = match opc {
        0 => by_shift!(0),
        1 => by_shift!(1),
        2 => by_shift!(2),
        _ => by_shift!(3),
    };
    Some(Op { exec, ..op })
}

fn mov_reg<const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.set_reg(op.rd, sized::<SF>(core.reg(op.rm)));
    next(core, bus, op)
}

fn logical<const OPC: u8, const SH: u8, const SF: bool, const NOT: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let b = shifted::<SF, SH>(core.reg(op.rm), op.aux[0]);
    let result = logic::<OPC, SF>(core, core.reg(op.rn), if NOT { !b } else { b });
    core.set_reg(op.rd, result);
    next(core, bus, op)
}

fn build_add(insn: u32) -> Option<Op> {
    let (op, sh) = shifted_op(insn)?;
    let (sf, sub, flags) = (sf(insn), field(insn, 30, 30) != 0, field(insn, 29, 29) != 0);
    let exec = match sh {
        0 => pick!(add [0,] sf, sub, flags),
        1 => pick!(add [1,] sf, sub, flags),
        2 => pick!(add [2,] sf, sub, flags),
        3 => pick!(add [3,] sf, sub, flags),
        // ROR is reserved here; an amount of zero does not make it allocated.
        _ => return None,
    };
    if field(insn, 23, 22) == 3 {
        return None;
    }
    Some(Op { exec, ..op })
}

/// `a + b` or `a - b`, with or without flags.
#[inline(always)]
fn sum<const SF: bool, const SUB: bool, const FLAGS: bool>(core: &mut Core, a: u64, b: u64) -> u64 {
    if FLAGS { set_flags::<SF, SUB>(core, a, b) } else { sized::<SF>(if SUB { a.wrapping_sub(b) } else { a.wrapping_add(b) }) }
}

fn add<const SH: u8, const SF: bool, const SUB: bool, const FLAGS: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let b = shifted::<SF, SH>(core.reg(op.rm), op.aux[0]);
    let result = sum::<SF, SUB, FLAGS>(core, core.reg(op.rn), b);
    core.set_reg(op.rd, result);
    next(core, bus, op)
}

fn build_add_ext(insn: u32) -> Option<Op> {
    let (sf, sub, flags) = (sf(insn), field(insn, 30, 30) != 0, field(insn, 29, 29) != 0);
    let amount = field(insn, 12, 10);
    if amount > 4 {
        return None;
    }
    Some(Op {
        rd: if flags { dest(insn) } else { or_sp(insn) },
        rn: or_sp(field(insn, 9, 5)),
        rm: source(field(insn, 20, 16)),
        aux: [amount as u8, field(insn, 15, 13) as u8, 0, 0],
        ..Op::new(pick!(add_ext [] sf, sub, flags), insn)
    })
}

fn add_ext<const SF: bool, const SUB: bool, const FLAGS: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let b = extended(core.reg(op.rm), op.aux[1], op.aux[0]);
    let result = sum::<SF, SUB, FLAGS>(core, core.reg(op.rn), b);
    core.set_reg(op.rd, result);
    next(core, bus, op)
}

fn build_adc(insn: u32) -> Option<Op> {
    let (sf, sub, flags) = (sf(insn), field(insn, 30, 30) != 0, field(insn, 29, 29) != 0);
    Some(Op {
        rd: dest(insn),
        rn: source(field(insn, 9, 5)),
        rm: source(field(insn, 20, 16)),
        ..Op::new(pick!(adc [] sf, sub, flags), insn)
    })
}

fn adc<const SF: bool, const SUB: bool, const FLAGS: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let b = core.reg(op.rm);
    let (result, flags) = add_with_carry::<SF>(core.reg(op.rn), if SUB { !b } else { b }, core.nzcv >> 29 & 1 != 0);
    if FLAGS {
        core.nzcv = flags;
    }
    core.set_reg(op.rd, result);
    next(core, bus, op)
}
