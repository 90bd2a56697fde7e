//! From a boot partition to what a board is made with.

use crate::config::{Config, Identity};
use crate::kernel::{self, KERNEL, Names, TREE, UPSTREAM_TREE};
use crate::{Files, FirmwareError, Named, display, identity, params};
use tayberry_bcm2837::device_tree::DeviceTree;
use tayberry_bcm2837::setup::{ClockSetup, KernelPlace, MemorySplit, Placement, Setup};

/// The command line's file, where nothing names another.
const COMMAND_LINE: &str = "cmdline.txt";
/// What stands there where the file is not.
const DEFAULT_COMMAND_LINE: &str = "console=ttyAMA0,115200 console=tty1 root=/dev/mmcblk0p2 rootfstype=ext4 rootwait";
/// The VideoCore's own memory ends with RAM and begins so much before.
const VC_MEMORY: u32 = 0x0140_0000;
const MHZ: i64 = 1_000_000;
/// Clocks faster than this are not believed.
const MOST_MHZ: i64 = 4_000;

/// What the firmware found, and what it makes of it.
#[derive(Clone, Debug)]
pub struct Boot {
    /// Name of the kernel on the card.
    pub name: String,
    /// The kernel, unpacked.
    pub kernel: Vec<u8>,
    /// The device tree's name on the card, and the tree.
    pub tree: Option<Named>,
    /// Name and content of the initial RAM disk.
    pub initrd: Option<Named>,
    /// The kernel's command line.
    pub command_line: String,
    /// The rainbow stands on the screen until there is a frame buffer.
    pub splash: bool,
    /// The rest.
    pub setup: Setup,
    /// What the user should know, a line each.
    pub notes: Vec<String>,
}

impl Boot {
    /// Reads a boot partition as `board`'s firmware does.
    ///
    /// # Errors
    /// If there is nothing to boot, or something that is asked for cannot be read.
    pub fn read(files: &dyn Files, board: &Identity) -> Result<Self, FirmwareError> {
        let mut config = Config::read(files, &Identity { partition: files.partition(), ..board.clone() })?;
        let names = kernel::names(files, &mut config)?;
        let (name, kernel) = kernel::kernel(&names, &mut config)?;
        let stub = kernel::stub(&names, &config)?;
        let tree = finished(tree(&names, &mut config)?, &mut config, board)?;
        let initrd = initrd(&names, &mut config, &name)?;
        let memory = memory(&mut config);
        let display = display::display(&mut config);
        let placement = placement(&mut config, initrd.is_some());
        let clocks = clocks(&mut config);
        let command_line = command_line(&names, &mut config, tree.as_ref(), memory, display.screen)?;
        let has_atags = !config.flag("disable_commandline_tags");
        let splash = !config.flag("disable_splash");
        trace(&config, &name, kernel.len(), [("boot stub", &stub), ("device tree", &tree), ("initial RAM disk", &initrd)]);
        let setup = Setup { memory, display, clocks, placement, armstub: stub.map(|(_, bytes)| bytes), has_atags };
        Ok(Self { name, kernel, tree, initrd, command_line, splash, setup, notes: config.notes() })
    }
}

fn trace(config: &Config, name: &str, bytes: usize, files: [(&str, &Option<Named>); 3]) {
    for (name, value) in config.all() {
        tracing::debug!(target: "boot", "config.txt: {name}={value}");
    }
    tracing::info!(target: "boot", "kernel {name}: {bytes} bytes");
    for (what, file) in files {
        match file {
            Some((name, bytes)) => tracing::info!(target: "boot", "{what} {name}: {} bytes", bytes.len()),
            None => tracing::info!(target: "boot", "no {what} on the card"),
        }
    }
}

/// An address that is set and not 0.
fn address(config: &mut Config, name: &str) -> Option<u32> {
    let number = config.number(name).filter(|&number| number != 0)?;
    let address = u32::try_from(number).ok();
    if address.is_none() {
        config.note(format_args!("{name}={number:#x}: there is no such address"));
    }
    address
}

fn placement(config: &mut Config, has_initrd: bool) -> Placement {
    let kernel = match address(config, "kernel_address") {
        Some(address) => KernelPlace::At(address),
        None if config.flag("kernel_old") => KernelPlace::Zero,
        None => KernelPlace::Usual,
    };
    // 0 is `followkernel`.
    let initrd = address(config, "ramfsaddr").filter(|_| has_initrd);
    Placement { kernel, tree: address(config, "device_tree_address"), initrd }
}

