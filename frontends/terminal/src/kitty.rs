//! Pictures by Kitty's graphics protocol: RGB, deflated, in base64, in pieces of 4096 bytes.
//!
//! Two picture numbers take turns: the new picture is there before the old one goes, so nothing flickers.
//!
//! # Resources
//! - Kitty, "Terminal graphics protocol": control data keys, chunks, deletion.

use crate::scale::Pixels;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use std::io::{self, Write};

/// Most payload bytes of a command.
const PIECE: usize = 4096;
/// Pictures are numbered from here: other programs' should stay.
const FIRST: u32 = 0x7A61;

/// Asks whether the terminal would take a picture; a terminal that does not know the protocol says nothing.
pub const QUERY: &[u8] = b"\x1b_Gi=31329,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\";
/// Removes our pictures and frees them.
pub const REMOVE: &[u8] = b"\x1b_Ga=d,d=I,i=31329,q=2\x1b\\\x1b_Ga=d,d=I,i=31330,q=2\x1b\\";

/// The pictures that a terminal has of us.
#[derive(Debug, Default)]
pub struct Kitty {
    /// Number of the picture that is shown, less [`FIRST`].
    shown: Option<u32>,
}

impl Kitty {
    /// Shows `pixels` at the cursor, over that many cells, in place of the picture before.
    ///
    /// # Errors
    /// What writing says.
    pub fn show(&mut self, out: &mut Vec<u8>, pixels: &Pixels, (columns, rows): (u16, u16)) -> io::Result<()> {
        let number = self.shown.map_or(0, |shown| 1 - shown);
        let payload = STANDARD.encode(deflated(pixels)?);
        let mut pieces = payload.as_bytes().chunks(PIECE).peekable();
        let (width, height, id) = (pixels.width, pixels.height, FIRST + number);
        write!(out, "\x1b_Ga=T,f=24,t=d,o=z,s={width},v={height},i={id},p=1,c={columns},r={rows},C=1,q=2,")?;
        while let Some(piece) = pieces.next() {
            write!(out, "m={};", u8::from(pieces.peek().is_some()))?;
            out.extend_from_slice(piece);
            out.extend_from_slice(b"\x1b\\");
            if pieces.peek().is_some() {
                out.extend_from_slice(b"\x1b_Gq=2,");
            }
        }
        if let Some(old) = self.shown {
            write!(out, "\x1b_Ga=d,d=I,i={},q=2\x1b\\", FIRST + old)?;
        }
        self.shown = Some(number);
        Ok(())
    }

    /// Removes the picture.
    pub fn clear(&mut self, out: &mut Vec<u8>) {
        if self.shown.take().is_some() {
            out.extend_from_slice(REMOVE);
        }
    }
}

fn deflated(pixels: &Pixels) -> io::Result<Vec<u8>> {
    let rgb: Vec<u8> = pixels.rgba.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&rgb)?;
    encoder.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    /// The commands in `bytes`: control data and payload.
    fn commands(bytes: &[u8]) -> Vec<(String, String)> {
        let text = std::str::from_utf8(bytes).expect("text");
        let commands = text.split_terminator("\x1b\\").map(|command| command.strip_prefix("\x1b_G").expect("a command"));
        commands.map(|command| command.split_once(';').unwrap_or((command, ""))).map(|(a, b)| (a.into(), b.into())).collect()
    }

    #[test]
    fn a_picture_comes_out_as_it_went_in() {
        let mut seed = 7u32;
        let rgba: Vec<u8> = (0..200 * 100)
            .flat_map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                [(seed >> 24) as u8, (seed >> 16) as u8, (seed >> 8) as u8, 0xFF]
            })
            .collect();
        let pixels = Pixels { width: 200, height: 100, rgba };
        let (mut kitty, mut out) = (Kitty::default(), Vec::new());
        kitty.show(&mut out, &pixels, (20, 5)).expect("memory takes it");
        let sent = commands(&out);
        assert!(sent.len() > 2, "in pieces");
        assert!(sent[0].0.starts_with("a=T,f=24,t=d,o=z,s=200,v=100,i=31329,p=1,c=20,r=5,C=1,q=2,m=1"), "{}", sent[0].0);
        assert!(sent.iter().all(|(_, payload)| payload.len() <= PIECE));
        assert!(sent[..sent.len() - 1].iter().all(|(control, _)| control.ends_with("m=1")) && sent[sent.len() - 1].0 == "q=2,m=0");
        let payload: String = sent.iter().map(|(_, payload)| payload.as_str()).collect();
        let deflated = STANDARD.decode(payload).expect("base64");
        let mut rgb = Vec::new();
        flate2::read::ZlibDecoder::new(&deflated[..]).read_to_end(&mut rgb).expect("deflated");
        let expected: Vec<u8> = pixels.rgba.chunks_exact(4).flat_map(|pixel| pixel[..3].to_vec()).collect();
        assert!(rgb == expected);
    }

    #[test]
    fn pictures_take_turns() {
        let pixels = Pixels { width: 1, height: 1, rgba: vec![1, 2, 3, 255] };
        let (mut kitty, mut out) = (Kitty::default(), Vec::new());
        kitty.show(&mut out, &pixels, (1, 1)).expect("memory");
        out.clear();
        kitty.show(&mut out, &pixels, (1, 1)).expect("memory");
        let sent = commands(&out);
        assert!(sent[0].0.contains("i=31330,") && sent[1].0 == "a=d,d=I,i=31329,q=2", "{sent:?}");
        out.clear();
        kitty.clear(&mut out);
        assert_eq!(out, REMOVE);
        out.clear();
        kitty.clear(&mut out);
        assert!(out.is_empty());
        assert!(
            std::str::from_utf8(REMOVE)
                .is_ok_and(|text| text.contains(&format!("i={FIRST},")) && text.contains(&format!("i={}", FIRST + 1)))
        );
    }
}
