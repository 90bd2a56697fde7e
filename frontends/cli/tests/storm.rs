//! The storm, headless: a guest that changes modes as fast as it can while a frontend of this test's own looks at every frame it gets.
//! The frontend uses nothing but the machine's handle.

mod common;

use common::{Judge, changes, storm_board};
use std::time::{Duration, Instant};
use tayberry_engine::ClockMode;
use tayberry_engine::display::{Outcome, Renderer};
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::machine::prepare;
use tayberry_guest::storm::Kinds;

fn storm(count: u64, core: u32, kinds: Kinds) {
    let (handle, starter) = prepare();
    let board = storm_board(ClockMode::Realtime, count, core, kinds);
    let limits = Limits { timeout: Some(Duration::from_secs(600)), ..Limits::default() };
    let started = Instant::now();
    let running = starter.start(limits, move |shared| board.build(shared)).expect("the board is built");
    let (mut judge, mut renderer) = (Judge::new(kinds), Renderer::new(1));
    while !handle.has_ended() {
        if let Outcome::Presented = renderer.render(&handle.display) {
            judge.look(renderer.frame());
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    let seconds = started.elapsed().as_secs_f64();
    assert_eq!(running.join(), ExitReason::PowerOff);
    let serial: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    judge.verdict(count, seconds, &String::from_utf8_lossy(&serial));
    assert_eq!(handle.stats.reconfigurations.get(), count, "each message changed the display once");
}

#[test]
fn full_mode_changes_never_mix_generations() {
    storm(changes(3_000), 0, Kinds::Full);
}

#[test]
fn partial_changes_from_another_core_never_mix_generations() {
    storm(changes(3_000) / 2, 2, Kinds::Mixed);
}
