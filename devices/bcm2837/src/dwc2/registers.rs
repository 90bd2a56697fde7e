//! Registers of the core and their bits.

pub const GOTGCTL: u32 = 0x000; // OTG control and status
pub const GOTGINT: u32 = 0x004; // OTG interrupts (W1C)
pub const GAHBCFG: u32 = 0x008; // AHB configuration
pub const GUSBCFG: u32 = 0x00c; // USB configuration
pub const GRSTCTL: u32 = 0x010; // Resets, which clear themselves
pub const GINTSTS: u32 = 0x014; // Interrupts (some W1C)
pub const GINTMSK: u32 = 0x018; // Interrupt enables
pub const GRXSTSR: u32 = 0x01c; // Received status (RO)
pub const GRXSTSP: u32 = 0x020; // Received status, taken (RO)
pub const GRXFSIZ: u32 = 0x024; // Words of the receive FIFO
pub const GNPTXFSIZ: u32 = 0x028; // Words and start of the non-periodic transmit FIFO
pub const GNPTXSTS: u32 = 0x02c; // Room in it (RO)
pub const GUID: u32 = 0x03c; // User identification
pub const GSNPSID: u32 = 0x040; // Synopsys' identification (RO)
pub const GHWCFG1: u32 = 0x044; // How the core was configured (RO), to GHWCFG4
pub const GHWCFG2: u32 = 0x048;
pub const GHWCFG3: u32 = 0x04c;
pub const GHWCFG4: u32 = 0x050;
pub const HPTXFSIZ: u32 = 0x100; // Words and start of the periodic transmit FIFO
pub const HCFG: u32 = 0x400; // Host configuration
pub const HFIR: u32 = 0x404; // Frame interval
pub const HFNUM: u32 = 0x408; // Frame number and time left of the frame (RO)
pub const HPTXSTS: u32 = 0x410; // Room in the periodic transmit FIFO (RO)
pub const HAINT: u32 = 0x414; // Channels with interrupts (RO)
pub const HAINTMSK: u32 = 0x418; // Their enables
pub const HPRT0: u32 = 0x440; // The port
pub const CHANNELS: u32 = 0x500; // First channel
pub const DCFG: u32 = 0x800; // Device configuration
pub const PCGCTL: u32 = 0xe00; // Power and clock gating
/// Registers end here; then come the channels' FIFOs, of 4 KiB of address space each.
pub const REGISTERS_END: u32 = 0x1000;

pub const CHANNEL_BYTES: u32 = 0x20;
pub const CHANNEL_COUNT: usize = 8;
pub const HCCHAR: u32 = 0x00; // Channel: characteristics
pub const HCSPLT: u32 = 0x04; // Channel: split transactions
pub const HCINT: u32 = 0x08; // Channel: interrupts (W1C)
pub const HCINTMSK: u32 = 0x0c; // Channel: enables
pub const HCTSIZ: u32 = 0x10; // Channel: bytes, packets, toggle
pub const HCDMA: u32 = 0x14; // Channel: bus address

pub const GAHBCFG_GLBL_INTR: u32 = 1 << 0;
pub const GAHBCFG_DMA: u32 = 1 << 5;
pub const GUSBCFG_FORCE_DEVICE: u32 = 1 << 30;
pub const GRSTCTL_CORE: u32 = 1 << 0;
pub const GRSTCTL_RX_FLUSH: u32 = 1 << 4;
pub const GRSTCTL_TX_FLUSH: u32 = 1 << 5;
/// Core, AHB, frame counter, token queue and FIFO resets.
pub const GRSTCTL_ALL: u32 = 0x3f;
pub const GRSTCTL_AHB_IDLE: u32 = 1 << 31;
pub const GOTGCTL_SESSION_VALID: u32 = 1 << 18;
pub const GINT_HOST_MODE: u32 = 1 << 0;
pub const GINT_OTG: u32 = 1 << 2;
pub const GINT_SOF: u32 = 1 << 3;
pub const GINT_RX_LEVEL: u32 = 1 << 4;
pub const GINT_NPTX_EMPTY: u32 = 1 << 5;
pub const GINT_PORT: u32 = 1 << 24;
pub const GINT_CHANNELS: u32 = 1 << 25;
pub const GINT_PTX_EMPTY: u32 = 1 << 26;
pub const HCFG_FULL_SPEED_ONLY: u32 = 1 << 2;

pub const HCCHAR_PACKET: u32 = 0x7ff;
pub const HCCHAR_ENDPOINT_SHIFT: u32 = 11;
pub const HCCHAR_IN: u32 = 1 << 15;
pub const HCCHAR_LOW_SPEED: u32 = 1 << 17;
pub const HCCHAR_KIND_SHIFT: u32 = 18;
pub const HCCHAR_DEVICE_SHIFT: u32 = 22;
pub const HCCHAR_ODD: u32 = 1 << 29;
pub const HCCHAR_DISABLE: u32 = 1 << 30;
pub const HCCHAR_ENABLE: u32 = 1 << 31;
/// Kinds of endpoints with a frame of their own.
pub const KIND_ISOCHRONOUS: u32 = 1;
pub const KIND_INTERRUPT: u32 = 3;

