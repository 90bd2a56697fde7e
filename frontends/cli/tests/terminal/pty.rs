//! Terminals that we play: they answer as real ones do, and their pictures are compared with the guest's.

use crate::decode::{self, Rgb};
use crate::program::{Folder, read_png};
use crate::wait_for;
use rustix::fd::OwnedFd;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OutputModes, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::process::CommandExt;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SIZE: Winsize = Winsize { ws_row: 40, ws_col: 100, ws_xpixel: 1000, ws_ypixel: 800 };

/// Questions and what this terminal answers.
type Answers = &'static [(&'static [u8], &'static [u8])];

const KITTY: Answers = &[
    (b"\x1b_Gi=31329,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\", b"\x1b_Gi=31329;OK\x1b\\"),
    (b"\x1b[16t", b"\x1b[6;20;10t"),
    (b"\x1b[c", b"\x1b[?62;22c"),
    (b"\x1b[5n", b"\x1b[0n"),
];
const SIXEL: Answers = &[(b"\x1b[16t", b"\x1b[6;20;10t"), (b"\x1b[c", b"\x1b[?62;4;22c"), (b"\x1b[5n", b"\x1b[0n")];
const SILENT: Answers = &[];

struct Played {
    program: Child,
    slave: OwnedFd,
    keys: File,
    sent: Arc<Mutex<Vec<u8>>>,
}

impl Played {
    /// Starts the program on a terminal that answers so.
    fn start(folder: &Folder, args: &[&str], answers: Answers) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("ours");
        let name = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("text");
        let open = || OpenOptions::new().read(true).write(true).open(&name).expect("its other end");
        let slave = OwnedFd::from(open());
        tcsetwinsize(&slave, SIZE).expect("a size");
        let mut command = folder.tayberry(args);
        command.stdin(open()).stdout(open()).stderr(open()).env("TERM", "xterm-256color");
        for name in ["TMUX", "COLORTERM", "WT_SESSION"] {
            command.env_remove(name);
        }
        // SAFETY: both calls are safe between fork and exec, and use nothing of ours.
        unsafe {
            command.pre_exec(|| {
                rustix::process::setsid()?;
                rustix::process::ioctl_tiocsctty(rustix::stdio::stdin())?;
                Ok(())
            });
        }
        let program = command.spawn().expect("the program can be started");
        let sent = Arc::new(Mutex::new(Vec::new()));
        let keys = File::from(master);
        let (mut output, mut input) = (keys.try_clone().expect("a handle"), keys.try_clone().expect("a handle"));
        let all = Arc::clone(&sent);
        std::thread::spawn(move || {
            let (mut buffer, mut looked) = ([0; 4096], 0);
            while let Ok(length @ 1..) = output.read(&mut buffer) {
                let mut all = all.lock().expect("no reader panics");
                all.extend_from_slice(&buffer[..length]);
                // Answers in the order of the questions.
                while let Some((end, answer)) = next_question(&all, looked, answers) {
                    looked = end;
                    let _ = input.write_all(answer);
                }
            }
        });
        Self { program, slave, keys, sent }
    }

    fn sent(&self) -> Vec<u8> {
        self.sent.lock().expect("no reader panics").clone()
    }

    fn press(&mut self, keys: &[u8]) {
        self.keys.write_all(keys).expect("the terminal takes keys");
    }

    /// Stops the machine and writes what the guest shows to a file.
    fn freeze(&mut self, folder: &Folder) -> Rgb {
        self.press(b"\x01p");
        // The last frame before is on its way.
        std::thread::sleep(Duration::from_millis(2000));
        self.press(b"\x01w");
        wait_for("picture written", || String::from_utf8_lossy(&self.sent()).contains("tayberry-1.png").then_some(()));
        let (width, height, rgb) = read_png(&folder.path("tayberry-1.png"));
        (width as usize, height as usize, rgb)
    }

    /// Waits for the end, and looks whether the terminal is as it was.
    fn end(mut self) -> (i32, String) {
        let status = wait_for("end", || self.program.try_wait().expect("it was started"));
        let modes = tcgetattr(&self.slave).expect("it is there");
        assert!(modes.local_modes.contains(LocalModes::ICANON | LocalModes::ECHO) && modes.output_modes.contains(OutputModes::OPOST));
        std::thread::sleep(Duration::from_millis(200));
        let sent = String::from_utf8_lossy(&self.sent()).into_owned();
        let left = sent.rfind("\x1b[?1049l").expect("the alternate screen is left");
        assert!(sent[left..].contains("\x1b[?25h"), "with a cursor");
        (status.code().unwrap_or(-1), sent[left..].to_owned())
    }
}

