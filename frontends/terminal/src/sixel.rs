//! Pictures as sixels.
//!
//! Up to 256 colours are shown as they are, to the percent in which sixels tell them. Pictures with more get a fixed palette of 6x7x6 levels
//! and an ordered dither: unlike a palette made for each picture it costs next to nothing, and colours do not swim from frame to frame.
//!
//! # Resources
//! - DEC, "VT330/VT340 Programmer Reference Manual", volume 2, chapter 14: sixel data format, raster attributes, colour introducer.

use crate::scale::Pixels;
use std::collections::HashMap;
use std::io::{self, Write};

/// Pixels of a band.
pub const BAND: u32 = 6;
/// Colours that terminals have registers for.
const COLOURS: usize = 256;
/// Longest run: some terminals take no larger number.
const LONGEST_RUN: usize = 255;
/// Levels of red, green and blue of the fixed palette: eyes tell greens best.
const LEVELS: [u32; 3] = [6, 7, 6];
/// Ordered dither of 4x4 pixels, in sixteenths.
const DITHER: [[u32; 4]; 4] = [[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]];

/// A picture in colours of a palette.
struct Indexed {
    palette: Vec<[u8; 3]>,
    indices: Vec<u8>,
}

/// Writes `pixels` as sixels at the cursor.
///
/// # Errors
/// What writing says.
pub fn show(out: &mut Vec<u8>, pixels: &Pixels) -> io::Result<()> {
    let Pixels { width, height, .. } = *pixels;
    if width == 0 || height == 0 {
        return Ok(());
    }
    let Indexed { palette, indices } = exact(pixels).unwrap_or_else(|| dithered(pixels));
    // Square pixels; what is not painted stays as it is.
    write!(out, "\x1bP0;1;0q\"1;1;{width};{height}")?;
    for (index, [r, g, b]) in palette.iter().map(|colour| colour.map(|value| (u32::from(value) * 100 + 127) / 255)).enumerate() {
        write!(out, "#{index};2;{r};{g};{b}")?;
    }
    let width = width as usize;
    let mut band = vec![0u8; COLOURS * width];
    let mut used = [false; COLOURS];
    for lines in indices.chunks(width * BAND as usize) {
        for (row, line) in lines.chunks(width).enumerate() {
            for (x, &index) in line.iter().enumerate() {
                band[usize::from(index) * width + x] |= 1 << row;
                used[usize::from(index)] = true;
            }
        }
        for index in (0..COLOURS).filter(|&index| std::mem::take(&mut used[index])) {
            let sixels = &mut band[index * width..(index + 1) * width];
            write!(out, "#{index}")?;
            put_runs(out, sixels)?;
            out.push(b'$');
            sixels.fill(0);
        }
        out.push(b'-');
    }
    out.extend_from_slice(b"\x1b\\");
    Ok(())
}

/// Sixels of one colour, runs of equal ones shortened.
fn put_runs(out: &mut Vec<u8>, sixels: &[u8]) -> io::Result<()> {
    let end = sixels.iter().rposition(|&sixel| sixel != 0).map_or(0, |last| last + 1);
    for run in sixels[..end].chunk_by(|a, b| a == b).flat_map(|run| run.chunks(LONGEST_RUN)) {
        let letter = b'?' + run[0];
        if run.len() > 3 {
            write!(out, "!{}", run.len())?;
            out.push(letter);
        } else {
            out.extend(std::iter::repeat_n(letter, run.len()));
        }
    }
    Ok(())
}

/// The picture in its own colours, unless it has too many.
fn exact(pixels: &Pixels) -> Option<Indexed> {
    let mut known = HashMap::new();
    let (mut palette, mut indices) = (Vec::new(), Vec::with_capacity(pixels.rgba.len() / 4));
    let (mut last, mut last_index) = ([0, 0, 0], None);
    for pixel in pixels.rgba.chunks_exact(4) {
        let rgb = [pixel[0], pixel[1], pixel[2]];
        let index = match last_index {
            Some(index) if rgb == last => index,
            _ => *known.entry(rgb).or_insert_with(|| {
                palette.push(rgb);
                palette.len() - 1
            }),
        };
        if index >= COLOURS {
            return None;
        }
        (last, last_index) = (rgb, Some(index));
        indices.push(index as u8);
    }
    Some(Indexed { palette, indices })
}

fn dithered(pixels: &Pixels) -> Indexed {
    let [reds, greens, blues] = LEVELS;
    let level = |step: u32, levels: u32| (step * 255 / (levels - 1)) as u8;
    let colour = |index: u32| [level(index / (greens * blues), reds), level(index / blues % greens, greens), level(index % blues, blues)];
    let palette = (0..reds * greens * blues).map(colour).collect();
    let width = pixels.width as usize;
    let index = |(at, pixel): (usize, &[u8])| {
        let threshold = DITHER[at / width % 4][at % width % 4] * 255 / 16;
        let step = |value: u8, levels: u32| (u32::from(value) * (levels - 1) + threshold) / 255;
        (step(pixel[0], reds) * greens * blues + step(pixel[1], greens) * blues + step(pixel[2], blues)) as u8
    };
    let indices = pixels.rgba.chunks_exact(4).enumerate().map(index).collect();
    Indexed { palette, indices }
}

