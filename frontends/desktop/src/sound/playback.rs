//! The guest's time and the loudspeakers': frames are made in the one, and taken in the other.
//!
//! All of this runs on the audio host's own thread, which must never wait: it takes what is there.

use std::collections::VecDeque;
use std::sync::Arc;
use tayberry_engine::sound::{Listener, Sampler};
use tayberry_engine::stats::Stats;

/// Devices tell changes up to so much guest time late.
const LATE_NS: u64 = 10_000_000;
/// Frames kept beyond those that the host asks for, as milliseconds: what evens out the times at which guest and host come.
const AHEAD_MS: u32 = 40;
/// A guest that is further ahead, in nanoseconds, was not listened to (a suspended host): the time between is lost.
const LOST_NS: u64 = 1_000_000_000;

/// Frames between the machine and the host.
#[derive(Debug)]
pub(super) struct Playback {
    listener: Listener,
    stats: Arc<Stats>,
    sampler: Sampler,
    frames: VecDeque<[i16; 2]>,
    /// Frames that should be there beyond those asked for.
    ahead: usize,
    /// Nothing is played until there is enough.
    gathers: bool,
    last: [i16; 2],
}

impl Playback {
    pub fn new(listener: Listener, stats: Arc<Stats>, rate: u32) -> Self {
        let sampler = Sampler::new(rate, stats.guest_ns.get());
        let ahead = (u64::from(rate) * u64::from(AHEAD_MS) / 1000) as usize;
        Self { listener, stats, sampler, frames: VecDeque::with_capacity(4 * ahead), ahead, gathers: true, last: [0; 2] }
    }

    /// Takes what the machine has put out; the host is about to ask for `wanted` frames.
    pub fn look(&mut self, wanted: usize) {
        let known_ns = self.stats.guest_ns.get().saturating_sub(LATE_NS);
        if known_ns.saturating_sub(self.sampler.guest_ns()) > LOST_NS {
            self.sampler.skip_to(known_ns);
        }
        let frames = &mut self.frames;
        while let Some(change) = self.listener.next_change() {
            self.sampler.change(change, &mut |frame| frames.push_back(frame));
        }
        self.sampler.hold_until(known_ns, &mut |frame| frames.push_back(frame));
        let enough = wanted + self.ahead;
        self.gathers = if self.gathers { frames.len() < enough } else { frames.is_empty() };
        if frames.len() > enough + 2 * self.ahead {
            frames.drain(..frames.len() - enough);
        } else if frames.len() > enough + self.ahead {
            // The host's clock is a little slower than the guest's: one frame in a few hundred is not heard.
            frames.pop_front();
        } else if !self.gathers && frames.len() < wanted + self.ahead / 2 {
            let again = frames.front().copied().unwrap_or_default();
            frames.push_front(again);
        }
    }

    /// The next frame, left and right. A guest that stands still fades away.
    pub fn next_frame(&mut self) -> [i16; 2] {
        let next = if self.gathers { None } else { self.frames.pop_front() };
        self.last = next.unwrap_or_else(|| self.last.map(|sample| (i32::from(sample) * 63 / 64) as i16));
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::GuestTime;
    use tayberry_engine::bench::shared;
    use tayberry_engine::handle::Shared;

    const RATE: u32 = 48_000;
    /// What the host asks for at once: 10 ms.
    const PERIOD: usize = 480;

    fn playback() -> (Arc<Shared>, Playback) {
        let shared = shared();
        let playback = Playback::new(shared.sound.listen().expect("the first"), Arc::clone(&shared.stats), RATE);
        (shared, playback)
    }

    /// `count` periods of a guest whose time is `speed` by the host's: a square wave of a millisecond. Returns what is heard on the left.
    fn play(shared: &Shared, playback: &mut Playback, from_ns: u64, count: u64, speed: f64) -> Vec<i16> {
        let mut heard = Vec::new();
        for period in 0..count {
            let (start, end) = ((period as f64 * 1e7 * speed) as u64 + from_ns, ((period + 1) as f64 * 1e7 * speed) as u64 + from_ns);
            for half in start.div_ceil(500_000)..end.div_ceil(500_000) {
                shared.sound.record(GuestTime(half * 500_000), [if half % 2 == 0 { 0 } else { u16::MAX }, 0]);
            }
            shared.stats.guest_ns.set(end);
            playback.look(PERIOD);
            heard.extend((0..PERIOD).map(|_| playback.next_frame()[0]));
        }
        heard
    }

    fn rises(heard: &[i16]) -> usize {
        heard.windows(2).filter(|pair| pair[0] < 0 && pair[1] >= 0).count()
    }

    #[test]
    fn the_guest_s_sound_is_heard_a_moment_later() {
        let (shared, mut playback) = playback();
        let heard = play(&shared, &mut playback, 0, 200, 1.0);
        let first = heard.iter().position(|&sample| sample != 0).expect("something");
        assert!((2_000..4_400).contains(&first), "after {first} frames");
        assert!((995..=1005).contains(&rises(&heard[48_000..])), "{} periods in a second at 1 kHz", rises(&heard[48_000..]));
    }

    #[test]
    fn clocks_that_differ_a_little_are_followed_without_gaps() {
        for speed in [0.9995, 1.0005] {
            let (shared, mut playback) = playback();
            play(&shared, &mut playback, 0, 3_000, speed);
            let heard = play(&shared, &mut playback, shared.stats.guest_ns.get(), 1_000, speed);
            assert!((9_980..=10_020).contains(&rises(&heard)), "speed {speed}: {}", rises(&heard));
            assert!(playback.frames.len() < PERIOD + 4 * playback.ahead, "{}", playback.frames.len());
        }
    }

    #[test]
    fn a_guest_that_stands_still_fades_and_one_that_ran_unheard_is_caught_up_with() {
        let (shared, mut playback) = playback();
        play(&shared, &mut playback, 0, 100, 1.0);
        let still: Vec<_> = (0..100)
            .flat_map(|_| {
                playback.look(PERIOD);
                (0..PERIOD).map(|_| playback.next_frame()[0]).collect::<Vec<_>>()
            })
            .collect();
        assert!(still[20_000..].iter().all(|sample| sample.abs() < 64));
        shared.stats.guest_ns.set(3_600_000_000_000);
        playback.look(PERIOD);
        assert!(playback.frames.len() <= PERIOD + 3 * playback.ahead);
        assert!(playback.sampler.guest_ns() >= 3_599_000_000_000);
    }
}
