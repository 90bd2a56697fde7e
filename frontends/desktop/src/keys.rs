//! Keys: which are for the emulator, and what the others send to the guest's serial port.

use crate::overlay::Page;
use tayberry_engine::hid::usage;
use winit::keyboard::{Key, KeyCode, ModifiersState, NamedKey, PhysicalKey};

/// What a key asks of the emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Pause or continue.
    Pause,
    /// Reset the machine.
    Reset,
    /// Type at the other serial port.
    SwitchPort,
    /// Type at the USB keyboard, the serial port, or both.
    SwitchKeys,
    /// The mouse is the guest's, or no more.
    Grab,
    /// Write a picture file.
    Screenshot,
    /// Integer or fit scaling.
    Scaling,
    /// Full screen or window.
    Fullscreen,
    /// Open or close a page of the overlay.
    Overlay(Page),
    /// End the machine.
    Quit,
}

/// The emulator's keys and what they do, for the overlay.
pub const TABLE: &[(&str, &str)] = &[
    ("F1", "these keys"),
    ("Ctrl+F1", "the board's pins and LED"),
    ("F2", "statistics"),
    ("F3", "mailbox and display log"),
    ("PageUp/Down", "scroll the log (or the wheel)"),
    ("F4", "grab the mouse, or not"),
    ("F5", "pause or continue"),
    ("F6", "reset"),
    ("F7", "type at USB or serial"),
    ("F8", "type at UART0 or UART1"),
    ("F9", "write a screenshot"),
    ("F10", "integer or fit scaling"),
    ("F11", "full screen or window"),
    ("F12", "quit"),
    ("Shift+F1..12", "the key itself, for the guest"),
    ("others", "go to the guest"),
];

/// The same, for help texts.
pub const HELP: &str = "F1 these keys, Ctrl+F1 the board's pins (the mouse presses and switches them), F2 statistics, F3 mailbox and display log (PageUp, PageDown and the wheel scroll it), F4 the mouse is the guest's or no more, F5 pause, \
    F6 reset, F7 type at the USB keyboard, the serial port or both, F8 type at UART0 or UART1, F9 screenshot, F10 integer or fit scaling, F11 full screen, F12 quit; \
    all other keys go to the guest (to its USB keyboard while it looks after that, else to its serial port), and function keys with Shift do too";

/// What `key` asks of the emulator, if it is one of its keys. With Shift the guest gets them.
pub fn command(key: &Key, modifiers: ModifiersState) -> Option<Command> {
    let Key::Named(key) = key else { return None };
    match key {
        _ if modifiers.shift_key() => None,
        NamedKey::F1 if modifiers.control_key() => Some(Command::Overlay(Page::Pins)),
        NamedKey::F1 => Some(Command::Overlay(Page::Keys)),
        NamedKey::F2 => Some(Command::Overlay(Page::Statistics)),
        NamedKey::F3 => Some(Command::Overlay(Page::Log)),
        NamedKey::F4 => Some(Command::Grab),
        NamedKey::F5 => Some(Command::Pause),
        NamedKey::F6 => Some(Command::Reset),
        NamedKey::F7 => Some(Command::SwitchKeys),
        NamedKey::F8 => Some(Command::SwitchPort),
        NamedKey::F9 => Some(Command::Screenshot),
        NamedKey::F10 => Some(Command::Scaling),
        NamedKey::F11 => Some(Command::Fullscreen),
        NamedKey::F12 => Some(Command::Quit),
        _ => None,
    }
}

/// How many pages `key` scrolls the log back by, while that is seen.
pub fn scrolled_pages(key: &Key) -> Option<i64> {
    match key {
        Key::Named(NamedKey::PageUp) => Some(1),
        Key::Named(NamedKey::PageDown) => Some(-1),
        _ => None,
    }
}

