//! Exceptions: what handlers raise, and how a core takes and returns from them (ARM ARM D1.10 to D1.14).

use crate::bus::Lines;
use crate::core::{Core, SLOT_SP, Stop};
use crate::decode::Flow;
use crate::sysreg::{After, Reg, hcr, scr, sctlr};

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

    /// The class in words, for traces.
    fn words(self) -> &'static str {
        match self {
            Self::Unknown => "undefined instruction",
            Self::WaitTrap => "trapped WFI or WFE",
            Self::FpTrap => "floating point or SIMD trapped",
            Self::IllegalState => "illegal execution state",
            Self::Svc => "SVC",
            Self::Hvc => "HVC",
            Self::Smc => "SMC",
            Self::SystemTrap => "trapped system instruction",
            Self::InstructionAbort => "instruction abort",
            Self::Stage2InstructionAbort { .. } => "instruction abort of stage 2",
            Self::PcAlignment => "misaligned PC",
            Self::DataAbort => "data abort",
            Self::Stage2DataAbort { .. } => "data abort of stage 2",
            Self::SpAlignment => "misaligned SP",
            Self::FpException => "trapped floating point exception",
            Self::Breakpoint => "breakpoint",
            Self::SoftwareStep => "software step",
            Self::Watchpoint => "watchpoint",
            Self::Brk => "BRK",
        }
    }
}

/// Bits 5 to 0 of an abort's syndrome, in words.
fn fault_words(iss: u32) -> &'static str {
    match iss & 0x3f {
        0x00..=0x03 => "address size fault",
        0x04..=0x07 => "translation fault",
        0x09..=0x0b => "access flag fault",
        0x0d..=0x0f => "permission fault",
        0x10 => "external abort",
        0x14..=0x17 => "external abort on a table walk",
        0x21 => "alignment fault",
        _ => "other fault",
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

/// SPSR_ELx bits.
const SPSR_MODE: u64 = 0xf;
const SPSR_AARCH32: u64 = 1 << 4;
const SPSR_IL: u64 = 1 << 20;
const SPSR_SS: u64 = 1 << 21;

/// Offset in the vector table (ARM ARM D1.10.2) of each kind of exception.
#[derive(Clone, Copy)]
enum Vector {
    Synchronous = 0x000,
    Irq = 0x080,
    Fiq = 0x100,
    SError = 0x180,
}

/// An asynchronous exception that can be taken now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Interrupt {
    /// Physical IRQ.
    Irq,
    /// Physical FIQ.
    Fiq,
    /// IRQ made by HCR_EL2.VI.
    VirtualIrq,
    /// FIQ made by HCR_EL2.VF.
    VirtualFiq,
    /// SError made by HCR_EL2.VSE.
    VirtualSError,
}

/// PSTATE.I, F and A as bits of [`Core::daif`].
const MASK_F: u8 = 1;
const MASK_I: u8 = 2;
const MASK_A: u8 = 4;
const MASK_D: u8 = 8;

/// Watches for exceptions that lead nowhere: the same one again and again with nothing retired in between, such as an instruction abort on
/// the vector itself. Hardware would spin for ever; we stop and say so.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// What was last taken: vector, return address, syndrome.
    last: (u64, u64, u64),
    /// Instructions retired by then; an exception counts as one.
    retired: u64,
    repeats: u32,
}

/// As many identical exceptions make a core lost.
const REPEATS_LOST: u32 = 16;

impl Progress {
    /// Notes an exception; true if the core is lost.
    fn note(&mut self, what: (u64, u64, u64), retired: u64) -> bool {
        let stuck = what == self.last && retired.wrapping_sub(self.retired) <= 1;
        self.repeats = if stuck { self.repeats + 1 } else { 0 };
        (self.last, self.retired) = (what, retired);
        self.repeats >= REPEATS_LOST
    }
}

