//! A line on the terminal for runs that take their time and show nothing else.

use crossbeam::channel::{RecvTimeoutError, Sender, bounded};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::io::IsTerminal;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tayberry_engine::stats::Stats;

/// Runs shorter than this need no progress.
const PATIENCE: Duration = Duration::from_secs(2);
const INTERVAL: Duration = Duration::from_millis(200);

/// Shows progress until it is dropped.
#[derive(Debug)]
pub struct Progress {
    thread: Option<std::thread::JoinHandle<()>>,
    stop: Option<Sender<()>>,
}

impl Progress {
    /// Shows how far the machine is, if stderr is a terminal. `quiet`: the guest prints on that terminal itself.
    pub fn start(stats: &Arc<Stats>, quiet: bool) -> Self {
        if quiet || !std::io::stderr().is_terminal() {
            return Self { thread: None, stop: None };
        }
        let (stop, stopped) = bounded::<()>(0);
        let stats = Arc::clone(stats);
        let body = move || {
            if stopped.recv_timeout(PATIENCE) != Err(RecvTimeoutError::Timeout) {
                return;
            }
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
                bar.set_style(style);
            }
            let (mut before, mut at) = (stats.total_instructions(), Instant::now());
            while stopped.recv_timeout(INTERVAL) == Err(RecvTimeoutError::Timeout) {
                let (now, instructions) = (Instant::now(), stats.total_instructions());
                let mips = (instructions - before) as f64 / (now - at).as_secs_f64() / 1e6;
                (before, at) = (instructions, now);
                let (guest, frames) = (stats.guest_ns.get() as f64 / 1e9, stats.frames_presented.get());
                bar.set_message(format!("guest time {guest:.1} s, {mips:.0} MIPS, {frames} frames"));
                bar.tick();
            }
            bar.finish_and_clear();
        };
        let thread = std::thread::Builder::new().name("tayberry-progress".into()).spawn(body).ok();
        Self { thread, stop: Some(stop) }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // Its only way to fail is a panic, which has been told already.
            let _ = thread.join();
        }
    }
}
