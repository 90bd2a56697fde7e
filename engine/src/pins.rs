//! Pins: what frontends see of a machine's general purpose pins and LEDs, and what they do to them from outside.
//!
//! # Orderings
//! The device that has the pins writes what frontends see; each word means nothing but itself (`Relaxed`), and a frontend that reads two of them may see one of them a moment later than the other.
//! Changes travel through a crossbeam queue, the listener is found through a `OnceLock`: both order what they hand over. A listener's queue has no bound of its own: the machine's loop stands still while it is
//! long ([`Pins::flows`]), so that nothing is lost.

use crate::clock::GuestTime;
use crossbeam::queue::SegQueue;
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};

/// Pins of the SoC.
pub const PINS: u8 = 54;
/// The number that stands for the board's activity LED, which is no pin of the SoC.
pub const ACT_LED: u8 = PINS;
/// Changes that wait for the listener before the machine waits for it.
const MANY: usize = 1 << 18;

/// What a pin is driven to from outside; `None`: it is left alone.
pub type Drive = Option<bool>;

/// Something from outside for a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PinEvent {
    /// Its number.
    pub pin: u8,
    /// What it is driven to.
    pub drive: Drive,
}

/// Who changed a pin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// The guest, by a register.
    Guest,
    /// Somebody outside.
    Outside,
    /// The firmware, on a message of the guest's.
    Firmware,
    /// Power-on or a reset.
    Reset,
}

impl By {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Guest => "guest",
            Self::Outside => "outside",
            Self::Firmware => "firmware",
            Self::Reset => "reset",
        }
    }
}

/// A pin's function (GPFSEL) or level is another one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PinChange {
    /// Guest time in nanoseconds, over all resets.
    pub guest_ns: u64,
    /// Its number.
    pub pin: u8,
    /// Its function's code, 0 to 7.
    pub function: u8,
    /// It is high.
    pub level: bool,
    /// By whom.
    pub by: By,
}

/// A function's code (GPFSEL) in a word.
pub fn function_word(code: u8) -> &'static str {
    ["input", "output", "alt5", "alt4", "alt0", "alt1", "alt2", "alt3"][usize::from(code % 8)]
}

/// The listener's queue.
#[derive(Debug, Default)]
struct Ear {
    queue: SegQueue<PinChange>,
    is_open: AtomicBool,
}

/// The pins as frontends see them. It outlives resets.
#[derive(Debug, Default)]
pub struct Pins {
    /// Levels, a bit a pin, and of the LED.
    levels: AtomicU64,
    /// Functions, as in GPFSEL0 to GPFSEL5.
    functions: [AtomicU32; 6],
    /// Pins that are driven from outside, and those of them that are driven high.
    driven: [AtomicU64; 2],
    ear: OnceLock<Arc<Ear>>,
    /// Guest time at the last reset.
    before_ns: AtomicU64,
}

impl Pins {
    /// A pin's level, or the LED's.
    pub fn level(&self, pin: u8) -> bool {
        self.levels.load(Relaxed) >> pin.min(63) & 1 != 0
    }

    /// The code of a pin's function; an output's for the LED.
    pub fn function(&self, pin: u8) -> u8 {
        let word = self.functions.get(usize::from(pin / 10)).filter(|_| pin < PINS);
        word.map_or(1, |word| (word.load(Relaxed) >> (3 * (pin % 10)) & 7) as u8)
    }

    /// What a pin is driven to from outside.
    pub fn drive(&self, pin: u8) -> Drive {
        let bit = |word: &AtomicU64| word.load(Relaxed) >> pin.min(63) & 1 != 0;
        bit(&self.driven[0]).then(|| bit(&self.driven[1]))
    }

    /// Somebody wants to hear of every change.
    pub fn is_heard(&self) -> bool {
        self.ear.get().is_some_and(|ear| ear.is_open.load(Relaxed))
    }

    /// The device: its levels and functions are these now. Every difference is told at the time that `now` says, which is asked only if somebody listens.
    pub fn show(&self, levels: u64, functions: [u32; 6], by: By, now: impl FnOnce() -> GuestTime) {
        let led = self.levels.load(Relaxed) & 1 << ACT_LED;
        let mut changed = 0;
        if self.levels.load(Relaxed) != levels | led {
            changed = self.levels.swap(levels | led, Relaxed) ^ (levels | led);
        }
        for (at, (word, new)) in self.functions.iter().zip(functions).enumerate() {
            // Most writes change no function: a look is cheaper.
            let difference = if word.load(Relaxed) == new { 0 } else { word.swap(new, Relaxed) ^ new };
            let pins = (0..10).filter(|pin| difference >> (3 * pin) & 7 != 0);
            pins.for_each(|pin| changed |= 1 << (10 * at as u64 + pin));
        }
        if changed != 0 && self.is_heard() {
            self.tell(changed, by, now());
        }
    }

