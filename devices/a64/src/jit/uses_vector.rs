//! What Advanced SIMD instructions need of the translator: the part of [`super::uses`] for vectors.

use super::uses::Template;
use super::uses::bit::*;
use crate::decode::{Op, field};

/// Operations on lanes that a back end has code for. The arrangement is in the instruction word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Vector {
    And,
    Bic,
    Orr,
    Orn,
    Eor,
    Bsl,
    Bit,
    Bif,
    Not,
    Add,
    Sub,
    Mul,
    Mla,
    Mls,
    /// By element: the factor is one lane of the third register.
    MulElement,
    MlaElement,
    MlsElement,
    Max(Sign),
    Min(Sign),
    AbsDiff(Sign),
    AbsDiffAdd(Sign),
    HalfAdd(Sign),
    HalfAddRound(Sign),
    HalfSub(Sign),
    Equal,
    Greater(Sign),
    GreaterEqual(Sign),
    Test,
    EqualZero,
    GreaterZero,
    GreaterEqualZero,
    LessZero,
    LessEqualZero,
    SaturatingAdd(Sign),
    SaturatingSub(Sign),
    Abs,
    Neg,
    CountOnes,
    ReverseBits,
    /// Of elements in containers of 2, 4 or 8 bytes.
    Reverse(u8),
    AddPairs,
    MaxPairs(Sign),
    MinPairs(Sign),
    LongPairs(Sign),
    LongPairsAdd(Sign),
    Across(Reduce),
    /// `ADDP` of a register's doublewords.
    AddHalves,
    MoveImmediate,
    OrImmediate,
    AndImmediate,
    DupElement,
    DupGeneral,
    InsertElement,
    InsertGeneral,
    ToGeneral(Sign),
    Extract,
    Zip(bool),
    Unzip(bool),
    Transpose(bool),
    Table,
    TableKeep,
    ShiftLeft,
    ShiftRight(Sign),
    ShiftRightAdd(Sign),
    ShiftRightRound(Sign),
    ShiftRightRoundAdd(Sign),
    ShiftLeftInsert,
    ShiftRightInsert,
    ShiftLong(Sign),
    ShiftLongWidth,
    /// By the lanes of the third register.
    ShiftVariable(Sign),
    Narrow,
    NarrowShift,
    NarrowShiftRound,
    /// To lanes of the first sign from lanes of the second.
    NarrowSaturate(Sign, Sign),
    NarrowHigh {
        subtract: bool,
        round: bool,
    },
    Long(Sign, Long),
    LongElement(Sign, Long),
    /// The first source is wide already.
    Wide(Sign, bool),
    Float(Float),
    Structure(Structure),
}

/// Loads and stores of structures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Structure {
    /// Registers one after the other.
    Load,
    Store,
    /// Registers take turns.
    LoadMembers,
    StoreMembers,
    Replicate,
    LoadLane,
    StoreLane,
}

/// Floating point operations. With `bool`: the product is negated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Float {
    Add,
    Sub,
    AbsDiff,
    Mul,
    Div,
    MulAdd(bool),
    MulElement,
    MulAddElement(bool),
    Abs,
    Neg,
    Sqrt,
    /// By the mode and the quietness of the host's instruction (which are SSE4.1's).
    Round(u8),
    AddPairs,
    Extremum {
        least: bool,
    },
    /// With `true`: of magnitudes.
    Compare(Compare, bool),
    /// With `true`: zero is the first operand.
    CompareZero(Compare, bool),
    FromInteger(Sign),
    ToInteger(Sign),
    Lengthen,
    Narrow,
}

/// Comparisons of numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    GreaterEqual,
    Greater,
}

/// How lanes are taken for numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sign {
    Unsigned,
    Signed,
}

/// Operations on narrow lanes with a wide result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Long {
    Add,
    Sub,
    AbsDiff,
    AbsDiffAdd,
    Mul,
    MulAdd,
    MulSub,
}

