//! Whole runs: how they end, and what they leave behind.

use crate::headless::ENDLESS;
use crate::program::{Ended, Folder, read_png};
use std::io::{Read, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tayberry_guest::storm::{Kinds, mode};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("endless.img", ENDLESS);
    folder.file("echo.img", tayberry_guest::ECHO);
    folder.file("storm.img", tayberry_guest::STORM);
    folder
}

fn stats(folder: &Folder) -> serde_json::Value {
    serde_json::from_slice(&folder.read("stats.json")).expect("JSON")
}

/// Runs with `append` as the kernel's command line: it may have blanks.
fn with_append(folder: &Folder, append: &str, args: &str) -> Ended {
    let args = ["--frontend", "headless", "--append", append].into_iter().chain(args.split_whitespace());
    Ended::of(folder.tayberry(args))
}

#[test]
fn a_guest_that_switches_the_power_off() {
    let folder = folder();
    let run = with_append(&folder, "storm.count=20", "--stats stats.json storm.img").expect(0);
    assert!(run.stdout.contains("storm: 20 changes, 0 wrong replies"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
    let stats = stats(&folder);
    assert_eq!(stats["exit"], "poweroff");
    assert_eq!(stats["exit_status"], 0);
    assert_eq!(stats["reconfigurations"], 20);
    assert_eq!(stats["instructions"].as_array().expect("one per core").len(), 4);
    assert!(stats["property_messages"].as_u64().expect("a number") >= 20);
    for field in ["wall_s", "guest_s"] {
        assert!(stats[field].as_f64().expect("a number") > 0.0, "{field}");
    }
    assert!(stats["frames_presented"].is_u64() && stats["frames_dropped_stale"].is_u64());
}

#[test]
fn statistics_of_the_renderer() {
    let folder = folder();
    with_append(&folder, "storm.count=20 storm.hold_us=30000", "--deterministic --stats stats.json storm.img").expect(0);
    let stats = stats(&folder);
    let number = |group: &str, field: &str| stats[group][field].as_f64().unwrap_or_else(|| panic!("{group}.{field}"));
    for group in ["render_ms", "flip_to_present_ms"] {
        let [p50, p99, max] = ["p50", "p99", "max"].map(|field| number(group, field));
        assert!(0.0 < p50 && p50 <= p99 && p99 <= max, "{group}: {p50} {p99} {max}");
    }
    // Nothing is dropped where the machine waits: all that was drawn was shown.
    let presented = stats["frames_presented"].as_f64().expect("a number");
    assert_eq!((number("render_ms", "count"), number("flip_to_present_ms", "count")), (presented, 20.0));
    let seconds = (number("render_ms", "total") + number("render_unchanged_ms", "total")) / 1e3;
    let share = seconds / stats["wall_s"].as_f64().expect("a number");
    assert!((stats["render_share"].as_f64().expect("a number") - share).abs() < 1e-6);
    assert!(stats["frames_unchanged"].is_u64());
}

#[test]
fn until() {
    let folder = folder();
    let run = folder.headless("--until ready --stats stats.json echo.img").expect(0);
    assert!(run.stdout.ends_with("ready"), "nothing after it: {}", run.stdout);
    assert_eq!(stats(&folder)["exit"], "until");
}

#[test]
fn limits() {
    let folder = folder();
    let started = Instant::now();
    folder.headless("--timeout 0.3 --stats stats.json endless.img").expect(0);
    assert!(started.elapsed() >= Duration::from_millis(300));
    assert_eq!(stats(&folder)["exit"], "timeout");
    let run = folder.headless("--timeout 0.2 --until never endless.img").expect(3);
    assert!(run.stderr.contains("--timeout") && run.stderr.contains("never"), "{}", run.stderr);
    folder.headless("--timeout 0 endless.img").expect(0);
    let run = folder.headless("--max-instructions 100000 --until never endless.img").expect(3);
    assert!(run.stderr.contains("--max-instructions"), "{}", run.stderr);
    folder.headless("--deterministic --max-instructions 100003 --stats stats.json endless.img").expect(0);
    let stats = stats(&folder);
    assert_eq!(stats["exit"], "max-instructions");
    assert_eq!(stats["instructions_total"], 100_003);
}

#[test]
fn fewer_cores() {
    let folder = folder();
    folder.headless("--cores 2 --max-instructions 1000 --stats stats.json endless.img").expect(0);
    assert_eq!(stats(&folder)["instructions"].as_array().expect("one per core").len(), 2);
}

#[test]
fn what_is_typed_reaches_the_guest() {
    let folder = folder();
    let mut child =
        folder.tayberry(["--frontend", "headless", "--timeout", "30", "echo.img"]).stdin(Stdio::piped()).spawn().expect("a run");
    child.stdin.take().expect("a pipe").write_all(b"Hello, guest\x04").expect("it reads");
    let run = Ended::from(child.wait_with_output().expect("an end")).expect(0);
    assert!(run.stdout.contains("Hello, guest") && run.stdout.contains("echo: done"), "{}", run.stdout);
}

#[test]
fn both_serial_ports_to_files() {
    let folder = folder();
    let run = with_append(&folder, "echo.uart=1", "--serial file:u0 --serial file:u1 --until ready echo.img").expect(0);
    assert_eq!(run.stdout, "");
    assert!(folder.text("u1").contains("UART1"));
    assert!(!folder.text("u0").contains("UART1"));
}

#[test]
fn deterministic_runs_are_the_same_bytes() {
    let folder = folder();
    let run = |n: u32| {
        let args = format!("--deterministic --stats stats.json --frame-log log{n}.csv --screenshot shot{n}.png storm.img");
        let run = with_append(&folder, "storm.count=60 storm.hold_us=5000", &args).expect(0);
        (run.stdout, folder.text(&format!("log{n}.csv")), folder.read(&format!("shot{n}.png")), stats(&folder)["instructions"].clone())
    };
    let (first, second) = (run(1), run(2));
    assert!(first.1.lines().count() > 10, "there are frames: {}", first.1);
    assert_eq!(first, second);
}

#[test]
fn deterministic_input_from_a_file_is_the_same_too() {
    let folder = folder();
    let typed = folder.file("typed", b"one two three\r\x04");
    let run = || {
        let mut command = folder.tayberry(["--frontend", "headless", "--deterministic", "--stats", "stats.json", "echo.img"]);
        command.stdin(std::fs::File::open(&typed).expect("the file"));
        let run = Ended::of(command).expect(0);
        assert!(run.stdout.contains("one two three"), "{}", run.stdout);
        (run.stdout, stats(&folder)["instructions"].clone())
    };
    assert_eq!(run(), run());
}

#[test]
fn the_screenshot_shows_the_last_mode() {
    let folder = folder();
    with_append(&folder, "storm.count=7", "--screenshot shot.png storm.img").expect(0);
    let (width, height, pixels) = read_png(&folder.path("shot.png"));
    let expected = mode(1, 7, Kinds::Full);
    assert_eq!((width, height), (expected.width, expected.height));
    let [_, red, green, blue] = expected.colour_rgb.to_be_bytes();
    assert!(pixels.chunks_exact(3).all(|pixel| pixel == [red, green, blue]));
}

#[test]
fn a_picture_by_dma_with_a_palette() {
    let folder = folder();
    folder.file("blit.img", tayberry_guest::BLIT);
    // The guest's picture over again: bars on black, tiles over both, the first lines of the palette.
    let (width, height) = (320, 200);
    let mut indices = vec![0u8; width * height];
    for bar in 0..8 {
        for y in 20..180 {
            indices[y * width + 40 * bar..][..16].fill(32 * bar as u8 + 31);
        }
    }
    for tile in 0..4 {
        for at in 0..32 * 32 {
            let (x, y) = (8 + 80 * tile + at % 32, 30 + 40 * tile + at / 32);
            indices[y * width + x] = ((at / 32 * 8) ^ at) as u8;
        }
    }
    let colour = |&index: &u8| [index, index.wrapping_mul(3), 255 - index];
    let picture: Vec<u8> = indices.iter().flat_map(colour).collect();
    let rgba: Vec<u8> = indices.iter().flat_map(|index| [colour(index).as_slice(), &[0xff]].concat()).collect();
    for mode in ["--deterministic", ""] {
        let run = folder.headless(&format!("{mode} --screenshot shot.png --frame-log log.csv blit.img")).expect(0);
        assert!(run.stdout.contains("blit: 13 blocks, 1 interrupt, CS active 0 error 0, checksum ca968700"), "{}", run.stdout);
        assert!(read_png(&folder.path("shot.png")) == (width as u32, height as u32, picture.clone()), "the picture {mode}");
        let hash = format!(",320,200,8,{:016x}", xxhash_rust::xxh3::xxh3_64(&rgba));
        assert!(folder.text("log.csv").lines().last().is_some_and(|line| line.ends_with(&hash)), "the frame log {mode}");
    }
}

#[test]
fn a_screen_without_a_signal_is_black() {
    let folder = folder();
    folder.headless("--max-instructions 1000 --screenshot shot.png --contact-sheet sheet.png --frame-log log.csv endless.img").expect(0);
    let (width, height, pixels) = read_png(&folder.path("shot.png"));
    assert_eq!((width, height), (640, 480));
    assert!(pixels.iter().all(|&byte| byte == 0));
    assert_eq!(folder.text("log.csv"), "frame,time_s,generation,width,height,depth,xxh3\n");
    read_png(&folder.path("sheet.png"));
}

#[test]
fn the_frame_log_s_last_line_is_the_screenshot() {
    let folder = folder();
    with_append(&folder, "storm.count=7", "--deterministic --screenshot shot.png --frame-log log.csv storm.img").expect(0);
    let log = folder.text("log.csv");
    let last: Vec<&str> = log.lines().last().expect("a line").split(',').collect();
    let (width, height, rgb) = read_png(&folder.path("shot.png"));
    let rgba: Vec<u8> = rgb.chunks_exact(3).flat_map(|pixel| [pixel[0], pixel[1], pixel[2], 0xFF]).collect();
    assert_eq!(last[2..5], ["7".to_owned(), width.to_string(), height.to_string()]);
    assert_eq!(last[6], format!("{:016x}", xxhash_rust::xxh3::xxh3_64(&rgba)));
}

#[test]
fn traces_have_their_form() {
    let folder = folder();
    with_append(&folder, "storm.count=3", "--trace property --trace-file trace storm.img").expect(0);
    let trace = folder.text("trace");
    assert!(trace.lines().count() >= 3 && trace.lines().all(|line| line.contains(" [property] ")), "{trace}");
    let run = with_append(&folder, "storm.count=3", "--trace all storm.img").expect(0);
    assert!(run.stderr.contains("[property] ") && run.stderr.contains("[mailbox] "), "{}", run.stderr);
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let folder = folder();
    let mut command = folder.tayberry(["--frontend", "headless", "--append", "storm.count=200", "--stats", "stats.json", "storm.img"]);
    let mut child = command.spawn().expect("a run");
    drop(child.stdout.take());
    let mut stderr = String::new();
    child.stderr.take().expect("a pipe").read_to_string(&mut stderr).expect("text");
    assert_eq!(child.wait().expect("an end").code(), Some(0), "{stderr}");
    assert!(!stderr.contains("panic"), "{stderr}");
    assert_eq!(stats(&folder)["exit"], "poweroff");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_run_in_good_order() {
    use rustix::process::{Pid, Signal, kill_process};
    let folder = folder();
    let args = ["--frontend", "headless", "--stats", "stats.json", "--screenshot", "shot.png", "--until", "ever", "echo.img"];
    let mut child = folder.tayberry(args).spawn().expect("a run");
    let mut said = [0; 4];
    child.stdout.as_mut().expect("a pipe").read_exact(&mut said).expect("the guest speaks: it runs");
    kill_process(Pid::from_child(&child), Signal::INT).expect("it is there");
    let run = Ended::from(child.wait_with_output().expect("an end")).expect(130);
    assert!(!run.stderr.contains("panic"), "{}", run.stderr);
    assert_eq!(stats(&folder)["exit"], "stopped");
    read_png(&folder.path("shot.png"));
}

/// `1: ldr/str` to UART0 without end: x1 = 0x3f201000, w0 = 'a'.
#[cfg(unix)]
const CHATTER: &[u32] = &[0xd2a7_e401, 0xf282_0001, 0x5280_0c20, 0xb900_0020, 0x17ff_ffff];

#[cfg(unix)]
fn chatter(folder: &Folder) {
    let words: Vec<u8> = CHATTER.iter().flat_map(|word| word.to_le_bytes()).collect();
    folder.file("chatter.img", &words);
}

/// The most memory that a process has had, in KiB.
#[cfg(target_os = "linux")]
fn peak_memory(child: &std::process::Child) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).expect("it runs");
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).expect("a peak");
    line.split_whitespace().nth(1).expect("a number").parse().expect("a number")
}

