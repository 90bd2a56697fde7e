//! Contact sheets: every mode that a guest went through, small, on one picture.

use crate::glyphs;
use crate::picture::Picture;
use tayberry_engine::display::Frame;

/// Size of a miniature.
const CELL: (u32, u32) = (320, 240);
/// Space around a cell.
const MARGIN: u32 = 12;
/// Height of a label with the space under it.
const LABEL: u32 = 2 * glyphs::HEIGHT + 6;
/// Cells in a row.
const COLUMNS: u32 = 4;
/// Modes on one sheet, the first ones: a guest that changes modes without end must not fill the host's memory.
const MOST_MODES: usize = 64;
const BACKGROUND: [u8; 3] = [0x20, 0x20, 0x28];
const LABEL_COLOUR: [u8; 3] = [0xF0, 0xF0, 0xF0];

/// Size in pixels and bits per pixel.
type Mode = (u32, u32, u32);

/// Collects frames. A mode is a size and a depth; modes stand in the order in which the guest went through them, each with the last frame drawn in it
/// before the next. One that comes back stands there again.
#[derive(Debug, Default)]
pub struct ContactSheet {
    /// The mode on the screen and its latest frame, at full size.
    current: Option<(Mode, Picture)>,
    miniatures: Vec<(Mode, Picture)>,
}

impl ContactSheet {
    /// An empty sheet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a frame.
    pub fn add(&mut self, frame: &Frame) {
        let mode = (frame.width, frame.height, frame.depth);
        match &mut self.current {
            Some((of, picture)) if *of == mode => picture.pixels.copy_from_slice(&frame.pixels),
            _ => {
                self.keep_current();
                self.current = Some((mode, Picture::from(frame)));
            }
        }
    }

    /// Modes on the sheet so far.
    pub fn modes(&self) -> usize {
        (self.miniatures.len() + usize::from(self.current.is_some())).min(MOST_MODES)
    }

    fn keep_current(&mut self) {
        if let Some((mode, picture)) = self.current.take()
            && self.miniatures.len() < MOST_MODES
        {
            self.miniatures.push((mode, shrink(&picture, CELL)));
        }
    }

    /// Draws the sheet. With no frame at all it is one black screen without a label.
    pub fn finish(mut self) -> Picture {
        self.keep_current();
        if self.miniatures.is_empty() {
            return shrink(&Picture::no_signal(), CELL);
        }
        let count = self.miniatures.len() as u32;
        let (columns, rows) = (count.min(COLUMNS), count.div_ceil(COLUMNS));
        let (step_x, step_y) = (CELL.0 + MARGIN, CELL.1 + LABEL + MARGIN);
        let mut sheet = Picture::filled(columns * step_x + MARGIN, rows * step_y + MARGIN, BACKGROUND);
        for (index, ((width, height, depth), miniature)) in (0..).zip(&self.miniatures) {
            let (x, y) = (MARGIN + index % COLUMNS * step_x, MARGIN + index / COLUMNS * step_y);
            let label = format!("{}. {width}x{height} {depth}", index + 1);
            glyphs::draw(&mut sheet, &label, (x, y), 2, LABEL_COLOUR);
            let (left, top) = (x + (CELL.0 - miniature.width) / 2, y + LABEL + (CELL.1 - miniature.height) / 2);
            copy_into(&mut sheet, miniature, (left, top));
        }
        sheet
    }
}

pub(crate) fn copy_into(to: &mut Picture, from: &Picture, (x, y): (u32, u32)) {
    for line in 0..from.height {
        let source = &from.pixels[(line * from.width) as usize * 4..][..from.width as usize * 4];
        let at = ((y + line) as usize * to.width as usize + x as usize) * 4;
        to.pixels[at..at + source.len()].copy_from_slice(source);
    }
}

/// The picture at the largest size of its shape that fits into `most`: made smaller by averaging, or larger by repeating pixels.
pub(crate) fn shrink(picture: &Picture, most: (u32, u32)) -> Picture {
    let (width, height) = fit((picture.width, picture.height), most);
    let mut small = Picture::filled(width, height, [0; 3]);
    for y in 0..height {
        let lines = span(y, height, picture.height);
        for x in 0..width {
            let columns = span(x, width, picture.width);
            let mut sum = [0u64; 3];
            for (line, column) in lines.clone().flat_map(|line| columns.clone().map(move |column| (line, column))) {
                for (sum, part) in sum.iter_mut().zip(picture.rgb(column, line)) {
                    *sum += u64::from(part);
                }
            }
            let count = (lines.len() * columns.len()) as u64;
            small.set_rgb(x, y, sum.map(|sum| (sum / count) as u8));
        }
    }
    small
}

