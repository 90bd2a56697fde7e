//! What goes in and out between ticks: serial bytes, and frames in step with guest time.

use crate::builder::{MachineClock, SharedRes};
use crate::clock::{ClockMode, Deadline, GuestTime};
use crate::execute::{Activity, Executor};
use crate::handle::{Channels, InStep, Input};
use crate::hid::{HidEvent, HidWire};
use crate::history::Tape;
use crate::journal::What;
use crate::pins::PinWire;
use crate::serial::{PORTS, SerialWire};
use crate::state::{Archive, Cell};
use crate::typist::Typist;
use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// The machine's ends of the frontends' channels.
#[derive(Resource, Clone)]
pub(crate) struct ChannelsRes(pub Arc<Channels>);

/// The far ends of the wires by which input comes.
#[derive(Resource)]
pub(crate) struct InputLines {
    pub wires: [SerialWire; PORTS],
    pub hid: HidWire,
    pub pins: PinWire,
}

impl Cell for InputLines {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.wires, &self.hid, &self.pins]);
    }
}

impl InputLines {
    /// True if the guest has so much to take that further input waits.
    fn is_full(&self) -> bool {
        self.hid.len() >= MOST_TYPED || self.wires.iter().any(|wire| wire.input_len() >= MOST_TYPED)
    }

    /// Puts input onto its wire.
    pub fn feed(&self, input: Input) {
        match input {
            Input::Serial { port, bytes } => {
                if let Some(wire) = self.wires.get(port) {
                    if bytes.is_empty() {
                        wire.end_input();
                    }
                    bytes.into_iter().for_each(|byte| wire.feed(byte));
                }
            }
            Input::Keyboard { usage, pressed } => self.hid.feed(HidEvent::Key { usage, pressed }),
            Input::Mouse { buttons, dx, dy, wheel } => self.hid.feed(HidEvent::Mouse { buttons, dx, dy, wheel }),
            Input::Pin(event) => self.pins.feed(event),
        }
    }
}

/// The far ends of the serial wires.
#[derive(Resource)]
pub(crate) struct SerialLines {
    wires: [SerialWire; PORTS],
    scratch: Vec<u8>,
    /// Printed, and held back because a frontend is slow to take what it was sent.
    held: [Vec<u8>; PORTS],
    /// Bytes printed since power-on or reset.
    printed: [u64; PORTS],
    /// Bytes that are printed again, after a rewind: they were told of.
    again: [u64; PORTS],
    /// Bytes behind the text that ends the run: for whoever goes on from there.
    rest: [Vec<u8>; PORTS],
}

/// Pieces that a frontend may leave untaken; what is printed further is held back, and sent as one piece.
const MOST_PIECES: usize = 256;
/// Bytes held back with which the machine pauses.
const MOST_HELD: usize = 1 << 16;
/// Bytes typed that wait on a wire for the guest, with which further input is left in its channel.
const MOST_TYPED: usize = 1 << 16;

impl SerialLines {
    pub fn new(wires: [SerialWire; PORTS]) -> Self {
        Self { wires, scratch: Vec::new(), held: Default::default(), printed: [0; PORTS], again: [0; PORTS], rest: Default::default() }
    }

    /// Passes how much was printed. What is held back goes to the frontends of the machine that printed it.
    pub fn pass(&mut self, archive: &mut Archive<'_>) {
        archive.value(&mut self.printed);
        archive.value(&mut self.rest);
    }

    /// Bytes that each port has printed since power-on or reset.
    pub fn printed(&self) -> [u64; PORTS] {
        self.printed
    }

    /// Bytes of each port that frontends were told of.
    pub fn told(&self) -> [u64; PORTS] {
        std::array::from_fn(|port| self.printed[port] + self.again[port])
    }

    /// After a rewind: so many bytes are told to nobody.
    pub fn set_told(&mut self, told: [u64; PORTS]) {
        self.again = std::array::from_fn(|port| told[port].saturating_sub(self.printed[port]));
    }

    /// Sends what was held back, on the ports whose frontends have caught up (`all`: on all ports).
    pub fn send_held(&mut self, channels: &Channels, all: bool) {
        for (held, channel) in self.held.iter_mut().zip(&channels.serial) {
            if !held.is_empty() && (all || channel.len() < MOST_PIECES) {
                // Whoever is gone needs nothing.
                let _ = channel.send(std::mem::take(held));
            }
        }
    }

