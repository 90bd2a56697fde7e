//! What the lines of a surface were made of.
//!
//! Of each line three words are kept. Its *hash* says what bytes it was made of, wherever they lay; to compare it the guest's line must be read. Its
//! *origin* says where these bytes lay, and its *survey* when they were read: where the pages have not changed since, the bytes have not, and nothing is
//! read.
//!
//! All say something of the bytes that were really read, the states of the pages having been loaded before. So they stay true whatever becomes of
//! the frame: one that is dropped leaves a surface whose lines are known, though nobody saw them.

use std::ops::Range;

/// The hash of pixels of no known origin. A line that hashes to it, or to [`BLACK`], is mistaken as two lines of equal hashes are: once in 2^64.
const UNKNOWN: u64 = 0;
/// The hash of a line that is black whatever the guest has.
const BLACK: u64 = 1;

/// An address that no line has.
pub(super) const NOWHERE: u64 = u64::MAX;
/// The origin of lines that are black and made of nothing.
pub(super) const NOTHING: u64 = u64::MAX - 1;
/// A survey after all others: what is made of nothing never changes.
const FOR_EVER: u64 = u64::MAX;

/// What the lines of a surface were made of.
#[derive(Debug, Default)]
pub(super) struct Records {
    hashes: Vec<u64>,
    /// Guest-physical addresses.
    origins: Vec<u64>,
    /// Number of the survey before they were read.
    surveys: Vec<u64>,
}

impl Records {
    /// Those of `height` lines that nothing is known of.
    pub(super) fn reset(&mut self, height: usize) {
        for words in [&mut self.hashes, &mut self.origins, &mut self.surveys] {
            words.resize(height, 0);
        }
        self.forget();
    }

    pub(super) fn forget(&mut self) {
        self.hashes.fill(UNKNOWN);
        self.origins.fill(NOWHERE);
    }

    pub(super) fn all(&mut self) -> RecordsMut<'_> {
        RecordsMut { hashes: &mut self.hashes, origins: &mut self.origins, surveys: &mut self.surveys }
    }

    /// Those of at most `height` lines at a time.
    pub(super) fn chunks(&mut self, height: usize) -> impl Iterator<Item = RecordsMut<'_>> {
        let chunks = self.hashes.chunks_mut(height).zip(self.origins.chunks_mut(height)).zip(self.surveys.chunks_mut(height));
        chunks.map(|((hashes, origins), surveys)| RecordsMut { hashes, origins, surveys })
    }

    pub(super) fn hashes(&self) -> &[u64] {
        &self.hashes
    }

    /// Takes over what `from` says of a line.
    pub(super) fn copy_line(&mut self, at: usize, from: &Self) {
        (self.hashes[at], self.origins[at], self.surveys[at]) = (from.hashes[at], from.origins[at], from.surveys[at]);
    }
}

/// [`Records`] of some lines.
#[derive(Debug)]
pub(super) struct RecordsMut<'a> {
    pub(super) hashes: &'a mut [u64],
    pub(super) origins: &'a mut [u64],
    surveys: &'a mut [u64],
}

impl RecordsMut<'_> {
    /// True if the line is made of what lies at `address`, and was so when `newest` was the last survey that found a change, or later.
    #[inline]
    pub(super) fn is_known(&self, at: usize, address: u64, newest: impl FnOnce(u64) -> u64) -> bool {
        self.origins[at] == address && newest(self.surveys[at]) <= self.surveys[at]
    }

    /// Says where the bytes lie that lines are made of, which are read after `survey`.
    #[inline]
    pub(super) fn found(&mut self, lines: Range<usize>, addresses: &[u64], survey: u64) {
        self.origins[lines.clone()].copy_from_slice(addresses);
        self.surveys[lines].fill(survey);
    }

    /// Says that a line is made of what the same line of `other` is made of, which has the same hash.
    pub(super) fn found_as(&mut self, at: usize, other: &RecordsMut<'_>) {
        (self.origins[at], self.surveys[at]) = (other.origins[at], other.surveys[at]);
    }

    /// The lines are black and made of nothing.
    pub(super) fn blackened(&mut self, lines: Range<usize>) {
        self.hashes[lines.clone()].fill(BLACK);
        self.origins[lines.clone()].fill(NOTHING);
        self.surveys[lines].fill(FOR_EVER);
    }
}
