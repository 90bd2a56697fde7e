//! The ARM timer: an SP804 with one channel, a pre-divider and a free-running counter.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 14. It runs from the core clock, taken to be 250 MHz.
//!
//! # Orderings
//! Setup is posted and served between slices, which order it; the interrupt's latch is atomic (`SeqCst`), cleared inline by any core.

use crate::arm_interrupts::{ArmInterruptController, ArmInterrupts};
use crate::irq;
use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{BusContext, BusView, Deadline, GuestTime, Inbox, IrqLine, MachineBuilder, Phase, Plugin, Served, cell};

const BASE: u64 = 0x3F00_B400;
const SIZE: u64 = 0x24;

const LOAD: u32 = 0x00; // Load
const VALUE: u32 = 0x04; // Value (RO)
const CONTROL: u32 = 0x08; // Control
const IRQ_CLEAR: u32 = 0x0c; // IRQ clear/ack (WO); reads as text
const RAW_IRQ: u32 = 0x10; // Raw IRQ (RO)
const MASKED_IRQ: u32 = 0x14; // Masked IRQ (RO)
const RELOAD: u32 = 0x18; // Reload: like load, but counts from the next wrap on
const PREDIVIDER: u32 = 0x1c; // Pre-divider
const FREE_RUNNING: u32 = 0x20; // Free running counter (RO)

const CLOCK_HZ: u64 = 250_000_000;
const CONTROL_32BIT: u32 = 1 << 1;
const CONTROL_IRQ: u32 = 1 << 5;
const CONTROL_ENABLE: u32 = 1 << 7;
const CONTROL_FREE_RUNNING: u32 = 1 << 9;
const CONTROL_RESET: u32 = 0x003e_0020;
const PREDIVIDER_RESET: u32 = 0x7d;
/// What the write-only acknowledge register reads as: "TMRA".
const IRQ_CLEAR_READS: u32 = 0x544d_5241;

/// The timer's registers.
#[derive(Debug)]
pub struct ArmTimer {
    load: AtomicU32,
    control: AtomicU32,
    predivider: AtomicU32,
    raw: AtomicBool,
    /// While stopped: the value. While running: it was reached at `expiry` less so many ticks.
    stopped_at: AtomicU32,
    /// Value of the free-running counter at `free_since` (nanoseconds).
    free_base: AtomicU32,
    free_since: AtomicU64,
    /// When it next reaches zero, whether or not anybody listens.
    expiry: Deadline,
    /// The same, for the scheduler: only while it will interrupt somebody.
    wake: Deadline,
    inbox: Inbox,
    line: IrqLine,
    controller: Arc<ArmInterrupts>,
}

cell!(ArmTimer { load, control, predivider, raw, stopped_at, free_base, free_since, expiry, wake, inbox } but { line, controller });

impl ArmTimer {
    fn enabled(&self) -> bool {
        self.control.load(SeqCst) & CONTROL_ENABLE != 0
    }

    /// Nanoseconds, times the clock rate, in one tick.
    fn divider(&self) -> u64 {
        let prescale = match self.control.load(SeqCst) >> 2 & 3 {
            1 => 16,
            2 => 256,
            _ => 1,
        };
        u64::from(self.predivider.load(SeqCst) + 1) * prescale
    }

    fn ticks_ns(&self, ticks: u64) -> u64 {
        GuestTime::from_ticks(ticks.saturating_mul(self.divider()), CLOCK_HZ).0
    }

    fn width(&self, value: u32) -> u32 {
        if self.control.load(SeqCst) & CONTROL_32BIT != 0 { value } else { value & 0xffff }
    }

    fn period_ns(&self) -> u64 {
        self.ticks_ns(u64::from(self.width(self.load.load(SeqCst))) + 1).max(1)
    }

    fn value(&self, now: GuestTime) -> u32 {
        self.catch_up(now);
        match self.expiry.get() {
            Some(at) => GuestTime(at.0.saturating_sub(now.0)).ticks(CLOCK_HZ).div_ceil(self.divider()).min(u32::MAX.into()) as u32,
            None => self.stopped_at.load(SeqCst),
        }
    }

