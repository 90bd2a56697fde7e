//! A frame being made: its pixels, and per line what they were made of.
//!
//! A line has two kinds of memory. Its *hash* says what bytes it was made of, wherever they lay; to compare it the guest's line must be read. Its
//! *origin* says where these bytes lay and in what states the pages were (see [`tayberry_ram::PageMap`]); where pages are settled and their states
//! still the same, the bytes are, and nothing is read.
//!
//! Both say something of the bytes that were really read, the states having been loaded before. So they stay true whatever becomes of the frame:
//! one that is dropped leaves a surface whose lines are known, though nobody saw them.

use crate::display::Scanout;
use crate::display::convert::{Canvas, Converter, RGBA, Store, black};
use crate::display::source::Guest;
use std::ops::Range;
use std::time::Instant;
use tayberry_ram::{GuestRam, PAGE_BYTES, PageState};

/// A complete frame, as the screen shows it.
#[derive(Debug, Default)]
pub struct Frame {
    /// The scanout it was drawn from.
    pub generation: u64,
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// Bits per pixel that the guest paints with: 8, 15, 16, 24 or 32.
    pub depth: u32,
    /// RGBA8, lines from the top without gaps, every alpha 0xFF.
    pub pixels: Vec<u8>,
    /// Lines that differ from the frame shown before; all of them where the size changed.
    pub changed: Range<u32>,
    /// The host's time at which the scanout was published; [`crate::display::Meter`] makes a latency of it.
    pub published_at: Option<Instant>,
}

/// What the pixels of a line were made of. By a 64-bit hash instead of a copy of the source, so that a changed line costs no more memory traffic
/// than a plain copy of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Line {
    /// Pixels of no known origin.
    #[default]
    Unknown,
    /// All black.
    Black,
    /// Made of guest bytes of that hash.
    Of(u64),
}

/// Where the picture lies on the screen and how it is made. Under equal looks equal source bytes make equal lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    size: (u32, u32),
    /// The picture between the borders.
    columns: Range<u32>,
    lines: Range<u32>,
    /// Pixels of a line that come from the guest.
    visible: u32,
    /// Bytes of those.
    source_bytes: usize,
    converter: Converter,
}

impl Look {
    fn of(scanout: &Scanout) -> Self {
        let config = scanout.config();
        let between = |size: u32, before: u32, behind: u32| {
            let from = before.min(size);
            from..size.saturating_sub(behind).max(from)
        };
        Self {
            size: config.physical,
            columns: between(config.physical.0, config.overscan.left, config.overscan.right),
            lines: between(config.physical.1, config.overscan.top, config.overscan.bottom),
            visible: scanout.visible().0,
            source_bytes: scanout.visible().0 as usize * config.depth.bytes() as usize,
            converter: Converter::of(config),
        }
    }

    /// Bytes of a line of the screen.
    fn line_bytes(&self) -> usize {
        (self.size.0 as usize * RGBA).max(1)
    }

    /// Pages that a line of the guest may touch.
    fn pages(&self) -> usize {
        self.source_bytes.div_ceil(PAGE_BYTES as usize) + 1
    }

    fn is_squeezed(&self) -> bool {
        self.columns.len() != self.size.0 as usize
    }
}

/// Position `at` of `squeezed` in a range of `full`: where its centre lies. So the first and the last position stay, down to half the size.
fn stretch(at: u32, squeezed: usize, full: u32) -> u32 {
    ((2 * u64::from(at) + 1) * u64::from(full) / (2 * squeezed as u64).max(1)) as u32
}

/// An address that no line has.
const NOWHERE: u64 = u64::MAX;

/// What the lines of a surface were made of.
#[derive(Debug, Default)]
struct Records {
    lines: Vec<Line>,
    /// Guest-physical addresses.
    origins: Vec<u64>,
    /// So many of each line.
    pages: usize,
    /// States of the pages that lines were read from, loaded before.
    states: Vec<PageState>,
}

impl Records {
    fn reset(&mut self, look: &Look) {
        self.pages = look.pages();
        let height = look.size.1 as usize;
        self.lines.resize(height, Line::Unknown);
        self.origins.resize(height, NOWHERE);
        self.states.resize(height * self.pages, PageState::UNKNOWN);
        self.forget();
    }

