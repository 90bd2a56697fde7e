//! The board's pins: an LED and a button each.

use crate::overlay::{Ink, Line};
use tayberry_engine::pins::{ACT_LED, Drive, Pins, function_word};

/// Pins of the 40-pin header (GPIO 2 to 27).
const FIRST: u8 = 2;
const LAST: u8 = 27;
/// Pins beside each other, and rows of them.
const ACROSS: u32 = 2;
const ROWS: u32 = (LAST - FIRST + 1) as u32 / ACROSS;
/// Letters of a pin, and of what is between two.
const CELL: usize = 24;
const GAP: usize = 2;
/// Lines above the pins.
const HEAD: u32 = 2;

/// The page.
pub fn lines(pins: &Pins) -> Vec<Line> {
    let mut lines = vec![Line::new(Ink::Title, "Ctrl+F1  Pins").and(Ink::Label, "  hold: button, right: switch"), led(pins)];
    lines.extend((0..ROWS as u8).map(|row| {
        let left = cell(Line::default(), pins, FIRST + row);
        cell(left.and(Ink::Label, " ".repeat(GAP)), pins, FIRST + row + ROWS as u8)
    }));
    lines
}

fn light(line: Line, on: bool) -> Line {
    if on { line.and(Ink::Title, "(*) ") } else { line.and(Ink::Label, "( ) ") }
}

fn led(pins: &Pins) -> Line {
    let on = pins.level(ACT_LED);
    light(Line::default(), on).and(Ink::Text, "ACT LED").and(Ink::Label, if on { " on" } else { " off" })
}

fn cell(line: Line, pins: &Pins, pin: u8) -> Line {
    let level = pins.level(pin);
    let outside = match pins.drive(pin) {
        Some(true) => " <1",
        Some(false) => " <0",
        None => "",
    };
    let words = format!("{:<6} {}", function_word(pins.function(pin)), if level { "high" } else { "low" });
    let used = 4 + 3 + words.len() + outside.len();
    let line = light(line, level).and(Ink::Text, format!("{pin:>2} ")).and(Ink::Label, words);
    line.and(Ink::Alarm, outside).and(Ink::Label, " ".repeat(CELL.saturating_sub(used)))
}

/// The pin whose cell has the letter at this column and row of the page.
pub fn pin_at(column: u32, row: u32) -> Option<u8> {
    let row = row.checked_sub(HEAD).filter(|&row| row < ROWS)?;
    let (across, within) = (column / (CELL + GAP) as u32, column % (CELL + GAP) as u32);
    (across < ACROSS && within < CELL as u32).then_some(FIRST + (across * ROWS + row) as u8)
}

/// What a pin is driven to while its button is held: away from where it rests.
pub fn pressed(pins: &Pins, pin: u8) -> Drive {
    Some(match pins.drive(pin) {
        Some(level) => !level,
        None => !pins.level(pin),
    })
}

/// What a switch is put to next: away from where it rests, and back.
pub fn switched(pins: &Pins, pin: u8) -> Drive {
    if pins.drive(pin).is_some() { None } else { pressed(pins, pin) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::GuestTime;
    use tayberry_engine::pins::By;

    #[test]
    fn every_pin_has_its_cell() {
        let pins = Pins::default();
        let page: Vec<String> = lines(&pins).iter().map(Line::text).collect();
        for pin in FIRST..=LAST {
            let found = page.iter().enumerate().find_map(|(row, text)| Some((text.find(&format!("{pin:>2} input"))?, row)));
            let (column, row) = found.unwrap_or_else(|| panic!("{pin}: {page:#?}"));
            assert_eq!(pin_at(column as u32, row as u32), Some(pin));
        }
        assert_eq!([pin_at(0, 0), pin_at(0, 1), pin_at(0, 15), pin_at(25, 3), pin_at(51, 3), pin_at(u32::MAX, u32::MAX)], [None; 6]);
        assert!(page.iter().all(|line| line.len() <= 60), "it fits into a small window");
    }

    #[test]
    fn functions_levels_and_the_led_are_shown() {
        let pins = Pins::default();
        let mut functions = [0; 6];
        functions[1] = 1 << 18;
        pins.show(1 << 16, functions, By::Guest, || GuestTime(0));
        pins.show_driven(1 << 17, 0);
        pins.show_led(true, GuestTime(0));
        let page = lines(&pins).iter().map(Line::text).collect::<Vec<_>>().join("\n");
        for words in ["(*) ACT LED on", "(*) 16 output high", "( ) 17 input  low <0"] {
            assert!(page.contains(words), "{words}: {page}");
        }
    }

    #[test]
    fn buttons_and_switches_go_away_from_where_a_pin_rests() {
        let pins = Pins::default();
        pins.show(1 << 3, [0; 6], By::Guest, || GuestTime(0));
        assert_eq!([pressed(&pins, 3), pressed(&pins, 4), switched(&pins, 4)], [Some(false), Some(true), Some(true)]);
        pins.show_driven(1 << 4, 1 << 4);
        assert_eq!((switched(&pins, 4), pressed(&pins, 4)), (None, Some(false)));
    }
}
