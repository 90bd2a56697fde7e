//! Loads and stores of general registers (ARM ARM C4.1.4).
//!
//! A handler tries the software TLB; everything else (faults, devices, unaligned, code pages) is in its slow twin, a function of its own so that the
//! fast one needs no stack.

use super::{extended, pick};
use crate::bus::Bus;
use crate::core::{Core, SLOT_SP};
use crate::decode::{Flow, Handler, Op, Row, dest, field, next, or_sp, row, sign_extend, source};
use crate::exception::Exception;
use crate::mem::{host_load, host_store};
use std::sync::atomic::Ordering::Relaxed;

pub(crate) static ROWS: &[Row] = &[
    row("STRB (immediate)", "00111000 000 iiiiiiiii m1 nnnnn ttttt", build),
    row("LDRB (immediate)", "00111000 010 iiiiiiiii m1 nnnnn ttttt", build),
    row("LDRSB (immediate)", "00111000 1o0 iiiiiiiii m1 nnnnn ttttt", build),
    row("STRH (immediate)", "01111000 000 iiiiiiiii m1 nnnnn ttttt", build),
    row("LDRH (immediate)", "01111000 010 iiiiiiiii m1 nnnnn ttttt", build),
    row("LDRSH (immediate)", "01111000 1o0 iiiiiiiii m1 nnnnn ttttt", build),
    row("STR (immediate)", "1z111000 000 iiiiiiiii m1 nnnnn ttttt", build),
    row("LDR (immediate)", "1z111000 010 iiiiiiiii m1 nnnnn ttttt", build),
    row("LDRSW (immediate)", "10111000 100 iiiiiiiii m1 nnnnn ttttt", build),
    row("STRB (unsigned offset)", "00111001 00 iiiiiiiiiiii nnnnn ttttt", build),
    row("LDRB (unsigned offset)", "00111001 01 iiiiiiiiiiii nnnnn ttttt", build),
    row("LDRSB (unsigned offset)", "00111001 1o iiiiiiiiiiii nnnnn ttttt", build),
    row("STRH (unsigned offset)", "01111001 00 iiiiiiiiiiii nnnnn ttttt", build),
    row("LDRH (unsigned offset)", "01111001 01 iiiiiiiiiiii nnnnn ttttt", build),
    row("LDRSH (unsigned offset)", "01111001 1o iiiiiiiiiiii nnnnn ttttt", build),
    row("STR (unsigned offset)", "1z111001 00 iiiiiiiiiiii nnnnn ttttt", build),
    row("LDR (unsigned offset)", "1z111001 01 iiiiiiiiiiii nnnnn ttttt", build),
    row("LDRSW (unsigned offset)", "10111001 10 iiiiiiiiiiii nnnnn ttttt", build),
    row("STRB (register)", "00111000 001 mmmmm ooos10 nnnnn ttttt", build),
    row("LDRB (register)", "00111000 011 mmmmm ooos10 nnnnn ttttt", build),
    row("LDRSB (register)", "00111000 1o1 mmmmm ooos10 nnnnn ttttt", build),
    row("STRH (register)", "01111000 001 mmmmm ooos10 nnnnn ttttt", build),
    row("LDRH (register)", "01111000 011 mmmmm ooos10 nnnnn ttttt", build),
    row("LDRSH (register)", "01111000 1o1 mmmmm ooos10 nnnnn ttttt", build),
    row("STR (register)", "1z111000 001 mmmmm ooos10 nnnnn ttttt", build),
    row("LDR (register)", "1z111000 011 mmmmm ooos10 nnnnn ttttt", build),
    row("LDRSW (register)", "10111000 101 mmmmm ooos10 nnnnn ttttt", build),
    row("STURB", "00111000 000 iiiiiiiii 00 nnnnn ttttt", build),
    row("LDURB", "00111000 010 iiiiiiiii 00 nnnnn ttttt", build),
    row("LDURSB", "00111000 1o0 iiiiiiiii 00 nnnnn ttttt", build),
    row("STURH", "01111000 000 iiiiiiiii 00 nnnnn ttttt", build),
    row("LDURH", "01111000 010 iiiiiiiii 00 nnnnn ttttt", build),
    row("LDURSH", "01111000 1o0 iiiiiiiii 00 nnnnn ttttt", build),
    row("STUR", "1z111000 000 iiiiiiiii 00 nnnnn ttttt", build),
    row("LDUR", "1z111000 010 iiiiiiiii 00 nnnnn ttttt", build),
    row("LDURSW", "10111000 100 iiiiiiiii 00 nnnnn ttttt", build),
    row("STTRB", "00111000 000 iiiiiiiii 10 nnnnn ttttt", build_unprivileged),
    row("LDTRB", "00111000 010 iiiiiiiii 10 nnnnn ttttt", build_unprivileged),
    row("LDTRSB", "00111000 1o0 iiiiiiiii 10 nnnnn ttttt", build_unprivileged),
    row("STTRH", "01111000 000 iiiiiiiii 10 nnnnn ttttt", build_unprivileged),
    row("LDTRH", "01111000 010 iiiiiiiii 10 nnnnn ttttt", build_unprivileged),
    row("LDTRSH", "01111000 1o0 iiiiiiiii 10 nnnnn ttttt", build_unprivileged),
    row("STTR", "1z111000 000 iiiiiiiii 10 nnnnn ttttt", build_unprivileged),
    row("LDTR", "1z111000 010 iiiiiiiii 10 nnnnn ttttt", build_unprivileged),
    row("LDTRSW", "10111000 100 iiiiiiiii 10 nnnnn ttttt", build_unprivileged),
    row("PRFUM", "11111000 100 iiiiiiiii 00 nnnnn ttttt", build_prefetch),
    row("PRFM (unsigned offset)", "11111001 10 iiiiiiiiiiii nnnnn ttttt", build_prefetch),
    row("PRFM (register)", "11111000 101 mmmmm o1os10 nnnnn ttttt", build_prefetch),
    row("PRFM (literal)", "11011000 iiiiiiiiiiiiiiiiiii ttttt", build_prefetch),
    row("LDR (literal)", "0z011000 iiiiiiiiiiiiiiiiiii ttttt", build_literal),
    row("LDRSW (literal)", "10011000 iiiiiiiiiiiiiiiiiii ttttt", build_literal),
    row("STP, STNP", "z010100 mm0 iiiiiii uuuuu nnnnn ttttt", build_pair),
    row("LDP, LDNP", "z010100 mm1 iiiiiii uuuuu nnnnn ttttt", build_pair),
    row("LDPSW", "0110100 mm1 iiiiiii uuuuu nnnnn ttttt", build_pair),
];

