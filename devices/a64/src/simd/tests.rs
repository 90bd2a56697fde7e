//! Instructions run as a guest runs them, against vectors from an independent implementation.

use crate::fp::format::{IXC, QC};
use crate::testing::{Guest, RAM_TOP, START};

const D: u128 = 0x80017fff_7f80ff01_00000003_fffffffe;
const N: u128 = 0x7fff8000_80ff017f_0102fefd_80000000;
const M: u128 = 0x00017fff_7f01ff80_fcfe0304_80000001;
/// As singles: 1.5, -pi, infinity, the smallest denormal.
const FN: u128 = 0x3fc00000_c0490fdb_7f800000_00000001;
/// As singles: 2, 1/3, 0, a NaN.
const FM: u128 = 0x40000000_3eaaaaab_00000000_7fc12345;
const FD: u128 = 0x3f800001_bf000000_3f800000_3f800000;

/// Runs one word with V0 to V2 given, and gives V0 and FPSR.
fn run(word: u32, [d, n, m]: [u128; 3], fpsr: u32) -> (u128, u32) {
    let mut guest = Guest::new(&[word]);
    guest.core.fp.v[..3].copy_from_slice(&[d, n, m]);
    guest.core.fp.fpsr = fpsr;
    guest.run(1);
    assert_eq!(guest.core.pc, START + 4, "{word:#010x} is defined");
    (guest.core.fp.v[0], guest.core.fp.fpsr)
}

fn check(vectors: &[(u32, u128, u32)], operands: [u128; 3]) {
    for &(word, v, fpsr) in vectors {
        let (got, flags) = run(word, operands, 0);
        assert_eq!((format!("{got:032x}"), flags), (format!("{v:032x}"), fpsr), "{word:#010x}");
    }
}

#[test]
fn integer_operations_give_the_known_results_and_saturation() {
    check(INTEGERS, [D, N, M]);
}

#[test]
fn floating_point_operations_give_the_known_results_and_flags() {
    check(FLOATS, [FD, FN, FM]);
}

#[test]
fn what_the_host_computes_does_not_depend_on_the_inexact_flag() {
    for &(word, v, fpsr) in FLOATS {
        assert_eq!(run(word, [FD, FN, FM], IXC), (v, fpsr | IXC), "{word:#010x}");
    }
}

#[test]
fn qc_is_sticky() {
    // sqadd v0.8h, v1.8h, v2.8h, without saturation.
    assert_eq!(run(0x4e62_0c20, [0, 1, 2], QC), (3, QC));
    assert_eq!(run(0x4e62_0c20, [0, 1, 2], 0), (3, 0));
}

#[test]
fn unallocated_encodings_are_undefined() {
    for word in [
        0x4ee2_9c20,           // mul v0.2d
        0x0ee2_8420,           // add v0.1d as a vector
        0x4ee2_e020,           // pmull v0.1q: Cryptographic Extension
        0x4e28_4820,           // aese
        0x2f00_f400,           // fmov v0.1d
        0x0f00_0420,           // sshr with immh of zero is movi: defined, see below
        0x4e42_1420,           // fadd v0.8h: FP16
        0x6e42_8420,           // sqrdmlah: ARMv8.1
        0x4e00_0c00,           // dup from no size
        0x0c40_8c00,           // ld2 v0.1d
        0x0d40_c420 | 1 << 12, // ld1r with S set
        0x1ee2_2820,           // fadd h0
    ] {
        let mut guest = Guest::new(&[word]);
        guest.run(1);
        assert_eq!(guest.core.pc == START + 4, word == 0x0f00_0420, "{word:#010x}");
    }
}

/// Guest memory with byte `i` at `RAM + i`.
fn counting() -> (u64, Vec<u8>) {
    (0x10_0000, (0..=255).collect())
}

