use super::testing::{DONE, EMPTY, FULL, Guest, MESSAGE, PROPERTY};
use super::{ClockSetup, MailboxPlugin};
use proptest::prelude::*;
use tayberry_engine::GuestTime;
use tayberry_engine::display::{Alpha, Depth};
use tayberry_engine::journal::{Message, What};

const PARSE_ERROR: u32 = 0x8000_0001;

/// Each tag alone: number, value buffer, answered length, the buffer afterwards.
#[test]
fn tags_are_answered_as_by_a_pi_3() {
    let mut guest = Guest::new();
    let table: &[(u32, &[u32], u32, &[u32])] = &[
        (0x0000_0001, &[0], 4, &[0x6414_45ff]),
        (0x0001_0001, &[7], 4, &[0]),
        (0x0001_0002, &[0], 4, &[0x00a0_2082]),
        (0x0001_0003, &[0, 0xffff_ffff], 6, &[0x1beb_27b8, 0xffff_24e2]),
        (0x0001_0004, &[1, 1], 8, &[0x7a1b_e224, 0]),
        (0x0001_0005, &[1, 1], 8, &[0, 0x3b40_0000]),
        (0x0001_0006, &[1, 1], 8, &[0x3b40_0000, 0x04c0_0000]),
        (0x0001_0007, &[9; 4], 80, &[0, 1, 0, 2]),
        (0x0002_0001, &[0, 0], 8, &[0, 1]),
        (0x0002_0001, &[3, 0], 8, &[3, 0]),
        (0x0002_0001, &[9, 0], 8, &[9, 2]),
        (0x0002_8001, &[3, 3], 8, &[3, 1]),
        (0x0002_0001, &[3, 0], 8, &[3, 1]),
        (0x0002_8001, &[u32::MAX, 1], 8, &[u32::MAX, 2]),
        (0x0002_0002, &[3, 0], 8, &[3, 1000]),
        (0x0002_0002, &[77, 5], 8, &[77, 0]),
        (0x0003_0002, &[3, 0], 8, &[3, 600_000_000]),
        (0x0003_0004, &[3, 0], 8, &[3, 1_200_000_000]),
        (0x0003_0007, &[4, 0], 8, &[4, 250_000_000]),
        (0x0003_0002, &[2, 0], 8, &[2, 48_000_000]),
        (0x0003_8002, &[2, 4_000_000, 0], 8, &[2, 4_000_000, 0]),
        (0x0003_0002, &[2, 0], 8, &[2, 4_000_000]),
        (0x0003_8002, &[3, u32::MAX, 1], 8, &[3, 1_200_000_000, 1]),
        (0x0003_0009, &[0, 0], 8, &[0, 0]),
        (0x0003_8002, &[3, 1_000_000_000, 0], 8, &[3, 1_000_000_000, 0]),
        (0x0003_0009, &[0, 0], 8, &[0, 1]),
        (0x0003_0002, &[4, 0], 8, &[4, 400_000_000]),
        (0x0003_8009, &[0, 0], 8, &[0, 0]),
        (0x0003_0002, &[4, 0], 8, &[4, 250_000_000]),
        (0x0003_8002, &[0, 5, 0], 8, &[0, 0, 0]),
        (0x0003_0002, &[11, 5], 8, &[11, 0]),
        (0x0003_0001, &[10, 5], 8, &[10, 0]),
        (0x0003_8001, &[10, 1], 8, &[10, 1]),
        (0x0003_0001, &[99, 5], 8, &[99, 2]),
        (0x0003_8001, &[2, 0], 8, &[2, 0]),
        (0x0003_0047, &[2, 7], 8, &[2, 0]),
        (0x0003_0003, &[1, 0], 8, &[1, 1_200_000]),
        (0x0003_8003, &[1, 9_000_000], 8, &[1, 1_350_000]),
        (0x0003_0003, &[5, 0], 8, &[5, 0x8000_0000]),
        (0x0003_0006, &[0, 0], 8, &[0, 47_774]),
        (0x0003_000a, &[0, 0], 8, &[0, 85_000]),
        (0x0003_0046, &[0xffff], 4, &[0]),
        (0x0003_0030, &[5, 9], 8, &[5, 0]),
        (0x0003_8030, &[5, 1], 8, &[5, 1]),
        (0x0003_0030, &[5, 9], 8, &[5, 1]),
        (0x0003_0041, &[130, 9], 8, &[0, 0]),
        (0x0003_8041, &[130, 1], 8, &[0, 1]),
        (0x0003_0041, &[130, 9], 8, &[0, 1]),
        (0x0003_0041, &[127, 9], 8, &[1, 0]),
        (0x0003_0043, &[132, 9, 9, 9, 9], 20, &[0, 0, 0, 0, 0]),
        (0x0003_8043, &[133, 1, 0, 1, 1, 1], 24, &[0, 1, 0, 1, 1, 1]),
        (0x0003_0041, &[133, 9], 8, &[0, 1]),
        (0x0003_8042, &[50_000_000, 0, 0], 12, &[50_000_000, 50_000_000, 50_000_000]),
        (0x0003_0048, &[5], 0, &[5]),
        (0x0003_0010, &[1, 2, 3, 4, 5, 6, 7], 4, &[0x8000_0000, 2, 3, 4, 5, 6, 7]),
        (0x0003_8021, &[1, 2, 0x0f, 0xf0], 16, &[1, 2, 0x0f, 0xf0]),
        (0x0003_8021, &[1, 1, 0xf0, 0], 12, &[1, 1, 0xff, 0]),
        (0x0003_0021, &[7, u32::MAX, 3], 8, &[7, 0, 3]),
        (0x0004_0013, &[0], 4, &[1]),
        (0x0004_0016, &[0], 4, &[2]),
        (0x0004_8010, &[0x0020_0000], 4, &[1]),
        (0x0004_8020, &[0xc020_0000], 4, &[0]),
        (0x0004_0010, &[0], 4, &[0xc020_0000]),
        (0x0004_801f, &[0xff00_0000], 4, &[0xff00_0000]),
        (0x0000_8010, &[16, 16, 0, 0x0030_0000, 0, 0], 4, &[0, 16, 0, 0x0030_0000, 0, 0]),
        (0x0000_8010, &[16, 65, 0, 0x0030_0000, 0, 0], 4, &[1, 65, 0, 0x0030_0000, 0, 0]),
        (0x0000_8011, &[1, 5, 5, 0], 4, &[0, 5, 5, 0]),
        (0x0006_0001, &[0], 4, &[0x7f35]),
    ];
    for &(tag, value, len, expect) in table {
        assert_eq!(guest.ask(tag, value, len), expect, "tag {tag:#010x} of {value:x?}");
    }
}

