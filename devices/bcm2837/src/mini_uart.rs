//! The auxiliary block: UART1 (the mini UART), and the registers of SPI1 and SPI2.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 2, with its errata: IER bit 0 enables the receive interrupt and bit 1 the transmit one, as on a 16550; MSR bit 4 is CTS.
//!
//! As firmware leaves it with `enable_uart=1`, the mini UART is switched on. Bytes leave at once; input waits on the wire until there is room for it.
//!
//! # Orderings
//! As in [`crate::pl011`].

use crate::irq;
use bevy_ecs::prelude::*;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use tayberry_engine::serial::SerialWire;
use tayberry_engine::{BusContext, BusView, IrqLine, MachineBuilder, Phase, Plugin, Served};

const BASE: u64 = 0x3F21_5000;
const SIZE: u64 = 0xd8;

const AUX_IRQ: u32 = 0x00; // Which of the three interrupts (RO)
const AUX_ENABLES: u32 = 0x04; // Which of the three is switched on
const MU_IO: u32 = 0x40; // Data; divisor low while DLAB
const MU_IER: u32 = 0x44; // Interrupt enable; divisor high while DLAB
const MU_IIR: u32 = 0x48; // Interrupt identify / FIFO clear
const MU_LCR: u32 = 0x4c; // Line control
const MU_MCR: u32 = 0x50; // Modem control
const MU_LSR: u32 = 0x54; // Line status (RO)
const MU_MSR: u32 = 0x58; // Modem status (RO)
const MU_SCRATCH: u32 = 0x5c; // Scratch
const MU_CNTL: u32 = 0x60; // Extra control
const MU_STAT: u32 = 0x64; // Extra status (RO)
const MU_BAUD: u32 = 0x68; // Baud rate divisor
/// SPI1 and SPI2: control 0 and 1, status, peek, data. Switched off unless the guest enables them; nothing is wired to them.
const SPI1: u32 = 0x80;
const SPI2: u32 = 0xc0;
const SPI_CNTL0: u32 = 0x0;
const SPI_CNTL1: u32 = 0x4;
const SPI_STAT: u32 = 0x8;

const FIFO_DEPTH: usize = 8;
const ENABLE_MINI_UART: u32 = 1 << 0;
const IER_RX: u32 = 1 << 0;
const IER_TX: u32 = 1 << 1;
const IIR_NONE: u32 = 1 << 0;
const IIR_TX: u32 = 1 << 1;
const IIR_RX: u32 = 1 << 2;
const IIR_FIFOS: u32 = 3 << 6;
const IIR_CLEAR_RX: u32 = 1 << 1;
const LCR_DLAB: u32 = 1 << 7;
const LCR_8BIT: u32 = 3;
const LSR_DATA: u32 = 1 << 0;
const LSR_TX_READY: u32 = 3 << 5;
const MSR_CTS: u32 = 1 << 4;
const MCR_RTS: u32 = 1 << 1;
const CNTL_RX: u32 = 1 << 0;
const CNTL_TX: u32 = 1 << 1;
const STAT_SYMBOL: u32 = 1 << 0;
const STAT_SPACE: u32 = 1 << 1;
const STAT_RX_IDLE: u32 = 1 << 2;
const STAT_TX_IDLE: u32 = 1 << 3;
const STAT_RTS: u32 = 1 << 6;
const STAT_CTS: u32 = 1 << 7;
const STAT_TX_EMPTY: u32 = 1 << 8;
const STAT_TX_DONE: u32 = 1 << 9;
/// SPI status: receive FIFO and transmit FIFO empty.
const SPI_EMPTY: u32 = 1 << 7 | 1 << 9;

/// The block's registers.
#[derive(Debug)]
pub struct Aux {
    wire: SerialWire,
    rx: ArrayQueue<u8>,
    refilling: AtomicBool,
    enables: AtomicU32,
    ier: AtomicU32,
    lcr: AtomicU32,
    mcr: AtomicU32,
    scratch: AtomicU32,
    cntl: AtomicU32,
    baud: AtomicU32,
    /// Control registers of SPI1 and SPI2.
    spi: [[AtomicU32; 2]; 2],
    traced_disabled: AtomicBool,
    line: IrqLine,
}

impl Aux {
    fn new(wire: SerialWire, line: IrqLine) -> Self {
        Self {
            wire,
            rx: ArrayQueue::new(FIFO_DEPTH),
            refilling: AtomicBool::new(false),
            enables: AtomicU32::new(ENABLE_MINI_UART),
            ier: AtomicU32::new(0),
            lcr: AtomicU32::new(LCR_8BIT),
            mcr: AtomicU32::new(0),
            scratch: AtomicU32::new(0),
            cntl: AtomicU32::new(CNTL_RX | CNTL_TX),
            baud: AtomicU32::new(270),
            spi: Default::default(),
            traced_disabled: AtomicBool::new(false),
            line,
        }
    }

    fn is_enabled(&self) -> bool {
        self.enables.load(SeqCst) & ENABLE_MINI_UART != 0
    }

    fn divisor_access(&self) -> bool {
        self.lcr.load(SeqCst) & LCR_DLAB != 0
    }

