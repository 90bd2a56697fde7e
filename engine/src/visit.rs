//! Visits: what anybody wants to do with a machine, between two ticks, on the machine's own thread ([`crate::handle::Control::visit`]); and attendants, who are with
//! a machine from its first tick to its end.
//!
//! # Orderings
//! A visitor queues its visit, then sets the flag (`Release`); the machine's thread takes the flag (`Acquire`), then empties the queue, so it finds all that the
//! flag was set for. A visit that is queued while the machine ends is dropped by one of the two: each first says what it did, then looks at what the other did, with a
//! `SeqCst` fence in between.

use crate::handle::ExitReason;
use crate::machine::Machine;
use crossbeam::queue::SegQueue;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering, fence};

/// What is done with a machine.
type Visit = Box<dyn FnOnce(&mut Machine) + Send>;

/// Visits on their way to a machine.
#[derive(Default)]
pub(crate) struct Visits {
    queue: SegQueue<Visit>,
    waiting: AtomicBool,
}

impl Visits {
    pub fn push(&self, visit: Visit) {
        self.queue.push(visit);
        self.waiting.store(true, Ordering::Release);
    }

    /// The visits that wait, in their order. A load where there are none.
    pub fn take(&self) -> Option<impl Iterator<Item = Visit>> {
        let any = self.waiting.load(Ordering::Relaxed) && self.waiting.swap(false, Ordering::Acquire);
        any.then(|| std::iter::from_fn(|| self.queue.pop()))
    }

    /// Drops what nobody will ever take. `ended` says whether the machine's thread is over.
    pub fn drop_if(&self, ended: impl FnOnce() -> bool) {
        fence(Ordering::SeqCst);
        if ended() {
            while self.queue.pop().is_some() {}
        }
    }
}

impl fmt::Debug for Visits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Visits({} waiting)", self.queue.len())
    }
}

/// Somebody who is with a machine all its life, on its thread: a debugger, or whoever writes a report of its end. See [`crate::machine::Starter::attend`].
pub trait Attendant: Send {
    /// A machine was built, at the start and after each reset, and is about to run its first tick.
    fn begins(&mut self, machine: &mut Machine) {
        let _ = machine;
    }

    /// Cores have stopped for their debugger ([`crate::SliceEnd::Debug`]), and the machine is held ([`Machine::hold`]).
    fn halted(&mut self, machine: &mut Machine) {
        let _ = machine;
    }

    /// The run is over, and why; the machine goes next.
    fn ends(&mut self, machine: &mut Machine, reason: &ExitReason) {
        let _ = (machine, reason);
    }
}
