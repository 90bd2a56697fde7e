use super::*;
use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use tempfile::TempDir;

/// A frame whose pixels are `colour` of their places.
fn frame(width: u32, height: u32, changed: Range<u32>, colour: impl Fn(u32, u32) -> [u8; 3]) -> Frame {
    let pixels = (0..width * height).map(|at| colour(at % width, at / width)).flat_map(|[red, green, blue]| [red, green, blue, 0xFF]);
    Frame { generation: 1, width, height, depth: 32, pixels: pixels.collect(), changed, ..Frame::default() }
}

/// What a decoder makes of an animation: canvases of RGB bytes with their delays in nanoseconds.
struct Decoded {
    size: (u32, u32),
    frames: Vec<(Vec<u8>, u64)>,
}

fn paste(canvas: &mut [u8], width: u32, (x, y): (u32, u32), columns: u32, rgb: &[u8]) {
    for (row, line) in rgb.chunks_exact(columns as usize * 3).enumerate() {
        let at = ((y as usize + row) * width as usize + x as usize) * 3;
        canvas[at..at + line.len()].copy_from_slice(line);
    }
}

fn decode_apng(path: &Path) -> Decoded {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path).expect("a file"))).read_info().expect("a PNG file");
    let size = reader.info().size();
    let count = reader.info().animation_control().expect("an animation").num_frames;
    let mut canvas = vec![0; size.0 as usize * size.1 as usize * 3];
    let mut frames = Vec::new();
    for _ in 0..count {
        let mut bytes = vec![0; reader.output_buffer_size().expect("a size that fits")];
        let info = reader.next_frame(&mut bytes).expect("a frame");
        let control = *reader.info().frame_control().expect("its place and time");
        paste(&mut canvas, size.0, (control.x_offset, control.y_offset), info.width, &bytes[..info.buffer_size()]);
        frames.push((canvas.clone(), u64::from(control.delay_num) * 1_000_000_000 / u64::from(control.delay_den)));
    }
    reader.finish().expect("an end");
    Decoded { size, frames }
}

fn decode_gif(path: &Path) -> Decoded {
    let mut options = ::gif::DecodeOptions::new();
    options.set_color_output(::gif::ColorOutput::RGBA);
    let mut decoder = options.read_info(BufReader::new(File::open(path).expect("a file"))).expect("a GIF file");
    let size = (u32::from(decoder.width()), u32::from(decoder.height()));
    let mut canvas = vec![0; size.0 as usize * size.1 as usize * 3];
    let mut frames = Vec::new();
    while let Some(frame) = decoder.read_next_frame().expect("a frame, or the end") {
        let rgb: Vec<u8> = frame.buffer.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
        paste(&mut canvas, size.0, (frame.left.into(), frame.top.into()), frame.width.into(), &rgb);
        frames.push((canvas.clone(), u64::from(frame.delay) * 10_000_000));
    }
    Decoded { size, frames }
}

fn decode(path: &Path) -> Decoded {
    match VideoFormat::of(path).expect("an animation") {
        VideoFormat::Apng => decode_apng(path),
        VideoFormat::Gif => decode_gif(path),
    }
}

struct Scene {
    _folder: TempDir,
    path: PathBuf,
    video: Video,
}

impl Scene {
    fn new(name: &str, size: Option<(u32, u32)>) -> Self {
        let folder = TempDir::new().expect("a folder");
        let path = folder.path().join(name);
        let format = VideoFormat::of(&path).expect("an animation");
        let video = Video::start(File::create(&path).expect("a file"), format, size, Overflow::Wait).expect("a file that has places");
        Self { _folder: folder, path, video }
    }

    fn finish(self) -> Decoded {
        assert_eq!(self.video.finish().expect("room"), 0, "nobody is left out where everybody waits");
        decode(&self.path)
    }
}

fn rgb(frame: &Frame) -> Vec<u8> {
    frame.pixels.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect()
}

const MS: u64 = 1_000_000;

