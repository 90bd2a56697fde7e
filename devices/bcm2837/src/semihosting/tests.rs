//! Calls as a core makes them, on memory that is a vector.

use super::calls::operation as op;
use super::files::errno;
use super::*;
use std::path::Path;
use tayberry_engine::bench::Bench;
use tayberry_engine::serial::CONSOLE;

/// Where a parameter block is, and where data is.
const BLOCK: u64 = 0x1000;
const DATA: u64 = 0x2000;
const OTHER: u64 = 0x8_0000;
const FAILED: u64 = u64::MAX;

/// Memory from 0 to its end.
struct Memory {
    bytes: Vec<u8>,
    now: GuestTime,
}

impl Memory {
    fn range(&self, address: u64, len: usize) -> Option<std::ops::Range<usize>> {
        let start = usize::try_from(address).ok()?;
        Some(start..start.checked_add(len).filter(|&end| end <= self.bytes.len())?)
    }
}

impl Guest for Memory {
    fn read(&mut self, address: u64, out: &mut [u8]) -> Option<()> {
        let range = self.range(address, out.len())?;
        out.copy_from_slice(&self.bytes[range]);
        Some(())
    }

    fn write(&mut self, address: u64, data: &[u8]) -> Option<()> {
        let range = self.range(address, data.len())?;
        self.bytes[range].copy_from_slice(data);
        Some(())
    }

    fn can_write(&self, address: u64, len: usize) -> bool {
        self.range(address, len).is_some()
    }

    fn field(&mut self, address: u64) -> Option<u64> {
        let mut bytes = [0; 8];
        self.read(address, &mut bytes)?;
        Some(u64::from_le_bytes(bytes))
    }

    fn set_field(&mut self, address: u64, value: u64) -> Option<()> {
        self.write(address, &value.to_le_bytes())
    }

    fn now(&self) -> GuestTime {
        self.now
    }
}

/// A machine with nothing but semihosting, and its one core.
struct Machine {
    bench: Bench,
    semihosting: Semihosting,
    memory: Memory,
}

impl Machine {
    fn new(directory: Option<&Path>) -> Self {
        let files = directory.map(|path| Arc::new(Directory::open(path).expect("a directory")));
        let options = SemihostingOptions { files, port: CONSOLE, command_line: "kernel8.img one two".into() };
        let plugin = SemihostingPlugin { options: Some(options), heap: Heap { base: 0x9_0000, limit: 0x2F00_0000 } };
        let bench = Bench::new(1 << 20, 1, |machine| {
            machine.install(&plugin);
        });
        let semihosting = bench.world.resource::<SemihostingResource>().0.clone();
        Self { bench, semihosting, memory: Memory { bytes: vec![0; 1 << 20], now: GuestTime(0) } }
    }

    /// Calls until the call is done; its result.
    fn raw(&mut self, operation: u32, parameter: u64) -> u64 {
        let mut call = Call::new(operation, parameter);
        for _ in 0..1000 {
            match self.semihosting.serve(&mut call, &mut self.memory) {
                Served::Done(result) => return result,
                Served::More => {}
                other => panic!("{operation:#x} gives {other:?}"),
            }
        }
        panic!("{operation:#x} does not end")
    }

    fn call(&mut self, operation: u32, fields: &[u64]) -> u64 {
        for (index, &field) in fields.iter().enumerate() {
            self.memory.set_field(BLOCK + 8 * index as u64, field).expect("room");
        }
        self.raw(operation, BLOCK)
    }

    fn put(&mut self, address: u64, bytes: &[u8]) {
        self.memory.write(address, bytes).expect("room");
    }

    fn open(&mut self, name: &str, mode: u64) -> u64 {
        self.put(DATA, name.as_bytes());
        self.call(op::OPEN, &[DATA, mode, name.len() as u64])
    }

    fn write(&mut self, handle: u64, data: &[u8]) -> u64 {
        self.put(DATA, data);
        self.call(op::WRITE, &[handle, DATA, data.len() as u64])
    }

    /// What is read with a buffer of `len` bytes.
    fn read(&mut self, handle: u64, len: u64) -> Vec<u8> {
        let left = self.call(op::READ, &[handle, OTHER, len]);
        self.memory.bytes[OTHER as usize..][..(len - left) as usize].to_vec()
    }

    fn errno(&mut self) -> u32 {
        self.raw(op::ERRNO, 0) as u32
    }

    fn fails_with(&mut self, error: u32, operation: u32, fields: &[u64]) {
        assert_eq!(self.call(operation, fields), FAILED, "{operation:#x} {fields:x?}");
        assert_eq!(self.errno(), error, "{operation:#x} {fields:x?}");
    }

