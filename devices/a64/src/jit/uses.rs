//! What instructions need of the translator: which template they have, which registers they use, and what becomes of the flags.

use super::region::{End, Region};
use crate::core::SLOT_SINK;
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
    LoadVector,
    LoadVectorLiteral,
    StoreVector,
    LoadVectorPair,
    StoreVectorPair,
    FloatArithmetic,
    FloatExtremum,
    FloatMultiplyAdd,
    FloatRoot,
    FloatSign,
    FloatImmediate,
    FloatMove,
    FloatConvert,
    FloatRound,
    FloatToInteger,
    IntegerToFloat,
    FloatSelect,
    FloatCompare,
    FloatConditionalCompare,
    Nothing,
    Barrier,
    Jump,
    Branch,
    CompareBranch,
    TestBranch,
    JumpRegister,
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
    /// Its template is right only for the usual rounding and without flushing.
    pub(crate) const HOST_MODE: u32 = 1 << 24;
    /// All vector registers are used as scalars of the format in bits 23 and 22.
    pub(crate) const SCALAR: u32 = 1 << 25;
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

const FDN: u32 = VD_WRITE | VN_READ | SCALAR;
const FDNM: u32 = FDN | VM_READ | HOST_MODE;

/// Scalar floating point.
const FLOATS: &[(&str, Template, u32)] = &[
    ("FMUL (scalar)", Template::FloatArithmetic, FDNM),
    ("FDIV (scalar)", Template::FloatArithmetic, FDNM),
    ("FADD (scalar)", Template::FloatArithmetic, FDNM),
    ("FSUB (scalar)", Template::FloatArithmetic, FDNM),
    ("FNMUL (scalar)", Template::FloatArithmetic, FDNM),
    ("FMAX (scalar)", Template::FloatExtremum, FDNM),
    ("FMIN (scalar)", Template::FloatExtremum, FDNM),
    ("FMAXNM (scalar)", Template::FloatExtremum, FDNM),
    ("FMINNM (scalar)", Template::FloatExtremum, FDNM),
    ("FMADD", Template::FloatMultiplyAdd, FDNM | VA_READ),
    ("FMSUB", Template::FloatMultiplyAdd, FDNM | VA_READ),
    ("FNMADD", Template::FloatMultiplyAdd, FDNM | VA_READ),
    ("FNMSUB", Template::FloatMultiplyAdd, FDNM | VA_READ),
    ("FSQRT (scalar)", Template::FloatRoot, FDN | HOST_MODE),
    ("FMOV (register)", Template::FloatSign, FDN | KEEPS),
    ("FABS (scalar)", Template::FloatSign, FDN | KEEPS),
    ("FNEG (scalar)", Template::FloatSign, FDN | KEEPS),
    ("FMOV (scalar, immediate)", Template::FloatImmediate, VD_WRITE | SCALAR | KEEPS),
    ("FMOV (general)", Template::FloatMove, KEEPS),
    ("FCVT", Template::FloatConvert, VD_WRITE | VN_READ | HOST_MODE),
    ("FRINTN (scalar)", Template::FloatRound, FDN | HOST_MODE),
    ("FRINTP (scalar)", Template::FloatRound, FDN | HOST_MODE),
    ("FRINTM (scalar)", Template::FloatRound, FDN | HOST_MODE),
    ("FRINTZ (scalar)", Template::FloatRound, FDN | HOST_MODE),
    ("FRINTX (scalar)", Template::FloatRound, FDN | HOST_MODE),
    ("FRINTI (scalar)", Template::FloatRound, FDN | HOST_MODE),
    ("FCVTNS (scalar)", Template::FloatToInteger, D_WRITE | VN_READ | SCALAR | HOST_MODE),
    ("FCVTPS (scalar)", Template::FloatToInteger, D_WRITE | VN_READ | SCALAR | HOST_MODE),
    ("FCVTMS (scalar)", Template::FloatToInteger, D_WRITE | VN_READ | SCALAR | HOST_MODE),
    ("FCVTZS (scalar, integer)", Template::FloatToInteger, D_WRITE | VN_READ | SCALAR | HOST_MODE),
    ("FCVTZU (scalar, integer)", Template::FloatToInteger, D_WRITE | VN_READ | SCALAR | HOST_MODE),
    ("SCVTF (scalar, integer)", Template::IntegerToFloat, VD_WRITE | N_READ | SCALAR | HOST_MODE),
    ("UCVTF (scalar, integer)", Template::IntegerToFloat, VD_WRITE | N_READ | SCALAR | HOST_MODE),
    ("SCVTF (scalar, fixed-point)", Template::IntegerToFloat, VD_WRITE | N_READ | SCALAR | HOST_MODE),
    ("UCVTF (scalar, fixed-point)", Template::IntegerToFloat, VD_WRITE | N_READ | SCALAR | HOST_MODE),
    ("FCSEL", Template::FloatSelect, FDN | VM_READ | FLAGS_READ),
    ("FCMP", Template::FloatCompare, VN_READ | VM_READ | SCALAR | HOST_MODE | FLAGS_WRITE),
    ("FCMPE", Template::FloatCompare, VN_READ | VM_READ | SCALAR | HOST_MODE | FLAGS_WRITE),
    ("FCMP (zero)", Template::FloatCompare, VN_READ | SCALAR | HOST_MODE | FLAGS_WRITE),
    ("FCMPE (zero)", Template::FloatCompare, VN_READ | SCALAR | HOST_MODE | FLAGS_WRITE),
    ("FCCMP", Template::FloatConditionalCompare, VN_READ | VM_READ | SCALAR | HOST_MODE | FLAGS_READ | FLAGS_WRITE),
    ("FCCMPE", Template::FloatConditionalCompare, VN_READ | VM_READ | SCALAR | HOST_MODE | FLAGS_READ | FLAGS_WRITE),
];

