//! The `Execute` phase: which cores run, for how long, on which threads.
//!
//! Realtime: all ready cores run a slice in parallel; the slice ends at the next deadline ([`crate::realtime`]). Deterministic: one core a tick, the one whose
//! own time is furthest behind, so that the interleaving is a function of the guest alone.

use crate::attention::Attention;
use crate::builder::{Deadlines, MachineClock};
use crate::clock::{Clock, ClockMode, GuestTime, MAX_CORES};
use crate::cpu::{CoreReport, Fate, Processor, Slice, SliceEnd};
use crate::history::{Goal, Tape};
use crate::io::FramePacer;
use crate::moment;
use crate::realtime::{Lengths, Pace, execute_realtime};
use crate::state::Archive;
use crate::stats::Stats;
use bevy_ecs::prelude::*;
use crossbeam::channel::Sender;
use rayon::{ThreadPool, ThreadPoolBuilder};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Shortest slice, instructions: a deadline that is (nearly) due does not stall the machine.
pub(crate) const MIN_BUDGET: u64 = 1_000;
/// How far (in nanoseconds, which are instructions) a deterministic core may run ahead of the others.
const QUANTUM_NS: u64 = 5_000;
/// Longest deterministic slice of a core that runs alone.
const LONE_BUDGET: u64 = 1_000_000;
/// Guest time that passes for a deterministic core between two looks at a polled location.
const POLL_NS: u64 = 500;
/// Ticks for which the others must go on before a lost core is told of.
const LOST_TICKS: u32 = 8;
/// Guest time that passes for a deterministic core between two attempts to go on while it is stuck.
const STUCK_NS: u64 = 50_000;
/// Guest time for which nothing must come before a machine is given up whose cores are stuck: a transfer that is under way may yet write their memory.
const STRANDED_NS: u64 = 100_000_000;

/// What a core is doing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum CoreState {
    Ready,
    /// Waits for a store by another core: looks again every tick.
    Polling,
    /// Waits for what others do, and is asked within the slice.
    Dozing,
    Waiting,
    /// Goes nowhere by itself, and why: looks every tick whether something has reached it.
    Stuck(String),
    /// Stopped for good, and why.
    Lost(String),
}

impl CoreState {
    pub(crate) fn words(&self) -> &str {
        match self {
            Self::Ready => "runs",
            Self::Polling => "waits for a store (WFE)",
            Self::Dozing => "waits for an event (WFE)",
            Self::Waiting => "waits (WFI or WFE)",
            Self::Stuck(reason) | Self::Lost(reason) => reason,
        }
    }
}

/// A core in the world.
#[derive(Component)]
pub struct CoreSlot {
    id: usize,
    pub(crate) processor: Box<dyn Processor>,
    pub(crate) state: CoreState,
    /// Deterministic: the core's own time.
    local: GuestTime,
    /// Realtime: how fast it runs.
    pub(crate) pace: Pace,
    /// It seems to go nowhere, and was not told of yet.
    suspect: Option<String>,
    /// Ticks for which it has been stuck or lost.
    gone_ticks: u32,
    /// It was told of since it last ran well.
    told: bool,
    /// A debugger stopped the machine here.
    pub(crate) halted: bool,
    /// A debugger lets only others run.
    pub(crate) frozen: bool,
}

impl CoreSlot {
    pub(crate) fn new(id: usize, processor: Box<dyn Processor>) -> Self {
        Self {
            id,
            processor,
            state: CoreState::Ready,
            local: GuestTime(0),
            pace: Pace::default(),
            suspect: None,
            gone_ticks: 0,
            told: false,
            halted: false,
            frozen: false,
        }
    }

    /// Passes the core and what is known of it; not what belongs to the host (its pace) or to a debugger.
    pub(crate) fn pass(&mut self, archive: &mut Archive<'_>) {
        archive.value(&mut self.state);
        archive.value(&mut self.local);
        archive.value(&mut self.suspect);
        archive.value(&mut self.gone_ticks);
        archive.value(&mut self.told);
        self.processor.pass(archive);
    }

    pub(crate) fn id(&self) -> usize {
        self.id
    }

    pub(crate) fn processor(&self) -> &dyn Processor {
        &*self.processor
    }

    pub(crate) fn runnable(&self) -> bool {
        !self.frozen && matches!(self.state, CoreState::Ready | CoreState::Polling | CoreState::Dozing | CoreState::Stuck(_))
    }

    /// Why it goes nowhere, if so.
    fn gone(&self) -> Option<&str> {
        match &self.state {
            CoreState::Stuck(reason) | CoreState::Lost(reason) => Some(reason),
            _ => None,
        }
    }

    /// Nothing but another core's doing can make it do anything new.
    fn is_stranded(&self) -> bool {
        matches!(self.state, CoreState::Lost(_)) || self.processor.is_stranded(self.state == CoreState::Ready)
    }

