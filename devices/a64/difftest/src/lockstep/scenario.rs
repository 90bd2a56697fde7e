//! What is run.

use super::asm::{self, name};
use super::layout::{self, SETUP_VALUES};
use crate::case::{Memory, State};
use tayberry_a64::core::doorbell;

/// Something that happens: a run of the core, or something done to it between two runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many instructions.
    Run(u64),
    /// Bits of the doorbell ring.
    Ring(u32),
    /// A device writes a word of RAM.
    Write {
        /// Physical address.
        at: u64,
        /// The word.
        word: u32,
    },
    /// The interrupt inputs change: bit 0 is IRQ, bit 1 FIQ.
    Lines(u8),
    /// Another core asked for TLB maintenance: everything of EL1&0, or what maps this address.
    Invalidate(Option<u64>),
    /// Time passes: ticks of the system counter.
    Time(u64),
}

/// Everything that two cores are taken through.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scenario {
    /// Physical address of the code.
    pub at: u64,
    /// The code.
    pub words: Vec<u32>,
    /// Exception level that it starts at.
    pub el: u8,
    /// With the stack pointer of that level.
    pub spsel: bool,
    /// Masked exceptions, as PSTATE.DAIF.
    pub daif: u8,
    /// Virtual address of the first instruction.
    pub pc: u64,
    /// Virtual address at which programs that went astray go on.
    pub resume: u64,
    /// The registers.
    pub state: State,
    /// What the window holds.
    pub memory: Memory,
    /// System registers that are not [`defaults`].
    pub system: Vec<(u32, u64)>,
    /// What happens.
    pub plan: Vec<Step>,
    /// The code may change itself without the barriers that this takes.
    pub racy: bool,
}

impl Scenario {
    /// Instructions that the plan may run.
    pub fn budget(&self) -> u64 {
        self.plan.iter().map(|step| if let Step::Run(budget) = step { *budget } else { 0 }).fold(0, u64::saturating_add)
    }

    /// The registers that the setup loads, in its order, and ELR_EL3 and SPSR_EL3 at their end.
    pub fn setup_values(&self) -> Vec<u64> {
        let mut values: Vec<(u32, u64)> = defaults();
        for &(name, value) in &self.system {
            if let Some(entry) = values.iter_mut().find(|entry| entry.0 == name) {
                entry.1 = value;
            }
        }
        let mode = u64::from(self.el) << 2 | u64::from(self.spsel && self.el > 0);
        let spsr = u64::from(self.state.nzcv) | u64::from(self.daif) << 6 | mode;
        values.iter().map(|&(_, value)| value).chain([self.pc, spsr]).collect()
    }
}

/// The setup: at EL3 it loads all system registers from memory and returns to where the scenario starts. The same for all scenarios, so that it is
/// translated once. X0 and X1 are lost.
pub fn setup_code() -> Vec<u32> {
    let mut code = vec![asm::movz(1, SETUP_VALUES, 0)];
    for (name, _) in defaults().into_iter().chain([(asm::elr(3), 0), (asm::spsr(3), 0)]) {
        code.extend([asm::ldr_post(0, 1), asm::msr(name, 0)]);
    }
    code.extend([asm::ISB, asm::ERET]);
    code
}

/// All doorbell bits that others ring, but STOP.
pub const BELLS: u32 = doorbell::TLB | doorbell::WRITE_TLB | doorbell::CODE | doorbell::EVENT;

/// SCTLR_ELx with caches; the MMU bit is added.
pub const SCTLR: u64 = 0x30c5_0830 & !0x18 | 1 << 2 | 1 << 12;
/// What EL0 may do beside: DC ZVA, CTR_EL0, cache maintenance, DAIF.
pub const SCTLR_EL1: u64 = 0x30d0_0800 | 1 << 2 | 1 << 9 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 26;

