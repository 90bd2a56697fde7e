//! Messages on stderr, errors and exit statuses.

use std::fmt;
use std::io::Write;
use tayberry_engine::handle::ExitReason;

/// Exit status for arguments and files that cannot be used.
pub const UNUSABLE: u8 = 2;
/// Exit status when a limit ended a run that was to end otherwise.
const LIMIT: u8 = 3;
/// Exit status when the guest cannot go on.
const LOST: u8 = 4;
/// Exit status when the screen is not the picture expected, or a replay printed something else, after a run that would have ended with 0.
pub const DIFFERENT: u8 = 5;
/// Exit status after Ctrl-C.
pub const INTERRUPTED: u8 = 130;

/// Arguments or files that cannot be used: one line that says what and why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct Unusable(String);

impl Unusable {
    /// An error of that text, brought onto one line.
    pub fn new(text: impl fmt::Display) -> Self {
        Self(text.to_string().split_whitespace().collect::<Vec<_>>().join(" "))
    }
}

/// Says something on stderr, one line. That nobody can hear it is no reason to fail.
pub fn say(what: impl fmt::Display) {
    let _ = writeln!(std::io::stderr(), "tayberry: {what}");
}

/// The exit status for the end of a run. `interrupted`: by Ctrl-C; `expected`: `--until` was given.
pub fn status(reason: &ExitReason, interrupted: bool, expected: bool) -> u8 {
    match reason {
        ExitReason::PowerOff | ExitReason::Until => 0,
        ExitReason::Played if expected => LIMIT,
        ExitReason::Played => 0,
        ExitReason::GuestExit(code) => guest_status(*code),
        ExitReason::Timeout | ExitReason::MaxInstructions if expected => LIMIT,
        ExitReason::Timeout | ExitReason::MaxInstructions => 0,
        ExitReason::Lost(_) => LOST,
        ExitReason::Stopped if interrupted => INTERRUPTED,
        ExitReason::Stopped => 0,
    }
}

/// The guest's code as far as a process can have it: its low eight bits, but never 0 for a code that is not.
fn guest_status(code: i32) -> u8 {
    match code as u8 {
        0 if code != 0 => 1,
        status => status,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses() {
        assert_eq!(status(&ExitReason::PowerOff, false, true), 0);
        assert_eq!(status(&ExitReason::Until, true, true), 0);
        assert_eq!(status(&ExitReason::Timeout, false, true), 3);
        assert_eq!(status(&ExitReason::MaxInstructions, false, true), 3);
        assert_eq!(status(&ExitReason::Timeout, false, false), 0);
        assert_eq!(status(&ExitReason::Lost("core 0".into()), false, false), 4);
        assert_eq!(status(&ExitReason::Stopped, true, false), 130);
        assert_eq!(status(&ExitReason::Stopped, false, false), 0);
    }

    #[test]
    fn a_guest_s_failure_is_never_taken_for_success() {
        assert_eq!([0, 1, 42, 255, -1, 256, 512, i32::MIN].map(guest_status), [0, 1, 42, 255, 255, 1, 1, 1]);
    }

    #[test]
    fn errors_are_one_line() {
        assert_eq!(Unusable::new("a\n  b\n").to_string(), "a b");
    }
}
