//! The hub of the board's LAN9514: five ports. The first leads to the chip's own Ethernet function, which is not there; the others are the board's sockets.
//!
//! # Resources
//! - USB 2.0, 11.23 (descriptors) and 11.24 (requests); Microchip, LAN9514 data sheet (DS00002306), for what the descriptors say.

use super::Speed;
use super::descriptor::{self, DeviceDescriptor};
use super::device::Function;
use super::request::{self, Setup};
use serde::{Deserialize, Serialize};
use tayberry_engine::GuestTime;

/// Ports of the hub.
pub const PORTS: usize = 5;
/// A port's reset lasts so long, nanoseconds (USB 2.0, 7.1.7.5: 10 to 20 ms).
const RESET_NS: u64 = 10_000_000;
/// Recipients of class requests.
const HUB: u8 = 0;
const PORT: u8 = 3;
/// Requests of the class.
const CLEAR_TT_BUFFER: u8 = 8;
const RESET_TT: u8 = 9;
const GET_TT_STATE: u8 = 10;
const STOP_TT: u8 = 11;

/// Status of a port, and its changes (the lower ones).
const CONNECTION: u16 = 1 << 0;
const ENABLE: u16 = 1 << 1;
const SUSPEND: u16 = 1 << 2;
const RESET: u16 = 1 << 4;
const POWER: u16 = 1 << 8;
const LOW_SPEED: u16 = 1 << 9;
/// Bits that can change by themselves.
const CHANGES: u16 = 0x1f;
/// Features from here on are changes.
const FEATURE_CHANGES: u16 = 16;
const FEATURE_TEST: u16 = 21;
const FEATURE_INDICATOR: u16 = 22;

/// What is in a socket.
pub type Sockets = [Option<Speed>; PORTS];

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Port {
    status: u16,
    changes: u16,
    /// When its reset is over, while it lasts.
    reset_until: Option<GuestTime>,
}

/// The hub's own part.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Hub {
    sockets: Sockets,
    ports: [Port; PORTS],
    /// Ports whose devices are to be reset, a bit each.
    resets: u8,
    /// Endpoints whose transactions the translator is to forget.
    forgotten: Vec<Forget>,
}

/// What a transaction translator is to forget.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Forget {
    /// One endpoint: address, number, data go to the host.
    Endpoint(u8, u8, bool),
    /// All.
    All,
}

impl Hub {
    /// A hub with devices in its sockets.
    pub fn new(sockets: Sockets) -> Self {
        Self { sockets, ports: [Port::default(); PORTS], resets: 0, forgotten: Vec::new() }
    }

    /// Ends the resets that are over.
    fn settle(&mut self, now: GuestTime) {
        for (index, port) in self.ports.iter_mut().enumerate() {
            if port.reset_until.take_if(|until| *until <= now).is_some() {
                port.status &= !RESET;
                port.changes |= RESET;
                if let Some(speed) = self.sockets[index] {
                    port.status |= ENABLE | if speed == Speed::Low { LOW_SPEED } else { 0 };
                }
            }
        }
    }

    /// True if what is behind port `index` (from 0) is on the bus.
    pub fn is_open(&mut self, index: usize, now: GuestTime) -> bool {
        self.settle(now);
        self.ports.get(index).is_some_and(|port| port.status & ENABLE != 0 && port.status & SUSPEND == 0)
    }

    /// Ports whose devices are to be reset, a bit each: asked once.
    pub fn take_resets(&mut self) -> u8 {
        std::mem::take(&mut self.resets)
    }

    /// What the translator is to forget: asked once.
    pub fn take_forgotten(&mut self) -> Vec<Forget> {
        std::mem::take(&mut self.forgotten)
    }

    /// The port that wIndex names.
    fn port(&mut self, setup: &Setup) -> Option<(usize, &mut Port)> {
        let index = usize::from(setup.index & 0xff).checked_sub(1)?;
        Some((index, self.ports.get_mut(index)?))
    }

    fn set_feature(&mut self, setup: &Setup, now: GuestTime) -> Option<()> {
        let sockets = self.sockets;
        let (index, port) = self.port(setup)?;
        match 1u16.checked_shl(setup.value.into()).unwrap_or(0) {
            POWER if port.status & POWER == 0 => {
                port.status = POWER;
                if sockets[index].is_some() {
                    port.status |= CONNECTION;
                    port.changes |= CONNECTION;
                }
                self.resets |= 1 << index;
            }
            POWER => {}
            RESET if port.status & CONNECTION != 0 => {
                port.status = port.status & !(ENABLE | SUSPEND) | RESET;
                port.reset_until = Some(now.plus(RESET_NS));
                self.resets |= 1 << index;
            }
            RESET => {}
            SUSPEND if port.status & ENABLE != 0 => port.status |= SUSPEND,
            SUSPEND => {}
            _ if matches!(setup.value, FEATURE_TEST | FEATURE_INDICATOR) => {}
            _ => return None,
        }
        Some(())
    }

