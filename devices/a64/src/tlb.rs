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
//! # Maintenance
//! TLBI drops what it names and perhaps more, never less: pages go from all spaces whatever their ASID. Mappings are cached in pages of 4 KiB; those
//! that are larger are noted by range, and any address of such a range drops the whole space. So does an address where stage 2 is on.

use crate::bus::TlbScope;
use crate::core::Core;
use crate::exception::Exception;
use crate::mmu::{Kind, Translation};
use crate::sysreg::hcr;
use std::fmt;

/// Entries of one direct-mapped table.
pub(crate) const ENTRIES: usize = 1024;
/// Bytes in a page of the TLB.
const PAGE: u64 = 1 << PAGE_SHIFT;
const PAGE_SHIFT: u32 = 12;
/// Entries of the cache of translations.
const WALKS: usize = 1024;
/// Bits of a virtual address that TLBI compares: without the offset in the page, and without the top byte, which may be a tag.
const COMPARED: u64 = (u64::MAX >> 8) & !(PAGE - 1);

/// One page.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Entry {
    /// Virtual address of the page; [`Entry::EMPTY`] matches nothing, as no masked address has its low bits all set.
    tag: u64,
    /// Host address of the page minus its virtual address.
    addend: usize,
}

impl Entry {
    const EMPTY: Self = Self { tag: u64::MAX, addend: 0 };
}

/// The pages of one exception level, for one direction.
pub(crate) struct Table {
    entries: Box<[Entry; ENTRIES]>,
    /// Entries of Normal memory, which may be accessed unaligned. Of use where the entry is.
    normal: [u64; ENTRIES / 64],
    /// Which entries were filled since the last flush, so that a flush costs what was used.
    filled: Vec<u16>,
}

impl Table {
    fn new() -> Self {
        Self { entries: Box::new([Entry::EMPTY; ENTRIES]), normal: [0; ENTRIES / 64], filled: Vec::with_capacity(ENTRIES) }
    }

    fn index(va: u64) -> usize {
        (va >> PAGE_SHIFT) as usize % ENTRIES
    }

    /// Host address of `va` if its page is there and `va` is a multiple of `align` (a power of two up to 16).
    #[inline(always)]
    pub(crate) fn lookup(&self, va: u64, align: u64) -> Option<usize> {
        let entry = &self.entries[Self::index(va)];
        (va & (!(PAGE - 1) | (align - 1)) == entry.tag).then(|| entry.addend.wrapping_add(va as usize))
    }

    /// Host address of `va`, aligned or not, if `len` bytes from it lie in a page of Normal memory that is there.
    pub(crate) fn lookup_normal(&self, va: u64, len: u64) -> Option<usize> {
        let index = Self::index(va);
        let whole = va % PAGE + len <= PAGE && self.normal[index / 64] >> (index % 64) & 1 != 0;
        if whole { self.lookup(va, 1) } else { None }
    }

    pub(crate) fn fill(&mut self, va: u64, host: usize, normal: bool) {
        let index = Self::index(va);
        if self.entries[index].tag == u64::MAX {
            self.filled.push(index as u16);
        }
        self.entries[index] = Entry { tag: va & !(PAGE - 1), addend: host.wrapping_sub(va as usize) };
        let (word, bit) = (&mut self.normal[index / 64], 1 << (index % 64));
        *word = if normal { *word | bit } else { *word & !bit };
    }

    /// Drops the page of `va`, whatever its top byte. Its index stays in `filled`.
    fn drop_page(&mut self, va: u64) {
        let entry = &mut self.entries[Self::index(va)];
        if (entry.tag ^ va) & COMPARED == 0 && entry.tag != u64::MAX {
            entry.tag = Self::DROPPED;
        }
    }

    /// Tag of an entry that was dropped: matches nothing, like that of an empty one.
    const DROPPED: u64 = u64::MAX - 1;

    fn flush(&mut self) {
        for index in self.filled.drain(..) {
            self.entries[index as usize % ENTRIES] = Entry::EMPTY;
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} entries)", self.filled.len())
    }
}

/// A whole translation, for slow paths.
#[derive(Clone, Copy)]
struct Walk {
    page: u64,
    el: u8,
    /// The space that it was made in.
    number: u32,
    translation: Translation,
}

