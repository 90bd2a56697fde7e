//! Exceptions: what handlers raise, and how a core takes and returns from them (ARM ARM D1.10 to D1.14).

mod debug;
mod handoff;
mod interrupt;
mod leave;
mod progress;
mod syndrome;
#[cfg(test)]
mod tests;
mod traps;
pub mod words;

use crate::core::{Core, SLOT_SP};
use crate::decode::Flow;
use crate::mmu::Kind;
use crate::sysreg::{After, EXC_TAKEN, Reg, hcr, scr, sctlr};
pub use interrupt::Interrupt;
pub(crate) use progress::Progress;
pub use progress::Taken;

/// A synchronous exception, before it is routed to an exception level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Exception class as ESR_ELx.EC of an exception from a lower EL; the "same EL" variants are chosen when it is taken.
    pub class: Class,
    /// Instruction specific syndrome, ESR_ELx.ISS.
    pub iss: u32,
    /// Faulting virtual address, for FAR_ELx, where the class has one.
    pub far: Option<u64>,
}

/// Exception classes (ARM ARM D13.2.37, ESR_ELx.EC), before the level that takes the exception is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Undefined instruction and all else with no class of its own (0x00).
    Unknown,
    /// Trapped WFI or WFE (0x01).
    WaitTrap,
    /// Access to FP or SIMD trapped (0x07).
    FpTrap,
    /// Illegal execution state (0x0E).
    IllegalState,
    /// SVC (0x15).
    Svc,
    /// HVC (0x16).
    Hvc,
    /// SMC (0x17).
    Smc,
    /// Trapped MSR, MRS or system instruction (0x18).
    SystemTrap,
    /// Instruction abort (0x20, 0x21).
    InstructionAbort,
    /// PC alignment fault (0x22).
    PcAlignment,
    /// Data abort (0x24, 0x25).
    DataAbort,
    /// Instruction abort of stage 2, taken to EL2.
    Stage2InstructionAbort {
        /// Intermediate physical address that was not mapped, for HPFAR_EL2.
        ipa: u64,
    },
    /// Data abort of stage 2, taken to EL2.
    Stage2DataAbort {
        /// Intermediate physical address that was not mapped, for HPFAR_EL2.
        ipa: u64,
    },
    /// SP alignment fault (0x26).
    SpAlignment,
    /// Trapped floating-point exception (0x2C).
    FpException,
    /// Breakpoint (0x30, 0x31).
    Breakpoint,
    /// Software step (0x32, 0x33).
    SoftwareStep,
    /// Watchpoint (0x34, 0x35).
    Watchpoint,
    /// BRK (0x3C).
    Brk,
}

impl Exception {
    /// An undefined instruction.
    pub const UNDEFINED: Self = Self { class: Class::Unknown, iss: 0, far: None };
}

impl Class {
    /// ESR_ELx.EC; `same` for an exception taken from the level that it is taken to.
    fn code(self, same: bool) -> u32 {
        let base = match self {
            Self::Unknown => 0x00,
            Self::WaitTrap => 0x01,
            Self::FpTrap => 0x07,
            Self::IllegalState => 0x0e,
            Self::Svc => 0x15,
            Self::Hvc => 0x16,
            Self::Smc => 0x17,
            Self::SystemTrap => 0x18,
            Self::InstructionAbort | Self::Stage2InstructionAbort { .. } => 0x20,
            Self::PcAlignment => 0x22,
            Self::DataAbort | Self::Stage2DataAbort { .. } => 0x24,
            Self::SpAlignment => 0x26,
            Self::FpException => 0x2c,
            Self::Breakpoint => 0x30,
            Self::SoftwareStep => 0x32,
            Self::Watchpoint => 0x34,
            Self::Brk => 0x3c,
        };
        let has_pair = matches!(base, 0x20 | 0x24 | 0x30 | 0x32 | 0x34);
        base | u32::from(same && has_pair)
    }

    fn is_data_abort(self) -> bool {
        matches!(self, Self::DataAbort | Self::Stage2DataAbort { .. })
    }

    fn is_abort(self) -> bool {
        self.is_data_abort() || matches!(self, Self::InstructionAbort | Self::Stage2InstructionAbort { .. })
    }

    fn is_debug(self) -> bool {
        matches!(self, Self::Breakpoint | Self::SoftwareStep | Self::Watchpoint | Self::Brk)
    }
}

