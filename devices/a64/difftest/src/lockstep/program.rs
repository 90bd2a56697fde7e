//! Random programs.
//!
//! A program is a loop for ever: its head sets the base registers, its body is a row of *items* (an instruction, or a few that belong together), subroutines
//! follow. Branches go to the beginnings of items. X16, X17 are scratch of items, X18 points to the device, X20 to X27 into the window
//! ([`POINTERS`]), X28 and X29 count loops; random instructions write X0 to X15.

use super::asm::{self, name};
use super::layout::{
    ALIAS, CODE, CODE_PAGES, DEVICE, DEVICE_LINES, DEVICE_POSTED, DEVICE_STOP, LEVEL3, OTHER_TABLES, OTHER_WINDOW, PAGE, READ_ONLY, TABLES,
    UPPER, WINDOW, WINDOW_BYTES, read_only_entry, window_entry,
};
use super::scenario::{self, BELLS, Scenario, Step};
use crate::case::Memory;
use crate::encoding;
use crate::generate::{self, Generator, POINTERS};
use crate::rng::Rng;
use tayberry_a64::Features;

const SCRATCH: u32 = 16;
const SCRATCH2: u32 = 17;
const DEVICE_BASE: u32 = 18;
const COUNTERS: [u32; 2] = [28, 29];
/// Instructions that a plan runs, about.
const PLAN: u64 = 8000;
/// Runs of a plan, at least.
const RUNS: u32 = 12;

/// A branch whose target is not known yet.
struct Branch {
    at: usize,
    kind: Kind,
}

#[derive(Clone, Copy)]
enum Kind {
    /// To a later item, by an offset of so many bits from this bit on.
    Forward { bits: u32, low: u32 },
    /// The same by ADR.
    ForwardAddress,
    /// To a subroutine.
    Call,
    /// The same by ADR.
    CallAddress,
}

/// Makes programs.
pub struct Programs {
    generator: Generator,
}

/// A program that is being made.
struct Body<'a> {
    programs: &'a Programs,
    rng: &'a mut Rng,
    words: Vec<u32>,
    /// Where items begin.
    items: Vec<usize>,
    branches: Vec<Branch>,
    el: u8,
    mmu: bool,
    /// Added to a code address to get one that can be written.
    writable: u64,
    pc: u64,
}

impl Programs {
    /// For cores with these extensions.
    pub fn new(features: Features) -> Self {
        Self { generator: Generator::new(None, features) }
    }

    /// Program `index` of the stream of `seed`.
    pub fn scenario(&self, seed: u64, index: u64) -> Scenario {
        let mut rng = Rng::of_case(seed, index);
        let rng = &mut rng;
        let mut state = generate::state(rng);
        let el = rng.pick(&[0, 0, 0, 0, 1, 1, 1, 1, 2, 3]);
        let mmu = el == 0 || !rng.one_in(4);
        let upper = el < 2 && mmu && rng.one_in(4);
        // Anywhere in the pages of code, often near the end of one.
        let offset = rng.below(CODE_PAGES - 2) * PAGE + if rng.one_in(2) { PAGE - 4 * rng.below(100) } else { 4 * rng.below(PAGE / 4) };
        let at = CODE + offset;
        let pc = at + if upper { UPPER } else { 0 };
        let writable = if mmu && upper {
            ALIAS.wrapping_sub(UPPER)
        } else if mmu {
            ALIAS
        } else {
            0
        };
        let mut body = Body { programs: self, rng: &mut *rng, words: vec![], items: vec![], branches: vec![], el, mmu, writable, pc };
        body.head();
        let most = if body.rng.one_in(4) { 190 } else { 60 };
        let len = 10 + body.rng.below(most) as usize;
        while body.words.len() < len {
            body.item(0);
        }
        body.end();
        let words = body.words;
        state.sp &= !15;
        let daif = rng.pick(&[0, 0, 0, 2, 0xf]);
        let system = system(rng, el, mmu, pc, words.len() as u64);
        let plan = plan(rng, at, &words);
        let memory = if rng.one_in(8) { Memory::Zero } else { Memory::Random(rng.next()) };
        Scenario { at, words, el, spsel: el > 0 && !rng.one_in(3), daif, pc, resume: pc, state, memory, system, plan, racy: false }
    }
}

