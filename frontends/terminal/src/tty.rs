//! The terminal itself: raw mode, the alternate screen, jobs, and putting everything back whatever happens.

use crate::stderr::Diversion;
use ratatui_crossterm::crossterm::cursor::{Hide, Show};
use ratatui_crossterm::crossterm::queue;
use ratatui_crossterm::crossterm::style::ResetColor;
use ratatui_crossterm::crossterm::terminal::{Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen};
use rustix::stdio::{stdin, stdout};
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, OutputModes, QueueSelector, SpecialCodeIndex, Termios, isatty, tcflush, tcgetattr, tcgetpgrp,
    tcgetwinsize, tcsetattr,
};
use signal_hook::consts::{SIGCONT, SIGTSTP};
use signal_hook::{flag, low_level};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, OnceLock, PoisonError};

/// Switches a special key off.
const DISABLED: u8 = if cfg!(any(target_os = "linux", target_os = "android")) { 0 } else { 0xFF };
/// Ends a control string that was cut short; a terminal that is in none ignores it.
const END_STRING: &[u8] = b"\x1b\\";
/// Bytes written at a time: the most that are on their way when the terminal is taken from us.
const PART: usize = 4096;
/// Larger terminals are used in part.
const MOST_COLUMNS: u16 = 1000;
const MOST_ROWS: u16 = 500;

/// The terminal is ours. Set by [`enter`]; whoever swaps it to false puts the terminal back. The swap orders nothing else: what is needed for that
/// is written before the flag is set, and the flag is read by read-modify-write (`AcqRel`).
static OURS: AtomicBool = AtomicBool::new(false);
/// Kitty pictures may be there (`Relaxed`: it means nothing but itself).
static PICTURES: AtomicBool = AtomicBool::new(false);
static SAVED: OnceLock<Termios> = OnceLock::new();
/// Where standard error goes meanwhile. Only taken on entering and leaving.
static DIVERTED: Mutex<Option<Diversion>> = Mutex::new(None);
static HOOK: Once = Once::new();

/// Size of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Columns and rows.
    pub cells: (u16, u16),
    /// Width and height in pixels, where the terminal's driver knows them.
    pub pixels: Option<(u32, u32)>,
}

/// Says why the terminal cannot be used, if it cannot.
pub fn usable() -> Result<(), String> {
    if !isatty(stdin()) || !isatty(stdout()) {
        return Err("standard input and output are no terminal".into());
    }
    match std::env::var("TERM").ok().filter(|name| !name.is_empty()) {
        None => return Err("TERM does not name a terminal".into()),
        Some(name) if name == "dumb" => return Err("the terminal is dumb".into()),
        Some(_) => {}
    }
    match tcgetpgrp(stdin()) {
        Ok(group) if group == rustix::process::getpgrp() => Ok(()),
        Ok(_) => Err("the terminal belongs to another job".into()),
        // A terminal that controls nobody: there are no other jobs.
        Err(_) => Ok(()),
    }
}

/// The terminal while it is ours. Put back when it is dropped.
#[derive(Debug)]
pub struct Tty(());

impl Drop for Tty {
    fn drop(&mut self) {
        restore();
    }
}

/// Takes the terminal over.
pub fn enter() -> Result<Tty, String> {
    usable()?;
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            restore();
            before(panic);
        }));
    });
    take_over().map_err(|error| format!("the terminal cannot be taken over: {error}"))?;
    Ok(Tty(()))
}

fn take_over() -> io::Result<()> {
    let saved = tcgetattr(stdin())?;
    SAVED.get_or_init(|| saved);
    set_modes()?;
    *DIVERTED.lock().unwrap_or_else(PoisonError::into_inner) = Diversion::start();
    OURS.store(true, Ordering::Release);
    show_screen()
}

fn set_modes() -> io::Result<()> {
    let Some(mut raw) = SAVED.get().cloned() else { return Ok(()) };
    raw.input_modes.remove(InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR | InputModes::IXON | InputModes::ISTRIP);
    raw.output_modes.remove(OutputModes::OPOST);
    // Ctrl-C still interrupts.
    raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
    for (code, value) in [
        (SpecialCodeIndex::VMIN, 1),
        (SpecialCodeIndex::VTIME, 0),
        (SpecialCodeIndex::VSUSP, DISABLED),
        (SpecialCodeIndex::VQUIT, DISABLED),
    ] {
        raw.special_codes[code] = value;
    }
    Ok(tcsetattr(stdin(), OptionalActions::Now, &raw)?)
}

