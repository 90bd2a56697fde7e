//! A keyboard with 104 keys and three lights, low speed, boot interface.
//!
//! # Resources
//! - HID 1.11: 7.2 (requests), appendices B.1 (report descriptor of a boot keyboard), C (what a keyboard sends) and E.
//!
//! Every change of a key makes a report, and reports wait until the host has asked for them: nothing that is typed gets lost, however seldom it asks.

use super::Speed;
use super::descriptor::{self, DeviceDescriptor};
use super::device::Function;
use super::request::{self, Setup};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tayberry_engine::GuestTime;

/// What a report is made of: modifiers, a byte that is not used, six keys.
type Report = [u8; 8];

/// Requests of the class (HID 1.11, 7.2).
pub(super) const GET_REPORT: u8 = 1;
pub(super) const GET_IDLE: u8 = 2;
pub(super) const GET_PROTOCOL: u8 = 3;
pub(super) const SET_REPORT: u8 = 9;
pub(super) const SET_IDLE: u8 = 10;
pub(super) const SET_PROTOCOL: u8 = 11;
/// Kind of a report that goes to the host.
pub(super) const INPUT: u8 = 1;
const OUTPUT: u8 = 2;

/// First of the eight modifiers: left control.
const FIRST_MODIFIER: u8 = 0xe0;
/// Keys below this usage are no keys.
const FIRST_KEY: u8 = 0x04;
/// In place of all keys when more than six are down.
const ROLL_OVER: u8 = 0x01;
/// Unit of the idle rate, nanoseconds.
pub(super) const IDLE_NS: u64 = 4_000_000;
/// A keyboard repeats its report after so long until told otherwise: 500 ms.
const IDLE_RESET: u8 = 125;
/// Reports that wait for the host.
const MOST_REPORTS: usize = 4096;
/// The lights, by bit.
const LIGHTS: [&str; 5] = ["Num Lock", "Caps Lock", "Scroll Lock", "Compose", "Kana"];

const REPORT_DESCRIPTOR: [u8; 63] = [
    0x05, 0x01, // Usage page: generic desktop
    0x09, 0x06, // Usage: keyboard
    0xa1, 0x01, // Collection: application
    0x05, 0x07, //   Usage page: key codes
    0x19, 0xe0, //   Usages from left control
    0x29, 0xe7, //   to right GUI
    0x15, 0x00, //   Values from 0
    0x25, 0x01, //   to 1
    0x75, 0x01, //   of one bit
    0x95, 0x08, //   eight times
    0x81, 0x02, //   Input: the modifiers
    0x95, 0x01, //   Once
    0x75, 0x08, //   eight bits
    0x81, 0x01, //   Input: not used
    0x95, 0x05, //   Five times
    0x75, 0x01, //   one bit
    0x05, 0x08, //   Usage page: LEDs
    0x19, 0x01, //   Usages from Num Lock
    0x29, 0x05, //   to Kana
    0x91, 0x02, //   Output: the lights
    0x95, 0x01, //   Once
    0x75, 0x03, //   three bits
    0x91, 0x01, //   Output: not used
    0x95, 0x06, //   Six times
    0x75, 0x08, //   eight bits
    0x15, 0x00, //   Values from 0
    0x25, 0x65, //   to 101
    0x05, 0x07, //   Usage page: key codes
    0x19, 0x00, //   Usages from none
    0x29, 0x65, //   to the application key
    0x81, 0x00, //   Input: the keys
    0xc0, // End
];

/// The keyboard's own part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Keyboard {
    modifiers: u8,
    /// Keys that are down, in the order in which they were pressed.
    down: Vec<u8>,
    reports: VecDeque<Report>,
    configured: bool,
    /// The report that was sent last, and when.
    last: Report,
    last_at: GuestTime,
    /// The host has asked for keys.
    asked: bool,
    idle: u8,
    protocol: u8,
    lights: u8,
}

impl Keyboard {
    /// A key goes down or up; `usage` is one of page 7. What is no key, or changes nothing, is ignored.
    pub fn key(&mut self, usage: u8, pressed: bool) {
        if let Some(modifier) = usage.checked_sub(FIRST_MODIFIER) {
            let Some(bit) = 1u8.checked_shl(modifier.into()) else { return };
            if (self.modifiers & bit != 0) == pressed {
                return;
            }
            self.modifiers ^= bit;
        } else {
            if usage < FIRST_KEY || self.down.contains(&usage) == pressed {
                return;
            }
            if pressed { self.down.push(usage) } else { self.down.retain(|&key| key != usage) }
        }
        if self.configured {
            if self.reports.len() >= MOST_REPORTS {
                self.reports.pop_back();
            }
            self.reports.push_back(self.state());
        }
    }

