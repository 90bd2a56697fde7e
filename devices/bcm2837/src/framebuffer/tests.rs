use crate::property::MailboxPlugin;
use crate::property::testing::{DONE, Guest, MESSAGE};
use std::sync::Arc;
use tayberry_engine::display::{Alpha, Depth, Outcome, PixelOrder, Renderer};
use tayberry_engine::{Clock, ClockMode, GuestRam, MachineBuilder};

const ALLOCATE: u32 = 0x0004_0001;
const BLANK: u32 = 0x0004_0002;
const GET_PHYSICAL: u32 = 0x0004_0003;
const GET_PITCH: u32 = 0x0004_0008;
const GET_PALETTE: u32 = 0x0004_000b;
const RELEASE: u32 = 0x0004_8001;
const SET_PHYSICAL: u32 = 0x0004_8003;
const SET_VIRTUAL: u32 = 0x0004_8004;
const SET_DEPTH: u32 = 0x0004_8005;
const SET_ORDER: u32 = 0x0004_8006;
const SET_ALPHA: u32 = 0x0004_8007;
const SET_PITCH: u32 = 0x0004_8008;
const SET_OFFSET: u32 = 0x0004_8009;
const SET_OVERSCAN: u32 = 0x0004_800a;
const SET_PALETTE: u32 = 0x0004_800b;

/// Sets a whole mode in one message and returns base (physical) and size.
#[track_caller]
fn set_mode(guest: &mut Guest, physical: (u32, u32), virtual_size: (u32, u32), depth: u32, pitch: u32) -> (u32, u32) {
    let ((width, height), (columns, lines)) = (physical, virtual_size);
    #[rustfmt::skip]
    let (code, back) = guest.send(&[
        GET_PITCH, 4, 0, 0,
        SET_PHYSICAL, 8, 8, width, height,
        SET_VIRTUAL, 8, 8, columns, lines,
        SET_DEPTH, 4, 4, depth,
        ALLOCATE, 8, 4, 16, 0,
    ]);
    assert_eq!(code, DONE);
    let (base, size) = (back[21], back[22]);
    #[rustfmt::skip]
    assert_eq!(back, [
        GET_PITCH, 4, DONE | 4, pitch,
        SET_PHYSICAL, 8, DONE | 8, width, height,
        SET_VIRTUAL, 8, DONE | 8, columns, lines,
        SET_DEPTH, 4, DONE | 4, depth,
        ALLOCATE, 8, DONE | 8, base, size,
    ]);
    assert_eq!((base >> 30, size), (3, pitch * lines));
    let base = base & 0x3fff_ffff;
    assert!(base >= 0x3b80_0000 && base + size <= 0x3f00_0000, "{base:#x} lies in GPU memory");
    (base, size)
}

#[test]
fn a_mode_is_one_publication_and_its_memory_is_black() {
    let mut guest = Guest::new();
    assert_eq!(guest.shown().0, 0);
    assert_eq!(guest.ask(GET_PHYSICAL, &[0, 0], 8), [1024, 768], "the monitor's");
    guest.poke(0x3b80_0000, &[u32::MAX; 16]);
    let (base, _) = set_mode(&mut guest, (640, 480), (640, 960), 32, 2560);
    assert_eq!(guest.peek(base, 16), [0; 16]);
    let (generation, config) = guest.shown();
    assert_eq!(generation, 1);
    assert_eq!((config.base, config.pitch, config.physical, config.virtual_size), (base.into(), 2560, (640, 480), (640, 960)));
    assert_eq!((config.offset, config.depth, config.order, config.alpha), ((0, 0), Depth::Rgb32, PixelOrder::Bgr, Alpha::Ignored));
    assert_eq!(guest.shared.stats.reconfigurations.get(), 1);

    // The same again changes nothing.
    assert_eq!(set_mode(&mut guest, (640, 480), (640, 960), 32, 2560).0, base);
    assert_eq!(guest.shown().0, 1);
    // Another gets other memory.
    let (other, size) = set_mode(&mut guest, (100, 50), (100, 50), 8, 128);
    assert!(other + size <= base || base + 2560 * 960 <= other);
    assert_eq!((guest.shown().0, guest.shared.stats.reconfigurations.get()), (2, 2));
}

