//! Every kind of work of the guest `suite`, small: what it computes is known.

use std::time::Duration;
use tayberry_bcm2837::{BoardOptions, Raspi3b};
use tayberry_engine::ClockMode;
use tayberry_engine::handle::{ExitReason, Limits};
use tayberry_engine::machine::prepare;

/// Kind, amount and checksum. QEMU 7.2 and 11.1 print the same; that of sha256 is the start of a digest that any implementation gives for 65,536
/// bytes, 0 to 255 over and over.
const CHECKSUMS: [(&str, u32, u64); 24] = [
    ("mix", 3, 0x8222_efe8_6776_0a1c),
    ("chase", 10_000, 0xf138_fa9a_3d8f_e1ad),
    ("far", 10_000, 0xf2fa_dc1b_18d1_4ae4),
    ("sort", 1, 0x39f1_e251_21a2_7bcd),
    ("hash", 2_000, 0x5456_de44_6e16_e98a),
    ("sha256", 1, 0x7dac_a209_5d04_3826),
    ("bytecode", 100, 0xb786_67d9_763d_631b),
    ("recursion", 15, 0xcc92_46ff_a33c_c93f),
    ("virtual", 5_000, 0xa4f1_2c9f_2c97_aa47),
    ("fill", 2, 0x93bf_c6fd_12d1_d4e3),
    ("pixels", 1, 0x3769_9e01_0339_539a),
    ("copy", 2, 0x95c9_d29f_ac58_1308),
    ("mandelbrot", 20, 0x5567_a10a_2782_31b3),
    ("bodies", 100, 0xd2ef_bed7_81cb_94b9),
    ("matrix", 2, 0x20b8_3cb7_b0b3_3069),
    ("filter", 2, 0xa42c_6fbf_01da_eac4),
    ("qcopy", 2, 0x7019_c459_0a4a_b955),
    ("svc", 300, 0xd491_6ca2_33f1_c872),
    ("fault", 200, 0xeddc_60ce_7f24_d6d6),
    ("tlb", 40_000, 0xf7e8_fce5_7306_da46),
    ("tlbi", 2_000, 0xe53a_acd9_779e_50f9),
    ("spaces", 500, 0x5b4c_8347_6995_72df),
    ("cores", 70, 0xdd0b_1fb1_ef6d_57ce),
    ("locks", 4_000, 0xb893_a601_1f58_cc07),
];

/// What the guest prints up to the time it took.
fn check(append: &str, mode: ClockMode, expected: &str) {
    let options = BoardOptions { kernel: tayberry_guest::SUITE.to_vec(), append: Some(append.into()), mode, ..BoardOptions::default() };
    let board = Raspi3b::new(options).expect("a good kernel");
    let (handle, starter) = prepare();
    let limits = Limits { timeout: Some(Duration::from_secs(120)), ..Limits::default() };
    let exit = starter.start(limits, move |shared| board.build(shared)).expect("it starts").join();
    let printed: Vec<u8> = handle.serial[0].try_iter().flatten().collect();
    let printed = String::from_utf8_lossy(&printed);
    assert!(printed.starts_with(expected), "{append}, {mode:?}: {exit:?}\n{printed}, and not {expected}");
    assert_eq!(exit, ExitReason::PowerOff, "{append}");
}

#[test]
fn every_kind_is_here() {
    assert_eq!(CHECKSUMS.map(|(kind, _, _)| kind), tayberry_guest::SUITE_KINDS.map(|(kind, _)| kind));
}

#[test]
fn every_kind_computes_what_it_should() {
    for (kind, n, checksum) in CHECKSUMS {
        let expected = format!("suite {kind}: checksum {checksum:016x}, ");
        check(&format!("suite.kind={kind} suite.n={n}"), ClockMode::Deterministic, &expected);
    }
}

#[test]
fn with_the_mmu_off_it_computes_the_same() {
    for ((kind, n, checksum), (_, can)) in CHECKSUMS.into_iter().zip(tayberry_guest::SUITE_KINDS) {
        let expected = if can { format!("suite {kind}: checksum {checksum:016x}, ") } else { format!("suite {kind}: needs the MMU") };
        check(&format!("suite.kind={kind} suite.n={n} suite.mmu=0"), ClockMode::Deterministic, &expected);
    }
}

/// The pieces' sum does not depend on who did which; the locks' does, on how many cores there were.
#[test]
fn cores_in_parallel_compute_what_they_should() {
    for (kind, n, checksum) in CHECKSUMS.into_iter().filter(|(kind, _, _)| ["cores", "locks"].contains(kind)) {
        let expected = format!("suite {kind}: checksum {checksum:016x}, ");
        check(&format!("suite.kind={kind} suite.n={n}"), ClockMode::Realtime, &expected);
        if kind == "cores" {
            for cores in 1..4 {
                check(&format!("suite.kind={kind} suite.n={n} suite.cores={cores}"), ClockMode::Realtime, &expected);
            }
        }
    }
}
