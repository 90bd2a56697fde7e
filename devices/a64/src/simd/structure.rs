//! Loads and stores of structures: LD1 to LD4 and ST1 to ST4, multiple, single and replicating (ARM ARM C4.1.3, "Advanced SIMD load/store").
//!
//! The elements of an instruction are consecutive in memory. Multiple structures move in units of eight bytes where the memory allows that, else
//! element by element; registers change only after the last load has succeeded.

use super::int::Int;
use super::{lanes, operands, q, read, write};
use crate::bus::Bus;
use crate::core::{Core, SLOT_SP, SLOT_ZR};
use crate::decode::{Flow, Handler, Op, Row, field, next, or_sp, row};
use crate::exception::Exception;
use crate::mem::{host_load, host_store};
use std::sync::atomic::Ordering::Relaxed;

/// Reads a doubleword of elements of `1 << log2` bytes.
#[inline(always)]
fn load_unit(core: &mut Core, bus: &mut dyn Bus, at: u64, log2: u32) -> Result<u64, Exception> {
    match core.tlb.read.lookup(at, 8) {
        // SAFETY: the TLB hit: a page of guest RAM, and `at` is aligned.
        Some(host) => Ok(unsafe { host_load(host, 8, Relaxed) }),
        None => load_unit_slow(core, bus, at, log2),
    }
}

/// The address is perhaps aligned for elements only: faults are an element's. So is the order of bytes.
#[cold]
#[inline(never)]
fn load_unit_slow(core: &mut Core, bus: &mut dyn Bus, at: u64, log2: u32) -> Result<u64, Exception> {
    if core.big_endian() && log2 != 3 {
        return load_elements(core, bus, at, log2);
    }
    match core.load(bus, at, 8) {
        Err(_) if at & 7 != 0 && log2 != 3 => load_elements(core, bus, at, log2),
        result => result,
    }
}

fn load_elements(core: &mut Core, bus: &mut dyn Bus, at: u64, log2: u32) -> Result<u64, Exception> {
    let mut unit = 0;
    for offset in (0..8).step_by(1 << log2) {
        unit |= core.load(bus, at.wrapping_add(offset), 1 << log2)? << (8 * offset);
    }
    Ok(unit)
}

/// Writes a doubleword, as [`load_unit`] reads it.
#[inline(always)]
fn store_unit(core: &mut Core, bus: &mut dyn Bus, at: u64, log2: u32, unit: u64) -> Result<(), Exception> {
    match core.tlb.write.lookup(at, 8) {
        Some(host) => {
            // SAFETY: the TLB hit: a page of guest RAM, and `at` is aligned.
            unsafe { host_store(host, 8, unit, Relaxed) };
            Ok(())
        }
        None => store_unit_slow(core, bus, at, log2, unit),
    }
}

#[cold]
#[inline(never)]
fn store_unit_slow(core: &mut Core, bus: &mut dyn Bus, at: u64, log2: u32, unit: u64) -> Result<(), Exception> {
    if core.big_endian() && log2 != 3 {
        return store_elements(core, bus, at, log2, unit);
    }
    match core.store(bus, at, 8, unit) {
        Err(_) if at & 7 != 0 && log2 != 3 => store_elements(core, bus, at, log2, unit),
        result => result,
    }
}

fn store_elements(core: &mut Core, bus: &mut dyn Bus, at: u64, log2: u32, unit: u64) -> Result<(), Exception> {
    for offset in (0..8).step_by(1 << log2) {
        core.store(bus, at.wrapping_add(offset), 1 << log2, unit >> (8 * offset))?;
    }
    Ok(())
}

/// The base address.
#[inline(always)]
fn base(core: &mut Core, op: &Op) -> Result<u64, Exception> {
    core.op_index = u32::from(op.index);
    if op.rn == SLOT_SP {
        core.check_sp()?;
    }
    Ok(core.x[usize::from(op.rn & 63)])
}

/// The base register, after the instruction: immediate or register post-index. `rm` is the zero slot where the immediate counts.
fn write_back(core: &mut Core, op: &Op, va: u64) {
    if op.aux[3] != 0 {
        let by = op.imm.wrapping_add(core.x[usize::from(op.rm & 63)]);
        core.x[usize::from(op.rn & 63)] = va.wrapping_add(by);
    }
}

