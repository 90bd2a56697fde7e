//! Messages of any content, found by coverage. What is done and checked is `tests/fuzz/messages.rs`, which plain tests run as well.

#![no_main]

#[path = "../../tests/fuzz/messages.rs"]
mod messages;

libfuzzer_sys::fuzz_target!(|data: &[u8]| messages::run(data));
