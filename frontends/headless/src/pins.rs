//! The log of pins: one row for every change of a function or a level.

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use std::io::{self, Write};
use std::thread::{self, JoinHandle};
use std::time::Duration;
use tayberry_engine::pins::{ACT_LED, PinChange, PinListener, function_word};

/// Time between two looks at what has changed.
const LOOK: Duration = Duration::from_millis(2);
/// The first row.
const HEADER: &str = "time_s,pin,function,level,by";

/// A CSV file that is written by a thread of its own while the machine runs. No change is left out: the machine waits where the file is slow.
#[derive(Debug)]
pub struct PinLog {
    thread: JoinHandle<io::Result<()>>,
    end: Sender<()>,
}

fn row(change: &PinChange) -> String {
    let PinChange { guest_ns, pin, function, level, by } = *change;
    let time = format!("{}.{:09}", guest_ns / 1_000_000_000, guest_ns % 1_000_000_000);
    let pin = if pin == ACT_LED { "ACT".to_owned() } else { pin.to_string() };
    format!("{time},{pin},{},{},{}\n", function_word(function), u8::from(level), by.word())
}

impl PinLog {
    /// Starts to write what `listener` hears to `file`.
    ///
    /// # Errors
    /// If the host gives no thread, or the first row cannot be written.
    pub fn start(listener: PinListener, mut file: impl Write + Send + 'static) -> io::Result<Self> {
        writeln!(file, "{HEADER}")?;
        let (end, ends) = bounded(1);
        let write = move || loop {
            let over = !matches!(ends.recv_timeout(LOOK), Err(RecvTimeoutError::Timeout));
            while let Some(change) = listener.next_change() {
                file.write_all(row(&change).as_bytes())?;
            }
            file.flush()?;
            if over {
                return Ok(());
            }
        };
        let thread = thread::Builder::new().name("tayberry-pins".into()).spawn(write)?;
        Ok(Self { thread, end })
    }

    /// Ends the file, once the machine has ended.
    ///
    /// # Errors
    /// If it could not be written.
    pub fn finish(self) -> io::Result<()> {
        let _ = self.end.send(());
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::pins::By;

    #[test]
    fn rows_say_when_which_what_and_by_whom() {
        let change = PinChange { guest_ns: 12_000_345_678, pin: 17, function: 4, level: true, by: By::Outside };
        assert_eq!(row(&change), "12.000345678,17,alt0,1,outside\n");
        let led = PinChange { guest_ns: 5, pin: ACT_LED, function: 1, level: false, by: By::Firmware };
        assert_eq!(row(&led), "0.000000005,ACT,output,0,firmware\n");
    }
}
