//! The bytes of a frame.

use std::fmt;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

/// Bytes of a cache line, and of the widest vector that a host stores.
const UNIT: usize = 64;

/// So many bytes, where a cache line begins.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Unit([u8; UNIT]);

/// Bytes that begin where a cache line does, so that vectors of pixels are stored in whole cache lines. Otherwise it is a slice of bytes.
#[derive(Clone, Default)]
pub struct Pixels {
    units: Vec<Unit>,
    len: usize,
}

impl Pixels {
    /// Makes it `len` bytes long. What they are then is not said.
    pub(super) fn resize(&mut self, len: usize) {
        let units = len.div_ceil(UNIT);
        if units > self.units.capacity() {
            // Nothing of it is kept, so that it is asked for large pages before it is touched.
            self.units = Vec::with_capacity(units);
            ask_for_large_pages(self.units.spare_capacity_mut());
        }
        self.units.resize(units, Unit([0; UNIT]));
        self.len = len;
    }
}

/// Asks the host for pages that are so large that a surface needs few entries of its TLB; where it has none, small ones do.
#[cfg(all(target_os = "linux", not(any(miri, tayberry_loom))))]
fn ask_for_large_pages(units: &mut [MaybeUninit<Unit>]) {
    use rustix::mm::{Advice, madvise};
    /// Below that there is no large page to be had.
    const LARGE: usize = 2 << 20;
    // Linux takes advice for whole pages.
    let (page, bytes) = (rustix::param::page_size(), units.as_mut_ptr_range());
    let (start, end) = (bytes.start.addr().next_multiple_of(page), bytes.end.addr() / page * page);
    if end.saturating_sub(start) >= LARGE {
        // SAFETY: whole pages of this memory, which stay what they are: the advice changes nothing that a program can see.
        let _ = unsafe { madvise(bytes.start.with_addr(start).cast(), end - start, Advice::LinuxHugepage) };
    }
}

#[cfg(not(all(target_os = "linux", not(any(miri, tayberry_loom)))))]
fn ask_for_large_pages(_: &mut [MaybeUninit<Unit>]) {}

impl Deref for Pixels {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: units are bytes without gaps, and of these there are at least `len`.
        unsafe { std::slice::from_raw_parts(self.units.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Pixels {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as above, and nobody else has them.
        unsafe { std::slice::from_raw_parts_mut(self.units.as_mut_ptr().cast(), self.len) }
    }
}

impl From<&[u8]> for Pixels {
    fn from(bytes: &[u8]) -> Self {
        let mut pixels = Self::default();
        pixels.resize(bytes.len());
        pixels.copy_from_slice(bytes);
        pixels
    }
}

impl From<Vec<u8>> for Pixels {
    fn from(bytes: Vec<u8>) -> Self {
        bytes.as_slice().into()
    }
}

impl FromIterator<u8> for Pixels {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        Vec::from_iter(bytes).into()
    }
}

impl AsRef<[u8]> for Pixels {
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<T> for Pixels {
    fn eq(&self, other: &T) -> bool {
        **self == *other.as_ref()
    }
}

impl Eq for Pixels {}

impl fmt::Debug for Pixels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;

    #[test]
    fn they_begin_at_a_cache_line_whatever_their_length() {
        let mut pixels = Pixels::default();
        assert!(pixels.is_empty());
        for len in [1, 63, 64, 65, 640 * 4, 7, 0] {
            pixels.resize(len);
            assert_eq!((pixels.len(), pixels.as_ptr().addr() % UNIT), (len, 0));
            pixels.fill(0xA5);
            assert!(pixels.iter().all(|&byte| byte == 0xA5));
        }
    }

    #[test]
    fn they_are_the_bytes_that_they_are_made_of() {
        let bytes: Vec<u8> = (0..200).collect();
        let pixels = Pixels::from(bytes.clone());
        assert_eq!(pixels, bytes);
        assert_eq!(pixels, bytes.iter().copied().collect::<Pixels>());
        assert_ne!(pixels, Pixels::from(&bytes[..199]));
    }
}
