//! Random words, in random states.

use super::layout::{ALIAS, CODE, CODE_PAGES, DEVICE, LEVEL3, PAGE, READ_ONLY, SPARE, TABLES, UPPER, WINDOW, WINDOW_BYTES};
use super::program::plan;
use super::scenario::{self, Scenario, Step};
use super::{asm, layout};
use crate::case::Memory;
use crate::generate::{self, Generator};
use crate::rng::Rng;
use tayberry_a64::Features;

/// Instructions that a plan runs, at most: translated code is not entered for a few.
const MOST: u64 = 3000;

/// Makes scenarios of random words.
pub struct Fuzz {
    generator: Generator,
}

impl Fuzz {
    /// For cores with these extensions.
    pub fn new(features: Features) -> Self {
        Self { generator: Generator::new(None, features) }
    }

    /// Scenario `index` of the stream of `seed`.
    pub fn scenario(&self, seed: u64, index: u64) -> Scenario {
        let mut rng = Rng::of_case(seed ^ 0xf022, index);
        let rng = &mut rng;
        let el = rng.pick(&[0, 0, 1, 1, 1, 2, 3]);
        let upper = el < 2 && rng.one_in(6);
        let offset = rng.below(CODE_PAGES - 2) * PAGE + if rng.one_in(3) { PAGE - 4 * rng.below(30) } else { 4 * rng.below(PAGE / 4) };
        let at = CODE + offset;
        let pc = at + if upper { UPPER } else { 0 };
        let words = self.words(rng);
        let mut state = generate::state(rng);
        for x in &mut state.x {
            if rng.one_in(2) {
                *x = address(rng, at);
            }
        }
        let system = system(rng);
        let daif = rng.below(16) as u8;
        let mut plan = plan(rng, at, &words);
        shorten(&mut plan, MOST);
        let memory = if rng.one_in(4) { Memory::Zero } else { Memory::Random(rng.next()) };
        Scenario { at, words, el, spsel: el > 0 && rng.one_in(2), daif, pc, resume: pc, state, memory, system, plan, racy: true }
    }

    fn words(&self, rng: &mut Rng) -> Vec<u32> {
        let order = rng.below(8);
        let len = 1 + rng.below(1 << order);
        let kind = rng.below(4);
        let mut words: Vec<u32> = (0..len)
            .map(|_| match kind {
                0 => rng.word(),
                1 => self.generator.word(rng).0,
                // A bit or two beside what is allocated.
                2 => self.generator.word(rng).0 ^ 1 << rng.below(32) ^ 1 << rng.below(32),
                _ if rng.one_in(8) => rng.word(),
                _ => self.generator.word(rng).0,
            })
            .collect();
        for (index, word) in words.iter_mut().enumerate() {
            if rng.one_in(2) {
                near(rng, word, index as i64, len as i64);
            }
        }
        words.push(if rng.one_in(2) { asm::b(-(len as i64)) } else { rng.word() });
        words
    }
}

/// Lets a direct branch go to somewhere within the words, forward or back.
fn near(rng: &mut Rng, word: &mut u32, index: i64, len: i64) {
    let (bits, low) = match *word {
        w if w >> 26 & 0x1f == 0b0_0101 => (26, 0),
        w if w >> 24 & 0xff == 0b0101_0100 || w >> 25 & 0x3f == 0b01_1010 => (19, 5),
        w if w >> 25 & 0x3f == 0b01_1011 => (14, 5),
        _ => return,
    };
    let mask = ((1u32 << bits) - 1) << low;
    let offset = rng.below(len as u64) as i64 - index;
    *word = *word & !mask | (offset as u32) << low & mask;
}

/// An address of something, not always aligned.
fn address(rng: &mut Rng, at: u64) -> u64 {
    let base = match rng.below(12) {
        0..=4 => WINDOW + rng.below(WINDOW_BYTES),
        5 => (WINDOW + PAGE).wrapping_sub(rng.below(64)),
        6 => WINDOW + WINDOW_BYTES - rng.below(64),
        7 => READ_ONLY + rng.below(PAGE),
        8 => DEVICE + rng.below(0x40),
        9 => at + 4 * rng.below(64),
        10 => rng.pick(&[SPARE, layout::vectors(1), TABLES, LEVEL3, 0, DEVICE - 4]),
        _ => return rng.next(),
    };
    let base = match rng.below(10) {
        0 => base + UPPER,
        1 => base + ALIAS,
        2 => base | 0x5a << 56,
        _ => base,
    };
    if rng.one_in(3) { base } else { base & !15 }
}

