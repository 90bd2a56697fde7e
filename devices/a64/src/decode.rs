//! From instruction words to operations.
//!
//! The instruction set is a table of [`Row`]s: a pattern, a name, and a function that builds the [`Op`]. Each class of instructions has its table
//! beside its handlers; the decoder joins them and looks words up through an index.
//!
//! # Handlers
//! A handler executes one operation and says how to go on ([`Flow`]). Those of the tables marked `threaded` go on themselves: their last act is to
//! call the next operation's handler (`next`), which an optimising build turns into a jump. So they may only run where another operation
//! follows in memory: `Op::exec` is called by the run loop and by each other, never by hand.

use crate::bus::Bus;
use crate::core::{Core, SLOT_SINK, SLOT_SP, SLOT_ZR};
use crate::exception::Exception;
use crate::features::Features;
use std::sync::OnceLock;

/// What a handler tells the run loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// On to the next operation of the block.
    Next,
    /// `Core::pc` was set (branch taken, exception taken): leave the block. The instruction has retired.
    Jump,
    /// An exception was taken instead of retiring this instruction; `Core::pc` is at the vector.
    Fault,
    /// Retired; `Core::pc` is the next instruction; leave `Core::run` with the stop reason stored in the core.
    Stop,
}

/// The function that executes an operation.
pub type Handler = fn(&mut Core, &mut dyn Bus, &Op) -> Flow;

/// A decoded instruction.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct Op {
    /// Executes it. Not for callers outside: a handler may go on with the operation after this one in memory.
    pub(crate) exec: Handler,
    /// Immediate, meaning by instruction.
    pub imm: u64,
    /// The instruction word.
    pub insn: u32,
    /// Destination slot (or vector register).
    pub rd: u8,
    /// First source.
    pub rn: u8,
    /// Second source.
    pub rm: u8,
    /// Third source, or second transfer register.
    pub ra: u8,
    /// Small operands, meaning by instruction.
    pub aux: [u8; 4],
    /// Which row of the joined tables it came from; [`NO_ROW`] if none.
    pub row: u16,
    /// Index within its block.
    pub index: u16,
}

/// [`Op::row`] of a word that no row knows.
pub const NO_ROW: u16 = u16::MAX;

impl Op {
    /// An operation of `insn` with all operands zero.
    pub const fn new(exec: Handler, insn: u32) -> Self {
        Self { exec, imm: 0, insn, rd: 0, rn: 0, rm: 0, ra: 0, aux: [0; 4], row: NO_ROW, index: 0 }
    }

    /// The small operands as one number.
    #[inline(always)]
    pub(crate) fn aux32(&self) -> u32 {
        u32::from_le_bytes(self.aux)
    }
}

/// One row of an instruction table.
#[derive(Debug)]
pub struct Row {
    /// The instruction's name as in the ARM ARM, such as `ADD (immediate)`.
    pub name: &'static str,
    /// Bits that are fixed.
    pub mask: u32,
    /// Their values.
    pub bits: u32,
    /// Builds the operation; `None` where the remaining bits are unallocated.
    pub build: fn(u32) -> Option<Op>,
}

/// A row from a pattern of 32 characters, most significant bit first: `0` and `1` are fixed, letters are fields, spaces and `_` are ignored.
pub const fn row(name: &'static str, pattern: &str, build: fn(u32) -> Option<Op>) -> Row {
    let text = pattern.as_bytes();
    let (mut mask, mut bits, mut count, mut i) = (0u32, 0u32, 0, 0);
    while i < text.len() {
        let c = text[i];
        i += 1;
        if c == b' ' || c == b'_' {
            continue;
        }
        mask = mask << 1 | (c == b'0' || c == b'1') as u32;
        bits = bits << 1 | (c == b'1') as u32;
        count += 1;
    }
    assert!(count == 32, "a pattern has 32 bits");
    Row { name, mask, bits, build }
}

/// Bits `hi..=lo` of a word.
pub const fn field(insn: u32, hi: u32, lo: u32) -> u32 {
    insn << (31 - hi) >> (31 - hi + lo)
}

/// Slot of register `number` as a source, where 31 is XZR.
pub const fn source(number: u32) -> u8 {
    if number & 31 == 31 { SLOT_ZR } else { number as u8 & 31 }
}

/// Slot of register `number` as a destination, where 31 is XZR.
pub const fn dest(number: u32) -> u8 {
    if number & 31 == 31 { SLOT_SINK } else { number as u8 & 31 }
}

/// Slot of register `number` where 31 is the stack pointer.
pub const fn or_sp(number: u32) -> u8 {
    if number & 31 == 31 { SLOT_SP } else { number as u8 & 31 }
}

