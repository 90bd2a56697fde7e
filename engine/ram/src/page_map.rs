//! What has not changed: the state of each page of guest RAM.
//!
//! A reader that keeps what it made of a page (a renderer its converted lines) keeps the page's [`PageState`] beside it. While the state is *settled* and the same,
//! so are the page's bytes, and they need not be looked at.
//!
//! # Protocol
//! A page is *settled* or *claimed*. All are claimed at first, so that a machine whose memory nobody reads pays nothing.
//! - **Cores** store without telling, through their software TLBs: that must cost nothing. A core that has stored to a page the slow way
//!   [`PageMap::claim`]s it, before it does anything else and before it keeps a direct way to the page. The claim covers that store and all that follow, of all cores, until the
//!   page is settled.
//! - **The machine's thread**, while no core runs, has all cores forget their direct ways to pages that readers want settled, and then
//!   [`PageMap::settle`]s those pages: the claims end, and each page that was claimed gets a new version. It does so at a display's pace and only if a reader has asked
//!   ([`PageMap::look`]) since the last time.
//! - **Devices** tell of each store *after* it ([`PageMap::written`], called by whatever stores in [`crate::GuestRam`]): the page gets a new version.
//! - **A reader**, one of any number, loads the state, *then* reads the bytes, and keeps both. If it finds the state again later, and it is settled, the bytes are what
//!   it has. If not, it reads again. A reader never writes to the states.
//!
//! So every store is followed, on its own thread or at the end of the slice that it was made in, by a change of the page's version, which no later state takes back. A reader that
//! has the last version has read everything; what a reader finds settled and unchanged was so when it looked, but for stores that are on their way at that moment.
//!
//! Pages that were settled once are *tracked*: a core notes which of its direct ways lead to them, so that forgetting these costs what was used and not
//! a search. Where a range has other pages, the cores are asked to forget all.
//!
//! # Orderings
//! - `written` and `settle` raise the version by read-modify-writes with `Release`, after the stores (a core's stores happen before `settle`, as its slice is over).
//!   `state` is an `Acquire` load. Only read-modify-writes ever change a cell, so each of them is in the release sequence of all before it: whoever reads a version has acquired all stores
//!   that an earlier or this version tells of, and its loads of the bytes (`Relaxed`) see them.
//! - The reader needs no fence between the bytes and the next look: bytes newer than the state beside them are told of by a state to come.
//! - `claim` is `Relaxed`, both ways. Whoever learnt of the store, by a message that the core sent after it, learnt of what follows the claim: its next load of the state cannot
//!   see what was there before, by coherence. Who has not learnt of the store may see the claim late; the version tells.
//! - A core that finds a page claimed by another one relies on that claim: nobody settles while cores run.
//! - The flag of `look` carries nothing but itself: `Relaxed`.

#[cfg(all(test, tayberry_loom))]
mod model;

use crate::sync::{AtomicU64, zeroed};
use crate::{PAGE_BYTES, PAGE_SHIFT};
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{
    AtomicBool,
    Ordering::{Acquire, Relaxed, Release},
};

/// No core may store to the page without claiming it first.
const SETTLED: u64 = 1 << 0;
/// The page was settled once.
const TRACKED: u64 = 1 << 1;
/// One version.
const VERSION: u64 = 1 << 2;
/// Where the number of the map begins in a [`PageState`].
const NUMBER_SHIFT: u32 = 40;

/// What a page was at some moment: to be compared with what it is later.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PageState(u64);

impl PageState {
    /// A state that no page is in: for a reader that has read nothing yet, and for what is not RAM.
    pub const UNKNOWN: Self = Self(0);

    /// True if nobody may store to the page without its state changing. If it is not settled, nothing is known of the page's bytes.
    #[inline]
    pub fn is_settled(self) -> bool {
        self.0 & SETTLED != 0
    }

    /// True if what was read under `self` is still what memory holds, if its state is `now`.
    #[inline]
    pub fn is_still(self, now: Self) -> bool {
        self == now && now.is_settled()
    }
}

impl fmt::Debug for PageState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} version {:#x}", if self.is_settled() { "settled" } else { "claimed" }, self.0 / VERSION)
    }
}

