//! What a screen shows, one pixel at a time, as the definition of each setting has it: what tests compare the [`crate::display::Renderer`] with.

use crate::display::{Alpha, Depth, Frame, Overscan, PixelOrder, ScanoutConfig};
use tayberry_ram::GuestRam;

/// RGBA8 of the pixel `x`, `y` of the screen. Black where nothing is shown, and where `config` leads out of `ram`.
pub fn reference_pixel(config: &ScanoutConfig, ram: &GuestRam, x: u32, y: u32) -> [u8; 4] {
    let [red, green, blue] = colour(config, ram, x, y).unwrap_or([0; 3]);
    [red, green, blue, 0xFF]
}

/// The first pixel of `frame` that is not what `config` defines, looking at every `step`th: its place and what it should be.
pub fn first_difference(frame: &Frame, config: &ScanoutConfig, ram: &GuestRam, step: usize) -> Option<((u32, u32), [u8; 4])> {
    let width = frame.width.max(1);
    frame.pixels.chunks_exact(4).enumerate().step_by(step.max(1)).find_map(|(at, pixel)| {
        let (x, y) = (at as u32 % width, at as u32 / width);
        let expected = reference_pixel(config, ram, x, y);
        (pixel != expected).then_some(((x, y), expected))
    })
}

/// Red, green, blue; `None` where nothing is shown.
fn colour(config: &ScanoutConfig, ram: &GuestRam, x: u32, y: u32) -> Option<[u8; 3]> {
    let (width, height) = (u64::from(config.physical.0), u64::from(config.physical.1));
    let Overscan { top, bottom, left, right } = config.overscan;
    let inner_width = width.checked_sub(u64::from(left) + u64::from(right)).filter(|&inner| inner > 0)?;
    let inner_height = height.checked_sub(u64::from(top) + u64::from(bottom)).filter(|&inner| inner > 0)?;
    let x = u64::from(x.checked_sub(left)?);
    let y = u64::from(y.checked_sub(top)?);
    if config.blank || x >= inner_width || y >= inner_height {
        return None;
    }
    let column = (2 * x + 1) * width / (2 * inner_width) + u64::from(config.offset.0);
    let line = (2 * y + 1) * height / (2 * inner_height) + u64::from(config.offset.1);
    if column >= u64::from(config.virtual_size.0) || line >= u64::from(config.virtual_size.1) {
        return None;
    }
    let bytes = u64::from(config.depth.bytes());
    let at = config.base + line * u64::from(config.pitch) + column * bytes;
    let mut value = 0;
    for byte in (0..bytes).rev() {
        value = value << 8 | u32::from(ram.read_u8(at + byte)?);
    }
    let spread = |bits: u32, top: u32| {
        let max = (1 << bits) - 1;
        let part = value >> (top - bits) & max;
        (part << (8 - bits) | part >> (2 * bits - 8)) as u8
    };
    let [mut first, second, mut third] = match config.depth {
        Depth::Indexed8 => {
            let entry = config.palette[value as usize];
            return Some([entry as u8, (entry >> 8) as u8, (entry >> 16) as u8]);
        }
        Depth::Rgb15 => [spread(5, 15), spread(5, 10), spread(5, 5)],
        Depth::Rgb16 => [spread(5, 16), spread(6, 11), spread(5, 5)],
        Depth::Rgb24 | Depth::Rgb32 => [value as u8, (value >> 8) as u8, (value >> 16) as u8],
    };
    if config.order == PixelOrder::Bgr {
        std::mem::swap(&mut first, &mut third);
    }
    let opacity = match config.alpha {
        Alpha::Opaque0 if config.depth == Depth::Rgb32 => 255 - (value >> 24),
        Alpha::Transparent0 if config.depth == Depth::Rgb32 => value >> 24,
        _ => 255,
    };
    if opacity == 255 {
        return Some([first, second, third]);
    }
    Some([first, second, third].map(|component| (f64::from(component) * f64::from(opacity) / 255.0).round() as u8))
}
