//! Address translation (ARM ARM D5; Cortex-A53 TRM chapter 5): 4 KiB and 64 KiB granules, 48 bits of virtual and 40 bits of physical address,
//! access flag by software, stage 2 for EL1&0.

mod descriptor;
mod stage1;
mod stage2;
#[cfg(test)]
mod tests;
pub mod words;

use crate::core::Core;
use crate::exception::{Class, Exception};
use crate::sysreg::{Reg, hcr, scr, sctlr};

/// What an access is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A load.
    Read,
    /// A store (or a cache maintenance operation that needs write permission).
    Write,
    /// An instruction fetch.
    Execute,
}

/// One successful translation, good for the whole page it lies in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Translation {
    /// Guest-physical address of the byte asked for.
    pub pa: u64,
    /// Device memory: unaligned accesses fault, and gathering is forbidden.
    pub device: bool,
    /// Loads are allowed at the exception level asked for.
    pub read: bool,
    /// Stores are allowed.
    pub write: bool,
    /// Fetches are allowed.
    pub execute: bool,
    /// log2 of the size of the block or page that maps it (at least 12).
    pub page_shift: u8,
    /// Not global: belongs to the current ASID.
    pub non_global: bool,
    /// Memory attributes as a field of MAIR_ELx, for PAR_EL1.
    pub attributes: u8,
    /// Shareability as in descriptors: 0 none, 2 outer, 3 inner.
    pub shareability: u8,
}

/// Which stages an address translation instruction asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stages {
    /// Stage 1 alone: the result is an intermediate physical address where stage 2 is on.
    First,
    /// All that are on.
    Both,
}

/// MAIR encoding of Device-nGnRnE.
const DEVICE: u8 = 0x00;
/// MAIR encoding of Normal memory, write-back.
const NORMAL: u8 = 0xff;
/// Outer shareable: what Device memory always is.
const OUTER_SHAREABLE: u8 = 2;
/// log2 of the physical address space.
const PA_BITS: u32 = 40;
/// log2 of the smallest granule.
const PAGE_SHIFT: u8 = 12;

/// Memory attributes of both stages, as fields of MAIR_ELx: the stricter type of each, allocation hints of stage 1 (ARM ARM D5.5.5).
fn combined_attributes(first: u8, second: u8) -> u8 {
    let is_device = |attributes: u8| attributes & 0xf0 == 0;
    match (is_device(first), is_device(second)) {
        (true, true) => first.min(second),
        (true, false) => first,
        (false, true) => second,
        (false, false) => combined_cacheability(first >> 4, second >> 4) << 4 | combined_cacheability(first & 0xf, second & 0xf),
    }
}

/// The wider domain of both stages (ARM ARM D5.5.5).
fn combined_shareability(first: u8, second: u8) -> u8 {
    if first == OUTER_SHAREABLE || second == OUTER_SHAREABLE { OUTER_SHAREABLE } else { first.max(second) }
}

/// One half of [`combined_attributes`] for Normal memory: inner or outer.
fn combined_cacheability(first: u8, second: u8) -> u8 {
    const NON_CACHEABLE: u8 = 0b0100;
    let is_write_through = |half: u8| half & 0b0100 == 0;
    if first == NON_CACHEABLE || second == NON_CACHEABLE {
        NON_CACHEABLE
    } else if is_write_through(second) && !is_write_through(first) {
        0b1000 | first & 0b11
    } else {
        first
    }
}

impl Translation {
    /// PAR_EL1.SH: Device memory, and memory that no cache holds, is outer shareable whatever the tables say (ARM ARM D13.2.96).
    pub(crate) fn par_shareability(&self) -> u64 {
        const NOT_CACHEABLE: u8 = 0x44;
        u64::from(if self.device || self.attributes == NOT_CACHEABLE { OUTER_SHAREABLE } else { self.shareability })
    }
}

/// A fault on the way, before it becomes an exception.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fault {
    status: Status,
    level: u8,
    /// Stage 2 faulted on this intermediate physical address.
    stage2: Option<u64>,
    /// Stage 2 faulted on a table walk of stage 1.
    on_walk: bool,
}

/// Fault status codes without the level (ARM ARM D13.2.37, DFSC).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    AddressSize = 0b00_0000,
    Translation = 0b00_0100,
    AccessFlag = 0b00_1000,
    Permission = 0b00_1100,
    ExternalOnWalk = 0b01_0100,
}

impl Fault {
    fn new(status: Status, level: u8) -> Self {
        Self { status, level, stage2: None, on_walk: false }
    }

