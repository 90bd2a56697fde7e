//! The cores: an A64 core as the engine's processor, and the SoC as the core sees it.
//!
//! # Orderings
//! See [`crate::bells`] for the doorbells. A core that ends its slice for others' sake (a posted write, maintenance) stops them too, so that the work is
//! done within a block's time.

use crate::bells::Bells;
use crate::counters::{CoreCounters, Publisher};
use crate::generic_timer::{GenericTimers, Timers};
use crate::local_controller::{LocalController, LocalInterrupts};
use bevy_ecs::prelude::Resource;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tayberry_a64::core::doorbell;
use tayberry_a64::{Access, Bus, Config, Core, Features, JitConfig, Lines, Maintenance, Posted, Stop, Timer, TlbScope};
use tayberry_engine::attention::STOP;
use tayberry_engine::builder::CoreParts;
use tayberry_engine::{
    BusContext, Clock, ClockMode, Forget, GuestTime, MachineBuilder, PhysBus, Plugin, Processor, Served, Slice, SliceEnd,
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
    /// Deterministic: when the current slice is over.
    slice_end: GuestTime,
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
            ClockMode::Deterministic => self.slice_end,
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
}

/// What a core waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wait {
    /// WFI.
    Interrupt,
    /// WFE.
    Event,
}

/// A Cortex-A53 as the engine runs it.
pub struct A64Processor {
    core: Core,
    soc: Soc,
    waits_for: Wait,
    publisher: Publisher,
}

impl A64Processor {
    fn new(parts: &CoreParts, plugin: &CoresPlugin, bells: Arc<Bells>, timers: Arc<Timers>, local: Arc<LocalController>) -> Self {
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
            slice_end: GuestTime(0),
            retired: 0,
        };
        let publisher = Publisher::new(Arc::clone(&plugin.counters), parts.id);
        Self { core: Core::new(config), soc, waits_for: Wait::Interrupt, publisher }
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
        }
    }

    /// The core waits, unless it was called while it made up its mind.
    fn wait(&mut self, what: Wait, retired: u64) -> SliceEnd {
        self.waits_for = what;
        self.soc.bells.waits(self.soc.id);
        if self.is_called(retired) { SliceEnd::Yield } else { SliceEnd::Wait { poll: false } }
    }
}

impl Processor for A64Processor {
    fn run(&mut self, budget: u64) -> Slice {
        self.soc.bells.runs(self.soc.id);
        self.soc.retired = 0;
        if self.soc.clock.mode() == ClockMode::Deterministic {
            self.soc.slice_end = self.soc.now(budget);
        }
        let run = self.core.run(&mut self.soc, budget);
        self.publisher.slice_ended(&self.core);
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

#[derive(Resource, Clone)]
struct BellsResource(Arc<Bells>);

/// The machine's bells, made on first use.
pub(crate) fn bells(machine: &mut MachineBuilder) -> Arc<Bells> {
    let attention = machine.attention();
    Arc::clone(&machine.world.get_resource_or_insert_with(|| BellsResource(Arc::new(Bells::new(attention)))).0)
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
        for _ in 0..self.cores {
            let (bells, timers, local) = (Arc::clone(&bells), Arc::clone(&timers), Arc::clone(&local));
            let plugin = self.clone();
            machine.add_core(move |parts| Box::new(A64Processor::new(parts, &plugin, bells, timers, local)));
        }
    }
}
