//! Booting from a card, from a directory as a card, and from a directory, as the firmware does.

use crate::cards::{card, file_system};
use crate::program::{Ended, Folder, read_png};
use flate2::{Compression, write::GzEncoder};
use std::io::Write;
use tayberry_bcm2837::device_tree::DeviceTree;
use tayberry_guest::{CARD, SCREENS, TREE};

/// Each core in turn, by a count at 0x4000: prints its number, E, its exception level, and ? if it does not run at address 0; then the last one switches
/// the power off.
const ALL_CORES_AT_ZERO: [u32; 38] = [
    0xd538_00b3, // mrs x19, mpidr_el1
    0x9240_0673, // and x19, x19, #3
    0xd288_0014, // mov x20, #0x4000
    0xb940_0280, // ldr w0, [x20]
    0x6b13_001f, // cmp w0, w19
    0x54ff_ffc1, // b.ne .-8
    0xd2a7_e415, // mov x21, #0x3f200000
    0x9140_06b5, // add x21, x21, #0x1000
    0x1100_c260, // add w0, w19, #'0'
    0xb900_02a0, // str w0, [x21]
    0x5280_08a0, // mov w0, #'E'
    0xb900_02a0, // str w0, [x21]
    0xd538_4240, // mrs x0, currentel
    0xd342_fc00, // lsr x0, x0, #2
    0x1100_c000, // add w0, w0, #'0'
    0xb900_02a0, // str w0, [x21]
    0x10ff_fe00, // adr x0, the first instruction
    0xb400_0060, // cbz x0, .+12
    0x5280_07e0, // mov w0, #'?'
    0xb900_02a0, // str w0, [x21]
    0x5280_0400, // mov w0, #' '
    0xb900_02a0, // str w0, [x21]
    0x1100_0660, // add w0, w19, #1
    0xd503_3fbf, // dmb sy
    0xb900_0280, // str w0, [x20]
    0x7100_0e7f, // cmp w19, #3
    0x5400_0001, // b.ne .
    0x5280_0140, // mov w0, #'\n'
    0xb900_02a0, // str w0, [x21]
    0xd2a7_e201, // mov x1, #0x3f100000
    0x52ab_4002, // mov w2, #0x5a000000
    0x1115_5440, // add w0, w2, #0x555
    0xb900_2020, // str w0, [x1, #0x20]
    0x1100_0440, // add w0, w2, #1
    0xb900_2420, // str w0, [x1, #0x24]
    0x1100_8040, // add w0, w2, #0x20
    0xb900_1c20, // str w0, [x1, #0x1c]
    0x1400_0000, // b .
];

impl Folder {
    /// Writes files into a folder inside, for `--boot` and `--sd-dir`.
    fn folder(&self, name: &str, files: &[(&str, &[u8])]) {
        for (file, bytes) in files {
            let path = self.path(name).join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            std::fs::write(path, bytes).expect("room for a file");
        }
    }

    /// Runs the same boot partition in all four ways; what it prints has to be the same.
    fn boot_all_ways(&self, files: &[(&str, &[u8])], args: &str) -> Ended {
        self.folder("boot", files);
        self.file("card.img", &card(files));
        self.file("floppy.img", &file_system(files));
        let run = |how: &str| self.headless(&format!("{how} --timeout 60 {args}"));
        let first = run("--boot boot").expect(0);
        for how in ["--sd-dir boot", "--sd card.img", "--sd floppy.img"] {
            let other = run(how).expect(0);
            assert_eq!((&other.stdout, &other.stderr), (&first.stdout, &first.stderr), "{how}");
        }
        first
    }
}

#[test]
fn a_kernel_and_its_command_line_in_all_ways() {
    let files: [(&str, &[u8]); 3] = [
        ("config.txt", b"arm_64bit=1\r\ngpu_mem=64\r\n[pi4]\r\nkernel=no.img\r\n[pi3]\r\nhdmi_group=1\r\nhdmi_mode=3\r\n[all]\r\n"),
        ("kernel8.img", TREE),
        ("cmdline.txt", b"hello=world quiet\n"),
    ];
    let run = Folder::new().boot_all_ways(&files, "");
    assert_eq!(run.stderr, "");
    assert!(run.stdout.contains("memory: 0 3c000000"), "{}", run.stdout);
    let line = "bootargs: bcm2708_fb.fbwidth=656 bcm2708_fb.fbheight=416 bcm2708_fb.fbswap=1 vc_mem.mem_base=0x3ec00000 vc_mem.mem_size=0x40000000 \
                hello=world quiet";
    assert!(run.stdout.contains(line) && run.stdout.contains("tree: done"), "{}", run.stdout);
}