    fn forget(&mut self) {
        self.lines.fill(Line::Unknown);
        self.origins.fill(NOWHERE);
    }

    fn all(&mut self) -> RecordsMut<'_> {
        RecordsMut { lines: &mut self.lines, origins: &mut self.origins, pages: self.pages, states: &mut self.states }
    }

    /// Those of at most `height` lines at a time.
    fn chunks(&mut self, height: usize) -> impl Iterator<Item = RecordsMut<'_>> {
        let states = self.states.chunks_mut(height * self.pages.max(1));
        let chunks = self.lines.chunks_mut(height).zip(self.origins.chunks_mut(height)).zip(states);
        chunks.map(|((lines, origins), states)| RecordsMut { lines, origins, pages: self.pages, states })
    }

    /// Takes over what `from` says of a line.
    fn copy_line(&mut self, at: usize, from: &Records) {
        let states = at * self.pages..(at + 1) * self.pages;
        (self.lines[at], self.origins[at]) = (from.lines[at], from.origins[at]);
        self.states[states.clone()].copy_from_slice(&from.states[states]);
    }
}

/// [`Records`] of some lines.
#[derive(Debug)]
struct RecordsMut<'a> {
    lines: &'a mut [Line],
    origins: &'a mut [u64],
    pages: usize,
    states: &'a mut [PageState],
}

impl RecordsMut<'_> {
    fn states(&self, at: usize) -> &[PageState] {
        &self.states[at * self.pages..(at + 1) * self.pages]
    }

    /// Says where the bytes that a line is made of lie now.
    fn found(&mut self, at: usize, address: u64, states: &[PageState]) {
        self.origins[at] = address;
        self.states[at * self.pages..(at + 1) * self.pages].copy_from_slice(states);
    }
}

/// What is known of a line of the frame that is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is as it is shown.
    Same,
    /// It is not, and the next surface has it.
    Changed,
    /// The guest's line must be read.
    Open,
}

/// Where a frame's lines come from.
#[derive(Debug)]
struct Source<'a> {
    look: &'a Look,
    ram: Option<&'a GuestRam>,
    /// Address of the first line.
    first: u64,
    pitch: u64,
    /// Lines of the guest that are shown.
    visible: u32,
}

impl<'a> Source<'a> {
    fn new(scanout: &'a Scanout, look: &'a Look) -> Self {
        let ram = scanout.source().filter(|_| look.visible > 0);
        let visible = scanout.visible().1;
        let first = if ram.is_some() && visible > 0 { scanout.line_address(0) } else { 0 };
        Self { look, ram, first, pitch: u64::from(scanout.config().pitch), visible }
    }

    /// The guest's bytes of screen line `y`; `None` if it is black.
    fn line(&self, y: u32) -> Option<(&'a GuestRam, u64)> {
        let look = self.look;
        let ram = self.ram.filter(|_| look.lines.contains(&y))?;
        let line = if look.lines.len() == look.size.1 as usize { y } else { stretch(y - look.lines.start, look.lines.len(), look.size.1) };
        (line < self.visible).then(|| (ram, self.first + u64::from(line) * self.pitch))
    }

    /// At most `most` lines from `y` on that can be painted at once.
    fn lines(&self, y: u32, most: usize) -> Option<Guest<'a>> {
        let (ram, address) = self.line(y)?;
        let look = self.look;
        let count = match look.is_squeezed() || look.lines.len() != look.size.1 as usize {
            true => 1,
            false => most.min((self.visible.min(look.lines.end) - y) as usize),
        };
        // Always: the scanout was checked against this RAM.
        Guest::new(ram, address, self.pitch, look.source_bytes, count)
    }
}

/// A frame and what it was made of.
#[derive(Debug, Default)]
pub(super) struct Surface {
    pub(super) frame: Frame,
    look: Option<Look>,
    records: Records,
}

