//! Whether the terminal is ready for more.
//!
//! A scene counts as taken when it is written and the terminal has said that it is through with it: what is written may still be on its way over a
//! slow link, behind buffers of any depth. So there is never more than one picture under way, and a slow terminal shows fewer of them.
//!
//! # Resources
//! - ECMA-48, 8.3.35: DSR 5, answered by DSR 0.

use std::time::{Duration, Instant};

/// Asks the terminal to say when it is through.
pub const ASK: &[u8] = b"\x1b[5n";
/// A terminal that is not through by then has lost the question, or its link is slower than anybody would look at.
const PATIENCE: Duration = Duration::from_secs(2);
/// Unanswered in a row before we ask no more.
const MOST_MISSES: u32 = 3;

/// The way to the terminal.
#[derive(Debug)]
pub struct Link {
    /// A scene is being made or written.
    painting: bool,
    /// When the question was sent that has not been answered.
    asked: Option<Instant>,
    asks: bool,
    misses: u32,
}

impl Link {
    /// A link that is free. `asks`: the terminal answers.
    pub fn new(asks: bool) -> Self {
        Self { painting: false, asked: None, asks, misses: 0 }
    }

    /// True if a scene may be sent.
    pub fn is_free(&mut self, now: Instant) -> bool {
        if self.painting {
            return false;
        }
        if self.asked.is_some_and(|asked| now.saturating_duration_since(asked) >= PATIENCE) {
            self.asked = None;
            self.misses += 1;
            self.asks &= self.misses < MOST_MISSES;
        }
        self.asked.is_none()
    }

    /// True while a scene is being made or written.
    pub fn is_painting(&self) -> bool {
        self.painting
    }

    /// True while an answer is expected.
    pub fn is_asked(&self) -> bool {
        self.asked.is_some()
    }

    /// A scene is sent; what to ask at its end.
    pub fn send(&mut self, now: Instant) -> &'static [u8] {
        self.painting = true;
        if !self.asks {
            return b"";
        }
        self.asked = Some(now);
        ASK
    }

    /// The scene is written.
    pub fn written(&mut self, now: Instant) {
        self.painting = false;
        // It took its time to be written: what is left of it is what counts.
        if self.asked.is_some() {
            self.asked = Some(now);
        }
    }

    /// The terminal is through.
    pub fn answered(&mut self) {
        self.asked = None;
        self.misses = 0;
    }

    /// Nothing will come of what was sent.
    pub fn reset(&mut self) {
        self.asked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_scene_at_a_time() {
        let now = Instant::now();
        let mut link = Link::new(true);
        assert!(link.is_free(now));
        assert_eq!(link.send(now), ASK);
        assert!(!link.is_free(now));
        link.written(now);
        assert!(!link.is_free(now + Duration::from_secs(1)), "not through yet");
        link.answered();
        assert!(link.is_free(now));
    }

    #[test]
    fn a_terminal_may_answer_before_we_know_that_all_is_written() {
        let now = Instant::now();
        let mut link = Link::new(true);
        link.send(now);
        link.answered();
        assert!(!link.is_free(now));
        link.written(now);
        assert!(link.is_free(now));
    }

    #[test]
    fn a_terminal_that_does_not_answer_is_asked_no_more() {
        let mut now = Instant::now();
        let mut link = Link::new(true);
        for _ in 0..MOST_MISSES {
            assert_eq!(link.send(now), ASK);
            link.written(now);
            now += PATIENCE;
            assert!(link.is_free(now));
        }
        assert_eq!(link.send(now), b"");
        link.written(now);
        assert!(link.is_free(now));
    }
}
