//! Keeps what is wanted of the frames that a frontend shows.

use crate::frame_log::FrameLog;
use crate::sheet::ContactSheet;
use crate::video::Video;
use std::{fmt, io};
use tayberry_engine::display::Frame;

/// Called with every frame and its time in nanoseconds.
pub type Observer = Box<dyn FnMut(&Frame, u64) + Send>;

/// Keeps what is wanted of the frames that a frontend shows: a log, a contact sheet, an animation, or nothing.
#[derive(Default)]
pub struct Recorder {
    /// The log, if one is wanted.
    pub log: Option<FrameLog>,
    /// The sheet, if one is wanted.
    pub sheet: Option<ContactSheet>,
    /// The animation, if one is wanted.
    pub video: Option<Video>,
    /// Someone else who wants to see the frames.
    pub observer: Option<Observer>,
    /// The first error of the log, which ended it. A full disk does not end the run.
    error: Option<io::Error>,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder")
            .field("log", &self.log)
            .field("sheet", &self.sheet)
            .field("video", &self.video)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

impl Recorder {
    /// A recorder.
    pub fn new(log: Option<FrameLog>, sheet: Option<ContactSheet>) -> Self {
        Self { log, sheet, ..Self::default() }
    }

    /// False if it keeps nothing.
    pub fn is_wanted(&self) -> bool {
        self.log.is_some() || self.sheet.is_some() || self.video.is_some() || self.observer.is_some()
    }

    /// Takes a frame that was presented at `time_ns`.
    pub fn frame(&mut self, frame: &Frame, time_ns: u64) {
        if let Some(log) = &mut self.log
            && let Err(error) = log.add(frame, time_ns)
        {
            self.error = Some(error);
            self.log = None;
        }
        if let Some(sheet) = &mut self.sheet {
            sheet.add(frame);
        }
        if let Some(video) = &mut self.video {
            video.frame(frame, time_ns);
        }
        if let Some(observer) = &mut self.observer {
            observer(frame, time_ns);
        }
    }

    /// The run has ended at `time_ns` with `frame`, the last one that was taken, on the screen.
    pub fn end(&mut self, frame: &Frame, time_ns: u64) {
        if let Some(video) = &mut self.video {
            video.end(frame, time_ns);
        }
    }

    /// Ends the log and hands out the sheet.
    ///
    /// # Errors
    /// The first error of the log.
    pub fn finish(self) -> (io::Result<()>, Option<ContactSheet>) {
        let log = match (self.error, self.log) {
            (Some(error), _) => Err(error),
            (None, Some(log)) => log.finish(),
            (None, None) => Ok(()),
        };
        (log, self.sheet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut memory = self.0.lock().expect("no writer panics");
            if memory.len() > 100 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            memory.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn frame() -> Frame {
        Frame { generation: 7, width: 2, height: 1, depth: 16, pixels: vec![0xFF; 8].into(), changed: 0..1, ..Frame::default() }
    }

    #[test]
    fn the_log_has_the_columns_of_its_header() {
        let memory = Memory::default();
        let mut recorder = Recorder::new(Some(FrameLog::new(Box::new(memory.clone())).expect("room")), None);
        recorder.frame(&frame(), 1_016_666_666);
        recorder.finish().0.expect("room");
        let text = String::from_utf8(memory.0.lock().expect("no writer panics").clone()).expect("text");
        let hash = xxhash_rust::xxh3::xxh3_64(&[0xFF; 8]);
        assert_eq!(text, format!("frame,time_s,generation,width,height,depth,xxh3\n0,1.016666666,7,2,1,16,{hash:016x}\n"));
    }

    #[test]
    fn a_full_disk_is_reported_at_the_end() {
        let mut recorder = Recorder::new(Some(FrameLog::new(Box::new(Memory::default())).expect("room")), Some(ContactSheet::new()));
        for _ in 0..5 {
            recorder.frame(&frame(), 0);
        }
        let (log, sheet) = recorder.finish();
        assert_eq!(log.expect_err("it is full").kind(), io::ErrorKind::StorageFull);
        assert_eq!(sheet.expect("it goes on").modes(), 1);
    }
}
