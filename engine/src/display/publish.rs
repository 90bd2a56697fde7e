//! Publication of scanouts: one writer, any number of readers, no locks.
//!
//! A renderer loads one snapshot, draws from it alone, and looks again before it shows the frame ([`Display::look`]). The frame is good if
//! the memory behind it was not given another meaning meanwhile:
//! - memory of an allocation: nobody else got it ([`crate::display::VideoMemory`]), and no newer generation put another layout on it;
//! - memory that the guest chose: no newer generation at all, as any may overlap.
//!
//! # Orderings
//! Written by the machine's thread: the slot (`swap`, which releases the whole scanout), the counters here and those of the regions, `Relaxed`
//! and *before* a `SeqCst` fence that ends [`Display::publish`]; only then does the guest know, and paint. A renderer
//! loads the slot (acquiring), loads pixels `Relaxed`, fences `SeqCst`, then loads the counters. If any pixel it loaded was stored after a
//! publication, the writer's fence precedes its own in the single order of fences, so it sees that publication's counters.

use crate::display::Scanout;
use crate::display::memory::Ground;
use crate::display::scanout::Published;
use crate::display::sync::{AtomicU64, Guard, Slot, fence};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::time::Instant;

/// What the memory behind a frame did while the frame was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Footing {
    /// It is still what it was.
    Firm,
    /// A newer generation shows the same layout from another offset or by another palette: at worst the frame is torn as on hardware.
    Shifted,
    /// It has another layout or another tenant.
    Lost,
}

/// Called at every publication.
struct Watcher(Box<dyn Fn() + Send + Sync>);

impl fmt::Debug for Watcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watcher")
    }
}

/// The display that the framebuffer device publishes to and renderers read from.
#[derive(Debug)]
pub struct Display {
    slot: Slot<Scanout>,
    /// Generation of the scanout in the slot.
    latest: AtomicU64,
    /// Publications that changed the layout.
    layouts: AtomicU64,
    /// Those of them that read memory which no allocation guards.
    open: AtomicU64,
    /// Who wants to see every publication, set once.
    watcher: OnceLock<Watcher>,
}

impl Default for Display {
    fn default() -> Self {
        Self::new()
    }
}

impl Display {
    /// A display without a signal: generation 0, 640x480, black.
    pub fn new() -> Self {
        Self {
            slot: Slot::new(Scanout::no_signal()),
            latest: AtomicU64::new(0),
            layouts: AtomicU64::new(0),
            open: AtomicU64::new(0),
            watcher: OnceLock::new(),
        }
    }

    /// Makes `scanout` the one that is shown and returns its generation, the previous plus one. One writer at a time: the machine's thread.
    pub fn publish(&self, scanout: Scanout) -> u64 {
        self.put(scanout, None)
    }

    /// The same for a scanout of a machine's saved state, which had number `generation`. It has it again, unless that number is in use for something else or over.
    pub fn publish_as(&self, scanout: Scanout, generation: u64) -> u64 {
        self.put(scanout, Some(generation))
    }

    fn put(&self, mut scanout: Scanout, wanted: Option<u64>) -> u64 {
        let previous = self.slot.load();
        let generation = match wanted {
            Some(same) if same == previous.generation && previous.looks_like(&scanout) => same,
            wanted => wanted.unwrap_or(0).max(previous.generation + 1),
        };
        scanout.generation = generation;
        scanout.published = self.account(&scanout, scanout.same_layout(&previous));
        drop(previous);
        scanout.published_at = Instant::now();
        self.latest.store(generation, Relaxed);
        drop(self.slot.swap(scanout));
        fence(SeqCst);
        if let Some(watcher) = self.watcher.get() {
            watcher.0();
        }
        generation
    }

    /// Has every publication from now on call `watcher`, on the machine's thread, before anything else happens in the guest. False, and nothing
    /// done, if somebody watches already.
    pub fn watch(&self, watcher: impl Fn() + Send + Sync + 'static) -> bool {
        self.watcher.set(Watcher(Box::new(watcher))).is_ok()
    }

    /// Takes the signal away, as at a reset: generations go on.
    pub fn lose_signal(&self) -> u64 {
        self.publish(Scanout::no_signal())
    }

    /// The same for a machine's saved state, as [`Display::publish_as`].
    pub fn lose_signal_as(&self, generation: u64) -> u64 {
        self.publish_as(Scanout::no_signal(), generation)
    }

    /// The snapshot that is published now. One load per frame: two may see two configurations.
    pub fn load(&self) -> Guard<Scanout> {
        self.slot.load()
    }

    /// The generation that is published now; 0 from power-on until the first publication.
    pub fn generation(&self) -> u64 {
        self.slot.load().generation
    }

    /// Raises the counters that tell readers of older scanouts what the new one does to their memory.
    fn account(&self, new: &Scanout, same_layout: bool) -> Published {
        let bump = |counter: &AtomicU64, when: bool| if when { Ground::raise(counter) } else { counter.load(Relaxed) };
        let all_layouts = bump(&self.layouts, !same_layout);
        let open = bump(&self.open, !same_layout && new.has_signal() && new.region().is_none());
        let (layouts, views) = match new.region() {
            Some(region) => (bump(&region.ground.layouts, !same_layout), bump(&region.ground.views, same_layout)),
            None => (all_layouts, 0),
        };
        Published { layouts, views, open }
    }

    /// Draws from one snapshot and looks again.
    pub(super) fn look<R>(&self, draw: impl FnOnce(&Scanout) -> R) -> (R, Footing) {
        let snapshot = self.slot.load();
        if let Some(ram) = snapshot.source() {
            ram.pages().look();
        }
        let drawn = draw(&snapshot);
        fence(SeqCst);
        (drawn, self.footing(&snapshot))
    }

    /// What became of the memory of `scanout`. Fence first.
    pub(super) fn footing(&self, scanout: &Scanout) -> Footing {
        let then = scanout.published;
        if scanout.source().is_none() {
            return Footing::Firm;
        }
        let (lost, shifted) = match scanout.region() {
            Some(region) => (
                region.ground.layouts.load(Relaxed) != then.layouts || self.open.load(Relaxed) != then.open,
                region.ground.views.load(Relaxed) != then.views,
            ),
            None => (self.layouts.load(Relaxed) != then.layouts, self.latest.load(Relaxed) != scanout.generation),
        };
        match (lost, shifted) {
            (true, _) => Footing::Lost,
            (false, true) => Footing::Shifted,
            (false, false) => Footing::Firm,
        }
    }
}
