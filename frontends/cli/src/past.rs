//! States and recordings: what a run begins with, what it leaves, and whether it was the recorded one again.

use crate::args::Config;
use crate::boot::Kernel;
use crate::files::{self, Output};
use crate::report::{Unusable, say};
use crossbeam::channel::{Receiver, Sender, bounded};
use std::fmt::Debug;
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;
use std::sync::Arc;
use tayberry_bcm2837::BoardOptions;
use tayberry_bcm2837::sd::CardImage;
use tayberry_engine::handle::{Control, ExitReason};
use tayberry_engine::history::{Entry, Event};
use tayberry_engine::machine::{Machine, Starter};
use tayberry_engine::recording::{self, Writer};
use tayberry_engine::serial::PORTS;
use tayberry_engine::state::{FileError, MadeFrom};
use tayberry_engine::{Attendant, ClockMode, State};

/// What the options about states and recordings come to, with all files open.
#[derive(Debug, Default)]
pub struct Past {
    made_from: MadeFrom,
    load: Option<Arc<State>>,
    save: Option<Output>,
    record: Option<(Writer<BufWriter<File>>, std::path::PathBuf)>,
    replay: Option<Vec<Entry>>,
}

/// Who is with the machine for it.
struct Keeper {
    past: Past,
    control: Control,
    /// The sums that the recording ends with.
    expected: Option<[u32; PORTS]>,
    tell: Sender<Left>,
    /// What went wrong first.
    failed: Option<String>,
    began: bool,
}

/// What a run has left.
#[derive(Debug, Default)]
pub struct Left {
    /// What went wrong.
    pub failed: Option<String>,
    /// It was to be a recorded run again, and printed something else.
    pub differs: bool,
}

/// Tells what became of it, once the machine is gone.
#[derive(Debug, Default)]
pub struct Outcome(Option<Receiver<Left>>);

impl Outcome {
    /// Nothing, if nothing was asked for.
    pub fn take(self) -> Left {
        self.0.and_then(|left| left.recv().ok()).unwrap_or_default()
    }
}

impl Past {
    /// Reads what is to be read, and opens what is to be written. `kernel` and `base` are what the board is made from.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn open(config: &Config, kernel: &Kernel, base: &BoardOptions) -> Result<Self, Unusable> {
        let options = &config.past;
        if !options.are_given() {
            return Ok(Self::default());
        }
        let made_from = made_from(config, kernel, base)?;
        let load = options.load_state.as_deref().map(|path| {
            let state = open("--load-state", path).and_then(|file| State::read(&made_from, file));
            state.map(Arc::new).map_err(|error| unusable("--load-state", path, &error))
        });
        let load = load.transpose()?;
        let of_run = if options.record_input.is_some() || options.replay_input.is_some() {
            made_from_of_run(config, base, &made_from)?
        } else {
            MadeFrom::default()
        };
        let replay = options.replay_input.as_deref().map(|path| {
            let entries = open("--replay-input", path).and_then(|file| recording::read(&of_run, file));
            entries.map_err(|error| unusable("--replay-input", path, &error))
        });
        let record = options.record_input.as_deref().map(|path| {
            let file = BufWriter::new(files::create("--record-input", path)?);
            let writer = Writer::new(file, &of_run).map_err(|error| files::cannot_write("--record-input", path, &error))?;
            Ok((writer, path.to_owned()))
        });
        let save = options.save_state.as_deref().map(|path| Output::open("--save-state", path));
        Ok(Self { made_from, load, save: save.transpose()?, record: record.transpose()?, replay: replay.transpose()? })
    }

    /// Input comes from a recording.
    pub fn is_replay(&self) -> bool {
        self.replay.is_some()
    }

    /// Goes with a machine that is about to be started.
    pub fn attend(self, starter: &mut Starter, control: &Control) -> Outcome {
        let Self { load, save, record, replay, .. } = &self;
        if load.is_none() && save.is_none() && record.is_none() && replay.is_none() {
            return Outcome::default();
        }
        let expected = replay.as_ref().and_then(|entries| match entries.last()?.event {
            Event::End { printed, .. } => Some(printed),
            _ => None,
        });
        let (tell, left) = bounded(1);
        starter.attend(Box::new(Keeper { past: self, control: control.clone(), expected, tell, failed: None, began: false }));
        Outcome(Some(left))
    }
}

impl Attendant for Keeper {
    fn begins(&mut self, machine: &mut Machine) {
        if std::mem::replace(&mut self.began, true) {
            return;
        }
        if let Some(Err(error)) = self.past.load.take().map(|state| machine.load(&state)) {
            self.failed = Some(format!("--load-state: {error}"));
            return self.control.stop();
        }
        if let Some(entries) = self.past.replay.take() {
            machine.play(entries);
        }
        if let Some((mut writer, path)) = self.past.record.take() {
            let mut works = true;
            machine.record(Box::new(move |entry| {
                if let (true, Err(error)) = (works, writer.write(entry)) {
                    works = false;
                    say(format_args!("error: {}", files::cannot_write("--record-input", &path, &error)));
                }
            }));
        }
    }

