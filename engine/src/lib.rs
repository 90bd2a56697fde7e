//! The machine core of Tayberry: an ECS world with a schedule, a physical bus, one clock, interrupt lines, a display that is
//! published as immutable snapshots, and the handle by which frontends see a machine.
//!
//! **Invariant**: the engine knows no concrete device, no instruction set and no frontend.
//! **Invariant**: no lock is taken on any path that a core or the renderer runs.

pub mod attention;
pub mod bench;
pub mod builder;
pub mod bus;
pub mod clock;
pub mod cpu;
pub mod display;
mod execute;
pub mod handle;
pub mod hid;
pub mod history;
mod io;
pub mod irq;
pub mod journal;
pub mod machine;
pub mod moment;
pub mod pins;
pub mod power;
mod quiet;
mod realtime;
pub mod recording;
mod rewind;
pub mod schedule;
pub mod serial;
mod settle;
pub mod sound;
pub mod state;
pub mod stats;
pub mod typist;
pub mod visit;

pub use attention::Attention;
pub use builder::{MachineBuilder, Plugin};
pub use bus::{BusContext, BusView, Inbox, PhysBus, PostedWrite, Served};
pub use clock::{Clock, ClockMode, Deadline, GuestTime};
pub use cpu::{CodeAddress, CoreReport, Fate, Processor, ReportLine, Slice, SliceEnd};
pub use hid::{HidEvent, HidWire};
pub use io::VSYNC_NS;
pub use irq::{IrqLine, IrqLines};
pub use schedule::Phase;
pub use state::{Archive, Cell, State, StateError};
pub use tayberry_ram::{Forget, GuestRam, PageMap, PageState};
pub use visit::Attendant;
