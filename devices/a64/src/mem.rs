//! Loads and stores of guest virtual memory.
//!
//! Guest memory is only ever touched by host atomics of the access's size (relaxed unless the instruction asks for more); unaligned accesses
//! are put together from aligned ones. Nothing is written when any part of an access faults.
//!
//! Big-endian data (SCTLR_ELx.EE, SCTLR_EL1.E0E) never enters the software TLB, so that only slow paths have to think of it: they reverse the bytes
//! of each element.

use crate::bus::{Access, Bus, Maintenance, Posted};
use crate::core::{Core, doorbell, ends};
use crate::exception::{Class, Exception};
use crate::mmu::{Kind, Translation};
use crate::sysreg::sctlr;
use crate::tlb::Table;
use std::sync::atomic::{
    AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    Ordering::{self, Relaxed},
};

/// Data fault status code of an alignment fault (ARM ARM D13.2.37, ISS of a data abort).
const ALIGNMENT_FAULT: u32 = 0b10_0001;
/// ISS.WnR of a data abort.
const WNR: u32 = 1 << 6;
/// Bytes in a page.
const PAGE: u64 = 4096;

/// The local exclusive monitor: what the last load-exclusive saw. A store-exclusive is a compare-and-swap against it. Translated code reads and writes it too,
/// the first two fields at once.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub(crate) struct Monitor {
    pub(crate) armed: bool,
    /// Bytes, 1 to 16.
    pub(crate) size: u8,
    /// RAM's address on the host, or what [`Core::monitored`] makes of a device's.
    pub(crate) at: u64,
    pub(crate) value: u128,
}

/// Loads a host value of `size` bytes.
///
/// # Safety
/// `host` is the address of `size` bytes of guest RAM, aligned to `size`.
#[inline(always)]
pub(crate) unsafe fn host_load(host: usize, size: u8, order: Ordering) -> u64 {
    // SAFETY: by contract in bounds and aligned; guest RAM is accessed by atomics only. Its address was exposed when the TLB was filled.
    unsafe {
        match size {
            1 => u64::from((*std::ptr::with_exposed_provenance::<AtomicU8>(host)).load(order)),
            2 => u64::from(u16::from_le((*std::ptr::with_exposed_provenance::<AtomicU16>(host)).load(order))),
            4 => u64::from(u32::from_le((*std::ptr::with_exposed_provenance::<AtomicU32>(host)).load(order))),
            _ => u64::from_le((*std::ptr::with_exposed_provenance::<AtomicU64>(host)).load(order)),
        }
    }
}

/// Stores the low `size` bytes of `value`.
///
/// # Safety
/// As for [`host_load`].
#[inline(always)]
pub(crate) unsafe fn host_store(host: usize, size: u8, value: u64, order: Ordering) {
    // SAFETY: as in `host_load`.
    unsafe {
        match size {
            1 => (*std::ptr::with_exposed_provenance::<AtomicU8>(host)).store(value as u8, order),
            2 => (*std::ptr::with_exposed_provenance::<AtomicU16>(host)).store((value as u16).to_le(), order),
            4 => (*std::ptr::with_exposed_provenance::<AtomicU32>(host)).store((value as u32).to_le(), order),
            _ => (*std::ptr::with_exposed_provenance::<AtomicU64>(host)).store(value.to_le(), order),
        }
    }
}

/// Loads `size` bytes that need not be aligned, by the words that they lie in.
///
/// # Safety
/// These words are guest RAM, in one page.
unsafe fn host_load_unaligned(host: usize, size: u8) -> u64 {
    let (word, shift) = (host & !7, 8 * (host & 7) as u32);
    // SAFETY: by contract.
    let mut value = unsafe { host_load(word, 8, Relaxed) } >> shift;
    if host % 8 + usize::from(size) > 8 {
        // SAFETY: by contract: the access touches this word. It is not aligned, so the shift is less than 64.
        value |= unsafe { host_load(word + 8, 8, Relaxed) } << (64 - shift);
    }
    value & (u64::MAX >> (64 - 8 * u32::from(size)))
}

/// Stores `size` bytes that need not be aligned, by the largest aligned parts.
///
/// # Safety
/// They are guest RAM, in one page.
unsafe fn host_store_unaligned(host: usize, size: u8, value: u64) {
    let (mut done, size) = (0, usize::from(size));
    while done < size {
        let at = host + done;
        let fits = (at & at.wrapping_neg()).min(8);
        let part = if fits <= size - done { fits } else { 1 << (size - done).ilog2() };
        // SAFETY: by contract, and aligned to `part`.
        unsafe { host_store(at, part as u8, value >> (8 * done), Relaxed) };
        done += part;
    }
}

/// The low `size` bytes of `value` in reverse order.
pub(crate) fn reversed(value: u64, size: u8) -> u64 {
    value.swap_bytes() >> (64 - 8 * u32::from(size))
}

