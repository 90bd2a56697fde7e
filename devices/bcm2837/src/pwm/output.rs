//! What the channels put out: words as levels, and the way from the pins to the audio jack.

use super::{CTL_MODE, CTL_POLA, CTL_SBIT};
use crate::gpio::PinFunctions;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::sound::Sound;
use tayberry_engine::{GuestTime, cell};

/// Pins of channel 1 (right) and 2 (left) at the jack of a Pi 3; they are the modulator's by alternate function 0.
const JACK_PINS: [u32; 2] = [40, 41];
const ALT0: u32 = 4;

/// The share of time, in 65535ths, for which a channel with the control bits `ctl` (of channel 1's place) is high while it sends `word` with the range `range`
/// (9.4, 9.5). Both algorithms for pulses, evenly spread or not, have the same share.
pub(super) fn level(ctl: u32, word: u32, range: u32) -> u16 {
    let range = range.max(1);
    let high = if ctl & CTL_MODE == 0 {
        word.min(range)
    } else {
        // The serialiser sends the word's highest bits, and the silence bit after its last one.
        let sent = range.min(u32::BITS);
        let silence = if ctl & CTL_SBIT != 0 { range - sent } else { 0 };
        (word >> (u32::BITS - sent)).count_ones() + silence
    };
    let share = (u64::from(high) * u64::from(u16::MAX) / u64::from(range)) as u16;
    if ctl & CTL_POLA != 0 { !share } else { share }
}

/// What a channel that sends nothing puts out.
pub(super) fn silence(ctl: u32) -> u16 {
    if ctl & CTL_SBIT != 0 { u16::MAX } else { 0 }
}

/// The wires to the jack. Belongs to who has the device's turn.
#[derive(Debug)]
pub(super) struct Jack {
    sound: Arc<Sound>,
    pins: PinFunctions,
    /// What was told last: left below, right above.
    told: AtomicU32,
}

cell!(Jack { told } but { sound, pins });

impl Jack {
    pub(super) fn new(sound: Arc<Sound>, pins: PinFunctions) -> Self {
        Self { sound, pins, told: AtomicU32::new(0) }
    }

    /// The channels put out `levels` from `at` on.
    pub(super) fn drive(&self, at: GuestTime, levels: [u16; 2]) {
        let wired = |channel: usize| if self.pins.are(JACK_PINS[channel]..JACK_PINS[channel] + 1, ALT0) { levels[channel] } else { 0 };
        let [left, right] = [wired(1), wired(0)];
        let word = u32::from(right) << 16 | u32::from(left);
        if self.told.swap(word, SeqCst) != word {
            self.sound.record(at, [left, right]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_their_share_of_the_range() {
        assert_eq!(level(0, 0, 1024), 0);
        assert_eq!(level(0, 512, 1024), 32_767);
        assert_eq!((level(0, 1024, 1024), level(0, u32::MAX, 1024)), (u16::MAX, u16::MAX), "never more than all of it");
        assert_eq!(level(CTL_POLA, 1024, 1024), 0);
        assert_eq!((level(0, 0, 0), level(0, 1, 0)), (0, u16::MAX));
        assert_eq!(level(0, u32::MAX, u32::MAX), u16::MAX);
    }

    #[test]
    fn the_serialiser_sends_bits() {
        assert_eq!(level(CTL_MODE, 0xff00_0000, 32), 16_383);
        assert_eq!(level(CTL_MODE, 0xff00_0000, 8), u16::MAX, "the highest bits");
        assert_eq!(level(CTL_MODE, u32::MAX, 64), 32_767, "then silence");
        assert_eq!(level(CTL_MODE | CTL_SBIT, 0, 64), 32_767);
        assert_eq!((silence(0), silence(CTL_SBIT)), (0, u16::MAX));
    }
}
