//! Kernels in the manner of well-known courses, whole: what they print is compared to the byte, in both modes of time. QEMU's raspi3b
//! prints the same.

use std::time::Duration;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::machine::prepare;

const MODES: [ClockMode; 2] = [ClockMode::Deterministic, ClockMode::Realtime];

/// Runs a board until it powers off, with `input` typed at UART0. Returns what it printed, lines ended by LF alone.
fn run(options: BoardOptions, input: &[u8]) -> String {
    let board = Raspi3b::new(options).expect("a good kernel");
    let (handle, starter) = prepare();
    handle.control.type_serial(0, input);
    let limits = Limits { timeout: Some(Duration::from_secs(120)), ..Limits::default() };
    let exit = starter.start(limits, move |shared| board.build(shared)).expect("it starts").join();
    let printed: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    let printed = String::from_utf8(printed).expect("text").replace("\r\n", "\n");
    assert_eq!(exit, ExitReason::PowerOff, "{printed}");
    printed
}

fn kernel(image: &[u8], mode: ClockMode) -> BoardOptions {
    BoardOptions { kernel: image.to_vec(), mode, ..BoardOptions::default() }
}

fn prints(image: &[u8], expected: &str) {
    for mode in MODES {
        assert_eq!(run(kernel(image, mode), b""), expected, "{mode:?}");
    }
}

#[test]
fn a_hypervisor_and_its_guest() {
    let expected = "\
hyper: in EL2
guest says: hello from EL1
hyper: guest reports 0x410fd999 0x80000007
hyper: WFI at 0x40000028
hyper: SMC 0, function 0x84000000
hyper: guest reports 0x10001 0x0
hyper: timer, source 0x8
hyper: interrupt taken
hyper: memory at 0x40200000 on demand
hyper: guest reports 0x4d 0x1
guest says: good bye
hyper: the guest is done, 24 loads of its port
";
    prints(tayberry_guest::HYPER, expected);
}

#[test]
fn preempted_tasks_in_address_spaces_of_their_own() {
    let expected = "\
tasks: EL1
task 0: 261632007
task 1: 523776008
task 2: 785920009
task 3: 1048064010
pages: 5 on demand, 4 copied after a fork
preempted often, floating point moved often
tasks: done
";
    prints(tayberry_guest::TASKS, expected);
}

#[test]
fn a_kernel_in_the_upper_half_with_large_pages() {
    let expected = "\
higher: at ffffffffc0080000, stack in ffffffff
read of low memory: class 25 status 06 at 80000
read past the tables: class 25 status 06 at 200000000
read beyond 42 bits: class 25 status 04 at 4000000000000
write to code: class 25 status 0f at ffffffffc0080000
call of data: class 21 status 0f at ffffffffc0090000
stack overflow: class 25 status 07 at ffffffffc00ffff8
data is where it was loaded
higher: 10 ticks, done
";
    prints(tayberry_guest::HIGHER, expected);
}

const OBJECTS: &str = "\
objects: first saw 0, total 14816 thousandths
objects: 3 of 4 kept
1: square 2250
2: disc 12566
3: square 9000
objects: sum 23816, done
";

#[test]
fn cpp_with_global_constructors() {
    prints(tayberry_guest::OBJECTS, OBJECTS);
}

#[test]
fn a_kernel_that_comes_over_the_serial_port() {
    let mut typed = (tayberry_guest::OBJECTS.len() as u32).to_le_bytes().to_vec();
    typed.extend(tayberry_guest::OBJECTS);
    let (size, objects) = (tayberry_guest::OBJECTS.len(), OBJECTS);
    let expected = format!("loader: at 0x2000000, waiting for a kernel\n\x03\x03\x03OK\nloader: {size} bytes, here we go\n{objects}");
    for mode in MODES {
        assert_eq!(run(kernel(tayberry_guest::LOADER, mode), &typed), expected, "{mode:?}");
    }
}

