//! UART0, an ARM PrimeCell UART (PL011).
//!
//! # Resources
//! - PrimeCell UART (PL011) Technical Reference Manual, revision r1p5 (DDI 0183), chapter 3.
//! - BCM2835 ARM Peripherals, chapter 13: no IrDA; FIFOs of 16; 4.2.1.3: DREQ 12 (transmit) and 14 (receive).
//!
//! Bytes leave at once, so the transmitter is never busy and its FIFO always empty. A byte is sent even by a UART that was never enabled, as kernels that
//! grew up on other emulators expect (traced once). Input waits on the wire until the UART is enabled or a guest looks for it, and there is room.
//!
//! # Orderings
//! Registers are atomics of their own, `SeqCst`, touched by any core. Bytes go from the wire into the receive FIFO under `refilling`, which is tried, never
//! waited for: who does not get it leaves the bytes to who has it, or to the next look.

use crate::dma::dreq::{DreqLine, Dreqs};
use crate::irq;
use bevy_ecs::prelude::*;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::serial::SerialWire;
use tayberry_engine::{BusContext, BusView, Deadline, GuestTime, IrqLine, MachineBuilder, Phase, Plugin, Served, cell};

const BASE: u64 = 0x3F20_1000;
const SIZE: u64 = 0x1000;

const DR: u32 = 0x000; // Data register
const RSRECR: u32 = 0x004; // Receive status / error clear
const FR: u32 = 0x018; // Flags (RO)
const ILPR: u32 = 0x020; // IrDA low-power counter
const IBRD: u32 = 0x024; // Integer baud rate divisor
const FBRD: u32 = 0x028; // Fractional baud rate divisor
const LCRH: u32 = 0x02c; // Line control
const CR: u32 = 0x030; // Control
const IFLS: u32 = 0x034; // Interrupt FIFO level select
const IMSC: u32 = 0x038; // Interrupt mask
const RIS: u32 = 0x03c; // Raw interrupt status (RO)
const MIS: u32 = 0x040; // Masked interrupt status (RO)
const ICR: u32 = 0x044; // Interrupt clear (WO)
const DMACR: u32 = 0x048; // DMA control
const ITCR: u32 = 0x080; // Test control
const ITIP: u32 = 0x084; // Integration test input
const ITOP: u32 = 0x088; // Integration test output
const TDR: u32 = 0x08c; // Test data
const ID: u32 = 0xfe0; // PeriphID0 to 3, PCellID0 to 3 (RO)
const IDS: [u32; 8] = [0x11, 0x10, 0x34, 0x00, 0x0d, 0xf0, 0x05, 0xb1];

const FIFO_DEPTH: usize = 16;
const FR_CTS: u32 = 1 << 0;
const FR_RXFE: u32 = 1 << 4;
const FR_RXFF: u32 = 1 << 6;
const FR_TXFE: u32 = 1 << 7;
const LCRH_BRK: u32 = 1 << 0;
const LCRH_FEN: u32 = 1 << 4;
const CR_UARTEN: u32 = 1 << 0;
const CR_LBE: u32 = 1 << 7;
const CR_TXE: u32 = 1 << 8;
const CR_RXE: u32 = 1 << 9;
const CR_RTS: u32 = 1 << 11;
const CR_RESET: u32 = CR_TXE | CR_RXE;
const IFLS_RESET: u32 = 0x12;
const DMACR_RX: u32 = 1 << 0;
const DMACR_TX: u32 = 1 << 1;
const DREQ_TX: u32 = 12;
const DREQ_RX: u32 = 14;
const ITCR_TESTFIFO: u32 = 1 << 1;
const INT_CTS: u32 = 1 << 1;
const INT_RX: u32 = 1 << 4;
const INT_TX: u32 = 1 << 5;
const INT_RT: u32 = 1 << 6;
const INT_FE: u32 = 1 << 7;
const INT_OE: u32 = 1 << 10;
const INTS: u32 = 0x7ff;
/// Error bits of a received character in DR; RSRECR has them eight bits lower.
const DR_FE: u16 = 1 << 8;
const DR_BE: u16 = 1 << 10;
const DR_OE: u16 = 1 << 11;

const CLOCK_HZ: u64 = 48_000_000;
/// Bit periods of silence after which the receive timeout comes.
const TIMEOUT_BITS: u64 = 32;

