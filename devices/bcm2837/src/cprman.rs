//! The clock manager: what guests read about clocks, and the switches that they wait for.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, 6.3 (general purpose clocks); Linux, drivers/clk/bcm/clk-bcm2835.c names the rest.
//!
//! Registers keep what is written to them. A clock is busy as long as it is enabled, and a PLL is locked as soon as it has power. Of this machine's devices,
//! PWM and PCM run from these clocks. After reset they say what the firmware's clocks are: core 250 MHz, UART 48 MHz, EMMC 200 MHz.
//!
//! # Orderings
//! One atomic a register (`SeqCst`), touched by any core.

use bevy_ecs::prelude::Resource;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::{BusContext, BusView, MachineBuilder, Plugin, Served, cell};

const BASE: u64 = 0x3F10_1000;
const SIZE: u64 = 0x2000;

const PASSWORD: u32 = 0x5a00_0000;
const PASSWORD_MASK: u32 = 0xff00_0000;
const CM_LOCK: u32 = 0x114; // PLL locks (RO)
/// Clock control registers: pairs of control and divisor, in two ranges.
const CONTROLS: [std::ops::Range<u32>; 2] = [0x000..0x100, 0x158..0x1d8];
/// Not clocks, though they lie among them: PLLB's control in the clock manager.
const CM_PLLB: u32 = 0x170;
const ENABLE: u32 = 1 << 4;
const KILL: u32 = 1 << 5;
const BUSY: u32 = 1 << 7;
/// A PLL's control register: it has no power.
const POWER_DOWN: u32 = 1 << 16;
const POWER_UP: u32 = 1 << 17;
/// Control register and lock bit of each PLL: A, B, C, D, H.
const PLLS: [(u32, u32); 5] = [(0x1100, 8), (0x11e0, 9), (0x1120, 10), (0x1140, 11), (0x1160, 12)];

/// Sources of a clock.
const OSCILLATOR: u32 = 1;
const PLLB_ARM: u32 = 4;
const PLLC: u32 = 5;
const PLLD: u32 = 6;
/// A PLL's multiplier of 19.2 MHz, pre-divider 1.
const fn pll(multiplier: u32) -> u32 {
    POWER_UP | 1 << 12 | multiplier
}

/// What registers hold when the firmware has started the kernel.
const RESETS: &[(u32, u32)] = &[
    (0x008, ENABLE | PLLC),       // CM_VPUCTL
    (0x00c, 4 << 12),             // CM_VPUDIV: 1000 / 4 = 250 MHz
    (0x090, ENABLE | OSCILLATOR), // CM_OTPCTL
    (0x094, 4 << 12),             // CM_OTPDIV: 4.8 MHz
    (0x0e0, ENABLE | OSCILLATOR), // CM_TSENSCTL
    (0x0e4, 10 << 12),            // CM_TSENSDIV: 1.92 MHz
    (0x0e8, ENABLE | OSCILLATOR), // CM_TIMERCTL
    (0x0ec, 0x1_3333),            // CM_TIMERDIV: 19.2, 1 MHz
    (0x0f0, ENABLE | PLLD),       // CM_UARTCTL
    (0x0f4, 0xa6aa),              // CM_UARTDIV: 500 / 10.417 = 48 MHz
    (0x1b0, ENABLE | PLLB_ARM),   // CM_ARMCTL
    (0x1c0, ENABLE | PLLD),       // CM_EMMCCTL
    (0x1c4, 0x2800),              // CM_EMMCDIV: 500 / 2.5 = 200 MHz
    (0x1100, POWER_DOWN),         // A2W_PLLA_CTRL
    (0x1120, pll(104)),           // A2W_PLLC_CTRL
    (0x1140, pll(104)),           // A2W_PLLD_CTRL
    (0x1160, POWER_DOWN),         // A2W_PLLH_CTRL
    (0x11e0, pll(62)),            // A2W_PLLB_CTRL
    (0x1220, 0x2_aaab),           // A2W_PLLC_FRAC: 104.167 times 19.2 MHz = 2000 MHz
    (0x1240, 0x2_aaab),           // A2W_PLLD_FRAC: the same
    (0x12e0, 0x8_0000),           // A2W_PLLB_FRAC: 62.5 times 19.2 MHz = 1200 MHz
    (0x13e0, 2),                  // A2W_PLLB_ARM: 600 MHz
    (0x1440, 4),                  // A2W_PLLD_CORE: 500 MHz
    (0x1520, 2),                  // A2W_PLLC_PER: 1000 MHz
    (0x1540, 4),                  // A2W_PLLD_PER: 500 MHz
    (0x1620, 2),                  // A2W_PLLC_CORE0: 1000 MHz
];

