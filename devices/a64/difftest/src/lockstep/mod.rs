//! The lockstep: the translator against the interpreter, on the same core, bit by bit.
//!
//! A [`scenario::Scenario`] is guest code with a state to start from and a *plan*: how many instructions each [`tayberry_a64::Core::run`] may take, and what is
//! done to the machine between them (DMA into the code, interrupts, TLB maintenance by other cores). [`machine::Pair`] takes two cores through it, one
//! that interprets and one that translates, and compares after every run: all architectural state ([`tayberry_a64::Core::inspect`]), why it stopped and
//! after how many instructions, each access to a device with the instruction count that it carries, and memory.
//!
//! - [`program`]: random programs that a compiler or a kernel could have written: loops, calls, branches of all kinds, loads and stores that cross
//!   pages or fault, floating point in all modes, code that changes itself with the barriers that this takes, page tables that change,
//!   exclusives, device accesses, exceptions and returns, breakpoints, counters that overflow.
//! - [`fuzz`]: random words in random states.
//! - [`runner`]: many of them, in batches that share a pair, so that what one leaves behind meets the next.
//! - [`shrink`]: the smallest scenario that still differs. [`report`]: it in words.
//!
//! What the architecture leaves open is not compared: code that is changed and then executed without the barriers between (ARM ARM B2.4.4) may or may not
//! be seen. Programs do not do that; a difference of the fuzzer's after it happened is counted, not reported.

pub mod asm;
pub mod fuzz;
pub mod layout;
pub mod machine;
pub mod program;
pub mod report;
pub mod runner;
pub mod scenario;
pub mod shrink;
