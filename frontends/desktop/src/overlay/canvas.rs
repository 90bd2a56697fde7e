//! A picture with text on it.

use crate::overlay::font::Font;
use crate::scale::Size;

/// Bytes of a pixel: red, green, blue, alpha.
const RGBA: usize = 4;

/// What text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ink {
    /// What is said.
    Text,
    /// What stands before it.
    Label,
    /// Headings.
    Title,
    /// What went wrong.
    Alarm,
}

impl Ink {
    /// Its colour, wholly opaque.
    pub fn rgba(self) -> [u8; RGBA] {
        match self {
            Self::Text => [0xF4, 0xF4, 0xF4, 0xFF],
            Self::Label => [0x9F, 0xB4, 0xC8, 0xFF],
            Self::Title => [0x7C, 0xE3, 0x8B, 0xFF],
            Self::Alarm => [0xFF, 0xB0, 0x6B, 0xFF],
        }
    }
}

/// Dark, and the picture behind shows through: how dark must be so that text can be read over white.
pub const BACKGROUND: [u8; RGBA] = [0x05, 0x08, 0x10, 0xD4];

/// A line of text in several inks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Ink, String)>);

impl Line {
    /// A line that begins with `text`.
    pub fn new(ink: Ink, text: impl Into<String>) -> Self {
        Self(vec![(ink, text.into())])
    }

    /// The line with more text behind.
    pub fn and(mut self, ink: Ink, text: impl Into<String>) -> Self {
        self.0.push((ink, text.into()));
        self
    }

    /// Characters in it.
    pub fn columns(&self) -> u32 {
        self.0.iter().map(|(_, text)| text.chars().count() as u32).sum()
    }

    fn letters(&self) -> impl Iterator<Item = (Ink, char)> + '_ {
        self.0.iter().flat_map(|(ink, text)| text.chars().map(|letter| (*ink, letter)))
    }

    /// The text without its inks.
    #[cfg(test)]
    pub fn text(&self) -> String {
        self.letters().map(|(_, letter)| letter).collect()
    }
}

/// RGBA8 pixels, alpha not multiplied in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Canvas {
    size: Size,
    pixels: Vec<u8>,
}

impl Canvas {
    /// A canvas that shows nothing but the background.
    pub fn new(size: Size) -> Self {
        Self { size, pixels: BACKGROUND.repeat(size.0 as usize * size.1 as usize) }
    }

    /// The pixels, line by line.
    pub fn pixels(&self) -> &[u8] {
        &self.pixels
    }

    /// Writes `line` with its upper left corner at (`x`, `y`), at most `columns` characters of it, the last one marked where there are more.
    /// What lies beyond the edges is left out.
    pub fn write(&mut self, font: &Font, (x, y): Size, columns: u32, line: &Line) {
        let cut = line.columns() > columns;
        for (column, (ink, letter)) in (0..columns).zip(line.letters()) {
            let (ink, letter) = if cut && column + 1 == columns { (Ink::Label, '>') } else { (ink, letter) };
            let left = x.saturating_add(column.saturating_mul(font.size().0));
            if left >= self.size.0 {
                return;
            }
            self.stamp(font, (left, y), ink, letter);
        }
    }

    fn stamp(&mut self, font: &Font, (x, y): Size, ink: Ink, letter: char) {
        let colour = ink.rgba();
        font.dots(letter, |column, row| {
            let (x, y) = (x.saturating_add(column), y.saturating_add(row));
            if x < self.size.0 && y < self.size.1 {
                let at = (y as usize * self.size.0 as usize + x as usize) * RGBA;
                self.pixels[at..at + RGBA].copy_from_slice(&colour);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(size: Size, at: Size, columns: u32, line: &Line) -> Canvas {
        let mut canvas = Canvas::new(size);
        canvas.write(&Font::fitting((640, 480), 1.0), at, columns, line);
        canvas
    }

    fn dots(canvas: &Canvas, ink: Ink) -> usize {
        canvas.pixels.as_chunks::<RGBA>().0.iter().filter(|&&pixel| pixel == ink.rgba()).count()
    }

    #[test]
    fn text_appears_in_its_inks_and_differs() {
        let line = Line::new(Ink::Label, "fps ").and(Ink::Text, "60");
        let canvas = written((200, 20), (2, 2), 20, &line);
        assert!(dots(&canvas, Ink::Label) > 20 && dots(&canvas, Ink::Text) > 20);
        assert_ne!(canvas, written((200, 20), (2, 2), 20, &Line::new(Ink::Label, "fps ").and(Ink::Text, "61")));
        assert_eq!(line.text(), "fps 60");
        assert!(!canvas.pixels.is_empty() && canvas.pixels[..4] == BACKGROUND);
    }

    #[test]
    fn long_lines_are_cut_and_marked() {
        let long = written((200, 20), (0, 0), 10, &Line::new(Ink::Text, "0123456789abc"));
        let mark = written((200, 20), (0, 0), 10, &Line::new(Ink::Text, "012345678").and(Ink::Label, ">"));
        assert_eq!(long, mark);
        assert_eq!(written((200, 20), (0, 0), 0, &Line::new(Ink::Text, "abc")), Canvas::new((200, 20)));
    }

    #[test]
    fn what_lies_beyond_the_edges_is_left_out() {
        let line = Line::new(Ink::Text, "WWWW");
        for size in [(0, 0), (1, 1), (3, 100), (100, 3), (17, 17)] {
            for at in [(0, 0), (2, 2), (99, 99), (u32::MAX, u32::MAX)] {
                assert_eq!(written(size, at, u32::MAX, &line).pixels.len(), size.0 as usize * size.1 as usize * RGBA);
            }
        }
    }
}