/// The UART's registers.
#[derive(Debug)]
pub struct Pl011 {
    wire: SerialWire,
    /// Received characters with their error bits.
    rx: ArrayQueue<u16>,
    refilling: AtomicBool,
    /// A character was lost since the last one that was queued.
    overrun: AtomicBool,
    receive_status: AtomicU32,
    ilpr: AtomicU32,
    ibrd: AtomicU32,
    fbrd: AtomicU32,
    lcrh: AtomicU32,
    cr: AtomicU32,
    ifls: AtomicU32,
    imsc: AtomicU32,
    ris: AtomicU32,
    dmacr: AtomicU32,
    itcr: AtomicU32,
    itop: AtomicU32,
    traced_disabled: AtomicBool,
    /// The wire is nearly full: the engine must take what is on it before DMA brings more.
    crowded: AtomicBool,
    timeout: Deadline,
    line: IrqLine,
    tx_dreq: DreqLine,
    rx_dreq: DreqLine,
}

cell!(Pl011 { rx, refilling, overrun, receive_status, ilpr, ibrd, fbrd, lcrh, cr, ifls, imsc, ris, dmacr, itcr, itop, traced_disabled, crowded, timeout } but { wire, line, tx_dreq, rx_dreq });

impl Pl011 {
    fn new(wire: SerialWire, timeout: Deadline, line: IrqLine, dreqs: &Dreqs) -> Self {
        Self {
            wire,
            rx: ArrayQueue::new(FIFO_DEPTH),
            refilling: AtomicBool::new(false),
            overrun: AtomicBool::new(false),
            receive_status: AtomicU32::new(0),
            ilpr: AtomicU32::new(0),
            ibrd: AtomicU32::new(0),
            fbrd: AtomicU32::new(0),
            lcrh: AtomicU32::new(0),
            cr: AtomicU32::new(CR_RESET),
            ifls: AtomicU32::new(IFLS_RESET),
            imsc: AtomicU32::new(0),
            ris: AtomicU32::new(0),
            dmacr: AtomicU32::new(0),
            itcr: AtomicU32::new(0),
            itop: AtomicU32::new(0),
            traced_disabled: AtomicBool::new(false),
            crowded: AtomicBool::new(false),
            timeout,
            line,
            tx_dreq: dreqs.line(DREQ_TX),
            rx_dreq: dreqs.line(DREQ_RX),
        }
    }

    fn is_enabled(&self) -> bool {
        self.cr.load(SeqCst) & CR_UARTEN != 0
    }

    fn depth(&self) -> usize {
        if self.lcrh.load(SeqCst) & LCRH_FEN != 0 { FIFO_DEPTH } else { 1 }
    }

    /// Characters in the FIFO at which the receive interrupt comes.
    fn rx_trigger(&self) -> usize {
        match (self.lcrh.load(SeqCst) & LCRH_FEN, self.ifls.load(SeqCst) >> 3 & 7) {
            (0, _) => 1,
            (_, 0) => FIFO_DEPTH / 8,
            (_, 1) => FIFO_DEPTH / 4,
            (_, 2) => FIFO_DEPTH / 2,
            (_, 3) => FIFO_DEPTH * 3 / 4,
            _ => FIFO_DEPTH * 7 / 8,
        }
    }

    fn drive(&self) {
        irq::drive(&self.line, || self.ris.load(SeqCst) & self.imsc.load(SeqCst) != 0);
        if self.dmacr.load(SeqCst) & (DMACR_RX | DMACR_TX) != 0 {
            self.drive_dreqs();
        }
    }

    fn drive_dreqs(&self) {
        let is_on = |bit| self.dmacr.load(SeqCst) & bit != 0;
        self.tx_dreq.drive(|| is_on(DMACR_TX) && !self.crowded.load(SeqCst));
        self.rx_dreq.drive(|| is_on(DMACR_RX) && !self.rx.is_empty());
    }

    fn raise(&self, interrupts: u32) {
        self.ris.fetch_or(interrupts, SeqCst);
        self.drive();
    }

    /// Nanoseconds of silence after which waiting characters are announced though they are few.
    fn timeout_ns(&self) -> u64 {
        let divisor = u64::from(self.ibrd.load(SeqCst)) * 64 + u64::from(self.fbrd.load(SeqCst));
        // A UART that was never set up runs at what the firmware left: 115200 baud.
        let divisor = if divisor < 64 { 26 * 64 + 3 } else { divisor };
        // 16 clocks in a bit, and the divisor counts in 64ths.
        GuestTime::from_ticks(TIMEOUT_BITS * 16 * divisor / 64, CLOCK_HZ).0
    }

