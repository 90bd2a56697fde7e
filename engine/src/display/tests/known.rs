//! What the renderer does not read because it knows it: whatever was written, settled, shown and dropped before, a frame is as a fresh renderer draws it.

use super::*;
use std::sync::atomic::AtomicU64;

const BASE: u64 = 0x1000;
const WIDTH: u32 = 300;
const HEIGHT: u32 = 40;
/// Room for two pictures of 32 bits.
const BUFFER: u64 = (WIDTH * HEIGHT * 4 * 2) as u64;

/// What happens between frames.
#[derive(Clone, Debug)]
enum Step {
    /// A device stores.
    Device { at: u64, len: u64, byte: u8 },
    /// A core stores: it claims the page and tells nobody.
    Core { at: u64, value: u64 },
    /// The machine settles pages.
    Settle { at: u64, len: u64 },
    /// The guest pans.
    Pan { x: u32, y: u32 },
    /// It changes the palette.
    Palette { seed: u32 },
    /// It changes the depth.
    Depth { depth: Depth },
    /// A frame is drawn whose memory is taken away meanwhile.
    Dropped,
    /// A frame is drawn.
    Shown,
}

fn any_step() -> impl Strategy<Value = Step> {
    let at = || 0..BUFFER - 8;
    prop_oneof![
        3 => (at(), 1..3000_u64, any::<u8>()).prop_map(|(at, len, byte)| Step::Device { at, len: len.min(BUFFER - at), byte }),
        3 => (at(), any::<u64>()).prop_map(|(at, value)| Step::Core { at: at & !7, value }),
        3 => prop_oneof![2 => Just((0, BUFFER)), 1 => (at(), 1..20_000_u64)].prop_map(|(at, len)| Step::Settle { at, len }),
        3 => (prop_oneof![3 => Just(0), 1 => 0..3_u32], prop_oneof![2 => Just(0), 2 => Just(HEIGHT), 1 => 0..HEIGHT]).prop_map(|(x, y)| Step::Pan { x, y }),
        1 => (0..3_u32).prop_map(|seed| Step::Palette { seed }),
        1 => prop::sample::select(&Depth::ALL[..]).prop_map(|depth| Step::Depth { depth }),
        2 => Just(Step::Dropped),
        8 => Just(Step::Shown),
    ]
}

/// A store that the page map is not told of.
fn store_silently(ram: &GuestRam, at: u64, value: u64) {
    assert!(ram.contains(at, 8) && at.is_multiple_of(8));
    // SAFETY: in RAM and aligned; RAM is only accessed by atomics.
    unsafe { &*ram.base().add(at as usize).cast::<AtomicU64>() }.store(value, Ordering::Relaxed);
}

struct Scene {
    ram: Arc<GuestRam>,
    config: ScanoutConfig,
    display: Display,
}

impl Scene {
    fn new() -> Self {
        let ram = ram();
        noise(&ram);
        let config = ScanoutConfig { base: BASE, virtual_size: (WIDTH, HEIGHT * 2), ..config(Depth::Rgb32, WIDTH, HEIGHT) };
        let scene = Self { ram, config, display: Display::new() };
        scene.publish(None);
        scene
    }

    fn publish(&self, buffer: Option<VideoBuffer>) {
        self.display.publish(Scanout::new(self.config.clone(), Arc::clone(&self.ram), buffer).expect("usable"));
    }

    fn settle(&self) {
        self.ram.pages().settle(BASE..BASE + BUFFER);
    }

    fn pan(&mut self, y: u32) {
        self.config.offset = (0, y);
        self.publish(None);
    }

    /// A frame of a scanout whose memory was handed out again.
    fn drop_a_frame(&self, renderer: &mut Renderer) {
        let mut memory = VideoMemory::with_reuse(BASE, BUFFER, Reuse::IgnoreReaders);
        let buffer = memory.allocate(BUFFER, 16).expect("all of it");
        self.publish(Some(buffer.clone()));
        memory.free(buffer);
        memory.allocate(BUFFER, 16).expect("all of it again");
        assert_eq!(renderer.render(&self.display), Outcome::Stale);
        self.publish(None);
    }

