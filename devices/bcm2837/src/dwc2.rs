//! The USB controller, a Synopsys DesignWare Hi-Speed OTG core 2.80a in host mode, with nothing plugged in: drivers find the core, bring it up and
//! see an empty port.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, 15 USB: names Synopsys' core, and the interrupt.
//! - Synopsys' databook is not public; register names and bits as in Linux, drivers/usb/dwc2/hw.h.
//!
//! Device mode and transfers are not there: a channel that is started on the empty port stays busy until the driver halts it, as on the board.
//!
//! # Orderings
//! Registers are atomics of their own (`SeqCst`), touched by any core; the line is driven by [`irq::drive`]. A soft reset stores them one by one: who
//! reads during it sees some before and some after, as on the board.

use crate::irq;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::{BusContext, BusView, IrqLine, MachineBuilder, Plugin, Served};

const BASE: u64 = 0x3F98_0000;
const SIZE: u64 = 0x1_0000;
/// Registers end here; FIFOs follow, which lead nowhere.
const REGISTERS_END: u32 = 0x1000;

const GOTGCTL: u32 = 0x000; // OTG control and status
const GOTGINT: u32 = 0x004; // OTG interrupts (W1C)
const GAHBCFG: u32 = 0x008; // AHB configuration
const GUSBCFG: u32 = 0x00c; // USB configuration
const GRSTCTL: u32 = 0x010; // Resets, which clear themselves
const GINTSTS: u32 = 0x014; // Interrupts (some W1C)
const GINTMSK: u32 = 0x018; // Interrupt enables
const GRXSTSR: u32 = 0x01c; // Received status (RO)
const GRXSTSP: u32 = 0x020; // Received status, taken (RO)
const GRXFSIZ: u32 = 0x024; // Words of the receive FIFO
const GNPTXFSIZ: u32 = 0x028; // Words and start of the non-periodic transmit FIFO
const GNPTXSTS: u32 = 0x02c; // Room in it (RO)
const GUID: u32 = 0x03c; // User identification
const GSNPSID: u32 = 0x040; // Synopsys' identification (RO)
const GHWCFG1: u32 = 0x044; // How the core was configured (RO), to GHWCFG4
const GHWCFG2: u32 = 0x048;
const GHWCFG3: u32 = 0x04c;
const GHWCFG4: u32 = 0x050;
const HPTXFSIZ: u32 = 0x100; // Words and start of the periodic transmit FIFO
const HCFG: u32 = 0x400; // Host configuration
const HFIR: u32 = 0x404; // Frame interval
const HFNUM: u32 = 0x408; // Frame number (RO)
const HPTXSTS: u32 = 0x410; // Room in the periodic transmit FIFO (RO)
const HAINT: u32 = 0x414; // Channels with interrupts (RO)
const HAINTMSK: u32 = 0x418; // Their enables
const HPRT0: u32 = 0x440; // The port
const CHANNELS: u32 = 0x500; // First channel
const DCFG: u32 = 0x800; // Device configuration
const PCGCTL: u32 = 0xe00; // Power and clock gating

const CHANNEL_BYTES: u32 = 0x20;
const CHANNEL_COUNT: u32 = 8;
const HCCHAR: u32 = 0x00; // Channel: characteristics
const HCINT: u32 = 0x08; // Channel: interrupts (W1C)
const HCINTMSK: u32 = 0x0c; // Channel: enables

