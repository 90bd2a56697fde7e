//! The line renderer.
//!
//! It owns two surfaces: the last complete frame and the one being drawn. Lines are cut into bands, which the calling thread and the pool's
//! workers take from a queue; small frames are drawn by the caller alone. Bytes of a line are copied out of guest RAM by relaxed atomic loads,
//! hashed, compared with what the shown line was made of, and converted only if they differ.

use crate::display::publish::Footing;
use crate::display::surface::{Band, Frame, Scratch, Surface};
use crate::display::{Display, Scanout};
use crate::stats::Stats;
use crossbeam::queue::ArrayQueue;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::ops::Range;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

/// Frames below so many bytes (read and written) are drawn by the calling thread: waking a worker costs about as much.
const INLINE_BYTES: u64 = 512 << 10;
/// Bands per thread: some more than one, as threads seldom get equal shares of the host.
const BANDS_PER_THREAD: usize = 8;
/// Frames in a row that are dropped because the guest pans faster than they are drawn, before one is shown torn, as hardware would.
const PATIENCE: u32 = 8;

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// There is a new frame to show.
    Presented,
    /// Neither pixels nor generation differ from the frame shown before.
    Unchanged,
    /// The memory drawn from changed hands or layout meanwhile: the frame was dropped, the last good one still stands.
    Stale,
    /// The guest has not configured the display: the frame is 640x480 of black.
    NoSignal,
}

impl Outcome {
    /// Counts it: whoever renders what a user (or a log) gets to see calls this once per frame.
    pub fn count(self, stats: &Stats) {
        match self {
            Self::Presented => stats.frames_presented.add(1),
            Self::Stale => stats.frames_dropped_stale.add(1),
            Self::Unchanged => stats.frames_unchanged.add(1),
            Self::NoSignal => {}
        }
    }
}

/// Draws frames from a [`Display`]. Each frontend has its own.
#[derive(Debug)]
pub struct Renderer {
    pool: Option<ThreadPool>,
    threads: usize,
    shown: Surface,
    next: Surface,
    scratch: Scratch,
    /// Frames dropped in a row because of panning.
    shifted: u32,
}

impl Renderer {
    /// A renderer that draws with up to `threads` threads, the calling one included.
    pub fn new(threads: usize) -> Self {
        let workers = threads.saturating_sub(1);
        let pool =
            (workers > 0).then(|| ThreadPoolBuilder::new().num_threads(workers).thread_name(|index| format!("render-{index}")).build());
        let pool = pool.and_then(|pool| {
            pool.inspect_err(|error| tracing::warn!(target: "framebuffer", %error, "the renderer has no threads of its own")).ok()
        });
        let mut renderer = Self {
            threads: pool.as_ref().map_or(1, |pool| pool.current_num_threads() + 1),
            pool,
            shown: Surface::default(),
            next: Surface::default(),
            scratch: Scratch::default(),
            shifted: 0,
        };
        renderer.render(&Display::new());
        renderer
    }

    /// The last complete frame.
    pub fn frame(&self) -> &Frame {
        &self.shown.frame
    }

    /// Draws what `display` shows now, from one snapshot of it, and says whether [`Renderer::frame`] is new.
    pub fn render(&mut self, display: &Display) -> Outcome {
        let (drawn, footing) = display.look(|scanout| self.draw(scanout));
        if !self.may_show(footing) {
            return Outcome::Stale;
        }
        let outcome = self.show(&drawn);
        if drawn.has_signal { outcome } else { Outcome::NoSignal }
    }

    /// Forgets what was drawn: the next frame is drawn in full.
    pub fn invalidate(&mut self) {
        self.next = Surface::default();
        self.shown.forget();
    }

    fn may_show(&mut self, footing: Footing) -> bool {
        match footing {
            Footing::Firm => self.shifted = 0,
            Footing::Shifted if self.shifted >= PATIENCE => self.shifted = 0,
            Footing::Shifted => {
                self.shifted += 1;
                return false;
            }
            Footing::Lost => return false,
        }
        true
    }

    /// Draws the next surface.
    fn draw(&mut self, scanout: &Scanout) -> Drawn {
        self.next.prepare(scanout);
        let config = scanout.config();
        let (width, height) = config.physical;
        let pixels = u64::from(width) * u64::from(height);
        let bytes = pixels * (4 + u64::from(config.depth.bytes()));
        let has_signal = scanout.has_signal();
        let changed = match &self.pool {
            Some(pool) if bytes > INLINE_BYTES => {
                let lines = (height as usize).div_ceil(self.threads * BANDS_PER_THREAD);
                draw_in_parallel(pool, self.threads, self.next.bands(&self.shown, scanout, lines), &mut self.scratch)
            }
            _ => draw_all(self.next.bands(&self.shown, scanout, height as usize), &mut self.scratch),
        };
        Drawn { has_signal, changed }
    }

    /// Makes the drawn surface the shown one.
    fn show(&mut self, drawn: &Drawn) -> Outcome {
        let (next, shown) = (&mut self.next, &mut self.shown);
        if drawn.changed.is_empty() {
            // What is on the screen stays there; at most it has another number now.
            let same = next.frame.generation == shown.frame.generation;
            (shown.frame.generation, shown.frame.depth) = (next.frame.generation, next.frame.depth);
            shown.frame.published_at = next.frame.published_at;
            shown.frame.changed = 0..0;
            return if same { Outcome::Unchanged } else { Outcome::Presented };
        }
        next.fill_from(shown);
        next.frame.changed = drawn.changed.clone();
        std::mem::swap(next, shown);
        Outcome::Presented
    }
}

/// Contains nothing, and whatever is joined to it stays itself.
const NO_LINES: Range<u32> = Range { start: u32::MAX, end: 0 };

/// What the drawing of a frame found.
#[derive(Debug)]
struct Drawn {
    has_signal: bool,
    /// Lines that differ from the frame shown.
    changed: Range<u32>,
}

fn draw_all(bands: Vec<Band<'_>>, scratch: &mut Scratch) -> Range<u32> {
    bands.into_iter().fold(NO_LINES, |changed, band| hull(changed, band.draw(scratch)))
}

fn hull(a: Range<u32>, b: Range<u32>) -> Range<u32> {
    a.start.min(b.start)..a.end.max(b.end)
}

/// The caller and all workers take bands until none is left.
///
/// # Orderings
/// The range of changed lines is gathered `Relaxed`: the end of the scope orders it before it is read.
fn draw_in_parallel(pool: &ThreadPool, threads: usize, bands: Vec<Band<'_>>, scratch: &mut Scratch) -> Range<u32> {
    let queue = ArrayQueue::new(bands.len().max(1));
    for band in bands {
        // There is room for all of them.
        let _ = queue.push(band);
    }
    let (start, end) = (AtomicU32::new(NO_LINES.start), AtomicU32::new(NO_LINES.end));
    let work = |scratch: &mut Scratch| {
        while let Some(band) = queue.pop() {
            let changed = band.draw(scratch);
            start.fetch_min(changed.start, Relaxed);
            end.fetch_max(changed.end, Relaxed);
        }
    };
    pool.in_place_scope(|scope| {
        for _ in 1..threads {
            scope.spawn(|_| work(&mut Scratch::default()));
        }
        work(scratch);
    });
    start.into_inner()..end.into_inner()
}