/// Everything that a translation regime's translations depend on.
pub(crate) type Inputs = [u64; 8];

/// Which of [`Inputs`] are table bases: TTBR0_EL1, TTBR1_EL1 (each with an ASID) and VTTBR_EL2.
const BASES: [usize; 3] = [2, 3, 6];

/// Mappings larger than a page that something was cached of.
#[derive(Default)]
struct Large {
    /// Address (without what lies below the size) and log2 of the size.
    ranges: Vec<(u64, u8)>,
    /// There were more.
    more: bool,
}

impl Large {
    const MOST: usize = 16;

    fn range(va: u64, shift: u8) -> (u64, u8) {
        ((va & COMPARED) >> shift, shift)
    }

    fn note(&mut self, va: u64, shift: u8) {
        let range = Self::range(va, shift);
        if u32::from(shift) <= PAGE_SHIFT || self.more || self.ranges.contains(&range) {
            return;
        }
        if self.ranges.len() < Self::MOST { self.ranges.push(range) } else { self.more = true }
    }

    fn contains(&self, va: u64) -> bool {
        self.more || self.ranges.iter().any(|&(at, shift)| Self::range(va, shift).0 == at)
    }

    fn clear(&mut self) {
        self.ranges.clear();
        self.more = false;
    }
}

/// Pages that blocks were looked up in: a set that may claim too much.
struct CodePages([u64; 64]);

impl CodePages {
    /// Word and bit of a page.
    fn place(va: u64) -> (usize, u64) {
        let page = (va & COMPARED) >> PAGE_SHIFT;
        let hash = (page ^ page >> 12 ^ page >> 24) as usize;
        (hash / 64 % 64, 1 << (hash % 64))
    }

    fn add(&mut self, va: u64) {
        let (word, bit) = Self::place(va);
        self.0[word] |= bit;
    }

    fn contains(&self, va: u64) -> bool {
        let (word, bit) = Self::place(va);
        self.0[word] & bit != 0
    }
}

/// What is cached under one set of inputs.
struct Space {
    inputs: Inputs,
    /// 0 for EL1&0, 1 for EL2, 2 for EL3.
    regime: usize,
    /// Tags what is looked up by virtual address (blocks, links, walks). 0 is nobody's: the space gets a number when it is next entered.
    number: u32,
    /// Tables for loads and stores, by [`slot`].
    tables: Vec<(Table, Table)>,
    /// By half of the address space.
    large: [Large; 2],
    code: CodePages,
    /// When it was last entered.
    entered: u64,
}

/// The half of the address space that an address lies in.
fn half(va: u64) -> usize {
    (va >> 55 & 1) as usize
}

/// Index of an exception level's tables in its space.
fn slot(el: u8) -> usize {
    usize::from(el == 1)
}

impl Space {
    fn new(regime: usize, inputs: Inputs) -> Self {
        let tables = (0..if regime == 0 { 2 } else { 1 }).map(|_| (Table::new(), Table::new())).collect();
        Self { inputs, regime, number: 0, tables, large: Default::default(), code: CodePages([0; 64]), entered: 0 }
    }

    /// The ASID in force (ARM ARM D5.9.1).
    fn asid(&self) -> u64 {
        const A1: u64 = 1 << 22;
        let [_, tcr, ttbr0, ttbr1, ..] = self.inputs;
        (if tcr & A1 == 0 { ttbr0 } else { ttbr1 }) >> 48 & Self::asid_mask(tcr)
    }

    /// TCR_EL1.AS: 16 bits or 8.
    fn asid_mask(tcr: u64) -> u64 {
        if tcr >> 36 & 1 != 0 { 0xffff } else { 0xff }
    }

    fn has_asid(&self, asid: u16) -> bool {
        self.asid() == u64::from(asid) & Self::asid_mask(self.inputs[1])
    }

    fn has_stage2(&self) -> bool {
        self.regime == 0 && self.inputs[5] & (hcr::VM | hcr::DC) != 0
    }
}

/// How many spaces of EL1&0 are kept.
const SPACES: usize = 8;

