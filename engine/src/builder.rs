//! Building a machine: a board is a list of plugins over a memory map.

use crate::attention::Attention;
use crate::bus::{BusView, PhysBus, RegisterNames};
use crate::clock::{Clock, Deadline};
use crate::cpu::Processor;
use crate::display::Display;
use crate::execute::CoreSlot;
use crate::handle::Shared;
use crate::hid::HidWire;
use crate::irq::{IrqLine, IrqLines};
use crate::journal::Journal;
use crate::machine::{Machine, MachineParts};
use crate::pins::{PinWire, Pins};
use crate::power::PowerSwitch;
use crate::schedule::{Phase, tick_schedule};
use crate::serial::{PORTS, SerialWire};
use crate::sound::Sound;
use crate::state::{Archive, Cell, Parts};
use crate::stats::Stats;
use bevy_ecs::prelude::*;
use bevy_ecs::schedule::ScheduleConfigs;
use bevy_ecs::system::ScheduleSystem;
use std::ops::Range;
use std::sync::Arc;
use tayberry_ram::GuestRam;

/// A device (or anything else) that can be put into a machine.
pub trait Plugin {
    /// Spawns the entity, maps the registers, claims interrupt lines, adds systems.
    fn install(&self, machine: &mut MachineBuilder);

    /// What it is called where machines are put together: the type's name.
    fn name(&self) -> &'static str {
        std::any::type_name::<Self>()
    }
}

/// The machine's RAM, for systems.
#[derive(Resource, Clone, Debug)]
pub struct Ram(pub Arc<GuestRam>);

/// The machine's clock, for systems.
#[derive(Resource, Clone, Debug)]
pub struct MachineClock(pub Arc<Clock>);

/// What frontends share with the machine, for systems.
#[derive(Resource, Clone, Debug)]
pub struct SharedRes(pub Arc<Shared>);

/// The bus of the finished machine, for systems of devices that are bus masters themselves. It is there once all plugins are installed.
#[derive(Resource, Clone, Debug)]
pub struct BusRes(pub Arc<PhysBus>);

/// All deadlines: the scheduler never lets a slice run past the earliest.
#[derive(Resource, Default, Debug)]
pub(crate) struct Deadlines(pub Vec<Deadline>);

/// What a processor core is built from.
pub struct CoreParts {
    /// Its number.
    pub id: usize,
    /// The bus.
    pub bus: Arc<PhysBus>,
    /// Guest RAM.
    pub ram: Arc<GuestRam>,
    /// The clock.
    pub clock: Arc<Clock>,
    /// All doorbells; its own is `attention.bell(id)`.
    pub attention: Arc<Attention>,
}

type BuildCore = Box<dyn FnOnce(&CoreParts) -> Box<dyn Processor>>;

/// A machine under construction.
pub struct MachineBuilder {
    /// The world, for plugins that need more than the methods here.
    pub world: World,
    schedule: Schedule,
    windows: Vec<(Range<u64>, &'static str, Arc<dyn BusView>)>,
    names: RegisterNames,
    cores: Vec<BuildCore>,
    deadlines: Vec<Deadline>,
    parts: Parts,
    stateless: Vec<&'static str>,
    ram: Arc<GuestRam>,
    clock: Arc<Clock>,
    irq: Arc<IrqLines>,
    attention: Arc<Attention>,
    shared: Arc<Shared>,
    wires: [SerialWire; PORTS],
    hid: HidWire,
    pin_wire: PinWire,
    power: Arc<PowerSwitch>,
}

impl MachineBuilder {
    /// An empty machine of up to `cores` cores.
    pub fn new(ram: Arc<GuestRam>, clock: Arc<Clock>, cores: usize, shared: Arc<Shared>) -> Self {
        let attention = Arc::new(Attention::new(cores));
        shared.journal.begin(shared.stats.guest_ns.get());
        shared.sound.begin(shared.stats.guest_ns.get());
        shared.pins.begin(shared.stats.guest_ns.get());
        let mut world = World::new();
        world.insert_resource(Ram(Arc::clone(&ram)));
        world.insert_resource(MachineClock(Arc::clone(&clock)));
        world.insert_resource(SharedRes(Arc::clone(&shared)));
        Self {
            world,
            schedule: tick_schedule(),
            windows: Vec::new(),
            names: |_, _| None,
            cores: Vec::new(),
            deadlines: Vec::new(),
            parts: Parts::default(),
            stateless: Vec::new(),
            irq: Arc::new(IrqLines::new(Arc::clone(&attention))),
            attention,
            ram,
            clock,
            shared,
            wires: Default::default(),
            hid: HidWire::default(),
            pin_wire: PinWire::default(),
            power: Arc::default(),
        }
    }

    /// Adds one plugin.
    pub fn install(&mut self, plugin: &dyn Plugin) -> &mut Self {
        let parts = self.parts.len();
        plugin.install(self);
        if self.parts.len() == parts {
            self.stateless.push(plugin.name());
        }
        self
    }

    /// Registers a part of the machine's state ([`crate::state`]): its name, and what passes it. All that a guest can see of a device, now or later, must be in some part.
    ///
    /// # Panics
    /// If there is a part of that name: a mistake in the board.
    pub fn part(&mut self, name: &'static str, pass: impl FnMut(&mut World, &mut Archive<'_>) + Send + Sync + 'static) -> &mut Self {
        self.parts.add(name, pass);
        self
    }

