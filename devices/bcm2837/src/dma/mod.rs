//! The DMA controller: 16 channels that work through chains of control blocks in RAM.
//!
//! # Resources
//! - BCM2835 ARM Peripherals, chapter 4, with its errata. Channels 0 to 6 and 15 are full ones, 7 to 14 "lite": no 2D mode, no ignoring, 64 KiB at most.
//!
//! # Time
//! A chunk of some kilobytes is moved at the start of the guest time that it takes, and the block is complete at its end. Channels that work at once
//! share the memory's bandwidth. What a tick does is bounded, whatever chain a guest has built: the rest waits for the next tick.
//!
//! # Orderings
//! Registers are written by the `Service` system alone, while no core runs, and read by any core: `Relaxed`, as the fork and join of a slice order them.
//! Writes by cores are posted.

pub mod dreq;
#[cfg(test)]
mod tests;
mod transfer;

use crate::irq;
use bevy_ecs::prelude::*;
use dreq::{DreqLines, Dreqs};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use tayberry_engine::builder::{BusRes, MachineClock, Ram};
use tayberry_engine::{
    Archive, BusContext, BusView, Clock, Deadline, GuestTime, Inbox, IrqLine, MachineBuilder, Phase, Plugin, Served, cell,
};
use transfer::{BLOCK_ALIGN, Block, PIECE, Port, TI_INTEN, TI_PERMAP_SHIFT};

const BASE: u64 = 0x3F00_7000;
const SIZE: u64 = 0x1000;
/// Channel 15 lives in a block of its own.
const BASE_15: u64 = 0x3FE0_5000;
const SIZE_15: u64 = 0x100;

const CS: u32 = 0x00; // Control and status
const CONBLK_AD: u32 = 0x04; // Control block address
const NEXTCONBK: u32 = 0x1c; // Next control block; between the two, the current block's words (RO)
const DEBUG: u32 = 0x20; // Errors, kind of channel
const INT_STATUS: u32 = 0xfe0; // Interrupt status of all channels (RO)
const ENABLE: u32 = 0xff0; // Channels switched on
const REGISTERS: usize = 9;
const CHANNEL_SHIFT: u32 = 8;

const CS_ACTIVE: u32 = 1 << 0;
const CS_END: u32 = 1 << 1;
const CS_INT: u32 = 1 << 2;
const CS_DREQ: u32 = 1 << 3;
const CS_PAUSED: u32 = 1 << 4;
const CS_DREQ_STOPS: u32 = 1 << 5;
const CS_ERROR: u32 = 1 << 8;
/// Priorities, WAIT_FOR_OUTSTANDING_WRITES, DISDEBUG: kept.
const CS_KEPT: u32 = 0x30ff_0000;
const CS_ABORT: u32 = 1 << 30;
const CS_RESET: u32 = 1 << 31;
const DEBUG_READ_ERROR: u32 = 1 << 2;
const DEBUG_ERRORS: u32 = 7;
const DEBUG_ID_SHIFT: u32 = 8;
const DEBUG_VERSION: u32 = 2 << 25;
const DEBUG_LITE: u32 = 1 << 28;
const ENABLE_ALL: u32 = 0x7fff;

const CHANNELS: usize = 16;
/// The channel that the ENABLE register has no bit for.
const CHANNEL_15: usize = 15;
const LITE: std::ops::Range<usize> = 7..15;

/// Guest time to fetch a control block, nanoseconds.
const FETCH_NS: u64 = 200;
/// Shortest time between two looks at the controller: short blocks of a chain are done several at once.
const GRAIN_NS: u64 = 1_000;
/// What one channel may do in a tick: a step is 1, and so is each [`WORK_NS`] of guest time that moving bytes takes.
const WORK: u64 = 64;
const WORK_NS: u64 = 1_024;
/// Guest time that a channel stands back which the host cannot keep up with, so that cores run too.
const STAND_BACK_NS: u64 = 50_000;

/// The registers as cores read them.
#[derive(Debug)]
struct Registers {
    channels: [[AtomicU32; REGISTERS]; CHANNELS],
    enable: AtomicU32,
    int_status: AtomicU32,
    dreq: Arc<DreqLines>,
    inbox: Inbox,
}