    fn printed(&mut self) -> String {
        String::from_utf8_lossy(&self.bench.sent(CONSOLE)).into_owned()
    }
}

#[test]
fn files_are_written_and_read_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut machine = Machine::new(Some(directory.path()));
    let handle = machine.open("a.txt", 4);
    assert_eq!(handle, 1, "handles are not 0");
    let text = "line\n".repeat(30_000);
    let mut at = 0;
    for part in text.as_bytes().chunks(100_000) {
        assert_eq!(machine.write(handle, part), 0);
        at += part.len() as u64;
        assert_eq!(machine.call(op::FLEN, &[handle]), at);
    }
    assert_eq!(machine.call(op::ISTTY, &[handle]), 0);
    assert_eq!(machine.call(op::CLOSE, &[handle]), 0);
    machine.fails_with(errno::BADF, op::CLOSE, &[handle]);
    assert_eq!(std::fs::read_to_string(directory.path().join("a.txt")).expect("the file"), text);

    let handle = machine.open("a.txt", 1);
    assert_eq!(machine.read(handle, 200_000), text.as_bytes(), "a buffer that is larger");
    assert_eq!(machine.read(handle, 10), b"", "the end");
    assert_eq!(machine.call(op::SEEK, &[handle, 7]), 0);
    assert_eq!(machine.read(handle, 5), b"ne\nli");
    assert_eq!(machine.write(handle, b"no"), 2, "it is open for reading");
    // Read and change, append, and cut off.
    let update = machine.open("a.txt", 2);
    assert_eq!(machine.write(update, b"LINE"), 0);
    let append = machine.open("a.txt", 8);
    assert_eq!(machine.write(append, b"end"), 0);
    let back = std::fs::read(directory.path().join("a.txt")).expect("the file");
    assert!(back.starts_with(b"LINE\nline") && back.ends_with(b"line\nend"));
    let cut = machine.open("a.txt", 6);
    assert_eq!(machine.call(op::FLEN, &[cut]), 0);
}

#[test]
fn files_are_renamed_and_removed() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut machine = Machine::new(Some(directory.path()));
    let handle = machine.open("old", 5);
    machine.call(op::CLOSE, &[handle]);
    machine.put(DATA, b"oldnew");
    assert_eq!(machine.call(op::RENAME, &[DATA, 3, DATA + 3, 3]), 0);
    assert!(directory.path().join("new").exists());
    machine.fails_with(errno::NOENT, op::REMOVE, &[DATA, 3]);
    assert_eq!(machine.call(op::REMOVE, &[DATA + 3, 3]), 0);
    assert!(!directory.path().join("new").exists());
    assert_eq!(machine.open("new", 0), FAILED);
    assert_eq!(machine.errno(), errno::NOENT);
    assert_eq!(machine.call(op::TMPNAM, &[DATA, 7, 9]), FAILED, "the buffer is too small");
    assert_eq!(machine.call(op::TMPNAM, &[DATA, 7, 10]), 0);
    assert_eq!(&machine.memory.bytes[DATA as usize..][..10], b"tmp07.tmp\0");
    machine.fails_with(errno::INVAL, op::TMPNAM, &[DATA, 256, 100]);
}

#[cfg(unix)]
#[test]
fn nothing_outside_the_directory_is_reached() {
    let outside = tempfile::tempdir().expect("a directory");
    let secret = outside.path().join("secret");
    std::fs::write(&secret, "secret").expect("a file");
    let directory = outside.path().join("inside");
    std::fs::create_dir_all(directory.join("below")).expect("a directory");
    std::fs::write(directory.join("own"), "own").expect("a file");
    std::os::unix::fs::symlink(&secret, directory.join("absolute")).expect("a link");
    std::os::unix::fs::symlink("../secret", directory.join("relative")).expect("a link");
    std::os::unix::fs::symlink("..", directory.join("up")).expect("a link");
    std::os::unix::fs::symlink("own", directory.join("within")).expect("a link");
    let mut machine = Machine::new(Some(&directory));
    let absolute = secret.to_str().expect("text").to_owned();
    for name in ["../secret", "absolute", "relative", "up/secret", "below/../../secret", "/etc/passwd", &absolute, "", "below", "a\0b"] {
        for mode in 0..12 {
            assert_eq!(machine.open(name, mode), FAILED, "{name:?}, mode {mode}");
            assert_ne!(machine.errno(), 0);
        }
        machine.put(DATA, name.as_bytes());
        machine.put(OTHER, b"here");
        let (name_len, other) = (name.len() as u64, [OTHER, 4]);
        if !["absolute", "relative", "below"].contains(&name) {
            assert_eq!(machine.call(op::REMOVE, &[DATA, name_len]), FAILED, "{name:?}");
            assert_eq!(machine.call(op::RENAME, &[DATA, name_len, other[0], other[1]]), FAILED, "{name:?}");
        }
    }
    machine.put(OTHER, b"own../own");
    assert_eq!(machine.call(op::RENAME, &[OTHER, 3, OTHER + 3, 6]), FAILED);
    assert_eq!(std::fs::read_to_string(&secret).expect("the file"), "secret");
    let own = machine.open("within", 0);
    assert_eq!(machine.read(own, 10), b"own");
    // A pipe without a reader holds nobody up.
    let fifo = std::process::Command::new("mkfifo").arg(directory.join("pipe")).status();
    if fifo.is_ok_and(|status| status.success()) {
        assert_eq!((machine.open("pipe", 0), machine.open("pipe", 4)), (FAILED, FAILED));
    }
}

