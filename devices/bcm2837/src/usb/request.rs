//! Control requests (USB 2.0, 9.3 and 9.4).

use serde::{Deserialize, Serialize};
use std::fmt;

/// bmRequestType: data goes to the host.
pub const TO_HOST: u8 = 0x80;
/// bmRequestType: the kind of request.
pub const KIND: u8 = 0x60;
/// A request of the device's class.
pub const KIND_CLASS: u8 = 0x20;
/// bmRequestType: who is asked.
pub const RECIPIENT: u8 = 0x1f;
/// The device.
pub const DEVICE: u8 = 0;
/// An interface.
pub const INTERFACE: u8 = 1;
/// An endpoint.
pub const ENDPOINT: u8 = 2;

/// Standard requests by number.
pub const GET_STATUS: u8 = 0;
/// Feature off.
pub const CLEAR_FEATURE: u8 = 1;
/// Feature on.
pub const SET_FEATURE: u8 = 3;
/// A new address.
pub const SET_ADDRESS: u8 = 5;
/// A descriptor.
pub const GET_DESCRIPTOR: u8 = 6;
/// Which configuration.
pub const GET_CONFIGURATION: u8 = 8;
/// A configuration.
pub const SET_CONFIGURATION: u8 = 9;
/// Which alternate setting.
pub const GET_INTERFACE: u8 = 10;
/// An alternate setting.
pub const SET_INTERFACE: u8 = 11;

/// Standard names by number.
const NAMES: [&str; 13] = [
    "GET_STATUS",
    "CLEAR_FEATURE",
    "request 2",
    "SET_FEATURE",
    "request 4",
    "SET_ADDRESS",
    "GET_DESCRIPTOR",
    "SET_DESCRIPTOR",
    "GET_CONFIGURATION",
    "SET_CONFIGURATION",
    "GET_INTERFACE",
    "SET_INTERFACE",
    "SYNCH_FRAME",
];

/// The eight bytes that a control transfer begins with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// bmRequestType.
    pub kind: u8,
    /// bRequest.
    pub request: u8,
    /// wValue.
    pub value: u16,
    /// wIndex.
    pub index: u16,
    /// wLength.
    pub length: u16,
}

impl Setup {
    /// From the packet; `None` if it has not eight bytes.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let &[kind, request, v0, v1, i0, i1, l0, l1] = bytes else { return None };
        let word = |low, high| u16::from_le_bytes([low, high]);
        Some(Self { kind, request, value: word(v0, v1), index: word(i0, i1), length: word(l0, l1) })
    }

    /// Data goes to the host.
    pub fn is_to_host(&self) -> bool {
        self.kind & TO_HOST != 0
    }

    /// A request of the class.
    pub fn is_class(&self) -> bool {
        self.kind & KIND == KIND_CLASS
    }

    /// Who is asked.
    pub fn recipient(&self) -> u8 {
        self.kind & RECIPIENT
    }

    /// High byte of wValue: the kind of a descriptor, or of a report.
    pub fn value_high(&self) -> u8 {
        (self.value >> 8) as u8
    }

    fn descriptor(&self) -> String {
        let index = self.value & 0xff;
        match self.value_high() {
            0x01 => "device".into(),
            0x02 => format!("configuration {index}"),
            0x03 => format!("string {index}"),
            0x06 => "device qualifier".into(),
            0x07 => "other speed configuration".into(),
            0x21 => "HID".into(),
            0x22 => "report".into(),
            0x29 => "hub".into(),
            kind => format!("kind {kind:#x}"),
        }
    }
}

/// Features of hubs and their ports by number (USB 2.0, table 11-17).
fn port_feature(number: u16) -> &'static str {
    match number {
        0 => "CONNECTION",
        1 => "ENABLE",
        2 => "SUSPEND",
        3 => "OVER_CURRENT",
        4 => "RESET",
        8 => "POWER",
        9 => "LOW_SPEED",
        16 => "C_CONNECTION",
        17 => "C_ENABLE",
        18 => "C_SUSPEND",
        19 => "C_OVER_CURRENT",
        20 => "C_RESET",
        21 => "TEST",
        22 => "INDICATOR",
        _ => "feature",
    }
}

/// The request in words.
impl fmt::Display for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { request, value, index, .. } = *self;
        let name = NAMES.get(usize::from(request));
        match (self.kind & KIND, self.recipient(), request) {
            (0 | KIND_CLASS, _, GET_DESCRIPTOR) => write!(f, "GET_DESCRIPTOR {}", self.descriptor())?,
            (0, _, SET_ADDRESS | SET_CONFIGURATION) => write!(f, "{} {value}", NAMES[usize::from(request)])?,
            (0, ENDPOINT, _) if name.is_some() => write!(f, "{} {value} of endpoint {index:#x}", NAMES[usize::from(request)])?,
            (0, INTERFACE, _) if name.is_some() => write!(f, "{} {value} of interface {index}", NAMES[usize::from(request)])?,
            (0, ..) if name.is_some() => write!(f, "{} {value}", NAMES[usize::from(request)])?,
            (KIND_CLASS, 3, GET_STATUS) => write!(f, "GET_STATUS of port {index}")?,
            (KIND_CLASS, 3, CLEAR_FEATURE | SET_FEATURE) => {
                write!(f, "{} {} of port {}", NAMES[usize::from(request)], port_feature(value), index & 0xff)?;
            }
            (KIND_CLASS, 3, 8) => write!(f, "CLEAR_TT_BUFFER {value:#06x} of port {index}")?,
            (KIND_CLASS, DEVICE, GET_STATUS) => write!(f, "GET_STATUS of the hub")?,
            (KIND_CLASS, INTERFACE, 1) => write!(f, "GET_REPORT {value:#06x}")?,
            (KIND_CLASS, INTERFACE, 2) => write!(f, "GET_IDLE")?,
            (KIND_CLASS, INTERFACE, 3) => write!(f, "GET_PROTOCOL")?,
            (KIND_CLASS, INTERFACE, 9) => write!(f, "SET_REPORT {value:#06x}")?,
            (KIND_CLASS, INTERFACE, 10) => write!(f, "SET_IDLE {} ms", u32::from(self.value_high()) * 4)?,
            (KIND_CLASS, INTERFACE, 11) => write!(f, "SET_PROTOCOL {}", if value == 0 { "boot" } else { "report" })?,
            _ => write!(f, "request {request:#04x} of type {:#04x}, value {value:#06x}, index {index:#06x}", self.kind)?,
        }
        if self.length != 0 { write!(f, ", {} bytes", self.length) } else { Ok(()) }
    }
}