const GAHBCFG_GLBL_INTR: u32 = 1 << 0;
const GUSBCFG_FORCE_DEVICE: u32 = 1 << 30;
const GRSTCTL_CORE: u32 = 1 << 0;
/// Core, AHB, frame counter, token queue and FIFO resets.
const GRSTCTL_ALL: u32 = 0x3f;
const GRSTCTL_AHB_IDLE: u32 = 1 << 31;
const GOTGCTL_SESSION_VALID: u32 = 1 << 18;
const GINT_HOST_MODE: u32 = 1 << 0;
const GINT_OTG: u32 = 1 << 2;
const GINT_NPTX_EMPTY: u32 = 1 << 5;
const GINT_PORT: u32 = 1 << 24;
const GINT_CHANNELS: u32 = 1 << 25;
const GINT_PTX_EMPTY: u32 = 1 << 26;
const HCCHAR_DISABLE: u32 = 1 << 30;
const HCCHAR_ENABLE: u32 = 1 << 31;
const HCINT_HALTED: u32 = 1 << 1;
const HPRT0_CONNECT: u32 = 1 << 0;
const HPRT0_ENABLE: u32 = 1 << 2;
const HPRT0_OVERCURRENT: u32 = 1 << 4;
const HPRT0_LINE: u32 = 3 << 10;
const HPRT0_SPEED: u32 = 3 << 17;
/// Connection and over-current changes, enable changes: cleared by writing 1.
const HPRT0_CHANGES: u32 = 1 << 1 | 1 << 3 | 1 << 5;
/// What a driver sets: resume, suspend, reset, power, test mode.
const HPRT0_WRITABLE: u32 = !(HPRT0_CONNECT | HPRT0_ENABLE | HPRT0_OVERCURRENT | HPRT0_LINE | HPRT0_SPEED | HPRT0_CHANGES);
/// A frame number that has not moved: no frames are sent to an empty port.
const FRAME_NONE: u32 = 0x3fff;
/// Words of all FIFOs together.
const FIFO_WORDS: u32 = 0x1000;
/// An empty transmit FIFO: eight requests and 256 words of room.
const FIFO_EMPTY: u32 = 0x0008_0100;

/// Registers with other values than zero after a reset.
const RESET: [(u32, u32); 8] = [
    (GUSBCFG, 0x1400),
    (GRXFSIZ, FIFO_WORDS),
    (GNPTXFSIZ, 0x0100_1000),
    (GUID, 0x2708_a000),
    (HPTXFSIZ, 0x0200_2000),
    (HCFG, 0x0000_0001),
    (HFIR, 0xea60),
    (DCFG, 0x0820_0000),
];
/// Registers that a soft reset leaves as they are.
const KEPT: [u32; 5] = [GUSBCFG, GUID, HCFG, DCFG, PCGCTL];
/// The configuration of the BCM2835's core.
const IDENTITY: [(u32, u32); 5] =
    [(GSNPSID, 0x4f54_280a), (GHWCFG1, 0), (GHWCFG2, 0x228d_dd50), (GHWCFG3, 0x0ff0_00e8), (GHWCFG4, 0x1ff0_0020)];
const WORDS: usize = (REGISTERS_END / 4) as usize;

/// The core's registers.
#[derive(Debug)]
pub struct Usb {
    words: [AtomicU32; WORDS],
    line: IrqLine,
}

/// Number of the channel that `offset` belongs to, and the register in it.
fn channel_of(offset: u32) -> Option<(u32, u32)> {
    let at = offset.checked_sub(CHANNELS)?;
    (at < CHANNEL_COUNT * CHANNEL_BYTES).then_some((at / CHANNEL_BYTES, at % CHANNEL_BYTES))
}

impl Usb {
    fn new(line: IrqLine) -> Self {
        let usb = Self { words: [const { AtomicU32::new(0) }; WORDS], line };
        RESET.iter().chain(&IDENTITY).for_each(|&(register, value)| usb.word(register).store(value, SeqCst));
        usb
    }

    /// A register's cell; `register` is one of the constants, or was checked.
    fn word(&self, register: u32) -> &AtomicU32 {
        &self.words[register as usize / 4 % WORDS]
    }

    fn load(&self, register: u32) -> u32 {
        self.word(register).load(SeqCst)
    }

    fn channel(&self, number: u32, register: u32) -> u32 {
        self.load(CHANNELS + number * CHANNEL_BYTES + register)
    }

    /// Channels with enabled interrupts, a bit each.
    fn channel_interrupts(&self) -> u32 {
        (0..CHANNEL_COUNT)
            .filter(|&number| self.channel(number, HCINT) & self.channel(number, HCINTMSK) != 0)
            .fold(0, |all, number| all | 1 << number)
    }

