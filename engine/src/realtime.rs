//! Realtime slices: all ready cores run until a point of host time, on as many host threads as there are.
//!
//! Cores count instructions, a slice ends by the clock: a core runs in *turns* whose budget comes from its [`Pace`], and after each the clock decides. So
//! a guest that turns slow all at once (cold code, memory) makes a slice late by a turn, not by the slice's length times the change.
//!
//! A host thread that runs cores holds one and takes others from a queue. Where others wait, turns are short and it exchanges its core for the next one after
//! each: a core that spins for another one's store wastes a turn, however late or seldom a busy host lends the second thread. Where none waits, turns are long and
//! cost nothing to speak of.
//!
//! A core that dozes (WFE) stays in the queue: threads ask it now and then whether its event has come, so that cores which wait for each other's events for a moment
//! hand over within the slice. It falls asleep when it has dozed for long, or when nobody is left who could wake it; from then on an event ends the slice.

use crate::clock::{Clock, GuestTime};
use crate::execute::{Activity, CoreSlot, CoreState, Executor, MIN_BUDGET, SliceParts};
use bevy_ecs::prelude::*;
use crossbeam::queue::ArrayQueue;
use crossbeam::utils::CachePadded;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

/// Looks at polled locations after which a slice in which nothing else runs is over.
const POLL_LOOKS: u32 = 64;
/// A core that dozes for so long falls asleep, nanoseconds.
const LONGEST_DOZE_NS: u64 = 50_000;
/// A turn is not worth while for less, nanoseconds.
const LEAST_TURN_NS: u64 = 1_000;

/// How long slices and turns are, in nanoseconds of host time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lengths {
    /// Longest slice: bounds how late input and stop requests are seen.
    slice: u64,
    /// A turn of a core that nobody waits behind.
    long_turn: u64,
    /// A turn of a core that others wait behind.
    short_turn: u64,
}

impl Default for Lengths {
    fn default() -> Self {
        Self { slice: 1_000_000, long_turn: 300_000, short_turn: 20_000 }
    }
}

impl Lengths {
    /// Slices of one turn.
    pub fn all(ns: u64) -> Self {
        Self { slice: ns, long_turn: ns, short_turn: ns }
    }
}

/// How many guest instructions a core runs in 1024 nanoseconds of a host thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace(u64);

impl Default for Pace {
    /// A slow guess: the first turns are short, and each may double it or more.
    fn default() -> Self {
        Self(256)
    }
}

impl Pace {
    /// Instructions in `ns`.
    fn instructions(self, ns: u64) -> u64 {
        (ns.saturating_mul(self.0) / 1024).max(MIN_BUDGET)
    }

    /// Moves half the way to what a turn has shown: guests change their pace tenfold from one loop to the next.
    fn learn(&mut self, retired: u64, ns: u64) {
        if let Some(shown) = retired.saturating_mul(1024).checked_div(ns) {
            self.0 = (self.0 + shown).div_ceil(2).clamp(8, 1 << 20);
        }
    }
}

/// A core's part of a slice.
struct Share<'a> {
    slot: &'a mut CoreSlot,
    /// Instructions that it may still retire.
    left: u64,
    /// It ran last without finding that it had to poll or to doze.
    busy: bool,
    /// When in the slice it began to doze.
    dozes_since: u64,
    looks: u32,
}

/// What the threads of one slice share.
///
/// # Orderings
/// Cores are handed over by the queue, which orders what a thread did with a core before what the next one does. The counters and the flag mean nothing but
/// themselves (`Relaxed`); the end of the scope orders them for the machine's thread.
struct Slice<'a> {
    started: Instant,
    /// When it is over, in nanoseconds since `started`.
    length: u64,
    lengths: Lengths,
    /// Looks at polled locations that make sense while nothing else runs.
    looks: u32,
    parts: &'a SliceParts,
    /// Cores that wait for a thread.
    queue: ArrayQueue<Share<'a>>,
    /// Cores that run, or wait to, and do not poll.
    busy: CachePadded<AtomicUsize>,
    retired: AtomicU64,
    /// All cores poll, and have looked often enough.
    over: AtomicBool,
}

pub(crate) fn execute_realtime(
    slots: &mut [Mut<CoreSlot>],
    executor: &mut Executor,
    clock: &Clock,
    next: Option<GuestTime>,
    parts: &SliceParts,
) -> Activity {
    for slot in slots.iter_mut() {
        if slot.state == CoreState::Waiting && slot.processor.wakes() {
            slot.state = CoreState::Ready;
        }
    }
    let ready = slots.iter().filter(|slot| slot.runnable()).count();
    let polling = slots.iter().filter(|slot| looks_again(&slot.state)).count();
    if ready == 0 {
        return Activity::Idle(next);
    }
    let longest = executor.lengths.slice;
    let length = next.map_or(longest, |next| next.0.saturating_sub(clock.now().0).min(longest));
    let (retired, anybody_busy) = run_slice(slots, executor, ready, length, parts);
    executor.allowance = executor.allowance.saturating_sub(retired);
    if !anybody_busy {
        slots.iter_mut().for_each(|slot| slot.fall_asleep());
    }
    if ready == polling && slots.iter().all(|slot| slot.state != CoreState::Ready) { Activity::Polling } else { Activity::Busy }
}

