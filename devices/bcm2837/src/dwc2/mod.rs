//! The USB controller, a Synopsys DesignWare Hi-Speed OTG core 2.80a in host mode, with the board's hub at its port, and a keyboard and a mouse at the hub.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, 15 USB: names Synopsys' core, and the interrupt.
//! - Synopsys' databook is not public; register names and bits as in Linux, drivers/usb/dwc2/hw.h, and their behaviour as its driver, U-Boot's and those of
//!   bare-metal systems rely on it.
//!
//! Control, bulk and interrupt transfers, split transactions, DMA to buffers and slave mode (data through FIFOs). Device mode, descriptor DMA, isochronous
//! endpoints and remote wake-up are not there.
//!
//! # Time
//! The frame counter is computed from the time. A transaction is made when it would be over on the bus; those of interrupt endpoints when the microframe begins
//! that the guest chose by its parity.
//!
//! Starts of microframes do not all interrupt who asks for it: only those of whole frames, and the one at which the hub has the answer to a split transaction.
//! Drivers that poll keyboards leave this interrupt on for good, and 8000 a second would keep a host busy with an idle guest. The flag and the frame number are
//! those of the time in any case. A core without an enabled channel, and whose start-of-frame interrupt is off, needs no attention at all.
//!
//! # Orderings
//! Writes are posted: the `Service` system alone changes the core's state ([`Controller`]) and then publishes it, while no core of the processor runs
//! (`Relaxed`; the fork and join of a slice order them). What a read takes from the receive FIFO is ordered there; such reads post a note of the end of a transfer and
//! ring for attention.

mod channel;
mod controller;
mod fifo;
mod frames;
mod port;
mod registers;
#[cfg(test)]
mod tests;
mod transfer;

use crate::irq;
use crate::usb::bus::Bus;
use crate::usb::keyboard::Keyboard;
use bevy_ecs::prelude::*;
use controller::Controller;
use fifo::ReceiveFifo;
use frames::Frames;
use registers::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use tayberry_engine::builder::{MachineClock, Ram};
use tayberry_engine::stats::Stats;
use tayberry_engine::{
    Archive, Attention, BusContext, BusView, Deadline, GuestTime, HidWire, Inbox, IrqLine, MachineBuilder, Phase, Plugin, PostedWrite,
    Served, cell,
};
use transfer::Memory;

const BASE: u64 = 0x3F98_0000;
const SIZE: u64 = 0x1_0000;
/// `offset` of a note that the guest has read up to the end of a transfer; the value is the channel's number. No register has it.
const NOTE_COMPLETE: u32 = u32::MAX;
/// Registers that change by themselves, besides the channels'.
const CHANGING: [u32; 6] = [GINTSTS, GNPTXSTS, HPTXSTS, HAINT, HPRT0, GRSTCTL];
/// `since` while no frames are sent.
const STOPPED: u64 = u64::MAX;

/// The registers as cores read them.
#[derive(Debug)]
struct Registers {
    words: [AtomicU32; WORDS],
    /// [`Frames`].
    since: AtomicU64,
    length: AtomicU64,
    seen: AtomicU64,
    fifo: ReceiveFifo,
    inbox: Inbox,
    attention: Arc<Attention>,
    line: IrqLine,
}

cell!(Registers { words, since, length, seen, fifo, inbox } but { attention, line });

impl Registers {
    fn word(&self, register: u32) -> u32 {
        self.words[register as usize / 4 % WORDS].load(Relaxed)
    }

    fn frames(&self) -> Frames {
        let since = Some(self.since.load(Relaxed)).filter(|&since| since != STOPPED).map(GuestTime);
        Frames { since, length: self.length.load(Relaxed).max(1), seen: self.seen.load(Relaxed) }
    }

    /// GINTSTS.
    fn interrupts(&self, now: GuestTime) -> u32 {
        let published = self.word(GINTSTS);
        if published & GINT_HOST_MODE == 0 {
            return published;
        }
        let when = |condition: bool, bit: u32| if condition { bit } else { 0 };
        published | when(self.frames().is_pending(now), GINT_SOF) | when(self.fifo.has_status(), GINT_RX_LEVEL)
    }

    fn drive(&self, now: GuestTime) {
        irq::drive(&self.line, || {
            self.word(GAHBCFG) & GAHBCFG_GLBL_INTR != 0 && self.interrupts(now) & self.word(GINTMSK) & !GINT_HOST_MODE != 0
        });
    }

    /// GRXSTSP.
    fn take_status(&self, at: &BusContext<'_>) -> u32 {
        let Some(status) = self.fifo.take_status() else { return 0 };
        if status >> 17 & 15 == RX_COMPLETE {
            self.inbox.post(NOTE_COMPLETE, status & 15, at);
            self.attention.stop_all();
        }
        self.drive(at.now());
        status
    }
}

struct View(Arc<Registers>);

