//! Which kernel the firmware starts, and with which boot stub.
//!
//! # Resources
//! - Raspberry Pi documentation, config.txt: `kernel`, `arm_64bit`, `armstub`, `os_prefix`, `upstream_kernel`.
//! - raspberrypi/firmware#1193: with neither `kernel` nor `arm_64bit`, newer firmware prefers a 32-bit kernel that is there; that of 2016 to 2019 preferred
//!   `kernel8.img`.
//! - raspberrypi/firmware#579: `armstub8.bin` is taken where it is there.
//!
//! This board's cores run 64-bit kernels only. What a board would start as a 32-bit one is refused if it says so itself, and noted where it does not.

use crate::config::Config;
use crate::{Files, FirmwareError, MOST_BYTES, Named};
use flate2::read::GzDecoder;
use std::io::Read;

/// The 64-bit kernel.
pub const KERNEL: &str = "kernel8.img";
/// 32-bit kernels, as this model prefers them, and as no model of 64 bits does.
const KERNELS_32: [&str; 3] = ["kernel7.img", "kernel.img", "kernel7l.img"];
const STUB: &str = "armstub8.bin";
/// Device trees of the board, by the vendor's kernels' name for it and by Linux's own.
pub const TREE: &str = "bcm2710-rpi-3-b.dtb";
pub const UPSTREAM_TREE: &str = "bcm2837-rpi-3-b.dtb";
/// Bit of `arm_control`, the old way to ask for 64 bits.
const CONTROL_64: i64 = 0x200;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Where 32-bit Linux kernels have their magic number, and what it is.
const ZIMAGE: (usize, [u8; 4]) = (0x24, 0x016f_2818u32.to_le_bytes());

/// Names of the operating system's files.
pub struct Names<'a> {
    files: &'a dyn Files,
    prefix: String,
}

impl Names<'_> {
    /// With the prefix that is in effect.
    pub fn path(&self, name: &str) -> String {
        if name.starts_with('/') { name.into() } else { format!("{}{name}", self.prefix) }
    }

    /// Reads a file that has to be there; `setting` named it.
    pub fn demand(&self, setting: &str, name: &str) -> Result<Named, FirmwareError> {
        let path = self.path(name);
        match self.files.read(&path)? {
            Some(bytes) if bytes.is_empty() => Err(FirmwareError::file(&path, "the file is empty")),
            Some(bytes) => Ok((path, bytes)),
            None => Err(FirmwareError::file(&path, format_args!("there is no such file ({setting})"))),
        }
    }

    /// Reads a file if it is there.
    pub fn get(&self, name: &str) -> Result<Option<Named>, FirmwareError> {
        let path = self.path(name);
        Ok(self.files.read(&path)?.map(|bytes| (path, bytes)))
    }

    /// True if it is there.
    pub fn has(&self, name: &str) -> Result<bool, FirmwareError> {
        self.files.has(&self.path(name))
    }
}

/// Finds the prefix: it counts only where kernel and device tree are found with it.
pub fn names<'a>(files: &'a dyn Files, config: &mut Config) -> Result<Names<'a>, FirmwareError> {
    let default = if config.flag("upstream_kernel") { "upstream/" } else { "" };
    let prefix = config.text("os_prefix").unwrap_or(default).to_owned();
    if prefix.is_empty() {
        return Ok(Names { files, prefix });
    }
    let names = Names { files, prefix };
    let kernels: Vec<String> = match config.text("kernel") {
        Some(name) => vec![name.into()],
        None => [KERNEL].into_iter().chain(KERNELS_32).map(String::from).collect(),
    };
    let trees = [TREE, UPSTREAM_TREE].map(String::from);
    let trees: Vec<String> = config.text("device_tree").filter(|name| !name.is_empty()).map_or(trees.to_vec(), |name| vec![name.into()]);
    let any = |list: &[String]| list.iter().try_fold(false, |found, name| Ok::<_, FirmwareError>(found || names.has(name)?));
    if any(&kernels)? && any(&trees)? {
        return Ok(names);
    }
    if config.text("os_prefix").is_some() {
        config.note(format_args!("os_prefix={} is ignored: kernel and device tree are not both there", names.prefix));
    }
    Ok(Names { files, prefix: String::new() })
}

