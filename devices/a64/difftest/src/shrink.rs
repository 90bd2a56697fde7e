//! From a mismatch to the simplest case that shows it.

use crate::case::{Case, End, Machine, Memory, Outcome, Stepper};
use crate::compare::{self, Verdict};
use crate::exceptions::Rule;

/// NOP.
const NOP: u32 = 0xd503_201f;

/// Instructions of a program that are looked at one by one.
const STEPS: u64 = 100;

/// The two machines and what came out of them last.
pub struct Pair<'a> {
    /// The core under test.
    pub ours: &'a mut dyn Stepper,
    /// What it is compared with.
    pub oracle: &'a mut dyn Machine,
    /// What came out of ours.
    pub mine: Outcome,
    /// What came out of the oracle.
    pub theirs: Outcome,
}

/// What became of a case.
#[derive(Debug)]
pub enum Found {
    /// Everything is equal.
    Same,
    /// It did not end on one side at least, and its instructions agree.
    Endless,
    /// They differ for a known reason that is not our error.
    Excused(&'static Rule),
    /// They differ: a case of one instruction where there is one, else the program.
    Mismatch(Box<Case>),
}

impl<'a> Pair<'a> {
    /// Two machines.
    pub fn new(ours: &'a mut dyn Stepper, oracle: &'a mut dyn Machine) -> Self {
        Self { ours, oracle, mine: Outcome::default(), theirs: Outcome::default() }
    }

    /// Runs a case on both.
    pub fn verdict(&mut self, case: &Case) -> Verdict {
        self.ours.run(case, &mut self.mine);
        self.oracle.run(case, &mut self.theirs);
        compare::verdict(case, &self.mine, &self.theirs)
    }

    fn differs(&mut self, case: &Case) -> bool {
        matches!(self.verdict(case), Verdict::Mismatch)
    }

    /// Runs a case on both and, if it is a program whose outcomes differ, finds the instruction.
    pub fn check(&mut self, case: &Case) -> Found {
        match self.verdict(case) {
            Verdict::Same => Found::Same,
            Verdict::Excused(rule) => Found::Excused(rule),
            Verdict::Mismatch if case.words.len() == 1 => Found::Mismatch(Box::new(case.clone())),
            Verdict::Mismatch => self.isolate(case),
        }
    }

    /// A mismatch is there again. What is not has jumped into code of other cases, which happened to be there.
    pub fn repeats(&mut self, case: &Case) -> bool {
        !matches!(self.check(case), Found::Same | Found::Endless)
    }

    /// The first instruction of a program that differs on its own.
    fn isolate(&mut self, program: &Case) -> Found {
        let endless = self.mine.end == End::Endless || self.theirs.end == End::Endless;
        // More than its words: it may go back by a register.
        for n in 0..=STEPS {
            let Some(single) = self.ours.after(program, n) else { break };
            match self.verdict(&single) {
                Verdict::Same => {}
                // What follows starts from different states.
                Verdict::Excused(rule) => return Found::Excused(rule),
                Verdict::Mismatch => return Found::Mismatch(Box::new(single)),
            }
        }
        if endless { Found::Endless } else { Found::Mismatch(Box::new(program.clone())) }
    }

    /// The simplest case like `case` that still differs.
    pub fn shrink(&mut self, case: &Case) -> Case {
        let mut best = case.clone();
        loop {
            let before = best.clone();
            self.shrink_words(&mut best);
            self.attempt(&mut best, |case| case.memory = Memory::Zero);
            self.attempt(&mut best, |case| case.big_endian = false);
            self.shrink_memory(&mut best);
            self.attempt(&mut best, |case| case.state.fpsr = 0);
            self.attempt(&mut best, |case| case.state.nzcv = 0);
            self.attempt(&mut best, |case| case.state.tpidr = 0);
            self.attempt(&mut best, |case| case.state.sp = 0);
            for bit in 0..32 {
                self.attempt(&mut best, |case| case.state.fpcr &= !(1 << bit));
            }
            for n in 0..31 {
                self.attempt(&mut best, |case| case.state.x[n] = 0);
                self.shrink_value(&mut best, 64, |case| &mut case.state.x[n]);
            }
            for n in 0..32 {
                self.attempt(&mut best, |case| case.state.v[n] = 0);
                for width in [64, 32, 16, 8] {
                    for lane in 0..128 / width {
                        self.attempt(&mut best, |case| case.state.v[n] &= !((u128::MAX >> (128 - width)) << (lane * width)));
                    }
                }
            }
            if best == before {
                return best;
            }
        }
    }

    fn attempt(&mut self, best: &mut Case, change: impl FnOnce(&mut Case)) {
        let mut simpler = best.clone();
        change(&mut simpler);
        if simpler != *best && self.differs(&simpler) {
            *best = simpler;
        }
    }

