//! The measurements as a table in Markdown.

use crate::scene::{Contestant, FORMATS, Motion, SIZES, Scene, copy, per_pixel, pool, render};
use std::sync::Arc;
use std::time::Duration;
use tayberry_engine::display::{Alpha, Depth, PixelOrder};

/// Turns that every contestant of a line gets.
const TURNS: usize = 15;
/// How long a turn lasts, about.
const TURN: Duration = Duration::from_millis(4);

/// Which frame of all counts.
#[derive(Clone, Copy)]
pub enum Statistic {
    /// For a quiet host.
    Median,
    /// For a busy one: the quickest of ten.
    Decile,
}

/// Prints all tables, or the lines of sizes or formats that contain `only`.
pub fn print(statistic: Statistic, only: Option<&str>) {
    let name = match statistic {
        Statistic::Median => "medians",
        Statistic::Decile => "lower deciles",
    };
    let wanted = |text: &str| only.is_none_or(|only| text.contains(only));
    println!(
        "Microseconds a frame, {name} over {TURNS} turns, all contestants of a line by turns. *Copy* is a plain copy by one thread: of the guest's bytes for 24"
    );
    println!(
        "and 32 bits, of the finished pixels' bytes for narrower formats; *gain* is what two threads are to one, of copies in brackets.\n"
    );
    println!("| size | format | copy | per pixel | 1 thread | copy / 1 thread | 2 threads | gain (copy's) |");
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (width, height) in SIZES {
        for (name, depth, order, alpha) in FORMATS {
            if !wanted(&format!("{width}x{height} {name}")) {
                continue;
            }
            let scene = Arc::new(Scene::new((width, height), depth, order, alpha));
            let pixels = (width * height * 4) as usize;
            let bytes = if depth.bits() < 24 { pixels } else { scene.picture_bytes() as usize };
            let [copied, copied_by_two, slow, one, two] = frame_times(
                statistic,
                [
                    copy(bytes, None),
                    copy(bytes, Some(pool())),
                    per_pixel(&scene),
                    render(&scene, 1, Motion::New),
                    render(&scene, 2, Motion::New),
                ],
            );
            let (ratio, gain, copy_gain) = (copied / one, one / two, copied / copied_by_two);
            println!(
                "| {width}x{height} | {name} | {copied:.1} | {slow:.0} | {one:.1} | {ratio:.2} | {two:.1} | {gain:.2} ({copy_gain:.2}) |"
            );
        }
    }
    println!("\nFrames of which little is new, 32 bits, one thread and two:\n");
    println!("| size | all new | nothing new | cursor of 32x32 moved | flip between two known pictures |");
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (width, height) in SIZES {
        if !wanted(&format!("{width}x{height} known")) {
            continue;
        }
        let scene = || Arc::new(Scene::new((width, height), Depth::Rgb32, PixelOrder::Bgr, Alpha::Ignored));
        let motions = [Motion::New, Motion::Nothing, Motion::Cursor, Motion::Flip];
        let cells = motions.map(|motion| {
            let [one, two] = frame_times(statistic, [render(&scene(), 1, motion), render(&scene(), 2, motion)]);
            format!("{one:.1}, {two:.1}")
        });
        println!("| {width}x{height} | {} |", cells.join(" | "));
    }
}

/// Microseconds a frame.
fn frame_times<const N: usize>(statistic: Statistic, mut contestants: [Contestant; N]) -> [f64; N] {
    let mut times: [Vec<Duration>; N] = std::array::from_fn(|_| Vec::new());
    let frames = contestants.each_mut().map(|contestant| {
        let quickest = (0..5).map(|_| contestant()).min().unwrap_or_default();
        (TURN.as_nanos() / quickest.as_nanos().max(1)).clamp(2, 1000)
    });
    for _ in 0..TURNS {
        for ((contestant, times), frames) in contestants.iter_mut().zip(&mut times).zip(frames) {
            contestant();
            times.extend((0..frames).map(|_| contestant()));
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        let at = match statistic {
            Statistic::Median => times.len() / 2,
            Statistic::Decile => times.len() / 10,
        };
        times[at].as_secs_f64() * 1e6
    })
}
