//! `--audio`: what the guest plays, as a file.

use crate::files;
use crate::report::{Unusable, say};
use std::fs::File;
use std::path::Path;
use tayberry_engine::handle::MachineHandle;
use tayberry_headless::AudioFile;

/// The option.
pub const OPTION: &str = "--audio";

/// Writes what the machine of `handle`, not yet started, plays.
///
/// # Errors
/// If the file cannot be written.
pub fn start(handle: &MachineHandle, file: File, path: &Path) -> Result<AudioFile, Unusable> {
    let listener = handle.listen().ok_or_else(|| Unusable::new(format_args!("{OPTION}: the machine has too many listeners")))?;
    AudioFile::start(listener, file).map_err(|error| files::cannot_write(OPTION, path, &error))
}

/// Ends the file after a run of `guest_ns`, and says what is missing in it.
///
/// # Errors
/// If it could not be written.
pub fn finish(audio: AudioFile, path: &Path, guest_ns: u64) -> Result<(), Unusable> {
    let dropped = audio.finish(guest_ns).map_err(|error| files::cannot_write(OPTION, path, &error))?;
    if dropped > 0 {
        say(format_args!("{OPTION} {}: {dropped} changes of the level are left out, for want of time to write them", path.display()));
    }
    Ok(())
}