impl BusView for View {
    fn read(&self, offset: u32, at: &BusContext<'_>) -> u32 {
        match offset {
            GINTSTS => self.0.interrupts(at.now()),
            HFNUM => self.0.frames().number(at.now()),
            GRXSTSR => self.0.fifo.status().unwrap_or(0),
            GRXSTSP => self.0.take_status(at),
            REGISTERS_END.. => self.0.fifo.take_word().unwrap_or(0),
            _ => self.0.word(offset),
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        self.0.inbox.post(offset, value, at)
    }
}

/// The controller in the world.
#[derive(Component)]
struct Usb {
    controller: Controller,
    registers: Arc<Registers>,
    wire: HidWire,
    deadline: Deadline,
    stats: Arc<Stats>,
}

impl Usb {
    fn pass(&mut self, archive: &mut Archive<'_>) {
        let Self { controller, registers, wire: _, deadline, stats: _ } = self;
        controller.pass(archive);
        archive.cells(&[registers, deadline]);
    }

    fn is_due(&self, now: GuestTime) -> bool {
        !self.registers.inbox.is_empty() || !self.wire.is_empty() || self.deadline.get().is_some_and(|at| at <= now)
    }

    fn service(&mut self, now: GuestTime, memory: &Memory<'_>) {
        while let Some(event) = self.wire.receive() {
            self.controller.input(event);
        }
        while let Some(PostedWrite { offset, value, time, .. }) = self.registers.inbox.pop() {
            if offset == NOTE_COMPLETE {
                if let Some(channel) = self.controller.channels.get_mut(value as usize) {
                    channel.hcint |= HCINT_COMPLETE;
                }
                continue;
            }
            self.controller.write(offset, value, time, memory.fifo);
            match offset {
                GRSTCTL => self.publish_all(),
                _ if offset < REGISTERS_END => self.publish_word(offset),
                _ => {}
            }
        }
        self.controller.run(now, memory);
        self.publish(now);
        self.plan(now);
    }

    fn publish_word(&self, register: u32) {
        self.registers.words[register as usize / 4 % WORDS].store(self.controller.read(register), Relaxed);
    }

    fn publish_all(&self) {
        (0..REGISTERS_END).step_by(4).for_each(|register| self.publish_word(register));
    }

    /// Shows cores the registers that may have changed by themselves, and drives the interrupt line.
    fn publish(&mut self, now: GuestTime) {
        for register in CHANGING.into_iter().chain((CHANNELS..CHANNELS + CHANNEL_COUNT as u32 * CHANNEL_BYTES).step_by(4)) {
            self.publish_word(register);
        }
        let Frames { since, length, seen } = self.controller.frames;
        self.registers.since.store(since.map_or(STOPPED, |since| since.0), Relaxed);
        self.registers.length.store(length, Relaxed);
        self.registers.seen.store(seen, Relaxed);
        self.registers.drive(now);
        if self.controller.bus.keyboard().is_some_and(Keyboard::take_asked) {
            self.stats.keyboard_asked_ns.set(self.stats.guest_ns.get().max(1));
        }
    }

    /// Sets the next deadline: the next transaction, or a start of frame that interrupts.
    fn plan(&self, now: GuestTime) {
        let controller = &self.controller;
        let transactions = controller.channels.iter().filter_map(|channel| channel.due);
        let hears = controller.load(GAHBCFG) & GAHBCFG_GLBL_INTR != 0 && controller.load(GINTMSK) & GINT_SOF != 0;
        let frames = &controller.frames;
        // Somebody may want to ask the translator when it has an answer.
        let answer =
            controller.bus.answer_at().and_then(|at| frames.next(GuestTime(at.max(now).0.saturating_sub(1)))).filter(|&at| at > now);
        let starts = answer.into_iter().chain(frames.next_whole(now)).filter(|_| hears && !frames.is_pending(now));
        self.deadline.set(transactions.chain(starts).min());
    }
}

fn run_controller(mut usb: Single<&mut Usb>, clock: Res<MachineClock>, ram: Res<Ram>) {
    let now = clock.now();
    if usb.is_due(now) {
        let registers = Arc::clone(&usb.registers);
        usb.service(now, &Memory { ram: &ram.0, fifo: &registers.fifo });
    }
}

/// Adds the controller.
#[derive(Clone, Copy, Debug)]
pub struct UsbPlugin {
    /// A keyboard and a mouse are plugged in.
    pub has_input: bool,
}

impl Plugin for UsbPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let registers = Arc::new(Registers {
            words: [const { AtomicU32::new(0) }; WORDS],
            since: AtomicU64::new(STOPPED),
            length: AtomicU64::new(1),
            seen: AtomicU64::new(0),
            fifo: ReceiveFifo::default(),
            inbox: Inbox::default(),
            attention: machine.attention(),
            line: machine.irq_line(irq::USB),
        });
        machine.map(BASE..BASE + SIZE, "USB", Arc::new(View(Arc::clone(&registers))));
        let mut usb = Usb {
            controller: Controller::new(Bus::new(self.has_input)),
            registers,
            wire: machine.hid_wire(),
            deadline: machine.deadline(),
            stats: machine.stats(),
        };
        // Of the machine before a reset.
        usb.stats.keyboard_asked_ns.set(0);
        usb.publish_all();
        usb.publish(GuestTime(0));
        machine.world.spawn(usb);
        machine.part("USB", |world, archive| {
            world.query::<&mut Usb>().iter_mut(world).for_each(|mut usb| usb.pass(archive));
        });
        machine.add_systems(Phase::Service, run_controller);
    }
}
