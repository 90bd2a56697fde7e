//! Tests through the registers.

use super::*;
use crate::dma::DmaPlugin;
use tayberry_engine::bench::Bench;
use tayberry_engine::builder::Ram;

fn bench() -> Bench {
    Bench::new(0x10_0000, 1, |machine| {
        machine.install(&DmaPlugin).install(&Pl011Plugin);
    })
}

fn at(register: u32) -> u64 {
    BASE + u64::from(register)
}

fn enable(bench: &Bench, lcrh: u32) {
    bench.write(at(IBRD), 26);
    bench.write(at(FBRD), 3);
    bench.write(at(LCRH), lcrh);
    bench.write(at(CR), CR_UARTEN | CR_TXE | CR_RXE);
}

#[test]
fn bytes_leave_at_once_even_before_it_is_enabled() {
    let bench = bench();
    for byte in b"hi" {
        assert_eq!(bench.read(at(FR)) & 0x28, 0, "neither full nor busy");
        assert_eq!(bench.write(at(DR), u32::from(*byte)), Served::Inline);
    }
    assert_eq!(bench.sent(0), b"hi");
    assert_eq!(bench.sent(1), b"");
    (0..4096 - 65).for_each(|_| assert_eq!(bench.write(at(DR), 0x41), Served::Inline));
    assert_eq!(bench.write(at(DR), 0x41), Served::EndSlice, "somebody must take what was sent");
}

#[test]
fn input_waits_outside_until_there_is_room() {
    let mut bench = bench();
    enable(&bench, 0x70);
    let text: Vec<u8> = (0..100).collect();
    bench.feed(0, &text);
    bench.tick();
    assert_eq!(bench.read(at(FR)) & (FR_RXFE | FR_RXFF), FR_RXFF);
    assert_eq!(text, text.iter().map(|_| bench.read(at(DR)) as u8).collect::<Vec<_>>());
    assert_eq!(bench.read(at(FR)) & (FR_RXFE | FR_RXFF), FR_RXFE);
    assert_eq!(bench.read(at(DR)), 0);
}

#[test]
fn what_is_typed_before_the_guest_sets_up_is_not_lost() {
    let mut bench = bench();
    bench.feed(0, b"early");
    bench.tick();
    enable(&bench, 0x70);
    bench.tick();
    assert_eq!((0..5).map(|_| bench.read(at(DR)) as u8).collect::<Vec<_>>(), b"early");
    let never_set_up = self::bench();
    never_set_up.feed(0, b"x");
    assert_eq!(never_set_up.read(at(FR)) & FR_RXFE, 0);
    assert_eq!(never_set_up.read(at(DR)), u32::from(b'x'));
}

#[test]
fn a_receiver_that_is_off_leaves_bytes_outside() {
    let mut bench = bench();
    bench.write(at(CR), CR_UARTEN | CR_TXE);
    bench.feed(0, b"x");
    bench.tick();
    assert_eq!(bench.read(at(FR)) & FR_RXFE, FR_RXFE);
    bench.write(at(CR), CR_UARTEN | CR_RXE);
    assert_eq!(bench.read(at(DR)), u32::from(b'x'));
}

#[test]
fn the_receive_interrupt_comes_at_the_chosen_level() {
    for (select, level) in [(0, 2), (1, 4), (2, 8), (3, 12), (4, 14)] {
        let mut bench = bench();
        enable(&bench, 0x70);
        bench.write(at(IFLS), select << 3);
        bench.write(at(IMSC), INT_RX);
        bench.feed(0, &vec![b'a'; level - 1]);
        bench.tick();
        assert_eq!((bench.read(at(MIS)), bench.irq.line(57).level()), (0, false), "{level}");
        bench.feed(0, b"b");
        bench.tick();
        assert_eq!((bench.read(at(MIS)), bench.irq.line(57).level()), (INT_RX, true), "{level}");
        bench.read(at(DR));
        assert_eq!((bench.read(at(MIS)), bench.irq.line(57).level()), (0, false), "{level}");
    }
}

#[test]
fn few_characters_are_announced_after_32_bit_times_of_silence() {
    let mut bench = bench();
    enable(&bench, 0x70);
    bench.write(at(IMSC), INT_RX | INT_RT);
    bench.feed(0, b"ab");
    bench.tick();
    let due = bench.next_deadline().expect("the timeout");
    assert!((270_000..285_000).contains(&due.0), "{due:?} at 115200 baud");
    bench.tick_at(due);
    assert_eq!((bench.read(at(MIS)), bench.irq.line(57).level()), (INT_RT, true));
    bench.read(at(DR));
    assert_eq!(bench.read(at(MIS)), INT_RT, "one is left");
    bench.read(at(DR));
    assert_eq!((bench.read(at(MIS)), bench.irq.line(57).level(), bench.next_deadline()), (0, false, None));
}

