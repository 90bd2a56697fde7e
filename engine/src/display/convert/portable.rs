//! Kernels in plain Rust.

use super::{Converter, Kernel, OPAQUE, RGBA};
pub(super) use crate::display::digest::digest;

/// Converts as many pixels as both slices hold.
pub(super) fn paint(converter: &Converter, source: &[u8], out: &mut [u8]) {
    match converter.kernel {
        Kernel::Indexed8 => {
            if let Some(palette) = &converter.palette {
                indexed8(source, &palette.colours, out);
            }
        }
        Kernel::Rgb15 => direct16(source, out, |v| rgb(five(v >> 10), five(v >> 5), five(v))),
        Kernel::Bgr15 => direct16(source, out, |v| rgb(five(v), five(v >> 5), five(v >> 10))),
        Kernel::Rgb16 => direct16(source, out, |v| rgb(five(v >> 11), six(v >> 5), five(v))),
        Kernel::Bgr16 => direct16(source, out, |v| rgb(five(v), six(v >> 5), five(v >> 11))),
        Kernel::Rgb24 => direct24(source, out, |v| v),
        Kernel::Bgr24 => direct24(source, out, swap_red_blue),
        Kernel::Rgb32 => direct32(source, out, |v| v | OPAQUE),
        Kernel::Bgr32 => direct32(source, out, |v| swap_red_blue(v) | OPAQUE),
        Kernel::Rgb32Alpha { invert: false } => direct32(source, out, |v| over_black(v, v >> 24)),
        Kernel::Rgb32Alpha { invert: true } => direct32(source, out, |v| over_black(v, !v >> 24)),
        Kernel::Bgr32Alpha { invert: false } => direct32(source, out, |v| over_black(swap_red_blue(v), v >> 24)),
        Kernel::Bgr32Alpha { invert: true } => direct32(source, out, |v| over_black(swap_red_blue(v), !v >> 24)),
    }
}

#[inline]
fn rgb(red: u32, green: u32, blue: u32) -> u32 {
    OPAQUE | blue << 16 | green << 8 | red
}

/// The low five bits spread over eight: the top bits again at the bottom, so that full stays full.
#[inline]
fn five(value: u32) -> u32 {
    let value = value & 0x1F;
    value << 3 | value >> 2
}

/// The low six bits spread over eight.
#[inline]
fn six(value: u32) -> u32 {
    let value = value & 0x3F;
    value << 2 | value >> 4
}

/// Exchanges the first and the third byte.
#[inline]
fn swap_red_blue(value: u32) -> u32 {
    (value & 0xFF00_FF00) | (value >> 16 & 0xFF) | (value & 0xFF) << 16
}

/// The colour scaled by `alpha` / 255, each component rounded to nearest.
#[inline]
fn over_black(value: u32, alpha: u32) -> u32 {
    let scale = |component: u32| {
        let product = (component & 0xFF) * alpha + 128;
        (product + (product >> 8)) >> 8
    };
    rgb(scale(value), scale(value >> 8), scale(value >> 16))
}

#[inline]
fn indexed8(source: &[u8], palette: &[u32; 256], out: &mut [u8]) {
    for (&index, pixel) in source.iter().zip(out.chunks_exact_mut(RGBA)) {
        pixel.copy_from_slice(&palette[usize::from(index)].to_le_bytes());
    }
}

#[inline]
fn direct16(source: &[u8], out: &mut [u8], convert: impl Fn(u32) -> u32) {
    for (bytes, pixel) in source.as_chunks::<2>().0.iter().zip(out.as_chunks_mut::<RGBA>().0) {
        *pixel = convert(u32::from(u16::from_le_bytes(*bytes))).to_le_bytes();
    }
}

#[inline]
fn direct32(source: &[u8], out: &mut [u8], convert: impl Fn(u32) -> u32) {
    for (bytes, pixel) in source.as_chunks::<4>().0.iter().zip(out.as_chunks_mut::<RGBA>().0) {
        *pixel = convert(u32::from_le_bytes(*bytes)).to_le_bytes();
    }
}

/// Four pixels are three words.
#[inline]
fn direct24(source: &[u8], out: &mut [u8], convert: impl Fn(u32) -> u32) {
    let pixels = (source.len() / 3).min(out.len() / RGBA);
    let (source, out) = (&source[..pixels * 3], &mut out[..pixels * RGBA]);
    let (fours, rest) = source.as_chunks::<12>();
    let (out_fours, out_rest) = out.as_chunks_mut::<16>();
    for (bytes, four) in fours.iter().zip(out_fours) {
        let word = |at: usize| u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        let (a, b, c) = (word(0), word(4), word(8));
        let colours = [a, a >> 24 | b << 8, b >> 16 | c << 16, c >> 8];
        for (pixel, colour) in four.as_chunks_mut::<RGBA>().0.iter_mut().zip(colours) {
            *pixel = (convert(colour) | OPAQUE).to_le_bytes();
        }
    }
    for (bytes, pixel) in rest.as_chunks::<3>().0.iter().zip(out_rest.as_chunks_mut::<RGBA>().0) {
        *pixel = (convert(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0])) | OPAQUE).to_le_bytes();
    }
}
