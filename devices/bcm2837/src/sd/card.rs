//! The card's state machine: what it answers to commands, and which data it then sends or takes.
//!
//! # Resources
//! - SD Physical Layer Simplified Specification 3.01, chapter 4: 4.7.4 (commands), 4.8 (which command in which state), 4.10.1 (card status).
//!
//! A command is answered at once. Data moves between the image and the host on its own ([`super::transfer`]); the host tells the card how far it came.

use super::image::{BLOCK, CardImage};
use super::registers;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;
use tayberry_engine::Archive;

const OUT_OF_RANGE: u32 = 1 << 31;
const ADDRESS_ERROR: u32 = 1 << 30;
const BLOCK_LEN_ERROR: u32 = 1 << 29;
const ERASE_SEQ_ERROR: u32 = 1 << 28;
const ERASE_PARAM: u32 = 1 << 27;
const WP_VIOLATION: u32 = 1 << 26;
const COM_CRC_ERROR: u32 = 1 << 23;
const ILLEGAL_COMMAND: u32 = 1 << 22;
const ERROR: u32 = 1 << 19;
const CSD_OVERWRITE: u32 = 1 << 16;
const ERASE_RESET: u32 = 1 << 13;
const STATE_SHIFT: u32 = 9;
const READY_FOR_DATA: u32 = 1 << 8;
const APP_CMD: u32 = 1 << 5;

const OCR_READY: u32 = 1 << 31;
const OCR_HIGH_CAPACITY: u32 = 1 << 30;
/// Bits of a version 1 or 2 CSD that CMD27 may change: FILE_FORMAT_GRP, COPY, the two write protections, FILE_FORMAT.
const CSD_WRITABLE: u128 = 0xfc00;
const CSD_WRITE_PROTECTED: u128 = 3 << 12;
/// Bytes that an erase clears in one go.
const ERASE_STEP: u64 = 4 << 20;

/// The card's state (4.1), by its number in the card status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// After reset.
    Idle = 0,
    /// Voltages agreed on.
    Ready = 1,
    /// Identified, without an address.
    Ident = 2,
    /// Has an address; not selected.
    Standby = 3,
    /// Selected.
    Transfer = 4,
    /// Sends data.
    Sending = 5,
    /// Takes data.
    Receiving = 6,
    /// Busy.
    Programming = 7,
    /// Gone until power-on (CMD15).
    Inactive = 15,
}

/// A response (4.9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Response {
    /// None: the host's timeout.
    None,
    /// 48 bits: R1, R3, R6, R7.
    Short(u32),
    /// R1 after which the card may be busy.
    Busy(u32),
    /// 136 bits: R2.
    Long(u128),
}

/// What the data lines carry after a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Data {
    /// Blocks from or to the memory.
    Memory {
        /// To the card.
        write: bool,
        /// First byte.
        start: u64,
        /// Bytes of a block.
        block: u32,
        /// Blocks that the card can send or take.
        blocks: u64,
    },
    /// A register's content to the host.
    Send(Vec<u8>),
    /// This many bytes for a register.
    Receive(u32),
}

impl Data {
    /// True if it goes to the host.
    pub fn is_read(&self) -> bool {
        matches!(self, Self::Memory { write: false, .. } | Self::Send(_))
    }

    /// Bytes of a block.
    pub fn block_bytes(&self) -> u32 {
        match self {
            Self::Memory { block, .. } => *block,
            Self::Send(content) => content.len() as u32,
            Self::Receive(bytes) => *bytes,
        }
    }
}

/// What a command comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// On the command line.
    pub response: Response,
    /// On the data lines.
    pub data: Option<Data>,
}

const SILENCE: Outcome = Outcome { response: Response::None, data: None };

