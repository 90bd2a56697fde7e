//! When frames are taken: `--fps` and `--every-flip`.

use crate::program::{Ended, Folder};
use crate::steps::{STEP_NS, STEPS};

/// A row of the frame log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub time_ns: u64,
    pub generation: u64,
    pub hash: u64,
}

/// The rows of the frame log; their numbers must be in order.
pub fn rows(folder: &Folder, name: &str) -> Vec<Row> {
    let text = folder.text(name);
    let row = |(number, line): (usize, &str)| {
        let fields: Vec<&str> = line.split(',').collect();
        assert_eq!(fields[0], number.to_string(), "{line}");
        let (seconds, nanos) = fields[1].split_once('.').expect("seconds with decimals");
        let time = seconds.parse::<u64>().expect("seconds") * 1_000_000_000 + nanos.parse::<u64>().expect("nanoseconds");
        Row { time_ns: time, generation: fields[2].parse().expect("a number"), hash: u64::from_str_radix(fields[6], 16).expect("a hash") }
    };
    text.lines().skip(1).enumerate().map(row).collect()
}

fn storm(append: &str, args: &str) -> (Vec<Row>, Folder) {
    let folder = Folder::new();
    folder.file("storm.img", tayberry_guest::STORM);
    let args = ["--frontend", "headless", "--append", append, "--frame-log", "log.csv"].into_iter().chain(args.split_whitespace());
    Ended::of(folder.tayberry(args.chain(["storm.img"]))).expect(0);
    (rows(&folder, "log.csv"), folder)
}

fn steps(args: &str) -> (Vec<Row>, Folder) {
    let folder = Folder::new();
    folder.steps();
    folder.headless(&format!("--frame-log log.csv {args} steps.img")).expect(0);
    (rows(&folder, "log.csv"), folder)
}

#[test]
fn frames_are_as_many_as_were_asked_for_and_the_guest_made() {
    // The run takes 600 ms and a little; a picture changes every 25 ms, and a last time after the last step.
    for (fps, period_ns, count) in [("10", 100_000_000, 6), ("20", 50_000_000, 12), ("40", STEP_NS, 24), ("8.5", 117_647_059, 5)] {
        let (log, _) = steps(&format!("--deterministic --fps {fps}"));
        assert_eq!(log.len(), count + 1, "{fps}: {log:?}");
        for (n, row) in (1..).zip(&log[..count]) {
            assert_eq!(row.time_ns, n * period_ns, "{fps}");
        }
    }
}

#[test]
fn a_fast_clock_makes_no_frames_of_its_own() {
    for fps in ["60", "1000"] {
        let (log, _) = steps(&format!("--deterministic --fps {fps}"));
        // The mode, then the steps; a clock of 60 Hz sees each as they are 25 ms apart, 1000 Hz sees the step in its millisecond.
        assert_eq!(log.len() as u64, STEPS + 1, "{fps}: {log:?}");
        assert!(log.windows(2).all(|pair| pair[0].hash != pair[1].hash && pair[0].time_ns < pair[1].time_ns), "{fps}: {log:?}");
        let late = if fps == "60" { 16_666_667 } else { 1_000_000 };
        for (n, row) in (1..STEPS).zip(&log[1..]) {
            let step = n * STEP_NS;
            assert!((step..=step + late + 200_000).contains(&row.time_ns), "{fps}: step {n} at {}", row.time_ns);
        }
    }
}

#[test]
fn every_generation_is_a_frame() {
    // Whole modes, and changes of nothing but offset, order or palette; with one core and four, waiting between changes and not.
    for (kinds, mode) in [("full", "--deterministic"), ("mixed", "--deterministic"), ("mixed", "--deterministic --cores 1"), ("mixed", "")]
    {
        let (log, folder) =
            storm(&format!("storm.count=150 storm.kinds={kinds} storm.paint=0"), &format!("--every-flip --stats stats.json {mode}"));
        let generations: Vec<u64> = log.iter().map(|row| row.generation).collect();
        assert_eq!(generations, (1..=150).collect::<Vec<_>>(), "{kinds} {mode}");
        assert!(log.windows(2).all(|pair| pair[0].time_ns <= pair[1].time_ns), "{kinds} {mode}");
        let stats: serde_json::Value = serde_json::from_slice(&folder.read("stats.json")).expect("JSON");
        assert_eq!((stats["frames_presented"].as_u64(), stats["frames_dropped_stale"].as_u64()), (Some(150), Some(0)));
    }
}

#[test]
fn with_every_flip_a_picture_is_what_was_painted_before_it() {
    // Painted after it was published: each is black, and the last is seen again at the end.
    let (log, _) = storm("storm.count=5", "--deterministic --every-flip");
    assert_eq!(log.iter().map(|row| row.generation).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 5]);
    assert!(log[4].hash != log[5].hash);
    let (log, _) = steps("--every-flip");
    assert_eq!(log.len(), 2, "one publication, and the end: {log:?}");
}

#[test]
fn a_slow_clock_shows_what_is_published_when_it_beats() {
    let (flips, _) = storm("storm.count=40 storm.paint=0 storm.hold_us=30000", "--deterministic --cores 1 --every-flip");
    for (fps, period) in [("10", 100_000_000), ("60", 16_666_667)] {
        let (log, _) = storm("storm.count=40 storm.paint=0 storm.hold_us=30000", &format!("--deterministic --cores 1 --fps {fps}"));
        let end = flips[39].time_ns + 30_000_000;
        let mut expected: Vec<(u64, u64)> = Vec::new();
        for beat in (1..).map(|n| n * period).take_while(|&beat| beat < end) {
            let shown = flips.iter().take_while(|flip| flip.time_ns < beat).last().map_or(0, |flip| flip.generation);
            if shown > expected.last().map_or(0, |last| last.1) {
                expected.push((beat, shown));
            }
        }
        let seen: Vec<(u64, u64)> = log.iter().map(|row| (row.time_ns, row.generation)).collect();
        // At the end comes what the last beat was too early for.
        assert_eq!(seen[..expected.len()], expected[..], "{fps}");
        assert!(seen.len() <= expected.len() + 1, "{fps}");
        assert_eq!(seen.last().map(|row| row.1), Some(40), "{fps}");
    }
}

#[test]
fn the_same_run_gives_the_same_log() {
    for args in ["--fps 25", "--fps 240", "--every-flip"] {
        let run = || {
            let append = "storm.count=60 storm.hold_us=4000 storm.kinds=mixed";
            storm(append, &format!("--deterministic {args}")).1.text("log.csv")
        };
        let first = run();
        assert!(first.lines().count() > 6, "{args}: {first}");
        assert_eq!(first, run(), "{args}");
    }
}

#[test]
fn in_real_time_frames_come_at_the_rate_asked_for() {
    // Steps at 40 Hz for 0.6 s: at 10 Hz some six frames are seen, whatever the host does meanwhile no more.
    let (log, _) = steps("--fps 10");
    assert!((2..=8).contains(&log.len()), "{log:?}");
}
