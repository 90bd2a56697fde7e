//! Where a picture differs from the one expected, in numbers and as a picture.

use crate::glyphs;
use crate::picture::Picture;
use crate::sheet::copy_into;
use std::fmt;

/// Space between the panels and around them.
const MARGIN: u32 = 8;
/// Height of a label with the space under it.
const LABEL: u32 = 2 * glyphs::HEIGHT + MARGIN;
/// Least width of a panel: its label fits.
const LEAST_WIDTH: u32 = 9 * 2 * glyphs::ADVANCE;
const BACKGROUND: [u8; 3] = [0x20, 0x20, 0x28];
const LABEL_COLOUR: [u8; 3] = [0xF0, 0xF0, 0xF0];
/// A pixel that differs.
const DIFFERENT: [u8; 3] = [0xFF, 0x00, 0xFF];
/// The frame around all of them.
const AROUND: [u8; 3] = [0xFF, 0xE0, 0x00];

/// The difference of two pictures that are not the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Difference {
    /// They have different sizes: width and height.
    Size {
        /// Of the picture expected.
        expected: (u32, u32),
        /// Of the other.
        shown: (u32, u32),
    },
    /// Pixels differ.
    Pixels {
        /// So many do.
        count: u64,
        /// Of so many.
        of: u64,
        /// The first of them, line by line: column and line.
        first: (u32, u32),
        /// RGB there, expected.
        expected: [u8; 3],
        /// RGB there.
        shown: [u8; 3],
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Size { expected: (width, height), shown: (columns, lines) } => {
                write!(f, "the screen has {columns}x{lines} pixels, the picture {width}x{height}")
            }
            Self::Pixels { count, of, first: (x, y), expected, shown } => {
                let colour = |[red, green, blue]: [u8; 3]| format!("#{red:02x}{green:02x}{blue:02x}");
                let differ = if count == 1 { "differs" } else { "differ" };
                let (expected, shown) = (colour(expected), colour(shown));
                write!(f, "{count} of {of} pixels {differ}, the first at x={x} y={y}: {expected} expected, {shown} shown")
            }
        }
    }
}

impl Difference {
    /// What `shown` differs in from `expected`; `None` if it does not. Alpha is not looked at.
    pub fn between(expected: &Picture, shown: &Picture) -> Option<Self> {
        if (expected.width, expected.height) != (shown.width, shown.height) {
            return Some(Self::Size { expected: (expected.width, expected.height), shown: (shown.width, shown.height) });
        }
        let (ours, theirs) = (expected.pixels.as_chunks::<4>().0, shown.pixels.as_chunks::<4>().0);
        let mut differing = ours.iter().zip(theirs).enumerate().filter(|(_, (a, b))| a[..3] != b[..3]);
        let (first, _) = differing.next()?;
        let at = ((first as u64 % u64::from(expected.width)) as u32, (first as u64 / u64::from(expected.width)) as u32);
        Some(Self::Pixels {
            count: 1 + differing.count() as u64,
            of: ours.len() as u64,
            first: at,
            expected: expected.rgb(at.0, at.1),
            shown: shown.rgb(at.0, at.1),
        })
    }

    /// Draws both side by side, and third the one shown in dark grey levels, with the pixels that differ in magenta and a yellow frame around them.
    pub fn draw(expected: &Picture, shown: &Picture) -> Picture {
        let marked = mark(expected, shown);
        let (width, height) = (marked.width.max(LEAST_WIDTH), marked.height);
        let step = width + MARGIN;
        let mut all = Picture::filled(3 * step + MARGIN, LABEL + height + 2 * MARGIN, BACKGROUND);
        for (index, (label, picture)) in (0..).zip([("expected", expected), ("shown", shown), ("different", &marked)]) {
            let left = MARGIN + index * step;
            glyphs::draw(&mut all, label, (left, MARGIN), 2, LABEL_COLOUR);
            copy_into(&mut all, picture, (left, MARGIN + LABEL));
        }
        all
    }
}

