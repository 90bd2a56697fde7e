//! SPI0, the SPI master with DMA.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 10, with its errata; Linux, drivers/spi/spi-bcm2835.c, for the FIFOs' depth (64 bytes each) and DMA mode.
//!
//! Nothing is attached, and MOSI is wired to MISO: what is sent comes back. A byte takes 8 bits of the clock that CLK makes of the 250 MHz core clock. The
//! shifter stops while the receive FIFO is full. In LoSSI mode a symbol has nine bits, of which the lower eight come back.
//!
//! # Orderings
//! Registers are atomics of their own, `SeqCst`, touched by any core and, by way of the DMA controller, by the machine's thread. FIFOs are lock-free queues.
//! The shifter belongs to who has the [`Turn`].

use crate::dma::dreq::{DreqLine, Dreqs};
use crate::irq;
use crate::turn::{Turn, Wake};
use bevy_ecs::prelude::*;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{BusContext, BusView, GuestTime, IrqLine, MachineBuilder, Phase, Plugin, Served, cell};

const BASE: u64 = 0x3F20_4000;
const SIZE: u64 = 0x18;

const CS: u32 = 0x00; // Control and status
const FIFO: u32 = 0x04; // TX and RX FIFOs
const CLK: u32 = 0x08; // Clock divider
const DLEN: u32 = 0x0c; // Data length of a DMA transfer
const LTOH: u32 = 0x10; // LoSSI output hold delay
const DC: u32 = 0x14; // DMA DREQ controls

const CS_CLEAR_TX: u32 = 1 << 4;
const CS_CLEAR_RX: u32 = 1 << 5;
const CS_TA: u32 = 1 << 7;
const CS_DMAEN: u32 = 1 << 8;
const CS_INTD: u32 = 1 << 9;
const CS_INTR: u32 = 1 << 10;
const CS_ADCS: u32 = 1 << 11;
const CS_LEN: u32 = 1 << 13;
const CS_DONE: u32 = 1 << 16;
const CS_RXD: u32 = 1 << 17;
const CS_TXD: u32 = 1 << 18;
const CS_RXR: u32 = 1 << 19;
const CS_RXF: u32 = 1 << 20;
/// Bits that keep what is written: all but CLEAR (one shot) and the five of status.
const CS_KEPT: u32 = 0x03e0_ffcf;
/// What the first word of a DMA transfer says of CS: its low eight bits.
const CS_BY_DMA: u32 = 0xff;
/// REN.
const CS_RESET: u32 = 1 << 12;
const LTOH_RESET: u32 = 1;
/// RPANIC, RDREQ, TPANIC, TDREQ.
const DC_RESET: u32 = 0x3020_1020;

const CORE_HZ: u64 = 250_000_000;
const FIFO_DEPTH: usize = 64;
/// "Needs reading": three quarters full.
const RX_HIGH: usize = 48;
const DREQ_TX: u32 = 6;
const DREQ_RX: u32 = 7;
/// `shifter` while nothing is in it.
const IDLE: u32 = u32::MAX;

/// The master's registers, FIFOs and shifter.
#[derive(Debug)]
pub struct Spi {
    cs: AtomicU32,
    clk: AtomicU32,
    dlen: AtomicU32,
    ltoh: AtomicU32,
    dc: AtomicU32,
    /// Bytes that a DMA transfer has still to shift.
    left: AtomicU32,
    tx: ArrayQueue<u8>,
    rx: ArrayQueue<u8>,
    /// The byte on its way, or [`IDLE`].
    shifter: AtomicU32,
    /// When that byte has come back, nanoseconds.
    done_at: AtomicU64,
    turn: Turn,
    wake: Wake,
    line: IrqLine,
    tx_dreq: DreqLine,
    rx_dreq: DreqLine,
}

cell!(Spi { cs, clk, dlen, ltoh, dc, left, tx, rx, shifter, done_at, turn, wake } but { line, tx_dreq, rx_dreq });

