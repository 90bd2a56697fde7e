//! The log of messages and modes, from the machine's journal.

use crate::overlay::{Ink, Line};
use std::collections::VecDeque;
use tayberry_engine::journal::{Entry, Message, Part, Reader, What};

/// Lines that are kept.
const MOST_LINES: usize = 5000;
/// Entries taken at a time: of more, the oldest are passed over, as nobody reads so fast.
const MOST_AT_ONCE: usize = 1000;

/// What is to be read, and where the reader is. While nobody looks at it nothing is taken from the journal: that keeps what happened first, and when its
/// queue is full the machine has no more work with it.
#[derive(Debug)]
pub struct Log {
    journal: Reader,
    lines: VecDeque<Line>,
    /// Lines between the last one and the last one seen.
    back: usize,
    /// Lines seen at a time.
    rows: usize,
    /// What the journal had dropped by then.
    dropped: u64,
}

impl Log {
    /// A log of what `journal` has.
    pub fn new(journal: Reader) -> Self {
        Self { journal, lines: VecDeque::new(), back: 0, rows: 1, dropped: 0 }
    }

    /// Takes what is new from the journal.
    pub fn read(&mut self) {
        let entries: Vec<_> = self.journal.drain().filter(|entry| !matches!(entry.what, What::Serial { .. })).collect();
        let passed_over = entries.len().saturating_sub(MOST_AT_ONCE);
        // What is dropped is newer than what waited.
        let (first, rest) = (passed_over as u64, &entries[passed_over..]);
        self.say_missing(first);
        for entry in rest {
            lines_of(entry).into_iter().for_each(|line| self.add(line));
        }
        let dropped = self.journal.dropped();
        self.say_missing(dropped - self.dropped);
        self.dropped = dropped;
    }

    fn say_missing(&mut self, count: u64) {
        if count > 0 {
            self.add(Line::new(Ink::Label, format!("             ... {count} more, not kept")));
        }
    }

    fn add(&mut self, line: Line) {
        if self.lines.len() >= MOST_LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
        // Who has scrolled back goes on seeing the same.
        if self.back > 0 {
            self.scroll(1);
        }
    }

    /// Scrolls by so many lines, back if they are positive.
    pub fn scroll(&mut self, lines: i64) {
        let back = (self.back as i64).saturating_add(lines).max(0) as usize;
        self.back = back.min(self.lines.len().saturating_sub(self.rows));
    }

    /// Scrolls by so many times what is seen, but for a line.
    pub fn scroll_pages(&mut self, pages: i64) {
        self.scroll(pages.saturating_mul(self.rows.saturating_sub(1).max(1) as i64));
    }

    /// What is seen in so many lines, the heading included; filled up to them.
    pub fn lines(&mut self, rows: usize) -> Vec<Line> {
        self.rows = rows.saturating_sub(1).max(1);
        self.scroll(0);
        let last = self.lines.len() - self.back;
        let first = last.saturating_sub(self.rows);
        let place = match (self.lines.len(), self.back) {
            (0, _) => "  nothing yet".to_owned(),
            (all, 0) => format!("  {all} lines, PageUp and wheel scroll"),
            (all, _) => format!("  lines {} to {last} of {all}, PageDown and wheel scroll", first + 1),
        };
        let mut lines = vec![Line::new(Ink::Title, "F3  Mailbox and display").and(Ink::Label, place)];
        lines.extend(self.lines.range(first..last).cloned());
        lines.resize(self.rows + 1, Line::default());
        lines
    }
}

/// The lines of an entry; those after the first are set in.
fn lines_of(entry: &Entry) -> Vec<Line> {
    let time = Line::new(Ink::Label, format!("{:>11.6}  ", entry.guest_ns as f64 / 1e9));
    match &entry.what {
        What::Message(message) => message_lines(time, message),
        What::Mode(mode) => vec![time.and(Ink::Title, mode.to_string())],
        other => vec![time.and(Ink::Alarm, other.to_string())],
    }
}

fn message_lines(time: Line, message: &Message) -> Vec<Line> {
    let trouble = |line: Line| match &message.trouble {
        Some(trouble) => line.and(Ink::Alarm, format!(": {trouble}")),
        None => line,
    };
    let way = format!("{} ", message.channel);
    match &message.parts[..] {
        [part] if message.parts_left_out == 0 => vec![trouble(part_of(time.and(Ink::Label, way), part))],
        parts => {
            let count = parts.len() + message.parts_left_out;
            let mut lines =
                vec![trouble(time.and(Ink::Label, way).and(Ink::Text, format!("message of {count} tags at {:#010x}", message.address)))];
            lines.extend(parts.iter().map(|part| part_of(Line::new(Ink::Label, "             - "), part)));
            if message.parts_left_out > 0 {
                lines.push(Line::new(Ink::Label, format!("             - and {} more", message.parts_left_out)));
            }
            lines
        }
    }
}