#[test]
fn structures_are_interleaved() {
    let (at, bytes) = counting();
    // ld3 {v30.8h - v0.8h}, [x1], #48: register numbers wrap.
    let mut guest = Guest::new(&[0x4cdf_443e]);
    guest.ram.copy_in(at, &bytes).unwrap();
    guest.core.x[1] = at;
    guest.run(1);
    for (register, member) in [30, 31, 0].into_iter().zip(0u128..) {
        let expected = (0..8u128).fold(0, |v, e| {
            let byte = 2 * (3 * e + member);
            v | (byte | (byte + 1) << 8) << (16 * e)
        });
        assert_eq!(guest.core.fp.v[register], expected);
    }
    assert_eq!(guest.core.x[1], at + 48);
    // st4 {v0.4s - v3.4s}, [x1], x2 and ld4 back give the same.
    let mut guest = Guest::new(&[0x4c82_0820, 0x4cdf_0884]);
    let values = [D, N, M, FN];
    guest.core.fp.v[..4].copy_from_slice(&values);
    (guest.core.x[1], guest.core.x[2], guest.core.x[4]) = (at + 12, 0x100, at + 12);
    guest.run(2);
    assert_eq!(guest.core.fp.v[4..8], values);
    assert_eq!(guest.core.x[1], at + 12 + 0x100);
    assert_eq!(guest.ram.read_u32(at + 12 + 4), Some(N as u32), "first elements lie side by side");
}

#[test]
fn single_structures_leave_the_other_lanes() {
    let (at, bytes) = counting();
    // ld2 {v0.b, v1.b}[9], [x1], #2; st2 {v0.b, v1.b}[9], [x1]; ld2r {v2.4s, v3.4s}, [x2]
    let mut guest = Guest::new(&[0x4dff_0420, 0x4d20_0420, 0x4d60_c842]);
    guest.ram.copy_in(at, &bytes).unwrap();
    guest.core.fp.v[..2].copy_from_slice(&[D, N]);
    (guest.core.x[1], guest.core.x[2]) = (at + 0x41, at + 0x80);
    guest.run(3);
    let lane = |v: u128, byte: u128| v & !(0xff << 72) | byte << 72;
    assert_eq!(guest.core.fp.v[0], lane(D, 0x41));
    assert_eq!(guest.core.fp.v[1], lane(N, 0x42));
    assert_eq!(guest.core.x[1], at + 0x43);
    assert_eq!((guest.ram.read_u32(at + 0x40), guest.ram.read_u32(at + 0x44)), (Some(0x4142_4140), Some(0x4746_4542)));
    assert_eq!(guest.core.fp.v[2], 0x8382_8180_u128 * 0x1_0000_0001_0000_0001_0000_0001);
    assert_eq!(guest.core.fp.v[3], 0x8786_8584_u128 * 0x1_0000_0001_0000_0001_0000_0001);
}

#[test]
fn a_fault_leaves_registers_and_base_alone() {
    // ld1 {v0.2s, v1.2s}, [x1], #16 and ld2 {v0.s, v1.s}[0], [x1], #8, not aligned: with the MMU off all memory is Device.
    for word in [0x0cdf_a820, 0x0dff_8020] {
        let mut guest = Guest::new(&[word]);
        guest.core.fp.v[..2].copy_from_slice(&[D, N]);
        guest.core.x[1] = 0x10_0002;
        guest.run(1);
        assert_ne!(guest.core.pc, START + 4, "{word:#x}");
        assert_eq!((guest.core.fp.v[0], guest.core.fp.v[1], guest.core.x[1]), (D, N, 0x10_0002));
    }
    // ld1 {v0.16b}, [x1]: bytes are always aligned.
    let (at, bytes) = counting();
    let mut guest = Guest::new(&[0x4c40_7020]);
    guest.ram.copy_in(at, &bytes).unwrap();
    guest.core.x[1] = at + 3;
    guest.run(1);
    assert_eq!((guest.core.pc, guest.core.fp.v[0]), (START + 4, 0x1211_100f_0e0d_0c0b_0a09_0807_0605_0403));
}

#[test]
fn a_posted_store_stops_the_core_after_the_instruction() {
    // st1 {v0.2s}, [x1], #8 to a device.
    let mut guest = Guest::new(&[0x0c9f_7820]);
    guest.bus.post = true;
    guest.core.fp.v[0] = N;
    guest.core.x[1] = RAM_TOP;
    let run = guest.run(5);
    assert_eq!((run.retired, run.stop), (1, crate::Stop::Posted));
    assert_eq!((guest.core.pc, guest.core.x[1]), (START + 4, RAM_TOP + 8));
    assert_eq!(guest.bus.writes.iter().map(|(at, value)| (at.pa, at.size, *value)).collect::<Vec<_>>(), [(RAM_TOP, 8, N as u64)]);
}

