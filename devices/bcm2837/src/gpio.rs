//! The 54 GPIO pins.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 6, and its table of pull states after reset (6.2).
//!
//! An output reads what the guest set; every other pin what it is driven to from outside ([`tayberry_engine::pins`]), or what its pull resistor makes of it. Of the devices only the SD card counts on
//! its pins' function. The firmware leaves the card's pins with SDHOST.
//!
//! # Orderings
//! Registers are atomics of their own (`SeqCst`), touched by any core. Edges are found by whoever changes a level: two cores that change pins of one bank at
//! once may each see the other's edge, which both then latch.

mod words;

use crate::irq;
use bevy_ecs::prelude::*;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst, fence};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::pins::{self, By, PinEvent, PinWire, Pins};
use tayberry_engine::{Archive, BusContext, BusView, Cell, Deadline, GuestTime, IrqLine, MachineBuilder, Phase, Plugin, Served, cell};

const BASE: u64 = 0x3F20_0000;
const SIZE: u64 = 0x100;
/// What reads where nothing can be read: "gpio". Programs tell the SoC by what 0xf0 reads.
const NAME: u32 = 0x6770_696f;

const GPFSEL0: u32 = 0x00; // Function select, 6 registers of ten pins
const GPFSEL_END: u32 = 0x18;
const GPPUD: u32 = 0x94; // Pull-up/down
const GPPUDCLK0: u32 = 0x98; // Pull-up/down clock, one register a bank
const GPPUDCLK1: u32 = 0x9c;
/// From here up to GPPUD: groups of a register a bank and a reserved word.
const GROUPS: u32 = 0x1c;
const GROUP_BYTES: u32 = 12;
/// The groups, by number.
const GPSET: u32 = 0; // Output set (WO)
const GPCLR: u32 = 1; // Output clear (WO)
const GPLEV: u32 = 2; // Level (RO)
const GPEDS: u32 = 3; // Event detect status (write ones to clear)
const GPREN: u32 = 4; // Rising edge detect enable
const GPFEN: u32 = 5; // Falling edge detect enable
const GPHEN: u32 = 6; // High detect enable
const GPLEN: u32 = 7; // Low detect enable
const GPAREN: u32 = 8; // Asynchronous rising edge detect enable
const GPAFEN: u32 = 9; // Asynchronous falling edge detect enable

/// Pins of each bank.
const PINS: [u32; 2] = [u32::MAX, (1 << 22) - 1];
const FUNCTION_OUTPUT: u32 = 1;
const PULL_DOWN: u32 = 1;
const PULL_UP: u32 = 2;
/// Pins with a pull-up after reset: 0 to 8, 34 to 36, 46 to 53.
const PULL_UP_RESET: [u32; 2] = [0x1ff, 0x003f_c01c];
/// Pins of the first three interrupt lines: 0 to 27, 28 to 45, 46 to 53; the fourth has all.
const LINE_PINS: [u64; 4] = [0x0fff_ffff, 0x3fff_f000_0000, 0x3f_c000_0000_0000, (1 << 54) - 1];

/// Function select registers at the start: pins 40 and 41 (the audio jack) and 48 to 53 (the card) have alternate function 0 (code 4).
const FUNCTIONS_RESET: [u32; 6] = [0, 0, 0, 0, 4 << 27 | 4 << 24 | 4 << 3 | 4, 4 << 9 | 4 << 6 | 4 << 3 | 4];

/// The function select registers, for devices behind the pins.
#[derive(Resource, Clone, Debug)]
pub struct PinFunctions(Arc<[AtomicU32; 6]>);

impl Cell for PinFunctions {
    fn pass(&self, archive: &mut Archive<'_>) {
        self.0.pass(archive);
    }
}

impl PinFunctions {
    fn new() -> Self {
        Self(Arc::new(FUNCTIONS_RESET.map(AtomicU32::new)))
    }

    /// True if all of `pins` (0 to 53) have the function whose code is `code`.
    pub fn are(&self, pins: Range<u32>, code: u32) -> bool {
        pins.into_iter().all(|pin| self.0.get((pin / 10) as usize).is_some_and(|word| word.load(SeqCst) >> (3 * (pin % 10)) & 7 == code))
    }
}