#[test]
fn a_buffer_that_is_released_and_allocated_again_in_place_is_shown() {
    let video_memory = 0x3b80_0000..0x3b80_c000;
    let mut guest = Guest::with(&MailboxPlugin { video_memory, ..MailboxPlugin::default() });
    let mut renderer = Renderer::new(1);
    // There is no room for two.
    let (base, _) = set_mode(&mut guest, (128, 64), (128, 64), 32, 512);
    assert_eq!(renderer.render(&guest.shared.display), Outcome::Presented);
    #[rustfmt::skip]
    guest.check(&[RELEASE, 0, 0, ALLOCATE, 8, 4, 16, 0], &[RELEASE, 0, DONE, ALLOCATE, 8, DONE | 8, base | 0xc000_0000, 0x8000]);
    guest.poke(base, &[0x0030_2010]);
    assert_eq!(renderer.render(&guest.shared.display), Outcome::Presented);
    assert_eq!(renderer.frame().pixels[..4], [0x30, 0x20, 0x10, 0xff]);
}

#[test]
fn views_keep_the_buffer_and_queries_publish_nothing() {
    let mut guest = Guest::new();
    let (base, size) = set_mode(&mut guest, (320, 200), (640, 400), 16, 1280);
    let mut generation = 1;
    for (tag, value, answer) in [
        (SET_OFFSET, &[10, 200][..], &[10, 200][..]),
        (SET_OFFSET, &[u32::MAX, 201], &[320, 200]),
        (SET_ORDER, &[0], &[0]),
        (SET_ALPHA, &[0], &[0]),
        (SET_ALPHA, &[1], &[1]),
        (BLANK, &[1], &[1]),
        (BLANK, &[0], &[0]),
        (SET_OVERSCAN, &[1, 2, 3, 4], &[1, 2, 3, 4]),
        (SET_PALETTE, &[255, 1, 0x0012_3456], &[0, 1, 0x0012_3456]),
    ] {
        let len = if tag == SET_PALETTE { 4 } else { 4 * answer.len() as u32 };
        assert_eq!(guest.ask(tag, value, len), answer);
        generation += 1;
        assert_eq!(guest.shown().0, generation, "{tag:#x}");
        guest.ask(tag, value, len);
        assert_eq!(guest.shown().0, generation, "{tag:#x} again");
    }
    let (_, config) = guest.shown();
    assert_eq!((config.base, config.offset, config.order, config.alpha), (base.into(), (320, 200), PixelOrder::Bgr, Alpha::Transparent0));
    assert_eq!((config.palette[255], config.overscan.right, config.blank), (0x0012_3456, 4, false));
    for query in 3..=9 {
        let (code, _) = guest.send(&[0x0004_0000 + query, 16, 0, 1, 2, 3, 4, 0x0004_4000 + query, 16, 0, 1, 2, 3, 4]);
        assert_eq!(code, DONE);
    }
    assert_eq!(guest.ask(0x0004_0014, &[0; 10], 40), [0, 320, 200, 16, 1280, 640, 400, 320, 200, base | 0xc000_0000]);
    assert_eq!(guest.shown().0, generation);
    assert_eq!(guest.ask(ALLOCATE, &[4096, 0], 8), [base | 0xc000_0000, size]);
    assert_eq!(guest.shown().0, generation);
}

#[test]
fn the_next_frame_has_the_new_palette() {
    let mut guest = Guest::new();
    set_mode(&mut guest, (64, 64), (64, 64), 8, 64);
    let mut renderer = Renderer::new(1);
    for colour in [0x0000_00ff_u32, 0x0012_3456, 0x0000_0000, 0x00ff_ffff] {
        assert_eq!(guest.ask(SET_PALETTE, &[0, 1, colour], 4)[0], 0);
        assert_eq!(renderer.render(&guest.shared.display), Outcome::Presented);
        let shown = (colour | 0xff00_0000).to_le_bytes();
        assert!(renderer.frame().pixels.chunks(4).all(|pixel| pixel == shown), "{colour:#x}");
    }
}

