//! `--record-input` and `--replay-input`: a run with input at arbitrary times of the host is had again to the last byte.

use crate::program::{Ended, Folder};
use std::io::Write;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread::sleep;
use std::time::Duration;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::handle::{Control, ExitReason, Input, Limits};
use tayberry_engine::history::{Entry, Event};
use tayberry_engine::machine::{Machine, prepare};
use tayberry_engine::{Attendant, ClockMode};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("echo.img", tayberry_guest::ECHO);
    folder.file("usbkbd.img", tayberry_guest::USBKBD);
    folder.file("demo.img", tayberry_guest::DEMO);
    folder
}

const SAME: &str = "the replay printed what the recorded run printed";

/// Runs with `args`, the command line `append` and nothing on stdin; typed pieces come a while apart.
fn run(folder: &Folder, append: &str, args: &[&str], typed: &[&str]) -> Ended {
    let always = ["--frontend", "headless", "--deterministic", "--append", append];
    let mut command = folder.tayberry(always.iter().chain(args));
    if typed.is_empty() {
        return Ended::of(command);
    }
    let mut child = command.stdin(Stdio::piped()).spawn().expect("the program can be started");
    let mut stdin = child.stdin.take().expect("a pipe");
    for piece in typed {
        sleep(Duration::from_millis(60));
        // A run that is over takes no more.
        let _ = stdin.write_all(piece.as_bytes()).and_then(|()| stdin.flush());
    }
    let ended = child.wait_with_output().expect("it ends");
    drop(stdin);
    Ended::from(ended)
}

fn stats(folder: &Folder, name: &str) -> [serde_json::Value; 3] {
    let stats: serde_json::Value = serde_json::from_slice(&folder.read(name)).expect("JSON");
    ["instructions", "guest_s", "exit"].map(|what| stats[what].clone())
}

#[test]
fn what_was_typed_at_any_time_comes_at_the_same_instruction_again() {
    let folder = folder();
    let (frames, jit) = (["--fps", "1000", "--screenshot", "x.png"], ["--jit", "off"]);
    // A guest that polls, and guests that sleep: with somebody who looks at frames in either run, or in neither.
    for append in
        ["echo.stamp=1", "echo.stamp=1 echo.wait=1000", "echo.stamp=1 echo.wait=100000", "echo.stamp=1 echo.irq=1 echo.wait=100000"]
    {
        for (recorded, replays) in [(&[][..], [&[][..], &frames, &jit]), (&frames, [&[], &["--fps", "30", "--screenshot", "x.png"], &jit])]
        {
            let first =
                run(&folder, append, &[&["--record-input", "r", "echo.img"], recorded].concat(), &["ab", "c\r", "d", "\x04"]).expect(0);
            assert_eq!(first.stdout.matches(':').count(), 7, "{append}: {}", first.stdout);
            for more in replays {
                let again = run(&folder, append, &[&["--replay-input", "r", "echo.img"], more].concat(), &["not heard"]).expect(0);
                assert_eq!(again.stdout, first.stdout, "{append}: {recorded:?}, {more:?}");
                assert!(again.stderr.contains(SAME), "{}", again.stderr);
            }
        }
    }
}

#[test]
fn a_run_ends_where_the_recorded_one_ended() {
    let folder = folder();
    // By the guest, by time in a loop and asleep, within a slice, and within what a slice prints.
    for (append, limit) in [
        ("echo.stamp=1", &[][..]),
        ("echo.stamp=1", &["--timeout", "0.2"]),
        ("echo.stamp=1 echo.wait=50000", &["--timeout", "0.2"]),
        ("echo.stamp=1", &["--max-instructions", "12345678"]),
        ("echo.stamp=1", &["--until", "Ctrl-D po"]),
    ] {
        let args = [&["--record-input", "r", "--stats", "first.json", "echo.img"], limit].concat();
        let first = run(&folder, append, &args, &["ab", "\x04"]).expect(0);
        let again = run(&folder, append, &["--replay-input", "r", "--stats", "again.json", "echo.img"], &[]).expect(0);
        assert_eq!(again.stdout, first.stdout, "{limit:?}");
        assert!(again.stderr.contains(SAME), "{limit:?}: {}", again.stderr);
        let ([instructions, time, exit], [instructions_again, time_again, exit_again]) =
            (stats(&folder, "first.json"), stats(&folder, "again.json"));
        assert_eq!((instructions, time), (instructions_again, time_again), "{append} {limit:?}");
        // The guest's own end is its own again.
        assert_eq!(exit_again, if exit == "poweroff" { exit } else { "played".into() });
    }
    // A limit of the replay's own may come first.
    run(&folder, "echo.stamp=1", &["--record-input", "r", "echo.img"], &["ab", "\x04"]).expect(0);
    let early = run(&folder, "echo.stamp=1", &["--replay-input", "r", "--until", "ready", "echo.img"], &[]).expect(0);
    assert!(early.stderr.contains("stopped before"), "{}", early.stderr);
    let late = run(&folder, "echo.stamp=1", &["--replay-input", "r", "--until", "never", "echo.img"], &[]);
    assert!(late.stdout.ends_with("echo: done\n") || late.stdout.ends_with("echo: done\r\n"), "{}", late.stdout);
}

