//! `--record`: the run as an animation.

use crate::args::Config;
use crate::args::picture::Frames;
use crate::files;
use crate::report::{Unusable, say};
use std::path::Path;
use tayberry_headless::{Overflow, Video, VideoFormat};

const OPTION: &str = "--record";

/// Starts the animation, if there is to be one.
///
/// # Errors
/// If its file cannot be written.
pub fn start(config: &Config) -> Result<Option<Video>, Unusable> {
    let picture = &config.picture;
    let Some(path) = &picture.record else { return Ok(None) };
    // The arguments were checked for it.
    let Some(format) = VideoFormat::of(path) else { return Ok(None) };
    let file = files::create(OPTION, path)?;
    let waits = config.deterministic || picture.frames == Frames::Publication;
    let overflow = if waits { Overflow::Wait } else { Overflow::Drop };
    let video = Video::start(file, format, picture.record_size, overflow);
    video.map(Some).map_err(|error| files::cannot_write(OPTION, path, &error))
}

/// Waits until the animation is written, and says what is missing in it.
///
/// # Errors
/// If it could not be written.
pub fn finish(video: Video, path: &Path) -> Result<(), Unusable> {
    let dropped = video.finish().map_err(|error| files::cannot_write(OPTION, path, &error))?;
    if dropped > 0 {
        let (frames, them) = if dropped == 1 { ("frame is", "it") } else { ("frames are", "them") };
        say(format_args!("{OPTION} {}: {dropped} {frames} left out, for want of time to write {them}", path.display()));
    }
    Ok(())
}