/// The device tree: the one that is named, or the board's if there is one. An empty name asks for none.
fn tree(names: &Names<'_>, config: &mut Config) -> Result<Option<Named>, FirmwareError> {
    if let Some(name) = config.text("device_tree") {
        return if name.is_empty() { Ok(None) } else { names.demand("device_tree", name).map(Some) };
    }
    if config.flag("upstream_kernel")
        && let Some(tree) = names.get(UPSTREAM_TREE)?
    {
        return Ok(Some(tree));
    }
    let tree = names.get(TREE)?;
    if tree.is_none() && !config.flag("upstream_kernel") && names.has(UPSTREAM_TREE)? {
        config.note(format_args!("{UPSTREAM_TREE} is not loaded without upstream_kernel=1 or device_tree={UPSTREAM_TREE}"));
    }
    Ok(tree)
}

/// Sets the parameters that the tree has, and what is known of the board. Parameters that it does not have are told of.
fn finished(tree: Option<Named>, config: &mut Config, board: &Identity) -> Result<Option<Named>, FirmwareError> {
    let lists = config.params();
    let Some((name, blob)) = tree else {
        lists.into_iter().for_each(|list| config.without_effect(format!("dtparam={list}")));
        return Ok(None);
    };
    let mut parsed = DeviceTree::parse(&blob).map_err(|error| FirmwareError::file(&name, error))?;
    for list in lists {
        for left in params::apply(&mut parsed, &list) {
            config.without_effect(format!("dtparam={left}"));
        }
    }
    identity::write(&mut parsed, board);
    Ok(Some((name, parsed.to_bytes())))
}

/// The initial RAM disk: files that are named, one after the other, or with `auto_initramfs` the one that belongs to the kernel.
fn initrd(names: &Names<'_>, config: &mut Config, kernel: &str) -> Result<Option<Named>, FirmwareError> {
    if let Some(list) = config.text("ramfsfile").filter(|list| !list.is_empty()) {
        let mut all = Vec::new();
        for name in list.split(',').filter(|name| !name.is_empty()) {
            all.extend(names.demand("initramfs", name)?.1);
        }
        return Ok(Some((list.into(), all)).filter(|(_, bytes)| !bytes.is_empty()));
    }
    if !config.flag("auto_initramfs") {
        return Ok(None);
    }
    let base = kernel.rsplit('/').next().unwrap_or(KERNEL);
    let Some(version) = base.strip_prefix("kernel") else { return Ok(None) };
    let name = format!("initramfs{}", version.strip_suffix(".img").unwrap_or(version));
    Ok(names.get(&name)?.filter(|(_, bytes)| !bytes.is_empty()))
}

fn memory(config: &mut Config) -> MemorySplit {
    let mut mib = |name: &str| config.number(name).map(|mib| u32::try_from(mib.max(0)).unwrap_or(u32::MAX));
    let total = mib("total_mem");
    let installed = MemorySplit::new(total, None).total_mib();
    let own = match installed {
        1024 => mib("gpu_mem_1024"),
        512 => mib("gpu_mem_512"),
        256 => mib("gpu_mem_256"),
        _ => None,
    };
    MemorySplit::new(total, own.or_else(|| mib("gpu_mem")))
}

fn clocks(config: &mut Config) -> ClockSetup {
    let mut clocks = ClockSetup::default();
    let mhz = |config: &mut Config, name: &str| {
        let rate = config.number(name).filter(|&rate| rate > 0)?;
        u32::try_from(rate.min(MOST_MHZ) * MHZ).ok()
    };
    let shared = (mhz(config, "gpu_freq_min"), mhz(config, "gpu_freq"));
    for (name, range, of_gpu) in [
        ("arm", &mut clocks.arm, false),
        ("core", &mut clocks.core, true),
        ("h264", &mut clocks.h264, true),
        ("isp", &mut clocks.isp, true),
        ("v3d", &mut clocks.v3d, true),
        ("sdram", &mut clocks.sdram, false),
    ] {
        let shared = if of_gpu { shared } else { (None, None) };
        range.0 = mhz(config, &format!("{name}_freq_min")).or(shared.0).unwrap_or(range.0);
        range.1 = mhz(config, &format!("{name}_freq")).or(shared.1).unwrap_or(range.1);
        range.0 = range.0.min(range.1);
    }
    clocks.turbo = config.flag("force_turbo");
    if config.flag("enable_uart") {
        // The mini UART's rate is made from it, so that it may not move.
        let (min, max) = clocks.core;
        let fixed = if clocks.turbo { max } else { min };
        clocks.core = (fixed, fixed);
    }
    if let Some(rate) = config.number("init_uart_clock").and_then(|rate| u32::try_from(rate).ok()).filter(|&rate| rate > 0) {
        clocks.uart = rate;
    }
    clocks
}

