//! Many scenarios.

use super::fuzz::Fuzz;
use super::machine::{Build, Difference, Pair};
use super::program::Programs;
use super::report;
use super::scenario::Scenario;
use super::shrink::{counts, shrink};
use std::ops::Range;
use tayberry_a64::Features;

/// Scenarios that share a pair.
pub const BATCH: u64 = 64;

/// What scenarios are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Programs.
    Programs,
    /// Random words.
    Fuzz,
}

/// Makes scenarios by their number: which extensions a core has, and how its translator is configured, depends on the batch.
pub struct Source {
    seed: u64,
    kind: Kind,
    programs: [Programs; 2],
    fuzz: [Fuzz; 2],
    /// Replaces [`Build::varied`].
    pub build: fn(u64) -> Build,
}

/// What came of a range of scenarios.
#[derive(Clone, Debug, Default)]
pub struct Summary {
    /// Scenarios.
    pub cases: u64,
    /// Instructions retired, by each of the two.
    pub retired: u64,
    /// Of these, by translated code.
    pub jitted: u64,
    /// Scenarios whose code changed itself without barriers, and differed after it.
    pub racy: u64,
    /// Differences, in words.
    pub found: Vec<String>,
    /// Scenarios that differed.
    pub mismatches: u64,
}

impl Summary {
    /// Adds what another thread found.
    pub fn add(&mut self, other: Self) {
        self.cases += other.cases;
        self.retired += other.retired;
        self.jitted += other.jitted;
        self.racy += other.racy;
        self.mismatches += other.mismatches;
        self.found.extend(other.found);
    }
}

impl Source {
    /// All that follow from a seed.
    pub fn new(kind: Kind, seed: u64) -> Self {
        let features = [Features::default(), Features { crypto: true }];
        Self { seed, kind, programs: features.map(Programs::new), fuzz: features.map(Fuzz::new), build: Build::varied }
    }

    /// The pair of a batch.
    pub fn build(&self, index: u64) -> Build {
        (self.build)(index / BATCH)
    }

    /// Scenario `index`.
    pub fn scenario(&self, index: u64) -> Scenario {
        let which = usize::from(self.build(index).features.crypto);
        match self.kind {
            Kind::Programs => self.programs[which].scenario(self.seed, index),
            Kind::Fuzz => self.fuzz[which].scenario(self.seed, index),
        }
    }

    /// Runs a range; shrinks and describes the first `show` differences. Where it begins, a batch begins.
    pub fn run(&self, range: Range<u64>, show: u64) -> Summary {
        let mut summary = Summary::default();
        let mut start = range.start;
        while start < range.end {
            // To the end of the batch, but for those that follow a difference: they get a pair of their own.
            let end = (start / BATCH * BATCH + BATCH).min(range.end);
            start = self.run_batch(start..end, show, &mut summary);
        }
        summary
    }

    /// Runs scenarios on one pair up to the first difference. The number of the next one.
    fn run_batch(&self, range: Range<u64>, show: u64, summary: &mut Summary) -> u64 {
        let mut pair = Pair::new(&self.build(range.start));
        for index in range.clone() {
            let scenario = self.scenario(index);
            summary.cases += 1;
            match pair.run(&scenario) {
                Ok(agreed) => {
                    summary.retired += agreed.retired;
                    summary.jitted += agreed.jitted;
                }
                Err(difference) if !counts(&scenario, &difference) => {
                    summary.racy += 1;
                    return index + 1;
                }
                Err(difference) => {
                    summary.mismatches += 1;
                    if summary.found.len() < show as usize {
                        summary.found.push(self.describe(range.start, index, &scenario, &difference));
                    }
                    return index + 1;
                }
            }
        }
        // Racy stores may have left something else; whoever runs into it is told of.
        if self.kind == Kind::Programs && !pair.same_memory() {
            summary.mismatches += 1;
            summary.found.push(format!("MISMATCH in memory after cases {} to {} of seed {}\n", range.start, range.end - 1, self.seed));
        }
        range.end
    }

    /// A difference, made small.
    fn describe(&self, first: u64, index: u64, scenario: &Scenario, difference: &Difference) -> String {
        let option = if self.kind == Kind::Fuzz { " --fuzz" } else { "" };
        let title = |what: &str| format!("MISMATCH in case {index} of seed {}{what}\n", self.seed);
        let again = format!("  again: tayberry-lockstep{option} --seed {} --case {index}", self.seed);
        let build = self.build(index);
        let jit = format!("  translator: {:?}\n", build.jit);
        if let Some((small, difference)) = shrink(&build, scenario) {
            return format!("{}{}{jit}{again}\n", title(""), report::words(&small, &difference));
        }
        // It takes what came before. The shortest such history is worth knowing.
        let history = (first..index).rev().find(|&from| self.differs_after(from, index));
        let from = history.unwrap_or(first);
        let what = format!(", only after those from {from} on");
        format!("{}{}{jit}{again} --from {from}\n", title(&what), report::words(scenario, difference))
    }

    /// Scenario `index` differs on a pair that has run those from `from` on.
    fn differs_after(&self, from: u64, index: u64) -> bool {
        let mut pair = Pair::new(&self.build(index));
        (from..=index).any(|at| pair.run(&self.scenario(at)).is_err())
    }

