//! Devices whose state moves on with time: work that one core at a time does for all, and when it must be looked at next.
//!
//! # Orderings
//! Who changes something asks first ([`Turn::run`] sets `asked`) and then tries to get in (`busy`). Who is in looks at `asked` again after it has let
//! go: either it has taken the change into account, or it sees the question and works once more. All `SeqCst`. Nobody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use tayberry_engine::{Attention, Deadline, GuestTime, MachineBuilder, cell};

/// Shortest time between two looks at a device by itself, nanoseconds: what it does faster is done several at once.
const GRAIN_NS: u64 = 1_000;

/// Lets one core in; what others ask for meanwhile is done by that one.
#[derive(Debug, Default)]
pub struct Turn {
    busy: AtomicBool,
    asked: AtomicBool,
}

cell!(Turn { busy, asked });

impl Turn {
    /// Does `work`, now or, if another core is at it, by that one. `work` must depend on the device's state alone: it may run more than once.
    pub fn run(&self, mut work: impl FnMut()) {
        self.asked.store(true, SeqCst);
        while self.asked.load(SeqCst) && !self.busy.swap(true, SeqCst) {
            self.asked.store(false, SeqCst);
            work();
            self.busy.store(false, SeqCst);
        }
    }
}

/// When a device must be looked at though no guest does.
#[derive(Debug)]
pub struct Wake {
    deadline: Deadline,
    /// When it was last due, nanoseconds. Written by the machine's thread.
    last: AtomicU64,
    attention: Arc<Attention>,
}

cell!(Wake { deadline, last } but { attention });

impl Wake {
    /// A new one, at no time.
    pub fn new(machine: &mut MachineBuilder) -> Self {
        Self { deadline: machine.deadline(), last: AtomicU64::new(0), attention: machine.attention() }
    }

    /// Sets the time. Where it comes nearer, slices end, which run only until what was known when they began.
    pub fn plan(&self, at: Option<GuestTime>) {
        let earliest = GuestTime(self.last.load(SeqCst)).plus(GRAIN_NS);
        let (before, at) = (self.deadline.get(), at.map(|at| at.max(earliest)));
        self.deadline.set(at);
        if at.is_some_and(|at| before.is_none_or(|before| at < before)) {
            self.attention.stop_all();
        }
    }

    /// True if there is a time.
    pub fn is_set(&self) -> bool {
        self.deadline.get().is_some()
    }

    /// True if the time has come; the device must then [`Wake::plan`] again. For the device's system.
    pub fn is_due(&self, now: GuestTime) -> bool {
        let due = self.deadline.get().is_some_and(|at| at <= now);
        if due {
            self.last.store(now.0, SeqCst);
        }
        due
    }
}

/// `next` of [`Beat`] while the clock stands still.
const STOPPED: u64 = u64::MAX;

/// A beat: things that happen at even times as long as a clock runs. Belongs to who has the device's [`Turn`].
#[derive(Debug)]
pub struct Beat {
    /// When the next one is, nanoseconds.
    next: AtomicU64,
}

cell!(Beat { next });

impl Default for Beat {
    fn default() -> Self {
        Self { next: AtomicU64::new(STOPPED) }
    }
}

impl Beat {
    /// Beats from the last call up to `now`, every `period` nanoseconds; none while the clock stands still. The first one is at once.
    pub fn count(&self, now: GuestTime, period: Option<u64>) -> u64 {
        self.count_at_most(now, period, u64::MAX)
    }

    /// The same, but no more than `most`: those that are left over come with the next call.
    pub fn count_at_most(&self, now: GuestTime, period: Option<u64>, most: u64) -> u64 {
        let Some(period) = period.map(|period| period.max(1)) else {
            self.next.store(STOPPED, SeqCst);
            return 0;
        };
        let next = match self.next.load(SeqCst) {
            STOPPED => now.0,
            next => next,
        };
        let count = now.0.checked_sub(next).map_or(0, |late| late / period + 1).min(most);
        self.next.store(next.saturating_add(count.saturating_mul(period)).min(STOPPED - 1), SeqCst);
        count
    }

    /// When the `count`th beat from now on is.
    pub fn after(&self, count: u64, period: u64) -> Option<GuestTime> {
        let next = self.next.load(SeqCst);
        (next != STOPPED).then(|| GuestTime(next).plus(count.saturating_sub(1).saturating_mul(period)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_done_by_somebody() {
        let (turn, asked, done) = (Turn::default(), AtomicU64::new(0), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| {
                    for _ in 0..10_000 {
                        asked.fetch_add(1, SeqCst);
                        // Not atomic on purpose: only one is in.
                        turn.run(|| done.store(done.load(SeqCst).max(asked.load(SeqCst)), SeqCst));
                    }
                });
            }
        });
        assert_eq!(done.load(SeqCst), 30_000);
    }

    #[test]
    fn beats_are_even_and_stop_with_their_clock() {
        let beat = Beat::default();
        assert_eq!((beat.after(1, 10), beat.count(GuestTime(100), None)), (None, 0));
        assert_eq!(beat.count(GuestTime(105), Some(10)), 1);
        assert_eq!(
            (beat.count(GuestTime(114), Some(10)), beat.after(1, 10), beat.after(3, 10)),
            (0, Some(GuestTime(115)), Some(GuestTime(135)))
        );
        assert_eq!(beat.count(GuestTime(136), Some(10)), 3);
        assert_eq!(beat.count(GuestTime(50), Some(10)), 0, "another core's time is behind");
        let late = GuestTime(175);
        assert_eq!((beat.count_at_most(late, Some(10), 1), beat.count_at_most(late, Some(10), 9), beat.count(late, Some(10))), (1, 3, 0));
        assert_eq!((beat.count(GuestTime(140), None), beat.count(GuestTime(150), Some(10))), (0, 1));
    }
}
