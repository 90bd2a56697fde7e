//! Traces as people and programs read them.

use crate::program::{Ended, Folder};
use std::io::Read;
use std::time::Duration;

fn kernel(folder: &Folder, words: &[u32]) {
    folder.file("k", &words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>());
}

/// mov x0, #0x3f200000 ; mov w1, #0x12000 ; str w1, [x0, #4] ; mov w1, #0x10000 ; str w1, [x0, #28] ; then `ends`.
fn pins(ends: &[u32]) -> Vec<u32> {
    [&[0xd2a7_e400, 0x5284_0001, 0x72a0_0021, 0xb900_0401, 0x52a0_0021, 0xb900_1c01], ends].concat()
}

#[test]
fn lines_have_time_core_topic_and_words() {
    let folder = Folder::new();
    kernel(&folder, &pins(&[0xd400_0021]));
    folder.headless("--deterministic --max-instructions 1000 --trace all,-jit --trace-file trace k");
    let trace = folder.text("trace");
    for words in [
        "core 0 [gpio] pin 14 becomes alternate function 5, TXD1",
        "core 0 [gpio] set pin 16",
        "core 0 [mmio] writes GPIO GPFSEL1 (0x3f200004) = 0x00012000",
        "core 0 [exceptions] EL2 to EL2: SVC #0x1, ELR 0x8001c, ESR 0x56000001",
        "core 0 [mmu] SCTLR_EL2 = ",
        "core 1 [mmio] writes local controller CONTROL (0x40000000)",
    ] {
        assert!(trace.contains(words), "{words}: {trace}");
    }
    // Times are the guest's, and never go back on one core.
    let times = trace.lines().filter(|line| line.contains(" core 0 ")).map(|line| {
        let (seconds, nanos) = line.split_once(' ').and_then(|(time, _)| time.split_once('.')).expect("a time");
        seconds.parse::<u64>().expect("seconds") * 1_000_000_000 + nanos.parse::<u64>().expect("nanoseconds")
    });
    let times: Vec<u64> = times.collect();
    assert!(times.len() > 10 && times.is_sorted(), "{trace}");
    let again = folder.headless("--deterministic --max-instructions 1000 --trace all,-jit --trace-file again k");
    drop(again);
    assert_eq!(trace, folder.text("again"), "the same run is the same trace");
}

#[test]
fn json_lines_have_the_fields() {
    let folder = Folder::new();
    kernel(&folder, &pins(&[0xd400_0021]));
    folder.headless("--deterministic --max-instructions 1000 --trace all,-mmu --trace-format json --trace-file trace k");
    let trace = folder.text("trace");
    let events: Vec<serde_json::Value> = trace.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let find = |topic: &str, key: &str, value: &str| {
        let found = events.iter().find(|event| event["topic"] == topic && event[key] == value);
        found.unwrap_or_else(|| panic!("{topic} with {key} {value}: {trace}"))
    };
    let write = find("mmio", "register", "GPFSEL1");
    assert_eq!(
        (&write["core"], &write["address"], &write["value"], &write["write"]),
        (&0.into(), &"0x3f200004".into(), &"0x00012000".into(), &true.into())
    );
    assert!(write["time_ns"].is_u64());
    assert_eq!(find("exceptions", "esr", "0x56000001")["elr"], "0x8001c");
    assert_eq!(find("gpio", "function", "alternate function 5, TXD1")["pin"], 14);
    assert!(events.iter().all(|event| event["topic"] != "mmu"));
}

#[test]
fn exceptions_name_the_kernel_s_code() {
    let folder = Folder::new();
    folder.file("crash.elf", tayberry_guest::CRASH_ELF);
    let run = folder.headless("--deterministic --trace mmu,exceptions crash.elf").expect(4);
    assert!(run.stderr.contains("[exceptions] EL3 returns to EL2 at 0x"), "{}", run.stderr);
    assert!(
        run.stderr.contains("[exceptions] EL2 to EL2: instruction abort: external abort (nothing answers there), ELR 0x50000000"),
        "{}",
        run.stderr
    );
}

#[test]
fn a_reader_that_does_not_read_loses_lines_and_stops_nothing() {
    let folder = Folder::new();
    // mov x0, #0x3f200000 ; 1: ldr w1, [x0] ; b 1b
    kernel(&folder, &[0xd2a7_e400, 0xb940_0001, 0x17ff_ffff]);
    let args = ["--frontend", "headless", "--deterministic", "--cores", "1", "--max-instructions", "400000", "--trace", "mmio", "k"];
    let mut child = folder.tayberry(args).spawn().expect("a run");
    std::thread::sleep(Duration::from_secs(4));
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("text");
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    let missing = stderr.lines().find(|line| line.contains(" lines of the trace are missing")).expect("it is told of");
    let missing: usize = missing.split_whitespace().nth(1).and_then(|count| count.parse().ok()).expect("a count");
    let kept = stderr.lines().filter(|line| line.contains("[mmio] reads GPIO GPFSEL0")).count();
    assert!(missing > 1000 && (190_000..=201_000).contains(&(kept + missing)), "{kept} and {missing}");
    // A file has all.
    let all = Ended::of(folder.tayberry(args.into_iter().chain(["--trace-file", "trace"]))).expect(0);
    assert!(!all.stderr.contains("missing"), "{}", all.stderr);
    assert!((190_000..=201_000).contains(&folder.text("trace").lines().count()));
}
