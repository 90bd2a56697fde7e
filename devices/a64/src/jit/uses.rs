//! What instructions need of the translator: which template they have, which registers they use, and what becomes of the flags.

use super::region::{End, Region};
use super::uses_vector::{self, Vector};
use crate::decode::{self, NO_ROW, Op, field};
use std::sync::OnceLock;

/// The instructions that a back end has code for; each of them with all of its operand sizes, modes and flags as the instruction word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Template {
    Adr,
    Adrp,
    AddImmediate,
    AddShifted,
    AddExtended,
    AddCarry,
    LogicalImmediate,
    LogicalShifted,
    MoveWide,
    MoveKeep,
    Bitfield,
    Extract,
    ShiftVariable,
    CountZeros,
    Reverse,
    ReverseHalves,
    MultiplyAdd,
    MultiplyLong,
    MultiplyHigh,
    Divide,
    Select,
    ConditionalCompare,
    Load,
    LoadLiteral,
    Store,
    LoadPair,
    StorePair,
    Nothing,
    Barrier,
    Jump,
    Branch,
    CompareBranch,
    TestBranch,
    JumpRegister,
    Vector(Vector),
}

/// Bits of [`Uses::bits`]: what of an operation's operands is a general register, read or written.
pub(crate) mod bit {
    pub(crate) const D_READ: u32 = 1 << 0;
    pub(crate) const D_WRITE: u32 = 1 << 1;
    pub(crate) const N_READ: u32 = 1 << 2;
    pub(crate) const N_WRITE: u32 = 1 << 3;
    pub(crate) const M_READ: u32 = 1 << 4;
    pub(crate) const A_READ: u32 = 1 << 5;
    pub(crate) const A_WRITE: u32 = 1 << 6;
    /// The same of vector registers.
    pub(crate) const VD_READ: u32 = 1 << 8;
    pub(crate) const VD_WRITE: u32 = 1 << 9;
    pub(crate) const VN_READ: u32 = 1 << 10;
    pub(crate) const VM_READ: u32 = 1 << 11;
    pub(crate) const VA_READ: u32 = 1 << 12;
    pub(crate) const VA_WRITE: u32 = 1 << 13;
    pub(crate) const FLAGS_READ: u32 = 1 << 16;
    /// All four flags are set.
    pub(crate) const FLAGS_WRITE: u32 = 1 << 17;
    /// The host's flags survive it.
    pub(crate) const KEEPS: u32 = 1 << 18;
    /// It may be left in the middle, with all of the guest's state in memory.
    pub(crate) const EXITS: u32 = 1 << 19;
    /// Of vector registers that are written (and stored or loaded), only the low 32 or 64 bits are meant, and what is above is cleared. Otherwise all.
    pub(crate) const VD_SINGLE: u32 = 1 << 20;
    pub(crate) const VD_DOUBLE: u32 = 1 << 21;
    /// The same of vector registers that are read as second operand and after.
    pub(crate) const VN_SINGLE: u32 = 1 << 22;
    pub(crate) const VN_DOUBLE: u32 = 1 << 23;
    /// Two bits each from here on: how many more registers are used in the same way, from the one after the destination or the first source on.
    pub(crate) const VD_MORE: u32 = 24;
    pub(crate) const VN_MORE: u32 = 26;
}
use bit::*;

/// How much of a vector register is used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Width {
    /// The low 32 bits.
    #[default]
    Single,
    /// The low 64 bits.
    Double,
    /// All of it.
    Whole,
}

/// What an instruction uses.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Uses {
    /// `None`: the interpreter's handler executes it.
    pub(crate) template: Option<Template>,
    pub(crate) bits: u32,
}

const DN: u32 = D_WRITE | N_READ;
const DNM: u32 = DN | M_READ;
const DNMA: u32 = DNM | A_READ;

