//! Options about general purpose pins.

use clap::Args;
use std::path::PathBuf;
use tayberry_bcm2837::gpio::PinSetting;
use tayberry_engine::GuestTime;
use tayberry_engine::pins::{PINS, PinEvent};

/// Options about pins.
#[derive(Args, Clone, Debug, Default)]
pub struct PinArgs {
    /// Write every change of a GPIO pin's function or level, and of the activity LED, as a row: time_s,pin,function,level,by [default: none]
    #[arg(long, value_name = "FILE.csv")]
    pub gpio_log: Option<PathBuf>,

    /// Drive a GPIO pin (0 to 53) from outside to low or high at a guest time since power-on, in seconds or with s, ms, us or ns behind it: 17=0@1.5s. PIN=z@TIME leaves it alone again, to its pull
    /// resistor. May be repeated
    #[arg(long, value_name = "PIN=0|1|z@TIME", value_parser = setting)]
    pub gpio_set: Vec<PinSetting>,
}

fn setting(text: &str) -> Result<PinSetting, String> {
    let form = || "it is PIN=0|1|z@TIME".to_owned();
    let (pin, rest) = text.split_once('=').ok_or_else(form)?;
    let (drive, time) = rest.split_once('@').ok_or_else(form)?;
    let pin = pin.parse().ok().filter(|&pin| pin < PINS).ok_or_else(|| format!("the pins are 0 to {}", PINS - 1))?;
    let drive = match drive {
        "0" => Some(false),
        "1" => Some(true),
        "z" => None,
        _ => return Err("a pin is driven to 0 or 1, or left alone: z".into()),
    };
    Ok(PinSetting {
        at: time_of(time).ok_or("the time is a number of seconds from 0 up, or has s, ms, us or ns behind it")?,
        event: PinEvent { pin, drive },
    })
}

/// A guest time in words.
fn time_of(text: &str) -> Option<GuestTime> {
    let units = [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9), ("", 1e9)];
    let (number, ns) = units.iter().find_map(|(unit, ns)| Some((text.strip_suffix(unit)?, ns)))?;
    let time = number.parse::<f64>().ok()? * ns;
    // A century is long enough.
    (0.0..=3.2e18).contains(&time).then(|| GuestTime(time.round() as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_have_a_pin_a_level_and_a_time() {
        for (text, pin, drive, at) in [
            ("17=0@1.5s", 17, Some(false), 1_500_000_000),
            ("0=1@0", 0, Some(true), 0),
            ("53=z@250ms", 53, None, 250_000_000),
            ("4=1@20us", 4, Some(true), 20_000),
            ("4=1@7ns", 4, Some(true), 7),
            ("4=1@2", 4, Some(true), 2_000_000_000),
        ] {
            assert_eq!(setting(text), Ok(PinSetting { at: GuestTime(at), event: PinEvent { pin, drive } }), "{text}");
        }
        for text in [
            "", "17", "17=1", "17@1", "54=1@1", "-1=1@1", "x=1@1", "17=2@1", "17=1@", "17=1@x", "17=1@-1", "17=1@1m", "17=1@inf",
            "17=1@nan",
        ] {
            assert!(setting(text).is_err(), "{text}");
        }
    }
}
