//! Keys: which are for the emulator, and what the others send to the guest's serial port.

use crate::overlay::Page;
use winit::keyboard::{Key, ModifiersState, NamedKey};

/// What a key asks of the emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Pause or continue.
    Pause,
    /// Reset the machine.
    Reset,
    /// Type at the other serial port.
    SwitchPort,
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
    ("F2", "statistics"),
    ("F3", "mailbox and display log"),
    ("PageUp/Down", "scroll the log (or the wheel)"),
    ("F5", "pause or continue"),
    ("F6", "reset"),
    ("F8", "type at UART0 or UART1"),
    ("F9", "write a screenshot"),
    ("F10", "integer or fit scaling"),
    ("F11", "full screen or window"),
    ("F12", "quit"),
    ("Shift+F1..12", "the key itself, for the guest"),
    ("others", "go to the guest's serial port"),
];

/// The same, for help texts.
pub const HELP: &str = "F1 these keys, F2 statistics, F3 mailbox and display log (PageUp, PageDown and the wheel scroll it), F5 pause, F6 reset, \
    F8 type at UART0 or UART1, F9 screenshot, F10 integer or fit scaling, F11 full screen, F12 quit; \
    all other keys go to the guest's serial port, and function keys with Shift do too";

/// What `key` asks of the emulator, if it is one of its keys. With Shift the guest gets them.
pub fn command(key: &Key, modifiers: ModifiersState) -> Option<Command> {
    let Key::Named(key) = key else { return None };
    match key {
        _ if modifiers.shift_key() => None,
        NamedKey::F1 => Some(Command::Overlay(Page::Keys)),
        NamedKey::F2 => Some(Command::Overlay(Page::Statistics)),
        NamedKey::F3 => Some(Command::Overlay(Page::Log)),
        NamedKey::F5 => Some(Command::Pause),
        NamedKey::F6 => Some(Command::Reset),
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
        use NamedKey::{F1, F2, F3, F5, F6, F8, F9, F10, F11, F12};
        let named =
            [(F1, "F1"), (F2, "F2"), (F3, "F3"), (F5, "F5"), (F6, "F6"), (F8, "F8"), (F9, "F9"), (F10, "F10"), (F11, "F11"), (F12, "F12")];
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
        for key in [Key::Named(NamedKey::F4), Key::Named(NamedKey::F7), letter("q")] {
            assert_eq!(command(&key, ModifiersState::empty()), None);
        }
        assert_eq!(scrolled_pages(&Key::Named(NamedKey::PageUp)), Some(1));
        assert_eq!(scrolled_pages(&Key::Named(NamedKey::PageDown)), Some(-1));
        assert_eq!(scrolled_pages(&letter("q")), None);
    }
}
