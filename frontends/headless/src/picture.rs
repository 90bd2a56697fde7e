//! One picture of the screen, and PNG files.

use std::io::{self, BufRead, Seek, Write};
use tayberry_engine::display::Frame;

/// Memory that a PNG file may ask for, and width and height that it may have: more than the largest screen.
const MOST_BYTES: usize = 1 << 30;
const MOST_MEASURE: u32 = 10_000;

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

    /// Reads a PNG file of any kind: grey levels and palettes become colours, 16 bits a channel their upper eight, and what is transparent
    /// lies over black. Of an animation it is the first picture.
    ///
    /// # Errors
    /// If it is none, or larger than any screen.
    pub fn read_png(file: impl BufRead + Seek) -> io::Result<Self> {
        let mut decoder = png::Decoder::new_with_limits(file, png::Limits { bytes: MOST_BYTES });
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let (width, height) = reader.info().size();
        let too_large = || io::Error::new(io::ErrorKind::InvalidData, format!("{width}x{height} pixels are more than any screen has"));
        if width > MOST_MEASURE || height > MOST_MEASURE {
            return Err(too_large());
        }
        let mut bytes = vec![0; reader.output_buffer_size().ok_or_else(too_large)?];
        reader.next_frame(&mut bytes)?;
        let over_black = |level: u8, alpha: u8| ((u16::from(level) * u16::from(alpha) + 127) / 255) as u8;
        let pixels = match reader.output_color_type().0 {
            png::ColorType::Grayscale => bytes.iter().flat_map(|&level| [level, level, level, 0xFF]).collect(),
            png::ColorType::GrayscaleAlpha => bytes
                .as_chunks::<2>()
                .0
                .iter()
                .map(|&[level, alpha]| over_black(level, alpha))
                .flat_map(|level| [level, level, level, 0xFF])
                .collect(),
            png::ColorType::Rgba => bytes
                .as_chunks::<4>()
                .0
                .iter()
                .flat_map(|&[red, green, blue, alpha]| [over_black(red, alpha), over_black(green, alpha), over_black(blue, alpha), 0xFF])
                .collect(),
            // The transformation leaves no palette.
            png::ColorType::Rgb | png::ColorType::Indexed => {
                bytes.as_chunks::<3>().0.iter().flat_map(|&[red, green, blue]| [red, green, blue, 0xFF]).collect()
            }
        };
        Ok(Self { width, height, pixels })
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

    /// A PNG file of such pixels.
    fn png_file(size: (u32, u32), color: png::ColorType, depth: png::BitDepth, palette: &[u8], data: &[u8]) -> Vec<u8> {
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, size.0, size.1);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if !palette.is_empty() {
            encoder.set_palette(palette);
        }
        let mut writer = encoder.write_header().expect("memory");
        writer.write_image_data(data).expect("memory");
        drop(writer);
        file
    }

    #[test]
    fn pictures_of_every_kind_are_read() {
        use png::{BitDepth, ColorType};
        let read = |color, depth, palette: &[u8], data: &[u8]| {
            let picture = Picture::read_png(io::Cursor::new(png_file((2, 1), color, depth, palette, data))).expect("a picture");
            assert_eq!((picture.width, picture.height), (2, 1));
            assert!(picture.pixels.chunks(4).all(|pixel| pixel[3] == 0xFF));
            [picture.rgb(0, 0), picture.rgb(1, 0)]
        };
        assert_eq!(read(ColorType::Grayscale, BitDepth::One, &[], &[0x40]), [[0; 3], [0xFF; 3]]);
        assert_eq!(read(ColorType::Grayscale, BitDepth::Two, &[], &[0x90]), [[0xAA; 3], [0x55; 3]]);
        assert_eq!(read(ColorType::Grayscale, BitDepth::Four, &[], &[0x1F]), [[0x11; 3], [0xFF; 3]]);
        assert_eq!(read(ColorType::Grayscale, BitDepth::Eight, &[], &[7, 8]), [[7; 3], [8; 3]]);
        assert_eq!(read(ColorType::Grayscale, BitDepth::Sixteen, &[], &[7, 7, 8, 0xFF]), [[7; 3], [8; 3]]);
        let palette = [9, 9, 9, 1, 2, 3, 4, 5, 6, 7, 7, 7];
        assert_eq!(read(ColorType::Indexed, BitDepth::Two, &palette, &[0x60]), [[1, 2, 3], [4, 5, 6]]);
        assert_eq!(read(ColorType::Indexed, BitDepth::Eight, &palette, &[2, 0]), [[4, 5, 6], [9; 3]]);
        assert_eq!(read(ColorType::Rgb, BitDepth::Eight, &[], &[1, 2, 3, 4, 5, 6]), [[1, 2, 3], [4, 5, 6]]);
        let wide = [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6];
        assert_eq!(read(ColorType::Rgb, BitDepth::Sixteen, &[], &wide), [[1, 2, 3], [4, 5, 6]]);
        assert_eq!(read(ColorType::Rgba, BitDepth::Eight, &[], &[1, 2, 3, 255, 255, 100, 0, 128]), [[1, 2, 3], [128, 50, 0]]);
        assert_eq!(read(ColorType::GrayscaleAlpha, BitDepth::Eight, &[], &[200, 255, 200, 0]), [[200; 3], [0; 3]]);
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        Picture::read_png(io::Cursor::new(b"P6 1 1 255 abc")).expect_err("no PNG");
        let good = png_file((2, 1), png::ColorType::Grayscale, png::BitDepth::Eight, &[], &[1, 2]);
        Picture::read_png(io::Cursor::new(&good[..good.len() - 20])).expect_err("cut off");
        let mut vast = good;
        vast[16..20].copy_from_slice(&0x7FFF_FFFF_u32.to_be_bytes());
        Picture::read_png(io::Cursor::new(vast)).expect_err("more than fits");
    }

    #[test]
    fn outside_the_picture_is_black_and_writes_are_ignored() {
        let mut picture = Picture::filled(1, 1, [9; 3]);
        picture.set_rgb(1, 0, [1; 3]);
        assert_eq!(picture.rgb(0, 1), [0; 3]);
        assert_eq!(picture.rgb(0, 0), [9; 3]);
    }
}
