//! Tags that say what the board is: revisions, numbers, memory, monitor, command line, one-time programmable memory.

use super::{Context, Firmware, Reply, Request, edid};
use serde::{Deserialize, Serialize};

/// The firmware's build: `start.elf`, not one of the cut-down, camera or debug builds.
const VARIANT_START: u32 = 1;
/// Rows of one-time programmable memory that belong to the customer.
const OTP_ROWS: usize = 8;
/// EDID status: the block was read.
const EDID_READ: u32 = 0;
/// EDID status: the monitor has no such block.
const EDID_NO_BLOCK: u32 = 1;

/// One-time programmable memory: bits can be set, never cleared.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Otp([u32; OTP_ROWS]);

/// Get firmware revision (0x00000001): when it was built, in seconds of 1970.
pub fn firmware_revision(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[firmware.config.firmware_revision]);
}

/// Get firmware variant (0x00000002).
pub fn firmware_variant(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[VARIANT_START]);
}

/// Get board model (0x00010001): zero on every Pi.
pub fn board_model(_: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[0]);
}

/// Get board revision (0x00010002).
pub fn board_revision(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[firmware.config.board_revision]);
}

/// Get board MAC address (0x00010003): six bytes in network order.
pub fn mac(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.bytes(&firmware.config.mac);
}

/// Get board serial (0x00010004).
pub fn serial(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.bytes(&firmware.config.serial.to_le_bytes());
}

/// Get ARM memory (0x00010005): base and bytes.
pub fn arm_memory(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[0, firmware.config.arm_memory]);
}

/// Get VideoCore memory (0x00010006): base and bytes.
pub fn vc_memory(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[firmware.config.arm_memory, firmware.config.vc_memory]);
}

/// Get command line (0x00050001), with a NUL at its end.
pub fn command_line(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.bytes(firmware.config.command_line.as_bytes());
    reply.bytes(&[0]);
}

/// Get DMA channels (0x00060001): the mask of those that the ARM may use.
pub fn dma_channels(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[firmware.config.dma_channels]);
}

/// Get STC (0x0003000b): microseconds since power-on, 64 bits.
pub fn stc(_: &mut Firmware, _: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    reply.bytes(&context.now.micros().to_le_bytes());
}

/// Get EDID block (0x00030020): number, status, 128 bytes.
pub fn edid_block(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let number = request.word(0);
    let (status, block) = if number == 0 { (EDID_READ, edid::block(firmware.config.monitor)) } else { (EDID_NO_BLOCK, [0; edid::BLOCK]) };
    reply.words(&[number, status]);
    reply.bytes(&block);
}

/// First row and number of rows of a request, if they exist.
fn otp_rows(request: &Request<'_>) -> Option<std::ops::Range<usize>> {
    let (first, count) = (request.word(0) as usize, request.word(1) as usize);
    let end = first.checked_add(count)?;
    (end <= OTP_ROWS).then_some(first..end)
}

/// Get customer OTP (0x00030021): first row, number of rows, the rows.
pub fn get_otp(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let rows = otp_rows(request).unwrap_or(0..0);
    reply.words(&[request.word(0), rows.len() as u32]);
    reply.words(&firmware.otp.0[rows]);
}

/// Set customer OTP (0x00038021).
pub fn set_otp(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    if let Some(rows) = otp_rows(request)
        && let Some(values) = request.words().get(2..2 + rows.len())
    {
        firmware.otp.0[rows].iter_mut().zip(values).for_each(|(row, value)| *row |= value);
    }
    get_otp(firmware, request, context, reply);
}
