//! What the Raspberry Pi's firmware does between power-on and the kernel's first instruction: it reads the boot partition, obeys `config.txt`, and
//! finds kernel, device tree, initial RAM disk and command line.
//!
//! # Resources
//! - Raspberry Pi documentation: "config.txt", "Legacy config.txt options", "Device Trees, overlays and parameters".
//! - raspberrypi/tools, armstubs: what a boot stub is told.
//! - What firmware was seen to do, by threads of raspberrypi/firmware and raspberrypi/documentation that are named where it matters.
//!
//! Nothing here runs while the machine does: [`Boot::read`] gives what a board is made with. The firmware's own files (`bootcode.bin`, `start.elf`) are
//! not looked at.

pub mod boot;
pub mod card;
pub mod config;
pub mod directory;
pub mod display;
mod filter;
mod identity;
pub mod image;
mod kernel;
mod params;
pub mod settings;

pub use boot::Boot;
pub use card::CardFiles;
pub use config::{Config, Identity};
pub use directory::Directory;

use thiserror::Error;

/// A file of the card's: its name there and its content.
pub type Named = (String, Vec<u8>);

/// Largest file that is read: no machine has more memory.
const MOST_BYTES: u64 = 1 << 30;

/// Why nothing can be booted: one line that names the file on the card.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct FirmwareError(String);

impl FirmwareError {
    fn new(text: impl std::fmt::Display) -> Self {
        Self(text.to_string())
    }

    /// That `path` cannot be read.
    fn file(path: &str, why: impl std::fmt::Display) -> Self {
        Self(format!("{path}: {why}"))
    }
}

/// A boot partition. Names are looked up without regard to case; `/` is between folders, and at the beginning it means nothing.
pub trait Files {
    /// The content of a file; `None` if there is none.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FirmwareError>;

    /// True if there is such a file.
    ///
    /// # Errors
    /// If it cannot be told.
    fn has(&self, path: &str) -> Result<bool, FirmwareError>;

    /// Number of the partition; 0 where there are none.
    fn partition(&self) -> u32 {
        0
    }
}