/// Base plus immediate.
pub(super) const OFFSET: u8 = 0;
/// The same, and the base is set to the address.
pub(super) const PRE: u8 = 1;
/// The base alone; then the immediate is added to it.
pub(super) const POST: u8 = 2;
/// Base plus a register shifted left by `aux[0]`.
pub(super) const REGISTER: u8 = 3;
/// Base plus a register extended by option `aux[1]`, shifted by `aux[0]`.
pub(super) const EXTENDED: u8 = 4;

/// The address of an access.
#[inline(always)]
pub(super) fn address<const MODE: u8>(core: &Core, op: &Op) -> u64 {
    let base = core.reg(op.rn);
    match MODE {
        OFFSET | PRE => base.wrapping_add(op.imm),
        POST => base,
        REGISTER => base.wrapping_add(core.reg(op.rm) << (op.aux[0] & 63)),
        _ => base.wrapping_add(extended(core.reg(op.rm), op.aux[1], op.aux[0])),
    }
}

/// Updates the base register, once nothing can fault any more.
#[inline(always)]
pub(super) fn write_back<const MODE: u8>(core: &mut Core, op: &Op) {
    if MODE == PRE || MODE == POST {
        core.set_reg(op.rn, core.reg(op.rn).wrapping_add(op.imm));
    }
}

/// False where the stack pointer is the base and is misaligned, so that the slow path must look.
#[inline(always)]
pub(super) fn sp_is_fine<const SP: bool>(core: &Core) -> bool {
    !SP || core.x[SLOT_SP as usize] & 15 == 0
}

/// Extends a loaded value: `EXT` 0 is by zeros, 1 by the sign to 64 bits, 2 by the sign to 32 bits.
#[inline(always)]
fn extend<const SIZE: u8, const EXT: u8>(value: u64) -> u64 {
    let signed = match SIZE {
        0 => value as i8 as i64,
        1 => value as i16 as i64,
        2 => value as i32 as i64,
        _ => value as i64,
    };
    match EXT {
        0 => value,
        1 => signed as u64,
        _ => u64::from(signed as u32),
    }
}

impl Core {
    /// Takes a synchronous exception of `op` and leaves the block.
    #[cold]
    #[inline(never)]
    pub(crate) fn fault(&mut self, op: &Op, exception: Exception) -> Flow {
        let pc = self.current_pc(op);
        let flow = self.raise(exception.of_instruction(op.insn), pc);
        self.leave(op, flow)
    }
}

