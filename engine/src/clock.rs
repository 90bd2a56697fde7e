//! One clock for the whole machine.
//!
//! Realtime: the host's monotonic time since power-on, less the time spent paused. Deterministic: a retired instruction is a nanosecond, and
//! time in which all cores wait is skipped to the next deadline.
//!
//! # Orderings
//! The machine's thread writes while no core runs; cores read while they run. The fork and join of a slice order the two, so `Relaxed` suffices.

use crate::state::{Archive, Cell};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

/// Cores that a clock can follow.
pub const MAX_CORES: usize = 8;

/// Guest time in nanoseconds since power-on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GuestTime(pub u64);

impl GuestTime {
    /// Whole microseconds.
    pub fn micros(self) -> u64 {
        self.0 / 1_000
    }

    /// A time given in microseconds.
    pub fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// Whole periods of a clock of `hz` hertz.
    pub fn ticks(self, hz: u64) -> u64 {
        (u128::from(self.0) * u128::from(hz) / 1_000_000_000) as u64
    }

    /// The first time at which [`GuestTime::ticks`] of `hz` is `ticks`; far in the future where that does not fit.
    pub fn from_ticks(ticks: u64, hz: u64) -> Self {
        let ns = (u128::from(ticks) * 1_000_000_000).div_ceil(u128::from(hz.max(1)));
        Self(u64::try_from(ns).unwrap_or(u64::MAX))
    }

    /// This time and `ns` nanoseconds.
    pub fn plus(self, ns: u64) -> Self {
        Self(self.0.saturating_add(ns))
    }
}

/// Where guest time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ClockMode {
    /// The host's monotonic time.
    Realtime,
    /// Instructions retired.
    Deterministic,
}

/// The machine's clock.
#[derive(Debug)]
pub struct Clock {
    mode: ClockMode,
    started: Instant,
    /// Realtime: nanoseconds spent paused. Deterministic: the machine's time.
    offset_or_now: AtomicU64,
    /// Realtime: the time at which the machine began, which is not zero if its state was loaded.
    begun_at: AtomicU64,
    /// Deterministic: each core's own time at the start of its slice.
    cores: [AtomicU64; MAX_CORES],
    /// Deterministic: when each core's slice is over, however many runs it takes.
    ends: [AtomicU64; MAX_CORES],
}

/// A time that no machine reaches: sums with it do not overflow.
pub(crate) const LATEST: u64 = 1 << 62;

/// The machine's time. The cores' own times are set before each of their slices. A realtime machine goes on from its time.
impl Cell for Clock {
    fn pass(&self, archive: &mut Archive<'_>) {
        let mut now = self.now();
        archive.value(&mut now);
        if now.0 > LATEST {
            archive.refuse();
        } else if archive.is_load() {
            match self.mode {
                ClockMode::Realtime => {
                    self.offset_or_now.store(self.host_ns(), Relaxed);
                    self.begun_at.store(now.0, Relaxed);
                }
                ClockMode::Deterministic => self.offset_or_now.store(now.0, Relaxed),
            }
        }
    }
}

impl Clock {
    /// A clock at zero.
    pub fn new(mode: ClockMode) -> Self {
        Self {
            mode,
            started: Instant::now(),
            offset_or_now: AtomicU64::new(0),
            begun_at: AtomicU64::new(0),
            cores: Default::default(),
            ends: Default::default(),
        }
    }

    /// Its mode.
    pub fn mode(&self) -> ClockMode {
        self.mode
    }

