//! The card behind both controllers, driven as a guest would.

mod dma;
mod hosts;

use super::image::BLOCK;
use super::*;
use crate::dma::DmaPlugin;
use crate::emmc::EmmcPlugin;
use crate::gpio::GpioPlugin;
use crate::sdhost::SdHostPlugin;
use proptest::prelude::*;
use tayberry_engine::GuestRam;
use tayberry_engine::GuestTime;
use tayberry_engine::Served;
use tayberry_engine::bench::Bench;
use tayberry_engine::builder::Ram;

const GPFSEL3: u64 = 0x3F20_000C;
const GPFSEL4: u64 = 0x3F20_0010;
const GPFSEL5: u64 = 0x3F20_0014;
const DMA: u64 = 0x3F00_7000;

const EMMC: u64 = 0x3F30_0000;
const EMMC_IRQ: usize = 62;
const SDHOST: u64 = 0x3F20_2000;
const SDHOST_IRQ: usize = 56;

/// Standard and high capacity sizes.
const SMALL: u64 = 1 << 20;
const LARGE: u64 = (2 << 30) + 1;

/// What a command did, as the host sees it.
#[derive(Debug, PartialEq, Eq)]
enum Got {
    Response([u32; 4]),
    Timeout,
    Other(u32),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    None,
    Short,
    Busy,
    Long,
}

struct Dut {
    bench: Bench,
    ram: Arc<GuestRam>,
    host: Host,
    rca: u32,
    high: bool,
}

fn dut(host: Host, card: Option<Arc<CardImage>>) -> Dut {
    let high = card.as_ref().is_some_and(|card| card.bytes() > registers::MOST_STANDARD);
    let bench = Bench::new(0x10_0000, 4, |machine| {
        machine
            .install(&DmaPlugin)
            .install(&GpioPlugin::default())
            .install(&SlotPlugin { card })
            .install(&EmmcPlugin)
            .install(&SdHostPlugin);
    });
    let ram = Arc::clone(&bench.world.resource::<Ram>().0);
    let mut dut = Dut { bench, ram, host, rca: 0, high };
    match host {
        Host::Emmc => {
            dut.emmc(0x2c, 1 << 24);
            assert_eq!(dut.bench.read(EMMC + 0x2c) & 1 << 24, 0);
            dut.emmc(0x2c, 0xe_0000 | 0x8005);
            assert_eq!(dut.bench.read(EMMC + 0x2c) & 2, 2, "the clock is stable");
            dut.emmc(0x34, u32::MAX);
        }
        Host::SdHost => {
            dut.sdhost(0x30, 0);
            dut.sdhost(0x30, 1);
            dut.sdhost(0x38, 1 << 10);
        }
    }
    dut
}

/// A card of `bytes` whose word at each address is that address' hash.
fn pattern(bytes: u64) -> Arc<CardImage> {
    let image = CardImage::blank(bytes).expect("address space");
    for at in (0..bytes.min(1 << 20)).step_by(512) {
        image.write_block(at, &std::array::from_fn(|word| word_at(at + 4 * word as u64)));
    }
    Arc::new(image)
}

fn word_at(at: u64) -> u32 {
    (at as u32 + 1).wrapping_mul(0x9e37_79b1)
}

fn words(from: u64, bytes: u64) -> Vec<u32> {
    (from..from + bytes).step_by(4).map(word_at).collect()
}

impl Dut {
    fn emmc(&mut self, offset: u64, value: u32) {
        state::move_on(self);
        if self.bench.write(EMMC + offset, value) == Served::EndSlice {
            self.bench.tick();
        }
    }

    fn sdhost(&mut self, offset: u64, value: u32) {
        state::move_on(self);
        if self.bench.write(SDHOST + offset, value) == Served::EndSlice {
            self.bench.tick();
        }
    }

    /// Sends a command. `data`: true for a read, with the size and number of blocks.
    fn send(&mut self, index: u32, argument: u32, kind: Kind, data: Option<(bool, u32, u32)>) -> Got {
        match self.host {
            Host::Emmc => self.send_emmc(index, argument, kind, data, 0),
            Host::SdHost => self.send_sdhost(index, argument, kind, data),
        }
    }

