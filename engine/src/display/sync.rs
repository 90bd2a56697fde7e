//! What the publication protocol is built on: arc-swap and the standard atomics, or their stand-ins under the model checker (`--cfg tayberry_loom`).
//!
//! What the protocol asks of a slot: `load` gives a snapshot that stays alive as long as its guard; `swap` gives back the old snapshot when
//! every guard of it that `load` gave is part of its reference count. arc-swap does the latter by paying all debts on the old pointer within
//! `swap`.

#[cfg(not(tayberry_loom))]
pub(super) use std::sync::{
    Arc,
    atomic::{AtomicU64, fence},
};

#[cfg(tayberry_loom)]
pub(super) use loom::sync::{
    Arc,
    atomic::{AtomicU64, fence},
};

/// A borrowed snapshot. Cheap, but not to be kept: load again for the next frame.
#[cfg(not(tayberry_loom))]
pub type Guard<T> = arc_swap::Guard<Arc<T>>;

/// A borrowed snapshot.
#[cfg(tayberry_loom)]
pub type Guard<T> = Arc<T>;

/// A place that always holds a snapshot.
#[derive(Debug)]
#[cfg(not(tayberry_loom))]
pub(super) struct Slot<T>(arc_swap::ArcSwap<T>);

#[cfg(not(tayberry_loom))]
impl<T> Slot<T> {
    pub(super) fn new(value: T) -> Self {
        Self(arc_swap::ArcSwap::from_pointee(value))
    }

    pub(super) fn load(&self) -> Guard<T> {
        self.0.load()
    }

    pub(super) fn swap(&self, value: T) -> Arc<T> {
        self.0.swap(Arc::new(value))
    }
}

/// A place that always holds a snapshot: what `load` and `swap` promise, by means that the model checker knows.
#[derive(Debug)]
#[cfg(tayberry_loom)]
pub(super) struct Slot<T>(loom::sync::Mutex<Arc<T>>);

#[cfg(tayberry_loom)]
impl<T> Slot<T> {
    pub(super) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(Arc::new(value)))
    }

    pub(super) fn load(&self) -> Guard<T> {
        Arc::clone(&self.0.lock().expect("no model panics while it holds the slot"))
    }

    pub(super) fn swap(&self, value: T) -> Arc<T> {
        let mut slot = self.0.lock().expect("no model panics while it holds the slot");
        std::mem::replace(&mut slot, Arc::new(value))
    }
}
