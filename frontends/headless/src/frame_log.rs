//! The frame log: one line of CSV for each frame presented.

use std::fmt;
use std::io::{self, Write};
use tayberry_engine::display::Frame;
use xxhash_rust::xxh3::xxh3_64;

/// The first line.
const HEADER: &str = "frame,time_s,generation,width,height,depth,xxh3";

/// Writes frames as lines of `frame,time_s,generation,width,height,depth,xxh3`: number from 0, seconds with nine decimals, the scanout's
/// generation, size in pixels, guest bits per pixel, and the XXH3-64 hash of the RGBA bytes in hex.
pub struct FrameLog {
    out: Box<dyn Write + Send>,
    next: u64,
}

impl fmt::Debug for FrameLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameLog").field("next", &self.next).finish_non_exhaustive()
    }
}

impl FrameLog {
    /// A log that starts with its header.
    ///
    /// # Errors
    /// What writing says.
    pub fn new(mut out: Box<dyn Write + Send>) -> io::Result<Self> {
        writeln!(out, "{HEADER}")?;
        Ok(Self { out, next: 0 })
    }

    /// Adds a frame presented at `time_ns`.
    ///
    /// # Errors
    /// What writing says.
    pub fn add(&mut self, frame: &Frame, time_ns: u64) -> io::Result<()> {
        let (number, hash) = (self.next, xxh3_64(&frame.pixels));
        self.next += 1;
        let (seconds, nanos) = (time_ns / 1_000_000_000, time_ns % 1_000_000_000);
        let Frame { generation, width, height, depth, .. } = frame;
        writeln!(self.out, "{number},{seconds}.{nanos:09},{generation},{width},{height},{depth},{hash:016x}")
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// What writing says.
    pub fn finish(mut self) -> io::Result<()> {
        self.out.flush()
    }
}
