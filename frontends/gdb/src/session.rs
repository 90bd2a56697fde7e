//! The thread that serves GDB.

use crate::connection::{Physical, Piece, Sorter, Wire};
use crate::target::Target;
use crossbeam::channel::{Receiver, Sender};
use gdbstub::common::Signal;
use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine as State;
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};
use gdbstub::target::ext::base::reverse_exec::ReplayLogPosition;
use gdbstub::target::ext::breakpoints::WatchKind;
use std::collections::VecDeque;
use std::net::TcpStream;
use tayberry_a64::debugger::{Catch, Hit, Watch};
use tayberry_engine::handle::ExitReason;

/// Bytes of the longest packet.
const PACKET: usize = 1 << 14;

/// Connections that may wait for the end of another.
const MOST_WAITING: usize = 4;

/// Something that happens.
#[derive(Debug)]
pub enum Event {
    /// GDB wants a connection.
    Connected(TcpStream),
    /// Bytes from connection `number`.
    Bytes { number: u64, bytes: Vec<u8> },
    /// It is closed.
    Closed { number: u64 },
    /// The machine has stopped for the debugger, and is held.
    Halted {
        /// Of which resumption.
        epoch: u64,
        /// Cores that have something to tell.
        hits: Vec<(usize, Hit)>,
    },
    /// The machine was run backwards, and is held.
    Rewound {
        epoch: u64,
        /// What it has stopped for there; `None` at the beginning.
        hit: Option<(usize, Hit)>,
    },
    /// The machine's run is over.
    Ended(ExitReason),
}

/// What comes next in a connection.
enum Next {
    Byte(u8),
    Physical(Physical),
    Stopped(MultiThreadStopReason<u64>, Option<String>),
    Ended(ExitReason),
    Closed,
}

/// How a connection ended.
enum End {
    /// GDB has gone: the machine runs on.
    Gone,
    /// GDB has killed it.
    Killed,
    /// It has ended.
    Ended,
}

/// Serves one connection after the other.
pub struct Session {
    target: Target,
    events: Receiver<Event>,
    own: Sender<Event>,
    /// Connections so far.
    number: u64,
    sorter: Sorter,
    pieces: VecDeque<Next>,
    /// Connections that wait for the end of the one that is served: GDB may come again before its going has been heard of.
    waiting: VecDeque<TcpStream>,
    /// The run's end, if it came while nobody could be told.
    ended: Option<ExitReason>,
}

type Stop = MultiThreadStopReason<u64>;
type Failure = gdbstub::stub::GdbStubError<std::convert::Infallible, std::io::Error>;

impl Session {
    pub fn new(target: Target, events: Receiver<Event>, own: Sender<Event>) -> Self {
        Self { target, events, own, number: 0, sorter: Sorter::default(), pieces: VecDeque::new(), waiting: VecDeque::new(), ended: None }
    }

    /// Until the machine ends.
    pub fn run(mut self) {
        while let Ok(event) = self.events.recv() {
            match event {
                Event::Connected(stream) => {
                    self.waiting.push_back(stream);
                    while let Some(stream) = self.waiting.pop_front() {
                        if self.connection(stream) {
                            return;
                        }
                    }
                }
                Event::Ended(_) => break,
                // News for a connection that is gone: nothing is to stop the machine.
                Event::Halted { .. } | Event::Rewound { .. } => self.target.let_go(),
                Event::Bytes { .. } | Event::Closed { .. } => {}
            }
        }
    }

    /// One connection. True if the machine's run is over.
    fn connection(&mut self, stream: TcpStream) -> bool {
        self.number += 1;
        (self.sorter, self.pieces) = (Sorter::default(), VecDeque::new());
        let Ok(wire) = Wire::open(stream, self.number, self.own.clone()) else { return false };
        if !self.target.attach() {
            return true;
        }
        let end = match self.serve(wire) {
            Ok(end) => end,
            Err(error) => {
                tracing::warn!(target: "gdb", "the connection to GDB is given up: {error}");
                End::Gone
            }
        };
        match end {
            End::Gone => self.target.let_go(),
            End::Killed => self.target.kill(),
            End::Ended => return true,
        }
        false
    }

    fn serve(&mut self, wire: Wire) -> Result<End, Failure> {
        let mut buffer = vec![0; PACKET];
        let stub = GdbStub::builder(wire).with_packet_buffer(&mut buffer).build();
        // There is a buffer: nothing else is asked for.
        let Ok(stub) = stub else { return Ok(End::Gone) };
        let mut state = stub.run_state_machine(&mut self.target)?;
        loop {
            state = match state {
                State::Disconnected(inner) => {
                    return Ok(match inner.get_reason() {
                        DisconnectReason::Kill => End::Killed,
                        DisconnectReason::Disconnect => End::Gone,
                        DisconnectReason::TargetExited(_) | DisconnectReason::TargetTerminated(_) => End::Ended,
                    });
                }
                State::CtrlCInterrupt(inner) => {
                    let core = self.target.interrupt();
                    let stop = Stop::SignalWithThread { tid: Target::tid(core), signal: Signal::SIGINT };
                    inner.interrupt_handled(&mut self.target, Some(stop))?
                }
                State::Idle(mut inner) => match self.next(false) {
                    Next::Byte(byte) => inner.incoming_data(&mut self.target, byte)?,
                    Next::Physical(what) => {
                        let _ = answer_physical(inner.borrow_conn(), &mut self.target, what);
                        inner.into()
                    }
                    Next::Closed => return Ok(End::Gone),
                    Next::Ended(_) => return Ok(End::Ended),
                    Next::Stopped(..) => inner.into(),
                },
                State::Running(mut inner) => match self.next(true) {
                    Next::Byte(byte) => inner.incoming_data(&mut self.target, byte)?,
                    Next::Stopped(stop, words) => {
                        if let Some(words) = words {
                            let _ = inner.borrow_conn().say(&words);
                        }
                        inner.report_stop(&mut self.target, stop)?
                    }
                    Next::Ended(reason) => inner.report_stop(&mut self.target, exit(&reason))?,
                    Next::Closed => return Ok(End::Gone),
                    Next::Physical(_) => inner.into(),
                },
            };
        }
    }