/// Finds and reads the kernel: its name and its bytes, unpacked.
pub fn kernel(names: &Names<'_>, config: &mut Config) -> Result<Named, FirmwareError> {
    let asked = match config.number("arm_64bit") {
        Some(number) => Some(number != 0),
        None => config.number("arm_control").map(|bits| bits & CONTROL_64 != 0),
    };
    let named = config.text("kernel").filter(|name| !name.is_empty()).map(String::from);
    let (name, setting) = match &named {
        Some(name) => {
            check_name(name, asked)?;
            if asked.is_none() && base(name) != KERNEL {
                config.note(format_args!("kernel={name} runs in 64-bit state here; a board needs arm_64bit=1 for that"));
            }
            (name.as_str(), "kernel")
        }
        None => (default_kernel(names, asked, config)?, "the default; kernel names another"),
    };
    let (path, bytes) = names.demand(setting, name)?;
    let bytes = unpack(&path, bytes)?;
    if bytes.get(ZIMAGE.0..).is_some_and(|rest| rest.starts_with(&ZIMAGE.1)) {
        return Err(FirmwareError::file(&path, "it is a 32-bit Linux kernel (zImage); this board runs 64-bit kernels only"));
    }
    Ok((path, bytes))
}

fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

fn check_name(name: &str, asked: Option<bool>) -> Result<(), FirmwareError> {
    // Names that are known decide, whatever else is said.
    if KERNELS_32.contains(&base(name)) {
        return Err(FirmwareError::file(name, "it is a 32-bit kernel by its name; this board runs 64-bit kernels only"));
    }
    if asked == Some(false) && base(name) != KERNEL {
        return Err(FirmwareError::file(name, "it is a 32-bit kernel by arm_64bit=0; this board runs 64-bit kernels only"));
    }
    Ok(())
}

fn default_kernel(names: &Names<'_>, asked: Option<bool>, config: &mut Config) -> Result<&'static str, FirmwareError> {
    let mut other = None;
    // As the model does: not what is a Pi 4's.
    for name in &KERNELS_32[..2] {
        if other.is_none() && names.has(name)? {
            other = Some(*name);
        }
    }
    match (asked, names.has(KERNEL)?, other) {
        (Some(false), ..) => Err(FirmwareError::new("config.txt: arm_64bit=0 asks for 32-bit state; this board runs 64-bit kernels only")),
        (_, false, Some(other)) => Err(FirmwareError::file(
            other,
            format_args!("it is a 32-bit kernel, and there is no {KERNEL}; this board runs 64-bit kernels only"),
        )),
        (None, true, Some(other)) => {
            config.note(format_args!("{KERNEL} is started; newer firmware starts {other} (32 bits) where there is no arm_64bit=1"));
            Ok(KERNEL)
        }
        _ => Ok(KERNEL),
    }
}

/// Unpacks a kernel that is packed by gzip, as the firmware does.
fn unpack(path: &str, bytes: Vec<u8>) -> Result<Vec<u8>, FirmwareError> {
    if !bytes.starts_with(&GZIP) {
        return Ok(bytes);
    }
    let mut unpacked = Vec::new();
    let broken = |error| FirmwareError::file(path, format_args!("it is packed by gzip, and broken: {error}"));
    GzDecoder::new(bytes.as_slice()).take(MOST_BYTES).read_to_end(&mut unpacked).map_err(broken)?;
    Ok(unpacked)
}

/// The boot stub of the card's own, if there is one.
pub fn stub(names: &Names<'_>, config: &Config) -> Result<Option<Named>, FirmwareError> {
    match config.text("armstub").filter(|name| !name.is_empty()) {
        Some(name) => names.demand("armstub", name).map(Some),
        None => Ok(names.get(STUB)?.filter(|(_, bytes)| !bytes.is_empty())),
    }
}
