//! Sound: the level of a machine's two audio outputs as it changes, for frontends that play it or write it.
//!
//! A device records *changes* of level; between two of them the level holds. What that is in samples of some rate is made by whoever listens
//! ([`Sampler`]), on its own thread.
//!
//! A frontend asks by [`crate::handle::MachineHandle::listen`] for a [`Listener`] of its own, best before the machine starts. With none, a change costs a load and a
//! branch. A listener's queue is bounded; where it is full, changes are dropped and counted: the machine never waits for a listener.
//!
//! # Orderings
//! Changes travel through crossbeam's queues, listeners are found through `OnceLock`s: both order what they hand over. Counters and flags mean
//! nothing but themselves: `Relaxed`.

mod sampler;

pub use sampler::Sampler;

use crate::clock::GuestTime;
use crossbeam::queue::ArrayQueue;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Changes that wait for a listener: those of more than a second of music, and 2 MiB.
const MOST_CHANGES: usize = 1 << 17;
/// Listeners that a machine can have in its life.
const LISTENERS: usize = 4;

/// The outputs' levels from a time on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Change {
    /// Guest time in nanoseconds, over all resets.
    pub guest_ns: u64,
    /// Left and right: the share of time for which the output is high, in 65535ths.
    pub levels: [u16; 2],
}

/// A listener's queue.
#[derive(Debug)]
struct Ear {
    queue: ArrayQueue<Change>,
    dropped: AtomicU64,
    is_open: AtomicBool,
}

/// Where devices record changes. It outlives resets.
#[derive(Debug, Default)]
pub struct Sound {
    ears: [OnceLock<Arc<Ear>>; LISTENERS],
    /// Guest time at the last reset.
    before_ns: AtomicU64,
}

impl Sound {
    /// A listener, for what is recorded from now on; `None` once the machine has had as many as it can have.
    pub fn listen(&self) -> Option<Listener> {
        let ear = Arc::new(Ear { queue: ArrayQueue::new(MOST_CHANGES), dropped: AtomicU64::new(0), is_open: AtomicBool::new(true) });
        self.ears.iter().find(|free| free.set(Arc::clone(&ear)).is_ok()).map(|_| Listener { ear })
    }

    /// The outputs change to `levels` (left, right) at `now` of this power cycle.
    pub fn record(&self, now: GuestTime, levels: [u16; 2]) {
        for ear in self.ears.iter().map_while(OnceLock::get).filter(|ear| ear.is_open.load(Relaxed)) {
            let guest_ns = self.before_ns.load(Relaxed).saturating_add(now.0);
            if ear.queue.push(Change { guest_ns, levels }).is_err() {
                ear.dropped.fetch_add(1, Relaxed);
            }
        }
    }

    /// A machine begins whose predecessors had `before_ns` of guest time.
    pub(crate) fn begin(&self, before_ns: u64) {
        self.before_ns.store(before_ns, Relaxed);
        self.record(GuestTime(0), [0; 2]);
    }
}

/// A frontend's end. Dropping it ends the recording.
#[derive(Debug)]
pub struct Listener {
    ear: Arc<Ear>,
}

impl Listener {
    /// The oldest change that waits. Never blocks.
    pub fn next_change(&self) -> Option<Change> {
        self.ear.queue.pop()
    }

    /// Changes dropped so far because they were not taken in time.
    pub fn dropped(&self) -> u64 {
        self.ear.dropped.load(Relaxed)
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ear.is_open.store(false, Relaxed);
        while self.ear.queue.pop().is_some() {}
    }
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;

    #[test]
    fn each_listener_hears_all_from_its_time_on() {
        let sound = Sound::default();
        sound.record(GuestTime(1), [1; 2]);
        let first = sound.listen().expect("the first");
        sound.record(GuestTime(2), [2; 2]);
        let second = sound.listen().expect("the second");
        sound.begin(100);
        sound.record(GuestTime(3), [3; 2]);
        let heard = |listener: &Listener| std::iter::from_fn(|| listener.next_change()).map(|change| change.guest_ns).collect::<Vec<_>>();
        assert_eq!((heard(&first), heard(&second)), (vec![2, 100, 103], vec![100, 103]));
        drop(first);
        sound.record(GuestTime(4), [4; 2]);
        assert_eq!(heard(&second), [104]);
        assert!(sound.listen().is_some() && sound.listen().is_some() && sound.listen().is_none());
    }

    #[test]
    fn who_does_not_listen_holds_nobody_up() {
        let sound = Sound::default();
        let listener = sound.listen().expect("the first");
        (0..MOST_CHANGES as u64 + 5).for_each(|at| sound.record(GuestTime(at), [0; 2]));
        assert_eq!(listener.dropped(), 5);
        assert_eq!(listener.next_change(), Some(Change { guest_ns: 0, levels: [0; 2] }));
    }
}
