//! A frame being made: its pixels, how they are made of guest memory, and of what they were made.

use crate::display::convert::{Converter, RGBA, Set};
use crate::display::records::{NOTHING, Records};
use crate::display::{Pixels, Scanout};
use std::ops::Range;
use std::time::Instant;
use tayberry_ram::GuestRam;

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
    pub pixels: Pixels,
    /// Lines that differ from the frame shown before; all of them where the size changed.
    pub changed: Range<u32>,
    /// The host's time at which the scanout was published; [`crate::display::Meter`] makes a latency of it.
    pub published_at: Option<Instant>,
}

/// Where the picture lies on the screen and what of it the guest has.
#[derive(Clone, Debug, PartialEq)]
struct Geometry {
    size: (u32, u32),
    /// The picture between the borders.
    columns: Range<u32>,
    lines: Range<u32>,
    /// Pixels of a line that come from the guest.
    visible: u32,
    /// Bytes of those.
    source_bytes: usize,
}

impl Geometry {
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
        }
    }
}

/// Where the picture lies on the screen and how it is made. Under equal looks equal source bytes make equal lines.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Look {
    geometry: Geometry,
    converter: Converter,
}

impl Look {
    fn of(scanout: &Scanout, geometry: Geometry, set: Set) -> Self {
        Self { geometry, converter: Converter::with(set, scanout.config()) }
    }

    /// True if it is that of a scanout with this geometry.
    fn is_of(&self, scanout: &Scanout, geometry: &Geometry, set: Set) -> bool {
        self.geometry == *geometry && self.converter.is_for(set, scanout.config())
    }

    pub(super) fn converter(&self) -> &Converter {
        &self.converter
    }

    /// Bytes of a line of the screen.
    pub(super) fn line_bytes(&self) -> usize {
        (self.geometry.size.0 as usize * RGBA).max(1)
    }

    /// Bytes of a line of the guest, as far as they are shown.
    pub(super) fn source_bytes(&self) -> usize {
        self.geometry.source_bytes
    }

    /// Bytes of a line of the screen that come from the guest, before it is squeezed.
    pub(super) fn picture_bytes(&self) -> usize {
        self.geometry.visible as usize * RGBA
    }

    /// The columns that a line is squeezed to; `None` if it is not.
    pub(super) fn squeezed_columns(&self) -> Option<Range<u32>> {
        let Geometry { size, columns, .. } = &self.geometry;
        (columns.len() != size.0 as usize).then(|| columns.clone())
    }

    fn has_squeezed_lines(&self) -> bool {
        self.geometry.lines.len() != self.geometry.size.1 as usize
    }

    /// The pixel of the whole line that is shown at column `at` of a squeezed one.
    pub(super) fn column(&self, at: u32) -> u32 {
        stretch(at, self.geometry.columns.len(), self.geometry.size.0)
    }
}

/// Position `at` of `squeezed` in a range of `full`: where its centre lies. So the first and the last position stay, down to half the size.
fn stretch(at: u32, squeezed: usize, full: u32) -> u32 {
    ((2 * u64::from(at) + 1) * u64::from(full) / (2 * squeezed as u64).max(1)) as u32
}

/// Where a frame's lines come from.
#[derive(Clone, Debug)]
pub(super) struct Source<'a> {
    pub(super) look: &'a Look,
    /// `None` if the whole screen is black.
    pub(super) ram: Option<&'a GuestRam>,
    /// Address of the first line.
    first: u64,
    pub(super) pitch: u64,
    /// Lines of the guest that are shown.
    visible: u32,
}

impl<'a> Source<'a> {
    pub(super) fn new(scanout: &'a Scanout, look: &'a Look) -> Self {
        let visible = scanout.visible().1;
        let ram = scanout.source().filter(|_| look.geometry.visible > 0 && visible > 0);
        let first = if ram.is_some() { scanout.line_address(0) } else { 0 };
        Self { look, ram, first, pitch: u64::from(scanout.config().pitch), visible }
    }

    /// Where the lines of the screen lie, from the first one on; [`NOTHING`] of those that are black.
    pub(super) fn addresses(&self, out: &mut Vec<u64>) {
        let Geometry { size, lines, .. } = &self.look.geometry;
        out.clear();
        out.resize(size.1 as usize, NOTHING);
        if self.ram.is_none() {
            return;
        }
        let place = |line: u32| self.first + u64::from(line) * self.pitch;
        if self.look.has_squeezed_lines() {
            for (at, address) in (0..).zip(&mut out[lines.start as usize..lines.end as usize]) {
                let line = stretch(at, lines.len(), size.1);
                *address = if line < self.visible { place(line) } else { NOTHING };
            }
        } else {
            (0..self.visible).zip(out).for_each(|(line, address)| *address = place(line));
        }
    }

    /// True if lines of the screen that follow each other do so in memory as well, and can be painted at once.
    pub(super) fn has_runs(&self) -> bool {
        !self.look.has_squeezed_lines() && self.look.squeezed_columns().is_none()
    }
}

/// A frame and what it was made of.
#[derive(Debug, Default)]
pub(super) struct Surface {
    pub(super) frame: Frame,
    pub(super) look: Option<Look>,
    pub(super) records: Records,
}

impl Surface {
    /// Takes the size and look of `scanout`, to be drawn by `set`; what does not fit any more is forgotten.
    pub(super) fn prepare(&mut self, scanout: &Scanout, set: Set) {
        let geometry = Geometry::of(scanout);
        let (width, height) = geometry.size;
        if !self.look.as_ref().is_some_and(|look| look.is_of(scanout, &geometry, set)) {
            self.frame.pixels.resize(width as usize * height as usize * RGBA);
            self.records.reset(height as usize);
            self.look = Some(Look::of(scanout, geometry, set));
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
    pub(super) fn copy_line(&mut self, at: usize, from: &Self) {
        let line_bytes = self.look.as_ref().map_or(1, Look::line_bytes);
        let pixels = at * line_bytes..(at + 1) * line_bytes;
        self.frame.pixels[pixels.clone()].copy_from_slice(&from.frame.pixels[pixels]);
        self.records.copy_line(at, &from.records);
    }
}
