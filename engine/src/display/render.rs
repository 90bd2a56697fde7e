//! The line renderer.

/// A frame of RGBA8 pixels.
#[derive(Debug)]
pub struct Frame {}

/// What became of a frame.
#[derive(Debug)]
pub enum Outcome {}

/// The renderer.
#[derive(Debug)]
pub struct Renderer {}
