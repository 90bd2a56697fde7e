//! Exceptions that lead nowhere, and the last faults, for whoever asks why a guest is lost.
//!
//! Hardware goes on whatever happens. What is said here never changes what a guest sees: a core that is [`Stop::Stuck`] may be run again, and goes on as
//! hardware would if something reaches it from outside (an interrupt to a higher level, memory that another core or a device writes).
//!
//! - *Stuck at once*: an exception whose vector raises the same exception before any instruction retires. Nothing that the core itself does can change that.
//! - *Nested*: the same fault at the same instruction, within [`NESTED_WITHIN`] instructions of the entry to the exception before it and without an ERET in
//!   between, all registers but SP being what they were. Told after [`SUSPECT_AFTER`] in a row; only when a stack pointer that moves with each could have
//!   been through all of RAM, [`STUCK_AFTER`], is the core stuck.
//! - *Retried*: ERET to an instruction that faults at once as it did before, all registers being what they were. Told after [`SUSPECT_AFTER`], no more:
//!   others may yet map the page.

use super::{Class, Exception, words};
use crate::core::{Core, SLOT_SP, Stop};
use crate::decode::Flow;
use serde::{Deserialize, Serialize};

/// As many exceptions with nothing in between make a core stuck.
pub(super) const REPEATS_STUCK: u32 = 16;
/// As many of the same fault in a row are told of.
pub(super) const SUSPECT_AFTER: u32 = 1 << 14;
/// As many nested ones make a core stuck: at 256 bytes of stack each that is all of RAM.
pub(super) const STUCK_AFTER: u32 = 1 << 22;
/// The longest way from a vector to the fault in it.
const NESTED_WITHIN: u64 = 32;
/// Faults that are remembered.
const HISTORY: usize = 8;

/// One fault, as it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taken {
    /// Address of the instruction (the preferred return address).
    pub pc: u64,
    /// ESR_ELx.
    pub esr: u64,
    /// FAR_ELx, where the class has one.
    pub far: Option<u64>,
    /// Level that it came from, and the level that took it.
    pub levels: (u8, u8),
    /// Stack pointer, X29 and X30 at that moment.
    pub sp: u64,
    /// Frame pointer.
    pub fp: u64,
    /// Link register.
    pub lr: u64,
    /// Instructions that the core had retired.
    pub retired: u64,
    /// Times in a row.
    pub times: u32,
}

/// What [`Progress`] makes of a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// Nothing.
    Fine,
    /// The core only seems to be lost: told once.
    Suspect(Way),
    /// It goes nowhere by itself.
    Stuck(Way),
}

/// How it goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// The vector itself faults.
    Vector,
    /// The way from the vector faults.
    Nested,
    /// ERET goes back to what faults.
    Retried,
}

/// Watches the exceptions of a core.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Progress {
    /// What was last taken: vector, return address, syndrome.
    last: (u64, u64, u64),
    /// Instructions retired by then; an exception counts as one.
    retired: u64,
    repeats: u32,
    /// Address of the last fault, its syndrome and a digest of the registers.
    fault: (u64, u64, u64),
    /// Faults alike in a row, nested and retried.
    nested: u32,
    retried: u32,
    /// Where the last ERET went, if one came after the last fault, and when.
    returned: Option<(u64, u64)>,
    /// Address of the fault that was told of.
    told: Option<u64>,
    origin: Taken,
    history: [Taken; HISTORY],
    /// Faults remembered since reset.
    remembered: usize,
}

impl Progress {
    /// An ERET to `pc`.
    pub(crate) fn returned(&mut self, pc: u64, retired: u64) {
        self.returned = Some((pc, retired));
    }

    /// An interrupt is taken: what comes after is another story.
    pub(crate) fn interrupted(&mut self) {
        (self.repeats, self.nested) = (0, 0);
        self.last = (0, 0, 0);
    }

    /// The last faults, the oldest first.
    pub(crate) fn history(&self) -> impl Iterator<Item = &Taken> {
        (self.remembered.saturating_sub(HISTORY)..self.remembered).map(|at| &self.history[at % HISTORY])
    }

    /// A fault came twice, and perhaps will for ever.
    fn begins(&self) -> bool {
        self.repeats.max(self.nested).max(self.retried) == 1
    }

    /// The faults go round.
    pub(crate) fn goes_round(&self) -> bool {
        self.repeats.max(self.nested).max(self.retried) > 0
    }

    /// The fault with which it began: the last one that did not come right out of the handling of another.
    pub(crate) fn origin(&self) -> Option<&Taken> {
        (self.remembered > 0).then_some(&self.origin)
    }

    fn remember(&mut self, taken: Taken) {
        if let Some(last) = self.remembered.checked_sub(1).map(|at| &mut self.history[at % HISTORY])
            && (last.pc, last.esr, last.levels) == (taken.pc, taken.esr, taken.levels)
        {
            // Of many alike, the first and the last stack pointer say most; the first is where it began.
            last.times = last.times.saturating_add(1);
            return;
        }
        self.history[self.remembered % HISTORY] = taken;
        self.remembered += 1;
    }