/// Word, V0 and FPSR after it, from V0 = [`D`], V1 = [`N`], V2 = [`M`].
const INTEGERS: &[(u32, u128, u32)] = &[
    (0x4e620420, 0x4000ffff0000007fff00010080000000, 0x0),       // shadd v0.8h,v1.8h,v2.8h
    (0x6e221420, 0x40808080808080807f80818180000001, 0x0),       // urhadd v0.16b,v1.16b,v2.16b
    (0x6ea22420, 0x3fff000000fe80ff82027dfcffffffff, 0x0),       // uhsub v0.4s,v1.4s,v2.4s
    (0x4e620c20, 0x7fffffff000000fffe00020180000001, 0x8000000), // sqadd v0.8h,v1.8h,v2.8h
    (0x2e222c20, 0x00000000000000000000fbf900000000, 0x8000000), // uqsub v0.8b,v1.8b,v2.8b
    (0x5ee20c20, 0x0000000000000000fe01020200000001, 0x0),       // sqadd d0,d1,d2
    (0x5e220c20, 0x00000000000000000000000000000001, 0x0),       // sqadd b0,b1,b2
    (0x4ee23420, 0xffffffffffffffffffffffffffffffff, 0x0),       // cmgt v0.2d,v1.2d,v2.2d
    (0x6e223c20, 0xffffff00ffff00000000ffffffffff00, 0x0),       // cmhs v0.16b,v1.16b,v2.16b
    (0x0e628c20, 0x0000000000000000ffffffffffff0000, 0x0),       // cmtst v0.4h,v1.4h,v2.4h
    (0x4ea24420, 0x3fffc000ffffffff102fefd000000000, 0x0),       // sshl v0.4s,v1.4s,v2.4s
    (0x6e624c20, 0xfffe4000ffff00000040ffff80000000, 0x8000000), // uqshl v0.8h,v1.8h,v2.8h
    (0x4ee25420, 0x00000000000000000205fdfb00000000, 0x0),       // srshl v0.2d,v1.2d,v2.2d
    (0x4e225c20, 0x7ffe800080fe01000001f0d000000000, 0x8000000), // sqrshl v0.16b,v1.16b,v2.16b
    (0x4e226420, 0x7f017f007f01017f0102030480000001, 0x0),       // smax v0.16b,v1.16b,v2.16b
    (0x6e626c20, 0x00017fff7f01017f0102030480000000, 0x0),       // umin v0.8h,v1.8h,v2.8h
    (0x4ea27420, 0x7ffe0001fe02fe010404fbf900000001, 0x0),       // sabd v0.4s,v1.4s,v2.4s
    (0x6e227c20, 0xffff80fe807efd02fbfcfbfcffffffff, 0x0),       // uaba v0.16b,v1.16b,v2.16b
    (0x4ee28420, 0x80010000000100fffe01020200000001, 0x0),       // add v0.2d,v1.2d,v2.2d
    (0x2e228420, 0x00000000000000000504fbf9000000ff, 0x0),       // sub v0.8b,v1.8b,v2.8b
    (0x4ea29420, 0x4001ffff03fe3f81180ef2f77ffffffe, 0x0),       // mla v0.4s,v1.4s,v2.4s
    (0x6e629420, 0x0002ffff7d81be8108040d0ffffffffe, 0x0),       // mls v0.8h,v1.8h,v2.8h
    (0x4e229c20, 0x00ff800080ffff80fcfcfaf400000000, 0x0),       // mul v0.16b,v1.16b,v2.16b
    (0x6e229c20, 0x00ff800080ffff80fcfc02f400000000, 0x0),       // pmul v0.16b,v1.16b,v2.16b
    (0x4e62a420, 0x7fff7f01030400017fff017f01020000, 0x0),       // smaxp v0.8h,v1.8h,v2.8h
    (0x4ea2bc20, 0x7f037f7f7cfe030500fe817f8102fefd, 0x0),       // addp v0.4s,v1.4s,v2.4s
    (0x4ea2b420, 0x00017ffd81fb07f7fff9ea007fffffff, 0x0),       // sqdmulh v0.4s,v1.4s,v2.4s
    (0x6e62b420, 0x0001800181fcfffffffafffa7fff0000, 0x8000000), // sqrdmulh v0.8h,v1.8h,v2.8h
    (0x6e621c20, 0x0001000000810181fcfe030580000001, 0x0),       // bsl v0.16b,v1.16b,v2.16b
    (0x2ea21c20, 0x000000000000000000020207fffffffe, 0x0),       // bit v0.8b,v1.8b,v2.8b
    (0x6ee21c20, 0x7ffffffffffeff7f0100fcf980000000, 0x0),       // bif v0.16b,v1.16b,v2.16b
    (0x4ee21c20, 0xffff800080ff017f0303fefffffffffe, 0x0),       // orn v0.16b,v1.16b,v2.16b
    (0x0e220020, 0xfffd000000010001ff00000000000001, 0x0),       // saddl v0.8h,v1.8b,v2.8b
    (0x6ea22020, 0x000000007ffe00010000000001fd01ff, 0x0),       // usubl2 v0.2d,v1.4s,v2.4s
    (0x2e621020, 0x80007cfe80ff048301037efd80000001, 0x0),       // uaddw v0.4s,v1.4s,v2.4h
    (0x4e223020, 0x7fff7fff808001800083fefc80010080, 0x0),       // ssubw2 v0.8h,v1.8h,v2.16b
    (0x0e224020, 0x000000000000000080ff0000fe020000, 0x0),       // addhn v0.8b,v1.8h,v2.8h
    (0x6e626020, 0x7ffe01fd0405000000000003fffffffe, 0x0),       // rsubhn2 v0.8h,v1.4s,v2.4s
    (0x0e225020, 0x800680037f85ff0800000003ffffffff, 0x0),       // sabal v0.8h,v1.8b,v2.8b
    (0x6e62a020, 0x800100003f817f01c000fe04fe81bf7e, 0x0),       // umlsl2 v0.4s,v1.8h,v2.8h
    (0x0ea2c020, 0xfffcf500180ef2f43fffffff80000000, 0x0),       // smull v0.2d,v1.2s,v2.2s
    (0x0ea2d020, 0xfff9ea00301de5e87fffffff00000000, 0x0),       // sqdmull v0.2d,v1.2s,v2.2s
    (0x0e629020, 0x800000007f7ae4e97ffffffffffffffe, 0x8000000), // sqdmlal v0.4s,v1.4h,v2.4h
    (0x4ea2b020, 0x80000001ff7fff017e04f80cf7057efe, 0x0),       // sqdmlsl2 v0.2d,v1.4s,v2.4s
    (0x0e22e020, 0x00fc01fc010203f44000000000000000, 0x0),       // pmull v0.8h,v1.8b,v2.8b
    (0x4e600820, 0x017f80ff80007fff00008000fefd0102, 0x0),       // rev64 v0.8h,v1.8h
    (0x6e200820, 0x0080ff7f7f01ff80fdfe020100000080, 0x0),       // rev32 v0.16b,v1.16b
    (0x0e201820, 0x00000000000000000201fdfe00800000, 0x0),       // rev16 v0.8b,v1.8b
    (0x4e202820, 0x007eff80ff7f00800003fffbff800000, 0x0),       // saddlp v0.8h,v1.16b
    (0x2ea06820, 0x0000000000000000000000048102fefb, 0x0),       // uadalp v0.1d,v1.2s
    (0x4e603820, 0x00007fff7fff008001027fff7ffffffe, 0x8000000), // suqadd v0.8h,v1.8h
    (0x6e203820, 0xff0000ff007fff80010200007ffffffe, 0x8000000), // usqadd v0.16b,v1.16b
    (0x4ea04820, 0x00000000000000000000000600000000, 0x0),       // cls v0.4s,v1.4s
    (0x6e604820, 0x00010000000000070007000000000010, 0x0),       // clz v0.8h,v1.8h
    (0x4e205820, 0x07080100010801070101070701000000, 0x0),       // cnt v0.16b,v1.16b
    (0x2e605820, 0x000000000000000080407fbf01000000, 0x0),       // rbit v0.8b,v1.8b
    (0x6e205820, 0x80007fff7f00fe80fefd01027fffffff, 0x0),       // mvn v0.16b,v1.16b
    (0x4ea07820, 0x7fff80007f00fe810102fefd7fffffff, 0x8000000), // sqabs v0.4s,v1.4s
    (0x6e607820, 0x80017fff7f01fe81fefe01037fff0000, 0x8000000), // sqneg v0.8h,v1.8h
    (0x6e209820, 0x00ffffffffff00000000ffffffffffff, 0x0),       // cmle v0.16b,v1.16b,#0
    (0x4ea0b820, 0x7fff80007f00fe810102fefd80000000, 0x0),       // abs v0.4s,v1.4s
    (0x7ee0b820, 0x0000000000000000fefd010280000000, 0x0),       // neg d0,d1
    (0x4ea1c820, 0xfffffffffe800000ffffffffff800000, 0x0),       // urecpe v0.4s,v1.4s
    (0x6ea1c820, 0xb5000000b4800000ffffffffb4800000, 0x0),       // ursqrte v0.4s,v1.4s
    (0x4e612820, 0x8000017ffefd000000000003fffffffe, 0x0),       // xtn2 v0.8h,v1.4s
    (0x2e212820, 0x0000000000000000ff0000ffff000000, 0x8000000), // sqxtun v0.8b,v1.8h
    (0x6ea14820, 0xffffffffffffffff00000003fffffffe, 0x8000000), // uqxtn2 v0.4s,v1.2d
    (0x5e614820, 0x00000000000000000000000000008000, 0x8000000), // sqxtn h0,s1
    (0x2e613820, 0x01020000fefd00008000000000000000, 0x0),       // shll v0.4s,v1.4h,#16
    (0x4e703820, 0x000000000000000000000000ffff027c, 0x0),       // saddlv s0,v1.8h
    (0x6e30a820, 0x000000000000000000000000000000ff, 0x0),       // umaxv b0,v1.16b
    (0x4eb1a820, 0x00000000000000000000000080000000, 0x0),       // sminv s0,v1.4s
    (0x0e71b820, 0x00000000000000000000000000007fff, 0x0),       // addv h0,v1.4h
    (0x5ef1b820, 0x000000000000000081027efe00ff017f, 0x0),       // addp d0,v1.2d
    (0x6f720820, 0x0000ffff007f00800102ff007ffffffe, 0x0),       // mla v0.8h,v1.8h,v2.h[7]
    (0x6f522820, 0xbf8180febf017f013fff020200be027d, 0x0),       // umlal2 v0.4s,v1.8h,v2.h[5]
    (0x5fa2c820, 0x000000000000000000000000fffe8001, 0x0),       // sqdmulh s0,s1,v2.s[3]
    (0x5fa23020, 0x00000000000000000301fcfffffffffe, 0x0),       // sqdmlal d0,s1,v2.s[1]
    (0x4f080420, 0x00ffff00ffff00000000ffffff000000, 0x0),       // sshr v0.16b,v1.16b,#8
    (0x6f411420, 0x80017fff7f80ff0100000003fffffffe, 0x0),       // usra v0.2d,v1.2d,#63
    (0x4f102420, 0x00000000000000000000000000000000, 0x0),       // srshr v0.8h,v1.8h,#16
    (0x7f403420, 0x000000000000000000000003fffffffe, 0x0),       // ursra d0,d1,#64
    (0x6f344420, 0x8007fff87f880ff00000102ffff80000, 0x0),       // sri v0.4s,v1.4s,#12
    (0x2f0b5420, 0x00000000000000000810f0eb07070706, 0x0),       // sli v0.8b,v1.8b,#3
    (0x4f7f5420, 0x80000000000000000000000000000000, 0x0),       // shl v0.2d,v1.2d,#63
    (0x6f126420, 0xffff0000000005fc0408000000000000, 0x8000000), // sqshlu v0.8h,v1.8h,#2
    (0x6f097420, 0xfeffff00ffff02fe0204ffffff000000, 0x8000000), // uqshl v0.16b,v1.16b,#1
    (0x5f3f7420, 0x00000000000000000000000080000000, 0x8000000), // sqshl s0,s1,#31
    (0x0f0b8420, 0x0000000000000000ff00070b08f70000, 0x0),       // shrn v0.8b,v1.8h,#5
    (0x4f108c20, 0x800080ff0103800000000003fffffffe, 0x0),       // rshrn2 v0.8h,v1.4s,#16
    (0x2f188420, 0x0000000000000000ffff0000ffff0000, 0x8000000), // sqshrun v0.4h,v1.4s,#8
    (0x6f219c20, 0xffff00010205fdfb00000003fffffffe, 0x0),       // uqrshrn2 v0.4s,v1.2d,#31
    (0x5f0f9c20, 0x00000000000000000000000000000000, 0x0),       // sqrshrn b0,h1,#1
    (0x4f3fa420, 0x3fffc00000000000c07f80bf80000000, 0x0),       // sshll2 v0.2d,v1.4s,#31
    (0x4e023820, 0xfc01fe0203fe04fd8080000000000100, 0x0),       // zip1 v0.16b,v1.16b,v2.16b
    (0x4ec27820, 0x00017fff7f01ff807fff800080ff017f, 0x0),       // zip2 v0.2d,v1.2d,v2.2d
    (0x4e421820, 0x7fffff80030400018000017ffefd0000, 0x0),       // uzp1 v0.8h,v1.8h,v2.8h
    (0x0e025820, 0x0000000000000000fc03800001fe8000, 0x0),       // uzp2 v0.8b,v1.8b,v2.8b
    (0x4e822820, 0x7f01ff8080ff017f8000000180000000, 0x0),       // trn1 v0.4s,v1.4s,v2.4s
    (0x4e026820, 0x007f7f807f80ff01fc0103fe80800000, 0x0),       // trn2 v0.16b,v1.16b,v2.16b
    (0x6e025820, 0x01ff80fcfe0304800000017fff800080, 0x0),       // ext v0.16b,v1.16b,v2.16b,#11
    (0x2e021820, 0x00000000000000000000010102fefd80, 0x0),       // ext v0.8b,v1.8b,v2.8b,#3
    (0x4e020020, 0x0000000000000000000080fd00000000, 0x0),       // tbl v0.16b,{v1.16b},v2.16b
    (0x0e023020, 0x0000000000000000000080fdff000000, 0x0),       // tbx v0.8b,{v1.16b,v2.16b},v2.8b
    (0x4e1a0420, 0x80008000800080008000800080008000, 0x0),       // dup v0.8h,v1.h[6]
    (0x5e130420, 0x00000000000000000000000000000001, 0x0),       // dup b0,v1.b[9]
    (0x6e1c2420, 0x0102fefd7f80ff0100000003fffffffe, 0x0),       // ins v0.s[3],v1.s[1]
    (0x6f05e4c0, 0xff00ff0000ffff00ff00ff0000ffff00, 0x0),       // movi v0.2d,#0xff00ff0000ffff00
    (0x6f00d640, 0xffed0000ffed0000ffed0000ffed0000, 0x0),       // mvni v0.4s,#0x12,msl #16
    (0x4f01b680, 0xb4017fff7f80ff0134003403fffffffe, 0x0),       // orr v0.8h,#0x34,lsl #8
    (0x2f0276c0, 0x000000000000000000000003a9fffffe, 0x0),       // bic v0.2s,#0x56,lsl #24
    (0x6f07f700, 0xbff8000000000000bff8000000000000, 0x0),       // fmov v0.2d,#-1.5
    (0x0f03e7e0, 0x00000000000000007f7f7f7f7f7f7f7f, 0x0),       // movi v0.8b,#0x7f
];

