//! What the program takes of its host: memory, and time to start.

use crate::program::Folder;
use std::time::{Duration, Instant};

/// wfi ; b . - 4
const IDLE: &[u8] = &[0x7f, 0x20, 0x03, 0xd5, 0xff, 0xff, 0xff, 0x17];
/// Bytes that an idle machine with a GiB of RAM may have.
const IDLE_BYTES: u64 = 150_000_000;
/// The goal is 50 ms from the program's start to the guest's first instruction; hosts that test are slow, and builds for tests too.
const START: Duration = Duration::from_millis(250);

#[test]
fn an_idle_guest_takes_little_memory() {
    if !cfg!(target_os = "linux") {
        return;
    }
    let folder = Folder::new();
    folder.file("k", IDLE);
    for args in ["", "--jit off"] {
        folder.headless(&format!("{args} --timeout 0.5 --stats stats.json k")).expect(0);
        let stats: serde_json::Value = serde_json::from_slice(&folder.read("stats.json")).expect("JSON");
        let peak = stats["peak_resident_bytes"].as_u64().expect("bytes");
        assert!((1 << 20..IDLE_BYTES).contains(&peak), "{args}: {peak} bytes");
    }
}

#[test]
fn the_first_instruction_comes_soon() {
    let folder = Folder::new();
    folder.file("k", IDLE);
    let start = || {
        let started = Instant::now();
        folder.headless("--max-instructions 1 k").expect(0);
        started.elapsed()
    };
    let best = (0..10).map(|_| start()).min().expect("ten runs");
    assert!(best < START, "{best:?}");
}
