//! The hardware random number generator.
//!
//! # Resources
//! - Not in the BCM2835 ARM Peripherals manual; Linux, drivers/char/hw_random/bcm2835-rng.c uses it.
//!
//! # Orderings
//! Registers are atomics of their own; the deterministic sequence is a counter (`Relaxed`: each reader gets a number of its own).

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use tayberry_engine::{BusContext, BusView, ClockMode, GuestTime, MachineBuilder, Plugin, Served, cell};

const BASE: u64 = 0x3F10_4000;
const SIZE: u64 = 0x14;

const CTRL: u32 = 0x00; // Control
const STATUS: u32 = 0x04; // Words available, and bits still to be thrown away
const DATA: u32 = 0x08; // A random word (RO)
const FF_THRESHOLD: u32 = 0x0c; // FIFO level for the interrupt
const INT_MASK: u32 = 0x10; // Interrupt off

const CTRL_ENABLE: u32 = 1 << 0;
const STATUS_WORDS_SHIFT: u32 = 24;
const WARM_UP: u32 = 0x000f_ffff;
/// Words that a warm generator always has.
const WORDS: u32 = 16;
/// Time in which a bit is thrown away at the start.
const BIT_NS: u64 = 10;
/// Step and mixing constants of the deterministic sequence (SplitMix64).
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
const MIX: [u64; 2] = [0xbf58_476d_1ce4_e5b9, 0x94d0_49bb_1331_11eb];

/// The generator's registers.
#[derive(Debug)]
pub struct Rng {
    mode: ClockMode,
    control: AtomicU32,
    warm_up: AtomicU32,
    /// When it was enabled, nanoseconds.
    since: AtomicU64,
    threshold: AtomicU32,
    int_mask: AtomicU32,
    sequence: AtomicU64,
}

cell!(Rng { control, warm_up, since, threshold, int_mask, sequence } but { mode });

impl Rng {
    fn new(mode: ClockMode) -> Self {
        Self {
            mode,
            control: AtomicU32::new(0),
            warm_up: AtomicU32::new(0),
            since: AtomicU64::new(0),
            threshold: AtomicU32::new(0),
            int_mask: AtomicU32::new(0),
            sequence: AtomicU64::new(0),
        }
    }

    fn enabled(&self) -> bool {
        self.control.load(Ordering::SeqCst) & CTRL_ENABLE != 0
    }

    /// Bits still to be thrown away.
    fn cold_bits(&self, now: GuestTime) -> u32 {
        let warm_up = self.warm_up.load(Ordering::SeqCst);
        if !self.enabled() {
            return warm_up;
        }
        let gone = now.0.saturating_sub(self.since.load(Ordering::SeqCst)) / BIT_NS;
        warm_up.saturating_sub(u32::try_from(gone).unwrap_or(u32::MAX))
    }

    fn available(&self, now: GuestTime) -> bool {
        self.enabled() && self.cold_bits(now) == 0
    }

    /// A word: the host's entropy, or in deterministic mode the next of a fixed sequence.
    fn word(&self) -> u32 {
        if self.mode == ClockMode::Realtime
            && let Ok(word) = getrandom::u32()
        {
            return word;
        }
        let mut z = self.sequence.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        z = (z ^ (z >> 30)).wrapping_mul(MIX[0]);
        z = (z ^ (z >> 27)).wrapping_mul(MIX[1]);
        ((z ^ (z >> 31)) >> 32) as u32
    }
}

impl BusView for Rng {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            CTRL => self.control.load(Ordering::SeqCst),
            STATUS if self.available(at.now()) => WORDS << STATUS_WORDS_SHIFT,
            STATUS => self.cold_bits(at.now()),
            DATA if self.available(at.now()) => self.word(),
            FF_THRESHOLD => self.threshold.load(Ordering::SeqCst),
            INT_MASK => self.int_mask.load(Ordering::SeqCst),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        match offset {
            CTRL => {
                let before = self.control.swap(value, Ordering::SeqCst);
                if !before & value & CTRL_ENABLE != 0 {
                    self.since.store(at.now().0, Ordering::SeqCst);
                }
            }
            STATUS => {
                self.warm_up.store(value & WARM_UP, Ordering::SeqCst);
                self.since.store(at.now().0, Ordering::SeqCst);
            }
            FF_THRESHOLD => self.threshold.store(value, Ordering::SeqCst),
            INT_MASK => self.int_mask.store(value, Ordering::SeqCst),
            _ => {}
        }
        Served::Inline
    }
}

/// Adds the generator.
#[derive(Clone, Copy, Debug)]
pub struct RngPlugin;

impl Plugin for RngPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let mode = machine.clock().mode();
        let rng = Arc::new(Rng::new(mode));
        machine.part_of("RNG", Arc::clone(&rng));
        machine.map(BASE..BASE + SIZE, "RNG", rng);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    #[test]
    fn it_warms_up_and_then_always_has_words() {
        let mut bench = Bench::new(0x1000, 1, |machine| _ = machine.install(&RngPlugin));
        bench.write(at(STATUS), 0x4_0000);
        assert_eq!((bench.read(at(STATUS)), bench.read(at(DATA))), (0x4_0000, 0));
        bench.write(at(CTRL), CTRL_ENABLE);
        bench.tick_at(GuestTime(1000));
        assert_eq!(bench.read(at(STATUS)), 0x4_0000 - 100);
        bench.tick_at(GuestTime(0x4_0000 * BIT_NS));
        assert_eq!(bench.read(at(STATUS)) >> STATUS_WORDS_SHIFT, WORDS);
        let words: Vec<u32> = (0..1000).map(|_| bench.read(at(DATA))).collect();
        let ones: u32 = words.iter().map(|word| word.count_ones()).sum();
        assert!((15_500..16_500).contains(&ones), "{ones} of 32000 bits are set");
        bench.write(at(CTRL), 0);
        assert_eq!((bench.read(at(STATUS)) >> STATUS_WORDS_SHIFT, bench.read(at(DATA))), (0, 0));
    }

    #[test]
    fn deterministic_machines_get_the_same_words_and_others_do_not() {
        let words = |mode| {
            let rng = Rng::new(mode);
            (0..8).map(|_| rng.word()).collect::<Vec<_>>()
        };
        assert_eq!(words(ClockMode::Deterministic), words(ClockMode::Deterministic));
        assert_ne!(words(ClockMode::Realtime), words(ClockMode::Realtime));
    }
}
