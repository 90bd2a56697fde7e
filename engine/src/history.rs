//! The way back: a deterministic machine is where it was if it is built again, gets the same input at the same ticks, and retires as many instructions.
//!
//! Where a history is kept ([`Machine::keep_history`]) or a recording is made ([`Machine::record`]), all input is logged with the number of its tick. Ticks in which the machine waits are not counted, as their number depends on the host and on who looks: time tells these apart. Nor
//! is what is left of a slice that a debugger has cut, which is one with its beginning. A machine that was rewound gets the input of its log first, each piece at its tick, and what frontends
//! have sent since only after it. What it prints again is told to nobody.
//!
//! A rewind begins at the power cycle's first tick, or at a state that was saved since ([`crate::rewind`]).

use crate::clock::GuestTime;
use crate::execute::CoreSlot;
use crate::handle::Input;
use crate::io::SerialLines;
use crate::machine::Machine;
use crate::serial::PORTS;
use crate::state::Archive;
use bevy_ecs::prelude::Resource;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::fmt;

/// Where a rewind ends, counted from the machine's first tick after power-on or reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// All cores together have retired so many instructions.
    All(u64),
    /// One core has.
    Core {
        /// Its number.
        core: usize,
        /// Its instructions.
        retired: u64,
    },
}

/// Where a rewind begins: whatever is kept, never behind its goal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// As near to the goal as it gets.
    Near,
    /// Where all cores together had retired less than so many instructions: on the way from there, all stops are seen that come next before it.
    Before(u64),
}

/// A request to go back.
pub struct Rewind {
    /// Where to.
    pub goal: Goal,
    /// Where from.
    pub begin: Begin,
    /// Called where a core stops for its debugger on the way: the machine goes on after it.
    pub halted: Box<dyn FnMut(&mut Machine) + Send>,
    /// Called at the end, in front of the next tick. It may ask for another rewind.
    pub done: Box<dyn FnOnce(&mut Machine) + Send>,
}

impl fmt::Debug for Rewind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewind").field("goal", &self.goal).finish_non_exhaustive()
    }
}

/// When something came from outside. Ticks alone do not tell: those in which the machine waits are not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct When {
    /// Which power cycle, from 0.
    pub cycle: u32,
    /// Number of the tick.
    pub tick: u64,
    /// Guest time.
    pub at: GuestTime,
}

/// What came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Input.
    Input(Input),
    /// A frontend's reset.
    Reset {
        /// Instructions that all cores together had retired in this power cycle.
        retired: u64,
    },
    /// The end of the run.
    End {
        /// The same.
        retired: u64,
        /// Bytes that each serial port had printed in this power cycle.
        bytes: [u64; PORTS],
        /// Sums (CRC-32) of all that each serial port had printed in all of them.
        printed: [u32; PORTS],
    },
}

/// An entry of a recording ([`Machine::record`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub when: When,
    /// What.
    pub event: Event,
}

/// Where entries go as they come, on the machine's thread.
pub type Sink = Box<dyn FnMut(&Entry) + Send + Sync>;

/// Input and when it came, over all power cycles.
#[derive(Resource, Default)]
pub(crate) struct Tape {
    /// Input is logged, for rewinds.
    pub kept: bool,
    /// On its way to the goal of a rewind: no frontend is to notice.
    pub replays: bool,
    cycle: u32,
    tick: u64,
    /// This power cycle's entries.
    log: Vec<Entry>,
    /// The entry that comes next; behind the last, live input does.
    next: usize,
    sink: Option<Sink>,
    /// Entries of a recording for later power cycles. While there is one, live input is dropped.
    recording: Option<VecDeque<Entry>>,
    printed: [crc32fast::Hasher; PORTS],
}

impl Tape {
    /// A tick in which a core ran is over.
    pub fn count(&mut self) {
        self.tick += 1;
    }

    fn when(&self, at: GuestTime) -> When {
        When { cycle: self.cycle, tick: self.tick, at }
    }

    /// Every entry goes there from now on.
    pub fn record(&mut self, sink: Sink) {
        self.sink = Some(sink);
    }

    /// Input is that of a recording.
    pub fn play(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.recording = Some(entries.into_iter().collect());
        self.take_up();
    }

    /// This power cycle's entries of the recording become the log.
    fn take_up(&mut self) {
        let Some(recording) = &mut self.recording else { return };
        let cycle = self.cycle;
        self.log.extend(std::iter::from_fn(|| recording.pop_front_if(|entry| entry.when.cycle == cycle)));
    }

    /// Input is that of a recording.
    pub fn is_played(&self) -> bool {
        self.recording.is_some()
    }

    /// Something comes now that is no input.
    pub fn note(&mut self, event: Event, at: GuestTime) {
        let entry = Entry { when: self.when(at), event };
        if let Some(sink) = &mut self.sink {
            sink(&entry);
        }
    }