/// Control registers of the clocks that devices ask for.
pub const CM_PCMCTL: u32 = 0x098;
/// The PWM clock's.
pub const CM_PWMCTL: u32 = 0x0a0;
const OSCILLATOR_HZ: u64 = 19_200_000;
const SOURCE: u32 = 0xf;
/// Sources from 4 on: a PLL's control, its fraction, and the divider of its channel for peripherals (of PLLH: the auxiliary one).
const CHANNELS: [(u32, u32, u32); 4] =
    [(0x1100, 0x1200, 0x1500), (0x1120, 0x1220, 0x1520), (0x1140, 0x1240, 0x1540), (0x1160, 0x1260, 0x1560)];
const FIRST_CHANNEL: u32 = 4;

/// The clock manager, for plugins of devices that run from its clocks.
#[derive(Resource, Clone, Debug)]
pub struct Clocks(pub Arc<Cprman>);

/// The manager's registers.
#[derive(Debug)]
pub struct Cprman {
    words: Box<[AtomicU32]>,
}

cell!(Cprman { words });

fn is_control(offset: u32) -> bool {
    offset.is_multiple_of(8) && offset != CM_PLLB && CONTROLS.iter().any(|range| range.contains(&offset))
}

impl Cprman {
    fn new() -> Self {
        let words: Box<[AtomicU32]> = (0..SIZE / 4).map(|_| AtomicU32::new(0)).collect();
        let manager = Self { words };
        RESETS.iter().for_each(|&(offset, value)| manager.store(offset, value));
        manager
    }

    fn word(&self, offset: u32) -> u32 {
        self.words.get(offset as usize / 4).map_or(0, |word| word.load(SeqCst))
    }

    fn store(&self, offset: u32, value: u32) {
        if let Some(word) = self.words.get(offset as usize / 4) {
            word.store(value, SeqCst);
        }
    }
}

impl Cprman {
    /// Hertz of the channel for peripherals of the PLL `index` of [`CHANNELS`], if it has power.
    fn channel_hz(&self, index: usize) -> Option<u64> {
        let &(control, fraction, divider) = CHANNELS.get(index)?;
        let control = self.word(control);
        let multiplier = u64::from(control & 0x3ff) << 20 | u64::from(self.word(fraction) & 0xf_ffff);
        let divisor = u64::from(control >> 12 & 7).max(1) * u64::from(self.word(divider) & 0xff).max(1);
        (control & POWER_DOWN == 0).then_some(((OSCILLATOR_HZ * multiplier) >> 20) / divisor)
    }

    /// Hertz of the clock whose control register is `control`; `None` while it stands still.
    pub fn rate(&self, control: u32) -> Option<u64> {
        let value = self.word(control);
        let source = match value & SOURCE {
            _ if value & ENABLE == 0 => None,
            OSCILLATOR => Some(OSCILLATOR_HZ),
            source => self.channel_hz(source.checked_sub(FIRST_CHANNEL)? as usize),
        };
        // 12 bits before the point, and 12 after it.
        let divisor = u64::from(self.word(control + 4) & 0xff_ffff);
        source.and_then(|hz| (hz << 12).checked_div(divisor)).filter(|&hz| hz != 0)
    }
}

