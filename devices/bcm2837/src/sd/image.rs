//! What is on the card: an image file, mapped.
//!
//! The mapping is private, so that writes stay in memory, page by page as they come, or shared with the file, which is then written block by block: a
//! full disk is an error that the card tells, where a store to the mapping would be our end. A card's size is one that its CSD register can say, the image's
//! rounded up; the blocks that this adds live in memory, and a writable image grows by them once the guest writes there.
//!
//! # Orderings
//! Contents are atomics, `Relaxed`: any core's thread may move data inline. Who sees what when is up to the controllers' protocols.

use super::registers;
use memmap2::{MmapOptions, MmapRaw};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, Ordering::Relaxed};
use tayberry_engine::Archive;
use thiserror::Error;
use xxhash_rust::xxh3::Xxh3;

/// Bytes of a region: what was written is kept apart from what was not by regions.
const REGION: u64 = 1 << 16;
/// So much of an image is looked at to know it again: all of its beginning, where the partition table, boot partitions and most file systems' tables are, and
/// a few regions of the rest. Reads all over a large file take seconds where the host has none of it in memory; a machine is not to be held up so long. What was
/// changed behind the beginning may go unnoticed.
const KNOWN_WHOLE: u64 = 128 << 20;
/// Regions of the rest.
const SAMPLES: u64 = 64;

/// Bytes of a block.
pub const BLOCK: u64 = 512;

/// Why a file cannot be a card.
#[derive(Debug, Error)]
pub enum CardImageError {
    /// The host refuses.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Not a file or block device.
    #[error("it is a directory")]
    Directory,
    /// No bytes.
    #[error("the file is empty")]
    Empty,
    /// Less than a block.
    #[error("it has {0} bytes, less than one block of {BLOCK}")]
    Small(u64),
    /// More than the CSD register can say.
    #[error("it has {0} bytes, more than a card can have (2 TiB)")]
    Large(u64),
}

/// A card's contents.
#[derive(Debug)]
pub struct CardImage {
    /// The whole blocks of the file.
    map: MmapRaw,
    /// What comes after them, in words.
    tail: Box<[AtomicU32]>,
    tail_written: AtomicBool,
    /// Bytes of the file.
    file_bytes: u64,
    /// The file, if the guest may write to it.
    file: Option<File>,
    /// The file, if it may not: what the card held at first.
    source: Option<File>,
    /// Regions of a card in memory that were written to, a bit each. Set by whoever writes, before it does (`Relaxed`); read between ticks.
    written: Box<[AtomicU64]>,
    /// [`CardImage::fingerprint`], once it was asked for.
    fingerprint: OnceLock<u64>,
    /// The host's error number of the last write that failed; 0 for none.
    failed: AtomicI32,
}

/// Words of a block.
pub type Block = [u32; BLOCK as usize / 4];

/// A bit for each region of a card.
fn regions(bytes: u64) -> Box<[AtomicU64]> {
    (0..bytes.div_ceil(64 * REGION)).map(|_| AtomicU64::new(0)).collect()
}

