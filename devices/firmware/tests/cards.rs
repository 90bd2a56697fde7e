//! Cards of all kinds, whole and damaged: what is booted from them, and that nothing on them makes it panic or hang.

use fatfs::{FatType, FileSystem, FormatVolumeOptions, FsOptions};
use proptest::prelude::*;
use std::io::{Cursor, Write};
use std::sync::{Arc, OnceLock};
use tayberry_bcm2837::sd::CardImage;
use tayberry_firmware::{Boot, CardFiles, Files, Identity};

const KERNEL: &[u8] = &[0x5a; 10_000];
const CONFIG: &[u8] = b"arm_64bit=1\nkernel=boot/My Own Kernel.img\ninclude extra.txt\n";

/// A file system of `kind` on `sectors`.
fn volume(kind: FatType, sectors: u32) -> Vec<u8> {
    let mut disk = Cursor::new(vec![0; sectors as usize * 512]);
    let options = FormatVolumeOptions::new().fat_type(kind).bytes_per_cluster(512).total_sectors(sectors);
    fatfs::format_volume(&mut disk, options).expect("it can be formatted");
    {
        let system = FileSystem::new(&mut disk, FsOptions::new()).expect("a file system");
        let root = system.root_dir();
        let boot = root.create_dir("boot").expect("room");
        for (folder, name, bytes) in
            [(&root, "config.txt", CONFIG), (&root, "extra.txt", b"gpu_mem=64\n".as_slice()), (&boot, "My Own Kernel.img", KERNEL)]
        {
            folder.create_file(name).and_then(|mut file| file.write_all(bytes)).expect("room");
        }
    }
    disk.into_inner()
}

fn card(bytes: &[u8]) -> Arc<CardImage> {
    let card = CardImage::blank(bytes.len() as u64).expect("memory");
    for (at, block) in (0..).step_by(512).zip(bytes.chunks(512)) {
        if block.iter().any(|&byte| byte != 0) {
            let mut padded = block.to_vec();
            padded.resize(512, 0);
            let (words, _) = padded.as_chunks::<4>();
            card.write_block(at, &std::array::from_fn(|word| u32::from_le_bytes(words[word])));
        }
    }
    Arc::new(card)
}

/// A card with `volume` at `start` sectors, and `entries` in its partition table: type, first sector, sectors.
fn partitioned(volume: &[u8], start: usize, entries: &[(u8, u32, u32)]) -> Vec<u8> {
    let mut bytes = vec![0; start * 512];
    for (index, (kind, first, sectors)) in entries.iter().enumerate() {
        let at = 446 + 16 * index;
        bytes[at + 4] = *kind;
        bytes[at + 8..at + 12].copy_from_slice(&first.to_le_bytes());
        bytes[at + 12..at + 16].copy_from_slice(&sectors.to_le_bytes());
    }
    bytes[510..512].copy_from_slice(&[0x55, 0xaa]);
    bytes.extend(volume);
    bytes
}

fn boot(bytes: &[u8]) -> Result<Boot, String> {
    let files = CardFiles::open(&card(bytes)).map_err(|error| error.to_string())?;
    Boot::read(&files, &Identity::default()).map_err(|error| error.to_string())
}

#[track_caller]
fn check(bytes: &[u8]) {
    let boot = boot(bytes).expect("it boots");
    assert_eq!((boot.name.as_str(), boot.kernel.as_slice(), boot.notes), ("boot/My Own Kernel.img", KERNEL, vec![]));
    assert_eq!(boot.setup.memory.video_core(), 64 << 20);
}

#[test]
fn every_kind_of_file_system_with_and_without_partitions() {
    for (kind, sectors, number) in [(FatType::Fat12, 400, 0x01), (FatType::Fat16, 9_000, 0x0e), (FatType::Fat32, 70_000, 0x0c)] {
        let volume = volume(kind, sectors);
        check(&volume);
        check(&partitioned(&volume, 63, &[(number, 63, sectors)]));
        check(&partitioned(&volume, 2048, &[(0, 0, 0), (0x83, 100, 100), (number, 2048, sectors), (0x0c, 2100, 9)]));
        // An image that was cut short after what is used of it.
        check(&partitioned(&volume[..volume.len() * 3 / 4], 63, &[(number, 63, sectors)]));
    }
}

