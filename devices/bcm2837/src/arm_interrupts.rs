//! The ARM interrupt controller: 64 GPU interrupts and eight of the ARM's own become one IRQ and one FIQ.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 7, with its errata: interrupts that have a bit of their own in the basic pending register do not set the
//!   "bits set in pending register 1/2" bits there.
//!
//! # Orderings
//! Enables are set and cleared by atomic read-modify-writes from any core; pending bits are computed from them and the lines on each read.

use crate::bells::Bells;
use crate::irq;
use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::{BusContext, BusView, IrqLines, MachineBuilder, Plugin, Served, cell};

const BASE: u64 = 0x3F00_B200;
const SIZE: u64 = 0x28;

const BASIC_PENDING: u32 = 0x00; // IRQ basic pending (RO)
const PENDING_1: u32 = 0x04; // IRQ pending 1 (RO)
const PENDING_2: u32 = 0x08; // IRQ pending 2 (RO)
const FIQ_CONTROL: u32 = 0x0c; // FIQ control (RW)
const ENABLE_1: u32 = 0x10; // Enable IRQs 1 (write ones to set)
const ENABLE_2: u32 = 0x14; // Enable IRQs 2
const ENABLE_BASIC: u32 = 0x18; // Enable base IRQs
const DISABLE_1: u32 = 0x1c; // Disable IRQs 1 (write ones to clear)
const DISABLE_2: u32 = 0x20; // Disable IRQs 2
const DISABLE_BASIC: u32 = 0x24; // Disable base IRQs

/// GPU interrupts with a bit of their own in the basic pending register, from bit 10 on.
const SHORTCUTS: [u32; 11] = [7, 9, 10, 18, 19, 53, 54, 55, 56, 57, 62];
const SHORTCUT_BIT: u32 = 10;
const MORE_IN_1: u32 = 1 << 8;
const MORE_IN_2: u32 = 1 << 9;
const BASIC_LINES: u32 = 0xff;
const FIQ_ENABLE: u32 = 1 << 7;
const FIQ_SOURCE: u32 = 0x7f;
/// Enables of devices that ask for a deadline only where somebody listens: the four system timers.
const TIMED_1: u32 = 0xf << irq::SYSTEM_TIMER;
/// The same among the ARM's own: the ARM timer.
const TIMED_BASIC: u32 = 1 << (irq::ARM_TIMER - irq::BASIC);

const fn shortcut_mask() -> u64 {
    let (mut mask, mut index) = (0, 0);
    while index < SHORTCUTS.len() {
        mask |= 1 << SHORTCUTS[index];
        index += 1;
    }
    mask
}

/// The controller's registers, shared by the bus, the cores and timers.
#[derive(Debug)]
pub struct ArmInterrupts {
    lines: Arc<IrqLines>,
    bells: Arc<Bells>,
    enable_1: AtomicU32,
    enable_2: AtomicU32,
    enable_basic: AtomicU32,
    fiq: AtomicU32,
}

cell!(ArmInterrupts { enable_1, enable_2, enable_basic, fiq } but { lines, bells });

impl ArmInterrupts {
    /// All disabled.
    pub fn new(lines: Arc<IrqLines>, bells: Arc<Bells>) -> Self {
        Self { lines, bells, enable_1: 0.into(), enable_2: 0.into(), enable_basic: 0.into(), fiq: 0.into() }
    }

    fn gpu_pending(&self) -> u64 {
        self.lines.levels(0) & (u64::from(self.enable_2.load(SeqCst)) << 32 | u64::from(self.enable_1.load(SeqCst)))
    }

    fn arm_pending(&self) -> u32 {
        self.lines.levels(1) as u32 & BASIC_LINES & self.enable_basic.load(SeqCst)
    }

    fn basic_pending(&self) -> u32 {
        let gpu = self.gpu_pending();
        let mut pending = self.arm_pending();
        for (index, &source) in SHORTCUTS.iter().enumerate() {
            pending |= ((gpu >> source & 1) as u32) << (SHORTCUT_BIT + index as u32);
        }
        let rest = gpu & !shortcut_mask();
        pending | if rest as u32 != 0 { MORE_IN_1 } else { 0 } | if rest >> 32 != 0 { MORE_IN_2 } else { 0 }
    }

    /// Level of its IRQ output.
    pub fn irq(&self) -> bool {
        self.gpu_pending() != 0 || self.arm_pending() != 0
    }

    /// Level of its FIQ output: the selected source, whether or not it is enabled as an IRQ.
    pub fn fiq(&self) -> bool {
        let fiq = self.fiq.load(SeqCst);
        let source = fiq & FIQ_SOURCE;
        fiq & FIQ_ENABLE != 0 && source < irq::BASIC as u32 + 8 && self.lines.levels(source as usize / 64) >> (source % 64) & 1 != 0
    }

    /// True if interrupt `line` can reach a core at all.
    pub fn is_enabled(&self, line: usize) -> bool {
        let enables = match line / 32 {
            0 => &self.enable_1,
            1 => &self.enable_2,
            _ => &self.enable_basic,
        };
        enables.load(SeqCst) >> (line % 32) & 1 != 0 || self.fiq.load(SeqCst) & (FIQ_ENABLE | FIQ_SOURCE) == FIQ_ENABLE | line as u32
    }

    /// Sets bits of an enable register. The slice ends if a timer is now listened to, so that its deadline is seen.
    fn enable(&self, register: &AtomicU32, value: u32, timed: u32) -> Served {
        let new = value & !register.fetch_or(value, SeqCst);
        if self.irq() {
            self.bells.look_all();
        }
        if new & timed != 0 { Served::EndSlice } else { Served::Inline }
    }
}

