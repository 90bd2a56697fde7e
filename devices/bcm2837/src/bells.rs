//! How cores call each other: interrupts between cores and SEV.
//!
//! # Orderings
//! A core that is about to wait says so ([`Bells::waits`]) and then looks at its doorbell and its interrupt lines; a core that changes them rings and then
//! looks whether anybody waits. Both with a `SeqCst` fence in between, so at least one of the two notices the other.
//!
//! An event that a core was sent already and has not taken stands for later ones too: the sender's fence comes before it looks, the taker's after it took, so what
//! was stored before any of them is visible to the taker.
//!
//! TLB invalidations for a core are queued before its doorbell rings (`Release`), and it empties the queue after it took the doorbell (`Acquire`), so it finds
//! all that it was rung for. Where a queue is full the doorbell asks for everything instead.

use crossbeam::queue::ArrayQueue;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use tayberry_a64::TlbScope;
use tayberry_a64::core::doorbell;
use tayberry_engine::{Archive, Attention, Cell, attention::STOP};

const _: () = assert!(doorbell::STOP == STOP, "engine and core agree on the bit that ends a slice");

/// Doorbell bit without a meaning of its own: any bit makes a core look at its interrupt lines at the next block boundary.
pub const LOOK: u32 = 1 << 31;

/// The doorbells of all cores, and who waits.
#[derive(Debug)]
pub struct Bells {
    attention: Arc<Attention>,
    /// One bit a core, written by that core's thread.
    waiting: AtomicU32,
    /// TLB invalidations asked of each core, pushed by all others and popped by itself.
    invalidations: Box<[ArrayQueue<TlbScope>]>,
}

/// The doorbells are the engine's to pass.
impl Cell for Bells {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.waiting, &self.invalidations]);
    }
}

/// Invalidations that wait for a core at most.
const INVALIDATIONS: usize = 64;

impl Bells {
    /// Over the machine's doorbells; nobody waits.
    pub fn new(attention: Arc<Attention>) -> Self {
        let invalidations = (0..attention.cores()).map(|_| ArrayQueue::new(INVALIDATIONS)).collect();
        Self { attention, waiting: AtomicU32::new(0), invalidations }
    }

    /// The machine's doorbells.
    pub fn attention(&self) -> &Attention {
        &self.attention
    }

    /// `core` looks at its interrupt lines again. If it waits, running cores end their slices so that it gets going.
    pub fn look(&self, core: usize) {
        let Some(bell) = self.attention.get(core) else { return };
        bell.fetch_or(LOOK, Ordering::Release);
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) & (1 << core) != 0 {
            self.attention.stop_all();
        }
    }

    /// All cores look at their interrupt lines again.
    pub fn look_all(&self) {
        self.attention.ring_all(LOOK);
        self.stop_for_waiters();
    }

    /// SEV by `core`: all others get an event. It has set its own event register itself.
    pub fn event(&self, core: usize) {
        fence(Ordering::SeqCst);
        for other in (0..self.attention.cores()).filter(|&other| other != core) {
            let bell = self.attention.get(other).filter(|bell| bell.load(Ordering::Relaxed) & doorbell::EVENT == 0);
            if let Some(bell) = bell {
                bell.fetch_or(doorbell::EVENT, Ordering::Release);
            }
        }
        self.stop_for_waiters();
    }

    /// `core` asks all others to drop TLB entries before their next block.
    pub fn invalidate(&self, core: usize, scope: TlbScope) {
        for (at, queue) in self.invalidations.iter().enumerate().filter(|(at, _)| *at != core) {
            let bit = if queue.push(scope).is_ok() { doorbell::TLB_SCOPED } else { doorbell::TLB };
            self.attention.ring(at, bit);
        }
    }

    /// The next invalidation that others asked `core` for.
    pub fn next_invalidation(&self, core: usize) -> Option<TlbScope> {
        self.invalidations.get(core)?.pop()
    }

    fn stop_for_waiters(&self) {
        fence(Ordering::SeqCst);
        if self.waiting.load(Ordering::Relaxed) != 0 {
            self.attention.stop_all();
        }
    }

    /// `core` is about to wait. It must look for what it waits for once more after this.
    pub fn waits(&self, core: usize) {
        self.waiting.fetch_or(1 << core, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// `core` runs again.
    pub fn runs(&self, core: usize) {
        if self.waiting.load(Ordering::Relaxed) & (1 << core) != 0 {
            self.waiting.fetch_and(!(1 << core), Ordering::Relaxed);
        }
    }

    /// True if an event has been sent to `core` that it has not taken yet.
    pub fn has_event(&self, core: usize) -> bool {
        self.attention.get(core).is_some_and(|bell| bell.load(Ordering::Acquire) & doorbell::EVENT != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_stops_slices_only_where_somebody_waits() {
        let attention = Arc::new(Attention::new(2));
        let bells = Bells::new(Arc::clone(&attention));
        bells.event(0);
        assert_eq!(attention.bell(0).load(Ordering::Relaxed), 0, "its own event register is its own affair");
        bells.waits(1);
        assert!(bells.has_event(1), "the event came first");
        attention.bell(1).store(0, Ordering::Relaxed);
        bells.event(0);
        assert_eq!(attention.bell(0).swap(0, Ordering::Relaxed), STOP);
        assert!(bells.has_event(1));
        bells.runs(1);
        bells.look(0);
        assert_eq!(attention.bell(0).load(Ordering::Relaxed), LOOK);
    }

    #[test]
    fn invalidations_reach_the_others_and_a_full_queue_asks_for_all() {
        let attention = Arc::new(Attention::new(2));
        let bells = Bells::new(Arc::clone(&attention));
        let scope = TlbScope::Page { regime: 0, va: 0x1000 };
        for _ in 0..INVALIDATIONS {
            bells.invalidate(0, scope);
        }
        assert_eq!(attention.bell(0).load(Ordering::Relaxed), 0, "the core itself has done it");
        assert_eq!(attention.bell(1).swap(0, Ordering::Relaxed), doorbell::TLB_SCOPED);
        bells.invalidate(0, TlbScope::All);
        assert_eq!(attention.bell(1).swap(0, Ordering::Relaxed), doorbell::TLB);
        assert!((0..INVALIDATIONS).all(|_| bells.next_invalidation(1) == Some(scope)));
        assert_eq!((bells.next_invalidation(1), bells.next_invalidation(0)), (None, None));
    }
}
