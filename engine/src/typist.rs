//! Scripts: what a machine types at itself, when the guest has printed what it waits for.
//!
//! The machine decides between ticks, by what the guest has printed alone: a deterministic run gets the same bytes at the same guest time every time.

use crate::handle::Input;
use crate::io::InputLines;
use crate::serial::PORTS;
use crate::state::Archive;
use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// A step of a script.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// Wait until a serial port has printed this.
    Await(Vec<u8>),
    /// Type this.
    Type(Vec<Input>),
}

/// Steps in order.
pub type Script = VecDeque<Step>;

/// Works through a script.
#[derive(Resource, Debug, Default)]
pub(crate) struct Typist {
    rest: Script,
    /// The last bytes of each port, one less than the text that is awaited is long.
    tails: [Vec<u8>; PORTS],
}

impl Typist {
    pub fn new(rest: Script) -> Self {
        Self { rest, ..Self::default() }
    }

    /// Passes what is left of the script, and what was heard since it waits.
    pub fn pass(&mut self, archive: &mut Archive<'_>) {
        let own = if archive.is_load() { std::mem::take(&mut self.rest) } else { Script::default() };
        archive.value(&mut self.rest);
        archive.value(&mut self.tails);
        // Who has a script of its own does not go on with the other.
        if !own.is_empty() {
            *self = Self::new(own);
        }
    }

    /// What is left of the script.
    pub fn take_rest(&mut self) -> Script {
        std::mem::take(&mut self.rest)
    }

    /// Types what is to be typed before the next text is awaited. False if there is nothing.
    pub fn type_on(&mut self, lines: &InputLines) -> bool {
        let mut typed = false;
        while let Some(Step::Type(inputs)) = self.rest.pop_front_if(|step| matches!(step, Step::Type(_))) {
            inputs.into_iter().for_each(|input| lines.feed(input));
            typed = true;
        }
        typed
    }

    /// Hears what a port printed. Only one text is found in a piece: what is awaited next comes after what is typed for this one.
    pub fn hear(&mut self, port: usize, bytes: &[u8]) {
        let Some(Step::Await(text)) = self.rest.front() else { return };
        let tail = &mut self.tails[port];
        tail.extend_from_slice(bytes);
        if text.is_empty() || tail.windows(text.len()).any(|window| window == text) {
            self.rest.pop_front();
            self.tails.iter_mut().for_each(Vec::clear);
            return;
        }
        let keep = (text.len() - 1).min(tail.len());
        tail.drain(..tail.len() - keep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hid::HidWire;
    use crate::serial::SerialWire;

    fn typed(wire: &SerialWire) -> Vec<u8> {
        std::iter::from_fn(|| wire.receive()).collect()
    }

    #[test]
    fn a_script_waits_for_each_text_on_one_port() {
        let lines = InputLines { wires: <[SerialWire; PORTS]>::default(), hid: HidWire::default(), pins: Default::default() };
        let say = |text: &str| Step::Type(vec![Input::Serial { port: 0, bytes: text.into() }]);
        let steps = [say("a"), Step::Await(b"login:".to_vec()), say("b"), say("c"), Step::Await(b"# ".to_vec()), say("d")];
        let mut typist = Typist::new(steps.into());
        let mut now = |port: usize, printed: &str| {
            typist.hear(port, printed.as_bytes());
            typist.type_on(&lines);
            String::from_utf8(typed(&lines.wires[0])).expect("text")
        };
        assert_eq!(now(0, "# "), "a", "nothing was awaited yet");
        assert_eq!((now(0, "log").as_str(), now(1, "in:").as_str(), now(0, "in").as_str()), ("", "", ""));
        assert_eq!(now(0, ": # "), "bc", "what came with the text is not the next one");
        assert_eq!((now(1, "#").as_str(), now(1, " ").as_str(), now(1, "# ").as_str()), ("", "d", ""));
    }
}
