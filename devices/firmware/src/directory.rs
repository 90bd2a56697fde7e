//! A folder of the host's that holds what a boot partition would.

use crate::{Files, FirmwareError, MOST_BYTES};
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// The folder.
#[derive(Clone, Debug)]
pub struct Directory(PathBuf);

impl Directory {
    /// Takes the folder at `path`.
    ///
    /// # Errors
    /// If it is none.
    pub fn open(path: &Path) -> Result<Self, FirmwareError> {
        let metadata = path.metadata().map_err(FirmwareError::new)?;
        if metadata.is_dir() { Ok(Self(path.to_owned())) } else { Err(FirmwareError::new("it is no directory")) }
    }

    /// The host's path of a file.
    fn find(&self, path: &str) -> Result<Option<PathBuf>, FirmwareError> {
        let mut found = self.0.clone();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            match child(&found, name).map_err(|error| FirmwareError::file(path, error))? {
                Some(next) => found = next,
                None => return Ok(None),
            }
        }
        Ok(Some(found).filter(|found| *found != self.0))
    }
}

/// What `folder` has under `name`: exactly, or else the first but for case.
fn child(folder: &Path, name: &str) -> std::io::Result<Option<PathBuf>> {
    // Not above the folder: a boot partition has nothing above it either.
    if [".", ".."].contains(&name) || name.contains(std::path::MAIN_SEPARATOR) || !folder.is_dir() {
        return Ok(None);
    }
    if folder.join(name).exists() {
        return Ok(Some(folder.join(name)));
    }
    let wanted = name.to_uppercase();
    let mut alike = Vec::new();
    for entry in folder.read_dir()? {
        let name = entry?.file_name();
        if name.to_str().is_some_and(|name| name.to_uppercase() == wanted) {
            alike.push(name);
        }
    }
    Ok(alike.into_iter().min().map(|name| folder.join(name)))
}

impl Files for Directory {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, FirmwareError> {
        let Some(found) = self.find(path)? else { return Ok(None) };
        let broken = |error: std::io::Error| FirmwareError::file(path, error);
        let mut bytes = Vec::new();
        File::open(found).map_err(broken)?.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(broken)?;
        if bytes.len() as u64 > MOST_BYTES {
            return Err(FirmwareError::file(path, "the file is larger than the machine's memory"));
        }
        Ok(Some(bytes))
    }

    fn has(&self, path: &str) -> Result<bool, FirmwareError> {
        Ok(self.find(path)?.is_some_and(|found| !found.is_dir()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_but_for_case_and_never_above_the_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let boot = folder.path().join("boot");
        std::fs::create_dir_all(boot.join("Overlays")).expect("folders");
        std::fs::write(boot.join("Config.TXT"), "a").expect("a file");
        std::fs::write(boot.join("Overlays/README"), "b").expect("a file");
        std::fs::write(folder.path().join("secret"), "c").expect("a file");
        let files = Directory::open(&boot).expect("a folder");
        assert_eq!(files.read("config.txt"), Ok(Some(b"a".to_vec())));
        assert_eq!(files.read("/overlays//readme"), Ok(Some(b"b".to_vec())));
        for nothing in ["kernel8.img", "../secret", "overlays/../config.txt", "config.txt/x", ""] {
            assert_eq!(files.read(nothing), Ok(None), "{nothing}");
        }
        assert_eq!((files.has("overlays"), files.has("CONFIG.txt")), (Ok(false), Ok(true)));
        assert!(files.read("overlays").expect_err("a folder").to_string().starts_with("overlays: "));
        assert!(Directory::open(&boot.join("Config.TXT")).is_err());
    }
}
