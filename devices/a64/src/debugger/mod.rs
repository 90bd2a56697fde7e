//! What a debugger outside of the guest wants of a core: breakpoints, watchpoints, single steps, and stops at exceptions. Apart from the guest's own debug registers,
//! and invisible to the guest: no memory is changed, no register, and no instruction more or less is executed.
//!
//! Code that holds no breakpoint pays nothing. Blocks and translated regions of *virtual* pages with breakpoints are kept apart from those of the same physical page elsewhere
//! ([`CUT`]): they end in front of a breakpoint. Its address is never remembered by any lookup, so whoever comes there asks for a block, slowly, and is stopped.
//! Watched pages stay out of the software TLB, as those of the guest's own watchpoints do. Steps are taken by the run loop, one part of a block at a time.
//!
//! A core stops *in front of* what it stops for: the instruction with the breakpoint or the watched access has not been executed, the exception's vector neither.

mod registers;
#[cfg(test)]
mod tests;
mod walk;

use crate::bus::Bus;
use crate::core::{Core, Stop, doorbell};
use crate::decode::{Flow, Op};
use crate::exception::{Class, Exception};
use crate::mmu::Kind;
pub use registers::{Pstate, SystemRegister, system_registers};
use std::ops::Range;
use std::sync::atomic::Ordering;
use tayberry_ram::PAGE_BYTES;

/// Bit of the keys of blocks and regions that belong to virtual pages with breakpoints.
pub(crate) const CUT: u64 = 1 << 63;

/// Which accesses a watchpoint is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Loads.
    Read,
    /// Stores.
    Write,
    /// Both.
    Access,
}

/// Memory that is watched, by virtual address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watchpoint {
    /// First byte.
    pub start: u64,
    /// Bytes, at least one.
    pub len: u64,
    /// Accesses that count.
    pub watch: Watch,
}

impl Watchpoint {
    fn last(&self) -> u64 {
        self.start.saturating_add(self.len.max(1) - 1)
    }

    fn touches(&self, va: u64, len: u64) -> bool {
        va <= self.last() && self.start <= va.saturating_add(len.max(1) - 1)
    }

    fn counts(&self, kind: Kind) -> bool {
        match self.watch {
            Watch::Access => kind != Kind::Execute,
            Watch::Read => kind == Kind::Read,
            Watch::Write => kind == Kind::Write,
        }
    }
}

/// Kinds of exceptions that a debugger stops at, for each level that takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Catch {
    /// Synchronous exceptions.
    Sync,
    /// IRQ.
    Irq,
    /// FIQ.
    Fiq,
    /// SError.
    SError,
}

/// A set of exceptions: each [`Catch`] of EL1 to EL3.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Catches(u16);

impl Catches {
    fn bit(el: u8, what: Catch) -> u16 {
        1 << (4 * u16::from(el.clamp(1, 3) - 1) + what as u16)
    }

    /// With exceptions of this kind taken to `el` (1 to 3) added.
    pub fn with(self, el: u8, what: Catch) -> Self {
        Self(self.0 | Self::bit(el, what))
    }

    /// Without them.
    pub fn without(self, el: u8, what: Catch) -> Self {
        Self(self.0 & !Self::bit(el, what))
    }

    /// They are in it.
    pub fn contains(self, el: u8, what: Catch) -> bool {
        self.0 & Self::bit(el, what) != 0
    }
}

/// Why a core stopped for its debugger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hit {
    /// A breakpoint at this address.
    Breakpoint(u64),
    /// An access that is watched.
    Watchpoint {
        /// The watchpoint.
        point: Watchpoint,
        /// First byte of the access.
        address: u64,
        /// It is a store.
        write: bool,
    },
    /// The step is done.
    Step,
    /// An exception was taken.
    Exception {
        /// The level that took it.
        el: u8,
        /// What it is.
        what: Catch,
    },
}

/// How far a step goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// One instruction; an exception that it raises, or an interrupt taken in front of it, ends it too.
    One,
    /// On while the program counter is within.
    Within(Range<u64>),
}