/// Templates by the names of the decoder's rows.
const TABLE: &[(&str, Template, u32)] = &[
    ("ADR", Template::Adr, D_WRITE),
    ("ADRP", Template::Adrp, D_WRITE),
    ("ADD (immediate)", Template::AddImmediate, DN | KEEPS),
    ("SUB (immediate)", Template::AddImmediate, DN | KEEPS),
    ("ADDS (immediate)", Template::AddImmediate, DN | FLAGS_WRITE),
    ("SUBS (immediate)", Template::AddImmediate, DN | FLAGS_WRITE),
    ("ADD (shifted register)", Template::AddShifted, DNM),
    ("SUB (shifted register)", Template::AddShifted, DNM),
    ("ADDS (shifted register)", Template::AddShifted, DNM | FLAGS_WRITE),
    ("SUBS (shifted register)", Template::AddShifted, DNM | FLAGS_WRITE),
    ("ADD (extended register)", Template::AddExtended, DNM),
    ("SUB (extended register)", Template::AddExtended, DNM),
    ("ADDS (extended register)", Template::AddExtended, DNM | FLAGS_WRITE),
    ("SUBS (extended register)", Template::AddExtended, DNM | FLAGS_WRITE),
    ("ADC", Template::AddCarry, DNM | FLAGS_READ),
    ("SBC", Template::AddCarry, DNM | FLAGS_READ),
    ("ADCS", Template::AddCarry, DNM | FLAGS_READ | FLAGS_WRITE),
    ("SBCS", Template::AddCarry, DNM | FLAGS_READ | FLAGS_WRITE),
    ("AND (immediate)", Template::LogicalImmediate, DN),
    ("ORR (immediate)", Template::LogicalImmediate, DN),
    ("EOR (immediate)", Template::LogicalImmediate, DN),
    ("ANDS (immediate)", Template::LogicalImmediate, DN | FLAGS_WRITE),
    ("AND (shifted register)", Template::LogicalShifted, DNM),
    ("BIC (shifted register)", Template::LogicalShifted, DNM),
    ("ORR (shifted register)", Template::LogicalShifted, DNM),
    ("ORN (shifted register)", Template::LogicalShifted, DNM),
    ("EOR (shifted register)", Template::LogicalShifted, DNM),
    ("EON (shifted register)", Template::LogicalShifted, DNM),
    ("ANDS (shifted register)", Template::LogicalShifted, DNM | FLAGS_WRITE),
    ("BICS (shifted register)", Template::LogicalShifted, DNM | FLAGS_WRITE),
    ("MOVN", Template::MoveWide, D_WRITE | KEEPS),
    ("MOVZ", Template::MoveWide, D_WRITE | KEEPS),
    ("MOVK", Template::MoveKeep, D_WRITE | D_READ),
    ("SBFM", Template::Bitfield, DN),
    ("UBFM", Template::Bitfield, DN),
    ("BFM", Template::Bitfield, DN | D_READ),
    ("EXTR", Template::Extract, DNM),
    ("LSLV", Template::ShiftVariable, DNM),
    ("LSRV", Template::ShiftVariable, DNM),
    ("ASRV", Template::ShiftVariable, DNM),
    ("RORV", Template::ShiftVariable, DNM),
    ("CLZ", Template::CountZeros, DN),
    ("REV (32-bit), REV32", Template::Reverse, DN),
    ("REV (64-bit)", Template::Reverse, DN),
    ("REV16", Template::ReverseHalves, DN),
    ("MADD", Template::MultiplyAdd, DNMA),
    ("MSUB", Template::MultiplyAdd, DNMA),
    ("SMADDL", Template::MultiplyLong, DNMA),
    ("SMSUBL", Template::MultiplyLong, DNMA),
    ("UMADDL", Template::MultiplyLong, DNMA),
    ("UMSUBL", Template::MultiplyLong, DNMA),
    ("SMULH", Template::MultiplyHigh, DNM),
    ("UMULH", Template::MultiplyHigh, DNM),
    ("UDIV", Template::Divide, DNM),
    ("SDIV", Template::Divide, DNM),
    ("CSEL", Template::Select, DNM | FLAGS_READ),
    ("CSINC", Template::Select, DNM | FLAGS_READ),
    ("CSINV", Template::Select, DNM | FLAGS_READ),
    ("CSNEG", Template::Select, DNM | FLAGS_READ),
    ("CCMN (register)", Template::ConditionalCompare, N_READ | M_READ | FLAGS_READ | FLAGS_WRITE),
    ("CCMP (register)", Template::ConditionalCompare, N_READ | M_READ | FLAGS_READ | FLAGS_WRITE),
    ("CCMN (immediate)", Template::ConditionalCompare, N_READ | FLAGS_READ | FLAGS_WRITE),
    ("CCMP (immediate)", Template::ConditionalCompare, N_READ | FLAGS_READ | FLAGS_WRITE),
    ("HINT", Template::Nothing, KEEPS),
    ("B", Template::Jump, 0),
    ("BL", Template::Jump, 0),
    ("B.cond", Template::Branch, FLAGS_READ),
    ("CBZ", Template::CompareBranch, N_READ),
    ("CBNZ", Template::CompareBranch, N_READ),
    ("TBZ", Template::TestBranch, N_READ),
    ("TBNZ", Template::TestBranch, N_READ),
    ("BR", Template::JumpRegister, N_READ),
    ("BLR", Template::JumpRegister, N_READ),
    ("RET", Template::JumpRegister, N_READ),
];

