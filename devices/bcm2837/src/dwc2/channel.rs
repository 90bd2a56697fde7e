//! A host channel's registers, and what they say.

use super::registers::*;
use crate::usb::Speed;
use crate::usb::bus::To;
use serde::{Deserialize, Serialize};
use tayberry_engine::GuestTime;

/// Data that a channel's transmit FIFO holds in slave mode, bytes.
const MOST_OUT: usize = 4 * FIFO_WORDS as usize;

/// A channel.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Channel {
    /// Characteristics; ENABLE while it is at work.
    pub hcchar: u32,
    /// Split transactions.
    pub hcsplt: u32,
    /// Interrupts.
    pub hcint: u32,
    /// Their enables.
    pub hcintmsk: u32,
    /// Bytes, packets and toggle to come.
    pub hctsiz: u32,
    /// Bus address of the next byte.
    pub hcdma: u32,
    /// When its next transaction is made, if it waits for nothing else.
    pub due: Option<GuestTime>,
    /// Slave mode: what was written to its FIFO.
    pub out: Vec<u8>,
    /// Slave mode: questions for data that are yet to be asked.
    pub requests: u32,
}

impl Channel {
    /// It is at work.
    pub fn is_enabled(&self) -> bool {
        self.hcchar & HCCHAR_ENABLE != 0
    }

    /// It interrupts.
    pub fn interrupts(&self) -> bool {
        self.hcint & self.hcintmsk != 0
    }

    /// Data go to the host. Not those of a SETUP.
    pub fn is_in(&self) -> bool {
        self.hcchar & HCCHAR_IN != 0 && self.toggle() != TOGGLE_SETUP
    }

    /// Its endpoint has frames of its own.
    pub fn is_periodic(&self) -> bool {
        matches!(self.hcchar >> HCCHAR_KIND_SHIFT & 3, KIND_ISOCHRONOUS | KIND_INTERRUPT)
    }

    /// With whom.
    pub fn to(&self) -> To {
        To {
            address: (self.hcchar >> HCCHAR_DEVICE_SHIFT & 0x7f) as u8,
            endpoint: (self.hcchar >> HCCHAR_ENDPOINT_SHIFT & 15) as u8,
            periodic: self.is_periodic(),
        }
    }

    /// Speed of a device behind a hub.
    pub fn speed(&self) -> Speed {
        if self.hcchar & HCCHAR_LOW_SPEED != 0 { Speed::Low } else { Speed::Full }
    }

    /// Its transactions are split.
    pub fn is_split(&self) -> bool {
        self.hcsplt & HCSPLT_ENABLE != 0
    }

    /// It asks what became of a split transaction.
    pub fn is_complete_split(&self) -> bool {
        self.hcsplt & HCSPLT_COMPLETE != 0
    }

    /// Address of the hub that translates.
    pub fn hub(&self) -> u8 {
        (self.hcsplt >> HCSPLT_HUB_SHIFT & 0x7f) as u8
    }

    /// Bytes to come.
    pub fn bytes(&self) -> usize {
        (self.hctsiz & HCTSIZ_BYTES) as usize
    }

    /// Packets to come.
    pub fn packets(&self) -> u32 {
        self.hctsiz >> HCTSIZ_PACKETS_SHIFT & HCTSIZ_PACKETS
    }

    /// DATA0, DATA1, or that it is a SETUP.
    pub fn toggle(&self) -> u32 {
        self.hctsiz >> HCTSIZ_TOGGLE_SHIFT & 3
    }

    /// Bytes of a full packet.
    pub fn packet_size(&self) -> usize {
        (self.hcchar & HCCHAR_PACKET) as usize
    }

    /// Bytes of the next packet from the host.
    pub fn next_out(&self) -> usize {
        self.bytes().min(self.packet_size())
    }

    /// A packet of `bytes` is through: counts it, and turns the toggle.
    pub fn count(&mut self, bytes: usize) {
        let left = self.bytes().saturating_sub(bytes) as u32;
        let packets = self.packets().saturating_sub(1);
        let toggle = match self.toggle() {
            TOGGLE_DATA1 => TOGGLE_DATA0,
            // After a SETUP comes DATA1.
            _ => TOGGLE_DATA1,
        };
        self.hctsiz = self.hctsiz & HCTSIZ_PING | toggle << HCTSIZ_TOGGLE_SHIFT | packets << HCTSIZ_PACKETS_SHIFT | left;
    }

    /// It halts, for the reasons `why`.
    pub fn halt(&mut self, why: u32) {
        self.hcint |= HCINT_HALTED | why;
        self.stop();
    }

    /// It is no more at work.
    pub fn stop(&mut self) {
        self.hcchar &= !(HCCHAR_ENABLE | HCCHAR_DISABLE);
        (self.due, self.requests) = (None, 0);
        self.out.clear();
    }

    /// Slave mode: a word is written to its FIFO.
    pub fn write_fifo(&mut self, word: u32) {
        if self.out.len() < MOST_OUT {
            self.out.extend(word.to_le_bytes());
        }
    }
}
