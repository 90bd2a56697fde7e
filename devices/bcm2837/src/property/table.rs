//! The tags that the firmware knows: one row a tag.

use super::{Context, Firmware, Reply, Request};
use super::{clocks, gpio, identity, memory, power, services};
use crate::framebuffer::{Edit, Framebuffer, tags};

/// Tag that makes its message wait for the next vertical sync (0x0004800e).
pub const SET_VSYNC: u32 = 0x0004_800e;

/// Who answers a tag.
#[derive(Clone, Copy)]
pub enum Handler {
    /// Done and answered where it stands in the message.
    Firmware(fn(&mut Firmware, &Request<'_>, &Context<'_>, &mut Reply)),
    /// Part of the message's frame buffer transaction: edits where it stands, and is answered after the commit.
    Framebuffer(fn(&mut Edit, &Request<'_>), fn(&Framebuffer, &Request<'_>, &mut Reply)),
}

/// A tag.
pub struct Row {
    /// Its number.
    pub number: u32,
    /// Its name, for traces and the journal.
    pub name: &'static str,
    /// Least bytes that its value buffer must have for the request.
    pub request: u32,
    /// How the request's values read; see [`super::words`].
    pub asked: &'static str,
    /// How the answer's values read.
    pub answered: &'static str,
    /// What it does.
    pub handler: Handler,
}

const fn row(number: u32, name: &'static str, request: u32, asked: &'static str, answered: &'static str, handler: Handler) -> Row {
    Row { number, name, request, asked, answered, handler }
}

/// The row of a tag.
pub fn find(number: u32) -> Option<&'static Row> {
    let at = TABLE.binary_search_by_key(&number, |row| row.number).ok()?;
    Some(&TABLE[at])
}

/// All rows.
#[cfg(test)]
pub fn rows() -> &'static [Row] {
    TABLE
}

use Handler::{Firmware as Fw, Framebuffer as Fb};

