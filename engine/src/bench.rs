//! A machine on the test bench: devices on their bus with the tick's schedule, but no run loop. Tests of devices drive registers and
//! (deterministic) time by hand.

use crate::builder::MachineBuilder;
use crate::bus::{BusContext, PhysBus, Served};
use crate::clock::{Clock, ClockMode, Deadline, GuestTime, MAX_CORES};
use crate::handle::{Shared, connect};
use crate::hid::{HidEvent, HidWire};
use crate::irq::IrqLines;
use crate::machine::MachineParts;
use crate::pins::{Drive, PinEvent, PinWire};
use crate::power::PowerSwitch;
use crate::serial::{PORTS, SerialWire};
use crate::state::{Pages, Parts, State, StateError};
use bevy_ecs::prelude::*;
use std::sync::Arc;
use tayberry_ram::GuestRam;

/// Devices under test. Time stands still but for [`Bench::tick_at`].
pub struct Bench {
    /// The world, to look at components.
    pub world: World,
    /// The clock, in deterministic mode.
    pub clock: Arc<Clock>,
    /// All interrupt lines.
    pub irq: Arc<IrqLines>,
    /// The power switch.
    pub power: Arc<PowerSwitch>,
    bus: Arc<PhysBus>,
    schedule: Schedule,
    ram: Arc<GuestRam>,
    deadlines: Vec<Deadline>,
    wires: [SerialWire; PORTS],
    hid: HidWire,
    pin_wire: PinWire,
    parts: Parts,
}

/// State that a machine without frontends shares with nobody.
pub fn shared() -> Arc<Shared> {
    connect().1
}

impl Bench {
    /// A bench with `ram` bytes of RAM; `install` adds what is to be tested.
    ///
    /// # Panics
    /// If the host has no address space left, or what `install` adds does not fit together.
    pub fn new(ram: u64, cores: usize, install: impl FnOnce(&mut MachineBuilder)) -> Self {
        let clock = Arc::new(Clock::new(ClockMode::Deterministic));
        let ram = Arc::new(GuestRam::new(ram).expect("address space for guest RAM"));
        let mut builder = MachineBuilder::new(ram, Arc::clone(&clock), cores, shared());
        install(&mut builder);
        builder.into_bench()
    }

    pub(crate) fn from_parts(parts: MachineParts, deadlines: Vec<Deadline>) -> Self {
        let MachineParts { world, schedule, clock, attention, shared: _, wires, hid, pin_wire, power, bus, ram, irq, parts: devices } =
            parts;
        let (lines, inputs) = ((Arc::clone(&clock), Arc::clone(&irq), Arc::clone(&power)), (wires.clone(), hid.clone(), pin_wire.clone()));
        let all = deadlines.clone().into_boxed_slice();
        let mut parts = Parts::default();
        parts.add("bench", move |_, archive| {
            archive.cells(&[&lines.0, &lines.1, &attention, &lines.2, &all, &inputs.0, &inputs.1, &inputs.2]);
        });
        parts.append(devices);
        Self { world, clock, irq, power, bus, schedule, ram, deadlines, wires, hid, pin_wire, parts }
    }

    /// The state of all there is: time, deadlines, lines and wires, the devices' parts, RAM.
    ///
    /// # Panics
    /// If something cannot be saved.
    pub fn save(&mut self) -> State {
        let parts = self.parts.save(&mut self.world).expect("it can be saved");
        State { parts, ram: Pages::of(&self.ram) }
    }

    /// Takes over the state of a bench with the same devices.
    ///
    /// # Errors
    /// [`StateError`], where a part refuses what was saved of it.
    pub fn load(&mut self, state: &State) -> Result<(), StateError> {
        state.ram.load(&self.ram)?;
        self.parts.load(&mut self.world, &state.parts)?;
        let now = self.clock.now();
        (0..MAX_CORES).for_each(|core| self.clock.set_core_now(core, now));
        Ok(())
    }

    /// Something happens to a pin outside.
    pub fn drive_pin(&self, pin: u8, drive: Drive) {
        self.pin_wire.feed(PinEvent { pin, drive });
    }

    /// Reads 32 bits by core 0.
    pub fn read(&self, addr: u64) -> u32 {
        self.bus.read(addr, 4, &self.context(0)) as u32
    }

    /// Writes 32 bits by core 0.
    pub fn write(&self, addr: u64, value: u32) -> Served {
        self.bus.write(addr, 4, value.into(), &self.context(0))
    }

    /// The bus.
    pub fn bus(&self) -> &PhysBus {
        &self.bus
    }

    /// An access by `core` now.
    pub fn context(&self, core: usize) -> BusContext<'_> {
        BusContext { core, retired: 0, clock: &self.clock }
    }

    /// Sets the time and runs the schedule once, without cores.
    pub fn tick_at(&mut self, now: GuestTime) {
        self.clock.set_now(now);
        (0..MAX_CORES).for_each(|core| self.clock.set_core_now(core, now));
        self.schedule.run(&mut self.world);
    }

    /// Runs the schedule once, with no time passing.
    pub fn tick(&mut self) {
        self.tick_at(self.clock.now());
    }

    /// The earliest deadline.
    pub fn next_deadline(&self) -> Option<GuestTime> {
        self.deadlines.iter().filter_map(Deadline::get).min()
    }

    /// Lets bytes arrive at serial port `port`.
    pub fn feed(&self, port: usize, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.wires[port].feed(byte));
    }

    /// Somebody presses a key or moves the mouse.
    pub fn act(&self, event: HidEvent) {
        self.hid.feed(event);
    }

    /// What was sent on serial port `port` since the last call.
    pub fn sent(&self, port: usize) -> Vec<u8> {
        let mut out = Vec::new();
        self.wires[port].drain(&mut out);
        out
    }
}
