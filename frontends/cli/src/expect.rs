//! `--expect`: the screen at the end is to be a certain picture.

use crate::files;
use crate::report::{Unusable, say};
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use tayberry_headless::{Difference, Picture};

const OPTION: &str = "--expect";
const DIFF_OPTION: &str = "--expect-diff";

/// A picture that is expected, and where a difference is drawn.
#[derive(Debug)]
pub struct Expected {
    path: PathBuf,
    picture: Picture,
    diff: PathBuf,
}

impl Expected {
    /// Reads the picture, and makes sure that a difference could be drawn.
    ///
    /// # Errors
    /// If the picture cannot be read, or a difference not be written.
    pub fn open(path: &Path, diff: &Path) -> Result<Self, Unusable> {
        let unusable = |error: io::Error| Unusable::new(format_args!("{OPTION} {}: {error}", path.display()));
        let file = File::open(path).map_err(unusable)?;
        let picture = Picture::read_png(BufReader::new(file)).map_err(unusable)?;
        try_file(diff).map_err(|error| files::cannot_write(DIFF_OPTION, diff, &error))?;
        Ok(Self { path: path.to_owned(), picture, diff: diff.to_owned() })
    }

    /// Compares `shown` with it. If they differ, draws the difference, says so in one line, and returns false.
    ///
    /// # Errors
    /// If the difference cannot be written; it was said all the same.
    pub fn is(&self, shown: &Picture) -> Result<bool, Unusable> {
        let Some(difference) = Difference::between(&self.picture, shown) else { return Ok(true) };
        let written = File::create(&self.diff).and_then(|file| {
            let mut out = BufWriter::new(file);
            Difference::draw(&self.picture, shown).write_png(&mut out)?;
            out.flush()
        });
        let (path, diff) = (self.path.display(), self.diff.display());
        match written {
            Ok(()) => say(format_args!("{OPTION} {path}: {difference}; see {diff}")),
            Err(_) => say(format_args!("{OPTION} {path}: {difference}")),
        }
        written.map(|()| false).map_err(|error| files::cannot_write(DIFF_OPTION, &self.diff, &error))
    }
}

/// Makes sure that a file can be written, and leaves none behind where none was.
fn try_file(path: &Path) -> io::Result<()> {
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(_) => std::fs::remove_file(path),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => OpenOptions::new().write(true).open(path).map(drop),
        Err(error) => Err(error),
    }
}