const LOAD: u32 = D_WRITE | N_READ | M_READ | EXITS;
const STORE: u32 = D_READ | N_READ | M_READ | EXITS;
const LOAD_VECTOR: u32 = VD_WRITE | N_READ | M_READ | EXITS;
const STORE_VECTOR: u32 = VD_READ | N_READ | M_READ | EXITS;

/// Loads and stores: every row whose name starts so, but for those that follow.
const TRANSFERS: &[(&str, Template, u32)] = &[
    ("LDR (literal)", Template::LoadLiteral, D_WRITE | EXITS),
    ("LDRSW (literal)", Template::LoadLiteral, D_WRITE | EXITS),
    ("STP, STNP", Template::StorePair, D_READ | A_READ | N_READ | EXITS),
    ("LDP, LDNP", Template::LoadPair, D_WRITE | A_WRITE | N_READ | EXITS),
    ("LDPSW", Template::LoadPair, D_WRITE | A_WRITE | N_READ | EXITS),
    ("LDR (literal, SIMD&FP)", Template::LoadVectorLiteral, VD_WRITE | EXITS),
    ("LDR (immediate, SIMD&FP)", Template::LoadVector, LOAD_VECTOR),
    ("LDR (unsigned offset, SIMD&FP)", Template::LoadVector, LOAD_VECTOR),
    ("LDR (register, SIMD&FP)", Template::LoadVector, LOAD_VECTOR),
    ("LDUR (SIMD&FP)", Template::LoadVector, LOAD_VECTOR),
    ("STR (immediate, SIMD&FP)", Template::StoreVector, STORE_VECTOR),
    ("STR (unsigned offset, SIMD&FP)", Template::StoreVector, STORE_VECTOR),
    ("STR (register, SIMD&FP)", Template::StoreVector, STORE_VECTOR),
    ("STUR (SIMD&FP)", Template::StoreVector, STORE_VECTOR),
    ("STP, STNP (SIMD&FP)", Template::StoreVectorPair, VD_READ | VA_READ | N_READ | EXITS),
    ("LDP, LDNP (SIMD&FP)", Template::LoadVectorPair, VD_WRITE | VA_WRITE | N_READ | EXITS),
    ("PRFM (literal)", Template::Nothing, KEEPS),
    ("PRFM (unsigned offset)", Template::Nothing, KEEPS),
    ("PRFM (register)", Template::Nothing, KEEPS),
    ("PRFUM", Template::Nothing, KEEPS),
];

