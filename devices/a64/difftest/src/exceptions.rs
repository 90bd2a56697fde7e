//! Differences that are not errors of the core: where the architecture leaves a choice, and where the oracle is wrong and the ARM ARM
//! (DDI 0487, ARMv8.0) decides. Each rule is as narrow as what is known of it.

use crate::case::{Case, End, Outcome, State};
use crate::encoding;

/// Whose business a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The oracle does not do what the ARM ARM says.
    OracleError,
    /// The ARM ARM leaves a choice (CONSTRAINED UNPREDICTABLE, UNKNOWN, IMPLEMENTATION DEFINED).
    Choice,
}

/// One exception.
#[derive(Debug)]
pub struct Rule {
    /// What differs.
    pub what: &'static str,
    /// Section of the ARM ARM that decides or leaves the choice.
    pub section: &'static str,
    /// Whose business it is.
    pub kind: Kind,
    applies: fn(&Look) -> bool,
}

/// What a rule looks at.
struct Look<'a> {
    word: u32,
    case: &'a Case,
    ours: &'a Outcome,
    oracle: &'a Outcome,
}

const fn oracle(what: &'static str, section: &'static str, applies: fn(&Look) -> bool) -> Rule {
    Rule { what, section, kind: Kind::OracleError, applies }
}

const fn choice(what: &'static str, section: &'static str, applies: fn(&Look) -> bool) -> Rule {
    Rule { what, section, kind: Kind::Choice, applies }
}

/// ESR_ELx.EC of a data abort from EL0.
const DATA_ABORT: u32 = 0x24;
/// ESR_ELx.EC of a trapped system instruction.
const SYSTEM_TRAP: u32 = 0x18;
/// Fault status code of an alignment fault.
const ALIGNMENT_FAULT: u32 = 0x21;

