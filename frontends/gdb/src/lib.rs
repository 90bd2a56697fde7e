//! GDB's remote protocol over TCP: each core is a thread, all stop together.
//!
//! - `arch`: registers and their description for GDB.
//! - `plan`: what is set in the cores, and the attendant that keeps it so over resets, on the machine's thread.
//! - `session`: the thread that serves GDB: events from the socket and from the machine, one connection at a time.
//! - `target`: what GDB asks, answered by visits to the machine between ticks ([`tayberry_engine::handle::Control::ask`]).
//! - `reverse`: backwards, in deterministic machines.
//! - `monitor`: the commands of GDB's `monitor`.
//!
//! **Invariant**: without a connection the machine has no breakpoint, no watchpoint, and nothing to stop for.

mod arch;
mod connection;
mod monitor;
mod plan;
mod reverse;
mod session;
mod target;

use crossbeam::channel::unbounded;
use plan::{Guard, Wishes};
use session::{Event, Session};
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use target::Target;
use tayberry_engine::handle::MachineHandle;
use tayberry_engine::machine::Starter;
use thiserror::Error;

/// Why there is no debugger.
#[derive(Debug, Error)]
pub enum GdbError {
    /// Not an address and a port.
    #[error("{0} is no address to listen at (it is ADDR:PORT, such as localhost:1234)")]
    Address(String),
    /// It cannot be listened at.
    #[error("cannot listen at {0}: {1}")]
    Listen(String, io::Error),
}

/// A topic of the trace, for `monitor trace`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its name.
    pub name: &'static str,
    /// What it tells.
    pub tells: &'static str,
    /// It is traced now.
    pub on: bool,
}

/// The program's trace, which `monitor trace` switches.
pub trait Traces: Send {
    /// All topics.
    fn topics(&self) -> Vec<Topic>;

    /// Switches the topics of a list as the program's option reads it.
    ///
    /// # Errors
    /// Words for the user: what in the list is no topic.
    fn switch(&self, list: &str, on: bool) -> Result<(), String>;
}

/// A port at which GDB is awaited.
#[derive(Debug)]
pub struct Port {
    listener: TcpListener,
}

impl Port {
    /// Begins to listen at `ADDR:PORT`, or `:PORT` for this host alone.
    ///
    /// # Errors
    /// [`GdbError`], whose message is one line for the user.
    pub fn open(address: &str) -> Result<Self, GdbError> {
        let full = if address.starts_with(':') { format!("localhost{address}") } else { address.to_owned() };
        let bad = |_| GdbError::Address(address.to_owned());
        let all: Vec<SocketAddr> = full.to_socket_addrs().map_err(bad)?.collect();
        if all.is_empty() {
            return Err(GdbError::Address(address.to_owned()));
        }
        // GDB tries an IPv4 address first.
        let mut sorted = all;
        sorted.sort_by_key(SocketAddr::is_ipv6);
        let listener = TcpListener::bind(&sorted[..]).map_err(|error| GdbError::Listen(address.to_owned(), error))?;
        Ok(Self { listener })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the host says.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves GDB for the machine that `starter` will start. `wait`: it is held in front of its first instruction until GDB sends it on. `deterministic`: it is, so
    /// that it can be run backwards. `traces`: what `monitor trace` switches.
    ///
    /// # Errors
    /// The host has no thread.
    pub fn serve(
        self,
        handle: &MachineHandle,
        starter: &mut Starter,
        wait: bool,
        deterministic: bool,
        traces: Box<dyn Traces>,
    ) -> io::Result<Debugger> {
        let wishes = Arc::new(Wishes::default());
        wishes.held.store(wait, Ordering::Relaxed);
        let (events_tx, events) = unbounded();
        starter.attend(Box::new(Guard { wishes: Arc::clone(&wishes), events: events_tx.clone(), keeps_history: deterministic }));
        let (accepted, listener) = (events_tx.clone(), self.listener);
        // It ends with the program: nobody else can end an `accept`.
        std::thread::Builder::new().name("tayberry-gdb-accept".into()).spawn(move || {
            for stream in listener.incoming().flatten() {
                if accepted.send(Event::Connected(stream)).is_err() {
                    break;
                }
            }
        })?;
        let target = Target::new(handle, wishes, events_tx.clone(), deterministic, traces);
        let session = Session::new(target, events, events_tx);
        let thread = std::thread::Builder::new().name("tayberry-gdb".into()).spawn(move || session.run())?;
        Ok(Debugger { thread })
    }
}

/// A debugger at work.
#[derive(Debug)]
pub struct Debugger {
    thread: JoinHandle<()>,
}

impl Debugger {
    /// Once the machine has ended: waits, but not for long, until GDB has been told.
    pub fn finish(self) {
        let until = Instant::now() + Duration::from_secs(1);
        while !self.thread.is_finished() && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}
