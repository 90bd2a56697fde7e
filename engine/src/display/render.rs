//! The line renderer.
//!
//! It owns two surfaces: the last complete frame and the one being drawn. A frame is drawn in three steps:
//! 1. The calling thread looks at the states of the pages that lines lie in. Lines of either surface whose pages are settled and unchanged
//!    are known; a frame of known lines costs no more.
//! 2. The other lines are read, hashed and, if they differ from the shown line, converted. Where that has been quicker they are cut into bands, which the
//!    calling thread and the pool's workers share.
//! 3. If the frame may be shown, the drawn surface gets what it lacks of the shown one and takes its place; where less has changed than is lacking,
//!    the shown one gets what has changed instead.

use crate::display::band::{Band, Scratch};
use crate::display::convert::{Kernels, Set, Store, cache_bytes, settle};
use crate::display::publish::Footing;
use crate::display::sharing::{Sharing, Way};
use crate::display::surface::{Frame, Surface};
use crate::display::survey::Survey;
use crate::display::{Display, Scanout};
use crate::stats::Stats;
use crossbeam::deque::{Stealer, Worker};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::time::Instant;

/// Bytes (read and written) of a band: a worker that comes late, or is slow, must find something to do, and nobody should wait for the last band.
const BAND_BYTES: usize = 512 << 10;
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
    set: Set,
    shown: Surface,
    next: Surface,
    survey: Survey,
    scratch: Scratch,
    sharing: Sharing,
    /// Bytes of the host's largest cache.
    pub(super) cache_bytes: usize,
    /// Frames dropped in a row because of panning.
    shifted: u32,
}

impl Renderer {
    /// A renderer that draws with up to `threads` threads, the calling one included.
    pub fn new(threads: usize) -> Self {
        Self::with_kernels(threads, Kernels(Set::best()))
    }

    /// The same by a set of kernels that may not be the best.
    #[doc(hidden)]
    pub fn with_kernels(threads: usize, Kernels(set): Kernels) -> Self {
        let workers = threads.saturating_sub(1);
        let pool =
            (workers > 0).then(|| ThreadPoolBuilder::new().num_threads(workers).thread_name(|index| format!("render-{index}")).build());
        let pool = pool.and_then(|pool| {
            pool.inspect_err(|error| tracing::warn!(target: "framebuffer", %error, "the renderer has no threads of its own")).ok()
        });
        let mut renderer = Self {
            threads: pool.as_ref().map_or(1, |pool| pool.current_num_threads() + 1),
            pool,
            set,
            shown: Surface::default(),
            next: Surface::default(),
            survey: Survey::default(),
            scratch: Scratch::default(),
            sharing: Sharing::default(),
            cache_bytes: cache_bytes(),
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
        let (has_signal, footing) = display.look(|scanout| self.draw(scanout));
        if !self.may_show(footing) {
            return Outcome::Stale;
        }
        let outcome = self.show();
        if has_signal { outcome } else { Outcome::NoSignal }
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

    /// Draws the next surface. False without a signal.
    fn draw(&mut self, scanout: &Scanout) -> bool {
        let Self { pool, threads, set, shown, next, survey, scratch, sharing, cache_bytes, .. } = self;
        next.prepare(scanout, *set);
        survey.look(next, shown, scanout);
        let work = survey.work(next);
        if work > 0 {
            let height = next.frame.height as usize;
            let way = if pool.is_some() { sharing.choose(work) } else { Way::Alone };
            let store = store(work, next.frame.pixels.len(), *cache_bytes, way);
            let start = Instant::now();
            match pool.as_ref().filter(|_| way == Way::Shared) {
                Some(pool) => {
                    let lines = height * BAND_BYTES / work.max(1);
                    draw_in_parallel(pool, *threads, survey.bands(next, shown, scanout, lines, store).collect(), scratch);
                }
                None => {
                    survey.bands(next, shown, scanout, height, store).for_each(|band| band.draw(scratch));
                    settle();
                }
            }
            sharing.took(work, way, start.elapsed());
        }
        scanout.has_signal()
    }

    /// Makes the drawn surface the shown one.
    fn show(&mut self) -> Outcome {
        let (next, shown) = (&mut self.next, &mut self.shown);
        let same = next.frame.generation == shown.frame.generation;
        let (generation, depth, published_at) = (next.frame.generation, next.frame.depth, next.frame.published_at);
        shown.frame.changed = self.survey.show(next, shown);
        if shown.frame.changed.is_empty() {
            // What is on the screen stays there; at most it has another number now.
            (shown.frame.generation, shown.frame.depth) = (generation, depth);
            shown.frame.published_at = published_at;
            return if same { Outcome::Unchanged } else { Outcome::Presented };
        }
        Outcome::Presented
    }
}

/// How a frame of `size` bytes is written, of which `work` bytes are read and written.
///
/// Around the caches, memory need not be fetched to be overwritten, and what is in the caches stays there; but all cores of a complex write to memory together
/// no faster than one of them, and what is in the caches is not written to memory at all. Measured with two surfaces and three pictures of the guest, streams win where
/// these take three quarters of the cache; where threads share the work, which use the caches of all cores, only at twice that.
fn store(work: usize, size: usize, cache_bytes: usize, way: Way) -> Store {
    let read = work.saturating_sub(size);
    let (used, room) = (2 * size + 3 * read, cache_bytes / 4 * if way == Way::Shared { 6 } else { 3 });
    // Of a frame that has mostly not changed, the lines around are in the caches, and what reads it looks for few.
    if work > size && used > room { Store::Streaming } else { Store::Cached }
}

/// The caller and all workers draw a share of neighbouring bands each, from its start; who has nothing left takes from the ends of the others'. A worker
/// that is not awake in time finds nothing left, and nobody waits for it.
fn draw_in_parallel(pool: &ThreadPool, threads: usize, mut bands: Vec<Band<'_>>, scratch: &mut Scratch) {
    let share = bands.len().div_ceil(threads).max(1);
    let mut queues = Vec::with_capacity(threads);
    while !bands.is_empty() {
        let queue = Worker::new_lifo();
        // What is pushed last is drawn first, and what is pushed first is stolen first.
        bands.drain(bands.len().saturating_sub(share)..).rev().for_each(|band| queue.push(band));
        queues.push(queue);
    }
    let stealers: Vec<Stealer<Band<'_>>> = queues.iter().map(Worker::stealer).collect();
    let stealers = stealers.as_slice();
    let own = queues.pop().unwrap_or_else(Worker::new_lifo);
    pool.in_place_scope(|scope| {
        for queue in queues {
            scope.spawn(move |_| draw_share(&queue, stealers, &mut Scratch::default()));
        }
        draw_share(&own, stealers, scratch);
    });
}

fn draw_share<'a>(own: &Worker<Band<'a>>, all: &[Stealer<Band<'a>>], scratch: &mut Scratch) {
    let steal = || all.iter().find_map(|other| std::iter::repeat_with(|| other.steal()).find(|steal| !steal.is_retry())?.success());
    while let Some(band) = own.pop().or_else(steal) {
        band.draw(scratch);
    }
    settle();
}
