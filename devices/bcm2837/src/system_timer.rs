//! The system timer: a 64-bit microsecond counter with four compare channels.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 12. Channels 0 and 2 belong to the GPU's firmware on a real board; here nobody takes them.
//!
//! # Orderings
//! Compare values, matches and deadlines are atomics of their own, touched by any core. A match is latched by whoever first sees that its time has come:
//! the deadline is a compare-and-swap that one caller wins.

use crate::arm_interrupts::{ArmInterruptController, ArmInterrupts};
use crate::irq;
use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{BusContext, BusView, Deadline, GuestTime, IrqLine, MachineBuilder, Phase, Plugin, Served, cell};

const BASE: u64 = 0x3F00_3000;
const SIZE: u64 = 0x1c;

const CS: u32 = 0x00; // Control/status: matches (write ones to clear)
const CLO: u32 = 0x04; // Counter, lower 32 bits (RO)
const CHI: u32 = 0x08; // Counter, higher 32 bits (RO)
const C0: u32 = 0x0c; // Compare 0 to 3
const C3: u32 = 0x18;

const CHANNELS: usize = 4;
/// Nanoseconds in which the lower half of the counter comes round.
const ROUND_NS: u64 = (1 << 32) * 1_000;

/// One compare channel.
#[derive(Debug)]
struct Channel {
    compare: AtomicU32,
    /// When the counter next matches, whether or not anybody listens.
    matches: Deadline,
    /// The same, for the scheduler: only while the match will interrupt somebody.
    wake: Deadline,
    line: IrqLine,
}

cell!(Channel { compare, matches, wake } but { line });

/// The timer's registers.
#[derive(Debug)]
pub struct SystemTimer {
    status: AtomicU32,
    channels: [Channel; CHANNELS],
    controller: Arc<ArmInterrupts>,
}

cell!(SystemTimer { status, channels } but { controller });

impl SystemTimer {
    /// Latches the matches that have come by `now`.
    fn catch_up(&self, now: GuestTime) {
        let next = |at: GuestTime| Some(at.plus(((now.0 - at.0) / ROUND_NS + 1).saturating_mul(ROUND_NS)));
        for (bit, channel) in self.channels.iter().enumerate() {
            if channel.matches.take_due(now, next).is_some() {
                self.status.fetch_or(1 << bit, SeqCst);
                self.drive(bit);
            }
        }
    }

    fn drive(&self, bit: usize) {
        irq::drive(&self.channels[bit].line, || self.status.load(SeqCst) >> bit & 1 != 0);
    }

    fn set_compare(&self, bit: usize, value: u32, now: GuestTime) -> Served {
        self.catch_up(now);
        let channel = &self.channels[bit];
        channel.compare.store(value, SeqCst);
        // A value that equals the count matches at once.
        let ahead = value.wrapping_sub(now.micros() as u32);
        channel.matches.set(Some(GuestTime::from_micros(now.micros() + u64::from(ahead))));
        self.catch_up(now);
        if self.controller.is_enabled(irq::SYSTEM_TIMER + bit) { Served::EndSlice } else { Served::Inline }
    }

    /// Phase::Signal.
    fn signal(&self, now: GuestTime) {
        self.catch_up(now);
        let status = self.status.load(SeqCst);
        for (bit, channel) in self.channels.iter().enumerate() {
            let waited_for = status >> bit & 1 == 0 && self.controller.is_enabled(irq::SYSTEM_TIMER + bit);
            channel.wake.set(channel.matches.get().filter(|_| waited_for));
        }
    }
}

impl BusView for SystemTimer {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            CS => {
                self.catch_up(at.now());
                self.status.load(SeqCst)
            }
            CLO => at.now().micros() as u32,
            CHI => (at.now().micros() >> 32) as u32,
            C0..=C3 => self.channels[((offset - C0) / 4) as usize].compare.load(SeqCst),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        match offset {
            CS => {
                self.catch_up(at.now());
                let cleared = self.status.fetch_and(!value, SeqCst) & value;
                (0..CHANNELS).filter(|bit| cleared >> bit & 1 != 0).for_each(|bit| self.drive(bit));
                // A channel that was cleared and listened to has a deadline again.
                let listened = |bit: usize| cleared >> bit & 1 != 0 && self.controller.is_enabled(irq::SYSTEM_TIMER + bit);
                if (0..CHANNELS).any(listened) { Served::EndSlice } else { Served::Inline }
            }
            C0..=C3 => self.set_compare(((offset - C0) / 4) as usize, value, at.now()),
            _ => Served::Inline,
        }
    }
}