    /// Runs one slice and books it. Returns the instructions retired, and whether nothing but the budget ended it.
    pub(crate) fn run(&mut self, budget: u64, parts: &SliceParts) -> (u64, bool) {
        moment::enter(&parts.clock, parts.before_ns, Some(self.id));
        let Slice { retired, end } = self.processor.run(budget);
        moment::enter(&parts.clock, parts.before_ns, None);
        let end = match end {
            SliceEnd::Debug(end) => {
                self.halted = true;
                *end
            }
            end => end,
        };
        let spent = matches!(end, SliceEnd::Spent);
        self.state = match end {
            SliceEnd::Spent | SliceEnd::Yield | SliceEnd::Debug(_) => CoreState::Ready,
            SliceEnd::Wait { poll: true } => CoreState::Polling,
            SliceEnd::Wait { poll: false } => CoreState::Waiting,
            SliceEnd::Doze => CoreState::Dozing,
            SliceEnd::Suspect(reason) => {
                self.suspect = Some(reason);
                CoreState::Ready
            }
            SliceEnd::Stuck(reason) => CoreState::Stuck(reason),
            SliceEnd::Lost(reason) => CoreState::Lost(reason),
        };
        parts.stats.instructions[self.id].add(retired);
        (retired, spent)
    }

    /// A core that dozes falls asleep, or finds that it is called.
    pub(crate) fn fall_asleep(&mut self) {
        if self.state == CoreState::Dozing {
            self.state = if self.processor.sleep() { CoreState::Waiting } else { CoreState::Ready };
        }
    }

    /// Tells of what became of it, if it was not told of.
    fn tell(&mut self, fate: Fate, reason: &str, clock: &Clock, parts: &SliceParts) {
        if std::mem::replace(&mut self.told, true) {
            return;
        }
        let mut lines = Vec::new();
        self.processor.report(&mut |line| lines.push(line));
        let time_ns = parts.before_ns + clock.now().0;
        let report = CoreReport { core: self.id, reason: reason.to_owned(), fate, time_ns, lines };
        tracing::info!(target: "exceptions", core = self.id, "{reason}");
        // Whoever never looks at reports needs no more.
        let _ = parts.reports.try_send(report);
    }
}

/// Tells of cores that went astray. True if nothing will come of the machine any more.
fn look_after(slots: &mut [Mut<CoreSlot>], executor: &mut Executor, clock: &Clock, parts: &SliceParts) -> Option<String> {
    for slot in slots.iter_mut() {
        if let Some(reason) = slot.suspect.take() {
            slot.tell(Fate::Suspect, &reason, clock, parts);
            slot.told = false;
        }
    }
    if slots.iter().all(|slot| slot.gone().is_none()) {
        executor.stranded_since = None;
        return None;
    }
    let stranded = slots.iter().all(|slot| slot.is_stranded());
    let since = stranded.then(|| executor.stranded_since.unwrap_or(clock.now()));
    executor.stranded_since = since;
    let waits_in_vain = since.is_some_and(|since| clock.now().0.saturating_sub(since.0) >= STRANDED_NS);
    let over = stranded && (waits_in_vain || slots.iter().all(|slot| !slot.runnable()));
    let mut end = None;
    for slot in slots.iter_mut() {
        let Some(reason) = slot.gone().map(str::to_owned) else {
            (slot.gone_ticks, slot.told) = (0, false);
            continue;
        };
        slot.gone_ticks = slot.gone_ticks.saturating_add(1);
        if over {
            slot.tell(Fate::End, &reason, clock, parts);
            end.get_or_insert_with(|| format!("core {}: {reason}", slot.id));
        } else if !stranded && slot.gone_ticks >= LOST_TICKS {
            slot.tell(Fate::Stuck, &reason, clock, parts);
        }
    }
    end
}

/// What the last `Execute` found, for the machine's loop.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Activity {
    /// Cores ran.
    Busy,
    /// Nothing to run before the time given, if any.
    Idle(Option<GuestTime>),
    /// Cores look for each other's stores, and nothing else runs.
    Polling,
    /// Nothing can ever run again, and why.
    Dead(String),
}