    /// Reports that the host has not asked for yet.
    pub fn waiting(&self) -> usize {
        self.reports.len()
    }

    /// True if the host has asked for keys since this was called last.
    pub fn take_asked(&mut self) -> bool {
        std::mem::take(&mut self.asked)
    }

    /// The keys as they are.
    fn state(&self) -> Report {
        let mut report = [0; 8];
        report[0] = self.modifiers;
        let keys = &mut report[2..];
        if self.down.len() > keys.len() {
            keys.fill(ROLL_OVER);
        } else {
            keys[..self.down.len()].copy_from_slice(&self.down);
        }
        report
    }

    fn next(&mut self, now: GuestTime) -> Option<Report> {
        self.asked = true;
        let report = self.reports.pop_front()?;
        (self.last, self.last_at) = (report, now);
        Some(report)
    }
}

impl Function for Keyboard {
    const NAME: &'static str = "keyboard";
    const IN_ENDPOINTS: u16 = 1 << 1;

    fn descriptor(&self, kind: u8, index: u8, _: Speed) -> Option<Vec<u8>> {
        // The numbers are the ones that pid.codes has for tests.
        let device =
            DeviceDescriptor { class: [0, 0], protocol: 0, packet: 8, vendor: 0x1209, product: 0x0001, release: 0x0100, strings: [1, 2] };
        let hid = descriptor::hid(REPORT_DESCRIPTOR.len());
        match (kind, index) {
            (descriptor::DEVICE, 0) => Some(device.bytes()),
            (descriptor::CONFIGURATION, 0) => {
                let interface = descriptor::interface(0, 1, [3, 1, 1]);
                Some(descriptor::configuration(0x80, 100, &[&interface[..], &hid, &descriptor::interrupt_in(1, 8, 10)].concat()))
            }
            (descriptor::STRING, index) => descriptor::string(index, &["Tayberry", "Keyboard"]),
            (descriptor::HID, 0) => Some(hid.to_vec()),
            (descriptor::REPORT, 0) => Some(REPORT_DESCRIPTOR.to_vec()),
            _ => None,
        }
    }

    fn configure(&mut self, configured: bool) {
        let Self { modifiers, down, .. } = std::mem::take(self);
        *self = Self { modifiers, down, configured, idle: IDLE_RESET, protocol: 1, ..Self::default() };
    }

    fn class_in(&mut self, setup: &Setup, now: GuestTime) -> Option<Vec<u8>> {
        match (setup.request, setup.recipient()) {
            (GET_REPORT, request::INTERFACE) if setup.value_high() == INPUT => {
                Some(self.next(now).unwrap_or_else(|| self.state()).to_vec())
            }
            (GET_REPORT, request::INTERFACE) if setup.value_high() == OUTPUT => Some(vec![self.lights]),
            (GET_IDLE, request::INTERFACE) => Some(vec![self.idle]),
            (GET_PROTOCOL, request::INTERFACE) => Some(vec![self.protocol]),
            _ => None,
        }
    }

    fn class_out(&mut self, setup: &Setup, data: &[u8], now: GuestTime) -> Option<()> {
        match (setup.request, setup.recipient()) {
            (SET_REPORT, request::INTERFACE) if setup.value_high() == OUTPUT => {
                self.lights = data.first().copied().unwrap_or(0);
                let lit: Vec<&str> = (0..).zip(LIGHTS).filter(|(bit, _)| self.lights >> bit & 1 != 0).map(|(_, name)| name).collect();
                tracing::debug!(target: "usb", "keyboard: lights: {}", if lit.is_empty() { "none".into() } else { lit.join(", ") });
            }
            (SET_IDLE, request::INTERFACE) => (self.idle, self.last_at) = (setup.value_high(), now),
            (SET_PROTOCOL, request::INTERFACE) if setup.value <= 1 => self.protocol = setup.value as u8,
            _ => return None,
        }
        Some(())
    }

    fn send(&mut self, _: u8, now: GuestTime) -> Option<Vec<u8>> {
        if let Some(report) = self.next(now) {
            return Some(report.to_vec());
        }
        // What has not changed is said again at the idle rate.
        let period = u64::from(self.idle) * IDLE_NS;
        if self.idle == 0 || now < self.last_at.plus(period) {
            return None;
        }
        self.last_at = now;
        Some(self.last.to_vec())
    }
}
