//! The model of publish, load and retire: the checker tries the interleavings and the weak orderings of the protocol's own code.
//!
//! Run: `RUSTFLAGS="--cfg tayberry_loom" cargo test -p tayberry-engine --release --lib --target-dir target/loom display::`
//!
//! [`Display`], [`VideoMemory`] and [`Scanout`] are the ones that ship; only the slot and the atomics are the checker's (see `sync`). A
//! buffer has one pixel, an atomic that stands for the guest's memory there.

use super::publish::Footing;
use super::*;
use loom::sync::Arc;
use loom::sync::atomic::AtomicU64;
use loom::thread;
use std::sync::OnceLock;
use std::sync::atomic::Ordering::Relaxed;
use tayberry_ram::GuestRam;

const BUFFER: u64 = 16;
/// Buffers that one renderer needs at most: the one it draws from, the published one, the next.
const SLOTS: u64 = 3;

/// The guest's memory: a pixel per buffer, zero or the generation that painted it.
type Pixels = [AtomicU64; SLOTS as usize + 1];

fn ram() -> std::sync::Arc<GuestRam> {
    static RAM: OnceLock<std::sync::Arc<GuestRam>> = OnceLock::new();
    std::sync::Arc::clone(RAM.get_or_init(|| std::sync::Arc::new(GuestRam::new(0x1000).expect("a page"))))
}

fn palette() -> std::sync::Arc<[u32; 256]> {
    static PALETTE: OnceLock<std::sync::Arc<[u32; 256]>> = OnceLock::new();
    std::sync::Arc::clone(PALETTE.get_or_init(|| std::sync::Arc::new([0; 256])))
}

fn scanout(base: u64, buffer: Option<VideoBuffer>) -> Scanout {
    let config = ScanoutConfig {
        base,
        pitch: BUFFER as u32,
        physical: (1, 1),
        virtual_size: (1, 1),
        offset: (0, 0),
        depth: Depth::Rgb32,
        order: PixelOrder::Rgb,
        alpha: Alpha::Ignored,
        palette: palette(),
        blank: false,
        overscan: Overscan::default(),
    };
    Scanout::new(config, ram(), buffer).expect("usable")
}

fn pixel(pixels: &Pixels, base: u64) -> &AtomicU64 {
    &pixels[(base / BUFFER) as usize]
}

/// What machine and renderer share.
struct Scene {
    display: Display,
    pixels: Pixels,
}

impl Scene {
    fn new() -> Arc<Self> {
        Arc::new(Self { display: Display::new(), pixels: std::array::from_fn(|_| AtomicU64::new(0)) })
    }

    /// The machine's part of a mode change: the old lease ends, a buffer is allocated, cleared and published; then the guest paints.
    fn change_mode(&self, memory: &mut VideoMemory, lease: &mut Option<VideoBuffer>) {
        let (base, generation) = self.change_mode_unpainted(memory, lease);
        pixel(&self.pixels, base).store(generation, Relaxed);
    }

    fn change_mode_unpainted(&self, memory: &mut VideoMemory, lease: &mut Option<VideoBuffer>) -> (u64, u64) {
        drop(lease.take());
        let buffer = memory.allocate(BUFFER, BUFFER).expect("room");
        pixel(&self.pixels, buffer.base).store(0, Relaxed);
        let generation = self.display.publish(scanout(buffer.base, Some(buffer.clone())));
        let base = buffer.base;
        *lease = Some(buffer);
        (base, generation)
    }

    /// A renderer's frame of one pixel, as [`Display::look`] has it drawn.
    fn frame(&self) -> (u64, u64, Footing) {
        let ((generation, value), footing) = self.display.look(|scanout| self.draw(scanout));
        (generation, value, footing)
    }

    fn draw(&self, scanout: &Scanout) -> (u64, u64) {
        (scanout.generation(), pixel(&self.pixels, scanout.config().base).load(Relaxed))
    }
}

/// A shown frame has its own generation's pixels, painted or not yet.
fn assert_whole(generation: u64, value: u64) {
    assert!(value == 0 || value == generation, "a frame of generation {generation} with pixels of {value}");
}

/// Explores all executions, or those with at most so many preemptions.
fn check(preemptions: impl Into<Option<usize>>, model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions.into();
    builder.check(model);
}

#[test]
fn memory_of_a_live_snapshot_is_never_handed_out() {
    check(None, || {
        let scene = Scene::new();
        let mut memory = VideoMemory::new(0, SLOTS * BUFFER);
        let mut lease = None;
        scene.change_mode(&mut memory, &mut lease);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            for _ in 0..2 {
                let (generation, value, footing) = theirs.frame();
                assert_eq!(footing, Footing::Firm, "there was other room");
                assert_whole(generation, value);
            }
        });
        for _ in 0..3 {
            scene.change_mode(&mut memory, &mut lease);
        }
        renderer.join().expect("the renderer");
    });
}

