//! Elsewhere than on Unix there is no terminal that we know how to take over.

use std::io;

/// Size of the terminal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Window {
    /// Columns and rows.
    pub cells: (u16, u16),
    /// Width and height in pixels.
    pub pixels: Option<(u32, u32)>,
}

/// Says why the terminal cannot be used.
pub fn usable() -> Result<(), String> {
    Err("the terminal frontend needs Unix, or WSL".into())
}

/// The terminal while it is ours.
#[derive(Debug)]
pub struct Tty(());

/// Says why not.
pub fn enter() -> Result<Tty, String> {
    usable().map(|()| Tty(()))
}

/// Nothing to put back.
pub fn restore() {}

/// Nothing to remove.
pub fn has_pictures() {}

/// It never is.
pub fn is_ours() -> bool {
    false
}

/// There is none.
///
/// # Errors
/// Always.
pub fn write(_: &[u8]) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Nothing is waiting.
pub fn discard_output() {}

/// No size.
pub fn window() -> Window {
    Window::default()
}

/// No jobs.
#[derive(Debug, Default)]
pub struct Jobs(());

impl Jobs {
    /// There is nothing to hear.
    pub fn listen() -> Self {
        Self::default()
    }

    /// Never.
    pub fn must_stop(&self) -> bool {
        false
    }

    /// Never.
    pub fn was_continued(&self) -> bool {
        false
    }
}

/// Does nothing.
///
/// # Errors
/// None.
pub fn suspend() -> io::Result<()> {
    Ok(())
}

/// Does nothing.
///
/// # Errors
/// None.
pub fn renew() -> io::Result<()> {
    Ok(())
}