    /// Enabled interrupts that are pending: the transmitter is always empty.
    fn pending(&self) -> u32 {
        let rx = if self.rx.is_empty() { 0 } else { IER_RX };
        self.ier.load(SeqCst) & (rx | IER_TX)
    }

    fn drive(&self) {
        irq::drive(&self.line, || self.is_enabled() && self.pending() != 0);
    }

    /// Takes bytes off the wire while there is room.
    fn refill(&self) {
        let listens = self.is_enabled() && self.cntl.load(SeqCst) & CNTL_RX != 0;
        if !listens || !self.wire.has_input() || self.refilling.swap(true, SeqCst) {
            return;
        }
        while self.rx.len() < FIFO_DEPTH
            && let Some(byte) = self.wire.receive()
        {
            let _ = self.rx.push(byte);
        }
        self.refilling.store(false, SeqCst);
        self.drive();
    }

    fn read_data(&self) -> u32 {
        if self.rx.is_empty() {
            self.refill();
        }
        let byte = self.rx.pop().unwrap_or(0);
        self.refill();
        self.drive();
        byte.into()
    }

    fn write_data(&self, byte: u8) -> Served {
        if self.cntl.load(SeqCst) & CNTL_TX == 0 && !self.traced_disabled.swap(true, SeqCst) {
            tracing::warn!(target: "uart", "UART1 sends though its transmitter is disabled: a real one would stay silent");
        }
        if self.wire.send(byte) { Served::Inline } else { Served::EndSlice }
    }

    fn waiting(&self) -> usize {
        self.refill();
        self.rx.len()
    }

    fn identify(&self) -> u32 {
        self.refill();
        let pending = self.pending();
        IIR_FIFOS
            | if pending & IER_RX != 0 {
                IIR_RX
            } else if pending & IER_TX != 0 {
                IIR_TX
            } else {
                IIR_NONE
            }
    }

    fn extra_status(&self) -> u32 {
        let waiting = self.waiting() as u32;
        let symbol = if waiting > 0 { STAT_SYMBOL } else { 0 };
        let rts = if self.mcr.load(SeqCst) & MCR_RTS == 0 { STAT_RTS } else { 0 };
        symbol | STAT_SPACE | STAT_RX_IDLE | STAT_TX_IDLE | rts | STAT_CTS | STAT_TX_EMPTY | STAT_TX_DONE | waiting << 16
    }

    fn read_mini_uart(&self, offset: u32) -> u32 {
        match offset {
            MU_IO if self.divisor_access() => self.baud.load(SeqCst) & 0xff,
            MU_IER if self.divisor_access() => self.baud.load(SeqCst) >> 8,
            MU_IO => self.read_data(),
            MU_IER => self.ier.load(SeqCst),
            MU_IIR => self.identify(),
            MU_LCR => self.lcr.load(SeqCst),
            MU_MCR => self.mcr.load(SeqCst),
            MU_LSR => LSR_TX_READY | if self.waiting() > 0 { LSR_DATA } else { 0 },
            MU_MSR => MSR_CTS,
            MU_SCRATCH => self.scratch.load(SeqCst),
            MU_CNTL => self.cntl.load(SeqCst),
            MU_STAT => self.extra_status(),
            MU_BAUD => self.baud.load(SeqCst),
            _ => 0,
        }
    }

    fn set_baud(&self, mask: u32, value: u32) {
        let _ = self.baud.fetch_update(SeqCst, SeqCst, |baud| Some(baud & !mask | value & mask));
    }

    fn write_mini_uart(&self, offset: u32, value: u32) -> Served {
        match offset {
            MU_IO if self.divisor_access() => self.set_baud(0xff, value),
            MU_IER if self.divisor_access() => self.set_baud(0xff00, value << 8),
            MU_IO => return self.write_data(value as u8),
            MU_IER => self.ier.store(value & 0xf, SeqCst),
            MU_IIR if value & IIR_CLEAR_RX != 0 => while self.rx.pop().is_some() {},
            MU_LCR => self.lcr.store(value & 0xc3, SeqCst),
            MU_MCR => self.mcr.store(value & MCR_RTS, SeqCst),
            MU_SCRATCH => self.scratch.store(value & 0xff, SeqCst),
            MU_CNTL => self.cntl.store(value & 0xff, SeqCst),
            MU_BAUD => self.set_baud(0xffff, value),
            _ => {}
        }
        self.refill();
        self.drive();
        Served::Inline
    }

    /// Number of an SPI master and offset in its registers, if that one is switched on.
    fn spi(&self, offset: u32) -> Option<(usize, u32)> {
        let (index, register) = if offset >= SPI2 { (1, offset - SPI2) } else { (0, offset.checked_sub(SPI1)?) };
        (self.enables.load(SeqCst) >> (index + 1) & 1 != 0).then_some((index, register))
    }
}