impl Core {
    /// Takes `exception`, raised by the instruction at `pc` (its preferred return address; callers pass the next instruction's for SVC, HVC and SMC).
    /// Sets `self.pc` to the vector.
    ///
    /// The result is [`Flow::Fault`], or [`Flow::Stop`] with [`Stop::Lost`] if the core only ever faults.
    pub fn raise(&mut self, exception: Exception, pc: u64) -> Flow {
        let target = self.route(&exception);
        self.raise_to(exception, pc, target)
    }

    /// The level that takes a synchronous exception (ARM ARM D1.10.1, D1.11).
    fn route(&self, exception: &Exception) -> u8 {
        let class = exception.class;
        let home = if self.el == 0 { self.el1_or_tge() } else { self.el };
        match class {
            Class::Hvc => self.el.max(2),
            Class::Smc => 3,
            Class::Stage2InstructionAbort { .. } | Class::Stage2DataAbort { .. } => self.el.max(2),
            Class::FpTrap => self.fp_trap_target().unwrap_or(home),
            _ if class.is_debug() => self.el.max(self.debug_target()),
            _ if class.is_abort() && is_external(exception.iss) && self.sys[Reg::SCR_EL3] & scr::EA != 0 => 3,
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
        let hidden =
            target == 2 && self.el == 0 && self.hcr() & hcr::TGE != 0 && exception.class == Class::FpTrap && !self.fp_trapped_by_el2();
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
        self.trace_exception(&exception, target, esr, pc);
        self.enter(target, Vector::Synchronous, pc);
        if self.sys.progress.note((self.pc, pc, esr), self.retired.wrapping_add(self.run_retired)) {
            return self.lost(&exception, esr, pc);
        }
        Flow::Fault
    }

    fn lost(&mut self, exception: &Exception, esr: u64, pc: u64) -> Flow {
        let reason = format!(
            "core {}: nothing but exceptions: {} at {pc:#x} (ESR_EL{} {esr:#x}) again and again, with the vector at {:#x}; is there code at VBAR_EL{}?",
            self.config.id,
            exception.class.words(),
            self.el,
            self.pc,
            self.el
        );
        self.stop = Stop::Lost(reason);
        Flow::Stop
    }

    fn trace_exception(&self, exception: &Exception, target: u8, esr: u64, pc: u64) {
        if !tracing::enabled!(target: "exceptions", tracing::Level::INFO) {
            return;
        }
        let class = exception.class;
        let fault = if class.is_abort() { fault_words(exception.iss) } else { "" };
        let dash = if fault.is_empty() { "" } else { ": " };
        let far = exception.far.map_or(String::new(), |far| format!(", FAR {far:#x}"));
        let unaligned = class.is_data_abort() && exception.iss & 0x3f == ALIGNMENT_FAULT;
        let hint = if unaligned && self.sctlr() & (sctlr::M | sctlr::A) == 0 {
            " (with the MMU off all data is Device memory, where unaligned accesses fault: compile with -mstrict-align, or enable the MMU)"
        } else {
            ""
        };
        tracing::info!(
            target: "exceptions",
            "core {}: EL{} to EL{target}: {}{dash}{fault}, ELR {pc:#x}, ESR {esr:#x}{far}{hint}",
            self.config.id,
            self.el,
            class.words(),
        );
    }

    /// Exception entry: banks PSTATE and the return address, and goes to the vector.
    fn enter(&mut self, target: u8, kind: Vector, return_address: u64) {
        let from = match (target == self.el, self.spsel) {
            (true, false) => 0x000,
            (true, true) => 0x200,
            (false, _) => 0x400,
        };
        self.sys[spsr_of(target)] = self.pstate();
        self.sys[elr_of(target)] = return_address;
        self.daif = 0xf;
        self.sys.single_step = false;
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

    /// ERET (ARM ARM D1.10.3): leaves to the address and state in ELR_ELx and SPSR_ELx. The core is lost if that state is AArch32.
    pub(crate) fn exception_return(&mut self) -> Flow {
        let (spsr, target) = (self.sys[spsr_of(self.el)], self.sys[elr_of(self.el)]);
        self.clear_monitor();
        self.event = true;
        let from = self.el;
        let Some((el, spsel)) = self.return_mode(spsr) else {
            return self.return_refused(spsr, target);
        };
        let stepping = self.step_enabled();
        self.nzcv = (spsr & 0xf000_0000) as u32;
        self.daif = (spsr >> 6 & 0xf) as u8;
        self.switch_sp(el, spsel);
        self.sys.single_step = spsr & SPSR_SS != 0 && !stepping && self.step_enabled();
        self.pc = self.canonical(target, el);
        self.context_changed();
        tracing::trace!(target: "exceptions", "core {}: EL{from} returns to EL{el} at {:#x}", self.config.id, self.pc);
        if spsr & SPSR_IL != 0 {
            return self.illegal_state();
        }
        Flow::Jump
    }

    /// Mode that SPSR_ELx asks for, if an AArch64 level may return to it (ARM ARM D1.10.3: illegal return events).
    fn return_mode(&self, spsr: u64) -> Option<(u8, bool)> {
        if spsr & SPSR_AARCH32 != 0 {
            return None;
        }
        let (el, spsel) = ((spsr & SPSR_MODE) >> 2, spsr & 1 != 0);
        let el = el as u8;
        let aarch64 = match el {
            3 => true,
            2 => self.sys[Reg::SCR_EL3] & scr::RW != 0,
            // EL0 may be either under an AArch64 EL1; with neither RW it can only be AArch32.
            _ => self.el1_is_aarch64(),
        };
        let secure_el2 = el == 2 && self.secure_below_el3();
        let el1_under_tge = el == 1 && self.hcr() & hcr::TGE != 0;
        let reserved = spsr & 2 != 0 || (el == 0 && spsel);
        let legal = !reserved && el <= self.el && aarch64 && !secure_el2 && !el1_under_tge;
        legal.then_some((el, spsel))
    }

    /// SCR_EL3.RW, and HCR_EL2.RW where EL2 has a say.
    fn el1_is_aarch64(&self) -> bool {
        let scr_el3 = self.sys[Reg::SCR_EL3];
        scr_el3 & scr::RW != 0 && (scr_el3 & scr::NS == 0 || self.sys[Reg::HCR_EL2] & hcr::RW != 0)
    }

    /// An illegal exception return: to AArch32 the core is lost, as there is no AArch32 here; otherwise the level stays and IL is set.
    fn return_refused(&mut self, spsr: u64, target: u64) -> Flow {
        let id = self.config.id;
        if spsr & SPSR_AARCH32 != 0 && self.aarch32_is_legal(spsr) {
            let reason =
                format!("core {id}: ERET at EL{} to AArch32 state (SPSR {spsr:#x}, to {target:#x}): 32-bit code is not supported", self.el);
            tracing::error!(target: "exceptions", "{reason}");
            self.stop = Stop::Lost(reason);
            self.pc = target;
            return Flow::Stop;
        }
        tracing::warn!(
            target: "exceptions",
            "core {id}: illegal exception return at EL{} (SPSR {spsr:#x}, to {target:#x}, SCR_EL3 {:#x}, HCR_EL2 {:#x}): illegal execution state",
            self.el,
            self.sys[Reg::SCR_EL3],
            self.sys[Reg::HCR_EL2],
        );
        self.nzcv = (spsr & 0xf000_0000) as u32;
        self.daif = (spsr >> 6 & 0xf) as u8;
        self.pc = target;
        self.illegal_state()
    }

    /// True if an ERET to AArch32 is one that the hardware would make.
    fn aarch32_is_legal(&self, spsr: u64) -> bool {
        let el = match spsr & SPSR_MODE {
            0x0 => 0,
            0x1 | 0x2 | 0x3 | 0x7 | 0xb | 0xf => 1,
            0xa => 2,
            _ => return false,
        };
        match el {
            2 => self.el == 3 && self.sys[Reg::SCR_EL3] & scr::RW == 0,
            1 => self.el > 1 && !self.el1_is_aarch64(),
            _ => self.el > 0,
        }
    }

    /// PSTATE.IL is set: the next instruction raises the exception. It has no other effect, so it is raised at once.
    fn illegal_state(&mut self) -> Flow {
        let exception = Exception { class: Class::IllegalState, iss: 0, far: None };
        let flow = self.raise(exception, self.pc);
        let spsr = spsr_of(self.el);
        self.sys[spsr] |= SPSR_IL;
        // The ERET itself has retired.
        if flow == Flow::Fault { Flow::Jump } else { flow }
    }

    /// An address as a branch to level `el` makes it the PC: the tag goes where tags are ignored (ARM ARM D4.1.1).
    pub fn canonical(&self, address: u64, el: u8) -> u64 {
        let upper = address >> 55 & 1 != 0;
        let ignored = match el {
            0 | 1 if upper => self.sys[Reg::TCR_EL1] >> 38 & 1 != 0,
            0 | 1 => self.sys[Reg::TCR_EL1] >> 37 & 1 != 0,
            2 => self.sys[Reg::TCR_EL2] >> 20 & 1 != 0,
            _ => self.sys[Reg::TCR_EL3] >> 20 & 1 != 0,
        };
        match (ignored, upper && el < 2) {
            (false, _) => address,
            (true, true) => address | 0xff << 56,
            (true, false) => address & !(0xff << 56),
        }
    }

    // Interrupts.

    /// The level that takes a physical interrupt (ARM ARM D1.13.1).
    fn interrupt_target(&self, to_el3: u64, to_el2: u64) -> u8 {
        if self.sys[Reg::SCR_EL3] & to_el3 != 0 {
            3
        } else if self.hcr() & (to_el2 | hcr::TGE) != 0 {
            2
        } else {
            1
        }
    }

    /// True if a physical interrupt for `target` is taken now (ARM ARM D1.13.2): its mask counts at the target itself, and at EL0 for EL1.
    fn is_taken(&self, target: u8, mask: u8) -> bool {
        match target {
            _ if target < self.el => false,
            _ if target == self.el => self.daif & mask == 0,
            1 => self.daif & mask == 0,
            _ => true,
        }
    }

    /// True if a virtual interrupt is pending, owned by EL2, and this level sees it.
    fn is_virtual(&self, pending: u64, owned: u64) -> bool {
        let hcr = self.hcr();
        self.el < 2 && hcr & hcr::TGE == 0 && hcr & pending != 0 && hcr & owned != 0
    }

    /// The interrupt to take before the next instruction, with these levels on the core's inputs.
    #[inline]
    pub fn interrupt_pending(&self, lines: Lines) -> Option<Interrupt> {
        let quiet = !lines.irq && !lines.fiq && self.sys[Reg::HCR_EL2] & (hcr::VI | hcr::VF | hcr::VSE) == 0;
        if quiet { None } else { self.select_interrupt(lines) }
    }

    fn select_interrupt(&self, lines: Lines) -> Option<Interrupt> {
        if lines.fiq && self.is_taken(self.interrupt_target(scr::FIQ, hcr::FMO), MASK_F) {
            Some(Interrupt::Fiq)
        } else if lines.irq && self.is_taken(self.interrupt_target(scr::IRQ, hcr::IMO), MASK_I) {
            Some(Interrupt::Irq)
        } else if self.is_virtual(hcr::VSE, hcr::AMO) && self.daif & MASK_A == 0 {
            Some(Interrupt::VirtualSError)
        } else if self.is_virtual(hcr::VF, hcr::FMO) && self.daif & MASK_F == 0 {
            Some(Interrupt::VirtualFiq)
        } else if self.is_virtual(hcr::VI, hcr::IMO) && self.daif & MASK_I == 0 {
            Some(Interrupt::VirtualIrq)
        } else {
            None
        }
    }

    /// True if WFI does not wait, or ends: an interrupt is pending, whatever PSTATE masks (ARM ARM D1.16.2).
    pub fn wakes(&self, lines: Lines) -> bool {
        lines.irq
            || lines.fiq
            || self.is_virtual(hcr::VI, hcr::IMO)
            || self.is_virtual(hcr::VF, hcr::FMO)
            || self.is_virtual(hcr::VSE, hcr::AMO)
    }

    /// Takes an interrupt before the instruction at `self.pc`.
    pub fn take_interrupt(&mut self, interrupt: Interrupt) {
        let (target, vector, name) = match interrupt {
            Interrupt::Irq => (self.interrupt_target(scr::IRQ, hcr::IMO), Vector::Irq, "IRQ"),
            Interrupt::Fiq => (self.interrupt_target(scr::FIQ, hcr::FMO), Vector::Fiq, "FIQ"),
            Interrupt::VirtualIrq => (1, Vector::Irq, "virtual IRQ"),
            Interrupt::VirtualFiq => (1, Vector::Fiq, "virtual FIQ"),
            Interrupt::VirtualSError => (1, Vector::SError, "virtual SError"),
        };
        let pc = self.pc;
        tracing::info!(target: "interrupts", "core {}: EL{} to EL{target}: {name}, ELR {pc:#x}", self.config.id, self.el);
        if interrupt == Interrupt::VirtualSError {
            self.sys[Reg::HCR_EL2] &= !hcr::VSE;
            self.sys[Reg::ESR_EL1] = 0x2f << 26 | ESR_IL;
        }
        self.enter(target, vector, pc);
    }

    // Floating point.

    fn fp_trapped_by_el1(&self) -> bool {
        let enable = self.sys[Reg::CPACR_EL1] >> 20 & 3;
        match self.el {
            0 => enable != 3,
            1 => enable & 1 == 0,
            _ => false,
        }
    }

    fn fp_trapped_by_el2(&self) -> bool {
        self.el < 3 && !self.secure_below_el3() && self.sys[Reg::CPTR_EL2] & CPTR_TFP != 0
    }

    /// The level to which FP and SIMD instructions are trapped, if they are.
    fn fp_trap_target(&self) -> Option<u8> {
        if self.fp_trapped_by_el1() {
            Some(self.el1_or_tge())
        } else if self.fp_trapped_by_el2() {
            Some(2)
        } else if self.sys[Reg::CPTR_EL3] & CPTR_TFP != 0 {
            Some(3)
        } else {
            None
        }
    }

    /// The exception that an FP or SIMD instruction raises at this level, if it is not allowed (CPACR_EL1, CPTR_EL2, CPTR_EL3). It changes only
    /// where [`Core::context_changed`] is called.
    pub fn fp_trap(&self) -> Option<Exception> {
        let trapped = self.fp_trap_target().is_some();
        trapped.then_some(Exception { class: Class::FpTrap, iss: CONDITION_ALWAYS, far: None })
    }

    // Software step.

    /// True if software step is on for the current level (ARM ARM D2.12, D2.4.1).
    pub fn step_enabled(&self) -> bool {
        use crate::sysreg::{MDSCR_KDE, MDSCR_SS};
        let mdscr = self.sys[Reg::MDSCR_EL1];
        if mdscr & MDSCR_SS == 0 || self.debug_locked() {
            return false;
        }
        let target = self.debug_target();
        if self.secure() && self.el != 0 && self.el < 3 && self.sys[Reg::MDCR_EL3] >> 16 & 1 != 0 {
            return false;
        }
        self.el < target || (self.el == target && mdscr & MDSCR_KDE != 0 && self.daif & MASK_D == 0)
    }

    /// To be called before an instruction while [`Core::step_enabled`]: raises the software step exception if its turn has come, and else lets one
    /// instruction through.
    pub fn step(&mut self) -> Option<Flow> {
        if std::mem::take(&mut self.sys.single_step) {
            return None;
        }
        // ISV is clear: whether the stepped instruction was a load-exclusive is not told.
        let exception = Exception { class: Class::SoftwareStep, iss: 0x22, far: None };
        Some(self.raise(exception, self.pc))
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
