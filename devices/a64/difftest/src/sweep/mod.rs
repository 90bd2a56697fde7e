//! Whether the decoder knows exactly the words that ARMv8.0-A allocates, asked of LLVM for all 2^32 of them.
//!
//! LLVM's disassembler is made from its own description of the instruction set and knows which extension each instruction belongs to, so
//! that what later versions allocate (LSE, FP16, RDM, RCpc, pointer authentication, SVE, ...) is unallocated for it too. MRS and MSR (register), SYS and
//! SYSL are allocated as encodings on both sides, whatever they name: that a register does not exist is found when they are executed.

pub mod llvm;
pub mod rules;

use crate::encoding;
use llvm::Llvm;
use rules::RULES;
use std::fmt;
use tayberry_a64::{Features, decode};

/// Odd, so that multiplying by it goes through all words; near 2^32 over the golden ratio, so that the first n of them are spread evenly.
const SPREAD: u32 = 0x9E37_79B1;
/// Words with a disagreement that no rule covers, kept to be shown.
const KEPT: usize = 64;

/// How many words are allocated on which side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sides {
    /// Allocated for both.
    pub both: u64,
    /// Unallocated for both.
    pub neither: u64,
    /// Allocated for our decoder alone.
    pub ours: u64,
    /// Allocated for LLVM alone.
    pub llvm: u64,
}

impl Sides {
    fn count(&mut self, ours: bool, llvm: bool) {
        match (ours, llvm) {
            (true, true) => self.both += 1,
            (false, false) => self.neither += 1,
            (true, false) => self.ours += 1,
            (false, true) => self.llvm += 1,
        }
    }

    fn add(&mut self, other: &Self) {
        self.both += other.both;
        self.neither += other.neither;
        self.ours += other.ours;
        self.llvm += other.llvm;
    }
}

/// What came out of a sweep.
#[derive(Clone, Debug)]
pub struct Tally {
    /// By class of [`encoding`].
    pub classes: Vec<Sides>,
    /// By row of the decoder's tables; the last are words that no row knows.
    pub rows: Vec<Sides>,
    /// Disagreements by rule.
    pub rules: Vec<u64>,
    /// Disagreements that no rule covers.
    pub unexplained: u64,
    /// Some of them: the word, whether it is ours that allocates it, and LLVM's name.
    pub examples: Vec<(u32, bool, String)>,
}

impl Default for Tally {
    fn default() -> Self {
        Self {
            classes: vec![Sides::default(); encoding::count()],
            rows: vec![Sides::default(); decode::rows().count() + 1],
            rules: vec![0; RULES.len()],
            unexplained: 0,
            examples: Vec::new(),
        }
    }
}

impl Tally {
    /// Asks both sides, of a core with `features`, for word number `i` of the order in which words are swept, for each `i`.
    pub fn sweep(&mut self, llvm: &Llvm, features: Features, numbers: std::ops::Range<u64>) {
        let none = self.rows.len() - 1;
        for i in numbers {
            let word = (i as u32).wrapping_mul(SPREAD);
            let ours = decode::decode_with(word, features);
            let opcode = llvm.decode(word);
            let class = encoding::class_of(word);
            self.classes[class].count(ours.allocated, opcode.is_some());
            self.rows[usize::from(ours.op.row).min(none)].count(ours.allocated, opcode.is_some());
            if ours.allocated != opcode.is_some() {
                self.disagree(llvm, word, ours.allocated, opcode);
            }
        }
    }

    #[cold]
    fn disagree(&mut self, llvm: &Llvm, word: u32, ours: bool, opcode: Option<u32>) {
        match rules::covering(word, ours) {
            Some(rule) => self.rules[rule] += 1,
            None => {
                self.unexplained += 1;
                if self.examples.len() < KEPT {
                    self.examples.push((word, ours, opcode.map(|opcode| llvm.name(opcode)).unwrap_or_default()));
                }
            }
        }
    }

    /// Adds what another thread counted.
    pub fn add(&mut self, other: &Self) {
        for (mine, theirs) in self.classes.iter_mut().zip(&other.classes).chain(self.rows.iter_mut().zip(&other.rows)) {
            mine.add(theirs);
        }
        for (mine, theirs) in self.rules.iter_mut().zip(&other.rules) {
            *mine += theirs;
        }
        self.unexplained += other.unexplained;
        self.examples.extend(other.examples.iter().take(KEPT - self.examples.len().min(KEPT)).cloned());
    }

