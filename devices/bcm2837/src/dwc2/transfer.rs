//! What channels do on the bus: transactions, their data, and what becomes of the channel.

use super::channel::Channel;
use super::controller::Controller;
use super::fifo::ReceiveFifo;
use super::registers::*;
use crate::usb::{Answer, Token};
use tayberry_engine::{GuestRam, GuestTime};

/// Time until a bulk or control transaction that was answered by NAK is made again, nanoseconds. The board does so at once and without end.
const RETRY_NS: u64 = 50_000;
/// Packets that a channel moves at a time; the rest follows at once.
const MOST_PACKETS: usize = 64;
/// RAM at bus addresses: four aliases, which differ in caching. Above the last one's start are the peripherals, up to the next.
const ALIAS: u32 = 0x3fff_ffff;
const PERIPHERALS: std::ops::Range<u32> = 0x7e00_0000..0x7f00_0000;

/// Where data of channels come from and go to.
pub struct Memory<'a> {
    /// Guest RAM.
    pub ram: &'a GuestRam,
    /// Slave mode: the receive FIFO.
    pub fifo: &'a ReceiveFifo,
}

impl Memory<'_> {
    fn physical(address: u32) -> Option<u64> {
        (!PERIPHERALS.contains(&address)).then_some(u64::from(address & ALIAS))
    }

    fn read(&self, address: u32, bytes: &mut [u8]) -> Option<()> {
        if bytes.is_empty() { Some(()) } else { self.ram.copy_out(Self::physical(address)?, bytes) }
    }

    fn write(&self, address: u32, bytes: &[u8]) -> Option<()> {
        if bytes.is_empty() { Some(()) } else { self.ram.copy_in(Self::physical(address)?, bytes) }
    }
}

/// What a transaction leaves a channel to do.
enum Then {
    /// The next transaction.
    GoOn,
    /// The same again, later.
    Retry,
    /// Nothing: it is halted, or waits for the guest.
    Stop,
}

/// How a channel is served.
#[derive(Clone, Copy)]
struct Mode {
    number: usize,
    dma: bool,
}

impl Mode {
    /// The channel stops for the reasons `why`. In slave mode it is the guest that halts it.
    fn end(self, channel: &mut Channel, why: u32) -> Then {
        if self.dma {
            channel.halt(why);
        } else {
            channel.hcint |= why;
            channel.due = None;
        }
        Then::Stop
    }

    /// The transfer is complete.
    fn complete(self, channel: &mut Channel, memory: &Memory<'_>) -> Then {
        if self.dma {
            channel.halt(HCINT_COMPLETE | HCINT_ACK);
        } else if channel.hcchar & HCCHAR_IN != 0 {
            // The guest is told when it has read so far.
            channel.hcint |= HCINT_ACK;
            channel.stop();
            memory.fifo.push(RX_COMPLETE << 17 | self.number as u32, &[]);
        } else {
            channel.hcint |= HCINT_COMPLETE | HCINT_ACK;
            channel.stop();
        }
        Then::Stop
    }

    /// Data have come in.
    fn receive(self, channel: &mut Channel, (toggle, data): (bool, &[u8]), memory: &Memory<'_>) -> Then {
        if data.len() > channel.packet_size() {
            return self.end(channel, HCINT_BABBLE);
        }
        if toggle != (channel.toggle() == TOGGLE_DATA1) {
            return self.end(channel, HCINT_TOGGLE);
        }
        // What the guest has no room for is lost.
        let data_kept = &data[..data.len().min(channel.bytes())];
        if self.dma {
            if memory.write(channel.hcdma, data_kept).is_none() {
                return self.end(channel, HCINT_AHB);
            }
            channel.hcdma = channel.hcdma.wrapping_add(data_kept.len() as u32);
        } else {
            let status = RX_DATA << 17 | channel.toggle() << 15 | (data_kept.len() as u32) << 4 | self.number as u32;
            memory.fifo.push(status, data_kept);
        }
        channel.count(data.len());
        if data.len() < channel.packet_size() || channel.packets() == 0 || channel.bytes() == 0 {
            return self.complete(channel, memory);
        }
        Then::GoOn
    }

    /// The next packet from the host.
    fn fetch(self, channel: &mut Channel, memory: &Memory<'_>) -> Option<Vec<u8>> {
        let length = channel.next_out();
        let mut data = vec![0; length];
        if self.dma {
            memory.read(channel.hcdma, &mut data)?;
        } else {
            data.copy_from_slice(channel.out.get(..length)?);
            channel.out.drain(..length.next_multiple_of(4).min(channel.out.len()));
        }
        Some(data)
    }

    /// A packet from the host was taken.
    fn sent(self, channel: &mut Channel, bytes: usize, memory: &Memory<'_>) -> Then {
        channel.count(bytes);
        if self.dma {
            channel.hcdma = channel.hcdma.wrapping_add(bytes as u32);
        }
        if channel.packets() == 0 || channel.bytes() == 0 { self.complete(channel, memory) } else { Then::GoOn }
    }
}

