//! The machine: world, schedule, and the loop that runs ticks on the machine's own thread.

use crate::attention::Attention;
use crate::builder::{Deadlines, MachineClock, SharedRes};
use crate::bus::PhysBus;
use crate::clock::{Clock, ClockMode, Deadline, GuestTime, LATEST, MAX_CORES};
use crate::cpu::Processor;
use crate::execute::{Activity, CoreSlot, Executor, SliceParts};
use crate::handle::{Channels, ExitReason, Limits, MachineEnd, MachineEvent, MachineHandle, Shared, connect};
use crate::hid::HidWire;
use crate::history::{Event, Rewind, Tape};
use crate::io::{ChannelsRes, FramePacer, InputLines, SerialLines, Until};
use crate::irq::IrqLines;
use crate::journal::What;
use crate::pins::PinWire;
use crate::power::{PowerRequest, PowerSwitch};
use crate::quiet::Quiet;
use crate::realtime::Lengths;
use crate::rewind::Checkpoints;
use crate::schedule::Phase;
use crate::serial::{PORTS, SerialWire};
use crate::settle::Settler;
use crate::state::{Archive, Cell, Parts, State};
use crate::typist::{Script, Typist};
use crate::visit::Attendant;
use bevy_ecs::prelude::*;
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

/// A machine that can be run.
pub struct Machine {
    pub(crate) world: World,
    pub(crate) schedule: Schedule,
    pub(crate) clock: Arc<Clock>,
    power: Arc<PowerSwitch>,
    pub(crate) shared: Arc<Shared>,
    bus: Arc<PhysBus>,
    ram: Arc<GuestRam>,
    irq: Arc<IrqLines>,
    pub(crate) parts: Parts,
    /// What ways back begin at.
    pub(crate) checkpoints: Checkpoints,
    pub(crate) way_began: u64,
    settler: Settler,
    /// A debugger holds it: it stands still, and so does its time.
    held: bool,
    /// Instructions of each core, and guest time in nanoseconds, before this power cycle.
    pub(crate) before: ([u64; MAX_CORES], u64),
    pub(crate) rewind: Option<Rewind>,
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
    pub pin_wire: PinWire,
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
        let MachineParts { mut world, mut schedule, clock, attention, shared, wires, hid, pin_wire, power, bus, ram, irq, parts } = parts;
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
        world.insert_resource(InputLines { wires: wires.clone(), hid, pins: pin_wire });
        world.insert_resource(Typist::default());
        world.insert_resource(SerialLines::new(wires));
        world.insert_resource(Until::default());
        let pacer = FramePacer::new(before_ns);
        world.insert_resource(pacer);
        schedule.add_systems(crate::io::receive_input.in_set(Phase::Input));
        schedule.add_systems(crate::execute::execute.in_set(Phase::Execute));
        schedule.add_systems((crate::io::publish_serial, crate::io::keep_step).chain().in_set(Phase::Publish));
        let settler = Settler::new(Arc::clone(&ram), Arc::clone(&shared.display), Arc::clone(&clock));
        Self {
            world,
            schedule,
            clock,
            power,
            shared,
            bus,
            ram,
            irq,
            parts,
            checkpoints: Checkpoints::default(),
            way_began: 0,
            settler,
            held: false,
            before,
            rewind: None,
        }
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
            self.shared.pins.begin(self.before.1);
        }
    }

    /// All parts are loaded.
    pub(crate) fn loaded(&mut self, state: &Arc<State>) {
        self.settler.set_now();
        self.checkpoints = Checkpoints::of_loaded(Arc::clone(state), std::array::from_fn(|core| self.retired(core)));
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
    fn connect(&mut self, channels: &Arc<Channels>, limits: &Limits, script: Option<Script>) {
        self.world.insert_resource(ChannelsRes(Arc::clone(channels)));
        self.world.resource_mut::<Until>().set(limits.until.as_deref());
        // Where there is none, the machine has what is left of its own.
        if let Some(script) = script {
            self.world.insert_resource(Typist::new(script));
        }
    }

    /// Runs until something ends this power cycle.
    fn run(&mut self, parker: &Parker, limits: &Limits, started: Instant, attendants: &mut [Box<dyn Attendant>]) -> CycleEnd {
        let mut idle_since = None;
        let mut quiet = Quiet::new(self.shared.stats.total_instructions());
        loop {
            let stats = &self.shared.stats;
            let left = limits.max_instructions.map_or(u64::MAX, |most| most.saturating_sub(stats.total_instructions()));
            if let Some(end) = self.ended(limits, started, left) {
                return end;
            }
            let left = match self.to_stop() {
                Some((0, Event::Reset { .. })) => return CycleEnd::Reset,
                Some((0, _)) => return CycleEnd::Exit(ExitReason::Played),
                stop => stop.map_or(left, |(to_stop, _)| left.min(to_stop)),
            };
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
            if !self.serial_flows() || !self.shared.pins.flows() {
                self.nap_paused(SERIAL_NAP, parker, limits, started);
                continue;
            }
            self.world.resource_mut::<Executor>().allowance = left;
            self.schedule.run(&mut self.world);
            if self.world.resource::<Executor>().halted {
                self.halt(attendants);
                continue;
            }
            self.keep_checkpoint();
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
                        if self.has_lost_recording() {
                            return CycleEnd::Exit(ExitReason::Played);
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

    pub(crate) fn clear_halts(&mut self) {
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

    /// What ends the run between two ticks, if anything.
    fn ended(&mut self, limits: &Limits, started: Instant, instructions_left: u64) -> Option<CycleEnd> {
        let control = Arc::clone(&self.shared.control);
        match self.power.take() {
            Some(PowerRequest::Off) => return Some(CycleEnd::Exit(ExitReason::PowerOff)),
            Some(PowerRequest::Exit(code)) => return Some(CycleEnd::Exit(ExitReason::GuestExit(code))),
            Some(PowerRequest::Reset) => return Some(CycleEnd::Reset),
            None => {}
        }
        if control.stop.load(Ordering::Relaxed) {
            return Some(CycleEnd::Exit(ExitReason::Stopped));
        }
        if control.reset.swap(false, Ordering::Relaxed) && !self.world.resource::<Tape>().is_played() {
            self.note_reset();
            return Some(CycleEnd::Reset);
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
}

/// The handle of a machine to be, and what starts it.
pub fn prepare() -> (MachineHandle, Starter) {
    let (handle, shared, end) = connect();
    (handle, Starter { shared, end, attendants: Vec::new() })
}

impl Starter {
    /// Has `attendant` be with the machine that is started.
    pub fn attend(&mut self, attendant: Box<dyn Attendant>) {
        self.attendants.push(attendant);
    }

    /// Builds the machine for a caller who runs its ticks by hand, on this thread. What it prints comes out of its handle; a reset is the caller's business.
    ///
    /// # Errors
    /// What `build` says.
    pub fn by_hand<E>(self, build: impl FnOnce(Arc<Shared>) -> Result<Machine, E>) -> Result<Machine, E> {
        let mut machine = build(self.shared)?;
        machine.connect(&self.end.channels, &Limits::default(), Some(Script::default()));
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
        let Self { shared, end, mut attendants } = self;
        let MachineEnd { channels, parker } = end;
        let machine = build(Arc::clone(&shared))?;
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
    let mut is_on_its_way = false;
    loop {
        machine.connect(channels, limits, (!is_on_its_way).then(|| script.clone()));
        is_on_its_way = false;
        attendants.iter_mut().for_each(|attendant| attendant.begins(&mut machine));
        if let Some(Rewind { goal, mut halted, done, .. }) = rewind.take() {
            // What was told is not told again.
            let silent = tracing::subscriber::NoSubscriber::default();
            tracing::subscriber::with_default(silent, || machine.replay(goal, &mut halted));
            done(&mut machine);
        }
        let end = machine.run(parker, limits, started, attendants);
        machine.flush_serial(channels);
        match end.unless_reset_ends(limits) {
            CycleEnd::Exit(reason) => {
                machine.end_recording();
                attendants.iter_mut().for_each(|attendant| attendant.ends(&mut machine, &reason));
                return reason;
            }
            CycleEnd::Rewind(wanted) => {
                let (goal, begin) = (wanted.goal, wanted.begin);
                rewind = Some(wanted);
                let tape = machine.world.resource_mut::<Tape>().rewound();
                let checkpoints = std::mem::take(&mut machine.checkpoints);
                let (told, (instructions, guest_ns)) = (machine.world.resource::<SerialLines>().told(), machine.before);
                drop(machine);
                shared.stats.instructions.iter().zip(instructions).for_each(|(counter, before)| counter.set(before));
                shared.stats.guest_ns.set(guest_ns);
                machine = match build(Arc::clone(shared)) {
                    Ok(machine) => machine,
                    Err(error) => return built(error, "to go back"),
                };
                machine.world.insert_resource(tape);
                is_on_its_way = match machine.begin_way(checkpoints, goal, begin) {
                    Ok(loaded) => loaded,
                    Err(error) => return ExitReason::Lost(format!("the machine's state could not be loaded again to go back: {error}")),
                };
                machine.world.resource_mut::<SerialLines>().set_told(told);
            }
            CycleEnd::Reset => {
                script = machine.world.resource_mut::<Typist>().take_rest();
                let tape = machine.world.resource_mut::<Tape>().after_reset();
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
