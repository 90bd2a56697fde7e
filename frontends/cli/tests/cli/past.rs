//! States that are saved and loaded, and runs that are recorded and had again.

use crate::program::{Ended, Folder};
use std::io::Write;
use std::process::Stdio;
use std::time::Duration;

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("echo.img", tayberry_guest::ECHO);
    folder.file("usbkbd.img", tayberry_guest::USBKBD);
    folder.file("demo.img", tayberry_guest::DEMO);
    folder.file("smp.img", tayberry_guest::SMP);
    folder
}

fn run(folder: &Folder, args: &str, kernel: &str) -> Ended {
    Ended::of(folder.tayberry(["--frontend", "headless"].into_iter().chain(args.split_whitespace()).chain([kernel])))
}

/// What a run's statistics say that belongs to the guest.
fn stats(folder: &Folder) -> [serde_json::Value; 2] {
    let stats: serde_json::Value = serde_json::from_slice(&folder.read("s.json")).expect("JSON");
    [stats["instructions"].clone(), stats["guest_s"].clone()]
}

/// Runs the echo and types at it now and then, by the host's time.
fn record(folder: &Folder, args: &str) -> Ended {
    let args = format!("--deterministic --timeout 120 --record-input r {args} echo.img");
    let command = ["--frontend", "headless"].into_iter().chain(args.split_whitespace());
    let mut child = folder.tayberry(command).stdin(Stdio::piped()).spawn().expect("a run");
    let mut input = child.stdin.take().expect("a pipe");
    for typed in [&b"Hel"[..], b"lo, ", b"guest", b"\x04"] {
        std::thread::sleep(Duration::from_millis(150));
        input.write_all(typed).expect("it reads");
    }
    Ended::from(child.wait_with_output().expect("it ends")).expect(0)
}

#[test]
fn a_recorded_run_can_be_had_again_to_the_last_byte() {
    let folder = folder();
    let first = record(&folder, "--stats s.json");
    assert!(first.stdout.ends_with("Hello, guest\r\necho: done\r\n"), "{:?}", first.stdout);
    let seen = stats(&folder);
    // Whoever looks on, or translates, changes nothing.
    for more in ["", "--jit off", "--fps 1000 --frame-log f.csv", "--every-flip --record v.png"] {
        let again = run(&folder, &format!("--deterministic --replay-input r --stats s.json {more}"), "echo.img").expect(0);
        assert_eq!(again.stdout, first.stdout, "{more}");
        assert_eq!(stats(&folder), seen, "{more}");
        assert!(again.stderr.contains("printed what the recorded run printed"), "{}", again.stderr);
    }
}

#[test]
fn a_run_that_a_limit_ended_ends_again_at_the_same_instruction() {
    let folder = folder();
    for limits in ["--until Hel", "--max-instructions 777777"] {
        let recorded =
            run(&folder, &format!("--deterministic --timeout 60 --type Hello --record-input r --stats s.json {limits}"), "echo.img")
                .expect(0);
        let seen = stats(&folder);
        let again = run(&folder, "--deterministic --type Hello --replay-input r --stats s.json", "echo.img").expect(0);
        assert_eq!((again.stdout, stats(&folder)), (recorded.stdout, seen), "{limits}");
        // What a script types is part of what the run is made from, and not recorded.
        let other = run(&folder, "--deterministic --replay-input r", "echo.img").expect(2);
        assert!(other.stderr.contains("--replay-input r: it is of a machine with another --type text"), "{}", other.stderr);
    }
}

#[test]
fn keys_of_a_usb_keyboard_and_four_cores_go_on_from_a_state_as_if_it_had_not_been_saved() {
    let folder = folder();
    let args = "--deterministic --type-after ready --type-usb Hello\\n\\e --stats s.json";
    let straight = run(&folder, args, "usbkbd.img").expect(0);
    let seen = stats(&folder);
    for (at, jit) in [(1_000_000, "--jit off"), (6_000_000, ""), (12_345_678, "")] {
        let first = run(&folder, &format!("{args} --max-instructions {at} --save-state st {jit}"), "usbkbd.img").expect(0);
        let second = run(&folder, "--deterministic --stats s.json --load-state st", "usbkbd.img").expect(0);
        assert_eq!(first.stdout + &second.stdout, straight.stdout, "saved at {at}");
        assert_eq!(stats(&folder), seen, "saved at {at}");
    }
    let straight = run(&folder, "--deterministic --stats s.json", "smp.img").expect(0);
    let seen = stats(&folder);
    let first = run(&folder, "--deterministic --max-instructions 300000 --save-state st", "smp.img").expect(0);
    let second = run(&folder, "--deterministic --stats s.json --load-state st", "smp.img").expect(0);
    assert_eq!((first.stdout + &second.stdout, stats(&folder)), (straight.stdout, seen));
}