#[cfg(target_os = "linux")]
#[test]
fn a_reader_that_never_reads_costs_neither_memory_nor_the_end() {
    let folder = folder();
    chatter(&folder);
    let mut child =
        folder.tayberry(["--frontend", "headless", "--timeout", "2", "--stats", "stats.json", "chatter.img"]).spawn().expect("a run");
    let unread = child.stdout.take();
    std::thread::sleep(Duration::from_millis(1500));
    let peak = peak_memory(&child);
    assert!(peak < 200_000, "{peak} KiB");
    let run = Ended::from(child.wait_with_output().expect("an end")).expect(0);
    assert!(run.stderr.contains("nobody read"), "{}", run.stderr);
    assert_eq!(stats(&folder)["exit"], "timeout");
    drop(unread);
}

#[cfg(target_os = "linux")]
#[test]
fn typing_without_end_costs_no_memory() {
    let folder = folder();
    let mut command = folder.tayberry(["--frontend", "headless", "--timeout", "2", "endless.img"]);
    let child = command.stdin(std::fs::File::open("/dev/zero").expect("it is there")).spawn().expect("a run");
    std::thread::sleep(Duration::from_millis(1500));
    let peak = peak_memory(&child);
    assert!(peak < 200_000, "{peak} KiB");
    Ended::from(child.wait_with_output().expect("an end")).expect(0);
}

