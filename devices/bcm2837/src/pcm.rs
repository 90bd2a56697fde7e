//! The PCM (I2S) interface: its registers, and FIFOs that move with its clock.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 8, with its errata; Linux, sound/soc/bcm/bcm2835-i2s.c. The fractions of the FIFO thresholds are lost in the manual: a
//!   quarter and three quarters are meant here.
//!
//! Nothing is attached: what is sent is heard by nobody, and what is received is silence. As master of clock and frame sync, a frame lasts FLEN + 1 periods of
//! the clock ([`crate::cprman`]) and has a word for each channel that is on. As slave of either it waits for ever.
//!
//! # Orderings
//! As in [`crate::pwm`].

use crate::cprman::{CM_PCMCTL, Clocks};
use crate::dma::dreq::{DreqLine, Dreqs};
use crate::irq;
use crate::turn::{Beat, Turn, Wake};
use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{BusContext, BusView, GuestTime, IrqLine, MachineBuilder, Phase, Plugin, Served, cell};

const BASE: u64 = 0x3F20_3000;
const SIZE: u64 = 0x24;

const CS_A: u32 = 0x00; // Control and status
const FIFO_A: u32 = 0x04; // FIFO data
const MODE_A: u32 = 0x08; // Mode
const RXC_A: u32 = 0x0c; // Receive configuration
const TXC_A: u32 = 0x10; // Transmit configuration
const DREQ_A: u32 = 0x14; // DMA request levels
const INTEN_A: u32 = 0x18; // Interrupt enables
const INTSTC_A: u32 = 0x1c; // Interrupt status and clear
const GRAY: u32 = 0x20; // Gray mode control

const CS_EN: u32 = 1 << 0;
const CS_RXON: u32 = 1 << 1;
const CS_TXON: u32 = 1 << 2;
const CS_TXCLR: u32 = 1 << 3;
const CS_RXCLR: u32 = 1 << 4;
const CS_TXTHR_SHIFT: u32 = 5;
const CS_RXTHR_SHIFT: u32 = 7;
const CS_DMAEN: u32 = 1 << 9;
const CS_TXSYNC: u32 = 1 << 13;
const CS_RXSYNC: u32 = 1 << 14;
const CS_TXERR: u32 = 1 << 15;
const CS_RXERR: u32 = 1 << 16;
const CS_TXW: u32 = 1 << 17;
const CS_RXR: u32 = 1 << 18;
const CS_TXD: u32 = 1 << 19;
const CS_RXD: u32 = 1 << 20;
const CS_TXE: u32 = 1 << 21;
const CS_RXF: u32 = 1 << 22;
const CS_SYNC: u32 = 1 << 24;
/// Bits that keep what is written, beside SYNC: EN, RXON, TXON, thresholds, DMAEN, RXSEX, STBY.
const CS_KEPT: u32 = 0x0280_03e7;
const MODE_FRXP: u32 = 1 << 25;
const MODE_FTXP: u32 = 1 << 24;
const MODE_SLAVE: u32 = 1 << 23 | 1 << 21;
const MODE_CLK_DIS: u32 = 1 << 28;
const MODE_KEPT: u32 = 0x1fff_ffff;
const MODE_FLEN_SHIFT: u32 = 10;
const CHANNELS_ON: u32 = 1 << 30 | 1 << 14;
const DREQ_KEPT: u32 = 0x7f7f_7f7f;
const DREQ_RESET: u32 = 0x1030_3020;
const GRAY_KEPT: u32 = 1;
const INT_TXW: u32 = 1 << 0;
const INT_RXR: u32 = 1 << 1;
const INT_TXERR: u32 = 1 << 2;
const INT_RXERR: u32 = 1 << 3;
const INTS: u32 = 0xf;

const FIFO_DEPTH: u32 = 64;
/// Thresholds of TXTHR (fewer words than) and RXTHR (at least).
const TX_BELOW: [u32; 4] = [1, FIFO_DEPTH / 4, FIFO_DEPTH * 3 / 4, FIFO_DEPTH];
const RX_FROM: [u32; 4] = [1, FIFO_DEPTH / 4, FIFO_DEPTH * 3 / 4, FIFO_DEPTH];
/// Clocks until SYNC reads what was written.
const SYNC_CLOCKS: u64 = 2;
/// `sync_at` while SYNC is what was written, and while the clock stands still.
const IN_SYNC: u64 = 0;
const NEVER: u64 = u64::MAX;
const DREQ_TX: u32 = 2;
const DREQ_RX: u32 = 3;

