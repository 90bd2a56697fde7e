//! What a control block says, and the moving of its bytes.

use super::dreq::DreqLines;
use serde::{Deserialize, Serialize};
use tayberry_engine::{BusContext, GuestRam, PhysBus, Served};

/// Interrupt when the block is done.
pub const TI_INTEN: u32 = 1 << 0;
/// 2D mode.
pub const TI_TDMODE: u32 = 1 << 1;
/// The destination address moves on.
pub const TI_DEST_INC: u32 = 1 << 4;
/// Destination writes are 128 bits wide.
pub const TI_DEST_WIDTH: u32 = 1 << 5;
/// Writes wait for DREQ.
pub const TI_DEST_DREQ: u32 = 1 << 6;
/// No writes.
pub const TI_DEST_IGNORE: u32 = 1 << 7;
/// The source address moves on.
pub const TI_SRC_INC: u32 = 1 << 8;
/// Source reads are 128 bits wide.
pub const TI_SRC_WIDTH: u32 = 1 << 9;
/// Reads wait for DREQ.
pub const TI_SRC_DREQ: u32 = 1 << 10;
/// No reads: zeroes are written.
pub const TI_SRC_IGNORE: u32 = 1 << 11;
/// The peripheral whose DREQ counts.
pub const TI_PERMAP_SHIFT: u32 = 16;
const TI_WAITS_SHIFT: u32 = 21;
/// Bits that exist (full channel). WAIT_RESP, BURST_LENGTH and NO_WIDE_BURSTS are kept, but say only how a bus is used that has no contention here.
const TI_FULL: u32 = 0x07ff_fffb;
/// The same of a lite channel: no 2D mode, no ignoring, no wide bursts to switch off.
const TI_LITE: u32 = TI_FULL & !(TI_TDMODE | TI_DEST_IGNORE | TI_SRC_IGNORE | 1 << 26);
const LENGTH_FULL: u32 = 0x3fff_ffff;
const LENGTH_LITE: u32 = 0xffff;
/// Control block addresses are multiples of 32.
pub const BLOCK_ALIGN: u32 = !31;

/// Bytes moved in one piece at most; a multiple of the widest unit.
pub const PIECE: usize = 4096;
/// Guest time after which [`Block::advance`] comes back, nanoseconds.
const CHUNK_NS: u64 = 16_384;
/// Guest time of a byte, of a piece's address phase, of a register access, of a wait cycle (TI.WAITS), in nanoseconds.
const BYTE_NS: u64 = 1;
const PIECE_NS: u64 = 40;
const REGISTER_NS: u64 = 100;
const WAIT_NS: u64 = 4;

/// Bus window of the peripherals, and where it is in the cores' address space.
const PERIPHERALS_BUS: u32 = 0x7e00_0000;
const PERIPHERALS_END: u32 = 0x7f00_0000;
const PERIPHERALS: u64 = 0x3f00_0000;
/// Four aliases of RAM, which differ in caching.
const ALIAS_BYTES: u32 = 0x4000_0000;

/// What answers at a bus address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// RAM at this physical address.
    Ram(u64),
    /// The register bus at this physical address.
    Register(u64),
    Nothing,
}

/// The controller's way to memory and registers during one tick.
pub struct Port<'a> {
    ram: &'a GuestRam,
    bus: &'a PhysBus,
    /// Whose access the register bus sees.
    at: BusContext<'a>,
    /// A register write was left to a device's system.
    pub posted: bool,
    /// A read found nothing.
    pub read_error: bool,
    /// Guest time that accesses took.
    ns: u64,
}

impl<'a> Port<'a> {
    /// A port for one tick.
    pub fn new(ram: &'a GuestRam, bus: &'a PhysBus, at: BusContext<'a>) -> Self {
        Self { ram, bus, at, posted: false, read_error: false, ns: 0 }
    }

    /// Who answers at `address`, and for how many bytes (at least one).
    fn place(&self, address: u32) -> (Place, u32) {
        if (PERIPHERALS_BUS..PERIPHERALS_END).contains(&address) {
            let offset = address - PERIPHERALS_BUS;
            return (Place::Register(PERIPHERALS + u64::from(offset)), PERIPHERALS_END - address);
        }
        let physical = address % ALIAS_BYTES;
        let before_peripherals = (ALIAS_BYTES..PERIPHERALS_BUS).contains(&address);
        let end = if before_peripherals { PERIPHERALS_BUS % ALIAS_BYTES } else { ALIAS_BYTES };
        let ram_end = u32::try_from(self.ram.len()).unwrap_or(u32::MAX).min(end);
        if physical < ram_end { (Place::Ram(physical.into()), ram_end - physical) } else { (Place::Nothing, end - physical) }
    }

    fn is_register(&self, address: u32) -> bool {
        matches!(self.place(address).0, Place::Register(_))
    }