/// A flattened device tree with the properties of the root, and a node with cells.
fn device_tree() -> Vec<u8> {
    let mut strings = Vec::new();
    let mut body = Vec::new();
    let word = |to: &mut Vec<u8>, value: u32| to.extend(value.to_be_bytes());
    let text = |to: &mut Vec<u8>, text: &[u8]| {
        to.extend(text);
        to.resize(to.len().next_multiple_of(4), 0);
    };
    let mut property = |body: &mut Vec<u8>, name: &str, value: &[u8]| {
        for field in [3, value.len() as u32, strings.len() as u32] {
            word(body, field);
        }
        text(body, value);
        strings.extend(name.bytes().chain([0]));
    };
    word(&mut body, 1);
    text(&mut body, b"\0");
    property(&mut body, "#address-cells", &1u32.to_be_bytes());
    property(&mut body, "#size-cells", &1u32.to_be_bytes());
    property(&mut body, "model", b"A board of three nodes\0");
    word(&mut body, 1);
    text(&mut body, b"soc\0");
    property(&mut body, "ranges", &[0x7e, 0, 0, 0, 0x3f, 0, 0, 0, 1, 0, 0, 0]);
    for end in [2, 2, 9] {
        word(&mut body, end);
    }
    let (reserved, structure) = (40u32, 56u32);
    let strings_at = structure + body.len() as u32;
    let size = strings_at + strings.len() as u32;
    let header = [0xd00d_feed, size, structure, strings_at, reserved, 17, 16, 0, strings.len() as u32, body.len() as u32];
    let mut blob: Vec<u8> = header.iter().flat_map(|field| field.to_be_bytes()).collect();
    blob.resize(structure as usize, 0);
    blob.extend(body);
    blob.extend(strings);
    blob
}

/// A cpio archive, "newc".
fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, content) in files.iter().chain([&("TRAILER!!!", b"".as_slice())]) {
        let fields = [1, 0o100_644, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
        bytes.extend(b"070701");
        bytes.extend(fields.iter().flat_map(|field| format!("{field:08X}").into_bytes()));
        bytes.extend(name.bytes().chain([0]));
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend(*content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

/// What the guest says of the two files below.
fn listing() -> String {
    let sum = MOTD.iter().fold(0u32, |sum, &byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("file: etc/motd, mode 81a4, {} bytes, sum {sum:08x}\nfile: empty, mode 81a4, 0 bytes, sum 00000000\ntree: done\n", MOTD.len())
}

const MOTD: &[u8] = b"hello\n";

#[test]
fn device_tree_and_ram_disk_are_found() {
    let disk = archive(&[("etc/motd", MOTD), ("empty", b"")]);
    let (size, listing) = (disk.len(), listing());
    let expected = format!(
        "tree: version 17, aligned 1\nmodel: A board of three nodes\nmemory: 0 3b400000\nbootargs: quiet\narchive: {size} bytes\n{listing}"
    );
    for mode in MODES {
        let options = BoardOptions {
            dtb: Some(device_tree()),
            initrd: Some(disk.clone()),
            append: Some("quiet".into()),
            ..kernel(tayberry_guest::TREE, mode)
        };
        // How many nodes and properties there are is the firmware's affair: it adds some.
        let printed = run(options, b"");
        let (counts, rest): (Vec<&str>, Vec<&str>) = printed.split_inclusive('\n').partition(|line| line.contains(" properties, "));
        assert!(counts.len() == 1 && counts[0].ends_with("complete\n"), "{counts:?}");
        assert_eq!(rest.concat(), expected, "{mode:?}");
    }
}

#[test]
fn without_a_device_tree_there_are_atags() {
    let disk = archive(&[("etc/motd", MOTD), ("empty", b"")]);
    let (size, listing) = (disk.len(), listing());
    let expected = format!("atags: core, 5 words\nmemory: 0 3b400000\nbootargs: quiet\narchive: {size} bytes\n{listing}");
    for mode in MODES {
        let options = BoardOptions { initrd: Some(disk.clone()), append: Some("quiet".into()), ..kernel(tayberry_guest::TREE, mode) };
        assert_eq!(run(options, b""), expected, "{mode:?}");
    }
}
