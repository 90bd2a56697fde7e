//! The system counter and the generic timers of the cores.
//!
//! # Resources
//! - ARM ARM D11, The Generic Timer.
//! - BCM2836 ARM-local peripherals (QA7), 3.1: the counter runs from the 19.2 MHz crystal through the prescaler.
//!
//! # Orderings
//! A timer's registers are written by its own core and read by all (`Relaxed`: a reader that races with the write may see either state, as on hardware).
//! The counter's scale is written only between slices, which order it.

use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use tayberry_a64::Timer;
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{Archive, Cell, Deadline, GuestTime, MachineBuilder, Phase, Plugin};

/// The crystal's frequency, which CNTFRQ_EL0 tells the guest.
pub const CRYSTAL_HZ: u64 = 19_200_000;
/// The ARM's peripheral clock: half the core clock of 1.2 GHz.
const APB_HZ: u64 = 600_000_000;
/// Prescaler for a counter that runs as fast as its source.
pub const PRESCALER_UNITY: u32 = 1 << 31;

const CTL_ENABLE: u32 = 1 << 0;
const CTL_IMASK: u32 = 1 << 1;

/// The 64-bit counter that all cores share: CNTPCT_EL0.
#[derive(Debug)]
pub struct SystemCounter {
    /// Count at `epoch`.
    base: AtomicU64,
    /// Guest time in nanoseconds since which the scale holds.
    epoch: AtomicU64,
    /// Counts a second, times 2^31. Zero: it stands still.
    rate: AtomicU64,
}

const RATE_DEFAULT: u64 = CRYSTAL_HZ << 31;
const RATE_UNIT: u128 = 1_000_000_000 << 31;

impl Default for SystemCounter {
    fn default() -> Self {
        Self { base: AtomicU64::new(0), epoch: AtomicU64::new(0), rate: AtomicU64::new(RATE_DEFAULT) }
    }
}

impl Cell for SystemCounter {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.base, &self.epoch, &self.rate]);
    }
}

impl SystemCounter {
    /// The count at `now`.
    pub fn count(&self, now: GuestTime) -> u64 {
        let (base, rate) = (self.base.load(Relaxed), self.rate.load(Relaxed));
        let ns = now.0.saturating_sub(self.epoch.load(Relaxed));
        let ticks = match ns.checked_mul(12) {
            // 19.2 MHz is 12 counts in 625 ns.
            Some(ns12) if rate == RATE_DEFAULT => ns12 / 625,
            _ => (u128::from(ns) * u128::from(rate) / RATE_UNIT) as u64,
        };
        base.wrapping_add(ticks)
    }

    /// The first time since its epoch at which the counter is `count` (which may be after it came round); `None` if it never is.
    pub fn reaches(&self, count: u64) -> Option<GuestTime> {
        let rate = u128::from(self.rate.load(Relaxed));
        let epoch = GuestTime(self.epoch.load(Relaxed));
        let ticks = count.wrapping_sub(self.base.load(Relaxed));
        if ticks == 0 {
            return Some(epoch);
        }
        if rate == 0 {
            return None;
        }
        let ns = (u128::from(ticks) * RATE_UNIT).div_ceil(rate);
        u64::try_from(ns).ok().map(|ns| epoch.plus(ns)).filter(|at| at.0 != u64::MAX)
    }

    /// Chooses source and scale (QA7 3.1, control register and prescaler), between slices.
    pub fn set_scale(&self, now: GuestTime, from_apb: bool, by_two: bool, prescaler: u32) {
        let base = self.count(now);
        let source = if from_apb { APB_HZ } else { CRYSTAL_HZ };
        let step = if by_two { 2 } else { 1 };
        self.base.store(base, Relaxed);
        self.epoch.store(now.0, Relaxed);
        self.rate.store(source * step * u64::from(prescaler), Relaxed);
    }

    /// Sets the count (QA7 4.3, core timer access), between slices.
    pub fn set_count(&self, now: GuestTime, count: u64) {
        self.base.store(count, Relaxed);
        self.epoch.store(now.0, Relaxed);
    }
}

/// One timer: what its core programmed.
#[derive(Debug, Default)]
struct TimerState {
    ctl: AtomicU32,
    cval: AtomicU64,
    /// When its output rises, while that lies ahead.
    deadline: Deadline,
}

impl Cell for TimerState {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.ctl, &self.cval, &self.deadline]);
    }
}

impl TimerState {
    fn is_live(&self) -> bool {
        self.ctl.load(Relaxed) & (CTL_ENABLE | CTL_IMASK) == CTL_ENABLE
    }
}

/// The timers of all cores.
#[derive(Debug)]
pub struct Timers {
    /// The counter that they compare with.
    pub counter: SystemCounter,
    cores: Box<[[TimerState; 4]]>,
}

impl Cell for Timers {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.counter, &self.cores]);
    }
}

impl Timers {
    fn new(cores: usize, mut deadline: impl FnMut() -> Deadline) -> Self {
        let mut timer = || TimerState { deadline: deadline(), ..TimerState::default() };
        Self { counter: SystemCounter::default(), cores: (0..cores).map(|_| std::array::from_fn(|_| timer())).collect() }
    }

    /// A core programs a timer. Returns the time at which its output will rise, if that lies ahead.
    pub fn set(&self, core: usize, timer: Timer, ctl: u32, cval: u64, now: GuestTime) -> Option<GuestTime> {
        let state = &self.cores.get(core)?[timer as usize];
        state.cval.store(cval, Relaxed);
        state.ctl.store(ctl, Relaxed);
        self.arm(state, now);
        state.deadline.get()
    }

