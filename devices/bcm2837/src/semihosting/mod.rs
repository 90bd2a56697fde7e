//! Semihosting: a guest calls the host by HLT #0xF000 for a console, files, a clock and its own end.
//!
//! # Resources
//! - Arm, "Semihosting for AArch32 and AArch64", release 3.0 (2024Q3): operation numbers, parameter blocks, extensions.
//!
//! # Protocol
//! There is one [`Session`] a machine: open files, the error number, the console. It sits in a queue of one place. A core that has called takes it out, serves its
//! call, and puts it back; one that finds the place empty leaves its slice and looks again in the next: nobody waits for a lock. A call that is not done at once (much
//! data, no input yet) gives the session back between its parts, so that no call holds the machine or another core up for long.

mod calls;
mod files;
#[cfg(test)]
mod tests;

pub use files::Directory;

use bevy_ecs::prelude::Resource;
use crossbeam::queue::ArrayQueue;
use files::Files;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tayberry_engine::power::{PowerRequest, PowerSwitch};
use tayberry_engine::serial::{SerialListener, SerialWire};
use tayberry_engine::{Archive, Cell, ClockMode, GuestTime, MachineBuilder, Plugin};

/// Time of day when a deterministic machine starts: 2020-01-01 00:00:00 UTC, in seconds since 1970.
const DETERMINISTIC_EPOCH: u64 = 1_577_836_800;

/// What a guest may ask of the host.
#[derive(Clone, Debug)]
pub struct SemihostingOptions {
    /// The directory that its files are in; without one it has none.
    pub files: Option<Arc<Directory>>,
    /// The serial port that its console shares: 0, 1, or [`tayberry_engine::serial::CONSOLE`].
    pub port: usize,
    /// What SYS_GET_CMDLINE says: the program's name and its arguments.
    pub command_line: String,
}

/// Memory that a guest may use as heap and stack, for SYS_HEAPINFO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heap {
    /// The lowest address.
    pub base: u64,
    /// The address behind the highest.
    pub limit: u64,
}

/// A core that has called, as the host sees it.
pub(crate) trait Guest {
    /// Copies guest memory out; `None` where it is not readable RAM.
    fn read(&mut self, address: u64, out: &mut [u8]) -> Option<()>;
    /// Copies data to guest memory; `None` where it is not writable RAM.
    fn write(&mut self, address: u64, data: &[u8]) -> Option<()>;
    /// True if `len` bytes there are writable RAM.
    fn can_write(&self, address: u64, len: usize) -> bool;
    /// A field of a parameter block.
    fn field(&mut self, address: u64) -> Option<u64>;
    /// Sets a field of a parameter block.
    fn set_field(&mut self, address: u64, value: u64) -> Option<()>;
    /// The guest's time.
    fn now(&self) -> GuestTime;
}

/// A call under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Call {
    /// W0: what is wanted.
    pub operation: u32,
    /// X1: a parameter block's address, or a value.
    pub parameter: u64,
    /// Bytes that earlier parts of the call have moved.
    pub done: u64,
}

impl Call {
    pub fn new(operation: u32, parameter: u64) -> Self {
        Self { operation, parameter, done: 0 }
    }
}

/// What became of a part of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Served {
    /// The call is done, and X0 is this.
    Done(u64),
    /// There is more to do, in the next slice.
    More,
    /// It goes on when there is input for the console.
    Input,
    /// The guest has ended: the core does not come back.
    Ended,
}

/// What a machine keeps for all its cores' calls.
#[derive(Debug)]
pub(crate) struct Session {
    options: SemihostingOptions,
    heap: Heap,
    files: Files,
    /// The last error, for SYS_ERRNO.
    errno: u32,
    console: SerialWire,
    typed: SerialListener,
    mode: ClockMode,
    power: Arc<PowerSwitch>,
}

impl Session {
    /// Seconds since 1970.
    fn time_of_day(&self, now: GuestTime) -> u64 {
        match self.mode {
            ClockMode::Deterministic => DETERMINISTIC_EPOCH + now.0 / 1_000_000_000,
            ClockMode::Realtime => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()),
        }
    }

    /// Passes what the guest has opened, and the last error.
    fn pass(&mut self, archive: &mut Archive<'_>) {
        self.files.pass(archive);
        archive.value(&mut self.errno);
    }

    fn exit(&self, code: i32) -> Served {
        self.power.request(PowerRequest::Exit(code));
        Served::Ended
    }
}

/// The host's end of semihosting, shared by the cores.
#[derive(Clone, Debug)]
pub(crate) struct Semihosting {
    /// See the module's protocol.
    session: Arc<ArrayQueue<Box<Session>>>,
    typed: SerialListener,
}

impl Semihosting {
    pub fn new(machine: &MachineBuilder, options: SemihostingOptions, heap: Heap) -> Self {
        let console = machine.serial_wire(options.port);
        let typed = console.listen();
        let (mode, power) = (machine.clock().mode(), machine.power());
        let session = ArrayQueue::new(1);
        let files = Files::default();
        // The queue is new: there is room.
        let _ = session.push(Box::new(Session { options, heap, files, errno: 0, console, typed: typed.clone(), mode, power }));
        Self { session: Arc::new(session), typed }
    }

    /// Serves a part of a call.
    pub fn serve(&self, call: &mut Call, guest: &mut dyn Guest) -> Served {
        let Some(mut session) = self.session.pop() else { return Served::More };
        let served = session.serve(call, guest);
        let _ = self.session.push(session);
        served
    }

    /// True if a call that waits for input has something to go on with.
    pub fn has_input(&self) -> bool {
        self.typed.has_input() || self.typed.input_ended()
    }
}

impl Cell for Semihosting {
    fn pass(&self, archive: &mut Archive<'_>) {
        // Between ticks it is in its place.
        if let Some(mut session) = self.session.pop() {
            session.pass(archive);
            let _ = self.session.push(session);
        }
    }
}

/// Semihosting, for the cores.
#[derive(Resource, Clone)]
pub(crate) struct SemihostingResource(pub Semihosting);

/// Adds semihosting. Comes before [`crate::core::CoresPlugin`].
#[derive(Clone, Debug)]
pub struct SemihostingPlugin {
    /// What is allowed; `None`: nothing at all, HLT #0xF000 is what it is on hardware.
    pub options: Option<SemihostingOptions>,
    /// Memory that is free when the guest starts.
    pub heap: Heap,
}

impl Plugin for SemihostingPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        if let Some(options) = &self.options {
            let semihosting = Semihosting::new(machine, options.clone(), self.heap);
            machine.part_of("semihosting", Arc::new(semihosting.clone()));
            machine.world.insert_resource(SemihostingResource(semihosting));
        }
    }
}
