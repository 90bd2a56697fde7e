//! GPU memory: where framebuffers are allocated.
//!
//! Memory is handed out as in RCU. A guest that releases a buffer stops *leasing* it; a scanout that names it still *holds* it, whether it is
//! published or a renderer is drawing from it. Room that is neither leased nor held is used first, next-fit, so that what was retired last comes
//! again last. A guest must never feel how fast the host draws: where all other room is leased, held room is handed out too, and the
//! frames drawn from it are dropped.
//!
//! # Orderings
//! - Holders are counted by the region's `Arc`. A renderer reads pixels, then drops its snapshot (`Release`); the machine's thread asks
//!   [`Arc::get_mut`], whose `Acquire` makes those reads happen before whatever the next tenant stores. `strong_count` lacks that. The count is
//!   exact because a snapshot leaves the slot only by a swap that turns every guard of it into a count (see `sync`).
//! - Room that is handed out under a holder: the machine's thread raises [`Ground::layouts`] (`Relaxed`), then fences (`SeqCst`), then the
//!   guest learns the address and any core may store there. A renderer loads pixels, fences (`SeqCst`), then compares the counter. If it has
//!   seen one new pixel the fences order the raise before the comparison, on whatever thread the pixel was stored.

use crate::display::sync::{Arc, AtomicU64, fence};
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

/// Least alignment of a buffer.
const MIN_ALIGN: u64 = 16;

/// What became of a piece of memory while somebody drew from it. Written by the machine's thread only, read by renderers.
#[derive(Debug)]
pub(super) struct Ground {
    /// Rises when the memory gets another layout or another tenant: a frame that was begun before is lost.
    pub(super) layouts: AtomicU64,
    /// Rises when the same layout is published again, with another offset or palette for instance.
    pub(super) views: AtomicU64,
}

impl Ground {
    pub(super) fn new() -> Self {
        Self { layouts: AtomicU64::new(0), views: AtomicU64::new(0) }
    }

    /// Raises a counter of which the calling thread is the only writer.
    pub(super) fn raise(counter: &AtomicU64) -> u64 {
        let value = counter.load(Relaxed).wrapping_add(1);
        counter.store(value, Relaxed);
        value
    }
}

/// A piece of GPU memory that was handed out once.
#[derive(Debug)]
pub(super) struct Region {
    base: u64,
    len: u64,
    pub(super) ground: Ground,
}

impl Region {
    fn end(&self) -> u64 {
        self.base + self.len
    }

    /// True if all of `[base, base + len)` lies in it.
    pub(super) fn covers(&self, base: u64, len: u64) -> bool {
        base >= self.base && base.checked_add(len).is_some_and(|end| end <= self.end())
    }
}

/// An allocation of GPU memory: the guest's lease. Clones share it; it ends when the last is dropped. A [`crate::display::Scanout`] made with one
/// does not prolong the lease, it only holds the memory.
#[derive(Clone, Debug)]
pub struct VideoBuffer {
    /// Guest-physical address.
    pub base: u64,
    /// Bytes.
    pub len: u64,
    pub(super) region: Arc<Region>,
    /// Counts the guest's side alone, on the machine's thread.
    _lease: std::sync::Arc<()>,
}

/// Whether released memory waits for its readers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reuse {
    /// Memory that a live scanout names is handed out only where there is no other room, so frames in flight are shown. For realtime.
    #[default]
    AvoidHeld,
    /// The address depends on the guest's own history alone, whoever draws however slowly; a frame that is hit is dropped. For determinism.
    IgnoreReaders,
}

/// A region as the allocator keeps it.
#[derive(Debug)]
struct Tenancy {
    region: Arc<Region>,
    lease: std::sync::Arc<()>,
}

impl Tenancy {
    fn is_leased(&mut self) -> bool {
        std::sync::Arc::get_mut(&mut self.lease).is_none()
    }

    fn is_held(&mut self) -> bool {
        Arc::get_mut(&mut self.region).is_none()
    }
}