/// A card in its slot.
#[derive(Debug)]
pub struct Card {
    image: Arc<CardImage>,
    state: State,
    rca: u16,
    /// Error bits to be told in the next R1.
    errors: u32,
    /// CMD55 came last.
    app: bool,
    /// It has been asked to power up.
    powering_up: bool,
    /// The host knows of high capacity, or need not.
    powered_up: bool,
    wide: bool,
    /// Function of group 1: 1 is high speed.
    function: u8,
    csd: u128,
    /// CMD16.
    block_len: u32,
    /// CMD23, for the next command.
    block_count: Option<u32>,
    /// The transfer at work ends by itself after the blocks it has.
    bounded: bool,
    /// Blocks of the transfer, and of these those that went over the bus.
    blocks: u64,
    moved: u64,
    /// The last transfer was a write.
    writing: bool,
    erase_start: Option<u64>,
    erase_end: Option<u64>,
    /// What an erase has yet to clear.
    erasing: Range<u64>,
}

impl Card {
    /// Passes what it knows of its host, and what was written to it.
    pub fn pass(&mut self, archive: &mut Archive<'_>) {
        let Self { image, state, rca, errors, app, powering_up, powered_up, wide, function, csd, block_len, block_count, .. } = self;
        image.pass(archive);
        archive.value(state);
        archive.value(rca);
        archive.value(errors);
        [app, powering_up, powered_up, wide].into_iter().for_each(|flag| archive.value(flag));
        archive.value(function);
        archive.value(csd);
        archive.value(block_len);
        archive.value(block_count);
        let Self { bounded, blocks, moved, writing, erase_start, erase_end, erasing, .. } = self;
        [bounded, writing].into_iter().for_each(|flag| archive.value(flag));
        [blocks, moved].into_iter().for_each(|count| archive.value(count));
        [erase_start, erase_end].into_iter().for_each(|bound| archive.value(bound));
        archive.value(erasing);
    }

    /// A card with this content, at power-on.
    pub fn new(image: Arc<CardImage>) -> Self {
        let csd = registers::csd(image.bytes(), false);
        Self {
            image,
            state: State::Idle,
            rca: 0,
            errors: 0,
            app: false,
            powering_up: false,
            powered_up: false,
            wide: false,
            function: 0,
            csd,
            block_len: BLOCK as u32,
            block_count: None,
            bounded: false,
            blocks: 0,
            moved: 0,
            writing: false,
            erase_start: None,
            erase_end: None,
            erasing: 0..0,
        }
    }

    /// Its content.
    pub fn image(&self) -> &Arc<CardImage> {
        &self.image
    }

    /// Where it is in the protocol.
    pub fn state(&self) -> State {
        self.state
    }

    fn bytes(&self) -> u64 {
        self.image.bytes()
    }

    fn is_high_capacity(&self) -> bool {
        self.bytes() > registers::MOST_STANDARD
    }

    fn reset(&mut self) {
        let mut fresh = Self::new(Arc::clone(&self.image));
        fresh.csd = registers::csd(self.bytes(), false) & !CSD_WRITABLE | self.csd & CSD_WRITABLE;
        fresh.csd = registers::sealed(fresh.csd);
        *self = fresh;
    }

    /// The card status, whose errors are told with it.
    fn status(&mut self) -> u32 {
        let ready = if self.state == State::Programming { 0 } else { READY_FOR_DATA };
        let app = if self.app { APP_CMD } else { 0 };
        std::mem::take(&mut self.errors) | (self.state as u32) << STATE_SHIFT | ready | app
    }

    fn r1(&mut self) -> Outcome {
        Outcome { response: Response::Short(self.status()), data: None }
    }

    fn r1b(&mut self) -> Outcome {
        Outcome { response: Response::Busy(self.status()), data: None }
    }

    fn long(register: u128) -> Outcome {
        Outcome { response: Response::Long(register), data: None }
    }

    /// R1 with an error of this command in it.
    fn refused(&mut self, error: u32) -> Outcome {
        self.errors |= error;
        self.r1()
    }

    /// Not a command, or not one of this state: silence now, and the next R1 tells.
    fn illegal(&mut self) -> Outcome {
        self.errors |= ILLEGAL_COMMAND;
        SILENCE
    }

    fn is_addressed(&self, argument: u32) -> bool {
        argument >> 16 == u32::from(self.rca)
    }