    /// The next input: from the log where it is due, then from `live`.
    pub fn input(&mut self, at: GuestTime, mut live: impl FnMut() -> Option<Input>) -> Option<Input> {
        if let Some(Entry { when, event: Event::Input(input) }) = self.log.get(self.next) {
            let due = self.has_come(when, at);
            let input = due.then(|| input.clone());
            self.next += usize::from(due);
            return input;
        }
        if self.recording.is_some() {
            while live().is_some() {}
            return None;
        }
        let input = live()?;
        if self.kept || self.sink.is_some() {
            let entry = Entry { when: self.when(at), event: Event::Input(input.clone()) };
            if let Some(sink) = &mut self.sink {
                sink(&entry);
            }
            if self.kept {
                self.log.push(entry);
                self.next = self.log.len();
            }
        }
        Some(input)
    }

    fn has_come(&self, when: &When, now: GuestTime) -> bool {
        when.tick < self.tick || when.tick == self.tick && when.at <= now
    }

    /// The input that comes next is due.
    pub fn is_due(&self, now: GuestTime) -> bool {
        self.log.get(self.next).is_some_and(|entry| matches!(entry.event, Event::Input(_)) && self.has_come(&entry.when, now))
    }

    /// The time of what comes next, if that is before another core has run: a machine that waits may skip to it.
    pub fn awaited(&self) -> Option<GuestTime> {
        self.log.get(self.next).filter(|entry| entry.when.tick == self.tick).map(|entry| entry.when.at)
    }

    /// What comes next is no input, and comes in this tick: what, and how many instructions are left up to it where so many have `retired`.
    pub fn stop(&self, retired: u64, now: GuestTime) -> Option<(u64, &Event)> {
        let Entry { when, event } = self.log.get(self.next)?;
        let at = match event {
            Event::Input(_) => return None,
            Event::Reset { retired } | Event::End { retired, .. } => *retired,
        };
        let left = if when.tick < self.tick { 0 } else { at.saturating_sub(retired) };
        let comes = left > 0 || self.has_come(when, now);
        (when.tick <= self.tick && comes).then_some((left, event))
    }

    /// The run is where the recorded one ended.
    pub fn is_at_end(&self, retired: u64, now: GuestTime) -> bool {
        self.log
            .get(self.next)
            .is_some_and(|entry| matches!(entry.event, Event::End { retired: at, .. } if at == retired) && entry.when == self.when(now))
    }

    /// In the last tick of a recording: how much a port that has printed `bytes` in this power cycle prints until the end.
    pub fn room(&self, port: usize, bytes: u64) -> Option<u64> {
        let Entry { when, event: Event::End { bytes: end, .. } } = self.log.get(self.next)? else { return None };
        (when.tick <= self.tick).then(|| end[port].saturating_sub(bytes))
    }

    /// A serial port has printed something that was not printed before.
    pub fn printed(&mut self, port: usize, bytes: &[u8]) {
        if self.sink.is_some() || self.is_played() {
            self.printed[port].update(bytes);
        }
    }

    /// Sums of all that was printed.
    pub fn sums(&self) -> [u32; PORTS] {
        std::array::from_fn(|port| self.printed[port].clone().finalize())
    }

    /// Passes the number of the tick. What was logged before belongs to the machine that logged it.
    pub fn pass(&mut self, archive: &mut Archive<'_>) {
        archive.value(&mut self.tick);
    }

    /// The number of the piece of input that comes next.
    pub fn next(&self) -> usize {
        self.next
    }

    /// After a state was loaded: what came before this piece is in it.
    pub fn go_on_from(&mut self, next: usize) {
        self.next = next;
    }

    /// From the power cycle's beginning.
    pub fn rewound(&mut self) -> Self {
        Self { replays: true, tick: 0, next: 0, ..std::mem::take(self) }
    }

    /// For the machine after a reset.
    pub fn after_reset(&mut self) -> Self {
        let mut next = Self { kept: false, cycle: self.cycle + 1, tick: 0, log: Vec::new(), next: 0, ..std::mem::take(self) };
        next.take_up();
        next
    }
}

impl Machine {
    /// From now on, all that comes from outside goes to `sink` as well, over resets, and a last entry when the run ends: for deterministic machines, before their first
    /// tick ([`crate::Attendant::begins`]). A machine that gets the same by [`Machine::play`] is in the same state after each tick.
    pub fn record(&mut self, sink: Sink) {
        self.world.resource_mut::<Tape>().record(sink);
    }

    /// All that comes from outside comes from a recording instead; with its end, the run ends as [`crate::handle::ExitReason::Played`]. For deterministic machines,
    /// before their first tick, where the recording began.
    pub fn play(&mut self, entries: impl IntoIterator<Item = Entry>) {
        self.world.resource_mut::<Tape>().play(entries);
    }

    /// The sums that a recording's last entry has, now.
    pub fn printed_sums(&self) -> [u32; PORTS] {
        self.world.resource::<Tape>().sums()
    }

    /// The recording is over.
    pub(crate) fn end_recording(&mut self) {
        let bytes = self.world.resource::<SerialLines>().printed();
        let event = Event::End { retired: self.retired_by_all(), bytes, printed: self.printed_sums() };
        let at = self.clock().now();
        self.world.resource_mut::<Tape>().note(event, at);
    }

