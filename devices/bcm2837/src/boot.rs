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
use crate::setup::{KernelPlace, Setup};
use tayberry_engine::GuestRam;

/// Device tree and RAM disk go below this address, where the smallest split leaves them in peace and boot loaders that move to the
/// end of memory do not meet them; only where they do not fit, up to the end of the ARM's memory.
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

/// What has its place in memory already, for what asks for a place of its own.
struct Taken {
    /// Bytes of the boot stub at address 0.
    stub: u32,
    regions: Vec<(u64, u64)>,
}

impl Taken {
    /// Kernel and boot stub.
    fn of(kernel: &Kernel, setup: &Setup) -> Result<Self, BoardError> {
        let stub = setup.armstub.as_ref().map_or(armstub::SIZE, |stub| stub.len() as u64);
        let mut regions: Vec<(u64, u64)> =
            kernel.segments.iter().map(|segment| (segment.address, segment.address.saturating_add(segment.size))).collect();
        // A kernel at address 0 replaces it.
        if kernel.entry != 0 {
            if regions.iter().any(|region| region.0 < stub) {
                return Err(BoardError::NoRoom("the boot stub below the kernel"));
            }
            regions.push((0, stub));
        }
        Ok(Self { stub: u32::try_from(stub).map_err(|_| BoardError::NoRoom("the boot stub"))?, regions })
    }

    fn take(&mut self, address: u32, len: usize, memory: u32, what: &'static str) -> Result<(), BoardError> {
        let (start, end) = (u64::from(address), u64::from(address) + len as u64);
        let meets = |region: &(u64, u64)| start < region.1 && region.0 < end;
        if end > memory.into() || self.regions.iter().any(meets) {
            return Err(BoardError::Place { what, address });
        }
        self.regions.push((start, end));
        Ok(())
    }
}

/// Everything that goes into RAM, checked and placed.
#[derive(Clone, Debug)]
pub struct BootImage {
    kernel: Kernel,
    tree: Option<(u32, Vec<u8>)>,
    initrd: Option<(u32, Vec<u8>)>,
    command_line: String,
    setup: Setup,
}