impl Surface {
    /// Takes the size and look of `scanout`; what does not fit any more is forgotten.
    pub(super) fn prepare(&mut self, scanout: &Scanout) {
        let look = Look::of(scanout);
        let (width, height) = look.size;
        if self.look.as_ref() != Some(&look) {
            self.frame.pixels.resize(width as usize * height as usize * RGBA, 0);
            self.records.reset(&look);
            self.look = Some(look);
        }
        self.frame.generation = scanout.generation();
        self.frame.published_at = Some(scanout.published_at());
        (self.frame.width, self.frame.height) = (width, height);
        self.frame.depth = scanout.config().depth.bits();
    }

    /// Forgets what the pixels were made of.
    pub(super) fn forget(&mut self) {
        self.records.forget();
    }

    /// Takes over a line of `from`, which looks the same.
    fn copy_line(&mut self, at: usize, from: &Surface) {
        let line_bytes = self.look.as_ref().map_or(1, Look::line_bytes);
        let pixels = at * line_bytes..(at + 1) * line_bytes;
        self.frame.pixels[pixels.clone()].copy_from_slice(&from.frame.pixels[pixels]);
        self.records.copy_line(at, &from.records);
    }
}

/// What is known of a frame that is drawn.
#[derive(Debug, Default)]
pub(super) struct Survey {
    verdicts: Vec<Verdict>,
    /// States of the pages now, laid out as in [`Records`].
    states: Vec<PageState>,
    /// Lines to be read.
    open: usize,
}

impl Survey {
    /// Finds out what can be known of the frame without reading a pixel. `next` is prepared for `scanout`.
    pub(super) fn look(&mut self, next: &mut Surface, shown: &mut Surface, scanout: &Scanout) {
        self.verdicts.clear();
        self.open = 0;
        let comparable = next.look == shown.look;
        let Some(look) = &next.look else { return };
        let source = Source::new(scanout, look);
        if let Some(ram) = source.ram {
            ram.pages().look();
        }
        let (pages, next) = (look.pages(), next.records.all());
        let mut shown = comparable.then(|| shown.records.all());
        self.states.resize(look.size.1 as usize * pages, PageState::UNKNOWN);
        let mut states = self.states.chunks_exact_mut(pages);
        for at in 0..look.size.1 as usize {
            let states = states.next().unwrap_or(&mut []);
            let verdict = match source.line(at as u32) {
                Some((ram, address)) => {
                    let mut in_next = next.origins[at] == address;
                    let mut in_shown = shown.as_ref().is_some_and(|shown| shown.origins[at] == address);
                    let now = ram.pages().states(address..address + look.source_bytes as u64);
                    match &shown {
                        Some(shown) if in_shown => {
                            for ((state, now), then) in states.iter_mut().zip(now).zip(shown.states(at)) {
                                *state = now;
                                in_shown &= then.is_still(now);
                            }
                        }
                        _ => states.iter_mut().zip(now).for_each(|(state, now)| *state = now),
                    }
                    let touched = touched_pages(address, look.source_bytes);
                    in_next = in_next && !in_shown && still(&next.states(at)[..touched], &states[..touched]);
                    match &mut shown {
                        _ if in_shown => Verdict::Same,
                        Some(shown) if in_next && shown.lines[at] == next.lines[at] => {
                            shown.found(at, address, states);
                            Verdict::Same
                        }
                        _ if in_next => Verdict::Changed,
                        _ => Verdict::Open,
                    }
                }
                None if shown.as_ref().is_some_and(|shown| shown.lines[at] == Line::Black) => Verdict::Same,
                None if next.lines[at] == Line::Black => Verdict::Changed,
                None => Verdict::Open,
            };
            self.open += usize::from(verdict == Verdict::Open);
            self.verdicts.push(verdict);
        }
    }

    /// Bytes to be read and written.
    pub(super) fn work(&self, next: &Surface) -> usize {
        next.look.as_ref().map_or(0, |look| self.open * (look.line_bytes() + look.source_bytes))
    }

