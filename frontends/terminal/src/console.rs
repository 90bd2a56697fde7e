//! What a serial port printed, as lines of text. No control character and no escape sequence of the guest ever comes out of here.
//!
//! Lines are edited as a simple terminal would: carriage return, backspace, tabulator, moves and deletions within the line. Colours and moves
//! between lines are left out.
//!
//! # Resources
//! - ECMA-48, 8.3: BS, CHA, CUB, CUF, DCH, ED, EL, ICH.

use std::collections::VecDeque;
use unicode_width::UnicodeWidthChar;
use vte::{Params, Parser, Perform};

/// Lines kept.
const MOST_LINES: usize = 10_000;
/// Characters of a line: what is longer goes on in the next one.
const LONGEST_LINE: usize = 4096;
/// Characters kept in all lines together.
const MOST_CHARACTERS: usize = 1 << 20;
const TAB: usize = 8;

/// Lines of a serial port.
#[derive(Default)]
pub struct Console {
    parser: Parser,
    text: Text,
}

#[derive(Debug)]
struct Text {
    /// At least one; the last is the one being printed.
    lines: VecDeque<Vec<char>>,
    /// Position in the last line.
    column: usize,
    /// Characters in all lines.
    characters: usize,
    /// Lines that were dropped.
    dropped: u64,
}

impl Default for Text {
    fn default() -> Self {
        Self { lines: VecDeque::from([Vec::new()]), column: 0, characters: 0, dropped: 0 }
    }
}

/// What a pane shows of a console.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct View {
    /// Rows from the top.
    pub rows: Vec<String>,
    /// Column and row of the cursor, if it is in sight.
    pub cursor: Option<(u16, u16)>,
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console").field("lines", &self.text.lines.len()).field("dropped", &self.text.dropped).finish_non_exhaustive()
    }
}

impl Console {
    /// Takes what the guest printed.
    pub fn print(&mut self, bytes: &[u8]) {
        self.parser.advance(&mut self.text, bytes);
    }

    /// Lines that were too many to keep.
    pub fn dropped(&self) -> u64 {
        self.text.dropped
    }

    /// All lines kept, without what is empty at the end.
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.text.lines.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned()).collect();
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    }

    /// No pane has more rows than this.
    pub fn rows_at_most(&self) -> usize {
        self.text.lines.len() + self.text.characters
    }

    /// The last `height` rows of `width` columns, `back` rows further up.
    pub fn view(&self, width: u16, height: u16, back: usize) -> View {
        let (columns, height) = (usize::from(width.max(1)), usize::from(height));
        let mut rows = VecDeque::new();
        let mut cursor = None;
        let mut from_end = 0;
        for (index, line) in self.text.lines.iter().enumerate().rev() {
            let wrapped = wrap(line, columns);
            if index + 1 == self.text.lines.len() {
                cursor = Some(cursor_in(line, &wrapped, self.text.column, columns));
                from_end = wrapped.len();
            }
            for row in wrapped.into_iter().rev() {
                rows.push_front(line[row].iter().collect::<String>());
            }
            if rows.len() >= height.saturating_add(back) {
                break;
            }
        }
        // Not further back than there is something.
        let back = back.min(rows.len().saturating_sub(height));
        let end = rows.len() - back;
        let start = end.saturating_sub(height);
        let cursor = cursor.and_then(|(column, row)| {
            let row = (rows.len() - from_end + row).checked_sub(start)?;
            (row < height).then_some((column as u16, row as u16))
        });
        View { rows: rows.into_iter().skip(start).take(end - start).collect(), cursor }
    }
}

/// The rows that a line takes.
fn wrap(line: &[char], columns: usize) -> Vec<std::ops::Range<usize>> {
    let (mut rows, mut start, mut used) = (Vec::new(), 0, 0);
    for (at, c) in line.iter().enumerate() {
        let width = c.width().unwrap_or(0);
        if used + width > columns && at > start {
            rows.push(start..at);
            (start, used) = (at, 0);
        }
        used += width;
    }
    rows.push(start..line.len());
    rows
}

/// Column and row of the cursor within the rows of a line.
fn cursor_in(line: &[char], rows: &[std::ops::Range<usize>], at: usize, columns: usize) -> (usize, usize) {
    let row = rows.iter().rposition(|row| row.start <= at).unwrap_or(0);
    let Some(start) = rows.get(row).map(|row| row.start) else { return (0, 0) };
    let before = &line[start..at.clamp(start, line.len())];
    let column = before.iter().map(|c| c.width().unwrap_or(0)).sum::<usize>() + at.saturating_sub(line.len().max(start));
    (column.min(columns - 1), row)
}

impl Text {
    fn line(&mut self) -> &mut Vec<char> {
        if self.lines.is_empty() {
            self.lines.push_back(Vec::new());
        }
        let last = self.lines.len() - 1;
        &mut self.lines[last]
    }

    fn new_line(&mut self) {
        self.characters += 1;
        self.lines.push_back(Vec::new());
        self.column = 0;
        while self.lines.len() > MOST_LINES || (self.characters > MOST_CHARACTERS && self.lines.len() > 1) {
            let dropped = self.lines.pop_front().map_or(0, |line| line.len() + 1);
            self.characters = self.characters.saturating_sub(dropped);
            self.dropped += 1;
        }
    }

    /// Changes the line and counts anew.
    fn edit(&mut self, change: impl FnOnce(&mut Vec<char>, usize)) {
        let column = self.column;
        let line = self.line();
        let before = line.len();
        change(line, column);
        let after = line.len();
        self.characters = (self.characters + after).saturating_sub(before);
    }

