//! Exclusive, acquire and release accesses (ARM ARM C4.1.4, B2.9).
//!
//! A load-exclusive records address, size and value; a store-exclusive is one compare-and-swap against them on host memory, so it is right across
//! cores on host threads. Any store that changes the value, by a core or a device, makes it fail. A value that changed and changed back in between
//! is not noticed, as by most emulators: watching for that would cost every store. Acquire and release are sequentially consistent on the
//! host, as LDAR after STLR must be.

use crate::bus::{Access, Bus};
use crate::core::{Core, SLOT_SP};
use crate::decode::{Flow, Handler, Op, Row, dest, field, or_sp, row, source};
use crate::exception::Exception;
use crate::mem::{Monitor, host_load, host_store, reversed};
use crate::mmu::Kind;
use portable_atomic::AtomicU128;
use std::sync::atomic::{
    AtomicU8, AtomicU16, AtomicU32, AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

// Rs and Rt2 are "should be one" where not used: ignored.
pub(crate) static ROWS: &[Row] = &[
    row("STXR, STXRB, STXRH", "zz001000 000 sssss 0 xxxxx nnnnn ttttt", build),
    row("STLXR, STLXRB, STLXRH", "zz001000 000 sssss 1 xxxxx nnnnn ttttt", build),
    row("STXP", "1z001000 001 sssss 0 uuuuu nnnnn ttttt", build),
    row("STLXP", "1z001000 001 sssss 1 uuuuu nnnnn ttttt", build),
    row("LDXR, LDXRB, LDXRH", "zz001000 010 xxxxx 0 xxxxx nnnnn ttttt", build),
    row("LDAXR, LDAXRB, LDAXRH", "zz001000 010 xxxxx 1 xxxxx nnnnn ttttt", build),
    row("LDXP", "1z001000 011 xxxxx 0 uuuuu nnnnn ttttt", build),
    row("LDAXP", "1z001000 011 xxxxx 1 uuuuu nnnnn ttttt", build),
    row("STLR, STLRB, STLRH", "zz001000 100 xxxxx 1 xxxxx nnnnn ttttt", build),
    row("LDAR, LDARB, LDARH", "zz001000 110 xxxxx 1 xxxxx nnnnn ttttt", build),
];

/// `aux` is: bytes in all, pair, ordered.
fn build(insn: u32) -> Option<Op> {
    let (is_load, pair, ordered) = (field(insn, 22, 22) != 0, field(insn, 21, 21) != 0, field(insn, 15, 15) != 0);
    let exclusive = field(insn, 23, 23) == 0;
    let bytes = (1u8 << field(insn, 31, 30)) << u8::from(pair);
    let exec: Handler = match (exclusive, is_load) {
        (true, true) => load_exclusive,
        (true, false) => store_exclusive,
        (false, true) => load_acquire,
        (false, false) => store_release,
    };
    let slot = if is_load { dest } else { source };
    Some(Op {
        rd: slot(insn),
        ra: slot(field(insn, 14, 10)),
        rn: or_sp(field(insn, 9, 5)),
        rm: dest(field(insn, 20, 16)),
        aux: [bytes, u8::from(pair), u8::from(ordered), 0],
        ..Op::new(exec, insn)
    })
}

/// The address, if it is aligned to the whole access, as these must be on any memory.
fn aligned(core: &Core, op: &Op, kind: Kind) -> Result<u64, Exception> {
    if op.rn == SLOT_SP {
        core.check_sp()?;
    }
    let va = core.reg(op.rn);
    if va & u64::from(op.aux[0] - 1) != 0 { Err(Core::alignment_fault(va, kind)) } else { Ok(va) }
}

fn outcome(core: &mut Core, op: &Op, result: Result<(), Exception>) -> Flow {
    match result {
        Ok(()) => Flow::Next,
        Err(exception) => {
            let pc = core.current_pc(op);
            core.raise(exception.of_instruction(op.insn), pc)
        }
    }
}

fn access(core: &Core, pa: u64, size: u8) -> Access {
    Access { pa, size, retired: core.run_retired + u64::from(core.op_index) }
}

/// The registers' value of what memory holds, or the reverse: each element in the order of bytes that data has.
fn ordered(core: &Core, op: &Op, value: u128) -> u128 {
    let size = op.aux[0] >> op.aux[1];
    if !core.big_endian() {
        value
    } else if op.aux[1] == 0 {
        u128::from(reversed(value as u64, size))
    } else {
        let shift = 8 * u32::from(size);
        u128::from(reversed(value as u64, size)) | u128::from(reversed((value >> shift) as u64, size)) << shift
    }
}

fn load_exclusive(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let result = try_load_exclusive(core, bus, op);
    outcome(core, op, result)
}

fn try_load_exclusive(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Result<(), Exception> {
    let va = aligned(core, op, Kind::Read)?;
    let found = core.translate_cached(va, Kind::Read, core.el)?;
    let (pa, size) = (found.pa, op.aux[0]);
    core.watch(va, size.into(), Kind::Read, core.el)?;
    let order = if op.aux[2] != 0 { SeqCst } else { Relaxed };
    let value = if core.is_ram(pa, u64::from(size)) {
        let host = core.host(pa);
        core.note_loaded(va, &found, core.el);
        // SAFETY: checked to be RAM, and aligned to its size.
        unsafe {
            if size == 16 {
                u128::from_le((*std::ptr::with_exposed_provenance::<AtomicU128>(host)).load(SeqCst))
            } else {
                u128::from(host_load(host, size, order))
            }
        }
    } else {
        let low = u128::from(bus.read(access(core, pa, size.min(8))));
        let value = low | if size == 16 { u128::from(bus.read(access(core, pa + 8, 8))) << 64 } else { 0 };
        core.note_bell();
        value
    };
    core.monitor = Monitor { armed: true, size, at: core.monitored(pa, size), value };
    let value = ordered(core, op, value);
    if op.aux[1] == 0 {
        core.set_reg(op.rd, value as u64);
    } else if size == 8 {
        core.set_reg(op.rd, u64::from(value as u32));
        core.set_reg(op.ra, (value >> 32) as u64);
    } else {
        core.set_reg(op.rd, value as u64);
        core.set_reg(op.ra, (value >> 64) as u64);
    }
    Ok(())
}

fn store_exclusive(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let result = try_store_exclusive(core, bus, op);
    outcome(core, op, result)
}

fn try_store_exclusive(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Result<(), Exception> {
    let va = aligned(core, op, Kind::Write)?;
    let found = core.translate_cached(va, Kind::Write, core.el)?;
    let (pa, size) = (found.pa, op.aux[0]);
    core.watch(va, size.into(), Kind::Write, core.el)?;
    let (low, high) = (core.reg(op.rd), core.reg(op.ra));
    let value = match (op.aux[1], size) {
        (0, _) => u128::from(low),
        (_, 8) => u128::from(low as u32) | u128::from(high as u32) << 32,
        _ => u128::from(low) | u128::from(high) << 64,
    };
    let value = ordered(core, op, value);
    let monitor = core.monitor;
    core.monitor.armed = false;
    let mine = monitor.armed && monitor.at == core.monitored(pa, size) && monitor.size == size;
    let stored = mine
        && if core.is_ram(pa, u64::from(size)) {
            // SAFETY: checked to be RAM, and aligned to its size.
            let stored = unsafe { compare_and_swap(core.host(pa), size, monitor.value, value, op.aux[2] != 0) };
            if stored {
                core.note_stored(bus, va, &found, size, core.el);
            }
            stored
        } else {
            store_device(core, bus, pa, size, value);
            true
        };
    core.set_reg(op.rm, u64::from(!stored));
    Ok(())
}

/// An exclusive store to a device is a plain one.
fn store_device(core: &mut Core, bus: &mut dyn Bus, pa: u64, size: u8, value: u128) {
    let first = size.min(8);
    let posted = bus.write(access(core, pa, first), value as u64 & (u64::MAX >> (64 - 8 * u32::from(first))));
    core.device_written(posted);
    if size == 16 {
        let posted = bus.write(access(core, pa + 8, 8), (value >> 64) as u64);
        core.device_written(posted);
    }
}

/// Stores `new` if memory holds `old`.
///
/// # Safety
/// As for [`host_load`].
unsafe fn compare_and_swap(host: usize, size: u8, old: u128, new: u128, ordered: bool) -> bool {
    let order = if ordered { SeqCst } else { Relaxed };
    macro_rules! swap {
        ($atomic:ty, $int:ty) => {
            // SAFETY: by contract.
            unsafe { &*std::ptr::with_exposed_provenance::<$atomic>(host) }
                .compare_exchange((old as $int).to_le(), (new as $int).to_le(), order, Relaxed)
                .is_ok()
        };
    }
    match size {
        1 => swap!(AtomicU8, u8),
        2 => swap!(AtomicU16, u16),
        4 => swap!(AtomicU32, u32),
        8 => swap!(AtomicU64, u64),
        _ => swap!(AtomicU128, u128),
    }
}

fn load_acquire(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let result = aligned(core, op, Kind::Read).and_then(|va| match core.tlb.read.lookup(va, u64::from(op.aux[0])) {
        // SAFETY: the TLB hit: a page of guest RAM, and `va` is aligned.
        Some(host) => Ok(unsafe { host_load(host, op.aux[0], SeqCst) }),
        None => core.load_as(bus, va, op.aux[0], core.el, SeqCst),
    });
    let result = result.map(|value| core.set_reg(op.rd, value));
    outcome(core, op, result)
}

fn store_release(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let value = core.reg(op.rd);
    let result = aligned(core, op, Kind::Write).and_then(|va| match core.tlb.write.lookup(va, u64::from(op.aux[0])) {
        Some(host) => {
            // SAFETY: the TLB hit: a page of guest RAM, and `va` is aligned.
            unsafe { host_store(host, op.aux[0], value, SeqCst) };
            Ok(())
        }
        None => core.store_as(bus, va, op.aux[0], value, core.el, SeqCst),
    });
    outcome(core, op, result)
}