#[test]
fn the_splash_screen_stands_until_a_buffer_is_allocated() {
    let mut guest = Guest::with(&MailboxPlugin { has_splash: true, ..MailboxPlugin::default() });
    let (generation, config) = guest.shown();
    assert_eq!((generation, config.physical), (1, (1024, 768)));
    assert!((0x3b40_0000..0x3b80_0000).contains(&config.base), "the firmware's own memory");
    // It is no frame buffer: sizes can be set, and nothing knows of it.
    guest.ask(SET_PHYSICAL, &[320, 200], 8);
    assert_eq!(guest.ask(0x0004_0014, &[0; 10], 40)[9], 0);
    assert_eq!(guest.send(&[RELEASE, 0, 0]).0, DONE);
    assert_eq!(guest.shown().0, 1);
    set_mode(&mut guest, (320, 200), (320, 200), 16, 640);
    assert_eq!((guest.shown().0, guest.shown().1.physical), (2, (320, 200)));
    guest.send(&[RELEASE, 0, 0]);
    assert!(!guest.shared.display.load().has_signal(), "it does not come back");
    let with_tree = MailboxPlugin { has_splash: true, has_boot_framebuffer: true, ..MailboxPlugin::default() };
    assert_eq!(Guest::with(&with_tree).shown().1.depth, Depth::Rgb16, "the firmware has replaced it");
}

#[test]
fn what_is_not_supported_leaves_what_is() {
    let mut guest = Guest::new();
    set_mode(&mut guest, (320, 200), (320, 200), 16, 640);
    for (tag, value, answer) in [
        (SET_PHYSICAL, &[0, 0][..], &[320, 200][..]),
        (SET_PHYSICAL, &[65536, 65536], &[320, 200]),
        (SET_PHYSICAL, &[u32::MAX, 1], &[320, 200]),
        (SET_VIRTUAL, &[65536, 65536], &[320, 200]),
        (SET_DEPTH, &[7], &[16]),
        (SET_DEPTH, &[0], &[16]),
        (SET_DEPTH, &[u32::MAX], &[16]),
        (SET_ORDER, &[2], &[1]),
        (SET_ALPHA, &[3], &[2]),
        (SET_OFFSET, &[1, 1], &[0, 0]),
        (SET_OVERSCAN, &[0, 0, u32::MAX, 1], &[0, 0, 0, 0]),
        (SET_PITCH, &[639], &[640]),
        (0x0004_800d, &[5], &[0]),
        (0x0004_4003, &[640, 480], &[640, 480]),
        (0x0004_4005, &[9], &[16]),
    ] {
        assert_eq!(guest.ask(tag, value, 4 * answer.len() as u32), answer, "{tag:#x} {value:x?}");
        assert_eq!(guest.shown().0, 1);
    }
    for (value, entries) in [([256, 1, 0], 1), ([0, 0, 0], 0), ([255, 2, 0], 2), ([0, 2, 0], 2), ([u32::MAX, u32::MAX, 0], 3)] {
        assert_eq!(guest.ask(SET_PALETTE, &value, 4)[0], 1, "{entries} entries of {value:x?}");
    }
    assert_eq!(guest.ask(GET_PALETTE, &[0; 256], 1024)[..3], [0; 3]);
    assert_eq!(guest.shown().0, 1);
    // An alignment that is not supported: the message changes nothing.
    #[rustfmt::skip]
    let (_, back) = guest.send(&[SET_DEPTH, 4, 0, 32, ALLOCATE, 8, 0, 3000, 0]);
    let (_, config) = guest.shown();
    assert_eq!((back[3], back[7], back[8]), (16, config.base as u32 | 0xc000_0000, 128_000));
    assert_eq!(guest.shown().0, 1);
}

