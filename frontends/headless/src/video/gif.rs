//! GIF: "Graphics Interchange Format, Version 89a".

use crate::video::tail::Tail;
use crate::video::{Format, Rect};
use gif::{DisposalMethod, Encoder, EncodingError, Frame, Repeat};
use std::io;

/// The block that ends a file.
const END: [u8; 1] = [0x3B];
const UNIT_NS: u64 = 10_000_000;
/// How thorough the quantiser is, where there are more than 256 colours: from 1, the best, to 30, the fastest.
const SPEED: i32 = 10;

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

impl Format for Gif {
    /// Viewers take less for a tenth of a second.
    const SHORTEST_NS: u64 = 2 * UNIT_NS;

    fn frame(&mut self, canvas: (u32, u32), rect: Rect, pixels: &mut [u8], delay_ns: u64) -> io::Result<u64> {
        let encoder = match &mut self.encoder {
            Some(encoder) => encoder,
            none => {
                let mut encoder = Encoder::new(Vec::new(), short(canvas.0), short(canvas.1), &[]).map_err(io_error)?;
                encoder.set_repeat(Repeat::Infinite).map_err(io_error)?;
                none.insert(encoder)
            }
        };
        let delay = u16::try_from(delay_ns.saturating_add(UNIT_NS / 2) / UNIT_NS).unwrap_or(u16::MAX);
        let mut frame = Frame::from_rgba_speed(short(rect.width), short(rect.height), pixels, SPEED);
        (frame.left, frame.top) = (short(rect.x), short(rect.y));
        (frame.delay, frame.dispose) = (delay, DisposalMethod::Keep);
        encoder.write_frame(&frame).map_err(io_error)?;
        self.tail.append(std::mem::take(encoder.get_mut()), &END)?;
        Ok(u64::from(delay) * UNIT_NS)
    }
}
