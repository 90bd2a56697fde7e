//! Stage 1 (ARM ARM D5.2 to D5.4).

use super::descriptor::{Descriptor, Granule, decode, entry_address, input_bits, pa_bits};
use super::{DEVICE, Fault, Kind, NORMAL, OUTER_SHAREABLE, PA_BITS, PAGE_SHIFT, Status, Translation};
use crate::core::Core;
use crate::sysreg::{Reg, hcr, scr, sctlr};

/// A half of an address space: the registers that describe it, taken apart.
pub(super) struct Half {
    pub(super) base: u64,
    /// Bits of virtual address.
    pub(super) bits: u32,
    pub(super) granule: Granule,
    /// EPDn: walks are disabled.
    disabled: bool,
    pub(super) pa_bits: u32,
}

/// What tables on the way take away from the entries below them.
#[derive(Clone, Copy, Default)]
struct Inherited {
    read_only: bool,
    no_el0: bool,
    execute_never: bool,
    privileged_execute_never: bool,
    non_secure: bool,
}

/// The end of a walk.
struct Leaf {
    word: u64,
    address: u64,
    level: u8,
    shift: u32,
    inherited: Inherited,
}

impl Core {
    /// Stage 1 of the regime that `el` runs in.
    pub(super) fn stage1(&self, va: u64, kind: Kind, el: u8) -> Result<Translation, Fault> {
        if !self.stage1_enabled(el) {
            return self.flat(va, el);
        }
        let half = self.half(va, el)?;
        let leaf = self.walk(va, el, &half)?;
        if leaf.word >> 10 & 1 == 0 {
            return Err(Fault::new(Status::AccessFlag, leaf.level));
        }
        let found = self.leaf_translation(va, el, &leaf);
        let allowed = match kind {
            Kind::Read => found.read,
            Kind::Write => found.write,
            Kind::Execute => found.execute,
        };
        if allowed { Ok(found) } else { Err(Fault::new(Status::Permission, leaf.level)) }
    }

    /// SCTLR_ELx.M, unless EL2 stands in for EL1's control (HCR_EL2.TGE, DC).
    pub(super) fn stage1_enabled(&self, el: u8) -> bool {
        let overridden = el < 2 && self.hcr() & (hcr::TGE | hcr::DC) != 0;
        !overridden && self.sctlr_of(el) & sctlr::M != 0
    }

    /// Stage 1 is off: addresses pass through, and data is Device memory (ARM ARM D5.2.9). Instructions are Normal, but nothing asks that of a
    /// fetch, and a result serves fetches and data alike.
    fn flat(&self, va: u64, el: u8) -> Result<Translation, Fault> {
        let pa = if self.ignores_tag(va, el) { va & (u64::MAX >> 8) } else { va };
        if pa >> PA_BITS != 0 {
            return Err(Fault::new(Status::AddressSize, 0));
        }
        let normal = el < 2 && self.hcr() & hcr::DC != 0;
        Ok(Translation {
            pa,
            device: !normal,
            read: true,
            write: true,
            execute: true,
            page_shift: PA_BITS as u8,
            non_global: false,
            attributes: if normal { NORMAL } else { DEVICE },
            shareability: if normal { 0 } else { OUTER_SHAREABLE },
        })
    }

    /// TCR_ELx.TBI of the half that `va` lies in.
    fn ignores_tag(&self, va: u64, el: u8) -> bool {
        match el {
            0 | 1 => self.sys[Reg::TCR_EL1] >> (37 + (va >> 55 & 1)) & 1 != 0,
            2 => self.sys[Reg::TCR_EL2] >> 20 & 1 != 0,
            _ => self.sys[Reg::TCR_EL3] >> 20 & 1 != 0,
        }
    }