impl Spi {
    fn new(wake: Wake, line: IrqLine, dreqs: &Dreqs) -> Self {
        Self {
            cs: AtomicU32::new(CS_RESET),
            clk: AtomicU32::new(0),
            dlen: AtomicU32::new(0),
            ltoh: AtomicU32::new(LTOH_RESET),
            dc: AtomicU32::new(DC_RESET),
            left: AtomicU32::new(0),
            tx: ArrayQueue::new(FIFO_DEPTH),
            rx: ArrayQueue::new(FIFO_DEPTH),
            shifter: AtomicU32::new(IDLE),
            done_at: AtomicU64::new(0),
            turn: Turn::default(),
            wake,
            line,
            tx_dreq: dreqs.line(DREQ_TX),
            rx_dreq: dreqs.line(DREQ_RX),
        }
    }

    fn is_set(&self, bit: u32) -> bool {
        self.cs.load(SeqCst) & bit != 0
    }

    /// Guest time of a byte, nanoseconds. The divider is even, and 0 means 65536.
    fn byte_ns(&self) -> u64 {
        let divider = match u64::from(self.clk.load(SeqCst) & 0xfffe) {
            0 => 0x1_0000,
            divider => divider,
        };
        let bits = if self.is_set(CS_LEN) { 9 } else { 8 };
        GuestTime::from_ticks(bits * divider, CORE_HZ).0
    }

    fn is_idle(&self) -> bool {
        self.shifter.load(SeqCst) == IDLE
    }

    /// Bytes that may still be begun.
    fn allowed(&self) -> u32 {
        if self.is_set(CS_DMAEN) { self.left.load(SeqCst) } else { u32::MAX }
    }

    fn is_done(&self) -> bool {
        self.is_set(CS_TA) && self.is_idle() && if self.is_set(CS_DMAEN) { self.allowed() == 0 } else { self.tx.is_empty() }
    }

    fn status(&self) -> u32 {
        let active = self.is_set(CS_TA);
        let waiting = self.rx.len();
        let when = |is: bool, bit| if is { bit } else { 0 };
        when(self.is_done(), CS_DONE)
            | when(waiting > 0, CS_RXD)
            | when(!self.tx.is_full(), CS_TXD)
            | when(active && waiting >= RX_HIGH, CS_RXR)
            | when(active && waiting == FIFO_DEPTH, CS_RXF)
    }

    fn interrupts(&self) -> bool {
        let status = self.status();
        self.is_set(CS_INTD) && status & CS_DONE != 0 || self.is_set(CS_INTR) && status & CS_RXR != 0
    }

    /// Puts the next byte into the shifter, at `time`.
    fn begin(&self, time: u64) {
        if self.is_set(CS_TA)
            && self.allowed() > 0
            && !self.rx.is_full()
            && let Some(byte) = self.tx.pop()
        {
            self.shifter.store(byte.into(), SeqCst);
            self.done_at.store(time.saturating_add(self.byte_ns()), SeqCst);
        }
    }

    /// The byte in the shifter is through.
    fn complete(&self) {
        let _ = self.rx.push(self.shifter.swap(IDLE, SeqCst) as u8);
        if !self.is_set(CS_DMAEN) {
            return;
        }
        let left = self.left.load(SeqCst).saturating_sub(1);
        self.left.store(left, SeqCst);
        if left == 0 && self.is_set(CS_ADCS) {
            self.cs.fetch_and(!CS_TA, SeqCst);
        }
    }

    /// Shifts what can have been shifted by `now`.
    fn shift(&self, now: GuestTime) {
        if self.is_idle() {
            self.begin(now.0);
        }
        while !self.is_idle() {
            let done = self.done_at.load(SeqCst);
            if done > now.0 {
                return;
            }
            self.complete();
            self.begin(done);
        }
    }

    /// DREQ levels: DC says at which levels of the FIFOs. No more is asked for than the transfer has left.
    fn drive_dreqs(&self) {
        let (dma, dc) = (self.is_set(CS_DMAEN), self.dc.load(SeqCst));
        let active = self.is_set(CS_TA);
        let wanted = !active || self.tx.len() + usize::from(!self.is_idle()) < self.allowed() as usize;
        self.tx_dreq.set(dma && wanted && self.tx.len() <= (dc & 0xff) as usize && self.tx.len() + 4 <= FIFO_DEPTH);
        let over = (dc >> 16 & 0xff) as usize;
        let finished = !active || self.is_done();
        self.rx_dreq.set(dma && (self.rx.len() > over || finished && !self.rx.is_empty()));
    }

