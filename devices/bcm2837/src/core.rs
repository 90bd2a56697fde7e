//! The cores: an A64 core as the engine's processor, and the SoC as the core sees it.
//!
//! # Orderings
//! See [`crate::bells`] for the doorbells. A core that ends its slice for others' sake (a posted write, maintenance) stops them too, so that the work is
//! done within a block's time.

use crate::bells::Bells;
use crate::counters::{CoreCounters, Publisher};
use crate::generic_timer::{GenericTimers, Timers};
use crate::local_controller::{LocalController, LocalInterrupts};
use crate::semihosting::{Call, Guest, Semihosting, SemihostingResource, Served as CallServed};
use bevy_ecs::prelude::Resource;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tayberry_a64::core::doorbell;
use tayberry_a64::{Access, Bus, Config, Core, Features, JitConfig, Lines, Maintenance, Posted, Stop, Timer, TlbScope};
use tayberry_engine::attention::STOP;
use tayberry_engine::builder::CoreParts;
use tayberry_engine::{
    Archive, BusContext, Clock, ClockMode, CodeAddress, Forget, GuestTime, MachineBuilder, PhysBus, Plugin, Processor, ReportLine, Served,
    Slice, SliceEnd,
};

/// Where RAM ends for the cores and the peripherals begin.
pub const PERIPHERALS: u64 = 0x3F00_0000;
/// Realtime: a timer due within this many nanoseconds ends the slice in which it was programmed; no slice is longer.
const NEAR_NS: u64 = 2_000_000;

/// The machine around one core.
struct Soc {
    id: usize,
    bus: Arc<PhysBus>,
    clock: Arc<Clock>,
    bells: Arc<Bells>,
    bell: Arc<AtomicU32>,
    timers: Arc<Timers>,
    local: Arc<LocalController>,
    semihosting: Option<Semihosting>,
    /// Instructions retired in the current slice, as far as known.
    retired: u64,
}

impl Soc {
    fn now(&self, retired: u64) -> GuestTime {
        self.clock.core_now(self.id, retired)
    }

    fn lines(&self, retired: u64) -> Lines {
        self.local.lines(self.id, || self.now(retired))
    }

    /// This core looks at its doorbell at the next block boundary.
    fn ring_self(&self, bits: u32) {
        self.bell.fetch_or(bits, Ordering::Relaxed);
    }
}

impl Bus for Soc {
    fn read(&mut self, at: Access) -> u64 {
        self.retired = at.retired;
        let context = BusContext { core: self.id, retired: at.retired, clock: &self.clock };
        self.bus.read(at.pa, at.size, &context)
    }

    fn write(&mut self, at: Access, value: u64) -> Posted {
        self.retired = at.retired;
        let context = BusContext { core: self.id, retired: at.retired, clock: &self.clock };
        match self.bus.write(at.pa, at.size, value, &context) {
            Served::Inline => {
                // The write may have raised or let through an interrupt.
                self.ring_self(crate::bells::LOOK);
                Posted::Done
            }
            Served::EndSlice => Posted::Exit,
        }
    }

    fn counter(&mut self, retired: u64) -> u64 {
        self.retired = retired;
        self.timers.counter.count(self.now(retired))
    }

    fn set_timer(&mut self, timer: Timer, ctl: u32, cval: u64) {
        let now = self.now(self.retired);
        let Some(due) = self.timers.set(self.id, timer, ctl, cval, now) else { return };
        let near = match self.clock.mode() {
            ClockMode::Realtime => now.plus(NEAR_NS),
            ClockMode::Deterministic => self.clock.slice_end(self.id),
        };
        if due < near {
            self.ring_self(STOP);
        }
    }

    fn interrupts(&mut self, retired: u64) -> Lines {
        self.retired = retired;
        self.lines(retired)
    }

    fn send_event(&mut self) {
        self.bells.event(self.id);
    }

    fn broadcast(&mut self, what: Maintenance) {
        let bit = match what {
            Maintenance::Tlb(scope) => return self.bells.invalidate(self.id, scope),
            Maintenance::WriteTlb => doorbell::WRITE_TLB,
            Maintenance::Code => doorbell::CODE,
        };
        self.bells.attention().ring_others(self.id, bit);
    }

    fn set_pmu_interrupt(&mut self, asserted: bool) {
        self.local.set_pmu(self.id, asserted);
        self.ring_self(crate::bells::LOOK);
    }

    fn next_invalidation(&mut self) -> Option<TlbScope> {
        self.bells.next_invalidation(self.id)
    }

    fn is_semihosting(&self) -> bool {
        self.semihosting.is_some()
    }
}

/// A core that has called the host.
struct Caller<'a> {
    core: &'a mut Core,
    soc: &'a mut Soc,
    retired: u64,
}

