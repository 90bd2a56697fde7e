//! The EDID block of the monitor that the machine has: one whose preferred mode is the configured screen, at 60 Hz.
//!
//! # Resources
//! VESA Enhanced EDID Standard 1.3; VESA Coordinated Video Timings 1.1 (reduced blanking).

/// Bytes of a block.
pub const BLOCK: usize = 128;
/// Blanking columns of reduced blanking: front porch 48, sync 32, back porch 80.
const H_BLANK: u32 = 160;
/// Frames a second.
const RATE: u32 = 60;
/// Least vertical blanking in microseconds.
const MIN_V_BLANK_US: u32 = 460;
/// Lines between the picture and the vertical sync.
const V_FRONT: u32 = 3;
/// Lines of the vertical sync.
const V_SYNC: u32 = 5;
/// Largest picture that a detailed timing can describe.
const MAX: u32 = 4095;

/// A mode with reduced blanking.
struct Timing {
    size: (u32, u32),
    v_blank: u32,
}

impl Timing {
    fn new((width, height): (u32, u32)) -> Self {
        let size = (width.clamp(1, MAX), height.clamp(1, MAX));
        // blanking = lines * time of blanking / time of the picture
        let v_blank = MIN_V_BLANK_US * RATE * size.1 / (1_000_000 - MIN_V_BLANK_US * RATE) + 1;
        Self { size, v_blank: v_blank.max(V_FRONT + V_SYNC + 6) }
    }

    fn pixel_rate(&self) -> u32 {
        (self.size.0 + H_BLANK) * (self.size.1 + self.v_blank) * RATE
    }

    /// Detailed timing descriptor (EDID 1.3, 3.10.2).
    fn descriptor(&self) -> [u8; 18] {
        let ((width, height), v_blank) = (self.size, self.v_blank);
        let rate = (self.pixel_rate() / 10_000).min(0xffff) as u16;
        // At 96 dots an inch.
        let (width_mm, height_mm) = (width * 254 / 960, height * 254 / 960);
        let high = |a: u32, b: u32| (a >> 8 << 4 | b >> 8) as u8;
        let [rate_low, rate_high] = rate.to_le_bytes();
        [
            rate_low,
            rate_high,
            width as u8,
            H_BLANK as u8,
            high(width, H_BLANK),
            height as u8,
            v_blank as u8,
            high(height, v_blank),
            48,
            32,
            (V_FRONT << 4 | V_SYNC) as u8,
            0,
            width_mm as u8,
            height_mm as u8,
            high(width_mm, height_mm),
            0,
            0,
            // Digital separate sync, horizontal positive, vertical negative.
            0x1a,
        ]
    }
}

/// Pixel clock of a screen in hertz.
pub fn pixel_rate(screen: (u32, u32)) -> u32 {
    Timing::new(screen).pixel_rate()
}

/// Descriptor of text: type `kind`, at most 13 characters.
fn text(kind: u8, text: &str) -> [u8; 18] {
    let mut descriptor = [b' '; 18];
    descriptor[..5].copy_from_slice(&[0, 0, 0, kind, 0]);
    for (to, from) in descriptor[5..].iter_mut().zip(text.bytes().chain([b'\n'])) {
        *to = from;
    }
    descriptor
}

/// Block 0, the only one.
pub fn block(screen: (u32, u32)) -> [u8; BLOCK] {
    let mut edid = [0; BLOCK];
    edid[..8].copy_from_slice(&[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0]);
    // Manufacturer "TAY" in five bits a letter; product 1; serial 1; made in week 1 of 2026; version 1.3.
    let letters = b"TAY".iter().fold(0u16, |word, letter| word << 5 | u16::from(letter - b'@'));
    edid[8..10].copy_from_slice(&letters.to_be_bytes());
    edid[10..20].copy_from_slice(&[1, 0, 1, 0, 0, 0, 1, 36, 1, 3]);
    // Digital; size in centimetres; gamma 2.2; RGB with sRGB as default, preferred mode first.
    let cm = |pixels: u32| (pixels * 254 / 9600).min(255) as u8;
    edid[20..25].copy_from_slice(&[0x80, cm(screen.0.min(MAX)), cm(screen.1.min(MAX)), 120, 0x0e]);
    // Chromaticity of sRGB.
    edid[25..35].copy_from_slice(&[0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]);
    // Established timings: 640x480, 800x600 and 1024x768 at 60 Hz; no standard timings.
    edid[35..38].copy_from_slice(&[0x21, 0x08, 0]);
    edid[38..54].fill(1);
    edid[54..72].copy_from_slice(&Timing::new(screen).descriptor());
    edid[72..90].copy_from_slice(&text(0xfc, "Tayberry"));
    edid[90..108].copy_from_slice(&text(0xff, "1"));
    // Range limits: 50 to 75 Hz, 30 to 140 kHz, 340 MHz.
    edid[108..126].copy_from_slice(&[0, 0, 0, 0xfd, 0, 50, 75, 30, 140, 34, 0, 10, 32, 32, 32, 32, 32, 32]);
    let sum = edid.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte));
    edid[127] = sum.wrapping_neg();
    edid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_block_is_well_formed_and_prefers_the_screen() {
        for screen in [(640, 480), (1024, 768), (1920, 1080), (3840, 2160), (1, 1), (u32::MAX, u32::MAX)] {
            let edid = block(screen);
            assert_eq!(edid.iter().fold(0u8, |sum, &byte| sum.wrapping_add(byte)), 0, "checksum");
            let width = u32::from(edid[56]) | u32::from(edid[58] >> 4) << 8;
            let height = u32::from(edid[59]) | u32::from(edid[61] >> 4) << 8;
            assert_eq!((width, height), (screen.0.clamp(1, 4095), screen.1.clamp(1, 4095)));
        }
    }

    #[test]
    fn the_timing_is_that_of_the_standard() {
        // CVT-RB 1920x1080 at 60 Hz: 138.5 MHz, 2080 by 1111.
        let timing = Timing::new((1920, 1080));
        assert_eq!((timing.v_blank, timing.pixel_rate() / 500_000), (31, 277));
    }
}