    fn send_emmc(&mut self, index: u32, argument: u32, kind: Kind, data: Option<(bool, u32, u32)>, mode: u32) -> Got {
        let bits = |read: bool, count: u32| 1 << 21 | u32::from(read) << 4 | if count > 1 { 1 << 5 | 1 << 1 } else { 0 };
        let transfer = data.map_or(0, |(read, _, count)| bits(read, count));
        let response = [Kind::None, Kind::Long, Kind::Short, Kind::Busy].iter().position(|&other| other == kind).expect("one") as u32;
        assert_eq!(self.bench.read(EMMC + 0x24) & 1, 0, "ready for a command");
        self.emmc(0x30, u32::MAX);
        if let Some((_, size, count)) = data {
            self.emmc(0x04, count << 16 | size);
        }
        self.emmc(0x08, argument);
        self.emmc(0x0c, index << 24 | response << 16 | transfer | mode);
        let flags = self.bench.read(EMMC + 0x30);
        match (flags & 1 << 16 != 0, flags & 1 != 0) {
            (true, _) => Got::Timeout,
            (_, true) => Got::Response(std::array::from_fn(|index| self.bench.read(EMMC + 0x10 + 4 * index as u64))),
            _ => Got::Other(flags),
        }
    }

    fn send_sdhost(&mut self, index: u32, argument: u32, kind: Kind, data: Option<(bool, u32, u32)>) -> Got {
        let response = match kind {
            Kind::None => 1 << 10,
            Kind::Short => 0,
            Kind::Busy => 1 << 11,
            Kind::Long => 1 << 9,
        };
        let transfer = data.map_or(0, |(read, ..)| if read { 1 << 6 } else { 1 << 7 });
        self.sdhost(0x20, 0x7f8);
        if let Some((_, size, count)) = data {
            self.sdhost(0x3c, size);
            self.sdhost(0x50, count);
        }
        self.sdhost(0x04, argument);
        self.sdhost(0x00, 1 << 15 | index | response | transfer);
        let (command, status) = (self.bench.read(SDHOST), self.bench.read(SDHOST + 0x20));
        if command & 1 << 15 != 0 {
            return Got::Other(command);
        }
        match (command & 1 << 14 != 0, status & 1 << 6 != 0) {
            (true, true) => Got::Timeout,
            (true, false) => Got::Other(status),
            _ => Got::Response(std::array::from_fn(|index| self.bench.read(SDHOST + 0x10 + 4 * index as u64))),
        }
    }

    /// The first word of a response that must come.
    fn ask(&mut self, index: u32, argument: u32, kind: Kind, data: Option<(bool, u32, u32)>) -> u32 {
        match self.send(index, argument, kind, data) {
            Got::Response(words) => words[0],
            other => panic!("CMD{index}: {other:?}"),
        }
    }

    fn app(&mut self, index: u32, argument: u32, data: Option<(bool, u32, u32)>) -> u32 {
        assert_eq!(self.ask(55, self.rca, Kind::Short, None) & 1 << 5, 1 << 5, "it takes an application command");
        self.ask(index, argument, Kind::Short, data)
    }

    fn long(&mut self, index: u32, argument: u32) -> u128 {
        let Got::Response(words) = self.send(index, argument, Kind::Long, None) else { panic!("CMD{index}") };
        let all = words.iter().rev().fold(0, |all, &word| all << 32 | u128::from(word));
        if self.host == Host::Emmc { all << 8 } else { all }
    }

    /// Brings the card into the transfer state.
    fn identify(&mut self) {
        self.send(0, 0, Kind::None, None);
        assert_eq!(self.ask(8, 0x1aa, Kind::Short, None), 0x1aa);
        let capacity = if self.high { 1 << 30 } else { 0 };
        assert_eq!(self.app(41, 0, None), 0x00ff_8000, "asked only");
        assert_eq!(self.app(41, 0x4030_0000, None) >> 31, 0, "busy at first");
        assert_eq!(self.app(41, 0x4030_0000, None), 0x80ff_8000 | capacity);
        assert_eq!(self.long(2, 0) >> 8, registers::cid() >> 8);
        self.rca = self.ask(3, 0, Kind::Short, None) & 0xffff_0000;
        assert_ne!(self.rca, 0);
        assert_eq!(self.ask(7, self.rca, Kind::Busy, None), 0x700, "stand-by, ready");
        assert_eq!(self.state(), 4);
    }

    fn status(&mut self) -> u32 {
        self.ask(13, self.rca, Kind::Short, None)
    }

    fn state(&mut self) -> u32 {
        self.status() >> 9 & 0xf
    }

    fn address(&self, block: u32) -> u32 {
        if self.high { block } else { block * 512 }
    }