/// A plain decoder, for tests.
#[cfg(test)]
pub mod decoder {
    use crate::scale::Pixels;

    fn number(bytes: &mut &[u8]) -> usize {
        let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(bytes.len());
        let (digits, rest) = bytes.split_at(end);
        *bytes = rest;
        std::str::from_utf8(digits).expect("digits").parse().expect("a number")
    }

    fn numbers(bytes: &mut &[u8]) -> Vec<usize> {
        let mut all = vec![number(bytes)];
        while let Some(rest) = bytes.strip_prefix(b";") {
            *bytes = rest;
            all.push(number(bytes));
        }
        all
    }

    /// The picture of `sixels`, from its introducer to its end.
    pub fn decode(sixels: &[u8]) -> Pixels {
        let mut bytes = sixels.strip_prefix(b"\x1bP0;1;0q\"").expect("an introducer").strip_suffix(b"\x1b\\").expect("an end");
        let raster = numbers(&mut bytes);
        let (width, height) = (raster[2], raster[3]);
        let mut rgba = vec![0; width * height * 4];
        let mut palette = vec![[0u8; 3]; 256];
        let (mut x, mut y, mut colour) = (0, 0, 0);
        while let Some((&command, rest)) = bytes.split_first() {
            bytes = rest;
            let mut count = 1;
            let mut sixel = command;
            match command {
                b'#' => {
                    let given = numbers(&mut bytes);
                    colour = given[0];
                    if let [_, 2, r, g, b] = given[..] {
                        palette[colour] = [r, g, b].map(|percent| ((percent * 255 + 50) / 100) as u8);
                    }
                    continue;
                }
                b'$' => {
                    x = 0;
                    continue;
                }
                b'-' => {
                    (x, y) = (0, y + 6);
                    continue;
                }
                b'!' => {
                    count = number(&mut bytes);
                    sixel = bytes[0];
                    bytes = &bytes[1..];
                }
                _ => {}
            }
            let bits = sixel.checked_sub(b'?').filter(|&bits| bits < 64).expect("a sixel");
            for _ in 0..count {
                for row in (0..6).filter(|row| bits >> row & 1 == 1) {
                    assert!(x < width && y + row < height, "outside the picture");
                    let at = ((y + row) * width + x) * 4;
                    rgba[at..at + 3].copy_from_slice(&palette[colour]);
                    rgba[at + 3] = 255;
                }
                x += 1;
            }
        }
        Pixels { width: width as u32, height: height as u32, rgba }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(pixels: &Pixels) -> Pixels {
        let mut out = Vec::new();
        show(&mut out, pixels).expect("memory takes it");
        decoder::decode(&out)
    }

    fn worst(a: &Pixels, b: &Pixels) -> u8 {
        assert_eq!((a.width, a.height), (b.width, b.height));
        a.rgba.iter().zip(&b.rgba).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
    }

    #[test]
    fn up_to_256_colours_are_exact_to_the_percent() {
        for (width, height) in [(1, 1), (7, 5), (300, 13), (256, 12)] {
            let rgba =
                (0..width * height).flat_map(|at: u32| [(at % 256) as u8, 255 - (at % 256) as u8, (at % 16 * 16) as u8, 255]).collect();
            let pixels = Pixels { width, height, rgba };
            assert!(worst(&pixels, &shown(&pixels)) <= 2, "{width}x{height}");
        }
    }

    #[test]
    fn more_colours_are_right_on_average() {
        let (width, height) = (256u32, 64u32);
        let rgba = (0..width * height).flat_map(|at| [(at % 256) as u8, (at / 256 * 4) as u8, (at % 251) as u8, 255]).collect();
        let pixels = Pixels { width, height, rgba };
        let mut scaler = crate::scale::Scaler::default();
        let coded = shown(&pixels);
        let (before, after) = (scaler.scale(&pixels, (16, 4)).into_owned(), scaler.scale(&coded, (16, 4)).into_owned());
        assert!(worst(&before, &after) <= 12, "{}", worst(&before, &after));
        let black = Pixels { width: 600, height: 6, rgba: [[0, 0, 0, 255].repeat(3000), pixels.rgba[..2400].to_vec()].concat() };
        assert_eq!(shown(&black).rgb(0, 0), [0; 3], "black stays black");
    }

    #[test]
    fn nothing_to_show_is_nothing() {
        let mut out = Vec::new();
        show(&mut out, &Pixels::default()).expect("memory");
        assert!(out.is_empty());
    }
}
