//! What a frontend sees of a machine: display, serial lines, input, control, statistics. Never the world.

use crate::cpu::CoreReport;
use crate::display::Display;
use crate::hid::{HidEvent, Stroke};
use crate::io::VSYNC_NS;
use crate::journal::{Journal, Reader};
use crate::machine::Machine;
use crate::pins::{PinEvent, PinListener, Pins};
use crate::serial::PORTS;
use crate::sound::{Listener, Sound};
use crate::stats::Stats;
use crate::typist::Script;
use crate::visit::Visits;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, unbounded};
use crossbeam::sync::{Parker, Unparker};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Something from outside for the machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// Bytes typed at serial port 0 (UART0), 1 (UART1) or 2 ([`crate::serial::CONSOLE`]).
    Serial {
        /// Port number.
        port: usize,
        /// The bytes; none: nothing more will come.
        bytes: Vec<u8>,
    },
    /// A key of the machine's keyboard goes down or up.
    Keyboard {
        /// The key, by its usage of page 7 ([`crate::hid::usage`]).
        usage: u8,
        /// It goes down.
        pressed: bool,
    },
    /// The machine's mouse is moved.
    Mouse {
        /// Buttons that are down: bit 0 left, 1 right, 2 middle.
        buttons: u8,
        /// To the right.
        dx: i16,
        /// Down.
        dy: i16,
        /// Notches of the wheel, away from the user.
        wheel: i8,
    },
    /// A general purpose pin is driven from outside, or left alone.
    Pin(PinEvent),
}

impl From<HidEvent> for Input {
    fn from(event: HidEvent) -> Self {
        match event {
            HidEvent::Key { usage, pressed } => Self::Keyboard { usage, pressed },
            HidEvent::Mouse { buttons, dx, dy, wheel } => Self::Mouse { buttons, dx, dy, wheel },
        }
    }
}

/// Why a machine ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// The guest switched the power off.
    PowerOff,
    /// The guest exited with a status.
    GuestExit(i32),
    /// The text of [`Limits::until`] was printed.
    Until,
    /// [`Limits::timeout`] has passed.
    Timeout,
    /// [`Limits::max_instructions`] have retired, or all cores wait for what will not come.
    MaxInstructions,
    /// All cores have stopped for good; why, in words.
    Lost(String),
    /// The recording that it got its input from is over ([`crate::machine::Machine::play`]).
    Played,
    /// The user or a frontend asked for it.
    Stopped,
}

impl ExitReason {
    /// The reason as one word, for statistics.
    pub fn word(&self) -> &'static str {
        match self {
            Self::PowerOff => "poweroff",
            Self::GuestExit(_) => "guest-exit",
            Self::Until => "until",
            Self::Timeout => "timeout",
            Self::MaxInstructions => "max-instructions",
            Self::Lost(_) => "lost",
            Self::Played => "played",
            Self::Stopped => "stopped",
        }
    }
}

/// What happens to a machine, for frontends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MachineEvent {
    /// It was reset and starts again.
    Reset,
    /// It has ended: the last event.
    Exited(ExitReason),
}

/// When a run ends by itself.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Host time.
    pub timeout: Option<Duration>,
    /// Instructions retired by all cores together. A machine whose cores all wait, with no timer running, for a second of host time, will retire no
    /// more: this limit ends its run too.
    pub max_instructions: Option<u64>,
    /// Text on any serial port.
    pub until: Option<Vec<u8>>,
    /// A reset ends it as switching off does.
    pub reset_ends: bool,
    /// What the machine itself types meanwhile. It goes on over resets.
    pub script: Script,
}

/// When a machine waits for a frontend that keeps step with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beat {
    /// At every multiple of so much guest time with something new on the screen. Deterministic machines only: others wait for nobody.
    Every(Duration),
    /// At every publication of the display, in either mode: the guest goes on when it is drawn.
    Publication,
}

/// A moment at which a frontend that keeps step is to draw ([`MachineHandle::frame_clock`]): a vertical sync, or a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vsync {
    /// Guest time in nanoseconds.
    pub guest_ns: u64,
}

/// State that the machine and its frontends share; it outlives resets.
#[derive(Debug)]
pub struct Shared {
    /// The display.
    pub display: Arc<Display>,
    /// Counters.
    pub stats: Arc<Stats>,
    /// What happens, for whoever reads it.
    pub journal: Arc<Journal>,
    /// The audio outputs.
    pub sound: Arc<Sound>,
    /// The pins.
    pub pins: Arc<Pins>,
    pub(crate) reports: Sender<CoreReport>,
    pub(crate) control: Arc<ControlState>,
}

/// Requests from frontends.
///
/// # Orderings
/// Flags that carry nothing but themselves (`Relaxed`), followed by an unpark, which orders them for a machine that sleeps.
#[derive(Debug, Default)]
pub(crate) struct ControlState {
    pub stop: AtomicBool,
    pub reset: AtomicBool,
    pub paused: AtomicBool,
    /// Set once the machine's thread has ended.
    pub ended: AtomicBool,
    pub visits: Visits,
}

