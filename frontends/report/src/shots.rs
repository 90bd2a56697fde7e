//! Screenshots over the whole run, in bounded number.

use std::io;
use tayberry_engine::display::Frame;
use tayberry_headless::Picture;

/// Screenshots on a page.
pub const MOST_SHOTS: usize = 64;
/// Size of a screenshot, at most.
const LARGE: (u32, u32) = (640, 480);
/// Size of one that is large as a file even so.
const SMALL: (u32, u32) = (320, 240);
/// Size of a miniature for the time line.
const TINY: (u32, u32) = (120, 90);
/// Bytes of a file that is not too large.
const LARGE_FILE: usize = 160 << 10;
/// As long as there are fewer, every picture offered is taken.
const PLENTY: usize = MOST_SHOTS / 2;
/// Pictures are taken no closer than this part of the time so far...
const PART: u64 = 2 * MOST_SHOTS as u64;
/// ...and, between changes of the mode, not more often than this, in nanoseconds.
const BEAT: u64 = 100_000_000;
/// A picture that shows a mode counts as much as this many others where some must go.
const MODE_WEIGHT: u64 = 4;

/// Size in pixels and bits per pixel.
pub type Mode = (u32, u32, u32);

/// A picture to be taken.
#[derive(Debug)]
pub struct Offer {
    /// When it was on the screen.
    pub at_ns: u64,
    /// Its generation.
    pub generation: u64,
    /// Its mode.
    pub mode: Mode,
    /// It is the last one of its mode before another.
    pub ends_mode: bool,
    /// The picture.
    pub picture: Picture,
}

/// A screenshot.
#[derive(Debug)]
pub struct Shot {
    /// When it was on the screen.
    pub at_ns: u64,
    /// Its generation.
    pub generation: u64,
    /// Its mode.
    pub mode: Mode,
    /// It is the last one of its mode before another, or of the run.
    pub ends_mode: bool,
    /// A PNG file.
    pub png: Vec<u8>,
    /// A small one.
    pub tiny: Vec<u8>,
}

impl Shot {
    /// Makes a file of a picture.
    ///
    /// # Errors
    /// What the encoder says.
    pub fn new(offer: &Offer) -> io::Result<Self> {
        let tiny = encode(&offer.picture.shrunk_to(TINY))?;
        let mut png = encode(&offer.picture.shrunk_to(LARGE))?;
        if png.len() > LARGE_FILE {
            png = encode(&offer.picture.shrunk_to(SMALL))?;
        }
        Ok(Self { at_ns: offer.at_ns, generation: offer.generation, mode: offer.mode, ends_mode: offer.ends_mode, png, tiny })
    }
}

fn encode(picture: &Picture) -> io::Result<Vec<u8>> {
    let mut file = Vec::new();
    picture.write_png(&mut file)?;
    Ok(file)
}

/// The screenshots of a run, in the order of their times.
#[derive(Debug, Default)]
pub struct Album(Vec<Shot>);

impl Album {
    /// Adds one; where there are too many, the one goes that is missed least: the nearest to its neighbours, those that end a mode last.
    pub fn add(&mut self, shot: Shot) {
        let place = self.0.partition_point(|other| other.at_ns <= shot.at_ns);
        self.0.insert(place, shot);
        if self.0.len() <= MOST_SHOTS {
            return;
        }
        // The first and the last one stay.
        let missed = |at: &usize| {
            let gap = self.0[at + 1].at_ns.saturating_sub(self.0[at - 1].at_ns);
            if self.0[*at].ends_mode { gap.saturating_mul(MODE_WEIGHT) } else { gap }
        };
        let least = (1..self.0.len() - 1).min_by_key(missed);
        self.0.remove(least.unwrap_or(0));
    }

    /// Them.
    pub fn shots(&self) -> &[Shot] {
        &self.0
    }
}

/// Chooses the frames that are worth a picture, where they are drawn.
#[derive(Debug, Default)]
pub struct Chooser {
    /// The frame on the screen, as a whole.
    current: Option<Current>,
    taken: usize,
    last_ns: u64,
    /// Modes that were taken.
    modes: Vec<Mode>,
}

#[derive(Debug)]
struct Current {
    at_ns: u64,
    generation: u64,
    mode: Mode,
    picture: Picture,
    /// It was offered as it is.
    is_taken: bool,
}

impl Current {
    fn offer(&self, ends_mode: bool) -> Offer {
        Offer { at_ns: self.at_ns, generation: self.generation, mode: self.mode, ends_mode, picture: self.picture.clone() }
    }
}

