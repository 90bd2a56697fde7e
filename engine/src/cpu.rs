//! What the engine asks of a processor core.

use crate::state::Archive;
use std::any::Any;
use tayberry_ram::Forget;

/// Why a slice ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SliceEnd {
    /// The budget is spent.
    Spent,
    /// The core gave way: a posted write, attention, maintenance that other cores must take part in. It wants to go on.
    Yield,
    /// The core waits (WFI, WFE).
    Wait {
        /// What it waits for may be a plain store by another core: try it again soon, in place of sleeping until it is woken.
        poll: bool,
    },
    /// The core waits for what other cores may well do in a moment (WFE): it is asked [`Processor::wakes`] for a while, then told to [`Processor::sleep`].
    Doze,
    /// A debugger stops the machine at this core, which says why when it is asked. Within: what ended the slice beside, [`SliceEnd::Spent`] if nothing did, so that it is to go
    /// on from where it is.
    Debug(Box<SliceEnd>),
    /// The core seems to go nowhere, and why, in words: it is told of, and goes on.
    Suspect(String),
    /// The core goes nowhere by itself, and why, in words. It is run again now and then, as something may reach it from outside.
    Stuck(String),
    /// The core is lost for good, and why, in words.
    Lost(String),
}

/// Result of a slice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Instructions retired.
    pub retired: u64,
    /// Why it ended.
    pub end: SliceEnd,
}

/// An address of code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeAddress {
    /// As the core sees it.
    pub virt: u64,
    /// In physical memory, as far as it is mapped.
    pub phys: u64,
}

/// A line of a [`CoreReport`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportLine {
    /// The title of the section that it belongs to; a section's lines follow each other.
    pub section: &'static str,
    /// The line.
    pub text: String,
    /// Code that it is about, for whoever knows names.
    pub code: Option<CodeAddress>,
}

/// What became of a core that went astray.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It seems to go nowhere, but goes on.
    Suspect,
    /// It goes nowhere, and the machine goes on.
    Stuck,
    /// With it, the machine has come to its end.
    End,
}

/// What a core was about when it went astray.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CoreReport {
    /// The core.
    pub core: usize,
    /// Why, on one line.
    pub reason: String,
    /// What became of it.
    pub fate: Fate,
    /// Guest time in nanoseconds.
    pub time_ns: u64,
    /// Everything else.
    pub lines: Vec<ReportLine>,
}

/// A processor core as the engine runs it.
pub trait Processor: Any + Send + Sync {
    /// Runs at most `budget` instructions (exactly so many unless something else ends the slice).
    fn run(&mut self, budget: u64) -> Slice;

    /// Asked of a core that waits or dozes: has what it waits for come?
    fn wakes(&mut self) -> bool;

    /// Calls `visit` with each value of the core's architectural state, between slices: its name, its number among those of the name, and the value.
    fn inspect(&self, visit: &mut dyn FnMut(&'static str, usize, u64));

    /// Passes the core's state, between slices. What only makes it fast is not among it, and is dropped when state is loaded.
    fn pass(&mut self, archive: &mut Archive<'_>);

    /// Tells where the core is and how it came there, between slices, for people.
    fn report(&self, tell: &mut dyn FnMut(ReportLine)) {
        let _ = tell;
    }

    /// Asked when some core is stuck or lost, of one that `runs`, or of one that waits or is stuck: is it certain that nothing but another core's doing can
    /// make it do anything new? Nothing will come of a machine whose cores are all so.
    fn is_stranded(&self, runs: bool) -> bool {
        !runs
    }

    /// The machine has been idle for seconds: gives memory back that is nothing but a cache. Asked between slices, once an idle time.
    fn trim(&mut self) {}

    /// Forgets direct ways to store to RAM, between slices, so that pages can be settled: see [`tayberry_ram::PageMap`], whose protocol a core that stores to RAM
    /// by itself keeps to. The guest must not be able to tell.
    fn forget_writes(&mut self, what: Forget) {
        let _ = what;
    }

    /// A core that dozes is not asked all the time any more: from now on whatever it waits for must end the slices of others, if it comes while they run. False
    /// if it has come already.
    fn sleep(&mut self) -> bool {
        !self.wakes()
    }
}
