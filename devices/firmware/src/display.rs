//! The display's mode by `hdmi_group` and `hdmi_mode`, its borders, and the frame buffer in them.
//!
//! # Resources
//! - CTA-861-G, video identification codes; VESA Display Monitor Timings 1.13.
//! - Raspberry Pi documentation, "Legacy config.txt options", video: which of them a Pi 3 has, and the borders' defaults.
//!
//! With nothing configured a board does what the monitor says; ours prefers 1024x768.

use crate::config::Config;
use tayberry_bcm2837::framebuffer::geometry::{MAX_PHYSICAL, Size};
use tayberry_bcm2837::setup::DisplaySetup;
use tayberry_engine::display::{Alpha, Depth};

/// Groups.
const CEA: i64 = 1;
const DMT: i64 = 2;
/// The mode of group DMT that `hdmi_cvt` and `hdmi_timings` define.
const CUSTOM: i64 = 87;
/// Modes of group CEA from here on are a Pi 4's.
const CEA_MODES: i64 = 65;
/// Borders of CEA modes where nothing disables them.
const BORDER_HD: i64 = 48;
const BORDER_SD: i64 = 32;
const HD_LINES: u32 = 720;

/// A mode of the tables.
fn cea(mode: i64) -> Option<Size> {
    Some(match mode {
        1 => (640, 480),
        4 | 19 | 41 | 47 | 60..=62 => (1280, 720),
        5 | 16 | 20 | 31..=34 | 39 | 40 | 46 | 63 | 64 => (1920, 1080),
        2 | 3 | 6 | 7 | 10 | 11 | 14 | 15 | 35 | 36 | 48..=51 | 56..=59 => (720, 480),
        8 | 9 | 12 | 13 => (720, 240),
        17 | 18 | 21 | 22 | 25 | 26 | 29 | 30 | 37 | 38 | 42..=45 | 52..=55 => (720, 576),
        23 | 24 | 27 | 28 => (720, 288),
        _ => return None,
    })
}

fn dmt(mode: i64) -> Option<Size> {
    Some(match mode {
        1 => (640, 350),
        2 => (640, 400),
        3 => (720, 400),
        4..=7 => (640, 480),
        8..=13 => (800, 600),
        14 => (848, 480),
        15..=20 => (1024, 768),
        21 => (1152, 864),
        22..=26 => (1280, 768),
        27..=31 => (1280, 800),
        32..=34 => (1280, 960),
        35..=38 => (1280, 1024),
        39 | 40 => (1360, 768),
        41..=45 => (1400, 1050),
        46..=50 => (1440, 900),
        51..=56 => (1600, 1200),
        57..=61 => (1680, 1050),
        62..=64 => (1792, 1344),
        65..=67 => (1856, 1392),
        68..=72 => (1920, 1200),
        73..=75 => (1920, 1440),
        76..=80 => (2560, 1600),
        81 | 86 => (1366, 768),
        82 => (1920, 1080),
        83 => (1600, 900),
        84 => (2048, 1152),
        85 => (1280, 720),
        _ => return None,
    })
}

/// The monitor's mode, and the border that the firmware gives it.
struct Mode {
    size: Size,
    border: i64,
}

