//! The statistics file.

use crate::jit::Choice;
use serde::Serialize;
use std::io::{self, Write};
use std::time::Duration;
use tayberry_bcm2837::CoreCounters;
use tayberry_bcm2837::jit::{Counters, Exits};
use tayberry_engine::handle::{ExitReason, MachineHandle};
use tayberry_engine::stats::{Counter, Summary};

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
    /// Looks at the screen that found nothing new.
    frames_unchanged: u64,
    /// Host time of the looks that drew something, each.
    render_ms: Milliseconds,
    /// Host time of the looks that found nothing new.
    render_unchanged_ms: Milliseconds,
    /// Time in the renderer by host time: its share of one host core.
    render_share: f64,
    /// Host time from the publication of a scanout to its first frame on the screen.
    flip_to_present_ms: Milliseconds,
    reconfigurations: u64,
    property_messages: u64,
    /// Guest code was translated: on or off.
    jit: &'static str,
    /// Why it was not, where the host is the reason.
    jit_unavailable: Option<String>,
    /// Host memory for translated code, all cores together.
    jit_cache_bytes: u64,
    /// How the instructions were executed.
    cores: Vec<Core>,
    /// Host memory of the process shortly before the machine ended, where the host says it.
    resident_bytes: Option<u64>,
    /// The most that it ever was.
    peak_resident_bytes: Option<u64>,
    /// Why it ended, as a word.
    exit: &'static str,
    /// Why it ended, in words, where there is more to say.
    exit_detail: Option<String>,
    /// The status of this program.
    exit_status: u8,
}

/// Times in milliseconds, all 0 where there are none.
#[derive(Debug, Serialize)]
struct Milliseconds {
    count: u64,
    p50: f64,
    p99: f64,
    max: f64,
    total: f64,
}

impl From<Summary> for Milliseconds {
    fn from(ns: Summary) -> Self {
        let Summary { count, p50, p99, max, total } = ns;
        let ms = |ns: u64| ns as f64 / 1e6;
        Self { count, p50: ms(p50), p99: ms(p99), max: ms(max), total: ms(total) }
    }
}

/// How one core executed its instructions.
#[derive(Debug, Serialize)]
struct Core {
    core: usize,
    /// Retired by the interpreter.
    instructions_interpreted: u64,
    /// Retired by translated code.
    instructions_jitted: u64,
    /// Translated.
    regions: u64,
    /// Guest instructions in them.
    region_instructions: u64,
    /// Host code made for them.
    code_bytes: u64,
    /// Host time spent translating.
    compile_ns: u64,
    /// The same, per guest instruction translated.
    compile_ns_per_instruction: f64,
    /// Memory accesses of translated code.
    tlb_accesses: u64,
    /// Those that took the fast path.
    tlb_hits: u64,
    /// Those that did not.
    tlb_misses: u64,
    /// Times that all code was dropped for want of room.
    flushes: u64,
    /// Regions dropped because the guest wrote to their code.
    stale: u64,
    /// Why translated code was left, how often.
    exits: ExitCounts,
}

#[derive(Debug, Serialize)]
struct ExitCounts {
    budget: u64,
    attention: u64,
    unlinked: u64,
    system: u64,
    exception: u64,
}

impl Core {
    fn new(core: usize, counters: Counters) -> Self {
        // No `..`: a new counter is an error here.
        let Counters {
            interpreted,
            jitted,
            regions,
            region_instructions,
            code_bytes,
            compile_ns,
            flushes,
            stale,
            tlb_accesses,
            tlb_misses,
            exits,
        } = counters;
        let Exits { budget, attention, unlinked, system, exception } = exits;
        Self {
            core,
            instructions_interpreted: interpreted,
            instructions_jitted: jitted,
            regions,
            region_instructions,
            code_bytes,
            compile_ns,
            compile_ns_per_instruction: if region_instructions > 0 { compile_ns as f64 / region_instructions as f64 } else { 0.0 },
            tlb_accesses,
            tlb_hits: tlb_accesses.saturating_sub(tlb_misses),
            tlb_misses,
            flushes,
            stale,
            exits: ExitCounts { budget, attention, unlinked, system, exception },
        }
    }
}

/// How a run was made, and what it took of the host.
#[derive(Clone, Copy, Debug)]
pub struct How<'a> {
    /// Guest time was instructions retired.
    pub deterministic: bool,
    /// How guest code was translated.
    pub jit: &'a Choice,
    /// Resident bytes while the machine was there.
    pub resident: Option<u64>,
    /// The most that they ever were.
    pub peak: Option<u64>,
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
    pub fn new(kernel: &'a str, how: How, handle: &MachineHandle, counters: &CoreCounters, end: End) -> Self {
        let stats = &handle.stats;
        let cores = stats.cores.get() as usize;
        let jit = how.jit.config;
        let total = stats.total_instructions();
        let wall_s = end.wall.as_secs_f64();
        let (render, render_unchanged) = (stats.render.summary(), stats.render_unchanged.summary());
        let render_s = (render.total + render_unchanged.total) as f64 / 1e9;
        Self {
            version: env!("CARGO_PKG_VERSION"),
            kernel,
            deterministic: how.deterministic,
            instructions: stats.instructions.iter().take(cores).map(Counter::get).collect(),
            instructions_total: total,
            mips: if wall_s > 0.0 { total as f64 / wall_s / 1e6 } else { 0.0 },
            wall_s,
            guest_s: stats.guest_ns.get() as f64 / 1e9,
            ticks: stats.ticks.get(),
            frames_presented: stats.frames_presented.get(),
            frames_dropped_stale: stats.frames_dropped_stale.get(),
            frames_unchanged: stats.frames_unchanged.get(),
            render_ms: render.into(),
            render_unchanged_ms: render_unchanged.into(),
            render_share: if wall_s > 0.0 { render_s / wall_s } else { 0.0 },
            flip_to_present_ms: stats.flip_to_present.summary().into(),
            reconfigurations: stats.reconfigurations.get(),
            property_messages: stats.property_messages.get(),
            jit: if jit.is_some() { "on" } else { "off" },
            jit_unavailable: how.jit.unavailable.as_ref().map(ToString::to_string),
            jit_cache_bytes: jit.map_or(0, |jit| (jit.cache_bytes * cores) as u64),
            cores: (0..cores).map(|core| Core::new(core, counters.get(core))).collect(),
            resident_bytes: how.resident,
            peak_resident_bytes: how.peak,
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
