//! Backwards: the machine goes back to a checkpoint, or to its beginning, and comes again ([`tayberry_engine::history`]), up to where it is to stop.
//!
//! A step back ends where its core had retired one instruction less. To continue backwards takes two ways or more: on the first, which ends where the machine is now, each stop is noted and passed.
//! If there was none, the next begins at an earlier checkpoint and ends where this one began. The last way ends at the last stop noted.

use crate::plan::{self, Plan};
use crate::session::Event;
use crate::target::Target;
use crossbeam::atomic::AtomicCell;
use gdbstub::common::Tid;
use gdbstub::target::ext::base::reverse_exec::{ReverseCont, ReverseStep};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tayberry_a64::debugger::Hit;
use tayberry_engine::history::{Begin, Goal, Rewind};
use tayberry_engine::machine::Machine;

/// Lets the machine go on where it has stopped on the way.
fn pass(machine: &mut Machine) -> Option<(usize, Hit)> {
    let mut found = None;
    plan::each_core(machine, |id, core| {
        if let Some(hit) = core.take_hit() {
            core.pass_once();
            found = found.or(Some((id, hit)));
        }
    });
    found
}

/// The way to `goal`, at whose end the machine is held, and GDB told.
fn way(goal: Goal, tell: impl FnOnce() + Send + 'static) -> Rewind {
    let done = |machine: &mut Machine| {
        plan::halt(machine);
        tell();
    };
    Rewind { goal, begin: Begin::Near, halted: Box::new(|machine| _ = pass(machine)), done: Box::new(done) }
}

/// A stop on the first way.
#[derive(Clone, Copy)]
struct Stop {
    /// Instructions that all cores had retired.
    at: u64,
    core: usize,
    hit: Hit,
}

/// The way up to `end`, on which stops before `now` are looked for; and those that follow from what is found.
fn search(now: u64, end: u64, tell: impl FnOnce(Option<(usize, Hit)>) + Send + 'static) -> Rewind {
    let last: Arc<AtomicCell<Option<Stop>>> = Arc::default();
    let noted = Arc::clone(&last);
    let halted = move |machine: &mut Machine| {
        let at = machine.retired_by_all();
        if let Some((core, hit)) = pass(machine).filter(|_| at < now) {
            noted.store(Some(Stop { at, core, hit }));
        }
    };
    let done = move |machine: &mut Machine| {
        let began = machine.way_began();
        let next = match last.load() {
            Some(Stop { at, core, hit }) => way(Goal::All(at), move || tell(Some((core, hit)))),
            // The same beginning again: there is nothing before it.
            None if began == 0 || began >= end => way(Goal::All(0), move || tell(None)),
            None => search(now, began, tell),
        };
        machine.rewind(next);
    };
    Rewind { goal: Goal::All(end), begin: Begin::Before(end), halted: Box::new(halted), done: Box::new(done) }
}

impl Target {
    /// The machine is to be run backwards, with this set in its cores.
    fn begin_backwards(&mut self, plan: Plan) {
        self.next_epoch();
        self.wishes.plan.store(Arc::new(plan));
        self.wishes.held.store(true, Ordering::Relaxed);
    }

    /// What tells GDB of the end of the way.
    fn teller(&self) -> impl Fn(Option<(usize, Hit)>) + Send + Clone + 'static {
        let (events, epoch) = (self.events.clone(), self.epoch());
        move |hit| {
            // Whoever is gone needs no news.
            let _ = events.send(Event::Rewound { epoch, hit });
        }
    }
}

impl ReverseStep<Tid> for Target {
    fn reverse_step(&mut self, tid: Tid) -> Result<(), Infallible> {
        let core = Self::core_of(tid);
        self.begin_backwards(Plan::default());
        let tell = self.teller();
        self.handle.control.visit(move |machine| {
            let (retired, refused) = (machine.retired(core), tell.clone());
            let Some(before) = retired.checked_sub(1) else { return tell(None) };
            let goal = Goal::Core { core, retired: before };
            if !machine.rewind(way(goal, move || tell(Some((core, Hit::Step))))) {
                refused(None);
            }
        });
        Ok(())
    }
}

impl ReverseCont<Tid> for Target {
    fn reverse_cont(&mut self) -> Result<(), Infallible> {
        let plan = self.whole_plan();
        self.begin_backwards(plan);
        let tell = self.teller();
        self.handle.control.visit(move |machine| {
            let now = machine.retired_by_all();
            let refused = tell.clone();
            if !machine.rewind(search(now, now, tell)) {
                refused(None);
            }
        });
        Ok(())
    }
}