cell!(Registers { channels, enable, int_status, dreq, inbox });

impl Registers {
    fn read(&self, channel: usize, offset: u32) -> u32 {
        let registers = &self.channels[channel];
        let Some(value) = registers.get((offset / 4) as usize).map(|register| register.load(Relaxed)) else { return 0 };
        if offset != CS {
            return value;
        }
        // The level is the peripheral's, not the controller's.
        let permap = registers[2].load(Relaxed) >> TI_PERMAP_SHIFT;
        value | if self.dreq.is_asserted(permap) { CS_DREQ } else { 0 }
    }
}

/// Channels 0 to 14 and the common registers.
struct MainView(Arc<Registers>);

impl BusView for MainView {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        match (offset >> CHANNEL_SHIFT) as usize {
            channel @ 0..CHANNEL_15 => self.0.read(channel, offset & 0xff),
            _ if offset == INT_STATUS => self.0.int_status.load(Relaxed),
            _ if offset == ENABLE => self.0.enable.load(Relaxed),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        let exists = offset >> CHANNEL_SHIFT < CHANNEL_15 as u32 || offset == ENABLE;
        if exists { self.0.inbox.post(offset, value, at) } else { Served::Inline }
    }
}

/// Channel 15.
struct View15(Arc<Registers>);

impl BusView for View15 {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        self.0.read(CHANNEL_15, offset)
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        if offset > DEBUG {
            return Served::Inline;
        }
        self.0.inbox.post((CHANNEL_15 as u32) << CHANNEL_SHIFT | offset, value, at)
    }
}

/// One channel.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Channel {
    /// Bits of CS that are kept, ACTIVE, END and INT.
    cs: u32,
    conblk: u32,
    /// TI to NEXTCONBK: the last block fetched.
    block: Block,
    /// It is at work on `block`.
    loaded: bool,
    /// Error bits of DEBUG.
    errors: u32,
    /// When what it has begun is done.
    busy_until: GuestTime,
}

impl Channel {
    fn is_active(&self) -> bool {
        self.cs & CS_ACTIVE != 0
    }

    fn is_stalled(&self, dreq: &DreqLines) -> bool {
        self.is_active() && self.loaded && self.block.is_stalled(dreq)
    }

    fn status(&self, dreq: &DreqLines) -> u32 {
        let paused = if self.loaded && !self.is_active() { CS_PAUSED } else { 0 };
        let stopped = if self.is_stalled(dreq) { CS_DREQ_STOPS } else { 0 };
        self.cs | paused | stopped | if self.errors != 0 { CS_ERROR } else { 0 }
    }

    /// Goes on to the block at `address`, or stops where that is 0.
    fn go_on_to(&mut self, address: u32) {
        self.loaded = false;
        self.conblk = address;
        if address == 0 {
            self.cs &= !CS_ACTIVE;
        }
    }

    fn write_cs(&mut self, value: u32, now: GuestTime) {
        if value & CS_RESET != 0 {
            *self = Self::default();
            return;
        }
        let latched = self.cs & (CS_END | CS_INT) & !value;
        let was_active = self.is_active();
        self.cs = value & (CS_KEPT | CS_ACTIVE) | latched;
        if value & CS_ABORT != 0 && self.loaded {
            self.go_on_to(self.block.next);
        }
        if !self.loaded && self.conblk == 0 {
            self.cs &= !CS_ACTIVE;
        }
        if self.is_active() && !was_active {
            self.busy_until = self.busy_until.max(now);
        }
    }

    fn write(&mut self, offset: u32, value: u32, now: GuestTime) {
        match offset {
            CS => self.write_cs(value, now),
            // A paused block is given up for the new one; one at work is not.
            CONBLK_AD if self.is_active() => {
                tracing::debug!(target: "dma", "CONBLK_AD is written while the channel is active: ignored");
            }
            CONBLK_AD => {
                self.loaded = false;
                self.conblk = value & BLOCK_ALIGN;
            }
            NEXTCONBK => self.block.next = value & BLOCK_ALIGN,
            DEBUG => self.errors &= !(value & DEBUG_ERRORS),
            _ => {}
        }
    }