/// DFSC of an alignment fault.
const ALIGNMENT_FAULT: u32 = 0x21;
/// ESR_ELx.IL: a 32-bit instruction, and whatever else sets it in AArch64.
const ESR_IL: u64 = 1 << 25;
const CPTR_TFP: u64 = 1 << 10;
const MDCR_EL2_TDE: u64 = 1 << 8;
/// CV, and the condition "always": syndrome of trapped FP, WFI and WFE.
pub(crate) const CONDITION_ALWAYS: u32 = 0x1e << 20;

/// Offset in the vector table (ARM ARM D1.10.2) of each kind of exception.
#[derive(Clone, Copy)]
enum Vector {
    Synchronous = 0x000,
    Irq = 0x080,
    Fiq = 0x100,
    SError = 0x180,
}

impl Core {
    /// Takes `exception`, raised by the instruction at `pc` (its preferred return address; callers pass the next instruction's for SVC, HVC and SMC).
    /// Sets `self.pc` to the vector.
    ///
    /// The result is [`Flow::Fault`], or [`Flow::Stop`] with [`Stop::Stuck`] or [`Stop::Suspect`] if the core only ever faults.
    pub fn raise(&mut self, exception: Exception, pc: u64) -> Flow {
        let target = self.route(&exception);
        self.raise_to(exception, pc, target)
    }

    /// The level that takes a synchronous exception (ARM ARM D1.10.1, D1.11).
    fn route(&self, exception: &Exception) -> u8 {
        let class = exception.class;
        let home = if self.el == 0 { self.el1_or_tge() } else { self.el };
        match class {
            _ if class.is_abort() && is_external(exception.iss) && self.sys[Reg::SCR_EL3] & scr::EA != 0 => 3,
            Class::Hvc => self.el.max(2),
            Class::Smc => 3,
            Class::Stage2InstructionAbort { .. } | Class::Stage2DataAbort { .. } => self.el.max(2),
            Class::FpTrap => self.fp_trap_target().unwrap_or(home),
            _ if class.is_debug() => self.el.max(self.debug_target()),
            _ => home,
        }
    }

    /// The level that takes debug exceptions of lower levels.
    pub(crate) fn debug_target(&self) -> u8 {
        let to_el2 = !self.secure_below_el3() && (self.sys[Reg::MDCR_EL2] & MDCR_EL2_TDE != 0 || self.hcr() & hcr::TGE != 0);
        if to_el2 { 2 } else { 1 }
    }

    fn secure_below_el3(&self) -> bool {
        self.sys[Reg::SCR_EL3] & scr::NS == 0
    }

    /// Takes a synchronous exception to a given level.
    pub(crate) fn raise_to(&mut self, exception: Exception, pc: u64, target: u8) -> Flow {
        // What EL0 is not allowed is reported as undefined to an EL2 that stands in for EL1 (ARM ARM D1.14.1, HCR_EL2.TGE).
        let hidden = target == 2 && self.el == 0 && exception.class == Class::FpTrap && self.fp_trapped_by_el1();
        let exception = if hidden { Exception::UNDEFINED } else { exception };
        let (class, same) = (exception.class, target == self.el);
        let esr = u64::from(class.code(same)) << 26 | ESR_IL | u64::from(exception.iss & 0x01ff_ffff);
        self.sys[esr_of(target)] = esr;
        if let Some(far) = exception.far {
            self.sys[far_of(target)] = far;
        }
        if let Class::Stage2InstructionAbort { ipa } | Class::Stage2DataAbort { ipa } = class {
            self.sys[Reg::HPFAR_EL2] = ipa >> 12 << 4 & 0xff_ffff_fff0;
        }
        // A stepped instruction that did not complete is stepped again after the return (ARM ARM D2.12.5).
        self.sys.single_step |= self.sys.stepped.is_some() && class != Class::SoftwareStep;
        self.trace_exception(&exception, target, esr, pc);
        let raised = self.raised_at(pc);
        self.enter(target, Vector::Synchronous, pc);
        self.watch_progress(&exception, esr, raised)
    }

    fn trace_exception(&self, exception: &Exception, target: u8, esr: u64, pc: u64) {
        let told = tracing::enabled!(target: "exceptions", tracing::Level::INFO) || tracing::enabled!(target: "mmu", tracing::Level::DEBUG);
        if !told || self.is_stuck() {
            return;
        }
        let class = exception.class;
        let far = exception.far.map_or(String::new(), |far| format!(", FAR {far:#x}"));
        let unaligned = class.is_data_abort() && exception.iss & 0x3f == ALIGNMENT_FAULT;
        let hint = if unaligned && self.sctlr() & (sctlr::M | sctlr::A) == 0 {
            " (with the MMU off all data is Device memory, where unaligned accesses fault: compile with -mstrict-align, or enable the MMU)"
        } else {
            ""
        };
        let what = words::syndrome(esr);
        tracing::info!(
            target: "exceptions",
            core = self.config.id,
            retired = self.run_retired,
            from = self.el,
            to = target,
            elr = format_args!("{pc:#x}"),
            esr = format_args!("{esr:#x}"),
            far = exception.far.map(|far| format!("{far:#x}")),
            what,
            "EL{} to EL{target}: {what}, ELR {pc:#x}, ESR {esr:#x}{far}{hint}",
            self.el,
        );
        if class.is_abort() && matches!(exception.iss & 0x3f, 0x00..=0x0f) && tracing::enabled!(target: "mmu", tracing::Level::DEBUG) {
            self.trace_walk(exception);
        }
    }