const LOAD: u32 = D_WRITE | N_READ | M_READ | EXITS;
const STORE: u32 = D_READ | N_READ | M_READ | EXITS;

/// Loads and stores: every row whose name starts so, but for those that follow.
const TRANSFERS: &[(&str, Template, u32)] = &[
    ("LDR (literal)", Template::LoadLiteral, D_WRITE | EXITS),
    ("LDRSW (literal)", Template::LoadLiteral, D_WRITE | EXITS),
    ("STP, STNP", Template::StorePair, D_READ | A_READ | N_READ | EXITS),
    ("LDP, LDNP", Template::LoadPair, D_WRITE | A_WRITE | N_READ | EXITS),
    ("LDPSW", Template::LoadPair, D_WRITE | A_WRITE | N_READ | EXITS),
    ("PRFM (literal)", Template::Nothing, KEEPS),
    ("PRFM (unsigned offset)", Template::Nothing, KEEPS),
    ("PRFM (register)", Template::Nothing, KEEPS),
    ("PRFUM", Template::Nothing, KEEPS),
];

/// Modes that the names of loads and stores of one register end in.
const FORMS: [&str; 4] = ["(immediate)", "(unsigned offset)", "(register)", ""];

fn of_name(name: &str) -> Option<(Template, u32)> {
    if let Some(&(_, template, bits)) = TABLE.iter().chain(TRANSFERS).find(|row| row.0 == name) {
        return Some((template, bits));
    }
    if let Some(vector) = uses_vector::of_name(name) {
        return Some(vector);
    }
    let plain = |stem: &str, forms: &[&str]| forms.iter().any(|form| name.strip_suffix(form).is_some_and(|start| start.trim_end() == stem));
    let loads = ["LDRB", "LDRSB", "LDRH", "LDRSH", "LDR", "LDRSW"];
    let unscaled = ["LDURB", "LDURSB", "LDURH", "LDURSH", "LDUR", "LDURSW"];
    if loads.iter().any(|stem| plain(stem, &FORMS[..3])) || unscaled.contains(&name) {
        return Some((Template::Load, LOAD));
    }
    if ["STRB", "STRH", "STR"].iter().any(|stem| plain(stem, &FORMS[..3])) || ["STURB", "STURH", "STUR"].contains(&name) {
        return Some((Template::Store, STORE));
    }
    None
}

/// How a load or store makes its address, as the instruction word says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Offset,
    Pre,
    Post,
    /// Base and index, which `aux` extends and shifts.
    Indexed,
}

/// The mode of a load or store of one register.
pub(crate) fn mode(insn: u32) -> Mode {
    if field(insn, 24, 24) == 1 {
        return Mode::Offset;
    }
    match (field(insn, 21, 21), field(insn, 11, 10)) {
        (1, _) => Mode::Indexed,
        (0, 1) => Mode::Post,
        (0, 3) => Mode::Pre,
        _ => Mode::Offset,
    }
}

/// The mode of a load or store of a pair.
pub(crate) fn pair_mode(insn: u32) -> Mode {
    match field(insn, 24, 23) {
        1 => Mode::Post,
        3 => Mode::Pre,
        _ => Mode::Offset,
    }
}

/// What an allocated instruction uses.
pub(crate) fn of(op: &Op) -> Uses {
    static ROWS: OnceLock<Vec<Uses>> = OnceLock::new();
    let rows = ROWS.get_or_init(|| {
        let of_row =
            |row: &decode::Row| of_name(row.name).map_or(Uses::default(), |(template, bits)| Uses { template: Some(template), bits });
        decode::rows().map(of_row).collect()
    });
    if op.row == NO_ROW {
        return Uses::default();
    }
    let mut uses = rows.get(usize::from(op.row)).copied().unwrap_or_default();
    let written_back = match uses.template {
        Some(Template::Load | Template::Store) => mode(op.insn),
        Some(Template::LoadPair | Template::StorePair) => pair_mode(op.insn),
        Some(Template::Vector(vector)) => {
            uses.bits |= uses_vector::refine(vector, op);
            return uses;
        }
        _ => return uses,
    };
    if matches!(written_back, Mode::Pre | Mode::Post) {
        uses.bits |= N_WRITE;
    }
    if written_back != Mode::Indexed {
        uses.bits &= !M_READ;
    }
    uses
}