impl Drop for Played {
    fn drop(&mut self) {
        // A failed test leaves nothing running.
        let _ = self.program.kill();
    }
}

fn next_question(sent: &[u8], from: usize, answers: Answers) -> Option<(usize, &'static [u8])> {
    let found = answers.iter().filter_map(|(question, answer)| {
        let at = sent[from..].windows(question.len()).position(|window| window == *question)?;
        Some((from + at + question.len(), *answer))
    });
    found.min_by_key(|(end, _)| *end)
}

const STILL: [&str; 4] = ["--frontend", "terminal", "--append", "demo.mode_ms=600000"];

#[test]
fn kitty_graphics_are_the_guest_s_pixels() {
    let folder = Folder::new();
    let mut terminal = Played::start(&folder, &STILL, KITTY);
    wait_for("picture", || decode::kitty(&terminal.sent()));
    let expected = terminal.freeze(&folder);
    let shown = decode::kitty(&terminal.sent()).expect("a picture");
    assert_eq!((shown.0, shown.1), (expected.0, expected.1));
    assert!(shown.2 == expected.2, "the same pixels");
    terminal.press(b"\x01x");
    let (status, after) = terminal.end();
    assert_eq!(status, 0);
    assert!(after.contains("demo"), "what the guest printed is there again: {after}");
}

#[test]
fn sixels_are_the_guest_s_pixels() {
    let folder = Folder::new();
    let mut terminal = Played::start(&folder, &STILL, SIXEL);
    wait_for("picture", || decode::sixels(&terminal.sent()));
    let (width, height, expected) = terminal.freeze(&folder);
    let (shown_width, shown_height, shown) = decode::sixels(&terminal.sent()).expect("a picture");
    let factor = shown_width / width;
    assert!(factor >= 1 && (shown_width, shown_height) == (width * factor, height * factor), "larger by a whole number");
    // Dithered: right on average over 4x4 pixels of the screen and more.
    let mean = |rgb: &[u8], width: usize, x: usize, y: usize, size: usize, part: usize| {
        let pixels = (y..y + size).flat_map(|y| (x..x + size).map(move |x| (y * width + x) * 3 + part));
        pixels.map(|at| u64::from(rgb[at])).sum::<u64>() / (size * size) as u64
    };
    let (mut wrong, mut blocks) = (0, 0);
    for y in (0..height - 8).step_by(8) {
        for x in (0..width - 8).step_by(8) {
            for part in 0..3 {
                let difference =
                    mean(&expected, width, x, y, 8, part).abs_diff(mean(&shown, shown_width, x * factor, y * factor, 8 * factor, part));
                wrong += u32::from(difference > 16);
                blocks += 1;
            }
        }
    }
    assert!(wrong == 0, "{wrong} of {blocks} blocks");
    terminal.press(b"\x01x");
    assert_eq!(terminal.end().0, 0);
}

#[test]
fn a_terminal_that_says_nothing_gets_half_blocks_and_nothing_is_typed_at_the_guest() {
    let folder = Folder::new();
    let mut terminal = Played::start(&folder, &STILL, SILENT);
    wait_for("half blocks", || String::from_utf8_lossy(&terminal.sent()).contains("38;5;").then_some(()));
    assert!(String::from_utf8_lossy(&terminal.sent()).contains('\u{2580}'));
    terminal.press(b"\x03");
    assert_eq!(terminal.end().0, 130, "Ctrl-C");
}

#[test]
fn a_terminated_run_puts_the_terminal_back() {
    let folder = Folder::new();
    let terminal = Played::start(&folder, &STILL, KITTY);
    wait_for("picture", || decode::kitty(&terminal.sent()));
    let program = rustix::process::Pid::from_child(&terminal.program);
    rustix::process::kill_process(program, rustix::process::Signal::TERM).expect("it runs");
    assert_eq!(terminal.end().0, 130);
}
