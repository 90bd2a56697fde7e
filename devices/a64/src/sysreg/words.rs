//! System registers in words, for traces, reports and debuggers (ARM ARM D13.2).

use super::{hcr, scr, sctlr};

/// What the value of a register that controls translation, traps or routing means; `None` for other registers.
pub fn words(name: &str, value: u64) -> Option<String> {
    Some(match name {
        "SCTLR_EL1" | "SCTLR_EL2" | "SCTLR_EL3" => control(value),
        "TCR_EL1" => {
            format!("{}; {}", half("TTBR0", value, value >> 14 & 3, value >> 7), half("TTBR1", value >> 16, tg1(value), value >> 23))
        }
        "TCR_EL2" | "TCR_EL3" => half("TTBR0", value, value >> 14 & 3, 0),
        "TTBR0_EL1" | "TTBR1_EL1" => format!("tables at {:#x}, ASID {}", value & 0xffff_ffff_fffe, value >> 48),
        "TTBR0_EL2" | "TTBR0_EL3" => format!("tables at {:#x}", value & 0xffff_ffff_fffe),
        "VTTBR_EL2" => format!("stage 2 tables at {:#x}, VMID {}", value & 0xffff_ffff_fffe, value >> 48 & 0xff),
        "CPACR_EL1" => format!("FP and SIMD {}", fp_access(value)),
        "HCR_EL2" => hypervisor(value),
        "SCR_EL3" => secure(value),
        "MAIR_EL1" | "MAIR_EL2" | "MAIR_EL3" => memory_types(value),
        "VBAR_EL1" | "VBAR_EL2" | "VBAR_EL3" => format!("vectors at {value:#x}"),
        _ => return None,
    })
}

/// Those of `names` whose bits are set.
fn named(value: u64, names: &[(u64, &'static str)]) -> Vec<&'static str> {
    names.iter().filter(|(bits, _)| value & bits != 0).map(|(_, name)| *name).collect()
}

fn on(value: u64, bit: u64) -> &'static str {
    if value & bit != 0 { "on" } else { "off" }
}

fn control(value: u64) -> String {
    const C: u64 = 1 << 2;
    const I: u64 = 1 << 12;
    let more = named(
        value,
        &[(sctlr::A, "alignment checked"), (sctlr::SA, "SP alignment checked"), (sctlr::WXN, "WXN"), (sctlr::EE, "big-endian")],
    );
    let more: String = more.into_iter().map(|name| format!(", {name}")).collect();
    format!("MMU {}, data cache {}, instruction cache {}{more}", on(value, sctlr::M), on(value, C), on(value, I))
}

/// TG1 as TG0 would say it.
fn tg1(value: u64) -> u64 {
    match value >> 30 & 3 {
        1 => 2,
        3 => 1,
        _ => 0,
    }
}

/// One half of an address space.
fn half(name: &str, size: u64, granule: u64, disabled: u64) -> String {
    if disabled & 1 != 0 {
        return format!("{name} off");
    }
    let granule = ["4 KiB", "64 KiB", "16 KiB (not on this core)", "reserved granule"][(granule & 3) as usize];
    format!("{name} {} bits, {granule}", (64 - (size & 0x3f)).clamp(25, 48))
}

fn fp_access(value: u64) -> &'static str {
    match value >> 20 & 3 {
        1 => "trapped at EL0",
        3 => "allowed",
        _ => "trapped at EL0 and EL1",
    }
}

fn hypervisor(value: u64) -> String {
    let names = [
        (hcr::VM, "stage 2 on"),
        (hcr::TGE, "TGE: EL2 stands in for EL1"),
        (hcr::FMO, "FIQ to EL2"),
        (hcr::IMO, "IRQ to EL2"),
        (hcr::AMO, "SError to EL2"),
        (hcr::TWI, "WFI trapped"),
        (hcr::TWE, "WFE trapped"),
        (hcr::TSC, "SMC trapped"),
    ];
    let rest: String = named(value, &names).into_iter().map(|name| format!(", {name}")).collect();
    format!("EL1 is {}{rest}", if value & hcr::RW != 0 { "AArch64" } else { "AArch32" })
}

fn secure(value: u64) -> String {
    let names = [
        (scr::IRQ, "IRQ to EL3"),
        (scr::FIQ, "FIQ to EL3"),
        (scr::EA, "external aborts to EL3"),
        (scr::SMD, "SMC off"),
        (scr::HCE, "HVC on"),
    ];
    let rest: String = named(value, &names).into_iter().map(|name| format!(", {name}")).collect();
    let state = if value & scr::NS != 0 { "Non-secure" } else { "Secure" };
    format!("{state}, lower levels are {}{rest}", if value & scr::RW != 0 { "AArch64" } else { "AArch32" })
}

fn memory_types(value: u64) -> String {
    let kind = |attributes: u64| match attributes & 0xff {
        0x00 => "Device-nGnRnE".to_owned(),
        0x04 => "Device-nGnRE".to_owned(),
        0x08 => "Device-nGRE".to_owned(),
        0x0c => "Device-GRE".to_owned(),
        0x44 => "Normal, not cached".to_owned(),
        0xff => "Normal, write-back".to_owned(),
        other => format!("{other:#04x}"),
    };
    (0..8).map(|n| format!("{n} {}", kind(value >> (8 * n)))).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registers_in_words() {
        for (name, value, expected) in [
            ("SCTLR_EL1", 0x30d0_0800, "MMU off, data cache off, instruction cache off"),
            ("SCTLR_EL1", 0x30d0_1805 | 8, "MMU on, data cache on, instruction cache on, SP alignment checked"),
            ("TCR_EL1", 0x8019_0019, "TTBR0 39 bits, 4 KiB; TTBR1 39 bits, 4 KiB"),
            ("TCR_EL1", 0x80_4019, "TTBR0 39 bits, 64 KiB; TTBR1 off"),
            ("TTBR0_EL1", 5 << 48 | 0x9_0000, "tables at 0x90000, ASID 5"),
            ("CPACR_EL1", 3 << 20, "FP and SIMD allowed"),
            ("CPACR_EL1", 0, "FP and SIMD trapped at EL0 and EL1"),
            ("HCR_EL2", 1 << 31 | 1 << 4, "EL1 is AArch64, IRQ to EL2"),
            ("SCR_EL3", 0x401, "Non-secure, lower levels are AArch64"),
            ("VBAR_EL1", 0x8_0800, "vectors at 0x80800"),
        ] {
            assert_eq!(words(name, value).as_deref(), Some(expected), "{name} {value:#x}");
        }
        assert!(
            words("MAIR_EL1", 0x44ff).is_some_and(|words| words.starts_with("0 Normal, write-back; 1 Normal, not cached; 2 Device-nGnRnE"))
        );
        assert_eq!(words("TPIDR_EL1", 0), None);
    }
}
