//! U-Boot: its prompt and commands on the serial port (for this board the mini UART), and its screen.

use crate::console::Screen;
use crate::debian;
use crate::program::{Ended, Folder, read_png};
use crate::terminal::Terminal;

const PROMPT: &str = "U-Boot> ";
const ARGUMENTS: [&str; 6] = ["--frontend", "headless", "--serial", "null", "--serial", "stdio"];

#[test]
fn commands_at_the_prompt() {
    let Some(debian) = debian() else { return };
    let folder = Folder::new();
    let image = debian.join("u-boot.bin").display().to_string();
    let mut terminal = Terminal::start(folder.tayberry(ARGUMENTS.into_iter().chain([image.as_str()])));
    let start = terminal.wait_for("stop autoboot");
    assert!(start.contains("DRAM:  948 MiB") && start.contains("RPI 3 Model B"), "{start}");
    assert!(start.contains("4 USB Device(s) found"), "its root hub, the board's, keyboard and mouse: {start}");
    terminal.type_line("");
    terminal.wait_for(PROMPT);
    assert!(terminal.command("version", PROMPT).contains("U-Boot 20"));
    let board = terminal.command("bdinfo", PROMPT);
    assert!(board.contains("0x000000003b400000") && board.contains("FB size     = 1024x768x32"), "{board}");
    terminal.command("mw.l 1000000 12345678 4", PROMPT);
    let memory = terminal.command("md.l 1000000 4", PROMPT);
    assert!(memory.contains("01000000: 12345678 12345678 12345678 12345678"), "{memory}");
    let cards = terminal.command("mmc list", PROMPT);
    assert!(cards.contains("mmc@7e202000: 0") && cards.contains("mmc@7e300000: 1"), "{cards}");
    assert!(terminal.command("printenv baudrate", PROMPT).contains("baudrate=115200"));
    assert!(terminal.command("usb tree", PROMPT).contains("U-Boot Root Hub"));
    assert!(terminal.command("setenv a 20; setexpr b $a + 3; echo is $b", PROMPT).contains("is 23"));
    terminal.type_line("reset");
    terminal.wait_for("resetting ...");
    terminal.wait_for("stop autoboot");
    terminal.stop();
}

#[test]
fn its_usb_keyboard_types_at_the_prompt() {
    let Some(debian) = debian() else { return };
    let image = debian.join("u-boot.bin").display().to_string();
    let script = [
        ["--type-after", "stop autoboot"],
        ["--type", "\\n"],
        ["--type-after", PROMPT],
        ["--type", "usb tree\\nsetenv stdin usbkbd\\n"],
        ["--type-after", PROMPT],
        ["--type-after", PROMPT],
        ["--type-usb", "echo Ty\"ped\" 2\\n"],
        ["--until", "Typed 2"],
    ];
    let rest = ["--timeout", "120", &image];
    let run = Ended::of(Folder::new().tayberry(ARGUMENTS.into_iter().chain(script.into_iter().flatten()).chain(rest))).expect(0);
    let tree = ["Hub (480 Mb/s, 2mA)", "Human Interface (1.5 Mb/s", "Human Interface (12 Mb/s", "Tayberry Keyboard", "Tayberry Mouse"];
    assert!(tree.iter().all(|device| run.stdout.contains(device)), "{}", run.stdout);
}

#[test]
fn its_prompt_is_on_the_screen_too() {
    let Some(debian) = debian() else { return };
    let folder = Folder::new();
    let image = debian.join("u-boot.bin").display().to_string();
    let rest = ["--deterministic", "--until", "stop autoboot", "--screenshot", "screen.png", &image];
    let run = Ended::of(folder.tayberry(ARGUMENTS.into_iter().chain(rest))).expect(0);
    let (width, height, rgb) = read_png(&folder.path("screen.png"));
    assert_eq!((width, height), (1024, 768));
    let lines: Vec<String> = run.stdout.replace('\r', "").lines().map(String::from).collect();
    // The logo stands beside the text, at the right.
    let left: Vec<u8> = rgb.chunks(width as usize * 3).flat_map(|line| &line[..800 * 3]).copied().collect();
    let matched = Screen::new(800, &left).longest_match(&lines);
    assert!(matched >= 4, "{matched} rows of the screen read as the serial port does");
}
