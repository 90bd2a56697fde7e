//! The machine: world, schedule, and the loop that runs ticks.

use crate::attention::Attention;
use crate::bus::PhysBus;
use crate::clock::Clock;
use crate::cpu::Processor;
use crate::handle::{ExitReason, Limits, MachineHandle, Shared, connect};
use crate::power::PowerSwitch;
use crate::serial::{PORTS, SerialWire};
use bevy_ecs::prelude::*;
use std::sync::Arc;

/// A core in the world.
#[derive(Component)]
pub struct CoreSlot {
    id: usize,
    processor: Box<dyn Processor>,
}

impl CoreSlot {
    pub(crate) fn new(id: usize, processor: Box<dyn Processor>) -> Self {
        Self { id, processor }
    }
}

/// A machine that can be run.
pub struct Machine {
    world: World,
    schedule: Schedule,
}

impl Machine {
    #[expect(clippy::too_many_arguments, reason = "the builder's parts, handed over once")]
    pub(crate) fn new(
        world: World,
        schedule: Schedule,
        _clock: Arc<Clock>,
        _attention: Arc<Attention>,
        _shared: Arc<Shared>,
        _wires: [SerialWire; PORTS],
        _power: Arc<PowerSwitch>,
        _bus: Arc<PhysBus>,
    ) -> Self {
        Self { world, schedule }
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
    end: crate::handle::MachineEnd,
}

/// The handle of a machine to be, and what starts it.
pub fn prepare() -> (MachineHandle, Starter) {
    let (handle, shared, end) = connect();
    (handle, Starter { shared, end })
}

impl Starter {
    /// Builds the machine by `build` (again at every reset) and runs it on a thread of its own until it ends.
    ///
    /// # Errors
    /// What `build` says the first time. At a reset its error ends the run as [`ExitReason::Lost`].
    pub fn start<E: std::error::Error + Send + 'static>(
        self,
        limits: Limits,
        mut build: impl FnMut(Arc<Shared>) -> Result<Machine, E> + Send + 'static,
    ) -> Result<Running, E> {
        let _machine = build(Arc::clone(&self.shared))?;
        let _ = (limits, self.end);
        Ok(Running { thread: std::thread::spawn(|| ExitReason::Stopped) })
    }
}
