//! The atomics of the page map: the standard ones, or their stand-ins under the model checker (`--cfg tayberry_loom`) in this crate's own tests. Whoever
//! builds on the crate gets the standard ones in either case.

#[cfg(not(all(test, tayberry_loom)))]
pub(crate) use std::sync::atomic::AtomicU64;

#[cfg(all(test, tayberry_loom))]
pub(crate) use loom::sync::atomic::AtomicU64;

/// Cells of zero. The host commits their memory when it is first touched.
#[cfg(not(all(test, tayberry_loom)))]
pub(crate) fn zeroed(cells: usize) -> Box<[AtomicU64]> {
    // SAFETY: an atomic integer is valid as zeros.
    unsafe { Box::new_zeroed_slice(cells).assume_init() }
}

/// Cells of zero.
#[cfg(all(test, tayberry_loom))]
pub(crate) fn zeroed(cells: usize) -> Box<[AtomicU64]> {
    (0..cells).map(|_| AtomicU64::new(0)).collect()
}
