//! What a run does to the process's memory: its resident set, and what is allocated.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;
use tayberry_engine::handle::MachineHandle;

/// The system's allocator, counting. Counters that mean nothing but themselves: `Relaxed`.
struct Counting;

static BLOCKS: AtomicI64 = AtomicI64::new(0);
static BYTES: AtomicI64 = AtomicI64::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: each method is the system allocator's, called with what it was called with; beside it only counters change.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        BLOCKS.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size() as i64, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        BLOCKS.fetch_add(1, Relaxed);
        BYTES.fetch_add(layout.size() as i64, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        BYTES.fetch_add(size as i64 - layout.size() as i64, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        BLOCKS.fetch_sub(1, Relaxed);
        BYTES.fetch_sub(layout.size() as i64, Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// The most that was seen of each in some part of a run.
#[derive(Clone, Copy, Debug, Default)]
struct Peak {
    resident_kib: i64,
    blocks: i64,
    kib: i64,
}

impl Peak {
    fn look(&mut self) {
        self.resident_kib = self.resident_kib.max(resident_kib());
        self.blocks = self.blocks.max(BLOCKS.load(Relaxed));
        self.kib = self.kib.max(BYTES.load(Relaxed) >> 10);
    }
}

/// Resident set in KiB; 0 where the host does not tell.
fn resident_kib() -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Watches a storm: its second quarter and its last.
pub struct Watch(JoinHandle<[Peak; 2]>);

impl Watch {
    /// Watches until the machine has ended. `count` mode changes are to come.
    pub fn start(handle: &MachineHandle, count: u64) -> Self {
        let handle = handle.clone();
        Self(std::thread::spawn(move || {
            let mut peaks = [Peak::default(); 2];
            while !handle.has_ended() {
                match handle.stats.reconfigurations.get() * 4 / count.max(1) {
                    1 => peaks[0].look(),
                    3 => peaks[1].look(),
                    _ => {}
                }
                std::thread::sleep(Duration::from_millis(5));
            }
            peaks
        }))
    }

    /// Panics if a long run needed more at its end than before its middle: less than a byte and less than a hundredth of an allocation a change, and
    /// room for what the frames' sizes make of it.
    pub fn verdict(self, count: u64) {
        let [before, after] = self.0.join().expect("the watch does not panic");
        println!(
            "resident set {} KiB before the middle, {} at the end; allocated {} KiB in {} blocks, {} in {}",
            before.resident_kib, after.resident_kib, before.kib, before.blocks, after.kib, after.blocks
        );
        let room_kib = 32 << 10;
        if count >= 100_000 {
            assert!(after.resident_kib <= before.resident_kib + room_kib, "the resident set has grown");
            assert!(after.kib <= before.kib + room_kib, "allocated memory has grown");
            assert!(after.blocks <= before.blocks + 1000 + count as i64 / 100, "allocations have grown");
        }
    }
}
