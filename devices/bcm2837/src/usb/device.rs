//! What every device does: its control endpoint, addresses, toggles, halted endpoints.

use super::request::{self, Setup};
use super::{Answer, Speed, Token, descriptor};
use serde::{Deserialize, Serialize};
use std::fmt::Debug;
use tayberry_engine::GuestTime;

/// Most bytes of a control transfer that a device takes.
const MOST_DATA: u16 = 4096;
const ENDPOINT_HALT: u16 = 0;
const REMOTE_WAKEUP: u16 = 1;
const TEST_MODE: u16 = 2;

/// What only this device does.
pub trait Function: Clone + Debug {
    /// What it is called in traces.
    const NAME: &'static str;
    /// Endpoints to the host, besides 0: a bit each.
    const IN_ENDPOINTS: u16;
    /// Endpoints from the host, besides 0: a bit each.
    const OUT_ENDPOINTS: u16 = 0;
    /// It has a supply of its own.
    const SELF_POWERED: bool = false;
    /// Alternate settings of its interface.
    const ALTERNATES: u8 = 1;

    /// Descriptor `kind` number `index`, as it is at `speed`.
    fn descriptor(&self, kind: u8, index: u8, speed: Speed) -> Option<Vec<u8>>;

    /// It was reset, or is configured anew (or no more).
    fn configure(&mut self, configured: bool);

    /// A class request to the host; `None`: there is no such request.
    fn class_in(&mut self, setup: &Setup, now: GuestTime) -> Option<Vec<u8>>;

    /// A class request from the host with its data; `None`: there is no such request.
    fn class_out(&mut self, setup: &Setup, data: &[u8], now: GuestTime) -> Option<()>;

    /// What an endpoint has for the host.
    fn send(&mut self, endpoint: u8, now: GuestTime) -> Option<Vec<u8>>;

    /// Takes what an endpoint got; false: not now.
    fn take(&mut self, endpoint: u8, data: &[u8]) -> bool {
        let _ = (endpoint, data);
        false
    }
}

/// Where a control transfer is.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
enum Stage {
    #[default]
    None,
    /// Data go to the host, from the index on.
    In(Vec<u8>, usize),
    /// Data come from the host.
    Out(Setup, Vec<u8>),
    /// The host is to ask how it went.
    Status(Setup, Vec<u8>),
    Stalled,
}

/// A device on the bus.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Device<F> {
    /// What only it does.
    pub function: F,
    speed: Speed,
    address: u8,
    configuration: u8,
    alternate: u8,
    remote_wakeup: bool,
    stage: Stage,
    /// The next toggles of endpoints to the host and from it, a bit each; bit 0 belongs to the control transfer.
    toggles: [u16; 2],
    halted: [u16; 2],
}

/// Index of what belongs to endpoints to the host.
const IN: usize = 0;
const OUT: usize = 1;

impl<F: Function> Device<F> {
    /// A device right after it was reset, at `speed`.
    pub fn new(function: F, speed: Speed) -> Self {
        Self {
            function,
            speed,
            address: 0,
            configuration: 0,
            alternate: 0,
            remote_wakeup: false,
            stage: Stage::None,
            toggles: [0; 2],
            halted: [0; 2],
        }
    }

    /// Its address.
    pub fn address(&self) -> u8 {
        self.address
    }

    /// Its speed.
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// True once the host has chosen a configuration.
    pub fn is_configured(&self) -> bool {
        self.configuration != 0
    }

    /// A reset by its port, after which it is at `speed`.
    pub fn reset(&mut self, speed: Speed) {
        tracing::debug!(target: "usb", "{}: reset", F::NAME);
        (self.address, self.stage, self.speed) = (0, Stage::None, speed);
        self.remote_wakeup = false;
        self.set_configuration(0);
    }

    fn set_configuration(&mut self, configuration: u8) {
        (self.configuration, self.alternate) = (configuration, 0);
        (self.toggles, self.halted) = ([0; 2], [0; 2]);
        self.function.configure(configuration != 0);
    }

