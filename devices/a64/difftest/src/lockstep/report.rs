//! A difference in words.

use super::asm::NOP;
use super::machine::Difference;
use super::scenario::Scenario;
use crate::case::Memory;
use crate::report::disassembly;

/// The scenario and what differs.
pub fn words(scenario: &Scenario, difference: &Difference) -> String {
    let mut out = format!(
        "  EL{} SPSel={} DAIF={:#x} PC={:#x}, code at {:#x}, {} words\n",
        scenario.el,
        u8::from(scenario.spsel),
        scenario.daif,
        scenario.pc,
        scenario.at,
        scenario.words.len()
    );
    let mut nops = 0;
    for (at, &word) in (scenario.pc..).step_by(4).zip(&scenario.words) {
        nops = if word == NOP { nops + 1 } else { 0 };
        match nops {
            0 | 1 => out += &format!("  {at:#x}: {}\n", disassembly(word)),
            2 => out += "      (more of them)\n",
            _ => {}
        }
    }
    let state = &scenario.state;
    let mut from = vec![];
    from.extend(state.x.iter().enumerate().filter(|(_, x)| **x != 0).map(|(n, x)| format!("x{n}={x:#x}")));
    from.push(format!("sp={:#x} nzcv={:#x} fpcr={:#x} fpsr={:#x}", state.sp, state.nzcv, state.fpcr, state.fpsr));
    from.extend(state.v.iter().enumerate().filter(|(_, v)| **v != 0).map(|(n, v)| format!("v{n}={v:#034x}")));
    from.extend(scenario.system.iter().map(|&(name, value)| format!("{}={value:#x}", register(name))));
    match &scenario.memory {
        Memory::Zero => {}
        Memory::Random(seed) => from.push(format!("window of seed {seed:#x}")),
        Memory::Words(_) => from.push("window of words".into()),
    }
    out += &format!("  from: {}\n", from.join(" "));
    let plan: Vec<String> = scenario.plan.iter().map(|step| format!("{step:x?}")).collect();
    out += &format!("  plan: {}\n", plan.join(", "));
    let (before, retired) = difference.retired;
    let at = difference.step.map_or("in the setup".into(), |step| format!("after step {step}"));
    out += &format!("  differs {at}, {retired} instructions after {before}; interpreter | translator:\n");
    for line in &difference.lines {
        out += &format!("    {line}\n");
    }
    out
}

/// The register's name as assemblers take it.
fn register(name: u32) -> String {
    let field = |high: u32, low: u32| name >> low & ((1 << (high - low + 1)) - 1);
    format!("S{}_{}_C{}_C{}_{}", field(20, 19) | 2, field(18, 16), field(15, 12), field(11, 8), field(7, 5))
}