impl Chooser {
    /// Takes a frame, and says what is to be taken: the last frame of the mode before, this one, or both.
    pub fn frame(&mut self, frame: &Frame, at_ns: u64) -> [Option<Offer>; 2] {
        let mode = (frame.width, frame.height, frame.depth);
        let last_of_mode = match &self.current {
            Some(current) if current.mode != mode => self.end_mode(at_ns),
            _ => None,
        };
        match &mut self.current {
            Some(current) if current.mode == mode => {
                current.picture.pixels.copy_from_slice(&frame.pixels);
                (current.at_ns, current.generation, current.is_taken) = (at_ns, frame.generation, false);
            }
            current => *current = Some(Current { at_ns, generation: frame.generation, mode, picture: frame.into(), is_taken: false }),
        }
        let since = at_ns.saturating_sub(self.last_ns);
        let is_due = self.taken == 0 || since >= BEAT.max(at_ns / PART);
        [last_of_mode, is_due.then(|| self.take(false)).flatten()]
    }

    /// The frame that is on the screen at the end of the run.
    pub fn end(&mut self) -> Option<Offer> {
        self.take(true)
    }

    /// The mode ends at `at_ns`.
    fn end_mode(&mut self, at_ns: u64) -> Option<Offer> {
        let mode = self.current.as_ref()?.mode;
        let is_new = self.modes.len() < PLENTY && !self.modes.contains(&mode);
        let is_due = at_ns.saturating_sub(self.last_ns) >= at_ns / PART;
        if !(is_new || self.taken < PLENTY || is_due) {
            return None;
        }
        if is_new {
            self.modes.push(mode);
        }
        self.take(true)
    }

    fn take(&mut self, ends_mode: bool) -> Option<Offer> {
        let current = self.current.as_mut().filter(|current| !current.is_taken)?;
        current.is_taken = true;
        self.taken += 1;
        self.last_ns = current.at_ns;
        Some(current.offer(ends_mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(generation: u64, width: u32, colour: u8) -> Frame {
        let pixels = [colour, 0, 0, 0xFF].repeat(width as usize).into();
        Frame { generation, width, height: 1, depth: 32, pixels, changed: 0..1, published_at: None }
    }

    const MS: u64 = 1_000_000;

    #[test]
    fn the_first_frame_the_last_of_each_mode_and_some_between_are_taken() {
        let mut chooser = Chooser::default();
        let mut taken = Vec::new();
        let frames = [(0, 1, 8, 1), (10, 2, 8, 2), (20, 3, 4, 3), (130, 4, 4, 4), (140, 5, 4, 5)];
        for (ms, generation, width, colour) in frames {
            taken.extend(chooser.frame(&frame(generation, width, colour), ms * MS).into_iter().flatten());
        }
        taken.extend(chooser.end());
        assert!(chooser.end().is_none(), "it was taken");
        let seen: Vec<_> =
            taken.iter().map(|offer| (offer.at_ns / MS, offer.mode.0, offer.picture.rgb(0, 0)[0], offer.ends_mode)).collect();
        assert_eq!(seen, [(0, 8, 1, false), (10, 8, 2, true), (130, 4, 4, false), (140, 4, 5, true)]);
    }

    #[test]
    fn a_storm_of_modes_is_thinned() {
        let mut chooser = Chooser::default();
        let mut taken = 0;
        for at in 0..60_000u64 {
            taken += chooser.frame(&frame(at, 8 + at as u32 % 2, 0), at * 16 * MS).into_iter().flatten().count();
        }
        assert!((200..2000).contains(&taken), "{taken} pictures in 16 minutes");
    }

    #[test]
    fn those_that_are_left_are_spread_over_the_run() {
        let mut album = Album::default();
        for at in 0..1000u64 {
            let ends_mode = at % 100 == 50;
            album.add(Shot { at_ns: at * MS, generation: at, mode: (1, 1, 8), ends_mode, png: Vec::new(), tiny: Vec::new() });
        }
        let times: Vec<u64> = album.shots().iter().map(|shot| shot.at_ns / MS).collect();
        assert_eq!((times.len(), times[0], times[MOST_SHOTS - 1]), (MOST_SHOTS, 0, 999));
        assert!(times.windows(2).all(|two| two[1] - two[0] <= 80), "{times:?}");
        assert_eq!(album.shots().iter().filter(|shot| shot.ends_mode).count(), 10, "{times:?}");
    }

    #[test]
    fn large_pictures_are_made_small() {
        let mut noise = Picture::filled(1920, 1080, [0; 3]);
        let mut state = 1u32;
        for pixel in noise.pixels.chunks_exact_mut(4) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            pixel[..3].copy_from_slice(&state.to_be_bytes()[..3]);
        }
        let offer = |picture| Offer { at_ns: 0, generation: 0, mode: (1920, 1080, 32), ends_mode: false, picture };
        let size = |shot: Shot| {
            let picture = png::Decoder::new(io::Cursor::new(shot.png)).read_info().expect("a picture");
            (picture.info().width, picture.info().height)
        };
        assert_eq!(size(Shot::new(&offer(noise)).expect("memory")), (320, 180));
        assert_eq!(size(Shot::new(&offer(Picture::filled(1920, 1080, [1; 3]))).expect("memory")), (640, 360));
        assert_eq!(size(Shot::new(&offer(Picture::filled(32, 16, [1; 3]))).expect("memory")), (32, 16));
    }
}
