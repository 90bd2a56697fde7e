//! Translated and interpreted runs, beside each other.

use crate::headless::ENDLESS;
use crate::program::{Ended, Folder};
use serde_json::Value;
use std::path::Path;

/// Guests with what they are told and given, small enough for a test: name, kernel command line, arguments, what is typed.
const GUESTS: &[(&str, &str, &str, &[u8])] = &[
    ("bench", "bench.kind=int bench.n=1000000", "", b""),
    ("bench", "bench.kind=fill bench.n=20", "", b""),
    ("bench", "bench.kind=fp bench.n=1000000", "", b""),
    ("bench", "bench.kind=sort bench.n=4", "", b""),
    ("bench", "bench.kind=mem bench.n=50000", "", b""),
    ("blit", "", "", b""),
    ("card", "card.write=100", "--sd card", b""),
    ("demo", "demo.tours=1 demo.mode_ms=20", "", b""),
    ("echo", "", "", b"one two three\r\x04"),
    ("echo", "echo.uart=1", "--serial null --serial stdio", b"four five six\r\x04"),
    ("flip", "flip.width=320 flip.height=200 flip.count=20 flip.draw=full", "", b""),
    ("higher", "", "", b""),
    ("hyper", "", "", b""),
    ("irqtimer", "", "", b""),
    ("litmus", "litmus.count=2000 litmus.adds=2000", "", b""),
    // It is sent a kernel.
    ("loader", "", "", b""),
    ("objects", "", "", b""),
    ("pins", "pins.blinks=2 pins.presses=0", "", b""),
    ("screens", "screens.case=palette-cycle screens.off=1", "", b""),
    ("semihost", "semihost.files=0", "--semihosting-console", b""),
    ("smp", "smp.count=3000", "", b""),
    ("storm", "storm.count=40 storm.hold_us=5000", "", b""),
    ("suite", "suite.kind=mix suite.n=30", "", b""),
    ("suite", "suite.kind=sort suite.n=1", "", b""),
    ("suite", "suite.kind=hash suite.n=2000", "", b""),
    ("suite", "suite.kind=sha256 suite.n=1", "", b""),
    ("suite", "suite.kind=bytecode suite.n=100", "", b""),
    ("suite", "suite.kind=recursion suite.n=15", "", b""),
    ("suite", "suite.kind=virtual suite.n=5000", "", b""),
    ("suite", "suite.kind=mandelbrot suite.n=20", "", b""),
    ("suite", "suite.kind=matrix suite.n=2", "", b""),
    ("suite", "suite.kind=filter suite.n=2", "", b""),
    ("suite", "suite.kind=svc suite.n=300", "", b""),
    ("suite", "suite.kind=fault suite.n=200", "", b""),
    ("suite", "suite.kind=tlb suite.n=40000", "", b""),
    ("suite", "suite.kind=tlbi suite.n=2000", "", b""),
    ("suite", "suite.kind=spaces suite.n=500", "", b""),
    ("suite", "suite.kind=cores suite.n=70", "", b""),
    ("suite", "suite.kind=locks suite.n=4000", "", b""),
    ("tasks", "", "", b""),
    ("tree", "", "--cores 3", b""),
    ("tune", "tune.beat_ms=20", "", b""),
    ("tune", "tune.by=fifo tune.beat_ms=2", "", b""),
    ("usbkbd", "", r"--type-after ready --type-usb one\n\e", b""),
];

fn images() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../guest/images")
}

/// All that a deterministic run leaves behind.
#[derive(Debug, PartialEq)]
struct Left {
    status: i32,
    serial: String,
    frames: String,
    picture: Vec<u8>,
    instructions: Value,
    /// Guest time, and how often the guest changed the display or sent messages.
    others: [Value; 5],
}

fn stats(folder: &Folder) -> Value {
    serde_json::from_slice(&folder.read("stats.json")).expect("JSON")
}

