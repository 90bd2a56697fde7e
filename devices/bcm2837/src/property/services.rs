//! Tags for services of the firmware: displays, cursor, shared buffers, notices; and those that there is nobody behind, which are refused in the
//! way their callers understand.

use super::{Context, Firmware, Reply, Request};
use crate::mailbox::in_ram;
use serde::{Deserialize, Serialize};

/// Cursor tags: done.
const VALID: u32 = 0;
/// Cursor tags: refused.
const INVALID: u32 = 1;
/// Smallest and largest side of a cursor in pixels.
const CURSOR_SIDES: std::ops::RangeInclusive<u32> = 16..=64;
/// Id of the first HDMI display.
const HDMI0: u32 = 2;
/// What a call into code that nobody can run returns.
const CANNOT_EXECUTE: u32 = 0x8000_0000;
/// A service that is not there.
const UNAVAILABLE: u32 = 1;

/// Addresses that a guest gave and can ask for again.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Shared {
    touch_buffer: u32,
    gpio_buffer: u32,
    reboot_flags: u32,
}

/// Get number of displays (0x00040013).
pub fn number_of_displays(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[1]);
}

/// Get display id (0x00040016).
pub fn display_id(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[HDMI0]);
}

/// Set display number (0x00048013): which display the tags that follow are about; there is one, number 0.
pub fn set_display_number(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[0]);
}

/// Set backlight (0x0004800f) of a panel that is not there.
pub fn set_backlight(_: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0)]);
}

/// Set cursor info (0x00008010): width, height, format, pixels, hot spot. It is checked, and that is all: the display has no cursor plane.
pub fn set_cursor_info(_: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    let [width, height, _, pixels, x, y] = std::array::from_fn(|at| request.word(at));
    let fits = CURSOR_SIDES.contains(&width) && CURSOR_SIDES.contains(&height) && x < width && y < height;
    let valid = fits && in_ram(context.ram, pixels, u64::from(width) * u64::from(height) * 4).is_some();
    reply.words(&[if valid { VALID } else { INVALID }]);
}

/// Set cursor state (0x00008011): visible, x, y, kind of coordinates.
pub fn set_cursor_state(_: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[if request.word(0) <= 1 { VALID } else { INVALID }]);
}

/// Get touch buffer (0x0004000f): the bus address that was set.
pub fn get_touch_buffer(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[firmware.shared.touch_buffer]);
}

/// Set touch buffer (0x0004801f): zero says that it is taken. No touch is ever written to it.
pub fn set_touch_buffer(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    take_buffer(&mut firmware.shared.touch_buffer, request, context, reply);
}

/// Get GPIO virtual buffer (0x00040010): the bus address that was set.
pub fn get_gpio_buffer(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[firmware.shared.gpio_buffer]);
}

/// Set GPIO virtual buffer (0x00048020): zero says that it is taken.
pub fn set_gpio_buffer(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    take_buffer(&mut firmware.shared.gpio_buffer, request, context, reply);
}

fn take_buffer(buffer: &mut u32, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    let address = request.word(0);
    if in_ram(context.ram, address, 4).is_none() {
        return reply.words(&[address]);
    }
    *buffer = address;
    reply.words(&[0]);
}

/// Notify reboot (0x00030048), display done (0x00030066): taken note of.
pub fn notify(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, _: &mut Reply) {}

/// Notify XHCI reset (0x00030058), of a controller that a Pi 3 does not have: its device address comes back.
pub fn notify_xhci_reset(_: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0)]);
}

/// Get reboot flags (0x00030064).
pub fn get_reboot_flags(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[firmware.shared.reboot_flags]);
}

/// Set reboot flags (0x00038064).
pub fn set_reboot_flags(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    firmware.shared.reboot_flags = request.word(0);
    get_reboot_flags(firmware, request, context, reply);
}

/// Execute code (0x00030010), execute QPU (0x00030011), enable QPU (0x00030012): there is no VideoCore processor.
pub fn refuse_to_execute(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    tracing::debug!(target: "unimplemented", "VideoCore code is not executed");
    reply.words(&[CANNOT_EXECUTE]);
}

/// Get dispmanx resource memory handle (0x00030014): there are no such resources.
pub fn dispmanx_handle(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[UNAVAILABLE, 0]);
}

/// VCHIQ init (0x00048010): nobody is at the other end; anything but zero makes drivers give up.
pub fn refuse_vchiq(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    tracing::debug!(target: "unimplemented", "VCHIQ is refused");
    reply.words(&[UNAVAILABLE]);
}

/// Get and set PoE HAT value (0x00030049, 0x00030050, 0x00038049): register, value, and an error, as no HAT is on the bus.
pub fn no_poe_hat(_: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), request.word(1), UNAVAILABLE]);
}

/// Get and set peripheral register (0x00030045, 0x00038045): only the firmware's own HATs answer; register, and a value of zero.
pub fn no_peripheral(_: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), 0]);
}