/// The allocator of GPU memory. It belongs to the machine's thread.
#[derive(Debug)]
pub struct VideoMemory {
    base: u64,
    end: u64,
    reuse: Reuse,
    /// Where the search goes on: behind the last allocation.
    cursor: u64,
    /// Leased or held regions, ascending, disjoint.
    tenancies: Vec<Tenancy>,
}

impl VideoMemory {
    /// An allocator of `[base, base + len)` (cut at the end of the address space) that avoids memory which is being drawn from.
    pub fn new(base: u64, len: u64) -> Self {
        Self::with_reuse(base, len, Reuse::default())
    }

    /// An allocator of `[base, base + len)` with a policy of its own.
    pub fn with_reuse(base: u64, len: u64, reuse: Reuse) -> Self {
        Self { base, end: base.saturating_add(len), reuse, cursor: base, tenancies: Vec::new() }
    }

    /// First address.
    pub fn base(&self) -> u64 {
        self.base
    }

    /// Bytes in all.
    pub fn len(&self) -> u64 {
        self.end - self.base
    }

    /// True if there is no memory at all.
    pub fn is_empty(&self) -> bool {
        self.base == self.end
    }

    /// Allocates `len` bytes at a multiple of `align` (rounded up to a power of two, at least 16). `None` for no bytes and where the guest's
    /// own leases leave no room. The memory keeps what was in it: clear it before a scanout of it is published.
    pub fn allocate(&mut self, len: u64, align: u64) -> Option<VideoBuffer> {
        if len == 0 || len > self.len() {
            return None;
        }
        let align = align.max(MIN_ALIGN).checked_next_power_of_two()?;
        // What nobody leases or holds is no obstacle under either policy.
        self.tenancies.retain_mut(|tenancy| tenancy.is_leased() || tenancy.is_held());
        let untouched = match self.reuse {
            Reuse::AvoidHeld => self.find(len, align, |_| true),
            Reuse::IgnoreReaders => None,
        };
        let base = untouched.or_else(|| self.find(len, align, Tenancy::is_leased))?;
        self.revoke(base, base + len);
        self.cursor = base + len;
        Some(self.lease(base, len))
    }

    /// Ends a lease early; the same as dropping it.
    pub fn free(&mut self, buffer: VideoBuffer) {
        drop(buffer);
    }

    /// The next room of `len` bytes behind the cursor, or from the start, between the tenancies that are obstacles.
    /// Where the next search begins.
    pub fn cursor(&self) -> u64 {
        self.cursor
    }

    /// Begins anew with nothing leased, and `cursor` where the next search begins, to take over saved leases by [`VideoMemory::claim`]. Whoever holds memory
    /// loses it. False, and nothing done, if the cursor does not lie here.
    pub fn restart(&mut self, cursor: u64) -> bool {
        let inside = (self.base..=self.end).contains(&cursor);
        if inside {
            self.revoke(self.base, self.end);
            self.cursor = cursor;
        }
        inside
    }

    /// Leases just this memory: `None` if it does not all lie here, or any of it is leased.
    pub fn claim(&mut self, base: u64, len: u64) -> Option<VideoBuffer> {
        let end = base.checked_add(len).filter(|&end| len > 0 && base >= self.base && end <= self.end)?;
        let leased = |tenancy: &mut Tenancy| tenancy.is_leased() && tenancy.region.base < end && base < tenancy.region.end();
        if self.tenancies.iter_mut().any(leased) {
            return None;
        }
        self.revoke(base, end);
        Some(self.lease(base, len))
    }

    fn find(&mut self, len: u64, align: u64, mut obstacle: impl FnMut(&mut Tenancy) -> bool) -> Option<u64> {
        let obstacles: Vec<(u64, u64)> = self
            .tenancies
            .iter_mut()
            .filter_map(|tenancy| obstacle(tenancy).then(|| (tenancy.region.base, tenancy.region.end())))
            .collect();
        [self.cursor, self.base].into_iter().find_map(|start| first_fit(start, self.end, len, align, &obstacles))
    }

    /// Takes what lies in `[base, end)` from its holders.
    fn revoke(&mut self, base: u64, end: u64) {
        self.tenancies.retain(|tenancy| {
            let hit = tenancy.region.base < end && base < tenancy.region.end();
            if hit {
                Ground::raise(&tenancy.region.ground.layouts);
            }
            !hit
        });
        fence(SeqCst);
    }