    fn take(&mut self, step: &Step, renderer: &mut Renderer) {
        match *step {
            Step::Device { at, len, byte } => self.ram.fill(BASE + at, len, byte).expect("in RAM"),
            Step::Core { at, value } => {
                self.ram.pages().claim(BASE + at);
                store_silently(&self.ram, BASE + at, value);
            }
            Step::Settle { at, len } => self.ram.pages().settle(BASE + at..BASE + at + len),
            Step::Pan { x, y } => self.config.offset = (x, y),
            Step::Palette { seed } => self.config.palette = Arc::new(std::array::from_fn(|index| seed.wrapping_mul(index as u32 * 77))),
            Step::Depth { depth } => {
                self.config.depth = depth;
                self.config.pitch = WIDTH * depth.bytes();
            }
            Step::Dropped => self.drop_a_frame(renderer),
            Step::Shown => {}
        }
        if matches!(step, Step::Pan { .. } | Step::Palette { .. } | Step::Depth { .. }) {
            self.publish(None);
        }
    }
}

proptest! {
    #[test]
    fn frames_are_those_of_a_fresh_renderer(steps in prop::collection::vec(any_step(), 1..60)) {
        let mut scene = Scene::new();
        let mut renderer = Renderer::new(1);
        for step in steps {
            scene.take(&step, &mut renderer);
            if !matches!(step, Step::Shown) {
                continue;
            }
            let before = (renderer.frame().generation, renderer.frame().pixels.clone());
            let outcome = renderer.render(&scene.display);
            let frame = renderer.frame();
            let mut fresh = Renderer::new(1);
            prop_assert_eq!(fresh.render(&scene.display), Outcome::Presented);
            prop_assert!(frame.pixels == fresh.frame().pixels);
            prop_assert_eq!(frame.generation, fresh.frame().generation);
            match outcome {
                Outcome::Presented => prop_assert!(frame.generation != before.0 || !frame.changed.is_empty()),
                Outcome::Unchanged => prop_assert!(frame.generation == before.0 && frame.changed.is_empty()),
                _ => prop_assert!(false, "{:?}", outcome),
            }
            if before.1.len() == frame.pixels.len() {
                let line = WIDTH as usize * 4;
                for (y, (now, then)) in frame.pixels.chunks(line).zip(before.1.chunks(line)).enumerate() {
                    prop_assert!(frame.changed.contains(&(y as u32)) || now == then, "line {} has changed", y);
                }
            }
        }
    }
}

/// Bytes that change behind the page map's back are not seen, as nobody looks at them.
#[test]
fn settled_pages_are_not_read() {
    let scene = Scene::new();
    scene.settle();
    let mut renderer = Renderer::new(1);
    assert_eq!(renderer.render(&scene.display), Outcome::Presented);
    store_silently(&scene.ram, BASE, 1);
    assert_eq!(renderer.render(&scene.display), Outcome::Unchanged);
    // The first page is told of; it has the first three lines and a part of the fourth.
    let behind = BASE + u64::from(WIDTH * 4 * 20);
    store_silently(&scene.ram, behind, 1);
    scene.ram.write_u8(BASE + 4, 1).expect("in RAM");
    assert_eq!(renderer.render(&scene.display), Outcome::Presented);
    assert_eq!(renderer.frame().changed, 0..1);
    scene.ram.write_u8(behind, 2).expect("in RAM");
    assert_eq!(renderer.render(&scene.display), Outcome::Presented);
    assert_eq!(renderer.frame().changed, 20..21);
    assert!(renderer.frame().pixels == reference(&scene.display.load(), &scene.ram));
}

#[test]
fn claimed_pages_are_read() {
    let scene = Scene::new();
    let mut renderer = Renderer::new(1);
    renderer.render(&scene.display);
    store_silently(&scene.ram, BASE, 1);
    assert_eq!(renderer.render(&scene.display), Outcome::Presented);
    assert_eq!(renderer.frame().changed, 0..1);
    // Settled once, and then a core's again.
    scene.settle();
    renderer.render(&scene.display);
    scene.ram.pages().claim(BASE);
    store_silently(&scene.ram, BASE, 2);
    assert_eq!(renderer.render(&scene.display), Outcome::Presented);
}

