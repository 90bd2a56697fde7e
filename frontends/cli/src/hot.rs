//! Where the cores spend their time: regions of translated code, for `--trace jit`.

use crate::symbols::Symbols;
use tayberry_bcm2837::CoreCounters;
use tayberry_bcm2837::jit::{Counters, HotRegion};

/// Regions that are told of, per core.
const HOTTEST: usize = 16;

/// Tells of the hottest regions of each core.
pub fn trace(cores: usize, counters: &CoreCounters, symbols: &Symbols) {
    for core in 0..cores {
        for line in lines(core, &counters.get(core), &counters.take_hot_regions(core), symbols) {
            tracing::info!(target: "jit", "{line}");
        }
    }
}

/// What is told of a core: how much it translated, then a line a region.
fn lines(core: usize, counters: &Counters, regions: &[HotRegion], symbols: &Symbols) -> Vec<String> {
    let total = counters.interpreted.saturating_add(counters.jitted);
    let share = |executed: u64| 100.0 * executed as f64 / total.max(1) as f64;
    let translated = format!(
        "core {core}: {total} instructions, {:.2}% in translated code, {} regions, {} flushes, {} stale",
        share(counters.jitted),
        counters.regions,
        counters.flushes,
        counters.stale
    );
    let hot = regions.iter().take(HOTTEST).filter(|region| region.executed > 0).map(|region| {
        let HotRegion { pc, pa, instructions, executed } = *region;
        let place = symbols.at(pc, pa).map_or_else(String::new, |place| format!(" {place}"));
        let physical = if pa == pc { String::new() } else { format!(" (at {pa:#x})") };
        format!("core {core}: {:6.2}% {executed} in {pc:#x}{physical}{place}, a region of {instructions}", share(executed))
    });
    std::iter::once(translated).chain(hot).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_come_first_with_their_share() {
        let region = |pc, pa, executed| HotRegion { pc, pa, instructions: 7, executed };
        let counters = Counters { interpreted: 100, jitted: 900, regions: 3, ..Counters::default() };
        let regions = [region(0x8_0000, 0x8_0000, 700), region(0xffff_0000_0000_0000, 0x20_0000, 200), region(4, 4, 0)];
        let lines = lines(1, &counters, &regions, &Symbols::default());
        assert_eq!(
            lines,
            [
                "core 1: 1000 instructions, 90.00% in translated code, 3 regions, 0 flushes, 0 stale",
                "core 1:  70.00% 700 in 0x80000, a region of 7",
                "core 1:  20.00% 200 in 0xffff000000000000 (at 0x200000), a region of 7",
            ]
        );
    }

    #[test]
    fn a_core_that_ran_nothing_is_told_of_too_and_the_list_ends() {
        let none = lines(3, &Counters::default(), &[], &Symbols::default());
        assert_eq!(none, ["core 3: 0 instructions, 0.00% in translated code, 0 regions, 0 flushes, 0 stale"]);
        let regions = vec![HotRegion { pc: 0, pa: 0, instructions: 1, executed: 1 }; 3 * HOTTEST];
        assert_eq!(lines(0, &Counters::default(), &regions, &Symbols::default()).len(), 1 + HOTTEST);
    }
}