/// The interface's registers.
#[derive(Debug)]
pub struct Pcm {
    /// What was written, in bits of [`CS_KEPT`] and SYNC.
    cs: AtomicU32,
    /// TXERR and RXERR.
    errors: AtomicU32,
    /// SYNC as it reads.
    sync: AtomicU32,
    /// When it reads what was written, nanoseconds.
    sync_at: AtomicU64,
    mode: AtomicU32,
    rxc: AtomicU32,
    txc: AtomicU32,
    dreq: AtomicU32,
    inten: AtomicU32,
    intstc: AtomicU32,
    gray: AtomicU32,
    /// Words in the FIFOs.
    tx: AtomicU32,
    rx: AtomicU32,
    beat: Beat,
    turn: Turn,
    wake: Wake,
    clocks: Clocks,
    line: IrqLine,
    tx_dreq: DreqLine,
    rx_dreq: DreqLine,
}

cell!(Pcm { cs, errors, sync, sync_at, mode, rxc, txc, dreq, inten, intstc, gray, tx, rx, beat, turn, wake } but { clocks, line, tx_dreq, rx_dreq });

/// Adds `words` to what `level` holds, up to the FIFO's depth. Returns false if not all fit.
fn put(level: &AtomicU32, words: u64) -> bool {
    let room = |level: u32| Some((u64::from(level) + words.min(FIFO_DEPTH.into())).min(FIFO_DEPTH.into()) as u32);
    let before = level.fetch_update(SeqCst, SeqCst, room).unwrap_or(FIFO_DEPTH);
    u64::from(FIFO_DEPTH.saturating_sub(before)) >= words
}

/// Takes `words` out of what `level` holds. Returns false if there were not so many.
fn take(level: &AtomicU32, words: u64) -> bool {
    let rest = |level: u32| Some(u64::from(level).saturating_sub(words) as u32);
    u64::from(level.fetch_update(SeqCst, SeqCst, rest).unwrap_or(0)) >= words
}

impl Pcm {
    fn new(machine: &mut MachineBuilder) -> Self {
        let dreqs = machine.world.resource::<Dreqs>().clone();
        Self {
            cs: AtomicU32::new(0),
            errors: AtomicU32::new(0),
            sync: AtomicU32::new(0),
            sync_at: AtomicU64::new(IN_SYNC),
            mode: AtomicU32::new(0),
            rxc: AtomicU32::new(0),
            txc: AtomicU32::new(0),
            dreq: AtomicU32::new(DREQ_RESET),
            inten: AtomicU32::new(0),
            intstc: AtomicU32::new(0),
            gray: AtomicU32::new(0),
            tx: AtomicU32::new(0),
            rx: AtomicU32::new(0),
            beat: Beat::default(),
            turn: Turn::default(),
            wake: Wake::new(machine),
            clocks: machine.world.resource::<Clocks>().clone(),
            line: machine.irq_line(irq::PCM),
            tx_dreq: dreqs.line(DREQ_TX),
            rx_dreq: dreqs.line(DREQ_RX),
        }
    }

    fn is_set(&self, bit: u32) -> bool {
        self.cs.load(SeqCst) & bit != 0
    }

    fn has_mode(&self, bits: u32) -> bool {
        self.mode.load(SeqCst) & bits != 0
    }

    /// Nanoseconds of `clocks` periods of the PCM clock, if it runs and this interface is its master.
    fn clock_ns(&self, clocks: u64) -> Option<u64> {
        let hz = self.clocks.0.rate(CM_PCMCTL).filter(|_| !self.has_mode(MODE_SLAVE | MODE_CLK_DIS))?;
        Some(GuestTime::from_ticks(clocks, hz).0)
    }

