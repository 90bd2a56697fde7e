//! SPI1 and SPI2, the SPI masters of the auxiliary block.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, 2.3, with its errata (the offsets of PEEK, IO and TXHOLD; STAT's fields); Linux, drivers/spi/spi-bcm2835aux.c.
//!
//! As at [`crate::spi`], MOSI is wired to MISO. An entry of up to 32 bits takes as many periods of the clock, 250 MHz / (2 * (speed + 1)). What comes while the
//! receive FIFO is full is lost.
//!
//! # Orderings
//! Registers are atomics of their own, `SeqCst`, touched by any core. FIFOs are lock-free queues. [`AuxSpi::advance`] belongs to who has the block's turn
//! ([`crate::mini_uart`]).

use crossbeam::queue::ArrayQueue;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::SeqCst};
use tayberry_engine::{GuestTime, cell};

const CNTL0: u32 = 0x00; // Control 0
const CNTL1: u32 = 0x04; // Control 1
const STAT: u32 = 0x08; // Status (RO)
const PEEK: u32 = 0x0c; // Received data, which stays (RO)
const IO: u32 = 0x20; // Data; chip select goes up after it
const IO_END: u32 = 0x30;
const TXHOLD: u32 = 0x30; // Data; chip select stays low
const TXHOLD_END: u32 = 0x40;

const CNTL0_LENGTH: u32 = 0x3f;
const CNTL0_OUT_MS_FIRST: u32 = 1 << 6;
const CNTL0_CLEAR: u32 = 1 << 9;
const CNTL0_ENABLE: u32 = 1 << 11;
const CNTL0_VARIABLE_WIDTH: u32 = 1 << 14;
const CNTL0_SPEED_SHIFT: u32 = 20;
/// Chip select pattern 7: none.
const CNTL0_RESET: u32 = 7 << 17;
const CNTL1_KEEP_INPUT: u32 = 1 << 0;
const CNTL1_IN_MS_FIRST: u32 = 1 << 1;
const CNTL1_DONE_IRQ: u32 = 1 << 6;
const CNTL1_EMPTY_IRQ: u32 = 1 << 7;
const CNTL1_KEPT: u32 = 0x7c3;
const STAT_BUSY: u32 = 1 << 6;
const STAT_RX_EMPTY: u32 = 1 << 7;
const STAT_RX_FULL: u32 = 1 << 8;
const STAT_TX_EMPTY: u32 = 1 << 9;
const STAT_TX_FULL: u32 = 1 << 10;
const STAT_RX_LEVEL_SHIFT: u32 = 16;
const STAT_TX_LEVEL_SHIFT: u32 = 24;

const CORE_HZ: u64 = 250_000_000;
const FIFO_DEPTH: usize = 4;
/// An entry of variable width: its length above 24 bits of data.
const WIDTH_SHIFT: u32 = 24;
/// `done_at` while nothing is shifted.
const IDLE: u64 = u64::MAX;

/// One master: registers, FIFOs and shifter.
#[derive(Debug)]
pub struct AuxSpi {
    control: [AtomicU32; 2],
    tx: ArrayQueue<u32>,
    rx: ArrayQueue<u32>,
    /// What PEEK shows: the entry read last, or the oldest one.
    shown: AtomicU32,
    /// What has been shifted in.
    input: AtomicU32,
    /// The entry on its way, and when it is through (nanoseconds, or [`IDLE`]).
    entry: AtomicU32,
    done_at: AtomicU64,
}

cell!(AuxSpi { control, tx, rx, shown, input, entry, done_at });

impl Default for AuxSpi {
    fn default() -> Self {
        Self {
            control: [AtomicU32::new(CNTL0_RESET), AtomicU32::new(0)],
            tx: ArrayQueue::new(FIFO_DEPTH),
            rx: ArrayQueue::new(FIFO_DEPTH),
            shown: AtomicU32::new(0),
            input: AtomicU32::new(0),
            entry: AtomicU32::new(0),
            done_at: AtomicU64::new(IDLE),
        }
    }
}

/// `count` bits of `value`, as they leave: from bit `top` down, or from bit 0 up. The first one is in bit 0 of the result.
fn leave(value: u32, count: u32, top: u32, ms_first: bool) -> u32 {
    let bit = |index: u32| if ms_first { top.checked_sub(index) } else { Some(index) };
    (0..count.min(32)).map(|index| bit(index).map_or(0, |bit| value >> bit & 1) << index).sum()
}

/// What `input` is after `count` bits (the first one is bit 0) were shifted in from below, or from above.
fn enter(input: u32, bits: u32, count: u32, ms_first: bool) -> u32 {
    (0..count.min(32))
        .map(|index| bits >> index & 1)
        .fold(input, |input, bit| if ms_first { input << 1 | bit } else { input >> 1 | bit << 31 })
}

impl AuxSpi {
    fn control(&self, index: usize) -> u32 {
        self.control[index].load(SeqCst)
    }

    fn is_busy(&self) -> bool {
        self.done_at.load(SeqCst) != IDLE
    }

    /// Length and data of an entry, and which bit leaves first where the most significant one does.
    fn parts(&self, entry: u32) -> (u32, u32, u32) {
        let control = self.control(0);
        if control & CNTL0_VARIABLE_WIDTH != 0 {
            return (entry >> WIDTH_SHIFT & 0x1f, entry & ((1 << WIDTH_SHIFT) - 1), WIDTH_SHIFT - 1);
        }
        ((control & CNTL0_LENGTH).min(32), entry, 31)
    }

