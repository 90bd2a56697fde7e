//! Stage 2 (ARM ARM D5.2, D5.4, D5.5): from intermediate physical addresses of EL1&0 to physical ones, under EL2's control.

use super::descriptor::{Descriptor, Granule, decode, entry_address, input_bits, pa_bits};
use super::{Fault, Kind, OUTER_SHAREABLE, PA_BITS, PAGE_SHIFT, Status, Translation};
use crate::core::Core;
use crate::sysreg::{Reg, hcr, sctlr};

impl Core {
    /// Stage 2 of an intermediate physical address. HCR_EL2.DC without VM behaves as with it.
    pub(super) fn stage2(&self, ipa: u64, kind: Kind) -> Result<Translation, Fault> {
        debug_assert!(self.hcr() & (hcr::VM | hcr::DC) != 0, "stage 2 is on");
        self.stage2_walk(ipa, kind).map_err(|fault| Fault { stage2: Some(ipa), ..fault })
    }

    fn stage2_walk(&self, ipa: u64, kind: Kind) -> Result<Translation, Fault> {
        let vtcr = self.sys[Reg::VTCR_EL2];
        let granule = if vtcr >> 14 & 3 == 1 { Granule::K64 } else { Granule::K4 };
        let bits = input_bits(vtcr, PA_BITS);
        let pa_bits = pa_bits(vtcr >> 16);
        let level = start_level(vtcr >> 6 & 3, granule).filter(|level| is_consistent(*level, bits, granule));
        let (Some(mut level), 0) = (level, ipa >> bits) else {
            return Err(Fault::new(Status::Translation, 0));
        };
        let big_endian = self.sys[Reg::SCTLR_EL2] & sctlr::EE != 0;
        let table_shift = (bits - granule.entry_shift(level) + 3).max(3);
        let mut table = (self.sys[Reg::VTTBR_EL2] & 0x0000_ffff_ffff_ffff) >> table_shift << table_shift;
        if table >> pa_bits != 0 {
            return Err(Fault::new(Status::AddressSize, 0));
        }
        let mut left = bits;
        loop {
            let at = entry_address(table, ipa, level, granule, left);
            let word = self.descriptor(at, big_endian).ok_or(Fault::new(Status::ExternalOnWalk, level))?;
            match decode(word, level, granule, pa_bits)? {
                Descriptor::Leaf(address) => return leaf(word, address, ipa, kind, level, granule.entry_shift(level)),
                Descriptor::Table(next) => {
                    left = granule.entry_shift(level);
                    table = next;
                    level += 1;
                }
            }
        }
    }
}

/// VTCR_EL2.SL0: the level of the first table. `None` where it is reserved.
fn start_level(sl0: u64, granule: Granule) -> Option<u8> {
    match (granule == Granule::K4, sl0) {
        (true, 0) | (false, 1) => Some(2),
        // Level 0 is for more than 43 bits of address, which this core has not.
        (true, 1) | (false, 2) => Some(1),
        (false, 0) => Some(3),
        _ => None,
    }
}

/// The first table must resolve at least one bit, and be at most sixteen tables long (ARM ARM D5.2.4).
fn is_consistent(level: u8, bits: u32, granule: Granule) -> bool {
    let shift = granule.entry_shift(level);
    bits > shift && bits <= shift + granule.stride() + 4
}

/// Rights and attributes of a stage 2 block or page.
fn leaf(word: u64, address: u64, ipa: u64, kind: Kind, level: u8, shift: u32) -> Result<Translation, Fault> {
    if word >> 10 & 1 == 0 {
        return Err(Fault::new(Status::AccessFlag, level));
    }
    let (read, write, execute) = (word >> 6 & 1 != 0, word >> 7 & 1 != 0, word >> 54 & 1 == 0);
    let allowed = match kind {
        Kind::Read => read,
        Kind::Write => write,
        Kind::Execute => execute,
    };
    if !allowed {
        return Err(Fault::new(Status::Permission, level));
    }
    let memory = word >> 2 & 0xf;
    let device = memory & 0xc == 0;
    Ok(Translation {
        pa: address | ipa & (1u64 << shift).wrapping_sub(1),
        device,
        read,
        write,
        execute,
        page_shift: (shift as u8).max(PAGE_SHIFT),
        non_global: false,
        attributes: if device { (memory as u8 & 3) << 2 } else { cacheability(memory >> 2) << 4 | cacheability(memory & 3) },
        shareability: if device { OUTER_SHAREABLE } else { (word >> 8 & 3) as u8 },
    })
}

/// Half of MemAttr, inner or outer, as MAIR_ELx has it: non-cacheable, write-through, write-back. The reserved value is non-cacheable.
fn cacheability(half: u64) -> u8 {
    match half {
        2 => 0b1000,
        3 => 0b1100,
        _ => 0b0100,
    }
}
