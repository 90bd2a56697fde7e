//! The core's state and what writes to its registers do. Plain state, owned by the device's system.

use super::channel::Channel;
use super::fifo::ReceiveFifo;
use super::frames::{FRAME_NS, Frames, MICROFRAME_NS};
use super::port::{Change, Port};
use super::registers::*;
use crate::usb::Speed;
use crate::usb::bus::Bus;
use serde::{Deserialize, Serialize};
use tayberry_engine::{Archive, GuestTime, HidEvent};

/// Number of the channel that `offset` belongs to, and the register in it.
fn channel_of(offset: u32) -> Option<(usize, u32)> {
    let at = offset.checked_sub(CHANNELS)?;
    let number = (at / CHANNEL_BYTES) as usize;
    (number < CHANNEL_COUNT).then_some((number, at % CHANNEL_BYTES))
}

/// The core.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Controller {
    /// Registers that keep what is written.
    words: Vec<u32>,
    /// The channels.
    pub channels: [Channel; CHANNEL_COUNT],
    /// The root port.
    pub port: Port,
    /// The frame counter.
    pub frames: Frames,
    /// What is plugged in.
    pub bus: Bus,
}

impl Controller {
    /// The core after power-on.
    pub fn new(bus: Bus) -> Self {
        let mut controller =
            Self { words: vec![0; WORDS], channels: Default::default(), port: Port::default(), frames: Frames::default(), bus };
        for &(register, value) in RESET.iter().chain(&IDENTITY) {
            controller.words[register as usize / 4] = value;
        }
        controller
    }

    /// Passes it with all devices on the bus.
    pub fn pass(&mut self, archive: &mut Archive<'_>) {
        archive.value(self);
        if self.words.len() != WORDS {
            self.words.resize(WORDS, 0);
            archive.refuse();
        }
    }

    fn word(&mut self, register: u32) -> &mut u32 {
        &mut self.words[register as usize / 4 % WORDS]
    }

    /// A register that keeps what is written.
    pub fn load(&self, register: u32) -> u32 {
        self.words[register as usize / 4 % WORDS]
    }

    /// Data are moved by the core itself.
    pub fn has_dma(&self) -> bool {
        self.load(GAHBCFG) & GAHBCFG_DMA != 0
    }

    /// Somebody presses a key or moves the mouse.
    pub fn input(&mut self, event: HidEvent) {
        match event {
            HidEvent::Key { usage, pressed } => {
                if let Some(keyboard) = self.bus.keyboard() {
                    keyboard.key(usage, pressed);
                }
            }
            HidEvent::Mouse { buttons, dx, dy, wheel } => {
                if let Some(mouse) = self.bus.mouse() {
                    mouse.act(buttons, dx, dy, wheel);
                }
            }
        }
    }

    /// A write at `time`.
    pub fn write(&mut self, offset: u32, value: u32, time: GuestTime, fifo: &ReceiveFifo) {
        match offset {
            GRXSTSR | GRXSTSP | GNPTXSTS | GSNPSID..=GHWCFG4 | HFNUM | HPTXSTS | HAINT => {}
            GRSTCTL => self.reset(value, fifo),
            GOTGINT => *self.word(GOTGINT) &= !value,
            GINTSTS => {
                if value & GINT_SOF != 0 {
                    self.frames.acknowledge(time);
                }
            }
            HPRT0 => self.write_port(value, time),
            REGISTERS_END.. => self.write_fifo(offset, value, time),
            _ => match channel_of(offset) {
                Some((number, register)) => self.write_channel(number, register, value, time, fifo),
                None => *self.word(offset) = value,
            },
        }
    }

    fn reset(&mut self, value: u32, fifo: &ReceiveFifo) {
        if value & GRSTCTL_CORE != 0 {
            tracing::debug!(target: "usb", "soft reset of the core");
            let fresh = Self::new(self.bus.clone());
            let kept = KEPT.map(|register| self.load(register));
            *self = fresh;
            KEPT.into_iter().zip(kept).for_each(|(register, value)| *self.word(register) = value);
            fifo.flush();
        }
        if value & GRSTCTL_RX_FLUSH != 0 {
            fifo.flush();
        }
        if value & GRSTCTL_TX_FLUSH != 0 {
            self.channels.iter_mut().for_each(|channel| channel.out.clear());
        }
        *self.word(GRSTCTL) = value & !(GRSTCTL_ALL | GRSTCTL_AHB_IDLE);
    }

    fn write_port(&mut self, value: u32, time: GuestTime) {
        let full_speed = self.load(HCFG) & HCFG_FULL_SPEED_ONLY != 0;
        let before = self.port.hprt0;
        let change = self.port.write(value, full_speed);
        if (before ^ self.port.hprt0) & HPRT0_POWER != 0 {
            tracing::debug!(target: "usb", "root port: power {}", if value & HPRT0_POWER != 0 { "on" } else { "off" });
        }
        match change {
            Change::None => {}
            Change::Reset | Change::Stopped => {
                self.frames.since = None;
                self.channels.iter_mut().for_each(|channel| channel.due = None);
                if change == Change::Reset {
                    tracing::debug!(target: "usb", "root port: reset");
                }
            }
            Change::Enabled | Change::Resumed => {
                let (speed, length) = if full_speed { (Speed::Full, FRAME_NS) } else { (Speed::High, MICROFRAME_NS) };
                self.frames = Frames::begin(time, length);
                if change == Change::Enabled {
                    tracing::debug!(target: "usb", "root port: enabled, {}", if full_speed { "full speed" } else { "high speed" });
                    self.bus.reset(speed);
                }
                (0..CHANNEL_COUNT).for_each(|number| self.schedule(number, time));
            }
        }
    }