/// The third panel.
fn mark(expected: &Picture, shown: &Picture) -> Picture {
    let (width, height) = (expected.width.max(shown.width), expected.height.max(shown.height));
    let mut marked = Picture::filled(width, height, BACKGROUND);
    let inside = |picture: &Picture, x, y| (x < picture.width && y < picture.height).then(|| picture.rgb(x, y));
    let mut around: Option<[u32; 4]> = None;
    for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
        let (ours, theirs) = (inside(expected, x, y), inside(shown, x, y));
        match theirs {
            Some([red, green, blue]) if ours == theirs => {
                let level = ((u32::from(red) * 2 + u32::from(green) * 5 + u32::from(blue)) / 8 / 3) as u8;
                marked.set_rgb(x, y, [level; 3]);
            }
            // Two sizes leave corners that neither has.
            None if ours.is_none() => {}
            _ => {
                marked.set_rgb(x, y, DIFFERENT);
                around =
                    Some(around.map_or([x, y, x, y], |[left, top, right, bottom]| [left.min(x), top.min(y), right.max(x), bottom.max(y)]));
            }
        }
    }
    if let Some([left, top, right, bottom]) = around {
        // Two pixels off, and only where it hides nothing.
        let (left, top) = (i64::from(left) - 2, i64::from(top) - 2);
        let (right, bottom) = (i64::from(right) + 2, i64::from(bottom) + 2);
        let mut point = |x: i64, y: i64| {
            if let (Ok(x), Ok(y)) = (u32::try_from(x), u32::try_from(y)) {
                marked.set_rgb(x, y, AROUND);
            }
        };
        (left..=right).for_each(|x| [top, bottom].into_iter().for_each(|y| point(x, y)));
        (top..=bottom).for_each(|y| [left, right].into_iter().for_each(|x| point(x, y)));
    }
    marked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_pictures_do_not_differ() {
        let picture = Picture::filled(3, 2, [1, 2, 3]);
        let mut same = picture.clone();
        same.pixels[3] = 0;
        assert_eq!(Difference::between(&picture, &same), None, "alpha is nobody's business");
    }

    #[test]
    fn pixels_are_counted_and_the_first_is_named() {
        let expected = Picture::filled(30, 20, [0; 3]);
        let mut shown = expected.clone();
        shown.set_rgb(2, 1, [0x10, 0x20, 0x30]);
        let one = Difference::between(&expected, &shown).expect("one pixel").to_string();
        assert_eq!(one, "1 of 600 pixels differs, the first at x=2 y=1: #000000 expected, #102030 shown");
        shown.set_rgb(0, 2, [1, 0, 0]);
        shown.set_rgb(20, 10, [0, 0, 1]);
        let all = Difference::between(&expected, &shown).expect("three pixels");
        let Difference::Pixels { count: 3, of: 600, first: (2, 1), .. } = all else { panic!("{all:?}") };

        let picture = Difference::draw(&expected, &shown);
        let step = LEAST_WIDTH + MARGIN;
        let panel = |index: u32, x: u32, y: u32| picture.rgb(MARGIN + index * step + x, MARGIN + LABEL + y);
        assert_eq!((panel(0, 2, 1), panel(1, 2, 1), panel(2, 2, 1)), ([0; 3], [0x10, 0x20, 0x30], DIFFERENT));
        assert_eq!((panel(2, 0, 2), panel(2, 20, 10), panel(2, 5, 5)), (DIFFERENT, DIFFERENT, [0; 3]));
        assert_eq!((panel(2, 22, 5), panel(2, 5, 12), panel(2, 23, 5)), (AROUND, AROUND, [0; 3]));
    }

    #[test]
    fn sizes_are_told_and_what_only_one_has_is_marked() {
        let (expected, shown) = (Picture::filled(40, 10, [9; 3]), Picture::filled(20, 30, [9; 3]));
        let sizes = Difference::between(&expected, &shown).expect("two sizes").to_string();
        assert_eq!(sizes, "the screen has 20x30 pixels, the picture 40x10");
        let marked = mark(&expected, &shown);
        assert_eq!((marked.width, marked.height), (40, 30));
        let at = [(5, 5), (30, 5), (5, 20), (30, 20)].map(|(x, y)| marked.rgb(x, y));
        assert_eq!(at, [[3; 3], DIFFERENT, DIFFERENT, BACKGROUND]);
    }
}
