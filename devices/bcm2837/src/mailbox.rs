//! The VideoCore mailboxes between the ARM cores and the firmware.
//!
//! # Resources
//! - Raspberry Pi firmware wiki, "Mailboxes" and "Accessing mailboxes".
//! - BCM2835 ARM Peripherals, 7.5: the "ARM Mailbox" interrupt is bit 1 of the basic pending register.
//!
//! Mailbox 0 carries replies to the ARM, mailbox 1 messages from it; each holds eight words, a channel number in the low four bits. A write to mailbox 1
//! is posted, and the firmware serves the messages in order. While mailbox 0 is full the messages wait in mailbox 1.

use crate::property::{Arrival, VideoCore, words};
use bevy_ecs::prelude::*;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use tayberry_engine::builder::{MachineClock, Ram, SharedRes};
use tayberry_engine::{
    Archive, Attention, BusContext, BusView, Cell, Deadline, GuestRam, GuestTime, Inbox, IrqLine, MachineBuilder, Phase, Served,
};

/// Physical address of the registers.
pub const BASE: u64 = 0x3f00_b880;
/// Bytes of the window.
pub const LEN: u64 = 0x40;
/// Where RAM ends for the firmware: the peripherals begin.
const RAM_END: u64 = 0x3f00_0000;
/// Interrupt line: ARM basic interrupt 1.
const IRQ: usize = 65;
/// Words that a mailbox holds.
const CAPACITY: u32 = 8;

/// Mailbox 0, data (RO); four words of addresses reach the same register.
const READ: u32 = 0x00;
/// Mailbox 0, the oldest word, which stays (RO).
const PEEK: u32 = 0x10;
/// Mailbox 0, who sent the oldest word (RO): always the firmware, 0.
const SENDER: u32 = 0x14;
/// Mailbox 0, state (RO).
const STATUS: u32 = 0x18;
/// Mailbox 0, configuration (RW).
const CONFIG: u32 = 0x1c;
/// Mailbox 1, data (WO); four words of addresses.
const WRITE: u32 = 0x20;
/// Mailbox 1, state (RO).
const WRITE_STATUS: u32 = 0x38;
/// Mailbox 1, configuration (the firmware's: the ARM reads errors).
const WRITE_CONFIG: u32 = 0x3c;

/// Status: no room.
const FULL: u32 = 1 << 31;
/// Status: no word.
const EMPTY: u32 = 1 << 30;

/// Configuration: interrupt while mailbox 0 has a word.
const DATA_IRQ_ENABLE: u32 = 1 << 0;
/// Configuration: interrupt while mailbox 0 has room.
const SPACE_IRQ_ENABLE: u32 = 1 << 1;
/// Configuration: interrupt while mailbox 1 is empty.
const OPPOSITE_EMPTY_IRQ_ENABLE: u32 = 1 << 2;
/// Configuration, written: throw away what mailbox 0 holds.
const CLEAR: u32 = 1 << 3;
/// The enable bits are followed, four bits up, by those of what is pending.
const PENDING_SHIFT: u32 = 4;
/// Bits that keep their value.
const ENABLES: u32 = DATA_IRQ_ENABLE | SPACE_IRQ_ENABLE | OPPOSITE_EMPTY_IRQ_ENABLE;
/// Configuration: somebody accessed the mailbox who does not own that side.
const ERROR_NOT_OWNER: u32 = 1 << 8;
/// Configuration: a word was written to a full mailbox and is lost.
const ERROR_OVERFLOW: u32 = 1 << 9;
/// Configuration: an empty mailbox was read.
const ERROR_UNDERFLOW: u32 = 1 << 10;
/// Errors, cleared by writing ones.
const ERRORS: u32 = ERROR_NOT_OWNER | ERROR_OVERFLOW | ERROR_UNDERFLOW;

/// The part of a word that is the channel number.
const CHANNEL: u32 = 0xf;

/// Physical address of a bus address: the top two bits choose a cache alias of the same memory.
pub fn bus_to_physical(address: u32) -> u64 {
    u64::from(address & 0x3fff_ffff)
}

/// Bus address (uncached alias) of RAM, as the firmware hands it out.
pub fn physical_to_bus(address: u64) -> u32 {
    address as u32 | 0xc000_0000
}

/// Physical address of `len` bytes at a bus address, if all of them are RAM.
pub fn in_ram(ram: &GuestRam, address: u32, len: u64) -> Option<u64> {
    let physical = bus_to_physical(address);
    (ram.contains(physical, len) && physical + len <= RAM_END).then_some(physical)
}

