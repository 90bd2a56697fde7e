//! The journal: what the mailboxes, the display and the serial ports did, in words, for frontends that show it or keep it.
//!
//! A frontend asks by [`crate::handle::MachineHandle::journal`] for a [`Reader`] of its own, best before the machine starts: a reader has what was recorded
//! since it was made. Entries are made by devices, which alone know what their words mean; with no reader, [`Journal::record`] makes none and costs a load
//! and a branch.
//!
//! A reader's queue is bounded, in entries and in bytes. Where it is full, entries are dropped and counted: the machine never waits for a reader.
//!
//! # Orderings
//! Entries travel through crossbeam's queues, readers are found through `OnceLock`s: both order what they hand over. The counters (`dropped`,
//! `bytes`), the flag `is_open` and the time of the last reset mean nothing but themselves: `Relaxed`. Two who record at once may both find room
//! for the same last bytes: the limit of bytes is kept to one entry per thread.

use crate::clock::GuestTime;
use crate::display::{Display, ScanoutConfig};
use crossbeam::queue::ArrayQueue;
use std::borrow::Cow;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

/// Entries that wait for a reader.
const MOST_ENTRIES: usize = 8192;
/// Bytes of host memory, about, that they take.
const MOST_BYTES: usize = 16 << 20;

/// Something that happened.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Guest time in nanoseconds, over all resets.
    pub guest_ns: u64,
    /// Host time.
    pub host: Instant,
    /// What it was.
    pub what: What,
}

/// What happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum What {
    /// A device was sent a message, and has dealt with it.
    Message(Message),
    /// The display changed its mode: a new generation.
    Mode(Mode),
    /// A serial port sent bytes.
    Serial {
        /// Port number.
        port: usize,
        /// The bytes, not empty.
        bytes: Vec<u8>,
    },
    /// The machine was reset.
    Reset,
}

impl What {
    /// The kind in a word: message, mode, serial, reset.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Message(_) => "message",
            Self::Mode(_) => "mode",
            Self::Serial { .. } => "serial",
            Self::Reset => "reset",
        }
    }

    /// Bytes that it takes, about.
    fn bytes(&self) -> usize {
        let more = match self {
            Self::Message(message) => {
                let parts = message.parts.iter().map(|part| size_of::<Part>() + part.asked.len() + part.answered.len()).sum::<usize>();
                parts + size_of_val(&message.sent[..]) + size_of_val(&message.answered[..])
            }
            // The palette is shared with the display at best.
            Self::Mode(_) => 1024,
            Self::Serial { bytes, .. } => bytes.len(),
            Self::Reset => 0,
        };
        size_of::<Entry>() + more
    }
}

/// A message to a device and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Message {
    /// What the device calls the way by which it came, such as "property".
    pub channel: &'static str,
    /// Address of its buffer, as the guest gave it.
    pub address: u64,
    /// Why it failed as a whole; `None` if it succeeded.
    pub trouble: Option<Cow<'static, str>>,
    /// What it asked for, in its order.
    pub parts: Vec<Part>,
    /// Parts beyond those that are kept.
    pub parts_left_out: usize,
    /// Its words as sent, the first ones of a long message.
    pub sent: Vec<u32>,
    /// The same words as answered.
    pub answered: Vec<u32>,
    /// Words of the whole message.
    pub words: usize,
}

/// One thing that a message asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Part {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: Cow<'static, str>,
    /// The request's values in words; may be empty.
    pub asked: String,
    /// The answer's values in words; may be empty.
    pub answered: String,
    /// Why it was not answered; `None` if it was.
    pub trouble: Option<Cow<'static, str>>,
}

/// A change of what the screen shows.
#[derive(Clone, Debug)]
pub struct Mode {
    /// Generation from now on.
    pub generation: u64,
    /// What is shown; `None` without a signal.
    pub config: Option<ScanoutConfig>,
    /// What differs from the mode before, in words.
    pub changed: Vec<&'static str>,
}

impl Mode {
    /// What a display shows now, with nothing said of what has changed.
    pub fn of(display: &Display) -> Self {
        let scanout = display.load();
        let config = scanout.has_signal().then(|| scanout.config().clone());
        Self { generation: scanout.generation(), config, changed: Vec::new() }
    }

    /// This mode, with what differs from `before`.
    pub fn after(self, before: &Self) -> Self {
        let changed = match (&before.config, &self.config) {
            (Some(old), Some(new)) => differences(old, new),
            (None, None) => Vec::new(),
            _ => vec!["signal"],
        };
        Self { changed, ..self }
    }

