//! The table of a run, and the description of a mismatch.

use crate::case::{Case, Memory, Outcome};
use crate::compare;
use crate::encoding;
use crate::exceptions::{Kind, Rule};
use crate::layout;
use std::collections::BTreeMap;
use std::fmt;
use std::process::Command;
use tayberry_a64::decode;

/// What became of the cases of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases that were made.
    pub cases: u64,
    /// Cases that agreed in everything and ran to the end of their code.
    pub completed: u64,
    /// Cases that agreed in everything and ended in another exception.
    pub exceptions: u64,
    /// Cases with a difference where the architecture leaves a choice.
    pub choices: u64,
    /// Cases with a difference that is the oracle's error.
    pub oracle_errors: u64,
    /// Cases that were not compared, because they do not end, or met the code of other cases.
    pub skipped: u64,
    /// Cases with a difference that nothing explains.
    pub mismatches: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.cases += other.cases;
        self.completed += other.completed;
        self.exceptions += other.exceptions;
        self.choices += other.choices;
        self.oracle_errors += other.oracle_errors;
        self.skipped += other.skipped;
        self.mismatches += other.mismatches;
    }
}

/// All counts of a run.
#[derive(Clone, Debug)]
pub struct Tally {
    /// By class of [`encoding`].
    pub classes: Vec<Counts>,
    /// How often each rule was needed, by what it says.
    pub rules: BTreeMap<(&'static str, &'static str), u64>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { classes: vec![Counts::default(); encoding::count()], rules: BTreeMap::new() }
    }
}

impl Tally {
    /// Counts a difference that a rule covers.
    pub fn excuse(&mut self, class: usize, rule: &Rule) {
        match rule.kind {
            Kind::OracleError => self.classes[class].oracle_errors += 1,
            Kind::Choice => self.classes[class].choices += 1,
        }
        *self.rules.entry((rule.section, rule.what)).or_default() += 1;
    }

    /// Adds what another thread counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes) {
            mine.add(theirs);
        }
        for (rule, count) in &other.rules {
            *self.rules.entry(*rule).or_default() += count;
        }
    }

    /// The sum of all classes.
    pub fn total(&self) -> Counts {
        self.classes.iter().fold(Counts::default(), |mut sum, class| {
            sum.add(class);
            sum
        })
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "| class | cases | ran to the end | exceptions agreed | left open | oracle's error | skipped (endless, or into other cases' code) | mismatches |"
        )?;
        writeln!(f, "| --- | --- | --- | --- | --- | --- | --- | --- |")?;
        let mut line = |name: &str, c: &Counts| {
            writeln!(
                f,
                "| {name} | {} | {} | {} | {} | {} | {} | {} |",
                c.cases, c.completed, c.exceptions, c.choices, c.oracle_errors, c.skipped, c.mismatches
            )
        };
        for (class, counts) in self.classes.iter().enumerate().filter(|(_, counts)| counts.cases > 0) {
            line(encoding::name(class), counts)?;
        }
        line("all", &self.total())?;
        if !self.rules.is_empty() {
            writeln!(f, "\nDifferences that are not errors of the core:")?;
        }
        for ((section, what), count) in &self.rules {
            writeln!(f, "{count:>9}  {what} ({section})")?;
        }
        Ok(())
    }
}

/// The instruction in words: objdump's, if there is one for AArch64, else the decoder's name.
pub fn disassembly(word: u32) -> String {
    let name = decode::decode(word).name;
    let text = objdump(word).unwrap_or_default();
    format!("{word:#010x}  {text}  [{}; {}]", if name.is_empty() { "no row" } else { name }, encoding::name(encoding::class_of(word)))
}

fn objdump(word: u32) -> Option<String> {
    let path = std::env::temp_dir().join(format!("tayberry-difftest-{}-{word:08x}.bin", std::process::id()));
    std::fs::write(&path, word.to_le_bytes()).ok()?;
    let output = Command::new("aarch64-linux-gnu-objdump").args(["-D", "-b", "binary", "-m", "aarch64"]).arg(&path).output();
    // Best effort: a file that stays is in the directory of temporary files.
    let _ = std::fs::remove_file(&path);
    let text = String::from_utf8(output.ok()?.stdout).ok()?;
    let line = text.lines().find(|line| line.trim_start().starts_with("0:"))?;
    Some(line.split('\t').skip(2).collect::<Vec<_>>().join(" ").trim().to_owned())
}

/// A mismatch in words.
pub fn mismatch(seed: u64, index: u64, original: &Case, small: &Case, ours: &Outcome, oracle: &Outcome) -> String {
    let mut out = format!("MISMATCH in case {index} of seed {seed} ({} instructions)\n", original.words.len());
    for (at, &word) in (small.pc..).step_by(4).zip(&small.words) {
        out += &format!("  {at:#x}: {}\n", disassembly(word));
    }
    let state = &small.state;
    let mut from = vec![];
    from.extend(state.x.iter().enumerate().filter(|(_, x)| **x != 0).map(|(n, x)| format!("x{n}={x:#x}")));
    from.extend((state.sp != 0).then(|| format!("sp={:#x}", state.sp)));
    from.extend((state.nzcv != 0).then(|| format!("nzcv={:#x}", state.nzcv)));
    from.extend(state.v.iter().enumerate().filter(|(_, v)| **v != 0).map(|(n, v)| format!("v{n}={v:#034x}")));
    from.extend((state.fpcr != 0).then(|| format!("fpcr={:#x}", state.fpcr)));
    from.extend((state.fpsr != 0).then(|| format!("fpsr={:#x}", state.fpsr)));
    from.extend((state.tpidr != 0).then(|| format!("tpidr={:#x}", state.tpidr)));
    from.extend(small.big_endian.then(|| "big-endian data".to_owned()));
    match &small.memory {
        Memory::Zero => {}
        Memory::Random(seed) => from.push(format!("window of seed {seed:#x}")),
        Memory::Words(words) => {
            let set = (layout::WINDOW..).step_by(8).zip(words.iter()).filter(|(_, word)| **word != 0).take(8);
            from.extend(set.map(|(at, word)| format!("[{at:#x}]={word:#x}")));
        }
    }
    out += &format!("  from: {}\n  ours | oracle:\n", if from.is_empty() { "zero".into() } else { from.join(" ") });
    for line in compare::differences(ours, oracle) {
        out += &format!("    {line}\n");
    }
    out += &format!("  again: tayberry-difftest --seed {seed} --case {index}\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tallies_add_up() {
        let mut one = Tally::default();
        one.classes[3].cases = 5;
        one.classes[3].mismatches = 1;
        let mut two = one.clone();
        two.classes[4].cases = 2;
        two.add(&one);
        assert_eq!((two.total().cases, two.total().mismatches), (12, 2));
        let text = two.to_string();
        assert!(text.contains("| all | 12 |"), "{text}");
    }
}