#[cfg(unix)]
#[test]
fn a_second_ctrl_c_ends_at_once_whoever_reads_but_not_an_echo_of_the_first() {
    use rustix::process::{Pid, Signal, kill_process};
    let folder = folder();
    chatter(&folder);
    for again_after in [None, Some(Duration::ZERO), Some(Duration::from_millis(200))] {
        let mut child = folder.tayberry(["--frontend", "headless", "chatter.img"]).spawn().expect("a run");
        let mut unread = child.stdout.take().expect("a pipe");
        unread.read_exact(&mut [0; 4]).expect("the guest speaks: it runs");
        std::thread::sleep(Duration::from_millis(200));
        kill_process(Pid::from_child(&child), Signal::INT).expect("it is there");
        if let Some(pause) = again_after {
            std::thread::sleep(pause);
            kill_process(Pid::from_child(&child), Signal::TERM).expect("it waits for its reader");
        }
        let asked = Instant::now();
        let run = Ended::from(child.wait_with_output().expect("an end")).expect(130);
        assert!(asked.elapsed() < Duration::from_secs(10));
        let in_good_order = again_after.is_none_or(|pause| pause.is_zero());
        assert_eq!(run.stderr.contains("nobody read"), in_good_order, "{}", run.stderr);
    }
}

#[test]
fn a_guest_that_cannot_go_on_is_told_of_once() {
    let folder = folder();
    folder.file("udf.img", &[0; 64]);
    for mode in ["", "--deterministic"] {
        let run = folder.headless(&format!("{mode} --cores 1 udf.img")).expect(4);
        assert_eq!(
            (run.stderr.matches("crash report: core 0 is lost").count(), run.stderr.matches("cannot go on: core 0: ").count()),
            (1, 1),
            "{}",
            run.stderr
        );
    }
    let run = folder.headless("udf.img").expect(4);
    assert_eq!(
        (run.stderr.matches("crash report: core 0 is lost").count(), run.stderr.matches("cannot go on: core 0: ").count()),
        (1, 1),
        "{}",
        run.stderr
    );
}

