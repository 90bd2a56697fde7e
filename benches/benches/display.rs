//! The renderer beside a plain copy of the same source bytes, the unchanged frame, and publication.
//!
//! `cargo bench -p tayberry-benches --bench display`

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;
use tayberry_engine::GuestRam;
use tayberry_engine::display::{Alpha, Depth, Display, Outcome, Overscan, PixelOrder, Renderer, Scanout, ScanoutConfig, VideoMemory};

const SIZES: [(u32, u32); 5] = [(320, 200), (640, 480), (1024, 768), (1920, 1080), (3840, 2160)];

/// Name, depth, order, alpha.
const FORMATS: [(&str, Depth, PixelOrder, Alpha); 7] = [
    ("indexed8", Depth::Indexed8, PixelOrder::Rgb, Alpha::Ignored),
    ("rgb15", Depth::Rgb15, PixelOrder::Rgb, Alpha::Ignored),
    ("rgb16", Depth::Rgb16, PixelOrder::Rgb, Alpha::Ignored),
    ("rgb24", Depth::Rgb24, PixelOrder::Rgb, Alpha::Ignored),
    ("rgb32", Depth::Rgb32, PixelOrder::Rgb, Alpha::Ignored),
    ("bgr32", Depth::Rgb32, PixelOrder::Bgr, Alpha::Ignored),
    ("bgr32-alpha", Depth::Rgb32, PixelOrder::Bgr, Alpha::Transparent0),
];

/// Pictures in the buffer. The renderer has two surfaces and knows what is on both: only the third picture is new to either.
const PICTURES: u32 = 3;

struct Scene {
    ram: Arc<GuestRam>,
    config: ScanoutConfig,
}

impl Scene {
    fn new((width, height): (u32, u32), depth: Depth, order: PixelOrder, alpha: Alpha) -> Self {
        let pitch = width * depth.bytes();
        let bytes = u64::from(pitch) * u64::from(height * PICTURES);
        let ram = Arc::new(GuestRam::new(bytes.next_multiple_of(4096)).expect("guest RAM"));
        let mut state = 0x9E37_79B9_7F4A_7C15_u64;
        for at in (0..bytes & !7).step_by(8) {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            ram.write_u64(at, state).expect("in RAM");
        }
        let config = ScanoutConfig {
            base: 0,
            pitch,
            physical: (width, height),
            virtual_size: (width, height * PICTURES),
            offset: (0, 0),
            depth,
            order,
            alpha,
            palette: Arc::new(std::array::from_fn(|index| index as u32 * 0x01_0101)),
            blank: false,
            overscan: Overscan::default(),
        };
        Self { ram, config }
    }

    fn picture_bytes(&self) -> u64 {
        u64::from(self.config.pitch) * u64::from(self.config.physical.1)
    }

    fn scanout(&self, picture: u32) -> Scanout {
        let offset = (0, picture % PICTURES * self.config.physical.1);
        Scanout::new(ScanoutConfig { offset, ..self.config.clone() }, Arc::clone(&self.ram), None).expect("usable")
    }
}

/// Every line of every frame is new.
fn bench_full(group: &mut BenchmarkGroup<'_, WallTime>, scene: &Scene, threads: usize) {
    let display = Display::new();
    let mut renderer = Renderer::new(threads);
    let mut picture = 0;
    group.bench_function(BenchmarkId::from_parameter(format_args!("render-{threads}")), |bencher| {
        bencher.iter(|| {
            picture += 1;
            display.publish(scene.scanout(picture));
            assert_eq!(renderer.render(&display), Outcome::Presented);
            assert_eq!(renderer.frame().changed.len(), scene.config.physical.1 as usize);
        });
    });
}

/// The same rotation of pictures between ordinary memory.
fn bench_copy(group: &mut BenchmarkGroup<'_, WallTime>, scene: &Scene) {
    let bytes = scene.picture_bytes() as usize;
    let source: Vec<u8> = (0..bytes * PICTURES as usize).map(|at| at as u8).collect();
    let mut out = [vec![1; bytes], vec![1; bytes]];
    let mut picture = 0;
    group.bench_function(BenchmarkId::from_parameter("copy"), |bencher| {
        bencher.iter(|| {
            picture += 1;
            let from = picture % PICTURES as usize * bytes;
            out[picture % 2].copy_from_slice(black_box(&source[from..from + bytes]));
            black_box(&mut out);
        });
    });
}

fn formats_and_sizes(criterion: &mut Criterion) {
    for (width, height) in SIZES {
        for (name, depth, order, alpha) in FORMATS {
            let scene = Scene::new((width, height), depth, order, alpha);
            let mut group = criterion.benchmark_group(format!("display/{width}x{height}/{name}"));
            group.throughput(Throughput::Bytes(scene.picture_bytes()));
            bench_copy(&mut group, &scene);
            for threads in [1, 2] {
                bench_full(&mut group, &scene, threads);
            }
            group.finish();
        }
    }
}

fn unchanged(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("display/unchanged");
    for (width, height) in [(640, 480), (1920, 1080)] {
        let scene = Scene::new((width, height), Depth::Rgb32, PixelOrder::Bgr, Alpha::Ignored);
        let display = Display::new();
        display.publish(scene.scanout(0));
        group.throughput(Throughput::Bytes(scene.picture_bytes()));
        for threads in [1, 2] {
            let mut renderer = Renderer::new(threads);
            renderer.render(&display);
            group.bench_function(BenchmarkId::new(format!("render-{threads}"), format_args!("{width}x{height}")), |bencher| {
                bencher.iter(|| assert_eq!(renderer.render(&display), Outcome::Unchanged));
            });
        }
    }
    group.finish();
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
    targets = formats_and_sizes, unchanged, publication
}
criterion_main!(benches);
