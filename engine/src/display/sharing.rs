//! Whether a frame is drawn by one thread or shared by all: whichever has been quicker, by the clock.
//!
//! What sharing gives is not known beforehand: it depends on how soon a worker wakes, on what else the host's cores do, and on whether memory has
//! bandwidth left for a second core. So both ways are timed, for each size of work by itself. The one that is not taken is tried again
//! now and then, the less often the longer it has been the slower one; so a wrong choice costs little, and does not last.

use std::time::Duration;

/// Less work than that, in bytes read and written, is never shared: it is done before a worker is awake.
const LEAST: usize = 1 << 20;
/// From so much work on it is shared as long as nothing is known.
const LIKELY: usize = 5 << 20;
/// Sizes of work, each twice the one before; the last one has no end.
const SIZES: usize = 7;
/// Frames until the other way is tried, at first and after the choice has changed.
const SOON: u32 = 8;
/// The most frames until it is.
const SELDOM: u32 = 64;

/// Who draws a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// The calling thread.
    Alone,
    /// All threads.
    Shared,
}

impl Way {
    fn other(self) -> Self {
        match self {
            Self::Alone => Self::Shared,
            Self::Shared => Self::Alone,
        }
    }
}

/// What is known of a size of work.
#[derive(Clone, Copy, Debug)]
struct Size {
    /// Nanoseconds a byte that each way took lately; 0 if it was never taken.
    alone: f64,
    shared: f64,
    choice: Way,
    /// Frames until the other way is tried.
    left: u32,
    /// What `left` was set to.
    pause: u32,
}

/// Chooses, and learns from how long it took.
#[derive(Debug)]
pub(super) struct Sharing([Size; SIZES]);

impl Default for Sharing {
    fn default() -> Self {
        Self(std::array::from_fn(|index| {
            let choice = if LEAST << index >= LIKELY { Way::Shared } else { Way::Alone };
            Size { alone: 0.0, shared: 0.0, choice, left: SOON, pause: SOON }
        }))
    }
}

impl Sharing {
    /// The way to take for a frame of `work` bytes, to be followed by [`Sharing::took`].
    pub(super) fn choose(&mut self, work: usize) -> Way {
        let Some(size) = self.size(work) else { return Way::Alone };
        size.left = size.left.saturating_sub(1);
        if size.left == 0 { size.choice.other() } else { size.choice }
    }

    /// Learns how long such a frame took.
    pub(super) fn took(&mut self, work: usize, way: Way, time: Duration) {
        let Some(size) = self.size(work) else { return };
        let now = time.as_nanos() as f64 / work as f64;
        let known = match way {
            Way::Alone => &mut size.alone,
            Way::Shared => &mut size.shared,
        };
        // Nothing makes a frame quicker than it can be, but much makes one slower, now and then by far.
        *known = if *known == 0.0 || now < *known { now } else { *known + (now.min(2.0 * *known) - *known) / 4.0 };
        let choice = match (size.alone, size.shared) {
            (alone, shared) if alone == 0.0 || shared == 0.0 => size.choice,
            (alone, shared) if shared < alone => Way::Shared,
            _ => Way::Alone,
        };
        if choice != size.choice {
            (size.choice, size.pause) = (choice, SOON);
        } else if way != choice {
            size.pause = SELDOM.min(2 * size.pause);
        } else {
            return;
        }
        size.left = size.pause;
    }

    fn size(&mut self, work: usize) -> Option<&mut Size> {
        let times = (work / LEAST).checked_ilog2()?;
        self.0.get_mut((times as usize).min(SIZES - 1))
    }
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;

    /// Draws frames that take as long as `cost` says, and gives what they took, and what the quicker way would have taken.
    fn draw(sharing: &mut Sharing, frames: u32, work: usize, cost: impl Fn(u32, Way) -> u64) -> (u64, u64) {
        let (mut total, mut least) = (0, 0);
        for frame in 0..frames {
            let way = sharing.choose(work);
            let time = cost(frame, way);
            sharing.took(work, way, Duration::from_nanos(time));
            total += time;
            least += cost(frame, Way::Alone).min(cost(frame, Way::Shared));
        }
        (total, least)
    }

    #[test]
    fn the_quicker_way_is_found_whichever_it_is_and_whatever_was_likely() {
        for work in [2 << 20, 6 << 20, 64 << 20, 4 << 30] {
            for (alone, shared) in [(100_000, 55_000), (100_000, 160_000), (55_000, 50_000)] {
                let (total, least) = draw(&mut Sharing::default(), 1000, work, |_, way| if way == Way::Alone { alone } else { shared });
                assert!(total as f64 <= 1.02 * least as f64, "{work}: {alone} {shared}: {total} and not {least}");
            }
        }
    }

    #[test]
    fn little_work_is_never_shared() {
        let mut sharing = Sharing::default();
        for work in [0, 1, LEAST - 1] {
            for _ in 0..2000 {
                assert_eq!(sharing.choose(work), Way::Alone);
                sharing.took(work, Way::Alone, Duration::from_secs(1));
            }
        }
    }

    #[test]
    fn a_core_that_gets_busy_and_free_again_is_noticed() {
        // The second core is busy in every other thousand frames.
        let cost = |frame: u32, way| match (way, frame / 1000 % 2) {
            (Way::Alone, _) => 300_000,
            (Way::Shared, 0) => 160_000,
            (Way::Shared, _) => 400_000,
        };
        let (total, least) = draw(&mut Sharing::default(), 10_000, 16 << 20, cost);
        assert!(total as f64 <= 1.1 * least as f64, "{total} and not {least}");
    }

    #[test]
    fn single_slow_frames_do_not_change_the_choice_for_long() {
        // One frame of a hundred takes ten times as long, either way.
        let cost = |frame: u32, way| (if way == Way::Alone { 300_000 } else { 160_000 }) * if frame % 100 == 50 { 10 } else { 1 };
        let (total, least) = draw(&mut Sharing::default(), 10_000, 16 << 20, cost);
        assert!(total as f64 <= 1.08 * least as f64, "{total} and not {least}");
    }

    #[test]
    fn sizes_learn_by_themselves() {
        let mut sharing = Sharing::default();
        draw(&mut sharing, 100, 16 << 20, |_, way| if way == Way::Alone { 100 } else { 50 });
        draw(&mut sharing, 100, 2 << 20, |_, way| if way == Way::Alone { 50 } else { 100 });
        assert_eq!(
            (sharing.size(17 << 20).map(|size| size.choice), sharing.size(3 << 20).map(|size| size.choice)),
            (Some(Way::Shared), Some(Way::Alone))
        );
    }
}