impl CardImage {
    /// Maps the image at `path`. What the guest writes stays in memory, or with `writable` goes to the file.
    ///
    /// # Errors
    /// [`CardImageError`].
    pub fn open(path: &Path, writable: bool) -> Result<Self, CardImageError> {
        if path.is_dir() {
            return Err(CardImageError::Directory);
        }
        let mut file = OpenOptions::new().read(true).write(writable).open(path)?;
        // By seeking: the metadata of a block device knows no length.
        let file_bytes = file.seek(SeekFrom::End(0))?;
        match file_bytes {
            0 => return Err(CardImageError::Empty),
            bytes if bytes < BLOCK => return Err(CardImageError::Small(bytes)),
            bytes if bytes > registers::MOST_BYTES => return Err(CardImageError::Large(bytes)),
            _ => {}
        }
        let mapped = file_bytes - file_bytes % BLOCK;
        let mut tail = vec![0; (registers::card_bytes(file_bytes) - mapped) as usize];
        file.seek(SeekFrom::Start(mapped))?;
        file.read_exact(&mut tail[..(file_bytes - mapped) as usize])?;
        let mut options = MmapOptions::new();
        options.len(usize::try_from(mapped).map_err(io::Error::other)?).no_reserve_swap();
        let map: MmapRaw = if writable {
            options.map_raw_read_only(&file)?
        } else {
            // SAFETY: it is accessed by atomics through raw pointers, never as a slice, so another process that writes to the file changes what the card
            // holds, and nothing else.
            unsafe { options.map_copy(&file)? }.into()
        };
        let (words, _) = tail.as_chunks::<4>();
        Ok(Self {
            map,
            tail: words.iter().map(|word| AtomicU32::new(u32::from_le_bytes(*word))).collect(),
            tail_written: AtomicBool::new(false),
            file_bytes,
            written: regions(registers::card_bytes(file_bytes)),
            fingerprint: OnceLock::new(),
            source: if writable { None } else { Some(file.try_clone()?) },
            file: writable.then_some(file),
            failed: AtomicI32::new(0),
        })
    }

    /// A card of zeroes in memory, of at least `bytes`.
    ///
    /// # Errors
    /// What the host says when it has no address space left.
    pub fn blank(bytes: u64) -> io::Result<Self> {
        let file_bytes = registers::card_bytes(bytes);
        let len = usize::try_from(file_bytes).map_err(io::Error::other)?;
        let map = MmapOptions::new().len(len).no_reserve_swap().map_anon()?;
        Ok(Self {
            map: map.into(),
            tail: Box::default(),
            tail_written: AtomicBool::new(false),
            file_bytes,
            written: regions(file_bytes),
            fingerprint: OnceLock::new(),
            source: None,
            file: None,
            failed: AtomicI32::new(0),
        })
    }

    /// Bytes of the card, a multiple of [`BLOCK`].
    pub fn bytes(&self) -> u64 {
        self.mapped() + self.tail.len() as u64 * 4
    }

    /// Bytes of the image file.
    pub fn file_bytes(&self) -> u64 {
        self.file_bytes
    }

    fn mapped(&self) -> u64 {
        self.map.len() as u64
    }

    /// The word at `at`, a multiple of 4, and whether it lies behind the mapping.
    fn cell(&self, at: u64) -> Option<(&AtomicU32, bool)> {
        let mapped = self.mapped();
        if at >= mapped {
            return self.tail.get(((at - mapped) / 4) as usize).map(|cell| (cell, true));
        }
        // SAFETY: in bounds, as the mapping's length is a multiple of 4, and aligned, as it begins at a page; alive as long as `self`; only ever accessed by
        // atomics, and any bits are a u32. A mapping that is read-only, which is one with a file, is only loaded from.
        Some((unsafe { &*self.map.as_mut_ptr().add((at & !3) as usize).cast::<AtomicU32>() }, false))
    }

    /// The little-endian word at byte `at`, which is a multiple of 4; zero beyond the end.
    pub fn word(&self, at: u64) -> u32 {
        self.cell(at).map_or(0, |(cell, _)| u32::from_le(cell.load(Relaxed)))
    }

    /// Writes the block at byte `at`, which is a multiple of [`BLOCK`]; nothing beyond the end. An error is kept for [`CardImage::has_failed`].
    pub fn write_block(&self, at: u64, block: &Block) {
        if at < self.mapped()
            && let Some(file) = &self.file
        {
            let bytes: Vec<u8> = block.iter().flat_map(|word| word.to_le_bytes()).collect();
            if let Err(error) = write_at(file, at, &bytes)
                && self.failed.swap(error.raw_os_error().unwrap_or(-1), Relaxed) == 0
            {
                tracing::warn!(target: "sd", "the image cannot be written: {error}");
            }
            return;
        }
        self.mark(at);
        for (at, &word) in (at..).step_by(4).zip(block) {
            let Some((cell, tail)) = self.cell(at) else { return };
            cell.store(word.to_le(), Relaxed);
            if tail {
                self.tail_written.store(true, Relaxed);
            }
        }
    }

