//! The headless frontend: it draws what the guest shows without a window, and keeps what scripts and tests want of it: the last
//! picture, a log of frames, a contact sheet, an animation, the serial ports in files, and where a picture differs from the one expected.
//!
//! [`Viewer`] draws on a thread of its own. [`Recorder`] keeps what is wanted of the frames, whoever draws them: other frontends use it too.
//! Nothing here prints.

mod audio;
mod difference;
mod frame_log;
mod glyphs;
mod picture;
mod pins;
mod recorder;
mod serial;
mod sheet;
mod video;
mod viewer;

pub use audio::AudioFile;
pub use difference::Difference;
pub use frame_log::FrameLog;
pub use picture::Picture;
pub use pins::PinLog;
pub use recorder::{Observer, Recorder};
pub use serial::{SerialError, SerialPump};
pub use sheet::ContactSheet;
pub use video::{Overflow, Video, VideoFormat};
pub use viewer::{FRAME_TIME, Pace, Viewed, Viewer, final_picture, render_threads};
