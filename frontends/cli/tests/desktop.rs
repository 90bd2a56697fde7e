//! The window as a user has it: the program on a display of its own (Xvfb), its keys pressed by xdotool, the screen seen by xwd.
//!
//! Where one of these is missing, or nothing can draw on the display, it says so and does nothing.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

/// How long anything may take on a busy host.
const PATIENCE: Duration = Duration::from_secs(120);

/// An X server; it ends with this.
struct Display {
    server: Child,
    name: String,
}

impl Drop for Display {
    fn drop(&mut self) {
        let _ = self.server.kill().and_then(|()| self.server.wait());
    }
}

impl Display {
    fn start(size: &str) -> Option<Self> {
        let mut command = Command::new("Xvfb");
        command.args(["-displayfd", "1", "-screen", "0", size, "-nolisten", "tcp"]).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut server = command.spawn().ok()?;
        let mut number = String::new();
        BufReader::new(server.stdout.take()?).read_line(&mut number).ok()?;
        Some(Self { server, name: format!(":{}", number.trim()) })
    }

    fn command(&self, program: &str, args: &[&str]) -> Command {
        let mut command = Command::new(program);
        command.args(args).env("DISPLAY", &self.name).env_remove("WAYLAND_DISPLAY");
        command
    }

    /// What is on the screen, as xwd has it.
    fn picture(&self) -> Option<Vec<u8>> {
        self.command("xwd", &["-silent", "-root"]).output().ok().map(|output| output.stdout).filter(|picture| !picture.is_empty())
    }