#[test]
fn pictures_are_the_same() {
    let folder = folder();
    let pictures = |log, picture| ["--frame-log", log, "--screenshot", picture];
    let record = [&["--timeout", "0.3", "--record-input", "r", "demo.img"], &pictures("a.csv", "a.png")[..]].concat();
    run(&folder, "", &record, &[]).expect(0);
    for jit in ["on", "off"] {
        let replay = [&["--replay-input", "r", "--jit", jit, "demo.img"], &pictures("b.csv", "b.png")[..]].concat();
        run(&folder, "", &replay, &[]).expect(0);
        assert!(folder.text("a.csv").lines().count() > 2);
        assert_eq!(folder.text("a.csv"), folder.text("b.csv"));
        assert_eq!(folder.read("a.png"), folder.read("b.png"));
    }
}

#[test]
fn a_script_types_in_the_replay_too() {
    let folder = folder();
    let script = ["--type-after", "ready", "--type-usb", "abc\\e", "usbkbd.img"];
    let first = run(&folder, "", &[&["--record-input", "r"], &script[..]].concat(), &[]).expect(0);
    assert!(first.stdout.contains("abc"), "{}", first.stdout);
    let again = run(&folder, "", &[&["--replay-input", "r"], &script[..]].concat(), &[]).expect(0);
    assert_eq!(again.stdout, first.stdout);
    let other = run(&folder, "", &["--replay-input", "r", "usbkbd.img"], &[]).expect(2);
    assert!(other.stderr.contains("--type"), "{}", other.stderr);
}

#[test]
fn what_cannot_be_replayed_is_refused_in_a_line() {
    let folder = folder();
    run(&folder, "", &["--record-input", "r", "echo.img"], &["hello", "\x04"]).expect(0);
    let whole = folder.read("r");
    let refused = |append: &str, args: &[&str], named: &str| {
        let refused = run(&folder, append, args, &[]).expect(2);
        assert!(refused.stdout.is_empty() && refused.stderr.contains(named), "{args:?}: {}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 1, "{}", refused.stderr);
    };
    refused("", &["--replay-input", "r", "demo.img"], "another kernel");
    refused("x", &["--replay-input", "r", "echo.img"], "another command line");
    refused("", &["--replay-input", "r", "--cores", "1", "echo.img"], "another number of cores");
    refused("", &["--replay-input", "r", "--keyboard", "serial", "echo.img"], "USB devices");
    refused("", &["--replay-input", "echo.img", "demo.img"], "not a recording of input");
    refused("", &["--replay-input", "none", "echo.img"], "none");
    refused("", &["--replay-input", "r", "--record-input", "r", "echo.img"], "--record-input");
    for length in [0, 3, 15, 16, 19, 20, 100, whole.len() / 2, whole.len() - 1] {
        folder.file("short", &whole[..length]);
        refused("", &["--replay-input", "short", "echo.img"], if length < 16 { "not a recording" } else { "cut short" });
    }
    for at in [0, 17, 25, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] ^= 0x10;
        folder.file("changed", &changed);
        refused("", &["--replay-input", "changed", "echo.img"], "--replay-input changed");
    }
    let realtime = Ended::of(folder.tayberry(["--replay-input", "r", "echo.img"])).expect(2);
    assert!(realtime.stderr.contains("--deterministic"), "{}", realtime.stderr);
}