    /// True if so much is held back that the machine must not go on.
    pub fn is_full(&self) -> bool {
        self.held.iter().any(|held| held.len() >= MOST_HELD)
    }
}

/// Looks for a text in what the guest prints on any port.
#[derive(Resource, Default)]
pub(crate) struct Until {
    text: Vec<u8>,
    /// The last bytes of each port, one less than the text is long.
    tails: [Vec<u8>; PORTS],
    matched: bool,
}

impl Until {
    pub fn set(&mut self, text: Option<&[u8]>) {
        self.text = text.unwrap_or_default().to_vec();
    }

    pub fn matched(&self) -> bool {
        self.matched
    }

    /// Feeds what a port printed. Bytes after the match are cut off, and returned: the run ends with the text.
    fn feed(&mut self, port: usize, bytes: &mut Vec<u8>) -> Vec<u8> {
        let mut rest = Vec::new();
        if self.text.is_empty() || self.matched {
            return rest;
        }
        let tail = &mut self.tails[port];
        let old = tail.len();
        tail.extend_from_slice(bytes);
        if let Some(at) = tail.windows(self.text.len()).position(|window| window == self.text) {
            self.matched = true;
            rest = bytes.split_off(at + self.text.len() - old);
        }
        let keep = (self.text.len() - 1).min(tail.len());
        tail.drain(..tail.len() - keep);
        rest
    }
}

/// `Input`: what frontends sent, and what the script says, goes onto the wires.
pub(crate) fn receive_input(
    lines: Res<InputLines>,
    mut typist: ResMut<Typist>,
    channels: Option<Res<ChannelsRes>>,
    mut executor: ResMut<Executor>,
    clock: Res<MachineClock>,
    mut tape: ResMut<Tape>,
) {
    // What is left of a slice is one with its beginning.
    if executor.is_within_slice() {
        return;
    }
    executor.has_input = typist.type_on(&lines);
    let Some(channels) = channels else { return };
    while !lines.is_full()
        && let Some(input) = tape.input(clock.now(), || channels.0.input.try_recv().ok())
    {
        executor.has_input = true;
        lines.feed(input);
    }
}

/// `Publish`: what the guest printed goes to the frontends.
pub(crate) fn publish_serial(
    mut lines: ResMut<SerialLines>,
    mut until: ResMut<Until>,
    mut typist: ResMut<Typist>,
    channels: Option<Res<ChannelsRes>>,
    clock: Res<MachineClock>,
    shared: Res<SharedRes>,
    mut tape: ResMut<Tape>,
) {
    let SerialLines { wires, scratch, held, printed, again, rest } = &mut *lines;
    for (port, wire) in wires.iter().enumerate() {
        scratch.clear();
        scratch.append(&mut rest[port]);
        wire.drain(scratch);
        if scratch.is_empty() {
            continue;
        }
        // A recorded run may have ended by a text, in the middle of what a slice printed.
        let room = tape.room(port, printed[port]).map_or(usize::MAX, |room| usize::try_from(room).unwrap_or(usize::MAX));
        let behind = scratch.split_off(room.min(scratch.len()));
        rest[port] = until.feed(port, scratch);
        rest[port].extend_from_slice(&behind);
        typist.hear(port, scratch);
        printed[port] += scratch.len() as u64;
        if again[port] > 0 {
            let old = again[port].min(scratch.len() as u64);
            again[port] -= old;
            scratch.drain(..old as usize);
        }
        if !scratch.is_empty() {
            tape.printed(port, scratch);
            shared.0.journal.record(clock.now(), || What::Serial { port, bytes: scratch.clone() });
        }
        if channels.is_some() {
            held[port].extend_from_slice(scratch);
        }
    }
    if let Some(channels) = &channels {
        lines.send_held(&channels.0, false);
    }
}

/// Period of the vertical sync in nanoseconds: 60 Hz.
pub const VSYNC_NS: u64 = 16_666_667;

