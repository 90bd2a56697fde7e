//! The Raspberry Pi 3 Model B: a list of devices and a memory map.

use crate::arm_interrupts::ArmInterruptControllerPlugin;
use crate::arm_timer::ArmTimerPlugin;
use crate::asb::AsbPlugin;
use crate::boot::BootImage;
use crate::bsc_slave::BscSlavePlugin;
use crate::core::CoresPlugin;
use crate::counters::CoreCounters;
use crate::cprman::CprmanPlugin;
use crate::device_tree::TreeError;
use crate::dma::DmaPlugin;
use crate::dwc2::UsbPlugin;
use crate::emmc::EmmcPlugin;
use crate::generic_timer::GenericTimersPlugin;
use crate::gpio::{GpioPlugin, PinSetting};
use crate::i2c::I2cPlugin;
use crate::image::ImageError;
use crate::local_controller::{self, LocalControllerPlugin};
use crate::mini_uart::AuxPlugin;
use crate::mphi::MphiPlugin;
use crate::pcm::PcmPlugin;
use crate::pl011::Pl011Plugin;
use crate::power_management::PowerManagementPlugin;
use crate::property::MailboxPlugin;
use crate::pwm::PwmPlugin;
use crate::rng::RngPlugin;
use crate::sd::{CardImage, SlotPlugin};
use crate::sdhost::SdHostPlugin;
use crate::semihosting::{SemihostingOptions, SemihostingPlugin};
use crate::setup::Setup;
use crate::spi::SpiPlugin;
use crate::system_timer::SystemTimerPlugin;
use crate::thermal::ThermalPlugin;
use std::sync::Arc;
use tayberry_a64::{Features, JitConfig, jit};
use tayberry_engine::handle::Shared;
use tayberry_engine::machine::Machine;
use tayberry_engine::{Clock, ClockMode, GuestRam, MachineBuilder, Plugin};
use thiserror::Error;

/// Bytes of RAM: the address space up to the ARM-local peripherals. The peripherals hide the last 16 MiB from the cores.
const RAM_BYTES: u64 = 1 << 30;

/// Command line that the firmware has for a kernel when the user gives none.
const DEFAULT_COMMAND_LINE: &str = "coherent_pool=1M bcm2708_fb.fbwidth=1024 bcm2708_fb.fbheight=768 bcm2708_fb.fbswap=1 \
     vc_mem.mem_base=0x3ec00000 vc_mem.mem_size=0x40000000 console=ttyAMA0,115200 console=tty1 root=/dev/mmcblk0p2 rootfstype=ext4 rootwait";

