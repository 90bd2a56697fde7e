//! A run as an animated picture: APNG or GIF.
//!
//! Frames go to a thread of their own, which encodes while the machine runs; the queue between is short, and what is written is not kept, so memory
//! does not grow with the run. Only lines that changed are sent, and only the rectangle that changed is written.
//!
//! The canvas has one size: that of the first frame, unless another is asked for. Frames of other sizes are fitted into it on black.

mod apng;
mod canvas;
mod gif;
mod tail;

use crate::video::canvas::{Canvas, Step};
use crossbeam::channel::{Receiver, Sender, TrySendError, bounded};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::thread::JoinHandle;
use tayberry_engine::display::Frame;

/// Frames between the one who draws and the one who encodes.
const QUEUE: usize = 4;
/// Bytes of a pixel.
const RGBA: usize = 4;
/// How long the last frame stays where nobody says when the run ended, and at least.
const LAST_NS: u64 = 100_000_000;

/// A format of animations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VideoFormat {
    /// Animated PNG: exact.
    Apng,
    /// GIF: exact where a changed rectangle has 256 colours at most; at most 50 frames a second.
    Gif,
}

impl VideoFormat {
    /// The format by the extension of a file's name: `png`, `apng` or `gif`, in any case.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "png" | "apng" => Some(Self::Apng),
            "gif" => Some(Self::Gif),
            _ => None,
        }
    }
}

/// What happens to a frame that comes while the encoder is behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// Whoever draws waits.
    Wait,
    /// It is left out; its changes come with the next.
    Drop,
}

/// Lines of a frame that changed.
struct Piece {
    time_ns: u64,
    size: (u32, u32),
    /// Number of the first line.
    first: u32,
    /// Whole lines of RGBA8.
    lines: Vec<u8>,
}

enum Order {
    Frame(Piece),
    /// The run ended at that time.
    End(u64),
}

/// An animation being written.
#[derive(Debug)]
pub struct Video {
    orders: Sender<Order>,
    /// Buffers that the encoder is done with.
    spare: Receiver<Vec<u8>>,
    thread: JoinHandle<io::Result<()>>,
    overflow: Overflow,
    /// Lines that changed in frames that were left out.
    owed: Range<u32>,
    dropped: u64,
    ended: bool,
}

impl Video {
    /// Starts to write `file`, which must be one that can be written at any place. `size` is the canvas's; otherwise the first frame's is.
    ///
    /// # Errors
    /// If the file has no places.
    ///
    /// # Panics
    /// If the host cannot start a thread.
    pub fn start(file: File, format: VideoFormat, size: Option<(u32, u32)>, overflow: Overflow) -> io::Result<Self> {
        let tail = tail::Tail::new(file)?;
        let (orders, queue) = bounded(QUEUE);
        let (spare_tx, spare) = bounded(QUEUE + 2);
        let body = move || match format {
            VideoFormat::Apng => encode(apng::Apng::new(tail), size, &queue, &spare_tx),
            VideoFormat::Gif => encode(gif::Gif::new(tail), size, &queue, &spare_tx),
        };
        let thread = std::thread::Builder::new().name("tayberry-record".into()).spawn(body).expect("the host can start a thread");
        Ok(Self { orders, spare, thread, overflow, owed: 0..0, dropped: 0, ended: false })
    }

    /// Takes a frame that was presented at `time_ns`.
    pub fn frame(&mut self, frame: &Frame, time_ns: u64) {
        let lines = hull(&self.owed, &frame.changed);
        if lines.is_empty() {
            return;
        }
        let order = Order::Frame(self.piece(frame, lines.clone(), time_ns));
        self.owed = 0..0;
        match self.overflow {
            // An encoder that is gone has failed, and says so at the end.
            Overflow::Wait => _ = self.orders.send(order),
            Overflow::Drop => {
                if let Err(TrySendError::Full(_)) = self.orders.try_send(order) {
                    self.owed = lines;
                    self.dropped += 1;
                }
            }
        }
    }