    /// A command with its argument.
    pub fn command(&mut self, index: u8, argument: u32) -> Outcome {
        if self.state == State::Inactive {
            return SILENCE;
        }
        let app = std::mem::take(&mut self.app);
        let block_count = self.block_count.take();
        if !matches!(index, 13 | 32 | 33 | 38 | 55) && (self.erase_start.is_some() || self.erase_end.is_some()) {
            (self.erase_start, self.erase_end) = (None, None);
            self.errors |= ERASE_RESET;
        }
        if app && let Some(outcome) = self.app_command(index, argument) {
            return outcome;
        }
        match (index, self.state) {
            (0, _) => {
                self.reset();
                SILENCE
            }
            (8, State::Idle) => self.interface_condition(argument),
            (55, State::Idle) if argument >> 16 == 0 => self.app_prefix(),
            (2, State::Ready) => {
                self.state = State::Ident;
                Self::long(registers::cid())
            }
            (3, State::Ident | State::Standby) => self.publish_address(),
            (7, State::Standby | State::Transfer | State::Sending | State::Programming) => self.select(argument),
            (4, State::Standby) => SILENCE,
            (_, State::Idle | State::Ready | State::Ident) => self.illegal(),
            (9 | 10 | 13 | 15 | 55, _) if !self.is_addressed(argument) => SILENCE,
            (9, State::Standby) => Self::long(self.csd),
            (10, State::Standby) => Self::long(registers::cid()),
            (13, _) => self.r1(),
            (15, _) => {
                self.state = State::Inactive;
                SILENCE
            }
            (55, _) => self.app_prefix(),
            (12, State::Sending | State::Receiving) => self.stop(),
            (_, State::Transfer) => self.in_transfer_state(index, argument, block_count),
            _ => self.illegal(),
        }
    }

    /// CMD8: the voltage range, and the pattern back.
    fn interface_condition(&mut self, argument: u32) -> Outcome {
        if argument >> 8 & 0xf != 1 {
            return SILENCE;
        }
        Outcome { response: Response::Short(argument & 0xfff), data: None }
    }

    /// CMD55.
    fn app_prefix(&mut self) -> Outcome {
        self.app = true;
        self.r1()
    }

    /// CMD3: a new relative address, R6.
    fn publish_address(&mut self) -> Outcome {
        let status = self.status();
        self.state = State::Standby;
        self.rca = self.rca.wrapping_add(1).max(1);
        let short = (status >> 8 & 0xc000) | (status >> 6 & 0x2000) | status & 0x1fff;
        Outcome { response: Response::Short(u32::from(self.rca) << 16 | short), data: None }
    }

    /// CMD7: this card, or another one.
    fn select(&mut self, argument: u32) -> Outcome {
        if self.is_addressed(argument) {
            if self.state != State::Standby {
                return self.illegal();
            }
            let outcome = self.r1b();
            self.state = if self.erasing.is_empty() { State::Transfer } else { State::Programming };
            return outcome;
        }
        self.state = State::Standby;
        SILENCE
    }

    /// CMD12.
    fn stop(&mut self) -> Outcome {
        let outcome = self.r1b();
        self.state = State::Transfer;
        outcome
    }

    fn in_transfer_state(&mut self, index: u8, argument: u32, block_count: Option<u32>) -> Outcome {
        match index {
            6 => {
                let (status, function) = registers::switch(argument, self.function);
                if argument >> 31 != 0
                    && let Some(function) = function
                {
                    self.function = function;
                    let kept = self.csd & CSD_WRITABLE;
                    self.csd = registers::sealed(registers::csd(self.bytes(), function == 1) & !CSD_WRITABLE | kept);
                }
                self.send(status.to_vec())
            }
            16 => self.set_block_len(argument),
            17 | 18 => self.read(argument, index == 18, block_count),
            23 => {
                self.block_count = Some(argument);
                self.r1()
            }
            24 | 25 => self.write(argument, index == 25, block_count),
            27 => {
                self.state = State::Receiving;
                self.start(1, true, true);
                Outcome { data: Some(Data::Receive(16)), ..self.receiving_r1() }
            }
            32 => self.erase_edge(argument, true),
            33 => self.erase_edge(argument, false),
            38 => self.erase(),
            _ => self.illegal(),
        }
    }

