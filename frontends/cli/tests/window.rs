//! The storm in the desktop window, on a display of its own (Xvfb): every frame that the window shows is judged, and the window's size follows.
//!
//! Without Xvfb, or without anything that can draw on it, it says so and does nothing. A plain `main`, since winit wants the main thread; it runs
//! itself again with `DISPLAY` set.

mod common;

use common::{Judge, changes, storm_board};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tayberry_desktop::{DesktopError, Gauges, Options, Scaling};
use tayberry_engine::ClockMode;
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::machine::prepare;
use tayberry_guest::storm::Kinds;
use tayberry_headless::{Pace, Recorder};

/// Set in the second run of this program.
const INNER: &str = "TAYBERRY_WINDOW_TEST";

fn main() -> ExitCode {
    // What `cargo test` asks of every test program.
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if std::env::var_os(INNER).is_some() {
        storm(Kinds::Full, 0);
        return ExitCode::SUCCESS;
    }
    let Some((mut server, display)) = start_display() else {
        println!("window: skipped, there is no Xvfb");
        return ExitCode::SUCCESS;
    };
    let program = std::env::current_exe().expect("this program's path");
    let status = Command::new(program).env(INNER, "1").env("DISPLAY", display).env_remove("WAYLAND_DISPLAY").status();
    // Ours: it was started above.
    let _ = server.kill().and_then(|()| server.wait());
    if status.expect("this program can be run").success() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// An X server on a free display, and that display's name.
fn start_display() -> Option<(Child, String)> {
    let mut command = Command::new("Xvfb");
    command.args(["-displayfd", "1", "-screen", "0", "1280x1024x24", "-nolisten", "tcp"]).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut server = command.spawn().ok()?;
    let mut number = String::new();
    BufReader::new(server.stdout.take()?).read_line(&mut number).ok()?;
    Some((server, format!(":{}", number.trim())))
}

fn storm(kinds: Kinds, core: u32) {
    let count = changes(20_000);
    let (handle, starter) = prepare();
    let board = storm_board(ClockMode::Realtime, count, core, kinds);
    let limits = Limits { timeout: Some(Duration::from_secs(600)), ..Limits::default() };
    let judge = Arc::new(Mutex::new(Judge::new(kinds)));
    let observer = {
        let judge = Arc::clone(&judge);
        Box::new(move |frame: &_, _| judge.lock().expect("the judge is sane").look(frame))
    };
    let mut recorder = Recorder::default();
    recorder.observer = Some(observer);
    let options = Options { name: "storm".into(), pace: Pace::Host, scaling: Scaling::default(), gauges: Gauges::default() };
    let (mut running, mut started) = (None, Instant::now());
    let shown = tayberry_desktop::run(&handle, options, &mut recorder, || {
        started = Instant::now();
        running = Some(starter.start(limits, move |shared| board.build(shared))?);
        Ok::<_, tayberry_bcm2837::BoardError>(())
    });
    let seconds = started.elapsed().as_secs_f64();
    match shown {
        Err(DesktopError::NoDisplay(why)) => return println!("window: skipped, no display: {why}"),
        Err(error) => panic!("the window: {error}"),
        Ok(picture) => assert!(picture.width > 0 && picture.height > 0),
    }
    assert_eq!(running.expect("it was started").join(), ExitReason::PowerOff);
    let serial: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    drop(recorder);
    judge.lock().expect("the judge is sane").verdict(count, seconds, &String::from_utf8_lossy(&serial));
    assert_eq!(handle.stats.reconfigurations.get(), count, "each message changed the display once");
}
