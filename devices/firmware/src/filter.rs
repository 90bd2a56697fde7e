//! Conditional filters: lines like `[pi3]` that say for which boards the lines after them are.
//!
//! # Resources
//! - Raspberry Pi documentation, config.txt, "Conditional filters".
//!
//! Filters of one kind replace each other, those of different kinds add up, and `[all]` takes all of them back.

use crate::config::Identity;

/// What a filter is about; those of the same kind replace each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Model,
    Serial,
    Monitor,
    Pin,
    Port,
    Tryboot,
    Partition,
    Unknown,
}

/// Models of all filters; the first two are this board's.
const MODELS: [&str; 17] =
    ["pi3", "pi", "pi3+", "pi1", "pi2", "pi4", "pi5", "pi400", "pi500", "cm4", "cm4s", "cm5", "pi0", "pi0w", "pi02", "cm1", "cm3"];

/// The filters in effect.
#[derive(Clone, Debug, Default)]
pub struct Filters(Vec<(Kind, bool)>);

impl Filters {
    /// True if lines are for this board.
    pub fn pass(&self) -> bool {
        self.0.iter().all(|(_, holds)| *holds)
    }

    /// A filter, by what is between its brackets. False if there is no such filter, which then hides what follows.
    pub fn add(&mut self, text: &str, board: &Identity) -> bool {
        if text == "all" {
            self.0.clear();
            return true;
        }
        let (kind, holds) = evaluate(text, board);
        self.0.retain(|(other, _)| *other != kind);
        self.0.push((kind, holds));
        kind != Kind::Unknown
    }
}

fn evaluate(text: &str, board: &Identity) -> (Kind, bool) {
    let number = |text: &str| parse_number(text).and_then(|value| u64::try_from(value).ok());
    let serial = text.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok());
    match text.split_once('=') {
        _ if text == "none" => (Kind::None, false),
        _ if text == "tryboot" => (Kind::Tryboot, false),
        _ if MODELS.contains(&text) => (Kind::Model, text == "pi3"),
        // Compared as far as it is written: boards say eight digits or sixteen.
        _ if serial.is_some() => (Kind::Serial, serial == Some(board.serial)),
        Some(("board-type", value)) => (Kind::Model, number(value) == Some(u64::from(board.revision >> 4 & 0xff))),
        Some(("EDID", name)) => (Kind::Monitor, name == board.monitor),
        Some(("boot_partition" | "partition", value)) => (Kind::Partition, number(value) == Some(board.partition.into())),
        Some((pin, level)) if pin.strip_prefix("gpio").is_some_and(|pin| pin.parse::<u32>().is_ok()) => {
            let pin = pin["gpio".len()..].parse::<u32>().ok().filter(|&pin| pin < 64);
            let high = pin.is_some_and(|pin| board.pins >> pin & 1 != 0);
            (Kind::Pin, number(level) == Some(high.into()))
        }
        _ => match text.strip_prefix("HDMI:").map(number) {
            Some(Some(port)) => (Kind::Port, port == 0),
            _ => (Kind::Unknown, false),
        },
    }
}

/// A number in decimal or, after 0x, in hexadecimal; with a sign or without.
pub fn parse_number(text: &str) -> Option<i64> {
    let (negative, digits) = text.strip_prefix('-').map_or((false, text), |digits| (true, digits));
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with(['+', '-']) => i64::from_str_radix(hex, 16).ok()?,
        Some(_) => return None,
        None => digits.parse().ok()?,
    };
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(filters: &str) -> bool {
        let mut all = Filters::default();
        let board = Identity { serial: 0x1234_5678, pins: 1 << 4, partition: 1, ..Identity::default() };
        filters.split_whitespace().for_each(|filter| {
            all.add(filter, &board);
        });
        all.pass()
    }

    #[test]
    fn each_kind_says_what_the_board_is() {
        for yes in ["", "all", "pi3", "0x12345678", "0x0000000012345678", "board-type=0x08", "board-type=8", "gpio4=1", "gpio2=0", "HDMI:0"]
        {
            assert!(pass(yes), "{yes}");
        }
        for no in
            ["none", "pi3+", "pi4", "pi2", "cm4", "tryboot", "0x12345679", "board-type=0x0d", "gpio4=0", "gpio2=1", "HDMI:1", "EDID=DEL-X"]
        {
            assert!(!pass(no), "{no}");
        }
        assert!(pass("EDID=TAY-Tayberry") && pass("boot_partition=1") && !pass("partition=2"));
    }

    #[test]
    fn kinds_add_up_and_replace_their_own() {
        for (filters, holds) in [
            ("pi2 pi3", true),
            ("pi3 pi4", false),
            ("pi3 gpio4=1", true),
            ("gpio4=0 pi3", false),
            ("gpio4=0 gpio4=1", true),
            ("board-type=0x11 pi3", true),
            ("none pi3", false),
            ("none all", true),
            ("pi4 0x12345678", false),
            ("nonsense pi3", false),
            ("nonsense all pi3", true),
        ] {
            assert_eq!(pass(filters), holds, "{filters}");
        }
    }

    #[test]
    fn unknown_filters_are_told() {
        let mut all = Filters::default();
        for (filter, known) in
            [("pi3", true), ("PI3", false), ("0xzz", false), ("gpio=1", false), ("gpio99=1", true), ("HDMI:x", false), ("", false)]
        {
            assert_eq!(all.add(filter, &Identity::default()), known, "{filter}");
        }
    }

    #[test]
    fn numbers() {
        for (text, number) in
            [("12", Some(12)), ("0x1F", Some(31)), ("-3", Some(-3)), ("-0x10", Some(-16)), ("--3", None), ("0x-1", None), ("1k", None)]
        {
            assert_eq!(parse_number(text), number, "{text}");
        }
    }
}
