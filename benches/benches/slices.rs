//! What running in slices costs, and how cores share host threads: each figure is a ratio of two runs that alternate.
//!
//! `cargo bench -p tayberry-benches --bench slices [-- SECONDS]`: host seconds of one run (0.5). The last rows have busy threads beside them.
//!
//! On a host that others use too, time in which a thread of ours was ready to run and had no processor is taken out: speeds are instructions in a
//! microsecond of *processor* time, times the mean number of threads that ran or wanted to. On a free host that is the speed by the clock.

use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};
use tayberry_bcm2837::{BoardError, BoardOptions, Raspi3b};
use tayberry_engine::GuestRam;
use tayberry_engine::builder::Ram;
use tayberry_engine::handle::Limits;
use tayberry_engine::machine::prepare;

/// Releases the other cores by the spin table; all go on here with x0 = core, x3 = a mebibyte of its own, x4 = a seed.
const START: [u32; 12] = [
    0x1000_00e1, // adr x1, entry
    0xd280_1b02, // mov x2, #0xd8
    0xf900_0441, // str x1, [x2, #8]
    0xf900_0841, // str x1, [x2, #16]
    0xf900_0c41, // str x1, [x2, #24]
    0xd503_3f9f, // dsb sy
    0xd503_209f, // sev
    0xd538_00a0, // entry: mrs x0, mpidr_el1
    0x9240_0400, // and x0, x0, #3
    0xd2a0_2003, // mov x3, #0x1000000
    0x8b00_5063, // add x3, x3, x0, lsl #20
    0x9100_0404, // add x4, x0, #1
];
/// Random numbers in registers, with a branch on each.
const INT: [u32; 8] = [
    0xca04_3484, // 1: eor x4, x4, x4, lsl #13
    0xca44_1c84, // eor x4, x4, x4, lsr #7
    0xca04_4484, // eor x4, x4, x4, lsl #17
    0x3600_0064, // tbz w4, #0, 2f
    0x8b44_2ca5, // add x5, x5, x4, lsr #11
    0x17ff_fffb, // b 1b
    0xca04_00a5, // 2: eor x5, x5, x4
    0x17ff_fff9, // b 1b
];
/// Passes over 32 KiB of the core's own memory.
const MEM: [u32; 8] = [
    0xd290_0006, // 1: mov x6, #0x8000
    0xaa03_03e7, // mov x7, x3
    0xa940_24e8, // 2: ldp x8, x9, [x7]
    0x8b09_0108, // add x8, x8, x9
    0xf801_04e8, // str x8, [x7], #16
    0xf100_40c6, // subs x6, x6, #16
    0x54ff_ff81, // b.ne 2b
    0x17ff_fff9, // b 1b
];
/// Each core in turn adds one to a word that all spin on; `x0 == word % cores` says whose turn it is.
const fn ring(mask: u32) -> [u32; 8] {
    [
        0xd2a0_2006, // mov x6, #0x1000000
        0xb940_00c7, // 1: ldr w7, [x6]
        mask,        // and w8, w7, #(cores - 1)
        0x6b00_011f, // cmp w8, w0
        0x54ff_ffa1, // b.ne 1b
        0x1100_04e7, // add w7, w7, #1
        0xb900_00c7, // str w7, [x6]
        0x17ff_fffa, // b 1b
    ]
}
const RING2: [u32; 8] = ring(0x1200_00e8);
const RING4: [u32; 8] = ring(0x1200_04e8);
/// Where the ring's word is.
const RING_WORD: u64 = 0x100_0000;

/// Long enough that the schedule and the looks at the clock are nothing.
const HUGE_SLICE: Duration = Duration::from_millis(50);
/// Before measuring: caches, the pace of the cores.
const WARM_UP: Duration = Duration::from_millis(150);

/// What one run gives.
#[derive(Clone, Copy)]
struct Speed {
    /// Guest instructions a microsecond, all cores together.
    mips: f64,
    /// Rounds of the ring in a second.
    words: f64,
    ticks: f64,
}

/// Nanoseconds that the threads which run cores ran, and waited for a processor. Zeroes where the host does not say.
fn core_threads() -> [f64; 2] {
    let mut sum = [0.0; 2];
    for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
        let read = |name| std::fs::read_to_string(task.path().join(name)).unwrap_or_default();
        if read("comm").starts_with("tayberry-") {
            let schedstat = read("schedstat");
            let mut words = schedstat.split(' ').map(|word| word.parse().unwrap_or(0.0));
            sum.iter_mut().for_each(|sum| *sum += words.next().unwrap_or(0.0));
        }
    }
    sum
}

