//! Whole frames against a reference that looks at one pixel at a time, and the storm.

mod known;

use super::reference::reference_pixel;
use super::*;
use crate::stats::Stats;
use proptest::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tayberry_ram::GuestRam;

const RAM_BYTES: u64 = 1 << 20;

fn ram() -> Arc<GuestRam> {
    Arc::new(GuestRam::new(RAM_BYTES).expect("1 MiB"))
}

fn config(depth: Depth, width: u32, height: u32) -> ScanoutConfig {
    ScanoutConfig {
        base: 0x1000,
        pitch: width * depth.bytes(),
        physical: (width, height),
        virtual_size: (width, height),
        offset: (0, 0),
        depth,
        order: PixelOrder::Rgb,
        alpha: Alpha::Ignored,
        palette: Arc::new([0; 256]),
        blank: false,
        overscan: Overscan::default(),
    }
}

/// A display that shows `config`, and what a fresh renderer makes of it.
fn show(ram: &Arc<GuestRam>, config: ScanoutConfig) -> (Display, Renderer) {
    let display = Display::new();
    display.publish(Scanout::new(config, Arc::clone(ram), None).expect("a usable configuration"));
    let mut renderer = Renderer::new(1);
    assert_eq!(renderer.render(&display), Outcome::Presented);
    (display, renderer)
}

fn pixel(frame: &Frame, x: u32, y: u32) -> [u8; 4] {
    let at = (y * frame.width + x) as usize * 4;
    frame.pixels[at..at + 4].try_into().expect("four bytes")
}

const BLACK: [u8; 4] = [0, 0, 0, 0xFF];

/// The first pixel of a line that starts with `bytes`.
fn first_pixel(depth: Depth, order: PixelOrder, alpha: Alpha, bytes: &[u8]) -> [u8; 4] {
    let ram = ram();
    ram.copy_in(0x1000, bytes).expect("in RAM");
    let mut palette = [0; 256];
    palette[7] = 0x0033_2211;
    let config = ScanoutConfig { order, alpha, palette: Arc::new(palette), ..config(depth, 4, 1) };
    let (_, renderer) = show(&ram, config);
    pixel(renderer.frame(), 0, 0)
}

#[test]
fn every_format_has_its_bits_where_the_hardware_has_them() {
    use Alpha::{Ignored, Opaque0, Transparent0};
    use Depth::*;
    use PixelOrder::{Bgr, Rgb};
    let check = |depth, order, alpha, bytes: &[u8], expected: [u8; 3]| {
        let [r, g, b] = expected;
        assert_eq!(first_pixel(depth, order, alpha, bytes), [r, g, b, 0xFF], "{depth:?} {order:?} {alpha:?} {bytes:x?}");
    };
    // Palette entry 0x00332211 is red 0x11, green 0x22, blue 0x33 in either order.
    check(Indexed8, Rgb, Ignored, &[7], [0x11, 0x22, 0x33]);
    check(Indexed8, Bgr, Ignored, &[7], [0x11, 0x22, 0x33]);
    // x_10000_00001_11111: 5 bits repeat their top in the three bits below.
    check(Rgb15, Rgb, Ignored, &[0x3F, 0xC0], [0x84, 0x08, 0xFF]);
    check(Rgb15, Bgr, Ignored, &[0x3F, 0xC0], [0xFF, 0x08, 0x84]);
    // 10000_000001_11111.
    check(Rgb16, Rgb, Ignored, &[0x3F, 0x80], [0x84, 0x04, 0xFF]);
    check(Rgb16, Bgr, Ignored, &[0x3F, 0x80], [0xFF, 0x04, 0x84]);
    check(Rgb24, Rgb, Ignored, &[1, 2, 3], [1, 2, 3]);
    check(Rgb24, Bgr, Ignored, &[1, 2, 3], [3, 2, 1]);
    check(Rgb32, Rgb, Ignored, &[1, 2, 3, 0], [1, 2, 3]);
    check(Rgb32, Bgr, Ignored, &[1, 2, 3, 0], [3, 2, 1]);
    check(Rgb32, Rgb, Opaque0, &[200, 100, 50, 0], [200, 100, 50]);
    check(Rgb32, Rgb, Opaque0, &[200, 100, 50, 255], [0, 0, 0]);
    check(Rgb32, Rgb, Transparent0, &[200, 100, 50, 255], [200, 100, 50]);
    check(Rgb32, Bgr, Transparent0, &[200, 100, 50, 0], [0, 0, 0]);
    // 200 * 128 / 255 = 100.39, 100 * 128 / 255 = 50.2, 50 * 128 / 255 = 25.1
    check(Rgb32, Bgr, Transparent0, &[200, 100, 50, 128], [25, 50, 100]);
    // 255 - 127 = 128
    check(Rgb32, Bgr, Opaque0, &[200, 100, 50, 127], [25, 50, 100]);
    // Alpha is nothing to other depths.
    check(Rgb24, Rgb, Transparent0, &[1, 2, 3], [1, 2, 3]);
}

