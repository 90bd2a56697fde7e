//! Makes the bytes that turn what the terminal shows into what it is to show.

use crate::colour::Colours;
use crate::kitty::Kitty;
use crate::layout::{CellSize, centred, fit, half_blocks};
use crate::scale::{Pixels, Scaler};
use crate::sixel::{self, BAND};
use ratatui_core::backend::Backend;
use ratatui_core::buffer::Buffer;
use ratatui_core::layout::Rect;
use ratatui_core::style::{Color, Style};
use ratatui_crossterm::CrosstermBackend;
use ratatui_crossterm::crossterm::cursor::{Hide, MoveTo, Show};
use ratatui_crossterm::crossterm::queue;
use ratatui_crossterm::crossterm::terminal::{BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate};
use std::io;

/// Upper half block: the foreground above, the background below.
const UPPER_HALF: &str = "\u{2580}";

/// How pictures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Kitty's graphics protocol.
    Kitty,
    /// DEC's sixels.
    Sixel,
    /// Two pixels to a cell.
    HalfBlocks(Colours),
}

/// Some text at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// First column.
    pub x: u16,
    /// Row.
    pub y: u16,
    /// Most columns.
    pub width: u16,
    /// The text.
    pub text: String,
    /// Colours and more.
    pub style: Style,
}

/// What the terminal is to show.
#[derive(Clone, Debug, Default)]
pub struct Scene {
    /// Columns and rows.
    pub size: (u16, u16),
    /// Size of a cell; none: unknown.
    pub cell: Option<CellSize>,
    /// Room for the picture, if there is one.
    pub picture: Option<Rect>,
    /// A new picture; none: the one before.
    pub pixels: Option<Pixels>,
    /// All text.
    pub lines: Vec<Line>,
    /// Where the cursor is seen.
    pub cursor: Option<(u16, u16)>,
    /// What the terminal shows is not known any more.
    pub fresh: bool,
    /// Commands of ours at the end.
    pub ask: Vec<u8>,
}

/// What a terminal shows.
#[derive(Debug)]
pub struct Canvas {
    method: Method,
    shown: Buffer,
    next: Buffer,
    /// Room and cell of the picture that is shown.
    placed: Option<(Rect, CellSize)>,
    pixels: Pixels,
    scaler: Scaler,
    kitty: Kitty,
}

impl Canvas {
    /// A terminal that has been cleared.
    pub fn new(method: Method) -> Self {
        Self {
            method,
            shown: Buffer::default(),
            next: Buffer::default(),
            placed: None,
            pixels: Pixels::default(),
            scaler: Scaler::default(),
            kitty: Kitty::default(),
        }
    }

