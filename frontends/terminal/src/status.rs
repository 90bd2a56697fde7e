//! The status line.

use crate::canvas::Method;
use crate::colour::Colours;
use std::time::{Duration, Instant};

/// How often rates are counted.
const INTERVAL: Duration = Duration::from_secs(1);
/// How long a message stays.
const MESSAGE: Duration = Duration::from_secs(4);
const HINT: &str = "Ctrl-A h: keys";

/// Counters from which rates are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Frames that the guest showed.
    pub frames: u64,
    /// Frames that the terminal took.
    pub shown: u64,
    /// Instructions retired by all cores.
    pub instructions: u64,
}

/// What the line says besides the rates.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    /// What runs.
    pub name: &'a str,
    /// Width, height and bits per pixel, once there is a picture.
    pub mode: Option<(u32, u32, u32)>,
    /// The machine is paused.
    pub paused: bool,
    /// The serial port that keys go to.
    pub port: usize,
    /// Where else keys go.
    pub keys: Option<&'static str>,
    /// The serial port that is seen, if any.
    pub seen: Option<usize>,
    /// Ctrl-A was pressed.
    pub escaped: bool,
    /// The serial port's last line is not in sight.
    pub back: bool,
}

/// The line and its rates.
#[derive(Debug)]
pub struct Status {
    at: Instant,
    counts: Counts,
    frames: f64,
    shown: f64,
    mips: f64,
    message: Option<(String, Instant)>,
}

impl Status {
    /// Rates from `now` on.
    pub fn new(now: Instant) -> Self {
        Self { at: now, counts: Counts::default(), frames: 0.0, shown: 0.0, mips: 0.0, message: None }
    }

    /// Counts anew if it is time; says whether the line has changed.
    pub fn update(&mut self, now: Instant, counts: Counts) -> bool {
        let passed = now.saturating_duration_since(self.at);
        if passed < INTERVAL {
            return false;
        }
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / passed.as_secs_f64();
        self.frames = rate(counts.frames, self.counts.frames);
        self.shown = rate(counts.shown, self.counts.shown);
        self.mips = rate(counts.instructions, self.counts.instructions) / 1e6;
        (self.at, self.counts) = (now, counts);
        if self.message.as_ref().is_some_and(|(_, since)| now.saturating_duration_since(*since) >= MESSAGE) {
            self.message = None;
        }
        true
    }

    /// Shows a message for some seconds.
    pub fn say(&mut self, message: String, now: Instant) {
        self.message = Some((message, now));
    }

    /// The line, `width` columns of it.
    pub fn line(&self, facts: &Facts<'_>, method: Method, width: u16) -> String {
        let mut parts = vec![facts.name.to_owned()];
        match facts.mode {
            Some((width, height, depth)) => {
                parts.push(format!("{width}x{height}, {depth} bits"));
                parts.push(format!("{:.0} fps, {:.0} shown as {}", self.frames, self.shown, name(method)));
            }
            None => parts.push("no picture".into()),
        }
        parts.push(format!("{:.0} MIPS", self.mips));
        if let Some(keys) = facts.keys {
            parts.push(keys.into());
        } else if facts.port != facts.seen.unwrap_or(0) {
            parts.push(format!("keys to UART{}", facts.port));
        }
        if facts.paused {
            parts.push("paused".into());
        }
        if facts.back {
            parts.push("older lines".into());
        }
        if let Some((message, _)) = &self.message {
            parts = vec![message.clone()];
        }
        let left = format!(" {} ", parts.join(" | "));
        let right = if facts.escaped { "Ctrl-A ...: x s f u d p r w t k z c a h " } else { HINT };
        let width = usize::from(width);
        let used = left.chars().count() + right.chars().count();
        if used < width { format!("{left}{}{right} ", " ".repeat(width - used - 1)) } else { format!("{left:width$}") }
    }
}

fn name(method: Method) -> &'static str {
    match method {
        Method::Kitty => "Kitty graphics",
        Method::Sixel => "sixels",
        Method::HalfBlocks(Colours::True) => "half blocks",
        Method::HalfBlocks(Colours::Indexed) => "half blocks of 256 colours",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_there_is_to_know() {
        let start = Instant::now();
        let mut status = Status::new(start);
        assert!(!status.update(start, Counts::default()));
        assert!(status.update(start + Duration::from_secs(2), Counts { frames: 120, shown: 40, instructions: 80_000_000 }));
        let mut facts = Facts { name: "demo", mode: Some((640, 480, 32)), ..Facts::default() };
        let line = status.line(&facts, Method::Sixel, 100);
        assert_eq!(line.trim_end(), format!("{:85}{HINT}", " demo | 640x480, 32 bits | 60 fps, 20 shown as sixels | 40 MIPS"));
        assert_eq!(line.chars().count(), 100);
        (facts.paused, facts.port, facts.seen) = (true, 0, Some(1));
        assert!(status.line(&facts, Method::Kitty, 30).starts_with(" demo | 640x480"));
        assert!(status.line(&facts, Method::Kitty, 120).contains("keys to UART0 | paused"));
        status.say("written".into(), start + Duration::from_secs(2));
        assert!(status.line(&facts, Method::Kitty, 80).starts_with(" written "));
        assert!(status.update(start + Duration::from_secs(9), Counts::default()));
        assert!(status.line(&facts, Method::Kitty, 80).starts_with(" demo "));
    }
}
