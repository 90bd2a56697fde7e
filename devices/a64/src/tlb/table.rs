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
    /// The tag again, of a page of Normal memory, which may be accessed unaligned; otherwise as in an empty entry.
    loose: u64,
    /// Makes the size a power of two, for translated code.
    _pad: u64,
}

impl Entry {
    const EMPTY: Self = Self { tag: u64::MAX, addend: 0, loose: u64::MAX, _pad: 0 };
    /// log2 of the size.
    pub(crate) const SHIFT: u32 = 5;
    /// Offsets of the fields, for translated code, which does what [`Table::lookup`] and [`Table::lookup_normal`] do.
    pub(crate) const TAG: usize = std::mem::offset_of!(Self, tag);
    pub(crate) const ADDEND: usize = std::mem::offset_of!(Self, addend);
    pub(crate) const LOOSE: usize = std::mem::offset_of!(Self, loose);
}

const _: () = assert!(size_of::<Entry>() == 1 << Entry::SHIFT);

/// The pages of one exception level, for one direction.
pub(crate) struct Table {
    pub(crate) entries: Box<[Entry; ENTRIES]>,
    /// Which entries were filled since the last flush, so that a flush costs what was used.
    filled: Vec<u16>,
}

impl Table {
    pub(super) fn new() -> Self {
        Self { entries: Box::new([Entry::EMPTY; ENTRIES]), filled: Vec::with_capacity(ENTRIES) }
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
        if self.entries[index].tag == u64::MAX {
            self.filled.push(index as u16);
        }
        let tag = va & !(PAGE - 1);
        let loose = if normal { tag } else { u64::MAX };
        self.entries[index] = Entry { tag, addend: host.wrapping_sub(va as usize), loose, _pad: 0 };
    }

    /// Drops the page of `va`, whatever its top byte. Its index stays in `filled`.
    pub(super) fn drop_page(&mut self, va: u64) {
        let entry = &mut self.entries[Self::index(va)];
        if (entry.tag ^ va) & COMPARED == 0 && entry.tag != u64::MAX {
            (entry.tag, entry.loose) = (Self::DROPPED, Self::DROPPED);
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
