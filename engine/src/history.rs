//! The way back: a deterministic machine is where it was if it is built again, gets the same input at the same ticks, and retires as many instructions.
//!
//! Where a history is kept ([`Machine::keep_history`]), all input is logged with the number of its tick. Ticks that change nothing are not counted, as their number depends on the host; nor
//! is what is left of a slice that a debugger has cut, which is one with its beginning. A machine that was rewound gets the input of its log first, each piece at its tick, and what frontends
//! have sent since only after it. What it prints again is told to nobody.
//!
//! The same tape writes recordings and replays them ([`crate::recording`]). These go on over resets, which a history does not.
//!
//! A rewind begins at the power cycle's first tick; [`Rewind`] says only where it is to end, so that it may begin at any earlier state that was kept.

use crate::handle::{ExitReason, Input};
use crate::machine::Machine;
use crate::recording::{Entry, Event, Place, Proof, Recorded, Recorder, Recording, Stop, Verdict};
use crate::serial::PORTS;
use crate::state::Archive;
use crate::stats::Stats;
use bevy_ecs::prelude::Resource;
use crossbeam::channel::Sender;
use std::fmt;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

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

/// A request to go back.
pub struct Rewind {
    /// Where to.
    pub goal: Goal,
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

/// What the machine is told from outside, and when.
#[derive(Resource, Debug, Default)]
pub(crate) struct Tape {
    /// Input is logged.
    pub kept: bool,
    /// On its way to the goal of a rewind: no frontend is to notice.
    pub replays: bool,
    place: Place,
    /// Something came in in this tick.
    took: bool,
    /// Of this power cycle.
    log: Vec<Logged>,
    /// The entry that comes next; behind the last, live input does.
    next: usize,
    printed: Printed,
    /// What was printed before this power cycle.
    printed_before: Printed,
    reel: Option<Reel>,
    /// The machine's own beat, whoever looks at its frames: nanoseconds of guest time.
    beat_ns: Option<u64>,
    /// The replay has gone another way than the recording, and how.
    differs: Option<String>,
}

/// An input of the log.
#[derive(Debug)]
struct Logged {
    place: Place,
    /// What had come of the recorded run by then.
    proof: Option<Proof>,
    input: Input,
}

/// A recording that is written or replayed.
#[derive(Debug)]
pub(crate) enum Reel {
    /// It is written.
    Records(Recorder),
    /// It is replayed.
    Plays(Player),
}

/// Replays a recording.
#[derive(Debug)]
pub(crate) struct Player {
    recording: Recording,
    /// The first input of the power cycles to come.
    input: usize,
    /// The stop that comes next.
    stop: usize,
    verdict: Sender<Verdict>,
    /// Behind its end the machine goes on with live input.
    goes_on: bool,
}

impl Player {
    /// Plays `recording`.
    pub fn new(recording: Recording, goes_on: bool, verdict: Sender<Verdict>) -> Self {
        Self { recording, input: 0, stop: 0, verdict, goes_on }
    }

    fn next_stop(&self) -> Option<&Stop> {
        self.recording.stops.get(self.stop)
    }

    fn is_in(&self, resets: u64) -> bool {
        self.recording.inputs.get(self.input).is_some_and(|input| input.place.resets == resets)
    }
}

/// What was printed: how much, and its hash.
#[derive(Clone, Default)]
struct Printed {
    bytes: [u64; PORTS],
    /// Where it is of interest.
    hashes: Option<Box<[Xxh3; PORTS]>>,
}

impl fmt::Debug for Printed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Printed").field(&self.bytes).finish()
    }
}

impl Printed {
    fn hash(&self) -> u64 {
        let Some(hashes) = &self.hashes else { return 0 };
        let all: Vec<u8> = hashes.iter().flat_map(|hash| hash.digest().to_le_bytes()).collect();
        xxh3_64(&all)
    }
}

/// What a recording has the machine do in front of the next tick.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cue {
    /// Nothing.
    None,
    /// Something after so many instructions more.
    Soon(u64),
    /// Reset.
    Reset,
    /// End.
    End,
    /// End because it is another run.
    Differs(String),
}

