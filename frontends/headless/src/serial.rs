//! Serial ports to files and streams.

use crossbeam::channel::Receiver;
use std::io::{self, ErrorKind, Write};
use std::thread::JoinHandle;

/// Takes what a guest prints on one serial port to a writer, on a thread of its own, until the machine has ended.
#[derive(Debug)]
pub struct SerialPump {
    thread: JoinHandle<Result<(), SerialError>>,
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
        let body = move || {
            let result = copy(&port, out).map_err(|error| match error.kind() {
                ErrorKind::BrokenPipe => SerialError::Closed,
                _ => SerialError::Io(error),
            });
            port.iter().for_each(drop);
            result
        };
        let thread = std::thread::Builder::new().name("tayberry-serial".into()).spawn(body).expect("the host can start a thread");
        Self { thread }
    }

    /// Waits until everything is written. The machine must have ended.
    ///
    /// # Errors
    /// The first error of the writer.
    ///
    /// # Panics
    /// If the writer did.
    pub fn finish(self) -> Result<(), SerialError> {
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

fn copy(port: &Receiver<Vec<u8>>, mut out: impl Write) -> io::Result<()> {
    while let Ok(bytes) = port.recv() {
        out.write_all(&bytes)?;
        // What has piled up meanwhile goes out with it.
        for bytes in port.try_iter().take(256) {
            out.write_all(&bytes)?;
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
        pump.finish().expect("no error");
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
            assert_eq!(matches!(pump.finish(), Err(SerialError::Closed)), closed);
        }
    }
}
