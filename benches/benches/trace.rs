//! What traces cost while nothing is traced: a guest that does nothing but read device registers, and one that does nothing but send messages. Compare
//! with `--features trace-off`, which leaves the events out of the program, by processor time or by counts of instructions:
//!
//! `valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/deps/trace-... --once`

use std::time::Instant;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::handle::Limits;
use tayberry_engine::machine::prepare;

/// mov x0, #0x3f200000 ; 1: ldr w1, [x0] ; b 1b
const READS: [u32; 3] = [0xd2a7_e400, 0xb940_0001, 0x17ff_ffff];
/// Turns of a measurement, of which the best counts.
const TURNS: usize = 7;

/// Nanoseconds an instruction of `instructions` of a guest, interpreted.
fn run(kernel: &[u8], append: &str, instructions: u64) -> f64 {
    let options = BoardOptions {
        kernel: kernel.to_vec(),
        append: Some(append.into()),
        mode: ClockMode::Deterministic,
        cores: 1,
        jit: None,
        ..BoardOptions::default()
    };
    let board = Raspi3b::new(options).expect("the guest is a good kernel");
    let (_handle, starter) = prepare();
    let began = Instant::now();
    let limits = Limits { max_instructions: Some(instructions), ..Limits::default() };
    starter.start(limits, move |shared| board.build(shared)).expect("the board is built").join();
    began.elapsed().as_nanos() as f64 / instructions as f64
}

fn main() {
    let once = std::env::args().any(|argument| argument == "--once");
    let turns = if once { 1 } else { TURNS };
    let reads: Vec<u8> = READS.iter().flat_map(|word| word.to_le_bytes()).collect();
    let guests: [(&str, &[u8], &str, u64); 2] =
        [("register reads", &reads, "", 20_000_000), ("messages", tayberry_guest::STORM, "storm.count=100000 storm.paint=0", 20_000_000)];
    for (name, kernel, append, instructions) in guests {
        let best = (0..turns).map(|_| run(kernel, append, instructions)).fold(f64::INFINITY, f64::min);
        println!("{name}: {best:.2} ns an instruction");
    }
}