    /// Puts a character into the receive FIFO; if it is full the character is lost, and the next one says so.
    fn queue(&self, character: u16) {
        let overrun = if self.overrun.swap(false, SeqCst) { DR_OE } else { 0 };
        if self.rx.len() >= self.depth() || self.rx.push(character | overrun).is_err() {
            self.overrun.store(true, SeqCst);
            self.ris.fetch_or(INT_OE, SeqCst);
            return;
        }
        let errors = u32::from(character >> 8 & 0x7) * INT_FE;
        let level = if self.rx.len() >= self.rx_trigger() { INT_RX } else { 0 };
        self.ris.fetch_or(errors | level, SeqCst);
    }

    /// Takes bytes off the wire while there is room. True if any came.
    fn refill(&self) -> bool {
        let cr = self.cr.load(SeqCst);
        if !self.wire.has_input() || cr & (CR_RXE | CR_LBE) != CR_RXE || self.refilling.swap(true, SeqCst) {
            return false;
        }
        let mut any = false;
        while self.rx.len() < self.depth()
            && let Some(byte) = self.wire.receive()
        {
            self.queue(byte.into());
            any = true;
        }
        self.refilling.store(false, SeqCst);
        if any {
            self.drive();
        }
        any
    }

    /// Starts the wait for the receive timeout.
    fn restart_timeout(&self, now: GuestTime) {
        self.timeout.set(Some(now.plus(self.timeout_ns())));
    }

    fn listens_for_timeout(&self) -> bool {
        self.imsc.load(SeqCst) & INT_RT != 0
    }

    fn read_data(&self, at: &BusContext<'_>) -> u32 {
        if self.rx.is_empty() {
            self.refill();
        }
        let Some(character) = self.rx.pop() else { return 0 };
        self.receive_status.store(u32::from(character >> 8), SeqCst);
        self.refill();
        let left = self.rx.len();
        if left < self.rx_trigger() {
            self.ris.fetch_and(!INT_RX, SeqCst);
        }
        if left == 0 {
            self.ris.fetch_and(!INT_RT, SeqCst);
            self.timeout.set(None);
        } else if self.listens_for_timeout() {
            self.restart_timeout(at.now());
        }
        self.drive();
        character.into()
    }

    fn write_data(&self, value: u32, at: &BusContext<'_>) -> Served {
        let (byte, cr) = (value as u8, self.cr.load(SeqCst));
        if cr & (CR_UARTEN | CR_TXE) != CR_UARTEN | CR_TXE && !self.traced_disabled.swap(true, SeqCst) {
            tracing::warn!(target: "uart", "UART0 sends though it is not enabled (CR = {cr:#x}): a real one would stay silent unless the firmware enabled it");
        }
        let room = if cr & CR_LBE != 0 {
            self.queue(byte.into());
            if self.listens_for_timeout() {
                self.restart_timeout(at.now());
            }
            true
        } else {
            self.wire.send(byte)
        };
        if !room {
            self.crowded.store(true, SeqCst);
        }
        self.raise(INT_TX);
        if room { Served::Inline } else { Served::EndSlice }
    }

    /// Modem inputs: what the outputs say in loopback, else a far end that is always ready.
    fn flags(&self) -> u32 {
        self.refill();
        let (cr, waiting) = (self.cr.load(SeqCst), self.rx.len());
        let modem =
            if cr & CR_LBE == 0 { FR_CTS } else { (cr >> 11 & 1) | (cr >> 10 & 1) << 1 | (cr >> 12 & 1) << 2 | (cr >> 13 & 1) << 8 };
        let rx = if waiting == 0 { FR_RXFE } else { 0 } | if waiting >= self.depth() { FR_RXFF } else { 0 };
        modem | rx | FR_TXFE
    }

    fn write_line_control(&self, value: u32) {
        let before = self.lcrh.swap(value & 0xff, SeqCst);
        if (before ^ value) & LCRH_FEN != 0 {
            // Switching the FIFOs on or off empties them.
            while self.rx.pop().is_some() {}
            self.ris.fetch_and(!(INT_RX | INT_RT), SeqCst);
        }
        if !before & value & LCRH_BRK != 0 && self.cr.load(SeqCst) & CR_LBE != 0 {
            self.queue(DR_BE | DR_FE);
        }
        self.drive();
    }

