//! Linux and U-Boot from a card, as somebody has them on one; and a kernel that U-Boot puts there.

#[path = "../cli/cards.rs"]
mod cards;

use crate::debian;
use crate::program::{Folder, read_png};
use crate::terminal::Terminal;
use cards::card;

const PROMPT: &str = "debian# ";
const U_BOOT: &str = "U-Boot> ";

fn read(debian: &std::path::Path, name: &str) -> Vec<u8> {
    std::fs::read(debian.join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn linux_from_a_card_with_its_tree_and_ram_disk() {
    let Some(debian) = debian() else { return };
    let files = ["vmlinuz", "initrd", "bcm2837-rpi-3-b.dtb"].map(|name| (name, read(&debian, name)));
    let config = "arm_64bit=1\nkernel=vmlinuz\nupstream_kernel=1\ninitramfs initrd followkernel\nhdmi_group=2\nhdmi_mode=85\nframebuffer_depth=32\n\
                  enable_uart=1\ngpu_mem=64\n";
    let mut all: Vec<(&str, &[u8])> = files.iter().map(|(name, bytes)| (*name, bytes.as_slice())).collect();
    all.extend([("config.txt", config.as_bytes()), ("cmdline.txt", b"console=tty1 console=ttyAMA0\n")]);
    let folder = Folder::new();
    std::fs::write(folder.path("card.img"), card(&all)).expect("room");
    let mut terminal = Terminal::start(folder.tayberry(["--frontend", "headless", "--sd", "card.img", "--screenshot", "screen.png"]));
    let boot = terminal.wait_for(PROMPT);
    assert!(boot.contains("smp: Brought up 1 node, 4 CPUs"), "{boot}");
    // What is found on the USB would be printed into what is typed.
    terminal.command("dmesg -n 1", PROMPT);
    let line = terminal.command("cat /proc/cmdline", PROMPT);
    assert!(
        line.starts_with("bcm2708_fb.fbwidth=1280 bcm2708_fb.fbheight=720 ") && line.ends_with("console=tty1 console=ttyAMA0\n"),
        "{line}"
    );
    assert!(terminal.command("cat /proc/partitions", PROMPT).contains("mmcblk1p1"), "the card is there too");
    assert!(terminal.command("cat /sys/class/graphics/fb0/virtual_size", PROMPT).contains("1280,720"));
    assert!(terminal.command("cat /proc/device-tree/serial-number; echo", PROMPT).contains("000000007a1be224"));
    let memory = terminal.command("grep reserved /proc/iomem; cat /proc/device-tree/memory*/reg | od -An -tx1", PROMPT);
    assert!(memory.replace(' ', "").contains("3c000000"), "{memory}");
    terminal.type_line("poweroff");
    let (status, text) = terminal.end();
    assert_eq!(status, Some(0), "{text}");
    let (width, height, pixels) = read_png(&folder.path("screen.png"));
    assert!((width, height) == (1280, 720) && pixels.iter().any(|&byte| byte != 0));
}

#[test]
fn u_boot_from_a_card_reads_it_and_puts_another_kernel_there() {
    let Some(debian) = debian() else { return };
    let u_boot = read(&debian, "u-boot.bin");
    let config = "arm_64bit=1\nenable_uart=1\nkernel=u-boot.bin\n";
    let next = "arm_64bit=1\nkernel=tree.img\n#";
    let files: [(&str, &[u8]); 4] =
        [("config.txt", config.as_bytes()), ("u-boot.bin", &u_boot), ("next.txt", next.as_bytes()), ("tree.img", tayberry_guest::TREE)];
    let folder = Folder::new();
    std::fs::write(folder.path("card.img"), card(&files)).expect("room");
    // Its ports: the guest that comes later prints on the first one.
    let args = "--frontend headless --sd card.img --serial file:first.txt --serial stdio".split_whitespace();
    let mut terminal = Terminal::start(folder.tayberry(args));
    terminal.wait_for("stop autoboot");
    terminal.type_line("");
    terminal.wait_for(U_BOOT);
    let listed = terminal.command("fatls mmc 0:1", U_BOOT);
    assert!(listed.contains("config.txt") && listed.contains("u-boot.bin") && listed.contains("4 file(s)"), "{listed}");
    let loaded = terminal.command("fatload mmc 0:1 1000000 next.txt", U_BOOT);
    assert!(loaded.contains(&format!("{} bytes read", next.len())), "{loaded}");
    let written = terminal.command("fatwrite mmc 0:1 1000000 config.txt $filesize", U_BOOT);
    assert!(written.contains(&format!("{} bytes written", next.len())), "{written}");
    // The firmware reads the card anew.
    terminal.type_line("reset");
    let (status, text) = terminal.end();
    assert_eq!(status, Some(0), "{text}");
    let first = folder.text("first.txt");
    assert!(first.contains("bootargs: ") && first.contains("tree: done"), "{first}");
    assert_eq!(folder.read("card.img"), card(&files), "what was written stays in memory");
}
