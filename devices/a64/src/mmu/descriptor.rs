//! What translation tables of both stages share (ARM ARM D5.2, D5.3).

use super::{Fault, PA_BITS, Status};

/// Translation granule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Granule {
    /// log2 of a page's bytes.
    pub(super) shift: u32,
}

impl Granule {
    pub(super) const K4: Self = Self { shift: 12 };
    pub(super) const K64: Self = Self { shift: 16 };

    /// log2 of the entries in a table.
    pub(super) fn stride(self) -> u32 {
        self.shift - 3
    }

    /// log2 of what an entry at `level` maps.
    pub(super) fn entry_shift(self, level: u8) -> u32 {
        self.shift + u32::from(3 - level.min(3)) * self.stride()
    }

    /// True if an entry at `level` may be a block.
    pub(super) fn has_blocks(self, level: u8) -> bool {
        level == 2 || (level == 1 && self == Self::K4)
    }
}

/// A descriptor as decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Descriptor {
    /// Points to the next table.
    Table(u64),
    /// Maps a block or page at this output address.
    Leaf(u64),
}

/// Decodes a descriptor read at `level`.
pub(super) fn decode(word: u64, level: u8, granule: Granule, pa_bits: u32) -> Result<Descriptor, Fault> {
    let table_or_page = word & 2 != 0;
    let address = word & 0x0000_ffff_ffff_f000;
    let found = match (word & 1 != 0, table_or_page) {
        (true, true) if level < 3 => Descriptor::Table(address >> granule.shift << granule.shift),
        (true, true) => Descriptor::Leaf(address >> granule.shift << granule.shift),
        (true, false) if granule.has_blocks(level) => {
            let shift = granule.entry_shift(level);
            Descriptor::Leaf(address >> shift << shift)
        }
        _ => return Err(Fault::new(Status::Translation, level)),
    };
    if address >> pa_bits != 0 {
        return Err(Fault::new(Status::AddressSize, level));
    }
    Ok(found)
}

/// Address of the entry for `input` in a table; `bits` is how many bits of the input the walk resolves from this table on.
pub(super) fn entry_address(table: u64, input: u64, level: u8, granule: Granule, bits: u32) -> u64 {
    let within = input & (1u64 << bits.min(63)).wrapping_sub(1);
    table.wrapping_add(within >> granule.entry_shift(level) << 3)
}

/// Bits of physical address by TCR_ELx.IPS or PS, as far as this core has them.
pub(super) fn pa_bits(size: u64) -> u32 {
    match size & 7 {
        0 => 32,
        1 => 36,
        _ => PA_BITS,
    }
}

/// Bits of input address by TxSZ. Sizes out of range behave as the nearest that is in range.
pub(super) fn input_bits(size: u64, most: u32) -> u32 {
    (64 - (size & 0x3f) as u32).clamp(25, most)
}
