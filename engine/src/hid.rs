//! Keys and mice: the wire between frontends and a machine's input devices, and what text is in keys.
//!
//! # Resources
//! - USB HID Usage Tables, page 7 (keyboard).

use crate::state::{Archive, Cell};
use crossbeam::queue::SegQueue;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What somebody did with a key or a mouse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum HidEvent {
    /// A key, by its usage of page 7.
    Key {
        /// The key's usage.
        usage: u8,
        /// It goes down; up otherwise.
        pressed: bool,
    },
    /// A mouse.
    Mouse {
        /// Buttons that are down: bit 0 left, 1 right, 2 middle.
        buttons: u8,
        /// To the right.
        dx: i16,
        /// Down.
        dy: i16,
        /// Notches of the wheel, away from the user.
        wheel: i8,
    },
}

/// The device's end of the wire: the engine pushes between slices, the device's system pops.
#[derive(Clone, Debug, Default)]
pub struct HidWire(Arc<SegQueue<HidEvent>>);

/// Events that the guest has not taken.
impl Cell for HidWire {
    fn pass(&self, archive: &mut Archive<'_>) {
        self.0.pass(archive);
    }
}

impl HidWire {
    /// The oldest event.
    pub fn receive(&self) -> Option<HidEvent> {
        self.0.pop()
    }

    /// True if nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Events that wait.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// The far end.
    pub(crate) fn feed(&self, event: HidEvent) {
        self.0.push(event);
    }
}

/// Where a frontend's keys go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KeysTo {
    /// To the keyboard while the guest looks after it, else to the serial port.
    #[default]
    Watched,
    /// To the keyboard.
    Keyboard,
    /// To the serial port.
    Serial,
    /// To both.
    Both,
}

impl KeysTo {
    /// Whether they go to the serial port, and whether to the keyboard; `watched`: the guest looks after that.
    pub fn serial_and_keyboard(self, watched: bool) -> (bool, bool) {
        match self {
            Self::Watched => (!watched, watched),
            Self::Keyboard => (false, true),
            Self::Serial => (true, false),
            Self::Both => (true, true),
        }
    }

    /// The next choice for a user who turns through them.
    pub fn next(self, watched: bool) -> Self {
        match self.serial_and_keyboard(watched) {
            (true, false) => Self::Keyboard,
            (false, _) => Self::Both,
            (true, true) => Self::Serial,
        }
    }

    /// The choice in words, where it is not the serial port alone.
    pub fn words(self, watched: bool) -> Option<&'static str> {
        match self.serial_and_keyboard(watched) {
            (true, false) => None,
            (false, _) => Some("keys to USB"),
            (true, true) => Some("keys to USB and serial port"),
        }
    }
}

/// Usages of keys that have names.
pub mod usage {
    /// Return.
    pub const ENTER: u8 = 0x28;
    /// Escape.
    pub const ESCAPE: u8 = 0x29;
    /// Backspace.
    pub const BACKSPACE: u8 = 0x2a;
    /// Tabulator.
    pub const TAB: u8 = 0x2b;
    /// Space bar.
    pub const SPACE: u8 = 0x2c;
    /// F1, the first of twelve in a row.
    pub const F1: u8 = 0x3a;
    /// Insert.
    pub const INSERT: u8 = 0x49;
    /// Home.
    pub const HOME: u8 = 0x4a;
    /// Page up.
    pub const PAGE_UP: u8 = 0x4b;
    /// Delete.
    pub const DELETE: u8 = 0x4c;
    /// End.
    pub const END: u8 = 0x4d;
    /// Page down.
    pub const PAGE_DOWN: u8 = 0x4e;
    /// Cursor right.
    pub const RIGHT: u8 = 0x4f;
    /// Cursor left.
    pub const LEFT: u8 = 0x50;
    /// Cursor down.
    pub const DOWN: u8 = 0x51;
    /// Cursor up.
    pub const UP: u8 = 0x52;
    /// Left control.
    pub const CONTROL: u8 = 0xe0;
    /// Left shift.
    pub const SHIFT: u8 = 0xe1;
    /// Left alt.
    pub const ALT: u8 = 0xe2;
}

