//! The power switch: how a guest (or a frontend) ends or restarts the machine.

use crate::clock::Deadline;
use crate::state::{Archive, Cell};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// What was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// Switch off.
    Off,
    /// Start again from power-on.
    Reset,
    /// The guest exits with a status of its own (semihosting).
    Exit(i32),
}

/// One pending request; the first wins.
///
/// # Orderings
/// A single word that carries the whole request: `Relaxed` compare-and-swap by whoever asks, read by the machine's thread between ticks.
#[derive(Debug, Default)]
pub struct PowerSwitch {
    request: AtomicU64,
    /// When a watchdog will ask, while it runs.
    watchdog: OnceLock<Deadline>,
}

/// What was asked for and not done yet.
impl Cell for PowerSwitch {
    fn pass(&self, archive: &mut Archive<'_>) {
        self.request.pass(archive);
    }
}

impl PowerSwitch {
    /// Asks; ignored if something was asked already.
    pub fn request(&self, what: PowerRequest) {
        let word = match what {
            PowerRequest::Off => 1 << 32,
            PowerRequest::Reset => 2 << 32,
            PowerRequest::Exit(code) => 3 << 32 | u64::from(code as u32),
        };
        let _ = self.request.compare_exchange(0, word, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// The machine's watchdog asks at `deadline`, while that is set: the first one given.
    pub fn set_watchdog(&self, deadline: Deadline) {
        let _ = self.watchdog.set(deadline);
    }

    /// True while a watchdog runs that will ask for something.
    pub fn is_watched(&self) -> bool {
        self.watchdog.get().is_some_and(|deadline| deadline.get().is_some())
    }

    /// True if a request is waiting to be taken.
    pub fn is_pending(&self) -> bool {
        self.request.load(Ordering::Relaxed) != 0
    }

    /// Takes the pending request.
    pub fn take(&self) -> Option<PowerRequest> {
        let word = self.request.swap(0, Ordering::Relaxed);
        match word >> 32 {
            1 => Some(PowerRequest::Off),
            2 => Some(PowerRequest::Reset),
            3 => Some(PowerRequest::Exit(word as u32 as i32)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_request_wins() {
        let switch = PowerSwitch::default();
        switch.request(PowerRequest::Exit(-3));
        switch.request(PowerRequest::Off);
        assert_eq!(switch.take(), Some(PowerRequest::Exit(-3)));
        assert_eq!(switch.take(), None);
    }
}
