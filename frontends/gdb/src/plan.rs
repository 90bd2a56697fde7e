//! What the debugger wants of the machine, and the attendant that sees to it on the machine's thread.

use crate::session::Event;
use arc_swap::ArcSwap;
use crossbeam::channel::Sender;
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use tayberry_a64::debugger::{Catches, Hit, Step, Watchpoint};
use tayberry_a64::{Bus, Core};
use tayberry_bcm2837::core::A64Processor;
use tayberry_engine::handle::ExitReason;
use tayberry_engine::machine::Machine;
use tayberry_engine::{Attendant, Processor};

/// What is set in every core, of this machine and those after its resets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub breakpoints: Vec<u64>,
    pub watchpoints: Vec<Watchpoint>,
    pub catches: Catches,
}

/// What the session and the attendant share.
///
/// # Orderings
/// The session writes the plan and the two words, the attendant reads them, on the machine's thread. The plan comes and goes whole. `held` and `epoch` mean nothing but themselves
/// (`Relaxed`): the session changes `epoch` before it sends the machine on by a visit, which orders it.
#[derive(Debug, Default)]
pub struct Wishes {
    pub plan: ArcSwap<Plan>,
    /// A machine that begins is to be held.
    pub held: AtomicBool,
    /// Counts resumptions: a stop that belongs to one before the last is old news.
    pub epoch: AtomicU64,
    /// Machines that have begun.
    pub begun: AtomicU64,
}

/// Calls `visit` with a core of the machine's and its bus.
pub fn with_core<T>(machine: &mut Machine, core: usize, visit: impl FnOnce(&mut Core, &mut dyn Bus) -> T) -> Option<T> {
    let (mut visit, mut found) = (Some(visit), None);
    machine.each_core_mut(&mut |id, processor| {
        if id == core
            && let Some(processor) = a64(processor)
            && let Some(visit) = visit.take()
        {
            let (core, bus) = processor.core_and_bus();
            found = Some(visit(core, bus));
        }
    });
    found
}

/// Calls `visit` with each core.
pub fn each_core(machine: &mut Machine, mut visit: impl FnMut(usize, &mut Core)) {
    machine.each_core_mut(&mut |id, processor| {
        if let Some(processor) = a64(processor) {
            visit(id, processor.core_and_bus().0);
        }
    });
}

fn a64(processor: &mut dyn Processor) -> Option<&mut A64Processor> {
    (processor as &mut dyn Any).downcast_mut()
}

impl Plan {
    /// Sets it in all cores. Cheap where nothing changes.
    pub fn apply(&self, machine: &mut Machine) {
        each_core(machine, |_, core| {
            core.set_breakpoints(self.breakpoints.iter().copied());
            core.set_watchpoints(self.watchpoints.iter().copied());
            core.set_catches(self.catches);
        });
    }
}

/// What cores do when the machine goes on.
#[derive(Clone, Debug, Default)]
pub struct Actions {
    /// Cores that step.
    pub steps: Vec<(usize, Step)>,
    /// Cores that are to go on; `None` for all.
    pub only: Option<Vec<usize>>,
    /// Interrupts wait while a core steps.
    pub hold_interrupts: bool,
}

/// Lets the machine go on.
pub fn go_on(machine: &mut Machine, plan: &Plan, actions: &Actions) {
    plan.apply(machine);
    each_core(machine, |id, core| {
        let step = actions.steps.iter().find(|(core, _)| *core == id).map(|(_, step)| step.clone());
        core.set_step(step, actions.hold_interrupts);
    });
    let mut cores = 0;
    machine.each_core(&mut |_, _| cores += 1);
    for id in 0..cores {
        machine.set_frozen(id, actions.only.as_ref().is_some_and(|only| !only.contains(&id)));
    }
    machine.release();
}

/// Stops the machine where it is; nothing is left of what cores were to do.
pub fn halt(machine: &mut Machine) {
    machine.hold();
    let mut cores = 0;
    each_core(machine, |_, core| {
        core.set_step(None, false);
        core.take_hit();
        cores += 1;
    });
    (0..cores).for_each(|core| machine.set_frozen(core, false));
}

/// Forgets the debugger, and lets the machine run.
pub fn let_go(machine: &mut Machine) {
    halt(machine);
    Plan::default().apply(machine);
    machine.release();
}

/// Sees to the plan.
pub struct Guard {
    pub wishes: Arc<Wishes>,
    pub events: Sender<Event>,
    /// The machine is one that can be run backwards.
    pub keeps_history: bool,
}

impl Attendant for Guard {
    fn begins(&mut self, machine: &mut Machine) {
        if self.keeps_history {
            machine.keep_history();
        }
        self.wishes.plan.load().apply(machine);
        if self.wishes.held.load(Ordering::Relaxed) {
            machine.hold();
        }
        self.wishes.begun.fetch_add(1, Ordering::Relaxed);
    }

    fn halted(&mut self, machine: &mut Machine) {
        let mut hits: Vec<(usize, Hit)> = Vec::new();
        each_core(machine, |id, core| hits.extend(core.take_hit().map(|hit| (id, hit))));
        let epoch = self.wishes.epoch.load(Ordering::Relaxed);
        if self.events.send(Event::Halted { epoch, hits }).is_err() {
            let_go(machine);
        }
    }

    fn ends(&mut self, _: &mut Machine, reason: &ExitReason) {
        // Whoever is gone needs no news.
        let _ = self.events.send(Event::Ended(reason.clone()));
    }
}