/// Goes on after a store that may have ended the block.
pub(super) fn next_unless_ended(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    if core.ends != 0 { core.end_block(op) } else { next(core, bus, op) }
}

/// Addressing mode and operands shared by all single-register forms, with transfers of `1 << scale` bytes; `None` if unallocated.
pub(super) fn addressing(insn: u32, scale: u32) -> Option<(u8, Op)> {
    let op = Op { rn: or_sp(field(insn, 9, 5)), ..Op::new(prefetch, insn) };
    if field(insn, 24, 24) == 1 {
        return Some((OFFSET, Op { imm: u64::from(field(insn, 21, 10)) << scale, ..op }));
    }
    let imm = sign_extend(u64::from(field(insn, 20, 12)), 9);
    if field(insn, 21, 21) == 0 {
        let mode = match field(insn, 11, 10) {
            1 => POST,
            3 => PRE,
            _ => OFFSET,
        };
        return Some((mode, Op { imm, ..op }));
    }
    let option = field(insn, 15, 13) as u8;
    if option & 2 == 0 {
        return None;
    }
    let shift = if field(insn, 12, 12) == 1 { scale as u8 } else { 0 };
    let mode = if option == 3 { REGISTER } else { EXTENDED };
    Some((mode, Op { rm: source(field(insn, 20, 16)), aux: [shift, option, 0, 0], ..op }))
}

/// `$f::<$args, MODE, SP>` by run-time mode and base register.
macro_rules! by_mode {
    ($f:ident [$($args:tt)*] $mode:expr, $sp:expr) => {
        match $mode {
            OFFSET => pick!($f [$($args)* 0,] $sp),
            PRE => pick!($f [$($args)* 1,] $sp),
            POST => pick!($f [$($args)* 2,] $sp),
            REGISTER => pick!($f [$($args)* 3,] $sp),
            _ => pick!($f [$($args)* 4,] $sp),
        }
    };
}
pub(super) use by_mode;

fn build(insn: u32) -> Option<Op> {
    let (size, opc) = (field(insn, 31, 30), field(insn, 23, 22));
    let (mode, op) = addressing(insn, size)?;
    let sp = op.rn == SLOT_SP;
    let exec = match (size, opc) {
        (0, 0) => by_mode!(store [0,] mode, sp),
        (1, 0) => by_mode!(store [1,] mode, sp),
        (2, 0) => by_mode!(store [2,] mode, sp),
        (3, 0) => by_mode!(store [3,] mode, sp),
        (0, 1) => by_mode!(load [0, 0,] mode, sp),
        (1, 1) => by_mode!(load [1, 0,] mode, sp),
        (2, 1) => by_mode!(load [2, 0,] mode, sp),
        (3, 1) => by_mode!(load [3, 0,] mode, sp),
        (0, 2) => by_mode!(load [0, 1,] mode, sp),
        (1, 2) => by_mode!(load [1, 1,] mode, sp),
        (2, 2) => by_mode!(load [2, 1,] mode, sp),
        (0, 3) => by_mode!(load [0, 2,] mode, sp),
        (1, 3) => by_mode!(load [1, 2,] mode, sp),
        _ => return None,
    };
    let rd = if opc == 0 { source(insn) } else { dest(insn) };
    Some(Op { exec, rd, ..op })
}

fn load<const SIZE: u8, const EXT: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let va = address::<MODE>(core, op);
    match core.tlb.read.lookup(va, 1 << SIZE) {
        Some(host) if sp_is_fine::<SP>(core) => {
            // SAFETY: the TLB hit: a page of guest RAM, and `va` is aligned.
            let value = unsafe { host_load(host, 1 << SIZE, Relaxed) };
            core.set_reg(op.rd, extend::<SIZE, EXT>(value));
            write_back::<MODE>(core, op);
            next(core, bus, op)
        }
        _ => load_slow::<SIZE, EXT, MODE, SP>(core, bus, op),
    }
}

