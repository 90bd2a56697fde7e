//! A mouse with three buttons and a wheel, full speed, boot interface.
//!
//! # Resources
//! - HID 1.11: 7.2 (requests), appendices B.2 (report descriptor of a boot mouse) and E.10.
//!
//! Movements between two questions of the host add up; a button that changes begins a new report, so that no click gets lost.

use super::Speed;
use super::descriptor::{self, DeviceDescriptor};
use super::device::Function;
use super::keyboard::{GET_IDLE, GET_PROTOCOL, GET_REPORT, IDLE_NS, INPUT, SET_IDLE, SET_PROTOCOL};
use super::request::{self, Setup};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tayberry_engine::GuestTime;

/// Changes of buttons that wait for the host.
const MOST_CHANGES: usize = 1024;
/// Buttons that there are.
const BUTTONS: u8 = 0x07;
const BOOT: u8 = 0;

const REPORT_DESCRIPTOR: [u8; 52] = [
    0x05, 0x01, // Usage page: generic desktop
    0x09, 0x02, // Usage: mouse
    0xa1, 0x01, // Collection: application
    0x09, 0x01, //   Usage: pointer
    0xa1, 0x00, //   Collection: physical
    0x05, 0x09, //     Usage page: buttons
    0x19, 0x01, //     Usages from button 1
    0x29, 0x03, //     to button 3
    0x15, 0x00, //     Values from 0
    0x25, 0x01, //     to 1
    0x95, 0x03, //     three times
    0x75, 0x01, //     one bit
    0x81, 0x02, //     Input: the buttons
    0x95, 0x01, //     Once
    0x75, 0x05, //     five bits
    0x81, 0x01, //     Input: not used
    0x05, 0x01, //     Usage page: generic desktop
    0x09, 0x30, //     Usage: X
    0x09, 0x31, //     Usage: Y
    0x09, 0x38, //     Usage: wheel
    0x15, 0x81, //     Values from -127
    0x25, 0x7f, //     to 127
    0x75, 0x08, //     eight bits
    0x95, 0x03, //     three times
    0x81, 0x06, //     Input: relative
    0xc0, //   End
    0xc0, // End
];

/// What was done with the mouse while its buttons stayed as they were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Motion {
    buttons: u8,
    /// X, Y and wheel.
    by: [i32; 3],
}

/// The mouse's own part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mouse {
    motions: VecDeque<Motion>,
    /// Buttons as they are, and as the host knows them.
    buttons: u8,
    told: u8,
    configured: bool,
    last_at: GuestTime,
    idle: u8,
    protocol: u8,
}

impl Mouse {
    /// It is moved, its wheel turned, its buttons pressed (bit 0 left, 1 right, 2 middle) or released.
    pub fn act(&mut self, buttons: u8, dx: i16, dy: i16, wheel: i8) {
        let buttons = buttons & BUTTONS;
        self.buttons = buttons;
        if !self.configured {
            return;
        }
        let full = self.motions.len() >= MOST_CHANGES;
        match self.motions.back_mut() {
            Some(last) if last.buttons == buttons || full => {
                last.buttons = buttons;
                let by = [i32::from(dx), i32::from(dy), i32::from(wheel)];
                last.by.iter_mut().zip(by).for_each(|(sum, by)| *sum = sum.saturating_add(by));
            }
            _ => self.motions.push_back(Motion { buttons, by: [dx.into(), dy.into(), wheel.into()] }),
        }
    }

    /// What the next report says, if there is anything new. Long ways take several.
    fn next(&mut self, now: GuestTime) -> Option<[u8; 4]> {
        while let Some(motion) = self.motions.front_mut() {
            let step = motion.by.map(|by| by.clamp(-127, 127));
            motion.by.iter_mut().zip(step).for_each(|(by, step)| *by -= step);
            let (buttons, done) = (motion.buttons, motion.by == [0; 3]);
            if done {
                self.motions.pop_front();
            }
            if step != [0; 3] || buttons != self.told {
                (self.told, self.last_at) = (buttons, now);
                let [x, y, wheel] = step.map(|step| step as i8 as u8);
                return Some([buttons, x, y, wheel]);
            }
        }
        None
    }

    /// A report as the protocol has it: the boot protocol's has no wheel.
    fn shaped(&self, report: [u8; 4]) -> Vec<u8> {
        report[..if self.protocol == BOOT { 3 } else { 4 }].to_vec()
    }
}

impl Function for Mouse {
    const NAME: &'static str = "mouse";
    const IN_ENDPOINTS: u16 = 1 << 1;

    fn descriptor(&self, kind: u8, index: u8, _: Speed) -> Option<Vec<u8>> {
        let device =
            DeviceDescriptor { class: [0, 0], protocol: 0, packet: 8, vendor: 0x1209, product: 0x0002, release: 0x0100, strings: [1, 2] };
        let hid = descriptor::hid(REPORT_DESCRIPTOR.len());
        match (kind, index) {
            (descriptor::DEVICE, 0) => Some(device.bytes()),
            (descriptor::CONFIGURATION, 0) => {
                let interface = descriptor::interface(0, 1, [3, 1, 2]);
                Some(descriptor::configuration(0x80, 100, &[&interface[..], &hid, &descriptor::interrupt_in(1, 4, 10)].concat()))
            }
            (descriptor::STRING, index) => descriptor::string(index, &["Tayberry", "Mouse"]),
            (descriptor::HID, 0) => Some(hid.to_vec()),
            (descriptor::REPORT, 0) => Some(REPORT_DESCRIPTOR.to_vec()),
            _ => None,
        }
    }

    fn configure(&mut self, configured: bool) {
        *self = Self { buttons: self.buttons, configured, protocol: 1, ..Self::default() };
    }

    fn class_in(&mut self, setup: &Setup, now: GuestTime) -> Option<Vec<u8>> {
        match (setup.request, setup.recipient()) {
            (GET_REPORT, request::INTERFACE) if setup.value_high() == INPUT => {
                let report = self.next(now).unwrap_or([self.buttons, 0, 0, 0]);
                Some(self.shaped(report))
            }
            (GET_IDLE, request::INTERFACE) => Some(vec![self.idle]),
            (GET_PROTOCOL, request::INTERFACE) => Some(vec![self.protocol]),
            _ => None,
        }
    }

    fn class_out(&mut self, setup: &Setup, _: &[u8], now: GuestTime) -> Option<()> {
        match (setup.request, setup.recipient()) {
            (SET_IDLE, request::INTERFACE) => (self.idle, self.last_at) = (setup.value_high(), now),
            (SET_PROTOCOL, request::INTERFACE) if setup.value <= 1 => self.protocol = setup.value as u8,
            _ => return None,
        }
        Some(())
    }

    fn send(&mut self, _: u8, now: GuestTime) -> Option<Vec<u8>> {
        if let Some(report) = self.next(now) {
            return Some(self.shaped(report));
        }
        if self.idle == 0 || now < self.last_at.plus(u64::from(self.idle) * IDLE_NS) {
            return None;
        }
        self.last_at = now;
        Some(self.shaped([self.told, 0, 0, 0]))
    }
}