    fn write_control(&self, value: u32) {
        let before = self.cr.swap(value & 0xff87, SeqCst);
        if (before ^ value) & value & CR_LBE != 0 && value & CR_RTS != 0 {
            self.ris.fetch_or(INT_CTS, SeqCst);
        }
        if value & CR_UARTEN != 0 {
            self.refill();
        }
        self.drive();
    }

    /// Phase::Signal: silence with characters waiting.
    fn signal(&self, now: GuestTime) {
        if self.timeout.take_due(now, |_| None).is_some() && !self.rx.is_empty() {
            self.raise(INT_RT);
        }
    }
}

impl BusView for Pl011 {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            DR => self.read_data(at),
            RSRECR => self.receive_status.load(SeqCst) & 0xf,
            FR => self.flags(),
            ILPR => self.ilpr.load(SeqCst),
            IBRD => self.ibrd.load(SeqCst),
            FBRD => self.fbrd.load(SeqCst),
            LCRH => self.lcrh.load(SeqCst),
            CR => self.cr.load(SeqCst),
            IFLS => self.ifls.load(SeqCst),
            IMSC => self.imsc.load(SeqCst),
            RIS => self.ris.load(SeqCst),
            MIS => self.ris.load(SeqCst) & self.imsc.load(SeqCst),
            DMACR => self.dmacr.load(SeqCst),
            ITCR => self.itcr.load(SeqCst),
            ITIP => FR_CTS << 3,
            ITOP => self.itop.load(SeqCst),
            ID.. => IDS[((offset - ID) / 4) as usize % IDS.len()],
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        match offset {
            DR => return self.write_data(value, at),
            RSRECR => self.receive_status.store(0, SeqCst),
            ILPR => self.ilpr.store(value & 0xff, SeqCst),
            IBRD => self.ibrd.store(value & 0xffff, SeqCst),
            FBRD => self.fbrd.store(value & 0x3f, SeqCst),
            LCRH => self.write_line_control(value),
            CR => self.write_control(value),
            IFLS => self.ifls.store(value & 0x3f, SeqCst),
            IMSC => {
                let before = self.imsc.swap(value & INTS, SeqCst);
                self.drive();
                if !before & value & INT_RT != 0 && !self.rx.is_empty() {
                    self.restart_timeout(at.now());
                    return Served::EndSlice;
                }
            }
            ICR => {
                self.ris.fetch_and(!value, SeqCst);
                self.drive();
            }
            DMACR => {
                self.dmacr.store(value & 7, SeqCst);
                self.refill();
                self.drive_dreqs();
            }
            ITCR => self.itcr.store(value & 3, SeqCst),
            ITOP => self.itop.store(value & 0xfff, SeqCst),
            TDR if self.itcr.load(SeqCst) & ITCR_TESTFIFO != 0 => {
                self.queue(value as u16 & 0x7ff);
                self.drive();
            }
            _ => {}
        }
        Served::Inline
    }
}

/// The UART in the world.
#[derive(Component)]
struct Uart0(Arc<Pl011>);

fn receive(uart: Single<&Uart0>, clock: Res<MachineClock>) {
    if uart.0.crowded.load(SeqCst) {
        // The last tick has taken what was on the wire.
        uart.0.crowded.store(false, SeqCst);
        uart.0.drive();
    }
    if uart.0.is_enabled() && uart.0.refill() && uart.0.listens_for_timeout() {
        uart.0.restart_timeout(clock.now());
    }
}

fn signal_timeout(uart: Single<&Uart0>, clock: Res<MachineClock>) {
    if uart.0.timeout.get().is_some() {
        uart.0.signal(clock.now());
    }
}

/// Adds UART0 on serial port 0. Needs [`crate::dma::DmaPlugin`] before it.
#[derive(Clone, Copy, Debug)]
pub struct Pl011Plugin;

impl Plugin for Pl011Plugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let (wire, deadline, line) = (machine.serial_wire(0), machine.deadline(), machine.irq_line(irq::UART0));
        let dreqs = machine.world.resource::<Dreqs>().clone();
        let uart = Arc::new(Pl011::new(wire, deadline, line, &dreqs));
        machine.map(BASE..BASE + SIZE, "UART0", Arc::clone(&uart) as _);
        machine.part_of("UART0", Arc::clone(&uart));
        machine.world.spawn(Uart0(uart));
        machine.add_systems(Phase::Input, receive).add_systems(Phase::Signal, signal_timeout);
    }
}

#[cfg(test)]
mod tests;
