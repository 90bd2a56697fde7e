//! Reports: what became of a run, on one page of HTML that opens from disk and needs nothing else.
//!
//! A [`Collector`] listens to a machine from before its start: to its journal by a thread of its own, and to the frames that a frontend shows as the
//! observer of that frontend's [`tayberry_headless::Recorder`]. When the machine has ended it gives a [`Recording`], which [`Recording::write`] makes a
//! page of.
//!
//! **Bounded**: a run may be endless. Screenshots are thinned so that those that are left tell most of the whole run, time series halve their
//! resolution when they are full, and of lists the first and the last entries are kept; the page says how many are missing.
//!
//! **Hostile**: guests choose what is printed and what kernels are called. Every text goes onto the page through the templates' escaping; no script and no
//! style has any of it, and the page's content security policy lets nothing be loaded.

mod bounded;
mod chart;
mod collect;
mod crash;
mod page;
mod serial;
mod shots;
mod tables;
mod timeline;

pub use collect::{Axis, Collector, Recording};
pub use crash::Crash;
pub use page::Facts;
