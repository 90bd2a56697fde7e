//! The words of the pages that are not the log.

use crate::keys;
use crate::overlay::{Ink, Line};
use crate::scale::Size;
use crate::title::Rates;
use std::time::Duration;
use tayberry_engine::pins::Pins;
use tayberry_engine::stats::{Stats, Summary};

/// What the statistics tell of.
#[derive(Debug)]
pub struct Facts<'a> {
    /// The machine's counters.
    pub stats: &'a Stats,
    /// What they came to lately.
    pub rates: Rates,
    /// Width, height and depth of the guest's picture, while it shows one.
    pub mode: Option<(u32, u32, u32)>,
    /// Number of the configuration shown.
    pub generation: u64,
    /// The machine is paused.
    pub paused: bool,
    /// The serial port that keys go to.
    pub port: usize,
    /// Where else keys go.
    pub keys: Option<&'static str>,
    /// Size of the window.
    pub window: Size,
    /// Time between two pictures of the display.
    pub period: Duration,
    /// The board's pins.
    pub pins: &'a Pins,
    /// Host memory in bytes, where the host says it.
    pub resident: Option<u64>,
}

impl<'a> Facts<'a> {
    /// The machine's counters, and nothing else known.
    #[cfg(test)]
    pub fn of(stats: &'a Stats) -> Self {
        Self {
            stats,
            rates: Rates::default(),
            mode: None,
            generation: 0,
            paused: false,
            port: 0,
            keys: None,
            window: (640, 480),
            period: Duration::from_millis(20),
            pins: no_pins(),
            resident: None,
        }
    }
}

/// Pins of no board.
#[cfg(test)]
fn no_pins() -> &'static Pins {
    static PINS: std::sync::OnceLock<Pins> = std::sync::OnceLock::new();
    PINS.get_or_init(Pins::default)
}

/// F1.
pub fn keys() -> Vec<Line> {
    let mut lines = vec![Line::new(Ink::Title, "F1  Keys")];
    lines.extend(keys::TABLE.iter().map(|(key, what)| Line::new(Ink::Text, format!("{key:<14}")).and(Ink::Label, *what)));
    lines
}

/// F2.
pub fn statistics(facts: &Facts<'_>) -> Vec<Line> {
    let Facts { stats, rates, .. } = facts;
    let mut lines = vec![Line::new(Ink::Title, "F2  Statistics")];
    let mut say = |label: &str, text: String| lines.push(Line::new(Ink::Label, format!("{label:<10}")).and(Ink::Text, text));
    say(
        "picture",
        match facts.mode {
            Some((width, height, depth)) => format!("{width}x{height}, {depth} bits, generation {}", facts.generation),
            None => "none".into(),
        },
    );
    say("frames", format!("{:.1} a second, {} in all", rates.frames, stats.frames_presented.get()));
    say("dropped", format!("{} while they were drawn", stats.frames_dropped_stale.get()));
    say("render", times(stats.render.summary()));
    say("to screen", times(stats.flip_to_present.summary()));
    say("display", format!("{:.1} Hz, window {}x{}", 1.0 / facts.period.as_secs_f64(), facts.window.0, facts.window.1));
    let cores = (stats.cores.get() as usize).min(rates.mips.len());
    for (core, mips) in rates.mips[..cores].iter().enumerate() {
        say(&format!("core {core}"), format!("{mips:7.1} MIPS"));
    }
    let translated = rates.translated.map_or(String::new(), |share| format!(", {:.1} % translated", share * 100.0));
    say("all cores", format!("{:7.1} MIPS{translated}", rates.mips.iter().sum::<f64>()));
    let state = if facts.paused { "paused".to_owned() } else { format!("{:.0} % of real time", rates.speed * 100.0) };
    say("guest", format!("{:.1} s, {state}", stats.guest_ns.get() as f64 / 1e9));
    say("messages", format!("{} property, {} to the display", stats.property_messages.get(), stats.reconfigurations.get()));
    say("keys", facts.keys.map_or_else(|| format!("to UART{}", facts.port), |keys| keys.trim_start_matches("keys ").to_owned()));
    if let Some(bytes) = facts.resident {
        say("memory", format!("{} MiB of the host's", bytes >> 20));
    }
    lines
}

fn times(summary: Summary) -> String {
    if summary.count == 0 {
        return "-".into();
    }
    let ms = |ns: u64| ns as f64 / 1e6;
    format!("p50 {:.2} ms, p99 {:.2} ms", ms(summary.p50), ms(summary.p99))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_listed() {
        let lines: Vec<String> = keys().iter().map(Line::text).collect();
        for key in ["F1", "F2", "F3", "F5", "F6", "F8", "F9", "F10", "F11", "F12", "Ctrl+F1", "Shift", "PageUp"] {
            assert!(lines.iter().any(|line| line.contains(key)), "{key}");
        }
        assert!(lines.iter().all(|line| line.len() <= 60), "it fits into a small window");
    }

    #[test]
    fn statistics_in_words() {
        let stats = Stats::default();
        stats.cores.set(2);
        stats.frames_presented.add(60);
        stats.frames_dropped_stale.add(3);
        stats.render.record_time(Duration::from_micros(1500));
        stats.guest_ns.set(2_500_000_000);
        let mut facts = Facts { mode: Some((640, 480, 16)), generation: 7, resident: Some(100 << 20), ..Facts::of(&stats) };
        facts.rates.frames = 59.94;
        facts.rates.mips[1] = 250.25;
        facts.rates.translated = Some(0.5);
        facts.rates.speed = 1.0;
        let said = |facts: &Facts<'_>| statistics(facts).iter().map(|line| line.text() + "\n").collect::<String>();
        let text = said(&facts);
        for part in [
            "640x480, 16 bits, generation 7",
            "59.9 a second, 60 in all",
            "dropped   3 ",
            "p50 1.50 ms, p99 1.50 ms",
            "to screen -\n",
            "50.0 Hz",
            "core 1      250.2 MIPS",
            "250.2 MIPS, 50.0 % translated",
            "2.5 s, 100 % of real time\n",
            "keys      to UART0",
            "100 MiB",
        ] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
        assert!(!text.contains("core 2"));
        assert!(said(&Facts { paused: true, mode: None, ..facts }).contains("paused"));
    }
}
