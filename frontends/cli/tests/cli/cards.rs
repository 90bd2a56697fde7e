//! Card images, made as somebody would who has a card to write.

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use std::io::{Cursor, Write};

const SECTOR: usize = 512;
/// Sectors before the partition.
const START: usize = 2048;

/// A FAT32 file system with these files.
pub fn file_system(files: &[(&str, &[u8])]) -> Vec<u8> {
    let content: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let sectors = (content + (48 << 20)) / SECTOR;
    let mut disk = Cursor::new(vec![0; sectors * SECTOR]);
    fatfs::format_volume(&mut disk, FormatVolumeOptions::new().fat_type(FatType::Fat32).bytes_per_cluster(SECTOR as u32))
        .expect("it can be formatted");
    {
        let system = FileSystem::new(&mut disk, FsOptions::new()).expect("a file system");
        let root = system.root_dir();
        for (path, bytes) in files {
            if let Some((folder, _)) = path.rsplit_once('/') {
                root.create_dir(folder).expect("room");
            }
            root.create_file(path).and_then(|mut file| file.write_all(bytes)).expect("room");
        }
    }
    disk.into_inner()
}

/// A card with a partition table, and these files on its only partition.
pub fn card(files: &[(&str, &[u8])]) -> Vec<u8> {
    let volume = file_system(files);
    let mut bytes = vec![0; START * SECTOR];
    bytes[446 + 4] = 0x0c;
    bytes[446 + 8..446 + 12].copy_from_slice(&(START as u32).to_le_bytes());
    bytes[446 + 12..446 + 16].copy_from_slice(&((volume.len() / SECTOR) as u32).to_le_bytes());
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes.extend(volume);
    bytes
}
