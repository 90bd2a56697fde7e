//! The model of claim, settle, tell and look: the checker tries the interleavings and the weak orderings of the page map's own code.
//!
//! Run: `RUSTFLAGS="--cfg tayberry_loom" cargo test -p tayberry-ram --release --lib --target-dir target/loom model::`
//!
//! The map is the one that ships, its cells are the checker's. A page has two bytes, atomics that stand for the guest's memory there: one that cores store to,
//! one that a device does. Every model ends alike: readers that have looked while it all happened look once more, and must then have what memory holds.
//!
//! The checker reorders an access with the last one before it on the same cell, so a thread's load hides what others did before it from its read-modify-write that
//! follows. So what stores runs on the main thread, which plays the machine's and its cores in turn, and on threads that are spawned first; readers, which only load,
//! are spawned last, and run last in the first execution: all others are found from there.

use super::*;
use loom::sync::Arc;
use loom::thread;

/// A page of RAM.
struct Page {
    map: PageMap,
    bytes: [AtomicU64; 2],
}

/// The byte that cores store to.
const CORES: usize = 0;
/// The byte that a device stores to.
const DEVICE: usize = 1;

impl Page {
    /// It is settled: what a core has claimed at first plays no part.
    fn new() -> Arc<Self> {
        let page = Self { map: PageMap::new(PAGE_BYTES), bytes: [AtomicU64::new(0), AtomicU64::new(0)] };
        page.settle();
        Arc::new(page)
    }

    /// A core's first store to the page in a slice, which goes the slow way.
    fn store_and_claim(&self, value: u64) {
        self.store(CORES, value);
        let _ = self.map.claim(0);
    }

    fn store(&self, byte: usize, value: u64) {
        self.bytes[byte].store(value, Relaxed);
    }

    /// A device's store.
    fn store_and_tell(&self, value: u64) {
        self.store(DEVICE, value);
        self.map.written(8, 8);
    }

    fn settle(&self) {
        self.map.settle(0..PAGE_BYTES);
    }

    fn read(&self) -> [u64; 2] {
        [self.bytes[0].load(Relaxed), self.bytes[1].load(Relaxed)]
    }
}

/// What a reader keeps of the page.
struct Reader {
    state: PageState,
    bytes: [u64; 2],
}

impl Reader {
    fn new() -> Self {
        Self { state: PageState::UNKNOWN, bytes: [u64::MAX; 2] }
    }

    /// One look: reads the page unless it is known not to have changed.
    fn look(&mut self, page: &Page) {
        let state = page.map.state(0);
        self.look_by(page, state);
    }

    fn look_by(&mut self, page: &Page, state: PageState) {
        if !self.state.is_still(state) {
            *self = Self { state, bytes: page.read() };
        }
    }

    /// The last look, after all has happened.
    fn must_know(mut self, page: &Page) {
        self.look(page);
        assert_eq!(self.bytes, page.read(), "a change was lost");
    }
}

