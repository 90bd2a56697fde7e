//! Test cases of the fuzz target `scanout`: a program of publications, guest stores and allocations, from any bytes.
//!
//! Checked: a configuration is taken exactly if it can be shown; every scanout that was published is drawn, each pixel as its definition has
//! it; lines that a frame does not call changed have not changed.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tayberry_engine::GuestRam;
use tayberry_engine::display::reference::first_difference;
use tayberry_engine::display::{
    Alpha, Depth, Display, MAX_HEIGHT, MAX_WIDTH, Outcome, Overscan, PixelOrder, Renderer, Reuse, Scanout, ScanoutConfig, VideoBuffer,
    VideoMemory,
};

const RAM_BYTES: u64 = 0x1_0000;
/// The upper half is GPU memory.
const VIDEO_MEMORY: u64 = 0x8000;
/// Steps of a program.
const MOST_STEPS: usize = 24;
/// Allocations at a time.
const MOST_BUFFERS: usize = 6;
/// Larger frames are not drawn here.
const MOST_PIXELS: u64 = 1 << 14;
/// Frames up to so many pixels are compared whole.
const WHOLE: u64 = 1 << 10;

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
            0xF0 => MAX_WIDTH,
            0xF1 => MAX_WIDTH + 1,
            0xF2 => MAX_HEIGHT,
            0xF3 => MAX_HEIGHT + 1,
            0xF4 => u32::MAX,
            0xF5 => 1 << 31,
            0xF6 => self.word(),
            0xF7..=0xFF => u32::from(self.byte()) << 4,
            small => small.into(),
        }
    }

    fn pair(&mut self) -> (u32, u32) {
        (self.number(), self.number())
    }
}

thread_local! {
    /// They outlive machines, as in a run with resets.
    static SCREEN: RefCell<(Display, Renderer)> = RefCell::new((Display::new(), Renderer::new(1)));
}

/// Runs a test case.
pub fn run(data: &[u8]) {
    SCREEN.with_borrow_mut(|(display, renderer)| Case::new(data, display, renderer).run());
}

struct Case<'a> {
    bytes: Bytes<'a>,
    ram: Arc<GuestRam>,
    memory: VideoMemory,
    buffers: Vec<VideoBuffer>,
    display: &'a Display,
    renderer: &'a mut Renderer,
    config: Option<ScanoutConfig>,
}

impl<'a> Case<'a> {
    fn new(data: &'a [u8], display: &'a Display, renderer: &'a mut Renderer) -> Self {
        let mut bytes = Bytes(data);
        let reuse = if bytes.byte() & 1 == 0 { Reuse::AvoidHeld } else { Reuse::IgnoreReaders };
        let memory = VideoMemory::with_reuse(VIDEO_MEMORY, RAM_BYTES - VIDEO_MEMORY, reuse);
        let ram = Arc::new(GuestRam::new(RAM_BYTES).expect("64 KiB"));
        if display.load().has_signal() {
            display.lose_signal();
        }
        Self { bytes, ram, memory, buffers: Vec::new(), display, renderer, config: None }
    }

    fn run(mut self) {
        for _ in 0..MOST_STEPS {
            if self.bytes.is_empty() {
                break;
            }
            let step = self.bytes.byte();
            match step & 7 {
                0..=2 => self.publish(),
                3 => self.vary(),
                4 => self.store(),
                5 => self.allocate(),
                6 => self.free(),
                _ if step & 8 != 0 => self.ram.pages().settle(0..RAM_BYTES),
                _ => self.lose_signal(),
            }
            self.draw();
        }
    }

    /// An address: of a buffer, a low one, one before the end of RAM, any.
    fn address(&mut self) -> (u64, Option<VideoBuffer>) {
        let choice = self.bytes.byte();
        match choice & 3 {
            0 => {
                let buffer = self.buffers.get(usize::from(choice >> 2) % MOST_BUFFERS).cloned();
                let offset = u64::from(self.bytes.byte());
                (buffer.as_ref().map_or(0, |buffer| buffer.base) + offset, buffer)
            }
            1 => (u64::from(self.bytes.number()), None),
            2 => (RAM_BYTES.wrapping_sub(u64::from(self.bytes.number())), None),
            _ => (u64::from(self.bytes.word()) << (choice >> 2), None),
        }
    }

