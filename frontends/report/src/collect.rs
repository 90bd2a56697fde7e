//! Collecting: what is kept of a run while it runs.

use crate::bounded::HeadTail;
use crate::serial::Port;
use crate::shots::{Album, Chooser, Offer, Shot};
use crate::timeline::{Timeline, Times};
use crossbeam::channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tayberry_engine::display::Frame;
use tayberry_engine::handle::MachineHandle;
use tayberry_engine::journal::{Entry, Message, Mode, Reader, What};
use tayberry_engine::stats::{Stats, Summary};
use tayberry_headless::Observer;

/// Messages that are kept, the first and the last.
const MESSAGES: (usize, usize) = (200, 300);
/// Generations that are kept.
const MODES: (usize, usize) = (200, 300);
/// Resets that are kept.
const RESETS: (usize, usize) = (50, 50);
/// Resolutions that are kept.
const PERIODS: (usize, usize) = (100, 200);
/// Frames whose times are kept one by one; of more, the time line's bins have the bounds.
const MOST_POINTS: usize = 2000;
/// Frames of generations that are not known yet.
const MOST_PENDING: usize = 64;
/// Frames noted that wait to be taken in.
const MOST_NOTES: usize = 4096;
/// Pictures that wait to be made files.
const MOST_OFFERS: usize = 2;
/// How often the journal is looked at.
const NAP: Duration = Duration::from_millis(2);

/// Which time the page's times are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The host's, since the collector was started.
    Host,
    /// The guest's.
    Guest,
}

/// Something of the journal, with its time and its place among all.
#[derive(Debug)]
pub struct Event<T> {
    /// Time in nanoseconds.
    pub at_ns: u64,
    /// Its place.
    pub order: u64,
    /// What it is.
    pub what: T,
}

/// A time in which the screen had one resolution.
#[derive(Debug)]
pub struct Period {
    /// Its begin.
    pub from_ns: u64,
    /// Its end, once there is one.
    pub to_ns: Option<u64>,
    /// Width, height and depth; `None` without a signal.
    pub mode: Option<(u32, u32, u32)>,
    /// The first generation.
    pub first: u64,
    /// The last one.
    pub last: u64,
    /// Frames presented.
    pub frames: u64,
}

/// What is kept of a run.
#[derive(Debug)]
pub struct Recording {
    pub(crate) axis: Axis,
    pub(crate) end_ns: u64,
    pub(crate) messages: HeadTail<Event<Message>>,
    pub(crate) modes: HeadTail<Event<Mode>>,
    pub(crate) resets: HeadTail<Event<()>>,
    pub(crate) periods: HeadTail<Period>,
    pub(crate) ports: [Port; 2],
    pub(crate) timeline: Timeline,
    pub(crate) album: Album,
    /// Time and duration of each look that drew a frame, until there are too many.
    pub(crate) points: Option<Vec<(u64, u64)>>,
    pub(crate) render: Summary,
    /// Entries of the journal that were lost.
    pub(crate) lost: u64,
    /// Pictures that could not be made a file.
    pub(crate) bad_pictures: u64,
}

/// A frame that was presented.
#[derive(Debug)]
struct Note {
    at_ns: u64,
    generation: u64,
    render: Times,
}

/// Listens to a machine.
#[derive(Debug)]
pub struct Collector {
    thread: JoinHandle<Recording>,
    /// Dropped to end it.
    stop: Sender<()>,
}