#[test]
fn the_transmit_interrupt_comes_after_the_first_byte_and_goes_with_icr() {
    let bench = bench();
    enable(&bench, 0x70);
    bench.write(at(IMSC), INT_TX);
    assert!(!bench.irq.line(57).level());
    bench.write(at(DR), 0x41);
    assert!(bench.irq.line(57).level());
    bench.write(at(ICR), INT_TX);
    assert_eq!((bench.read(at(RIS)), bench.irq.line(57).level()), (0, false));
}

#[test]
fn loopback_gives_data_breaks_overruns_and_modem_lines_back() {
    let bench = bench();
    enable(&bench, 0x70);
    bench.write(at(CR), CR_UARTEN | CR_TXE | CR_RXE | CR_LBE | CR_RTS);
    assert_eq!(bench.read(at(FR)) & 0x107, FR_CTS);
    bench.write(at(DR), 0x55);
    bench.write(at(LCRH), 0x70 | LCRH_BRK);
    assert_eq!(bench.read(at(DR)), 0x55);
    assert_eq!(bench.read(at(DR)), 0x500);
    assert_eq!(bench.read(at(RSRECR)), 5);
    bench.write(at(RSRECR), 0);
    assert_eq!(bench.read(at(RSRECR)), 0);
    (0..17).for_each(|byte| _ = bench.write(at(DR), byte));
    assert_eq!(bench.read(at(RIS)) & INT_OE, INT_OE);
    assert_eq!((0..16).map(|_| bench.read(at(DR))).collect::<Vec<_>>(), (0..16).collect::<Vec<_>>());
    bench.write(at(DR), 0x42);
    assert_eq!(bench.read(at(DR)), u32::from(DR_OE) | 0x42);
    assert_eq!(bench.sent(0), b"");
}

#[test]
fn identification_and_test_registers() {
    let bench = bench();
    let id: Vec<u32> = (0..8).map(|index| bench.read(at(ID + 4 * index))).collect();
    assert_eq!(id, IDS);
    bench.write(at(TDR), 0x41);
    assert_eq!(bench.read(at(FR)) & FR_RXFE, FR_RXFE, "only in test mode");
    bench.write(at(ITCR), ITCR_TESTFIFO);
    bench.write(at(TDR), 0x41);
    assert_eq!(bench.read(at(DR)), 0x41);
}

/// Starts DMA channel 0 with a control block of TI, source, destination, length.
fn start_dma(bench: &Bench, block: [u32; 4]) {
    let ram = &bench.world.resource::<Ram>().0;
    (0..).zip(block.into_iter().chain([0, 0])).for_each(|(word, value)| ram.write_u32(0x1000 + 4 * word, value).expect("in RAM"));
    bench.write(0x3f00_7004, 0x1000);
    bench.write(0x3f00_7000, 1);
}

fn dma_runs(bench: &Bench) -> bool {
    bench.read(0x3f00_7000) & 1 != 0
}

#[test]
fn a_string_is_sent_by_dma_in_order_and_without_loss() {
    let mut bench = bench();
    enable(&bench, 0x70);
    let text: Vec<u8> = (0..10_000).map(|index| (index * 7 % 251) as u8).collect();
    let ram = Arc::clone(&bench.world.resource::<Ram>().0);
    (0..).step_by(4).zip(&text).for_each(|(at, &byte)| ram.write_u32(0x1_0000 + at, byte.into()).expect("in RAM"));
    start_dma(&bench, [12 << 16 | 1 << 8 | 1 << 6 | 1, 0x1_0000, 0x7e20_1000, 4 * text.len() as u32]);
    bench.tick();
    bench.tick_at(GuestTime(1_000_000));
    assert_eq!((bench.sent(0).len(), dma_runs(&bench)), (0, true), "the UART does not ask");
    bench.write(at(DMACR), DMACR_TX);
    let mut sent = Vec::new();
    for _ in 0..1_000 {
        let Some(next) = bench.next_deadline() else { break };
        bench.tick_at(next.max(bench.clock.now()));
        sent.extend(bench.sent(0));
    }
    assert!(sent == text, "{} of {} bytes came", sent.len(), text.len());
    assert!(!dma_runs(&bench) && bench.irq.line(16).level());
}

#[test]
fn input_is_received_by_dma_as_it_comes() {
    let mut bench = bench();
    enable(&bench, 0x70);
    bench.write(at(DMACR), DMACR_RX);
    start_dma(&bench, [14 << 16 | 1 << 10 | 1 << 4 | 1, 0x7e20_1000, 0x1_0000, 4 * 50]);
    bench.tick();
    assert!(dma_runs(&bench));
    let text: Vec<u8> = (100..150).collect();
    for part in text.chunks(20) {
        bench.feed(0, part);
        bench.tick();
        for _ in 0..10 {
            let Some(next) = bench.next_deadline() else { break };
            bench.tick_at(next.max(bench.clock.now()));
        }
    }
    let ram = &bench.world.resource::<Ram>().0;
    let received: Vec<u8> = (0..50).map(|word| ram.read_u32(0x1_0000 + 4 * word).expect("in RAM") as u8).collect();
    assert_eq!((received, dma_runs(&bench)), (text, false));
}