    /// The same for a device that is shared.
    pub fn part_of(&mut self, name: &'static str, device: Arc<impl Cell + Send + Sync + 'static>) -> &mut Self {
        self.part(name, move |_, archive| device.pass(archive))
    }

    /// The plugins installed so far that have registered no part, by their types' names.
    pub fn stateless(&self) -> &[&'static str] {
        &self.stateless
    }

    /// Maps a register window; `name` is for traces.
    pub fn map(&mut self, range: Range<u64>, name: &'static str, view: Arc<dyn BusView>) -> &mut Self {
        self.windows.push((range, name, view));
        self
    }

    /// Gives registers names, for traces.
    pub fn name_registers(&mut self, names: RegisterNames) -> &mut Self {
        self.names = names;
        self
    }

    /// Adds systems to a phase of the tick. Systems of one phase that depend on each other must be chained by their plugin.
    pub fn add_systems<M>(&mut self, phase: Phase, systems: impl IntoScheduleConfigs<ScheduleSystem, M>) -> &mut Self {
        let systems: ScheduleConfigs<ScheduleSystem> = systems.in_set(phase);
        self.schedule.add_systems(systems);
        self
    }

    /// Adds a processor core, built when the bus is complete.
    pub fn add_core(&mut self, build: impl FnOnce(&CoreParts) -> Box<dyn Processor> + 'static) -> &mut Self {
        self.cores.push(Box::new(build));
        self
    }

    /// A new deadline.
    pub fn deadline(&mut self) -> Deadline {
        let deadline = Deadline::default();
        self.deadlines.push(deadline.clone());
        deadline
    }

    /// The driving end of interrupt line `index`.
    pub fn irq_line(&self, index: usize) -> IrqLine {
        self.irq.line(index)
    }

    /// All interrupt lines, for interrupt controllers.
    pub fn irq_lines(&self) -> Arc<IrqLines> {
        Arc::clone(&self.irq)
    }

    /// All doorbells.
    pub fn attention(&self) -> Arc<Attention> {
        Arc::clone(&self.attention)
    }

    /// Guest RAM.
    pub fn ram(&self) -> Arc<GuestRam> {
        Arc::clone(&self.ram)
    }

    /// The clock.
    pub fn clock(&self) -> Arc<Clock> {
        Arc::clone(&self.clock)
    }

    /// The display that frontends read.
    pub fn display(&self) -> Arc<Display> {
        Arc::clone(&self.shared.display)
    }

    /// The counters.
    pub fn stats(&self) -> Arc<Stats> {
        Arc::clone(&self.shared.stats)
    }

    /// The journal.
    pub fn journal(&self) -> Arc<Journal> {
        Arc::clone(&self.shared.journal)
    }

    /// The audio outputs.
    pub fn sound(&self) -> Arc<Sound> {
        Arc::clone(&self.shared.sound)
    }

    /// The wire of serial port `port` (0: UART0, 1: UART1).
    pub fn serial_wire(&self, port: usize) -> SerialWire {
        self.wires[port % PORTS].clone()
    }

    /// The pins as frontends see them.
    pub fn pins(&self) -> Arc<Pins> {
        Arc::clone(&self.shared.pins)
    }

    /// The wire of what happens to pins outside.
    pub fn pin_wire(&self) -> PinWire {
        self.pin_wire.clone()
    }

    /// The wire of keyboard and mouse.
    pub fn hid_wire(&self) -> HidWire {
        self.hid.clone()
    }

    /// The power switch.
    pub fn power(&self) -> Arc<PowerSwitch> {
        Arc::clone(&self.power)
    }

    /// Number of cores added so far.
    pub fn core_count(&self) -> usize {
        self.cores.len()
    }

    /// Puts devices together for tests, without cores.
    pub(crate) fn into_bench(mut self) -> crate::bench::Bench {
        let bus = Arc::new(PhysBus::new(std::mem::take(&mut self.windows)));
        let deadlines = self.deadlines.clone();
        crate::bench::Bench::from_parts(self.into_parts(bus), deadlines)
    }

    /// Puts it together.
    pub fn build(mut self) -> Machine {
        let bus = Arc::new(PhysBus::new(std::mem::take(&mut self.windows)).with_names(self.names));
        let cores = std::mem::take(&mut self.cores);
        self.shared.stats.cores.set(cores.len() as u64);
        for (id, build) in cores.into_iter().enumerate() {
            let parts = CoreParts {
                id,
                bus: Arc::clone(&bus),
                ram: Arc::clone(&self.ram),
                clock: Arc::clone(&self.clock),
                attention: Arc::clone(&self.attention),
            };
            self.world.spawn(CoreSlot::new(id, build(&parts)));
        }
        Machine::new(self.into_parts(bus))
    }

    fn into_parts(mut self, bus: Arc<PhysBus>) -> MachineParts {
        self.world.insert_resource(Deadlines(self.deadlines));
        self.world.insert_resource(BusRes(Arc::clone(&bus)));
        MachineParts {
            world: self.world,
            schedule: self.schedule,
            clock: self.clock,
            attention: self.attention,
            shared: self.shared,
            wires: self.wires,
            hid: self.hid,
            pin_wire: self.pin_wire,
            power: self.power,
            bus,
            ram: self.ram,
            irq: self.irq,
            parts: self.parts,
        }
    }
}
