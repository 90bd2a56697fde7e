//! Words of the instructions that the harness itself writes.

/// NOP.
pub const NOP: u32 = 0xd503_201f;
/// RET to X30.
pub const RET: u32 = 0xd65f_03c0;
/// ERET.
pub const ERET: u32 = 0xd69f_03e0;
/// ISB SY.
pub const ISB: u32 = 0xd503_3fdf;
/// DSB ISH.
pub const DSB: u32 = 0xd503_3b9f;
/// BRK #0.
pub const BRK: u32 = 0xd420_0000;

/// A system register or instruction as it stands in bits 19 to 5 of MRS, MSR and SYS.
pub const fn name(op0: u32, op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    (op0 & 1) << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
}

/// MSR of the register `name` (op0 is 2 or 3) from Xt.
pub const fn msr(name: u32, rt: u32) -> u32 {
    0xd510_0000 | name | rt
}

/// MRS of the register `name` to Xt.
pub const fn mrs(name: u32, rt: u32) -> u32 {
    0xd530_0000 | name | rt
}

/// SYS: the instruction `name` (op0 is 1) with Xt.
pub const fn sys(name: u32, rt: u32) -> u32 {
    0xd500_0000 | name | rt
}

/// MOVZ Xd, #imm, LSL #(16 * part).
pub const fn movz(rd: u32, imm: u64, part: u32) -> u32 {
    0xd280_0000 | part << 21 | ((imm & 0xffff) as u32) << 5 | rd
}

/// MOVK Xd, #imm, LSL #(16 * part).
pub const fn movk(rd: u32, imm: u64, part: u32) -> u32 {
    0xf280_0000 | part << 21 | ((imm & 0xffff) as u32) << 5 | rd
}

/// Xd becomes `value`, in as few words as it takes.
pub fn mov(out: &mut Vec<u32>, rd: u32, value: u64) {
    let first = out.len();
    for part in 0..4 {
        let imm = value >> (16 * part) & 0xffff;
        if imm != 0 {
            out.push(if out.len() == first { movz(rd, imm, part) } else { movk(rd, imm, part) });
        }
    }
    if out.len() == first {
        out.push(movz(rd, 0, 0));
    }
}

/// ADR Xd, to what is `words` words after it.
pub const fn adr(rd: u32, words: i64) -> u32 {
    0x1000_0000 | ((words & 0x7_ffff) as u32) << 5 | rd
}

/// B to what is `words` words after it.
pub const fn b(words: i64) -> u32 {
    0x1400_0000 | (words & 0x3ff_ffff) as u32
}

/// BL to what is `words` words after it.
pub const fn bl(words: i64) -> u32 {
    0x9400_0000 | (words & 0x3ff_ffff) as u32
}

/// BR Xn.
pub const fn br(rn: u32) -> u32 {
    0xd61f_0000 | rn << 5
}

/// BLR Xn.
pub const fn blr(rn: u32) -> u32 {
    0xd63f_0000 | rn << 5
}

/// B.cond to what is `words` words after it.
pub const fn b_cond(cond: u32, words: i64) -> u32 {
    0x5400_0000 | ((words & 0x7_ffff) as u32) << 5 | cond & 15
}

/// CBNZ Wt to what is `words` words after it.
pub const fn cbnz(rt: u32, words: i64) -> u32 {
    0x3500_0000 | ((words & 0x7_ffff) as u32) << 5 | rt
}

/// ADD Xd, Xn, #imm.
pub const fn add(rd: u32, rn: u32, imm: u32) -> u32 {
    0x9100_0000 | imm << 10 | rn << 5 | rd
}

/// SUB Xd, Xn, #imm.
pub const fn sub(rd: u32, rn: u32, imm: u32) -> u32 {
    0xd100_0000 | imm << 10 | rn << 5 | rd
}

/// SUBS Wd, Wn, #imm.
pub const fn subs_w(rd: u32, rn: u32, imm: u32) -> u32 {
    0x7100_0000 | imm << 10 | rn << 5 | rd
}

/// CMP Xn, #imm.
pub const fn cmp(rn: u32, imm: u32) -> u32 {
    0xf100_001f | imm << 10 | rn << 5
}

/// LSR Xd, Xn, #shift.
pub const fn lsr(rd: u32, rn: u32, shift: u32) -> u32 {
    0xd340_fc00 | shift << 16 | rn << 5 | rd
}

/// LDR Xt, [Xn, #(8 * index)].
pub const fn ldr(rt: u32, rn: u32, index: u32) -> u32 {
    0xf940_0000 | index << 10 | rn << 5 | rt
}

/// STR Xt, [Xn, #(8 * index)].
pub const fn str(rt: u32, rn: u32, index: u32) -> u32 {
    0xf900_0000 | index << 10 | rn << 5 | rt
}

/// STR Wt, [Xn, #(4 * index)].
pub const fn str_w(rt: u32, rn: u32, index: u32) -> u32 {
    0xb900_0000 | index << 10 | rn << 5 | rt
}

/// LDR Xt, [Xn], #8.
pub const fn ldr_post(rt: u32, rn: u32) -> u32 {
    0xf840_8400 | rn << 5 | rt
}

/// LDR Xt, of what is `words` words after it.
pub const fn ldr_literal(rt: u32, words: i64) -> u32 {
    0x5800_0000 | ((words & 0x7_ffff) as u32) << 5 | rt
}

/// Registers of levels 1 to 3.
pub const fn of_level(el: u8, crn: u32, crm: u32, op2: u32) -> u32 {
    name(3, if el == 1 { 0 } else { 2 * el as u32 }, crn, crm, op2)
}

/// ELR_ELx.
pub const fn elr(el: u8) -> u32 {
    of_level(el, 4, 0, 1)
}

/// SPSR_ELx.
pub const fn spsr(el: u8) -> u32 {
    of_level(el, 4, 0, 0)
}

/// ESR_ELx.
pub const fn esr(el: u8) -> u32 {
    of_level(el, 5, 2, 0)
}

/// TPIDR_ELx, x from 1.
pub const fn tpidr(el: u8) -> u32 {
    if el == 1 { name(3, 0, 13, 0, 4) } else { of_level(el, 13, 0, 2) }
}

/// TPIDRRO_EL0.
pub const TPIDRRO_EL0: u32 = name(3, 3, 13, 0, 3);
/// FPCR.
pub const FPCR: u32 = name(3, 3, 4, 4, 0);
/// TTBR0_EL1.
pub const TTBR0_EL1: u32 = name(3, 0, 2, 0, 0);

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_a64::decode;

    #[test]
    fn words_are_what_they_are_called() {
        for (word, row) in [
            (msr(FPCR, 3), "MSR (register)"),
            (mrs(elr(1), 3), "MRS"),
            (sys(name(1, 0, 8, 7, 0), 31), "SYS"),
            (adr(1, -1), "ADR"),
            (bl(-2), "BL"),
            (ERET, "ERET"),
        ] {
            assert_eq!(decode::decode(word).name, row, "{word:#x}");
        }
        assert_eq!((elr(2), esr(3)), (0xc_4020, 0xe_5200));
        let mut words = vec![];
        mov(&mut words, 2, 0x1234_0000_5678);
        assert_eq!(words, [0xd28a_cf02, 0xf2c2_4682]);
    }
}
