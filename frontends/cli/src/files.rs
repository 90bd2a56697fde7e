//! Files: inputs are read, outputs are opened, before anything runs.

use crate::report::Unusable;
use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

/// The largest file that is worth reading: no machine has more memory.
const MOST: u64 = 1 << 30;

/// Reads an input file; `what` names it in errors.
///
/// # Errors
/// If it cannot be read, is empty, or does not fit into any machine.
pub fn read(what: &str, path: &Path) -> Result<Vec<u8>, Unusable> {
    let unusable = |why: &dyn std::fmt::Display| Unusable::new(format_args!("{what} {}: {why}", path.display()));
    let too_large = || unusable(&"the file is larger than the machine's memory");
    let file = File::open(path).map_err(|error| unusable(&error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_file() && metadata.len() > MOST) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    // Bounded all the same: what is not a regular file may have no end.
    file.take(MOST + 1).read_to_end(&mut bytes).map_err(|error| unusable(&error))?;
    match bytes.len() as u64 {
        0 => Err(unusable(&"the file is empty")),
        length if length > MOST => Err(too_large()),
        _ => Ok(bytes),
    }
}

/// A file that is written at the end. It is opened at the start, so that a run is not for nothing, and keeps its old content until then.
#[derive(Debug)]
pub struct Output {
    path: PathBuf,
    file: File,
}

impl Output {
    /// Opens it; `what` names it in errors.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn open(what: &str, path: &Path) -> Result<Self, Unusable> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(|error| cannot_write(what, path, &error))?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes it.
    ///
    /// # Errors
    /// If that fails, such as on a full disk.
    pub fn write(self, what: &str, write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<(), Unusable> {
        let Self { path, file } = self;
        let all = || {
            if file.metadata()?.is_file() {
                file.set_len(0)?;
            }
            let mut out = BufWriter::new(&file);
            write(&mut out)?;
            out.flush()
        };
        all().map_err(|error| cannot_write(what, &path, &error))
    }
}

/// Opens a file that is written as the run goes; `what` names it in errors.
///
/// # Errors
/// If it cannot be written.
pub fn create(what: &str, path: &Path) -> Result<File, Unusable> {
    File::create(path).map_err(|error| cannot_write(what, path, &error))
}

/// The same for a file that may not be wanted.
///
/// # Errors
/// If it cannot be written.
pub fn create_wanted(what: &str, path: Option<&Path>) -> Result<Option<File>, Unusable> {
    path.map(|path| create(what, path)).transpose()
}

/// The error for a file that cannot be written.
pub fn cannot_write(what: &str, path: &Path, error: &io::Error) -> Unusable {
    Unusable::new(format_args!("{what} {}: cannot be written: {error}", path.display()))
}

/// Makes sure that no output is also an input or another output.
///
/// # Errors
/// Names the two that are the same file.
pub fn all_different(inputs: &[(&str, &Path)], outputs: &[(&str, &Path)]) -> Result<(), Unusable> {
    let mut seen: Vec<(&str, PathBuf)> = inputs.iter().filter_map(|(what, path)| Some((*what, identity(path)?))).collect();
    for (what, path) in outputs {
        let Some(identity) = identity(path) else { continue };
        if let Some((other, _)) = seen.iter().find(|(_, other)| *other == identity) {
            return Err(Unusable::new(format_args!("{what} {}: the same file as {other}", path.display())));
        }
        seen.push((what, identity));
    }
    Ok(())
}

/// What tells files apart; nothing for devices and pipes, which may well be used twice.
fn identity(path: &Path) -> Option<PathBuf> {
    match path.metadata() {
        Ok(metadata) if !metadata.is_file() => None,
        Ok(_) => path.canonicalize().ok(),
        Err(_) => {
            let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
            Some(folder.canonicalize().ok()?.join(path.file_name()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_keeps_its_content_until_it_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("out");
        std::fs::write(&path, "something long from before").expect("a file");
        let output = Output::open("stats", &path).expect("writable");
        assert_eq!(std::fs::read(&path).expect("the file").len(), 26);
        output.write("stats", |out| out.write_all(b"new")).expect("room");
        assert_eq!(std::fs::read(&path).expect("the file"), b"new");
    }

    #[test]
    fn the_same_file_by_two_names_is_found() {
        let folder = tempfile::tempdir().expect("a folder");
        let (a, b) = (folder.path().join("a"), folder.path().join("./a"));
        let error = all_different(&[], &[("--stats", &a), ("--screenshot", &b)]).expect_err("the same").to_string();
        assert!(error.contains("--screenshot") && error.contains("--stats"), "{error}");
        std::fs::write(&a, "kernel").expect("a file");
        all_different(&[("KERNEL", &b)], &[("--stats", &a)]).expect_err("the same");
        all_different(&[("KERNEL", &b)], &[("--stats", &folder.path().join("c"))]).expect("different");
    }

    #[cfg(unix)]
    #[test]
    fn devices_may_be_used_twice_and_endless_files_end() {
        let null = Path::new("/dev/null");
        all_different(&[], &[("--stats", null), ("--screenshot", null)]).expect("nothing is lost");
        Output::open("stats", null).expect("writable").write("stats", |out| out.write_all(b"x")).expect("room");
        assert!(read("kernel", null).expect_err("empty").to_string().contains("empty"));
    }
}
