//! The card's registers, as the host reads them.
//!
//! # Resources
//! - SD Physical Layer Simplified Specification 3.01: 5.2 (CID), 5.3 (CSD), 5.6 (SCR), 4.10.2 (SD status), 4.5 (CRC7).

use super::image::BLOCK;

/// Largest card: what 22 bits of 512 KiB can say.
pub const MOST_BYTES: u64 = 2 << 40;
/// Largest card that is addressed by bytes and has CSD version 1.
pub const MOST_STANDARD: u64 = 2 << 30;

/// C_SIZE of a version 1 CSD has 12 bits.
const C_SIZES: u64 = 1 << 12;
/// Unit of a version 2 CSD.
const UNIT_2: u64 = 512 << 10;
/// Command classes: basic, block read, block write, erase, application specific, switch.
const CLASSES: u128 = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 10;
/// 25 MHz, and 50 MHz in high speed mode.
const SPEED: u128 = 0x32;
const SPEED_HIGH: u128 = 0x5a;

/// Exponents of a version 1 CSD for a card of at least `bytes`: READ_BL_LEN and C_SIZE_MULT.
fn geometry(bytes: u64) -> (u32, u32) {
    let fits = |&(block, mult): &(u32, u32)| bytes <= C_SIZES << (block + mult + 2);
    (0..8).map(|mult| (9, mult)).find(fits).unwrap_or((10, 7))
}

/// Bytes of the smallest card that holds `bytes`.
pub fn card_bytes(bytes: u64) -> u64 {
    if bytes > MOST_STANDARD {
        return bytes.min(MOST_BYTES).next_multiple_of(UNIT_2);
    }
    let (block, mult) = geometry(bytes);
    bytes.max(1).next_multiple_of(1 << (block + mult + 2))
}

/// The CRC of commands and registers: x^7 + x^3 + 1.
pub fn crc7(bytes: &[u8]) -> u8 {
    let mut crc = 0u8;
    for &byte in bytes {
        for bit in (0..8).rev() {
            let carry = (crc >> 6 ^ byte >> bit) & 1;
            crc = ((crc << 1) ^ (carry * 0b1001)) & 0x7f;
        }
    }
    crc
}

/// A 128-bit register with its checksum and end bit.
pub fn sealed(register: u128) -> u128 {
    let bytes = register.to_be_bytes();
    register & !0xff | u128::from(crc7(&bytes[..15]) << 1 | 1)
}

/// Fields of a register, by their lowest bits.
fn fields(list: &[(u32, u128)]) -> u128 {
    list.iter().map(|&(low, value)| value << low).sum()
}

/// Card identification: maker, name, revision 1.0, a serial number, made in January 2026.
pub fn cid() -> u128 {
    let text = |text: &[u8]| text.iter().fold(0, |word, &byte| word << 8 | u128::from(byte));
    sealed(fields(&[(120, 0x54), (104, text(b"TB")), (64, text(b"TAYBE")), (56, 0x10), (24, 0x2026_0001), (8, 26 << 4 | 1)]))
}

/// Card specific data of a card of `bytes`, a result of [`card_bytes`].
pub fn csd(bytes: u64, high_speed: bool) -> u128 {
    let speed = if high_speed { SPEED_HIGH } else { SPEED };
    let common = [(112, 0x0e), (96, speed), (84, CLASSES), (46, 1), (39, 0x7f), (26, 2), (22, 9)];
    let own = if bytes > MOST_STANDARD {
        fields(&[(126, 1), (80, 9), (48, u128::from(bytes / UNIT_2 - 1))])
    } else {
        let (block, mult) = geometry(bytes);
        let c_size = (bytes >> (block + mult + 2)).saturating_sub(1);
        // Blocks may be read in part; all currents are the largest class.
        let partial = 1 << 79;
        let currents = 0xfff << 50;
        partial | currents | fields(&[(80, block.into()), (62, c_size.into()), (47, mult.into())])
    };
    // WRITE_BL_LEN is the larger one too, where READ_BL_LEN is.
    let write_len = if bytes <= MOST_STANDARD && geometry(bytes).0 == 10 { 1 << 22 } else { 0 };
    sealed((own | fields(&common)) + write_len)
}

/// SD configuration: version 3.0, 1 and 4 bit buses, CMD23.
pub fn scr(high_capacity: bool) -> [u8; 8] {
    let security = if high_capacity { 3 } else { 2 };
    [0x02, security << 4 | 0x05, 0x80, 0x02, 0, 0, 0, 0]
}

/// SD status: the bus width, speed class 10, allocation units of 4 MiB, which are erased within a second.
pub fn sd_status(wide: bool) -> [u8; 64] {
    let mut status = [0; 64];
    status[0] = if wide { 0x80 } else { 0 };
    status[8] = 4;
    status[9] = 0xff;
    status[10] = 9 << 4;
    status[12] = 1;
    status[13] = 1 << 2;
    status
}

