//! The state of a whole machine, between two ticks: [`Machine::save`] and [`Machine::load`].
//!
//! A state is a list of named *parts* and the pages of RAM that are not zero. Whoever has state registers a part with the [`crate::MachineBuilder`]: a function that
//! passes it through an [`Archive`], which goes in either direction. The engine's own parts are here and beside what they are of.
//!
//! A state goes into a machine that was built as the one it comes from. What only makes a machine fast (decoded code, translations) is not in it, nor is what belongs to
//! frontends.

mod archive;
pub(crate) mod file;
mod pages;
#[cfg(test)]
mod tests;

pub use archive::{Archive, Cell};
pub use file::{FileError, MadeFrom, VERSION};
pub use pages::Pages;

use crate::builder::Deadlines;
use crate::clock::ClockMode;
use crate::execute::{CoreSlot, Executor};
use crate::history::Tape;
use crate::io::{FramePacer, InputLines, SerialLines};
use crate::machine::Machine;
use crate::typist::Typist;
use bevy_ecs::prelude::*;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// Why a state cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// What was saved of a part makes no sense.
    #[error("the state is damaged: {0} cannot be read")]
    Damaged(String),
    /// It is of a machine with other parts.
    #[error("the state is of another machine: {0}")]
    Parts(String),
    /// It cannot be saved, or not loaded into this machine, and why.
    #[error("{0}")]
    Unfit(String),
}

/// The state of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// What was saved of each part, in the order in which they were registered.
    pub parts: Vec<(String, Vec<u8>)>,
    /// RAM.
    pub ram: Pages,
}

/// Passes a part of the world.
type Pass = Box<dyn FnMut(&mut World, &mut Archive<'_>) + Send + Sync>;

/// All parts of a machine, in the order in which they were registered.
#[derive(Default)]
pub(crate) struct Parts(Vec<(&'static str, Pass)>);

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|part| part.0)).finish()
    }
}

impl Parts {
    pub fn add(&mut self, name: &'static str, pass: impl FnMut(&mut World, &mut Archive<'_>) + Send + Sync + 'static) {
        assert!(self.0.iter().all(|part| part.0 != name), "two parts are called {name}");
        self.0.push((name, Box::new(pass)));
    }

    /// Those of another list come after these.
    pub fn append(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// What is saved of each.
    pub fn save(&mut self, world: &mut World) -> Result<Vec<(String, Vec<u8>)>, StateError> {
        self.0.iter_mut().map(|(name, pass)| save(name, |archive| pass(world, archive))).collect()
    }

    /// Loads what was saved of parts of these names.
    pub fn load(&mut self, world: &mut World, saved: &[(String, Vec<u8>)]) -> Result<(), StateError> {
        self.0.iter_mut().zip(saved).try_for_each(|((name, pass), (_, bytes))| load(name, bytes, |archive| pass(world, archive)))
    }
}

/// Saves a part.
fn save(name: &str, pass: impl FnOnce(&mut Archive<'_>)) -> Result<(String, Vec<u8>), StateError> {
    let mut archive = Archive::save(name);
    pass(&mut archive);
    Ok((name.to_owned(), archive.finish()?))
}

/// Loads what was saved of a part.
fn load(name: &str, bytes: &[u8], pass: impl FnOnce(&mut Archive<'_>)) -> Result<(), StateError> {
    let mut archive = Archive::load(name, bytes);
    pass(&mut archive);
    archive.finish().map(drop)
}

/// A part of the engine's own: its name, and what passes it.
type OwnPart = (&'static str, fn(&mut Machine, &mut Archive<'_>));

/// In this order; the devices' parts come between the first ones and the last one, which tells frontends.
const OWN: [OwnPart; 4] = [("engine", pass_engine), ("cores", pass_cores), ("wires", pass_wires), ("statistics", pass_stats)];

impl Machine {
    /// The machine's state, between two ticks.
    ///
    /// # Errors
    /// [`StateError::Unfit`] where something cannot be saved.
    pub fn save(&mut self) -> Result<State, StateError> {
        self.save_beside(None)
    }

    /// The same, where an earlier state is kept too: they share pages.
    pub(crate) fn save_beside(&mut self, earlier: Option<&State>) -> Result<State, StateError> {
        let own = OWN.into_iter().map(|(name, pass)| save(name, |archive| pass(self, archive)));
        let mut parts = own.collect::<Result<Vec<_>, _>>()?;
        parts.extend(self.parts.save(&mut self.world)?);
        let ram = earlier.map_or_else(|| Pages::of(self.ram()), |earlier| Pages::since(self.ram(), &earlier.ram));
        Ok(State { parts, ram })
    }

    /// Takes over a state. The machine must have been built as the one that the state is of, and not have run. Where its history is kept, it begins here.
    ///
    /// # Errors
    /// [`StateError`]; the machine is of no use then.
    pub fn load(&mut self, state: &Arc<State>) -> Result<(), StateError> {
        let names = OWN.iter().map(|part| part.0).chain(self.parts.0.iter().map(|part| part.0));
        let other = names.clone().zip(&state.parts).find(|(own, saved)| *own != saved.0);
        if let Some((own, saved)) = other {
            return Err(StateError::Parts(format!("it has {} where this one has {own}", saved.0)));
        }
        if names.count() != state.parts.len() {
            return Err(StateError::Parts(format!("it has {} parts", state.parts.len())));
        }
        state.ram.load(self.ram())?;
        let (own, devices) = state.parts.split_at(OWN.len());
        OWN.into_iter().zip(own).try_for_each(|((name, pass), (_, bytes))| load(name, bytes, |archive| pass(self, archive)))?;
        self.parts.load(&mut self.world, devices)?;
        self.loaded(state);
        Ok(())
    }
}

/// Time, deadlines, interrupt lines, doorbells, and what the scheduler knows.
fn pass_engine(machine: &mut Machine, archive: &mut Archive<'_>) {
    let mode = |mode| if mode == ClockMode::Realtime { "realtime" } else { "deterministic" };
    archive.same("time", mode(machine.clock().mode()).to_owned());
    archive.same("bytes of RAM", machine.ram().len());
    let cores = machine.world.query::<&CoreSlot>().iter(&machine.world).len();
    archive.same("cores", cores);
    machine.clock().pass(archive);
    machine.pass_lines(archive);
    for deadline in &machine.world.resource::<Deadlines>().0 {
        deadline.pass(archive);
    }
    machine.world.resource_mut::<Executor>().pass(archive);
    machine.world.resource_mut::<FramePacer>().pass(archive);
    machine.world.resource_mut::<Tape>().pass(archive);
}

/// The cores, and what the scheduler knows of each.
fn pass_cores(machine: &mut Machine, archive: &mut Archive<'_>) {
    let mut query = machine.world.query::<&mut CoreSlot>();
    let mut slots: Vec<Mut<CoreSlot>> = query.iter_mut(&mut machine.world).collect();
    slots.sort_by_key(|slot| slot.id());
    slots.iter_mut().for_each(|slot| slot.pass(archive));
}

/// What is on its way in and out.
fn pass_wires(machine: &mut Machine, archive: &mut Archive<'_>) {
    machine.world.resource::<InputLines>().pass(archive);
    machine.world.resource_mut::<SerialLines>().pass(archive);
    machine.world.resource_mut::<Typist>().pass(archive);
}

/// Counters that are the guest's doing.
fn pass_stats(machine: &mut Machine, archive: &mut Archive<'_>) {
    machine.pass_stats(archive);
}