/// Runs `work` on `cores` cores for `time`.
fn run(work: &[u32; 8], cores: usize, slice: Option<Duration>, time: Duration) -> Speed {
    let kernel: Vec<u8> = START.iter().chain(work).flat_map(|word| word.to_le_bytes()).collect();
    let board = Raspi3b::new(BoardOptions { kernel, cores, ..BoardOptions::default() }).expect("the guest is a good kernel");
    let (handle, starter) = prepare();
    let (ram_out, ram) = std::sync::mpsc::channel::<Arc<GuestRam>>();
    let build = move |shared| {
        let mut machine = board.build(shared)?;
        if let Some(slice) = slice {
            machine.set_longest_slice(slice);
        }
        let _ = ram_out.send(Arc::clone(&machine.world().resource::<Ram>().0));
        Ok::<_, BoardError>(machine)
    };
    let running = starter.start(Limits::default(), build).expect("the board is built");
    let ram = ram.recv().expect("the machine has RAM");
    let look = || {
        let word = u64::from(ram.read_u32(RING_WORD).unwrap_or(0));
        (Instant::now(), handle.stats.total_instructions(), word, handle.stats.ticks.get(), core_threads())
    };
    std::thread::sleep(WARM_UP);
    let before = look();
    std::thread::sleep(time);
    let after = look();
    handle.control.stop();
    running.join();
    let us = (after.0 - before.0).as_secs_f64() * 1e6;
    let instructions = (after.1 - before.1) as f64;
    let [ran, waited] = [0, 1].map(|at| (after.4[at] - before.4[at]) / 1e3);
    let mips = if ran > 0.0 { instructions / ran * (ran + waited) / us } else { instructions / us };
    let words = (after.2 as u32).wrapping_sub(before.2 as u32);
    Speed { mips, words: f64::from(words) * 1e6 / us, ticks: (after.3 - before.3) as f64 * 1e6 / us }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Alternates two measurements; prints both medians and the median of their ratios.
fn compare(rounds: usize, what: &str, names: [&str; 2], mut first: impl FnMut() -> f64, mut second: impl FnMut() -> f64) {
    let pairs: Vec<(f64, f64)> = (0..rounds).map(|_| (first(), second())).collect();
    let [a, b] = [median(pairs.iter().map(|pair| pair.0).collect()), median(pairs.iter().map(|pair| pair.1).collect())];
    let ratio = median(pairs.iter().map(|pair| pair.1 / pair.0).collect());
    println!("{what:<34} {:<22} {a:>10.1}   {:<22} {b:>10.1}   ratio {ratio:.3}", names[0], names[1]);
}

/// This program again, as a process of its own that prints the speed of one core.
fn child(kind: &str, time: Duration) -> Child {
    let program = std::env::current_exe().expect("this program has a path");
    let seconds = time.as_secs_f64().to_string();
    Command::new(program).args(["--child", kind, &seconds]).stdout(Stdio::piped()).spawn().expect("a process can be started")
}

fn speed_of(child: Child) -> f64 {
    let output = child.wait_with_output().expect("the child can be waited for");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the child prints its speed")
}

/// Two processes of a core each: what this host gives at most.
fn two_processes(kind: &str, time: Duration) -> f64 {
    let both = [child(kind, time), child(kind, time)];
    both.into_iter().map(speed_of).sum()
}

/// Runs `body` beside busy threads of other work.
fn beside<T>(busy: usize, body: impl FnOnce() -> T) -> T {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..busy {
            scope.spawn(|| {
                while !stop.load(Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let result = body();
        stop.store(true, Relaxed);
        result
    })
}

const KINDS: [(&str, &[u32; 8]); 2] = [("int", &INT), ("mem", &MEM)];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if let [flag, kind, seconds] = arguments.as_slice()
        && flag == "--child"
    {
        let work = KINDS.iter().find(|(name, _)| name == kind).expect("a kind of work").1;
        println!("{}", run(work, 1, None, Duration::from_secs_f64(seconds.parse().expect("seconds"))).mips);
        return;
    }
    let time = Duration::from_secs_f64(arguments.first().and_then(|seconds| seconds.parse().ok()).unwrap_or(0.5));
    let mips = |work, cores, slice| run(work, cores, slice, time).mips;
    const ROUNDS: usize = 7;

    println!("Slices: the same guest with slices of {HUGE_SLICE:?} and with usual ones (MIPS; goal 0.98)");
    for (kind, work) in KINDS {
        for cores in [1, 2, 4] {
            let what = format!("{kind}, {cores} cores");
            compare(ROUNDS, &what, ["huge slices", "usual slices"], || mips(work, cores, Some(HUGE_SLICE)), || mips(work, cores, None));
        }
    }
    println!("Scaling: more busy cores beside one (MIPS; goal 1.8), and the most that this host gives");
    for (kind, work) in KINDS {
        compare(ROUNDS, kind, ["one core", "two processes"], || speed_of(child(kind, time)), || two_processes(kind, time));
        for cores in [2, 4] {
            compare(ROUNDS, kind, ["one core", &format!("{cores} cores")], || mips(work, 1, None), || mips(work, cores, None));
        }
    }
    println!("Handing over: cores that spin for each other's stores, alone and beside busy threads (rounds a second)");
    for (cores, work) in [(2, &RING2), (4, &RING4)] {
        let words = |busy| beside(busy, || run(work, cores, None, time).words);
        for busy in [1, 2] {
            let beside = format!("beside {busy}");
            compare(3, &format!("ring of {cores}"), ["alone", &beside], || words(0), || words(busy));
        }
    }
    println!("Ticks a second: int on 1, 2, 4 cores: {:.0?}", [1, 2, 4].map(|cores| run(&INT, cores, None, time).ticks));
}