    /// The run ended at `time_ns`, with `frame` on the screen: if it was left out, it is no longer.
    pub fn end(&mut self, frame: &Frame, time_ns: u64) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if !self.owed.is_empty() {
            let lines = std::mem::take(&mut self.owed);
            let _ = self.orders.send(Order::Frame(self.piece(frame, lines, time_ns)));
        }
        let _ = self.orders.send(Order::End(time_ns));
    }

    /// Waits until all is written. Gives the number of frames that were left out.
    ///
    /// # Errors
    /// What writing says; what was written before is there.
    ///
    /// # Panics
    /// If the encoder's thread did.
    pub fn finish(self) -> io::Result<u64> {
        let Self { orders, thread, dropped, .. } = self;
        drop(orders);
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
        Ok(dropped)
    }

    fn piece(&self, frame: &Frame, lines: Range<u32>, time_ns: u64) -> Piece {
        let mut buffer = self.spare.try_recv().unwrap_or_default();
        let (first, end) = (lines.start.min(frame.height), lines.end.min(frame.height));
        let line = frame.width as usize * RGBA;
        buffer.clear();
        buffer.extend_from_slice(&frame.pixels[first as usize * line..end.max(first) as usize * line]);
        Piece { time_ns, size: (frame.width, frame.height), first, lines: buffer }
    }
}

fn hull(a: &Range<u32>, b: &Range<u32>) -> Range<u32> {
    match (a.is_empty(), b.is_empty()) {
        (true, _) => b.clone(),
        (_, true) => a.clone(),
        _ => a.start.min(b.start)..a.end.max(b.end),
    }
}

/// A rectangle of the canvas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rect {
    x: u32,
    y: u32,
    width: u32,
    height: u32,
}

impl Rect {
    /// The smallest one around both.
    fn around(self, other: Self) -> Self {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Self { x, y, width: right - x, height: bottom - y }
    }
}

/// A file format.
trait Format {
    /// Frames that would be seen for less than this are not written: what follows is seen in their place.
    const SHORTEST_NS: u64;

    /// Writes a frame: `rect` of the canvas gets `pixels` (RGBA8), which stay for `delay_ns`. The first has the whole canvas. Gives the time that
    /// the format's units made of the delay.
    fn frame(&mut self, canvas: (u32, u32), rect: Rect, pixels: &[u8], delay_ns: u64) -> io::Result<u64>;
}

/// The encoder's thread.
fn encode<F: Format>(format: F, size: Option<(u32, u32)>, orders: &Receiver<Order>, spare: &Sender<Vec<u8>>) -> io::Result<()> {
    let mut film = Film { format, canvas: Canvas::new(size), next: None, crop: Vec::new() };
    for order in orders {
        match order {
            Order::Frame(piece) => {
                film.take(&piece)?;
                let _ = spare.try_send(piece.lines);
            }
            Order::End(time_ns) => film.write_next(time_ns)?,
        }
    }
    film.finish()
}

/// A frame on the canvas that is not written yet, as nobody knows how long it stays.
struct Next {
    rect: Rect,
    /// When it began, by what was written before.
    from_ns: u64,
}

struct Film<F> {
    format: F,
    canvas: Canvas,
    next: Option<Next>,
    crop: Vec<u8>,
}

impl<F: Format> Film<F> {
    fn take(&mut self, piece: &Piece) -> io::Result<()> {
        let Step::Changed(rect) = self.canvas.find(piece) else { return Ok(()) };
        match &mut self.next {
            Some(next) if piece.time_ns < next.from_ns.saturating_add(F::SHORTEST_NS) => next.rect = next.rect.around(rect),
            None => self.next = Some(Next { rect, from_ns: piece.time_ns }),
            Some(_) => {
                let from_ns = self.write_until(piece.time_ns)?;
                self.next = Some(Next { rect, from_ns });
            }
        }
        self.canvas.apply(rect);
        Ok(())
    }

    /// Writes the frame that waits, if one does, to be seen until `time_ns`. Gives the time that it ends at.
    fn write_until(&mut self, time_ns: u64) -> io::Result<u64> {
        let Some(Next { rect, from_ns }) = self.next.take() else { return Ok(time_ns) };
        self.canvas.crop(rect, &mut self.crop);
        let delay = self.format.frame(self.canvas.size(), rect, &self.crop, time_ns.saturating_sub(from_ns))?;
        Ok(from_ns.saturating_add(delay))
    }

    /// The same for the last frame, which is seen for a while at least.
    fn write_next(&mut self, end_ns: u64) -> io::Result<()> {
        let least = self.next.as_ref().map_or(0, |next| next.from_ns.saturating_add(LAST_NS));
        self.write_until(end_ns.max(least)).map(|_| ())
    }

    /// A run in which the screen showed nothing is a black picture.
    fn finish(mut self) -> io::Result<()> {
        self.write_next(0)?;
        if let Some(rect) = self.canvas.black_if_unused() {
            self.next = Some(Next { rect, from_ns: 0 });
            self.write_next(0)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
