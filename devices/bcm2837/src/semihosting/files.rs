//! Handles, and the directory that a guest's files are in.

use cap_std::ambient_authority;
use cap_std::fs::{Dir, File, OpenOptions};
use serde::{Deserialize, Serialize};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::Path;
use tayberry_engine::Archive;

/// Handles that a guest may have open at a time.
const MOST_HANDLES: usize = 256;
/// SYS_OPEN's name of the console.
const CONSOLE: &[u8] = b":tt";
/// SYS_OPEN's name of the list of extensions.
const FEATURES: &[u8] = b":semihosting-features";
/// The list: its magic number, then SH_EXT_EXIT_EXTENDED and SH_EXT_STDOUT_STDERR.
const FEATURE_BITS: [u8; 5] = [b'S', b'H', b'F', b'B', 0b11];

/// Error numbers, as Linux has them.
pub(super) mod errno {
    pub const NOENT: u32 = 2;
    pub const IO: u32 = 5;
    pub const BADF: u32 = 9;
    pub const ACCES: u32 = 13;
    pub const FAULT: u32 = 14;
    pub const EXIST: u32 = 17;
    pub const INVAL: u32 = 22;
    pub const MFILE: u32 = 24;
    pub const SPIPE: u32 = 29;
    pub const RANGE: u32 = 34;
    pub const NAMETOOLONG: u32 = 36;
    pub const NOSYS: u32 = 38;
}

/// The number of a host's error.
pub(super) fn number(error: &io::Error) -> u32 {
    #[cfg(target_os = "linux")]
    if let Some(number) = error.raw_os_error().and_then(|number| u32::try_from(number).ok()) {
        return number;
    }
    match error.kind() {
        ErrorKind::NotFound => errno::NOENT,
        ErrorKind::PermissionDenied => errno::ACCES,
        ErrorKind::AlreadyExists => errno::EXIST,
        ErrorKind::InvalidInput | ErrorKind::InvalidData => errno::INVAL,
        _ => errno::IO,
    }
}

/// A directory of the host's whose files a guest may use. Nothing outside is reached: not by absolute names, not by `..`, not by symbolic links.
#[derive(Debug)]
pub struct Directory(Dir);

impl Directory {
    /// Opens it.
    ///
    /// # Errors
    /// The host's, if it is no directory that can be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Dir::open_ambient_dir(path, ambient_authority()).map(Self)
    }

    pub(super) fn remove(&self, name: &str) -> io::Result<()> {
        self.0.remove_file(name)
    }

    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.0.rename(from, &self.0, to)
    }

    /// Opens a regular file as fopen does in `mode`, 0 to 11: r, rb, r+, r+b, w, wb, w+, w+b, a, ab, a+, a+b.
    fn file(&self, name: &str, mode: u64) -> io::Result<File> {
        let mut options = OpenOptions::new();
        let update = mode & 2 != 0;
        match mode / 4 {
            0 => options.read(true).write(update),
            1 => options.write(true).read(update).create(true).truncate(true),
            _ => options.append(true).read(update).create(true),
        };
        // A pipe that nobody has at its other end does not hold us up.
        #[cfg(unix)]
        cap_std::fs::OpenOptionsExt::custom_flags(&mut options, rustix::fs::OFlags::NONBLOCK.bits() as i32);
        let file = self.0.open_with(name, &options)?;
        if !file.metadata()?.is_file() {
            return Err(ErrorKind::PermissionDenied.into());
        }
        Ok(file)
    }
}

/// What a handle stands for.
#[derive(Debug)]
pub(super) enum Handle {
    /// Keys; `text`: the end of a line is a line feed.
    Input {
        text: bool,
    },
    /// What is printed.
    Output,
    /// What is printed on the host's standard error.
    Error,
    /// The list of extensions, and how far it was read.
    Features(usize),
    File(File),
}

/// Open handles; the guest's numbers begin with 1.
#[derive(Debug, Default)]
pub(super) struct Files(Vec<Option<Handle>>);

/// What is saved of a handle.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
enum Saved {
    Input { text: bool },
    Output,
    Error,
    Features(usize),
}

impl Files {
    /// Passes the handles. A file of the host's may be another one when the state is loaded, or gone: with one open, nothing is saved.
    pub fn pass(&mut self, archive: &mut Archive<'_>) {
        if self.0.iter().flatten().any(|handle| matches!(handle, Handle::File(_))) && !archive.is_load() {
            return archive.fail("a state cannot be saved while the guest has a file open by semihosting".into());
        }
        let mut saved: Vec<Option<Saved>> = self.0.iter().map(|handle| handle.as_ref().and_then(Handle::saved)).collect();
        archive.value(&mut saved);
        if saved.len() > MOST_HANDLES {
            return archive.refuse();
        }
        self.0 = saved.into_iter().map(|handle| handle.map(Handle::from_saved)).collect();
    }