    fn entry_ns(&self, entry: u32) -> u64 {
        let periods = u64::from(self.parts(entry).0) * 2 * (u64::from(self.control(0) >> CNTL0_SPEED_SHIFT) + 1);
        GuestTime::from_ticks(periods, CORE_HZ).0
    }

    /// Puts the next entry into the shifter, at `time`.
    fn begin(&self, time: u64) {
        if self.control(0) & CNTL0_ENABLE != 0
            && let Some(entry) = self.tx.pop()
        {
            self.entry.store(entry, SeqCst);
            self.done_at.store(time.saturating_add(self.entry_ns(entry)).min(IDLE - 1), SeqCst);
        }
    }

    /// The entry in the shifter is through.
    fn complete(&self) {
        let (count, data, top) = self.parts(self.entry.load(SeqCst));
        let bits = leave(data, count, top, self.control(0) & CNTL0_OUT_MS_FIRST != 0);
        let kept = if self.control(1) & CNTL1_KEEP_INPUT != 0 { self.input.load(SeqCst) } else { 0 };
        let input = enter(kept, bits, count, self.control(1) & CNTL1_IN_MS_FIRST != 0);
        self.input.store(input, SeqCst);
        if self.rx.is_empty() {
            self.shown.store(input, SeqCst);
        }
        let _ = self.rx.push(input);
        self.done_at.store(IDLE, SeqCst);
    }

    /// Shifts what can have been shifted by `now`.
    pub fn advance(&self, now: GuestTime) {
        if !self.is_busy() {
            self.begin(now.0);
        }
        while self.is_busy() {
            let done = self.done_at.load(SeqCst);
            if done > now.0 {
                return;
            }
            self.complete();
            self.begin(done);
        }
    }

    /// True if an enabled interrupt is pending: nothing is left to send, or to do.
    pub fn interrupts(&self) -> bool {
        let (enables, empty) = (self.control(1), self.tx.is_empty());
        enables & CNTL1_EMPTY_IRQ != 0 && empty || enables & CNTL1_DONE_IRQ != 0 && empty && !self.is_busy()
    }

    /// When an interrupt may come next.
    pub fn next(&self) -> Option<GuestTime> {
        let waits = self.control(1) & (CNTL1_DONE_IRQ | CNTL1_EMPTY_IRQ) != 0;
        Some(self.done_at.load(SeqCst)).filter(|&at| waits && at != IDLE).map(GuestTime)
    }

    fn status(&self) -> u32 {
        let (tx, rx) = (self.tx.len(), self.rx.len());
        let when = |is: bool, bit| if is { bit } else { 0 };
        when(self.is_busy(), STAT_BUSY | self.parts(self.entry.load(SeqCst)).0)
            | when(rx == 0, STAT_RX_EMPTY)
            | when(rx == FIFO_DEPTH, STAT_RX_FULL)
            | when(tx == 0, STAT_TX_EMPTY)
            | when(tx == FIFO_DEPTH, STAT_TX_FULL)
            | (rx as u32) << STAT_RX_LEVEL_SHIFT
            | (tx as u32) << STAT_TX_LEVEL_SHIFT
    }

    /// Reads the register at `offset` from the master's first.
    pub fn read(&self, offset: u32) -> u32 {
        match offset {
            CNTL0 => self.control(0),
            CNTL1 => self.control(1),
            STAT => self.status(),
            PEEK => self.shown.load(SeqCst),
            IO..IO_END => {
                let entry = self.rx.pop();
                entry.inspect(|&entry| self.shown.store(entry, SeqCst)).unwrap_or_else(|| self.shown.load(SeqCst))
            }
            _ => 0,
        }
    }

    /// Writes the register at `offset` from the master's first.
    pub fn write(&self, offset: u32, value: u32) {
        match offset {
            CNTL0 => self.write_control(value),
            CNTL1 => self.control[1].store(value & CNTL1_KEPT, SeqCst),
            IO..IO_END | TXHOLD..TXHOLD_END if self.control(0) & CNTL0_CLEAR == 0 => _ = self.tx.push(value),
            _ => {}
        }
    }

    fn write_control(&self, value: u32) {
        self.control[0].store(value, SeqCst);
        // The bit does not go by itself: it holds the FIFOs empty.
        if value & CNTL0_CLEAR != 0 {
            while self.tx.pop().is_some() {}
            while self.rx.pop().is_some() {}
        }
        if value & CNTL0_ENABLE == 0 {
            self.done_at.store(IDLE, SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_leave_and_enter_from_both_ends() {
        assert_eq!(leave(0x8000_0001, 3, 31, true), 0b001);
        assert_eq!(leave(0x0000_0005, 3, 31, false), 0b101);
        assert_eq!(leave(0x00c0_0000, 2, 23, true), 0b11);
        assert_eq!(enter(0, 0b001, 3, true), 0b100);
        assert_eq!(enter(0, 0b101, 3, false), 0b101 << 29);
        for ms_first in [true, false] {
            assert_eq!(enter(0, leave(0x1234_5678, 32, 31, ms_first), 32, ms_first), 0x1234_5678);
        }
    }
}
