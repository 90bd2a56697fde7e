//! The file of a recording.
//!
//! A magic number, the format's number, then *blocks*: the head, and an entry each. A block is a length, a checksum of that, the bytes, and a checksum of them. Each checksum begins with the one before it, so
//! that blocks do not change places. Numbers are little-endian, what is in the blocks is encoded by postcard.
//!
//! A file whose bytes end within a block, or without the run's end, was cut short; any other mistake is damage.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::io::{self, Write};
use tayberry_engine::recording::{Entry, Event, Recording, RecordingError};
use thiserror::Error;

/// How each file begins.
const MAGIC: &[u8; 8] = b"TBYINPUT";
/// The format's number. Another one for every change of what is in the blocks.
const FORMAT: u32 = 1;

/// Something that decides how a run goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fact {
    /// What it is, as in "the recording is of another ...".
    pub what: String,
    /// What tells it from others.
    pub value: String,
    /// The same for the user.
    pub words: String,
}

/// What a recording is of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The version of the program that recorded it.
    pub program: String,
    /// What the run was.
    pub facts: Vec<Fact>,
}

/// Why a file cannot be replayed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum FileError {
    /// It is something else.
    #[error("it is no recording of input")]
    Foreign,
    /// It is of another format.
    #[error("it is a recording of format {0}, and this program knows format {FORMAT}")]
    Format(u32),
    /// It ends before it says what it is of.
    #[error("the recording is cut short, and has nothing to replay")]
    Short,
    /// A checksum is wrong.
    #[error("the recording is damaged from byte {0} on")]
    Damaged(usize),
    /// Its entries are not such as a machine writes.
    #[error("it cannot be replayed: {0}")]
    Entries(#[from] RecordingError),
}

/// Writes a recording.
#[derive(Debug)]
pub struct Writer<W> {
    out: W,
    sum: u32,
}

impl<W: Write> Writer<W> {
    /// Begins with what it is of.
    ///
    /// # Errors
    /// Those of writing.
    pub fn new(mut out: W, head: &Head) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&FORMAT.to_le_bytes())?;
        let mut writer = Self { out, sum: 0 };
        writer.block(head)?;
        Ok(writer)
    }

    /// Writes an entry, all of it at once.
    ///
    /// # Errors
    /// Those of writing.
    pub fn entry(&mut self, entry: &Entry) -> io::Result<()> {
        self.block(entry)
    }

    fn block(&mut self, content: &impl Serialize) -> io::Result<()> {
        let content = postcard::to_allocvec(content).map_err(io::Error::other)?;
        let length = u32::try_from(content.len()).map_err(io::Error::other)?.to_le_bytes();
        let head = sum(self.sum, &length);
        self.sum = sum(head, &content);
        let block = [&length[..], &head.to_le_bytes(), &content, &self.sum.to_le_bytes()].concat();
        self.out.write_all(&block)?;
        self.out.flush()
    }
}

/// The checksum of bytes behind others whose checksum is `before`.
fn sum(before: u32, bytes: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(&before.to_le_bytes());
    sum.update(bytes);
    sum.finalize()
}

/// Reads a recording.
///
/// # Errors
/// [`FileError`]. A recording without its end is none ([`Recording::reason`]).
pub fn read(bytes: &[u8]) -> Result<(Head, Recording), FileError> {
    let Some(rest) = bytes.strip_prefix(MAGIC) else {
        let begins = !bytes.is_empty() && MAGIC.starts_with(bytes);
        return Err(if begins { FileError::Short } else { FileError::Foreign });
    };
    let (format, rest) = rest.split_first_chunk().ok_or(FileError::Short)?;
    let format = u32::from_le_bytes(*format);
    if format != FORMAT {
        return Err(FileError::Format(format));
    }
    let mut blocks = Blocks { length: bytes.len(), rest, sum: 0 };
    let head = blocks.next()?.ok_or(FileError::Short)?;
    let mut entries = Vec::new();
    while let Some(entry) = blocks.next::<Entry>()? {
        let is_end = matches!(entry.event, Event::End { .. });
        entries.push(entry);
        if is_end {
            break;
        }
    }
    match entries.last() {
        None => Err(FileError::Short),
        Some(Entry { event: Event::End { .. }, .. }) if !blocks.rest.is_empty() => Err(FileError::Damaged(blocks.at())),
        Some(_) => Ok((head, Recording::new(entries)?)),
    }
}

/// The blocks of a file.
struct Blocks<'a> {
    /// Of the whole file.
    length: usize,
    rest: &'a [u8],
    sum: u32,
}

