//! The doorbells by which anybody asks running cores to come back to the schedule.
//!
//! # Orderings
//! Whoever rings stores what it rings about first, then rings with `Release`; a core swaps its bell with `Acquire` at a block boundary and so
//! sees what it is about. Bit 0 is the engine's; the other bits belong to the processor, which both rings and answers them.

use crate::state::{Archive, Cell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// Bit 0 of a doorbell: leave the slice at the next block boundary.
pub const STOP: u32 = 1;

/// The doorbells of all cores of a machine.
#[derive(Debug)]
pub struct Attention {
    bells: Box<[Arc<AtomicU32>]>,
}

/// What was rung and not answered yet.
impl Cell for Attention {
    fn pass(&self, archive: &mut Archive<'_>) {
        self.bells.pass(archive);
    }
}

impl Attention {
    /// Bells for `cores` cores.
    pub fn new(cores: usize) -> Self {
        Self { bells: (0..cores).map(|_| Arc::default()).collect() }
    }

    /// The doorbell of one core, to be polled by it.
    ///
    /// # Panics
    /// If there is no such core.
    pub fn bell(&self, core: usize) -> Arc<AtomicU32> {
        Arc::clone(&self.bells[core])
    }

    /// The doorbell of one core, to be rung by others.
    pub fn get(&self, core: usize) -> Option<&AtomicU32> {
        self.bells.get(core).map(Arc::as_ref)
    }

    /// Number of cores.
    pub fn cores(&self) -> usize {
        self.bells.len()
    }

    /// Rings `bits` at one core, if it exists.
    pub fn ring(&self, core: usize, bits: u32) {
        if let Some(bell) = self.bells.get(core) {
            bell.fetch_or(bits, Ordering::Release);
        }
    }

    /// Rings `bits` at every core.
    pub fn ring_all(&self, bits: u32) {
        for bell in &self.bells {
            bell.fetch_or(bits, Ordering::Release);
        }
    }

    /// Rings `bits` at every core but `core`.
    pub fn ring_others(&self, core: usize, bits: u32) {
        for (at, bell) in self.bells.iter().enumerate() {
            if at != core {
                bell.fetch_or(bits, Ordering::Release);
            }
        }
    }

    /// Asks every core to leave its slice.
    pub fn stop_all(&self) {
        self.ring_all(STOP);
    }

    /// Forgets requests to stop: what they were about is served before the next slice. Called while no core runs.
    pub(crate) fn clear_stops(&self) {
        for bell in &self.bells {
            bell.fetch_and(!STOP, Ordering::Relaxed);
        }
    }
}