    /// Levels and latches of GINTSTS.
    fn interrupts(&self) -> u32 {
        let when = |condition: bool, bit: u32| if condition { bit } else { 0 };
        if self.load(GUSBCFG) & GUSBCFG_FORCE_DEVICE != 0 {
            return when(self.load(GOTGINT) != 0, GINT_OTG);
        }
        GINT_HOST_MODE
            | GINT_NPTX_EMPTY
            | GINT_PTX_EMPTY
            | when(self.load(GOTGINT) != 0, GINT_OTG)
            | when(self.load(HPRT0) & HPRT0_CHANGES != 0, GINT_PORT)
            | when(self.channel_interrupts() & self.load(HAINTMSK) != 0, GINT_CHANNELS)
    }

    fn update(&self) {
        irq::drive(&self.line, || {
            self.load(GAHBCFG) & GAHBCFG_GLBL_INTR != 0 && self.interrupts() & self.load(GINTMSK) & !GINT_HOST_MODE != 0
        });
    }

    fn soft_reset(&self) {
        for register in (0..REGISTERS_END).step_by(4).filter(|register| !KEPT.contains(register)) {
            let value = RESET.iter().chain(&IDENTITY).find(|reset| reset.0 == register).map_or(0, |reset| reset.1);
            self.word(register).store(value, SeqCst);
        }
    }

    /// A write to a channel's register.
    fn write_channel(&self, number: u32, register: u32, value: u32) {
        let word = self.word(CHANNELS + number * CHANNEL_BYTES + register);
        match register {
            HCINT => _ = word.fetch_and(!value, SeqCst),
            HCCHAR if value & HCCHAR_DISABLE != 0 => {
                let before = word.swap(value & !(HCCHAR_DISABLE | HCCHAR_ENABLE), SeqCst);
                if (before | value) & HCCHAR_ENABLE != 0 {
                    self.word(CHANNELS + number * CHANNEL_BYTES + HCINT).fetch_or(HCINT_HALTED, SeqCst);
                }
            }
            _ => word.store(value, SeqCst),
        }
    }
}

impl BusView for Usb {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match offset {
            GOTGCTL => self.load(GOTGCTL) | GOTGCTL_SESSION_VALID,
            GRSTCTL => self.load(GRSTCTL) | GRSTCTL_AHB_IDLE,
            GINTSTS => self.interrupts(),
            GNPTXSTS | HPTXSTS => FIFO_EMPTY,
            HFNUM => FRAME_NONE,
            HAINT => self.channel_interrupts(),
            _ if offset < REGISTERS_END => self.load(offset),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, _: &BusContext<'_>) -> Served {
        match offset {
            GINTSTS | GRXSTSR | GRXSTSP | GNPTXSTS | GSNPSID..=GHWCFG4 | HFNUM | HPTXSTS | HAINT => {}
            GRSTCTL => {
                if value & GRSTCTL_CORE != 0 {
                    tracing::debug!(target: "mmio", "USB: soft reset");
                    self.soft_reset();
                }
                self.word(GRSTCTL).store(value & !(GRSTCTL_ALL | GRSTCTL_AHB_IDLE), SeqCst);
            }
            GOTGINT => _ = self.word(offset).fetch_and(!value, SeqCst),
            HPRT0 => self.word(offset).store(value & HPRT0_WRITABLE, SeqCst),
            _ if offset < REGISTERS_END => match channel_of(offset) {
                Some((number, register)) => self.write_channel(number, register, value),
                None => self.word(offset).store(value, SeqCst),
            },
            _ => {}
        }
        self.update();
        Served::Inline
    }
}

/// Adds the controller.
#[derive(Clone, Copy, Debug)]
pub struct UsbPlugin;

