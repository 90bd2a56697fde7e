//! A guest that reads and writes the whole device area, where something answers and where nothing does.

use std::time::Duration;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::machine::prepare;

/// Reads everything from 0x3f000000 up to 0x40100000 in all widths that there are, writes random values everywhere but to the power manager, resets the DMA
/// channels, prints "survived" and switches off.
#[rustfmt::skip]
const GUEST: &[u32] = &[
    0xd2a7e013, // movz x19, #0x3f00, lsl #16
    0xd2a80214, // movz x20, #0x4010, lsl #16
    0xaa1303e0, // mov x0, x19
    0x39400001, // reads: ldrb w1, [x0]
    0x39401401, // ldrb w1, [x0, #5]
    0x39403c01, // ldrb w1, [x0, #15]
    0x79400401, // ldrh w1, [x0, #2]
    0x79801801, // ldrsh x1, [x0, #12]
    0xb9400001, // ldr w1, [x0]
    0x69410801, // ldpsw x1, x2, [x0, #8]
    0xf9400401, // ldr x1, [x0, #8]
    0x29400801, // ldp w1, w2, [x0]
    0xa9400801, // ldp x1, x2, [x0]
    0x3dc00000, // ldr q0, [x0]
    0x88dffc01, // ldar w1, [x0]
    0x885f7c01, // ldxr w1, [x0]
    0xc87f0801, // ldxp x1, x2, [x0]
    0xd5033f5f, // clrex
    0x91004000, // add x0, x0, #16
    0xeb14001f, // cmp x0, x20
    0x54fffde3, // b.lo reads
    0xd2824683, // movz x3, #0x1234
    0xaa1303e0, // mov x0, x19
    0xd34cfc01, // writes: lsr x1, x0, #12
    0xd2a00062, // movz x2, #0x3, lsl #16
    0xf29e2002, // movk x2, #0xf100
    0xeb02003f, // cmp x1, x2
    0x54000180, // b.eq next
    0xca033463, // eor x3, x3, x3, lsl #13
    0xca431c63, // eor x3, x3, x3, lsr #7
    0xca034463, // eor x3, x3, x3, lsl #17
    0xb9000003, // str w3, [x0]
    0x39001403, // strb w3, [x0, #5]
    0x79001403, // strh w3, [x0, #10]
    0x93c32c64, // ror x4, x3, #11
    0xf9000404, // str x4, [x0, #8]
    0x29000c04, // stp w4, w3, [x0]
    0x885f7c05, // ldxr w5, [x0, #0]
    0x88067c04, // stxr w6, w4, [x0]
    0x91004000, // next: add x0, x0, #16
    0xeb14001f, // cmp x0, x20
    0x54fffdc3, // b.lo writes
    0xd2a7e000, // movz x0, #0x3f00, lsl #16
    0xf28e0000, // movk x0, #0x7000
    0x52b00001, // movz w1, #0x8000, lsl #16
    0x528001e2, // mov w2, #15
    0xb9000001, // reset: str w1, [x0]
    0x91040000, // add x0, x0, #0x100
    0x71000442, // subs w2, w2, #1
    0x54ffffa1, // b.ne reset
    0xd2a7e400, // movz x0, #0x3f20, lsl #16
    0xf2820000, // movk x0, #0x1000
    0xb900481f, // str wzr, [x0, #0x48]
    0xb900801f, // str wzr, [x0, #0x80]
    0x52806021, // mov w1, #0x301
    0xb9003001, // str w1, [x0, #0x30]
    0x10000222, // adr x2, text
    0x38401441, // print: ldrb w1, [x2], #1
    0x34000061, // cbz w1, off
    0x39000001, // strb w1, [x0]
    0x17fffffd, // b print
    0xd2a7e200, // off: movz x0, #0x3f10, lsl #16
    0x52ab4001, // movz w1, #0x5a00, lsl #16
    0x7280aaa1, // movk w1, #0x0555
    0xb9002001, // str w1, [x0, #0x20]
    0x52ab4001, // movz w1, #0x5a00, lsl #16
    0x72800141, // movk w1, #10
    0xb9002401, // str w1, [x0, #0x24]
    0x52ab4001, // movz w1, #0x5a00, lsl #16
    0x72800401, // movk w1, #0x20
    0xb9001c01, // str w1, [x0, #0x1c]
    0xd503207f, // stop: wfi
    0x17ffffff, // b stop
    0x76727573, // "survived\n"
    0x64657669, 
    0x0000000a,
];

fn run(mode: ClockMode) -> (String, ExitReason) {
    let kernel = GUEST.iter().flat_map(|word| word.to_le_bytes()).collect();
    let board = Raspi3b::new(BoardOptions { kernel, mode, ..BoardOptions::default() }).expect("a good kernel");
    let (handle, starter) = prepare();
    let limits = Limits { timeout: Some(Duration::from_secs(120)), ..Limits::default() };
    let exit = starter.start(limits, move |shared| board.build(shared)).expect("it starts").join();
    let printed: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    (String::from_utf8_lossy(&printed).into_owned(), exit)
}

#[test]
fn a_guest_survives_accesses_everywhere_deterministic() {
    let (printed, exit) = run(ClockMode::Deterministic);
    assert_eq!((printed.ends_with("survived\n"), exit), (true, ExitReason::PowerOff), "{printed:?}");
}

#[test]
fn a_guest_survives_accesses_everywhere_realtime() {
    let (printed, exit) = run(ClockMode::Realtime);
    assert_eq!((printed.ends_with("survived\n"), exit), (true, ExitReason::PowerOff), "{printed:?}");
}