    /// Nanoseconds of a frame, if frames pass.
    fn frame_ns(&self) -> Option<u64> {
        let works = self.is_set(CS_EN) && self.is_set(CS_TXON | CS_RXON);
        let clocks = u64::from(self.mode.load(SeqCst) >> MODE_FLEN_SHIFT & 0x3ff) + 1;
        works.then(|| self.clock_ns(clocks)).flatten()
    }

    /// Words of a frame: one a channel that is on, or one for both where they are packed.
    fn words(&self, configuration: &AtomicU32, packed: u32) -> u32 {
        let channels = (configuration.load(SeqCst) & CHANNELS_ON).count_ones();
        if self.has_mode(packed) { channels.min(1) } else { channels }
    }

    fn tx_words(&self) -> u32 {
        if self.is_set(CS_TXON) { self.words(&self.txc, MODE_FTXP) } else { 0 }
    }

    fn rx_words(&self) -> u32 {
        if self.is_set(CS_RXON) { self.words(&self.rxc, MODE_FRXP) } else { 0 }
    }

    /// Frames pass.
    fn pass(&self, frames: u64) {
        if !take(&self.tx, frames.saturating_mul(self.tx_words().into())) {
            self.fail(CS_TXERR, INT_TXERR);
        }
        if !put(&self.rx, frames.saturating_mul(self.rx_words().into())) {
            self.fail(CS_RXERR, INT_RXERR);
        }
    }

    fn fail(&self, error: u32, interrupt: u32) {
        self.errors.fetch_or(error, SeqCst);
        self.intstc.fetch_or(interrupt, SeqCst);
    }

    /// SYNC reads what was written two clocks after that, if there is a clock.
    fn synchronise(&self, now: GuestTime) {
        if self.sync_at.load(SeqCst) == NEVER {
            let at = self.clock_ns(SYNC_CLOCKS).map_or(NEVER, |ns| now.plus(ns).0);
            self.sync_at.store(at, SeqCst);
        }
        if self.sync_at.load(SeqCst) <= now.0 {
            self.sync.store(self.cs.load(SeqCst) & CS_SYNC, SeqCst);
            self.sync_at.store(IN_SYNC, SeqCst);
        }
    }

    /// DREQ levels of the FIFOs, transmit and receive.
    fn levels(&self) -> (u32, u32) {
        let dreq = self.dreq.load(SeqCst);
        ((dreq >> 8 & 0x7f).min(FIFO_DEPTH), dreq & 0x7f)
    }

    fn wants_dma(&self) -> bool {
        self.is_set(CS_EN) && self.is_set(CS_DMAEN)
    }

    fn tx_waits(&self) -> bool {
        self.is_set(CS_TXON) && self.tx.load(SeqCst) < TX_BELOW[(self.cs.load(SeqCst) >> CS_TXTHR_SHIFT & 3) as usize]
    }

    fn rx_waits(&self) -> bool {
        self.is_set(CS_RXON) && self.rx.load(SeqCst) >= RX_FROM[(self.cs.load(SeqCst) >> CS_RXTHR_SHIFT & 3) as usize]
    }

    /// When the FIFOs next come to a level that somebody waits for.
    fn next(&self) -> Option<GuestTime> {
        if !self.wants_dma() && self.inten.load(SeqCst) == 0 {
            return None;
        }
        let period = self.frame_ns()?;
        let (tx, rx, (tx_level, rx_level)) = (self.tx.load(SeqCst), self.rx.load(SeqCst), self.levels());
        let cs = self.cs.load(SeqCst);
        let (below, from) = (TX_BELOW[(cs >> CS_TXTHR_SHIFT & 3) as usize], RX_FROM[(cs >> CS_RXTHR_SHIFT & 3) as usize]);
        // An error is told once: until it is cleared no second one need be waited for.
        let tells = |interrupt| self.inten.load(SeqCst) & !self.intstc.load(SeqCst) & interrupt != 0;
        let when = |is: bool, words: u32| if is { words } else { 0 };
        // Words to go, and words of a frame.
        let ways = [
            ((tx + 1).saturating_sub(tx_level), self.tx_words()),
            ((tx + 1).saturating_sub(below), self.tx_words()),
            (when(tells(INT_TXERR), tx + 1), self.tx_words()),
            ((rx_level + 1).saturating_sub(rx), self.rx_words()),
            (from.saturating_sub(rx), self.rx_words()),
            (when(tells(INT_RXERR), FIFO_DEPTH + 1 - rx.min(FIFO_DEPTH)), self.rx_words()),
        ];
        let frames = ways
            .into_iter()
            .filter(|&(words, _)| words > 0)
            .filter_map(|(words, each)| Some(words.div_ceil(each.max(1))).filter(|_| each > 0))
            .min()?;
        self.beat.after(frames.into(), period)
    }