/// Reductions of all lanes to one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reduce {
    Add,
    LongAdd(Sign),
    Max(Sign),
    Min(Sign),
}

use Sign::{Signed, Unsigned};

/// One source.
const V2: u32 = VD_WRITE | VN_READ;
/// Two sources.
const V3: u32 = V2 | VM_READ;
/// The destination is a source too.
const ACC: u32 = VD_READ;

/// By the names of the decoder's rows, which the scalar forms share but for "scalar".
const TABLE: &[(&str, Vector, u32)] = &[
    ("AND (vector)", Vector::And, V3 | KEEPS),
    ("BIC (vector, register)", Vector::Bic, V3 | KEEPS),
    ("ORR (vector, register)", Vector::Orr, V3 | KEEPS),
    ("ORN (vector)", Vector::Orn, V3 | KEEPS),
    ("EOR (vector)", Vector::Eor, V3 | KEEPS),
    ("BSL", Vector::Bsl, V3 | ACC | KEEPS),
    ("BIT", Vector::Bit, V3 | ACC | KEEPS),
    ("BIF", Vector::Bif, V3 | ACC | KEEPS),
    ("NOT", Vector::Not, V2 | KEEPS),
    ("ADD (vector)", Vector::Add, V3 | KEEPS),
    ("ADD (scalar)", Vector::Add, V3 | KEEPS),
    ("SUB (vector)", Vector::Sub, V3 | KEEPS),
    ("SUB (scalar)", Vector::Sub, V3 | KEEPS),
    ("MUL (vector)", Vector::Mul, V3 | KEEPS),
    ("MLA (vector)", Vector::Mla, V3 | ACC | KEEPS),
    ("MLS (vector)", Vector::Mls, V3 | ACC | KEEPS),
    ("MUL (by element)", Vector::MulElement, V3 | KEEPS),
    ("MLA (by element)", Vector::MlaElement, V3 | ACC | KEEPS),
    ("MLS (by element)", Vector::MlsElement, V3 | ACC | KEEPS),
    ("SMAX", Vector::Max(Signed), V3 | KEEPS),
    ("UMAX", Vector::Max(Unsigned), V3 | KEEPS),
    ("SMIN", Vector::Min(Signed), V3 | KEEPS),
    ("UMIN", Vector::Min(Unsigned), V3 | KEEPS),
    ("SABD", Vector::AbsDiff(Signed), V3 | KEEPS),
    ("UABD", Vector::AbsDiff(Unsigned), V3 | KEEPS),
    ("SABA", Vector::AbsDiffAdd(Signed), V3 | ACC | KEEPS),
    ("UABA", Vector::AbsDiffAdd(Unsigned), V3 | ACC | KEEPS),
    ("SHADD", Vector::HalfAdd(Signed), V3 | KEEPS),
    ("UHADD", Vector::HalfAdd(Unsigned), V3 | KEEPS),
    ("SRHADD", Vector::HalfAddRound(Signed), V3 | KEEPS),
    ("URHADD", Vector::HalfAddRound(Unsigned), V3 | KEEPS),
    ("SHSUB", Vector::HalfSub(Signed), V3 | KEEPS),
    ("UHSUB", Vector::HalfSub(Unsigned), V3 | KEEPS),
    ("CMEQ (register)", Vector::Equal, V3 | KEEPS),
    ("CMEQ (register, scalar)", Vector::Equal, V3 | KEEPS),
    ("CMGT (register)", Vector::Greater(Signed), V3 | KEEPS),
    ("CMGT (register, scalar)", Vector::Greater(Signed), V3 | KEEPS),
    ("CMHI (register)", Vector::Greater(Unsigned), V3 | KEEPS),
    ("CMHI (register, scalar)", Vector::Greater(Unsigned), V3 | KEEPS),
    ("CMGE (register)", Vector::GreaterEqual(Signed), V3 | KEEPS),
    ("CMGE (register, scalar)", Vector::GreaterEqual(Signed), V3 | KEEPS),
    ("CMHS (register)", Vector::GreaterEqual(Unsigned), V3 | KEEPS),
    ("CMHS (register, scalar)", Vector::GreaterEqual(Unsigned), V3 | KEEPS),
    ("CMTST", Vector::Test, V3 | KEEPS),
    ("CMTST (scalar)", Vector::Test, V3 | KEEPS),
    ("CMEQ (zero)", Vector::EqualZero, V2 | KEEPS),
    ("CMEQ (zero, scalar)", Vector::EqualZero, V2 | KEEPS),
    ("CMGT (zero)", Vector::GreaterZero, V2 | KEEPS),
    ("CMGT (zero, scalar)", Vector::GreaterZero, V2 | KEEPS),
    ("CMGE (zero)", Vector::GreaterEqualZero, V2 | KEEPS),
    ("CMGE (zero, scalar)", Vector::GreaterEqualZero, V2 | KEEPS),
    ("CMLT (zero)", Vector::LessZero, V2 | KEEPS),
    ("CMLT (zero, scalar)", Vector::LessZero, V2 | KEEPS),
    ("CMLE (zero)", Vector::LessEqualZero, V2 | KEEPS),
    ("CMLE (zero, scalar)", Vector::LessEqualZero, V2 | KEEPS),
    ("SQADD", Vector::SaturatingAdd(Signed), V3),
    ("UQADD", Vector::SaturatingAdd(Unsigned), V3),
    ("SQSUB", Vector::SaturatingSub(Signed), V3),
    ("UQSUB", Vector::SaturatingSub(Unsigned), V3),
    ("ABS", Vector::Abs, V2 | KEEPS),
    ("ABS (scalar)", Vector::Abs, V2 | KEEPS),
    ("NEG (vector)", Vector::Neg, V2 | KEEPS),
    ("NEG (scalar)", Vector::Neg, V2 | KEEPS),
    ("CNT", Vector::CountOnes, V2 | KEEPS),
    ("RBIT (vector)", Vector::ReverseBits, V2 | KEEPS),
    ("REV16 (vector)", Vector::Reverse(2), V2 | KEEPS),
    ("REV32 (vector)", Vector::Reverse(4), V2 | KEEPS),
    ("REV64", Vector::Reverse(8), V2 | KEEPS),
    ("ADDP (vector)", Vector::AddPairs, V3 | KEEPS),
    ("ADDP (scalar)", Vector::AddHalves, V2 | KEEPS),
    ("SMAXP", Vector::MaxPairs(Signed), V3 | KEEPS),
    ("UMAXP", Vector::MaxPairs(Unsigned), V3 | KEEPS),
    ("SMINP", Vector::MinPairs(Signed), V3 | KEEPS),
    ("UMINP", Vector::MinPairs(Unsigned), V3 | KEEPS),
    ("SADDLP", Vector::LongPairs(Signed), V2 | KEEPS),
    ("UADDLP", Vector::LongPairs(Unsigned), V2 | KEEPS),
    ("SADALP", Vector::LongPairsAdd(Signed), V2 | ACC | KEEPS),
    ("UADALP", Vector::LongPairsAdd(Unsigned), V2 | ACC | KEEPS),
    ("ADDV", Vector::Across(Reduce::Add), V2 | KEEPS),
    ("SADDLV", Vector::Across(Reduce::LongAdd(Signed)), V2 | KEEPS),
    ("UADDLV", Vector::Across(Reduce::LongAdd(Unsigned)), V2 | KEEPS),
    ("SMAXV", Vector::Across(Reduce::Max(Signed)), V2 | KEEPS),
    ("UMAXV", Vector::Across(Reduce::Max(Unsigned)), V2 | KEEPS),
    ("SMINV", Vector::Across(Reduce::Min(Signed)), V2 | KEEPS),
    ("UMINV", Vector::Across(Reduce::Min(Unsigned)), V2 | KEEPS),
    ("MOVI", Vector::MoveImmediate, VD_WRITE | KEEPS),
    ("MVNI", Vector::MoveImmediate, VD_WRITE | KEEPS),
    ("FMOV (vector, immediate)", Vector::MoveImmediate, VD_WRITE | KEEPS),
    ("ORR (vector, immediate)", Vector::OrImmediate, VD_WRITE | ACC | KEEPS),
    ("BIC (vector, immediate)", Vector::AndImmediate, VD_WRITE | ACC | KEEPS),
    ("DUP (element)", Vector::DupElement, V2 | KEEPS),
    ("DUP (element, scalar)", Vector::DupElement, V2 | KEEPS),
    ("DUP (general)", Vector::DupGeneral, VD_WRITE | N_READ | KEEPS),
    ("INS (element)", Vector::InsertElement, V2 | ACC | KEEPS),
    ("INS (general)", Vector::InsertGeneral, VD_WRITE | ACC | N_READ | KEEPS),
    ("SMOV", Vector::ToGeneral(Signed), D_WRITE | VN_READ | KEEPS),
    ("UMOV", Vector::ToGeneral(Unsigned), D_WRITE | VN_READ | KEEPS),
    ("EXT", Vector::Extract, V3 | KEEPS),
    ("ZIP1", Vector::Zip(false), V3 | KEEPS),
    ("ZIP2", Vector::Zip(true), V3 | KEEPS),
    ("UZP1", Vector::Unzip(false), V3 | KEEPS),
    ("UZP2", Vector::Unzip(true), V3 | KEEPS),
    ("TRN1", Vector::Transpose(false), V3 | KEEPS),
    ("TRN2", Vector::Transpose(true), V3 | KEEPS),
    ("TBL", Vector::Table, V3 | KEEPS),
    ("TBX", Vector::TableKeep, V3 | ACC | KEEPS),
    ("SHL", Vector::ShiftLeft, V2 | KEEPS),
    ("SHL (scalar)", Vector::ShiftLeft, V2 | KEEPS),
    ("SSHR", Vector::ShiftRight(Signed), V2 | KEEPS),
    ("SSHR (scalar)", Vector::ShiftRight(Signed), V2 | KEEPS),
    ("USHR", Vector::ShiftRight(Unsigned), V2 | KEEPS),
    ("USHR (scalar)", Vector::ShiftRight(Unsigned), V2 | KEEPS),
    ("SSRA", Vector::ShiftRightAdd(Signed), V2 | ACC | KEEPS),
    ("SSRA (scalar)", Vector::ShiftRightAdd(Signed), V2 | ACC | KEEPS),
    ("USRA", Vector::ShiftRightAdd(Unsigned), V2 | ACC | KEEPS),
    ("USRA (scalar)", Vector::ShiftRightAdd(Unsigned), V2 | ACC | KEEPS),
    ("SRSHR", Vector::ShiftRightRound(Signed), V2 | KEEPS),
    ("SRSHR (scalar)", Vector::ShiftRightRound(Signed), V2 | KEEPS),
    ("URSHR", Vector::ShiftRightRound(Unsigned), V2 | KEEPS),
    ("URSHR (scalar)", Vector::ShiftRightRound(Unsigned), V2 | KEEPS),
    ("SRSRA", Vector::ShiftRightRoundAdd(Signed), V2 | ACC | KEEPS),
    ("SRSRA (scalar)", Vector::ShiftRightRoundAdd(Signed), V2 | ACC | KEEPS),
    ("URSRA", Vector::ShiftRightRoundAdd(Unsigned), V2 | ACC | KEEPS),
    ("URSRA (scalar)", Vector::ShiftRightRoundAdd(Unsigned), V2 | ACC | KEEPS),
    ("SLI", Vector::ShiftLeftInsert, V2 | ACC | KEEPS),
    ("SLI (scalar)", Vector::ShiftLeftInsert, V2 | ACC | KEEPS),
    ("SRI", Vector::ShiftRightInsert, V2 | ACC | KEEPS),
    ("SRI (scalar)", Vector::ShiftRightInsert, V2 | ACC | KEEPS),
    ("SSHLL", Vector::ShiftLong(Signed), V2 | KEEPS),
    ("USHLL", Vector::ShiftLong(Unsigned), V2 | KEEPS),
    ("SHLL", Vector::ShiftLongWidth, V2 | KEEPS),
    ("SSHL", Vector::ShiftVariable(Signed), V3 | KEEPS),
    ("USHL", Vector::ShiftVariable(Unsigned), V3 | KEEPS),
    ("USHL (scalar)", Vector::ShiftVariable(Unsigned), V3 | KEEPS),
    ("XTN", Vector::Narrow, V2 | ACC | KEEPS),
    ("SHRN", Vector::NarrowShift, V2 | ACC | KEEPS),
    ("RSHRN", Vector::NarrowShiftRound, V2 | ACC | KEEPS),
    ("SQXTN", Vector::NarrowSaturate(Signed, Signed), V2 | ACC),
    ("SQXTUN", Vector::NarrowSaturate(Unsigned, Signed), V2 | ACC),
    ("UQXTN", Vector::NarrowSaturate(Unsigned, Unsigned), V2 | ACC),
    ("SQSHRN", Vector::NarrowSaturate(Signed, Signed), V2 | ACC),
    ("SQSHRUN", Vector::NarrowSaturate(Unsigned, Signed), V2 | ACC),
    ("UQSHRN", Vector::NarrowSaturate(Unsigned, Unsigned), V2 | ACC),
    ("SQRSHRN", Vector::NarrowSaturate(Signed, Signed), V2 | ACC),
    ("SQRSHRUN", Vector::NarrowSaturate(Unsigned, Signed), V2 | ACC),
    ("UQRSHRN", Vector::NarrowSaturate(Unsigned, Unsigned), V2 | ACC),
    ("ADDHN", Vector::NarrowHigh { subtract: false, round: false }, V3 | ACC | KEEPS),
    ("RADDHN", Vector::NarrowHigh { subtract: false, round: true }, V3 | ACC | KEEPS),
    ("SUBHN", Vector::NarrowHigh { subtract: true, round: false }, V3 | ACC | KEEPS),
    ("RSUBHN", Vector::NarrowHigh { subtract: true, round: true }, V3 | ACC | KEEPS),
    ("SADDL", Vector::Long(Signed, Long::Add), V3 | KEEPS),
    ("UADDL", Vector::Long(Unsigned, Long::Add), V3 | KEEPS),
    ("SSUBL", Vector::Long(Signed, Long::Sub), V3 | KEEPS),
    ("USUBL", Vector::Long(Unsigned, Long::Sub), V3 | KEEPS),
    ("SABDL", Vector::Long(Signed, Long::AbsDiff), V3 | KEEPS),
    ("UABDL", Vector::Long(Unsigned, Long::AbsDiff), V3 | KEEPS),
    ("SABAL", Vector::Long(Signed, Long::AbsDiffAdd), V3 | ACC | KEEPS),
    ("UABAL", Vector::Long(Unsigned, Long::AbsDiffAdd), V3 | ACC | KEEPS),
    ("SMULL (vector)", Vector::Long(Signed, Long::Mul), V3 | KEEPS),
    ("UMULL (vector)", Vector::Long(Unsigned, Long::Mul), V3 | KEEPS),
    ("SMLAL (vector)", Vector::Long(Signed, Long::MulAdd), V3 | ACC | KEEPS),
    ("UMLAL (vector)", Vector::Long(Unsigned, Long::MulAdd), V3 | ACC | KEEPS),
    ("SMLSL (vector)", Vector::Long(Signed, Long::MulSub), V3 | ACC | KEEPS),
    ("UMLSL (vector)", Vector::Long(Unsigned, Long::MulSub), V3 | ACC | KEEPS),
    ("SMULL (by element)", Vector::LongElement(Signed, Long::Mul), V3 | KEEPS),
    ("UMULL (by element)", Vector::LongElement(Unsigned, Long::Mul), V3 | KEEPS),
    ("SMLAL (by element)", Vector::LongElement(Signed, Long::MulAdd), V3 | ACC | KEEPS),
    ("UMLAL (by element)", Vector::LongElement(Unsigned, Long::MulAdd), V3 | ACC | KEEPS),
    ("SMLSL (by element)", Vector::LongElement(Signed, Long::MulSub), V3 | ACC | KEEPS),
    ("UMLSL (by element)", Vector::LongElement(Unsigned, Long::MulSub), V3 | ACC | KEEPS),
    ("SADDW", Vector::Wide(Signed, false), V3 | KEEPS),
    ("UADDW", Vector::Wide(Unsigned, false), V3 | KEEPS),
    ("SSUBW", Vector::Wide(Signed, true), V3 | KEEPS),
    ("USUBW", Vector::Wide(Unsigned, true), V3 | KEEPS),
];