impl BusView for Aux {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match offset {
            AUX_IRQ => u32::from(self.is_enabled() && self.pending() != 0),
            AUX_ENABLES => self.enables.load(SeqCst),
            MU_IO..SPI1 if self.is_enabled() => self.read_mini_uart(offset),
            SPI1.. => match self.spi(offset) {
                Some((index, SPI_CNTL0)) => self.spi[index][0].load(SeqCst),
                Some((index, SPI_CNTL1)) => self.spi[index][1].load(SeqCst),
                Some((_, SPI_STAT)) => SPI_EMPTY,
                _ => 0,
            },
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, _: &BusContext<'_>) -> Served {
        match offset {
            AUX_ENABLES => {
                self.enables.store(value & 7, SeqCst);
                self.refill();
                self.drive();
            }
            MU_IO..SPI1 if self.is_enabled() => return self.write_mini_uart(offset, value),
            SPI1.. => match self.spi(offset) {
                Some((index, SPI_CNTL0)) => self.spi[index][0].store(value, SeqCst),
                Some((index, SPI_CNTL1)) => self.spi[index][1].store(value, SeqCst),
                _ => {}
            },
            _ => {}
        }
        Served::Inline
    }
}

/// The block in the world.
#[derive(Component)]
struct AuxDevice(Arc<Aux>);

fn receive(aux: Single<&AuxDevice>) {
    aux.0.refill();
}

/// Adds the block, with UART1 on serial port 1.
#[derive(Clone, Copy, Debug)]
pub struct AuxPlugin;

impl Plugin for AuxPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let aux = Arc::new(Aux::new(machine.serial_wire(1), machine.irq_line(irq::AUX)));
        machine.map(BASE..BASE + SIZE, "AUX", Arc::clone(&aux) as _);
        machine.world.spawn(AuxDevice(aux));
        machine.add_systems(Phase::Input, receive);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    fn bench() -> Bench {
        Bench::new(0x1000, 1, |machine| _ = machine.install(&AuxPlugin))
    }

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    #[test]
    fn bytes_go_out_and_come_in() {
        let mut bench = bench();
        assert_eq!(bench.read(at(MU_LSR)), LSR_TX_READY);
        for byte in b"hi" {
            bench.write(at(MU_IO), u32::from(*byte));
        }
        assert_eq!((bench.sent(1), bench.sent(0)), (b"hi".to_vec(), vec![]));
        let text: Vec<u8> = (0..50).collect();
        bench.feed(1, &text);
        bench.tick();
        assert_eq!(bench.read(at(MU_STAT)) & 0xf_0001, 8 << 16 | 1);
        assert_eq!(bench.read(at(MU_LSR)), LSR_TX_READY | LSR_DATA);
        assert_eq!(text, text.iter().map(|_| bench.read(at(MU_IO)) as u8).collect::<Vec<_>>());
        assert_eq!(bench.read(at(MU_STAT)) & 0xf_0001, 0);
    }

    #[test]
    fn interrupts_are_identified_receive_first() {
        let mut bench = bench();
        assert_eq!(bench.read(at(MU_IIR)), 0xc1);
        bench.write(at(MU_IER), IER_TX);
        assert_eq!((bench.read(at(MU_IIR)), bench.irq.line(29).level(), bench.read(at(AUX_IRQ))), (0xc2, true, 1));
        bench.write(at(MU_IER), IER_RX | IER_TX);
        bench.feed(1, b"x");
        bench.tick();
        assert_eq!(bench.read(at(MU_IIR)), 0xc4);
        bench.write(at(MU_IER), IER_RX);
        bench.write(at(MU_IIR), IIR_CLEAR_RX);
        assert_eq!((bench.read(at(MU_IIR)), bench.irq.line(29).level(), bench.read(at(AUX_IRQ))), (0xc1, false, 0));
    }

    #[test]
    fn the_divisor_is_reached_both_ways() {
        let bench = bench();
        bench.write(at(MU_BAUD), 0x1234);
        bench.write(at(MU_LCR), LCR_DLAB | 3);
        assert_eq!((bench.read(at(MU_IO)), bench.read(at(MU_IER))), (0x34, 0x12));
        bench.write(at(MU_IO), 0x56);
        bench.write(at(MU_IER), 0x78);
        bench.write(at(MU_LCR), 3);
        assert_eq!((bench.read(at(MU_BAUD)), bench.read(at(MU_IER))), (0x7856, 0));
        assert_eq!(bench.sent(1), b"");
    }

    #[test]
    fn what_is_switched_off_does_not_answer() {
        let mut bench = bench();
        assert_eq!(bench.read(at(AUX_ENABLES)), 1, "as the firmware leaves it");
        bench.write(at(AUX_ENABLES), 2);
        bench.write(at(MU_IO), 0x41);
        bench.feed(1, b"x");
        bench.tick();
        assert_eq!((bench.read(at(MU_LSR)), bench.sent(1)), (0, vec![]));
        bench.write(at(SPI1), 0xabc);
        bench.write(at(SPI2), 0xabc);
        assert_eq!((bench.read(at(SPI1)), bench.read(at(SPI2)), bench.read(at(SPI1 + SPI_STAT))), (0xabc, 0, SPI_EMPTY));
        bench.write(at(AUX_ENABLES), 1);
        assert_eq!(bench.read(at(MU_IO)), u32::from(b'x'), "it waited outside");
    }
}
