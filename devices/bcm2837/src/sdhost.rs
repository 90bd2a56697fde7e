//! SDHOST: Broadcom's own SD host controller, which has the card when the firmware hands over.
//!
//! # Resources
//! - Not in the BCM2835 ARM Peripherals manual but for its interrupt (56) and DREQ (13). Linux, drivers/mmc/host/bcm2835.c, names its registers.
//!
//! The FIFO of 16 words is filled and emptied by the card without delay. A command is served in the tick that its write ends.
//!
//! # Orderings
//! As in [`crate::emmc`].

use crate::dma::dreq::{DreqLine, Dreqs};
use crate::irq;
use crate::sd::card::{Data, Response};
use crate::sd::transfer::{Moved, Transfer};
use crate::sd::words;
use crate::sd::{Host, Slot};
use bevy_ecs::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use tayberry_engine::builder::MachineClock;
use tayberry_engine::{
    Archive, Attention, BusContext, BusView, Cell, Deadline, GuestTime, Inbox, IrqLine, MachineBuilder, Phase, Plugin, Served, cell,
};

const BASE: u64 = 0x3F20_2000;
const SIZE: u64 = 0x100;
const DREQ: u32 = 13;

const SDCMD: u32 = 0x00; // Command
const SDARG: u32 = 0x04; // Argument
const SDTOUT: u32 = 0x08; // Timeout, in card clocks
const SDCDIV: u32 = 0x0c; // Clock divider
const SDRSP0: u32 = 0x10; // Response, four registers (RO)
const SDRSP3: u32 = 0x1c;
const SDHSTS: u32 = 0x20; // Status (write ones to clear)
const SDVDD: u32 = 0x30; // Card power
const SDEDM: u32 = 0x34; // State machine, FIFO level and thresholds
const SDHCFG: u32 = 0x38; // Configuration
const SDHBCT: u32 = 0x3c; // Bytes of a block
const SDDATA: u32 = 0x40; // Data
const SDHBLC: u32 = 0x50; // Blocks

const CMD_NEW: u32 = 1 << 15;
const CMD_FAIL: u32 = 1 << 14;
const CMD_BUSY: u32 = 1 << 11;
const CMD_NO_RESPONSE: u32 = 1 << 10;
const CMD_LONG: u32 = 1 << 9;
const CMD_WRITE: u32 = 1 << 7;
const CMD_READ: u32 = 1 << 6;
const CMD_KEPT: u32 = 0xfff;

const STS_DATA: u32 = 1 << 0;
const STS_FIFO_ERROR: u32 = 1 << 3;
const STS_CRC7: u32 = 1 << 4;
const STS_CRC16: u32 = 1 << 5;
const STS_COMMAND_TIMEOUT: u32 = 1 << 6;
const STS_DATA_TIMEOUT: u32 = 1 << 7;
const STS_BLOCK: u32 = 1 << 9;
const STS_BUSY: u32 = 1 << 10;
/// Flags that interrupt.
const STS_INTERRUPTS: u32 = 7 << 8;

const CFG_DATA: u32 = 1 << 4;
const CFG_BLOCK: u32 = 1 << 8;
const CFG_BUSY: u32 = 1 << 10;
const CFG_KEPT: u32 = 0x53f;

const EDM_FIFO_SHIFT: u32 = 4;
const EDM_THRESHOLDS: u32 = 0x3ff << 9;
const EDM_FORCE_DATA_MODE: u32 = 1 << 19;
/// States of the machine in SDEDM's low bits.
const FSM_IDENTIFICATION: u32 = 0x0;
const FSM_DATA: u32 = 0x1;
const FSM_READ: u32 = 0x2;
const FSM_WRITE: u32 = 0x3;
const FSM_READ_WAIT: u32 = 0x4;
const FSM_WRITE_START: u32 = 0xa;

const FIFO_WORDS: u64 = 16;
const SELECT: u32 = 7;
const STOP: u32 = 12;
/// Guest time between two looks at a busy card, nanoseconds.
const BUSY_NS: u64 = 200_000;

/// The registers as cores see them.
#[derive(Debug)]
struct Registers {
    command: AtomicU32,
    argument: AtomicU32,
    timeout: AtomicU32,
    divider: AtomicU32,
    response: [AtomicU32; 4],
    /// SDHSTS but for the data flag.
    status: AtomicU32,
    power: AtomicU32,
    /// Thresholds.
    edm: AtomicU32,
    /// State of the machine between transfers.
    fsm: AtomicU32,
    config: AtomicU32,
    block_bytes: AtomicU32,
    blocks: AtomicU32,
    transfer: Transfer,
    inbox: Inbox,
    deadline: Deadline,
    attention: Arc<Attention>,
    line: IrqLine,
    dreq: DreqLine,
}

