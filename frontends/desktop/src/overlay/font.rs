//! The overlay's letters: Spleen by Frederic Cambus (2-clause BSD licence), a bitmap font in six sizes, each drawn for its size.
//!
//! The files are PC Screen Fonts of either version. Only ASCII is taken from them, which lies at its own places.

use crate::scale::Size;
use spleen_font::{FONT_5X8, FONT_6X12, FONT_8X16, FONT_12X24, FONT_16X32, FONT_32X64};

/// The sizes with their files, the smallest first.
const FACES: [(Size, &[u8]); 6] = [
    ((5, 8), FONT_5X8),
    ((6, 12), FONT_6X12),
    ((8, 16), FONT_8X16),
    ((12, 24), FONT_12X24),
    ((16, 32), FONT_16X32),
    ((32, 64), FONT_32X64),
];
/// Height of a letter on a screen of ordinary density.
const HEIGHT: f64 = 16.0;
/// What a window should have room for; in a smaller one letters are smaller.
const LEAST_CELLS: Size = (60, 18);
/// Stands for what the font has not.
const UNKNOWN: u8 = b'?';

/// How the files of the first version begin, and how long their header is; that of the second version says how long it is.
const PSF1: &[u8] = &[0x36, 0x04];
const PSF1_HEADER: usize = 4;
const PSF2_HEADER_AT: usize = 8;

/// Letters of one size.
#[derive(Clone, Copy, Debug)]
pub struct Font {
    size: Size,
    /// Bits of the letters, line by line, each line in whole bytes.
    letters: &'static [u8],
}

impl Font {
    fn new((size, file): (Size, &'static [u8])) -> Self {
        let header = match file.get(PSF2_HEADER_AT..PSF2_HEADER_AT + 4) {
            Some(&[a, b, c, d]) if !file.starts_with(PSF1) => u32::from_le_bytes([a, b, c, d]) as usize,
            _ => PSF1_HEADER,
        };
        Self { size, letters: file.get(header..).unwrap_or_default() }
    }

    /// The letters for a window of so many pixels on a screen with so many of them to a point.
    pub fn fitting(window: Size, scale_factor: f64) -> Self {
        let fits = |(width, height): Size| {
            f64::from(height) <= HEIGHT * scale_factor.max(1.0) && window.0 / width >= LEAST_CELLS.0 && window.1 / height >= LEAST_CELLS.1
        };
        Self::new(FACES.into_iter().rfind(|&(size, _)| fits(size)).unwrap_or(FACES[0]))
    }

    /// Width and height of a letter, with its share of the gaps.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Calls `dot` with column and row of each dot of `letter`.
    pub fn dots(&self, letter: char, mut dot: impl FnMut(u32, u32)) {
        let letter = if letter.is_ascii() && !letter.is_ascii_control() { letter as u8 } else { UNKNOWN };
        let line_bytes = self.size.0.div_ceil(8) as usize;
        let lines = self.letters.chunks_exact(line_bytes).skip(usize::from(letter) * self.size.1 as usize);
        for (row, line) in (0..self.size.1).zip(lines) {
            let is_set = |column: &u32| line[*column as usize / 8] & 0x80 >> (column % 8) != 0;
            (0..self.size.0).filter(is_set).for_each(|column| dot(column, row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(font: Font, letter: char) -> Vec<Size> {
        let mut dots = Vec::new();
        font.dots(letter, |column, row| dots.push((column, row)));
        dots
    }

    #[test]
    fn every_face_has_letters_within_its_size() {
        for (size, file) in FACES {
            let font = Font::new((size, file));
            let mut seen = Vec::new();
            for letter in '!'..='~' {
                let dots = dots(font, letter);
                assert!(!dots.is_empty(), "{letter} at {size:?}");
                assert!(!seen.contains(&dots), "{letter} at {size:?} is like another");
                seen.push(dots);
            }
            assert!(dots(font, ' ').is_empty());
            let unknown = dots(font, UNKNOWN.into());
            for odd in ['\0', '\n', '\u{7F}', 'é', '\u{1F600}', '\u{10FFFF}'] {
                assert_eq!(dots(font, odd), unknown);
            }
            // An L: an upright stroke of at most a third of the width, and a foot.
            let upright = dots(font, 'L');
            let (top, foot) = (upright[0].1, upright[upright.len() - 1].1);
            assert!((foot - top + 1) * 2 > size.1 && foot < size.1, "{size:?}: from {top} to {foot}");
            let width = |at: u32| upright.iter().filter(|dot| dot.1 == at).count() as u32;
            assert!(width(top) * 3 <= size.0 && width((top + foot) / 2) * 3 <= size.0 && width(foot) * 2 >= size.0, "{size:?}");
        }
    }

    #[test]
    fn letters_follow_density_and_window() {
        let size = |window, scale| Font::fitting(window, scale).size();
        assert_eq!(size((1280, 960), 1.0), (8, 16));
        assert_eq!(size((1280, 960), 1.25), (8, 16));
        assert_eq!(size((1920, 1080), 1.5), (12, 24));
        assert_eq!(size((3840, 2160), 2.0), (16, 32));
        assert_eq!(size((7680, 4320), 4.0), (32, 64));
        assert_eq!(size((640, 480), 2.0), (8, 16), "there is no room for larger ones");
        assert_eq!(size((400, 300), 1.0), (6, 12));
        assert_eq!(size((1, 1), 1.0), (5, 8));
        assert_eq!(size((1920, 1080), f64::NAN), (8, 16));
    }
}
