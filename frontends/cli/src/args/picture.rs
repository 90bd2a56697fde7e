//! Options about frames: how often they are taken, and what is made of them.

use crate::report::Unusable;
use clap::Args;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tayberry_headless::{FRAME_TIME, VideoFormat};

/// Frames a second that may be asked for.
const RATES: std::ops::RangeInclusive<f64> = 1.0..=1000.0;
/// Largest canvas of an animation.
const MOST_CANVAS: u32 = 8192;

/// Options about frames.
#[derive(Debug, Args)]
pub struct PictureArgs {
    /// Frames a second that are looked for, 1 to 1000, fractions allowed: of the host's time, with --deterministic of the guest's. What did not change
    /// is no frame. A window keeps the display's pace, except with --deterministic [default: 60]
    #[arg(long, value_name = "N", value_parser = period, allow_negative_numbers = true)]
    fps: Option<Duration>,

    /// Take a frame at every publication of the display instead: a new mode, offset or palette. The guest waits until it is drawn, with --deterministic
    /// or without; times are the guest's. What is painted without a publication is seen with the next, and at the end
    #[arg(long, conflicts_with = "fps")]
    every_flip: bool,

    /// Write the run as an animation: .png or .apng (exact), or .gif (256 colours a frame, 50 frames a second at most). With --deterministic or
    /// --every-flip the guest waits for the encoder; otherwise frames that it has no time for are left out, and counted on stderr at the end
    /// [default: none]
    #[arg(long, value_name = "FILE.png|FILE.gif", value_parser = video_file)]
    record: Option<PathBuf>,

    /// Size of the animation; screens of other sizes are fitted into it [default: the first frame's]
    #[arg(long, value_name = "WxH", value_parser = canvas, requires = "record")]
    record_size: Option<(u32, u32)>,

    /// At the end, compare the screen with a picture: exit status 5 instead of 0 where a pixel differs [default: none]
    #[arg(long, value_name = "FILE.png")]
    expect: Option<PathBuf>,

    /// Where the difference is drawn if there is one: expected, shown, and what differs [default: the name of the picture expected, with
    /// .diff.png, in the current directory]
    #[arg(long, value_name = "FILE.png", requires = "expect")]
    expect_diff: Option<PathBuf>,
}

/// When frames are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// So much time apart.
    Every(Duration),
    /// At every publication.
    Publication,
}

/// What is asked of frames.
#[derive(Clone, Debug)]
pub struct PictureOptions {
    pub frames: Frames,
    /// It was `--fps` that said so.
    pub fps_given: bool,
    pub record: Option<PathBuf>,
    pub record_size: Option<(u32, u32)>,
    pub expect: Option<PathBuf>,
    /// There is one where something is expected.
    pub expect_diff: Option<PathBuf>,
}

impl PictureArgs {
    /// Checks what no single option can know.
    pub fn options(self) -> Result<PictureOptions, Unusable> {
        let Self { fps, every_flip, record, record_size, expect, expect_diff } = self;
        let diff = match &expect {
            Some(path) => {
                let Some(name) = path.file_stem() else {
                    return Err(Unusable::new(format_args!("--expect {}: it is no file", path.display())));
                };
                let mut default = name.to_owned();
                default.push(".diff.png");
                Some(expect_diff.unwrap_or_else(|| default.into()))
            }
            None => None,
        };
        Ok(PictureOptions {
            frames: if every_flip { Frames::Publication } else { Frames::Every(fps.unwrap_or(FRAME_TIME)) },
            fps_given: fps.is_some(),
            record,
            record_size,
            expect,
            expect_diff: diff,
        })
    }
}

/// Time between frames, from frames a second.
fn period(text: &str) -> Result<Duration, String> {
    let rate: f64 = text.parse().map_err(|_| "it is a number of frames a second".to_owned())?;
    if !RATES.contains(&rate) {
        return Err(format!("it is a number from {} to {}", RATES.start(), RATES.end()));
    }
    Ok(Duration::from_nanos((1e9 / rate).round() as u64))
}

fn video_file(text: &str) -> Result<PathBuf, String> {
    match VideoFormat::of(Path::new(text)) {
        Some(_) => Ok(text.into()),
        None => Err("it ends in .png, .apng or .gif".into()),
    }
}

fn canvas(text: &str) -> Result<(u32, u32), String> {
    let measure = |text: &str| text.parse().ok().filter(|measure| (1..=MOST_CANVAS).contains(measure));
    let size = text.split_once(['x', 'X']).and_then(|(width, height)| Some((measure(width)?, measure(height)?)));
    size.ok_or_else(|| format!("it is WIDTHxHEIGHT, each from 1 to {MOST_CANVAS}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        picture: PictureArgs,
    }

    fn options(args: &str) -> Result<PictureOptions, String> {
        let args = std::iter::once("tayberry").chain(args.split_whitespace());
        let command = Command::try_parse_from(args).map_err(|error| error.to_string())?;
        command.picture.options().map_err(|error| error.to_string())
    }

    #[test]
    fn rates() {
        let frames = |args| options(args).expect("good").frames;
        assert_eq!(frames(""), Frames::Every(Duration::from_nanos(16_666_667)));
        assert_eq!(frames("--fps 10"), Frames::Every(Duration::from_millis(100)));
        assert_eq!(frames("--fps 59.94"), Frames::Every(Duration::from_nanos(16_683_350)));
        assert_eq!(frames("--fps 1000"), Frames::Every(Duration::from_millis(1)));
        assert_eq!(frames("--every-flip"), Frames::Publication);
        for bad in ["--fps 0", "--fps 0.9", "--fps 1001", "--fps -1", "--fps nan", "--fps fast", "--fps", "--fps 10 --every-flip"] {
            options(bad).expect_err(bad);
        }
    }

    #[test]
    fn animations() {
        let canvas = options("--record a.gif --record-size 640x480").expect("good");
        assert_eq!((canvas.record, canvas.record_size), (Some("a.gif".into()), Some((640, 480))));
        for bad in
            ["--record a.mp4", "--record a", "--record-size 1x1", "--record a.png --record-size 0x4", "--record a.png --record-size 9000x1"]
        {
            options(bad).expect_err(bad);
        }
        assert!(options("--record a.mp4").expect_err("no animation").contains(".png, .apng or .gif"));
    }

    #[test]
    fn pictures_expected() {
        let diff = |args| options(args).expect("good").expect_diff;
        assert_eq!(diff(""), None);
        assert_eq!(diff("--expect golden/boot.png"), Some("boot.diff.png".into()));
        assert_eq!(diff("--expect golden/boot"), Some("boot.diff.png".into()));
        assert_eq!(diff("--expect a.png --expect-diff x/y.png"), Some("x/y.png".into()));
        for bad in ["--expect-diff a.png", "--expect /", "--expect .."] {
            options(bad).expect_err(bad);
        }
    }
}
