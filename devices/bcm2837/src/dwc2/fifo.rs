//! The receive FIFO, from which the guest reads in slave mode.
//!
//! # Orderings
//! The machine's thread alone pushes, between slices; cores pop while they run, several at once: a word belongs to who has moved the position on from it
//! (`SeqCst`).

use super::registers::FIFO_WORDS;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use tayberry_engine::cell;

/// Entries of each ring.
const ENTRIES: usize = FIFO_WORDS as usize;

/// A ring of words.
#[derive(Debug)]
struct Ring {
    words: Box<[AtomicU32]>,
    /// Words taken, and words put in.
    taken: AtomicUsize,
    put: AtomicUsize,
}

cell!(Ring { words, taken, put });

/// A copy of what is in it, taken between slices.
impl Clone for Ring {
    fn clone(&self) -> Self {
        let (copy, from) = (Self::default(), self.taken.load(SeqCst));
        (0..self.len()).for_each(|at| copy.push(self.words[from.wrapping_add(at) % ENTRIES].load(SeqCst)));
        copy
    }
}

impl Default for Ring {
    fn default() -> Self {
        Self { words: (0..ENTRIES).map(|_| AtomicU32::new(0)).collect(), taken: AtomicUsize::new(0), put: AtomicUsize::new(0) }
    }
}

impl Ring {
    fn len(&self) -> usize {
        self.put.load(SeqCst).wrapping_sub(self.taken.load(SeqCst)).min(ENTRIES)
    }

    fn push(&self, word: u32) {
        if self.len() < ENTRIES {
            let at = self.put.load(SeqCst);
            self.words[at % ENTRIES].store(word, SeqCst);
            self.put.store(at.wrapping_add(1), SeqCst);
        }
    }

    fn peek(&self) -> Option<u32> {
        (self.len() > 0).then(|| self.words[self.taken.load(SeqCst) % ENTRIES].load(SeqCst))
    }

    fn pop(&self) -> Option<u32> {
        loop {
            let at = self.taken.load(SeqCst);
            if at == self.put.load(SeqCst) {
                return None;
            }
            let word = self.words[at % ENTRIES].load(SeqCst);
            if self.taken.compare_exchange(at, at.wrapping_add(1), SeqCst, SeqCst).is_ok() {
                return Some(word);
            }
        }
    }

    fn clear(&self) {
        self.taken.store(self.put.load(SeqCst), SeqCst);
    }
}

/// What has come in: a status for each packet or event, and the packets' words.
#[derive(Clone, Debug, Default)]
pub struct ReceiveFifo {
    status: Ring,
    data: Ring,
}

cell!(ReceiveFifo { status, data });

impl ReceiveFifo {
    /// True if there is a status.
    pub fn has_status(&self) -> bool {
        self.status.len() > 0
    }

    /// GRXSTSR.
    pub fn status(&self) -> Option<u32> {
        self.status.peek()
    }

    /// GRXSTSP.
    pub fn take_status(&self) -> Option<u32> {
        self.status.pop()
    }

    /// A word of data.
    pub fn take_word(&self) -> Option<u32> {
        self.data.pop()
    }

    /// Words for which there is room, of `words`.
    pub fn room(&self, words: usize) -> usize {
        words.min(ENTRIES).saturating_sub(self.data.len() + self.status.len())
    }

    /// A packet or an event.
    pub fn push(&self, status: u32, data: &[u8]) {
        for word in data.chunks(4) {
            let mut bytes = [0; 4];
            bytes[..word.len()].copy_from_slice(word);
            self.data.push(u32::from_le_bytes(bytes));
        }
        self.status.push(status);
    }

    /// Throws everything away.
    pub fn flush(&self) {
        self.status.clear();
        self.data.clear();
    }
}
