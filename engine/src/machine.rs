//! The machine: world, schedule, and the loop that runs ticks on the machine's own thread.

use crate::attention::Attention;
use crate::builder::{Deadlines, MachineClock, SharedRes};
use crate::bus::PhysBus;
use crate::clock::{Clock, ClockMode, Deadline, GuestTime, LATEST, MAX_CORES};
use crate::cpu::Processor;
use crate::execute::{Activity, CoreSlot, Executor, SliceParts};
use crate::handle::{Channels, ExitReason, Limits, MachineEnd, MachineEvent, MachineHandle, Shared, connect};
use crate::hid::HidWire;
use crate::history::{Cue, Goal, Player, Reel, Rewind, Tape};
use crate::io::{ChannelsRes, FramePacer, InputLines, SerialLines, Until};
use crate::irq::IrqLines;
use crate::journal::What;
use crate::power::{PowerRequest, PowerSwitch};
use crate::realtime::Lengths;
use crate::recording::{Entry, Recorder, Recording, Verdict};
use crate::schedule::Phase;
use crate::serial::{PORTS, SerialWire};
use crate::settle::Settler;
use crate::state::{Archive, Cell, Parts, State};
use crate::typist::{Script, Typist};
use crate::visit::Attendant;
use bevy_ecs::prelude::*;
use crossbeam::channel::{Receiver, bounded};
use crossbeam::sync::Parker;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tayberry_ram::GuestRam;

/// Longest sleep of an idle machine: bounds how late a request without an unpark is seen.
const LONGEST_NAP: Duration = Duration::from_millis(50);
/// An idle machine that nothing but input can wake ends a run with an instruction limit after this long: no instruction will retire.
const NOTHING_TO_COME: Duration = Duration::from_secs(1);
/// Sleep while frontends are behind with what the guest prints.
const SERIAL_NAP: Duration = Duration::from_millis(1);
/// Sleep while all running cores poll for stores that nobody makes.
const POLL_NAP: Duration = Duration::from_micros(50);

/// A machine is quiet that retires fewer than [`QUIET_INSTRUCTIONS`] in this time.
const QUIET_TIME: Duration = Duration::from_secs(2);
/// A system that only keeps its clock retires some millions a second.
const QUIET_INSTRUCTIONS: u64 = 20_000_000;

/// Watches for idle times, so that cores give memory back in each once.
struct Quiet {
    since: Instant,
    /// Instructions that had retired then.
    instructions: u64,
    /// Nothing to give back: it was done, and little has run since.
    trimmed: bool,
}

impl Quiet {
    fn new(instructions: u64) -> Self {
        Self { since: Instant::now(), instructions, trimmed: false }
    }

    /// Asked when nothing runs: is it time to trim?
    fn is_due(&mut self, instructions: u64) -> bool {
        if self.since.elapsed() < QUIET_TIME {
            return false;
        }
        let quiet = instructions - self.instructions < QUIET_INSTRUCTIONS;
        let due = quiet && !self.trimmed;
        *self = Self { trimmed: quiet, ..Self::new(instructions) };
        due
    }
}

/// A machine that can be run.
pub struct Machine {
    pub(crate) world: World,
    schedule: Schedule,
    clock: Arc<Clock>,
    power: Arc<PowerSwitch>,
    shared: Arc<Shared>,
    bus: Arc<PhysBus>,
    ram: Arc<GuestRam>,
    irq: Arc<IrqLines>,
    pub(crate) parts: Parts,
    /// The state that was loaded: what rewinds begin at.
    origin: Option<Arc<State>>,
    settler: Settler,
    /// A debugger holds it: it stands still, and so does its time.
    held: bool,
    /// Instructions of each core, and guest time in nanoseconds, before this power cycle.
    before: ([u64; MAX_CORES], u64),
    rewind: Option<Rewind>,
}

/// Parts that the builder hands over.
pub(crate) struct MachineParts {
    pub world: World,
    pub schedule: Schedule,
    pub clock: Arc<Clock>,
    pub attention: Arc<Attention>,
    pub shared: Arc<Shared>,
    pub wires: [SerialWire; PORTS],
    pub hid: HidWire,
    pub power: Arc<PowerSwitch>,
    pub bus: Arc<PhysBus>,
    pub ram: Arc<GuestRam>,
    pub irq: Arc<IrqLines>,
    pub parts: Parts,
}

