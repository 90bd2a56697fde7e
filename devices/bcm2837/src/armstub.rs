//! The boot code that the firmware leaves at address 0: `armstub/armstub.S`, assembled.

use tayberry_engine::GuestRam;

/// Bytes below address 0x100 that belong to it: code, spin table, and the words that tell it where to go.
pub const SIZE: u64 = 0x100;

const CODE: &[u8; SIZE as usize] = include_bytes!("../armstub/armstub.bin");
/// Address of the word with the device tree's or ATAGs' address.
const TREE_WORD: u64 = 0xf8;
/// Address of the word with the kernel's entry.
const KERNEL_WORD: u64 = 0xfc;

/// Puts it into RAM, to enter the kernel at `entry` with `tree` in x0. `None` if RAM is smaller than that.
pub fn load(ram: &GuestRam, entry: u32, tree: u32) -> Option<()> {
    ram.copy_in(0, CODE)?;
    ram.write_u32(TREE_WORD, tree)?;
    ram.write_u32(KERNEL_WORD, entry)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_and_the_words_are_where_kernels_look() {
        let ram = GuestRam::new(0x1000).expect("a page");
        load(&ram, 0x8_0000, 0x100).expect("it fits");
        for slot in [0xd8, 0xe0, 0xe8, 0xf0] {
            assert_eq!(ram.read_u64(slot), Some(0));
        }
        assert_eq!((ram.read_u32(0xf8), ram.read_u32(0xfc)), (Some(0x100), Some(0x8_0000)));
        assert_eq!(ram.read_u32(0), Some(0xd2a8_0000), "mov x0, #0x40000000");
    }
}
