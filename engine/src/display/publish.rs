//! Publication of scanouts.

/// The display that the framebuffer device publishes to and renderers read from.
#[derive(Debug, Default)]
pub struct Display {}

impl Display {
    /// A display with nothing on it.
    pub fn new() -> Self {
        Self {}
    }
}
