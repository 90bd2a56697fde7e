//! `--gpio-log`: what happens to the pins, as a file.

use crate::files;
use crate::report::Unusable;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use tayberry_engine::handle::MachineHandle;
use tayberry_headless::PinLog;

/// The option.
pub const OPTION: &str = "--gpio-log";

/// Writes what happens to the pins of `handle`'s machine, which is not yet started.
///
/// # Errors
/// If the file cannot be written.
pub fn start(handle: &MachineHandle, file: File, path: &Path) -> Result<PinLog, Unusable> {
    let listener = handle.listen_to_pins().ok_or_else(|| Unusable::new(format_args!("{OPTION}: somebody listens to the pins")))?;
    PinLog::start(listener, BufWriter::new(file)).map_err(|error| files::cannot_write(OPTION, path, &error))
}

/// Ends the file.
///
/// # Errors
/// If it could not be written.
pub fn finish(log: PinLog, path: &Path) -> Result<(), Unusable> {
    log.finish().map_err(|error| files::cannot_write(OPTION, path, &error))
}
