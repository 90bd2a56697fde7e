//! What the machine starts with: a kernel that is named, what a boot partition says, or the demo.

use crate::args::Config;
use crate::files;
use crate::report::{Unusable, say};
use std::io;
use std::sync::Arc;
use tayberry_bcm2837::sd::image::BLOCK as CARD_BLOCK;
use tayberry_bcm2837::sd::{CardImage, CardImageError};
use tayberry_bcm2837::{BoardError, BoardOptions, Raspi3b, Setup};
use tayberry_firmware::{Boot, CardFiles, Directory, FirmwareError, Identity, image};

/// The kernel and what is passed to it.
#[derive(Clone)]
pub struct Kernel {
    /// What it is called.
    pub name: String,
    pub image: Vec<u8>,
    pub dtb: Option<Vec<u8>>,
    pub initrd: Option<Vec<u8>>,
    /// Its command line, if not the firmware's own.
    pub append: Option<String>,
    pub splash: bool,
    /// What `config.txt` says beside that.
    pub setup: Setup,
    /// What the user should know, a line each.
    pub notes: Vec<String>,
    /// It is the demo.
    pub is_demo: bool,
    /// What the kernel and the device tree are called in errors.
    pub labels: [String; 2],
}

impl Kernel {
    /// Reads a kernel that is named, or the demo; nothing if a boot partition is to say what runs.
    ///
    /// # Errors
    /// If a file cannot be used.
    pub fn read(config: &Config) -> Result<Option<Self>, Unusable> {
        let boots = config.sd.is_some() || config.boot.sd_dir.is_some() || config.boot.boot.is_some();
        let (name, image, label) = match &config.kernel {
            Some(path) => {
                let name = path.file_name().map_or_else(|| "kernel".into(), |name| name.to_string_lossy().into_owned());
                (name, files::read("kernel", path)?, format!("kernel {}", path.display()))
            }
            None if boots => return Ok(None),
            None => ("demo".into(), tayberry_guest::DEMO.to_vec(), "the demo".into()),
        };
        let given = Given::read(config)?;
        Ok(Some(Self {
            name,
            image,
            dtb: given.dtb,
            initrd: given.initrd,
            append: config.append.clone(),
            splash: config.splash,
            setup: Setup::default(),
            notes: Vec::new(),
            is_demo: config.kernel.is_none(),
            labels: [label, given.dtb_label],
        }))
    }

    /// Does what the firmware does.
    ///
    /// # Errors
    /// If there is nothing to boot, or a file cannot be used.
    pub fn boot(config: &Config, card: Option<&Arc<CardImage>>) -> Result<Self, Unusable> {
        let (source, boot) = match (&config.boot.boot, card) {
            (Some(path), _) => {
                let read = || Boot::read(&Directory::open(path)?, &Identity::default());
                (format!("--boot {}", path.display()), read())
            }
            (None, card) => {
                let (option, path) = match (&config.sd, &config.boot.sd_dir) {
                    (Some(path), _) => ("--sd", path.display().to_string()),
                    (None, path) => ("--sd-dir", path.as_ref().map_or_else(String::new, |path| path.display().to_string())),
                };
                let card = card.ok_or_else(|| Unusable::new("there is no card to boot from"))?;
                let read = || Boot::read(&CardFiles::open(card)?, &Identity::default());
                (format!("{option} {path}"), read())
            }
        };
        let boot = boot.map_err(|error| Unusable::new(format_args!("{source}: {error}")))?;
        let given = Given::read(config)?;
        let tree_label = match &boot.tree {
            Some((name, _)) if given.dtb.is_none() => format!("{source}: {name}"),
            _ => given.dtb_label,
        };
        let mut setup = boot.setup;
        if given.initrd.is_some() {
            setup.placement.initrd = None;
        }
        Ok(Self {
            image: boot.kernel,
            dtb: given.dtb.or(boot.tree.map(|(_, bytes)| bytes)),
            initrd: given.initrd.or(boot.initrd.map(|(_, bytes)| bytes)),
            append: Some(config.append.clone().unwrap_or(boot.command_line)),
            splash: config.splash || boot.splash,
            setup,
            notes: boot.notes,
            is_demo: false,
            labels: [format!("{source}: {}", boot.name), tree_label],
            name: boot.name,
        })
    }

