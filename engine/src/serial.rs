//! Serial ports: the wires between a guest's UARTs and the frontends.

use crate::state::{Archive, Cell};
use crossbeam::queue::{ArrayQueue, SegQueue};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Serial ports of a machine: UART0, UART1, and [`CONSOLE`].
pub const PORTS: usize = 3;
/// The port that belongs to no UART: what a guest prints by other means (semihosting) where no UART shares its place with it.
pub const CONSOLE: usize = 2;

/// Bytes a UART can send before the engine must take them.
const TX_CAPACITY: usize = 4096;

/// Bytes typed that are kept for one of two readers.
const MOST_UNREAD: usize = 1 << 20;

/// The device's end of a serial line.
///
/// Many cores push what the guest sends, the engine's `Publish` system pops; the engine pushes what frontends type, the UART pops.
/// What is typed may have a second reader besides the UART ([`SerialWire::listen`]): each gets all of it.
#[derive(Clone, Debug)]
pub struct SerialWire {
    tx: Arc<ArrayQueue<u8>>,
    rx: Arc<SegQueue<u8>>,
    /// Nothing more will come from outside. Set once by the engine after the last byte was fed (`Release`), read with `Acquire`: who sees it and then finds no
    /// byte has had them all.
    rx_ended: Arc<AtomicBool>,
    heard: Arc<Heard>,
}

/// Bytes typed that are there for a second reader.
#[derive(Debug, Default)]
struct Heard {
    bytes: SegQueue<u8>,
    /// There is such a reader: set before the machine runs, and only ever set (`Relaxed`).
    wanted: AtomicBool,
}

/// A second reader of what is typed at a port.
#[derive(Clone, Debug)]
pub struct SerialListener(SerialWire);

impl SerialListener {
    /// Takes a byte.
    pub fn receive(&self) -> Option<u8> {
        self.0.heard.bytes.pop()
    }

    /// True if bytes are waiting.
    pub fn has_input(&self) -> bool {
        !self.0.heard.bytes.is_empty()
    }

    /// True if nothing more will come from outside than what is waiting.
    pub fn input_ended(&self) -> bool {
        self.0.rx_ended.load(Ordering::Acquire)
    }
}

impl Default for SerialWire {
    fn default() -> Self {
        Self { tx: Arc::new(ArrayQueue::new(TX_CAPACITY)), rx: Arc::default(), rx_ended: Arc::default(), heard: Arc::default() }
    }
}

/// Bytes on their way. Whether there is a second reader is the board's matter.
impl Cell for SerialWire {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.tx, &self.rx, &self.rx_ended, &self.heard.bytes]);
    }
}

impl SerialWire {
    /// Sends a byte. False when the wire is nearly full: end the slice ([`crate::Served::EndSlice`]) so that the engine can take what is on it. The byte is
    /// lost only if the wire is entirely full.
    pub fn send(&self, byte: u8) -> bool {
        let _ = self.tx.push(byte);
        self.tx.len() < TX_CAPACITY - 64
    }

    /// Takes a byte that arrived from outside.
    pub fn receive(&self) -> Option<u8> {
        self.rx.pop()
    }

    /// True if bytes from outside are waiting.
    pub fn has_input(&self) -> bool {
        !self.rx.is_empty()
    }

    /// A second reader of what is typed, from now on.
    pub fn listen(&self) -> SerialListener {
        self.heard.wanted.store(true, Ordering::Relaxed);
        SerialListener(self.clone())
    }

    /// Bytes that can be sent until [`SerialWire::send`] says that the wire is nearly full.
    pub fn room(&self) -> usize {
        (TX_CAPACITY - 64).saturating_sub(self.tx.len())
    }

    /// The far end: nothing more will come.
    pub(crate) fn end_input(&self) {
        self.rx_ended.store(true, Ordering::Release);
    }

    /// The far end: bytes that the guest has not taken yet, by the reader that has taken most.
    pub(crate) fn input_len(&self) -> usize {
        let heard = if self.heard.wanted.load(Ordering::Relaxed) { self.heard.bytes.len() } else { usize::MAX };
        self.rx.len().min(heard)
    }

    /// The far end: feeds a byte to the guest. Where there are two readers, one that does not read loses the oldest.
    pub(crate) fn feed(&self, byte: u8) {
        self.rx.push(byte);
        if self.heard.wanted.load(Ordering::Relaxed) {
            self.heard.bytes.push(byte);
            for unread in [&self.rx, &self.heard.bytes] {
                if unread.len() > MOST_UNREAD {
                    unread.pop();
                }
            }
        }
    }

    /// The far end: takes what the guest sent.
    pub(crate) fn drain(&self, out: &mut Vec<u8>) {
        while let Some(byte) = self.tx.pop() {
            out.push(byte);
        }
    }
}