#[test]
fn two_renderers_hold_two_buffers() {
    check(3, || {
        let scene = Scene::new();
        let mut memory = VideoMemory::new(0, 4 * BUFFER);
        let mut lease = None;
        scene.change_mode(&mut memory, &mut lease);
        let renderers = [(); 2].map(|()| {
            let theirs = Arc::clone(&scene);
            thread::spawn(move || {
                let (generation, value, footing) = theirs.frame();
                assert_eq!(footing, Footing::Firm, "there was other room");
                assert_whole(generation, value);
            })
        });
        for _ in 0..4 {
            scene.change_mode(&mut memory, &mut lease);
        }
        renderers.map(|renderer| renderer.join().expect("a renderer"));
    });
}

#[test]
fn a_frame_whose_memory_was_reused_is_never_shown() {
    check(None, || {
        let scene = Scene::new();
        let mut memory = VideoMemory::with_reuse(0, BUFFER, Reuse::IgnoreReaders);
        let mut lease = None;
        scene.change_mode(&mut memory, &mut lease);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let (generation, value, footing) = theirs.frame();
            if footing == Footing::Firm {
                assert_whole(generation, value);
            }
        });
        for _ in 0..2 {
            scene.change_mode(&mut memory, &mut lease);
        }
        renderer.join().expect("the renderer");
    });
}

#[test]
fn a_core_on_another_thread_may_paint() {
    check(None, || {
        let scene = Scene::new();
        let mut memory = VideoMemory::new(0, BUFFER);
        let mut lease = None;
        scene.change_mode(&mut memory, &mut lease);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let (generation, value, footing) = theirs.frame();
            if footing == Footing::Firm {
                assert_whole(generation, value);
            }
        });
        let (base, generation) = scene.change_mode_unpainted(&mut memory, &mut lease);
        let theirs = Arc::clone(&scene);
        let core = thread::spawn(move || pixel(&theirs.pixels, base).store(generation, Relaxed));
        renderer.join().expect("the renderer");
        core.join().expect("the core");
    });
}

#[test]
fn memory_that_no_allocation_guards_is_never_mixed() {
    check(None, || {
        let scene = Scene::new();
        let publish = move |scene: &Scene, depth| {
            let open = scanout(0, None);
            let config = ScanoutConfig { depth, ..open.config().clone() };
            let generation = scene.display.publish(Scanout::new(config, ram(), None).expect("usable"));
            pixel(&scene.pixels, 0).store(generation, Relaxed);
        };
        publish(&scene, Depth::Rgb32);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let (generation, value, footing) = theirs.frame();
            if footing == Footing::Firm {
                // Nobody clears it: a predecessor's pixels may be there still, a successor's never.
                assert!(value <= generation, "a frame of generation {generation} with pixels of {value}");
            } else if generation == 1 && value > 1 {
                assert_eq!(footing, Footing::Lost, "pixels of {value} have another layout");
            }
        });
        publish(&scene, Depth::Rgb16);
        publish(&scene, Depth::Rgb16);
        renderer.join().expect("the renderer");
    });
}

/// The allocator clears what it hands out, before anything is published: a frame that was painted is not firm once a pixel of it was cleared.
#[test]
fn a_frame_whose_memory_was_cleared_is_never_shown() {
    check(None, || {
        let scene = Scene::new();
        let mut memory = VideoMemory::with_reuse(0, BUFFER, Reuse::IgnoreReaders);
        let mut lease = None;
        scene.change_mode(&mut memory, &mut lease);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let (generation, value, footing) = theirs.frame();
            if footing == Footing::Firm && generation == 1 {
                assert_eq!(value, 1, "a frame of generation 1 with pixels of what came next");
            }
        });
        scene.change_mode_unpainted(&mut memory, &mut lease);
        renderer.join().expect("the renderer");
    });
}

/// The same of counters that only a publication raises.
#[test]
fn a_core_on_another_thread_may_paint_memory_that_no_allocation_guards() {
    check(None, || {
        let scene = Scene::new();
        let publish = |depth| {
            let open = scanout(0, None);
            let config = ScanoutConfig { depth, ..open.config().clone() };
            scene.display.publish(Scanout::new(config, ram(), None).expect("usable"))
        };
        pixel(&scene.pixels, 0).store(publish(Depth::Rgb32), Relaxed);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let (generation, value, footing) = theirs.frame();
            if footing == Footing::Firm {
                assert!(value <= generation, "a frame of generation {generation} with pixels of {value}");
            }
        });
        let generation = publish(Depth::Rgb16);
        let theirs = Arc::clone(&scene);
        let core = thread::spawn(move || pixel(&theirs.pixels, 0).store(generation, Relaxed));
        renderer.join().expect("the renderer");
        core.join().expect("the core");
    });
}

