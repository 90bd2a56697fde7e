//! Power management: reset, power-off and the watchdog.
//!
//! # Resources
//! - Not in the BCM2835 ARM Peripherals manual; Linux, drivers/watchdog/bcm2835_wdt.c and U-Boot use it. The boot ROM reads a partition number from RSTS,
//!   and 63 means halt.
//!
//! # Orderings
//! Registers are atomics of their own (`SeqCst`), touched by any core.

use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::power::{PowerRequest, PowerSwitch};
use tayberry_engine::{BusContext, BusView, Deadline, GuestTime, MachineBuilder, Phase, Plugin, Served, cell};

const BASE: u64 = 0x3F10_0000;
const SIZE: u64 = 0x114;

const RSTC: u32 = 0x1c; // Reset control
const RSTS: u32 = 0x20; // Reset status
const WDOG: u32 = 0x24; // Watchdog: ticks left

const PASSWORD: u32 = 0x5a00_0000;
const PASSWORD_MASK: u32 = 0xff00_0000;
const RSTC_CONFIG: u32 = 0x30;
const RSTC_FULL_RESET: u32 = 0x20;
const RSTC_RESET: u32 = 0x102;
/// Power-on reset happened.
const RSTS_RESET: u32 = 0x1000;
const WDOG_TIME: u32 = 0x000f_ffff;
/// The watchdog counts ticks of 15.26 us.
const WDOG_HZ: u64 = 65_536;
/// Bits of RSTS that make the partition number: the even ones up to 10.
const PARTITION_BITS: u32 = 0x555;
const WORDS: usize = (SIZE / 4) as usize;

/// The block's registers.
#[derive(Debug)]
pub struct PowerManagement {
    words: [AtomicU32; WORDS],
    /// While the watchdog runs: when it bites.
    deadline: Deadline,
    power: Arc<PowerSwitch>,
}

cell!(PowerManagement { words, deadline } but { power });

impl PowerManagement {
    fn new(deadline: Deadline, power: Arc<PowerSwitch>) -> Self {
        let words = [const { AtomicU32::new(0) }; WORDS];
        words[RSTC as usize / 4].store(RSTC_RESET, SeqCst);
        words[RSTS as usize / 4].store(RSTS_RESET, SeqCst);
        power.set_watchdog(deadline.clone());
        Self { words, deadline, power }
    }

    fn word(&self, offset: u32) -> u32 {
        self.words.get(offset as usize / 4).map_or(0, |word| word.load(SeqCst))
    }

    /// The watchdog runs while a full reset is configured, from the count it was given.
    fn restart_watchdog(&self, now: GuestTime) {
        let runs = self.word(RSTC) & RSTC_CONFIG == RSTC_FULL_RESET;
        let ticks = u64::from(self.word(WDOG) & WDOG_TIME);
        self.deadline.set(runs.then(|| now.plus(GuestTime::from_ticks(ticks, WDOG_HZ).0)));
    }

    fn ticks_left(&self, now: GuestTime) -> u32 {
        match self.deadline.get() {
            Some(at) => GuestTime(at.0.saturating_sub(now.0)).ticks(WDOG_HZ) as u32 & WDOG_TIME,
            None => self.word(WDOG) & WDOG_TIME,
        }
    }

    /// Phase::Signal: the watchdog bites.
    fn signal(&self, now: GuestTime) {
        if self.deadline.take_due(now, |_| None).is_some() {
            let halt = self.word(RSTS) & PARTITION_BITS == PARTITION_BITS;
            self.power.request(if halt { PowerRequest::Off } else { PowerRequest::Reset });
        }
    }
}

impl BusView for PowerManagement {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        if offset == WDOG { self.ticks_left(at.now()) } else { self.word(offset) }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        if value & PASSWORD_MASK != PASSWORD {
            tracing::debug!(target: "mmio", "write of {value:#010x} to PM register {offset:#x} without the password");
            return Served::Inline;
        }
        if let Some(word) = self.words.get(offset as usize / 4) {
            word.store(value & !PASSWORD_MASK, SeqCst);
        }
        if offset != RSTC && offset != WDOG {
            return Served::Inline;
        }
        self.restart_watchdog(at.now());
        Served::EndSlice
    }
}

/// The block in the world.
#[derive(Component)]
struct PowerManagementDevice(Arc<PowerManagement>);

fn bite(device: Single<&PowerManagementDevice>, clock: Res<MachineClock>) {
    if device.0.deadline.get().is_some() {
        device.0.signal(clock.now());
    }
}

/// Adds the block.
#[derive(Clone, Copy, Debug)]
pub struct PowerManagementPlugin;

impl Plugin for PowerManagementPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let device = Arc::new(PowerManagement::new(machine.deadline(), machine.power()));
        machine.map(BASE..BASE + SIZE, "power management", Arc::clone(&device) as _);
        machine.part_of("power management", Arc::clone(&device));
        machine.world.spawn(PowerManagementDevice(device));
        machine.add_systems(Phase::Signal, bite);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    fn bench() -> Bench {
        Bench::new(0x1000, 1, |machine| _ = machine.install(&PowerManagementPlugin))
    }

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    #[test]
    fn the_watchdog_resets_after_its_ticks() {
        let mut bench = bench();
        bench.write(at(WDOG), PASSWORD | 10 << 16);
        bench.tick();
        assert_eq!(bench.next_deadline(), None, "not configured");
        assert_eq!(bench.write(at(RSTC), PASSWORD | RSTC_FULL_RESET), Served::EndSlice);
        assert_eq!(bench.next_deadline(), Some(GuestTime(10_000_000_000)));
        bench.tick_at(GuestTime(4_000_000_000));
        assert_eq!(bench.read(at(WDOG)), 6 << 16);
        bench.write(at(WDOG), PASSWORD | 10 << 16);
        bench.tick_at(GuestTime(13_999_999_999));
        assert_eq!(bench.power.take(), None);
        bench.tick_at(GuestTime(14_000_000_000));
        assert_eq!(bench.power.take(), Some(PowerRequest::Reset));
    }

    #[test]
    fn partition_63_is_power_off() {
        let mut bench = bench();
        bench.write(at(RSTS), PASSWORD | PARTITION_BITS);
        bench.write(at(WDOG), PASSWORD | 1);
        bench.write(at(RSTC), PASSWORD | RSTC_FULL_RESET);
        bench.tick_at(GuestTime(20_000));
        assert_eq!(bench.power.take(), Some(PowerRequest::Off));
    }

    #[test]
    fn without_the_password_or_when_stopped_nothing_happens() {
        let mut bench = bench();
        bench.write(at(RSTC), RSTC_FULL_RESET);
        assert_eq!((bench.read(at(RSTC)), bench.read(at(RSTS))), (RSTC_RESET, RSTS_RESET));
        bench.write(at(WDOG), PASSWORD | 100);
        bench.write(at(RSTC), PASSWORD | RSTC_FULL_RESET);
        bench.write(at(RSTC), PASSWORD | RSTC_RESET);
        bench.tick_at(GuestTime(1_000_000_000));
        assert_eq!((bench.power.take(), bench.next_deadline()), (None, None));
    }
}