    /// The sum of all classes.
    pub fn total(&self) -> Sides {
        self.classes.iter().fold(Sides::default(), |mut sum, class| {
            sum.add(class);
            sum
        })
    }

    /// The rules whose number of words in a sweep of all 2^32 is not what they say.
    pub fn miscounted(&self) -> Vec<String> {
        let all = RULES.iter().zip(&self.rules);
        all.filter(|(rule, count)| rule.words != **count)
            .map(|(rule, count)| format!("{}: {count} words, not {}", rule.what, rule.words))
            .collect()
    }

    /// A line for each row of the decoder's tables.
    pub fn by_row(&self) -> String {
        let mut lines: Vec<_> = (self.rows.iter().enumerate())
            .filter(|(_, sides)| **sides != Sides::default())
            .map(|(row, sides)| line(u16::try_from(row).map_or("", decode::name), sides))
            .collect();
        lines.sort();
        HEADER.to_owned() + &lines.concat()
    }
}

const HEADER: &str = "| words | allocated in both | in neither | only in ours | only in LLVM |\n| --- | --- | --- | --- | --- |\n";

fn line(name: &str, sides: &Sides) -> String {
    format!("| {name} | {} | {} | {} | {} |\n", sides.both, sides.neither, sides.ours, sides.llvm)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{HEADER}")?;
        for (class, sides) in self.classes.iter().enumerate().filter(|(_, sides)| **sides != Sides::default()) {
            write!(f, "{}", line(encoding::name(class), sides))?;
        }
        write!(f, "{}", line("all", &self.total()))?;
        writeln!(f, "\nDisagreements that are not errors of the decoder:")?;
        for (rule, count) in RULES.iter().zip(&self.rules).filter(|(_, count)| **count > 0) {
            writeln!(f, "{count:>9}  {} ({})", rule.what, rule.section)?;
        }
        for (word, ours, name) in &self.examples {
            let side = if *ours { "only in ours" } else { "only in LLVM" };
            let row = decode::decode(*word).name;
            writeln!(f, "UNEXPLAINED: {word:#010x} {side}: [{}; row {row}; LLVM {name}]", encoding::name(encoding::class_of(*word)))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_later_versions_allocate_is_unallocated() {
        let llvm = Llvm::new(Features::default());
        for (word, what) in [
            (0x38bf_c000u32, "LDAPRB"),
            (0x88a0_7c00, "CAS"),
            (0xb820_0000, "LDADD"),
            (0x7e42_8420, "SQRDMLAH"),
            (0x2e40_e400, "FCADD"),
            (0x1ee2_2820, "FADD of half precision"),
            (0x4e28_4800, "AESE"),
            (0x5e00_4000, "SHA1SU0 and the like"),
            (0x0ee0_e000, "PMULL of doublewords"),
            (0xdac1_0000, "PACIA"),
            (0x0420_0000, "SVE ADD"),
            (0x4e40_1400, "FADD of half precision lanes"),
        ] {
            assert_eq!((decode::decode(word).allocated, llvm.decode(word)), (false, None), "{what} {word:#010x}");
        }
    }

    #[test]
    fn what_v8_0_has_is_allocated() {
        let llvm = Llvm::new(Features::default());
        for word in [0x9ac0_4c00u32, 0x1e22_2820, 0x4e22_d420, 0xd503_233f, 0x1ac0_4000, 0xd69f_03e0, 0xd400_0003, 0xd4a0_0001] {
            assert!(decode::decode(word).allocated && llvm.decode(word).is_some(), "{word:#010x}");
        }
    }

    #[test]
    fn a_short_sweep_finds_nothing() {
        let mut tally = Tally::default();
        tally.sweep(&Llvm::new(Features::default()), Features::default(), 0..1 << 20);
        assert_eq!(tally.unexplained, 0, "{tally}");
        let total = tally.total();
        assert_eq!(total.both + total.neither + total.ours + total.llvm, 1 << 20);
        assert!(total.both > 1 << 18 && total.neither > 1 << 18);
    }
}
