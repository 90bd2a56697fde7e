//! What counts as a difference.

use crate::case::{Case, End, Outcome};
use crate::exceptions::{self, Rule};
use crate::layout::WINDOW;

/// What came of comparing two outcomes.
#[derive(Clone, Copy, Debug)]
pub enum Verdict {
    /// Everything is equal.
    Same,
    /// They differ, and a rule says why that is none of our errors.
    Excused(&'static Rule),
    /// They differ.
    Mismatch,
}

/// Compares what came out of a case of one instruction.
pub fn verdict(case: &Case, ours: &Outcome, oracle: &Outcome) -> Verdict {
    if equal(ours, oracle) {
        return Verdict::Same;
    }
    match exceptions::rule(case, ours, oracle) {
        Some(rule) => Verdict::Excused(rule),
        None => Verdict::Mismatch,
    }
}

/// Everything is equal.
pub fn equal(ours: &Outcome, oracle: &Outcome) -> bool {
    // Where two that do not end were stopped means nothing.
    ours.end == End::Endless && oracle.end == End::Endless
        || ours.end == oracle.end && ours.state == oracle.state && ours.window == oracle.window
}

/// The differences in words, a line each: first ours, then the oracle's.
pub fn differences(ours: &Outcome, oracle: &Outcome) -> Vec<String> {
    let mut out = Vec::new();
    let mut line = |name: String, ours: u128, oracle: u128| {
        if ours != oracle {
            out.push(format!("{name:<8} {ours:#x} | {oracle:#x}"));
        }
    };
    let (a, b) = (&ours.state, &oracle.state);
    for (n, (&ours, &oracle)) in a.x.iter().zip(&b.x).enumerate() {
        line(format!("x{n}"), ours.into(), oracle.into());
    }
    line("sp".into(), a.sp.into(), b.sp.into());
    line("nzcv".into(), a.nzcv.into(), b.nzcv.into());
    for (n, (&ours, &oracle)) in a.v.iter().zip(&b.v).enumerate() {
        line(format!("v{n}"), ours, oracle);
    }
    line("fpcr".into(), a.fpcr.into(), b.fpcr.into());
    line("fpsr".into(), a.fpsr.into(), b.fpsr.into());
    line("tpidr".into(), a.tpidr.into(), b.tpidr.into());
    for (at, (&ours, &oracle)) in (WINDOW..).step_by(8).zip(ours.window.iter().zip(oracle.window.iter())) {
        line(format!("[{at:#x}]"), ours.into(), oracle.into());
    }
    if ours.end != oracle.end {
        out.push(format!("end      {} | {}", words(ours.end), words(oracle.end)));
    }
    out
}

/// An end in words.
pub fn words(end: End) -> String {
    match end {
        End::Exception { esr, far, pc } => format!("exception ESR {esr:#010x} FAR {far:#x} ELR {pc:#x}"),
        End::Endless => "endless".into(),
        End::Odd(what) => what.into(),
    }
}
