//! The pulse width modulator: its two channels' registers, the FIFO that DMA feeds, and the audio jack behind it.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 9, with its errata.
//!
//! Words leave the FIFO as fast as the channels that use it take them, one each in a range's worth of periods of the PWM clock ([`crate::cprman`]). What a
//! channel puts out is told as the mean of its pulses ([`tayberry_engine::sound`]): on the board, a low pass before the jack makes the same of them. Write-only
//! and missing registers read "pwm0".
//!
//! On hardware DMA is never late. Here the machine may be, by a good part of what the FIFO holds: where DMA is wanted, the channels wait for its words, and
//! take them at the times at which they would have had them. Only if the machine has come by twice, and no word with it, is there a gap.
//!
//! # Orderings
//! Registers are atomics of their own, `SeqCst`, touched by any core and, by way of the DMA controller, by the machine's thread. Words leave the FIFO under a
//! [`Turn`].

mod output;

use self::output::Jack;
use crate::cprman::{CM_PWMCTL, Clocks};
use crate::dma::dreq::{DreqLine, Dreqs};
use crate::gpio::PinFunctions;
use crate::turn::{Beat, Turn, Wake};
use bevy_ecs::prelude::*;
use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{BusContext, BusView, GuestTime, MachineBuilder, Phase, Plugin, Served, cell};

const BASE: u64 = 0x3F20_C000;
const SIZE: u64 = 0x28;

const CTL: u32 = 0x00; // Control
const STA: u32 = 0x04; // Status
const DMAC: u32 = 0x08; // DMA configuration
const RNG1: u32 = 0x10; // Channel 1 range
const DAT1: u32 = 0x14; // Channel 1 data
const FIF1: u32 = 0x18; // FIFO input (WO)
const RNG2: u32 = 0x20; // Channel 2 range
const DAT2: u32 = 0x24; // Channel 2 data
/// What reads where nothing can be read: "pwm0".
const NAME: u32 = 0x7077_6d30;

/// Bits of each channel: the second one's lie eight bits higher.
const CTL_PWEN: u32 = 1 << 0;
const CTL_MODE: u32 = 1 << 1;
const CTL_RPTL: u32 = 1 << 2;
const CTL_SBIT: u32 = 1 << 3;
const CTL_POLA: u32 = 1 << 4;
const CTL_USEF: u32 = 1 << 5;
const CTL_CHANNEL_SHIFT: u32 = 8;
const CTL_CLRF: u32 = 1 << 6;
const CTL_KEPT: u32 = 0xbfbf;
const STA_FULL: u32 = 1 << 0;
const STA_EMPTY: u32 = 1 << 1;
const STA_WERR: u32 = 1 << 2;
const STA_GAPO1: u32 = 1 << 4;
const STA_STA1: u32 = 1 << 9;
/// Bits that a one clears: WERR1, RERR1, GAPO1 to 4, BERR.
const STA_LATCHED: u32 = 0x1fc;
const DMAC_ENAB: u32 = 1 << 31;
const DMAC_KEPT: u32 = 0x8000_ffff;
const DMAC_RESET: u32 = 0x0707;
const RNG_RESET: u32 = 0x20;

const FIFO_DEPTH: u32 = 16;
const DREQ: u32 = 5;

/// The modulator's registers.
#[derive(Debug)]
pub struct Pwm {
    ctl: AtomicU32,
    /// Bits of STA that are latched.
    latched: AtomicU32,
    dmac: AtomicU32,
    range: [AtomicU32; 2],
    data: [AtomicU32; 2],
    fifo: ArrayQueue<u32>,
    /// What the channels that use the FIFO put out. Belongs to who has the turn.
    played: [AtomicU32; 2],
    jack: Jack,
    /// Words written so far.
    written: AtomicU32,
    /// The channels wait for words that are due. Belongs to who has the turn.
    waits: AtomicBool,
    /// [`Pwm::written`], plus one, when the machine last came by and found them waiting; 0 if they were not. Belongs to the machine's thread.
    found_waiting: AtomicU64,
    beat: Beat,
    turn: Turn,
    wake: Wake,
    clocks: Clocks,
    dreq: DreqLine,
}

