//! The storm in the desktop window, on a display of its own (Xvfb): every frame that the window shows is judged, and the window's size follows.
//!
//! Without Xvfb, or without anything that can draw on it, it says so and does nothing. A plain `main`, since winit wants the main thread; it runs
//! itself again with `DISPLAY` set.

mod common;

use common::{Crowd, Judge, Watch, changes, judge_mail, judged_viewer, storm_board};
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tayberry_desktop::{DesktopError, Gauges, Options, Scaling};
use tayberry_engine::ClockMode;
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::hid::KeysTo;
use tayberry_engine::machine::prepare;
use tayberry_guest::storm::Kinds;
use tayberry_headless::{Pace, Recorder};

/// Set, to one of [`CROWDS`] by number, when this program runs itself: a process has one event loop.
const INNER: &str = "TAYBERRY_WINDOW_TEST";
/// The storms: who storms, and how.
const CROWDS: [(Crowd, Kinds); 3] =
    [(Crowd::One(0), Kinds::Full), (Crowd::Four { lock: true }, Kinds::Full), (Crowd::Four { lock: false }, Kinds::Mixed)];

fn main() -> ExitCode {
    // What `cargo test` asks of every test program.
    if std::env::args().any(|arg| arg == "--list") {
        return ExitCode::SUCCESS;
    }
    if let Ok(number) = std::env::var(INNER) {
        let (crowd, kinds) = CROWDS[number.parse::<usize>().expect("a number of ours")];
        storm(kinds, crowd);
        return ExitCode::SUCCESS;
    }
    let Some((mut server, display)) = start_display() else {
        println!("window: skipped, there is no Xvfb");
        return ExitCode::SUCCESS;
    };
    let program = std::env::current_exe().expect("this program's path");
    let all_well = (0..CROWDS.len()).all(|number| {
        let mut inner = Command::new(&program);
        inner.env(INNER, number.to_string()).env("DISPLAY", &display).env_remove("WAYLAND_DISPLAY");
        inner.status().expect("this program can be run").success()
    });
    // Ours: it was started above.
    let _ = server.kill().and_then(|()| server.wait());
    if all_well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
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

fn storm(kinds: Kinds, crowd: Crowd) {
    let count = changes(10_000);
    let (handle, starter) = prepare();
    let board = storm_board(ClockMode::Realtime, count, crowd, kinds);
    let limits = Limits { timeout: Some(Duration::from_secs(3600)), ..Limits::default() };
    // The headless frontend looks on as well.
    let (viewer, viewed) = judged_viewer(&handle, kinds);
    let watch = Watch::start(&handle, count);
    let judge = Arc::new(Mutex::new(Judge::new(kinds)));
    let observer = {
        let judge = Arc::clone(&judge);
        Box::new(move |frame: &_, _| judge.lock().expect("the judge is sane").look(frame))
    };
    let mut recorder = Recorder::default();
    recorder.observer = Some(observer);
    let (scaling, gauges) = (Scaling::default(), Gauges::default());
    let options = Options { name: "storm".into(), pace: Pace::Host, scaling, keys: KeysTo::default(), gauges };
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
    viewer.finish();
    let serial: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    let serial = String::from_utf8_lossy(&serial);
    drop(recorder);
    println!("{crowd:?}, {kinds:?}, dropped {}:", handle.stats.frames_dropped_stale.get());
    for judge in [judge, viewed] {
        judge.lock().expect("the judge is sane").verdict(count, seconds, &serial);
    }
    judge_mail(crowd, &serial);
    watch.verdict(count);
    assert_eq!(handle.stats.reconfigurations.get(), count, "each message changed the display once");
}