fn show_screen() -> io::Result<()> {
    let mut bytes = Vec::new();
    queue!(bytes, EnterAlternateScreen, Hide, Clear(ClearType::All))?;
    write(&bytes)
}

/// Puts the terminal back as it was found, if it is ours. May be called at any time by any thread.
pub fn restore() {
    if !OURS.swap(false, Ordering::AcqRel) {
        return;
    }
    let mut bytes = END_STRING.to_vec();
    if PICTURES.load(Ordering::Relaxed) {
        bytes.extend_from_slice(crate::kitty::REMOVE);
    }
    // Memory takes it; a terminal that is gone needs no order.
    let _ = queue!(bytes, EndSynchronizedUpdate, ResetColor, LeaveAlternateScreen, Show);
    let _ = put(&bytes);
    if let Some(saved) = SAVED.get() {
        let _ = tcsetattr(stdin(), OptionalActions::Flush, saved);
    }
    let diversion = DIVERTED.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(diversion) = diversion {
        diversion.end();
    }
}

/// Kitty pictures are to be removed at the end.
pub fn has_pictures() {
    PICTURES.store(true, Ordering::Relaxed);
}

/// True while the terminal is ours.
pub fn is_ours() -> bool {
    OURS.load(Ordering::Acquire)
}

/// Writes to the terminal; waits for it.
///
/// # Errors
/// What the system says, or that the terminal is not ours any more.
pub fn write(bytes: &[u8]) -> io::Result<()> {
    for part in bytes.chunks(PART) {
        if !is_ours() {
            return Err(io::ErrorKind::NotConnected.into());
        }
        put(part)?;
    }
    Ok(())
}

fn put(mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(stdout(), bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Throws away what a terminal has not taken.
pub fn discard_output() {
    let _ = tcflush(stdout(), QueueSelector::OFlush);
}

/// The size now.
pub fn window() -> Window {
    let Ok(size) = tcgetwinsize(stdout()) else { return Window { cells: (80, 24), pixels: None } };
    let cells = if size.ws_col == 0 || size.ws_row == 0 { (80, 24) } else { (size.ws_col.min(MOST_COLUMNS), size.ws_row.min(MOST_ROWS)) };
    let known = size.ws_xpixel > 0 && size.ws_ypixel > 0 && size.ws_col > 0 && size.ws_row > 0;
    // Of the part that is used.
    let part = |pixels: u16, used: u16, all: u16| u32::from(pixels) * u32::from(used) / u32::from(all.max(1));
    let pixels = known.then(|| (part(size.ws_xpixel, cells.0, size.ws_col), part(size.ws_ypixel, cells.1, size.ws_row)));
    Window { cells, pixels }
}

/// The shell's requests to stop and to go on.
#[derive(Debug, Default)]
pub struct Jobs {
    stop: Arc<AtomicBool>,
    continued: Arc<AtomicBool>,
}

impl Jobs {
    /// Starts to listen. Where the system does not let us, a stop leaves the terminal as it is.
    pub fn listen() -> Self {
        let jobs = Self::default();
        for (signal, seen) in [(SIGTSTP, &jobs.stop), (SIGCONT, &jobs.continued)] {
            if let Err(error) = flag::register(signal, Arc::clone(seen)) {
                tracing::warn!(target: "terminal", "cannot listen for signal {signal}: {error}");
            }
        }
        jobs
    }

    /// True once after we were asked to stop.
    pub fn must_stop(&self) -> bool {
        self.stop.swap(false, Ordering::Relaxed)
    }

    /// True once after we were continued: the terminal may look otherwise.
    pub fn was_continued(&self) -> bool {
        self.continued.swap(false, Ordering::Relaxed)
    }
}

/// Gives the terminal back and stops the process; takes the terminal over again when it goes on.
///
/// # Errors
/// What the system says of the terminal then.
pub fn suspend() -> io::Result<()> {
    restore();
    low_level::emulate_default_handler(SIGTSTP)?;
    take_over()
}

/// Takes the terminal over again after someone else may have used it.
///
/// # Errors
/// What the system says.
pub fn renew() -> io::Result<()> {
    if !is_ours() {
        return Ok(());
    }
    set_modes()?;
    show_screen()
}
