//! Random cases: every row of the decoder's tables gets its share, with states made of values that instructions have opinions on.

use crate::case::{Case, MAX_WORDS, Memory, State};
use crate::encoding;
use crate::layout::{self, CODE, CODE_END, PAGE, READ_ONLY, SPARE, WINDOW, WINDOW_BYTES};
use crate::rng::Rng;
use tayberry_a64::Features;
use tayberry_a64::decode::{self, Row};

/// One case in so many is a program.
const PROGRAMS: u64 = 4;
/// In programs these registers keep pointers into the window, and loads and stores use them as base.
pub(crate) const POINTERS: std::ops::Range<u32> = 20..28;

/// Makes cases.
pub struct Generator {
    rows: Vec<&'static Row>,
    features: Features,
    programs: bool,
}

impl Generator {
    /// Of all instructions of a core with these extensions, or of those whose name or class contains `filter` (in any case).
    pub fn new(filter: Option<&str>, features: Features) -> Self {
        let wanted = filter.map(str::to_lowercase);
        let fits = |row: &&'static Row| {
            wanted.as_ref().is_none_or(|wanted| {
                row.name.to_lowercase().contains(wanted) || encoding::name(encoding::class_of(row.bits)).to_lowercase().contains(wanted)
            })
        };
        let programs = wanted.as_ref().is_none_or(|wanted| encoding::name(encoding::programs()).contains(wanted.as_str()));
        let known = |row: &&'static Row| is_known(row, features);
        let mut rows: Vec<_> = decode::rows().filter(known).filter(fits).collect();
        if rows.is_empty() && programs {
            rows = decode::rows().filter(known).collect();
        }
        Self { rows, features, programs }
    }

    /// No instruction fits.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Case `index` of the stream of `seed`.
    pub fn case(&self, seed: u64, index: u64) -> Case {
        let mut rng = Rng::of_case(seed, index);
        let pc = layout::slot(index);
        let program = self.programs && rng.one_in(PROGRAMS);
        let mut state = state(&mut rng);
        let words = if program { self.program(&mut rng, pc, &mut state) } else { vec![self.single(&mut rng, pc, &mut state)] };
        let memory = if rng.one_in(8) { Memory::Zero } else { Memory::Random(rng.next()) };
        let big_endian = rng.one_in(8);
        Case { pc, words, state, memory, big_endian }
    }

    pub(crate) fn is_allocated(&self, word: u32) -> bool {
        decode::decode_with(word, self.features).allocated
    }

    fn single(&self, rng: &mut Rng, pc: u64, state: &mut State) -> u32 {
        // One in 64: any word at all.
        let word = if rng.one_in(64) && self.programs { rng.word() } else { self.word(rng).0 };
        let word = confined(rng, word, pc, 0, 1);
        aim(rng, word, state);
        word
    }

    /// A word that fits a random row, mostly one that the row allocates.
    pub(crate) fn word(&self, rng: &mut Rng) -> (u32, &'static Row) {
        let row = rng.pick(&self.rows);
        let mut word = 0;
        for _ in 0..16 {
            word = row.bits | rng.word() & !row.mask;
            if self.is_allocated(word) {
                break;
            }
        }
        (system(rng, word), row)
    }

    fn program(&self, rng: &mut Rng, pc: u64, state: &mut State) -> Vec<u32> {
        let len = 2 + rng.below(MAX_WORDS as u64 - 3) as usize;
        let mut words: Vec<u32> = (0..len)
            .map(|i| {
                let (word, row) = self.word(rng);
                let tame = tame(rng, word) & !row.mask | row.bits;
                confined(rng, if self.is_allocated(tame) { tame } else { word }, pc, i, len)
            })
            .collect();
        for pointer in POINTERS {
            state.x[pointer as usize] = (WINDOW + 0x800 + rng.below(0x1000)) & !15;
        }
        if rng.one_in(8) {
            exclusive_pair(rng, &mut words);
        }
        one_exclusive_size(&mut words);
        words
    }
}

/// A core with these extensions has the row.
fn is_known(row: &Row, features: Features) -> bool {
    let mut rng = Rng::new(0);
    (0..64).any(|_| decode::decode_with(row.bits | rng.word() & !row.mask, features).name == row.name)
}