#[test]
fn a_packed_kernel_with_a_tree_and_a_ram_disk_where_they_are_told_to_be() {
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(TREE).expect("room");
    let packed = packed.finish().expect("room");
    // One file in the "new ASCII" form of cpio, and the trailer.
    let entry = |name: &str, content: &str| {
        let mut text = String::from("070701");
        for number in [1, 0o100_644, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0] {
            text += &format!("{number:08x}");
        }
        let mut bytes = text.into_bytes();
        for part in [format!("{name}\0"), content.into()] {
            bytes.extend(part.bytes());
            bytes.resize(bytes.len().next_multiple_of(4), 0);
        }
        bytes
    };
    let (one, two) = (entry("first", "1"), [entry("second", "22"), entry("TRAILER!!!", "")].concat());
    let files: [(&str, &[u8]); 6] = [
        ("config.txt", b"arm_64bit=1\nos_prefix=os/\ninclude more.txt\n"),
        ("more.txt", b"initramfs /one,/two 0x02000000\ndevice_tree_address=0x01000000\ndevice_tree=/board.dtb\n"),
        ("os/kernel8.img", &packed),
        ("one", &one),
        ("two", &two),
        ("board.dtb", &DeviceTree::default().to_bytes()),
    ];
    let folder = Folder::new();
    folder.folder("boot", &files);
    let run = folder.headless("--boot boot --timeout 60").expect(0);
    assert!(
        ["tree: version 17", "file: first, ", "file: second, ", "tree: done"].iter().all(|line| run.stdout.contains(line)),
        "{}",
        run.stdout
    );
    // The tree is not where the prefix says, so that there is no prefix, and then no kernel.
    folder.folder("boot", &[("more.txt", b"device_tree=board.dtb")]);
    folder.headless("--boot boot").unusable("kernel8.img: there is no such file");
}

#[test]
fn the_guest_finds_the_card_that_it_was_booted_from() {
    let files: [(&str, &[u8]); 2] = [("kernel8.img", CARD), ("config.txt", b"arm_64bit=1")];
    let folder = Folder::new();
    folder.folder("boot", &files);
    let runs = [0, 1].map(|_| {
        let run = folder.headless("--sd-dir boot --deterministic --stats stats.json --timeout 60").expect(0);
        let stats: serde_json::Value = serde_json::from_slice(&folder.read("stats.json")).expect("JSON");
        (run.stdout, stats["instructions"].clone())
    });
    assert!(runs[0].0.contains("card: all ok"), "{}", runs[0].0);
    assert_eq!(runs[0], runs[1], "the same card, the same run");
    // Without a card there is none, also where the boot partition is one.
    assert!(!folder.headless("--boot boot --timeout 60").stdout.contains("card: all ok"));
    // What the guest writes is not in the directory, and not on the next card.
    let written = folder.headless("--sd-dir boot --append card.write=9000 --timeout 60").expect(0);
    assert!(written.stdout.contains("card: all ok"), "{}", written.stdout);
    assert_eq!((folder.read("boot/kernel8.img"), folder.read("boot/config.txt")), (CARD.to_vec(), b"arm_64bit=1".to_vec()));
}

#[test]
fn a_kernel_goes_before_the_card() {
    let folder = Folder::new();
    folder.file("card.img", &card(&[("kernel8.img", CARD), ("config.txt", b"frobnicate=1\ngpu_mem=16")]));
    folder.file("tree.img", TREE);
    let run = folder.headless("--sd card.img --timeout 60 tree.img").expect(0);
    assert!(run.stdout.contains("memory: 0 3b400000") && run.stdout.contains("tree: done") && run.stderr.is_empty(), "{}", run.stdout);
}