#[test]
fn sizes_without_an_allocation_change_what_fits() {
    let mut guest = Guest::new();
    let (base, _) = set_mode(&mut guest, (640, 480), (640, 480), 32, 2560);
    assert_eq!(guest.ask(SET_PHYSICAL, &[320, 240], 8), [320, 240]);
    let (generation, config) = guest.shown();
    assert_eq!((generation, config.base, config.physical, config.virtual_size), (2, base.into(), (320, 240), (640, 480)));
    // Larger ones wait for an allocation, and the screen stays.
    assert_eq!(guest.ask(SET_PHYSICAL, &[800, 600], 8), [800, 600]);
    assert_eq!(guest.shown().1.physical, (320, 240));
    let (generation, _) = guest.shown();
    let other = guest.ask(ALLOCATE, &[16, 0], 8);
    assert_eq!(other[1], 800 * 600 * 4);
    assert_eq!((guest.shown().0, guest.shown().1.physical), (generation + 1, (800, 600)));
}

#[test]
fn separate_messages_before_the_allocation_make_one_mode() {
    let mut guest = Guest::new();
    guest.ask(SET_PHYSICAL, &[800, 480], 8);
    guest.ask(SET_DEPTH, &[24], 4);
    guest.ask(SET_ORDER, &[1], 4);
    assert_eq!(guest.ask(GET_PITCH, &[0], 4), [2400]);
    assert_eq!(guest.ask(0x0004_0004, &[0, 0], 8), [800, 480]);
    assert_eq!(guest.shown().0, 0);
    assert_eq!(guest.ask(ALLOCATE, &[0, 0], 8)[1], 2400 * 480);
    let (generation, config) = guest.shown();
    assert_eq!((generation, config.physical, config.depth, config.order), (1, (800, 480), Depth::Rgb24, PixelOrder::Rgb));
}

#[test]
fn released_is_dark_and_the_memory_is_free() {
    let mut guest = Guest::new();
    for round in 0..20 {
        set_mode(&mut guest, (3840, 2160), (3840, 2160), 32, 15360);
        assert_eq!(guest.send(&[RELEASE, 0, 0]), (DONE, vec![RELEASE, 0, DONE]));
        assert_eq!(guest.shown().0, 2 * round + 2);
        assert!(!guest.shared.display.load().has_signal());
    }
    assert_eq!(guest.send(&[RELEASE, 0, 0]).0, DONE);
    assert_eq!(guest.shown().0, 40, "there was none");
    // Two do not fit beside each other: the old one is given back for the new one.
    set_mode(&mut guest, (3840, 2160), (3840, 2160), 32, 15360);
    set_mode(&mut guest, (3800, 2160), (3800, 2160), 32, 15232);
    assert_eq!(guest.shown().0, 42);
}

#[test]
fn full_memory_changes_nothing() {
    let mut guest = Guest::new();
    let (base, _) = set_mode(&mut guest, (640, 480), (640, 480), 16, 1280);
    #[rustfmt::skip]
    guest.check(
        &[SET_VIRTUAL, 8, 0, 16384, 16384, SET_OFFSET, 8, 0, 1, 1, ALLOCATE, 8, 0, 16, 0, GET_PITCH, 4, 0, 9],
        &[SET_VIRTUAL, 8, DONE | 8, 640, 480, SET_OFFSET, 8, DONE | 8, 0, 0, ALLOCATE, 8, DONE | 8, 0, 0, GET_PITCH, 4, DONE | 4, 0],
    );
    assert_eq!((guest.shown().0, guest.shown().1.base), (1, base.into()));
    assert_eq!(guest.ask(GET_PITCH, &[0], 4), [1280]);
}