/// Panning and palettes: the same layout again. A frame of the older view is not firm once the guest has painted for the newer one.
#[test]
fn a_frame_that_mixes_views_is_shifted() {
    check(None, || {
        let scene = Scene::new();
        let mut memory = VideoMemory::new(0, BUFFER);
        let buffer = memory.allocate(BUFFER, BUFFER).expect("room");
        let view = move |scene: &Scene, buffer: &VideoBuffer| {
            let generation = scene.display.publish(scanout(buffer.base, Some(buffer.clone())));
            pixel(&scene.pixels, buffer.base).store(generation, Relaxed);
        };
        view(&scene, &buffer);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let (generation, value, footing) = theirs.frame();
            assert_ne!(footing, Footing::Lost, "the layout stays");
            if footing == Footing::Firm {
                assert!(value <= generation, "a frame of generation {generation} with pixels of {value}");
            }
        });
        view(&scene, &buffer);
        view(&scene, &buffer);
        renderer.join().expect("the renderer");
    });
}

/// A buffer that stays where it is and gets another depth.
#[test]
fn a_frame_that_mixes_layouts_of_one_allocation_is_lost() {
    check(None, || {
        let scene = Scene::new();
        let mut memory = VideoMemory::new(0, BUFFER);
        let buffer = memory.allocate(BUFFER, BUFFER).expect("room");
        let layout = move |scene: &Scene, buffer: &VideoBuffer, depth| {
            let config = ScanoutConfig { depth, ..scanout(buffer.base, None).config().clone() };
            let scanout = Scanout::new(config, ram(), Some(buffer.clone())).expect("usable");
            let generation = scene.display.publish(scanout);
            pixel(&scene.pixels, buffer.base).store(generation, Relaxed);
        };
        layout(&scene, &buffer, Depth::Rgb32);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let (generation, value, footing) = theirs.frame();
            if value > generation {
                assert_eq!(footing, Footing::Lost, "a frame of generation {generation} with pixels of {value}");
            }
        });
        layout(&scene, &buffer, Depth::Rgb16);
        renderer.join().expect("the renderer");
    });
}

/// A guest that leaves its allocation for memory of its own choice, which lies over it.
#[test]
fn memory_that_the_guest_chose_over_an_allocation_is_never_mixed() {
    check(None, || {
        let scene = Scene::new();
        let mut memory = VideoMemory::new(0, BUFFER);
        let mut lease = None;
        scene.change_mode(&mut memory, &mut lease);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let (generation, value, footing) = theirs.frame();
            if footing == Footing::Firm {
                assert!(value <= generation, "a frame of generation {generation} with pixels of {value}");
            }
        });
        let generation = scene.display.publish(scanout(0, None));
        pixel(&scene.pixels, 0).store(generation, Relaxed);
        renderer.join().expect("the renderer");
    });
}

/// A seeded bug: an allocator that knows of no holders retires memory while it is drawn from.
#[test]
#[should_panic(expected = "with pixels of")]
fn retiring_too_early_is_caught() {
    check(3, || {
        let scene = Scene::new();
        let mut lease = None;
        scene.change_mode(&mut VideoMemory::new(0, BUFFER), &mut lease);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let (generation, value, footing) = theirs.frame();
            if footing == Footing::Firm {
                assert_whole(generation, value);
            }
        });
        scene.change_mode(&mut VideoMemory::new(0, BUFFER), &mut lease);
        renderer.join().expect("the renderer");
    });
}

/// A seeded bug: the renderer looks again without its fence. The new pixel may then be seen before the counter that speaks of it.
#[test]
#[should_panic(expected = "with pixels of")]
fn looking_again_without_a_fence_is_caught() {
    check(3, || {
        let scene = Scene::new();
        let mut memory = VideoMemory::with_reuse(0, BUFFER, Reuse::IgnoreReaders);
        let mut lease = None;
        scene.change_mode(&mut memory, &mut lease);
        let theirs = Arc::clone(&scene);
        let renderer = thread::spawn(move || {
            let snapshot = theirs.display.load();
            let (generation, value) = theirs.draw(&snapshot);
            if theirs.display.footing(&snapshot) == Footing::Firm {
                assert_whole(generation, value);
            }
        });
        scene.change_mode(&mut memory, &mut lease);
        renderer.join().expect("the renderer");
    });
}
