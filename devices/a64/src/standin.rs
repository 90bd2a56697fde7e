//! Local stand-ins until the system side lands.

use crate::bus::Lines;
use crate::core::Core;
use crate::exception::Exception;
use crate::tlb::Inputs;

pub(crate) struct Interrupt;

impl Core {
    pub(crate) fn fp_trap(&self) -> Option<Exception> {
        None
    }

    pub(crate) fn interrupt_pending(&self, _lines: Lines) -> Option<Interrupt> {
        None
    }

    pub(crate) fn take_interrupt(&mut self, _interrupt: Interrupt) {}

    pub(crate) fn translation_inputs(&self) -> Inputs {
        [0; 8]
    }

    /// SCTLR_ELx of the current exception level.
    pub(crate) fn sctlr(&self) -> u64 {
        0
    }
}