/// All tags in ascending order.
#[rustfmt::skip]
static TABLE: &[Row] = &[
    row(0x0000_0001, "get firmware revision", 0, "", "{0:x}", Fw(identity::firmware_revision)),
    row(0x0000_0002, "get firmware variant", 0, "", "{0}", Fw(identity::firmware_variant)),
    row(0x0000_8010, "set cursor info", 24, "{0}x{1}, pixels at {3:x}, hot spot {4},{5}", "{0=valid|invalid}", Fw(services::set_cursor_info)),
    row(0x0000_8011, "set cursor state", 16, "{0=hidden|visible} at {1},{2}", "{0=valid|invalid}", Fw(services::set_cursor_state)),
    row(0x0001_0001, "get board model", 0, "", "{0}", Fw(identity::board_model)),
    row(0x0001_0002, "get board revision", 0, "", "{0:x}", Fw(identity::board_revision)),
    row(0x0001_0003, "get board MAC address", 0, "", "{0:mac}", Fw(identity::mac)),
    row(0x0001_0004, "get board serial", 0, "", "{0:hex64}", Fw(identity::serial)),
    row(0x0001_0005, "get ARM memory", 0, "", "{1:size} at {0:x}", Fw(identity::arm_memory)),
    row(0x0001_0006, "get VC memory", 0, "", "{1:size} at {0:x}", Fw(identity::vc_memory)),
    row(0x0001_0007, "get clocks", 0, "", "{0:all}", Fw(clocks::list)),
    row(0x0002_0001, "get power state", 4, "{0:device}", "{1=off|on|no such device|no such device}", Fw(power::get_state)),
    row(0x0002_0002, "get power timing", 4, "{0:device}", "{1} us", Fw(power::get_timing)),
    row(0x0002_8001, "set power state", 8, "{0:device} {1=off|on|off and wait|on and wait}", "{1=off|on|no such device|no such device}", Fw(power::set_state)),
    row(0x0003_0001, "get clock state", 4, "{0:clock}", "{1=off|on|no such clock|no such clock}", Fw(clocks::get_state)),
    row(0x0003_0002, "get clock rate", 4, "{0:clock}", "{1:hz}", Fw(clocks::get_rate)),
    row(0x0003_0003, "get voltage", 4, "{0:voltage}", "{1:volts}", Fw(power::get_voltage)),
    row(0x0003_0004, "get max clock rate", 4, "{0:clock}", "{1:hz}", Fw(clocks::get_max_rate)),
    row(0x0003_0005, "get max voltage", 4, "{0:voltage}", "{1:volts}", Fw(power::get_max_voltage)),
    row(0x0003_0006, "get temperature", 4, "", "{1:celsius}", Fw(power::get_temperature)),
    row(0x0003_0007, "get min clock rate", 4, "{0:clock}", "{1:hz}", Fw(clocks::get_min_rate)),
    row(0x0003_0008, "get min voltage", 4, "{0:voltage}", "{1:volts}", Fw(power::get_min_voltage)),
    row(0x0003_0009, "get turbo", 4, "", "{1=off|on}", Fw(clocks::get_turbo)),
    row(0x0003_000a, "get max temperature", 4, "", "{1:celsius}", Fw(power::get_max_temperature)),
    row(0x0003_000b, "get STC", 0, "", "{0:u64} us", Fw(identity::stc)),
    row(0x0003_000c, "allocate memory", 12, "{0} bytes, align {1}, flags {2:x}", "handle {0}", Fw(memory::allocate)),
    row(0x0003_000d, "lock memory", 4, "handle {0}", "{0:x}", Fw(memory::lock)),
    row(0x0003_000e, "unlock memory", 4, "handle {0}", "{0=done|no such handle}", Fw(memory::unlock)),
    row(0x0003_000f, "release memory", 4, "handle {0}", "{0=done|no such handle}", Fw(memory::release)),
    row(0x0003_0010, "execute code", 28, "at {0:x}", "{0:x}", Fw(services::refuse_to_execute)),
    row(0x0003_0011, "execute QPU", 16, "{0} QPUs, control {1:x}", "{0:x}", Fw(services::refuse_to_execute)),
    row(0x0003_0012, "enable QPU", 4, "{0=off|on}", "{0:x}", Fw(services::refuse_to_execute)),
    row(0x0003_0014, "get dispmanx resource mem handle", 4, "{0}", "{0:all}", Fw(services::dispmanx_handle)),
    row(0x0003_0020, "get EDID block", 4, "block {0}", "{1=read|no such block}", Fw(identity::edid_block)),
    row(0x0003_0021, "get customer OTP", 8, "rows {0:range}", "rows {0:range}: {2:all}", Fw(identity::get_otp)),
    row(0x0003_0030, "get domain state", 4, "domain {0}", "{1=off|on}", Fw(power::get_domain)),
    row(0x0003_0041, "get GPIO state", 4, "{0:pin}", "{1=low|high}", Fw(gpio::get_state)),
    row(0x0003_0043, "get GPIO config", 4, "{0:pin}", "{1=input|output}, polarity {2}, pull {3=off|on}, {4=down|up}", Fw(gpio::get_config)),
    row(0x0003_0045, "get peripheral register", 4, "{0:x}", "{1:x}", Fw(services::no_peripheral)),
    row(0x0003_0046, "get throttled", 0, "", "{0:x}", Fw(power::get_throttled)),
    row(0x0003_0047, "get measured clock rate", 4, "{0:clock}", "{1:hz}", Fw(clocks::get_measured_rate)),
    row(0x0003_0048, "notify reboot", 0, "", "", Fw(services::notify)),
    row(0x0003_0049, "get PoE HAT value", 4, "register {0:x}", "{0:all}", Fw(services::no_poe_hat)),
    row(0x0003_0050, "set PoE HAT value", 8, "register {0:x}, value {1}", "{0:all}", Fw(services::no_poe_hat)),
    row(0x0003_0058, "notify XHCI reset", 4, "{0:x}", "{0:x}", Fw(services::notify_xhci_reset)),
    row(0x0003_0064, "get reboot flags", 0, "", "{0:x}", Fw(services::get_reboot_flags)),
    row(0x0003_0066, "notify display done", 0, "", "", Fw(services::notify)),
    row(0x0003_4041, "test GPIO state", 8, "{0:pin} {1=low|high}", "{1=low|high}", Fw(gpio::test_state)),
    row(0x0003_8001, "set clock state", 8, "{0:clock} {1=off|on}", "{1=off|on|no such clock|no such clock}", Fw(clocks::set_state)),
    row(0x0003_8002, "set clock rate", 8, "{0:clock} {1:hz}", "{1:hz}", Fw(clocks::set_rate)),
    row(0x0003_8003, "set voltage", 8, "{0:voltage} {1:volts}", "{1:volts}", Fw(power::set_voltage)),
    row(0x0003_8009, "set turbo", 8, "{1=off|on}", "{1=off|on}", Fw(clocks::set_turbo)),
    row(0x0003_8021, "set customer OTP", 8, "rows {0:range}", "rows {0:range}: {2:all}", Fw(identity::set_otp)),
    row(0x0003_8030, "set domain state", 8, "domain {0} {1=off|on}", "{1=off|on}", Fw(power::set_domain)),
    row(0x0003_8041, "set GPIO state", 8, "{0:pin} {1=low|high}", "{1=low|high}", Fw(gpio::set_state)),
    row(0x0003_8042, "set SD host clock", 4, "{0:hz}", "{1:hz}", Fw(clocks::set_sdhost_clock)),
    row(0x0003_8043, "set GPIO config", 24, "{0:pin} {1=input|output}, polarity {2}, pull {3=off|on}, {4=down|up}, {5=low|high}", "{1=input|output}, polarity {2}, pull {3=off|on}, {4=down|up}, {5=low|high}", Fw(gpio::set_config)),
    row(0x0003_8045, "set peripheral register", 8, "{0:x}, value {1:x}", "{1:x}", Fw(services::no_peripheral)),
    row(0x0003_8049, "set PoE HAT value", 8, "register {0:x}, value {1}", "{0:all}", Fw(services::no_poe_hat)),
    row(0x0003_8064, "set reboot flags", 4, "{0:x}", "{0:x}", Fw(services::set_reboot_flags)),
    row(0x0004_0001, "allocate buffer", 4, "align {0}", "{0:x}, {1} bytes", Fb(tags::set_allocate, tags::get_allocation)),
    row(0x0004_0002, "blank screen", 4, "{0=off|on}", "{0=off|on}", Fb(tags::set_blank, tags::get_blank)),
    row(0x0004_0003, "get physical size", 0, "", "{0}x{1}", Fb(tags::set_nothing, tags::get_physical)),
    row(0x0004_0004, "get virtual size", 0, "", "{0}x{1}", Fb(tags::set_nothing, tags::get_virtual)),
    row(0x0004_0005, "get depth", 0, "", "{0} bits", Fb(tags::set_nothing, tags::get_depth)),
    row(0x0004_0006, "get pixel order", 0, "", "{0=BGR|RGB}", Fb(tags::set_nothing, tags::get_order)),
    row(0x0004_0007, "get alpha mode", 0, "", "{0=0 is opaque|0 is transparent|ignored}", Fb(tags::set_nothing, tags::get_alpha)),
    row(0x0004_0008, "get pitch", 0, "", "{0} bytes", Fb(tags::set_nothing, tags::get_pitch)),
    row(0x0004_0009, "get virtual offset", 0, "", "{0},{1}", Fb(tags::set_nothing, tags::get_offset)),
    row(0x0004_000a, "get overscan", 0, "", "top {0}, bottom {1}, left {2}, right {3}", Fb(tags::set_nothing, tags::get_overscan)),
    row(0x0004_000b, "get palette", 0, "", "{0:all}", Fb(tags::set_nothing, tags::get_palette)),
    row(0x0004_000c, "get layer", 0, "", "{0:i}", Fb(tags::set_nothing, tags::get_layer)),
    row(0x0004_000d, "get transform", 0, "", "{0:x}", Fb(tags::set_nothing, tags::get_transform)),
    row(0x0004_000e, "get vsync", 0, "", "", Fb(tags::set_nothing, tags::get_nothing)),
    row(0x0004_000f, "get touch buffer", 0, "", "{0:x}", Fw(services::get_touch_buffer)),
    row(0x0004_0010, "get GPIO virtual buffer", 0, "", "{0:x}", Fw(services::get_gpio_buffer)),
    row(0x0004_0013, "get number of displays", 0, "", "{0}", Fw(services::number_of_displays)),
    row(0x0004_0014, "get display settings", 4, "display {0}", "{1}x{2}, {3} bits, pitch {4}, virtual {5}x{6} at {7},{8}, {9:x}", Fb(tags::set_nothing, tags::get_display_settings)),
    row(0x0004_0016, "get display id", 0, "", "{0}", Fw(services::display_id)),
    row(0x0004_4003, "test physical size", 8, "{0}x{1}", "{0}x{1}", Fb(tags::set_nothing, tags::test_physical)),
    row(0x0004_4004, "test virtual size", 8, "{0}x{1}", "{0}x{1}", Fb(tags::set_nothing, tags::test_virtual)),
    row(0x0004_4005, "test depth", 4, "{0} bits", "{0} bits", Fb(tags::set_nothing, tags::test_depth)),
    row(0x0004_4006, "test pixel order", 4, "{0=BGR|RGB}", "{0=BGR|RGB}", Fb(tags::set_nothing, tags::test_order)),
    row(0x0004_4007, "test alpha mode", 4, "{0=0 is opaque|0 is transparent|ignored}", "{0=0 is opaque|0 is transparent|ignored}", Fb(tags::set_nothing, tags::test_alpha)),
    row(0x0004_4009, "test virtual offset", 8, "{0},{1}", "{0},{1}", Fb(tags::set_nothing, tags::test_offset)),
    row(0x0004_400a, "test overscan", 16, "top {0}, bottom {1}, left {2}, right {3}", "top {0}, bottom {1}, left {2}, right {3}", Fb(tags::set_nothing, tags::test_overscan)),
    row(0x0004_400b, "test palette", 8, "{0:range}", "{0=valid|invalid}", Fb(tags::set_nothing, tags::get_palette_validity)),
    row(0x0004_400c, "test layer", 4, "{0:i}", "{0:i}", Fb(tags::set_nothing, tags::test_layer)),
    row(0x0004_400d, "test transform", 4, "{0:x}", "{0:x}", Fb(tags::set_nothing, tags::get_transform)),
    row(0x0004_400e, "test vsync", 0, "", "", Fb(tags::set_nothing, tags::get_nothing)),
    row(0x0004_8001, "release buffer", 0, "", "", Fb(tags::set_release, tags::get_nothing)),
    row(0x0004_8003, "set physical size", 8, "{0}x{1}", "{0}x{1}", Fb(tags::set_physical, tags::get_physical)),
    row(0x0004_8004, "set virtual size", 8, "{0}x{1}", "{0}x{1}", Fb(tags::set_virtual, tags::get_virtual)),
    row(0x0004_8005, "set depth", 4, "{0} bits", "{0} bits", Fb(tags::set_depth, tags::get_depth)),
    row(0x0004_8006, "set pixel order", 4, "{0=BGR|RGB}", "{0=BGR|RGB}", Fb(tags::set_order, tags::get_order)),
    row(0x0004_8007, "set alpha mode", 4, "{0=0 is opaque|0 is transparent|ignored}", "{0=0 is opaque|0 is transparent|ignored}", Fb(tags::set_alpha, tags::get_alpha)),
    row(0x0004_8008, "set pitch", 4, "{0} bytes", "{0} bytes", Fb(tags::set_pitch, tags::get_pitch)),
    row(0x0004_8009, "set virtual offset", 8, "{0},{1}", "{0},{1}", Fb(tags::set_offset, tags::get_offset)),
    row(0x0004_800a, "set overscan", 16, "top {0}, bottom {1}, left {2}, right {3}", "top {0}, bottom {1}, left {2}, right {3}", Fb(tags::set_overscan, tags::get_overscan)),
    row(0x0004_800b, "set palette", 8, "{0:range}", "{0=valid|invalid}", Fb(tags::set_palette, tags::get_palette_validity)),
    row(0x0004_800c, "set layer", 4, "{0:i}", "{0:i}", Fb(tags::set_layer, tags::get_layer)),
    row(0x0004_800d, "set transform", 4, "{0:x}", "{0:x}", Fb(tags::set_nothing, tags::get_transform)),
    row(SET_VSYNC, "wait for vsync", 0, "", "", Fb(tags::set_nothing, tags::get_nothing)),
    row(0x0004_800f, "set backlight", 4, "{0}", "{0}", Fw(services::set_backlight)),
    row(0x0004_8010, "VCHIQ init", 4, "{0:x}", "{0=taken|refused}", Fw(services::refuse_vchiq)),
    row(0x0004_8013, "set display number", 4, "{0}", "{0}", Fw(services::set_display_number)),
    row(0x0004_801f, "set touch buffer", 4, "{0:x}", "{0=taken}", Fw(services::set_touch_buffer)),
    row(0x0004_8020, "set GPIO virtual buffer", 4, "{0:x}", "{0=taken}", Fw(services::set_gpio_buffer)),
    row(0x0005_0001, "get command line", 0, "", "{0:text}", Fw(identity::command_line)),
    row(0x0006_0001, "get DMA channels", 0, "", "mask {0:x}", Fw(identity::dma_channels)),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_ascend_so_that_they_are_found() {
        assert!(TABLE.windows(2).all(|pair| pair[0].number < pair[1].number));
        assert!(find(0x0004_800b).is_some_and(|row| row.name == "set palette"));
        assert!(find(0x0004_800e).is_some() && find(2).is_some() && find(3).is_none());
    }
}
