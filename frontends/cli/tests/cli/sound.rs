//! What a guest plays, as the file that `--audio` writes.

use crate::program::{Ended, Folder};
use tayberry_guest::TUNE;

const RATE: f64 = 48_000.0;
/// The melody on the left and the bass on the right, in hertz: equal temperament, A4 at 440 Hz.
const NOTES: [(f64, f64); 15] = {
    let (g2, c3) = (97.999, 130.813);
    let (c4, d4, e4, f4, g4) = (261.626, 293.665, 329.628, 349.228, 391.995);
    #[rustfmt::skip]
    let notes = [
        (e4, c3), (e4, c3), (f4, g2), (g4, c3), (g4, c3), (f4, g2), (e4, c3), (d4, g2),
        (c4, c3), (c4, c3), (d4, g2), (e4, c3), (e4, c3), (d4, g2), (d4, g2),
    ];
    notes
};

/// Runs the guest, and returns left and right.
fn played(folder: &Folder, options: &str) -> [Vec<f64>; 2] {
    std::fs::write(folder.path("tune.img"), TUNE).expect("room");
    let args = ["--frontend", "headless", "--deterministic", "--timeout", "120", "--audio", "tune.wav", "--append", options, "tune.img"];
    let run = Ended::of(folder.tayberry(args)).expect(0);
    assert!(run.stdout.contains("tune: over after"), "{}", run.stdout);
    assert_eq!(run.stderr, "");
    let reader = hound::WavReader::open(folder.path("tune.wav")).expect("a WAV file");
    assert_eq!((reader.spec().sample_rate, reader.spec().channels), (48_000, 2));
    let samples: Vec<f64> = reader.into_samples::<i16>().map(|sample| sample.expect("readable").into()).collect();
    [0, 1].map(|channel| samples.iter().skip(channel).step_by(2).copied().collect())
}

/// The frequency of a tone: its periods between the first and the last rise through zero, each found between two samples.
fn frequency(samples: &[f64]) -> f64 {
    let mean = samples.iter().sum::<f64>() / samples.len() as f64;
    let rises: Vec<f64> = (samples.windows(2).enumerate())
        .filter(|(_, pair)| pair[0] < mean && pair[1] >= mean)
        .map(|(at, pair)| at as f64 + (mean - pair[0]) / (pair[1] - pair[0]))
        .collect();
    (rises.len() - 1) as f64 * RATE / (rises[rises.len() - 1] - rises[0])
}

/// Each note of `beat` seconds has its pitch to a share of `tolerance`, from when the first one begins.
fn assert_tune(tracks: &[Vec<f64>], beat: f64, tolerance: f64) {
    let start = tracks[0].iter().position(|sample| sample.abs() > 1_000.0).expect("something is heard") as f64;
    for (index, (melody, bass)) in NOTES.into_iter().enumerate() {
        let middle = |part: f64| (start + (index as f64 + part) * beat * RATE) as usize;
        for (track, wanted) in tracks.iter().zip([melody, bass]) {
            let heard = frequency(&track[middle(0.15)..middle(0.85)]);
            assert!((heard / wanted - 1.0).abs() < tolerance, "note {index}: {heard} Hz in place of {wanted}");
        }
    }
}

#[test]
fn a_tune_played_by_dma_has_its_frequencies_and_is_the_same_in_every_run() {
    let folder = Folder::new();
    assert_tune(&played(&folder, "tune.by=dma"), 0.25, 0.005);
    let first = folder.read("tune.wav");
    played(&folder, "tune.by=dma");
    assert!(folder.read("tune.wav") == first, "the file is the guest's, to the byte");
}

#[test]
fn a_tune_played_by_a_core_has_its_frequencies() {
    let folder = Folder::new();
    // A core that polls makes guest time expensive: short notes, in which the bass has hardly a period.
    for by in ["fifo", "data"] {
        let [left, _] = played(&folder, &format!("tune.by={by} tune.beat_ms=24"));
        assert_tune(&[left], 0.024, 0.03);
    }
}

#[test]
fn a_guest_that_plays_nothing_leaves_silence_as_long_as_the_run() {
    let folder = Folder::new();
    std::fs::write(folder.path("echo.img"), tayberry_guest::ECHO).expect("room");
    let args = ["--frontend", "headless", "--deterministic", "--max-instructions", "50000000", "--audio", "a.wav", "echo.img"];
    Ended::of(folder.tayberry(args)).expect(0);
    let reader = hound::WavReader::open(folder.path("a.wav")).expect("a WAV file");
    assert!(reader.duration() > 0);
    assert!(reader.into_samples::<i16>().all(|sample| sample.expect("readable") == 0));
}

#[test]
fn a_file_that_cannot_be_written_is_one_line() {
    let folder = Folder::new();
    let run = Ended::of(folder.tayberry(["--audio", "no/such/folder.wav"])).expect(2);
    assert!(run.stderr.contains("--audio no/such/folder.wav") && run.stderr.lines().count() == 1, "{}", run.stderr);
}
