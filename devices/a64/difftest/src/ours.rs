//! The core under test.

use crate::case::{Case, End, Machine, Memory, Outcome, State, Stepper, Window, has_far};
use crate::layout::{self, RAM_BYTES, SLOT_BYTES, SLOTS, VECTORS, WINDOW};
use std::sync::Arc;
use tayberry_a64::core::SLOT_SP;
use tayberry_a64::sysreg::{Reg, SysRegs};
use tayberry_a64::{Access, Bus, Config, Core, Features, Lines, Maintenance, Posted, Stop, Timer};
use tayberry_ram::GuestRam;

/// Instructions after which a case counts as endless.
const BUDGET: u64 = 100;

/// No device, no interrupt, no time.
struct Nothing;

impl Bus for Nothing {
    fn read(&mut self, _: Access) -> u64 {
        0
    }
    fn write(&mut self, _: Access, _: u64) -> Posted {
        Posted::Done
    }
    fn counter(&mut self, _: u64) -> u64 {
        0
    }
    fn set_timer(&mut self, _: Timer, _: u32, _: u64) {}
    fn interrupts(&mut self, _: u64) -> Lines {
        Lines::default()
    }
    fn send_event(&mut self) {}
    fn broadcast(&mut self, _: Maintenance) {}
}

/// Tayberry's core at EL0, with an EL1 that stops at every exception.
pub struct Ours {
    core: Core,
    ram: Arc<GuestRam>,
    system: SysRegs,
    window: Box<Window>,
    /// Which slots hold code already.
    used: Box<[bool; SLOTS as usize]>,
    /// How many slots were used again.
    again: u32,
}

/// After so many slots were used again, a fresh core is cheaper: each makes what the core has looked up stale.
const AGAIN: u32 = 64;

impl Default for Ours {
    fn default() -> Self {
        Self::new(Features::default())
    }
}

impl Ours {
    /// A fresh core with these extensions and the guest's memory.
    ///
    /// # Panics
    /// If the host has no address space for a few MiB.
    pub fn new(features: Features) -> Self {
        let ram = Arc::new(GuestRam::new(RAM_BYTES).expect("a few MiB"));
        for (at, word) in layout::image() {
            ram.write_u64(at, word).expect("in RAM");
        }
        let mut core = Core::new(Config {
            id: 0,
            ram: ram.clone(),
            ram_top: RAM_BYTES,
            doorbell: Arc::default(),
            features,
            jit: std::env::var("TAYBERRY_JIT")
                .ok()
                .map(|t| tayberry_a64::JitConfig { threshold: t.parse().unwrap_or(0), ..Default::default() }),
        });
        // Non-secure, 64 bits below, HVC allowed.
        core.sys[Reg::SCR_EL3] = 0x531;
        core.sys[Reg::HCR_EL2] = 1 << 31;
        core.sys[Reg::SCTLR_EL1] = layout::SCTLR;
        core.sys[Reg::TCR_EL1] = layout::TCR;
        core.sys[Reg::TTBR0_EL1] = layout::TABLES;
        core.sys[Reg::MAIR_EL1] = layout::MAIR;
        core.sys[Reg::VBAR_EL1] = VECTORS;
        core.sys[Reg::CPACR_EL1] = layout::CPACR;
        core.switch_sp(0, false);
        core.context_changed();
        let system = core.sys.clone();
        Self { core, ram, system, window: Box::new([0; _]), used: Box::new([false; _]), again: 0 }
    }

    /// A fresh core with the code that is there.
    fn renew(&mut self) {
        let mut code = vec![0; (layout::CODE_END - layout::CODE) as usize];
        self.ram.copy_out(layout::CODE, &mut code).expect("in RAM");
        *self = Self::new(self.core.config().features);
        self.ram.copy_in(layout::CODE, &code).expect("in RAM");
    }

