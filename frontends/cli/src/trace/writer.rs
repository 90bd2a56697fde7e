//! The way out of trace lines: a bounded queue and a thread that writes, so that whoever reads the trace never holds the machine up for long.
//!
//! # Who waits
//! A line finds room, or its thread waits for room as long as the reader takes something now and then. A reader that has taken nothing for
//! [`PATIENCE`] loses lines, which are counted, until it takes some again. Files lose none: what writes to them waits.
//!
//! # Orderings
//! Lines are handed over by the queue, which orders their bytes. The counters and flags mean nothing but themselves (`Relaxed`); `closing` is read by the
//! writer after it found the queue empty, and is set (`Release`/`Acquire`) after the last line was put there.

use crossbeam::queue::ArrayQueue;
use crossbeam::sync::{Parker, Unparker};
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Lines that wait at most.
const ROOM: usize = 1 << 14;
/// How long a reader may take nothing.
const PATIENCE: Duration = Duration::from_millis(500);
/// How long the end of a run waits for a reader of what is left.
const LAST_PATIENCE: Duration = Duration::from_secs(2);
/// A look at the queue, whoever does or does not call.
const NAP: Duration = Duration::from_millis(50);

struct Shared {
    queue: ArrayQueue<Vec<u8>>,
    /// Lines that were written.
    written: AtomicU64,
    dropped: AtomicU64,
    /// The reader takes nothing.
    stalled: AtomicBool,
    /// Writing failed: nothing will be written any more.
    failed: AtomicBool,
    closing: AtomicBool,
    /// Nobody waits for the rest any more: the writer leaves it.
    abandoned: AtomicBool,
    /// No line may be lost.
    lossless: bool,
}

/// Where trace lines are put.
#[derive(Clone)]
pub struct Lines {
    shared: Arc<Shared>,
    unparker: Unparker,
}

/// The thread that writes.
pub struct Pump {
    lines: Lines,
    thread: JoinHandle<io::Result<()>>,
}

/// What became of the lines.
#[derive(Debug)]
pub struct Written {
    /// Lines that were lost.
    pub dropped: u64,
    /// What writing says.
    pub result: io::Result<()>,
}

impl Lines {
    /// Puts a line there.
    pub fn put(&self, mut line: Vec<u8>) {
        let shared = &*self.shared;
        let mut waiting: Option<(Instant, u64)> = None;
        loop {
            if shared.failed.load(Relaxed) {
                return;
            }
            match shared.queue.push(line) {
                Ok(()) => break,
                Err(back) => line = back,
            }
            if shared.stalled.load(Relaxed) {
                shared.dropped.fetch_add(1, Relaxed);
                return;
            }
            self.unparker.unpark();
            let written = shared.written.load(Relaxed);
            let (since, then) = *waiting.get_or_insert_with(|| (Instant::now(), written));
            if then != written {
                waiting = None;
            } else if !shared.lossless && since.elapsed() >= PATIENCE {
                shared.stalled.store(true, Relaxed);
            }
            thread::sleep(Duration::from_micros(200));
        }
        self.unparker.unpark();
    }
}

impl Pump {
    /// Starts to write to `out`.
    pub fn start(out: impl Write + Send + 'static, lossless: bool) -> Self {
        let parker = Parker::new();
        let shared = Arc::new(Shared {
            queue: ArrayQueue::new(ROOM),
            written: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
            stalled: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            closing: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            lossless,
        });
        let lines = Lines { shared: Arc::clone(&shared), unparker: parker.unparker().clone() };
        let work = move || {
            let result = write_all(out, &shared, &parker);
            shared.failed.store(result.is_err(), Relaxed);
            result
        };
        let thread = thread::Builder::new().name("tayberry-trace".into()).spawn(work).expect("the host can start a thread");
        Self { lines, thread }
    }

