//! The Cryptographic Extension (ARM ARM A2.3, C7): single rounds of AES and SHA, and the product of 64-bit polynomials.
//!
//! The Pi 3's cores lack it: these rows are seen only by cores with [`crate::Features::crypto`].

use super::{operands, q};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Op, Row, next, row};
use std::array::from_fn;

/// The byte times x modulo the AES polynomial.
const fn doubled(byte: u8) -> u8 {
    byte << 1 ^ if byte & 0x80 != 0 { 0x1b } else { 0 }
}

/// Product in the field of AES.
const fn product(mut a: u8, mut b: u8) -> u8 {
    let mut sum = 0;
    while b != 0 {
        if b & 1 != 0 {
            sum ^= a;
        }
        a = doubled(a);
        b >>= 1;
    }
    sum
}

/// The S-box of AES (FIPS 197, 5.1.1): the inverse in the field, then an affine map. Zero is its own inverse.
const SUBSTITUTE: [u8; 256] = {
    let mut table = [0; 256];
    // 3 generates the field: `power` runs through all but zero, and `inverse` (by its inverse, 0xf6) stays its reciprocal.
    let (mut power, mut inverse) = (1u8, 1u8);
    let mut i = 0;
    while i < 255 {
        let b = inverse;
        table[power as usize] = b ^ b.rotate_left(1) ^ b.rotate_left(2) ^ b.rotate_left(3) ^ b.rotate_left(4) ^ 0x63;
        power = product(power, 3);
        inverse = product(inverse, 0xf6);
        i += 1;
    }
    table[0] = 0x63;
    table
};

/// The inverse S-box.
const RESTORE: [u8; 256] = {
    let mut table = [0; 256];
    let mut i = 0;
    while i < 256 {
        table[SUBSTITUTE[i] as usize] = i as u8;
        i += 1;
    }
    table
};

/// ShiftRows: byte 4 * column + row of the result comes from `column + row`; its inverse from `column - row`.
fn shifted_rows(state: [u8; 16], inverse: bool) -> [u8; 16] {
    from_fn(|i| {
        let (column, row) = (i / 4, i % 4);
        let from = if inverse { column + 4 - row } else { column + row };
        state[from % 4 * 4 + row]
    })
}

/// MixColumns, by the first row of its circulant matrix.
fn mixed_columns(state: [u8; 16], matrix: [u8; 4]) -> [u8; 16] {
    from_fn(|i| {
        let (column, row) = (i / 4 * 4, i % 4);
        (0..4).fold(0, |sum, k| sum ^ product(state[column + k], matrix[(k + 4 - row) % 4]))
    })
}

fn aese(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let state = (core.v(op.rd) ^ core.v(op.rn)).to_le_bytes();
    let state = shifted_rows(state, false).map(|byte| SUBSTITUTE[usize::from(byte)]);
    core.set_v(op.rd, u128::from_le_bytes(state));
    next(core, bus, op)
}

fn aesd(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let state = (core.v(op.rd) ^ core.v(op.rn)).to_le_bytes();
    let state = shifted_rows(state, true).map(|byte| RESTORE[usize::from(byte)]);
    core.set_v(op.rd, u128::from_le_bytes(state));
    next(core, bus, op)
}

fn aesmc(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let state = mixed_columns(core.v(op.rn).to_le_bytes(), [2, 3, 1, 1]);
    core.set_v(op.rd, u128::from_le_bytes(state));
    next(core, bus, op)
}

fn aesimc(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let state = mixed_columns(core.v(op.rn).to_le_bytes(), [14, 11, 13, 9]);
    core.set_v(op.rd, u128::from_le_bytes(state));
    next(core, bus, op)
}

/// The words of a register, from bit 0 up.
fn words(v: u128) -> [u32; 4] {
    from_fn(|i| (v >> (32 * i)) as u32)
}

fn of_words(words: [u32; 4]) -> u128 {
    words.iter().rev().fold(0, |v, word| v << 32 | u128::from(*word))
}

fn choose(x: u32, y: u32, z: u32) -> u32 {
    (y ^ z) & x ^ z
}

fn majority(x: u32, y: u32, z: u32) -> u32 {
    x & y | (x | y) & z
}

fn parity(x: u32, y: u32, z: u32) -> u32 {
    x ^ y ^ z
}

