//! Statistics: plain counters that anybody may read at any time.
//!
//! # Orderings
//! `Relaxed`: each counter is written by one thread and means nothing but itself.

use crate::clock::MAX_CORES;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Sets the value.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Counters of a machine, over all its resets.
#[derive(Debug, Default)]
pub struct Stats {
    /// Instructions retired, per core.
    pub instructions: [Counter; MAX_CORES],
    /// Cores of the machine.
    pub cores: Counter,
    /// Guest time in nanoseconds, up to the end of the last tick.
    pub guest_ns: Counter,
    /// Ticks of the schedule.
    pub ticks: Counter,
    /// Frames that a frontend showed (counted by the renderer).
    pub frames_presented: Counter,
    /// Frames dropped because their memory changed hands while they were drawn.
    pub frames_dropped_stale: Counter,
    /// Messages that changed the display.
    pub reconfigurations: Counter,
    /// Messages on the property channel.
    pub property_messages: Counter,
}

impl Stats {
    /// Instructions retired by all cores together.
    pub fn total_instructions(&self) -> u64 {
        self.instructions.iter().map(Counter::get).sum()
    }
}