impl Guest for Caller<'_> {
    fn read(&mut self, address: u64, out: &mut [u8]) -> Option<()> {
        self.core.semihosting_read(address, out)
    }

    fn write(&mut self, address: u64, data: &[u8]) -> Option<()> {
        self.core.semihosting_write(self.soc, address, data)
    }

    fn can_write(&self, address: u64, len: usize) -> bool {
        self.core.semihosting_can_write(address, len)
    }

    fn field(&mut self, address: u64) -> Option<u64> {
        self.core.semihosting_field(address)
    }

    fn set_field(&mut self, address: u64, value: u64) -> Option<()> {
        self.core.semihosting_set_field(self.soc, address, value)
    }

    fn now(&self) -> GuestTime {
        self.soc.now(self.retired)
    }
}

/// What a core waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Wait {
    /// WFI.
    Interrupt,
    /// WFE.
    Event,
    /// Input, for a call of the host's.
    Input,
    /// Nothing: it has ended the run.
    End,
}

/// A Cortex-A53 as the engine runs it.
pub struct A64Processor {
    core: Core,
    soc: Soc,
    waits_for: Wait,
    /// Its last slice ended in a wait.
    waiting: bool,
    /// A call of the host's that is not done.
    call: Option<Call>,
    publisher: Publisher,
}

impl A64Processor {
    fn new(parts: &CoreParts, plugin: &CoresPlugin, around: Around) -> Self {
        let Around { bells, timers, local, semihosting } = around;
        let bell = parts.attention.bell(parts.id);
        let config = Config {
            id: parts.id as u8,
            ram: Arc::clone(&parts.ram),
            ram_top: PERIPHERALS.min(parts.ram.len()),
            doorbell: Arc::clone(&bell),
            features: plugin.features,
            jit: plugin.jit,
        };
        let soc = Soc {
            id: parts.id,
            bus: Arc::clone(&parts.bus),
            clock: Arc::clone(&parts.clock),
            bells,
            bell,
            timers,
            local,
            semihosting,
            retired: 0,
        };
        let publisher = Publisher::new(Arc::clone(&plugin.counters), parts.id);
        Self { core: Core::new(config), soc, waits_for: Wait::Interrupt, waiting: false, call: None, publisher }
    }

    /// The core, for a debugger, between slices.
    pub fn core(&self) -> &Core {
        &self.core
    }

    /// The same to change it, and the bus as it sees it.
    pub fn core_and_bus(&mut self) -> (&mut Core, &mut dyn Bus) {
        (&mut self.core, &mut self.soc)
    }

    /// True if what the core waits for has come. WFI ends on any pending interrupt, WFE on those that the core would take.
    fn is_called(&self, retired: u64) -> bool {
        let lines = self.soc.lines(retired);
        match self.waits_for {
            Wait::Interrupt => self.core.wakes(lines),
            Wait::Event => self.soc.bells.has_event(self.soc.id) || self.core.interrupt_pending(lines).is_some(),
            Wait::Input => self.soc.semihosting.as_ref().is_some_and(Semihosting::has_input),
            Wait::End => false,
        }
    }

    /// The core waits, unless it was called while it made up its mind.
    fn wait(&mut self, what: Wait, retired: u64) -> SliceEnd {
        self.waits_for = what;
        self.soc.bells.waits(self.soc.id);
        if self.is_called(retired) { SliceEnd::Yield } else { SliceEnd::Wait { poll: false } }
    }
}

impl A64Processor {
    /// Does a part of the call that the core has made, `retired` instructions into the slice.
    #[cold]
    #[inline(never)]
    fn serve_call(&mut self, mut call: Call, retired: u64) -> SliceEnd {
        // It is there, or the core would not have stopped.
        let Some(semihosting) = self.soc.semihosting.clone() else { return SliceEnd::Yield };
        let served = semihosting.serve(&mut call, &mut Caller { core: &mut self.core, soc: &mut self.soc, retired });
        self.call = (!matches!(served, CallServed::Done(_))).then_some(call);
        match served {
            // The others leave their slices too: this core goes on soon, and what it printed is shown.
            CallServed::Done(result) => {
                self.core.set_reg(0, result);
                self.soc.bells.attention().ring_others(self.soc.id, STOP);
                SliceEnd::Yield
            }
            CallServed::More => {
                self.soc.bells.attention().ring_others(self.soc.id, STOP);
                SliceEnd::Yield
            }
            CallServed::Input => self.wait(Wait::Input, retired),
            CallServed::Ended => {
                self.waits_for = Wait::End;
                self.soc.bells.attention().ring_others(self.soc.id, STOP);
                SliceEnd::Wait { poll: false }
            }
        }
    }
}