/// How one power cycle ended.
enum CycleEnd {
    Reset,
    Rewind(Rewind),
    Exit(ExitReason),
}

impl CycleEnd {
    /// A reset is the end of a run whose limits say so.
    fn unless_reset_ends(self, limits: &Limits) -> Self {
        match self {
            Self::Reset if limits.reset_ends => Self::Exit(ExitReason::PowerOff),
            end => end,
        }
    }
}

impl Machine {
    pub(crate) fn new(parts: MachineParts) -> Self {
        let MachineParts { mut world, mut schedule, clock, attention, shared, wires, hid, power, bus, ram, irq, parts } = parts;
        world.insert_resource(Executor::new());
        world.insert_resource(Tape::default());
        let before = (std::array::from_fn(|core| shared.stats.instructions[core].get()), shared.stats.guest_ns.get());
        // Counters run on over resets, the clock starts again.
        let before_ns = shared.stats.guest_ns.get();
        world.insert_resource(SliceParts {
            attention,
            stats: Arc::clone(&shared.stats),
            clock: Arc::clone(&clock),
            reports: shared.reports.clone(),
            before_ns,
        });
        world.insert_resource(InputLines { wires: wires.clone(), hid });
        world.insert_resource(Typist::default());
        world.insert_resource(SerialLines::new(wires));
        world.insert_resource(Until::default());
        let pacer = FramePacer::new(before_ns);
        world.resource_mut::<Deadlines>().0.push(pacer.deadline());
        world.insert_resource(pacer);
        schedule.add_systems(crate::io::receive_input.in_set(Phase::Input));
        schedule.add_systems(crate::execute::execute.in_set(Phase::Execute));
        schedule.add_systems((crate::io::publish_serial, crate::io::keep_step).chain().in_set(Phase::Publish));
        let settler = Settler::new(Arc::clone(&ram), Arc::clone(&shared.display), Arc::clone(&clock));
        Self { world, schedule, clock, power, shared, bus, ram, irq, parts, origin: None, settler, held: false, before, rewind: None }
    }

    /// The bus, for tests and tools that look at a machine between ticks.
    pub fn bus(&self) -> &Arc<PhysBus> {
        &self.bus
    }

    /// The clock.
    pub fn clock(&self) -> &Arc<Clock> {
        &self.clock
    }

    /// RAM.
    pub fn ram(&self) -> &Arc<GuestRam> {
        &self.ram
    }

    /// Interrupt lines, doorbells and the power switch.
    pub(crate) fn pass_lines(&self, archive: &mut Archive<'_>) {
        let attention = &self.world.resource::<SliceParts>().attention;
        archive.cells(&[&self.irq, attention, &self.power]);
    }

    /// The counters, here and where frontends see them, and where they were when the power cycle began.
    pub(crate) fn pass_stats(&mut self, archive: &mut Archive<'_>) {
        self.shared.stats.pass(archive);
        archive.value(&mut self.before);
        if self.before.1 > LATEST {
            self.before.1 = 0;
            archive.refuse();
        }
        self.world.resource_mut::<SliceParts>().before_ns = self.before.1;
        if archive.is_load() {
            self.shared.journal.begin(self.before.1);
            self.shared.sound.begin(self.before.1);
        }
    }

    /// All parts are loaded.
    pub(crate) fn loaded(&mut self, state: Arc<State>) {
        self.settler.set_now();
        self.origin = Some(state);
    }

    /// The world, for tests and tools that look at a machine between ticks.
    pub fn world(&mut self) -> &mut World {
        &mut self.world
    }

    /// Realtime: makes slices last up to `longest` (a millisecond unless told), with no looks at the clock in between. For benches: what slices cost is
    /// the difference.
    pub fn set_longest_slice(&mut self, longest: Duration) {
        self.world.resource_mut::<Executor>().lengths = Lengths::all(longest.as_nanos() as u64);
    }

    /// Runs one tick of the schedule by hand.
    pub fn tick(&mut self) {
        self.schedule.run(&mut self.world);
    }

    /// The same, with at most `instructions` retired in it.
    pub fn tick_at_most(&mut self, instructions: u64) {
        self.world.resource_mut::<Executor>().allowance = instructions;
        self.tick();
    }