    /// Takes `count` words from the data register, as the controller lets it.
    fn take(&mut self, count: usize) -> Vec<u32> {
        let words = (0..count)
            .map(|_| {
                state::move_on(self);
                match self.host {
                    Host::Emmc => {
                        assert_eq!(self.bench.read(EMMC + 0x24) & 1 << 11, 1 << 11, "data is there");
                        self.bench.read(EMMC + 0x20)
                    }
                    Host::SdHost => {
                        assert_ne!(self.bench.read(SDHOST + 0x34) >> 4 & 0x1f, 0, "data is there");
                        self.bench.read(SDHOST + 0x40)
                    }
                }
            })
            .collect();
        self.bench.tick();
        words
    }

    fn put(&mut self, words: &[u32]) {
        for &word in words {
            match self.host {
                Host::Emmc => {
                    assert_eq!(self.bench.read(EMMC + 0x24) & 1 << 10, 1 << 10, "there is room");
                    self.emmc(0x20, word);
                }
                Host::SdHost => {
                    assert_ne!(16 - (self.bench.read(SDHOST + 0x34) >> 4 & 0x1f), 0, "there is room");
                    self.sdhost(0x40, word);
                }
            }
        }
    }

    /// Data flags: done, and errors.
    fn data_done(&self) -> bool {
        match self.host {
            Host::Emmc => self.bench.read(EMMC + 0x30) & 0xffff_0002 == 2 && self.bench.read(EMMC + 0x24) & 6 == 0,
            Host::SdHost => self.bench.read(SDHOST + 0x20) & 0xf9 == 0 && [1, 4, 10].contains(&(self.bench.read(SDHOST + 0x34) & 0xf)),
        }
    }

    fn data_timed_out(&self) -> bool {
        match self.host {
            Host::Emmc => self.bench.read(EMMC + 0x30) & (1 << 20 | 1 << 15) == 1 << 20 | 1 << 15,
            Host::SdHost => self.bench.read(SDHOST + 0x20) & 1 << 7 != 0,
        }
    }

    fn read_blocks(&mut self, index: u32, block: u32, count: u32) -> Vec<u32> {
        let address = self.address(block);
        self.ask(index, address, Kind::Short, Some((true, 512, count)));
        let words = self.take(128 * count as usize);
        assert!(self.data_done());
        words
    }

    fn write_blocks(&mut self, index: u32, block: u32, words: &[u32]) {
        let address = self.address(block);
        self.ask(index, address, Kind::Short, Some((false, 512, words.len() as u32 / 128)));
        self.put(words);
        assert!(self.data_done());
    }

    /// Lets time pass until a busy card is done.
    fn settle(&mut self) {
        for _ in 0..100_000 {
            let Some(next) = self.bench.next_deadline() else { return };
            self.bench.tick_at(next.max(self.bench.clock.now()));
            state::move_on(self);
        }
        panic!("it goes on and on");
    }
}

const HOSTS: [Host; 2] = [Host::Emmc, Host::SdHost];

/// Both controllers, with a standard and a high capacity card, in the transfer state.
fn all(test: impl Fn(&mut Dut, &CardImage)) {
    for host in HOSTS {
        for bytes in [SMALL, LARGE] {
            let image = pattern(bytes);
            let mut dut = dut(host, Some(Arc::clone(&image)));
            dut.identify();
            test(&mut dut, &image);
        }
    }
}

#[test]
fn identification_and_registers() {
    all(|dut, image| {
        dut.ask(13, dut.rca, Kind::Short, None);
        assert_eq!(dut.app(51, 0, Some((true, 8, 1))), 0x920);
        assert_eq!(dut.take(2)[0].to_le_bytes(), [2, if dut.high { 0x35 } else { 0x25 }, 0x80, 2]);
        dut.app(6, 2, None);
        dut.app(13, 0, Some((true, 64, 1)));
        assert_eq!(dut.take(16)[0] & 0xff, 0x80, "the wide bus");
        dut.ask(6, 0x80ff_fff1, Kind::Short, Some((true, 64, 1)));
        let status = dut.take(16);
        assert_eq!((status[4] & 0xff, status[0].to_be() >> 16), (1, 100), "high speed");
        // Deselected, it tells of itself.
        dut.send(7, 0, Kind::None, None);
        assert_eq!(dut.state(), 3);
        let csd = dut.long(9, dut.rca);
        assert_eq!(csd >> 8, registers::csd(image.bytes(), true) >> 8);
        assert_eq!(dut.long(10, dut.rca) >> 8, registers::cid() >> 8);
        assert_eq!(dut.send(9, dut.rca ^ 0x1_0000, Kind::Long, None), Got::Timeout, "another card's address");
    });
}