/// Elements of type `T` in the order of memory from registers of `HALVES` halves, or back: element `e` of member `s` is the one at
/// `e * MEMBERS + s`. `MEMBERS` of 1 means registers one after the other.
#[inline(always)]
fn place<T, const MEMBERS: usize, const HALVES: usize>(register: usize, e: usize) -> usize {
    let lanes = 8 * HALVES / size_of::<T>();
    if MEMBERS == 1 { register * lanes + e } else { e * MEMBERS + register }
}

/// `REGISTERS` registers of `HALVES` doublewords, with elements of type `T`. `aux[3]`: post-index.
fn exec_multiple<T: Int, const LOAD: bool, const MEMBERS: usize, const REGISTERS: usize, const HALVES: usize>(
    core: &mut Core,
    bus: &mut dyn Bus,
    op: &Op,
) -> Flow {
    let va = match base(core, op) {
        Ok(va) => va,
        Err(exception) => return core.fault(op, exception),
    };
    let result = if LOAD {
        load_multiple::<T, MEMBERS, REGISTERS, HALVES>(core, bus, op, va)
    } else {
        store_multiple::<T, MEMBERS, REGISTERS, HALVES>(core, bus, op, va)
    };
    finish(core, bus, op, va, result)
}

#[inline(always)]
fn load_multiple<T: Int, const MEMBERS: usize, const REGISTERS: usize, const HALVES: usize>(
    core: &mut Core,
    bus: &mut dyn Bus,
    op: &Op,
    va: u64,
) -> Result<(), Exception> {
    let log2 = size_of::<T>().ilog2();
    let mut memory = [[0u64; HALVES]; REGISTERS];
    for (unit, i) in memory.as_flattened_mut().iter_mut().zip(0u64..) {
        *unit = load_unit(core, bus, va.wrapping_add(8 * i), log2)?;
    }
    let elements: &[T] = lanes::elements(memory.as_flattened());
    for r in 0..REGISTERS {
        let mut value = [0u64; HALVES];
        for (e, element) in lanes::elements_mut::<T>(&mut value).iter_mut().enumerate() {
            *element = elements[place::<T, MEMBERS, HALVES>(r, e)];
        }
        write(core, op.rd.wrapping_add(r as u8), value);
    }
    Ok(())
}

#[inline(always)]
fn store_multiple<T: Int, const MEMBERS: usize, const REGISTERS: usize, const HALVES: usize>(
    core: &mut Core,
    bus: &mut dyn Bus,
    op: &Op,
    va: u64,
) -> Result<(), Exception> {
    let log2 = size_of::<T>().ilog2();
    let mut memory = [[0u64; HALVES]; REGISTERS];
    let elements: &mut [T] = lanes::elements_mut(memory.as_flattened_mut());
    for r in 0..REGISTERS {
        let value: [u64; HALVES] = read(core, op.rd.wrapping_add(r as u8));
        for (e, element) in lanes::elements::<T>(&value).iter().enumerate() {
            elements[place::<T, MEMBERS, HALVES>(r, e)] = *element;
        }
    }
    for (unit, i) in memory.as_flattened().iter().zip(0u64..) {
        store_unit(core, bus, va.wrapping_add(8 * i), log2, *unit)?;
    }
    Ok(())
}

fn finish(core: &mut Core, bus: &mut dyn Bus, op: &Op, va: u64, result: Result<(), Exception>) -> Flow {
    match result {
        Ok(()) => {
            write_back(core, op, va);
            if core.ends != 0 { core.end_block(op) } else { next(core, bus, op) }
        }
        Err(exception) => core.fault(op, exception),
    }
}

