//! Settling the pages that are shown, so that renderers need not look at what has not changed: the machine's part in the protocol of
//! [`tayberry_ram::PageMap`].
//!
//! It happens between ticks, when the machine's thread has the cores for itself, at most as often as a display shows a frame, and only after a renderer has
//! looked. A machine that sleeps looks here as often as it wakes by itself.
//!
//! A core that forgets its ways to store walks the tables again, and a guest that changed a table without a TLBI could tell. So in deterministic mode it
//! happens at the guest's own vertical syncs and when its time comes to a standstill, whoever looks.

use crate::clock::{Clock, ClockMode};
use crate::cpu::Processor;
use crate::display::Display;
use crate::io::VSYNC_NS;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tayberry_ram::GuestRam;

/// From one settling to the next: somewhat less than a display's period.
const PERIOD: Duration = Duration::from_millis(15);

/// Knows what is shown, and when it was last settled.
#[derive(Debug)]
pub(crate) struct Settler {
    ram: Arc<GuestRam>,
    display: Arc<Display>,
    clock: Arc<Clock>,
    last: Option<Instant>,
    /// Guest's vertical syncs up to the last time, for deterministic mode.
    vsyncs: u64,
}

impl Settler {
    pub fn new(ram: Arc<GuestRam>, display: Arc<Display>, clock: Arc<Clock>) -> Self {
        Self { ram, display, clock, last: None, vsyncs: 0 }
    }

    /// The machine's state was loaded: vertical syncs up to now are over.
    pub fn set_now(&mut self) {
        self.vsyncs = self.clock.now().0 / VSYNC_NS;
    }

    /// True if the shown pages are to be settled now, for a machine that does so then. Asked before every tick: without a look it costs a load.
    #[inline]
    pub fn is_due(&mut self) -> bool {
        if self.clock.mode() == ClockMode::Deterministic {
            let vsyncs = self.clock.now().0 / VSYNC_NS;
            return std::mem::replace(&mut self.vsyncs, vsyncs) != vsyncs;
        }
        if !self.ram.pages().has_look() {
            return false;
        }
        let now = Instant::now();
        let due = self.last.is_none_or(|last| now.saturating_duration_since(last) >= PERIOD);
        if due {
            self.last = Some(now);
            self.ram.pages().take_look();
        }
        due
    }

    /// Settles the shown pages. `cores` are all cores of the machine, none of which runs.
    pub fn settle<'a>(&self, cores: impl Iterator<Item = &'a mut dyn Processor>) {
        let scanout = self.display.load();
        // What a machine before this one has left is not ours to settle.
        let Some((_, range)) = scanout.memory().filter(|(ram, _)| std::ptr::eq(*ram, &*self.ram)) else { return };
        let pages = self.ram.pages();
        if let Some(what) = pages.to_forget(range.clone()) {
            cores.for_each(|core| core.forget_writes(what));
            pages.settle(range);
        }
    }
}