    /// The half that `va` lies in; a translation fault of level 0 if it lies in none.
    pub(super) fn half(&self, va: u64, el: u8) -> Result<Half, Fault> {
        let upper = el < 2 && va >> 55 & 1 != 0;
        let half = match el {
            0 | 1 => self.kernel_half(upper),
            2 => lone_half(self.sys[Reg::TCR_EL2], self.sys[Reg::TTBR0_EL2]),
            _ => lone_half(self.sys[Reg::TCR_EL3], self.sys[Reg::TTBR0_EL3]),
        };
        let checked = if self.ignores_tag(va, el) { 56 } else { 64 };
        let top = va << (64 - checked) >> (64 - checked) >> half.bits;
        let expected = if upper { (u64::MAX >> (64 - checked)) >> half.bits } else { 0 };
        if top != expected || half.disabled {
            return Err(Fault::new(Status::Translation, 0));
        }
        if half.base >> half.pa_bits != 0 {
            return Err(Fault::new(Status::AddressSize, 0));
        }
        Ok(half)
    }

    /// TTBR0_EL1 or TTBR1_EL1, with its half of TCR_EL1.
    fn kernel_half(&self, upper: bool) -> Half {
        let tcr = self.sys[Reg::TCR_EL1];
        let pa_bits = pa_bits(tcr >> 32);
        let (size, ttbr, k64, disabled) = if upper {
            (tcr >> 16, self.sys[Reg::TTBR1_EL1], tcr >> 30 & 3 == 3, tcr >> 23 & 1 != 0)
        } else {
            (tcr, self.sys[Reg::TTBR0_EL1], tcr >> 14 & 3 == 1, tcr >> 7 & 1 != 0)
        };
        half(size, ttbr, k64, disabled, pa_bits)
    }

    /// Walks the tables to a block or page.
    fn walk(&self, va: u64, el: u8, half: &Half) -> Result<Leaf, Fault> {
        let big_endian = self.sctlr_of(el) & sctlr::EE != 0;
        let granule = half.granule;
        let mut level = start_level(half.bits, granule);
        let (mut table, mut bits) = (half.base, half.bits);
        let mut inherited = Inherited::default();
        loop {
            let at = entry_address(table, va, level, granule, bits);
            let at = self.walk_address(at, el)?;
            let word = self.descriptor(at, big_endian).ok_or(Fault::new(Status::ExternalOnWalk, level))?;
            match decode(word, level, granule, half.pa_bits)? {
                Descriptor::Leaf(address) => return Ok(Leaf { word, address, level, shift: granule.entry_shift(level), inherited }),
                Descriptor::Table(next) => {
                    inherited = inherited.below(word);
                    bits = granule.entry_shift(level);
                    table = next;
                    level += 1;
                }
            }
        }
    }

    /// Where a stage 1 descriptor lies in physical memory: stage 2 translates it too.
    pub(super) fn walk_address(&self, ipa: u64, el: u8) -> Result<u64, Fault> {
        if !self.stage2_enabled(el) {
            return Ok(ipa);
        }
        let on_walk = |fault: Fault| Fault { on_walk: true, stage2: Some(ipa), ..fault };
        let found = self.stage2(ipa, Kind::Read).map_err(on_walk)?;
        if found.device && self.hcr() & hcr::PTW != 0 {
            return Err(on_walk(Fault::new(Status::Permission, level_of(found.page_shift))));
        }
        Ok(found.pa)
    }

    /// Rights and attributes of a block or page, as seen from `el` (ARM ARM D5.4).
    fn leaf_translation(&self, va: u64, el: u8, leaf: &Leaf) -> Translation {
        let word = leaf.word;
        let rights = if el < 2 { self.kernel_rights(el, leaf) } else { self.lone_rights(el, leaf) };
        let attributes = (self.mair(el) >> (8 * (word >> 2 & 7))) as u8;
        let device = attributes & 0xf0 == 0;
        let offset = va & (1u64 << leaf.shift).wrapping_sub(1);
        let (read, write, execute) = rights;
        Translation {
            pa: leaf.address | offset,
            device,
            read,
            write,
            execute: execute && self.may_fetch(leaf),
            page_shift: (leaf.shift as u8).max(PAGE_SHIFT),
            non_global: el < 2 && word >> 11 & 1 != 0,
            attributes,
            shareability: if device { OUTER_SHAREABLE } else { (word >> 8 & 3) as u8 },
        }
    }