#[test]
fn several_tags_are_answered_in_one_message_and_unknown_ones_are_left_alone() {
    #[rustfmt::skip]
    Guest::new().check(
        &[
            0x0001_0002, 4, 0, 0,
            0x0001_00ff, 8, 0x1234, 5, 6,
            0x0003_0002, 0, 0,
            0x0005_0001, 2, 0, 0xffff_ffff,
        ],
        &[
            0x0001_0002, 4, DONE | 4, 0x00a0_2082,
            0x0001_00ff, 8, 0x1234, 5, 6,
            0x0003_0002, 0, 0,
            0x0005_0001, 2, DONE | 1, 0xffff_ff00,
        ],
    );
}

#[test]
fn the_command_line_ends_with_a_nul_and_says_its_length_when_it_is_cut() {
    let command_line = "console=ttyAMA0 root=/dev/ram0".to_owned();
    let mut guest = Guest::with(&MailboxPlugin { command_line, ..MailboxPlugin::default() });
    let text = |words: &[u32]| words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<_>>();
    let whole = text(&guest.ask(0x0005_0001, &[u32::MAX; 9], 31));
    assert_eq!(&whole[..32], b"console=ttyAMA0 root=/dev/ram0\0\xff");
    assert_eq!(text(&guest.ask(0x0005_0001, &[0; 2], 31)), b"console=");
}

