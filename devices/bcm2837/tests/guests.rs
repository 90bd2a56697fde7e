//! Guest programs on the whole board.

use std::sync::Arc;
use std::time::Duration;
use tayberry_bcm2837::sd::CardImage;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::machine::prepare;

fn options(kernel: &[u8], append: &str, mode: ClockMode) -> BoardOptions {
    BoardOptions { kernel: kernel.to_vec(), append: Some(append.into()), mode, ..BoardOptions::default() }
}

/// Runs a guest to its end, typing `input` at UART0. Returns what it printed there and why it ended.
fn run(kernel: &[u8], append: &str, mode: ClockMode, input: &[u8]) -> (String, ExitReason) {
    run_board(options(kernel, append, mode), input)
}

fn run_board(options: BoardOptions, input: &[u8]) -> (String, ExitReason) {
    let board = Raspi3b::new(options).expect("a good kernel");
    let (handle, starter) = prepare();
    handle.control.type_serial(0, input);
    let limits = Limits { timeout: Some(Duration::from_secs(120)), ..Limits::default() };
    let running = starter.start(limits, move |shared| board.build(shared)).expect("it starts");
    let exit = running.join();
    let printed: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    (String::from_utf8_lossy(&printed).into_owned(), exit)
}

fn check(kernel: &[u8], append: &str, mode: ClockMode, expected: &str) {
    check_board(options(kernel, append, mode), expected);
}

/// On cores that interpret, and on those that translate where the host can.
fn check_both(kernel: &[u8], append: &str, mode: ClockMode, expected: &str) {
    for jit in [None, BoardOptions::default().jit] {
        check_board(BoardOptions { jit, ..options(kernel, append, mode) }, expected);
    }
}

fn check_board(options: BoardOptions, expected: &str) {
    let (printed, exit) = run_board(options, b"");
    assert!(printed.contains(expected), "{exit:?}\n{printed}");
    assert_eq!(exit, ExitReason::PowerOff, "{printed}");
}

fn check_interrupts_and_timers(mode: ClockMode) {
    let (printed, exit) = run(tayberry_guest::IRQ_TIMER, "", mode, b"");
    let failed: Vec<&str> = printed.lines().filter(|line| line.starts_with("FAIL")).collect();
    assert!(failed.is_empty(), "{failed:?}");
    assert!(printed.lines().filter(|line| line.starts_with("ok ")).count() > 50, "{printed}");
    assert!(printed.lines().any(|line| line == "irqtimer: all ok"), "it came to its end: {printed}");
    assert_eq!(exit, ExitReason::PowerOff);
}

#[test]
fn interrupts_and_timers_deterministic() {
    check_interrupts_and_timers(ClockMode::Deterministic);
}

#[test]
fn interrupts_and_timers_realtime() {
    check_interrupts_and_timers(ClockMode::Realtime);
}

#[test]
fn deterministic_runs_are_the_same_run() {
    let runs = [(); 2].map(|()| run(tayberry_guest::IRQ_TIMER, "", ClockMode::Deterministic, b""));
    assert_eq!(runs[0], runs[1]);
}

#[test]
fn four_cores_deterministic() {
    check(tayberry_guest::SMP, "smp.count=2000", ClockMode::Deterministic, "smp: all ok");
}

#[test]
fn four_cores_realtime() {
    check_both(tayberry_guest::SMP, "smp.count=2000", ClockMode::Realtime, "smp: all ok");
}

/// The guest alone decides which outcomes it may see; a million slots and increments each (the guest's defaults) take a minute.
#[test]
fn the_memory_model_on_four_cores() {
    for mode in [ClockMode::Realtime, ClockMode::Deterministic] {
        check_both(tayberry_guest::LITMUS, "litmus.count=20000 litmus.adds=10000", mode, "litmus: all ok");
    }
}

#[test]
fn echo_of_more_than_the_fifos_hold() {
    let text: Vec<u8> = (0..2000).map(|index| b'a' + (index % 26) as u8).collect();
    let (printed, exit) = run(tayberry_guest::ECHO, "", ClockMode::Realtime, &[text.as_slice(), b"\x04"].concat());
    assert!(printed.contains(std::str::from_utf8(&text).expect("letters")), "{exit:?}\n{printed}");
    assert_eq!(exit, ExitReason::PowerOff);
}

/// A card whose first block is a master boot record with one partition.
fn card(bytes: u64) -> Arc<CardImage> {
    let image = CardImage::blank(bytes).expect("address space");
    let mut block = [0; 128];
    (block[112], block[113], block[114], block[127]) = (0x000c_0000, 0x0800 << 16, 0x1000 << 16, 0xaa55_0000);
    image.write_block(0, &block);
    Arc::new(image)
}

#[test]
fn an_sd_card_behind_both_controllers() {
    for (bytes, size, mode) in
        [(4 << 20, "8192 blocks, standard", ClockMode::Realtime), (8 << 30, "16777216 blocks, high", ClockMode::Deterministic)]
    {
        let image = card(bytes);
        let options = BoardOptions { card: Some(Arc::clone(&image)), ..options(tayberry_guest::CARD, "card.write=100", mode) };
        let (printed, exit) = run_board(options, b"");
        assert!(printed.contains("card: all ok") && !printed.contains("FAIL"), "{exit:?}\n{printed}");
        assert_eq!(printed.matches(size).count(), 2, "{printed}");
        assert_eq!(printed.matches("card: partition 1: type 0x0c, from 2048, 4096 blocks").count(), 2, "{printed}");
        assert_eq!(exit, ExitReason::PowerOff);
        assert_eq!(image.word(100 * 512), 0, "put back");
    }
}

#[test]
fn an_empty_slot() {
    check(tayberry_guest::CARD, "", ClockMode::Deterministic, "card: 2 failed");
}

/// Every instruction is either interpreted or translated, on every core, over resets.
#[test]
fn the_cores_counters_add_up() {
    for (jit, mode) in
        [None, BoardOptions::default().jit].into_iter().flat_map(|jit| [(jit, ClockMode::Realtime), (jit, ClockMode::Deterministic)])
    {
        let board = Raspi3b::new(BoardOptions { jit, ..options(tayberry_guest::ECHO, "", mode) }).expect("a good kernel");
        let counters = Arc::clone(board.counters());
        let (handle, starter) = prepare();
        let limits = Limits { timeout: Some(Duration::from_secs(120)), ..Limits::default() };
        let running = starter.start(limits, move |shared| board.build(shared)).expect("it starts");
        let wait_until_ready = || {
            let mut printed = Vec::new();
            while !printed.ends_with(b"ready") {
                printed.extend(handle.serial[0].recv().expect("it prints that it is ready"));
                printed.truncate(printed.windows(5).position(|five| five == b"ready").map_or(printed.len(), |at| at + 5));
            }
        };
        wait_until_ready();
        handle.control.reset();
        wait_until_ready();
        let first_cycle = counters.get(0).interpreted + counters.get(0).jitted;
        assert!(first_cycle > 0, "a reset publishes what was counted before");
        handle.control.type_serial(0, b"\x04".to_vec());
        assert_eq!(running.join(), ExitReason::PowerOff);
        for core in 0..4 {
            let counted = counters.get(core);
            assert_eq!(counted.interpreted + counted.jitted, handle.stats.instructions[core].get(), "core {core}, {mode:?}, {jit:?}");
            assert!(jit.is_some() || counted.jitted == 0);
        }
        assert!(counters.get(0).interpreted + counters.get(0).jitted > first_cycle);
    }
}
