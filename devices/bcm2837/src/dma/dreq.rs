//! DREQ: the lines by which peripherals say that their FIFO has room, or data, for the DMA controller.
//!
//! # Orderings
//! A peripheral sets its level from any core's thread or from a system; the controller's `Service` system reads it, and alone writes `awaited`. It runs
//! while no core does, and the join of a slice orders the two; levels are `SeqCst` as status reads by other cores look at them too.

use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::{Attention, Deadline, GuestTime, cell};

/// The 32 lines that PERMAP selects from. Number 0 is always asserted; a line that no device drives never is.
#[derive(Debug)]
pub struct DreqLines {
    levels: AtomicU32,
    /// Lines that a channel is stalled at.
    awaited: AtomicU32,
    deadline: Deadline,
    attention: Arc<Attention>,
}

cell!(DreqLines { levels, awaited, deadline } but { attention });

impl DreqLines {
    pub(super) fn new(deadline: Deadline, attention: Arc<Attention>) -> Self {
        Self { levels: AtomicU32::new(1), awaited: AtomicU32::new(0), deadline, attention }
    }

    /// Level of line `permap` (0 to 31; higher bits are ignored).
    pub fn is_asserted(&self, permap: u32) -> bool {
        self.levels.load(SeqCst) >> (permap & 31) & 1 != 0
    }

    pub(super) fn set_awaited(&self, lines: u32) {
        self.awaited.store(lines, SeqCst);
    }
}

/// The DREQ lines, for plugins of peripherals that come after [`super::DmaPlugin`].
#[derive(Resource, Clone, Debug)]
pub struct Dreqs(pub Arc<DreqLines>);

impl Dreqs {
    /// The driving end of line `permap`, 1 to 31 (BCM2835 ARM Peripherals 4.2.1.3).
    ///
    /// # Panics
    /// If there is no such line: a mistake in the board.
    pub fn line(&self, permap: u32) -> DreqLine {
        assert!((1..32).contains(&permap), "DREQ line {permap} does not exist");
        DreqLine { lines: Arc::clone(&self.0), bit: 1 << permap }
    }
}

/// The driving end of one line. A peripheral keeps it up to date within each register access: the controller looks at it before every unit it moves.
#[derive(Clone, Debug)]
pub struct DreqLine {
    lines: Arc<DreqLines>,
    bit: u32,
}

impl DreqLine {
    /// Drives the level. A rising edge that a channel waits for brings the controller to work at once.
    pub fn set(&self, level: bool) {
        if !level {
            self.lines.levels.fetch_and(!self.bit, SeqCst);
        } else if self.lines.levels.fetch_or(self.bit, SeqCst) & self.bit == 0 && self.lines.awaited.load(SeqCst) & self.bit != 0 {
            self.lines.deadline.set(Some(GuestTime(0)));
            self.lines.attention.stop_all();
        }
    }

    /// Drives the line to what `level` says, where several cores may do so at once after each changed the state behind it: who drives last has looked last.
    pub fn drive(&self, level: impl Fn() -> bool) {
        loop {
            let now = level();
            self.set(now);
            if level() == now {
                return;
            }
        }
    }
}
