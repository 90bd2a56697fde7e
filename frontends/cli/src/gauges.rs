//! What the window's statistics tell beside the machine's own.

use crate::memory::Memory;
use std::sync::Arc;
use tayberry_bcm2837::CoreCounters;
use tayberry_desktop::Gauges;

/// Gauges of a machine with so many cores.
pub fn gauges(counters: &Arc<CoreCounters>, cores: usize) -> Gauges {
    let counters = Arc::clone(counters);
    Gauges {
        translated: Some(Box::new(move || (0..cores).map(|core| counters.get(core).jitted).sum())),
        resident: Some(Box::new(|| Memory::now().map(|memory| memory.resident))),
    }
}
