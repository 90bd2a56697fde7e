//! AArch64 as GDB is told of it: a description of all registers, generated from the core's own table, and how they are numbered.

use gdbstub::arch;
use std::num::NonZeroUsize;
use std::sync::LazyLock;
use tayberry_a64::debugger::{SystemRegister, system_registers};

/// The architecture.
#[derive(Debug)]
pub enum A64 {}

impl arch::Arch for A64 {
    type Usize = u64;
    type Registers = General;
    type BreakpointKind = usize;
    type RegId = Register;

    fn target_description_xml() -> Option<&'static str> {
        static XML: LazyLock<String> = LazyLock::new(description);
        Some(&XML)
    }
}

/// A register, as GDB numbers them: in the order of the description.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// X0 to X30.
    X(usize),
    /// The current stack pointer.
    Sp,
    /// The program counter.
    Pc,
    /// PSTATE as in SPSR_ELx.
    Cpsr,
    /// V0 to V31.
    V(usize),
    /// FPSR.
    Fpsr,
    /// FPCR.
    Fpcr,
    /// A system register, by its index in the core's table.
    System(usize),
}

/// Number of the first system register.
const FIRST_SYSTEM: usize = 68;

/// Those that GDB is told of: two have a name of GDB's own already.
static SYSTEM: LazyLock<Vec<SystemRegister>> =
    LazyLock::new(|| system_registers().filter(|register| !matches!(register.name, "FPCR" | "FPSR")).collect());

/// The system registers, in the order of their numbers.
pub fn system() -> &'static [SystemRegister] {
    &SYSTEM
}

impl Register {
    /// Bytes.
    pub fn size(self) -> usize {
        match self {
            Self::V(_) => 16,
            Self::Cpsr | Self::Fpsr | Self::Fpcr => 4,
            _ => 8,
        }
    }

    /// By GDB's number.
    pub fn numbered(number: usize) -> Option<Self> {
        Some(match number {
            0..=30 => Self::X(number),
            31 => Self::Sp,
            32 => Self::Pc,
            33 => Self::Cpsr,
            34..=65 => Self::V(number - 34),
            66 => Self::Fpsr,
            67 => Self::Fpcr,
            _ => Self::System(SYSTEM.get(number - FIRST_SYSTEM)?.index),
        })
    }
}

impl arch::RegId for Register {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        Self::numbered(id).map(|register| (register, NonZeroUsize::new(register.size())))
    }
}

/// The registers that GDB asks for at once, as bytes in its order: all but the system registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct General(pub Vec<u8>);

impl General {
    /// Those registers.
    pub fn all() -> impl Iterator<Item = Register> {
        (0..FIRST_SYSTEM).filter_map(Register::numbered)
    }
}

impl arch::Registers for General {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.0.get(32 * 8..33 * 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes)
    }

    fn gdb_serialize(&self, mut write_byte: impl FnMut(Option<u8>)) {
        self.0.iter().for_each(|&byte| write_byte(Some(byte)));
    }

    fn gdb_deserialize(&mut self, bytes: &[u8]) -> Result<(), ()> {
        self.0 = bytes.to_vec();
        Ok(())
    }
}

/// Fields of PSTATE: name, first bit, last bit.
const PSTATE: [(&str, u32, u32); 13] = [
    ("SP", 0, 0),
    ("EL", 2, 3),
    ("nRW", 4, 4),
    ("F", 6, 6),
    ("I", 7, 7),
    ("A", 8, 8),
    ("D", 9, 9),
    ("IL", 20, 20),
    ("SS", 21, 21),
    ("V", 28, 28),
    ("C", 29, 29),
    ("Z", 30, 30),
    ("N", 31, 31),
];

/// Shapes of a vector register: name, type of an element, elements.
const SHAPES: [(&str, &str, usize); 8] = [
    ("v2d", "ieee_double", 2),
    ("v2u", "uint64", 2),
    ("v4f", "ieee_single", 4),
    ("v4u", "uint32", 4),
    ("v8u", "uint16", 8),
    ("v8s", "int16", 8),
    ("v16u", "uint8", 16),
    ("v16s", "int8", 16),
];