#[test]
fn single_and_multiple_blocks_each_way() {
    all(|dut, image| {
        assert_eq!(dut.read_blocks(17, 5, 1), words(5 * 512, 512));
        assert_eq!(dut.state(), 4);
        assert_eq!(dut.read_blocks(18, 0, 3), words(0, 3 * 512));
        assert_eq!(dut.state(), 5, "it goes on until it is stopped");
        dut.ask(12, 0, Kind::Busy, None);
        assert_eq!(dut.state(), 4);
        dut.ask(23, 4, Kind::Short, None);
        assert_eq!(dut.read_blocks(18, 8, 4), words(8 * 512, 4 * 512));
        assert_eq!(dut.state(), 4);

        let data: Vec<u32> = (0..3 * 128).map(|word| word * 0x0001_0101).collect();
        dut.write_blocks(24, 7, &data[..128]);
        assert_eq!(dut.state(), 4);
        dut.write_blocks(25, 10, &data);
        assert_eq!(dut.state(), 6);
        dut.ask(12, 0, Kind::Busy, None);
        dut.app(22, 0, Some((true, 4, 1)));
        assert_eq!(dut.take(1)[0].to_be(), 3, "blocks written");
        dut.ask(23, 3, Kind::Short, None);
        dut.write_blocks(25, 20, &data);
        assert_eq!(dut.state(), 4);
        for (block, expected) in [(7, &data[..128]), (10, &data), (20, &data)] {
            assert_eq!(dut.read_blocks(17, block, 1), expected[..128]);
            let at = u64::from(block) * 512;
            assert!((0..).zip(expected).all(|(word, &value)| image.word(at + 4 * word) == value));
        }
        assert_eq!(dut.read_blocks(17, 6, 1), words(6 * 512, 512), "its neighbour is as before");
    });
}

#[test]
fn a_write_that_is_stopped_leaves_whole_blocks_only() {
    all(|dut, image| {
        dut.ask(25, dut.address(3), Kind::Short, Some((false, 512, 5)));
        dut.put(&[7; 128 + 100]);
        dut.ask(12, 0, Kind::Busy, None);
        assert_eq!((image.word(3 * 512 + 508), image.word(4 * 512)), (7, word_at(4 * 512)));
        assert_eq!(dut.read_blocks(17, 4, 1), words(4 * 512, 512));
    });
}

#[test]
fn errors_are_told() {
    all(|dut, image| {
        let blocks = (image.bytes() / BLOCK) as u32;
        let beyond = if dut.high { blocks } else { blocks * 512 };
        assert_eq!(dut.ask(17, beyond, Kind::Short, Some((true, 512, 1))) >> 31, 1, "out of range");
        assert!(dut.data_timed_out());
        assert_eq!(dut.status() >> 31, 0, "told once");
        // A transfer runs over the end.
        dut.ask(18, dut.address(blocks - 1), Kind::Short, Some((true, 512, 2)));
        dut.take(128);
        assert!(dut.data_timed_out());
        assert_eq!(dut.ask(12, 0, Kind::Busy, None) >> 31, 1);
        // Illegal ones are not answered, and the next answer tells.
        assert_eq!(dut.send(2, 0, Kind::Long, None), Got::Timeout);
        assert_eq!(dut.status() & 1 << 22, 1 << 22);
        assert_eq!(dut.send(52, 0, Kind::Short, None), Got::Timeout);
        assert_eq!(dut.send(12, 0, Kind::Busy, None), Got::Timeout);
        assert_eq!((dut.status() & 1 << 22, dut.status()), (1 << 22, 0x900));
        assert_eq!(dut.ask(16, 513, Kind::Short, None) & 1 << 29, 1 << 29);
        assert_eq!(dut.ask(38, 0, Kind::Busy, None) & 1 << 28, 1 << 28, "nothing to erase was said");
        if !dut.high {
            assert_eq!(dut.ask(24, 100, Kind::Short, Some((false, 512, 1))) & 1 << 30, 1 << 30, "not a block's address");
            assert_eq!(dut.ask(17, 1, Kind::Short, Some((true, 512, 1))) & 1 << 30, 1 << 30);
            dut.ask(16, 16, Kind::Short, None);
            dut.ask(17, 32, Kind::Short, Some((true, 16, 1)));
            assert_eq!(dut.take(4), words(32, 16), "a part of a block");
            dut.ask(16, 512, Kind::Short, None);
        }
        assert_eq!(dut.read_blocks(17, 1, 1), words(512, 512), "and all goes on");
    });
}