    /// When something happens next that somebody waits for.
    fn next(&self) -> Option<GuestTime> {
        let cs = self.cs.load(SeqCst);
        if cs & (CS_DMAEN | CS_INTD | CS_INTR) == 0 || self.is_idle() {
            return None;
        }
        let (tx, rx, dc) = (self.tx.len() as u64, self.rx.len() as u64, self.dc.load(SeqCst));
        // The byte in the shifter, and those that can follow it by themselves.
        let bytes = (1 + tx).min(u64::from(self.allowed())).min((FIFO_DEPTH as u64).saturating_sub(rx)).max(1);
        let levels = [
            (CS_INTR, (RX_HIGH as u64).saturating_sub(rx)),
            (CS_DMAEN, tx.saturating_sub(u64::from(dc & 0xff))),
            (CS_DMAEN, (u64::from(dc >> 16 & 0xff) + 1).saturating_sub(rx)),
        ];
        let first = levels.into_iter().filter(|&(bit, count)| cs & bit != 0 && count > 0).map(|(_, count)| count).min();
        let count = first.unwrap_or(bytes).min(bytes);
        Some(GuestTime(self.done_at.load(SeqCst)).plus((count - 1).saturating_mul(self.byte_ns())))
    }

    /// Brings everything up to `now`.
    fn update(&self, now: GuestTime) {
        self.turn.run(|| {
            self.shift(now);
            self.drive_dreqs();
            irq::drive(&self.line, || self.interrupts());
            self.wake.plan(self.next());
        });
    }

    fn read_fifo(&self) -> u32 {
        let bytes = if self.is_set(CS_DMAEN) { 4 } else { 1 };
        (0..bytes).map_while(|index| Some(u32::from(self.rx.pop()?) << (8 * index))).sum()
    }

    fn write_fifo(&self, value: u32) {
        if !self.is_set(CS_DMAEN) {
            let _ = self.tx.push(value as u8);
        } else if self.is_set(CS_TA) {
            value.to_le_bytes().into_iter().for_each(|byte| _ = self.tx.push(byte));
        } else {
            // The first word of a DMA transfer says how long it is, and starts it.
            self.dlen.store(value >> 16, SeqCst);
            self.write_control(self.cs.load(SeqCst) & !CS_BY_DMA | value & CS_BY_DMA);
        }
    }

    fn write_control(&self, value: u32) {
        if value & CS_CLEAR_TX != 0 {
            while self.tx.pop().is_some() {}
        }
        if value & CS_CLEAR_RX != 0 {
            while self.rx.pop().is_some() {}
        }
        let before = self.cs.swap(value & CS_KEPT, SeqCst);
        let begins = !before & value;
        if begins & CS_TA != 0 || value & CS_TA != 0 && begins & CS_DMAEN != 0 {
            self.left.store(self.dlen.load(SeqCst), SeqCst);
            tracing::debug!(target: "spi", "SPI0 transfer: CS {value:#x}, DLEN {}, a byte in {} ns", self.dlen.load(SeqCst), self.byte_ns());
        }
        if value & CS_TA == 0 {
            // Chip select goes up in the middle of a byte: it is lost.
            self.shifter.store(IDLE, SeqCst);
        }
    }
}

impl BusView for Spi {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            CS => {
                self.update(at.now());
                self.cs.load(SeqCst) | self.status()
            }
            FIFO => {
                let now = at.now();
                self.update(now);
                let value = self.read_fifo();
                self.update(now);
                value
            }
            CLK => self.clk.load(SeqCst),
            DLEN => self.dlen.load(SeqCst),
            LTOH => self.ltoh.load(SeqCst),
            DC => self.dc.load(SeqCst),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        let now = at.now();
        self.update(now);
        match offset {
            CS => self.write_control(value),
            FIFO => self.write_fifo(value),
            CLK => self.clk.store(value & 0xffff, SeqCst),
            DLEN => self.dlen.store(value & 0xffff, SeqCst),
            LTOH => self.ltoh.store(value & 0xf, SeqCst),
            DC => self.dc.store(value, SeqCst),
            _ => {}
        }
        self.update(now);
        Served::Inline
    }
}