#[test]
fn an_old_kernel_has_all_cores_at_address_zero_in_el3() {
    let kernel: Vec<u8> = ALL_CORES_AT_ZERO.into_iter().flat_map(u32::to_le_bytes).collect();
    let files: [(&str, &[u8]); 2] =
        [("config.txt", b"arm_64bit=1\nkernel_old=1\ndisable_commandline_tags=1\n"), ("kernel8.img", kernel.as_slice())];
    let run = Folder::new().boot_all_ways(&files, "");
    assert_eq!(run.stdout, "0E3 1E3 2E3 3E3 \n");
    // Elsewhere it is a kernel like others: the first core's, in EL2.
    let folder = Folder::new();
    folder.folder("boot", &[("config.txt", b"arm_64bit=1\nkernel_address=0x100000"), files[1]]);
    let elsewhere =
        Ended::of(folder.tayberry(["--frontend", "headless", "--boot", "boot", "--timeout", "60", "--until", "0E2? "])).expect(0);
    assert_eq!(elsewhere.stdout, "0E2? ");
}

#[test]
fn a_boot_stub_of_ones_own_is_told_where_the_kernel_is() {
    let mut stub = include_bytes!("../../../../devices/bcm2837/armstub/armstub.bin").to_vec();
    stub[0xf0..0xf4].copy_from_slice(&0x5afe_570bu32.to_le_bytes());
    let folder = Folder::new();
    folder.folder("boot", &[("my.bin", &stub), ("kernel8.img", TREE), ("config.txt", b"arm_64bit=1\narmstub=my.bin")]);
    assert!(folder.headless("--boot boot --timeout 60").expect(0).stdout.contains("tree: done"));
    // One that does not ask is not told, and goes to address 0 for ever.
    stub[0xf0..0xf4].fill(0);
    folder.folder("boot", &[("my.bin", &stub)]);
    assert!(!folder.headless("--boot boot --timeout 2").stdout.contains("tree: done"));
}

#[test]
fn the_display_is_what_the_configuration_says() {
    let folder = Folder::new();
    let tree = DeviceTree::default().to_bytes();
    let boot = |config: &str, tree: Option<&[u8]>| {
        let _ = std::fs::remove_dir_all(folder.path("boot"));
        folder.folder(
            "boot",
            &[("config.txt", config.as_bytes()), ("kernel8.img", SCREENS), ("cmdline.txt", b"screens.case=boot screens.off=1")],
        );
        if let Some(tree) = tree {
            folder.folder("boot", &[("bcm2710-rpi-3-b.dtb", tree)]);
        }
        let run = folder.headless("--boot boot --timeout 60 --screenshot screen.png").expect(0);
        (run.stdout, read_png(&folder.path("screen.png")))
    };
    let (said, (width, height, pixels)) = boot("arm_64bit=1\nhdmi_group=2\nhdmi_mode=85\nframebuffer_depth=32\n", Some(&tree));
    assert!((width, height) == (1280, 720) && said.contains("1280x720"), "{said}");
    assert!(pixels.iter().any(|&byte| byte != 0));
    let (said, (width, height, _)) = boot("arm_64bit=1\nframebuffer_width=640\nframebuffer_height=200\n", Some(&tree));
    assert!((width, height) == (640, 200), "{said}");
    // Without a tree there is no frame buffer, and the rainbow stands; unless it is not to.
    let (_, (_, _, rainbow)) = boot("arm_64bit=1\nhdmi_group=1\nhdmi_mode=16", None);
    assert!(rainbow.chunks(3).any(|pixel| pixel != &rainbow[..3]));
    let (_, (_, _, dark)) = boot("arm_64bit=1\ndisable_splash=1", None);
    assert!(dark.iter().all(|&byte| byte == 0));
}

#[test]
fn what_is_said_of_the_configuration() {
    let folder = Folder::new();
    let config = "frobnicate=1\nfrobnicate=2\ndtoverlay=vc4-kms-v3d\ndtparam=audio=on\narm_freq=1300\nover_voltage=2\ngpu_mem=lots\n";
    folder.folder(
        "boot",
        &[
            ("config.txt", config.as_bytes()),
            ("kernel8.img", TREE),
            ("kernel7.img", b"32 bits"),
            ("cmdline.txt", b"console=serial0,115200"),
        ],
    );
    let run = folder.headless("--boot boot --timeout 60").expect(0);
    let lines: Vec<&str> = run.stderr.lines().collect();
    assert_eq!(
        lines,
        [
            "tayberry: config.txt: kernel8.img is started; newer firmware starts kernel7.img (32 bits) where there is no arm_64bit=1",
            "tayberry: config.txt: gpu_mem=\"lots\": it is not a number",
            "tayberry: config.txt: console=serial0 is the mini UART (ttyS0), the second --serial, as on a Raspberry Pi 3",
            "tayberry: config.txt: without effect here: dtoverlay=vc4-kms-v3d, dtparam=audio=on",
            "tayberry: config.txt: not known: frobnicate",
        ]
    );
    let traced = folder.headless("--boot boot --trace boot --timeout 60").expect(0);
    assert!(traced.stderr.contains("[boot] config.txt: arm_freq=1300"), "{}", traced.stderr);
}