    fn ends(&mut self, machine: &mut Machine, reason: &ExitReason) {
        let mut left = Left { failed: self.failed.take(), differs: false };
        if let Some(output) = self.past.save.take().filter(|_| left.failed.is_none()) {
            left.failed = save(machine, reason, &self.past.made_from, output).err();
        }
        if let Some(expected) = self.expected {
            left.differs = is_other(machine, reason, expected);
        }
        // Whoever waits for it is there.
        let _ = self.tell.send(left);
    }
}

/// Says whether a replay that is over was the recorded run again, whose sums were `expected`. One that was stopped before its end is neither.
fn is_other(machine: &Machine, reason: &ExitReason, expected: [u32; PORTS]) -> bool {
    let is_at_end = machine.is_at_recorded_end();
    let ends_itself = matches!(reason, ExitReason::PowerOff | ExitReason::GuestExit(_) | ExitReason::Lost(_) | ExitReason::Played);
    let (differs, what) = match (is_at_end, machine.printed_sums() == expected) {
        (true, true) => (false, "the replay printed what the recorded run printed"),
        (true, false) => (true, "the replay did not print what the recorded run printed"),
        (false, _) if ends_itself => (true, "the replay did not end where the recorded run ended"),
        (false, _) => (false, "the replay was stopped before the recorded run's end"),
    };
    say(what);
    differs
}

/// Saves a machine that could go on.
fn save(machine: &mut Machine, reason: &ExitReason, made_from: &MadeFrom, output: Output) -> Result<(), String> {
    let over = match reason {
        ExitReason::PowerOff => "the guest has switched the power off",
        ExitReason::GuestExit(_) => "the guest has exited",
        ExitReason::Lost(_) => "the guest cannot go on",
        ExitReason::Until | ExitReason::Timeout | ExitReason::MaxInstructions | ExitReason::Played | ExitReason::Stopped => "",
    };
    let path = output.path().to_owned();
    if !over.is_empty() {
        return Err(format!("--save-state {}: nothing is saved: {over}", path.display()));
    }
    let state = machine.save().map_err(|error| format!("--save-state {}: {error}", path.display()))?;
    output.write("--save-state", |out| state.write(made_from, out)).map_err(|error| error.to_string())
}

fn open(what: &'static str, path: &Path) -> Result<BufReader<File>, FileError> {
    tracing::debug!(target: "boot", "{what} {}", path.display());
    Ok(BufReader::new(File::open(path).map_err(FileError::Io)?))
}

fn unusable(what: &str, path: &Path, error: &FileError) -> Unusable {
    Unusable::new(format_args!("{what} {}: {error}", path.display()))
}

/// A sum of bytes, in words.
fn sum(bytes: &[u8]) -> String {
    format!("{} bytes with sum {:08x}", bytes.len(), crc32fast::hash(bytes))
}

fn sum_of_file(path: &Path) -> Result<String, Unusable> {
    files::read("--load-state", path).map(|bytes| sum(&bytes))
}

fn sum_or(bytes: &Option<Vec<u8>>) -> String {
    bytes.as_deref().map_or_else(|| "none".into(), sum)
}

fn sum_of(value: &impl Debug) -> String {
    format!("{:08x}", crc32fast::hash(format!("{value:?}").as_bytes()))
}

/// What a recorded run is made from: its machine, where it begins, and what happens in it by itself.
fn made_from_of_run(config: &Config, base: &BoardOptions, machine: &MadeFrom) -> Result<MadeFrom, Unusable> {
    let begins_with = config.past.load_state.as_deref().map_or(Ok("power-on".to_owned()), sum_of_file)?;
    let more = [
        ("saved state", begins_with),
        ("list of --gpio-set", sum_of(&base.pins)),
        ("--type text", sum(format!("{:?}", config.input.script(0)).as_bytes())),
    ];
    Ok(machine.iter().cloned().chain(more.map(|(what, value)| (what.to_owned(), value))).collect())
}

/// What a machine is made from, as far as its runs depend on it.
fn made_from(config: &Config, kernel: &Kernel, base: &BoardOptions) -> Result<MadeFrom, Unusable> {
    let card = |card: &CardImage| {
        let sum = card.fingerprint().map_err(|error| Unusable::new(format_args!("the SD card's image cannot be read: {error}")))?;
        Ok(format!("{} bytes with sum {sum:016x}", card.bytes()))
    };
    let yes = |yes| if yes { "yes" } else { "no" }.to_owned();
    let list = [
        ("kernel", sum(&kernel.image)),
        ("device tree", sum_or(&kernel.dtb)),
        ("initial RAM disk", sum_or(&kernel.initrd)),
        ("command line", kernel.append.clone().unwrap_or_else(|| "the firmware's own".into())),
        ("number of cores", base.cores.to_string()),
        ("time", if base.mode == ClockMode::Deterministic { "deterministic" } else { "realtime" }.into()),
        ("set of CPU features", sum_of(&base.features)),
        ("configuration of the firmware", sum_of(&(&kernel.setup, kernel.splash))),
        ("SD card", base.card.as_deref().map_or_else(|| Ok("none".into()), card)?),
        ("set of USB devices", if base.has_input { "a keyboard and a mouse" } else { "none" }.into()),
        ("permission of semihosting", yes(base.semihosting.is_some())),
        ("end at a reset", yes(config.qemu.as_ref().is_some_and(|options| options.no_reboot))),
    ];
    Ok(list.map(|(what, value)| (what.to_owned(), value)).into())
}