/// Mailbox 0: a ring that the firmware pushes to and any core pops from.
///
/// # Protocol
/// `head` and `tail` count words popped and pushed, and wrap. The one producer (the `Service` system) stores a slot, then `tail` with `Release`;
/// a consumer loads `tail` with `Acquire`, reads the slot and takes it by moving `head` on with a compare-and-swap (`AcqRel`), so each word goes to
/// one core. A slot is stored again only after the producer saw (`Acquire`) `head` beyond it, and then the swap of whoever read it too
/// early fails.
#[derive(Debug, Default)]
struct Ring {
    slots: [AtomicU32; CAPACITY as usize],
    head: AtomicU32,
    tail: AtomicU32,
}

impl Cell for Ring {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.slots, &self.head, &self.tail]);
        if self.tail.load(Ordering::Acquire).wrapping_sub(self.head.load(Ordering::Acquire)) > CAPACITY {
            archive.refuse();
        }
    }
}

impl Ring {
    fn slot(&self, count: u32) -> &AtomicU32 {
        &self.slots[(count % CAPACITY) as usize]
    }

    fn len(&self) -> u32 {
        // Tail first: head may move on in between, never beyond it.
        let tail = self.tail.load(Ordering::Acquire);
        let len = tail.wrapping_sub(self.head.load(Ordering::Acquire));
        // Both moved on since `tail` was loaded.
        if len > CAPACITY { 0 } else { len }
    }

    /// False, and nothing stored, if there is no room. One producer only.
    fn push(&self, word: u32) -> bool {
        let (head, tail) = (self.head.load(Ordering::Acquire), self.tail.load(Ordering::Relaxed));
        if tail.wrapping_sub(head) >= CAPACITY {
            return false;
        }
        self.slot(tail).store(word, Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        true
    }

    fn peek(&self) -> Option<u32> {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Acquire);
        (head != tail).then(|| self.slot(head).load(Ordering::Relaxed))
    }

    fn pop(&self) -> Option<u32> {
        let mut head = self.head.load(Ordering::Acquire);
        loop {
            if head == self.tail.load(Ordering::Acquire) {
                return None;
            }
            let word = self.slot(head).load(Ordering::Relaxed);
            match self.head.compare_exchange_weak(head, head.wrapping_add(1), Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return Some(word),
                Err(now) => head = now,
            }
        }
    }
}

/// The registers.
///
/// # Orderings
/// `waiting` (words in mailbox 1: cores count up, the system down), `config` and `errors` mean nothing but themselves: `Relaxed`. The interrupt line's
/// level follows from all of them and the ring: see [`MailboxView::drive_irq`].
struct MailboxView {
    replies: Ring,
    inbox: Inbox,
    waiting: AtomicU32,
    config: AtomicU32,
    errors: [AtomicU32; 2],
    irq: IrqLine,
    attention: Arc<Attention>,
}

impl Cell for MailboxView {
    fn pass(&self, archive: &mut Archive<'_>) {
        archive.cells(&[&self.replies, &self.inbox, &self.waiting, &self.config, &self.errors]);
        // One that waits is counted until it is taken out of the inbox.
        if self.waiting.load(Ordering::Relaxed) > CAPACITY {
            archive.refuse();
        }
    }
}

impl MailboxView {
    /// What there would be an interrupt for, as enable bits.
    fn pending(&self) -> u32 {
        let (replies, waiting) = (self.replies.len(), self.waiting.load(Ordering::Relaxed));
        let bit = |condition: bool, bit: u32| if condition { bit } else { 0 };
        bit(replies > 0, DATA_IRQ_ENABLE) | bit(replies < CAPACITY, SPACE_IRQ_ENABLE) | bit(waiting == 0, OPPOSITE_EMPTY_IRQ_ENABLE)
    }

    /// Drives the interrupt line. Cores may do that at the same time, so each looks again after it has set the level: whoever sets it
    /// last sees (by the fence) everything that came before in any core's view, and leaves the right level.
    fn drive_irq(&self) {
        loop {
            let level = self.irq_level();
            self.irq.set(level);
            fence(Ordering::SeqCst);
            if self.irq_level() == level {
                return;
            }
        }
    }

    fn irq_level(&self) -> bool {
        self.pending() & self.config.load(Ordering::Relaxed) & ENABLES != 0
    }

    fn error(&self, mailbox: usize, error: u32, what: &str) {
        self.errors[mailbox].fetch_or(error, Ordering::Relaxed);
        tracing::debug!(target: "mailbox", "mailbox {mailbox}: {what}");
    }

