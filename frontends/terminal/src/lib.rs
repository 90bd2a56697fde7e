//! The terminal frontend: shows the guest's screen in a text terminal, over SSH too.
//!
//! Pictures go by Kitty's graphics protocol or as sixels where the terminal says that it has them (`probe`), otherwise as half blocks (`canvas`). Below
//! the picture is what the guest prints on a serial port (`console`), and a status line. Keys go to the guest (`keys`).
//!
//! [`run`] takes the calling thread for its loop (`app`); a thread of its own makes and writes what is to be seen (`painter`), one scene at a time, the
//! next when the terminal has taken the one before (`link`). The machine never waits for the terminal. However the run ends, the terminal is put back
//! (`tty`).

mod app;
mod canvas;
mod colour;
mod console;
mod keys;
mod kitty;
mod layout;
mod link;
mod painter;
mod probe;
mod replies;
mod scale;
mod sixel;
mod status;
#[cfg(unix)]
mod stderr;
mod strokes;
#[cfg_attr(not(unix), path = "no_tty.rs")]
mod tty;

pub use keys::HELP as KEYS_HELP;
pub use probe::Graphics;
pub use tty::{restore, usable};

use app::{App, Terminal};
use canvas::Method;
use crossbeam::channel::{Receiver, unbounded};
use painter::Painter;
use replies::Replies;
use std::io::{ErrorKind, Read};
use tayberry_engine::handle::MachineHandle;
use tayberry_engine::hid::KeysTo;
use tayberry_headless::{Pace, Picture, Recorder};

/// How the terminal is to be used.
#[derive(Debug)]
pub struct Options {
    /// What runs, for the status line.
    pub name: String,
    /// When frames are drawn. A [`Pace::Guest`] clock must have been asked for before the machine starts.
    pub pace: Pace,
    /// The serial port that is shown and that keys go to; none: none is shown, keys go to port 0. Its output is taken from the handle.
    pub serial: Option<usize>,
    /// Where keys go to begin with.
    pub keys: KeysTo,
    /// How pictures are shown.
    pub graphics: Graphics,
}

/// Why there is nothing to see.
#[derive(Debug, thiserror::Error)]
pub enum TerminalError<E> {
    /// There is no terminal, or none that can be used. The machine was not started.
    #[error("{0}")]
    NoTerminal(String),
    /// The machine could not be started.
    #[error(transparent)]
    Start(E),
}

/// What a run leaves behind.
#[derive(Debug)]
pub struct Shown {
    /// The last frame as the screen showed it.
    pub picture: Picture,
    /// What the serial port printed, if it was shown: it has gone from the terminal with the rest.
    pub serial: Option<SerialTail>,
    /// Why the terminal failed before the end, if it did. The machine was asked to stop.
    pub lost: Option<String>,
}

/// What a serial port printed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SerialTail {
    /// The last lines, as plain text without control characters.
    pub lines: Vec<String>,
    /// Lines before them that are not kept.
    pub dropped: u64,
}

/// Takes the terminal over, then calls `start` to start the machine of `handle`, and shows it until it ends. Frames go to `recorder` too. The terminal
/// is as it was when this returns.
///
/// # Errors
/// See [`TerminalError`].
///
/// # Panics
/// If the host cannot start a thread.
pub fn run<E>(
    handle: &MachineHandle,
    options: Options,
    recorder: &mut Recorder,
    start: impl FnOnce() -> Result<(), E>,
) -> Result<Shown, TerminalError<E>> {
    let tty = tty::enter().map_err(TerminalError::NoTerminal)?;
    let input = read_input();
    let mut replies = Replies::default();
    // Who cannot write will be told by the painter.
    let _ = tty::write(&probe::questions());
    let (answers, typed) = probe::listen(&input, &mut replies);
    let method = answers.method(options.graphics, |name| std::env::var(name).ok());
    if method == Method::Kitty {
        tty::has_pictures();
    }
    tracing::info!(target: "terminal", "{answers:?}: {method:?}");
    start().map_err(TerminalError::Start)?;
    let terminal = Terminal { method, answers, replies, input };
    let mut app = App::new(handle, options, recorder, terminal, Painter::start(method));
    app.run(&typed);
    let shown = app.finish();
    drop(tty);
    Ok(shown)
}

/// What comes on standard input, read by a thread that ends with the program.
fn read_input() -> Receiver<Vec<u8>> {
    let (sender, input) = unbounded();
    let body = move || {
        let mut buffer = [0; 4096];
        loop {
            match std::io::stdin().lock().read(&mut buffer) {
                Ok(0) => return,
                Ok(length) => {
                    if sender.send(buffer[..length].to_vec()).is_err() {
                        return;
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    };
    std::thread::Builder::new().name("tayberry-stdin".into()).spawn(body).expect("the host can start a thread");
    input
}
