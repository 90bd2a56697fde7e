//! The form of a property message: parsed from one snapshot of guest RAM, answered into it, and written back at the end.
//!
//! ```text
//! word 0   bytes of the whole message
//! word 1   0: request; 0x80000000: answered; 0x80000001: cannot be parsed (to the end)
//! then     tags: number, bytes of the value buffer, request or response code, the value buffer padded to words
//! then     0: the end
//! ```
//!
//! A tag's response code is bit 31 with the length that the answer has, or would have in a buffer large enough: it is cut at the buffer's end. A tag
//! that the firmware does not know keeps its request code.

use crate::mailbox::{bus_to_physical, in_ram};
use std::ops::Range;
use tayberry_engine::GuestRam;

/// Message code and bit of a tag's code: answered.
pub const RESPONSE: u32 = 0x8000_0000;
/// Message code: something in it cannot be parsed; the tags before that are answered.
pub const PARSE_ERROR: u32 = 0x8000_0001;

/// Bytes of a message that are looked at: far more than all tags together need.
const MAX_BYTES: u32 = 1 << 20;
/// Words before the first tag.
const HEADER: usize = 2;
/// Words before a tag's value.
const TAG_HEADER: usize = 3;

/// A tag in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Its number.
    pub number: u32,
    /// Bytes of its value buffer.
    pub bytes: u32,
    /// Words of its value buffer in the message.
    value: Range<usize>,
}

/// A snapshot of a message.
#[derive(Debug)]
pub struct Message {
    address: u32,
    base: u64,
    words: Vec<u32>,
    tags: Vec<Tag>,
    is_whole: bool,
    /// Words that were answered and go back to RAM.
    answered: Vec<Range<usize>>,
}

impl Message {
    /// Copies the message at a bus address. `None` if not even its header lies in RAM.
    pub fn read(ram: &GuestRam, address: u32) -> Option<Self> {
        let base = in_ram(ram, address, 4 * HEADER as u64)?;
        let size = ram.read_u32(base)?;
        let mut message = Self { address, base, words: Vec::new(), tags: Vec::new(), is_whole: false, answered: Vec::new() };
        if in_ram(ram, address, size.into()).is_none() {
            tracing::debug!(target: "property", "a message of {size} bytes at {:#010x} does not lie in RAM", bus_to_physical(address));
            return Some(message);
        }
        let mut bytes = vec![0; (size.min(MAX_BYTES) & !3) as usize];
        ram.copy_out(base, &mut bytes)?;
        message.words = bytes.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
        message.is_whole = message.parse().is_some();
        Some(message)
    }

    /// Finds the tags. `None` where the message ends in the middle or without an end tag.
    fn parse(&mut self) -> Option<()> {
        let mut at = HEADER;
        loop {
            let number = *self.words.get(at)?;
            if number == 0 {
                return Some(());
            }
            let bytes = *self.words.get(at + 1)?;
            let value = at + TAG_HEADER..(at + TAG_HEADER).checked_add(bytes.div_ceil(4) as usize)?;
            self.words.get(value.clone())?;
            at = value.end;
            self.tags.push(Tag { number, bytes, value });
        }
    }

    /// The tags up to the end or the first that cannot be parsed.
    pub fn tags(&self) -> &[Tag] {
        &self.tags
    }

    /// True if all of it could be parsed.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// Bus address that it was sent by.
    pub fn address(&self) -> u32 {
        self.address
    }

    /// All its words, with the answers so far.
    pub fn words(&self) -> &[u32] {
        &self.words
    }

    /// The code that it is answered with.
    pub fn code(&self) -> u32 {
        if self.is_whole { RESPONSE } else { PARSE_ERROR }
    }

    /// A tag's value buffer.
    pub fn value(&self, tag: &Tag) -> &[u32] {
        &self.words[tag.value.clone()]
    }

    /// Answers the tag numbered `index`.
    pub fn answer(&mut self, index: usize, answer: &[u8]) {
        let Tag { bytes, value, .. } = &self.tags[index];
        self.words[value.start - 1] = RESPONSE | answer.len() as u32;
        let shown = &answer[..answer.len().min(*bytes as usize)];
        for (word, piece) in self.words[value.clone()].iter_mut().zip(shown.chunks(4)) {
            let mut merged = word.to_le_bytes();
            merged[..piece.len()].copy_from_slice(piece);
            *word = u32::from_le_bytes(merged);
        }
        self.answered.push(value.start - 1..value.start + shown.len().div_ceil(4));
    }

