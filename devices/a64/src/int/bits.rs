//! Bitfields, extraction, variable shifts, bit counting and reversal, CRC32 (ARM ARM C4.1.2 and C4.1.5).

use super::alu::sf;
use super::{pick, shifted, sized};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, dest, field, next, row, source};

pub(crate) static ROWS: &[Row] = &[
    row("SBFM", "s00100110 Nrrrrrrssssss nnnnn ddddd", build_bitfield),
    row("BFM", "s01100110 Nrrrrrrssssss nnnnn ddddd", build_bitfield),
    row("UBFM", "s10100110 Nrrrrrrssssss nnnnn ddddd", build_bitfield),
    row("EXTR", "s00100111 N0 mmmmm ssssss nnnnn ddddd", build_extr),
    row("LSLV", "s0011010110 mmmmm 001000 nnnnn ddddd", build_shift),
    row("LSRV", "s0011010110 mmmmm 001001 nnnnn ddddd", build_shift),
    row("ASRV", "s0011010110 mmmmm 001010 nnnnn ddddd", build_shift),
    row("RORV", "s0011010110 mmmmm 001011 nnnnn ddddd", build_shift),
    row("CRC32B, CRC32H, CRC32W, CRC32X", "s0011010110 mmmmm 0100zz nnnnn ddddd", build_crc),
    row("CRC32CB, CRC32CH, CRC32CW, CRC32CX", "s0011010110 mmmmm 0101zz nnnnn ddddd", build_crc),
    row("RBIT", "s101101011000000 000000 nnnnn ddddd", build_one),
    row("REV16", "s101101011000000 000001 nnnnn ddddd", build_one),
    row("REV (32-bit), REV32", "s101101011000000 000010 nnnnn ddddd", build_one),
    row("REV (64-bit)", "1101101011000000 000011 nnnnn ddddd", build_one),
    row("CLZ", "s101101011000000 000100 nnnnn ddddd", build_one),
    row("CLS", "s101101011000000 000101 nnnnn ddddd", build_one),
];

/// The low `bits` (1 to 64) bits.
fn ones(bits: u32) -> u64 {
    u64::MAX >> (64 - bits)
}

/// All three bitfield moves come in two kinds. *Right* (imms >= immr): the field from bit `aux[0]` of the source moves to bit 0. *Left*: the low field
/// moves up to bit `aux[0]`. For UBFM and BFM `imm` is the mask of the field (at bit 0); for SBFM `aux[1]` is the distance that brings its top to bit 63.
fn build_bitfield(insn: u32) -> Option<Op> {
    let sf = sf(insn);
    let (n, r, s) = (field(insn, 22, 22) != 0, field(insn, 21, 16), field(insn, 15, 10));
    if n != sf || !sf && (r >= 32 || s >= 32) {
        return None;
    }
    let right = s >= r;
    let size = if sf { 64 } else { 32 };
    let (imm, at) = if right { (ones(s - r + 1), r) } else { (ones(s + 1), size - r) };
    let exec: Handler = match (field(insn, 30, 29), right) {
        (0, true) => pick!(sbfm_right [] sf),
        (0, false) => pick!(sbfm_left [] sf),
        (1, true) => pick!(bfm_right [] sf),
        (1, false) => pick!(bfm_left [] sf),
        (_, true) => ubfm_right,
        (_, false) => ubfm_left,
    };
    let aux = [at as u8, (63 - s) as u8, 0, 0];
    Some(Op { imm, aux, rd: dest(insn), rn: source(field(insn, 9, 5)), ..Op::new(exec, insn) })
}

fn ubfm_right(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.set_reg(op.rd, core.reg(op.rn) >> (op.aux[0] & 63) & op.imm);
    next(core, bus, op)
}

fn ubfm_left(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.set_reg(op.rd, (core.reg(op.rn) & op.imm) << (op.aux[0] & 63));
    next(core, bus, op)
}

fn sbfm_right<const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let top = (core.reg(op.rn) << (op.aux[1] & 63)) as i64;
    core.set_reg(op.rd, sized::<SF>((top >> (op.aux[1].wrapping_add(op.aux[0]) & 63)) as u64));
    next(core, bus, op)
}

fn sbfm_left<const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let top = (core.reg(op.rn) << (op.aux[1] & 63)) as i64;
    core.set_reg(op.rd, sized::<SF>(((top >> (op.aux[1] & 63)) as u64) << (op.aux[0] & 63)));
    next(core, bus, op)
}

fn bfm_right<const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let bits = core.reg(op.rn) >> (op.aux[0] & 63) & op.imm;
    core.set_reg(op.rd, sized::<SF>(core.reg(op.rd) & !op.imm | bits));
    next(core, bus, op)
}

fn bfm_left<const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let shift = op.aux[0] & 63;
    let bits = (core.reg(op.rn) & op.imm) << shift;
    core.set_reg(op.rd, sized::<SF>(core.reg(op.rd) & !(op.imm << shift) | bits));
    next(core, bus, op)
}

