//! Spaces: what is cached under one set of the registers that translations depend on.

use super::table::Table;
use super::{COMPARED, PAGE_SHIFT};
use crate::sysreg::hcr;

/// Everything that a translation regime's translations depend on.
pub(super) type Inputs = [u64; 8];

/// Which of [`Inputs`] are table bases: TTBR0_EL1, TTBR1_EL1 (each with an ASID) and VTTBR_EL2.
pub(super) const BASES: [usize; 3] = [2, 3, 6];

/// Mappings larger than a page that something was cached of.
#[derive(Default)]
pub(super) struct Large {
    /// Address (without what lies below the size) and log2 of the size.
    ranges: Vec<(u64, u8)>,
    /// There were more.
    more: bool,
}

impl Large {
    const MOST: usize = 16;

    pub(super) fn range(va: u64, shift: u8) -> (u64, u8) {
        ((va & COMPARED) >> shift, shift)
    }

    pub(super) fn note(&mut self, va: u64, shift: u8) {
        let range = Self::range(va, shift);
        if u32::from(shift) <= PAGE_SHIFT || self.more || self.ranges.contains(&range) {
            return;
        }
        if self.ranges.len() < Self::MOST { self.ranges.push(range) } else { self.more = true }
    }

    pub(super) fn contains(&self, va: u64) -> bool {
        self.more || self.ranges.iter().any(|&(at, shift)| Self::range(va, shift).0 == at)
    }

    pub(super) fn clear(&mut self) {
        self.ranges.clear();
        self.more = false;
    }
}

/// Pages that blocks were looked up in: a set that may claim too much.
pub(super) struct CodePages(pub(super) [u64; 64]);

impl CodePages {
    /// Word and bit of a page.
    pub(super) fn place(va: u64) -> (usize, u64) {
        let page = (va & COMPARED) >> PAGE_SHIFT;
        let hash = (page ^ page >> 12 ^ page >> 24) as usize;
        (hash / 64 % 64, 1 << (hash % 64))
    }

    pub(super) fn add(&mut self, va: u64) {
        let (word, bit) = Self::place(va);
        self.0[word] |= bit;
    }

    pub(super) fn contains(&self, va: u64) -> bool {
        let (word, bit) = Self::place(va);
        self.0[word] & bit != 0
    }
}

/// What is cached under one set of inputs.
pub(super) struct Space {
    pub(super) inputs: Inputs,
    /// 0 for EL1&0, 1 for EL2, 2 for EL3.
    pub(super) regime: usize,
    /// Tags what is looked up by virtual address (blocks, links, walks). 0 is nobody's: the space gets a number when it is next entered.
    pub(super) number: u32,
    /// Tables for loads and stores, by [`slot`].
    pub(super) tables: Vec<(Table, Table)>,
    /// By half of the address space.
    pub(super) large: [Large; 2],
    pub(super) code: CodePages,
    /// When it was last entered.
    pub(super) entered: u64,
}

/// The half of the address space that an address lies in.
pub(super) fn half(va: u64) -> usize {
    (va >> 55 & 1) as usize
}

/// Index of an exception level's tables in its space.
pub(super) fn slot(el: u8) -> usize {
    usize::from(el == 1)
}

impl Space {
    pub(super) fn new(regime: usize, inputs: Inputs) -> Self {
        let tables = (0..if regime == 0 { 2 } else { 1 }).map(|_| (Table::new(), Table::new())).collect();
        Self { inputs, regime, number: 0, tables, large: Default::default(), code: CodePages([0; 64]), entered: 0 }
    }

    /// The ASID in force (ARM ARM D5.9.1).
    pub(super) fn asid(&self) -> u64 {
        const A1: u64 = 1 << 22;
        let [_, tcr, ttbr0, ttbr1, ..] = self.inputs;
        (if tcr & A1 == 0 { ttbr0 } else { ttbr1 }) >> 48 & Self::asid_mask(tcr)
    }

    /// TCR_EL1.AS: 16 bits or 8.
    pub(super) fn asid_mask(tcr: u64) -> u64 {
        if tcr >> 36 & 1 != 0 { 0xffff } else { 0xff }
    }

    pub(super) fn has_asid(&self, asid: u16) -> bool {
        self.asid() == u64::from(asid) & Self::asid_mask(self.inputs[1])
    }

    pub(super) fn has_stage2(&self) -> bool {
        self.regime == 0 && self.inputs[5] & (hcr::VM | hcr::DC) != 0
    }
}
