//! The storm's judge: says of any frame whether its size and all its pixels belong to its generation.

use std::time::Instant;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::display::Frame;
use tayberry_guest::storm::{Kinds, mode};

/// Seed of all storms here; the guest's default.
const SEED: u64 = 1;

/// Changes to run: `TAYBERRY_STORM` in the environment, or `default`.
pub fn changes(default: u64) -> u64 {
    std::env::var("TAYBERRY_STORM").ok().and_then(|count| count.parse().ok()).unwrap_or(default)
}

/// The storm guest on a whole board.
pub fn storm_board(clock: ClockMode, count: u64, core: u32, kinds: Kinds) -> Raspi3b {
    let kinds = if kinds == Kinds::Mixed { "mixed" } else { "full" };
    let options = BoardOptions {
        kernel: tayberry_guest::STORM.to_vec(),
        append: Some(format!("storm.count={count} storm.core={core} storm.seed={SEED} storm.kinds={kinds}")),
        mode: clock,
        ..BoardOptions::default()
    };
    Raspi3b::new(options).expect("the storm is a good kernel")
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
