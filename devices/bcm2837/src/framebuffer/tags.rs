//! The frame buffer's tags of the property channel. Set tags edit; all are answered from what is in effect when the message is committed.

use super::geometry::{self, MAX_PHYSICAL, MAX_VIRTUAL, size_is_supported};
use super::{Edit, Framebuffer, Settings, Wish};
use crate::mailbox::physical_to_bus;
use crate::property::{Reply, Request};
use std::sync::Arc;
use tayberry_engine::display::{Alpha, Depth, Overscan, PixelOrder};

/// Palette tags: everything is well.
const VALID: u32 = 0;
/// Palette tags: nothing was changed.
const INVALID: u32 = 1;

/// Allocate buffer (0x00040001).
pub fn set_allocate(edit: &mut Edit, request: &Request<'_>) {
    edit.allocate = Some(Wish { alignment: request.word(0), size: request.word(1) });
}

/// Answers a base address and size.
pub fn get_allocation(framebuffer: &Framebuffer, _: &Request<'_>, reply: &mut Reply) {
    let (base, size) = framebuffer.allocated().map_or((0, 0), |(base, size)| (physical_to_bus(base), size as u32));
    reply.words(&[base, size]);
}

/// Release buffer (0x00048001).
pub fn set_release(edit: &mut Edit, _: &Request<'_>) {
    edit.release = true;
    edit.allocate = None;
}

