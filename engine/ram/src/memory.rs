//! The memory itself.

use crate::mapping::Mapping;
use crate::{CodeMap, PageMap};
use std::io;
use std::ops::Range;
use std::sync::atomic::{
    AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    Ordering::{self, Relaxed},
};

/// Guest RAM at guest-physical address 0. The host commits a page when it is first touched.
#[derive(Debug)]
pub struct GuestRam {
    map: Mapping,
    code: CodeMap,
    pages: PageMap,
}

/// One access size: generates the checked atomic load and store of it.
macro_rules! accessors {
    ($read:ident, $write:ident, $int:ty, $atomic:ty) => {
        /// Loads a little-endian value, relaxed. `None` outside RAM or where `addr` is not aligned to the size.
        #[inline]
        pub fn $read(&self, addr: u64) -> Option<$int> {
            Some(<$int>::from_le(self.cell::<$atomic>(addr)?.load(Relaxed)))
        }

        /// Stores a value little-endian, relaxed, as a device does: decoded code under it becomes stale. `None` (and nothing
        /// stored) outside RAM or where `addr` is not aligned to the size.
        #[inline]
        pub fn $write(&self, addr: u64, value: $int) -> Option<()> {
            self.cell::<$atomic>(addr)?.store(value.to_le(), Relaxed);
            self.written(addr, size_of::<$int>() as u64);
            Some(())
        }
    };
}

impl GuestRam {
    /// Reserves `bytes` of zeroed memory (a multiple of 4096).
    ///
    /// # Errors
    /// What the host says when it has no address space left.
    pub fn new(bytes: u64) -> io::Result<Self> {
        let len = usize::try_from(bytes).map_err(io::Error::other)?;
        Ok(Self { map: Mapping::new(len)?, code: CodeMap::new(bytes), pages: PageMap::new(bytes) })
    }

    /// Bytes of RAM.
    #[inline]
    pub fn len(&self) -> u64 {
        self.map.len() as u64
    }

    /// True for RAM of no bytes, which no machine has.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Host address of guest-physical 0, for software TLBs. It is valid for [`GuestRam::len`] bytes as long as `self` lives; access through
    /// it must be atomic.
    #[inline]
    pub fn base(&self) -> *mut u8 {
        self.map.base()
    }

    /// Where decoded code lies.
    #[inline]
    pub fn code(&self) -> &CodeMap {
        &self.code
    }

    /// What has not changed.
    #[inline]
    pub fn pages(&self) -> &PageMap {
        &self.pages
    }

    /// Tells both maps of a device's store, after it.
    #[inline]
    fn written(&self, addr: u64, len: u64) {
        self.pages.written(addr, len);
        self.code.written(addr, len);
    }

    /// True if all of `[addr, addr + len)` is RAM.
    #[inline]
    pub fn contains(&self, addr: u64, len: u64) -> bool {
        addr <= self.len() && len <= self.len() - addr
    }

    /// The atomic of type `A` at `addr`, if it is in RAM and aligned.
    #[inline]
    fn cell<A>(&self, addr: u64) -> Option<&A> {
        let size = size_of::<A>() as u64;
        if !self.contains(addr, size) || !addr.is_multiple_of(size) {
            return None;
        }
        // SAFETY: in bounds and aligned (the mapping is page aligned), alive as long as `self`, only ever accessed by atomics; `A` is one of
        // the integer atomics, for which every bit pattern is valid.
        Some(unsafe { &*self.base().add(addr as usize).cast::<A>() })
    }

    accessors!(read_u8, write_u8, u8, AtomicU8);
    accessors!(read_u16, write_u16, u16, AtomicU16);
    accessors!(read_u32, write_u32, u32, AtomicU32);
    accessors!(read_u64, write_u64, u64, AtomicU64);

    /// Where anything but zero may be, ascending: what was never touched is not, as far as the host tells. Bounds are multiples of [`crate::PAGE_BYTES`].
    pub fn touched(&self) -> Vec<Range<u64>> {
        self.map.touched().unwrap_or_else(|| vec![0..self.len()])
    }

    /// Copies guest bytes to `out` by relaxed loads of eight bytes where aligned. `None`, and `out` untouched, if they are not all in RAM.
    pub fn copy_out(&self, addr: u64, out: &mut [u8]) -> Option<()> {
        if !self.contains(addr, out.len() as u64) {
            return None;
        }
        let head = ((8 - addr % 8) % 8).min(out.len() as u64) as usize;
        let (head, rest) = out.split_at_mut(head);
        self.copy_out_bytes(addr, head);
        let mut at = addr + head.len() as u64;
        let mut words = rest.chunks_exact_mut(8);
        for word in &mut words {
            word.copy_from_slice(&self.aligned_word(at).to_le_bytes());
            at += 8;
        }
        self.copy_out_bytes(at, words.into_remainder());
        Some(())
    }

    /// The aligned word at `addr`, which the caller has checked to be in RAM.
    #[inline]
    fn aligned_word(&self, addr: u64) -> u64 {
        debug_assert!(self.contains(addr, 8) && addr.is_multiple_of(8));
        // SAFETY: the callers check bounds and alignment for a whole range at once; see `cell` for the rest.
        u64::from_le(unsafe { (*self.base().add(addr as usize).cast::<AtomicU64>()).load(Relaxed) })
    }

    fn copy_out_bytes(&self, addr: u64, out: &mut [u8]) {
        for (at, byte) in (addr..).zip(out) {
            *byte = self.read_u8(at).unwrap_or(0);
        }
    }

