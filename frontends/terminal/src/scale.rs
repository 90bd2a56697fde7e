//! Pictures in another size.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use std::borrow::Cow;

/// A picture: RGBA8, line by line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pixels {
    /// Pixels in a line.
    pub width: u32,
    /// Lines.
    pub height: u32,
    /// The bytes.
    pub rgba: Vec<u8>,
}

impl Pixels {
    /// Takes a copy, in the memory that is there.
    pub fn copy(&mut self, (width, height): (u32, u32), rgba: &[u8]) {
        (self.width, self.height) = (width, height);
        self.rgba.clear();
        self.rgba.extend_from_slice(rgba);
    }

    /// The colour at (`x`, `y`); black outside.
    pub fn rgb(&self, x: u32, y: u32) -> [u8; 3] {
        let at = (y as usize * self.width as usize + x as usize) * 4;
        match self.rgba.get(at..at + 3) {
            Some(&[r, g, b]) if x < self.width => [r, g, b],
            _ => [0; 3],
        }
    }
}

/// Makes pictures smaller by the average of the area that a pixel covers, and larger by repeating pixels.
#[derive(Debug, Default)]
pub struct Scaler(Resizer);

impl Scaler {
    /// `pixels` in `size`.
    pub fn scale<'a>(&mut self, pixels: &'a Pixels, size: (u32, u32)) -> Cow<'a, Pixels> {
        if (pixels.width, pixels.height) == size {
            return Cow::Borrowed(pixels);
        }
        let mut scaled = Image::new(size.0, size.1, PixelType::U8x4);
        let grows = size.0 > pixels.width && size.1 > pixels.height;
        let algorithm = if grows { ResizeAlg::Nearest } else { ResizeAlg::Convolution(FilterType::Box) };
        let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
        // A picture without pixels stays black.
        if let Ok(from) = ImageRef::new(pixels.width, pixels.height, &pixels.rgba, PixelType::U8x4) {
            let _ = self.0.resize(&from, &mut scaled, &options);
        }
        Cow::Owned(Pixels { width: size.0, height: size.1, rgba: scaled.into_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smaller_is_the_average_of_the_area_and_larger_repeats() {
        let pixels = Pixels { width: 4, height: 2, rgba: [[0, 0, 0, 255], [100, 50, 200, 255]].repeat(4).concat() };
        let mut scaler = Scaler::default();
        let small = scaler.scale(&pixels, (2, 1));
        assert_eq!((small.rgb(0, 0), small.rgb(1, 0), small.rgb(2, 0)), ([50, 25, 100], [50, 25, 100], [0; 3]));
        let large = scaler.scale(&pixels, (8, 4));
        assert_eq!([large.rgb(1, 0), large.rgb(2, 3), large.rgb(3, 1), large.rgb(4, 0)], [[0; 3], [100, 50, 200], [100, 50, 200], [0; 3]]);
        assert!(matches!(scaler.scale(&pixels, (4, 2)), Cow::Borrowed(_)));
        assert_eq!(scaler.scale(&Pixels::default(), (3, 3)).rgb(1, 1), [0; 3]);
    }
}
