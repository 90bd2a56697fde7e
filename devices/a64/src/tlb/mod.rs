//! The software TLB, and the tags that say which context cached lookups belong to.
//!
//! Loads and stores look a page up in the table of the current exception level: a hit gives the host address. Only RAM is in it; devices, faults,
//! unaligned accesses and stores to pages with decoded code miss by construction and take the slow path, which has a cache of whole
//! translations of its own.
//!
//! # Spaces
//! All that is cached belongs to a *space*: the values of the registers that translations depend on. Kernels go back and forth between a few of them (an
//! ASID a process, and one for the kernel alone), so the last of them are kept. A change of anything but a table base drops them all, as
//! not every kernel asks for it.
//!
//! # Pages that readers watch
//! Stores through the tables are told to nobody, so the page of each entry of a table for stores is claimed in the page map ([`tayberry_ram::PageMap`]), and
//! so is the page of each store that goes without. Entries of pages that are tracked there are noted; between runs the machine has them dropped, settles the pages, and the
//! next store to one misses and claims it again.
//!
//! # Maintenance
//! TLBI drops what it names and perhaps more, never less: pages go from all spaces whatever their ASID. Mappings are cached in pages of 4 KiB; those
//! that are larger are noted by range, and any address of such a range drops the whole space. So does an address where stage 2 is on.

mod space;
mod table;
#[cfg(test)]
mod tests;

use crate::bus::TlbScope;
use crate::core::Core;
use crate::exception::Exception;
use crate::fp::format::{FZ, RMODE};
use crate::mmu::{Kind, Translation};
use space::{BASES, CodePages, Inputs, Large, Space, half, slot};
use std::fmt;
pub(crate) use table::{ENTRIES, Entry, Table};
use tayberry_ram::Forget;

/// Bytes in a page of the TLB.
const PAGE: u64 = 1 << PAGE_SHIFT;
const PAGE_SHIFT: u32 = 12;
/// Entries of the cache of translations.
const WALKS: usize = 1024;
/// Bits of a virtual address that TLBI compares: without the offset in the page, and without the top byte, which may be a tag.
const COMPARED: u64 = (u64::MAX >> 8) & !(PAGE - 1);

/// A whole translation, for slow paths.
#[derive(Clone, Copy)]
struct Walk {
    page: u64,
    el: u8,
    /// The space that it was made in.
    number: u32,
    translation: Translation,
}

/// How many spaces of EL1&0 are kept.
const SPACES: usize = 8;

/// Spaces are numbered below this.
const NUMBERS: u32 = 1 << 27;

/// All tables of a core.
pub(crate) struct Tlb {
    /// Loads of the current exception level.
    pub(crate) read: Table,
    /// Stores of the current exception level.
    pub(crate) write: Table,
    /// The space and slot whose tables `read` and `write` are; what is there meanwhile is not used.
    active: (usize, usize),
    spaces: Vec<Space>,
    /// The current space of each regime.
    current: [usize; 3],
    walks: Vec<Option<Walk>>,
    /// The next number of a space.
    next: u32,
    /// Counts entries into spaces.
    entries: u64,
    /// Space, slot and index of entries for stores that were filled with tracked pages of RAM ([`tayberry_ram::PageMap`]) since these were last forgotten. Some may be of another
    /// page meanwhile. More than [`ENTRIES`] stand for all there are.
    tracked: Vec<(u8, u8, u16)>,
}

impl fmt::Debug for Tlb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let spaces = self.spaces.len();
        f.debug_struct("Tlb").field("spaces", &spaces).field("read", &self.read).field("write", &self.write).finish_non_exhaustive()
    }
}

impl Tlb {
    pub(crate) fn new() -> Self {
        Self {
            read: Table::new(),
            write: Table::new(),
            active: (2, slot(3)),
            spaces: (0..3).map(|regime| Space::new(regime, Inputs::default())).collect(),
            current: [0, 1, 2],
            walks: vec![None; WALKS],
            next: 1,
            entries: 0,
            tracked: Vec::new(),
        }
    }

    /// Makes the tables of an exception level those of loads and stores.
    fn select(&mut self, space: usize, slot: usize) {
        if (space, slot) != self.active {
            let (old_space, old_slot) = self.active;
            let parked = &mut self.spaces[old_space].tables[old_slot];
            std::mem::swap(&mut self.read, &mut parked.0);
            std::mem::swap(&mut self.write, &mut parked.1);
            let wanted = &mut self.spaces[space].tables[slot];
            std::mem::swap(&mut self.read, &mut wanted.0);
            std::mem::swap(&mut self.write, &mut wanted.1);
            self.active = (space, slot);
        }
    }