/// A debugger's state in a core.
#[derive(Debug, Default)]
pub(crate) struct Debugger {
    /// Addresses without tags, in order.
    breakpoints: Vec<u64>,
    watchpoints: Vec<Watchpoint>,
    pub(crate) catches: Catches,
    step: Option<Step>,
    /// The next instruction is executed whatever is set for it.
    pass: bool,
    /// Interrupts wait while steps are taken.
    holds_interrupts: bool,
    /// An exception was taken since the step's last instruction.
    entered: bool,
    hit: Option<Hit>,
    /// What was counted last was not executed: the core stopped in front of it.
    uncounted: bool,
}

impl Debugger {
    /// The run loop is to ask at every instruction.
    pub(crate) fn attends(&self) -> bool {
        self.step.is_some() || self.pass || self.hit.is_some()
    }

    pub(crate) fn holds_interrupts(&self) -> bool {
        self.holds_interrupts && self.step.is_some()
    }

    /// There are watchpoints.
    pub(crate) fn watches(&self) -> bool {
        !self.watchpoints.is_empty()
    }

    pub(crate) fn take_uncounted(&mut self) -> bool {
        std::mem::take(&mut self.uncounted)
    }

    fn is_breakpoint(&self, pc: u64) -> bool {
        self.breakpoints.binary_search(&pc).is_ok()
    }

    /// [`CUT`] if the virtual page of `pc` has breakpoints.
    pub(crate) fn cut(&self, pc: u64) -> u64 {
        let at = self.breakpoints.partition_point(|&at| at < pc & !(PAGE_BYTES - 1));
        let near = self.breakpoints.get(at).is_some_and(|at| (at ^ pc) < PAGE_BYTES);
        if near { CUT } else { 0 }
    }

    /// Instructions from `pc` to the next breakpoint.
    pub(crate) fn ahead(&self, pc: u64) -> u64 {
        let at = self.breakpoints.partition_point(|&at| at < pc);
        self.breakpoints.get(at).map_or(u64::MAX, |at| (at - pc) / 4)
    }
}

/// What a debugger sets, between runs.
impl Core {
    /// Replaces all breakpoints, by virtual address: the core stops in front of these instructions, in whatever address space. Addresses that no instruction can have are ignored.
    pub fn set_breakpoints(&mut self, addresses: impl IntoIterator<Item = u64>) {
        let mut breakpoints: Vec<u64> = addresses.into_iter().filter(|at| at & 3 == 0).collect();
        breakpoints.sort_unstable();
        breakpoints.dedup();
        if breakpoints != self.debugger.breakpoints {
            self.debugger.breakpoints = breakpoints;
            self.blocks.forget_cut();
            if let Some(jit) = self.jit.as_deref_mut() {
                jit.forget_cut();
            }
            self.forget_lookups();
        }
    }

    /// Replaces all watchpoints.
    pub fn set_watchpoints(&mut self, watchpoints: impl IntoIterator<Item = Watchpoint>) {
        let watchpoints: Vec<Watchpoint> = watchpoints.into_iter().collect();
        if watchpoints != self.debugger.watchpoints {
            self.debugger.watchpoints = watchpoints;
            self.flush_tlb();
            self.debug_changed();
        }
    }

    /// Replaces the exceptions at whose vectors the core stops.
    pub fn set_catches(&mut self, catches: Catches) {
        self.debugger.catches = catches;
    }

    /// The next run steps, or does not. `hold_interrupts`: none is taken meanwhile. The instruction that a step begins with is executed whatever is set for it.
    pub fn set_step(&mut self, step: Option<Step>, hold_interrupts: bool) {
        self.debugger.pass = step.is_some();
        self.debugger.entered = false;
        self.debugger.step = step;
        self.debugger.holds_interrupts = hold_interrupts;
    }

    /// The next run begins with an instruction that is executed whatever is set for it.
    pub fn pass_once(&mut self) {
        self.debugger.pass = true;
    }

    /// Why the core stopped, if it has for its debugger since this was last asked.
    pub fn take_hit(&mut self) -> Option<Hit> {
        self.debugger.hit.take()
    }

    /// The same, and it can be asked again.
    pub fn hit(&self) -> Option<Hit> {
        self.debugger.hit
    }
}

