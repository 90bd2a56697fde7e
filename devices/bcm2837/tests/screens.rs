//! What the screen shows: the guest `screens` in each of its situations, against pictures in the tree (`screens/NAME.png`) and what it printed
//! (`screens/NAME.txt`), both to the last bit.
//!
//! The pictures are not the emulator's: `guest/screens/screens.py` makes them from each situation's definition, pixel by pixel, and compares them with QEMU's
//! screen. The texts are what this machine printed when it was found right: `TAYBERRY_BLESS=1 cargo test -p tayberry-bcm2837 --test screens` writes them anew.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tayberry_bcm2837::device_tree::DeviceTree;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::display::{Frame, Outcome, Renderer};
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::machine::prepare;

const DONE: &str = "screens: done";
/// Pictures in the tree, so that none gets lost.
const PICTURES: usize = 42;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/screens").join(name)
}

fn limits() -> Limits {
    Limits { timeout: Some(Duration::from_secs(120)), until: Some(DONE.into()), ..Limits::default() }
}

/// The board of a situation: two of them are the guest's `boot` on another board.
fn board(name: &str) -> Raspi3b {
    let (case, splash, dtb) = match name {
        "boot-splash" => ("boot", true, None),
        "boot-tree" => ("boot", false, Some(DeviceTree::default().to_bytes())),
        _ => (name, false, None),
    };
    let options = BoardOptions {
        kernel: tayberry_guest::SCREENS.to_vec(),
        append: Some(format!("screens.case={case}")),
        mode: ClockMode::Deterministic,
        splash,
        dtb,
        ..BoardOptions::default()
    };
    Raspi3b::new(options).expect("a good kernel")
}

/// A picture's size and its bytes, red, green and blue.
#[derive(PartialEq, Eq)]
struct Picture {
    size: (u32, u32),
    rgb: Vec<u8>,
}

impl Picture {
    fn of(frame: &Frame) -> Self {
        let rgb = frame.pixels.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
        Self { size: (frame.width, frame.height), rgb }
    }

    fn read(path: &Path) -> Self {
        let file = std::io::BufReader::new(std::fs::File::open(path).expect("the picture"));
        let mut reader = png::Decoder::new(file).read_info().expect("a PNG file");
        let mut rgb = vec![0; reader.output_buffer_size().expect("a size that fits")];
        let info = reader.next_frame(&mut rgb).expect("one picture");
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        Self { size: (info.width, info.height), rgb }
    }

    fn write(&self, path: &Path) {
        let file = std::io::BufWriter::new(std::fs::File::create(path).expect("room for a picture"));
        let mut encoder = png::Encoder::new(file, self.size.0, self.size.1);
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().and_then(|mut writer| writer.write_image_data(&self.rgb)).expect("room for a picture");
    }

    /// What is different, in words.
    fn difference(&self, expected: &Self) -> String {
        if self.size != expected.size {
            return format!("{:?} in place of {:?}", self.size, expected.size);
        }
        let pairs = self.rgb.chunks_exact(3).zip(expected.rgb.chunks_exact(3)).enumerate();
        let wrong: Vec<_> = pairs.filter(|(_, (is, expected))| is != expected).collect();
        let Some((at, (is, expected))) = wrong.first() else { return String::new() };
        let (x, y) = (*at as u32 % self.size.0, *at as u32 / self.size.0);
        format!("{} pixels, the first at {x},{y}: {is:?} in place of {expected:?}", wrong.len())
    }
}

/// Runs a situation to its end: what the screen shows then, and what was printed.
fn run(name: &str) -> (Picture, String) {
    let board = board(name);
    let (handle, starter) = prepare();
    let exit = starter.start(limits(), move |shared| board.build(shared)).expect("it starts").join();
    let printed: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    let printed = String::from_utf8_lossy(&printed).replace('\r', "");
    assert_eq!(exit, ExitReason::Until, "{name}: {printed}");
    let mut renderer = Renderer::new(1);
    renderer.render(&handle.display);
    // What comes behind the text that ends the run depends on where a slice ends.
    let end = printed.find(DONE).expect("it ended with it");
    (Picture::of(renderer.frame()), printed[..end].to_owned())
}

