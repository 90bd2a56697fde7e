//! A collector that is told things as a machine would tell them, and the page that comes of it.

use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tayberry_engine::GuestTime;
use tayberry_engine::display::{Alpha, Depth, Frame, Overscan, PixelOrder, ScanoutConfig};
use tayberry_engine::handle::{MachineHandle, Shared};
use tayberry_engine::journal::{Message, Mode, Part, What};
use tayberry_engine::machine::prepare;
use tayberry_report::{Axis, Collector, Facts};

/// A handle, and what its machine would write to.
fn machine() -> (MachineHandle, Arc<Shared>) {
    let (handle, starter) = prepare();
    let mut kept = None;
    let none = starter.by_hand(|shared| {
        kept = Some(shared);
        Err::<_, std::fmt::Error>(std::fmt::Error)
    });
    assert!(none.is_err());
    (handle, kept.expect("it was called"))
}

const MS: u64 = 1_000_000;
const MODES: [(u32, u32, Depth); 4] =
    [(640, 480, Depth::Rgb32), (800, 600, Depth::Rgb16), (1024, 768, Depth::Indexed8), (320, 240, Depth::Rgb24)];

fn mode(generation: u64, index: usize) -> Mode {
    let (width, height, depth) = MODES[index % MODES.len()];
    let config = ScanoutConfig {
        base: 0x3b80_0000,
        pitch: width * 4,
        physical: (width, height),
        virtual_size: (width, height * 2),
        offset: (0, if generation.is_multiple_of(2) { 0 } else { height }),
        depth,
        order: PixelOrder::Rgb,
        alpha: Alpha::Ignored,
        palette: Arc::new([0; 256]),
        blank: false,
        overscan: Overscan::default(),
    };
    Mode { generation, config: Some(config), changed: vec!["offset"] }
}

fn message(at: u64) -> What {
    let part = |name: &'static str, asked: String, answered: &str| Part {
        number: 0x0004_8009,
        name: name.into(),
        asked,
        answered: answered.into(),
        trouble: None,
    };
    let offset = format!("0,{}", at % 2 * 480);
    What::Message(Message {
        channel: "property",
        address: 0x10_0000,
        parts: vec![
            part("set virtual offset", offset.clone(), &offset),
            part("wait for vsync", String::new(), ""),
            Part {
                number: 0x0001_00ff,
                name: "tag 0x000100ff".into(),
                asked: "5".into(),
                trouble: Some("not known".into()),
                ..Part::default()
            },
        ],
        sent: vec![32, 0, 0x0004_8009, 8, 0, 0, 480, 0],
        answered: vec![32, 0x8000_0000, 0x0004_8009, 8, 0x8000_0008, 0, 480, 0],
        words: 8,
        ..Message::default()
    })
}

fn picture(generation: u64, index: usize) -> Frame {
    let (width, height, depth) = MODES[index % MODES.len()];
    let pixel = |at: u32| {
        let (x, y) = (at % width, at / width);
        [(x * 255 / width) as u8, (y * 255 / height) as u8, (generation * 3 % 256) as u8, 0xff]
    };
    let pixels = (0..width * height).flat_map(pixel).collect();
    Frame { generation, width, height, depth: depth.bits(), pixels, changed: 0..height, published_at: None }
}

/// Ten seconds of a guest that flips its buffers and changes its mode now and then.
fn page() -> String {
    let (handle, shared) = machine();
    let (collector, mut observer) = Collector::start(&handle, Axis::Guest);
    for frame in 0..600u64 {
        let (at, index, generation) = (frame * 16_666_667, (frame / 150) as usize, frame + 1);
        let now = GuestTime(at);
        shared.journal.record(now, || message(frame));
        shared.journal.record(now, || What::Mode(mode(generation, index)));
        if frame % 30 == 0 {
            shared.journal.record(now, || What::Serial { port: 0, bytes: format!("frame {frame} of <600>\n").into_bytes() });
        }
        shared.stats.frames_presented.add(1);
        shared.stats.render.record(200_000 + frame * frame % 977 * 1000);
        shared.stats.guest_ns.set(at);
        if frame % 50 == 7 {
            shared.stats.frames_dropped_stale.add(2);
            std::thread::sleep(Duration::from_millis(5));
        }
        observer(&picture(generation, index), at);
    }
    shared.journal.record(GuestTime(9_000 * MS), || What::Reset);
    drop(observer);
    let recording = collector.finish(Duration::from_secs(1));
    let facts = Facts {
        kernel: "kernel8.img".into(),
        arguments: vec!["--report".into(), "a b.html".into()],
        date: SystemTime::UNIX_EPOCH,
        version: "1",
        stats: serde_json::json!({ "exit": "poweroff", "exit_status": 0, "guest_s": 10.0, "wall_s": 1.0, "instructions_total": 5_000_000_000u64 }),
        crashes: vec![],
    };
    let mut out = Vec::new();
    recording.write(&facts, &mut out).expect("memory");
    std::fs::write(std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("report.html"), &out).expect("a folder for tests");
    String::from_utf8(out).expect("text")
}

#[test]
fn everything_told_is_on_the_page() {
    let page = page();
    for part in [
        "id=\"presented\" data-value=\"600\"",
        "id=\"dropped\" data-value=\"24\"",
        "id=\"generations\" data-value=\"600\"",
        "id=\"messages\" data-value=\"600\"",
        "id=\"resets\" data-value=\"1\"",
        "data-frames=\"150\"",
        "100 messages are left out here",
        "frame 570 of &lt;600&gt;",
        "1970-01-01T00:00:00Z",
        "'a b.html'",
        "the machine was reset",
    ] {
        assert!(page.contains(part), "{part}");
    }
    assert_eq!(page.matches("data-frames=\"150\"").count(), 4);
    let shots = page.matches("<figure").count();
    assert!((20..=64).contains(&shots), "{shots} pictures");
    assert_eq!(page.matches("<circle class=\"time\"").count(), 600, "each frame's time is on the plot");
}

#[test]
fn a_machine_that_never_ran_has_a_page_too() {
    let (handle, _shared) = machine();
    let (collector, observer) = Collector::start(&handle, Axis::Host);
    drop(observer);
    let recording = collector.finish(Duration::ZERO);
    let facts = Facts {
        kernel: String::new(),
        arguments: vec![],
        date: SystemTime::now(),
        version: "1",
        stats: serde_json::Value::Null,
        crashes: vec![],
    };
    let mut out = Vec::new();
    recording.write(&facts, &mut out).expect("memory");
    let page = String::from_utf8(out).expect("text");
    assert!(page.contains("The guest showed nothing") && page.contains("The guest printed nothing"));
}

#[test]
fn a_collector_that_is_let_go_leaves_no_thread_waiting() {
    let (handle, _shared) = machine();
    let (collector, mut observer) = Collector::start(&handle, Axis::Guest);
    drop(collector);
    // Nobody takes them in any more: whoever draws goes on all the same.
    for at in 0..10_000 {
        observer(
            &Frame { generation: 1, width: 1, height: 1, depth: 32, pixels: vec![0; 4].into(), changed: 0..1, published_at: None },
            at * MS,
        );
    }
}