/// One element each of `members` registers. `aux`: members, log2 of the element's size, index, post-index.
fn exec_single<const LOAD: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (members, log2) = (usize::from(op.aux[0]).min(4), op.aux[1] & 3);
    let va = match base(core, op) {
        Ok(va) => va,
        Err(exception) => return core.fault(op, exception),
    };
    let shift = ((u32::from(op.aux[2]) << log2) * 8) & 127;
    let mask = u128::from(u64::MAX >> (64 - (8 << log2))) << shift;
    let mut loaded = [0u64; 4];
    let mut result = Ok(());
    for (r, slot) in loaded.iter_mut().enumerate().take(members) {
        let at = va.wrapping_add((r as u64) << log2);
        result = if LOAD {
            core.load(bus, at, 1 << log2).map(|value| *slot = value)
        } else {
            let value = core.fp.v[(usize::from(op.rd) + r) & 31] & mask;
            core.store(bus, at, 1 << log2, (value >> shift) as u64)
        };
        if result.is_err() {
            break;
        }
    }
    if LOAD && result.is_ok() {
        for (r, value) in loaded.iter().enumerate().take(members) {
            let v = &mut core.fp.v[(usize::from(op.rd) + r) & 31];
            *v = *v & !mask | u128::from(*value) << shift & mask;
        }
    }
    finish(core, bus, op, va, result)
}

/// LD1R to LD4R. `aux`: members, log2 of the element's size, Q, post-index.
fn exec_replicate(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (members, log2) = (usize::from(op.aux[0]).min(4), op.aux[1] & 3);
    let va = match base(core, op) {
        Ok(va) => va,
        Err(exception) => return core.fault(op, exception),
    };
    let mut loaded = [0u64; 4];
    let mut result = Ok(());
    for (r, slot) in loaded.iter_mut().enumerate().take(members) {
        result = core.load(bus, va.wrapping_add((r as u64) << log2), 1 << log2).map(|value| *slot = value);
        if result.is_err() {
            break;
        }
    }
    if result.is_ok() {
        for (r, value) in loaded.iter().enumerate().take(members) {
            let ones = u64::MAX / (u64::MAX >> (64 - (8 << log2)));
            let half = u128::from(value.wrapping_mul(ones));
            core.fp.v[(usize::from(op.rd) + r) & 31] = if op.aux[2] != 0 { half << 64 | half } else { half };
        }
    }
    finish(core, bus, op, va, result)
}

/// Addressing: the base's slot, and for post-index the distance in `imm` or the register in `rm`.
fn addressed<const POST: bool>(insn: u32, exec: Handler, bytes: u64, aux: [u8; 3]) -> Op {
    let op = operands(insn, exec);
    let immediate = op.rm == 31;
    Op {
        rn: or_sp(field(insn, 9, 5)),
        rm: if immediate { SLOT_ZR } else { op.rm },
        imm: if POST && immediate { bytes } else { 0 },
        aux: [aux[0], aux[1], aux[2], POST.into()],
        ..op
    }
}

fn multiple<const LOAD: bool, const POST: bool, const MEMBERS: usize, const REGISTERS: usize>(insn: u32) -> Option<Op> {
    let exec: Handler = match (field(insn, 11, 10), q(insn)) {
        (0, 0) => exec_multiple::<u8, LOAD, MEMBERS, REGISTERS, 1>,
        (0, _) => exec_multiple::<u8, LOAD, MEMBERS, REGISTERS, 2>,
        (1, 0) => exec_multiple::<u16, LOAD, MEMBERS, REGISTERS, 1>,
        (1, _) => exec_multiple::<u16, LOAD, MEMBERS, REGISTERS, 2>,
        (2, 0) => exec_multiple::<u32, LOAD, MEMBERS, REGISTERS, 1>,
        (2, _) => exec_multiple::<u32, LOAD, MEMBERS, REGISTERS, 2>,
        // Structures of single doublewords need no interleaving: only LD1 and ST1 have them.
        (_, 0) if MEMBERS == 1 => exec_multiple::<u64, LOAD, MEMBERS, REGISTERS, 1>,
        (_, 0) => return None,
        _ => exec_multiple::<u64, LOAD, MEMBERS, REGISTERS, 2>,
    };
    Some(addressed::<POST>(insn, exec, (REGISTERS as u64) << (3 + q(insn)), [0; 3]))
}