    /// Tells of the walk that ended in a fault.
    fn trace_walk(&self, exception: &Exception) {
        let kind = match exception.class {
            Class::InstructionAbort | Class::Stage2InstructionAbort { .. } => Kind::Execute,
            _ if exception.iss >> 6 & 1 != 0 => Kind::Write,
            _ => Kind::Read,
        };
        for line in self.walk_words(exception.far.unwrap_or(0), kind, self.el) {
            tracing::debug!(target: "mmu", core = self.config.id, retired = self.run_retired, "{line}");
        }
    }

    /// Exception entry: banks PSTATE and the return address, and goes to the vector.
    fn enter(&mut self, target: u8, kind: Vector, return_address: u64) {
        let from = match (target == self.el, self.spsel) {
            (true, false) => 0x000,
            (true, true) => 0x200,
            (false, _) => 0x400,
        };
        self.pmu_leave(EXC_TAKEN, return_address);
        self.sys[spsr_of(target)] = self.pstate();
        self.sys[elr_of(target)] = return_address;
        self.daif = 0xf;
        self.sys.single_step = false;
        self.check_interrupts |= self.sys.breaking;
        self.sys.stepped = None;
        self.switch_sp(target, true);
        self.pc = self.sys[vbar_of(target)].wrapping_add(from + kind as u64);
        self.context_changed();
    }

    /// PSTATE in the layout of SPSR_ELx. PSTATE.IL never lasts: what sets it raises the exception at once.
    pub fn pstate(&self) -> u64 {
        let mode = u64::from(self.el) << 2 | u64::from(self.spsel && self.el > 0);
        u64::from(self.nzcv & 0xf000_0000) | u64::from(self.sys.single_step) << 21 | u64::from(self.daif) << 6 | mode
    }

    /// Makes `el` and `spsel` current, and the stack pointer that they select.
    pub fn switch_sp(&mut self, el: u8, spsel: bool) {
        let index = |el: u8, spsel: bool| if spsel { usize::from(el & 3) } else { 0 };
        let live = usize::from(SLOT_SP);
        let (old, new) = (index(self.el, self.spsel), index(el, spsel));
        if old != new {
            self.sys.sp[old] = self.x[live];
            self.x[live] = self.sys.sp[new];
        }
        (self.el, self.spsel) = (el & 3, spsel);
    }

    /// Replaces PSTATE.DAIF. Leaves the block if something was unmasked, so that a pending interrupt is taken.
    pub(crate) fn set_daif(&mut self, daif: u8) -> After {
        let unmasked = self.daif & !daif != 0;
        self.daif = daif & 0xf;
        if unmasked { After::Leave } else { After::Next }
    }
}

/// A synchronous external abort, on an access or a table walk.
pub(crate) fn is_external(iss: u32) -> bool {
    matches!(iss & 0x3f, 0x10 | 0x14..=0x17)
}

fn esr_of(el: u8) -> Reg {
    [Reg::ESR_EL1, Reg::ESR_EL2, Reg::ESR_EL3][bank(el)]
}

fn far_of(el: u8) -> Reg {
    [Reg::FAR_EL1, Reg::FAR_EL2, Reg::FAR_EL3][bank(el)]
}

fn elr_of(el: u8) -> Reg {
    [Reg::ELR_EL1, Reg::ELR_EL2, Reg::ELR_EL3][bank(el)]
}

fn spsr_of(el: u8) -> Reg {
    [Reg::SPSR_EL1, Reg::SPSR_EL2, Reg::SPSR_EL3][bank(el)]
}

fn vbar_of(el: u8) -> Reg {
    [Reg::VBAR_EL1, Reg::VBAR_EL2, Reg::VBAR_EL3][bank(el)]
}

/// Index of a level's bank: EL0 has none of its own.
fn bank(el: u8) -> usize {
    usize::from(el.clamp(1, 3) - 1)
}
