//! `--gpio-log`: what happens to the pins, as a file.

use crate::files;
use crate::report::Unusable;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use tayberry_engine::handle::MachineHandle;
use tayberry_headless::PinLog;

const OPTION: &str = "--gpio-log";

/// The file, opened before anything runs.
///
/// # Errors
/// If it cannot be written.
pub fn open(path: Option<&Path>) -> Result<Option<File>, Unusable> {
    path.map(|path| files::create(OPTION, path)).transpose()
}

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
