//! What can be known of a frame without reading a pixel of it.

use crate::display::Scanout;
use crate::display::band::Band;
use crate::display::convert::Store;
use crate::display::records::NOTHING;
use crate::display::surface::{Look, Source, Surface};
use std::ops::Range;
use tayberry_ram::{GuestRam, PAGE_BYTES, PageState};

/// What is known of a line of the frame that is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Verdict {
    /// It is as it is shown.
    Same,
    /// It is not, and the next surface has it.
    Changed,
    /// The guest's line must be read.
    Open,
}

/// A page of guest RAM.
#[derive(Clone, Copy, Debug)]
struct Page {
    /// As the last survey found it that looked at it.
    state: PageState,
    /// The first survey that found it so; the last one if it is not settled. What was read since then is what it holds.
    since: u64,
}

/// The pages that surveys have looked at.
#[derive(Debug, Default)]
struct Watch {
    /// Number of the first page.
    first: usize,
    pages: Vec<Page>,
}

impl Watch {
    /// Looks at the pages of `range`, which lies in `ram`, in the name of survey `number`: to be done before the bytes are read. Gives the newest
    /// survey that found one of them changed.
    fn look(&mut self, ram: &GuestRam, range: Range<u64>, number: u64) -> u64 {
        let mut newest = 0;
        for (page, now) in self.pages_mut(&range).iter_mut().zip(ram.pages().states(range)) {
            if !page.state.is_still(now) {
                *page = Page { state: now, since: number };
            }
            newest = newest.max(page.since);
        }
        newest
    }

    /// The newest survey that found one of the pages of `range` changed; all of them were looked at.
    fn newest(&self, range: Range<u64>) -> u64 {
        let pages = page(range.start) - self.first..page(range.end - 1) + 1 - self.first;
        self.pages[pages].iter().map(|page| page.since).max().unwrap_or(0)
    }

    /// Those of `range`, and all between them and those that are there already.
    fn pages_mut(&mut self, range: &Range<u64>) -> &mut [Page] {
        const NEW: Page = Page { state: PageState::UNKNOWN, since: 0 };
        if range.is_empty() {
            return &mut [];
        }
        let pages = page(range.start)..page(range.end - 1) + 1;
        if self.pages.is_empty() {
            self.first = pages.start;
        }
        let before = self.first.saturating_sub(pages.start);
        self.pages.splice(0..0, std::iter::repeat_n(NEW, before));
        self.first -= before;
        let pages = pages.start - self.first..pages.end - self.first;
        if self.pages.len() < pages.end {
            self.pages.resize(pages.end, NEW);
        }
        &mut self.pages[pages]
    }
}

fn page(address: u64) -> usize {
    (address / PAGE_BYTES) as usize
}

/// What is known of a frame that is drawn.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// Surveys so far.
    number: u64,
    verdicts: Vec<Verdict>,
    /// Where the lines lie; [`NOTHING`] of those that are black.
    addresses: Vec<u64>,
    /// Lines to be read or blackened.
    open: usize,
    watch: Watch,
}

impl Survey {
    /// Finds out what can be known of the frame without reading a pixel. `next` is prepared for `scanout`.
    pub(super) fn look(&mut self, next: &mut Surface, shown: &mut Surface, scanout: &Scanout) {
        self.verdicts.clear();
        self.open = 0;
        self.number += 1;
        let comparable = next.look == shown.look;
        let Some(look) = &next.look else { return };
        let source = Source::new(scanout, look);
        source.addresses(&mut self.addresses);
        let newest = self.look_at_pages(&source);
        let watch = &self.watch;
        let next = next.records.all();
        let mut shown = comparable.then(|| shown.records.all());
        self.verdicts.extend(self.addresses.iter().enumerate().map(|(at, &address)| {
            // Mostly no page has changed; where one has, it may not be one of this line's.
            let changed = |then: u64| if newest <= then { newest } else { watch.newest(address..address + look.source_bytes() as u64) };
            match &mut shown {
                Some(shown) if shown.is_known(at, address, changed) => Verdict::Same,
                Some(shown) if next.is_known(at, address, changed) && shown.hashes[at] == next.hashes[at] => {
                    shown.found_as(at, &next);
                    Verdict::Same
                }
                _ if next.is_known(at, address, changed) => Verdict::Changed,
                _ => Verdict::Open,
            }
        }));
        self.open = self.verdicts.iter().filter(|verdict| **verdict == Verdict::Open).count();
    }

    /// Looks at the pages of all lines. Gives the newest survey that found one of them changed.
    fn look_at_pages(&mut self, source: &Source<'_>) -> u64 {
        let Some(ram) = source.ram else { return 0 };
        ram.pages().look();
        let (watch, number, len) = (&mut self.watch, self.number, source.look.source_bytes() as u64);
        let lines = self.addresses.iter().filter(|&&address| address != NOTHING);
        if source.pitch <= len + PAGE_BYTES {
            let (Some(first), Some(last)) = (lines.clone().next(), lines.clone().next_back()) else { return 0 };
            return watch.look(ram, *first..last + len, number);
        }
        lines.map(|&address| watch.look(ram, address..address + len, number)).max().unwrap_or(0)
    }

    /// Bytes to be read and written.
    pub(super) fn work(&self, next: &Surface) -> usize {
        next.look.as_ref().map_or(0, |look| self.open * (look.line_bytes() + look.source_bytes()))
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
        let (height, comparable, survey) = (height.max(1), next.look == shown.look, self.number);
        let line_bytes = next.look.as_ref().map_or(1, Look::line_bytes);
        let pixels = next.frame.pixels.chunks_mut(line_bytes * height);
        let next_records = next.records.chunks(height);
        let mut shown_records = comparable.then(|| shown.records.chunks(height));
        let lines = self.verdicts.chunks_mut(height).zip(self.addresses.chunks(height));
        let source = next.look.as_ref().map(|look| Source::new(scanout, look));
        pixels.zip(next_records).zip(lines).filter_map(move |((pixels, next), (verdicts, addresses))| {
            let shown = shown_records.as_mut().and_then(Iterator::next);
            let source = source.clone()?;
            verdicts.contains(&Verdict::Open).then_some(Band { source, pixels, next, shown, verdicts, addresses, survey, store })
        })
    }

    /// Makes what was drawn the shown frame, if it differs from it; gives the lines that do.
    pub(super) fn show(&self, next: &mut Surface, shown: &mut Surface) -> Range<u32> {
        let changed = |verdict: &Verdict| *verdict == Verdict::Changed;
        let Some(first) = self.verdicts.iter().position(changed) else { return 0..0 };
        let last = self.verdicts.iter().rposition(changed).unwrap_or(first);
        let lines = self.verdicts.iter().filter(|verdict| changed(verdict)).count();
        let is_behind = |at: &usize| self.verdicts[*at] == Verdict::Same && next.records.hashes()[*at] != shown.records.hashes()[*at];
        // All have changed: none can be behind.
        let candidates = if lines == self.verdicts.len() { 0..0 } else { 0..self.verdicts.len() };
        let behind: Vec<usize> = candidates.filter(is_behind).collect();
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
