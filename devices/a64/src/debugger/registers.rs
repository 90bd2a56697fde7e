//! Registers for a debugger: all of them, by name, without the guards that stand before the guest.

use crate::bus::Bus;
use crate::core::{Core, SLOT_SP};
use crate::decode::{Op, decode};
use crate::sysreg::table::TABLE;
use crate::sysreg::{NEVER, Register};

/// A system register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemRegister {
    /// Its name as in the ARM ARM, in capitals.
    pub name: &'static str,
    /// What [`Core::read_system`] knows it by.
    pub index: usize,
    /// The guest can write it at some level.
    pub writable: bool,
}

/// Registers that a debugger does not see: a read of them takes something away, and what has no name means nothing.
fn is_hidden(register: &Register) -> bool {
    register.read_el >= NEVER || register.name.starts_with("DBGDTR") || register.name.starts_with("ID_RES_")
}

/// The system registers that a debugger can read, in the order of the table.
pub fn system_registers() -> impl Iterator<Item = SystemRegister> {
    let registers = TABLE.iter().enumerate().filter(|(_, register)| !is_hidden(register));
    registers.map(|(index, register)| SystemRegister { name: register.name, index, writable: register.write_el < NEVER })
}

/// PSTATE in the layout of SPSR_ELx.
pub type Pstate = u64;

/// MRS and MSR of register 0, without the register's encoding.
const MRS: u32 = 0xd530_0000;
const MSR: u32 = 0xd510_0000;

/// The operation that an access by the guest would be, for functions that look at it.
fn access(register: &Register, base: u32) -> Op {
    let mut op = decode(base | u32::from(register.key) << 5).op;
    op.index = 0;
    op
}

impl Core {
    /// The current stack pointer.
    pub fn sp(&self) -> u64 {
        self.x[usize::from(SLOT_SP)]
    }

    /// Sets the current stack pointer.
    pub fn set_sp(&mut self, value: u64) {
        self.x[usize::from(SLOT_SP)] = value;
    }

    /// Sets PSTATE: flags, masks, and the exception level with its stack pointer. What is no state of AArch64 leaves the level as it is. Between runs.
    pub fn set_pstate(&mut self, value: Pstate) {
        self.nzcv = value as u32 & 0xf000_0000;
        self.daif = (value >> 6 & 0xf) as u8;
        let (el, spsel) = ((value >> 2 & 3) as u8, value & 1 != 0);
        let exists = value & 0x12 == 0 && (el > 0 || !spsel);
        if exists {
            self.switch_sp(el, spsel);
        }
        self.context_changed();
    }

    /// The value of a system register, whoever may read it.
    pub fn read_system(&mut self, bus: &mut dyn Bus, index: usize) -> Option<u64> {
        let register = TABLE.get(index).filter(|register| !is_hidden(register))?;
        Some(match register.read {
            Some(read) => read(self, bus, &access(register, MRS)),
            None => self.sys.value(index as u64),
        })
    }

    /// Writes a system register with all that follows from it, whoever may write it. False if nobody may.
    pub fn write_system(&mut self, bus: &mut dyn Bus, index: usize, value: u64) -> bool {
        let Some(register) = TABLE.get(index).filter(|register| register.write_el < NEVER) else { return false };
        let value = value & register.mask | register.ones;
        match register.write {
            Some(write) => _ = write(self, bus, &access(register, MSR), value),
            None => self.sys.set_value(index as u64, value),
        }
        self.context_changed();
        true
    }
}
