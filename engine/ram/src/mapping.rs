//! Where the bytes are: zeroed, aligned to a page, never moved.

#[cfg(any(miri, fuzzing))]
pub use checked::Mapping;
#[cfg(not(any(miri, fuzzing)))]
pub use mapped::Mapping;

#[cfg(not(any(miri, fuzzing)))]
mod mapped {
    use memmap2::{MmapOptions, MmapRaw};
    use std::io;

    /// An anonymous mapping, of which the host commits what is touched.
    #[derive(Debug)]
    pub struct Mapping(MmapRaw);

    impl Mapping {
        pub fn new(len: usize) -> io::Result<Self> {
            Ok(Self(MmapOptions::new().len(len).no_reserve_swap().map_anon()?.into()))
        }

        #[inline]
        pub fn len(&self) -> usize {
            self.0.len()
        }

        #[inline]
        pub fn base(&self) -> *mut u8 {
            self.0.as_mut_ptr()
        }
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
    }

    impl Drop for Mapping {
        fn drop(&mut self) {
            // SAFETY: allocated in `new` with this layout, and nobody else frees it.
            unsafe { dealloc(self.base.as_ptr(), self.layout) };
        }
    }
}