impl Core {
    /// Data accesses of the current exception level are big-endian (those made with EL0's rights at EL1 as well).
    pub(crate) fn big_endian(&self) -> bool {
        let bit = if self.el == 0 { sctlr::E0E } else { sctlr::EE };
        self.sctlr() & bit != 0
    }

    /// Loads `size` (1, 2, 4, 8) bytes at a virtual address with the current exception level's rights, zero extended.
    ///
    /// # Errors
    /// The data abort (or alignment fault) that the guest gets.
    #[inline]
    pub fn load(&mut self, bus: &mut dyn Bus, va: u64, size: u8) -> Result<u64, Exception> {
        match self.tlb.read.lookup(va, u64::from(size)) {
            // SAFETY: the TLB hit: a page of guest RAM, and `va` is aligned to `size`.
            Some(host) => Ok(unsafe { host_load(host, size, Relaxed) }),
            None => self.load_as(bus, va, size, self.el, Relaxed),
        }
    }

    /// Stores the low `size` (1, 2, 4, 8) bytes of `value` at a virtual address.
    ///
    /// # Errors
    /// The data abort (or alignment fault) that the guest gets.
    #[inline]
    pub fn store(&mut self, bus: &mut dyn Bus, va: u64, size: u8, value: u64) -> Result<(), Exception> {
        match self.tlb.write.lookup(va, u64::from(size)) {
            Some(host) => {
                // SAFETY: the TLB hit: a page of guest RAM, and `va` is aligned to `size`.
                unsafe { host_store(host, size, value, Relaxed) };
                Ok(())
            }
            None => self.store_as(bus, va, size, value, self.el, Relaxed),
        }
    }

    /// Host address of guest RAM at `pa`.
    pub(crate) fn host(&self, pa: u64) -> usize {
        self.config.ram.base().expose_provenance().wrapping_add(pa as usize)
    }

    /// What the monitor knows an address by: RAM is mapped once, and no address of the host has its upper bits set as a device's complement has.
    pub(crate) fn monitored(&self, pa: u64, size: u8) -> u64 {
        if self.is_ram(pa, size.into()) { self.host(pa) as u64 } else { !pa }
    }

    /// The physical address that is monitored.
    pub(crate) fn monitored_address(&self) -> u64 {
        let at = self.monitor.at;
        if at >> 63 != 0 { !at } else { at.wrapping_sub(self.host(0) as u64) }
    }

    /// True if `size` bytes at `pa` are RAM for this core.
    pub(crate) fn is_ram(&self, pa: u64, size: u64) -> bool {
        pa.checked_add(size).is_some_and(|end| end <= self.config.ram_top) && self.config.ram.contains(pa, size)
    }

    /// An alignment fault of a data access.
    pub(crate) fn alignment_fault(va: u64, kind: Kind) -> Exception {
        Exception { class: Class::DataAbort, iss: ALIGNMENT_FAULT | if kind == Kind::Write { WNR } else { 0 }, far: Some(va) }
    }

    /// The fault of an access of register 31 as base, if the stack pointer is misaligned and that is checked.
    #[inline]
    pub(crate) fn check_sp(&self) -> Result<(), Exception> {
        if self.x[crate::core::SLOT_SP as usize] & 15 == 0 {
            return Ok(());
        }
        let bit = if self.el == 0 { sctlr::SA0 } else { sctlr::SA };
        if self.sctlr() & bit == 0 { Ok(()) } else { Err(Exception { class: Class::SpAlignment, iss: 0, far: None }) }
    }

    /// The device access at `pa`, in time.
    fn access(&self, pa: u64, size: u8) -> Access {
        Access { pa, size, retired: self.run_retired + u64::from(self.op_index) }
    }

    /// Host address of an access of `len` bytes, aligned or not, that needs no checks beyond the table's. What is in the tables is little-endian.
    #[inline]
    fn unaligned_host(&self, table: &Table, va: u64, len: u64) -> Option<usize> {
        table.lookup_normal(va, len)
    }

    /// Checks an access that is not aligned to `align`: allowed only to Normal memory, and only if alignment is not checked.
    pub(crate) fn check_unaligned(&mut self, va: u64, len: u64, kind: Kind, el: u8) -> Result<(), Exception> {
        if self.sctlr() & sctlr::A != 0 {
            return Err(Self::alignment_fault(va, kind));
        }
        let last = va.wrapping_add(len - 1);
        if self.translate_cached(va, kind, el)?.device || (va ^ last) >= PAGE && self.translate_cached(last & !(PAGE - 1), kind, el)?.device
        {
            return Err(Self::alignment_fault(va, kind));
        }
        Ok(())
    }

