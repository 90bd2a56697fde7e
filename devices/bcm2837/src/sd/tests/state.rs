//! Transfers that are saved and loaded half-way, again and again, into a machine that is new each time; other cards; and damaged states.

use super::dma::dma;
use super::*;
use std::cell::Cell;
use std::io::Write;

thread_local! {
    /// The test's session moves to a new bench once in so many accesses; 0: never.
    static EVERY: Cell<u32> = const { Cell::new(0) };
    static COUNT: Cell<u32> = const { Cell::new(0) };
}

fn blank(bytes: u64) -> Arc<CardImage> {
    Arc::new(CardImage::blank(bytes).expect("address space"))
}

fn bytes_of(dut: &Dut) -> u64 {
    dut.bench.world.resource::<Slot>().image().map_or(0, |image| image.bytes())
}

/// Goes on at a new bench with an empty card, if it is time for that.
pub(super) fn move_on(dut: &mut Dut) {
    let (every, count) = (EVERY.get(), COUNT.get() + 1);
    if every == 0 {
        return;
    }
    COUNT.set(count);
    if count.is_multiple_of(every) {
        *dut = moved(dut);
    }
}

/// The same session at a new bench with an empty card.
fn moved(old: &mut Dut) -> Dut {
    let every = EVERY.replace(0);
    let state = old.bench.save();
    let mut new = dut(old.host, Some(blank(bytes_of(old))));
    new.bench.load(&state).expect("the same devices");
    assert_eq!(new.bench.save().parts, state.parts, "nothing is lost on the way");
    new.rca = old.rca;
    EVERY.set(every);
    new
}

/// A session for both controllers and both kinds of card, once in one piece and once moving: both end alike.
fn both(every: u32, session: impl Fn(&mut Dut)) {
    for host in HOSTS {
        for bytes in [SMALL, LARGE] {
            let run = |every| {
                let mut dut = dut(host, Some(pattern(bytes)));
                dut.identify();
                COUNT.set(0);
                EVERY.set(every);
                session(&mut dut);
                assert!(every == 0 || COUNT.get() >= 3 * every, "it has moved: {}", COUNT.get());
                EVERY.set(0);
                dut
            };
            let (mut straight, mut moving) = (run(0), run(every));
            assert_eq!(straight.bench.clock.now(), moving.bench.clock.now());
            assert_eq!(straight.bench.save().parts, moving.bench.save().parts);
            assert!(straight.bench.save().ram == moving.bench.save().ram);
        }
    }
}

#[test]
fn reads_and_writes_by_polling_go_on() {
    both(97, |dut| {
        let data: Vec<u32> = (0..3 * 128).map(|word| word * 0x0001_0101).collect();
        assert_eq!(dut.read_blocks(18, 2, 3), words(2 * 512, 3 * 512));
        dut.ask(12, 0, Kind::Busy, None);
        dut.ask(23, 3, Kind::Short, None);
        dut.write_blocks(25, 10, &data);
        assert_eq!(dut.state(), 4);
        dut.write_blocks(25, 20, &data[..256]);
        assert_eq!(dut.state(), 6, "it waits for more");
        dut.ask(12, 0, Kind::Busy, None);
        dut.app(22, 0, Some((true, 4, 1)));
        assert_eq!(dut.take(1)[0].to_be(), 2, "blocks written");
        assert_eq!([dut.read_blocks(17, 11, 1), dut.read_blocks(17, 21, 1)].concat(), [&data[128..256]; 2].concat());
        assert_eq!(dut.read_blocks(17, 13, 1), words(13 * 512, 512), "its neighbour is as before");
    });
}

#[test]
fn every_command_s_state_goes_on() {
    both(5, |dut| {
        // From power-on anew, with the states between.
        dut.rca = 0;
        dut.identify();
        dut.app(6, 2, None);
        dut.ask(16, 512, Kind::Short, None);
        dut.ask(23, 1, Kind::Short, None);
        let address = dut.address(3);
        dut.ask(18, address, Kind::Short, Some((true, 512, 1)));
        assert_eq!(dut.take(128), words(3 * 512, 512));
        assert_eq!(dut.state(), 4, "one block, as CMD23 said");
        dut.app(13, 0, Some((true, 64, 1)));
        assert_eq!(dut.take(16)[0] & 0xff, 0x80, "the wide bus");
    });
}