    fn xdotool(&self, args: &[&str]) -> Option<String> {
        let output = self.command("xdotool", args).output().ok()?;
        output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn press(&self, keys: &[&str]) {
        self.xdotool(&[&["key"], keys].concat()).expect("xdotool presses keys");
    }

    /// Waits for a picture that is good.
    fn wait(&self, what: &str, good: impl Fn(&[u8]) -> bool) -> Vec<u8> {
        let start = Instant::now();
        loop {
            let picture = self.picture().expect("xwd takes pictures");
            if good(&picture) {
                return picture;
            }
            assert!(start.elapsed() < PATIENCE, "in vain: {what}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A picture that is the same for a while.
    fn wait_for_rest(&self) -> Vec<u8> {
        let start = Instant::now();
        let mut last = self.picture().expect("xwd takes pictures");
        loop {
            std::thread::sleep(Duration::from_millis(700));
            let next = self.picture().expect("xwd takes pictures");
            if next == last {
                return next;
            }
            last = next;
            assert!(start.elapsed() < PATIENCE, "the screen comes to no rest");
        }
    }
}

/// The program with the flipping guest; killed at the end should it run yet.
struct Program {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

impl Program {
    /// Runs `kernel` in a window until it prints a line that begins like `ready`; none where there cannot be a window.
    fn start(display: &Display, kernel: &Path, args: &[&str], ready: &str) -> Option<Self> {
        let mut command = display.command(env!("CARGO_BIN_EXE_tayberry"), &["--frontend", "desktop"]);
        let mut child =
            command.args(args).arg(kernel).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("the program can be started");
        let output = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut program = Self { child, output };
        program.wait_for_line(ready).map(|_| program)
    }

    /// The next line of output that begins like this; none if the program ends before.
    fn wait_for_line(&mut self, start: &str) -> Option<String> {
        let mut line = String::new();
        while self.output.read_line(&mut line).ok()? > 0 {
            if line.starts_with(start) {
                return Some(line);
            }
            line.clear();
        }
        None
    }
}

fn flip_image(folder: &Path) -> std::path::PathBuf {
    let path = folder.join("flip.img");
    std::fs::write(&path, tayberry_guest::FLIP).expect("room for the kernel");
    path
}

/// The hashes of the frames in a log, from a time on.
fn hashes(log: &Path, from: f64) -> BTreeSet<String> {
    let log = std::fs::read_to_string(log).expect("a log of frames");
    let columns = log.lines().skip(1).map(|line| line.split(',').collect::<Vec<_>>());
    columns.filter(|columns| columns[1].parse::<f64>().is_ok_and(|time| time >= from)).map(|columns| columns[6].to_owned()).collect()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a name in UTF-8")
}

#[test]
fn overlays_are_seen_in_the_window_and_nowhere_else() {
    let folder = tempfile::tempdir().expect("room");
    let (kernel, log) = (flip_image(folder.path()), folder.path().join("frames.csv"));
    let Some(display) = Display::start("1280x1024x24") else { return println!("skipped, there is no Xvfb") };
    if display.picture().is_none() || display.xdotool(&["version"]).is_none() {
        return println!("skipped, there is no xwd or no xdotool");
    }
    let options = "flip.width=320 flip.height=200 flip.fps=10 flip.count=1000000";
    let Some(mut program) = Program::start(&display, &kernel, &["--append", options, "--frame-log", text(&log)], "flip: ") else {
        return println!("skipped, nothing can draw on the display");
    };
    let window = display.xdotool(&["search", "--sync", "--name", "Tayberry"]).expect("there is a window");
    display.xdotool(&["windowfocus", "--sync", &window]).expect("it can have the keys");
    // The guest flips on while all pages are opened and closed; a pause then holds the picture still.
    for key in ["F1", "F2", "F3", "Prior", "Next", "F1", "F2", "F3"] {
        display.press(&[key]);
        std::thread::sleep(Duration::from_millis(300));
    }
    display.press(&["F5"]);
    let plain = display.wait_for_rest();
    let mut seen = vec![plain.clone()];
    for key in ["F1", "F2", "F3"] {
        display.press(&[key]);
        let with = display.wait(&format!("{key} is seen"), |picture| picture != plain);
        assert!(!seen.contains(&with), "{key} shows something of its own");
        seen.push(with);
        display.press(&[key]);
        display.wait(&format!("{key} goes away"), |picture| picture == plain);
    }
    display.press(&["F1", "F2", "F3"]);
    display.wait("all are seen", |picture| !seen.contains(&picture.to_vec()));
    display.press(&["F12"]);
    assert!(program.child.wait().expect("the program ends").success());

    // Two pages, painted once: there are two frames, whatever lay over them. The first ones may be pages half painted.
    let shown = hashes(&log, 1.5);
    let headless = folder.path().join("headless.csv");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tayberry"));
    command.args(["--frontend", "headless", "--deterministic", "--serial", "null", "--frame-log", text(&headless)]);
    command.args(["--append", "flip.width=320 flip.height=200 flip.fps=10 flip.count=30"]).arg(&kernel);
    assert!(command.status().expect("the program can be started").success());
    let pages = hashes(&headless, 1.5);
    assert_eq!(pages.len(), 2);
    assert!(!shown.is_empty() && shown.is_subset(&pages), "{shown:?} of {pages:?}");
}

#[test]
fn flips_are_shown_as_they_come_and_rest_is_not_shown() {
    let folder = tempfile::tempdir().expect("room");
    let kernel = flip_image(folder.path());
    for (size, options, least) in [
        ("1280x1024x24", "flip.width=640 flip.height=480 flip.count=300", 0.25),
        // A processor stands in for the GPU, and writes two million pixels a frame: how far it gets is told, not judged.
        ("2200x1300x24", "flip.count=300", 0.0),
    ] {
        let Some(display) = Display::start(size) else { return println!("skipped, there is no Xvfb") };
        let stats = folder.path().join("stats.json");
        let Some(mut program) = Program::start(&display, &kernel, &["--append", options, "--stats", text(&stats)], "flip: ") else {
            return println!("skipped, nothing can draw on the display");
        };
        let said = program.wait_for_line("flip: ").expect("the guest's report");
        assert!(program.child.wait().expect("the program ends").success());
        let stats: serde_json::Value = serde_json::from_slice(&std::fs::read(&stats).expect("statistics")).expect("JSON");
        let (presented, wall) = (stats["frames_presented"].as_f64().expect("a number"), stats["wall_s"].as_f64().expect("a number"));
        println!(
            "{options}: {}{presented} frames in {wall:.2} s, of one core for drawing {:.2} %; ms: render {}, from flip to window {}",
            said,
            stats["render_share"].as_f64().unwrap_or(0.0) * 100.0,
            stats["render_ms"],
            stats["flip_to_present_ms"]
        );
        // One for each flip, and some while the pages are painted.
        let painting = 30.0 + wall * 10.0;
        assert!(presented <= 300.0 + painting, "{presented} frames of 300 flips");
        assert!(presented >= 300.0 * least, "{presented} frames of 300 flips");
    }
}

/// The place of pin 17 on the page of pins, seen from the lower right corner of the window: a page of 15 lines of 50 letters, its third row's second column.
const PIN_17: (i64, i64) = (8 + 416 - 8 - 26 * 8 - 40, 8 + 256 - 8 - 4 * 16 - 8);

#[test]
fn a_button_in_the_window_interrupts_the_guest() {
    let folder = tempfile::tempdir().expect("room");
    let (kernel, log) = (folder.path().join("pins.img"), folder.path().join("pins.csv"));
    std::fs::write(&kernel, tayberry_guest::PINS).expect("room for the kernel");
    let Some(display) = Display::start("1280x1024x24") else { return println!("skipped, there is no Xvfb") };
    if display.picture().is_none() || display.xdotool(&["version"]).is_none() {
        return println!("skipped, there is no xwd or no xdotool");
    }
    let args = ["--append", "pins.blinks=1 pins.presses=1", "--gpio-log", text(&log)];
    let Some(mut program) = Program::start(&display, &kernel, &args, "pins: the button is up") else {
        return println!("skipped, nothing can draw on the display");
    };
    let window = display.xdotool(&["search", "--sync", "--name", "Tayberry"]).expect("there is a window");
    display.xdotool(&["windowfocus", "--sync", &window]).expect("it can have the keys");
    let without = display.picture().expect("xwd takes pictures");
    display.press(&["ctrl+F1"]);
    display.wait("the pins are seen", |picture| picture != without);
    let geometry = display.xdotool(&["getwindowgeometry", "--shell", &window]).expect("it has a size");
    let side = |name: &str| -> i64 {
        let value = geometry.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{name}: {geometry}"))
    };
    let (x, y) = (side("WIDTH") - PIN_17.0, side("HEIGHT") - PIN_17.1);
    display.xdotool(&["mousemove", "--window", &window, &x.to_string(), &y.to_string()]).expect("the mouse moves");
    std::thread::sleep(Duration::from_millis(300));
    display.xdotool(&["mousedown", "1"]).expect("the mouse has a button");
    let pressed = program.wait_for_line("pins: press 1 at ");
    display.xdotool(&["mouseup", "1"]);
    assert!(pressed.is_some(), "the guest was interrupted");
    assert!(program.child.wait().expect("the program ends").success());
    let log = std::fs::read_to_string(&log).expect("a log of pins");
    assert!(log.lines().any(|row| row.ends_with(",17,input,0,outside")), "{log}");
}
