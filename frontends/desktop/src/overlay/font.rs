//! The overlay's letters: Spleen by Frederic Cambus (2-clause BSD licence), a bitmap font in six sizes, each drawn for its size.

use crate::scale::Size;
use spleen_font::{FONT_5X8, FONT_6X12, FONT_8X16, FONT_12X24, FONT_16X32, FONT_32X64, PSF2Font};

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
const UNKNOWN: char = '?';

/// Letters of one size.
pub struct Font {
    size: Size,
    /// None if the font's file cannot be read, which a test rules out.
    face: Option<PSF2Font<'static>>,
}

impl std::fmt::Debug for Font {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Font").field("size", &self.size).finish_non_exhaustive()
    }
}

impl Font {
    /// The letters for a window of so many pixels on a screen with so many of them to a point.
    pub fn fitting(window: Size, scale_factor: f64) -> Self {
        let fits = |(width, height): Size| {
            f64::from(height) <= HEIGHT * scale_factor.max(1.0) && window.0 / width >= LEAST_CELLS.0 && window.1 / height >= LEAST_CELLS.1
        };
        let (size, file) = FACES.into_iter().rfind(|&(size, _)| fits(size)).unwrap_or(FACES[0]);
        Self { size, face: PSF2Font::new(file).ok() }
    }

    /// Width and height of a letter, with its share of the gaps.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Calls `dot` with column and row of each dot of `letter`.
    pub fn dots(&mut self, letter: char, mut dot: impl FnMut(u32, u32)) {
        let Some(face) = &mut self.face else { return };
        let letter = if letter.is_control() { UNKNOWN } else { letter };
        let mut glyph = |letter: char| face.glyph_for_utf8(letter.encode_utf8(&mut [0; 4]).as_bytes());
        let Some(glyph) = glyph(letter).or_else(|| glyph(UNKNOWN)) else { return };
        for (row, line) in (0..).zip(glyph) {
            (0..).zip(line).filter(|&(_, is_set)| is_set).for_each(|(column, _)| dot(column, row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dots(font: &mut Font, letter: char) -> Vec<Size> {
        let mut dots = Vec::new();
        font.dots(letter, |column, row| dots.push((column, row)));
        dots
    }

    #[test]
    fn every_face_has_letters_within_its_size() {
        for (size, file) in FACES {
            let mut font = Font { size, face: PSF2Font::new(file).ok() };
            let mut seen = Vec::new();
            for letter in ('!'..='~').chain("äÖß°µ".chars()) {
                let dots = dots(&mut font, letter);
                assert!(!dots.is_empty(), "{letter} at {size:?}");
                assert!(dots.iter().all(|dot| dot.0 < size.0 && dot.1 < size.1), "{letter} at {size:?}");
                assert!(!seen.contains(&dots), "{letter} at {size:?} is like another");
                seen.push(dots);
            }
            assert!(dots(&mut font, ' ').is_empty());
            let unknown = dots(&mut font, UNKNOWN);
            for odd in ['\0', '\n', '\u{7F}', '\u{1F600}', '\u{10FFFF}'] {
                assert_eq!(dots(&mut font, odd), unknown);
            }
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
