//! Interrupts: routing, masking, taking (ARM ARM D1.13, D1.14).

use super::{ESR_IL, Vector};
use crate::bus::Lines;
use crate::core::Core;
use crate::sysreg::{Reg, hcr, scr};

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
pub(super) const MASK_F: u8 = 1;
pub(super) const MASK_I: u8 = 2;
pub(super) const MASK_A: u8 = 4;
pub(super) const MASK_D: u8 = 8;

impl Core {
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
        self.sys.progress.interrupted();
        tracing::info!(
            target: "interrupts",
            core = self.config.id,
            retired = self.run_retired,
            from = self.el,
            to = target,
            elr = format_args!("{pc:#x}"),
            "EL{} to EL{target}: {name}, ELR {pc:#x}",
            self.el
        );
        if interrupt == Interrupt::VirtualSError {
            self.sys[Reg::HCR_EL2] &= !hcr::VSE;
            self.sys[Reg::ESR_EL1] = 0x2f << 26 | ESR_IL;
        }
        self.enter(target, vector, pc);
    }
}