/// System registers that are not as they usually are.
fn system(rng: &mut Rng, el: u8, mmu: bool, pc: u64, len: u64) -> Vec<(u32, u64)> {
    let mut list = Vec::new();
    let own = el.max(1);
    let mut sctlr = if own == 1 { scenario::SCTLR_EL1 } else { scenario::SCTLR } | u64::from(mmu);
    for bit in [1, 3, 4, 24, 25] {
        // A, SA, SA0, E0E, EE.
        if rng.one_in(if bit >= 24 { 32 } else { 8 }) {
            sctlr |= 1 << bit;
        }
    }
    // Tables are little-endian: big-endian data needs the MMU off.
    if mmu {
        sctlr &= !(1 << 25);
    }
    list.push((scenario::sctlr(own), sctlr));
    if rng.one_in(24) {
        list.push(rng.pick(&[
            (scenario::CPACR_EL1, 0),
            (scenario::CPACR_EL1, 1 << 20),
            (scenario::CPTR_EL2, 1 << 10),
            (scenario::CPTR_EL3, 1 << 10),
        ]));
    }
    if rng.one_in(16) {
        // Traps and stage 2.
        let mut hcr = 1 << 31 | 1 << rng.pick(&[13, 14, 18, 19, 25, 26, 30]);
        // TGE: there is no EL1.
        hcr |= if el == 0 && rng.one_in(4) { 1 << 27 } else { 0 };
        list.push((scenario::HCR_EL2, hcr));
    }
    if rng.one_in(12) {
        debug(rng, el, pc, len, &mut list);
    }
    if rng.one_in(8) {
        counters(rng, &mut list);
    }
    list
}

/// Breakpoints and watchpoints.
fn debug(rng: &mut Rng, el: u8, pc: u64, len: u64, list: &mut Vec<(u32, u64)>) {
    // EL0 and EL1; all bytes.
    let control = 1 | 3 << 1 | 0xf << 5;
    let mut mdscr = 1 << 15 | 1 << 13;
    if rng.one_in(3) {
        list.push((scenario::WATCHPOINT_VALUE, (WINDOW + rng.below(WINDOW_BYTES)) & !7));
        list.push((scenario::WATCHPOINT_CONTROL, 1 | 3 << 1 | rng.pick(&[1, 2, 3]) << 3 | rng.pick(&[0xff, 0x0f, 0x80]) << 5));
    } else {
        list.push((scenario::BREAKPOINT_VALUE, pc + 4 * rng.below(len)));
        list.push((scenario::BREAKPOINT_CONTROL, control));
    }
    if el == 0 && rng.one_in(3) {
        mdscr |= 1;
    }
    list.push((scenario::MDSCR_EL1, mdscr));
}

/// Counters that run, and some that overflow.
fn counters(rng: &mut Rng, list: &mut Vec<(u32, u64)>) {
    list.push((scenario::PMCR, 0x41));
    list.push((scenario::PMCNTENSET, 0x8000_0001));
    list.push((scenario::PMEVTYPER0, rng.pick(&[8, 0x11, 9, 10]) | rng.below(4) << 30));
    if rng.one_in(2) {
        list.push((scenario::PMINTENSET, 0x8000_0001));
        list.push((scenario::PMEVCNTR0, 0xffff_ffff - rng.below(3000)));
        list.push((scenario::PMCCNTR, u64::MAX - rng.below(3000)));
    }
}

/// Runs of all lengths, with something between them now and then.
pub(super) fn plan(rng: &mut Rng, at: u64, words: &[u32]) -> Vec<Step> {
    let budget = rng.pick(&[1, 7, 100, 1500, 5000, 5000, 0, 0]);
    // What is short is mostly interpreted.
    let mut left = if budget < 100 && budget > 0 { PLAN / 16 } else { PLAN };
    let (restless, quiet) = (rng.one_in(3), rng.one_in(3));
    let (mut plan, mut runs) = (Vec::new(), 0);
    // Many runs end long before their budget.
    while left > 0 || runs < RUNS {
        runs += 1;
        let chance = if budget == 1 { rng.one_in(40) } else { restless || rng.one_in(8) };
        if !quiet && chance {
            plan.push(poke(rng, at, words));
        }
        let order = rng.below(13);
        let next = if budget == 0 { 1 + rng.below(1 << order) } else { budget };
        plan.push(Step::Run(next));
        left = left.saturating_sub(next);
    }
    plan
}

