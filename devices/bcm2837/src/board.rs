//! The Raspberry Pi 3 Model B: a list of devices and a memory map.

use crate::arm_interrupts::ArmInterruptControllerPlugin;
use crate::arm_timer::ArmTimerPlugin;
use crate::boot::{ARM_MEMORY, BootImage};
use crate::core::CoresPlugin;
use crate::cprman::CprmanPlugin;
use crate::device_tree::TreeError;
use crate::generic_timer::GenericTimersPlugin;
use crate::gpio::GpioPlugin;
use crate::image::ImageError;
use crate::local_controller::{self, LocalControllerPlugin};
use crate::mini_uart::AuxPlugin;
use crate::pl011::Pl011Plugin;
use crate::power_management::PowerManagementPlugin;
use crate::property::MailboxPlugin;
use crate::rng::RngPlugin;
use crate::system_timer::SystemTimerPlugin;
use crate::thermal::ThermalPlugin;
use std::sync::Arc;
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
    /// Number of cores, 1 to 4.
    pub cores: usize,
    /// Where time comes from.
    pub mode: ClockMode,
}

impl Default for BoardOptions {
    fn default() -> Self {
        Self { kernel: Vec::new(), dtb: None, initrd: None, append: None, cores: local_controller::CORES, mode: ClockMode::Realtime }
    }
}

/// A Raspberry Pi 3 Model B with its software, ready to be powered on.
#[derive(Clone, Debug)]
pub struct Raspi3b {
    image: BootImage,
    command_line: String,
    cores: usize,
    mode: ClockMode,
}

/// The devices, in the order in which they are installed: a device comes after those it needs.
fn devices(board: &Raspi3b) -> Vec<Box<dyn Plugin>> {
    let cores = board.cores;
    let firmware = MailboxPlugin { command_line: board.command_line.clone(), arm_memory: ARM_MEMORY, ..MailboxPlugin::default() };
    vec![
        Box::new(GenericTimersPlugin { cores }),
        Box::new(ArmInterruptControllerPlugin),
        Box::new(LocalControllerPlugin),
        Box::new(CoresPlugin { cores }),
        Box::new(SystemTimerPlugin),
        Box::new(ArmTimerPlugin),
        Box::new(PowerManagementPlugin),
        Box::new(CprmanPlugin),
        Box::new(GpioPlugin),
        Box::new(Pl011Plugin),
        Box::new(AuxPlugin),
        Box::new(RngPlugin),
        Box::new(ThermalPlugin { temperature: firmware.temperature }),
        Box::new(firmware),
    ]
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
        let image = BootImage::new(&options)?;
        let command_line = options.append.unwrap_or_else(|| DEFAULT_COMMAND_LINE.into());
        Ok(Self { image, command_line, cores: options.cores, mode: options.mode })
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
        for device in devices(self) {
            machine.install(&*device);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tayberry_engine::bench::shared;

    #[test]
    fn a_board_can_be_built_again_and_again() {
        let board = Raspi3b::new(BoardOptions { kernel: vec![0; 4], ..BoardOptions::default() }).expect("a board");
        for _ in 0..2 {
            assert!(board.build(shared()).is_ok());
        }
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