impl BusView for Cprman {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        let value = self.word(offset);
        if offset == CM_LOCK {
            return PLLS.iter().map(|&(control, bit)| u32::from(self.word(control) & POWER_DOWN == 0) << bit).sum();
        }
        if is_control(offset) && value & ENABLE != 0 { value | BUSY } else { value }
    }

    fn write(&self, offset: u32, value: u32, _: &BusContext<'_>) -> Served {
        if value & PASSWORD_MASK != PASSWORD {
            tracing::debug!(target: "mmio", "write of {value:#010x} to clock manager register {offset:#x} without the password");
            return Served::Inline;
        }
        let value = value & !PASSWORD_MASK;
        match offset {
            CM_LOCK => {}
            _ if is_control(offset) => {
                let stopped = if value & KILL != 0 { ENABLE | KILL } else { 0 };
                self.store(offset, value & !(BUSY | stopped));
            }
            _ => self.store(offset, value),
        }
        Served::Inline
    }
}

/// Adds the clock manager, and the resource [`Clocks`] for the devices after it.
#[derive(Clone, Copy, Debug)]
pub struct CprmanPlugin;

impl Plugin for CprmanPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let manager = Arc::new(Cprman::new());
        machine.world.insert_resource(Clocks(Arc::clone(&manager)));
        machine.part_of("clock manager", Arc::clone(&manager));
        machine.map(BASE..BASE + SIZE, "clock manager", manager);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    const GP0: u64 = BASE + 0x70;

    fn bench() -> Bench {
        Bench::new(0x1000, 1, |machine| _ = machine.install(&CprmanPlugin))
    }

    #[test]
    fn a_clock_is_busy_while_enabled() {
        let bench = bench();
        bench.write(GP0, ENABLE | OSCILLATOR);
        assert_eq!(bench.read(GP0), 0, "no password");
        bench.write(GP0 + 4, PASSWORD | 5 << 12);
        bench.write(GP0, PASSWORD | ENABLE | OSCILLATOR);
        assert_eq!((bench.read(GP0), bench.read(GP0 + 4)), (BUSY | ENABLE | OSCILLATOR, 5 << 12));
        bench.write(GP0, PASSWORD | KILL | ENABLE | OSCILLATOR);
        assert_eq!(bench.read(GP0), OSCILLATOR);
    }

    #[test]
    fn plls_lock_with_power() {
        let bench = bench();
        let lock = BASE + u64::from(CM_LOCK);
        assert_eq!(bench.read(lock), 0b01110 << 8, "B, C, D");
        bench.write(BASE + 0x1160, PASSWORD | pll(50));
        bench.write(BASE + 0x1140, PASSWORD | POWER_DOWN);
        assert_eq!(bench.read(lock), 0b10110 << 8);
    }

    #[test]
    fn rates_are_the_source_s_by_the_divisor() {
        let bench = bench();
        let manager = bench.world.resource::<Clocks>().0.clone();
        assert_eq!(manager.rate(CM_PWMCTL), None, "stands still");
        let set = |source: u32, divisor| {
            bench.write(BASE + u64::from(CM_PWMCTL) + 4, PASSWORD | divisor);
            bench.write(BASE + u64::from(CM_PWMCTL), PASSWORD | ENABLE | source);
            manager.rate(CM_PWMCTL)
        };
        assert_eq!(set(OSCILLATOR, 2 << 12), Some(9_600_000));
        assert_eq!(set(OSCILLATOR, 5 << 11), Some(7_680_000));
        assert!(set(PLLD, 5 << 12).is_some_and(|hz| hz.abs_diff(100_000_000) < 10), "500 MHz by 5");
        assert_eq!([set(OSCILLATOR, 0), set(0, 1 << 12), set(2, 1 << 12), set(4, 1 << 12), set(15, 1 << 12)], [None; 5]);
        assert!((0..SIZE as u32 + 0x100).step_by(4).all(|control| manager.rate(control).is_none_or(|hz| hz > 0)));
    }

    #[test]
    fn the_uarts_clock_is_48_mhz() {
        let bench = bench();
        let word = |offset| u64::from(bench.read(BASE + offset));
        let vco = (19_200_000 * ((word(0x1140) & 0x3ff) << 20 | word(0x1240))) >> 20;
        let rate = vco / (word(0x1540) & 0xff) * 4096 / word(0xf4);
        assert!(rate.abs_diff(48_000_000) < 5_000, "{rate}");
    }
}
