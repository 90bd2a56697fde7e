//! Property messages in words, for traces and the journal. How a tag's values read is a column of [`super::table`]: a text with places for the words of the
//! value.
//!
//! | place | what stands there |
//! | --- | --- |
//! | `{0}` | word 0 in decimal, large ones in hexadecimal |
//! | `{0:x}` | in hexadecimal |
//! | `{0:i}` | signed |
//! | `{0:size}` | bytes |
//! | `{0:hz}`, `{0:volts}`, `{0:celsius}` | a rate, microvolts, thousandths of a degree |
//! | `{0:u64}` | words 0 and 1 as one number, `{0:hex64}` in hexadecimal |
//! | `{0:mac}` | six bytes from word 0 on |
//! | `{0:text}` | bytes from word 0 to a NUL |
//! | `{0:range}` | word 0 as the first and word 1 as the number of a range |
//! | `{0:all}` | the words from word 0 on, the first ones |
//! | `{0:clock}`, `{0:device}`, `{0:voltage}`, `{0:pin}` | a name by its number |
//! | `{0=off|on}` | one of these by its number |
//!
//! Where the value ends before a place, the text ends there.

use super::message::{Message, Tag};
use super::table::{self, Row};
use super::{Reply, Request, clocks, gpio, power};
use std::borrow::Cow;
use std::fmt;
use tayberry_engine::journal;

/// Words that are shown of a value without a form of its own.
const SHOWN: usize = 10;
/// Bytes that are shown of a text.
const SHOWN_TEXT: usize = 80;
/// Tags of a message that a journal keeps.
const MOST_PARTS: usize = 64;
/// Words of a message that a journal keeps.
const MOST_WORDS: usize = 64;

/// Values in the words of their form.
pub struct InWords<'a> {
    /// The form.
    pub form: &'static str,
    /// The values.
    pub words: &'a [u32],
}

impl fmt::Display for InWords<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.form;
        while let Some((text, after)) = rest.split_once('{') {
            let (place, after) = after.split_once('}').unwrap_or((after, ""));
            let end = place.find([':', '=']).unwrap_or(place.len());
            let words = place[..end].parse().ok().and_then(|at: usize| self.words.get(at..)).unwrap_or_default();
            let Some(&first) = words.first() else { return Ok(()) };
            f.write_str(text)?;
            match place[end..].split_at_checked(1) {
                Some(("=", names)) => write_name(f, first, names.split('|').nth(first as usize))?,
                Some((_, kind)) => write_value(f, kind, words)?,
                None => write_number(f, first)?,
            }
            rest = after;
        }
        f.write_str(rest)
    }
}

/// The values, of which there is at least one, as `kind` says.
fn write_value(f: &mut fmt::Formatter<'_>, kind: &str, words: &[u32]) -> fmt::Result {
    let word = words[0];
    let second = words.get(1).copied().unwrap_or(0);
    let long = u64::from(second) << 32 | u64::from(word);
    match kind {
        "x" => write!(f, "{word:#x}"),
        "i" => write!(f, "{}", word as i32),
        "size" if word.is_multiple_of(1 << 20) => write!(f, "{} MiB", word >> 20),
        "size" => write!(f, "{word} bytes"),
        "hz" => write_rate(f, word),
        "volts" => write!(f, "{} V", f64::from(word) / 1e6),
        "celsius" => write!(f, "{} °C", f64::from(word) / 1e3),
        "u64" => write!(f, "{long}"),
        "hex64" => write!(f, "{long:#018x}"),
        "mac" => {
            let [a, b, c, d, e, g, ..] = long.to_le_bytes();
            write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
        }
        "text" => write_text(f, words),
        "range" => write!(f, "{word}..{}", u64::from(word) + u64::from(second)),
        "all" => write_all(f, words),
        "clock" => write_name(f, word, clocks::NAMES.get(word as usize).copied()),
        "device" => write_name(f, word, power::NAMES.get(word as usize).copied()),
        "voltage" => write_name(f, word, power::VOLTAGE_NAMES.get(word as usize).copied()),
        "pin" => write_name(f, word, gpio::name(word)),
        _ => write_number(f, word),
    }
}

fn write_number(f: &mut fmt::Formatter<'_>, word: u32) -> fmt::Result {
    if word < 0x1000_0000 { write!(f, "{word}") } else { write!(f, "{word:#010x}") }
}

fn write_name(f: &mut fmt::Formatter<'_>, number: u32, name: Option<&str>) -> fmt::Result {
    match name {
        Some(name) => f.write_str(name),
        None => write_number(f, number),
    }
}

fn write_rate(f: &mut fmt::Formatter<'_>, hz: u32) -> fmt::Result {
    match hz {
        1_000_000.. => write!(f, "{} MHz", f64::from(hz) / 1e6),
        1_000.. => write!(f, "{} kHz", f64::from(hz) / 1e3),
        _ => write!(f, "{hz} Hz"),
    }
}

