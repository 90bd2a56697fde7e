//! A walk of the translation tables in words, for traces, reports and debuggers.

use super::Kind;
use super::descriptor::{Descriptor, decode, entry_address};
use super::stage1::start_level;
use crate::core::Core;

impl Core {
    /// How `va` is translated at `el`: a line for what decides, one for each table entry that is read, and one for the outcome. Only stage 1 by its entries.
    pub fn walk_words(&self, va: u64, kind: Kind, el: u8) -> Vec<String> {
        let mut lines = Vec::new();
        if !self.stage1_enabled(el) {
            lines.push(format!("EL{el}: the MMU is off, addresses are physical"));
        } else {
            match self.half(va, el) {
                Ok(half) => self.walk_entries(va, el, &half, &mut lines),
                Err(_) => lines.push(format!("EL{el}: {va:#x} lies in no address space (TCR_EL{}: size, EPD or TBI)", el.max(1))),
            }
        }
        lines.push(match self.translate(va, kind, el) {
            Ok(found) => format!("{va:#x} is physical {:#x}", found.pa),
            Err(exception) => format!("{va:#x}: {}", crate::exception::words::fault_status(exception.iss)),
        });
        lines
    }

    fn walk_entries(&self, va: u64, el: u8, half: &super::stage1::Half, lines: &mut Vec<String>) {
        let big_endian = self.sctlr_of(el) & crate::sysreg::sctlr::EE != 0;
        let (granule, mut bits, mut table) = (half.granule, half.bits, half.base);
        for level in start_level(bits, granule)..=3 {
            let at = entry_address(table, va, level, granule, bits);
            let Some(word) = self.walk_address(at, el).ok().and_then(|at| self.descriptor(at, big_endian)) else {
                lines.push(format!("level {level}: the entry at {at:#x} is not in RAM"));
                return;
            };
            match decode(word, level, granule, half.pa_bits) {
                Ok(Descriptor::Table(next)) => {
                    lines.push(format!("level {level}: entry at {at:#x} = {word:#x}: table at {next:#x}"));
                    (table, bits) = (next, granule.entry_shift(level));
                }
                Ok(Descriptor::Leaf(address)) => {
                    let kind = if level == 3 { "page" } else { "block" };
                    lines.push(format!("level {level}: entry at {at:#x} = {word:#x}: {kind} at {address:#x}, {}", leaf_words(word)));
                    return;
                }
                Err(_) => {
                    lines.push(format!("level {level}: entry at {at:#x} = {word:#x}: not valid"));
                    return;
                }
            }
        }
    }
}

/// Attributes of a block or page.
fn leaf_words(word: u64) -> String {
    let bit = |n: u32| word >> n & 1 != 0;
    let mut words = vec![if bit(7) { "read-only" } else { "writable" }];
    let more = [(bit(6), "EL0"), (!bit(10), "access flag clear"), (bit(53), "PXN"), (bit(54), "UXN"), (bit(11), "not global")];
    words.extend(more.iter().filter(|(set, _)| *set).map(|(_, name)| *name));
    format!("{}, MAIR attribute {}", words.join(", "), word >> 2 & 7)
}