    /// All tables of a space, loads' and stores' alike.
    fn each_table(&mut self, space: usize, mut each: impl FnMut(&mut Table, &mut Table)) {
        for slot in 0..self.spaces[space].tables.len() {
            if (space, slot) == self.active {
                each(&mut self.read, &mut self.write);
            } else {
                let (read, write) = &mut self.spaces[space].tables[slot];
                each(read, write);
            }
        }
    }

    /// Drops all that is cached of a space.
    fn flush_space(&mut self, space: usize) {
        self.each_table(space, |read, write| {
            read.flush();
            write.flush();
        });
        let space = &mut self.spaces[space];
        space.large.iter_mut().for_each(Large::clear);
        space.number = 0;
    }

    fn flush_spaces(&mut self, which: impl Fn(&Space) -> bool) {
        for space in 0..self.spaces.len() {
            if which(&self.spaces[space]) {
                self.flush_space(space);
            }
        }
    }

    fn flush_writes(&mut self) {
        for space in 0..self.spaces.len() {
            self.each_table(space, |_, write| write.flush());
        }
        self.tracked.clear();
    }

    /// Notes that the entry for stores of `va`, just filled, is of a tracked page.
    pub(crate) fn note_tracked(&mut self, va: u64) {
        let (space, slot) = self.active;
        let entry = (space as u8, slot as u8, Table::index(va) as u16);
        if self.tracked.len() <= ENTRIES && self.tracked.last() != Some(&entry) {
            self.tracked.push(entry);
        }
    }

    fn forget_tracked_writes(&mut self) {
        if self.tracked.len() > ENTRIES {
            self.flush_writes();
        }
        let mut tracked = std::mem::take(&mut self.tracked);
        for (space, slot, index) in tracked.drain(..) {
            let at = (usize::from(space), usize::from(slot));
            let table = if at == self.active { &mut self.write } else { &mut self.spaces[at.0].tables[at.1].1 };
            table.drop_entry(index.into());
        }
        self.tracked = tracked;
    }

    /// Drops a page from the spaces of a regime.
    fn drop_page(&mut self, regime: usize, va: u64) {
        let walk = &mut self.walks[(va >> PAGE_SHIFT) as usize % WALKS];
        if walk.is_some_and(|walk| (walk.page ^ va) & COMPARED == 0) {
            *walk = None;
        }
        for at in 0..self.spaces.len() {
            let space = &mut self.spaces[at];
            if space.regime != regime {
                continue;
            }
            if space.has_stage2() || space.large[half(va)].contains(va) {
                self.flush_space(at);
                continue;
            }
            if space.code.contains(va) {
                space.number = 0;
            }
            self.each_table(at, |read, write| {
                read.drop_page(va);
                write.drop_page(va);
            });
        }
    }

    /// The space of these inputs, which are not the regime's current ones: one that is kept, or a new one in place of the one not used for longest.
    fn enter(&mut self, regime: usize, inputs: &Inputs) -> usize {
        self.entries += 1;
        let same_control = |space: &Space| (0..inputs.len()).all(|at| BASES.contains(&at) || space.inputs[at] == inputs[at]);
        if !same_control(&self.spaces[self.current[regime]]) {
            self.flush_spaces(|space| space.regime == regime);
        }
        let at = self.spaces.iter().position(|space| space.regime == regime && space.inputs == *inputs);
        let at = at.unwrap_or_else(|| self.make_room(regime, inputs));
        self.spaces[at].entered = self.entries;
        self.current[regime] = at;
        at
    }

    /// A space for new inputs.
    fn make_room(&mut self, regime: usize, inputs: &Inputs) -> usize {
        let mine = || self.spaces.iter().enumerate().filter(|(_, space)| space.regime == regime);
        if regime == 0 && mine().count() < SPACES {
            self.spaces.push(Space::new(regime, *inputs));
            return self.spaces.len() - 1;
        }
        let oldest = mine().min_by_key(|(_, space)| space.entered).map_or(self.current[regime], |(at, _)| at);
        self.flush_space(oldest);
        self.spaces[oldest].inputs = *inputs;
        oldest
    }
}

impl Core {
    /// Drops all software TLB entries, and what was looked up by virtual address.
    pub fn flush_tlb(&mut self) {
        self.invalidate(TlbScope::All);
    }

