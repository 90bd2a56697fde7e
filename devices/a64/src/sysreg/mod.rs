//! System registers (ARM ARM D13, Cortex-A53 TRM chapter 4).
//!
//! Every register is one line of [`table`]: its encoding, who may touch it, which traps guard it, which bits it keeps, and, where storage
//! alone is not enough, functions that read and write it. MRS and MSR are resolved to their line when they are decoded.

mod access;
mod debug;
mod id;
mod pmu;
pub mod table;
#[cfg(test)]
mod tests;
mod timer;
mod trap;
pub mod words;

pub(crate) use access::{Inline, build_mrs, build_msr, build_threaded_msr, build_unallocated_mrs, inline};
pub(crate) use debug::{MDSCR_KDE, MDSCR_MDE, MDSCR_SS};
pub(crate) use pmu::{EXC_RETURN, EXC_TAKEN};
pub(crate) use timer::event_stream_enabled;
pub(crate) use trap::Denied;

use crate::bus::Bus;
use crate::core::Core;
use crate::decode::Op;
use crate::features::Features;
use pmu::Pmu;
use serde::{Deserialize, Serialize};
use std::ops::{Index, IndexMut};
pub use table::Reg;
use table::{COUNT, TABLE};

/// Minimum exception level of an access that no level may make.
pub(crate) const NEVER: u8 = 4;

/// What a register write asks of the run loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum After {
    /// Nothing.
    Next,
    /// Leave the block: what follows may behave differently.
    Leave,
    /// Leave the slice, so that the machine sees a new deadline.
    Attention,
}

/// Reads a register that is not plain storage.
pub(crate) type Read = fn(&mut Core, &mut dyn Bus, &Op) -> u64;
/// Writes a register that is not plain storage; the value is masked already.
pub(crate) type Write = fn(&mut Core, &mut dyn Bus, &Op, u64) -> After;

/// What guards a register, beside the exception level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trap {
    /// Nothing.
    None,
    /// HCR_EL2.TVM and TRVM: virtual memory control.
    VirtualMemory,
    /// HCR_EL2.TID1.
    Id1,
    /// HCR_EL2.TID2.
    Id2,
    /// HCR_EL2.TID3.
    Id3,
    /// CTR_EL0: SCTLR_EL1.UCT at EL0, and HCR_EL2.TID2.
    CacheType,
    /// CPTR_EL2.TCPAC and CPTR_EL3.TCPAC.
    Cpacr,
    /// HCR_EL2.TACR.
    Actlr,
    /// HCR_EL2.TIDCP, and for writes a bit of ACTLR_EL2 and ACTLR_EL3 (zero: not guarded by these).
    Implementation(u8),
    /// SCTLR_EL1.UMA at EL0.
    Daif,
    /// SP_EL0 while it is the current stack pointer.
    SpEl0,
    /// CPACR_EL1, CPTR_EL2 and CPTR_EL3, as any FP instruction.
    Fp,
    /// CNTKCTL_EL1.EL0PCTEN, CNTHCTL_EL2.EL1PCTEN.
    PhysicalCounter,
    /// CNTKCTL_EL1.EL0VCTEN.
    VirtualCounter,
    /// Either of the two before, at EL0.
    CounterFrequency,
    /// CNTKCTL_EL1.EL0PTEN, CNTHCTL_EL2.EL1PCEN.
    PhysicalTimer,
    /// CNTKCTL_EL1.EL0VTEN.
    VirtualTimer,
    /// SCR_EL3.ST and NS.
    SecureTimer,
    /// Any of these bits of PMUSERENR_EL0 at EL0, MDCR_EL2.TPM and MDCR_EL3.TPM.
    Pmu(u8),
    /// A counter's value: these bits of PMUSERENR_EL0 let EL0 read it, only EN lets it write.
    PmuCounter(u8),
    /// PMUSERENR_EL0 itself: MDCR_EL2.TPM and MDCR_EL3.TPM alone.
    PmuUser,
    /// As `Pmu`, and MDCR_EL2.TPMCR.
    PmuControl,
    /// MDCR_EL2.TDA and MDCR_EL3.TDA; MDSCR_EL1.TDCC at EL0.
    Debug,
    /// MDCR_EL2.TDOSA and MDCR_EL3.TDOSA.
    DebugOs,
    /// MDCR_EL2.TDRA.
    DebugRom,
}

