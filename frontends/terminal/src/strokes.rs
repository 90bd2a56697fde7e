//! Keys of a USB keyboard, from what a terminal sends for them.
//!
//! # Resources
//! - XTerm Control Sequences, "PC-Style Function Keys".
//!
//! A terminal tells of keys that go down, as text: each is let go at once, and held keys are repeated by the terminal. What a US keyboard has no key for is left out.

use tayberry_engine::hid::{Stroke, usage};

const ESC: u8 = 0x1b;
/// Numbers of `CSI number ~`.
const NUMBERED: [(u32, u8); 20] = [
    (1, usage::HOME),
    (2, usage::INSERT),
    (3, usage::DELETE),
    (4, usage::END),
    (5, usage::PAGE_UP),
    (6, usage::PAGE_DOWN),
    (7, usage::HOME),
    (8, usage::END),
    (11, usage::F1),
    (12, usage::F1 + 1),
    (13, usage::F1 + 2),
    (14, usage::F1 + 3),
    (15, usage::F1 + 4),
    (17, usage::F1 + 5),
    (18, usage::F1 + 6),
    (19, usage::F1 + 7),
    (20, usage::F1 + 8),
    (21, usage::F1 + 9),
    (23, usage::F1 + 10),
    (24, usage::F1 + 11),
];

/// The keys that `bytes` stand for.
pub fn strokes(mut bytes: &[u8]) -> Vec<Stroke> {
    let mut strokes = Vec::new();
    while let Some((&first, rest)) = bytes.split_first() {
        bytes = rest;
        match (first, rest) {
            (ESC, [b'[' | b'O', sequence @ ..]) => {
                let length = sequence.iter().position(|byte| (0x40..0x7f).contains(byte)).map_or(sequence.len(), |at| at + 1);
                let (sequence, rest) = sequence.split_at(length);
                strokes.extend(named(sequence));
                bytes = rest;
            }
            // Alt and a key.
            (ESC, &[key, ref rest @ ..]) if key != ESC => {
                strokes.extend(Stroke::of(key.into()).map(|stroke| Stroke { alt: true, ..stroke }));
                bytes = rest;
            }
            (key, _) => strokes.extend(Some(key).filter(u8::is_ascii).and_then(|key| Stroke::of(key.into()))),
        }
    }
    strokes
}

/// The key of a control sequence, without its introducer.
fn named(sequence: &[u8]) -> Option<Stroke> {
    let (&last, body) = sequence.split_last()?;
    let mut numbers = body.split(|&byte| byte == b';').map(|digits| std::str::from_utf8(digits).ok()?.parse::<u32>().ok());
    let (number, modifiers) = (numbers.next().flatten(), numbers.next().flatten().unwrap_or(1).saturating_sub(1));
    let usage = match last {
        b'A' => usage::UP,
        b'B' => usage::DOWN,
        b'C' => usage::RIGHT,
        b'D' => usage::LEFT,
        b'H' => usage::HOME,
        b'F' => usage::END,
        b'P'..=b'S' => usage::F1 + (last - b'P'),
        b'Z' => return Some(Stroke { shift: true, ..Stroke::plain(usage::TAB) }),
        b'~' => NUMBERED.iter().find(|(key, _)| Some(*key) == number)?.1,
        _ => return None,
    };
    Some(Stroke { usage, shift: modifiers & 1 != 0, alt: modifiers & 2 != 0, control: modifiers & 4 != 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_sequences_become_keys() {
        let plain = Stroke::plain;
        let keys = strokes(b"aB\r\x1b[A\x1bOP\x1b[5~\x1b[1;5C\x1bx\x03\x1b\x1b[Z\xc3\xa9\x1b");
        let expected = [
            plain(4),
            Stroke { shift: true, ..plain(5) },
            plain(usage::ENTER),
            plain(usage::UP),
            plain(usage::F1),
            plain(usage::PAGE_UP),
            Stroke { control: true, ..plain(usage::RIGHT) },
            Stroke { alt: true, ..plain(0x1b) },
            Stroke { control: true, ..plain(6) },
            plain(usage::ESCAPE),
            Stroke { shift: true, ..plain(usage::TAB) },
            plain(usage::ESCAPE),
        ];
        assert_eq!(keys, expected);
        assert_eq!(strokes(b"\x1b[99~\x1b[q\x1b[1"), []);
    }
}
