//! The splash screen: the rainbow that a board shows from power-on.
//!
//! # Resources
//! - raspberrypi/firmware#1976: it is a test pattern of 2x2 pixels, scaled up to the screen; no frame buffer. The firmware replaces it with one before a
//!   kernel starts that has a device tree.
//! - Raspberry Pi documentation, config.txt, `disable_splash`.
//!
//! A kernel without a device tree that never allocates a frame buffer leaves it standing. The four colours here, and the straight interpolation between
//! them, are our own: the firmware's are not published.

use super::geometry::Size;
use std::ops::Range;
use std::sync::Arc;
use tayberry_engine::GuestRam;
use tayberry_engine::display::{Alpha, Depth, Overscan, PixelOrder, ScanoutConfig};

/// Red, green and blue of the four pixels: the upper two from the left, and the lower two.
const CORNERS: [[[u32; 3]; 2]; 2] = [[[224, 32, 48], [248, 216, 40]], [[72, 48, 200], [32, 200, 176]]];
const BYTES_PER_PIXEL: u32 = Depth::Rgb32.bytes();

/// Draws it for a screen of `size` pixels into memory of the firmware's own, `room`. `None` if it does not fit, or does not lie in RAM.
pub fn draw(size: Size, room: Range<u64>, ram: &Arc<GuestRam>) -> Option<ScanoutConfig> {
    let (width, height) = size;
    let pitch = width.checked_mul(BYTES_PER_PIXEL)?;
    let base = room.start.next_multiple_of(4096);
    if base + u64::from(pitch) * u64::from(height) > room.end {
        return None;
    }
    for y in 0..height {
        let line: Vec<u8> = (0..width).flat_map(|x| pixel(x, y, size)).collect();
        ram.copy_in(base + u64::from(y) * u64::from(pitch), &line)?;
    }
    Some(ScanoutConfig {
        base,
        pitch,
        physical: size,
        virtual_size: size,
        offset: (0, 0),
        depth: Depth::Rgb32,
        order: PixelOrder::Rgb,
        alpha: Alpha::Ignored,
        palette: Arc::new([0; 256]),
        blank: false,
        overscan: Overscan::default(),
    })
}

/// Red, green, blue and 255 of the pixel at (`x`, `y`) of a screen of `size`.
fn pixel(x: u32, y: u32, size: Size) -> [u8; 4] {
    let [across, down] = [weight(x, size.0), weight(y, size.1)];
    let mut rgba = [255; 4];
    for (component, value) in rgba.iter_mut().take(3).enumerate() {
        let row = |row: usize| u64::from(CORNERS[row][0][component]) * (ONE - across) + u64::from(CORNERS[row][1][component]) * across;
        *value = ((row(0) * (ONE - down) + row(1) * down + ONE * ONE / 2) / (ONE * ONE)) as u8;
    }
    rgba
}

/// One, as weights count.
const ONE: u64 = 1 << 16;

/// Weight of the second of two pixels at position `at` of `whole`: nothing up to the first one's centre, a quarter in, and all from the second one's on.
fn weight(at: u32, whole: u32) -> u64 {
    // The centre of position `at` lies at (2 at + 1) / 2 of `whole`; the scaled pixels' centres at its first and third quarter.
    let (position, whole) = (2 * u64::from(at) + 1, u64::from(whole));
    (2 * position).saturating_sub(whole).saturating_mul(ONE).checked_div(2 * whole).unwrap_or(0).min(ONE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn corners_are_plain_and_the_middle_is_a_mixture() {
        let size = (64, 48);
        for (x, y, row, column) in [(0, 0, 0, 0), (63, 0, 0, 1), (0, 47, 1, 0), (63, 47, 1, 1), (15, 11, 0, 0)] {
            assert_eq!(pixel(x, y, size)[..3], CORNERS[row][column].map(|value| value as u8), "{x},{y}");
        }
        let middle = pixel(3200, 2400, (6400, 4800));
        for component in 0..3 {
            let mean = CORNERS.iter().flatten().map(|corner| corner[component]).sum::<u32>() / 4;
            assert!(u32::from(middle[component]).abs_diff(mean) < 2, "{middle:?}");
        }
        assert_eq!(pixel(0, 0, (1, 1))[3], 255);
    }

    #[test]
    fn it_takes_no_more_room_than_it_has() {
        let ram = Arc::new(GuestRam::new(1 << 20).expect("address space"));
        assert!(draw((64, 64), 0x1000..0x5000, &ram).is_some());
        assert!(draw((64, 65), 0x1000..0x5000, &ram).is_none());
        assert!(draw((64, 64), 0x1001..0x5000, &ram).is_none(), "aligned, it begins later");
        assert!(draw((u32::MAX, u32::MAX), 0x1000..0x5000, &ram).is_none());
        assert!(draw((64, 64), 1 << 21..1 << 22, &ram).is_none(), "outside of RAM");
    }
}
