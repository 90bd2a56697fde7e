//! What the firmware's configuration file decides about the board: memory split, display, clocks, and where things go in memory.
//!
//! # Resources
//! - Raspberry Pi documentation, config.txt: memory, video, overclocking and boot options.

use crate::framebuffer::geometry::Size;
pub use crate::property::ClockSetup;
use std::ops::Range;
use tayberry_engine::display::{Alpha, Depth};

const MIB: u32 = 1 << 20;
/// RAM of the board, in MiB.
const INSTALLED: u32 = 1024;
/// Least RAM that the firmware can be limited to.
const LEAST_TOTAL: u32 = 128;
/// The VideoCore's memory where nothing is said: on a board of 1 GiB, and on smaller ones.
const GPU_1024: u32 = 76;
const GPU_SMALL: u32 = 64;
/// Least memory of the VideoCore.
const LEAST_GPU: u32 = 16;
/// Least memory of the ARM.
const LEAST_ARM: u32 = 64;
/// The peripherals hide RAM from here on from the cores.
const PERIPHERALS: u32 = 0x3f00_0000;
/// Memory of the VideoCore that the cores can reach, at least: for a frame buffer.
const LEAST_SHARED: u32 = 16 * MIB;
/// Memory for frame buffers, at least.
const LEAST_VIDEO: u32 = 12 * MIB;
/// What the firmware keeps of it for itself, where there is plenty, and where there is not.
const KEPT: u32 = 4 * MIB;
const KEPT_SMALL: u32 = MIB;

/// How RAM is divided between the ARM, which has it from address 0 on, and the VideoCore, which has the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemorySplit {
    /// Bytes of RAM in use.
    total: u32,
    /// Bytes of it that belong to the ARM.
    arm: u32,
}

impl Default for MemorySplit {
    /// 1 GiB, 76 MiB of it the VideoCore's.
    fn default() -> Self {
        Self::new(None, None)
    }
}

impl MemorySplit {
    /// The split for `total_mem` and `gpu_mem`, in MiB. What the board cannot do is brought to what it can.
    pub fn new(total: Option<u32>, gpu: Option<u32>) -> Self {
        let total = total.unwrap_or(INSTALLED).clamp(LEAST_TOTAL, INSTALLED);
        let default = if total == INSTALLED { GPU_1024 } else { GPU_SMALL };
        let gpu = gpu.unwrap_or(default).clamp(LEAST_GPU, total - LEAST_ARM);
        Self { total: total * MIB, arm: ((total - gpu) * MIB).min(PERIPHERALS - LEAST_SHARED) }
    }

    /// Bytes that belong to the ARM, from address 0 on.
    pub fn arm(&self) -> u32 {
        self.arm
    }

    /// Bytes that belong to the VideoCore, after those of the ARM.
    pub fn video_core(&self) -> u32 {
        self.total - self.arm
    }

    /// RAM in use, in MiB.
    pub fn total_mib(&self) -> u32 {
        self.total / MIB
    }

    /// Memory that frame buffers come from. The firmware keeps `kept` bytes to itself, if enough is left then.
    pub fn video_memory(&self, kept: u32) -> Range<u64> {
        let end = self.total.min(PERIPHERALS);
        let least = if end - self.arm < 2 * LEAST_SHARED { KEPT_SMALL } else { KEPT };
        let kept = kept.next_multiple_of(MIB).max(least);
        // A frame buffer is worth more than a splash screen.
        let kept = if kept <= end - self.arm - LEAST_VIDEO { kept } else { least };
        u64::from(self.arm + kept)..u64::from(end)
    }
}

/// The display as the firmware sets it up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisplaySetup {
    /// The monitor's mode in pixels.
    pub monitor: Size,
    /// Size of the frame buffer as long as the guest sets no other: the monitor's without its borders, or one of its own.
    pub screen: Size,
    /// Its bits per pixel.
    pub depth: Depth,
    /// What becomes of its alpha.
    pub alpha: Alpha,
    /// A kernel with a device tree finds a frame buffer.
    pub has_framebuffer: bool,
}

impl Default for DisplaySetup {
    fn default() -> Self {
        let monitor = (1024, 768);
        Self { monitor, screen: monitor, depth: Depth::Rgb16, alpha: Alpha::Ignored, has_framebuffer: true }
    }
}

/// Where things go in memory, if not where the firmware puts them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Placement {
    /// Where a raw kernel goes.
    pub kernel: KernelPlace,
    /// Where the device tree goes.
    pub tree: Option<u32>,
    /// Where the initial RAM disk goes.
    pub initrd: Option<u32>,
}

/// Where a raw kernel goes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum KernelPlace {
    /// Where its header says, or to 0x80000.
    #[default]
    Usual,
    /// To an address of its own.
    At(u32),
    /// To address 0, in place of the boot stub: all cores start in it, in EL3 (`kernel_old=1`).
    Zero,
}

/// All of it. The default is a board with nothing configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setup {
    /// Memory split.
    pub memory: MemorySplit,
    /// Display.
    pub display: DisplaySetup,
    /// Rates of the clocks.
    pub clocks: ClockSetup,
    /// Places in memory.
    pub placement: Placement,
    /// A boot stub in place of the firmware's, for address 0.
    pub armstub: Option<Vec<u8>>,
    /// Kernels without a device tree get ATAGs.
    pub has_atags: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            memory: MemorySplit::default(),
            display: DisplaySetup::default(),
            clocks: ClockSetup::default(),
            placement: Placement::default(),
            armstub: None,
            has_atags: true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_of_the_documentation() {
        for (total, gpu, arm, video_core) in [
            (None, None, 948, 76),
            (None, Some(64), 960, 64),
            (None, Some(512), 512, 512),
            (None, Some(5000), 64, 960),
            (Some(512), None, 448, 64),
            (Some(512), Some(16), 496, 16),
            (Some(100), Some(16), 112, 16),
            (Some(4096), Some(76), 948, 76),
            // The peripherals hide the last 16 MiB: a frame buffer has to lie below.
            (None, Some(16), 992, 32),
        ] {
            let split = MemorySplit::new(total, gpu);
            assert_eq!((split.arm() / MIB, split.video_core() / MIB), (arm, video_core), "{total:?} {gpu:?}");
        }
    }

    #[test]
    fn frame_buffers_have_room_with_any_split() {
        assert_eq!(MemorySplit::default().video_memory(0), 0x3b80_0000..0x3f00_0000);
        assert_eq!(MemorySplit::default().video_memory(9 << 20).start, 0x3bd0_0000);
        for total in 0..1100 {
            for gpu in (0..1100).step_by(7) {
                let split = MemorySplit::new(Some(total), Some(gpu));
                for kept in [0, 8 << 20, u32::MAX >> 1] {
                    let memory = split.video_memory(kept);
                    assert!(memory.end <= 0x3f00_0000 && memory.start > split.arm().into(), "{split:?}");
                    assert!(memory.end - memory.start >= 12 << 20, "{split:?}");
                }
            }
        }
    }
}