#[test]
fn the_command_line_goes_before_what_the_card_has() {
    let folder = Folder::new();
    folder.folder("boot", &[("kernel8.img", TREE), ("cmdline.txt", b"from=card"), ("config.txt", b"arm_64bit=1")]);
    folder.file("board.dtb", &DeviceTree::default().to_bytes());
    let args = ["--frontend", "headless", "--boot", "boot", "--dtb", "board.dtb", "--append", "from=me", "--timeout", "60"];
    let run = Ended::of(folder.tayberry(args)).expect(0);
    assert!(run.stdout.contains("from=me") && !run.stdout.contains("from=card") && !run.stdout.contains("atags"), "{}", run.stdout);
}

#[test]
fn what_cannot_be_booted_is_one_line_that_names_the_file() {
    let folder = Folder::new();
    let config =
        |text: &str| card(&[("config.txt", text.as_bytes()), ("kernel8.img", TREE), ("bad.dtb", b"no tree"), ("large", &[1; 4096])]);
    for (text, named) in [
        ("kernel=missing.img", "missing.img: there is no such file"),
        ("kernel=kernel7.img", "kernel7.img: it is a 32-bit kernel"),
        ("arm_64bit=0", "32-bit"),
        ("arm_64bit=1\ndevice_tree=missing.dtb", "missing.dtb: there is no such file"),
        ("arm_64bit=1\ndevice_tree=bad.dtb", "bad.dtb: the device tree"),
        ("arm_64bit=1\ninitramfs missing", "missing: there is no such file"),
        ("arm_64bit=1\narmstub=missing", "missing: there is no such file"),
        ("arm_64bit=1\ncmdline=missing", "missing: there is no such file"),
        ("include config.txt", "config.txt: line 1 includes config.txt"),
        ("include missing.txt", "config.txt: line 1 includes missing.txt"),
        ("arm_64bit=1\nkernel_address=0x3f000000", "kernel8.img: the kernel does not fit"),
        ("arm_64bit=1\ninitramfs large 0x80000", "the initial RAM disk cannot go to 0x80000"),
        ("arm_64bit=1\ninitramfs large 0xffffffff", "the initial RAM disk cannot go to 0xffffffff"),
    ] {
        folder.file("card.img", &config(text));
        let run = folder.headless("--sd card.img");
        assert!(run.stderr.starts_with("tayberry: error: --sd card.img: ") || text.contains("large"), "{text}: {}", run.stderr);
        run.unusable(named);
    }
    folder.file("card.img", &card(&[("readme", b"")]));
    folder.headless("--sd card.img").unusable("kernel8.img: there is no such file");
    folder.file("card.img", &[0; 4096]);
    folder.headless("--sd card.img").unusable("--sd card.img: there is no partition table");
    let mut broken = card(&[("kernel8.img", TREE)]);
    broken[2048 * 512 + 13] = 3;
    folder.file("card.img", &broken);
    folder.headless("--sd card.img").unusable("partition 1 has no FAT file system on it, or a broken one");
    folder.headless("--boot missing").unusable("--boot missing: ");
    folder.headless("--boot card.img").unusable("it is no directory");
    folder.headless("--sd-dir missing").unusable("--sd-dir missing: ");
    folder.folder("same", &[("a", b""), ("A", b"")]);
    folder.headless("--sd-dir same").unusable("--sd-dir same: A: on a FAT file system a has the same name");
    folder.folder("empty", &[("sub/x", b"")]);
    folder.headless("--boot empty").unusable("--boot empty: kernel8.img: there is no such file");
}
