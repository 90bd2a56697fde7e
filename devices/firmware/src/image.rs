//! An SD card made of a folder: a partition table and one FAT32 file system, in memory.
//!
//! The same folder gives the same bytes: names are taken in order, times are 1980's, numbers are fixed.

use crate::FirmwareError;
use crate::card::{copy_out, seek};
use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tayberry_bcm2837::sd::CardImage;
use tayberry_bcm2837::sd::image::Block;

const BLOCK: u64 = 512;
/// Where the partition begins: at 1 MiB, as partitioning programs have it.
const START: u64 = 1 << 20;
/// Room for what the guest writes.
const SPARE: u64 = 64 << 20;
/// Sizes are multiples of this.
const STEP: u64 = 16 << 20;
/// Largest card: what fits into memory where all of it is written.
const MOST: u64 = 64 << 30;
/// FAT32 has at least so many clusters, and here somewhat more.
const LEAST_CLUSTERS: u64 = 66_000;
const MOST_CLUSTER: u64 = 32 << 10;
/// Folders within folders; a link that leads back up ends here.
const MOST_DEPTH: usize = 32;
/// Type of the partition: FAT32, addressed by blocks.
const FAT32: u8 = 0x0c;
const DISK_ID: u32 = 0x5441_5942;
const VOLUME_ID: u32 = 0x5441_5943;

/// What is to be on the card, by name in the folder.
enum Entry {
    File(PathBuf, u64),
    Folder(BTreeMap<String, Entry>),
}

/// Makes a card of the folder at `path`.
///
/// # Errors
/// If something in it cannot be read, or cannot be on a FAT file system.
pub fn card_of(path: &Path) -> Result<Arc<CardImage>, FirmwareError> {
    if !path.metadata().map_err(FirmwareError::new)?.is_dir() {
        return Err(FirmwareError::new("it is no directory"));
    }
    let tree = collect(path, "", 0)?;
    let needed = START + SPARE + room(&tree);
    if needed > MOST {
        return Err(FirmwareError::new(format_args!("it has {} MiB, more than a card in memory can have", needed >> 20)));
    }
    let card = CardImage::blank(needed.next_multiple_of(STEP)).map_err(FirmwareError::new)?;
    let card = Arc::new(card);
    write_table(&card);
    let len = card.bytes() - START;
    let clusters = |cluster: u64| len / cluster;
    let cluster = (9..).map(|shift| 1u64 << shift).take_while(|&cluster| cluster <= MOST_CLUSTER && clusters(cluster) >= LEAST_CLUSTERS);
    let cluster = cluster.last().unwrap_or(BLOCK);
    let options = FormatVolumeOptions::new()
        .fat_type(FatType::Fat32)
        .bytes_per_cluster(cluster as u32)
        .total_sectors(u32::try_from(len / BLOCK).unwrap_or(u32::MAX))
        .volume_id(VOLUME_ID)
        .volume_label(*b"BOOT       ");
    let mut disk = Disk { card: Arc::clone(&card), start: START, len, at: 0 };
    fatfs::format_volume(&mut disk, options).map_err(FirmwareError::new)?;
    disk.at = 0;
    let system = FileSystem::new(disk, FsOptions::new()).map_err(FirmwareError::new)?;
    fill(&system.root_dir(), &tree, "")?;
    system.unmount().map_err(FirmwareError::new)?;
    Ok(card)
}

/// Looks through a folder; `inside` is its name from the top.
fn collect(folder: &Path, inside: &str, depth: usize) -> Result<BTreeMap<String, Entry>, FirmwareError> {
    let here = |name: &str| if inside.is_empty() { name.to_owned() } else { format!("{inside}/{name}") };
    if depth > MOST_DEPTH {
        return Err(FirmwareError::file(inside, "folders are too deep, or a link leads back up"));
    }
    let failed = |error: io::Error| FirmwareError::file(if inside.is_empty() { "." } else { inside }, error);
    let (mut entries, mut upper) = (BTreeMap::new(), BTreeMap::new());
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let name = entry
            .file_name()
            .into_string()
            .map_err(|name| FirmwareError::file(&here(&name.to_string_lossy()), "the name is not Unicode"))?;
        if let Some(other) = upper.insert(name.to_uppercase(), name.clone()) {
            let (one, two) = (name.clone().min(other.clone()), name.max(other));
            return Err(FirmwareError::file(&here(&one), format_args!("on a FAT file system {two} has the same name")));
        }
        let path = entry.path();
        let metadata = path.metadata().map_err(|error| FirmwareError::file(&here(&name), error))?;
        let found = if metadata.is_dir() {
            Entry::Folder(collect(&path, &here(&name), depth + 1)?)
        } else if !metadata.is_file() {
            return Err(FirmwareError::file(&here(&name), "it is neither a file nor a directory"));
        } else if metadata.len() > u32::MAX.into() {
            return Err(FirmwareError::file(&here(&name), "it has more than the 4 GiB that a file on a FAT file system can have"));
        } else {
            Entry::File(path, metadata.len())
        };
        entries.insert(name, found);
    }
    Ok(entries)
}

/// Bytes that entries take, at most: whole clusters, names, and their part of the tables.
fn room(entries: &BTreeMap<String, Entry>) -> u64 {
    let one = |entry: &Entry| match entry {
        Entry::File(_, len) => len.next_multiple_of(MOST_CLUSTER) + len / 32,
        Entry::Folder(entries) => room(entries),
    };
    entries.values().map(one).sum::<u64>() + (entries.len() as u64 * 1024).next_multiple_of(MOST_CLUSTER)
}