/// 32 pins (22 in the second bank).
#[derive(Debug, Default)]
struct Bank {
    /// Pins whose function is output.
    outputs: AtomicU32,
    /// Output latches.
    latch: AtomicU32,
    pull_up: AtomicU32,
    /// Edges that were seen.
    events: AtomicU32,
    rising: AtomicU32,
    falling: AtomicU32,
    high: AtomicU32,
    low: AtomicU32,
    async_rising: AtomicU32,
    async_falling: AtomicU32,
    pull_clock: AtomicU32,
    /// Pins that are driven from outside, and those of them that are driven high.
    driven: AtomicU32,
    driven_high: AtomicU32,
}

cell!(Bank { outputs, latch, pull_up, events, rising, falling, high, low, async_rising, async_falling, pull_clock, driven, driven_high });

impl Bank {
    fn level(&self) -> u32 {
        let outputs = self.outputs.load(SeqCst);
        let driven = self.driven.load(SeqCst);
        let input = (self.driven_high.load(SeqCst) & driven) | (self.pull_up.load(SeqCst) & !driven);
        (self.latch.load(SeqCst) & outputs) | (input & !outputs)
    }

    /// Latched edges, and levels that are detected as long as they last.
    fn status(&self) -> u32 {
        let level = self.level();
        self.events.load(SeqCst) | (level & self.high.load(SeqCst)) | (!level & self.low.load(SeqCst))
    }

    /// A detect enable register by its group.
    fn enable(&self, group: u32) -> Option<&AtomicU32> {
        match group {
            GPREN => Some(&self.rising),
            GPFEN => Some(&self.falling),
            GPHEN => Some(&self.high),
            GPLEN => Some(&self.low),
            GPAREN => Some(&self.async_rising),
            GPAFEN => Some(&self.async_falling),
            _ => None,
        }
    }

    /// Changes something that levels depend on, and latches the edges that come of it.
    fn change(&self, what: impl FnOnce()) {
        let before = self.level();
        what();
        let after = self.level();
        let rising = !before & after & (self.rising.load(SeqCst) | self.async_rising.load(SeqCst));
        let falling = before & !after & (self.falling.load(SeqCst) | self.async_falling.load(SeqCst));
        if rising | falling != 0 {
            tracing::debug!(target: "gpio", "edges are latched: rising {rising:#010x}, falling {falling:#010x} of a bank");
        }
        self.events.fetch_or(rising | falling, SeqCst);
    }
}

/// The pins' registers.
#[derive(Debug)]
pub struct Gpio {
    functions: PinFunctions,
    banks: [Bank; 2],
    pull: AtomicU32,
    lines: [IrqLine; 4],
    pins: Arc<Pins>,
    wire: PinWire,
    /// What happens outside, by time.
    settings: Arc<[PinSetting]>,
    /// Guest time over all resets up to which that has happened.
    happened: AtomicU64,
    next: Deadline,
}

impl Cell for Gpio {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.functions, &self.banks, &self.pull, &self.happened]);
        if archive.is_load() {
            // What is to happen outside is the new run's affair.
            self.set_next();
            self.show(By::Reset, || GuestTime(0));
        }
    }
}

impl Gpio {
    fn new(lines: [IrqLine; 4], outside: Outside) -> Self {
        let banks: [Bank; 2] = Default::default();
        banks.iter().zip(PULL_UP_RESET).for_each(|(bank, pins)| bank.pull_up.store(pins, SeqCst));
        let Outside { pins, wire, settings, next } = outside;
        let (functions, pull, happened) = (PinFunctions::new(), AtomicU32::new(0), AtomicU64::new(0));
        let gpio = Self { functions, banks, pull, lines, pins, wire, settings, happened, next };
        gpio.show(By::Reset, || GuestTime(0));
        gpio.happen(GuestTime(0), true);
        gpio.show(By::Outside, || GuestTime(0));
        gpio
    }

    /// Shows frontends what has become of the pins. Cores may change them at the same time, so each looks again: whoever shows them last shows what they are.
    fn show(&self, by: By, now: impl Fn() -> GuestTime) {
        let state = || {
            let both = |part: fn(&Bank) -> u32| u64::from(part(&self.banks[1])) << 32 | u64::from(part(&self.banks[0]));
            let functions: [u32; 6] = std::array::from_fn(|index| self.functions.0[index].load(SeqCst));
            (both(Bank::level), functions, both(|bank| bank.driven.load(SeqCst)), both(|bank| bank.driven_high.load(SeqCst)))
        };
        loop {
            let shown = state();
            let (levels, functions, driven, high) = shown;
            self.pins.show(levels, functions, by, &now);
            self.pins.show_driven(driven, high);
            fence(SeqCst);
            if state() == shown {
                return;
            }
        }
    }