    fn put(&mut self, c: char) {
        if self.column >= LONGEST_LINE {
            self.new_line();
        }
        self.edit(|line, column| {
            if line.len() <= column {
                line.resize(column + 1, ' ');
            }
            line[column] = c;
        });
        self.column += 1;
    }
}

/// Characters that would change how others are shown: none of them is text.
fn is_plain(c: char) -> bool {
    !c.is_control() && !matches!(c, '\u{200E}' | '\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
}

impl Perform for Text {
    fn print(&mut self, c: char) {
        if is_plain(c) {
            self.put(c);
        }
    }

    fn execute(&mut self, byte: u8) {
        match byte {
            // Many guests print no carriage return.
            b'\n' | 0x0B | 0x0C => self.new_line(),
            b'\r' => self.column = 0,
            0x08 => self.column = self.column.saturating_sub(1),
            b'\t' => self.column = ((self.column / TAB + 1) * TAB).min(LONGEST_LINE - 1),
            _ => {}
        }
    }

    fn csi_dispatch(&mut self, params: &Params, intermediates: &[u8], ignore: bool, action: char) {
        if ignore || !intermediates.is_empty() {
            return;
        }
        let first = params.iter().next().and_then(|param| param.first()).copied().unwrap_or(0);
        let count = usize::from(first.max(1));
        match action {
            'C' => self.column = (self.column + count).min(LONGEST_LINE - 1),
            'D' => self.column = self.column.saturating_sub(count),
            'G' => self.column = (count - 1).min(LONGEST_LINE - 1),
            'J' | 'K' => self.edit(|line, column| match first {
                0 => line.truncate(column),
                1 => line.iter_mut().take(column + 1).for_each(|c| *c = ' '),
                _ => line.clear(),
            }),
            'P' => self.edit(|line, column| {
                let end = (column + count).min(line.len());
                if column < end {
                    line.drain(column..end);
                }
            }),
            '@' => self.edit(|line, column| {
                if column < line.len() {
                    line.splice(column..column, std::iter::repeat_n(' ', count.min(LONGEST_LINE)));
                    line.truncate(LONGEST_LINE);
                }
            }),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(bytes: &[u8]) -> Console {
        let mut console = Console::default();
        console.print(bytes);
        console
    }

    #[test]
    fn lines_are_edited() {
        assert_eq!(printed(b"one\r\ntwo\nthree\r\n").lines(), ["one", "two", "three"]);
        assert_eq!(printed(b"10%\r20%\r\nabc\x08\x08X").lines(), ["20%", "aXc"]);
        assert_eq!(printed(b"a\tb\x1b[31mred\x1b[0m").lines(), ["a       bred"]);
        assert_eq!(printed(b"secret\x1b[3D\x1b[K\r\nlong\r\x1b[J~ # ").lines(), ["sec", "~ #"]);
        assert_eq!(printed(b"abcdef\x1b[3G\x1b[2P\x1b[@-").lines(), ["ab-ef"]);
        assert_eq!(printed("grün €\u{202e}\n".as_bytes()).lines(), ["grün €"]);
    }

    #[test]
    fn no_control_character_and_no_sequence_comes_out() {
        let mut seed = 1u32;
        let mut hostile: Vec<u8> =
            b"\x1b]0;title\x07\x1b]52;c;aGk=\x1b\\\x1bPq#0\x1b\\\x1b_Ga=T;AAAA\x1b\\\x1bc\x1b[?1049h\x1b[99999999C!\x1b[65535@\x1b[65535P"
                .to_vec();
        for _ in 0..200_000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // Many control characters, and parts of sequences.
            hostile.push(match seed >> 29 {
                0 => 0x1B,
                1 => b'[',
                2 => b"0123456789;?@CDGJKPm"[(seed >> 8) as usize % 20],
                _ => (seed >> 16) as u8,
            });
        }
        let console = printed(&hostile);
        let view = console.view(80, 24, 0);
        for text in console.lines().iter().chain(&view.rows) {
            assert!(text.chars().all(is_plain), "{text:?}");
        }
    }

    #[test]
    fn no_guest_fills_our_memory() {
        let mut console = Console::default();
        for _ in 0..40 {
            console.print(&[b'x'; 100_000]);
        }
        assert!(console.text.characters <= MOST_CHARACTERS + LONGEST_LINE && console.dropped() > 0);
        console.print(&b"\n".repeat(50_000));
        assert!(console.text.lines.len() <= MOST_LINES);
        let counted: usize = console.text.lines.iter().map(|line| line.len() + 1).sum();
        assert_eq!(console.text.characters + 1, counted, "the count is right");
    }

    #[test]
    fn a_view_is_the_end_or_further_back() {
        let console = printed(b"1\n2\nabcdef\nxy");
        let rows = |width, height, back| console.view(width, height, back).rows;
        assert_eq!(rows(10, 2, 0), ["abcdef", "xy"]);
        assert_eq!(rows(4, 3, 0), ["abcd", "ef", "xy"]);
        assert_eq!(rows(10, 2, 1), ["2", "abcdef"]);
        assert_eq!(rows(10, 2, 1000), ["1", "2"], "not further than the beginning");
        assert_eq!(rows(10, 9, 7), ["1", "2", "abcdef", "xy"]);
        assert_eq!(rows(0, 0, 0), Vec::<String>::new());
        assert_eq!(console.view(10, 2, 0).cursor, Some((2, 1)));
        assert_eq!(console.view(10, 2, 1).cursor, None);
        assert_eq!(printed(b"abcd").view(4, 2, 0).cursor, Some((3, 0)), "the cursor stays inside");
        assert_eq!(printed(b"abc\r").view(4, 2, 0).cursor, Some((0, 0)));
        assert_eq!(printed("漢字漢字".as_bytes()).view(5, 2, 0).rows, ["漢字", "漢字"]);
    }
}