#[test]
fn the_edid_has_one_block() {
    let mut guest = Guest::new();
    let mut request = vec![0; 34];
    let answer = guest.ask(0x0003_0020, &request, 136);
    assert_eq!((answer[0], answer[1], answer[2], answer[3]), (0, 0, 0xffff_ff00, 0x00ff_ffff));
    request[0] = 1;
    assert_eq!(guest.ask(0x0003_0020, &request, 136)[..3], [1, 1, 0]);
}

#[test]
fn time_and_vertical_sync() {
    let mut guest = Guest::new();
    guest.bench.tick_at(GuestTime::from_micros(5_000_000_000));
    assert_eq!(guest.ask(0x0003_000b, &[0, 0], 8), [705_032_704, 1]);
    guest.bench.tick_at(GuestTime::from_micros(5_000_001_000));

    guest.compose(&[0x0004_800e, 0, 0]);
    let other = MESSAGE + 0x100;
    guest.poke(other, &[16, 0, 0, 0]);
    guest.write(0xa0, MESSAGE | PROPERTY);
    guest.write(0xa0, other | PROPERTY);
    guest.bench.tick();
    assert_eq!(guest.read(0x98), EMPTY, "neither is answered");
    assert_eq!(guest.peek(MESSAGE + 4, 1), [0]);
    let sync = guest.bench.next_deadline().expect("a deadline");
    assert_eq!(sync.0, 5_000_016_666_667);
    guest.bench.tick_at(GuestTime(sync.0 - 1));
    assert_eq!(guest.read(0x98), EMPTY);
    guest.bench.tick_at(sync);
    assert_eq!((guest.read(0x80), guest.read(0x80), guest.read(0x98)), (MESSAGE | PROPERTY, other | PROPERTY, EMPTY));
    assert_eq!(guest.peek(MESSAGE + 4, 4), [DONE, 0x0004_800e, 0, DONE]);
    assert_eq!(guest.bench.next_deadline(), None);
}

#[test]
fn gpu_memory_is_allocated_locked_and_released() {
    let mut guest = Guest::new();
    let handle = guest.ask(0x0003_000c, &[5000, 0x10000, 0x14], 4)[0];
    let bus = guest.ask(0x0003_000d, &[handle], 4)[0];
    assert_eq!((bus & 0xc000_ffff, guest.peek(bus & 0x3fff_ffff, 2)), (0xc000_0000, vec![0, 0]));
    let ones = guest.ask(0x0003_000c, &[16, 0, 0xc], 4)[0];
    let bus = guest.ask(0x0003_000d, &[ones], 4)[0];
    assert_eq!((bus & 0xc000_0fff, guest.peek(bus & 0x3fff_ffff, 1)), (0x4000_0000, vec![u32::MAX]));
    assert_eq!(guest.ask(0x0003_000e, &[handle], 4), [0]);
    assert_eq!(guest.ask(0x0003_000f, &[handle], 4), [0]);
    assert_eq!(guest.ask(0x0003_000f, &[handle], 4), [1], "it is gone");
    assert_eq!(guest.ask(0x0003_000d, &[handle], 4), [0]);
    for absurd in [[0, 16, 0], [u32::MAX, 16, 0], [16, 48 << 20, 0], [16, 5000, 0]] {
        assert_eq!(guest.ask(0x0003_000c, &absurd, 4)[0], 0, "{absurd:x?}");
    }
    let handle_again = guest.ask(0x0003_000c, &[40 << 20, 0, 0], 4)[0];
    assert_eq!(handle_again, handle);
    assert_eq!(guest.ask(0x0003_000c, &[40 << 20, 0, 0], 4)[0], 0, "there is no room for another");
}