/// SCTLR_ELx.
pub const fn sctlr(el: u8) -> u32 {
    asm::of_level(el, 1, 0, 0)
}
/// VBAR_ELx.
pub const fn vbar(el: u8) -> u32 {
    asm::of_level(el, 12, 0, 0)
}
/// SCR_EL3.
pub const SCR_EL3: u32 = asm::of_level(3, 1, 1, 0);
/// HCR_EL2.
pub const HCR_EL2: u32 = asm::of_level(2, 1, 1, 0);
/// CPACR_EL1.
pub const CPACR_EL1: u32 = name(3, 0, 1, 0, 2);
/// CPTR_EL2.
pub const CPTR_EL2: u32 = asm::of_level(2, 1, 1, 2);
/// CPTR_EL3.
pub const CPTR_EL3: u32 = asm::of_level(3, 1, 1, 2);
/// TCR_EL1.
pub const TCR_EL1: u32 = name(3, 0, 2, 0, 2);
/// MDCR_EL2.
pub const MDCR_EL2: u32 = asm::of_level(2, 1, 1, 1);
/// MDCR_EL3.
pub const MDCR_EL3: u32 = asm::of_level(3, 1, 3, 1);
/// MDSCR_EL1.
pub const MDSCR_EL1: u32 = name(2, 0, 0, 2, 2);
/// DBGBVR0_EL1.
pub const BREAKPOINT_VALUE: u32 = name(2, 0, 0, 0, 4);
/// DBGBCR0_EL1.
pub const BREAKPOINT_CONTROL: u32 = name(2, 0, 0, 0, 5);
/// DBGWVR0_EL1.
pub const WATCHPOINT_VALUE: u32 = name(2, 0, 0, 0, 6);
/// DBGWCR0_EL1.
pub const WATCHPOINT_CONTROL: u32 = name(2, 0, 0, 0, 7);
/// PMCR_EL0.
pub const PMCR: u32 = name(3, 3, 9, 12, 0);
/// PMCNTENSET_EL0.
pub const PMCNTENSET: u32 = name(3, 3, 9, 12, 1);
/// PMINTENSET_EL1.
pub const PMINTENSET: u32 = name(3, 0, 9, 14, 1);
/// PMCCNTR_EL0.
pub const PMCCNTR: u32 = name(3, 3, 9, 13, 0);
/// PMEVCNTR0_EL0.
pub const PMEVCNTR0: u32 = name(3, 3, 14, 8, 0);
/// PMEVTYPER0_EL0.
pub const PMEVTYPER0: u32 = name(3, 3, 14, 12, 0);
/// PMUSERENR_EL0.
pub const PMUSERENR: u32 = name(3, 3, 9, 14, 0);
/// CNTKCTL_EL1.
pub const CNTKCTL: u32 = name(3, 0, 14, 1, 0);
/// VTTBR_EL2.
pub const VTTBR_EL2: u32 = asm::of_level(2, 2, 1, 0);
/// VTCR_EL2.
pub const VTCR_EL2: u32 = asm::of_level(2, 2, 1, 2);

/// The system registers that the setup writes, and what it writes if nothing else is asked for.
pub fn defaults() -> Vec<(u32, u64)> {
    let mut list = vec![
        (name(2, 0, 1, 0, 4), 0), // OSLAR_EL1
        (MDSCR_EL1, 0),
        (BREAKPOINT_VALUE, 0),
        (BREAKPOINT_CONTROL, 0),
        (WATCHPOINT_VALUE, 0),
        (WATCHPOINT_CONTROL, 0),
        // The counters are off while they are set.
        (PMCR, 0x46),
        (MDCR_EL2, 6),
        (MDCR_EL3, 0),
        (name(3, 3, 9, 12, 2), 0xffff_ffff), // PMCNTENCLR_EL0
        (name(3, 0, 9, 14, 2), 0xffff_ffff), // PMINTENCLR_EL1
        (name(3, 3, 9, 12, 3), 0xffff_ffff), // PMOVSCLR_EL0
        (PMCCNTR, 0),
        (PMEVCNTR0, 0),
        (PMEVTYPER0, 8),
        (PMUSERENR, 0xf),
        (PMINTENSET, 0),
        (PMCNTENSET, 0),
        (CNTKCTL, 0x303),
        (asm::of_level(2, 14, 1, 0), 3), // CNTHCTL_EL2
        (name(3, 3, 14, 3, 1), 0),       // CNTV_CTL_EL0
        (name(3, 3, 14, 2, 1), 0),       // CNTP_CTL_EL0
        (asm::of_level(2, 14, 0, 3), 0), // CNTVOFF_EL2
        (SCR_EL3, 0x531),
        (HCR_EL2, 1 << 31),
        (VTTBR_EL2, layout::TABLES),
        (VTCR_EL2, 25 | 1 << 6 | 2 << 16 | 1 << 31),
        (CPACR_EL1, 3 << 20),
        (CPTR_EL2, 0),
        (CPTR_EL3, 0),
        (TCR_EL1, layout::TCR_EL1),
        (asm::TTBR0_EL1, layout::TABLES | 1 << 48),
        (name(3, 0, 2, 0, 1), layout::TABLES), // TTBR1_EL1
    ];
    for el in 1..=3 {
        list.push((vbar(el), layout::vectors(el)));
        list.push((asm::of_level(el, 10, 2, 0), layout::MAIR));
        list.push((asm::tpidr(el), 0));
    }
    for el in 2..=3 {
        list.push((asm::of_level(el, 2, 0, 0), layout::TABLES));
        list.push((asm::of_level(el, 2, 0, 2), layout::TCR_EL23));
    }
    list.extend([(sctlr(1), SCTLR_EL1 | 1), (sctlr(2), SCTLR), (sctlr(3), SCTLR)]);
    list
}