/// What the configuration says of the display. What cannot be is noted there.
pub fn display(config: &mut Config) -> DisplaySetup {
    let default = DisplaySetup::default();
    let mode = mode(config, default.monitor);
    let mut side = |name: &str| mode.border + config.number(name).unwrap_or(0) + if config.flag("hdmi_safe") { 24 } else { 0 };
    let (across, down) = (side("overscan_left") + side("overscan_right"), side("overscan_top") + side("overscan_bottom"));
    let inside = (i64::from(mode.size.0) - across, i64::from(mode.size.1) - down);
    let asked = (config.number("framebuffer_width").unwrap_or(inside.0), config.number("framebuffer_height").unwrap_or(inside.1));
    let most = |config: &mut Config, name| config.number(name).filter(|&most| most > 0).unwrap_or(i64::MAX);
    let asked = (asked.0.min(most(config, "max_framebuffer_width")), asked.1.min(most(config, "max_framebuffer_height")));
    let screen = size(asked.0, asked.1).unwrap_or_else(|| {
        config.note(format_args!("a frame buffer of {}x{} pixels cannot be: it is the display's size", asked.0, asked.1));
        mode.size
    });
    let depth = config.number("framebuffer_depth").map_or(Some(default.depth), |bits| {
        u32::try_from(bits).ok().filter(|bits| [8, 16, 24, 32].contains(bits)).and_then(Depth::from_bits)
    });
    let depth = depth.unwrap_or_else(|| {
        config.note("framebuffer_depth is 8, 16, 24 or 32: it is 16 now");
        default.depth
    });
    let alpha = match config.number("framebuffer_ignore_alpha") {
        Some(0) => Alpha::Transparent0,
        _ => Alpha::Ignored,
    };
    let has_framebuffer = config.number("max_framebuffers") != Some(0);
    DisplaySetup { monitor: mode.size, screen, depth, alpha, has_framebuffer }
}

fn size(width: i64, height: i64) -> Option<Size> {
    let measure = |value: i64| u32::try_from(value).ok().filter(|value| (1..=MAX_PHYSICAL).contains(value));
    Some((measure(width)?, measure(height)?))
}

fn mode(config: &mut Config, default: Size) -> Mode {
    let (mut group, mut number) = (config.number("hdmi_group").unwrap_or(0), config.number("hdmi_mode"));
    if config.flag("hdmi_safe") {
        (group, number) = (DMT, Some(4));
    }
    let found = match (group, number) {
        (CEA, Some(mode)) => cea(mode),
        (DMT, Some(CUSTOM)) => custom(config),
        (DMT, Some(mode)) => dmt(mode),
        // The monitor's own.
        _ => Some(default),
    };
    if found.is_none() {
        let (group, number) = (if group == CEA { "CEA" } else { "DMT" }, number.unwrap_or(0));
        let why = if group == "CEA" && number > CEA_MODES { "it is a Raspberry Pi 4's" } else { "there is none, or it is not defined" };
        config.note(format_args!("{group} mode {number}: {why}; the display has {}x{}", default.0, default.1));
    }
    let size = found.unwrap_or(default);
    let is_cea = group == CEA && number.is_some() && found.is_some();
    let border = match size.1 {
        _ if !is_cea || config.flag("disable_overscan") => 0,
        HD_LINES.. => BORDER_HD,
        _ => BORDER_SD,
    };
    Mode { size, border }
}