    /// What comes next. `running`: stops of the machine are awaited.
    fn next(&mut self, running: bool) -> Next {
        loop {
            if let Some(piece) = self.pieces.pop_front() {
                return piece;
            }
            if let Some(reason) = self.ended.take() {
                return Next::Ended(reason);
            }
            let Ok(event) = self.events.recv() else { return Next::Closed };
            match event {
                Event::Bytes { number, bytes } if number == self.number => self.sort(&bytes),
                Event::Closed { number } if number == self.number => return Next::Closed,
                Event::Ended(reason) => self.ended = Some(reason),
                Event::Halted { epoch, hits } if running && epoch == self.target.epoch() => {
                    if let Some((stop, words)) = self.stop(&hits) {
                        return Next::Stopped(stop, words);
                    }
                    self.target.proceed();
                }
                Event::Rewound { epoch, hit } if running && epoch == self.target.epoch() => {
                    let stop = match hit {
                        Some((core, Hit::Step)) => {
                            self.target.stopped(core);
                            Some((Stop::SignalWithThread { tid: Target::tid(core), signal: Signal::SIGTRAP }, None))
                        }
                        hit => hit.and_then(|hit| self.stop(&[hit])),
                    };
                    let begin = Stop::ReplayLog { tid: Some(Target::tid(self.target.current())), pos: ReplayLogPosition::Begin };
                    let (stop, words) = stop.unwrap_or((begin, None));
                    return Next::Stopped(stop, words);
                }
                // One debugger at a time. What is not kept is sent away, by dropping its socket.
                Event::Connected(stream) if self.waiting.len() < MOST_WAITING => self.waiting.push_back(stream),
                Event::Connected(_) => {}
                Event::Bytes { .. } | Event::Closed { .. } | Event::Halted { .. } | Event::Rewound { .. } => {}
            }
        }
    }

    fn sort(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match self.sorter.push(byte) {
                Some(Piece::Raw(bytes)) => {
                    if bytes.starts_with(b"$QStartNoAckMode#") {
                        self.target.set_no_acks();
                    }
                    self.pieces.extend(bytes.into_iter().map(Next::Byte));
                }
                Some(Piece::Physical(what)) => self.pieces.push_back(Next::Physical(what)),
                None => {}
            }
        }
    }

    /// What GDB is told of a stop: one core's reason, that of a step first.
    fn stop(&mut self, hits: &[(usize, Hit)]) -> Option<(Stop, Option<String>)> {
        let steps = hits.iter().find(|(core, hit)| *hit == Hit::Step && self.target.steps(*core));
        let &(core, hit) = steps.or_else(|| hits.iter().find(|(_, hit)| *hit != Hit::Step))?;
        let tid = Target::tid(core);
        self.target.stopped(core);
        let mut words = None;
        let stop = match hit {
            Hit::Breakpoint(at) if self.target.is_hardware(at) => Stop::HwBreak(tid),
            Hit::Breakpoint(_) => Stop::SwBreak(tid),
            Hit::Watchpoint { point, address, .. } => {
                let kind = match point.watch {
                    Watch::Read => WatchKind::Read,
                    Watch::Write => WatchKind::Write,
                    Watch::Access => WatchKind::ReadWrite,
                };
                // GDB finds the watchpoint by an address within it.
                Stop::Watch { tid, kind, addr: address.max(point.start) }
            }
            Hit::Step => Stop::SignalWithThread { tid, signal: Signal::SIGTRAP },
            Hit::Exception { el, what } => {
                words = Some(format!("core {core}: caught {} taken to EL{el}\n", catch_words(what)));
                Stop::SignalWithThread { tid, signal: Signal::SIGTRAP }
            }
        };
        Some((stop, words))
    }
}

/// An exception in words.
pub fn catch_words(what: Catch) -> &'static str {
    match what {
        Catch::Sync => "a synchronous exception",
        Catch::Irq => "an IRQ",
        Catch::Fiq => "an FIQ",
        Catch::SError => "an SError",
    }
}

/// The run's end for GDB: the program's exit status where there is one.
fn exit(reason: &ExitReason) -> Stop {
    match reason {
        ExitReason::PowerOff | ExitReason::Until | ExitReason::Played => Stop::Exited(0),
        ExitReason::GuestExit(code) => Stop::Exited(*code as u8),
        ExitReason::Timeout | ExitReason::MaxInstructions => Stop::Exited(3),
        ExitReason::Lost(_) => Stop::Exited(4),
        ExitReason::Stopped => Stop::Terminated(Signal::SIGTERM),
    }
}

fn answer_physical(wire: &mut Wire, target: &mut Target, what: Physical) -> std::io::Result<()> {
    if !target.no_acks() {
        wire.write(b'+')?;
    }
    match what {
        Physical::Ask => wire.send(if target.physical { "1" } else { "0" }),
        Physical::Set(physical) => {
            target.physical = physical;
            wire.send("OK")
        }
    }
}