#[test]
fn fat32_with_few_clusters_is_still_fat32() {
    let mut volume = volume(FatType::Fat32, 70_000);
    volume[32..36].copy_from_slice(&20_000u32.to_le_bytes());
    volume.truncate(20_000 * 512);
    check(&volume);
    check(&partitioned(&volume, 63, &[(0x0b, 63, 20_000)]));
}

#[test]
fn what_is_no_boot_card_is_said_in_a_line() {
    let small = volume(FatType::Fat12, 400);
    let error = |bytes: &[u8]| boot(bytes).expect_err("nothing to boot");
    for (bytes, text) in [
        (vec![0; 4096], "there is no partition table on the card"),
        (vec![0xff; 512], "there is no partition table on the card"),
        (partitioned(&[], 1, &[]), "there is no FAT partition on the card"),
        (partitioned(&small, 1, &[(0x83, 1, 400)]), "there is no FAT partition on the card"),
        (
            partitioned(&small, 1, &[(0xee, 1, 400)]),
            "the card has a GUID partition table; a Raspberry Pi 3 boots from a master boot record only",
        ),
        (partitioned(&small, 1, &[(0x0c, 9999, 400)]), "partition 1 begins after the card's end"),
        (partitioned(&[0; 512], 1, &[(0, 0, 0), (0x0c, 1, 400)]), "partition 2 has no FAT file system on it, or a broken one"),
    ] {
        assert_eq!(error(&bytes), text);
    }
}

#[test]
fn folders_that_go_round_in_circles_come_to_an_end() {
    let mut volume = volume(FatType::Fat16, 9_000);
    // Each cluster is its own successor: chains never end, and the folder has no free entry.
    let per_table = u16::from_le_bytes([volume[22], volume[23]]) as usize;
    let entries = u16::from_le_bytes([volume[17], volume[18]]) as usize;
    for cluster in 2..8000u16 {
        let at = 512 + 2 * usize::from(cluster);
        volume[at..at + 2].copy_from_slice(&cluster.to_le_bytes());
    }
    let data = 512 * (1 + 2 * per_table) + 32 * entries;
    let folder = volume[data..].chunks_mut(512).next().expect("the first cluster");
    let entry = folder[32..64].to_vec();
    folder.chunks_mut(32).for_each(|place| {
        if place[0] == 0 {
            place.copy_from_slice(&entry);
        }
    });
    let files = CardFiles::open(&card(&volume)).expect("it is found");
    let missing = files.read("boot/nothing").expect_err("no end");
    assert_eq!(missing.to_string(), "boot/nothing: its clusters go round in circles");
}

/// Small cards to be damaged, and how much of each is not data.
fn originals() -> &'static [(Vec<u8>, usize)] {
    static ORIGINALS: OnceLock<Vec<(Vec<u8>, usize)>> = OnceLock::new();
    ORIGINALS.get_or_init(|| {
        let mut few = volume(FatType::Fat32, 70_000);
        few[32..36].copy_from_slice(&2_000u32.to_le_bytes());
        few.truncate(2_000 * 512);
        let fat12 = volume(FatType::Fat12, 200);
        vec![
            (fat12.clone(), 24 * 512),
            (volume(FatType::Fat16, 4_300), 80 * 512),
            (partitioned(&few, 1, &[(0x0c, 1, 2_000)]), 1_400 * 512),
            (partitioned(&fat12, 1, &[(0x01, 1, 200)]), 24 * 512),
        ]
    })
}

/// Places that mean something, and any.
fn places() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, u8)>> {
    let place = (any::<prop::sample::Index>(), 0usize..5, prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(1)]);
    prop::collection::vec(place, 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn no_damage_makes_it_panic(which in 0usize..4, damage in places()) {
        let (original, head) = &originals()[which];
        let mut bytes = original.clone();
        for (index, region, value) in damage {
            // Boot sectors, tables and folders, and anywhere.
            let at = match region {
                0 | 1 => index.index(1024 + 64),
                2 | 3 => index.index(*head),
                _ => index.index(bytes.len()),
            };
            bytes[at] = value;
        }
        match boot(&bytes) {
            Ok(boot) => prop_assert!(boot.kernel.len() <= bytes.len()),
            Err(error) => prop_assert!(!error.contains('\n') && !error.is_empty()),
        }
    }
}