    /// The handle of a number.
    pub fn get(&mut self, number: u64) -> Result<&mut Handle, u32> {
        let at = usize::try_from(number.wrapping_sub(1)).map_err(|_| errno::BADF)?;
        self.0.get_mut(at).and_then(Option::as_mut).ok_or(errno::BADF)
    }

    pub fn close(&mut self, number: u64) -> Result<(), u32> {
        self.get(number)?;
        self.0[number as usize - 1] = None;
        Ok(())
    }

    /// Opens `name` in a mode of SYS_OPEN, and returns its number.
    pub fn open(&mut self, directory: Option<&Directory>, name: &[u8], mode: u64) -> Result<u64, u32> {
        if mode > 11 {
            return Err(errno::INVAL);
        }
        let free = self.0.iter().position(Option::is_none).unwrap_or(self.0.len());
        if free >= MOST_HANDLES {
            return Err(errno::MFILE);
        }
        let handle = match name {
            CONSOLE => match mode / 4 {
                0 => Handle::Input { text: mode & 1 == 0 },
                1 => Handle::Output,
                _ => Handle::Error,
            },
            FEATURES if mode > 1 => return Err(errno::ACCES),
            FEATURES => Handle::Features(0),
            name => {
                let name = std::str::from_utf8(name).map_err(|_| errno::INVAL)?;
                let directory = directory.ok_or(errno::ACCES)?;
                Handle::File(directory.file(name, mode).map_err(|error| self::number(&error))?)
            }
        };
        if free == self.0.len() {
            self.0.push(None);
        }
        self.0[free] = Some(handle);
        Ok(free as u64 + 1)
    }
}

impl Handle {
    fn saved(&self) -> Option<Saved> {
        match *self {
            Self::Input { text } => Some(Saved::Input { text }),
            Self::Output => Some(Saved::Output),
            Self::Error => Some(Saved::Error),
            Self::Features(at) => Some(Saved::Features(at)),
            Self::File(_) => None,
        }
    }

    fn from_saved(saved: Saved) -> Self {
        match saved {
            Saved::Input { text } => Self::Input { text },
            Saved::Output => Self::Output,
            Saved::Error => Self::Error,
            Saved::Features(at) => Self::Features(at.min(FEATURE_BITS.len())),
        }
    }

    /// Bytes of what is open.
    pub fn len(&self) -> Result<u64, u32> {
        match self {
            Self::File(file) => file.metadata().map(|metadata| metadata.len()).map_err(|error| number(&error)),
            Self::Features(_) => Ok(FEATURE_BITS.len() as u64),
            Self::Input { .. } | Self::Output | Self::Error => Ok(0),
        }
    }

    pub fn seek(&mut self, to: u64) -> Result<(), u32> {
        match self {
            Self::File(file) => file.seek(SeekFrom::Start(to)).map(drop).map_err(|error| number(&error)),
            Self::Features(at) => {
                *at = usize::try_from(to).ok().filter(|&to| to <= FEATURE_BITS.len()).ok_or(errno::INVAL)?;
                Ok(())
            }
            Self::Input { .. } | Self::Output | Self::Error => Err(errno::SPIPE),
        }
    }

    /// Reads what is no console: how many bytes there were.
    pub fn read(&mut self, out: &mut [u8]) -> Result<usize, u32> {
        match self {
            Self::File(file) => loop {
                match file.read(out) {
                    Err(error) if error.kind() == ErrorKind::Interrupted => {}
                    result => return result.map_err(|error| number(&error)),
                }
            },
            Self::Features(at) => {
                let left = &FEATURE_BITS[*at..];
                let len = left.len().min(out.len());
                out[..len].copy_from_slice(&left[..len]);
                *at += len;
                Ok(len)
            }
            Self::Input { .. } | Self::Output | Self::Error => Err(errno::BADF),
        }
    }

    /// Writes all of `data` to what is not the console's output.
    pub fn write(&mut self, data: &[u8]) -> Result<(), u32> {
        match self {
            Self::File(file) => file.write_all(data).map_err(|error| number(&error)),
            // That nobody can hear it is no reason to fail.
            Self::Error => {
                let _ = io::stderr().write_all(data);
                Ok(())
            }
            Self::Input { .. } | Self::Output | Self::Features(_) => Err(errno::BADF),
        }
    }

    pub fn is_console(&self) -> bool {
        matches!(self, Self::Input { .. } | Self::Output | Self::Error)
    }
}