    /// Settles the pages that are shown ([`tayberry_ram::PageMap`]), between ticks: for whoever ticks by hand.
    pub fn settle(&mut self) {
        let mut cores = self.world.query::<&mut CoreSlot>();
        self.settler.settle(cores.iter_mut(&mut self.world).map(|slot| &mut *slot.into_inner().processor));
    }

    /// Calls `visit` with each core's number and the core, between ticks.
    pub fn each_core(&mut self, visit: &mut dyn FnMut(usize, &dyn Processor)) {
        self.world.query::<&CoreSlot>().iter(&self.world).for_each(|slot| visit(slot.id(), slot.processor()));
    }

    /// Calls `visit` with each core's number and what it is doing, in words.
    pub fn each_core_state(&mut self, visit: &mut dyn FnMut(usize, &str)) {
        self.world.query::<&CoreSlot>().iter(&self.world).for_each(|slot| visit(slot.id(), slot.state.words()));
    }

    /// Calls `visit` with each core's number and the core, between ticks, to change it: whoever knows what the cores are finds their type ([`std::any::Any`]).
    pub fn each_core_mut(&mut self, visit: &mut dyn FnMut(usize, &mut dyn Processor)) {
        self.world.query::<&mut CoreSlot>().iter_mut(&mut self.world).for_each(|mut slot| visit(slot.id(), &mut *slot.processor));
    }

    /// The machine stands still from now on, and its time with it, until it is [released](Self::release). Apart from the user's own pause, which goes on beside it.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// It goes on, unless the user has paused it.
    pub fn release(&mut self) {
        self.held = false;
    }

    /// It is held.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// From now on input is kept, so that the machine can be rewound: for deterministic machines, before their first tick ([`Attendant::begins`]). What is kept grows with what is typed.
    pub fn keep_history(&mut self) {
        self.world.resource_mut::<Tape>().kept = true;
    }

    /// Instructions that a core has retired since power-on or reset, between ticks.
    pub fn retired(&self, core: usize) -> u64 {
        let counter = self.shared.stats.instructions.get(core);
        counter.map_or(0, |counter| counter.get().saturating_sub(self.before.0[core]))
    }

    /// The same of all cores together.
    pub fn retired_by_all(&self) -> u64 {
        (0..MAX_CORES).map(|core| self.retired(core)).sum()
    }

    /// Goes back to where the machine was before: see [`Rewind`]. False if its history was not kept.
    pub fn rewind(&mut self, rewind: Rewind) -> bool {
        let kept = self.clock.mode() == ClockMode::Deterministic && self.world.resource::<Tape>().kept;
        if kept {
            self.rewind = Some(rewind);
        }
        kept
    }

    /// Instructions that are left up to a goal.
    fn left_to(&self, goal: Goal) -> u64 {
        match goal {
            Goal::All(all) => all.saturating_sub(self.retired_by_all()),
            Goal::Core { core, retired } => retired.saturating_sub(self.retired(core)),
        }
    }

    /// Runs a new machine up to a goal, with the input of its tape, and nobody told.
    fn replay(&mut self, goal: Goal, halted: &mut dyn FnMut(&mut Machine)) {
        while !self.shared.control.stop.load(Ordering::Relaxed) {
            let left = self.left_to(goal);
            if left == 0 {
                break;
            }
            self.world.resource_mut::<Executor>().goal = Some((goal, left));
            self.schedule.run(&mut self.world);
            let executor = self.world.resource::<Executor>();
            let stuck = matches!(executor.activity, Activity::Idle(None) | Activity::Dead(_));
            if executor.halted {
                self.clear_halts();
                halted(self);
            } else if stuck && !self.world.resource::<Tape>().is_due() {
                break;
            }
        }
        self.world.resource_mut::<Executor>().goal = None;
        self.world.resource_mut::<Tape>().replays = false;
    }

    /// Lets a core stand still while the others run, or no more: for a debugger that moves one core alone. A frozen core is as one that waits.
    pub fn set_frozen(&mut self, core: usize, frozen: bool) {
        let mut slots = self.world.query::<&mut CoreSlot>();
        slots.iter_mut(&mut self.world).filter(|slot| slot.id() == core).for_each(|mut slot| slot.frozen = frozen);
    }

