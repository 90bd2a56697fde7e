//! One pass over state, in either direction: what saves it also loads it, so the two cannot differ.

use super::StateError;
use crate::bus::{Inbox, PostedWrite};
use crate::clock::Deadline;
use crossbeam::queue::{ArrayQueue, SegQueue};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt::Display;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize};

/// Bytes that state goes to, or comes from.
#[derive(Debug)]
enum Way<'a> {
    Save(Vec<u8>),
    Load(&'a [u8]),
}

/// State on its way out of a machine or into one. What fails first is kept; from then on everything stays as it is.
#[derive(Debug)]
pub struct Archive<'a> {
    way: Way<'a>,
    failed: Option<StateError>,
    part: &'a str,
}

impl<'a> Archive<'a> {
    /// For saving the part of this name.
    pub(super) fn save(part: &'a str) -> Self {
        Self { way: Way::Save(Vec::new()), failed: None, part }
    }

    /// For loading it from what was saved.
    pub(super) fn load(part: &'a str, bytes: &'a [u8]) -> Self {
        Self { way: Way::Load(bytes), failed: None, part }
    }

    /// The bytes that were saved; none where it was loaded.
    ///
    /// # Errors
    /// What failed first; bytes that nobody has taken.
    pub(super) fn finish(self) -> Result<Vec<u8>, StateError> {
        match (self.failed, self.way) {
            (Some(error), _) => Err(error),
            (None, Way::Save(bytes)) => Ok(bytes),
            (None, Way::Load([])) => Ok(Vec::new()),
            (None, Way::Load(_)) => Err(StateError::Damaged(self.part.to_owned())),
        }
    }

    /// State comes in: what follows from it is to be set up.
    pub fn is_load(&self) -> bool {
        matches!(self.way, Way::Load(_))
    }

    /// Nothing has failed so far.
    pub fn is_good(&self) -> bool {
        self.failed.is_none()
    }

    /// What comes in cannot be: a value that no machine has.
    pub fn refuse(&mut self) {
        let part = self.part;
        self.failed.get_or_insert_with(|| StateError::Damaged(part.to_owned()));
    }

    /// What comes in, or goes out, is impossible, and why: a line for the user.
    pub fn fail(&mut self, why: String) {
        self.failed.get_or_insert(StateError::Unfit(why));
    }

    /// Passes a value.
    pub fn value<T: Serialize + DeserializeOwned>(&mut self, value: &mut T) {
        if self.failed.is_some() {
            return;
        }
        match &mut self.way {
            Way::Save(bytes) => match postcard::to_extend(&*value, std::mem::take(bytes)) {
                Ok(longer) => *bytes = longer,
                Err(_) => self.refuse(),
            },
            Way::Load(bytes) => match postcard::take_from_bytes(bytes) {
                Ok((taken, rest)) => (*value, *bytes) = (taken, rest),
                Err(_) => self.refuse(),
            },
        }
    }

    /// Passes several cells.
    pub fn cells(&mut self, cells: &[&dyn Cell]) {
        cells.iter().for_each(|cell| cell.pass(self));
    }

    /// Passes a value that must be the same in the machine that the state goes into: `what` it is, in words.
    pub fn same<T: Serialize + DeserializeOwned + PartialEq + Display + Clone>(&mut self, what: &str, value: T) {
        let mut saved = value.clone();
        self.value(&mut saved);
        if self.is_good() && saved != value {
            self.fail(format!("the state is of a machine with {saved} {what}, this one has {value}"));
        }
    }
}

/// State behind a shared reference: atomics, queues, and devices made of them. Passed between ticks only, when nobody else touches it.
pub trait Cell {
    /// Saves it or loads it.
    fn pass(&self, archive: &mut Archive<'_>);
}

/// Makes a device of cells a [`Cell`]. All its fields are named: those that are state, then those that are not, so that a new one is not forgotten.
#[macro_export]
macro_rules! cell {
    ($type:ty { $($field:ident),* $(,)? } $(but { $($other:ident),* $(,)? })?) => {
        impl $crate::Cell for $type {
            fn pass(&self, archive: &mut $crate::Archive<'_>) {
                let Self { $($field,)* $($($other: _,)*)? } = self;
                archive.cells(&[$($field),*]);
            }
        }
    };
}

macro_rules! atomics {
    ($($atomic:ty),*) => {
        $(impl Cell for $atomic {
            fn pass(&self, archive: &mut Archive<'_>) {
                let mut value = self.load(SeqCst);
                archive.value(&mut value);
                self.store(value, SeqCst);
            }
        })*
    };
}

atomics!(AtomicBool, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, AtomicI32);

impl<T: Cell> Cell for [T] {
    fn pass(&self, archive: &mut Archive<'_>) {
        self.iter().for_each(|cell| cell.pass(archive));
    }
}

impl<T: Cell, const N: usize> Cell for [T; N] {
    fn pass(&self, archive: &mut Archive<'_>) {
        self.as_slice().pass(archive);
    }
}

impl<T: Cell + ?Sized> Cell for Box<T> {
    fn pass(&self, archive: &mut Archive<'_>) {
        (**self).pass(archive);
    }
}

impl<T: Cell + ?Sized> Cell for Arc<T> {
    fn pass(&self, archive: &mut Archive<'_>) {
        (**self).pass(archive);
    }
}

impl<T: Serialize + DeserializeOwned> Cell for ArrayQueue<T> {
    fn pass(&self, archive: &mut Archive<'_>) {
        let mut items: Vec<T> = std::iter::from_fn(|| self.pop()).collect();
        archive.value(&mut items);
        if items.into_iter().any(|item| self.push(item).is_err()) {
            archive.refuse();
        }
    }
}

impl<T: Serialize + DeserializeOwned> Cell for SegQueue<T> {
    fn pass(&self, archive: &mut Archive<'_>) {
        let mut items: Vec<T> = std::iter::from_fn(|| self.pop()).collect();
        archive.value(&mut items);
        items.into_iter().for_each(|item| self.push(item));
    }
}

impl Cell for Deadline {
    fn pass(&self, archive: &mut Archive<'_>) {
        let mut at = self.get();
        archive.value(&mut at);
        self.set(at);
    }
}

impl Cell for Inbox {
    fn pass(&self, archive: &mut Archive<'_>) {
        let mut writes: Vec<PostedWrite> = std::iter::from_fn(|| self.pop()).collect();
        archive.value(&mut writes);
        writes.into_iter().for_each(|write| self.put(write));
    }
}
