//! Exceptions in words: syndromes, saved states, and what they say of an access (ARM ARM D13.2.37). Pure functions of register values, for traces,
//! reports and debuggers.

use crate::sysreg::table::name_of;

/// Exception class, ESR_ELx.EC.
pub fn class(ec: u32) -> &'static str {
    match ec & 0x3f {
        0x00 => "undefined instruction",
        0x01 => "trapped WFI or WFE",
        0x07 => "floating point or SIMD trapped",
        0x0e => "illegal execution state",
        0x15 => "SVC",
        0x16 => "HVC",
        0x17 => "SMC",
        0x18 => "trapped system instruction",
        0x20 => "instruction abort from a lower level",
        0x21 => "instruction abort",
        0x22 => "misaligned PC",
        0x24 => "data abort from a lower level",
        0x25 => "data abort",
        0x26 => "misaligned SP",
        0x2c => "trapped floating point exception",
        0x2f => "SError",
        0x30 => "breakpoint from a lower level",
        0x31 => "breakpoint",
        0x32 => "software step from a lower level",
        0x33 => "software step",
        0x34 => "watchpoint from a lower level",
        0x35 => "watchpoint",
        0x3c => "BRK",
        _ => "unknown class",
    }
}

/// Fault status code, ESR_ELx.IFSC or DFSC.
pub fn fault_status(status: u32) -> String {
    let level = status & 3;
    match status & 0x3f {
        0x00..=0x03 => format!("address size fault, level {level}"),
        0x04..=0x07 => format!("translation fault, level {level}"),
        0x09..=0x0b => format!("access flag fault, level {level}"),
        0x0d..=0x0f => format!("permission fault, level {level}"),
        0x10 => "external abort (nothing answers there)".into(),
        0x14..=0x17 => format!("external abort on a table walk, level {level}"),
        0x21 => "alignment fault".into(),
        0x22 => "debug exception".into(),
        0x30 => "TLB conflict".into(),
        other => format!("fault status {other:#x}"),
    }
}

/// True for classes with a fault status and an address in FAR_ELx.
pub fn is_abort(ec: u32) -> bool {
    matches!(ec, 0x20 | 0x21 | 0x24 | 0x25)
}

/// A syndrome, ESR_ELx, in words.
pub fn syndrome(esr: u64) -> String {
    let (ec, iss) = ((esr >> 26 & 0x3f) as u32, esr as u32 & 0x01ff_ffff);
    let name = class(ec);
    match ec {
        0x20 | 0x21 => format!("{name}: {}", fault_status(iss)),
        0x24 | 0x25 => format!("{name}: {}, {}", fault_status(iss), data_access(iss)),
        0x01 => format!("{name} ({})", if iss & 1 == 0 { "WFI" } else { "WFE" }),
        0x15..=0x17 | 0x3c => format!("{name} #{:#x}", iss & 0xffff),
        0x18 => format!("{name}: {}", system_access(iss)),
        0x32 | 0x33 if iss >> 24 & 1 != 0 => format!("{name}{}", if iss >> 6 & 1 != 0 { ", of an exclusive load" } else { "" }),
        0x34 | 0x35 => format!("{name} on a {}", if iss >> 6 & 1 != 0 { "write" } else { "read" }),
        _ => name.into(),
    }
}

/// What a data abort's syndrome says of the access.
fn data_access(iss: u32) -> String {
    let bit = |n: u32| iss >> n & 1 != 0;
    let what = match (bit(8), bit(6)) {
        (true, _) => "cache maintenance",
        (false, true) => "a write",
        (false, false) => "a read",
    };
    let walk = if bit(7) { ", on a walk of stage 1" } else { "" };
    if !bit(24) {
        return format!("on {what}{walk}");
    }
    let register = match iss >> 16 & 0x1f {
        31 => "ZR".into(),
        n => n.to_string(),
    };
    let sign = if bit(21) { ", sign-extended" } else { "" };
    let order = if bit(14) { ", acquire or release" } else { "" };
    let wide = if bit(15) { 'X' } else { 'W' };
    format!("on {what} of {} bytes ({wide}{register}{sign}{order}){walk}", 1 << (iss >> 22 & 3))
}

/// What a trapped system instruction was.
fn system_access(iss: u32) -> String {
    let field = |low: u32, bits: u32| iss >> low & ((1 << bits) - 1);
    let (op0, op2, op1, crn, crm) = (field(20, 2), field(17, 3), field(14, 3), field(10, 4), field(1, 4));
    let (read, rt) = (iss & 1 != 0, field(5, 5));
    let key = (op0 & 1) << 14 | op1 << 11 | crn << 7 | crm << 3 | op2;
    let name = if op0 >= 2 { name_of(key as u16) } else { None };
    let name = name.map_or_else(|| format!("S{op0}_{op1}_C{crn}_C{crm}_{op2}"), str::to_owned);
    match (op0 >= 2, read) {
        (true, true) => format!("MRS X{rt}, {name}"),
        (true, false) => format!("MSR {name}, X{rt}"),
        (false, _) => format!("SYS {name}, X{rt}"),
    }
}

