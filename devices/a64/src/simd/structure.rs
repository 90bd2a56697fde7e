//! Loads and stores of structures: LD1 to LD4 and ST1 to ST4, multiple, single and replicating (ARM ARM C4.1.3, "Advanced SIMD load/store").
//!
//! The elements of an instruction are consecutive in memory. Multiple structures go through a buffer in units of eight bytes where the memory
//! allows that, else element by element; registers change only after the last load has succeeded.

use super::{operands, q};
use crate::bus::Bus;
use crate::core::{Core, SLOT_SP, SLOT_ZR};
use crate::decode::{Flow, Handler, Op, Row, field, next, or_sp, row};
use crate::exception::Exception;

/// The bytes of four registers.
const BYTES: usize = 64;

/// Reads memory in units of eight bytes. `log2` is the size of the elements, which is what faults and alignment go by.
fn load_all(core: &mut Core, bus: &mut dyn Bus, va: u64, log2: u32, memory: &mut [u8]) -> Result<(), Exception> {
    let mut at = va;
    for unit in memory.chunks_exact_mut(8) {
        match core.load(bus, at, 8) {
            Ok(value) => unit.copy_from_slice(&value.to_le_bytes()),
            Err(exception) if at & 7 == 0 || log2 == 3 => return Err(exception),
            // Not aligned for the unit, but for its elements perhaps; and the fault has the address of one of them.
            Err(_) => {
                for (element, offset) in unit.chunks_exact_mut(1 << log2).zip((0u64..).step_by(1 << log2)) {
                    let value = core.load(bus, at.wrapping_add(offset), 1 << log2)?;
                    element.copy_from_slice(&value.to_le_bytes()[..1 << log2]);
                }
            }
        }
        at = at.wrapping_add(8);
    }
    Ok(())
}

/// Writes memory in units of eight bytes, as [`load_all`] reads it.
fn store_all(core: &mut Core, bus: &mut dyn Bus, va: u64, log2: u32, memory: &[u8]) -> Result<(), Exception> {
    let mut at = va;
    for unit in memory.chunks_exact(8) {
        match core.store(bus, at, 8, number(unit)) {
            Ok(()) => {}
            Err(exception) if at & 7 == 0 || log2 == 3 => return Err(exception),
            Err(_) => {
                for (element, offset) in unit.chunks_exact(1 << log2).zip((0u64..).step_by(1 << log2)) {
                    core.store(bus, at.wrapping_add(offset), 1 << log2, number(element))?;
                }
            }
        }
        at = at.wrapping_add(8);
    }
    Ok(())
}

/// Up to eight bytes as a little-endian number.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
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

/// Moves `registers` registers of `8 << q` bytes each between the buffer and the vector registers: element `e` of structure member `s` lies
/// at `(e * MEMBERS + s) << log2`.
#[inline(always)]
fn interleaved<const MEMBERS: usize>(registers: usize, bytes: usize, log2: u32, mut each: impl FnMut(usize, usize, usize)) {
    if MEMBERS == 1 {
        // Registers one after the other.
        for r in 0..registers {
            for b in (0..bytes).step_by(8) {
                each(r, b, r * bytes + b);
            }
        }
    } else {
        for e in 0..bytes >> log2 {
            for s in 0..MEMBERS {
                each(s, e << log2, (e * MEMBERS + s) << log2);
            }
        }
    }
}

/// `aux`: registers, log2 of the element's size, Q, post-index.
fn exec_multiple<const LOAD: bool, const MEMBERS: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (registers, log2, bytes) = (usize::from(op.aux[0] & 7), u32::from(op.aux[1] & 3), 8usize << (op.aux[2] & 1));
    let va = match base(core, op) {
        Ok(va) => va,
        Err(exception) => return core.fault(op, exception),
    };
    let mut memory = [0u8; BYTES];
    let Some(memory) = memory.get_mut(..registers * bytes) else { return next(core, bus, op) };
    // Elements of one member are neighbours: they move as doublewords.
    let unit = if MEMBERS == 1 { 8 } else { 1usize << log2 };
    let register = |r: usize| (usize::from(op.rd) + r) & 31;
    let result = if LOAD {
        load_all(core, bus, va, log2, memory).map(|()| {
            let mut values = [[0u8; 16]; 4];
            interleaved::<MEMBERS>(registers, bytes, log2, |r, at, from| {
                values[r & 3][at..at + unit].copy_from_slice(&memory[from..from + unit])
            });
            for (r, value) in values.iter().enumerate().take(registers) {
                core.fp.v[register(r)] = u128::from_le_bytes(*value);
            }
        })
    } else {
        let values: [[u8; 16]; 4] = std::array::from_fn(|r| core.fp.v[register(r)].to_le_bytes());
        interleaved::<MEMBERS>(registers, bytes, log2, |r, at, to| memory[to..to + unit].copy_from_slice(&values[r & 3][at..at + unit]));
        store_all(core, bus, va, log2, memory)
    };
    finish(core, bus, op, va, result)
}

fn finish(core: &mut Core, bus: &mut dyn Bus, op: &Op, va: u64, result: Result<(), Exception>) -> Flow {
    match result {
        Ok(()) => {
            write_back(core, op, va);
            if core.posted { core.stop_posted(op) } else { next(core, bus, op) }
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
    let shift = (u32::from(op.aux[2]) << log2) * 8 & 127;
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
    if MEMBERS != 1 && field(insn, 11, 10) == 3 && q(insn) == 0 {
        return None;
    }
    let log2 = field(insn, 11, 10) as u8;
    let bytes = (REGISTERS as u64) << (3 + q(insn));
    Some(addressed::<POST>(insn, exec_multiple::<LOAD, MEMBERS>, bytes, [REGISTERS as u8, log2, q(insn) as u8]))
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