/// Mostly names a register or an instruction that EL0 may use: few of the words that fit do.
fn system(rng: &mut Rng, word: u32) -> u32 {
    // op1, CRn, CRm, op2 as they stand in the word.
    const fn name(op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
        op1 << 16 | crn << 12 | crm << 8 | op2 << 5
    }
    // NZCV, DAIF, FPCR, FPSR, TPIDR_EL0, TPIDRRO_EL0, CTR_EL0, DCZID_EL0, CNTFRQ_EL0, PMCCNTR_EL0, PMUSERENR_EL0; SP_EL0.
    const REGISTERS: [u32; 12] = [
        name(3, 4, 2, 0),
        name(3, 4, 2, 1),
        name(3, 4, 4, 0),
        name(3, 4, 4, 1),
        name(3, 13, 0, 2),
        name(3, 13, 0, 3),
        name(3, 0, 0, 1),
        name(3, 0, 0, 7),
        name(3, 14, 0, 0),
        name(3, 9, 13, 0),
        name(3, 9, 14, 0),
        name(0, 4, 1, 0),
    ];
    // DC ZVA, CVAC, CVAU, CIVAC; IC IVAU; and of EL1: TLBI VAE1, AT S1E1R.
    const INSTRUCTIONS: [u32; 7] =
        [name(3, 7, 4, 1), name(3, 7, 10, 1), name(3, 7, 11, 1), name(3, 7, 14, 1), name(3, 7, 5, 1), name(0, 8, 7, 1), name(0, 7, 8, 0)];
    let class = encoding::name(encoding::class_of(word));
    let known = match class {
        "system register move" => rng.pick(&REGISTERS),
        "system instructions" => rng.pick(&INSTRUCTIONS),
        _ => return word,
    };
    if rng.one_in(4) { word } else { word & !(0x7fff << 5) | known | 1 << 19 }
}

/// A load-exclusive and a store-exclusive of the same address and size, somewhere in the program.
pub(crate) fn exclusive_pair(rng: &mut Rng, words: &mut [u32]) {
    let first = rng.below(words.len() as u64 - 1) as usize;
    let second = first + 1 + rng.below((words.len() - first - 1) as u64) as usize;
    let size = rng.below(4) as u32;
    // Pairs are of 32 or 64 bits.
    let pair = u32::from(size >= 2 && rng.one_in(3));
    let ordered = rng.below(2) as u32;
    let (base, status, from, from2) =
        (POINTERS.start + rng.below(8) as u32, 1 + rng.below(3) as u32, 4 + rng.below(4) as u32, 8 + rng.below(4) as u32);
    let second_register = if pair == 1 { from2 } else { 31 };
    let common = size << 30 | 0x0800_0000 | pair << 21 | ordered << 15 | second_register << 10 | base << 5 | from;
    words[first] = common | 1 << 22 | 31 << 16;
    words[second] = common | status << 16;
}

/// Gives all exclusives the size of the first: a store-exclusive of another size than the load-exclusive before it is CONSTRAINED UNPREDICTABLE
/// (ARM ARM B2.9.5).
pub(crate) fn one_exclusive_size(words: &mut [u32]) {
    const SIZE: u32 = 3 << 30 | 1 << 21;
    let is_exclusive = |word: u32| word >> 24 & 0x3f == 0b00_1000 && word >> 23 & 1 == 0;
    let Some(first) = words.iter().copied().find(|&word| is_exclusive(word)) else { return };
    for word in words.iter_mut().filter(|word| is_exclusive(**word)) {
        *word = *word & !SIZE | first & SIZE;
    }
}

/// In programs: bases are pointers, results go elsewhere, offsets are small.
pub(crate) fn tame(rng: &mut Rng, word: u32) -> u32 {
    let mut word = word & !(1 << 4);
    if encoding::is_load_or_store(word) {
        let base = POINTERS.start + rng.below(u64::from(POINTERS.end - POINTERS.start)) as u32;
        word = word & !(31 << 5) | base << 5;
        if word >> 24 & 0b11_1011 == 0b11_1001 {
            // Unsigned offset: its upper bits.
            word &= !(0xf << 18);
        }
    }
    word
}

/// A direct branch goes forward within the program of `len` words, or far away from all code; a literal is mostly in the window.
fn confined(rng: &mut Rng, word: u32, pc: u64, index: usize, len: usize) -> u32 {
    let (bits, low) = match word {
        _ if word >> 26 & 0x1f == 0b0_0101 => (26, 0),
        _ if word >> 24 & 0xff == 0b0101_0100 || word >> 25 & 0x3f == 0b01_1010 => (19, 5),
        _ if word >> 25 & 0x3f == 0b01_1011 => (14, 5),
        _ if word >> 24 & 0b11_1011 == 0b01_1000 => return literal(rng, word, pc + 4 * index as u64),
        _ => return word,
    };
    let mask = ((1u32 << bits) - 1) << low;
    let offset = i64::from((word & mask) << (32 - bits - low)) << 32 >> (64 - bits);
    let target = pc.wrapping_add(4 * index as u64).wrapping_add((offset * 4) as u64);
    let far = !(CODE..CODE_END).contains(&target);
    if far && rng.one_in(4) {
        return word;
    }
    let forward = 1 + rng.below((len - index) as u64) as u32;
    word & !mask | forward << low
}