impl Blocks<'_> {
    fn at(&self) -> usize {
        self.length - self.rest.len()
    }

    /// The next block's content; `None` if there is no whole one.
    fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FileError> {
        let damaged = FileError::Damaged(self.at());
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else { return Ok(None) };
        let Some((head, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        if u32::from_le_bytes(*head) != sum(self.sum, length) {
            return Err(damaged);
        }
        let length = u32::from_le_bytes(*length) as usize;
        let Some((content, rest)) = rest.split_at_checked(length) else { return Ok(None) };
        let Some((end, rest)) = rest.split_first_chunk::<4>() else { return Ok(None) };
        let sum = sum(u32::from_le_bytes(*head), content);
        if u32::from_le_bytes(*end) != sum {
            return Err(damaged);
        }
        let (value, left) = postcard::take_from_bytes(content).map_err(|_| damaged)?;
        if !left.is_empty() {
            return Err(damaged);
        }
        (self.rest, self.sum) = (rest, sum);
        Ok(Some(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tayberry_engine::handle::Input;
    use tayberry_engine::recording::{Place, Proof};

    fn head() -> Head {
        let fact = Fact { what: "kernel".into(), value: "1".into(), words: "one".into() };
        Head { program: "0".into(), facts: vec![fact] }
    }

    fn entries() -> Vec<Entry> {
        let entry = |tick, inputs, event| Entry { place: Place { tick, inputs, ..Place::default() }, proof: Proof::default(), event };
        vec![
            entry(0, 0, Event::Begin { beat_ns: 1 }),
            entry(300, 0, Event::Input(Input::Serial { port: 0, bytes: b"hello".to_vec() })),
            entry(301, 1, Event::Input(Input::Mouse { buttons: 1, dx: -1, dy: 2, wheel: 0 })),
            entry(1 << 40, 2, Event::End { cut: true, reason: "stopped".into() }),
        ]
    }

    fn file() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = Writer::new(&mut bytes, &head()).expect("room");
        entries().iter().for_each(|entry| writer.entry(entry).expect("room"));
        bytes
    }

    #[test]
    fn what_was_written_is_read() {
        assert_eq!(read(&file()), Ok((head(), Recording::new(entries()).expect("in order"))));
    }

    #[test]
    fn every_shorter_file_is_short() {
        let file = file();
        assert_eq!(read(&[]), Err(FileError::Foreign));
        let mut inputs = Vec::new();
        for length in 1..file.len() {
            match read(&file[..length]) {
                Err(FileError::Short) => {}
                Ok((_, recording)) => {
                    assert_eq!(recording.reason(), None, "{length}");
                    inputs.push(recording.inputs());
                }
                other => panic!("{length}: {other:?}"),
            }
        }
        inputs.dedup();
        assert_eq!(inputs, [0, 1, 2], "whole entries are kept");
    }

    #[test]
    fn every_changed_byte_is_found() {
        let file = file();
        for at in 0..file.len() {
            for bit in 0..8 {
                let mut bytes = file.clone();
                bytes[at] ^= 1 << bit;
                let error = read(&bytes).expect_err("damaged");
                let expected = match at {
                    0..8 => FileError::Foreign,
                    8..12 => FileError::Format(FORMAT ^ 1 << ((at - 8) * 8 + bit)),
                    _ => FileError::Damaged(0),
                };
                let is = |error: FileError| if matches!(error, FileError::Damaged(_)) { FileError::Damaged(0) } else { error };
                assert_eq!(is(error), expected, "bit {bit} of byte {at}");
            }
        }
        assert!(matches!(read(&[&file[..], b"x"].concat()), Err(FileError::Damaged(_))));
    }

    #[test]
    fn blocks_do_not_change_places() {
        let entries = entries();
        let upto = |count: usize| {
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes, &head()).expect("room");
            entries[..count].iter().for_each(|entry| writer.entry(entry).expect("room"));
            bytes.len()
        };
        let (file, ends) = (file(), [upto(1), upto(2), upto(3)]);
        let (first, second) = (&file[ends[0]..ends[1]], &file[ends[1]..ends[2]]);
        let exchanged = [&file[..ends[0]], second, first, &file[ends[2]..]].concat();
        let missing = [&file[..ends[0]], second, &file[ends[2]..]].concat();
        let doubled = [&file[..ends[1]], first, &file[ends[1]..]].concat();
        for (bytes, at) in [(exchanged, ends[0]), (missing, ends[0]), (doubled, ends[1])] {
            assert_eq!(read(&bytes), Err(FileError::Damaged(at)));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), as_ours in any::<bool>()) {
            let mut all = if as_ours { [&MAGIC[..], &FORMAT.to_le_bytes()].concat() } else { Vec::new() };
            all.extend(&bytes);
            prop_assert!(read(&all).is_err());
        }

        /// Blocks with good checksums and any content.
        #[test]
        fn no_content_makes_it_panic(contents in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 0..6)) {
            let mut writer = Writer::new(Vec::new(), &head()).expect("room");
            for content in &contents {
                let length = (content.len() as u32).to_le_bytes();
                let head = sum(writer.sum, &length);
                writer.sum = sum(head, content);
                writer.out.extend([&length[..], &head.to_le_bytes(), content, &writer.sum.to_le_bytes()].concat());
            }
            let _ = read(&writer.out);
        }

        #[test]
        fn what_is_written_is_read(typed in proptest::collection::vec((any::<u8>(), proptest::collection::vec(any::<u8>(), 0..40)), 0..20)) {
            let mut entries = vec![entries()[0].clone()];
            let mut place = Place::default();
            for (ticks, bytes) in typed {
                place.tick += u64::from(ticks);
                entries.push(Entry { place, proof: Proof::default(), event: Event::Input(Input::Serial { port: 1, bytes }) });
                place.inputs += 1;
            }
            let mut bytes = Vec::new();
            let mut writer = Writer::new(&mut bytes, &head()).expect("room");
            entries.iter().for_each(|entry| writer.entry(entry).expect("room"));
            prop_assert_eq!(read(&bytes), Ok((head(), Recording::new(entries).expect("in order"))));
        }
    }
}