    /// The device: pins that are driven from outside, and those of them that are driven high.
    pub fn show_driven(&self, driven: u64, high: u64) {
        self.driven[0].store(driven, Relaxed);
        self.driven[1].store(high, Relaxed);
    }

    /// The firmware: the LED is on or off.
    pub fn show_led(&self, on: bool, now: GuestTime) {
        let bit = 1 << ACT_LED;
        let before = if on { self.levels.fetch_or(bit, Relaxed) } else { self.levels.fetch_and(!bit, Relaxed) };
        if (before & bit != 0) != on && self.is_heard() {
            self.tell(bit, By::Firmware, now);
        }
    }

    #[cold]
    fn tell(&self, changed: u64, by: By, now: GuestTime) {
        let Some(ear) = self.ear.get() else { return };
        let guest_ns = self.before_ns.load(Relaxed).saturating_add(now.0);
        for pin in (0..=ACT_LED).filter(|pin| changed >> pin & 1 != 0) {
            ear.queue.push(PinChange { guest_ns, pin, function: self.function(pin), level: self.level(pin), by });
        }
    }

    /// The listener has not too much to do.
    pub(crate) fn flows(&self) -> bool {
        self.ear.get().is_none_or(|ear| !ear.is_open.load(Relaxed) || ear.queue.len() < MANY)
    }

    /// A machine begins whose predecessors had `before_ns` of guest time.
    pub(crate) fn begin(&self, before_ns: u64) {
        self.before_ns.store(before_ns, Relaxed);
    }

    /// Guest time of the power cycles before this one, in nanoseconds.
    pub fn before_ns(&self) -> u64 {
        self.before_ns.load(Relaxed)
    }

    /// The one listener, for what changes from now on; `None` if there is one.
    pub fn listen(&self) -> Option<PinListener> {
        let ear = Arc::new(Ear { queue: SegQueue::new(), is_open: AtomicBool::new(true) });
        self.ear.set(Arc::clone(&ear)).is_ok().then_some(PinListener { ear })
    }
}

/// The end of a frontend that hears of every change. Dropping it ends that.
#[derive(Debug)]
pub struct PinListener {
    ear: Arc<Ear>,
}

impl PinListener {
    /// The oldest change that waits. Never blocks.
    pub fn next_change(&self) -> Option<PinChange> {
        self.ear.queue.pop()
    }
}

impl Drop for PinListener {
    fn drop(&mut self) {
        self.ear.is_open.store(false, Relaxed);
        while self.ear.queue.pop().is_some() {}
    }
}

/// The wire on which what happens outside comes to the device.
#[derive(Clone, Debug, Default)]
pub struct PinWire(Arc<SegQueue<PinEvent>>);

impl PinWire {
    /// The oldest event.
    pub fn receive(&self) -> Option<PinEvent> {
        self.0.pop()
    }

    /// The far end.
    pub(crate) fn feed(&self, event: PinEvent) {
        self.0.push(event);
    }
}

/// Events that the device has not taken.
impl crate::state::Cell for PinWire {
    fn pass(&self, archive: &mut crate::state::Archive<'_>) {
        self.0.pass(archive);
    }
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;

    #[test]
    fn changes_of_level_and_function_are_told_once_each() {
        let pins = Pins::default();
        pins.show(1 << 3, [0; 6], By::Guest, || panic!("nobody listens"));
        let listener = pins.listen().expect("the first");
        assert!(pins.listen().is_none());
        pins.begin(1000);
        let mut functions = [0; 6];
        functions[1] = 1 << 21;
        pins.show(1 << 3 | 1 << 17, functions, By::Guest, || GuestTime(5));
        pins.show(1 << 3 | 1 << 17, functions, By::Guest, || panic!("nothing is new"));
        pins.show_led(true, GuestTime(6));
        pins.show_led(true, GuestTime(7));
        pins.show(0, functions, By::Outside, || GuestTime(8));
        let told: Vec<_> = std::iter::from_fn(|| listener.next_change()).map(|c| (c.guest_ns, c.pin, c.function, c.level, c.by)).collect();
        let expected = [
            (1005, 17, 1, true, By::Guest),
            (1006, ACT_LED, 1, true, By::Firmware),
            (1008, 3, 0, false, By::Outside),
            (1008, 17, 1, false, By::Outside),
        ];
        assert_eq!(told, expected);
        assert!(pins.level(ACT_LED) && !pins.level(3) && pins.flows());
        drop(listener);
        pins.show_led(false, GuestTime(9));
    }

    #[test]
    fn the_machine_waits_for_who_listens_slowly() {
        let pins = Pins::default();
        let listener = pins.listen().expect("the first");
        (0..MANY as u64).for_each(|at| pins.show(at & 1, [0; 6], By::Guest, || GuestTime(at)));
        pins.show_led(true, GuestTime(0));
        assert!(!pins.flows());
        listener.next_change();
        listener.next_change();
        assert!(pins.flows());
    }
}