impl Tape {
    /// A tick that changed something is over.
    pub fn count(&mut self) {
        self.place.tick += 1;
        (self.place.asleep, self.took) = (0, false);
    }

    /// A tick that changed nothing is over.
    pub fn sleep(&mut self) {
        let took = std::mem::take(&mut self.took);
        self.place.asleep += u64::from(took || self.place.asleep == 0);
    }

    /// The next input for the current tick: from the log, then from `live`.
    pub fn input(&mut self, stats: &Stats, mut live: impl FnMut() -> Option<Input>) -> Option<Input> {
        if let Some(logged) = self.log.get(self.next) {
            if !self.is_due() {
                return None;
            }
            let (input, recorded) = (logged.input.clone(), logged.proof);
            self.next += 1;
            if let Some(recorded) = recorded {
                self.check(&recorded, stats);
            }
            self.note(&input, stats);
            self.go_live();
            return Some(input);
        }
        let input = live()?;
        if self.plays() {
            // Nobody listens.
            while live().is_some() {}
            return None;
        }
        if self.kept {
            self.log.push(Logged { place: self.place, proof: None, input: input.clone() });
            self.next = self.log.len();
        }
        self.note(&input, stats);
        Some(input)
    }

    /// There is input for the current tick.
    pub fn is_due(&self) -> bool {
        self.log.get(self.next).is_some_and(|logged| {
            let Place { tick, asleep, .. } = logged.place;
            (tick, asleep) <= (self.place.tick, self.place.asleep)
        })
    }

    /// Input goes to the machine: it is recorded, if it is new.
    pub fn note(&mut self, input: &Input, stats: &Stats) {
        let place = self.place;
        self.place.inputs += 1;
        self.took = true;
        if matches!(&self.reel, Some(Reel::Records(recorder)) if place.inputs >= recorder.written) {
            let proof = self.proof(stats);
            self.write(Entry { place, proof, event: Event::Input(input.clone()) });
        }
    }

    /// What a port has printed.
    pub fn print(&mut self, port: usize, bytes: &[u8]) {
        self.printed.bytes[port] += bytes.len() as u64;
        if let Some(hashes) = &mut self.printed.hashes {
            hashes[port].update(bytes);
        }
    }

    /// In the last tick of a recording: how much a port may print up to its end.
    pub fn room(&self, port: usize) -> Option<u64> {
        let Some(Reel::Plays(player)) = &self.reel else { return None };
        let stop = player.next_stop().filter(|stop| stop.is_end && stop.place.resets == self.place.resets)?;
        (self.place.tick >= stop.place.tick).then(|| stop.proof.printed[port].saturating_sub(self.printed.bytes[port]))
    }

    /// The machine's own beat, whoever looks at its frames: nanoseconds of guest time.
    pub fn beat_ns(&self) -> Option<u64> {
        self.beat_ns
    }

    /// A recording is replayed: nothing else comes in.
    pub fn plays(&self) -> bool {
        matches!(&self.reel, Some(Reel::Plays(_)))
    }

    /// The machine is about to run its first tick.
    pub fn begin(&mut self, mut reel: Reel, stats: &Stats) {
        let hashes = || Some(Box::new(std::array::from_fn(|_| Xxh3::new())));
        self.printed = Printed { bytes: [0; PORTS], hashes: hashes() };
        self.printed_before = self.printed.clone();
        let (place, proof) = (self.place, self.proof(stats));
        match &mut reel {
            Reel::Records(recorder) => (recorder.sink)(&Entry { place, proof, event: Event::Begin { beat_ns: recorder.beat_ns } }),
            Reel::Plays(Player { recording, .. }) => {
                self.differs = if recording.place.tick != place.tick {
                    Some(format!("it begins at tick {} of a machine, the recording at {}", place.tick, recording.place.tick))
                } else {
                    proof.difference(&recording.proof)
                };
            }
        }
        self.beat_ns = Some(match &reel {
            Reel::Records(recorder) => recorder.beat_ns,
            Reel::Plays(player) => player.recording.beat_ns(),
        });
        self.reel = Some(reel);
        self.load();
    }

