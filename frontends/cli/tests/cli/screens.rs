//! Screenshots of the guest `screens`, against the board's own pictures of it.

use crate::program::{Ended, Folder, read_png};
use std::path::Path;

/// Runs one of the guest's cases with these options, and compares what the screenshot shows with a picture.
fn check(options: &str, case: &str, picture: &str) {
    let folder = Folder::new();
    folder.file("screens.img", tayberry_guest::SCREENS);
    let append = format!("screens.case={case}");
    let args = ["--frontend", "headless", "--deterministic", "--until", "screens: done", "--screenshot", "shot.png", "--append", &append];
    let run = folder.tayberry(args.into_iter().chain(options.split_whitespace()).chain(["screens.img"]));
    Ended::of(run).expect(0);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../devices/bcm2837/tests/screens").join(picture);
    assert!(read_png(&folder.path("shot.png")) == read_png(&golden), "{options} {case} shows something else than {picture}");
}

#[test]
fn without_a_frame_buffer_there_is_no_signal_or_the_splash_screen() {
    check("", "boot", "boot.png");
    check("--splash", "boot", "boot-splash.png");
}

#[test]
fn a_frame_buffer_replaces_the_splash_screen() {
    check("--splash", "odd24", "odd24.png");
    check("--splash", "release", "release.png");
}
