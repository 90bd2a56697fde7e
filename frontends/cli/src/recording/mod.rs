//! `--record-input` and `--replay-input`: what comes in from outside, kept and brought again.

mod facts;
mod file;

use crate::args::Config;
use crate::args::picture::Frames;
use crate::boot::Kernel;
use crate::files;
use crate::report::{Unusable, say};
use crossbeam::channel::Receiver;
use file::{Head, Writer};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;
use tayberry_bcm2837::BoardOptions;
use tayberry_engine::machine::Starter;
use tayberry_engine::recording::{Recording, Verdict};
use tayberry_headless::FRAME_TIME;

const RECORD: &str = "--record-input";
const REPLAY: &str = "--replay-input";
/// The largest file that is read.
const MOST: u64 = 1 << 30;

/// A recording to be written or replayed.
pub enum Reel {
    /// It is written.
    Record { path: PathBuf, writer: Writer<File>, beat: Duration },
    /// It is replayed.
    Replay { path: PathBuf, recording: Recording, goes_on: bool },
}

impl fmt::Debug for Reel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, path) = match self {
            Self::Record { path, .. } => ("Record", path),
            Self::Replay { path, .. } => ("Replay", path),
        };
        f.debug_tuple(what).field(path).finish()
    }
}

impl Reel {
    /// Opens what the options name, for a run of `kernel` on a board with `options`.
    ///
    /// # Errors
    /// If a file cannot be written or replayed.
    pub fn open(config: &Config, kernel: &Kernel, options: &BoardOptions) -> Result<Option<Self>, Unusable> {
        let args = &config.recording;
        if !args.is_given() {
            return Ok(None);
        }
        let facts = facts::of(kernel, options);
        if let Some(path) = &args.record_input {
            let beat = match config.picture.frames {
                Frames::Every(period) => period,
                Frames::Publication => FRAME_TIME,
            };
            let head = Head { program: env!("CARGO_PKG_VERSION").into(), facts };
            let file = files::create(RECORD, path)?;
            let writer = Writer::new(file, &head).map_err(|error| files::cannot_write(RECORD, path, &error))?;
            return Ok(Some(Self::Record { path: path.clone(), writer, beat }));
        }
        let Some(path) = &args.replay_input else { return Ok(None) };
        let unusable = |why: &dyn fmt::Display| Unusable::new(format_args!("{REPLAY} {}: {why}", path.display()));
        let bytes = read(path).map_err(|error| unusable(&error))?;
        let (head, recording) = file::read(&bytes).map_err(|error| unusable(&error))?;
        if let Some(why) = facts::difference(&head.facts, &facts) {
            return Err(unusable(&why));
        }
        let beat = Duration::from_nanos(recording.beat_ns());
        if config.picture.fps_given && config.picture.frames != Frames::Every(beat) {
            let rate = 1e9 / beat.as_nanos() as f64;
            return Err(unusable(&format_args!("the recording has {rate:.4} frames a second: --fps cannot change that")));
        }
        if recording.reason().is_none() && !args.replay_then_live {
            let inputs = recording.inputs();
            let things = if inputs == 1 { "input" } else { "inputs" };
            let why =
                format!("the recording is cut short, its end is missing; --replay-then-live replays the {inputs} {things} that it has");
            return Err(unusable(&why));
        }
        let version = env!("CARGO_PKG_VERSION");
        if head.program != version {
            say(format_args!("{REPLAY}: recorded by version {}, replayed by {version}", head.program));
        }
        Ok(Some(Self::Replay { path: path.clone(), recording, goes_on: args.replay_then_live }))
    }

    /// Has the machine that is about to be started write or replay it.
    pub fn thread(self, starter: &mut Starter) -> Turning {
        match self {
            Self::Record { path, mut writer, beat } => {
                let error = Arc::new(OnceLock::new());
                let failed = Arc::clone(&error);
                starter.record(beat, move |entry| {
                    // What comes after a gap is of no use.
                    if failed.get().is_none()
                        && let Err(error) = writer.entry(entry)
                    {
                        let _ = failed.set(error);
                    }
                });
                Turning::Records { path, error }
            }
            Self::Replay { path, recording, goes_on } => {
                let inputs = recording.inputs();
                Turning::Plays { path, inputs, verdict: starter.replay(recording, goes_on) }
            }
        }
    }
}

/// A recording while the machine runs.
#[derive(Debug)]
pub enum Turning {
    /// It is written.
    Records {
        path: PathBuf,
        /// Why it is not whole.
        error: Arc<OnceLock<io::Error>>,
    },
    /// It is replayed.
    Plays { path: PathBuf, inputs: usize, verdict: Receiver<Verdict> },
}

impl Turning {
    /// The machine has ended: says what came of a replay.
    ///
    /// # Errors
    /// If not all could be recorded.
    pub fn finish(self) -> Result<(), Unusable> {
        match self {
            Self::Records { path, error } => error.get().map_or(Ok(()), |error| Err(files::cannot_write(RECORD, &path, error))),
            Self::Plays { path, inputs, verdict } => {
                let path = path.display();
                match verdict.try_recv() {
                    Ok(Verdict::Same(proof)) => {
                        let printed: u64 = proof.printed.iter().sum();
                        let things = if inputs == 1 { "input" } else { "inputs" };
                        say(format_args!(
                            "{REPLAY} {path}: as recorded: {inputs} {things}, {} instructions, {printed} bytes printed, hash {:016x}",
                            proof.instructions, proof.hash
                        ));
                    }
                    Ok(Verdict::Differs(why)) => say(format_args!("error: {REPLAY} {path}: the run is not the recorded one: {why}")),
                    Ok(Verdict::Stopped) | Err(_) => say(format_args!("{REPLAY} {path}: the run ended before the recording")),
                }
                Ok(())
            }
        }
    }
}

fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MOST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MOST {
        return Err(io::Error::other("the file is larger than any recording"));
    }
    Ok(bytes)
}
