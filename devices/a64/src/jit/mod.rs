//! Translation of guest code to host code.
//!
//! The interpreter executes everything first. What it comes by often enough is translated in regions (`region`) by the back end of the host
//! (`x64`), and from then on entered by the run loop, or straight from other translated code.
//!
//! # Equal to the interpreter
//! Translated code retires instructions one by one as the interpreter does: the budget of a slice is kept to the instruction, and devices and counters see the
//! same time. Whatever is not plain computation in registers and RAM is executed by the interpreter's own handler, with all state where it belongs.
//!
//! # What is good for how long
//! A region belongs to a page of guest RAM and its generation in the code map, and to two bits of the context (the tag): FP traps, and the mode of FP. It does not
//! know its virtual address. Links from region to region stay within a page, so that regions of one generation only link to each other. Everything else goes
//! by (address, tag) through lookups, and dies with the tag.
//!
//! # Who writes what
//! All of this belongs to one core and is used on its thread only.

mod config;
mod host;
#[cfg(target_arch = "x86_64")]
mod memory;
#[cfg(target_arch = "x86_64")]
mod perf;
#[cfg(target_arch = "x86_64")]
mod region;
#[cfg(target_arch = "x86_64")]
mod translator;
#[cfg(target_arch = "x86_64")]
mod uses;
#[cfg(target_arch = "x86_64")]
mod uses_vector;
#[cfg(target_arch = "x86_64")]
#[allow(clippy::useless_conversion, reason = "the assembler converts register numbers of every type")]
pub(crate) mod x64;
// Elsewhere nothing is translated.
#[cfg(not(target_arch = "x86_64"))]
#[path = "absent.rs"]
mod translator;

#[cfg(all(test, target_os = "linux", target_arch = "x86_64"))]
mod tests;

pub use config::{Counters, Exits, HotRegion, JitConfig};
pub use host::{HostFeatures, Unavailable, available};
pub(crate) use translator::{Frame, Jit};

/// What became of a try to run translated code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "x86_64"), expect(dead_code, reason = "there is none"))]
pub(crate) enum Ran {
    /// It ran, and the core goes on.
    On,
    /// It ran, and the core stops.
    Stopped,
    /// There is some, but little of the budget is left.
    Short,
    /// None is known at this address.
    Unknown,
}