#[test]
fn without_a_configuration_there_is_no_signal() {
    let display = Display::new();
    let mut renderer = Renderer::new(1);
    assert_eq!(renderer.render(&display), Outcome::NoSignal);
    let frame = renderer.frame();
    assert_eq!((frame.generation, frame.width, frame.height), (0, 640, 480));
    assert!(frame.pixels.chunks(4).all(|pixel| pixel == BLACK));
}

#[test]
fn a_lost_signal_makes_the_screen_black_again() {
    let ram = ram();
    ram.fill(0x1000, 64, 0xFF).expect("in RAM");
    let (display, mut renderer) = show(&ram, config(Depth::Rgb32, 4, 4));
    assert_eq!(display.lose_signal(), 2);
    assert_eq!(renderer.render(&display), Outcome::NoSignal);
    assert_eq!((renderer.frame().generation, renderer.frame().width), (2, 640));
    assert!(renderer.frame().pixels.chunks(4).all(|pixel| pixel == BLACK));
}

#[test]
fn only_what_changed_is_presented() {
    let ram = ram();
    let (display, mut renderer) = show(&ram, config(Depth::Rgb16, 16, 8));
    assert_eq!(renderer.frame().changed, 0..8);
    assert_eq!(renderer.render(&display), Outcome::Unchanged);
    for (line, round) in [(3, 1), (5, 2), (3, 3), (0, 4), (7, 5)] {
        ram.write_u16(0x1000 + line * 32 + 2 * round, 0xFFFF).expect("in RAM");
        assert_eq!(renderer.render(&display), Outcome::Presented);
        assert_eq!(renderer.frame().changed, line as u32..line as u32 + 1);
        assert_eq!(renderer.frame().pixels, reference(&display.load(), &ram), "round {round}");
        assert_eq!(renderer.render(&display), Outcome::Unchanged);
    }
    // And back to an earlier state, which one of the surfaces still has.
    ram.fill(0x1000, 256, 0).expect("in RAM");
    assert_eq!(renderer.render(&display), Outcome::Presented);
    assert_eq!(renderer.frame().pixels, reference(&display.load(), &ram));
}

#[test]
fn a_new_generation_of_the_same_picture_is_presented_without_changed_lines() {
    let ram = ram();
    let (display, mut renderer) = show(&ram, config(Depth::Rgb32, 8, 8));
    display.publish(Scanout::new(config(Depth::Rgb32, 8, 8), ram, None).expect("usable"));
    assert_eq!(renderer.render(&display), Outcome::Presented);
    assert_eq!((renderer.frame().generation, renderer.frame().changed.clone()), (2, 0..0));
    assert_eq!(renderer.render(&display), Outcome::Unchanged);
}