fn token<'a>(channel: &Channel, data: &'a [u8]) -> Token<'a> {
    match channel.toggle() {
        TOGGLE_SETUP => Token::Setup(data),
        _ if channel.is_in() => Token::In,
        toggle => Token::Out(toggle == TOGGLE_DATA1, data),
    }
}

impl Controller {
    /// Makes the transactions that are due at `now`.
    pub fn run(&mut self, now: GuestTime, memory: &Memory<'_>) {
        for number in 0..CHANNEL_COUNT {
            if self.channels[number].due.is_some_and(|due| due <= now) {
                self.run_channel(number, now, memory);
            }
        }
    }

    fn run_channel(&mut self, number: usize, now: GuestTime, memory: &Memory<'_>) {
        let mode = Mode { number, dma: self.has_dma() };
        let mut channel = std::mem::take(&mut self.channels[number]);
        channel.due = None;
        let mut then = Then::GoOn;
        for _ in 0..MOST_PACKETS {
            let is_ready = mode.dma
                || if channel.is_in() {
                    channel.requests > 0 && memory.fifo.room(self.load(GRXFSIZ) as usize) > channel.packet_size() / 4 + 2
                } else {
                    channel.out.len() >= channel.next_out()
                };
            if !is_ready {
                // Slave mode: the guest has to do something first.
                then = Then::Stop;
                break;
            }
            channel.requests = channel.requests.saturating_sub(1);
            then = if channel.is_split() {
                self.split(&mut channel, mode, now, memory)
            } else {
                self.transaction(&mut channel, mode, now, memory)
            };
            if !matches!(then, Then::GoOn) {
                break;
            }
        }
        match then {
            Then::GoOn => channel.due = Some(now),
            Then::Retry => channel.due = Some(now.plus(RETRY_NS)),
            Then::Stop => {}
        }
        self.channels[number] = channel;
    }

    fn transaction(&mut self, channel: &mut Channel, mode: Mode, now: GuestTime, memory: &Memory<'_>) -> Then {
        if channel.hctsiz & HCTSIZ_PING != 0 && !channel.is_in() {
            channel.hctsiz &= !HCTSIZ_PING;
            if !mode.dma {
                return mode.end(channel, HCINT_ACK);
            }
        }
        let data = if channel.is_in() { Some(Vec::new()) } else { mode.fetch(channel, memory) };
        let Some(data) = data else { return mode.end(channel, HCINT_AHB) };
        match self.bus.transact(channel.to(), token(channel, &data), now) {
            Answer::Data(toggle, data) => mode.receive(channel, (toggle, &data), memory),
            Answer::Ack => mode.sent(channel, data.len(), memory),
            Answer::Nak if mode.dma && !channel.is_periodic() => {
                channel.hcint |= HCINT_NAK;
                Then::Retry
            }
            Answer::Nak => mode.end(channel, HCINT_NAK),
            Answer::Nyet => mode.end(channel, HCINT_NYET),
            Answer::Stall => mode.end(channel, HCINT_STALL),
            Answer::Silent => mode.end(channel, HCINT_ERROR),
        }
    }

    fn split(&mut self, channel: &mut Channel, mode: Mode, now: GuestTime, memory: &Memory<'_>) -> Then {
        if channel.is_complete_split() {
            let answer = self.bus.complete_split(channel.hub(), channel.to(), channel.is_in(), now);
            return Self::completed(channel, mode, answer, memory);
        }
        let data = if channel.is_in() { Some(Vec::new()) } else { mode.fetch(channel, memory) };
        let Some(data) = data else { return mode.end(channel, HCINT_AHB) };
        match self.bus.start_split(channel.hub(), channel.speed(), channel.to(), token(channel, &data), now) {
            Answer::Nak => mode.end(channel, HCINT_NAK),
            Answer::Silent => mode.end(channel, HCINT_ERROR),
            _ => mode.end(channel, HCINT_ACK),
        }
    }

    /// What a complete split has brought.
    fn completed(channel: &mut Channel, mode: Mode, answer: Answer, memory: &Memory<'_>) -> Then {
        let then = match answer {
            Answer::Data(toggle, data) => mode.receive(channel, (toggle, &data), memory),
            Answer::Ack => {
                let bytes = channel.next_out();
                mode.sent(channel, bytes, memory)
            }
            Answer::Nak => mode.end(channel, HCINT_NAK),
            Answer::Nyet => mode.end(channel, HCINT_NYET),
            Answer::Stall => mode.end(channel, HCINT_STALL),
            Answer::Silent => mode.end(channel, HCINT_ERROR),
        };
        match then {
            // The next packet begins with a start split, which is the guest's business.
            Then::GoOn => mode.end(channel, HCINT_ACK),
            then => then,
        }
    }
}
