//! Test cases of the fuzz target `messages`: what a guest puts into memory and sends to the VideoCore, from any bytes.
//!
//! Checked: every property message that lies in RAM is answered, and memory beside it that is the guest's own stays; one message publishes at most
//! one scanout; whatever is published can be drawn, each pixel as its definition has it.

use std::cell::RefCell;
use std::sync::Arc;
use tayberry_bcm2837::property::{Arrival, MailboxPlugin, VideoCore};
use tayberry_engine::bench::shared;
use tayberry_engine::display::reference::first_difference;
use tayberry_engine::display::{Outcome, Renderer};
use tayberry_engine::handle::Shared;
use tayberry_engine::{ClockMode, GuestRam, GuestTime};

/// The guest's own memory ends here, the GPU's begins.
const ARM_MEMORY: u32 = 0x2000;
const RAM_BYTES: u64 = 0xA000;
/// Where messages lie unless the case says otherwise.
const MESSAGE: u32 = 0x1000;
/// Steps of a case.
const MOST_STEPS: usize = 16;
/// Words of a tag's value.
const MOST_WORDS: u32 = 260;
/// Larger frames are not drawn here.
const MOST_PIXELS: u64 = 1 << 13;
/// So many pixels of a frame are compared.
const COMPARED: u64 = 1 << 8;
/// Codes of an answered message.
const ANSWERED: [u32; 2] = [0x8000_0000, 0x8000_0001];

/// Reads a test case; zeros behind its end.
struct Bytes<'a>(&'a [u8]);

impl Bytes<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn byte(&mut self) -> u8 {
        let (&byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        byte
    }

    fn word(&mut self) -> u32 {
        u32::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    /// Mostly a small number, some of those where something changes, or any.
    fn number(&mut self) -> u32 {
        match self.byte() {
            0xF0 => 4096,
            0xF1 => 4097,
            0xF2 => 16384,
            0xF3 => 16385,
            0xF4 => u32::MAX,
            0xF5 => 1 << 31,
            0xF6 => self.word(),
            0xF7 => 1 << (self.byte() & 31),
            0xF8 => 0xC000_0000 | u32::from(self.byte()) << 8,
            0xF9..=0xFF => u32::from(self.byte()) << 2,
            small => small.into(),
        }
    }

    /// A tag's number: all that the firmware knows are of this form.
    fn tag(&mut self) -> u32 {
        match self.byte() {
            0xFF => self.word(),
            kind => u32::from(kind & 0xF) << 16 | u32::from(kind >> 4) << 12 | u32::from(self.byte()),
        }
    }

    /// A bus address, in one of the aliases: the usual one, others in the guest's memory, before the end of RAM, in the GPU's memory, any.
    fn address(&mut self) -> u32 {
        let choice = self.byte();
        let alias = u32::from(choice) << 24 & 0xC000_0000;
        let address = match choice & 7 {
            0 | 1 => MESSAGE,
            2 => u32::from(self.byte()) << 4,
            3 => (RAM_BYTES as u32) - (u32::from(self.byte()) << 4),
            4 => ARM_MEMORY - (u32::from(self.byte()) << 4),
            5 => ARM_MEMORY + (u32::from(self.byte()) << 8),
            6 => MESSAGE + u32::from(self.byte()),
            _ => self.word(),
        };
        alias | address
    }
}

thread_local! {
    /// They outlive machines, as in a run with resets.
    static FRONTEND: RefCell<(Arc<Shared>, Renderer)> = RefCell::new((shared(), Renderer::new(1)));
}

/// Runs a test case.
pub fn run(data: &[u8]) {
    FRONTEND.with_borrow_mut(|(shared, renderer)| Case::new(data, shared, renderer).run());
}

struct Case<'a> {
    bytes: Bytes<'a>,
    ram: Arc<GuestRam>,
    videocore: VideoCore,
    now: GuestTime,
    shared: &'a Shared,
    renderer: &'a mut Renderer,
}

impl<'a> Case<'a> {
    fn new(data: &'a [u8], shared: &'a Shared, renderer: &'a mut Renderer) -> Self {
        let mut bytes = Bytes(data);
        let mode = if bytes.byte() & 1 == 0 { ClockMode::Realtime } else { ClockMode::Deterministic };
        let plugin = MailboxPlugin {
            arm_memory: ARM_MEMORY,
            vc_memory: RAM_BYTES as u32 - ARM_MEMORY,
            video_memory: ARM_MEMORY.into()..RAM_BYTES,
            command_line: "fuzz".into(),
            screen: (32, 24),
            ..MailboxPlugin::default()
        };
        if shared.display.load().has_signal() {
            shared.display.lose_signal();
        }
        let ram = Arc::new(GuestRam::new(RAM_BYTES).expect("address space"));
        Self { bytes, ram, videocore: VideoCore::new(plugin, mode), now: GuestTime(0), shared, renderer }
    }

