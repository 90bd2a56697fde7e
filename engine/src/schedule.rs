//! The schedule: one tick is one slice of guest time.

use bevy_ecs::prelude::*;
use bevy_ecs::schedule::{ScheduleLabel, SingleThreadedExecutor};

/// The ordered sets of a tick.
#[derive(SystemSet, Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Frontend events go into devices.
    Input,
    /// Cores run for a slice.
    Execute,
    /// Devices act on what cores wrote.
    Service,
    /// Timers and device levels become interrupt lines.
    Signal,
    /// Scanout, serial output and statistics go out to the frontends.
    Publish,
}

/// Label of the tick's schedule.
#[derive(ScheduleLabel, Clone, Debug, PartialEq, Eq, Hash)]
pub struct Tick;

/// An empty tick. Single-threaded on purpose: a tick costs a third of a microsecond, and parallelism lives inside systems.
pub(crate) fn tick_schedule() -> Schedule {
    let mut schedule = Schedule::new(Tick);
    schedule.set_executor(SingleThreadedExecutor::new());
    schedule.configure_sets((Phase::Input, Phase::Execute, Phase::Service, Phase::Signal, Phase::Publish).chain());
    schedule
}
