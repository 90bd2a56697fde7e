//! Which lines of guest RAM hold instructions that a core has decoded (or translated).
//!
//! The granule is a cache line: small kernels keep code, data and stack in one page, and a store beside code must not throw the code away.
//!
//! # Protocol
//! - A core that decodes calls [`CodeMap::mark`] *before* it reads the words, and drops the direct write entries of that page (its own at
//!   once, those of other cores by a shootdown), so that later stores take the slow path.
//! - Whoever stores by the slow path, and every device, calls [`CodeMap::written`] *after* its store. If a line was
//!   marked, the marks of the whole page fall, the page's generation and the global epoch rise.
//! - A core compares the epoch when it is asked for attention and drops the blocks whose page generation is no longer what it was.
//!
//! # Orderings
//! `mark` (an RMW) then load, against store then `written` (a load): the store-load pattern, so both sides are `SeqCst`. A store
//! that slips between is one that the guest itself did not order by IC IVAU, and the architecture allows the stale fetch (ARM ARM B2.4.4).

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};

/// log2 of the page size that code is tracked in.
pub const PAGE_SHIFT: u32 = 12;
/// Bytes in a page.
pub const PAGE_BYTES: u64 = 1 << PAGE_SHIFT;
/// Bytes in a line: the granule of a mark; 64 lines make a page, so a page's marks are one word.
pub const LINE_BYTES: u64 = PAGE_BYTES / 64;

/// Marks and generations of all pages.
#[derive(Debug)]
pub struct CodeMap {
    lines: Box<[AtomicU64]>,
    generations: Box<[AtomicU32]>,
    epoch: AtomicU64,
}

impl CodeMap {
    pub(crate) fn new(ram_bytes: u64) -> Self {
        let pages = usize::try_from(ram_bytes >> PAGE_SHIFT).expect("guest RAM fits the host's address space");
        Self {
            lines: (0..pages).map(|_| AtomicU64::new(0)).collect(),
            generations: (0..pages).map(|_| AtomicU32::new(0)).collect(),
            epoch: AtomicU64::new(0),
        }
    }

    fn page(addr: u64) -> usize {
        (addr >> PAGE_SHIFT) as usize
    }

    /// Bits of the lines that `[addr, addr + len)` touches inside `addr`'s page.
    fn line_bits(addr: u64, len: u64) -> u64 {
        let first = (addr % PAGE_BYTES) / LINE_BYTES;
        let last = ((addr % PAGE_BYTES) + len.max(1) - 1).min(PAGE_BYTES - 1) / LINE_BYTES;
        (u64::MAX >> (63 - last)) & (u64::MAX << first)
    }

    /// Marks the line of `addr` as decoded. True if the page held no mark before: write entries for it must be dropped.
    pub fn mark(&self, addr: u64) -> bool {
        self.lines.get(Self::page(addr)).is_some_and(|lines| lines.fetch_or(Self::line_bits(addr, 1), SeqCst) == 0)
    }

    /// True if the page of `addr` holds decoded code, so that stores to it must take the slow path.
    pub fn is_code_page(&self, addr: u64) -> bool {
        self.lines.get(Self::page(addr)).is_some_and(|lines| lines.load(SeqCst) != 0)
    }

    /// Says that `len` bytes at `addr` were stored. True if decoded code became stale: cores must be asked for attention.
    pub fn written(&self, addr: u64, len: u64) -> bool {
        let end = addr.saturating_add(len.max(1));
        let mut stale = false;
        let mut at = addr;
        while at < end {
            let next = (at | (PAGE_BYTES - 1)).saturating_add(1);
            stale |= self.written_in_page(at, end.min(next) - at);
            at = next;
        }
        stale
    }

    fn written_in_page(&self, addr: u64, len: u64) -> bool {
        let page = Self::page(addr);
        let Some(lines) = self.lines.get(page) else {
            return false;
        };
        if lines.load(SeqCst) & Self::line_bits(addr, len) == 0 {
            return false;
        }
        lines.store(0, SeqCst);
        self.generations[page].fetch_add(1, SeqCst);
        self.epoch.fetch_add(1, SeqCst);
        true
    }

    /// Generation of the page of `addr`: a block decoded under another one is stale. Zero outside RAM.
    pub fn generation(&self, addr: u64) -> u32 {
        self.generations.get(Self::page(addr)).map_or(0, |generation| generation.load(SeqCst))
    }

    /// Rises whenever any page's generation does.
    pub fn epoch(&self) -> u64 {
        self.epoch.load(SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_beside_code_keeps_it_and_a_store_on_it_drops_the_page() {
        let map = CodeMap::new(4 * PAGE_BYTES);
        assert!(map.mark(0x1040), "first mark of the page");
        assert!(!map.mark(0x1080), "second mark of the page");
        assert!(map.is_code_page(0x1fff) && !map.is_code_page(0x2000));
        assert!(!map.written(0x1000, 64), "the line before");
        assert!(!map.written(0x10c0, 64), "the line after");
        assert_eq!((map.generation(0x1000), map.epoch()), (0, 0));
        assert!(map.written(0x107f, 1));
        assert_eq!((map.generation(0x1000), map.epoch()), (1, 1));
        assert!(!map.is_code_page(0x1000));
    }

    #[test]
    fn a_store_over_several_pages_reaches_each() {
        let map = CodeMap::new(4 * PAGE_BYTES);
        map.mark(0x1fc0);
        map.mark(0x3000);
        assert!(map.written(0x1fff, 0x1002));
        assert_eq!((map.generation(0x1000), map.generation(0x2000), map.generation(0x3000)), (1, 0, 1));
    }

    #[test]
    fn addresses_outside_ram_are_nothing() {
        let map = CodeMap::new(PAGE_BYTES);
        assert!(!map.mark(PAGE_BYTES));
        assert!(!map.written(u64::MAX - 3, 16));
        assert_eq!(map.generation(u64::MAX), 0);
    }
}
