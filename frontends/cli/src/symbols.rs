//! Names of a kernel's code, as far as it is an ELF file that has them.

use object::elf::{PF_X, PT_LOAD};
use object::read::elf::{ElfFile64, FileHeader, ProgramHeader};
use object::{Endianness, Object, ObjectSection, ObjectSymbol, SymbolKind};
use std::borrow::Cow;
use std::fmt;

/// Where something lies in a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// The symbol.
    pub name: &'a str,
    /// Bytes after it.
    pub offset: u64,
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.offset {
            0 => f.write_str(self.name),
            offset => write!(f, "{}+{offset:#x}", self.name),
        }
    }
}

#[derive(Clone, Debug)]
struct Symbol {
    address: u64,
    /// Where it ends. A label of an assembler has no size: it ends where the next one starts, or its segment.
    end: u64,
    name: String,
}

/// A segment with code.
#[derive(Clone, Copy, Debug)]
struct Segment {
    virt: u64,
    phys: u64,
    size: u64,
}

/// A kernel's symbols.
#[derive(Clone, Debug, Default)]
pub struct Symbols {
    /// By address.
    symbols: Vec<Symbol>,
    segments: Vec<Segment>,
}

impl Symbols {
    /// Those of a kernel; none if it has none, or is no ELF file.
    pub fn of(kernel: &[u8]) -> Self {
        ElfFile64::<Endianness>::parse(kernel).map_or_else(|_| Self::default(), |elf| Self::of_elf(&elf))
    }

    fn of_elf(elf: &ElfFile64<'_, Endianness>) -> Self {
        let endian = elf.endian();
        let programs = elf.elf_header().program_headers(endian, elf.data()).unwrap_or_default();
        let has_code = |program: &&object::elf::ProgramHeader64<Endianness>| {
            program.p_type(endian) == PT_LOAD && program.p_flags(endian).0 & PF_X.0 != 0
        };
        let segments: Vec<Segment> = programs
            .iter()
            .filter(has_code)
            .map(|program| Segment { virt: program.p_vaddr(endian), phys: program.p_paddr(endian), size: program.p_memsz(endian) })
            .collect();
        let mut symbols: Vec<Symbol> = elf
            .symbols()
            .filter(|symbol| matches!(symbol.kind(), SymbolKind::Text | SymbolKind::Unknown) && symbol.is_definition())
            .filter_map(|symbol| {
                // `$x`, `$d`: mapping symbols (ELF for the Arm 64-bit Architecture, 5.5.4).
                let name = symbol.name().ok().filter(|name| !name.is_empty() && !name.starts_with('$'))?;
                let address = symbol.address();
                let name = addr2line::demangle_auto(Cow::Borrowed(name), None).into_owned();
                Some(Symbol { address, end: address.saturating_add(symbol.size()), name })
            })
            .collect();
        // Of several at one address the first that has a size stays.
        symbols.sort_by_key(|symbol| (symbol.address, symbol.end == symbol.address));
        symbols.dedup_by_key(|symbol| symbol.address);
        for at in 0..symbols.len() {
            let address = symbols[at].address;
            if symbols[at].end == address {
                let segment = segments.iter().find(|segment| address.checked_sub(segment.virt).is_some_and(|offset| offset < segment.size));
                let next = symbols.get(at + 1).map_or(u64::MAX, |next| next.address);
                symbols[at].end = segment.map_or(address, |segment| segment.virt.saturating_add(segment.size)).min(next);
            }
        }
        Self { symbols, segments }
    }

    /// What is at `pc`. Before a kernel that is linked high turns the MMU on, it runs where it was loaded: then `pa`, the physical address, tells.
    pub fn at(&self, pc: u64, pa: u64) -> Option<Place<'_>> {
        self.find(pc).or_else(|| self.find(self.linked(pa)?))
    }

    /// The address at which what was loaded at `pa` is linked.
    fn linked(&self, pa: u64) -> Option<u64> {
        let segment = self.segments.iter().find(|segment| pa.checked_sub(segment.phys).is_some_and(|offset| offset < segment.size))?;
        segment.virt.checked_add(pa - segment.phys)
    }

    /// It has no symbols at all.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    fn find(&self, address: u64) -> Option<Place<'_>> {
        let after = self.symbols.partition_point(|symbol| symbol.address <= address);
        let symbol = self.symbols[..after].last().filter(|symbol| address < symbol.end)?;
        Some(Place { name: &symbol.name, offset: address - symbol.address })
    }
}

type Section<'a> = addr2line::gimli::EndianSlice<'a, addr2line::gimli::LittleEndian>;

/// Lines of source, as far as a kernel has debug information.
pub struct SourceLines<'a> {
    lines: Option<addr2line::Context<Section<'a>>>,
    symbols: Symbols,
}

impl<'a> SourceLines<'a> {
    /// Those of an ELF file.
    pub fn of(kernel: &'a [u8]) -> Self {
        Self { lines: Self::read(kernel), symbols: Symbols::of(kernel) }
    }