    /// Load, store and fetch rights in the EL1&0 regime.
    fn kernel_rights(&self, el: u8, leaf: &Leaf) -> (bool, bool, bool) {
        let (word, inherited) = (leaf.word, leaf.inherited);
        let writable = word >> 7 & 1 == 0 && !inherited.read_only;
        let el0 = word >> 6 & 1 != 0 && !inherited.no_el0;
        let wxn = self.sys[Reg::SCTLR_EL1] & sctlr::WXN != 0;
        if el == 0 {
            let write = el0 && writable;
            let never = word >> 54 & 1 != 0 || inherited.execute_never;
            (el0, write, !(never || wxn && write))
        } else {
            let never = word >> 53 & 1 != 0 || inherited.privileged_execute_never;
            // What EL0 can write, EL1 never executes.
            (true, writable, !(never || writable && (wxn || el0)))
        }
    }

    /// Load, store and fetch rights in a regime of a single level.
    fn lone_rights(&self, el: u8, leaf: &Leaf) -> (bool, bool, bool) {
        let (word, inherited) = (leaf.word, leaf.inherited);
        let writable = word >> 7 & 1 == 0 && !inherited.read_only;
        let wxn = self.sctlr_of(el) & sctlr::WXN != 0;
        let never = word >> 54 & 1 != 0 || inherited.execute_never;
        (true, writable, !(never || wxn && writable))
    }

    /// SCR_EL3.SIF: Secure state does not fetch from Non-secure memory.
    fn may_fetch(&self, leaf: &Leaf) -> bool {
        let non_secure = leaf.inherited.non_secure || leaf.word >> 5 & 1 != 0;
        !(self.secure() && non_secure && self.sys[Reg::SCR_EL3] & scr::SIF != 0)
    }

    fn mair(&self, el: u8) -> u64 {
        self.sys[match el {
            0 | 1 => Reg::MAIR_EL1,
            2 => Reg::MAIR_EL2,
            _ => Reg::MAIR_EL3,
        }]
    }
}

impl Inherited {
    /// With the hierarchical attributes of a table descriptor added (ARM ARM D5.3.2).
    fn below(self, word: u64) -> Self {
        let bit = |n: u32| word >> n & 1 != 0;
        Self {
            read_only: self.read_only || bit(62),
            no_el0: self.no_el0 || bit(61),
            execute_never: self.execute_never || bit(60),
            privileged_execute_never: self.privileged_execute_never || bit(59),
            non_secure: self.non_secure || bit(63),
        }
    }
}

/// The only half of EL2's and EL3's address spaces.
fn lone_half(tcr: u64, ttbr: u64) -> Half {
    half(tcr, ttbr, tcr >> 14 & 3 == 1, false, pa_bits(tcr >> 16))
}

/// A half by its fields. 16 KiB granules do not exist here; what asks for them gets 4 KiB.
fn half(size: u64, ttbr: u64, k64: bool, disabled: bool, pa_bits: u32) -> Half {
    let granule = if k64 { Granule::K64 } else { Granule::K4 };
    let bits = input_bits(size, 48);
    let table_shift = bits - granule.entry_shift(start_level(bits, granule)) + 3;
    let base = (ttbr & 0x0000_ffff_ffff_ffff) >> table_shift << table_shift;
    Half { base, bits, granule, disabled, pa_bits }
}

/// The level of the first table: as few as resolve all bits.
pub(super) fn start_level(bits: u32, granule: Granule) -> u8 {
    let levels = (bits - granule.shift).div_ceil(granule.stride()).clamp(1, 4);
    (4 - levels) as u8
}

/// The level of a block or page by log2 of its size: no two levels of the two granules share one.
fn level_of(shift: u8) -> u8 {
    match shift {
        21 | 29 => 2,
        30.. => 1,
        _ => 3,
    }
}