/// Keys with digits and signs on a US keyboard: usage, without shift, with it.
const SIGNS: [(u8, char, char); 21] = [
    (0x1e, '1', '!'),
    (0x1f, '2', '@'),
    (0x20, '3', '#'),
    (0x21, '4', '$'),
    (0x22, '5', '%'),
    (0x23, '6', '^'),
    (0x24, '7', '&'),
    (0x25, '8', '*'),
    (0x26, '9', '('),
    (0x27, '0', ')'),
    (0x2d, '-', '_'),
    (0x2e, '=', '+'),
    (0x2f, '[', '{'),
    (0x30, ']', '}'),
    (0x31, '\\', '|'),
    (0x33, ';', ':'),
    (0x34, '\'', '"'),
    (0x35, '`', '~'),
    (0x36, ',', '<'),
    (0x37, '.', '>'),
    (0x38, '/', '?'),
];

/// A key and what is held with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stroke {
    /// The key.
    pub usage: u8,
    /// With shift.
    pub shift: bool,
    /// With control.
    pub control: bool,
    /// With alt.
    pub alt: bool,
}

impl Stroke {
    /// A key alone.
    pub fn plain(usage: u8) -> Self {
        Self { usage, shift: false, control: false, alt: false }
    }

    /// The key that a US keyboard has for `letter`; control characters are keys with control. `None` if there is none.
    pub fn of(letter: char) -> Option<Self> {
        let plain = |usage| Some(Self::plain(usage));
        let shifted = |usage| Some(Self { shift: true, ..Self::plain(usage) });
        match letter {
            'a'..='z' => plain(letter as u8 - b'a' + 4),
            'A'..='Z' => shifted(letter as u8 - b'A' + 4),
            ' ' => plain(usage::SPACE),
            '\n' | '\r' => plain(usage::ENTER),
            '\t' => plain(usage::TAB),
            '\x1b' => plain(usage::ESCAPE),
            '\x08' | '\x7f' => plain(usage::BACKSPACE),
            '\x01'..='\x1a' => Some(Self { control: true, ..Self::plain(letter as u8 - 1 + 4) }),
            '\x1c'..='\x1f' => Some(Self { control: true, ..Self::of((letter as u8 | 0x40) as char)? }),
            _ => SIGNS.iter().find_map(|&(usage, low, high)| match letter {
                _ if letter == low => plain(usage),
                _ if letter == high => shifted(usage),
                _ => None,
            }),
        }
    }

    /// What happens when it is typed: keys go down, and up again in the other order.
    pub fn events(self) -> impl Iterator<Item = HidEvent> {
        let held = [(self.control, usage::CONTROL), (self.shift, usage::SHIFT), (self.alt, usage::ALT)];
        let keys = held.into_iter().filter_map(|(is, usage)| is.then_some(usage)).chain([self.usage]);
        let down: Vec<u8> = keys.collect();
        let up: Vec<u8> = down.iter().rev().copied().collect();
        let key = |pressed| move |usage| HidEvent::Key { usage, pressed };
        down.into_iter().map(key(true)).chain(up.into_iter().map(key(false)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_of_ascii_can_be_typed_by_keys_of_its_own() {
        let mut seen = Vec::new();
        for letter in ' '..='~' {
            let stroke = Stroke::of(letter).unwrap_or_else(|| panic!("{letter}"));
            assert!(!stroke.control && !seen.contains(&stroke), "{letter}");
            seen.push(stroke);
        }
        assert_eq!(Stroke::of('\x03'), Some(Stroke { control: true, ..Stroke::plain(6) }));
        assert_eq!(Stroke::of('\x1c'), Some(Stroke { control: true, ..Stroke::plain(0x31) }));
        assert_eq!((Stroke::of('é'), Stroke::of('\0')), (None, None));
    }

    #[test]
    fn what_goes_down_goes_up() {
        let keys: Vec<(u8, bool)> = Stroke::of('A')
            .into_iter()
            .flat_map(Stroke::events)
            .filter_map(|event| if let HidEvent::Key { usage, pressed } = event { Some((usage, pressed)) } else { None })
            .collect();
        assert_eq!(keys, [(usage::SHIFT, true), (4, true), (4, false), (usage::SHIFT, false)]);
    }
}