/// Why a board cannot be made.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BoardError {
    /// The kernel cannot be loaded.
    #[error(transparent)]
    Kernel(#[from] ImageError),
    /// The device tree cannot be used.
    #[error(transparent)]
    DeviceTree(#[from] TreeError),
    /// Not so many cores.
    #[error("the board cannot have {0} cores: it has 1 to {max}", max = local_controller::CORES)]
    Cores(usize),
    /// Something does not fit into memory beside the rest.
    #[error("there is no room in memory for {0}")]
    NoRoom(&'static str),
    /// Something is to go where something else is, or where there is no memory of the ARM's.
    #[error("{what} cannot go to {address:#x}: something else is there, or it is not the ARM's memory")]
    Place {
        /// What.
        what: &'static str,
        /// Where.
        address: u32,
    },
    /// The host gives no memory.
    #[error("no memory for the guest's RAM: {0}")]
    Ram(String),
}

/// What a board is made with.
#[derive(Clone, Debug)]
pub struct BoardOptions {
    /// The kernel: a raw image, or an AArch64 ELF file.
    pub kernel: Vec<u8>,
    /// A device tree blob; without one, kernels get ATAGs.
    pub dtb: Option<Vec<u8>>,
    /// An initial RAM disk.
    pub initrd: Option<Vec<u8>>,
    /// Kernel command line.
    pub append: Option<String>,
    /// What the firmware is configured to.
    pub setup: Setup,
    /// The firmware's test picture is on the screen until the kernel allocates a frame buffer. With a device tree, the kernel starts with a frame buffer
    /// of the firmware's in any case.
    pub splash: bool,
    /// Number of cores, 1 to 4.
    pub cores: usize,
    /// Where time comes from.
    pub mode: ClockMode,
    /// Extensions of the cores that a Pi 3 lacks.
    pub features: Features,
    /// How each core translates guest code; `None` interprets all of it. The default translates where the host can.
    pub jit: Option<JitConfig>,
    /// The SD card's content; without one, the slot is empty. It stays over resets.
    pub card: Option<Arc<CardImage>>,
    /// What happens to the pins outside, besides what frontends do.
    pub pins: Arc<[PinSetting]>,
    /// A USB keyboard and a USB mouse are plugged in.
    pub has_input: bool,
    /// What a guest may ask of the host by HLT #0xF000; without it, that is undefined as on hardware.
    pub semihosting: Option<SemihostingOptions>,
}

impl Default for BoardOptions {
    fn default() -> Self {
        Self {
            kernel: Vec::new(),
            dtb: None,
            initrd: None,
            append: None,
            setup: Setup::default(),
            splash: false,
            cores: local_controller::CORES,
            mode: ClockMode::Realtime,
            features: Features::default(),
            jit: jit::available().is_ok().then(JitConfig::default),
            card: None,
            pins: Arc::new([]),
            has_input: true,
            semihosting: None,
        }
    }
}

/// A Raspberry Pi 3 Model B with its software, ready to be powered on.
#[derive(Clone, Debug)]
pub struct Raspi3b {
    image: BootImage,
    firmware: MailboxPlugin,
    cores: usize,
    mode: ClockMode,
    features: Features,
    jit: Option<JitConfig>,
    card: Option<Arc<CardImage>>,
    pins: Arc<[PinSetting]>,
    has_input: bool,
    semihosting: Option<SemihostingOptions>,
    counters: Arc<CoreCounters>,
}

/// The devices, in the order in which they are installed: a device comes after those it needs.
fn devices(board: &Raspi3b) -> Vec<Box<dyn Plugin>> {
    let cores = board.cores;
    let firmware = board.firmware.clone();
    vec![
        Box::new(GenericTimersPlugin { cores }),
        Box::new(ArmInterruptControllerPlugin),
        Box::new(LocalControllerPlugin),
        Box::new(SemihostingPlugin { options: board.semihosting.clone(), heap: board.image.free_memory() }),
        Box::new(CoresPlugin { cores, features: board.features, jit: board.jit, counters: Arc::clone(&board.counters) }),
        Box::new(SystemTimerPlugin),
        Box::new(ArmTimerPlugin),
        Box::new(DmaPlugin),
        Box::new(PowerManagementPlugin),
        Box::new(CprmanPlugin),
        Box::new(AsbPlugin),
        Box::new(GpioPlugin { settings: Arc::clone(&board.pins) }),
        Box::new(SlotPlugin { card: board.card.clone() }),
        Box::new(EmmcPlugin),
        Box::new(SdHostPlugin),
        Box::new(Pl011Plugin),
        Box::new(AuxPlugin),
        Box::new(SpiPlugin),
        Box::new(I2cPlugin),
        Box::new(BscSlavePlugin),
        Box::new(PwmPlugin),
        Box::new(PcmPlugin),
        Box::new(MphiPlugin),
        Box::new(UsbPlugin { has_input: board.has_input }),
        Box::new(RngPlugin),
        Box::new(ThermalPlugin { temperature: firmware.temperature }),
        Box::new(firmware),
    ]
}

/// The VideoCore for a board made with `options`.
fn firmware(options: &BoardOptions) -> MailboxPlugin {
    let Setup { memory, display, clocks, .. } = &options.setup;
    let (width, height) = display.screen;
    // The splash screen has 32 bits a pixel, and is not there where there is a frame buffer.
    let splash = width.saturating_mul(height).saturating_mul(4);
    let kept = if options.splash && options.dtb.is_none() { splash } else { 0 };
    let video_memory = memory.video_memory(kept);
    let mut firmware = MailboxPlugin {
        command_line: options.append.clone().unwrap_or_else(|| DEFAULT_COMMAND_LINE.into()),
        arm_memory: memory.arm(),
        vc_memory: memory.video_core(),
        monitor: display.monitor,
        screen: display.screen,
        depth: display.depth,
        alpha: display.alpha,
        clocks: *clocks,
        has_splash: options.splash && video_memory.start - u64::from(memory.arm()) >= splash.into(),
        video_memory,
        ..MailboxPlugin::default()
    };
    let room = firmware.video_memory.end - firmware.video_memory.start;
    let fits = firmware.boot_framebuffer().geometry.bytes() <= room;
    firmware.has_boot_framebuffer = options.dtb.is_some() && display.has_framebuffer && fits;
    firmware
}

impl Raspi3b {
    /// Checks the options and places everything in memory.
    ///
    /// # Errors
    /// [`BoardError`], whose message is one line for the user.
    pub fn new(options: BoardOptions) -> Result<Self, BoardError> {
        if !(1..=local_controller::CORES).contains(&options.cores) {
            return Err(BoardError::Cores(options.cores));
        }
        let firmware = firmware(&options);
        let framebuffer = firmware.has_boot_framebuffer.then(|| firmware.boot_framebuffer());
        let image = BootImage::new(&options, framebuffer)?;
        let BoardOptions { cores, mode, features, jit, card, pins, has_input, semihosting, .. } = options;
        Ok(Self { image, firmware, cores, mode, features, jit, card, pins, has_input, semihosting, counters: Arc::default() })
    }

    /// A board with other software, whose cores count on where this one's were.
    ///
    /// # Errors
    /// [`BoardError`].
    pub fn with(&self, options: BoardOptions) -> Result<Self, BoardError> {
        Ok(Self { counters: Arc::clone(&self.counters), ..Self::new(options)? })
    }

    /// What the cores of all machines that were built from this board, or from a clone of it, have executed. One machine at a time may write them.
    pub fn counters(&self) -> &Arc<CoreCounters> {
        &self.counters
    }

    /// Builds the machine with fresh RAM, as it is right after power-on: once to begin with, and again at every reset.
    ///
    /// # Errors
    /// [`BoardError::Ram`].
    pub fn build(&self, shared: Arc<Shared>) -> Result<Machine, BoardError> {
        let ram = GuestRam::new(RAM_BYTES).map_err(|error| BoardError::Ram(error.to_string()))?;
        self.image.load(&ram).ok_or(BoardError::NoRoom("the kernel"))?;
        let mut machine = MachineBuilder::new(Arc::new(ram), Arc::new(Clock::new(self.mode)), self.cores, shared);
        self.install(&mut machine);
        Ok(machine.build())
    }

    fn install(&self, machine: &mut MachineBuilder) {
        machine.name_registers(crate::registers::name);
        for device in devices(self) {
            machine.install(&*device);
        }
    }
}

#[cfg(test)]
mod state_tests;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::setup::{DisplaySetup, MemorySplit};
    use proptest::prelude::*;
    use tayberry_engine::GuestTime;
    use tayberry_engine::bench::{Bench, shared};
    use tayberry_engine::display::Depth;

    /// Addresses where devices are dense, and everywhere else.
    pub(super) fn device_address() -> impl Strategy<Value = u64> {
        let blocks = [0x3F00_3000u64, 0x3F00_B200, 0x3F00_B400, 0x3F00_B880, 0x3F10_0000, 0x3F10_1000, 0x3F10_4000, 0x3F20_0000];
        let more = [0x3F20_1000u64, 0x3F20_3000, 0x3F20_4000, 0x3F20_5000, 0x3F20_C000, 0x3F21_4000, 0x3F80_4000, 0x3F80_5000];
        let rest = [0x3F00_7000u64, 0x3F21_2000, 0x3F21_5000, 0x3F20_2000, 0x3F30_0000, 0x4000_0000];
        let block = prop::sample::select([blocks.as_slice(), more.as_slice(), rest.as_slice()].concat());
        prop_oneof![9 => (block, 0u64..0x100).prop_map(|(block, offset)| block + offset), 1 => 0x3F00_0000u64..0x4000_1000, 1 => any::<u64>()]
    }

    /// Values that registers mean something by, and any.
    pub(super) fn value() -> impl Strategy<Value = u64> {
        prop_oneof![
            any::<u64>(),
            (0u32..32).prop_map(|bit| 1 << bit),
            (0u64..0x100).prop_map(|low| 0x5a00_0000 | low),
            Just(0),
            Just(u64::MAX)
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn no_access_anywhere_makes_the_board_panic(
            steps in prop::collection::vec((device_address(), value(), any::<bool>(), 0u32..4, 0usize..4, 0u64..10_000_000), 1..200)
        ) {
            let board = Raspi3b::new(BoardOptions { kernel: vec![0; 4], mode: ClockMode::Deterministic, ..BoardOptions::default() })
                .expect("a board");
            let mut bench = Bench::new(RAM_BYTES, board.cores, |machine| board.install(machine));
            let mut now = GuestTime(0);
            for (addr, value, write, size, core, step) in steps {
                bench.feed(step as usize % 2, &[step as u8]);
                let (size, context) = (1 << size, bench.context(core));
                // The core aligns device accesses or faults.
                let addr = addr & !(u64::from(size) - 1);
                let ends = if write {
                    bench.bus().write(addr, size, value, &context) == tayberry_engine::Served::EndSlice
                } else {
                    bench.bus().read(addr, size, &context);
                    false
                };
                if ends || step % 3 == 0 {
                    now = now.plus(step);
                    bench.tick_at(now);
                }
            }
        }
    }

    #[test]
    fn every_address_can_be_read_in_every_width_and_narrow_reads_get_their_lanes() {
        let board =
            Raspi3b::new(BoardOptions { kernel: vec![0; 4], mode: ClockMode::Deterministic, ..BoardOptions::default() }).expect("a board");
        let mut bench = Bench::new(RAM_BYTES, board.cores, |machine| board.install(machine));
        for size in [1, 2, 4, 8] {
            for addr in (0x3F00_0000u64..0x4010_0000).step_by(size) {
                bench.bus().read(addr, size as u8, &bench.context(0));
                if addr % 0x1_0000 == 0 {
                    bench.tick_at(bench.clock.now().plus(1_000));
                }
            }
        }
        // The divisor of the UART's clock: a register that stays.
        let read = |addr, size| bench.bus().read(addr, size, &bench.context(0));
        assert_eq!((read(0x3F10_10F4, 4), read(0x3F10_10F0, 8) >> 32), (0xa6aa, 0xa6aa));
        assert_eq!([0, 1, 2, 3].map(|lane| read(0x3F10_10F4 + lane, 1)), [0xaa, 0xa6, 0, 0]);
        assert_eq!([0, 2].map(|lane| read(0x3F10_10F4 + lane, 2)), [0xa6aa, 0]);
        for nothing in [0x3F00_0000, 0x3F5D_2000, 0x3FFF_FFFC, 0x4000_0100, 0x4003_FFFC, 0x4004_0000, 0xFFFF_FFFC, 1 << 32, !7] {
            assert_eq!(read(nothing, 8), 0, "{nothing:#x}");
        }
    }

    #[test]
    fn a_board_can_be_built_again_and_again() {
        let board = Raspi3b::new(BoardOptions { kernel: vec![0; 4], ..BoardOptions::default() }).expect("a board");
        for _ in 0..2 {
            assert!(board.build(shared()).is_ok());
        }
    }

    #[test]
    fn a_kernel_with_a_device_tree_finds_a_frame_buffer_on_the_screen() {
        let tree = crate::device_tree::DeviceTree::default().to_bytes();
        for (dtb, width) in [(Some(tree), 1024), (None, 0)] {
            let board = Raspi3b::new(BoardOptions { kernel: vec![0; 4], dtb, ..BoardOptions::default() }).expect("a board");
            let shared = shared();
            let _machine = board.build(Arc::clone(&shared)).expect("a machine");
            let shown = shared.display.load();
            assert_eq!(shown.has_signal(), width != 0);
            if width != 0 {
                let promised = board.firmware.boot_framebuffer();
                let config = shown.config();
                assert_eq!((config.base, config.physical.0, config.pitch), (promised.base, width, promised.geometry.pitch));
            }
        }
    }

    #[test]
    fn frame_buffers_go_before_the_splash_screen_where_memory_is_scarce() {
        let firmware = |gpu, screen, dtb| {
            let display = DisplaySetup { monitor: screen, screen, depth: Depth::Rgb32, ..DisplaySetup::default() };
            let setup = Setup { memory: MemorySplit::new(None, gpu), display, ..Setup::default() };
            let board =
                Raspi3b::new(BoardOptions { kernel: vec![0; 4], dtb, splash: true, setup, ..BoardOptions::default() }).expect("a board");
            (board.firmware.has_splash, board.firmware.has_boot_framebuffer)
        };
        let tree = || Some(crate::device_tree::DeviceTree::default().to_bytes());
        assert_eq!([firmware(None, (1920, 1080), None), firmware(Some(16), (1024, 768), None)], [(true, false), (true, false)]);
        assert_eq!(firmware(Some(16), (1920, 1080), None), (false, false));
        assert!(firmware(Some(16), (1920, 1080), tree()).1 && firmware(None, (1920, 1200), tree()).1);
        assert!(!firmware(Some(16), (4096, 4096), tree()).1, "it does not fit, and the tree does not say that it is there");
    }

    #[test]
    fn every_device_has_a_part_in_the_machine_s_state() {
        let board = Raspi3b::new(BoardOptions { kernel: vec![0; 4], ..BoardOptions::default() }).expect("a board");
        let mut without = Vec::new();
        Bench::new(RAM_BYTES, 1, |machine| {
            board.install(machine);
            without.extend(machine.stateless().iter().map(|name| name.rsplit("::").next().unwrap_or(name)));
        });
        // The cores are the engine's, and without options there is no semihosting.
        assert_eq!(without, ["SemihostingPlugin", "CoresPlugin"]);
    }

    #[test]
    fn only_one_to_four_cores() {
        for cores in [0, 5, usize::MAX] {
            let refused = Raspi3b::new(BoardOptions { kernel: vec![0; 4], cores, ..BoardOptions::default() });
            assert_eq!(refused.map(|_| ()), Err(BoardError::Cores(cores)));
        }
    }

    #[test]
    fn a_broken_device_tree_is_refused() {
        let options = BoardOptions { kernel: vec![0; 4], dtb: Some(vec![1; 100]), ..BoardOptions::default() };
        assert_eq!(Raspi3b::new(options).map(|_| ()), Err(BoardError::DeviceTree(TreeError::Magic)));
    }
}
