//! Takes the interpreter and the translator through random programs and random words, and compares.

use clap::Parser;
use std::ops::Range;
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use tayberry_difftest::lockstep::runner::{BATCH, Kind, Source, Summary};

/// Takes the interpreter and the translator of Tayberry's core through random A64 programs, or random words, and compares all state after every run.
/// Exit status 1 says that there was a difference, or that the process of some cases ended by a signal.
#[derive(Parser)]
#[command(name = "tayberry-lockstep")]
struct Args {
    /// Number of cases
    #[arg(long, default_value_t = 20_000)]
    cases: u64,
    /// Seed of all that is random
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Random words in random states in place of programs
    #[arg(long)]
    fuzz: bool,
    /// Processes at a time [default: one per host core]
    #[arg(long)]
    jobs: Option<usize>,
    /// Only this case, described whether it agrees or not
    #[arg(long)]
    case: Option<u64>,
    /// With --case: after the cases from this one on
    #[arg(long, requires = "case")]
    from: Option<u64>,
    /// First case
    #[arg(long, default_value_t = 0)]
    start: u64,
    /// Differences that are made small and shown, of each 8192 cases
    #[arg(long, default_value_t = 3)]
    show: u64,
    /// Run the cases in this process: a host fault ends it
    #[arg(long)]
    here: bool,
}

/// Cases of a process.
const CHUNK: u64 = 128 * BATCH;
const _: () = assert!(CHUNK == 8192);

fn main() -> ExitCode {
    let args = Args::parse();
    let source = Source::new(if args.fuzz { Kind::Fuzz } else { Kind::Programs }, args.seed);
    if let Some(index) = args.case {
        let (text, differs) = source.one(args.from.unwrap_or(index), index);
        print!("{text}");
        return ExitCode::from(u8::from(differs));
    }
    let range = args.start..args.start.saturating_add(args.cases);
    let (summary, faults) = if args.here { (source.run(range, args.show), 0) } else { supervise(&args, range) };
    tell(&args, &summary);
    ExitCode::from(u8::from(summary.mismatches > 0 || faults > 0))
}

fn tell(args: &Args, summary: &Summary) {
    for found in &summary.found {
        println!("{found}");
    }
    println!(
        "seed {}: {} cases, {} instructions, {} by translated code, {} races left out, {} mismatches",
        args.seed, summary.cases, summary.retired, summary.jitted, summary.racy, summary.mismatches
    );
}

/// Runs chunks of cases in processes of their own, so that a host fault is a finding like another. The sum, and the number of faults.
fn supervise(args: &Args, range: Range<u64>) -> (Summary, u64) {
    let jobs = args.jobs.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from)).max(1);
    let next = AtomicU64::new(range.start);
    let total = Mutex::new((Summary::default(), 0));
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            scope.spawn(|| {
                loop {
                    let start = next.fetch_add(CHUNK, Relaxed);
                    if start >= range.end {
                        break;
                    }
                    let (summary, faults) = chunk(args, start..(start + CHUNK).min(range.end));
                    let mut total = total.lock().expect("no thread panicked");
                    total.0.add(summary);
                    total.1 += faults;
                }
            });
        }
    });
    total.into_inner().expect("no thread panicked")
}

/// A chunk, in a process of its own; the case at which it ends by a signal or a panic is looked for, and the rest goes on after it.
fn chunk(args: &Args, range: Range<u64>) -> (Summary, u64) {
    match child(args, &range) {
        Ok(summary) => (summary, 0),
        Err(_) if range.end - range.start > BATCH => {
            let middle = range.start + (range.end - range.start).div_ceil(2).next_multiple_of(BATCH).min(range.end - range.start - 1);
            let (mut summary, faults) = chunk(args, range.start..middle);
            let (more, more_faults) = chunk(args, middle..range.end);
            summary.add(more);
            (summary, faults + more_faults)
        }
        Err(why) => {
            // The first prefix of the batch that ends so.
            let last = (range.start..range.end).find(|&last| child(args, &(range.start..last + 1)).is_err()).unwrap_or(range.end - 1);
            let alone = if child(args, &(last..last + 1)).is_err() { last } else { range.start };
            let option = if args.fuzz { " --fuzz" } else { "" };
            println!("HOST FAULT in case {last} of seed {}: {why}", args.seed);
            println!("  again: tayberry-lockstep{option} --seed {} --case {last} --from {alone}", args.seed);
            (Summary { cases: range.end - range.start, ..Summary::default() }, 1)
        }
    }
}

/// Runs a range in another process.
fn child(args: &Args, range: &Range<u64>) -> Result<Summary, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut command = Command::new(program);
    let cases = range.end - range.start;
    command.args(["--here", "--seed", &args.seed.to_string(), "--start", &range.start.to_string(), "--cases", &cases.to_string()]);
    command.args(["--show", &args.show.to_string()]).args(args.fuzz.then_some("--fuzz"));
    let output = command.stdin(Stdio::null()).stderr(Stdio::piped()).output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(&output.stdout);
    let last = text.lines().last().unwrap_or_default();
    let numbers: Vec<u64> = last.split(|c: char| !c.is_ascii_digit()).filter_map(|word| word.parse().ok()).collect();
    let (Some(0 | 1), &[_, cases, retired, jitted, racy, mismatches]) = (output.status.code(), numbers.as_slice()) else {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{}: {}", output.status, said.lines().take(3).collect::<Vec<_>>().join(" / ")));
    };
    let found = text.rsplit_once("seed ").map_or("", |(before, _)| before).trim_end();
    let found = if found.is_empty() { vec![] } else { vec![format!("{found}\n")] };
    Ok(Summary { cases, retired, jitted, racy, mismatches, found })
}