    /// Brings everything up to `now`.
    fn update(&self, now: GuestTime) {
        self.turn.run(|| {
            self.synchronise(now);
            self.pass(self.beat.count(now, self.frame_ns()));
            let waiting = if self.tx_waits() { INT_TXW } else { 0 } | if self.rx_waits() { INT_RXR } else { 0 };
            self.intstc.fetch_or(waiting, SeqCst);
            irq::drive(&self.line, || self.intstc.load(SeqCst) & self.inten.load(SeqCst) != 0);
            self.tx_dreq.drive(|| self.wants_dma() && self.is_set(CS_TXON) && self.tx.load(SeqCst) < self.levels().0);
            self.rx_dreq.drive(|| self.wants_dma() && self.is_set(CS_RXON) && self.rx.load(SeqCst) > self.levels().1);
            self.wake.plan(self.next());
        });
    }

    /// Another look is needed though no register of this device is touched: the clock may have been switched on.
    fn waits_for_clock(&self) -> bool {
        (self.wants_dma() || self.inten.load(SeqCst) != 0) && !self.wake.is_set()
    }

    fn status(&self) -> u32 {
        let (tx, rx) = (self.tx.load(SeqCst), self.rx.load(SeqCst));
        let when = |is: bool, bit| if is { bit } else { 0 };
        let whole = |level: u32, words: u32| level.is_multiple_of(words.max(1));
        self.cs.load(SeqCst) & CS_KEPT
            | self.sync.load(SeqCst)
            | self.errors.load(SeqCst)
            | when(self.is_set(CS_TXON) && whole(tx, self.tx_words()), CS_TXSYNC)
            | when(self.is_set(CS_RXON) && whole(rx, self.rx_words()), CS_RXSYNC)
            | when(self.tx_waits(), CS_TXW)
            | when(self.rx_waits(), CS_RXR)
            | when(tx < FIFO_DEPTH, CS_TXD)
            | when(rx > 0, CS_RXD)
            | when(tx == 0, CS_TXE)
            | when(rx == FIFO_DEPTH, CS_RXF)
    }

    fn write_control(&self, value: u32) {
        let before = self.cs.swap(value & (CS_KEPT | CS_SYNC), SeqCst);
        if (before ^ value) & CS_SYNC != 0 {
            self.sync_at.store(NEVER, SeqCst);
        }
        self.errors.fetch_and(!(value & (CS_TXERR | CS_RXERR)), SeqCst);
        if value & CS_TXCLR != 0 {
            self.tx.store(0, SeqCst);
        }
        if value & CS_RXCLR != 0 {
            self.rx.store(0, SeqCst);
        }
    }
}

impl BusView for Pcm {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            CS_A => {
                self.update(at.now());
                self.status()
            }
            FIFO_A => {
                let now = at.now();
                self.update(now);
                if !take(&self.rx, 1) {
                    self.fail(CS_RXERR, INT_RXERR);
                }
                self.update(now);
                // Silence.
                0
            }
            MODE_A => self.mode.load(SeqCst),
            RXC_A => self.rxc.load(SeqCst),
            TXC_A => self.txc.load(SeqCst),
            DREQ_A => self.dreq.load(SeqCst),
            INTEN_A => self.inten.load(SeqCst),
            INTSTC_A => {
                self.update(at.now());
                self.intstc.load(SeqCst)
            }
            GRAY => self.gray.load(SeqCst),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        let now = at.now();
        self.update(now);
        match offset {
            CS_A => self.write_control(value),
            FIFO_A if !put(&self.tx, 1) => self.fail(CS_TXERR, INT_TXERR),
            MODE_A => self.mode.store(value & MODE_KEPT, SeqCst),
            RXC_A => self.rxc.store(value, SeqCst),
            TXC_A => self.txc.store(value, SeqCst),
            DREQ_A => self.dreq.store(value & DREQ_KEPT, SeqCst),
            INTEN_A => self.inten.store(value & INTS, SeqCst),
            INTSTC_A => _ = self.intstc.fetch_and(!value, SeqCst),
            GRAY => self.gray.store(value & GRAY_KEPT, SeqCst),
            _ => {}
        }
        self.update(now);
        Served::Inline
    }
}

