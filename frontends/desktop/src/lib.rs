//! The desktop frontend: a window by winit, its picture by pixels.
//!
//! [`run`] takes the main thread for its event loop; the machine runs on its own threads and never waits for the window, except that a
//! deterministic machine keeps step with the frames that are drawn ([`tayberry_headless::Pace::Guest`]).
//!
//! A flip wakes the event loop, and is on its way to the screen at once (`pace`). What has not changed is not presented, and what has is uploaded line by
//! line (`surface`). F1, F2 and F3 open panels over the picture (`overlay`).

mod app;
mod keys;
mod mouse;
mod overlay;
mod pace;
mod quad;
mod scale;
mod screen;
#[cfg(feature = "sound")]
mod sound;
mod surface;
mod title;
mod watch;

pub use keys::HELP as KEYS_HELP;
pub use scale::Scaling;
#[cfg(feature = "sound")]
pub use sound::Player;

use app::App;
use tayberry_engine::handle::MachineHandle;
use tayberry_engine::hid::KeysTo;
use tayberry_headless::{Pace, Picture, Recorder};
use winit::event_loop::EventLoop;

/// What the statistics in the overlay can tell only with the help of whoever runs the machine. They are called a few times a second at most.
#[derive(Default)]
pub struct Gauges {
    /// Instructions that translated code has retired, all cores together.
    pub translated: Option<Box<dyn Fn() -> u64>>,
    /// Resident memory of this process in bytes.
    pub resident: Option<Box<dyn Fn() -> Option<u64>>>,
}

impl std::fmt::Debug for Gauges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauges").field("translated", &self.translated.is_some()).field("resident", &self.resident.is_some()).finish()
    }
}

/// How the window is to be.
#[derive(Debug)]
pub struct Options {
    /// What runs, for the title.
    pub name: String,
    /// When frames are drawn. A [`Pace::Guest`] clock must have been asked for before the machine starts.
    pub pace: Pace,
    /// Scaling to begin with.
    pub scaling: Scaling,
    /// Where keys go to begin with.
    pub keys: KeysTo,
    /// More to tell of.
    pub gauges: Gauges,
}

/// Why there is no window, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum DesktopError<E> {
    /// No display, or none that can be drawn on. The machine was not started.
    #[error("no display can be opened: {0}")]
    NoDisplay(String),
    /// The machine could not be started.
    #[error(transparent)]
    Start(E),
    /// The display failed later. The machine was asked to stop.
    #[error("the display failed: {0}")]
    Lost(String),
}

/// Opens the window, then calls `start` to start the machine of `handle`, and shows it until it ends; closing the window ends it. Frames go to
/// `recorder` too. Returns the last frame as the screen showed it.
///
/// # Errors
/// See [`DesktopError`].
///
/// # Panics
/// Where the event loop must have the main thread (everywhere) and does not.
pub fn run<E>(
    handle: &MachineHandle,
    options: Options,
    recorder: &mut Recorder,
    start: impl FnOnce() -> Result<(), E>,
) -> Result<Picture, DesktopError<E>> {
    let no_display = |error: &dyn std::error::Error| DesktopError::NoDisplay(one_line(error));
    let event_loop = EventLoop::with_user_event().build().map_err(|error| no_display(&error))?;
    let mut app = App::new(handle, options, recorder, start, event_loop.create_proxy());
    let outcome = event_loop.run_app(&mut app);
    // Nothing may wait for a window that is gone.
    handle.control.stop();
    outcome.map_err(|error| DesktopError::Lost(one_line(&error)))?;
    app.finish()
}

/// An error with its causes, on one line.
fn one_line(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    without_place(&line).trim_end_matches('.').to_owned()
}

/// What winit says of an error of the system, without the place in winit where it says so.
fn without_place(text: &str) -> &str {
    let said = || text.strip_prefix("os error at ")?.split_once(".rs:")?.1.split_once(": ");
    said().map_or(text, |(_, said)| said)
}

#[cfg(test)]
mod tests {
    use super::without_place;

    #[test]
    fn places_in_libraries_are_left_out() {
        assert_eq!(without_place("os error at /x/linux/mod.rs:765: no display: none"), "no display: none");
        assert_eq!(without_place("os error at nowhere"), "os error at nowhere");
        assert_eq!(without_place("No adapter: found"), "No adapter: found");
    }
}