#[test]
fn an_sd_card_keeps_what_is_written_only_if_it_may() {
    let folder = folder();
    folder.file("card.img", tayberry_guest::CARD);
    let content: Vec<u8> = (0..1 << 20).map(|byte: u32| (byte / 512) as u8).collect();
    folder.file("sd", &content);
    for args in ["", "--sd-writable"] {
        let run = with_append(&folder, "card.write=100 card.keep=1", &format!("--sd sd {args} card.img")).expect(0);
        assert!(run.stdout.contains("card: all ok"), "{}", run.stdout);
        assert_eq!(run.stderr, "");
        let after = folder.read("sd");
        let (from, to) = (100 * 512, 104 * 512);
        assert!(after[..from] == content[..from] && after[to..] == content[to..]);
        assert_eq!(after[from..to] == content[from..to], args.is_empty());
    }
}

#[test]
fn a_card_of_an_odd_size_is_told_of() {
    let folder = folder();
    folder.file("card.img", tayberry_guest::CARD);
    folder.file("sd", &[0; 5000]);
    let run = with_append(&folder, "", "--sd sd card.img").expect(0);
    assert!(run.stdout.contains("12 blocks, standard") && run.stdout.contains("card: all ok"), "{}", run.stdout);
    assert_eq!(run.stderr.lines().count(), 1);
    assert!(run.stderr.contains("5000 bytes are not whole blocks") && run.stderr.contains("6144"), "{}", run.stderr);
}

