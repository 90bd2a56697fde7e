//! The scanout: one immutable description of what the screen shows.

use crate::display::VideoBuffer;
use std::sync::Arc;
use tayberry_ram::GuestRam;

/// Bits per pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Depth {
    /// 8 bits, through the palette.
    Indexed8,
    /// 15 bits in 16: 1-5-5-5, the top bit ignored.
    Rgb15,
    /// 16 bits: 5-6-5.
    Rgb16,
    /// 24 bits in three bytes.
    Rgb24,
    /// 32 bits.
    Rgb32,
}

/// Order of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PixelOrder {
    /// Blue in the lowest byte (24 and 32 bits) or the top bits (16 bits): tag value 0.
    Bgr,
    /// Red in the lowest byte (24 and 32 bits) or the top bits (16 bits): tag value 1.
    Rgb,
}

/// What the alpha channel of 32-bit pixels means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpha {
    /// 0 is transparent... (tag value 0: enabled, 0 = fully opaque per the firmware wiki).
    Opaque0,
    /// Tag value 1: reversed, 0 = fully transparent.
    Transparent0,
    /// Tag value 2: ignored.
    Ignored,
}

/// Black borders around the picture, in pixels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Overscan {
    /// Lines above.
    pub top: u32,
    /// Lines below.
    pub bottom: u32,
    /// Columns on the left.
    pub left: u32,
    /// Columns on the right.
    pub right: u32,
}

/// What a scanout is made from; checked by [`Scanout::new`].
#[derive(Clone, Debug)]
pub struct ScanoutConfig {
    /// Guest-physical address of the first byte of the virtual buffer.
    pub base: u64,
    /// Bytes from one line to the next.
    pub pitch: u32,
    /// Screen size in pixels.
    pub physical: (u32, u32),
    /// Buffer size in pixels.
    pub virtual_size: (u32, u32),
    /// Top left pixel of the screen within the buffer.
    pub offset: (u32, u32),
    /// Bits per pixel.
    pub depth: Depth,
    /// Component order.
    pub order: PixelOrder,
    /// Alpha mode.
    pub alpha: Alpha,
    /// 256 entries, each 0x00BBGGRR as the property channel has them.
    pub palette: Arc<[u32; 256]>,
    /// The screen is blanked.
    pub blank: bool,
    /// Borders.
    pub overscan: Overscan,
}

/// Why a configuration cannot be scanned out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScanoutError {
    /// Nothing to show.
    #[error("the screen has no pixels")]
    Empty,
    /// The buffer does not lie in RAM.
    #[error("the frame buffer does not lie in RAM")]
    OutsideRam,
}

/// An immutable, checked description of what the screen shows. One that exists can be read without further checks.
#[derive(Debug)]
pub struct Scanout {
    /// Number of this configuration; [`crate::display::Display::publish`] counts it up.
    pub generation: u64,
    /// The checked configuration.
    pub config: ScanoutConfig,
    /// The memory that `config.base` lies in.
    pub ram: Arc<GuestRam>,
    /// Holds the allocation for as long as anybody draws from it; `None` where the guest chose the memory.
    pub buffer: Option<VideoBuffer>,
}
