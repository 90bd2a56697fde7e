//! One picture of the screen, and PNG files.

use std::io::{self, Write};
use tayberry_engine::display::Frame;

/// A copy of what the screen shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// RGBA8, line by line.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// A picture in one colour.
    pub fn filled(width: u32, height: u32, rgb: [u8; 3]) -> Self {
        let [r, g, b] = rgb;
        Self { width, height, pixels: [r, g, b, 0xFF].repeat(width as usize * height as usize) }
    }

    /// What a screen without a signal shows: 640x480 pixels of black.
    pub fn no_signal() -> Self {
        Self::filled(640, 480, [0; 3])
    }

    /// The pixel at (`x`, `y`) without alpha; black outside.
    pub fn rgb(&self, x: u32, y: u32) -> [u8; 3] {
        if x >= self.width || y >= self.height {
            return [0; 3];
        }
        let at = (y as usize * self.width as usize + x as usize) * 4;
        [self.pixels[at], self.pixels[at + 1], self.pixels[at + 2]]
    }

    pub(crate) fn set_rgb(&mut self, x: u32, y: u32, rgb: [u8; 3]) {
        if x < self.width && y < self.height {
            let at = (y as usize * self.width as usize + x as usize) * 4;
            self.pixels[at..at + 3].copy_from_slice(&rgb);
        }
    }

    /// Writes it as a PNG file of 8-bit RGB.
    ///
    /// # Errors
    /// What writing says.
    pub fn write_png(&self, out: impl Write) -> io::Result<()> {
        let mut encoder = png::Encoder::new(out, self.width, self.height);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.set_compression(png::Compression::Fast);
        let rgb: Vec<u8> = self.pixels.chunks_exact(4).flat_map(|pixel| &pixel[..3]).copied().collect();
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&rgb)?;
        writer.finish()?;
        Ok(())
    }
}

impl From<&Frame> for Picture {
    fn from(frame: &Frame) -> Self {
        Self { width: frame.width, height: frame.height, pixels: frame.pixels.to_vec() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Width, height and RGB bytes of a PNG file.
    pub(crate) fn read_png(file: &[u8]) -> (u32, u32, Vec<u8>) {
        let mut reader = png::Decoder::new(io::Cursor::new(file)).read_info().expect("a PNG file");
        let mut pixels = vec![0; reader.output_buffer_size().expect("of a size that fits")];
        let info = reader.next_frame(&mut pixels).expect("one picture");
        assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgb, png::BitDepth::Eight));
        (info.width, info.height, pixels)
    }

    #[test]
    fn a_png_file_holds_the_colours_without_alpha() {
        let mut picture = Picture::filled(3, 2, [1, 2, 3]);
        picture.set_rgb(2, 1, [200, 100, 50]);
        let mut file = Vec::new();
        picture.write_png(&mut file).expect("memory takes it");
        let (width, height, rgb) = read_png(&file);
        assert_eq!((width, height), (3, 2));
        assert_eq!(rgb[..3], [1, 2, 3]);
        assert_eq!(rgb[15..], [200, 100, 50]);
    }

    #[test]
    fn outside_the_picture_is_black_and_writes_are_ignored() {
        let mut picture = Picture::filled(1, 1, [9; 3]);
        picture.set_rgb(1, 0, [1; 3]);
        assert_eq!(picture.rgb(0, 1), [0; 3]);
        assert_eq!(picture.rgb(0, 0), [9; 3]);
    }
}