    fn read_reply(&self) -> u32 {
        let Some(word) = self.replies.pop() else {
            self.error(0, ERROR_UNDERFLOW, "read while empty");
            return 0;
        };
        tracing::trace!(target: "mailbox", "reply {word:#010x} is read");
        self.made_room();
        word
    }

    /// After a pop: messages that waited for room are served as soon as the cores have stopped.
    fn made_room(&self) {
        self.drive_irq();
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.attention.stop_all();
        }
    }

    fn write_message(&self, value: u32, at: &BusContext<'_>) -> Served {
        let room = |waiting: u32| (waiting < CAPACITY).then_some(waiting + 1);
        if self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, room).is_err() {
            self.error(1, ERROR_OVERFLOW, "written while full: the message is lost");
            return Served::Inline;
        }
        self.drive_irq();
        self.inbox.post(WRITE, value, at)
    }

    fn write_config(&self, value: u32) {
        self.config.store(value & ENABLES, Ordering::Relaxed);
        self.errors[0].fetch_and(!(value & ERRORS), Ordering::Relaxed);
        if value & CLEAR != 0 {
            while self.replies.pop().is_some() {}
            self.made_room();
        }
        self.drive_irq();
    }
}

/// A status register.
fn status(len: u32) -> u32 {
    len | if len == 0 { EMPTY } else { 0 } | if len >= CAPACITY { FULL } else { 0 }
}

impl BusView for MailboxView {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match offset {
            READ..PEEK => self.read_reply(),
            PEEK => self.replies.peek().unwrap_or(0),
            SENDER => 0,
            STATUS => status(self.replies.len()),
            CONFIG => {
                let config = self.config.load(Ordering::Relaxed);
                config | self.pending() << PENDING_SHIFT | self.errors[0].load(Ordering::Relaxed)
            }
            WRITE_STATUS => status(self.waiting.load(Ordering::Relaxed)),
            WRITE_CONFIG => self.errors[1].load(Ordering::Relaxed),
            _ => {
                self.error(1, ERROR_NOT_OWNER, "read, which only the firmware may");
                0
            }
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        match offset {
            WRITE..0x30 => return self.write_message(value, at),
            CONFIG => self.write_config(value),
            WRITE_CONFIG => {
                self.errors[1].fetch_and(!(value & ERRORS), Ordering::Relaxed);
            }
            READ..PEEK => self.error(0, ERROR_NOT_OWNER, "written, which only the firmware may"),
            _ => tracing::debug!(target: "mailbox", "write of {value:#010x} to read-only offset {offset:#x}"),
        }
        Served::Inline
    }
}

/// A message that is answered at a certain time, and everything after it waits.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Held {
    word: u32,
    until: GuestTime,
}

/// The mailboxes as the firmware sees them.
#[derive(Component)]
pub struct Mailbox {
    view: Arc<MailboxView>,
    inbox: Inbox,
    held: Option<Held>,
    deadline: Deadline,
}

impl Mailbox {
    /// Maps the registers of a machine.
    pub fn install(machine: &mut MachineBuilder) -> Self {
        let inbox = Inbox::default();
        let view = Arc::new(MailboxView {
            replies: Ring::default(),
            inbox: inbox.clone(),
            waiting: AtomicU32::new(0),
            config: AtomicU32::new(0),
            errors: Default::default(),
            irq: machine.irq_line(IRQ),
            attention: machine.attention(),
        });
        machine.map(BASE..BASE + LEN, "mailbox", Arc::clone(&view) as _);
        machine.add_systems(Phase::Service, serve);
        Self { view, inbox, held: None, deadline: machine.deadline() }
    }

    /// Passes the registers and what waits.
    pub(crate) fn pass(&mut self, archive: &mut Archive<'_>) {
        self.view.pass(archive);
        archive.value(&mut self.held);
        self.deadline.pass(archive);
    }

    /// The next message, if its reply has a place to go.
    fn next(&mut self, now: GuestTime) -> Option<(u32, bool)> {
        if self.view.replies.len() >= CAPACITY {
            return None;
        }
        if let Some(held) = self.held.take_if(|held| held.until <= now) {
            self.deadline.set(None);
            return Some((held.word, true));
        }
        if self.held.is_some() {
            return None;
        }
        let word = self.inbox.pop()?.value;
        self.view.waiting.fetch_sub(1, Ordering::Relaxed);
        Some((word, false))
    }

    fn hold(&mut self, word: u32, until: GuestTime) {
        tracing::debug!(target: "mailbox", "message {word:#010x} waits for the vertical sync at {} us", until.micros());
        self.deadline.set(Some(until));
        self.held = Some(Held { word, until });
    }