/// Word, V0 and FPSR after it, from V0 = [`FD`], V1 = [`FN`], V2 = [`FM`].
const FLOATS: &[(u32, u128, u32)] = &[
    (0x4e22c420, 0x400000003eaaaaab7f80000000000001, 0x0),  // fmaxnm v0.4s,v1.4s,v2.4s
    (0x4ea2f420, 0x3fc00000c0490fdb000000007fc12345, 0x0),  // fmin v0.4s,v1.4s,v2.4s
    (0x4e22cc20, 0x40800000bfc60a927fc000007fc12345, 0x11), // fmla v0.4s,v1.4s,v2.4s
    (0x4fa25820, 0xbfffffff40b90fdbff8000003f800000, 0x10), // fmls v0.4s,v1.4s,v2.s[3]
    (0x4e22d420, 0x40600000c033ba867f8000007fc12345, 0x10), // fadd v0.4s,v1.4s,v2.4s
    (0x4ea2d420, 0xbf000000c05e65307f8000007fc12345, 0x10), // fsub v0.4s,v1.4s,v2.4s
    (0x4e22dc20, 0x40400000bf860a92400000007fc12345, 0x10), // fmulx v0.4s,v1.4s,v2.4s
    (0x4fa29020, 0x00000000800000007fc0000000000000, 0x1),  // fmul v0.4s,v1.4s,v2.s[1]
    (0x6e22fc20, 0x3f400000c116cbe47f8000007fc12345, 0x10), // fdiv v0.4s,v1.4s,v2.4s
    (0x6ea2d420, 0x3f000000405e65307f8000007fc12345, 0x10), // fabd v0.4s,v1.4s,v2.4s
    (0x6e22e420, 0x0000000000000000ffffffff00000000, 0x1),  // fcmge v0.4s,v1.4s,v2.4s
    (0x6ea2ec20, 0x00000000ffffffffffffffff00000000, 0x1),  // facgt v0.4s,v1.4s,v2.4s
    (0x4e22e420, 0x00000000000000000000000000000000, 0x0),  // fcmeq v0.4s,v1.4s,v2.4s
    (0x6e22d420, 0x401555557fc12345bfd21fb67f800000, 0x10), // faddp v0.4s,v1.4s,v2.4s
    (0x4e22fc20, 0xbf80000040430549400000007fc12345, 0x10), // frecps v0.4s,v1.4s,v2.4s
    (0x4ea2fc20, 0x00000000400182a53fc000007fc12345, 0x10), // frsqrts v0.4s,v1.4s,v2.4s
    (0x4ea0f820, 0x3fc0000040490fdb7f80000000000001, 0x0),  // fabs v0.4s,v1.4s
    (0x6ea0f820, 0xbfc0000040490fdbff80000080000001, 0x0),  // fneg v0.4s,v1.4s
    (0x6ea1f820, 0x3f9cc4717fc000007f8000001a3504f3, 0x11), // fsqrt v0.4s,v1.4s
    (0x4e219820, 0x3f800000c08000007f80000000000000, 0x0),  // frintm v0.4s,v1.4s
    (0x6e219820, 0x40000000c04000007f80000000000000, 0x10), // frintx v0.4s,v1.4s
    (0x4e21c820, 0x00000002fffffffd7fffffff00000000, 0x11), // fcvtas v0.4s,v1.4s
    (0x6ea1b820, 0x0000000100000000ffffffff00000000, 0x11), // fcvtzu v0.4s,v1.4s
    (0x4e21d820, 0x4e7f0000ce7edbc14eff00003f800000, 0x10), // scvtf v0.4s,v1.4s
    (0x6f39e420, 0x4aff00004bc049104b7f00003c000000, 0x10), // ucvtf v0.4s,v1.4s,#7
    (0x4f30fc20, 0x00018000fffcdbc17fffffff00000000, 0x11), // fcvtzs v0.4s,v1.4s,#16
    (0x4ea0e820, 0x00000000ffffffff0000000000000000, 0x0),  // fcmlt v0.4s,v1.4s,#0
    (0x4ea1d820, 0x3f2a8000bea30000000000007f800000, 0x14), // frecpe v0.4s,v1.4s
    (0x6ea1d820, 0x3f5100007fc000000000000064b48000, 0x1),  // frsqrte v0.4s,v1.4s
    (0x5ea1f820, 0x0000000000000000000000007f000000, 0x0),  // frecpx s0,s1
    (0x0e216820, 0x00000000000000003e00c2487c000000, 0x18), // fcvtn v0.4h,v1.4s
    (0x4e217820, 0x3ff8000000000000c009200039fb6000, 0x0),  // fcvtl2 v0.4s,v1.8h
    (0x0e617820, 0x7ff000000000000036a0000000000000, 0x0),  // fcvtl v0.2d,v1.2s
    (0x4e616820, 0x3e0000067f8000003f8000003f800000, 0x14), // fcvtn2 v0.4s,v1.2d
    (0x2e616820, 0x00000000000000003e0000077f7fffff, 0x14), // fcvtxn v0.2s,v1.2d
    (0x6e30c820, 0x0000000000000000000000007f800000, 0x0),  // fmaxnmv s0,v1.4s
    (0x7ef0f820, 0x00000000000000003fc00000c0490fdb, 0x0),  // fminp d0,v1.2d
    (0x7e30d820, 0x0000000000000000000000007f800000, 0x0),  // faddp s0,v1.2s
];
