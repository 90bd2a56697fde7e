//! The asynchronous bridges between the ARM's bus and the VideoCore's blocks.
//!
//! # Resources
//! - Not in the BCM2835 ARM Peripherals manual; Linux, drivers/pmdomain/bcm/bcm2835-power.c stops and starts them around a block's power.
//!
//! A bridge has nothing under way here, so that it stops and starts at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::{BusContext, BusView, MachineBuilder, Plugin, Served, cell};

const BASE: u64 = 0x3F00_A000;
const SIZE: u64 = 0x24;

const FIRST_CTRL: u32 = 0x04; // First of the bridges' control registers
const LAST_CTRL: u32 = 0x1c; // Last of them
const ID: u32 = 0x20; // Identification (RO)

/// "brdg".
const ID_VALUE: u32 = 0x6272_6467;
const PASSWORD: u32 = 0x5a00_0000;
const PASSWORD_MASK: u32 = 0xff00_0000;
const CTRL_REQ_STOP: u32 = 1 << 0;
const CTRL_ACK: u32 = 1 << 1;
const CTRL_EMPTY: u32 = 1 << 2;
const BRIDGES: usize = ((LAST_CTRL - FIRST_CTRL) / 4 + 1) as usize;

/// The bridges' registers: whether each is stopped (plain state, any core, `SeqCst`).
#[derive(Debug, Default)]
pub struct Asb {
    stopped: [AtomicU32; BRIDGES],
}

cell!(Asb { stopped });

/// Number of the bridge whose control register is at `offset`.
fn bridge_of(offset: u32) -> Option<usize> {
    (FIRST_CTRL..=LAST_CTRL).contains(&offset).then(|| ((offset - FIRST_CTRL) / 4) as usize)
}

impl BusView for Asb {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match bridge_of(offset) {
            Some(bridge) if self.stopped[bridge].load(SeqCst) != 0 => CTRL_REQ_STOP | CTRL_ACK | CTRL_EMPTY,
            Some(_) => CTRL_EMPTY,
            None if offset == ID => ID_VALUE,
            None => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, _: &BusContext<'_>) -> Served {
        if value & PASSWORD_MASK != PASSWORD {
            tracing::debug!(target: "mmio", "write of {value:#010x} to bridge register {offset:#x} without the password");
        } else if let Some(bridge) = bridge_of(offset) {
            self.stopped[bridge].store(value & CTRL_REQ_STOP, SeqCst);
        }
        Served::Inline
    }
}

/// Adds the bridges.
#[derive(Clone, Copy, Debug)]
pub struct AsbPlugin;

impl Plugin for AsbPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let asb = Arc::<Asb>::default();
        machine.part_of("bridges", Arc::clone(&asb));
        machine.map(BASE..BASE + SIZE, "bridges", asb);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    #[test]
    fn a_bridge_stops_and_starts_with_the_password() {
        let bench = Bench::new(0x1000, 1, |machine| _ = machine.install(&AsbPlugin));
        assert_eq!(bench.read(BASE + u64::from(ID)), ID_VALUE);
        let at = BASE + u64::from(FIRST_CTRL) + 4;
        bench.write(at, CTRL_REQ_STOP);
        assert_eq!(bench.read(at) & CTRL_ACK, 0, "no password");
        bench.write(at, PASSWORD | CTRL_REQ_STOP);
        assert_eq!((bench.read(at) & CTRL_ACK, bench.read(at + 4) & CTRL_ACK), (CTRL_ACK, 0));
        bench.write(at, PASSWORD);
        assert_eq!(bench.read(at) & (CTRL_REQ_STOP | CTRL_ACK), 0);
    }
}