#[test]
fn the_screen_of_a_state_is_the_screen_that_was_saved_and_goes_on() {
    let folder = folder();
    for time in ["--deterministic", ""] {
        run(&folder, &format!("{time} --append demo.mode_ms=400 --until 800x600 --save-state st --screenshot a.png"), "demo.img").expect(0);
        let begin = format!("{time} --append demo.mode_ms=400 --load-state st");
        run(&folder, &format!("{begin} --max-instructions 1 --screenshot b.png"), "demo.img").expect(0);
        if !time.is_empty() {
            assert_eq!(folder.read("a.png"), folder.read("b.png"));
        }
        let on = run(&folder, &format!("{begin} --until 1280x720"), "demo.img").expect(0);
        assert!(on.stdout.contains("1280x720") && !on.stdout.contains("640x480"), "{}", on.stdout);
    }
}

#[test]
fn a_recording_goes_on_from_a_state_and_a_state_from_a_recording() {
    let folder = folder();
    run(&folder, "--deterministic --until powers --save-state st", "echo.img").expect(0);
    let recorded = record(&folder, "--load-state st");
    assert!(recorded.stdout.contains("Hello, guest"), "{}", recorded.stdout);
    let again = run(&folder, "--deterministic --load-state st --replay-input r", "echo.img").expect(0);
    assert_eq!(again.stdout, recorded.stdout);
    let other = run(&folder, "--deterministic --replay-input r", "echo.img").expect(2);
    assert!(other.stderr.contains("another saved state") && other.stderr.contains("power-on here"), "{}", other.stderr);
    // Half of the replay, saved.
    run(&folder, "--deterministic --load-state st --replay-input r --until Hel --save-state half", "echo.img").expect(0);
    let rest = run(&folder, "--deterministic --load-state half --type .\\x04", "echo.img").expect(0);
    assert!(rest.stdout.contains('.') && rest.stdout.ends_with("echo: done\r\n"), "{:?}", rest.stdout);
}

#[test]
fn files_that_cannot_be_used_are_one_line_and_status_2() {
    let folder = folder();
    run(&folder, "--deterministic --until powers --save-state st --record-input r", "echo.img").expect(0);
    let (state, recording) = (folder.read("st"), folder.read("r"));
    folder.file("cut.st", &state[..state.len() / 2]);
    folder.file("cut.r", &recording[..recording.len() - 1]);
    let mut changed = state.clone();
    changed[state.len() / 2] ^= 1;
    folder.file("changed.st", &changed);
    let old: Vec<u8> = recording[..16].iter().chain(&[9, 0, 0, 0]).copied().collect();
    folder.file("old.r", &old);
    for (args, why) in [
        ("--deterministic --load-state nothing", "No such file"),
        ("--deterministic --load-state echo.img", "it is not a saved state of a machine"),
        ("--deterministic --load-state r", "it is not a saved state of a machine"),
        ("--deterministic --load-state cut.st", "it is damaged: it is cut short, or was changed"),
        ("--deterministic --load-state changed.st", "damaged"),
        ("--load-state st", "it is of a machine with another time: deterministic there, realtime here"),
        ("--deterministic --cores 2 --load-state st", "another number of cores: 4 there, 2 here"),
        ("--deterministic --append x --load-state st", "another command line: the firmware's own there, x here"),
        ("--deterministic --keyboard serial --load-state st", "another set of USB devices"),
        ("--deterministic --replay-input st", "it is not a recording of input"),
        ("--deterministic --replay-input cut.r", "it is damaged: it is cut short, or was changed"),
        ("--deterministic --replay-input old.r", "its format has version 9, this program reads version 1"),
        ("--replay-input r", "--deterministic"),
        ("--record-input x", "--deterministic"),
        ("--deterministic --record-input r --replay-input r", "cannot be used with"),
        ("--deterministic --save-state st --load-state st", "the same file as --load-state"),
        ("--save-state no/such/folder", "--save-state no/such/folder: cannot be written"),
    ] {
        let refused = run(&folder, args, "echo.img").expect(2);
        assert!(refused.stderr.contains(why) && refused.stderr.lines().count() == 1, "{args}: {}", refused.stderr);
    }
    let other = run(&folder, "--deterministic --load-state st", "demo.img").expect(2);
    assert!(other.stderr.contains("it is of a machine with another kernel"), "{}", other.stderr);
    // What cannot go on is not saved.
    let over = run(&folder, "--deterministic --type \\x04 --save-state over", "echo.img").expect(2);
    assert!(over.stderr.contains("nothing is saved: the guest has switched the power off"), "{}", over.stderr);
}