    /// The eight words of a control block, which must be in RAM.
    pub fn control_block(&self, address: u32) -> Option<[u32; 8]> {
        let (Place::Ram(at), 32..) = self.place(address & BLOCK_ALIGN) else { return None };
        let mut bytes = [0; 32];
        self.ram.copy_out(at, &mut bytes)?;
        let (words, _) = bytes.as_chunks::<4>();
        Some(std::array::from_fn(|index| u32::from_le_bytes(words[index])))
    }

    fn read(&mut self, mut address: u32, mut out: &mut [u8]) {
        while !out.is_empty() {
            let (place, room) = self.place(address);
            let lane = (address % 4) as usize;
            let room = if matches!(place, Place::Register(_)) { 4 - lane } else { room as usize };
            let (now, rest) = out.split_at_mut(room.min(out.len()));
            match place {
                Place::Ram(at) => self.ram.copy_out(at, now).unwrap_or_else(|| now.fill(0)),
                Place::Register(at) => {
                    let word = (self.bus.read(at & !3, 4, &self.at) as u32).to_le_bytes();
                    now.copy_from_slice(&word[lane..lane + now.len()]);
                    self.ns += REGISTER_NS;
                }
                Place::Nothing => {
                    now.fill(0);
                    self.read_error = true;
                }
            }
            address = address.wrapping_add(now.len() as u32);
            out = rest;
        }
    }

    fn write(&mut self, mut address: u32, mut data: &[u8]) {
        while !data.is_empty() {
            let (place, room) = self.place(address);
            let lane = (address % 4) as usize;
            let room = if matches!(place, Place::Register(_)) { 4 - lane } else { room as usize };
            let (now, rest) = data.split_at(room.min(data.len()));
            match place {
                Place::Ram(at) => _ = self.ram.copy_in(at, now),
                Place::Register(at) => {
                    let mut word = [0; 4];
                    word[lane..lane + now.len()].copy_from_slice(now);
                    self.posted |= self.bus.write(at & !3, 4, u32::from_le_bytes(word).into(), &self.at) == Served::EndSlice;
                    self.ns += REGISTER_NS;
                }
                // Nobody answers for a write: no error bit tells of it.
                Place::Nothing => tracing::trace!(target: "unimplemented", "DMA write to {address:#010x}, where nothing is"),
            }
            address = address.wrapping_add(now.len() as u32);
            data = rest;
        }
    }
}

/// A control block at work: the channel's registers TI to NEXTCONBK.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Block {
    /// Transfer information.
    pub ti: u32,
    /// Current source, bus address.
    pub source: u32,
    /// Current destination, bus address.
    pub dest: u32,
    /// Row strides as written.
    pub stride: u32,
    /// Next control block, bus address; 0 for none.
    pub next: u32,
    x_length: u32,
    x_left: u32,
    /// Rows after this one.
    rows_left: u32,
}

impl Block {
    /// What the control block `words` says to a channel.
    pub fn decode(words: &[u32; 8], lite: bool) -> Self {
        let [ti, source, dest, length, stride, next, ..] = *words;
        let (ti, length) = if lite { (ti & TI_LITE, length & LENGTH_LITE) } else { (ti & TI_FULL, length & LENGTH_FULL) };
        let two_d = ti & TI_TDMODE != 0;
        let x_length = if two_d { length & 0xffff } else { length };
        // YLENGTH counts the rows after the first.
        let rows_left = if two_d && x_length != 0 { length >> 16 } else { 0 };
        let stride = if lite { 0 } else { stride };
        Self { ti, source, dest, stride, next: next & BLOCK_ALIGN, x_length, x_left: x_length, rows_left }
    }

    /// What it says, in words.
    pub fn words(&self) -> String {
        let two_d = self.ti & TI_TDMODE != 0;
        let size =
            if two_d { format!("{} rows of {} bytes", self.rows_left + 1, self.x_length) } else { format!("{} bytes", self.x_length) };
        let side = |address: u32, ignore: u32, inc: u32, dreq: u32| {
            let place = if self.ti & ignore != 0 { "nothing".into() } else { format!("{address:#010x}") };
            let moves = if self.ti & inc != 0 { "" } else { " (fixed)" };
            let waits = if self.ti & dreq != 0 { format!(" waiting for DREQ {}", self.ti >> TI_PERMAP_SHIFT & 31) } else { String::new() };
            place + moves + &waits
        };
        let source = side(self.source, TI_SRC_IGNORE, TI_SRC_INC, TI_SRC_DREQ);
        let dest = side(self.dest, TI_DEST_IGNORE, TI_DEST_INC, TI_DEST_DREQ);
        let interrupt = if self.ti & TI_INTEN != 0 { ", interrupts when done" } else { "" };
        let next = if self.next == 0 { ", the last".into() } else { format!(", next block at {:#010x}", self.next) };
        format!("{size} from {source} to {dest}{interrupt}{next}")
    }

