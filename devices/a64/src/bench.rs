//! A core on a bench: executes single system instructions at any exception level.

use crate::core::{Config, Core};
use crate::decode::{Flow, Op};
use crate::features::Features;
use crate::sysreg::table::{Reg, TABLE};
use crate::system::{ROWS, THREADED};
use crate::testing::TestBus;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tayberry_ram::GuestRam;

/// Bytes of RAM on the bench.
pub(crate) const RAM: u64 = 1 << 20;

/// A core and its bus.
pub(crate) struct Bench {
    pub(crate) core: Core,
    pub(crate) bus: TestBus,
}

/// Bit 21 of MRS, MSR, SYS: the register is read.
const READ: u32 = 1 << 21;
const MSR: u32 = 0xd500_0000;

impl Bench {
    /// After reset, as boot firmware goes on: AArch64 at all levels, Non-secure below EL3, HVC enabled; current level `el` with its own stack.
    pub(crate) fn at(el: u8) -> Self {
        let mut bench = Self::reset();
        bench.write(Reg::SCR_EL3, 0x531);
        bench.write(Reg::HCR_EL2, 1 << 31);
        for (vbar, base) in [(Reg::VBAR_EL1, 0x1000), (Reg::VBAR_EL2, 0x2000), (Reg::VBAR_EL3, 0x3000)] {
            bench.write(vbar, base);
        }
        bench.enter(el);
        bench.core.pc = 0x8_0000;
        bench.core.daif = 0;
        bench
    }

    /// After a cold reset.
    pub(crate) fn reset() -> Self {
        let ram = Arc::new(GuestRam::new(RAM).expect("a little RAM"));
        let config = Config { id: 1, ram, ram_top: RAM, doorbell: Arc::new(AtomicU32::new(0)), features: Features::default(), jit: None };
        Self { core: Core::new(config), bus: TestBus::default() }
    }

    /// Makes `el` current, with its own stack pointer, as a return to it would.
    pub(crate) fn enter(&mut self, el: u8) {
        self.core.switch_sp(el, el > 0);
    }

    /// Executes one system instruction at the current PC.
    pub(crate) fn execute(&mut self, word: u32) -> Flow {
        let mut rows = ROWS.iter().chain(THREADED).filter(|row| (word ^ row.bits) & row.mask == 0).peekable();
        assert!(rows.peek().is_some(), "{word:#x} is in no row");
        match rows.find_map(|row| (row.build)(word)) {
            Some(op) => {
                // A handler that goes on itself comes to the second operation.
                let ops = [Op { insn: word, ..op }, Op::new(|_, _, _| Flow::Next, 0)];
                (ops[0].exec)(&mut self.core, &mut self.bus, &ops[0])
            }
            None => self.core.raise(crate::Exception::UNDEFINED, self.core.pc),
        }
    }

    /// MSR from X0 at the current level.
    pub(crate) fn msr(&mut self, register: Reg, value: u64) -> Flow {
        self.core.x[0] = value;
        self.execute(msr_word(register))
    }

    /// MRS to X0 at the current level; the register's value if it was allowed.
    pub(crate) fn mrs(&mut self, register: Reg) -> Result<u64, Flow> {
        match self.execute(msr_word(register) | READ) {
            Flow::Next => Ok(self.core.x[0]),
            other => Err(other),
        }
    }

    /// MSR as EL3 does it, wherever the core is.
    pub(crate) fn write(&mut self, register: Reg, value: u64) {
        let (el, spsel, pc, stop) = (self.core.el, self.core.spsel, self.core.pc, self.core.stop.clone());
        self.core.switch_sp(3, true);
        let flow = self.msr(register, value);
        assert_ne!(flow, Flow::Fault, "{register:?} is writable at EL3");
        self.core.switch_sp(el, spsel);
        (self.core.pc, self.core.stop) = (pc, stop);
    }
}

/// MSR of a register from X0.
pub(crate) fn msr_word(register: Reg) -> u32 {
    MSR | 1 << 20 | u32::from(TABLE[register as usize].key) << 5
}

/// SYS #op1, CRn, CRm, #op2, X0.
pub(crate) fn sys_word(op1: u32, crn: u32, crm: u32, op2: u32) -> u32 {
    MSR | 1 << 19 | op1 << 16 | crn << 12 | crm << 8 | op2 << 5
}
