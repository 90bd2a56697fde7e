//! Runs random cases on the core and on the oracle, and compares.

use clap::Parser;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tayberry_a64::Features;
use tayberry_difftest::case::{Case, End, Machine, Outcome};
use tayberry_difftest::compare;
use tayberry_difftest::encoding;
use tayberry_difftest::generate::Generator;
use tayberry_difftest::layout::{END_OF_CODE, SLOTS};
use tayberry_difftest::oracle::Oracle;
use tayberry_difftest::ours::Ours;
use tayberry_difftest::report::{self, Tally};
use tayberry_difftest::shrink::{Found, Pair};

/// Runs random A64 instructions and short programs on Tayberry's core and on Unicorn's Cortex-A53 and compares all registers, flags, memory and
/// exceptions. Exit status 1 says that there was a mismatch.
#[derive(Parser)]
#[command(name = "tayberry-difftest")]
struct Args {
    /// Number of cases
    #[arg(long, default_value_t = 200_000)]
    cases: u64,
    /// Seed of all that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Only instructions whose name or class contains this
    #[arg(long)]
    class: Option<String>,
    /// Threads [default: one per host core]
    #[arg(long)]
    jobs: Option<usize>,
    /// Only this case, described whether it agrees or not
    #[arg(long)]
    case: Option<u64>,
    /// With the Cryptographic Extension
    #[arg(long)]
    crypto: bool,
    /// Mismatches that are shrunk and shown
    #[arg(long, default_value_t = 20)]
    show: u64,
}

impl Args {
    fn features(&self) -> Features {
        Features { crypto: self.crypto }
    }
}

/// Everything that the threads share.
struct Shared<'a> {
    args: &'a Args,
    generator: Generator,
    next: AtomicU64,
    shown: AtomicU64,
    tally: Mutex<Tally>,
}

fn main() -> ExitCode {
    let args = Args::parse();
    let generator = Generator::new(args.class.as_deref(), args.features());
    if generator.is_empty() {
        eprintln!("no instruction or class has that in its name");
        return ExitCode::from(2);
    }
    if let Some(index) = args.case {
        return one(&generator, &args, index);
    }
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let shared = Shared { args: &args, generator, next: AtomicU64::new(0), shown: AtomicU64::new(0), tally: Mutex::default() };
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| work(&shared));
        }
    });
    let tally = shared.tally.into_inner().expect("no thread panicked");
    print!("{tally}");
    let mismatches = tally.total().mismatches;
    println!("\nseed {}: {} cases, {mismatches} mismatches", args.seed, tally.total().cases);
    ExitCode::from(u8::from(mismatches > 0))
}

/// Takes cases in runs as long as there are slots for code, so that machines throw away their translations once per run.
fn work(shared: &Shared) {
    let (mut ours, mut oracle) = (Ours::new(shared.args.features()), Oracle::new());
    let mut tally = Tally::default();
    loop {
        let start = shared.next.fetch_add(SLOTS, Relaxed);
        if start >= shared.args.cases {
            break;
        }
        let mut pair = Pair::new(&mut ours, &mut oracle);
        for index in start..(start + SLOTS).min(shared.args.cases) {
            let case = shared.generator.case(shared.args.seed, index);
            count(shared, &mut pair, &mut tally, index, &case);
        }
    }
    shared.tally.lock().expect("no thread panicked").add(&tally);
}

fn class_of(case: &Case) -> usize {
    match case.words.as_slice() {
        &[word] => encoding::class_of(word),
        _ => encoding::programs(),
    }
}

fn count(shared: &Shared, pair: &mut Pair, tally: &mut Tally, index: u64, case: &Case) {
    let class = class_of(case);
    tally.classes[class].cases += 1;
    match pair.check(case) {
        Found::Same => match pair.mine.end {
            End::Endless => tally.classes[class].skipped += 1,
            End::Exception { esr, .. } if esr == 0xf200_0000 | END_OF_CODE >> 5 & 0xffff => tally.classes[class].completed += 1,
            _ => tally.classes[class].exceptions += 1,
        },
        Found::Endless => tally.classes[class].skipped += 1,
        Found::Excused(rule) => tally.excuse(class, rule),
        // It ran into the code of another case.
        Found::Mismatch(_) if !pair.repeats(case) => tally.classes[class].skipped += 1,
        Found::Mismatch(found) => {
            tally.classes[class].mismatches += 1;
            if shared.shown.fetch_add(1, Relaxed) < shared.args.show {
                describe(pair, shared.args.seed, index, case, &found);
            }
        }
    }
}

fn describe(pair: &mut Pair, seed: u64, index: u64, original: &Case, found: &Case) {
    let small = pair.shrink(found);
    pair.verdict(&small);
    println!("{}", report::mismatch(seed, index, original, &small, &pair.mine, &pair.theirs));
}

/// Runs and describes one case.
fn one(generator: &Generator, args: &Args, index: u64) -> ExitCode {
    let seed = args.seed;
    let case = generator.case(seed, index);
    let (mut ours, mut oracle) = (Ours::new(args.features()), Oracle::new());
    for &word in &case.words {
        println!("{}", report::disassembly(word));
    }
    let mut out = Outcome::default();
    ours.run(&case, &mut out);
    println!("ours:   {}", compare::words(out.end));
    oracle.run(&case, &mut out);
    println!("oracle: {}", compare::words(out.end));
    let mut pair = Pair::new(&mut ours, &mut oracle);
    match pair.check(&case) {
        Found::Same => println!("they agree"),
        Found::Endless => println!("it does not end; its instructions agree"),
        Found::Excused(rule) => println!("they differ: {} ({})", rule.what, rule.section),
        Found::Mismatch(found) => {
            describe(&mut pair, seed, index, &case, &found);
            return ExitCode::from(1);
        }
    }
    ExitCode::SUCCESS
}