cell!(Registers {
    command, argument, timeout, divider, response, status, power, edm, fsm, config, block_bytes, blocks, transfer, inbox, deadline,
} but { attention, line, dreq });

impl Registers {
    /// Words can move.
    fn data_flag(&self) -> bool {
        self.transfer.left() != 0
    }

    fn drive(&self) {
        let level = || {
            let data = self.config.load(SeqCst) & CFG_DATA != 0 && self.data_flag();
            data || self.status.load(SeqCst) & STS_INTERRUPTS != 0
        };
        irq::drive(&self.line, level);
    }

    fn raise(&self, flags: u32) {
        self.status.fetch_or(flags, SeqCst);
        self.drive();
    }

    fn edm(&self) -> u32 {
        let transfer = &self.transfer;
        let (state, level) = if transfer.is_read() {
            (FSM_READ, transfer.left().div_ceil(4).min(FIFO_WORDS) as u32)
        } else if transfer.is_write() {
            (FSM_WRITE, 0)
        } else {
            (self.fsm.load(SeqCst), 0)
        };
        self.edm.load(SeqCst) | level << EDM_FIFO_SHIFT | state
    }

    fn block_count(&self) -> u32 {
        let blocks = self.blocks.load(SeqCst);
        if self.transfer.is_active() { blocks.saturating_sub(u32::try_from(self.transfer.blocks()).unwrap_or(u32::MAX)) } else { blocks }
    }

    fn moved(&self, moved: Moved) {
        if moved.block_done && self.config.load(SeqCst) & CFG_BLOCK != 0 {
            self.status.fetch_or(STS_BLOCK, SeqCst);
        }
        if moved.all_done {
            self.dreq.set(false);
            self.deadline.set(Some(GuestTime(0)));
            self.attention.stop_all();
        }
        if moved.block_done {
            self.drive();
        }
    }

    fn read_data(&self) -> u32 {
        match self.transfer.take() {
            Some(moved) => {
                self.moved(moved);
                moved.word
            }
            None => {
                self.status.fetch_or(STS_FIFO_ERROR, SeqCst);
                0
            }
        }
    }

    fn write_data(&self, value: u32) -> Served {
        match self.transfer.put(value) {
            Some(moved) => {
                self.moved(moved);
                if moved.all_done { Served::EndSlice } else { Served::Inline }
            }
            None => {
                self.status.fetch_or(STS_FIFO_ERROR, SeqCst);
                Served::Inline
            }
        }
    }
}

/// The register window.
struct View(Arc<Registers>);

impl BusView for View {
    fn read(&self, offset: u32, _: &BusContext<'_>) -> u32 {
        let registers = &*self.0;
        match offset {
            SDCMD => registers.command.load(SeqCst),
            SDARG => registers.argument.load(SeqCst),
            SDTOUT => registers.timeout.load(SeqCst),
            SDCDIV => registers.divider.load(SeqCst),
            SDRSP0..=SDRSP3 => registers.response[((offset - SDRSP0) / 4) as usize].load(SeqCst),
            SDHSTS => registers.status.load(SeqCst) | if registers.data_flag() { STS_DATA } else { 0 },
            SDVDD => registers.power.load(SeqCst),
            SDEDM => registers.edm(),
            SDHCFG => registers.config.load(SeqCst),
            SDHBCT => registers.block_bytes.load(SeqCst),
            SDDATA => registers.read_data(),
            SDHBLC => registers.block_count(),
            _ => 0,
        }
    }

    fn write(&self, offset: u32, value: u32, at: &BusContext<'_>) -> Served {
        let registers = &*self.0;
        match offset {
            SDCMD | SDEDM | SDVDD => return registers.inbox.post(offset, value, at),
            SDARG => registers.argument.store(value, SeqCst),
            SDTOUT => registers.timeout.store(value, SeqCst),
            SDCDIV => registers.divider.store(value & 0x7ff, SeqCst),
            SDHSTS => {
                registers.status.fetch_and(!value, SeqCst);
                registers.drive();
            }
            SDHCFG => {
                registers.config.store(value & CFG_KEPT, SeqCst);
                registers.drive();
            }
            SDHBCT => registers.block_bytes.store(value & 0xffff, SeqCst),
            SDDATA => return registers.write_data(value),
            SDHBLC => registers.blocks.store(value & 0xffff, SeqCst),
            _ => {}
        }
        Served::Inline
    }
}

