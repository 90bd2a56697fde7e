//! The message-based parallel host interface: what of it kernels use, which is a way to raise an interrupt.
//!
//! # Resources
//! - Not in the BCM2835 ARM Peripherals manual; the Raspberry Pi kernel's USB driver (dwc_otg, its FIQ part) uses it: a transfer of nothing, or the
//!   software interrupt, calls the driver back.
//!
//! There is no parallel bus on the board: an outgoing transfer is done at once.
//!
//! # Orderings
//! Registers are atomics of their own (`SeqCst`), touched by any core; the line is driven by [`irq::drive`].

use crate::irq;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::{BusContext, BusView, IrqLine, MachineBuilder, Plugin, Served, cell};

const BASE: u64 = 0x3F00_6000;
const SIZE: u64 = 0x200;

const OUTDDA: u32 = 0x28; // Address of what is sent
const OUTDDB: u32 = 0x2c; // Length and end of what is sent: begins
const CTRL: u32 = 0x4c; // Control
const INTSTAT: u32 = 0x50; // Interrupts (W1C)
const SWIRQ_SET: u32 = 0x1f0; // Software interrupt: sets bits
const SWIRQ_CLR: u32 = 0x1f4; // Software interrupt: clears bits

const CTRL_ENABLE: u32 = 1 << 31;
/// A soft reset is asked for, and done.
const CTRL_REQ_SOFT_RST: u32 = 1 << 16;
const CTRL_SOFT_RST_DONE: u32 = 1 << 17;
const OUTDDB_END_INT: u32 = 1 << 29;
const INTSTAT_TX_END: u32 = 1 << 16;
const SWIRQ_BITS: u32 = 1;

/// The interface's registers.
#[derive(Debug)]
pub struct Mphi {
    address: AtomicU32,
    length: AtomicU32,
    control: AtomicU32,
    status: AtomicU32,
    software: AtomicU32,
    line: IrqLine,
}

cell!(Mphi { address, length, control, status, software } but { line });

impl Mphi {
    fn update(&self) {
        irq::drive(&self.line, || self.status.load(SeqCst) != 0 || self.software.load(SeqCst) != 0);
    }
}

impl BusView for Mphi {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match offset {
            OUTDDA => self.address.load(SeqCst),
            OUTDDB => self.length.load(SeqCst),
            CTRL => {
                let control = self.control.load(SeqCst);
                control | if control & CTRL_REQ_SOFT_RST != 0 { CTRL_SOFT_RST_DONE } else { 0 }
            }
            INTSTAT => self.status.load(SeqCst),
            SWIRQ_SET | SWIRQ_CLR => self.software.load(SeqCst),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, _: &BusContext<'_>) -> Served {
        match offset {
            OUTDDA => self.address.store(value, SeqCst),
            OUTDDB => {
                self.length.store(value, SeqCst);
                if value & OUTDDB_END_INT != 0 && self.control.load(SeqCst) & CTRL_ENABLE != 0 {
                    self.status.fetch_or(INTSTAT_TX_END, SeqCst);
                }
            }
            CTRL => {
                self.control.store(value & !CTRL_SOFT_RST_DONE, SeqCst);
                if value & CTRL_REQ_SOFT_RST != 0 {
                    self.status.store(0, SeqCst);
                }
            }
            INTSTAT => _ = self.status.fetch_and(!value, SeqCst),
            SWIRQ_SET => _ = self.software.fetch_or(value & SWIRQ_BITS, SeqCst),
            SWIRQ_CLR => _ = self.software.fetch_and(!value, SeqCst),
            _ => {}
        }
        self.update();
        Served::Inline
    }
}

/// Adds the interface.
#[derive(Clone, Copy, Debug)]
pub struct MphiPlugin;

impl Plugin for MphiPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let zero = || AtomicU32::new(0);
        let line = machine.irq_line(irq::MPHI);
        let mphi = Arc::new(Mphi { address: zero(), length: zero(), control: zero(), status: zero(), software: zero(), line });
        machine.part_of("MPHI", Arc::clone(&mphi));
        machine.map(BASE..BASE + SIZE, "MPHI", mphi);
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
    fn a_transfer_and_the_software_interrupt_raise_the_line() {
        let bench = Bench::new(0x1000, 1, |machine| _ = machine.install(&MphiPlugin));
        let line = bench.irq.line(irq::MPHI);
        bench.write(at(OUTDDB), OUTDDB_END_INT);
        assert!(!line.level(), "disabled");
        bench.write(at(CTRL), CTRL_ENABLE);
        bench.write(at(OUTDDA), 0x1234);
        bench.write(at(OUTDDB), OUTDDB_END_INT);
        assert_eq!((bench.read(at(INTSTAT)), bench.read(at(OUTDDA)), line.level()), (INTSTAT_TX_END, 0x1234, true));
        bench.write(at(SWIRQ_SET), 1);
        bench.write(at(INTSTAT), INTSTAT_TX_END);
        assert!(line.level(), "by software");
        bench.write(at(SWIRQ_CLR), 1);
        assert!(!line.level());
        bench.write(at(CTRL), CTRL_ENABLE | CTRL_REQ_SOFT_RST);
        assert_ne!(bench.read(at(CTRL)) & CTRL_SOFT_RST_DONE, 0);
    }
}
