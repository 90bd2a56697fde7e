//! What QEMU puts into memory, as one kernel of ours, entered as QEMU enters it.
//!
//! A raw image is entered as the firmware does. An ELF file is not taken for Linux: every core starts at its entry, in EL3, with all registers 0 (seen with QEMU 7.2).

use super::{Content, Loader, QemuOptions};
use crate::files;
use crate::report::Unusable;
use tayberry_bcm2837::image::{Kernel, Segment};

/// Where a raw image goes.
const RAW_ADDRESS: u64 = 0x8_0000;
/// End of the memory that the board has for the ARM in QEMU.
const MEMORY: u64 = 0x3C00_0000;
/// Cores of the board.
const CORES: usize = 4;
/// Bytes of the code at address 0 that sends each core to its entry.
const STUB: usize = 0xa0;
/// Where its table of entries is: a word of 64 bits a core; 0: the core stays.
const TABLE: usize = 0x80;

/// Brings the counter to its frequency, lets floating point through, and goes on at the core's entry with registers that are 0, in EL3. It is assembled from:
/// `mov x0, #0x40000000; str wzr, [x0]; mov w1, #0x80000000; str w1, [x0, #8]; mov x0, #0xf800; movk x0, #0x124, lsl #16; msr cntfrq_el0, x0;
/// msr cptr_el3, xzr; mrs x0, mpidr_el1; and x0, x0, #3; adr x1, table; ldr x30, [x1, x0, lsl #3]; mov x0, #0; mov x1, #0; cbz x30, 1f; br x30; 1: wfe; b 1b`
const CODE: [u32; 18] = [
    0xd2a8_0000,
    0xb900_001f,
    0x52b0_0001,
    0xb900_0801,
    0xd29f_0000,
    0xf2a0_2480,
    0xd51b_e000,
    0xd51e_115f,
    0xd538_00a0,
    0x9240_0400,
    0x1000_02c1,
    0xf860_783e,
    0xd280_0000,
    0xd280_0001,
    0xb400_005e,
    0xd61f_03c0,
    0xd503_205f,
    0x17ff_ffff,
];

/// Where cores start.
#[derive(Default)]
struct Start {
    segments: Vec<Segment>,
    /// 0: the core has nowhere to go.
    entries: [u64; CORES],
}

fn is_elf(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF")
}

fn parse(bytes: &[u8], what: &str) -> Result<Kernel, Unusable> {
    Kernel::parse(bytes, MEMORY).map_err(|error| Unusable::new(format_args!("{what}: {error}")))
}

/// The image to run: `image` is the kernel's file.
///
/// # Errors
/// What cannot be loaded, or started.
pub fn kernel(options: &QemuOptions, image: Vec<u8>) -> Result<Vec<u8>, Unusable> {
    let mut start = Start::default();
    let mut as_firmware_enters = None;
    if options.has_kernel {
        if options.is_firmware {
            start.entries = [RAW_ADDRESS; CORES];
            start.segments.push(raw(RAW_ADDRESS, image));
        } else if is_elf(&image) {
            let kernel = parse(&image, "-kernel")?;
            start.entries = [kernel.entry; CORES];
            start.segments = kernel.segments;
        } else if options.loaders.is_empty() {
            return Ok(image);
        } else {
            let kernel = parse(&image, "-kernel")?;
            as_firmware_enters = Some(kernel.entry);
            start.segments = kernel.segments;
        }
    }
    for loader in &options.loaders {
        start.load(loader)?;
    }
    if let Some(entry) = as_firmware_enters {
        if start.entries != [0; CORES] {
            return Err(Unusable::new("-device loader: cpu-num has no meaning beside a raw -kernel, whose boot code starts the cores"));
        }
        return Ok(elf(entry, &start.segments));
    }
    let covers_reset = start.segments.iter().any(|segment| segment.address < STUB as u64 && segment.size != 0);
    if start.entries == [0; CORES] {
        // All cores start at address 0, as out of reset.
        let error = "nothing says where a core starts: -kernel, or cpu-num of -device loader";
        return if covers_reset { Ok(elf(0, &start.segments)) } else { Err(Unusable::new(error)) };
    }
    if covers_reset {
        return Err(Unusable::new("what is loaded below address 0xa0 must begin at address 0: that is where the cores come out of reset"));
    }
    start.segments.insert(0, raw(0, stub(start.entries)));
    Ok(elf(0, &start.segments))
}

impl Start {
    fn load(&mut self, loader: &Loader) -> Result<(), Unusable> {
        let address = loader.address.unwrap_or(0);
        let entry = match &loader.content {
            Content::File(path) => {
                let bytes = files::read("-device loader", path)?;
                if is_elf(&bytes) && !loader.raw {
                    let kernel = parse(&bytes, &format!("-device loader,file={}", path.display()))?;
                    self.segments.extend(kernel.segments);
                    kernel.entry
                } else {
                    self.segments.push(raw(address, bytes));
                    address
                }
            }
            Content::Bytes(bytes) => {
                self.segments.push(raw(address, bytes.clone()));
                address
            }
            Content::Nothing => address,
        };
        if let Some(slot) = loader.core.and_then(|core| self.entries.get_mut(core)) {
            *slot = entry;
        }
        Ok(())
    }
}

