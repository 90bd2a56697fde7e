//! A frame being made: its pixels, and per line what they were made of.

use crate::display::Scanout;
use crate::display::convert::{Converter, RGBA, black};
use std::ops::Range;
use std::time::Instant;
use tayberry_ram::GuestRam;
use xxhash_rust::xxh3::xxh3_64;

/// What guest RAM is read in; RAM is a multiple of it.
const WORD: usize = 8;

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
pub(super) enum Line {
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
            converter: Converter::of(config),
        }
    }

    fn is_squeezed(&self) -> bool {
        self.columns.len() != self.size.0 as usize
    }
}

/// Position `at` of `squeezed` in a range of `full`: where its centre lies. So the first and the last position stay, down to half the size.
fn stretch(at: u32, squeezed: usize, full: u32) -> u32 {
    ((2 * u64::from(at) + 1) * u64::from(full) / (2 * squeezed as u64).max(1)) as u32
}

/// A frame and what it was made of.
#[derive(Debug, Default)]
pub(super) struct Surface {
    pub(super) frame: Frame,
    look: Option<Look>,
    lines: Vec<Line>,
}

impl Surface {
    /// Takes the size and look of `scanout`; what does not fit any more is forgotten.
    pub(super) fn prepare(&mut self, scanout: &Scanout) {
        let look = Look::of(scanout);
        let (width, height) = look.size;
        if self.look.as_ref() != Some(&look) {
            self.frame.pixels.resize(width as usize * height as usize * RGBA, 0);
            self.lines.clear();
            self.lines.resize(height as usize, Line::Unknown);
            self.look = Some(look);
        }
        self.frame.generation = scanout.generation();
        self.frame.published_at = Some(scanout.published_at());
        (self.frame.width, self.frame.height) = (width, height);
        self.frame.depth = scanout.config().depth.bits();
    }

    /// Forgets what the pixels were made of.
    pub(super) fn forget(&mut self) {
        self.lines.fill(Line::Unknown);
    }

    /// The lines of `shown`, if it was made in the same way.
    fn comparable<'a>(&self, shown: &'a Surface) -> Option<&'a [Line]> {
        (self.look == shown.look).then_some(&shown.lines)
    }

    /// The work of a frame, cut into bands of at most `height` lines.
    pub(super) fn bands<'a>(&'a mut self, shown: &'a Surface, scanout: &'a Scanout, height: usize) -> Vec<Band<'a>> {
        let before = self.comparable(shown);
        let (Some(look), height) = (&self.look, height.max(1)) else {
            return Vec::new();
        };
        let line_bytes = (look.size.0 as usize * RGBA).max(1);
        let pixels = self.frame.pixels.chunks_mut(line_bytes * height);
        let bands = pixels.zip(self.lines.chunks_mut(height)).enumerate();
        bands
            .map(|(index, (pixels, lines))| {
                let first = index * height;
                let before = before.and_then(|before| before.get(first..first + lines.len()));
                Band { first: first as u32, line_bytes, pixels, lines, before, look, scanout }
            })
            .collect()
    }

    /// Completes lines that [`Band::draw`] left out because they are as `shown` has them.
    pub(super) fn fill_from(&mut self, shown: &Surface) {
        let line_bytes = (self.frame.width as usize * RGBA).max(1);
        let theirs = shown.frame.pixels.chunks_exact(line_bytes).zip(&shown.lines);
        for ((pixels, line), (their_pixels, their_line)) in self.frame.pixels.chunks_exact_mut(line_bytes).zip(&mut self.lines).zip(theirs)
        {
            if *line == Line::Unknown {
                pixels.copy_from_slice(their_pixels);
                *line = *their_line;
            }
        }
    }
}

