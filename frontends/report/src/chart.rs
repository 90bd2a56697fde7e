//! Plots as inline SVG.

use crate::collect::{Period, Recording};
use crate::shots::Shot;
use crate::timeline::Bin;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};

/// Width of a plot in its own units.
const WIDTH: f64 = 1000.0;
/// Space for the labels on the left.
const LEFT: f64 = 84.0;
/// Space on the right.
const RIGHT: f64 = 10.0;
/// Size of a miniature on the time line.
const MINIATURE: (f64, f64) = (80.0, 60.0);
/// Columns of a plot, about.
const COLUMNS: usize = 120;
/// Colours of resolutions, by the style sheet's classes.
const COLOURS: usize = 6;

/// Seconds as a label.
pub fn seconds(ns: u64) -> String {
    format!("{:.4}", ns as f64 / 1e9)
}

/// A duration as a label, with three digits at most.
pub fn duration(ns: u64) -> String {
    let (value, unit) = match ns {
        1_000_000_000.. => (ns as f64 / 1e9, "s"),
        1_000_000.. => (ns as f64 / 1e6, "ms"),
        1_000.. => (ns as f64 / 1e3, "µs"),
        _ => (ns as f64, "ns"),
    };
    let digits = if value >= 100.0 || value.fract() < 0.005 { 0 } else { 2 - value.max(1.0).log10().floor() as usize };
    format!("{value:.digits$} {unit}")
}

/// The smallest of 1, 2 and 5 times a power of ten that is not below `least`.
fn nice(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1e-9).log10().floor());
    [1.0, 2.0, 5.0, 10.0].map(|step| step * power).into_iter().find(|step| *step >= least * 0.999).unwrap_or(power * 10.0)
}

/// A number with as many digits as it needs.
fn short(value: f64) -> String {
    let text = format!("{value:.3}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Where times lie on all plots.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    end_ns: f64,
}

impl Scale {
    /// Of a run that lasted `end_ns`.
    pub fn new(end_ns: u64) -> Self {
        Self { end_ns: end_ns.max(1) as f64 }
    }

    fn x(self, ns: u64) -> f64 {
        LEFT + (ns as f64 / self.end_ns).min(1.0) * (WIDTH - LEFT - RIGHT)
    }

    /// Left edge and width of a span, at least a visible one.
    fn span(self, from: u64, to: u64) -> (f64, f64) {
        let (left, right) = (self.x(from), self.x(to));
        (left, (right - left).max(0.6))
    }

    /// The time axis at `y`, with lines up to `top`.
    fn axis(self, top: f64, y: f64) -> Markup {
        let step = nice(self.end_ns / 1e9 / 10.0);
        let count = (self.end_ns / 1e9 / step).floor() as u32;
        html! {
            line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(y) y2=(y) {}
            @for at in 0..=count.min(20) {
                @let x = self.x((f64::from(at) * step * 1e9) as u64);
                line.grid x1=(num(x)) x2=(num(x)) y1=(num(top)) y2=(num(y)) {}
                text.tick x=(num(x)) y=(num(y + 14.0)) text-anchor="middle" { (short(f64::from(at) * step)) (if at == count.min(20) { " s" } else { "" }) }
            }
        }
    }
}

/// A coordinate.
fn num(value: f64) -> String {
    format!("{value:.1}")
}

/// A PNG file as an address.
pub fn data_uri(png: &[u8]) -> String {
    format!("data:image/png;base64,{}", STANDARD.encode(png))
}

/// A resolution in words.
pub fn mode_words(mode: Option<(u32, u32, u32)>) -> String {
    mode.map_or_else(|| "no signal".into(), |(width, height, depth)| format!("{width}x{height}, {depth} bits"))
}

/// Classes of the colours of resolutions: equal ones have equal colours.
pub struct Palette(Vec<(u32, u32, u32)>);

impl Palette {
    /// Of all resolutions, in their order.
    pub fn new<'a>(periods: impl Iterator<Item = &'a Period>) -> Self {
        let mut modes = Vec::new();
        for mode in periods.filter_map(|period| period.mode) {
            if !modes.contains(&mode) {
                modes.push(mode);
            }
        }
        Self(modes)
    }

    /// The class of a resolution.
    pub fn class(&self, mode: Option<(u32, u32, u32)>) -> String {
        let index = mode.and_then(|mode| self.0.iter().position(|other| *other == mode));
        index.map_or_else(|| "m-none".into(), |index| format!("m{}", index % COLOURS))
    }
}