    fn free_running(&self, now: GuestTime) -> u32 {
        let base = self.free_base.load(SeqCst);
        let control = self.control.load(SeqCst);
        if control & CONTROL_FREE_RUNNING == 0 {
            return base;
        }
        let divider = u64::from(control >> 16 & 0xff) + 1;
        let ns = now.0.saturating_sub(self.free_since.load(SeqCst));
        base.wrapping_add((GuestTime(ns).ticks(CLOCK_HZ) / divider) as u32)
    }

    /// Latches an expiry that has come by `now`.
    fn catch_up(&self, now: GuestTime) {
        let period = self.period_ns();
        let next = |at: GuestTime| Some(at.plus(((now.0 - at.0) / period + 1).saturating_mul(period)));
        if self.expiry.take_due(now, next).is_some() {
            self.raw.store(true, SeqCst);
            self.drive();
        }
    }

    fn masked(&self) -> bool {
        self.raw.load(SeqCst) && self.control.load(SeqCst) & CONTROL_IRQ != 0
    }

    fn drive(&self) {
        irq::drive(&self.line, || self.masked());
    }

    /// Counts from `value` on.
    fn start(&self, value: u32, now: GuestTime) {
        let ahead = self.ticks_ns(u64::from(value));
        self.stopped_at.store(value, SeqCst);
        self.expiry.set(self.enabled().then(|| now.plus(ahead)));
    }

    /// Phase::Service: setup.
    fn serve(&self) {
        while let Some(write) = self.inbox.pop() {
            let (now, value) = (write.time, write.value);
            let current = self.value(now);
            match write.offset {
                LOAD => {
                    self.load.store(value, SeqCst);
                    self.start(self.width(value), now);
                }
                RELOAD => self.load.store(value, SeqCst),
                PREDIVIDER => {
                    self.predivider.store(value & 0x3ff, SeqCst);
                    self.start(current, now);
                }
                _ => {
                    self.free_base.store(self.free_running(now), SeqCst);
                    self.free_since.store(now.0, SeqCst);
                    self.control.store(value & 0x00ff_03ff, SeqCst);
                    self.start(self.width(current), now);
                }
            }
            self.drive();
        }
    }

    /// Phase::Signal.
    fn signal(&self, now: GuestTime) {
        self.catch_up(now);
        let waited_for =
            !self.raw.load(SeqCst) && self.control.load(SeqCst) & CONTROL_IRQ != 0 && self.controller.is_enabled(irq::ARM_TIMER);
        self.wake.set(self.expiry.get().filter(|_| waited_for));
    }
}

impl BusView for ArmTimer {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            LOAD | RELOAD => self.load.load(SeqCst),
            VALUE => self.value(at.now()),
            CONTROL => self.control.load(SeqCst),
            IRQ_CLEAR => IRQ_CLEAR_READS,
            RAW_IRQ | MASKED_IRQ => {
                self.catch_up(at.now());
                u32::from(if offset == RAW_IRQ { self.raw.load(SeqCst) } else { self.masked() })
            }
            PREDIVIDER => self.predivider.load(SeqCst),
            FREE_RUNNING => self.free_running(at.now()),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        match offset {
            LOAD | RELOAD | CONTROL | PREDIVIDER => self.inbox.post(offset, value, at),
            IRQ_CLEAR => {
                self.catch_up(at.now());
                self.raw.store(false, SeqCst);
                self.drive();
                Served::EndSlice
            }
            _ => Served::Inline,
        }
    }
}

/// The timer in the world.
#[derive(Component)]
struct ArmTimerDevice(Arc<ArmTimer>);

fn serve_setup(timer: Single<&ArmTimerDevice>) {
    if !timer.0.inbox.is_empty() {
        timer.0.serve();
    }
}

fn signal_expiry(clock: Res<MachineClock>, timer: Single<&ArmTimerDevice>) {
    if timer.0.enabled() {
        timer.0.signal(clock.now());
    }
}

/// Adds the timer. Needs [`crate::arm_interrupts::ArmInterruptControllerPlugin`] before it.
#[derive(Clone, Copy, Debug)]
pub struct ArmTimerPlugin;