/// The controller in the world.
#[derive(Component)]
struct SdHost {
    registers: Arc<Registers>,
    /// The transfer has fewer bytes than the host wants.
    short: bool,
    /// A busy card keeps the command from being done.
    awaits_card: bool,
}

impl SdHost {
    fn pass(&mut self, archive: &mut Archive<'_>) {
        let Self { registers, short, awaits_card } = self;
        registers.pass(archive);
        [short, awaits_card].into_iter().for_each(|flag| archive.value(flag));
    }

    fn is_due(&self, now: GuestTime) -> bool {
        !self.registers.inbox.is_empty() || self.registers.deadline.get().is_some_and(|at| at <= now)
    }

    fn service(&mut self, slot: &mut Slot, now: GuestTime) {
        self.settle(slot);
        while let Some(write) = self.registers.inbox.pop() {
            match write.offset {
                SDCMD => self.run(write.value, slot),
                SDEDM => self.write_edm(write.value),
                _ => self.set_power(write.value),
            }
            self.settle(slot);
        }
        self.registers.dreq.set(self.registers.data_flag());
        self.registers.drive();
        self.registers.deadline.set(self.awaits_card.then(|| now.plus(BUSY_NS)));
    }

    /// Tells the card how far the transfer came, completes it, and sees whether the card is still busy.
    fn settle(&mut self, slot: &mut Slot) {
        let registers = &self.registers;
        if registers.transfer.is_active() {
            let mut open = false;
            if let Some(card) = slot.card(Host::SdHost) {
                registers.transfer.report(card, self.short);
                open = card.awaits_stop();
            }
            if registers.transfer.left() == 0 {
                let wait = if registers.transfer.is_read() { FSM_READ_WAIT } else { FSM_WRITE_START };
                self.end_transfer(if open { wait } else { FSM_DATA });
                if std::mem::take(&mut self.short) {
                    self.registers.raise(STS_DATA_TIMEOUT);
                }
            }
        }
        if self.awaits_card || slot.card(Host::SdHost).is_some_and(|card| card.is_busy()) {
            self.awaits_card = true;
            let busy = slot.card(Host::SdHost).is_some_and(|card| {
                card.work();
                card.is_busy()
            });
            if !busy {
                self.awaits_card = false;
                self.command_done();
            }
        }
    }

    /// The card is no longer busy after a command.
    fn command_done(&self) {
        let registers = &self.registers;
        let command = registers.command.fetch_and(!CMD_NEW, SeqCst);
        if command & CMD_BUSY != 0 && registers.config.load(SeqCst) & CFG_BUSY != 0 {
            registers.raise(STS_BUSY);
        }
    }

    fn end_transfer(&self, state: u32) {
        let registers = &self.registers;
        registers.blocks.store(registers.block_count(), SeqCst);
        registers.transfer.end();
        registers.fsm.store(state, SeqCst);
    }

    fn write_edm(&mut self, value: u32) {
        self.registers.edm.store(value & EDM_THRESHOLDS, SeqCst);
        if value & EDM_FORCE_DATA_MODE != 0 {
            self.short = false;
            self.end_transfer(FSM_DATA);
        }
    }

    /// SDVDD. Power that is switched off takes the controller back to its start; the board's card keeps its own.
    fn set_power(&mut self, value: u32) {
        self.registers.power.store(value & 1, SeqCst);
        if value & 1 == 0 {
            (self.short, self.awaits_card) = (false, false);
            self.registers.command.fetch_and(!CMD_NEW, SeqCst);
            self.end_transfer(FSM_IDENTIFICATION);
        }
    }

    /// SDCMD: a command, and the data that belongs to it.
    fn run(&mut self, command: u32, slot: &mut Slot) {
        let registers = Arc::clone(&self.registers);
        registers.command.store(command & CMD_KEPT, SeqCst);
        if command & CMD_NEW == 0 {
            return;
        }
        let (index, argument) = (command & 0x3f, registers.argument.load(SeqCst));
        let Some(outcome) = slot.card(Host::SdHost).map(|card| card.command(index as u8, argument)) else {
            tracing::debug!(target: "sd", "SDHOST: CMD{index} {argument:#010x} ({}): no card", words::command(index));
            return if command & CMD_NO_RESPONSE == 0 {
                self.fail(STS_COMMAND_TIMEOUT)
            };
        };
        tracing::debug!(
            target: "sd",
            command = index,
            argument = format_args!("{argument:#010x}"),
            "SDHOST: CMD{index} {argument:#010x} ({}): {}",
            words::command(index),
            words::outcome(&outcome)
        );
        match index {
            0 => self.end_transfer(FSM_IDENTIFICATION),
            STOP | SELECT => self.end_transfer(FSM_DATA),
            _ => {}
        }
        if !self.respond(command, outcome.response) {
            return;
        }
        if command & (CMD_READ | CMD_WRITE) != 0 {
            self.start_data(command, outcome.data.as_ref());
        }
        if command & CMD_BUSY != 0 || matches!(outcome.response, Response::Busy(_)) {
            // Settling sees when it ends; a host that does not care need not wait.
            self.awaits_card = true;
            registers.command.fetch_or(if command & CMD_BUSY != 0 { CMD_NEW } else { 0 }, SeqCst);
        }
    }

