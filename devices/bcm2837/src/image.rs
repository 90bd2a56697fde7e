//! Kernel images: raw ones, as the firmware loads them, and AArch64 ELF files.

use crate::setup::KernelPlace;
use object::Endianness;
use object::elf::{ELFCLASS64, ELFDATA2LSB, ELFMAG, EM_AARCH64, ET_DYN, ET_EXEC, FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};
use thiserror::Error;

/// Where the firmware loads a raw 64-bit kernel.
pub const RAW_ADDRESS: u64 = 0x8_0000;
/// Alignment of what [`Kernel::parse`] places by an arm64 image header.
const IMAGE_ALIGN: u64 = 2 << 20;
/// Magic of the arm64 image header, and where it stands (Linux, Documentation/arch/arm64/booting.rst).
const IMAGE_MAGIC: (usize, &[u8]) = (56, b"ARM\x64");
/// Bytes of an ELF file's identification.
const EI_CLASS: usize = 4;
const EI_DATA: usize = 5;

/// Why a kernel cannot be loaded.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ImageError {
    /// The file has no bytes.
    #[error("the kernel is empty")]
    Empty,
    /// More than fits between its address and the GPU's memory.
    #[error("the kernel does not fit: it would end at {end:#x}, and memory for it ends at {limit:#x}")]
    TooLarge {
        /// End address.
        end: u64,
        /// End of the memory it may use.
        limit: u64,
    },
    /// A 32-bit ELF file.
    #[error("the kernel is a 32-bit ELF file; an AArch64 one is needed")]
    Elf32,
    /// A big-endian ELF file.
    #[error("the kernel is a big-endian ELF file; a little-endian one is needed")]
    BigEndian,
    /// An ELF file for another machine.
    #[error("the kernel is an ELF file for machine type {0}; AArch64 (183) is needed")]
    Machine(u16),
    /// An object file, a core dump.
    #[error("the kernel is an ELF file of type {0}; an executable is needed")]
    NotExecutable(u16),
    /// Headers that lead nowhere.
    #[error("the kernel's ELF headers are broken: {0}")]
    Broken(&'static str),
    /// The entry point is not in any segment.
    #[error("the kernel's entry point {0:#x} lies outside of what is loaded")]
    Entry(u64),
    /// A segment over the code that starts the cores, but the kernel does not start at address 0 itself.
    #[error("the kernel has a segment at {0:#x}, over the boot code below 0x100, but is not entered at address 0")]
    OverBootCode(u64),
}

/// Bytes to be put into RAM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// Physical address.
    pub address: u64,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Bytes that it occupies: what follows `bytes` is zero.
    pub size: u64,
}

/// A kernel that fits the board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// What to load where.
    pub segments: Vec<Segment>,
    /// Physical address of the first instruction. Zero: the kernel brings its own boot code, and all cores start there in EL3.
    pub entry: u64,
}

