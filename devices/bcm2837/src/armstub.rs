//! The boot code that the firmware leaves at address 0: `armstub/armstub.S`, assembled.

use tayberry_engine::GuestRam;

/// Bytes below address 0x100 that belong to it: code, spin table, and the words that tell it where to go.
pub const SIZE: u64 = 0x100;

/// What a stub has here wants to know where kernel and device tree are; the firmware clears it and the word after it, which are core 3's slot.
const MAGIC_WORD: u64 = 0xf0;
const MAGIC: u32 = 0x5afe_570b;

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

/// Puts a stub of the user's own into RAM. `None` if RAM is smaller than that.
pub fn load_own(ram: &GuestRam, stub: &[u8], entry: u32, tree: u32) -> Option<()> {
    ram.copy_in(0, stub)?;
    let end = KERNEL_WORD + 4;
    if stub.len() as u64 >= end && ram.read_u32(MAGIC_WORD) == Some(MAGIC) {
        ram.write_u64(MAGIC_WORD, 0)?;
        ram.write_u32(TREE_WORD, tree)?;
        ram.write_u32(KERNEL_WORD, entry)?;
    }
    Some(())
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

    #[test]
    fn a_stub_of_ones_own_is_told_where_things_are_if_it_wants_to_know() {
        let mut stub = vec![0xaa; 0x200];
        stub[0xf0..0xf4].copy_from_slice(&MAGIC.to_le_bytes());
        let ram = GuestRam::new(0x1000).expect("a page");
        load_own(&ram, &stub, 0x20_0000, 0x1234).expect("it fits");
        assert_eq!((ram.read_u64(0xf0), ram.read_u32(0xf8), ram.read_u32(0xfc)), (Some(0), Some(0x1234), Some(0x20_0000)));
        assert_eq!((ram.read_u32(0xec), ram.read_u32(0x100)), (Some(0xaaaa_aaaa), Some(0xaaaa_aaaa)));
        for plain in [&[0xbb; 0x200][..], &stub[..0xf8], &[1]] {
            let ram = GuestRam::new(0x1000).expect("a page");
            load_own(&ram, plain, 0x20_0000, 0x1234).expect("it fits");
            let mut loaded = vec![0; plain.len()];
            ram.copy_out(0, &mut loaded).expect("in RAM");
            assert_eq!(loaded, plain);
        }
    }
}
