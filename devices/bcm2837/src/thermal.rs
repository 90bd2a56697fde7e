//! The temperature sensor.
//!
//! # Resources
//! - Linux, drivers/thermal/broadcom/bcm2835_thermal.c: a BCM2837 reads 412 C less 0.538 C a count.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::{BusContext, BusView, MachineBuilder, Plugin, Served, cell};

const BASE: u64 = 0x3F21_2000;
const SIZE: u64 = 0x8;

const CTL: u32 = 0x00; // Control
const STAT: u32 = 0x04; // Status: the reading (RO)

const CTL_RESET: u32 = 0x0005_0028;
const STAT_VALID: u32 = 1 << 10;
const OFFSET_MILLI: u32 = 412_000;
const COUNT_MILLI: u32 = 538;

/// The sensor's registers: the control word (plain state, any core, `SeqCst`) and a constant reading.
#[derive(Debug)]
pub struct Thermal {
    control: AtomicU32,
    counts: u32,
}

cell!(Thermal { control } but { counts });

impl BusView for Thermal {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match offset {
            CTL => self.control.load(SeqCst),
            STAT => STAT_VALID | self.counts,
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, _: &BusContext<'_>) -> Served {
        if offset == CTL {
            self.control.store(value, SeqCst);
        }
        Served::Inline
    }
}

/// Adds the sensor.
#[derive(Clone, Copy, Debug)]
pub struct ThermalPlugin {
    /// Temperature in thousandths of a degree Celsius.
    pub temperature: u32,
}

impl Plugin for ThermalPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let counts = (OFFSET_MILLI.saturating_sub(self.temperature) / COUNT_MILLI).min(0x3ff);
        let thermal = Arc::new(Thermal { control: AtomicU32::new(CTL_RESET), counts });
        machine.part_of("thermal", Arc::clone(&thermal));
        machine.map(BASE..BASE + SIZE, "thermal", thermal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    #[test]
    fn the_reading_is_the_temperature() {
        let bench = Bench::new(0x1000, 1, |machine| _ = machine.install(&ThermalPlugin { temperature: 47_774 }));
        let status = bench.read(BASE + u64::from(STAT));
        assert_eq!(status & STAT_VALID, STAT_VALID);
        assert_eq!(OFFSET_MILLI - (status & 0x3ff) * COUNT_MILLI, 47_774);
        bench.write(BASE, 7);
        assert_eq!(bench.read(BASE), 7);
    }
}