    fn app_command(&mut self, index: u8, argument: u32) -> Option<Outcome> {
        // An application command's own response says that it was taken as one.
        self.app = true;
        let outcome = match (index, self.state) {
            (41, State::Idle) => self.operating_condition(argument),
            (6, State::Transfer) => {
                match argument & 3 {
                    0 => self.wide = false,
                    2 => self.wide = true,
                    _ => self.errors |= ERROR,
                }
                self.r1()
            }
            (13, State::Transfer) => self.send(registers::sd_status(self.wide).to_vec()),
            (22, State::Transfer) => {
                let written = if self.writing { u32::try_from(self.moved).unwrap_or(u32::MAX) } else { 0 };
                self.send(written.to_be_bytes().to_vec())
            }
            (23 | 42, State::Transfer) => self.r1(),
            (51, State::Transfer) => self.send(registers::scr(self.is_high_capacity()).to_vec()),
            (6 | 13 | 22 | 23 | 41 | 42 | 51, _) => self.illegal(),
            _ => {
                self.app = false;
                return None;
            }
        };
        self.app = false;
        Some(outcome)
    }

    /// ACMD41: which voltages, and whether the card is ready. It is at the second time of asking.
    fn operating_condition(&mut self, argument: u32) -> Outcome {
        let mut ocr = registers::OCR_VOLTAGES;
        if argument & registers::OCR_VOLTAGES != 0 {
            let understood = !self.is_high_capacity() || argument & OCR_HIGH_CAPACITY != 0;
            self.powered_up = self.powering_up && understood;
            self.powering_up = true;
        }
        if self.powered_up {
            self.state = State::Ready;
            ocr |= OCR_READY | if self.is_high_capacity() { OCR_HIGH_CAPACITY } else { 0 };
        }
        Outcome { response: Response::Short(ocr), data: None }
    }

    /// CMD16.
    fn set_block_len(&mut self, len: u32) -> Outcome {
        if len == 0 || u64::from(len) > BLOCK {
            return self.refused(BLOCK_LEN_ERROR);
        }
        self.block_len = len;
        self.r1()
    }

    /// Begins a data phase of `blocks`.
    fn start(&mut self, blocks: u64, bounded: bool, writing: bool) {
        (self.blocks, self.moved, self.bounded, self.writing) = (blocks, 0, bounded, writing);
    }

    /// R1 of a command that left the transfer state, which it still tells.
    fn receiving_r1(&mut self) -> Outcome {
        let state = std::mem::replace(&mut self.state, State::Transfer);
        let outcome = self.r1();
        self.state = state;
        outcome
    }

    /// Sends a register.
    fn send(&mut self, content: Vec<u8>) -> Outcome {
        let outcome = self.r1();
        self.start(1, true, false);
        self.state = State::Sending;
        Outcome { data: Some(Data::Send(content)), ..outcome }
    }

    /// The byte that an address means.
    fn address(&self, argument: u32) -> u64 {
        if self.is_high_capacity() { u64::from(argument) * BLOCK } else { argument.into() }
    }

    /// Bytes of a block that is read or written.
    fn block(&self) -> u32 {
        if self.is_high_capacity() { BLOCK as u32 } else { self.block_len }
    }

    /// Blocks from `start` on, of which `asked` are wanted: how many there are, and whether the transfer ends by itself.
    fn extent(&self, start: u64, multiple: bool, block_count: Option<u32>) -> (u64, bool) {
        let room = (self.bytes() - start) / u64::from(self.block());
        let asked = if multiple { block_count.filter(|&count| count != 0).map(u64::from) } else { Some(1) };
        (asked.map_or(room, |asked| asked.min(room)), asked.is_some_and(|asked| asked <= room))
    }

    /// CMD17, CMD18.
    fn read(&mut self, argument: u32, multiple: bool, block_count: Option<u32>) -> Outcome {
        let (start, block) = (self.address(argument), self.block());
        if start % BLOCK + u64::from(block) > BLOCK {
            return self.refused(ADDRESS_ERROR);
        }
        if start.saturating_add(block.into()) > self.bytes() {
            return self.refused(OUT_OF_RANGE);
        }
        let outcome = self.r1();
        let (blocks, bounded) = self.extent(start, multiple, block_count);
        self.start(blocks, bounded, false);
        self.state = State::Sending;
        Outcome { data: Some(Data::Memory { write: false, start, block, blocks }), ..outcome }
    }

