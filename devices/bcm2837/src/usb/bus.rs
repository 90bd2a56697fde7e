//! The bus: the hub at the root port, and what is behind it.

use super::device::{Device, Function};
use super::hub::{Forget, Hub, PORTS, Sockets};
use super::keyboard::Keyboard;
use super::mouse::Mouse;
use super::translator::{Endpoint, Translator};
use super::{Answer, Speed, Token};
use serde::{Deserialize, Serialize};
use tayberry_engine::GuestTime;

/// Hub ports, from 0. The first is the Ethernet function's.
const KEYBOARD_PORT: usize = 1;
const MOUSE_PORT: usize = 2;
#[cfg(test)]
const LOOPBACK_PORT: usize = 3;

/// Which transaction, and with whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct To {
    /// Address of the device.
    pub address: u8,
    /// Number of the endpoint.
    pub endpoint: u8,
    /// An interrupt or isochronous endpoint.
    pub periodic: bool,
}

/// All devices.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Bus {
    /// Speed of the root port.
    speed: Speed,
    hub: Device<Hub>,
    keyboard: Option<Device<Keyboard>>,
    mouse: Option<Device<Mouse>>,
    #[cfg(test)]
    loopback: Device<super::loopback::Loopback>,
    translator: Translator,
}

impl Bus {
    /// A hub, with keyboard and mouse in its sockets or with nothing.
    pub fn new(has_input: bool) -> Self {
        let mut sockets: Sockets = [None; PORTS];
        if has_input {
            (sockets[KEYBOARD_PORT], sockets[MOUSE_PORT]) = (Some(Speed::Low), Some(Speed::Full));
        }
        #[cfg(test)]
        {
            sockets[LOOPBACK_PORT] = Some(Speed::Full);
        }
        Self {
            speed: Speed::High,
            hub: Device::new(Hub::new(sockets), Speed::High),
            keyboard: has_input.then(|| Device::new(Keyboard::default(), Speed::Low)),
            mouse: has_input.then(|| Device::new(Mouse::default(), Speed::Full)),
            #[cfg(test)]
            loopback: Device::new(super::loopback::Loopback::default(), Speed::Full),
            translator: Translator::default(),
        }
    }

    /// The root port was reset; from now on it is at `speed`.
    pub fn reset(&mut self, speed: Speed) {
        self.speed = speed;
        self.hub.reset(speed);
        self.settle();
    }

    /// The keyboard, if there is one.
    pub fn keyboard(&mut self) -> Option<&mut Keyboard> {
        self.keyboard.as_mut().map(|keyboard| &mut keyboard.function)
    }

    /// The mouse, if there is one.
    pub fn mouse(&mut self) -> Option<&mut Mouse> {
        self.mouse.as_mut().map(|mouse| &mut mouse.function)
    }

    /// Does to the devices and the translator what the hub was told.
    fn settle(&mut self) {
        let resets = self.hub.function.take_resets();
        let is_reset = |port: usize| resets >> port & 1 != 0;
        if let Some(keyboard) = self.keyboard.as_mut().filter(|_| is_reset(KEYBOARD_PORT)) {
            keyboard.reset(Speed::Low);
        }
        if let Some(mouse) = self.mouse.as_mut().filter(|_| is_reset(MOUSE_PORT)) {
            mouse.reset(Speed::Full);
        }
        #[cfg(test)]
        if is_reset(LOOPBACK_PORT) {
            self.loopback.reset(Speed::Full);
        }
        if resets != 0 {
            self.translator.forget(Forget::All);
        }
        for what in self.hub.function.take_forgotten() {
            self.translator.forget(what);
        }
    }

    /// A transaction on the root port's own bus. Low- and full-speed devices are there only if that bus is not high speed.
    pub fn transact(&mut self, to: To, token: Token<'_>, now: GuestTime) -> Answer {
        if to.address == self.hub.address() {
            let answer = self.hub.transact(to.endpoint, token, now);
            self.settle();
            return answer;
        }
        if self.speed == Speed::High { Answer::Silent } else { self.behind(to, token, now) }
    }

    /// A transaction with what is behind the hub.
    fn behind(&mut self, to: To, token: Token<'_>, now: GuestTime) -> Answer {
        fn ask<F: Function>(device: &mut Device<F>, to: To, token: Token<'_>, now: GuestTime) -> Option<Answer> {
            (device.address() == to.address).then(|| device.transact(to.endpoint, token, now))
        }
        let hub = &mut self.hub.function;
        if let Some(keyboard) = self.keyboard.as_mut().filter(|_| hub.is_open(KEYBOARD_PORT, now))
            && let Some(answer) = ask(keyboard, to, token, now)
        {
            return answer;
        }
        if let Some(mouse) = self.mouse.as_mut().filter(|_| hub.is_open(MOUSE_PORT, now))
            && let Some(answer) = ask(mouse, to, token, now)
        {
            return answer;
        }
        #[cfg(test)]
        if hub.is_open(LOOPBACK_PORT, now)
            && let Some(answer) = ask(&mut self.loopback, to, token, now)
        {
            return answer;
        }
        Answer::Silent
    }

    /// True if split transactions for the hub at `hub` are heard.
    fn translates(&self, hub: u8) -> bool {
        self.speed == Speed::High && self.hub.address() == hub && self.hub.is_configured()
    }

    /// When the translator has the next answer that nobody has asked for yet.
    pub fn answer_at(&self) -> Option<GuestTime> {
        self.translator.answer_at()
    }

    /// A start split by way of the hub at `hub`, for a device of `speed`.
    pub fn start_split(&mut self, hub: u8, speed: Speed, to: To, token: Token<'_>, now: GuestTime) -> Answer {
        if !self.translates(hub) {
            return Answer::Silent;
        }
        let endpoint = Endpoint { address: to.address, number: to.endpoint, to_host: token == Token::In };
        let mut translator = std::mem::take(&mut self.translator);
        let answer = translator.start(endpoint, token, (to.periodic, speed), now, || self.behind(to, token, now));
        self.translator = translator;
        answer
    }

    /// A complete split by way of the hub at `hub`.
    pub fn complete_split(&mut self, hub: u8, to: To, to_host: bool, now: GuestTime) -> Answer {
        if !self.translates(hub) {
            return Answer::Silent;
        }
        self.translator.complete(Endpoint { address: to.address, number: to.endpoint, to_host }, to.periodic, now)
    }
}