    /// Drops what a TLB maintenance instruction names (ARM ARM D5.10.2).
    pub fn invalidate(&mut self, scope: TlbScope) {
        match scope {
            TlbScope::All => self.tlb.flush_spaces(|_| true),
            TlbScope::Regime(regime) => self.tlb.flush_spaces(|space| space.regime == usize::from(regime)),
            TlbScope::Asid(asid) => self.tlb.flush_spaces(|space| space.regime == 0 && space.has_asid(asid)),
            TlbScope::Page { regime, va } => self.tlb.drop_page(usize::from(regime), va),
        }
        self.context_changed();
    }

    /// What was looked up by virtual address is to be looked up again.
    pub(crate) fn forget_lookups(&mut self) {
        self.tlb.spaces.iter_mut().for_each(|space| space.number = 0);
        self.context_changed();
    }

    /// Drops the direct write entries of the software TLB.
    pub fn flush_write_tlb(&mut self) {
        self.tlb.flush_writes();
    }

    /// Forgets direct ways to store, between runs, so that pages can be settled ([`tayberry_ram::PageMap`]).
    pub fn forget_writes(&mut self, what: Forget) {
        match what {
            Forget::Tracked => self.tlb.forget_tracked_writes(),
            Forget::All => self.tlb.flush_writes(),
        }
    }

    /// To be called after anything that blocks or translations depend on changed: exception level, SCTLR, TCR, TTBR, MAIR, HCR, CPACR and other
    /// FP traps, PSTATE.SP, rounding and flushing in FPCR. Cheap when nothing relevant differs.
    pub fn context_changed(&mut self) {
        let regime = usize::from(self.el.saturating_sub(1)).min(2);
        let inputs = self.translation_inputs();
        let mut at = self.tlb.current[regime];
        // One by one, in registers: exceptions and returns come by here.
        let difference = self.tlb.spaces[at].inputs.iter().zip(&inputs).fold(0, |all, (old, new)| all | (old ^ new));
        if difference != 0 {
            at = self.tlb.enter(regime, &inputs);
        }
        self.tlb.select(at, slot(self.el));
        if self.tlb.spaces[at].number == 0 {
            self.number_space(at);
        }
        let plain_fp = self.fp.fpcr & (RMODE | FZ) == 0;
        self.tag =
            self.tlb.spaces[at].number << 4 | u32::from(!plain_fp) << 3 | u32::from(self.el & 3) << 1 | u32::from(self.fp_trap().is_some());
    }

    /// Gives a space a number that nothing is tagged with. A block may be running: forgetting leaves its operations where they are, and takes away
    /// its links' targets only.
    fn number_space(&mut self, at: usize) {
        if self.tlb.next >= NUMBERS {
            self.blocks.forget();
            if let Some(jit) = self.jit.as_deref_mut() {
                jit.forget();
            }
            self.tlb.walks.fill(None);
            self.tlb.spaces.iter_mut().for_each(|space| space.number = 0);
            self.tlb.next = 1;
        }
        let space = &mut self.tlb.spaces[at];
        space.number = self.tlb.next;
        space.code = CodePages([0; 64]);
        self.tlb.next += 1;
    }

    /// Notes that a block was looked up at a virtual address in the current space.
    pub(crate) fn note_code(&mut self, va: u64) {
        self.tlb.spaces[self.tlb.active.0].code.add(va);
    }

    /// As [`Core::translate`], from a cache, and with the permission for `kind` checked.
    ///
    /// # Errors
    /// The abort that the guest gets.
    pub(crate) fn translate_cached(&mut self, va: u64, kind: Kind, el: u8) -> Result<Translation, Exception> {
        let page = va & !(PAGE - 1);
        let number = self.tlb.spaces[self.tlb.active.0].number;
        let slot = (va >> PAGE_SHIFT) as usize % WALKS;
        if let Some(walk) = self.tlb.walks[slot]
            && walk.page == page
            && walk.el == el
            && walk.number == number
        {
            let t = walk.translation;
            let allowed = match kind {
                Kind::Read => t.read,
                Kind::Write => t.write,
                Kind::Execute => t.execute,
            };
            if allowed {
                return Ok(Translation { pa: t.pa | (va & (PAGE - 1)), ..t });
            }
        }
        let translation = self.translate(va, kind, el)?;
        let base = Translation { pa: translation.pa & !(PAGE - 1), ..translation };
        self.tlb.walks[slot] = Some(Walk { page, el, number, translation: base });
        self.tlb.spaces[self.tlb.active.0].large[half(va)].note(va, translation.page_shift);
        Ok(translation)
    }
}