impl Plugin for ArmTimerPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let timer = Arc::new(ArmTimer {
            load: AtomicU32::new(0),
            control: AtomicU32::new(CONTROL_RESET),
            predivider: AtomicU32::new(PREDIVIDER_RESET),
            raw: AtomicBool::new(false),
            stopped_at: AtomicU32::new(0),
            free_base: AtomicU32::new(0),
            free_since: AtomicU64::new(0),
            expiry: Deadline::default(),
            wake: machine.deadline(),
            inbox: Inbox::default(),
            line: machine.irq_line(irq::ARM_TIMER),
            controller: Arc::clone(&machine.world.resource::<ArmInterruptController>().0),
        });
        machine.map(BASE..BASE + SIZE, "ARM timer", Arc::clone(&timer) as _);
        machine.part_of("ARM timer", Arc::clone(&timer));
        machine.world.spawn(ArmTimerDevice(timer));
        machine.add_systems(Phase::Service, serve_setup).add_systems(Phase::Signal, signal_expiry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arm_interrupts::ArmInterruptControllerPlugin;
    use tayberry_engine::bench::Bench;

    fn bench() -> Bench {
        Bench::new(0x1000, 1, |machine| _ = machine.install(&ArmInterruptControllerPlugin).install(&ArmTimerPlugin))
    }

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    fn set(bench: &mut Bench, register: u32, value: u32) {
        bench.write(at(register), value);
        bench.tick();
    }

    #[test]
    fn it_counts_down_interrupts_and_reloads() {
        let mut bench = bench();
        bench.write(0x3F00_B218, 1);
        set(&mut bench, PREDIVIDER, 249);
        set(&mut bench, CONTROL, CONTROL_32BIT | CONTROL_IRQ | CONTROL_ENABLE);
        set(&mut bench, IRQ_CLEAR, 0);
        set(&mut bench, LOAD, 1000);
        assert_eq!(bench.next_deadline(), Some(GuestTime(1_000_000)), "a tick is a microsecond");
        bench.tick_at(GuestTime(400_000));
        assert_eq!((bench.read(at(VALUE)), bench.read(at(RAW_IRQ))), (600, 0));
        bench.tick_at(GuestTime(1_000_000));
        assert!(bench.irq.line(irq::ARM_TIMER).level());
        assert_eq!((bench.read(at(RAW_IRQ)), bench.read(at(MASKED_IRQ)), bench.next_deadline()), (1, 1, None));
        set(&mut bench, RELOAD, 99);
        set(&mut bench, IRQ_CLEAR, 1);
        assert!(!bench.irq.line(irq::ARM_TIMER).level());
        assert_eq!(bench.next_deadline(), Some(GuestTime(2_001_000)), "the old period is under way");
        bench.tick_at(GuestTime(2_001_000));
        set(&mut bench, IRQ_CLEAR, 1);
        assert_eq!(bench.next_deadline(), Some(GuestTime(2_101_000)), "then the new one");
    }

    #[test]
    fn width_prescaler_mask_and_free_running_counter() {
        let mut bench = bench();
        set(&mut bench, PREDIVIDER, 249);
        set(&mut bench, CONTROL, 1 << 2 | CONTROL_ENABLE | CONTROL_FREE_RUNNING | 249 << 16);
        set(&mut bench, LOAD, 0x7_0064);
        bench.tick_at(GuestTime(320_000));
        assert_eq!((bench.read(at(VALUE)), bench.read(at(FREE_RUNNING))), (80, 320), "16 bits, a tick is 16 us");
        bench.tick_at(GuestTime(1_600_000));
        assert_eq!((bench.read(at(RAW_IRQ)), bench.read(at(MASKED_IRQ))), (1, 0));
        assert!(!bench.irq.line(irq::ARM_TIMER).level());
        set(&mut bench, CONTROL, 1 << 2 | CONTROL_IRQ);
        assert!(bench.irq.line(irq::ARM_TIMER).level());
        bench.tick_at(GuestTime(9_000_000));
        assert_eq!(bench.read(at(FREE_RUNNING)), 1600, "stopped");
        assert_eq!(bench.read(at(IRQ_CLEAR)), 0x544d_5241);
    }
}
