//! The rules by which the firmware turns what a guest asks for into a frame buffer's layout: pure functions.
//!
//! # Resources
//! - Raspberry Pi firmware wiki, "Mailbox property interface", Frame buffer.
//! - Raspberry Pi firmware issue 876: lines are aligned to 16 pixels (1100 pixels of 32 bits have a pitch of 4416).
//! - VideoCore `VC_IMAGE` buffers: lines are aligned to 32 bytes.

use serde::{Deserialize, Serialize};
use tayberry_engine::display::{Depth, Overscan};

/// Width and height in pixels.
pub type Size = (u32, u32);

/// Largest width and height of the screen.
pub const MAX_PHYSICAL: u32 = 4096;
/// Largest width and height of the buffer.
pub const MAX_VIRTUAL: u32 = 16384;
/// Largest distance of two lines in bytes.
pub const MAX_PITCH: u32 = MAX_VIRTUAL * 4;
/// Lines begin at multiples of this many pixels...
const PITCH_PIXELS: u32 = 16;
/// ...and of this many bytes.
const PITCH_BYTES: u32 = 32;

/// Layout of a frame buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Geometry {
    /// What the screen shows, in pixels.
    pub physical: Size,
    /// The whole buffer, in pixels.
    pub virtual_size: Size,
    /// Bits per pixel.
    pub depth: Depth,
    /// Bytes from one line to the next.
    pub pitch: u32,
}

impl Geometry {
    /// The layout of a screen and a buffer; where the buffer is smaller than the screen, it is made as large. A `pitch` of the guest's is kept where
    /// lines of the buffer fit in it.
    pub fn new(physical: Size, virtual_size: Option<Size>, depth: Depth, pitch: Option<u32>) -> Self {
        let (width, height) = virtual_size.unwrap_or(physical);
        let virtual_size = (width.max(physical.0), height.max(physical.1));
        let least = pitch_of(virtual_size.0, depth);
        Self { physical, virtual_size, depth, pitch: pitch.filter(|&pitch| pitch >= least).unwrap_or(least) }
    }

    /// Bytes of the whole buffer.
    pub fn bytes(&self) -> u64 {
        u64::from(self.pitch) * u64::from(self.virtual_size.1)
    }

    /// The offset nearest to `offset` with which the screen lies in the buffer.
    pub fn clamp_offset(&self, offset: (u32, u32)) -> (u32, u32) {
        let room = |whole: u32, part: u32| whole.saturating_sub(part);
        (offset.0.min(room(self.virtual_size.0, self.physical.0)), offset.1.min(room(self.virtual_size.1, self.physical.1)))
    }
}

/// Bytes from one line of `width` pixels to the next.
pub fn pitch_of(width: u32, depth: Depth) -> u32 {
    (width.next_multiple_of(PITCH_PIXELS) * depth.bytes()).next_multiple_of(PITCH_BYTES)
}

/// True if the firmware takes `pitch` from a guest.
pub fn pitch_is_supported(pitch: u32) -> bool {
    (PITCH_BYTES..=MAX_PITCH).contains(&pitch) && pitch.is_multiple_of(PITCH_BYTES)
}

/// True if a width and height are not zero and not above `most`.
pub fn size_is_supported(size: Size, most: u32) -> bool {
    (1..=most).contains(&size.0) && (1..=most).contains(&size.1)
}

/// True if borders leave something of a screen.
pub fn overscan_is_supported(overscan: Overscan, physical: Size) -> bool {
    let fits = |a: u32, b: u32, whole: u32| a.checked_add(b).is_some_and(|sum| sum < whole);
    fits(overscan.left, overscan.right, physical.0) && fits(overscan.top, overscan.bottom, physical.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn pitches_are_those_of_the_hardware() {
        for (width, depth, pitch) in [
            (512, Depth::Rgb32, 2048),
            (1366, Depth::Rgb16, 2752),
            (1100, Depth::Rgb32, 4416),
            (1366, Depth::Rgb24, 4128),
            (800, Depth::Rgb24, 2400),
            (100, Depth::Indexed8, 128),
            (1, Depth::Indexed8, 32),
            (1, Depth::Rgb32, 64),
            (640, Depth::Rgb15, 1280),
        ] {
            assert_eq!(pitch_of(width, depth), pitch, "{width} pixels of {depth:?}");
        }
    }

    #[test]
    fn the_buffer_covers_the_screen() {
        let geometry = Geometry::new((800, 600), Some((640, 1200)), Depth::Rgb16, None);
        assert_eq!((geometry.virtual_size, geometry.pitch, geometry.bytes()), ((800, 1200), 1600, 1_920_000));
        assert_eq!(geometry.clamp_offset((10, 700)), (0, 600));
        assert_eq!(Geometry::new((800, 600), None, Depth::Rgb16, Some(64)).pitch, 1600, "too short for a line");
        assert_eq!(Geometry::new((800, 600), None, Depth::Rgb16, Some(2048)).pitch, 2048);
    }

    fn depths() -> impl Strategy<Value = Depth> {
        proptest::sample::select(&Depth::ALL[..])
    }

    proptest! {
        #[test]
        fn lines_and_screens_lie_in_the_buffer(
            physical in (1..=MAX_PHYSICAL, 1..=MAX_PHYSICAL),
            virtual_size in proptest::option::of((1..=MAX_VIRTUAL, 1..=MAX_VIRTUAL)),
            depth in depths(),
            pitch in proptest::option::of(any::<u32>()),
            offset in any::<(u32, u32)>(),
        ) {
            let geometry = Geometry::new(physical, virtual_size, depth, pitch.filter(|&pitch| pitch_is_supported(pitch)));
            let line = u64::from(geometry.virtual_size.0) * u64::from(depth.bytes());
            prop_assert!(u64::from(geometry.pitch) >= line && geometry.pitch <= MAX_PITCH && geometry.pitch.is_multiple_of(32));
            let (x, y) = geometry.clamp_offset(offset);
            prop_assert!(x + physical.0 <= geometry.virtual_size.0 && y + physical.1 <= geometry.virtual_size.1);
            let end = u64::from(y + physical.1 - 1) * u64::from(geometry.pitch) + u64::from(x + physical.0) * u64::from(depth.bytes());
            prop_assert!(end <= geometry.bytes());
        }

        #[test]
        fn absurd_borders_and_sizes_are_refused_without_overflow(words in any::<[u32; 4]>(), physical in any::<(u32, u32)>()) {
            let [top, bottom, left, right] = words;
            let supported = overscan_is_supported(Overscan { top, bottom, left, right }, physical);
            let exact = u64::from(left) + u64::from(right) < physical.0.into() && u64::from(top) + u64::from(bottom) < physical.1.into();
            prop_assert_eq!(supported, exact);
        }
    }
}