/// Operands of the two-source instructions.
fn two(insn: u32, exec: Handler) -> Op {
    Op { rd: dest(insn), rn: source(field(insn, 9, 5)), rm: source(field(insn, 20, 16)), ..Op::new(exec, insn) }
}

fn build_extr(insn: u32) -> Option<Op> {
    let sf = sf(insn);
    let lsb = field(insn, 15, 10);
    if (field(insn, 22, 22) != 0) != sf || !sf && lsb >= 32 {
        return None;
    }
    Some(Op { aux: [lsb as u8, 0, 0, 0], ..two(insn, pick!(extr [] sf)) })
}

fn extr<const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (high, low, lsb) = (core.reg(op.rn), core.reg(op.rm), u32::from(op.aux[0]));
    let result = if SF {
        ((u128::from(high) << 64 | u128::from(low)) >> (lsb & 63)) as u64
    } else {
        u64::from(((high << 32 | u64::from(low as u32)) >> (lsb & 31)) as u32)
    };
    core.set_reg(op.rd, result);
    next(core, bus, op)
}

fn build_shift(insn: u32) -> Option<Op> {
    let sf = sf(insn);
    let exec = match field(insn, 11, 10) {
        0 => pick!(shift [1,] sf),
        1 => pick!(shift [2,] sf),
        2 => pick!(shift [3,] sf),
        _ => pick!(shift [4,] sf),
    };
    Some(two(insn, exec))
}

fn shift<const SH: u8, const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let amount = core.reg(op.rm) as u8 & if SF { 63 } else { 31 };
    core.set_reg(op.rd, shifted::<SF, SH>(core.reg(op.rn), amount));
    next(core, bus, op)
}

fn build_one(insn: u32) -> Option<Op> {
    let sf = sf(insn);
    let exec = match field(insn, 12, 10) {
        0 => pick!(one [0,] sf),
        1 => pick!(one [1,] sf),
        2 => pick!(one [2,] sf),
        3 => pick!(one [3,] sf),
        4 => pick!(one [4,] sf),
        _ => pick!(one [5,] sf),
    };
    Some(Op { rd: dest(insn), rn: source(field(insn, 9, 5)), ..Op::new(exec, insn) })
}

/// RBIT, REV16, REV32, REV (64-bit), CLZ, CLS by `OPCODE`.
fn one<const OPCODE: u8, const SF: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let x = core.reg(op.rn);
    let w = x as u32;
    let result = match (OPCODE, SF) {
        (0, true) => x.reverse_bits(),
        (0, false) => u64::from(w.reverse_bits()),
        (1, _) => sized::<SF>((x >> 8 & 0x00ff_00ff_00ff_00ff) | (x & 0x00ff_00ff_00ff_00ff) << 8),
        (2, true) => x.swap_bytes().rotate_left(32),
        (2, false) => u64::from(w.swap_bytes()),
        (3, _) => x.swap_bytes(),
        (4, true) => u64::from(x.leading_zeros()),
        (4, false) => u64::from(w.leading_zeros()),
        // The bits after the sign that equal it: those that x ^ (x >> 1) has clear below the top.
        (_, true) => u64::from((x ^ ((x as i64) >> 1) as u64).leading_zeros() - 1),
        (_, false) => u64::from((w ^ ((w as i32) >> 1) as u32).leading_zeros() - 1),
    };
    core.set_reg(op.rd, result);
    next(core, bus, op)
}

/// Table of a reflected CRC-32, by byte.
const fn crc_table(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        let mut crc = i as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = crc >> 1 ^ if crc & 1 != 0 { polynomial } else { 0 };
            bit += 1;
        }
        table[i] = crc;
        i += 1;
    }
    table
}

/// CRC-32 of ISO 3309 (polynomial 0x04C11DB7) and of Castagnoli (0x1EDC6F41), reflected.
static CRC_TABLES: [[u32; 256]; 2] = [crc_table(0xEDB8_8320), crc_table(0x82F6_3B78)];

fn build_crc(insn: u32) -> Option<Op> {
    let size = field(insn, 11, 10);
    if sf(insn) != (size == 3) {
        return None;
    }
    Some(Op { aux: [1 << size, field(insn, 12, 12) as u8, 0, 0], ..two(insn, crc32) })
}

fn crc32(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let table = &CRC_TABLES[usize::from(op.aux[1] & 1)];
    let mut crc = core.reg(op.rn) as u32;
    let bytes = core.reg(op.rm).to_le_bytes();
    for byte in bytes.iter().take(usize::from(op.aux[0])) {
        crc = crc >> 8 ^ table[usize::from(crc as u8 ^ byte)];
    }
    core.set_reg(op.rd, u64::from(crc));
    next(core, bus, op)
}
