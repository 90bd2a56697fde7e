//! Rates of what is counted, and the window's title that tells of them.

use std::time::{Duration, Instant};
use tayberry_engine::clock::MAX_CORES;
use tayberry_engine::stats::Stats;

/// How often rates are made and the title is written.
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
    /// Where else keys go.
    pub keys: Option<&'static str>,
    /// The mouse is the guest's.
    pub grabbed: bool,
}

/// Counters from which rates are made.
#[derive(Clone, Copy, Debug, Default)]
pub struct Counts {
    /// Frames shown.
    pub frames: u64,
    /// Instructions retired, per core.
    pub instructions: [u64; MAX_CORES],
    /// Those of them by translated code, where it is known.
    pub translated: Option<u64>,
    /// Guest time in nanoseconds.
    pub guest_ns: u64,
}

impl Counts {
    /// What a machine has counted by now.
    pub fn of(stats: &Stats, translated: Option<u64>) -> Self {
        Self {
            frames: stats.frames_presented.get(),
            instructions: std::array::from_fn(|core| stats.instructions[core].get()),
            translated,
            guest_ns: stats.guest_ns.get(),
        }
    }
}

/// What counters came to in the last interval.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// Frames a second.
    pub frames: f64,
    /// Millions of instructions a second, per core.
    pub mips: [f64; MAX_CORES],
    /// The part of all instructions that translated code retired; none where it is not known or nothing ran.
    pub translated: Option<f64>,
    /// Guest time for host time.
    pub speed: f64,
}

/// Makes rates of counters.
#[derive(Debug)]
pub struct Gauge {
    at: Instant,
    counts: Counts,
    rates: Rates,
}

impl Gauge {
    /// Rates from `now` on.
    pub fn new(now: Instant) -> Self {
        Self { at: now, counts: Counts::default(), rates: Rates::default() }
    }

    /// When to update next.
    pub fn next(&self) -> Instant {
        self.at + INTERVAL
    }

    /// Counts anew if the interval is over, and says whether it was.
    pub fn update(&mut self, now: Instant, counts: impl FnOnce() -> Counts) -> bool {
        let passed = now.saturating_duration_since(self.at);
        if passed < INTERVAL {
            return false;
        }
        let (new, old) = (counts(), &self.counts);
        let seconds = passed.as_secs_f64();
        // Counters never go back, but a title must not fail if they did.
        let rate = |new: u64, old: u64| new.saturating_sub(old) as f64 / seconds;
        let mips: [f64; MAX_CORES] = std::array::from_fn(|core| rate(new.instructions[core], old.instructions[core]) / 1e6);
        let all: f64 = mips.iter().sum();
        let translated = new.translated.filter(|_| all > 0.0);
        self.rates = Rates {
            frames: rate(new.frames, old.frames),
            mips,
            // The two are counted at moments of their own.
            translated: translated.map(|new| (rate(new, old.translated.unwrap_or(0)) / 1e6 / all).clamp(0.0, 1.0)),
            speed: rate(new.guest_ns, old.guest_ns) / 1e9,
        };
        (self.at, self.counts) = (now, new);
        true
    }

    /// The rates.
    pub fn rates(&self) -> Rates {
        self.rates
    }

    /// The title.
    pub fn title(&self, status: &Status) -> String {
        let mode = match status.mode {
            Some((width, height, depth)) => format!("{width}x{height}, {depth} bits"),
            None => "no picture".into(),
        };
        let port = match (status.keys, status.port) {
            (Some(keys), _) => format!(" - {keys}"),
            (None, 0) => String::new(),
            (None, _) => " - keys to UART1".into(),
        };
        let mouse = if status.grabbed { " - F4 gives the mouse back" } else { "" };
        let paused = if status.paused { " - paused" } else { "" };
        let Rates { frames, mips, .. } = self.rates;
        format!(
            "{} - {mode} - {frames:.0} fps - {:.0} MIPS{port}{mouse}{paused} - F1 for keys - Tayberry",
            status.name,
            mips.iter().sum::<f64>()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(frames: u64, instructions: u64, translated: Option<u64>) -> Counts {
        let mut counts = Counts { frames, translated, guest_ns: frames * 1_000_000_000 / 60, ..Counts::default() };
        counts.instructions[1] = instructions;
        counts
    }

    #[test]
    fn rates_are_per_second_whatever_the_interval() {
        let start = Instant::now();
        let mut gauge = Gauge::new(start);
        assert!(!gauge.update(start + Duration::from_millis(999), || unreachable!("it is too early")));
        assert!(gauge.update(start + Duration::from_secs(2), || counts(60, 50_000_000, Some(25_000_000))));
        let status = Status { name: "demo", mode: Some((640, 480, 32)), paused: true, port: 1, ..Status::default() };
        assert_eq!(gauge.title(&status), "demo - 640x480, 32 bits - 30 fps - 25 MIPS - keys to UART1 - paused - F1 for keys - Tayberry");
        let status = Status { keys: Some("keys to USB"), grabbed: true, ..status };
        assert!(gauge.title(&status).contains(" - keys to USB - F4 gives the mouse back - paused"));
        let rates = gauge.rates();
        assert_eq!((rates.mips[0], rates.mips[1], rates.translated, rates.speed), (0.0, 25.0, Some(0.5), 0.5));
        assert_eq!(gauge.next(), start + Duration::from_secs(3));
        assert!(gauge.update(start + Duration::from_secs(3), Counts::default));
        assert_eq!(gauge.title(&Status { name: "x", ..Status::default() }), "x - no picture - 0 fps - 0 MIPS - F1 for keys - Tayberry");
        assert_eq!(gauge.rates().translated, None);
    }
}