fn part_of(line: Line, part: &Part) -> Line {
    let space = |text: &str| if text.is_empty() { String::new() } else { format!(" {text}") };
    let line = line.and(Ink::Text, format!("{}{}", part.name, space(&part.asked)));
    match &part.trouble {
        Some(trouble) => line.and(Ink::Alarm, format!(": {trouble}")),
        None if part.answered.is_empty() => line,
        None => line.and(Ink::Label, " -> ").and(Ink::Text, part.answered.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;
    use tayberry_engine::machine::prepare;

    fn log(count: usize) -> Log {
        let mut log = Log::new(prepare().0.journal());
        (0..count).for_each(|index| log.add(Line::new(Ink::Text, format!("line {index}"))));
        log
    }

    fn seen(log: &mut Log, rows: usize) -> Vec<String> {
        log.lines(rows).iter().skip(1).map(Line::text).collect()
    }

    fn part(name: &'static str, asked: &str, answered: &str) -> Part {
        Part { name: name.into(), asked: asked.into(), answered: answered.into(), ..Part::default() }
    }

    fn lines(what: What) -> Vec<String> {
        lines_of(&Entry { guest_ns: 1_234_567_000, host: Instant::now(), what }).iter().map(Line::text).collect()
    }

    #[test]
    fn the_newest_is_at_the_bottom_and_pages_scroll() {
        let mut log = log(10);
        assert_eq!(seen(&mut log, 4), ["line 7", "line 8", "line 9"]);
        log.scroll_pages(1);
        assert_eq!(seen(&mut log, 4), ["line 5", "line 6", "line 7"]);
        log.scroll(1000);
        assert_eq!(seen(&mut log, 4), ["line 0", "line 1", "line 2"]);
        log.scroll(-1);
        assert_eq!(seen(&mut log, 4), ["line 1", "line 2", "line 3"]);
        log.scroll_pages(i64::MIN);
        assert_eq!(seen(&mut log, 4), ["line 7", "line 8", "line 9"]);
        log.scroll(i64::MAX);
        assert_eq!(seen(&mut log, 100).len(), 99, "there is room for all of it");
        assert_eq!(seen(&mut log, 0), ["line 9"]);
    }

    #[test]
    fn who_has_scrolled_back_goes_on_seeing_the_same() {
        let mut log = log(10);
        log.lines(4);
        log.scroll(3);
        let before = seen(&mut log, 4);
        log.add(Line::new(Ink::Text, "new"));
        assert_eq!(seen(&mut log, 4), before);
        log.scroll(-4);
        assert_eq!(seen(&mut log, 4)[2], "new");
    }

    #[test]
    fn it_is_bounded() {
        let mut log = log(2 * MOST_LINES);
        assert_eq!(log.lines.len(), MOST_LINES);
        log.scroll(i64::MAX);
        assert_eq!(seen(&mut log, 2), [format!("line {MOST_LINES}")]);
    }

    #[test]
    fn an_empty_log_says_so() {
        assert_eq!(log(0).lines(3)[0].text(), "F3  Mailbox and display  nothing yet");
        assert_eq!(log(0).lines(3).len(), 3);
    }

    #[test]
    fn messages_in_words() {
        let one = Message { channel: "property", parts: vec![part("get board revision", "", "0xa02082")], ..Message::default() };
        assert_eq!(lines(What::Message(one)), ["   1.234567  property get board revision -> 0xa02082"]);
        let several = Message {
            channel: "property",
            address: 0x20_0000,
            parts: vec![part("set depth", "32", "32"), Part { trouble: Some("unknown".into()), ..part("0x1234", "", "") }],
            parts_left_out: 3,
            trouble: Some("too long".into()),
            ..Message::default()
        };
        assert_eq!(
            lines(What::Message(several)),
            [
                "   1.234567  property message of 5 tags at 0x00200000: too long",
                "             - set depth 32 -> 32",
                "             - 0x1234: unknown",
                "             - and 3 more",
            ]
        );
        assert_eq!(lines(What::Reset), ["   1.234567  reset"]);
    }
}
