//! The whole machine: a property message there and back as the guest times it, a tick of the schedule, and the interpreter's speed.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Duration;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::bench::shared;
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::machine::prepare;

/// A board with a guest and its options.
fn board(kernel: &[u8], append: String) -> Raspi3b {
    let mode = ClockMode::Realtime;
    let options = BoardOptions { kernel: kernel.to_vec(), append: Some(append), mode, ..BoardOptions::default() };
    Raspi3b::new(options).expect("the guest is a good kernel")
}

/// Runs a guest until it powers off: what it printed, and the instructions it took.
fn run(kernel: &[u8], append: String) -> (String, u64) {
    let (handle, starter) = prepare();
    let board = board(kernel, append);
    let running = starter.start(Limits::default(), move |shared| board.build(shared)).expect("the board is built");
    assert_eq!(running.join(), ExitReason::PowerOff);
    let printed: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    (String::from_utf8_lossy(&printed).into_owned(), handle.stats.total_instructions())
}

/// The microseconds in a guest's `..., N us`.
fn microseconds(printed: &str) -> Duration {
    let words: Vec<&str> = printed.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "us").expect("the guest says how long it took");
    Duration::from_micros(words[at - 1].parse().expect("a number"))
}

/// A mode change is one message of ten tags; the guest times them and checks each reply.
fn property_round_trip(criterion: &mut Criterion) {
    criterion.bench_function("property message of ten tags, there and back", |bencher| {
        bencher.iter_custom(|count| {
            let (printed, _) = run(tayberry_guest::STORM, format!("storm.count={count} storm.paint=0"));
            assert!(printed.contains(" 0 wrong replies"), "{printed}");
            microseconds(&printed)
        });
    });
}

/// A whole board whose cores all wait: every system of the tick runs and has nothing to do.
fn empty_tick(criterion: &mut Criterion) {
    // wfi; b . - 4
    let kernel: Vec<u8> = [0xd503_207f_u32, 0x17ff_ffff].iter().flat_map(|word| word.to_le_bytes()).collect();
    let mut machine = board(&kernel, String::new()).build(shared()).expect("the board is built");
    for _ in 0..1000 {
        machine.tick();
    }
    criterion.bench_function("empty tick", |bencher| bencher.iter(|| machine.tick()));
}

/// Instructions a second on one core, by kind of work.
fn interpreter(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("interpreter");
    group.sample_size(10).warm_up_time(Duration::from_millis(100));
    for (kind, n) in [("int", 2_000_000), ("fill", 400), ("fp", 400_000), ("sort", 20), ("mem", 40)] {
        let append = format!("bench.kind={kind} bench.n={n}");
        let (_, instructions) = run(tayberry_guest::BENCH, append.clone());
        group.throughput(Throughput::Elements(instructions));
        group.bench_function(BenchmarkId::from_parameter(kind), |bencher| {
            bencher.iter_custom(|count| (0..count).map(|_| microseconds(&run(tayberry_guest::BENCH, append.clone()).0)).sum());
        });
    }
    group.finish();
}

criterion_group!(benches, property_round_trip, empty_tick, interpreter);
criterion_main!(benches);