impl BootImage {
    /// Checks the options and finds a place for everything. A device tree gets to know of `framebuffer`, if there is one.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn new(options: &BoardOptions, framebuffer: Option<BootFramebuffer>) -> Result<Self, BoardError> {
        let arm = options.setup.memory.arm();
        let kernel = Kernel::placed(&options.kernel, arm.into(), options.setup.placement.kernel)?;
        let mut tree = options.dtb.as_deref().map(DeviceTree::parse).transpose()?;
        if let Some(tree) = &mut tree {
            tree.apply(&Patch { framebuffer, ..Patch::default() });
            tree.disable(&ABSENT);
        }
        let command_line = options.append.clone().unwrap_or_default();
        Self::place(kernel.clone(), tree.clone(), options, command_line.clone(), LOAD_TOP.min(arm))
            .or_else(|_| Self::place(kernel, tree, options, command_line, arm))
    }

    fn place(kernel: Kernel, tree: Option<DeviceTree>, options: &BoardOptions, command_line: String, top: u32) -> Result<Self, BoardError> {
        // The lowest address for anything but the kernel. A kernel that lies higher than all else leaves the room below it unused.
        let end = u32::try_from(kernel.end()).map_err(|_| BoardError::NoRoom("the kernel"))?;
        let setup = &options.setup;
        let (memory, placement) = (setup.memory.arm(), setup.placement);
        let mut taken = Taken::of(&kernel, setup)?;
        let floor = end.max(taken.stub);
        let below = |top: u32, len: usize, what| {
            let len = u32::try_from(len).map_err(|_| BoardError::NoRoom(what))?;
            let address = top.checked_sub(len).ok_or(BoardError::NoRoom(what))? & !(PAGE - 1);
            if address < floor { Err(BoardError::NoRoom(what)) } else { Ok(address) }
        };
        // What has its own place leaves the rest where it is.
        let mut top = top;
        let mut find = |asked: Option<u32>, len: usize, what| match asked {
            Some(address) => taken.take(address, len, memory, what).map(|()| address),
            None => {
                top = below(top, len, what)?;
                taken.take(top, len, memory, what).map(|()| top)
            }
        };
        let initrd = match &options.initrd {
            Some(bytes) => Some((find(placement.initrd, bytes.len(), "the initial RAM disk")?, bytes.clone())),
            None => None,
        };
        let extent = initrd.as_ref().map(|(address, bytes)| (*address, bytes.len() as u32));
        let tree = match tree {
            Some(mut tree) => {
                let end = extent.map(|(address, len)| (address, address + len));
                tree.apply(&Patch { command_line: options.append.as_deref(), initrd: end, memory, framebuffer: None });
                let blob = tree.to_bytes();
                Some((find(placement.tree, blob.len() + TREE_SLACK, "the device tree")?, blob))
            }
            None => None,
        };
        let image = Self { kernel, tree, initrd, command_line, setup: setup.clone() };
        if image.tree.is_none() && setup.has_atags && !image.atags(extent).fits() {
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
        Atags { memory: self.setup.memory.arm(), command_line: &self.command_line, initrd }
    }

    /// Loads everything into fresh RAM. `None` if it does not fit, which [`BootImage::new`] has ruled out for the board's own size.
    pub fn load(&self, ram: &GuestRam) -> Option<()> {
        let initrd = self.initrd.as_ref().map(|(address, bytes)| (*address, bytes.len() as u32));
        let tree = match &self.tree {
            Some((address, blob)) => {
                ram.copy_in((*address).into(), blob)?;
                *address
            }
            None if self.setup.has_atags => {
                self.atags(initrd).write(ram)?;
                atags::ADDRESS as u32
            }
            None => 0,
        };
        if let Some((address, bytes)) = &self.initrd {
            ram.copy_in((*address).into(), bytes)?;
        }
        let entry = u32::try_from(self.kernel.entry).ok()?;
        match &self.setup.armstub {
            Some(stub) => armstub::load_own(ram, stub, entry, tree)?,
            None => armstub::load(ram, entry, tree)?,
        }
        // Last: a kernel with boot code of its own overwrites the stub.
        for segment in &self.kernel.segments {
            ram.copy_in(segment.address, &segment.bytes)?;
            let len = segment.bytes.len() as u64;
            ram.fill(segment.address + len, segment.size - len, 0)?;
        }
        // But where `kernel_old` alone put it there, the firmware's list comes after it, and over it.
        if self.setup.placement.kernel == KernelPlace::Zero && tree == atags::ADDRESS as u32 {
            self.atags(initrd).write(ram)?;
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

    const ARM_MEMORY: u32 = 0x3B40_0000;

    fn new(options: &BoardOptions) -> Result<BootImage, BoardError> {
        BootImage::new(options, Some(Framebuffer::at_boot((1024, 768), 0x3B80_0000)))
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
    fn what_has_a_place_of_its_own_goes_there_or_is_refused() {
        let options = |kernel, tree, initrd| BoardOptions {
            kernel: vec![0x77; 100],
            dtb: Some(self::tree()),
            initrd: Some(vec![0x5a; 5000]),
            setup: Setup { placement: crate::setup::Placement { kernel, tree, initrd }, ..Setup::default() },
            ..BoardOptions::default()
        };
        let ram = load(&options(KernelPlace::At(0x20_0000), Some(0x100_0000), Some(0x200_0000))).expect("it loads");
        assert_eq!((ram.read_u32(0xf8), ram.read_u32(0xfc)), (Some(0x100_0000), Some(0x20_0000)));
        assert_eq!((ram.read_u32(0x20_0000), ram.read_u32(0x200_0000)), (Some(0x7777_7777), Some(0x5a5a_5a5a)));
        assert!(DeviceTree::parse(&bytes(&ram, 0x100_0000, 0x1000)).is_ok());
        for (tree, initrd, what, address) in [
            (Some(0x20_0040), None, "the device tree", 0x20_0040),
            (Some(0x100_0000), Some(0x100_0100), "the device tree", 0x100_0000),
            (None, Some(0x80), "the initial RAM disk", 0x80),
            (None, Some(ARM_MEMORY - 4999), "the initial RAM disk", ARM_MEMORY - 4999),
            (Some(u32::MAX), None, "the device tree", u32::MAX),
        ] {
            let refused = new(&options(KernelPlace::At(0x20_0000), tree, initrd)).map(|_| ());
            assert_eq!(refused, Err(BoardError::Place { what, address }));
        }
    }

    #[test]
    fn a_kernel_at_zero_has_no_stub_but_may_have_atags_over_it() {
        for has_atags in [true, false] {
            let setup = Setup {
                placement: crate::setup::Placement { kernel: KernelPlace::Zero, ..crate::setup::Placement::default() },
                has_atags,
                ..Setup::default()
            };
            let ram = load(&BoardOptions { kernel: vec![0x77; 0x400], setup, ..BoardOptions::default() }).expect("it loads");
            assert_eq!((ram.read_u32(0), ram.read_u32(0xfc)), (Some(0x7777_7777), Some(0x7777_7777)));
            assert_eq!(ram.read_u32(0x104), Some(if has_atags { 0x5441_0001 } else { 0x7777_7777 }));
        }
    }

    #[test]
    fn a_stub_of_ones_own_and_the_kernel_lie_apart() {
        let options = |len| BoardOptions {
            kernel: vec![0x77; 100],
            setup: Setup { armstub: Some(vec![0xee; len]), has_atags: false, ..Setup::default() },
            ..BoardOptions::default()
        };
        let ram = load(&options(0x8_0000)).expect("it loads");
        assert_eq!(
            (ram.read_u32(0), ram.read_u32(0x7_fffc), ram.read_u32(0x8_0000)),
            (Some(0xeeee_eeee), Some(0xeeee_eeee), Some(0x7777_7777))
        );
        assert_eq!(new(&options(0x8_0001)).map(|_| ()), Err(BoardError::NoRoom("the boot stub below the kernel")));
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
