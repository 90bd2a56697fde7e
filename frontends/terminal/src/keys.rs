//! Keys: a terminal sends them as the guest's serial port wants them; what follows Ctrl-A is for us.

/// Ctrl-A: what comes after it is for us.
const ESCAPE: u8 = 0x01;
const CTRL_C: u8 = 0x03;

/// The emulator's keys in words, for help texts.
pub const HELP: &str = "Ctrl-C ends the run; Ctrl-A and x: too, c: sends Ctrl-C, a: sends Ctrl-A, s: serial port below the picture, alone or not at all, \
    f: picture alone, u and d: back and forth in what the serial port printed, p: pause, r: reset, w: picture to a file, t: type at UART0 or UART1, \
    k: type at the USB keyboard, at both or at the serial port, z: suspend, h: help; all other keys go to the guest's serial port, unless k or --keyboard says otherwise";

/// The same, line by line.
pub const HELP_LINES: [&str; 15] = [
    "Ctrl-C       end the run",
    "Ctrl-A x     end the run",
    "Ctrl-A c     send Ctrl-C to the guest",
    "Ctrl-A a     send Ctrl-A to the guest",
    "Ctrl-A s     serial port: below the picture, alone, hidden",
    "Ctrl-A f     the picture alone, or all",
    "Ctrl-A u d   back and forth in what the serial port printed",
    "Ctrl-A p     pause or continue",
    "Ctrl-A r     reset the machine",
    "Ctrl-A w     write the picture to tayberry-N.png",
    "Ctrl-A t     type at UART0 or UART1",
    "Ctrl-A k     type at the USB keyboard, at both, at the serial port",
    "Ctrl-A z     suspend (the shell's fg continues)",
    "Ctrl-A h     these lines",
    "All other keys go to the guest.",
];

/// What a key asks of the emulator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// End the machine.
    Quit,
    /// The serial port below the picture, alone, or not at all.
    Serial,
    /// The picture alone, or all.
    Full,
    /// Older lines of the serial port.
    Back,
    /// Newer lines of the serial port.
    Forth,
    /// Pause or continue.
    Pause,
    /// Reset the machine.
    Reset,
    /// Write a picture file.
    Screenshot,
    /// Type at the other serial port.
    SwitchPort,
    /// Type at the USB keyboard, at both, or at the serial port.
    SwitchKeys,
    /// Stop as a job of the shell.
    Suspend,
    /// Show the keys.
    Help,
}

/// What was typed, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// Bytes for the guest.
    Bytes(Vec<u8>),
    /// Something for us.
    Command(Command),
}

/// Picks our commands out of the keys.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// True if the next key is for us.
    pub fn is_escaped(&self) -> bool {
        self.escaped
    }

    /// What `bytes` mean.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut typed = Vec::new();
        let mut plain = Vec::new();
        for &key in bytes {
            if !std::mem::take(&mut self.escaped) {
                match key {
                    ESCAPE => self.escaped = true,
                    _ => plain.push(key),
                }
                continue;
            }
            match key.to_ascii_lowercase() {
                b'c' => plain.push(CTRL_C),
                b'a' | ESCAPE => plain.push(ESCAPE),
                key => {
                    let Some(command) = command(key) else { continue };
                    if !plain.is_empty() {
                        typed.push(Typed::Bytes(std::mem::take(&mut plain)));
                    }
                    typed.push(Typed::Command(command));
                }
            }
        }
        if !plain.is_empty() {
            typed.push(Typed::Bytes(plain));
        }
        typed
    }
}

fn command(key: u8) -> Option<Command> {
    Some(match key {
        b'x' => Command::Quit,
        b's' => Command::Serial,
        b'f' => Command::Full,
        b'u' => Command::Back,
        b'd' => Command::Forth,
        b'p' => Command::Pause,
        b'r' => Command::Reset,
        b'w' => Command::Screenshot,
        b't' => Command::SwitchPort,
        b'k' => Command::SwitchKeys,
        b'z' => Command::Suspend,
        b'h' | b'?' => Command::Help,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(bytes: &[u8]) -> Typed {
        Typed::Bytes(bytes.into())
    }

    #[test]
    fn keys_go_to_the_guest_and_ctrl_a_to_us() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"ab\r\x1b[A"), [bytes(b"ab\r\x1b[A")]);
        assert_eq!(keys.take(b"\x01c\x01a\x01\x01"), [bytes(&[0x03, 0x01, 0x01])]);
        assert_eq!(keys.take(b"x\x01"), [bytes(b"x")]);
        assert!(keys.is_escaped());
        assert_eq!(keys.take(b"xy"), [Typed::Command(Command::Quit), bytes(b"y")], "the command may come in two pieces");
        assert_eq!(
            keys.take(b"1\x01S2\x01?\x01~3"),
            [bytes(b"1"), Typed::Command(Command::Serial), bytes(b"2"), Typed::Command(Command::Help), bytes(b"3")]
        );
    }

    #[test]
    fn every_command_is_in_the_help() {
        for key in (b'a'..=b'z').filter(|&key| command(key).is_some()) {
            let lines = HELP_LINES.iter().filter_map(|line| line.strip_prefix("Ctrl-A "));
            let named = lines.flat_map(|line| line.split("  ").next().unwrap_or_default().split(' ').map(str::as_bytes));
            assert!(named.collect::<Vec<_>>().contains(&&[key][..]), "{}", key as char);
            let (with_colon, with_and) = (format!(" {}:", key as char), format!(" {} and", key as char));
            assert!(HELP.contains(&with_colon) || HELP.contains(&with_and), "{}", key as char);
        }
    }
}