#[test]
fn messages_that_are_no_messages_get_their_mail_back() {
    let mut guest = Guest::new();
    for address in [0x3f00_0000, 0xfff0_0000, 0x3eff_fff0] {
        assert_eq!(guest.mail(address | PROPERTY), address | PROPERTY);
    }
    guest.poke(MESSAGE, &[0x4000_0000, 0, 0]);
    guest.mail(MESSAGE | PROPERTY);
    assert_eq!(guest.peek(MESSAGE, 3), [0x4000_0000, PARSE_ERROR, 0]);
    // What stands before the error is answered.
    guest.poke(MESSAGE, &[36, 0, 0x0001_0002, 4, 0, 0, 0x0001_0001, 8, 0]);
    guest.mail(MESSAGE | PROPERTY);
    assert_eq!(guest.peek(MESSAGE, 9), [36, PARSE_ERROR, 0x0001_0002, 4, DONE | 4, 0x00a0_2082, 0x0001_0001, 8, 0]);
    assert_eq!(guest.shared.stats.property_messages.get(), 5);
}

#[test]
fn aliases_of_an_address_are_one_memory() {
    let mut guest = Guest::new();
    for alias in [0x0000_0000, 0x4000_0000, 0x8000_0000, 0xc000_0000] {
        guest.compose(&[0x0001_0002, 4, 0, 0]);
        let mail = MESSAGE | alias | PROPERTY;
        assert_eq!(guest.mail(mail), mail);
        assert_eq!(guest.peek(MESSAGE + 20, 1), [0x00a0_2082]);
    }
}

/// What the journal says of what `act` does.
fn journal_of(guest: &mut Guest, act: impl FnOnce(&mut Guest)) -> Vec<String> {
    let reader = guest.shared.journal.reader();
    act(guest);
    reader.drain().map(|entry| format!("{} {}", entry.what.kind(), entry.what)).collect()
}

#[test]
fn messages_are_told_in_words() {
    let mut guest = Guest::new();
    #[rustfmt::skip]
    let lines = journal_of(&mut guest, |guest| {
        guest.send(&[
            0x0004_8003, 8, 0, 640, 480,
            0x0004_8004, 8, 0, 640, 960,
            0x0004_8005, 4, 0, 32,
            0x0001_0002, 4, 0, 0,
            0x0004_0001, 8, 0, 4096, 0,
            0x0001_00ff, 8, 0, 5, 0x1_0000,
            0x0003_0002, 4, 0, 2,
            0x0003_8002, 4, 0, 2,
        ]);
        guest.send(&[0x0004_8009, 8, 0, 0, 480, 0x0004_8006, 4, 0, 0]);
        guest.ask(0x0004_8009, &[0, 480], 8);
        guest.compose(&[0x0001_0003, 400, 0, 0, 0]);
        guest.mail(MESSAGE | PROPERTY);
        guest.mail(0xc000_0000 | PROPERTY);
        guest.mail(0x3fff_fff0 | PROPERTY);
    });
    let expect = [
        "message property message at 0x00100000: set physical size 640x480 -> 640x480; set virtual size 640x960 -> 640x960; \
         set depth 32 bits -> 32 bits; get board revision -> 0xa02082; allocate buffer align 4096 -> 0xfb800000, 2457600 bytes; \
         tag 0x000100ff 5 0x00010000: not known; get clock rate UART -> 48 MHz; \
         set clock rate 2: its buffer of 4 bytes is too small for the request",
        "mode generation 1: 640x480 of 640x960 at 0,0, 32 bits Bgr, pitch 2560, base 0x3b800000 (new: signal)",
        "message property message at 0x00100000: set virtual offset 0,480 -> 0,480; set pixel order BGR -> BGR",
        "mode generation 2: 640x480 of 640x960 at 0,480, 32 bits Bgr, pitch 2560, base 0x3b800000 (new: offset)",
        "message property message at 0x00100000: set virtual offset 0,480 -> 0,480",
        "message property message at 0x00100000: it cannot be parsed to its end",
        "message property message at 0xc0000000: it cannot be parsed to its end",
        "message property message at 0x3ffffff0: there is no RAM at its address",
    ];
    for (line, expect) in lines.iter().zip(expect) {
        assert_eq!(line, expect);
    }
    assert_eq!(lines.len(), expect.len());
}

