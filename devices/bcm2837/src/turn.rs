//! Devices whose state moves on with time: work that one core at a time does for all, and when it must be looked at next.
//!
//! # Orderings
//! Who changes something asks first ([`Turn::run`] sets `asked`) and then tries to get in (`busy`). Who is in looks at `asked` again after it has let
//! go: either it has taken the change into account, or it sees the question and works once more. All `SeqCst`. Nobody waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tayberry_engine::{Attention, Deadline, GuestTime, MachineBuilder};

/// Shortest time between two looks at a device that works faster than that, nanoseconds.
const GRAIN_NS: u64 = 1_000;

/// Lets one core in; what others ask for meanwhile is done by that one.
#[derive(Debug, Default)]
pub struct Turn {
    busy: AtomicBool,
    asked: AtomicBool,
}

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
    attention: Arc<Attention>,
}

impl Wake {
    /// A new one, at no time.
    pub fn new(machine: &mut MachineBuilder) -> Self {
        Self { deadline: machine.deadline(), attention: machine.attention() }
    }

    /// Sets the time, seen from `now`. Where it comes nearer, slices end, which run only until what was known when they began.
    pub fn plan(&self, now: GuestTime, at: Option<GuestTime>) {
        let (before, at) = (self.deadline.get(), at.map(|at| at.max(now.plus(GRAIN_NS))));
        self.deadline.set(at);
        if at.is_some_and(|at| before.is_none_or(|before| at < before)) {
            self.attention.stop_all();
        }
    }

    /// True if the time has come.
    pub fn is_due(&self, now: GuestTime) -> bool {
        self.deadline.get().is_some_and(|at| at <= now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU64;

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
}
