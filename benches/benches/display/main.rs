//! The renderer beside plain copies and beside the way from pixel to pixel; what unchanged frames cost; publication.
//!
//! - `cargo bench -p tayberry-benches --bench display`: by Criterion.
//! - `cargo bench -p tayberry-benches --bench display -- --table`: a table for the README, all contestants of a line by turns. `--only TEXT` prints the
//!   lines with that size or format, `--busy` is for a host that has other work as well, `--kernels avx512|avx2|portable` takes other kernels than the best.

mod bare;
mod scene;
mod table;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, measurement::WallTime};
use scene::{Contestant, FORMATS, Motion, SIZES, Scene, copy, per_pixel, pool, render};
use std::sync::Arc;
use std::time::Duration;
use table::Statistic;
use tayberry_engine::display::{Alpha, Depth, Display, Kernels, PixelOrder, Scanout, ScanoutConfig, VideoMemory};

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, mut contestant: Contestant) {
    group.bench_function(BenchmarkId::from_parameter(name), |bencher| {
        bencher.iter_custom(|frames| (0..frames).map(|_| contestant()).sum());
    });
}

/// Every line of every frame is new.
fn formats_and_sizes(criterion: &mut Criterion) {
    for (width, height) in SIZES {
        for (name, depth, order, alpha) in FORMATS {
            let scene = Arc::new(Scene::new((width, height), depth, order, alpha));
            let (source, pixels) = (scene.picture_bytes(), u64::from(width * height * 4));
            let mut group = criterion.benchmark_group(format!("display/{width}x{height}/{name}"));
            group.throughput(Throughput::Bytes(source.max(pixels)));
            bench(&mut group, "copy-source", copy(source as usize, None));
            bench(&mut group, "copy-pixels", copy(pixels as usize, None));
            bench(&mut group, "copy-pixels-2", copy(pixels as usize, Some(pool())));
            bench(&mut group, "per-pixel", per_pixel(&scene));
            for threads in [1, 2] {
                bench(&mut group, &format!("render-{threads}"), render(&scene, None, threads, Motion::New));
            }
            group.finish();
        }
    }
}

/// Frames of which little or nothing is new.
fn known(criterion: &mut Criterion) {
    for (width, height) in SIZES {
        let mut group = criterion.benchmark_group(format!("display/known/{width}x{height}"));
        for (name, motion) in [("static", Motion::Nothing), ("cursor", Motion::Cursor), ("flip", Motion::Flip)] {
            for threads in [1, 2] {
                // A scene of its own, as one guest moves one cursor.
                let scene = Arc::new(Scene::new((width, height), Depth::Rgb32, PixelOrder::Bgr, Alpha::Ignored));
                bench(&mut group, &format!("{name}-{threads}"), render(&scene, None, threads, motion));
            }
        }
        group.finish();
    }
}

fn publication(criterion: &mut Criterion) {
    let scene = Scene::new((640, 480), Depth::Rgb32, PixelOrder::Bgr, Alpha::Ignored);
    let display = Display::new();
    let mut group = criterion.benchmark_group("display/publication");
    let mut picture = 0;
    group.bench_function("publish", |bencher| {
        bencher.iter(|| {
            picture += 1;
            display.publish(scene.scanout(picture))
        });
    });
    group.bench_function("load", |bencher| bencher.iter(|| display.load().generation()));
    let mut memory = VideoMemory::new(0, scene.ram.len());
    let mut lease = None;
    group.bench_function("allocate-and-publish", |bencher| {
        bencher.iter(|| {
            let buffer = memory.allocate(scene.picture_bytes(), 4096).expect("room");
            let config = ScanoutConfig { base: buffer.base, virtual_size: scene.config.physical, ..scene.config.clone() };
            let scanout = Scanout::new(config, Arc::clone(&scene.ram), Some(buffer.clone())).expect("usable");
            lease = Some(buffer);
            display.publish(scanout)
        });
    });
    drop(lease);
    group.finish();
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(100))
        .measurement_time(Duration::from_millis(400));
    targets = formats_and_sizes, known, publication
}

fn main() {
    let args: Vec<String> = std::env::args().collect();
    let is_given = |option: &str| args.iter().any(|arg| arg == option);
    if is_given("--table") {
        let statistic = if is_given("--busy") { Statistic::Decile } else { Statistic::Median };
        let value = |option: &str| args.iter().skip_while(|arg| *arg != option).nth(1).map(String::as_str);
        let kernels = value("--kernels")
            .map(|name| Kernels::usable().find(|kernels| kernels.name() == name).expect("kernels that this host can run"));
        return table::print(statistic, value("--only"), kernels);
    }
    benches();
    Criterion::default().configure_from_args().final_summary();
}
