//! Exception return (ARM ARM D1.10.3).

use super::{Class, Exception, elr_of, spsr_of};
use crate::core::{Core, Stop};
use crate::decode::Flow;
use crate::sysreg::{EXC_RETURN, Reg, hcr, scr};

/// SPSR_ELx bits.
pub(super) const SPSR_MODE: u64 = 0xf;
pub(super) const SPSR_AARCH32: u64 = 1 << 4;
pub(super) const SPSR_IL: u64 = 1 << 20;
pub(super) const SPSR_SS: u64 = 1 << 21;

impl Core {
    /// ERET (ARM ARM D1.10.3): leaves to the address and state in ELR_ELx and SPSR_ELx. The core is lost if that state is AArch32.
    pub(crate) fn exception_return(&mut self) -> Flow {
        let (spsr, target) = (self.sys[spsr_of(self.el)], self.sys[elr_of(self.el)]);
        self.clear_monitor();
        self.event = true;
        self.pmu_leave(EXC_RETURN, self.pc.wrapping_add(4 * u64::from(self.op_index)));
        let from = self.el;
        let Some((el, spsel)) = self.return_mode(spsr) else {
            return self.return_refused(spsr, target);
        };
        let stepping = self.step_enabled();
        self.nzcv = (spsr & 0xf000_0000) as u32;
        self.daif = (spsr >> 6 & 0xf) as u8;
        self.switch_sp(el, spsel);
        if !stepping {
            self.sys.stepped = None;
        }
        self.sys.single_step = spsr & SPSR_SS != 0 && !stepping && self.step_enabled();
        self.pc = self.canonical(target, el);
        self.context_changed();
        self.sys.progress.returned(self.pc, self.retired.wrapping_add(self.run_retired).wrapping_add(u64::from(self.op_index) + 1));
        let pc = self.pc;
        tracing::trace!(
            target: "exceptions",
            core = self.config.id,
            retired = self.run_retired,
            from,
            to = el,
            pc = format_args!("{pc:#x}"),
            "EL{from} returns to EL{el} at {pc:#x}"
        );
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
        if spsr & SPSR_AARCH32 != 0 && self.aarch32_is_legal(spsr) {
            let pc = self.pc.wrapping_add(4 * u64::from(self.op_index));
            let reason = format!(
                "ERET at EL{}, PC {pc:#x}, to AArch32 state (SPSR {spsr:#x}, to {target:#x}): 32-bit code is not supported",
                self.el
            );
            self.stop = Stop::Lost(reason);
            self.pc = target;
            return Flow::Stop;
        }
        if self.is_first_at(target) {
            tracing::warn!(
                target: "exceptions",
                core = self.config.id,
                "illegal exception return at EL{} (SPSR {spsr:#x}, to {target:#x}, SCR_EL3 {:#x}, HCR_EL2 {:#x}): illegal execution state",
                self.el,
                self.sys[Reg::SCR_EL3],
                self.sys[Reg::HCR_EL2],
            );
        }
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
}