/// A lane of bars, one a column.
struct Lane {
    label: &'static str,
    unit: &'static str,
    class: &'static str,
    value: fn(&Bin) -> u64,
}

const LANES: [Lane; 3] = [
    Lane { label: "generations", unit: "generations", class: "gen", value: |bin| bin.generations },
    Lane { label: "messages", unit: "messages", class: "msg", value: |bin| bin.messages },
    Lane { label: "serial", unit: "bytes", class: "ser", value: |bin| bin.serial },
];

/// The time line: resolutions, generations, messages, serial output, screenshots and resets.
pub fn timeline(recording: &Recording, scale: Scale, palette: &Palette) -> Markup {
    const LANE: f64 = 34.0;
    const TOP: f64 = MINIATURE.1 + 12.0;
    let (head, tail) = recording.periods.parts();
    let tail: Vec<&Period> = tail.collect();
    let hidden = (recording.periods.left_out() > 0).then(|| (head.last(), tail.first()));
    let shots_y = TOP + 36.0 + LANE * LANES.len() as f64 + 10.0;
    let bottom = shots_y + 12.0;
    let (width_ns, columns) = recording.timeline.columns(1, 4 * COLUMNS);
    let (resets, more_resets) = recording.resets.parts();
    html! {
        svg.plot viewBox=(format!("0 0 {WIDTH} {}", bottom + 22.0)) role="img" aria-label="time line" {
            (scale.axis(TOP + 28.0, bottom))
            (miniatures(recording.album.shots(), scale))
            text.label x=(LEFT - 6.0) y=(TOP + 19.0) text-anchor="end" { "screen" }
            @for period in head.iter().chain(tail.iter().copied()) {
                (resolution(period, recording.end_ns, TOP, scale, palette))
            }
            @if let Some((Some(before), Some(after))) = hidden {
                @let (x, width) = scale.span(before.to_ns.unwrap_or(0), after.from_ns);
                rect.gap x=(num(x)) y=(TOP + 4.0) width=(num(width)) height="24" { title { (recording.periods.left_out()) " resolutions are not shown" } }
            }
            @for (index, lane) in LANES.iter().enumerate() {
                (bars(lane, &columns, width_ns, TOP + 36.0 + LANE * index as f64, LANE - 4.0, scale))
            }
            text.label x=(LEFT - 6.0) y=(shots_y + 4.0) text-anchor="end" { "pictures" }
            @for (index, shot) in recording.album.shots().iter().enumerate() {
                (mark(index, shot, shots_y, scale))
            }
            @for reset in resets.iter().chain(more_resets) {
                @let x = scale.x(reset.at_ns);
                line.reset x1=(num(x)) x2=(num(x)) y1="0" y2=(num(bottom)) { title { "reset at " (seconds(reset.at_ns)) " s" } }
            }
        }
    }
}

fn resolution(period: &Period, end_ns: u64, top: f64, scale: Scale, palette: &Palette) -> Markup {
    let to = period.to_ns.unwrap_or(end_ns);
    let (x, width) = scale.span(period.from_ns, to);
    let words = mode_words(period.mode);
    let label = period.mode.map(|(width, height, depth)| format!("{width}x{height} {depth}"));
    html! {
        rect.(palette.class(period.mode)) x=(num(x)) y=(top + 4.0) width=(num(width)) height="24" {
            title { (words) ", " (seconds(period.from_ns)) " to " (seconds(to)) " s, generations " (period.first) " to " (period.last) ", " (period.frames) " frames" }
        }
        @if let Some(label) = label.filter(|label| width > 7.0 * label.len() as f64) {
            text.inside x=(num(x + 4.0)) y=(top + 20.0) { (label) }
        }
    }
}