    fn host_ns(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// The machine's time, between slices.
    pub fn now(&self) -> GuestTime {
        match self.mode {
            ClockMode::Realtime => {
                let since = self.host_ns().saturating_sub(self.offset_or_now.load(Relaxed));
                GuestTime(self.begun_at.load(Relaxed).saturating_add(since))
            }
            ClockMode::Deterministic => GuestTime(self.offset_or_now.load(Relaxed)),
        }
    }

    /// Time as a core sees it that has retired `retired` instructions of its current slice.
    pub fn core_now(&self, core: usize, retired: u64) -> GuestTime {
        match self.mode {
            ClockMode::Realtime => self.now(),
            ClockMode::Deterministic => GuestTime(self.cores[core % MAX_CORES].load(Relaxed).saturating_add(retired)),
        }
    }

    /// Deterministic: sets the machine's time.
    pub(crate) fn set_now(&self, now: GuestTime) {
        debug_assert_eq!(self.mode, ClockMode::Deterministic);
        self.offset_or_now.store(now.0, Relaxed);
    }

    /// Deterministic: sets a core's time at the start of its slice.
    pub(crate) fn set_core_now(&self, core: usize, now: GuestTime) {
        self.cores[core % MAX_CORES].store(now.0, Relaxed);
    }

    /// Deterministic: sets the time at which a core's slice is over.
    pub(crate) fn set_slice_end(&self, core: usize, end: GuestTime) {
        self.ends[core % MAX_CORES].store(end.0, Relaxed);
    }

    /// Deterministic: when the slice that a core runs is over, if nothing ends it before.
    pub fn slice_end(&self, core: usize) -> GuestTime {
        GuestTime(self.ends[core % MAX_CORES].load(Relaxed))
    }

    /// Realtime: takes `ns` of pause out of guest time.
    pub(crate) fn skip_pause(&self, ns: u64) {
        if self.mode == ClockMode::Realtime {
            self.offset_or_now.fetch_add(ns, Relaxed);
        }
    }
}

/// When a device next needs the machine's attention. Set by its bus view or its systems; a slice never runs past the earliest one.
///
/// # Orderings
/// `Relaxed`: a view that brings a deadline forward ends its core's slice ([`crate::Served::EndSlice`]), and the join orders it.
#[derive(Clone, Debug)]
pub struct Deadline(Arc<AtomicU64>);

impl Default for Deadline {
    fn default() -> Self {
        Self(Arc::new(AtomicU64::new(u64::MAX)))
    }
}

impl Deadline {
    /// Sets or clears it.
    pub fn set(&self, at: Option<GuestTime>) {
        self.0.store(at.map_or(u64::MAX, |at| at.0), Relaxed);
    }

    /// The time, if one is set.
    pub fn get(&self) -> Option<GuestTime> {
        Some(self.0.load(Relaxed)).filter(|&at| at != u64::MAX).map(GuestTime)
    }

    /// If it has passed at `now`, replaces it by `next` and says so: exactly one caller gets `Some(old)` for each deadline.
    pub fn take_due(&self, now: GuestTime, next: impl Fn(GuestTime) -> Option<GuestTime>) -> Option<GuestTime> {
        let due = self.0.load(Relaxed);
        if due > now.0 || due == u64::MAX {
            return None;
        }
        let next = next(GuestTime(due)).map_or(u64::MAX, |at| at.0);
        self.0.compare_exchange(due, next, Relaxed, Relaxed).ok().map(GuestTime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_and_times_are_inverse() {
        for ticks in [0, 1, 2, 19_199_999, 19_200_000, 19_200_001, 0x1_0000_0001] {
            let at = GuestTime::from_ticks(ticks, 19_200_000);
            assert_eq!(at.ticks(19_200_000), ticks);
            assert!(ticks == 0 || GuestTime(at.0 - 1).ticks(19_200_000) < ticks, "{ticks} is not reached before");
        }
        assert_eq!(GuestTime::from_ticks(u64::MAX, 1).0, u64::MAX);
    }

    #[test]
    fn a_deadline_is_taken_once() {
        let deadline = Deadline::default();
        deadline.set(Some(GuestTime(100)));
        let next = |at: GuestTime| Some(at.plus(50));
        assert_eq!(deadline.take_due(GuestTime(99), next), None);
        assert_eq!(deadline.take_due(GuestTime(120), next), Some(GuestTime(100)));
        assert_eq!(deadline.take_due(GuestTime(120), next), None);
        assert_eq!(deadline.get(), Some(GuestTime(150)));
    }

    #[test]
    fn deterministic_cores_have_their_own_time() {
        let clock = Clock::new(ClockMode::Deterministic);
        clock.set_now(GuestTime(10));
        clock.set_core_now(1, GuestTime(40));
        assert_eq!(clock.now(), GuestTime(10));
        assert_eq!(clock.core_now(1, 2), GuestTime(42));
    }
}