    fn publish(&mut self) {
        let format = self.bytes.byte();
        let depth = Depth::ALL[usize::from(format % 5)];
        let (base, buffer) = self.address();
        let (physical, virtual_size, offset) = (self.bytes.pair(), self.bytes.pair(), self.bytes.pair());
        let pitch = match self.bytes.byte() {
            0xFF => self.bytes.number(),
            extra => virtual_size.0.wrapping_mul(depth.bytes()).wrapping_add(extra.into()),
        };
        let look = self.bytes.byte();
        let borders = if look & 0x80 == 0 { [0; 4] } else { std::array::from_fn(|_| self.bytes.number()) };
        let [top, bottom, left, right] = borders;
        let seed = u32::from(look & 3).wrapping_mul(0x9E37_79B9);
        self.show(
            ScanoutConfig {
                base,
                pitch,
                physical,
                virtual_size,
                offset,
                depth,
                order: if look & 4 == 0 { PixelOrder::Rgb } else { PixelOrder::Bgr },
                alpha: [Alpha::Ignored, Alpha::Opaque0, Alpha::Transparent0][usize::from(format / 5 % 3)],
                palette: Arc::new(std::array::from_fn(|at| (at as u32).wrapping_mul(0x0101_0101) ^ seed)),
                blank: look & 0x70 == 0x70,
                overscan: Overscan { top, bottom, left, right },
            },
            buffer,
        );
    }

    /// Shows what is shown with one setting changed: as panning, palettes and orders do.
    fn vary(&mut self) {
        let Some(mut config) = self.config.clone() else { return };
        match self.bytes.byte() & 7 {
            0 => config.offset = self.bytes.pair(),
            1 => config.order = if config.order == PixelOrder::Rgb { PixelOrder::Bgr } else { PixelOrder::Rgb },
            2 => Arc::make_mut(&mut config.palette)[usize::from(self.bytes.byte())] = self.bytes.word(),
            3 => config.blank = !config.blank,
            4 => config.overscan.left = self.bytes.number(),
            5 => config.depth = Depth::ALL[usize::from(self.bytes.byte() % 5)],
            6 => config.physical = self.bytes.pair(),
            _ => config.base = config.base.wrapping_add(self.bytes.byte().into()),
        }
        let buffer = self.buffers.iter().find(|buffer| (buffer.base..buffer.base + buffer.len).contains(&config.base)).cloned();
        self.show(config, buffer);
    }

    fn show(&mut self, config: ScanoutConfig, buffer: Option<VideoBuffer>) {
        let made = Scanout::new(config.clone(), Arc::clone(&self.ram), buffer);
        assert_eq!(made.is_ok(), can_be_shown(&config), "{config:?}: {made:?}");
        if let Ok(scanout) = made {
            let before = self.display.generation();
            assert_eq!(self.display.publish(scanout), before + 1);
            self.config = Some(config);
        }
    }

    fn store(&mut self) {
        let (address, _) = self.address();
        let (len, value) = (self.bytes.byte(), self.bytes.byte());
        // What does not lie in RAM goes nowhere.
        let _ = match len {
            0x00..=0x0F => self.ram.write_u8(address, value),
            0x10..=0x1F => self.ram.write_u32(address & !3, u32::from(value).wrapping_mul(0x0103_0507)),
            0x20..=0x27 => self.store_by_core(address & !7, value),
            0x28..=0x2F => self.ram.write_u64(address & !7, u64::from(value).wrapping_mul(0x0103_0507_0B0D_1113)),
            0x30..=0x7F => self.ram.fill(address, u64::from(len) << 4, value),
            _ => self.ram.copy_in(address, &(0..len).map(|at| at.wrapping_mul(value)).collect::<Vec<_>>()),
        };
    }