    /// One transaction.
    pub fn transact(&mut self, endpoint: u8, token: Token<'_>, now: GuestTime) -> Answer {
        match (endpoint, token) {
            (0, Token::Setup(bytes)) => self.setup(bytes, now),
            (0, Token::Out(toggle, data)) => self.control_out(toggle, data),
            (0, Token::In) => self.control_in(now),
            (_, Token::Setup(_)) => Answer::Silent,
            (_, Token::Out(toggle, data)) => self.endpoint_out(endpoint, toggle, data),
            (_, Token::In) => self.endpoint_in(endpoint, now),
        }
    }

    fn endpoint_in(&mut self, endpoint: u8, now: GuestTime) -> Answer {
        let bit = 1 << (endpoint & 15);
        if !self.is_configured() || F::IN_ENDPOINTS & bit == 0 {
            return Answer::Silent;
        }
        if self.halted[IN] & bit != 0 {
            return Answer::Stall;
        }
        let Some(data) = self.function.send(endpoint, now) else { return Answer::Nak };
        tracing::debug!(target: "usb", "{} (address {}): endpoint {endpoint} sends {data:02x?}", F::NAME, self.address);
        let toggle = self.toggles[IN] & bit != 0;
        self.toggles[IN] ^= bit;
        Answer::Data(toggle, data)
    }

    fn endpoint_out(&mut self, endpoint: u8, toggle: bool, data: &[u8]) -> Answer {
        let bit = 1 << (endpoint & 15);
        if !self.is_configured() || F::OUT_ENDPOINTS & bit == 0 {
            return Answer::Silent;
        }
        if self.halted[OUT] & bit != 0 {
            return Answer::Stall;
        }
        if toggle != (self.toggles[OUT] & bit != 0) {
            // It was taken already: its acknowledgement got lost.
            return Answer::Ack;
        }
        if !self.function.take(endpoint, data) {
            return Answer::Nak;
        }
        tracing::debug!(target: "usb", "{} (address {}): endpoint {endpoint} takes {} bytes", F::NAME, self.address, data.len());
        self.toggles[OUT] ^= bit;
        Answer::Ack
    }

    fn setup(&mut self, bytes: &[u8], now: GuestTime) -> Answer {
        let Some(setup) = Setup::parse(bytes) else { return Answer::Silent };
        // Data and status begin with DATA1.
        self.toggles.iter_mut().for_each(|toggles| *toggles |= 1);
        self.stage = if setup.is_to_host() {
            match self.answer(&setup, now) {
                Some(mut data) => {
                    data.truncate(usize::from(setup.length));
                    tracing::debug!(target: "usb", "{} (address {}): {setup}: {} sent", F::NAME, self.address, data.len());
                    Stage::In(data, 0)
                }
                None => self.refuse(&setup),
            }
        } else if setup.length == 0 {
            Stage::Status(setup, Vec::new())
        } else if setup.length <= MOST_DATA {
            Stage::Out(setup, Vec::new())
        } else {
            self.refuse(&setup)
        };
        Answer::Ack
    }

    fn refuse(&self, setup: &Setup) -> Stage {
        tracing::debug!(target: "usb", "{} (address {}): {setup}: stalled", F::NAME, self.address);
        Stage::Stalled
    }

    fn control_in(&mut self, now: GuestTime) -> Answer {
        let toggle = self.toggles[IN] & 1 != 0;
        match std::mem::take(&mut self.stage) {
            Stage::In(data, at) => {
                let end = data.len().min(at + self.packet());
                let piece = data[at..end].to_vec();
                self.stage = Stage::In(data, end);
                self.toggles[IN] ^= 1;
                Answer::Data(toggle, piece)
            }
            Stage::Status(setup, data) => {
                if self.obey(&setup, &data, now).is_none() {
                    self.stage = self.refuse(&setup);
                    return Answer::Stall;
                }
                tracing::debug!(target: "usb", "{} (address {}): {setup}: done", F::NAME, self.address);
                Answer::Data(true, Vec::new())
            }
            Stage::Out(setup, data) => {
                self.stage = Stage::Out(setup, data);
                Answer::Nak
            }
            stage @ (Stage::None | Stage::Stalled) => {
                self.stage = stage;
                Answer::Stall
            }
        }
    }