    /// The abort that the guest gets for an access to `va`.
    fn exception(self, va: u64, kind: Kind) -> Exception {
        let class = match (self.stage2, kind == Kind::Execute) {
            (None, true) => Class::InstructionAbort,
            (None, false) => Class::DataAbort,
            (Some(ipa), true) => Class::Stage2InstructionAbort { ipa },
            (Some(ipa), false) => Class::Stage2DataAbort { ipa },
        };
        let status = self.status as u32 | u32::from(self.level & 3);
        let write = u32::from(kind == Kind::Write) << 6;
        let on_walk = u32::from(self.on_walk) << 7;
        Exception { class, iss: status | write | on_walk, far: Some(va) }
    }
}

impl Core {
    /// Translates by walking the tables (no TLB): the current translation regime as seen from `el`.
    ///
    /// # Errors
    /// The abort that the guest gets, with its syndrome.
    pub fn translate(&self, va: u64, kind: Kind, el: u8) -> Result<Translation, Exception> {
        self.translate_stages(va, kind, el, Stages::Both)
    }

    /// As [`Core::translate`], perhaps without stage 2.
    pub(crate) fn translate_stages(&self, va: u64, kind: Kind, el: u8, stages: Stages) -> Result<Translation, Exception> {
        let second = self.stage2_enabled(el);
        let found = self
            .stage1(va, kind, el)
            .and_then(|first| if second && stages == Stages::Both { self.combine(first, kind) } else { Ok(first) });
        found.map_err(|fault| fault.exception(va, kind))
    }

    /// Stage 2 translates EL1 and EL0 in Non-secure state where HCR_EL2.VM (or DC) says so.
    fn stage2_enabled(&self, el: u8) -> bool {
        el < 2 && self.hcr() & (hcr::VM | hcr::DC) != 0
    }

    /// What stage 1 found, translated by stage 2: the rights of both, the stricter memory type.
    fn combine(&self, first: Translation, kind: Kind) -> Result<Translation, Fault> {
        let second = self.stage2(first.pa, kind)?;
        let device = first.device || second.device;
        Ok(Translation {
            pa: second.pa,
            device,
            read: first.read && second.read,
            write: first.write && second.write,
            execute: first.execute && second.execute,
            page_shift: first.page_shift.min(second.page_shift),
            non_global: first.non_global,
            attributes: combined_attributes(first.attributes, second.attributes),
            shareability: if device { OUTER_SHAREABLE } else { combined_shareability(first.shareability, second.shareability) },
        })
    }

    /// All that translations of the current regime depend on: while it is the same, they are the same (but for the tables themselves). So is the order
    /// of bytes, which decides what the software TLB may hold.
    #[inline(always)]
    pub(crate) fn translation_inputs(&self) -> [u64; 8] {
        const CONTROL: u64 = sctlr::M | sctlr::A | sctlr::WXN | sctlr::EE | sctlr::E0E;
        const HYPERVISOR: u64 = hcr::VM | hcr::DC | hcr::TGE | hcr::PTW | 3 << 32;
        // The security state decides which of HCR_EL2 counts, and SIF what may be fetched.
        let security = (self.sys[Reg::SCR_EL3] & (scr::NS | scr::SIF)) << 40;
        let sys = &self.sys;
        match self.el {
            0 | 1 => [
                sys[Reg::SCTLR_EL1] & CONTROL,
                sys[Reg::TCR_EL1],
                sys[Reg::TTBR0_EL1],
                sys[Reg::TTBR1_EL1],
                sys[Reg::MAIR_EL1],
                self.hcr() & HYPERVISOR | security,
                sys[Reg::VTTBR_EL2],
                sys[Reg::VTCR_EL2] | (sys[Reg::SCTLR_EL2] & sctlr::EE) << 32,
            ],
            2 => [sys[Reg::SCTLR_EL2] & CONTROL, sys[Reg::TCR_EL2], sys[Reg::TTBR0_EL2], 0, sys[Reg::MAIR_EL2], security, 0, 0],
            _ => [sys[Reg::SCTLR_EL3] & CONTROL, sys[Reg::TCR_EL3], sys[Reg::TTBR0_EL3], 0, sys[Reg::MAIR_EL3], security, 0, 0],
        }
    }

    /// Reads a descriptor from guest memory. `None` outside RAM: an external abort.
    fn descriptor(&self, pa: u64, big_endian: bool) -> Option<u64> {
        if pa >= self.config.ram_top {
            return None;
        }
        let word = self.config.ram.read_u64(pa)?;
        Some(if big_endian { word.swap_bytes() } else { word })
    }
}