    /// What the guest or a frontend has asked of the power switch since it was last asked, for whoever ticks by hand.
    pub fn power_request(&self) -> Option<PowerRequest> {
        self.power.take()
    }

    /// Connects it to the frontends' channels.
    fn connect(&mut self, channels: &Arc<Channels>, limits: &Limits, script: Script) {
        self.world.insert_resource(ChannelsRes(Arc::clone(channels)));
        self.world.resource_mut::<Until>().set(limits.until.as_deref());
        // What is left of a loaded machine's script is typed if nothing else is to be. A recording has what was typed.
        if self.origin.is_none() || !script.is_empty() || self.world.resource::<Tape>().plays() {
            self.world.insert_resource(Typist::new(script));
        }
    }

    /// Runs until something ends this power cycle.
    fn run(&mut self, parker: &Parker, limits: &Limits, started: Instant, attendants: &mut [Box<dyn Attendant>]) -> CycleEnd {
        let mut idle_since = None;
        let mut quiet = Quiet::new(self.shared.stats.total_instructions());
        loop {
            let stats = &self.shared.stats;
            let mut left = limits.max_instructions.map_or(u64::MAX, |most| most.saturating_sub(stats.total_instructions()));
            let cue = self.cue();
            if let Cue::Soon(soon) = cue {
                left = left.min(soon);
            }
            if let Some(end) = self.ended(limits, started, left, cue) {
                return end;
            }
            self.receive_visits();
            if let Some(rewind) = self.rewind.take() {
                return CycleEnd::Rewind(rewind);
            }
            if self.settler.is_due() {
                self.settle();
            }
            if self.held || self.shared.control.paused.load(Ordering::Relaxed) {
                self.nap_paused(LONGEST_NAP, parker, limits, started);
                continue;
            }
            if !self.serial_flows() {
                self.nap_paused(SERIAL_NAP, parker, limits, started);
                continue;
            }
            self.world.resource_mut::<Executor>().allowance = left;
            self.schedule.run(&mut self.world);
            if self.world.resource::<Executor>().halted {
                self.halt(attendants);
                continue;
            }
            if self.world.resource::<Until>().matched() {
                return CycleEnd::Exit(ExitReason::Until);
            }
            let activity = self.world.resource::<Executor>().activity.clone();
            if activity != Activity::Idle(None) {
                idle_since = None;
            } else if idle_since.get_or_insert_with(Instant::now).elapsed() >= NOTHING_TO_COME && limits.max_instructions.is_some() {
                return CycleEnd::Exit(ExitReason::MaxInstructions);
            }
            match activity {
                Activity::Busy => {}
                Activity::Polling => parker.park_timeout(POLL_NAP),
                Activity::Idle(next) => {
                    if next.is_none() && self.clock.mode() == ClockMode::Deterministic {
                        // Time stands still: no vertical sync is to come.
                        self.settle();
                        if self.replay_wakes() {
                            continue;
                        }
                    }
                    if self.clock.mode() == ClockMode::Realtime && quiet.is_due(self.shared.stats.total_instructions()) {
                        self.trim();
                    }
                    self.nap(parker, next, limits, started);
                }
                // The last words of the guest were published by this tick.
                Activity::Dead(reason) if self.power_is_quiet() => return CycleEnd::Exit(ExitReason::Lost(reason)),
                // A watchdog, if anything, gets it going again.
                Activity::Dead(_) => self.nap(parker, self.next_deadline(), limits, started),
            }
        }
    }

    /// A debugger has stopped the machine.
    #[cold]
    fn halt(&mut self, attendants: &mut [Box<dyn Attendant>]) {
        self.clear_halts();
        self.hold();
        attendants.iter_mut().for_each(|attendant| attendant.halted(self));
    }

    fn clear_halts(&mut self) {
        self.world.query::<&mut CoreSlot>().iter_mut(&mut self.world).for_each(|mut slot| slot.halted = false);
        self.world.resource_mut::<Executor>().halted = false;
    }

    /// Calls whoever wants to see the machine.
    fn receive_visits(&mut self) {
        let shared = Arc::clone(&self.shared);
        if let Some(visits) = shared.control.visits.take() {
            visits.for_each(|visit| visit(self));
        }
    }

    /// Cores give back memory that is nothing but a cache.
    fn trim(&mut self) {
        let mut cores = self.world.query::<&mut CoreSlot>();
        cores.iter_mut(&mut self.world).for_each(|mut core| core.processor.trim());
    }