/// `value`'s low `bits` bits, sign extended.
pub const fn sign_extend(value: u64, bits: u32) -> u64 {
    (((value << (64 - bits)) as i64) >> (64 - bits)) as u64
}

/// Goes on with the operation after `op`: the last act of a threaded handler.
#[inline(always)]
pub(crate) fn next(core: &mut Core, bus: &mut dyn Bus, op: &Op) -> Flow {
    // SAFETY: operations of threaded tables live in blocks only, and a block's last operation never goes on (see `Blocks::seal`).
    let op = unsafe { &*std::ptr::from_ref(op).add(1) };
    (op.exec)(core, bus, op)
}

/// A table with what holds for all of its rows.
#[derive(Clone, Copy)]
struct Table {
    rows: &'static [Row],
    /// Its handlers call the next one themselves.
    threaded: bool,
    /// Its instructions need the FP and SIMD registers.
    fp: bool,
    /// Its instructions belong to the Cryptographic Extension.
    crypto: bool,
}

const fn threaded(rows: &'static [Row]) -> Table {
    Table { rows, threaded: true, fp: false, crypto: false }
}

const fn vector(rows: &'static [Row]) -> Table {
    Table { fp: true, ..threaded(rows) }
}

/// All tables.
static TABLES: &[Table] = &[
    threaded(crate::int::alu::ROWS),
    threaded(crate::int::bits::ROWS),
    threaded(crate::int::cond::ROWS),
    threaded(crate::int::muldiv::ROWS),
    threaded(crate::int::branch::ROWS),
    threaded(crate::int::load_store::ROWS),
    vector(crate::int::load_store_fp::ROWS),
    Table { threaded: false, ..threaded(crate::int::exclusive::ROWS) },
    Table { threaded: false, ..threaded(crate::system::ROWS) },
    threaded(crate::system::THREADED),
    Table { crypto: true, ..vector(crate::simd::crypto::ROWS) },
];

/// The joined tables.
struct Decoder {
    rows: Vec<(&'static Row, Table)>,
    /// By bits 31 to 21: the rows that a word may match, those with most fixed bits first.
    index: Vec<Box<[u16]>>,
}

const INDEX_BITS: u32 = 11;

fn decoder() -> &'static Decoder {
    static DECODER: OnceLock<Decoder> = OnceLock::new();
    DECODER.get_or_init(|| {
        let vectors = crate::fp::TABLES.iter().chain(crate::simd::TABLES).map(|&rows| vector(rows));
        let rows: Vec<_> = TABLES.iter().copied().chain(vectors).flat_map(|table| table.rows.iter().map(move |row| (row, table))).collect();
        let index = (0..1u32 << INDEX_BITS).map(|key| {
            let (word, top) = (key << (32 - INDEX_BITS), u32::MAX << (32 - INDEX_BITS));
            let matches = |row: &Row| (word ^ row.bits) & row.mask & top == 0;
            let mut bucket: Vec<u16> = (0..rows.len() as u16).filter(|&i| matches(rows[usize::from(i)].0)).collect();
            bucket.sort_by_key(|&i| std::cmp::Reverse(rows[usize::from(i)].0.mask.count_ones()));
            bucket.into()
        });
        let index = index.collect();
        Decoder { rows, index }
    })
}

/// A decoded word with the name of its instruction.
#[derive(Clone, Copy, Debug)]
pub struct Decoded {
    /// The operation.
    pub op: Op,
    /// Name as in the ARM ARM; empty if no row knows the word.
    pub name: &'static str,
    /// A row claims the word; otherwise it is unallocated, and executing it is Undefined.
    pub allocated: bool,
    /// Its handler calls the next one itself.
    pub(crate) threaded: bool,
    /// It needs the FP and SIMD registers.
    pub(crate) fp: bool,
}

/// Decodes an instruction word as the Pi 3's core does. Unallocated words give an operation that raises Undefined.
pub fn decode(word: u32) -> Decoded {
    decode_with(word, Features::default())
}

/// As [`decode`], for a core with extensions.
pub fn decode_with(word: u32, features: Features) -> Decoded {
    let decoder = decoder();
    let mut unallocated = None;
    for &i in &decoder.index[(word >> (32 - INDEX_BITS)) as usize] {
        let (row, table) = decoder.rows[usize::from(i)];
        if (word ^ row.bits) & row.mask != 0 || table.crypto && !features.crypto {
            continue;
        }
        if let Some(op) = (row.build)(word) {
            let op = Op { insn: word, row: i, ..op };
            return Decoded { op, name: row.name, allocated: true, threaded: table.threaded, fp: table.fp };
        }
        unallocated.get_or_insert((i, row.name));
    }
    let (row, name) = unallocated.unwrap_or((NO_ROW, ""));
    Decoded { op: Op { row, ..Op::new(undefined, word) }, name, allocated: false, threaded: false, fp: false }
}

