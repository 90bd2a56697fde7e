//! The host memory that this process has.

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How often it is looked at.
const INTERVAL: Duration = Duration::from_millis(100);

/// Memory of a process, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Resident now.
    pub resident: u64,
    /// Resident at most, so far.
    pub peak: u64,
}

impl Memory {
    /// Of this process. `None` on hosts that do not say.
    pub fn now() -> Option<Self> {
        Self::parse(&std::fs::read_to_string("/proc/self/status").ok()?)
    }

    /// Reads what Linux says of a process (proc_pid_status(5)).
    fn parse(status: &str) -> Option<Self> {
        let kib = |name: &str| {
            let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
            value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
        };
        Some(Self { resident: kib("VmRSS")? << 10, peak: kib("VmHWM")? << 10 })
    }
}

/// Looks at the resident memory until it is dropped: once the machine has ended, its memory is gone.
#[derive(Debug)]
pub struct Watch {
    /// What was seen last, 0 for nothing. Written by the thread, read when it has ended: joining orders it.
    last: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
    stop: Option<Sender<()>>,
}

impl Watch {
    /// Starts to look.
    pub fn start() -> Self {
        let last = Arc::new(AtomicU64::new(0));
        let (stop, stopped) = bounded::<()>(0);
        let seen = Arc::clone(&last);
        let body = move || {
            while let Some(memory) = Memory::now() {
                seen.store(memory.resident, Ordering::Relaxed);
                if stopped.recv_timeout(INTERVAL) != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = std::thread::Builder::new().name("tayberry-memory".into()).spawn(body).ok();
        Self { last, thread, stop: Some(stop) }
    }

    /// The resident bytes when it was looked at last.
    pub fn finish(mut self) -> Option<u64> {
        self.end();
        Some(self.last.load(Ordering::Relaxed)).filter(|&resident| resident != 0)
    }

    fn end(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its only way to fail is a panic, which has been told already.
            let _ = thread.join();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_linux_says_is_read() {
        let status = "Name:\tx\nVmPeak:\t  9000 kB\nVmHWM:\t  2048 kB\nVmRSS:\t    1024 kB\nThreads:\t1\n";
        assert_eq!(Memory::parse(status), Some(Memory { resident: 1 << 20, peak: 2 << 20 }));
        assert_eq!(Memory::parse("VmRSS:\t1 kB\n"), None);
        assert_eq!(Memory::parse("VmRSS:\t1 MB\nVmHWM: 1 kB\n"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_that_is_used_is_counted() {
        const MORE: usize = 64 << 20;
        let before = Memory::now().expect("Linux says");
        let watch = Watch::start();
        let used = std::hint::black_box(vec![1u8; MORE]);
        let after = Memory::now().expect("Linux says");
        assert!(after.resident >= before.resident + MORE as u64 / 2, "{before:?} {after:?}");
        assert!(after.peak >= after.resident);
        assert!(watch.finish().expect("it was looked at") > 0);
        drop(used);
    }
}