    /// A frontend resets it.
    pub(crate) fn note_reset(&mut self) {
        let event = Event::Reset { retired: self.retired_by_all() };
        let at = self.clock().now();
        self.world.resource_mut::<Tape>().note(event, at);
    }

    /// The machine is where the recording that it plays ends. False if it plays none.
    pub fn is_at_recorded_end(&self) -> bool {
        self.world.resource::<Tape>().is_at_end(self.retired_by_all(), self.clock().now())
    }

    /// What comes in a recording in this tick that is no input, and the instructions that are left up to it.
    pub(crate) fn to_stop(&self) -> Option<(u64, Event)> {
        let (left, event) = self.world.resource::<Tape>().stop(self.retired_by_all(), self.clock().now())?;
        Some((left, event.clone()))
    }

    /// The machine, which waits and has nothing to wait for, plays a recording that goes on: it has gone another way.
    pub(crate) fn has_lost_recording(&mut self) -> bool {
        let is_stuck =
            self.world.resource::<Tape>().is_played() && self.to_stop().is_none() && self.world.resource::<Tape>().awaited().is_none();
        // A core that a debugger keeps from running may be the one that ran.
        is_stuck && !self.world.query::<&CoreSlot>().iter(&self.world).any(|slot| slot.frozen)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(byte: u8) -> Input {
        Input::Serial { port: 0, bytes: vec![byte] }
    }

    const NOW: GuestTime = GuestTime(1000);

    #[test]
    fn a_tape_gives_the_same_input_at_the_same_ticks_and_live_input_after_it() {
        let mut tape = Tape { kept: true, ..Tape::default() };
        assert_eq!(tape.input(NOW, || Some(typed(1))), Some(typed(1)));
        tape.count();
        tape.count();
        assert_eq!(tape.input(NOW, || Some(typed(2))), Some(typed(2)));
        assert_eq!(tape.input(NOW, || None), None);
        let mut again = tape.rewound();
        let never = || -> Option<Input> { panic!("live input before its time") };
        assert_eq!(again.input(NOW, never), Some(typed(1)));
        assert_eq!(again.input(NOW, never), None);
        again.count();
        assert!(!again.is_due(NOW));
        again.count();
        assert!(again.is_due(NOW) && !again.is_due(GuestTime(999)), "not in a tick of that number before its time");
        assert_eq!(again.awaited(), Some(NOW));
        assert_eq!(again.input(NOW, never), Some(typed(2)));
        assert_eq!(again.input(NOW, || Some(typed(3))), Some(typed(3)));
        let mut third = again.rewound();
        third.count();
        third.count();
        let all: Vec<Input> = std::iter::from_fn(|| third.input(NOW, || None)).collect();
        assert_eq!(all, [typed(1), typed(2), typed(3)]);
    }

    #[test]
    fn a_recording_has_all_power_cycles_and_is_played_without_live_input() {
        let (tell, told) = crossbeam::channel::unbounded();
        let mut tape = Tape::default();
        tape.record(Box::new(move |entry| tell.send(entry.clone()).expect("the test listens")));
        tape.input(NOW, || Some(typed(1)));
        tape.note(Event::Reset { retired: 7 }, NOW);
        let mut tape = tape.after_reset();
        tape.count();
        tape.input(GuestTime(10), || Some(typed(2)));
        tape.printed(0, b"123456789");
        let end = Event::End { retired: 9, bytes: [9, 0, 0], printed: [0xcbf4_3926, 0, 0] };
        assert_eq!(tape.sums(), [0xcbf4_3926, 0, 0]);
        tape.note(end.clone(), GuestTime(20));
        let entries: Vec<Entry> = told.try_iter().collect();
        assert_eq!(entries.len(), 4);
        let mut played = Tape::default();
        played.play(entries);
        let mut live = vec![typed(9)];
        assert_eq!(played.input(NOW, || live.pop()), Some(typed(1)));
        assert_eq!(played.stop(5, NOW), Some((2, &Event::Reset { retired: 7 })));
        assert_eq!(played.stop(7, GuestTime(999)), None, "not before its time");
        assert_eq!(played.stop(7, NOW), Some((0, &Event::Reset { retired: 7 })));
        assert_eq!((played.input(NOW, || live.pop()), live.len()), (None, 0), "live input is dropped");
        let mut played = played.after_reset();
        assert_eq!((played.input(GuestTime(0), || None), played.stop(9, GuestTime(20))), (None, None), "not yet");
        played.count();
        assert_eq!(played.input(GuestTime(10), || None), Some(typed(2)));
        assert_eq!((played.awaited(), played.stop(9, GuestTime(19))), (Some(GuestTime(20)), None));
        assert_eq!((played.room(0, 4), played.room(1, 0)), (Some(5), Some(0)));
        assert_eq!(played.stop(9, GuestTime(20)), Some((0, &end)));
        assert!(played.is_at_end(9, GuestTime(20)) && !played.is_at_end(8, GuestTime(20)));
        played.count();
        assert_eq!(played.stop(8, GuestTime(20)), Some((0, &end)), "it went past the end");
        assert!(!played.is_at_end(9, GuestTime(20)));
    }
}
