//! When cores give memory back.

use std::time::{Duration, Instant};

/// A machine is quiet that retires fewer than [`QUIET_INSTRUCTIONS`] in this time.
const QUIET_TIME: Duration = Duration::from_secs(2);
/// A system that only keeps its clock retires some millions a second.
const QUIET_INSTRUCTIONS: u64 = 20_000_000;

/// Watches for idle times, so that cores give memory back in each once.
pub(crate) struct Quiet {
    since: Instant,
    /// Instructions that had retired then.
    instructions: u64,
    /// Nothing to give back: it was done, and little has run since.
    trimmed: bool,
}

impl Quiet {
    pub fn new(instructions: u64) -> Self {
        Self { since: Instant::now(), instructions, trimmed: false }
    }

    /// Asked when nothing runs: is it time to trim?
    pub fn is_due(&mut self, instructions: u64) -> bool {
        if self.since.elapsed() < QUIET_TIME {
            return false;
        }
        let quiet = instructions - self.instructions < QUIET_INSTRUCTIONS;
        let due = quiet && !self.trimmed;
        *self = Self { trimmed: quiet, ..Self::new(instructions) };
        due
    }
}