    /// From the beginning of this power cycle.
    pub fn rewound(&mut self) -> Self {
        let resets = self.place.resets;
        let printed = self.printed_before.clone();
        let tape = std::mem::take(self);
        Self { replays: true, place: Place { resets, ..Place::default() }, took: false, next: 0, printed, ..tape }
    }

    /// The tape of the power cycle after this one.
    pub fn reset(&mut self) -> Self {
        let mut tape = std::mem::take(self);
        if tape.plays() && tape.next < tape.log.len() {
            tape.differ("the machine was reset before what comes in next in the recording");
        }
        let resets = tape.place.resets + 1;
        tape.log.clear();
        (tape.kept, tape.took, tape.next) = (false, false, 0);
        tape.place = Place { resets, ..Place::default() };
        tape.printed_before = tape.printed.clone();
        if let Some(Reel::Records(recorder)) = &mut tape.reel {
            recorder.written = 0;
        }
        tape.load();
        tape
    }

    /// The recording's inputs of this power cycle become the log.
    fn load(&mut self) {
        let resets = self.place.resets;
        let Some(Reel::Plays(player)) = &mut self.reel else { return };
        while player.is_in(resets) {
            let Recorded { place, proof, input } = player.recording.inputs[player.input].clone();
            self.log.push(Logged { place, proof: Some(proof), input });
            player.input += 1;
        }
        self.go_live();
    }

    /// Passes the number of the tick. What was logged before belongs to the machine that logged it.
    pub fn pass(&mut self, archive: &mut Archive<'_>) {
        archive.value(&mut self.place.tick);
    }

    /// A frontend has reset the machine. False if it may not: the machine replays a recording.
    pub fn note_reset(&mut self, cut: bool, stats: &Stats) -> bool {
        if self.plays() {
            return false;
        }
        let (place, proof) = (self.place, self.proof(stats));
        self.write(Entry { place, proof, event: Event::Reset { cut } });
        true
    }

    /// What the recording has the machine do now. `within`: in the middle of a slice.
    pub fn cue(&self, within: bool, stats: &Stats) -> Cue {
        if let Some(why) = &self.differs {
            return Cue::Differs(why.clone());
        }
        let Some(Reel::Plays(player)) = &self.reel else { return Cue::None };
        let Some(stop) = player.next_stop() else { return Cue::None };
        match (stop.place.resets, stop.place.tick).cmp(&(self.place.resets, self.place.tick)) {
            std::cmp::Ordering::Greater => return Cue::None,
            std::cmp::Ordering::Less => return Cue::Differs("the machine has run past a stop of the recording".into()),
            std::cmp::Ordering::Equal => {}
        }
        if self.place.inputs < stop.place.inputs {
            return Cue::None;
        }
        if stop.cut {
            let left = stop.proof.instructions.saturating_sub(stats.total_instructions());
            if left > 0 {
                return Cue::Soon(left);
            }
        } else if within || stop.place.asleep > self.place.asleep {
            return Cue::None;
        }
        match self.proof(stats).difference(&stop.proof) {
            Some(why) => Cue::Differs(why),
            None if stop.is_end => Cue::End,
            None => Cue::Reset,
        }
    }

    /// The stop that was next is done with.
    pub fn pass_stop(&mut self, stats: &Stats) {
        let proof = self.proof(stats);
        if let Some(Reel::Plays(player)) = &mut self.reel {
            if player.next_stop().is_some_and(|stop| stop.is_end) {
                let _ = player.verdict.try_send(Verdict::Same(proof));
            }
            player.stop += 1;
        }
        self.go_live();
    }

    /// The machine goes on live behind the recording's end, if so.
    pub fn goes_on(&self) -> bool {
        matches!(&self.reel, Some(Reel::Plays(player)) if player.goes_on)
    }