/// The core looks every tick whether what it needs has come.
fn looks_again(state: &CoreState) -> bool {
    matches!(state, CoreState::Polling | CoreState::Stuck(_))
}

/// Runs all `ready` cores for `length` nanoseconds, and waits for them. Returns instructions retired, and whether a core was left that neither polls nor dozes.
fn run_slice(slots: &mut [Mut<CoreSlot>], executor: &mut Executor, ready: usize, length: u64, parts: &SliceParts) -> (u64, bool) {
    executor.first = (executor.first + 1) % slots.len();
    let (last, first) = slots.split_at_mut(executor.first);
    let share = executor.allowance.div_ceil(ready as u64);
    let queue = ArrayQueue::new(ready);
    let mut busy = 0;
    for slot in first.iter_mut().chain(last.iter_mut()).filter(|slot| slot.runnable()) {
        let slot = &mut **slot;
        let is_busy = slot.state == CoreState::Ready;
        busy += usize::from(is_busy);
        let _ = queue.push(Share { slot, left: share, busy: is_busy, dozes_since: 0, looks: 0 });
    }
    let slice = Slice {
        started: Instant::now(),
        length,
        lengths: executor.lengths,
        looks: if ready == 1 { 1 } else { POLL_LOOKS },
        parts,
        queue,
        busy: CachePadded::new(AtomicUsize::new(busy)),
        retired: AtomicU64::new(0),
        over: AtomicBool::new(false),
    };
    if ready == 1 {
        slice.run_cores();
    } else {
        let pool = executor.pool(parts.attention.cores());
        let helpers = pool.current_num_threads().min(ready) - 1;
        pool.in_place_scope(|scope| {
            (0..helpers).for_each(|_| scope.spawn(|_| slice.run_cores()));
            slice.run_cores();
        });
    }
    let retired = slice.retired.load(Relaxed);
    drop(slice);
    (retired, slots.iter().any(|slot| slot.state == CoreState::Ready))
}

impl Slice<'_> {
    fn elapsed(&self) -> u64 {
        self.started.elapsed().as_nanos() as u64
    }

    /// The work of one host thread: runs cores until the slice is over or none is left for it.
    fn run_cores(&self) {
        let Some(mut share) = self.queue.pop() else { return };
        let mut retired = 0;
        let mut now = self.elapsed();
        loop {
            let turn = if self.queue.is_empty() { self.lengths.long_turn } else { self.lengths.short_turn };
            let goes_on = self.take_turn(&mut share, turn.min(self.length.saturating_sub(now)), &mut now, &mut retired);
            if now.saturating_add(LEAST_TURN_NS) > self.length || self.over.load(Relaxed) {
                break;
            }
            match self.queue.pop() {
                Some(next) => {
                    let before = std::mem::replace(&mut share, next);
                    if goes_on {
                        let _ = self.queue.push(before);
                    }
                }
                None if !goes_on => break,
                // Nothing else to do than to look again.
                None if !share.busy => (0..64).for_each(|_| std::hint::spin_loop()),
                None => {}
            }
        }
        self.retired.fetch_add(retired, Relaxed);
    }

    /// A core's turn of about `ns`. True if it goes on within this slice.
    fn take_turn(&self, share: &mut Share, ns: u64, now: &mut u64, retired: &mut u64) -> bool {
        if share.slot.state == CoreState::Dozing && !share.slot.processor.wakes() {
            *now = self.elapsed();
            return self.doze(share, *now);
        }
        let slot = &mut *share.slot;
        if !looks_again(&slot.state) && !share.busy {
            share.busy = true;
            self.busy.fetch_add(1, Relaxed);
        }
        let budget = slot.pace.instructions(ns).min(share.left);
        let (ran, spent) = slot.run(budget, self.parts);
        let after = self.elapsed();
        if spent {
            slot.pace.learn(ran, after - *now);
        }
        *now = after;
        *retired += ran;
        share.left -= ran.min(share.left);
        let (polls, dozes) = (slot.state == CoreState::Polling, slot.state == CoreState::Dozing);
        let goes_on = share.left > 0 && (polls || dozes || spent && ran >= budget);
        let busy = goes_on && !polls && !dozes;
        if dozes {
            share.dozes_since = after;
        }
        match (share.busy, busy) {
            (true, false) => _ = self.busy.fetch_sub(1, Relaxed),
            (false, true) => _ = self.busy.fetch_add(1, Relaxed),
            _ => {}
        }
        share.busy = busy;
        if polls {
            share.looks += 1;
            if share.looks >= self.looks && self.busy.load(Relaxed) == 0 {
                self.over.store(true, Relaxed);
            }
        }
        goes_on
    }

    /// A core's turn while it dozes and was not called. True if it stays in this slice.
    fn doze(&self, share: &mut Share, now: u64) -> bool {
        if self.busy.load(Relaxed) == 0 {
            share.looks += 1;
            if share.looks >= self.looks {
                self.over.store(true, Relaxed);
            }
        }
        if now.saturating_sub(share.dozes_since) > LONGEST_DOZE_NS {
            share.slot.fall_asleep();
            return share.slot.runnable();
        }
        true
    }
}
