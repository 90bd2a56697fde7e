//! Recordings as files ([`Machine::record`](crate::machine::Machine::record)).
//!
//! A file is the word `TAYBERRY`, the word `INPUT` filled up to eight bytes, the format's [`VERSION`] as a little-endian word of four bytes, and pieces: a piece's length and its sum (CRC-32),
//! four bytes each, and its bytes. The first piece is what the machine was made from; the others are entries, in their order, each written as it comes. The last one is the end of the run: a file
//! without it is cut short.

use crate::history::{Entry, Event};
use crate::state::file::{check, compare, read_word};
use crate::state::{FileError, MadeFrom};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{self, Read, Write};

/// The format; files of others are refused.
pub const VERSION: u32 = 1;

const MAGIC: &[u8; 16] = b"TAYBERRYINPUT\0\0\0";
/// Bytes of a piece at most: more than any input has.
const LONGEST: u32 = 1 << 24;

/// Writes a recording as it is made.
#[derive(Debug)]
pub struct Writer<W>(W);

impl<W: Write> Writer<W> {
    /// Begins the recording of a machine.
    ///
    /// # Errors
    /// The host's.
    pub fn new(mut to: W, made_from: &MadeFrom) -> io::Result<Self> {
        to.write_all(MAGIC)?;
        to.write_all(&VERSION.to_le_bytes())?;
        write_piece(&mut to, made_from)?;
        Ok(Self(to))
    }

    /// Writes an entry, to the end.
    ///
    /// # Errors
    /// The host's.
    pub fn write(&mut self, entry: &Entry) -> io::Result<()> {
        write_piece(&mut self.0, entry)
    }
}

fn write_piece(to: &mut impl Write, piece: &impl Serialize) -> io::Result<()> {
    let bytes = postcard::to_stdvec(piece).map_err(io::Error::other)?;
    let len = u32::try_from(bytes.len()).ok().filter(|&len| len <= LONGEST).ok_or(io::ErrorKind::FileTooLarge)?;
    to.write_all(&[len.to_le_bytes(), crc32fast::hash(&bytes).to_le_bytes()].concat())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Reads a whole recording of a machine that was made from the same as this one. The last entry is the end.
///
/// # Errors
/// [`FileError`], a line for the user.
pub fn read(made_from: &MadeFrom, mut from: impl Read) -> Result<Vec<Entry>, FileError> {
    check(&mut from, MAGIC, VERSION, "a recording of input")?;
    compare(made_from, &read_piece(&mut from)?)?;
    let mut entries: Vec<Entry> = Vec::new();
    loop {
        let entry: Entry = read_piece(&mut from)?;
        let order = |entry: &Entry| (entry.when.cycle, entry.when.tick, entry.when.at);
        if entries.last().is_some_and(|last| order(last) > order(&entry)) {
            return Err(FileError::Damaged);
        }
        let is_last = matches!(entry.event, Event::End { .. });
        entries.push(entry);
        if is_last {
            return if from.read(&mut [0])? == 0 { Ok(entries) } else { Err(FileError::Damaged) };
        }
    }
}

fn read_piece<T: DeserializeOwned>(from: &mut impl Read) -> Result<T, FileError> {
    let (len, sum) = (read_word(from)?, read_word(from)?);
    if len > LONGEST {
        return Err(FileError::Damaged);
    }
    let mut bytes = Vec::new();
    from.take(len.into()).read_to_end(&mut bytes)?;
    match postcard::take_from_bytes(&bytes) {
        Ok((piece, [])) if bytes.len() == len as usize && crc32fast::hash(&bytes) == sum => Ok(piece),
        _ => Err(FileError::Damaged),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::GuestTime;
    use crate::handle::Input;
    use crate::history::When;
    use proptest::prelude::*;

    fn made_from(kernel: &str) -> MadeFrom {
        vec![("kernel".into(), kernel.into())]
    }

    fn entries() -> Vec<Entry> {
        let entry = |cycle, tick, event| Entry { when: When { cycle, tick, at: GuestTime(tick * 1000) }, event };
        vec![
            entry(0, 3, Event::Input(Input::Serial { port: 0, bytes: b"ls\n".to_vec() })),
            entry(0, 3, Event::Input(Input::Keyboard { usage: 4, pressed: true })),
            entry(0, 9, Event::Reset { retired: 1234 }),
            entry(1, 2, Event::Input(Input::Mouse { buttons: 1, dx: -3, dy: 4, wheel: 0 })),
            entry(1, 7, Event::End { retired: 99, bytes: [4, 5, 6], printed: [1, 2, 3] }),
        ]
    }

    fn file(entries: &[Entry]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut writer = Writer::new(&mut file, &made_from("a")).expect("memory");
        entries.iter().for_each(|entry| writer.write(entry).expect("memory"));
        file
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&made_from("a"), &*file(&entries())).expect("whole"), entries());
    }

    #[test]
    fn files_that_cannot_be_used_say_why() {
        let refusal = |kernel: &str, file: &[u8]| read(&made_from(kernel), file).expect_err("refused").to_string();
        let whole = file(&entries());
        assert_eq!(refusal("b", &whole), "it is of a machine with another kernel: a there, b here");
        assert_eq!(refusal("a", b"\x7fELF and so on and on"), "it is not a recording of input");
        for len in 0..whole.len() {
            let why = refusal("a", &whole[..len]);
            assert!(why.contains(if len < 16 { "it is not a recording" } else { "cut short" }), "{len} bytes: {why}");
        }
        assert!(refusal("a", &[&whole[..], b"more"].concat()).contains("damaged"));
        let mut disordered = entries();
        disordered.swap(0, 2);
        assert!(refusal("a", &file(&disordered)).contains("damaged"));
    }

    proptest! {
        #[test]
        fn a_changed_file_is_never_taken_for_whole(at in any::<prop::sample::Index>(), bit in 0..8u32) {
            let mut file = file(&entries());
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
            prop_assert!(read(&made_from("a"), &*file).is_err());
        }

        #[test]
        fn nothing_that_is_read_panics(bytes in prop::collection::vec(any::<u8>(), 0..500)) {
            let _ = read(&made_from("a"), &*bytes);
            let file = [&file(&entries())[..20], &bytes].concat();
            let _ = read(&made_from("a"), &*file);
        }
    }
}
