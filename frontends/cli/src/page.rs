//! The page of `--report`.

use crate::files::Output;
use crate::report::Unusable;
use crate::stats::Report;
use std::path::Path;
use std::time::{Duration, SystemTime};
use tayberry_engine::handle::MachineHandle;
use tayberry_headless::Observer;
use tayberry_report::{Axis, Collector, Crash, Facts};

/// A page to be written, and what listens to the machine for it.
#[derive(Debug)]
pub struct Page {
    output: Output,
    collector: Option<Collector>,
}

impl Page {
    /// Opens the file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(path: &Path) -> Result<Self, Unusable> {
        Ok(Self { output: Output::open("--report", path)?, collector: None })
    }

    /// Listens to a machine that is not started yet; in place of the one before, if there was one that did not come to run. Whoever draws is to
    /// call the observer. `guest_time`: frames come with the guest's time.
    pub fn listen(&mut self, handle: &MachineHandle, guest_time: bool) -> Observer {
        let (collector, observer) = Collector::start(handle, if guest_time { Axis::Guest } else { Axis::Host });
        self.collector = Some(collector);
        observer
    }

    /// Writes the page of a machine that has ended after `wall`, and what crashed.
    ///
    /// # Errors
    /// If that fails.
    pub fn write(self, kernel: &str, stats: &Report<'_>, crashes: Vec<Crash>, wall: Duration) -> Result<(), Unusable> {
        let Self { output, collector: Some(collector) } = self else { return Ok(()) };
        let facts = Facts {
            kernel: kernel.to_owned(),
            arguments: std::env::args_os().skip(1).map(|argument| argument.to_string_lossy().into_owned()).collect(),
            date: SystemTime::now(),
            version: env!("CARGO_PKG_VERSION"),
            stats: serde_json::to_value(stats).map_err(Unusable::new)?,
            crashes,
        };
        let recording = collector.finish(wall);
        output.write("--report", |out| recording.write(&facts, out))
    }
}
