//! From changes of level to samples.

use super::Change;

const NS_PER_SECOND: u128 = 1_000_000_000;

/// Corner frequency in hertz of the coupling capacitors behind the outputs: they keep the steady part of the level from the jack.
const COUPLING_HZ: f64 = 10.0;

/// Turns changes of level into signed samples: the mean level over each sample's time, without its steady part.
///
/// The mean is exact, whatever the guest's own rate: it is what the low pass on the board leaves of the pulses. What a change does before the time that has
/// been sampled is taken to happen at that time: cores of one machine may tell their changes a little out of order.
#[derive(Clone, Debug)]
pub struct Sampler {
    /// Frames a second.
    rate: u32,
    /// Time up to which levels are known, in units of a nanosecond by the rate: a frame has a whole number of them.
    at: u128,
    levels: [u16; 2],
    /// Integral of the levels over the part of the current frame before `at`.
    sums: [u128; 2],
    coupling: Option<[Coupling; 2]>,
}

/// A high pass of first order.
#[derive(Clone, Copy, Debug)]
struct Coupling {
    input: f64,
    output: f64,
}

impl Coupling {
    fn pass(&mut self, input: f64, rate: u32) -> f64 {
        let keep = (-std::f64::consts::TAU * COUPLING_HZ / f64::from(rate)).exp();
        self.output = keep * (self.output + input - self.input);
        self.input = input;
        self.output
    }
}

impl Sampler {
    /// Makes `rate` frames a second (not 0), one sample for each of the two outputs, from `guest_ns` of guest time on. The outputs are at rest.
    pub fn new(rate: u32, guest_ns: u64) -> Self {
        let rate = rate.max(1);
        Self { rate, at: frame_start(rate, guest_ns), levels: [0; 2], sums: [0; 2], coupling: None }
    }

    /// Goes on at `guest_ns`: there are no frames for the time until then.
    pub fn skip_to(&mut self, guest_ns: u64) {
        self.at = frame_start(self.rate, guest_ns).max(self.at);
        self.sums = [0; 2];
    }

    /// Guest time in nanoseconds up to which there are samples.
    pub fn guest_ns(&self) -> u64 {
        (self.at / u128::from(self.rate)) as u64
    }

    /// The levels hold up to the change, and are new from there on. Frames (left, right) that are complete by then go to `out`.
    pub fn change(&mut self, change: Change, out: &mut impl FnMut([i16; 2])) {
        self.hold_until(change.guest_ns, out);
        self.levels = change.levels;
    }

    /// The levels hold up to `guest_ns`. Frames that are complete by then go to `out`.
    pub fn hold_until(&mut self, guest_ns: u64, out: &mut impl FnMut([i16; 2])) {
        let until = u128::from(guest_ns) * u128::from(self.rate);
        while self.at < until {
            let frame_end = (self.at / NS_PER_SECOND + 1) * NS_PER_SECOND;
            let next = frame_end.min(until);
            for (sum, level) in self.sums.iter_mut().zip(self.levels) {
                *sum += u128::from(level) * (next - self.at);
            }
            self.at = next;
            if next == frame_end {
                out(self.frame());
            }
        }
    }

    fn frame(&mut self) -> [i16; 2] {
        let means = std::mem::take(&mut self.sums).map(|sum| sum as f64 / NS_PER_SECOND as f64 / f64::from(u16::MAX));
        let rest = || means.map(|input| Coupling { input, output: 0.0 });
        let (rate, coupling) = (self.rate, self.coupling.get_or_insert_with(rest));
        let mut frame = [0; 2];
        for ((sample, filter), mean) in frame.iter_mut().zip(coupling).zip(means) {
            // A level swings by one from low to high: half of it either way is full scale. The cast saturates.
            *sample = (filter.pass(mean, rate) * 2.0 * f64::from(i16::MAX)).round() as i16;
        }
        frame
    }
}

/// Start of the frame at `guest_ns`, in units of a nanosecond by the rate.
fn frame_start(rate: u32, guest_ns: u64) -> u128 {
    u128::from(guest_ns) * u128::from(rate) / NS_PER_SECOND * NS_PER_SECOND
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;

    const RATE: u32 = 48_000;

    fn frames(changes: &[(u64, u16)], until: u64) -> Vec<[i16; 2]> {
        let (mut sampler, mut out) = (Sampler::new(RATE, 0), Vec::new());
        for &(guest_ns, level) in changes {
            sampler.change(Change { guest_ns, levels: [level, 0] }, &mut |frame| out.push(frame));
        }
        sampler.hold_until(until, &mut |frame| out.push(frame));
        out
    }

    #[test]
    fn there_is_a_frame_for_each_part_of_time() {
        assert_eq!(frames(&[], 1_000_000_000), vec![[0; 2]; 48_000]);
        assert_eq!(frames(&[(500_000_000, 7), (400_000_000, 8)], 999_999_999).len(), 47_999);
    }

    #[test]
    fn a_square_wave_has_its_amplitude_and_its_mean_is_lost() {
        let changes: Vec<_> = (0..2_000u64).map(|half| (half * 500_000, if half % 2 == 0 { 49_151 } else { 16_384 })).collect();
        let frames = frames(&changes, 1_000_000_000);
        let late = &frames[24_000..];
        let (low, high) = (late.iter().map(|frame| frame[0]).min(), late.iter().map(|frame| frame[0]).max());
        let near = |value: Option<i16>, wanted: i16| value.is_some_and(|value| (value - wanted).abs() < 700);
        assert!(near(high, 16_384) && near(low, -16_384), "{low:?} {high:?}: a half of full scale");
        let mean = late.iter().map(|frame| i64::from(frame[0])).sum::<i64>() / late.len() as i64;
        assert!(mean.abs() < 100, "{mean}");
        assert!(late.iter().all(|frame| frame[1] == 0));
        let rises = late.windows(2).filter(|pair| pair[0][0] < 0 && pair[1][0] >= 0).count();
        assert!((499..=500).contains(&rises), "{rises} periods of half a second at 1 kHz");
    }

    #[test]
    fn a_pulse_within_a_frame_counts_by_its_length() {
        // Frame 48 is from 1,000,000 to 1,020,833 ns.
        let pulse = frames(&[(1_000_000, u16::MAX), (1_005_208, 0)], 1_100_000);
        assert!(
            (i32::from(pulse[48][0]) - i32::from(i16::MAX) / 2).abs() < 100,
            "{:?}: a quarter of the frame, from low to high",
            pulse[48]
        );
    }

    #[test]
    fn it_starts_anywhere() {
        let mut sampler = Sampler::new(RATE, u64::MAX - 1_000_000);
        let mut count = 0;
        sampler.hold_until(u64::MAX, &mut |_| count += 1);
        assert!((47..=49).contains(&count), "{count}");
        assert!(sampler.guest_ns() >= u64::MAX - 1);
    }
}
