//! What the cores execute, and how: counters that anybody may read at any time, and that run on over resets.
//!
//! # Orderings
//! `Relaxed`: a core's counters are written by the thread that runs the core, at the end of a slice at most once in [`EVERY`] instructions, and when the
//! machine goes; each means nothing but itself, and a reader may see some newer than others. Who has waited for the machine's thread sees them all exact.

use crate::local_controller::CORES;
use crossbeam::queue::SegQueue;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use tayberry_a64::Core;
use tayberry_a64::jit::{Counters, HotRegion};

/// Instructions of a core between two publications: a millisecond or more.
const EVERY: u64 = 1 << 20;
/// Regions that are kept of a power cycle, per core.
const HOTTEST: usize = 64;

/// The counters of all cores.
#[derive(Debug, Default)]
pub struct CoreCounters([Shown; CORES]);

/// Of one core.
#[derive(Debug, Default)]
struct Shown {
    counters: [AtomicU64; Counters::COUNT],
    /// Of power cycles that are over.
    hot: SegQueue<HotRegion>,
}

impl CoreCounters {
    /// The counters of core `id` since the board was made; zeroes for a core that it has not.
    pub fn get(&self, id: usize) -> Counters {
        let mut counters = Counters::default();
        if let Some(shown) = self.0.get(id) {
            counters.each().into_iter().zip(&shown.counters).for_each(|(counter, shown)| *counter = shown.load(Relaxed));
        }
        counters
    }

    /// The regions in which core `id` executed most, the hottest first, up to the machine's last reset or end. They are given once.
    pub fn take_hot_regions(&self, id: usize) -> Vec<HotRegion> {
        let taken = self.0.get(id).map(|shown| std::iter::from_fn(|| shown.hot.pop()).collect());
        merged(taken.unwrap_or_default())
    }
}

/// Power cycles may have had the same regions.
fn merged(mut regions: Vec<HotRegion>) -> Vec<HotRegion> {
    regions.sort_unstable_by_key(|region| (region.pc, region.pa));
    regions.dedup_by(|again, first| {
        let same = (again.pc, again.pa) == (first.pc, first.pa);
        if same {
            first.executed = first.executed.saturating_add(again.executed);
            first.instructions = first.instructions.max(again.instructions);
        }
        same
    });
    regions.sort_by_key(|region| std::cmp::Reverse(region.executed));
    regions
}

/// A core's writing end.
#[derive(Debug)]
pub(crate) struct Publisher {
    counters: Arc<CoreCounters>,
    id: usize,
    /// What earlier power cycles counted.
    before: Counters,
    /// [`Core::retired`] when it was published last.
    retired: u64,
}

impl Publisher {
    /// For the new core `id`: the one before it is gone.
    pub(crate) fn new(counters: Arc<CoreCounters>, id: usize) -> Self {
        let before = counters.get(id);
        Self { counters, id, before, retired: 0 }
    }

    /// At the end of a slice.
    #[inline]
    pub(crate) fn slice_ended(&mut self, core: &Core) {
        if core.retired.wrapping_sub(self.retired) >= EVERY {
            self.publish(core);
        }
    }

    #[cold]
    fn publish(&mut self, core: &Core) {
        self.retired = core.retired;
        let Some(shown) = self.counters.0.get(self.id) else { return };
        let mut counters = *core.counters();
        for ((now, before), shown) in counters.each().into_iter().zip(self.before.each()).zip(&shown.counters) {
            shown.store(before.wrapping_add(*now), Relaxed);
        }
    }

    /// When the core goes.
    pub(crate) fn finish(&mut self, core: &Core) {
        self.publish(core);
        if let Some(shown) = self.counters.0.get(self.id) {
            core.hot_regions(HOTTEST).into_iter().for_each(|region| shown.hot.push(region));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_several_power_cycles_are_added_up() {
        let region = |pc, pa, executed| HotRegion { pc, pa, instructions: 4, executed };
        let all = vec![region(0x1000, 0x1000, 5), region(0x2000, 0x1000, 7), region(0x1000, 0x1000, 3), region(0x1000, 0x3000, 1)];
        assert_eq!(merged(all), [region(0x1000, 0x1000, 8), region(0x2000, 0x1000, 7), region(0x1000, 0x3000, 1)]);
        let counters = CoreCounters::default();
        counters.0[2].hot.push(region(0, 0, 1));
        assert_eq!(counters.take_hot_regions(2), [region(0, 0, 1)]);
        assert!(counters.take_hot_regions(2).is_empty() && counters.take_hot_regions(9).is_empty());
    }
}