/// State of the `Execute` phase.
#[derive(Resource)]
pub(crate) struct Executor {
    pool: Option<ThreadPool>,
    /// Realtime: how long slices are.
    pub lengths: Lengths,
    /// Which core starts first: rotates, so that with more cores than threads nobody starves.
    pub first: usize,
    /// Instructions that may still retire.
    pub allowance: u64,
    pub activity: Activity,
    /// Since when cores are stuck and nothing can come of the others.
    stranded_since: Option<GuestTime>,
    /// Deterministic: the due deadline that the last tick left to the `Signal` phase.
    yielded_to: Option<GuestTime>,
    /// Deterministic: the slice in which a debugger stopped the machine. It is taken up again before anything else happens, so that the cores' interleaving does
    /// not depend on who looked.
    unfinished: Option<Unfinished>,
    /// Input has come in this tick. Devices have not seen it yet: no time is skipped before.
    pub has_input: bool,
    /// How far that slice has come.
    pub cut_at: Option<GuestTime>,
    /// A debugger has stopped the machine in the last tick.
    pub halted: bool,
    /// Deterministic: a rewind's goal, and the instructions that are left up to it.
    pub goal: Option<(Goal, u64)>,
}

/// What is left of a slice.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Unfinished {
    /// Whose it is, as an index of slots.
    at: usize,
    /// Instructions that have retired in it.
    retired: u64,
    /// Instructions that are left.
    budget: u64,
}

impl Executor {
    pub fn new() -> Self {
        Self {
            pool: None,
            lengths: Lengths::default(),
            first: 0,
            allowance: u64::MAX,
            activity: Activity::Busy,
            stranded_since: None,
            yielded_to: None,
            unfinished: None,
            has_input: false,
            cut_at: None,
            halted: false,
            goal: None,
        }
    }

    /// Passes whose turn it is and what is left of a slice.
    pub fn pass(&mut self, archive: &mut Archive<'_>) {
        archive.value(&mut self.first);
        archive.value(&mut self.stranded_since);
        archive.value(&mut self.yielded_to);
        archive.value(&mut self.unfinished);
        self.first %= MAX_CORES;
        let in_order = self.unfinished.is_none_or(|slice| slice.at < MAX_CORES && slice.retired.checked_add(slice.budget).is_some());
        if !in_order {
            self.unfinished = None;
            archive.refuse();
        }
    }

    /// A slice has begun and is not over.
    pub fn is_within_slice(&self) -> bool {
        self.unfinished.is_some()
    }

    /// The pool, made on first use by the machine's thread, which is one of its workers: entering it then costs nanoseconds.
    pub fn pool(&mut self, cores: usize) -> &ThreadPool {
        self.pool.get_or_insert_with(|| {
            let threads = std::thread::available_parallelism().map_or(1, usize::from).min(cores);
            let build = |own: bool| {
                let name = |index| format!("tayberry-core-{index}");
                let builder = ThreadPoolBuilder::new().num_threads(threads).thread_name(name);
                if own { builder.use_current_thread().build() } else { builder.build() }
            };
            build(true).or_else(|_| build(false)).expect("the host can start threads")
        })
    }
}

/// Threads and bells that a slice needs.
#[derive(Resource, Clone)]
pub(crate) struct SliceParts {
    pub attention: Arc<Attention>,
    pub stats: Arc<Stats>,
    pub clock: Arc<Clock>,
    pub reports: Sender<CoreReport>,
    /// Guest time of the power cycles before this one, in nanoseconds.
    pub before_ns: u64,
}

/// The system of the `Execute` phase.
pub(crate) fn execute(
    mut slots: Query<&mut CoreSlot>,
    mut executor: ResMut<Executor>,
    clock: Res<MachineClock>,
    deadlines: Res<Deadlines>,
    parts: Res<SliceParts>,
    pacer: Res<FramePacer>,
    mut tape: ResMut<Tape>,
) {
    parts.attention.clear_stops();
    moment::enter(&parts.clock, parts.before_ns, None);
    let mut slots: Vec<Mut<CoreSlot>> = slots.iter_mut().collect();
    let next = deadlines.0.iter().filter_map(|deadline| deadline.get()).min();
    let clock = &*clock.0;
    executor.activity = match clock.mode() {
        ClockMode::Realtime => execute_realtime(&mut slots, &mut executor, clock, next, &parts),
        ClockMode::Deterministic => {
            let looks = Looks { frame: pacer.next(), input: tape.awaited() };
            execute_deterministic(&mut slots, &mut executor, clock, next, &looks, &parts)
        }
    };
    // In how many steps a machine that waits passes its time depends on who looks.
    if !executor.is_within_slice() && !matches!(executor.activity, Activity::Idle(_) | Activity::Dead(_)) {
        tape.count();
    }
    executor.halted = slots.iter().any(|slot| slot.halted);
    // What was told of is not told again on the way back to it.
    if !tape.replays
        && let Some(reason) = look_after(&mut slots, &mut executor, clock, &parts)
    {
        executor.activity = Activity::Dead(reason);
    }
    parts.stats.guest_ns.set(parts.before_ns + clock.now().0);
    parts.stats.ticks.add(1);
}

/// Times at which somebody looks at a deterministic machine, or knows that something comes. Slices are the same whoever does.
struct Looks {
    /// A frame is taken.
    frame: Option<GuestTime>,
    /// Something of a recording comes before the next slice.
    input: Option<GuestTime>,
}