/// By the host's arithmetic, which may leave lanes to the handler.
const HOST: u32 = HOST_MODE | EXITS;
/// By the host's arithmetic, always.
const EXACT: u32 = HOST_MODE | KEEPS;

/// Floating point.
const FLOATS: &[(&str, Float, u32)] = &[
    ("FADD (vector)", Float::Add, V3 | HOST),
    ("FSUB (vector)", Float::Sub, V3 | HOST),
    ("FABD", Float::AbsDiff, V3 | HOST),
    ("FMUL (vector)", Float::Mul, V3 | HOST),
    ("FDIV (vector)", Float::Div, V3 | HOST),
    ("FMLA (vector)", Float::MulAdd(false), V3 | ACC | HOST),
    ("FMLS (vector)", Float::MulAdd(true), V3 | ACC | HOST),
    ("FMUL (by element)", Float::MulElement, V3 | HOST),
    ("FMLA (by element)", Float::MulAddElement(false), V3 | ACC | HOST),
    ("FMLS (by element)", Float::MulAddElement(true), V3 | ACC | HOST),
    ("FABS (vector)", Float::Abs, V2 | KEEPS),
    ("FNEG (vector)", Float::Neg, V2 | KEEPS),
    ("FSQRT (vector)", Float::Sqrt, V2 | HOST),
    ("FRINTN (vector)", Float::Round(8), V2 | HOST),
    ("FRINTM (vector)", Float::Round(9), V2 | HOST),
    ("FRINTP (vector)", Float::Round(10), V2 | HOST),
    ("FRINTZ (vector)", Float::Round(11), V2 | HOST),
    ("FRINTX (vector)", Float::Round(0), V2 | HOST),
    ("FRINTI (vector)", Float::Round(8), V2 | HOST),
    ("FADDP (vector)", Float::AddPairs, V3 | HOST),
    ("FMAX (vector)", Float::Extremum { least: false }, V3 | HOST),
    ("FMIN (vector)", Float::Extremum { least: true }, V3 | HOST),
    ("FMAXNM (vector)", Float::Extremum { least: false }, V3 | HOST),
    ("FMINNM (vector)", Float::Extremum { least: true }, V3 | HOST),
    ("FCMEQ (register)", Float::Compare(Compare::Equal, false), V3 | EXACT),
    ("FCMGE (register)", Float::Compare(Compare::GreaterEqual, false), V3 | EXACT),
    ("FCMGT (register)", Float::Compare(Compare::Greater, false), V3 | EXACT),
    ("FACGE", Float::Compare(Compare::GreaterEqual, true), V3 | EXACT),
    ("FACGT", Float::Compare(Compare::Greater, true), V3 | EXACT),
    ("FCMEQ (zero)", Float::CompareZero(Compare::Equal, false), V2 | EXACT),
    ("FCMGE (zero)", Float::CompareZero(Compare::GreaterEqual, false), V2 | EXACT),
    ("FCMGT (zero)", Float::CompareZero(Compare::Greater, false), V2 | EXACT),
    ("FCMLE (zero)", Float::CompareZero(Compare::GreaterEqual, true), V2 | EXACT),
    ("FCMLT (zero)", Float::CompareZero(Compare::Greater, true), V2 | EXACT),
    ("SCVTF (vector, integer)", Float::FromInteger(Signed), V2 | EXACT),
    ("UCVTF (vector, integer)", Float::FromInteger(Unsigned), V2 | EXACT),
    ("FCVTZS (vector, integer)", Float::ToInteger(Signed), V2 | HOST),
    ("FCVTZU (vector, integer)", Float::ToInteger(Unsigned), V2 | HOST),
    ("FCVTL", Float::Lengthen, V2 | HOST),
    ("FCVTN", Float::Narrow, V2 | ACC | HOST),
];