impl Kernel {
    /// Takes a file apart. Everything must lie below `limit`.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn parse(file: &[u8], limit: u64) -> Result<Self, ImageError> {
        Self::placed(file, limit, KernelPlace::Usual)
    }

    /// The same, for a raw image that goes to `place`. What an ELF file says of its own place stands.
    ///
    /// # Errors
    /// [`ImageError`].
    pub fn placed(file: &[u8], limit: u64, place: KernelPlace) -> Result<Self, ImageError> {
        if file.is_empty() {
            return Err(ImageError::Empty);
        }
        let fits = |end: u64| if end > limit { Err(ImageError::TooLarge { end, limit }) } else { Ok(()) };
        if !file.starts_with(&ELFMAG) {
            let (usual, size) = raw_placement(file);
            let address = match place {
                KernelPlace::Usual => usual,
                KernelPlace::At(address) => address.into(),
                KernelPlace::Zero => 0,
            };
            fits(address.saturating_add(size))?;
            return Ok(Self { segments: vec![Segment { address, bytes: file.to_vec(), size }], entry: address });
        }
        let kernel = Self::parse_elf(file)?;
        fits(kernel.end())?;
        Ok(kernel)
    }

    /// First address after all segments.
    pub fn end(&self) -> u64 {
        self.segments.iter().map(|segment| segment.address.saturating_add(segment.size)).max().unwrap_or(0)
    }

    fn parse_elf(file: &[u8]) -> Result<Self, ImageError> {
        let ident = |index: usize| file.get(index).copied().ok_or(ImageError::Broken("the file ends in the header"));
        if ident(EI_CLASS)? != ELFCLASS64.0 {
            return Err(ImageError::Elf32);
        }
        if ident(EI_DATA)? != ELFDATA2LSB.0 {
            return Err(ImageError::BigEndian);
        }
        let header = FileHeader64::<Endianness>::parse(file).map_err(|_| ImageError::Broken("the file ends in the header"))?;
        let endian = header.endian().map_err(|_| ImageError::Broken("no byte order"))?;
        if header.e_machine(endian) != EM_AARCH64 {
            return Err(ImageError::Machine(header.e_machine(endian).0));
        }
        if ![ET_EXEC, ET_DYN].contains(&header.e_type(endian)) {
            return Err(ImageError::NotExecutable(header.e_type(endian).0));
        }
        let programs =
            header.program_headers(endian, file).map_err(|_| ImageError::Broken("the program headers lie outside of the file"))?;
        let loads: Vec<_> = programs.iter().filter(|program| program.p_type(endian) == PT_LOAD && program.p_memsz(endian) > 0).collect();
        if loads.is_empty() {
            return Err(ImageError::Broken("nothing to load"));
        }
        let mut segments = Vec::new();
        for load in &loads {
            let bytes = load.data(endian, file).map_err(|()| ImageError::Broken("a segment lies outside of the file"))?;
            if bytes.len() as u64 > load.p_memsz(endian) {
                return Err(ImageError::Broken("a segment has more bytes than memory"));
            }
            segments.push(Segment { address: load.p_paddr(endian), bytes: bytes.to_vec(), size: load.p_memsz(endian) });
        }
        let entry = header.e_entry(endian);
        let ranges = || loads.iter().map(|load| (load.p_paddr(endian), load.p_vaddr(endian), load.p_memsz(endian)));
        let entry = physical_entry(entry, ranges()).ok_or(ImageError::Entry(entry))?;
        match segments.iter().find(|segment| segment.address < crate::armstub::SIZE) {
            Some(segment) if entry != 0 => Err(ImageError::OverBootCode(segment.address)),
            _ => Ok(Self { segments, entry }),
        }
    }
}

/// The entry point as a physical address: kernels are linked to run at it, or at virtual addresses of their own.
fn physical_entry(entry: u64, segments: impl Iterator<Item = (u64, u64, u64)> + Clone) -> Option<u64> {
    let inside = |base: u64, size: u64| entry.checked_sub(base).filter(|&offset| offset < size);
    let physical = segments.clone().find_map(|(paddr, _, size)| inside(paddr, size).map(|offset| paddr + offset));
    physical.or_else(|| segments.clone().find_map(|(paddr, vaddr, size)| inside(vaddr, size)?.checked_add(paddr)))
}