fn deterministic(folder: &Folder, guest: &(&str, &str, &str, &[u8]), jit: &str, more: &str) -> Left {
    let (name, append, args, typed) = *guest;
    let image = images().join(format!("{name}.img"));
    // The loader is sent its program's length first.
    let typed = if name == "loader" {
        [&(tayberry_guest::OBJECTS.len() as u32).to_le_bytes(), tayberry_guest::OBJECTS].concat()
    } else {
        typed.to_vec()
    };
    let typed = folder.file("typed", &typed);
    let all = format!(
        "--frontend headless --deterministic --jit {jit} {more} --timeout 300 --stats stats.json --frame-log log.csv --screenshot shot.png {args}"
    );
    let mut command = folder.tayberry(all.split_whitespace());
    command.args(["--append", append]).arg(image).stdin(std::fs::File::open(typed).expect("the file"));
    let run = Ended::of(command);
    assert_eq!(run.stderr, "", "{guest:?}");
    let stats = stats(folder);
    assert_ne!(stats["exit"], "timeout", "{name} {append} must be shorter");
    assert_eq!(stats["jit"], if tayberry_bcm2837::jit::available().is_ok() { jit } else { "off" });
    for (core, instructions) in stats["cores"].as_array().expect("one per core").iter().zip(stats["instructions"].as_array().expect("too"))
    {
        let count = |key: &str| core[key].as_u64().expect("a number");
        assert_eq!(count("instructions_interpreted") + count("instructions_jitted"), instructions.as_u64().expect("a number"), "{core}");
        assert!(jit == "on" || count("instructions_jitted") == 0);
    }
    Left {
        status: run.status,
        serial: run.stdout,
        frames: folder.text("log.csv"),
        picture: folder.read("shot.png"),
        instructions: stats["instructions"].clone(),
        others: ["guest_s", "reconfigurations", "property_messages", "exit", "exit_detail"].map(|key| stats[key].clone()),
    }
}

/// Panics where a guest that is translated, with `more` options, leaves anything else behind than one that is interpreted.
fn every_guest_is_the_same(more: &str) {
    let folder = Folder::new();
    folder.file("card", &[0x5a; 1 << 20]);
    let mut different = Vec::new();
    for guest in GUESTS {
        let interpreted = deterministic(&folder, guest, "off", "");
        assert!(!interpreted.serial.is_empty() && interpreted.status == 0, "{guest:?} does something: {}", interpreted.serial);
        let translated = deterministic(&folder, guest, "on", more);
        if translated != interpreted {
            // A picture is too much to be printed.
            let picture = if translated.picture == interpreted.picture { "the same" } else { "another" };
            let [translated, interpreted] = [translated, interpreted].map(|left| Left { picture: vec![], ..left });
            different.push(format!("{guest:?}, {picture} last frame\n  translated {translated:?}\n  interpreted {interpreted:?}"));
        }
    }
    assert!(different.is_empty(), "{} of {}\n{}", different.len(), GUESTS.len(), different.join("\n"));
}

#[test]
fn every_guest_is_the_same_with_and_without() {
    every_guest_is_the_same("");
}

#[test]
fn every_guest_is_the_same_when_all_is_translated_at_once() {
    every_guest_is_the_same("--jit-threshold 0 --jit-cache 4");
}

#[test]
fn no_guest_is_left_out() {
    for image in std::fs::read_dir(images()).expect("the images") {
        let image = image.expect("an image").path();
        if image.extension().is_none_or(|extension| extension != "img") {
            continue;
        }
        let name = image.file_stem().and_then(|stem| stem.to_str()).expect("a name").to_owned();
        assert!(GUESTS.iter().any(|(guest, ..)| *guest == name), "{name}");
    }
}

