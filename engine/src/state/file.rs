//! States as files.
//!
//! A file is the word `TAYBERRY`, the word `STATE` filled up to eight bytes, the format's [`VERSION`] as a little-endian word of four bytes, and one frame of LZ4 with a
//! checksum over all in it: what the machine was made from, its parts, and its pages. A list's length is a word of four bytes in front of its bytes; a page has its number in
//! front, and behind the last one is a number that no page has. The word `THE END.` is behind the frame: the frame's own end may be missing and nobody would notice.

use super::pages::{PAGE, Pages};
use super::{State, StateError};
use lz4_flex::frame::{BlockMode, BlockSize, FrameDecoder, FrameEncoder, FrameInfo};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};
use std::sync::Arc;
use thiserror::Error;

/// The format; files of others are refused. To be counted up when the parts of any device change.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 16] = b"TAYBERRYSTATE\0\0\0";
/// Behind the frame.
const END: &[u8; 8] = b"THE END.";
/// Behind the last page.
const NO_PAGE: u32 = u32::MAX;
/// Bytes of a list at most.
const LONGEST: u32 = 1 << 28;

/// What a machine was made from, in the order in which it is compared: what it is called, and a name or a sum of its content.
pub type MadeFrom = Vec<(String, String)>;

/// Why a file cannot be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// The host's error.
    #[error(transparent)]
    Io(io::Error),
    /// It is something else than this.
    #[error("it is not {0}")]
    Foreign(&'static str),
    /// Another version of the format.
    #[error("its format has version {0}, this program reads version {1}")]
    Version(u32, u32),
    /// It is cut short, or was changed.
    #[error("it is damaged: it is cut short, or was changed")]
    Damaged,
    /// Its machine was made from something else.
    #[error("it is of a machine with another {what}: {saved} there, {here} here")]
    Other {
        /// What is another one.
        what: String,
        /// What it was.
        saved: String,
        /// What it is.
        here: String,
    },
    /// It does not fit.
    #[error(transparent)]
    State(#[from] StateError),
}

impl From<io::Error> for FileError {
    /// What the decoder says of a broken frame, and what ends too early, is damage; the rest is the host's.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::Other => Self::Damaged,
            _ => Self::Io(error),
        }
    }
}