/// Load address of a raw image and the bytes it occupies: an arm64 image header asks for an offset from a 2 MiB boundary; all else goes to 0x80000.
fn raw_placement(file: &[u8]) -> (u64, u64) {
    let word = |at: usize| file.get(at..at + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_le_bytes);
    let (magic_at, magic) = IMAGE_MAGIC;
    let (text_offset, image_size) = (word(8), word(16));
    if file.get(magic_at..).is_none_or(|rest| !rest.starts_with(magic)) || image_size == 0 {
        return (RAW_ADDRESS, file.len() as u64);
    }
    let address = if text_offset < RAW_ADDRESS { text_offset.saturating_add(IMAGE_ALIGN) } else { text_offset };
    (address, image_size.max(file.len() as u64))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const LIMIT: u64 = 0x3B40_0000;

    /// A minimal executable: one segment.
    pub(crate) fn elf(paddr: u64, vaddr: u64, entry: u64, body: &[u8], memsz: u64) -> Vec<u8> {
        let mut file = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for half in [2u16, 183] {
            file.extend(half.to_le_bytes());
        }
        file.extend(1u32.to_le_bytes());
        for word in [entry, 64, 0] {
            file.extend(word.to_le_bytes());
        }
        file.extend(0u32.to_le_bytes());
        for half in [64u16, 56, 1, 64, 0, 0] {
            file.extend(half.to_le_bytes());
        }
        file.extend(1u32.to_le_bytes());
        file.extend(5u32.to_le_bytes());
        for word in [120, vaddr, paddr, body.len() as u64, memsz, 8] {
            file.extend(word.to_le_bytes());
        }
        file.extend(body);
        file
    }

    #[test]
    fn raw_images_go_to_80000() {
        let kernel = Kernel::parse(&[1, 2, 3, 4], LIMIT).expect("a kernel");
        assert_eq!(kernel.entry, 0x8_0000);
        assert_eq!(kernel.segments, [Segment { address: 0x8_0000, bytes: vec![1, 2, 3, 4], size: 4 }]);
    }

    #[test]
    fn image_headers_are_followed() {
        for (text_offset, size, address) in [(0x8_0000u64, 0x1000u64, 0x8_0000), (0, 0x10_0000, 0x20_0000), (0, 0, 0x8_0000)] {
            let mut file = vec![0; 64];
            file[8..16].copy_from_slice(&text_offset.to_le_bytes());
            file[16..24].copy_from_slice(&size.to_le_bytes());
            file[56..60].copy_from_slice(b"ARMd");
            let kernel = Kernel::parse(&file, LIMIT).expect("a kernel");
            assert_eq!((kernel.entry, kernel.end()), (address, address + size.max(64)));
            file[16..24].copy_from_slice(&u64::MAX.to_le_bytes());
            assert!(matches!(Kernel::parse(&file, LIMIT), Err(ImageError::TooLarge { .. })));
        }
    }

    #[test]
    fn elf_files_go_where_their_headers_say() {
        let kernel = Kernel::parse(&elf(0x10_0000, 0x10_0000, 0x10_0004, &[9; 8], 0x20), LIMIT).expect("a kernel");
        assert_eq!(kernel.entry, 0x10_0004);
        assert_eq!(kernel.segments, [Segment { address: 0x10_0000, bytes: vec![9; 8], size: 0x20 }]);
        let high = Kernel::parse(&elf(0x8_0000, 0xffff_0000_0008_0000, 0xffff_0000_0008_0004, &[9; 8], 8), LIMIT).expect("a kernel");
        assert_eq!(high.entry, 0x8_0004, "linked high, entered low");
        let own = Kernel::parse(&elf(0, 0, 0, &[9; 8], 8), LIMIT).expect("a kernel");
        assert_eq!(own.entry, 0);
    }

    #[test]
    fn unusable_kernels_are_refused_in_one_line() {
        let good = elf(0x8_0000, 0x8_0000, 0x8_0000, &[0; 8], 8);
        let patched = |at: usize, bytes: &[u8]| {
            let mut file = good.clone();
            file[at..at + bytes.len()].copy_from_slice(bytes);
            file
        };
        let cases: Vec<(Vec<u8>, ImageError)> = vec![
            (vec![], ImageError::Empty),
            (vec![0; (LIMIT - 0x8_0000) as usize + 1], ImageError::TooLarge { end: LIMIT + 1, limit: LIMIT }),
            (b"\x7fELF".to_vec(), ImageError::Broken("the file ends in the header")),
            (good[..60].to_vec(), ImageError::Broken("the file ends in the header")),
            (good[..100].to_vec(), ImageError::Broken("the program headers lie outside of the file")),
            (good[..125].to_vec(), ImageError::Broken("a segment lies outside of the file")),
            (patched(4, &[1]), ImageError::Elf32),
            (patched(5, &[2]), ImageError::BigEndian),
            (patched(18, &[62, 0]), ImageError::Machine(62)),
            (patched(16, &[1, 0]), ImageError::NotExecutable(1)),
            (patched(64, &[4]), ImageError::Broken("nothing to load")),
            (patched(104, &4u64.to_le_bytes()), ImageError::Broken("a segment has more bytes than memory")),
            (elf(0x8_0000, 0x8_0000, 0x9_0000, &[0; 8], 8), ImageError::Entry(0x9_0000)),
            (elf(0x80, 0x80, 0x80, &[0; 8], 8), ImageError::OverBootCode(0x80)),
            (elf(u64::MAX - 3, 0, 0, &[0; 8], 8), ImageError::TooLarge { end: u64::MAX, limit: LIMIT }),
        ];
        for (file, error) in cases {
            let found = Kernel::parse(&file, LIMIT);
            assert_eq!(found.as_ref().err(), Some(&error));
            assert!(!error.to_string().contains('\n'));
        }
    }

    proptest::proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(at in 4usize..128, bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            let mut file = elf(0x8_0000, 0x8_0000, 0x8_0000, &[0; 8], 8);
            let end = (at + bytes.len()).min(file.len());
            let at = at.min(end);
            file[at..end].copy_from_slice(&bytes[..end - at]);
            if let Ok(kernel) = Kernel::parse(&file, LIMIT) {
                proptest::prop_assert!(kernel.end() <= LIMIT && kernel.entry < LIMIT);
            }
        }
    }
}
