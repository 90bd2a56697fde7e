//! Loads and stores of single FP and SIMD registers and pairs (ARM ARM C4.1.4, V = 1).

use super::load_store::{
    OFFSET, POST, PRE, REGISTER, address, addressing, by_mode, in_page, literal, next_unless_ended, pair_addressing, sp_is_fine, write_back,
};
use super::pick;
use crate::bus::Bus;
use crate::core::{Core, SLOT_SP};
use crate::decode::{Flow, Handler, Op, Row, field, next, row};
use crate::exception::Exception;
use crate::mem::{host_load, host_store};
use std::sync::atomic::Ordering::Relaxed;

pub(crate) static ROWS: &[Row] = &[
    row("STR (immediate, SIMD&FP)", "zz111100 q00 iiiiiiiii m1 nnnnn ttttt", build),
    row("LDR (immediate, SIMD&FP)", "zz111100 q10 iiiiiiiii m1 nnnnn ttttt", build),
    row("STR (unsigned offset, SIMD&FP)", "zz111101 q0 iiiiiiiiiiii nnnnn ttttt", build),
    row("LDR (unsigned offset, SIMD&FP)", "zz111101 q1 iiiiiiiiiiii nnnnn ttttt", build),
    row("STR (register, SIMD&FP)", "zz111100 q01 mmmmm ooos10 nnnnn ttttt", build),
    row("LDR (register, SIMD&FP)", "zz111100 q11 mmmmm ooos10 nnnnn ttttt", build),
    row("STUR (SIMD&FP)", "zz111100 q00 iiiiiiiii 00 nnnnn ttttt", build),
    row("LDUR (SIMD&FP)", "zz111100 q10 iiiiiiiii 00 nnnnn ttttt", build),
    row("LDR (literal, SIMD&FP)", "zz011100 iiiiiiiiiiiiiiiiiii ttttt", build_literal),
    row("STP, STNP (SIMD&FP)", "zz10110 mm0 iiiiiii uuuuu nnnnn ttttt", build_pair),
    row("LDP, LDNP (SIMD&FP)", "zz10110 mm1 iiiiiii uuuuu nnnnn ttttt", build_pair),
];

/// Bytes of a register of size `1 << SIZE`.
const fn bytes(size: u8) -> u64 {
    1 << size
}

fn build(insn: u32) -> Option<Op> {
    let (wide, is_load) = (field(insn, 23, 23) != 0, field(insn, 22, 22) != 0);
    let size = field(insn, 31, 30);
    if wide && size != 0 {
        return None;
    }
    let size = if wide { 4 } else { size };
    let (mode, op) = addressing(insn, size)?;
    let sp = op.rn == SLOT_SP;
    let exec = match (size, is_load) {
        (0, false) => by_mode!(store [0,] mode, sp),
        (1, false) => by_mode!(store [1,] mode, sp),
        (2, false) => by_mode!(store [2,] mode, sp),
        (3, false) => by_mode!(store [3,] mode, sp),
        (_, false) => by_mode!(store [4,] mode, sp),
        (0, true) => by_mode!(load [0,] mode, sp),
        (1, true) => by_mode!(load [1,] mode, sp),
        (2, true) => by_mode!(load [2,] mode, sp),
        (3, true) => by_mode!(load [3,] mode, sp),
        (_, true) => by_mode!(load [4,] mode, sp),
    };
    Some(Op { exec, rd: field(insn, 4, 0) as u8, ..op })
}

impl Core {
    /// Vector register `i`.
    #[inline(always)]
    fn vector(&mut self, i: u8) -> &mut u128 {
        &mut self.fp.v[i as usize % 32]
    }
}

/// Loads a register's worth from a host address.
///
/// # Safety
/// As for [`host_load`].
#[inline(always)]
unsafe fn load_host<const SIZE: u8>(host: usize) -> u128 {
    // SAFETY: by contract; a quadword is two aligned words (it is not single-copy atomic in ARMv8.0).
    unsafe {
        if SIZE == 4 {
            u128::from(host_load(host, 8, Relaxed)) | u128::from(host_load(host + 8, 8, Relaxed)) << 64
        } else {
            u128::from(host_load(host, 1 << (SIZE & 3), Relaxed))
        }
    }
}

/// Stores a register's worth to a host address.
///
/// # Safety
/// As for [`host_load`].
#[inline(always)]
unsafe fn store_host<const SIZE: u8>(host: usize, value: u128) {
    // SAFETY: by contract.
    unsafe {
        if SIZE == 4 {
            host_store(host, 8, value as u64, Relaxed);
            host_store(host + 8, 8, (value >> 64) as u64, Relaxed);
        } else {
            host_store(host, 1 << (SIZE & 3), value as u64, Relaxed);
        }
    }
}

fn load_any<const SIZE: u8>(core: &mut Core, bus: &mut dyn Bus, va: u64) -> Result<u128, Exception> {
    if SIZE == 4 { core.load_quad(bus, va) } else { core.load(bus, va, 1 << (SIZE & 3)).map(u128::from) }
}

fn store_any<const SIZE: u8>(core: &mut Core, bus: &mut dyn Bus, va: u64, value: u128) -> Result<(), Exception> {
    if SIZE == 4 { core.store_quad(bus, va, value) } else { core.store(bus, va, 1 << (SIZE & 3), value as u64) }
}

fn load<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let va = address::<MODE>(core, op);
    match core.tlb.read.lookup(va, bytes(SIZE)) {
        Some(host) if sp_is_fine::<SP>(core) => {
            // SAFETY: the TLB hit: a page of guest RAM, and `va` is aligned.
            *core.vector(op.rd) = unsafe { load_host::<SIZE>(host) };
            write_back::<MODE>(core, op);
            next(core, bus, op)
        }
        _ => load_slow::<SIZE, MODE, SP>(core, bus, op),
    }
}