    /// Runs one scenario, after those from `from` on, and describes it whether it differs or not.
    pub fn one(&self, from: u64, index: u64) -> (String, bool) {
        let mut pair = Pair::new(&self.build(index));
        for before in from..index {
            if pair.run(&self.scenario(before)).is_err() {
                return (format!("case {before} differs already\n"), true);
            }
        }
        let scenario = self.scenario(index);
        match pair.run(&scenario) {
            Ok(agreed) => {
                let none = Difference { step: None, retired: (0, agreed.retired), lines: vec!["they agree".into()], code_written: false };
                (report::words(&scenario, &none), false)
            }
            Err(difference) if !counts(&scenario, &difference) => (report::words(&scenario, &difference) + "  (racy code)\n", false),
            Err(difference) => {
                let whole = report::words(&scenario, &difference);
                (whole + "\n" + &self.describe(from, index, &scenario, &difference), true)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lockstep::asm;
    use tayberry_a64::{Core, JitConfig};

    fn interpreters(spoil: fn(&mut Core)) -> Build {
        Build { features: Features::default(), jit: None, spoil }
    }

    #[test]
    fn programs_agree() {
        let source = Source::new(Kind::Programs, 2837);
        let summary = source.run(0..2000, 3);
        assert!(summary.mismatches == 0, "{}", summary.found.join("\n"));
        assert!(summary.retired > 2_000_000, "{summary:?}");
        // Where the host can translate, it did.
        assert!(tayberry_a64::jit::available().is_err() || summary.jitted > summary.retired / 4, "{summary:?}");
    }

    #[test]
    fn random_words_agree() {
        let source = Source::new(Kind::Fuzz, 2837);
        let summary = source.run(0..6000, 3);
        assert!(summary.mismatches == 0, "{}", summary.found.join("\n"));
        assert!(summary.retired > 1_000_000 && summary.racy < 600, "{summary:?}");
        assert!(tayberry_a64::jit::available().is_err() || summary.jitted > summary.retired / 10, "{summary:?}");
    }

    #[test]
    fn two_interpreters_are_the_same() {
        for kind in [Kind::Programs, Kind::Fuzz] {
            let source = Source { build: |_| interpreters(|_| {}), ..Source::new(kind, 5) };
            let summary = source.run(0..1500, 3);
            assert!(summary.mismatches == 0 && summary.racy == 0, "{summary:?}");
        }
    }

    /// One bit of one register, when the program has come to odd addresses.
    fn forgets_a_register(core: &mut Core) {
        if core.x[3] & 0xff == 0x7f {
            core.x[4] ^= 1 << 40;
        }
    }

    #[test]
    fn a_planted_error_is_found_and_shrunk() {
        let source = Source { build: |_| interpreters(forgets_a_register), ..Source::new(Kind::Programs, 5) };
        let index = (0..500).find(|&index| Pair::new(&source.build(0)).run(&source.scenario(index)).is_err()).expect("one differs");
        let (small, difference) = shrink(&source.build(0), &source.scenario(index)).expect("it differs");
        assert!(small.words.iter().filter(|&&word| word != asm::NOP).count() <= 4, "{small:?}");
        assert!(small.budget() <= 60, "{small:?}");
        assert!(difference.lines[0].starts_with("X 4") && difference.lines.len() == 1, "{difference:?}");
        let summary = source.run(index..index + 1, 1);
        assert!(summary.mismatches == 1 && summary.found[0].contains("X 4"), "{summary:?}");
    }

    /// What differs in a plan of one program, when the second core is spoiled.
    fn first_difference(spoil: fn(&mut Core)) -> String {
        let source = Source { build: |_| interpreters(|_| {}), ..Source::new(Kind::Programs, 1) };
        let build = interpreters(spoil);
        let difference = (0..50).find_map(|index| Pair::new(&build).run(&source.scenario(index)).err()).expect("one differs");
        difference.lines.first().cloned().unwrap_or_default()
    }

    #[test]
    fn every_kind_of_state_is_looked_at() {
        use tayberry_a64::sysreg::Reg;
        for (spoil, name) in [
            ((|core| core.x[17] ^= 1) as fn(&mut Core), "X 17"),
            (|core| core.x[32] ^= 1, "SP_EL"),
            (|core| core.nzcv ^= 1 << 29, "NZCV"),
            (|core| core.daif ^= 4, "DAIF"),
            (|core| core.fp.v[31] ^= 1 << 127, "V.high 31"),
            (|core| core.fp.v[0] ^= 1, "V.low 0"),
            (|core| core.fp.fpsr ^= 1, "FPSR"),
            (|core| core.fp.fpcr ^= 1 << 22, "FPCR"),
            (|core| core.retired += 1, "retired"),
            (|core| core.event ^= true, "event"),
            (|core| core.sys[Reg::FAR_EL2] ^= 1, "FAR_EL2"),
            (|core| core.sys[Reg::ESR_EL1] ^= 1, "ESR_EL1"),
        ] {
            let line = first_difference(spoil);
            assert!(line.starts_with(name), "{name}: {line}");
        }
        let memory = first_difference(|core| _ = core.config().ram.write_u8(crate::layout::WINDOW + 9, 0x5b));
        assert!(memory.starts_with("[0x190008]"), "{memory}");
    }

    #[test]
    fn the_translators_of_batches_differ() {
        let jit = |batch| Build::varied(batch).jit.unwrap_or_else(JitConfig::default);
        let thresholds: Vec<_> = (0..3).map(|batch| jit(batch).threshold).collect();
        assert_eq!(thresholds, [0, 1, 2]);
        assert!((0..4).any(|batch| jit(batch).cache_bytes < 1 << 20));
    }
}
