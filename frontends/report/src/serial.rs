//! Lines of serial output with their times, and its end.

use crate::bounded::HeadTail;
use std::collections::VecDeque;

/// Lines of a port that are kept.
const LINES: (usize, usize) = (150, 350);
/// Bytes of a line that are kept.
const LINE_BYTES: usize = 400;
/// Bytes of a port's end that are kept.
const TAIL_BYTES: usize = 32 << 10;

/// A line that a port printed.
#[derive(Debug)]
pub struct Line {
    /// When its first byte came.
    pub at_ns: u64,
    /// Its place among all events.
    pub order: u64,
    /// Its bytes without the line's end, the first ones.
    pub bytes: Vec<u8>,
    is_done: bool,
}

/// What a port printed.
#[derive(Debug)]
pub struct Port {
    /// Its lines.
    pub lines: HeadTail<Line>,
    /// Its end.
    tail: VecDeque<u8>,
    /// Bytes in all.
    pub bytes: u64,
}

impl Default for Port {
    fn default() -> Self {
        Self { lines: HeadTail::new(LINES.0, LINES.1), tail: VecDeque::new(), bytes: 0 }
    }
}

impl Port {
    /// Takes bytes; `order` is their place among all events.
    pub fn take(&mut self, bytes: &[u8], at_ns: u64, order: u64) {
        self.bytes += bytes.len() as u64;
        self.tail.extend(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..]);
        self.tail.drain(..self.tail.len().saturating_sub(TAIL_BYTES));
        for piece in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, is_done) = match piece.split_last() {
                Some((b'\n', text)) => (text.strip_suffix(b"\r").unwrap_or(text), true),
                _ => (piece, false),
            };
            if self.lines.last_mut().is_none_or(|line| line.is_done) {
                self.lines.push(Line { at_ns, order, bytes: Vec::new(), is_done: false });
            }
            if let Some(line) = self.lines.last_mut() {
                let room = LINE_BYTES.saturating_sub(line.bytes.len());
                line.bytes.extend(&text[..text.len().min(room)]);
                line.is_done = is_done;
            }
        }
    }

    /// The last bytes, from the beginning of a line on where there is one, and how many come before them.
    pub fn tail(&self) -> (Vec<u8>, u64) {
        let mut tail: Vec<u8> = self.tail.iter().copied().collect();
        if self.bytes > tail.len() as u64
            && let Some(end) = tail.iter().position(|&byte| byte == b'\n')
        {
            tail.drain(..=end);
        }
        let before = self.bytes - tail.len() as u64;
        (tail, before)
    }
}

/// Bytes as text that can be seen: control characters as their pictures, line ends as they are.
pub fn visible(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    let picture = |char: char| match char {
        '\n' | '\t' => char,
        '\0'..='\x1f' => char::from_u32(0x2400 + u32::from(char)).unwrap_or(char),
        '\x7f' => '\u{2421}',
        // Neither controls of C1 nor what turns the direction of what follows.
        '\u{80}'..='\u{9f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        _ => char,
    };
    text.chars().map(picture).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_the_time_of_their_first_byte() {
        let mut port = Port::default();
        for (at, text) in [(1, "Hel"), (2, "lo\r\nwor"), (3, "ld\n\n"), (4, "rest")] {
            port.take(text.as_bytes(), at, at);
        }
        let lines: Vec<_> =
            port.lines.parts().0.iter().map(|line| (line.at_ns, String::from_utf8_lossy(&line.bytes).into_owned())).collect();
        assert_eq!(lines, [(1, "Hello".into()), (2, "world".into()), (3, String::new()), (4, "rest".into())]);
        assert_eq!(port.tail(), (b"Hello\r\nworld\n\nrest".to_vec(), 0));
    }

    #[test]
    fn an_endless_port_is_bounded() {
        let mut port = Port::default();
        for _ in 0..1000 {
            port.take(&[b'x'; 1000], 0, 0);
        }
        assert_eq!((port.lines.total(), port.lines.parts().0[0].bytes.len(), port.bytes), (1, LINE_BYTES, 1_000_000));
        port.take(b"\nend\n", 1, 1);
        let (tail, before) = port.tail();
        assert_eq!((tail.as_slice(), before), (&b"end\n"[..], 1_000_001));
    }

    #[test]
    fn what_cannot_be_seen_is_shown() {
        assert_eq!(visible(b"a\x1b[1mb\r\nc\0\xff\x7f\td"), "a\u{241b}[1mb\nc\u{2400}\u{fffd}\u{2421}\td");
        assert_eq!(visible("\u{202e}x\u{85}".as_bytes()), "\u{fffd}x\u{fffd}");
    }
}
