//! Clock and turbo tags: rates are kept within their limits and read back. No device of the machine runs from them.

use super::{Context, Firmware, Reply, Request};
use serde::{Deserialize, Serialize};

/// Bit 0 of a state: it runs.
const ON: u32 = 1;
/// Bit 1 of a state: there is no such clock.
const NO_CLOCK: u32 = 2;
/// Id of the ARM's clock.
const ARM: usize = 3;
/// Id of the core clock.
const CORE: usize = 4;
/// Ids of the clocks that turbo raises: core, V3D, H264, ISP, SDRAM.
const TURBO: [usize; 5] = [CORE, 5, 6, 7, 8];
/// Least divider of the SD host's clock.
const SDHOST_DIVIDER: u32 = 2;
/// Largest divider of the SD host's clock: eleven bits.
const SDHOST_MAX_DIVIDER: u32 = 0x7ff + SDHOST_DIVIDER;

/// Names by id.
pub const NAMES: [&str; 11] = ["0", "EMMC", "UART", "ARM", "core", "V3D", "H264", "ISP", "SDRAM", "pixel", "PWM"];

const MHZ: u32 = 1_000_000;

/// Lowest and highest rate of a clock in hertz.
pub type Range = (u32, u32);

/// What the firmware is told of the clocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockSetup {
    /// The PL011's.
    pub uart: u32,
    /// The ARM's.
    pub arm: Range,
    /// The core's.
    pub core: Range,
    /// V3D's.
    pub v3d: Range,
    /// H264's.
    pub h264: Range,
    /// The image sensor pipeline's.
    pub isp: Range,
    /// The SDRAM's.
    pub sdram: Range,
    /// The clocks begin at their highest rates.
    pub turbo: bool,
}

impl Default for ClockSetup {
    /// A Pi 3 Model B with nothing configured.
    fn default() -> Self {
        let block = (250 * MHZ, 300 * MHZ);
        Self {
            uart: 48 * MHZ,
            arm: (600 * MHZ, 1200 * MHZ),
            core: (250 * MHZ, 400 * MHZ),
            v3d: block,
            h264: block,
            isp: block,
            sdram: (400 * MHZ, 450 * MHZ),
            turbo: false,
        }
    }
}

#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Clock {
    rate: u32,
    min: u32,
    max: u32,
    on: bool,
}

/// The clocks by id.
#[derive(Debug, Serialize, Deserialize)]
pub struct Clocks {
    /// Index 0, reserved, is never looked at.
    clocks: [Clock; NAMES.len()],
    turbo: bool,
}

impl Clocks {
    /// Rates of a Pi 3 Model B after boot. The pixel clock is that of the screen's mode.
    pub fn new(setup: &ClockSetup, pixel_rate: u32) -> Self {
        let clock = |rate, min, max| Clock { rate, min, max, on: rate != 0 };
        let ranged = |(min, max): Range| clock(if setup.turbo { max } else { min }, min, max);
        // The SDRAM's is at its highest anyhow.
        let sdram = clock(setup.sdram.1, setup.sdram.0, setup.sdram.1);
        Self {
            clocks: [
                clock(0, 0, 0),
                clock(200 * MHZ, 0, 200 * MHZ),   // EMMC
                clock(setup.uart, 0, 1000 * MHZ), // UART
                ranged(setup.arm),                // ARM
                ranged(setup.core),               // core
                ranged(setup.v3d),                // V3D
                ranged(setup.h264),               // H264
                ranged(setup.isp),                // ISP
                sdram,                            // SDRAM
                clock(pixel_rate, 0, 340 * MHZ),  // pixel
                clock(0, 0, 500 * MHZ),           // PWM
            ],
            turbo: setup.turbo,
        }
    }

    fn get(&self, id: u32) -> Option<&Clock> {
        self.clocks.get(id as usize).filter(|_| id != 0)
    }

    fn get_mut(&mut self, id: u32) -> Option<&mut Clock> {
        self.clocks.get_mut(id as usize).filter(|_| id != 0)
    }

    fn state(&self, id: u32) -> u32 {
        self.get(id).map_or(NO_CLOCK, |clock| if clock.on { ON } else { 0 })
    }

    fn set_turbo(&mut self, on: bool) {
        self.turbo = on;
        for id in TURBO {
            let clock = &mut self.clocks[id];
            clock.rate = if on { clock.max } else { clock.min };
        }
    }

    fn set_rate(&mut self, id: u32, rate: u32, skip_turbo: bool) -> u32 {
        let Some(clock) = self.get_mut(id) else {
            return 0;
        };
        clock.rate = rate.min(clock.max).max(clock.min);
        let (rate, min) = (clock.rate, clock.min);
        if id as usize == ARM && !skip_turbo && self.turbo != (rate > min) {
            self.set_turbo(rate > min);
        }
        rate
    }
}

/// Get clocks (0x00010007): pairs of parent and id; all are roots.
pub fn list(firmware: &mut Firmware, _: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    for id in 1..firmware.clocks.clocks.len() as u32 {
        reply.words(&[0, id]);
    }
}

/// Get clock state (0x00030001).
pub fn get_state(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), firmware.clocks.state(request.word(0))]);
}

/// Set clock state (0x00038001).
pub fn set_state(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    if let Some(clock) = firmware.clocks.get_mut(request.word(0)) {
        clock.on = request.word(1) & ON != 0;
    }
    get_state(firmware, request, context, reply);
}

/// Get clock rate (0x00030002): what it has, or will have when it runs.
pub fn get_rate(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), firmware.clocks.get(request.word(0)).map_or(0, |clock| clock.rate)]);
}

/// Get measured clock rate (0x00030047): zero while it stands still.
pub fn get_measured_rate(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let rate = firmware.clocks.get(request.word(0)).filter(|clock| clock.on).map_or(0, |clock| clock.rate);
    reply.words(&[request.word(0), rate]);
}

/// Get maximum clock rate (0x00030004).
pub fn get_max_rate(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), firmware.clocks.get(request.word(0)).map_or(0, |clock| clock.max)]);
}

/// Get minimum clock rate (0x00030007).
pub fn get_min_rate(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), firmware.clocks.get(request.word(0)).map_or(0, |clock| clock.min)]);
}

/// Set clock rate (0x00038002).
pub fn set_rate(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let rate = firmware.clocks.set_rate(request.word(0), request.word(1), request.word(2) != 0);
    reply.words(&[request.word(0), rate]);
}

/// Get turbo (0x00030009).
pub fn get_turbo(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    reply.words(&[request.word(0), (request.word(0) == 0 && firmware.clocks.turbo).into()]);
}

/// Set turbo (0x00038009).
pub fn set_turbo(firmware: &mut Firmware, request: &Request<'_>, context: &Context<'_>, reply: &mut Reply) {
    if request.word(0) == 0 {
        firmware.clocks.set_turbo(request.word(1) != 0);
    }
    get_turbo(firmware, request, context, reply);
}

/// Set SD host clock (0x00038042): the rate asked for, and twice the next lower one that the core clock can be divided to.
pub fn set_sdhost_clock(firmware: &mut Firmware, request: &Request<'_>, _: &Context<'_>, reply: &mut Reply) {
    let core = firmware.clocks.clocks[CORE].max;
    let divider = core.div_ceil(request.word(0).max(1)).clamp(SDHOST_DIVIDER, SDHOST_MAX_DIVIDER);
    reply.words(&[request.word(0), core / divider, core / divider]);
}
