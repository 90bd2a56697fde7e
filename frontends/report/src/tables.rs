//! The page's tables: resolutions, events, statistics.

use crate::bounded::HeadTail;
use crate::chart::{Palette, mode_words, seconds};
use crate::collect::{Event, Period, Recording};
use crate::serial::{Line, visible};
use maud::{Markup, html};
use serde_json::Value;
use std::fmt::Write;
use tayberry_engine::journal::{Message, Mode, Part};

/// Resolutions in the order in which they were on the screen.
pub fn resolutions(recording: &Recording, palette: &Palette) -> Markup {
    let (head, tail) = recording.periods.parts();
    let left_out = recording.periods.left_out();
    html! {
        div.scroll {
            table #resolution-table {
                thead { tr { th { "from (s)" } th { "to (s)" } th { "screen" } th { "generations" } th { "changes" } th { "frames" } } }
                tbody {
                    @for period in head { (resolution(period, recording.end_ns, palette)) }
                    @if left_out > 0 { tr.left-out { td colspan="6" { (left_out) " resolutions are left out here" } } }
                    @for period in tail { (resolution(period, recording.end_ns, palette)) }
                }
            }
        }
    }
}

fn resolution(period: &Period, end_ns: u64, palette: &Palette) -> Markup {
    // Generation 0 is nobody's.
    let changes = period.last - period.first + u64::from(period.first > 0);
    html! {
        tr data-frames=(period.frames) data-changes=(changes) {
            td.num { (seconds(period.from_ns)) }
            td.num { (seconds(period.to_ns.unwrap_or(end_ns))) }
            td { span.(format!("swatch {}", palette.class(period.mode))) {} (mode_words(period.mode)) }
            td.num { @if period.first == period.last { (period.first) } @else { (period.first) "–" (period.last) } }
            td.num { (changes) }
            td.num { (period.frames) }
        }
    }
}

/// A row of the table of events.
struct Row {
    at_ns: u64,
    order: u64,
    kind: &'static str,
    content: Markup,
}

/// Puts rows of one kind among the others, with one that says what is missing.
fn add<T>(rows: &mut Vec<Row>, list: &HeadTail<T>, kind: &'static str, plural: &str, row: impl Fn(&T) -> (u64, u64, Markup)) {
    let (head, tail) = list.parts();
    let mut push = |entry: &T| {
        let (at_ns, order, content) = row(entry);
        rows.push(Row { at_ns, order, kind, content });
    };
    head.iter().for_each(&mut push);
    let before = rows.len();
    let mut push = |entry: &T| {
        let (at_ns, order, content) = row(entry);
        rows.push(Row { at_ns, order, kind, content });
    };
    tail.for_each(&mut push);
    if let (left_out @ 1.., Some(&Row { at_ns, order, .. })) = (list.left_out(), rows.get(before)) {
        let content = html! { span.left-out { (left_out) " " (plural) " are left out here" } };
        rows.insert(before, Row { at_ns, order: order - 1, kind, content });
    }
}

/// Everything that happened, in one table that can be searched.
pub fn events(recording: &Recording) -> Markup {
    let mut rows = Vec::new();
    add(&mut rows, &recording.messages, "message", "messages", |event: &Event<Message>| (event.at_ns, event.order, message(&event.what)));
    add(&mut rows, &recording.modes, "mode", "mode changes", |event: &Event<Mode>| (event.at_ns, event.order, mode(&event.what)));
    add(&mut rows, &recording.resets, "reset", "resets", |event| (event.at_ns, event.order, html! { "the machine was reset" }));
    for (port, kind) in recording.ports.iter().zip(["UART0", "UART1"]) {
        add(&mut rows, &port.lines, kind, "lines", |line: &Line| (line.at_ns, line.order, html! { code { (visible(&line.bytes)) } }));
    }
    rows.sort_by_key(|row| row.order);
    html! {
        div.controls {
            input #search type="search" placeholder="search: palette, 640x480, 0x00048003, …" aria-label="search";
            @for kind in ["message", "mode", "UART0", "UART1", "reset"] {
                @let count = rows.iter().filter(|row| row.kind == kind).count();
                @if count > 0 {
                    label { input type="checkbox" value=(kind) checked; span.(format!("kind k-{kind}")) { (kind) } }
                }
            }
            span #matches {}
        }
        div.scroll.tall {
            table #events {
                thead { tr { th { "time (s)" } th { "kind" } th { "what" } } }
                tbody {
                    @for row in &rows {
                        tr data-kind=(row.kind) {
                            td.num { (seconds(row.at_ns)) }
                            td { span.(format!("kind k-{}", row.kind)) { (row.kind) } }
                            td { (row.content) }
                        }
                    }
                }
            }
        }
    }
}

fn message(message: &Message) -> Markup {
    html! {
        span.where { (message.channel) " at " (format!("{:#010x}", message.address)) }
        @if let Some(trouble) = &message.trouble { span.trouble { (trouble) } }
        ul.parts {
            @for part in &message.parts { (self::part(part)) }
            @if message.parts_left_out > 0 { li.left-out { "and " (message.parts_left_out) " more" } }
        }
        @if !message.sent.is_empty() {
            details {
                summary { (message.words) " words" }
                pre { "sent     " (hex(&message.sent, message.words)) "\nanswered " (hex(&message.answered, message.words)) }
            }
        }
    }
}

