//! Descriptors (USB 2.0, 9.5 and 9.6), made of what differs.

use super::Speed;

/// Kinds of descriptors.
pub const DEVICE: u8 = 1;
/// Configuration.
pub const CONFIGURATION: u8 = 2;
/// String.
pub const STRING: u8 = 3;
/// Device qualifier: what the device would be at the other speed.
pub const QUALIFIER: u8 = 6;
/// Configuration at the other speed.
pub const OTHER_SPEED: u8 = 7;
/// HID.
pub const HID: u8 = 0x21;
/// HID report.
pub const REPORT: u8 = 0x22;
/// Hub.
pub const HUB: u8 = 0x29;

/// String 0: the strings are in US English.
const LANGUAGES: [u8; 4] = [4, STRING, 0x09, 0x04];

/// What a device descriptor says.
#[derive(Clone, Copy, Debug)]
pub struct DeviceDescriptor {
    /// Class and subclass.
    pub class: [u8; 2],
    /// Protocol.
    pub protocol: u8,
    /// Largest packet of endpoint 0.
    pub packet: u8,
    /// Who made it.
    pub vendor: u16,
    /// What it is.
    pub product: u16,
    /// bcdDevice.
    pub release: u16,
    /// String numbers of maker and product.
    pub strings: [u8; 2],
}

impl DeviceDescriptor {
    /// Its 18 bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let ([class, subclass], [maker, product]) = (self.class, self.strings);
        let mut bytes = vec![18, DEVICE, 0x00, 0x02, class, subclass, self.protocol, self.packet];
        [self.vendor, self.product, self.release].iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        bytes.extend([maker, product, 0, 1]);
        bytes
    }

    /// The qualifier, of a device that has another speed.
    pub fn qualifier(&self) -> Vec<u8> {
        let [class, subclass] = self.class;
        vec![10, QUALIFIER, 0x00, 0x02, class, subclass, self.protocol, self.packet, 1, 0]
    }
}

/// A configuration of one interface, or of alternate settings of one: its header around `interfaces`.
pub fn configuration(attributes: u8, milliamperes: u16, interfaces: &[u8]) -> Vec<u8> {
    let total = (9 + interfaces.len()) as u16;
    let [low, high] = total.to_le_bytes();
    let mut bytes = vec![9, CONFIGURATION, low, high, 1, 1, 0, attributes, (milliamperes / 2) as u8];
    bytes.extend(interfaces);
    bytes
}

/// Interface 0 with one endpoint or more.
pub fn interface(alternate: u8, endpoints: u8, [class, subclass, protocol]: [u8; 3]) -> [u8; 9] {
    [9, 4, 0, alternate, endpoints, class, subclass, protocol, 0]
}

/// An interrupt endpoint to the host.
pub fn interrupt_in(number: u8, packet: u8, interval: u8) -> [u8; 7] {
    [7, 5, 0x80 | number, 3, packet, 0, interval]
}

/// A HID descriptor for a report descriptor of so many bytes.
pub fn hid(report: usize) -> [u8; 9] {
    let [low, high] = (report as u16).to_le_bytes();
    [9, HID, 0x11, 0x01, 0, 1, REPORT, low, high]
}

/// String `index`: 0 the languages, then those of `strings`.
pub fn string(index: u8, strings: &[&str]) -> Option<Vec<u8>> {
    if index == 0 {
        return Some(LANGUAGES.to_vec());
    }
    let text = strings.get(usize::from(index) - 1)?;
    let units: Vec<u8> = text.encode_utf16().take(126).flat_map(u16::to_le_bytes).collect();
    Some([&[2 + units.len() as u8, STRING], units.as_slice()].concat())
}

/// The other speed of a device that has two.
pub fn other(speed: Speed) -> Speed {
    if speed == Speed::High { Speed::Full } else { Speed::High }
}
