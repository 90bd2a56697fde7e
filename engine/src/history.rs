//! The way back: a deterministic machine is where it was if it is built again, gets the same input at the same ticks, and retires as many instructions.
//!
//! Where a history is kept ([`Machine::keep_history`]), all input is logged with the number of its tick. Ticks that change nothing are not counted, as their number depends on the host; nor
//! is what is left of a slice that a debugger has cut, which is one with its beginning. A machine that was rewound gets the input of its log first, each piece at its tick, and what frontends
//! have sent since only after it. What it prints again is told to nobody.
//!
//! A rewind begins at the power cycle's first tick, or at a state that was saved since ([`crate::rewind`]).

use crate::handle::Input;
use crate::machine::Machine;
use crate::state::Archive;
use bevy_ecs::prelude::Resource;
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

/// Input and when it came.
#[derive(Resource, Debug, Default)]
pub(crate) struct Tape {
    /// Input is logged.
    pub kept: bool,
    /// On its way to the goal of a rewind: no frontend is to notice.
    pub replays: bool,
    tick: u64,
    log: Vec<(u64, Input)>,
    /// The entry that comes next; behind the last, live input does.
    next: usize,
}

impl Tape {
    /// A tick that changed something is over.
    pub fn count(&mut self) {
        self.tick += 1;
    }

    /// The next input for the current tick: from the log, then from `live`.
    pub fn input(&mut self, live: impl FnOnce() -> Option<Input>) -> Option<Input> {
        if let Some((tick, input)) = self.log.get(self.next) {
            let due = *tick <= self.tick;
            self.next += usize::from(due);
            return due.then(|| input.clone());
        }
        let input = live()?;
        if self.kept {
            self.log.push((self.tick, input.clone()));
            self.next = self.log.len();
        }
        Some(input)
    }

    /// There is input for the current tick.
    pub fn is_due(&self) -> bool {
        self.log.get(self.next).is_some_and(|(tick, _)| *tick <= self.tick)
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

    /// From the beginning.
    pub fn rewound(&mut self) -> Self {
        Self { kept: self.kept, replays: true, tick: 0, log: std::mem::take(&mut self.log), next: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tape_gives_the_same_input_at_the_same_ticks_and_live_input_after_it() {
        let typed = |byte: u8| Input::Serial { port: 0, bytes: vec![byte] };
        let mut tape = Tape { kept: true, ..Tape::default() };
        assert_eq!(tape.input(|| Some(typed(1))), Some(typed(1)));
        tape.count();
        tape.count();
        assert_eq!(tape.input(|| Some(typed(2))), Some(typed(2)));
        assert_eq!(tape.input(|| None), None);
        let mut again = tape.rewound();
        let never = || -> Option<Input> { panic!("live input before its time") };
        assert_eq!(again.input(never), Some(typed(1)));
        assert_eq!(again.input(never), None);
        again.count();
        assert!(!again.is_due());
        again.count();
        assert!(again.is_due());
        assert_eq!(again.input(never), Some(typed(2)));
        assert_eq!(again.input(|| Some(typed(3))), Some(typed(3)));
        let mut third = again.rewound();
        third.count();
        third.count();
        let all: Vec<Input> = std::iter::from_fn(|| third.input(|| None)).collect();
        assert_eq!(all, [typed(1), typed(2), typed(3)]);
    }
}