#[cold]
#[inline(never)]
fn load_slow<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = address::<MODE>(core, op);
    let checked = if SP { core.check_sp() } else { Ok(()) };
    match checked.and_then(|()| load_any::<SIZE>(core, bus, va)) {
        Ok(value) => {
            *core.vector(op.rd) = value;
            write_back::<MODE>(core, op);
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}

fn store<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let va = address::<MODE>(core, op);
    match core.tlb.write.lookup(va, bytes(SIZE)) {
        Some(host) if sp_is_fine::<SP>(core) => {
            // SAFETY: the TLB hit: a page of guest RAM, and `va` is aligned.
            unsafe { store_host::<SIZE>(host, *core.vector(op.rd)) };
            write_back::<MODE>(core, op);
            next(core, bus, op)
        }
        _ => store_slow::<SIZE, MODE, SP>(core, bus, op),
    }
}

#[cold]
#[inline(never)]
fn store_slow<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = address::<MODE>(core, op);
    let value = *core.vector(op.rd);
    let checked = if SP { core.check_sp() } else { Ok(()) };
    match checked.and_then(|()| store_any::<SIZE>(core, bus, va, value)) {
        Ok(()) => {
            write_back::<MODE>(core, op);
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}

fn build_literal(insn: u32) -> Option<Op> {
    let exec: Handler = match field(insn, 31, 30) {
        0 => load_literal::<2>,
        1 => load_literal::<3>,
        2 => load_literal::<4>,
        _ => return None,
    };
    Some(Op { imm: literal(insn), rd: field(insn, 4, 0) as u8, ..Op::new(exec, insn) })
}

fn load_literal<const SIZE: u8>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = core.current_pc(op).wrapping_add(op.imm);
    match load_any::<SIZE>(core, bus, va) {
        Ok(value) => {
            *core.vector(op.rd) = value;
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}

fn build_pair(insn: u32) -> Option<Op> {
    let size = field(insn, 31, 30) + 2;
    let (mode, op) = pair_addressing(insn, size);
    let sp = op.rn == SLOT_SP;
    let exec = match (size, field(insn, 22, 22) != 0) {
        (2, false) => by_mode!(store_pair [2,] mode, sp),
        (3, false) => by_mode!(store_pair [3,] mode, sp),
        (4, false) => by_mode!(store_pair [4,] mode, sp),
        (2, true) => by_mode!(load_pair [2,] mode, sp),
        (3, true) => by_mode!(load_pair [3,] mode, sp),
        (4, true) => by_mode!(load_pair [4,] mode, sp),
        _ => return None,
    };
    Some(Op { exec, rd: field(insn, 4, 0) as u8, ra: field(insn, 14, 10) as u8, ..op })
}

fn load_pair<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let va = address::<MODE>(core, op);
    match core.tlb.read.lookup(va, bytes(SIZE)) {
        Some(host) if in_page(va, 2 * bytes(SIZE)) && sp_is_fine::<SP>(core) => {
            // SAFETY: the TLB hit: a page of guest RAM, `va` is aligned, and both values lie in the page.
            let (a, b) = unsafe { (load_host::<SIZE>(host), load_host::<SIZE>(host + bytes(SIZE) as usize)) };
            *core.vector(op.rd) = a;
            *core.vector(op.ra) = b;
            write_back::<MODE>(core, op);
            next(core, bus, op)
        }
        _ => load_pair_slow::<SIZE, MODE, SP>(core, bus, op),
    }
}

#[cold]
#[inline(never)]
fn load_pair_slow<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = address::<MODE>(core, op);
    let checked = if SP { core.check_sp() } else { Ok(()) };
    let first = checked.and_then(|()| load_any::<SIZE>(core, bus, va));
    match first.and_then(|a| Ok((a, load_any::<SIZE>(core, bus, va.wrapping_add(bytes(SIZE)))?))) {
        Ok((a, b)) => {
            *core.vector(op.rd) = a;
            *core.vector(op.ra) = b;
            write_back::<MODE>(core, op);
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}

fn store_pair<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let va = address::<MODE>(core, op);
    match core.tlb.write.lookup(va, bytes(SIZE)) {
        Some(host) if in_page(va, 2 * bytes(SIZE)) && sp_is_fine::<SP>(core) => {
            // SAFETY: the TLB hit: a page of guest RAM, `va` is aligned, and both values lie in the page.
            unsafe {
                store_host::<SIZE>(host, *core.vector(op.rd));
                store_host::<SIZE>(host + bytes(SIZE) as usize, *core.vector(op.ra));
            }
            write_back::<MODE>(core, op);
            next(core, bus, op)
        }
        _ => store_pair_slow::<SIZE, MODE, SP>(core, bus, op),
    }
}

#[cold]
#[inline(never)]
fn store_pair_slow<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = address::<MODE>(core, op);
    let (a, b) = (*core.vector(op.rd), *core.vector(op.ra));
    let checked = if SP { core.check_sp() } else { Ok(()) };
    let stored = checked
        .and_then(|()| core.probe_store(va, 2 * bytes(SIZE), bytes(SIZE), core.el))
        .and_then(|()| store_any::<SIZE>(core, bus, va, a))
        .and_then(|()| store_any::<SIZE>(core, bus, va.wrapping_add(bytes(SIZE)), b));
    match stored {
        Ok(()) => {
            write_back::<MODE>(core, op);
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}