impl BusView for ArmInterrupts {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match offset {
            BASIC_PENDING => self.basic_pending(),
            PENDING_1 => self.gpu_pending() as u32,
            PENDING_2 => (self.gpu_pending() >> 32) as u32,
            FIQ_CONTROL => self.fiq.load(SeqCst),
            ENABLE_1 | DISABLE_1 => self.enable_1.load(SeqCst),
            ENABLE_2 | DISABLE_2 => self.enable_2.load(SeqCst),
            ENABLE_BASIC | DISABLE_BASIC => self.enable_basic.load(SeqCst),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, _: &BusContext<'_>) -> Served {
        tracing::trace!(target: "interrupts", "ARM interrupt controller {offset:#x} = {value:#010x}");
        match offset {
            FIQ_CONTROL => {
                self.fiq.store(value & (FIQ_ENABLE | FIQ_SOURCE), SeqCst);
                if self.fiq() {
                    self.bells.look_all();
                }
                return Served::EndSlice;
            }
            ENABLE_1 => return self.enable(&self.enable_1, value, TIMED_1),
            ENABLE_2 => return self.enable(&self.enable_2, value, 0),
            ENABLE_BASIC => return self.enable(&self.enable_basic, value & BASIC_LINES, TIMED_BASIC),
            DISABLE_1 => _ = self.enable_1.fetch_and(!value, SeqCst),
            DISABLE_2 => _ = self.enable_2.fetch_and(!value, SeqCst),
            DISABLE_BASIC => _ = self.enable_basic.fetch_and(!value, SeqCst),
            _ => {}
        }
        Served::Inline
    }
}

/// The controller, for other plugins.
#[derive(Resource, Clone, Debug)]
pub struct ArmInterruptController(pub Arc<ArmInterrupts>);

/// Adds the controller.
#[derive(Clone, Copy, Debug)]
pub struct ArmInterruptControllerPlugin;

impl Plugin for ArmInterruptControllerPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let bells = crate::core::bells(machine);
        let controller = Arc::new(ArmInterrupts::new(machine.irq_lines(), bells));
        machine.map(BASE..BASE + SIZE, "ARM interrupt controller", Arc::clone(&controller) as _);
        machine.part_of("ARM interrupt controller", Arc::clone(&controller));
        machine.world.insert_resource(ArmInterruptController(controller));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    const AT: u64 = BASE;

    fn bench() -> Bench {
        Bench::new(0x1000, 1, |machine| _ = machine.install(&ArmInterruptControllerPlugin))
    }

    fn outputs(bench: &Bench) -> (bool, bool) {
        let controller = &bench.world.resource::<ArmInterruptController>().0;
        (controller.irq(), controller.fiq())
    }

    #[test]
    fn pending_registers_of_every_line() {
        // (line, bit in the basic pending register)
        let shortcuts = [(7, 10), (9, 11), (10, 12), (18, 13), (19, 14), (53, 15), (54, 16), (55, 17), (56, 18), (57, 19), (62, 20)];
        for line in 0..72usize {
            let bench = bench();
            bench.irq.line(line).set(true);
            assert_eq!((bench.read(AT), outputs(&bench)), (0, (false, false)), "{line}: disabled");
            bench.write(AT + u64::from([ENABLE_1, ENABLE_2, ENABLE_BASIC][line / 32]), 1 << (line % 32));
            let basic = match (shortcuts.iter().find(|shortcut| shortcut.0 == line), line) {
                (Some(&(_, bit)), _) => 1 << bit,
                (None, 0..32) => 1 << 8,
                (None, 32..64) => 1 << 9,
                _ => 1 << (line - 64),
            };
            assert_eq!(bench.read(AT + u64::from(BASIC_PENDING)), basic, "{line}");
            let pending = (bench.read(AT + u64::from(PENDING_1)), bench.read(AT + u64::from(PENDING_2)));
            let expected = if line < 64 { 1u64 << line } else { 0 };
            assert_eq!(pending, (expected as u32, (expected >> 32) as u32), "{line}");
            assert_eq!(outputs(&bench), (true, false), "{line}");
            bench.write(AT + u64::from([DISABLE_1, DISABLE_2, DISABLE_BASIC][line / 32]), 1 << (line % 32));
            assert_eq!(outputs(&bench), (false, false), "{line}");
        }
    }

    #[test]
    fn fiq_takes_one_source_enabled_or_not() {
        let bench = bench();
        for line in [0, 31, 57, 63, 64, 71] {
            bench.irq.line(line).set(true);
            bench.write(AT + u64::from(FIQ_CONTROL), FIQ_ENABLE | line as u32);
            assert_eq!(outputs(&bench), (false, true), "{line}");
            bench.write(AT + u64::from(FIQ_CONTROL), line as u32);
            assert_eq!(outputs(&bench), (false, false), "{line}");
        }
        bench.write(AT + u64::from(FIQ_CONTROL), FIQ_ENABLE | 100);
        assert_eq!(outputs(&bench), (false, false));
    }

    #[test]
    fn listening_to_a_timer_ends_the_slice() {
        let bench = bench();
        assert_eq!(bench.write(AT + u64::from(ENABLE_1), 2), Served::EndSlice);
        assert_eq!(bench.write(AT + u64::from(ENABLE_1), 2), Served::Inline);
        assert_eq!(bench.write(AT + u64::from(ENABLE_2), 2), Served::Inline);
        assert_eq!(bench.read(AT + u64::from(ENABLE_1)), 2);
    }
}
