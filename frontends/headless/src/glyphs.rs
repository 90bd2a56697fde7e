//! Letters for labels: five by seven pixels, as many as sizes and numbers need.

use crate::picture::Picture;

/// Width of a letter with the gap after it.
pub const ADVANCE: u32 = 6;
/// Height of a letter.
pub const HEIGHT: u32 = 7;

/// Rows of a letter from the top, the leftmost pixel in bit 4; blank where there is none.
fn rows(letter: char) -> [u8; HEIGHT as usize] {
    match letter {
        '0' => [0x0E, 0x11, 0x13, 0x15, 0x19, 0x11, 0x0E],
        '1' => [0x04, 0x0C, 0x04, 0x04, 0x04, 0x04, 0x0E],
        '2' => [0x0E, 0x11, 0x01, 0x06, 0x08, 0x10, 0x1F],
        '3' => [0x1F, 0x02, 0x04, 0x06, 0x01, 0x11, 0x0E],
        '4' => [0x02, 0x06, 0x0A, 0x12, 0x1F, 0x02, 0x02],
        '5' => [0x1F, 0x10, 0x1E, 0x01, 0x01, 0x11, 0x0E],
        '6' => [0x06, 0x08, 0x10, 0x1E, 0x11, 0x11, 0x0E],
        '7' => [0x1F, 0x01, 0x02, 0x04, 0x08, 0x08, 0x08],
        '8' => [0x0E, 0x11, 0x11, 0x0E, 0x11, 0x11, 0x0E],
        '9' => [0x0E, 0x11, 0x11, 0x0F, 0x01, 0x02, 0x0C],
        'x' => [0x00, 0x00, 0x11, 0x0A, 0x04, 0x0A, 0x11],
        '.' => [0x00, 0x00, 0x00, 0x00, 0x00, 0x0C, 0x0C],
        _ => [0; HEIGHT as usize],
    }
}

/// Draws `text` with its top left corner at (`x`, `y`), each pixel a square of `scale` pixels.
pub fn draw(picture: &mut Picture, text: &str, (x, y): (u32, u32), scale: u32, rgb: [u8; 3]) {
    for (index, letter) in (0..).zip(text.chars()) {
        let left = x + index * ADVANCE * scale;
        for (row, bits) in (0..).zip(rows(letter)) {
            for column in (0..5).filter(|column| bits & (0x10 >> column) != 0) {
                for (dy, dx) in (0..scale).flat_map(|dy| (0..scale).map(move |dx| (dy, dx))) {
                    picture.set_rgb(left + column * scale + dx, y + row * scale + dy, rgb);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_differ_and_stay_in_their_cells() {
        let drawn = |letter: char| {
            let mut picture = Picture::filled(ADVANCE, HEIGHT, [0; 3]);
            draw(&mut picture, &letter.to_string(), (0, 0), 1, [255; 3]);
            assert!((0..HEIGHT).all(|y| picture.rgb(ADVANCE - 1, y) == [0; 3]), "{letter} leaves a gap");
            picture
        };
        let letters: Vec<_> = "0123456789x. ".chars().map(drawn).collect();
        for (at, letter) in letters.iter().enumerate() {
            assert!(!letters[..at].contains(letter));
        }
    }

    #[test]
    fn text_over_the_edge_is_cut_off() {
        let mut picture = Picture::filled(8, 8, [0; 3]);
        draw(&mut picture, "1280x1024", (3, 5), 3, [255; 3]);
        assert_eq!((picture.width, picture.height), (8, 8));
    }
}