const LOAD: u32 = N_READ | VD_WRITE | EXITS;
const STORE: u32 = N_READ | VD_READ | EXITS;

/// Structures.
const STRUCTURES: &[(&str, Structure, u32)] = &[
    ("LD1 (multiple structures)", Structure::Load, LOAD),
    ("LD2 (multiple structures)", Structure::LoadMembers, LOAD),
    ("LD3 (multiple structures)", Structure::LoadMembers, LOAD),
    ("LD4 (multiple structures)", Structure::LoadMembers, LOAD),
    ("ST1 (multiple structures)", Structure::Store, STORE),
    ("ST2 (multiple structures)", Structure::StoreMembers, STORE),
    ("ST3 (multiple structures)", Structure::StoreMembers, STORE),
    ("ST4 (multiple structures)", Structure::StoreMembers, STORE),
    ("LD1R", Structure::Replicate, LOAD),
    ("LD1 (single structure)", Structure::LoadLane, LOAD | ACC),
    ("ST1 (single structure)", Structure::StoreLane, STORE),
];

/// The template and the uses of the row of a name.
pub(super) fn of_name(name: &str) -> Option<(Template, u32)> {
    let float = || FLOATS.iter().find(|row| row.0 == name).map(|&(_, float, bits)| (Template::Vector(Vector::Float(float)), bits));
    let structure =
        || STRUCTURES.iter().find(|row| row.0 == name).map(|&(_, kind, bits)| (Template::Vector(Vector::Structure(kind)), bits));
    TABLE.iter().find(|row| row.0 == name).map(|&(_, vector, bits)| (Template::Vector(vector), bits)).or_else(float).or_else(structure)
}

/// Registers of multiple structures.
pub(super) fn registers(op: &Op) -> usize {
    match field(op.insn, 15, 12) {
        0b0111 => 1,
        0b1010 | 0b1000 => 2,
        0b0110 | 0b0100 => 3,
        _ => 4,
    }
}

/// What the instruction word adds to the uses of its row: registers that follow the first one, the base that is written, the register that is added to it.
pub(super) fn refine(vector: Vector, op: &Op) -> u32 {
    let Vector::Structure(structure) = vector else {
        return if matches!(vector, Vector::Table | Vector::TableKeep) { field(op.insn, 14, 13) << VN_MORE } else { 0 };
    };
    let more = match structure {
        Structure::Load | Structure::Store | Structure::LoadMembers | Structure::StoreMembers => registers(op) as u32 - 1,
        _ => 0,
    };
    more << VD_MORE | if op.aux[3] != 0 { N_WRITE | M_READ } else { 0 }
}