/// Miniatures over the times at which they were on the screen, as many as there is room for: those that end a mode first.
fn miniatures(shots: &[Shot], scale: Scale) -> Markup {
    let (width, height) = MINIATURE;
    let x = |shot: &Shot| (scale.x(shot.at_ns) - width / 2.0).clamp(LEFT, WIDTH - RIGHT - width);
    let mut chosen: Vec<(usize, &Shot)> = Vec::new();
    for ends_mode in [true, false] {
        for (index, shot) in shots.iter().enumerate().filter(|(_, shot)| shot.ends_mode == ends_mode) {
            if chosen.iter().all(|(_, other)| (x(other) - x(shot)).abs() >= width + 4.0) {
                chosen.push((index, shot));
            }
        }
    }
    html! {
        @for (index, shot) in chosen {
            @let left = x(shot);
            a href=(format!("#s{}", index + 1)) {
                image href=(data_uri(&shot.tiny)) x=(num(left)) y="2" width=(width) height=(height) {
                    title { "picture " (index + 1) " at " (seconds(shot.at_ns)) " s" }
                }
            }
            line.stem x1=(num(left + width / 2.0)) x2=(num(scale.x(shot.at_ns))) y1=(num(height + 3.0)) y2=(num(height + 14.0)) {}
        }
    }
}

fn bars(lane: &Lane, columns: &[Bin], width_ns: u64, top: f64, height: f64, scale: Scale) -> Markup {
    let most = columns.iter().map(lane.value).max().unwrap_or(0);
    html! {
        text.label x=(LEFT - 6.0) y=(num(top + height - 4.0)) text-anchor="end" { (lane.label) }
        line.axis x1=(LEFT) x2=(WIDTH - RIGHT) y1=(num(top + height)) y2=(num(top + height)) {}
        @for (index, count) in columns.iter().map(lane.value).enumerate().filter(|(_, count)| *count > 0) {
            @let from = index as u64 * width_ns;
            @let (x, width) = scale.span(from, from.saturating_add(width_ns));
            @let tall = (count as f64 / most as f64 * (height - 4.0)).max(1.5);
            rect.(lane.class) x=(num(x)) y=(num(top + height - tall)) width=(num(width)) height=(num(tall)) {
                title { (count) " " (lane.unit) " in " (duration(width_ns)) " from " (seconds(from)) " s" }
            }
        }
    }
}

fn mark(index: usize, shot: &Shot, y: f64, scale: Scale) -> Markup {
    html! {
        a href=(format!("#s{}", index + 1)) {
            circle.shot cx=(num(scale.x(shot.at_ns))) cy=(num(y)) r="4" { title { "picture " (index + 1) " at " (seconds(shot.at_ns)) " s" } }
        }
    }
}

/// Frames presented and dropped a second.
pub fn frames(recording: &Recording, scale: Scale) -> Markup {
    const HEIGHT: f64 = 150.0;
    const TOP: f64 = 8.0;
    // Columns of less than a quarter of a second would show a frame more or less as a change of pace.
    let least = 250_000_000.min(recording.end_ns / 4).max(1);
    let (width_ns, columns) = recording.timeline.columns(least, COLUMNS);
    // The last column is as long as the run lets it be.
    let rate = |index: usize, count: u64| {
        let from = index as u64 * width_ns;
        let covered = recording.end_ns.saturating_sub(from).clamp(width_ns / 4 + 1, width_ns);
        count as f64 * 1e9 / covered as f64
    };
    let all = |(index, bin): (usize, &Bin)| rate(index, bin.presented + bin.dropped);
    let step = nice(columns.iter().enumerate().map(all).fold(1.0, f64::max) / 4.0);
    let most = step * 4.0;
    let y = |rate: f64| TOP + HEIGHT * (1.0 - rate / most);
    html! {
        svg.plot viewBox=(format!("0 0 {WIDTH} {}", TOP + HEIGHT + 22.0)) role="img" aria-label="frames per second" {
            (scale.axis(TOP, TOP + HEIGHT))
            @for line in 1..=4 {
                @let at = f64::from(line) * step;
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(num(y(at))) y2=(num(y(at))) {}
                text.tick x=(LEFT - 6.0) y=(num(y(at) + 4.0)) text-anchor="end" { (short(at)) }
            }
            @for (index, bin) in columns.iter().enumerate() {
                @let (shown, dropped) = (rate(index, bin.presented), rate(index, bin.dropped));
                @let from = index as u64 * width_ns;
                @let (x, width) = scale.span(from, from.saturating_add(width_ns).min(recording.end_ns));
                @let words = format!("{} presented, {} dropped in {} from {} s", bin.presented, bin.dropped, duration(width_ns), seconds(from));
                @if bin.presented > 0 {
                    rect.presented x=(num(x)) y=(num(y(shown))) width=(num((width - 0.6).max(0.6))) height=(num(y(0.0) - y(shown))) { title { (words) } }
                }
                @if bin.dropped > 0 {
                    rect.dropped x=(num(x)) y=(num(y(shown + dropped))) width=(num((width - 0.6).max(0.6))) height=(num(y(shown) - y(shown + dropped))) {
                        title { (words) }
                    }
                }
            }
        }
    }
}