/// Some lines of a frame to be drawn, by whichever thread takes them.
#[derive(Debug)]
pub(super) struct Band<'a> {
    first: u32,
    line_bytes: usize,
    pixels: &'a mut [u8],
    lines: &'a mut [Line],
    /// The same lines of the frame that is shown.
    before: Option<&'a [Line]>,
    look: &'a Look,
    scanout: &'a Scanout,
}

/// Memory of a thread that draws.
#[derive(Debug, Default)]
pub(super) struct Scratch {
    source: SourceLine,
    full_line: Vec<u8>,
}

impl Band<'_> {
    /// Draws what differs from the frame shown. Gives the range of lines that differ.
    pub(super) fn draw(self, scratch: &mut Scratch) -> Range<u32> {
        let Band { first, line_bytes, pixels, lines, before, look, scanout } = self;
        let mut changed = Range { start: u32::MAX, end: 0 };
        for (at, (pixels, line)) in pixels.chunks_exact_mut(line_bytes).zip(lines).enumerate() {
            let y = first + at as u32;
            let now = fetch(scanout, look, y, &mut scratch.source);
            if before.is_some_and(|before| before[at] == now) {
                if *line != now {
                    *line = Line::Unknown;
                }
                continue;
            }
            changed = changed.start.min(y)..y + 1;
            if *line != now {
                match now {
                    Line::Of(_) => paint(look, scratch.source.bytes(), &mut scratch.full_line, pixels),
                    Line::Black | Line::Unknown => black(pixels),
                }
                *line = now;
            }
        }
        changed
    }
}

/// Copies the guest's bytes of screen line `y` to `source`.
fn fetch(scanout: &Scanout, look: &Look, y: u32, source: &mut SourceLine) -> Line {
    let Some(ram) = scanout.source().filter(|_| look.visible > 0 && look.lines.contains(&y)) else {
        return Line::Black;
    };
    let line = stretch(y - look.lines.start, look.lines.len(), look.size.1);
    if line >= scanout.visible().1 {
        return Line::Black;
    }
    let len = look.visible as usize * scanout.config().depth.bytes() as usize;
    match source.read(ram, scanout.line_address(line), len) {
        Some(bytes) => Line::Of(xxh3_64(bytes)),
        // Cannot be: the scanout was checked against this RAM.
        None => Line::Black,
    }
}

/// The guest's bytes of one line.
#[derive(Debug, Default)]
struct SourceLine {
    words: Vec<u8>,
    /// Where the line lies in them.
    line: Range<usize>,
}

impl SourceLine {
    /// Copies whole aligned words around the line, so that no pixel is torn that the guest stored at once.
    fn read(&mut self, ram: &GuestRam, address: u64, len: usize) -> Option<&[u8]> {
        let skip = (address % WORD as u64) as usize;
        self.line = skip..skip + len;
        self.words.resize(self.line.end.next_multiple_of(WORD), 0);
        ram.copy_out(address - skip as u64, &mut self.words)?;
        Some(self.bytes())
    }

    fn bytes(&self) -> &[u8] {
        &self.words[self.line.clone()]
    }
}

/// Makes a line of the screen from a line of the guest.
fn paint(look: &Look, source: &[u8], full_line: &mut Vec<u8>, out: &mut [u8]) {
    if !look.is_squeezed() {
        return paint_full(look, source, out);
    }
    full_line.resize(out.len(), 0);
    paint_full(look, source, full_line);
    let columns = look.columns.start as usize * RGBA..look.columns.end as usize * RGBA;
    black(&mut out[..columns.start]);
    black(&mut out[columns.end..]);
    let full = full_line.as_chunks::<RGBA>().0;
    for (x, pixel) in (0..).zip(out[columns].as_chunks_mut::<RGBA>().0) {
        *pixel = full[stretch(x, look.columns.len(), look.size.0) as usize];
    }
}

fn paint_full(look: &Look, source: &[u8], out: &mut [u8]) {
    let (picture, rest) = out.split_at_mut(look.visible as usize * RGBA);
    look.converter.line(source, picture);
    black(rest);
}