    /// The work, cut into bands of at most `height` lines.
    pub(super) fn bands<'a>(
        &'a mut self,
        next: &'a mut Surface,
        shown: &'a mut Surface,
        scanout: &'a Scanout,
        height: usize,
        store: Store,
    ) -> impl Iterator<Item = Band<'a>> {
        let (height, comparable) = (height.max(1), next.look == shown.look);
        let (line_bytes, pages) = next.look.as_ref().map_or((1, 1), |look| (look.line_bytes(), look.pages()));
        let pixels = next.frame.pixels.chunks_mut(line_bytes * height);
        let next_records = next.records.chunks(height);
        let mut shown_records = comparable.then(|| shown.records.chunks(height));
        let verdicts = self.verdicts.chunks_mut(height).zip(self.states.chunks(height * pages));
        let look = next.look.as_ref();
        let bands = pixels.zip(next_records).zip(verdicts).enumerate();
        bands.filter_map(move |(index, ((pixels, next), (verdicts, states)))| {
            let shown = shown_records.as_mut().and_then(Iterator::next);
            let source = Source::new(scanout, look?);
            let first = (index * height) as u32;
            verdicts.contains(&Verdict::Open).then_some(Band { first, source, pixels, next, shown, verdicts, states, store })
        })
    }

    /// Makes what was drawn the shown frame, if it differs from it; gives the lines that do.
    pub(super) fn show(&self, next: &mut Surface, shown: &mut Surface) -> Range<u32> {
        let changed = |verdict: &Verdict| *verdict == Verdict::Changed;
        let Some(first) = self.verdicts.iter().position(changed) else { return 0..0 };
        let last = self.verdicts.iter().rposition(changed).unwrap_or(first);
        let is_behind = |at: &usize| self.verdicts[*at] == Verdict::Same && next.records.lines[*at] != shown.records.lines[*at];
        let behind: Vec<usize> = (0..self.verdicts.len()).filter(is_behind).collect();
        let lines = self.verdicts.iter().filter(|verdict| changed(verdict)).count();
        if behind.len() > lines {
            // Less is to be done if the surfaces stay.
            for at in (first..=last).filter(|&at| changed(&self.verdicts[at])) {
                shown.copy_line(at, next);
            }
            (shown.frame.generation, shown.frame.depth) = (next.frame.generation, next.frame.depth);
            shown.frame.published_at = next.frame.published_at;
        } else {
            for at in behind {
                next.copy_line(at, shown);
            }
            std::mem::swap(next, shown);
        }
        first as u32..last as u32 + 1
    }
}

/// Pages that `len` bytes at `address` touch.
fn touched_pages(address: u64, len: usize) -> usize {
    ((address % PAGE_BYTES + len as u64).div_ceil(PAGE_BYTES)) as usize
}

fn still(then: &[PageState], now: &[PageState]) -> bool {
    then.iter().zip(now).all(|(then, now)| then.is_still(*now))
}

/// Some lines of a frame to be drawn, by whichever thread takes them.
#[derive(Debug)]
pub(super) struct Band<'a> {
    first: u32,
    source: Source<'a>,
    /// All of these lines.
    pixels: &'a mut [u8],
    next: RecordsMut<'a>,
    /// Those of the frame that is shown, if it can be compared.
    shown: Option<RecordsMut<'a>>,
    verdicts: &'a mut [Verdict],
    states: &'a [PageState],
    store: Store,
}

/// Memory of a thread that draws.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    /// The guest's line.
    copy: Vec<u8>,
    /// A line of the screen before it is squeezed.
    full_line: Vec<u8>,
}

/// Lines that are painted at once.
const RUN: usize = 16;