    /// Writes the answers back to RAM, the message's own code last.
    pub fn write_back(self, ram: &GuestRam) {
        for range in &self.answered {
            for at in range.clone() {
                ram.write_u32(self.base + 4 * at as u64, self.words[at]);
            }
        }
        ram.write_u32(self.base + 4, self.code());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RAM: u64 = 0x10_0000;

    fn ram_with(base: u64, words: &[u32]) -> GuestRam {
        let ram = GuestRam::new(RAM).expect("address space");
        for (at, &word) in words.iter().enumerate() {
            ram.write_u32(base + 4 * at as u64, word);
        }
        ram
    }

    #[test]
    fn the_answer_is_cut_but_its_length_is_not() {
        let ram = ram_with(0x100, &[32, 0, 0x0001_0003, 5, 0, 0x1111_1111, 0x2222_2222, 0]);
        let mut message = Message::read(&ram, 0xc000_0100).expect("in RAM");
        assert!(message.is_whole());
        message.answer(0, &[1, 2, 3, 4, 5, 6]);
        message.write_back(&ram);
        let back: Vec<u32> = (0..8).map(|at| ram.read_u32(0x100 + 4 * at).expect("in RAM")).collect();
        assert_eq!(back, [32, RESPONSE, 0x0001_0003, 5, RESPONSE | 6, 0x0403_0201, 0x2222_2205, 0]);
    }

    #[test]
    fn what_does_not_parse_is_said_to_and_nothing_else_is_touched() {
        for words in [
            vec![8, 0],
            vec![0, 0],
            vec![3, 0],
            vec![u32::MAX, 0, 0],
            vec![20, 0, 1, 0, 0],
            vec![16, 0, 1, 0],
            vec![32, 0, 1, 13, 0, 7, 7, 7],
            vec![32, 0, 1, u32::MAX, 0, 7, 7, 0],
        ] {
            let ram = ram_with(0x100, &words);
            let message = Message::read(&ram, 0x100).expect("in RAM");
            assert!(!message.is_whole(), "{words:x?}");
            message.write_back(&ram);
            let mut expect = words.clone();
            expect[1] = PARSE_ERROR;
            let back: Vec<u32> = (0..words.len() as u64).map(|at| ram.read_u32(0x100 + 4 * at).expect("in RAM")).collect();
            assert_eq!(back, expect);
        }
        assert!(Message::read(&ram_with(0, &[]), RAM as u32).is_none());
        assert!(Message::read(&ram_with(0, &[]), 0xffff_fff0).is_none());
    }

    proptest! {
        #[test]
        fn random_messages_parse_within_their_bounds(
            words in proptest::collection::vec(prop_oneof![any::<u32>(), 0u32..64, Just(0x0004_0001)], 2..40),
            size in prop_oneof![any::<u32>(), 0u32..200],
            at in prop_oneof![0u32..0x2000, RAM as u32 - 200..RAM as u32, any::<u32>()],
        ) {
            let address = at & !0xf;
            let base = bus_to_physical(address);
            let ram = ram_with(base, &words);
            ram.write_u32(base, size);
            let image = |ram: &GuestRam| {
                let mut image = vec![0; RAM as usize];
                ram.copy_out(0, &mut image).expect("all of it");
                image
            };
            let before = image(&ram);
            let Some(mut message) = Message::read(&ram, address) else {
                prop_assert!(base + 8 > RAM);
                return Ok(());
            };
            for index in 0..message.tags().len() {
                let tag = message.tags()[index].clone();
                prop_assert_eq!(message.value(&tag).len(), tag.bytes.div_ceil(4) as usize);
                message.answer(index, &[0xAA; 30]);
            }
            message.write_back(&ram);
            let after = image(&ram);
            let end = (base + 8).max(base + u64::from(size));
            for (address, (old, new)) in before.iter().zip(&after).enumerate() {
                prop_assert!(old == new || (base..end).contains(&(address as u64)), "byte {address:#x} changed");
            }
        }
    }
}