    /// Fetches a block, moves a chunk of it, or completes it. Returns how much work that was.
    fn step(&mut self, index: usize, share: u64, port: &mut Port<'_>, dreq: &DreqLines, buffer: &mut [u8; PIECE]) -> u64 {
        if !self.loaded {
            match port.control_block(self.conblk) {
                Some(words) => {
                    self.block = Block::decode(&words, LITE.contains(&index));
                    tracing::debug!(
                        target: "dma",
                        channel = index,
                        block = format_args!("{:#010x}", self.conblk),
                        ti = format_args!("{:#010x}", self.block.ti),
                        source = format_args!("{:#010x}", self.block.source),
                        dest = format_args!("{:#010x}", self.block.dest),
                        length = self.block.length(),
                        "channel {index} begins the block at {:#010x}: {}",
                        self.conblk,
                        self.block.words()
                    );
                    self.loaded = true;
                    self.busy_until = self.busy_until.plus(FETCH_NS);
                }
                None => {
                    tracing::debug!(target: "dma", channel = index, "channel {index}: no control block can be read at {:#010x}", self.conblk);
                    self.errors |= DEBUG_READ_ERROR;
                    self.cs &= !CS_ACTIVE;
                }
            }
        } else if self.block.is_done() {
            tracing::debug!(target: "dma", channel = index, "channel {index} has done the block at {:#010x}", self.conblk);
            self.cs |= CS_END | if self.block.ti & TI_INTEN != 0 { CS_INT } else { 0 };
            self.go_on_to(self.block.next);
        } else {
            let ns = self.block.advance(port, dreq, buffer);
            self.busy_until = self.busy_until.plus(ns * share);
            if std::mem::take(&mut port.read_error) {
                self.errors |= DEBUG_READ_ERROR;
            }
            return 1 + ns / WORK_NS;
        }
        1
    }

    /// Works as far as it can have come by `now`.
    fn run(&mut self, index: usize, share: u64, now: GuestTime, port: &mut Port<'_>, dreq: &DreqLines, buffer: &mut [u8; PIECE]) {
        let mut work = 0;
        while self.is_active() && self.busy_until <= now {
            if self.is_stalled(dreq) {
                // Time spent waiting is not made up for.
                self.busy_until = now;
                return;
            }
            if work >= WORK {
                // Neither is what a tick has no room for.
                self.busy_until = now.plus(STAND_BACK_NS);
                return;
            }
            work += self.step(index, share, port, dreq, buffer);
        }
    }
}

/// The controller in the world.
#[derive(Component)]
struct DmaController {
    channels: [Channel; CHANNELS],
    enable: u32,
    registers: Arc<Registers>,
    dreq: Arc<DreqLines>,
    deadline: Deadline,
    /// Channels 0 to 10, 11 to 14 together, all together.
    lines: [IrqLine; irq::DMA_ALL - irq::DMA + 1],
    buffer: Box<[u8; PIECE]>,
}

impl DmaController {
    fn pass(&mut self, archive: &mut Archive<'_>) {
        let Self { channels, enable, registers, dreq: _, deadline, lines: _, buffer: _ } = self;
        archive.value(channels);
        archive.value(enable);
        archive.cells(&[registers, deadline]);
    }

    fn is_enabled(&self, index: usize) -> bool {
        index == CHANNEL_15 || self.enable >> index & 1 != 0
    }

    fn is_due(&self, now: GuestTime) -> bool {
        !self.registers.inbox.is_empty() || self.deadline.get().is_some_and(|at| at <= now)
    }

    fn service(&mut self, now: GuestTime, port: &mut Port<'_>) {
        while let Some(write) = self.registers.inbox.pop() {
            if write.offset == ENABLE {
                self.enable = write.value & ENABLE_ALL;
            } else if let Some(channel) = self.channels.get_mut((write.offset >> CHANNEL_SHIFT) as usize) {
                channel.write(write.offset & 0xff, write.value, now);
            }
        }
        let working = |&index: &usize| {
            let channel = &self.channels[index];
            self.is_enabled(index) && channel.is_active() && !channel.is_stalled(&self.dreq)
        };
        let share = (0..CHANNELS).filter(working).count().max(1) as u64;
        for index in 0..CHANNELS {
            if self.is_enabled(index) {
                self.channels[index].run(index, share, now, port, &self.dreq, &mut self.buffer);
            }
        }
        self.publish();
        self.plan(now, port.posted);
    }

