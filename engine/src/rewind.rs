//! Ways back, and the checkpoints that they begin at.
//!
//! While a history is kept, the machine's state is saved now and then, in memory. States share the pages of RAM that are the same in them. The more there are, the farther the old ones lie apart,
//! so that a way back costs a share of the time that it goes back, wherever it leads.

use crate::clock::{ClockMode, MAX_CORES};
use crate::execute::{Activity, Executor};
use crate::history::{Begin, Goal, Rewind, Tape};
use crate::machine::Machine;
use crate::state::{Pages, State, StateError};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// Instructions between two checkpoints, at least.
const APART: u64 = 50_000_000;
/// Saving takes no more than this share of the time.
const SHARE: u32 = 20;
/// Checkpoints at most.
const MOST: usize = 24;
/// Bytes that the pages of all checkpoints take, about, at most.
const MOST_BYTES: usize = 1 << 30;
/// So many instructions before a way's end there is a checkpoint afterwards: whoever steps back often goes a short way.
const NEAR: u64 = 500_000;

/// A state on the way.
#[derive(Clone, Debug)]
struct Checkpoint {
    state: Arc<State>,
    /// Instructions that each core has retired.
    retired: [u64; MAX_CORES],
    /// The next piece of input.
    next: usize,
    /// Bytes that it does not share with the one before it.
    bytes: usize,
}

impl Checkpoint {
    fn all(&self) -> u64 {
        self.retired.iter().sum()
    }

    /// A way that begins here may end there. Not where the goal's core has got there already: others may have run since.
    fn leads_to(&self, goal: Goal) -> bool {
        match goal {
            Goal::All(all) => self.all() <= all,
            Goal::Core { core, retired } => self.retired.get(core).is_some_and(|&own| own < retired),
        }
    }
}

/// The states on the way, in their order.
#[derive(Debug, Default)]
pub(crate) struct Checkpoints {
    list: Vec<Checkpoint>,
    /// The first one is the state that was loaded: there is nothing before it.
    begins_loaded: bool,
    /// When the last attempt was over, and what it took.
    last: Option<(Instant, Duration)>,
}

impl Checkpoints {
    /// For a machine whose state was loaded.
    pub fn of_loaded(state: Arc<State>, retired: [u64; MAX_CORES]) -> Self {
        let mut loaded = Self { begins_loaded: true, ..Self::default() };
        loaded.keep(state, retired, 0);
        loaded
    }

    /// It is time for another one, at so many instructions of all cores.
    fn is_due(&self, all: u64) -> bool {
        let before = self.list.last().map_or(0, Checkpoint::all);
        all.saturating_sub(before) >= APART && self.last.is_none_or(|(at, took)| at.elapsed() >= took * SHARE)
    }

    /// Bytes that the pages of a state take beside those of the checkpoint before number `at`.
    fn bytes_of(&self, state: &State, at: usize) -> usize {
        let before = at.checked_sub(1).map(|before| &self.list[before].state.ram);
        before.map_or_else(|| state.ram.bytes_beside(&Pages::default()), |before| state.ram.bytes_beside(before))
    }

    fn keep(&mut self, state: Arc<State>, retired: [u64; MAX_CORES], next: usize) {
        if self.list.last().is_some_and(|last| last.all() >= retired.iter().sum()) {
            return;
        }
        let bytes = self.bytes_of(&state, self.list.len());
        self.list.push(Checkpoint { state, retired, next, bytes });
        while self.list.len() > MOST || self.list.iter().map(|point| point.bytes).sum::<usize>() > MOST_BYTES {
            let Some(at) = self.least() else { return };
            self.list.remove(at);
            self.list[at].bytes = self.bytes_of(&self.list[at].state, at);
        }
    }

    /// The one that is missed least: whose neighbours are close, seen from the end. Neither the loaded one nor the last.
    fn least(&self) -> Option<usize> {
        let end = self.list.last()?.all();
        let gap = |at: usize| {
            let before = if at == 0 { 0 } else { self.list[at - 1].all() };
            (self.list[at + 1].all() - before) as f64 / (end - self.list[at].all() + 1) as f64
        };
        let candidates = usize::from(self.begins_loaded)..self.list.len() - 1;
        candidates.min_by(|&a, &b| gap(a).total_cmp(&gap(b)))
    }

    /// Forgets all behind the one that a way begins at, which is returned; `None`: it begins at power-on.
    fn begin(&mut self, goal: Goal, begin: Begin) -> Option<&Checkpoint> {
        let found = self.list.iter().rposition(|point| match begin {
            Begin::Near => point.leads_to(goal),
            Begin::Before(all) => point.leads_to(goal) && point.all() < all,
        });
        let at = found.or(self.begins_loaded.then_some(0));
        self.list.truncate(at.map_or(0, |at| at + 1));
        self.list.last()
    }
}

