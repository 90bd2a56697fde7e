//! Every set of kernels that this host can run against the portable one, at every alignment.

use super::*;
use crate::display::Overscan;
use proptest::prelude::*;
use std::sync::Arc;
use tayberry_ram::GuestRam;

const RAM_BYTES: u64 = 0x10000;

fn noise() -> GuestRam {
    let ram = GuestRam::new(RAM_BYTES).expect("64 KiB");
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    for at in (0..RAM_BYTES).step_by(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        ram.write_u64(at, state).expect("in RAM");
    }
    ram
}

fn config(depth: Depth, order: PixelOrder, alpha: Alpha) -> ScanoutConfig {
    ScanoutConfig {
        base: 0,
        pitch: 4,
        physical: (1, 1),
        virtual_size: (1, 1),
        offset: (0, 0),
        depth,
        order,
        alpha,
        palette: Arc::new(std::array::from_fn(|index| 0x9E37_79B9_u32.wrapping_mul(index as u32 + 1))),
        blank: false,
        overscan: Overscan::default(),
    }
}

proptest! {
    #[test]
    fn all_sets_of_kernels_agree(
        depth in prop::sample::select(&Depth::ALL[..]),
        order in prop::sample::select(&[PixelOrder::Rgb, PixelOrder::Bgr][..]),
        alpha in prop::sample::select(&[Alpha::Opaque0, Alpha::Transparent0, Alpha::Ignored][..]),
        address in 0..0x1000_u64,
        width in 1..700_usize,
        shift in 0..80_usize,
        at_the_end in any::<bool>(),
        lines in 1..5_usize,
        (source_gap, gap) in prop_oneof![2 => Just((0, 0)), 1 => (0..70_usize, 0..70_usize)],
    ) {
        let ram = noise();
        let len = width * depth.bytes() as usize;
        let source_pitch = (len + source_gap) as u64;
        let address = if at_the_end { RAM_BYTES - source_pitch * (lines as u64 - 1) - len as u64 } else { address };
        let guest = Guest::new(&ram, address, source_pitch, len, lines).expect("in RAM");
        let pitch = width * RGBA + gap;
        let config = config(depth, order, alpha);
        let draw = |set, store| {
            let converter = Converter::with(set, &config);
            let mut out = vec![0xA5; shift + lines * pitch + 100];
            let (mut copy, mut digests) = (Vec::new(), vec![0; lines]);
            let canvas = Canvas { pixels: &mut out[shift..shift + lines * pitch], pitch, store };
            converter.paint(guest, &mut copy, canvas, &mut digests);
            settle();
            for (index, &digest) in digests.iter().enumerate() {
                assert_eq!(digest, converter.digest(guest.line(index), &mut copy), "{set:?}: one hash for both ways");
            }
            (digests, out)
        };
        let expected = draw(Set::Portable, Store::Cached);
        prop_assert!(expected.1[..shift].iter().all(|&byte| byte == 0xA5));
        prop_assert!(expected.1[shift + lines * pitch..].iter().all(|&byte| byte == 0xA5));
        for line in expected.1[shift..].chunks(pitch.max(1)).take(lines) {
            prop_assert!(line[width * RGBA..].iter().all(|&byte| byte == 0xA5));
        }
        for set in Set::usable() {
            for store in [Store::Cached, Store::Streaming] {
                let got = draw(set, store);
                prop_assert!(got == expected, "{:?} {:?}", set, store);
            }
        }
    }
}

/// One line.
fn canvas(pixels: &mut [u8]) -> Canvas<'_> {
    Canvas { pitch: pixels.len(), pixels, store: Store::Cached }
}

#[test]
fn every_value_of_narrow_formats_is_converted_alike() {
    let ram = GuestRam::new(0x20000).expect("128 KiB");
    for value in 0..=u16::MAX {
        ram.write_u16(u64::from(value) * 2, value).expect("in RAM");
    }
    for depth in [Depth::Indexed8, Depth::Rgb15, Depth::Rgb16] {
        for order in [PixelOrder::Rgb, PixelOrder::Bgr] {
            let line = Guest::new(&ram, 0, 0, 0x20000, 1).expect("in RAM");
            let draw = |set| {
                let mut out = vec![0; 0x20000 / depth.bytes() as usize * RGBA];
                Converter::with(set, &config(depth, order, Alpha::Ignored)).paint(line, &mut Vec::new(), canvas(&mut out), &mut [0]);
                out
            };
            let expected = draw(Set::Portable);
            for set in Set::usable() {
                assert!(draw(set) == expected, "{set:?} {depth:?} {order:?}");
            }
        }
    }
}

/// All components with all alphas.
#[test]
fn every_alpha_is_blended_alike() {
    let ram = GuestRam::new(0x40000).expect("256 KiB");
    for at in 0..0x10000_u64 {
        ram.write_u32(at * 4, ((at as u32 & 0xFF) * 0x0001_0101) ^ ((at as u32 >> 8) << 24 | 0x00FF_0000)).expect("in RAM");
    }
    for alpha in [Alpha::Opaque0, Alpha::Transparent0] {
        for order in [PixelOrder::Rgb, PixelOrder::Bgr] {
            let line = Guest::new(&ram, 0, 0, 0x40000, 1).expect("in RAM");
            let draw = |set| {
                let mut out = vec![0; 0x40000];
                Converter::with(set, &config(Depth::Rgb32, order, alpha)).paint(line, &mut Vec::new(), canvas(&mut out), &mut [0]);
                out
            };
            let expected = draw(Set::Portable);
            for set in Set::usable() {
                assert!(draw(set) == expected, "{set:?} {alpha:?} {order:?}");
            }
        }
    }
}
