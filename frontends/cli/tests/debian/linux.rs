//! Linux: a shell on the serial port, the console on the screen, the same boot twice.

use crate::console::Screen;
use crate::debian;
use crate::program::{Folder, read_png};
use crate::terminal::Terminal;
use std::path::Path;

const PROMPT: &str = "debian# ";
/// What a kernel says when something went wrong in itself or in a driver.
const ALARMS: [&str; 14] = [
    "lockup",
    "stall",
    "WARNING",
    "Oops",
    "BUG",
    "Call trace",
    "Unable to handle",
    "hung_task",
    "blocked for more than",
    "nobody cared",
    "timed out",
    "Timeout",
    "probe of ",
    "deferred probe pending",
];

/// The program's arguments for a boot with `append` added to the kernel's command line.
fn arguments(debian: &Path, append: &str) -> Vec<String> {
    let file = |name| debian.join(name).display().to_string();
    let command_line = format!("console=tty1 console=ttyAMA0 {append}");
    let args = ["--frontend", "headless", "--dtb", &file("bcm2837-rpi-3-b.dtb"), "--initrd", &file("initrd"), "--append", &command_line];
    args.iter().map(ToString::to_string).chain([file("vmlinuz")]).collect()
}

#[test]
fn a_shell_on_the_serial_port() {
    let Some(debian) = debian() else { return };
    let folder = Folder::new();
    let mut args = arguments(&debian, "");
    args.extend(["--stats", "stats.json"].map(String::from));
    let mut terminal = Terminal::start(folder.tayberry(args));
    let boot = terminal.wait_for(PROMPT);
    assert!(boot.contains("smp: Brought up 1 node, 4 CPUs") && boot.contains("4 processors"), "{boot}");

    // What is found on the USB would be printed into what is typed.
    terminal.command("dmesg -n 1", PROMPT);
    let uname = terminal.command("uname -srm", PROMPT);
    assert!(uname.starts_with("Linux ") && uname.contains("aarch64"), "{uname}");
    assert!(terminal.command("cat /sys/devices/system/cpu/online; nproc", PROMPT).contains("0-3\n4\n"));
    let files = terminal.command("ls /", PROMPT);
    assert!(["bin", "dev", "init", "proc", "sys"].iter().all(|name| files.contains(name)), "{files}");
    assert!(terminal.command("cat /proc/fb", PROMPT).contains("0 simple"));
    assert!(terminal.command("cat /sys/class/thermal/thermal_zone0/temp", PROMPT).contains("47"));
    // All four work: the timer's interrupts have come to each.
    let interrupts = terminal.command("grep arch_timer /proc/interrupts", PROMPT);
    let counts: Vec<u64> = interrupts.split_whitespace().filter_map(|word| word.parse().ok()).take(4).collect();
    assert!(counts.len() == 4 && counts.iter().all(|&count| count > 0), "{interrupts}");
    let log = terminal.command("dmesg", PROMPT);
    let alarming: Vec<&str> = log.lines().filter(|line| ALARMS.iter().any(|alarm| line.contains(alarm))).collect();
    assert!(log.contains("Booting Linux on physical CPU") && alarming.is_empty(), "{}", alarming.join("\n"));
    assert!(
        ["DWC OTG Controller", "1 port detected", "Broadcom BCM2835 watchdog timer"].iter().all(|driver| log.contains(driver)),
        "{log}"
    );

    terminal.type_line("reboot");
    terminal.wait_for("Booting Linux on physical CPU");
    terminal.wait_for(PROMPT);
    terminal.type_line("poweroff");
    let (status, text) = terminal.end();
    assert_eq!(status, Some(0), "{text}");
    assert!(text.contains("reboot: Restarting system") && text.contains("reboot: Power down"), "{text}");
    let stats: serde_json::Value = serde_json::from_slice(&folder.read("stats.json")).expect("JSON");
    assert_eq!(stats["exit"], "poweroff");
}

#[test]
fn a_usb_keyboard_and_a_mouse() {
    let Some(debian) = debian() else { return };
    let folder = Folder::new();
    // The text that is waited for is not the one that the terminal echoes.
    let look = "until grep -q Mouse /proc/bus/input/devices; do sleep 1; done; sleep 1; cat /proc/bus/input/devices; echo r\"ead\"y\\n";
    let script =
        ["--type-after", PROMPT, "--type", look, "--type-after", "ready", "--type-usb", "echo Ty\"ped\" >/dev/ttyAMA0; poweroff\\n"];
    let args = arguments(&debian, "").into_iter().chain(script.iter().chain(&["--timeout", "180"]).map(ToString::to_string));
    let run = crate::program::Ended::of(folder.tayberry(args)).expect(0);
    let names = ["N: Name=\"Tayberry Keyboard\"", "N: Name=\"Tayberry Mouse\"", "Handlers=sysrq kbd"];
    assert!(names.iter().all(|name| run.stdout.contains(name)), "{}", run.stdout);
    assert!(run.stdout.contains("Typed\r\n"), "the shell on the screen has read it: {}", run.stdout);
}

/// What a run leaves behind: serial port, frame log, picture, statistics.
fn deterministic_boot(debian: &Path) -> (String, String, (u32, u32, Vec<u8>), serde_json::Value) {
    let folder = Folder::new();
    let mut args = arguments(debian, "modules=bcm2835_wdt");
    let more = "--deterministic --until CONSOLE --screenshot screen.png --frame-log frames.csv --stats stats.json";
    args.extend(more.split_whitespace().map(|word| if word == "CONSOLE" { PROMPT.into() } else { word.into() }));
    let run = crate::program::Ended::of(folder.tayberry(args)).expect(0);
    let stats = serde_json::from_slice(&folder.read("stats.json")).expect("JSON");
    (run.stdout, folder.text("frames.csv"), read_png(&folder.path("screen.png")), stats)
}

#[test]
fn the_same_boot_twice_and_the_console_on_the_screen() {
    let Some(debian) = debian() else { return };
    let (serial, frames, (width, height, rgb), stats) = deterministic_boot(&debian);
    let again = deterministic_boot(&debian);
    assert!(serial == again.0, "the serial port says the same");
    assert_eq!(frames, again.1);
    assert!(rgb == again.2.2, "the picture is the same");
    assert_eq!((&stats["instructions"], &stats["guest_s"]), (&again.3["instructions"], &again.3["guest_s"]));
    assert!(frames.lines().count() > 2 && frames.contains(",1024,768,16,"), "{frames}");

    assert_eq!((width, height), (1024, 768));
    let screen = Screen::new(width as usize, &rgb);
    // Both consoles get what the kernel says, the screen's shell adds a few lines.
    let kernels: Vec<String> = serial.replace('\r', "").lines().filter(|line| line.starts_with("[ ")).map(String::from).collect();
    let (matched, rows) = (screen.longest_match(&kernels), screen.rows_with_text());
    assert!(matched >= 30 && rows >= 40, "{matched} rows on the screen read as the kernel's log does, of {rows}");
    println!("linux: {matched} rows of the screen are the kernel's log; {} instructions", stats["instructions_total"]);
}
