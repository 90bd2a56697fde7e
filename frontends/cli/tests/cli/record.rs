//! `--record`: what is in the animation is what the frame log tells of.

use crate::frames::{Row, rows};
use crate::headless::ENDLESS;
use crate::program::{Ended, Folder, read_png};
use std::fs::File;
use std::io::BufReader;
use std::time::Duration;
use xxhash_rust::xxh3::xxh3_64;

/// A frame of an animation as a viewer shows it.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    hash: u64,
    delay_ns: u64,
}

/// The canvas of a viewer.
struct Canvas {
    width: usize,
    rgba: Vec<u8>,
}

impl Canvas {
    fn new(width: u32, height: u32) -> Self {
        Self { width: width as usize, rgba: vec![0; width as usize * height as usize * 4] }
    }

    /// Shows lines of `rgba` there.
    fn show(&mut self, (x, y): (usize, usize), width: usize, rgba: &[u8]) -> u64 {
        for (row, line) in rgba.chunks_exact(width * 4).enumerate() {
            let at = ((y + row) * self.width + x) * 4;
            self.rgba[at..at + line.len()].copy_from_slice(line);
        }
        xxh3_64(&self.rgba)
    }
}

fn apng(folder: &Folder, name: &str) -> (Vec<Shown>, Canvas) {
    let mut reader = png::Decoder::new(BufReader::new(File::open(folder.path(name)).expect("it was written"))).read_info().expect("PNG");
    let (width, height) = reader.info().size();
    let mut canvas = Canvas::new(width, height);
    let count = reader.info().animation_control().expect("an animation").num_frames;
    let mut shown = Vec::new();
    for _ in 0..count {
        let mut rgb = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut rgb).expect("a frame");
        let place = *reader.info().frame_control().expect("a place");
        let rgba: Vec<u8> = rgb[..info.buffer_size()].chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 0xFF]).collect();
        let hash = canvas.show((place.x_offset as usize, place.y_offset as usize), info.width as usize, &rgba);
        shown.push(Shown { hash, delay_ns: u64::from(place.delay_num) * 1_000_000_000 / u64::from(place.delay_den) });
    }
    reader.finish().expect("nothing is missing");
    (shown, canvas)
}