    fn mark(&self, at: u64) {
        let region = at / REGION;
        if let Some(word) = self.written.get((region / 64) as usize) {
            word.fetch_or(1 << (region % 64), Relaxed);
        }
    }

    /// Numbers of the regions that were written to.
    fn written(&self) -> impl Iterator<Item = u64> {
        let set = |(at, word): (u64, &AtomicU64)| {
            let word = word.load(Relaxed);
            (0..64).filter(move |bit| word >> bit & 1 != 0).map(move |bit| 64 * at + bit)
        };
        (0..).zip(&self.written).flat_map(set)
    }

    /// The bytes of a region.
    fn region(&self, number: u64) -> Vec<u8> {
        let start = number * REGION;
        (start..(start + REGION).min(self.bytes())).step_by(4).flat_map(|at| self.word(at).to_le_bytes()).collect()
    }

    /// What a region held at first.
    fn region_at_first(&self, number: u64) -> io::Result<Vec<u8>> {
        let start = number * REGION;
        let mut bytes = vec![0; REGION.min(self.bytes().saturating_sub(start)) as usize];
        if let Some(mut file) = self.source.as_ref().filter(|_| start < self.file_bytes) {
            file.seek(SeekFrom::Start(start))?;
            let there = (self.file_bytes - start).min(bytes.len() as u64);
            file.read_exact(&mut bytes[..there as usize])?;
        }
        Ok(bytes)
    }

    fn set_region(&self, number: u64, bytes: &[u8]) {
        for (at, block) in (number * REGION..).step_by(BLOCK as usize).zip(bytes.as_chunks::<{ BLOCK as usize }>().0) {
            let (words, _) = block.as_chunks::<4>();
            self.write_block(at, &std::array::from_fn(|word| u32::from_le_bytes(words[word])));
        }
    }

    /// What tells a card from others of its size, of what it held when it was first asked for: the whole of a card in memory, or the beginning and regions of a
    /// large image's rest.
    ///
    /// # Errors
    /// If the image cannot be read.
    pub fn fingerprint(&self) -> io::Result<u64> {
        if let Some(&known) = self.fingerprint.get() {
            return Ok(known);
        }
        let mut hash = Xxh3::new();
        let Some(mut file) = self.source.as_ref().or(self.file.as_ref()) else {
            (0..self.bytes().div_ceil(REGION)).for_each(|number| hash.update(&self.region(number)));
            return Ok(*self.fingerprint.get_or_init(|| hash.digest()));
        };
        let whole = self.file_bytes.min(KNOWN_WHOLE);
        let mut piece = vec![0; REGION as usize];
        let mut take = |at: u64, bytes: u64| {
            let piece = &mut piece[..bytes as usize];
            file.seek(SeekFrom::Start(at))?;
            file.read_exact(piece)?;
            hash.update(piece);
            io::Result::Ok(())
        };
        for at in (0..whole).step_by(REGION as usize) {
            take(at, REGION.min(whole - at))?;
        }
        let apart = ((self.file_bytes - whole) / SAMPLES).max(REGION);
        for at in (whole..self.file_bytes).step_by(apart as usize) {
            take(at, REGION.min(self.file_bytes - at))?;
        }
        Ok(*self.fingerprint.get_or_init(|| hash.digest()))
    }

    /// Sees to it that a state comes to the card that it was saved with. All that a card in memory holds is in the state.
    fn pass_fingerprint(&self, archive: &mut Archive<'_>) {
        let own = match self.source.as_ref().map_or(Ok(0), |_| self.fingerprint()) {
            Ok(own) => own,
            Err(error) => return archive.fail(format!("the SD card's image cannot be read: {error}")),
        };
        let mut saved = own;
        archive.value(&mut saved);
        if archive.is_good() && saved != own {
            archive.fail(
                "the state is of a machine with another SD card: one of the same size that holds something else, or this one's image was changed since".into(),
            );
        }
    }

