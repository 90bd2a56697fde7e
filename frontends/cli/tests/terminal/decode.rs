//! Pictures out of what a terminal was sent.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Read;

/// Width, height and RGB bytes.
pub type Rgb = (usize, usize, Vec<u8>);

/// The value of a key in Kitty's control data.
fn value(control: &str, key: &str) -> Option<usize> {
    control.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('=')?.parse().ok())
}

/// The last complete picture by Kitty's protocol.
pub fn kitty(sent: &[u8]) -> Option<Rgb> {
    let text = String::from_utf8_lossy(sent);
    let (mut last, mut open) = (None, None::<(usize, usize, String)>);
    let (complete, _) = text.rsplit_once("\x1b\\")?;
    for command in complete.split("\x1b_G").skip(1) {
        let Some((command, _)) = command.split_once("\x1b\\").or(Some((command, ""))) else { continue };
        let Some((control, payload)) = command.split_once(';') else { continue };
        if control.starts_with("a=T") {
            open = Some((value(control, "s")?, value(control, "v")?, String::new()));
        } else if control.starts_with("a=") {
            continue;
        }
        let Some((width, height, all)) = &mut open else { continue };
        all.push_str(payload);
        if value(control, "m") == Some(0) {
            let mut rgb = Vec::new();
            flate2::read::ZlibDecoder::new(&STANDARD.decode(&*all).expect("base64")[..]).read_to_end(&mut rgb).expect("deflated");
            assert_eq!(rgb.len(), *width * *height * 3);
            last = Some((*width, *height, rgb));
            open = None;
        }
    }
    last
}

fn number(bytes: &mut &[u8]) -> usize {
    let end = bytes.iter().position(|byte| !byte.is_ascii_digit()).expect("something follows");
    let (digits, rest) = bytes.split_at(end);
    *bytes = rest;
    std::str::from_utf8(digits).expect("digits").parse().expect("a number")
}

fn numbers(bytes: &mut &[u8]) -> Vec<usize> {
    let mut all = vec![number(bytes)];
    while let Some(rest) = bytes.strip_prefix(b";") {
        *bytes = rest;
        all.push(number(bytes));
    }
    all
}

/// The last complete picture of sixels.
pub fn sixels(sent: &[u8]) -> Option<Rgb> {
    let find = |from: usize, what: &[u8]| Some(from + sent[from..].windows(what.len()).position(|window| window == what)?);
    let (mut from, mut last) = (0, None);
    while let Some(start) = find(from, b"\x1bP0;1;0q\"") {
        let Some(end) = find(start, b"\x1b\\") else { break };
        last = Some(decode(&sent[start + 9..end]));
        from = end;
    }
    last
}

fn decode(mut bytes: &[u8]) -> Rgb {
    let raster = numbers(&mut bytes);
    let (width, height) = (raster[2], raster[3]);
    let mut rgb = vec![0; width * height * 3];
    let mut palette = [[0u8; 3]; 256];
    let (mut x, mut y, mut colour) = (0, 0, 0);
    while let Some((&command, rest)) = bytes.split_first() {
        bytes = rest;
        let (mut count, mut sixel) = (1, command);
        match command {
            b'#' => {
                let given = numbers(&mut bytes);
                colour = given[0];
                if given.len() == 5 {
                    palette[colour] = [given[2], given[3], given[4]].map(|percent| ((percent * 255 + 50) / 100) as u8);
                }
                continue;
            }
            b'$' | b'-' => {
                (x, y) = (0, y + if command == b'-' { 6 } else { 0 });
                continue;
            }
            b'!' => {
                count = number(&mut bytes);
                sixel = bytes[0];
                bytes = &bytes[1..];
            }
            _ => {}
        }
        for _ in 0..count {
            for row in (0..6).filter(|row| (sixel - b'?') >> row & 1 == 1) {
                let at = ((y + row) * width + x) * 3;
                rgb[at..at + 3].copy_from_slice(&palette[colour]);
            }
            x += 1;
        }
    }
    (width, height, rgb)
}