impl Processor for A64Processor {
    fn run(&mut self, budget: u64) -> Slice {
        if let Some(call) = self.call.take() {
            self.soc.bells.runs(self.soc.id);
            let end = self.serve_call(call, 0);
            return Slice { retired: 0, end };
        }
        self.soc.bells.runs(self.soc.id);
        self.soc.retired = 0;
        let run = self.core.run(&mut self.soc, budget);
        self.publisher.slice_ended(&self.core);
        self.waiting = matches!(run.stop, Stop::Wfi | Stop::Wfe { .. });
        let end = match run.stop {
            Stop::Budget | Stop::Debug => SliceEnd::Spent,
            Stop::Attention => SliceEnd::Yield,
            Stop::Posted | Stop::Sync => {
                self.soc.bells.attention().ring_others(self.soc.id, STOP);
                SliceEnd::Yield
            }
            Stop::Wfi => self.wait(Wait::Interrupt, run.retired),
            Stop::Wfe { armed: false } => {
                self.waits_for = Wait::Event;
                self.soc.retired = run.retired;
                SliceEnd::Doze
            }
            Stop::Wfe { armed: true } => SliceEnd::Wait { poll: true },
            Stop::Suspect(reason) => SliceEnd::Suspect(reason),
            Stop::Stuck(reason) => SliceEnd::Stuck(reason),
            Stop::Semihosting => self.serve_call(Call::new(self.core.reg(0) as u32, self.core.reg(1)), run.retired),
            Stop::Lost(reason) => SliceEnd::Lost(reason),
        };
        if self.core.hit().is_some() {
            // The machine stops as one.
            self.soc.bells.attention().ring_others(self.soc.id, STOP);
            return Slice { retired: run.retired, end: SliceEnd::Debug(Box::new(end)) };
        }
        Slice { retired: run.retired, end }
    }

    fn wakes(&mut self) -> bool {
        self.is_called(0)
    }

    fn inspect(&self, visit: &mut dyn FnMut(&'static str, usize, u64)) {
        self.core.inspect(visit);
    }

    fn pass(&mut self, archive: &mut Archive<'_>) {
        let mut state = self.core.state();
        archive.value(&mut state);
        if archive.is_load() && archive.is_good() && self.core.set_state(state).is_none() {
            archive.refuse();
        }
        archive.value(&mut self.waits_for);
        archive.value(&mut self.waiting);
        archive.value(&mut self.call);
    }

    fn report(&self, tell: &mut dyn FnMut(ReportLine)) {
        for line in self.core.report() {
            let code = line.code.map(|code| CodeAddress { virt: code.va, phys: code.pa });
            tell(ReportLine { section: line.section.title(), text: line.text, code });
        }
    }

    fn is_stranded(&self, runs: bool) -> bool {
        // A core that runs goes on, unless it branches to itself.
        if runs && !self.core.spins() {
            return false;
        }
        let waits_for_any = !runs && self.waits_for == Wait::Interrupt && self.waiting;
        let both = Lines { irq: true, fiq: true };
        let hears = if waits_for_any { self.core.wakes(both) } else { self.core.interrupt_pending(both).is_some() };
        let interrupted = hears && self.soc.local.can_interrupt(self.soc.id);
        let called = self.waiting && self.core.has_event_stream();
        !interrupted && !called
    }

    fn trim(&mut self) {
        self.core.trim();
    }

    fn forget_writes(&mut self, what: Forget) {
        self.core.forget_writes(what);
    }

    fn sleep(&mut self) -> bool {
        self.soc.bells.waits(self.soc.id);
        !self.is_called(self.soc.retired)
    }
}

impl Drop for A64Processor {
    fn drop(&mut self) {
        self.publisher.finish(&self.core);
    }
}

/// What a core works with.
#[derive(Clone)]
struct Around {
    bells: Arc<Bells>,
    timers: Arc<Timers>,
    local: Arc<LocalController>,
    semihosting: Option<Semihosting>,
}

#[derive(Resource, Clone)]
struct BellsResource(Arc<Bells>);

/// The machine's bells, made on first use.
pub(crate) fn bells(machine: &mut MachineBuilder) -> Arc<Bells> {
    let attention = machine.attention();
    if let Some(bells) = machine.world.get_resource::<BellsResource>() {
        return Arc::clone(&bells.0);
    }
    let bells = Arc::new(Bells::new(attention));
    machine.world.insert_resource(BellsResource(Arc::clone(&bells)));
    machine.part_of("calls between cores", Arc::clone(&bells));
    bells
}

/// Adds the cores. Needs [`crate::generic_timer::GenericTimersPlugin`] and [`crate::local_controller::LocalControllerPlugin`] before it.
#[derive(Clone, Debug)]
pub struct CoresPlugin {
    /// Number of cores, 1 to 4.
    pub cores: usize,
    /// Extensions that they have.
    pub features: Features,
    /// How each translates guest code; `None` interprets all of it.
    pub jit: Option<JitConfig>,
    /// Where they say what they executed.
    pub counters: Arc<CoreCounters>,
}

impl Plugin for CoresPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let bells = bells(machine);
        let timers = Arc::clone(&machine.world.resource::<GenericTimers>().0);
        let local = Arc::clone(&machine.world.resource::<LocalInterrupts>().0);
        let semihosting = machine.world.get_resource::<SemihostingResource>().map(|semihosting| semihosting.0.clone());
        let around = Around { bells, timers, local, semihosting };
        for _ in 0..self.cores {
            let (plugin, around) = (self.clone(), around.clone());
            machine.add_core(move |parts| Box::new(A64Processor::new(parts, &plugin, around)));
        }
    }
}