/// What the run loop and handlers ask.
impl Core {
    /// The core stops in front of the instruction at the PC, if there is a breakpoint.
    ///
    /// # Errors
    /// [`Class::Debugger`].
    pub(crate) fn check_breakpoint(&mut self) -> Result<(), Exception> {
        if self.debugger.breakpoints.is_empty() || !self.debugger.is_breakpoint(self.pc) {
            return Ok(());
        }
        Err(self.debugger_stop(Hit::Breakpoint(self.pc)))
    }

    /// True if no translated code may begin at `pc`.
    pub(crate) fn is_stopped_at(&self, pc: u64) -> bool {
        !self.debugger.breakpoints.is_empty() && self.debugger.is_breakpoint(self.canonical(pc, self.el))
    }

    fn debugger_stop(&mut self, hit: Hit) -> Exception {
        self.debugger.hit = Some(hit);
        Exception { class: Class::Debugger, iss: 0, far: None }
    }

    /// What [`Class::Debugger`] comes to: nothing is taken, the core stops at `pc`.
    #[cold]
    pub(crate) fn stop_for_debugger(&mut self, pc: u64) -> Flow {
        self.debugger.uncounted = true;
        self.pc = pc;
        self.stop = Stop::Debug;
        Flow::Stop
    }

    /// A page that a debugger watches.
    pub(crate) fn is_debugger_page(&self, va: u64) -> bool {
        let page = self.canonical(va, self.el) & !(PAGE_BYTES - 1);
        self.debugger.watchpoints.iter().any(|point| point.touches(page, PAGE_BYTES))
    }

    /// Checks an access against the debugger's watchpoints.
    ///
    /// # Errors
    /// [`Class::Debugger`].
    pub(crate) fn watch_for_debugger(&mut self, va: u64, len: u64, kind: Kind) -> Result<(), Exception> {
        if self.debugger.pass {
            return Ok(());
        }
        let address = self.canonical(va, self.el);
        let hit = self.debugger.watchpoints.iter().find(|point| point.counts(kind) && point.touches(address, len)).copied();
        hit.map_or(Ok(()), |point| Err(self.debugger_stop(Hit::Watchpoint { point, address, write: kind == Kind::Write })))
    }

    /// An exception was taken to `el`.
    pub(crate) fn debugger_entered(&mut self, el: u8, what: Catch) {
        self.debugger.entered = true;
        if self.debugger.catches.contains(el, what) {
            self.debugger.hit = Some(Hit::Exception { el, what });
            self.config.doorbell.fetch_or(doorbell::DEBUG, Ordering::Relaxed);
        }
    }

    /// The run loop's turn while the debugger attends: one instruction, or none. Why the core stops, if it does.
    #[cold]
    #[inline(never)]
    pub(crate) fn debugger_turn(&mut self, bus: &mut dyn Bus) -> Option<Stop> {
        let entered = std::mem::take(&mut self.debugger.entered);
        if self.debugger.step.is_some() && entered && self.debugger.hit.is_none() {
            return Some(self.end_step());
        }
        if self.debugger.hit.is_some() {
            return Some(Stop::Debug);
        }
        if !self.debugger.pass && self.debugger.is_breakpoint(self.pc) {
            self.debugger.hit = Some(Hit::Breakpoint(self.pc));
            return Some(Stop::Debug);
        }
        let flow = match self.part_of_block(bus, 1) {
            Ok(found) => {
                // SAFETY: the operations of a part stay where they are until the next part is asked for.
                let op: &Op = unsafe { &*found.ops };
                (op.exec)(self, bus, op)
            }
            Err(exception) => {
                let flow = self.raise(exception, self.pc);
                self.leave_fetch(flow);
                flow
            }
        };
        self.debugger.pass = false;
        let stop = (flow == Flow::Stop).then(|| self.take_stop());
        if self.debugger.hit.is_some() {
            return stop.or(Some(Stop::Debug));
        }
        let done = match &self.debugger.step {
            None => return stop,
            Some(Step::One) => true,
            Some(Step::Within(range)) => self.debugger.entered || !range.contains(&self.pc),
        };
        if !done {
            return stop;
        }
        // Whatever else stops the core stays true.
        let debug = self.end_step();
        stop.or(Some(debug))
    }

    fn end_step(&mut self) -> Stop {
        self.debugger.step = None;
        self.debugger.hit = Some(Hit::Step);
        Stop::Debug
    }
}
