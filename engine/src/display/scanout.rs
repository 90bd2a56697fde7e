//! The scanout: one immutable description of what the screen shows.

use crate::display::memory::Region;
use crate::display::{VideoBuffer, sync};
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;
use tayberry_ram::GuestRam;

/// Widest screen in pixels.
pub const MAX_WIDTH: u32 = 7680;
/// Highest screen in lines.
pub const MAX_HEIGHT: u32 = 4320;

/// Screen of a display without a signal.
const NO_SIGNAL: (u32, u32) = (640, 480);

/// Bits per pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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

impl Depth {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Indexed8, Self::Rgb15, Self::Rgb16, Self::Rgb24, Self::Rgb32];

    /// The depth of tag 0x00048005 with that many bits.
    pub fn from_bits(bits: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|depth| depth.bits() == bits)
    }

    /// Bits per pixel as guests count them.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Indexed8 => 8,
            Self::Rgb15 => 15,
            Self::Rgb16 => 16,
            Self::Rgb24 => 24,
            Self::Rgb32 => 32,
        }
    }

    /// Bytes from one pixel to the next.
    pub const fn bytes(self) -> u32 {
        self.bits().div_ceil(8)
    }
}

/// Order of the components.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum PixelOrder {
    /// Blue in the lowest byte (24 and 32 bits) or the top bits (15 and 16 bits): tag value 0.
    Bgr,
    /// Red in the lowest byte (24 and 32 bits) or the top bits (15 and 16 bits): tag value 1.
    Rgb,
}

/// What the top byte of 32-bit pixels means (tag 0x00048007). Behind the picture is black. Other depths have no alpha.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Alpha {
    /// Alpha channel enabled, tag value 0: 0 is fully opaque, 255 shows the black behind.
    Opaque0,
    /// Alpha channel reversed, tag value 1: 0 is fully transparent, 255 shows the pixel.
    Transparent0,
    /// Alpha channel ignored, tag value 2: all pixels are opaque.
    Ignored,
}

/// Black borders inside the screen, in pixels. The picture is squeezed between them, as the Pi's scaler does with `scaling_kernel=8` in its config.txt: each
/// pixel of the screen is the one of the picture that its centre lies in, unfiltered. So what is shown has the guest's colours and no others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanoutConfig {
    /// Guest-physical address of the first byte of the virtual buffer.
    pub base: u64,
    /// Bytes from one line to the next.
    pub pitch: u32,
    /// Screen size in pixels.
    pub physical: (u32, u32),
    /// Buffer size in pixels. Where the screen reaches beyond the buffer it is black.
    pub virtual_size: (u32, u32),
    /// Top left pixel of the screen within the buffer, in each direction on its own.
    pub offset: (u32, u32),
    /// Bits per pixel.
    pub depth: Depth,
    /// Component order.
    pub order: PixelOrder,
    /// Alpha mode.
    pub alpha: Alpha,
    /// 256 entries, each 0x00BBGGRR as the property channel has them, whatever the component order.
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
    #[error("the screen or its buffer has no pixels")]
    Empty,
    /// Beyond [`MAX_WIDTH`] or [`MAX_HEIGHT`].
    #[error("the screen is larger than {MAX_WIDTH}x{MAX_HEIGHT}")]
    TooLarge,
    /// Lines overlap.
    #[error("the pitch is smaller than a line of the buffer")]
    Pitch,
    /// The buffer does not lie in RAM.
    #[error("the frame buffer does not lie in RAM")]
    OutsideRam,
}

/// State of the counters of [`crate::display::Display`] and of the region at the time of publication.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Published {
    pub(super) layouts: u64,
    pub(super) views: u64,
    pub(super) open: u64,
}

/// An immutable, checked description of what the screen shows. One that exists can be read without further checks.
#[derive(Debug)]
pub struct Scanout {
    pub(super) generation: u64,
    pub(super) published: Published,
    pub(super) published_at: Instant,
    config: ScanoutConfig,
    /// None without a signal.
    ram: Option<Arc<GuestRam>>,
    /// Holds the allocation for as long as anybody draws from it; `None` where the guest chose the memory, or left its allocation.
    region: Option<sync::Arc<Region>>,
}