fn raw(address: u64, bytes: Vec<u8>) -> Segment {
    Segment { address, size: bytes.len() as u64, bytes }
}

fn stub(entries: [u64; CORES]) -> Vec<u8> {
    let mut bytes: Vec<u8> = CODE.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize(TABLE, 0);
    bytes.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
    bytes
}

/// An AArch64 executable of these segments.
fn elf(entry: u64, segments: &[Segment]) -> Vec<u8> {
    const HEADER: usize = 64;
    const PROGRAM_HEADER: usize = 56;
    const ALL_RIGHTS: u32 = 7;
    let count = segments.len().min(u16::MAX.into());
    let mut file = Vec::new();
    // 64 bits, little-endian, version 1; an executable, for AArch64.
    file.extend(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    file.extend([2u16, 183].iter().flat_map(|half| half.to_le_bytes()));
    file.extend(1u32.to_le_bytes());
    file.extend([entry, HEADER as u64, 0].iter().flat_map(|word| word.to_le_bytes()));
    file.extend(0u32.to_le_bytes());
    file.extend([HEADER as u16, PROGRAM_HEADER as u16, count as u16, 0, 0, 0].iter().flat_map(|half| half.to_le_bytes()));
    let mut offset = (HEADER + count * PROGRAM_HEADER) as u64;
    for segment in &segments[..count] {
        let len = segment.bytes.len() as u64;
        file.extend([1u32, ALL_RIGHTS].iter().flat_map(|word| word.to_le_bytes()));
        file.extend([offset, segment.address, segment.address, len, segment.size, 1].iter().flat_map(|word| word.to_le_bytes()));
        offset += len;
    }
    segments[..count].iter().for_each(|segment| file.extend(&segment.bytes));
    file
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(loaders: Vec<Loader>) -> QemuOptions {
        QemuOptions { has_kernel: true, loaders, ..QemuOptions::default() }
    }

    fn bytes_at(address: u64, core: Option<usize>) -> Loader {
        Loader { content: Content::Bytes(vec![1, 2, 3, 4]), address: Some(address), core, raw: false }
    }

    #[test]
    fn an_elf_file_starts_all_cores_at_its_entry_and_a_raw_image_stays_as_it_is() {
        let elf = elf(0x9_0004, &[raw(0x9_0000, vec![7; 16])]);
        let made = Kernel::parse(&kernel(&options(vec![]), elf).expect("good"), MEMORY).expect("a kernel");
        assert_eq!((made.entry, made.segments.len()), (0, 2));
        assert_eq!(made.segments[0].bytes[TABLE..], [4, 0, 9, 0, 0, 0, 0, 0].repeat(4));
        assert_eq!(made.segments[1], raw(0x9_0000, vec![7; 16]));
        assert_eq!(kernel(&options(vec![]), vec![1, 2, 3]).expect("good"), [1, 2, 3]);
    }

    #[test]
    fn loaders_add_segments_and_start_cores() {
        let made = Kernel::parse(&kernel(&options(vec![bytes_at(0x100_0000, None)]), vec![9; 8]).expect("good"), MEMORY).expect("a kernel");
        assert_eq!((made.entry, made.segments[1].address), (RAW_ADDRESS, 0x100_0000));
        kernel(&options(vec![bytes_at(0x100_0000, Some(1))]), vec![9; 8]).expect_err("raw kernel and cpu-num");
        let alone = |loader| kernel(&QemuOptions { loaders: vec![loader], ..QemuOptions::default() }, vec![]);
        let made = Kernel::parse(&alone(bytes_at(0x20_0000, Some(2))).expect("good"), MEMORY).expect("a kernel");
        assert_eq!(made.segments[0].bytes[TABLE + 16..TABLE + 24], 0x20_0000u64.to_le_bytes());
        assert_eq!(made.segments[0].bytes[TABLE..TABLE + 16], [0; 16]);
        assert_eq!(Kernel::parse(&alone(bytes_at(0, None)).expect("good"), MEMORY).expect("a kernel").segments.len(), 1);
        alone(bytes_at(0x20_0000, None)).expect_err("nothing starts");
        alone(bytes_at(0x40, Some(0))).expect_err("over the stub");
    }

    #[test]
    fn the_stub_is_what_its_comment_says() {
        assert_eq!(stub([1, 2, 3, 4]).len(), STUB);
        // adr x1 reaches the table from its own place.
        assert_eq!(0x28 + (CODE[10] >> 5 & 0x7_ffff) as usize * 4 + (CODE[10] >> 29 & 3) as usize, TABLE);
    }
}
