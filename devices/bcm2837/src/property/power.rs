//! Power, voltage and temperature tags.

use super::{Context, Firmware, Reply, Request};
use serde::{Deserialize, Serialize};

/// Bit 0 of a state: it is on.
const ON: u32 = 1;
/// Bit 1 of a state: there is no such device.
const NO_DEVICE: u32 = 2;
/// Devices by number.
pub const NAMES: [&str; 9] = ["SD card", "UART0", "UART1", "USB", "I2C0", "I2C1", "I2C2", "SPI", "CCP2TX"];
const DEVICES: usize = NAMES.len();
/// Those that are on after boot: SD card, UART0 and UART1.
const ON_AT_BOOT: [usize; 3] = [0, 1, 2];
/// Until a device's power is stable, in microseconds.
const STABLE_AFTER: u32 = 1000;
/// Power domains 1 to 23.
const DOMAINS: usize = 24;
/// Temperature (in thousandths of a degree) above which the firmware slows down.
const MAX_TEMPERATURE: u32 = 85_000;
/// Voltage of an id that does not exist.
const NO_VOLTAGE: u32 = 0x8000_0000;
/// Voltages by id.
pub const VOLTAGE_NAMES: [&str; 5] = ["0", "core", "SDRAM C", "SDRAM P", "SDRAM I"];
/// Volts of ids 1 to 4 (core, SDRAM C, P and I) in microvolts: initial, least, most.
const VOLTAGES: [(u32, u32, u32); 4] = [
    (1_200_000, 1_200_000, 1_350_000),
    (1_200_000, 1_200_000, 1_400_000),
    (1_225_000, 1_200_000, 1_400_000),
    (1_200_000, 1_200_000, 1_400_000),
];

/// What is on, and at which voltage.
#[derive(Debug, Serialize, Deserialize)]
pub struct Power {
    devices: [bool; DEVICES],
    domains: [bool; DOMAINS],
    voltages: [u32; VOLTAGES.len()],
}

impl Default for Power {
    fn default() -> Self {
        let mut devices = [false; DEVICES];
        ON_AT_BOOT.iter().for_each(|&device| devices[device] = true);
        Self { devices, domains: [false; DOMAINS], voltages: VOLTAGES.map(|(initial, ..)| initial) }
    }
}

/// Get power state (0x00020001).
pub fn get_state(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let state = firmware.power.devices.get(request.word(0) as usize).map_or(NO_DEVICE, |&on| if on { ON } else { 0 });
    reply.words(&[request.word(0), state]);
}

/// Set power state (0x00028001). Power is stable at once, so there is no need to wait for it.
pub fn set_state(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    if let Some(device) = firmware.power.devices.get_mut(request.word(0) as usize) {
        *device = request.word(1) & ON != 0;
    }
    get_state(firmware, request, context, reply);
}

/// Get timing (0x00020002).
pub fn get_timing(_: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let exists = (request.word(0) as usize) < DEVICES;
    reply.words(&[request.word(0), if exists { STABLE_AFTER } else { 0 }]);
}

/// Get domain state (0x00030030).
pub fn get_domain(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let on = firmware.power.domains.get(request.word(0) as usize).is_some_and(|&on| on);
    reply.words(&[request.word(0), on.into()]);
}

/// Set domain state (0x00038030).
pub fn set_domain(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    if let Some(domain) = firmware.power.domains.get_mut(request.word(0) as usize) {
        *domain = request.word(1) & ON != 0;
    }
    get_domain(firmware, request, context, reply);
}

/// Index of voltage `id`, if there is one.
fn voltage_index(id: u32) -> Option<usize> {
    (id as usize).checked_sub(1).filter(|&index| index < VOLTAGES.len())
}

/// Get voltage (0x00030003) in microvolts, as newer firmware has it.
pub fn get_voltage(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let voltage = voltage_index(request.word(0)).map_or(NO_VOLTAGE, |index| firmware.power.voltages[index]);
    reply.words(&[request.word(0), voltage]);
}

/// Set voltage (0x00038003), within its limits.
pub fn set_voltage(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    if let Some(index) = voltage_index(request.word(0)) {
        let (_, least, most) = VOLTAGES[index];
        firmware.power.voltages[index] = request.word(1).clamp(least, most);
    }
    get_voltage(firmware, request, context, reply);
}

/// Get maximum voltage (0x00030005).
pub fn get_max_voltage(_: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), voltage_index(request.word(0)).map_or(NO_VOLTAGE, |index| VOLTAGES[index].2)]);
}

/// Get minimum voltage (0x00030008).
pub fn get_min_voltage(_: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), voltage_index(request.word(0)).map_or(NO_VOLTAGE, |index| VOLTAGES[index].1)]);
}

/// Get temperature (0x00030006) in thousandths of a degree.
pub fn get_temperature(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), firmware.config.temperature]);
}

/// Get maximum temperature (0x0003000a).
pub fn get_max_temperature(_: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), MAX_TEMPERATURE]);
}

/// Get throttled (0x00030046): never.
pub fn get_throttled(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[0]);
}