/// Keys by their place: what a USB keyboard sends for them.
#[rustfmt::skip]
const USAGES: [(KeyCode, u8); 68] = {
    use KeyCode::*;
    [
        (Enter, usage::ENTER), (Escape, usage::ESCAPE), (Backspace, usage::BACKSPACE), (Tab, usage::TAB), (Space, usage::SPACE),
        (Minus, 0x2d), (Equal, 0x2e), (BracketLeft, 0x2f), (BracketRight, 0x30), (Backslash, 0x31), (Semicolon, 0x33), (Quote, 0x34),
        (Backquote, 0x35), (Comma, 0x36), (Period, 0x37), (Slash, 0x38), (CapsLock, 0x39), (PrintScreen, 0x46), (ScrollLock, 0x47),
        (Pause, 0x48), (Insert, usage::INSERT), (Home, usage::HOME), (PageUp, usage::PAGE_UP), (Delete, usage::DELETE), (End, usage::END),
        (PageDown, usage::PAGE_DOWN), (ArrowRight, usage::RIGHT), (ArrowLeft, usage::LEFT), (ArrowDown, usage::DOWN), (ArrowUp, usage::UP),
        (NumLock, 0x53), (NumpadDivide, 0x54), (NumpadMultiply, 0x55), (NumpadSubtract, 0x56), (NumpadAdd, 0x57), (NumpadEnter, 0x58),
        (Numpad1, 0x59), (Numpad2, 0x5a), (Numpad3, 0x5b), (Numpad4, 0x5c), (Numpad5, 0x5d), (Numpad6, 0x5e), (Numpad7, 0x5f),
        (Numpad8, 0x60), (Numpad9, 0x61), (Numpad0, 0x62), (NumpadDecimal, 0x63), (IntlBackslash, 0x64), (ContextMenu, 0x65),
        (NumpadEqual, 0x67), (Lang1, 0x90), (Lang2, 0x91), (IntlRo, 0x87), (KanaMode, 0x88), (IntlYen, 0x89), (Convert, 0x8a),
        (NonConvert, 0x8b), (NumpadComma, 0x85), (ControlLeft, usage::CONTROL), (ShiftLeft, usage::SHIFT), (AltLeft, usage::ALT),
        (SuperLeft, 0xe3), (ControlRight, 0xe4), (ShiftRight, 0xe5), (AltRight, 0xe6), (SuperRight, 0xe7), (Power, 0x66), (Help, 0x75),
    ]
};
/// Letters, digits (from 1) and function keys, which are in rows.
#[rustfmt::skip]
const ROWS: [(u8, &[KeyCode]); 3] = {
    use KeyCode::*;
    [
        (0x04, &[KeyA, KeyB, KeyC, KeyD, KeyE, KeyF, KeyG, KeyH, KeyI, KeyJ, KeyK, KeyL, KeyM, KeyN, KeyO, KeyP, KeyQ, KeyR, KeyS, KeyT, KeyU,
            KeyV, KeyW, KeyX, KeyY, KeyZ]),
        (0x1e, &[Digit1, Digit2, Digit3, Digit4, Digit5, Digit6, Digit7, Digit8, Digit9, Digit0]),
        (usage::F1, &[F1, F2, F3, F4, F5, F6, F7, F8, F9, F10, F11, F12]),
    ]
};

/// What a USB keyboard sends for a key, whatever the layout makes of it.
pub fn usage_of(key: PhysicalKey) -> Option<u8> {
    let PhysicalKey::Code(code) = key else { return None };
    let in_row = |&(first, row): &(u8, &[KeyCode])| row.iter().position(|&key| key == code).map(|at| first + at as u8);
    let alone = || USAGES.iter().find(|&&(key, _)| key == code).map(|&(_, usage)| usage);
    ROWS.iter().find_map(in_row).or_else(alone)
}

/// What a terminal would send for `key`; `text` is what the keyboard layout makes of it. Nothing for keys without meaning there.
pub fn serial_bytes(key: &Key, text: Option<&str>, modifiers: ModifiersState) -> Vec<u8> {
    let mut bytes = match key {
        Key::Named(named) => match escape_code(named) {
            Some(code) => return code.into(),
            None => plain_code(named).map(Vec::from).unwrap_or_else(|| text.unwrap_or_default().into()),
        },
        Key::Character(letter) if modifiers.control_key() => control_code(letter).into_iter().collect(),
        Key::Character(letter) => text.unwrap_or(letter).into(),
        Key::Unidentified(_) | Key::Dead(_) => text.unwrap_or_default().into(),
    };
    if modifiers.alt_key() && !bytes.is_empty() {
        bytes.insert(0, 0x1B);
    }
    bytes
}

fn plain_code(key: &NamedKey) -> Option<&'static [u8]> {
    match key {
        NamedKey::Enter => Some(b"\r"),
        NamedKey::Backspace => Some(b"\x7F"),
        NamedKey::Tab => Some(b"\t"),
        NamedKey::Escape => Some(b"\x1B"),
        NamedKey::Space => Some(b" "),
        _ => None,
    }
}

/// Keys that send an escape sequence of ANSI X3.64 as xterm does.
fn escape_code(key: &NamedKey) -> Option<&'static [u8]> {
    match key {
        NamedKey::ArrowUp => Some(b"\x1B[A"),
        NamedKey::ArrowDown => Some(b"\x1B[B"),
        NamedKey::ArrowRight => Some(b"\x1B[C"),
        NamedKey::ArrowLeft => Some(b"\x1B[D"),
        NamedKey::Home => Some(b"\x1B[H"),
        NamedKey::End => Some(b"\x1B[F"),
        NamedKey::Insert => Some(b"\x1B[2~"),
        NamedKey::Delete => Some(b"\x1B[3~"),
        NamedKey::PageUp => Some(b"\x1B[5~"),
        NamedKey::PageDown => Some(b"\x1B[6~"),
        NamedKey::F1 => Some(b"\x1BOP"),
        NamedKey::F2 => Some(b"\x1BOQ"),
        NamedKey::F3 => Some(b"\x1BOR"),
        NamedKey::F4 => Some(b"\x1BOS"),
        NamedKey::F5 => Some(b"\x1B[15~"),
        NamedKey::F6 => Some(b"\x1B[17~"),
        NamedKey::F7 => Some(b"\x1B[18~"),
        NamedKey::F8 => Some(b"\x1B[19~"),
        NamedKey::F9 => Some(b"\x1B[20~"),
        NamedKey::F10 => Some(b"\x1B[21~"),
        NamedKey::F11 => Some(b"\x1B[23~"),
        NamedKey::F12 => Some(b"\x1B[24~"),
        _ => None,
    }
}