/// System registers that a guest might have set, in every combination.
fn system(rng: &mut Rng) -> Vec<(u32, u64)> {
    let mut list = Vec::new();
    for el in 1..=3 {
        let mut sctlr = (if el == 1 { scenario::SCTLR_EL1 } else { scenario::SCTLR }) | u64::from(!rng.one_in(3));
        if rng.one_in(4) {
            sctlr ^= 1 << rng.pick(&[1, 3, 4, 9, 14, 15, 16, 18, 19, 24, 25, 26]);
        }
        list.push((scenario::sctlr(el), sctlr));
    }
    let mut maybe = |one_in: u64, name: u32, make: &mut dyn FnMut(&mut Rng) -> u64| {
        if rng.one_in(one_in) {
            let value = make(rng);
            list.push((name, value));
        }
    };
    maybe(4, scenario::SCR_EL3, &mut |rng| 0x430 | rng.word() as u64 & 0x398f);
    maybe(4, scenario::HCR_EL2, &mut |rng| 1 << 31 | 1 << rng.below(34) | 1 << rng.below(34));
    maybe(8, scenario::CPACR_EL1, &mut |rng| rng.below(4) << 20);
    maybe(12, scenario::CPTR_EL2, &mut |rng| rng.below(2) << 10 | rng.below(2) << 31);
    maybe(12, scenario::CPTR_EL3, &mut |rng| rng.below(2) << 10 | rng.below(2) << 31);
    maybe(8, scenario::TCR_EL1, &mut |rng| layout::TCR_EL1 ^ 1 << rng.pick(&[7, 22, 23, 36, 37, 38]));
    maybe(16, scenario::vbar(1), &mut |rng| rng.next() & !0x7ff);
    maybe(8, scenario::MDCR_EL2, &mut |rng| rng.below(0x1000));
    maybe(8, scenario::MDCR_EL3, &mut |rng| rng.next() & 0x0033_c640);
    maybe(8, scenario::MDSCR_EL1, &mut |rng| rng.below(2) | rng.below(8) << 13);
    maybe(8, scenario::BREAKPOINT_VALUE, &mut |rng| CODE + 4 * rng.below(0x4000));
    maybe(8, scenario::BREAKPOINT_CONTROL, &mut |rng| 1 | rng.next() & 0xe1e6);
    maybe(8, scenario::WATCHPOINT_VALUE, &mut |rng| (WINDOW + rng.below(WINDOW_BYTES)) & !3);
    maybe(8, scenario::WATCHPOINT_CONTROL, &mut |rng| 1 | rng.next() & 0x1f00_fffe);
    maybe(6, scenario::PMCR, &mut |rng| 0x41 | rng.below(128) & !6);
    maybe(6, scenario::PMCNTENSET, &mut |rng| rng.next() & 0x8000_003f);
    maybe(8, scenario::PMINTENSET, &mut |rng| rng.next() & 0x8000_003f);
    maybe(8, scenario::PMCCNTR, &mut |rng| u64::MAX - rng.below(600));
    maybe(8, scenario::PMEVCNTR0, &mut |rng| 0xffff_ffff - rng.below(600));
    maybe(8, scenario::PMEVTYPER0, &mut |rng| rng.pick(&[8, 9, 10, 0x11]) | rng.below(64) << 26);
    maybe(16, scenario::PMUSERENR, &mut |rng| rng.below(16));
    maybe(8, scenario::CNTKCTL, &mut |rng| rng.below(0x400));
    list
}

/// Cuts a plan down to so many instructions.
fn shorten(plan: &mut Vec<Step>, most: u64) {
    let mut left = most;
    plan.retain_mut(|step| {
        if let Step::Run(budget) = step {
            *budget = (*budget).min(left);
            left -= *budget;
            return *budget > 0;
        }
        left > 0
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_same_scenarios() {
        let fuzz = Fuzz::new(Features::default());
        for index in [0, 1, 77] {
            assert_eq!(fuzz.scenario(3, index), fuzz.scenario(3, index));
            assert_ne!(fuzz.scenario(3, index), fuzz.scenario(4, index));
            assert!(fuzz.scenario(3, index).budget() <= MOST);
        }
    }
}