fn execute_deterministic(
    slots: &mut [Mut<CoreSlot>],
    executor: &mut Executor,
    clock: &Clock,
    next: Option<GuestTime>,
    looks: &Looks,
    parts: &SliceParts,
) -> Activity {
    executor.cut_at = None;
    let has_input = std::mem::take(&mut executor.has_input);
    if let Some(unfinished) = executor.unfinished.take_if(|unfinished| slots.get(unfinished.at).is_some_and(|slot| !slot.frozen)) {
        return run_deterministic(slots, executor, clock, unfinished, looks, parts);
    }
    wake_at(slots, clock, clock.now());
    if !slots.iter().any(|slot| slot.runnable()) {
        if has_input {
            return Activity::Idle(Some(clock.now()));
        }
        // Time in which all cores wait is skipped.
        let ahead = [next, looks.frame, looks.input].into_iter().flatten().filter(|&time| time > clock.now());
        if let Some(next) = ahead.min() {
            clock.set_now(next);
            wake_at(slots, clock, next);
            return if slots.iter().any(|slot| slot.runnable()) { Activity::Busy } else { Activity::Idle(Some(next)) };
        }
        return Activity::Idle(next.or(looks.input));
    }
    let Some(at) = (0..slots.len()).filter(|&at| slots[at].runnable()).min_by_key(|&at| (slots[at].local, at)) else {
        return Activity::Idle(next);
    };
    let local = slots[at].local;
    clock.set_now(local.max(clock.now()));
    // What is due at this time happens first: the Signal phase of this tick does it.
    if next.is_some_and(|next| next <= local) && executor.yielded_to != next {
        executor.yielded_to = next;
        return Activity::Busy;
    }
    executor.yielded_to = None;
    let others = (0..slots.len()).filter(|&other| other != at && slots[other].runnable()).map(|other| slots[other].local).min();
    let ahead = others.map_or(LONE_BUDGET, |other| (other.0 - local.0).saturating_add(QUANTUM_NS));
    let until_next = next.map_or(LONE_BUDGET, |next| next.0.saturating_sub(local.0)).max(1);
    let overdue = next.is_some_and(|next| next <= local);
    let budget = if overdue { MIN_BUDGET } else { ahead.min(until_next) };
    run_deterministic(slots, executor, clock, Unfinished { at, retired: 0, budget }, looks, parts)
}

/// Deterministic: runs a core's slice, or what is left of it.
fn run_deterministic(
    slots: &mut [Mut<CoreSlot>],
    executor: &mut Executor,
    clock: &Clock,
    slice: Unfinished,
    looks: &Looks,
    parts: &SliceParts,
) -> Activity {
    let Unfinished { at, retired: before, budget } = slice;
    let slot = &mut slots[at];
    let local = slot.local;
    clock.set_core_now(slot.id, local.plus(before));
    // Whoever cuts the slice does not change when it is over.
    clock.set_slice_end(slot.id, local.plus(before).plus(budget));
    let goal = match executor.goal {
        Some((Goal::All(_), left)) => left,
        Some((Goal::Core { core, .. }, left)) if core == slot.id => left,
        _ => u64::MAX,
    };
    let begins = local.plus(before);
    let frame = looks.frame.filter(|frame| *frame > begins).map_or(u64::MAX, |frame| frame.0 - begins.0);
    let (ran, spent) = slot.run(budget.min(goal).min(executor.allowance).min(frame), parts);
    let retired = before + ran;
    executor.allowance = executor.allowance.saturating_sub(ran);
    if spent && ran < budget {
        executor.unfinished = Some(Unfinished { at, retired, budget: budget - ran });
        executor.cut_at = Some(local.plus(retired));
        return Activity::Busy;
    }
    slot.fall_asleep();
    slot.local = local.plus(match slot.state {
        CoreState::Polling => retired + POLL_NS,
        CoreState::Stuck(_) => retired + STUCK_NS,
        _ => retired.max(1),
    });
    let now = slots.iter().filter(|slot| slot.runnable()).map(|slot| slot.local).min();
    // The last runner fell asleep: the machine's time is its time.
    clock.set_now(now.unwrap_or(slots[at].local).max(clock.now()));
    Activity::Busy
}

/// Deterministic: wakes the cores whose event has come at `now`.
fn wake_at(slots: &mut [Mut<CoreSlot>], clock: &Clock, now: GuestTime) {
    for slot in slots.iter_mut().filter(|slot| slot.state == CoreState::Waiting) {
        clock.set_core_now(slot.id, slot.local.max(now));
        if slot.processor.wakes() {
            slot.local = slot.local.max(now);
            slot.state = CoreState::Ready;
        }
    }
}
