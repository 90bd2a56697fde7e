//! The FAT partition of an SD card.
//!
//! # Resources
//! - Microsoft, FAT: General Overview of On-Disk Format 1.03 (the BIOS parameter block).
//! - The partition table of a master boot record: four entries of 16 bytes at 446.
//!
//! A card may be damaged in any way. The file system's numbers are checked before the `fatfs` crate does sums with them, and what it reads is counted: chains
//! of clusters that go round in circles come to an end.

use crate::{Files, FirmwareError, MOST_BYTES};
use fatfs::{FileSystem, FsOptions};
use std::cell::Cell;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::rc::Rc;
use std::sync::Arc;
use tayberry_bcm2837::sd::CardImage;

/// Bytes of a sector of the partition table.
const SECTOR: u64 = 512;
/// The partition table.
const TABLE: u64 = 446;
const ENTRY: u64 = 16;
const SIGNATURE: (u64, u16) = (510, 0xaa55);
/// Types of partitions with FAT12, FAT16 and FAT32.
const FAT_TYPES: [u8; 6] = [0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e];
/// The type of the one entry that protects a GUID partition table.
const GPT: u8 = 0xee;
/// What may be read of folders and allocation tables for one file, beside the file itself.
const MOST_OVERHEAD: u64 = 64 << 20;
/// FAT32 has at least so many clusters by Microsoft's rule, to which the crate keeps and formatters that are told "FAT32" do not.
const LEAST_CLUSTERS_32: u64 = 65_525;

/// Where a file system lies on the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    /// Number of the partition; 0 for the whole card.
    number: u32,
    start: u64,
    bytes: u64,
}

/// A FAT file system's numbers.
struct Parameters {
    sectors_per_cluster: u64,
    sectors: u64,
    /// Sectors before the clusters.
    first_data: u64,
    is_32: bool,
}

impl Parameters {
    /// Reads them from the boot sector at `start`; `None` if there is no FAT file system that makes sense.
    fn read(card: &CardImage, start: u64) -> Option<Self> {
        let byte = |at: u64| u64::from(card.byte(start + at));
        let half = |at: u64| byte(at) | byte(at + 1) << 8;
        let word = |at: u64| half(at) | half(at + 2) << 16;
        let (sector, sectors_per_cluster, reserved, tables, entries) = (half(11), byte(13), half(14), byte(16), half(17));
        let is_32 = half(22) == 0;
        let per_table = if is_32 { word(36) } else { half(22) };
        let sectors = if half(19) == 0 { word(32) } else { half(19) };
        let sane = [0xeb, 0xe9].contains(&byte(0))
            && half(SIGNATURE.0) == SIGNATURE.1.into()
            && [512, 1024, 2048, 4096].contains(&sector)
            && sectors_per_cluster.is_power_of_two()
            && reserved > 0
            && (1..=4).contains(&tables)
            && per_table > 0
            && is_32 == (entries == 0);
        let first_data = reserved + tables * per_table + (entries * 32).div_ceil(sector.max(1));
        (sane && first_data < sectors).then_some(Self { sectors_per_cluster, sectors, first_data, is_32 })
    }

    /// A number of sectors with which a FAT32 of few clusters passes for one.
    fn enough_sectors(&self) -> Option<u32> {
        let least = self.first_data + LEAST_CLUSTERS_32 * self.sectors_per_cluster;
        (self.is_32 && self.sectors < least).then(|| u32::try_from(least).ok()).flatten()
    }
}

/// Finds the file system that the firmware boots from: that of the first FAT partition, or of the whole card.
fn boot_place(card: &CardImage) -> Result<Place, FirmwareError> {
    let half = |at: u64| u16::from(card.byte(at)) | u16::from(card.byte(at + 1)) << 8;
    let word = |at: u64| u64::from(half(at)) | u64::from(half(at + 2)) << 16;
    let whole = Place { number: 0, start: 0, bytes: card.bytes() };
    let has_file_system = Parameters::read(card, 0).is_some();
    if half(SIGNATURE.0) != SIGNATURE.1 {
        return Err(FirmwareError::new("there is no partition table on the card"));
    }
    let entries: Vec<(u8, u8, Place)> = (0..4)
        .map(|index| {
            let at = TABLE + ENTRY * index;
            let (start, bytes) = (word(at + 8) * SECTOR, word(at + 12) * SECTOR);
            let bytes = bytes.min(card.bytes().saturating_sub(start));
            (card.byte(at), card.byte(at + 4), Place { number: index as u32 + 1, start, bytes })
        })
        .collect();
    // Where a boot sector's code stands, there is a table in a master boot record: it has to look like one.
    let is_table = entries.iter().all(|(active, ..)| active & 0x7f == 0);
    let fat = entries.iter().find(|(_, kind, place)| FAT_TYPES.contains(kind) && place.start > 0);
    match fat.filter(|_| is_table) {
        Some((.., place)) if Parameters::read(card, place.start).is_some() => Ok(*place),
        _ if has_file_system => Ok(whole),
        Some((.., place)) if place.start >= card.bytes() => {
            Err(FirmwareError::new(format_args!("partition {} begins after the card's end", place.number)))
        }
        Some((.., place)) => {
            Err(FirmwareError::new(format_args!("partition {} has no FAT file system on it, or a broken one", place.number)))
        }
        None if entries.iter().any(|(_, kind, _)| *kind == GPT) => {
            Err(FirmwareError::new("the card has a GUID partition table; a Raspberry Pi 3 boots from a master boot record only"))
        }
        None => Err(FirmwareError::new("there is no FAT partition on the card")),
    }
}