/// The command line: what the tree has, what the firmware knows, and the file's first line.
fn command_line(
    names: &Names<'_>,
    config: &mut Config,
    tree: Option<&Named>,
    memory: MemorySplit,
    screen: (u32, u32),
) -> Result<String, FirmwareError> {
    let mut words = Vec::new();
    if let Some((name, blob)) = tree {
        let tree = DeviceTree::parse(blob).map_err(|error| FirmwareError::file(name, error))?;
        let own = tree.root.child("chosen").and_then(|chosen| chosen.property("bootargs")).unwrap_or_default();
        let own = String::from_utf8_lossy(own);
        let uarts = config.flag("enable_uart");
        // The vendor's trees have one; the firmware says how many there are.
        words.extend(own.trim_end_matches('\0').split_whitespace().map(|word| match word {
            "8250.nr_uarts=1" if !uarts => "8250.nr_uarts=0".to_owned(),
            word => word.to_owned(),
        }));
    }
    let total = memory.total_mib() << 20;
    words.push(format!("bcm2708_fb.fbwidth={} bcm2708_fb.fbheight={} bcm2708_fb.fbswap=1", screen.0, screen.1));
    words.push(format!("vc_mem.mem_base={:#x} vc_mem.mem_size={total:#x}", total - VC_MEMORY));
    let file = match config.text("cmdline").filter(|name| !name.is_empty()) {
        Some(name) => Some(names.demand("cmdline", name)?),
        None => names.get(COMMAND_LINE)?,
    };
    let text = match file {
        Some((name, bytes)) => {
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let mut lines = text.split(['\n', '\0']).map(str::trim);
            let first = lines.next().unwrap_or_default().to_owned();
            if lines.any(|line| !line.is_empty()) {
                config.note(format_args!("of {name} the first line alone counts"));
            }
            first
        }
        None => DEFAULT_COMMAND_LINE.into(),
    };
    words.push(primary_uart(&text, config));
    Ok(words.join(" ").trim_end().to_owned())
}