/// Four rounds of SHA-1 with one of its functions (FIPS 180-4, 6.1.2): a to d in `rd`, e in `rn`, the schedule with the constant added in `rm`.
fn sha1_rounds(core: &mut Core, op: &Op, function: fn(u32, u32, u32) -> u32) {
    let [mut a, mut b, mut c, mut d] = words(core.v(op.rd));
    let mut e = core.v(op.rn) as u32;
    for word in words(core.v(op.rm)) {
        let sum = a.rotate_left(5).wrapping_add(function(b, c, d)).wrapping_add(e).wrapping_add(word);
        (a, b, c, d, e) = (sum, a, b.rotate_left(30), c, d);
    }
    core.set_v(op.rd, of_words([a, b, c, d]));
}

fn sha1c(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    sha1_rounds(core, op, choose);
    next(core, bus, op)
}

fn sha1p(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    sha1_rounds(core, op, parity);
    next(core, bus, op)
}

fn sha1m(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    sha1_rounds(core, op, majority);
    next(core, bus, op)
}

fn sha1h(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.set_v(op.rd, u128::from((core.v(op.rn) as u32).rotate_left(30)));
    next(core, bus, op)
}

/// The first half of the message schedule: all but the word that is not known yet.
fn sha1su0(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (d, n, m) = (core.v(op.rd), core.v(op.rn), core.v(op.rm));
    core.set_v(op.rd, (n << 64 | d >> 64) ^ d ^ m);
    next(core, bus, op)
}

/// The second half: the missing words, and the rotation. The last word needs the first of the result.
fn sha1su1(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let mut w = words(core.v(op.rd) ^ core.v(op.rn) >> 32).map(|word| word.rotate_left(1));
    w[3] ^= w[0].rotate_left(1);
    core.set_v(op.rd, of_words(w));
    next(core, bus, op)
}

/// Four rounds of SHA-256 (FIPS 180-4, 6.2.2) on a to d and e to h.
fn sha256_rounds(abcd: u128, efgh: u128, schedule: u128) -> (u128, u128) {
    let ([mut a, mut b, mut c, mut d], [mut e, mut f, mut g, mut h]) = (words(abcd), words(efgh));
    for word in words(schedule) {
        let sigma1 = e.rotate_right(6) ^ e.rotate_right(11) ^ e.rotate_right(25);
        let first = h.wrapping_add(sigma1).wrapping_add(choose(e, f, g)).wrapping_add(word);
        let sigma0 = a.rotate_right(2) ^ a.rotate_right(13) ^ a.rotate_right(22);
        let second = sigma0.wrapping_add(majority(a, b, c));
        (h, g, f, e) = (g, f, e, d.wrapping_add(first));
        (d, c, b, a) = (c, b, a, first.wrapping_add(second));
    }
    (of_words([a, b, c, d]), of_words([e, f, g, h]))
}

fn sha256h(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (abcd, _) = sha256_rounds(core.v(op.rd), core.v(op.rn), core.v(op.rm));
    core.set_v(op.rd, abcd);
    next(core, bus, op)
}

fn sha256h2(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (_, efgh) = sha256_rounds(core.v(op.rn), core.v(op.rd), core.v(op.rm));
    core.set_v(op.rd, efgh);
    next(core, bus, op)
}

fn sha256su0(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (d, n) = (core.v(op.rd), core.v(op.rn));
    let (old, ahead) = (words(d), words(n << 96 | d >> 32));
    let sigma0 = |w: u32| w.rotate_right(7) ^ w.rotate_right(18) ^ w >> 3;
    core.set_v(op.rd, of_words(from_fn(|i| old[i].wrapping_add(sigma0(ahead[i])))));
    next(core, bus, op)
}

fn sha256su1(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (d, n, m) = (core.v(op.rd), core.v(op.rn), core.v(op.rm));
    let (old, ahead, last) = (words(d), words(m << 96 | n >> 32), words(m));
    let sigma1 = |w: u32| w.rotate_right(17) ^ w.rotate_right(19) ^ w >> 10;
    let mut w = [0u32; 4];
    for i in 0..4 {
        let before = if i < 2 { last[i + 2] } else { w[i - 2] };
        w[i] = sigma1(before).wrapping_add(old[i]).wrapping_add(ahead[i]);
    }
    core.set_v(op.rd, of_words(w));
    next(core, bus, op)
}