    /// Shows cores the registers and drives the interrupt lines.
    fn publish(&self) {
        let mut interrupts = 0;
        for (index, channel) in self.channels.iter().enumerate() {
            interrupts |= if channel.cs & CS_INT != 0 { 1 << index } else { 0 };
            let kind = if LITE.contains(&index) { DEBUG_LITE } else { 0 };
            let debug = DEBUG_VERSION | kind | (index as u32) << DEBUG_ID_SHIFT | channel.errors;
            let Block { ti, source, dest, stride, next, .. } = channel.block;
            let values = [channel.status(&self.dreq), channel.conblk, ti, source, dest, channel.block.length(), stride, next, debug];
            for (register, value) in self.registers.channels[index].iter().zip(values) {
                register.store(value, Relaxed);
            }
        }
        self.registers.enable.store(self.enable, Relaxed);
        self.registers.int_status.store(interrupts, Relaxed);
        for (index, line) in self.lines.iter().enumerate() {
            let channels = match irq::DMA + index {
                irq::DMA_SHARED => 0x7800,
                irq::DMA_ALL => ENABLE_ALL,
                _ => 1 << index,
            };
            irq::drive(line, || interrupts & channels != 0);
        }
    }

    /// Sets the next deadline. `posted`: devices have register writes of ours waiting, which need a tick soon.
    fn plan(&self, now: GuestTime, posted: bool) {
        let (mut next, mut awaited) = (posted.then_some(now), 0);
        for (index, channel) in self.channels.iter().enumerate() {
            if !self.is_enabled(index) || !channel.is_active() {
                continue;
            }
            if channel.is_stalled(&self.dreq) {
                awaited |= 1 << channel.block.permap();
            } else {
                let at = channel.busy_until.max(now.plus(GRAIN_NS));
                next = Some(next.map_or(at, |next| next.min(at)));
            }
        }
        self.dreq.set_awaited(awaited);
        self.deadline.set(next);
    }
}

/// An access by the controller at `now`. No core is at work then; the first lends its name.
fn access(clock: &Clock, now: GuestTime) -> BusContext<'_> {
    BusContext { core: 0, retired: now.0.saturating_sub(clock.core_now(0, 0).0), clock }
}

fn run_channels(mut dma: Single<&mut DmaController>, clock: Res<MachineClock>, ram: Res<Ram>, bus: Res<BusRes>) {
    let now = clock.now();
    if dma.is_due(now) {
        dma.service(now, &mut Port::new(&ram.0, &bus.0, access(&clock.0, now)));
    }
}

/// Adds the controller, and the resource [`Dreqs`] for the peripherals after it.
#[derive(Clone, Copy, Debug)]
pub struct DmaPlugin;

impl Plugin for DmaPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let deadline = machine.deadline();
        let dreq = Arc::new(DreqLines::new(deadline.clone(), machine.attention()));
        let registers = Arc::new(Registers {
            channels: Default::default(),
            enable: AtomicU32::new(ENABLE_ALL),
            int_status: AtomicU32::new(0),
            dreq: Arc::clone(&dreq),
            inbox: Inbox::default(),
        });
        machine.map(BASE..BASE + SIZE, "DMA", Arc::new(MainView(Arc::clone(&registers))));
        machine.map(BASE_15..BASE_15 + SIZE_15, "DMA channel 15", Arc::new(View15(Arc::clone(&registers))));
        machine.world.insert_resource(Dreqs(Arc::clone(&dreq)));
        let controller = DmaController {
            channels: Default::default(),
            enable: ENABLE_ALL,
            registers,
            dreq,
            deadline,
            lines: std::array::from_fn(|index| machine.irq_line(irq::DMA + index)),
            buffer: Box::new([0; PIECE]),
        };
        controller.publish();
        machine.world.spawn(controller);
        machine.part("DMA", |world, archive| {
            world.query::<&mut DmaController>().iter_mut(world).for_each(|mut controller| controller.pass(archive));
        });
        machine.add_systems(Phase::Service, run_channels);
    }
}