impl Plugin for UsbPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let line = machine.irq_line(irq::USB);
        machine.map(BASE..BASE + SIZE, "USB", Arc::new(Usb::new(line)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    const HPRT0_POWER: u32 = 1 << 12;
    const HPRT0_RESET: u32 = 1 << 8;

    fn bench() -> Bench {
        Bench::new(0x1000, 1, |machine| _ = machine.install(&UsbPlugin))
    }

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    #[test]
    fn a_driver_knows_the_core() {
        let bench = bench();
        for (register, value) in IDENTITY {
            bench.write(at(register), !value);
            assert_eq!(bench.read(at(register)), value, "{register:#x}");
        }
        assert_eq!(bench.read(at(GINTSTS)) & GINT_HOST_MODE, GINT_HOST_MODE);
        bench.write(at(GUSBCFG), GUSBCFG_FORCE_DEVICE);
        assert_eq!(bench.read(at(GINTSTS)) & GINT_HOST_MODE, 0);
    }

    #[test]
    fn a_soft_reset_ends_at_once_and_keeps_the_configuration() {
        let bench = bench();
        bench.write(at(GUSBCFG), 0x1408);
        bench.write(at(GINTMSK), 0xffff);
        bench.write(at(GRXFSIZ), 1);
        bench.write(at(GRSTCTL), GRSTCTL_CORE);
        assert_eq!(bench.read(at(GRSTCTL)), GRSTCTL_AHB_IDLE);
        assert_eq!((bench.read(at(GUSBCFG)), bench.read(at(GINTMSK)), bench.read(at(GRXFSIZ))), (0x1408, 0, FIFO_WORDS));
        bench.write(at(GRSTCTL), 0x10 << 6 | 1 << 5);
        assert_eq!(bench.read(at(GRSTCTL)), GRSTCTL_AHB_IDLE | 0x10 << 6, "the FIFO is flushed");
    }

    #[test]
    fn the_port_is_empty() {
        let bench = bench();
        bench.write(at(HPRT0), HPRT0_POWER);
        bench.write(at(HPRT0), HPRT0_POWER | HPRT0_RESET);
        bench.write(at(HPRT0), HPRT0_POWER | HPRT0_ENABLE | HPRT0_CONNECT | HPRT0_CHANGES);
        assert_eq!((bench.read(at(HPRT0)), bench.read(at(GINTSTS)) & GINT_PORT), (HPRT0_POWER, 0));
    }

    #[test]
    fn a_halted_channel_interrupts() {
        let bench = bench();
        let (channel, line) = (CHANNELS + 3 * CHANNEL_BYTES, bench.irq.line(irq::USB));
        bench.write(at(GAHBCFG), GAHBCFG_GLBL_INTR);
        bench.write(at(GINTMSK), GINT_CHANNELS);
        bench.write(at(HAINTMSK), 0xff);
        bench.write(at(channel + HCINTMSK), HCINT_HALTED);
        bench.write(at(channel + HCCHAR), HCCHAR_ENABLE | 8);
        assert_eq!((bench.read(at(channel + HCCHAR)), line.level()), (HCCHAR_ENABLE | 8, false), "busy");
        bench.write(at(channel + HCCHAR), HCCHAR_ENABLE | HCCHAR_DISABLE | 8);
        assert_eq!((bench.read(at(channel + HCCHAR)), bench.read(at(HAINT)), line.level()), (8, 1 << 3, true));
        bench.write(at(channel + HCINT), HCINT_HALTED);
        assert_eq!((bench.read(at(HAINT)), line.level()), (0, false));
    }

    #[test]
    fn an_empty_fifo_interrupts_who_asks_for_it() {
        let bench = bench();
        bench.write(at(GINTMSK), GINT_NPTX_EMPTY);
        assert!(!bench.irq.line(irq::USB).level());
        bench.write(at(GAHBCFG), GAHBCFG_GLBL_INTR);
        assert!(bench.irq.line(irq::USB).level());
        bench.write(at(GINTMSK), 0);
        assert!(!bench.irq.line(irq::USB).level());
        bench.write(BASE + 0x1000, 1);
        assert_eq!(bench.read(BASE + 0x1000), 0, "a FIFO");
    }
}
