//! Recordings of deterministic runs: all that came from outside, and when.
//!
//! A [`Recording`] is a list of entries. Each says where in the run it is ([`Place`]) and what had come of the run by then ([`Proof`]), so that a replay that goes another way is found out at the next entry. The
//! machine writes entries as they happen ([`crate::machine::Starter::record`]) and plays them again in front of the same ticks ([`crate::machine::Starter::replay`]). A debugger that goes back while
//! the machine records does not make it forget: what it passes again is not written again.
//!
//! Frames are shown in step with guest time, and each shows up as a tick of its own: the machine keeps the recording's beat in either run, whoever looks at the screen.

use crate::handle::Input;
use crate::serial::PORTS;
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// A point between two ticks of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Resets before it.
    pub resets: u64,
    /// Ticks since power-on or reset that changed something.
    pub tick: u64,
    /// Ticks since then that changed nothing, as the machine had nothing to do but to wait: 1 for any number, and 1 for each more in which something came in.
    pub asleep: u64,
    /// Inputs since power-on or reset.
    pub inputs: u64,
}

/// What had come of a run up to a place in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Instructions of all cores.
    pub instructions: u64,
    /// Guest time in nanoseconds.
    pub guest_ns: u64,
    /// Bytes printed, of each port.
    pub printed: [u64; PORTS],
    /// A hash of these.
    pub hash: u64,
}

impl Proof {
    /// How far `self`, of a replay, is from what the recording has at that place, in words.
    pub(crate) fn difference(&self, recorded: &Self) -> Option<String> {
        let differs = |what: &str, here: u64, there: u64| (here != there).then(|| format!("{here} {what}, {there} in the recording"));
        let printed = |proof: &Self| proof.printed.iter().sum();
        differs("instructions have retired", self.instructions, recorded.instructions)
            .or_else(|| differs("ns of guest time have passed", self.guest_ns, recorded.guest_ns))
            .or_else(|| differs("bytes were printed", printed(self), printed(recorded)))
            .or_else(|| (self != recorded).then(|| "other bytes were printed than in the recording".to_owned()))
    }
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The run began: the first entry.
    Begin {
        /// Guest time between two frames, in nanoseconds.
        beat_ns: u64,
    },
    /// Something came in.
    Input(Input),
    /// A frontend reset the machine.
    Reset {
        /// In the middle of a slice, where an instruction limit or a debugger had cut it.
        cut: bool,
    },
    /// The run ended: the last entry.
    End {
        /// As with a reset.
        cut: bool,
        /// Why, in a word ([`crate::handle::ExitReason::word`]).
        reason: String,
    },
}

/// An event, where it happened, and what had come of the run by then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where.
    pub place: Place,
    /// What had come of the run.
    pub proof: Proof,
    /// What happened.
    pub event: Event,
}

/// Why entries are no recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RecordingError {
    /// The first entry is not the beginning.
    #[error("it has no beginning")]
    NoBeginning,
    /// Entries do not follow each other.
    #[error("its entries are not in order")]
    Disorder,
}

/// A reset from outside, or the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stop {
    pub place: Place,
    pub proof: Proof,
    pub cut: bool,
    pub is_end: bool,
}

/// What came in, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Recorded {
    pub place: Place,
    pub proof: Proof,
    pub input: Input,
}

/// A run that can be replayed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recording {
    pub(crate) place: Place,
    pub(crate) proof: Proof,
    beat_ns: u64,
    pub(crate) inputs: Vec<Recorded>,
    pub(crate) stops: Vec<Stop>,
    reason: Option<String>,
}

impl Recording {
    /// Makes one of the entries that a machine has written, in their order. The end may be missing.
    ///
    /// # Errors
    /// [`RecordingError`]: no machine writes such entries.
    pub fn new(entries: impl IntoIterator<Item = Entry>) -> Result<Self, RecordingError> {
        let mut entries = entries.into_iter();
        let Some(Entry { place, proof, event: Event::Begin { beat_ns } }) = entries.next() else { return Err(RecordingError::NoBeginning) };
        let mut recording = Self { place, proof, beat_ns, inputs: Vec::new(), stops: Vec::new(), reason: None };
        // Of the last power cycle with an entry.
        let (mut resets, mut count) = (place.resets, 0);
        for Entry { place, proof, event } in entries {
            if recording.reason.is_some() || place.resets < resets {
                return Err(RecordingError::Disorder);
            }
            if place.resets > resets {
                (resets, count) = (place.resets, 0);
            }
            let stop = |cut, is_end| Stop { place, proof, cut, is_end };
            match event {
                Event::Begin { .. } => return Err(RecordingError::Disorder),
                Event::Input(input) => {
                    let in_time =
                        recording.inputs.last().is_none_or(|last| (last.place.resets, last.place.tick) <= (place.resets, place.tick));
                    if place.inputs != count || !in_time {
                        return Err(RecordingError::Disorder);
                    }
                    count += 1;
                    recording.inputs.push(Recorded { place, proof, input });
                }
                Event::Reset { cut } => {
                    recording.forget(&place);
                    recording.stops.push(stop(cut, false));
                    // What comes now is of the next power cycle.
                    resets = resets.checked_add(1).ok_or(RecordingError::Disorder)?;
                    count = 0;
                }
                Event::End { cut, reason } => {
                    recording.forget(&place);
                    recording.stops.push(stop(cut, true));
                    recording.reason = Some(reason);
                }
            }
        }
        Ok(recording)
    }