    /// True if the picture has another size or depth than before, or there is a signal where there was none, or the other way round.
    pub fn is_resolution_change(&self) -> bool {
        self.changed.iter().any(|&what| matches!(what, "signal" | "size" | "depth"))
    }
}

fn differences(old: &ScanoutConfig, new: &ScanoutConfig) -> Vec<&'static str> {
    [
        ("size", old.physical != new.physical),
        ("virtual size", old.virtual_size != new.virtual_size),
        ("depth", old.depth != new.depth),
        ("pitch", old.pitch != new.pitch),
        ("pixel order", old.order != new.order),
        ("alpha mode", old.alpha != new.alpha),
        ("buffer", old.base != new.base),
        ("offset", old.offset != new.offset),
        ("palette", old.palette != new.palette),
        ("overscan", old.overscan != new.overscan),
        ("blanking", old.blank != new.blank),
    ]
    .into_iter()
    .filter_map(|(what, differs)| differs.then_some(what))
    .collect()
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if !self.asked.is_empty() {
            write!(f, " {}", self.asked)?;
        }
        match &self.trouble {
            Some(trouble) => write!(f, ": {trouble}"),
            None if self.answered.is_empty() => Ok(()),
            None => write!(f, " -> {}", self.answered),
        }
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} message at {:#010x}", self.channel, self.address)?;
        for (index, part) in self.parts.iter().enumerate() {
            write!(f, "{}{part}", if index == 0 { ": " } else { "; " })?;
        }
        if self.parts_left_out > 0 {
            write!(f, "; and {} more", self.parts_left_out)?;
        }
        self.trouble.as_ref().map_or(Ok(()), |trouble| write!(f, ": {trouble}"))
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "generation {}: ", self.generation)?;
        let Some(config) = &self.config else { return f.write_str("no signal") };
        let (physical, whole, offset) = (config.physical, config.virtual_size, config.offset);
        write!(f, "{}x{}", physical.0, physical.1)?;
        if whole != physical || offset != (0, 0) {
            write!(f, " of {}x{} at {},{}", whole.0, whole.1, offset.0, offset.1)?;
        }
        write!(f, ", {} bits {:?}, pitch {}, base {:#010x}", config.depth.bits(), config.order, config.pitch, config.base)?;
        if config.blank {
            f.write_str(", blanked")?;
        }
        if !self.changed.is_empty() {
            write!(f, " (new: {})", self.changed.join(", "))?;
        }
        Ok(())
    }
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => message.fmt(f),
            Self::Mode(mode) => mode.fmt(f),
            Self::Serial { port, bytes } => write!(f, "UART{port}: {:?}", String::from_utf8_lossy(bytes)),
            Self::Reset => f.write_str("reset"),
        }
    }
}

/// A reader's queue.
#[derive(Debug)]
struct Tap {
    queue: ArrayQueue<Arc<Entry>>,
    bytes: AtomicUsize,
    dropped: AtomicU64,
    is_open: AtomicBool,
}

impl Tap {
    fn has_room(&self) -> bool {
        !self.queue.is_full() && self.bytes.load(Relaxed) < MOST_BYTES
    }

    fn push(&self, entry: &Arc<Entry>) {
        let bytes = entry.what.bytes();
        self.bytes.fetch_add(bytes, Relaxed);
        if self.queue.push(Arc::clone(entry)).is_err() {
            self.bytes.fetch_sub(bytes, Relaxed);
            self.drop_one();
        }
    }

    fn drop_one(&self) {
        self.dropped.fetch_add(1, Relaxed);
    }

    fn pop(&self) -> Option<Arc<Entry>> {
        let entry = self.queue.pop()?;
        self.bytes.fetch_sub(entry.what.bytes(), Relaxed);
        Some(entry)
    }
}

/// A list of queues that only grows.
type Link = OnceLock<Box<Node>>;

#[derive(Debug)]
struct Node {
    tap: Arc<Tap>,
    next: Link,
}

/// Where devices record what happened. It outlives resets.
#[derive(Debug, Default)]
pub struct Journal {
    taps: Link,
    /// Guest time at the last reset.
    before_ns: AtomicU64,
}