    fn reply(&self, word: u32) {
        tracing::debug!(target: "mailbox", "reply {word:#010x} on channel {}", word & CHANNEL);
        let pushed = self.view.replies.push(word);
        debug_assert!(pushed, "room was there, and only this system pushes");
    }
}

/// What a channel is for.
fn channel_name(channel: u32) -> &'static str {
    match channel {
        0 => "power management",
        1 => "frame buffer",
        2 => "virtual UART",
        3 => "VCHIQ",
        4 => "LEDs",
        5 => "buttons",
        6 => "touch screen",
        8 => "property",
        9 => "property, firmware to ARM",
        _ => "unused",
    }
}

/// Serves messages in order until there is none, the replies have no room, or one has to wait.
fn serve(mut mailboxes: Query<(&mut Mailbox, &mut VideoCore)>, ram: Res<Ram>, clock: Res<MachineClock>, shared: Res<SharedRes>) {
    for (mut mailbox, mut videocore) in &mut mailboxes {
        if mailbox.inbox.is_empty() && mailbox.held.is_none() {
            continue;
        }
        let now = clock.0.now();
        while let Some((word, has_waited)) = mailbox.next(now) {
            let (channel, address) = (word & CHANNEL, word & !CHANNEL);
            if !has_waited {
                tracing::debug!(target: "mailbox", "message {word:#010x} on channel {channel} ({})", channel_name(channel));
            }
            match channel {
                1 => {
                    let code = videocore.serve_framebuffer(address, now, &ram.0, &shared.0);
                    mailbox.reply(code & !CHANNEL | channel);
                }
                8 => match videocore.serve_property(address, has_waited, now, &ram.0, &shared.0) {
                    Arrival::Answered => mailbox.reply(word),
                    Arrival::WaitUntil(time) => mailbox.hold(word, time),
                },
                _ => {
                    tracing::debug!(target: "mailbox", "channel {channel} ({}) does not answer", channel_name(channel));
                    shared.0.journal.record(now, || words::failed(channel_name(channel), address, "nobody answers on this channel"));
                }
            }
        }
        mailbox.view.drive_irq();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::property::testing::{Guest, MESSAGE, PROPERTY};
    use tayberry_engine::attention::STOP;

    /// The status register when there are `len` words.
    fn words(len: u32) -> u32 {
        len | if len == 0 { EMPTY } else { 0 } | if len == 8 { FULL } else { 0 }
    }

    /// Posts `count` empty messages, numbered from `first` by their addresses.
    fn post(guest: &Guest, first: u32, count: u32) {
        for number in first..first + count {
            let at = MESSAGE + 16 * number;
            guest.poke(at, &[12, 0, 0]);
            assert_eq!(guest.write(0xa0 + 4 * u64::from(number % 4), at | PROPERTY), Served::EndSlice);
        }
    }

    #[test]
    fn replies_come_in_order_and_by_every_address_of_the_register() {
        let mut guest = Guest::new();
        assert_eq!((guest.read(0x98), guest.read(0xb8)), (EMPTY, EMPTY));
        post(&guest, 0, 5);
        assert_eq!((guest.read(0x98), guest.read(0xb8)), (EMPTY, words(5)));
        guest.bench.tick();
        assert_eq!((guest.read(0x98), guest.read(0xb8)), (words(5), EMPTY));
        for number in 0..5 {
            let reply = (MESSAGE + 16 * number) | PROPERTY;
            assert_eq!((guest.read(0x90), guest.read(0x94)), (reply, 0), "it stays");
            assert_eq!(guest.read(0x80 + 4 * u64::from(number % 4)), reply);
        }
        assert_eq!((guest.read(0x98), guest.read(0x90)), (EMPTY, 0));
    }

    #[test]
    fn messages_wait_while_the_replies_are_full_and_none_is_lost() {
        let mut guest = Guest::new();
        post(&guest, 0, 8);
        guest.bench.tick();
        post(&guest, 8, 8);
        guest.bench.tick();
        assert_eq!((guest.read(0x98), guest.read(0xb8)), (words(8), words(8)));
        guest.poke(MESSAGE + 16 * 16, &[12, 0, 0]);
        assert_eq!(guest.write(0xa0, (MESSAGE + 16 * 16) | PROPERTY), Served::Inline, "no room: lost, as on hardware");
        assert_eq!(guest.read(0xbc), ERROR_OVERFLOW);
        guest.write(0xbc, ERROR_OVERFLOW);
        assert_eq!(guest.read(0xbc), 0);
        for number in 0..16 {
            assert_eq!(guest.read(0x80), (MESSAGE + 16 * number) | PROPERTY);
            guest.bench.tick();
        }
        assert_eq!((guest.read(0x98), guest.read(0xb8)), (EMPTY, EMPTY));
        assert_eq!(guest.shared.stats.property_messages.get(), 16);
    }

    #[test]
    fn making_room_asks_the_cores_to_stop() {
        let mut attention = None;
        let bench = tayberry_engine::bench::Bench::new(0x0100_0000, 2, |machine| {
            machine.install(&crate::property::MailboxPlugin::default());
            attention = Some(machine.attention());
        });
        let (mut bench, bell) = (bench, attention.expect("installed").bell(1));
        for _ in 0..2 {
            (0..8).for_each(|_| assert_eq!(bench.write(BASE + 0x20, PROPERTY), Served::EndSlice));
            bench.tick();
        }
        bell.swap(0, Ordering::Relaxed);
        bench.read(BASE);
        assert_eq!(bell.load(Ordering::Relaxed) & STOP, STOP);
        assert_eq!(bench.read(BASE + 0x18), 7);
        bench.tick();
        assert_eq!((bench.read(BASE + 0x18), bench.read(BASE + 0x38)), (8 | FULL, 7));
    }

    #[test]
    fn the_interrupt_is_there_while_there_is_mail() {
        let mut guest = Guest::new();
        let level = |guest: &Guest| guest.bench.irq.levels(1) & 2 != 0;
        post(&guest, 0, 2);
        guest.bench.tick();
        assert!(!level(&guest), "not enabled");
        assert_eq!(guest.read(0x9c), 7 << PENDING_SHIFT);
        guest.write(0x9c, DATA_IRQ_ENABLE);
        assert!(level(&guest));
        guest.read(0x80);
        assert!(level(&guest), "one more");
        guest.read(0x80);
        assert!(!level(&guest));
        post(&guest, 0, 1);
        assert!(!level(&guest));
        guest.bench.tick();
        assert!(level(&guest));
        guest.write(0x9c, DATA_IRQ_ENABLE | CLEAR);
        assert!(!level(&guest));
        assert_eq!(guest.read(0x98), EMPTY);
        guest.write(0x9c, OPPOSITE_EMPTY_IRQ_ENABLE);
        assert!(level(&guest));
        post(&guest, 0, 1);
        assert!(!level(&guest));
    }

    #[test]
    fn errors_are_kept_until_they_are_cleared() {
        let guest = Guest::new();
        assert_eq!(guest.read(0x80), 0);
        assert_eq!(guest.read(0x9c) & ERRORS, ERROR_UNDERFLOW);
        assert_eq!(guest.write(0x80, 5), Served::Inline);
        assert_eq!(guest.read(0x9c) & ERRORS, ERROR_UNDERFLOW | ERROR_NOT_OWNER);
        guest.write(0x9c, ERRORS);
        assert_eq!(guest.read(0x9c) & ERRORS, 0);
        guest.read(0xa0);
        assert_eq!(guest.read(0xbc), ERROR_NOT_OWNER);
        for offset in [0x90, 0x94, 0x98, 0xb0, 0xb4, 0xb8] {
            assert_eq!(guest.write(offset, u32::MAX), Served::Inline);
        }
        assert_eq!(guest.read(0x98), EMPTY);
    }

    #[test]
    fn channels_that_nobody_serves_do_not_answer() {
        let mut guest = Guest::new();
        for channel in [0, 2, 3, 4, 5, 6, 7, 9, 15] {
            guest.write(0xa0, MESSAGE | channel);
            guest.bench.tick();
            assert_eq!((guest.read(0x98), guest.read(0xb8)), (EMPTY, EMPTY), "channel {channel}");
        }
    }

    #[test]
    fn every_word_goes_to_one_reader() {
        const WORDS: u32 = 100_000;
        const STOP: u32 = u32::MAX;
        let ring = Ring::default();
        let push = |word| {
            while !ring.push(word) {
                std::thread::yield_now();
            }
        };
        let read = || {
            let (mut sum, mut last) = (0, 0);
            while last != STOP {
                let Some(word) = ring.pop() else {
                    std::thread::yield_now();
                    continue;
                };
                assert!(word > last, "in order");
                last = word;
                sum += u64::from(word);
            }
            sum - u64::from(STOP)
        };
        let sum: u64 = std::thread::scope(|scope| {
            let readers = [scope.spawn(read), scope.spawn(read)];
            (1..=WORDS).chain([STOP; 2]).for_each(push);
            readers.into_iter().map(|reader| reader.join().expect("no assertion fails")).sum()
        });
        assert_eq!((sum, ring.len()), (u64::from(WORDS) * u64::from(WORDS + 1) / 2, 0));
    }
}