    fn read(kernel: &'a [u8]) -> Option<addr2line::Context<Section<'a>>> {
        use addr2line::gimli;
        let elf = ElfFile64::<Endianness>::parse(kernel).ok()?;
        let load = |id: gimli::SectionId| -> Result<Section<'a>, gimli::Error> {
            let data = elf.section_by_name(id.name()).and_then(|section| section.data().ok());
            Ok(Section::new(data.unwrap_or_default(), gimli::LittleEndian))
        };
        addr2line::Context::from_dwarf(gimli::Dwarf::load(load).ok()?).ok()
    }

    /// The names.
    pub fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    /// File and line of the code at `pc`, or at the physical address `pa` where it runs before the MMU is on.
    pub fn at(&self, pc: u64, pa: u64) -> Option<String> {
        let lines = self.lines.as_ref()?;
        let find =
            |address: u64| lines.find_location(address).ok().flatten().and_then(|found| Some(format!("{}:{}", found.file?, found.line?)));
        find(pc).or_else(|| find(self.symbols.linked(pa)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(words: &[u64]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    /// An ELF file of one segment with code, linked at `virt`, loaded at `phys`, of 0x1000 bytes, with these symbols: name, address, size, info.
    pub fn elf(virt: u64, phys: u64, symbols: &[(&str, u64, u64, u8)]) -> Vec<u8> {
        let mut names = vec![0];
        let mut table = vec![0; 24];
        for (name, address, size, info) in symbols {
            table.extend((names.len() as u32).to_le_bytes());
            // In section 1.
            table.extend([*info, 0, 1, 0]);
            table.extend(bytes(&[*address, *size]));
            names.extend(name.as_bytes());
            names.push(0);
        }
        let (header, program, section) = (64u64, 56u64, 64u64);
        let table_at = header + program;
        let names_at = table_at + table.len() as u64;
        let sections_at = (names_at + names.len() as u64).next_multiple_of(8);
        let mut file = vec![0x7F, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 183, 0, 1, 0, 0, 0];
        file.extend(bytes(&[virt, header, sections_at]));
        file.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 64, 0, 4, 0, 3, 0]);
        // PT_LOAD, readable and executable.
        file.extend(bytes(&[5 << 32 | 1, 0, virt, phys, 0, 0x1000, 0x1000]));
        file.extend(&table);
        file.extend(&names);
        file.resize(sections_at as usize + section as usize, 0);
        // PROGBITS, alloc and exec; SYMTAB that links to section 3; STRTAB.
        file.extend(bytes(&[1 << 32, 6, virt, 0, 0, 0, 4, 0]));
        file.extend(bytes(&[2 << 32, 0, 0, table_at, table.len() as u64, 1 << 32 | 3, 8, 24]));
        file.extend(bytes(&[3 << 32, 0, 0, names_at, names.len() as u64, 0, 1, 0]));
        file
    }

    const FUNCTION: u8 = 0x12;
    const LABEL: u8 = 0x10;
    const OBJECT: u8 = 0x11;

    #[test]
    fn places_have_names() {
        let virt = 0xffff_0000_0008_0000;
        let file = elf(
            virt,
            0x8_0000,
            &[
                ("main", virt + 0x100, 0x80, FUNCTION),
                ("_start", virt, 0, LABEL),
                ("$x", virt + 0x10, 0, LABEL),
                ("loop", virt + 0x200, 0, LABEL),
                ("table", virt + 0x300, 8, OBJECT),
            ],
        );
        let symbols = Symbols::of(&file);
        let name = |pc, pa| symbols.at(pc, pa).map(|place| place.to_string());
        assert_eq!(name(virt, 0), Some("_start".into()));
        assert_eq!(name(virt + 0x20, 0), Some("_start+0x20".into()), "a mapping symbol is no name");
        assert_eq!(name(virt + 0x17c, 0), Some("main+0x7c".into()));
        assert_eq!(name(virt + 0x180, 0), None, "after a function's end");
        assert_eq!(name(virt + 0x310, 0), Some("loop+0x110".into()), "data is no code");
        assert_eq!((name(virt + 0x1000, 0), name(virt - 4, 0)), (None, None));
        assert_eq!(name(0x8_0104, 0x8_0104), Some("main+0x4".into()), "before the MMU is on");
        assert_eq!(name(0x20_0000, 0x20_0000), None);
    }

    #[test]
    fn names_of_rust_and_c_plus_plus_are_readable() {
        let file = elf(
            0x8_0000,
            0x8_0000,
            &[("_ZN4core9panicking5panic17h0123456789abcdefE", 0x8_0000, 8, FUNCTION), ("_Z4mainiPPc", 0x8_0008, 8, FUNCTION)],
        );
        let symbols = Symbols::of(&file);
        let name = |pc| symbols.at(pc, pc).map(|place| place.to_string());
        assert_eq!((name(0x8_0004), name(0x8_0008)), (Some("core::panicking::panic+0x4".into()), Some("main(int, char**)".into())));
    }

    #[test]
    fn what_is_no_elf_has_no_symbols() {
        let file = elf(0, 0, &[("main", 0, 4, FUNCTION)]);
        assert!(Symbols::of(&file).at(0, 0).is_some());
        for length in 0..file.len() {
            // Any cut is fine as long as nothing panics.
            let _ = Symbols::of(&file[..length]).at(0, 0);
            let _ = SourceLines::of(&file[..length]).at(0, 0);
        }
        assert!(Symbols::of(b"not an ELF").at(0, 0).is_none());
    }
}