    fn fail(&self, flag: u32) {
        self.registers.command.fetch_or(CMD_FAIL, SeqCst);
        self.registers.raise(flag);
    }

    /// Shows the response. False if it is not what was to come.
    fn respond(&self, command: u32, response: Response) -> bool {
        let words = match response {
            _ if command & CMD_NO_RESPONSE != 0 => return true,
            Response::None => {
                self.fail(STS_COMMAND_TIMEOUT);
                return false;
            }
            Response::Short(short) | Response::Busy(short) => [short, 0, 0, 0],
            Response::Long(long) => std::array::from_fn(|index| (long >> (32 * index)) as u32),
        };
        self.registers.response.iter().zip(words).for_each(|(register, word)| register.store(word, SeqCst));
        let fits = matches!(response, Response::Long(_)) == (command & CMD_LONG != 0);
        if !fits {
            self.fail(STS_CRC7);
        }
        fits
    }

    /// Sets the data path up for what the card will send or take. A block size or count of 0 stands for what the card has.
    fn start_data(&mut self, command: u32, data: Option<&Data>) {
        let registers = Arc::clone(&self.registers);
        let is_read = command & CMD_READ != 0;
        let Some(data) = data.filter(|data| data.is_read() == is_read) else {
            tracing::debug!(target: "sd", "SDHOST: the card has no data for this command");
            return registers.raise(STS_DATA_TIMEOUT);
        };
        let block = data.block_bytes();
        let (bytes, blocks) = (registers.block_bytes.load(SeqCst), registers.blocks.load(SeqCst));
        if bytes != 0 && bytes != block {
            tracing::debug!(target: "sd", "SDHOST: blocks of {block} bytes, but SDHBCT is {bytes}");
            return registers.raise(STS_CRC16);
        }
        let blocks = if blocks == 0 { u64::MAX } else { blocks.into() };
        registers.transfer.start(data, blocks);
        self.short = blocks != u64::MAX && registers.transfer.size() < u64::from(block).saturating_mul(blocks);
    }
}

fn run_commands(mut host: Single<&mut SdHost>, mut slot: ResMut<Slot>, clock: Res<MachineClock>) {
    let now = clock.now();
    if host.is_due(now) {
        host.service(&mut slot, now);
    }
}

/// Adds the controller. Needs [`crate::dma::DmaPlugin`] and [`crate::sd::SlotPlugin`].
#[derive(Clone, Copy, Debug)]
pub struct SdHostPlugin;

impl Plugin for SdHostPlugin {
    fn install(&self, machine: &mut MachineBuilder) {
        let image = machine.world.resource::<Slot>().image();
        let registers = Arc::new(Registers {
            command: AtomicU32::new(0),
            argument: AtomicU32::new(0),
            timeout: AtomicU32::new(0),
            divider: AtomicU32::new(0),
            response: Default::default(),
            status: AtomicU32::new(0),
            power: AtomicU32::new(0),
            edm: AtomicU32::new(0),
            fsm: AtomicU32::new(FSM_IDENTIFICATION),
            config: AtomicU32::new(0),
            block_bytes: AtomicU32::new(0),
            blocks: AtomicU32::new(0),
            transfer: Transfer::new(image),
            inbox: Inbox::default(),
            deadline: machine.deadline(),
            attention: machine.attention(),
            line: machine.irq_line(irq::SDHOST),
            dreq: machine.world.resource::<Dreqs>().line(DREQ),
        });
        machine.map(BASE..BASE + SIZE, "SDHOST", Arc::new(View(Arc::clone(&registers))));
        machine.part("SDHOST", |world, archive| {
            world.query::<&mut SdHost>().iter_mut(world).for_each(|mut host| host.pass(archive));
        });
        machine.world.spawn(SdHost { registers, short: false, awaits_card: false });
        machine.add_systems(Phase::Service, run_commands);
    }
}
