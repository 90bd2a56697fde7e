//! The data path between a card and its host controller: words move inline, on whatever thread reads or writes the controller's data register.
//!
//! # Orderings
//! A transfer is set up and taken down by the controller's `Service` system, while no core runs; the fork and join of a slice order that (`Relaxed`). Within a
//! slice cores share one number, the position: who moves it on by compare-and-swap has the word before it. Cores that use the register at once get different
//! words, in no order, as on hardware; blocks that several fill at once may be mixed, but lie within the transfer.

use super::card::{Card, Data};
use super::image::CardImage;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed, Ordering::SeqCst};
use tayberry_engine::cell;

/// Words of the largest block.
const WORDS: usize = 128;
const WORD: u64 = 4;

const NONE: u32 = 0;
const READ_MEMORY: u32 = 1;
const READ_REGISTER: u32 = 2;
const WRITE_MEMORY: u32 = 3;
const WRITE_REGISTER: u32 = 4;

/// What came of moving a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// The word, of a read.
    pub word: u32,
    /// It was the last of its block.
    pub block_done: bool,
    /// It was the last of all.
    pub all_done: bool,
}

/// A transfer, or none.
#[derive(Debug)]
pub struct Transfer {
    image: Option<Arc<CardImage>>,
    kind: AtomicU32,
    /// First byte in the image.
    start: AtomicU64,
    block: AtomicU64,
    /// Bytes of the whole.
    len: AtomicU64,
    /// Bytes that have moved. A block whose size is no multiple of four ends with a part of a word.
    position: AtomicU64,
    /// A register's content, or the block being written.
    buffer: [AtomicU32; WORDS],
}

cell!(Transfer { kind, start, block, len, position, buffer } but { image });

impl Transfer {
    /// No transfer yet.
    pub fn new(image: Option<Arc<CardImage>>) -> Self {
        let zero = || AtomicU64::new(0);
        Self {
            image,
            kind: AtomicU32::new(NONE),
            start: zero(),
            block: zero(),
            len: zero(),
            position: zero(),
            buffer: std::array::from_fn(|_| AtomicU32::new(0)),
        }
    }

    /// Sets up a transfer of at most `blocks`. It has fewer where the card has no more.
    pub fn start(&self, data: &Data, blocks: u64) {
        let (kind, start, block, available) = match *data {
            Data::Memory { write, start, block, blocks } => (if write { WRITE_MEMORY } else { READ_MEMORY }, start, block, blocks),
            Data::Send(ref content) => {
                for (cell, word) in self.buffer.iter().zip(content.chunks(WORD as usize)) {
                    let bytes = std::array::from_fn(|index| word.get(index).copied().unwrap_or(0));
                    cell.store(u32::from_le_bytes(bytes), Relaxed);
                }
                (READ_REGISTER, 0, content.len() as u32, 1)
            }
            Data::Receive(bytes) => (WRITE_REGISTER, 0, bytes, 1),
        };
        self.start.store(start, Relaxed);
        self.block.store(u64::from(block).clamp(1, WORDS as u64 * WORD), Relaxed);
        self.len.store(self.block.load(Relaxed).saturating_mul(available.min(blocks)), Relaxed);
        self.position.store(0, Relaxed);
        self.kind.store(kind, Relaxed);
    }

    /// Takes it down. What was written of a block that is not whole is lost.
    pub fn end(&self) {
        self.kind.store(NONE, Relaxed);
        self.len.store(0, Relaxed);
        self.position.store(0, Relaxed);
    }

    /// True between start and end.
    pub fn is_active(&self) -> bool {
        self.kind.load(Relaxed) != NONE
    }

    /// True if it goes to the host.
    pub fn is_read(&self) -> bool {
        matches!(self.kind.load(Relaxed), READ_MEMORY | READ_REGISTER)
    }

    /// True if it goes to the card.
    pub fn is_write(&self) -> bool {
        matches!(self.kind.load(Relaxed), WRITE_MEMORY | WRITE_REGISTER)
    }

    /// Bytes that have not moved.
    pub fn left(&self) -> u64 {
        self.len.load(Relaxed).saturating_sub(self.position.load(SeqCst))
    }

    /// Bytes that are left of the current block.
    pub fn left_in_block(&self) -> u64 {
        let block = self.block.load(Relaxed).max(1);
        self.left().min(block - self.position.load(SeqCst) % block)
    }

    /// Whole blocks that have moved.
    pub fn blocks(&self) -> u64 {
        self.position.load(SeqCst) / self.block.load(Relaxed).max(1)
    }

    /// Bytes of the whole.
    pub fn size(&self) -> u64 {
        self.len.load(Relaxed)
    }

    /// Tells the card how far it came. `short`: the host waits for more when it is done.
    pub fn report(&self, card: &mut Card, short: bool) {
        let done = self.left() == 0;
        if done && self.kind.load(Relaxed) == WRITE_REGISTER {
            card.program_csd(&self.register());
        }
        card.progress(self.blocks());
        if done && short {
            card.overrun();
        }
    }

    /// The content of a register that was written.
    fn register<const N: usize>(&self) -> [u8; N] {
        std::array::from_fn(|index| self.buffer[index / 4 % WORDS].load(Relaxed).to_le_bytes()[index % 4])
    }

    /// Moves the position on by a word, and returns where the word is and where it was in its block.
    fn claim(&self) -> Option<(u64, u64, Moved)> {
        let (len, block) = (self.len.load(Relaxed), self.block.load(Relaxed).max(1));
        let next = |at: u64| at + WORD.min(block - at % block);
        let at = self.position.fetch_update(SeqCst, SeqCst, |at| (at < len).then(|| next(at))).ok()?;
        let after = next(at);
        Some((at, at % block, Moved { word: 0, block_done: after % block == 0, all_done: after >= len }))
    }

    /// The next word to the host. `None` if there is none.
    pub fn take(&self) -> Option<Moved> {
        let kind = self.kind.load(Relaxed);
        if !matches!(kind, READ_MEMORY | READ_REGISTER) {
            return None;
        }
        let (at, in_block, moved) = self.claim()?;
        let word = match &self.image {
            Some(image) if kind == READ_MEMORY => {
                Self::image_word(image, self.start.load(Relaxed) + at, self.block.load(Relaxed) - in_block)
            }
            _ => self.buffer[(in_block / WORD) as usize % WORDS].load(Relaxed),
        };
        Some(Moved { word, ..moved })
    }

    /// The word at any byte, of which `valid` bytes count.
    fn image_word(image: &CardImage, at: u64, valid: u64) -> u32 {
        if at.is_multiple_of(WORD) && valid >= WORD {
            return image.word(at);
        }
        let byte = |index| if index < valid { image.byte(at + index) } else { 0 };
        u32::from_le_bytes(std::array::from_fn(|index| byte(index as u64)))
    }

    /// The next word to the card. `None` if it wants none.
    pub fn put(&self, word: u32) -> Option<Moved> {
        let kind = self.kind.load(Relaxed);
        if !matches!(kind, WRITE_MEMORY | WRITE_REGISTER) {
            return None;
        }
        let (at, in_block, moved) = self.claim()?;
        self.buffer[(in_block / WORD) as usize % WORDS].store(word, Relaxed);
        if moved.block_done
            && kind == WRITE_MEMORY
            && let Some(image) = &self.image
        {
            // Writes are of whole, aligned blocks.
            let to = self.start.load(Relaxed) + at - in_block;
            image.write_block(to, &std::array::from_fn(|index| self.buffer[index].load(Relaxed)));
        }
        Some(moved)
    }
}
