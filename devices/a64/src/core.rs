//! The state of a core.

use crate::block::{Blocks, NO_LINK};
use crate::decode::Op;
use crate::features::Features;
use crate::jit::{Counters, Frame, Jit, JitConfig};
use crate::mem::Monitor;
use crate::sysreg::SysRegs;
use crate::tlb::Tlb;
use crate::trail::Trail;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use tayberry_ram::GuestRam;

/// Number of slots in [`Core::x`].
pub const SLOTS: usize = 64;
/// Slot that reads as zero: register 31 as XZR/WZR source. Never written.
pub const SLOT_ZR: u8 = 31;
/// Slot of the current stack pointer: register 31 as SP.
pub const SLOT_SP: u8 = 32;
/// Slot that swallows writes: register 31 as XZR/WZR destination. Never read.
pub const SLOT_SINK: u8 = 33;

/// Bits of the doorbell ([`Config::doorbell`]), set by anybody with `Release`, taken by the core with `Acquire` at block boundaries.
pub mod doorbell {
    /// Stop the slice now: [`super::Stop::Attention`].
    pub const STOP: u32 = 1 << 0;
    /// Drop all TLB entries.
    pub const TLB: u32 = 1 << 1;
    /// Drop the write TLB.
    pub const WRITE_TLB: u32 = 1 << 2;
    /// The code map's epoch rose: stale blocks must go.
    pub const CODE: u32 = 1 << 3;
    /// The core's event register is set (SEV).
    pub const EVENT: u32 = 1 << 4;
    /// Drop the TLB entries that [`crate::Bus::next_invalidation`] names.
    pub const TLB_SCOPED: u32 = 1 << 5;
}

/// Bits of [`Core::ends`]: the block ends with the current instruction, whoever executes it, so that what follows happens at the same
/// instruction in every run.
pub(crate) mod ends {
    /// A device write was posted: the core stops.
    pub(crate) const POSTED: u8 = 1 << 0;
    /// A device was written, or code: the core looks at its doorbell and its interrupts.
    pub(crate) const LOOK: u8 = 1 << 1;
}

/// How a core is built.
#[derive(Clone, Debug)]
pub struct Config {
    /// Affinity 0 of MPIDR_EL1, 0 to 3.
    pub id: u8,
    /// Guest RAM, at guest-physical 0.
    pub ram: Arc<GuestRam>,
    /// Where RAM ends for this core and devices begin (0x3F00_0000 on a Pi 3).
    pub ram_top: u64,
    /// Bits by which others reach this core while it runs.
    pub doorbell: Arc<AtomicU32>,
    /// Extensions of the architecture.
    pub features: Features,
    /// Translate guest code; `None` interprets all of it.
    pub jit: Option<JitConfig>,
}

/// Why [`Core::run`] came back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// The budget is spent.
    Budget,
    /// Somebody rang the doorbell's STOP.
    Attention,
    /// WFI with no interrupt pending. Continue when an interrupt is.
    Wfi,
    /// WFE with the event register clear. Continue on an event or interrupt.
    Wfe {
        /// The exclusive monitor is armed: a store by another core to the monitored line is an event too (ARM ARM D1.16.1), so the core
        /// must be polled, not put to sleep.
        armed: bool,
    },
    /// A device write was posted ([`crate::bus::Posted::Exit`]); the instruction has retired.
    Posted,
    /// Broadcast maintenance must have reached all cores before this one goes on.
    Sync,
    /// Nothing but exceptions, by which the core goes nowhere unless something reaches it from outside: why, in words. Running it again goes on as hardware
    /// would.
    Stuck(String),
    /// The core seems to go nowhere: why, in words. Told once; it goes on.
    Suspect(String),
    /// HLT #0xF000 where the machine takes such calls: the instruction has retired, W0 and X1 say what is wanted.
    Semihosting,
    /// The core is lost: an exception with no way to handle it, with a reason in words for the user.
    Lost(String),
}

/// Result of one [`Core::run`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Instructions retired in it.
    pub retired: u64,
    /// Why it ended.
    pub stop: Stop,
}

/// Floating point and Advanced SIMD registers.
#[derive(Clone, Debug)]
#[repr(C, align(16))]
pub struct FpState {
    /// V0 to V31.
    pub v: [u128; 32],
    /// FPCR.
    pub fpcr: u32,
    /// FPSR (QC and the cumulative exception flags).
    pub fpsr: u32,
}

