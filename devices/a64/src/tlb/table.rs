//! Direct-mapped tables of pages, for loads and stores.

use super::{COMPARED, PAGE, PAGE_SHIFT};
use std::fmt;

/// Entries of one direct-mapped table.
pub(crate) const ENTRIES: usize = 8192;
/// The last of them.
const LAST: usize = ENTRIES - 1;

/// One page.
#[derive(Clone, Copy)]
#[repr(C)]
pub(crate) struct Entry {
    /// Virtual address of the page; [`Entry::EMPTY`] matches nothing, as no masked address has its low bits all set.
    tag: u64,
    /// Host address of the page minus its virtual address.
    addend: usize,
    /// The tag again, of a page of Normal memory, which may be accessed unaligned; otherwise as in an empty entry.
    loose: u64,
    /// The tag again, of a page with the addend that most have; otherwise as in an empty entry.
    common: u64,
}

impl Entry {
    /// Of no page: what memory is from the beginning. Its tag is that of the page at zero, which has another index, but for the entries of index 0 and of the last
    /// index: an access that begins in the last page of all has its last byte in the page at zero, and that byte's page is what translated code compares.
    const EMPTY: Self = Self { tag: 0, addend: 0, loose: 0, common: 0 };
    /// The empty entry of these two.
    const EMPTY_AT_ENDS: Self = Self { tag: u64::MAX, addend: 0, loose: u64::MAX, common: u64::MAX };
    /// log2 of the size.
    pub(crate) const SHIFT: u32 = 5;
    /// Offsets of the fields, for translated code, which does what [`Table::lookup`] and [`Table::lookup_normal`] do.
    pub(crate) const TAG: usize = std::mem::offset_of!(Self, tag);
    pub(crate) const ADDEND: usize = std::mem::offset_of!(Self, addend);
    pub(crate) const LOOSE: usize = std::mem::offset_of!(Self, loose);
    pub(crate) const COMMON: usize = std::mem::offset_of!(Self, common);

    /// Tag of an entry that was dropped: matches nothing, like that of an empty one.
    const DROPPED: u64 = u64::MAX - 1;

    fn empty(index: usize) -> Self {
        if matches!(index, 0 | LAST) { Self::EMPTY_AT_ENDS } else { Self::EMPTY }
    }

    /// As from the beginning, or since the last flush: not noted as filled.
    fn is_empty(&self, index: usize) -> bool {
        self.tag == Self::empty(index).tag && self.addend == 0
    }

    /// Of no page any more. Its index stays where it is noted.
    fn drop(&mut self) {
        (self.tag, self.loose, self.common) = (Self::DROPPED, Self::DROPPED, Self::DROPPED);
    }
}

const _: () = assert!(size_of::<Entry>() == 1 << Entry::SHIFT);

/// The pages of one exception level, for one direction.
pub(crate) struct Table {
    pub(crate) entries: Box<[Entry; ENTRIES]>,
    /// Which entries were filled since the last flush, so that a flush costs what was used.
    filled: Vec<u16>,
    /// The addend that most pages have: a guest's memory is mapped in one piece, mostly. With it translated code does not wait for the entry.
    pub(crate) common: usize,
    /// Fills with another addend, less those with it.
    uncommon: i32,
}

/// So many more fills with another addend make that the common one.
const UNCOMMON: i32 = 16;

impl Table {
    pub(super) fn new() -> Self {
        // SAFETY: an entry is integers, for which zeros are valid.
        let mut entries = unsafe { Box::<[Entry; ENTRIES]>::new_zeroed().assume_init() };
        (entries[0], entries[LAST]) = (Entry::EMPTY_AT_ENDS, Entry::EMPTY_AT_ENDS);
        Self { entries, filled: Vec::new(), common: 0, uncommon: UNCOMMON }
    }

    /// Most of the pages that were filled last have the common addend.
    pub(crate) fn is_linear(&self) -> bool {
        let last = self.filled.iter().rev().take(32);
        let common = last.clone().filter(|&&index| self.entries[usize::from(index)].addend == self.common).count();
        4 * common >= 3 * last.count()
    }

    pub(super) fn index(va: u64) -> usize {
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
        let entry = &self.entries[Self::index(va)];
        let whole = va % PAGE + len <= PAGE && va & !(PAGE - 1) == entry.loose;
        whole.then(|| entry.addend.wrapping_add(va as usize))
    }

    pub(crate) fn fill(&mut self, va: u64, host: usize, normal: bool) {
        let index = Self::index(va);
        let old = &self.entries[index];
        if old.is_empty(index) {
            self.filled.push(index as u16);
        }
        let addend = host.wrapping_sub(va as usize);
        let tag = va & !(PAGE - 1);
        if addend == self.common {
            self.uncommon = (self.uncommon - 1).max(-(ENTRIES as i32));
        } else {
            self.uncommon += 1;
            if self.uncommon > UNCOMMON {
                self.make_common(addend);
            }
        }
        let none = Entry::empty(index).tag;
        let (loose, common) = (if normal { tag } else { none }, if addend == self.common { tag } else { none });
        self.entries[index] = Entry { tag, addend, loose, common };
    }

    fn make_common(&mut self, addend: usize) {
        // As many fills again before the next change, so that changes cost no more than fills.
        (self.common, self.uncommon) = (addend, -(self.filled.len() as i32));
        for &index in &self.filled {
            let index = usize::from(index) % ENTRIES;
            let entry = &mut self.entries[index];
            entry.common = if entry.addend == addend { entry.tag } else { Entry::empty(index).tag };
        }
    }

    /// The pages that are there.
    pub(crate) fn pages(&self) -> impl Iterator<Item = u64> {
        let entries = self.filled.iter().map(|&index| (usize::from(index) % ENTRIES, &self.entries[usize::from(index) % ENTRIES]));
        entries.filter(|(index, entry)| !entry.is_empty(*index) && entry.tag < Entry::DROPPED).map(|(_, entry)| entry.tag)
    }

    /// Drops the page of an entry, if it is of any.
    pub(super) fn drop_entry(&mut self, index: usize) {
        let entry = &mut self.entries[index % ENTRIES];
        if !entry.is_empty(index % ENTRIES) {
            entry.drop();
        }
    }

    /// Drops the page of `va`, whatever its top byte. Its index stays in `filled`.
    pub(super) fn drop_page(&mut self, va: u64) {
        let entry = &mut self.entries[Self::index(va)];
        if (entry.tag ^ va) & COMPARED == 0 && entry.tag != u64::MAX {
            entry.drop();
        }
    }

    pub(super) fn flush(&mut self) {
        for index in self.filled.drain(..) {
            let index = usize::from(index) % ENTRIES;
            self.entries[index] = Entry::empty(index);
        }
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({} entries)", self.filled.len())
    }
}