    fn run(mut self) {
        for _ in 0..MOST_STEPS {
            if self.bytes.is_empty() {
                break;
            }
            match self.bytes.byte() & 7 {
                0..=3 => {
                    let at = self.compose();
                    self.send(at);
                }
                4 => {
                    let at = self.bytes.address();
                    self.send(at);
                }
                5 => self.structure(),
                6 => self.store(),
                _ => self.now = self.now.plus(u64::from(self.bytes.word()) << 8),
            }
            self.draw();
        }
    }

    fn poke(&self, at: u32, word: u32) {
        // What does not lie in RAM goes nowhere.
        let _ = self.ram.write_u32(u64::from(at & 0x3FFF_FFFF), word);
    }

    /// Puts a message into RAM: some tags, now and then with wrong sizes.
    fn compose(&mut self) -> u32 {
        let address = self.bytes.address();
        let start = address & !0xC000_0003;
        let mut at = start.wrapping_add(8);
        let count = self.bytes.byte();
        for _ in 0..count & 15 {
            let number = self.bytes.tag();
            let (words, bytes) = match self.bytes.byte() {
                0xFF => (self.bytes.number().min(MOST_WORDS), self.bytes.number()),
                words => (u32::from(words & 15), u32::from(words & 15) * 4),
            };
            for word in [number, bytes, 0] {
                self.poke(at, word);
                at = at.wrapping_add(4);
            }
            for _ in 0..words {
                let value = self.bytes.number();
                self.poke(at, value);
                at = at.wrapping_add(4);
            }
        }
        self.poke(at, 0);
        let size = if count & 0x80 == 0 { at.wrapping_add(4).wrapping_sub(start) } else { self.bytes.number() };
        self.poke(start, size);
        self.poke(start.wrapping_add(4), 0);
        address
    }

    /// Sends the property message at a bus address. One that waits for the vertical sync is sent again then.
    fn send(&mut self, address: u32) {
        let base = u64::from(address & 0x3FFF_FFFF);
        let is_message = base.is_multiple_of(4) && self.ram.contains(base, 8);
        let size = self.ram.read_u32(base).filter(|&size| self.ram.contains(base, size.into())).unwrap_or(0);
        let theirs = base..base + u64::from(size).max(8);
        let before = self.own_memory();
        let generation = self.shared.display.generation();
        if let Arrival::WaitUntil(then) = self.videocore.serve_property(address, false, self.now, &self.ram, self.shared) {
            assert!(then > self.now, "it waits");
            assert_eq!(self.shared.display.generation(), generation);
            self.now = then;
            let arrival = self.videocore.serve_property(address, true, self.now, &self.ram, self.shared);
            assert_eq!(arrival, Arrival::Answered);
        }
        assert!(self.shared.display.generation() <= generation + 1, "one message, one publication");
        if is_message {
            let code = self.ram.read_u32(base + 4).expect("in RAM");
            assert!(ANSWERED.contains(&code), "the message at {base:#x} has the code {code:#x}");
        }
        let now = self.own_memory();
        let (start, end) = ((theirs.start as usize).min(now.len()), (theirs.end as usize).min(now.len()));
        assert!(before[..start] == now[..start] && before[end..] == now[end..], "a byte beside the message at {theirs:x?}");
    }

    /// Sends a structure of channel 1.
    fn structure(&mut self) {
        let address = self.bytes.address();
        let which = self.bytes.byte();
        let generation = self.shared.display.generation();
        for word in (0..10u32).filter(|word| which & 1 << (word & 7) != 0) {
            let value = self.bytes.number();
            self.poke((address & !3).wrapping_add(4 * word), value);
        }
        self.videocore.serve_framebuffer(address, self.now, &self.ram, self.shared);
        assert!(self.shared.display.generation() <= generation + 1, "one structure, one publication");
    }

    /// Stores words of the guest's.
    fn store(&mut self) {
        let (at, count, step) = (self.bytes.address() & !3, self.bytes.byte(), self.bytes.word());
        for word in 0..u32::from(count) {
            self.poke(at.wrapping_add(4 * word), word.wrapping_mul(step));
        }
    }

    fn own_memory(&self) -> Vec<u8> {
        let mut bytes = vec![0; ARM_MEMORY as usize];
        self.ram.copy_out(0, &mut bytes).expect("in RAM");
        bytes
    }

    /// Draws what is published, and holds it against the reference.
    fn draw(&mut self) {
        let scanout = self.shared.display.load();
        let config = scanout.config();
        let pixels = u64::from(config.physical.0) * u64::from(config.physical.1);
        if !scanout.has_signal() || pixels > MOST_PIXELS {
            return;
        }
        let outcome = self.renderer.render(&self.shared.display);
        assert!(matches!(outcome, Outcome::Presented | Outcome::Unchanged), "{outcome:?}");
        let frame = self.renderer.frame();
        assert_eq!((frame.generation, (frame.width, frame.height)), (scanout.generation(), config.physical));
        let step = (pixels / COMPARED) | 1;
        assert_eq!(first_difference(frame, config, &self.ram, step as usize), None, "{config:?}");
    }
}