/// All rows of the joined tables, for tests of every instruction.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    decoder().rows.iter().map(|&(row, _)| row)
}

/// Name of a row of the joined tables, for traces.
pub fn name(row: u16) -> &'static str {
    decoder().rows.get(usize::from(row)).map_or("unknown instruction", |row| row.0.name)
}

/// Executes what is unallocated or not implemented.
fn undefined(core: &mut Core, _: &mut dyn Bus, op: &Op) -> Flow {
    let pc = core.current_pc(op);
    if core.is_first_at(pc) {
        let what = if op.row == NO_ROW { "unknown instruction" } else { "unallocated encoding of" };
        let (name, word) = (if op.row == NO_ROW { "" } else { name(op.row) }, op.insn);
        tracing::debug!(
            target: "unimplemented",
            core = core.config.id,
            retired = core.retired_before(op),
            pc = format_args!("{pc:#x}"),
            word = format_args!("{word:#010x}"),
            "{what} {name}{}{word:#010x} at PC {pc:#x}",
            if name.is_empty() { "" } else { ": " }
        );
    }
    core.raise(Exception::UNDEFINED, pc)
}

/// True for instructions after which the context may be another one, so that what follows must be looked up (and perhaps decoded) anew: all of
/// the system instruction space but hints without a wait, DMB, DSB, CLREX, MRS and SYSL, MSR DAIFSet, and MSR of what nothing depends on at once.
pub(crate) fn ends_block(word: u32) -> bool {
    if word >> 22 != 0b11_0101_0100 {
        // SVC, HVC, SMC, BRK, HLT, DCPS; branches to registers and ERET; UDF.
        return word >> 24 == 0b1101_0100 || word >> 25 == 0b110_1011 || word >> 16 == 0;
    }
    let hint = word >> 12 == 0b1101_0101_0000_0011_0010;
    let (crm, op2) = (field(word, 11, 8), field(word, 7, 5));
    let wait = crm == 0 && (op2 == 2 || op2 == 3);
    let barrier = word >> 12 == 0b1101_0101_0000_0011_0011 && matches!(op2, 2 | 4 | 5);
    let reads = field(word, 21, 21) == 1;
    let masks = word & 0xffff_f0ff == 0xd503_40df;
    let stores = word >> 20 == 0b1101_0101_0001 && crate::sysreg::build_threaded_msr(word).is_some();
    !(hint && !wait || barrier || reads || masks || stores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_that_overlap_never_both_claim_a_word() {
        let rows = &decoder().rows;
        for (i, (a, _)) in rows.iter().enumerate() {
            assert_eq!(a.bits & !a.mask, 0, "{}", a.name);
            for (b, _) in &rows[i + 1..] {
                let (common, fixed) = (a.mask & b.mask, a.mask | b.mask);
                let inclusion = a.mask != b.mask && (common == a.mask || common == b.mask);
                if (a.bits ^ b.bits) & common != 0 || inclusion {
                    continue;
                }
                for random in 0..4096u32 {
                    let word = (random.wrapping_mul(0x9E37_79B1) & !fixed) | a.bits | b.bits;
                    assert!((a.build)(word).is_none() || (b.build)(word).is_none(), "{} and {} claim {word:#010x}", a.name, b.name);
                }
            }
        }
    }

    #[test]
    fn later_barriers_and_pstate_fields_are_unallocated() {
        let space = |base: u32| (0..1 << 12).map(move |low| base | low).filter(|&word| decode(word).allocated).count();
        // CLREX, DSB, DMB and ISB with each CRm; all hints; SPSel, DAIFSet and DAIFClr with each CRm.
        assert_eq!((space(0xd503_3000), space(0xd503_2000)), (64, 128));
        assert_eq!((0..8).map(|op1| space(0xd500_4000 | op1 << 16)).sum::<usize>(), 48);
    }

    #[test]
    fn every_word_decodes_to_something() {
        // An odd multiplier steps through the words in no order that the encoding knows.
        for i in 0..4_000_000u32 {
            let word = i.wrapping_mul(0x9E37_79B1);
            let decoded = decode(word);
            assert_eq!(decoded.op.insn, word);
            for slot in [decoded.op.rd, decoded.op.rn, decoded.op.rm, decoded.op.ra] {
                assert!(usize::from(slot) < crate::core::SLOTS, "{} {word:#x}", decoded.name);
            }
        }
    }
}
