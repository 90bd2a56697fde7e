//! What the engine asks of a processor core.

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

/// A processor core as the engine runs it.
pub trait Processor: Any + Send + Sync {
    /// Runs at most `budget` instructions (exactly so many unless something else ends the slice).
    fn run(&mut self, budget: u64) -> Slice;

    /// Asked of a core that waits or dozes: has what it waits for come?
    fn wakes(&mut self) -> bool;

    /// Calls `visit` with each value of the core's architectural state, between slices: its name, its number among those of the name, and the value.
    fn inspect(&self, visit: &mut dyn FnMut(&'static str, usize, u64));

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
