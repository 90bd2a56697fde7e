//! Asks the terminal what it can do.
//!
//! All questions go out at once, the primary device attributes last: every terminal answers those, so a terminal that has answered them will not
//! answer the others any more. Terminals answer in order.
//!
//! # Resources
//! - XTerm Control Sequences: DA1 (attribute 4: sixels), DECRQSS, XTWINOPS 14 and 16.
//! - "Terminal Colors", termstandard: querying 24-bit colours by DECRQSS.

use crate::canvas::Method;
use crate::colour::Colours;
use crate::kitty;
use crate::layout::CellSize;
use crate::replies::{Input, Replies, Reply};
use crossbeam::channel::Receiver;
use std::time::{Duration, Instant};

/// Longer than slow links take. Terminals that never answer are rare.
const PATIENCE: Duration = Duration::from_millis(1000);
const SIXEL: u32 = 4;
/// Sets a colour, asks which is set, and sets the usual one.
const ASK_COLOUR: &[u8] = b"\x1b[48;2;1;2;3m\x1bP$qm\x1b\\\x1b[0m";
const ASK_SIZES: &[u8] = b"\x1b[14t\x1b[16t";
const ASK_ATTRIBUTES: &[u8] = b"\x1b[c";
/// Asks for the size of a cell again.
pub const ASK_CELL: &[u8] = b"\x1b[16t";

/// How pictures are to be shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Graphics {
    /// The best that the terminal says it has.
    #[default]
    Auto,
    /// Kitty's graphics protocol.
    Kitty,
    /// DEC's sixels.
    Sixel,
    /// Half blocks, in as many colours as the terminal has.
    Half,
    /// Half blocks in 256 colours.
    Half256,
}

/// What a terminal says of itself.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// It answers questions.
    pub speaks: bool,
    kitty: bool,
    sixel: bool,
    true_colours: bool,
    /// Size of a cell.
    pub cell: Option<CellSize>,
    /// Size of the text area in pixels.
    pub area: Option<(u32, u32)>,
}

impl Answers {
    /// Takes an answer; true for the last one.
    pub fn take(&mut self, reply: &Reply) -> bool {
        match reply {
            Reply::Attributes(attributes) => {
                self.speaks = true;
                // The first says what it is.
                self.sixel = attributes.iter().skip(1).any(|&attribute| attribute == SIXEL);
                return true;
            }
            Reply::Kitty(good) => self.kitty = *good,
            Reply::Rendition(rendition) => self.true_colours = is_the_colour_asked(rendition),
            Reply::CellPixels(width, height) => self.cell = CellSize::told(*width, *height),
            Reply::AreaPixels(width, height) => self.area = Some((*width, *height)),
            Reply::Done => {}
        }
        false
    }

    /// What to show pictures by. `environment` tells of variables.
    pub fn method(&self, wish: Graphics, environment: impl Fn(&str) -> Option<String>) -> Method {
        let half = || Method::HalfBlocks(self.colours(environment));
        match wish {
            Graphics::Kitty => Method::Kitty,
            Graphics::Sixel => Method::Sixel,
            Graphics::Half => half(),
            Graphics::Half256 => Method::HalfBlocks(Colours::Indexed),
            Graphics::Auto if self.kitty => Method::Kitty,
            Graphics::Auto if self.sixel => Method::Sixel,
            Graphics::Auto => half(),
        }
    }

    fn colours(&self, environment: impl Fn(&str) -> Option<String>) -> Colours {
        let says = |name: &str, known: &[&str]| environment(name).is_some_and(|value| known.iter().any(|part| value.contains(part)));
        let known = self.true_colours
            || says("COLORTERM", &["truecolor", "24bit"])
            || says("TERM", &["direct", "truecolor", "kitty", "alacritty", "foot", "ghostty", "wezterm", "iterm2"])
            // Windows Terminal, and WSL in it.
            || environment("WT_SESSION").is_some()
            // tmux takes them, and gives its terminal those that it has.
            || environment("TMUX").is_some();
        if known { Colours::True } else { Colours::Indexed }
    }
}

