//! Permutations: ZIP, UZP, TRN, EXT and table lookups (ARM ARM C4.1.5).

use super::int::Int;
use super::{operands, q, read, size, write};
use crate::bus::Bus;
use crate::core::Core;
use crate::decode::{Flow, Handler, Op, Row, field, next, row};
use std::array::from_fn;

/// Where lane `i` of `n` comes from in the concatenation of both sources.
trait Permute: 'static {
    fn source(i: usize, n: usize, second: usize) -> usize;
}

struct Unzip;
impl Permute for Unzip {
    #[inline(always)]
    fn source(i: usize, _: usize, second: usize) -> usize {
        2 * i + second
    }
}

struct Transpose;
impl Permute for Transpose {
    #[inline(always)]
    fn source(i: usize, n: usize, second: usize) -> usize {
        (i & !1) + second + if i & 1 != 0 { n } else { 0 }
    }
}

struct Zip;
impl Permute for Zip {
    #[inline(always)]
    fn source(i: usize, n: usize, second: usize) -> usize {
        i / 2 + second * (n / 2) + if i & 1 != 0 { n } else { 0 }
    }
}

fn exec<T: Int, O: Permute, const SECOND: usize, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m) = (read::<T, N>(core, op.rn), read::<T, N>(core, op.rm));
    let result: [T; N] = from_fn(|i| {
        let from = O::source(i, N, SECOND);
        if from < N { n[from] } else { m[from - N] }
    });
    write(core, op.rd, result);
    next(core, bus, op)
}

fn permute<O: Permute, const SECOND: usize>(insn: u32) -> Option<Op> {
    let handler: Handler = match (size(insn), q(insn)) {
        (0, 0) => exec::<u8, O, SECOND, 8>,
        (0, _) => exec::<u8, O, SECOND, 16>,
        (1, 0) => exec::<u16, O, SECOND, 4>,
        (1, _) => exec::<u16, O, SECOND, 8>,
        (2, 0) => exec::<u32, O, SECOND, 2>,
        (2, _) => exec::<u32, O, SECOND, 4>,
        (3, 1) => exec::<u64, O, SECOND, 2>,
        _ => return None,
    };
    Some(operands(insn, handler))
}

/// EXT of 16 bytes; `aux[0]` is the distance in bits, below 128.
fn exec_extract(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m, by) = (core.fp.v[usize::from(op.rn & 31)], core.fp.v[usize::from(op.rm & 31)], u32::from(op.aux[0]));
    core.fp.v[usize::from(op.rd & 31)] = n.wrapping_shr(by) | m.checked_shl(128 - by).unwrap_or(0);
    next(core, bus, op)
}

/// EXT of 8 bytes; `aux[0]` is the distance in bits, below 64.
fn exec_extract_half(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let (n, m) = (core.fp.v[usize::from(op.rn & 31)] as u64, core.fp.v[usize::from(op.rm & 31)] as u64);
    let both = u128::from(n) | u128::from(m) << 64;
    write(core, op.rd, [both.wrapping_shr(op.aux[0].into()) as u64]);
    next(core, bus, op)
}

fn extract(insn: u32) -> Option<Op> {
    let bytes = field(insn, 14, 11) as u8;
    let handler: Handler = match q(insn) {
        0 if bytes >= 8 => return None,
        0 => exec_extract_half,
        _ => exec_extract,
    };
    Some(Op { aux: [bytes * 8, 0, 0, 0], ..operands(insn, handler) })
}

/// TBL and TBX with `REGISTERS` table registers. An index beyond the table gives zero or leaves the destination's byte.
fn exec_table<const KEEP: bool, const REGISTERS: usize, const N: usize>(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    let registers: [[u8; 16]; REGISTERS] = from_fn(|i| read(core, op.rn.wrapping_add(i as u8)));
    let table = registers.as_flattened();
    let (d, m) = (read::<u8, N>(core, op.rd), read::<u8, N>(core, op.rm));
    let result: [u8; N] = from_fn(|i| table.get(usize::from(m[i])).copied().unwrap_or(if KEEP { d[i] } else { 0 }));
    write(core, op.rd, result);
    next(core, bus, op)
}

fn table<const KEEP: bool>(insn: u32) -> Option<Op> {
    let exec: Handler = match (field(insn, 14, 13), q(insn)) {
        (0, 0) => exec_table::<KEEP, 1, 8>,
        (0, _) => exec_table::<KEEP, 1, 16>,
        (1, 0) => exec_table::<KEEP, 2, 8>,
        (1, _) => exec_table::<KEEP, 2, 16>,
        (2, 0) => exec_table::<KEEP, 3, 8>,
        (2, _) => exec_table::<KEEP, 3, 16>,
        (_, 0) => exec_table::<KEEP, 4, 8>,
        _ => exec_table::<KEEP, 4, 16>,
    };
    Some(operands(insn, exec))
}

/// The instructions.
pub(crate) static ROWS: &[Row] = &[
    row("UZP1", "0q0 01110 zz 0 mmmmm 0 001 10 nnnnn ddddd", permute::<Unzip, 0>),
    row("TRN1", "0q0 01110 zz 0 mmmmm 0 010 10 nnnnn ddddd", permute::<Transpose, 0>),
    row("ZIP1", "0q0 01110 zz 0 mmmmm 0 011 10 nnnnn ddddd", permute::<Zip, 0>),
    row("UZP2", "0q0 01110 zz 0 mmmmm 0 101 10 nnnnn ddddd", permute::<Unzip, 1>),
    row("TRN2", "0q0 01110 zz 0 mmmmm 0 110 10 nnnnn ddddd", permute::<Transpose, 1>),
    row("ZIP2", "0q0 01110 zz 0 mmmmm 0 111 10 nnnnn ddddd", permute::<Zip, 1>),
    row("EXT", "0q1 01110 00 0 mmmmm 0 iiii 0 nnnnn ddddd", extract),
    row("TBL", "0q0 01110 00 0 mmmmm 0 ll 0 00 nnnnn ddddd", table::<false>),
    row("TBX", "0q0 01110 00 0 mmmmm 0 ll 1 00 nnnnn ddddd", table::<true>),
];