#[test]
fn what_a_killed_run_got_is_in_the_file() {
    let folder = folder();
    let args = ["--frontend", "headless", "--deterministic", "--record-input", "r", "echo.img"];
    let mut child = folder.tayberry(args).stdin(Stdio::piped()).spawn().expect("the program can be started");
    child.stdin.as_mut().expect("a pipe").write_all(b"last words").expect("it reads");
    let written = || folder.path("r").exists() && folder.read("r").windows(10).any(|ten| ten == b"last words");
    for _ in 0..1000 {
        if written() {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    child.kill().expect("it runs");
    child.wait().expect("it is over");
    assert!(written());
    let refused = run(&folder, "", &["--replay-input", "r", "echo.img"], &[]);
    assert_eq!(refused.status, 2, "its end is missing: {}", refused.stderr);
}

/// Records, or plays.
struct Player {
    recorded: Arc<Mutex<Vec<Entry>>>,
    plays: bool,
    began: bool,
}

impl Attendant for Player {
    fn begins(&mut self, machine: &mut Machine) {
        if std::mem::replace(&mut self.began, true) {
            return;
        }
        let recorded = Arc::clone(&self.recorded);
        if self.plays {
            machine.play(recorded.lock().expect("sane").drain(..).collect::<Vec<_>>());
        } else {
            machine.record(Box::new(move |entry| recorded.lock().expect("sane").push(entry.clone())));
        }
    }
}

/// What a board prints on UART0 while `disturb` has it, how much each core has run, guest time, and how it ended.
fn board(kernel: &[u8], append: &str, player: Player, disturb: impl FnOnce(&Control)) -> (Vec<u8>, [u64; 4], u64, ExitReason) {
    let (append, mode) = (Some(append.to_owned()), ClockMode::Deterministic);
    let board = Raspi3b::new(BoardOptions { kernel: kernel.to_vec(), append, mode, ..BoardOptions::default() }).expect("a good kernel");
    let (handle, mut starter) = prepare();
    starter.attend(Box::new(player));
    let limits = Limits { timeout: Some(Duration::from_secs(120)), ..Limits::default() };
    let running = starter.start(limits, move |shared| board.build(shared)).expect("it starts");
    disturb(&handle.control);
    let reason = running.join();
    let printed = handle.serial[0].try_iter().flatten().collect();
    (printed, std::array::from_fn(|core| handle.stats.instructions[core].get()), handle.stats.guest_ns.get(), reason)
}

#[test]
fn keys_the_mouse_resets_and_pauses_in_the_middle() {
    let wait = |ms| sleep(Duration::from_millis(ms));
    let guests =
        [(tayberry_guest::ECHO, "echo.stamp=1"), (tayberry_guest::ECHO, "echo.stamp=1 echo.wait=20000"), (tayberry_guest::USBKBD, "")];
    for (kernel, append) in guests {
        let recorded = Arc::default();
        let player = |plays| Player { recorded: Arc::clone(&recorded), plays, began: false };
        let first = board(kernel, append, player(false), |control| {
            let key = |usage| [true, false].into_iter().for_each(|pressed| control.send(Input::Keyboard { usage, pressed }));
            let mouse = |dx| control.send(Input::Mouse { buttons: 0, dx, dy: -dx, wheel: 0 });
            for turn in 0..4 {
                wait(50);
                control.type_serial(0, format!("t{turn}"));
                key(4 + turn);
                wait(7);
                mouse(i16::from(turn));
                control.set_paused(true);
                wait(10);
                control.set_paused(false);
                wait(20);
                if turn % 2 == 0 {
                    control.reset();
                }
            }
            wait(50);
            control.stop();
        });
        let events: Vec<Entry> = recorded.lock().expect("sane").clone();
        assert_eq!(events.iter().filter(|entry| matches!(entry.event, Event::Reset { .. })).count(), 2);
        assert_eq!((first.3.clone(), &events.last().expect("an end").when.cycle), (ExitReason::Stopped, &2));
        let again = board(kernel, append, player(true), |control| {
            control.type_serial(0, "not heard");
            control.reset();
        });
        assert_eq!(String::from_utf8_lossy(&again.0), String::from_utf8_lossy(&first.0), "{append}");
        assert_eq!((again.1, again.2, again.3), (first.1, first.2, ExitReason::Played), "{append}");
    }
}