fn gif(folder: &Folder, name: &str) -> (Vec<Shown>, Canvas) {
    let mut options = gif::DecodeOptions::new();
    options.set_color_output(gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(BufReader::new(File::open(folder.path(name)).expect("it was written"))).expect("GIF");
    let mut canvas = Canvas::new(decoder.width().into(), decoder.height().into());
    let mut shown = Vec::new();
    while let Some(frame) = decoder.read_next_frame().expect("frames to the end") {
        let hash = canvas.show((frame.left.into(), frame.top.into()), frame.width.into(), &frame.buffer);
        shown.push(Shown { hash, delay_ns: u64::from(frame.delay) * 10_000_000 });
    }
    (shown, canvas)
}

/// The log's frames without those that show nothing new, or are replaced within `shortest_ns`.
fn seen(log: &[Row], shortest_ns: u64) -> Vec<&Row> {
    let mut seen: Vec<&Row> = Vec::new();
    for row in log {
        match seen.last_mut() {
            Some(last) if last.hash == row.hash => {}
            Some(last) if row.time_ns - last.time_ns < shortest_ns => *last = row,
            _ => seen.push(row),
        }
    }
    seen
}

fn folder() -> Folder {
    let folder = Folder::new();
    folder.steps();
    folder.file("storm.img", tayberry_guest::STORM);
    folder.file("endless.img", ENDLESS);
    folder
}

#[test]
fn an_animated_png_is_exact() {
    let folder = folder();
    for args in ["--fps 40", "--fps 60", "--fps 12.5"] {
        folder.headless(&format!("--deterministic {args} --frame-log log.csv --record run.png steps.img")).expect(0);
        let log = rows(&folder, "log.csv");
        let log = seen(&log, 0);
        let (shown, _) = apng(&folder, "run.png");
        assert!(shown.len() > 5 && shown.iter().map(|shown| shown.hash).eq(log.iter().map(|row| row.hash)), "{args}");
        // Delays add up to the times.
        let mut at = log[0].time_ns;
        for (shown, next) in shown.iter().zip(&log[1..]) {
            at += shown.delay_ns;
            assert!(at.abs_diff(next.time_ns) <= 50_000, "{args}: {at} {next:?}");
        }
    }
}

#[test]
fn a_gif_of_few_colours_is_exact() {
    let folder = folder();
    folder.headless("--deterministic --fps 40 --frame-log log.csv --record run.gif steps.img").expect(0);
    let log = rows(&folder, "log.csv");
    let log = seen(&log, 20_000_000);
    let (shown, _) = gif(&folder, "run.gif");
    // The last step is seen in place of the one before: only microseconds lie between.
    assert_eq!(shown.len(), 24);
    assert!(shown.iter().map(|shown| shown.hash).eq(log.iter().map(|row| row.hash)));
    let total: u64 = shown[..23].iter().map(|shown| shown.delay_ns).sum();
    assert!(total.abs_diff(23 * 25_000_000) <= 10_000_000, "{total}");
}

#[test]
fn the_same_run_gives_the_same_animation() {
    let folder = folder();
    for name in ["run.png", "run.gif"] {
        let run = || {
            let args = ["--frontend", "headless", "--deterministic", "--append", "storm.count=40 storm.hold_us=20000"];
            Ended::of(folder.tayberry(args.into_iter().chain(["--record", name, "storm.img"]))).expect(0);
            folder.read(name)
        };
        let first = run();
        assert!(first == run(), "{name}");
    }
}

#[test]
fn only_what_changed_is_written() {
    let folder = folder();
    folder.headless("--deterministic --fps 40 --record run.png steps.img").expect(0);
    // 24 steps of 40 pixels on 64x48: as whole pictures they would be 220 KB before they are compressed.
    assert!(folder.read("run.png").len() < 6000, "{}", folder.read("run.png").len());
    let mut reader =
        png::Decoder::new(BufReader::new(File::open(folder.path("run.png")).expect("it was written"))).read_info().expect("PNG");
    let mut sizes = Vec::new();
    for _ in 0..3 {
        let mut rgb = vec![0; reader.output_buffer_size().expect("a size")];
        let info = reader.next_frame(&mut rgb).expect("a frame");
        sizes.push((info.width, info.height));
    }
    assert_eq!(sizes, [(64, 48), (40, 1), (40, 1)]);
}

#[test]
fn modes_of_other_sizes_go_into_the_first_one_s_canvas() {
    let folder = folder();
    let first = tayberry_guest::storm::mode(1, 1, tayberry_guest::storm::Kinds::Full);
    for (size, expected) in [("", (first.width, first.height)), ("--record-size 320x200", (320, 200))] {
        let args = ["--frontend", "headless", "--deterministic", "--append", "storm.count=30 storm.hold_us=20000", "--record", "run.apng"];
        Ended::of(folder.tayberry(args.into_iter().chain(size.split_whitespace()).chain(["storm.img"]))).expect(0);
        let (shown, canvas) = apng(&folder, "run.apng");
        assert_eq!((canvas.width, canvas.rgba.len()), (expected.0 as usize, (expected.0 * expected.1 * 4) as usize));
        assert!(shown.len() > 20, "{}", shown.len());
    }
}

#[test]
fn in_real_time_the_last_frame_is_the_screen_and_what_was_left_out_is_told() {
    let folder = folder();
    for name in ["run.png", "run.gif"] {
        let run = folder.headless(&format!("--screenshot shot.png --record {name} steps.img")).expect(0);
        assert!(run.stderr.is_empty() || run.stderr.contains("left out"), "{}", run.stderr);
        let (shown, canvas) = if name == "run.png" { apng(&folder, name) } else { gif(&folder, name) };
        assert!(shown.len() > 3, "{name}: {}", shown.len());
        let (_, _, rgb) = read_png(&folder.path("shot.png"));
        assert!(rgb.chunks_exact(3).eq(canvas.rgba.chunks_exact(4).map(|pixel| &pixel[..3])), "{name}");
    }
}

#[test]
fn a_run_without_a_signal_is_a_black_picture() {
    let folder = folder();
    folder.headless("--max-instructions 1000 --record run.png endless.img").expect(0);
    let (shown, canvas) = apng(&folder, "run.png");
    assert_eq!((shown.len(), canvas.width, canvas.rgba.len()), (1, 640, 640 * 480 * 4));
}

#[test]
fn files_that_cannot_be_written() {
    let folder = folder();
    folder.headless("--record run.mp4 endless.img").unusable("'run.mp4' for '--record");
    folder.headless("--record run endless.img").unusable(".gif");
    folder.headless("--record nowhere/run.png endless.img").unusable("--record nowhere/run.png");
    folder.headless("--record run.png --screenshot run.png endless.img").unusable("same file");
    folder.headless("--record-size 64x64 endless.img").unusable("--record");
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_of_once() {
    let folder = folder();
    for name in ["full.png", "full.gif"] {
        std::os::unix::fs::symlink("/dev/full", folder.path(name)).expect("a link");
        let run = folder.headless(&format!("--deterministic --record {name} steps.img")).expect(2);
        assert_eq!((run.stderr.lines().count(), run.stderr.matches("--record").count()), (1, 1), "{}", run.stderr);
    }
}

#[cfg(unix)]
#[test]
fn whatever_ends_the_run_the_file_is_whole() {
    use rustix::process::{Pid, Signal, kill_process};
    let folder = folder();
    let append = "storm.count=1000000 storm.hold_us=5000";
    for (signal, status, mode) in
        [(Signal::INT, 130, ""), (Signal::INT, 130, "--deterministic"), (Signal::KILL, -1, ""), (Signal::KILL, -1, "--deterministic")]
    {
        for name in ["run.png", "run.gif"] {
            let args = ["--frontend", "headless", "--append", append, "--record", name, "storm.img"];
            let child = folder.tayberry(args.into_iter().chain(mode.split_whitespace())).spawn().expect("a run");
            let size = || std::fs::metadata(folder.path(name)).map_or(0, |file| file.len());
            let before = std::time::Instant::now();
            while size() < 2000 && before.elapsed() < Duration::from_secs(60) {
                std::thread::sleep(Duration::from_millis(10));
            }
            kill_process(Pid::from_child(&child), signal).expect("it is there");
            Ended::from(child.wait_with_output().expect("an end")).expect(status);
            // A kill may come between a frame and the count of frames: then one more is there than counted, which nobody minds.
            let frames = if name == "run.gif" { gif(&folder, name).0.len() } else { apng(&folder, name).0.len() };
            assert!(frames > 1, "{name} {mode}: {frames}");
            std::fs::remove_file(folder.path(name)).expect("it was there");
        }
    }
}