    /// A pin is driven from outside, or left alone.
    fn set_outside(&self, PinEvent { pin, drive }: PinEvent) {
        let Some(bank) = self.banks.get(usize::from(pin / 32)).filter(|_| pin < pins::PINS) else { return };
        let bit = 1 << (pin % 32);
        tracing::debug!(target: "gpio", pin, "pin {pin} is {} from outside", match drive {
            Some(true) => "driven high",
            Some(false) => "driven low",
            None => "left alone",
        });
        let put = |word: &AtomicU32, on: bool| _ = if on { word.fetch_or(bit, SeqCst) } else { word.fetch_and(!bit, SeqCst) };
        bank.change(|| {
            put(&bank.driven_high, drive == Some(true));
            put(&bank.driven, drive.is_some());
        });
    }

    /// What the settings say for times up to `now` and has not happened yet; with `at_first` it happens that was to happen before this power cycle. True if there was something.
    fn happen(&self, now: GuestTime, at_first: bool) -> bool {
        let now = self.pins.before_ns().saturating_add(now.0);
        let before = self.happened.swap(now, SeqCst);
        let due = |setting: &&PinSetting| setting.at.0 <= now && (at_first || setting.at.0 > before);
        let due = self.settings.iter().filter(due).inspect(|setting| self.set_outside(setting.event)).count();
        self.set_next();
        due > 0
    }

    /// When the next setting comes, in this power cycle's time.
    fn set_next(&self) {
        let happened = self.happened.load(SeqCst);
        let next = self.settings.iter().map(|setting| setting.at.0).filter(|&at| at > happened).min();
        self.next.set(next.map(|at| GuestTime(at.saturating_sub(self.pins.before_ns()))));
    }

    /// Between slices: what comes from outside.
    fn signal(&self, now: GuestTime) {
        let mut something = self.next.get().is_some_and(|at| at <= now) && self.happen(now, false);
        while let Some(event) = self.wire.receive() {
            self.set_outside(event);
            something = true;
        }
        if something {
            self.drive();
            self.show(By::Outside, || now);
        }
    }

    fn drive(&self) {
        let status = || u64::from(self.banks[1].status()) << 32 | u64::from(self.banks[0].status());
        for (line, pins) in self.lines.iter().zip(LINE_PINS) {
            irq::drive(line, || status() & pins != 0);
        }
    }

    /// Pins of ten whose function is output, as bits 0 to 9.
    fn outputs(functions: u32) -> u64 {
        (0..10).filter(|pin| functions >> (3 * pin) & 7 == FUNCTION_OUTPUT).map(|pin| 1 << pin).sum()
    }

    /// Tells of pins whose function changes.
    fn trace_functions(&self, index: usize, value: u32) {
        let before = self.functions.0[index].load(SeqCst);
        for pin in (0..10u32).filter(|pin| (before ^ value) >> (3 * pin) & 7 != 0) {
            let (number, code) = (10 * index as u32 + pin, value >> (3 * pin) & 7);
            let function = words::function(number, code);
            tracing::debug!(target: "gpio", pin = number, function, "pin {number} becomes {function}");
        }
    }

    fn set_function(&self, index: usize, value: u32) {
        if tracing::enabled!(target: "gpio", tracing::Level::DEBUG) {
            self.trace_functions(index, value);
        }
        self.functions.0[index].store(value & 0x3fff_ffff, SeqCst);
        let outputs: u64 = (0..).zip(self.functions.0.iter()).map(|(index, word)| Self::outputs(word.load(SeqCst)) << (10 * index)).sum();
        for (number, bank) in self.banks.iter().enumerate() {
            bank.change(|| bank.outputs.store((outputs >> (32 * number)) as u32 & PINS[number], SeqCst));
        }
    }

    /// A clock edge takes the control signal over into the pins clocked.
    fn clock_pull(&self, number: usize, pins: u32) {
        let bank = &self.banks[number];
        let pins = pins & PINS[number];
        let clocked = pins & !bank.pull_clock.swap(pins, SeqCst);
        bank.change(|| match self.pull.load(SeqCst) {
            PULL_UP => _ = bank.pull_up.fetch_or(clocked, SeqCst),
            0 | PULL_DOWN => _ = bank.pull_up.fetch_and(!clocked, SeqCst),
            _ => {}
        });
    }

