//! Tags of the GPIO expander that the firmware drives for the ARM: pins 128 to 135 of the Pi 3, and the LEDs among them.

use super::{Context, Firmware, Reply, Request};
use serde::{Deserialize, Serialize};

/// Number of the expander's first pin.
const FIRST: u32 = 128;
/// Names of the pins.
const NAMES: [&str; 8] = ["BT_ON", "WL_ON", "STATUS_LED", "LAN_RUN", "HDMI_HPD_N", "CAM_GPIO0", "CAM_GPIO1", "PWR_LOW_N"];
/// The activity LED's place among them.
const STATUS_LED: usize = 2;
/// Pins that are high after boot: Bluetooth and WLAN off, the network running, power good (and HDMI, active low, connected).
const HIGH_AT_BOOT: [usize; 2] = [3, 7];
/// Pins that are inputs after boot: HDMI_HPD_N and PWR_LOW_N.
const INPUTS: [usize; 2] = [4, 7];

/// Name of a pin.
pub fn name(number: u32) -> Option<&'static str> {
    NAMES.get(number.checked_sub(FIRST)? as usize).copied()
}

/// First word of an answer: done.
const DONE: u32 = 0;
/// First word of an answer: there is no such pin.
const NO_PIN: u32 = 1;

#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Pin {
    state: u32,
    /// 0 input, 1 output.
    direction: u32,
    polarity: u32,
    pull_enable: u32,
    pull_up: u32,
}

/// The expander's pins.
#[derive(Debug, Serialize, Deserialize)]
pub struct Expander([Pin; NAMES.len()]);

impl Default for Expander {
    fn default() -> Self {
        Self(std::array::from_fn(|at| Pin {
            state: HIGH_AT_BOOT.contains(&at).into(),
            direction: (!INPUTS.contains(&at)).into(),
            ..Pin::default()
        }))
    }
}

impl Expander {
    /// The activity LED is on.
    pub fn led(&self) -> bool {
        self.0[STATUS_LED].state != 0
    }

    fn pin(&mut self, number: u32) -> Option<(&mut Pin, &'static str)> {
        let index = number.checked_sub(FIRST)? as usize;
        Some((self.0.get_mut(index)?, NAMES[index]))
    }
}

/// Get GPIO state, or onboard LED status (0x00030041).
pub fn get_state(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    match firmware.gpio.pin(request.word(0)) {
        Some((pin, _)) => reply.words(&[DONE, pin.state]),
        None => reply.words(&[NO_PIN, 0]),
    }
}

/// Test onboard LED status (0x00034041): the state that would be set.
pub fn test_state(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let known = firmware.gpio.pin(request.word(0)).is_some();
    reply.words(&[if known { DONE } else { NO_PIN }, request.word(1) & 1]);
}

/// Set GPIO state, or onboard LED status (0x00038041).
pub fn set_state(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    if let Some((pin, name)) = firmware.gpio.pin(request.word(0)) {
        let state = request.word(1) & 1;
        if pin.state != state {
            tracing::debug!(target: "gpio", "{name} goes {}", if state == 1 { "high" } else { "low" });
        }
        pin.state = state;
    }
    get_state(firmware, request, context, reply);
}

/// Get GPIO configuration (0x00030043): direction, polarity, pull enabled, pull up.
pub fn get_config(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    match firmware.gpio.pin(request.word(0)) {
        Some((pin, _)) => reply.words(&[DONE, pin.direction, pin.polarity, pin.pull_enable, pin.pull_up]),
        None => reply.words(&[NO_PIN, 0, 0, 0, 0]),
    }
}

/// Set GPIO configuration (0x00038043): as read, and the state of an output.
pub fn set_config(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let [number, direction, polarity, pull_enable, pull_up, state] = std::array::from_fn(|at| request.word(at));
    let Some((pin, _)) = firmware.gpio.pin(number) else {
        return reply.words(&[NO_PIN, direction, polarity, pull_enable, pull_up, state]);
    };
    *pin = Pin { state: pin.state, direction: direction & 1, polarity: polarity & 1, pull_enable: pull_enable & 1, pull_up: pull_up & 1 };
    if pin.direction == 1 {
        pin.state = state & 1;
    }
    reply.words(&[DONE, pin.direction, pin.polarity, pin.pull_enable, pin.pull_up, pin.state]);
}
