//! Mailbox channel 1: the frame buffer interface of the first firmware, one structure of ten words.
//!
//! # Resources
//! Raspberry Pi firmware wiki, "Mailbox framebuffer interface".

use super::geometry::{MAX_PHYSICAL, MAX_VIRTUAL, size_is_supported};
use super::{Framebuffer, Stage, Wish};
use crate::mailbox::{in_ram, physical_to_bus};
use tayberry_engine::GuestRam;
use tayberry_engine::display::Depth;

/// Words of the structure.
const WORDS: usize = 10;
/// The words, in order.
const WIDTH: usize = 0;
const HEIGHT: usize = 1;
const VIRTUAL_WIDTH: usize = 2;
const VIRTUAL_HEIGHT: usize = 3;
const PITCH: usize = 4;
const DEPTH: usize = 5;
const X_OFFSET: usize = 6;
const Y_OFFSET: usize = 7;
const POINTER: usize = 8;
const SIZE: usize = 9;

/// Answer where everything is well.
pub const SUCCESS: u32 = 0;
/// Answer (of 28 bits, in the upper ones) where nothing was changed.
const FAILURE: u32 = 0x8000_0010;

/// The structure at bus address `address`, if it lies in RAM.
pub fn read(ram: &GuestRam, address: u32) -> Option<[u32; WORDS]> {
    Some(words_at(ram, in_ram(ram, address, 4 * WORDS as u64)?))
}

fn words_at(ram: &GuestRam, base: u64) -> [u32; WORDS] {
    std::array::from_fn(|at| ram.read_u32(base + 4 * at as u64).unwrap_or(0))
}

/// Serves the structure at bus address `address`. What the reply carries in its upper 28 bits: zero if it was a success.
pub fn serve(framebuffer: &mut Framebuffer, address: u32, stage: &mut Stage<'_>) -> u32 {
    let Some(base) = in_ram(stage.ram, address, 4 * WORDS as u64) else {
        tracing::debug!(target: "framebuffer", "channel 1: no structure in RAM at bus address {address:#010x}");
        return FAILURE;
    };
    let mut words = words_at(stage.ram, base);
    let code = apply(framebuffer, &mut words, stage);
    if code == SUCCESS {
        for (at, word) in words.into_iter().enumerate() {
            stage.ram.write_u32(base + 4 * at as u64, word);
        }
    }
    code
}

fn apply(framebuffer: &mut Framebuffer, words: &mut [u32; WORDS], stage: &mut Stage<'_>) -> u32 {
    let physical = (words[WIDTH], words[HEIGHT]);
    // A size of zero follows the screen's.
    let or_screen = |word: u32, screen: u32| if word == 0 { screen } else { word };
    let virtual_size = (or_screen(words[VIRTUAL_WIDTH], physical.0), or_screen(words[VIRTUAL_HEIGHT], physical.1));
    let depth = Depth::from_bits(words[DEPTH]);
    let (Some(depth), true, true) = (depth, size_is_supported(physical, MAX_PHYSICAL), size_is_supported(virtual_size, MAX_VIRTUAL)) else {
        tracing::debug!(target: "framebuffer", "channel 1: {words:?} is not supported");
        return FAILURE;
    };
    let mut edit = framebuffer.edit();
    edit.settings.physical = physical;
    edit.settings.virtual_size = Some(virtual_size);
    edit.settings.depth = depth;
    edit.settings.pitch = None;
    edit.settings.offset = (words[X_OFFSET], words[Y_OFFSET]);
    edit.allocate = Some(Wish { alignment: 0, size: 0 });
    framebuffer.commit(edit, stage);
    let Some((base, size)) = framebuffer.allocated() else {
        return FAILURE;
    };
    let (settings, geometry) = (framebuffer.settings(), framebuffer.settings().geometry());
    (words[VIRTUAL_WIDTH], words[VIRTUAL_HEIGHT]) = geometry.virtual_size;
    (words[X_OFFSET], words[Y_OFFSET]) = settings.offset;
    words[PITCH] = geometry.pitch;
    words[POINTER] = physical_to_bus(base);
    words[SIZE] = size as u32;
    SUCCESS
}
