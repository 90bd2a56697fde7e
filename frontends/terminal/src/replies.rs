//! What a terminal answers comes the same way as keys. It is picked out of them here, also when it comes late.
//!
//! # Resources
//! - ECMA-48, 5.4 (control sequences), 5.6 (control strings).
//! - XTerm Control Sequences: DA1, DSR, DECRQSS, XTWINOPS.
//! - Kitty, "Terminal graphics protocol", "Querying support and available transmission mediums".

/// Longest answer that is waited for.
const LONGEST: usize = 256;
const ESC: u8 = 0x1B;

/// An answer of the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Primary device attributes: what it is and what it can do.
    Attributes(Vec<u32>),
    /// It has done all that it was sent.
    Done,
    /// Size of the text area in pixels: width, height.
    AreaPixels(u32, u32),
    /// Size of a cell in pixels: width, height.
    CellPixels(u32, u32),
    /// It knows Kitty graphics, and took the picture offered (or not).
    Kitty(bool),
    /// The colours in force, as it would be told them.
    Rendition(String),
}

/// Input in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// Keys.
    Keys(Vec<u8>),
    /// An answer.
    Reply(Reply),
}

/// Picks answers out of the keys.
#[derive(Debug, Default)]
pub struct Replies {
    /// The beginning of what may become an answer.
    pending: Vec<u8>,
    /// Control strings (`ESC _`, `ESC P`) are answers as well. Otherwise they are what Alt and a key send.
    pub strings: bool,
}

/// What a sequence of bytes is.
enum Seen {
    /// May become an answer.
    Partial,
    Reply(Option<Reply>),
    Keys,
}

impl Replies {
    /// True if a part of an answer (or of a key) waits for its rest.
    pub fn is_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Takes what came.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Input> {
        let (mut input, mut keys) = (Vec::new(), Vec::new());
        for &byte in bytes {
            if self.pending.is_empty() && byte != ESC {
                keys.push(byte);
                continue;
            }
            self.pending.push(byte);
            match self.look() {
                Seen::Partial => {}
                Seen::Keys => keys.append(&mut self.pending),
                Seen::Reply(reply) => {
                    self.pending.clear();
                    if !keys.is_empty() {
                        input.push(Input::Keys(std::mem::take(&mut keys)));
                    }
                    input.extend(reply.map(Input::Reply));
                }
            }
        }
        if !keys.is_empty() {
            input.push(Input::Keys(keys));
        }
        input
    }

    /// What waited for its rest was a key after all.
    pub fn flush(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.pending)
    }

    fn look(&self) -> Seen {
        if self.pending.len() > LONGEST {
            return Seen::Keys;
        }
        match self.pending.as_slice() {
            [ESC] => Seen::Partial,
            [ESC, b'[', rest @ ..] => control_sequence(rest),
            [ESC, kind @ (b'_' | b'P'), rest @ ..] if self.strings => control_string(*kind, rest),
            _ => Seen::Keys,
        }
    }
}

fn control_sequence(rest: &[u8]) -> Seen {
    let Some((&last, body)) = rest.split_last() else { return Seen::Partial };
    match last {
        b'0'..=b'9' | b';' => return Seen::Partial,
        b'?' if body.is_empty() => return Seen::Partial,
        _ => {}
    }
    let (private, body) = body.strip_prefix(b"?").map_or((false, body), |body| (true, body));
    let numbers: Vec<u32> = body.split(|&byte| byte == b';').map(number).collect();
    let reply = match (last, private, numbers.as_slice()) {
        (b'c', true, _) => Reply::Attributes(numbers),
        (b'n', false, [0]) => Reply::Done,
        (b't', false, [4, height, width]) => Reply::AreaPixels(*width, *height),
        (b't', false, [6, height, width]) => Reply::CellPixels(*width, *height),
        // Other reports, of what nobody asked.
        (b'n' | b't', ..) => return Seen::Reply(None),
        _ => return Seen::Keys,
    };
    Seen::Reply(Some(reply))
}

fn number(digits: &[u8]) -> u32 {
    digits.iter().fold(0u32, |number, &digit| number.saturating_mul(10).saturating_add(u32::from(digit.wrapping_sub(b'0'))))
}

fn control_string(kind: u8, rest: &[u8]) -> Seen {
    let Some(body) = rest.strip_suffix(b"\x1B\\") else {
        let is_broken = rest.windows(2).any(|pair| pair[0] == ESC && pair[1] != b'\\');
        return if is_broken { Seen::Keys } else { Seen::Partial };
    };
    let body = String::from_utf8_lossy(body);
    let reply = match kind {
        b'_' => body.strip_prefix('G').map(|body| Reply::Kitty(body.split_once(';').is_some_and(|(_, said)| said == "OK"))),
        _ => body.strip_prefix("1$r").map(|body| Reply::Rendition(body.to_owned())),
    };
    Seen::Reply(reply)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replies() -> Replies {
        Replies { strings: true, ..Replies::default() }
    }

    #[test]
    fn answers_are_told_from_keys_in_pieces_of_any_size() {
        let bytes = b"a\x1b[?62;4;22cb\x1b[A\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[4;480;640t\x1b[0nc\x1bP1$r48:2:1:2:3m\x1b\\\x1b[1;5Rd";
        let expected_keys = b"ab\x1b[Ac\x1b[1;5Rd";
        let expected = [
            Reply::Attributes(vec![62, 4, 22]),
            Reply::Kitty(true),
            Reply::CellPixels(10, 20),
            Reply::AreaPixels(640, 480),
            Reply::Done,
            Reply::Rendition("48:2:1:2:3m".into()),
        ];
        for size in 1..bytes.len() {
            let mut replies = replies();
            let (mut keys, mut found) = (Vec::new(), Vec::new());
            for input in bytes.chunks(size).flat_map(|piece| replies.take(piece)) {
                match input {
                    Input::Keys(bytes) => keys.extend(bytes),
                    Input::Reply(reply) => found.push(reply),
                }
            }
            assert_eq!((keys.as_slice(), found.as_slice()), (&expected_keys[..], &expected[..]), "in pieces of {size}");
            assert!(!replies.is_pending());
        }
    }

    #[test]
    fn what_alt_sends_is_a_key_once_nothing_else_is_expected() {
        let mut replies = Replies::default();
        assert_eq!(replies.take(b"\x1b_\x1bPx"), [Input::Keys(b"\x1b_\x1bPx".to_vec())]);
        assert_eq!(replies.take(b"\x1b"), []);
        assert_eq!(replies.flush(), b"\x1b", "the escape key");
        assert_eq!(replies.take(b"["), [Input::Keys(b"[".to_vec())]);
    }

    #[test]
    fn no_answer_is_waited_for_without_end() {
        let mut replies = replies();
        let endless = [b"\x1b[".as_slice(), &[b'1'; 10_000]].concat();
        let keys: usize = replies.take(&endless).iter().map(|input| if let Input::Keys(keys) = input { keys.len() } else { 0 }).sum();
        assert_eq!(keys + replies.flush().len(), endless.len());
        assert_eq!(replies.take(b"\x1b[99999999999999999999;4c"), [Input::Keys(b"\x1b[99999999999999999999;4c".to_vec())]);
    }
}