impl Collector {
    /// Starts to listen, before the machine starts. The observer is to be called with every frame that is presented, and dropped before
    /// [`Collector::finish`].
    ///
    /// # Panics
    /// If the host cannot start a thread.
    pub fn start(handle: &MachineHandle, axis: Axis) -> (Self, Observer) {
        let (stop, stopped) = bounded(0);
        let (notes, noted) = bounded(MOST_NOTES);
        let (offers, offered) = bounded(MOST_OFFERS);
        let mut frames = Frames { notes, offers, chooser: Chooser::default(), stats: Arc::clone(&handle.stats), axis, drawn: (0, 0) };
        let listener = Listener {
            recording: Recording::new(axis),
            journal: handle.journal(),
            stats: Arc::clone(&handle.stats),
            noted,
            offered,
            started: Instant::now(),
            pending: Vec::new(),
            dropped: 0,
            order: 0,
        };
        let thread = std::thread::Builder::new().name("tayberry-report".into()).spawn(move || listener.listen(&stopped));
        (Self { thread: thread.expect("the host can start a thread"), stop }, Box::new(move |frame, at_ns| frames.take(frame, at_ns)))
    }

    /// What was collected of a machine that has ended after `wall`.
    ///
    /// # Panics
    /// If the collector's thread did.
    pub fn finish(self, wall: Duration) -> Recording {
        drop(self.stop);
        let mut recording = self.thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if recording.axis == Axis::Host {
            recording.end_ns = recording.end_ns.max(wall.as_nanos() as u64);
        }
        recording
    }
}

/// The side of whoever draws.
struct Frames {
    notes: Sender<Note>,
    offers: Sender<Offer>,
    chooser: Chooser,
    stats: Arc<Stats>,
    axis: Axis,
    /// Count and sum of render times so far.
    drawn: (u64, u64),
}

impl Frames {
    fn take(&mut self, frame: &Frame, at_ns: u64) {
        let Summary { count, total, .. } = self.stats.render.summary();
        let render = Times::of(count.saturating_sub(self.drawn.0), total.saturating_sub(self.drawn.1));
        self.drawn = (count, total);
        let _ = self.notes.send(Note { at_ns, generation: frame.generation, render });
        for offer in self.chooser.frame(frame, at_ns).into_iter().flatten() {
            self.offer(offer);
        }
    }

    /// A window does not wait for a file to be made, unless the picture is the only one of its mode.
    fn offer(&self, offer: Offer) {
        if offer.ends_mode || self.axis == Axis::Guest {
            let _ = self.offers.send(offer);
        } else {
            let _ = self.offers.try_send(offer);
        }
    }
}

impl Drop for Frames {
    fn drop(&mut self) {
        if let Some(last) = self.chooser.end() {
            self.offer(last);
        }
    }
}

struct Listener {
    recording: Recording,
    journal: Reader,
    stats: Arc<Stats>,
    noted: Receiver<Note>,
    offered: Receiver<Offer>,
    started: Instant,
    /// Generations of frames that came before the journal told of them.
    pending: Vec<u64>,
    /// Frames dropped so far.
    dropped: u64,
    order: u64,
}

impl Listener {
    fn listen(mut self, stopped: &Receiver<()>) -> Recording {
        while stopped.try_recv() != Err(TryRecvError::Disconnected) {
            self.take_in();
            match self.offered.recv_timeout(NAP) {
                Ok(offer) => self.recording.photograph(&offer),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => std::thread::sleep(NAP),
            }
        }
        self.take_in();
        while let Ok(offer) = self.offered.try_recv() {
            self.recording.photograph(&offer);
        }
        self.finish()
    }

    fn now_ns(&self) -> u64 {
        match self.recording.axis {
            Axis::Host => self.started.elapsed().as_nanos() as u64,
            Axis::Guest => self.stats.guest_ns.get(),
        }
    }

    fn take_in(&mut self) {
        let taken: Vec<Arc<Entry>> = self.journal.drain().collect();
        for entry in taken {
            self.order += 1;
            let at_ns = match self.recording.axis {
                Axis::Host => entry.host.saturating_duration_since(self.started).as_nanos() as u64,
                Axis::Guest => entry.guest_ns,
            };
            self.recording.event(&entry.what, at_ns, self.order);
        }
        let known = self.recording.periods.last_mut().map_or(0, |period| period.last);
        for generation in self.pending.extract_if(.., |generation| *generation <= known) {
            self.recording.count_frame(generation);
        }
        while let Ok(note) = self.noted.try_recv() {
            self.recording.frame(&note);
            if note.generation <= known || self.pending.len() >= MOST_PENDING {
                self.recording.count_frame(note.generation);
            } else {
                self.pending.push(note.generation);
            }
        }
        let dropped = self.stats.frames_dropped_stale.get();
        if dropped != self.dropped {
            let now = self.now_ns();
            self.recording.timeline.at(now).dropped += dropped.saturating_sub(self.dropped);
            self.dropped = dropped;
        }
    }

