//! The auxiliary block: UART1 (the mini UART), and SPI1 and SPI2 ([`crate::aux_spi`]).
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 2, with its errata: IER bit 0 enables the receive interrupt and bit 1 the transmit one, as on a 16550; MSR bit 4 is CTS.
//!
//! As firmware leaves it with `enable_uart=1`, the mini UART is switched on. Bytes leave at once; input waits on the wire until there is room for it.
//! The holes before the UART read "aux0", by which kernels find out where the peripherals are.
//!
//! # Orderings
//! As in [`crate::pl011`]; the SPI masters work under a [`Turn`].

use crate::aux_spi::AuxSpi;
use crate::irq;
use crate::turn::{Turn, Wake};
use bevy_ecs::prelude::*;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::serial::SerialWire;
use tayberry_engine::{BusContext, BusView, GuestTime, IrqLine, MachineBuilder, Phase, Plugin, Served, cell};

const BASE: u64 = 0x3F21_5000;
const SIZE: u64 = 0x100;

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
/// First registers of SPI1 and SPI2, which are switched off unless the guest enables them.
const SPI1: u32 = 0x80;
const SPI2: u32 = 0xc0;
/// AUX_IRQ and AUX_ENABLES once more.
const MIRROR: u32 = 0x20;
/// What the holes between these read: "aux0".
const NAME: u32 = 0x6175_7830;

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
    /// SPI1 and SPI2.
    spi: [AuxSpi; 2],
    traced_disabled: AtomicBool,
    line: IrqLine,
    turn: Turn,
    wake: Wake,
}

cell!(Aux { rx, refilling, enables, ier, lcr, mcr, scratch, cntl, baud, spi, traced_disabled, turn, wake } but { wire, line });

