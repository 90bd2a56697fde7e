//! What each of the controllers does in its own way.

use super::*;

#[test]
fn emmc_interrupts_for_each_block_and_stops_by_itself() {
    let mut dut = dut(Host::Emmc, Some(pattern(SMALL)));
    dut.identify();
    dut.emmc(0x38, 0x0117_0033);
    assert!(!dut.bench.irq.line(EMMC_IRQ).level() || dut.bench.read(EMMC + 0x30) != 0);
    dut.send_emmc(18, 512, Kind::Short, Some((true, 512, 2)), 1 << 2);
    for block in 1..3 {
        assert_eq!(dut.bench.read(EMMC + 0x30) & 0x32, 0x20, "a block can be read");
        assert!(dut.bench.irq.line(EMMC_IRQ).level());
        assert_eq!(dut.bench.read(EMMC + 0x04), (3 - block) << 16 | 512);
        dut.emmc(0x30, 0x21);
        assert!(!dut.bench.irq.line(EMMC_IRQ).level());
        assert_eq!(dut.take(128), words(512 * u64::from(block), 512));
    }
    assert_eq!(dut.bench.read(EMMC + 0x30), 2);
    assert_eq!((dut.bench.read(EMMC + 0x04), dut.bench.read(EMMC + 0x1c)), (512, 0xb00), "and was stopped");
    assert_eq!(dut.state(), 4);
    // Automatic CMD23.
    dut.emmc(0x00, 2);
    dut.send_emmc(25, 1024, Kind::Short, Some((false, 512, 2)), 2 << 2);
    dut.put(&[9; 256]);
    assert!(dut.data_done());
    assert_eq!(dut.state(), 4);
    // One that fails.
    dut.send(7, 0, Kind::None, None);
    assert!(matches!(dut.send_emmc(18, 0, Kind::Short, Some((true, 512, 2)), 2 << 2), Got::Other(_)));
    assert_eq!((dut.bench.read(EMMC + 0x30), dut.bench.read(EMMC + 0x3c)), (1 << 24 | 1 << 15, 3));
}

#[test]
fn emmc_sets_only_the_flags_that_it_may_and_can_be_reset() {
    let mut dut = dut(Host::Emmc, Some(pattern(SMALL)));
    dut.identify();
    dut.emmc(0x34, 0);
    assert!(matches!(dut.send(13, dut.rca, Kind::Short, None), Got::Other(0)));
    dut.emmc(0x34, u32::MAX);
    dut.emmc(0x50, 1 << 17);
    assert_eq!(dut.bench.read(EMMC + 0x30), 1 << 17 | 1 << 15);
    dut.ask(18, 0, Kind::Short, Some((true, 512, 4)));
    dut.take(100);
    assert_eq!(dut.bench.read(EMMC + 0x24) & 0x0f06, 0x0a06);
    dut.emmc(0x2c, 1 << 26 | 5);
    assert_eq!(dut.bench.read(EMMC + 0x24), 0x1fff_0000);
    dut.ask(12, 0, Kind::Busy, None);
    assert_eq!(dut.ask(17, 0, Kind::Short, Some((true, 256, 1))), 0x900);
    assert_eq!(dut.bench.read(EMMC + 0x30), 1 << 21 | 1 << 15 | 1, "another block size than the card's");
    dut.emmc(0x2c, 1 << 24);
    for register in (0x00..0xfc).step_by(4).filter(|&register| register != 0x24) {
        assert_eq!(dut.bench.read(EMMC + register), 0, "{register:#x}");
    }
    assert_eq!((dut.bench.read(EMMC + 0xfc), dut.bench.read(EMMC + 0x40)), (0x9902_0000, 0));
}

#[test]
fn sdhost_interrupts_for_data_blocks_and_the_end_of_busy() {
    let mut dut = dut(Host::SdHost, Some(pattern(SMALL)));
    let line = |dut: &Dut| dut.bench.irq.line(SDHOST_IRQ).level();
    dut.identify();
    assert_eq!(dut.bench.read(SDHOST + 0x20) & 1 << 10, 0);
    dut.send(7, 0, Kind::None, None);
    dut.ask(7, dut.rca, Kind::Busy, None);
    assert!(line(&dut) && dut.bench.read(SDHOST + 0x20) & 1 << 10 != 0, "selected");
    dut.sdhost(0x20, 1 << 10);
    assert!(!line(&dut));
    dut.sdhost(0x38, 1 << 4);
    dut.ask(18, 0, Kind::Short, Some((true, 512, 2)));
    assert!(line(&dut));
    assert_eq!(dut.bench.read(SDHOST + 0x34) & 0x1ff, 16 << 4 | 2, "a full FIFO");
    assert_eq!(dut.take(255), words(0, 255 * 4));
    assert_eq!((line(&dut), dut.bench.read(SDHOST + 0x34) & 0x1ff, dut.bench.read(SDHOST + 0x50)), (true, 1 << 4 | 2, 1));
    dut.take(1);
    assert_eq!((line(&dut), dut.bench.read(SDHOST + 0x34) & 0x1ff), (false, 4), "waits for more");
    assert_eq!((dut.bench.read(SDHOST + 0x40), dut.bench.read(SDHOST + 0x20) & 8), (0, 8), "there is none");
    dut.ask(12, 0, Kind::Short, None);
    assert_eq!(dut.bench.read(SDHOST + 0x34) & 0x1ff, 1);
    dut.sdhost(0x38, 1 << 8);
    dut.ask(25, 0, Kind::Short, Some((false, 512, 2)));
    assert!(!line(&dut));
    dut.put(&[3; 128]);
    assert!(line(&dut));
    dut.sdhost(0x20, 1 << 9);
    assert!(!line(&dut));
    dut.put(&[3; 128]);
    assert!(line(&dut));
    assert_eq!(dut.bench.read(SDHOST + 0x34) & 0x1ff, 10);
    dut.sdhost(0x34, 1 << 19 | 4 << 9);
    assert_eq!(dut.bench.read(SDHOST + 0x34), 4 << 9 | 1);
}