/// How often a machine that waits for a frame looks whether it is to stop.
const LOOK_UP: Duration = Duration::from_millis(50);

/// A frontend that keeps step: tell it about a vsync, wait for its acknowledgement.
#[derive(Clone, Debug)]
pub(crate) struct InStep {
    vsync: Sender<Vsync>,
    done: Receiver<()>,
    /// Nanoseconds of guest time between vertical syncs.
    pub period_ns: u64,
}

impl InStep {
    /// Offers a frame and waits until it is drawn, or until somebody wants the machine to stop: then it need not be. False if the frontend is gone.
    pub fn offer(&self, guest_ns: u64, stop: &AtomicBool) -> bool {
        let mut offered = false;
        while !stop.load(Ordering::Relaxed) {
            let gone = if offered {
                match self.done.recv_timeout(LOOK_UP) {
                    Ok(()) => return true,
                    Err(error) => error == RecvTimeoutError::Disconnected,
                }
            } else {
                match self.vsync.send_timeout(Vsync { guest_ns }, LOOK_UP) {
                    Ok(()) => {
                        offered = true;
                        false
                    }
                    Err(error) => error.is_disconnected(),
                }
            };
            if gone {
                return false;
            }
        }
        true
    }
}

/// The machine's ends of the channels.
#[derive(Debug)]
pub(crate) struct Channels {
    pub input: Receiver<Input>,
    pub serial: [Sender<Vec<u8>>; PORTS],
    pub events: Sender<MachineEvent>,
    frame_clock: Receiver<InStep>,
    /// The frontend that keeps step, for the machine after a reset.
    in_step: OnceLock<InStep>,
}

impl Channels {
    /// The frontend that wants to be kept in step, if one asked before the machine was started.
    pub fn frame_clock(&self) -> Option<InStep> {
        if let Ok(new) = self.frame_clock.try_recv() {
            let _ = self.in_step.set(new);
        }
        self.in_step.get().cloned()
    }
}

/// The machine's side of a handle.
pub(crate) struct MachineEnd {
    pub channels: Arc<Channels>,
    pub parker: Parker,
}

/// Reports that wait for somebody to look at them.
const MOST_REPORTS: usize = 16;

/// Inputs on their way to the machine from which on [`Control::is_input_full`].
const MOST_INPUTS: usize = 16;

/// Sends input and requests to the machine.
#[derive(Clone, Debug)]
pub struct Control {
    state: Arc<ControlState>,
    input: Sender<Input>,
    unparker: Unparker,
}

impl Control {
    /// Sends input. Lost if the machine has ended.
    pub fn send(&self, input: Input) {
        let _ = self.input.send(input);
        self.unparker.unpark();
    }

    /// Types bytes at a serial port.
    pub fn type_serial(&self, port: usize, bytes: impl Into<Vec<u8>>) {
        self.send(Input::Serial { port, bytes: bytes.into() });
    }

    /// Presses a key, and what is held with it, and lets it go.
    pub fn stroke(&self, stroke: Stroke) {
        stroke.events().for_each(|event| self.send(event.into()));
    }

    /// Says that nothing more will be typed at a serial port.
    pub fn end_serial(&self, port: usize) {
        self.send(Input::Serial { port, bytes: Vec::new() });
    }

    /// True while the machine has not taken what was sent before: a source without an end (a pipe) waits.
    pub fn is_input_full(&self) -> bool {
        self.input.len() >= MOST_INPUTS
    }

    /// Ends the run ([`ExitReason::Stopped`]).
    pub fn stop(&self) {
        self.state.stop.store(true, Ordering::Relaxed);
        self.unparker.unpark();
    }

    /// Resets the machine, as its power button would.
    pub fn reset(&self) {
        self.state.reset.store(true, Ordering::Relaxed);
        self.unparker.unpark();
    }

    /// Pauses or continues.
    pub fn set_paused(&self, paused: bool) {
        self.state.paused.store(paused, Ordering::Relaxed);
        self.unparker.unpark();
    }

    /// Has `visit` called with the machine, on its thread, between two ticks: soon, also while it is paused or held. False if the machine has ended; a visit that
    /// the end overtakes is dropped, and whatever it owns with it.
    pub fn visit(&self, visit: impl FnOnce(&mut Machine) + Send + 'static) -> bool {
        let ended = || self.state.ended.load(Ordering::Relaxed);
        if ended() {
            return false;
        }
        self.state.visits.push(Box::new(visit));
        self.unparker.unpark();
        self.state.visits.drop_if(ended);
        true
    }

    /// The same for whoever wants an answer, and waits for it. `None` if the machine has ended. Never to be called on the machine's own thread.
    pub fn ask<T: Send + 'static>(&self, visit: impl FnOnce(&mut Machine) -> T + Send + 'static) -> Option<T> {
        let (answer, answered) = bounded(1);
        self.visit(move |machine| {
            // There is room, and whoever asked still waits.
            let _ = answer.send(visit(machine));
        });
        answered.recv().ok()
    }

    /// True while paused.
    pub fn is_paused(&self) -> bool {
        self.state.paused.load(Ordering::Relaxed)
    }
}

