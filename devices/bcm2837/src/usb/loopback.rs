//! A device for tests: what is sent to its bulk endpoint 2 comes back from endpoint 1.

use super::Speed;
use super::descriptor::{self, DeviceDescriptor};
use super::device::Function;
use super::request::Setup;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use tayberry_engine::GuestTime;

/// Packets that it holds.
const MOST: usize = 4;

/// The device's own part.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Loopback {
    packets: VecDeque<Vec<u8>>,
}

impl Function for Loopback {
    const NAME: &'static str = "loopback";
    const IN_ENDPOINTS: u16 = 1 << 1;
    const OUT_ENDPOINTS: u16 = 1 << 2;

    fn descriptor(&self, kind: u8, _: u8, _: Speed) -> Option<Vec<u8>> {
        let device =
            DeviceDescriptor { class: [0xff, 0], protocol: 0, packet: 64, vendor: 0x1209, product: 3, release: 0, strings: [0, 0] };
        (kind == descriptor::DEVICE).then(|| device.bytes())
    }

    fn configure(&mut self, _: bool) {
        self.packets.clear();
    }

    fn class_in(&mut self, _: &Setup, _: GuestTime) -> Option<Vec<u8>> {
        None
    }

    fn class_out(&mut self, _: &Setup, _: &[u8], _: GuestTime) -> Option<()> {
        None
    }

    fn send(&mut self, _: u8, _: GuestTime) -> Option<Vec<u8>> {
        self.packets.pop_front()
    }

    fn take(&mut self, _: u8, data: &[u8]) -> bool {
        let room = self.packets.len() < MOST;
        if room {
            self.packets.push_back(data.to_vec());
        }
        room
    }
}