    /// Loads with the rights of `el`, without the TLB's help.
    #[cold]
    #[inline(never)]
    pub(crate) fn load_as(&mut self, bus: &mut dyn Bus, va: u64, size: u8, el: u8, order: Ordering) -> Result<u64, Exception> {
        let value = if va & (u64::from(size) - 1) != 0 {
            self.load_unaligned(bus, va, size, el)?
        } else {
            let at = self.translate_cached(va, Kind::Read, el)?;
            self.watch(va, size.into(), Kind::Read, el)?;
            self.load_physical(bus, va, &at, size, el, order)
        };
        Ok(if self.big_endian() { reversed(value, size) } else { value })
    }

    /// True if the software TLB may hold a page of RAM for accesses with the rights of `el`.
    fn is_direct(&self, va: u64, at: &Translation, el: u8) -> bool {
        el == self.el && !self.big_endian() && self.is_ram(at.pa & !(PAGE - 1), PAGE) && !self.is_watched_page(va)
    }

    /// True if unaligned accesses to the page need no look: SCTLR_ELx.A is one of the inputs that a space of the TLB belongs to.
    fn is_loose(&self, at: &Translation) -> bool {
        !at.device && self.sctlr() & sctlr::A == 0
    }

    /// Loads an aligned value at a translated address, little-endian.
    fn load_physical(&mut self, bus: &mut dyn Bus, va: u64, at: &Translation, size: u8, el: u8, order: Ordering) -> u64 {
        if !self.is_ram(at.pa, u64::from(size)) {
            let value = bus.read(self.access(at.pa, size));
            self.note_bell();
            return value & (u64::MAX >> (64 - 8 * u32::from(size)));
        }
        self.note_loaded(va, at, el);
        // SAFETY: checked to be RAM, and aligned: `va` is, and translation keeps the low 12 bits.
        unsafe { host_load(self.host(at.pa), size, order) }
    }

    /// The next load of a page of RAM finds it in the software TLB, if it may be there.
    pub(crate) fn note_loaded(&mut self, va: u64, at: &Translation, el: u8) {
        if self.is_direct(va, at, el) {
            self.tlb.read.fill(va, self.host(at.pa), self.is_loose(at));
        }
    }

    /// RAM was stored to: claims the page; tells of code that changed; or the next store to the page finds it in the software TLB, if it may be there.
    pub(crate) fn note_stored(&mut self, bus: &mut dyn Bus, va: u64, at: &Translation, size: u8, el: u8) {
        let tracked = self.config.ram.pages().claim(at.pa);
        if self.config.ram.code().is_code_page(at.pa) {
            self.code_written(bus, at.pa, size.into());
        } else if self.is_direct(va, at, el) {
            self.tlb.write.fill(va, self.host(at.pa), self.is_loose(at));
            if tracked {
                self.tlb.note_tracked(va);
            }
        }
    }

    /// Little-endian, as [`Core::load_physical`].
    fn load_unaligned(&mut self, bus: &mut dyn Bus, va: u64, size: u8, el: u8) -> Result<u64, Exception> {
        if el == self.el
            && let Some(host) = self.unaligned_host(&self.tlb.read, va, size.into())
        {
            // SAFETY: a page of guest RAM that the whole access lies in.
            return Ok(unsafe { host_load_unaligned(host, size) });
        }
        self.check_unaligned(va, u64::from(size), Kind::Read, el)?;
        self.watch(va, size.into(), Kind::Read, el)?;
        let at = self.translate_cached(va, Kind::Read, el)?;
        let offset = va % PAGE;
        if offset + u64::from(size) <= PAGE && self.is_ram(at.pa & !7, 16) {
            // SAFETY: the words that the access touches are RAM.
            return Ok(unsafe { host_load_unaligned(self.host(at.pa), size) });
        }
        let mut value = 0;
        for byte in 0..u64::from(size) {
            value |= self.load_as(bus, va.wrapping_add(byte), 1, el, Relaxed)? << (8 * byte);
        }
        Ok(value)
    }

    /// Stores with the rights of `el`, without the TLB's help.
    #[cold]
    #[inline(never)]
    pub(crate) fn store_as(&mut self, bus: &mut dyn Bus, va: u64, size: u8, value: u64, el: u8, order: Ordering) -> Result<(), Exception> {
        let value = if self.big_endian() { reversed(value, size) } else { value };
        if va & (u64::from(size) - 1) != 0 {
            if el == self.el
                && let Some(host) = self.unaligned_host(&self.tlb.write, va, size.into())
            {
                // SAFETY: a page of guest RAM that the whole access lies in.
                unsafe { host_store_unaligned(host, size, value) };
                return Ok(());
            }
            self.check_unaligned(va, u64::from(size), Kind::Write, el)?;
            self.watch(va, size.into(), Kind::Write, el)?;
            for byte in 0..u64::from(size) {
                self.store_as(bus, va.wrapping_add(byte), 1, value >> (8 * byte), el, Relaxed)?;
            }
            return Ok(());
        }
        let at = self.translate_cached(va, Kind::Write, el)?;
        self.watch(va, size.into(), Kind::Write, el)?;
        self.store_physical(bus, va, &at, size, value, el, order);
        Ok(())
    }