#[test]
fn memory_and_pitch_of_the_guests_own() {
    let mut guest = Guest::new();
    guest.poke(0x0200_0000, &[0x1234_5678]);
    #[rustfmt::skip]
    guest.check(
        &[SET_PHYSICAL, 8, 0, 320, 200, SET_DEPTH, 4, 0, 16, ALLOCATE, 8, 0, 0xc200_0000, 204_800, SET_PITCH, 4, 0, 1024],
        &[SET_PHYSICAL, 8, DONE | 8, 320, 200, SET_DEPTH, 4, DONE | 4, 16, ALLOCATE, 8, DONE | 8, 0xc200_0000, 204_800, SET_PITCH, 4, DONE | 4, 1024],
    );
    let (generation, config) = guest.shown();
    assert_eq!((generation, config.base, config.pitch), (1, 0x0200_0000, 1024));
    assert_eq!(guest.peek(0x0200_0000, 1), [0x1234_5678], "its pixels stay");
    // Too little of it, or the GPU's: the firmware takes its own.
    for (base, size) in [(0xc200_0000, 1000), (0xfef0_0000, 0xffff_0000), (0xffff_f000, 204_800)] {
        let (_, back) = guest.send(&[RELEASE, 0, 0, ALLOCATE, 8, 0, base, size]);
        assert_ne!(back[6], base, "{base:#x} {size:#x}");
    }
}

#[test]
fn a_message_that_is_sent_again_keeps_its_buffer() {
    let mut guest = Guest::new();
    let (base, size) = set_mode(&mut guest, (640, 480), (640, 480), 32, 2560);
    for _ in 0..2 {
        assert_eq!(guest.ask(ALLOCATE, &[base | 0xc000_0000, size], 8), [base | 0xc000_0000, size]);
    }
    assert_eq!(guest.shown().0, 1);
}

#[test]
fn channel_1_makes_a_frame_buffer_too() {
    let mut guest = Guest::new();
    guest.poke(MESSAGE, &[640, 480, 640, 960, 0, 16, 0, 480, 0, 0]);
    assert_eq!(guest.mail(0x4000_0000 | MESSAGE | 1), 1, "zero is success");
    let back = guest.peek(MESSAGE, 10);
    assert_eq!(back[..8], [640, 480, 640, 960, 1280, 16, 0, 480]);
    assert_eq!((back[8] >> 30, back[9]), (3, 1280 * 960));
    let (generation, config) = guest.shown();
    assert_eq!((generation, config.base as u32 | 0xc000_0000, config.offset), (1, back[8], (0, 480)));
    assert_eq!(config.order, PixelOrder::Rgb, "red in the top bits");

    guest.poke(MESSAGE, &[320, 200, 0, 0, 0, 24, 0, 0, 0, 0]);
    assert_eq!(guest.mail(MESSAGE | 1), 1);
    assert_eq!(guest.peek(MESSAGE, 5), [320, 200, 320, 200, 960]);
    for words in [[0, 200, 0, 0, 0, 24, 0, 0, 0, 0], [320, 200, 0, 0, 0, 23, 0, 0, 0, 0], [5000, 5000, 0, 0, 0, 32, 0, 0, 0, 0]] {
        guest.poke(MESSAGE, &words);
        assert_ne!(guest.mail(MESSAGE | 1), 1);
        assert_eq!(guest.peek(MESSAGE, 10), words, "nothing is touched");
    }
    assert_ne!(guest.mail(0x3eff_fff0 | 1), 1, "not in RAM");
    assert_eq!(guest.shown().0, 2);
}

#[test]
fn a_reset_takes_the_picture_away_and_generations_go_on() {
    let mut guest = Guest::new();
    let power_on = |guest: &Guest| {
        let ram = Arc::new(GuestRam::new(0x3f00_0000).expect("address space"));
        let clock = Arc::new(Clock::new(ClockMode::Deterministic));
        MachineBuilder::new(ram, clock, 1, Arc::clone(&guest.shared)).install(&MailboxPlugin::default());
        (guest.shown().0, guest.shared.display.load().has_signal())
    };
    assert_eq!(power_on(&guest), (0, false), "there was none");
    set_mode(&mut guest, (64, 64), (64, 64), 32, 256);
    assert_eq!(power_on(&guest), (2, false));
}
