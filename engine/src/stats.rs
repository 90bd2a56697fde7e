//! Statistics: plain counters and histograms that anybody may read at any time.
//!
//! # Orderings
//! `Relaxed`: each counter is written by one thread and means nothing but itself. Whoever reads a histogram while it is written to may miss
//! the latest values, or see one in a bucket and not yet in the total.

use crate::clock::MAX_CORES;
use crate::state::{Archive, Cell};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// A counter.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// Sets the value.
    pub fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }

    /// The value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// Buckets for each power of two: a bucket is at most 1/32 of its values wide.
const STEPS: u64 = 32;
const STEP_BITS: u32 = STEPS.trailing_zeros();
/// Values from here on are counted as one less: about 73 minutes, in nanoseconds.
const END: u64 = 1 << 42;
const BUCKETS: usize = bucket(END - 1) + 1;

/// Values below [`STEPS`] have a bucket each, those of a power of two from there on share [`STEPS`] buckets.
const fn bucket(value: u64) -> usize {
    if value < STEPS {
        return value as usize;
    }
    let shift = value.ilog2() - STEP_BITS;
    (shift as u64 * STEPS + (value >> shift)) as usize
}

/// The largest value of a bucket.
const fn last_of(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < 2 * STEPS {
        return bucket;
    }
    let shift = bucket / STEPS - 1;
    ((bucket - shift * STEPS + 1) << shift) - 1
}

/// How often which values occurred, in buckets that are up to 3 % wide. Adding is one atomic addition to a bucket, and one to the total; nobody waits.
#[derive(Debug)]
pub struct Histogram {
    buckets: [AtomicU64; BUCKETS],
    total: AtomicU64,
    max: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [const { AtomicU64::new(0) }; BUCKETS], total: AtomicU64::new(0), max: AtomicU64::new(0) }
    }
}

impl Histogram {
    /// Adds a value.
    pub fn record(&self, value: u64) {
        let value = value.min(END - 1);
        self.buckets[bucket(value)].fetch_add(1, Relaxed);
        self.total.fetch_add(value, Relaxed);
        self.max.fetch_max(value, Relaxed);
    }

    /// Adds a time in nanoseconds.
    pub fn record_time(&self, time: Duration) {
        self.record(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
    }

    /// What it holds now. Percentiles are those of the buckets' upper ends, so up to 3 % too large, never too small.
    pub fn summary(&self) -> Summary {
        let buckets: Vec<u64> = self.buckets.iter().map(|bucket| bucket.load(Relaxed)).collect();
        let count: u64 = buckets.iter().sum();
        let max = self.max.load(Relaxed);
        // The smallest value that `percent` of all values do not exceed.
        let percentile = |percent: u64| {
            let rank = (count * percent).div_ceil(100).max(1);
            let mut below = 0;
            let found = buckets.iter().position(|&bucket| {
                below += bucket;
                below >= rank
            });
            found.map_or(0, |bucket| last_of(bucket).min(max))
        };
        Summary { count, p50: percentile(50), p99: percentile(99), max, total: self.total.load(Relaxed) }
    }
}

/// A histogram in a few numbers, in the unit of its values; all 0 where it is empty.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Values.
    pub count: u64,
    /// Half of the values are at most this.
    pub p50: u64,
    /// 99 % of the values are at most this.
    pub p99: u64,
    /// The largest value.
    pub max: u64,
    /// The sum of all values.
    pub total: u64,
}

/// How long ago a guest that looks after its keyboard has asked it at most.
const KEYBOARD_WATCHED_NS: u64 = 2_000_000_000;

impl Cell for Counter {
    fn pass(&self, archive: &mut Archive<'_>) {
        self.0.pass(archive);
    }
}

/// What the guest has done. What frontends have done belongs to theirs.
impl Cell for Stats {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[
            &self.instructions,
            &self.guest_ns,
            &self.keyboard_asked_ns,
            &self.ticks,
            &self.reconfigurations,
            &self.property_messages,
        ]);
    }
}

/// Counters of a machine, over all its resets.
#[derive(Debug, Default)]
pub struct Stats {
    /// Instructions retired, per core.
    pub instructions: [Counter; MAX_CORES],
    /// Cores of the machine.
    pub cores: Counter,
    /// Guest time in nanoseconds, up to the end of the last tick.
    pub guest_ns: Counter,
    /// [`Stats::guest_ns`] when the guest last asked its keyboard for keys; 0 if it has not since the last reset.
    pub keyboard_asked_ns: Counter,
    /// Ticks of the schedule.
    pub ticks: Counter,
    /// Frames that a frontend showed (counted by the renderer).
    pub frames_presented: Counter,
    /// Frames dropped because their memory changed hands while they were drawn.
    pub frames_dropped_stale: Counter,
    /// Looks at the screen that found nothing new.
    pub frames_unchanged: Counter,
    /// Host time in nanoseconds that each look took which drew something, whether it was shown or dropped.
    pub render: Histogram,
    /// The same for looks that found nothing new, or no signal.
    pub render_unchanged: Histogram,
    /// Host time in nanoseconds from the publication of a scanout to its first frame on the screen.
    pub flip_to_present: Histogram,
    /// Messages that changed the display.
    pub reconfigurations: Counter,
    /// Messages on the property channel.
    pub property_messages: Counter,
}

impl Stats {
    /// Instructions retired by all cores together.
    pub fn total_instructions(&self) -> u64 {
        self.instructions.iter().map(Counter::get).sum()
    }

    /// The guest looks after its keyboard: it has asked it for keys within the last two seconds of its time.
    pub fn is_keyboard_watched(&self) -> bool {
        let asked = self.keyboard_asked_ns.get();
        asked != 0 && self.guest_ns.get().saturating_sub(asked) < KEYBOARD_WATCHED_NS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_in_order_without_gaps() {
        let mut next = 0;
        for at in 0..BUCKETS {
            let last = last_of(at);
            assert_eq!((bucket(next), bucket(last)), (at, at));
            assert!(last - next <= next / STEPS, "{next} to {last} is too wide");
            next = last + 1;
        }
        assert_eq!(next, END);
    }

    #[test]
    fn percentiles_are_within_a_bucket_of_the_truth() {
        let histogram = Histogram::default();
        for value in 1..=1000 {
            histogram.record(value * 1000);
        }
        let Summary { count, p50, p99, max, total } = histogram.summary();
        assert_eq!((count, max, total), (1000, 1_000_000, 500_500_000));
        assert!((500_000..500_000 * 33 / 32).contains(&p50), "{p50}");
        assert!((990_000..=1_000_000).contains(&p99), "{p99}");
    }

    #[test]
    fn few_values_and_none() {
        let histogram = Histogram::default();
        assert_eq!(histogram.summary(), Summary::default());
        histogram.record(7);
        assert_eq!(histogram.summary(), Summary { count: 1, p50: 7, p99: 7, max: 7, total: 7 });
        histogram.record_time(Duration::MAX);
        let Summary { p50, p99, max, .. } = histogram.summary();
        assert_eq!((p50, p99, max), (7, END - 1, END - 1));
    }

    #[test]
    fn several_threads_lose_nothing() {
        let histogram = Histogram::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let histogram = &histogram;
                scope.spawn(move || (0..1000).for_each(|value| histogram.record(thread * 1000 + value)));
            }
        });
        let Summary { count, total, .. } = histogram.summary();
        assert_eq!((count, total), (4000, 3999 * 2000));
    }
}
