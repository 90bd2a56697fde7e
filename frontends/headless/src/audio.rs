//! What the guest plays, as a WAV file.

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use hound::{SampleFormat, WavSpec, WavWriter};
use std::fs::File;
use std::io::{self, BufWriter};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tayberry_engine::sound::{Change, Listener, Sampler};

/// Frames a second of the file.
const FRAME_RATE: u32 = 48_000;

/// Time between two looks at what the machine has played.
const LOOK: Duration = Duration::from_millis(5);
/// Looks after which the file's header is brought up to date, so that a run which is killed leaves a file that can be played.
const LOOKS_PER_FLUSH: u32 = 200;

/// A WAV file, of 16 bits, stereo, 48,000 frames a second of guest time, that is written by a thread of its own while the machine runs.
#[derive(Debug)]
pub struct AudioFile {
    thread: JoinHandle<Result<u64, hound::Error>>,
    end: Sender<u64>,
}

impl AudioFile {
    /// Starts to write what `listener` hears, from guest time 0 on, to `file`.
    ///
    /// # Errors
    /// If that cannot be written or has no positions, such as a pipe.
    pub fn start(listener: Listener, file: File) -> io::Result<Self> {
        let spec = WavSpec { channels: 2, sample_rate: FRAME_RATE, bits_per_sample: 16, sample_format: SampleFormat::Int };
        let mut writer = WavWriter::new(BufWriter::new(file), spec).map_err(io_error)?;
        writer.flush().map_err(io_error)?;
        let (end, ends) = bounded(1);
        let write = move || {
            let mut track = Track { writer, sampler: Sampler::new(FRAME_RATE, 0), error: None };
            let mut looks = 0;
            loop {
                let ends = ends.recv_timeout(LOOK);
                while let Some(change) = listener.next_change() {
                    track.change(change);
                }
                match ends {
                    Ok(guest_ns) => return track.finish(guest_ns).map(|()| listener.dropped()),
                    Err(RecvTimeoutError::Disconnected) => return track.finish(0).map(|()| listener.dropped()),
                    Err(RecvTimeoutError::Timeout) => {}
                }
                looks += 1;
                if looks % LOOKS_PER_FLUSH == 0 {
                    track.flush();
                }
            }
        };
        let thread = thread::Builder::new().name("tayberry-audio".into()).spawn(write)?;
        Ok(Self { thread, end })
    }

    /// Ends the file at `guest_ns` of guest time, once the machine has ended. Returns the number of changes that the writer was too slow to take.
    ///
    /// # Errors
    /// If the file could not be written.
    pub fn finish(self, guest_ns: u64) -> io::Result<u64> {
        let _ = self.end.send(guest_ns);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)).map_err(io_error)
    }
}

/// The file as it grows. After an error nothing more is written.
struct Track {
    writer: WavWriter<BufWriter<File>>,
    sampler: Sampler,
    error: Option<hound::Error>,
}

impl Track {
    fn sink<'a>(writer: &'a mut WavWriter<BufWriter<File>>, error: &'a mut Option<hound::Error>) -> impl FnMut([i16; 2]) + 'a {
        move |frame| {
            if error.is_none() {
                *error = frame.into_iter().find_map(|sample| writer.write_sample(sample).err());
            }
        }
    }

    fn change(&mut self, change: Change) {
        self.sampler.change(change, &mut Self::sink(&mut self.writer, &mut self.error));
    }

    fn flush(&mut self) {
        if self.error.is_none() {
            self.error = self.writer.flush().err();
        }
    }

    fn finish(mut self, guest_ns: u64) -> Result<(), hound::Error> {
        self.sampler.hold_until(guest_ns, &mut Self::sink(&mut self.writer, &mut self.error));
        match self.error {
            Some(error) => Err(error),
            None => self.writer.finalize(),
        }
    }
}

fn io_error(error: hound::Error) -> io::Error {
    match error {
        hound::Error::IoError(error) => error,
        error => io::Error::other(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::GuestTime;
    use tayberry_engine::bench::shared;

    #[test]
    fn the_file_has_what_was_heard_and_is_as_long_as_the_run() {
        let shared = shared();
        let path = tempfile::NamedTempFile::new().expect("a file").into_temp_path();
        let file = AudioFile::start(shared.sound.listen().expect("the first"), File::create(&path).expect("writable")).expect("a thread");
        // 100 Hz on the left.
        (0..100).for_each(|half| shared.sound.record(GuestTime(half * 5_000_000), [if half % 2 == 0 { u16::MAX } else { 0 }, 0]));
        assert_eq!(file.finish(1_000_000_000).expect("written"), 0);
        let reader = hound::WavReader::open(&path).expect("a WAV file");
        assert_eq!((reader.spec().sample_rate, reader.spec().channels, reader.duration()), (48_000, 2, 48_000));
        let samples: Vec<i16> = reader.into_samples().map(|sample| sample.expect("readable")).collect();
        assert!(samples.iter().skip(1).step_by(2).all(|&right| right == 0));
        let left: Vec<i16> = samples.iter().step_by(2).copied().collect();
        let rises = left[..24_000].windows(2).filter(|pair| pair[0] <= 0 && pair[1] > 0).count();
        assert!((48..=50).contains(&rises), "{rises} in half a second");
        assert_eq!(left[47_999].abs(), 0, "what stays is not heard");
    }

    #[cfg(unix)]
    #[test]
    fn a_full_disk_is_an_error() {
        let shared = shared();
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("the device");
        let file = AudioFile::start(shared.sound.listen().expect("the first"), full);
        assert!(file.and_then(|file| file.finish(1_000_000_000)).is_err());
    }
}