    fn clear_feature(&mut self, setup: &Setup) -> Option<()> {
        let (_, port) = self.port(setup)?;
        if let Some(change) = setup.value.checked_sub(FEATURE_CHANGES).filter(|&change| change < 5) {
            port.changes &= !(1 << change);
            return Some(());
        }
        match 1u16.checked_shl(setup.value.into()).unwrap_or(0) {
            ENABLE => port.status &= !(ENABLE | SUSPEND),
            SUSPEND if port.status & SUSPEND != 0 => {
                port.status &= !SUSPEND;
                port.changes |= SUSPEND;
            }
            SUSPEND => {}
            POWER => *port = Port::default(),
            _ if setup.value == FEATURE_INDICATOR => {}
            _ => return None,
        }
        Some(())
    }

    fn hub_descriptor() -> Vec<u8> {
        // Five ports; power and over-current by port, compound, 8 bit times of think time; power is good after 100 ms; 1 mA; port 1 cannot be unplugged.
        vec![9, descriptor::HUB, PORTS as u8, 0x0d, 0x00, 50, 1, 0x02, 0xff]
    }
}

impl Function for Hub {
    const NAME: &'static str = "hub";
    const IN_ENDPOINTS: u16 = 1 << 1;
    const SELF_POWERED: bool = true;
    const ALTERNATES: u8 = 2;

    fn descriptor(&self, kind: u8, index: u8, speed: Speed) -> Option<Vec<u8>> {
        let device = |speed| DeviceDescriptor {
            class: [9, 0],
            protocol: if speed == Speed::High { 2 } else { 0 },
            packet: 64,
            vendor: 0x0424,
            product: 0x9514,
            release: 0x0200,
            strings: [0, 0],
        };
        let configuration = |speed| match speed {
            // One translator for all ports, or one each.
            Speed::High => {
                let (single, endpoint) = (descriptor::interface(0, 1, [9, 0, 1]), descriptor::interrupt_in(1, 1, 12));
                let each = descriptor::interface(1, 1, [9, 0, 2]);
                descriptor::configuration(0xe0, 2, &[&single[..], &endpoint, &each, &endpoint].concat())
            }
            Speed::Full | Speed::Low => {
                let interface = descriptor::interface(0, 1, [9, 0, 0]);
                descriptor::configuration(0xe0, 2, &[&interface[..], &descriptor::interrupt_in(1, 1, 255)].concat())
            }
        };
        match (kind, index) {
            (descriptor::DEVICE, 0) => Some(device(speed).bytes()),
            (descriptor::CONFIGURATION, 0) => Some(configuration(speed)),
            (descriptor::QUALIFIER, 0) => Some(device(descriptor::other(speed)).qualifier()),
            (descriptor::OTHER_SPEED, 0) => {
                let mut bytes = configuration(descriptor::other(speed));
                bytes[1] = descriptor::OTHER_SPEED;
                Some(bytes)
            }
            (descriptor::HUB, _) => Some(Self::hub_descriptor()),
            _ => None,
        }
    }

    fn configure(&mut self, configured: bool) {
        if !configured {
            *self = Self { resets: 0xff, forgotten: vec![Forget::All], ..Self::new(self.sockets) };
        }
    }

    fn class_in(&mut self, setup: &Setup, now: GuestTime) -> Option<Vec<u8>> {
        self.settle(now);
        match (setup.request, setup.recipient()) {
            (request::GET_DESCRIPTOR, HUB) => Some(Self::hub_descriptor()),
            // Its own supply is good, and nothing draws too much.
            (request::GET_STATUS, HUB) => Some(vec![0; 4]),
            (request::GET_STATUS, PORT) => {
                let (_, port) = self.port(setup)?;
                Some([port.status.to_le_bytes(), port.changes.to_le_bytes()].concat())
            }
            (GET_TT_STATE, PORT) => Some(Vec::new()),
            _ => None,
        }
    }

    fn class_out(&mut self, setup: &Setup, _: &[u8], now: GuestTime) -> Option<()> {
        self.settle(now);
        match (setup.request, setup.recipient()) {
            (request::SET_FEATURE, PORT) => self.set_feature(setup, now),
            (request::CLEAR_FEATURE, PORT) => self.clear_feature(setup),
            // Changes of its supply, of which there are none.
            (request::CLEAR_FEATURE, HUB) if setup.value <= 1 => Some(()),
            (CLEAR_TT_BUFFER, PORT) => {
                let endpoint = (setup.value & 15) as u8;
                self.forgotten.push(Forget::Endpoint((setup.value >> 4 & 0x7f) as u8, endpoint, setup.value >> 15 != 0));
                Some(())
            }
            (RESET_TT, PORT) => {
                self.forgotten.push(Forget::All);
                Some(())
            }
            (STOP_TT, PORT) => Some(()),
            _ => None,
        }
    }

    fn send(&mut self, _: u8, now: GuestTime) -> Option<Vec<u8>> {
        self.settle(now);
        let changed = |port: &Port| port.changes & CHANGES != 0;
        let bits = self.ports.iter().enumerate().filter(|(_, port)| changed(port)).fold(0, |bits, (index, _)| bits | 2 << index);
        (bits != 0).then(|| vec![bits])
    }
}
