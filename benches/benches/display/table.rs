//! The measurements as a table in Markdown.

use crate::bare::{Stores, bare};
use crate::scene::{Contestant, FORMATS, Motion, SIZES, Scene, copy, per_pixel, pool, render};
use std::sync::Arc;
use std::time::Duration;
use tayberry_engine::display::{Alpha, Depth, Kernels, PixelOrder};

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

/// Prints all tables, or the lines of sizes or formats that contain `only`; by other kernels than the best if so asked.
pub fn print(statistic: Statistic, only: Option<&str>, kernels: Option<Kernels>) {
    let name = match statistic {
        Statistic::Median => "medians",
        Statistic::Decile => "lower deciles",
    };
    let wanted = |text: &str| only.is_none_or(|only| text.contains(only));
    let chosen = kernels.or_else(|| Kernels::usable().next()).map_or("no", Kernels::name);
    println!("Microseconds a frame, {name} over {TURNS} turns, all contestants of a line by turns; {chosen} kernels.\n");
    println!(
        "| size | format | copy | per pixel | bare | 1 thread | copy / 1 thread | bare / 1 thread | bare by 2 | 2 threads | gain (bare's, copy's) |"
    );
    println!("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
    for (width, height) in SIZES {
        for (name, depth, order, alpha) in FORMATS {
            if wanted(&format!("{width}x{height} {name}")) {
                let scene = Arc::new(Scene::new((width, height), depth, order, alpha));
                println!("| {width}x{height} | {name} | {} |", new_frames(statistic, &scene, kernels));
            }
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
            let by = |threads| render(&scene(), kernels, threads, motion);
            let times = frame_times(statistic, vec![by(1), by(2)]);
            format!("{:.1}, {:.1}", times[0], times[1])
        });
        println!("| {width}x{height} | {} |", cells.join(" | "));
    }
}

/// The cells of a line: frames of which every line is new.
fn new_frames(statistic: Statistic, scene: &Arc<Scene>, kernels: Option<Kernels>) -> String {
    let (width, height) = scene.config.physical;
    let pixels = (width * height * 4) as usize;
    let bytes = if scene.config.depth.bits() < 24 { pixels } else { scene.picture_bytes() as usize };
    let mut contestants = vec![
        copy(bytes, None),
        copy(bytes, Some(pool())),
        per_pixel(scene),
        render(scene, kernels, 1, Motion::New),
        render(scene, kernels, 2, Motion::New),
    ];
    // The way that is best depends on the caches.
    let ways = [(None, Stores::Cached), (None, Stores::Streaming), (Some(pool()), Stores::Cached), (Some(pool()), Stores::Streaming)];
    contestants.extend(ways.into_iter().filter_map(|(pool, stores)| bare(scene, pool, stores)));
    let times = frame_times(statistic, contestants);
    let [copied, copied_by_two, slow, one, two] = std::array::from_fn(|at| times[at]);
    let best = |of: &[f64]| of.iter().copied().fold(f64::NAN, f64::min);
    let (least, least_by_two) = times[5..].split_at((times.len() - 5) / 2);
    let (least, least_by_two) = (best(least), best(least_by_two).min(best(least)));
    format!(
        "{copied:.1} | {slow:.0} | {least:.1} | {one:.1} | {:.2} | {:.2} | {least_by_two:.1} | {two:.1} | {:.2} ({:.2}, {:.2})",
        copied / one,
        least / one,
        one / two,
        least / least_by_two,
        copied / copied_by_two,
    )
}

/// Microseconds a frame.
fn frame_times(statistic: Statistic, mut contestants: Vec<Contestant>) -> Vec<f64> {
    let mut times = vec![Vec::new(); contestants.len()];
    let frames: Vec<u128> = contestants
        .iter_mut()
        .map(|contestant| {
            let quickest = (0..5).map(|_| contestant()).min().unwrap_or_default();
            (TURN.as_nanos() / quickest.as_nanos().max(1)).clamp(2, 1000)
        })
        .collect();
    for _ in 0..TURNS {
        for ((contestant, times), frames) in contestants.iter_mut().zip(&mut times).zip(&frames) {
            contestant();
            times.extend((0..*frames).map(|_| contestant()));
        }
    }
    let at = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        let at = match statistic {
            Statistic::Median => times.len() / 2,
            Statistic::Decile => times.len() / 10,
        };
        times[at].as_secs_f64() * 1e6
    };
    times.iter_mut().map(at).collect()
}