#[test]
fn sd_commands_are_traced() {
    let folder = folder();
    folder.file("card.img", tayberry_guest::CARD);
    folder.file("sd", &[0; 4096]);
    let run = with_append(&folder, "", "--sd sd --trace sd card.img").expect(0);
    for named in
        ["[sd] EMMC: CMD17 0x00000000 (READ_SINGLE_BLOCK): answers 0x", "[sd] SDHOST: CMD18 0x00000000", "[sd] EMMC: CMD8 0x000001aa"]
    {
        assert!(run.stderr.contains(named), "{named}: {}", run.stderr);
    }
}

#[test]
fn the_demo_s_tour() {
    let folder = folder();
    let run = Ended::of(folder.tayberry(["--timeout", "100"])).expect(0);
    assert!(run.stdout.contains("demo: tour complete"), "{}", run.stdout);
    assert!(
        run.stderr.lines().next().is_some_and(|line| line.contains("no display") && line.contains("tayberry-demo.png")),
        "{}",
        run.stderr
    );
    let (width, height, pixels) = read_png(&folder.path("tayberry-demo.png"));
    assert!(width > 1000 && height > 500, "several modes: {width}x{height}");
    let colours: std::collections::HashSet<&[u8]> = pixels.chunks_exact(3).collect();
    assert!(colours.len() > 1000, "something is to be seen: {} colours", colours.len());
}
