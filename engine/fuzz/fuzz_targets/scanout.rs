//! Scanouts of any configuration, found by coverage. What is done and checked is `tests/fuzz/scanout.rs`, which plain tests run as well.

#![no_main]

#[path = "../../tests/fuzz/scanout.rs"]
mod scanout;

libfuzzer_sys::fuzz_target!(|data: &[u8]| scanout::run(data));