#[test]
fn without_a_directory_there_are_no_files() {
    let mut machine = Machine::new(None);
    assert_eq!(machine.open("file", 4), FAILED);
    assert_eq!(machine.errno(), errno::ACCES);
    machine.put(DATA, b"file");
    machine.fails_with(errno::ACCES, op::REMOVE, &[DATA, 4]);
    machine.fails_with(errno::ACCES, op::RENAME, &[DATA, 4, DATA, 4]);
    machine.fails_with(errno::NOSYS, op::SYSTEM, &[DATA, 4]);
    machine.fails_with(errno::NOSYS, 0x7777, &[]);
}

#[test]
fn the_console_prints_in_order() {
    let mut machine = Machine::new(None);
    let (out, input, error) = (machine.open(":tt", 4), machine.open(":tt", 0), machine.open(":tt", 8));
    assert_eq!([out, input, error].map(|handle| machine.call(op::ISTTY, &[handle])), [1, 1, 1]);
    machine.put(DATA, b"A");
    machine.raw(op::WRITEC, DATA);
    machine.put(DATA, b", B\0 not this");
    machine.raw(op::WRITE0, DATA);
    assert_eq!(machine.write(out, b", C"), 0);
    assert_eq!(machine.write(error, b""), 0);
    assert_eq!(machine.printed(), "A, B, C");
    machine.fails_with(errno::SPIPE, op::SEEK, &[out, 0]);
    assert_eq!(machine.write(input, b"no"), 2);
    assert_eq!(machine.call(op::READ, &[out, OTHER, 10]), 10);
}

#[test]
fn more_than_the_line_takes_goes_out_in_parts() {
    let mut machine = Machine::new(None);
    let out = machine.open(":tt", 5);
    let text: Vec<u8> = (0..100_000u32).map(|n| b'a' + (n % 23) as u8).collect();
    machine.put(DATA, &text);
    machine.put(DATA + text.len() as u64, &[0]);
    for (operation, parameter) in [(op::WRITE, BLOCK), (op::WRITE0, DATA)] {
        for (index, field) in [out, DATA, text.len() as u64].into_iter().enumerate() {
            machine.memory.set_field(BLOCK + 8 * index as u64, field).expect("room");
        }
        let (mut call, mut printed) = (Call::new(operation, parameter), Vec::new());
        while machine.semihosting.serve(&mut call, &mut machine.memory) == Served::More {
            printed.extend(machine.bench.sent(CONSOLE));
        }
        printed.extend(machine.bench.sent(CONSOLE));
        assert_eq!(printed, text, "{operation:#x}");
    }
}

#[test]
fn what_is_typed_is_read_and_waited_for() {
    let mut machine = Machine::new(None);
    let (text, binary) = (machine.open(":tt", 0), machine.open(":tt", 1));
    let mut call = Call::new(op::READC, 0);
    assert_eq!(machine.semihosting.serve(&mut call, &mut machine.memory), Served::Input);
    assert!(!machine.semihosting.has_input());
    machine.bench.feed(CONSOLE, b"ab\r\r");
    assert!(machine.semihosting.has_input());
    assert_eq!(machine.raw(op::READC, 0), u64::from(b'a'));
    assert_eq!(machine.read(text, 2), b"b\n");
    assert_eq!(machine.read(binary, 100), b"\r");
}

#[test]
fn extensions_are_listed() {
    let mut machine = Machine::new(None);
    for mode in 2..12 {
        assert_eq!(machine.open(":semihosting-features", mode), FAILED);
    }
    let handle = machine.open(":semihosting-features", 1);
    assert_eq!(machine.call(op::FLEN, &[handle]), 5);
    assert_eq!(machine.read(handle, 4), b"SHFB");
    assert_eq!(machine.read(handle, 4), [3]);
    assert_eq!(machine.read(handle, 4), []);
    assert_eq!(machine.call(op::SEEK, &[handle, 4]), 0);
    assert_eq!(machine.read(handle, 1), [3]);
    machine.fails_with(errno::INVAL, op::SEEK, &[handle, 6]);
}