cell!(Pwm { ctl, latched, dmac, range, data, fifo, played, jack, written, waits, found_waiting, beat, turn, wake } but { clocks, dreq });

impl Pwm {
    /// Control bits of a channel, in channel 1's place.
    fn control(&self, channel: usize) -> u32 {
        self.ctl.load(SeqCst) >> (channel as u32 * CTL_CHANNEL_SHIFT)
    }

    fn is_set(&self, channel: usize, bit: u32) -> bool {
        self.control(channel) & bit != 0
    }

    fn waiting(&self) -> u32 {
        self.fifo.len() as u32
    }

    /// Channels that take words from the FIFO.
    fn takers(&self) -> impl Iterator<Item = usize> {
        (0..2).filter(|&channel| self.is_set(channel, CTL_PWEN) && self.is_set(channel, CTL_USEF))
    }

    /// Nanoseconds in which each of them takes one, if the clock runs.
    fn period(&self) -> Option<u64> {
        let range = self.takers().map(|channel| self.range[channel].load(SeqCst)).min()?;
        Some(GuestTime::from_ticks(range.max(1).into(), self.clocks.0.rate(CM_PWMCTL)?).0)
    }

    fn threshold(&self) -> u32 {
        (self.dmac.load(SeqCst) & 0xff).min(FIFO_DEPTH - 1)
    }

    fn wants_dma(&self) -> bool {
        self.dmac.load(SeqCst) & DMAC_ENAB != 0
    }

    /// Each channel that uses the FIFO takes its next word.
    fn take(&self) {
        for channel in self.takers() {
            let control = self.control(channel);
            let level = match self.fifo.pop() {
                Some(word) => output::level(control, word, self.range[channel].load(SeqCst)),
                None if control & CTL_RPTL != 0 => continue,
                None => {
                    self.latched.fetch_or(STA_GAPO1 << channel, SeqCst);
                    output::silence(control)
                }
            };
            self.played[channel].store(level.into(), SeqCst);
        }
    }

    /// Drives the jack with what the channels put out from `at` on. While the clock stands still nothing changes.
    fn drive(&self, at: GuestTime) {
        if self.clocks.0.rate(CM_PWMCTL).is_none() {
            return;
        }
        self.jack.drive(
            at,
            [0, 1].map(|channel| match self.control(channel) {
                control if control & CTL_PWEN == 0 => output::silence(control),
                control if control & CTL_USEF != 0 => self.played[channel].load(SeqCst) as u16,
                control => output::level(control, self.data[channel].load(SeqCst), self.range[channel].load(SeqCst)),
            }),
        );
    }

    /// Lets the channels take what they have taken up to `now`, each word at its time.
    /// They wait for words that DMA is to bring, unless there is to be a `gap`.
    fn play(&self, now: GuestTime, period: Option<u64>, gap: bool) {
        let first = period.and_then(|period| self.beat.after(1, period)).unwrap_or(now);
        let most = match self.takers().count() as u32 {
            takers @ 1.. if self.wants_dma() && !gap => (self.waiting() / takers).into(),
            _ => u64::MAX,
        };
        let beats = self.beat.count_at_most(now, period, most);
        let is_late = period.and_then(|period| self.beat.after(1, period)).is_some_and(|next| next <= now);
        self.waits.store(is_late, SeqCst);
        // The FIFO is empty then, and stays so.
        for beat in 0..beats.min(u64::from(FIFO_DEPTH) + 1) {
            self.take();
            self.drive(first.plus(beat.saturating_mul(period.unwrap_or(0))));
        }
        if !is_late {
            self.drive(now);
        }
    }

    /// Brings FIFO and outputs up to `now`.
    fn update(&self, now: GuestTime) {
        self.update_with(now, false);
    }

