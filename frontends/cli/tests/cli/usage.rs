//! Arguments and files that cannot be used: one line on stderr, status 2, and nothing is run.

use crate::headless::ENDLESS;
use crate::program::{Ended, Folder};

/// An ELF header of 64 bytes: class (1: 32 bits, 2: 64), byte order (1: little, 2: big), machine.
fn elf(class: u8, order: u8, machine: u16) -> Vec<u8> {
    let mut header = vec![0; 64];
    header[..7].copy_from_slice(&[0x7F, b'E', b'L', b'F', class, order, 1]);
    let half = |value: u16| if order == 2 { value.to_be_bytes() } else { value.to_le_bytes() };
    header[16..18].copy_from_slice(&half(2));
    header[18..20].copy_from_slice(&half(machine));
    header
}

const ARM: u16 = 40;
const X86_64: u16 = 62;
const AARCH64: u16 = 183;

#[test]
fn options() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    for (args, named) in [
        ("--bogus k", "--bogus"),
        ("k another", "another"),
        ("--cores 0 k", "--cores"),
        ("--cores 5 k", "--cores"),
        ("--cores two k", "--cores"),
        ("--serial stdio --serial stdio k", "stdio"),
        ("--serial null --serial null --serial null k", "twice"),
        ("--serial telnet:1 k", "--serial"),
        ("--timeout -3 k", "--timeout"),
        ("--timeout nan k", "--timeout"),
        ("--max-instructions many k", "--max-instructions"),
        ("--jit maybe k", "--jit"),
        ("--jit", "--jit"),
        ("--jit-cache 3 k", "4..=1024"),
        ("--jit-cache 1025 k", "4..=1024"),
        ("--jit-cache lots k", "--jit-cache"),
        ("--jit off --perf-map k", "--perf-map"),
        ("--sd-writable k", "--sd <FILE>"),
        ("--gdb nowhere k", "is no address to listen at"),
        ("--gdb-nowait k", "--gdb"),
        ("--trace mailbox,typo k", "typo"),
    ] {
        folder.headless(args).unusable(named);
    }
}

#[test]
fn help_and_version_go_to_stdout() {
    let folder = Folder::new();
    for (option, named) in [("--help", "--max-instructions"), ("-h", "--max-instructions"), ("--version", env!("CARGO_PKG_VERSION"))] {
        let run = Ended::of(folder.tayberry([option])).expect(0);
        assert!(run.stdout.contains(named) && run.stderr.is_empty(), "{option}");
    }
}

#[test]
fn kernels() {
    let folder = Folder::new();
    folder.headless("missing.img").unusable("missing.img");
    folder.headless(".").unusable("kernel");
    folder.file("empty.img", b"");
    folder.headless("empty.img").unusable("empty");
    let large = std::fs::File::create(folder.path("large.img")).expect("a file");
    large.set_len(3 << 30).expect("a hole of 3 GiB");
    folder.headless("large.img").unusable("large");
    for (name, header) in [
        ("arm.elf", elf(1, 1, ARM)),
        ("big.elf", elf(2, 2, AARCH64)),
        ("pc.elf", elf(2, 1, X86_64)),
        ("cut.elf", elf(2, 1, AARCH64)[..20].to_vec()),
    ] {
        folder.file(name, &header);
        folder.headless(name).unusable(name);
    }
}

#[test]
fn device_trees_and_ram_disks() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    folder.file("empty", b"");
    folder.file("broken.dtb", b"This is no device tree, whatever its name says.");
    folder.headless("--dtb missing k").unusable("missing");
    folder.headless("--dtb empty k").unusable("empty");
    folder.headless("--dtb broken.dtb k").unusable("broken.dtb");
    folder.headless("--initrd missing k").unusable("missing");
    folder.headless("--initrd empty k").unusable("empty");
}

#[test]
fn sd_cards() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    folder.file("empty", b"");
    folder.file("small", &[1; 511]);
    std::fs::File::create(folder.path("large")).and_then(|file| file.set_len((2 << 40) + 1)).expect("a hole");
    for writable in ["", "--sd-writable"] {
        for (card, named) in [("missing", "missing"), (".", "directory"), ("empty", "empty"), ("small", "511 bytes"), ("large", "2 TiB")] {
            folder.headless(&format!("--sd {card} {writable} k")).unusable(named);
        }
    }
    folder.file("card", &[1; 512]);
    folder.headless("--sd card --stats card k").unusable("same file");
    folder.headless("--sd k --sd-writable k").unusable("same file");
}

#[cfg(unix)]
#[test]
fn a_card_that_may_not_be_written() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    let card = folder.file("card", &[1; 512]);
    let mut permissions = std::fs::metadata(&card).expect("a file").permissions();
    permissions.set_readonly(true);
    std::fs::set_permissions(&card, permissions).expect("it is ours");
    if std::fs::OpenOptions::new().write(true).open(&card).is_err() {
        folder.headless("--sd card --sd-writable k").unusable("cannot be written");
    }
    folder.headless("--sd card --max-instructions 1000 k").expect(0);
}

#[test]
fn outputs_are_tried_before_the_run() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    for option in ["--screenshot", "--frame-log", "--contact-sheet", "--stats", "--trace mmio --trace-file"] {
        let named = option.rsplit(' ').next().expect("a word");
        // No limit: were it started, it would never end.
        folder.headless(&format!("{option} nowhere/file k")).unusable(named);
        folder.headless(&format!("{option} . k")).unusable(named);
    }
    folder.headless("--serial file:nowhere/file k").unusable("--serial");
}

#[test]
fn no_file_is_used_twice() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    folder.headless("--stats out --screenshot ./out k").unusable("same file");
    folder.headless("--serial file:k k").unusable("same file");
    assert_eq!(folder.read("k"), ENDLESS, "the kernel is intact");
}

#[test]
fn a_window_without_a_display() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    Ended::of(folder.tayberry(["--frontend", "desktop", "k"])).unusable("display");
    let bad = {
        let mut command = folder.tayberry(["--frontend", "desktop", "k"]);
        command.env("DISPLAY", ":98765");
        command
    };
    Ended::of(bad).unusable("display");
}

#[test]
fn without_a_display_auto_runs_headless_and_says_so() {
    let folder = Folder::new();
    folder.file("k", ENDLESS);
    let run = Ended::of(folder.tayberry(["--max-instructions", "1000", "k"])).expect(0);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(run.stderr.contains("no display") && run.stderr.contains("headless"), "{}", run.stderr);
}