    /// The machine had gone back to `place` when it stopped: what had come in after that place did not happen.
    fn forget(&mut self, place: &Place) {
        while self.inputs.pop_if(|last| last.place.resets == place.resets && last.place.inputs >= place.inputs).is_some() {}
    }

    /// Guest time between two frames, in nanoseconds.
    pub fn beat_ns(&self) -> u64 {
        self.beat_ns
    }

    /// Number of inputs.
    pub fn inputs(&self) -> usize {
        self.inputs.len()
    }

    /// Why the run ended, in a word; `None`: the end is not in the recording.
    pub fn reason(&self) -> Option<&str> {
        self.reason.as_deref()
    }
}

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The run was the recorded one up to its end.
    Same(Proof),
    /// It was another.
    Differs(String),
    /// It was stopped before the recording's end.
    Stopped,
}

/// Takes entries as they happen.
pub(crate) type Sink = Box<dyn FnMut(&Entry) + Send + Sync>;

/// Writes a recording.
pub(crate) struct Recorder {
    pub sink: Sink,
    pub beat_ns: u64,
    /// Inputs of this power cycle that are written.
    pub written: u64,
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("written", &self.written).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(resets: u64, tick: u64, inputs: u64, event: Event) -> Entry {
        Entry { place: Place { resets, tick, asleep: 0, inputs }, proof: Proof::default(), event }
    }

    fn typed(byte: u8) -> Event {
        Event::Input(Input::Serial { port: 0, bytes: vec![byte] })
    }

    fn begin() -> Entry {
        entry(0, 0, 0, Event::Begin { beat_ns: 1 })
    }

    fn end() -> Event {
        Event::End { cut: false, reason: "stopped".into() }
    }

    #[test]
    fn what_a_debugger_went_back_behind_did_not_happen() {
        let entries = [
            begin(),
            entry(0, 5, 0, typed(1)),
            entry(0, 7, 1, typed(2)),
            entry(0, 9, 2, typed(3)),
            entry(0, 6, 1, Event::Reset { cut: true }),
            entry(1, 1, 0, typed(4)),
            entry(1, 2, 1, end()),
        ];
        let recording = Recording::new(entries).expect("in order");
        let ticks: Vec<_> = recording.inputs.iter().map(|input| (input.place.resets, input.place.tick)).collect();
        assert_eq!(ticks, [(0, 5), (1, 1)]);
        assert_eq!((recording.stops.len(), recording.reason()), (2, Some("stopped")));
    }

    #[test]
    fn entries_in_disorder_are_no_recording() {
        assert_eq!(Recording::new([]), Err(RecordingError::NoBeginning));
        assert_eq!(Recording::new([entry(0, 0, 0, end())]), Err(RecordingError::NoBeginning));
        let bad = [
            vec![begin()],
            vec![entry(0, 5, 1, typed(1))],
            vec![entry(0, 5, 0, typed(1)), entry(0, 4, 1, typed(1))],
            vec![entry(0, 5, 0, end()), entry(0, 6, 0, typed(1))],
            vec![entry(1, 5, 0, typed(1)), entry(0, 5, 0, typed(1))],
            vec![entry(0, 5, 0, Event::Reset { cut: false }), entry(0, 6, 0, typed(1))],
        ];
        for more in bad {
            let entries = [vec![begin()], more].concat();
            assert_eq!(Recording::new(entries.clone()), Err(RecordingError::Disorder), "{entries:?}");
        }
        // A guest's own resets are not in it.
        Recording::new([begin(), entry(2, 5, 0, typed(1)), entry(4, 5, 0, typed(1))]).expect("in order");
    }
}