#[test]
fn raw_words_are_kept_and_messages_without_end_are_cut() {
    let mut guest = Guest::new();
    let reader = guest.shared.journal.reader();
    guest.ask(0x0001_0002, &[7], 4);
    let many = [0x0001_0002, 0, 0].repeat(1000);
    guest.send(&many);
    let entries: Vec<Message> = reader
        .drain()
        .map(|entry| match &entry.what {
            What::Message(message) => message.clone(),
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(entries[0].sent, [28, 0, 0x0001_0002, 4, 0, 7, 0]);
    assert_eq!(entries[0].answered, [28, DONE, 0x0001_0002, 4, DONE | 4, 0x00a0_2082, 0]);
    assert_eq!((entries[1].parts.len(), entries[1].parts_left_out, entries[1].sent.len(), entries[1].words), (64, 936, 64, 3003));
}

#[test]
fn what_nobody_has_room_for_is_not_made_but_counted() {
    let mut guest = Guest::new();
    let reader = guest.shared.journal.reader();
    while guest.shared.journal.is_wanted() {
        guest.shared.journal.record(GuestTime(0), || What::Reset);
    }
    guest.send(&[0x0004_8003, 8, 0, 640, 480, 0x0004_0001, 8, 0, 0, 0]);
    assert_eq!(reader.dropped(), 2, "the message and the mode that it made");
    guest.ask(0x0001_0002, &[0], 4);
    assert_eq!(reader.dropped(), 3);
}

#[test]
fn the_old_channel_and_others_are_told_too() {
    let mut guest = Guest::new();
    guest.poke(MESSAGE, &[640, 480, 640, 480, 0, 16, 0, 0, 0, 0]);
    guest.poke(MESSAGE + 0x100, &[640, 480, 640, 480, 0, 17, 0, 0, 0, 0]);
    let lines = journal_of(&mut guest, |guest| {
        guest.mail(MESSAGE | 1);
        guest.mail((MESSAGE + 0x100) | 1);
        guest.write(0xa0, 0x1000 | 3);
        guest.bench.tick();
    });
    assert_eq!(
        lines,
        [
            "message frame buffer message at 0x00100000: set up frame buffer 640x480, virtual 640x480, 16 bits, offset 0,0 -> \
             virtual 640x480, pitch 1280, 0xfb800000, 614400 bytes",
            "mode generation 1: 640x480, 16 bits Rgb, pitch 1280, base 0x3b800000 (new: signal)",
            "message frame buffer message at 0x00100100: set up frame buffer 640x480, virtual 640x480, 17 bits, offset 0,0: refused: \
             the reply says failure",
            "message VCHIQ message at 0x00001000: nobody answers on this channel",
        ]
    );
}

/// Words that look like messages often enough.
fn words() -> impl Strategy<Value = Vec<u32>> {
    let tags = [
        0x0001_0003,
        0x0003_0002,
        0x0003_8002,
        0x0003_000c,
        0x0003_000d,
        0x0003_000f,
        0x0003_0021,
        0x0003_8021,
        0x0003_8041,
        0x0003_8043,
        0x0004_0001,
        0x0004_0002,
        0x0004_000b,
        0x0004_8001,
        0x0004_8003,
        0x0004_8004,
        0x0004_8005,
        0x0004_8006,
        0x0004_8008,
        0x0004_8009,
        0x0004_800a,
        0x0004_800b,
        0x0005_0001,
    ];
    let value = prop_oneof![any::<u32>(), 0u32..40, 100u32..2000, Just(32), Just(0x10_0000), Just(u32::MAX)];
    let tag = (proptest::sample::select(tags.to_vec()), proptest::collection::vec(value, 0..6), any::<bool>());
    let tag = tag.prop_map(|(tag, value, honest)| {
        let bytes = if honest { 4 * value.len() as u32 } else { value.first().copied().unwrap_or(1) };
        [vec![tag, bytes, 0], value].concat()
    });
    proptest::collection::vec(tag, 0..8).prop_map(|tags| tags.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn no_message_breaks_anything(
        messages in proptest::collection::vec((words(), prop_oneof![Just(None), any::<u32>().prop_map(Some), (0u32..200).prop_map(Some)]), 1..12),
        at in prop_oneof![Just(MESSAGE), any::<u32>().prop_map(|at| at & 0x3fff_fff0), Just(0x3eff_fff0), Just(0x3c00_0000)],
    ) {
        let mut guest = Guest::new();
        for (words, size) in messages {
            let size = size.unwrap_or(4 * (words.len() as u32 + 3));
            for (index, word) in [size, 0].into_iter().chain(words).chain([0]).enumerate() {
                guest.ram.write_u32(u64::from(at) + 4 * index as u64, word);
            }
            prop_assert_eq!(guest.mail(at | PROPERTY), at | PROPERTY);
            let (_, config) = guest.shown();
            let bytes = u64::from(config.pitch) * u64::from(config.virtual_size.1);
            if guest.shared.display.load().has_signal() {
                prop_assert!(config.base + bytes <= 0x3f00_0000);
                prop_assert!(config.physical.0 <= config.virtual_size.0 && config.physical.1 <= config.virtual_size.1);
                prop_assert!(config.offset.0 + config.physical.0 <= config.virtual_size.0);
                prop_assert!(config.offset.1 + config.physical.1 <= config.virtual_size.1);
            }
        }
        prop_assert_eq!(guest.read(0x98) & FULL, 0);
    }
}

/// What the firmware is configured to is what it says, and what it begins with.
#[test]
fn the_configuration_is_answered() {
    let mhz = 1_000_000;
    let mut guest = Guest::with(&MailboxPlugin {
        arm_memory: 960 << 20,
        vc_memory: 64 << 20,
        video_memory: 0x3c40_0000..0x3f00_0000,
        monitor: (1920, 1080),
        screen: (1824, 984),
        depth: Depth::Rgb32,
        alpha: Alpha::Transparent0,
        clocks: ClockSetup {
            uart: 3 * mhz,
            core: (250 * mhz, 250 * mhz),
            arm: (600 * mhz, 1000 * mhz),
            turbo: true,
            ..ClockSetup::default()
        },
        ..MailboxPlugin::default()
    });
    let table: &[(u32, &[u32], u32, &[u32])] = &[
        (0x0001_0005, &[1, 1], 8, &[0, 960 << 20]),
        (0x0001_0006, &[1, 1], 8, &[960 << 20, 64 << 20]),
        (0x0003_0002, &[2, 0], 8, &[2, 3 * mhz]),
        (0x0003_0002, &[3, 0], 8, &[3, 1000 * mhz]),
        (0x0003_0002, &[4, 0], 8, &[4, 250 * mhz]),
        (0x0003_0004, &[4, 0], 8, &[4, 250 * mhz]),
        (0x0003_0002, &[5, 0], 8, &[5, 300 * mhz]),
        (0x0003_0009, &[0, 0], 8, &[0, 1]),
        (0x0004_0003, &[0, 0], 8, &[1824, 984]),
        (0x0004_0004, &[0, 0], 8, &[1824, 984]),
        (0x0004_0005, &[0], 4, &[32]),
        (0x0004_0007, &[0], 4, &[1]),
        (0x0004_0001, &[4096, 0], 8, &[0xfc40_0000, 1824 * 984 * 4]),
    ];
    for &(tag, request, len, answer) in table {
        assert_eq!(guest.ask(tag, request, len), answer, "{tag:#010x}");
    }
    let edid = guest.ask(0x0003_0020, &[0; 34], 136);
    let byte = |at: usize| edid[2 + at / 4] >> (8 * (at % 4)) & 0xff;
    assert_eq!((byte(56) | byte(58) >> 4 << 8, byte(59) | byte(61) >> 4 << 8), (1920, 1080));
}
