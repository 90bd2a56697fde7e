//! The storm's judge: says of any frame whether its size and all its pixels belong to its generation.

mod memory;

pub use memory::Watch;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::display::Frame;
use tayberry_engine::handle::MachineHandle;
use tayberry_guest::storm::{Kinds, mode};
use tayberry_headless::{FRAME_TIME, FrameLog, Pace, Recorder, Viewer};

/// Seed of all storms here; the guest's default.
const SEED: u64 = 1;

/// Changes to run: `TAYBERRY_STORM` in the environment, or `default`.
pub fn changes(default: u64) -> u64 {
    std::env::var("TAYBERRY_STORM").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

/// Which cores storm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Crowd {
    /// One, by number.
    One(u32),
    /// All four, each with messages of its own, with or without a lock around the mailbox.
    Four { lock: bool },
}

/// The storm guest on a whole board.
pub fn storm_board(clock: ClockMode, count: u64, crowd: Crowd, kinds: Kinds) -> Raspi3b {
    let kinds = if kinds == Kinds::Mixed { "mixed" } else { "full" };
    let crowd = match crowd {
        Crowd::One(core) => format!("storm.core={core}"),
        Crowd::Four { lock } => format!("storm.cores=4 storm.lock={}", u32::from(lock)),
    };
    let mut options = BoardOptions {
        kernel: tayberry_guest::STORM.to_vec(),
        append: Some(format!("storm.count={count} {crowd} storm.seed={SEED} storm.kinds={kinds}")),
        mode: clock,
        ..BoardOptions::default()
    };
    // A sanitizer does not see what translated code does.
    if cfg!(tayberry_tsan) {
        options.jit = None;
    }
    Raspi3b::new(options).expect("the storm is a good kernel")
}

/// A viewer with a log of frames, and a judge who sees each of them.
pub fn judged_viewer(handle: &MachineHandle, kinds: Kinds) -> (Viewer, Arc<Mutex<Judge>>) {
    let judge = Arc::new(Mutex::new(Judge::new(kinds)));
    let theirs = Arc::clone(&judge);
    let mut recorder = Recorder::new(Some(FrameLog::new(Box::new(std::io::sink())).expect("a sink takes all")), None);
    recorder.observer = Some(Box::new(move |frame: &_, _| theirs.lock().expect("the judge is sane").look(frame)));
    (Viewer::start(handle, Pace::Host, FRAME_TIME, recorder), judge)
}

/// Panics unless, by what the guest printed, each of its messages was answered exactly once.
pub fn judge_mail(crowd: Crowd, serial: &str) {
    let summary = serial.lines().rev().find(|line| line.contains(" answers, ")).expect("the guest sums up");
    println!("{summary}");
    let words: Vec<&str> = summary.split_whitespace().collect();
    assert_eq!(words[1], words[3], "a message, an answer: {summary}");
    assert!(summary.ends_with("0 doubled, 0 lost, 0 stray, 0 wrong; the mailbox is quiet"), "{summary}");
    if let Crowd::Four { .. } = crowd {
        let posted = |core: u32| serial.contains(&format!("storm: core {core}: "));
        assert!((0..4).all(posted), "all cores took part: {serial}");
    }
}

/// A pixel of 24 bits may lie in two words, of which the guest has painted one: each component is its generation's or still black.
fn half_painted(pixel: &[u8], colour: [u8; 4]) -> bool {
    pixel.iter().zip(colour).all(|(&component, painted)| component == painted || component == 0)
}

/// Looks at every frame presented.
pub struct Judge {
    kinds: Kinds,
    pub frames: u64,
    /// Frames that the guest had painted completely.
    pub painted: u64,
    pub wrong: Vec<String>,
    last: Instant,
    /// Longest time between two frames, seconds.
    pub longest_gap: f64,
}

impl Judge {
    pub fn new(kinds: Kinds) -> Self {
        Self { kinds, frames: 0, painted: 0, wrong: Vec::new(), last: Instant::now(), longest_gap: 0.0 }
    }

    /// A frame's size is its generation's, and each pixel is that generation's colour, or black where the guest has not painted yet.
    pub fn look(&mut self, frame: &Frame) {
        let expected = mode(SEED, frame.generation, self.kinds);
        self.longest_gap = self.longest_gap.max(self.last.elapsed().as_secs_f64());
        self.last = Instant::now();
        self.frames += 1;
        if (frame.width, frame.height) != (expected.width, expected.height) {
            self.wrong.push(format!(
                "generation {}: {}x{} in place of {}x{}",
                frame.generation, frame.width, frame.height, expected.width, expected.height
            ));
            return;
        }
        let [_, red, green, blue] = expected.colour_rgb.to_be_bytes();
        let (colour, black) = ([red, green, blue, 0xff], [0, 0, 0, 0xff]);
        let (mut painted, mut foreign) = (0, None);
        for pixel in frame.pixels.chunks_exact(4) {
            if pixel == colour {
                painted += 1;
            } else if pixel != black && !(expected.depth == 24 && half_painted(pixel, colour)) {
                foreign = Some(pixel);
            }
        }
        if let Some(pixel) = foreign {
            self.wrong.push(format!("generation {}: a pixel {pixel:02x?} in a frame of {colour:02x?}", frame.generation));
        }
        self.painted += u64::from(painted == frame.width as usize * frame.height as usize);
    }

    /// Panics unless all is well after a storm of `count` changes that took `seconds` and printed `serial`.
    pub fn verdict(&self, count: u64, seconds: f64, serial: &str) {
        println!(
            "{count} mode changes in {seconds:.2} s, {} frames presented ({:.0} a second, longest gap {:.0} ms), {} painted whole",
            self.frames,
            self.frames as f64 / seconds,
            self.longest_gap * 1000.0,
            self.painted,
        );
        assert!(self.wrong.is_empty(), "{} wrong frames, such as {}", self.wrong.len(), self.wrong[0]);
        assert!(serial.contains(&format!("storm: {count} changes, 0 wrong replies")), "the guest said: {serial}");
        assert!(self.frames as f64 >= 10.0 * seconds.floor(), "at least ten frames a second");
        assert!(self.frames > 0 && self.painted > 0, "some frames were seen");
    }
}
