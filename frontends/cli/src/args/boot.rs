//! Options about booting as the firmware does.

use clap::Args;
use std::path::PathBuf;

/// Where to boot from.
#[derive(Clone, Debug, Default, Args)]
pub struct BootArgs {
    /// Boot from a directory that holds what a boot partition would: config.txt, kernel8.img, device tree, cmdline.txt. The guest gets no card by it.
    /// --dtb, --initrd and --append go before what is there [default: none]
    #[arg(long, value_name = "DIR", conflicts_with = "kernel")]
    pub boot: Option<PathBuf>,

    /// Make an SD card of a directory: a FAT32 partition with its files, in memory, the same bytes every time. What the guest writes is gone at the
    /// end, the directory stays as it is. With no KERNEL it is booted from [default: no card]
    #[arg(long, value_name = "DIR", conflicts_with_all = ["sd", "sd_writable"])]
    pub sd_dir: Option<PathBuf>,
}