    /// Nothing asks for reset or power-off, or will; if something does, the loop's next turn sees it.
    fn power_is_quiet(&self) -> bool {
        !self.power.is_pending() && !self.power.is_watched()
    }

    fn next_deadline(&self) -> Option<GuestTime> {
        self.world.resource::<Deadlines>().0.iter().filter_map(Deadline::get).min()
    }

    /// What a recording that is replayed has the machine do now.
    fn cue(&self) -> Cue {
        self.world.resource::<Tape>().cue(self.world.resource::<Executor>().is_within_slice(), &self.shared.stats)
    }

    /// The machine sleeps, and the recording that is replayed goes on, or ends here. False if none is replayed.
    fn replay_wakes(&mut self) -> bool {
        let within = self.world.resource::<Executor>().is_within_slice();
        // A core that a debugger keeps from running may be the one that ran.
        let frozen = self.world.query::<&CoreSlot>().iter(&self.world).any(|slot| slot.frozen);
        !frozen && self.world.resource_mut::<Tape>().wakes(within, &self.shared.stats)
    }

    /// What ends the run between two ticks, if anything.
    fn ended(&mut self, limits: &Limits, started: Instant, instructions_left: u64, cue: Cue) -> Option<CycleEnd> {
        if let Cue::Differs(why) = cue {
            return Some(CycleEnd::Exit(ExitReason::Differs(why)));
        }
        match self.power.take() {
            Some(PowerRequest::Off) => return Some(CycleEnd::Exit(ExitReason::PowerOff)),
            Some(PowerRequest::Exit(code)) => return Some(CycleEnd::Exit(ExitReason::GuestExit(code))),
            // A recorded run with [`Limits::reset_ends`] ends here.
            Some(PowerRequest::Reset) if cue == Cue::End => return Some(CycleEnd::Exit(ExitReason::Replayed)),
            Some(PowerRequest::Reset) => return Some(CycleEnd::Reset),
            None => {}
        }
        match cue {
            Cue::Reset | Cue::End => {
                let tape = self.world.resource_mut::<Tape>().into_inner();
                if cue == Cue::End && !tape.goes_on() {
                    return Some(CycleEnd::Exit(ExitReason::Replayed));
                }
                tape.pass_stop(&self.shared.stats);
                if cue == Cue::Reset {
                    return Some(CycleEnd::Reset);
                }
            }
            Cue::None | Cue::Soon(_) | Cue::Differs(_) => {}
        }
        let control = &self.shared.control;
        if control.stop.load(Ordering::Relaxed) {
            return Some(CycleEnd::Exit(ExitReason::Stopped));
        }
        if control.reset.swap(false, Ordering::Relaxed) {
            let cut = self.world.resource::<Executor>().is_within_slice();
            if self.world.resource_mut::<Tape>().note_reset(cut, &self.shared.stats) {
                return Some(CycleEnd::Reset);
            }
            tracing::warn!(target: "boot", "the reset is ignored: the machine replays a recording");
        }
        if limits.timeout.is_some_and(|timeout| started.elapsed() >= timeout) {
            return Some(CycleEnd::Exit(ExitReason::Timeout));
        }
        (instructions_left == 0).then_some(CycleEnd::Exit(ExitReason::MaxInstructions))
    }

    /// Sleeps until the next deadline, input, or a request.
    fn nap(&self, parker: &Parker, next: Option<GuestTime>, limits: &Limits, started: Instant) {
        let mut nap = Self::time_left(limits, started).min(LONGEST_NAP);
        if let Some(next) = next {
            if self.clock.mode() == ClockMode::Deterministic {
                return; // Idle guest time costs no host time.
            }
            nap = nap.min(Duration::from_nanos(next.0.saturating_sub(self.clock.now().0)));
        }
        if !nap.is_zero() {
            parker.park_timeout(nap);
        }
    }

    /// False while frontends are so far behind with what the guest prints that it must not print more. No core ever waits for them: the whole
    /// machine pauses between ticks, and its time with it.
    fn serial_flows(&mut self) -> bool {
        if !self.world.resource::<SerialLines>().is_full() {
            return true;
        }
        if let Some(channels) = self.world.get_resource::<ChannelsRes>().cloned() {
            self.world.resource_mut::<SerialLines>().send_held(&channels.0, false);
        }
        !self.world.resource::<SerialLines>().is_full()
    }