#[test]
fn panning_goes_by_pixels_in_each_direction_and_is_black_beyond_the_buffer() {
    let ram = ram();
    for at in 0..64 {
        ram.write_u8(0x1000 + at, at as u8).expect("in RAM");
    }
    let palette = Arc::new(std::array::from_fn(|index| index as u32));
    let show_at = |offset, physical| {
        let config = ScanoutConfig { physical, offset, palette: Arc::clone(&palette), ..config(Depth::Indexed8, 8, 8) };
        show(&ram, config).1
    };
    assert_eq!(pixel(show_at((3, 0), (4, 8)).frame(), 0, 2), [19, 0, 0, 0xFF]);
    assert_eq!(pixel(show_at((0, 5), (8, 2)).frame(), 1, 1), [49, 0, 0, 0xFF]);
    let beyond = show_at((6, 7), (4, 4));
    assert_eq!(pixel(beyond.frame(), 1, 0), [63, 0, 0, 0xFF]);
    assert_eq!(pixel(beyond.frame(), 2, 0), BLACK);
    assert_eq!(pixel(beyond.frame(), 1, 1), BLACK);
    assert!(show_at((u32::MAX, u32::MAX), (4, 4)).frame().pixels.chunks(4).all(|pixel| pixel == BLACK));
}

#[test]
fn overscan_squeezes_the_picture_between_black_borders() {
    let ram = ram();
    ram.fill(0x1000, 400, 0xFF).expect("in RAM");
    let overscan = Overscan { top: 1, bottom: 2, left: 3, right: 4 };
    let (_, renderer) = show(&ram, ScanoutConfig { overscan, ..config(Depth::Rgb32, 10, 10) });
    for y in 0..10 {
        for x in 0..10 {
            let inside = (3..6).contains(&x) && (1..8).contains(&y);
            assert_eq!(pixel(renderer.frame(), x, y), if inside { [0xFF; 4] } else { BLACK }, "{x},{y}");
        }
    }
    let everything = Overscan { top: u32::MAX, bottom: u32::MAX, left: u32::MAX, right: u32::MAX };
    let (_, renderer) = show(&ram, ScanoutConfig { overscan: everything, ..config(Depth::Rgb32, 10, 10) });
    assert!(renderer.frame().pixels.chunks(4).all(|pixel| pixel == BLACK));
}

#[test]
fn unusable_configurations_are_refused() {
    let ram = ram();
    let refuse = |config| Scanout::new(config, Arc::clone(&ram), None).map(|_| ()).expect_err("unusable");
    let good = || config(Depth::Rgb32, 8, 8);
    assert_eq!(refuse(ScanoutConfig { physical: (0, 8), ..good() }), ScanoutError::Empty);
    assert_eq!(refuse(ScanoutConfig { virtual_size: (8, 0), ..good() }), ScanoutError::Empty);
    assert_eq!(refuse(ScanoutConfig { physical: (MAX_WIDTH + 1, 8), ..good() }), ScanoutError::TooLarge);
    assert_eq!(refuse(ScanoutConfig { physical: (8, MAX_HEIGHT + 1), ..good() }), ScanoutError::TooLarge);
    assert_eq!(refuse(ScanoutConfig { pitch: 31, ..good() }), ScanoutError::Pitch);
    assert_eq!(refuse(ScanoutConfig { base: RAM_BYTES - 255, ..good() }), ScanoutError::OutsideRam);
    assert_eq!(refuse(ScanoutConfig { base: u64::MAX, ..good() }), ScanoutError::OutsideRam);
    let huge = ScanoutConfig { virtual_size: (u32::MAX / 4, u32::MAX), pitch: u32::MAX, base: u64::MAX, ..good() };
    assert_eq!(refuse(huge), ScanoutError::OutsideRam);
    let last = ScanoutConfig { base: RAM_BYTES - 256, ..good() };
    assert!(Scanout::new(last, ram, None).is_ok());
}

#[test]
fn outcomes_are_counted() {
    let stats = Stats::default();
    for outcome in [Outcome::Presented, Outcome::Stale, Outcome::Unchanged, Outcome::NoSignal, Outcome::Presented] {
        outcome.count(&stats);
    }
    assert_eq!((stats.frames_presented.get(), stats.frames_dropped_stale.get()), (2, 1));
}

/// The frame as the definition of each setting has it.
fn reference(scanout: &Scanout, ram: &GuestRam) -> Vec<u8> {
    let (width, height) = scanout.config().physical;
    (0..height).flat_map(|y| (0..width).flat_map(move |x| reference_pixel(scanout.config(), ram, x, y))).collect()
}

