//! Serial ports to files and streams.

use crossbeam::channel::Receiver;
use std::io::{self, ErrorKind, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Bytes that are written at a time: what a reader must take to count as one that reads.
const PART: usize = 4096;
/// How often the end of a writer is looked for.
const NAP: Duration = Duration::from_millis(2);

/// Takes what a guest prints on one serial port to a writer, on a thread of its own, until the machine has ended.
#[derive(Debug)]
pub struct SerialPump {
    thread: JoinHandle<Result<(), SerialError>>,
    /// Pieces written: only ever grows, written by the thread, read by whoever waits for it, and means nothing but itself (`Relaxed`).
    written: Arc<AtomicU64>,
}

/// Why output was lost.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// Whoever read it has gone.
    #[error("nobody reads it any more")]
    Closed,
    /// Writing failed.
    #[error("{0}")]
    Io(io::Error),
}

impl SerialPump {
    /// Starts to take bytes from `port` to `out`. After an error the rest is thrown away: the guest is never held up by it.
    ///
    /// # Panics
    /// If the host cannot start a thread.
    pub fn start(port: Receiver<Vec<u8>>, out: impl Write + Send + 'static) -> Self {
        let written = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&written);
        let body = move || {
            let result = copy(&port, out, &count).map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => SerialError::Closed,
                _ => SerialError::Io(error),
            });
            port.iter().for_each(drop);
            result
        };
        let thread = std::thread::Builder::new().name("tayberry-serial".into()).spawn(body).expect("the host can start a thread");
        Self { thread, written }
    }

    /// Waits until everything is written. The machine must have ended. A writer that has not got anything done for the time that `patience` gives
    /// (asked again and again; none: for ever) is left alone.
    ///
    /// # Errors
    /// The first error of the writer; [`SerialError::Closed`] for one that was left alone.
    ///
    /// # Panics
    /// If the writer did.
    pub fn finish(self, patience: impl Fn() -> Option<Duration>) -> Result<(), SerialError> {
        let (mut seen, mut since) = (self.written.load(Ordering::Relaxed), Instant::now());
        while !self.thread.is_finished() {
            std::thread::sleep(NAP);
            let written = self.written.load(Ordering::Relaxed);
            if written != seen {
                (seen, since) = (written, Instant::now());
            }
            if patience().is_some_and(|patience| since.elapsed() >= patience) {
                return Err(SerialError::Closed);
            }
        }
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn copy(port: &Receiver<Vec<u8>>, mut out: impl Write, written: &AtomicU64) -> io::Result<()> {
    let write = |out: &mut dyn Write, bytes: &[u8]| {
        for part in bytes.chunks(PART) {
            out.write_all(part)?;
            written.fetch_add(1, Ordering::Relaxed);
        }
        io::Result::Ok(())
    };
    while let Ok(bytes) = port.recv() {
        write(&mut out, &bytes)?;
        // What has piled up meanwhile goes out with it.
        for bytes in port.try_iter().take(256) {
            write(&mut out, &bytes)?;
        }
        out.flush()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crossbeam::channel::unbounded;

    struct Failing(ErrorKind);

    impl Write for Failing {
        fn write(&mut self, _: &[u8]) -> io::Result<usize> {
            Err(self.0.into())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_arrives_before_the_end() {
        let path = std::env::temp_dir().join(format!("tayberry-serial-{}", std::process::id()));
        let (sender, port) = unbounded();
        let pump = SerialPump::start(port, std::fs::File::create(&path).expect("a file"));
        for part in ["Hello", ", ", "world"] {
            sender.send(part.as_bytes().to_vec()).expect("the pump listens");
        }
        drop(sender);
        pump.finish(|| None).expect("no error");
        assert_eq!(std::fs::read(&path).expect("the file"), b"Hello, world");
        std::fs::remove_file(path).expect("the file");
    }

    #[test]
    fn a_failing_writer_holds_nobody_up() {
        for (kind, closed) in [(ErrorKind::BrokenPipe, true), (ErrorKind::StorageFull, false)] {
            let (sender, port) = unbounded();
            let pump = SerialPump::start(port, Failing(kind));
            for _ in 0..1000 {
                sender.send(vec![b'x']).expect("the pump goes on taking");
            }
            drop(sender);
            assert_eq!(matches!(pump.finish(|| None), Err(SerialError::Closed)), closed);
        }
    }

    #[test]
    fn a_writer_that_hangs_is_left_alone_and_a_slow_one_is_not() {
        struct Slow(Duration);
        impl Write for Slow {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                std::thread::sleep(self.0);
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        for (pace, left) in [(Duration::from_millis(20), false), (Duration::from_secs(30), true)] {
            let (sender, port) = unbounded();
            let pump = SerialPump::start(port, Slow(pace));
            sender.send(vec![b'x'; 20 * PART]).expect("the pump listens");
            drop(sender);
            let result = pump.finish(|| Some(Duration::from_millis(300)));
            assert_eq!(matches!(result, Err(SerialError::Closed)), left, "{result:?}");
        }
    }
}