    /// CMD24, CMD25.
    fn write(&mut self, argument: u32, multiple: bool, block_count: Option<u32>) -> Outcome {
        let (start, block) = (self.address(argument), self.block());
        if u64::from(block) != BLOCK {
            return self.refused(BLOCK_LEN_ERROR);
        }
        if !start.is_multiple_of(BLOCK) {
            return self.refused(ADDRESS_ERROR);
        }
        if start >= self.bytes() {
            return self.refused(OUT_OF_RANGE);
        }
        if self.csd & CSD_WRITE_PROTECTED != 0 {
            return self.refused(WP_VIOLATION);
        }
        let outcome = self.r1();
        let (blocks, bounded) = self.extent(start, multiple, block_count);
        self.start(blocks, bounded, true);
        self.state = State::Receiving;
        Outcome { data: Some(Data::Memory { write: true, start, block, blocks }), ..outcome }
    }

    /// CMD32, CMD33.
    fn erase_edge(&mut self, argument: u32, first: bool) -> Outcome {
        let at = self.address(argument);
        if !first && self.erase_start.is_none() {
            return self.refused(ERASE_SEQ_ERROR);
        }
        if at >= self.bytes() {
            (self.erase_start, self.erase_end) = (None, None);
            return self.refused(OUT_OF_RANGE);
        }
        *(if first { &mut self.erase_start } else { &mut self.erase_end }) = Some(at);
        self.r1()
    }

    /// CMD38: the blocks from the first to the last, both included, become zeroes. The card is busy until [`Card::work`] has done it.
    fn erase(&mut self) -> Outcome {
        let (Some(start), Some(end)) = (self.erase_start.take(), self.erase_end.take()) else {
            return self.refused(ERASE_SEQ_ERROR);
        };
        if end < start {
            return self.refused(ERASE_PARAM);
        }
        if self.csd & CSD_WRITE_PROTECTED != 0 {
            return self.refused(WP_VIOLATION);
        }
        let outcome = self.r1b();
        self.erasing = start - start % BLOCK..(end - end % BLOCK + BLOCK).min(self.bytes());
        self.state = State::Programming;
        outcome
    }

    /// True while it holds the data line low.
    pub fn is_busy(&self) -> bool {
        self.state == State::Programming
    }

    /// Does a part of what it is busy with.
    pub fn work(&mut self) {
        let Range { start, end } = self.erasing;
        let to = end.min(start.saturating_add(ERASE_STEP));
        self.image.clear(start..to);
        self.erasing = to..end;
        if self.erasing.is_empty() && self.state == State::Programming {
            self.state = State::Transfer;
        }
    }

    /// The host has moved `blocks` of the transfer. One that ends by itself ends with its last block; another waits for CMD12.
    pub fn progress(&mut self, blocks: u64) {
        if !matches!(self.state, State::Sending | State::Receiving) {
            return;
        }
        self.moved = blocks.min(self.blocks);
        if self.writing && self.image.has_failed() {
            self.errors |= ERROR;
        }
        if self.moved < self.blocks {
            return;
        }
        if self.bounded {
            self.state = State::Transfer;
        }
    }

    /// The host waits for blocks beyond the last one.
    pub fn overrun(&mut self) {
        if !self.bounded && matches!(self.state, State::Sending | State::Receiving) {
            self.errors |= OUT_OF_RANGE;
        }
    }

    /// True if the transfer at work goes on until CMD12.
    pub fn awaits_stop(&self) -> bool {
        matches!(self.state, State::Sending | State::Receiving)
    }

    /// CMD27's data: the CSD, of which little may change.
    pub fn program_csd(&mut self, bytes: &[u8; 16]) {
        let csd = u128::from_be_bytes(*bytes);
        if registers::sealed(csd) != csd {
            self.errors |= COM_CRC_ERROR;
        } else if (csd ^ self.csd) & !(CSD_WRITABLE | 0xff) != 0 {
            self.errors |= CSD_OVERWRITE;
        } else {
            self.csd = csd;
        }
    }
}
