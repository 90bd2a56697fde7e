//! The SPI and I2C slave: its registers. Nobody is a master outside, so nothing arrives, and what a guest wants to send stays in the FIFO.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 11, with its errata.
//!
//! # Orderings
//! Registers are atomics of their own, `SeqCst`, touched by any core.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::{BusContext, BusView, MachineBuilder, Plugin, Served, cell};

const BASE: u64 = 0x3F21_4000;
const SIZE: u64 = 0x40;

const DR: u32 = 0x00; // Data
const RSR: u32 = 0x04; // Operation status and error clear
const CR: u32 = 0x0c; // Control
const FR: u32 = 0x10; // Flags (RO)
const RIS: u32 = 0x1c; // Raw interrupt status (RO)
const MIS: u32 = 0x20; // Masked interrupt status (RO)
const ICR: u32 = 0x24; // Interrupt clear (WO)
const TDR: u32 = 0x2c; // FIFO test data

const CR_EN: u32 = 1 << 0;
const CR_BRK: u32 = 1 << 7;
const CR_TXE: u32 = 1 << 8;
const FR_RXFE: u32 = 1 << 1;
const FR_TXFF: u32 = 1 << 2;
const FR_TXFE: u32 = 1 << 4;
const FR_LEVEL_SHIFT: u32 = 6;
const FIFO_DEPTH: u32 = 16;
/// Bits of each register that keep what is written.
const KEPT: [u32; (SIZE / 4) as usize] = [0, 0, 0x7f, 0x3fff & !CR_BRK, 0, 0x3f, 0xf, 0, 0, 0, 7, 0, 0xff, 0xff, 0xffff_ffff, 0xffff_ffff];

/// The slave's registers.
#[derive(Debug)]
pub struct BscSlave {
    words: [AtomicU32; (SIZE / 4) as usize],
    /// Bytes in the transmit FIFO.
    waiting: AtomicU32,
    /// A byte was lost: bit 1 of RSR.
    overrun: AtomicU32,
}

cell!(BscSlave { words, waiting, overrun });

impl BscSlave {
    fn word(&self, offset: u32) -> &AtomicU32 {
        &self.words[(offset / 4) as usize % self.words.len()]
    }

    fn flags(&self) -> u32 {
        let waiting = self.waiting.load(SeqCst);
        let full = if waiting == FIFO_DEPTH { FR_TXFF } else { 0 };
        let empty = if waiting == 0 { FR_TXFE } else { 0 };
        FR_RXFE | full | empty | waiting << FR_LEVEL_SHIFT
    }

    fn send(&self) {
        let sends = CR_EN | CR_TXE;
        if self.word(CR).load(SeqCst) & sends != sends {
            return;
        }
        let room = |waiting| (waiting < FIFO_DEPTH).then_some(waiting + 1);
        if self.waiting.fetch_update(SeqCst, SeqCst, room).is_err() {
            self.overrun.store(1, SeqCst);
        }
    }
}

impl BusView for BscSlave {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match offset {
            // With every read come the flags, in the upper half.
            DR => self.flags() << 16,
            RSR => self.overrun.load(SeqCst) << 1,
            FR => self.flags(),
            RIS | MIS | ICR | TDR => 0,
            _ => self.word(offset).load(SeqCst),
        }
    }

    fn write(&self, offset: u32, value: u32, _: &BusContext<'_>) -> Served {
        match offset {
            DR => self.send(),
            RSR => self.overrun.store(0, SeqCst),
            _ => {
                if offset == CR && value & CR_BRK != 0 {
                    self.waiting.store(0, SeqCst);
                }
                self.word(offset).store(value & KEPT[(offset / 4) as usize % KEPT.len()], SeqCst);
            }
        }
        Served::Inline
    }
}

/// Adds the slave.
#[derive(Clone, Copy, Debug)]
pub struct BscSlavePlugin;

impl Plugin for BscSlavePlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let slave = Arc::new(BscSlave { words: Default::default(), waiting: AtomicU32::new(0), overrun: AtomicU32::new(0) });
        machine.part_of("SPI/BSC slave", Arc::clone(&slave));
        machine.map(BASE..BASE + SIZE, "SPI/BSC slave", slave);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    #[test]
    fn the_transmit_fifo_fills_and_is_emptied() {
        let bench = Bench::new(0x1000, 1, |machine| _ = machine.install(&BscSlavePlugin));
        let at = |register| BASE + u64::from(register);
        assert_eq!(bench.read(at(FR)), 0x12);
        bench.write(at(DR), 1);
        assert_eq!(bench.read(at(FR)), 0x12, "switched off");
        bench.write(at(CR), CR_EN | CR_TXE);
        (0..3).for_each(|byte| _ = bench.write(at(DR), byte));
        assert_eq!((bench.read(at(FR)), bench.read(at(DR))), (0xc2, 0xc2_0000));
        (0..14).for_each(|byte| _ = bench.write(at(DR), byte));
        assert_eq!((bench.read(at(FR)), bench.read(at(RSR))), (0x406, 2), "one was too many");
        bench.write(at(RSR), 0);
        bench.write(at(CR), CR_EN | CR_TXE | CR_BRK);
        assert_eq!((bench.read(at(FR)), bench.read(at(RSR)), bench.read(at(CR))), (0x12, 0, CR_EN | CR_TXE));
        bench.write(at(0x08), u32::MAX);
        assert_eq!(bench.read(at(0x08)), 0x7f);
    }
}