#[test]
fn times_are_the_guests_in_a_deterministic_machine() {
    let mut machine = Machine::new(None);
    machine.memory.now = GuestTime(3_210_000_000);
    assert_eq!(machine.raw(op::CLOCK, 0), 321);
    assert_eq!(machine.raw(op::TIME, 0), DETERMINISTIC_EPOCH + 3);
    assert_eq!(machine.raw(op::TICKFREQ, 0), 1_000_000_000);
    assert_eq!(machine.raw(op::ELAPSED, DATA), 0);
    assert_eq!(machine.memory.field(DATA), Some(3_210_000_000));
}

#[test]
fn command_line_heap_and_errors() {
    let mut machine = Machine::new(None);
    let text = b"kernel8.img one two\0";
    assert_eq!(machine.call(op::GET_CMDLINE, &[DATA, text.len() as u64]), 0);
    assert_eq!(&machine.memory.bytes[DATA as usize..][..text.len()], text);
    assert_eq!(machine.memory.field(BLOCK + 8), Some(text.len() as u64 - 1));
    machine.fails_with(errno::RANGE, op::GET_CMDLINE, &[DATA, text.len() as u64 - 1]);
    assert_eq!(machine.call(op::HEAPINFO, &[DATA]), 0);
    let fields = [0, 1, 2, 3].map(|index| machine.memory.field(DATA + 8 * index));
    assert_eq!(fields, [0x9_0000, 0x2F00_0000, 0x2F00_0000, 0x9_0000].map(Some));
    let errors = [(0u64, 0), (1, 0), (u64::MAX, 1), (1 << 63, 1), (i64::MAX as u64, 0)];
    for (status, expected) in errors {
        assert_eq!(machine.call(op::ISERROR, &[status]), expected, "{status:#x}");
    }
}

#[test]
fn exits_carry_the_guests_code() {
    for operation in [op::EXIT, op::EXIT_EXTENDED] {
        for (reason, code, expected) in
            [(0x20026, 0u64, 0), (0x20026, 42, 42), (0x20026, u64::MAX, -1), (0x20026, 1 << 32, 1), (0x20023, 0, 1), (0, 7, 1)]
        {
            let mut machine = Machine::new(None);
            machine.memory.set_field(BLOCK, reason).expect("room");
            machine.memory.set_field(BLOCK + 8, code).expect("room");
            let mut call = Call::new(operation, BLOCK);
            assert_eq!(machine.semihosting.serve(&mut call, &mut machine.memory), Served::Ended);
            assert_eq!(machine.bench.power.take(), Some(PowerRequest::Exit(expected)), "{reason:#x} {code:#x}");
        }
    }
}

#[test]
fn nothing_that_a_guest_passes_hurts() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut machine = Machine::new(Some(directory.path()));
    let (file, out) = (machine.open("f", 6), machine.open(":tt", 4));
    let odd =
        [0, 1, 2, 3, file, out, BLOCK, DATA, (1 << 20) - 1, 1 << 20, 1 << 32, 1 << 47, i64::MAX as u64, 1 << 63, u64::MAX - 8, u64::MAX];
    let mut state = 2837u64;
    let mut pick = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize
    };
    for _ in 0..50_000 {
        let operation = pick() as u32 % 0x34;
        let parameter = if pick() % 4 == 0 { odd[pick() % odd.len()] } else { BLOCK };
        for field in 0..4 {
            let value = odd[pick() % odd.len()];
            machine.memory.set_field(BLOCK + 8 * field, value).expect("room");
        }
        let mut call = Call::new(operation, parameter);
        for _ in 0..200 {
            let served = machine.semihosting.serve(&mut call, &mut machine.memory);
            machine.bench.sent(CONSOLE);
            if served != Served::More {
                break;
            }
        }
    }
    let all = std::fs::read_dir(directory.path()).expect("the directory").count();
    assert!(all < 100, "{all} files");
}

#[test]
fn handles_run_out() {
    let mut machine = Machine::new(None);
    for number in 1..=256 {
        assert_eq!(machine.open(":tt", 4), number);
    }
    assert_eq!(machine.open(":tt", 4), FAILED);
    assert_eq!(machine.errno(), errno::MFILE);
    machine.call(op::CLOSE, &[17]);
    assert_eq!(machine.open(":tt", 0), 17, "the lowest that is free");
}
