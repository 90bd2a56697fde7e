//! Colours of cells.

use ratatui_core::style::Color;

/// How many colours a terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colours {
    /// All of 24 bits.
    True,
    /// The 256 of xterm: a cube of 6x6x6 and 24 greys besides 16 that users change.
    Indexed,
}

impl Colours {
    /// The colour that comes nearest.
    pub fn nearest(self, rgb: [u8; 3]) -> Color {
        match self {
            Self::True => Color::Rgb(rgb[0], rgb[1], rgb[2]),
            Self::Indexed => Color::Indexed(indexed(rgb)),
        }
    }
}

/// Levels of the cube, from index 16.
const LEVELS: [u8; 6] = [0, 95, 135, 175, 215, 255];
/// First grey; each is 10 lighter than the one before, from 8 to 238.
const GREYS: u8 = 232;

fn indexed(rgb: [u8; 3]) -> u8 {
    let level = rgb.map(|value| LEVELS.iter().enumerate().min_by_key(|(_, level)| level.abs_diff(value)).map_or(0, |(index, _)| index));
    let in_cube = level.map(|index| LEVELS[index]);
    let mean = rgb.iter().map(|&value| u32::from(value)).sum::<u32>() / 3;
    let step = (mean.saturating_sub(3) / 10).min(23) as u8;
    let grey = 8 + 10 * step;
    let distance = |other: [u8; 3]| rgb.iter().zip(other).map(|(&a, b)| u32::from(a.abs_diff(b)).pow(2)).sum::<u32>();
    if distance([grey; 3]) < distance(in_cube) {
        return GREYS + step;
    }
    16 + (level[0] * 36 + level[1] * 6 + level[2]) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_of_256() {
        let known = [
            ([0, 0, 0], 16),
            ([255, 255, 255], 231),
            ([255, 0, 0], 196),
            ([0, 0, 250], 21),
            ([8, 8, 8], 232),
            ([238, 238, 238], 255),
            ([128, 128, 128], 244),
            ([95, 135, 175], 67),
        ];
        for (rgb, index) in known {
            assert_eq!(indexed(rgb), index, "{rgb:?}");
        }
    }
}
