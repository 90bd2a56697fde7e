//! When to look at the guest's screen: at once where it flips, at the display's pace while it draws, seldom while it rests.

use std::time::{Duration, Instant};

/// The display's period where the host does not say.
const USUAL_PERIOD: Duration = Duration::from_nanos(1_000_000_000 / 60);
/// Refresh rates that are believed, in millihertz.
const BELIEVED: std::ops::RangeInclusive<u32> = 20_000..=1_000_000;
/// How long the screen must have rested before it is looked at less often.
const CALM: Duration = Duration::from_millis(500);
/// Time between two looks at a screen that rests: what a guest draws by and by, without a flip and after a pause, is seen so much later at most.
const LAZY: Duration = Duration::from_millis(50);

/// A display's period from its refresh rate in millihertz.
pub fn period(refresh_rate: Option<u32>) -> Duration {
    match refresh_rate {
        Some(rate) if BELIEVED.contains(&rate) => Duration::from_nanos(1_000_000_000_000 / u64::from(rate)),
        _ => USUAL_PERIOD,
    }
}

/// Says when to look, and when to show.
///
/// Looks come in slots, one a period of the display. A flip is looked at in the first slot that is free, which is at once unless flips come faster than the
/// display shows them; the guest that has no pages to flip is looked at slot after slot. The average is kept rather than the distance: one late
/// flip does not delay all that follow.
#[derive(Debug)]
pub struct Pacer {
    period: Duration,
    /// The slot from which on there may be another look.
    slot: Instant,
    /// When to look without having been told of a flip.
    poll: Instant,
    /// The guest has flipped since the last look.
    flipped: bool,
    /// Something changed then, or is likely to now.
    stirred: Instant,
}

impl Pacer {
    /// A pacer that wants a look at `now`.
    pub fn new(now: Instant, period: Duration) -> Self {
        // With a slot in hand: without, a guest as fast as the display would stay in whatever phase its first flip was.
        let slot = now.checked_sub(period).unwrap_or(now);
        Self { period, slot, poll: now, flipped: false, stirred: now }
    }

    /// The window is on a display with this period now.
    pub fn set_period(&mut self, period: Duration) {
        self.period = period;
    }

    /// The guest has flipped.
    pub fn flip(&mut self) {
        self.flipped = true;
    }

    /// The guest was given something to do: its screen will change soon.
    pub fn stir(&mut self, now: Instant) {
        self.stirred = now;
        self.poll = self.poll.min(now + self.period);
    }

    /// True if the guest's screen is to be looked at.
    pub fn wants_look(&self, now: Instant) -> bool {
        now >= self.next_look()
    }

    /// When to look next, if the guest does not flip before.
    pub fn next_look(&self) -> Instant {
        if self.flipped { self.slot } else { self.slot.max(self.poll) }
    }

    /// From when on something other than the guest's screen may be presented.
    pub fn next_slot(&self) -> Instant {
        self.slot
    }

    /// The screen was looked at, and has changed or not.
    pub fn looked(&mut self, now: Instant, changed: bool) {
        self.take_slot(now);
        if changed {
            self.stirred = now;
        }
        let rest = now.saturating_duration_since(self.stirred);
        let pause = match (std::mem::take(&mut self.flipped), changed) {
            // The next change will be a flip: a look just before it would be for nothing.
            (true, true) => self.period * 3 / 2,
            _ if rest >= CALM => LAZY.max(self.period),
            _ => self.period,
        };
        self.poll = now + pause;
    }

    /// Something is presented in this slot.
    pub fn take_slot(&mut self, now: Instant) {
        // A slot that was not used is kept, but never more than one.
        let oldest = now.checked_sub(self.period).unwrap_or(now);
        self.slot = self.slot.clamp(oldest, now) + self.period;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Runs `pacer` for a second in steps of 1 ms; gives the times of looks in milliseconds. The screen changes with the flips at `flips` and, where
    /// `draws` says so, by drawing.
    fn looks(pacer: &mut Pacer, start: Instant, flips: &[u32], draws: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut looks = Vec::new();
        let mut flip = false;
        for ms in 0..1000 {
            let now = start + ms * MS;
            if flips.contains(&ms) {
                pacer.flip();
                flip = true;
            }
            if pacer.wants_look(now) {
                looks.push(ms);
                pacer.looked(now, std::mem::take(&mut flip) || draws(ms));
            }
        }
        looks
    }

    #[test]
    fn refresh_rates_that_cannot_be_are_not_believed() {
        assert_eq!(period(Some(50_000)), 20 * MS);
        for odd in [None, Some(0), Some(1000), Some(u32::MAX)] {
            assert_eq!(period(odd), USUAL_PERIOD);
        }
    }

    #[test]
    fn flips_at_the_display_s_pace_are_seen_at_once_and_nothing_else_is_looked_at() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 20 * MS);
        // Two milliseconds late or early.
        let flips: Vec<u32> = (1..49).map(|index| index * 20 + 5 + [0, 2, 1][index as usize % 3]).collect();
        let looks = looks(&mut pacer, start, &flips, |_| false);
        assert_eq!(looks[0], 0);
        let late: Vec<u32> = flips.iter().map(|&flip| looks.iter().find(|&&look| look >= flip).map_or(99, |look| look - flip)).collect();
        assert!(late.iter().all(|&late| late <= 4), "{late:?}");
        assert!(looks.len() <= flips.len() + 3, "{looks:?}");
    }

    #[test]
    fn flips_faster_than_the_display_are_shown_at_its_pace() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 20 * MS);
        let flips: Vec<u32> = (0..1000).collect();
        let looks = looks(&mut pacer, start, &flips, |_| false);
        assert!((50..=52).contains(&looks.len()), "{looks:?}");
    }

    #[test]
    fn drawing_is_followed_at_the_display_s_pace() {
        let start = Instant::now();
        let looks = looks(&mut Pacer::new(start, 20 * MS), start, &[], |_| true);
        assert_eq!(looks.len(), 50);
    }

    #[test]
    fn a_screen_that_rests_is_looked_at_seldom_until_it_changes() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 20 * MS);
        let looks = looks(&mut pacer, start, &[], |ms| ms >= 800);
        let between = |from, to| looks.iter().filter(|&&look| (from..to).contains(&look)).count();
        assert_eq!(between(0, 500), 25);
        assert!(between(520, 800) <= 6, "{looks:?}");
        assert!(between(850, 1000) >= 7, "{looks:?}");
    }

    #[test]
    fn keys_wake_it() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 20 * MS);
        looks(&mut pacer, start, &[], |_| false);
        let now = start + 1000 * MS;
        pacer.looked(now, false);
        assert_eq!(pacer.next_look(), now + LAZY);
        pacer.stir(now);
        assert_eq!(pacer.next_look(), now + 20 * MS);
        pacer.looked(now + 20 * MS, false);
        assert_eq!(pacer.next_look(), now + 40 * MS, "for a while");
    }

    #[test]
    fn an_unused_slot_is_good_for_one_look_and_no_more() {
        let start = Instant::now();
        let mut pacer = Pacer::new(start, 20 * MS);
        let now = start + 500 * MS;
        pacer.looked(now, true);
        pacer.flip();
        assert!(pacer.wants_look(now));
        pacer.looked(now, true);
        pacer.flip();
        assert_eq!(pacer.next_look(), now + 20 * MS);
    }
}