pub(crate) fn literal(rng: &mut Rng, word: u32, pc: u64) -> u32 {
    if rng.one_in(8) {
        return word;
    }
    let target = WINDOW + rng.below(WINDOW_BYTES - 16);
    let offset = (target.wrapping_sub(pc) >> 2) as u32 & 0x7_ffff;
    word & !(0x7_ffff << 5) | offset << 5
}

/// Mostly lets the base of a load or store (and of cache maintenance) point to where something is.
pub(crate) fn aim(rng: &mut Rng, word: u32, state: &mut State) {
    let by_address = encoding::name(encoding::class_of(word)) == "system instructions";
    let base = if encoding::is_load_or_store(word) {
        word >> 5 & 31
    } else if by_address {
        word & 31
    } else {
        return;
    };
    if rng.one_in(16) {
        return;
    }
    // Where the access is to be: often across the end of a page, or of all pages.
    let target = match rng.below(8) {
        0 => WINDOW + PAGE - rng.below(40),
        1 => WINDOW + WINDOW_BYTES - rng.below(72),
        2 => WINDOW - rng.below(24),
        3 => READ_ONLY + rng.below(PAGE),
        4 => WINDOW + rng.below(WINDOW_BYTES),
        _ => (WINDOW + rng.below(WINDOW_BYTES)) & !15,
    };
    let value = target.wrapping_sub(offset(word, state));
    match base {
        31 => state.sp = value,
        _ => state.x[base as usize] = value,
    }
}

/// The offset that a load or store adds to its base.
fn offset(word: u32, state: &State) -> u64 {
    let signed = |hi: u32, lo: u32| i64::from(word << (31 - hi)) << 32 >> (63 - (hi - lo));
    let size = (word >> 30) as i64 | if word >> 26 & 1 == 1 { i64::from(word >> 23 & 1) << 2 } else { 0 };
    if word >> 27 & 7 == 0b101 && word >> 25 & 1 == 0 {
        // Pairs: no offset when post-indexed.
        let scale = if word >> 26 & 1 == 1 { 2 + (word >> 30) } else { 2 + (word >> 31) };
        return if word >> 23 & 3 == 1 { 0 } else { (signed(21, 15) << scale) as u64 };
    }
    if word >> 27 & 7 != 0b111 {
        return 0;
    }
    if word >> 24 & 1 == 1 {
        return (i64::from(word >> 10 & 0xfff) << size) as u64;
    }
    match (word >> 21 & 1, word >> 10 & 3) {
        (0, 0 | 2 | 3) => signed(20, 12) as u64,
        (1, 2) => {
            let index = state.x.get((word >> 16 & 31) as usize).copied().unwrap_or(0);
            let index = match word >> 13 & 7 {
                2 => u64::from(index as u32),
                6 => index as i32 as u64,
                _ => index,
            };
            if word >> 12 & 1 == 1 { index << size } else { index }
        }
        _ => 0,
    }
}

/// A random state.
pub(crate) fn state(rng: &mut Rng) -> State {
    let mut state = State::default();
    for x in &mut state.x {
        *x = integer(rng);
    }
    state.sp = if rng.one_in(4) { integer(rng) } else { (WINDOW + rng.below(WINDOW_BYTES)) & !15 };
    state.nzcv = rng.word() & 0xf000_0000;
    let lanes = rng.below(5);
    for v in &mut state.v {
        *v = vector(rng, lanes);
    }
    if rng.one_in(2) {
        // AHP, DN, FZ, rounding mode.
        state.fpcr = rng.word() & 0x07c0_0000;
    }
    if rng.one_in(4) {
        state.fpsr = rng.word() & 0x0800_009f;
    }
    state.tpidr = integer(rng);
    state
}

/// An integer with something about it, or a pointer.
pub(crate) fn integer(rng: &mut Rng) -> u64 {
    const EDGES: [u64; 16] = [
        0,
        1,
        2,
        u64::MAX,
        i64::MAX as u64,
        i64::MIN as u64,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x1_0000_0000,
        0xffff_ffff_8000_0000,
        0x7f,
        0x80,
        0x8000,
        0xffff,
        0x5555_5555_5555_5555,
    ];
    match rng.below(10) {
        0 | 1 => rng.pick(&EDGES),
        2 => rng.below(256).wrapping_sub(128),
        3 => rng.next() >> rng.below(64),
        4 => (rng.next() as i64 >> rng.below(64)) as u64,
        5 => WINDOW + rng.below(WINDOW_BYTES),
        6 => (WINDOW + rng.below(WINDOW_BYTES)) & !15,
        7 => rng.pick(&[READ_ONLY, SPARE, 0x30_0000, 0, 1 << 40, 1 << 48, !0xfff, 0xffff_8000_0000_0000, 0xab << 56 | WINDOW, SPARE + 2]),
        8 => 1 << rng.below(64),
        _ => rng.next(),
    }
}