fn check(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

/// A reader on a thread of its own that looks `looks` times.
fn reader(page: &Arc<Page>, looks: usize) -> thread::JoinHandle<Reader> {
    let page = Arc::clone(page);
    thread::spawn(move || {
        let mut reader = Reader::new();
        (0..looks).for_each(|_| reader.look(&page));
        reader
    })
}

/// Something else on a thread of its own.
fn aside(page: &Arc<Page>, run: impl Fn(&Page) + 'static) -> thread::JoinHandle<()> {
    let page = Arc::clone(page);
    thread::spawn(move || run(&page))
}

fn done<T>(thread: thread::JoinHandle<T>) -> T {
    thread.join().expect("it ends")
}

#[test]
fn a_core_fills_an_entry_stores_and_its_page_is_settled() {
    check(None, || {
        let page = Page::new();
        let reader = reader(&page, 2);
        page.store_and_claim(1);
        // By the entry that was filled.
        page.store(CORES, 2);
        page.settle();
        done(reader).must_know(&page);
        assert!(page.map.state(0).is_settled());
    });
}

#[test]
fn a_core_whose_entry_was_dropped_claims_again() {
    check(None, || {
        let page = Page::new();
        let reader = reader(&page, 2);
        for value in [1, 2] {
            page.store_and_claim(value);
            page.settle();
        }
        done(reader).must_know(&page);
    });
}

#[test]
fn a_core_that_finds_a_claim_relies_on_it() {
    check(None, || {
        let page = Page::new();
        let other = aside(&page, |page| page.store_and_claim(2));
        let reader = reader(&page, 1);
        page.store_and_claim(1);
        done(other);
        page.settle();
        done(reader).must_know(&page);
    });
}

/// Whoever has learnt of a store need not wait for the page to be settled.
#[test]
fn a_message_that_follows_a_store_finds_the_claim() {
    check(None, || {
        let page = Page::new();
        let sent = Arc::new(AtomicU64::new(0));
        let theirs = (Arc::clone(&page), Arc::clone(&sent));
        let core = thread::spawn(move || {
            theirs.0.store_and_claim(1);
            theirs.1.store(1, Release);
        });
        let mut reader = Reader::new();
        reader.look(&page);
        if sent.load(Acquire) == 1 {
            reader.look(&page);
            assert_eq!(reader.bytes[CORES], 1, "a change was lost");
        }
        done(core);
        reader.must_know(&page);
    });
}

#[test]
fn a_device_stores_beside_a_reader() {
    check(None, || {
        let page = Page::new();
        let reader = reader(&page, 2);
        page.store_and_tell(1);
        page.store_and_tell(2);
        done(reader).must_know(&page);
    });
}

#[test]
fn a_device_stores_while_the_page_is_settled() {
    check(None, || {
        let page = Page::new();
        let device = aside(&page, |page| page.store_and_tell(1));
        let reader = reader(&page, 1);
        page.store_and_claim(1);
        page.settle();
        done(device);
        done(reader).must_know(&page);
        assert!(page.map.state(0).is_settled());
    });
}

#[test]
fn two_readers_know_all_that_a_core_and_a_device_store() {
    check(Some(2), || {
        let page = Page::new();
        let device = aside(&page, |page| page.store_and_tell(1));
        let readers = [reader(&page, 1), reader(&page, 1)];
        page.store_and_claim(1);
        page.settle();
        done(device);
        readers.map(done).into_iter().for_each(|reader| reader.must_know(&page));
    });
}

/// A seeded bug: a device tells before it stores.
#[test]
#[should_panic(expected = "a change was lost")]
fn telling_before_the_store_is_caught() {
    check(None, || {
        let page = Page::new();
        let reader = reader(&page, 1);
        page.map.written(8, 8);
        page.store(DEVICE, 1);
        done(reader).must_know(&page);
    });
}

/// A seeded bug: the version may be seen before the store that it tells of.
#[test]
#[should_panic(expected = "a change was lost")]
fn telling_without_release_is_caught() {
    check(None, || {
        let page = Page::new();
        let reader = reader(&page, 1);
        page.store(DEVICE, 1);
        page.map.cells[0].fetch_add(VERSION, Relaxed);
        done(reader).must_know(&page);
    });
}

/// A seeded bug: the same of settling.
#[test]
#[should_panic(expected = "a change was lost")]
fn settling_without_release_is_caught() {
    check(None, || {
        let page = Page::new();
        let reader = reader(&page, 1);
        page.store_and_claim(1);
        page.map.cells[0].fetch_add(VERSION + SETTLED, Relaxed);
        done(reader).must_know(&page);
    });
}

/// A seeded bug: the reader's loads of the bytes may go ahead of that of the state.
#[test]
#[should_panic(expected = "a change was lost")]
fn looking_without_acquire_is_caught() {
    check(None, || {
        let page = Page::new();
        let theirs = Arc::clone(&page);
        let reader = thread::spawn(move || {
            let mut reader = Reader::new();
            let state = PageState(theirs.map.cells[0].load(Relaxed).wrapping_add(theirs.map.number));
            reader.look_by(&theirs, state);
            reader
        });
        page.store_and_tell(1);
        done(reader).must_know(&page);
    });
}

/// A seeded bug: the reader reads before it looks at the state.
#[test]
#[should_panic(expected = "a change was lost")]
fn reading_before_the_look_is_caught() {
    check(None, || {
        let page = Page::new();
        let theirs = Arc::clone(&page);
        let reader = thread::spawn(move || {
            let bytes = theirs.read();
            Reader { state: theirs.map.state(0), bytes }
        });
        page.store_and_tell(1);
        done(reader).must_know(&page);
    });
}

/// A seeded bug: a plain store to the cell breaks the chain by which a reader of the last version acquires the stores of all.
#[test]
#[should_panic(expected = "a change was lost")]
fn settling_by_a_plain_store_is_caught() {
    check(None, || {
        let page = Page::new();
        let device = aside(&page, |page| page.store_and_tell(1));
        let reader = reader(&page, 1);
        let cell = &page.map.cells[0];
        cell.store(cell.load(Relaxed) + VERSION, Release);
        done(device);
        done(reader).must_know(&page);
    });
}

/// A seeded bug: a core keeps its entry while the page is settled, and stores by it. The same would be that the page is settled while a core runs.
#[test]
#[should_panic(expected = "a change was lost")]
fn an_entry_that_outlives_the_settling_is_caught() {
    check(None, || {
        let page = Page::new();
        let reader = reader(&page, 1);
        page.store_and_claim(1);
        page.settle();
        page.store(CORES, 2);
        page.settle();
        done(reader).must_know(&page);
    });
}

/// A seeded bug: a core that does not claim what it stores to.
#[test]
#[should_panic(expected = "a change was lost")]
fn a_store_without_a_claim_is_caught() {
    check(None, || {
        let page = Page::new();
        let sent = Arc::new(AtomicU64::new(0));
        let theirs = (Arc::clone(&page), Arc::clone(&sent));
        let core = thread::spawn(move || {
            theirs.0.store(CORES, 1);
            theirs.1.store(1, Release);
        });
        let mut reader = Reader::new();
        reader.look(&page);
        if sent.load(Acquire) == 1 {
            reader.look(&page);
            assert_eq!(reader.bytes[CORES], 1, "a change was lost");
        }
        done(core);
    });
}
