//! A file that is complete after every frame, however the program ends: each frame overwrites the end mark of the one before, and brings its own.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};

#[derive(Debug)]
pub(super) struct Tail {
    file: File,
    /// Where the end mark is.
    end: u64,
}

impl Tail {
    /// Checks that the file has places.
    pub(super) fn new(mut file: File) -> io::Result<Self> {
        file.seek(SeekFrom::Start(0))?;
        Ok(Self { file, end: 0 })
    }

    /// Writes more content and the end mark after it. Where there is no room for all of it the content stays what it was.
    pub(super) fn append(&mut self, mut content: Vec<u8>, mark: &[u8]) -> io::Result<()> {
        let end = self.end + content.len() as u64;
        content.extend_from_slice(mark);
        if let Err(error) = self.overwrite(self.end, &content) {
            // There was room for the mark before. What cannot be helped is not told: the first error is.
            let _ = self.file.set_len(self.end);
            if self.end > 0 {
                let _ = self.overwrite(self.end, mark);
            }
            return Err(error);
        }
        self.end = end;
        Ok(())
    }

    /// Writes over what is at `place`.
    pub(super) fn overwrite(&mut self, place: u64, content: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(place))?;
        self.file.write_all(content)
    }
}