pub const HCSPLT_HUB_SHIFT: u32 = 7;
pub const HCSPLT_COMPLETE: u32 = 1 << 16;
pub const HCSPLT_ENABLE: u32 = 1 << 31;

pub const HCINT_COMPLETE: u32 = 1 << 0;
pub const HCINT_HALTED: u32 = 1 << 1;
pub const HCINT_AHB: u32 = 1 << 2;
pub const HCINT_STALL: u32 = 1 << 3;
pub const HCINT_NAK: u32 = 1 << 4;
pub const HCINT_ACK: u32 = 1 << 5;
pub const HCINT_NYET: u32 = 1 << 6;
pub const HCINT_ERROR: u32 = 1 << 7;
pub const HCINT_BABBLE: u32 = 1 << 8;
pub const HCINT_TOGGLE: u32 = 1 << 10;
pub const HCINT_ALL: u32 = 0x3fff;

pub const HCTSIZ_BYTES: u32 = 0x7_ffff;
pub const HCTSIZ_PACKETS_SHIFT: u32 = 19;
pub const HCTSIZ_PACKETS: u32 = 0x3ff;
pub const HCTSIZ_TOGGLE_SHIFT: u32 = 29;
pub const HCTSIZ_PING: u32 = 1 << 31;
/// Toggles as HCTSIZ has them.
pub const TOGGLE_DATA0: u32 = 0;
pub const TOGGLE_DATA1: u32 = 2;
pub const TOGGLE_SETUP: u32 = 3;

pub const HPRT0_CONNECT: u32 = 1 << 0;
pub const HPRT0_CONNECT_CHANGE: u32 = 1 << 1;
pub const HPRT0_ENABLE: u32 = 1 << 2;
pub const HPRT0_ENABLE_CHANGE: u32 = 1 << 3;
pub const HPRT0_OVERCURRENT_CHANGE: u32 = 1 << 5;
pub const HPRT0_RESUME: u32 = 1 << 6;
pub const HPRT0_SUSPEND: u32 = 1 << 7;
pub const HPRT0_RESET: u32 = 1 << 8;
/// The line is in J: a device is there and nothing is sent.
pub const HPRT0_LINE_J: u32 = 1 << 10;
pub const HPRT0_POWER: u32 = 1 << 12;
pub const HPRT0_TEST: u32 = 0xf << 13;
/// The port is at full speed; at high speed otherwise.
pub const HPRT0_FULL_SPEED: u32 = 1 << 17;
/// Connection, enable and over-current changes: cleared by writing 1.
pub const HPRT0_CHANGES: u32 = HPRT0_CONNECT_CHANGE | HPRT0_ENABLE_CHANGE | HPRT0_OVERCURRENT_CHANGE;

/// A received status is of: data that came in.
pub const RX_DATA: u32 = 2;
/// The end of a transfer.
pub const RX_COMPLETE: u32 = 3;
/// A channel that was halted.
pub const RX_HALTED: u32 = 7;

/// A frame number that has not moved: no frames are sent to an empty port.
pub const FRAME_NONE: u32 = 0x3fff;
/// Words of all FIFOs together.
pub const FIFO_WORDS: u32 = 0x1000;
/// Requests that fit into a transmit queue, as GNPTXSTS and HPTXSTS have them.
pub const REQUESTS: u32 = 8 << 16;

/// Registers with other values than zero after a reset.
pub const RESET: [(u32, u32); 8] = [
    (GUSBCFG, 0x1400),
    (GRXFSIZ, FIFO_WORDS),
    (GNPTXFSIZ, 0x0100_1000),
    (GUID, 0x2708_a000),
    (HPTXFSIZ, 0x0200_2000),
    (HCFG, 0x0000_0001),
    (HFIR, 0xea60),
    (DCFG, 0x0820_0000),
];
/// Registers that a soft reset leaves as they are.
pub const KEPT: [u32; 5] = [GUSBCFG, GUID, HCFG, DCFG, PCGCTL];
/// The configuration of the BCM2835's core.
pub const IDENTITY: [(u32, u32); 5] =
    [(GSNPSID, 0x4f54_280a), (GHWCFG1, 0), (GHWCFG2, 0x228d_dd50), (GHWCFG3, 0x0ff0_00e8), (GHWCFG4, 0x1ff0_0020)];
/// Number of registers.
pub const WORDS: usize = (REGISTERS_END / 4) as usize;