/// One system register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register {
    /// Its name in the ARM ARM or the TRM.
    pub name: &'static str,
    /// op0, op1, CRn, CRm, op2 as in instruction bits 19 to 5.
    pub key: u16,
    /// Lowest exception level that reads it.
    pub read_el: u8,
    /// Lowest exception level that writes it.
    pub write_el: u8,
    /// Guards beside the level.
    pub trap: Trap,
    /// Value after a cold reset.
    pub reset: u64,
    /// Bits that a write changes.
    pub mask: u64,
    /// Bits that are one whatever is written.
    pub ones: u64,
    /// Translation or decoding depend on it.
    pub context: bool,
    /// How it is read, if not from storage.
    pub read: Option<Read>,
    /// How it is written, if not to storage.
    pub write: Option<Write>,
}

impl Register {
    pub(crate) const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }
    /// Read and written from `el` on.
    pub(crate) const fn rw(mut self, el: u8) -> Self {
        self.read_el = el;
        self.write_el = el;
        self
    }
    /// Only read, from `el` on.
    pub(crate) const fn ro(mut self, el: u8) -> Self {
        self.read_el = el;
        self
    }
    /// Only written, from `el` on.
    pub(crate) const fn wo(mut self, el: u8) -> Self {
        self.write_el = el;
        self
    }
    pub(crate) const fn trap(mut self, trap: Trap) -> Self {
        self.trap = trap;
        self
    }
    pub(crate) const fn reset(mut self, value: u64) -> Self {
        self.reset = value;
        self
    }
    pub(crate) const fn mask(mut self, mask: u64) -> Self {
        self.mask = mask;
        self
    }
    pub(crate) const fn ones(mut self, ones: u64) -> Self {
        self.ones = ones;
        self.reset |= ones;
        self
    }
    /// Reads as zero, ignores writes.
    pub(crate) const fn zero(self) -> Self {
        self.mask(0)
    }
    /// A register of 32 bits.
    pub(crate) const fn word(self) -> Self {
        self.mask(0xffff_ffff)
    }
    pub(crate) const fn context(mut self) -> Self {
        self.context = true;
        self
    }
    pub(crate) const fn reads(mut self, read: Read) -> Self {
        self.read = Some(read);
        self
    }
    pub(crate) const fn writes(mut self, write: Write) -> Self {
        self.write = Some(write);
        self
    }
}