/// A vector register: lanes of one format, or anything.
fn vector(rng: &mut Rng, lanes: u64) -> u128 {
    let mut of = |bits: u32, make: fn(&mut Rng) -> u64| {
        (0..128 / bits).fold(0u128, |v, lane| v | u128::from(make(rng) & (u64::MAX >> (64 - bits))) << (lane * bits))
    };
    match lanes {
        0 => of(16, half),
        1 => of(32, single),
        2 => of(64, double),
        3 => of(64, integer),
        _ => match rng.below(6) {
            0 => 0,
            1 => u128::MAX,
            2 => u128::from(rng.next()) << 64 | u128::from(rng.next()),
            3 => (0..16).fold(0, |v, i| v | u128::from(rng.pick(&[0u8, 1, 0x7f, 0x80, 0xff, 5, 0x40, 0xfe])) << (8 * i)),
            4 => u128::from(single(rng)) << 96 | u128::from(single(rng)) << 64 | u128::from(double(rng)),
            _ => u128::from(integer(rng)) << 64 | u128::from(double(rng)),
        },
    }
}

/// A number of a format with `exponent` and `fraction` bits: zeroes, denormals, ones near one, near overflow, infinities, NaNs, halves of integers.
fn float(rng: &mut Rng, exponent: u32, fraction: u32) -> u64 {
    let sign = rng.below(2) << (exponent + fraction);
    let top = (1u64 << exponent) - 1;
    let bias = top >> 1;
    let random = rng.next() & ((1 << fraction) - 1);
    let few = rng.pick(&[0, 1, (1 << fraction) - 1, 1 << (fraction - 1), random, random & random.rotate_left(1)]) & ((1 << fraction) - 1);
    let e = match rng.below(12) {
        0 | 1 => 0,
        2 => 1 + rng.below(2),
        3 | 4 => top,
        5 => top - 1 - rng.below(2),
        6 | 7 => bias + rng.below(4) - 2,
        8 => (bias + rng.below(u64::from(fraction) + 14)).min(top - 1),
        9 => bias - rng.below(bias.min(u64::from(2 * fraction))),
        _ => rng.below(top + 1),
    };
    sign | e << fraction | few
}

fn half(rng: &mut Rng) -> u64 {
    float(rng, 5, 10)
}

fn single(rng: &mut Rng) -> u64 {
    float(rng, 8, 23)
}

fn double(rng: &mut Rng) -> u64 {
    float(rng, 11, 52)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_seed_gives_the_same_cases_for_ever() {
        let generator = Generator::new(None, Features::default());
        for index in [0, 1, 77, u64::MAX] {
            assert_eq!(generator.case(3, index), generator.case(3, index));
            assert_ne!(generator.case(3, index), generator.case(4, index));
        }
    }

    #[test]
    fn every_row_gets_cases_and_filters_select() {
        let generator = Generator::new(None, Features::default());
        let seen: HashSet<_> = (0..60_000).map(|index| decode::decode(generator.case(1, index).words[0]).name).collect();
        for row in decode::rows().filter(|row| is_known(row, Features::default())) {
            assert!(seen.contains(row.name), "{}", row.name);
        }
        let madd = Generator::new(Some("three sources"), Features::default());
        for index in 0..1000 {
            let word = madd.case(1, index).words[0];
            assert!(encoding::name(encoding::class_of(word)).ends_with("three sources"), "{word:#x}");
        }
        assert!(Generator::new(Some("no such thing"), Features::default()).is_empty());
        assert!(Generator::new(Some("aese"), Features::default()).is_empty());
        assert!(!Generator::new(Some("aese"), Features { crypto: true }).is_empty());
    }

    #[test]
    fn direct_branches_never_go_back() {
        let generator = Generator::new(Some("branch"), Features::default());
        for index in 0..20_000 {
            let case = generator.case(9, index);
            let word = case.words[0];
            if word >> 26 & 0x1f == 5 {
                let offset = i64::from(word << 6) << 32 >> 38;
                let target = case.pc.wrapping_add((offset * 4) as u64);
                assert!(target == case.pc + 4 || !(CODE..CODE_END).contains(&target), "{word:#x} at {:#x}", case.pc);
            }
        }
    }
}