fn single<const LOAD: bool, const POST: bool, const MEMBERS: u8>(insn: u32) -> Option<Op> {
    let (q, s, size) = (q(insn), field(insn, 12, 12), field(insn, 11, 10));
    let (log2, index) = match (field(insn, 15, 14), size) {
        (0, _) => (0, q << 3 | s << 2 | size),
        (1, 0 | 2) => (1, q << 2 | s << 1 | size >> 1),
        (2, 0) => (2, q << 1 | s),
        (2, 1) if s == 0 => (3, q),
        _ => return None,
    };
    Some(addressed::<POST>(insn, exec_single::<LOAD>, u64::from(MEMBERS) << log2, [MEMBERS, log2, index as u8]))
}

fn replicate<const POST: bool, const MEMBERS: u8>(insn: u32) -> Option<Op> {
    let log2 = field(insn, 11, 10) as u8;
    Some(addressed::<POST>(insn, exec_replicate, u64::from(MEMBERS) << log2, [MEMBERS, log2, q(insn) as u8]))
}

/// Rows with and without post-index.
macro_rules! rows {
    (
        multiple { $($m:literal $l:literal $o:literal $load:literal $members:literal $registers:literal;)* }
        single { $($sname:literal $sl:literal $sr:literal $so:literal $sload:literal $smembers:literal;)* }
        replicate { $($rname:literal $rr:literal $ro:literal $rmembers:literal;)* }
    ) => {
        &[
            $(
                row($m, concat!("0q 0011000", $l, "000000", $o, "zz nnnnn ttttt"), multiple::<$load, false, $members, $registers>),
                row($m, concat!("0q 0011001", $l, "0mmmmm", $o, "zz nnnnn ttttt"), multiple::<$load, true, $members, $registers>),
            )*
            $(
                row($sname, concat!("0q 0011010", $sl, $sr, "00000", $so, "szz nnnnn ttttt"), single::<$sload, false, $smembers>),
                row($sname, concat!("0q 0011011", $sl, $sr, "mmmmm", $so, "szz nnnnn ttttt"), single::<$sload, true, $smembers>),
            )*
            $(
                row($rname, concat!("0q 00110101", $rr, "00000", $ro, "0zz nnnnn ttttt"), replicate::<false, $rmembers>),
                row($rname, concat!("0q 00110111", $rr, "mmmmm", $ro, "0zz nnnnn ttttt"), replicate::<true, $rmembers>),
            )*
        ]
    };
}

/// The instructions.
pub(crate) static ROWS: &[Row] = rows! {
    multiple {
        "LD1 (multiple structures)" "1" "0111" true 1 1;
        "LD1 (multiple structures)" "1" "1010" true 1 2;
        "LD1 (multiple structures)" "1" "0110" true 1 3;
        "LD1 (multiple structures)" "1" "0010" true 1 4;
        "LD2 (multiple structures)" "1" "1000" true 2 2;
        "LD3 (multiple structures)" "1" "0100" true 3 3;
        "LD4 (multiple structures)" "1" "0000" true 4 4;
        "ST1 (multiple structures)" "0" "0111" false 1 1;
        "ST1 (multiple structures)" "0" "1010" false 1 2;
        "ST1 (multiple structures)" "0" "0110" false 1 3;
        "ST1 (multiple structures)" "0" "0010" false 1 4;
        "ST2 (multiple structures)" "0" "1000" false 2 2;
        "ST3 (multiple structures)" "0" "0100" false 3 3;
        "ST4 (multiple structures)" "0" "0000" false 4 4;
    }
    single {
        "LD1 (single structure)" "1" "0" "xx0" true 1;
        "LD2 (single structure)" "1" "1" "xx0" true 2;
        "LD3 (single structure)" "1" "0" "xx1" true 3;
        "LD4 (single structure)" "1" "1" "xx1" true 4;
        "ST1 (single structure)" "0" "0" "xx0" false 1;
        "ST2 (single structure)" "0" "1" "xx0" false 2;
        "ST3 (single structure)" "0" "0" "xx1" false 3;
        "ST4 (single structure)" "0" "1" "xx1" false 4;
    }
    replicate {
        "LD1R" "0" "110" 1;
        "LD2R" "1" "110" 2;
        "LD3R" "0" "111" 3;
        "LD4R" "1" "111" 4;
    }
};
