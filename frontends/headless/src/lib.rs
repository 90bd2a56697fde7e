//! The headless frontend: it draws what the guest shows without a window, and keeps what scripts and tests want of it: the last
//! picture, a log of frames, a contact sheet, the serial ports in files.
//!
//! [`Viewer`] draws on a thread of its own. [`Recorder`] keeps what is wanted of the frames, whoever draws them: other frontends use it too.
//! Nothing here prints.

mod frame_log;
mod glyphs;
mod picture;
mod recorder;
mod serial;
mod sheet;
mod viewer;

pub use frame_log::FrameLog;
pub use picture::Picture;
pub use recorder::{Observer, Recorder};
pub use serial::{SerialError, SerialPump};
pub use sheet::ContactSheet;
pub use viewer::{FRAME_TIME, Pace, Viewed, Viewer, final_picture, render_threads};