    fn control_out(&mut self, toggle: bool, data: &[u8]) -> Answer {
        match &mut self.stage {
            // The status of a transfer to the host.
            Stage::In(..) | Stage::None if data.is_empty() => {
                self.stage = Stage::None;
                Answer::Ack
            }
            Stage::Out(setup, taken) => {
                if toggle != (self.toggles[OUT] & 1 != 0) {
                    return Answer::Ack;
                }
                self.toggles[OUT] ^= 1;
                taken.extend(data.iter().take(usize::from(setup.length) - taken.len()));
                if taken.len() == usize::from(setup.length) {
                    self.stage = Stage::Status(*setup, std::mem::take(taken));
                }
                Answer::Ack
            }
            // The last packet again.
            Stage::Status(..) => Answer::Ack,
            Stage::In(..) | Stage::None | Stage::Stalled => Answer::Stall,
        }
    }

    /// Largest packet of endpoint 0.
    fn packet(&self) -> usize {
        self.function.descriptor(descriptor::DEVICE, 0, self.speed).and_then(|device| device.get(7).copied()).map_or(8, usize::from).max(1)
    }

    fn answer(&mut self, setup: &Setup, now: GuestTime) -> Option<Vec<u8>> {
        if setup.is_class() {
            return self.function.class_in(setup, now);
        }
        if setup.kind & request::KIND != 0 {
            return None;
        }
        match (setup.request, setup.recipient()) {
            (request::GET_STATUS, request::DEVICE) => Some(vec![u8::from(F::SELF_POWERED) | u8::from(self.remote_wakeup) << 1, 0]),
            (request::GET_STATUS, request::INTERFACE) => Some(vec![0, 0]),
            (request::GET_STATUS, request::ENDPOINT) => {
                let (side, bit) = Self::endpoint(setup.index)?;
                Some(vec![u8::from(self.halted[side] & bit != 0), 0])
            }
            (request::GET_DESCRIPTOR, request::DEVICE | request::INTERFACE) => {
                self.function.descriptor(setup.value_high(), setup.value as u8, self.speed)
            }
            (request::GET_CONFIGURATION, request::DEVICE) => Some(vec![self.configuration]),
            (request::GET_INTERFACE, request::INTERFACE) => Some(vec![self.alternate]),
            _ => None,
        }
    }

    /// Side and bit of the endpoint that wIndex names, if there is one.
    fn endpoint(index: u16) -> Option<(usize, u16)> {
        let (side, exist) = if index & 0x80 != 0 { (IN, F::IN_ENDPOINTS) } else { (OUT, F::OUT_ENDPOINTS) };
        let bit = 1 << (index & 15);
        ((exist | 1) & bit != 0).then_some((side, bit))
    }

    fn obey(&mut self, setup: &Setup, data: &[u8], now: GuestTime) -> Option<()> {
        if setup.is_class() {
            return self.function.class_out(setup, data, now);
        }
        if setup.kind & request::KIND != 0 {
            return None;
        }
        let on = setup.request == request::SET_FEATURE;
        match (setup.request, setup.recipient()) {
            (request::SET_ADDRESS, request::DEVICE) => self.address = (setup.value & 0x7f) as u8,
            (request::SET_CONFIGURATION, request::DEVICE) if setup.value <= 1 => self.set_configuration(setup.value as u8),
            (request::SET_INTERFACE, request::INTERFACE) if setup.value < F::ALTERNATES.into() && setup.index == 0 => {
                self.alternate = setup.value as u8;
                (self.toggles, self.halted) = ([0; 2], [0; 2]);
            }
            (request::CLEAR_FEATURE | request::SET_FEATURE, request::DEVICE) => match setup.value {
                REMOTE_WAKEUP => self.remote_wakeup = on,
                TEST_MODE if on => {}
                _ => return None,
            },
            (request::CLEAR_FEATURE | request::SET_FEATURE, request::ENDPOINT) if setup.value == ENDPOINT_HALT => {
                let (side, bit) = Self::endpoint(setup.index)?;
                if on && bit != 1 {
                    self.halted[side] |= bit;
                } else {
                    self.halted[side] &= !bit;
                    self.toggles[side] &= !bit | 1;
                }
            }
            _ => return None,
        }
        Some(())
    }
}
