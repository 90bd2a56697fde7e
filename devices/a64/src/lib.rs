//! The AArch64 core of the Raspberry Pi 3 (Cortex-A53, ARMv8.0-A) as a pure library: it knows guest RAM and a [`Bus`], nothing else.
//!
//! - [`mod@decode`]: instruction word to [`Op`], by tables.
//! - [`Core`]: the state, and `Core::run`, which executes a slice of instructions from pre-decoded blocks.
//! - [`debugger`]: what a debugger outside of the guest asks of a core.
//! - `mmu`, `sysreg`, `exception`: the system side.
//! - `fp`, `simd`: floating point and Advanced SIMD.

// What only translated code needs.
#![cfg_attr(not(target_arch = "x86_64"), allow(dead_code, unused_imports))]

#[cfg(test)]
mod bench;
mod block;
pub mod bus;
pub mod core;
pub mod debugger;
pub mod decode;
pub mod exception;
mod features;
pub mod fp;
mod inspect;
mod int;
pub mod jit;
pub mod mem;
pub mod mmu;
pub mod report;
mod run;
mod semihosting;
pub mod simd;
pub mod state;
pub mod sysreg;
pub mod system;
#[cfg(test)]
mod testing;
mod tlb;
mod trail;

pub use crate::bus::{Access, Bus, Lines, Maintenance, Posted, Timer, TlbScope};
pub use crate::core::{Config, Core, Run, Stop};
pub use crate::decode::{Decoded, Flow, Handler, Op, Row, decode};
pub use crate::exception::{Exception, Interrupt};
pub use crate::features::Features;
pub use crate::jit::JitConfig;
pub use crate::report::Section;