#[test]
fn statistics_of_each_core() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    for (args, cache) in [("", 64u64), ("--jit on --jit-cache 4", 4), ("--jit on --jit-cache 1024 --cores 1", 1024), ("--jit off", 0)] {
        folder.headless(&format!("{args} --timeout 0.3 --stats stats.json k")).expect(0);
        let stats = stats(&folder);
        let available = tayberry_bcm2837::jit::available();
        let on = available.is_ok() && cache != 0;
        assert_eq!(stats["jit"], if on { "on" } else { "off" }, "{args}");
        assert_eq!(stats["jit_unavailable"].is_null(), available.is_ok() || cache == 0, "{args}");
        assert_eq!(stats["jit_cache_bytes"], if on { cache << 20 } else { 0 }, "{args}");
        let cores = stats["cores"].as_array().expect("a list");
        assert_eq!(cores.len(), stats["instructions"].as_array().expect("a list").len());
        for (id, core) in cores.iter().enumerate() {
            assert_eq!(core["core"], id);
            let counts = ["instructions_interpreted", "instructions_jitted", "regions", "region_instructions", "code_bytes", "compile_ns"];
            let more = ["tlb_accesses", "tlb_hits", "tlb_misses", "flushes", "stale"];
            assert!(counts.iter().chain(&more).all(|key| core[key].is_u64()), "{core}");
            assert!(core["compile_ns_per_instruction"].is_f64(), "{core}");
            let exits = ["budget", "attention", "unlinked", "system", "exception"];
            assert!(exits.iter().all(|key| core["exits"][key].is_u64()), "{core}");
        }
        if cfg!(target_os = "linux") {
            let (resident, peak) =
                (stats["resident_bytes"].as_u64().expect("bytes"), stats["peak_resident_bytes"].as_u64().expect("bytes"));
            assert!(1 << 20 < resident && resident <= peak && peak < 1 << 30, "{resident} {peak}");
        }
    }
}

#[test]
fn an_option_that_is_obeyed_is_not_talked_about() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    let run = folder.headless("--max-instructions 1000 k").expect(0);
    assert_eq!(run.stderr, "");
    let run = folder.headless("--jit on --max-instructions 1000 k").expect(0);
    match tayberry_bcm2837::jit::available() {
        Ok(()) => assert_eq!(run.stderr, ""),
        Err(why) => {
            assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
            assert!(run.stderr.contains("--jit on") && run.stderr.contains(&why.to_string()), "{}", run.stderr);
        }
    }
}

#[test]
fn the_trace_ends_with_what_each_core_did() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    folder.headless("--max-instructions 2000000 --cores 2 --deterministic --trace jit --trace-file trace k").expect(0);
    let trace = folder.text("trace");
    assert!(trace.lines().all(|line| line.contains("[jit] ")), "{trace}");
    for core in ["core 0: ", "core 1: "] {
        assert!(trace.lines().any(|line| line.contains(core) && line.contains("instructions") && line.contains("translated")), "{trace}");
    }
}

/// What one core that runs a loop of one instruction long enough leaves behind: statistics, trace, map for `perf`.
#[cfg(unix)]
fn profiled() -> (Value, String, Option<String>) {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    let args = "--frontend headless --cores 1 --max-instructions 5000000 --perf-map --trace jit --trace-file trace --stats stats.json k";
    let child = folder.tayberry(args.split(' ')).spawn().expect("a run");
    let map = format!("/tmp/perf-{}.map", child.id());
    Ended::from(child.wait_with_output().expect("an end")).expect(0);
    let listed = std::fs::read_to_string(&map).ok();
    // It may not be there.
    let _ = std::fs::remove_file(&map);
    (stats(&folder), folder.text("trace"), listed)
}

#[cfg(unix)]
#[test]
fn what_is_translated_is_counted_traced_and_listed() {
    let (stats, trace, listed) = profiled();
    let core = &stats["cores"][0];
    let count = |key: &str| core[key].as_u64().expect("a number");
    if count("regions") == 0 {
        assert_eq!((count("instructions_jitted"), count("code_bytes"), count("compile_ns"), listed), (0, 0, 0, None), "{core}");
        assert!(!trace.contains("0x80000"), "{trace}");
        return;
    }
    assert!(count("instructions_jitted") > 4_000_000 && count("region_instructions") > 0 && count("code_bytes") > 0, "{core}");
    assert!(core["compile_ns_per_instruction"].as_f64().expect("a number") > 0.0, "{core}");
    assert!(trace.lines().any(|line| line.contains("[jit] region at PC 0x80000: ")), "{trace}");
    assert!(trace.lines().any(|line| line.contains("[jit] core 0: ") && line.contains(" in 0x80000")), "{trace}");
    let listed = listed.expect("a map");
    assert_eq!(listed.lines().count() as u64, count("regions"), "{listed}");
    for line in listed.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        assert!(words.len() == 3 && words[2].starts_with("guest_0x"), "{line}");
        assert!(words[..2].iter().all(|number| u64::from_str_radix(number, 16).is_ok_and(|number| number > 0)), "{line}");
    }
    assert!(listed.contains(" guest_0x80000\n"), "{listed}");
}
