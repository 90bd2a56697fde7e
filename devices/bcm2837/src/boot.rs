//! Puts a kernel and what goes with it into RAM, as the firmware does.
//!
//! # Resources
//! - Raspberry Pi documentation, "config.txt": boot options (`kernel_address`, `device_tree_address`, `ramfsaddr`).

use crate::armstub;
use crate::atags::{self, Atags};
use crate::board::{BoardError, BoardOptions};
use crate::device_tree::{DeviceTree, Patch};
use crate::framebuffer::BootFramebuffer;
use crate::image::Kernel;
use crate::semihosting::Heap;
use tayberry_engine::GuestRam;

/// Bytes of memory that belong to the ARM: the GPU has the rest of the gigabyte.
pub const ARM_MEMORY: u32 = 0x3B40_0000;
/// Device tree and RAM disk go below this address, where the smallest split leaves them in peace and boot loaders that move to the
/// end of memory do not meet them; only where they do not fit, up to [`ARM_MEMORY`].
const LOAD_TOP: u32 = 0x2F00_0000;
const PAGE: u32 = 0x1000;
/// Room behind a device tree: kernels and boot loaders grow it in place.
const TREE_SLACK: usize = 0x2000;

/// What a Raspberry Pi 3 has and this board has not. A kernel that finds Bluetooth gives the PL011 to it and not to who types; one that finds the
/// display's engine takes the firmware's frame buffer off the screen first. Both are what the firmware's own trees leave out too, until they are
/// configured (`dtoverlay=disable-bt`, no `dtoverlay=vc4-kms-v3d`).
const ABSENT: [&str; 11] = [
    "brcm,bcm43438-bt",
    "brcm,bcm2835-vc4",
    "brcm,bcm2835-hvs",
    "brcm,bcm2835-hdmi",
    "brcm,bcm2835-pixelvalve0",
    "brcm,bcm2835-pixelvalve1",
    "brcm,bcm2835-pixelvalve2",
    "brcm,bcm2835-txp",
    "brcm,bcm2835-v3d",
    "brcm,bcm2835-vec",
    "brcm,bcm2835-vchiq",
];

/// Everything that goes into RAM, checked and placed.
#[derive(Clone, Debug)]
pub struct BootImage {
    kernel: Kernel,
    tree: Option<(u32, Vec<u8>)>,
    initrd: Option<(u32, Vec<u8>)>,
    command_line: String,
}

