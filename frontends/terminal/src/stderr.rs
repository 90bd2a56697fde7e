//! Standard error while the screen is ours: kept, and said afterwards. A trace would paint over the picture.

use rustix::fd::OwnedFd;
use rustix::stdio::{dup2_stderr, stderr};
use rustix::termios::isatty;
use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read, Write};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// Bytes kept: the last ones.
const MOST: usize = 256 << 10;
/// Someone may have inherited our standard error and keep it: no end is waited for.
const PATIENCE: Duration = Duration::from_millis(500);

/// Standard error is diverted.
#[derive(Debug)]
pub struct Diversion {
    terminal: OwnedFd,
    kept: Receiver<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    dropped: u64,
}

impl Diversion {
    /// Diverts standard error, if it is a terminal and the host lets us.
    pub fn start() -> Option<Self> {
        if !isatty(stderr()) {
            return None;
        }
        let terminal = rustix::io::dup(stderr()).ok()?;
        let (from, to) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).ok()?;
        let (sender, kept) = channel();
        std::thread::Builder::new()
            .name("tayberry-stderr".into())
            .spawn(move || {
                // Nobody may want it any more.
                let _ = sender.send(keep(File::from(from)));
            })
            .ok()?;
        dup2_stderr(&to).ok()?;
        Some(Self { terminal, kept })
    }

    /// Puts standard error back and says there what came meanwhile.
    pub fn end(self) {
        if dup2_stderr(&self.terminal).is_err() {
            return;
        }
        let Ok(kept) = self.kept.recv_timeout(PATIENCE) else { return };
        let mut terminal = File::from(self.terminal);
        if kept.dropped > 0 {
            let _ = writeln!(terminal, "tayberry: {} bytes of messages before this are lost", kept.dropped);
        }
        let (first, second) = kept.bytes.as_slices();
        // Nobody to tell if that fails.
        let _ = terminal.write_all(first).and_then(|()| terminal.write_all(second));
    }
}

fn keep(mut from: impl Read) -> Kept {
    let mut kept = Kept::default();
    let mut buffer = [0; 4096];
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return kept,
            Ok(read) => kept.add(&buffer[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return kept,
        }
    }
}

impl Kept {
    fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
        let excess = self.bytes.len().saturating_sub(MOST);
        self.bytes.drain(..excess);
        self.dropped += excess as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_bytes_are_kept() {
        let all: Vec<u8> = (0..MOST + 1000).map(|byte| byte as u8).collect();
        let kept = keep(&all[..]);
        assert_eq!(kept.dropped, 1000);
        assert!(kept.bytes.iter().eq(&all[1000..]));
    }
}
