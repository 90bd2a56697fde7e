//! Memory for a debugger: virtual addresses as the core translates them now, and how it does so, in words.

use crate::core::Core;
use crate::mmu::Kind;
use std::collections::BTreeMap;

impl Core {
    /// Where a virtual address lies in physical memory, whatever rights the current level has there: that of the kernel while EL0 runs. `None` where nothing is mapped.
    pub fn debug_translate(&self, va: u64) -> Option<u64> {
        let el = self.el.max(1);
        [Kind::Read, Kind::Execute].into_iter().find_map(|kind| self.translate(va, kind, el).ok()).map(|found| found.pa)
    }

    /// The bytes at a virtual address, as many as can be read: RAM alone. A device's registers are not read, as that may change them.
    pub fn debug_read(&self, va: u64, bytes: &mut [u8]) -> usize {
        self.debug_pieces(va, bytes.len(), |pa, piece| self.config.ram.copy_out(pa, &mut bytes[piece]).is_some())
    }

    /// Writes bytes at a virtual address, whatever rights the guest has there. How many were written: RAM alone.
    pub fn debug_write(&mut self, va: u64, bytes: &[u8]) -> usize {
        self.debug_pieces(va, bytes.len(), |pa, piece| self.config.ram.copy_in(pa, &bytes[piece]).is_some())
    }

    /// Calls `each` with the physical address of each piece that lies in one page of RAM, until one fails.
    fn debug_pieces(&self, va: u64, len: usize, mut each: impl FnMut(u64, std::ops::Range<usize>) -> bool) -> usize {
        let mut done = 0;
        while done < len {
            let at = va.wrapping_add(done as u64);
            let most = (4096 - (at & 0xfff) as usize).min(len - done);
            let Some(pa) = self.debug_translate(at).filter(|&pa| self.is_ram(pa, most as u64)) else { break };
            if !each(pa, done..done + most) {
                break;
            }
            done += most;
        }
        done
    }

    /// How the core translates an address now, step by step, one line each.
    pub fn describe_translation(&self, va: u64) -> Vec<String> {
        let el = self.el.max(1);
        let mut lines = self.stage1_words(va, el);
        match self.translate(va, Kind::Read, el).or_else(|_| self.translate(va, Kind::Execute, el)) {
            Ok(found) => {
                let right = |allowed: bool, letter: &'static str| if allowed { letter } else { "-" };
                let what = if found.device { "Device" } else { "Normal" };
                let place = if self.is_ram(found.pa, 1) { "RAM" } else { "no RAM" };
                lines.push(format!(
                    "physical {:#x} ({place}), {what} memory (attributes {:#04x}), {}{}{} at EL{el}, {} of {}",
                    found.pa,
                    found.attributes,
                    right(found.read, "r"),
                    right(found.write, "w"),
                    right(found.execute, "x"),
                    if found.non_global { "not global, part" } else { "global, part" },
                    size_words(found.page_shift.into()),
                ));
            }
            Err(fault) => lines.push(format!("{} (ISS {:#x})", crate::exception::words::fault_status(fault.iss), fault.iss)),
        }
        lines
    }

    /// What the software TLB holds of the current exception level: each page and where it is in physical memory, one line each, at most `most`.
    pub fn describe_tlb(&self, most: usize) -> Vec<String> {
        let mut pages: BTreeMap<u64, [&str; 2]> = BTreeMap::new();
        self.tlb.read.pages().for_each(|va| pages.entry(va).or_insert(["-", "-"])[0] = "r");
        self.tlb.write.pages().for_each(|va| pages.entry(va).or_insert(["-", "-"])[1] = "w");
        let total = pages.len();
        let line = |(va, [read, write]): (u64, [&str; 2])| {
            let pa = self.debug_translate(va).map_or_else(|| "(not mapped any more)".to_owned(), |pa| format!("{pa:#x}"));
            format!("{va:#018x} -> {pa} {read}{write}")
        };
        let mut lines: Vec<String> = pages.into_iter().take(most).map(line).collect();
        lines.push(format!("{total} pages of RAM known at EL{}", self.el));
        lines
    }
}

/// A power of two as a size.
fn size_words(shift: u32) -> String {
    match shift {
        40.. => "all of memory, with translation off".to_owned(),
        30.. => format!("a block of {} GiB", 1u64 << (shift - 30)),
        20.. => format!("a block of {} MiB", 1u64 << (shift - 20)),
        _ => format!("a page of {} KiB", 1u64 << (shift.max(10) - 10)),
    }
}
