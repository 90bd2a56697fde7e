//! Guest RAM: raw memory that the cores, the devices and the renderer share.
//!
//! Cores, DMA and the scanout race on guest memory by nature, as masters on a real bus do. So no reference into it ever
//! exists: every access is an atomic of the access's own size (relaxed unless it asks for more), which the host's compiler
//! turns into a plain move. Callers that need ordering use the fences that their guest's barriers ask for.
//!
//! # Who writes, who reads
//! Everybody, at any time. Torn values are possible where a guest would see them too (unaligned, or wider than eight bytes).

mod code_map;
mod mapping;
mod memory;
mod page_map;
mod sync;

pub use code_map::{CodeMap, LINE_BYTES, PAGE_BYTES, PAGE_SHIFT};
pub use memory::GuestRam;
pub use page_map::{Forget, PageMap, PageState};
