//! A walk of the translation tables in words, for traces, reports and debuggers.

use super::Kind;
use super::descriptor::{Descriptor, decode, entry_address};
use super::stage1::start_level;
use crate::core::Core;
use crate::sysreg::sctlr;

impl Core {
    /// How `va` is translated at `el`: stage 1 as [`Core::stage1_words`] has it, and a line for the outcome of an access of that kind.
    pub fn walk_words(&self, va: u64, kind: Kind, el: u8) -> Vec<String> {
        let mut lines = self.stage1_words(va, el);
        lines.push(match self.translate(va, kind, el) {
            Ok(found) => format!("{va:#x} is physical {:#x}", found.pa),
            Err(exception) => format!("{va:#x}: {}", crate::exception::words::fault_status(exception.iss)),
        });
        lines
    }

    /// Stage 1 of an address as `el` sees it: the registers that say how, then each descriptor.
    pub(crate) fn stage1_words(&self, va: u64, el: u8) -> Vec<String> {
        let regime = if el < 2 { 1 } else { el };
        if !self.stage1_enabled(el) {
            return vec![format!("EL{el}: stage 1 is off (SCTLR_EL{regime}.M is 0): virtual is physical")];
        }
        let half = match self.half(va, el) {
            Ok(half) => half,
            Err(fault) => {
                return vec![format!("EL{el}: no table for {va:#x} (TCR_EL{regime}: size, EPD or TBI): {:?} fault", fault.status)];
            }
        };
        let upper = el < 2 && va >> 55 & 1 != 0;
        let mut lines = vec![format!(
            "EL{el}: TTBR{}_EL{regime}, {} bits of virtual address, {} KiB granule",
            u8::from(upper),
            half.bits,
            1u64 << (half.granule.shift - 10)
        )];
        let big_endian = self.sctlr_of(el) & sctlr::EE != 0;
        let (mut level, mut table, mut bits) = (start_level(half.bits, half.granule), half.base, half.bits);
        loop {
            let address = entry_address(table, va, level, half.granule, bits);
            let index = address.wrapping_sub(table) / 8;
            let word = match self.walk_address(address, el).map(|at| self.descriptor(at, big_endian)) {
                Ok(Some(word)) => word,
                Ok(None) => {
                    lines.push(format!("level {level}: table {table:#x} entry {index} at {address:#x}: no RAM"));
                    return lines;
                }
                Err(fault) => {
                    lines.push(format!("level {level}: table {table:#x}: {:?} fault of stage 2", fault.status));
                    return lines;
                }
            };
            let begin = format!("level {level}: table {table:#x} entry {index} at {address:#x}: {word:#018x}");
            match decode(word, level, half.granule, half.pa_bits) {
                Ok(Descriptor::Leaf(to)) => {
                    let page = if level == 3 { "page" } else { "block" };
                    lines.push(format!("{begin}: {page} at {to:#x}, {}", leaf_words(word, el)));
                    return lines;
                }
                Ok(Descriptor::Table(next)) => {
                    lines.push(format!("{begin}: table at {next:#x}"));
                    bits = half.granule.entry_shift(level);
                    (table, level) = (next, level + 1);
                }
                Err(fault) => {
                    let why = if word & 1 == 0 { "invalid" } else { "reserved" };
                    lines.push(format!("{begin}: {why}: {:?} fault", fault.status));
                    return lines;
                }
            }
        }
    }
}

/// The attributes of a block or page descriptor (ARM ARM D5.3.3).
fn leaf_words(word: u64, el: u8) -> String {
    let bit = |n: u32| word >> n & 1 != 0;
    let mut words = vec![format!("AttrIndx {}", word >> 2 & 7)];
    words.push(if bit(7) { "read-only" } else { "writable" }.to_owned());
    if el < 2 {
        words.push(if bit(6) { "EL0 too" } else { "not EL0" }.to_owned());
    }
    words.push(["not shareable", "reserved shareability", "outer shareable", "inner shareable"][(word >> 8 & 3) as usize].to_owned());
    words.push(if bit(10) { "accessed" } else { "access flag clear" }.to_owned());
    for (at, name) in [(11, "nG"), (52, "contiguous"), (53, "PXN"), (54, if el < 2 { "UXN" } else { "XN" })] {
        if bit(at) {
            words.push(name.to_owned());
        }
    }
    words.join(", ")
}