    /// Where lines are put.
    pub fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Writes the rest, as long as somebody reads it.
    pub fn finish(self) -> Written {
        let Self { lines: Lines { shared, unparker }, thread } = self;
        shared.closing.store(true, Release);
        unparker.unpark();
        let (mut since, mut written) = (Instant::now(), shared.written.load(Relaxed));
        while !thread.is_finished() && (shared.lossless || since.elapsed() < LAST_PATIENCE) {
            let now = shared.written.load(Relaxed);
            if now != written {
                (since, written) = (Instant::now(), now);
            }
            thread::sleep(Duration::from_millis(1));
        }
        shared.abandoned.store(true, Relaxed);
        let left = shared.queue.len() as u64;
        // A thread that is stuck in a write ends with the process.
        let result = if thread.is_finished() { thread.join().unwrap_or(Ok(())) } else { Ok(()) };
        Written { dropped: shared.dropped.load(Relaxed) + left, result }
    }
}

/// The thread's work.
fn write_all(mut out: impl Write, shared: &Shared, parker: &Parker) -> io::Result<()> {
    let mut batch = Vec::new();
    loop {
        batch.clear();
        let mut lines = 0;
        while lines < 1024
            && !shared.abandoned.load(Relaxed)
            && let Some(line) = shared.queue.pop()
        {
            batch.extend_from_slice(&line);
            lines += 1;
        }
        if lines > 0 {
            out.write_all(&batch)?;
            shared.written.fetch_add(lines, Relaxed);
            shared.stalled.store(false, Relaxed);
        } else if shared.closing.load(Acquire) {
            if shared.queue.is_empty() || shared.abandoned.load(Relaxed) {
                return out.flush();
            }
        } else {
            parker.park_timeout(NAP);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    /// Keeps what is written; takes nothing while it is locked.
    #[derive(Clone, Default)]
    struct Reader(Arc<Mutex<Vec<u8>>>);

    impl Write for Reader {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().expect("sane").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn all_lines_come_out_in_order() {
        let reader = Reader::default();
        let pump = Pump::start(reader.clone(), false);
        let lines = pump.lines();
        (0..100_000).for_each(|n| lines.put(format!("{n}\n").into_bytes()));
        let written = pump.finish();
        assert!(written.dropped == 0 && written.result.is_ok());
        let expected: String = (0..100_000).map(|n| format!("{n}\n")).collect();
        assert_eq!(*reader.0.lock().expect("sane"), expected.into_bytes());
    }

    #[test]
    fn a_reader_that_takes_nothing_loses_lines_that_are_counted_and_stops_nobody() {
        let reader = Reader::default();
        let held = reader.0.lock().expect("sane");
        let pump = Pump::start(reader.clone(), false);
        let lines = pump.lines();
        let began = Instant::now();
        let count = 4 * ROOM as u64;
        (0..count).for_each(|n| lines.put(format!("{n}\n").into_bytes()));
        assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
        drop(held);
        let dropped = pump.finish().dropped;
        let kept = reader.0.lock().expect("sane").iter().filter(|&&byte| byte == b'\n').count() as u64;
        assert!(dropped > 0, "there was no room for all");
        assert_eq!(kept + dropped, count);
    }

    #[test]
    fn a_file_loses_nothing_however_slow() {
        let reader = Reader::default();
        let held = reader.0.lock().expect("sane");
        let pump = Pump::start(reader.clone(), true);
        let lines = pump.lines();
        let count = 2 * ROOM;
        let putting = thread::spawn(move || (0..count).for_each(|_| lines.put(b"x\n".to_vec())));
        thread::sleep(2 * PATIENCE);
        assert!(!putting.is_finished(), "it waits");
        drop(held);
        putting.join().expect("it goes on");
        assert_eq!(pump.finish().dropped, 0);
        assert_eq!(reader.0.lock().expect("sane").len(), 2 * count);
    }

    #[test]
    fn who_cannot_be_written_to_is_told_of_and_holds_nobody_up() {
        struct Broken;
        impl Write for Broken {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let pump = Pump::start(Broken, true);
        let lines = pump.lines();
        (0..4 * ROOM).for_each(|_| lines.put(b"x\n".to_vec()));
        assert!(pump.finish().result.is_err());
    }
}