/// The mode that `hdmi_cvt` (width, height, ...) or `hdmi_timings` (width, four more, height, ...) defines.
fn custom(config: &Config) -> Option<Size> {
    let words = |name: &str| -> Option<Vec<i64>> { config.text(name)?.split_whitespace().map(|word| word.parse().ok()).collect() };
    match (words("hdmi_cvt"), words("hdmi_timings")) {
        (Some(cvt), _) => size(*cvt.first()?, *cvt.get(1)?),
        (None, Some(timings)) => size(*timings.first()?, *timings.get(5)?),
        (None, None) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> (DisplaySetup, usize) {
        let mut config = Config::of(text);
        let display = display(&mut config);
        (display, config.notes().len())
    }

    #[test]
    fn modes_of_both_groups() {
        for (group, mode, size) in [
            (1, 1, (640, 480)),
            (1, 3, (720, 480)),
            (1, 4, (1280, 720)),
            (1, 16, (1920, 1080)),
            (1, 18, (720, 576)),
            (2, 4, (640, 480)),
            (2, 35, (1280, 1024)),
            (2, 39, (1360, 768)),
            (2, 58, (1680, 1050)),
            (2, 69, (1920, 1200)),
            (2, 82, (1920, 1080)),
            (2, 86, (1366, 768)),
        ] {
            let text = format!("hdmi_group={group}\nhdmi_mode={mode}\ndisable_overscan=1");
            let (display, notes) = of(&text);
            assert_eq!((display.monitor, display.screen, notes), (size, size, 0), "{text}");
        }
        assert!((1..CEA_MODES).all(|mode| cea(mode).is_some()) && (1..CUSTOM).all(|mode| dmt(mode).is_some()), "no holes");
        for auto in ["", "hdmi_mode=16", "hdmi_group=1", "hdmi_group=0\nhdmi_mode=4", "hdmi_mode:1=4\nhdmi_group:1=2"] {
            assert_eq!(of(auto), (DisplaySetup::default(), 0), "{auto}");
        }
        for wrong in ["hdmi_group=1\nhdmi_mode=97", "hdmi_group=2\nhdmi_mode=87", "hdmi_group=2\nhdmi_mode=-1"] {
            let (display, notes) = of(wrong);
            assert_eq!((display.monitor, notes), ((1024, 768), 1), "{wrong}");
        }
        assert_eq!(of("hdmi_group:0=2\nhdmi_mode:0=9").0.monitor, (800, 600));
    }

    #[test]
    fn modes_of_ones_own() {
        assert_eq!(of("hdmi_group=2\nhdmi_mode=87\nhdmi_cvt=800 480 60 6").0.screen, (800, 480));
        assert_eq!(of("hdmi_group=2\nhdmi_mode=87\nhdmi_timings=480 0 40 48 88 320 0 13 3 32 0 0 0 60 0 32000000 6").0.screen, (480, 320));
        for wrong in ["hdmi_cvt=800", "hdmi_cvt=0 480", "hdmi_cvt=a b", "hdmi_cvt=99999 480", "hdmi_timings=1 2 3"] {
            assert_eq!(of(&format!("hdmi_group=2\nhdmi_mode=87\n{wrong}")).0.monitor, (1024, 768), "{wrong}");
        }
    }

    #[test]
    fn borders() {
        let screen = |text: &str| of(text).0.screen;
        let hd = "hdmi_group=1\nhdmi_mode=16\n";
        assert_eq!(screen(hd), (1824, 984));
        assert_eq!(screen("hdmi_group=1\nhdmi_mode=3"), (656, 416), "what old kernels found everywhere");
        assert_eq!(screen(&format!("{hd}disable_overscan=1")), (1920, 1080));
        assert_eq!(screen(&format!("{hd}overscan_left=-48\noverscan_right=-0x30")), (1920, 984));
        assert_eq!(screen("overscan_left=10\noverscan_top=20"), (1014, 748));
        assert_eq!(screen("hdmi_safe=1"), (592, 432));
        assert_eq!((of("overscan_left=1024").0.screen, of("overscan_left=1024").1), ((1024, 768), 1));
        assert_eq!(of("overscan_left=9223372036854775807\noverscan_right=9223372036854775807").0.screen, (1024, 768));
    }

    #[test]
    fn frame_buffers_of_ones_own() {
        let (display, notes) = of("framebuffer_width=640\nframebuffer_height=200\nframebuffer_depth=32\nframebuffer_ignore_alpha=0");
        assert_eq!((display.monitor, display.screen, display.depth, notes), ((1024, 768), (640, 200), Depth::Rgb32, 0));
        assert_eq!((display.alpha, of("framebuffer_ignore_alpha=1").0.alpha), (Alpha::Transparent0, Alpha::Ignored));
        assert_eq!(of("max_framebuffer_width=800").0.screen, (800, 768));
        assert_eq!((of("framebuffer_depth=15").0.depth, of("framebuffer_depth=15").1), (Depth::Rgb16, 1));
        assert_eq!(of("framebuffer_width=0").1, 1);
        assert!(!of("max_framebuffers=0").0.has_framebuffer);
    }
}
