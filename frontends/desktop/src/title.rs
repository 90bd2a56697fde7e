//! The statistics in the window's title.

use std::time::{Duration, Instant};

/// How often the title is written.
pub const INTERVAL: Duration = Duration::from_secs(1);

/// What the title says besides the rates.
#[derive(Clone, Debug, Default)]
pub struct Status<'a> {
    /// What runs.
    pub name: &'a str,
    /// Width, height and bits per pixel, once there is a picture.
    pub mode: Option<(u32, u32, u32)>,
    /// The machine is paused.
    pub paused: bool,
    /// The serial port that keys go to.
    pub port: usize,
}

/// Counters from which rates are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Frames shown.
    pub frames: u64,
    /// Instructions retired by all cores.
    pub instructions: u64,
}

/// Makes rates of counters.
#[derive(Debug)]
pub struct Rates {
    at: Instant,
    counts: Counts,
    frames_a_second: f64,
    mips: f64,
}

impl Rates {
    /// Rates from `now` on.
    pub fn new(now: Instant) -> Self {
        Self { at: now, counts: Counts::default(), frames_a_second: 0.0, mips: 0.0 }
    }

    /// Counts anew if the interval is over, and says whether it was.
    pub fn update(&mut self, now: Instant, counts: Counts) -> bool {
        let passed = now.saturating_duration_since(self.at);
        if passed < INTERVAL {
            return false;
        }
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / passed.as_secs_f64();
        self.frames_a_second = rate(counts.frames, self.counts.frames);
        self.mips = rate(counts.instructions, self.counts.instructions) / 1e6;
        (self.at, self.counts) = (now, counts);
        true
    }

    /// The title.
    pub fn title(&self, status: &Status) -> String {
        let mode = match status.mode {
            Some((width, height, depth)) => format!("{width}x{height}, {depth} bits"),
            None => "no picture".into(),
        };
        let port = if status.port == 0 { "" } else { " - keys to UART1" };
        let paused = if status.paused { " - paused" } else { "" };
        format!("{} - {mode} - {:.0} fps - {:.0} MIPS{port}{paused} - Tayberry", status.name, self.frames_a_second, self.mips)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_per_second_whatever_the_interval() {
        let start = Instant::now();
        let mut rates = Rates::new(start);
        let counts = Counts { frames: 30, instructions: 5_000_000 };
        assert!(!rates.update(start + Duration::from_millis(999), counts));
        assert!(rates.update(start + Duration::from_secs(2), Counts { frames: 60, instructions: 50_000_000 }));
        let status = Status { name: "demo", mode: Some((640, 480, 32)), paused: true, port: 1 };
        assert_eq!(rates.title(&status), "demo - 640x480, 32 bits - 30 fps - 25 MIPS - keys to UART1 - paused - Tayberry");
        // Counters never go back, but a title must not fail if they did.
        assert!(rates.update(start + Duration::from_secs(3), Counts::default()));
        assert_eq!(rates.title(&Status { name: "x", ..Status::default() }), "x - no picture - 0 fps - 0 MIPS - Tayberry");
    }
}