/// Mostly small and usable, now and then absurd.
fn any_size() -> impl Strategy<Value = (u32, u32)> {
    let side = || prop_oneof![20 => 1..90u32, 1 => Just(0), 1 => Just(u32::MAX), 1 => Just(MAX_WIDTH + 1)];
    (side(), side())
}

fn any_border() -> impl Strategy<Value = u32> {
    prop_oneof![8 => Just(0), 4 => 0..40u32, 1 => Just(u32::MAX)]
}

prop_compose! {
    fn any_config()(
        base in prop_oneof![9 => 0..RAM_BYTES, 1 => any::<u64>()],
        extra_pitch in prop_oneof![3 => Just(0), 3 => 0..64u32, 1 => any::<u32>()],
        physical in any_size(),
        virtual_size in any_size(),
        offset in (prop_oneof![3 => Just(0), 3 => 0..90u32, 1 => any::<u32>()], prop_oneof![3 => Just(0), 3 => 0..90u32, 1 => any::<u32>()]),
        depth in prop::sample::select(&Depth::ALL[..]),
        order in prop::sample::select(&[PixelOrder::Rgb, PixelOrder::Bgr][..]),
        alpha in prop::sample::select(&[Alpha::Opaque0, Alpha::Transparent0, Alpha::Ignored][..]),
        seed in any::<u32>(),
        blank in prop::bool::weighted(0.05),
        borders in (any_border(), any_border(), any_border(), any_border()),
    ) -> ScanoutConfig {
        ScanoutConfig {
            base,
            pitch: virtual_size.0.saturating_mul(depth.bytes()).saturating_add(extra_pitch),
            physical,
            virtual_size,
            offset,
            depth,
            order,
            alpha,
            palette: Arc::new(std::array::from_fn(|index| seed.wrapping_mul(index as u32 + 1))),
            blank,
            overscan: Overscan { top: borders.0, bottom: borders.1, left: borders.2, right: borders.3 },
        }
    }
}

fn noise(ram: &GuestRam) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for at in (0..RAM_BYTES).step_by(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ram.write_u64(at, state).expect("in RAM");
    }
}

proptest! {
    /// One renderer goes through several configurations, so that what it keeps from frame to frame is tested as well.
    #[test]
    fn frames_equal_the_reference(configs in prop::collection::vec(any_config(), 1..6), threads in 1..4usize) {
        let ram = ram();
        noise(&ram);
        let display = Display::new();
        let mut renderer = Renderer::new(threads);
        for config in configs {
            let Ok(scanout) = Scanout::new(config, Arc::clone(&ram), None) else {
                continue;
            };
            let generation = display.publish(scanout);
            prop_assert_eq!(renderer.render(&display), Outcome::Presented);
            let expected = reference(&display.load(), &ram);
            prop_assert!(renderer.frame().pixels == expected, "{:?}", display.load().config());
            prop_assert_eq!(renderer.frame().generation, generation);
            // A part of it changes.
            let at = display.load().config().base & !7;
            let _ = ram.fill(at, 700, generation as u8);
            let outcome = renderer.render(&display);
            prop_assert!(matches!(outcome, Outcome::Presented | Outcome::Unchanged));
            prop_assert!(renderer.frame().pixels == reference(&display.load(), &ram), "after a change: {:?}", display.load().config());
        }
    }
}

#[test]
fn large_frames_in_parallel_equal_the_reference() {
    let ram = ram();
    noise(&ram);
    let (_, serial) = show(&ram, config(Depth::Rgb16, 800, 600));
    let display = Display::new();
    display.publish(Scanout::new(config(Depth::Rgb16, 800, 600), Arc::clone(&ram), None).expect("usable"));
    let mut parallel = Renderer::new(3);
    assert_eq!(parallel.render(&display), Outcome::Presented);
    assert_eq!(parallel.frame().changed, 0..600);
    assert!(parallel.frame().pixels == serial.frame().pixels);
    ram.write_u16(0x1000 + 1600 * 599, 0x1234).expect("in RAM");
    assert_eq!(parallel.render(&display), Outcome::Presented);
    assert_eq!(parallel.frame().changed, 599..600);
    assert!(parallel.frame().pixels == reference(&display.load(), &ram));
}