#[cold]
#[inline(never)]
fn load_slow<const SIZE: u8, const EXT: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = address::<MODE>(core, op);
    let checked = if SP { core.check_sp() } else { Ok(()) };
    match checked.and_then(|()| core.load(bus, va, 1 << SIZE)) {
        Ok(value) => {
            core.set_reg(op.rd, extend::<SIZE, EXT>(value));
            write_back::<MODE>(core, op);
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}

fn store<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let va = address::<MODE>(core, op);
    match core.tlb.write.lookup(va, 1 << SIZE) {
        Some(host) if sp_is_fine::<SP>(core) => {
            // SAFETY: the TLB hit: a page of guest RAM, and `va` is aligned.
            unsafe { host_store(host, 1 << SIZE, core.reg(op.rd), Relaxed) };
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
    let checked = if SP { core.check_sp() } else { Ok(()) };
    match checked.and_then(|()| core.store(bus, va, 1 << SIZE, core.reg(op.rd))) {
        Ok(()) => {
            write_back::<MODE>(core, op);
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}

fn build_unprivileged(insn: u32) -> Option<Op> {
    let (size, opc) = (field(insn, 31, 30), field(insn, 23, 22));
    let (_, op) = addressing(insn, size)?;
    let exec: Handler = match (size, opc) {
        (0, 0) => store_unprivileged::<0>,
        (1, 0) => store_unprivileged::<1>,
        (2, 0) => store_unprivileged::<2>,
        (3, 0) => store_unprivileged::<3>,
        (0, 1) => load_unprivileged::<0, 0>,
        (1, 1) => load_unprivileged::<1, 0>,
        (2, 1) => load_unprivileged::<2, 0>,
        (3, 1) => load_unprivileged::<3, 0>,
        (0, 2) => load_unprivileged::<0, 1>,
        (1, 2) => load_unprivileged::<1, 1>,
        (2, 2) => load_unprivileged::<2, 1>,
        (0, 3) => load_unprivileged::<0, 2>,
        (1, 3) => load_unprivileged::<1, 2>,
        _ => return None,
    };
    let rd = if opc == 0 { source(insn) } else { dest(insn) };
    Some(Op { exec, rd, ..op })
}

/// At EL1 as if from EL0; elsewhere as usual.
fn unprivileged(core: &Core) -> u8 {
    if core.el == 1 { 0 } else { core.el }
}

fn load_unprivileged<const SIZE: u8, const EXT: u8>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = address::<OFFSET>(core, op);
    let el = unprivileged(core);
    let checked = if op.rn == SLOT_SP { core.check_sp() } else { Ok(()) };
    match checked.and_then(|()| core.load_as(bus, va, 1 << SIZE, el, Relaxed)) {
        Ok(value) => {
            core.set_reg(op.rd, extend::<SIZE, EXT>(value));
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}

fn store_unprivileged<const SIZE: u8>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = address::<OFFSET>(core, op);
    let el = unprivileged(core);
    let checked = if op.rn == SLOT_SP { core.check_sp() } else { Ok(()) };
    match checked.and_then(|()| core.store_as(bus, va, 1 << SIZE, core.reg(op.rd), el, Relaxed)) {
        Ok(()) => next_unless_ended(core, bus, op),
        Err(exception) => core.fault(op, exception),
    }
}

fn build_prefetch(insn: u32) -> Option<Op> {
    Some(Op::new(prefetch, insn))
}

/// A hint: nothing here has a cache to fill.
fn prefetch(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    next(core, bus, op)
}

/// Offset of a literal.
pub(super) fn literal(insn: u32) -> u64 {
    sign_extend(u64::from(field(insn, 23, 5)), 19) << 2
}

fn build_literal(insn: u32) -> Option<Op> {
    let exec: Handler = match field(insn, 31, 30) {
        0 => load_literal::<2, 0>,
        1 => load_literal::<3, 0>,
        2 => load_literal::<2, 1>,
        _ => return None,
    };
    Some(Op { imm: literal(insn), rd: dest(insn), ..Op::new(exec, insn) })
}

fn load_literal<const SIZE: u8, const EXT: u8>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let va = core.current_pc(op).wrapping_add(op.imm);
    match core.tlb.read.lookup(va, 1 << SIZE) {
        Some(host) => {
            // SAFETY: the TLB hit: a page of guest RAM, and `va` is aligned.
            let value = unsafe { host_load(host, 1 << SIZE, Relaxed) };
            core.set_reg(op.rd, extend::<SIZE, EXT>(value));
            next(core, bus, op)
        }
        None => load_literal_slow::<SIZE, EXT>(core, bus, op),
    }
}

#[cold]
#[inline(never)]
fn load_literal_slow<const SIZE: u8, const EXT: u8>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = core.current_pc(op).wrapping_add(op.imm);
    match core.load(bus, va, 1 << SIZE) {
        Ok(value) => {
            core.set_reg(op.rd, extend::<SIZE, EXT>(value));
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}

/// Mode and operands of a pair with transfers of `1 << scale` bytes each.
pub(super) fn pair_addressing(insn: u32, scale: u32) -> (u8, Op) {
    let mode = match field(insn, 24, 23) {
        1 => POST,
        3 => PRE,
        _ => OFFSET,
    };
    let imm = sign_extend(u64::from(field(insn, 21, 15)), 7) << scale;
    (mode, Op { imm, rn: or_sp(field(insn, 9, 5)), ..Op::new(prefetch, insn) })
}

fn build_pair(insn: u32) -> Option<Op> {
    let (opc, is_load) = (field(insn, 31, 30), field(insn, 22, 22) != 0);
    let scale = if opc == 2 { 3 } else { 2 };
    if opc == 1 && field(insn, 24, 23) == 0 {
        return None;
    }
    let (mode, op) = pair_addressing(insn, scale);
    let sp = op.rn == SLOT_SP;
    let exec = match (opc, is_load) {
        (0, false) => by_mode!(store_pair [2,] mode, sp),
        (2, false) => by_mode!(store_pair [3,] mode, sp),
        (0, true) => by_mode!(load_pair [2, 0,] mode, sp),
        (1, true) => by_mode!(load_pair [2, 1,] mode, sp),
        (2, true) => by_mode!(load_pair [3, 0,] mode, sp),
        _ => return None,
    };
    let slot = if is_load { dest } else { source };
    Some(Op { exec, rd: slot(insn), ra: slot(field(insn, 14, 10)), ..op })
}

/// True if `len` bytes at `va` lie in one page.
#[inline(always)]
pub(super) fn in_page(va: u64, len: u64) -> bool {
    va & 0xfff <= 0x1000 - len
}

fn load_pair<const SIZE: u8, const EXT: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let va = address::<MODE>(core, op);
    match core.tlb.read.lookup(va, 1 << SIZE) {
        Some(host) if in_page(va, 2 << SIZE) && sp_is_fine::<SP>(core) => {
            // SAFETY: the TLB hit: a page of guest RAM, `va` is aligned, and both values lie in the page.
            let (a, b) = unsafe { (host_load(host, 1 << SIZE, Relaxed), host_load(host + (1 << SIZE), 1 << SIZE, Relaxed)) };
            core.set_reg(op.rd, extend::<SIZE, EXT>(a));
            core.set_reg(op.ra, extend::<SIZE, EXT>(b));
            write_back::<MODE>(core, op);
            next(core, bus, op)
        }
        _ => load_pair_slow::<SIZE, EXT, MODE, SP>(core, bus, op),
    }
}

#[cold]
#[inline(never)]
fn load_pair_slow<const SIZE: u8, const EXT: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    core.op_index = u32::from(op.index);
    let va = address::<MODE>(core, op);
    let checked = if SP { core.check_sp() } else { Ok(()) };
    let first = checked.and_then(|()| core.load(bus, va, 1 << SIZE));
    match first.and_then(|a| Ok((a, core.load(bus, va.wrapping_add(1 << SIZE), 1 << SIZE)?))) {
        Ok((a, b)) => {
            core.set_reg(op.rd, extend::<SIZE, EXT>(a));
            core.set_reg(op.ra, extend::<SIZE, EXT>(b));
            write_back::<MODE>(core, op);
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}

fn store_pair<const SIZE: u8, const MODE: u8, const SP: bool>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let va = address::<MODE>(core, op);
    match core.tlb.write.lookup(va, 1 << SIZE) {
        Some(host) if in_page(va, 2 << SIZE) && sp_is_fine::<SP>(core) => {
            // SAFETY: the TLB hit: a page of guest RAM, `va` is aligned, and both values lie in the page.
            unsafe {
                host_store(host, 1 << SIZE, core.reg(op.rd), Relaxed);
                host_store(host + (1 << SIZE), 1 << SIZE, core.reg(op.ra), Relaxed);
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
    let checked = if SP { core.check_sp() } else { Ok(()) };
    let stored = checked
        .and_then(|()| core.probe_store(va, 2 << SIZE, 1 << SIZE, core.el))
        .and_then(|()| core.store(bus, va, 1 << SIZE, core.reg(op.rd)))
        .and_then(|()| core.store(bus, va.wrapping_add(1 << SIZE), 1 << SIZE, core.reg(op.ra)));
    match stored {
        Ok(()) => {
            write_back::<MODE>(core, op);
            next_unless_ended(core, bus, op)
        }
        Err(exception) => core.fault(op, exception),
    }
}