/// Functions of the six groups of CMD6, each as the bits supported: high speed in the first.
const FUNCTIONS: [u16; 6] = [0x0003, 0x0001, 0x0001, 0x0001, 0x0001, 0x0001];

/// What CMD6 answers to `argument`, and the function of group 1 that is chosen then, if all that is asked for exists.
pub fn switch(argument: u32, current: u8) -> ([u8; 64], Option<u8>) {
    let asked = |group: usize| (argument >> (4 * group) & 0xf) as u8;
    let now = |group: usize| if group == 0 { current } else { 0 };
    let result = |group: usize| match asked(group) {
        0xf => now(group),
        function if FUNCTIONS[group] >> function & 1 != 0 => function,
        _ => 0xf,
    };
    let possible = (0..6).all(|group| result(group) != 0xf);
    let mut status = [0; 64];
    // Current at the functions asked for: 100 mA; 0 says that they cannot be had.
    status[1] = if possible { 100 } else { 0 };
    for (group, functions) in FUNCTIONS.iter().enumerate() {
        status[2 * (6 - group)..][..2].copy_from_slice(&(0x8000 | functions).to_be_bytes());
        status[16 - group / 2] |= result(group) << (4 * (group % 2));
    }
    (status, possible.then(|| result(0)))
}

/// The operating conditions register without its busy and capacity bits: 2.7 to 3.6 V.
pub const OCR_VOLTAGES: u32 = 0x00ff_8000;

/// Blocks of a card of `bytes`.
pub fn blocks(bytes: u64) -> u64 {
    bytes / BLOCK
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc7_of_the_specification_s_examples() {
        assert_eq!(crc7(&[0x40, 0, 0, 0, 0]), 0b100_1010);
        assert_eq!(crc7(&[0x51, 0, 0, 0, 0]), 0b010_1010);
        assert_eq!(crc7(&[0x11, 0, 0, 0x09, 0]), 0b011_0011);
    }

    fn field(register: u128, high: u32, low: u32) -> u64 {
        (register >> low & ((1 << (high - low + 1)) - 1)) as u64
    }

    /// The capacity as a host computes it (5.3.2, 5.3.3).
    fn capacity(csd: u128) -> u64 {
        match field(csd, 127, 126) {
            0 => (field(csd, 73, 62) + 1) << (field(csd, 49, 47) + 2 + field(csd, 83, 80)),
            _ => (field(csd, 69, 48) + 1) * UNIT_2,
        }
    }

    #[test]
    fn a_host_finds_the_size() {
        let mib = 1u64 << 20;
        let sizes = [512, 513, 2048, 5000, 8 * mib, 8 * mib + 1, 100 * mib + 12345, 1024 * mib, 1024 * mib + 512, 2048 * mib - 512];
        for size in sizes.into_iter().chain([2048 * mib, 2048 * mib + 512, 4096 * mib + 1, 32 << 30, MOST_BYTES]) {
            let (bytes, csd) = (card_bytes(size), csd(card_bytes(size), false));
            assert_eq!(capacity(csd), bytes, "{size}");
            assert!(bytes >= size && bytes - size < (2048).max(size / 1024), "{size}: {bytes}");
            assert_eq!(field(csd, 127, 126) == 1, bytes > MOST_STANDARD);
            assert_eq!(sealed(csd), csd, "the checksum");
            assert_eq!(field(csd, 25, 22), if bytes > 1 << 30 && bytes <= MOST_STANDARD { 10 } else { 9 }, "{size}");
        }
        assert_eq!(card_bytes(64 * mib), 64 * mib);
    }

    #[test]
    fn csd_fields_are_where_the_specification_has_them() {
        for bytes in [64 << 20, 8 << 30] {
            let csd = csd(bytes, false);
            assert_eq!((field(csd, 119, 112), field(csd, 103, 96), field(csd, 95, 84)), (0x0e, 0x32, 0x535));
            assert_eq!((field(csd, 46, 46), field(csd, 45, 39), field(csd, 28, 26)), (1, 0x7f, 2));
            assert_eq!((field(csd, 79, 79), field(csd, 0, 0)), ((bytes <= MOST_STANDARD).into(), 1));
        }
        assert_eq!(field(super::csd(8 << 30, true), 103, 96), 0x5a);
    }

    #[test]
    fn switching_functions() {
        let (status, function) = switch(0x00ff_fff1, 0);
        assert_eq!((function, status[13] & 2, status[16] & 0xf, status[1]), (Some(1), 2, 1, 100));
        let (status, function) = switch(0x00ff_fff3, 1);
        assert_eq!((function, status[16] & 0xf, status[1]), (None, 0xf, 0));
        let (status, function) = switch(0x80ff_ffff, 1);
        assert_eq!((function, status[16]), (Some(1), 0x01));
    }
}
