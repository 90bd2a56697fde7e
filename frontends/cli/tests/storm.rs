//! The storm, headless: a guest that changes modes as fast as it can while a frontend of this test's own looks at every frame it gets.
//! The frontend uses nothing but the machine's handle.

mod common;

use common::{Crowd, Judge, Watch, changes, judge_mail, judged_viewer, storm_board};
use std::time::{Duration, Instant};
use tayberry_engine::ClockMode;
use tayberry_engine::display::{Outcome, Renderer};
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::machine::prepare;
use tayberry_guest::storm::Kinds;

fn storm(count: u64, crowd: Crowd, kinds: Kinds) {
    let (handle, starter) = prepare();
    let board = storm_board(ClockMode::Realtime, count, crowd, kinds);
    let limits = Limits { timeout: Some(Duration::from_secs(3600)), ..Limits::default() };
    let started = Instant::now();
    // Two look on at once: the headless frontend with a log, and this thread.
    let (viewer, viewed) = judged_viewer(&handle, kinds);
    let watch = Watch::start(&handle, count);
    let running = starter.start(limits, move |shared| board.build(shared)).expect("the board is built");
    let (mut judge, mut renderer) = (Judge::new(kinds), Renderer::new(2));
    while !handle.has_ended() {
        if let Outcome::Presented = renderer.render(&handle.display) {
            judge.look(renderer.frame());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(running.join(), ExitReason::PowerOff);
    viewer.finish();
    let serial: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    let serial = String::from_utf8_lossy(&serial);
    println!("{crowd:?}, {kinds:?}, dropped {}:", handle.stats.frames_dropped_stale.get());
    judge.verdict(count, seconds, &serial);
    viewed.lock().expect("the judge is sane").verdict(count, seconds, &serial);
    judge_mail(crowd, &serial);
    watch.verdict(count);
    assert_eq!(handle.stats.reconfigurations.get(), count, "each message changed the display once");
}

#[test]
fn full_mode_changes_never_mix_generations() {
    storm(changes(3_000), Crowd::One(0), Kinds::Full);
}

#[test]
fn partial_changes_from_another_core_never_mix_generations() {
    storm(changes(3_000) / 2, Crowd::One(2), Kinds::Mixed);
}

#[test]
fn four_cores_with_a_lock_lose_no_reply() {
    storm(changes(3_000) / 2, Crowd::Four { lock: true }, Kinds::Full);
}

#[test]
fn four_cores_without_a_lock_lose_no_reply() {
    storm(changes(3_000), Crowd::Four { lock: false }, Kinds::Mixed);
}