    fn write_channel(&mut self, number: usize, register: u32, value: u32, time: GuestTime, fifo: &ReceiveFifo) {
        let has_dma = self.has_dma();
        let channel = &mut self.channels[number];
        match register {
            HCSPLT => channel.hcsplt = value,
            HCINT => channel.hcint &= !value,
            HCINTMSK => channel.hcintmsk = value & HCINT_ALL,
            HCTSIZ => channel.hctsiz = value,
            HCDMA => channel.hcdma = value,
            HCCHAR if value & HCCHAR_DISABLE != 0 => {
                let was_busy = (channel.hcchar | value) & HCCHAR_ENABLE != 0;
                channel.hcchar = value & !HCCHAR_ENABLE;
                channel.stop();
                if was_busy {
                    channel.hcint |= HCINT_HALTED;
                    if !has_dma {
                        fifo.push(RX_HALTED << 17 | number as u32, &[]);
                    }
                }
            }
            HCCHAR => {
                channel.hcchar = value | channel.hcchar & HCCHAR_ENABLE;
                if value & HCCHAR_ENABLE != 0 {
                    channel.requests = channel.requests.saturating_add(1).min(FIFO_WORDS);
                    self.schedule(number, time);
                }
            }
            _ => {}
        }
    }

    /// Slave mode: data for a channel.
    fn write_fifo(&mut self, offset: u32, value: u32, time: GuestTime) {
        let number = (offset / REGISTERS_END) as usize - 1;
        if let Some(channel) = self.channels.get_mut(number) {
            channel.write_fifo(value);
            self.schedule(number, time);
        }
    }

    /// Plans a channel's next transaction, if it is at work and nothing is planned.
    pub fn schedule(&mut self, number: usize, time: GuestTime) {
        let has_dma = self.has_dma();
        let channel = &self.channels[number];
        if !channel.is_enabled() || channel.due.is_some() {
            return;
        }
        let ready = has_dma || if channel.is_in() { channel.requests > 0 } else { channel.out.len() >= channel.next_out() };
        if !ready {
            return;
        }
        let due = if self.frames.since.is_none() {
            None
        } else if channel.is_periodic() {
            self.frames.next_of(channel.hcchar & HCCHAR_ODD != 0, time)
        } else {
            Some(time.plus(Speed::High.transaction_ns(channel.bytes().min(channel.packet_size().max(1) * 64))))
        };
        self.channels[number].due = due;
    }

    /// Channels with enabled interrupts, a bit each.
    fn channel_interrupts(&self) -> u32 {
        (0..).zip(&self.channels).filter(|(_, channel)| channel.interrupts()).fold(0, |all, (number, _)| all | 1 << number)
    }

    /// GINTSTS, but for what depends on the time and on the receive FIFO.
    pub fn interrupts(&self) -> u32 {
        let when = |condition: bool, bit: u32| if condition { bit } else { 0 };
        if self.load(GUSBCFG) & GUSBCFG_FORCE_DEVICE != 0 {
            return when(self.load(GOTGINT) != 0, GINT_OTG);
        }
        GINT_HOST_MODE
            | when(self.transmit_words(false) == 0, GINT_NPTX_EMPTY)
            | when(self.transmit_words(true) == 0, GINT_PTX_EMPTY)
            | when(self.load(GOTGINT) != 0, GINT_OTG)
            | when(self.port.has_changes(), GINT_PORT)
            | when(self.channel_interrupts() & self.load(HAINTMSK) != 0, GINT_CHANNELS)
    }

    /// Words in a transmit FIFO.
    fn transmit_words(&self, periodic: bool) -> u32 {
        let channels = self.channels.iter().filter(|channel| channel.is_periodic() == periodic);
        channels.map(|channel| channel.out.len() as u32 / 4).sum()
    }

    /// GNPTXSTS or HPTXSTS: room for requests, and for words.
    fn transmit_status(&self, periodic: bool) -> u32 {
        let size = self.load(if periodic { HPTXFSIZ } else { GNPTXFSIZ }) >> 16;
        REQUESTS | size.saturating_sub(self.transmit_words(periodic))
    }

    /// What a register reads as, but for those that depend on the time and on the receive FIFO.
    pub fn read(&self, offset: u32) -> u32 {
        match offset {
            GOTGCTL => self.load(GOTGCTL) | GOTGCTL_SESSION_VALID,
            GRSTCTL => self.load(GRSTCTL) | GRSTCTL_AHB_IDLE,
            GINTSTS => self.interrupts(),
            GNPTXSTS => self.transmit_status(false),
            HPTXSTS => self.transmit_status(true),
            HAINT => self.channel_interrupts(),
            HPRT0 => self.port.hprt0,
            _ => match channel_of(offset) {
                Some((number, register)) => {
                    let channel = &self.channels[number];
                    match register {
                        HCCHAR => channel.hcchar,
                        HCSPLT => channel.hcsplt,
                        HCINT => channel.hcint,
                        HCINTMSK => channel.hcintmsk,
                        HCTSIZ => channel.hctsiz,
                        HCDMA => channel.hcdma,
                        _ => 0,
                    }
                }
                None => self.load(offset),
            },
        }
    }
}