impl Aux {
    fn new(wire: SerialWire, line: IrqLine, wake: Wake) -> Self {
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
            turn: Turn::default(),
            wake,
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

    /// AUX_IRQ: which of the three interrupts.
    fn interrupts(&self) -> u32 {
        let spi = |index: usize| u32::from(self.is_spi_enabled(index) && self.spi[index].interrupts());
        u32::from(self.is_enabled() && self.pending() != 0) | spi(0) << 1 | spi(1) << 2
    }

    fn drive(&self) {
        irq::drive(&self.line, || self.interrupts() != 0);
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

    fn is_spi_enabled(&self, index: usize) -> bool {
        self.enables.load(SeqCst) >> (index + 1) & 1 != 0
    }

    /// SPI master and offset in its registers, if that one is switched on.
    fn spi(&self, offset: u32) -> Option<(&AuxSpi, u32)> {
        let (index, register) = if offset >= SPI2 { (1, offset - SPI2) } else { (0, offset.checked_sub(SPI1)?) };
        self.is_spi_enabled(index).then_some((&self.spi[index], register))
    }

    /// Brings the SPI masters up to `now`.
    fn update_spi(&self, now: GuestTime) {
        self.turn.run(|| {
            self.spi.iter().for_each(|spi| spi.advance(now));
            self.drive();
            self.wake.plan(self.spi.iter().filter_map(AuxSpi::next).min());
        });
    }

    fn read_spi(&self, offset: u32, now: GuestTime) -> u32 {
        self.update_spi(now);
        self.spi(offset).map_or(0, |(spi, register)| spi.read(register))
    }

    fn write_spi(&self, offset: u32, value: u32, now: GuestTime) {
        self.update_spi(now);
        if let Some((spi, register)) = self.spi(offset) {
            spi.write(register, value);
            self.update_spi(now);
        }
    }
}

impl BusView for Aux {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            ..MU_IO => match offset & !MIRROR {
                AUX_IRQ => self.interrupts(),
                AUX_ENABLES => self.enables.load(SeqCst),
                _ => NAME,
            },
            MU_IO..SPI1 if self.is_enabled() => self.read_mini_uart(offset),
            MU_IO..SPI1 => 0,
            SPI1.. => self.read_spi(offset, at.now()),
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        match offset {
            AUX_ENABLES => {
                self.enables.store(value & 7, SeqCst);
                self.refill();
                self.drive();
            }
            MU_IO..SPI1 if self.is_enabled() => return self.write_mini_uart(offset, value),
            SPI1.. => self.write_spi(offset, value, at.now()),
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

fn signal(aux: Single<&AuxDevice>, clock: Res<MachineClock>) {
    let now = clock.now();
    if aux.0.wake.is_due(now) {
        aux.0.update_spi(now);
    }
}

/// Adds the block, with UART1 on serial port 1.
#[derive(Clone, Copy, Debug)]
pub struct AuxPlugin;

impl Plugin for AuxPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let aux = Arc::new(Aux::new(machine.serial_wire(1), machine.irq_line(irq::AUX), Wake::new(machine)));
        machine.map(BASE..BASE + SIZE, "AUX", Arc::clone(&aux) as _);
        machine.part_of("AUX", Arc::clone(&aux));
        machine.world.spawn(AuxDevice(aux));
        machine.add_systems(Phase::Input, receive).add_systems(Phase::Signal, signal);
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
        assert_eq!((bench.read(at(SPI1)), bench.read(at(SPI2)), bench.read(at(SPI1 + 8))), (0xabc, 0, 0x280));
        bench.write(at(AUX_ENABLES), 1);
        assert_eq!(bench.read(at(MU_IO)), u32::from(b'x'), "it waited outside");
    }

    #[test]
    fn holes_read_the_block_s_name() {
        let bench = bench();
        assert_eq!(bench.read(0x3f21_5010), u32::from_be_bytes(*b"aux0"));
        let named: Vec<u32> = (0..0x40).step_by(4).filter(|&offset| bench.read(at(offset)) == NAME).collect();
        assert_eq!(named.len(), 12);
        assert_eq!((bench.read(at(0x20)), bench.read(at(0x24))), (0, 1), "as at 0 and 4");
    }

    /// An SPI master switched on, with `cntl0` beside ENABLE.
    fn spi(index: u32, cntl0: u32, cntl1: u32) -> (Bench, u32) {
        let (bench, base) = (bench(), SPI1 + 0x40 * index);
        bench.write(at(AUX_ENABLES), 2 << index);
        bench.write(at(base), 0x800 | cntl0);
        bench.write(at(base + 4), cntl1);
        (bench, base)
    }

    #[test]
    fn spi_entries_come_back_after_their_time() {
        for index in [0, 1] {
            // 1 MHz, 8 bits, most significant bit first both ways.
            let (mut bench, base) = spi(index, 124 << 20 | 1 << 6 | 8, 2 | 1 << 6);
            assert_eq!((bench.read(at(AUX_IRQ)), bench.irq.line(29).level()), (2 << index, true), "done already");
            (0..5).for_each(|byte: u32| _ = bench.write(at(base + 0x20), (0xa0 + byte) << 24));
            assert_eq!(bench.read(at(base + 8)), 4 << 24 | 0x400 | 0x80 | 0x40 | 8, "four wait, one is on its way");
            assert_eq!((bench.read(at(AUX_IRQ)), bench.irq.line(29).level()), (0, false));
            bench.tick_at(GuestTime(7_999));
            assert_eq!(bench.read(at(base + 8)) >> 16 & 0xff, 0);
            bench.tick_at(GuestTime(8_000));
            assert_eq!((bench.read(at(base + 8)) >> 16, bench.read(at(base + 0xc))), (0x301, 0xa0));
            assert_eq!(bench.read(at(base + 0x20)), 0xa0);
            while !bench.irq.line(29).level() {
                bench.tick_at(bench.next_deadline().expect("the end"));
            }
            assert_eq!((bench.clock.now(), bench.read(at(base + 8))), (GuestTime(40_000), 4 << 16 | 0x200 | 0x100));
            assert_eq!((1..5).map(|_| bench.read(at(base + 0x20))).collect::<Vec<_>>(), [0xa1, 0xa2, 0xa3, 0xa4]);
            bench.write(at(base + 4), 0);
            assert!(!bench.irq.line(29).level());
        }
    }

    #[test]
    fn spi_entries_of_variable_width_carry_their_length() {
        let (mut bench, base) = spi(0, 1 << 14 | 1 << 6, 2);
        // As drivers do: TXHOLD for all but the last.
        bench.write(at(base + 0x30), 24 << 24 | 0x12_3456);
        bench.write(at(base + 0x20), 8 << 24 | 0x78_0000);
        bench.tick_at(GuestTime(24 * 8 + 8 * 8));
        assert_eq!([(); 2].map(|()| bench.read(at(base + 0x20))), [0x12_3456, 0x78]);
        bench.write(at(base), 0x800 | 1 << 9);
        bench.write(at(base + 0x20), 1);
        assert_eq!(bench.read(at(base + 8)), 0x280, "held empty");
    }
}