    fn start(&mut self, case: &Case) {
        let slot = (case.pc - layout::CODE) / SLOT_BYTES % SLOTS;
        if std::mem::replace(&mut self.used[slot as usize], true) {
            self.again += 1;
            if self.again > AGAIN {
                self.renew();
                self.used[slot as usize] = true;
            }
        }
        self.ram.fill(layout::CODE + slot * SLOT_BYTES, SLOT_BYTES, 0).expect("in RAM");
        for (at, &word) in (case.pc..).step_by(4).zip(case.words.iter().chain([&layout::END_OF_CODE])) {
            self.ram.write_u32(at, word).expect("in RAM");
        }
        case.fill_window(&mut self.window);
        for (at, &word) in (WINDOW..).step_by(8).zip(self.window.iter()) {
            self.ram.write_u64(at, word).expect("in RAM");
        }
        let core = &mut self.core;
        let state = &case.state;
        core.sys = self.system.clone();
        core.sys[Reg::SCTLR_EL1] |= if case.big_endian { layout::BIG_ENDIAN } else { 0 };
        core.sys[Reg::TPIDR_EL0] = state.tpidr;
        core.switch_sp(0, false);
        core.x[..31].copy_from_slice(&state.x);
        core.x[usize::from(SLOT_SP)] = state.sp;
        core.pc = case.pc;
        core.nzcv = state.nzcv;
        core.daif = 0;
        core.fp.v = state.v;
        core.fp.fpcr = state.fpcr;
        core.fp.fpsr = state.fpsr;
        core.event = false;
        core.clear_monitor();
        core.context_changed();
    }

    fn end(&mut self) -> End {
        match self.core.run(&mut Nothing, BUDGET).stop {
            Stop::Wfi if self.core.el == 1 => {
                let sys = &self.core.sys;
                let esr = sys[Reg::ESR_EL1] as u32;
                End::Exception { esr, far: if has_far(esr >> 26) { sys[Reg::FAR_EL1] } else { 0 }, pc: sys[Reg::ELR_EL1] }
            }
            Stop::Budget => End::Endless,
            Stop::Wfi => End::Odd("waits for an interrupt"),
            Stop::Wfe { .. } => End::Odd("waits for an event"),
            Stop::Lost(_) | Stop::Stuck(_) | Stop::Suspect(_) => End::Odd("lost the core"),
            _ => End::Odd("stopped"),
        }
    }
}

impl Ours {
    fn registers(&self, state: &mut State) {
        let core = &self.core;
        state.x.copy_from_slice(&core.x[..31]);
        state.sp = core.x[usize::from(SLOT_SP)];
        state.nzcv = core.nzcv & 0xf000_0000;
        state.v = core.fp.v;
        state.fpcr = core.fp.fpcr;
        state.fpsr = core.fp.fpsr;
        state.tpidr = core.sys[Reg::TPIDR_EL0];
    }

    fn read_window(&self, window: &mut Window) {
        for (at, word) in (WINDOW..).step_by(8).zip(window) {
            *word = self.ram.read_u64(at).expect("in RAM");
        }
    }
}

impl Machine for Ours {
    fn run(&mut self, case: &Case, out: &mut Outcome) {
        self.start(case);
        out.end = self.end();
        // The stack pointer of EL0, wherever the core is now.
        self.core.switch_sp(0, false);
        self.registers(&mut out.state);
        self.read_window(&mut out.window);
    }
}

impl Stepper for Ours {
    fn after(&mut self, case: &Case, n: u64) -> Option<Case> {
        self.start(case);
        self.core.run(&mut Nothing, n);
        let index = self.core.pc.wrapping_sub(case.pc) / 4;
        let word = *case.words.get(usize::try_from(index).ok()?)?;
        if self.core.el != 0 {
            return None;
        }
        let mut state = State::default();
        self.registers(&mut state);
        let mut window = Box::new([0; _]);
        self.read_window(&mut window);
        Some(Case { pc: self.core.pc, words: vec![word], state, memory: Memory::Words(window), big_endian: case.big_endian })
    }
}