static RULES: &[Rule] = &[
    choice("a store-exclusive that does not hold its monitor may fail before it faults", "J1.1.3, AArch64.ExclusiveMonitorsPass", |look| {
        is_store_exclusive(look.word) && look.ours_aborts() && !look.ours_misaligned() && look.oracle.end.class() != Some(DATA_ABORT)
    }),
    oracle("load-acquire, store-release and exclusives must be aligned", "B2.5.2, Alignment of data accesses", |look| {
        let misaligned = look.base() & ((1 << exclusive_shift(look.word)) - 1) != 0;
        let at_base = matches!(look.ours.end, End::Exception { far, pc, .. } if far == look.base() && pc == look.case.pc);
        is_exclusive_or_ordered(look.word) && misaligned && look.ours_misaligned() && at_base && look.ours.state == look.case.state
    }),
    oracle(
        "a PC alignment fault comes before an instruction abort",
        "D1.13.2, Synchronous exception prioritization",
        |look| matches!(look.ours.end, End::Exception { esr, pc, far } if esr == 0x8a00_0000 && pc & 3 != 0 && pc == far),
    ),
    oracle(
        "MSR DAIFSet and DAIFClr trapped at EL0 have the syndrome of a system instruction",
        "D1.11, SCTLR_EL1.UMA; ISS of EC 0x18",
        |look| {
            encoding::name(encoding::class_of(look.word)) == "PSTATE"
                && look.ours.state == look.case.state
                && matches!(look.ours.end, End::Exception { esr, .. } if esr == system_syndrome(look.word))
                && matches!(look.oracle.end, End::Exception { esr: 0, .. })
        },
    ),
    oracle(
        "WFE and WFI at EL0 trap when SCTLR_EL1.nTWE and nTWI are zero",
        "D1.6.2 and D1.6.3, Wait for event and for interrupt",
        |look| {
            matches!(look.word, 0xd503_205f | 0xd503_207f)
                && matches!(look.ours.end, End::Exception { esr, .. } if esr == 0x07e0_0000 | u32::from(look.word == 0xd503_205f))
        },
    ),
    choice(
        "the BCM2837 lacks the optional Cryptographic Extension, the oracle has it",
        "A2.3, The Armv8 Cryptographic Extension",
        |look| is_cryptographic(look.word) && look.ours.end.class() == Some(0),
    ),
    oracle("MDCCSR_EL0, DBGDTR_EL0, DBGDTRRX_EL0 and DBGDTRTX_EL0 exist", "D13.3, Debug registers", |look| {
        let register = look.word >> 5 & 0x7fff;
        look.word >> 22 == 0b11_0101_0100
            && matches!(register, 0b001_1000_0010_1000 | 0b001_1000_0010_0000 | 0b001_1000_0000_1000)
            && look.oracle.end.class() == Some(0)
    }),
    oracle("cache maintenance by an address that is not mapped faults", "D4.4.8, A64 Cache maintenance instructions", |look| {
        let maintenance = encoding::name(encoding::class_of(look.word)) == "system instructions" && look.word >> 12 & 0xf == 7;
        maintenance && matches!(look.ours.end, End::Exception { esr, .. } if esr >> 26 == DATA_ABORT && esr >> 8 & 1 == 1)
    }),
    oracle("the Cortex-A53 has six event counters", "Cortex-A53 TRM 12.2, PMCR_EL0.N", |look| {
        // MRS and MSR of PMEVCNTRn_EL0 and PMEVTYPERn_EL0.
        let is_event_register = look.word & 0xffdf_e000 == 0xd51b_e000 && look.word >> 11 & 1 == 1;
        is_event_register && look.ours.end.class() == Some(SYSTEM_TRAP) && look.oracle.end.class() == Some(0)
    }),
    oracle("a monitor that is not armed has no address", "B2.9.2, Load-Exclusive and Store-Exclusive", |look| {
        // The oracle's sign for that is an address of all ones.
        is_store_exclusive(look.word) && look.base() == u64::MAX && look.ours_aborts()
    }),
    choice("FPCR.Len and Stride are RES0 where there are no short vectors", "C5.2.7, FPCR; Cortex-A53 FPU TRM 2.4, FPCR", |look| {
        let masked = State { fpcr: look.oracle.state.fpcr & !(7 << 16 | 3 << 20), ..look.oracle.state.clone() };
        look.word & !31 == 0xd51b_4400 && masked == look.ours.state && look.ours.end == look.oracle.end
    }),
    choice("which half of a big-endian access of 16 bytes faults first", "B2.2.1, Requirements for single-copy atomicity", |look| {
        let (End::Exception { esr: mine, far: low, pc }, End::Exception { esr: theirs, far: high, pc: at }) =
            (look.ours.end, look.oracle.end)
        else {
            return false;
        };
        // The halves may lie in two pages that fault for different reasons.
        let later = (1..=8).contains(&high.wrapping_sub(low)) && (mine ^ theirs) & !0x3f == 0 && pc == at;
        look.case.big_endian && is_quad(look.word) && look.ours_aborts() && later && only_transferred_differs(look)
    }),
    choice(
        "write-back to a base that is also transferred",
        "K1.2, CONSTRAINED UNPREDICTABLE of loads and stores with write-back",
        |look| writes_back_to_transferred(look.word),
    ),
    choice("a pair is loaded to the same register twice", "K1.2, CONSTRAINED UNPREDICTABLE of LDP, LDPSW, LDXP, LDAXP", |look| {
        loads_same_twice(look.word)
    }),
    choice(
        "the status of a store-exclusive goes to a register that it stores or addresses by",
        "K1.2, CONSTRAINED UNPREDICTABLE of STXR, STXP",
        |look| is_store_exclusive(look.word) && status_overlaps(look.word),
    ),
    choice(
        "what an access of several parts transferred before it faulted is UNKNOWN",
        "D1.13.4, Definition of a precise exception",
        |look| look.ours_aborts() && look.ours.end == look.oracle.end && only_transferred_differs(look),
    ),
];

impl Look<'_> {
    fn ours_aborts(&self) -> bool {
        self.ours.end.class() == Some(DATA_ABORT)
    }

    fn ours_misaligned(&self) -> bool {
        matches!(self.ours.end, End::Exception { esr, .. } if esr >> 26 == DATA_ABORT && esr & 0x3f == ALIGNMENT_FAULT)
    }

    /// Value of the base register.
    fn base(&self) -> u64 {
        let n = self.word >> 5 & 31;
        self.case.state.x.get(n as usize).copied().unwrap_or(self.case.state.sp)
    }
}

/// AES, SHA1, SHA256, and PMULL of doublewords.
fn is_cryptographic(word: u32) -> bool {
    matches!(encoding::name(encoding::class_of(word)), "AES" | "SHA, three registers" | "SHA, two registers")
        || word & 0xbfe0_fc00 == 0x0ee0_e000
}

