//! The frame counter: microframes of 125 µs at high speed, else frames of a millisecond. It is not counted but computed from the time.

use super::registers::FRAME_NONE;
use serde::{Deserialize, Serialize};
use tayberry_engine::GuestTime;

/// A microframe and a frame, nanoseconds.
pub const MICROFRAME_NS: u64 = 125_000;
/// A frame, nanoseconds.
pub const FRAME_NS: u64 = 1_000_000;
const NUMBER: u64 = 0x3fff;
/// Cycles of the PHY's clock (60 MHz) in 1000 nanoseconds.
const CYCLES: u64 = 60;

/// When frames began, and how long they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frames {
    /// Start of frame 0; none while no frames are sent.
    pub since: Option<GuestTime>,
    /// Length of one, nanoseconds; never 0 while frames are sent.
    pub length: u64,
    /// The last one that the guest has acknowledged.
    pub seen: u64,
}

impl Frames {
    /// Frames that begin now.
    pub fn begin(now: GuestTime, length: u64) -> Self {
        Self { since: Some(now), length: length.max(1), seen: 0 }
    }

    /// The frame at `now`, from 0.
    pub fn index(&self, now: GuestTime) -> Option<u64> {
        self.since.map(|since| now.0.saturating_sub(since.0) / self.length)
    }

    /// HFNUM.
    pub fn number(&self, now: GuestTime) -> u32 {
        let (Some(since), Some(index)) = (self.since, self.index(now)) else { return FRAME_NONE };
        let left = self.length - now.0.saturating_sub(since.0) % self.length;
        ((left * CYCLES / 1_000) << 16 | index & NUMBER) as u32
    }

    /// A frame has begun that the guest has not acknowledged.
    pub fn is_pending(&self, now: GuestTime) -> bool {
        self.index(now).is_some_and(|index| index > self.seen)
    }

    /// The guest acknowledges.
    pub fn acknowledge(&mut self, now: GuestTime) {
        self.seen = self.index(now).unwrap_or(0).max(self.seen);
    }

    /// Start of frame `index`.
    fn start(&self, index: u64) -> Option<GuestTime> {
        self.since.map(|since| since.plus(index.saturating_mul(self.length)))
    }

    /// Start of the first frame after `now`.
    pub fn next(&self, now: GuestTime) -> Option<GuestTime> {
        self.start(self.index(now)? + 1)
    }

    /// Start of the first whole frame after `now`.
    pub fn next_whole(&self, now: GuestTime) -> Option<GuestTime> {
        let microframes = (FRAME_NS / self.length.max(1)).max(1);
        self.start((self.index(now)? + 1).next_multiple_of(microframes))
    }

    /// Start of the first odd or even frame after `now`.
    pub fn next_of(&self, odd: bool, now: GuestTime) -> Option<GuestTime> {
        let next = self.index(now)? + 1;
        self.start(next + u64::from((next & 1 == 1) != odd))
    }
}