    fn finish(mut self) -> Recording {
        let guest_ns = self.stats.guest_ns.get();
        let mut recording = self.recording;
        self.pending.drain(..).for_each(|generation| recording.count_frame(generation));
        if recording.axis == Axis::Guest {
            recording.end_ns = recording.end_ns.max(guest_ns);
        }
        recording.render = self.stats.render.summary();
        recording.lost = self.journal.dropped();
        recording
    }
}

impl Recording {
    fn new(axis: Axis) -> Self {
        let mut periods = HeadTail::new(PERIODS.0, PERIODS.1);
        periods.push(Period { from_ns: 0, to_ns: None, mode: None, first: 0, last: 0, frames: 0 });
        Self {
            axis,
            end_ns: 0,
            messages: HeadTail::new(MESSAGES.0, MESSAGES.1),
            modes: HeadTail::new(MODES.0, MODES.1),
            resets: HeadTail::new(RESETS.0, RESETS.1),
            periods,
            ports: Default::default(),
            timeline: Timeline::default(),
            album: Album::default(),
            points: Some(Vec::new()),
            render: Summary::default(),
            lost: 0,
            bad_pictures: 0,
        }
    }

    fn event(&mut self, what: &What, at_ns: u64, order: u64) {
        self.end_ns = self.end_ns.max(at_ns);
        let bin = self.timeline.at(at_ns);
        match what {
            What::Message(message) => {
                bin.messages += 1;
                self.messages.push(Event { at_ns, order, what: message.clone() });
            }
            What::Mode(mode) => {
                bin.generations += 1;
                self.resolution(mode, at_ns);
                self.modes.push(Event { at_ns, order, what: mode.clone() });
            }
            What::Serial { port, bytes } => {
                bin.serial += bytes.len() as u64;
                if let Some(port) = self.ports.get_mut(*port) {
                    port.take(bytes, at_ns, order);
                }
            }
            What::Reset => {
                bin.resets += 1;
                self.resets.push(Event { at_ns, order, what: () });
            }
            _ => {}
        }
    }

    /// A new generation: of the same resolution, or of another.
    fn resolution(&mut self, new: &Mode, at_ns: u64) {
        let mode = new.config.as_ref().map(|config| (config.physical.0, config.physical.1, config.depth.bits()));
        match self.periods.last_mut() {
            Some(period) if period.mode == mode => period.last = new.generation,
            last => {
                if let Some(period) = last {
                    period.to_ns = Some(at_ns);
                }
                self.periods.push(Period { from_ns: at_ns, to_ns: None, mode, first: new.generation, last: new.generation, frames: 0 });
            }
        }
    }

    fn count_frame(&mut self, generation: u64) {
        if let Some(period) = self.periods.newest_first_mut().find(|period| period.first <= generation) {
            period.frames += 1;
        }
    }

    fn frame(&mut self, note: &Note) {
        self.end_ns = self.end_ns.max(note.at_ns);
        let bin = self.timeline.at(note.at_ns);
        bin.presented += 1;
        bin.render = bin.render.and(note.render);
        if self.points.as_ref().is_some_and(|points| points.len() >= MOST_POINTS) {
            self.points = None;
        }
        if let Some(points) = &mut self.points
            && note.render.count > 0
        {
            points.push((note.at_ns, note.render.max));
        }
    }

    fn photograph(&mut self, offer: &Offer) {
        match Shot::new(offer) {
            Ok(shot) => self.album.add(shot),
            Err(_) => self.bad_pictures += 1,
        }
    }
}