    /// The bytes that show `scene`; its picture's memory is swapped for that of the one before.
    ///
    /// # Errors
    /// What writing to memory says: nothing.
    pub fn paint(&mut self, scene: &mut Scene, out: &mut Vec<u8>) -> io::Result<()> {
        let new_pixels = match &mut scene.pixels {
            Some(pixels) => {
                std::mem::swap(pixels, &mut self.pixels);
                true
            }
            None => false,
        };
        let area = Rect { x: 0, y: 0, width: scene.size.0, height: scene.size.1 };
        let cell = scene.cell.unwrap_or(CellSize::ASSUMED);
        let place = scene.picture.map(|room| (room.intersection(area), cell)).filter(|(room, _)| !room.is_empty());
        queue!(out, BeginSynchronizedUpdate, Hide)?;
        let moved = place != self.placed && !matches!(self.method, Method::HalfBlocks(_));
        if scene.fresh || moved || self.shown.area != area {
            self.kitty.clear(out);
            queue!(out, Clear(ClearType::All))?;
            self.shown = Buffer::empty(area);
            self.placed = None;
        }
        self.next.resize(area);
        self.next.reset();
        if let (Some((room, cell)), Method::HalfBlocks(colours)) = (place, self.method) {
            self.half_blocks(room, cell, colours);
        }
        for line in &scene.lines {
            if line.y < area.height && line.x < area.width {
                self.next.set_stringn(line.x, line.y, &line.text, usize::from(line.width), line.style);
            }
        }
        CrosstermBackend::new(&mut *out).draw(self.shown.diff(&self.next).into_iter())?;
        std::mem::swap(&mut self.shown, &mut self.next);
        if let Some((room, cell)) = place
            && (new_pixels || self.placed.is_none())
        {
            match self.method {
                Method::Kitty => self.show_kitty(out, room, cell)?,
                Method::Sixel => self.show_sixels(out, room, cell)?,
                Method::HalfBlocks(_) => {}
            }
        }
        self.placed = place;
        if let Some((x, y)) = scene.cursor.filter(|&(x, y)| x < area.width && y < area.height) {
            queue!(out, MoveTo(x, y), Show)?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.extend_from_slice(&scene.ask);
        Ok(())
    }

    fn half_blocks(&mut self, room: Rect, cell: CellSize, colours: Colours) {
        let (cells, size) = half_blocks((self.pixels.width, self.pixels.height), room, cell);
        let scaled = self.scaler.scale(&self.pixels, size);
        for row in 0..cells.height {
            for column in 0..cells.width {
                let (x, y) = (u32::from(column), u32::from(row) * 2);
                let below = if y + 1 < size.1 { colours.nearest(scaled.rgb(x, y + 1)) } else { Color::Reset };
                let Some(cell) = self.next.cell_mut((cells.x + column, cells.y + row)) else { continue };
                cell.set_symbol(UPPER_HALF).set_fg(colours.nearest(scaled.rgb(x, y))).set_bg(below);
            }
        }
    }

    /// The terminal makes pictures larger itself; smaller ones are less to send.
    fn show_kitty(&mut self, out: &mut Vec<u8>, room: Rect, cell: CellSize) -> io::Result<()> {
        let size = (self.pixels.width, self.pixels.height);
        let (width, height) = fit(size, pixels_of(room, cell));
        let cells = |pixels: f32, cell: f32, most: u16| ((pixels / cell).round() as u16).clamp(1, most.max(1));
        let place = centred(room, cells(width, cell.width, room.width), cells(height, cell.height, room.height));
        let scaled = if width < size.0 as f32 { (width.round() as u32, height.round() as u32) } else { size };
        queue!(out, MoveTo(place.x, place.y))?;
        let scaled = self.scaler.scale(&self.pixels, scaled);
        self.kitty.show(out, &scaled, (place.width, place.height))
    }

    /// Sixels are the terminal's pixels: pictures are made larger by whole numbers, as in a window.
    fn show_sixels(&mut self, out: &mut Vec<u8>, room: Rect, cell: CellSize) -> io::Result<()> {
        let (width, height) = (self.pixels.width, self.pixels.height);
        let mut space = pixels_of(room, cell);
        // The last band must not reach into the row below.
        space.1 = ((space.1 as u32 / BAND).max(1) * BAND) as f32;
        let fitted = fit((width, height), space);
        let factor = fitted.0 as u32 / width.max(1);
        let size = if factor > 0 { (width * factor, height * factor) } else { (fitted.0 as u32, fitted.1 as u32) };
        let columns = (size.0 as f32 / cell.width).ceil() as u16;
        let place = centred(room, columns, (size.1 as f32 / cell.height).ceil() as u16);
        queue!(out, MoveTo(place.x, place.y))?;
        sixel::show(out, &self.scaler.scale(&self.pixels, size))
    }
}

fn pixels_of(room: Rect, cell: CellSize) -> (f32, f32) {
    (f32::from(room.width) * cell.width, f32::from(room.height) * cell.height)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CELL: CellSize = CellSize { width: 10.0, height: 20.0 };

    fn bars(width: u32, height: u32) -> Pixels {
        let colour = |x: u32| [(x * 40) as u8, 255 - (x * 30) as u8, 128, 255];
        Pixels { width, height, rgba: (0..height).flat_map(|_| (0..width).flat_map(move |x| colour(x * 8 / width))).collect() }
    }

    fn scene(pixels: Option<Pixels>) -> Scene {
        let line = Line { x: 0, y: 9, width: 40, text: "status".into(), style: Style::new() };
        let picture = Some(Rect { x: 0, y: 0, width: 40, height: 9 });
        Scene { size: (40, 10), cell: Some(CELL), picture, pixels, lines: vec![line], ..Scene::default() }
    }

    fn painted(canvas: &mut Canvas, mut scene: Scene) -> String {
        let mut out = Vec::new();
        canvas.paint(&mut scene, &mut out).expect("memory takes it");
        String::from_utf8(out).expect("text")
    }

    #[test]
    fn half_blocks_have_the_picture_s_colours_and_only_changes_are_sent() {
        let mut canvas = Canvas::new(Method::HalfBlocks(Colours::True));
        let all = painted(&mut canvas, scene(Some(bars(400, 180))));
        assert!(all.contains("status"));
        for bar in 0..8u32 {
            let (r, g) = (bar * 40 % 256, 255 - bar * 30);
            assert!(all.contains(&format!("38;2;{r};{g};128")), "bar {bar}");
        }
        assert_eq!(all.matches(UPPER_HALF).count(), 360);
        let same = painted(&mut canvas, scene(Some(bars(400, 180))));
        assert_eq!(same.matches(UPPER_HALF).count(), 0);
        let mut pixels = bars(400, 180);
        // One cell of 10x20 pixels.
        for y in 20..40 {
            pixels.rgba[(y * 400 + 10) * 4..(y * 400 + 20) * 4].fill(255);
        }
        let changed = painted(&mut canvas, scene(Some(pixels)));
        assert_eq!(changed.matches(UPPER_HALF).count(), 1);
        assert!(changed.contains("\x1b[2;2H") && changed.contains("2;255;255;255"), "{changed:?}");
        assert!(changed.len() < 150);
    }

    #[test]
    fn sixels_decode_to_the_picture() {
        let mut canvas = Canvas::new(Method::Sixel);
        let out = painted(&mut canvas, scene(Some(bars(200, 80))));
        let (start, end) = (out.find("\x1bP").expect("sixels"), out.rfind("\x1b\\").expect("their end") + 2);
        let image = sixel::decoder::decode(&out.as_bytes()[start..end]);
        // Room for 400x180 pixels: twice as large.
        assert_eq!((image.width, image.height), (400, 160));
        let expected = Scaler::default().scale(&bars(200, 80), (400, 160)).into_owned();
        let worst = image.rgba.iter().zip(&expected.rgba).map(|(a, b)| a.abs_diff(*b)).max();
        assert!(worst <= Some(2), "colours are told in percent: {worst:?}");
        assert!(!painted(&mut canvas, scene(None)).contains("\x1bP"), "nothing new");
        let mut moved = scene(None);
        moved.size = (40, 8);
        let again = painted(&mut canvas, moved);
        assert!(again.contains("\x1bP") && again.contains("\x1b[2J"), "shown again where the screen has another size");
    }

    #[test]
    fn kitty_s_terminal_makes_small_pictures_larger_and_we_make_large_ones_smaller() {
        let mut canvas = Canvas::new(Method::Kitty);
        let small = painted(&mut canvas, scene(Some(bars(200, 80))));
        assert!(small.contains("s=200,v=80,") && small.contains("c=40,r=8,"), "{small:.200}");
        let large = painted(&mut canvas, scene(Some(bars(1600, 720))));
        assert!(large.contains("s=400,v=180,") && large.contains("c=40,r=9,"), "{large:.200}");
        assert!(!painted(&mut canvas, scene(None)).contains("\x1b_G"));
        let mut help = scene(None);
        help.picture = None;
        assert!(painted(&mut canvas, help).contains(std::str::from_utf8(crate::kitty::REMOVE).expect("text")));
        assert!(painted(&mut canvas, scene(None)).contains("s=400,v=180,"), "it comes back");
    }

    #[test]
    fn nothing_is_too_small() {
        for method in [Method::Kitty, Method::Sixel, Method::HalfBlocks(Colours::Indexed)] {
            let mut canvas = Canvas::new(method);
            for size in [(0, 0), (1, 1), (2, 1), (1, 3), (300, 2), (40, 10), (0, 5)] {
                for pixels in [None, Some(Pixels::default()), Some(bars(1, 1)), Some(bars(2000, 1)), Some(bars(1, 2000))] {
                    let mut scene = scene(pixels);
                    scene.size = size;
                    scene.cursor = Some((5, 5));
                    painted(&mut canvas, scene);
                }
            }
        }
    }
}