    fn update_with(&self, now: GuestTime, gap: bool) {
        self.turn.run(|| {
            let (takers, period) = (self.takers().count() as u64, self.period());
            self.play(now, period, gap);
            self.dreq.drive(|| self.wants_dma() && self.waiting() <= self.threshold());
            let above = self.waiting().saturating_sub(self.threshold());
            let due = |period| self.beat.after(u64::from(above).div_ceil(takers.max(1)), period);
            let waits = self.waits.load(SeqCst).then_some(now);
            self.wake.plan(waits.or_else(|| period.filter(|_| self.wants_dma() && above > 0).and_then(due)));
        });
    }

    /// No word is due by `now`: a guest that polls need not pay for more.
    fn is_up_to(&self, now: GuestTime) -> bool {
        self.beat.after(1, 0).is_some_and(|next| next > now)
    }

    /// Another look is needed though no register of this device is touched: the clock may have been switched on.
    fn waits_for_clock(&self) -> bool {
        self.wants_dma() && self.waiting() > self.threshold() && !self.wake.is_set()
    }

    /// The machine comes by.
    fn come_by(&self, now: GuestTime) {
        let written = u64::from(self.written.load(SeqCst)) + 1;
        self.update_with(now, self.found_waiting.load(SeqCst) == written);
        self.found_waiting.store(if self.waits.load(SeqCst) { written } else { 0 }, SeqCst);
    }

    fn status(&self) -> u32 {
        let waiting = self.waiting();
        let full = if waiting == FIFO_DEPTH { STA_FULL } else { 0 };
        let empty = if waiting == 0 { STA_EMPTY } else { 0 };
        let sends = |&channel: &usize| {
            let has_words = !self.is_set(channel, CTL_USEF) || waiting > 0 || self.is_set(channel, CTL_RPTL);
            self.is_set(channel, CTL_PWEN) && has_words
        };
        let sending: u32 = (0..2).filter(sends).map(|channel| STA_STA1 << channel).sum();
        self.latched.load(SeqCst) | full | empty | sending
    }

    fn push(&self, word: u32) {
        self.written.fetch_add(1, SeqCst);
        if self.fifo.push(word).is_err() {
            self.latched.fetch_or(STA_WERR, SeqCst);
        }
    }
}

impl BusView for Pwm {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            CTL => self.ctl.load(SeqCst),
            STA => {
                let now = at.now();
                if !self.is_up_to(now) {
                    self.update(now);
                }
                self.status()
            }
            DMAC => self.dmac.load(SeqCst),
            RNG1 => self.range[0].load(SeqCst),
            DAT1 => self.data[0].load(SeqCst),
            RNG2 => self.range[1].load(SeqCst),
            DAT2 => self.data[1].load(SeqCst),
            _ => NAME,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        let now = at.now();
        self.update(now);
        match offset {
            CTL => {
                self.ctl.store(value & CTL_KEPT, SeqCst);
                if value & CTL_CLRF != 0 {
                    while self.fifo.pop().is_some() {}
                }
            }
            STA => _ = self.latched.fetch_and(!(value & STA_LATCHED), SeqCst),
            DMAC => self.dmac.store(value & DMAC_KEPT, SeqCst),
            RNG1 => self.range[0].store(value, SeqCst),
            DAT1 => self.data[0].store(value, SeqCst),
            FIF1 => self.push(value),
            RNG2 => self.range[1].store(value, SeqCst),
            DAT2 => self.data[1].store(value, SeqCst),
            _ => {}
        }
        self.update(now);
        Served::Inline
    }
}

/// The modulator in the world.
#[derive(Component)]
struct PwmDevice(Arc<Pwm>);

fn signal(pwm: Single<&PwmDevice>, clock: Res<MachineClock>) {
    let now = clock.now();
    if pwm.0.wake.is_due(now) || pwm.0.waits_for_clock() {
        pwm.0.come_by(now);
    }
}

/// Adds the modulator. Needs [`crate::dma::DmaPlugin`], [`crate::cprman::CprmanPlugin`] and [`crate::gpio::GpioPlugin`] before it.
#[derive(Clone, Copy, Debug)]
pub struct PwmPlugin;

