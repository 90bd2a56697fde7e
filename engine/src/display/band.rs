//! Some lines of a frame, to be drawn by whichever thread takes them.

use crate::display::convert::{Canvas, RGBA, Store, black};
use crate::display::records::{NOTHING, RecordsMut};
use crate::display::source::Guest;
use crate::display::surface::{Look, Source};
use crate::display::survey::Verdict;
use std::ops::Range;

/// Lines of a frame.
#[derive(Debug)]
pub(super) struct Band<'a> {
    pub(super) source: Source<'a>,
    /// All of these lines.
    pub(super) pixels: &'a mut [u8],
    pub(super) next: RecordsMut<'a>,
    /// Those of the frame that is shown, if it can be compared.
    pub(super) shown: Option<RecordsMut<'a>>,
    pub(super) verdicts: &'a mut [Verdict],
    /// Where the lines lie in guest memory; [`NOTHING`] of those that are black.
    pub(super) addresses: &'a [u64],
    /// The survey that looked at the pages.
    pub(super) survey: u64,
    pub(super) store: Store,
}

/// Memory of a thread that draws.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The guest's line.
    copy: Vec<u8>,
    /// A line of the screen before it is squeezed.
    full_line: Vec<u8>,
}

/// Lines that are painted at once while nothing is known of those before.
const FIRST_RUN: usize = 16;
/// The most lines that are painted at once.
const LONGEST_RUN: usize = 256;

impl<'a> Band<'a> {
    /// Draws the open lines that differ from the frame shown. Until [`crate::display::convert::settle`] is called other threads may not see them.
    pub(super) fn draw(mut self, scratch: &mut Scratch) {
        // Lines are likely to do what the line before did: a line that is likely to have changed is hashed and painted at once, with those that
        // follow, the more the longer all have changed; it does no harm if they have not. One that is not likely to is hashed alone; if it has changed
        // it is read again, and hashed again, as the guest may have stored meanwhile.
        let (mut changes, mut most) = (None, FIRST_RUN);
        let mut from = 0;
        while let Some(lines) = self.open_lines(from, most) {
            from = lines.end;
            let at = lines.start;
            let Some(guest) = self.guest(&lines) else {
                self.blacken(lines);
                continue;
            };
            if !changes.unwrap_or_else(|| self.has_moved(at))
                && let Some(verdict) = self.compare(at, guest.line(0), scratch)
            {
                self.verdicts[at] = verdict;
                from = at + 1;
                continue;
            }
            let same = self.paint(lines.clone(), guest, scratch);
            most = if same == 0 { LONGEST_RUN.min(2 * most) } else { FIRST_RUN };
            changes = Some(self.verdicts[lines.end - 1] == Verdict::Changed);
        }
    }

    /// The next open lines, at most `most`, that lie behind each other in memory, or are black.
    fn open_lines(&self, from: usize, most: usize) -> Option<Range<usize>> {
        let is_open = |verdict: &Verdict| *verdict == Verdict::Open;
        let start = from + self.verdicts.get(from..)?.iter().position(is_open)?;
        let most = if self.source.has_runs() { most } else { 1 };
        let is_black = self.addresses[start] == NOTHING;
        let mut lines = self.verdicts[start..].iter().zip(&self.addresses[start..]).take(most);
        let end = lines.position(|(verdict, &address)| !is_open(verdict) || (address == NOTHING) != is_black);
        Some(start..end.map_or_else(|| self.verdicts.len().min(start + most), |count| start + count))
    }

    /// The guest's bytes of lines that lie behind each other; `None` if they are black.
    fn guest(&self, lines: &Range<usize>) -> Option<Guest<'a>> {
        let address = Some(self.addresses[lines.start]).filter(|&address| address != NOTHING)?;
        // Always: the scanout was checked against this RAM.
        Guest::new(self.source.ram?, address, self.source.pitch, self.source.look.source_bytes(), lines.len())
    }

    /// True if neither surface has this line from where it lies now.
    fn has_moved(&self, at: usize) -> bool {
        let address = self.addresses[at];
        self.next.origins[at] != address && self.shown.as_ref().is_none_or(|shown| shown.origins[at] != address)
    }

    /// Makes lines black that were not.
    fn blacken(&mut self, lines: Range<usize>) {
        let line_bytes = self.source.look.line_bytes();
        black(&mut self.pixels[lines.start * line_bytes..lines.end * line_bytes]);
        self.next.blackened(lines.clone());
        self.verdicts[lines].fill(Verdict::Changed);
    }

    /// Looks whether one of the surfaces has a line, by its hash.
    fn compare(&mut self, at: usize, guest: Guest<'_>, scratch: &mut Scratch) -> Option<Verdict> {
        let now = self.source.look.converter().digest(guest, &mut scratch.copy);
        let address = &self.addresses[at..at + 1];
        let in_next = self.next.hashes[at] == now;
        if in_next {
            self.next.found(at..at + 1, address, self.survey);
        }
        if let Some(shown) = self.shown.as_mut().filter(|shown| shown.hashes[at] == now) {
            shown.found(at..at + 1, address, self.survey);
            return Some(Verdict::Same);
        }
        in_next.then_some(Verdict::Changed)
    }

    /// Paints lines. Gives how many of them are as they are shown.
    fn paint(&mut self, lines: Range<usize>, guest: Guest<'_>, scratch: &mut Scratch) -> usize {
        let look = self.source.look;
        let line_bytes = look.line_bytes();
        let pixels = &mut self.pixels[lines.start * line_bytes..lines.end * line_bytes];
        let canvas = Canvas { pixels, pitch: line_bytes, store: self.store };
        paint(look, guest, scratch, canvas, &mut self.next.hashes[lines.clone()]);
        self.next.found(lines.clone(), &self.addresses[lines.clone()], self.survey);
        self.verdicts[lines.clone()].fill(Verdict::Changed);
        let mut same = 0;
        if let Some(shown) = &mut self.shown {
            for at in lines {
                if shown.hashes[at] == self.next.hashes[at] {
                    shown.found_as(at, &self.next);
                    self.verdicts[at] = Verdict::Same;
                    same += 1;
                }
            }
        }
        same
    }
}

/// Makes lines of the screen from lines of the guest, and hashes those. A squeezed one is painted alone.
fn paint(look: &Look, guest: Guest<'_>, scratch: &mut Scratch, out: Canvas<'_>, digests: &mut [u64]) {
    let Scratch { copy, full_line } = scratch;
    let picture = look.picture_bytes();
    let Some(columns) = look.squeezed_columns() else {
        let Canvas { pixels, pitch, store } = out;
        look.converter().paint(guest, copy, Canvas { pixels, pitch, store }, digests);
        if picture < pitch {
            pixels.chunks_exact_mut(pitch).for_each(|line| black(&mut line[picture..]));
        }
        return;
    };
    full_line.resize(out.pitch, 0);
    look.converter().paint(guest, copy, Canvas { pixels: full_line, pitch: out.pitch, store: Store::Cached }, digests);
    black(&mut full_line[picture..]);
    let out = out.pixels;
    let columns = columns.start as usize * RGBA..columns.end as usize * RGBA;
    black(&mut out[..columns.start]);
    black(&mut out[columns.end..]);
    let full = full_line.as_chunks::<RGBA>().0;
    for (x, pixel) in (0..).zip(out[columns].as_chunks_mut::<RGBA>().0) {
        *pixel = full[look.column(x) as usize];
    }
}
