//! GIF: "Graphics Interchange Format, Version 89a".

use crate::video::tail::Tail;
use crate::video::{Format, RGBA, Rect};
use color_quant::NeuQuant;
use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};
use std::io;

/// The block that ends a file.
const END: [u8; 1] = [0x3B];
const UNIT_NS: u64 = 10_000_000;
/// Pixels that the quantiser looks at, where there are more than 256 colours, and how thoroughly: from 1, the best, to 30, the fastest.
const SAMPLES: usize = 1 << 16;
const SPEED: i32 = 3;

/// Colours of a frame.
const COLOURS: usize = 256;

pub(super) struct Gif {
    tail: Tail,
    /// Made with the first frame.
    encoder: Option<Encoder<Vec<u8>>>,
}

impl Gif {
    pub(super) fn new(tail: Tail) -> Self {
        Self { tail, encoder: None }
    }
}

fn io_error(error: EncodingError) -> io::Error {
    match error {
        EncodingError::Io(error) => error,
        error => io::Error::other(error),
    }
}

/// A screen's measure as the format has it; none is larger.
fn short(measure: u32) -> u16 {
    u16::try_from(measure).unwrap_or(u16::MAX)
}

/// Remembers the indices of colours, of as many as have places of their own.
struct Memo {
    /// Colour and index, by the colour's hash; no colour has this many bits.
    places: Vec<(u64, u8)>,
}

impl Memo {
    const BITS: u32 = 14;

    fn new() -> Self {
        Self { places: vec![(u64::MAX, 0); 1 << Self::BITS] }
    }

    /// The index of `colour`, by `find` where it is not remembered.
    fn index(&mut self, colour: u32, find: impl FnOnce() -> Option<u8>) -> Option<u8> {
        let place = &mut self.places[(colour.wrapping_mul(0x9E37_79B1) >> (32 - Self::BITS)) as usize];
        if place.0 != u64::from(colour) {
            *place = (u64::from(colour), find()?);
        }
        Some(place.1)
    }
}

/// Indices and palette of RGBA8 pixels with 256 colours at most.
fn exact(pixels: &[[u8; RGBA]]) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut palette: Vec<u32> = Vec::new();
    let mut memo = Memo::new();
    let index = |pixel: &[u8; RGBA]| {
        let colour = u32::from_le_bytes(*pixel);
        memo.index(colour, || {
            let known = palette.iter().position(|&entry| entry == colour);
            let index = known.unwrap_or_else(|| {
                palette.push(colour);
                palette.len() - 1
            });
            u8::try_from(index).ok()
        })
    };
    let indices = pixels.iter().map(index).collect::<Option<Vec<u8>>>()?;
    let palette = palette.iter().flat_map(|colour| [*colour as u8, (colour >> 8) as u8, (colour >> 16) as u8]).collect();
    Some((indices, palette))
}

/// Indices and palette of pixels with more colours: near ones.
fn near(pixels: &[[u8; RGBA]]) -> (Vec<u8>, Vec<u8>) {
    // An odd step: not the same columns in each line.
    let step = (pixels.len() / SAMPLES) | 1;
    let samples: Vec<u8> = pixels.iter().step_by(step).flatten().copied().collect();
    let quantiser = NeuQuant::new(SPEED, COLOURS, &samples);
    let mut memo = Memo::new();
    let find = |pixel: &[u8; RGBA]| u8::try_from(quantiser.index_of(pixel)).ok();
    let indices = pixels.iter().map(|pixel| memo.index(u32::from_le_bytes(*pixel), || find(pixel)).unwrap_or(0)).collect();
    (indices, quantiser.color_map_rgb())
}

impl Format for Gif {
    /// Viewers take less for a tenth of a second.
    const SHORTEST_NS: u64 = 2 * UNIT_NS;

    fn frame(&mut self, canvas: (u32, u32), rect: Rect, pixels: &[u8], delay_ns: u64) -> io::Result<u64> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => {
                let mut encoder = Encoder::new(Vec::new(), short(canvas.0), short(canvas.1), &[]).map_err(io_error)?;
                encoder.set_repeat(Repeat::Infinite).map_err(io_error)?;
                none.insert(encoder)
            }
        };
        let delay = u16::try_from(delay_ns.saturating_add(UNIT_NS / 2) / UNIT_NS).unwrap_or(u16::MAX);
        let pixels = pixels.as_chunks::<RGBA>().0;
        let (indices, palette) = exact(pixels).unwrap_or_else(|| near(pixels));
        let frame = Frame {
            delay,
            dispose: DisposalMethod::Keep,
            left: short(rect.x),
            top: short(rect.y),
            width: short(rect.width),
            height: short(rect.height),
            palette: Some(palette),
            buffer: indices.into(),
            ..Frame::default()
        };
        encoder.write_frame(&frame).map_err(io_error)?;
        self.tail.append(std::mem::take(encoder.get_mut()), &END)?;
        Ok(u64::from(delay) * UNIT_NS)
    }
}