/// One AArch64 core.
///
/// General registers live in *slots*: the decoder turns register 31 into [`SLOT_ZR`], [`SLOT_SP`] or [`SLOT_SINK`] so that no handler has to ask.
#[derive(Debug)]
#[repr(C)]
pub struct Core {
    /// X0 to X30 and the special slots.
    pub x: [u64; SLOTS],
    /// Address of the next instruction (while a block runs: of the block; see `Core::current_pc`).
    pub pc: u64,
    /// N, Z, C, V in bits 31 to 28.
    pub nzcv: u32,
    /// Current exception level, 0 to 3.
    pub el: u8,
    /// PSTATE.SP: use SP_ELx.
    pub spsel: bool,
    /// PSTATE.DAIF in bits 3 to 0 (D = 8, A = 4, I = 2, F = 1).
    pub daif: u8,
    /// Vector registers and FP control.
    pub fp: FpState,
    /// System registers.
    pub sys: SysRegs,
    /// The event register of WFE and SEV.
    pub event: bool,
    /// Instructions retired since reset.
    pub retired: u64,
    /// Instructions retired in the current [`Core::run`] before the current block.
    pub run_retired: u64,
    /// Instructions of the current [`Core::run`] after which the run loop looks further: its budget, or where a counter overflows.
    pub(crate) run_limit: u64,
    /// Why the core stops, set by a handler that returns [`crate::Flow::Stop`].
    pub stop: Stop,
    /// What the core was built with. The software TLB points into its RAM, so nobody else may replace it.
    pub(crate) config: Config,
    /// Set by a handler after which an interrupt that is already asserted may be let through (MSR DAIF, ERET, HCR_EL2, exception entry):
    /// the run loop polls the lines at the next block boundary.
    pub check_interrupts: bool,
    /// What the current instruction's stores ask for once it has retired: bits of [`ends`].
    pub(crate) ends: u8,
    /// Index of the current instruction in its block, as far as slow paths need it.
    pub(crate) op_index: u32,
    /// How the last block was left: a link of [`Blocks`], or [`NO_LINK`].
    pub(crate) link: u32,
    /// Tag of the current context: translation inputs, exception level and FP traps.
    pub(crate) tag: u32,
    /// The local exclusive monitor.
    pub(crate) monitor: Monitor,
    pub(crate) tlb: Tlb,
    pub(crate) blocks: Blocks,
    /// Epoch of the code map that the blocks were last compared with.
    pub(crate) code_epoch: u64,
    /// Addresses of instructions that were told of ([`Core::is_first_at`]).
    pub(crate) reported: HashSet<u64>,
    /// Where it came from.
    pub(crate) trail: Trail,
    /// What was executed, and how.
    pub(crate) counters: Counters,
    /// What translated code keeps in memory.
    pub(crate) frame: Frame,
    /// The translator, if guest code is translated.
    pub(crate) jit: Option<Box<Jit>>,
}

/// Addresses of instructions that are told of, at most: a guest that makes up code does not flood the trace.
const REPORTED: usize = 256;

impl Core {
    /// True the first time that something is to be told of the instruction at `pc`, and never again once enough was told.
    pub(crate) fn is_first_at(&mut self, pc: u64) -> bool {
        self.reported.len() < REPORTED && self.reported.insert(pc)
    }

    /// A core after a cold reset: EL3, PC 0, MMU off, all interrupts masked.
    pub fn new(config: Config) -> Self {
        Self {
            x: [0; SLOTS],
            pc: 0,
            nzcv: 0,
            el: 3,
            spsel: true,
            daif: 0xf,
            fp: FpState { v: [0; 32], fpcr: 0, fpsr: 0 },
            sys: SysRegs::new(config.id, config.features),
            event: false,
            retired: 0,
            run_retired: 0,
            run_limit: 0,
            stop: Stop::Budget,
            check_interrupts: true,
            ends: 0,
            op_index: 0,
            link: NO_LINK,
            tag: 0,
            monitor: Monitor::default(),
            tlb: Tlb::new(),
            blocks: Blocks::new(),
            code_epoch: 0,
            reported: HashSet::new(),
            trail: Trail::default(),
            counters: Counters::default(),
            frame: Frame::new(),
            jit: config.jit.and_then(Jit::new),
            config,
        }
        .with_context()
    }

    fn with_context(mut self) -> Self {
        self.context_changed();
        self
    }

    /// What the core was built with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What was executed, and how, since the core was made.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Gives back what is only kept for speed: decoded blocks and translated code. Only between runs.
    pub fn trim(&mut self) {
        self.blocks.release();
        self.link = NO_LINK;
        if let Some(jit) = self.jit.as_deref_mut() {
            jit.release();
        }
    }

    /// A register slot. The index is masked so that no bounds check remains; the decoder only makes slots below [`SLOTS`].
    #[inline(always)]
    pub fn reg(&self, slot: u8) -> u64 {
        self.x[slot as usize % SLOTS]
    }

    /// Sets a register slot.
    #[inline(always)]
    pub fn set_reg(&mut self, slot: u8, value: u64) {
        self.x[slot as usize % SLOTS] = value;
    }

    /// The exclusive monitor is armed (see [`Stop::Wfe`]).
    pub fn monitor_armed(&self) -> bool {
        self.monitor.armed
    }

    /// Clears the local exclusive monitor: CLREX, exception entry and return.
    pub fn clear_monitor(&mut self) {
        self.monitor.armed = false;
    }

    /// Address of the instruction that `op` was decoded from, while its block runs.
    #[inline]
    pub fn current_pc(&self, op: &Op) -> u64 {
        self.pc.wrapping_add(4 * u64::from(op.index))
    }

    /// Instructions retired in the current run before `op`: the guest's time of a device or counter access.
    #[inline]
    pub fn retired_before(&self, op: &Op) -> u64 {
        self.run_retired + u64::from(op.index)
    }
}
