//! The command line of `qemu-system-aarch64`, as Makefiles have it: `tayberry qemu -M raspi3b -kernel ...`, or this program under a name that begins with
//! `qemu-system-`.
//!
//! It becomes a command line of our own, plus what ours cannot say ([`QemuOptions`]).

mod image;
mod options;
mod properties;
#[cfg(test)]
mod tests;
mod translate;

pub use image::kernel;

use crate::args::{self, Parsed};
use crate::report::Unusable;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

/// What goes into memory besides the kernel: `-device loader`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Loader {
    pub content: Content,
    /// Where it goes; an ELF file says so itself.
    pub address: Option<u64>,
    /// The core that starts there.
    pub core: Option<usize>,
    /// An ELF file is loaded as any other.
    pub raw: bool,
}

/// Content of a [`Loader`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    File(PathBuf),
    Bytes(Vec<u8>),
    /// Nothing: it only says where a core starts.
    Nothing,
}

/// What QEMU does and our own command line cannot say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QemuOptions {
    /// The kernel's file is one; else the first loader's file stands in its place.
    pub has_kernel: bool,
    pub loaders: Vec<Loader>,
    /// The kernel is a raw image that all cores enter in EL3 (`-bios`).
    pub is_firmware: bool,
    /// A reset ends the run.
    pub no_reboot: bool,
    /// SYS_GET_CMDLINE's answer.
    pub semihosting_arguments: Option<String>,
}

/// What a command line of QEMU's asks for.
#[derive(Debug)]
pub enum Asked {
    /// A run, and what is said before it, a line each.
    Run { parsed: Box<Parsed>, warnings: Vec<String> },
    /// A text on stdout.
    Text(String),
}

/// The arguments behind the program's name, if it is QEMU's command line.
pub fn arguments(args: &[OsString]) -> Option<&[OsString]> {
    let (program, rest) = args.split_first()?;
    let name = Path::new(program).file_name().and_then(OsStr::to_str).unwrap_or_default();
    match rest.split_first() {
        _ if name.starts_with("qemu-system-") => Some(rest),
        Some((first, rest)) if first == "qemu" => Some(rest),
        _ => None,
    }
}

/// Reads QEMU's arguments.
///
/// # Errors
/// On one line, what cannot be done.
pub fn parse(arguments: &[OsString]) -> Result<Asked, Unusable> {
    let translated = match translate::translate(arguments)? {
        translate::Translated::Text(text) => return Ok(Asked::Text(text)),
        translate::Translated::Run(run) => *run,
    };
    let parsed = match args::parse(translated.arguments.into_iter().map(OsString::from))? {
        Parsed::Run(mut config) => {
            if let (Some(access), Some(line)) = (&mut config.semihosting, &translated.options.semihosting_arguments) {
                access.command_line = Some(line.clone());
            }
            config.qemu = Some(translated.options);
            Parsed::Run(config)
        }
        text => text,
    };
    Ok(Asked::Run { parsed: Box::new(parsed), warnings: translated.warnings })
}