impl Scanout {
    /// Checks `config` against `ram`. `buffer` is the allocation that the pixels lie in, if they lie in one: the scanout holds its memory.
    ///
    /// # Errors
    /// What cannot be shown. The offset and the borders may be anything: what lies outside the buffer is black.
    pub fn new(config: ScanoutConfig, ram: Arc<GuestRam>, buffer: Option<VideoBuffer>) -> Result<Self, ScanoutError> {
        let bytes = checked_bytes(&config)?;
        if !ram.contains(config.base, bytes) {
            return Err(ScanoutError::OutsideRam);
        }
        let region = buffer.map(|buffer| buffer.region).filter(|region| region.covers(config.base, bytes));
        Ok(Self { generation: 0, published: Published::default(), published_at: Instant::now(), config, ram: Some(ram), region })
    }

    /// What a display shows that nobody configured.
    pub(super) fn no_signal() -> Self {
        let config = ScanoutConfig {
            base: 0,
            pitch: 0,
            physical: NO_SIGNAL,
            virtual_size: (0, 0),
            offset: (0, 0),
            depth: Depth::Rgb32,
            order: PixelOrder::Rgb,
            alpha: Alpha::Ignored,
            palette: Arc::new([0; 256]),
            blank: true,
            overscan: Overscan::default(),
        };
        Self { generation: 0, published: Published::default(), published_at: Instant::now(), config, ram: None, region: None }
    }

    /// Number of this configuration: [`crate::display::Display::publish`] counts. Zero before it is published.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The host's time at which it was published; at which it was made, before that.
    pub fn published_at(&self) -> Instant {
        self.published_at
    }

    /// The checked configuration.
    pub fn config(&self) -> &ScanoutConfig {
        &self.config
    }

    /// False from power-on until a guest configures the display.
    pub fn has_signal(&self) -> bool {
        self.ram.is_some()
    }

    /// The memory to draw from; `None` if the screen is black and nothing is read.
    pub(super) fn source(&self) -> Option<&GuestRam> {
        self.ram.as_deref().filter(|_| !self.config.blank)
    }

    /// The memory that is drawn from, and what the whole buffer takes of it; `None` if the screen is black and nothing is read.
    pub(crate) fn memory(&self) -> Option<(&GuestRam, Range<u64>)> {
        let base = self.config.base;
        Some((self.source()?, base..base + checked_bytes(&self.config).ok()?))
    }

    /// The allocation that all pixels lie in.
    pub(super) fn region(&self) -> Option<&Region> {
        self.region.as_deref()
    }

    /// True if both read the same memory in the same way, so that pixels painted for one are pixels of the other.
    pub(super) fn same_layout(&self, other: &Self) -> bool {
        let layout = |scanout: &Self| {
            let config = &scanout.config;
            (scanout.has_signal(), config.base, config.pitch, config.virtual_size, config.depth)
        };
        let same_region = match (&self.region, &other.region) {
            (Some(a), Some(b)) => sync::Arc::ptr_eq(a, b),
            (None, None) => true,
            _ => false,
        };
        same_region && layout(self) == layout(other)
    }

    /// True if both show the same memory as the same picture, whoever holds that memory.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        self.has_signal() == other.has_signal() && self.config == other.config
    }

    /// Pixels of the buffer that the screen shows, from the offset on: columns and lines. The rest is black.
    pub(super) fn visible(&self) -> (u32, u32) {
        let ScanoutConfig { physical, virtual_size, offset, .. } = &self.config;
        (physical.0.min(virtual_size.0.saturating_sub(offset.0)), physical.1.min(virtual_size.1.saturating_sub(offset.1)))
    }

    /// Address of the first shown byte of line `line` of the screen, which must be a visible one.
    pub(super) fn line_address(&self, line: u32) -> u64 {
        let ScanoutConfig { base, pitch, offset, depth, .. } = &self.config;
        base + (u64::from(offset.1) + u64::from(line)) * u64::from(*pitch) + u64::from(offset.0) * u64::from(depth.bytes())
    }
}

/// Bytes from the base to the end of the last line of the buffer.
fn checked_bytes(config: &ScanoutConfig) -> Result<u64, ScanoutError> {
    let ((width, height), (columns, lines)) = (config.physical, config.virtual_size);
    if width == 0 || height == 0 || columns == 0 || lines == 0 {
        return Err(ScanoutError::Empty);
    }
    if width > MAX_WIDTH || height > MAX_HEIGHT {
        return Err(ScanoutError::TooLarge);
    }
    let row = u64::from(columns) * u64::from(config.depth.bytes());
    if u64::from(config.pitch) < row {
        return Err(ScanoutError::Pitch);
    }
    // Below 2^64: two factors of 32 bits and a row that is no longer than one of them.
    Ok(u64::from(config.pitch) * u64::from(lines - 1) + row)
}