fn poke(rng: &mut Rng, at: u64, words: &[u32]) -> Step {
    let index = rng.below(words.len() as u64);
    match rng.below(12) {
        0..=2 => Step::Ring(rng.word() & BELLS),
        3 => Step::Ring(tayberry_a64::core::doorbell::STOP),
        // Changed code stays followed by its barrier.
        4 | 5 if words[index as usize] != asm::ISB => Step::Write { at: at + 4 * index, word: simple(rng) },
        6 => Step::Write { at: WINDOW + (rng.below(WINDOW_BYTES) & !3), word: rng.word() },
        7..=8 => Step::Lines(rng.below(4) as u8),
        9 => Step::Invalidate(rng.one_in(2).then(|| WINDOW + rng.below(WINDOW_BYTES))),
        _ => Step::Time(rng.below(10_000)),
    }
}

/// Makes operands alike, or zero, so that instructions have the special forms that have other names, like MOV, and registers meet themselves.
fn alias(rng: &mut Rng, word: u32) -> u32 {
    if encoding::is_load_or_store(word) {
        return word;
    }
    let (rd, rn, rm) = (word & 31, word >> 5 & 31, word >> 16 & 31);
    let with = |low: u32, value: u32| word & !(31 << low) | value << low;
    match rng.below(24) {
        0 => with(5, 31),
        1 => with(16, 31),
        2 => with(5, rd & 15),
        3 => with(16, rd & 15),
        4 => with(16, rn),
        5 => with(5, rm),
        6 => word & !(63 << 10),
        7 => word & !(63 << 10 | 31 << 5) | 31 << 5,
        8 => word & !(63 << 10 | 31 << 16),
        9 => word & !(63 << 10 | 31 << 5) | (rd & 15) << 5,
        10 => word | 31 << 10,
        _ => word,
    }
}

/// An instruction that only computes.
fn simple(rng: &mut Rng) -> u32 {
    let (rd, rn, rm) = (rng.below(16) as u32, rng.below(31) as u32, rng.below(31) as u32);
    match rng.below(5) {
        0 => asm::movz(rd, rng.next(), 0),
        1 => asm::add(rd, rn, rng.below(4096) as u32),
        2 => 0xeb00_0000 | rm << 16 | rn << 5 | rd,
        3 => 0xca00_0000 | rm << 16 | rn << 5 | rd,
        _ => asm::NOP,
    }
}

