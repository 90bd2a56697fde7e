//! Animated PNG: "Portable Network Graphics (PNG) Specification (Third Edition)", 11.3.6.

use crate::video::tail::Tail;
use crate::video::{Format, RGBA, Rect};
use png::{BitDepth, ColorType, Compression, Encoder, Writer};
use std::cell::RefCell;
use std::io::{self, Write};
use std::rc::Rc;

/// Length, name and check sum of the chunk that ends a file.
const END: [u8; 12] = [0, 0, 0, 0, b'I', b'E', b'N', b'D', 0xAE, 0x42, 0x60, 0x82];
/// Where the chunk with the number of frames is: after the signature and the header.
const CONTROL: std::ops::Range<usize> = 33..53;

/// Units that a delay can be in, a second's parts, the finest first.
const UNITS: [u16; 4] = [10_000, 1000, 100, 1];

/// What the encoder writes into.
#[derive(Clone, Default)]
struct Memory(Rc<RefCell<Vec<u8>>>);

impl Memory {
    fn take(&self) -> Vec<u8> {
        self.0.take()
    }
}

impl Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) struct Apng {
    tail: Tail,
    memory: Memory,
    /// Made with the first frame.
    writer: Option<Writer<Memory>>,
    frames: u32,
}

impl Apng {
    pub(super) fn new(tail: Tail) -> Self {
        Self { tail, memory: Memory::default(), writer: None, frames: 0 }
    }
}

fn start(memory: Memory, (width, height): (u32, u32), frames: u32) -> io::Result<Writer<Memory>> {
    let mut encoder = Encoder::new(memory, width, height);
    encoder.set_color(ColorType::Rgb);
    encoder.set_depth(BitDepth::Eight);
    encoder.set_compression(Compression::Fast);
    encoder.set_animated(frames, 0)?;
    Ok(encoder.write_header()?)
}

/// The start of a file with so many frames.
fn header(size: (u32, u32), frames: u32) -> io::Result<Vec<u8>> {
    let memory = Memory::default();
    // Dropped with an end mark, which comes after what is wanted.
    let _writer = start(memory.clone(), size, frames)?;
    Ok(memory.take())
}

/// The delay as a fraction of a second, and what that is in nanoseconds.
fn fraction(delay_ns: u64) -> (u16, u16, u64) {
    let in_units = |unit: u16| {
        let unit_ns = 1_000_000_000 / u64::from(unit);
        let count = u16::try_from((delay_ns.saturating_add(unit_ns / 2)) / unit_ns).ok()?;
        Some((count, unit, u64::from(count) * unit_ns))
    };
    UNITS.into_iter().find_map(in_units).unwrap_or((u16::MAX, 1, u64::from(u16::MAX) * 1_000_000_000))
}

impl Format for Apng {
    /// What the finest unit can tell from nothing.
    const SHORTEST_NS: u64 = 50_000;

    fn frame(&mut self, canvas: (u32, u32), rect: Rect, pixels: &[u8], delay_ns: u64) -> io::Result<u64> {
        let mut content = Vec::new();
        let writer = match &mut self.writer {
            Some(writer) => writer,
            none => {
                // The writer is told of more frames than will ever come: the file's own number grows with it.
                let writer = start(self.memory.clone(), canvas, u32::MAX)?;
                self.memory.take();
                content = header(canvas, 1)?;
                none.insert(writer)
            }
        };
        let (count, unit, delay_ns) = fraction(delay_ns);
        writer.set_frame_delay(count, unit)?;
        // In this order position and size never leave the canvas.
        writer.reset_frame_position()?;
        writer.set_frame_dimension(rect.width, rect.height)?;
        writer.set_frame_position(rect.x, rect.y)?;
        let rgb: Vec<u8> = pixels.as_chunks::<RGBA>().0.iter().flat_map(|&[red, green, blue, _]| [red, green, blue]).collect();
        writer.write_image_data(&rgb)?;
        content.append(&mut self.memory.take());
        self.tail.append(content, &END)?;
        self.frames += 1;
        if self.frames > 1 {
            self.tail.overwrite(CONTROL.start as u64, &header(canvas, self.frames)?[CONTROL])?;
        }
        Ok(delay_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_are_as_exact_as_sixteen_bits_allow() {
        assert_eq!(fraction(16_666_667), (167, 10_000, 16_700_000));
        assert_eq!(fraction(0), (0, 10_000, 0));
        assert_eq!(fraction(6_553_500_000), (65_535, 10_000, 6_553_500_000));
        assert_eq!(fraction(7_000_400_000), (7000, 1000, 7_000_000_000));
        assert_eq!(fraction(100_000_000_000), (10_000, 100, 100_000_000_000));
        assert_eq!(fraction(u64::MAX), (u16::MAX, 1, 65_535_000_000_000));
    }

    #[test]
    fn the_control_chunk_is_where_it_is_written_to() {
        let (one, many) = (header((7, 5), 1).expect("memory"), header((7, 5), 0x0102_0304).expect("memory"));
        assert_eq!(one[..CONTROL.start], many[..CONTROL.start]);
        assert_eq!(&one[CONTROL.start..][4..8], b"acTL");
        assert_eq!(many[CONTROL.start..][8..12], [1, 2, 3, 4]);
    }
}