/// PSTATE as in SPSR_ELx.
pub fn pstate(spsr: u64) -> String {
    if spsr & 1 << 4 != 0 {
        return format!("AArch32, mode {:#x}", spsr & 0xf);
    }
    let flag = |bit: u32, set: char, clear: char| if spsr >> bit & 1 != 0 { set } else { clear };
    let flags: String = [flag(31, 'N', 'n'), flag(30, 'Z', 'z'), flag(29, 'C', 'c'), flag(28, 'V', 'v')].into_iter().collect();
    let masked: Vec<&str> =
        [(9, "D"), (8, "A"), (7, "I"), (6, "F")].into_iter().filter(|(bit, _)| spsr >> bit & 1 != 0).map(|(_, name)| name).collect();
    let masked = if masked.is_empty() { "nothing masked".into() } else { format!("masked {}", masked.join("")) };
    let step = if spsr & 1 << 21 != 0 { ", SS" } else { "" };
    let illegal = if spsr & 1 << 20 != 0 { ", IL" } else { "" };
    format!("{}, {flags}, {masked}{step}{illegal}", mode(spsr))
}

/// Level and stack pointer, SPSR_ELx.M of AArch64.
pub fn mode(spsr: u64) -> &'static str {
    match spsr & 0x1f {
        0x0 => "EL0t",
        0x4 => "EL1t",
        0x5 => "EL1h",
        0x8 => "EL2t",
        0x9 => "EL2h",
        0xc => "EL3t",
        0xd => "EL3h",
        0x10..=0x1f => "AArch32",
        _ => "a reserved mode",
    }
}

/// The entry of a vector table by its offset (ARM ARM D1.10.2).
pub fn vector(offset: u64) -> String {
    let from = match offset & 0x600 {
        0x000 => "same level with SP_EL0",
        0x200 => "same level",
        0x400 => "lower level in AArch64",
        _ => "lower level in AArch32",
    };
    let kind = match offset & 0x180 {
        0x000 => "synchronous",
        0x080 => "IRQ",
        0x100 => "FIQ",
        _ => "SError",
    };
    format!("{kind} from the {from}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syndromes_in_words() {
        for (esr, words) in [
            (0x0200_0000, "undefined instruction"),
            (0x1fe0_0000, "floating point or SIMD trapped"),
            (0x5600_0005, "SVC #0x5"),
            (0x8600_0006, "instruction abort: translation fault, level 2"),
            (0x8200_000f, "instruction abort from a lower level: permission fault, level 3"),
            (0x9600_0045, "data abort: translation fault, level 1, on a write"),
            (0x9600_0021, "data abort: alignment fault, on a read"),
            (0x9600_0010, "data abort: external abort (nothing answers there), on a read"),
            (0x93c3_8006, "data abort from a lower level: translation fault, level 2, on a read of 8 bytes (X3)"),
            (0x9600_0147, "data abort: translation fault, level 3, on cache maintenance"),
            (0x0600_0001, "trapped WFI or WFE (WFE)"),
            (0xf200_03e8, "BRK #0x3e8"),
            (0x3a00_0000, "illegal execution state"),
            (0xfc00_0000, "unknown class"),
        ] {
            assert_eq!(syndrome(esr), words, "{esr:#x}");
        }
    }

    #[test]
    fn trapped_registers_have_names() {
        // MRS X5, CNTPCT_EL0 and MSR DAIF of EL0 (what these trap as is in their ISS).
        let trap = |op0: u64, op1: u64, crn: u64, crm: u64, op2: u64, rt: u64, read: u64| {
            0x18 << 26 | 1 << 25 | op0 << 20 | op2 << 17 | op1 << 14 | crn << 10 | rt << 5 | crm << 1 | read
        };
        assert_eq!(syndrome(trap(3, 3, 14, 0, 1, 5, 1)), "trapped system instruction: MRS X5, CNTPCT_EL0");
        assert_eq!(syndrome(trap(3, 0, 1, 0, 0, 0, 0)), "trapped system instruction: MSR SCTLR_EL1, X0");
        assert_eq!(syndrome(trap(3, 7, 15, 15, 7, 1, 0)), "trapped system instruction: MSR S3_7_C15_C15_7, X1");
    }

    #[test]
    fn every_syndrome_state_and_vector_has_words() {
        for ec in 0..64u64 {
            for iss in (0..1u64 << 25).step_by(4099) {
                assert!(!syndrome(ec << 26 | iss).is_empty());
            }
        }
        (0..0x800).step_by(0x80).for_each(|offset| assert!(vector(offset).contains(" from ")));
    }

    #[test]
    fn saved_states() {
        assert_eq!(pstate(0x6000_03c5), "EL1h, nZCv, masked DAIF");
        assert_eq!(pstate(0x0030_0000), "EL0t, nzcv, nothing masked, SS, IL");
        assert_eq!(pstate(0x13), "AArch32, mode 0x3");
        assert_eq!((mode(0x9), mode(0x6)), ("EL2h", "a reserved mode"));
        assert_eq!(
            (vector(0x200).as_str(), vector(0x480).as_str()),
            ("synchronous from the same level", "IRQ from the lower level in AArch64")
        );
    }
}