fn part(part: &Part) -> Markup {
    html! {
        li title=(format!("{:#010x}", part.number)) {
            b { (part.name) }
            @if !part.asked.is_empty() { " " (part.asked) }
            @match &part.trouble {
                Some(trouble) => span.trouble { (trouble) },
                None => @if !part.answered.is_empty() { span.arrow { " → " } span.answer { (part.answered) } },
            }
        }
    }
}

fn hex(words: &[u32], all: usize) -> String {
    let mut text = String::new();
    for (index, word) in words.iter().enumerate() {
        let space = if index > 0 && index % 8 == 0 {
            "\n         "
        } else if index > 0 {
            " "
        } else {
            ""
        };
        let _ = write!(text, "{space}{word:08x}");
    }
    if all > words.len() {
        text.push_str(" …");
    }
    text
}

fn mode(mode: &Mode) -> Markup {
    let text = mode.to_string();
    let words = text.split_once(" (new: ").map_or(text.as_str(), |(words, _)| words);
    html! {
        (words)
        @if !mode.changed.is_empty() { span.changed { @for (index, what) in mode.changed.iter().enumerate() { @if index > 0 { ", " } (what) } } }
    }
}

/// Statistics: scalars as rows, lists of objects as a table with a column for each.
pub fn statistics(stats: &Value) -> Markup {
    let mut scalars = Vec::new();
    let mut lists = Vec::new();
    for (key, value) in stats.as_object().into_iter().flatten() {
        match value {
            Value::Array(list) if list.iter().any(Value::is_object) => lists.push((key, list)),
            _ => flatten(key, value, &mut scalars),
        }
    }
    html! {
        div.columns {
            table.stats #stats {
                @for (key, value) in &scalars { tr data-key=(key) { th { (key.replace('_', " ")) } td.num { (value) } } }
            }
            @for (name, list) in &lists { (list_table(name, list)) }
        }
    }
}

/// A value's scalars with their names, those within it behind a point.
fn flatten(key: &str, value: &Value, into: &mut Vec<(String, String)>) {
    match value {
        Value::Null => {}
        Value::Object(map) => map.iter().for_each(|(name, value)| flatten(&format!("{key}.{name}"), value, into)),
        Value::Array(list) => into.push((key.into(), list.iter().map(scalar).collect::<Vec<_>>().join(", "))),
        _ => into.push((key.into(), scalar(value))),
    }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let text = format!("{:.6}", number.as_f64().unwrap_or_default());
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        other => other.to_string(),
    }
}

fn list_table(name: &str, list: &[Value]) -> Markup {
    let columns: Vec<Vec<(String, String)>> = list
        .iter()
        .map(|object| {
            let mut scalars = Vec::new();
            object.as_object().into_iter().flatten().for_each(|(key, value)| flatten(key, value, &mut scalars));
            scalars
        })
        .collect();
    let keys = columns.first().map_or(&[][..], |column| column);
    html! {
        table.stats {
            caption { (name) }
            @for (key, _) in keys {
                tr {
                    th { (key.replace('_', " ")) }
                    @for column in &columns {
                        td.num { @if let Some((_, value)) = column.iter().find(|(other, _)| other == key) { (value) } }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_flattened() {
        let stats = serde_json::json!({
            "wall_s": 1.5, "instructions": [1, 2], "none": null, "render_ms": { "p50": 0.25 }, "exit": "power<off>",
            "cores": [{ "core": 0, "exits": { "budget": 3 } }, { "core": 1, "exits": { "budget": 4 } }],
        });
        let page = statistics(&stats).into_string();
        for part in [
            "<th>wall s</th><td class=\"num\">1.5</td>",
            "1, 2",
            "render ms.p50",
            "0.25",
            "power&lt;off&gt;",
            "<caption>cores</caption>",
            "exits.budget",
        ] {
            assert!(page.contains(part), "{part}: {page}");
        }
        assert!(!page.contains("none"));
    }

    #[test]
    fn words_stand_in_lines_of_eight() {
        assert_eq!(hex(&[1, 0xffff_ffff], 2), "00000001 ffffffff");
        assert_eq!(hex(&[0; 9], 10), format!("{}\n         00000000 …", ["00000000"; 8].join(" ")));
    }

    #[test]
    fn rows_of_several_kinds_are_in_order_and_say_what_is_missing() {
        let mut list = HeadTail::new(1, 1);
        (1..=5).for_each(|order: u64| list.push(order));
        let mut rows = Vec::new();
        add(&mut rows, &list, "message", "messages", |&order| (order, order * 10, html! {}));
        let orders: Vec<u64> = rows.iter().map(|row| row.order).collect();
        assert_eq!(orders, [10, 49, 50]);
        assert!(rows[1].content.0.contains("3 messages are left out"));
    }
}