/// The direct ways to store that cores must forget before pages can be settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forget {
    /// Those to tracked pages ([`PageMap::claim`] says which are).
    Tracked,
    /// All: some pages of the range were never settled, so cores did not note their ways to them.
    All,
}

/// States of all pages.
pub struct PageMap {
    cells: Box<[AtomicU64]>,
    /// What is added to a cell to make a state: no two maps of a process have states in common, so that a reader may outlive a reset.
    number: u64,
    looked: AtomicBool,
}

impl fmt::Debug for PageMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PageMap({} pages)", self.cells.len())
    }
}

impl PageMap {
    pub(crate) fn new(ram_bytes: u64) -> Self {
        static MAPS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(1);
        let pages = usize::try_from(ram_bytes >> PAGE_SHIFT).expect("guest RAM fits the host's address space");
        Self { cells: zeroed(pages), number: MAPS.fetch_add(1, Relaxed) << NUMBER_SHIFT, looked: AtomicBool::new(false) }
    }

    fn index(addr: u64) -> usize {
        (addr >> PAGE_SHIFT) as usize
    }

    /// The cells of all pages that a range of addresses touches, as far as they are RAM.
    fn cells(&self, range: &Range<u64>) -> &[AtomicU64] {
        if range.is_empty() {
            return &[];
        }
        let end = Self::index(range.end - 1).saturating_add(1).min(self.cells.len());
        self.cells.get(Self::index(range.start)..end).unwrap_or(&[])
    }

    #[inline]
    fn state_of(&self, cell: &AtomicU64) -> PageState {
        PageState(cell.load(Acquire).wrapping_add(self.number))
    }

    // What readers do.

    /// The state of the page of `addr`: to be loaded *before* its bytes are. [`PageState::UNKNOWN`] outside RAM.
    #[inline]
    pub fn state(&self, addr: u64) -> PageState {
        self.cells.get(Self::index(addr)).map_or(PageState::UNKNOWN, |cell| self.state_of(cell))
    }

    /// The states of all pages that `range` touches, in order, as far as they are RAM.
    pub fn states(&self, range: Range<u64>) -> impl ExactSizeIterator<Item = PageState> + '_ {
        self.cells(&range).iter().map(|cell| self.state_of(cell))
    }

    /// Says that somebody looks at states of pages that are shown: once a frame will do. Without it they are not settled.
    pub fn look(&self) {
        self.looked.store(true, Relaxed);
    }

    // What devices do.

    /// Says that `len` bytes at `addr` were stored, after the store.
    #[inline]
    pub fn written(&self, addr: u64, len: u64) {
        for cell in self.cells(&(addr..addr.saturating_add(len))) {
            cell.fetch_add(VERSION, Release);
        }
    }

    // What cores do.

    /// Claims the page of `addr`: right after a store, and before a direct way to store is kept. True if the page is tracked: then a way that
    /// is kept must be noted, so that it can be forgotten ([`Forget::Tracked`]).
    #[inline]
    pub fn claim(&self, addr: u64) -> bool {
        let Some(cell) = self.cells.get(Self::index(addr)) else { return false };
        let state = cell.load(Relaxed);
        // What was never tracked is not settled.
        state & TRACKED != 0 && Self::claim_tracked(cell, state)
    }

    #[cold]
    fn claim_tracked(cell: &AtomicU64, state: u64) -> bool {
        if state & SETTLED != 0 {
            cell.fetch_and(!SETTLED, Relaxed);
        }
        true
    }

    // What the machine's thread does, while no core runs.

    /// True if somebody has looked since [`PageMap::take_look`].
    #[inline]
    pub fn has_look(&self) -> bool {
        self.looked.load(Relaxed)
    }

    /// Answers all looks so far: what is shown is settled next.
    pub fn take_look(&self) {
        self.looked.store(false, Relaxed);
    }

    /// What cores must forget before `range` is settled; `None` if all of its pages are settled.
    pub fn to_forget(&self, range: Range<u64>) -> Option<Forget> {
        let mut found = None;
        for cell in self.cells(&range) {
            let state = cell.load(Relaxed);
            if state & TRACKED == 0 {
                return Some(Forget::All);
            }
            if state & SETTLED == 0 {
                found = Some(Forget::Tracked);
            }
        }
        found
    }

    /// Settles all pages that `range` touches; those that were claimed get a new version. No core runs, and all have forgotten what [`PageMap::to_forget`] says.
    pub fn settle(&self, range: Range<u64>) {
        for cell in self.cells(&range) {
            let mut state = cell.load(Relaxed);
            while state & SETTLED == 0
                && let Err(now) = cell.compare_exchange(state, (state | SETTLED | TRACKED).wrapping_add(VERSION), Release, Relaxed)
            {
                // A device has stored meanwhile.
                state = now;
            }
        }
    }
}