#[test]
fn erased_blocks_are_zeroes_once_the_card_is_not_busy() {
    all(|dut, image| {
        dut.ask(32, dut.address(2), Kind::Short, None);
        dut.ask(33, dut.address(9), Kind::Short, None);
        dut.ask(38, 0, Kind::Busy, None);
        dut.settle();
        assert_eq!(dut.state(), 4);
        assert_eq!((image.word(2 * 512 - 4), image.word(2 * 512), image.word(10 * 512 - 4)), (word_at(2 * 512 - 4), 0, 0));
        assert_eq!(image.word(10 * 512), word_at(10 * 512));
        dut.ask(32, 0, Kind::Short, None);
        dut.status();
        dut.ask(16, 512, Kind::Short, None);
        assert_eq!(dut.ask(33, 0, Kind::Short, None) & 1 << 28, 1 << 28, "another command came between");
    });
    // A large one takes many ticks.
    for host in HOSTS {
        let mut dut = dut(host, Some(pattern(LARGE)));
        dut.identify();
        dut.ask(32, 0, Kind::Short, None);
        dut.ask(33, 100_000, Kind::Short, None);
        let got = dut.send(38, 0, Kind::Busy, None);
        assert!(matches!((host, got), (Host::Emmc, Got::Response(_)) | (Host::SdHost, Got::Other(_))));
        assert!(dut.bench.clock.now().0 == 0 && !dut.data_done() || host == Host::SdHost);
        dut.settle();
        assert!(dut.bench.clock.now().0 > 1_000_000);
        assert_eq!(dut.state(), 4);
    }
}

#[test]
fn the_csd_can_write_protect_the_card() {
    for host in HOSTS {
        let mut dut = dut(host, Some(pattern(SMALL)));
        dut.identify();
        let program = |dut: &mut Dut, csd: u128| {
            dut.ask(27, 0, Kind::Short, Some((false, 16, 1)));
            let bytes = csd.to_be_bytes();
            let (words, _) = bytes.as_chunks::<4>();
            dut.put(&words.iter().map(|word| u32::from_le_bytes(*word)).collect::<Vec<_>>());
            dut.status()
        };
        let csd = registers::csd(SMALL, false);
        assert_eq!(program(&mut dut, csd ^ 1 << 100), 0x900 | 1 << 23, "a wrong checksum");
        assert_eq!(program(&mut dut, registers::sealed(csd ^ 1 << 100)), 0x900 | 1 << 16, "a field that cannot be written");
        assert_eq!(program(&mut dut, registers::sealed(csd | 1 << 12)), 0x900);
        assert_eq!(dut.ask(24, 0, Kind::Short, Some((false, 512, 1))) & 1 << 26, 1 << 26);
        assert_eq!(program(&mut dut, csd), 0x900);
        dut.write_blocks(24, 0, &[1; 128]);
    }
}

#[test]
fn without_a_card_commands_time_out() {
    for host in HOSTS {
        let mut dut = dut(host, None);
        assert!(matches!(dut.send(0, 0, Kind::None, None), Got::Response(_)));
        assert_eq!(dut.send(8, 0x1aa, Kind::Short, None), Got::Timeout);
        assert_eq!(dut.send(55, 0, Kind::Short, None), Got::Timeout);
        assert_eq!(dut.bench.read(EMMC + 0x24), 0x1ffa_0000);
    }
    assert_eq!(dut(Host::Emmc, Some(pattern(SMALL))).bench.read(EMMC + 0x24), 0x1fff_0000);
}

#[test]
fn sdhc_does_not_get_ready_for_hosts_that_do_not_know_it() {
    let mut dut = dut(Host::SdHost, Some(pattern(LARGE)));
    dut.send(0, 0, Kind::None, None);
    for _ in 0..5 {
        assert_eq!(dut.app(41, 0x0030_0000, None) >> 31, 0);
    }
    assert_eq!(dut.send(8, 0x2aa, Kind::Short, None), Got::Timeout, "a voltage it has not");
}

