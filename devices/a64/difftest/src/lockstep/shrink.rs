//! The smallest scenario that still differs.

use super::asm::NOP;
use super::machine::{Build, Difference, Pair};
use super::scenario::{Scenario, Step};
use crate::case::Memory;

/// Attempts after which a scenario is small enough.
const ATTEMPTS: u32 = 6000;

/// Looks for smaller scenarios, each on a fresh pair.
struct Shrinker<'a> {
    build: &'a Build,
    best: Scenario,
    difference: Box<Difference>,
    attempts: u32,
}

/// Runs a scenario on a fresh pair.
pub fn difference(build: &Build, scenario: &Scenario) -> Option<Box<Difference>> {
    Pair::new(build).run(scenario).err()
}

/// A difference that counts: not one of code that was changed without barriers where the scenario allows that.
pub fn counts(scenario: &Scenario, difference: &Difference) -> bool {
    !(scenario.racy && difference.code_written)
}

/// The simplest scenario like `scenario` that differs, and how. `None` if it agrees on a fresh pair.
pub fn shrink(build: &Build, scenario: &Scenario) -> Option<(Scenario, Box<Difference>)> {
    let difference = difference(build, scenario).filter(|difference| counts(scenario, difference))?;
    let mut shrinker = Shrinker { build, best: scenario.clone(), difference, attempts: 0 };
    shrinker.cut();
    loop {
        let before = shrinker.best.clone();
        shrinker.plan();
        shrinker.words();
        shrinker.state();
        if shrinker.best == before || shrinker.attempts >= ATTEMPTS {
            return Some((shrinker.best, shrinker.difference));
        }
    }
}

impl Shrinker<'_> {
    fn attempt(&mut self, change: impl FnOnce(&mut Scenario)) -> bool {
        let mut simpler = self.best.clone();
        change(&mut simpler);
        if simpler == self.best || self.attempts >= ATTEMPTS {
            return false;
        }
        self.attempts += 1;
        match difference(self.build, &simpler) {
            Some(difference) if counts(&simpler, &difference) => {
                (self.best, self.difference) = (simpler, difference);
                self.cut();
                true
            }
            _ => false,
        }
    }

    /// What comes after the difference plays no part.
    fn cut(&mut self) {
        self.best.plan.truncate(self.difference.step.map_or(0, |step| step + 1));
    }

    fn plan(&mut self) {
        // All that came before as one run, or the whole.
        let (total, last) = (self.best.budget(), self.best.plan.len().saturating_sub(1));
        self.attempt(|scenario| scenario.plan = vec![Step::Run(total)]);
        self.attempt(|scenario| {
            let tail = scenario.plan.split_off(last.min(scenario.plan.len()));
            let before = scenario.budget();
            scenario.plan = vec![Step::Run(before)];
            scenario.plan.extend(tail);
        });
        let mut len = self.best.plan.len() / 2;
        while len > 0 {
            let mut at = 0;
            while at + len <= self.best.plan.len() {
                if !self.attempt(|scenario| _ = scenario.plan.drain(at..at + len)) {
                    at += len;
                }
            }
            len /= 2;
        }
        for at in 0..self.best.plan.len() {
            let mut cut = u64::MAX;
            while let Some(&Step::Run(budget)) = self.best.plan.get(at)
                && budget > 1
                && cut > 0
            {
                cut = cut.min(budget / 2);
                if !self.attempt(|scenario| scenario.plan[at] = Step::Run(budget - cut)) {
                    cut /= 2;
                }
            }
        }
    }

    fn words(&mut self) {
        let mut len = self.best.words.len() / 2;
        while len > 0 {
            for at in (0..self.best.words.len()).step_by(len) {
                let end = (at + len).min(self.best.words.len());
                self.attempt(|scenario| scenario.words[at..end].fill(NOP));
            }
            len /= 2;
        }
        while self.best.words.len() > 1 && self.attempt(|scenario| _ = scenario.words.pop()) {}
    }

    fn state(&mut self) {
        self.attempt(|scenario| scenario.system.clear());
        for at in (0..self.best.system.len()).rev() {
            self.attempt(|scenario| _ = scenario.system.remove(at));
        }
        self.attempt(|scenario| scenario.memory = Memory::Zero);
        self.attempt(|scenario| scenario.state.v = [0; 32]);
        self.attempt(|scenario| scenario.state.x = [0; 31]);
        self.attempt(|scenario| scenario.daif = 0xf);
        self.attempt(|scenario| scenario.state.fpcr = 0);
        self.attempt(|scenario| scenario.state.fpsr = 0);
        self.attempt(|scenario| scenario.state.nzcv = 0);
        self.attempt(|scenario| scenario.state.tpidr = 0);
        for n in 0..31 {
            self.attempt(|scenario| scenario.state.x[n] = 0);
        }
        for n in 0..32 {
            self.attempt(|scenario| scenario.state.v[n] = 0);
        }
    }
}