/// Spaces are numbered below this.
const NUMBERS: u32 = 1 << 28;

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

    /// To be called after anything that blocks or translations depend on changed: exception level, SCTLR, TCR, TTBR, MAIR, HCR, CPACR and other
    /// FP traps, PSTATE.SP. Cheap when nothing relevant differs.
    pub fn context_changed(&mut self) {
        let regime = usize::from(self.el.saturating_sub(1)).min(2);
        let inputs = self.translation_inputs();
        let mut at = self.tlb.current[regime];
        if self.tlb.spaces[at].inputs != inputs {
            at = self.tlb.enter(regime, &inputs);
        }
        self.tlb.select(at, slot(self.el));
        if self.tlb.spaces[at].number == 0 {
            self.number_space(at);
        }
        self.tag = self.tlb.spaces[at].number << 3 | u32::from(self.el & 3) << 1 | u32::from(self.fp_trap().is_some());
    }

    /// Gives a space a number that nothing is tagged with. A block may be running: forgetting leaves its operations where they are, and takes away
    /// its links' targets only.
    fn number_space(&mut self, at: usize) {
        if self.tlb.next >= NUMBERS {
            self.blocks.forget();
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

#[cfg(test)]
mod tests {
    use super::NUMBERS;
    use crate::TlbScope;
    use crate::sysreg::Reg;
    use crate::testing::{Guest, START};

    #[test]
    fn numbers_of_contexts_run_out_in_the_middle_of_a_block() {
        // 1: add x0, x0, #1 ; tlbi vmalle1 ; add x2, x2, #1 ; tlbi alle3is ; subs x1, x1, #1 ; b.ne 1b ; b .
        let words = [0x9100_0400, 0xd508_871f, 0x9100_0442, 0xd50e_831f, 0xf100_0421, 0x54ff_ff61, 0x1400_0000];
        let result = |next: Option<u32>| {
            let mut guest = Guest::new(&words);
            guest.core.x[1] = 100;
            guest.run(7);
            let chunks = guest.core.blocks.chunks();
            if let Some(next) = next {
                guest.core.tlb.next = next;
            }
            let tag = guest.core.tag;
            guest.run(6 * 100);
            assert_eq!(guest.core.blocks.chunks(), chunks, "no operations were dropped");
            (guest.core.x[..3].to_vec(), guest.core.pc, tag < guest.core.tag)
        };
        let usual = result(None);
        assert_eq!(usual, (vec![100, 0, 100], START + 24, true));
        for left in 0..8 {
            let (x, pc, rose) = result(Some(NUMBERS - left));
            assert_eq!((x, pc), (usual.0.clone(), usual.1), "{left} numbers left");
            assert_eq!(rose, usual.2, "tags begin anew");
        }
    }

    #[test]
    fn a_number_that_is_used_again_finds_nothing_of_its_first_use() {
        // The last page of the first 2 MiB branches to the first of the next.
        let mut guest = Guest::new(&[]);
        for (at, entry) in [(0x3000, 0x4003), (0x4000, 0x401), (0x4008, 0x20_0401)] {
            guest.ram.write_u64(at, entry).expect("in RAM");
        }
        guest.core.sys[Reg::MAIR_EL3] = 0xff;
        guest.core.sys[Reg::TTBR0_EL3] = 0x3000;
        guest.core.sys[Reg::TCR_EL3] = 25;
        guest.core.sys[Reg::SCTLR_EL3] |= 1;
        guest.core.context_changed();
        guest.write(0x1f_f000, &[0x1400_0400]);
        guest.write(0x20_0000, &[0xd280_0020, 0x1400_0000]); // mov x0, #1 ; b .
        guest.write(0, &[0xd280_0040, 0x1400_0000]); // mov x0, #2 ; b .
        guest.core.pc = 0x1f_f000;
        guest.run(3);
        let first = guest.core.tag;
        assert_eq!(guest.core.x[0], 1);
        // Mapped elsewhere, and back to the number of the first use by running out.
        guest.ram.write_u64(0x4008, 0x401).expect("in RAM");
        guest.core.tlb.next = NUMBERS;
        guest.core.flush_tlb();
        while guest.core.tag < first {
            guest.core.flush_tlb();
        }
        assert_eq!(guest.core.tag, first);
        guest.core.pc = 0x1f_f000;
        guest.run(3);
        assert_eq!(guest.core.x[0], 2);
    }

    /// A guest at EL1 with 39 bits of address: pages of the first 2 MiB through the table at 0x5000, then a block, all of it mapped flat.
    fn kernel(asid: u64) -> Guest {
        let mut guest = Guest::new(&[]);
        let mut entries = vec![(0x3000, 0x4003), (0x4000, 0x5003), (0x4008, 0x20_0701)];
        entries.extend((0..512).map(|page| (0x5000 + 8 * page, page << 12 | 0xf03)));
        for (at, entry) in entries {
            guest.ram.write_u64(at, entry).expect("in RAM");
        }
        let core = &mut guest.core;
        core.sys[Reg::SCR_EL3] = 0x531;
        core.sys[Reg::HCR_EL2] = 1 << 31;
        core.sys[Reg::MAIR_EL1] = 0xff;
        core.sys[Reg::TCR_EL1] = 1 << 36 | 1 << 23 | 25;
        core.sys[Reg::TTBR0_EL1] = asid << 48 | 0x3000;
        core.sys[Reg::SCTLR_EL1] |= 1;
        core.switch_sp(1, true);
        core.context_changed();
        guest
    }

    /// Maps a page of the first 2 MiB elsewhere, without any maintenance.
    fn remap(guest: &Guest, page: u64, to: u64) {
        guest.ram.write_u64(0x5000 + 8 * page, to << 12 | 0xf03).expect("in RAM");
    }

    fn load(guest: &mut Guest, va: u64) -> u64 {
        let aligned = guest.core.load(&mut guest.bus, va, 8).expect("mapped");
        let quad = guest.core.load_quad(&mut guest.bus, va).expect("mapped");
        assert_eq!(aligned, quad as u64);
        aligned
    }

    /// A guest with different numbers in pages 0x100 to 0x103.
    fn numbered(asid: u64) -> Guest {
        let guest = kernel(asid);
        for page in 0x100..0x104 {
            guest.ram.write_u64(page << 12, page).expect("in RAM");
        }
        guest
    }

    #[test]
    fn a_page_that_is_named_goes_and_the_others_stay() {
        let mut guest = numbered(0);
        assert_eq!((load(&mut guest, 0x10_0000), load(&mut guest, 0x10_1000)), (0x100, 0x101));
        remap(&guest, 0x100, 0x102);
        remap(&guest, 0x101, 0x103);
        guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_0fff });
        assert_eq!(load(&mut guest, 0x10_0000), 0x102);
        assert_eq!(load(&mut guest, 0x10_1000), 0x101, "not named, so still cached");
        guest.core.invalidate(TlbScope::Page { regime: 1, va: 0x10_1000 });
        assert_eq!(load(&mut guest, 0x10_1000), 0x101, "another regime");
        guest.core.invalidate(TlbScope::Regime(0));
        assert_eq!(load(&mut guest, 0x10_1000), 0x103);
        // Filled again after it was dropped, it is flushed with the rest.
        remap(&guest, 0x100, 0x101);
        guest.core.invalidate(TlbScope::All);
        assert_eq!(load(&mut guest, 0x10_0000), 0x101);
    }

    #[test]
    fn any_address_of_a_block_drops_all_of_it() {
        let mut guest = numbered(0);
        guest.ram.write_u64(0x20_0000, 7).expect("in RAM");
        assert_eq!(load(&mut guest, 0x20_0000), 7);
        guest.ram.write_u64(0x4008, 0x701).expect("in RAM"); // to physical 0
        guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_0000 });
        assert_eq!(load(&mut guest, 0x20_0000), 7, "another mapping");
        guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x3f_f000 });
        assert_eq!(load(&mut guest, 0x30_0000), 0x100);
        assert_eq!(load(&mut guest, 0x20_0000), guest.ram.read_u64(0).expect("in RAM"));
    }

    #[test]
    fn address_spaces_outlive_a_switch_and_go_by_asid() {
        let mut guest = numbered(1);
        let enter = |guest: &mut Guest, asid: u64| {
            guest.core.sys[Reg::TTBR0_EL1] = asid << 48 | 0x3000;
            guest.core.context_changed();
        };
        for asid in 1..=2 {
            enter(&mut guest, asid);
            assert_eq!(load(&mut guest, 0x10_0000), 0x100);
        }
        remap(&guest, 0x100, 0x102);
        for asid in 1..=2 {
            enter(&mut guest, asid);
            assert_eq!(load(&mut guest, 0x10_0000), 0x100, "cached over the switch");
        }
        guest.core.invalidate(TlbScope::Asid(1));
        assert_eq!(load(&mut guest, 0x10_0000), 0x100, "ASID 2 is not named");
        enter(&mut guest, 1);
        assert_eq!(load(&mut guest, 0x10_0000), 0x102);
        // A page goes from all address spaces.
        remap(&guest, 0x100, 0x103);
        guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_0000 });
        for asid in [2, 1] {
            enter(&mut guest, asid);
            assert_eq!(load(&mut guest, 0x10_0000), 0x103);
        }
        // More address spaces than are kept, and each sees its own table.
        for asid in 0..4 * super::SPACES as u64 {
            remap(&guest, 0x100, 0x100 + asid % 4);
            enter(&mut guest, 100 + asid);
            assert_eq!(load(&mut guest, 0x10_0000), 0x100 + asid % 4);
        }
        assert_eq!(guest.core.tlb.spaces.len(), super::SPACES + 2);
        // What is not a table base drops them all.
        guest.core.sys[Reg::TCR_EL1] ^= 1;
        guest.core.context_changed();
        guest.core.sys[Reg::TCR_EL1] ^= 1;
        remap(&guest, 0x100, 0x100);
        enter(&mut guest, 100 + 4 * super::SPACES as u64 - 2);
        assert_eq!(load(&mut guest, 0x10_0000), 0x100);
    }

    #[test]
    fn code_is_looked_up_anew_where_its_page_is_named() {
        let mut guest = kernel(0);
        guest.write(0x10_0000, &[0xd280_0020, 0x1400_0000]); // mov x0, #1 ; b .
        guest.write(0x10_2000, &[0xd280_0040, 0x1400_0000]); // mov x0, #2 ; b .
        let run = |guest: &mut Guest| {
            guest.core.pc = 0x10_0000;
            guest.run(2);
            guest.core.x[0]
        };
        assert_eq!(run(&mut guest), 1);
        remap(&guest, 0x100, 0x102);
        let tag = guest.core.tag;
        guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_1000 });
        assert_eq!((run(&mut guest), guest.core.tag), (1, tag), "what data is mapped by does not matter");
        guest.core.invalidate(TlbScope::Page { regime: 0, va: 0x10_0000 });
        assert_eq!(run(&mut guest), 2);
    }

    #[test]
    fn unaligned_accesses_in_a_page_go_by_its_table() {
        let mut guest = kernel(0);
        let pattern: Vec<u8> = (0..64).collect();
        for size in [2u8, 4, 8] {
            for offset in 0..16u64 {
                guest.ram.copy_in(0x10_0fc0, &pattern).expect("in RAM");
                let (va, len) = (0x10_0fe0 + offset, usize::from(size));
                let expected = pattern[0x20 + offset as usize..][..len].iter().rev().fold(0, |sum, byte| sum << 8 | u64::from(*byte));
                let (core, bus) = (&mut guest.core, &mut guest.bus);
                // Twice: by the slow path, and by the table that it has filled.
                for _ in 0..2 {
                    assert_eq!(core.load(bus, va, size), Ok(expected), "{size} bytes at {va:#x}");
                    assert_eq!(core.store(bus, va, size, 0x8877_6655_4433_2211), Ok(()));
                    let mut bytes = pattern.clone();
                    guest.ram.copy_out(0x10_0fc0, &mut bytes).expect("in RAM");
                    let stored = [0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88];
                    let mut wanted = pattern.clone();
                    wanted[0x20 + offset as usize..][..len].copy_from_slice(&stored[..len]);
                    assert_eq!(bytes, wanted);
                    guest.ram.copy_in(0x10_0fc0, &pattern).expect("in RAM");
                }
            }
        }
        // SCTLR_EL1.A forbids them, whatever the table holds.
        guest.core.sys[Reg::SCTLR_EL1] |= 2;
        assert!(guest.core.load(&mut guest.bus, 0x10_0fe1, 4).is_err());
        assert!(guest.core.store(&mut guest.bus, 0x10_0fe1, 4, 0).is_err());
        assert!(guest.core.load_quad(&mut guest.bus, 0x10_0fe1).is_err());
    }
}