impl BootImage {
    /// Checks the options and finds a place for everything. A device tree gets to know of `framebuffer`.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn new(options: &BoardOptions, framebuffer: BootFramebuffer) -> Result<Self, BoardError> {
        let kernel = Kernel::parse(&options.kernel, ARM_MEMORY.into())?;
        let mut tree = options.dtb.as_deref().map(DeviceTree::parse).transpose()?;
        if let Some(tree) = &mut tree {
            tree.apply(&Patch { framebuffer: Some(framebuffer), ..Patch::default() });
            tree.disable(&ABSENT);
        }
        let command_line = options.append.clone().unwrap_or_default();
        Self::place(kernel.clone(), tree.clone(), options, command_line.clone(), LOAD_TOP)
            .or_else(|_| Self::place(kernel, tree, options, command_line, ARM_MEMORY))
    }

    fn place(kernel: Kernel, tree: Option<DeviceTree>, options: &BoardOptions, command_line: String, top: u32) -> Result<Self, BoardError> {
        // The lowest address for anything but the kernel. A kernel that lies higher than all else leaves the room below it unused.
        let floor = u32::try_from(kernel.end()).map_err(|_| BoardError::NoRoom("the kernel"))?;
        let below = |top: u32, len: usize, what| {
            let len = u32::try_from(len).map_err(|_| BoardError::NoRoom(what))?;
            let address = top.checked_sub(len).ok_or(BoardError::NoRoom(what))? & !(PAGE - 1);
            if address < floor { Err(BoardError::NoRoom(what)) } else { Ok(address) }
        };
        let initrd = match &options.initrd {
            Some(bytes) => Some((below(top, bytes.len(), "the initial RAM disk")?, bytes.clone())),
            None => None,
        };
        let extent = initrd.as_ref().map(|(address, bytes)| (*address, bytes.len() as u32));
        let tree = match tree {
            Some(mut tree) => {
                let end = extent.map(|(address, len)| (address, address + len));
                tree.apply(&Patch { command_line: options.append.as_deref(), initrd: end, memory: ARM_MEMORY, framebuffer: None });
                let blob = tree.to_bytes();
                let top = initrd.as_ref().map_or(top, |initrd| initrd.0);
                Some((below(top, blob.len() + TREE_SLACK, "the device tree")?, blob))
            }
            None => None,
        };
        let image = Self { kernel, tree, initrd, command_line };
        if image.tree.is_none() && !image.atags(extent).fits() {
            return Err(BoardError::NoRoom("the command line"));
        }
        Ok(image)
    }

    /// Memory between the kernel and what was placed above it.
    pub fn free_memory(&self) -> Heap {
        let above = self.initrd.iter().chain(&self.tree).map(|(address, _)| *address).min().unwrap_or(LOAD_TOP);
        let base = self.kernel.end().next_multiple_of(u64::from(PAGE));
        Heap { base, limit: u64::from(above).max(base) }
    }

    fn atags(&self, initrd: Option<(u32, u32)>) -> Atags<'_> {
        Atags { memory: ARM_MEMORY, command_line: &self.command_line, initrd }
    }

    /// Loads everything into fresh RAM. `None` if it does not fit, which [`BootImage::new`] has ruled out for the board's own size.
    pub fn load(&self, ram: &GuestRam) -> Option<()> {
        let initrd = self.initrd.as_ref().map(|(address, bytes)| (*address, bytes.len() as u32));
        let tree = match &self.tree {
            Some((address, blob)) => {
                ram.copy_in((*address).into(), blob)?;
                *address
            }
            None => {
                self.atags(initrd).write(ram)?;
                atags::ADDRESS as u32
            }
        };
        if let Some((address, bytes)) = &self.initrd {
            ram.copy_in((*address).into(), bytes)?;
        }
        armstub::load(ram, u32::try_from(self.kernel.entry).ok()?, tree)?;
        // Last: a kernel with boot code of its own overwrites the stub.
        for segment in &self.kernel.segments {
            ram.copy_in(segment.address, &segment.bytes)?;
            let len = segment.bytes.len() as u64;
            ram.fill(segment.address + len, segment.size - len, 0)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device_tree::Node;
    use crate::framebuffer::Framebuffer;
    use crate::image::tests::elf;

    fn new(options: &BoardOptions) -> Result<BootImage, BoardError> {
        BootImage::new(options, Framebuffer::at_boot((1024, 768), 0x3B80_0000))
    }

    fn load(options: &BoardOptions) -> Result<GuestRam, BoardError> {
        let image = new(options)?;
        let ram = GuestRam::new(0x4000_0000).expect("a gigabyte of address space");
        image.load(&ram).expect("it was checked to fit");
        Ok(ram)
    }

    fn bytes(ram: &GuestRam, address: u32, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        ram.copy_out(address.into(), &mut bytes).expect("in RAM");
        bytes
    }

    fn tree() -> Vec<u8> {
        let mut root = Node::default();
        root.set("#address-cells", 1u32.to_be_bytes());
        root.set("#size-cells", 1u32.to_be_bytes());
        DeviceTree { root, ..DeviceTree::default() }.to_bytes()
    }

    #[test]
    fn without_a_device_tree_x0_is_the_atags() {
        let ram =
            load(&BoardOptions { kernel: vec![1, 2, 3, 4], append: Some("a=b".into()), ..BoardOptions::default() }).expect("it loads");
        assert_eq!((ram.read_u32(0xf8), ram.read_u32(0xfc)), (Some(0x100), Some(0x8_0000)));
        assert_eq!(ram.read_u32(0x8_0000), Some(0x0403_0201));
        assert_eq!((ram.read_u32(0x104), ram.read_u32(0x118)), (Some(0x5441_0001), Some(0x5441_0002)));
    }

    #[test]
    fn tree_and_ram_disk_lie_apart_and_are_announced() {
        let options = BoardOptions {
            kernel: vec![0; 100],
            dtb: Some(tree()),
            initrd: Some(vec![0x5a; 5000]),
            append: Some("quiet".into()),
            ..BoardOptions::default()
        };
        let ram = load(&options).expect("it loads");
        let at = ram.read_u32(0xf8).expect("in RAM");
        let loaded = DeviceTree::parse(&bytes(&ram, at, 0x1000)).expect("a tree");
        let chosen = loaded.root.child("chosen").expect("made");
        assert_eq!(chosen.property("bootargs"), Some(b"quiet\0".as_slice()));
        let cell = |name| u32::from_be_bytes(chosen.property(name).and_then(|value| value.try_into().ok()).expect("a cell"));
        let (start, end) = (cell("linux,initrd-start"), cell("linux,initrd-end"));
        assert_eq!((end - start, start % PAGE, at % 8), (5000, 0, 0));
        assert!(end <= LOAD_TOP && at as usize + TREE_SLACK <= start as usize);
        assert_eq!(bytes(&ram, start, 5000), vec![0x5a; 5000]);
    }

    #[test]
    fn large_files_use_all_of_the_arms_memory_or_are_refused() {
        let large = |end: u32| BoardOptions {
            kernel: elf(0x8_0000, 0x8_0000, 0x8_0000, &[0; 8], u64::from(end) - 0x8_0000),
            initrd: Some(vec![1; 5000]),
            ..BoardOptions::default()
        };
        let placed = new(&large(LOAD_TOP)).expect("it fits above");
        assert_eq!(placed.initrd.as_ref().map(|initrd| initrd.0), Some(ARM_MEMORY - 2 * PAGE));
        let refused = new(&large(ARM_MEMORY - PAGE)).map(|_| ());
        assert_eq!(refused, Err(BoardError::NoRoom("the initial RAM disk")));
        let long = BoardOptions { kernel: vec![0; 4], append: Some("x".repeat(0x8000)), ..BoardOptions::default() };
        assert_eq!(new(&long).map(|_| ()), Err(BoardError::NoRoom("the command line")));
    }
}