/// The interface in the world.
#[derive(Component)]
struct PcmDevice(Arc<Pcm>);

fn signal(pcm: Single<&PcmDevice>, clock: Res<MachineClock>) {
    let now = clock.now();
    if pcm.0.wake.is_due(now) || pcm.0.waits_for_clock() {
        pcm.0.update(now);
    }
}

/// Adds the interface. Needs [`crate::dma::DmaPlugin`] and [`crate::cprman::CprmanPlugin`] before it.
#[derive(Clone, Copy, Debug)]
pub struct PcmPlugin;

impl Plugin for PcmPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let pcm = Arc::new(Pcm::new(machine));
        machine.map(BASE..BASE + SIZE, "PCM", Arc::clone(&pcm) as _);
        machine.part_of("PCM", Arc::clone(&pcm));
        machine.world.spawn(PcmDevice(pcm));
        machine.add_systems(Phase::Signal, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cprman::CprmanPlugin;
    use crate::dma::DmaPlugin;
    use tayberry_engine::bench::Bench;
    use tayberry_engine::builder::Ram;

    const STEREO: u32 = CHANNELS_ON;

    fn bench() -> Bench {
        Bench::new(0x10_0000, 1, |machine| {
            machine.install(&DmaPlugin).install(&CprmanPlugin).install(&PcmPlugin);
        })
    }

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    /// Runs the clock at 3.2 MHz: with 64 clocks, frames of 20 us.
    fn start_clock(bench: &Bench) {
        bench.write(0x3f10_109c, 0x5a00_6000);
        bench.write(0x3f10_1098, 0x5a00_0011);
        bench.write(at(MODE_A), 63 << MODE_FLEN_SHIFT);
    }

    #[test]
    fn registers_have_their_reset_values_and_widths() {
        let bench = bench();
        let all = [CS_A, MODE_A, RXC_A, TXC_A, DREQ_A, INTEN_A, INTSTC_A, GRAY];
        assert_eq!(all.map(|register| bench.read(at(register))), [CS_TXD | CS_TXE, 0, 0, 0, DREQ_RESET, 0, 0, 0]);
        all.into_iter().skip(1).for_each(|register| _ = bench.write(at(register), u32::MAX));
        assert_eq!(all.map(|register| bench.read(at(register)))[1..], [MODE_KEPT, u32::MAX, u32::MAX, DREQ_KEPT, 0xf, 0, 1]);
    }

    #[test]
    fn sync_reads_what_was_written_two_clocks_later() {
        let mut bench = bench();
        bench.write(at(CS_A), CS_EN | CS_SYNC);
        bench.tick_at(GuestTime(1_000_000));
        assert_eq!(bench.read(at(CS_A)) & CS_SYNC, 0, "the clock stands still");
        start_clock(&bench);
        assert_eq!(bench.read(at(CS_A)) & CS_SYNC, 0);
        bench.tick_at(GuestTime(1_000_625));
        assert_eq!(bench.read(at(CS_A)) & CS_SYNC, CS_SYNC);
        bench.write(at(CS_A), CS_EN);
        assert_eq!(bench.read(at(CS_A)) & CS_SYNC, CS_SYNC);
        bench.tick_at(GuestTime(1_001_250));
        assert_eq!(bench.read(at(CS_A)) & CS_SYNC, 0);
    }

    #[test]
    fn frames_empty_one_fifo_and_fill_the_other() {
        let mut bench = bench();
        start_clock(&bench);
        bench.write(at(TXC_A), STEREO);
        bench.write(at(RXC_A), STEREO);
        (0..64).for_each(|word| _ = bench.write(at(FIFO_A), word));
        assert_eq!(bench.read(at(CS_A)), 0, "full");
        bench.write(at(INTEN_A), INT_TXERR);
        bench.write(at(CS_A), CS_EN | CS_TXON | CS_RXON);
        assert_eq!(bench.read(at(CS_A)) & !7, CS_TXD | CS_RXD | CS_RXR | CS_TXSYNC | CS_RXSYNC, "the first frame");
        bench.tick_at(GuestTime(31 * 20_000));
        assert_eq!(bench.read(at(CS_A)) & !7, CS_TXD | CS_TXE | CS_TXW | CS_RXD | CS_RXF | CS_RXR | CS_TXSYNC | CS_RXSYNC);
        assert!(!bench.irq.line(55).level());
        bench.tick_at(GuestTime(32 * 20_000));
        assert_eq!(bench.read(at(CS_A)) & (CS_TXERR | CS_RXERR), CS_TXERR | CS_RXERR);
        assert!(bench.irq.line(55).level());
        bench.write(at(CS_A), CS_TXERR | CS_RXERR | CS_TXCLR | CS_RXCLR);
        bench.write(at(INTSTC_A), INTS);
        assert_eq!((bench.read(at(CS_A)), bench.irq.line(55).level(), bench.read(at(INTSTC_A))), (CS_TXD | CS_TXE, false, 0));
        assert_eq!(bench.read(at(FIFO_A)), 0);
        assert_eq!(bench.read(at(CS_A)) & CS_RXERR, CS_RXERR, "nothing was there");
    }

    #[test]
    fn a_slave_waits_for_a_master() {
        let mut bench = bench();
        start_clock(&bench);
        bench.write(at(MODE_A), 63 << MODE_FLEN_SHIFT | 1 << 23);
        bench.write(at(TXC_A), STEREO);
        bench.write(at(FIFO_A), 1);
        bench.write(at(CS_A), CS_EN | CS_TXON);
        bench.tick_at(GuestTime(1_000_000_000));
        assert_eq!(bench.read(at(CS_A)) & (CS_TXE | CS_TXERR), 0);
    }

    #[test]
    fn dma_plays_and_records_at_the_frame_rate() {
        let mut bench = bench();
        let ram = Arc::clone(&bench.world.resource::<Ram>().0);
        start_clock(&bench);
        bench.write(at(TXC_A), STEREO);
        bench.write(at(RXC_A), STEREO);
        let blocks =
            [[2 << 16 | 1 << 8 | 1 << 6 | 1, 0x1_0000, 0x7e20_3004, 4_000], [3 << 16 | 1 << 10 | 1 << 4 | 1, 0x7e20_3004, 0x2_0000, 4_000]];
        ram.fill(0x2_0000, 4_000, 0xee).expect("in RAM");
        for (channel, block) in (0..).zip(blocks) {
            let place = 0x1000 + 0x100 * channel;
            (0..).zip(block.into_iter().chain([0, 0])).for_each(|(word, value)| ram.write_u32(place + 4 * word, value).expect("in RAM"));
            bench.write(0x3f00_7004 + 0x100 * channel, place as u32);
            bench.write(0x3f00_7000 + 0x100 * channel, 1);
        }
        bench.tick();
        // The transmitter has words before it is switched on.
        bench.write(at(CS_A), CS_EN | CS_DMAEN | CS_TXON);
        bench.tick_at(GuestTime(1_000));
        bench.write(at(CS_A), CS_EN | CS_DMAEN | CS_TXON | CS_RXON);
        for _ in 0..10_000 {
            if bench.irq.levels(0) >> 16 & 3 == 3 {
                break;
            }
            bench.tick_at(bench.next_deadline().expect("more to come").max(bench.clock.now()));
        }
        let took = bench.clock.now().0;
        assert!((9_600_000..10_800_000).contains(&took), "{took} ns for 500 frames of 20 us");
        assert_eq!(bench.irq.levels(0) >> 16 & 3, 3);
        assert_eq!(ram.read_u32(0x2_0f9c), Some(0), "silence");
    }
}