#[test]
fn extensions_name_formats() {
    let of = |name: &str| VideoFormat::of(Path::new(name));
    assert_eq!([of("a.png"), of("a.APNG"), of("x/b.gif")], [Some(VideoFormat::Apng), Some(VideoFormat::Apng), Some(VideoFormat::Gif)]);
    assert_eq!([of("a.mp4"), of("png"), of("a.png/"), of("")], [None, None, Some(VideoFormat::Apng), None]);
}

#[test]
fn frames_come_back_with_their_delays() {
    for name in ["run.png", "run.gif"] {
        let mut scene = Scene::new(name, None);
        let first = frame(20, 10, 0..10, |x, y| [x as u8, y as u8, 7]);
        let second = frame(20, 10, 3..5, |x, y| if (x, y) == (4, 3) || (x, y) == (9, 4) { [255; 3] } else { [x as u8, y as u8, 7] });
        let third = frame(20, 10, 9..10, |x, y| {
            if y == 9 { [1, x as u8, 1] } else { rgb(&second)[((y * 20 + x) * 3) as usize..][..3].try_into().expect("three") }
        });
        scene.video.frame(&first, 100 * MS);
        scene.video.frame(&second, 150 * MS);
        // The same pixels in a new generation are no frame.
        scene.video.frame(&Frame { changed: 0..10, pixels: second.pixels.clone(), width: 20, height: 10, ..Frame::default() }, 170 * MS);
        scene.video.frame(&third, 1400 * MS);
        scene.video.end(&third, 1900 * MS);
        let Decoded { size, frames } = scene.finish();
        assert_eq!(size, (20, 10));
        let expected = [(rgb(&first), 50 * MS), (rgb(&second), 1250 * MS), (rgb(&third), 500 * MS)];
        assert!(frames == expected, "{name}: delays {:?}", frames.iter().map(|frame| frame.1).collect::<Vec<_>>());
    }
}

#[test]
fn sixty_frames_a_second_take_their_second() {
    for (name, count) in [("run.apng", 61), ("run.gif", 41)] {
        let mut scene = Scene::new(name, None);
        let mut last = Frame::default();
        for n in 0..61 {
            last = frame(4, 4, 0..4, |_, _| [n as u8, 0, 0]);
            scene.video.frame(&last, n * 16_666_667);
        }
        scene.video.end(&last, 1_200 * MS);
        let Decoded { frames, .. } = scene.finish();
        assert_eq!(frames.len(), count, "{name}: a GIF shows two of three, as viewers do not show all 60");
        let seen: u64 = frames.iter().map(|frame| frame.1).sum();
        assert!(seen.abs_diff(1_200 * MS) <= 10 * MS, "{name}: {seen}");
        assert_eq!(frames.last().expect("some").0[..3], [60, 0, 0]);
    }
}

#[test]
fn other_sizes_are_fitted_into_the_canvas() {
    let white = |width, height| frame(width, height, 0..height, |_, _| [255; 3]);
    for name in ["run.png", "run.gif"] {
        let mut scene = Scene::new(name, None);
        for (n, (width, height)) in (0..).zip([(32, 16), (16, 16), (64, 8), (8, 4)]) {
            scene.video.frame(&white(width, height), n * 100 * MS);
        }
        let Decoded { size, frames } = scene.finish();
        assert_eq!(size, (32, 16));
        let lit = |frame: usize| {
            let places = frames[frame].0.chunks_exact(3).enumerate().filter(|(_, rgb)| **rgb == [255; 3]).map(|(at, _)| (at % 32, at / 32));
            let places: Vec<_> = places.collect();
            (places.len(), places[0], places[places.len() - 1])
        };
        assert_eq!(lit(0), (512, (0, 0), (31, 15)));
        assert_eq!(lit(1), (256, (8, 0), (23, 15)));
        assert_eq!(lit(2), (128, (0, 6), (31, 9)));
        assert_eq!(lit(3), (512, (0, 0), (31, 15)));

        let mut scene = Scene::new(name, Some((64, 64)));
        scene.video.frame(&white(32, 16), 0);
        let Decoded { size, frames } = scene.finish();
        assert_eq!(size, (64, 64));
        assert_eq!(frames[0].0.chunks_exact(3).filter(|rgb| **rgb == [255; 3]).count(), 64 * 32);
    }
}