    /// TXFR_LEN: what is left.
    pub fn length(&self) -> u32 {
        if self.ti & TI_TDMODE != 0 { self.rows_left << 16 | self.x_left } else { self.x_left }
    }

    /// True when nothing is left.
    pub fn is_done(&self) -> bool {
        self.x_left == 0
    }

    /// The DREQ line it is paced by.
    pub fn permap(&self) -> u32 {
        self.ti >> TI_PERMAP_SHIFT & 31
    }

    fn is_paced(&self) -> bool {
        self.ti & (TI_SRC_DREQ | TI_DEST_DREQ) != 0
    }

    /// True if it may not go on before its peripheral asks.
    pub fn is_stalled(&self, dreq: &DreqLines) -> bool {
        !self.is_done() && self.is_paced() && !dreq.is_asserted(self.permap())
    }

    fn has(&self, bit: u32) -> bool {
        self.ti & bit != 0
    }

    /// Bytes of one access: 128 bits if one of the bits `wide` is set, or 32.
    fn width(&self, wide: u32) -> u32 {
        if self.has(wide) { 16 } else { 4 }
    }

    fn unit(&self) -> u32 {
        self.width(TI_SRC_WIDTH | TI_DEST_WIDTH)
    }

    /// Moves bytes for about [`CHUNK_NS`], as long as DREQ lets it. Returns the guest time that it took.
    pub fn advance(&mut self, port: &mut Port<'_>, dreq: &DreqLines, buffer: &mut [u8; PIECE]) -> u64 {
        port.ns = 0;
        while port.ns < CHUNK_NS && !self.is_done() && !self.is_stalled(dreq) {
            let piece = &mut buffer[..self.piece(port) as usize];
            self.fetch(port, piece);
            self.store(port, piece);
            let bytes = piece.len() as u64;
            let waits = bytes.div_ceil(self.unit().into()) * u64::from(self.ti >> TI_WAITS_SHIFT & 31);
            port.ns += PIECE_NS + bytes * BYTE_NS + waits * WAIT_NS;
            self.consume(bytes as u32);
        }
        port.ns
    }

    /// Bytes that can all be read before they are written, with the same result as unit by unit.
    fn piece(&self, port: &Port<'_>) -> u32 {
        let whole = self.x_left.min(PIECE as u32);
        let unit = self.unit().min(whole);
        // Register accesses have effects: each read is written before the next.
        let touches_registers = |address, bit| !self.has(bit) && port.is_register(address);
        if self.is_paced() || touches_registers(self.source, TI_SRC_IGNORE) || touches_registers(self.dest, TI_DEST_IGNORE) {
            return unit;
        }
        let (Place::Ram(source), Place::Ram(dest)) = (port.place(self.source).0, port.place(self.dest).0) else { return whole };
        let span = |bit| u64::from(if self.has(bit) { whole } else { unit });
        let overlap = source < dest + span(TI_DEST_INC) && dest < source + span(TI_SRC_INC);
        let both_move = self.has(TI_SRC_INC) && self.has(TI_DEST_INC);
        if !overlap || both_move && dest <= source {
            return whole;
        }
        let ahead = if both_move { (dest - source) as u32 / unit * unit } else { 0 };
        ahead.clamp(unit, whole)
    }

    fn fetch(&self, port: &mut Port<'_>, piece: &mut [u8]) {
        if self.has(TI_SRC_IGNORE) {
            return piece.fill(0);
        }
        if self.has(TI_SRC_INC) {
            return port.read(self.source, piece);
        }
        let width = self.width(TI_SRC_WIDTH) as usize;
        if port.is_register(self.source) {
            return piece.chunks_mut(width).for_each(|unit| port.read(self.source, unit));
        }
        let mut pattern = [0; 16];
        port.read(self.source, &mut pattern[..width.min(piece.len())]);
        piece.chunks_mut(width).for_each(|unit| unit.copy_from_slice(&pattern[..unit.len()]));
    }

    fn store(&self, port: &mut Port<'_>, piece: &[u8]) {
        if self.has(TI_DEST_IGNORE) {
            return;
        }
        if self.has(TI_DEST_INC) {
            return port.write(self.dest, piece);
        }
        piece.chunks(self.width(TI_DEST_WIDTH) as usize).for_each(|unit| port.write(self.dest, unit));
    }

    fn consume(&mut self, bytes: u32) {
        let moved = |bit| if self.has(bit) { bytes } else { 0 };
        let (source, dest) = (self.source.wrapping_add(moved(TI_SRC_INC)), self.dest.wrapping_add(moved(TI_DEST_INC)));
        (self.source, self.dest) = (source, dest);
        self.x_left -= bytes;
        if self.x_left == 0 && self.rows_left > 0 {
            self.rows_left -= 1;
            self.x_left = self.x_length;
            self.source = source.wrapping_add_signed((self.stride as i16).into());
            self.dest = dest.wrapping_add_signed(((self.stride >> 16) as i16).into());
        }
    }
}