const _: () = assert!(PAGE_BYTES == 4096, "a host's page is one too, almost everywhere");

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;

    fn map() -> PageMap {
        PageMap::new(4 * PAGE_BYTES)
    }

    #[test]
    fn pages_are_claimed_at_first_and_settled_where_asked() {
        let map = map();
        let before = map.state(0x1000);
        assert!(!before.is_settled());
        assert_eq!(map.to_forget(0x1800..0x2800), Some(Forget::All), "nobody has noted who can store there");
        map.settle(0x1800..0x2800);
        assert!(map.states(0..0x4000).map(PageState::is_settled).eq([false, true, true, false]));
        assert_eq!(map.to_forget(0x1000..0x3000), None);
        assert_ne!(map.state(0x1000), before);
        let settled = map.state(0x1fff);
        assert!(settled.is_still(map.state(0x1000)));
        map.settle(0x1000..0x3000);
        assert!(settled.is_still(map.state(0x1000)), "nothing has happened");
    }

    #[test]
    fn a_claim_is_seen_at_once_and_leaves_a_new_version() {
        let map = map();
        assert!(!map.claim(0x1000), "not tracked");
        map.settle(0..0x4000);
        let settled = map.state(0x1000);
        assert!(map.claim(0x1ff8) && map.claim(0x1000), "tracked");
        assert!(!settled.is_still(map.state(0x1000)) && !map.state(0x1000).is_settled());
        assert!(map.state(0x2000).is_settled());
        assert_eq!(map.to_forget(0..0x4000), Some(Forget::Tracked));
        map.settle(0..0x4000);
        assert!(map.state(0x1000).is_settled() && map.state(0x1000) != settled);
    }

    #[test]
    fn devices_stores_are_seen_in_each_page_once() {
        let map = map();
        map.settle(0..0x4000);
        let states: Vec<_> = map.states(0..0x4000).collect();
        map.written(0x1fff, 2);
        map.written(0x1000, 0);
        let still: Vec<_> = states.iter().zip(map.states(0..0x4000)).map(|(then, now)| then.is_still(now)).collect();
        assert_eq!(still, [true, false, false, true]);
        assert_eq!(map.state(0x1000).0 - states[1].0, VERSION);
        assert!(map.states(0..0x4000).all(PageState::is_settled));
    }

    #[test]
    fn maps_have_no_states_in_common() {
        let (one, other) = (map(), map());
        for map in [&one, &other] {
            map.settle(0..0x4000);
        }
        assert_ne!(one.state(0), other.state(0));
    }

    #[test]
    fn addresses_outside_ram_are_nothing() {
        let map = map();
        assert_eq!(map.state(0x4000), PageState::UNKNOWN);
        assert!(!PageState::UNKNOWN.is_settled() && !map.claim(u64::MAX));
        map.written(0x3fff, u64::MAX);
        map.written(u64::MAX, 16);
        map.settle(0x4000..u64::MAX);
        map.settle(0x3000..u64::MAX);
        assert_eq!(map.states(0x3000..0x9000).len(), 1);
        #[expect(clippy::reversed_empty_ranges, reason = "a caller's mistake is nothing")]
        let backwards = 0x3000..0x1000;
        assert_eq!((map.states(backwards.clone()).len(), map.to_forget(backwards)), (0, None));
        assert!(map.state(0x3000).is_settled());
    }

    #[test]
    fn a_look_is_taken_once() {
        let map = map();
        assert!(!map.has_look());
        map.look();
        map.look();
        assert!(map.has_look());
        map.take_look();
        assert!(!map.has_look());
    }
}