#[test]
fn the_pins_say_who_has_the_card() {
    let reaches = |dut: &mut Dut, host| {
        dut.host = host;
        dut.send(0, 0, Kind::None, None);
        dut.send(8, 0x1aa, Kind::Short, None) != Got::Timeout
    };
    let mut dut = dut(Host::Emmc, Some(pattern(SMALL)));
    assert!(reaches(&mut dut, Host::SdHost) && reaches(&mut dut, Host::Emmc), "as QEMU's users expect");
    dut.bench.write(GPFSEL3, 0o777777 << 12);
    assert!(reaches(&mut dut, Host::SdHost) && !reaches(&mut dut, Host::Emmc), "EMMC has the WiFi chip");
    dut.bench.write(GPFSEL4, 0o77 << 24);
    assert!(reaches(&mut dut, Host::SdHost) && !reaches(&mut dut, Host::Emmc), "half way");
    dut.bench.write(GPFSEL5, 0o7777);
    assert!(!reaches(&mut dut, Host::SdHost) && reaches(&mut dut, Host::Emmc));
    dut.bench.write(GPFSEL4, 0);
    assert!(!reaches(&mut dut, Host::SdHost) && reaches(&mut dut, Host::Emmc), "half way back");
    dut.bench.write(GPFSEL4, 0o44 << 24);
    dut.bench.write(GPFSEL5, 0o4444);
    assert!(reaches(&mut dut, Host::SdHost) && !reaches(&mut dut, Host::Emmc));
}

/// Registers and values that lead somewhere, and any.
fn step() -> impl Strategy<Value = (u64, u32)> {
    let commands = prop::sample::select(vec![0u32, 2, 3, 6, 7, 8, 9, 12, 13, 16, 17, 18, 23, 24, 25, 27, 32, 33, 38, 41, 51, 55]);
    let emmc = (commands.clone(), 0u32..4, any::<u32>())
        .prop_map(|(index, response, mode)| (EMMC + 0x0c, index << 24 | response << 16 | mode & 0x0020_003e));
    let sdhost = (commands, any::<u32>()).prop_map(|(index, mode)| (SDHOST, 1 << 15 | index | mode & 0xfc0));
    let argument = prop_oneof![Just(0u32), Just(0x1aa), Just(0x4030_0000), Just(0x1_0000), Just(u32::MAX), 0u32..0x40_0000, any::<u32>()];
    let sizes = prop_oneof![Just(512u32), Just(1 << 16 | 512), Just(8), Just(64), Just(16), any::<u32>()];
    prop_oneof![
        4 => emmc,
        4 => sdhost,
        4 => (prop::sample::select(vec![EMMC + 8, SDHOST + 4]), argument),
        3 => (prop::sample::select(vec![EMMC + 4, SDHOST + 0x3c, SDHOST + 0x50]), sizes),
        3 => (prop::sample::select(vec![EMMC + 0x20, SDHOST + 0x40]), any::<u32>()),
        1 => (prop::sample::select(vec![GPFSEL3, GPFSEL4, GPFSEL5]), prop::sample::select(vec![0, 0o4444444444, 0o7777777777])),
        2 => (prop_oneof![(0u64..64).prop_map(|word| EMMC + 4 * word), (0u64..24).prop_map(|word| SDHOST + 4 * word)], any::<u32>()),
    ]
}

mod state;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_register_writes_make_it_panic_or_hang(
        identified in any::<bool>(), bytes in prop::sample::select(vec![512u64, 3000, SMALL, LARGE]),
        steps in prop::collection::vec((step(), 0usize..8, 0u64..300_000), 1..100),
    ) {
        let image = Arc::new(CardImage::blank(bytes).expect("address space"));
        let mut dut = dut(Host::SdHost, Some(image));
        if identified {
            dut.identify();
        }
        for ((address, value), reads, time) in steps {
            dut.bench.write(address, value);
            dut.bench.tick_at(dut.bench.clock.now().plus(time));
            for read in 0..reads as u64 {
                dut.bench.read(EMMC + 0x20);
                dut.bench.read(SDHOST + 0x40);
                dut.bench.read(EMMC + 4 * (read + u64::from(value) % 56));
                dut.bench.read(SDHOST + 4 * (read + u64::from(value) % 16));
            }
        }
        // Whatever they were at ends, and the card answers again.
        dut.settle();
        dut.bench.write(GPFSEL4, 0o44 << 24);
        dut.bench.write(GPFSEL5, 0o4444);
        dut.sdhost(0x30, 0);
        dut.send(0, 0, Kind::None, None);
        dut.settle();
        dut.rca = 0;
        if dut.send(8, 0x1aa, Kind::Short, None) != Got::Timeout {
            dut.identify();
        }
    }
}