impl Journal {
    /// A reader, for what is recorded from now on. The machine keeps its (empty) queue for as long as it lives.
    pub fn reader(&self) -> Reader {
        let tap = Arc::new(Tap {
            queue: ArrayQueue::new(MOST_ENTRIES),
            bytes: AtomicUsize::new(0),
            dropped: AtomicU64::new(0),
            is_open: AtomicBool::new(true),
        });
        let mut node = Box::new(Node { tap: Arc::clone(&tap), next: Link::new() });
        let mut link = &self.taps;
        // Another reader may be added at the same time: then this one goes behind it.
        loop {
            match link.set(node) {
                Ok(()) => return Reader { tap },
                Err(again) => node = again,
            }
            link = &link.get().expect("it was set").next;
        }
    }

    fn open_taps(&self) -> impl Iterator<Item = &Tap> {
        std::iter::successors(self.taps.get(), |node| node.next.get()).map(|node| &*node.tap).filter(|tap| tap.is_open.load(Relaxed))
    }

    /// True if anybody reads.
    pub fn is_read(&self) -> bool {
        self.open_taps().next().is_some()
    }

    /// True if anybody reads and has room for an entry: what one needs is worth keeping. Who does not make one for that reason calls [`Journal::skip`].
    pub fn is_wanted(&self) -> bool {
        self.open_taps().any(Tap::has_room)
    }

    /// Counts an entry as dropped by everybody who reads: it was not made.
    pub fn skip(&self) {
        self.open_taps().for_each(Tap::drop_one);
    }

    /// Records what happened at guest time `now` of this power cycle. `what` is called if anybody reads and has room for it.
    pub fn record(&self, now: GuestTime, what: impl FnOnce() -> What) {
        if self.taps.get().is_some() {
            self.record_wanted(now, what);
        }
    }

    #[cold]
    fn record_wanted(&self, now: GuestTime, what: impl FnOnce() -> What) {
        if !self.is_wanted() {
            return self.skip();
        }
        let guest_ns = self.before_ns.load(Relaxed).saturating_add(now.0);
        let entry = Arc::new(Entry { guest_ns, host: Instant::now(), what: what() });
        for tap in self.open_taps() {
            if tap.has_room() {
                tap.push(&entry);
            } else {
                tap.drop_one();
            }
        }
    }

    /// A machine begins whose predecessors had `before_ns` of guest time.
    pub(crate) fn begin(&self, before_ns: u64) {
        self.before_ns.store(before_ns, Relaxed);
    }
}

/// A frontend's end of the journal. Dropping it ends the recording.
#[derive(Debug)]
pub struct Reader {
    tap: Arc<Tap>,
}

impl Reader {
    /// The oldest entry that waits. Never blocks.
    pub fn next_entry(&self) -> Option<Arc<Entry>> {
        self.tap.pop()
    }

    /// Entries that wait now.
    pub fn drain(&self) -> impl Iterator<Item = Arc<Entry>> {
        // No more than were there at first: whoever records is not to keep whoever reads.
        (0..self.tap.queue.len()).map_while(|_| self.tap.pop())
    }

    /// Entries dropped so far because they were not taken in time.
    pub fn dropped(&self) -> u64 {
        self.tap.dropped.load(Relaxed)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.tap.is_open.store(false, Relaxed);
        while self.tap.pop().is_some() {}
    }
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;
    use crate::display::Scanout;
    use crate::display::{Alpha, Depth, Overscan, PixelOrder};
    use tayberry_ram::GuestRam;

    fn serial(text: &str) -> What {
        What::Serial { port: 0, bytes: text.as_bytes().to_vec() }
    }

    #[test]
    fn nothing_is_made_for_nobody() {
        let journal = Journal::default();
        journal.record(GuestTime(1), || unreachable!("nobody reads"));
        let reader = journal.reader();
        journal.begin(100);
        journal.record(GuestTime(1), || serial("a"));
        let entry = reader.next_entry().expect("one entry");
        assert_eq!((entry.guest_ns, entry.what.kind(), entry.what.to_string()), (101, "serial", "UART0: \"a\"".into()));
        assert!(reader.next_entry().is_none() && journal.is_wanted());
        drop(reader);
        assert!(!journal.is_wanted() && !journal.is_read());
        journal.record(GuestTime(1), || unreachable!("nobody reads any more"));
    }