    /// Stores an aligned value at a translated address, little-endian.
    #[expect(clippy::too_many_arguments, reason = "one access, all of its properties")]
    fn store_physical(&mut self, bus: &mut dyn Bus, va: u64, at: &Translation, size: u8, value: u64, el: u8, order: Ordering) {
        if !self.is_ram(at.pa, u64::from(size)) {
            let value = value & (u64::MAX >> (64 - 8 * u32::from(size)));
            let posted = bus.write(self.access(at.pa, size), value);
            self.device_written(posted);
            return;
        }
        // SAFETY: checked to be RAM, and aligned: `va` is, and translation keeps the low 12 bits.
        unsafe { host_store(self.host(at.pa), size, value, order) };
        self.note_stored(bus, va, at, size, el);
    }

    /// Notes what the machine has rung at this core meanwhile: the block ends with the instruction.
    pub(crate) fn note_bell(&mut self) {
        if self.config.doorbell.load(Relaxed) != 0 {
            self.ends |= ends::LOOK;
        }
    }

    /// Notes that a device was written: the block ends with the instruction.
    pub(crate) fn device_written(&mut self, posted: Posted) {
        self.ends |= match posted {
            Posted::Done => ends::LOOK,
            Posted::Exit => ends::POSTED,
        };
    }

    /// Tells the code map of a store to a page that holds code, and everybody if code became stale. This core rings its own doorbell, so
    /// that it looks at the next block boundary.
    pub(crate) fn code_written(&mut self, bus: &mut dyn Bus, pa: u64, len: u64) {
        if self.config.ram.code().written(pa, len) {
            bus.broadcast(Maintenance::Code);
            self.ends |= ends::LOOK;
            self.config.doorbell.fetch_or(doorbell::CODE, Ordering::Release);
        }
    }

    /// Checks that `len` bytes (up to a page) can be stored, so that a store of several parts does all or nothing.
    pub(crate) fn probe_store(&mut self, va: u64, len: u64, align: u64, el: u8) -> Result<(), Exception> {
        if el == self.el && self.unaligned_host(&self.tlb.write, va, len).is_some() {
            return Ok(());
        }
        if va & (align - 1) != 0 {
            self.check_unaligned(va, len, Kind::Write, el)?;
        }
        self.translate_cached(va, Kind::Write, el)?;
        let last = va.wrapping_add(len - 1);
        if (va ^ last) >= PAGE {
            self.translate_cached(last & !(PAGE - 1), Kind::Write, el)?;
        }
        self.watch(va, len, Kind::Write, el)
    }

    /// Loads sixteen bytes.
    ///
    /// # Errors
    /// The data abort (or alignment fault) that the guest gets.
    pub(crate) fn load_quad(&mut self, bus: &mut dyn Bus, va: u64) -> Result<u128, Exception> {
        if let Some(host) = self.unaligned_host(&self.tlb.read, va, 16) {
            // SAFETY: a page of guest RAM that all sixteen bytes lie in.
            let (low, high) = unsafe { (host_load_unaligned(host, 8), host_load_unaligned(host + 8, 8)) };
            return Ok(u128::from(low) | u128::from(high) << 64);
        }
        if va & 15 != 0 {
            self.check_unaligned(va, 16, Kind::Read, self.el)?;
        }
        let low = self.load(bus, va, 8)?;
        let high = self.load(bus, va.wrapping_add(8), 8)?;
        let (low, high) = if self.big_endian() { (high, low) } else { (low, high) };
        Ok(u128::from(low) | u128::from(high) << 64)
    }

    /// Stores sixteen bytes, all or nothing.
    ///
    /// # Errors
    /// The data abort (or alignment fault) that the guest gets.
    pub(crate) fn store_quad(&mut self, bus: &mut dyn Bus, va: u64, value: u128) -> Result<(), Exception> {
        if let Some(host) = self.unaligned_host(&self.tlb.write, va, 16) {
            // SAFETY: a page of guest RAM that all sixteen bytes lie in.
            unsafe {
                host_store_unaligned(host, 8, value as u64);
                host_store_unaligned(host + 8, 8, (value >> 64) as u64);
            }
            return Ok(());
        }
        self.probe_store(va, 16, 16, self.el)?;
        let value = if self.big_endian() { value.rotate_left(64) } else { value };
        self.store(bus, va, 8, value as u64)?;
        self.store(bus, va.wrapping_add(8), 8, (value >> 64) as u64)
    }
}