#[test]
fn every_situation_shows_its_picture_and_prints_its_answers() {
    let bless = std::env::var_os("TAYBERRY_BLESS").is_some();
    let names = std::fs::read_dir(golden("")).expect("the pictures").filter_map(|entry| {
        let path = entry.expect("readable").path();
        (path.extension()? == "png").then(|| path.file_stem().expect("named").to_string_lossy().into_owned())
    });
    let names: BTreeSet<String> = names.collect();
    assert_eq!(names.len(), PICTURES);
    let mut wrong = Vec::new();
    for name in names {
        let (picture, printed) = run(&name);
        let expected = Picture::read(&golden(&format!("{name}.png")));
        if picture != expected {
            let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.png"));
            picture.write(&kept);
            wrong.push(format!("{name}: {}; see {}", picture.difference(&expected), kept.display()));
        }
        let text = golden(&format!("{name}.txt"));
        if bless {
            std::fs::write(&text, &printed).expect("room for a text");
        }
        if std::fs::read_to_string(&text).ok().as_deref() != Some(&printed) {
            wrong.push(format!("{name} printed other than its text:\n{printed}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A frame belongs to one palette, however fast they change: its pixels are all of the same turn of the guest's palette.
#[test]
fn a_frame_has_one_palette() {
    const TURNS: u32 = 4000;
    let golden = Picture::read(&golden("index8.png"));
    let level = |value: u8, most: u32| (u32::from(value) * most + 127) / 255;
    let index_of = |rgb: &[u8]| (level(rgb[0], 7) << 5 | level(rgb[1], 7) << 2 | level(rgb[2], 3)) as u8;
    let indices: Vec<u8> = golden.rgb.chunks_exact(3).map(index_of).collect();

    let options = BoardOptions {
        kernel: tayberry_guest::SCREENS.to_vec(),
        append: Some(format!("screens.case=palette-cycle screens.turns={TURNS}")),
        ..BoardOptions::default()
    };
    let board = Raspi3b::new(options).expect("a good kernel");
    let (handle, starter) = prepare();
    let running = starter.start(limits(), move |shared| board.build(shared)).expect("it starts");
    let mut renderer = Renderer::new(2);
    let (mut printed, mut turns) = (String::new(), BTreeSet::new());
    while !printed.contains(DONE) {
        if let Ok(bytes) = handle.serial[0].recv_timeout(Duration::from_micros(200)) {
            printed.push_str(&String::from_utf8_lossy(&bytes));
            assert!(!printed.contains("refused") || printed.contains(" 0 refused"), "{printed}");
        }
        // Painted from here on, with a palette of black at first.
        if printed.contains("screens: cycling") && renderer.render(&handle.display) == Outcome::Presented {
            let picture = Picture::of(renderer.frame());
            assert_eq!(picture.size, golden.size);
            if picture.rgb.iter().all(|&component| component == 0) {
                assert!(turns.is_empty(), "black was the first palette");
                continue;
            }
            let turn = index_of(&picture.rgb).wrapping_sub(indices[0]);
            let pixels = picture.rgb.chunks_exact(3);
            let others = pixels.zip(&indices).filter(|&(rgb, &index)| index_of(rgb) != index.wrapping_add(turn)).count();
            assert_eq!(others, 0, "pixels that are not of turn {turn}");
            turns.insert(turn);
        }
    }
    assert_eq!(running.join(), ExitReason::Until);
    assert!(turns.len() > 2, "the frames saw palettes {turns:?}");
    renderer.render(&handle.display);
    assert_eq!(index_of(&Picture::of(renderer.frame()).rgb), indices[0].wrapping_add(TURNS as u8), "and the last one stays");
}