    fn lease(&mut self, base: u64, len: u64) -> VideoBuffer {
        let region = Arc::new(Region { base, len, ground: Ground::new() });
        let lease = std::sync::Arc::default();
        let at = self.tenancies.partition_point(|tenancy| tenancy.region.base < base);
        let buffer = VideoBuffer { base, len, region: Arc::clone(&region), _lease: std::sync::Arc::clone(&lease) };
        self.tenancies.insert(at, Tenancy { region, lease });
        buffer
    }
}

/// The first aligned room of `len` bytes in `[start, end)` between ascending disjoint obstacles.
fn first_fit(start: u64, end: u64, len: u64, align: u64, obstacles: &[(u64, u64)]) -> Option<u64> {
    let mut at = start.checked_next_multiple_of(align)?;
    for &(from, to) in obstacles {
        if to <= at {
            continue;
        }
        if at.checked_add(len)? <= from {
            break;
        }
        at = to.checked_next_multiple_of(align)?;
    }
    (at.checked_add(len)? <= end).then_some(at)
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BASE: u64 = 0x3C00_0000;

    /// What a scanout keeps of a buffer.
    fn hold(buffer: &VideoBuffer) -> Arc<Region> {
        Arc::clone(&buffer.region)
    }

    #[test]
    fn a_released_buffer_is_handed_out_again_last() {
        let mut memory = VideoMemory::new(BASE, 0x300);
        let mut addresses = Vec::new();
        for _ in 0..6 {
            let buffer = memory.allocate(0x100, 16).expect("room");
            addresses.push(buffer.base - BASE);
            memory.free(buffer);
        }
        assert_eq!(addresses, [0, 0x100, 0x200, 0, 0x100, 0x200]);
    }

    #[test]
    fn held_memory_is_passed_over_where_there_is_other_room() {
        let mut memory = VideoMemory::new(BASE, 0x300);
        let first = memory.allocate(0x100, 16).expect("room");
        let held = hold(&first);
        drop(first);
        for _ in 0..6 {
            assert_ne!(memory.allocate(0x100, 16).expect("room").base, BASE);
        }
        assert_eq!(held.ground.layouts.load(Relaxed), 0);
        drop(held);
        assert_eq!(memory.allocate(0x200, 16).expect("room").base, BASE, "the count tells that it is free");
    }

    #[test]
    fn a_guest_never_runs_out_because_a_renderer_is_slow() {
        let mut memory = VideoMemory::new(BASE, 0x100);
        let first = memory.allocate(0x100, 16).expect("room");
        let held = hold(&first);
        assert!(memory.allocate(0x10, 16).is_none(), "leased");
        drop(first);
        assert_eq!(memory.allocate(0x80, 16).expect("room").base, BASE);
        assert_ne!(held.ground.layouts.load(Relaxed), 0, "the holder is told");
    }

    #[test]
    fn saved_leases_are_taken_over_and_the_next_search_begins_where_it_would() {
        let mut memory = VideoMemory::with_reuse(BASE, 0x300, Reuse::IgnoreReaders);
        let buffers: Vec<VideoBuffer> = (0..3).map(|_| memory.allocate(0x100, 16).expect("room")).collect();
        let held = hold(&buffers[0]);
        let (leased, cursor) = ((buffers[1].base, buffers[1].len), memory.cursor());
        drop(buffers);
        assert!(!memory.restart(BASE - 1) && !memory.restart(BASE + 0x301));
        assert!(memory.restart(cursor));
        assert_ne!(held.ground.layouts.load(Relaxed), 0, "the holder is told");
        let again = memory.claim(leased.0, leased.1).expect("it is free");
        for (base, len) in [leased, (BASE + 0x1f0, 0x20), (BASE - 16, 32), (BASE + 0x2f0, 0x20), (BASE, 0), (u64::MAX, 2)] {
            assert!(memory.claim(base, len).is_none(), "{base:#x} {len:#x}");
        }
        let next: Vec<u64> = [(); 2].map(|()| memory.allocate(0x100, 16).expect("room")).iter().map(|buffer| buffer.base - BASE).collect();
        assert_eq!(next, [0, 0x200]);
        drop(again);
    }

    #[test]
    fn a_clone_prolongs_the_lease() {
        let mut memory = VideoMemory::with_reuse(BASE, 0x100, Reuse::IgnoreReaders);
        let buffer = memory.allocate(0x100, 16).expect("room");
        let clone = buffer.clone();
        memory.free(buffer);
        assert!(memory.allocate(0x10, 16).is_none());
        drop(clone);
        assert!(memory.allocate(0x10, 16).is_some());
    }

    #[test]
    fn absurd_requests_get_nothing() {
        let mut memory = VideoMemory::new(BASE, 0x1000);
        assert!(memory.allocate(0, 16).is_none());
        assert!(memory.allocate(0x1001, 16).is_none());
        assert!(memory.allocate(u64::MAX, u64::MAX).is_none());
        assert!(memory.allocate(1, 1 << 63).is_none());
        assert!(memory.allocate(1, u64::MAX).is_none());
        assert_eq!(memory.allocate(0x1000, 0).expect("all of it").base, BASE);
        let mut end = VideoMemory::new(u64::MAX - 0x100, u64::MAX);
        assert!(end.allocate(0x200, 16).is_none());
        assert!(end.allocate(0x10, 16).is_some());
        assert!(VideoMemory::new(BASE, 0).allocate(1, 1).is_none());
    }

    /// A step of a guest: allocate so much, or release the buffer of that index; and whether a renderer keeps what it then sees.
    type Step = (u64, u64, Option<prop::sample::Index>, bool);

    /// Addresses that the steps lead to, with or without renderers; checks that leases never overlap.
    fn run(steps: &[Step], reuse: Reuse, renderers: bool) -> Vec<Option<u64>> {
        let mut memory = VideoMemory::with_reuse(BASE, 0x4000, reuse);
        let (mut leases, mut held): (Vec<VideoBuffer>, Vec<Arc<Region>>) = Default::default();
        let mut addresses = Vec::new();
        for (len, align, release, keep) in steps {
            if let Some(index) = release.filter(|_| !leases.is_empty()) {
                leases.swap_remove(index.index(leases.len()));
            }
            let buffer = memory.allocate(*len, *align);
            addresses.push(buffer.as_ref().map(|buffer| buffer.base));
            let Some(buffer) = buffer else { continue };
            assert!(buffer.base >= BASE && buffer.base + buffer.len <= BASE + 0x4000);
            assert!(buffer.base.is_multiple_of(*align));
            for other in &leases {
                assert!(buffer.base + buffer.len <= other.base || other.base + other.len <= buffer.base, "leases overlap");
            }
            for region in &held {
                let intact = region.ground.layouts.load(Relaxed) == 0;
                assert!(!intact || buffer.base + buffer.len <= region.base || region.end() <= buffer.base, "a holder was not told");
            }
            if renderers && *keep {
                held.push(hold(&buffer));
            }
            leases.push(buffer);
        }
        addresses
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let align = (0..12u32).prop_map(|shift| 1 << shift);
        prop::collection::vec((0..0x1800u64, align, any::<Option<prop::sample::Index>>(), any::<bool>()), 0..40)
    }

    proptest! {
        #[test]
        fn leases_never_overlap_and_holders_are_told(steps in steps()) {
            run(&steps, Reuse::AvoidHeld, true);
        }

        #[test]
        fn where_readers_are_ignored_they_change_no_address(steps in steps()) {
            prop_assert_eq!(run(&steps, Reuse::IgnoreReaders, true), run(&steps, Reuse::IgnoreReaders, false));
        }

        #[test]
        fn slow_readers_never_make_an_allocation_fail_that_fits(len in 1..0x4000u64) {
            let mut memory = VideoMemory::new(BASE, 0x4000);
            let first = memory.allocate(0x4000, 16).expect("room");
            let _held = hold(&first);
            drop(first);
            prop_assert!(memory.allocate(len, 16).is_some());
        }
    }
}