fn write_all(f: &mut fmt::Formatter<'_>, words: &[u32]) -> fmt::Result {
    for (index, &word) in words.iter().take(SHOWN).enumerate() {
        f.write_str(if index == 0 { "" } else { " " })?;
        if word < 0x1_0000 { write!(f, "{word}")? } else { write!(f, "{word:#010x}")? }
    }
    f.write_str(if words.len() > SHOWN { " ..." } else { "" })
}

fn write_text(f: &mut fmt::Formatter<'_>, words: &[u32]) -> fmt::Result {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes()).take_while(|&byte| byte != 0);
    let mut shown: Vec<u8> = bytes.take(SHOWN_TEXT + 1).collect();
    let is_cut = shown.len() > SHOWN_TEXT;
    shown.truncate(SHOWN_TEXT);
    write!(f, "{:?}{}", String::from_utf8_lossy(&shown), if is_cut { " ..." } else { "" })
}

/// The words of a reply; the last one is filled up with zeros.
fn reply_words(reply: &Reply) -> Vec<u32> {
    reply.0.chunks(4).map(|bytes| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte))).collect()
}

/// What becomes of a message, in words: collected where it is answered, for the trace and the journal.
#[derive(Debug, Default)]
pub struct Minutes {
    /// For the journal, if anybody reads it. By the tags' places in the message; in between are those that are not answered yet.
    entry: Option<journal::Message>,
}

impl Minutes {
    /// Begins with a message that came by `channel`, if the journal `is_wanted`.
    pub fn begin(message: &Message, is_wanted: bool) -> Self {
        let entry = is_wanted.then(|| journal::Message {
            channel: "property",
            address: message.address().into(),
            parts_left_out: message.tags().len().saturating_sub(MOST_PARTS),
            parts: message.tags().iter().take(MOST_PARTS).map(|tag| unanswered(tag, message.value(tag))).collect(),
            sent: message.words().iter().take(MOST_WORDS).copied().collect(),
            words: message.words().len(),
            ..journal::Message::default()
        });
        Self { entry }
    }

    /// Takes down that the tag numbered `index` was answered.
    pub fn answered(&mut self, index: usize, row: &Row, request: &Request<'_>, reply: &Reply) {
        let asked = InWords { form: row.asked, words: request.0 };
        let is_traced = tracing::enabled!(target: "property", tracing::Level::DEBUG);
        let part = self.entry.as_mut().and_then(|entry| entry.parts.get_mut(index));
        if !is_traced && part.is_none() {
            return;
        }
        let words = reply_words(reply);
        let answered = InWords { form: row.answered, words: &words };
        if is_traced {
            let (before, between) = (if row.asked.is_empty() { "" } else { " " }, if words.is_empty() { "" } else { " -> " });
            tracing::debug!(target: "property", "{}{before}{asked}{between}{answered}", row.name);
        }
        if let Some(part) = part {
            part.answered = answered.to_string();
            part.trouble = None;
        }
    }

    /// The journal's entry for the message as it was answered.
    pub fn finish(self, message: &Message) -> Option<journal::Message> {
        let mut entry = self.entry?;
        entry.answered = message.words().iter().take(MOST_WORDS).copied().collect();
        if let Some(code) = entry.answered.get_mut(1) {
            *code = message.code();
        }
        if !message.is_whole() {
            entry.trouble = Some("it cannot be parsed to its end".into());
        }
        Some(entry)
    }
}

/// The entry for mail that nobody could make anything of.
pub fn failed(channel: &'static str, address: u32, trouble: &'static str) -> journal::What {
    journal::What::Message(journal::Message { channel, address: address.into(), trouble: Some(trouble.into()), ..Default::default() })
}

/// The structure of channel 1 as it was sent, in words.
const STRUCTURE_SENT: &str = "{0}x{1}, virtual {2}x{3}, {5} bits, offset {6},{7}";
/// As it was answered.
const STRUCTURE_ANSWERED: &str = "virtual {2}x{3}, pitch {4}, {8:x}, {9} bytes";

/// The entry for the structure of channel 1 at `address`; `answered` is `None` where it was refused.
pub fn structure(address: u32, sent: &[u32], answered: Option<&[u32]>) -> journal::Message {
    let part = journal::Part {
        number: 1,
        name: "set up frame buffer".into(),
        asked: InWords { form: STRUCTURE_SENT, words: sent }.to_string(),
        answered: answered.map_or_else(String::new, |words| InWords { form: STRUCTURE_ANSWERED, words }.to_string()),
        trouble: answered.is_none().then(|| "refused".into()),
    };
    journal::Message {
        channel: "frame buffer",
        address: address.into(),
        trouble: answered.is_none().then(|| "the reply says failure".into()),
        words: sent.len(),
        sent: sent.to_vec(),
        answered: answered.unwrap_or(sent).to_vec(),
        parts: vec![part],
        parts_left_out: 0,
    }
}