/// A frontend's machine.
#[derive(Clone, Debug)]
pub struct MachineHandle {
    /// What the guest shows: make a [`crate::display::Renderer`] and render from it.
    pub display: Arc<Display>,
    /// Counters.
    pub stats: Arc<Stats>,
    /// Input and requests.
    pub control: Control,
    /// What the guest prints, in pieces, per serial port. Each byte goes to one receiver. Drain all: a machine whose output nobody takes pauses once
    /// about a megabyte is waiting.
    pub serial: [Receiver<Vec<u8>>; PORTS],
    /// Reset and end.
    pub events: Receiver<MachineEvent>,
    /// Cores that went astray, the first few of a run. It ends with the machine.
    pub reports: Receiver<CoreReport>,
    frame_clock: Sender<InStep>,
    journal: Arc<Journal>,
    sound: Arc<Sound>,
    /// The general purpose pins and the LED.
    pub pins: Arc<Pins>,
}

/// Keeps a frontend in step with a machine: at every [`Beat`] the machine waits until the frontend has drawn. Dropping it lets the machine run free.
#[derive(Debug)]
pub struct FrameClock {
    /// Vertical syncs; answer each by [`FrameClock::done`]. With [`Beat::Every`] it ends with the machine; with [`Beat::Publication`] it does not.
    pub vsync: Receiver<Vsync>,
    done: Sender<()>,
}

impl FrameClock {
    /// The frame is drawn: the machine goes on.
    pub fn done(&self) {
        // There is room but for a machine that was told to stop, and has left without taking the last answer.
        let _ = self.done.try_send(());
    }
}

impl MachineHandle {
    /// Asks to be kept in step with a deterministic machine at 60 Hz of guest time, before the machine is started.
    pub fn frame_clock(&self) -> FrameClock {
        self.frame_clock_at(Beat::Every(Duration::from_nanos(VSYNC_NS)))
    }

    /// Asks to be kept in step, before the machine is started. Periods are at least a microsecond long.
    pub fn frame_clock_at(&self, beat: Beat) -> FrameClock {
        let (vsync_tx, vsync) = bounded(1);
        let (done, done_rx) = bounded(1);
        let in_step = |period_ns| InStep { vsync: vsync_tx, done: done_rx, period_ns };
        match beat {
            Beat::Every(period) => {
                let period_ns = u64::try_from(period.as_nanos()).unwrap_or(u64::MAX).max(1000);
                let _ = self.frame_clock.send(in_step(period_ns));
            }
            Beat::Publication => {
                let (in_step, stats, state) = (in_step(0), Arc::clone(&self.stats), Arc::clone(&self.control.state));
                self.display.watch(move || {
                    in_step.offer(stats.guest_ns.get(), &state.stop);
                });
            }
        }
        FrameClock { vsync, done }
    }

    /// Asks for a journal of what the mailboxes, the display and the serial ports do, best before the machine is started. Each reader has all of it; take
    /// entries often, as they are dropped (and counted) once thousands wait.
    pub fn journal(&self) -> Reader {
        self.journal.reader()
    }

    /// Asks for what the audio outputs do, best before the machine is started; `None` if the machine has had too many listeners.
    pub fn listen(&self) -> Option<Listener> {
        self.sound.listen()
    }

    /// Hears of every change of a pin from now on; `None` if somebody does.
    pub fn listen_to_pins(&self) -> Option<PinListener> {
        self.pins.listen()
    }

    /// True once the machine has ended.
    pub fn has_ended(&self) -> bool {
        self.control.state.ended.load(Ordering::Acquire)
    }
}

/// A new handle and the machine's side of it.
pub(crate) fn connect() -> (MachineHandle, Arc<Shared>, MachineEnd) {
    let (display, stats, state) = (Arc::new(Display::new()), Arc::new(Stats::default()), Arc::new(ControlState::default()));
    let (journal, sound, pins) = (Arc::new(Journal::default()), Arc::new(Sound::default()), Arc::<Pins>::default());
    let (input_tx, input) = unbounded();
    let (serial0, serial0_rx) = unbounded();
    let (serial1, serial1_rx) = unbounded();
    let (console, console_rx) = unbounded();
    let (events, events_rx) = unbounded();
    let (frame_clock_tx, frame_clock) = unbounded();
    let (reports, reports_rx) = bounded(MOST_REPORTS);
    let parker = Parker::new();
    let control = Control { state: Arc::clone(&state), input: input_tx, unparker: parker.unparker().clone() };
    let handle = MachineHandle {
        display: Arc::clone(&display),
        stats: Arc::clone(&stats),
        control,
        serial: [serial0_rx, serial1_rx, console_rx],
        events: events_rx,
        reports: reports_rx,
        frame_clock: frame_clock_tx,
        journal: Arc::clone(&journal),
        sound: Arc::clone(&sound),
        pins: Arc::clone(&pins),
    };
    let shared = Arc::new(Shared { display, stats, journal, sound, pins, reports, control: state });
    let channels = Channels { input, serial: [serial0, serial1, console], events, frame_clock, in_step: OnceLock::new() };
    (handle, shared, MachineEnd { channels: Arc::new(channels), parker })
}