    /// Sends the guest's last words, however far behind the frontends are.
    fn flush_serial(&mut self, channels: &Channels) {
        self.world.resource_mut::<SerialLines>().send_held(channels, true);
    }

    fn nap_paused(&mut self, longest: Duration, parker: &Parker, limits: &Limits, started: Instant) {
        let asleep = Instant::now();
        parker.park_timeout(Self::time_left(limits, started).min(longest));
        self.receive_visits();
        self.clock.skip_pause(asleep.elapsed().as_nanos() as u64);
    }

    fn time_left(limits: &Limits, started: Instant) -> Duration {
        limits.timeout.map_or(Duration::MAX, |timeout| timeout.saturating_sub(started.elapsed()))
    }
}

/// A machine that runs on its own thread.
#[derive(Debug)]
pub struct Running {
    thread: std::thread::JoinHandle<ExitReason>,
}

impl Running {
    /// Waits for the end and says why it ended.
    pub fn join(self) -> ExitReason {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

/// A machine that is not started yet: connect frontends to its handle first, then start it.
pub struct Starter {
    shared: Arc<Shared>,
    end: MachineEnd,
    attendants: Vec<Box<dyn Attendant>>,
    reel: Option<Reel>,
}

/// The handle of a machine to be, and what starts it.
pub fn prepare() -> (MachineHandle, Starter) {
    let (handle, shared, end) = connect();
    (handle, Starter { shared, end, attendants: Vec::new(), reel: None })
}

impl Starter {
    /// Has `attendant` be with the machine that is started.
    pub fn attend(&mut self, attendant: Box<dyn Attendant>) {
        self.attendants.push(attendant);
    }

    /// Has all that comes from outside recorded: `sink` gets the entries of a [`Recording`] as they happen, on the machine's thread. `beat` is the time between two frames of a frontend that keeps
    /// step with the machine; the machine keeps it also without one. For deterministic machines.
    pub fn record(&mut self, beat: Duration, sink: impl FnMut(&Entry) + Send + Sync + 'static) {
        let beat_ns = u64::try_from(beat.as_nanos()).unwrap_or(u64::MAX).max(1000);
        self.reel = Some(Reel::Records(Recorder { sink: Box::new(sink), beat_ns, written: 0 }));
    }

    /// Replays a recording: the machine, built as the recorded one was, gets what that got and when it did, and nothing else. A script is not typed: what the recorded machine's script typed is in the recording. The run
    /// ends where the recorded one did ([`ExitReason::Replayed`], if the guest does not end it itself); if it `goes_on`, or the recording has no end, live input
    /// comes behind it. What came of the replay is told at its end.
    pub fn replay(&mut self, recording: Recording, goes_on: bool) -> Receiver<Verdict> {
        let (tell, told) = bounded(1);
        self.reel = Some(Reel::Plays(Player::new(recording, goes_on, tell)));
        told
    }

    /// Builds the machine for a caller who runs its ticks by hand, on this thread. What it prints comes out of its handle; a reset is the caller's business.
    ///
    /// # Errors
    /// What `build` says.
    pub fn by_hand<E>(self, build: impl FnOnce(Arc<Shared>) -> Result<Machine, E>) -> Result<Machine, E> {
        let mut machine = build(self.shared)?;
        machine.connect(&self.end.channels, &Limits::default(), Script::default());
        Ok(machine)
    }

    /// Builds the machine by `build` (again at every reset and for every way back) and runs it on a thread of its own until it ends.
    ///
    /// # Errors
    /// What `build` says the first time. At a reset its error ends the run as [`ExitReason::Lost`].
    pub fn start<E: std::error::Error + Send + 'static>(
        self,
        limits: Limits,
        mut build: impl FnMut(Arc<Shared>) -> Result<Machine, E> + Send + 'static,
    ) -> Result<Running, E> {
        let Self { shared, end, mut attendants, reel } = self;
        let MachineEnd { channels, parker } = end;
        let mut machine = build(Arc::clone(&shared))?;
        let mut limits = limits;
        if let Some(reel) = reel {
            if matches!(reel, Reel::Plays(_)) {
                limits.script.clear();
            }
            machine.world.resource_mut::<Tape>().begin(reel, &shared.stats);
        }
        let body = move || {
            let _ended = EndedGuard { shared: Arc::clone(&shared) };
            let exit = run_cycles(machine, &mut build, &shared, &channels, &parker, &limits, &mut attendants);
            let _ = channels.events.send(MachineEvent::Exited(exit.clone()));
            exit
        };
        let thread = std::thread::Builder::new().name("tayberry-machine".into()).spawn(body).expect("the host can start a thread");
        Ok(Running { thread })
    }
}

/// Says that the machine's thread is over, however it ends.
struct EndedGuard {
    shared: Arc<Shared>,
}

impl Drop for EndedGuard {
    fn drop(&mut self) {
        self.shared.control.ended.store(true, Ordering::Release);
        self.shared.control.visits.drop_if(|| true);
    }
}

fn run_cycles<E: std::error::Error>(
    mut machine: Machine,
    build: &mut impl FnMut(Arc<Shared>) -> Result<Machine, E>,
    shared: &Arc<Shared>,
    channels: &Arc<Channels>,
    parker: &Parker,
    limits: &Limits,
    attendants: &mut [Box<dyn Attendant>],
) -> ExitReason {
    let started = Instant::now();
    let built = |error: E, why: &str| ExitReason::Lost(format!("the machine could not be built again {why}: {error}"));
    let mut rewind: Option<Rewind> = None;
    // What is left of it where the power cycle begins.
    let mut script = limits.script.clone();
    loop {
        machine.connect(channels, limits, script.clone());
        attendants.iter_mut().for_each(|attendant| attendant.begins(&mut machine));
        if let Some(Rewind { goal, mut halted, done }) = rewind.take() {
            // What was told is not told again.
            let silent = tracing::subscriber::NoSubscriber::default();
            tracing::subscriber::with_default(silent, || machine.replay(goal, &mut halted));
            done(&mut machine);
        }
        let end = machine.run(parker, limits, started, attendants);
        machine.flush_serial(channels);
        match end.unless_reset_ends(limits) {
            CycleEnd::Exit(reason) => {
                let cut = machine.world.resource::<Executor>().is_within_slice();
                let reason = machine.world.resource_mut::<Tape>().end(reason, cut, &shared.stats);
                attendants.iter_mut().for_each(|attendant| attendant.ends(&mut machine, &reason));
                return reason;
            }
            CycleEnd::Rewind(wanted) => {
                rewind = Some(wanted);
                let tape = machine.world.resource_mut::<Tape>().rewound();
                let origin = machine.origin.take();
                let (told, (instructions, guest_ns)) = (machine.world.resource::<SerialLines>().told(), machine.before);
                drop(machine);
                shared.stats.instructions.iter().zip(instructions).for_each(|(counter, before)| counter.set(before));
                shared.stats.guest_ns.set(guest_ns);
                machine = match build(Arc::clone(shared)) {
                    Ok(machine) => machine,
                    Err(error) => return built(error, "to go back"),
                };
                machine.world.insert_resource(tape);
                if let Some(Err(error)) = origin.map(|origin| machine.load(&origin)) {
                    return ExitReason::Lost(format!("the machine's state could not be loaded again to go back: {error}"));
                }
                machine.world.resource_mut::<SerialLines>().set_told(told);
            }
            CycleEnd::Reset => {
                script = machine.world.resource_mut::<Typist>().take_rest();
                let tape = machine.world.resource_mut::<Tape>().reset();
                // The old machine's threads and memory go before the new one's come.
                drop(machine);
                let _ = channels.events.send(MachineEvent::Reset);
                shared.journal.begin(shared.stats.guest_ns.get());
                shared.journal.record(GuestTime(0), || What::Reset);
                machine = match build(Arc::clone(shared)) {
                    Ok(machine) => machine,
                    Err(error) => return built(error, "after a reset"),
                };
                machine.world.insert_resource(tape);
            }
        }
    }
}

/// Shared state, for systems of devices.
impl SharedRes {
    /// The counters.
    pub fn stats(&self) -> &crate::stats::Stats {
        &self.0.stats
    }
}

/// The clock, for systems of devices.
impl MachineClock {
    /// The machine's time, between slices.
    pub fn now(&self) -> GuestTime {
        self.0.now()
    }
}