#[test]
fn a_frame_whose_memory_was_handed_out_again_is_stale() {
    let ram = ram();
    let mut memory = VideoMemory::with_reuse(0x1000, 0x1000, Reuse::IgnoreReaders);
    let display = Display::new();
    let buffer = memory.allocate(0x1000, 16).expect("room");
    let small = || ScanoutConfig { base: 0x1000, ..config(Depth::Rgb32, 16, 16) };
    display.publish(Scanout::new(small(), Arc::clone(&ram), Some(buffer.clone())).expect("usable"));
    memory.free(buffer);
    let (_, footing) = display.look(|_| assert!(memory.allocate(0x800, 16).is_some()));
    assert_eq!(footing, publish::Footing::Lost);
    let mut renderer = Renderer::new(1);
    assert_eq!(renderer.render(&display), Outcome::Stale);
    assert_eq!(renderer.frame().generation, 0, "the last good frame stands");
}

#[test]
fn what_a_newer_generation_does_to_a_frame_in_flight() {
    use publish::Footing;
    let ram = ram();
    let mut memory = VideoMemory::new(0x1000, 0x8000);
    let small = |base| ScanoutConfig { base, ..config(Depth::Rgb32, 16, 16) };
    let publish = |display: &Display, config, buffer: Option<&VideoBuffer>| {
        display.publish(Scanout::new(config, Arc::clone(&ram), buffer.cloned()).expect("usable"));
    };
    let (a, b) = (memory.allocate(0x1000, 16).expect("room"), memory.allocate(0x1000, 16).expect("room"));
    // The buffer that the frame is drawn from, and what is published meanwhile.
    let meanwhile = |first: Option<&VideoBuffer>, newer: &dyn Fn(&Display)| {
        let display = Display::new();
        publish(&display, small(a.base), first);
        display.look(|_| newer(&display)).1
    };
    let elsewhere = |display: &Display| publish(display, small(b.base), Some(&b));
    let panned = |buffer| move |display: &Display| publish(display, ScanoutConfig { offset: (1, 0), ..small(a.base) }, buffer);
    let relaid = |buffer| move |display: &Display| publish(display, ScanoutConfig { depth: Depth::Rgb16, ..small(a.base) }, buffer);
    assert_eq!(meanwhile(Some(&a), &|_| ()), Footing::Firm);
    assert_eq!(meanwhile(Some(&a), &elsewhere), Footing::Firm, "its memory is intact");
    assert_eq!(meanwhile(Some(&a), &panned(Some(&a))), Footing::Shifted);
    assert_eq!(meanwhile(Some(&a), &relaid(Some(&a))), Footing::Lost);
    assert_eq!(meanwhile(Some(&a), &relaid(None)), Footing::Lost, "unguarded memory may be anybody's");
    let relaid_and_gone = |display: &Display| {
        relaid(Some(&a))(display);
        elsewhere(display);
    };
    assert_eq!(meanwhile(Some(&a), &relaid_and_gone), Footing::Lost, "not only the newest counts");
    assert_eq!(meanwhile(None, &panned(None)), Footing::Shifted);
    assert_eq!(meanwhile(None, &elsewhere), Footing::Lost);
}

#[test]
fn a_guest_that_pans_without_end_still_gets_frames() {
    let ram = ram();
    let display = Display::new();
    let stop = AtomicBool::new(false);
    let frames = std::thread::scope(|scope| {
        scope.spawn(|| {
            for step in 0.. {
                let offset = (step % 64, 0);
                let config = ScanoutConfig { virtual_size: (320, 240), pitch: 1280, offset, ..config(Depth::Rgb32, 256, 240) };
                display.publish(Scanout::new(config, Arc::clone(&ram), None).expect("usable"));
                if stop.load(Ordering::Relaxed) {
                    return;
                }
            }
        });
        let mut renderer = Renderer::new(1);
        let end = Instant::now() + Duration::from_millis(300);
        let mut frames = 0;
        while Instant::now() < end {
            frames += u32::from(renderer.render(&display) == Outcome::Presented);
        }
        stop.store(true, Ordering::Relaxed);
        frames
    });
    assert!(frames >= 3, "{frames} frames in 0.3 s");
}

