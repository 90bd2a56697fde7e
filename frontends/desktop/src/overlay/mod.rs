//! The overlay: keys, statistics and the mailbox log in panels over the guest's picture.
//!
//! Panels are made of the window's pixels, not the guest's: their letters are as large whatever the guest's mode. They are not part of the guest's picture,
//! so screenshots and logs of frames have none of them. This module draws on plain memory and knows no window.

mod canvas;
mod font;
mod log;
mod pins;
mod text;

pub use canvas::{Ink, Line};
pub use log::Log;
pub use pins::{pressed, switched};
pub use text::Facts;

use crate::scale::{Rect, Size};
use canvas::Canvas;
use font::Font;

/// One of the overlay's pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// F1.
    Keys,
    /// F2.
    Statistics,
    /// F3.
    Log,
    /// Ctrl+F1.
    Pins,
}

impl Page {
    const ALL: [Self; 4] = [Self::Keys, Self::Statistics, Self::Log, Self::Pins];

    /// Where its panel goes. The largest comes first, so that the others lie over it.
    fn corner(self) -> Corner {
        match self {
            Self::Keys => Corner::UpperLeft,
            Self::Statistics => Corner::UpperRight,
            Self::Log => Corner::Below,
            Self::Pins => Corner::LowerRight,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Corner {
    UpperLeft,
    UpperRight,
    LowerRight,
    /// At the lower edge, in all its width.
    Below,
}

/// Widest panel, in letters.
const MOST_COLUMNS: u32 = 200;
/// Least and most lines of the log that are shown, and the part of the window that they may take, in percent.
const LOG_ROWS: std::ops::RangeInclusive<u32> = 2..=40;
const LOG_PART: u32 = 45;

/// Text on a piece of the window.
#[derive(Clone, Debug)]
pub struct Panel {
    /// Where it lies.
    pub rect: Rect,
    canvas: Canvas,
}

impl Panel {
    /// RGBA8, sRGB, alpha not multiplied in.
    pub fn pixels(&self) -> &[u8] {
        self.canvas.pixels()
    }
}

/// What panels were drawn from: as long as it is the same, so are they.
#[derive(Clone, Debug, Default, PartialEq)]
struct Basis {
    window: Size,
    scale_factor: f64,
    pages: Vec<(Corner, Vec<Line>)>,
}

/// The overlay.
#[derive(Debug)]
pub struct Overlay {
    open: Vec<Page>,
    log: Log,
    basis: Basis,
    panels: Vec<Panel>,
    /// Where the page of pins lies, and the size of its letters.
    pins: Option<(Rect, Size)>,
}

impl Overlay {
    /// A closed overlay that will show `log`.
    pub fn new(log: Log) -> Self {
        Self { open: Vec::new(), log, basis: Basis::default(), panels: Vec::new(), pins: None }
    }

    /// Opens or closes a page.
    pub fn toggle(&mut self, page: Page) {
        if self.has(page) {
            self.open.retain(|&open| open != page);
        } else {
            self.open.push(page);
        }
    }

    /// True if any page is open.
    pub fn is_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// True if this page is open.
    pub fn has(&self, page: Page) -> bool {
        self.open.contains(&page)
    }

    /// Scrolls the log by so many lines, back if they are positive.
    pub fn scroll(&mut self, lines: i64) {
        self.log.scroll(lines);
    }

    /// Scrolls the log by so many times what is seen of it.
    pub fn scroll_pages(&mut self, pages: i64) {
        self.log.scroll_pages(pages);
    }

    /// Draws the panels for a window of so many pixels, with so many of them to a point. False if they are as before.
    pub fn update(&mut self, window: Size, scale_factor: f64, facts: &Facts<'_>) -> bool {
        let font = Font::fitting(window, scale_factor);
        if self.has(Page::Log) {
            self.log.read();
        }
        let pages = Page::ALL.into_iter().filter(|page| self.open.contains(page)).map(|page| {
            let lines = match page {
                Page::Keys => text::keys(),
                Page::Statistics => text::statistics(facts),
                Page::Log => self.log.lines(log_rows(window.1, font.size().1) as usize),
                Page::Pins => pins::lines(facts.pins),
            };
            (page.corner(), lines)
        });
        let basis = Basis { window, scale_factor, pages: pages.collect() };
        if basis == self.basis {
            return false;
        }
        (self.panels, self.pins) = (Vec::new(), None);
        for (corner, lines) in &basis.pages {
            let Some(panel) = panel(lines, *corner, window, &font) else { continue };
            if *corner == Corner::LowerRight {
                self.pins = Some((panel.rect, font.size()));
            }
            self.panels.push(panel);
        }
        self.panels.sort_by_key(|panel| std::cmp::Reverse(panel.rect.size.0));
        self.basis = basis;
        true
    }

    /// The pin whose cell lies at a place of the window.
    pub fn pin_at(&self, (x, y): (f64, f64)) -> Option<u8> {
        let (rect, letter) = self.pins.filter(|_| self.has(Page::Pins))?;
        let margin = f64::from(letter.0);
        let (x, y) = (x - f64::from(rect.x) - margin, y - f64::from(rect.y) - margin);
        let inside = x >= 0.0 && y >= 0.0 && x < f64::from(rect.size.0) && y < f64::from(rect.size.1);
        inside.then(|| pins::pin_at(x as u32 / letter.0, y as u32 / letter.1)).flatten()
    }

    /// The panels, the lowest first.
    pub fn panels(&self) -> &[Panel] {
        &self.panels
    }
}

fn log_rows(window: u32, letter: u32) -> u32 {
    (window / letter * LOG_PART / 100).clamp(*LOG_ROWS.start(), *LOG_ROWS.end())
}

/// A panel with a margin of a letter's width around it and within. None where the window is too small for a single letter.
fn panel(lines: &[Line], corner: Corner, window: Size, font: &Font) -> Option<Panel> {
    let (letter, margin) = (font.size(), font.size().0);
    let room = |side: u32| side.saturating_sub(4 * margin);
    let most = (room(window.0) / letter.0).min(MOST_COLUMNS);
    let columns = match corner {
        Corner::Below => most,
        Corner::UpperLeft | Corner::UpperRight | Corner::LowerRight => lines.iter().map(Line::columns).max().unwrap_or(0).min(most),
    };
    let rows = (room(window.1) / letter.1).min(lines.len() as u32);
    if columns == 0 || rows == 0 {
        return None;
    }
    let size = (columns * letter.0 + 2 * margin, rows * letter.1 + 2 * margin);
    let mut canvas = Canvas::new(size);
    for (row, line) in (0..rows).zip(lines) {
        canvas.write(font, (margin, margin + row * letter.1), columns, line);
    }
    let (right, below) = (window.0.saturating_sub(size.0 + margin) as i32, window.1.saturating_sub(size.1 + margin) as i32);
    let margin = margin as i32;
    let (x, y) = match corner {
        Corner::UpperLeft => (margin, margin),
        Corner::UpperRight => (right, margin),
        Corner::LowerRight => (right, below),
        Corner::Below => (margin, below),
    };
    Some(Panel { rect: Rect { x, y, size }, canvas })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::machine::prepare;

    fn overlay(pages: &[Page]) -> Overlay {
        let mut overlay = Overlay::new(Log::new(prepare().0.journal()));
        pages.iter().for_each(|&page| overlay.toggle(page));
        overlay
    }

    fn facts(stats: &tayberry_engine::stats::Stats) -> Facts<'_> {
        Facts::of(stats)
    }

    /// Pixels that are not background.
    fn dots(panel: &Panel) -> usize {
        panel.pixels().chunks_exact(4).filter(|&pixel| pixel != canvas::BACKGROUND).count()
    }

    #[test]
    fn panels_lie_in_the_window_whatever_its_size() {
        let stats = tayberry_engine::stats::Stats::default();
        for window in
            [(0, 0), (1, 1), (20, 20), (64, 64), (64, 2000), (320, 200), (640, 480), (1920, 1080), (7680, 4320), (1, 16_384), (16_384, 1)]
        {
            for scale_factor in [0.0, 1.0, 1.5, 4.0, f64::INFINITY] {
                let mut overlay = overlay(&Page::ALL);
                overlay.update(window, scale_factor, &facts(&stats));
                for panel in overlay.panels() {
                    let Rect { x, y, size } = panel.rect;
                    assert!(x >= 0 && y >= 0, "{window:?}");
                    assert!(x as u32 + size.0 <= window.0 && y as u32 + size.1 <= window.1, "{window:?} {:?}", panel.rect);
                    assert_eq!(panel.pixels().len(), size.0 as usize * size.1 as usize * 4);
                    assert!(dots(panel) > 0);
                }
                assert!(overlay.panels().len() == 4 || window.0 < 320 || window.1 < 200, "{window:?}");
            }
        }
    }

    #[test]
    fn pages_open_and_close() {
        let stats = tayberry_engine::stats::Stats::default();
        let mut overlay = overlay(&[]);
        assert!(!overlay.is_open());
        let panels = |overlay: &mut Overlay| {
            overlay.update((1280, 960), 1.0, &facts(&stats));
            overlay.panels().len()
        };
        assert_eq!(panels(&mut overlay), 0);
        overlay.toggle(Page::Keys);
        assert_eq!(panels(&mut overlay), 1);
        overlay.toggle(Page::Log);
        assert_eq!(panels(&mut overlay), 2);
        overlay.toggle(Page::Keys);
        assert!(overlay.has(Page::Log) && !overlay.has(Page::Keys));
        assert_eq!(panels(&mut overlay), 1);
        overlay.toggle(Page::Log);
        assert_eq!(panels(&mut overlay), 0);
    }

    #[test]
    fn what_has_not_changed_is_not_drawn_again() {
        let stats = tayberry_engine::stats::Stats::default();
        let mut overlay = overlay(&[Page::Statistics]);
        assert!(overlay.update((1280, 960), 1.0, &facts(&stats)));
        assert!(!overlay.update((1280, 960), 1.0, &facts(&stats)));
        stats.frames_presented.add(1);
        assert!(overlay.update((1280, 960), 1.0, &facts(&stats)));
        assert!(overlay.update((1281, 960), 1.0, &facts(&stats)));
        assert!(overlay.update((1281, 960), 2.0, &facts(&stats)));
    }

    #[test]
    fn corners_do_not_meet_in_a_common_window() {
        let stats = tayberry_engine::stats::Stats::default();
        let mut overlay = overlay(&[Page::Keys, Page::Statistics]);
        let facts = Facts { mode: Some((1920, 1080, 16)), generation: 100_000, ..facts(&stats) };
        overlay.update((800, 600), 1.0, &facts);
        let [first, second] = overlay.panels() else { panic!("two panels") };
        let (left, right) = if first.rect.x < second.rect.x { (first, second) } else { (second, first) };
        assert!(left.rect.x + (left.rect.size.0 as i32) < right.rect.x);
    }
}