/// Shapes by the width of their elements, as GDB's users name them.
const WIDTHS: [(&str, &[(&str, &str)]); 5] = [
    ("vnd", &[("f", "v2d"), ("u", "v2u")]),
    ("vns", &[("f", "v4f"), ("u", "v4u")]),
    ("vnh", &[("u", "v8u"), ("s", "v8s")]),
    ("vnb", &[("u", "v16u"), ("s", "v16s")]),
    ("vnq", &[("u", "uint128")]),
];

/// The description (GDB manual, appendix G).
fn description() -> String {
    let mut xml = String::from(
        "<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target version=\"1.0\"><architecture>aarch64</architecture>",
    );
    core_feature(&mut xml);
    fpu_feature(&mut xml);
    xml += "<feature name=\"org.tayberry.aarch64.system\">";
    for register in SYSTEM.iter() {
        xml += &format!("<reg name=\"{}\" bitsize=\"64\" type=\"uint64\" group=\"system\" save-restore=\"no\"/>", register.name);
    }
    xml + "</feature></target>"
}

fn core_feature(xml: &mut String) {
    *xml += "<feature name=\"org.gnu.gdb.aarch64.core\"><flags id=\"pstate\" size=\"4\">";
    for (name, start, end) in PSTATE {
        *xml += &format!("<field name=\"{name}\" start=\"{start}\" end=\"{end}\"/>");
    }
    *xml += "</flags>";
    for n in 0..31 {
        *xml += &format!("<reg name=\"x{n}\" bitsize=\"64\"/>");
    }
    *xml += "<reg name=\"sp\" bitsize=\"64\" type=\"data_ptr\"/><reg name=\"pc\" bitsize=\"64\" type=\"code_ptr\"/>";
    *xml += "<reg name=\"cpsr\" bitsize=\"32\" type=\"pstate\"/></feature>";
}

fn fpu_feature(xml: &mut String) {
    *xml += "<feature name=\"org.gnu.gdb.aarch64.fpu\">";
    for (name, element, count) in SHAPES {
        *xml += &format!("<vector id=\"{name}\" type=\"{element}\" count=\"{count}\"/>");
    }
    for (name, fields) in WIDTHS {
        *xml += &format!("<union id=\"{name}\">");
        for (field, shape) in fields {
            *xml += &format!("<field name=\"{field}\" type=\"{shape}\"/>");
        }
        *xml += "</union>";
    }
    *xml += "<union id=\"aarch64v\">";
    for (name, width) in [("d", "vnd"), ("s", "vns"), ("h", "vnh"), ("b", "vnb"), ("q", "vnq")] {
        *xml += &format!("<field name=\"{name}\" type=\"{width}\"/>");
    }
    *xml += "</union>";
    for n in 0..32 {
        *xml += &format!("<reg name=\"v{n}\" bitsize=\"128\" type=\"aarch64v\"/>");
    }
    *xml += "<reg name=\"fpsr\" bitsize=\"32\"/><reg name=\"fpcr\" bitsize=\"32\"/></feature>";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_description() {
        let xml = description();
        let names: Vec<&str> = xml.split("<reg name=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(names.len(), FIRST_SYSTEM + SYSTEM.len());
        assert_eq!((names[31], names[33], names[34], names[67]), ("sp", "cpsr", "v0", "fpcr"));
        for (number, name) in names.iter().enumerate() {
            match Register::numbered(number) {
                Some(Register::System(index)) => {
                    assert_eq!(SYSTEM.iter().find(|register| register.index == index).map(|register| register.name), Some(*name));
                }
                Some(_) => assert!(number < FIRST_SYSTEM),
                None => panic!("{name} has no number"),
            }
        }
        assert_eq!(Register::numbered(names.len()), None);
        let mut unique = names.clone();
        unique.sort_unstable();
        unique.dedup();
        assert_eq!(unique.len(), names.len(), "a name twice");
    }
}