#[test]
fn a_gif_of_many_colours_is_near() {
    let mut scene = Scene::new("run.gif", None);
    let many = frame(64, 64, 0..64, |x, y| [4 * x as u8, 4 * y as u8, 2 * (x + y) as u8]);
    scene.video.frame(&many, 0);
    let Decoded { frames, .. } = scene.finish();
    let error: u64 = frames[0].0.iter().zip(rgb(&many)).map(|(&a, b)| u64::from(a.abs_diff(b))).sum();
    assert!(error / (64 * 64 * 3) < 12, "{error}");
}

#[test]
fn a_run_without_a_picture_is_black() {
    for (name, size, expected) in [("a.png", None, (640, 480)), ("a.gif", None, (640, 480)), ("a.png", Some((10, 20)), (10, 20))] {
        let mut scene = Scene::new(name, size);
        scene.video.end(&Frame::default(), 5 * MS);
        let decoded = scene.finish();
        assert_eq!((decoded.size, decoded.frames.len()), (expected, 1));
        assert!(decoded.frames[0].0.iter().all(|&byte| byte == 0));
    }
}

#[test]
fn the_file_is_whole_after_every_frame() {
    for name in ["run.png", "run.gif"] {
        let mut scene = Scene::new(name, None);
        for n in 0..30 {
            scene.video.frame(&frame(16, 16, 0..16, |x, y| [n as u8, x as u8, y as u8]), n * 40 * MS);
            std::thread::sleep(std::time::Duration::from_millis(20));
            if n >= 2 {
                // What a process leaves that is killed now: at most the frames in the queue and the one without an end are missing.
                let copy = scene.path.with_file_name(format!("copy-{name}"));
                std::fs::copy(&scene.path, &copy).expect("a copy");
                let frames = decode(&copy).frames.len() as u64;
                assert!((1..=n).contains(&frames), "{name}: {frames} of {n}");
            }
        }
        assert_eq!(scene.finish().frames.len(), 30);
    }
}

/// Fails when nothing fits any more.
#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_at_the_end_and_nobody_waits_for_it() {
    let file = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("it is there");
    let mut video = Video::start(file, VideoFormat::Apng, None, Overflow::Wait).expect("it can be positioned");
    for n in 0..50 {
        video.frame(&frame(8, 8, 0..8, |_, _| [n as u8; 3]), n * 40 * MS);
    }
    assert_eq!(video.finish().expect_err("it is full").kind(), io::ErrorKind::StorageFull);
}

#[cfg(unix)]
#[test]
fn a_pipe_is_refused() {
    let (_reader, writer) = std::io::pipe().expect("a pipe");
    let file = File::from(std::os::fd::OwnedFd::from(writer));
    Video::start(file, VideoFormat::Gif, None, Overflow::Wait).expect_err("it has no places");
}

#[test]
fn a_slow_encoder_holds_nobody_up_and_the_last_frame_is_there() {
    let folder = TempDir::new().expect("a folder");
    let path = folder.path().join("run.gif");
    let mut video =
        Video::start(File::create(&path).expect("a file"), VideoFormat::Gif, None, Overflow::Drop).expect("a file that has places");
    // Too many colours, and all of them new: a long way behind.
    let picture = |n: u32| frame(640, 480, 0..480, move |x, y| [(x + n) as u8, (y * n) as u8, (x ^ y) as u8]);
    let frames: Vec<_> = (0..20).map(picture).collect();
    for (n, frame) in (0..).zip(&frames) {
        video.frame(frame, n * 20 * MS);
    }
    // Less than a frame, and black all over: it comes with what was left out before.
    let last = Frame { changed: 400..410, ..frame(640, 480, 0..480, |_, _| [0; 3]) };
    video.frame(&last, 500 * MS);
    video.end(&last, 600 * MS);
    let dropped = video.finish().expect("room");
    let decoded = decode(&path);
    assert!(dropped > 0, "{} frames", decoded.frames.len());
    let all = decoded.frames.len() as u64 + dropped;
    assert!((21..=22).contains(&all), "{all}: the last came, though it may have been left out before");
    assert!(decoded.frames.last().expect("some").0[400 * 640 * 3..410 * 640 * 3].iter().all(|&byte| byte == 0));
}