impl Plugin for PwmPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let pwm = Arc::new(Pwm {
            ctl: AtomicU32::new(0),
            latched: AtomicU32::new(0),
            dmac: AtomicU32::new(DMAC_RESET),
            range: [AtomicU32::new(RNG_RESET), AtomicU32::new(RNG_RESET)],
            data: Default::default(),
            fifo: ArrayQueue::new(FIFO_DEPTH as usize),
            played: Default::default(),
            jack: Jack::new(machine.sound(), machine.world.resource::<PinFunctions>().clone()),
            written: AtomicU32::new(0),
            waits: AtomicBool::new(false),
            found_waiting: AtomicU64::new(0),
            beat: Beat::default(),
            turn: Turn::default(),
            wake: Wake::new(machine),
            clocks: machine.world.resource::<Clocks>().clone(),
            dreq: machine.world.resource::<Dreqs>().line(DREQ),
        });
        machine.map(BASE..BASE + SIZE, "PWM", Arc::clone(&pwm) as _);
        machine.part_of("PWM", Arc::clone(&pwm));
        machine.world.spawn(PwmDevice(pwm));
        machine.add_systems(Phase::Signal, signal);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cprman::CprmanPlugin;
    use crate::dma::DmaPlugin;
    use crate::gpio::GpioPlugin;
    use tayberry_engine::bench::Bench;
    use tayberry_engine::builder::{Ram, SharedRes};
    use tayberry_engine::sound::Listener;

    const BOTH: u32 = 0x2121;
    const GPFSEL4: u64 = 0x3f20_0010;

    fn bench() -> Bench {
        Bench::new(0x10_0000, 1, |machine| {
            machine.install(&DmaPlugin).install(&CprmanPlugin).install(&GpioPlugin::default()).install(&PwmPlugin);
        })
    }

    fn at(register: u32) -> u64 {
        BASE + u64::from(register)
    }

    /// Runs the clock at 9.6 MHz.
    fn start_clock(bench: &Bench) {
        bench.write(0x3f10_10a4, 0x5a00_2000);
        bench.write(0x3f10_10a0, 0x5a00_0011);
    }

    /// Both channels play words from 0x10000 on, which DMA channel 0 brings to their FIFO.
    fn start_dma(bench: &Bench, words: u32) {
        let ram = &bench.world.resource::<Ram>().0;
        bench.write(at(DMAC), DMAC_ENAB | 0x0707);
        let block = [5 << 16 | 1 << 8 | 1 << 6 | 1, 0x1_0000, 0x7e20_c018, 4 * words, 0, 0];
        (0..).zip(block).for_each(|(word, value)| ram.write_u32(0x1000 + 4 * word, value).expect("in RAM"));
        bench.write(0x3f00_7004, 0x1000);
        bench.write(0x3f00_7000, 1);
    }

    #[test]
    fn registers_have_their_reset_values_and_widths() {
        let bench = bench();
        let all = [CTL, STA, DMAC, RNG1, DAT1, FIF1, RNG2, DAT2, 0x0c];
        assert_eq!(all.map(|register| bench.read(at(register))), [0, 2, 0x707, 0x20, 0, NAME, 0x20, 0, NAME]);
        all.into_iter().filter(|&register| register != FIF1).for_each(|register| _ = bench.write(at(register), u32::MAX));
        let expected = [0xbfbf, 0x602, 0x8000_ffff, u32::MAX, u32::MAX, NAME, u32::MAX, u32::MAX, NAME];
        assert_eq!(all.map(|register| bench.read(at(register))), expected);
    }

    #[test]
    fn the_fifo_drains_with_the_clock() {
        let mut bench = bench();
        bench.write(at(RNG1), 96); // 10 us
        bench.write(at(CTL), CTL_PWEN | CTL_USEF);
        (0..16).for_each(|word| _ = bench.write(at(FIF1), word));
        bench.tick_at(GuestTime(1_000_000));
        assert_eq!(bench.read(at(STA)), STA_FULL | STA_STA1, "the clock stands still");
        bench.write(at(FIF1), 0);
        assert_eq!(bench.read(at(STA)), STA_FULL | STA_WERR | STA_STA1);
        bench.write(at(STA), STA_WERR);
        start_clock(&bench);
        assert_eq!(bench.read(at(STA)), STA_STA1, "one is taken at once");
        bench.tick_at(GuestTime(1_149_999));
        assert_eq!(bench.read(at(STA)), STA_STA1);
        bench.tick_at(GuestTime(1_150_000));
        assert_eq!(bench.read(at(STA)), STA_EMPTY);
        bench.tick_at(GuestTime(1_160_000));
        assert_eq!(bench.read(at(STA)), STA_EMPTY | STA_GAPO1);
        bench.write(at(FIF1), 0);
        bench.write(at(CTL), CTL_PWEN | CTL_USEF | CTL_CLRF);
        bench.write(at(STA), STA_GAPO1);
        assert_eq!((bench.read(at(STA)), bench.read(at(CTL))), (STA_EMPTY, CTL_PWEN | CTL_USEF));
    }

    #[test]
    fn dma_feeds_both_channels_at_the_sample_rate() {
        let mut bench = bench();
        bench.write(at(RNG1), 192); // 50 kHz
        bench.write(at(RNG2), 192);
        bench.write(at(CTL), BOTH);
        start_dma(&bench, 1000);
        (0..4).for_each(|_| bench.tick_at(bench.clock.now().plus(10_000)));
        assert_eq!(bench.read(0x3f00_7014), 4 * (1000 - 8), "it waits for the clock");
        start_clock(&bench);
        let started = bench.clock.now().0;
        bench.tick();
        for _ in 0..10_000 {
            let Some(next) = bench.next_deadline() else { break };
            bench.tick_at(next.max(bench.clock.now()));
        }
        let took = bench.clock.now().0 - started;
        assert!((9_800_000..10_100_000).contains(&took), "{took} ns for 500 frames at 50 kHz");
        assert_eq!((bench.read(0x3f00_7000) & 1, bench.read(at(STA)) & STA_WERR), (0, 0));
    }

    /// Listens to what a bench puts out.
    fn listen(bench: &Bench) -> Listener {
        bench.world.resource::<SharedRes>().0.sound.listen().expect("the first to listen")
    }

    fn heard(listener: &Listener) -> Vec<(u64, [u16; 2])> {
        std::iter::from_fn(|| listener.next_change()).map(|change| (change.guest_ns, change.levels)).collect()
    }

    #[test]
    fn words_of_the_fifo_are_heard_at_their_times_right_channel_first() {
        let mut bench = bench();
        let listener = listen(&bench);
        start_clock(&bench);
        bench.write(at(RNG1), 96); // 10 us
        bench.write(at(RNG2), 96);
        [96, 48, 24, 0, 0, 96].into_iter().for_each(|word| _ = bench.write(at(FIF1), word));
        bench.write(at(CTL), BOTH);
        bench.tick_at(GuestTime(100_000));
        bench.read(at(STA));
        let (half, quarter, full) = (32_767, 16_383, u16::MAX);
        assert_eq!(heard(&listener), [(0, [half, full]), (10_000, [0, quarter]), (20_000, [full, 0]), (30_000, [0, 0])]);
    }

    #[test]
    fn a_channel_without_the_fifo_puts_out_its_data() {
        let mut bench = bench();
        let listener = listen(&bench);
        bench.write(at(RNG2), 1000);
        bench.write(at(CTL), CTL_PWEN << CTL_CHANNEL_SHIFT);
        bench.write(at(DAT2), 500);
        assert_eq!(heard(&listener), [], "the clock stands still");
        start_clock(&bench);
        bench.tick_at(GuestTime(5_000));
        bench.write(at(DAT2), 1000);
        bench.tick_at(GuestTime(6_000));
        bench.write(GPFSEL4, 0);
        bench.write(at(DAT2), 500);
        bench.write(at(CTL), 0);
        assert_eq!(
            heard(&listener),
            [(5_000, [32_767, 0]), (5_000, [u16::MAX, 0]), (6_000, [0, 0])],
            "and the pin is not the jack's any more"
        );
    }

    /// As when the host had no time for the machine: 500 frames at 50 kHz, looked at once a millisecond.
    #[test]
    fn words_that_dma_brings_late_are_heard_at_their_times() {
        let mut bench = bench();
        let listener = listen(&bench);
        let ram = Arc::clone(&bench.world.resource::<Ram>().0);
        (0..1000).for_each(|word| ram.write_u32(0x1_0000 + 4 * word, word as u32 / 2 % 2 * 192).expect("in RAM"));
        bench.write(at(RNG1), 192);
        bench.write(at(RNG2), 192);
        bench.write(at(CTL), BOTH);
        start_clock(&bench);
        start_dma(&bench, 1000);
        for millisecond in 0..15 {
            (0..3).for_each(|_| bench.tick_at(GuestTime(millisecond * 1_000_000)));
        }
        let heard = heard(&listener);
        let start = heard[0].0 - 20_000;
        let expected = (0..).map(|frame| (start + frame * 20_000, [if frame % 2 == 1 { u16::MAX } else { 0 }; 2])).skip(1).take(499);
        assert!(heard.iter().copied().take(499).eq(expected), "{:?}", &heard[..20]);
        assert_ne!(bench.read(at(STA)) & STA_GAPO1, 0, "and when there is no more, there is a gap");
    }

    #[test]
    fn the_last_word_is_repeated_where_that_is_asked_for() {
        let mut bench = bench();
        let listener = listen(&bench);
        start_clock(&bench);
        bench.write(at(RNG1), 96);
        bench.write(at(FIF1), 96);
        bench.write(at(CTL), CTL_PWEN | CTL_USEF | CTL_RPTL);
        bench.tick_at(GuestTime(1_000_000));
        assert_eq!(bench.read(at(STA)), STA_EMPTY | STA_STA1);
        assert_eq!(heard(&listener), [(0, [0, u16::MAX])]);
    }

    /// A tune by DMA, looked at whenever there is a deadline; it may move to a new bench each time. What was heard, how often the FIFO was in part full, and the bench.
    fn tune(moves: bool) -> (Vec<(u64, [u16; 2])>, u32, Bench) {
        let mut bench = bench();
        let mut listener = listen(&bench);
        let ram = Arc::clone(&bench.world.resource::<Ram>().0);
        (0..400).for_each(|word| ram.write_u32(0x1_0000 + 4 * word, (word as u32 * 37) % 192).expect("in RAM"));
        bench.write(at(RNG1), 192); // 50 kHz
        bench.write(at(RNG2), 192);
        bench.write(at(CTL), BOTH);
        start_clock(&bench);
        start_dma(&bench, 400);
        bench.tick();
        let (mut all, mut halves) = (Vec::new(), 0);
        while let Some(next) = bench.next_deadline() {
            bench.tick_at(next.max(bench.clock.now()));
            let waiting = bench.world.query::<&PwmDevice>().single(&bench.world).expect("one").0.waiting();
            halves += u32::from((1..FIFO_DEPTH).contains(&waiting) && bench.read(0x3f00_7000) & 1 != 0);
            if moves {
                all.extend(heard(&listener));
                let state = bench.save();
                bench = self::bench();
                bench.load(&state).expect("the same devices");
                assert_eq!(bench.save().parts, state.parts, "nothing is lost on the way");
                listener = listen(&bench);
            }
        }
        all.extend(heard(&listener));
        (all, halves, bench)
    }

    #[test]
    fn a_tune_goes_on_from_its_state_without_a_gap() {
        let ((straight, _, mut first), (moving, halves, mut second)) = (tune(false), tune(true));
        assert!(halves > 20, "{halves}");
        assert!(straight.len() > 190 && straight == moving, "{} and {} changes", straight.len(), moving.len());
        assert_eq!(first.clock.now(), second.clock.now());
        assert_eq!(first.save().parts, second.save().parts);
    }
}