#[test]
fn reads_and_writes_by_dma_go_on() {
    both(3, |dut| {
        let bytes = 40 * 512;
        let (read, written) = (0x1_0000, 0x2_0000);
        dut.ask(18, dut.address(3), Kind::Short, Some((true, 512, 40)));
        dma(dut, false, read as u32, bytes);
        let next = dut.bench.next_deadline().expect("more to come");
        dut.bench.tick_at(next.max(dut.bench.clock.now()));
        let left = dut.bench.read(DMA + 0x14);
        assert!((1..bytes).contains(&left), "{left} bytes are left");
        dut.settle();
        assert_eq!((dut.bench.read(DMA) & 1, dut.data_done()), (0, true));
        let ram = Arc::clone(&dut.bench.world.resource::<Ram>().0);
        let came: Vec<u32> = (read..read + u64::from(bytes)).step_by(4).map(|at| ram.read_u32(at).expect("in RAM")).collect();
        assert!(came == words(3 * 512, bytes.into()));
        (0..u64::from(bytes)).step_by(4).for_each(|at| ram.write_u32(written + at, !(at as u32)).expect("in RAM"));
        dut.ask(12, 0, Kind::Busy, None);
        dut.ask(23, 40, Kind::Short, None);
        dut.ask(25, dut.address(100), Kind::Short, Some((false, 512, 40)));
        dma(dut, true, written as u32, bytes);
        dut.settle();
        assert_eq!((dut.bench.read(DMA) & 1, dut.data_done(), dut.state()), (0, true, 4));
        let every = EVERY.replace(0);
        let back = dut.read_blocks(17, 139, 1);
        EVERY.set(every);
        assert_eq!(back[..2], [!(39 * 512), !(39 * 512 + 4)]);
    });
}

#[test]
fn an_erase_goes_on() {
    for host in HOSTS {
        let start = || {
            let image = pattern(LARGE);
            image.write_block(50 << 20, &[7; 128]);
            let mut dut = dut(host, Some(image));
            dut.identify();
            dut.ask(32, 1, Kind::Short, None);
            dut.ask(33, (50 << 11) - 1, Kind::Short, None);
            dut.send(38, 0, Kind::Busy, None);
            dut
        };
        let mut straight = start();
        let mut moving = start();
        moving.bench.tick_at(GuestTime(1_000_000));
        assert!(moving.bench.world.resource_mut::<Slot>().card(host).expect("a card").is_busy());
        COUNT.set(0);
        EVERY.set(1);
        moving.settle();
        let moves = COUNT.replace(0);
        EVERY.set(0);
        straight.bench.tick_at(GuestTime(1_000_000));
        straight.settle();
        assert!(moves > 5, "{moves}");
        assert_eq!(straight.bench.save().parts, moving.bench.save().parts);
        assert_eq!((moving.read_blocks(17, 0, 1), moving.read_blocks(17, 1, 1)), (words(0, 512), vec![0; 128]));
        assert_eq!(moving.read_blocks(17, 50 << 11, 1), [7; 128]);
    }
}

/// A file with `bytes`, and a card of it.
fn card_of(bytes: &[u8]) -> (tempfile::NamedTempFile, Arc<CardImage>) {
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    file.write_all(bytes).expect("room");
    let image = CardImage::open(file.path(), false).expect("an image");
    (file, Arc::new(image))
}

#[test]
fn what_was_written_comes_along_and_what_comes_later_goes() {
    let content: Vec<u8> = (0..SMALL as u32).map(|at| (at / 512) as u8).collect();
    let card = || card_of(&content);
    let ((_first_file, first), (_second_file, second)) = (card(), card());
    let mut ours = dut(Host::Emmc, Some(first));
    ours.identify();
    ours.write_blocks(24, 300, &[1; 128]);
    let state = ours.bench.save();
    // Over what is saved, beside it in its region, and elsewhere.
    for block in [300, 301, 1000] {
        ours.write_blocks(24, block, &[2; 128]);
    }
    let mut theirs = dut(Host::Emmc, Some(second));
    theirs.rca = ours.rca;
    for (name, dut) in [("the same", &mut ours), ("another", &mut theirs)] {
        dut.bench.load(&state).expect("a card of the same content");
        assert_eq!(dut.bench.save().parts, state.parts, "{name}");
        let seen = [299, 300, 301, 1000].map(|block| dut.read_blocks(17, block, 1)[0]);
        assert_eq!(seen, [0x2b2b_2b2b, 1, 0x2d2d_2d2d, 0xe8e8_e8e8], "{name}");
    }
}

