//! A 64-bit hash of a line of guest bytes, made so that it can be computed while the line is converted.
//!
//! Hashes of libraries take slices, and a line that is first copied and hashed costs two more passes than a copy does. This one takes stripes of 64
//! bytes from whatever holds them: registers in the vector kernels, memory elsewhere. Its construction is that of the well-known
//! multiply-and-add hashes for long inputs: per lane of 64 bits, the sum of the words, and the sum of the products of the two halves of each word
//! XORed with a key that belongs to the place. So what changes places changes the hash.
//!
//! It is not proof against a guest that looks for collisions; such a guest spoils its own picture.

/// Bytes in a stripe.
pub(super) const STRIPE: usize = 64;
/// Words in a stripe.
pub(super) const LANES: usize = STRIPE / 8;

/// Stripes that have keys of their own; then the sums are stirred and the keys begin again. A multiple of three, as kernels for 24 bits take so many
/// at once.
pub(super) const BLOCK: usize = 48;

/// Keys of the stripes: pseudo-random, without any relation that a picture could have.
pub(super) static KEYS: [Keys; BLOCK] = {
    let mut keys = [Keys([0; LANES]); BLOCK];
    let mut state = 0_u64;
    let mut at = 0;
    while at < BLOCK * LANES {
        // SplitMix64.
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        keys[at / LANES].0[at % LANES] = mixed ^ mixed >> 31;
        at += 1;
    }
    keys
};

/// Keys of a stripe.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Keys(pub(super) [u64; LANES]);

/// Weights of the sums when they are stirred: odd.
pub(super) const SUM_WEIGHTS: [u64; LANES] = [
    0xE703_7ED1_A0B4_28DB,
    0x8EBC_6AF0_9C88_C6E3,
    0x5899_65CC_7537_4CC3,
    0x1D8E_4E27_C47D_124F,
    0xEB44_ACCA_B455_D165,
    0xFF51_AFD7_ED55_8CCD,
    0xC4CE_B9FE_1A85_EC53,
    0xBF58_476D_1CE4_E5B9,
];
/// Weights of the products when they are stirred: odd.
pub(super) const PRODUCT_WEIGHTS: [u64; LANES] = [
    0x94D0_49BB_1331_11EB,
    0x2545_F491_4F6C_DD1D,
    0xD6E8_FEB8_6659_FD93,
    0x9FB2_1C65_1E98_DF2F,
    0xAEF1_7502_108E_F2D9,
    0xF135_7AEA_2E62_A9C5,
    0x9E6C_63D0_676A_9A99,
    0xB564_9C5D_5B9C_9B8D,
];

/// The hash in the making.
#[derive(Clone, Debug)]
struct Digest {
    sums: [u64; LANES],
    products: [u64; LANES],
}

impl Digest {
    fn stripe(&mut self, stripe: &[u8; STRIPE], Keys(keys): &Keys) {
        let words = stripe.as_chunks::<8>().0;
        for lane in 0..LANES {
            let word = u64::from_le_bytes(words[lane]);
            let mixed = word ^ keys[lane];
            self.products[lane] = self.products[lane].wrapping_add((mixed & 0xFFFF_FFFF) * (mixed >> 32));
            self.sums[lane] = self.sums[lane].wrapping_add(word);
        }
    }

    /// Makes the sums depend on what went before: one to one, and no longer linear.
    fn stir(&mut self) {
        for lane in 0..LANES {
            let (sum, product) = (self.sums[lane], self.products[lane]);
            self.sums[lane] = (sum ^ sum >> 32).wrapping_mul(SUM_WEIGHTS[lane]);
            self.products[lane] = (product ^ product >> 32).wrapping_mul(PRODUCT_WEIGHTS[lane]);
        }
    }
}

/// The hash of `bytes`; only hashes of equal lengths are to be compared, as the last stripe is filled up with zeros.
pub(super) fn digest(bytes: &[u8]) -> u64 {
    let mut digest = Digest { sums: [0; LANES], products: [0; LANES] };
    for block in bytes.chunks(BLOCK * STRIPE) {
        let (stripes, rest) = block.as_chunks::<STRIPE>();
        for (stripe, keys) in stripes.iter().zip(&KEYS) {
            digest.stripe(stripe, keys);
        }
        if !rest.is_empty() {
            let mut last = [0; STRIPE];
            last[..rest.len()].copy_from_slice(rest);
            digest.stripe(&last, &KEYS[stripes.len()]);
        }
        digest.stir();
    }
    digest.sums.iter().chain(&digest.products).fold(0, |hash, &sum| hash.wrapping_add(sum))
}

#[cfg(all(test, not(tayberry_loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn every_single_bit_and_every_exchange_of_words_shows() {
        let blank = vec![0x55; 1000];
        let mut seen = HashSet::from([digest(&blank)]);
        for bit in 0..8000 {
            let mut line = blank.clone();
            line[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(digest(&line)), "bit {bit}");
        }
        // One dot in every place, in two colours: what a cursor on an empty screen looks like.
        let mut seen = HashSet::new();
        for at in 0..250 {
            for colour in [1, 0x0100_0000_u32, 0x00FF_FFFF, 0xFFFF_FFFF] {
                let mut line = vec![0; 1000];
                line[at * 4..at * 4 + 4].copy_from_slice(&colour.to_le_bytes());
                assert!(seen.insert(digest(&line)), "{colour:x} at {at}");
            }
        }
        // Two dots.
        let mut seen = HashSet::new();
        for one in (0..1920).step_by(3) {
            for other in (0..one).step_by(3) {
                let mut line = [0; 7680];
                (line[one * 4], line[other * 4]) = (1, 1);
                assert!(seen.insert(digest(&line)), "{one} {other}");
            }
        }
    }

    proptest! {
        #[test]
        fn what_changes_places_shows(a in any::<[u8; 8]>(), b in any::<[u8; 8]>(), one in 0..400usize, other in 0..400usize) {
            prop_assume!(a != b && one != other);
            let line = |first: [u8; 8], second: [u8; 8]| {
                let mut line = vec![0; 3200];
                line[one * 8..one * 8 + 8].copy_from_slice(&first);
                line[other * 8..other * 8 + 8].copy_from_slice(&second);
                digest(&line)
            };
            prop_assert_ne!(line(a, b), line(b, a));
        }
    }
}