impl Band<'_> {
    /// Draws the open lines that differ from the frame shown. Until [`crate::display::convert::settle`] is called other threads may not see them.
    pub(super) fn draw(mut self, scratch: &mut Scratch) {
        // Lines are likely to do what the line before did: a line that is likely to have changed is hashed and painted at once, with those that
        // follow; it does no harm if it has not. One that is not likely to is hashed alone; if it has changed it is read again, and hashed again, as
        // the guest may have stored meanwhile.
        let mut changes = None;
        let mut at = 0;
        while at < self.verdicts.len() {
            if self.verdicts[at] != Verdict::Open {
                at += 1;
                continue;
            }
            let open = self.verdicts[at..].iter().take(RUN).take_while(|verdict| **verdict == Verdict::Open).count();
            let Some(guest) = self.source.lines(self.first + at as u32, open) else {
                self.blacken(at);
                at += 1;
                continue;
            };
            if !changes.unwrap_or_else(|| self.has_moved(at)) {
                match self.compare(at, guest.line(0), scratch) {
                    Some(verdict) => {
                        self.verdicts[at] = verdict;
                        at += 1;
                        continue;
                    }
                    None => changes = Some(true),
                }
            }
            for verdict in self.paint(at, guest, scratch) {
                changes = Some(*verdict == Verdict::Changed);
            }
            at += guest.count();
        }
    }

    /// True if neither surface has this line from where it lies now.
    fn has_moved(&self, at: usize) -> bool {
        let address = self.source.line(self.first + at as u32).map_or(NOWHERE, |(_, address)| address);
        self.next.origins[at] != address && self.shown.as_ref().is_none_or(|shown| shown.origins[at] != address)
    }

    /// Makes a line black that was not.
    fn blacken(&mut self, at: usize) {
        let line_bytes = self.source.look.line_bytes();
        black(&mut self.pixels[at * line_bytes..(at + 1) * line_bytes]);
        (self.next.lines[at], self.next.origins[at], self.verdicts[at]) = (Line::Black, NOWHERE, Verdict::Changed);
    }

    /// Looks whether one of the surfaces has a line, by its hash.
    fn compare(&mut self, at: usize, guest: Guest<'_>, scratch: &mut Scratch) -> Option<Verdict> {
        let now = Line::Of(self.source.look.converter.digest(guest, &mut scratch.copy));
        let states = &self.states[at * self.next.pages..(at + 1) * self.next.pages];
        let in_next = self.next.lines[at] == now;
        if in_next {
            self.next.found(at, guest.address(), states);
        }
        if let Some(shown) = self.shown.as_mut().filter(|shown| shown.lines[at] == now) {
            shown.found(at, guest.address(), states);
            return Some(Verdict::Same);
        }
        in_next.then_some(Verdict::Changed)
    }

    /// Paints lines. Gives what has become of them.
    fn paint(&mut self, at: usize, guest: Guest<'_>, scratch: &mut Scratch) -> &[Verdict] {
        let (look, count, pages) = (self.source.look, guest.count(), self.next.pages);
        let mut digests = [0; RUN];
        let line_bytes = look.line_bytes();
        let pixels = &mut self.pixels[at * line_bytes..(at + count) * line_bytes];
        paint(look, guest, scratch, Canvas { pixels, pitch: line_bytes, store: self.store }, &mut digests);
        for (index, &digest) in digests[..count].iter().enumerate() {
            let (at, address) = (at + index, guest.line(index).address());
            let now = Line::Of(digest);
            let states = &self.states[at * pages..(at + 1) * pages];
            self.next.lines[at] = now;
            self.next.found(at, address, states);
            self.verdicts[at] = Verdict::Changed;
            if let Some(shown) = self.shown.as_mut().filter(|shown| shown.lines[at] == now) {
                shown.found(at, address, states);
                self.verdicts[at] = Verdict::Same;
            }
        }
        &self.verdicts[at..at + count]
    }
}

/// Makes lines of the screen from lines of the guest, and hashes those. A squeezed one is painted alone.
fn paint(look: &Look, guest: Guest<'_>, scratch: &mut Scratch, out: Canvas<'_>, digests: &mut [u64]) {
    let Scratch { copy, full_line } = scratch;
    let picture = look.visible as usize * RGBA;
    if !look.is_squeezed() {
        let Canvas { pixels, pitch, store } = out;
        look.converter.paint(guest, copy, Canvas { pixels, pitch, store }, digests);
        if picture < pitch {
            pixels.chunks_exact_mut(pitch).for_each(|line| black(&mut line[picture..]));
        }
        return;
    }
    full_line.resize(out.pitch, 0);
    look.converter.paint(guest, copy, Canvas { pixels: full_line, pitch: out.pitch, store: Store::Cached }, digests);
    black(&mut full_line[picture..]);
    let out = out.pixels;
    let columns = look.columns.start as usize * RGBA..look.columns.end as usize * RGBA;
    black(&mut out[..columns.start]);
    black(&mut out[columns.end..]);
    let full = full_line.as_chunks::<RGBA>().0;
    for (x, pixel) in (0..).zip(out[columns].as_chunks_mut::<RGBA>().0) {
        *pixel = full[stretch(x, look.columns.len(), look.size.0) as usize];
    }
}
