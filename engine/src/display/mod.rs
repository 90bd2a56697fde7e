//! The display: immutable scanouts, published atomically, drawn line by line in parallel.

mod memory;
mod publish;
mod render;
mod scanout;

pub use memory::{VideoBuffer, VideoMemory};
pub use publish::Display;
pub use render::{Frame, Outcome, Renderer};
pub use scanout::{Alpha, Depth, Overscan, PixelOrder, Scanout, ScanoutConfig, ScanoutError};