impl Body<'_> {
    fn push(&mut self, words: &[u32]) {
        self.words.extend_from_slice(words);
    }

    fn mov(&mut self, rd: u32, value: u64) {
        asm::mov(&mut self.words, rd, value);
    }

    /// Sets the registers that the body counts on.
    fn head(&mut self) {
        for pointer in POINTERS {
            let target = match self.rng.below(10) {
                0 => WINDOW + PAGE - self.rng.below(48),
                1 => WINDOW + WINDOW_BYTES - self.rng.below(80),
                2 => READ_ONLY + self.rng.below(PAGE),
                3 => WINDOW + self.rng.below(WINDOW_BYTES),
                4 if self.mmu && self.el < 2 => UPPER + WINDOW + self.rng.below(WINDOW_BYTES),
                5 if self.mmu => ALIAS + WINDOW + self.rng.below(WINDOW_BYTES),
                6 => WINDOW - self.rng.below(32),
                _ => (WINDOW + 0x400 + self.rng.below(0x1800)) & !15,
            };
            // Most heads set few: the registers move on from round to round.
            if !self.rng.one_in(4) {
                self.mov(pointer, target);
            }
        }
        self.mov(DEVICE_BASE, DEVICE);
        let stack = (WINDOW + 0x1000 + self.rng.below(0x800)) & !15;
        self.mov(SCRATCH, stack);
        self.push(&[asm::add(31, SCRATCH, 0)]);
    }

    /// Closes the loop, adds subroutines, and lets all branches go somewhere.
    fn end(&mut self) {
        let end = self.words.len();
        self.items.push(end);
        self.push(&[asm::b(-(end as i64))]);
        let mut subroutines = Vec::new();
        for _ in 0..3 {
            subroutines.push(self.words.len());
            for _ in 0..1 + self.rng.below(6) {
                let word = self.plain();
                self.push(&[word]);
            }
            let back = if self.rng.one_in(4) { asm::br(30) } else { asm::RET };
            self.push(&[back]);
        }
        for Branch { at, kind } in std::mem::take(&mut self.branches) {
            let target = match kind {
                Kind::Call | Kind::CallAddress => self.rng.pick(&subroutines),
                Kind::Forward { .. } | Kind::ForwardAddress => {
                    let later = self.items.partition_point(|&item| item <= at);
                    let choices = (self.items.len() - later).min(8) as u64;
                    self.items[later + self.rng.below(choices) as usize]
                }
            };
            let (offset, bits, low) = match kind {
                Kind::Forward { bits, low } => (target as i64 - at as i64, bits, low),
                Kind::Call => (target as i64 - at as i64, 26, 0),
                // In bytes, of which the lowest two bits are elsewhere.
                Kind::ForwardAddress | Kind::CallAddress => (target as i64 - at as i64, 19, 5),
            };
            let mask = ((1u32 << bits) - 1) << low;
            self.words[at] = self.words[at] & !mask | (offset as u32) << low & mask;
        }
    }

    fn branch(&mut self, word: u32, kind: Kind) {
        self.branches.push(Branch { at: self.words.len(), kind });
        self.words.push(word);
    }

    /// Any instruction that goes on to the next.
    fn plain(&mut self) -> u32 {
        loop {
            let (word, row) = self.programs.generator.word(self.rng);
            let class = encoding::name(encoding::class_of(word));
            if class.contains("branch") {
                continue;
            }
            let word = alias(self.rng, word) & !row.mask | row.bits;
            let mut tame = generate::tame(self.rng, word) & !row.mask | row.bits;
            match class {
                // What it does by address, it does to the window.
                "system instructions" => tame = tame & !31 | self.rng.pick(&[20, 21, 22, 23]),
                // Control registers are the setup's; those of EL0 are everybody's.
                "system register move" if word >> 16 & 7 != 3 => tame |= 1 << 21,
                "load literal" => {
                    let here = self.pc + 4 * self.words.len() as u64;
                    tame = generate::literal(self.rng, tame, here & (UPPER - 1));
                }
                _ => {}
            }
            if self.programs.generator.is_allocated(tame) {
                return tame;
            }
        }
    }

    fn item(&mut self, depth: usize) {
        self.items.push(self.words.len());
        match self.rng.below(64) {
            0..=3 => self.flags(),
            4..=9 => self.forward(),
            10..=12 if depth < COUNTERS.len() => self.bounded_loop(depth),
            13 => self.branch(asm::bl(0), Kind::Call),
            14 => {
                self.branch(asm::adr(SCRATCH, 0), Kind::CallAddress);
                self.push(&[asm::blr(SCRATCH)]);
            }
            15 => {
                self.branch(asm::adr(SCRATCH, 0), Kind::ForwardAddress);
                self.push(&[asm::br(SCRATCH)]);
            }
            16 | 17 => self.exclusives(),
            18 => self.modes(),
            19 => self.changed_code(),
            20 if self.mmu && self.el >= 1 => self.changed_tables(),
            21 if self.mmu && self.el == 1 => self.other_space(),
            22 | 23 => self.device(),
            24 => self.call(),
            25 => self.stack(),
            26 if self.el >= 1 => self.exception_return(),
            27 => self.time(),
            28 if self.rng.one_in(4) => {
                let rn = self.rng.below(16) as u32;
                self.push(&[asm::br(rn)]);
            }
            29..=36 => self.memory(),
            _ => {
                let word = self.plain();
                self.push(&[word]);
            }
        }
    }

    /// Loads and stores of general registers.
    fn memory(&mut self) {
        let base = POINTERS.start + self.rng.below(8) as u32;
        let (rt, size, kind) = (self.rng.below(16) as u32, self.rng.below(4) as u32, self.rng.below(2) as u32);
        let word = match self.rng.below(4) {
            // Unsigned offset, unscaled, pre-index or post-index, pair.
            0 => size << 30 | 0x3900_0000 | kind << 22 | (self.rng.below(16) as u32) << 10 | base << 5 | rt,
            1 | 2 => {
                let mode = self.rng.pick(&[0, 1, 3]);
                let offset = self.rng.below(64).wrapping_sub(32) as u32 & 0x1ff;
                size << 30 | 0x3800_0000 | kind << 22 | offset << 12 | mode << 10 | base << 5 | rt
            }
            _ => {
                let mode = self.rng.pick(&[1, 2, 3]);
                let offset = self.rng.below(8).wrapping_sub(4) as u32 & 0x7f;
                0xa800_0000 | mode << 23 | kind << 22 | offset << 15 | ((rt + 1) & 15) << 10 | base << 5 | rt
            }
        };
        self.push(&[word]);
    }

    /// Something that sets flags, and those who ask.
    fn flags(&mut self) {
        let (rn, rm) = (self.rng.below(16) as u32, self.rng.below(16) as u32);
        let wide = (self.rng.below(2) as u32) << 31;
        // ADDS, SUBS, ANDS, BICS, ADCS, SBCS, TST, CMP with an immediate.
        let setters = [0x2b00_0000, 0x6b00_0000, 0x6a00_0000, 0x6a20_0000, 0x3a00_0000, 0x7a00_0000];
        let rd = self.rng.pick(&[31, rn, 5]);
        let setter = self.rng.pick(&setters) | wide | rm << 16 | rn << 5 | rd;
        self.push(&[setter]);
        for _ in 0..self.rng.below(4) {
            let cond = (self.rng.below(16) as u32) << 12;
            let (a, b, d) = (self.rng.below(16) as u32, self.rng.below(16) as u32, self.rng.below(16) as u32);
            let wide = (self.rng.below(2) as u32) << 31;
            let flags = self.rng.below(16) as u32;
            // CSEL, CSINC, CSINV, CSNEG, CCMP, CCMN, ADC, SBC, MRS NZCV.
            let word = match self.rng.below(9) {
                0 => 0x1a80_0000 | wide | b << 16 | cond | a << 5 | d,
                1 => 0x1a80_0400 | wide | b << 16 | cond | a << 5 | d,
                2 => 0x5a80_0000 | wide | b << 16 | cond | a << 5 | d,
                3 => 0x5a80_0400 | wide | b << 16 | cond | a << 5 | d,
                4 => 0x7a40_0000 | wide | b << 16 | cond | a << 5 | flags,
                5 => 0x3a40_0800 | wide | b << 16 | cond | a << 5 | flags,
                6 => 0x1a00_0000 | wide | b << 16 | a << 5 | d,
                7 => 0x5a00_0000 | wide | b << 16 | a << 5 | d,
                _ => asm::mrs(name(3, 3, 4, 2, 0), d),
            };
            self.push(&[word]);
        }
        if self.rng.one_in(2) {
            self.forward();
        }
    }

    /// A branch ahead, of any direct kind.
    fn forward(&mut self) {
        let rt = self.rng.below(16) as u32;
        let wide = (self.rng.below(2) as u32) << 31;
        match self.rng.below(8) {
            0 => self.branch(asm::b(0), Kind::Forward { bits: 26, low: 0 }),
            1..=4 => {
                let cond = self.rng.below(16) as u32;
                self.branch(asm::b_cond(cond, 0), Kind::Forward { bits: 19, low: 5 });
            }
            5 | 6 => {
                let word = self.rng.pick(&[0x3400_0000, 0x3500_0000]) | wide | rt;
                self.branch(word, Kind::Forward { bits: 19, low: 5 });
            }
            _ => {
                let word = self.rng.pick(&[0x3600_0000, 0x3700_0000]) | wide | (self.rng.below(32) as u32) << 19 | rt;
                self.branch(word, Kind::Forward { bits: 14, low: 5 });
            }
        }
    }

    /// A few rounds of a few items.
    fn bounded_loop(&mut self, depth: usize) {
        let counter = COUNTERS[depth];
        let rounds = 1 + self.rng.below(if depth == 0 { 40 } else { 6 });
        self.push(&[asm::movz(counter, rounds, 0)]);
        let first = self.words.len();
        for _ in 0..1 + self.rng.below(6) {
            self.item(depth + 1);
        }
        let last = if self.rng.one_in(2) {
            self.push(&[asm::subs_w(counter, counter, 1)]);
            // GT: what happened to the counter meanwhile, it ends.
            asm::b_cond(12, first as i64 - self.words.len() as i64)
        } else {
            self.push(&[asm::lsr(counter, counter, 1)]);
            asm::cbnz(counter, first as i64 - self.words.len() as i64)
        };
        self.push(&[last]);
    }

    /// A load-exclusive and a store-exclusive, mostly of one address, with something between.
    fn exclusives(&mut self) {
        let mut pair = [asm::NOP; 2];
        generate::exclusive_pair(self.rng, &mut pair);
        self.push(&pair[..1]);
        for _ in 0..self.rng.below(3) {
            let word = self.plain();
            self.push(&[word]);
        }
        self.push(&pair[1..]);
    }

    /// Another rounding mode, flush to zero, default NaN.
    fn modes(&mut self) {
        let bits = self.rng.word() & 0x07c0_0000;
        self.push(&[asm::movz(SCRATCH, u64::from(bits >> 16), 1), asm::msr(asm::FPCR, SCRATCH)]);
    }

    /// Changes an instruction and does what the architecture asks for.
    fn changed_code(&mut self) {
        const DC_CVAU: u32 = name(1, 3, 7, 11, 1);
        const IC_IVAU: u32 = name(1, 3, 7, 5, 1);
        const IC_IALLU: u32 = name(1, 0, 7, 5, 0);
        // Only what stands alone is replaced: a word of the head or of a loop's end would end the program.
        let word = simple(self.rng);
        self.mov(SCRATCH, u64::from(word));
        // A slot of its own, run once a round, or jumped to.
        let at = self.words.len();
        let mut slot = vec![asm::adr(SCRATCH2, 0)];
        let offset = self.writable;
        asm::mov(&mut slot, 19, offset);
        slot.push(0x8b13_0231); // add x17, x17, x19
        let invalidate = if self.el > 0 && self.rng.one_in(4) { asm::sys(IC_IALLU, 31) } else { asm::sys(IC_IVAU, SCRATCH2) };
        slot.extend([asm::str_w(SCRATCH, SCRATCH2, 0), asm::sys(DC_CVAU, SCRATCH2), asm::DSB, invalidate, asm::DSB, asm::ISB]);
        let far = self.rng.below(3);
        for _ in 0..far {
            slot.push(simple(self.rng));
        }
        slot[0] = asm::adr(SCRATCH2, slot.len() as i64);
        slot.push(simple(self.rng));
        debug_assert_eq!(at, self.words.len());
        self.push(&slot);
    }

    /// Changes how a page of the window is mapped.
    fn changed_tables(&mut self) {
        let page = self.rng.below(2) * PAGE;
        let entry = match self.rng.below(5) {
            0 => 0,
            1 => read_only_entry(WINDOW + page),
            2 => window_entry(OTHER_WINDOW + page),
            _ => window_entry(WINDOW + page),
        };
        let va = WINDOW + page;
        self.mov(SCRATCH, entry);
        self.mov(SCRATCH2, LEVEL3 + va / PAGE * 8);
        self.push(&[asm::str(SCRATCH, SCRATCH2, 0), asm::DSB]);
        let invalidate = match (self.el, self.rng.below(4)) {
            (1, 0) => {
                self.mov(SCRATCH, va / PAGE);
                asm::sys(name(1, 0, 8, 3, 3), SCRATCH) // VAAE1IS
            }
            (1, 1) => {
                self.mov(SCRATCH, va / PAGE);
                asm::sys(name(1, 0, 8, 7, 3), SCRATCH) // VAAE1
            }
            (1, _) => asm::sys(name(1, 0, 8, 7, 0), 31), // VMALLE1
            (2, _) => asm::sys(name(1, 4, 8, 7, 0), 31), // ALLE2
            _ => asm::sys(name(1, 6, 8, 7, 0), 31),      // ALLE3
        };
        self.push(&[invalidate, asm::DSB, asm::ISB]);
    }

    /// Switches to the one or the other address space.
    fn other_space(&mut self) {
        let table = self.rng.pick(&[TABLES | 1 << 48, OTHER_TABLES | 2 << 48]);
        self.mov(SCRATCH, table);
        self.push(&[asm::msr(asm::TTBR0_EL1, SCRATCH), asm::ISB]);
    }

    /// A device access: one that is posted, one that raises an interrupt, one that ends the slice, any.
    fn device(&mut self) {
        let register = self.rng.pick(&[DEVICE_LINES, DEVICE_POSTED, DEVICE_STOP, 0, 8]);
        let (rt, size) = (self.rng.below(16) as u32, self.rng.pick(&[2u32, 2, 3, 0]));
        let index = ((register >> size) as u32) << 10;
        match self.rng.below(8) {
            0..=3 => self.push(&[size << 30 | 0x3940_0000 | index | DEVICE_BASE << 5 | rt]),
            4 => self.push(&[0xa900_0000 | ((rt + 1) & 15) << 10 | DEVICE_BASE << 5 | rt]),
            5 if register == DEVICE_LINES => {
                let lines = 1 + self.rng.below(2);
                self.push(&[asm::movz(SCRATCH, lines, 0), asm::str_w(SCRATCH, DEVICE_BASE, (DEVICE_LINES / 4) as u32)]);
            }
            _ => self.push(&[size << 30 | 0x3900_0000 | index | DEVICE_BASE << 5 | rt]),
        }
    }

    /// SVC, HVC, SMC or BRK.
    fn call(&mut self) {
        let word = self.rng.pick(&[0xd400_0001, 0xd400_0001, 0xd400_0002, 0xd400_0003, asm::BRK]);
        let comment = self.rng.below(0x1_0000) as u32;
        self.push(&[word | comment << 5]);
    }

    /// The stack pointer moves, perhaps to where it must not be, and is used.
    fn stack(&mut self) {
        let amount = self.rng.pick(&[16, 32, 8, 4]);
        let up = self.rng.one_in(2);
        self.push(&[if up { asm::add(31, 31, amount) } else { asm::sub(31, 31, amount) }]);
        let rt = self.rng.below(16) as u32;
        let word = self.rng.pick(&[asm::ldr(rt, 31, 1), asm::str(rt, 31, 0), 0xa9bf_07e0, 0xa8c1_07e0, asm::add(rt, 31, 8)]);
        self.push(&[word]);
        self.push(&[if up { asm::sub(31, 31, amount) } else { asm::add(31, 31, amount) }]);
    }

    /// Returns to the next item, to this level.
    fn exception_return(&mut self) {
        let mode = u64::from(self.el) << 2 | self.rng.below(2);
        let spsr = mode | self.rng.below(16) << 28 | self.rng.pick(&[0, 2, 0xf]) << 6;
        self.mov(SCRATCH, spsr);
        self.push(&[asm::msr(asm::spsr(self.el), SCRATCH)]);
        self.push(&[asm::adr(SCRATCH, 3), asm::msr(asm::elr(self.el), SCRATCH), asm::ERET]);
    }

    /// Counters are read, timers are set.
    fn time(&mut self) {
        let rt = self.rng.below(16) as u32;
        let word = match self.rng.below(6) {
            0 => asm::mrs(name(3, 3, 14, 0, 1), rt),
            1 => asm::mrs(name(3, 3, 14, 0, 2), rt),
            2 => asm::mrs(scenario::PMCCNTR, rt),
            3 => asm::mrs(scenario::PMEVCNTR0, rt),
            4 => {
                let ticks = self.rng.below(2000);
                self.push(&[asm::movz(SCRATCH, ticks, 0), asm::msr(name(3, 3, 14, 3, 0), SCRATCH)]);
                self.push(&[asm::movz(SCRATCH, 1, 0)]);
                asm::msr(name(3, 3, 14, 3, 1), SCRATCH)
            }
            _ => asm::mrs(name(3, 3, 14, 3, 0), rt),
        };
        self.push(&[word]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;
    use tayberry_a64::decode;

    #[test]
    fn a_seed_gives_the_same_programs() {
        let programs = Programs::new(Features::default());
        for index in [0, 1, 77] {
            assert_eq!(programs.scenario(3, index), programs.scenario(3, index));
            assert_ne!(programs.scenario(3, index), programs.scenario(4, index));
        }
    }

    #[test]
    fn programs_have_what_they_are_meant_to_have() {
        let programs = Programs::new(Features::default());
        let mut seen = HashSet::new();
        for index in 0..3000 {
            let scenario = programs.scenario(1, index);
            assert!(scenario.at + 4 * scenario.words.len() as u64 <= CODE + CODE_PAGES * PAGE);
            seen.extend(scenario.words.iter().map(|&word| decode::decode(word).name));
        }
        for row in decode::rows().filter(|row| decode::decode(row.bits).name == row.name) {
            assert!(row.name == "DRPS" || seen.contains(row.name), "{}", row.name);
        }
    }
}
