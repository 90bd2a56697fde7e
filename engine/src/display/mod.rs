//! The display: immutable scanouts, published atomically, drawn line by line in parallel.
//!
//! - [`Scanout`]: one checked, immutable description of what the screen shows.
//! - [`Display`]: the slot it is published in. One machine writes, any number of renderers read, nobody waits.
//! - [`VideoMemory`]: hands out the memory behind it so that a frame in flight keeps its pixels.
//! - [`Renderer`]: draws frames of RGBA8, each wholly of one generation.
//! - [`Meter`]: renders on behalf of a frontend and keeps the statistics of it.
//!
//! Pixels are read while the guest writes them, so a line may tear where it would on hardware; size, format and memory never do.
//!
//! # Resources
//! - Firmware wiki, "Mailbox property interface", Frame Buffer.

mod band;
mod convert;
mod digest;
mod memory;
mod meter;
#[cfg(all(test, tayberry_loom))]
mod model;
mod pixels;
mod publish;
mod records;
pub mod reference;
mod render;
mod scanout;
mod sharing;
mod source;
mod surface;
mod survey;
mod sync;
#[cfg(all(test, not(tayberry_loom)))]
mod tests;

pub use convert::Kernels;
pub use memory::{Reuse, VideoBuffer, VideoMemory};
pub use meter::Meter;
pub use pixels::Pixels;
pub use publish::Display;
pub use render::{Outcome, Renderer};
pub use scanout::{Alpha, Depth, MAX_HEIGHT, MAX_WIDTH, Overscan, PixelOrder, Scanout, ScanoutConfig, ScanoutError};
pub use surface::Frame;
pub use sync::Guard;
