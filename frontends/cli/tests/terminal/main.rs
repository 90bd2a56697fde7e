//! The terminal frontend as a user has it: in tmux, and on terminals that we play ourselves, with Kitty graphics, with sixels, and with nothing.
#![cfg(unix)]

// Other tests use the rest of it.
#[allow(dead_code)]
#[path = "../cli/program.rs"]
mod program;

mod decode;
mod pty;
mod tmux;

use std::time::{Duration, Instant};

/// Hosts that test may be slow and busy.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// Waits until `look` finds something.
///
/// # Panics
/// If it does not in time; `what` says what was waited for.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < PATIENCE, "no {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
