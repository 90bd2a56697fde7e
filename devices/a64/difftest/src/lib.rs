//! Differential tests of the AArch64 core (`tayberry-a64`) against programs that are not ours.
//!
//! - The *oracle* (feature `oracle`): random instructions and short programs from random states run on the core and on Unicorn, a CPU emulator
//!   made of QEMU; registers, flags, memory and exceptions are compared, and a mismatch is shrunk to what shows it.
//! - The *sweep* (feature `sweep`): for each of the 2^32 words, whether the decoder knows it is compared with LLVM's disassembler.
//!
//! - The [`lockstep`] (program `tayberry-lockstep`, no feature): random programs and random words on the core's interpreter and on its translator; all
//!   architectural state is compared after every run of every length, to the bit and to the instruction. The package `tayberry-machine-lockstep` does the
//!   same with whole machines and real guests.
//!
//! Without features this crate builds with nothing but Rust, and its tests run the harness against itself.
//!
//! # The choice of oracle
//! Unicorn 2.1.5 is the newest; its `unicorn-engine-sys` crate builds the AArch64 back end alone in about a minute and a half and gives the C
//! interface, whose batch calls suit millions of short runs better than the wrapper crate. Debian's libunicorn-dev is 2.0.1, without years of
//! corrections to its program counter and system registers. It models a Cortex-A53, so later extensions are undefined there too.
//! Unicorn is GPL-2.0: it is linked into this test program only, which is not distributed.
//!
//! # What is compared, and what is not
//! Cases run at EL0 with the MMU on (Normal memory, holes, read-only and execute-only pages), little-endian and big-endian, and end in the
//! exception that EL1 sees: ESR_EL1, FAR_EL1, ELR_EL1. Compared are X0 to X30, SP, NZCV, V0 to V31, FPCR, FPSR, TPIDR_EL0 and 8 KiB of memory.
//! Unicorn (QEMU 5.0 inside) does not check the alignment of Device memory, of the stack pointer, or under SCTLR_EL1.A, so these have tests of the
//! core alone; so have the higher exception levels, their registers and traps.
//!
//! # Modules
//! - [`case`](mod@case): what is run, and what came out of it. [`layout`]: the guest's memory, the same on both sides.
//! - [`generate`]: random cases. [`encoding`]: classes of instructions, by the ARM ARM's own tables.
//! - [`lockstep`]: interpreter and translator.
//! - [`ours`], `oracle`: the two machines. [`compare`], [`exceptions`]: what counts as a mismatch. [`shrink`], [`report`].

pub mod case;
pub mod compare;
pub mod encoding;
pub mod exceptions;
pub mod generate;
pub mod layout;
pub mod lockstep;
#[cfg(feature = "oracle")]
pub mod oracle;
pub mod ours;
pub mod report;
pub mod rng;
pub mod shrink;
#[cfg(feature = "sweep")]
pub mod sweep;
