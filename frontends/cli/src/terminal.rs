//! Standard input to a serial port: a terminal key by key, a file or a pipe as it comes.

use std::io::{self, IsTerminal, Read, Write};
use std::time::Duration;
use tayberry_engine::handle::Control;
use tayberry_terminal::SerialTail;

/// Ctrl-A: what comes after it is for us.
const ESCAPE: u8 = 0x01;
const CTRL_C: u8 = 0x03;
/// Pause of a reader whose input the guest does not take.
const INPUT_NAP: Duration = Duration::from_millis(2);

/// Types what comes on standard input at `port`, on a thread of its own that ends with the program. With `preload`, a regular file is typed
/// as a whole before this returns, so that a deterministic machine that is started afterwards finds it there.
///
/// Returns what puts the terminal back in order when it is dropped, if there is one.
pub fn connect_stdin(control: &Control, port: usize, preload: bool) -> Option<RawMode> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        let raw = raw::enter()?;
        let control = control.clone();
        spawn(move || read_keys(&control, port));
        return Some(raw);
    }
    let control = control.clone();
    if preload && is_regular_file(&stdin) {
        let mut bytes = Vec::new();
        // What could be read counts; a read error is the end of the input.
        let _ = stdin.lock().read_to_end(&mut bytes);
        control.type_serial(port, bytes);
        control.end_serial(port);
    } else {
        spawn(move || {
            read_stream(io::stdin().lock(), |bytes| {
                // A source without an end does not fill our memory: it waits for the guest.
                while control.is_input_full() {
                    std::thread::sleep(INPUT_NAP);
                }
                control.type_serial(port, bytes);
            });
            control.end_serial(port);
        });
    }
    None
}

/// Prints what the serial port printed while a picture had the terminal.
pub fn print_tail(tail: &SerialTail) {
    let mut out = io::stdout().lock();
    if tail.dropped > 0 {
        crate::report::say(format_args!("{} earlier lines of the serial port are not kept; --serial file:PATH keeps all", tail.dropped));
    }
    let text: String = tail.lines.iter().flat_map(|line| [line.as_str(), "\n"]).collect();
    // A terminal that is gone needs no text.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn spawn(body: impl FnOnce() + Send + 'static) {
    // Without this thread there is no input; the machine runs all the same.
    let _ = std::thread::Builder::new().name("tayberry-stdin".into()).spawn(body);
}

fn read_stream(mut input: impl Read, mut take: impl FnMut(&[u8])) {
    let mut buffer = [0; 4096];
    loop {
        match input.read(&mut buffer) {
            Ok(0) => return,
            Ok(length) => take(&buffer[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return,
        }
    }
}

fn read_keys(control: &Control, port: usize) {
    let mut keys = Keys::default();
    read_stream(io::stdin().lock(), |bytes| {
        let (bytes, quit) = keys.take(bytes);
        if !bytes.is_empty() {
            control.type_serial(port, bytes);
        }
        if quit {
            control.stop();
        }
    });
}

/// Picks our commands out of the keys.
#[derive(Debug, Default)]
struct Keys {
    escaped: bool,
}

impl Keys {
    /// What goes to the guest, and whether we are to quit.
    fn take(&mut self, typed: &[u8]) -> (Vec<u8>, bool) {
        let (mut bytes, mut quit) = (Vec::with_capacity(typed.len()), false);
        for &key in typed {
            if !std::mem::take(&mut self.escaped) {
                match key {
                    ESCAPE => self.escaped = true,
                    _ => bytes.push(key),
                }
                continue;
            }
            match key {
                b'x' | b'X' => quit = true,
                b'c' | b'C' => bytes.push(CTRL_C),
                b'a' | b'A' | ESCAPE => bytes.push(ESCAPE),
                _ => {}
            }
        }
        (bytes, quit)
    }
}

#[cfg(unix)]
fn is_regular_file(stdin: &io::Stdin) -> bool {
    use std::os::fd::AsFd;
    let file = stdin.as_fd().try_clone_to_owned().map(std::fs::File::from);
    file.and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.is_file())
}

#[cfg(windows)]
fn is_regular_file(stdin: &io::Stdin) -> bool {
    use std::os::windows::io::AsHandle;
    let file = stdin.as_handle().try_clone_to_owned().map(std::fs::File::from);
    file.and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.is_file())
}

pub use raw::{RawMode, restore};

/// A terminal that hands over each key as it is pressed and shows nothing itself. Ctrl-C still interrupts; output is left as it is.
#[cfg(unix)]
mod raw {
    use rustix::stdio::stdin;
    use rustix::termios::{InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp, tcsetattr};
    use std::sync::OnceLock;

    /// Switches a special key off.
    const DISABLED: u8 = if cfg!(any(target_os = "linux", target_os = "android")) { 0 } else { 0xFF };

    static SAVED: OnceLock<Termios> = OnceLock::new();

    /// Puts the terminal back when it is dropped, also by a panic.
    #[derive(Debug)]
    pub struct RawMode(());

    impl Drop for RawMode {
        fn drop(&mut self) {
            restore();
        }
    }

    /// Switches over, unless we are in the background: then the terminal is not ours.
    pub fn enter() -> Option<RawMode> {
        if tcgetpgrp(stdin()).ok()? != rustix::process::getpgrp() {
            return None;
        }
        let saved = tcgetattr(stdin()).ok()?;
        let mut raw = SAVED.get_or_init(|| saved).clone();
        raw.input_modes.remove(InputModes::ICRNL | InputModes::INLCR | InputModes::IGNCR | InputModes::IXON | InputModes::ISTRIP);
        raw.local_modes.remove(LocalModes::ICANON | LocalModes::ECHO | LocalModes::IEXTEN);
        for (code, value) in [
            (SpecialCodeIndex::VMIN, 1),
            (SpecialCodeIndex::VTIME, 0),
            (SpecialCodeIndex::VSUSP, DISABLED),
            (SpecialCodeIndex::VQUIT, DISABLED),
        ] {
            raw.special_codes[code] = value;
        }
        tcsetattr(stdin(), OptionalActions::Now, &raw).ok()?;
        Some(RawMode(()))
    }

    /// Puts the terminal back as it was found.
    pub fn restore() {
        if let Some(saved) = SAVED.get() {
            // A terminal that is gone needs no order.
            let _ = tcsetattr(stdin(), OptionalActions::Now, saved);
        }
    }
}

/// Elsewhere a terminal hands over lines.
#[cfg(not(unix))]
mod raw {
    /// Nothing to put back.
    #[derive(Debug)]
    pub struct RawMode(());

    pub fn enter() -> Option<RawMode> {
        Some(RawMode(()))
    }

    /// Nothing to put back.
    pub fn restore() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_go_to_the_guest_and_ctrl_a_to_us() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"abc\r"), (b"abc\r".to_vec(), false));
        assert_eq!(keys.take(b"\x01c\x01a\x01\x01"), (vec![0x03, 0x01, 0x01], false));
        assert_eq!(keys.take(b"x\x01"), (b"x".to_vec(), false));
        assert_eq!(keys.take(b"x"), (vec![], true), "the command may come in two pieces");
        assert_eq!(keys.take(b"\x01?y"), (b"y".to_vec(), false));
    }

    #[test]
    fn streams_are_read_to_their_end() {
        let mut taken = Vec::new();
        read_stream(&[7u8; 10_000][..], |bytes| taken.extend_from_slice(bytes));
        assert_eq!(taken.len(), 10_000);
    }
}