/// What a file system's driver may see of the card.
struct Window {
    card: Arc<CardImage>,
    place: Place,
    at: u64,
    /// Bytes that may still be read.
    budget: Rc<Cell<u64>>,
    /// Bytes that are read in place of the card's.
    instead: Option<(u64, [u8; 4])>,
}

impl Read for Window {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = (buffer.len() as u64).min(self.place.bytes.saturating_sub(self.at));
        let budget = self.budget.get().checked_sub(len).ok_or_else(|| io::Error::other("its clusters go round in circles"))?;
        self.budget.set(budget);
        let buffer = &mut buffer[..len as usize];
        copy_out(&self.card, self.place.start + self.at, buffer);
        if let Some((at, bytes)) = self.instead {
            for (own, byte) in (at..).zip(bytes) {
                if let Some(place) = own.checked_sub(self.at).and_then(|index| buffer.get_mut(index as usize)) {
                    *place = byte;
                }
            }
        }
        self.at += len;
        Ok(buffer.len())
    }
}

impl Write for Window {
    fn write(&mut self, _: &[u8]) -> io::Result<usize> {
        Err(ErrorKind::PermissionDenied.into())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Window {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.at = seek(position, self.at, self.place.bytes)?;
        Ok(self.at)
    }
}

/// The position that is asked for, from position `at` of `len` bytes.
pub(crate) fn seek(position: SeekFrom, at: u64, len: u64) -> io::Result<u64> {
    match position {
        SeekFrom::Start(to) => Some(to),
        SeekFrom::Current(by) => at.checked_add_signed(by),
        SeekFrom::End(by) => len.checked_add_signed(by),
    }
    .ok_or_else(|| ErrorKind::InvalidInput.into())
}

/// Reads the card from byte `at` on.
pub(crate) fn copy_out(card: &CardImage, at: u64, buffer: &mut [u8]) {
    let (mut at, mut rest) = (at, buffer);
    while !rest.is_empty() {
        let skip = (at % 4) as usize;
        let word = &card.word(at - skip as u64).to_le_bytes()[skip..];
        let len = word.len().min(rest.len());
        let (now, later) = rest.split_at_mut(len);
        now.copy_from_slice(&word[..len]);
        (at, rest) = (at + len as u64, later);
    }
}

/// The files of a card's boot partition.
pub struct CardFiles {
    place: Place,
    budget: Rc<Cell<u64>>,
    system: FileSystem<Window>,
}

impl CardFiles {
    /// Finds the boot partition of `card`.
    ///
    /// # Errors
    /// If there is none, or its file system is broken.
    pub fn open(card: &Arc<CardImage>) -> Result<Self, FirmwareError> {
        let place = boot_place(card)?;
        let instead = Parameters::read(card, place.start).and_then(|parameters| parameters.enough_sectors());
        let budget = Rc::new(Cell::new(MOST_OVERHEAD));
        let window = Window {
            card: Arc::clone(card),
            place,
            at: 0,
            budget: Rc::clone(&budget),
            instead: instead.map(|sectors| (32, sectors.to_le_bytes())),
        };
        let what = if place.number == 0 { "the card's".into() } else { format!("partition {}'s", place.number) };
        let system = FileSystem::new(window, FsOptions::new())
            .map_err(|error| FirmwareError::new(format_args!("{what} FAT file system is broken: {error}")))?;
        Ok(Self { place, budget, system })
    }

    fn find(&self, path: &str) -> Result<Option<fatfs::File<'_, Window>>, FirmwareError> {
        self.budget.set(MOST_OVERHEAD);
        match self.system.root_dir().open_file(path.trim_start_matches('/')) {
            Ok(file) => Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(FirmwareError::file(path, error)),
        }
    }
}

impl Files for CardFiles {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FirmwareError> {
        let Some(mut file) = self.find(path)? else { return Ok(None) };
        let broken = |error: io::Error| FirmwareError::file(path, error);
        let len = file.seek(SeekFrom::End(0)).map_err(broken)?;
        if len > MOST_BYTES.min(self.place.bytes) {
            return Err(FirmwareError::file(path, "the file is larger than the card or the machine's memory"));
        }
        file.seek(SeekFrom::Start(0)).map_err(broken)?;
        self.budget.set(MOST_OVERHEAD + 2 * len);
        let mut bytes = Vec::with_capacity(len as usize);
        file.take(len).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 != len {
            return Err(FirmwareError::file(path, "the file ends before its size: the file system is broken"));
        }
        Ok(Some(bytes))
    }

    fn has(&self, path: &str) -> Result<bool, FirmwareError> {
        self.find(path).map(|file| file.is_some())
    }

    fn partition(&self) -> u32 {
        self.place.number
    }
}
