//! The page.

use crate::chart::{self, Palette, Scale, duration, seconds};
use crate::collect::{Axis, Recording};
use crate::crash::{self, Crash};
use crate::serial::{Port, visible};
use crate::shots::Shot;
use crate::tables;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use std::io::{self, Write};
use std::time::SystemTime;

/// Nothing is loaded from anywhere.
const POLICY: &str =
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";
/// Neither has anything of a guest's in it.
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// What the page says of the run as a whole.
#[derive(Debug)]
pub struct Facts {
    /// The kernel's name.
    pub kernel: String,
    /// The program's arguments.
    pub arguments: Vec<String>,
    /// When the run ended.
    pub date: SystemTime,
    /// Version of the program.
    pub version: &'static str,
    /// What `--stats` writes.
    pub stats: Value,
    /// Crash reports, in the order in which they were told.
    pub crashes: Vec<Crash>,
}

impl Facts {
    fn number(&self, key: &str) -> u64 {
        self.stats.get(key).and_then(Value::as_u64).unwrap_or_default()
    }

    fn nanoseconds(&self, key: &str) -> u64 {
        (self.stats.get(key).and_then(Value::as_f64).unwrap_or_default() * 1e9) as u64
    }

    fn text(&self, key: &str) -> &str {
        self.stats.get(key).and_then(Value::as_str).unwrap_or_default()
    }
}

impl Recording {
    /// Writes the page.
    ///
    /// # Errors
    /// What writing says.
    pub fn write(&self, facts: &Facts, mut out: impl Write) -> io::Result<()> {
        out.write_all(page(self, facts).0.as_bytes())?;
        out.write_all(b"\n")
    }
}

fn page(recording: &Recording, facts: &Facts) -> Markup {
    let scale = Scale::new(recording.end_ns);
    let (head, tail) = recording.periods.parts();
    let palette = Palette::new(head.iter().chain(tail));
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="no-referrer";
                title { (facts.kernel) " – Tayberry" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                (header(facts))
                main {
                    (cards(recording, facts))
                    (crash::crashes(&facts.crashes))
                    (overview(recording, scale, &palette))
                    (pictures(recording))
                    (plots(recording, facts, scale))
                    section {
                        h2 { "Resolutions" }
                        (tables::resolutions(recording, &palette))
                    }
                    (events(recording))
                    (serial(recording))
                    section {
                        h2 { "Statistics" }
                        (tables::statistics(&facts.stats))
                    }
                }
                footer { "tayberry " (facts.version) }
                script { (PreEscaped(SCRIPT)) }
            }
        }
    }
}

fn header(facts: &Facts) -> Markup {
    let status = facts.number("exit_status");
    html! {
        header {
            h1 { (facts.kernel) }
            p #result {
                span.(if status == 0 { "badge good" } else { "badge bad" }) { (facts.text("exit")) ", status " (status) }
                @if !facts.text("exit_detail").is_empty() { " " (facts.text("exit_detail")) }
            }
            p.facts {
                (humantime::format_rfc3339_seconds(facts.date)) " · tayberry " (facts.version)
                @if facts.stats.get("deterministic") == Some(&Value::Bool(true)) { " · deterministic" }
            }
            p.facts { code #arguments { (command_line(&facts.arguments)) } }
        }
    }
}

/// Arguments as a shell would take them.
fn command_line(arguments: &[String]) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "-_./=:,+@%".contains(char);
    let quote = |argument: &String| match argument.as_str() {
        text if !text.is_empty() && text.chars().all(plain) => text.to_owned(),
        text => format!("'{}'", visible(text.replace('\'', r"'\''").as_bytes())),
    };
    arguments.iter().map(quote).collect::<Vec<_>>().join(" ")
}

fn cards(recording: &Recording, facts: &Facts) -> Markup {
    let sum = recording.timeline.sum();
    let instructions = facts.number("instructions_total");
    let entries = [
        ("guest-time", "guest time", duration(facts.nanoseconds("guest_s")), facts.nanoseconds("guest_s")),
        ("host-time", "host time", duration(facts.nanoseconds("wall_s")), facts.nanoseconds("wall_s")),
        ("instructions", "instructions", large(instructions), instructions),
        ("presented", "frames presented", large(sum.presented), sum.presented),
        ("dropped", "frames dropped", large(sum.dropped), sum.dropped),
        ("generations", "generations", large(sum.generations), sum.generations),
        ("messages", "messages", large(sum.messages), sum.messages),
        ("serial-bytes", "serial bytes", large(sum.serial), sum.serial),
        ("resets", "resets", large(sum.resets), sum.resets),
    ];
    html! {
        section.cards {
            @for (id, label, text, value) in entries {
                div.card id=(id) data-value=(value) { b { (text) } span { (label) } }
            }
        }
    }
}

