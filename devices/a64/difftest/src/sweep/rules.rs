//! Where LLVM allocates other words than ARMv8.0-A does (ARM ARM DDI 0487, C4.1), with how many there are.

/// One kind of disagreement.
#[derive(Debug)]
pub struct Rule {
    /// What it is.
    pub what: &'static str,
    /// Section of the ARM ARM that decides.
    pub section: &'static str,
    /// The words of it among all 2^32.
    pub words: u64,
    mask: u32,
    bits: u32,
    /// Our decoder allocates the words, LLVM does not; else the other way round.
    ours: bool,
}

/// All rules; the first that fits counts.
pub static RULES: &[Rule] = &[
    Rule {
        what: "UDF is permanently Undefined: LLVM has a name for it, our decoder treats it as all that is unallocated",
        section: "C6.2, UDF",
        words: 1 << 16,
        mask: 0xffff_0000,
        bits: 0x0000_0000,
        ours: false,
    },
    Rule {
        what: "op0 = 0 has hints, barriers and MSR (immediate) of ARMv8.0 only; LLVM takes the rest as MSR and MRS of a register",
        section: "C4.1.3 and C5.1.2, System instruction class encoding overview",
        // All 2^20 but 128 hints, 64 barriers (CLREX, DSB, DMB, ISB) and 48 of MSR (immediate) (SPSel, DAIFSet, DAIFClr).
        words: (1 << 20) - 128 - 64 - 48,
        mask: 0xffd8_0000,
        bits: 0xd500_0000,
        ours: false,
    },
];

/// Index of the rule that covers a disagreement: `ours` says that our decoder allocates the word.
pub fn covering(word: u32, ours: bool) -> Option<usize> {
    RULES.iter().position(|rule| rule.ours == ours && (word ^ rule.bits) & rule.mask == 0)
}
