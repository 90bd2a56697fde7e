//! The data register and who reads it: DMA, and several cores.

use super::*;

/// A DMA transfer between RAM and a controller's data register, paced by it.
pub(super) fn dma(dut: &mut Dut, to_card: bool, at: u32, bytes: u32) {
    let (data, dreq) = if dut.host == Host::Emmc { (0x7e30_0020, 11) } else { (0x7e20_2040, 13) };
    let (ti, source, dest) = if to_card { (1 << 8 | 1 << 6, at, data) } else { (1 << 4 | 1 << 10, data, at) };
    for (address, word) in (0x1000..).step_by(4).zip([ti | dreq << 16, source, dest, bytes, 0, 0]) {
        dut.ram.write_u32(address, word).expect("in RAM");
    }
    dut.bench.write(DMA + 4, 0x1000);
    dut.bench.write(DMA, 1);
    dut.bench.tick();
}

#[test]
fn dma_moves_blocks_both_ways() {
    all(|dut, image| {
        let bytes = 40 * 512;
        let dma_active = |dut: &Dut| dut.bench.read(DMA) & 1 == 1;
        dut.ask(18, dut.address(3), Kind::Short, Some((true, 512, 40)));
        dma(dut, false, 0x1_0000, bytes);
        dut.settle();
        assert!(!dma_active(dut) && dut.data_done());
        let read: Vec<u32> = (0x1_0000..0x1_0000 + u64::from(bytes)).step_by(4).map(|at| dut.ram.read_u32(at).expect("in RAM")).collect();
        assert!(read == words(3 * 512, bytes.into()));
        dut.ask(12, 0, Kind::Busy, None);
        // The other way, and DMA waits until the card does.
        dma(dut, true, 0x1_0000, bytes);
        dut.settle();
        assert!(dma_active(dut));
        dut.ask(23, 40, Kind::Short, None);
        dut.ask(25, dut.address(100), Kind::Short, Some((false, 512, 40)));
        dut.settle();
        assert!(!dma_active(dut) && dut.data_done());
        assert!((0..).zip(&read).all(|(word, &value)| image.word(100 * 512 + 4 * word) == value));
        assert_eq!(dut.state(), 4);
    });
}

#[test]
fn cores_that_share_the_data_register_get_each_word_once() {
    for host in HOSTS {
        let mut dut = dut(host, Some(pattern(SMALL)));
        dut.identify();
        dut.ask(18, 0, Kind::Short, Some((true, 512, 1000)));
        let register = if host == Host::Emmc { EMMC + 0x20 } else { SDHOST + 0x40 };
        let bench = &dut.bench;
        let (bus, clock) = (bench.bus(), &bench.clock);
        let read = |core| {
            move || {
                let at = tayberry_engine::BusContext { core, retired: 0, clock };
                (0..250 * 128).map(|_| bus.read(register, 4, &at) as u32).collect::<Vec<_>>()
            }
        };
        let mut all: Vec<u32> = std::thread::scope(|scope| {
            let cores: Vec<_> = (0..4).map(|core| scope.spawn(read(core))).collect();
            cores.into_iter().flat_map(|core| core.join().expect("no panic")).collect()
        });
        dut.bench.tick();
        assert!(dut.data_done());
        let mut expected = words(0, 1000 * 512);
        all.sort_unstable();
        expected.sort_unstable();
        assert!(all == expected);
    }
}