#[test]
fn a_flip_between_two_known_pictures_reads_nothing() {
    let mut scene = Scene::new();
    scene.settle();
    let mut renderer = Renderer::new(1);
    renderer.render(&scene.display);
    let first = renderer.frame().pixels.clone();
    scene.pan(HEIGHT);
    assert_eq!(renderer.render(&scene.display), Outcome::Presented);
    let second = renderer.frame().pixels.clone();
    for at in (0..BUFFER).step_by(8) {
        store_silently(&scene.ram, BASE + at, 0);
    }
    for _ in 0..3 {
        scene.pan(0);
        assert_eq!(renderer.render(&scene.display), Outcome::Presented);
        assert_eq!(renderer.frame().changed, 0..HEIGHT);
        assert!(renderer.frame().pixels == first);
        scene.pan(HEIGHT);
        assert_eq!(renderer.render(&scene.display), Outcome::Presented);
        assert!(renderer.frame().pixels == second);
    }
    // Nor does a frame that was dropped make anything unknown, or known that is not.
    scene.drop_a_frame(&mut renderer);
    scene.pan(0);
    assert_eq!(renderer.render(&scene.display), Outcome::Presented);
    assert!(renderer.frame().pixels == first);
    // Told of, everything is seen.
    scene.ram.fill(BASE, BUFFER, 0).expect("in RAM");
    assert_eq!(renderer.render(&scene.display), Outcome::Presented);
    assert!(renderer.frame().pixels.chunks(4).all(|pixel| pixel == BLACK));
}

#[test]
fn a_small_change_after_a_large_one_moves_only_its_lines() {
    let mut scene = Scene::new();
    scene.settle();
    let mut renderer = Renderer::new(1);
    renderer.render(&scene.display);
    scene.pan(HEIGHT);
    renderer.render(&scene.display);
    // Both surfaces are full, and all of the other one is another picture.
    let place = renderer.frame().pixels.as_ptr();
    for round in 0..4 {
        scene.ram.write_u8(BASE + u64::from(WIDTH * 4 * (HEIGHT + 7)), round).expect("in RAM");
        assert_eq!(renderer.render(&scene.display), Outcome::Presented);
        assert_eq!(renderer.frame().changed, 7..8);
        assert_eq!(renderer.frame().pixels.as_ptr(), place, "the surfaces stay");
        assert!(renderer.frame().pixels == reference(&scene.display.load(), &scene.ram));
    }
}

/// Frames that are large enough for the pool and for streaming stores.
#[test]
fn large_frames_of_all_depths_are_shared_and_right() {
    let (width, height) = (1366, 900);
    let ram = Arc::new(GuestRam::new(16 << 20).expect("16 MiB"));
    noise(&ram);
    for at in (RAM_BYTES..16 << 20).step_by(8) {
        ram.write_u64(at, at.wrapping_mul(0x9E37_79B9_7F4A_7C15)).expect("in RAM");
    }
    let display = Display::new();
    let mut renderer = Renderer::new(3);
    renderer.cache_bytes = 4 << 20;
    for depth in Depth::ALL {
        let palette = Arc::new(std::array::from_fn(|index| 0x9E37_79B9_u32.wrapping_mul(index as u32)));
        let config = ScanoutConfig { virtual_size: (width, height * 2), palette, ..config(depth, width, height) };
        for offset in [(0, 0), (0, height), (0, 1), (1, 300)] {
            let config = ScanoutConfig { offset, ..config.clone() };
            display.publish(Scanout::new(config, Arc::clone(&ram), None).expect("usable"));
            assert_eq!(renderer.render(&display), Outcome::Presented);
            assert!(renderer.frame().pixels == reference(&display.load(), &ram), "{depth:?} {offset:?}");
        }
    }
}
