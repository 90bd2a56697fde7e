//! Where the bytes are: zeroed, aligned to a page, never moved.

#[cfg(any(miri, fuzzing))]
pub use checked::Mapping;
#[cfg(not(any(miri, fuzzing)))]
pub use mapped::Mapping;

#[cfg(not(any(miri, fuzzing)))]
mod mapped {
    use memmap2::{MmapOptions, MmapRaw};
    use std::io;
    use std::ops::Range;

    /// An anonymous mapping, of which the host commits what is touched.
    #[derive(Debug)]
    pub struct Mapping(MmapRaw);

    impl Mapping {
        pub fn new(len: usize) -> io::Result<Self> {
            let mapping: MmapRaw = MmapOptions::new().len(len).no_reserve_swap().map_anon()?.into();
            // A guest's working set is far larger than a host's TLB reaches with pages of 4 KiB. Where there are no larger ones it is as it was.
            #[cfg(target_os = "linux")]
            let _ = mapping.advise(memmap2::Advice::HugePage);
            Ok(Self(mapping))
        }

        #[inline]
        pub fn len(&self) -> usize {
            self.0.len()
        }

        #[inline]
        pub fn base(&self) -> *mut u8 {
            self.0.as_mut_ptr()
        }

        /// Where pages are that the host has committed, or swapped out; `None` where it does not say.
        #[cfg(target_os = "linux")]
        pub fn touched(&self) -> Option<Vec<Range<u64>>> {
            super::pagemap::committed(self.base() as u64, self.len() as u64)
        }

        /// As on Linux: nobody tells.
        #[cfg(not(target_os = "linux"))]
        pub fn touched(&self) -> Option<Vec<Range<u64>>> {
            None
        }
    }
}

/// What Linux says of a process's own pages (Documentation/admin-guide/mm/pagemap.rst).
#[cfg(all(target_os = "linux", not(any(miri, fuzzing))))]
mod pagemap {
    use crate::PAGE_BYTES;
    use std::fs::File;
    use std::ops::Range;
    use std::os::unix::fs::FileExt;

    /// Bytes of what is said of one page.
    const ENTRY: u64 = 8;
    /// It is in memory, or swapped out; any process may know that of itself.
    const COMMITTED: u64 = 1 << 63 | 1 << 62;

    /// Ranges of pages that are committed, from the first byte of the mapping at `base` on. `None` where pages have another size, or nothing is said.
    pub fn committed(base: u64, len: u64) -> Option<Vec<Range<u64>>> {
        if rustix::param::page_size() as u64 != PAGE_BYTES {
            return None;
        }
        let mut entries = vec![0; usize::try_from(len / PAGE_BYTES * ENTRY).ok()?];
        File::open("/proc/self/pagemap").ok()?.read_exact_at(&mut entries, base / PAGE_BYTES * ENTRY).ok()?;
        let mut ranges: Vec<Range<u64>> = Vec::new();
        for (at, entry) in (0..).step_by(PAGE_BYTES as usize).zip(entries.chunks_exact(ENTRY as usize)) {
            let entry = entry.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte));
            if entry & COMMITTED == 0 {
                continue;
            }
            match ranges.last_mut().filter(|last| last.end == at) {
                Some(last) => last.end += PAGE_BYTES,
                None => ranges.push(at..at + PAGE_BYTES),
            }
        }
        Some(ranges)
    }
}

/// For Miri, which has no mappings, and for fuzzing, where the address sanitizer watches the bounds of allocations and not of mappings.
#[cfg(any(miri, fuzzing))]
mod checked {
    use crate::PAGE_BYTES;
    use std::alloc::{Layout, alloc_zeroed, dealloc};
    use std::io;
    use std::ptr::NonNull;

    /// An allocation.
    #[derive(Debug)]
    pub struct Mapping {
        base: NonNull<u8>,
        layout: Layout,
    }

    // SAFETY: it is the sole owner of plain bytes, which `GuestRam` accesses by atomics only.
    unsafe impl Send for Mapping {}
    // SAFETY: as above; nothing but the pointer and the length is read through `&self`.
    unsafe impl Sync for Mapping {}

    impl Mapping {
        pub fn new(len: usize) -> io::Result<Self> {
            let layout = Layout::from_size_align(len, PAGE_BYTES as usize).map_err(io::Error::other)?;
            if len == 0 {
                return Err(io::ErrorKind::InvalidInput.into());
            }
            // SAFETY: the layout is not empty.
            let base = NonNull::new(unsafe { alloc_zeroed(layout) }).ok_or(io::ErrorKind::OutOfMemory)?;
            Ok(Self { base, layout })
        }

        pub fn len(&self) -> usize {
            self.layout.size()
        }

        pub fn base(&self) -> *mut u8 {
            self.base.as_ptr()
        }

        /// Nobody tells.
        pub fn touched(&self) -> Option<Vec<std::ops::Range<u64>>> {
            None
        }
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: allocated in `new` with this layout, and nobody else frees it.
            unsafe { dealloc(self.base.as_ptr(), self.layout) };
        }
    }
}
