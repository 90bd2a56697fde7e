//! Controls of byte shuffles that work within quarters of a stripe, and so for both sets of kernels.

use super::digest::STRIPE;

/// Exchanges red and blue.
pub(super) const SWAPPED: [u8; STRIPE] = ordered([2, 1, 0]);

/// Brings red, green and blue to their places, of which each was the byte of a pixel that `order` says. Alpha stays.
const fn ordered(order: [u8; 3]) -> [u8; STRIPE] {
    let mut control = [0; STRIPE];
    let mut at = 0;
    while at < STRIPE {
        control[at] = (at % 16 / 4 * 4) as u8 + if at % 4 < 3 { order[at % 4] } else { 3 };
        at += 1;
    }
    control
}

/// Controls of byte shuffles that make half-words of the components, and of the alpha of each, of the two lower and the two upper pixels of each quarter.
pub(super) struct BlendTable {
    pub(super) components: [[u8; STRIPE]; 2],
    pub(super) alphas: [[u8; STRIPE]; 2],
    /// Brings components to their places as they are.
    pub(super) order: [u8; STRIPE],
}

impl BlendTable {
    /// Which byte of a pixel is red, green, blue.
    pub(super) const fn new(order: [u8; 3]) -> Self {
        /// Makes a byte of zeros.
        const ZERO: u8 = 0x80;
        let mut table = Self { components: [[ZERO; STRIPE]; 2], alphas: [[ZERO; STRIPE]; 2], order: ordered(order) };
        let mut at = 0;
        while at < STRIPE {
            let component = at % 8 / 2;
            let mut half = 0;
            while half < 2 {
                let pixel = (half * 8 + at % 16 / 8 * 4) as u8;
                table.components[half][at] = pixel + if component < 3 { order[component] } else { 3 };
                table.alphas[half][at] = pixel + 3;
                half += 1;
            }
            at += 2;
        }
        table
    }
}
