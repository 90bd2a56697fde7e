//! Interrupt lines: levels that devices drive and interrupt controllers read.
//!
//! # Orderings
//! A device sets the state behind the level first, then the level with `Release`; a controller reads with `Acquire` on whatever core's thread asks.

use crate::Attention;
use crate::state::{Archive, Cell};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Words of 64 lines.
pub const WORDS: usize = 2;

/// The levels of all lines of a machine.
#[derive(Debug)]
pub struct IrqLines {
    words: [AtomicU64; WORDS],
    attention: Arc<Attention>,
}

/// The levels. Nobody is rung: the doorbells are state of their own.
impl Cell for IrqLines {
    fn pass(&self, archive: &mut Archive<'_>) {
        self.words.pass(archive);
    }
}

impl IrqLines {
    /// Lines that are all low.
    pub fn new(attention: Arc<Attention>) -> Self {
        Self { words: Default::default(), attention }
    }

    /// Levels of 64 lines: line `64 * word + bit`.
    pub fn levels(&self, word: usize) -> u64 {
        self.words[word % WORDS].load(Ordering::Acquire)
    }

    /// One line, for the device that drives it.
    ///
    /// # Panics
    /// If there is no such line: a mistake in the board.
    pub fn line(self: &Arc<Self>, index: usize) -> IrqLine {
        assert!(index < 64 * WORDS, "interrupt line {index} does not exist");
        IrqLine { lines: Arc::clone(self), word: index / 64, bit: 1 << (index % 64) }
    }
}

/// The driving end of one line.
#[derive(Clone, Debug)]
pub struct IrqLine {
    lines: Arc<IrqLines>,
    word: usize,
    bit: u64,
}

impl IrqLine {
    /// Drives the level. A rising edge asks all cores for attention, so that the interrupt is taken at once.
    pub fn set(&self, level: bool) {
        let word = &self.lines.words[self.word];
        if !level {
            word.fetch_and(!self.bit, Ordering::Release);
        } else if word.fetch_or(self.bit, Ordering::Release) & self.bit == 0 {
            self.lines.attention.stop_all();
        }
    }

    /// The level it drives.
    pub fn level(&self) -> bool {
        self.lines.words[self.word].load(Ordering::Acquire) & self.bit != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attention::STOP;

    #[test]
    fn only_a_rising_edge_rings() {
        let attention = Arc::new(Attention::new(2));
        let lines = Arc::new(IrqLines::new(Arc::clone(&attention)));
        let line = lines.line(65);
        line.set(true);
        assert_eq!(lines.levels(1), 2);
        assert_eq!(attention.bell(1).swap(0, Ordering::Relaxed), STOP);
        line.set(true);
        line.set(false);
        assert_eq!(attention.bell(1).load(Ordering::Relaxed), 0);
        assert!(!line.level());
    }
}