#[test]
fn states_with_another_card_are_refused_in_words() {
    let refusal = |saved: Option<Arc<CardImage>>, now: Option<Arc<CardImage>>| {
        let state = dut(Host::Emmc, saved).bench.save();
        dut(Host::Emmc, now).bench.load(&state).expect_err("another card").to_string()
    };
    let content: Vec<u8> = (0..SMALL as u32).map(|at| (at / 512) as u8).collect();
    let mut changed = content.clone();
    changed[0xabcde] ^= 1;
    let ((_file, card), (_other_file, other)) = (card_of(&content), card_of(&changed));
    let (_short_file, short) = card_of(&content[..0x8_0000]);
    let contents = "the state is of a machine with another SD card: one of the same size that holds something else, or this one's image was changed since";
    assert_eq!(refusal(Some(Arc::clone(&card)), Some(other)), contents);
    assert_eq!(
        refusal(Some(Arc::clone(&card)), Some(short)),
        "the state is of a machine with 1048576 bytes on its SD card, this one has 524288"
    );
    assert_eq!(refusal(Some(Arc::clone(&card)), None), "the state is of a machine with 1 SD cards, this one has 0");
    assert_eq!(refusal(None, Some(card)), "the state is of a machine with 0 SD cards, this one has 1");
}

/// What a damaged state would break: commands and data on both hosts, time.
fn exercise(dut: &mut Dut) {
    for (index, data) in
        [(13, 0), (17, 0x10), (18, 0x32), (24, 0x00), (25, 0x22), (32, 0), (33, 0), (38, 0), (27, 0x00), (6, 0x10), (12, 0)]
    {
        for argument in [0, 0x400] {
            dut.bench.write(EMMC + 8, if index == 13 { dut.rca } else { argument });
            dut.bench.write(EMMC + 4, 2 << 16 | 512);
            dut.bench.write(EMMC + 0xc, index << 24 | 2 << 16 | data | if data != 0 || index == 24 { 1 << 21 } else { 0 });
            dut.bench.tick_at(dut.bench.clock.now().plus(250_000));
            for _ in 0..3 {
                dut.bench.read(EMMC + 0x20);
                dut.bench.write(EMMC + 0x20, 1);
                dut.bench.read(SDHOST + 0x40);
                dut.bench.write(SDHOST + 0x40, 1);
            }
        }
    }
    (0..64).for_each(|word| _ = (dut.bench.read(EMMC + 4 * word), dut.bench.read(SDHOST + 4 * word)));
    (0..3).for_each(|_| dut.bench.tick_at(dut.bench.clock.now().plus(250_000)));
}

#[test]
fn damaged_states_are_refused_or_do_no_harm() {
    let mut refused = 0;
    for host in HOSTS {
        let (mut reading, mut writing, mut erasing) =
            (dut(host, Some(blank(SMALL))), dut(host, Some(blank(SMALL))), dut(host, Some(blank(SMALL))));
        [&mut reading, &mut writing, &mut erasing].into_iter().for_each(Dut::identify);
        reading.ask(18, 0x600, Kind::Short, Some((true, 512, 3)));
        reading.take(150);
        writing.ask(25, 0x600, Kind::Short, Some((false, 512, 3)));
        writing.put(&[9; 150]);
        erasing.ask(32, 0x200, Kind::Short, None);
        erasing.ask(33, 0x8_0000, Kind::Short, None);
        for mut busy in [reading, writing, erasing] {
            let state = busy.bench.save();
            let mut victim = dut(host, Some(blank(SMALL)));
            victim.rca = busy.rca;
            for name in ["SD card", "EMMC", "SDHOST"] {
                let part = state.parts.iter().position(|part| part.0 == name).expect("the part");
                let length = state.parts[part].1.len();
                // The card's content is long, and may be anything.
                for at in (0..length).filter(|&at| length < 4_000 || at < 20 || at + 100 > length || at % 4_001 == 0) {
                    for value in [0, 1, 0x7f, 0x10_0001, u64::from(u32::MAX), u64::MAX - 511, u64::MAX] {
                        let mut damaged = state.clone();
                        let Some(bytes) = crate::damage::replaced(&damaged.parts[part].1, at, value) else { continue };
                        damaged.parts[part].1 = bytes;
                        match victim.bench.load(&damaged) {
                            Ok(()) => exercise(&mut victim),
                            Err(_) => refused += 1,
                        }
                    }
                }
            }
        }
    }
    assert!(refused > 100, "{refused}");
}
