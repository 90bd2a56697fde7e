//! The software TLB, and the tags that say which context cached lookups belong to.
//!
//! Loads and stores look a page up in the table of the current exception level: a hit gives the host address. Only RAM is in it; devices, faults,
//! unaligned accesses and stores to pages with decoded code miss by construction and take the slow path, which has a cache of whole
//! translations of its own.

use crate::core::Core;
use crate::exception::Exception;
use crate::mmu::{Kind, Translation};
use std::fmt;

/// Entries of one direct-mapped table.
pub(crate) const ENTRIES: usize = 1024;
/// Bytes in a page of the TLB.
const PAGE: u64 = 1 << PAGE_SHIFT;
const PAGE_SHIFT: u32 = 12;
/// Entries of the cache of translations.
const WALKS: usize = 1024;

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
    /// Which entries were filled since the last flush, so that a flush costs what was used.
    filled: Vec<u16>,
}

impl Table {
    fn new() -> Self {
        Self { entries: Box::new([Entry::EMPTY; ENTRIES]), filled: Vec::with_capacity(ENTRIES) }
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

    pub(crate) fn fill(&mut self, va: u64, host: usize) {
        let index = Self::index(va);
        if self.entries[index].tag == u64::MAX {
            self.filled.push(index as u16);
        }
        self.entries[index] = Entry { tag: va & !(PAGE - 1), addend: host.wrapping_sub(va as usize) };
    }

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
    generation: u32,
    translation: Translation,
}

/// All tables of a core.
pub(crate) struct Tlb {
    /// Loads of the current exception level.
    pub(crate) read: Table,
    /// Stores of the current exception level.
    pub(crate) write: Table,
    /// Whose tables `read` and `write` are.
    el: u8,
    /// Tables of the other exception levels (the slot of `el` is unused).
    parked: [(Table, Table); 4],
    walks: Vec<Option<Walk>>,
    generation: u32,
}

impl fmt::Debug for Tlb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tlb").field("el", &self.el).field("read", &self.read).field("write", &self.write).finish_non_exhaustive()
    }
}

impl Tlb {
    pub(crate) fn new() -> Self {
        Self {
            read: Table::new(),
            write: Table::new(),
            el: 3,
            parked: std::array::from_fn(|_| (Table::new(), Table::new())),
            walks: vec![None; WALKS],
            generation: 0,
        }
    }

    fn select(&mut self, el: u8) {
        let el = el & 3;
        if el != self.el {
            let (old, new) = (usize::from(self.el), usize::from(el));
            std::mem::swap(&mut self.read, &mut self.parked[old].0);
            std::mem::swap(&mut self.write, &mut self.parked[old].1);
            std::mem::swap(&mut self.read, &mut self.parked[new].0);
            std::mem::swap(&mut self.write, &mut self.parked[new].1);
            self.el = el;
        }
    }

    fn of(&mut self, el: usize) -> (&mut Table, &mut Table) {
        if usize::from(self.el) == el {
            (&mut self.read, &mut self.write)
        } else {
            let (read, write) = &mut self.parked[el];
            (read, write)
        }
    }

    fn flush_walks(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        if self.generation == 0 {
            self.walks.fill(None);
        }
    }

    /// Drops the entries of a translation regime: 0 for EL1&0, 1 for EL2, 2 for EL3.
    fn flush_regime(&mut self, regime: usize) {
        let levels = if regime == 0 { 0..2 } else { regime + 1..regime + 2 };
        for el in levels {
            let (read, write) = self.of(el);
            read.flush();
            write.flush();
        }
        self.flush_walks();
    }

    fn flush_writes(&mut self) {
        for el in 0..4 {
            self.of(el).1.flush();
        }
    }
}

/// How many contexts keep their tags over a switch away and back.
const REMEMBERED: usize = 16;

/// Contexts are numbered below this.
const NUMBERS: u32 = 1 << 28;

/// Everything that a translation regime's translations depend on.
pub(crate) type Inputs = [u64; 8];

/// Tags of contexts. What is looked up by virtual address (blocks, links) carries the tag it was found under: translation inputs,
/// exception level and FP traps. Two contexts of the same inputs share a tag until a TLB maintenance instruction.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// Inputs of each regime that its tables were filled under.
    current: [Inputs; 3],
    /// Contexts that have a number, newest last.
    known: Vec<(usize, Inputs, u32)>,
    /// The next number.
    next: u32,
}

impl Context {
    /// Number of a regime's context. `None` when the numbers have run out: forget all tagged things, then ask again.
    fn number(&mut self, regime: usize, inputs: &Inputs) -> Option<u32> {
        if let Some(known) = self.known.iter().find(|known| known.0 == regime && known.1 == *inputs) {
            return Some(known.2);
        }
        self.next += 1;
        if self.next >= NUMBERS {
            self.known.clear();
            self.next = 0;
            return None;
        }
        if self.known.len() >= REMEMBERED {
            self.known.remove(0);
        }
        self.known.push((regime, *inputs, self.next));
        Some(self.next)
    }
}

impl Core {
    /// Drops all software TLB entries, and what was looked up by virtual address.
    pub fn flush_tlb(&mut self) {
        for regime in 0..3 {
            self.tlb.flush_regime(regime);
        }
        self.forget_lookups();
    }

    /// What was looked up by virtual address is to be looked up again.
    pub(crate) fn forget_lookups(&mut self) {
        self.context.known.clear();
        self.context_changed();
    }

    /// Drops the direct write entries of the software TLB.
    pub fn flush_write_tlb(&mut self) {
        self.tlb.flush_writes();
    }

    /// To be called after anything that blocks or translations depend on changed: exception level, SCTLR, TCR, TTBR, MAIR, HCR, CPACR and other
    /// FP traps, PSTATE.SP. Cheap when nothing relevant differs.
    pub fn context_changed(&mut self) {
        self.tlb.select(self.el);
        let regime = usize::from(self.el.saturating_sub(1)).min(2);
        let inputs = self.translation_inputs();
        if inputs != self.context.current[regime] {
            self.context.current[regime] = inputs;
            self.tlb.flush_regime(regime);
        }
        // A block may be running. Forgetting leaves its operations where they are, and takes away its links' targets only.
        let number = self.context.number(regime, &inputs).unwrap_or_else(|| {
            self.blocks.forget();
            self.context.number(regime, &inputs).unwrap_or(0)
        });
        self.tag = number << 3 | u32::from(self.el & 3) << 1 | u32::from(self.fp_trap().is_some());
    }

    /// As [`Core::translate`], from a cache, and with the permission for `kind` checked.
    ///
    /// # Errors
    /// The abort that the guest gets.
    pub(crate) fn translate_cached(&mut self, va: u64, kind: Kind, el: u8) -> Result<Translation, Exception> {
        let page = va & !(PAGE - 1);
        let generation = self.tlb.generation;
        let slot = (va >> PAGE_SHIFT) as usize % WALKS;
        if let Some(walk) = self.tlb.walks[slot]
            && walk.page == page
            && walk.el == el
            && walk.generation == generation
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
        self.tlb.walks[slot] = Some(Walk { page, el, generation, translation: base });
        Ok(translation)
    }
}

#[cfg(test)]
mod tests {
    use super::NUMBERS;
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
                guest.core.context.next = next;
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
        guest.core.context.next = NUMBERS - 1;
        guest.core.flush_tlb();
        while guest.core.tag < first {
            guest.core.flush_tlb();
        }
        assert_eq!(guest.core.tag, first);
        guest.core.pc = 0x1f_f000;
        guest.run(3);
        assert_eq!(guest.core.x[0], 2);
    }
}
