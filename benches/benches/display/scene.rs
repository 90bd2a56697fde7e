//! What is measured: pictures in guest RAM, what a guest does to them, and what the renderer is compared with.

use rayon::{ThreadPool, ThreadPoolBuilder};
use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tayberry_engine::GuestRam;
use tayberry_engine::display::{Alpha, Depth, Display, Kernels, Outcome, Overscan, PixelOrder, Pixels, Renderer, Scanout, ScanoutConfig};

pub const SIZES: [(u32, u32); 5] = [(320, 200), (640, 480), (1024, 768), (1920, 1080), (3840, 2160)];

/// Name, depth, order, alpha. A palette has no order.
pub const FORMATS: [(&str, Depth, PixelOrder, Alpha); 11] = [
    ("indexed8", Depth::Indexed8, PixelOrder::Rgb, Alpha::Ignored),
    ("rgb15", Depth::Rgb15, PixelOrder::Rgb, Alpha::Ignored),
    ("bgr15", Depth::Rgb15, PixelOrder::Bgr, Alpha::Ignored),
    ("rgb16", Depth::Rgb16, PixelOrder::Rgb, Alpha::Ignored),
    ("bgr16", Depth::Rgb16, PixelOrder::Bgr, Alpha::Ignored),
    ("rgb24", Depth::Rgb24, PixelOrder::Rgb, Alpha::Ignored),
    ("bgr24", Depth::Rgb24, PixelOrder::Bgr, Alpha::Ignored),
    ("rgb32", Depth::Rgb32, PixelOrder::Rgb, Alpha::Ignored),
    ("bgr32", Depth::Rgb32, PixelOrder::Bgr, Alpha::Ignored),
    ("rgb32, alpha 0 opaque", Depth::Rgb32, PixelOrder::Rgb, Alpha::Opaque0),
    ("bgr32, alpha 0 transparent", Depth::Rgb32, PixelOrder::Bgr, Alpha::Transparent0),
];

/// Pictures in the buffer. The renderer has two surfaces and knows what is on both: only the third picture is new to either.
pub const PICTURES: u32 = 3;

pub struct Scene {
    pub ram: Arc<GuestRam>,
    pub config: ScanoutConfig,
}

impl Scene {
    /// Of noise; opaque where an alpha of 0 is opaque, so that there is a line for such pictures as well as one for all alphas.
    pub fn new((width, height): (u32, u32), depth: Depth, order: PixelOrder, alpha: Alpha) -> Self {
        let pitch = width * depth.bytes();
        let bytes = u64::from(pitch) * u64::from(height * PICTURES);
        let ram = Arc::new(GuestRam::new(bytes.next_multiple_of(4096)).expect("guest RAM"));
        // Whoever takes an alpha of 0 for opaque means all to be seen.
        let mask = if alpha == Alpha::Opaque0 { 0x00FF_FFFF_00FF_FFFF } else { u64::MAX };
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for at in (0..bytes & !7).step_by(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ram.write_u64(at, state & mask).expect("in RAM");
        }
        ram.pages().settle(0..ram.len());
        let config = ScanoutConfig {
            base: 0,
            pitch,
            physical: (width, height),
            virtual_size: (width, height * PICTURES),
            offset: (0, 0),
            depth,
            order,
            alpha,
            palette: Arc::new(std::array::from_fn(|index| index as u32 * 0x01_0101)),
            blank: false,
            overscan: Overscan::default(),
        };
        Self { ram, config }
    }

    pub fn picture_bytes(&self) -> u64 {
        u64::from(self.config.pitch) * u64::from(self.config.physical.1)
    }

    pub fn scanout(&self, picture: u32) -> Scanout {
        let offset = (0, picture % PICTURES * self.config.physical.1);
        Scanout::new(ScanoutConfig { offset, ..self.config.clone() }, Arc::clone(&self.ram), None).expect("usable")
    }

    /// Inverts a square of 32x32 pixels of the first picture; a second time takes it back. Where it is depends on `step`.
    fn invert_square(&self, step: u32) {
        let (width, height) = self.config.physical;
        let (left, top) = (step * 7 % (width - 32), step * 3 % (height - 32));
        let len = u64::from(32 * self.config.depth.bytes());
        for y in top..top + 32 {
            let at = u64::from(y) * u64::from(self.config.pitch) + u64::from(left * self.config.depth.bytes());
            for at in at..at + len {
                self.ram.write_u8(at, !self.ram.read_u8(at).expect("in RAM")).expect("in RAM");
            }
        }
    }
}

/// What a guest does between two frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// It shows a picture that is new in every line.
    New,
    /// Nothing.
    Nothing,
    /// It moves a square of 32x32 pixels.
    Cursor,
    /// It flips between two pictures, by the virtual offset.
    Flip,
}

/// Something that makes frames, and says how long the last one took.
pub type Contestant = Box<dyn FnMut() -> Duration>;

