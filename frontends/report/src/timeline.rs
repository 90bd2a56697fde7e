//! What happened when, in bins of equal width: a time series that is as fine as its memory allows.

/// Bins; when there would be more, each two become one.
const MOST_BINS: usize = 1024;
/// Width of a bin at first, in nanoseconds.
const FIRST_WIDTH: u64 = 1_000_000;

/// Host times that looks at the screen took, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// How many.
    pub count: u64,
    /// All together.
    pub total: u64,
    /// The shortest; 0 where there is none.
    pub min: u64,
    /// The longest.
    pub max: u64,
}

impl Times {
    /// One, or `count` that took `total` together.
    pub fn of(count: u64, total: u64) -> Self {
        let mean = total.checked_div(count).unwrap_or(0);
        Self { count, total, min: mean, max: mean }
    }

    /// These and those.
    pub fn and(self, other: Self) -> Self {
        match (self.count, other.count) {
            (_, 0) => self,
            (0, _) => other,
            _ => Self {
                count: self.count + other.count,
                total: self.total.saturating_add(other.total),
                min: self.min.min(other.min),
                max: self.max.max(other.max),
            },
        }
    }
}

/// What happened in one bin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bin {
    /// Frames presented.
    pub presented: u64,
    /// Frames dropped.
    pub dropped: u64,
    /// Generations published.
    pub generations: u64,
    /// Messages.
    pub messages: u64,
    /// Bytes on the serial ports.
    pub serial: u64,
    /// Resets.
    pub resets: u64,
    /// Times of looks that drew.
    pub render: Times,
}

impl Bin {
    /// This bin and that one.
    pub fn and(self, other: Self) -> Self {
        Self {
            presented: self.presented + other.presented,
            dropped: self.dropped + other.dropped,
            generations: self.generations + other.generations,
            messages: self.messages + other.messages,
            serial: self.serial + other.serial,
            resets: self.resets + other.resets,
            render: self.render.and(other.render),
        }
    }
}

/// A time series.
#[derive(Debug)]
pub struct Timeline {
    width: u64,
    bins: Vec<Bin>,
}

impl Default for Timeline {
    fn default() -> Self {
        Self { width: FIRST_WIDTH, bins: Vec::new() }
    }
}

impl Timeline {
    /// The bin of time `at_ns`.
    pub fn at(&mut self, at_ns: u64) -> &mut Bin {
        while at_ns / self.width >= MOST_BINS as u64 {
            self.bins = self.bins.chunks(2).map(|two| two.iter().fold(Bin::default(), |sum, &bin| sum.and(bin))).collect();
            self.width = self.width.saturating_mul(2);
        }
        let index = (at_ns / self.width) as usize;
        if index >= self.bins.len() {
            self.bins.resize(index + 1, Bin::default());
        }
        &mut self.bins[index]
    }

    /// Everything together.
    pub fn sum(&self) -> Bin {
        self.bins.iter().fold(Bin::default(), |sum, &bin| sum.and(bin))
    }

    /// The series in columns of at least `least_ns` and about `1 / count` of it: their width in nanoseconds and what is in them.
    pub fn columns(&self, least_ns: u64, count: usize) -> (u64, Vec<Bin>) {
        let bins = self.bins.len().div_ceil(count.max(1)).max(least_ns.div_ceil(self.width) as usize).max(1);
        let columns = self.bins.chunks(bins).map(|bins| bins.iter().fold(Bin::default(), |sum, &bin| sum.and(bin)));
        (self.width.saturating_mul(bins as u64), columns.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endless_run_keeps_its_sums_and_its_bounds() {
        let mut timeline = Timeline::default();
        for at in 0..100_000u64 {
            let bin = timeline.at(at * 1_000_000);
            bin.presented += 1;
            bin.render = bin.render.and(Times::of(1, at + 1));
        }
        timeline.at(u64::MAX).resets += 1;
        assert!(timeline.bins.len() <= MOST_BINS);
        let sum = timeline.sum();
        assert_eq!((sum.presented, sum.resets), (100_000, 1));
        assert_eq!(sum.render, Times { count: 100_000, total: 5_000_050_000, min: 1, max: 100_000 });
    }

    #[test]
    fn columns_hold_everything() {
        let mut timeline = Timeline::default();
        (0..1000).for_each(|at| timeline.at(at * 1_000_000).presented += 1);
        let (width, columns) = timeline.columns(1, 100);
        assert_eq!((width, columns.len(), columns[7].presented), (10_000_000, 100, 10));
        let (width, columns) = timeline.columns(250_000_000, 100);
        assert_eq!((width, columns.len()), (250_000_000, 4));
        assert_eq!(Timeline::default().columns(1, 100).1, []);
    }
}