/// PMULL and PMULL2 of doublewords: a product of 128 bits.
fn pmull(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let shift = 64 * u32::from(op.aux[0]);
    let (n, m) = ((core.v(op.rn) >> shift) as u64, (core.v(op.rm) >> shift) as u64);
    // Each bit of m as a mask of all ones or all zeroes: no branches.
    let sum = (0..64).fold(0, |sum, i| sum ^ u128::from(n) << i & u128::from(m >> i & 1).wrapping_neg());
    core.set_v(op.rd, sum);
    next(core, bus, op)
}

impl Core {
    /// A whole vector register.
    #[inline(always)]
    fn v(&self, register: u8) -> u128 {
        self.fp.v[usize::from(register & 31)]
    }

    #[inline(always)]
    fn set_v(&mut self, register: u8, value: u128) {
        self.fp.v[usize::from(register & 31)] = value;
    }
}

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("AESE", "0100 1110 0010 1000 0100 10 nnnnn ddddd", |insn| Some(operands(insn, aese))),
    row("AESD", "0100 1110 0010 1000 0101 10 nnnnn ddddd", |insn| Some(operands(insn, aesd))),
    row("AESMC", "0100 1110 0010 1000 0110 10 nnnnn ddddd", |insn| Some(operands(insn, aesmc))),
    row("AESIMC", "0100 1110 0010 1000 0111 10 nnnnn ddddd", |insn| Some(operands(insn, aesimc))),
    row("SHA1C", "0101 1110 000 mmmmm 0000 00 nnnnn ddddd", |insn| Some(operands(insn, sha1c))),
    row("SHA1P", "0101 1110 000 mmmmm 0001 00 nnnnn ddddd", |insn| Some(operands(insn, sha1p))),
    row("SHA1M", "0101 1110 000 mmmmm 0010 00 nnnnn ddddd", |insn| Some(operands(insn, sha1m))),
    row("SHA1SU0", "0101 1110 000 mmmmm 0011 00 nnnnn ddddd", |insn| Some(operands(insn, sha1su0))),
    row("SHA256H", "0101 1110 000 mmmmm 0100 00 nnnnn ddddd", |insn| Some(operands(insn, sha256h))),
    row("SHA256H2", "0101 1110 000 mmmmm 0101 00 nnnnn ddddd", |insn| Some(operands(insn, sha256h2))),
    row("SHA256SU1", "0101 1110 000 mmmmm 0110 00 nnnnn ddddd", |insn| Some(operands(insn, sha256su1))),
    row("SHA1H", "0101 1110 0010 1000 0000 10 nnnnn ddddd", |insn| Some(operands(insn, sha1h))),
    row("SHA1SU1", "0101 1110 0010 1000 0001 10 nnnnn ddddd", |insn| Some(operands(insn, sha1su1))),
    row("SHA256SU0", "0101 1110 0010 1000 0010 10 nnnnn ddddd", |insn| Some(operands(insn, sha256su0))),
    row("PMULL (1Q)", "0q00 1110 111 mmmmm 1110 00 nnnnn ddddd", |insn| {
        Some(Op { aux: [q(insn) as u8, 0, 0, 0], ..operands(insn, pmull) })
    }),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Features;
    use crate::decode;
    use crate::testing::{Guest, START};

    fn guest(words: &[u32]) -> Guest {
        Guest::with_features(words, Features { crypto: true })
    }

    /// Bytes as a register holds them, the first in bits 7 to 0.
    fn bytes(hex: &str) -> u128 {
        u128::from_str_radix(hex, 16).expect("hexadecimal").swap_bytes()
    }

    /// Words as a register holds them, the first in bits 31 to 0.
    fn schedule(w: &[u32]) -> u128 {
        of_words([w[0], w[1], w[2], w[3]])
    }

    #[test]
    fn aes_128_encrypts_and_decrypts_the_vector_of_fips_197() {
        // Appendix B: each round is AESE and AESMC, the last AESE alone, and the last key is added.
        const KEYS: [&str; 11] = [
            "2b7e151628aed2a6abf7158809cf4f3c",
            "a0fafe1788542cb123a339392a6c7605",
            "f2c295f27a96b9435935807a7359f67f",
            "3d80477d4716fe3e1e237e446d7a883b",
            "ef44a541a8525b7fb671253bdb0bad00",
            "d4d1c6f87c839d87caf2b8bc11f915bc",
            "6d88a37a110b3efddbf98641ca0093fd",
            "4e54f70e5f5fc9f384a64fb24ea6dc4f",
            "ead27321b58dbad2312bf5607f8d292f",
            "ac7766f319fadc2128d12941575c006e",
            "d014f9a8c9ee2589e13f0cc8b6630ca6",
        ];
        let (plain, cipher) = (bytes("3243f6a8885a308d313198a2e0370734"), bytes("3925841d02dc09fbdc118597196a0b32"));
        // aese v0, v1 ; aesmc v0, v0 ; aesd v0, v1 ; aesimc v0, v0
        let run = |word: u32, state: u128, key: u128| {
            let mut guest = guest(&[word]);
            guest.core.fp.v[..2].copy_from_slice(&[state, key]);
            guest.run(1);
            assert_eq!(guest.core.pc, START + 4);
            guest.core.fp.v[0]
        };
        let mut state = plain;
        for key in &KEYS[..9] {
            state = run(0x4e28_6800, run(0x4e28_4820, state, bytes(key)), 0);
        }
        state = run(0x4e28_4820, state, bytes(KEYS[9])) ^ bytes(KEYS[10]);
        assert_eq!(state, cipher);
        // The equivalent inverse cipher: the keys in between go through AESIMC.
        let inverse_key = |key: &str| run(0x4e28_7800, bytes(key), 0);
        state = run(0x4e28_7800, run(0x4e28_5820, cipher, bytes(KEYS[10])), 0);
        for key in KEYS[2..10].iter().rev() {
            state = run(0x4e28_7800, run(0x4e28_5820, state, inverse_key(key)), 0);
        }
        state = run(0x4e28_5820, state, inverse_key(KEYS[1])) ^ bytes(KEYS[0]);
        assert_eq!(state, plain);
    }

    /// The one block of "abc" (FIPS 180-4's example).
    const ABC: [u32; 16] = [0x6162_6380, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 24];

    #[test]
    fn sha_1_of_abc() {
        let h = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
        let constants = [0x5a82_7999u32, 0x6ed9_eba1, 0x8f1b_bcdc, 0xca62_c1d6];
        let mut w: Vec<u128> = ABC.chunks(4).map(schedule).collect();
        let (mut abcd, mut e) = (of_words([h[0], h[1], h[2], h[3]]), h[4]);
        for group in 0..20 {
            if group >= 4 {
                // sha1su0 v0, v1, v2 ; sha1su1 v0, v3
                let mut guest = guest(&[0x5e02_3020, 0x5e28_1860]);
                guest.core.fp.v[..4].copy_from_slice(&w[group - 4..group]);
                guest.run(2);
                w.push(guest.core.fp.v[0]);
            }
            let with_constant = words(w[group]).map(|word| word.wrapping_add(constants[group / 5]));
            // sha1h s3, s0 ; sha1c, sha1p, sha1m or sha1p q0, s1, v2
            let word = [0x5e02_0020, 0x5e02_1020, 0x5e02_2020, 0x5e02_1020][group / 5];
            let mut guest = guest(&[0x5e28_0803, word]);
            guest.core.fp.v[..3].copy_from_slice(&[abcd, u128::from(e), of_words(with_constant)]);
            guest.run(2);
            (abcd, e) = (guest.core.fp.v[0], guest.core.fp.v[3] as u32);
        }
        let sums: Vec<u32> = words(abcd).into_iter().chain([e]).zip(h).map(|(a, b)| a.wrapping_add(b)).collect();
        assert_eq!(sums, [0xa999_3e36, 0x4706_816a, 0xba3e_2571, 0x7850_c26c, 0x9cd0_d89d]);
    }

    #[test]
    fn sha_256_of_abc() {
        // The constants are the first bits of the fractions of the cube roots of the first 64 primes.
        let primes: Vec<u64> = (2u64..312).filter(|n| (2..*n).all(|d| n % d != 0)).collect();
        let constants: Vec<u32> = primes.iter().map(|&p| fraction_of_cube_root(p)).collect();
        assert_eq!((constants.len(), constants[0], constants[63]), (64, 0x428a_2f98, 0xc671_78f2));
        let h: [u32; 8] = [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];
        let mut w: Vec<u128> = ABC.chunks(4).map(schedule).collect();
        let (mut abcd, mut efgh) = (schedule(&h[..4]), schedule(&h[4..]));
        for group in 0..16 {
            if group >= 4 {
                // sha256su0 v0, v1 ; sha256su1 v0, v2, v3
                let mut guest = guest(&[0x5e28_2820, 0x5e03_6040]);
                guest.core.fp.v[..4].copy_from_slice(&w[group - 4..group]);
                guest.run(2);
                w.push(guest.core.fp.v[0]);
            }
            let with_constant: Vec<u32> = words(w[group]).iter().zip(&constants[4 * group..]).map(|(w, k)| w.wrapping_add(*k)).collect();
            // sha256h q0, q1, v2 ; sha256h2 q1, q3, v2, with the old q0 in q3
            let mut guest = guest(&[0x5e02_4020, 0x5e02_5061]);
            guest.core.fp.v[..4].copy_from_slice(&[abcd, efgh, schedule(&with_constant), abcd]);
            guest.run(2);
            (abcd, efgh) = (guest.core.fp.v[0], guest.core.fp.v[1]);
        }
        let sums: Vec<u32> = words(abcd).into_iter().chain(words(efgh)).zip(h).map(|(a, b)| a.wrapping_add(b)).collect();
        let known = [0xba78_16bf, 0x8f01_cfea, 0x4141_40de, 0x5dae_2223, 0xb003_61a3, 0x9617_7a9c, 0xb410_ff61, 0xf200_15ad];
        assert_eq!(sums, known);
    }

    /// 32 bits after the point of the cube root: the largest integer whose cube is at most p * 2^96.
    fn fraction_of_cube_root(p: u64) -> u32 {
        let (mut low, mut high) = (0u128, 8u128 << 32);
        while high - low > 1 {
            let middle = (low + high) / 2;
            *(if middle * middle * middle <= u128::from(p) << 96 { &mut low } else { &mut high }) = middle;
        }
        low as u32
    }

    #[test]
    fn polynomial_products_of_doublewords() {
        // pmull v0.1q, v1.1d, v2.1d ; pmull2 v3.1q, v1.2d, v2.2d
        let mut guest = guest(&[0x0ee2_e020, 0x4ee2_e023]);
        guest.core.fp.v[1] = 3 << 64 | 0x8000_0000_0000_0001;
        guest.core.fp.v[2] = 0xffff_ffff_ffff_ffff << 64 | 0x8000_0000_0000_0003;
        guest.run(2);
        // (x^63 + 1)(x^63 + x + 1) = x^126 + x^64 + x + 1, as both x^63 cancel; (x + 1)(x^63 + .. + 1) = x^64 + 1.
        assert_eq!((guest.core.fp.v[0], guest.core.fp.v[3]), (1 << 126 | 1 << 64 | 3, 1 << 64 | 1));
    }

    #[test]
    fn without_the_extension_all_of_it_is_unallocated() {
        for row in ROWS {
            for registers in [0, 0x001f_03ff, 0x0002_0020] {
                let word = row.bits | registers & !row.mask;
                let plain = decode::decode(word);
                assert!(plain.name.is_empty() || plain.name == "PMULL", "{}", row.name);
                assert_eq!(decode::decode_with(word, Features { crypto: true }).name, row.name);
            }
            let mut guest = Guest::new(&[row.bits]);
            guest.run(1);
            assert_eq!(guest.core.pc, 0x200, "{} raises Undefined", row.name);
        }
    }

    #[test]
    fn the_id_registers_tell() {
        // mrs x0, id_aa64isar0_el1 ; mrs x1, id_isar5_el1
        let words = [0xd538_0600, 0xd538_02a1];
        for (mut guest, expected) in [(Guest::new(&words), [0x1_0000, 0x1_0001]), (guest(&words), [0x1_1120, 0x1_1121])] {
            guest.run(2);
            assert_eq!(guest.core.x[..2], expected);
        }
    }
}
