//! The physical bus: which device answers at which address.
//!
//! Device registers are 32 bits wide; the bus turns other widths into 32-bit accesses: a narrow read reads the word and gets its byte lanes, a narrow
//! write writes the word, with zeroes on the lanes that it does not drive, 64 bits are two words in ascending order.
//!
//! Where nothing answers, reads are zero and writes are lost; each such address is traced once.
//!
//! Reads are always *inline*: a `&self` view made of atomics and lock-free queues answers on the core's own thread. Writes are inline too,
//! or *posted*: the view puts them in its [`Inbox`], the core's slice ends after that instruction, all cores stop within a block, and the device's
//! `Service` system does the work with plain `&mut` state before any core goes on.

use crate::clock::{Clock, GuestTime};
use crate::moment;
use crossbeam::queue::SegQueue;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Who accesses, and when.
#[derive(Clone, Copy, Debug)]
pub struct BusContext<'a> {
    /// The core.
    pub core: usize,
    /// Instructions it has retired in its slice before this access.
    pub retired: u64,
    /// The machine's clock.
    pub clock: &'a Clock,
}

impl BusContext<'_> {
    /// Guest time of the access. In realtime this asks the host's clock: call it only where time matters.
    pub fn now(&self) -> GuestTime {
        self.clock.core_now(self.core, self.retired)
    }
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Served {
    /// Done; the core goes on.
    Inline,
    /// The slice ends: the write was posted, or a deadline came nearer.
    EndSlice,
}

/// The guest-facing half of a device: its registers, shared by all cores. Never blocks, never panics.
pub trait BusView: Send + Sync + 'static {
    /// Reads the 32-bit register at `offset` (a multiple of 4) from the window's start.
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32;
    /// Writes the 32-bit register at `offset` (a multiple of 4) from the window's start.
    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served;
}

/// A register write on its way to the device's `Service` system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PostedWrite {
    /// Register offset in the window.
    pub offset: u32,
    /// Value written.
    pub value: u32,
    /// Core that wrote.
    pub core: usize,
    /// Guest time of the write.
    pub time: GuestTime,
}

/// The queue between a device's bus view (many cores push) and its system (one pops).
#[derive(Clone, Debug, Default)]
pub struct Inbox(Arc<SegQueue<PostedWrite>>);

impl Inbox {
    /// Posts a write; what the view then returns.
    pub fn post(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        self.0.push(PostedWrite { offset, value, core: at.core, time: at.now() });
        Served::EndSlice
    }

    /// Queues a write that was posted before the machine's state was saved.
    pub(crate) fn put(&self, write: PostedWrite) {
        self.0.push(write);
    }

    /// Takes the oldest write.
    pub fn pop(&self) -> Option<PostedWrite> {
        self.0.pop()
    }

    /// True if nothing is waiting.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A window of the bus and who answers there.
struct Window {
    range: Range<u64>,
    name: &'static str,
    view: Arc<dyn BusView>,
}

/// The bus of a machine, immutable once built.
pub struct PhysBus {
    windows: Vec<Window>,
    /// For each 4 KiB page of the device area: the windows that lie in it, as a range of `windows`.
    pages: Box<[(u16, u16)]>,
    base: u64,
    strays: Strays,
    /// Names of registers by window and offset, for traces.
    names: RegisterNames,
}

/// Names a register of a window (by its name) at an offset.
pub type RegisterNames = fn(&str, u32) -> Option<String>;

/// Places for words outside the device area where nothing answered.
const FAR_PLACES: usize = 1024;
/// Places that are looked at for one of them.
const PROBES: u64 = 8;

/// Which accesses to nothing were traced already. Each is a bit or a word of its own, changed by one atomic operation: whoever does it traces. `Relaxed`: it
/// orders nothing.
struct Strays {
    base: u64,
    /// One bit a word of the device area.
    near: Box<[AtomicU64]>,
    /// Words elsewhere: number and 1, in any of [`PROBES`] places. Those that find no place are not traced.
    far: Box<[AtomicU64]>,
}

impl Strays {
    fn new(base: u64, end: u64) -> Self {
        let zeroes = |count| (0..count).map(|_| AtomicU64::new(0)).collect();
        Self { base, near: zeroes(((end - base) / 4).div_ceil(64)), far: zeroes(FAR_PLACES as u64) }
    }