/// The timer in the world.
#[derive(Component)]
struct SystemTimerDevice(Arc<SystemTimer>);

fn signal_matches(clock: Res<MachineClock>, timer: Single<&SystemTimerDevice>) {
    timer.0.signal(clock.now());
}

/// Adds the timer. Needs [`crate::arm_interrupts::ArmInterruptControllerPlugin`] before it.
#[derive(Clone, Copy, Debug)]
pub struct SystemTimerPlugin;

impl Plugin for SystemTimerPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let controller = Arc::clone(&machine.world.resource::<ArmInterruptController>().0);
        let channels = std::array::from_fn(|bit| {
            let matches = Deadline::default();
            // All compare values are zero: the first match is when the counter comes round.
            matches.set(Some(GuestTime(ROUND_NS)));
            Channel { compare: AtomicU32::new(0), matches, wake: machine.deadline(), line: machine.irq_line(irq::SYSTEM_TIMER + bit) }
        });
        let timer = Arc::new(SystemTimer { status: AtomicU32::new(0), channels, controller });
        machine.map(BASE..BASE + SIZE, "system timer", Arc::clone(&timer) as _);
        machine.part_of("system timer", Arc::clone(&timer));
        machine.world.spawn(SystemTimerDevice(timer));
        machine.add_systems(Phase::Signal, signal_matches);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm_interrupts::ArmInterruptControllerPlugin;
    use tayberry_engine::bench::Bench;

    const ENABLE_1: u64 = 0x3F00_B210;

    fn bench() -> Bench {
        Bench::new(0x1000, 1, |machine| _ = machine.install(&ArmInterruptControllerPlugin).install(&SystemTimerPlugin))
    }

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    #[test]
    fn the_counter_counts_microseconds() {
        let mut bench = bench();
        bench.tick_at(GuestTime(5_000_000_000_999));
        assert_eq!(u64::from(bench.read(at(CHI))) << 32 | u64::from(bench.read(at(CLO))), 5_000_000_000);
    }

    #[test]
    fn every_channel_matches_once_and_interrupts_until_cleared() {
        for channel in 0..4u32 {
            let mut bench = bench();
            bench.tick_at(GuestTime::from_micros(0x1_0000_0000 - 50));
            assert_eq!(bench.write(at(C0 + 4 * channel), 50), Served::Inline, "nobody listens");
            assert_eq!(bench.next_deadline(), None);
            assert_eq!(bench.write(ENABLE_1, 1 << channel), Served::EndSlice);
            bench.tick();
            assert_eq!(bench.next_deadline(), Some(GuestTime::from_micros(0x1_0000_0032)));
            bench.tick_at(GuestTime(bench.next_deadline().expect("set").0 - 1));
            assert!(!bench.irq.line(channel as usize).level());
            bench.tick_at(GuestTime::from_micros(0x1_0000_0032));
            assert!(bench.irq.line(channel as usize).level());
            assert_eq!(bench.read(at(CS)) & 1 << channel, 1 << channel);
            assert_eq!(bench.next_deadline(), None, "until it is acknowledged");
            assert_eq!(bench.write(at(CS), 1 << channel), Served::EndSlice);
            assert!(!bench.irq.line(channel as usize).level());
            bench.tick();
            assert_eq!(bench.next_deadline(), Some(GuestTime::from_micros(0x2_0000_0032)), "when the counter comes round");
        }
    }

    #[test]
    fn a_match_is_seen_by_polling_alone() {
        let bench = bench();
        bench.write(at(C3), 100);
        let later = |ns| BusContext { core: 0, retired: ns, clock: &bench.clock };
        assert_eq!(bench.bus().read(at(CS), 4, &later(99_999)), 0);
        assert_eq!(bench.bus().read(at(CS), 4, &later(100_000)), 8);
        bench.write(at(C3), 0);
        assert_eq!(bench.read(at(C3)), 0);
        bench.write(at(CS), 8);
        assert_eq!(bench.read(at(CS)), 0);
    }

    #[test]
    fn comparing_with_now_matches_at_once() {
        let mut bench = bench();
        bench.tick_at(GuestTime(7_500));
        bench.write(at(C0 + 4), 7);
        assert_eq!(bench.read(at(CS)), 2);
    }
}
