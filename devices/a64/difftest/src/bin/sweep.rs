//! Compares which words the decoder allocates with what LLVM allocates.

use clap::Parser;
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tayberry_a64::Features;
use tayberry_difftest::sweep::Tally;
use tayberry_difftest::sweep::llvm::Llvm;

/// Compares, for every 32-bit word, whether Tayberry's decoder and LLVM's (ARMv8.0-A with FP, Advanced SIMD and CRC32) know it as an
/// instruction. Exit status 1 says that there was a disagreement that is not listed, or that a listed one has other words than it had.
#[derive(Parser)]
#[command(name = "tayberry-decode-sweep")]
struct Args {
    /// Only one word in so many, always the same ones
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    part: u64,
    /// Threads [default: one per host core]
    #[arg(long)]
    jobs: Option<usize>,
    /// With the Cryptographic Extension
    #[arg(long)]
    crypto: bool,
    /// A line for each row of the decoder's tables too
    #[arg(long)]
    rows: bool,
}

/// Words that a thread takes at once.
const RUN: u64 = 1 << 20;

fn main() -> ExitCode {
    let args = Args::parse();
    let features = Features { crypto: args.crypto };
    let words = (1u64 << 32) / args.part;
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let (next, sum) = (AtomicU64::new(0), Mutex::new(Tally::default()));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                let (llvm, mut tally) = (Llvm::new(features), Tally::default());
                loop {
                    let start = next.fetch_add(RUN, Relaxed);
                    if start >= words {
                        break;
                    }
                    tally.sweep(&llvm, features, start..(start + RUN).min(words));
                }
                sum.lock().expect("no thread panicked").add(&tally);
            });
        }
    });
    let tally = sum.into_inner().expect("no thread panicked");
    if args.rows {
        println!("{}", tally.by_row());
    }
    print!("{tally}");
    let miscounted = if args.part == 1 { tally.miscounted() } else { Vec::new() };
    for what in &miscounted {
        println!("MISCOUNTED: {what}");
    }
    println!("\n{words} words, {} disagreements that are not listed", tally.unexplained);
    ExitCode::from(u8::from(tally.unexplained > 0 || !miscounted.is_empty()))
}