    /// True for the first access to the word at `addr`.
    fn is_first(&self, addr: u64) -> bool {
        let near = addr.checked_sub(self.base).map(|offset| offset / 4);
        if let Some((word, seen)) = near.and_then(|word| Some((word, self.near.get(usize::try_from(word / 64).ok()?)?))) {
            return seen.fetch_or(1 << (word % 64), Ordering::Relaxed) & (1 << (word % 64)) == 0;
        }
        let number = addr / 4 + 1;
        // Fibonacci hashing: neighbours are far apart.
        let hash = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        for probe in 0..PROBES {
            let place = &self.far[(hash + probe) as usize % FAR_PLACES];
            match place.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(there) if there == number => return false,
                Err(_) => {}
            }
        }
        false
    }
}

const PAGE: u64 = 4096;

impl std::fmt::Debug for PhysBus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.windows.iter().map(|window| (window.name, &window.range))).finish()
    }
}

impl PhysBus {
    /// A bus of the windows given.
    ///
    /// # Panics
    /// If two overlap: a mistake in the board.
    pub(crate) fn new(windows: Vec<(Range<u64>, &'static str, Arc<dyn BusView>)>) -> Self {
        let mut windows: Vec<Window> = windows.into_iter().map(|(range, name, view)| Window { range, name, view }).collect();
        windows.sort_by_key(|window| window.range.start);
        for pair in windows.windows(2) {
            assert!(pair[0].range.end <= pair[1].range.start, "{} and {} overlap on the bus", pair[0].name, pair[1].name);
        }
        let base = windows.first().map_or(0, |window| window.range.start & !(PAGE - 1));
        let end = windows.last().map_or(0, |window| window.range.end.next_multiple_of(PAGE));
        let pages = ((end - base) / PAGE) as usize;
        let index = (0..pages as u64).map(|page| {
            let (from, to) = (base + page * PAGE, base + (page + 1) * PAGE);
            let first = windows.partition_point(|window| window.range.end <= from);
            let last = windows.partition_point(|window| window.range.start < to);
            (first as u16, last as u16)
        });
        let pages = index.collect();
        Self { windows, pages, base, strays: Strays::new(base, end), names: |_, _| None }
    }

    /// Its windows: what each is called, and where it is.
    pub fn windows(&self) -> impl Iterator<Item = (&'static str, Range<u64>)> {
        self.windows.iter().map(|window| (window.name, window.range.clone()))
    }

    /// With names of registers.
    pub(crate) fn with_names(self, names: RegisterNames) -> Self {
        Self { names, ..self }
    }

    /// Traces an access.
    #[cold]
    fn trace(&self, window: &Window, addr: u64, value: u32, writes: bool, at: &BusContext<'_>) {
        if !tracing::enabled!(target: "mmio", tracing::Level::TRACE) {
            return;
        }
        let register = (self.names)(window.name, (addr - window.range.start) as u32);
        let (name, space) = register.as_deref().map_or(("", ""), |name| (name, " "));
        tracing::trace!(
            target: "mmio",
            core = at.core,
            retired = at.retired,
            device = window.name,
            register,
            address = format_args!("{addr:#010x}"),
            value = format_args!("{value:#010x}"),
            write = writes,
            "{} {}{space}{name} ({addr:#010x}) = {value:#010x}",
            if writes { "writes" } else { "reads" },
            window.name,
        );
    }

    fn find(&self, addr: u64) -> Option<&Window> {
        let page = usize::try_from(addr.checked_sub(self.base)? / PAGE).ok()?;
        let &(first, last) = self.pages.get(page)?;
        self.windows[usize::from(first)..usize::from(last)].iter().find(|window| window.range.contains(&addr))
    }

    /// Traces an access to nothing, once an address.
    fn stray(&self, what: &str, addr: u64) {
        if !tracing::enabled!(target: "unimplemented", tracing::Level::DEBUG) || !self.strays.is_first(addr) {
            return;
        }
        tracing::debug!(target: "unimplemented", "{what} of address {addr:#010x}, where no device answers");
    }

    fn read_word(&self, addr: u64, at: &BusContext<'_>) -> u32 {
        let Some(window) = self.find(addr) else {
            self.stray("read", addr);
            return 0;
        };
        if moment::is_kept() {
            moment::access(at.retired);
        }
        let value = window.view.read((addr - window.range.start) as u32, at);
        if moment::is_kept() {
            self.trace(window, addr, value, false, at);
        }
        value
    }

    fn write_word(&self, addr: u64, value: u32, at: &BusContext<'_>) -> Served {
        let Some(window) = self.find(addr) else {
            self.stray("write", addr);
            return Served::Inline;
        };
        if moment::is_kept() {
            moment::access(at.retired);
            self.trace(window, addr, value, true, at);
        }
        window.view.write((addr - window.range.start) as u32, value, at)
    }

    /// A load of `size` (1, 2, 4, 8) bytes by a core. Where nothing answers it is zero.
    pub fn read(&self, addr: u64, size: u8, at: &BusContext<'_>) -> u64 {
        let word = u64::from(self.read_word(addr & !3, at));
        match size {
            8 => word | u64::from(self.read_word((addr & !3).wrapping_add(4), at)) << 32,
            4 => word,
            _ => word >> (8 * (addr & 3)) & ((1 << (8 * size)) - 1),
        }
    }

    /// A store of `size` (1, 2, 4, 8) bytes by a core.
    pub fn write(&self, addr: u64, size: u8, value: u64, at: &BusContext<'_>) -> Served {
        match size {
            8 => {
                let low = self.write_word(addr & !3, value as u32, at);
                let high = self.write_word((addr & !3).wrapping_add(4), (value >> 32) as u32, at);
                if low == Served::EndSlice { low } else { high }
            }
            4 => self.write_word(addr & !3, value as u32, at),
            _ => self.write_word(addr & !3, ((value & ((1 << (8 * size)) - 1)) << (8 * (addr & 3))) as u32, at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ClockMode;
    use std::sync::atomic::AtomicU32;

    #[derive(Default)]
    struct Cell(AtomicU32, Inbox);

    impl BusView for Cell {
        fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
            self.0.load(Ordering::Relaxed).wrapping_add(offset)
        }
        fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
            if offset == 8 {
                return self.1.post(offset, value, at);
            }
            self.0.store(value, Ordering::Relaxed);
            Served::Inline
        }
    }

    #[test]
    fn widths_become_words_and_strays_are_harmless() {
        let clock = Clock::new(ClockMode::Deterministic);
        let at = BusContext { core: 0, retired: 7, clock: &clock };
        let (low, high) = (Arc::new(Cell::default()), Arc::new(Cell::default()));
        let bus =
            PhysBus::new(vec![(0x3f00_b200..0x3f00_b224, "low", low.clone() as _), (0x3f00_b880..0x3f00_b8c0, "high", high.clone() as _)]);
        assert_eq!(bus.write(0x3f00_b201, 1, 0xabcd, &at), Served::Inline);
        assert_eq!(low.0.load(Ordering::Relaxed), 0xcd00);
        bus.write(0x3f00_b200, 4, 0x1122_3344, &at);
        assert_eq!(bus.read(0x3f00_b202, 2, &at), 0x1122);
        assert_eq!(bus.read(0x3f00_b200, 8, &at), 0x1122_3348_1122_3344);
        assert_eq!(bus.read(0x3f00_b224, 4, &at), 0);
        assert_eq!(bus.read(u64::MAX, 8, &at), 0);
        assert_eq!(bus.write(0, 8, 1, &at), Served::Inline);
        assert_eq!(bus.write(0x3f00_b888, 4, 5, &at), Served::EndSlice);
        assert_eq!(high.1.pop(), Some(PostedWrite { offset: 8, value: 5, core: 0, time: GuestTime(7) }));
    }

    #[test]
    fn every_stray_address_is_first_once() {
        let strays = Strays::new(0x3f00_3000, 0x4000_1000);
        let words = [0x3f00_3000, 0x3f00_3004, 0x4000_0ffc, 0x4000_1000, 0, 4, 0x8000_0000, 1 << 47, !3];
        words.into_iter().for_each(|addr| assert!(strays.is_first(addr), "{addr:#x}"));
        words.into_iter().for_each(|addr| assert!(!strays.is_first(addr), "{addr:#x}"));
        let told = (0..1_000_000u64).filter(|word| strays.is_first(0x5000_0000 + 4 * word)).count();
        assert!((FAR_PLACES / 2..FAR_PLACES).contains(&told), "{told}: there is an end to it");
    }

    #[test]
    #[should_panic(expected = "overlap")]
    fn overlapping_windows_are_refused() {
        PhysBus::new(vec![(0..8, "a", Arc::new(Cell::default()) as _), (4..12, "b", Arc::new(Cell::default()) as _)]);
    }
}