    #[test]
    fn a_reader_that_takes_nothing_loses_entries_and_holds_nobody_up() {
        let journal = Journal::default();
        let (slow, quick) = (journal.reader(), journal.reader());
        let mut taken = 0;
        for _ in 0..3 * MOST_ENTRIES {
            journal.record(GuestTime(0), || What::Reset);
            taken += quick.drain().count();
        }
        assert_eq!((taken, quick.dropped()), (3 * MOST_ENTRIES, 0));
        drop(quick);
        assert!(journal.is_read() && !journal.is_wanted());
        assert_eq!((slow.drain().count(), slow.dropped()), (MOST_ENTRIES, 2 * MOST_ENTRIES as u64));
        journal.record(GuestTime(0), || What::Reset);
        assert_eq!(slow.drain().count(), 1, "there is room again");
    }

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let journal = Journal::default();
        let reader = journal.reader();
        for _ in 0..100 {
            journal.record(GuestTime(0), || What::Serial { port: 0, bytes: vec![b'x'; 1 << 20] });
        }
        let kept = reader.drain().count();
        assert!((15..=17).contains(&kept), "{kept} entries of a MiB");
        assert_eq!(reader.dropped(), 100 - kept as u64);
        journal.record(GuestTime(0), || unreachable_unless_room(&reader));
        assert_eq!(reader.drain().count(), 1);
    }

    fn unreachable_unless_room(reader: &Reader) -> What {
        assert!(reader.tap.has_room());
        What::Reset
    }

    #[test]
    fn entries_come_in_order_from_another_thread() {
        let journal = Arc::new(Journal::default());
        let reader = journal.reader();
        let writer = std::thread::spawn({
            let journal = Arc::clone(&journal);
            move || (0..20_000).for_each(|at| journal.record(GuestTime(at), || What::Reset))
        });
        let mut times = Vec::new();
        while !writer.is_finished() {
            times.extend(reader.drain().map(|entry| entry.guest_ns));
        }
        times.extend(reader.drain().map(|entry| entry.guest_ns));
        writer.join().expect("no panic");
        assert!(times.is_sorted());
        assert_eq!(times.len() as u64 + reader.dropped(), 20_000);
    }

    #[test]
    fn readers_may_come_all_at_once() {
        let journal = Journal::default();
        let readers: Vec<Reader> = std::thread::scope(|scope| {
            let asking: Vec<_> = (0..8).map(|_| scope.spawn(|| journal.reader())).collect();
            asking.into_iter().map(|asking| asking.join().expect("no panic")).collect()
        });
        journal.record(GuestTime(0), || What::Reset);
        assert!(readers.iter().all(|reader| reader.drain().count() == 1));
    }

    #[test]
    fn messages_and_modes_in_words() {
        let part = |name: &'static str, asked: &str, answered: &str| Part {
            name: name.into(),
            asked: asked.into(),
            answered: answered.into(),
            ..Part::default()
        };
        let mut message = Message { channel: "test", address: 0x1000, ..Message::default() };
        message.parts = vec![part("set size", "3x4", "3x4"), part("get", "", "1"), part("notify", "", "")];
        message.parts.push(Part { trouble: Some("not known".into()), ..part("tag 0x5", "7", "") });
        assert_eq!(message.to_string(), "test message at 0x00001000: set size 3x4 -> 3x4; get -> 1; notify; tag 0x5 7: not known");
        message.parts.truncate(1);
        (message.parts_left_out, message.trouble) = (9, Some("cut off".into()));
        assert_eq!(message.to_string(), "test message at 0x00001000: set size 3x4 -> 3x4; and 9 more: cut off");

        let (display, ram) = (Display::new(), Arc::new(GuestRam::new(1 << 20).expect("address space")));
        let nothing = Mode::of(&display);
        assert_eq!(nothing.to_string(), "generation 0: no signal");
        let config = ScanoutConfig {
            base: 0x1000,
            pitch: 128,
            physical: (32, 16),
            virtual_size: (32, 32),
            offset: (0, 16),
            depth: Depth::Rgb32,
            order: PixelOrder::Rgb,
            alpha: Alpha::Ignored,
            palette: Arc::new([0; 256]),
            blank: false,
            overscan: Overscan::default(),
        };
        display.publish(Scanout::new(config.clone(), Arc::clone(&ram), None).expect("usable"));
        let first = Mode::of(&display).after(&nothing);
        assert!(first.is_resolution_change());
        assert_eq!(first.to_string(), "generation 1: 32x16 of 32x32 at 0,16, 32 bits Rgb, pitch 128, base 0x00001000 (new: signal)");
        display.publish(Scanout::new(ScanoutConfig { offset: (0, 0), blank: true, ..config }, ram, None).expect("usable"));
        let second = Mode::of(&display).after(&first);
        assert!(!second.is_resolution_change());
        assert_eq!(second.changed, ["offset", "blanking"]);
    }
}
