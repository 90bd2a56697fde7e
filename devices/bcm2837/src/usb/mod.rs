//! USB devices, as a host controller meets them: the bus with its hub, a keyboard and a mouse.
//!
//! # Resources
//! - Universal Serial Bus Specification, revision 2.0: 5 (transfers), 8 (packets), 9 (requests), 11 (hubs, split transactions).
//! - Device Class Definition for Human Interface Devices, 1.11, with appendices B (boot interface) and E (descriptors); HID Usage Tables, page 7.
//!
//! A device is what every device does (`Device`: its control endpoint, toggles, halted endpoints) around what only it does (`Function`). Everything is plain
//! state that can be cloned; time is given with every transaction.

pub mod bus;
pub mod descriptor;
pub mod device;
pub mod hub;
pub mod keyboard;
#[cfg(test)]
pub mod loopback;
pub mod mouse;
pub mod request;
pub mod translator;

use serde::{Deserialize, Serialize};

/// How fast a device signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Speed {
    /// 480 Mbit/s.
    High,
    /// 12 Mbit/s.
    #[default]
    Full,
    /// 1.5 Mbit/s.
    Low,
}

impl Speed {
    /// Guest time of a transaction with `bytes` of data, nanoseconds: the bits, and about as much again for token, handshake and turning round.
    pub fn transaction_ns(self, bytes: usize) -> u64 {
        let bytes = bytes as u64;
        match self {
            Self::High => 1_000 + 20 * bytes,
            Self::Full => 10_000 + 700 * bytes,
            Self::Low => 60_000 + 5_600 * bytes,
        }
    }
}

/// What a host sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// A control transfer begins.
    Setup(&'a [u8]),
    /// Data, with its toggle (true: DATA1).
    Out(bool, &'a [u8]),
    /// A question for data.
    In,
}

/// What comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// Taken.
    Ack,
    /// Not now.
    Nak,
    /// Never.
    Stall,
    /// Split transactions: not done yet.
    Nyet,
    /// Nothing: nobody has this address.
    Silent,
    /// Data, with their toggle (true: DATA1).
    Data(bool, Vec<u8>),
}
