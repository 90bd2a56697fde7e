//! The canvas of an animation: what is seen, and what the next frame changes of it.

use crate::picture::Picture;
use crate::sheet::{copy_into, shrink};
use crate::video::{Piece, RGBA, Rect};
use std::borrow::Cow;

/// What a frame does to the canvas.
pub(super) enum Step {
    /// Nothing.
    Same,
    /// It changes pixels in this rectangle, at least one at each of its edges.
    Changed(Rect),
}

#[derive(Debug)]
pub(super) struct Canvas {
    size: Option<(u32, u32)>,
    /// The screen, of whatever size it has, as the pieces tell.
    screen: Picture,
    /// The screen fitted into the canvas, where their sizes differ.
    fitted: Option<Picture>,
    /// What is seen; `None` before the first frame.
    shown: Option<Picture>,
}

impl Canvas {
    pub(super) fn new(size: Option<(u32, u32)>) -> Self {
        Self { size, screen: Picture::filled(0, 0, [0; 3]), fitted: None, shown: None }
    }

    /// The size; that of a screen without a signal before there is any.
    pub(super) fn size(&self) -> (u32, u32) {
        let none = Picture::no_signal();
        self.size.unwrap_or((none.width, none.height))
    }

    /// Takes a piece of the screen, and finds what it changes of what is seen. [`Canvas::apply`] makes that seen.
    pub(super) fn find(&mut self, piece: &Piece) -> Step {
        let (width, height) = piece.size;
        if width == 0 || height == 0 {
            return Step::Same;
        }
        if (self.screen.width, self.screen.height) != piece.size {
            self.screen = Picture::filled(width, height, [0; 3]);
        }
        let at = piece.first as usize * width as usize * RGBA;
        self.screen.pixels[at..at + piece.lines.len()].copy_from_slice(&piece.lines);

        let size = *self.size.get_or_insert(piece.size);
        self.fitted = (size != piece.size).then(|| fit(&self.screen, size));
        let lines = match self.fitted {
            Some(_) => 0..size.1,
            None => piece.first..piece.first + (piece.lines.len() / (width as usize * RGBA)) as u32,
        };
        let Some(shown) = &self.shown else {
            return Step::Changed(Rect { x: 0, y: 0, width: size.0, height: size.1 });
        };
        let new = self.fitted.as_ref().unwrap_or(&self.screen);
        difference(shown, new, lines).map_or(Step::Same, Step::Changed)
    }

    /// What was found is seen from now on.
    pub(super) fn apply(&mut self, rect: Rect) {
        let new = self.fitted.as_ref().unwrap_or(&self.screen);
        let shown = self.shown.get_or_insert_with(|| Picture::filled(new.width, new.height, [0; 3]));
        for (to, from) in rows_mut(shown, rect).zip(rows(new, rect)) {
            to.copy_from_slice(from);
        }
    }

    /// Copies a rectangle of what is seen.
    pub(super) fn crop(&self, rect: Rect, out: &mut Vec<u8>) {
        out.clear();
        if let Some(shown) = &self.shown {
            rows(shown, rect).for_each(|row| out.extend_from_slice(row));
        }
    }

    /// Makes the canvas black if nothing was ever seen on it, and gives its rectangle then.
    pub(super) fn black_if_unused(&mut self) -> Option<Rect> {
        let (width, height) = self.size();
        self.shown.is_none().then(|| {
            self.shown = Some(Picture::filled(width, height, [0; 3]));
            Rect { x: 0, y: 0, width, height }
        })
    }
}

/// The picture in the middle of a black one of that size, as large as its shape allows.
fn fit(picture: &Picture, size: (u32, u32)) -> Picture {
    let mut canvas = Picture::filled(size.0, size.1, [0; 3]);
    let fits = (picture.width == size.0 && picture.height < size.1) || (picture.height == size.1 && picture.width < size.0);
    let small = if fits { Cow::Borrowed(picture) } else { Cow::Owned(shrink(picture, size)) };
    copy_into(&mut canvas, &small, ((size.0 - small.width) / 2, (size.1 - small.height) / 2));
    canvas
}

fn span(picture: &Picture, rect: Rect, row: u32) -> std::ops::Range<usize> {
    let start = ((rect.y + row) as usize * picture.width as usize + rect.x as usize) * RGBA;
    start..start + rect.width as usize * RGBA
}

fn rows(picture: &Picture, rect: Rect) -> impl Iterator<Item = &[u8]> {
    (0..rect.height).map(move |row| &picture.pixels[span(picture, rect, row)])
}

fn rows_mut(picture: &mut Picture, rect: Rect) -> impl Iterator<Item = &mut [u8]> {
    let line = picture.width as usize * RGBA;
    let columns = rect.x as usize * RGBA..(rect.x + rect.width) as usize * RGBA;
    let lines = picture.pixels.chunks_exact_mut(line.max(1)).skip(rect.y as usize).take(rect.height as usize);
    lines.map(move |row| &mut row[columns.clone()])
}

/// The smallest rectangle around all pixels of `lines` that differ.
fn difference(a: &Picture, b: &Picture, lines: std::ops::Range<u32>) -> Option<Rect> {
    let whole = |y| Rect { x: 0, y, width: a.width, height: 1 };
    let mut found: Option<Rect> = None;
    for y in lines {
        let (a, b) = (&a.pixels[span(a, whole(y), 0)], &b.pixels[span(b, whole(y), 0)]);
        if a == b {
            continue;
        }
        let (a, b) = (a.as_chunks::<RGBA>().0, b.as_chunks::<RGBA>().0);
        let mut pairs = a.iter().zip(b);
        if let (Some(left), Some(right)) = (pairs.clone().position(|(a, b)| a != b), pairs.rposition(|(a, b)| a != b)) {
            let line = Rect { x: left as u32, y, width: (right - left + 1) as u32, height: 1 };
            found = Some(found.map_or(line, |found| found.around(line)));
        }
    }
    found
}