    fn write_bank(&self, group: u32, number: usize, value: u32) {
        let (bank, value) = (&self.banks[number], value & PINS[number]);
        if tracing::enabled!(target: "gpio", tracing::Level::DEBUG) {
            let pins = words::pins(number, value);
            tracing::debug!(target: "gpio", bank = number, mask = format_args!("{value:#010x}"), pins, "{} {pins}", words::group(group));
        }
        match group {
            GPSET => bank.change(|| _ = bank.latch.fetch_or(value, SeqCst)),
            GPCLR => bank.change(|| _ = bank.latch.fetch_and(!value, SeqCst)),
            GPEDS => _ = bank.events.fetch_and(!value, SeqCst),
            _ => {
                if let Some(enable) = bank.enable(group) {
                    enable.store(value, SeqCst);
                }
            }
        }
    }
}

/// Group and bank of an offset.
fn bank_register(offset: u32) -> Option<(u32, usize)> {
    let from = offset.checked_sub(GROUPS).filter(|_| offset < GPPUD)?;
    let bank = (from % GROUP_BYTES / 4) as usize;
    (bank < 2).then_some((from / GROUP_BYTES, bank))
}

impl BusView for Gpio {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match (offset, bank_register(offset)) {
            (GPFSEL0..GPFSEL_END, _) => self.functions.0[(offset / 4) as usize].load(SeqCst),
            (_, Some((GPLEV, bank))) => self.banks[bank].level(),
            (_, Some((GPEDS, bank))) => self.banks[bank].status(),
            (_, Some((group, bank))) => self.banks[bank].enable(group).map_or(NAME, |enable| enable.load(SeqCst)),
            (GPPUD, _) => self.pull.load(SeqCst),
            (GPPUDCLK0, _) => self.banks[0].pull_clock.load(SeqCst),
            (GPPUDCLK1, _) => self.banks[1].pull_clock.load(SeqCst),
            _ => NAME,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        match (offset, bank_register(offset)) {
            (GPFSEL0..GPFSEL_END, _) => self.set_function((offset / 4) as usize, value),
            (_, Some((group, bank))) => self.write_bank(group, bank, value),
            (GPPUD, _) => self.pull.store(value & 3, SeqCst),
            (GPPUDCLK0, _) => self.clock_pull(0, value),
            (GPPUDCLK1, _) => self.clock_pull(1, value),
            _ => {}
        }
        self.drive();
        // The others change neither a function nor a level.
        if matches!((offset, bank_register(offset)), (GPFSEL0..GPFSEL_END | GPPUDCLK0 | GPPUDCLK1, _) | (_, Some((GPSET | GPCLR, _)))) {
            self.show(By::Guest, || at.now());
        }
        Served::Inline
    }
}

/// What happens to a pin outside, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinSetting {
    /// Guest time since power-on, over all resets.
    pub at: GuestTime,
    /// What happens.
    pub event: PinEvent,
}

/// What is around the pins.
struct Outside {
    pins: Arc<Pins>,
    wire: PinWire,
    settings: Arc<[PinSetting]>,
    next: Deadline,
}

#[derive(Component)]
struct GpioDevice(Arc<Gpio>);

fn signal(device: Single<&GpioDevice>, clock: Res<MachineClock>) {
    device.0.signal(clock.now());
}

/// Adds the pins.
#[derive(Clone, Debug)]
pub struct GpioPlugin {
    /// What happens to them outside.
    pub settings: Arc<[PinSetting]>,
}

impl Default for GpioPlugin {
    /// Nothing happens but what frontends do.
    fn default() -> Self {
        Self { settings: Arc::new([]) }
    }
}