impl State {
    /// Writes it.
    ///
    /// # Errors
    /// The host's.
    pub fn write(&self, made_from: &MadeFrom, mut to: impl Write) -> io::Result<()> {
        to.write_all(MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        let frame = FrameInfo::new().block_mode(BlockMode::Linked).block_size(BlockSize::Max1MB).content_checksum(true);
        let mut frame = FrameEncoder::with_frame_info(frame, to);
        write_list(&mut frame, made_from)?;
        write_list(&mut frame, &self.parts)?;
        for (number, page) in self.ram.iter() {
            frame.write_all(&number.to_le_bytes())?;
            frame.write_all(page)?;
        }
        frame.write_all(&NO_PAGE.to_le_bytes())?;
        let mut to = frame.finish()?;
        to.write_all(END)?;
        to.flush()
    }

    /// Reads one of a machine that was made from the same as this one.
    ///
    /// # Errors
    /// [`FileError`], a line for the user.
    pub fn read(made_from: &MadeFrom, mut from: impl Read) -> Result<Self, FileError> {
        check(&mut from, MAGIC, VERSION, "a saved state of a machine")?;
        let mut frame = FrameDecoder::new(from);
        compare(made_from, &read_list(&mut frame)?)?;
        let state = Self { parts: read_list(&mut frame)?, ram: read_pages(&mut frame)? };
        // The sum is looked at behind the last byte.
        let more = frame.read(&mut [0])?;
        let mut from = frame.into_inner();
        let mut end = [0; END.len()];
        from.read_exact(&mut end)?;
        if more != 0 || end != *END || from.read(&mut [0])? != 0 {
            return Err(FileError::Damaged);
        }
        Ok(state)
    }
}

/// Reads a file's first words, which say `what` it is.
pub(crate) fn check(from: &mut impl Read, magic: &[u8; 16], version: u32, what: &'static str) -> Result<(), FileError> {
    let mut found = [0; 16];
    match from.read_exact(&mut found) {
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => return Err(error.into()),
        Ok(()) if found == *magic => {}
        _ => return Err(FileError::Foreign(what)),
    }
    match read_word(from)? {
        same if same == version => Ok(()),
        other => Err(FileError::Version(other, version)),
    }
}

/// The first difference.
pub(crate) fn compare(here: &MadeFrom, saved: &MadeFrom) -> Result<(), FileError> {
    let nothing = "none";
    let find = |list: &MadeFrom, what: &str| list.iter().find(|entry| entry.0 == what).map_or(nothing.to_owned(), |entry| entry.1.clone());
    for (what, _) in here.iter().chain(saved) {
        let (here, saved) = (find(here, what), find(saved, what));
        if here != saved {
            return Err(FileError::Other { what: what.clone(), saved, here });
        }
    }
    Ok(())
}

fn write_list(to: &mut impl Write, list: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(list).map_err(io::Error::other)?;
    let len = u32::try_from(bytes.len()).ok().filter(|&len| len <= LONGEST);
    to.write_all(&len.ok_or(io::ErrorKind::FileTooLarge)?.to_le_bytes())?;
    to.write_all(&bytes)
}

fn read_list<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, FileError> {
    let len = read_word(from)?;
    if len > LONGEST {
        return Err(FileError::Damaged);
    }
    let mut bytes = Vec::new();
    from.take(len.into()).read_to_end(&mut bytes)?;
    match postcard::take_from_bytes(&bytes) {
        Ok((list, [])) if bytes.len() == len as usize => Ok(list),
        _ => Err(FileError::Damaged),
    }
}

fn read_pages(from: &mut impl Read) -> Result<Pages, FileError> {
    let mut pages = Pages::default();
    loop {
        let number = read_word(from)?;
        if number == NO_PAGE {
            return Ok(pages);
        }
        let mut page = [0; PAGE];
        from.read_exact(&mut page)?;
        pages.push(number, Arc::new(page))?;
    }
}

pub(crate) fn read_word(from: &mut impl Read) -> Result<u32, FileError> {
    let mut word = [0; 4];
    from.read_exact(&mut word)?;
    Ok(u32::from_le_bytes(word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn made_from(kernel: &str) -> MadeFrom {
        vec![("kernel".into(), kernel.into()), ("device tree".into(), "none".into())]
    }

    fn state() -> State {
        let mut ram = Pages::default();
        for number in [0, 7, 0x3ff] {
            ram.push(number, Arc::new(std::array::from_fn(|at| (at as u32 * number) as u8 | 1))).expect("ascending");
        }
        State { parts: vec![("engine".into(), vec![1, 2, 3]), ("DMA".into(), vec![0; 500])], ram }
    }

    fn file() -> Vec<u8> {
        let mut file = Vec::new();
        state().write(&made_from("a"), &mut file).expect("memory");
        file
    }

    fn refusal(kernel: &str, file: &[u8]) -> String {
        State::read(&made_from(kernel), file).map(drop).expect_err("refused").to_string()
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(State::read(&made_from("a"), &*file()).expect("whole"), state());
    }

    #[test]
    fn files_of_others_are_named() {
        assert_eq!(refusal("b", &file()), "it is of a machine with another kernel: a there, b here");
        let mut other = file();
        other[16] = 77;
        assert_eq!(refusal("a", &other), "its format has version 77, this program reads version 1");
        for other in [&b""[..], b"x", b"\x7fELF and so on and on", &[0; 4096]] {
            assert_eq!(refusal("a", other), "it is not a saved state of a machine");
        }
    }

    #[test]
    fn a_file_that_is_cut_anywhere_or_goes_on_is_damaged() {
        let file = file();
        for len in 20..file.len() {
            assert!(refusal("a", &file[..len]).contains("damaged"), "{len} bytes");
        }
        assert!(refusal("a", &[&file[..], b"more"].concat()).contains("damaged"));
    }

    proptest! {
        #[test]
        fn a_changed_file_is_never_taken_for_whole(at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let mut file = file();
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
            match State::read(&made_from("a"), &*file) {
                Ok(read) => prop_assert_eq!(read, state(), "only what means nothing may be changed"),
                Err(error) => prop_assert!(!error.to_string().is_empty()),
            }
        }

        #[test]
        fn nothing_that_is_read_panics(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
            let _ = State::read(&made_from("a"), &*bytes);
            let file = [&file()[..20], &bytes].concat();
            let _ = State::read(&made_from("a"), &*file);
        }
    }
}