/// Answers nothing.
pub fn get_nothing(_: &Framebuffer, _: &Request<'_>, _: &mut Reply) {}

/// Changes nothing.
pub fn set_nothing(_: &mut Edit, _: &Request<'_>) {}

/// Blank screen (0x00040002).
pub fn set_blank(edit: &mut Edit, request: &Request<'_>) {
    edit.settings.blank = request.word(0) & 1 != 0;
}

/// Answers the blank state.
pub fn get_blank(framebuffer: &Framebuffer, _: &Request<'_>, reply: &mut Reply) {
    reply.words(&[framebuffer.settings().blank.into()]);
}

/// A setting's tags: how a request changes settings (an unsupported one does not), and how they are answered.
struct Setting {
    set: fn(&mut Settings, &Request<'_>),
    get: fn(&Settings, &mut Reply),
}

impl Setting {
    fn test(&self, framebuffer: &Framebuffer, request: &Request<'_>, reply: &mut Reply) {
        let mut settings = framebuffer.settings().clone();
        (self.set)(&mut settings, request);
        settings.settle();
        (self.get)(&settings, reply);
    }
}

/// The three functions behind a setting's get, test and set tags.
macro_rules! setting {
    ($setting:ident, $get:ident, $test:ident, $set:ident, $what:literal) => {
        #[doc = concat!("Answers ", $what, ".")]
        pub fn $get(framebuffer: &Framebuffer, _: &Request<'_>, reply: &mut Reply) {
            ($setting.get)(framebuffer.settings(), reply);
        }
        #[doc = concat!("Answers what ", $what, " would become.")]
        pub fn $test(framebuffer: &Framebuffer, request: &Request<'_>, reply: &mut Reply) {
            $setting.test(framebuffer, request, reply);
        }
        #[doc = concat!("Sets ", $what, ".")]
        pub fn $set(edit: &mut Edit, request: &Request<'_>) {
            ($setting.set)(&mut edit.settings, request);
        }
    };
}

const PHYSICAL: Setting = Setting {
    set: |settings, request| {
        let size = (request.word(0), request.word(1));
        if size_is_supported(size, MAX_PHYSICAL) {
            settings.physical = size;
            settings.pitch = None;
        }
    },
    get: |settings, reply| reply.words(&[settings.physical.0, settings.physical.1]),
};
setting!(PHYSICAL, get_physical, test_physical, set_physical, "the screen's width and height");

const VIRTUAL: Setting = Setting {
    set: |settings, request| {
        let size = (request.word(0), request.word(1));
        if size_is_supported(size, MAX_VIRTUAL) {
            settings.virtual_size = Some(size);
            settings.pitch = None;
        }
    },
    get: |settings, reply| {
        let (width, height) = settings.geometry().virtual_size;
        reply.words(&[width, height]);
    },
};
setting!(VIRTUAL, get_virtual, test_virtual, set_virtual, "the buffer's width and height");

const DEPTH: Setting = Setting {
    set: |settings, request| {
        if let Some(depth) = Depth::from_bits(request.word(0)) {
            settings.depth = depth;
            settings.pitch = None;
        }
    },
    get: |settings, reply| reply.words(&[settings.depth.bits()]),
};
setting!(DEPTH, get_depth, test_depth, set_depth, "the bits per pixel");

// Honoured, as by QEMU and by firmware on most boards; that of 2019 and 2020 answered BGR to anything (raspberrypi/firmware#1320). U-Boot asks for RGB
// and paints BGR, so that its logo has red and blue exchanged here as it has on a board.
const ORDER: Setting = Setting {
    set: |settings, request| match request.word(0) {
        0 => settings.order = Some(PixelOrder::Bgr),
        1 => settings.order = Some(PixelOrder::Rgb),
        _ => {}
    },
    get: |settings, reply| reply.words(&[(settings.order() == PixelOrder::Rgb).into()]),
};
setting!(ORDER, get_order, test_order, set_order, "the pixel order");

const ALPHA: Setting = Setting {
    set: |settings, request| match request.word(0) {
        0 => settings.alpha = Alpha::Opaque0,
        1 => settings.alpha = Alpha::Transparent0,
        2 => settings.alpha = Alpha::Ignored,
        _ => {}
    },
    get: |settings, reply| {
        reply.words(&[match settings.alpha {
            Alpha::Opaque0 => 0,
            Alpha::Transparent0 => 1,
            Alpha::Ignored => 2,
        }]);
    },
};
setting!(ALPHA, get_alpha, test_alpha, set_alpha, "the alpha mode");

const OFFSET: Setting = Setting {
    set: |settings, request| settings.offset = (request.word(0), request.word(1)),
    get: |settings, reply| reply.words(&[settings.offset.0, settings.offset.1]),
};
setting!(OFFSET, get_offset, test_offset, set_offset, "the screen's place in the buffer");

const OVERSCAN: Setting = Setting {
    set: |settings, request| {
        let [top, bottom, left, right] = std::array::from_fn(|at| request.word(at));
        let overscan = Overscan { top, bottom, left, right };
        if geometry::overscan_is_supported(overscan, settings.physical) {
            settings.overscan = overscan;
        }
    },
    get: |settings, reply| {
        let Overscan { top, bottom, left, right } = settings.overscan;
        reply.words(&[top, bottom, left, right]);
    },
};
setting!(OVERSCAN, get_overscan, test_overscan, set_overscan, "the borders");

const LAYER: Setting = Setting {
    set: |settings, request| settings.layer = request.word(0) as i32,
    get: |settings, reply| reply.words(&[settings.layer as u32]),
};
setting!(LAYER, get_layer, test_layer, set_layer, "the display layer");

/// Answers a transform of zero, the only one there is: none.
pub fn get_transform(_: &Framebuffer, _: &Request<'_>, reply: &mut Reply) {
    reply.words(&[0]);
}

/// Get pitch (0x00040008).
pub fn get_pitch(framebuffer: &Framebuffer, _: &Request<'_>, reply: &mut Reply) {
    reply.words(&[framebuffer.pitch()]);
}

/// Set pitch (0x00048008).
pub fn set_pitch(edit: &mut Edit, request: &Request<'_>) {
    if geometry::pitch_is_supported(request.word(0)) {
        edit.settings.pitch = Some(request.word(0));
    }
}

/// Get palette (0x0004000b).
pub fn get_palette(framebuffer: &Framebuffer, _: &Request<'_>, reply: &mut Reply) {
    reply.words(&framebuffer.settings().palette[..]);
}

// Entries keep all their bits, 0xAABBGGRR, as the wiki and QEMU have it, and are not touched by the pixel order: Linux's driver writes them with red in
// the low byte with either. Firmware that was looked at keeps 5, 6 and 5 bits of them (raspberrypi/linux#1026: 0x0a was read
// back as 0x08); no kernel depends on that.

/// The entries that a palette request sets and where they go, if it is valid.
fn palette_request<'a>(request: &Request<'a>) -> Option<(usize, &'a [u32])> {
    let (offset, length) = (request.word(0) as usize, request.word(1) as usize);
    let entries = request.words().get(2..)?.get(..length)?;
    (length > 0 && offset.checked_add(length)? <= 256).then_some((offset, entries))
}

/// Set palette (0x0004800b).
pub fn set_palette(edit: &mut Edit, request: &Request<'_>) {
    if let Some((offset, entries)) = palette_request(request)
        && edit.settings.palette[offset..][..entries.len()] != *entries
    {
        Arc::make_mut(&mut edit.settings.palette)[offset..][..entries.len()].copy_from_slice(entries);
    }
}

/// Answers whether a palette request was valid.
pub fn get_palette_validity(_: &Framebuffer, request: &Request<'_>, reply: &mut Reply) {
    reply.words(&[if palette_request(request).is_some() { VALID } else { INVALID }]);
}

/// Get display settings (0x00040014) of a display by number: ten words.
pub fn get_display_settings(framebuffer: &Framebuffer, request: &Request<'_>, reply: &mut Reply) {
    let settings = framebuffer.settings();
    let geometry = settings.geometry();
    let base = framebuffer.base_and_size().map_or(0, |(base, _)| physical_to_bus(base));
    reply.words(&[
        request.word(0),
        geometry.physical.0,
        geometry.physical.1,
        geometry.depth.bits(),
        geometry.pitch,
        geometry.virtual_size.0,
        geometry.virtual_size.1,
        settings.offset.0,
        settings.offset.1,
        base,
    ]);
}
