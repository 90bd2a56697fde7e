//! The viewer: draws on a thread of its own what the guest shows.

use crate::picture::Picture;
use crate::recorder::Recorder;
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, bounded, select};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tayberry_engine::display::{Meter, Outcome, Renderer};
use tayberry_engine::handle::{FrameClock, MachineHandle};

/// Time between two looks at the screen unless told otherwise: 60 Hz.
pub const FRAME_TIME: Duration = Duration::from_nanos(tayberry_engine::VSYNC_NS);

/// Looks at the screen at the end of a run, should it be drawn on from elsewhere even then.
const LAST_LOOKS: usize = 4;

/// When frames are drawn.
#[derive(Debug)]
pub enum Pace {
    /// By the host's time, at the frontend's own rate; the log's times are the host's since the frontend started.
    Host,
    /// At the clock's beats, the machine waiting meanwhile; the log's times are the guest's. The same deterministic run draws the same frames.
    Guest(FrameClock),
}

/// A viewer at work.
#[derive(Debug)]
pub struct Viewer {
    thread: JoinHandle<Viewed>,
    /// Dropped to end it.
    stop: Sender<()>,
}

/// What a viewer has at the end.
#[derive(Debug)]
pub struct Viewed {
    /// The last frame as the screen shows it: black without a signal.
    pub picture: Picture,
    /// The recorder.
    pub recorder: Recorder,
}

/// How many threads a renderer is to use on this host: few, since the guest's cores need most of them.
pub fn render_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get().div_ceil(2)).min(4)
}

impl Viewer {
    /// Starts to view; `period` is the time between two looks with [`Pace::Host`]. With [`Pace::Guest`] the frame clock must have been asked for
    /// before the machine starts.
    ///
    /// # Panics
    /// If the host cannot start a thread.
    pub fn start(handle: &MachineHandle, pace: Pace, period: Duration, recorder: Recorder) -> Self {
        let (stop, stopped) = bounded(0);
        let view = View { handle: handle.clone(), renderer: Renderer::new(render_threads()), meter: Meter::new(), recorder };
        let body = move || match pace {
            Pace::Host => view.at_host_pace(period, &stopped),
            Pace::Guest(clock) => view.at_guest_pace(&clock, &stopped),
        };
        let thread = std::thread::Builder::new().name("tayberry-viewer".into()).spawn(body).expect("the host can start a thread");
        Self { thread, stop }
    }

    /// Draws once more and hands out what it has. The machine must have ended.
    ///
    /// # Panics
    /// If the viewer's thread did.
    pub fn finish(self) -> Viewed {
        drop(self.stop);
        self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}

struct View {
    handle: MachineHandle,
    renderer: Renderer,
    meter: Meter,
    recorder: Recorder,
}

impl View {
    fn at_host_pace(mut self, period: Duration, stopped: &Receiver<()>) -> Viewed {
        let started = Instant::now();
        let since = || started.elapsed().as_nanos() as u64;
        let mut next = started;
        while stopped.recv_deadline(next) == Err(RecvTimeoutError::Timeout) {
            self.draw(since());
            // After a slow frame the beat starts anew: frames that were missed are not made up for.
            next = (next + period).max(Instant::now());
        }
        self.last(since())
    }

    fn at_guest_pace(mut self, clock: &FrameClock, stopped: &Receiver<()>) -> Viewed {
        loop {
            select! {
                recv(clock.vsync) -> vsync => {
                    let Ok(vsync) = vsync else { break };
                    self.draw(vsync.guest_ns);
                    clock.done();
                }
                recv(stopped) -> _ => break,
            }
        }
        let time_ns = self.handle.stats.guest_ns.get();
        self.last(time_ns)
    }

    fn draw(&mut self, time_ns: u64) {
        let stats = &self.handle.stats;
        if self.meter.render(&mut self.renderer, &self.handle.display, stats) == Outcome::Presented {
            self.meter.presented(self.renderer.frame(), stats);
            self.recorder.frame(self.renderer.frame(), time_ns);
        }
    }

    fn last(mut self, time_ns: u64) -> Viewed {
        let picture = final_picture(&mut self.renderer, &mut self.meter, &self.handle, &mut self.recorder, time_ns);
        Viewed { picture, recorder: self.recorder }
    }
}

/// Draws what the screen of a machine that has ended shows, and records it if it is new. It is the recorder's last frame.
pub fn final_picture(renderer: &mut Renderer, meter: &mut Meter, handle: &MachineHandle, recorder: &mut Recorder, time_ns: u64) -> Picture {
    for _ in 0..LAST_LOOKS {
        let outcome = meter.render(renderer, &handle.display, &handle.stats);
        if outcome == Outcome::Presented {
            meter.presented(renderer.frame(), &handle.stats);
            recorder.frame(renderer.frame(), time_ns);
        }
        if outcome != Outcome::Stale {
            break;
        }
    }
    recorder.end(renderer.frame(), time_ns);
    renderer.frame().into()
}