    /// A store as cores do it: it is told of before, by a claim, and not after.
    fn store_by_core(&self, address: u64, value: u8) -> Option<()> {
        if !self.ram.contains(address, 8) {
            return None;
        }
        self.ram.pages().claim(address);
        // SAFETY: eight bytes of RAM from a multiple of eight on, which are accessed by atomics alone.
        let cell = unsafe { &*self.ram.base().add(address as usize).cast::<AtomicU64>() };
        cell.store(u64::from(value).wrapping_mul(0x0103_0507_0B0D_1113).to_le(), Ordering::Relaxed);
        Some(())
    }

    fn allocate(&mut self) {
        let len = match self.bytes.byte() {
            0xFF => u64::from(self.bytes.word()),
            pages => u64::from(pages) << 8,
        };
        let align = 1 << (self.bytes.byte() & 15);
        let Some(buffer) = self.memory.allocate(len, align) else { return };
        assert!(buffer.base >= VIDEO_MEMORY && buffer.base + buffer.len <= RAM_BYTES && buffer.base % align == 0 && buffer.len == len);
        for other in &self.buffers {
            assert!(buffer.base + buffer.len <= other.base || other.base + other.len <= buffer.base, "{buffer:?} overlaps {other:?}");
        }
        if self.buffers.len() == MOST_BUFFERS {
            self.buffers.remove(0);
        }
        self.buffers.push(buffer);
    }

    fn free(&mut self) {
        let which = usize::from(self.bytes.byte());
        if !self.buffers.is_empty() {
            let buffer = self.buffers.remove(which % self.buffers.len());
            self.memory.free(buffer);
        }
    }

    fn lose_signal(&mut self) {
        self.display.lose_signal();
        self.config = None;
    }

    /// Draws what is published, and holds it against the reference.
    fn draw(&mut self) {
        let Some(config) = &self.config else { return };
        let pixels = u64::from(config.physical.0) * u64::from(config.physical.1);
        if pixels > MOST_PIXELS {
            return;
        }
        let before = (pixels <= WHOLE).then(|| (self.renderer.frame().width, self.renderer.frame().pixels.clone()));
        let outcome = self.renderer.render(self.display);
        // Memory that was handed out again is lost to a scanout that nobody replaced.
        if outcome == Outcome::Stale {
            return;
        }
        assert!(matches!(outcome, Outcome::Presented | Outcome::Unchanged), "{outcome:?}");
        let frame = self.renderer.frame();
        assert_eq!((frame.generation, (frame.width, frame.height)), (self.display.generation(), config.physical));
        assert_eq!(frame.pixels.len() as u64, 4 * pixels);
        let step = if pixels <= WHOLE { 1 } else { 61 };
        assert_eq!(first_difference(frame, config, &self.ram, step), None, "{config:?}");
        let Some((_, before)) = before.filter(|(width, pixels)| (*width, pixels.len()) == (frame.width, frame.pixels.len())) else {
            return;
        };
        let line = 4 * frame.width as usize;
        for (y, (now, before)) in (0..).zip(frame.pixels.chunks(line).zip(before.chunks(line))) {
            assert!(now == before || outcome == Outcome::Presented && frame.changed.contains(&y), "line {y} of {:?}", frame.changed);
        }
    }
}

/// What the documentation of a scanout's errors says, in numbers that cannot overflow.
fn can_be_shown(config: &ScanoutConfig) -> bool {
    let wide = u128::from;
    let (physical, (columns, lines)) = (config.physical, config.virtual_size);
    let row = wide(columns) * wide(config.depth.bytes());
    let has_pixels = physical.0 > 0 && physical.1 > 0 && columns > 0 && lines > 0;
    has_pixels
        && physical.0 <= MAX_WIDTH
        && physical.1 <= MAX_HEIGHT
        && wide(config.pitch) >= row
        && u128::from(config.base) + wide(config.pitch) * (wide(lines) - 1) + row <= u128::from(RAM_BYTES)
}