    fn shrink_words(&mut self, best: &mut Case) {
        if best.words.len() == 1 {
            return;
        }
        for n in 0..best.words.len() {
            self.attempt(best, |case| case.words[n] = NOP);
        }
        while best.words.len() > 1 && best.words.last() == Some(&NOP) {
            let len = best.words.len();
            self.attempt(best, |case| {
                case.words.pop();
            });
            if best.words.len() == len {
                break;
            }
        }
    }

    fn shrink_memory(&mut self, best: &mut Case) {
        let Memory::Words(words) = &best.memory else { return };
        let mut len = words.len() / 2;
        // Halves, then quarters, and so on.
        while len > 0 {
            for start in (0..1024).step_by(len) {
                self.attempt(best, |case| {
                    if let Memory::Words(words) = &mut case.memory {
                        words[start..start + len].fill(0);
                    }
                });
            }
            len /= 8;
        }
    }

    fn shrink_value(&mut self, best: &mut Case, bits: u32, value: impl Fn(&mut Case) -> &mut u64) {
        let mut half = bits / 2;
        while half >= 8 {
            self.attempt(best, |case| *value(case) &= u64::MAX >> (64 - half));
            self.attempt(best, |case| *value(case) &= u64::MAX << half);
            half /= 2;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::case::State;
    use crate::generate::Generator;
    use crate::layout;
    use crate::ours::Ours;
    use tayberry_a64::Features;

    /// A core whose ADD (shifted register) of 64 bits forgets the carry into bit 32 when V is set.
    struct Wrong(Ours);

    impl Wrong {
        fn spoil(case: &Case, out: &mut Outcome) {
            for &word in &case.words {
                let (rd, rn, rm) = (word & 31, word >> 5 & 31, word >> 16 & 31);
                if word & 0xffe0_fc00 == 0x8b00_0000 && rd != 31 && rn != 31 && rm != 31 && case.state.nzcv >> 28 & 1 == 1 {
                    let sum = (case.state.x[rn as usize] as u32).overflowing_add(case.state.x[rm as usize] as u32);
                    out.state.x[rd as usize] = out.state.x[rd as usize].wrapping_sub(u64::from(sum.1) << 32);
                }
            }
        }
    }

    impl Machine for Wrong {
        fn run(&mut self, case: &Case, out: &mut Outcome) {
            self.0.run(case, out);
            Self::spoil(case, out);
        }
    }

    impl Stepper for Wrong {
        fn after(&mut self, case: &Case, n: u64) -> Option<Case> {
            self.0.after(case, n)
        }
    }

    #[test]
    fn a_machine_agrees_with_itself() {
        let (mut one, mut two) = (Ours::default(), Ours::default());
        let mut pair = Pair::new(&mut one, &mut two);
        let generator = Generator::new(None, Features::default());
        for index in 0..5000 {
            let case = generator.case(5, index);
            assert!(matches!(pair.check(&case), Found::Same), "case {index}");
        }
    }

    #[test]
    fn a_seeded_error_is_found_and_shrunk_to_its_cause() {
        let (mut wrong, mut right) = (Wrong(Ours::default()), Ours::default());
        let mut pair = Pair::new(&mut wrong, &mut right);
        let generator = Generator::new(Some("add/subtract, shifted"), Features::default());
        let found = (0..200_000).find_map(|index| match pair.check(&generator.case(5, index)) {
            Found::Mismatch(case) => Some(case),
            _ => None,
        });
        let small = pair.shrink(&found.expect("a mismatch"));
        assert_eq!(small.words.len(), 1);
        assert_eq!(small.words[0] & 0xffe0_fc00, 0x8b00_0000);
        assert_eq!((small.memory.clone(), small.state.nzcv >> 28 & 1), (Memory::Zero, 1));
        assert!(small.state.v.iter().all(|&v| v == 0) && small.state.fpcr == 0 && small.state.sp == 0);
        assert!(small.state.x.iter().filter(|&&x| x != 0).count() <= 2, "only the operands are left: {small:?}");
    }

    #[test]
    fn the_instruction_of_a_program_is_isolated() {
        let (mut wrong, mut right) = (Wrong(Ours::default()), Ours::default());
        let mut pair = Pair::new(&mut wrong, &mut right);
        let mut state = State { nzcv: 1 << 28, ..State::default() };
        state.x[1] = 0xffff_ffff;
        state.x[2] = 1;
        // str x1, [x3] ; add x0, x1, x2 ; ldr x4, [x3]
        state.x[3] = layout::WINDOW;
        let case = Case {
            pc: layout::slot(7),
            words: vec![0xf900_0061, 0x8b02_0020, 0xf940_0064],
            state,
            memory: Memory::Zero,
            big_endian: false,
        };
        let Found::Mismatch(single) = pair.check(&case) else { panic!("differs") };
        assert_eq!((single.words.as_slice(), single.pc), ([0x8b02_0020].as_slice(), layout::slot(7) + 4));
        assert_eq!(single.state.x[3], layout::WINDOW);
    }
}