fn fill(folder: &fatfs::Dir<'_, Disk>, entries: &BTreeMap<String, Entry>, inside: &str) -> Result<(), FirmwareError> {
    for (name, entry) in entries {
        let here = if inside.is_empty() { name.clone() } else { format!("{inside}/{name}") };
        let failed = |error: io::Error| FirmwareError::file(&here, error);
        match entry {
            Entry::Folder(entries) => fill(&folder.create_dir(name).map_err(failed)?, entries, &here)?,
            Entry::File(path, len) => {
                let from = File::open(path).map_err(failed)?;
                let mut to = BufWriter::with_capacity(1 << 16, folder.create_file(name).map_err(failed)?);
                // As long as it was: there is room for no more.
                io::copy(&mut from.take(*len), &mut to).map_err(failed)?;
                to.flush().map_err(failed)?;
            }
        }
    }
    Ok(())
}

/// A partition table with one partition.
fn write_table(card: &CardImage) {
    let mut record = [0; BLOCK as usize];
    record[440..444].copy_from_slice(&DISK_ID.to_le_bytes());
    // Cylinders, heads and sectors do not reach: that is what they say.
    record[446..462].copy_from_slice(&[0x80, 0xfe, 0xff, 0xff, FAT32, 0xfe, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
    record[454..458].copy_from_slice(&((START / BLOCK) as u32).to_le_bytes());
    record[458..462].copy_from_slice(&(((card.bytes() - START) / BLOCK) as u32).to_le_bytes());
    record[510..].copy_from_slice(&[0x55, 0xaa]);
    write_block(card, 0, &record);
}

fn write_block(card: &CardImage, at: u64, bytes: &[u8; BLOCK as usize]) {
    let (words, _) = bytes.as_chunks::<4>();
    let mut block: Block = [0; BLOCK as usize / 4];
    block.iter_mut().zip(words).for_each(|(to, from)| *to = u32::from_le_bytes(*from));
    card.write_block(at, &block);
}

/// A part of the card, as a disk.
struct Disk {
    card: Arc<CardImage>,
    start: u64,
    len: u64,
    at: u64,
}

impl Read for Disk {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = (buffer.len() as u64).min(self.len.saturating_sub(self.at)) as usize;
        copy_out(&self.card, self.start + self.at, &mut buffer[..len]);
        self.at += len as u64;
        Ok(len)
    }
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.at >= self.len {
            return if bytes.is_empty() { Ok(0) } else { Err(ErrorKind::WriteZero.into()) };
        }
        // One block, or a part of it.
        let (block, skip) = (self.start + self.at - self.at % BLOCK, (self.at % BLOCK) as usize);
        let len = bytes.len().min(BLOCK as usize - skip);
        let mut content = [0; BLOCK as usize];
        if len < content.len() {
            copy_out(&self.card, block, &mut content);
        }
        content[skip..skip + len].copy_from_slice(&bytes[..len]);
        write_block(&self.card, block, &content);
        self.at += len as u64;
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for Disk {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.at = seek(position, self.at, self.len)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CardFiles, Files};

    fn folder(files: &[(&str, &[u8])]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, bytes) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
            fs::write(path, bytes).expect("a file");
        }
        folder
    }

    fn bytes(card: &CardImage) -> Vec<u8> {
        let mut bytes = vec![0; card.bytes() as usize];
        copy_out(card, 0, &mut bytes);
        bytes
    }

    #[test]
    fn a_folder_becomes_the_same_card_every_time_with_all_its_files() {
        let large: Vec<u8> = (0..3_000_001u32).map(|at| (at / 7) as u8).collect();
        let files: [(&str, &[u8]); 5] = [
            ("kernel8.img", &large),
            ("config.txt", b"arm_64bit=1"),
            ("a folder/with/Some Very Long Name, Indeed.text", b"long"),
            ("empty", b""),
            ("overlays/README", b"read me"),
        ];
        let (one, two) = (
            folder(&files),
            folder(&{
                let mut files = files;
                files.reverse();
                files
            }),
        );
        let (one, two) = (card_of(one.path()).expect("a card"), card_of(two.path()).expect("a card"));
        assert!(bytes(&one) == bytes(&two), "the same bytes");
        let card = CardFiles::open(&one).expect("a boot partition");
        assert_eq!(card.partition(), 1);
        for (name, content) in files {
            assert!(card.read(&name.to_uppercase()).expect("readable").as_deref() == Some(content), "{name}");
        }
        assert!(one.bytes() >= 64 << 20 && one.bytes() < 128 << 20);
    }

    #[test]
    fn what_cannot_be_on_a_card_is_refused_by_name() {
        let error = |files: &[(&str, &[u8])]| card_of(folder(files).path()).expect_err("no card").to_string();
        assert_eq!(error(&[("a/Name", b""), ("a/NAME", b"")]), "a/NAME: on a FAT file system Name has the same name");
        assert!(error(&[("b/what?", b"")]).starts_with("b/what?: "));
        let file = folder(&[("file", b"")]);
        assert_eq!(card_of(&file.path().join("file")).expect_err("no folder").to_string(), "it is no directory");
        assert!(card_of(&file.path().join("nothing")).is_err());
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_back_up_end() {
        let folder = folder(&[("file", b"x")]);
        std::os::unix::fs::symlink(folder.path(), folder.path().join("loop")).expect("a link");
        assert!(card_of(folder.path()).expect_err("endless").to_string().contains("a link leads back up"));
    }
}
