//! In tmux: what is on the screen is what a user sees.

use crate::program::{Folder, read_png};
use crate::wait_for;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// A tmux server with one shell.
struct Tmux {
    socket: String,
}

impl Tmux {
    /// None where tmux is not installed.
    fn start(folder: &Folder, size: (u32, u32)) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        if Command::new("tmux").arg("-V").stdout(Stdio::null()).status().is_err() {
            println!("terminal: skipped, there is no tmux");
            return None;
        }
        let tmux = Self { socket: format!("tayberry-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed)) };
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        let folder = folder.path("");
        let shell = "env -u DISPLAY -u WAYLAND_DISPLAY -u WAYLAND_SOCKET LC_ALL=C.UTF-8 PS1='prompt: ' sh";
        let mut command = tmux.command(&["-u", "-f", "/dev/null", "new-session", "-d", "-x", &columns, "-y", &rows, "-c"]);
        command.arg(&folder).arg(shell).env("LC_ALL", "C.UTF-8");
        assert!(command.status().expect("tmux starts").success());
        tmux.wait("prompt:");
        Some(tmux)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-L").arg(&self.socket).args(args).env_remove("TMUX");
        command
    }

    fn tmux(&self, args: &[&str]) -> Output {
        self.command(args).output().expect("tmux runs")
    }

    fn type_line(&self, line: &str) {
        self.tmux(&["send-keys", "-l", line]);
        self.tmux(&["send-keys", "Enter"]);
    }

    /// Runs the program.
    fn tayberry(&self, args: &str) {
        self.type_line(&format!("{} {args}", env!("CARGO_BIN_EXE_tayberry")));
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    fn coloured(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-e", "-p"]).stdout).into_owned()
    }

    fn wait(&self, text: &str) -> String {
        wait_for(&format!("{text:?} on the screen"), || Some(self.screen()).filter(|screen| screen.contains(text)))
    }

    fn command_key(&self, key: &str) {
        self.tmux(&["send-keys", "C-a", key]);
    }
}

impl Drop for Tmux {
    fn drop(&mut self) {
        // Ours alone: it has its own socket.
        let _ = self.command(&["kill-server"]).stderr(Stdio::null()).status();
    }
}

type Rgb = [i32; 3];

/// Cells of half blocks, row by row: the colours above and below.
fn half_blocks(coloured: &str) -> Vec<Vec<(Rgb, Option<Rgb>)>> {
    let mut rows = Vec::new();
    for line in coloured.lines() {
        let (mut above, mut below, mut row) = (None, None, Vec::new());
        let mut rest = line;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if c == '\u{1b}' {
                let Some((codes, after)) = rest.strip_prefix('[').and_then(|rest| rest.split_once('m')) else { continue };
                rest = after;
                let codes: Vec<i32> = codes.split([';', ':']).map(|code| code.parse().unwrap_or(0)).collect();
                let mut codes = codes.as_slice();
                while let Some((&code, more)) = codes.split_first() {
                    codes = more;
                    match (code, more) {
                        (38, [2, r, g, b, more @ ..]) => (above, codes) = (Some([*r, *g, *b]), more),
                        (48, [2, r, g, b, more @ ..]) => (below, codes) = (Some([*r, *g, *b]), more),
                        (0, _) => (above, below) = (None, None),
                        (39, _) => above = None,
                        (49, _) => below = None,
                        _ => {}
                    }
                }
            } else if c == '\u{2580}' {
                row.push((above.expect("half blocks have a colour"), below));
            }
        }
        if !row.is_empty() {
            rows.push(row);
        }
    }
    rows
}

/// How many half blocks do not have the mean colour of their part of the picture, and of how many.
fn compare(coloured: &str, picture: &Path) -> (usize, usize) {
    let (width, height, rgb) = read_png(picture);
    let rows = half_blocks(coloured);
    let columns = rows.iter().map(Vec::len).max().expect("a picture");
    let lines = rows.len() * 2 - usize::from(rows.last().is_some_and(|row| row.iter().all(|(_, below)| below.is_none())));
    let mean = |x: usize, y: usize| -> Rgb {
        let (left, right) = (x * width as usize / columns, ((x + 1) * width as usize).div_ceil(columns));
        let (top, bottom) = (y * height as usize / lines, ((y + 1) * height as usize).div_ceil(lines));
        let mut sum = [0; 3];
        for y in top..bottom {
            for x in left..right {
                for part in 0..3 {
                    sum[part] += i32::from(rgb[(y * width as usize + x) * 3 + part]);
                }
            }
        }
        sum.map(|sum| sum / ((right - left) * (bottom - top)) as i32)
    };
    let (mut wrong, mut all) = (0, 0);
    for (row, cells) in rows.iter().enumerate() {
        assert_eq!(cells.len(), columns, "the picture is a rectangle");
        for (column, (above, below)) in cells.iter().enumerate() {
            for (line, colour) in [(row * 2, Some(*above)), (row * 2 + 1, *below)] {
                let Some(colour) = colour.filter(|_| line < lines) else { continue };
                // Edges fall within pixels.
                wrong += usize::from(colour.iter().zip(mean(column, line)).any(|(a, b)| (a - b).abs() > 40));
                all += 1;
            }
        }
    }
    (wrong, all)
}

#[test]
fn the_picture_is_the_guest_s_and_the_shell_comes_back() {
    let folder = Folder::new();
    let Some(tmux) = Tmux::start(&folder, (100, 40)) else { return };
    // No --frontend: there is no display, and this is a terminal.
    tmux.tayberry("--append demo.mode_ms=600000");
    let screen = tmux.wait("shown as half blocks");
    assert!(screen.contains("Ctrl-A h: keys") && screen.contains('\u{2580}'), "{screen}");
    assert!(screen.contains("demo"), "the serial port is below: {screen}");
    tmux.command_key("p");
    tmux.wait("paused");
    std::thread::sleep(std::time::Duration::from_secs(1));
    tmux.command_key("w");
    tmux.wait("tayberry-1.png");
    let (wrong, all) = compare(&tmux.coloured(), &folder.path("tayberry-1.png"));
    assert!(all > 1000 && wrong * 50 < all, "{wrong} of {all} half blocks differ");
    tmux.tmux(&["resize-window", "-x", "60", "-y", "20"]);
    let smaller = wait_for("smaller picture", || {
        let rows = half_blocks(&tmux.coloured());
        (rows.len() < 20 && rows.len() > 4 && rows.iter().all(|row| row.len() <= 60)).then(|| tmux.coloured())
    });
    assert!(!half_blocks(&smaller).is_empty());
    tmux.command_key("h");
    tmux.wait("end the run");
    tmux.command_key("h");
    tmux.command_key("f");
    wait_for("picture alone", || Some(tmux.screen()).filter(|screen| !screen.contains("Ctrl-A h") && screen.contains('\u{2580}')));
    tmux.command_key("x");
    let after = wait_for("prompt", || Some(tmux.screen()).filter(|screen| screen.trim_end().ends_with("prompt:")));
    assert!(!after.contains('\u{2580}') && after.contains("demo"), "{after}");
}

#[test]
fn a_guest_without_a_picture_has_the_terminal_for_its_serial_port() {
    let folder = Folder::new();
    let Some(tmux) = Tmux::start(&folder, (80, 24)) else { return };
    std::fs::write(folder.path("echo.img"), tayberry_guest::ECHO).expect("a file");
    tmux.tayberry("--frontend terminal echo.img");
    tmux.wait("no picture");
    tmux.type_line("hello, guest");
    tmux.wait("hello, guest");
    for (columns, rows) in [("1", "1"), ("3", "2"), ("200", "60"), ("7", "50"), ("80", "24")] {
        tmux.tmux(&["resize-window", "-x", columns, "-y", rows]);
    }
    tmux.type_line("still there");
    tmux.wait("still there");
    tmux.command_key("x");
    let after = wait_for("prompt", || Some(tmux.screen()).filter(|screen| screen.trim_end().ends_with("prompt:")));
    assert!(after.contains("hello, guest") && after.contains("still there"), "{after}");
    tmux.type_line("stty -a | tr ' ' '\\n' | grep -c '^-icanon'");
    tmux.wait("\n0\n");
}

#[test]
fn a_suspended_run_gives_the_terminal_back_and_goes_on() {
    let folder = Folder::new();
    let Some(tmux) = Tmux::start(&folder, (80, 24)) else { return };
    tmux.type_line("set -m");
    tmux.tayberry("--append demo.mode_ms=600000");
    tmux.wait("shown as half blocks");
    tmux.command_key("z");
    wait_for("prompt", || Some(tmux.screen()).filter(|screen| screen.trim_end().ends_with("prompt:")));
    tmux.type_line("fg");
    tmux.wait("shown as half blocks");
    tmux.command_key("x");
    wait_for("prompt", || Some(tmux.screen()).filter(|screen| screen.trim_end().ends_with("prompt:")));
}
