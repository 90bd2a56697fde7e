//! Semihosting as a user meets it: exit statuses, files in a directory, the console.

use crate::program::{Ended, Folder};
use std::io::Write;
use std::process::{Command, Stdio};

fn folder() -> Folder {
    let folder = Folder::new();
    folder.file("semihost.img", tayberry_guest::SEMIHOST);
    std::fs::create_dir(folder.path("files")).expect("a directory");
    folder
}

/// The program with these arguments and the guest's options.
fn command(folder: &Folder, args: &str, append: &str) -> Command {
    let args = ["--frontend", "headless", "--timeout", "60", "--append", append].into_iter().chain(args.split_whitespace());
    folder.tayberry(args.chain(["semihost.img"]))
}

/// What it printed with the checks taken out, which were all good.
fn rest(run: &Ended) -> String {
    assert!(!run.stdout.contains("FAIL"), "{}", run.stdout);
    run.stdout.lines().filter(|line| !line.starts_with("ok ")).map(|line| format!("{line}\n")).collect()
}

#[test]
fn every_call_translated_or_not_in_guest_time_or_not() {
    for args in ["", "--jit off", "--deterministic", "--deterministic --jit off"] {
        let folder = folder();
        let run = Ended::of(command(&folder, &format!("--semihosting files {args}"), "semihost.wrong=1 semihost.cores=1")).expect(0);
        assert_eq!(rest(&run), "[console]\n122333\nsemihost: all ok\n", "{args}");
        assert!(run.stdout.lines().count() > 50, "{}", run.stdout);
        assert_eq!(std::fs::read_dir(folder.path("files")).expect("the directory").count(), 0, "it has cleaned up");
    }
}

#[test]
fn the_same_instructions_retire_translated_or_not() {
    let stats = |jit: &str| {
        let folder = folder();
        Ended::of(command(&folder, &format!("--semihosting files --deterministic --jit {jit} --stats s.json"), "semihost.cores=1"))
            .expect(0);
        let stats: serde_json::Value = serde_json::from_slice(&folder.read("s.json")).expect("JSON");
        assert_eq!((&stats["exit"], &stats["exit_status"]), (&"guest-exit".into(), &0.into()));
        (stats["instructions"].clone(), stats["guest_s"].clone())
    };
    assert_eq!(stats("on"), stats("off"));
}

#[test]
fn the_guests_code_is_the_exit_status() {
    let folder = folder();
    for (append, status) in
        [("semihost.exit=0", 0), ("semihost.exit=42", 42), ("semihost.exit=256", 1), ("semihost.extended=1 semihost.exit=7", 7)]
    {
        let run = Ended::of(command(&folder, "--semihosting files", append)).expect(status);
        assert!(run.stdout.trim_end().ends_with("semihost: all ok"), "{}", run.stdout);
    }
}

#[test]
fn a_console_without_files() {
    let folder = folder();
    let run = Ended::of(command(&folder, "--semihosting-console", "semihost.files=0 semihost.exit=5")).expect(5);
    assert_eq!(rest(&run), "[console]\nsemihost: all ok\n");
    // With the UART elsewhere the console is on stdout alone, and --until sees it.
    let run = Ended::of(command(&folder, "--semihosting-console --serial file:uart.txt", "semihost.files=0")).expect(0);
    assert_eq!(run.stdout, "[console]\n");
    assert!(folder.text("uart.txt").trim_end().ends_with("semihost: all ok"));
    let run = Ended::of(command(&folder, "--semihosting-console --serial null --until consol", "semihost.files=0")).expect(0);
    assert_eq!(run.stdout, "[consol");
}

#[test]
fn the_console_reads_what_is_typed_to_its_end() {
    for args in ["", "--deterministic", "--serial null"] {
        let folder = folder();
        let mut command = command(&folder, &format!("--semihosting-console {args}"), "semihost.files=0 semihost.read=1 semihost.exit=9");
        let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
        child.stdin.take().expect("a pipe").write_all(b"typed\n!").expect("it reads");
        let run = Ended::from(child.wait_with_output().expect("it ends")).expect(9);
        assert!(!run.stdout.contains("FAIL"), "{}", run.stdout);
    }
}

#[test]
fn off_it_is_what_it_is_on_hardware() {
    let folder = folder();
    let run = Ended::of(command(&folder, "", "")).expect(0);
    // Undefined instruction: exception class 0, one word long.
    assert!(run.stdout.contains("unexpected synchronous exception on core 0: ESR 0x2000000 "), "{}", run.stdout);
}

#[test]
fn directories_that_cannot_be_used() {
    let folder = folder();
    for args in ["--semihosting nothere", "--semihosting semihost.img", "--semihosting files --semihosting-console"] {
        let run = Ended::of(command(&folder, args, "")).expect(2);
        assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
        assert!(run.stderr.contains("--semihosting"), "{}", run.stderr);
    }
}

/// `cargo test` of a kernel in Rust, as its author runs it: the crate's own `.cargo/config.toml` names `tayberry` as the runner.
#[test]
fn a_rust_kernels_cargo_test() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let libdir = Command::new("rustc").args(["--print", "target-libdir", "--target", "aarch64-unknown-none"]).output();
    let installed = libdir.is_ok_and(|libdir| std::path::Path::new(String::from_utf8_lossy(&libdir.stdout).trim()).exists());
    if !installed {
        println!("skipped: no target aarch64-unknown-none (rustup target add aarch64-unknown-none)");
        return;
    }
    let folder = Folder::new();
    let program = std::path::PathBuf::from(folder.tayberry([] as [&str; 0]).get_program());
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(program.parent().map(Into::into).into_iter().chain(std::env::split_paths(&path))).expect("a path");
    let test = |args: &[&str]| {
        let mut command = Command::new(&cargo);
        command.args(["test", "--offline"]).args(args).current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../guest/rust-tests"));
        command.env("PATH", &path).env("CARGO_TARGET_DIR", folder.path("target")).env_remove("RUSTFLAGS").stdin(Stdio::null());
        Ended::of(command)
    };
    let good = test(&[]).expect(0);
    assert!(good.stdout.contains("test machine::floating_point_works ... ok\n"), "{}", good.stdout);
    assert!(good.stdout.contains("test result: ok. 5 passed\n"), "{}", good.stdout);
    assert!(good.stdout.contains("test an_index_out_of_range_panics ... ok\n"), "{}", good.stdout);
    let bad = test(&["--features", "fail"]);
    assert_ne!(bad.status, 0);
    assert!(bad.stdout.contains("test machine::nothing_fails_that_should_not ... FAILED"), "{}", bad.stdout);
    assert!(bad.stdout.contains("panicked at tests/machine.rs:"), "{}", bad.stdout);
    assert!(bad.stderr.contains("exit status: 1"), "{}", bad.stderr);
}