/// Whether a frontend keeps step with guest time.
enum Step {
    /// Not asked yet: the first tick does.
    Unknown,
    /// One does.
    With(InStep),
    /// None does, or it is gone.
    Free,
}

/// Keeps a frontend in step with guest time.
#[derive(Resource)]
pub(crate) struct FramePacer {
    deadline: Deadline,
    step: Step,
    /// The deadline was loaded: a frontend that keeps step finds it as it was.
    is_loaded: bool,
    /// Guest time of the power cycles before this one, in nanoseconds.
    before_ns: u64,
}

impl FramePacer {
    pub fn new(before_ns: u64) -> Self {
        Self { deadline: Deadline::default(), step: Step::Unknown, is_loaded: false, before_ns }
    }

    /// Passes the time of the power cycles before this one, and of the next vertical sync.
    pub fn pass(&mut self, archive: &mut Archive<'_>) {
        archive.value(&mut self.before_ns);
        self.deadline.pass(archive);
        self.is_loaded = archive.is_load();
    }

    /// When the next frame is taken. It is nobody else's: where slices end does not depend on who looks.
    pub fn next(&self) -> Option<GuestTime> {
        self.deadline.get()
    }

    /// The next vertical sync after `now`, on the grid of all.
    fn beat(&self, now: GuestTime) -> Option<GuestTime> {
        let Step::With(InStep { period_ns, .. }) = self.step else { return None };
        Some(GuestTime(now.0 / period_ns * period_ns).plus(period_ns))
    }

    /// Looks for a frontend once. Realtime machines wait for nobody.
    fn ask(&mut self, channels: Option<&Channels>, mode: ClockMode, now: GuestTime) {
        let frontend = channels.filter(|_| mode == ClockMode::Deterministic).and_then(Channels::frame_clock);
        self.step = frontend.map_or(Step::Free, Step::With);
        if !self.is_loaded || matches!(self.step, Step::Free) {
            self.deadline.set(self.beat(now));
        }
    }

    /// Offers a frame and waits until it is drawn.
    fn offer(&mut self, now: GuestTime, stop: &AtomicBool) {
        let Step::With(in_step) = &self.step else { return };
        if !in_step.offer(self.before_ns + now.0, stop) {
            self.step = Step::Free;
            self.deadline.set(None);
        }
    }
}

/// `Publish`: at a guest-time vertical sync the machine waits for a frontend that keeps step.
pub(crate) fn keep_step(
    mut pacer: ResMut<FramePacer>,
    executor: Res<Executor>,
    clock: Res<MachineClock>,
    channels: Option<Res<ChannelsRes>>,
    shared: Res<SharedRes>,
    tape: Res<Tape>,
) {
    if matches!(pacer.step, Step::Free) {
        return;
    }
    let now = executor.cut_at.unwrap_or(clock.now());
    if matches!(pacer.step, Step::Unknown) {
        pacer.ask(channels.as_deref().map(|channels| &*channels.0), clock.0.mode(), now);
        return;
    }
    let Some(beat) = pacer.deadline.get() else {
        // Was asleep; the first busy tick starts the beat again.
        if executor.activity == Activity::Busy {
            pacer.deadline.set(pacer.beat(now));
        }
        return;
    };
    if now < beat {
        return;
    }
    // An idle machine with nothing to come but vertical syncs sleeps after one last frame.
    let asleep = executor.activity == Activity::Idle(Some(beat));
    pacer.deadline.set(pacer.beat(now).filter(|_| !asleep));
    if !tape.replays {
        pacer.offer(beat, &shared.0.control.stop);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn until_matches_across_pieces_and_cuts_what_follows() {
        let mut until = Until::default();
        until.set(Some(b"done"));
        let mut first = b"xxdo".to_vec();
        until.feed(0, &mut first);
        let mut other = b"ne".to_vec();
        until.feed(1, &mut other);
        assert!(!until.matched(), "ports are looked at one by one");
        let mut second = b"ne, and more".to_vec();
        assert_eq!(until.feed(0, &mut second), b", and more");
        assert!(until.matched());
        assert_eq!(second, b"ne");
    }

    #[test]
    fn no_text_never_matches() {
        let mut until = Until::default();
        until.set(None);
        until.feed(0, &mut b"anything".to_vec());
        assert!(!until.matched());
    }
}
