//! The SD card, and which of the two host controllers it is wired to.
//!
//! # Resources
//! - BCM2835 ARM Peripherals 6.2: pins 48 to 53, the card's, belong to SDHOST as alternate function 0 and to the EMMC controller as 3; pins 34 to 39, the
//!   WiFi chip's, to the EMMC controller as 3.
//!
//! # Which controller has the card
//! The firmware leaves the card with SDHOST. A guest moves it by setting all six pins; as long as it sets some only, the last wiring stays. Kernels written for
//! QEMU may use the EMMC controller without touching a pin, so that one also reaches the card while it is wired nowhere else.

pub mod card;
pub mod image;
pub mod registers;
#[cfg(test)]
mod tests;
pub mod transfer;
pub mod words;

use crate::gpio::PinFunctions;
use bevy_ecs::prelude::*;
use card::Card;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use tayberry_engine::{MachineBuilder, Plugin};

pub use image::{CardImage, CardImageError};

/// Pins of the card, and of the WiFi chip.
const CARD_PINS: std::ops::Range<u32> = 48..54;
const WIFI_PINS: std::ops::Range<u32> = 34..40;
/// Function select codes of alternate functions 0 and 3.
const ALT0: u32 = 4;
const ALT3: u32 = 7;

/// A host controller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Host {
    /// The Arasan SDHCI controller.
    Emmc,
    /// Broadcom's own.
    SdHost,
}

/// The card's slot.
#[derive(Resource, Debug)]
pub struct Slot {
    card: Option<Card>,
    pins: PinFunctions,
    /// The controller that the card's pins last belonged to.
    wired: Host,
}

impl Slot {
    /// The card, if there is one and `host` reaches it.
    pub fn card(&mut self, host: Host) -> Option<&mut Card> {
        if self.pins.are(CARD_PINS, ALT3) {
            self.wired = Host::Emmc;
        } else if self.pins.are(CARD_PINS, ALT0) {
            self.wired = Host::SdHost;
        }
        let reached = host == self.wired || host == Host::Emmc && !self.pins.are(WIFI_PINS, ALT3);
        self.card.as_mut().filter(|_| reached)
    }

    /// The card's content, if there is one.
    pub fn image(&self) -> Option<Arc<CardImage>> {
        self.card.as_ref().map(|card| Arc::clone(card.image()))
    }
}

/// Adds the slot, for the controllers after it. Needs [`crate::gpio::GpioPlugin`].
#[derive(Clone, Debug)]
pub struct SlotPlugin {
    /// The card in it.
    pub card: Option<Arc<CardImage>>,
}

impl Plugin for SlotPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let pins = machine.world.resource::<PinFunctions>().clone();
        let card = self.card.clone().map(Card::new);
        machine.world.insert_resource(Slot { card, pins, wired: Host::SdHost });
        machine.part("SD card", |world, archive| {
            let mut slot = world.resource_mut::<Slot>();
            archive.same("SD cards", usize::from(slot.card.is_some()));
            archive.value(&mut slot.wired);
            if let Some(card) = &mut slot.card {
                card.pass(archive);
            }
        });
    }
}