/// Colour of a generation: never that of a neighbour, never black.
fn colour(generation: u64) -> u32 {
    (generation as u32).wrapping_mul(0x9E_3779) & 0x00FF_FFFF | 0x0001_0101
}

/// What the storm does and sees.
struct Storm {
    presented: u64,
    stale: u64,
}

/// One thread changes modes as fast as it can and paints each in a colour of its own, two others render. `room` in buffers of the largest size. It
/// goes on (for at most 20 seconds) until a frame was presented: a busy host may not let the renderers run at once.
fn storm(room: u64, reuse: Reuse, changes: u64) -> Storm {
    const LARGEST: u64 = 200 * 150 * 4;
    let ram = ram();
    let display = Display::new();
    let (stop, presented) = (AtomicBool::new(false), AtomicBool::new(false));
    let end = Instant::now() + Duration::from_secs(20);
    let render = || {
        let mut renderer = Renderer::new(2);
        let mut seen = Storm { presented: 0, stale: 0 };
        while !stop.load(Ordering::Relaxed) {
            match renderer.render(&display) {
                Outcome::Presented => {
                    seen.presented += 1;
                    presented.store(true, Ordering::Relaxed);
                }
                Outcome::Stale => seen.stale += 1,
                Outcome::Unchanged | Outcome::NoSignal => continue,
            }
            let frame = renderer.frame();
            let (width, height) = storm_size(frame.generation);
            assert!(frame.generation == 0 || (frame.width, frame.height) == (width, height), "size and generation differ");
            let expected = (colour(frame.generation) | 0xFF00_0000).to_le_bytes();
            for pixel in frame.pixels.chunks(4) {
                assert!(pixel == expected || pixel == BLACK, "generation {}: {pixel:x?}, not {expected:x?}", frame.generation);
            }
        }
        seen
    };
    std::thread::scope(|scope| {
        let renderers = [scope.spawn(render), scope.spawn(render)];
        let mut memory = VideoMemory::with_reuse(0x1000, room * LARGEST.next_multiple_of(16), reuse);
        let mut lease = None;
        for generation in 1.. {
            if generation > changes && (presented.load(Ordering::Relaxed) || Instant::now() > end) {
                break;
            }
            drop(lease.take());
            let (width, height) = storm_size(generation);
            let buffer = memory.allocate(u64::from(width * height * 4), 16).expect("room for one");
            // As a guest's device does: cleared before it is published, painted after.
            ram.fill(buffer.base, buffer.len, 0).expect("in RAM");
            let config = ScanoutConfig { base: buffer.base, ..config(Depth::Rgb32, width, height) };
            let scanout = Scanout::new(config, Arc::clone(&ram), Some(buffer.clone())).expect("usable");
            assert_eq!(display.publish(scanout), generation);
            for at in (0..buffer.len).step_by(4) {
                ram.write_u32(buffer.base + at, colour(generation)).expect("in RAM");
            }
            lease = Some(buffer);
        }
        stop.store(true, Ordering::Relaxed);
        let [a, b] = renderers.map(|renderer| renderer.join().expect("no mixed frame"));
        Storm { presented: a.presented + b.presented, stale: a.stale + b.stale }
    })
}

fn storm_size(generation: u64) -> (u32, u32) {
    (40 + (generation * 37 % 160) as u32, 30 + (generation * 53 % 120) as u32)
}

#[test]
fn in_a_storm_with_room_no_frame_is_mixed_and_none_is_lost() {
    let seen = storm(8, Reuse::AvoidHeld, 3000);
    assert!(seen.presented > 0);
    assert_eq!(seen.stale, 0, "two renderers hold at most two of eight buffers");
}

#[test]
fn in_a_storm_without_room_no_frame_is_mixed() {
    for (room, reuse) in [(1, Reuse::AvoidHeld), (2, Reuse::AvoidHeld), (1, Reuse::IgnoreReaders), (3, Reuse::IgnoreReaders)] {
        let seen = storm(room, reuse, 1500);
        assert!(seen.presented > 0, "{room} {reuse:?}");
    }
}