impl Plugin for GpioPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let lines = std::array::from_fn(|index| machine.irq_line(irq::GPIO + index));
        let outside =
            Outside { pins: machine.pins(), wire: machine.pin_wire(), settings: Arc::clone(&self.settings), next: machine.deadline() };
        let gpio = Arc::new(Gpio::new(lines, outside));
        machine.world.insert_resource(gpio.functions.clone());
        machine.part_of("GPIO", Arc::clone(&gpio));
        machine.world.spawn(GpioDevice(Arc::clone(&gpio)));
        machine.add_systems(Phase::Signal, signal);
        machine.map(BASE..BASE + SIZE, "GPIO", gpio);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::Bench;

    fn bench() -> Bench {
        Bench::new(0x1000, 1, |machine| _ = machine.install(&GpioPlugin::default()))
    }

    fn at(group: u32, bank: u32) -> u64 {
        BASE + u64::from(GROUPS + GROUP_BYTES * group + 4 * bank)
    }

    fn make_output(bench: &Bench, pin: u32) {
        bench.write(BASE + u64::from(pin / 10 * 4), 1 << (3 * (pin % 10)));
    }

    #[test]
    fn register_addresses_are_the_manuals() {
        let manual = [(GPSET, 0x1c), (GPCLR, 0x28), (GPLEV, 0x34), (GPEDS, 0x40), (GPREN, 0x4c), (GPFEN, 0x58)];
        let rest = [(GPHEN, 0x64), (GPLEN, 0x70), (GPAREN, 0x7c), (GPAFEN, 0x88)];
        for (group, offset) in manual.into_iter().chain(rest) {
            assert_eq!(at(group, 0), BASE + offset);
            assert_eq!(bank_register(offset as u32 + 4), Some((group, 1)));
            assert_eq!(bank_register(offset as u32 + 8), None);
        }
    }

    #[test]
    fn the_card_s_pins_are_sdhost_s_at_first() {
        let bench = bench();
        let pins = bench.world.resource::<PinFunctions>().clone();
        assert!(pins.are(48..54, 4) && pins.are(40..42, 4) && pins.are(0..40, 0) && pins.are(42..48, 0));
        let functions: Vec<u32> = (0..6).map(|index| bench.read(BASE + 4 * index)).collect();
        assert_eq!(functions, FUNCTIONS_RESET);
        bench.write(BASE + 0x14, 0o7777);
        assert!(!pins.are(48..54, 4) && !pins.are(48..54, 7) && pins.are(50..54, 7));
        bench.write(BASE + 0x10, 0o77 << 24);
        assert!(pins.are(48..54, 7));
    }

    #[test]
    fn outputs_show_their_latch_and_inputs_their_pull() {
        let bench = bench();
        for pin in [0, 9, 10, 31, 32, 47, 53] {
            let (bank, bit) = (pin / 32, 1 << (pin % 32));
            bench.write(BASE + u64::from(GPPUD), PULL_DOWN);
            bench.write(BASE + u64::from(GPPUDCLK0 + 4 * bank), bit);
            bench.write(BASE + u64::from(GPPUDCLK0 + 4 * bank), 0);
            bench.write(at(GPSET, bank), bit);
            assert_eq!(bench.read(at(GPLEV, bank)) & bit, 0, "{pin}: still an input");
            make_output(&bench, pin);
            assert_eq!(bench.read(at(GPLEV, bank)) & bit, bit, "{pin}");
            bench.write(at(GPCLR, bank), bit);
            assert_eq!(bench.read(at(GPLEV, bank)) & bit, 0, "{pin}");
            bench.write(BASE + u64::from(pin / 10 * 4), 0);
            bench.write(BASE + u64::from(GPPUD), PULL_UP);
            bench.write(BASE + u64::from(GPPUDCLK0 + 4 * bank), bit);
            bench.write(BASE + u64::from(GPPUDCLK0 + 4 * bank), 0);
            assert_eq!(bench.read(at(GPLEV, bank)) & bit, bit, "{pin}: pulled up");
        }
        assert_eq!([at(GPSET, 0), at(GPCLR, 1), BASE + 0x18, BASE + 0xf0].map(|address| bench.read(address)), [NAME; 4], "nothing to read");
    }

    #[test]
    fn edges_and_levels_interrupt_on_the_lines_of_their_pins() {
        for (pin, line) in [(0, 49), (27, 49), (28, 50), (45, 50), (46, 51), (53, 51)] {
            let (bank, bit) = (pin / 32, 1 << (pin % 32));
            let lines = |bench: &Bench| (49..53).filter(|&line| bench.irq.line(line).level()).collect::<Vec<_>>();
            for (group, set_first) in [(GPREN, false), (GPAREN, false), (GPFEN, true), (GPAFEN, true)] {
                let bench = bench();
                make_output(&bench, pin);
                if set_first {
                    bench.write(at(GPSET, bank), bit);
                }
                bench.write(at(group, bank), bit);
                assert_eq!(lines(&bench), []);
                bench.write(at(if set_first { GPCLR } else { GPSET }, bank), bit);
                assert_eq!((bench.read(at(GPEDS, bank)), lines(&bench)), (bit, vec![line, 52]), "pin {pin}, group {group}");
                bench.write(at(GPEDS, bank), bit);
                assert_eq!((bench.read(at(GPEDS, bank)), lines(&bench)), (0, vec![]));
            }
            let bench = bench();
            make_output(&bench, pin);
            bench.write(at(GPSET, bank), bit);
            bench.write(at(GPHEN, bank), bit);
            bench.write(at(GPEDS, bank), bit);
            assert_eq!(lines(&bench), [line, 52], "as long as it is high");
            bench.write(at(GPHEN, bank), 0);
            bench.write(at(GPLEN, bank), bit);
            assert_eq!(lines(&bench), []);
            bench.write(at(GPCLR, bank), bit);
            assert_eq!(lines(&bench), [line, 52], "as long as it is low");
        }
    }

    #[test]
    fn inputs_read_what_they_are_driven_to_from_outside() {
        let mut bench = bench();
        let level = |bench: &Bench, pin: u32| bench.read(at(GPLEV, pin / 32)) >> (pin % 32) & 1;
        for pin in [4u8, 17, 31, 33, 53] {
            let rest = level(&bench, pin.into());
            for (drive, seen) in [(Some(true), 1), (Some(false), 0), (None, rest)] {
                bench.drive_pin(pin, drive);
                bench.tick();
                assert_eq!(level(&bench, pin.into()), seen, "{pin} driven to {drive:?}");
            }
        }
        // An output is stronger than a button.
        make_output(&bench, 4);
        bench.drive_pin(4, Some(true));
        bench.tick();
        assert_eq!(level(&bench, 4), 0);
        [54, 63, 64, 255].into_iter().for_each(|pin| bench.drive_pin(pin, Some(true)));
        bench.tick();
    }

    #[test]
    fn edges_from_outside_are_latched_and_interrupt() {
        let mut bench = bench();
        bench.write(at(GPREN, 0), 1 << 17);
        bench.write(at(GPAFEN, 0), 1 << 18);
        let irq = |bench: &Bench| bench.irq.line(irq::GPIO).level();
        for (pin, drive) in [(17, true), (18, false)] {
            // Where it was before that.
            bench.drive_pin(pin, Some(!drive));
            bench.tick();
            bench.write(at(GPEDS, 0), !0);
            assert!(!irq(&bench));
            bench.drive_pin(pin, Some(drive));
            bench.tick();
            assert_eq!(bench.read(at(GPEDS, 0)), 1 << pin);
            assert!(irq(&bench));
            bench.write(at(GPEDS, 0), 1 << pin);
            assert!(!irq(&bench));
        }
    }

    #[test]
    fn settings_happen_at_their_times_and_are_told_of() {
        let setting = |at, pin, drive| PinSetting { at: GuestTime(at), event: PinEvent { pin, drive } };
        let settings: Arc<[PinSetting]> =
            [setting(5000, 17, Some(true)), setting(0, 18, Some(true)), setting(9000, 17, None), setting(5000, 20, Some(true))].into();
        let mut heard = None;
        let mut bench = Bench::new(0x1000, 1, |machine| {
            heard = machine.pins().listen();
            machine.install(&GpioPlugin { settings });
        });
        let heard = heard.expect("the first");
        let told = || {
            std::iter::from_fn(|| heard.next_change())
                .map(|change| (change.guest_ns, change.pin, change.level, change.by))
                .collect::<Vec<_>>()
        };
        let levels = |bench: &Bench| bench.read(at(GPLEV, 0)) & (1 << 17 | 1 << 18 | 1 << 20);
        assert_eq!(levels(&bench), 1 << 18);
        assert!(told().contains(&(0, 18, true, By::Outside)));
        bench.tick_at(GuestTime(4999));
        assert_eq!((levels(&bench), bench.next_deadline()), (1 << 18, Some(GuestTime(5000))));
        bench.tick_at(GuestTime(5000));
        assert_eq!(levels(&bench), 1 << 17 | 1 << 18 | 1 << 20);
        assert_eq!(told(), [(5000, 17, true, By::Outside), (5000, 20, true, By::Outside)]);
        bench.tick_at(GuestTime(20_000));
        assert_eq!((levels(&bench), bench.next_deadline()), (1 << 18 | 1 << 20, None));
        make_output(&bench, 5);
        bench.write(at(GPSET, 0), 1 << 5);
        assert_eq!(told(), [(20_000, 17, false, By::Outside), (20_000, 5, false, By::Guest), (20_000, 5, true, By::Guest)]);
    }
}