/// A tag as it was sent.
fn unanswered(tag: &Tag, value: &[u32]) -> journal::Part {
    let (name, form, trouble): (Cow<'static, str>, _, Cow<'static, str>) = match table::find(tag.number) {
        Some(row) if tag.bytes < row.request => {
            (row.name.into(), "{0:all}", format!("its buffer of {} bytes is too small for the request", tag.bytes).into())
        }
        Some(row) => (row.name.into(), row.asked, "not answered".into()),
        None => (format!("tag {:#010x}", tag.number).into(), "{0:all}", "not known".into()),
    };
    let asked = InWords { form, words: value }.to_string();
    journal::Part { number: tag.number, name, asked, answered: String::new(), trouble: Some(trouble) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(form: &'static str, words: &[u32]) -> String {
        InWords { form, words }.to_string()
    }

    #[test]
    fn values_in_their_forms() {
        for (form, values, expect) in [
            ("{0}x{1}", &[640, 480][..], "640x480"),
            ("{0}x{1}", &[640], "640"),
            ("at {0:x}, {1} bytes", &[0xc010_0000, 1_228_800], "at 0xc0100000, 1228800 bytes"),
            ("at {0:x}, {1} bytes", &[0xc010_0000], "at 0xc0100000"),
            ("{0}", &[u32::MAX], "0xffffffff"),
            ("{0:i}", &[-127i32 as u32], "-127"),
            ("{0=off|on}", &[1], "on"),
            ("{0=off|on}", &[2], "2"),
            ("{0:clock}: {1:hz}", &[2, 48_000_000], "UART: 48 MHz"),
            ("{0:clock}: {1:hz}", &[77, 1500], "77: 1.5 kHz"),
            ("{0:size}, {1:size}", &[0x3b40_0000, 1_228_800], "948 MiB, 1228800 bytes"),
            ("{0:volts}", &[1_250_000], "1.25 V"),
            ("{0:celsius}", &[47_774], "47.774 °C"),
            ("{0:u64}", &[1, 1], "4294967297"),
            ("{0:hex64}", &[0x7a1b_e224], "0x000000007a1be224"),
            ("{0:mac}", &[0x1beb_27b8, 0x24e2], "b8:27:eb:1b:e2:24"),
            ("{0:text}", &[u32::from_le_bytes(*b"a<b\""), 0x0a], r#""a<b\"\n""#),
            ("{0:range}", &[u32::MAX, u32::MAX], "4294967295..8589934590"),
            ("{0:all}", &[1, 0x1_0000], "1 0x00010000"),
            ("{0:all}", &[7; 11], "7 7 7 7 7 7 7 7 7 7 ..."),
            ("done", &[], "done"),
            ("{0}", &[], ""),
        ] {
            assert_eq!(words(form, values), expect, "{form} of {values:?}");
        }
        assert_eq!(words("{0:text}", &[0x6161_6161; 30]).len(), SHOWN_TEXT + 6);
    }

    /// Every place of every form: a number, and a kind that there is.
    #[test]
    fn the_table_s_forms_are_well_formed() {
        const KINDS: [&str; 17] = [
            "x", "i", "size", "hz", "volts", "celsius", "u64", "hex64", "mac", "text", "range", "all", "clock", "device", "voltage", "pin",
            "",
        ];
        for row in table::rows() {
            for form in [row.asked, row.answered] {
                assert_eq!(form.matches('{').count(), form.matches('}').count(), "{}: {form}", row.name);
                for place in form.split('{').skip(1) {
                    let place = place.split_once('}').expect("it ends").0;
                    let end = place.find([':', '=']).unwrap_or(place.len());
                    let number: usize = place[..end].parse().unwrap_or_else(|error| panic!("{}: {form}: {error}", row.name));
                    assert!(number < 10, "{}: {form}", row.name);
                    let kind = place[end..].strip_prefix(':').unwrap_or("");
                    assert!(KINDS.contains(&kind), "{}: {form}", row.name);
                }
                // Whatever the values are, there is some text.
                let _ = (words(form, &[]), words(form, &[u32::MAX; 3]), words(form, &[0; 40]));
            }
            let most = row.asked.split('{').skip(1).filter_map(|place| place.split([':', '=', '}']).next()?.parse::<u32>().ok()).max();
            assert!(most.is_none_or(|most| 4 * (most + 1) <= row.request.max(4)), "{}: asked goes beyond the request", row.name);
        }
    }
}