/// A large number with a suffix.
fn large(number: u64) -> String {
    match number {
        1_000_000_000.. => format!("{:.2} G", number as f64 / 1e9),
        1_000_000.. => format!("{:.2} M", number as f64 / 1e6),
        _ => number.to_string(),
    }
}

fn overview(recording: &Recording, scale: Scale, palette: &Palette) -> Markup {
    let axis = match recording.axis {
        Axis::Host => "seconds of host time",
        Axis::Guest => "seconds of guest time",
    };
    html! {
        section #timeline {
            h2 { "Time line" }
            (chart::timeline(recording, scale, palette))
            p.note {
                "Times are " (axis) ", up to " (seconds(recording.end_ns)) "."
                @if recording.lost > 0 { " " strong { (recording.lost) " events were lost: the machine was faster than they could be taken down." } }
                @if recording.bad_pictures > 0 { " " (recording.bad_pictures) " pictures could not be kept." }
            }
        }
    }
}

fn pictures(recording: &Recording) -> Markup {
    let shots = recording.album.shots();
    html! {
        section #pictures {
            h2 { "Pictures" }
            @if shots.is_empty() {
                p.note { "The guest showed nothing." }
            } @else {
                div.shots { @for (index, shot) in shots.iter().enumerate() { (picture(index + 1, shots.len(), shot)) } }
            }
        }
    }
}

/// A picture that a link makes as large as the window: by the style sheet alone.
fn picture(number: usize, count: usize, shot: &Shot) -> Markup {
    let (width, height, depth) = shot.mode;
    let words = format!("{} s, {width}x{height}, {depth} bits, generation {}", seconds(shot.at_ns), shot.generation);
    html! {
        figure.shot id=(format!("s{number}")) {
            a.close href="#pictures" aria-label="close" {}
            a.open href=(format!("#s{number}")) { img src=(chart::data_uri(&shot.png)) alt=(words) loading="lazy"; }
            @if number > 1 { a.previous href=(format!("#s{}", number - 1)) aria-label="previous" { "‹" } }
            @if number < count { a.next href=(format!("#s{}", number + 1)) aria-label="next" { "›" } }
            figcaption { b { (number) ". " (seconds(shot.at_ns)) " s" } " " span { (width) "x" (height) " " (depth) } }
        }
    }
}

fn plots(recording: &Recording, facts: &Facts, scale: Scale) -> Markup {
    let sum = recording.timeline.sum();
    html! {
        section #frames {
            h2 { "Frames a second" }
            p.legend { span.swatch.presented {} "presented (" (sum.presented) ")" span.swatch.dropped {} "dropped, as their memory changed hands (" (sum.dropped) ")" }
            (chart::frames(recording, scale))
        }
        section #render {
            h2 { "Time to draw a frame" }
            p.legend {
                span.swatch.time {}
                @match &recording.points {
                    Some(points) => { "each frame (" (points.len()) ")" }
                    None => { "shortest to longest of the frames at a time" }
                }
                span.swatch.p50 {} "half of the frames take less"
                span.swatch.p99 {} "99 of 100 take less"
                " · longest " (duration(recording.render.max))
                @if facts.number("frames_unchanged") > 0 { " · " (facts.number("frames_unchanged")) " looks found nothing new" }
            }
            (chart::render(recording, scale))
        }
    }
}

fn events(recording: &Recording) -> Markup {
    let left_out = recording.messages.left_out();
    html! {
        section #what {
            h2 { "What happened" }
            p.note {
                "Messages to the VideoCore tag by tag, what they made of the screen, and lines on the serial ports with the time of their first byte."
                @if left_out > 0 { " Of " (recording.messages.total()) " messages " (left_out) " in the middle are left out." }
            }
            (tables::events(recording))
        }
    }
}

fn serial(recording: &Recording) -> Markup {
    let port = |number: usize, port: &Port| {
        let (tail, before) = port.tail();
        html! {
            h3 { "UART" (number) ", " (port.bytes) " bytes" }
            @if before > 0 { p.note { (before) " bytes before these are left out." } }
            pre.serial id=(format!("uart{number}")) { (visible(&tail)) }
        }
    };
    html! {
        section #serial {
            h2 { "Serial output" }
            @for (number, of) in recording.ports.iter().enumerate().filter(|(_, port)| port.bytes > 0) { (port(number, of)) }
            @if recording.ports.iter().all(|port| port.bytes == 0) { p.note { "The guest printed nothing." } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_can_be_pasted() {
        let arguments = ["--timeout", "3", "--append", "a b='c'", "", "x\n"].map(str::to_owned);
        assert_eq!(
            command_line(&arguments),
            r"--timeout 3 --append 'a b='\''c'\''' '' 'x
'"
        );
    }

    #[test]
    fn neither_script_nor_style_ends_early() {
        assert!(!SCRIPT.contains("</") && !SCRIPT.contains("<!--") && !STYLE.contains('<'));
        assert!(!SCRIPT.contains("http") && !STYLE.contains("url(") && !STYLE.contains("@import"));
    }
}
