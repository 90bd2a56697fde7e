//! Direct-mapped tables of pages, for loads and stores.

use super::{COMPARED, PAGE, PAGE_SHIFT};
use std::fmt;

/// Entries of one direct-mapped table.
pub(crate) const ENTRIES: usize = 1024;

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
    pub(super) fn new() -> Self {
        Self { entries: Box::new([Entry::EMPTY; ENTRIES]), normal: [0; ENTRIES / 64], filled: Vec::with_capacity(ENTRIES) }
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
    pub(super) fn drop_page(&mut self, va: u64) {
        let entry = &mut self.entries[Self::index(va)];
        if (entry.tag ^ va) & COMPARED == 0 && entry.tag != u64::MAX {
            entry.tag = Self::DROPPED;
        }
    }

    /// Tag of an entry that was dropped: matches nothing, like that of an empty one.
    const DROPPED: u64 = u64::MAX - 1;

    pub(super) fn flush(&mut self) {
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