/// The control character of a letter or of one of `@[\]^_?`.
fn control_code(letter: &str) -> Option<u8> {
    let mut letters = letter.chars();
    match (letters.next()?.to_ascii_uppercase(), letters.next()) {
        ('?', None) => Some(0x7F),
        (letter @ '@'..='_', None) => Some(letter as u8 & 0x1F),
        // A layout may have made the control character already.
        (control @ '\0'..='\x1F', None) => Some(control as u8),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use winit::keyboard::SmolStr;

    fn letter(letter: &str) -> Key {
        Key::Character(SmolStr::new(letter))
    }

    fn sent(key: Key, text: Option<&str>, modifiers: ModifiersState) -> Vec<u8> {
        serial_bytes(&key, text, modifiers)
    }

    #[test]
    fn text_is_sent_as_the_layout_has_it() {
        assert_eq!(sent(letter("a"), Some("a"), ModifiersState::empty()), b"a");
        assert_eq!(sent(letter("A"), Some("A"), ModifiersState::SHIFT), b"A");
        assert_eq!(sent(letter("é"), Some("é"), ModifiersState::empty()), "é".as_bytes());
        assert_eq!(sent(Key::Named(NamedKey::Space), Some(" "), ModifiersState::empty()), b" ");
        assert_eq!(sent(Key::Dead(Some('^')), None, ModifiersState::empty()), b"");
    }

    #[test]
    fn a_terminal_s_keys() {
        let plain = |key| sent(Key::Named(key), None, ModifiersState::empty());
        assert_eq!(plain(NamedKey::Enter), b"\r");
        assert_eq!(plain(NamedKey::Backspace), b"\x7F");
        assert_eq!(plain(NamedKey::ArrowUp), b"\x1B[A");
        assert_eq!(plain(NamedKey::ArrowLeft), b"\x1B[D");
        assert_eq!(plain(NamedKey::Shift), b"");
    }

    #[test]
    fn control_and_alt() {
        assert_eq!(sent(letter("c"), Some("\x03"), ModifiersState::CONTROL), [0x03]);
        assert_eq!(sent(letter("Z"), None, ModifiersState::CONTROL | ModifiersState::SHIFT), [0x1A]);
        assert_eq!(sent(letter("["), None, ModifiersState::CONTROL), [0x1B]);
        assert_eq!(sent(letter("1"), None, ModifiersState::CONTROL), b"");
        assert_eq!(sent(letter("x"), Some("x"), ModifiersState::ALT), b"\x1Bx");
    }

    #[test]
    fn the_emulator_s_keys_are_in_the_help_and_with_shift_they_are_the_guest_s() {
        use NamedKey::{F1, F2, F3, F4, F5, F6, F7, F8, F9, F10, F11, F12};
        let keys = [F1, F2, F3, F4, F5, F6, F7, F8, F9, F10, F11, F12];
        let names = ["F1", "F2", "F3", "F4", "F5", "F6", "F7", "F8", "F9", "F10", "F11", "F12"];
        let named = keys.into_iter().zip(names);
        let (mut commands, mut codes) = (Vec::new(), Vec::new());
        for (key, name) in named {
            let key = Key::Named(key);
            let meant = command(&key, ModifiersState::empty()).expect("a command");
            assert!(!commands.contains(&meant));
            commands.push(meant);
            assert!(HELP.contains(name) && TABLE.iter().any(|(key, _)| *key == name), "{name} is in the help");
            assert_eq!(command(&key, ModifiersState::SHIFT), None);
            let code = sent(key, None, ModifiersState::SHIFT);
            assert!(code.starts_with(b"\x1B") && !codes.contains(&code), "{name}");
            codes.push(code);
        }
        assert_eq!(command(&letter("q"), ModifiersState::empty()), None);
        assert_eq!(scrolled_pages(&Key::Named(NamedKey::PageUp)), Some(1));
        assert_eq!(scrolled_pages(&Key::Named(NamedKey::PageDown)), Some(-1));
        assert_eq!(scrolled_pages(&letter("q")), None);
    }

    #[test]
    fn every_key_has_a_usage_of_its_own() {
        let mut seen = Vec::new();
        let keys = ROWS.iter().flat_map(|(_, row)| row.iter()).chain(USAGES.iter().map(|(key, _)| key));
        for &key in keys {
            let usage = usage_of(PhysicalKey::Code(key)).expect("it is in a table");
            assert!(!seen.contains(&usage), "{key:?}: {usage:#x}");
            seen.push(usage);
        }
        let code = |key| usage_of(PhysicalKey::Code(key));
        assert_eq!((code(KeyCode::KeyZ), code(KeyCode::Digit0), code(KeyCode::F12)), (Some(0x1d), Some(0x27), Some(0x45)));
        assert_eq!(code(KeyCode::MediaStop), None);
    }
}