impl Machine {
    /// From now on input is kept, so that the machine can be rewound: for deterministic machines, before their first tick ([`Attendant::begins`]). What is kept grows with what is typed, and up to a
    /// bound with the memory that the guest uses.
    pub fn keep_history(&mut self) {
        self.world.resource_mut::<Tape>().kept = true;
    }

    /// Instructions that a core has retired since power-on or reset, between ticks.
    pub fn retired(&self, core: usize) -> u64 {
        let counter = self.shared.stats.instructions.get(core);
        counter.map_or(0, |counter| counter.get().saturating_sub(self.before.0[core]))
    }

    /// The same of all cores together.
    pub fn retired_by_all(&self) -> u64 {
        (0..MAX_CORES).map(|core| self.retired(core)).sum()
    }

    /// Instructions of all cores at which the last way back began; zero: at power-on or reset.
    pub fn way_began(&self) -> u64 {
        self.way_began
    }

    /// Takes a checkpoint if it is time for one, between ticks.
    pub(crate) fn keep_checkpoint(&mut self) {
        if self.is_history_kept() && self.checkpoints.is_due(self.retired_by_all()) {
            self.take_checkpoint();
        }
    }

    #[cold]
    fn take_checkpoint(&mut self) {
        let began = Instant::now();
        let earlier = self.checkpoints.list.last().map(|last| Arc::clone(&last.state));
        // What cannot be saved now may be later.
        if let Ok(state) = self.save_beside(earlier.as_deref()) {
            let (retired, next) = (std::array::from_fn(|core| self.retired(core)), self.world.resource::<Tape>().next());
            self.checkpoints.keep(Arc::new(state), retired, next);
        }
        self.checkpoints.last = Some((Instant::now(), began.elapsed()));
    }

    /// Takes over the state that a way back begins at. True if there is one on the way; false: it begins where the power cycle did.
    ///
    /// # Errors
    /// [`StateError`].
    pub(crate) fn begin_way(&mut self, mut checkpoints: Checkpoints, goal: Goal, begin: Begin) -> Result<bool, StateError> {
        if let Some(Checkpoint { state, next, .. }) = checkpoints.begin(goal, begin) {
            self.load(state)?;
            self.world.resource_mut::<Tape>().go_on_from(*next);
        }
        let is_on_the_way = checkpoints.list.len() > usize::from(checkpoints.begins_loaded);
        self.checkpoints = checkpoints;
        self.way_began = self.retired_by_all();
        Ok(is_on_the_way)
    }

    fn is_history_kept(&self) -> bool {
        self.clock.mode() == ClockMode::Deterministic && self.world.resource::<Tape>().kept
    }

    /// Goes back to where the machine was before: see [`Rewind`]. False if its history was not kept.
    pub fn rewind(&mut self, rewind: Rewind) -> bool {
        let kept = self.is_history_kept();
        if kept {
            self.rewind = Some(rewind);
        }
        kept
    }

    /// Instructions that are left up to a goal.
    fn left_to(&self, goal: Goal) -> u64 {
        match goal {
            Goal::All(all) => all.saturating_sub(self.retired_by_all()),
            Goal::Core { core, retired } => retired.saturating_sub(self.retired(core)),
        }
    }

    /// Runs a new machine up to a goal, with the input of its tape, and nobody told.
    pub(crate) fn replay(&mut self, goal: Goal, halted: &mut dyn FnMut(&mut Machine)) {
        let mut is_far = false;
        while !self.shared.control.stop.load(Ordering::Relaxed) {
            let left = self.left_to(goal);
            if left == 0 {
                break;
            }
            if left > NEAR {
                is_far |= left > 4 * NEAR;
                self.keep_checkpoint();
            } else if std::mem::take(&mut is_far) {
                self.take_checkpoint();
            }
            let leg = if left > NEAR { left - NEAR } else { left };
            self.world.resource_mut::<Executor>().goal = Some((goal, leg));
            self.schedule.run(&mut self.world);
            let executor = self.world.resource::<Executor>();
            let stuck = matches!(executor.activity, Activity::Idle(None) | Activity::Dead(_));
            if executor.halted {
                self.clear_halts();
                halted(self);
            } else if stuck && !self.world.resource::<Tape>().is_due(self.clock.now()) {
                break;
            }
        }
        self.world.resource_mut::<Executor>().goal = None;
        self.world.resource_mut::<Tape>().replays = false;
    }
}