/// ESR_ELx of a trapped system instruction: IL, and an ISS of op0, op2, op1, CRn, Rt, CRm and the direction (ARM ARM D13.2.37).
fn system_syndrome(word: u32) -> u32 {
    let field = |hi: u32, lo: u32| word << (31 - hi) >> (31 - hi + lo);
    let iss = field(20, 19) << 20 | field(7, 5) << 17 | field(18, 16) << 14 | field(15, 12) << 10 | field(4, 0) << 5 | field(11, 8) << 1;
    SYSTEM_TRAP << 26 | 1 << 25 | iss | field(21, 21)
}

fn is_exclusive_or_ordered(word: u32) -> bool {
    word >> 24 & 0x3f == 0b00_1000
}

fn is_store_exclusive(word: u32) -> bool {
    is_exclusive_or_ordered(word) && word >> 22 & 3 == 0
}

/// log2 of the bytes of an access of the class "exclusive and ordered".
fn exclusive_shift(word: u32) -> u32 {
    (word >> 30) + (word >> 21 & 1)
}

fn status_overlaps(word: u32) -> bool {
    let (s, n, t, t2) = (word >> 16 & 31, word >> 5 & 31, word & 31, word >> 10 & 31);
    s == t || s == n && n != 31 || word >> 21 & 1 == 1 && s == t2
}

fn is_pair(word: u32) -> bool {
    word >> 27 & 7 == 0b101 && word >> 25 & 1 == 0
}

/// A load or store of whole vector registers: LDR, LDUR, LDP and the like of Q.
fn is_quad(word: u32) -> bool {
    let single = word >> 27 & 7 == 0b111 && word >> 30 == 0 && word >> 23 & 1 == 1;
    let pair_or_literal = (is_pair(word) || word >> 24 & 0b11_1011 == 0b01_1000) && word >> 30 == 2;
    word >> 26 & 1 == 1 && (single || pair_or_literal)
}

fn loads_same_twice(word: u32) -> bool {
    let pair = is_pair(word) || is_exclusive_or_ordered(word) && word >> 21 & 1 == 1 && word >> 23 & 1 == 0;
    pair && word >> 22 & 1 == 1 && word & 31 == word >> 10 & 31
}

fn writes_back_to_transferred(word: u32) -> bool {
    let n = word >> 5 & 31;
    let single = word >> 27 & 7 == 0b111 && word >> 24 & 3 == 0 && word >> 21 & 1 == 0 && word >> 10 & 1 == 1;
    let pair = is_pair(word) && word >> 23 & 1 == 1;
    let general = word >> 26 & 1 == 0;
    general && n != 31 && (single && word & 31 == n || pair && (word & 31 == n || word >> 10 & 31 == n))
}

/// The outcomes differ in nothing but what a load transfers to, or a store to the window.
fn only_transferred_differs(look: &Look) -> bool {
    let word = look.word;
    let (ours, oracle) = (&look.ours.state, &look.oracle.state);
    if !encoding::is_load_or_store(word) {
        return false;
    }
    if ours == oracle {
        return true;
    }
    let mut patched = oracle.clone();
    let (t, t2) = (word & 31, word >> 10 & 31);
    let structure = word >> 26 & 1 == 1 && word >> 27 & 7 == 0b001;
    if structure {
        // Up to four registers, the next of V31 being V0.
        for n in (t..t + 4).map(|n| n as usize % 32) {
            patched.v[n] = ours.v[n];
        }
    } else if is_pair(word) || is_exclusive_or_ordered(word) {
        copy_transferred(&mut patched, ours, word >> 26 & 1 == 1, [t, t2]);
    }
    patched == *ours && look.ours.window == look.oracle.window
}

fn copy_transferred(to: &mut State, from: &State, vector: bool, registers: [u32; 2]) {
    for n in registers.map(|n| n as usize) {
        if vector {
            to.v[n] = from.v[n];
        } else if n < 31 {
            to.x[n] = from.x[n];
        }
    }
}

/// The rule that covers the difference of a case of one instruction.
pub fn rule(case: &Case, ours: &Outcome, oracle: &Outcome) -> Option<&'static Rule> {
    let &[word] = case.words.as_slice() else { return None };
    let look = Look { word, case, ours, oracle };
    RULES.iter().find(|rule| (rule.applies)(&look))
}