impl Picture {
    /// A copy that fits into `most`, of the same shape: averaged where it has to be smaller.
    pub fn shrunk_to(&self, most: (u32, u32)) -> Self {
        if self.width <= most.0 && self.height <= most.1 { self.clone() } else { shrink(self, most) }
    }
}

/// Source pixels that make up pixel `at` of `of`, when there are `source` of them: at least one.
fn span(at: u32, of: u32, source: u32) -> std::ops::Range<u32> {
    let edge = |at: u32| (u64::from(at) * u64::from(source) / u64::from(of)) as u32;
    edge(at)..edge(at + 1).max(edge(at) + 1)
}

/// The largest size of the shape of `size` within `most`.
fn fit(size: (u32, u32), most: (u32, u32)) -> (u32, u32) {
    let (width, height) = (u64::from(size.0.max(1)), u64::from(size.1.max(1)));
    let (most_width, most_height) = (u64::from(most.0), u64::from(most.1));
    if width * most_height >= height * most_width {
        (most.0, (height * most_width / width).max(1) as u32)
    } else {
        ((width * most_height / height).max(1) as u32, most.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(width: u32, height: u32, depth: u32, rgb: [u8; 3]) -> Frame {
        let [r, g, b] = rgb;
        Frame {
            generation: 1,
            width,
            height,
            depth,
            pixels: [r, g, b, 0xFF].repeat((width * height) as usize).into(),
            changed: 0..height,
            ..Frame::default()
        }
    }

    #[test]
    fn the_shape_is_kept() {
        assert_eq!(fit((640, 480), (320, 240)), (320, 240));
        assert_eq!(fit((1920, 1080), (320, 240)), (320, 180));
        assert_eq!(fit((16, 64), (320, 240)), (60, 240));
        assert_eq!(fit((4096, 1), (320, 240)), (320, 1));
        assert_eq!(fit((0, 0), (320, 240)), (240, 240));
    }

    #[test]
    fn modes_stand_in_their_order_with_their_last_frames() {
        let mut sheet = ContactSheet::new();
        sheet.add(&frame(64, 48, 32, [5, 5, 5]));
        sheet.add(&frame(64, 48, 32, [10, 0, 0]));
        sheet.add(&frame(32, 24, 32, [0, 20, 0]));
        sheet.add(&frame(32, 24, 16, [0, 0, 30]));
        sheet.add(&frame(64, 48, 32, [40, 0, 0]));
        sheet.add(&frame(8, 6, 8, [50, 0, 0]));
        assert_eq!(sheet.modes(), 5);
        let picture = sheet.finish();
        assert_eq!((picture.width, picture.height), (4 * 332 + 12, 2 * (240 + 20 + 12) + 12));
        let corner = |index: u32| (12 + index % 4 * 332, 12 + index / 4 * 272);
        let middle = |index: u32| picture.rgb(corner(index).0 + 160, corner(index).1 + 20 + 120);
        assert_eq!([0, 1, 2, 3, 4].map(middle), [[10, 0, 0], [0, 20, 0], [0, 0, 30], [40, 0, 0], [50, 0, 0]]);
        let label = |index: u32| {
            let (x, y) = corner(index);
            (0..320 * 20).filter(|at| picture.rgb(x + at % 320, y + at / 320) == LABEL_COLOUR).count()
        };
        assert!((0..5).all(|index| label(index) > 50), "each has a label");
    }

    #[test]
    fn averages_when_smaller_and_repeats_when_larger() {
        let mut checks = Picture::filled(640, 480, [0; 3]);
        for at in 0..640 * 480 {
            checks.set_rgb(at % 640, at / 640, [if (at % 640 + at / 640) % 2 == 0 { 0 } else { 200 }; 3]);
        }
        assert_eq!(shrink(&checks, CELL).rgb(7, 9), [100; 3]);
        let mut two = Picture::filled(2, 1, [1; 3]);
        two.set_rgb(1, 0, [250; 3]);
        let large = shrink(&two, CELL);
        assert_eq!((large.width, large.height), (320, 160));
        assert_eq!((large.rgb(159, 80), large.rgb(160, 80)), ([1; 3], [250; 3]));
    }

    #[test]
    fn a_guest_that_never_stops_changing_modes_fills_no_memory() {
        let mut sheet = ContactSheet::new();
        for width in 1..200 {
            sheet.add(&frame(width, 1, 32, [0; 3]));
        }
        let picture = sheet.finish();
        assert_eq!(picture.height, 16 * (240 + 20 + 12) + 12);
    }

    #[test]
    fn no_frame_makes_a_black_sheet() {
        assert_eq!(ContactSheet::new().finish(), Picture::filled(320, 240, [0; 3]));
    }
}