    /// Notes an exception whose vector is `vector`; `digest` of the registers but SP.
    fn note(&mut self, taken: Taken, vector: u64, is_fault: bool, digest: u64) -> Verdict {
        let since = taken.retired.wrapping_sub(self.retired);
        let what = (vector, taken.pc, taken.esr);
        self.repeats = if what == self.last && since <= 1 { self.repeats.saturating_add(1) } else { 0 };
        (self.last, self.retired) = (what, taken.retired);
        let returned = self.returned.take();
        if !is_fault {
            (self.nested, self.retried) = (0, 0);
        } else {
            if self.remembered == 0 || returned.is_some() || since > NESTED_WITHIN {
                self.origin = taken;
            }
            self.remember(taken);
            let fault = (taken.pc, taken.esr, digest);
            let same = fault == self.fault;
            self.fault = fault;
            let nested = same && returned.is_none() && since <= NESTED_WITHIN;
            let retried = same && returned.is_some_and(|(pc, at)| pc == taken.pc && taken.retired.wrapping_sub(at) <= 1);
            self.nested = if nested { self.nested.saturating_add(1) } else { 0 };
            self.retried = if retried { self.retried.saturating_add(1) } else { 0 };
        }
        self.judge(taken.pc)
    }

    fn judge(&mut self, pc: u64) -> Verdict {
        let suspect = |count: u32| count >= SUSPECT_AFTER && self.told != Some(pc);
        let verdict = if self.repeats >= REPEATS_STUCK {
            Verdict::Stuck(Way::Vector)
        } else if self.nested >= STUCK_AFTER {
            Verdict::Stuck(Way::Nested)
        } else if suspect(self.nested) {
            Verdict::Suspect(Way::Nested)
        } else if suspect(self.retried) {
            Verdict::Suspect(Way::Retried)
        } else {
            Verdict::Fine
        };
        if matches!(verdict, Verdict::Suspect(_)) {
            self.told = Some(pc);
        }
        verdict
    }
}

impl Core {
    /// What is known of an exception at `pc` before it is taken.
    pub(super) fn raised_at(&self, pc: u64) -> Taken {
        // While a block runs, the PC is its start.
        let index = Some(pc.wrapping_sub(self.pc) / 4).filter(|&index| index <= NESTED_WITHIN * 4).unwrap_or(0);
        Taken {
            pc,
            levels: (self.el, self.el),
            sp: self.x[usize::from(SLOT_SP)],
            fp: self.x[29],
            lr: self.x[30],
            retired: self.retired.wrapping_add(self.run_retired).wrapping_add(index),
            times: 1,
            ..Taken::default()
        }
    }

    /// Watches an exception that was just taken to the current level: its flow.
    pub(super) fn watch_progress(&mut self, exception: &Exception, esr: u64, raised: Taken) -> Flow {
        let taken = Taken { esr, far: exception.far, levels: (raised.levels.0, self.el), ..raised };
        let is_fault = !matches!(exception.class, Class::Svc | Class::Hvc | Class::Smc | Class::WaitTrap) && !exception.class.is_debug();
        // FNV-1a over words: equal registers are what is looked for.
        let digest = if is_fault {
            self.x[..31].iter().fold(0xcbf2_9ce4_8422_2325, |hash: u64, &x| (hash ^ x).wrapping_mul(0x100_0000_01b3))
        } else {
            0
        };
        let vector = self.pc;
        let verdict = self.sys.progress.note(taken, vector, is_fault, digest);
        if self.sys.progress.begins() {
            self.trail.keep();
        }
        match verdict {
            Verdict::Fine => Flow::Fault,
            Verdict::Suspect(way) => {
                self.stop = Stop::Suspect(self.nowhere(way, &taken));
                Flow::Stop
            }
            Verdict::Stuck(way) => {
                self.stop = Stop::Stuck(self.nowhere(way, &taken));
                Flow::Stop
            }
        }
    }

    /// How the core goes nowhere, on one line.
    fn nowhere(&self, way: Way, taken: &Taken) -> String {
        let Taken { pc, esr, .. } = *taken;
        let (el, vector, what) = (self.el, self.pc, words::syndrome(esr));
        let far = taken.far.filter(|&far| far != pc).map_or(String::new(), |far| format!(", address {far:#x}"));
        let what = format!("{what} at {pc:#x} (ESR_EL{el} {esr:#x}{far})");
        let first = self.first_fault().filter(|first| first.pc != pc);
        let began = first.map_or(String::new(), |first| format!("; it began with: {} at {:#x}", words::syndrome(first.esr), first.pc));
        match way {
            Way::Vector => {
                format!(
                    "nothing but exceptions: {what} again and again, with the vector at {vector:#x}; is there code at VBAR_EL{el}?{began}"
                )
            }
            Way::Nested => {
                format!("exceptions within exceptions: {what} again and again, on the way from the vector at {vector:#x}{began}")
            }
            Way::Retried => format!("no way on: the handler returns to what faults again: {what}"),
        }
    }

    /// So many exceptions were alike that one more is nothing to tell of.
    pub(super) fn is_stuck(&self) -> bool {
        self.sys.progress.repeats > REPEATS_STUCK
    }

    /// The fault with which the last faults began.
    pub fn first_fault(&self) -> Option<&Taken> {
        self.sys.progress.origin()
    }

    /// The last faults of this core, the oldest first.
    pub fn last_faults(&self) -> impl Iterator<Item = &Taken> {
        self.sys.progress.history()
    }
}
