//! The guest's memory, the same on both sides: identity mapped by tables of EL1&0, 4 KiB pages, Normal write-back memory.
//!
//! EL0 may execute the code but not read it, so that no result depends on which cases ran before; data has holes around it.

/// Bytes of RAM, from address 0.
pub const RAM_BYTES: u64 = 0x40_0000;
/// VBAR_EL1.
pub const VECTORS: u64 = 0x8000;
/// First byte of the code: executable at EL0, not readable.
/// No power of two, which cases like as a value.
pub const CODE: u64 = 0x10_8000;
/// Bytes of one case's code.
pub const SLOT_BYTES: u64 = 128;
/// Places for code: a case is put where no other ran before, so that nothing decoded or translated has to be thrown away.
pub const SLOTS: u64 = 4096;
/// End of the code.
pub const CODE_END: u64 = CODE + SLOTS * SLOT_BYTES;
/// An executable page of no case's code.
pub const SPARE: u64 = 0x1f_d000;
/// First byte of the window that EL0 reads and writes. Literal loads reach it from all code.
pub const WINDOW: u64 = 0x19_0000;
/// Bytes of the window: two pages, then a hole.
pub const WINDOW_BYTES: u64 = 0x2000;
/// A page that EL0 only reads.
pub const READ_ONLY: u64 = 0x19_4000;
/// Bytes in a page.
pub const PAGE: u64 = 0x1000;

/// TTBR0_EL1.
pub const TABLES: u64 = 0x1000;
/// TCR_EL1: 39 bits of virtual address below, 4 KiB granule, inner shareable write-back walks; nothing above (EPD1); 40 bits of physical address.
pub const TCR: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 25 << 16 | 1 << 23 | 2 << 30 | 2 << 32;
/// MAIR_EL1: attribute 0 is Normal write-back.
pub const MAIR: u64 = 0xff;
/// SCTLR_EL1: MMU and caches on; EL0 may use DC ZVA, CTR_EL0 and cache maintenance by address; WFI and WFE of EL0 trap; stack pointer and data
/// alignment are not checked.
pub const SCTLR: u64 = 0x30d0_0800 | 1 | 1 << 2 | 1 << 12 | 1 << 14 | 1 << 15 | 1 << 26;
/// SCTLR_EL1.E0E: data accesses of EL0 are big-endian.
pub const BIG_ENDIAN: u64 = 1 << 24;
/// CPACR_EL1: no traps of FP and SIMD.
pub const CPACR: u64 = 3 << 20;
/// What follows a case's code: BRK #0x7e57.
pub const END_OF_CODE: u32 = 0xd420_0000 | 0x7e57 << 5;

const VALID_PAGE: u64 = 0b11 | 1 << 10 | 3 << 8;
const TABLE: u64 = 0b11;
const UXN: u64 = 1 << 54;
const PXN: u64 = 1 << 53;
const EL0_READ_WRITE: u64 = 1 << 6;
const EL0_READ_ONLY: u64 = 3 << 6;
/// WFI.
const WFI: u32 = 0xd503_207f;

/// Every word of the guest's memory that is not zero before a case: the tables, and the vectors.
pub fn image() -> Vec<(u64, u64)> {
    let (level2, level3) = (TABLES + PAGE, TABLES + 2 * PAGE);
    let mut image = vec![(TABLES, level2 | TABLE), (level2, level3 | TABLE)];
    let mut map = |from: u64, to: u64, attributes: u64| {
        for page in (from..to).step_by(PAGE as usize) {
            image.push((level3 + page / PAGE * 8, page | VALID_PAGE | attributes));
        }
    };
    map(VECTORS, VECTORS + PAGE, UXN);
    map(CODE, CODE_END, PXN);
    map(SPARE, SPARE + PAGE, PXN);
    map(WINDOW, WINDOW + WINDOW_BYTES, UXN | PXN | EL0_READ_WRITE);
    map(READ_ONLY, READ_ONLY + PAGE, UXN | PXN | EL0_READ_ONLY);
    // Every vector waits for an interrupt, which never comes.
    for vector in (VECTORS..VECTORS + 0x800).step_by(0x80) {
        image.push((vector, u64::from(WFI)));
    }
    for at in (READ_ONLY..READ_ONLY + PAGE).step_by(8) {
        image.push((at, at.wrapping_mul(0x9E37_79B9_7F4A_7C15)));
    }
    image
}

/// Address of the code of case `index`.
pub fn slot(index: u64) -> u64 {
    CODE + index % SLOTS * SLOT_BYTES
}