    /// Copies `data` into guest RAM, as a device does. `None`, and nothing stored, if it does not all fit.
    pub fn copy_in(&self, addr: u64, data: &[u8]) -> Option<()> {
        if !self.contains(addr, data.len() as u64) {
            return None;
        }
        self.store_range(addr, data.len() as u64, |offset, size| {
            let bytes = &data[offset as usize..][..size];
            let mut word = [0; 8];
            word[..size].copy_from_slice(bytes);
            u64::from_le_bytes(word)
        });
        Some(())
    }

    /// Fills `len` bytes with `byte`, as a device does. `None`, and nothing stored, if they are not all in RAM.
    pub fn fill(&self, addr: u64, len: u64, byte: u8) -> Option<()> {
        if !self.contains(addr, len) {
            return None;
        }
        self.store_range(addr, len, |_, _| u64::from_ne_bytes([byte; 8]));
        Some(())
    }

    /// Stores a checked range by words where aligned, by bytes elsewhere; `value(offset, size)` gives each piece in its low bytes.
    fn store_range(&self, addr: u64, len: u64, value: impl Fn(u64, usize) -> u64) {
        let end = addr + len;
        let mut at = addr;
        while at < end {
            if at.is_multiple_of(8) && end - at >= 8 {
                if let Some(cell) = self.cell::<AtomicU64>(at) {
                    cell.store(value(at - addr, 8).to_le(), Relaxed);
                }
                at += 8;
            } else {
                if let Some(cell) = self.cell::<AtomicU8>(at) {
                    cell.store(value(at - addr, 1) as u8, Relaxed);
                }
                at += 1;
            }
        }
        if len > 0 {
            self.written(addr, len);
        }
    }

    /// Orders everything before against everything after, for all cores and devices (DMB SY).
    #[inline]
    pub fn fence() {
        std::sync::atomic::fence(Ordering::SeqCst);
    }
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;

    fn ram() -> GuestRam {
        GuestRam::new(0x4000).expect("16 KiB")
    }

    #[test]
    fn accesses_are_little_endian_and_checked() {
        let ram = ram();
        ram.write_u32(0x10, 0x1122_3344).expect("in RAM");
        assert_eq!(ram.read_u8(0x10), Some(0x44));
        assert_eq!(ram.read_u16(0x12), Some(0x1122));
        assert_eq!(ram.read_u64(0x10), Some(0x1122_3344));
        assert_eq!(ram.read_u32(0x12), None, "unaligned");
        assert_eq!(ram.read_u32(0x4000), None, "outside");
        assert_eq!(ram.write_u64(u64::MAX - 7, 1), None, "far outside");
    }

    #[test]
    fn copies_of_every_alignment_come_back() {
        let ram = ram();
        let data: Vec<u8> = (1..=40).collect();
        for start in 0..9 {
            for len in 0..data.len() {
                ram.fill(0, 0x100, 0xEE).expect("in RAM");
                ram.copy_in(0x20 + start, &data[..len]).expect("in RAM");
                let mut back = vec![0; len + 2];
                ram.copy_out(0x20 + start - 1, &mut back).expect("in RAM");
                assert_eq!((back[0], back[len + 1]), (0xEE, 0xEE), "bytes around stay");
                assert_eq!(back[1..=len], data[..len]);
            }
        }
    }

    #[test]
    fn copies_that_do_not_fit_change_nothing() {
        let ram = ram();
        assert_eq!(ram.copy_in(0x3fff, &[1, 2]), None);
        assert_eq!(ram.read_u8(0x3fff), Some(0));
        assert_eq!(ram.fill(0, u64::MAX, 1), None);
        let mut out = [7; 2];
        assert_eq!(ram.copy_out(0x3fff, &mut out), None);
        assert_eq!(out, [7; 2]);
    }

    #[test]
    fn device_writes_make_decoded_code_stale() {
        let ram = ram();
        ram.code().mark(0x1000);
        ram.copy_in(0x0ff8, &[0; 16]).expect("in RAM");
        assert_eq!(ram.code().generation(0x1000), 1);
    }

    #[test]
    fn device_writes_change_the_states_of_pages_that_they_touch_and_no_others() {
        let ram = ram();
        let all = 0..ram.len();
        ram.pages().settle(all.clone());
        let changed = |store: &dyn Fn() -> Option<()>| {
            let before: Vec<_> = ram.pages().states(all.clone()).collect();
            let _ = store();
            before.iter().zip(ram.pages().states(all.clone())).map(|(then, now)| !then.is_still(now)).collect::<Vec<_>>()
        };
        assert_eq!(changed(&|| ram.write_u8(0xfff, 1)), [true, false, false, false]);
        assert_eq!(changed(&|| ram.write_u16(0x1000, 1)), [false, true, false, false]);
        assert_eq!(changed(&|| ram.write_u32(0x2ffc, 1)), [false, false, true, false]);
        assert_eq!(changed(&|| ram.write_u64(0x3000, 1)), [false, false, false, true]);
        assert_eq!(changed(&|| ram.copy_in(0x0fff, &[1; 0x1002])), [true, true, true, false]);
        assert_eq!(changed(&|| ram.fill(0x2000, 0x2000, 1)), [false, false, true, true]);
        assert_eq!(changed(&|| ram.copy_in(0x1000, &[])), [false; 4]);
        assert_eq!(changed(&|| ram.fill(0x3fff, 2, 1)), [false; 4], "nothing was stored");
        assert_eq!(changed(&|| ram.write_u32(0x1001, 1)), [false; 4], "nothing was stored");
        assert_eq!(changed(&|| ram.copy_out(0, &mut [0; 0x4000])), [false; 4], "that was a load");
    }
}
