//! What a core sees of the machine around it. Only slow paths come here: RAM is reached through the software TLB.

use serde::{Deserialize, Serialize};

/// One device access, by guest-physical address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Guest-physical address.
    pub pa: u64,
    /// Bytes: 1, 2, 4 or 8.
    pub size: u8,
    /// Instructions that this core has retired in the current run before this one: with it the machine knows the access's guest time.
    pub retired: u64,
}

/// What became of a device write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Posted {
    /// Served; the core goes on.
    Done,
    /// Taken, to be served by the machine: the core retires this instruction and stops with [`crate::Stop::Posted`].
    Exit,
}

/// Levels of the core's interrupt inputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// nIRQ is asserted.
    pub irq: bool,
    /// nFIQ is asserted.
    pub fiq: bool,
}

/// The generic timers of a core, in the order of the BCM2836's interrupt source bits 0 to 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Timer {
    /// CNTPS: secure physical.
    SecurePhysical = 0,
    /// CNTP: non-secure physical (EL1).
    Physical = 1,
    /// CNTHP: EL2 physical.
    Hypervisor = 2,
    /// CNTV: virtual.
    Virtual = 3,
}

/// What a TLB maintenance instruction names (ARM ARM D5.10.2), or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlbScope {
    /// Everything.
    All,
    /// A translation regime: 0 for EL1&0, 1 for EL2, 2 for EL3.
    Regime(u8),
    /// What is not global and belongs to an address space of EL1&0.
    Asid(u16),
    /// What maps an address, in every address space.
    Page {
        /// As in [`TlbScope::Regime`].
        regime: u8,
        /// The virtual address.
        va: u64,
    },
}

/// Maintenance that other cores must take part in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Maintenance {
    /// Translations (TLBI, inner shareable).
    Tlb(TlbScope),
    /// Direct write entries: a page got its first decoded code.
    WriteTlb,
    /// Decoded code became stale ([`tayberry_ram::CodeMap::epoch`] has risen).
    Code,
}

/// The machine as a core sees it. All methods are called on the core's own thread and never block.
pub trait Bus {
    /// Reads a device (or nothing at all: then what the hardware's bus gives).
    fn read(&mut self, at: Access) -> u64;
    /// Writes a device.
    fn write(&mut self, at: Access, value: u64) -> Posted;
    /// The system counter (19.2 MHz) after `retired` instructions of this run: CNTPCT_EL0.
    fn counter(&mut self, retired: u64) -> u64;
    /// A generic timer was programmed: `ctl` is ENABLE | IMASK << 1, `cval` is in terms of CNTPCT (CNTVOFF already added). Its output is
    /// ENABLE && !IMASK && CNTPCT >= cval.
    fn set_timer(&mut self, timer: Timer, ctl: u32, cval: u64);
    /// Levels of this core's interrupt inputs now.
    fn interrupts(&mut self, retired: u64) -> Lines;
    /// SEV: sets the event register of every core.
    fn send_event(&mut self);
    /// Asks the other cores for maintenance. They do it before they run another block, and for certain before this core goes on
    /// after it stops with [`crate::Stop::Sync`].
    fn broadcast(&mut self, what: Maintenance);
    /// The level of this core's performance monitors' interrupt (nPMUIRQ).
    fn set_pmu_interrupt(&mut self, _asserted: bool) {}
    /// True if HLT #0xF000 is a call of the host (semihosting): the core retires it and stops with [`crate::Stop::Semihosting`].
    fn is_semihosting(&self) -> bool {
        false
    }
    /// The next of the invalidations that others asked this core for, after [`crate::core::doorbell::TLB_SCOPED`].
    fn next_invalidation(&mut self) -> Option<TlbScope> {
        None
    }
}