impl Uses {
    /// General register slots that are used, and whether they are written.
    pub(crate) fn slots(self, op: &Op) -> impl Iterator<Item = (u8, bool)> {
        let bits = self.bits;
        let all = [
            (op.rd, D_READ, false),
            (op.rn, N_READ, false),
            (op.rm, M_READ, false),
            (op.ra, A_READ, false),
            (op.rd, D_WRITE, true),
            (op.rn, N_WRITE, true),
            (op.ra, A_WRITE, true),
        ];
        all.into_iter().filter(move |&(_, bit, _)| bits & bit != 0).map(|(slot, _, written)| (slot, written))
    }

    /// The same of vector registers, and how much of each.
    pub(crate) fn vectors(self, op: &Op) -> impl Iterator<Item = (u8, bool, Width)> {
        let bits = self.bits;
        let width = |single, double| match bits {
            _ if bits & single != 0 => Width::Single,
            _ if bits & double != 0 => Width::Double,
            _ => Width::Whole,
        };
        let (first, others) = (width(VD_SINGLE, VD_DOUBLE), width(VN_SINGLE, VN_DOUBLE));
        let third = if bits & (VA_WRITE | VN_READ) == VN_READ { others } else { first };
        let all = [
            (op.rd, VD_READ, false, first),
            (op.rn, VN_READ, false, others),
            (op.rm, VM_READ, false, others),
            (op.ra, VA_READ, false, third),
            (op.rd, VD_WRITE, true, first),
            (op.ra, VA_WRITE, true, third),
        ];
        let more = |register: u8, from: u32, used: u32, write: u32| {
            (1..=(bits >> from & 3) as u8).map(move |i| (register.wrapping_add(i), used, bits & write != 0, Width::Whole))
        };
        all.into_iter()
            .chain(more(op.rd, VD_MORE, VD_READ | VD_WRITE, VD_WRITE))
            .chain(more(op.rn, VN_MORE, VN_READ, 0))
            .filter(move |&(_, bit, ..)| bits & bit != 0)
            .map(|(register, _, written, width)| (register & 31, written, width))
    }

    pub(crate) fn has(self, bits: u32) -> bool {
        self.bits & bits != 0
    }

    /// All of the guest's state must be in memory before it.
    fn needs_memory(self) -> bool {
        self.template.is_none() || self.has(EXITS)
    }
}

/// Decides for every instruction that sets the flags whether anybody may ask for them in memory: whatever leaves the region, and whoever reads
/// them when the host's flags no longer hold them.
pub(super) fn mark_flags(region: &mut Region) {
    let mut wanted = vec![true; region.blocks.len()];
    for at in (0..region.blocks.len()).rev() {
        // On the way back to an earlier block the region may be left.
        let inside = |target| region.block_at(target).filter(|&to| to > at);
        let leaves = matches!(region.end(at), End::Call(_) | End::Indirect | End::Leave);
        let mut needed = leaves || region.targets(at).any(|target| inside(target).is_none_or(|to| wanted[to]));
        let (first, end) = (region.blocks[at].first, region.blocks[at].end);
        let mut held = vec![false; end - first];
        let mut holds = false;
        for (held, instr) in held.iter_mut().zip(&region.instrs[first..end]) {
            *held = holds;
            holds = if instr.uses.template.is_none() {
                false
            } else {
                instr.uses.has(FLAGS_WRITE) || holds && instr.uses.has(KEEPS | FLAGS_READ)
            };
        }
        for (held, instr) in held.iter().zip(&mut region.instrs[first..end]).rev() {
            let uses = instr.uses;
            if uses.has(FLAGS_WRITE) {
                instr.keep_flags = needed;
                needed = false;
            }
            needed |= uses.needs_memory() || uses.has(FLAGS_READ) && !held;
        }
        wanted[at] = needed;
    }
}