/// `console=serial0` names the port on the pins: on a Pi 3 the mini UART, as Bluetooth has the other.
fn primary_uart(text: &str, config: &mut Config) -> String {
    if !text.split_whitespace().any(|word| word.starts_with("console=serial0")) {
        return text.into();
    }
    config.note("console=serial0 is the mini UART (ttyS0), the second --serial, as on a Raspberry Pi 3");
    text.replace("console=serial0", "console=ttyS0").replace("console=serial1", "console=ttyAMA0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::tests::Memory;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;
    use tayberry_bcm2837::device_tree::Node;

    fn read(files: &[(&str, &[u8])]) -> Result<Boot, String> {
        Boot::read(&Memory::with(files), &Identity::default()).map_err(|error| error.to_string())
    }

    fn with_config(config: &str, more: &[(&str, &[u8])]) -> Result<Boot, String> {
        let mut files = vec![("config.txt", config.as_bytes())];
        files.extend(more);
        read(&files)
    }

    fn tree(bootargs: &str) -> Vec<u8> {
        let mut tree = DeviceTree::default();
        tree.root.children.push(Node { name: b"chosen".to_vec(), ..Node::default() });
        tree.root.child_or_new("chosen").set("bootargs", format!("{bootargs}\0"));
        tree.to_bytes()
    }

    #[test]
    fn a_card_with_nothing_but_a_kernel() {
        let boot = read(&[("KERNEL8.IMG", b"code")]).expect("it boots");
        assert_eq!((boot.name.as_str(), boot.kernel.as_slice(), boot.splash), ("kernel8.img", b"code".as_slice(), true));
        assert_eq!((&boot.tree, &boot.initrd, &boot.setup, &boot.notes), (&None, &None, &Setup::default(), &vec![]));
        assert_eq!(
            boot.command_line,
            "bcm2708_fb.fbwidth=1024 bcm2708_fb.fbheight=768 bcm2708_fb.fbswap=1 vc_mem.mem_base=0x3ec00000 vc_mem.mem_size=0x40000000 \
             console=ttyAMA0,115200 console=tty1 root=/dev/mmcblk0p2 rootfstype=ext4 rootwait"
        );
    }

    #[test]
    fn kernels_by_name() {
        let all: [(&str, &[u8]); 4] = [("kernel8.img", b"8"), ("kernel7.img", b"7"), ("u-boot.bin", b"u"), ("a/kernel8.img", b"a8")];
        for (config, kernel, notes) in [
            ("arm_64bit=1", "8", 0),
            ("arm_control=0x200", "8", 0),
            ("", "8", 1),
            ("kernel=kernel8.img", "8", 0),
            ("kernel=kernel8.img\narm_64bit=0", "8", 0),
            ("kernel=/A/Kernel8.img\narm_64bit=1", "a8", 0),
            ("kernel=u-boot.bin\narm_64bit=1", "u", 0),
            ("kernel=u-boot.bin", "u", 1),
        ] {
            let boot = with_config(config, &all).unwrap_or_else(|error| panic!("{config}: {error}"));
            assert_eq!((boot.kernel, boot.notes.len()), (kernel.into(), notes), "{config}: {:?}", boot.notes);
        }
        for (config, error) in [
            ("arm_64bit=0", "config.txt: arm_64bit=0 asks for 32-bit state"),
            ("kernel=kernel7.img", "kernel7.img: it is a 32-bit kernel by its name"),
            ("kernel=kernel7.img\narm_64bit=1", "kernel7.img: it is a 32-bit kernel by its name"),
            ("kernel=u-boot.bin\narm_64bit=0", "u-boot.bin: it is a 32-bit kernel by arm_64bit=0"),
            ("kernel=missing.img", "missing.img: there is no such file (kernel)"),
        ] {
            let found = with_config(config, &all).expect_err(config);
            assert!(found.starts_with(error), "{config}: {found}");
        }
        assert!(read(&[]).expect_err("nothing").starts_with("kernel8.img: there is no such file"));
        assert!(read(&[("kernel8.img", b"")]).expect_err("nothing").starts_with("kernel8.img: the file is empty"));
        assert!(
            read(&[("kernel.img", b"6")])
                .expect_err("32 bits")
                .starts_with("kernel.img: it is a 32-bit kernel, and there is no kernel8.img")
        );
        let mut zimage = vec![0; 0x40];
        zimage[0x24..0x28].copy_from_slice(&0x016f_2818u32.to_le_bytes());
        assert!(
            with_config("kernel=linux.img", &[("linux.img", &zimage)]).expect_err("32 bits").contains("linux.img: it is a 32-bit Linux")
        );
    }

    #[test]
    fn packed_kernels_are_unpacked() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(&[7; 10_000]).expect("room");
        let packed = packed.finish().expect("room");
        assert_eq!(read(&[("kernel8.img", &packed)]).expect("it boots").kernel, [7; 10_000]);
        let error = read(&[("kernel8.img", &packed[..packed.len() - 9])]).expect_err("cut short");
        assert!(error.starts_with("kernel8.img: it is packed by gzip, and broken"), "{error}");
    }

    #[test]
    fn trees_by_name() {
        let (ours, upstream) = (tree("ours"), tree("upstream"));
        let files: [(&str, &[u8]); 3] = [("kernel8.img", b"8"), ("bcm2710-rpi-3-b.dtb", &ours), ("bcm2837-rpi-3-b.dtb", &upstream)];
        let name = |config: &str, files: &[(&str, &[u8])]| with_config(config, files).map(|boot| boot.tree.map(|(name, _)| name));
        for (config, tree) in [
            ("", Some(TREE)),
            ("upstream_kernel=1", Some(UPSTREAM_TREE)),
            ("device_tree=bcm2837-rpi-3-b.dtb", Some(UPSTREAM_TREE)),
            ("device_tree=", None),
        ] {
            assert_eq!(name(config, &files), Ok(tree.map(String::from)), "{config}");
        }
        assert_eq!(name("upstream_kernel=1", &files[..2]), Ok(Some(TREE.into())));
        let without = with_config("", &[files[0], files[2]]).expect("it boots");
        assert_eq!((without.tree, without.notes.len()), (None, 1));
        assert!(name("device_tree=x.dtb", &files).expect_err("none").starts_with("x.dtb: there is no such file (device_tree)"));
        assert!(name("device_tree=kernel8.img", &files).expect_err("none").starts_with("kernel8.img: the device tree"));
    }

    #[test]
    fn parameters_that_a_tree_has_are_set() {
        let blob = params::tests::tree(&[("spi", &[(1, "status")])]).to_bytes();
        let config = "arm_64bit=1\ndtparam=spi=on,i2c=on\ndtparam=audio=on";
        let boot = with_config(config, &[("kernel8.img", b"8"), (TREE, &blob)]).expect("it boots");
        let tree = DeviceTree::parse(&boot.tree.expect("there").1).expect("a tree");
        let spi = tree.root.child("soc").and_then(|soc| soc.child("spi")).expect("there");
        assert_eq!(spi.property("status"), Some(b"okay\0".as_slice()));
        assert_eq!(boot.notes, ["config.txt: without effect here: dtparam=i2c=on, dtparam=audio=on"]);
        assert_eq!(with_config(config, &[("kernel8.img", b"8")]).expect("it boots").notes.len(), 1);
    }

    #[test]
    fn prefixes_count_where_kernel_and_tree_are_there() {
        let blob = tree("");
        let files: [(&str, &[u8]); 5] = [
            ("kernel8.img", b"old"),
            ("new/kernel8.img", b"new"),
            ("new/bcm2710-rpi-3-b.dtb", &blob),
            ("new/cmdline.txt", b"fresh"),
            ("upstream/kernel8.img", b"upstream"),
        ];
        let boot = with_config("arm_64bit=1\nos_prefix=new/", &files).expect("it boots");
        assert_eq!((boot.name.as_str(), boot.tree.is_some(), boot.notes.len()), ("new/kernel8.img", true, 0));
        assert!(boot.command_line.ends_with(" fresh"));
        assert_eq!(with_config("os_prefix=new/\nkernel=/kernel8.img", &files).expect("it boots").kernel, b"old");
        let ignored = with_config("os_prefix=newer/", &files).expect("it boots");
        assert_eq!((ignored.kernel.as_slice(), ignored.notes.len()), (b"old".as_slice(), 1));
        assert_eq!(with_config("upstream_kernel=1", &files).expect("it boots").kernel, b"old", "no tree there");
    }

    #[test]
    fn ram_disks() {
        let files: [(&str, &[u8]); 4] = [("kernel8.img", b"8"), ("a.gz", b"aa"), ("b.gz", b"b"), ("initramfs8", b"auto")];
        let initrd =
            |config: &str| with_config(config, &files).map(|boot| (boot.initrd.map(|(_, bytes)| bytes), boot.setup.placement.initrd));
        for (config, bytes, at) in [
            ("", None, None),
            ("initramfs a.gz followkernel", Some("aa"), None),
            ("initramfs a.gz,b.gz 0x2000000", Some("aab"), Some(0x200_0000)),
            ("ramfsfile=b.gz\nramfsaddr=0x800000", Some("b"), Some(0x80_0000)),
            ("ramfsaddr=0x800000", None, None),
            ("auto_initramfs=1", Some("auto"), None),
            ("auto_initramfs=1\ninitramfs a.gz", Some("aa"), None),
        ] {
            assert_eq!(initrd(config), Ok((bytes.map(Into::into), at)), "{config}");
        }
        assert_eq!(initrd("initramfs c.gz").expect_err("none"), "c.gz: there is no such file (initramfs)");
    }

    #[test]
    fn memory_clocks_and_places() {
        let setup = |config: &str| with_config(config, &[("kernel8.img", b"8")]).expect("it boots").setup;
        let split = |config: &str| (setup(config).memory.arm() >> 20, setup(config).memory.video_core() >> 20);
        for (config, memory) in [
            ("gpu_mem=64", (960, 64)),
            ("gpu_mem=64\ngpu_mem_1024=128", (896, 128)),
            ("gpu_mem_512=128\ntotal_mem=512", (384, 128)),
            ("gpu_mem_512=128", (948, 76)),
            ("gpu_mem=-5", (992, 32)),
            ("total_mem=99999999999", (948, 76)),
        ] {
            assert_eq!(split(config), memory, "{config}");
        }
        let clocks = |config: &str| setup(config).clocks;
        assert_eq!(clocks("core_freq=300\narm_freq=1000\narm_freq_min=2000").core, (250_000_000, 300_000_000));
        assert_eq!(clocks("arm_freq=1000\narm_freq_min=2000").arm, (1_000_000_000, 1_000_000_000));
        assert_eq!(clocks("gpu_freq=500\nv3d_freq=280").v3d.1, 280_000_000);
        assert_eq!(clocks("gpu_freq=500").core.1, 500_000_000);
        assert_eq!(
            (clocks("enable_uart=1").core, clocks("enable_uart=1\nforce_turbo=1").core),
            ((250_000_000, 250_000_000), (400_000_000, 400_000_000))
        );
        assert_eq!((clocks("init_uart_clock=3000000").uart, clocks("init_uart_clock=-1").uart), (3_000_000, 48_000_000));
        for (config, kernel) in [
            ("kernel_address=0x100000", KernelPlace::At(0x10_0000)),
            ("kernel_old=1", KernelPlace::Zero),
            ("kernel_old=1\nkernel_address=0x100000", KernelPlace::At(0x10_0000)),
            ("kernel_address=0", KernelPlace::Usual),
        ] {
            assert_eq!(setup(config).placement.kernel, kernel, "{config}");
        }
        assert_eq!(setup("device_tree_address=0x1000000").placement.tree, Some(0x100_0000));
        assert!(setup("").has_atags && !setup("disable_commandline_tags=1").has_atags);
        assert!(!with_config("disable_splash=1", &[("kernel8.img", b"8")]).expect("it boots").splash);
    }

    #[test]
    fn boot_stubs() {
        let files: [(&str, &[u8]); 3] = [("kernel8.img", b"8"), ("armstub8.bin", b"default"), ("bl31.bin", b"own")];
        let stub = |config: &str, files: &[(&str, &[u8])]| with_config(config, files).map(|boot| boot.setup.armstub);
        assert_eq!(stub("armstub=bl31.bin", &files), Ok(Some(b"own".to_vec())));
        assert_eq!((stub("", &files), stub("", &files[..1])), (Ok(Some(b"default".to_vec())), Ok(None)));
        assert!(stub("armstub=no.bin", &files).is_err());
    }

    #[test]
    fn command_lines() {
        let blob = tree("coherent_pool=1M 8250.nr_uarts=1");
        let line = |config: &str, more: &[(&str, &[u8])]| {
            let mut files: Vec<(&str, &[u8])> = vec![("kernel8.img", b"8")];
            files.extend(more);
            with_config(config, &files).expect("it boots").command_line
        };
        let with_tree = |config: &str| line(config, &[("bcm2710-rpi-3-b.dtb", &blob), ("cmdline.txt", b"root=x\r\n")]);
        assert!(with_tree("").starts_with("coherent_pool=1M 8250.nr_uarts=0 bcm2708_fb.") && with_tree("").ends_with("=0x40000000 root=x"));
        assert!(with_tree("enable_uart=1").contains(" 8250.nr_uarts=1 "));
        assert!(line("", &[("cmdline.txt", b"a\nb")]).ends_with(" a"));
        assert!(line("cmdline=own.txt", &[("own.txt", b"mine"), ("cmdline.txt", b"a")]).ends_with(" mine"));
        assert!(line("", &[("cmdline.txt", b"console=serial0,115200 console=tty1")]).ends_with(" console=ttyS0,115200 console=tty1"));
        assert!(line("gpu_mem=16\ntotal_mem=512", &[]).contains("vc_mem.mem_base=0x1ec00000 vc_mem.mem_size=0x20000000"));
        assert!(with_config("cmdline=none.txt", &[("kernel8.img", b"8")]).expect_err("none").starts_with("none.txt: "));
    }
}