    /// Passes what was written; on loading, everything else becomes as it was at first. A card that is written to its file cannot come back, so it is not saved.
    pub fn pass(&self, archive: &mut Archive<'_>) {
        if self.file.is_some() {
            return archive.fail("a state cannot be saved with a card whose image is written (--sd-writable)".into());
        }
        archive.same("bytes on its SD card", self.bytes());
        self.pass_fingerprint(archive);
        let mut regions: Vec<(u64, Vec<u8>)> = Vec::new();
        if !archive.is_load() {
            regions = self.written().map(|number| (number, self.region(number))).collect();
        }
        archive.value(&mut regions);
        if !archive.is_load() || !archive.is_good() {
            return;
        }
        let is_whole = |&(number, ref bytes): &(u64, Vec<u8>)| {
            let start = number.checked_mul(REGION).filter(|&start| start < self.bytes());
            start.is_some_and(|start| bytes.len() as u64 == REGION.min(self.bytes() - start))
        };
        if !regions.iter().all(is_whole) {
            return archive.refuse();
        }
        for number in self.written() {
            match self.region_at_first(number) {
                Ok(bytes) => self.set_region(number, &bytes),
                Err(error) => return archive.fail(format!("the SD card's image cannot be read: {error}")),
            }
        }
        self.written.iter().for_each(|word| word.store(0, Relaxed));
        regions.iter().for_each(|(number, bytes)| self.set_region(*number, bytes));
    }

    /// True if writing to the file has failed.
    pub fn has_failed(&self) -> bool {
        self.failed.load(Relaxed) != 0
    }

    /// The byte at `at`; zero beyond the end.
    pub fn byte(&self, at: u64) -> u8 {
        self.word(at & !3).to_le_bytes()[(at % 4) as usize]
    }

    /// Makes whole blocks zero. What is zero is only read, so that it takes no memory.
    pub fn clear(&self, range: std::ops::Range<u64>) {
        for at in range.step_by(BLOCK as usize) {
            if (at..at + BLOCK).step_by(4).any(|at| self.word(at) != 0) {
                self.write_block(at, &[0; BLOCK as usize / 4]);
            }
        }
    }

    /// Sees to it that what was written is in the file, if it is to be there.
    ///
    /// # Errors
    /// What the host says.
    pub fn flush(&self) -> io::Result<()> {
        let Some(mut file) = self.file.as_ref() else { return Ok(()) };
        if self.tail_written.swap(false, Relaxed) {
            let tail: Vec<u8> = self.tail.iter().flat_map(|word| u32::from_le(word.load(Relaxed)).to_le_bytes()).collect();
            file.seek(SeekFrom::Start(self.mapped()))?;
            file.write_all(&tail)?;
        }
        file.sync_data()?;
        match self.failed.load(Relaxed) {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(number)),
        }
    }
}

/// Writes at a place of a file that other threads may write to, too.
#[cfg(unix)]
fn write_at(file: &File, at: u64, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, at)
}

