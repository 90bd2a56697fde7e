//! `--expect`: golden pictures.

use crate::headless::ENDLESS;
use crate::program::{Ended, Folder, read_png};
use std::fs::File;
use std::io::BufWriter;

/// A folder with a guest and the picture that it ends with.
fn folder() -> Folder {
    let folder = Folder::new();
    folder.steps();
    folder.file("endless.img", ENDLESS);
    folder.file("echo.img", tayberry_guest::ECHO);
    folder.headless("--screenshot golden.png steps.img").expect(0);
    folder
}

fn write_png(folder: &Folder, name: &str, (width, height): (u32, u32), color: png::ColorType, pixels: &[u8]) {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(folder.path(name)).expect("a file")), width, height);
    encoder.set_color(color);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(pixels)).expect("room");
}

/// The golden picture with a pixel of another colour.
fn spoil(folder: &Folder, name: &str, (x, y): (u32, u32), rgb: [u8; 3]) {
    let (width, height, mut pixels) = read_png(&folder.path("golden.png"));
    pixels[((y * width + x) * 3) as usize..][..3].copy_from_slice(&rgb);
    write_png(folder, name, (width, height), png::ColorType::Rgb, &pixels);
}

fn exists(folder: &Folder, name: &str) -> bool {
    folder.path(name).exists()
}

#[test]
fn the_same_picture_is_a_success() {
    let folder = folder();
    for mode in ["", "--deterministic", "--deterministic --fps 10", "--every-flip"] {
        let run = folder.headless(&format!("{mode} --expect golden.png steps.img")).expect(0);
        assert_eq!(run.stderr, "");
    }
    assert!(!exists(&folder, "golden.diff.png"));
    // The same pixels in another kind of PNG.
    let (width, height, rgb) = read_png(&folder.path("golden.png"));
    let rgba: Vec<u8> = rgb.chunks_exact(3).flat_map(|rgb| [rgb[0], rgb[1], rgb[2], 0xFF]).collect();
    write_png(&folder, "alpha.png", (width, height), png::ColorType::Rgba, &rgba);
    folder.headless("--expect alpha.png steps.img").expect(0);
    write_png(&folder, "black.png", (640, 480), png::ColorType::Grayscale, &[0; 640 * 480]);
    folder.headless("--expect black.png --max-instructions 1000 endless.img").expect(0);
}

#[test]
fn a_pixel_that_differs_is_found_and_drawn() {
    let folder = folder();
    // Step 1 is on line 2 from column 1 on, in the colour 2 * 0x091e7b, red in the low byte.
    spoil(&folder, "golden2.png", (5, 2), [1, 2, 3]);
    std::fs::create_dir(folder.path("golden")).expect("a folder");
    std::fs::rename(folder.path("golden2.png"), folder.path("golden/boot.png")).expect("its file");
    let run = folder.headless("--expect golden/boot.png --stats stats.json steps.img").expect(5);
    let expected = "tayberry: --expect golden/boot.png: 1 of 3072 pixels differs, the first at x=5 y=2: #010203 expected, #f63c12 shown; see boot.diff.png\n";
    assert_eq!(run.stderr, expected);
    let stats: serde_json::Value = serde_json::from_slice(&folder.read("stats.json")).expect("JSON");
    assert_eq!((stats["exit_status"].as_u64(), stats["exit"].as_str()), (Some(5), Some("poweroff")));

    let (width, _, pixels) = read_png(&folder.path("boot.diff.png"));
    let count = |rgb: [u8; 3]| pixels.chunks_exact(3).filter(|pixel| *pixel == rgb).count();
    assert!(width > 3 * 64);
    assert_eq!((count([1, 2, 3]), count([0xFF, 0, 0xFF])), (1, 1), "expected is in it, and the mark");
    assert_eq!(count([0xF6, 0x3C, 0x12]), 39 + 40, "and what was shown, beside the picture expected");

    let run = folder.headless("--expect golden/boot.png --expect-diff other.png steps.img").expect(5);
    assert!(run.stderr.contains("see other.png") && exists(&folder, "other.png"), "{}", run.stderr);
}

#[test]
fn sizes_that_differ_are_told() {
    let folder = folder();
    let run = folder.headless("--max-instructions 1000 --expect golden.png endless.img").expect(5);
    assert_eq!(run.stderr, "tayberry: --expect golden.png: the screen has 640x480 pixels, the picture 64x48; see golden.diff.png\n");
    read_png(&folder.path("golden.diff.png"));
}

#[test]
fn other_failures_keep_their_status() {
    let folder = folder();
    spoil(&folder, "wrong.png", (0, 0), [9; 3]);
    folder.file("udf.img", &[0; 64]);
    for (args, status) in [
        ("--timeout 0.2 --until never endless.img", 3),
        ("--max-instructions 1000 --until never endless.img", 3),
        ("--cores 1 udf.img", 4),
        // As scripts use it most.
        ("--until ready echo.img", 5),
        ("--timeout 0.1 endless.img", 5),
    ] {
        let run = folder.headless(&format!("--expect wrong.png {args}")).expect(status);
        let told = run.stderr.lines().filter(|line| line.contains("--expect wrong.png")).count();
        assert_eq!(told, 1, "the difference is told all the same: {}", run.stderr);
    }
}

#[test]
fn pictures_that_cannot_be_used() {
    let folder = folder();
    folder.file("text.png", b"no picture");
    let golden = folder.read("golden.png");
    folder.file("cut.png", &golden[..golden.len() / 2]);
    // No limit: were it started, it would never end.
    folder.headless("--expect missing.png endless.img").unusable("--expect missing.png");
    folder.headless("--expect . endless.img").unusable("--expect");
    folder.headless("--expect text.png endless.img").unusable("--expect text.png");
    folder.headless("--expect cut.png endless.img").unusable("--expect cut.png");
    folder.headless("--expect golden.png --expect-diff nowhere/x.png endless.img").unusable("--expect-diff nowhere/x.png");
    folder.headless("--expect golden.png --expect-diff golden.png endless.img").unusable("same file");
    folder.headless("--expect golden.png --screenshot golden.png endless.img").unusable("same file");
    folder.headless("--expect-diff x.png endless.img").unusable("--expect");
    assert!(!exists(&folder, "golden.diff.png"), "nothing is left behind");
}

#[test]
fn a_difference_that_was_there_before_is_overwritten_and_no_other_is_touched() {
    let folder = folder();
    folder.file("golden.diff.png", b"old");
    folder.headless("--expect golden.png steps.img").expect(0);
    assert_eq!(folder.read("golden.diff.png"), b"old");
    spoil(&folder, "golden.png", (63, 47), [0xFF; 3]);
    let run = Ended::of(folder.tayberry(["--frontend", "headless", "--expect", "golden.png", "steps.img"])).expect(5);
    assert!(run.stderr.contains("x=63 y=47: #ffffff expected, #000000 shown"), "{}", run.stderr);
    read_png(&folder.path("golden.diff.png"));
}