    /// What `make` makes of the options for a board with it; `base` has the others.
    ///
    /// # Errors
    /// If that cannot be done.
    pub fn board(
        self,
        base: &BoardOptions,
        make: impl FnOnce(BoardOptions) -> Result<Raspi3b, BoardError>,
    ) -> Result<Arc<Raspi3b>, Unusable> {
        let options = BoardOptions {
            kernel: self.image,
            dtb: self.dtb,
            initrd: self.initrd,
            append: self.append,
            splash: self.splash,
            setup: self.setup,
            ..base.clone()
        };
        make(options).map(Arc::new).map_err(|error| match error {
            BoardError::Kernel(_) => Unusable::new(format_args!("{}: {error}", self.labels[0])),
            BoardError::DeviceTree(_) => Unusable::new(format_args!("{}: {error}", self.labels[1])),
            _ => Unusable::new(error),
        })
    }
}

/// A boot partition that is read anew at every reset: the guest may have written to it.
pub struct Reboot {
    config: Config,
    base: BoardOptions,
    board: Arc<Raspi3b>,
}

impl Reboot {
    /// If `kernel` is of a boot partition; `board` was made with it, and `base`.
    pub fn new(config: &Config, kernel: &Kernel, base: &BoardOptions, board: &Arc<Raspi3b>) -> Option<Self> {
        let reads = config.kernel.is_none() && !kernel.is_demo;
        reads.then(|| Self { config: config.clone(), base: base.clone(), board: Arc::clone(board) })
    }

    /// The board as it starts again.
    ///
    /// # Errors
    /// If what is there now cannot be started.
    pub fn board(&self) -> Result<Arc<Raspi3b>, Unusable> {
        Kernel::boot(&self.config, self.base.card.as_ref())?.board(&self.base, |options| self.board.with(options))
    }
}

/// What is named on the command line.
struct Given {
    dtb: Option<Vec<u8>>,
    dtb_label: String,
    initrd: Option<Vec<u8>>,
}

impl Given {
    fn read(config: &Config) -> Result<Self, Unusable> {
        let optional = |what, path: &Option<_>| path.as_deref().map(|path| files::read(what, path)).transpose();
        let dtb_label = config.dtb.as_ref().map_or_else(String::new, |path| format!("--dtb {}", path.display()));
        Ok(Self { dtb: optional("--dtb", &config.dtb)?, dtb_label, initrd: optional("--initrd", &config.initrd)? })
    }
}

/// The SD card, if there is to be one.
///
/// # Errors
/// If it cannot be used.
pub fn open_card(config: &Config) -> Result<Option<Arc<CardImage>>, Unusable> {
    if let Some(path) = &config.boot.sd_dir {
        let unusable = |error: FirmwareError| Unusable::new(format_args!("--sd-dir {}: {error}", path.display()));
        return image::card_of(path).map(Some).map_err(unusable);
    }
    let Some(path) = &config.sd else { return Ok(None) };
    let card = CardImage::open(path, config.sd_writable).map_err(|error| match error {
        CardImageError::Io(error) if config.sd_writable && error.kind() != io::ErrorKind::NotFound => {
            files::cannot_write("--sd", path, &error)
        }
        error => Unusable::new(format_args!("--sd {}: {error}", path.display())),
    })?;
    let (file, bytes) = (card.file_bytes(), card.bytes());
    tracing::info!(target: "sd", "{}: {file} bytes, on a card of {bytes}", path.display());
    if !file.is_multiple_of(CARD_BLOCK) {
        let file_name = path.display();
        say(format_args!(
            "--sd {file_name}: {file} bytes are not whole blocks of {CARD_BLOCK}: the card has {bytes}, zeroes after the image's end"
        ));
    }
    Ok(Some(Arc::new(card)))
}