    /// Lets a recording go that has nothing more to say.
    fn go_live(&mut self) {
        let over = matches!(&self.reel, Some(Reel::Plays(player)) if player.next_stop().is_none() && player.input == player.recording.inputs.len());
        if over && self.next == self.log.len() {
            self.reel = None;
        }
    }

    /// The machine sleeps, and nothing but input can wake it: the recording has some for now, or goes another way. False if it is time to wait.
    pub fn wakes(&mut self, within: bool, stats: &Stats) -> bool {
        if !self.plays() {
            return false;
        }
        if self.differs.is_none() && !self.is_due() && self.cue(within, stats) == Cue::None {
            self.differ("the machine sleeps where it ran on in the recording");
        }
        true
    }

    /// The run is over: what is to be said of the reason.
    pub fn end(&mut self, reason: ExitReason, cut: bool, stats: &Stats) -> ExitReason {
        let (place, proof) = (self.place, self.proof(stats));
        self.write(Entry { place, proof, event: Event::End { cut, reason: reason.word().into() } });
        let Some(Reel::Plays(player)) = &self.reel else { return reason };
        let same = player.next_stop().is_some_and(|stop| {
            stop.is_end && (stop.place.resets, stop.place.tick) == (place.resets, place.tick) && proof.difference(&stop.proof).is_none()
        });
        let (verdict, reason) = match reason {
            reason if same => (Verdict::Same(proof), reason),
            ExitReason::PowerOff | ExitReason::GuestExit(_) | ExitReason::Lost(_) => {
                let why = format!("the run ended ({}) before the recording", reason.word());
                (Verdict::Differs(why.clone()), ExitReason::Differs(why))
            }
            ExitReason::Differs(why) => (Verdict::Differs(why.clone()), ExitReason::Differs(why)),
            reason => (Verdict::Stopped, reason),
        };
        let _ = player.verdict.try_send(verdict);
        reason
    }

    fn write(&mut self, entry: Entry) {
        if let Some(Reel::Records(recorder)) = &mut self.reel {
            (recorder.sink)(&entry);
            recorder.written = entry.place.inputs + u64::from(matches!(entry.event, Event::Input(_)));
        }
    }

    fn proof(&self, stats: &Stats) -> Proof {
        Proof {
            instructions: stats.total_instructions(),
            guest_ns: stats.guest_ns.get(),
            printed: self.printed.bytes,
            hash: self.printed.hash(),
        }
    }

    fn check(&mut self, recorded: &Proof, stats: &Stats) {
        if let Some(why) = self.proof(stats).difference(recorded) {
            self.differ(&why);
        }
    }

    fn differ(&mut self, why: &str) {
        self.differs.get_or_insert_with(|| why.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(byte: u8) -> Input {
        Input::Serial { port: 0, bytes: vec![byte] }
    }

    #[test]
    fn a_tape_gives_the_same_input_at_the_same_ticks_and_live_input_after_it() {
        let stats = Stats::default();
        let mut tape = Tape { kept: true, ..Tape::default() };
        assert_eq!(tape.input(&stats, || Some(typed(1))), Some(typed(1)));
        tape.count();
        tape.count();
        assert_eq!(tape.input(&stats, || Some(typed(2))), Some(typed(2)));
        assert_eq!(tape.input(&stats, || None), None);
        let mut again = tape.rewound();
        let never = || -> Option<Input> { panic!("live input before its time") };
        assert_eq!(again.input(&stats, never), Some(typed(1)));
        assert_eq!(again.input(&stats, never), None);
        again.count();
        assert!(!again.is_due());
        again.count();
        assert!(again.is_due());
        assert_eq!(again.input(&stats, never), Some(typed(2)));
        assert_eq!(again.input(&stats, || Some(typed(3))), Some(typed(3)));
        let mut third = again.rewound();
        third.count();
        third.count();
        let all: Vec<Input> = std::iter::from_fn(|| third.input(&stats, || None)).collect();
        assert_eq!(all, [typed(1), typed(2), typed(3)]);
    }
}