/// The master in the world.
#[derive(Component)]
struct SpiDevice(Arc<Spi>);

fn signal(spi: Single<&SpiDevice>, clock: Res<MachineClock>) {
    let now = clock.now();
    if spi.0.wake.is_due(now) {
        spi.0.update(now);
    }
}

/// Adds SPI0. Needs [`crate::dma::DmaPlugin`] before it.
#[derive(Clone, Copy, Debug)]
pub struct SpiPlugin;

impl Plugin for SpiPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let (wake, line, dreqs) = (Wake::new(machine), machine.irq_line(irq::SPI), machine.world.resource::<Dreqs>().clone());
        let spi = Arc::new(Spi::new(wake, line, &dreqs));
        machine.map(BASE..BASE + SIZE, "SPI0", Arc::clone(&spi) as _);
        machine.part_of("SPI0", Arc::clone(&spi));
        machine.world.spawn(SpiDevice(spi));
        machine.add_systems(Phase::Signal, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dma::DmaPlugin;
    use tayberry_engine::bench::Bench;
    use tayberry_engine::builder::Ram;

    const STATUS: u32 = CS_DONE | CS_RXD | CS_TXD | CS_RXR | CS_RXF;

    fn bench() -> Bench {
        Bench::new(0x10_0000, 1, |machine| {
            machine.install(&DmaPlugin).install(&SpiPlugin);
        })
    }

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    fn status(bench: &Bench) -> u32 {
        bench.read(at(CS)) & STATUS
    }

    fn pass(bench: &mut Bench, ns: u64) {
        bench.tick_at(bench.clock.now().plus(ns));
    }

    fn irq(bench: &Bench) -> bool {
        bench.irq.line(54).level()
    }

    #[test]
    fn registers_have_their_reset_values_and_widths() {
        let bench = bench();
        assert_eq!([CS, CLK, DLEN, LTOH, DC].map(|offset| bench.read(at(offset))), [0x4_1000, 0, 0, 1, 0x3020_1020]);
        for offset in [CS, CLK, DLEN, LTOH, DC] {
            bench.write(at(offset), if offset == CS { !CS_TA } else { u32::MAX });
        }
        assert_eq!([CS, CLK, DLEN, LTOH, DC].map(|offset| bench.read(at(offset))), [0x03e4_ff4f, 0xffff, 0xffff, 0xf, u32::MAX]);
    }

    #[test]
    fn a_polled_byte_comes_back_after_its_time() {
        let mut bench = bench();
        bench.write(at(CLK), 250); // 1 MHz
        bench.write(at(FIFO), 0x5a);
        assert_eq!(status(&bench), CS_TXD, "nothing moves before TA");
        pass(&mut bench, 100_000);
        bench.write(at(CS), CS_TA);
        assert_eq!(status(&bench), CS_TXD);
        pass(&mut bench, 7_999);
        assert_eq!(status(&bench), CS_TXD);
        pass(&mut bench, 1);
        assert_eq!(status(&bench), CS_TXD | CS_RXD | CS_DONE);
        assert_eq!(bench.read(at(FIFO)), 0x5a);
        assert_eq!(status(&bench), CS_TXD | CS_DONE);
        assert_eq!(bench.read(at(FIFO)), 0, "empty");
        bench.write(at(CS), 0);
        assert_eq!(status(&bench), CS_TXD);
    }

    #[test]
    fn the_divider_is_even_and_0_is_65536() {
        for (divider, ns) in [(2, 64), (3, 64), (4, 128), (0, 2_097_152), (1, 2_097_152), (0xffff, 2_097_088)] {
            let mut bench = bench();
            bench.write(at(CLK), divider);
            bench.write(at(CS), CS_TA);
            bench.write(at(FIFO), 1);
            pass(&mut bench, ns - 1);
            assert_eq!(status(&bench) & CS_DONE, 0, "{divider}");
            pass(&mut bench, 1);
            assert_eq!(status(&bench) & CS_DONE, CS_DONE, "{divider}");
        }
    }

    #[test]
    fn a_full_receive_fifo_stops_the_shifter() {
        let mut bench = bench();
        bench.write(at(CLK), 10); // 320 ns a byte
        (0..64).for_each(|byte| _ = bench.write(at(FIFO), byte));
        assert_eq!(status(&bench), 0, "no room");
        bench.write(at(FIFO), 0xff);
        bench.write(at(CS), CS_TA);
        bench.write(at(FIFO), 64);
        assert_eq!(status(&bench), 0);
        pass(&mut bench, 320 * 47);
        assert_eq!(status(&bench), CS_RXD | CS_TXD);
        pass(&mut bench, 320);
        assert_eq!(status(&bench), CS_RXD | CS_TXD | CS_RXR);
        pass(&mut bench, 320 * 100);
        assert_eq!(status(&bench), CS_RXD | CS_TXD | CS_RXR | CS_RXF, "one byte waits");
        assert_eq!(bench.read(at(FIFO)), 0);
        pass(&mut bench, 320);
        assert_eq!(status(&bench), CS_RXD | CS_TXD | CS_RXR | CS_RXF | CS_DONE);
        assert_eq!((1..65).map(|_| bench.read(at(FIFO))).collect::<Vec<_>>(), (1..65).collect::<Vec<_>>());
    }

    #[test]
    fn clear_empties_fifos_once() {
        let mut bench = bench();
        bench.write(at(CS), CS_TA);
        (0..3).for_each(|byte| _ = bench.write(at(FIFO), byte));
        pass(&mut bench, 3_000_000);
        bench.write(at(CS), CS_TA | CS_CLEAR_TX);
        pass(&mut bench, 10_000_000);
        assert_eq!(bench.read(at(CS)), CS_TA | CS_TXD | CS_RXD | CS_DONE, "one has come, one was in the shifter, one is gone");
        bench.write(at(CS), CS_TA | CS_CLEAR_RX);
        assert_eq!(bench.read(at(CS)), CS_TA | CS_TXD | CS_DONE);
    }

    #[test]
    fn interrupts_come_when_done_and_when_three_quarters_full() {
        let mut bench = bench();
        bench.write(at(CLK), 250);
        bench.write(at(CS), CS_TA | CS_INTD | CS_INTR);
        assert!(irq(&bench), "done before it began");
        (0..60).for_each(|byte| _ = bench.write(at(FIFO), byte));
        assert!(!irq(&bench));
        let due = bench.next_deadline().expect("three quarters");
        assert_eq!(due, GuestTime(48 * 8_000));
        bench.tick_at(due);
        assert!(irq(&bench));
        (0..12).for_each(|_| _ = bench.read(at(FIFO)));
        assert!(!irq(&bench));
        while !irq(&bench) {
            bench.tick_at(bench.next_deadline().expect("the end"));
        }
        assert_eq!((bench.clock.now(), status(&bench)), (GuestTime(60 * 8_000), CS_TXD | CS_RXD | CS_RXR | CS_DONE));
        bench.write(at(CS), 0);
        assert!(!irq(&bench));
        assert_eq!(bench.next_deadline(), None);
    }

    #[test]
    fn lossi_symbols_have_nine_bits() {
        let mut bench = bench();
        bench.write(at(CLK), 250);
        bench.write(at(CS), CS_TA | CS_LEN);
        bench.write(at(FIFO), 0x12c);
        pass(&mut bench, 8_999);
        assert_eq!(status(&bench) & CS_DONE, 0);
        pass(&mut bench, 1);
        assert_eq!((status(&bench) & CS_DONE, bench.read(at(FIFO))), (CS_DONE, 0x2c));
    }

    /// Control blocks (TI, source, destination, length) of channels 0 and 1, started at once.
    fn start_dma(bench: &mut Bench, blocks: [[u32; 4]; 2]) {
        let ram = Arc::clone(&bench.world.resource::<Ram>().0);
        for (channel, block) in (0..).zip(blocks) {
            let place = 0x1000 + 0x100 * channel;
            (0..).zip(block.into_iter().chain([0, 0])).for_each(|(word, value)| ram.write_u32(place + 4 * word, value).expect("in RAM"));
            bench.write(0x3f00_7004 + 0x100 * channel, place as u32);
            bench.write(0x3f00_7000 + 0x100 * channel, 1);
        }
    }

    fn dma_runs(bench: &Bench, channel: u64) -> bool {
        bench.read(0x3f00_7000 + 0x100 * channel) & 1 != 0
    }

    fn settle(bench: &mut Bench) {
        bench.tick();
        for _ in 0..100_000 {
            let Some(next) = bench.next_deadline() else { return };
            bench.tick_at(next.max(bench.clock.now()));
        }
        panic!("it goes on and on");
    }

    const TI_TX: u32 = 6 << 16 | 1 << 8 | 1 << 6 | 1;
    const TI_RX: u32 = 7 << 16 | 1 << 10 | 1 << 4 | 1;
    const FIFO_BUS: u32 = 0x7e20_4004;

    /// A transfer of `length` bytes by two channels; the first word is SPI0's own if `word` says so.
    fn transfer(bench: &mut Bench, length: u32, word: Option<u32>) -> (Vec<u8>, Vec<u8>) {
        let ram = Arc::clone(&bench.world.resource::<Ram>().0);
        let data: Vec<u8> = (0..length).map(|index| (index * 7 + index / 256) as u8).collect();
        ram.copy_in(0x8004, &data).expect("in RAM");
        let mut source = 0x8004;
        if let Some(word) = word {
            ram.write_u32(0x8000, word).expect("in RAM");
            source = 0x8000;
        }
        let sent = 0x8004 - source + length.next_multiple_of(4);
        start_dma(bench, [[TI_TX, source, FIFO_BUS, sent], [TI_RX, FIFO_BUS, 0x2_0000, length]]);
        settle(bench);
        let mut out = vec![0; length as usize];
        ram.copy_out(0x2_0000, &mut out).expect("in RAM");
        (data, out)
    }

    #[test]
    fn four_kilobytes_go_round_by_dma() {
        for divider in [2, 32, 250] {
            let mut bench = bench();
            bench.write(at(CLK), divider);
            bench.write(at(DLEN), 4096);
            bench.write(at(CS), CS_TA | CS_DMAEN | CS_INTD);
            assert!(!irq(&bench));
            let (data, out) = transfer(&mut bench, 4096, None);
            assert_eq!(data, out);
            let took = bench.clock.now().0;
            let least = 4096 * 32 * u64::from(divider);
            assert!(took >= least && (divider < 32 || took < least + least / 50), "{divider}: {took} of {least}");
            assert_eq!((status(&bench), irq(&bench)), (CS_DONE | CS_TXD, true));
            assert!(!dma_runs(&bench, 0) && !dma_runs(&bench, 1));
            assert_eq!(bench.irq.levels(0) & 3 << 16, 3 << 16, "both channels interrupt");
        }
    }

    #[test]
    fn the_first_word_of_a_transfer_sets_it_up() {
        for length in [1, 2, 3, 4, 37, 64, 100, 1001] {
            let mut bench = bench();
            bench.write(at(CLK), 16);
            bench.write(at(CS), CS_DMAEN | CS_ADCS);
            let (data, out) = transfer(&mut bench, length, Some(length << 16 | CS_TA));
            assert_eq!(data, out, "{length}");
            assert_eq!((bench.read(at(DLEN)), bench.read(at(CS)) & CS_TA), (length, 0), "chip select goes up by itself");
        }
    }

    #[test]
    fn a_slow_transfer_holds_no_other_channel_up() {
        let mut bench = bench();
        let ram = Arc::clone(&bench.world.resource::<Ram>().0);
        bench.write(at(DLEN), 256);
        bench.write(at(CS), CS_TA | CS_DMAEN);
        start_dma(&mut bench, [[TI_TX, 0x8000, FIFO_BUS, 256], [1 << 8 | 1 << 4, 0x8000, 0x2_0000, 65_536]]);
        ram.write_u32(0x8000, 0x1234_5678).expect("in RAM");
        bench.tick();
        for _ in 0..1_000 {
            if !dma_runs(&bench, 1) {
                break;
            }
            bench.tick_at(bench.next_deadline().expect("more to come").max(bench.clock.now()));
        }
        assert!(bench.clock.now().0 < 200_000, "{:?}: the copy took its own time", bench.clock.now());
        assert_eq!((ram.read_u32(0x2_0000), dma_runs(&bench, 0)), (Some(0x1234_5678), true));
    }
}