/// The renderer, by the kernels that the host can run best if none are named.
pub fn render(scene: &Arc<Scene>, kernels: Option<Kernels>, threads: usize, motion: Motion) -> Contestant {
    let mut renderer = kernels.map_or_else(|| Renderer::new(threads), |kernels| Renderer::with_kernels(threads, kernels));
    let (scene, display, mut step) = (Arc::clone(scene), Display::new(), 0);
    display.publish(scene.scanout(0));
    renderer.render(&display);
    Box::new(move || {
        step += 1;
        let expected = match motion {
            Motion::New => {
                display.publish(scene.scanout(step));
                (Outcome::Presented, scene.config.physical.1)
            }
            Motion::Flip => {
                display.publish(scene.scanout(step % 2));
                (Outcome::Presented, scene.config.physical.1)
            }
            Motion::Nothing => (Outcome::Unchanged, 0),
            Motion::Cursor => {
                scene.invert_square(step - 1);
                scene.invert_square(step);
                (Outcome::Presented, 0)
            }
        };
        let start = Instant::now();
        let outcome = renderer.render(&display);
        let time = start.elapsed();
        // A contestant is made before its memory is warm.
        let usual = step <= PICTURES || motion == Motion::Cursor || renderer.frame().changed.len() == expected.1 as usize;
        assert!(outcome == expected.0 && usual, "{outcome:?} {:?}", renderer.frame().changed);
        time
    })
}

/// A plain copy of as many bytes, with the same rotation of pictures, in memory of the kind that the renderer has; by two threads if there is a pool.
pub fn copy(bytes: usize, pool: Option<Arc<ThreadPool>>) -> Contestant {
    let source: Pixels = (0..bytes * PICTURES as usize).map(|at| at as u8).collect();
    let mut out = [(); 2].map(|()| Pixels::from(vec![1; bytes]));
    let mut picture = 0;
    Box::new(move || {
        picture += 1;
        let from = picture % PICTURES as usize * bytes;
        let (source, out) = (black_box(&source[from..from + bytes]), black_box(&mut out[picture % 2]));
        let start = Instant::now();
        match &pool {
            None => out.copy_from_slice(source),
            Some(pool) => {
                let ((source, their_source), (out, their_out)) = (source.split_at(bytes / 2), out.split_at_mut(bytes / 2));
                pool.in_place_scope(|scope| {
                    scope.spawn(|_| their_out.copy_from_slice(their_source));
                    out.copy_from_slice(source);
                });
            }
        }
        let time = start.elapsed();
        black_box(out);
        time
    })
}

/// The other thread of a copy by two.
pub fn pool() -> Arc<ThreadPool> {
    Arc::new(ThreadPoolBuilder::new().num_threads(1).build().expect("a thread"))
}

/// What an emulator's display update does that goes from pixel to pixel: it reads one, looks how it is to be taken apart, and writes it.
pub fn per_pixel(scene: &Arc<Scene>) -> Contestant {
    let (scene, mut picture) = (Arc::clone(scene), 0);
    let (width, height) = scene.config.physical;
    let mut out = [(); 2].map(|()| vec![0_u32; (width * height) as usize]);
    Box::new(move || {
        picture += 1;
        let config = black_box(ScanoutConfig { base: u64::from(picture % PICTURES) * scene.picture_bytes(), ..scene.config.clone() });
        let out = &mut out[picture as usize % 2];
        let start = Instant::now();
        for y in 0..height {
            let line = config.base + u64::from(y) * u64::from(config.pitch);
            for x in 0..width {
                out[(y * width + x) as usize] = one_pixel(&scene.ram, &config, line + u64::from(x * config.depth.bytes()));
            }
        }
        let time = start.elapsed();
        black_box(out);
        time
    })
}

/// RGBA8 of the pixel at `at`.
fn one_pixel(ram: &GuestRam, config: &ScanoutConfig, at: u64) -> u32 {
    let byte = |at: u64| u32::from(ram.read_u8(at).unwrap_or(0));
    let half = |at: u64| u32::from(ram.read_u16(at).unwrap_or(0));
    let spread = |value: u32, bits: u32| {
        let value = value & ((1 << bits) - 1);
        value << (8 - bits) | value >> (2 * bits - 8)
    };
    let (mut red, green, mut blue) = match config.depth {
        Depth::Indexed8 => {
            let entry = config.palette[byte(at) as usize];
            return entry | 0xFF00_0000;
        }
        Depth::Rgb15 => {
            let value = half(at);
            (spread(value >> 10, 5), spread(value >> 5, 5), spread(value, 5))
        }
        Depth::Rgb16 => {
            let value = half(at);
            (spread(value >> 11, 5), spread(value >> 5, 6), spread(value, 5))
        }
        Depth::Rgb24 | Depth::Rgb32 => (byte(at), byte(at + 1), byte(at + 2)),
    };
    if config.order == PixelOrder::Bgr {
        (red, blue) = (blue, red);
    }
    let opacity = match config.alpha {
        Alpha::Opaque0 if config.depth == Depth::Rgb32 => 255 - byte(at + 3),
        Alpha::Transparent0 if config.depth == Depth::Rgb32 => byte(at + 3),
        _ => 255,
    };
    let scale = |component: u32| (component * opacity + 127) / 255;
    0xFF00_0000 | scale(blue) << 16 | scale(green) << 8 | scale(red)
}