    fn arm(&self, state: &TimerState, now: GuestTime) {
        let cval = state.cval.load(Relaxed);
        let ahead = state.is_live() && self.counter.count(now) < cval;
        state.deadline.set(if ahead { self.counter.reaches(cval) } else { None });
    }

    /// Output levels of a core's timers, as bits 0 to 3 in the order of [`Timer`]. `now` is asked only if a timer is running.
    pub fn levels(&self, core: usize, now: impl FnOnce() -> GuestTime) -> u32 {
        let Some(timers) = self.cores.get(core) else { return 0 };
        if !timers.iter().any(TimerState::is_live) {
            return 0;
        }
        let count = self.counter.count(now());
        let level = |timer: &TimerState| timer.is_live() && count >= timer.cval.load(Relaxed);
        timers.iter().enumerate().map(|(bit, timer)| u32::from(level(timer)) << bit).sum()
    }

    /// Deadlines that have passed are done with: the level holds by itself. Between slices.
    fn retire(&self, now: GuestTime) {
        for state in self.cores.iter().flatten() {
            state.deadline.take_due(now, |_| None);
        }
    }

    /// The counter's scale or value changed: all deadlines move. Between slices.
    pub fn rearm(&self, now: GuestTime) {
        self.cores.iter().flatten().for_each(|state| self.arm(state, now));
    }
}

/// The timers, for systems and other plugins.
#[derive(Resource, Clone, Debug)]
pub struct GenericTimers(pub Arc<Timers>);

fn retire_deadlines(clock: Res<MachineClock>, timers: Res<GenericTimers>) {
    timers.0.retire(clock.0.now());
}

/// Adds the counter and the timers of `cores` cores.
#[derive(Clone, Copy, Debug)]
pub struct GenericTimersPlugin {
    /// Number of cores.
    pub cores: usize,
}

impl Plugin for GenericTimersPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let timers = Arc::new(Timers::new(self.cores, || machine.deadline()));
        machine.part_of("generic timers", Arc::clone(&timers));
        machine.world.insert_resource(GenericTimers(timers));
        machine.add_systems(Phase::Signal, retire_deadlines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timers() -> Timers {
        Timers::new(2, Deadline::default)
    }

    #[test]
    fn the_counter_runs_at_the_crystals_rate_until_it_is_scaled() {
        let counter = SystemCounter::default();
        assert_eq!(counter.count(GuestTime(1_000_000_000)), 19_200_000);
        assert_eq!(counter.count(GuestTime(624)), 11);
        assert_eq!(counter.count(GuestTime(625)), 12);
        assert!(counter.count(GuestTime(u64::MAX)) > 1 << 58, "no overflow");
        counter.set_scale(GuestTime(1_000_000_000), false, true, PRESCALER_UNITY / 4);
        assert_eq!(counter.count(GuestTime(2_000_000_000)), 19_200_000 + 9_600_000);
        counter.set_count(GuestTime(2_000_000_000), 5);
        assert_eq!(counter.count(GuestTime(3_000_000_000)), 9_600_005);
        counter.set_scale(GuestTime(3_000_000_000), true, false, 0);
        assert_eq!(counter.count(GuestTime(u64::MAX)), 9_600_005, "it stands");
        assert_eq!(counter.reaches(9_600_006), None);
    }

    #[test]
    fn deadlines_are_the_first_moment_of_their_count() {
        let counter = SystemCounter::default();
        for count in [1, 2, 11, 12, 13, 19_200_001, 1 << 40] {
            let at = counter.reaches(count).expect("it comes");
            assert!(counter.count(at) >= count && counter.count(GuestTime(at.0 - 1)) < count, "{count}");
        }
        assert_eq!(counter.reaches(u64::MAX), None);
    }

    #[test]
    fn a_counter_that_comes_round_still_meets_its_timers() {
        let timers = timers();
        timers.counter.set_count(GuestTime(0), u64::MAX - 11);
        assert_eq!(timers.set(0, Timer::Virtual, 1, 12, GuestTime(0)), None, "it is beyond: the output is high");
        assert_eq!(timers.levels(0, || GuestTime(0)), 8);
        let round = GuestTime(625);
        assert_eq!((timers.counter.count(round), timers.levels(0, || round)), (0, 0));
        assert_eq!(timers.set(0, Timer::Virtual, 1, 12, round), Some(GuestTime(1250)));
        assert_eq!(timers.levels(0, || GuestTime(1250)), 8);
    }

    #[test]
    fn output_follows_enable_mask_and_compare() {
        let timers = timers();
        let at = timers.set(1, Timer::Virtual, 1, 1200, GuestTime(0)).expect("ahead");
        assert_eq!(at, GuestTime(62_500));
        assert_eq!(timers.levels(1, || GuestTime(62_499)), 0);
        assert_eq!(timers.levels(1, || at), 8);
        assert_eq!(timers.levels(0, || at), 0, "another core's");
        timers.retire(at);
        assert_eq!(timers.levels(1, || at), 8, "the level stays");
        assert_eq!(timers.set(1, Timer::Virtual, 3, 1200, at), None);
        assert_eq!(timers.levels(1, || at), 0, "masked");
        assert_eq!(timers.set(1, Timer::Virtual, 1, 1300, at), Some(GuestTime::from_ticks(1300, CRYSTAL_HZ)));
        assert_eq!(timers.set(9, Timer::Virtual, 1, 1300, at), None, "no such core");
    }
}