/// Times that drawing took, on a logarithmic scale: each frame, or the bounds of many.
pub fn render(recording: &Recording, scale: Scale) -> Markup {
    const HEIGHT: f64 = 170.0;
    const TOP: f64 = 18.0;
    let (width_ns, columns) = recording.timeline.columns(1, 4 * COLUMNS);
    let times = recording.timeline.sum().render;
    let low = (times.min.max(1) as f64).log10().floor();
    let high = (recording.render.max.max(times.max).max(10) as f64).log10().ceil().max(low + 1.0);
    let y = |ns: u64| TOP + HEIGHT * (1.0 - ((ns.max(1) as f64).log10().clamp(low, high) - low) / (high - low));
    html! {
        svg.plot viewBox=(format!("0 0 {WIDTH} {}", TOP + HEIGHT + 22.0)) role="img" aria-label="render times" {
            (scale.axis(TOP, TOP + HEIGHT))
            @for decade in low as i32..=high as i32 {
                @let at = 10f64.powi(decade) as u64;
                line.grid x1=(LEFT) x2=(WIDTH - RIGHT) y1=(num(y(at))) y2=(num(y(at))) {}
                text.tick x=(LEFT - 6.0) y=(num(y(at) + 4.0)) text-anchor="end" { (duration(at)) }
            }
            @if let Some(points) = &recording.points {
                @for &(at, took) in points {
                    circle.time cx=(num(scale.x(at))) cy=(num(y(took))) r="2" {}
                }
            } @else {
                @for (index, bin) in columns.iter().enumerate().filter(|(_, bin)| bin.render.count > 0) {
                    @let from = index as u64 * width_ns;
                    @let (x, width) = scale.span(from, from.saturating_add(width_ns));
                    @let (top, bottom) = (y(bin.render.max), y(bin.render.min));
                    rect.time x=(num(x)) y=(num(top)) width=(num(width)) height=(num((bottom - top).max(1.5))) {
                        title { (bin.render.count) " frames from " (seconds(from)) " s: " (duration(bin.render.min)) " to " (duration(bin.render.max)) }
                    }
                }
            }
            // The one's label under its line, the other's above: they may lie close together.
            @for (class, value, label, beside) in [("p50", recording.render.p50, "p50", 12.0), ("p99", recording.render.p99, "p99", -4.0)] {
                @if recording.render.count > 0 {
                    line.(class) x1=(LEFT) x2=(WIDTH - RIGHT) y1=(num(y(value))) y2=(num(y(value))) {}
                    text.(class) x=(WIDTH - RIGHT - 4.0) y=(num(y(value) + beside)) text-anchor="end" { (label) " " (duration(value)) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels() {
        assert_eq!([0.0, 0.4, 1.0, 3.0, 7.0, 240.0].map(nice), [1e-9, 0.5, 1.0, 5.0, 10.0, 500.0]);
        assert_eq!([0.5, 20.0, 0.0].map(short), ["0.5", "20", "0"]);
        assert_eq!(
            [0, 999, 1500, 45_000, 16_666_667, 2_000_000_000].map(duration),
            ["0 ns", "999 ns", "1.50 µs", "45 µs", "16.7 ms", "2 s"]
        );
        assert_eq!(seconds(1_234_567_890), "1.2346");
    }

    #[test]
    fn everything_lies_on_the_plot() {
        for end in [0, 1, 1_000_000_000, u64::MAX] {
            let scale = Scale::new(end);
            for at in [0, 1, end / 2, end, u64::MAX] {
                let (x, width) = scale.span(at, at.saturating_add(1));
                assert!((LEFT..=WIDTH - RIGHT).contains(&x) && width >= 0.6, "{at} of {end}");
            }
            assert!(scale.axis(0.0, 10.0).into_string().matches("<text").count() <= 21);
        }
    }
}