/// Modes that the names of loads and stores of one register end in.
const FORMS: [&str; 4] = ["(immediate)", "(unsigned offset)", "(register)", ""];

fn of_name(name: &str) -> Option<(Template, u32)> {
    if let Some(&(_, template, bits)) = TABLE.iter().chain(TRANSFERS).chain(FLOATS).find(|row| row.0 == name) {
        return Some((template, bits));
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

/// How much of its vector registers a load or store uses.
fn transfer_width(insn: u32, template: Option<Template>) -> u32 {
    let size = field(insn, 31, 30);
    let double = match template {
        // Bit 23 is a quadword.
        Some(Template::LoadVector | Template::StoreVector) if field(insn, 23, 23) != 0 => return 0,
        Some(Template::LoadVector | Template::StoreVector) => size == 3,
        Some(Template::LoadVectorPair | Template::StoreVectorPair | Template::LoadVectorLiteral) if size == 2 => return 0,
        Some(Template::LoadVectorPair | Template::StoreVectorPair | Template::LoadVectorLiteral) => size == 1,
        _ => return 0,
    };
    if double { VD_DOUBLE } else { VD_SINGLE }
}

/// What an FMOV between a general and a vector register uses.
fn float_move_bits(insn: u32) -> u32 {
    let (high, to_vector) = (field(insn, 19, 19) != 0, field(insn, 16, 16) != 0);
    let width = match (high, insn >> 31) {
        (true, _) => 0,
        (_, 0) => VD_SINGLE | VN_SINGLE,
        _ => VD_DOUBLE | VN_DOUBLE,
    };
    width
        | match (to_vector, high) {
            (true, true) => N_READ | VD_READ | VD_WRITE,
            (true, false) => N_READ | VD_WRITE,
            (false, _) => D_WRITE | VN_READ,
        }
}

/// What an allocated instruction uses.
pub(crate) fn of(op: &Op, fp_mode: bool) -> Uses {
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
    if uses.has(HOST_MODE) && fp_mode {
        return Uses::default();
    }
    uses.bits |= transfer_width(op.insn, uses.template);
    match uses.template {
        Some(Template::FloatConvert) => match (field(op.insn, 23, 22), field(op.insn, 16, 15)) {
            (0, 1) => uses.bits |= VD_DOUBLE | VN_SINGLE,
            (1, 0) => uses.bits |= VD_SINGLE | VN_DOUBLE,
            // Half precision.
            _ => return Uses::default(),
        },
        Some(Template::FloatMove) => uses.bits |= float_move_bits(op.insn),
        _ if uses.has(SCALAR) => uses.bits |= if field(op.insn, 22, 22) != 0 { VD_DOUBLE | VN_DOUBLE } else { VD_SINGLE | VN_SINGLE },
        _ => {}
    }
    let written_back = match uses.template {
        Some(Template::Load | Template::Store | Template::LoadVector | Template::StoreVector) => mode(op.insn),
        Some(Template::LoadPair | Template::StorePair | Template::LoadVectorPair | Template::StoreVectorPair) => pair_mode(op.insn),
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
        all.into_iter().filter(move |&(_, bit, ..)| bits & bit != 0).map(|(register, _, written, width)| (register & 31, written, width))
    }

    pub(crate) fn has(self, bits: u32) -> bool {
        self.bits & bits != 0
    }

    /// All of the guest's state must be in memory before it.
    fn needs_memory(self) -> bool {
        self.template.is_none() || self.has(EXITS)
    }
}

/// What becomes of the flags that an instruction sets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Flags {
    /// Nobody asks for them but the instructions right after it, if at all.
    #[default]
    Dropped,
    /// They are stored at once.
    Stored,
    /// They are made again from what they were made of, where somebody asks.
    Remade(Recipe),
}

/// What flags are made of. The registers hold it until the next instruction that sets the flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub(crate) wide: bool,
    pub(crate) kind: Kind,
    /// Slot of the first operand, or of the result.
    pub(crate) a: u8,
    pub(crate) b: Operand,
}

