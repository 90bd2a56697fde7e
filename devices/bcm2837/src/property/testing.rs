//! A guest on the test bench: it writes messages into RAM and mail into registers, and nothing else.

use crate::mailbox::BASE;
use crate::property::MailboxPlugin;
use std::sync::Arc;
use tayberry_engine::bench::Bench;
use tayberry_engine::builder::{Ram, SharedRes};
use tayberry_engine::display::ScanoutConfig;
use tayberry_engine::handle::Shared;
use tayberry_engine::{GuestRam, Served};

/// RAM of a Pi 3 below the peripherals.
const RAM: u64 = 0x3f00_0000;
/// Where messages lie.
pub const MESSAGE: u32 = 0x0010_0000;
/// Status of mailbox 0: nothing to read.
pub const EMPTY: u32 = 1 << 30;
/// Status: no room.
pub const FULL: u32 = 1 << 31;
/// The property channel.
pub const PROPERTY: u32 = 8;
/// A message's code when all is well.
pub const DONE: u32 = 0x8000_0000;

/// The guest.
pub struct Guest {
    /// Its machine.
    pub bench: Bench,
    /// Its RAM.
    pub ram: Arc<GuestRam>,
    /// What frontends would see.
    pub shared: Arc<Shared>,
}

impl Guest {
    /// A guest on a Pi 3.
    pub fn new() -> Self {
        Self::with(&MailboxPlugin::default())
    }

    /// A guest with a firmware of its own.
    pub fn with(plugin: &MailboxPlugin) -> Self {
        let bench = Bench::new(RAM, 4, |machine| {
            machine.install(plugin);
        });
        let ram = Arc::clone(&bench.world.resource::<Ram>().0);
        let shared = Arc::clone(&bench.world.resource::<SharedRes>().0);
        Self { bench, ram, shared }
    }

    /// Reads a mailbox register by its offset from 0x3F00B800.
    pub fn read(&self, offset: u64) -> u32 {
        self.bench.read(BASE - 0x80 + offset)
    }

    /// Writes a mailbox register by its offset from 0x3F00B800.
    pub fn write(&self, offset: u64, value: u32) -> Served {
        self.bench.write(BASE - 0x80 + offset, value)
    }

    /// Writes words into RAM.
    pub fn poke(&self, at: u32, words: &[u32]) {
        for (index, &word) in words.iter().enumerate() {
            self.ram.write_u32(u64::from(at) + 4 * index as u64, word).expect("in RAM");
        }
    }

    /// Reads words from RAM.
    pub fn peek(&self, at: u32, count: usize) -> Vec<u32> {
        (0..count as u64).map(|index| self.ram.read_u32(u64::from(at) + 4 * index).expect("in RAM")).collect()
    }

    /// Sends mail and waits for the answer.
    pub fn mail(&mut self, word: u32) -> u32 {
        assert_eq!(self.write(0xa0, word), Served::EndSlice);
        self.bench.tick();
        assert_eq!(self.read(0x98) & EMPTY, 0, "there is an answer");
        self.read(0x80)
    }

    /// Puts a message of `tags` (an end tag is added) into RAM.
    pub fn compose(&self, tags: &[u32]) {
        let size = 4 * (tags.len() as u32 + 3);
        self.poke(MESSAGE, &[size, 0]);
        self.poke(MESSAGE + 8, tags);
        self.poke(MESSAGE + size - 4, &[0]);
    }

    /// Sends a message of `tags` (an end tag is added); its code and what became of the tags.
    pub fn send(&mut self, tags: &[u32]) -> (u32, Vec<u32>) {
        self.compose(tags);
        assert_eq!(self.mail(MESSAGE | PROPERTY), MESSAGE | PROPERTY);
        let back = self.peek(MESSAGE, tags.len() + 3);
        assert_eq!((back[0], back[tags.len() + 2]), (4 * (tags.len() as u32 + 3), 0), "size and end tag stay");
        (back[1], back[2..tags.len() + 2].to_vec())
    }

    /// Sends a message of `tags` and compares what becomes of them.
    #[track_caller]
    pub fn check(&mut self, tags: &[u32], expect: &[u32]) {
        let (code, back) = self.send(tags);
        assert_eq!(code, DONE);
        assert!(back == expect, "sent     {tags:#010x?}\ngot      {back:#010x?}\nexpected {expect:#010x?}");
    }

    /// Sends one tag with the value buffer `value`; its answer, which must have `len` bytes.
    #[track_caller]
    pub fn ask(&mut self, tag: u32, value: &[u32], len: u32) -> Vec<u32> {
        let mut words = vec![tag, 4 * value.len() as u32, 0];
        words.extend(value);
        let (code, back) = self.send(&words);
        assert_eq!((code, back[0], back[1], back[2]), (DONE, tag, 4 * value.len() as u32, DONE | len));
        back[3..].to_vec()
    }

    /// Number of publications and what is on the display.
    pub fn shown(&self) -> (u64, ScanoutConfig) {
        let scanout = self.shared.display.load();
        (scanout.generation(), scanout.config().clone())
    }
}
