//! What is done to pins, in words (BCM2835 ARM Peripherals, 6.2: alternate functions).

/// Alternate functions 0 to 5 of each pin; an empty name where there is none.
const ALTERNATES: [[&str; 6]; 54] = [
    ["SDA0", "SA5", "", "", "", ""],
    ["SCL0", "SA4", "", "", "", ""],
    ["SDA1", "SA3", "", "", "", ""],
    ["SCL1", "SA2", "", "", "", ""],
    ["GPCLK0", "SA1", "", "", "", "ARM_TDI"],
    ["GPCLK1", "SA0", "", "", "", "ARM_TDO"],
    ["GPCLK2", "SOE_N", "", "", "", "ARM_RTCK"],
    ["SPI0_CE1_N", "SWE_N", "", "", "", ""],
    ["SPI0_CE0_N", "SD0", "", "", "", ""],
    ["SPI0_MISO", "SD1", "", "", "", ""],
    ["SPI0_MOSI", "SD2", "", "", "", ""],
    ["SPI0_SCLK", "SD3", "", "", "", ""],
    ["PWM0", "SD4", "", "", "", "ARM_TMS"],
    ["PWM1", "SD5", "", "", "", "ARM_TCK"],
    ["TXD0", "SD6", "", "", "", "TXD1"],
    ["RXD0", "SD7", "", "", "", "RXD1"],
    ["", "SD8", "", "CTS0", "SPI1_CE2_N", "CTS1"],
    ["", "SD9", "", "RTS0", "SPI1_CE1_N", "RTS1"],
    ["PCM_CLK", "SD10", "", "BSCSL_SDA", "SPI1_CE0_N", "PWM0"],
    ["PCM_FS", "SD11", "", "BSCSL_SCL", "SPI1_MISO", "PWM1"],
    ["PCM_DIN", "SD12", "", "BSCSL_MISO", "SPI1_MOSI", "GPCLK0"],
    ["PCM_DOUT", "SD13", "", "BSCSL_CE_N", "SPI1_SCLK", "GPCLK1"],
    ["", "SD14", "", "SD1_CLK", "ARM_TRST", ""],
    ["", "SD15", "", "SD1_CMD", "ARM_RTCK", ""],
    ["", "SD16", "", "SD1_DAT0", "ARM_TDO", ""],
    ["", "SD17", "", "SD1_DAT1", "ARM_TCK", ""],
    ["", "", "", "SD1_DAT2", "ARM_TDI", ""],
    ["", "", "", "SD1_DAT3", "ARM_TMS", ""],
    ["SDA0", "SA5", "PCM_CLK", "", "", ""],
    ["SCL0", "SA4", "PCM_FS", "", "", ""],
    ["", "SA3", "PCM_DIN", "CTS0", "", "CTS1"],
    ["", "SA2", "PCM_DOUT", "RTS0", "", "RTS1"],
    ["GPCLK0", "SA1", "", "TXD0", "", "TXD1"],
    ["", "SA0", "", "RXD0", "", "RXD1"],
    ["GPCLK0", "SOE_N", "", "", "", ""],
    ["SPI0_CE1_N", "SWE_N", "", "", "", ""],
    ["SPI0_CE0_N", "SD0", "TXD0", "", "", ""],
    ["SPI0_MISO", "SD1", "RXD0", "", "", ""],
    ["SPI0_MOSI", "SD2", "RTS0", "", "", ""],
    ["SPI0_SCLK", "SD3", "CTS0", "", "", ""],
    ["PWM0", "SD4", "", "", "SPI2_MISO", "TXD1"],
    ["PWM1", "SD5", "", "", "SPI2_MOSI", "RXD1"],
    ["GPCLK1", "SD6", "", "", "SPI2_SCLK", "RTS1"],
    ["GPCLK2", "SD7", "", "", "SPI2_CE0_N", "CTS1"],
    ["GPCLK1", "SDA0", "SDA1", "", "SPI2_CE1_N", ""],
    ["PWM1", "SCL0", "SCL1", "", "SPI2_CE2_N", ""],
    ["", "", "", "", "", ""],
    ["", "", "", "", "", ""],
    ["SD0_CLK", "", "", "SD1_CLK", "", ""],
    ["SD0_CMD", "", "", "SD1_CMD", "", ""],
    ["SD0_DAT0", "", "", "SD1_DAT0", "", ""],
    ["SD0_DAT1", "", "", "SD1_DAT1", "", ""],
    ["SD0_DAT2", "", "", "SD1_DAT2", "", ""],
    ["SD0_DAT3", "", "", "SD1_DAT3", "", ""],
];

/// A pin's function by its code in GPFSELn.
pub(super) fn function(pin: u32, code: u32) -> String {
    let alternate = match code & 7 {
        0 => return "an input".into(),
        1 => return "an output".into(),
        2 => 5,
        3 => 4,
        code => code - 4,
    };
    let name = ALTERNATES.get(pin as usize).map_or("", |names| names[alternate as usize]);
    let name = if name.is_empty() { String::new() } else { format!(", {name}") };
    format!("alternate function {alternate}{name}")
}

/// The pins of a bank's mask: `pin 5`, `pins 1, 2`.
pub(super) fn pins(bank: usize, mask: u32) -> String {
    let pins: Vec<String> = (0..32).filter(|bit| mask >> bit & 1 != 0).map(|bit| (32 * bank + bit).to_string()).collect();
    match &pins[..] {
        [] => "no pin".into(),
        [pin] => format!("pin {pin}"),
        pins => format!("pins {}", pins.join(", ")),
    }
}

/// What a write to a group of registers does.
pub(super) fn group(group: u32) -> &'static str {
    match group {
        super::GPSET => "set",
        super::GPCLR => "clear",
        super::GPEDS => "events acknowledged of",
        super::GPREN => "rising edges are looked for on",
        super::GPFEN => "falling edges are looked for on",
        super::GPHEN => "high levels are looked for on",
        super::GPLEN => "low levels are looked for on",
        super::GPAREN => "asynchronous rising edges are looked for on",
        super::GPAFEN => "asynchronous falling edges are looked for on",
        _ => "nothing is done to",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_and_pins_in_words() {
        assert_eq!(function(14, 2), "alternate function 5, TXD1");
        assert_eq!(function(14, 4), "alternate function 0, TXD0");
        assert_eq!((function(40, 4), function(46, 7)), ("alternate function 0, PWM0".into(), "alternate function 3".into()));
        assert_eq!((function(0, 0), function(0, 1)), ("an input".into(), "an output".into()));
        (0..64).for_each(|pin| (0..8).for_each(|code| assert!(!function(pin, code).is_empty())));
        assert_eq!((pins(0, 1 << 16), pins(1, 3), pins(0, 0)), ("pin 16".into(), "pins 32, 33".into(), "no pin".into()));
    }
}
