//! The statistics file.

use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;
use tayberry_engine::handle::{ExitReason, MachineHandle};
use tayberry_engine::stats::Counter;

/// What `--stats` writes.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    /// Version of the program.
    version: &'static str,
    /// What ran.
    kernel: &'a str,
    deterministic: bool,
    /// Instructions retired, per core.
    instructions: Vec<u64>,
    /// By all cores together.
    instructions_total: u64,
    /// Millions of instructions a second of host time, all cores together.
    mips: f64,
    /// Host time, from start to end of the machine.
    wall_s: f64,
    /// Guest time.
    guest_s: f64,
    /// Ticks of the schedule.
    ticks: u64,
    frames_presented: u64,
    frames_dropped_stale: u64,
    reconfigurations: u64,
    property_messages: u64,
    /// Why it ended, as a word.
    exit: &'static str,
    /// Why it ended, in words, where there is more to say.
    exit_detail: Option<String>,
    /// The status of this program.
    exit_status: u8,
}

/// How a run ended.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Why.
    pub reason: &'a ExitReason,
    /// The program's exit status.
    pub status: u8,
    /// Host time that it took.
    pub wall: Duration,
}

impl<'a> Report<'a> {
    /// The statistics of a machine that has ended.
    pub fn new(kernel: &'a str, deterministic: bool, handle: &MachineHandle, end: End) -> Self {
        let stats = &handle.stats;
        let cores = stats.cores.get() as usize;
        let total = stats.total_instructions();
        let wall_s = end.wall.as_secs_f64();
        Self {
            version: env!("CARGO_PKG_VERSION"),
            kernel,
            deterministic,
            instructions: stats.instructions.iter().take(cores).map(Counter::get).collect(),
            instructions_total: total,
            mips: if wall_s > 0.0 { total as f64 / wall_s / 1e6 } else { 0.0 },
            wall_s,
            guest_s: stats.guest_ns.get() as f64 / 1e9,
            ticks: stats.ticks.get(),
            frames_presented: stats.frames_presented.get(),
            frames_dropped_stale: stats.frames_dropped_stale.get(),
            reconfigurations: stats.reconfigurations.get(),
            property_messages: stats.property_messages.get(),
            exit: end.reason.word(),
            exit_detail: match end.reason {
                ExitReason::Lost(why) => Some(why.clone()),
                ExitReason::GuestExit(code) => Some(format!("the guest's code was {code}")),
                _ => None,
            },
            exit_status: end.status,
        }
    }

    /// Writes it as JSON.
    ///
    /// # Errors
    /// What writing says.
    pub fn write(&self, mut out: impl Write) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut out, self)?;
        writeln!(out)
    }
}
