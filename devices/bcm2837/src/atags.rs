//! ATAGs: the list by which the firmware tells a kernel without a device tree about the board.
//!
//! # Resources
//! - Linux, arch/arm/include/uapi/asm/setup.h: tag numbers and layouts.

use tayberry_engine::GuestRam;

/// Where the list lies.
pub const ADDRESS: u64 = 0x100;
/// End of the room for it.
const LIMIT: u64 = 0x4000;

const ATAG_NONE: u32 = 0;
const ATAG_CORE: u32 = 0x5441_0001;
const ATAG_MEM: u32 = 0x5441_0002;
const ATAG_INITRD2: u32 = 0x5442_0005;
const ATAG_CMDLINE: u32 = 0x5441_0009;
const PAGE: u32 = 4096;

/// What the list says.
#[derive(Clone, Copy, Debug)]
pub struct Atags<'a> {
    /// Bytes of memory from address 0 on that belong to the ARM.
    pub memory: u32,
    /// Command line.
    pub command_line: &'a str,
    /// Address and size of the initial RAM disk.
    pub initrd: Option<(u32, u32)>,
}

impl Atags<'_> {
    fn words(&self) -> Vec<u32> {
        let mut words = Vec::new();
        let mut tag = |tag: u32, body: &[u32]| {
            words.extend([body.len() as u32 + 2, tag]);
            words.extend(body);
        };
        tag(ATAG_CORE, &[0, PAGE, 0]);
        tag(ATAG_MEM, &[self.memory, 0]);
        if let Some((address, size)) = self.initrd {
            tag(ATAG_INITRD2, &[address, size]);
        }
        let mut text = self.command_line.as_bytes().to_vec();
        text.resize((text.len() + 1).next_multiple_of(4), 0);
        let text: Vec<u32> = text.chunks_exact(4).map(|word| u32::from_le_bytes([word[0], word[1], word[2], word[3]])).collect();
        tag(ATAG_CMDLINE, &text);
        // The last tag alone has no length.
        words.extend([0, ATAG_NONE]);
        words
    }

    /// True if the list fits its room.
    pub fn fits(&self) -> bool {
        ADDRESS + 4 * self.words().len() as u64 <= LIMIT
    }

    /// Writes the list. `None` if RAM ends before it.
    pub fn write(&self, ram: &GuestRam) -> Option<()> {
        let bytes: Vec<u8> = self.words().into_iter().flat_map(u32::to_le_bytes).collect();
        ram.copy_in(ADDRESS, &bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_walked() {
        let ram = GuestRam::new(0x4000).expect("RAM");
        let atags = Atags { memory: 0x3B40_0000, command_line: "quiet x=1", initrd: Some((0x200_0000, 77)) };
        atags.write(&ram).expect("it fits");
        let word = |at: u64| ram.read_u32(at).expect("in RAM");
        let mut at = ADDRESS;
        let mut tags = Vec::new();
        while word(at) != 0 {
            tags.push((word(at + 4), (2..u64::from(word(at))).map(|index| word(at + 4 * index)).collect::<Vec<_>>()));
            at += 4 * u64::from(word(at));
        }
        assert_eq!(word(at + 4), ATAG_NONE);
        assert_eq!(tags[0], (ATAG_CORE, vec![0, 4096, 0]));
        assert_eq!(tags[1], (ATAG_MEM, vec![0x3B40_0000, 0]));
        assert_eq!(tags[2], (ATAG_INITRD2, vec![0x200_0000, 77]));
        let text: Vec<u8> = tags[3].1.iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!((tags[3].0, text.as_slice()), (ATAG_CMDLINE, b"quiet x=1\0\0\0".as_slice()));
    }

    #[test]
    fn an_absurd_command_line_does_not_fit() {
        let long = "x".repeat(0x4000);
        assert!(!Atags { memory: 0, command_line: &long, initrd: None }.fits());
        assert!(Atags { memory: 0, command_line: &long[..0x3000], initrd: None }.fits());
    }
}