fn is_the_colour_asked(rendition: &str) -> bool {
    let numbers: Vec<u32> = rendition.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    numbers.windows(5).any(|five| five == [48, 2, 1, 2, 3]) || numbers.windows(6).any(|six| six == [48, 2, 0, 1, 2, 3])
}

/// The questions.
pub fn questions() -> Vec<u8> {
    [ASK_COLOUR, kitty::QUERY, ASK_SIZES, ASK_ATTRIBUTES].concat()
}

/// Waits for the answers; what was typed meanwhile.
pub fn listen(input: &Receiver<Vec<u8>>, replies: &mut Replies) -> (Answers, Vec<u8>) {
    let (mut answers, mut keys) = (Answers::default(), Vec::new());
    let deadline = Instant::now() + PATIENCE;
    replies.strings = true;
    let mut complete = false;
    while !complete {
        let Ok(bytes) = input.recv_deadline(deadline) else { break };
        for input in replies.take(&bytes) {
            match input {
                Input::Keys(bytes) => keys.extend(bytes),
                Input::Reply(reply) => complete |= answers.take(&reply),
            }
        }
    }
    // Of a terminal that has not answered yet strings may still come.
    replies.strings = !complete;
    (answers, keys)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::unbounded;

    fn asked(said: &[&[u8]]) -> (Answers, Vec<u8>) {
        let (sender, input) = unbounded();
        for bytes in said {
            sender.send(bytes.to_vec()).expect("it is listened to");
        }
        drop(sender);
        listen(&input, &mut Replies::default())
    }

    fn nothing(_: &str) -> Option<String> {
        None
    }

    #[test]
    fn the_best_is_taken() {
        let method = |said: &[&[u8]]| asked(said).0.method(Graphics::Auto, nothing);
        assert_eq!(method(&[b"\x1b_Gi=31329;OK\x1b\\", b"\x1b[?62;4c"]), Method::Kitty);
        assert_eq!(method(&[b"\x1b_Gi=31329;ENOTSUP:\x1b\\\x1b[?62;4;22c"]), Method::Sixel);
        assert_eq!(method(&[b"\x1b[?4;6c"]), Method::HalfBlocks(Colours::Indexed), "the first number is no attribute");
        assert_eq!(method(&[b"\x1bP1$r0;48:2::1:2:3m\x1b\\\x1b[?1;2c"]), Method::HalfBlocks(Colours::True));
        assert_eq!(method(&[b"\x1bP1$r48;5;16m\x1b\\\x1b[?1;2c"]), Method::HalfBlocks(Colours::Indexed));
        assert_eq!(method(&[]), Method::HalfBlocks(Colours::Indexed), "it says nothing");
    }

    #[test]
    fn wishes_and_the_environment_count() {
        let (answers, keys) = asked(&[b"ab\x1b[4;480;800t\x1b[6;20;10tc", b"\x1b[?62;4cd", b"e"]);
        assert_eq!((answers.cell, answers.area, keys.as_slice()), (CellSize::told(10, 20), Some((800, 480)), &b"abcd"[..]));
        let wished = |wish| answers.method(wish, nothing);
        assert_eq!(wished(Graphics::Kitty), Method::Kitty);
        assert_eq!(wished(Graphics::Half), Method::HalfBlocks(Colours::Indexed));
        let with =
            |name: &'static str, value: &'static str| answers.method(Graphics::Half, move |asked| (asked == name).then(|| value.into()));
        for (name, value) in [("COLORTERM", "truecolor"), ("WT_SESSION", "x"), ("TMUX", "/tmp/x"), ("TERM", "xterm-kitty")] {
            assert_eq!(with(name, value), Method::HalfBlocks(Colours::True), "{name}");
        }
        assert_eq!(with("TERM", "xterm-256color"), Method::HalfBlocks(Colours::Indexed));
        let forced = answers.method(Graphics::Half256, |name| (name == "COLORTERM").then(|| "24bit".into()));
        assert_eq!(forced, Method::HalfBlocks(Colours::Indexed));
    }
}
