//! Memory of the lockstep's guests. Code and data are where [`crate::layout`] has them, so that its values mean something; the tables are others,
//! because all exception levels run here.
//!
//! | virtual | what |
//! | --- | --- |
//! | 0x1000.. | page tables: EL1 reads and writes them |
//! | 0x8000, 0x9000, 0xa000 | vectors of EL1, EL2, EL3 |
//! | 0xc000, 0xd000 | the setup's code, and the registers that it loads |
//! | [`CODE`].. | code: executable at all levels, EL1 reads it |
//! | [`WINDOW`].. | two pages of data, another two in the other address space; then a hole; [`READ_ONLY`] |
//! | [`ALIAS`].. | the first 2 MiB of RAM again, as one block that nobody executes and everybody writes |
//! | [`DEVICE`] | the device |
//!
//! The same again in the upper half ([`UPPER`]).

pub use crate::layout::{CODE, PAGE, READ_ONLY, SPARE, WINDOW, WINDOW_BYTES};

use super::asm;
use crate::layout::MAIR as NORMAL;

/// Bytes of RAM; devices lie behind it.
pub const RAM_BYTES: u64 = crate::layout::RAM_BYTES;
/// The device.
pub const DEVICE: u64 = RAM_BYTES;
/// What is written to this register are the levels of the core's interrupt inputs: bit 0 IRQ, bit 1 FIQ.
pub const DEVICE_LINES: u64 = 0x10;
/// Writes to this register are posted.
pub const DEVICE_POSTED: u64 = 0x20;
/// Writes to this register end the slice at the next block boundary, as a timer does that is due soon.
pub const DEVICE_STOP: u64 = 0x30;
/// Pages of code.
pub const CODE_PAGES: u64 = 16;
/// RAM again, writable.
pub const ALIAS: u64 = 0x20_0000;
/// The upper half of EL1&0's addresses.
pub const UPPER: u64 = 0xffff_ff80_0000_0000;
/// Physical address of the window in the other address space.
pub const OTHER_WINDOW: u64 = 0x1a_0000;
/// Registers that the setup loads.
pub const SETUP_VALUES: u64 = 0xd000;
/// The setup's code.
pub const SETUP: u64 = 0xc000;

/// First table of the first address space.
pub const TABLES: u64 = 0x1000;
/// First table of the other address space.
pub const OTHER_TABLES: u64 = 0x4000;
/// Pages of tables.
const TABLE_PAGES: u64 = 6;
/// Level 3 table of the first address space.
pub const LEVEL3: u64 = TABLES + 2 * PAGE;
/// Attribute 0 is Normal write-back, 1 is Device-nGnRE, 2 Normal non-cacheable.
pub const MAIR: u64 = NORMAL | 0x04 << 8 | 0x44 << 16;
/// TCR_EL1: 39 bits of virtual address in both halves, 4 KiB granules, 40 bits of physical address.
pub const TCR_EL1: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 25 << 16 | 1 << 24 | 1 << 26 | 3 << 28 | 2 << 30 | 2 << 32;
/// TCR_EL2 and TCR_EL3 for the same tables.
pub const TCR_EL23: u64 = 25 | 1 << 8 | 1 << 10 | 3 << 12 | 2 << 16;

const TABLE: u64 = 0b11;
const PAGE_ENTRY: u64 = 0b11 | 1 << 10 | 3 << 8;
const BLOCK: u64 = 0b01 | 1 << 10 | 3 << 8;
const DEVICE_ATTRIBUTE: u64 = 1 << 2;
const ALL_WRITE: u64 = 1 << 6;
const EL1_READ: u64 = 2 << 6;
const ALL_READ: u64 = 3 << 6;
const NOT_GLOBAL: u64 = 1 << 11;
const NEVER_EXECUTE: u64 = 3 << 53;

/// Address of the vectors of a level.
pub fn vectors(el: u8) -> u64 {
    0x7000 + u64::from(el) * PAGE
}

/// Where a handler finds the address at which a program that went astray goes on.
pub fn resume_at(el: u8) -> u64 {
    vectors(el) + 0xff8
}

/// The descriptor of a page of the window that maps it to `pa`.
pub fn window_entry(pa: u64) -> u64 {
    pa | PAGE_ENTRY | ALL_WRITE | NOT_GLOBAL | NEVER_EXECUTE
}

/// The same page, read-only.
pub fn read_only_entry(pa: u64) -> u64 {
    pa | PAGE_ENTRY | ALL_READ | NOT_GLOBAL | NEVER_EXECUTE
}

/// Both sets of tables, as words with their addresses.
pub fn tables() -> Vec<(u64, u64)> {
    let mut image = Vec::new();
    for (root, window) in [(TABLES, WINDOW), (OTHER_TABLES, OTHER_WINDOW)] {
        let (level2, level3) = (root + PAGE, root + 2 * PAGE);
        image.extend([(root, level2 | TABLE), (level2, level3 | TABLE)]);
        image.push((level2 + 8, BLOCK | ALL_WRITE | NEVER_EXECUTE));
        image.push((level2 + 16, DEVICE | BLOCK | ALL_WRITE | NEVER_EXECUTE | DEVICE_ATTRIBUTE));
        let mut map = |from: u64, pages: u64, attributes: u64| {
            image.extend((0..pages).map(|n| from + n * PAGE).map(|page| (level3 + page / PAGE * 8, page | PAGE_ENTRY | attributes)));
        };
        map(TABLES, TABLE_PAGES, NEVER_EXECUTE);
        map(vectors(1), 3, EL1_READ);
        map(SETUP, 1, EL1_READ);
        map(SETUP_VALUES, 1, NEVER_EXECUTE);
        map(CODE, CODE_PAGES, EL1_READ);
        map(SPARE, 1, EL1_READ);
        map(READ_ONLY, 1, ALL_READ | NEVER_EXECUTE);
        let pages = (0..WINDOW_BYTES).step_by(PAGE as usize);
        image.extend(pages.map(|offset| (level3 + (WINDOW + offset) / PAGE * 8, window_entry(window + offset))));
    }
    image
}

/// The handlers of a level. A fault is skipped, after a call the program goes on, and one that has jumped to where it cannot fetch begins again.
/// An interrupt is silenced at the device.
pub fn handlers(el: u8) -> Vec<(u64, Vec<u32>)> {
    use asm::*;
    let synchronous = |at: u64| {
        let mut code = vec![
            msr(tpidr(el), 0),
            mrs(esr(el), 0),
            lsr(0, 0, 26),
            sub(0, 0, 0x15),
            cmp(0, 3), // SVC, HVC, SMC
            b_cond(3, 10),
            sub(0, 0, 0x20 - 0x15),
            cmp(0, 3), // cannot fetch
            b_cond(3, 4),
            mrs(elr(el), 0),
            add(0, 0, 4),
            b(2),
        ];
        let literal = (resume_at(el) - at) / 4 - code.len() as u64;
        code.extend([ldr_literal(0, literal as i64), msr(elr(el), 0), NOP, mrs(tpidr(el), 0), ERET]);
        code
    };
    let interrupt = vec![
        msr(tpidr(el), 0),
        msr(TPIDRRO_EL0, 1),
        movz(0, DEVICE >> 16, 1),
        str_w(31, 0, (DEVICE_LINES / 4) as u32),
        mrs(TPIDRRO_EL0, 1),
        mrs(tpidr(el), 0),
        ERET,
    ];
    let mut code = Vec::new();
    for at in (vectors(el)..vectors(el) + 0x800).step_by(0x80) {
        code.push((at, if at % 0x200 == 0 { synchronous(at) } else { interrupt.clone() }));
    }
    code
}