/// op0, op1, CRn, CRm, op2 as they stand in bits 19 to 5 of MRS and MSR.
pub(crate) const fn key(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> u16 {
    (op0 & 1) << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

/// A register of plain storage that nobody may touch yet.
pub(crate) const fn at(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> Register {
    Register {
        name: "",
        key: key(op0, op1, crn, crm, op2),
        read_el: NEVER,
        write_el: NEVER,
        trap: Trap::None,
        reset: 0,
        mask: u64::MAX,
        ones: 0,
        context: false,
        read: None,
        write: None,
    }
}

/// The state of the system side of a core.
#[derive(Clone, Debug)]
pub struct SysRegs {
    values: [u64; COUNT],
    /// Stack pointers by level; the current one lives in slot [`crate::core::SLOT_SP`] and is stale here.
    pub(crate) sp: [u64; 4],
    /// PSTATE.SS.
    pub(crate) single_step: bool,
    /// There are breakpoints to look for (MDSCR_EL1.MDE and any DBGBCRn_EL1.E, not locked).
    pub(crate) breaking: bool,
    /// The same of watchpoints.
    pub(crate) guest_watching: bool,
    /// There are watchpoints to look for, the guest's or a debugger's.
    pub(crate) watching: bool,
    /// An instruction was stepped since the last exception or return; true for a load-exclusive.
    pub(crate) stepped: Option<bool>,
    /// Maintenance was broadcast: the next DSB waits for the other cores.
    pub(crate) sync_pending: bool,
    /// Event counters.
    pub(crate) pmu: Pmu,
    /// Watches for exceptions that lead nowhere.
    pub(crate) progress: crate::exception::Progress,
}

/// What is saved of the system registers; everything else follows from it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SavedRegs {
    /// All of the table.
    values: Vec<u64>,
    sp: [u64; 4],
    single_step: bool,
    stepped: Option<bool>,
    sync_pending: bool,
    pmu: Pmu,
    progress: crate::exception::Progress,
}

impl SysRegs {
    /// For [`Core::state`].
    pub(crate) fn saved(&self) -> SavedRegs {
        // Written out, so that a new field is not forgotten.
        let Self { values, sp, single_step, breaking: _, guest_watching: _, watching: _, stepped, sync_pending, pmu, progress } =
            self.clone();
        SavedRegs { values: values.to_vec(), sp, single_step, stepped, sync_pending, pmu, progress }
    }

    /// Takes over what was saved; what follows from it ([`Core::debug_changed`]) is the caller's business. `None` if there are not as many registers.
    pub(crate) fn restore(&mut self, saved: SavedRegs) -> Option<()> {
        let SavedRegs { values, sp, single_step, stepped, sync_pending, pmu, progress } = saved;
        self.values = values.try_into().ok()?;
        (self.sp, self.single_step, self.stepped, self.sync_pending) = (sp, single_step, stepped, sync_pending);
        (self.pmu, self.progress) = (pmu, progress);
        Some(())
    }

    /// Values after a cold reset of core `id`, with these extensions.
    pub fn new(id: u8, features: Features) -> Self {
        let mut sys = Self {
            values: std::array::from_fn(|index| TABLE[index].reset),
            sp: [0; 4],
            single_step: false,
            breaking: false,
            guest_watching: false,
            watching: false,
            stepped: None,
            sync_pending: false,
            pmu: Pmu::default(),
            progress: crate::exception::Progress::default(),
        };
        let mpidr = 0x8000_0000 | u64::from(id);
        sys[Reg::MPIDR_EL1] = mpidr;
        sys[Reg::VMPIDR_EL2] = mpidr;
        if features.crypto {
            sys[Reg::ID_AA64ISAR0_EL1] |= id::AA64_CRYPTO;
            sys[Reg::ID_ISAR5_EL1] |= id::AA32_CRYPTO;
        }
        sys
    }

    /// Storage by index in the table; zero beyond it.
    #[inline]
    pub(crate) fn value(&self, index: u64) -> u64 {
        self.values.get(index as usize).copied().unwrap_or(0)
    }

    /// Replaces storage by index in the table.
    #[inline]
    pub(crate) fn set_value(&mut self, index: u64, value: u64) {
        if let Some(cell) = self.values.get_mut(index as usize) {
            *cell = value;
        }
    }
}

impl SysRegs {
    /// Offset of the storage, by index in the table, for translated code.
    pub(crate) const VALUES: usize = std::mem::offset_of!(Self, values);
}

impl Index<Reg> for SysRegs {
    type Output = u64;
    #[inline]
    fn index(&self, register: Reg) -> &u64 {
        &self.values[register as usize]
    }
}

impl IndexMut<Reg> for SysRegs {
    #[inline]
    fn index_mut(&mut self, register: Reg) -> &mut u64 {
        &mut self.values[register as usize]
    }
}

/// Bits of SCTLR_ELx (ARM ARM D13.2.118).
pub mod sctlr {
    /// Stage 1 translation is on.
    pub const M: u64 = 1 << 0;
    /// Alignment checks.
    pub const A: u64 = 1 << 1;
    /// Stack alignment check at the register's own level.
    pub const SA: u64 = 1 << 3;
    /// Stack alignment check at EL0 (SCTLR_EL1).
    pub const SA0: u64 = 1 << 4;
    /// EL0 may change PSTATE.DAIF.
    pub const UMA: u64 = 1 << 9;
    /// EL0 may use DC ZVA.
    pub const DZE: u64 = 1 << 14;
    /// EL0 may read CTR_EL0.
    pub const UCT: u64 = 1 << 15;
    /// EL0 may use WFI.
    pub const NTWI: u64 = 1 << 16;
    /// EL0 may use WFE.
    pub const NTWE: u64 = 1 << 18;
    /// Writable memory is never executable.
    pub const WXN: u64 = 1 << 19;
    /// Data accesses of EL0 are big-endian.
    pub const E0E: u64 = 1 << 24;
    /// Data accesses and table walks are big-endian.
    pub const EE: u64 = 1 << 25;
    /// EL0 may maintain caches.
    pub const UCI: u64 = 1 << 26;
}

/// Bits of HCR_EL2 (ARM ARM D13.2.46).
pub mod hcr {
    /// Stage 2 translation is on.
    pub const VM: u64 = 1 << 0;
    /// A table walk that stage 2 maps to Device memory faults.
    pub const PTW: u64 = 1 << 2;
    /// FIQ goes to EL2; virtual FIQ exists.
    pub const FMO: u64 = 1 << 3;
    /// IRQ goes to EL2; virtual IRQ exists.
    pub const IMO: u64 = 1 << 4;
    /// SError goes to EL2; virtual SError exists.
    pub const AMO: u64 = 1 << 5;
    /// A virtual FIQ is pending.
    pub const VF: u64 = 1 << 6;
    /// A virtual IRQ is pending.
    pub const VI: u64 = 1 << 7;
    /// A virtual SError is pending.
    pub const VSE: u64 = 1 << 8;
    /// Maintenance of EL1 is broadcast.
    pub const FB: u64 = 1 << 9;
    /// EL1 and EL0 with stage 1 off see Normal cacheable memory.
    pub const DC: u64 = 1 << 12;
    /// Traps WFI.
    pub const TWI: u64 = 1 << 13;
    /// Traps WFE.
    pub const TWE: u64 = 1 << 14;
    /// Traps ID group 1.
    pub const TID1: u64 = 1 << 16;
    /// Traps ID group 2.
    pub const TID2: u64 = 1 << 17;
    /// Traps ID group 3.
    pub const TID3: u64 = 1 << 18;
    /// Traps SMC.
    pub const TSC: u64 = 1 << 19;
    /// Traps implementation defined registers.
    pub const TIDCP: u64 = 1 << 20;
    /// Traps ACTLR_EL1.
    pub const TACR: u64 = 1 << 21;
    /// Traps cache maintenance by set and way.
    pub const TSW: u64 = 1 << 22;
    /// Traps cache maintenance to the point of coherency.
    pub const TPC: u64 = 1 << 23;
    /// Traps cache maintenance to the point of unification.
    pub const TPU: u64 = 1 << 24;
    /// Traps TLB maintenance.
    pub const TTLB: u64 = 1 << 25;
    /// Traps writes of the virtual memory controls.
    pub const TVM: u64 = 1 << 26;
    /// EL0's exceptions go to EL2.
    pub const TGE: u64 = 1 << 27;
    /// Traps DC ZVA.
    pub const TDZ: u64 = 1 << 28;
    /// Traps reads of the virtual memory controls.
    pub const TRVM: u64 = 1 << 30;
    /// EL1 is AArch64.
    pub const RW: u64 = 1 << 31;
}

/// Bits of SCR_EL3 (ARM ARM D13.2.117).
pub mod scr {
    /// EL0 to EL2 are non-secure.
    pub const NS: u64 = 1 << 0;
    /// IRQ goes to EL3.
    pub const IRQ: u64 = 1 << 1;
    /// FIQ goes to EL3.
    pub const FIQ: u64 = 1 << 2;
    /// SError and external aborts go to EL3.
    pub const EA: u64 = 1 << 3;
    /// SMC is undefined.
    pub const SMD: u64 = 1 << 7;
    /// HVC is enabled.
    pub const HCE: u64 = 1 << 8;
    /// Secure state does not fetch from non-secure memory.
    pub const SIF: u64 = 1 << 9;
    /// The level below EL3 is AArch64.
    pub const RW: u64 = 1 << 10;
    /// Secure EL1 may use the secure timer.
    pub const ST: u64 = 1 << 11;
    /// Traps WFI.
    pub const TWI: u64 = 1 << 12;
    /// Traps WFE.
    pub const TWE: u64 = 1 << 13;
}

impl Core {
    /// True in Secure state: at EL3, or below it with SCR_EL3.NS clear.
    #[inline]
    pub fn secure(&self) -> bool {
        self.el == 3 || self.sys[Reg::SCR_EL3] & scr::NS == 0
    }

    /// HCR_EL2 as it applies to EL0 and EL1: EL2 has no say in Secure state.
    #[inline]
    pub(crate) fn hcr(&self) -> u64 {
        if self.sys[Reg::SCR_EL3] & scr::NS != 0 { self.sys[Reg::HCR_EL2] } else { 0 }
    }

    /// SCTLR_ELx of the current level.
    #[inline]
    pub fn sctlr(&self) -> u64 {
        self.sctlr_of(self.el)
    }

    /// SCTLR_ELx of the translation regime that exception level `el` runs in.
    #[inline]
    pub fn sctlr_of(&self, el: u8) -> u64 {
        self.sys[match el {
            0 | 1 => Reg::SCTLR_EL1,
            2 => Reg::SCTLR_EL2,
            _ => Reg::SCTLR_EL3,
        }]
    }

    /// Instructions retired since reset before `op`.
    pub(crate) fn retired_total(&self, op: &Op) -> u64 {
        self.retired.wrapping_add(self.retired_before(op))
    }

    /// The level that exceptions of EL0 and EL1 go to by default.
    #[inline]
    pub(crate) fn el1_or_tge(&self) -> u8 {
        if self.hcr() & hcr::TGE != 0 { 2 } else { 1 }
    }
}
