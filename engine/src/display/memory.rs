//! GPU memory.

/// An allocation of GPU memory. Clones share it; it is free again when the last is dropped.
#[derive(Clone, Debug)]
pub struct VideoBuffer {
    /// Guest-physical address.
    pub base: u64,
    /// Bytes.
    pub len: u64,
}

/// The allocator of GPU memory.
#[derive(Debug)]
pub struct VideoMemory {}