/// How flags are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By comparing `a` with `b`.
    Compare,
    /// By comparing what `a` was before `b` was taken off it.
    Subtracted,
    /// By looking at `a`, with no carry.
    Test,
}

/// The second operand of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operand {
    Slot(u8),
    Constant(i32),
}

/// How the flags of an instruction can be made again after it, if at all.
fn recipe(op: &Op, template: Template) -> Option<Recipe> {
    let wide = op.insn >> 31 != 0;
    let subtracts = field(op.insn, 30, 30) != 0;
    let b = match template {
        Template::AddImmediate if subtracts => Operand::Constant(op.imm as i32),
        Template::AddShifted if subtracts && op.aux[0] == 0 => Operand::Slot(op.rm),
        Template::LogicalImmediate | Template::LogicalShifted if op.rd != SLOT_SINK => {
            return Some(Recipe { wide, kind: Kind::Test, a: op.rd, b: Operand::Constant(0) });
        }
        _ => return None,
    };
    if b == Operand::Slot(op.rd) {
        None
    } else if op.rd == op.rn {
        Some(Recipe { wide, kind: Kind::Subtracted, a: op.rd, b })
    } else {
        Some(Recipe { wide, kind: Kind::Compare, a: op.rn, b })
    }
}

impl Recipe {
    /// An instruction may change what it is made of.
    fn spoiled_by(&self, op: &Op, uses: Uses) -> bool {
        uses.template.is_none() || uses.slots(op).any(|(slot, written)| written && (slot == self.a || self.b == Operand::Slot(slot)))
    }
}

/// Decides for every instruction that sets the flags what becomes of them, by who may ask: whatever leaves the region, and whoever reads them when the host's
/// flags no longer hold them. Within a block they may be remade; from block to block they are in memory.
pub(super) fn mark_flags(region: &mut Region) {
    for at in (0..region.blocks.len()).rev() {
        let inside = |target: i64| region.block_at(target);
        let leaves = matches!(region.end(at), End::Call(_) | End::Indirect | End::Leave);
        // Where loops come back the region may be left.
        let wanted_by_next = region.targets(at).any(|target| inside(target).is_some_and(|to| to <= at || region.blocks[to].wants_flags));
        let mut needed = leaves || wanted_by_next || region.targets(at).any(|target| inside(target).is_none());
        let (first, end) = (region.blocks[at].first, region.blocks[at].end);
        let mut held = vec![false; end - first];
        let mut holds = false;
        for (held, instr) in held.iter_mut().zip(&region.instrs[first..end]) {
            *held = holds;
            holds = if instr.uses.template.is_none() {
                false
            } else {
                // ADC and SBC lose the host's flags.
                let keeps = instr.uses.has(KEEPS | FLAGS_READ) && instr.uses.template != Some(Template::AddCarry);
                instr.uses.has(FLAGS_WRITE) || holds && keeps
            };
        }
        let mut next_setter = end;
        for current in (first..end).rev() {
            let instr = &region.instrs[current];
            let uses = instr.uses;
            if uses.has(FLAGS_WRITE) {
                let kept =
                    |recipe: &Recipe| region.instrs[current + 1..next_setter].iter().all(|later| !recipe.spoiled_by(&later.op, later.uses));
                let recipe = uses.template.and_then(|template| recipe(&instr.op, template)).filter(kept);
                let flags = match recipe {
                    _ if !needed => Flags::Dropped,
                    Some(recipe) => Flags::Remade(recipe),
                    None => Flags::Stored,
                };
                region.instrs[current].flags = flags;
                (needed, next_setter) = (false, current);
            }
            needed |= uses.needs_memory() || uses.has(FLAGS_READ) && !held[current - first];
        }
        let block = &mut region.blocks[at];
        block.wants_flags = needed || block.head;
        block.passes_flags = wanted_by_next;
    }
}