/// Writes at a place of a file that other threads may write to, too.
#[cfg(windows)]
fn write_at(file: &File, mut at: u64, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let written = std::os::windows::fs::FileExt::seek_write(file, bytes, at)?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        at += written as u64;
        bytes = &bytes[written..];
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(bytes).expect("room");
        file
    }

    fn open(file: &tempfile::NamedTempFile, writable: bool) -> CardImage {
        CardImage::open(file.path(), writable).expect("an image")
    }

    fn on_disk(file: &tempfile::NamedTempFile) -> Vec<u8> {
        std::fs::read(file.path()).expect("the file")
    }

    #[test]
    fn writes_stay_in_memory_or_reach_the_file() {
        let content: Vec<u8> = (0..4096u32).map(|byte| byte as u8).collect();
        for writable in [false, true] {
            let file = file(&content);
            let image = open(&file, writable);
            assert_eq!((image.bytes(), image.file_bytes(), image.word(4)), (4096, 4096, 0x0706_0504));
            image.write_block(512, &[0x1234_5678; 128]);
            assert_eq!((image.word(508), image.word(512), image.byte(513)), (0xfffe_fdfc, 0x1234_5678, 0x56));
            image.flush().expect("room");
            let mut expected = content.clone();
            if writable {
                expected[512..1024].copy_from_slice(&[0x78, 0x56, 0x34, 0x12].repeat(128));
            }
            assert!(on_disk(&file) == expected);
        }
    }

    #[test]
    fn odd_sizes_become_cards_and_the_file_grows_only_when_it_must() {
        for size in [512usize, 513, 1000, 2048, 2049, 1_000_003] {
            let file = file(&vec![0xa5; size]);
            let image = open(&file, true);
            let bytes = image.bytes();
            assert!(bytes >= size as u64 && bytes.is_multiple_of(BLOCK) && bytes < size as u64 + 0x8000, "{size}: {bytes}");
            assert_eq!((image.byte(size as u64 - 1), image.byte(bytes - 1) == 0), (0xa5, bytes > size as u64));
            if size > 1024 {
                image.write_block(512, &[0xa5a5_a5a5; 128]);
            }
            image.flush().expect("room");
            assert_eq!(on_disk(&file).len(), size);
            image.write_block(bytes - 512, &[0x0403_0201; 128]);
            image.write_block(bytes, &[u32::MAX; 128]);
            assert_eq!(image.word(bytes), 0);
            image.flush().expect("room");
            let disk = on_disk(&file);
            assert_eq!((disk.len() as u64, &disk[disk.len() - 4..]), (bytes, &[1, 2, 3, 4][..]));
            assert!(disk[..size.min(disk.len() - 512)].iter().all(|&byte| byte == 0xa5));
        }
    }

    #[test]
    fn a_huge_sparse_image_takes_no_memory() {
        let file = file(b"");
        file.as_file().set_len(1 << 40).expect("a hole");
        let image = open(&file, false);
        image.write_block((1 << 40) - 512, &[7; 128]);
        image.clear(0..1 << 20);
        assert_eq!((image.bytes(), image.word((1 << 40) - 4), image.word(1 << 39)), (1 << 40, 7, 0));
    }

    #[test]
    fn images_are_known_again_by_their_beginning_and_regions_of_the_rest() {
        let size = KNOWN_WHOLE + 3 * SAMPLES * REGION + 700;
        let fingerprint = |change: Option<u64>| {
            let file = file(b"");
            file.as_file().set_len(size).expect("a hole");
            if let Some(at) = change {
                write_at(file.as_file(), at, &[1]).expect("room");
            }
            let image = open(&file, false);
            let known = image.fingerprint().expect("it can be read");
            // Writes by the guest do not make it another card.
            image.write_block(512, &[7; 128]);
            assert_eq!(image.fingerprint().expect("it is known"), known);
            known
        };
        let same = fingerprint(None);
        assert_eq!(fingerprint(None), same);
        for at in [0, 513, KNOWN_WHOLE - 1, KNOWN_WHOLE, KNOWN_WHOLE + 3 * REGION + 500] {
            assert_ne!(fingerprint(Some(at)), same, "{at:#x}");
        }
    }

    #[test]
    fn what_is_no_image_is_refused() {
        let error = |file: &tempfile::NamedTempFile| CardImage::open(file.path(), false).expect_err("no image").to_string();
        assert!(error(&file(b"")).contains("empty"));
        assert!(error(&file(&[1; 511])).contains("511 bytes"));
        let large = file(b"");
        large.as_file().set_len((2 << 40) + 1).expect("a hole");
        assert!(error(&large).contains("2 TiB"));
        assert!(matches!(CardImage::open(&std::env::temp_dir(), false), Err(CardImageError::Directory)));
        assert!(matches!(CardImage::open(Path::new("/nowhere/card"), false), Err(CardImageError::Io(_))));
    }
}
